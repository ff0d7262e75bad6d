//! One Falcon tenant, beside the peers.

use super::{Bench, EDR, GATHERED, LATENCIES, UNREAD, named};
use crate::Outcome;
use crate::page::{Section, Verdict, table};
use crate::race::{Contender, Race, Series};

const EDR_MIMALLOC: &str = "**edr**, mimalloc";
const RUSTY: &str = "rusty_falcon, ids and details";
const RUSTY_COMBINED: &str = "rusty_falcon, combined";
const RUSTY_MIMALLOC: &str = "rusty_falcon, ids and details, mimalloc";
const RUSTY_COMBINED_MIMALLOC: &str = "rusty_falcon, combined, mimalloc";
const FALCONPY: &str = "falconpy, ids and details";
const FALCONPY_COMBINED: &str = "falconpy, combined";
const CARACARA: &str = "caracara";
/// How many times as long as the bytes dropped as they arrive, with room for a busy machine: `docs/PERFORMANCE.md` says
/// why it is more than twice.
const UNREAD_KNOWN: f64 = 4.0;

/// Lists it with everybody at every latency.
///
/// # Errors
/// When a contender fails.
pub fn measure(bench: &Bench) -> Outcome<Section> {
    let hosts = bench.sizes.falcon;
    bench.shelf.show(hosts)?;
    let mut text = format!("## One Falcon tenant with {hosts} hosts\n\n");
    let mut verdicts = Vec::new();
    for latency in LATENCIES {
        let race = Race { shelf: &bench.shelf, latency, items: hosts, runs: bench.sizes.runs };
        let series = race.run(&contenders(bench, latency)?)?;
        text += &table(&format!("Each answer {latency} ms late:"), &series);
        verdicts.extend(judge(latency, &series));
    }
    Ok(Section { text, verdicts })
}

/// Everybody where a promise speaks of them, and those that tell something elsewhere.
fn contenders(bench: &Bench, latency: u64) -> Outcome<Vec<Contender>> {
    let hosts = bench.sizes.falcon;
    let mut all = vec![bench.unread(UNREAD, 1, 0, hosts)?, bench.library(1, 0)?];
    if latency == 0 {
        all.insert(1, bench.unread(GATHERED, 1, 0, hosts)?);
    }
    let promised = |contender: Option<Contender>| contender.map(Contender::promised);
    let mut add = |contender: Option<Contender>| all.extend(contender);
    if latency == 0 {
        let config = bench.config(1, 0)?;
        let ours = |program| Contender::new(EDR_MIMALLOC, program, &["list", &config]);
        add(promised(bench.mimalloc.as_ref().map(ours)));
    }
    if matches!(latency, 0 | 100) {
        add(promised(bench.rust(RUSTY, "rusty-falcon", "details")));
    }
    if latency != 20 {
        add(promised(bench.rust(RUSTY_COMBINED, "rusty-falcon", "combined")));
    }
    if latency == 0 {
        add(promised(bench.rust(RUSTY_MIMALLOC, "rusty-falcon-mimalloc", "details")));
        add(promised(bench.rust(RUSTY_COMBINED_MIMALLOC, "rusty-falcon-mimalloc", "combined")));
    }
    if matches!(latency, 0 | 100) {
        add(promised(bench.python(FALCONPY, "falconpy-details")));
        add(promised(bench.python(FALCONPY_COMBINED, "falconpy-combined")));
    }
    if latency == 0 {
        add(bench.python(CARACARA, "caracara"));
    }
    Ok(all)
}

fn judge(latency: u64, series: &[Series]) -> Vec<Verdict> {
    let (Some(unread), Some(edr)) = (named(series, UNREAD), named(series, EDR)) else { return Vec::new() };
    let faster = |promise: &str, peer: &str, least: f64| match named(series, peer) {
        Some(peer) => Verdict::at_least(promise, edr.faster_than(peer), least, "×"),
        None => Verdict::missing(promise, "a contender is not installed"),
    };
    match latency {
        0 => {
            let promise = "1. Falcon at 0 ms: at most 2 × the time of the same bytes unread";
            let mut found =
                vec![Verdict::known_up_to(promise, unread.faster_than(edr), 2.0, UNREAD_KNOWN, "×")];
            if let Some(gathered) = named(series, GATHERED) {
                let promise = format!("{promise}, page by page");
                found.push(Verdict::at_most(&promise, gathered.faster_than(edr), 2.0, "×"));
            }
            found.push(faster("1. … at least 2.5 × faster than rusty_falcon, ids and details", RUSTY, 2.5));
            found.push(faster("1. … at least 2.5 × faster than rusty_falcon, combined", RUSTY_COMBINED, 2.5));
            found.push(faster("1. … at least 5 × faster than falconpy, ids and details", FALCONPY, 5.0));
            found.push(faster("1. … at least 5 × faster than falconpy, combined", FALCONPY_COMBINED, 5.0));
            found.extend(mimalloc(series));
            found
        }
        100 => vec![
            faster(
                "1. Falcon at 100 ms: at least 2.5 × faster than rusty_falcon, ids and details",
                RUSTY,
                2.5,
            ),
            faster("1. … at least 2.5 × faster than rusty_falcon, combined", RUSTY_COMBINED, 2.5),
        ],
        _ => Vec::new(),
    }
}

fn mimalloc(series: &[Series]) -> Vec<Verdict> {
    let ways = [("ids and details", RUSTY_MIMALLOC), ("combined", RUSTY_COMBINED_MIMALLOC)];
    let verdict = |(way, peer): (&str, &str)| {
        let promise = format!("1. … with mimalloc on both sides not slower than rusty_falcon, {way}");
        match (named(series, EDR_MIMALLOC), named(series, peer)) {
            (Some(edr), Some(peer)) => Verdict::at_most(&promise, peer.faster_than(edr), 1.0, "× its time"),
            _ => Verdict::missing(&promise, "a contender is not installed"),
        }
    };
    ways.map(verdict).to_vec()
}
