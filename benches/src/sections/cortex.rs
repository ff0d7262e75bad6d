//! One Cortex XDR tenant, beside the sequential client and against the vendor's limit.

use std::thread;

use super::{Bench, EDR, LATENCIES, UNREAD, named};
use crate::Outcome;
use crate::page::{Section, Verdict, table};
use crate::race::{Contender, Race, Series};
use crate::stage::{Run, SimServer, run};

const PEER: &str = "cortex-xdr-client";
/// What the vendor grants, in requests a second.
const BUDGET: f64 = 10.0;

/// Lists it with everybody at every latency, and with the limit on.
///
/// # Errors
/// When a contender fails.
pub fn measure(bench: &Bench) -> Outcome<Section> {
    let hosts = bench.sizes.cortex;
    bench.shelf.show(hosts)?;
    let mut text =
        format!("## One Cortex XDR tenant with {hosts} endpoints\n\nLimits and pacing are off.\n\n");
    let mut verdicts = Vec::new();
    for latency in LATENCIES {
        let race = Race { shelf: &bench.shelf, latency, items: hosts, runs: bench.sizes.runs };
        let series = race.run(&contenders(bench, latency)?)?;
        text += &table(&format!("Each answer {latency} ms late:"), &series);
        if latency == 100 {
            verdicts.push(judge(&series));
        }
    }
    let limited = limited(bench)?;
    text += &limited.text;
    verdicts.extend(limited.verdicts);
    Ok(Section { text, verdicts })
}

fn contenders(bench: &Bench, latency: u64) -> Outcome<Vec<Contender>> {
    let mut library = bench.library(0, 1)?;
    // Only there does a promise speak of it.
    library.promised = latency == 100;
    let unread = (latency == 0).then(|| bench.unread(UNREAD, 0, 1, bench.sizes.cortex)).transpose()?;
    let peer = matches!(latency, 0 | 100).then(|| bench.python(PEER, "cortex")).flatten();
    Ok(unread.into_iter().chain([library]).chain(peer.map(Contender::promised)).collect())
}

fn judge(series: &[Series]) -> Verdict {
    let promise =
        "2. Cortex XDR at 100 ms, limits and pacing off: at least 10 × faster than the sequential client";
    match (named(series, EDR), named(series, PEER)) {
        (Some(edr), Some(peer)) => Verdict::at_least(promise, edr.faster_than(peer), 10.0, "×"),
        _ => Verdict::missing(promise, "the peer is not installed"),
    }
}

/// The simulator enforces the limit. The runs wait more than they work, and so they run at the same time, each with a
/// simulator of its own.
fn limited(bench: &Bench) -> Outcome<Section> {
    let used = "2. … with 10 requests a second enforced: at least 95 % of the budget used";
    let refused = "2. … and no request refused with 429";
    let Some(edr) = &bench.edr else {
        let verdicts =
            [used, refused].map(|promise| Verdict::missing(promise, "edr is not built for release"));
        return Ok(Section { text: String::new(), verdicts: verdicts.to_vec() });
    };
    let once = || -> Outcome<Run> {
        let hosts = bench.sizes.cortex.to_string();
        let flags = [
            "--falcon-tenants",
            "0",
            "--cortex-hosts",
            &hosts,
            "--latency",
            "100ms",
            "--enforce-limits",
            "on",
        ];
        let sim = SimServer::start(edr, &flags)?;
        let arguments = ["list".to_owned(), sim.config.display().to_string()];
        let mut run = run(&std::env::current_exe()?, &arguments)?;
        (run.requests, run.refused) = sim.counted()?;
        Ok(run)
    };
    let runs = thread::scope(|scope| {
        let threads: Vec<_> = (0..bench.sizes.runs).map(|_| scope.spawn(once)).collect();
        threads.into_iter().map(|t| t.join().map_err(|_| "a run broke")?).collect::<Outcome<Vec<Run>>>()
    })?;
    let series = Series::of(EDR, runs);
    let share = series.requests() as f64 / (series.median() / 1e3 * BUDGET) * 100.0;
    let caption = "The simulator, each answer 100 ms late, with the vendor's 10 requests a second enforced:";
    Ok(Section {
        verdicts: vec![
            Verdict::at_least(used, share, 95.0, "%"),
            Verdict::at_most(refused, series.refused() as f64, 0.0, "refused"),
        ],
        text: table(caption, &[series]),
    })
}
