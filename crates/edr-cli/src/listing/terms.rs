//! Things by name: `--host` and `--from`.

use std::collections::HashSet;
use std::io::{self, Read as _};
use std::net::IpAddr;

use edr::core::TenantId;
use edr::{Estate, Filter, Host, Op};

use super::{Kind, Reader, Taker, Wanted};
use crate::args::Terms;
use crate::context::Context;
use crate::errors::Failure;

/// Alternatives of one filter: some vendors take filters in the address of the request.
const CHUNK: usize = 50;
/// How many missing names are told one by one.
const TOLD: usize = 20;

/// What is listed: a query, and names that narrow it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wants {
    /// What is asked of the tenants.
    pub(crate) query: Wanted,
    /// Names, ids and addresses; empty means no narrowing.
    pub(crate) terms: Vec<String>,
}

/// The names, ids and addresses of the command line and of its file. A file without any is a
/// mistake: nothing named never means everything.
pub(crate) fn read(terms: &Terms) -> Result<Vec<String>, Failure> {
    let mut all: Vec<String> = terms.host.iter().map(|t| t.trim().to_owned()).collect();
    if all.iter().any(String::is_empty) {
        return Err(Failure::usage("--host is empty"));
    }
    if let Some(path) = &terms.from {
        let text = file(path).map_err(|e| Failure::usage(format!("--from {path} cannot be read: {e}")))?;
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let before = all.len();
        all.extend(lines.map(str::to_owned));
        if all.len() == before {
            return Err(Failure::usage(format!("--from {path} names no host")));
        }
    }
    let mut seen = HashSet::new();
    all.retain(|term| seen.insert(term.clone()));
    Ok(all)
}

/// The most that a list of hosts holds, in bytes: a device that never ends is no list.
const LIST: u64 = 64 << 20;

/// The text of a list, or of standard input.
pub(crate) fn file(path: &str) -> io::Result<String> {
    let mut text = String::new();
    match path {
        "-" => io::stdin().lock().take(LIST + 1).read_to_string(&mut text)?,
        path => std::fs::File::open(path)?.take(LIST + 1).read_to_string(&mut text)?,
    };
    if text.len() as u64 > LIST {
        return Err(io::Error::other("it is larger than 64 MiB"));
    }
    Ok(text)
}

