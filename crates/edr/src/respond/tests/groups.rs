//! Protected groups by their names, at a vendor that tells of a host's groups their ids alone.

use std::sync::Arc;

use edr_core::{Group, HostGroup, InMemory};

use super::flaky::{Fault, Flaky};
use super::{Bench, host};
use crate::ProtectedConfig;
use crate::respond::{Consent, Decision, Draft, Plan, Protection, Result};

fn group(uid: &str, name: &str) -> HostGroup {
    let mut group = HostGroup::new("memory", "a", uid, "{}");
    group.name = name.to_owned();
    group
}

/// `web-0` is in the group `g-1`, whose name is told by the list of groups alone.
fn estate() -> InMemory {
    let mut member = host("a", "web-0");
    member.groups = vec![Group { uid: Some("g-1".to_owned()), name: None }];
    let groups = [group("g-1", "Crown Jewels"), group("g-2", "Kiosks")];
    groups
        .into_iter()
        .fold(InMemory::builder("a").host(member).host(host("a", "web-1")), |b, g| b.group(g))
        .build()
}

fn bench(one: &InMemory, groups: &[&str]) -> Bench {
    protecting(Bench::new([one.clone()]), groups)
}

fn protecting(mut bench: Bench, groups: &[&str]) -> Bench {
    let groups = groups.iter().map(|g| (*g).to_owned()).collect();
    bench.safety.protected =
        Protection::of(&ProtectedConfig { groups, ..ProtectedConfig::default() }, None).unwrap();
    bench
}

/// `a` as above, and `b` with the host `other` and a group of its own; `Crown Jewels` are protected, which only `a` has.
fn two() -> (Flaky, Flaky, Bench) {
    let mut kiosks = group("g-9", "Kiosks");
    kiosks.tenant = "b".into();
    let b = InMemory::builder("b").host(host("b", "other")).group(kiosks).build();
    let (a, b) = (Flaky::new(estate()), Flaky::new(b));
    let both = Bench::of([Arc::new(a.clone()) as _, Arc::new(b.clone()) as _]);
    (a, b, protecting(both, &["Crown Jewels"]))
}

async fn plan(bench: &Bench, draft: &Draft) -> Result<Plan> {
    let responder = bench.responder();
    let hosts = ["web-0", "web-1"].map(crate::respond::Selector::host);
    responder.plan(&responder.resolve(&hosts).await?, draft).await
}

fn rules(plan: &Plan) -> Vec<Option<&str>> {
    let rule = |at: usize| match &plan.hosts[at].decision {
        Decision::Protected { rule } => Some(rule.as_str()),
        _ => None,
    };
    (0..plan.hosts.len()).map(rule).collect()
}

#[tokio::test]
async fn a_group_protects_by_its_name_and_by_a_pattern() {
    for name in ["Crown Jewels", "crown*", "g-1"] {
        let seen = plan(&bench(&estate(), &[name]), &Draft::contain()).await.unwrap();
        assert_eq!(rules(&seen), [Some(format!("groups {name}").as_str()), None]);
    }
    let other = plan(&bench(&estate(), &["Kiosks"]), &Draft::contain()).await.unwrap();
    assert_eq!((rules(&other), other.count()), (vec![None, None], 2));
}

#[tokio::test]
async fn a_group_that_nobody_has_is_an_error_and_protects_nobody_in_silence() {
    let bench = bench(&estate(), &["Crown Jewel"]);
    let error = plan(&bench, &Draft::contain()).await.unwrap_err().to_string();
    assert!(error.contains("\"Crown Jewel\" is not there") && error.contains("correct the name"), "{error}");
    assert_eq!(
        plan(&bench, &Draft::release()).await.unwrap().hosts.len(),
        2,
        "from a release nobody is protected"
    );
}

#[tokio::test]
async fn who_joins_the_group_after_the_plan_is_left_alone() {
    let one = estate();
    let bench = bench(&one, &["Crown Jewels"]);
    let contain = plan(&bench, &Draft::contain()).await.unwrap();
    assert_eq!(contain.count(), 1);
    one.edit_hosts(|hosts| hosts[1].groups = vec![Group { uid: Some("G-1".to_owned()), name: None }]);
    let refused = bench.responder().apply(&contain, &Consent::yes(9)).await.unwrap_err();
    assert!(refused.to_string().contains("web-1"), "{refused}");
    assert_eq!(one.writes(), 0);
}

