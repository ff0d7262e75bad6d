//! `get`: things by id or name, from all tenants.

use std::collections::HashSet;
use std::io;

use edr::core::TenantId;
use edr::{Alert, Case, Estate, Host};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};

use crate::args::Get;
use crate::context::Context;
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::listing::Kind;
use crate::outcome::Tally;
use crate::output::pager::Output;
use crate::output::{card, sink};

/// How many names are looked for at the same time.
const AT_ONCE: usize = 4;

/// What can be looked for by one word.
pub(super) trait Findable: Kind {
    /// What a word is called in "no … 'x'".
    const WORD: &'static str;
    /// What to do when nothing is found.
    const HINT: &'static str;

    /// Looks in all tenants.
    fn find<'a>(estate: &'a Estate, term: &'a str) -> LocalBoxFuture<'a, edr::Found<Self>>;
}

impl Findable for Host {
    const WORD: &'static str = "no host has the name or id";
    const HINT: &'static str = "`edr hosts list --filter 'hostname ~ PART'` finds parts of a name";

    fn find<'a>(estate: &'a Estate, term: &'a str) -> LocalBoxFuture<'a, edr::Found<Self>> {
        estate.find_hosts(term).boxed_local()
    }
}

impl Findable for Alert {
    const WORD: &'static str = "no alert has the id";
    const HINT: &'static str = "ids are whole and exact; `edr alerts list -o wide` shows them";

    fn find<'a>(estate: &'a Estate, term: &'a str) -> LocalBoxFuture<'a, edr::Found<Self>> {
        estate.find_alerts(term).boxed_local()
    }
}

impl Findable for Case {
    const WORD: &'static str = "no case has the id";
    const HINT: &'static str = "ids are whole and exact; `edr cases list` shows them";

    fn find<'a>(estate: &'a Estate, term: &'a str) -> LocalBoxFuture<'a, edr::Found<Self>> {
        estate.find(term).boxed_local()
    }
}

/// What was found, and what was not.
struct Hunt<T> {
    tally: Tally,
    items: Vec<T>,
    keys: HashSet<(TenantId, String)>,
    missing: Vec<String>,
}

/// Finds, prints, and says what is missing.
pub(super) async fn run<T: Findable>(mut context: Context, get: Get) -> Result<Exit, Failure> {
    context.check_view::<T>(get.raw)?;
    if get.terms.iter().any(|t| t.trim().is_empty()) {
        return Err(Failure::usage("an empty name finds nothing"));
    }
    let session = context.session().await?;
    let estate = context.estate(&session)?;
    context.report.start_progress();
    context.report.progress(|| "searching".to_owned());
    let hunt = search::<T>(&context, &estate, &get).await;
    context.report.stop_progress();
    hunt.items.iter().filter_map(Kind::host).for_each(|host| warn_of_unasked(&context, host));
    let printed = print(&context, &hunt.items);
    context.close(&estate).await;
    errors::ended(printed, conclude(&context, hunt))
}

/// A host whose connection state could not be asked looks like one that nobody asked.
fn warn_of_unasked(context: &Context, host: &Host) {
    for anomaly in host.anomalies.iter().filter(|a| a.field == "connection_state") {
        let message = format!("{}: the connection state is not known: {}", host.hostname, anomaly.value);
        context.report.warn("connection_state", Some(&host.tenant), &message);
    }
}

async fn search<T: Findable>(context: &Context, estate: &Estate, get: &Get) -> Hunt<T> {
    let mut tally = Tally::new(T::NOUNS, context.globals.timeout.is_some());
    estate.members().iter().for_each(|m| tally.expect(&m.tenant, &m.vendor));
    let mut hunt = Hunt { tally, items: Vec::new(), keys: HashSet::new(), missing: Vec::new() };
    let searches = get.terms.iter().map(|term| async move {
        let estate = context.in_time(estate);
        (term, T::find(&estate, term).await)
    });
    let mut searches = futures_util::stream::iter(searches).buffered(AT_ONCE);
    loop {
        let next = tokio::select! {
            () = context.interrupt.raised() => None,
            next = searches.next() => next,
        };
        hunt.tally.interrupted = context.interrupt.is_raised();
        let Some((term, found)) = next else { break };
        hunt.add(term, found, get.raw);
    }
    hunt
}

impl<T: Findable> Hunt<T> {
    fn add(&mut self, term: &str, found: edr::Found<T>, raw: bool) {
        if found.items.is_empty() {
            self.missing.push(term.to_owned());
        }
        found.outcomes.into_iter().for_each(|done| self.tally.end(done));
        for mut item in found.items {
            if !self.keys.insert((item.tenant().clone(), item.uid().to_owned())) {
                continue;
            }
            if !raw {
                item.strip();
            }
            self.tally.count(&item.tenant().clone(), 1);
            self.items.push(item);
        }
        self.tally.shown = self.items.len() as u64;
        self.tally.missing.clone_from(&self.missing);
    }
}

fn print<T: Findable>(context: &Context, items: &[T]) -> Result<(), Failure> {
    let mut output = Output::open(context.view.format.is_table());
    let written = write(context, items, &mut output);
    output.close(&context.interrupt)?;
    Ok(written?)
}

fn write<T: Findable>(context: &Context, items: &[T], output: &mut Output) -> io::Result<()> {
    if context.view.format.is_table() && context.view.columns.is_none() {
        return card::print(items, &context.view, output);
    }
    let mut sink = sink::<T>(&context.view, Box::new(output));
    items.iter().try_for_each(|item| sink.item(item))?;
    sink.finish()
}

fn conclude<T: Findable>(context: &Context, hunt: Hunt<T>) -> Exit {
    hunt.tally.errors().for_each(|error| context.report.tenant_error(error));
    let proven = hunt.tally.errors().next().is_none();
    for term in &hunt.missing {
        let place = if proven { "" } else { " in the tenants that answered" };
        let message = format!("{} '{term}'{place}", T::WORD);
        let error = edr::Error::new(edr::ErrorKind::NotFound, message).with_hint(T::HINT);
        context.report.failure(&Failure::Estate(error));
    }
    context.report.outcome(&hunt.tally);
    hunt.tally.exit()
}
