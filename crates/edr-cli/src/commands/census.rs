//! Reading a listing to its end, for commands that do not print it as it arrives.

use edr::core::Listing;
use edr::identity::Links;
use edr::{Config, Estate, EstateEvent, EstateStream, Vendor};
use futures_util::StreamExt as _;

use crate::context::{Context, state_folder};
use crate::errors::Failure;
use crate::listing::TOLD;
use crate::outcome::{Tally, counted, grouped};
use crate::output::Record;

/// Reads a listing to its end, and gives every event on.
pub(super) async fn read<T: Record + Listing>(
    context: &mut Context,
    estate: &Estate,
    stream: EstateStream<T>,
    mut take: impl FnMut(EstateEvent<T>),
) -> Tally {
    let take = |event| {
        take(event);
        true
    };
    read_all(context, estate, stream, take).await
}

/// Reads a listing to its end, or until `take` wants no more of it.
pub(super) async fn read_all<T: Record + Listing>(
    context: &mut Context,
    estate: &Estate,
    mut stream: EstateStream<T>,
    mut take: impl FnMut(EstateEvent<T>) -> bool,
) -> Tally {
    let mut tally = Tally::new(T::NOUNS, context.globals.timeout.is_some());
    estate.members().iter().for_each(|m| tally.expect(&m.tenant, &m.vendor));
    context.report.start_progress();
    let mut rejected = 0;
    loop {
        let event = tokio::select! {
            () = context.interrupt.raised() => None,
            event = stream.next() => event,
        };
        let Some(event) = event else { break };
        count(context, &mut tally, &mut rejected, &event);
        if !take(event) {
            break;
        }
    }
    if rejected > TOLD {
        let message = format!("{} more items cannot be decoded and are left out", grouped(rejected - TOLD));
        context.report.warn("rejected", None, &message);
    }
    tally.interrupted = context.interrupt.is_raised();
    tally.shown = tally.items();
    context.report.stop_progress();
    tally
}

fn count<T: Record + Listing>(
    context: &Context,
    tally: &mut Tally,
    rejected: &mut u64,
    event: &EstateEvent<T>,
) {
    let report = &context.report;
    match event {
        EstateEvent::Done(done) => tally.end(done.clone()),
        EstateEvent::Items(items) => {
            if let Some(item) = items.first() {
                tally.count(item.tenant(), items.len() as u64);
            }
            report.progress(|| format!("{} read", counted(tally.items(), T::NOUNS)));
        }
        EstateEvent::Rejected(one) => {
            *rejected += 1;
            tally.reject(&one.tenant);
            if *rejected <= TOLD {
                let uid = one.uid.as_deref().unwrap_or("without a readable id");
                let noun = T::NOUNS.0;
                let message = format!("{noun} {uid} cannot be decoded and is left out: {}", one.reason);
                report.warn("rejected", Some(&one.tenant), &message);
            }
        }
        EstateEvent::Warning(warning) => report.warn("read", Some(&warning.tenant), &warning.message),
    }
}

/// What was said by hand about pairs of hosts.
pub(super) fn links(context: &Context) -> Result<Links, Failure> {
    let Some(folder) = state_folder(&|name| std::env::var_os(name)).filter(|_| !context.is_demo()) else {
        return Ok(Links::default());
    };
    let path = folder.join("links.json");
    Links::read(&path).map_err(|e| Failure::Other(format!("{} cannot be read: {e}", path.display())))
}

/// Tenants of two vendors that belong to no customer have no machine in common, which is seldom meant.
pub(super) fn advise(context: &Context, estate: &Estate, config: &Config) {
    let has = |vendor: Vendor| estate.members().iter().any(|m| m.vendor == vendor);
    if config.customers.is_empty() && has("falcon".into()) && has("cortex".into()) {
        let message = "every tenant is taken for a customer of its own: [customers] in the configuration says which \
                       tenants share their machines";
        context.report.note("customers", message);
    }
}
