//! What listing hosts costs, in figures that do not depend on the machine: requests, allocations, bytes.
//!
//! The budgets stand in `tests/budgets.toml`; a figure that is more than 5 % above its budget fails, and
//! `EDR_BLESS=1 cargo test -p edr-tests --test budgets` writes the file anew. There is one test alone: its allocator counts
//! everything that the process does.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "these are tests: what fails here fails the test, and says why"
)]

use std::alloc::System;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use chrono::DateTime;
use cortex_xdr::{CortexXdr, Generation};
use edr_core::{EdrProvider, EdrProviderExt as _, Host, HostQuery};
use edr_ocsf::Writer;
use edr_tests::graph::root;
use edr_tests::shelf::{Row, Shelf, ShelfTransport};
use falcon::Falcon;
use futures_util::StreamExt as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// By how much a figure may pass its budget.
const SLACK: f64 = 1.05;
/// A listing of so many hosts, and one of twice as many: what is set up once is in both.
const HOSTS: usize = 400;
/// For this many the requests are counted.
const MANY: usize = 10_000;

/// Figures by group and name.
type Figures = BTreeMap<String, BTreeMap<String, u64>>;

/// What has been allocated so far: how often, how much in all, and how much of it is held now.
#[derive(Clone, Copy)]
struct Spent {
    times: usize,
    bytes: usize,
    held: usize,
}

fn spent() -> Spent {
    let stats = ALLOCATOR.stats();
    Spent {
        times: stats.allocations + stats.reallocations,
        bytes: stats.bytes_allocated,
        held: stats.bytes_allocated.saturating_sub(stats.bytes_deallocated),
    }
}

/// The most that is held while something is under way.
#[derive(Clone, Default)]
struct Peak(Arc<AtomicUsize>);

impl Peak {
    fn look(&self) {
        self.0.fetch_max(spent().held, Ordering::SeqCst);
    }
}

/// One of the vendors, served from memory.
fn provider(vendor: &str, shelf: &Arc<Shelf>, peak: &Peak) -> Arc<dyn EdrProvider> {
    let peak = peak.clone();
    let transport = Arc::new(ShelfTransport { shelf: shelf.clone(), watch: Arc::new(move || peak.look()) });
    if vendor == "falcon" {
        let falcon = Falcon::builder("acme", "id", "secret".to_owned().into()).transport(transport);
        Arc::new(falcon.build().unwrap())
    } else {
        let cortex = CortexXdr::builder("acme", "1", "key".to_owned().into()).transport(transport);
        let cortex = cortex.fqdn("acme.xdr.eu.paloaltonetworks.com".parse().unwrap());
        Arc::new(cortex.generation(Generation::Xdr3).requests_per_second(0.0).build().unwrap())
    }
}

/// A listing, host by host, as a caller that keeps nothing.
async fn list(provider: &Arc<dyn EdrProvider>, peak: &Peak) -> usize {
    let query = HostQuery::new();
    let mut hosts = provider.stream(&query);
    let mut count = 0;
    while let Some(host) = hosts.next().await {
        host.unwrap();
        count += 1;
        peak.look();
    }
    count
}

/// What a host costs: the difference between many hosts and half as many.
async fn per_host(vendor: &str, shelf: &Arc<Shelf>) -> BTreeMap<String, u64> {
    let mut costs = Vec::new();
    let mut most = 0;
    for hosts in [HOSTS, 2 * HOSTS] {
        shelf.show(hosts);
        let peak = Peak::default();
        let provider = provider(vendor, shelf, &peak);
        // What was read ahead for the listing before is given back by tasks that end when they are looked at.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let before = spent();
        assert_eq!(list(&provider, &peak).await, hosts);
        let after = spent();
        costs.push((after.times - before.times, after.bytes - before.bytes));
        most = peak.0.load(Ordering::SeqCst).saturating_sub(before.held);
    }
    let each = |one: usize, two: usize| ((two - one) / HOSTS) as u64;
    figures([
        ("allocations_per_host", each(costs[0].0, costs[1].0)),
        ("bytes_allocated_per_host", each(costs[0].1, costs[1].1)),
        ("peak_bytes_in_flight", most as u64),
    ])
}

fn figures<const N: usize>(pairs: [(&str, u64); N]) -> BTreeMap<String, u64> {
    pairs.map(|(name, figure)| (name.to_owned(), figure)).into()
}

