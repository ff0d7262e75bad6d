//! `edr hosts link`, `unlink`, `explain` and `review`: which hosts are one machine, and why.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use edr::identity::{Comparison, Evidence, Identity, Links, Machines};
use edr::{Error, ErrorKind, EstateEvent, Host, HostQuery, TenantId, Vendor};
use serde::Serialize;

use super::census;
use crate::args::{Explain, Pairing, Reach, Review};
use crate::context::{Context, state_folder};
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::listing;
use crate::outcome::{Tally, grouped};
use crate::output::columns::{Column, Fit, Value, columns, fit, list, text};
use crate::output::pager::Output;
use crate::output::{Record, sink};

/// A host of a pair.
#[derive(Clone, Debug, Serialize)]
struct End {
    urn: String,
    tenant: TenantId,
    vendor: Vendor,
    uid: String,
    hostname: String,
}

/// Two hosts, and what is known of their being one machine.
#[derive(Clone, Debug, Serialize)]
struct PairRow {
    standing: &'static str,
    points: i32,
    hosts: [End; 2],
    evidence: Vec<Evidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl PairRow {
    fn said(&self) -> Value<'_> {
        list(self.evidence.iter().map(|e| Some(Cow::Owned(e.to_string()))))
    }
}

fn named(end: &End) -> Value<'_> {
    Value::Text(Cow::Owned(format!("{} ({})", end.hostname, end.tenant)))
}

impl Record for PairRow {
    type Key = (i32, String, String);

    const NOUNS: (&'static str, &'static str) = ("pair", "pairs");
    const COLUMNS: &'static [Column<Self>] = columns! { PairRow;
        "standing" Plain, |p| text(p.standing);
        "points" Plain, |p| Value::Number(f64::from(p.points));
        "host" Plain, |p| named(&p.hosts[0]);
        "other" Plain, |p| named(&p.hosts[1]);
        "evidence" Plain, |p| p.said();
        "reason" Plain, |p| p.reason.as_deref().map_or(Value::Empty, text);
        "urn" Plain, |p| text(&p.hosts[0].urn);
        "other_urn" Plain, |p| text(&p.hosts[1].urn);
    };
    const TABLE: &'static [Fit] = &[
        fit("standing", 9, 0),
        fit("points", 6, 0),
        fit("host", 14, 0),
        fit("other", 14, 0),
        fit("evidence", 20, 2),
        fit("reason", 16, 1),
    ];
    const PIPE: &'static [&'static str] =
        &["urn", "other_urn", "standing", "points", "host", "other", "evidence", "reason"];
    const WIDE: &'static [&'static str] =
        &["urn", "other_urn", "standing", "points", "host", "other", "evidence", "reason"];

    /// The best first.
    fn sort_key(&self) -> Self::Key {
        (-self.points, self.hosts[0].urn.clone(), self.hosts[1].urn.clone())
    }
}

/// Every host, and the machines that they are.
struct Census {
    hosts: BTreeMap<String, Host>,
    identity: Identity,
    machines: Machines,
    tally: Tally,
}

impl Census {
    async fn take(context: &mut Context) -> Result<Self, Failure> {
        let session = context.session().await?;
        let mut identity = Identity::new(session.config.identity());
        census::links(context)?.tell(&mut identity);
        let estate = context.estate(&session)?;
        census::advise(context, &estate, &session.config);
        let mut hosts = BTreeMap::new();
        let tally = census::read(context, &estate, estate.hosts(HostQuery::new()), |event| {
            let EstateEvent::Items(items) = event else { return };
            identity.upsert(&items);
            hosts.extend(items.into_iter().map(|host| (host.urn(), super::merge::bare(host, false))));
        });
        let tally = tally.await;
        context.close(&estate).await;
        Ok(Self { machines: identity.resolve(), hosts, identity, tally })
    }

    /// The hosts that a word means: by its URN or id, else by its name.
    fn find(&self, word: &str) -> Vec<&str> {
        let by = |is: &dyn Fn(&Host) -> bool| -> Vec<&str> {
            self.hosts.iter().filter(|(_, host)| is(host)).map(|(urn, _)| urn.as_str()).collect()
        };
        let exact = by(&|host| host.uid == word || host.urn() == word);
        if exact.is_empty() { by(&|host| host.hostname.eq_ignore_ascii_case(word)) } else { exact }
    }

