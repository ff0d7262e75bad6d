//! Alerts and cases are changed under the same guards, once each, and journaled.

use edr_sim::{FaultKind, FaultRule};

use crate::bench::{Bench, Ran};

const ESTATE: &str = "[[tenant]]\nvendor = \"falcon\"\nhosts = 5\nalerts = 8\n\n\
                      [[tenant]]\nvendor = \"cortex\"\nhosts = 5\nalerts = 8\n";

const YES: [&str; 3] = ["--yes", "--max-hosts", "50"];

async fn alerts(bench: &Bench, words: &[&str]) -> Ran {
    bench.run(&[&["alerts"], words].concat()).await
}

/// The ids of a tenant's alerts.
async fn ids(bench: &Bench, tenant: &str) -> Vec<String> {
    let list = alerts(bench, &["list", "-t", tenant, "-o", "json"]).await;
    list.records().iter().map(|r| r["uid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_closed_commented_and_journaled() {
    let bench = Bench::new(ESTATE).await;
    let (falcon, cortex) = (ids(&bench, "falcon-1").await, ids(&bench, "cortex-1").await);
    let words = ["close", &falcon[0], "-t", "falcon-1", "--verdict", "false_positive", "--reason", "drill"];
    let dry = alerts(&bench, &[&words[..], &["-n", "-o", "json"]].concat()).await;
    assert_eq!((dry.code, bench.sim.log().len()), (Some(0), 0), "{dry:?}");
    assert!(dry.records()[0]["outcome"].is_null());
    let closed = alerts(&bench, &[&words[..], &YES, &["-o", "json"]].concat()).await;
    assert_eq!(closed.code, Some(0), "{closed:?}");
    assert_eq!(closed.records()[0]["outcome"], "accepted");
    let shown = alerts(&bench, &["get", &falcon[0], "-t", "falcon-1", "-o", "json"]).await;
    assert_eq!(
        (&shown.records()[0]["status"], &shown.records()[0]["verdict"]),
        (&"resolved".into(), &"false_positive".into())
    );

    let close = ["close", &cortex[0], "-t", "cortex-1", "--verdict", "true_positive"];
    let closed = alerts(&bench, &[&close[..], &YES].concat()).await;
    assert_eq!(closed.code, Some(0), "{closed:?}");
    let text = ["comment", &falcon[1], "-t", "falcon-1", "--text", "seen at night"];
    assert_eq!(alerts(&bench, &[&text[..], &YES].concat()).await.code, Some(0));
    let shown = alerts(&bench, &["get", &falcon[1], "-t", "falcon-1", "-o", "json"]).await;
    assert!(shown.out.contains("seen at night"), "{shown:?}");

    let events = bench.run(&["audit", "list", "-o", "csv", "--columns", "event"]).await;
    assert_eq!(events.out.matches("alerts_intended").count(), 3, "{events:?}");
    assert_eq!(events.out.matches("alerts_answered").count(), 3);
    assert_eq!(bench.run(&["audit", "verify"]).await.code, Some(0));
    assert_eq!(
        bench.run(&["respond", "list", "-o", "json"]).await.out.trim(),
        "[]",
        "they are no operations on hosts"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guards_hold_for_alerts() {
    let bench = Bench::new(ESTATE).await;
    let one = ids(&bench, "falcon-1").await.remove(0);
    let close = |words: &[&str]| {
        let words: Vec<String> = ["alerts", "close"].iter().chain(words).map(|w| (*w).to_owned()).collect();
        let bench = &bench;
        async move { bench.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    close(&["-t", "falcon-1", "--yes", "--max-hosts", "9"]).await.is_usage("nothing is selected");
    close(&[&one, "--yes", "--max-hosts", "9"]).await.is_usage("names its tenants");
    close(&[&one, "-t", "falcon-1", "--all"]).await.is_usage("never select");
    close(&[&one, "-t", "falcon-1", "--severity", "low+"]).await.is_usage("both at once");
    close(&["", "-t", "falcon-1"]).await.is_usage("selects nothing");
    close(&[&one, "-t", "falcon-1"]).await.is_refused("consent");
    close(&[&one, "-t", "falcon-1", "--yes"]).await.is_refused("yes_needs_max_hosts");
    let all = ["-t", "falcon-1", "--severity", "informational+", "--yes"];
    close(&[&all[..], &["--max-hosts", "2"]].concat()).await.is_refused("max_hosts");
    close(&[&all[..], &["--max-hosts", "50", "--confirm", "2"]].concat()).await.is_refused("confirm");
    bench.safety("max_hosts = 2");
    close(&[&all[..], &["--max-hosts", "50"]].concat()).await.is_refused("ceiling");
    bench.safety("read_only = true");
    close(&[&one, "-t", "falcon-1", "--yes", "--max-hosts", "9"]).await.is_refused("read_only");
    let unknown = close(&["no-such-alert", "-t", "falcon-1", "-n"]).await;
    assert_eq!(unknown.code, Some(5), "{unknown:?}");
    assert!(bench.sim.log().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_cannot_be_read_is_missed_by_nobody() {
    let bench = Bench::new(ESTATE).await;
    bench
        .sim
        .inject(vec![FaultRule::always("v2/alerts/get_alerts_multi_events", FaultKind::BadItem)])
        .unwrap();
    let close = [
        "close",
        "-t",
        "cortex-1",
        "--severity",
        "informational+",
        "--verdict",
        "true_positive",
        "--nearest",
    ];
    let strict = alerts(&bench, &[&close[..], &YES, &["--strict"]].concat()).await;
    strict.is_refused("strict");
    assert!(bench.sim.log().is_empty());
    let closed = alerts(&bench, &[&close[..], &YES, &["-o", "json"]].concat()).await;
    assert_eq!(closed.code, Some(3), "{closed:?}");
    assert_eq!(closed.outcome()["outcome"], "partial", "{closed:?}");
    assert_eq!(closed.records().iter().filter(|r| r["outcome"] == "accepted").count(), 7, "{closed:?}");
    assert!(closed.err.contains("1 item could not be decoded"), "{closed:?}");

    // By its id: it was looked for, and nobody can say that it is not there.
    bench.sim.clear_faults();
    bench.sim.inject(vec![FaultRule::always("*", FaultKind::Scope)]).unwrap();
    let unread = alerts(&bench, &["close", "99999999", "-t", "cortex-1", "-n", "-o", "json"]).await;
    assert_eq!(unread.code, Some(1), "{unread:?}");
    assert_eq!(unread.records()[0]["decision"], "unproven", "{unread:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guards_hold_for_cases() {
    let bench = Bench::new(ESTATE).await;
    let list = bench.run(&["cases", "list", "-t", "cortex-1", "-o", "json"]).await;
    let uid = list.records()[0]["uid"].as_str().unwrap().to_owned();
    let update = |words: &[&str]| {
        let fixed = ["cases", "update", &uid, "-t", "cortex-1", "--status", "in_progress"];
        let words: Vec<String> = fixed.iter().chain(words).map(|w| (*w).to_owned()).collect();
        let bench = &bench;
        async move { bench.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    update(&[]).await.is_refused("consent");
    update(&["--yes"]).await.is_refused("yes_needs_max_hosts");
    update(&["no-such-case", "--yes", "--max-hosts", "2", "--strict"]).await.is_refused("strict");
    update(&["--yes", "--max-hosts", "2", "--confirm", "2"]).await.is_refused("confirm");
    bench.safety("read_only = true");
    update(&["--yes", "--max-hosts", "2"]).await.is_refused("read_only");
    assert!(bench.sim.log().is_empty());
    bench.safety("");
    let done = update(&["--yes", "--max-hosts", "2", "--reason", "drill", "-o", "json"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.records()[0]["outcome"], "accepted");
    let events = bench.run(&["audit", "list", "-o", "csv", "--columns", "event"]).await;
    assert_eq!(events.out.matches("cases_intended").count(), 1, "{events:?}");
    assert_eq!(events.out.matches("cases_answered").count(), 1);
    assert_eq!(bench.run(&["audit", "verify"]).await.code, Some(0));
}
