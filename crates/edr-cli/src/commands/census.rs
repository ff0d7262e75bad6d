//! Reading every host, for commands that need them all before they can say anything.

use edr::identity::Links;
use edr::{Config, Estate, EstateEvent, Host, HostQuery, Vendor};
use futures_util::StreamExt as _;

use crate::context::{Context, state_folder};
use crate::errors::Failure;
use crate::listing::TOLD;
use crate::outcome::{Tally, counted};

const HOSTS: (&str, &str) = ("host", "hosts");

/// Reads the hosts, and gives every event on.
pub(super) async fn read(
    context: &mut Context,
    estate: &Estate,
    query: HostQuery,
    mut take: impl FnMut(EstateEvent<Host>),
) -> Tally {
    let mut tally = Tally::new(HOSTS, context.globals.timeout.is_some());
    estate.members().iter().for_each(|m| tally.expect(&m.tenant, &m.vendor));
    context.report.start_progress();
    let mut stream = estate.hosts(query);
    let mut rejected = 0;
    loop {
        let event = tokio::select! {
            () = context.interrupt.raised() => None,
            event = stream.next() => event,
        };
        let Some(event) = event else { break };
        count(context, &mut tally, &mut rejected, &event);
        take(event);
    }
    tally.interrupted = context.interrupt.is_raised();
    tally.shown = tally.items();
    context.report.stop_progress();
    tally
}

fn count(context: &Context, tally: &mut Tally, rejected: &mut u64, event: &EstateEvent<Host>) {
    let report = &context.report;
    match event {
        EstateEvent::Done(done) => tally.end(done.clone()),
        EstateEvent::Items(hosts) => {
            if let Some(host) = hosts.first() {
                tally.count(&host.tenant, hosts.len() as u64);
            }
            report.progress(|| format!("{} read", counted(tally.items(), HOSTS)));
        }
        EstateEvent::Rejected(one) => {
            *rejected += 1;
            tally.reject(&one.tenant);
            if *rejected <= TOLD {
                let uid = one.uid.as_deref().unwrap_or("without a readable id");
                let message = format!("host {uid} cannot be decoded and is left out: {}", one.reason);
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