    fn one(&self, word: &str) -> Result<&str, Failure> {
        match self.find(word).as_slice() {
            [] => Err(nobody(word)),
            [urn] => Ok(*urn),
            several => {
                let urns = several.join(", ");
                Err(Failure::usage(format!("{word} means several hosts; name one by its URN: {urns}")))
            }
        }
    }

    /// The host that a word means to a command that writes it down. While hosts are missing, another one may have the same
    /// name or id, and only a URN is sure; what is taken back need not be listed any more.
    fn meant(&self, word: &str, is_forgotten: bool) -> Result<String, Failure> {
        let (linked, unlinked) = self.identity.overrides();
        if is_forgotten && linked.chain(unlinked).any(|(a, b)| a == word || b == word) {
            return Ok(word.to_owned());
        }
        if self.tally.exit() != Exit::Complete && !self.hosts.contains_key(word) {
            return Err(Failure::Forbidden(format!(
                "not all hosts could be read, and so '{word}' may mean another one: name both hosts by their URNs, or try \
                 again when all tenants answer; nothing was changed"
            )));
        }
        self.one(word).map(str::to_owned)
    }

    fn both(&self, pairing: &Pairing) -> Result<(String, String), Failure> {
        let [a, b] = &pairing.hosts[..] else { return Err(Failure::usage("name two hosts")) };
        let (a, b) = (self.meant(a, pairing.forget)?, self.meant(b, pairing.forget)?);
        if a == b {
            return Err(Failure::usage("both words mean the same host"));
        }
        if !pairing.forget && !self.identity.is_one_customer(&a, &b) {
            return Err(Failure::Forbidden(format!(
                "{a} and {b} belong to different customers, whose hosts never meet; [customers] in the configuration \
                 says which tenants are one"
            )));
        }
        Ok((a, b))
    }

    fn end(&self, urn: &str) -> Option<End> {
        let Host { tenant, vendor, uid, hostname, .. } = self.hosts.get(urn)?;
        let (tenant, vendor, uid) = (tenant.clone(), vendor.clone(), uid.clone());
        Some(End { urn: urn.to_owned(), tenant, vendor, uid, hostname: hostname.clone() })
    }

    fn row(&self, a: &str, b: &str) -> Option<PairRow> {
        let found = self.machines.explain(a, b);
        let reason = match found.and_then(|f| f.veto.clone()) {
            Some(veto) => Some(veto),
            None => self.machines.refusal(a, b).map(ToString::to_string),
        };
        let mut row = PairRow {
            standing: self.standing(a, b, found),
            points: found.map_or(0, |f| f.points),
            hosts: [self.end(a)?, self.end(b)?],
            evidence: found.map(|f| f.evidence.clone()).unwrap_or_default(),
            reason,
        };
        if row.standing == "same" {
            row.reason =
                found.is_none().then(|| "by what they share with another host of the machine".to_owned());
        }
        Some(row)
    }

    fn standing(&self, a: &str, b: &str, found: Option<&Comparison>) -> &'static str {
        use edr::identity::Refusal;
        let together = self.machines.of(a).is_some_and(|m| m.members.iter().any(|h| h.urn == b));
        let (_, mut unlinked) = self.identity.overrides();
        match self.machines.refusal(a, b) {
            _ if self.machines.is_linked_by_hand(a, b) && together => "linked",
            _ if together => "same",
            _ if unlinked.any(|(x, y)| (x == a && y == b) || (x == b && y == a)) => "unlinked",
            _ if found.is_some_and(|f| f.veto.is_some()) => "vetoed",
            Some(Refusal::Veto { .. }) => "vetoed",
            Some(_) => "refused",
            None => "candidate",
        }
    }

    /// The other hosts that have something to do with one.
    fn others(&self, urn: &str) -> BTreeSet<&str> {
        let other = |pair: &'_ (String, String)| match (pair.0 == urn, pair.1 == urn) {
            (true, _) => self.hosts.get_key_value(&pair.1),
            (_, true) => self.hosts.get_key_value(&pair.0),
            _ => None,
        };
        let (linked, unlinked) = self.identity.overrides();
        let pairs = self.machines.compared().map(|(pair, _)| pair).chain(linked).chain(unlinked);
        let mut others: BTreeSet<&str> = pairs.filter_map(other).map(|(urn, _)| urn.as_str()).collect();
        let machine = self.machines.of(urn).map(|m| m.members.as_slice()).unwrap_or_default();
        others.extend(machine.iter().map(|m| m.urn.as_str()).filter(|other| *other != urn));
        others
    }
}