/// The requests behind 10,000 hosts, the token's included. They have no more than an id.
async fn requests(vendor: &str) -> u64 {
    let row = |key: &'static str| {
        let item = move |n: usize| {
            let id = format!("{n:032x}");
            let json = format!("{{\"{key}\":\"{id}\",\"first_seen\":{}}}", 1_600_000_000_000 + n);
            (id, Bytes::from(json))
        };
        Row::of((0..MANY).map(item))
    };
    let shelf = Arc::new(Shelf::of(row("device_id"), row("endpoint_id")));
    let peak = Peak::default();
    assert_eq!(list(&provider(vendor, &shelf, &peak), &peak).await, MANY);
    shelf.counted().0
}

/// What the OCSF event of a host costs.
async fn events(vendor: &str, shelf: &Arc<Shelf>) -> u64 {
    shelf.show(HOSTS);
    let peak = Peak::default();
    let hosts: Vec<Host> =
        provider(vendor, shelf, &peak).collect_hosts(&HostQuery::new()).await.unwrap().items;
    let writer = Writer::new(DateTime::UNIX_EPOCH);
    let before = spent();
    for host in &hosts {
        std::hint::black_box(writer.host(host));
    }
    ((spent().times - before.times) / hosts.len()) as u64
}

async fn measured() -> Figures {
    let shelf = Arc::new(Shelf::record(2 * HOSTS as u64, 2 * HOSTS as u64).await);
    let mut all = Figures::new();
    for vendor in ["cortex", "falcon"] {
        let mut found = per_host(vendor, &shelf).await;
        found.insert("requests_per_10000_hosts".to_owned(), requests(vendor).await);
        found.insert("allocations_per_ocsf_event".to_owned(), events(vendor, &shelf).await);
        all.insert(vendor.to_owned(), found);
    }
    all
}

/// What passes its budget, or has none.
fn over(budgets: &Figures, found: &Figures) -> Vec<String> {
    let mut wrong = Vec::new();
    for (group, figures) in found {
        for (name, figure) in figures {
            match budgets.get(group).and_then(|g| g.get(name)) {
                None => wrong.push(format!("{group}.{name} = {figure} has no budget")),
                Some(budget) if *figure as f64 > *budget as f64 * SLACK => {
                    let more = (*figure as f64 / *budget as f64 - 1.0) * 100.0;
                    wrong.push(format!(
                        "{group}.{name} = {figure} is {more:.1} % above its budget of {budget}"
                    ));
                }
                Some(budget) if (*figure as f64) < *budget as f64 / SLACK => {
                    eprintln!("{group}.{name} = {figure} is well below its budget of {budget}: bless it");
                }
                Some(_) => {}
            }
        }
    }
    wrong
}

#[tokio::test]
async fn hosts_are_listed_within_the_budgets() {
    let path = root().join("tests/budgets.toml");
    let found = measured().await;
    if std::env::var("EDR_BLESS").is_ok_and(|v| v == "1") {
        let head = "# What a listing of hosts may cost (tests/tests/budgets.rs); docs/PERFORMANCE.md says what each figure is.\n";
        std::fs::write(
            &path,
            format!(
                "{head}# EDR_BLESS=1 cargo test -p edr-tests --test budgets writes it.\n\n{}",
                toml::to_string(&found).unwrap()
            ),
        )
        .unwrap();
    }
    let budgets: Figures = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let wrong = over(&budgets, &found);
    assert!(
        wrong.is_empty(),
        "{wrong:#?}\nIf it has to cost that much, say why in the commit and run this test with EDR_BLESS=1."
    );
    // The gate can fail: a tenth more than a budget is refused, and so is what nobody has budgeted.
    let tenth =
        |figures: &BTreeMap<String, u64>| figures.iter().map(|(k, v)| (k.clone(), v + v / 10 + 1)).collect();
    let dearer: Figures = budgets.iter().map(|(group, figures)| (group.clone(), tenth(figures))).collect();
    assert_eq!(over(&budgets, &dearer).len(), dearer.values().map(BTreeMap::len).sum::<usize>());
    assert_eq!(over(&Figures::new(), &found).len(), found.values().map(BTreeMap::len).sum::<usize>());
}
