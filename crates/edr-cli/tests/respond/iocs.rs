//! Feeds of indicators, and blocked files, against both vendors.

use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::bench::{Bench, Ran, tenant};

const FEED: &str = "value,action,severity,expires,note\n\
    ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB,block,high,never,dropper\n\
    evil.example,detect,medium,30d,c2\n203.0.114.7,detect,critical,,\nhttps://evil.example/x,detect,low,,\n";

const SHA: &str = "abababababababababababababababababababababababababababababababab";
const MD5: &str = "d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0";

/// What was lost is read back after a while: points are tried side by side.
const SIDE_BY_SIDE: usize = 6;

async fn bench() -> Bench {
    Bench::new(&(tenant("falcon", &[]) + &tenant("cortex", &[]))).await
}

/// How often each indicator was changed: tenant and target.
fn changes(bench: &Bench) -> Vec<(String, String)> {
    let is_its = |o: &str| o.contains("indicator") || o.contains("hash_exceptions");
    let log = bench.sim.log();
    log.iter().filter(|m| is_its(&m.operation)).map(|m| (m.tenant.clone(), m.target.clone())).collect()
}

/// `tenant value outcome-or-step`, in the order told.
fn told(ran: &Ran) -> Vec<String> {
    let word = |r: &serde_json::Value, key: &str| r[key].as_str().unwrap_or_default().to_owned();
    let one = |r: &serde_json::Value| {
        let outcome = r["outcome"].as_str().map_or_else(|| word(r, "step"), str::to_owned);
        format!("{} {} {outcome}", word(r, "tenant"), &word(r, "value")[..7])
    };
    ran.records().iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_planned_agreed_to_pushed_and_read_back() {
    let bench = bench().await;
    let feed = bench.write("feed.csv", FEED);
    let diff = bench.run(&["iocs", "diff", &feed, "--owner", "soc", "-o", "json"]).await;
    assert_eq!(diff.code, Some(10), "{diff:?}");
    let push = |more: &[&'static str]| {
        let words = [&["iocs", "push", feed.as_str(), "--owner", "soc", "-o", "json"][..], more].concat();
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        let bench = &bench;
        async move { bench.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    push(&[]).await.is_usage("names its tenants");
    let dry = push(&["--all-tenants", "-n"]).await;
    assert_eq!((dry.code, changes(&bench).len()), (Some(3), 0), "{dry:?}");
    assert_eq!(told(&dry), told(&diff));
    push(&["--all-tenants"]).await.is_refused("consent");
    push(&["--all-tenants", "--yes"]).await.is_refused("yes_needs_max_iocs");
    push(&["--all-tenants", "--yes", "--max-iocs", "5"]).await.is_refused("max_iocs");
    push(&["--all-tenants", "--yes", "--confirm", "7"]).await.is_refused("confirm");
    bench.safety("max_iocs = 5");
    push(&["--all-tenants", "--yes", "--confirm", "6"]).await.is_refused("ceiling");
    bench.safety("read_only = true");
    push(&["--all-tenants", "--yes", "--confirm", "6"]).await.is_refused("read_only");
    bench.safety("");
    assert_eq!(changes(&bench).len(), 0, "a refusal sends nothing");

    let pushed =
        push(&["--all-tenants", "--yes", "--confirm", "6", "--reason", "c2", "--ticket", "INC-7"]).await;
    let expected = [
        "cortex-1 ababab… accepted",
        "cortex-1 evil.ex accepted",
        "cortex-1 203.0.1 accepted",
        "cortex-1 https:/ not_expressible",
        "falcon-1 ababab… added",
        "falcon-1 evil.ex added",
        "falcon-1 203.0.1 added",
        "falcon-1 https:/ not_expressible",
    ];
    assert_eq!(told(&pushed), expected.map(|line| line.replace('…', "a")), "{pushed:?}");
    assert_eq!((pushed.code, changes(&bench).len()), (Some(3), 6));
    let again = push(&["--all-tenants", "--yes", "--confirm", "0"]).await;
    assert_eq!((again.code, changes(&bench).len()), (Some(3), 6), "{again:?}");
    let journal = std::fs::read_to_string(bench.journal()).unwrap();
    for said in
        ["\"INC-7\"", "\"c2\"", "\"by\":\"ann", "iocs_intended", "iocs_answered", "iocs_settled", "trace_id"]
    {
        assert!(journal.contains(said), "{said}: {journal}");
    }
    assert_eq!(bench.run(&["audit", "verify"]).await.code, Some(0));
    let list = bench.run(&["audit", "list"]).await;
    assert!(list.code == Some(0) && list.out.contains("iocs_answered"), "{list:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_blocked_where_the_vendor_can_and_unblocked_again() {
    let bench = bench().await;
    let run = |verb: &'static str, hashes: &[&'static str], more: &[&'static str]| {
        let words = [&["iocs", verb][..], hashes, &["--all-tenants", "-o", "json"], more].concat();
        let bench = &bench;
        async move { bench.run(&words).await }
    };
    run("block", &["abc"], &["--yes", "--confirm", "1"]).await.is_usage("no MD5");
    let blocked = run("block", &[SHA, MD5], &["--yes", "--confirm", "3", "--reason", "ransomware"]).await;
    let expected = [
        "cortex-1 abababa accepted",
        "cortex-1 d0d0d0d not_expressible",
        "falcon-1 abababa added",
        "falcon-1 d0d0d0d added",
    ];
    assert_eq!(told(&blocked), expected, "{blocked:?}");
    assert_eq!((blocked.code, changes(&bench).len()), (Some(3), 3));
    let listed = bench.run(&["iocs", "list", "--action", "block", "-t", "falcon-1", "-o", "json"]).await;
    let own = listed.records().into_iter().filter(|r| r["tags"].to_string().contains("edr:default")).count();
    assert_eq!(own, 2, "{listed:?}");
    let stranger = run("unblock", &[SHA], &["--owner", "them", "--yes", "--confirm", "0"]).await;
    assert_eq!(
        (stranger.code, changes(&bench).len()),
        (Some(3), 3),
        "what is not theirs stays: {stranger:?}"
    );
    let freed = run("unblock", &[SHA], &["--yes", "--confirm", "2"]).await;
    assert_eq!(told(&freed), ["cortex-1 abababa accepted", "falcon-1 abababa removed"], "{freed:?}");
    assert_eq!((freed.code, changes(&bench).len()), (Some(0), 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_takes_what_is_mine_and_over() {
    let bench = bench().await;
    let feed = bench.write("feed.csv", "value,severity,expires\nold.example,low,2d\nnew.example,low,90d\n");
    let push = ["iocs", "push", &feed, "-t", "falcon-1", "--owner", "soc", "--yes", "--max-iocs", "9"];
    assert_eq!(bench.run(&push).await.code, Some(0));
    let prune = |more: &[&'static str]| {
        let words =
            [&["iocs", "prune", "--expired", "--mine", "-t", "falcon-1", "-o", "json"][..], more].concat();
        let bench = &bench;
        async move { bench.run(&words).await }
    };
    let early = prune(&["--owner", "soc", "--yes", "--max-iocs", "9"]).await;
    assert_eq!((early.code, early.records().len()), (Some(0), 0), "{early:?}");
    bench.sim.advance(Duration::from_secs(3 * 86_400));
    let theirs = prune(&["--owner", "them", "--yes", "--max-iocs", "9"]).await;
    assert_eq!((theirs.code, theirs.records().len()), (Some(0), 0), "{theirs:?}");
    let mine = prune(&["--owner", "soc", "--yes", "--confirm", "1"]).await;
    assert_eq!((mine.code, told(&mine)), (Some(0), vec!["falcon-1 old.exa removed".to_owned()]), "{mine:?}");
    let bare = bench.run(&["iocs", "prune", "--mine", "-t", "falcon-1", "--yes"]).await;
    assert_eq!(bare.code, Some(2), "neither --expired nor --not-in: {bare:?}");
    let all = bench.run(&["iocs", "prune", "--expired", "-t", "falcon-1", "--yes"]).await;
    assert_eq!(all.code, Some(2), "only what is mine: {all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tenant_that_fails_does_not_stop_the_other() {
    let bench = bench().await;
    let feed = bench.write("feed.csv", "value,severity\na.example,low\n");
    let rule = edr_sim::FaultRule::always("indicator.combined.v1", edr_sim::FaultKind::Scope);
    bench.sim.inject(vec![rule]).unwrap();
    let words = [
        "iocs",
        "push",
        &feed,
        "--all-tenants",
        "--yes",
        "--max-iocs",
        "2",
        "-o",
        "json",
        "--timeout",
        "60s",
    ];
    let ran = bench.run(&words).await;
    assert_eq!((ran.code, told(&ran)), (Some(3), vec!["cortex-1 a.examp accepted".to_owned()]), "{ran:?}");
    assert!(ran.err.contains("IOC Management"), "{ran:?}");
}

/// Starts a push and kills it, so long after the journal has its first record of it.
fn kill(bench: &Bench, words: &[&str], after: Duration) -> bool {
    let mut command = bench.command(words);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = || std::fs::read_to_string(bench.journal()).is_ok_and(|text| text.contains("iocs_intended"));
    for _ in 0..60_000 {
        if begun() || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(after);
    let ended = child.try_wait().unwrap().is_some();
    child.kill().unwrap();
    child.wait().unwrap();
    !ended
}

/// True when the kill came before the end of the push.
async fn survives(at: u64) -> bool {
    let rows: String = (0..1_200).map(|n| format!("evil-{n}.example,low\n")).collect();
    let estate = tenant("falcon", &[]) + &tenant("cortex", &[]);
    let bench = Bench::with(&estate, Duration::from_millis(20)).await;
    let feed = bench.write("feed.csv", &format!("value,severity\n{rows}"));
    let words = ["iocs", "push", &feed, "--all-tenants", "--yes", "--max-iocs", "2400", "-q"];
    let after = Duration::from_millis(at * 61 % 360);
    let killed = tokio::task::block_in_place(|| kill(&bench, &words, after));
    let again = bench.run(&words).await;
    assert_eq!(again.code, Some(0), "{after:?}: {again:?}");
    let list = bench.run(&["iocs", "list", "-t", "falcon-1", "-o", "json"]).await;
    let mut values: Vec<String> =
        list.records().iter().map(|r| r["value"].as_str().unwrap().to_owned()).collect();
    values.retain(|value| value.starts_with("evil-"));
    let count = values.len();
    values.sort_unstable();
    values.dedup();
    assert_eq!((count, values.len()), (1_200, 1_200), "{after:?}: each is there once");
    let made = changes(&bench).iter().filter(|(tenant, _)| tenant == "falcon-1").count();
    assert_eq!(made, 1_200, "{after:?}: each was made once");
    let diff = bench.run(&["iocs", "diff", &feed, "-q"]).await;
    assert_eq!(diff.code, Some(0), "{after:?}: {diff:?}");
    assert_eq!(bench.run(&["audit", "verify"]).await.code, Some(0));
    killed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_killed_anywhere_is_finished_by_a_rerun_without_doubles() {
    let points: u64 = std::env::var("EDR_KILL_POINTS").ok().map_or(6, |n| n.parse().unwrap());
    let runs = futures_util::stream::iter((0..points).map(survives)).buffer_unordered(SIDE_BY_SIDE);
    let hits = runs.filter(|killed| std::future::ready(*killed)).count().await as u64;
    println!("{hits} of {points} pushes were killed on their way");
    assert!(hits * 3 >= points, "too few of the kills hit a push: {hits} of {points}");
}
