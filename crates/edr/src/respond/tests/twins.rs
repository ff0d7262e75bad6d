//! Two agents on one machine, of which one is protected and cannot be looked at.

use std::sync::Arc;

use edr_core::{ConnectionState, ContainmentState, Group, HostGroup, InMemory, ProcessRef, ResponseAction};

use super::flaky::{Fault, Flaky};
use super::{Bench, host};
use crate::ProtectedConfig;
use crate::respond::{By, Consent, Draft, Plan, Protection, Rule, Selector};

fn agent(tenant: &str, edit: impl FnOnce(&mut edr_core::Host)) -> Flaky {
    let mut host = host(tenant, "web-1");
    host.serial_number = Some("S-9".to_owned());
    edit(&mut host);
    let mut group = HostGroup::new("memory", tenant, "g-1", "{}");
    group.name = "Crown Jewels".to_owned();
    Flaky::new(InMemory::builder(tenant).host(host).group(group).build())
}

/// The agent in `a` ranks before the one in `b`, so that it is the one that acts.
fn plain() -> Flaky {
    agent("a", |_| {})
}

fn bench(a: &Flaky, b: &Flaky) -> Bench {
    Bench::of([Arc::new(a.clone()) as _, Arc::new(b.clone()) as _])
}

fn controller(host: &mut edr_core::Host) {
    host.roles = vec!["domain_controller".to_owned()];
}

fn member(host: &mut edr_core::Host) {
    host.groups = vec![Group { uid: Some("g-1".to_owned()), name: None }];
}

fn by_group(bench: &mut Bench) {
    let config = ProtectedConfig { groups: vec!["Crown Jewels".to_owned()], ..ProtectedConfig::default() };
    bench.safety.protected = Protection::of(&config, None).unwrap();
}

/// The plan, when this begins after the hosts were found.
async fn planned_in(bench: &Bench, b: &Flaky, fault: Fault) -> Plan {
    let responder = bench.responder();
    let resolved = responder.resolve(&[Selector::host("web-1")]).await.unwrap();
    assert_eq!(resolved.hosts.len(), 2);
    b.begin(fault);
    responder.plan(&resolved, &Draft::contain()).await.unwrap()
}

fn decision(plan: &Plan, tenant: &str) -> String {
    let host = plan.hosts.iter().find(|h| h.host.tenant.as_str() == tenant).unwrap();
    host.decision.to_string()
}

#[tokio::test]
async fn an_agent_that_cannot_be_told_the_order_acts_for_no_other() {
    let offline = |host: &mut edr_core::Host| host.connection_state = ConnectionState::Offline;
    let (a, b) = (plain(), agent("b", offline));
    let bench = bench(&a, &b);
    let process = ProcessRef::Uid("instance".to_owned());
    let draft = Draft::new(ResponseAction::KillProcess { process });
    let acts = |plan: &Plan| plan.sends().map(|h| h.host.tenant.to_string()).collect::<Vec<_>>();
    assert_eq!(acts(&bench.plan(&["web-1"], &draft).await), ["a"], "it is online");
    a.begin(Fault::Unfit);
    assert_eq!(acts(&bench.plan(&["web-1"], &draft).await), ["b"]);
    b.begin(Fault::Unfit);
    assert_eq!(acts(&bench.plan(&["web-1"], &draft).await), ["a"], "whoever acts says why it cannot");
}

#[tokio::test]
async fn an_agent_that_was_seen_protects_though_it_cannot_be_read_now() {
    let (a, b) = (plain(), agent("b", controller));
    let plan = planned_in(&bench(&a, &b), &b, Fault::Hosts).await;
    assert!(decision(&plan, "b").starts_with("unread"), "{plan:?}");
    assert_eq!(decision(&plan, "a"), "protected: roles domain_controller, by another agent of the machine");
    a.inner.edit_hosts(|hosts| hosts[0].containment_state = ContainmentState::Contained);
    let release = bench(&a, &b).plan(&["web-1"], &Draft::release()).await;
    assert_eq!(decision(&release, "a"), "act", "from a release nobody is protected");
}

#[tokio::test]
async fn an_agent_that_does_not_tell_its_groups_leaves_the_machine_unread() {
    for fault in [Fault::Hosts, Fault::Groups] {
        let (a, b) = (plain(), agent("b", member));
        let mut bench = bench(&a, &b);
        by_group(&mut bench);
        let plan = planned_in(&bench, &b, fault).await;
        let told = decision(&plan, "a");
        assert!(told.starts_with("unread: another agent of the machine cannot be read"), "{fault:?}: {told}");
        assert_eq!(plan.count(), 0);
    }
}

#[tokio::test]
async fn an_agent_that_is_known_to_be_free_keeps_nobody_back() {
    let (a, b) = (plain(), agent("b", |_| {}));
    let plan = planned_in(&bench(&a, &b), &b, Fault::Hosts).await;
    assert_eq!(decision(&plan, "a"), "act");
}

/// What is refused when the plan is applied.
async fn refused(bench: &Bench, plan: &Plan) -> String {
    let error = bench.responder().apply(plan, &Consent::yes(9)).await.unwrap_err();
    assert_eq!(error.rule(), Some(Rule::Moved), "{error}");
    error.to_string()
}

#[tokio::test]
async fn an_agent_that_cannot_be_read_again_may_have_become_protected() {
    // The agent of the plan is in `b`: it is online, and the other is not.
    let (a, b) = (plain(), agent("b", |_| {}));
    a.inner.set_online("a-web-1", false);
    let bench = bench(&a, &b);
    let plan = bench.plan(&["web-1"], &Draft::contain()).await;
    assert_eq!(decision(&plan, "b"), "act");
    a.inner.edit_hosts(|hosts| controller(&mut hosts[0]));
    a.begin(Fault::Hosts);
    let told = refused(&bench, &plan).await;
    assert!(told.contains("another agent of the machine cannot be read"), "{told}");
    assert_eq!(b.inner.writes(), 0);
    a.end(Fault::Hosts);
    let told = refused(&bench, &plan).await;
    assert!(told.contains("roles domain_controller, by another agent"), "{told}");
}

#[tokio::test]
async fn who_was_protected_when_it_was_planned_is_so_when_it_cannot_be_read_again() {
    // By a name of its own, so that nothing joins the two before the plan.
    let (a, b) = (
        plain(),
        agent("b", |host| {
            member(host);
            host.hostname = "WEB-1.corp.example".to_owned();
            host.serial_number = None;
        }),
    );
    let mut bench = bench(&a, &b);
    by_group(&mut bench);
    let responder = bench.responder();
    let selectors = ["a-web-1", "b-web-1"].map(|id| Selector::by(By::Uid, id));
    let plan =
        responder.plan(&responder.resolve(&selectors).await.unwrap(), &Draft::contain()).await.unwrap();
    assert_eq!([decision(&plan, "a"), decision(&plan, "b")], ["act", "protected: groups Crown Jewels"]);
    // Now they are one machine, and whether the other is in the group is not told.
    b.inner.edit_hosts(|hosts| {
        (hosts[0].serial_number, hosts[0].groups) = (Some("S-9".to_owned()), Vec::new());
    });
    b.begin(Fault::Groups);
    let told = refused(&bench, &plan).await;
    assert!(told.contains("groups Crown Jewels, by another agent of the machine"), "{told}");
    assert_eq!(a.inner.writes(), 0);
}
