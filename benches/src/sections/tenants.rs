//! Many tenants at once, half of each vendor.

use std::fmt::Write as _;

use super::{Bench, EDR, LATENCIES, UNREAD, named};
use crate::Outcome;
use crate::page::{Section, Verdict};
use crate::race::{Race, Series};
use crate::stage::{Run, SimServer, run};

const TENANTS: [u64; 3] = [1, 20, 200];
/// Falcon's token and its page; the first window of Cortex XDR and those behind it.
const ROUND_TRIPS: f64 = 2.0;
/// What the promise was found at, with room for a busy machine: `docs/PERFORMANCE.md` says why it does not hold.
const KNOWN: f64 = 3.0;
/// The latency of the promise, in milliseconds.
const PROMISED: u64 = 100;

/// Lists them at every latency, without limits from the shelf and with the vendors' limits from the simulator.
///
/// # Errors
/// When a run fails.
pub fn measure(bench: &Bench) -> Outcome<Section> {
    let each = bench.sizes.each;
    let mut text = format!(
        "## Many tenants with {each} hosts each\n\nHalf of them Falcon, half Cortex XDR; one tenant is Falcon.\n\n\
         | tenants | limits | latency | median | from – to | unread at 0 ms | peak memory | requests | 429 |\n\
         | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    let (mut verdicts, mut promised) = (Vec::new(), String::new());
    bench.shelf.show(each)?;
    for tenants in TENANTS {
        let mut floor = f64::NAN;
        for latency in LATENCIES {
            let series = free(bench, tenants, latency)?;
            if let Some(unread) = named(&series, UNREAD) {
                floor = unread.median();
            }
            let Some(edr) = named(&series, EDR) else { continue };
            line(&mut text, tenants, "off", latency, edr, floor);
            if (tenants, latency) == (200, PROMISED) {
                let bound = bound(floor);
                verdicts.push(judge(tenants, each, edr, bound));
                promised = format!(
                    " Two round trips at {PROMISED} ms and the unread fetch of {tenants} tenants are {bound:.0} ms."
                );
            }
        }
        for latency in [0, PROMISED] {
            if let Some(series) = limited(bench, tenants, latency)? {
                line(&mut text, tenants, "on", latency, &series, floor);
            }
        }
    }
    let _ = writeln!(
        text,
        "\nWith the limits on it is the simulator that answers, and it renders every page anew.{promised}"
    );
    Ok(Section { text, verdicts })
}

/// How many of the tenants are Falcon's and Cortex XDR's.
fn halves(tenants: u64) -> (u64, u64) {
    (tenants.div_ceil(2), tenants / 2)
}

fn free(bench: &Bench, tenants: u64, latency: u64) -> Outcome<Vec<Series>> {
    let (falcon, cortex) = halves(tenants);
    let items = tenants * bench.sizes.each;
    let race = Race { shelf: &bench.shelf, latency, items, runs: bench.sizes.runs };
    let unread =
        (latency == 0).then(|| bench.unread(UNREAD, falcon, cortex, bench.sizes.each)).transpose()?;
    race.run(&unread.into_iter().chain([bench.library(falcon, cortex)?]).collect::<Vec<_>>())
}

/// Each run has a simulator of its own: Falcon grants 300 tokens a minute and address.
fn limited(bench: &Bench, tenants: u64, latency: u64) -> Outcome<Option<Series>> {
    let Some(edr) = &bench.edr else { return Ok(None) };
    let (falcon, cortex) = halves(tenants);
    let [falcon, cortex, hosts] = [falcon, cortex, bench.sizes.each].map(|n| n.to_string());
    let latency = format!("{latency}ms");
    let flags = [
        "--falcon-tenants",
        &falcon,
        "--cortex-tenants",
        &cortex,
        "--falcon-hosts",
        &hosts,
        "--cortex-hosts",
        &hosts,
        "--latency",
        &latency,
        "--enforce-limits",
        "on",
    ];
    let once = || -> Outcome<Run> {
        let sim = SimServer::start(edr, &flags)?;
        let arguments = ["list".to_owned(), sim.config.display().to_string()];
        let mut run = run(&std::env::current_exe()?, &arguments)?;
        (run.requests, run.refused) = sim.counted()?;
        Ok(run)
    };
    let runs = (0..bench.sizes.runs).map(|_| once()).collect::<Outcome<Vec<Run>>>()?;
    let series = Series::of(EDR, runs);
    eprintln!("  {latency}, limits on, {tenants} tenants: {:.0} ms", series.median());
    Ok(Some(series))
}

fn line(text: &mut String, tenants: u64, limits: &str, latency: u64, series: &Series, floor: f64) {
    let (from, to) = series.spread();
    let refused = if limits == "on" { series.refused().to_string() } else { "–".to_owned() };
    let _ = writeln!(
        text,
        "| {tenants} | {limits} | {latency} ms | {:.0} ms | {from:.0} – {to:.0} ms | {floor:.0} ms | {:.1} MiB | {} | {refused} |",
        series.median(),
        series.peak_kib() as f64 / 1024.0,
        series.requests()
    );
}

/// The time without work, in milliseconds, from that of the unread fetch.
fn bound(floor: f64) -> f64 {
    ROUND_TRIPS * PROMISED as f64 + floor
}

fn judge(tenants: u64, each: u64, edr: &Series, bound: f64) -> Verdict {
    let promise = format!(
        "4. {tenants} tenants × {each} hosts at {PROMISED} ms, limits off: at most 1.5 × (two round trips + the unread fetch)"
    );
    Verdict::known_up_to(&promise, edr.median() / bound, 1.5, KNOWN, "×")
}
