//! Plans that are old, edited or unsigned, and a journal that somebody changed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use edr::respond::SigningKey;

use crate::bench::{Bench, ONLINE, given, tenant};

async fn bench() -> Bench {
    let falcon: Vec<_> = (0..5).map(|i| given(format!("web-{i}"), ONLINE)).collect();
    Bench::new(&(tenant("falcon", &falcon) + &tenant("cortex", &[given("db-1", ONLINE)]))).await
}

/// Writes a plan for two hosts.
async fn plan(bench: &Bench, name: &str) -> String {
    let path = bench.path(name).display().to_string();
    let words = ["hosts", "contain", "-t", "falcon-1", "--host", "web-1,web-2", "-n", "--plan-out", &path];
    let ran = bench.run(&words).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(bench.contained().is_empty(), "a dry run changes nothing");
    path
}

const YES: [&str; 3] = ["--yes", "--max-hosts", "10"];

async fn apply(bench: &Bench, path: &str, more: &[&str]) -> crate::bench::Ran {
    bench.run(&[&["respond", "apply", path], &YES[..], more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_applied_later_and_only_as_it_was_made() {
    let bench = bench().await;
    let path = plan(&bench, "plan.json").await;
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("web-2", "web-3"),
        ("\"contain\"", "\"release\""),
        ("\"act\"", "\"already_done\""),
        ("\"edr_plan\": 1,", "\"edr_plan\": 1,\n  \"note\": \"harmless\","),
    ] {
        assert!(text.contains(from), "{from}");
        let edited = bench.write("edited.json", &text.replacen(from, to, 1));
        apply(&bench, &edited, &[]).await.is_refused("plan_edited");
    }
    bench.run(&["respond", "apply", &path]).await.is_refused("consent");
    bench.run(&["respond", "apply", &path, "-t", "cortex-1", "--yes"]).await.is_usage("names its tenants");
    assert!(bench.contained().is_empty());
    let again = bench
        .run(&["hosts", "contain", "-t", "falcon-1", "--host", "web-4", "-n", "--plan-out", &path])
        .await;
    assert_eq!(again.code, Some(1), "a plan is not written over: {again:?}");

    let applied = apply(&bench, &path, &["--confirm", "2", "--wait", "--timeout", "30s"]).await;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert_eq!(bench.contained().len(), 2);
    assert_eq!(apply(&bench, &path, &[]).await.code, Some(0));
    assert!(bench.contained().values().all(|times| *times == 1), "applied again, it asks for nothing");
    let list = bench.run(&["respond", "list", "-o", "json"]).await;
    assert_eq!(list.records()[0]["counts"]["done"], 2, "{list:?}");
    let id = list.records()[0]["operation"].as_str().unwrap().to_owned();
    let status = bench.run(&["respond", "status", &id, "-o", "json"]).await;
    assert_eq!(status.code, Some(0), "{status:?}");
    assert_eq!(status.records().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_under_which_the_estate_moved_is_refused() {
    let bench = bench().await;
    let path = plan(&bench, "plan.json").await;
    bench.sim.estate("falcon-1").unwrap().request_contain(1).unwrap();
    apply(&bench, &path, &[]).await.is_refused("moved");
    assert!(bench.contained().is_empty());
    let without = apply(&bench, &path, &["--without-moved"]).await;
    assert_eq!(without.code, Some(3), "{without:?}");
    assert_eq!(bench.contained().len(), 1, "only the other one");

    let old = plan(&bench, "old.json");
    drop(old);
    bench.safety("plan_age = \"1s\"");
    let path = bench.path("late.json").display().to_string();
    let made = bench
        .run(&["hosts", "contain", "-t", "falcon-1", "--host", "web-3", "-n", "--plan-out", &path])
        .await;
    assert_eq!(made.code, Some(0), "{made:?}");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    apply(&bench, &path, &[]).await.is_refused("plan_age");
    assert_eq!(bench.contained().len(), 1);
}

/// One machine with an agent of each vendor: one of them acts, and the other is looked at again.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_with_a_second_agent_in_another_tenant_is_applied() {
    // Name and MAC together prove that it is one.
    let cortex = tenant("cortex", &[given("pc-1", ONLINE)]).replace("02:00:00:01", "02:00:00:00");
    let bench = Bench::new(&(tenant("falcon", &[given("pc-1", ONLINE)]) + &cortex)).await;
    let path = bench.path("plan.json").display().to_string();
    let words =
        ["hosts", "contain", "--all-tenants", "--host", "pc-1", "-n", "--plan-out", &path, "-o", "json"];
    let made = bench.run(&words).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let records = made.records();
    let mut decisions: Vec<&str> = records.iter().map(|r| r["decision"].as_str().unwrap()).collect();
    decisions.sort_unstable();
    assert_eq!(decisions, ["act", "other_agent"], "{made:?}");
    let applied = apply(&bench, &path, &[]).await;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert_eq!(bench.contained().len(), 1);
}

/// The one group that the rules name is another tenant's: where that is not asked, it would be a name that nobody has.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_applied_while_a_protected_group_is_another_tenants() {
    let other = tenant("falcon", &[given("safe-1", ONLINE)]);
    let other = other.replace("id = \"0000", "id = \"7000").replace("02:00:00:00", "02:00:00:07");
    let bench = Bench::new(&(tenant("falcon", &[given("web-1", ONLINE)]) + &other)).await;
    let group = r#"{"resources": [{"name": "Vault", "group_type": "static", "description": "x"}]}"#;
    let call = ["api", "POST", "/devices/entities/host-groups/v1", "-t", "falcon-2", "--body", group];
    let grouped = bench.run(&call).await;
    assert_eq!(grouped.code, Some(0), "{grouped:?}");
    bench.safety("protected = { groups = [\"Vault\"] }");
    let path = bench.path("plan.json").display().to_string();
    let words = ["hosts", "contain", "--all-tenants", "--host", "web-1", "-n", "--plan-out", &path];
    let made = bench.run(&words).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let applied = apply(&bench, &path, &[]).await;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert_eq!(bench.contained().len(), 1);
}

/// The disk is full while the plan is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_not_whole_is_not_left_behind() {
    let bench = bench().await;
    let path = bench.path("plan.json").display().to_string();
    let words =
        ["hosts", "contain", "-t", "falcon-1", "--host", "web-1,web-2,web-3", "-n", "--plan-out", &path];
    let full = bench.limited(1, &words).await;
    assert_eq!(full.code, Some(1), "{full:?}");
    assert!(full.err.contains("--plan-out"), "{full:?}");
    assert!(!bench.path("plan.json").exists());
    let made = bench.run(&words).await;
    assert_eq!(made.code, Some(0), "{made:?}");
}

/// A key of one's own: as a file, and as the configuration takes it.
fn key(bench: &Bench, name: &str, seed: u8) -> (String, String) {
    let mut der =
        vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend([seed; 32]);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der));
    (bench.write(name, &pem), SigningKey::from_seed(&[seed; 32]).unwrap().public_key())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_different_keys_sign_what_is_applied() {
    let bench = bench().await;
    let ((ann, ann_key), (bob, bob_key), (eve, _)) =
        (key(&bench, "ann", 1), key(&bench, "bob", 2), key(&bench, "eve", 3));
    bench.safety(&format!(
        "approvals = {{ required = 2, keys = {{ ann = \"{ann_key}\", bob = \"{bob_key}\" }} }}"
    ));
    let direct = ["hosts", "contain", "-t", "falcon-1", "--host", "web-1"];
    bench.run(&[&direct[..], &YES].concat()).await.is_refused("approvals");
    let path = plan(&bench, "plan.json").await;
    apply(&bench, &path, &[]).await.is_refused("approvals");
    assert_eq!(bench.run(&["respond", "sign", &path, "--key", &ann]).await.code, Some(0));
    apply(&bench, &path, &[]).await.is_refused("approvals");
    bench.run(&["respond", "sign", &path, "--key", &ann]).await.is_refused("approvals");
    // Twice the same signature, somebody else's key, and a signature for another plan.
    let own = format!("{path}.sig");
    apply(&bench, &path, &["--signature", &own]).await.is_refused("approvals");
    let other = plan(&bench, "other.json").await;
    assert_eq!(bench.run(&["respond", "sign", &other, "--key", &bob]).await.code, Some(0));
    apply(&bench, &path, &["--signature", &format!("{other}.sig")]).await.is_refused("signature");
    let third = plan(&bench, "third.json").await;
    assert_eq!(bench.run(&["respond", "sign", &third, "--key", &eve]).await.code, Some(0));
    apply(&bench, &third, &[]).await.is_refused("signature");
    assert!(bench.contained().is_empty());

    assert_eq!(bench.run(&["respond", "sign", &path, "--key", &bob]).await.code, Some(0));
    let applied = apply(&bench, &path, &[]).await;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert_eq!(bench.contained().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_somebody_changed_is_found_and_stops_everything() {
    let bench = bench().await;
    let path = plan(&bench, "plan.json").await;
    assert_eq!(apply(&bench, &path, &[]).await.code, Some(0));
    assert_eq!(bench.run(&["audit", "verify"]).await.code, Some(0));
    let listed = bench.run(&["audit", "list", "-o", "jsonl"]).await;
    let sound = std::fs::read_to_string(bench.journal()).unwrap();
    assert_eq!(listed.out.lines().count(), sound.lines().count());

    let lines: Vec<&str> = sound.lines().collect();
    let without = |at: usize| {
        let kept: Vec<&str> = lines.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, l)| *l).collect();
        kept.join("\n") + "\n"
    };
    for (what, text) in [
        ("changed", sound.replacen("web-1", "web-9", 1)),
        ("removed", without(1)),
        ("cut off", without(lines.len() - 1)),
        ("doubled", sound.clone() + lines[lines.len() - 1] + "\n"),
    ] {
        std::fs::write(bench.journal(), &text).unwrap();
        let verified = bench.run(&["audit", "verify", "-o", "json"]).await;
        assert_eq!(verified.code, Some(1), "{what}: {verified:?}");
        assert!(verified.records()[0]["fault"]["line"].is_u64(), "{what}: {verified:?}");
        let words = ["hosts", "contain", "-t", "falcon-1", "--host", "web-3"];
        let refused = bench.run(&[&words[..], &YES].concat()).await;
        assert_eq!(refused.code, Some(1), "{what}: {refused:?}");
        assert!(refused.err.contains("the journal is broken"), "{what}: {}", refused.err);
    }
    assert_eq!(bench.contained().len(), 2);
    std::fs::write(bench.journal(), &sound).unwrap();
    assert_eq!(bench.run(&["audit", "verify"]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_released_when_it_is_due_and_told_when_nobody_could() {
    let bench = bench().await;
    let words = [
        "hosts",
        "contain",
        "-t",
        "falcon-1",
        "--host",
        "web-1",
        "--for",
        "1s",
        "--wait",
        "--timeout",
        "30s",
    ];
    let leased = bench.run(&[&words[..], &YES].concat()).await;
    assert_eq!(leased.code, Some(0), "{leased:?}");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    bench.safety("read_only = true");
    bench.run(&["respond", "run"]).await.is_refused("read_only");
    let overdue = bench.run(&["respond", "list", "-o", "json"]).await;
    assert_eq!(overdue.records()[0]["state"], "overdue", "{overdue:?}");
    bench.safety("");
    let released = bench.run(&["respond", "run"]).await;
    assert_eq!(released.code, Some(0), "{released:?}");
    assert!(released.err.contains("0 overdue"), "{released:?}");
    let nothing = bench.run(&["respond", "run"]).await;
    assert_eq!(nothing.code, Some(0), "{nothing:?}");
    assert!(nothing.err.contains("0 leases were due"), "{nothing:?}");
}

/// The configuration has lost the tenant of one lease: the others are given back all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_gone_keeps_no_lease_of_another_back() {
    let bench = bench().await;
    let path = bench.path("both.json").display().to_string();
    let words = ["hosts", "contain", "--all-tenants", "--host", "web-2,db-1", "-n", "--plan-out", &path];
    let made = bench.run(&words).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let mut operations = Vec::new();
    for (tenant, host) in [("falcon-1", "web-1"), ("cortex-1", "db-1")] {
        let words = ["hosts", "contain", "-t", tenant, "--host", host, "--for", "1s", "-o", "json"];
        let more = ["--wait", "--timeout", "30s"];
        let leased = bench.run(&[&words[..], &more, &YES].concat()).await;
        assert_eq!(leased.code, Some(0), "{leased:?}");
        operations.push(leased.outcome()["operation"].as_str().unwrap().to_owned());
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    bench.without("cortex-1");

    let run = bench.run(&["respond", "run", "-o", "json"]).await;
    assert_eq!(run.code, Some(3), "{run:?}");
    let gone = |line: &&str| line.contains("\"cortex-1\"") && line.contains("does not have it any more");
    assert_eq!(run.err.lines().filter(gone).count(), 1, "{run:?}");
    let outcome = run.outcome();
    assert_eq!(
        (&outcome["due"], &outcome["released"], &outcome["overdue"]),
        (&2.into(), &1.into(), &1.into()),
        "{run:?}"
    );
    let overdue: Vec<bool> = run.records().iter().map(|r| r["state"] == "overdue").collect();
    assert_eq!(overdue, [true, false], "{run:?}");
    // Nothing but the lost tenant is left.
    let again = bench.run(&["respond", "run"]).await;
    assert_eq!(again.code, Some(3), "{again:?}");
    assert!(again.err.contains("the release of 0 hosts was asked for; 1 overdue"), "{again:?}");
    let status = bench.run(&["respond", "status", &operations[1]]).await;
    assert!(status.err.contains("does not have it any more"), "{status:?}");
    bench.run(&["respond", "status", &operations[1], "-t", "cortex-1"]).await.is_usage("cortex-1");

    bench.safety("");
    let back = bench.run(&["respond", "run"]).await;
    assert_eq!(back.code, Some(0), "{back:?}");
    bench.without("cortex-1");
    let applied = apply(&bench, &path, &[]).await;
    assert_eq!(applied.code, Some(3), "{applied:?}");
    assert!(applied.err.contains("does not have it any more"), "{applied:?}");
    // Falcon releases by the same call: web-1 was contained and released, web-2 is contained, and db-1 not a second time.
    let times: Vec<usize> = bench.contained().into_values().collect();
    assert_eq!(times, [1, 2, 1]);
}
