//! Each rule, and somebody who tries to get round it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use edr_core::{ContainmentState, InMemory, ResponseAction};

use super::{Bench, contained, host, tenant};
use crate::respond::{
    ApprovalKey, Consent, Draft, Error, Event, Operation, Plan, Result, Rule, Selector, SigningKey,
    add_signature, read_signatures, signature_path,
};
use crate::{ApprovalsConfig, Config, SafetyConfig};

fn rule(result: &Result<Operation>) -> &'static str {
    match result {
        Ok(_) => "ran",
        Err(error) => error.rule().map_or("error", Rule::as_str),
    }
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("web-{i}")).collect()
}

async fn plan_of(bench: &Bench, n: usize) -> Plan {
    let names = names(n);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.plan(&names, &Draft::contain()).await
}

#[tokio::test]
async fn nothing_selected_is_never_everything() {
    let one = tenant("a", 3).build();
    let bench = Bench::new([one.clone()]);
    let responder = bench.responder();
    for selectors in [
        vec![],
        vec![Selector::host("")],
        vec![Selector::host("  ")],
        vec![Selector::host("*")],
        vec![Selector::host("web-?")],
        vec![Selector::Filters(vec![])],
        vec![Selector::alert("")],
        vec![Selector::host("web-0"), Selector::host("*")],
    ] {
        let error = responder.resolve(&selectors).await.unwrap_err();
        assert!(
            matches!(error.rule(), Some(Rule::EmptySelection | Rule::Wildcard)),
            "{selectors:?}: {error}"
        );
    }
    // Swapped arguments: a flag in the place of a name is a name that nobody has.
    let resolved = responder.resolve(&[Selector::host("--force"), Selector::host("all")]).await.unwrap();
    assert!(resolved.hosts.is_empty());
    let plan = responder.plan(&resolved, &Draft::contain()).await.unwrap();
    responder.apply(&plan, &Consent::yes(1000)).await.unwrap();
    assert!(contained(&one).is_empty());
}

#[tokio::test]
async fn nobody_passes_the_counts() {
    let one = tenant("a", 40).build();
    let mut bench = Bench::new([one.clone()]);
    bench.safety.max_hosts = Some(30);
    let responder = bench.responder();
    let (small, large, huge) =
        (plan_of(&bench, 3).await, plan_of(&bench, 26).await, plan_of(&bench, 31).await);
    for (plan, consent, expected) in [
        (&small, Consent::default(), "consent"),
        (&small, Consent::default().max_hosts(10).confirm(3), "consent"),
        (&small, Consent { yes: true, ..Consent::default() }, "yes_needs_max_hosts"),
        (&small, Consent::yes(2), "max_hosts"),
        (&small, Consent::yes(0), "max_hosts"),
        (&small, Consent::yes(10).confirm(2), "confirm"),
        (&small, Consent::yes(10).confirm(4), "confirm"),
        (&small, Consent::typed(2), "confirm"),
        (&small, Consent::typed(3).confirm(4), "confirm"),
        (&large, Consent::typed(26), "max_hosts"),
        (&huge, Consent::yes(1000).confirm(31), "ceiling"),
        (&huge, Consent::typed(31).max_hosts(usize::MAX), "ceiling"),
    ] {
        assert_eq!(rule(&responder.apply(plan, &consent).await), expected, "{consent:?}");
    }
    assert_eq!(one.writes(), 0, "nothing was sent");
    let refused = responder.journal().records().unwrap();
    assert_eq!(refused.len(), 12, "each refusal is on record");
    assert!(responder.operations().unwrap().is_empty());
    assert_eq!(rule(&responder.apply(&large, &Consent::typed(26).max_hosts(26).confirm(26)).await), "ran");
}

#[tokio::test]
async fn caps_are_not_passed_by_many_small_runs() {
    let mut bench =
        Bench::new([tenant("a", 10).build(), InMemory::builder("b").host(host("b", "b-0")).build()]);
    bench.safety.per_hour = Some(5);
    bench.safety.per_tenant = Some(4);
    for name in ["web-0", "web-1", "web-2", "web-3"] {
        assert_eq!(rule(&bench.contain(&[name]).await), "ran");
        bench.clock.advance(TimeDelta::minutes(5));
    }
    assert_eq!(rule(&bench.contain(&["web-4"]).await), "per_tenant", "another process, another plan");
    assert_eq!(rule(&bench.contain(&["b-0"]).await), "ran");
    bench.safety.per_tenant = None;
    assert_eq!(rule(&bench.contain(&["web-4"]).await), "per_hour");
    bench.clock.advance(TimeDelta::hours(-3));
    assert_eq!(rule(&bench.contain(&["web-4"]).await), "per_hour", "a clock that is set back lifts nothing");
    bench.clock.advance(TimeDelta::hours(3));
    let release = bench.plan(&["web-0", "web-1"], &Draft::release()).await;
    assert_eq!(
        rule(&bench.responder().apply(&release, &Consent::yes(9)).await),
        "ran",
        "undoing is not held up"
    );
    bench.clock.advance(TimeDelta::minutes(41));
    assert_eq!(rule(&bench.contain(&["web-4"]).await), "ran", "the first is an hour old");
}

