//! Alerts are changed under the same guards, once each, and journaled.

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