fn nobody(word: &str) -> Failure {
    let error = Error::new(ErrorKind::NotFound, format!("no host has the name, id or URN '{word}'"));
    Failure::Estate(error.with_hint("`edr hosts list --filter 'hostname ~ PART'` finds parts of a name"))
}

/// Says that two hosts are one machine, or that they are not, or takes back what was said.
pub(super) async fn pair(mut context: Context, pairing: Pairing, same: bool) -> Result<Exit, Failure> {
    context.check_view::<PairRow>(false)?;
    let path = file(&context)?;
    let mut census = Census::take(&mut context).await?;
    if census.tally.interrupted {
        return Ok(listing::settle(&context, &census.tally));
    }
    let (a, b) = census.both(&pairing).inspect_err(|_| {
        if census.tally.exit() != Exit::Complete {
            listing::settle(&context, &census.tally);
        }
    })?;
    let say = |identity: &mut Identity| match (pairing.forget, same) {
        (true, _) => identity.forget(&a, &b),
        (_, true) => identity.link(&a, &b),
        (_, false) => identity.unlink(&a, &b),
    };
    Links::change(&path, say)
        .map_err(|e| Failure::Other(format!("{} cannot be changed: {e}", path.display())))?;
    say(&mut census.identity);
    census.machines = census.identity.resolve();
    let rows: Vec<PairRow> = census.row(&a, &b).into_iter().collect();
    if rows.is_empty() {
        context.report.note("forgotten", &format!("forgotten: {a} and {b}, of which not both are listed"));
    }
    let printed = print(&context, rows, Reach::default());
    errors::ended(printed, listing::settle(&context, &census.tally))
}

/// The file of what was said by hand.
fn file(context: &Context) -> Result<PathBuf, Failure> {
    if context.is_demo() {
        return Err(Failure::usage("--demo keeps nothing"));
    }
    let folder = state_folder(&|name| std::env::var_os(name));
    let folder =
        folder.ok_or_else(|| Failure::usage("there is no state folder: set XDG_STATE_HOME or HOME"))?;
    Ok(folder.join("links.json"))
}

/// Explains what a host has in common with others.
pub(super) async fn explain(mut context: Context, explain: Explain) -> Result<Exit, Failure> {
    context.check_view::<PairRow>(false)?;
    let census = Census::take(&mut context).await?;
    let hosts = census.find(&explain.host);
    if hosts.is_empty() {
        listing::settle(&context, &census.tally);
        return Err(nobody(&explain.host));
    }
    let others = |urn| census.others(urn).into_iter().map(move |other| (urn, other));
    let rows = hosts.into_iter().flat_map(others).filter_map(|(a, b)| census.row(a, b)).collect();
    let printed = print(&context, rows, Reach { all: true, ..Reach::default() });
    errors::ended(printed, listing::settle(&context, &census.tally))
}

/// Lists the pairs that a person should look at.
pub(super) async fn review(mut context: Context, review: Review) -> Result<Exit, Failure> {
    if review.reach.raw {
        return Err(Failure::usage("--raw means nothing to pairs"));
    }
    context.check_view::<PairRow>(false)?;
    let census = Census::take(&mut context).await?;
    let rows = census.machines.review().iter().filter_map(|c| census.row(&c.hosts.0, &c.hosts.1)).collect();
    let printed = print(&context, rows, review.reach);
    errors::ended(printed, listing::settle(&context, &census.tally))
}

fn print(context: &Context, mut rows: Vec<PairRow>, reach: Reach) -> Result<(), Failure> {
    rows.sort_by_cached_key(Record::sort_key);
    let all = rows.len();
    rows.truncate(super::most(context, reach));
    let mut output = Output::open(context.view.format.is_table());
    let written = {
        let mut sink = sink::<PairRow>(&context.view, Box::new(&mut output));
        rows.iter().try_for_each(|row| sink.item(row)).and_then(|()| sink.finish())
    };
    output.close(&context.interrupt)?;
    written?;
    if rows.len() < all {
        let (shown, all) = (grouped(rows.len() as u64), grouped(all as u64));
        context.report.note("cut", &format!("showing {shown} of {all} pairs"));
    }
    Ok(())
}