#[tokio::test]
async fn a_cap_is_not_passed_by_taking_the_journal_away_or_changing_it() {
    let mut bench = Bench::new([tenant("a", 10).build()]);
    bench.safety.per_hour = Some(2);
    bench.contain(&["web-0", "web-1"]).await.unwrap();
    let path = bench.responder().journal().path();
    let whole = std::fs::read_to_string(&path).unwrap();
    for changed in [
        String::new(),
        whole.replace("a-web-1", "a-web-0"),
        whole.lines().take(2).collect::<Vec<_>>().join("\n") + "\n",
    ] {
        std::fs::write(&path, &changed).unwrap();
        let plan = bench.plan(&["web-2"], &Draft::contain()).await;
        let error = bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap_err();
        assert!(matches!(error, Error::Journal(_)), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    let plan = bench.plan(&["web-2"], &Draft::contain()).await;
    assert!(matches!(bench.responder().apply(&plan, &Consent::yes(9)).await, Err(Error::Journal(_))));
}

#[tokio::test]
async fn a_protected_host_is_protected_by_every_name() {
    let mut controller = host("a", "dc-1");
    controller.roles = vec!["domain_controller".into()];
    controller.ip = Some("10.0.0.1".parse().unwrap());
    controller.serial_number = Some("S-1".into());
    let one = InMemory::builder("a").host(controller).host(host("a", "web-1")).build();
    let bench = Bench::new([one.clone()]);
    for name in ["dc-1", "DC-1", "a-dc-1", "10.0.0.1", "S-1"] {
        let plan = bench.plan(&[name, "web-1"], &Draft::contain()).await;
        let words: Vec<&str> = plan.hosts.iter().map(|h| h.decision.as_str()).collect();
        assert_eq!(words, ["protected", "act"], "{name}");
        let strict = bench.responder().apply(&plan, &Consent::yes(9).strict()).await;
        assert_eq!(rule(&strict), "strict", "{name}");
    }
    // A plan that says otherwise, with a digest that is right: the rules are asked again.
    let mut forged = bench.plan(&["dc-1"], &Draft::contain()).await;
    forged.hosts[0].decision = crate::respond::Decision::Act;
    let forged = forged.seal().unwrap();
    assert_eq!(rule(&bench.responder().apply(&forged, &Consent::yes(9)).await), "moved");
    bench.responder().apply(&forged, &Consent::yes(9).without_moved()).await.unwrap();
    assert!(contained(&one).is_empty());
}

#[tokio::test]
async fn a_plan_of_an_estate_that_moved_is_refused() {
    type Edit = fn(&mut Vec<edr_core::Host>);
    let edits: [(Edit, &str); 4] = [
        (|hosts| drop(hosts.remove(0)), "does not have it any more"),
        (|hosts| hosts[0].hostname = "renamed".into(), "called renamed"),
        (|hosts| hosts[0].containment_state = ContainmentState::Contained, "already_done"),
        (|hosts| hosts[0].roles = vec!["domain_controller".into()], "protected"),
    ];
    for (edit, says) in edits {
        let one = tenant("a", 2).build();
        let bench = Bench::new([one.clone()]);
        let plan = plan_of(&bench, 2).await;
        one.edit_hosts(edit);
        let error = bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap_err();
        assert_eq!(error.rule(), Some(Rule::Moved));
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.refusal().unwrap().hosts[0].uid, "a-web-0");
        assert!(contained(&one).is_empty());
        let operation = bench.responder().apply(&plan, &Consent::yes(9).without_moved()).await.unwrap();
        assert_eq!(contained(&one), ["a-web-1"]);
        assert_eq!((operation.counts().accepted, operation.counts().left_out), (1, 1));
    }
    let bench = Bench::new([tenant("a", 1).build()]);
    let plan = plan_of(&bench, 1).await;
    bench.clock.advance(TimeDelta::hours(25));
    assert_eq!(rule(&bench.responder().apply(&plan, &Consent::yes(9)).await), "plan_age");
}

#[tokio::test]
async fn a_process_that_may_only_read_changes_nothing() {
    let one = tenant("a", 1).build();
    let mut bench = Bench::new([one.clone()]);
    bench.safety.read_only = true;
    assert_eq!(rule(&bench.contain(&["web-0"]).await), "read_only");
    let release = bench.plan(&["web-0"], &Draft::new(ResponseAction::Release)).await;
    assert_eq!(rule(&bench.responder().apply(&release, &Consent::typed(0)).await), "read_only");
    assert!(matches!(bench.responder().run_due().await, Err(error) if error.rule() == Some(Rule::ReadOnly)));
    assert_eq!(one.writes(), 0);
}

#[tokio::test]
async fn two_tenants_with_the_same_name_are_never_both_meant() {
    let (one, two) = (tenant("a", 1).build(), tenant("b", 1).build());
    let bench = Bench::new([one.clone(), two.clone()]);
    let plan = bench.plan(&["web-0"], &Draft::contain()).await;
    assert_eq!((plan.count(), plan.unresolved.len()), (0, 1));
    assert_eq!(rule(&bench.responder().apply(&plan, &Consent::yes(9).strict()).await), "strict");
    bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap();
    assert_eq!((one.writes(), two.writes()), (0, 0));
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&[byte; 32]).unwrap()
}