/// What would happen to `other` in `b`.
async fn other(bench: &Bench) -> Result<Vec<Decision>> {
    let responder = bench.responder();
    let resolved = responder.resolve(&[crate::respond::Selector::host("other")]).await?;
    let plan = responder.plan(&resolved, &Draft::contain()).await?;
    assert!(plan.unread.is_empty(), "{:?}", plan.unread);
    Ok(plan.hosts.into_iter().map(|h| h.decision).collect())
}

#[tokio::test]
async fn a_group_of_one_tenant_keeps_no_other_back() {
    let (a, b, bench) = two();
    assert_eq!(other(&bench).await.unwrap(), [Decision::Act]);
    assert_eq!((a.calls(), b.calls()), (vec!["groups".to_owned()], vec!["groups".to_owned()]), "once a plan");
    bench.contain(&["other"]).await.unwrap();
    assert_eq!(super::contained(&b.inner), ["b-other"]);
    let (_, _, bench) = two();
    let lost = other(&protecting(bench, &["Crown Jewels", "Crown Jewel"])).await.unwrap_err().to_string();
    assert!(lost.contains("\"Crown Jewel\" is not there"), "{lost}");
}

#[tokio::test]
async fn a_tenant_whose_groups_cannot_be_read_keeps_no_other_back() {
    let (a, _, bench) = two();
    a.begin(Fault::Groups);
    assert_eq!(other(&bench).await.unwrap(), [Decision::Act], "the name may be there");
    let both = plan(&bench, &Draft::contain()).await.unwrap();
    assert!(
        both.hosts.iter().all(|h| h.decision.as_str() == "unread"),
        "there nobody knows who is protected"
    );
    let (a, b, bench) = two();
    let responder = bench.responder();
    let names = ["web-1", "other"].map(crate::respond::Selector::host);
    let resolved = responder.resolve(&names).await.unwrap();
    a.begin(Fault::Hosts);
    let plan = responder.plan(&resolved, &Draft::contain()).await.unwrap();
    let words: Vec<&str> = plan.hosts.iter().map(|h| h.decision.as_str()).collect();
    assert_eq!(words, ["unread", "act"]);
    assert_eq!((a.calls().len(), b.calls().len()), (0, 1), "who is down is not asked again");
}

#[tokio::test]
async fn a_group_that_the_list_did_not_bring_is_asked_for_by_its_id() {
    let a = Flaky::new(estate());
    a.begin(Fault::ShortList);
    // The list that is short lacks the name, too: another tenant has it.
    let named = Bench::of([Arc::new(a.clone()) as _, Arc::new(jewels_elsewhere()) as _]);
    let named = protecting(named, &["Crown*"]);
    let seen = plan(&named, &Draft::contain()).await.unwrap();
    assert_eq!(rules(&seen), [Some("groups Crown*"), None]);
    assert_eq!(a.calls(), ["groups", "group g-1"], "once");
    a.begin(Fault::Group);
    let hidden = plan(&named, &Draft::contain()).await.unwrap();
    let told: Vec<String> = hidden.hosts.iter().map(|h| h.decision.to_string()).collect();
    assert!(told[0].starts_with("unread: its group g-1 cannot be read"), "{told:?}");
    assert_eq!(told[1], "act", "who is in no group is not held up");
    a.end(Fault::Group);
    a.inner.edit_hosts(|hosts| hosts[0].groups = vec![Group { uid: Some("g-gone".to_owned()), name: None }]);
    let gone = plan(&named, &Draft::contain()).await.unwrap();
    assert_eq!((gone.count(), rules(&gone)), (2, vec![None, None]), "a group that was deleted is no group");
}

/// A tenant without hosts whose list of groups has the name.
fn jewels_elsewhere() -> InMemory {
    let mut jewels = group("g-7", "Crown Jewels");
    jewels.tenant = "c".into();
    InMemory::builder("c").group(jewels).build()
}
