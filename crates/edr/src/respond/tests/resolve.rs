use std::sync::Arc;

use chrono::TimeDelta;
use edr_core::{Alert, EdrProvider, Filter, InMemory, NetworkInterface, Noun, Script, TenantId};

use super::{Bench, host, now, tenant};
use crate::respond::{By, Consent, Draft, Found, Resolved, Responder, Rule, Selector};
use crate::{Estate, Options};

fn word(resolved: &Resolved, at: usize) -> String {
    let value = serde_json::to_value(&resolved.findings[at].found).unwrap();
    value["found"].as_str().unwrap().to_owned()
}

fn twin(mut one: edr_core::Host, serial: &str) -> edr_core::Host {
    one.serial_number = Some(serial.to_owned());
    one
}

#[tokio::test]
async fn each_sort_of_selector_finds_its_host_and_each_case_is_told_apart() {
    let mut a = host("a", "web-1");
    a.ip = Some("10.0.0.5".parse().unwrap());
    let mut old = host("a", "old");
    old.last_seen = Some(now() - TimeDelta::days(31));
    let mut id = host("a", "by-id");
    id.uid = "0123456789abcdef0123456789abcdef".into();
    let alert = {
        let mut alert = Alert::default();
        alert.uid = "al-1".into();
        alert.device = Some(Box::new(host("a", "web-7")));
        alert
    };
    let one = InMemory::builder("a")
        .host(a)
        .host(old)
        .host(id)
        .host(twin(host("a", "twin"), "S-9"))
        .host(host("a", "same"))
        .host(host("a", "web-7"))
        .alert(alert)
        .build();
    let two = InMemory::builder("b").host(twin(host("b", "TWIN"), "s-9")).host(host("b", "SAME")).build();
    let selectors = [
        Selector::host("WEB-1"),
        Selector::host("10.0.0.5"),
        Selector::host("same"),
        Selector::host("twin"),
        Selector::host("nobody"),
        Selector::host("old"),
        Selector::host("0123456789ABCDEF0123456789ABCDEF"),
        Selector::alert("al-1"),
        Selector::by(By::Serial, "S-9").within(&TenantId::new("b")),
        Selector::host("same").within(&TenantId::new("b")),
        Selector::Filters(vec![Filter::parse(Noun::Host, "hostname ~ web-*", now()).unwrap()]),
    ];
    let bench = Bench::new([one, two]);
    let resolved = bench.responder().resolve(&selectors).await.unwrap();
    let words: Vec<String> = (0..selectors.len()).map(|at| word(&resolved, at)).collect();
    let expected = [
        "one",
        "duplicate",
        "ambiguous",
        "double_agented",
        "unknown",
        "stale",
        "one",
        "one",
        "duplicate",
        "one",
        "many",
    ];
    assert_eq!(words, expected, "{:#?}", resolved.findings);
    let Found::Ambiguous { hosts } = &resolved.findings[2].found else { panic!() };
    assert_eq!(hosts.iter().map(|h| h.uid.as_str()).collect::<Vec<_>>(), ["a-same", "b-SAME"]);
    let names: Vec<&str> = resolved.hosts.iter().map(|h| h.uid.as_str()).collect();
    let all =
        ["0123456789abcdef0123456789abcdef", "a-old", "a-twin", "a-web-1", "a-web-7", "b-SAME", "b-TWIN"];
    assert_eq!(names, all, "each once, and the ambiguous one only where it was named");
}

#[tokio::test]
async fn a_serial_number_is_found_when_nobody_has_that_name() {
    let one = InMemory::builder("a").host(twin(host("a", "x"), "C02XYZ")).build();
    let bench = Bench::new([one]);
    let resolved = bench.responder().resolve(&[Selector::host("C02XYZ")]).await.unwrap();
    assert_eq!(word(&resolved, 0), "one");
}

#[tokio::test]
async fn unknown_is_said_only_when_every_tenant_was_read() {
    let (one, two) = (tenant("a", 2).build(), tenant("b", 2).build());
    let bench = Bench::new([one, two.clone()]);
    let selectors =
        [Selector::host("web-0"), Selector::host("gone"), Selector::host("gone").within(&TenantId::new("a"))];
    two.script(Script::BadItem(0));
    // The bad item is in one listing; the tenant was not read to its end then.
    let mut filtered = selectors.to_vec();
    filtered.insert(0, Selector::Filters(vec![Filter::parse(Noun::Host, "hostname ~ web", now()).unwrap()]));
    let resolved = bench.responder().resolve(&filtered).await.unwrap();
    let words: Vec<String> = (0..4).map(|at| word(&resolved, at)).collect();
    assert_eq!(words[2..], ["unproven", "unknown"], "{:#?}", resolved.findings);
    assert_eq!(resolved.unread.len(), 1);
    let plan = bench.responder().plan(&resolved, &Draft::contain()).await.unwrap();
    assert_eq!((plan.unread.len(), plan.unresolved.len()), (1, 2));
}