#[tokio::test]
async fn two_different_people_approve() {
    let one = tenant("a", 2).build();
    let mut bench = Bench::new([one.clone()]);
    bench.safety.approvals = 2;
    bench.safety.keys = vec![
        ApprovalKey::parse("ann", &key(1).public_key()).unwrap(),
        ApprovalKey::parse("bob", &key(2).public_key()).unwrap(),
    ];
    let (plan, other) = (plan_of(&bench, 2).await, plan_of(&bench, 1).await);
    let [ann, bob, eve] = [key(1), key(2), key(3)].map(|k| k.sign(&plan));
    let mut forged = bob.clone();
    forged.signature.clone_from(&ann.signature);
    let mut renamed = ann.clone();
    renamed.key.clone_from(&bob.key);
    let tries: BTreeMap<&str, (Vec<crate::respond::Signature>, &str)> = BTreeMap::from([
        ("nobody", (vec![], "approvals")),
        ("one", (vec![ann.clone()], "approvals")),
        ("twice the same", (vec![ann.clone(), ann.clone()], "approvals")),
        ("a stranger", (vec![ann.clone(), eve], "signature")),
        ("another plan", (vec![ann.clone(), key(2).sign(&other)], "signature")),
        ("a forgery", (vec![ann.clone(), forged], "signature")),
        ("another's name", (vec![ann.clone(), renamed], "signature")),
    ]);
    for (who, (signatures, expected)) in tries {
        let consent = Consent::yes(9).signed(signatures);
        assert_eq!(rule(&bench.responder().apply(&plan, &consent).await), expected, "{who}");
    }
    assert_eq!(one.writes(), 0);
    assert_eq!(rule(&bench.responder().apply(&plan, &Consent::yes(9).signed(vec![ann, bob])).await), "ran");
}

#[tokio::test]
async fn the_journal_names_no_approval_that_nobody_proved() {
    for approvals in [0, 1] {
        let mut bench = Bench::new([tenant("a", 2).build()]);
        bench.safety.approvals = approvals;
        bench.safety.keys = vec![
            ApprovalKey::parse("ann", &key(1).public_key()).unwrap(),
            ApprovalKey::parse("bob", &key(2).public_key()).unwrap(),
        ];
        let (plan, other) = (plan_of(&bench, 2).await, plan_of(&bench, 1).await);
        let ann = key(1).sign(&plan);
        let mut forged = ann.clone();
        forged.key = key(2).public_key();
        let mut nonsense = ann.clone();
        nonsense.key = "the board".to_owned();
        let unproven = [forged, nonsense, key(2).sign(&other), key(3).sign(&plan), ann.clone()];
        let unproven = unproven.into_iter().filter(|_| approvals == 0);
        let consent = Consent::yes(9).signed([ann].into_iter().chain(unproven).collect());
        bench.responder().apply(&plan, &consent).await.unwrap();
        let records = bench.responder().journal().records().unwrap();
        let began = records.iter().find_map(|r| match &r.event {
            Event::Began { approved_by, .. } => Some(approved_by.clone()),
            _ => None,
        });
        assert_eq!(began, Some(vec![key(1).public_key()]), "{approvals}");
    }
}

