//! 200 tenants, of which one is dead, one slow and one rate-limited: the other 197 must hardly notice.
//!
//! The same 197 are timed three ways, in turns: among 200 that are well, without the three, and beside the
//! three. It fails when they take more than 10 % longer beside the three than otherwise.

use std::process::ExitCode;
use std::time::Duration;

use edr_benches::Times;
use edr_tests::crowd::{Crowd, SICK, check};

const PAIRS: u64 = 100;
const HOSTS: u64 = 40;
/// The simulator's own delay before each answer, so that the time goes into waiting and not into work.
const LATENCY: Duration = Duration::from_millis(100);
const RUNS: usize = 7;
const MOST: f64 = 1.10;
/// The three get this long before they are given up.
const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    let crowd = Crowd::start(PAIRS, HOSTS, LATENCY).await;
    let (mut well, mut without, mut beside) = (Times::default(), Times::default(), Times::default());
    crowd.time(&crowd.well(), &SICK).await;
    for _ in 0..RUNS {
        well.add(crowd.time(&crowd.well(), &SICK).await);
        without.add(crowd.time(&crowd.without(), &SICK).await);
        beside.add(crowd.time(&crowd.beside(), &SICK).await);
    }
    println!("{} tenants, the time of {}:", 2 * PAIRS, 2 * PAIRS - SICK.len() as u64);
    println!("  all are well:            {well}");
    println!("  without the three:       {without}");
    println!("  beside the three:        {beside}");
    let ratio = well.ratio(&beside).max(without.ratio(&beside));
    println!("  ratio: {:.3} to all well, {:.3} to without", well.ratio(&beside), without.ratio(&beside));

    let outcomes = crowd.outcomes(&crowd.beside().with_deadline(DEADLINE)).await;
    for outcome in outcomes.iter().filter(|o| SICK.contains(&o.tenant.as_str())) {
        println!("  {}: {}", outcome.tenant, outcome.outcome.summary());
    }
    check(&outcomes, 2 * PAIRS, HOSTS);
    if ratio > MOST {
        eprintln!("the 197 are delayed by more than {:.0} %", (MOST - 1.0) * 100.0);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
