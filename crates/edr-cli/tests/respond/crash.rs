//! kill -9 at random points of a run, each followed by a rerun: nobody is contained twice, nobody is forgotten.

use std::hash::{BuildHasher as _, RandomState};
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::bench::{Bench, ONLINE, Ran, given, tenant};

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
    match point {
        Point::After(time) => std::thread::sleep(time),
        Point::Records(n, time) => {
            let mut looks = 0;
            while records() < before + n && child.try_wait().unwrap().is_none() {
                assert!(looks < 60_000, "{point:?}");
                looks += 1;
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
    let (mut tried, mut hits) = (0, 0);
    // On a busy machine many runs end before they are killed: then more are.
    while hits * 3 < points && tried < 6 * points {
        let runs = futures_util::stream::iter((tried..tried + points).map(survives));
        let killed: Vec<bool> = runs.buffer_unordered(SIDE_BY_SIDE).collect().await;
        tried += points;
        hits += killed.iter().filter(|killed| **killed).count();
    }
    println!("{hits} of {tried} runs were killed on their way");
    assert!(hits * 3 >= points, "too few of the kills hit a run: {hits} of {tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_wait_says_how_to_go_on() {
    let bench = Bench::new(&tenant("falcon", &[given("f-0", ONLINE)])).await;
    let words = [
        "hosts",
        "contain",
        "-t",
        "falcon-1",
        "--host",
        "f-0",
        "--yes",
        "--max-hosts",
        "1",
        "--wait",
        "-o",
        "json",
    ];
    let mut command = bench.command(&words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = || std::fs::read_to_string(bench.journal()).is_ok_and(|text| text.contains("\"ended\""));
    for _ in 0..60_000 {
        if ended() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let ran = Ran::of(&output);
    assert_eq!(ran.code, Some(130), "{ran:?}");
    let (outcome, records) = (ran.outcome(), ran.records());
    assert_eq!((outcome["interrupted"].as_bool(), records.len()), (Some(true), 1), "{ran:?}");
    let id = outcome["operation"].as_str().unwrap();
    assert_eq!(outcome["next"], format!("edr respond status {id}"));
    let status = bench.run(&["respond", "status", id, "--wait", "--timeout", "30s", "-o", "json"]).await;
    assert_eq!((status.code, status.outcome()["counts"]["done"].as_u64()), (Some(0), Some(1)), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_ends_first_is_seven_and_the_operation_goes_on() {
    let bench = Bench::slow(&tenant("falcon", &[given("f-0", ONLINE)]), Duration::from_secs(60)).await;
    let words =
        ["hosts", "contain", "-t", "falcon-1", "--host", "f-0", "--yes", "--max-hosts", "1", "-o", "json"];
    let ran = bench.run(&[&words[..], &["--wait", "--timeout", "4s"]].concat()).await;
    assert_eq!(ran.code, Some(7), "{ran:?}");
    let outcome = ran.outcome();
    assert_eq!((outcome["timed_out"].as_bool(), outcome["counts"]["done"].as_u64()), (Some(true), Some(0)));
    bench.sim.advance(Duration::from_secs(120));
    let status =
        bench.run(&["respond", "status", outcome["operation"].as_str().unwrap(), "-o", "json"]).await;
    assert_eq!((status.code, status.outcome()["counts"]["done"].as_u64()), (Some(0), Some(1)), "{status:?}");
}