#[tokio::test]
async fn a_person_may_pick_among_the_candidates_only() {
    let one = InMemory::builder("a").host(host("a", "same")).host(host("a", "other")).build();
    let two = InMemory::builder("b").host(host("b", "same")).build();
    let bench = Bench::new([one, two]);
    let mut resolved = bench.responder().resolve(&[Selector::host("same")]).await.unwrap();
    assert!(resolved.hosts.is_empty());
    assert!(resolved.pick("same", host("a", "other")).is_err());
    resolved.pick("same", host("b", "same")).unwrap();
    assert_eq!((word(&resolved, 0).as_str(), resolved.hosts.len()), ("one", 1));
}

#[tokio::test]
async fn names_are_looked_up_in_few_requests() {
    let ask = async |estate: usize, names: usize| {
        let one = tenant("a", estate).page_size(100).build();
        let bench = Bench::new([one.clone()]);
        let selectors: Vec<Selector> = (0..names).map(|i| Selector::host(format!("web-{i}"))).collect();
        let resolved = bench.responder().resolve(&selectors).await.unwrap();
        assert_eq!(resolved.hosts.len(), names);
        one.requests()
    };
    assert_eq!(ask(5000, 3).await, 1, "three names do not list an estate");
    assert_eq!(ask(300, 300).await, 1 + 3, "a small estate is listed, after a look at its size");
    assert_eq!(ask(5000, 300).await, 1 + 6, "a large one is asked by name");
}

#[tokio::test]
async fn two_agents_of_one_machine_act_as_one() {
    let mac = |mut host: edr_core::Host| {
        host.network_interfaces =
            vec![NetworkInterface { mac: Some("AA-BB".into()), ..NetworkInterface::default() }];
        host
    };
    let mut offline = mac(host("a", "web-1"));
    offline.connection_state = edr_core::ConnectionState::Offline;
    let one = InMemory::builder("a").host(offline).build();
    let two = InMemory::builder("b").host(mac(host("b", "web-1"))).build();
    let bench = Bench::new([one.clone(), two.clone()]);
    let plan = bench.plan(&["web-1"], &Draft::contain()).await;
    let words: Vec<&str> = plan.hosts.iter().map(|h| h.decision.as_str()).collect();
    assert_eq!(words, ["other_agent", "act"], "the one that is online acts");
    two.edit_hosts(|hosts| hosts[0].roles = vec!["domain_controller".into()]);
    let plan = bench.plan(&["web-1"], &Draft::contain()).await;
    assert_eq!(plan.count(), 0, "protected by its other agent: {:?}", plan.hosts);
}

#[tokio::test]
async fn a_machine_that_became_protected_by_its_other_agent_has_moved() {
    let (one, two) = (
        InMemory::builder("a").host(twin(host("a", "web-1"), "S-9")).build(),
        InMemory::builder("b").host(twin(host("b", "web-1"), "s-9")).build(),
    );
    let bench = Bench::new([one.clone(), two.clone()]);
    let plan = bench.plan(&["web-1"], &Draft::contain()).await;
    let sent: Vec<&str> = plan.sends().map(|p| p.host.tenant.as_str()).collect();
    let other = if sent == ["a"] { &two } else { &one };
    assert_eq!(sent.len(), 1);
    other.edit_hosts(|hosts| hosts[0].roles = vec!["domain_controller".into()]);
    let error = bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap_err();
    assert_eq!(error.rule(), Some(Rule::Moved));
    assert!(error.to_string().contains("by another agent of the machine"), "{error}");
    assert_eq!(one.writes() + two.writes(), 0);
}

#[tokio::test]
async fn a_host_that_became_stale_has_moved_and_one_that_was_so_has_not() {
    let old = |hosts: &mut Vec<edr_core::Host>| hosts[0].last_seen = Some(now() - TimeDelta::days(31));
    let one = tenant("a", 1).build();
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&["web-0"], &Draft::contain()).await;
    one.edit_hosts(old);
    let error = bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap_err();
    assert!(error.rule() == Some(Rule::Moved) && error.to_string().contains("stale"), "{error}");
    let plan = bench.plan(&["web-0"], &Draft::contain().stale_too()).await;
    assert_eq!(bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap().counts().accepted, 1);
}

#[tokio::test]
async fn a_host_that_a_parent_shows_of_its_child_is_meant_once() {
    let of = |tenant: &str| {
        let mut theirs = host(tenant, "web-1");
        (theirs.uid, theirs.tenant_uid) = ("aid-1".into(), Some("bb".into()));
        let mut alert = Alert::default();
        alert.uid = "al-1".into();
        alert.device = Some(Box::new(theirs.clone()));
        Arc::new(InMemory::builder(tenant).host(theirs).alert(alert).build()) as Arc<dyn EdrProvider>
    };
    let mut members = Estate::of([of("acme"), of("acme/bank")]).members().to_vec();
    members[1].customer = Some("bb".into());
    let estate = Estate::with(members, &Options::default());
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(edr_core::clock::ManualClock::at(now()));
    let responder = Responder::builder(estate, folder.path()).clock(clock).open().unwrap();
    let filter = Filter::parse(Noun::Host, "hostname ~ web-*", now()).unwrap();
    for selector in [Selector::host("web-1"), Selector::Filters(vec![filter]), Selector::alert("al-1")] {
        let resolved = responder.resolve(&[selector]).await.unwrap();
        let tenants: Vec<&str> = resolved.hosts.iter().map(|h| h.tenant.as_str()).collect();
        assert_eq!(tenants, ["acme/bank"], "{:?}", resolved.findings);
    }
}
