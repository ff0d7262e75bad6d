//! An interrupted operation is taken up by a line that names all that is left of it, and by no other.

use std::time::Duration;

use edr_sim::{Fault, FaultKind, FaultRule};
use serde_json::{Value, json};

use crate::bench::{Bench, ONLINE, Ran, given, tenant};

const HOSTS: usize = 6;

async fn bench() -> Bench {
    let hosts: Vec<_> = (0..HOSTS).map(|at| given(format!("ws-{at}"), ONLINE)).collect();
    Bench::new(&tenant("falcon", &hosts)).await
}

async fn contain(bench: &Bench, names: &[usize], more: &[&str]) -> Ran {
    let names: Vec<String> = names.iter().map(|at| format!("ws-{at}")).collect();
    let hosts = names.iter().flat_map(|name| ["--host", name]);
    let words: Vec<&str> = ["hosts", "contain", "-t", "falcon-1"].into_iter().chain(hosts).collect();
    bench.run(&[&words[..], more, &["--yes", "-o", "json"]].concat()).await
}

/// A run on these hosts that dies before any of them is contained.
async fn interrupted(bench: &Bench, names: &[usize], more: &[&str]) -> String {
    let before = bench.contained();
    refuse(bench, &["PerformActionV2"]);
    let ran = contain(bench, names, more).await;
    assert_eq!((ran.code == Some(0), bench.contained()), (false, before), "{ran:?}");
    cut(bench, &["ended"])
}

/// The next of each of these requests is refused: its tenant is given up.
fn refuse(bench: &Bench, operations: &[&str]) {
    let busy = || Fault { retry_after_secs: 600, ..FaultKind::TooManySeconds.into() };
    bench.sim.inject(operations.iter().map(|o| FaultRule::nth(o, 1, busy())).collect()).unwrap();
}

/// The run died before it wrote these, its last records. Returns its operation.
fn cut(bench: &Bench, events: &[&str]) -> String {
    let text = std::fs::read_to_string(bench.journal()).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (left, gone) = records.split_at(records.len() - events.len());
    let words: Vec<&str> = gone.iter().map(|r| r["event"]["event"].as_str().unwrap()).collect();
    assert_eq!(words, events, "{text}");
    let lines: Vec<&str> = text.lines().take(left.len()).collect();
    std::fs::write(bench.journal(), lines.join("\n") + "\n").unwrap();
    let last = left.last().unwrap();
    let head = json!({ "seq": last["seq"], "hash": last["hash"] });
    std::fs::write(bench.journal().with_file_name("journal.head"), head.to_string()).unwrap();
    gone[0]["event"]["plan"].as_str().unwrap().to_owned()
}

