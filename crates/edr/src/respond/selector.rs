//! What a person names: hosts, a list of hosts, filters, alerts.

use edr_core::{Filter, Host, TenantId};

use super::error::{Error, Result};
use super::guard::Rule;

/// One thing that stands for hosts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Selector {
    /// The host of this alert.
    Alert {
        /// The vendor's own id of the alert.
        uid: String,
        /// The only tenant to look in.
        tenant: Option<TenantId>,
    },
    /// Every host that passes all of these. The only way to name hosts by a pattern.
    Filters(Vec<Filter>),
    /// One host.
    Host {
        /// What the text is.
        by: By,
        /// The text.
        text: String,
        /// The only tenant to look in.
        tenant: Option<TenantId>,
    },
}

/// What the text of a selector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum By {
    /// An address of the host.
    Address,
    /// An id, an address, a name or a serial number, as it turns out.
    Any,
    /// The host name.
    Name,
    /// The serial number.
    Serial,
    /// The vendor's own id.
    Uid,
}

impl Selector {
    /// A host by id, address, name or serial number.
    #[must_use]
    pub fn host(text: impl Into<String>) -> Self {
        Self::by(By::Any, text)
    }

    /// A host by one of its marks.
    #[must_use]
    pub fn by(by: By, text: impl Into<String>) -> Self {
        Self::Host { by, text: text.into(), tenant: None }
    }

    /// The host of an alert.
    #[must_use]
    pub fn alert(uid: impl Into<String>) -> Self {
        Self::Alert { uid: uid.into(), tenant: None }
    }

    /// Only in this tenant. A filter is of the chosen tenants as it is.
    #[must_use]
    pub fn within(mut self, name: &TenantId) -> Self {
        if let Self::Alert { tenant, .. } | Self::Host { tenant, .. } = &mut self {
            *tenant = Some(name.clone());
        }
        self
    }

    /// As a person would write it.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Alert { uid, tenant } => prefixed(tenant.as_ref(), &format!("alert {uid}")),
            Self::Filters(filters) => {
                let texts: Vec<String> = filters.iter().map(ToString::to_string).collect();
                texts.join(" and ")
            }
            Self::Host { text, tenant, .. } => prefixed(tenant.as_ref(), text),
        }
    }

    pub(super) fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Alert { tenant, .. } | Self::Host { tenant, .. } => tenant.as_ref(),
            Self::Filters(_) => None,
        }
    }

    /// True when the host is one that this names. Case is ignored: names and ids of hosts do not differ by it.
    pub(super) fn names(&self, host: &Host) -> bool {
        let Self::Host { by, text, tenant } = self else { return false };
        if tenant.as_ref().is_some_and(|tenant| *tenant != host.tenant) {
            return false;
        }
        let same = |value: &str| value.eq_ignore_ascii_case(text);
        let address = || is_address_of(host, text);
        let serial = || host.serial_number.as_deref().is_some_and(same);
        match by {
            By::Address => address(),
            By::Any => same(&host.uid) || same(&host.hostname) || address() || serial(),
            By::Name => same(&host.hostname),
            By::Serial => serial(),
            By::Uid => same(&host.uid),
        }
    }

    /// Refuses what would name nothing or too much.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |rule, message: &str| Err(Error::refused(rule, format!("{}: {message}", self.label())));
        match self {
            Self::Alert { uid, .. } if uid.trim().is_empty() => {
                refuse(Rule::EmptySelection, "an alert without an id names nothing")
            }
            Self::Filters(filters) if filters.is_empty() => {
                refuse(Rule::EmptySelection, "no filter is not every host")
            }
            Self::Host { text, .. } if text.trim().is_empty() => {
                refuse(Rule::EmptySelection, "an empty name names nothing")
            }
            Self::Host { text, .. } if text.contains(['*', '?']) => {
                refuse(Rule::Wildcard, "a pattern is no host; write it as a filter, as in 'hostname ~ WEB-*'")
            }
            _ => Ok(()),
        }
    }
}

fn prefixed(tenant: Option<&TenantId>, text: &str) -> String {
    tenant.map_or_else(|| text.to_owned(), |tenant| format!("{tenant}:{text}"))
}

pub(super) fn is_address_of(host: &Host, text: &str) -> bool {
    let Ok(wanted) = text.parse::<std::net::IpAddr>() else { return false };
    host.network_interfaces.iter().filter_map(|n| n.ip).chain(host.ip).any(|ip| ip == wanted)
}

/// Reads a list of hosts: one a line, or CSV with a header. Blank lines and lines that begin with `#` are left out.
///
/// The header is known by its columns: `uid` (or `id`, `device_id`, `aid`, `agent_id`, `endpoint_id`), `hostname` (or
/// `host`, `name`, `computer_name`, `endpoint_name`, `device_name`), `serial` (or `serial_number`) and `ip` (or `ip_address`,
/// `local_ip`, `address`). Of several that a row fills in, the first in this order counts. A column `tenant` narrows the row to
/// that tenant. Columns are parted by commas, semicolons or tabs.
///
/// ```
/// use edr::respond::{Selector, read_list};
/// let list = read_list("hostname;site\nweb-1;Berlin\nweb-2;Oslo\n")?;
/// assert_eq!(list.len(), 2);
/// assert!(read_list("# nobody\n").is_err());
/// # Ok::<(), edr::respond::Error>(())
/// ```
///
/// # Errors
/// When it names no host, or a line has several fields and no header says what they are.
pub fn read_list(text: &str) -> Result<Vec<Selector>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = lines(text).next().map(|(_, line)| line).unwrap_or_default();
    let list = match header(first) {
        Some((delimiter, columns)) => rows(text, delimiter, &columns)?,
        None => lines(text).map(|(at, line)| plain(at, line)).collect::<Result<Vec<_>>>()?,
    };
    if list.is_empty() {
        return Err(Error::refused(Rule::EmptySelection, "the list names no host"));
    }
    list.iter().try_for_each(Selector::check)?;
    Ok(list)
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn plain(at: usize, line: &str) -> Result<Selector> {
    if line.contains([',', ';', '\t']) {
        let why = format!("line {at} of the list has several fields, and no header says which is the host");
        return Err(Error::Selection(why));
    }
    Ok(Selector::host(line.trim_matches('"')))
}

