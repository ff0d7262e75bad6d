//! Every fault meets every task of both vendors, once and for ever. Each cell must end as the table in
//! `edr_tests::matrix` says, after just so many requests, and must not lose anything in silence.
//!
//! `docs/RELIABILITY.md` is made from the same table; `EDR_BLESS=1` writes it.

use std::time::Duration;

use edr_core::Outcome;
use edr_tests::chaos::{Bench, Ended, silent_loss};
use edr_tests::graph::root;
use edr_tests::matrix::{Cell, End, ITEMS, PAGE, SPECIAL, Strike, cells, rows};
use edr_tests::reliability::page;
use futures_util::{StreamExt as _, stream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// No cell may take longer, on however busy a machine.
const LONGEST: Duration = Duration::from_secs(60);

/// How many cells run at the same time; most of their time is spent in waiting.
const AT_ONCE: usize = 24;

/// How many of them are sent an envelope of many megabytes: those keep the processors busy, and the clients' limits are short.
static LARGE: Semaphore = Semaphore::const_new(4);

/// Cells in which the product does not do yet what the table rightly asks for. A cell that has been
/// mended must be taken off this list.
const KNOWN_DEFECTS: &[&str] = &[];

/// Runs a cell. What is wrong with it is the error.
async fn run(cell: Cell<'_>) -> Result<(), String> {
    let expected = cell.expected().ok_or("there is no such cell")?;
    let bench = Bench::start(cell.product, cell.product.simulator(ITEMS, ITEMS)).await;
    let truth = bench.truth(cell.task);
    let _turn = if cell.row.name.starts_with("oversized") { LARGE.acquire().await.ok() } else { None };
    let (operation, path) = cell.product.operation(cell.task);
    bench.count_arrivals(operation);
    match &cell.row.strike {
        _ if cell.row.name == "none" => {}
        Strike::Refused => bench.wire.refuse(&path, cell.mode.refuses(cell.task)),
        Strike::Fault(fault) => {
            let rule = cell.mode.rule(cell.task, operation, fault.clone());
            bench.sim().inject(vec![rule]).map_err(|e| e.to_string())?;
        }
    }
    let ended = timeout(LONGEST, bench.run(cell.task, &truth, PAGE)).await;
    let ended = ended.map_err(|_| "it takes too long".to_owned())?;
    let asked =
        if matches!(cell.row.strike, Strike::Refused) { bench.wire.tried(&path) } else { bench.arrivals() };
    let mut wrong: Vec<String> = silent_loss(&ended, &truth, 0).into_iter().collect();
    if !fits(expected.end, &ended) {
        wrong.push(format!("expected {:?}, not {}", expected.end, ended.outcome.summary()));
    }
    let may = cell.requests(expected);
    if !may.contains(&asked) {
        wrong.push(format!("expected {} to {} requests, not {asked}", may.start(), may.end()));
    }
    if !bench.sim().log().is_empty() {
        wrong.push("something was changed".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

fn fits(end: End, ended: &Ended) -> bool {
    match (end, &ended.outcome) {
        (End::Complete, Outcome::Complete) => true,
        (End::Failed(kind), Outcome::Failed { error }) => error.kind() == kind && names_itself(error),
        (End::Partial(kind), Outcome::Partial { error, .. }) => {
            error.as_ref().map(edr_core::Error::kind) == kind && error.as_ref().is_none_or(names_itself)
        }
        _ => false,
    }
}

/// An error says whose it is and what was being done.
fn names_itself(error: &edr_core::Error) -> bool {
    error.tenant().is_some() && error.vendor().is_some() && error.operation().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cell_ends_as_the_table_says() {
    let (rows, began) = (rows(), Instant::now());
    let cells = cells(&rows);
    let only = std::env::var("EDR_CELL").unwrap_or_default();
    let chosen = cells.iter().filter(|cell| cell.name().contains(&only));
    let runs = chosen.map(|cell| async move {
        let began = Instant::now();
        (cell.name(), run(*cell).await, began.elapsed())
    });
    let ran: Vec<(String, Result<(), String>, Duration)> =
        stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
    let mut slow: Vec<_> = ran.iter().map(|r| (r.2, &r.0)).collect();
    slow.sort();
    println!(
        "{} cells in {:?}; slowest {:?}",
        ran.len(),
        began.elapsed(),
        slow.iter().rev().take(8).collect::<Vec<_>>()
    );
    let known = |name: &String| KNOWN_DEFECTS.contains(&name.as_str());
    let mut wrong: Vec<String> = ran
        .iter()
        .filter_map(|(name, result, _)| match result {
            Err(why) if !known(name) => Some(format!("{name}: {why}")),
            Ok(()) if known(name) => Some(format!("{name} is mended: take it off KNOWN_DEFECTS")),
            _ => None,
        })
        .collect();
    wrong.sort();
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert!(ran.len() >= 700 || !only.is_empty(), "the matrix has shrunk to {} cells", ran.len());
}

#[test]
fn the_page_for_people_is_made_from_the_table() {
    let (path, page) = (root().join("docs/RELIABILITY.md"), page(&rows()));
    if std::env::var("EDR_BLESS").is_ok_and(|v| v == "1") {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/RELIABILITY.md is not what the table says: run this test with EDR_BLESS=1"
    );
}

#[test]
fn every_known_defect_and_every_special_case_is_a_cell() {
    let rows = rows();
    let names: Vec<String> = cells(&rows).iter().map(Cell::name).collect();
    for defect in KNOWN_DEFECTS {
        assert!(names.iter().any(|name| name == defect), "{defect}");
    }
    for (row, products, task, mode, _) in SPECIAL {
        for product in *products {
            let there = |name: &String| *name == format!("{row} {product:?} {task:?} {mode:?}");
            assert!(names.iter().any(there), "{row} {product:?} {task:?}");
        }
    }
    let faults = rows.iter().filter(|row| row.name != "none").count();
    assert!(faults >= 24, "{faults} faults");
}