async fn state(bench: &Bench, id: &str) -> Value {
    let listed = bench.run(&["respond", "list", "-o", "json"]).await;
    let of = |row: &&Value| row["operation"] == id;
    listed.records().iter().find(of).unwrap_or_else(|| panic!("{listed:?}"))["state"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_one_host_contains_one_host() {
    let bench = bench().await;
    let old = interrupted(&bench, &[0, 1, 2, 3, 4, 5], &["--max-hosts", "6"]).await;
    let ran = contain(&bench, &[1], &["--max-hosts", "1", "--confirm", "1"]).await;
    assert_eq!((ran.code, bench.contained().len()), (Some(0), 1), "{ran:?}");
    assert!(
        ran.err.contains("left_open") && ran.err.contains(&format!("edr respond apply {old}")),
        "{ran:?}"
    );
    let ran = contain(&bench, &[2], &["--max-hosts", "25"]).await;
    assert_eq!((ran.code, bench.contained().len()), (Some(0), 2), "{ran:?}");
    assert_eq!(state(&bench, &old).await, "interrupted");
    // The line of that operation goes on with it, and asks for nobody twice.
    let ran = contain(&bench, &[0, 1, 2, 3, 4, 5], &["--max-hosts", "6", "--confirm", "6"]).await;
    assert!(ran.err.contains("taken_up"), "{ran:?}");
    let contained = bench.contained();
    assert_eq!((contained.len(), contained.values().all(|times| *times == 1)), (HOSTS, true), "{ran:?}");
    assert_ne!(state(&bench, &old).await, "interrupted");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_lease_is_other_work() {
    let bench = bench().await;
    let old = interrupted(&bench, &[0], &["--max-hosts", "1"]).await;
    let ran = contain(&bench, &[0], &["--max-hosts", "1", "--for", "1s"]).await;
    assert_eq!((ran.code, ran.err.contains("left_open")), (Some(0), true), "{ran:?}");
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    let run = bench.run(&["respond", "run"]).await;
    assert!(run.err.contains("the release of 1 host was asked for"), "it is leased as it was told: {run:?}");
    assert_eq!(state(&bench, &old).await, "interrupted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_several_operations_ask_for_counts_together() {
    let bench = bench().await;
    interrupted(&bench, &[0, 1], &["--max-hosts", "2"]).await;
    interrupted(&bench, &[2, 3], &["--max-hosts", "2"]).await;
    let all = [0, 1, 2, 3, 4];
    contain(&bench, &all, &["--max-hosts", "4"]).await.is_refused_in_json("max_hosts");
    contain(&bench, &all, &["--max-hosts", "5", "--confirm", "2"]).await.is_refused_in_json("confirm");
    bench.safety("max_hosts = 4");
    contain(&bench, &all, &["--max-hosts", "5"]).await.is_refused_in_json("ceiling");
    bench.safety("");
    assert!(bench.contained().is_empty());
    let ran = contain(&bench, &all, &["--max-hosts", "5", "--confirm", "5"]).await;
    assert_eq!((ran.code, bench.contained().len()), (Some(0), 5), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_was_left_open_is_finished_as_the_warning_says() {
    let bench = bench().await;
    let old = interrupted(&bench, &[0, 1, 2], &["--max-hosts", "3"]).await;
    let ran = contain(&bench, &[1], &["--max-hosts", "1"]).await;
    let says = format!("edr respond apply {old} --without-moved");
    assert!(ran.code == Some(0) && ran.err.contains(&says), "{ran:?}");
    let words: Vec<&str> = says.split(' ').skip(1).collect();
    bench.run(&[&words[..], &["--yes", "--max-hosts", "3"]].concat()).await;
    let contained = bench.contained();
    assert_eq!((contained.len(), contained.values().all(|times| *times == 1)), (3, true));
    assert_ne!(state(&bench, &old).await, "interrupted");
}

/// A tenant of each vendor. The first host of both is the same machine.
async fn both() -> Bench {
    let of = |mark: &str| {
        let mut hosts = vec![given("twin", ONLINE)];
        hosts.extend((0..3).map(|at| given(format!("{mark}-{at}"), ONLINE)));
        hosts
    };
    let cortex = tenant("cortex", &of("c")).replace("02:00:00:01:00:01", "02:00:00:00:00:01");
    Bench::new(&(tenant("falcon", &of("f")) + &cortex)).await
}

const ORDERS: [&str; 2] = ["PerformActionV2", "endpoints/isolate"];

fn of_both<'w>(verb: &'w str, hosts: &[&'w str], more: &[&'w str]) -> Vec<&'w str> {
    let hosts = hosts.iter().flat_map(|name| ["--host", name]);
    let words: Vec<&str> = ["hosts", verb, "--all-tenants"].into_iter().chain(hosts).collect();
    [&words[..], more, &["--yes", "-o", "json"]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_other_agent_was_chosen_then_counts_once() {
    let bench = both().await;
    refuse(&bench, &ORDERS);
    let words = ["hosts", "contain", "-t", "falcon-1", "--host", "twin", "--yes", "--max-hosts", "1"];
    bench.run(&words).await;
    cut(&bench, &["ended"]);
    bench.sim.clear_faults();
    let line = of_both("contain", &["twin"], &["--max-hosts", "1", "--confirm", "1"]);
    let planned = bench.run(&[&line[..], &["-n"]].concat()).await.records();
    let acts: Vec<&Value> = planned.iter().filter(|h| h["decision"] == "act").collect();
    assert!(acts.len() == 1 && acts[0]["tenant"] == "cortex-1", "the other agent: {planned:?}");
    let ran = bench.run(&line).await;
    assert_eq!((ran.code, bench.contained().len()), (Some(0), 1), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_cannot_be_read_makes_no_other_work_of_the_line() {
    let bench = both().await;
    let down = || FaultRule { tenant: Some("cortex-1".into()), ..FaultRule::always("*", FaultKind::Scope) };
    for line in [
        of_both("contain", &["f-0", "c-0"], &["--max-hosts", "2", "--confirm", "2"]),
        of_both("contain", &[], &["--filter", "hostname ~ -1", "--max-hosts", "2", "--confirm", "2"]),
    ] {
        let before = bench.contained().len();
        refuse(&bench, &ORDERS);
        bench.run(&line).await;
        let old = cut(&bench, &["ended"]);
        bench.sim.clear_faults();
        bench.sim.inject(vec![down()]).unwrap();
        let ran = bench.run(&line).await;
        assert!(ran.err.contains("taken_up") && !ran.err.contains("refused by"), "{ran:?}");
        assert_eq!(bench.contained().len(), before + 1, "{ran:?}");
        bench.sim.clear_faults();
        let ran = bench.run(&["respond", "apply", &old, "--yes", "--max-hosts", "2"]).await;
        let contained = bench.contained();
        assert_eq!((ran.code, contained.len()), (Some(0), before + 2), "{ran:?}");
        assert!(contained.values().all(|times| *times == 1), "{ran:?}");
    }
    let listed = bench.run(&["respond", "list", "-o", "json"]).await.records();
    assert_eq!(listed.len(), 2, "there was no other operation: {listed:?}");
    // A host there that no name may stand for is named by nobody.
    refuse(&bench, &ORDERS);
    bench.run(&of_both("contain", &["f-2", "c-2"], &["--max-hosts", "2"])).await;
    cut(&bench, &["ended"]);
    bench.sim.clear_faults();
    bench.sim.inject(vec![down()]).unwrap();
    let ran = bench.run(&of_both("contain", &["f-2"], &["--max-hosts", "1"])).await;
    assert!(ran.err.contains("left_open") && bench.contained().len() == 5, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_whose_last_answers_were_lost_is_shown_by_its_line() {
    let bench = both().await;
    let ran = bench.run(&of_both("contain", &["f-0", "c-0"], &["--max-hosts", "2", "--wait"])).await;
    let held = ran.outcome()["operation"].as_str().unwrap().to_owned();
    let more = ["--operation", held.as_str(), "--max-hosts", "2", "--confirm", "2"];
    let line = of_both("release", &[], &more);
    refuse(&bench, &["endpoints/unisolate"]);
    let ran = bench.run(&line).await;
    let release = ran.outcome()["operation"].as_str().unwrap().to_owned();
    bench.sim.clear_faults();
    bench.run(&["respond", "apply", &release, "--yes", "--max-hosts", "2"]).await;
    cut(&bench, &["answered", "ended"]);
    let again = bench.run(&line).await;
    assert_eq!((again.code, again.records().len()), (Some(0), 2), "{again:?}");
    assert_eq!(again.outcome()["operation"], release, "{again:?}");
    assert_ne!(state(&bench, &release).await, "interrupted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_that_was_interrupted_is_the_next_one() {
    let bench = bench().await;
    let ran = contain(&bench, &[0, 1, 2, 3, 4], &["--max-hosts", "5", "--wait"]).await;
    let held = ran.outcome()["operation"].as_str().unwrap().to_owned();
    let words =
        ["hosts", "release", "-t", "falcon-1", "--operation", &held, "--wave", "2", "--max-hosts", "2"];
    let line = [&words[..], &["--confirm", "2", "--yes", "-o", "json"]].concat();
    refuse(&bench, &["PerformActionV2"]);
    bench.run(&line).await;
    let wave = cut(&bench, &["ended"]);
    let released = || bench.contained().values().filter(|times| **times == 2).count();
    assert_eq!(released(), 0);
    let ran = bench.run(&line).await;
    assert!(ran.code == Some(0) && ran.err.contains("taken_up"), "{ran:?}");
    assert_eq!((released(), state(&bench, &wave).await == "interrupted"), (2, false), "{ran:?}");
    let ran = bench.run(&line).await;
    assert_eq!((ran.code, released()), (Some(0), 4), "{ran:?}");
}