#[tokio::test]
async fn who_signs_at_the_same_time_loses_no_signature() {
    let bench = Bench::new([tenant("a", 1).build()]);
    let plan = bench.plan(&["web-0"], &Draft::contain()).await;
    let path = bench.path().join("plan.json");
    plan.save(&path).unwrap();
    let together = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for seed in 1..=8 {
            let (path, plan, together) = (&path, &plan, &together);
            scope.spawn(move || {
                together.wait();
                add_signature(path, plan, &key(seed)).unwrap();
            });
        }
    });
    assert_eq!(read_signatures(&path).unwrap().len(), 8);
}

#[tokio::test]
async fn signatures_stand_beside_the_plan() {
    let bench = Bench::new([tenant("a", 1).build()]);
    let plan = plan_of(&bench, 1).await;
    let path = bench.path().join("plan.json");
    plan.save(&path).unwrap();
    assert!(read_signatures(&path).unwrap().is_empty());
    add_signature(&path, &plan, &key(1)).unwrap();
    assert_eq!(add_signature(&path, &plan, &key(1)).unwrap_err().rule(), Some(Rule::Approvals));
    add_signature(&path, &plan, &key(2)).unwrap();
    assert_eq!(read_signatures(&path).unwrap().len(), 2);
    std::fs::write(signature_path(&path), "{}").unwrap();
    assert!(read_signatures(&path).is_err());
}

/// Made by `openssl genpkey -algorithm ed25519`, with its `openssl pkey -pubout`.
#[test]
fn keys_are_those_of_openssl() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIOv1GoaC46OkvnTrrHnjn12OJ43S7Uq446ErbCVri5VP\n-----END PRIVATE KEY-----\n";
    let public = "MCowBQYDK2VwAyEApVwVa3jWj3VzYEGkDfHuWdftS2sdtwzx3OaLBW31cpI=";
    let key = SigningKey::from_pem(&pem.into()).unwrap();
    assert_eq!(ApprovalKey::parse("x", public).unwrap().to_base64(), key.public_key());
    assert!(!format!("{key:?}").contains("MC4CAQ"));
    assert!(SigningKey::from_pem(&"-----BEGIN X-----\nAAAA\n-----END X-----".into()).is_err());
    assert!(ApprovalKey::parse("x", "AAAA").is_err() && ApprovalKey::parse("x", "?").is_err());
}

#[test]
fn rules_that_cannot_be_kept_are_refused() {
    let (ann, bob) = (key(1).public_key(), key(2).public_key());
    let safety = |text: &str| {
        let config = Config::from_toml(&format!("[safety]\n{text}")).map_err(|e| e.to_string())?;
        crate::respond::Safety::of(&config.safety, None).map_err(|e| e.to_string())
    };
    let two = format!("approvals = {{ required = 2, keys = {{ ann = '{ann}', bob = '{bob}' }} }}");
    let good =
        safety(&format!("max_hosts = 5\nper_hour = 9\nstale_after = '7d'\nplan_age = '30m'\n{two}")).unwrap();
    assert_eq!((good.max_hosts, good.approvals, good.stale_after), (Some(5), 2, Some(TimeDelta::days(7))));
    assert_eq!(good.keys[1].name(), "bob");
    for (text, says) in [
        (
            format!("approvals = {{ required = 2, keys = {{ ann = '{ann}', bob = '{ann}' }} }}"),
            "one and the same key",
        ),
        (format!("approvals = {{ required = 2, keys = {{ ann = '{ann}' }} }}"), "2 signatures, and 1 keys"),
        (
            "approvals = { required = 1, keys = { ann = 'AAAA' } }".to_owned(),
            "approvals.keys.ann: is not an ed25519",
        ),
        ("stale_after = '7'".to_owned(), "stale_after must be a time"),
        ("max_host = 5".to_owned(), "unknown field"),
        ("protected = { file = '/nonexistent/x' }".to_owned(), "cannot be read"),
    ] {
        let error = safety(&text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
    let config = SafetyConfig { approvals: ApprovalsConfig::default(), ..SafetyConfig::default() };
    assert_eq!(crate::respond::Safety::of(&config, None).unwrap().approvals, 0);
}
