//! `edr alerts list --group`: one row an activity.

use std::borrow::Cow;

use edr::grouping::{AlertGroup, Grouping, GroupingConfig};
use edr::identity::Identity;
use edr::{AlertQuery, EstateEvent, Filter, HostQuery};

use super::census;
use crate::args::Reach;
use crate::context::Context;
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::listing;
use crate::outcome::grouped;
use crate::output::columns::{Column, Fit, Value, columns, fit, flag, list, maybe, text, time};
use crate::output::pager::Output;
use crate::output::{Record, sink};

impl Record for AlertGroup {
    type Key = (std::cmp::Reverse<Option<chrono::DateTime<chrono::Utc>>>, String);

    const NOUNS: (&'static str, &'static str) = ("group", "groups");
    const COLUMNS: &'static [Column<Self>] = columns! { AlertGroup;
        "uid" Plain, |g| text(&g.uid);
        "severity" Severity, |g| text(g.severity.as_str());
        "alerts" Plain, |g| Value::Number(f64::from(u32::try_from(g.members.len()).unwrap_or(u32::MAX)));
        "sources" Plain, |g| list(g.sources().into_iter().map(|(v, n)| Some(Cow::Owned(format!("{v}: {n}")))));
        "tenants" Plain, |g| list(g.tenants().into_iter().map(|t| Some(Cow::Owned(t.to_string()))));
        "hostname" Plain, |g| maybe(g.hostname.as_ref());
        "machine" Plain, |g| maybe(g.machine.as_ref());
        "first_seen" Plain, |g| time(g.first_seen);
        "last_seen" Plain, |g| time(g.last_seen);
        "techniques" Plain, |g| list(g.techniques.iter().map(|t| Some(Cow::Borrowed(t.as_str()))));
        "title" Plain, |g| maybe(g.members.first().map(|m| &m.title));
        "status" Status, |g| text(g.status.as_str());
        "verdicts" Plain, |g| list(g.verdicts.iter().map(|v| Some(Cow::Borrowed(v.as_str()))));
        "prevented" Plain, |g| flag(g.prevented);
        "members" Plain, |g| list(g.members.iter().map(|m| Some(Cow::Borrowed(m.urn.as_str()))));
    };
    const TABLE: &'static [Fit] = &[
        fit("severity", 8, 0),
        fit("sources", 12, 0),
        fit("hostname", 12, 0),
        fit("first_seen", 8, 1),
        fit("last_seen", 8, 2),
        fit("techniques", 12, 3),
        fit("title", 16, 0),
        fit("status", 8, 4),
    ];
    const PIPE: &'static [&'static str] = &[
        "uid",
        "severity",
        "sources",
        "hostname",
        "first_seen",
        "last_seen",
        "techniques",
        "title",
        "status",
    ];
    const WIDE: &'static [&'static str] = &[
        "uid",
        "severity",
        "alerts",
        "sources",
        "tenants",
        "hostname",
        "machine",
        "first_seen",
        "last_seen",
        "techniques",
        "title",
        "status",
        "verdicts",
        "prevented",
        "members",
    ];

    /// The newest first.
    fn sort_key(&self) -> Self::Key {
        (std::cmp::Reverse(self.first_seen), self.uid.clone())
    }
}

/// Lists groups.
pub(super) async fn run(mut context: Context, filters: Vec<Filter>, reach: Reach) -> Result<Exit, Failure> {
    if reach.raw {
        return Err(Failure::usage("--raw means nothing to groups"));
    }
    context.check_view::<AlertGroup>(false)?;
    let session = context.session().await?;
    let mut identity = Identity::new(session.config.identity());
    census::links(&context)?.tell(&mut identity);
    let estate = context.estate(&session)?;
    census::advise(&context, &estate, &session.config);
    let hosts = census::read(&mut context, &estate, estate.hosts(HostQuery::new()), |event| {
        if let EstateEvent::Items(items) = event {
            identity.upsert(&items);
        }
    });
    let hosts = hosts.await;
    if hosts.exit() != Exit::Complete {
        hosts.errors().for_each(|error| context.report.tenant_error(error));
        let message = "not all hosts could be read: alerts of one machine may stand apart";
        context.report.warn("hosts", None, message);
    }
    let mut grouping = Grouping::new(GroupingConfig::new());
    let mut query = AlertQuery::new();
    query.filters = filters;
    let tally = census::read(&mut context, &estate, estate.alerts(query), |event| {
        if let EstateEvent::Items(items) = event {
            grouping.upsert(&items);
        }
    });
    let mut tally = tally.await;
    tally.rest_on(&hosts);
    let found = grouping.resolve(&identity);
    let printed = print(&context, found.iter().cloned().collect(), reach);
    context.close(&estate).await;
    errors::ended(printed, listing::settle(&context, &tally))
}

fn print(context: &Context, mut groups: Vec<AlertGroup>, reach: Reach) -> Result<(), Failure> {
    groups.sort_by_cached_key(Record::sort_key);
    let all = groups.len();
    groups.truncate(super::most(context, reach));
    let mut output = Output::open(context.view.format.is_table());
    let written = {
        let mut sink = sink::<AlertGroup>(&context.view, Box::new(&mut output));
        groups.iter().try_for_each(|group| sink.item(group)).and_then(|()| sink.finish())
    };
    output.close(&context.interrupt)?;
    written?;
    let (shown, total) = (grouped(groups.len() as u64), grouped(all as u64));
    match groups.len() < all {
        true => context.report.note("cut", &format!("showing {shown} of {total} groups")),
        false => context.report.note("grouped", &format!("{total} groups")),
    }
    Ok(())
}
