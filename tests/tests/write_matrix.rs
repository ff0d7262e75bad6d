//! Every fault meets everything that changes something, once and for ever. The simulator's log says what was done: nothing
//! may be done twice, told to be done when it is not, or told to be left undone when it is done.

use std::time::Duration;

use edr_tests::chaos::Bench;
use edr_tests::deeds::{Ready, lie};
use edr_tests::matrix::ITEMS;
use edr_tests::write_matrix::{Blow, Cell, cells, rows};
use futures_util::{StreamExt as _, stream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// No cell may take longer, on however busy a machine.
const LONGEST: Duration = Duration::from_secs(60);

/// How many cells run at the same time; most of their time is spent in waiting.
const AT_ONCE: usize = 24;

/// How many of them are sent an envelope of many megabytes: those keep the processors busy, and the clients' limits are short.
static LARGE: Semaphore = Semaphore::const_new(4);

async fn run(cell: Cell<'_>) -> Result<(), String> {
    let expected = cell.expected().ok_or("there is no such cell")?;
    let bench = Bench::start(cell.product, cell.product.simulator(ITEMS, ITEMS)).await;
    let ready = Ready::new(&bench, cell.deed).await;
    let _turn = if cell.row.name.starts_with("oversized") { LARGE.acquire().await.ok() } else { None };
    let (operation, path) = cell.deed.operation(cell.product);
    bench.count_arrivals(operation);
    let tried = bench.wire.tried(path);
    match &cell.row.blow {
        Blow::None => {}
        Blow::Revoked => bench.sim().revoke_tokens(),
        Blow::Nobody => bench.wire.refuse_from_now(path, cell.when.refuses()),
        Blow::Fault(fault) => {
            let rule = cell.when.rule(operation, fault.clone());
            bench.sim().inject(vec![rule]).map_err(|e| e.to_string())?;
        }
    }
    let claims = ready.go(&bench).await;
    let asked =
        if matches!(cell.row.blow, Blow::Nobody) { bench.wire.tried(path) - tried } else { bench.arrivals() };
    let applied = ready.applied(bench.sim());
    let lies = claims.iter().zip(&applied).filter_map(|(claim, times)| lie(*claim, *times));
    let mut wrong: Vec<String> = lies.collect();
    if claims.iter().any(|claim| *claim != expected.claim) {
        wrong.push(format!("expected {:?}, not {claims:?}", expected.claim));
    }
    if asked != expected.requests {
        wrong.push(format!("expected {} requests, not {asked}", expected.requests));
    }
    wrong.extend(ready.finish(&bench).await);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_twice_and_nothing_is_told_that_is_not_so() {
    let (rows, began) = (rows(), Instant::now());
    let cells = cells(&rows);
    let only = std::env::var("EDR_CELL").unwrap_or_default();
    let chosen = cells.iter().filter(|cell| cell.name().contains(&only));
    let runs = chosen.map(|cell| async move {
        let late = |_| Err("it takes too long".to_owned());
        (cell.name(), timeout(LONGEST, run(*cell)).await.unwrap_or_else(late))
    });
    let ran: Vec<(String, Result<(), String>)> = stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
    println!("{} cells in {:?}", ran.len(), began.elapsed());
    let told =
        |(name, result): &(String, Result<(), String>)| Some(format!("{name}: {}", result.as_ref().err()?));
    let mut wrong: Vec<String> = ran.iter().filter_map(told).collect();
    wrong.sort();
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert!(ran.len() >= 700 || !only.is_empty(), "the matrix has shrunk to {} cells", ran.len());
}
