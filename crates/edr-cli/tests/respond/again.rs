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
    let busy = Fault { retry_after_secs: 600, ..FaultKind::TooManySeconds.into() };
    bench.sim.inject(vec![FaultRule::nth("PerformActionV2", 1, busy)]).unwrap();
    let ran = contain(bench, names, more).await;
    assert_eq!((ran.code == Some(0), bench.contained()), (false, before), "{ran:?}");
    // The end of the run is not in the journal.
    let text = std::fs::read_to_string(bench.journal()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let ended: Value = serde_json::from_str(lines.pop().unwrap()).unwrap();
    assert_eq!(ended["event"]["event"], "ended");
    let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    std::fs::write(bench.journal(), lines.join("\n") + "\n").unwrap();
    let head = json!({ "seq": last["seq"], "hash": last["hash"] });
    std::fs::write(bench.journal().with_file_name("journal.head"), head.to_string()).unwrap();
    ended["event"]["plan"].as_str().unwrap().to_owned()
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
