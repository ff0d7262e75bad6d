//! kill -9 at random points of a run, each followed by a rerun: nobody is contained twice, nobody is forgotten.

use std::hash::{BuildHasher as _, RandomState};
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;

use crate::bench::{Bench, ONLINE, given, tenant};

/// Hosts of the first tenant take two requests, those of the second one.
const FALCON: usize = 120;
const CORTEX: usize = 40;
/// Hosts whose answer was lost are read back after 15 seconds: points are tried side by side.
const SIDE_BY_SIDE: usize = 6;

fn estate() -> String {
    let named =
        |mark: &str, n: usize| (0..n).map(|i| given(format!("{mark}-{i}"), ONLINE)).collect::<Vec<_>>();
    tenant("falcon", &named("f", FALCON)) + &tenant("cortex", &named("c", CORTEX))
}

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// So long after its start.
    After(Duration),
    /// So long after the journal has so many records: close to the wire.
    Records(usize, Duration),
}

fn point(at: usize) -> Point {
    let dice = RandomState::new().hash_one(at);
    let micros = dice >> 8;
    match at % 3 {
        0 => Point::After(Duration::from_micros(micros % 1_500_000)),
        _ => Point::Records(1 + (dice % 8) as usize, Duration::from_micros(micros % 60_000)),
    }
}

fn words(list: &str) -> [&str; 9] {
    ["hosts", "contain", "--all-tenants", "--from", list, "--yes", "--max-hosts", "160", "-q"]
}

/// Starts a run and kills it at the point; false when it had ended before.
fn kill(bench: &Bench, list: &str, point: Point) -> bool {
    let mut command = bench.command(&words(list));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let records = || std::fs::read_to_string(bench.journal()).map_or(0, |text| text.lines().count());
    let before = records();
    let start = Instant::now();
    match point {
        Point::After(time) => std::thread::sleep(time),
        Point::Records(n, time) => {
            while records() < before + n && child.try_wait().unwrap().is_none() {
                assert!(start.elapsed() < Duration::from_secs(60), "{point:?}");
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(time);
        }
    }
    let ended = child.try_wait().unwrap().is_some();
    child.kill().unwrap();
    child.wait().unwrap();
    !ended
}

/// True when the kill came before the end of the run.
async fn survives(at: usize) -> bool {
    let bench = Bench::with(&estate(), Duration::from_millis(20)).await;
    let names = (0..FALCON).map(|i| format!("f-{i}\n")).chain((0..CORTEX).map(|i| format!("c-{i}\n")));
    let list = bench.write("hosts.txt", &names.collect::<String>());
    let point = point(at);
    let killed = tokio::task::block_in_place(|| kill(&bench, &list, point));
    let again = bench.run(&words(&list)).await;
    assert_eq!(again.code, Some(0), "{point:?}: {again:?}");
    let contained = bench.contained();
    assert!(contained.values().all(|times| *times == 1), "{point:?}: contained twice");
    assert_eq!(contained.len(), FALCON + CORTEX, "{point:?}: forgotten");
    let verified = bench.run(&["audit", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{point:?}: {verified:?}");
    killed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_anywhere_is_finished_by_a_rerun() {
    let points = std::env::var("EDR_KILL_POINTS").ok().map_or(12, |n| n.parse().unwrap());
    let runs = futures_util::stream::iter((0..points).map(survives)).buffer_unordered(SIDE_BY_SIDE);
    let killed: Vec<bool> = runs.collect().await;
    let hits = killed.iter().filter(|killed| **killed).count();
    println!("{hits} of {points} runs were killed on their way");
    assert!(hits * 3 >= points, "too few of the kills hit a run: {hits} of {points}");
}
