use edr_core::{Because, ConnectionState, ContainmentState, Feature, InMemory, Platform};

use super::{Bench, host, tenant};
use crate::respond::{Draft, Plan, Rule, Selector};

async fn mixed() -> (Bench, Plan) {
    let edit = |name: &str, edit: fn(&mut edr_core::Host)| {
        let mut host = host("a", name);
        host.os.platform = Platform::Windows;
        edit(&mut host);
        host
    };
    let one = InMemory::builder("a")
        .host(edit("act", |h| h.roles = vec!["file_server".into()]))
        .host(edit("away", |h| h.connection_state = ConnectionState::Offline))
        .host(edit("dc", |h| h.roles = vec!["domain_controller".into()]))
        .host(edit("done", |h| h.containment_state = ContainmentState::Contained))
        .host(edit("going", |h| h.containment_state = ContainmentState::ContainmentPending))
        .host(edit("old", |h| h.last_seen = h.last_seen.map(|t| t - chrono::TimeDelta::days(99))))
        .build();
    let two =
        InMemory::builder("b").without(Feature::HostContain, "no licence").host(host("b", "bare")).build();
    let bench = Bench::new([one, two]);
    let draft = Draft::contain()
        .because(Because::new().reason("beacon").ticket("INC-7"))
        .lease(chrono::TimeDelta::hours(4));
    let plan = bench.plan(&["act", "away", "dc", "done", "going", "old", "bare", "gone"], &draft).await;
    (bench, plan)
}

#[tokio::test]
async fn a_plan_says_what_would_happen_to_each_host() {
    let (_, plan) = mixed().await;
    let words: Vec<String> =
        plan.hosts.iter().map(|h| format!("{} {}", h.host.hostname, h.decision)).collect();
    let expected = [
        "act act",
        "away offline",
        "dc protected: roles domain_controller",
        "done already_done",
        "going pending",
        "old stale",
        "bare unsupported: no licence",
    ];
    assert_eq!(words, expected);
    assert_eq!((plan.count(), plan.unresolved.len()), (2, 1));
    let radius = serde_json::to_value(plan.blast_radius()).unwrap();
    assert_eq!(radius["tenants"], serde_json::json!({"a": 2}));
    assert_eq!(radius["roles"], serde_json::json!({"file_server": 1, "none": 1}));
    assert_eq!(radius["platforms"], serde_json::json!({"windows": 2}));
    assert_eq!(radius["decisions"]["stale"], 1);
}

#[tokio::test]
async fn a_file_is_the_same_plan_and_the_digest_is_stable() {
    let (bench, plan) = mixed().await;
    let path = bench.path().join("plan.json");
    plan.save(&path).unwrap();
    assert_eq!(Plan::load(&path).unwrap(), plan);
    let reordered: serde_json::Value = serde_json::from_str(&plan.to_json().unwrap()).unwrap();
    assert_eq!(Plan::from_json(&reordered.to_string()).unwrap(), plan);
    // Computed once by this code: a change of the canonical form would make every plan and signature worthless.
    assert_eq!(plan.id, "019ca756-a780-7000-8000-000000000000");
    assert_eq!(plan.digest, "7525541b4adc0a827c48b462683779ecb9ab50c9cd8ed2e2eec2070405a37876");
    let (_, again) = mixed().await;
    assert_eq!(again.digest, plan.digest, "the same plan has the same digest");
}

#[tokio::test]
async fn an_edited_plan_is_refused() {
    let (bench, plan) = mixed().await;
    let text = plan.to_json().unwrap();
    for (from, to) in [
        ("\"decision\": \"protected\"", "\"decision\": \"act\""),
        ("a-act", "a-dc"),
        ("INC-7", "INC-8"),
        ("\"action\": \"contain\"", "\"action\": \"release\""),
        ("\"edr_plan\": 1,", "\"edr_plan\": 1, \"extra\": 1,"),
        ("\"containment\": \"normal\"", "\"containment\": \"normal\", \"extra\": 1"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = Plan::from_json(&text.replace(from, to)).unwrap_err();
        assert_eq!(error.rule(), Some(Rule::PlanEdited), "{from}: {error}");
    }
    for (from, to) in [("\"edr_plan\": 1", "\"edr_plan\": 2"), ("\"edr_plan\": 1,", "")] {
        assert!(Plan::from_json(&text.replace(from, to)).unwrap_err().to_string().contains("is not known"));
    }
    assert!(Plan::from_json("[]").is_err() && Plan::from_json("{").is_err());
    let mut stray = plan.clone();
    stray.id = "../../etc/passwd".into();
    let error =
        bench.responder().apply(&stray.seal().unwrap(), &crate::respond::Consent::yes(9)).await.unwrap_err();
    assert_eq!(error.rule(), Some(Rule::PlanEdited), "an id is no path");
}

#[tokio::test]
async fn a_draft_that_makes_no_sense_is_no_plan() {
    let bench = Bench::new([tenant("a", 1).build()]);
    let responder = bench.responder();
    let resolved = responder.resolve(&[Selector::host("web-0")]).await.unwrap();
    for draft in [
        Draft::release().lease(chrono::TimeDelta::hours(4)),
        Draft::contain().lease(chrono::TimeDelta::zero()),
        Draft::new(edr_core::ResponseAction::Tag { tags: vec![] }),
    ] {
        assert!(responder.plan(&resolved, &draft).await.is_err(), "{draft:?}");
    }
}
