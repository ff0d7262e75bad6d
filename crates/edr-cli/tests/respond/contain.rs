//! One command contains a list in two tenants, waits, and tells exactly what the simulator's log tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Stdio;

use crate::bench::{Bench, Given, ONLINE, Ran, given, tenant};

const HOSTS: usize = 150;
const OFFLINE: &str = "platform = \"linux\"\nform = \"server\"\nonline = false\ncontainment = \"normal\"";
const CONTROLLER: &str =
    "platform = \"windows\"\nform = \"domain_controller\"\nonline = true\ncontainment = \"normal\"";
const CONTAINED: &str =
    "platform = \"windows\"\nform = \"desktop\"\nonline = true\ncontainment = \"contained\"";

/// 150 hosts: 15 offline, domain controllers, 5 with a name that the other tenant has, too, and 2 that are contained.
fn hosts(mark: &str, controllers: usize) -> Vec<Given> {
    let mut all: Vec<Given> = (0..5).map(|i| given(format!("TWIN-{i}"), ONLINE)).collect();
    all.iter_mut().for_each(|twin| twin.serial = format!("{mark}-{}", twin.name));
    all.extend((0..15).map(|i| given(format!("{mark}-AWAY-{i}"), OFFLINE)));
    all.extend((0..controllers).map(|i| given(format!("{mark}-DC-{i}"), CONTROLLER)));
    all.extend((0..2).map(|i| given(format!("{mark}-WAS-{i}"), CONTAINED)));
    let rest = HOSTS - all.len();
    all.extend((0..rest).map(|i| given(format!("{mark}-PC-{i}"), ONLINE)));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_contained_and_every_count_is_the_simulators() {
    let (falcon, cortex) = (hosts("F", 2), hosts("C", 1));
    let bench = Bench::new(&(tenant("falcon", &falcon) + &tenant("cortex", &cortex))).await;
    // Cortex XDR does not tell roles.
    bench.safety("protected = { hostnames = [\"C-DC-*\"] }");
    let names: BTreeSet<&str> = falcon.iter().chain(&cortex).map(|h| h.name.as_str()).collect();
    let csv = names.iter().fold("Host Name,Site\n".to_owned(), |mut text, name| {
        let _ = writeln!(text, "{name},Berlin");
        text
    });
    let list = bench.write("hosts.csv", &csv);

    let ran = bench
        .run(&[
            "hosts",
            "contain",
            "--all-tenants",
            "--from",
            &list,
            "--yes",
            "--max-hosts",
            "300",
            "--confirm",
            "283",
            "--wait",
            "--timeout",
            "60s",
            "--reason",
            "drill",
            "--ticket",
            "INC-7",
            "-o",
            "json",
        ])
        .await;
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    let (records, outcome) = (ran.records(), ran.outcome());
    assert_eq!(records.len(), 290 + 5, "every host, and every name that stands for none");
    let counts = &outcome["counts"];
    assert_eq!(
        (counts["done"].as_u64(), counts["offline"].as_u64(), counts["failed"].as_u64()),
        (Some(253), Some(30), Some(0))
    );
    assert_eq!((counts["already"].as_u64(), counts["unknown"].as_u64()), (Some(4), Some(0)));
    assert_eq!(outcome["left_out"], serde_json::json!({ "ambiguous": 5, "protected": 3 }));
    assert!(
        outcome["message"]
            .as_str()
            .unwrap()
            .starts_with("partial: 253 contained, 30 pending because offline, 0 failed")
    );

    // What is claimed is what happened, host by host.
    let log = bench.contained();
    assert!(log.values().all(|times| *times == 1), "nobody is contained twice");
    let claimed: BTreeMap<(String, String), usize> = records
        .iter()
        .filter(|r| matches!(r["outcome"].as_str(), Some("done" | "offline")))
        .map(|r| ((r["tenant"].as_str().unwrap().to_owned(), r["uid"].as_str().unwrap().to_owned()), 1))
        .collect();
    assert_eq!(claimed, log);
    for record in records.iter().filter(|r| r["outcome"] == "done" || r["outcome"] == "offline") {
        assert!(record["trace_id"].is_string() || record["handle"].is_string(), "{record}");
        let away = record["hostname"].as_str().unwrap().contains("-AWAY-");
        assert_eq!(away, record["outcome"] == "offline", "{record}");
    }

    let verified = bench.run(&["audit", "verify", "-o", "json"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.records()[0]["fault"].is_null());

    // The same again finds everything as it is wanted, and sends nothing.
    let again = bench.run(&["hosts", "contain", "--all-tenants", "--from", &list, "-o", "json"]).await;
    assert_eq!(again.code, Some(3), "{}", again.err);
    assert_eq!(again.outcome()["acts_on"], 0);
    assert_eq!(bench.contained(), log);

    // And it is given back by its id: what was contained before stays so.
    let id = outcome["operation"].as_str().unwrap();
    let back = bench
        .run(&[
            "hosts",
            "release",
            "--all-tenants",
            "--operation",
            id,
            "--yes",
            "--max-hosts",
            "300",
            "-o",
            "json",
        ])
        .await;
    assert_eq!(back.outcome()["acts_on"], 283, "{}", back.err);
    let kept = bench.run(&["hosts", "list", "--containment", "contained", "-o", "json"]).await;
    let kept: BTreeSet<String> =
        kept.records().iter().map(|r| r["hostname"].as_str().unwrap().to_owned()).collect();
    assert!(["F-WAS-0", "F-WAS-1", "C-WAS-0", "C-WAS-1"].iter().all(|name| kept.contains(*name)), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_contains_and_keeps_its_journal_apart() {
    let bench = Bench::new(&tenant("falcon", &[given("f-0", ONLINE)])).await;
    let words = ["hosts", "contain", "--demo", "-t", "falcon-1", "--platform", "macos"];
    let more = ["--yes", "--max-hosts", "100", "--wait", "--timeout", "60s", "-o", "json"];
    let ran = bench.run(&[&words[..], &more].concat()).await;
    assert_eq!(ran.code, Some(3), "some are offline: {ran:?}");
    let outcome = ran.outcome();
    assert!(outcome["counts"]["done"].as_u64() > Some(0), "{outcome}");
    let journal = outcome["journal"].as_str().unwrap();
    assert!(std::path::Path::new(journal).exists() && ran.err.contains("its journal is in"), "{}", ran.err);
    assert!(!bench.journal().exists(), "a demo is no part of the real journal");
}

/// An order that went half wrong, and a journal that is broken, are told to whoever pipes the rows into nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_hides_no_failure() {
    let bench = Bench::new(&tenant("falcon", &[given("PC-1", ONLINE)])).await;
    let closed = async |words: &[&str]| {
        let mut command = bench.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = move || {
            let mut child = command.spawn().unwrap();
            drop(child.stdout.take());
            Ran::of(&child.wait_with_output().unwrap())
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let words = ["hosts", "contain", "--all-tenants", "--host", "PC-1", "--host", "PC-2"];
    let more = ["--yes", "--max-hosts", "2", "-o", "json"];
    let contained = closed(&[&words[..], &more].concat()).await;
    assert_eq!((contained.code, bench.contained().len()), (Some(3), 1), "{contained:?}");
    assert_eq!(contained.outcome()["outcome"], "partial");
    let journal = std::fs::read_to_string(bench.journal()).unwrap();
    std::fs::write(bench.journal(), journal.replacen("PC-1", "PC-3", 1)).unwrap();
    let verified = closed(&["audit", "verify", "-o", "json"]).await;
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert_eq!(verified.outcome()["outcome"], "failed");
}
