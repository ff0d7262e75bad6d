//! `edr hosts list --merge`: one row a machine.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use edr::core::Raw;
use edr::identity::{Identity, Machine};
use edr::{Estate, EstateEvent, Filter, Host, HostQuery, TenantId, Vendor};
use serde::Serialize;

use super::census;
use crate::args::Reach;
use crate::context::Context;
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::listing;
use crate::outcome::grouped;
use crate::output::columns::{Column, Fit, Value, columns, fit, list, text, time};
use crate::output::pager::Output;
use crate::output::{Record, sink};

/// A machine with its hosts.
#[derive(Debug, Serialize)]
struct Merged {
    /// The URN of the host that was seen first.
    uid: String,
    hostname: String,
    tenants: Vec<TenantId>,
    vendors: Vec<Vendor>,
    last_seen: Option<DateTime<Utc>>,
    hosts: Vec<Host>,
}

impl Merged {
    fn of(machine: &Machine, all: &mut BTreeMap<String, Host>) -> Self {
        let hosts: Vec<Host> = machine.members.iter().filter_map(|m| all.remove(&m.urn)).collect();
        let tenants: BTreeSet<&TenantId> = hosts.iter().map(|h| &h.tenant).collect();
        let vendors: BTreeSet<&Vendor> = hosts.iter().map(|h| &h.vendor).collect();
        Self {
            uid: machine.uid.clone(),
            hostname: machine.hostname.clone(),
            tenants: tenants.into_iter().cloned().collect(),
            vendors: vendors.into_iter().cloned().collect(),
            last_seen: hosts.iter().filter_map(|h| h.last_seen).max(),
            hosts,
        }
    }

    /// One entry a host: what one vendor says is never mixed with what another says.
    fn each(&self, say: impl Fn(&Host) -> Option<String>) -> Value<'_> {
        let said = self.hosts.iter().filter_map(|h| Some(format!("{}: {}", h.vendor, say(h)?)));
        list(said.map(|word| Some(Cow::Owned(word))))
    }
}

impl Record for Merged {
    type Key = (String, String);

    const NOUNS: (&'static str, &'static str) = ("machine", "machines");
    const COLUMNS: &'static [Column<Self>] = columns! { Merged;
        "uid" Plain, |m| text(&m.uid);
        "hostname" Plain, |m| text(&m.hostname);
        "tenants" Plain, |m| list(m.tenants.iter().map(|t| Some(Cow::Borrowed(t.as_str()))));
        "vendors" Plain, |m| list(m.vendors.iter().map(|v| Some(Cow::Owned(v.to_string()))));
        "agents" Plain, |m| m.each(|h| h.agent.version.clone());
        "platforms" Plain, |m| list(m.hosts.iter().map(|h| Some(Cow::Borrowed(h.os.platform.as_str()))));
        "containment" Plain, |m| m.each(|h| Some(h.containment_state.to_string()));
        "connection" Plain, |m| m.each(|h| Some(h.connection_state.to_string()));
        "last_seen" Plain, |m| time(m.last_seen);
        "hosts" Plain, |m| list(m.hosts.iter().map(|h| Some(Cow::Owned(h.urn()))));
    };
    const TABLE: &'static [Fit] = &[
        fit("hostname", 16, 0),
        fit("tenants", 12, 3),
        fit("vendors", 14, 0),
        fit("agents", 12, 4),
        fit("platforms", 7, 2),
        fit("containment", 14, 0),
        fit("last_seen", 8, 1),
    ];
    const PIPE: &'static [&'static str] =
        &["uid", "hostname", "tenants", "vendors", "agents", "platforms", "containment", "last_seen"];
    const WIDE: &'static [&'static str] = &[
        "uid",
        "hostname",
        "tenants",
        "vendors",
        "agents",
        "platforms",
        "containment",
        "connection",
        "last_seen",
        "hosts",
    ];

    fn sort_key(&self) -> Self::Key {
        (self.hostname.to_lowercase(), self.uid.clone())
    }
}

/// Lists machines.
pub(super) async fn run(
    mut context: Context,
    filters: Vec<Filter>,
    online: bool,
    reach: Reach,
) -> Result<Exit, Failure> {
    context.check_view::<Merged>(reach.raw)?;
    let session = context.session().await?;
    let mut identity = Identity::new(session.config.identity());
    census::links(&context)?.tell(&mut identity);
    let estate = context.estate(&session)?;
    census::advise(&context, &estate, &session.config);
    // Which hosts are one machine is told by all of them; the filters say which machines are shown.
    let mut query = HostQuery::new();
    query.with_connection = online || filters.iter().any(|f| f.field().name == "connection_state");
    let (mut hosts, mut wanted) = (BTreeMap::new(), BTreeSet::new());
    let tally = census::read(&mut context, &estate, estate.hosts(query), |event| {
        let EstateEvent::Items(items) = event else { return };
        identity.upsert(&items);
        let passing = items.iter().filter(|host| filters.iter().all(|f| f.passes_host(host)));
        wanted.extend(passing.map(Host::urn));
        hosts.extend(items.into_iter().map(|host| (host.urn(), bare(host, reach.raw))));
    });
    let tally = tally.await;
    let found = identity.resolve();
    let shown = found.iter().filter(|machine| machine.members.iter().any(|m| wanted.contains(&m.urn)));
    let mut machines: Vec<Merged> = shown.map(|machine| Merged::of(machine, &mut hosts)).collect();
    machines.sort_by_cached_key(Record::sort_key);
    let printed = print(&context, &estate, &mut machines, reach).await;
    errors::ended(printed, listing::settle(&context, &tally))
}

pub(super) fn bare(mut host: Host, raw: bool) -> Host {
    if !raw {
        host.raw = Raw::default();
    }
    host
}

async fn print(
    context: &Context,
    estate: &Estate,
    machines: &mut Vec<Merged>,
    reach: Reach,
) -> Result<(), Failure> {
    let all = machines.len();
    machines.truncate(super::most(context, reach));
    let mut output = Output::open(context.view.format.is_table());
    let written = {
        let mut sink = sink::<Merged>(&context.view, Box::new(&mut output));
        machines.iter().try_for_each(|machine| sink.item(machine)).and_then(|()| sink.finish())
    };
    let closed = output.close(&context.interrupt);
    context.close(estate).await;
    closed?;
    written?;
    if machines.len() < all {
        let (shown, all) = (grouped(machines.len() as u64), grouped(all as u64));
        context.report.note("cut", &format!("showing {shown} of {all} machines"));
    } else {
        context.report.note("merged", &format!("{} machines", grouped(all as u64)));
    }
    Ok(())
}