/// What a term looks like.
fn is_id(term: &str) -> bool {
    term.len() == 32 && term.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_address(term: &str) -> bool {
    term.parse::<IpAddr>().is_ok()
}

/// Finds the named: ids, addresses and exact names first, and what is still missing without regard
/// to case.
pub(super) async fn find<T: Kind>(
    reader: &mut Reader<'_>,
    estate: &Estate,
    wants: &Wants,
) -> Result<Vec<T>, Failure> {
    let mut hunt = Hunt::<T>::new(&wants.terms);
    let (ids, rest): (Vec<&str>, Vec<&str>) = hunt.terms.iter().map(String::as_str).partition(|t| is_id(t));
    let (addresses, names): (Vec<&str>, Vec<&str>) = rest.into_iter().partition(|t| is_address(t));
    let groups = [(T::ID, ids), (T::ADDRESS, addresses), (T::NAME, names)];
    let filters = groups.iter().map(|(field, terms)| filters::<T>(reader.context, field, Op::Eq, terms));
    let filters: Vec<Filter> = filters.collect::<Result<Vec<_>, _>>()?.concat();
    hunt.passes(reader, estate, &wants.query, filters).await?;
    hunt.any_case = true;
    let missing: Vec<String> = hunt.missing().map(str::to_owned).collect();
    let names: Vec<&str> = missing.iter().map(String::as_str).filter(|t| !is_address(t)).collect();
    let filters = filters_like::<T>(reader.context, &names)?;
    hunt.passes(reader, estate, &wants.query, filters).await?;
    if !reader.tally.interrupted {
        tell_missing(reader, &hunt, wants);
    }
    Ok(hunt.found)
}

fn filters_like<T: Kind>(context: &Context, names: &[&str]) -> Result<Vec<Filter>, Failure> {
    filters::<T>(context, T::NAME, Op::Like, names)
}

fn filters<T: Kind>(context: &Context, field: &str, op: Op, terms: &[&str]) -> Result<Vec<Filter>, Failure> {
    let filter = |chunk: &[&str]| Filter::new(T::FILTERS, field, op, chunk, context.now());
    Ok(terms.chunks(CHUNK).map(filter).collect::<Result<Vec<_>, _>>()?)
}

/// A host that is asked for and not there is not found. Where other filters narrow the listing, or where
/// something else is listed than hosts, a name without a match proves nothing about the host.
fn tell_missing<T: Kind>(reader: &mut Reader<'_>, hunt: &Hunt<T>, wants: &Wants) {
    let missing: Vec<&str> = hunt.missing().collect();
    let names = missing.iter().map(|m| (*m).to_owned()).collect();
    if T::IS_HOST && wants.query.filters.is_empty() {
        reader.tally.missing = names;
    } else {
        reader.tally.unmatched = names;
    }
    let (_, several) = T::NOUNS;
    for term in missing.iter().take(TOLD) {
        reader.context.report.warn("no_match", None, &format!("no {several} match '{term}'"));
    }
    if missing.len() > TOLD {
        let message = format!("{} more names match no {several}", missing.len() - TOLD);
        reader.context.report.warn("no_match", None, &message);
    }
}

/// A search for several names.
struct Hunt<T> {
    terms: Vec<String>,
    hit: HashSet<String>,
    any_case: bool,
    found: Vec<T>,
    keys: HashSet<(TenantId, String)>,
}

impl<T: Kind> Hunt<T> {
    fn new(terms: &[String]) -> Self {
        let lower = |t: &String| if is_id(t) { t.to_ascii_lowercase() } else { t.clone() };
        let terms = terms.iter().map(lower).collect();
        Self { terms, hit: HashSet::new(), any_case: false, found: Vec::new(), keys: HashSet::new() }
    }

    fn missing(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter(|t| !self.hit.contains(*t)).map(String::as_str)
    }

    async fn passes(
        &mut self,
        reader: &mut Reader<'_>,
        estate: &Estate,
        query: &Wanted,
        filters: Vec<Filter>,
    ) -> Result<(), Failure> {
        for filter in filters {
            if reader.tally.interrupted {
                break;
            }
            let mut wanted = query.clone();
            wanted.filters.push(filter);
            reader.read(T::open(&reader.context.in_time(estate), wanted), self).await?;
        }
        Ok(())
    }

    /// The terms that the host answers to.
    fn answers(&self, host: &Host) -> Vec<String> {
        self.terms.iter().filter(|term| self.is_called(host, term)).cloned().collect()
    }

    fn is_called(&self, host: &Host, term: &str) -> bool {
        let addresses = host.network_interfaces.iter().filter_map(|n| n.ip).chain(host.ip);
        let by_address = || term.parse::<IpAddr>().is_ok_and(|ip| addresses.into_iter().any(|a| a == ip));
        host.uid == term
            || host.hostname == term
            || (self.any_case && host.hostname.eq_ignore_ascii_case(term))
            || by_address()
    }
}

impl<T: Kind> Taker<T> for Hunt<T> {
    fn take(&mut self, items: Vec<T>) -> io::Result<u64> {
        let before = self.found.len();
        for item in items {
            let terms = item.host().map(|h| self.answers(h)).unwrap_or_default();
            let key = (item.tenant().clone(), item.uid().to_owned());
            if !terms.is_empty() && self.keys.insert(key) {
                self.found.push(item);
            }
            self.hit.extend(terms);
        }
        Ok((self.found.len() - before) as u64)
    }

    fn is_full(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(host: &[&str], from: Option<&str>) -> Terms {
        Terms {
            host: host.iter().map(|h| (*h).to_owned()).collect(),
            from: from.map(str::to_owned),
            filter: Vec::new(),
        }
    }

    #[test]
    fn a_file_gives_names_without_blanks_comments_and_doubles() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# hosts\nweb-1\n\n  web-2  \nweb-1\n10.0.0.5\n").unwrap();
        let all = read(&terms(&["web-9"], file.path().to_str())).unwrap();
        assert_eq!(all, ["web-9", "web-1", "web-2", "10.0.0.5"]);
    }

    #[test]
    fn nothing_named_is_a_mistake() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# nobody\n").unwrap();
        let error = read(&terms(&[], file.path().to_str())).unwrap_err();
        assert!(error.line().contains("names no host"), "{}", error.line());
        assert!(read(&terms(&[""], None)).is_err());
        assert!(read(&terms(&[], Some("/nonexistent/x"))).unwrap_err().line().contains("cannot be read"));
        assert!(read(&terms(&[], None)).unwrap().is_empty());
    }

    #[test]
    fn a_host_answers_to_name_id_and_address() {
        let host = crate::output::fixture::host();
        let mut hunt = Hunt::<Host>::new(
            &["win-build-01", &host.uid.to_uppercase(), "10.0.0.5", "WIN"].map(str::to_owned),
        );
        assert_eq!(hunt.answers(&host), [host.uid.as_str(), "10.0.0.5"]);
        hunt.any_case = true;
        assert_eq!(hunt.answers(&host).len(), 3);
    }
}