/// What a column says about a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Uid,
    Name,
    Serial,
    Address,
    Tenant,
}

fn column(name: &str) -> Option<Column> {
    let name = name.trim().trim_matches('"').to_ascii_lowercase().replace([' ', '-'], "_");
    Some(match name.as_str() {
        "uid" | "id" | "device_id" | "aid" | "agent_id" | "endpoint_id" => Column::Uid,
        "hostname" | "host" | "host_name" | "name" | "computer_name" | "endpoint_name" | "device_name" => {
            Column::Name
        }
        "serial" | "serial_number" => Column::Serial,
        "ip" | "ip_address" | "local_ip" | "address" => Column::Address,
        "tenant" => Column::Tenant,
        _ => return None,
    })
}

/// The columns by their place, when the line is a header that names a host.
fn header(line: &str) -> Option<(u8, Vec<Option<Column>>)> {
    let delimiter = [b'\t', b';', b','].into_iter().find(|d| line.as_bytes().contains(d)).unwrap_or(b',');
    let columns: Vec<_> = line.split(char::from(delimiter)).map(column).collect();
    let names_a_host = columns.iter().flatten().any(|column| *column != Column::Tenant);
    names_a_host.then_some((delimiter, columns))
}

fn rows(text: &str, delimiter: u8, columns: &[Option<Column>]) -> Result<Vec<Selector>> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .comment(Some(b'#'))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut list = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| Error::Selection(format!("the list cannot be read: {e}")))?;
        let at = record.position().map_or(0, csv::Position::line);
        if record.iter().any(|field| !field.is_empty()) {
            list.push(row(&record, columns, at)?);
        }
    }
    Ok(list)
}

fn row(record: &csv::StringRecord, columns: &[Option<Column>], at: u64) -> Result<Selector> {
    let known = columns.iter().zip(record.iter()).filter_map(|(column, field)| Some(((*column)?, field)));
    let mut fields: Vec<(Column, &str)> = known.filter(|(_, field)| !field.is_empty()).collect();
    fields.sort_by_key(|(column, _)| *column);
    let tenant =
        fields.iter().find(|(column, _)| *column == Column::Tenant).map(|(_, name)| TenantId::new(name));
    let by = |column| match column {
        Column::Uid => Some(By::Uid),
        Column::Name => Some(By::Name),
        Column::Serial => Some(By::Serial),
        Column::Address => Some(By::Address),
        Column::Tenant => None,
    };
    let host = fields.iter().find_map(|(column, field)| Some(Selector::by(by(*column)?, *field)));
    let host = host.ok_or_else(|| Error::Selection(format!("line {at} of the list names no host")))?;
    Ok(tenant.map_or(host.clone(), |tenant| host.within(&tenant)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Vec<String> {
        read_list(text).unwrap().iter().map(Selector::label).collect()
    }

    #[test]
    fn lists_are_lines_or_csv() {
        assert_eq!(labels("\u{feff}web-1\n# x\n\n 10.0.0.5 \n"), ["web-1", "10.0.0.5"]);
        assert_eq!(labels("Host Name,Site\nweb-1,\"Berlin, Mitte\"\n\"web-2\",Oslo\n"), ["web-1", "web-2"]);
        assert_eq!(labels("tenant\tuid\thostname\na\tid1\tweb-1\nb\t\tweb-2\n"), ["a:id1", "b:web-2"]);
        assert_eq!(labels("hostname\nweb-1\n"), ["web-1"], "a header alone on its line");
        let list = read_list("serial;ip\nS1;\n;10.0.0.1\n").unwrap();
        let by: Vec<By> = list
            .iter()
            .map(|s| match s {
                Selector::Host { by, .. } => *by,
                _ => By::Any,
            })
            .collect();
        assert_eq!(by, [By::Serial, By::Address]);
    }

    #[test]
    fn a_list_that_names_nothing_or_everything_is_refused() {
        for (text, rule) in [
            ("", "empty_selection"),
            ("# web-1\n\n", "empty_selection"),
            ("hostname\n", "empty_selection"),
            ("*", "wildcard"),
            ("hostname\nWEB-*\n", "wildcard"),
        ] {
            let error = read_list(text).unwrap_err();
            assert_eq!(error.rule().map(Rule::as_str), Some(rule), "{text:?}: {error}");
        }
        for text in
            ["web-1,web-2", "site,owner\nBerlin,ann", "hostname,ip\n,\nx,\n\ntenant", "tenant\nacme,x\n"]
        {
            assert!(read_list(text).is_err() || text.starts_with("hostname"), "{text:?}");
        }
        assert!(read_list("tenant,hostname\nacme,\n").unwrap_err().to_string().contains("line 2"));
        assert!(Selector::Filters(Vec::new()).check().is_err());
        assert!(Selector::alert(" ").check().is_err());
    }
}
