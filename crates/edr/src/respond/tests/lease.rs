//! Leases and releases where something went wrong on the way.

use chrono::TimeDelta;
use edr_core::{Because, ContainmentState, ErrorKind, Quirk, Script};

use super::release::contain_for;
use super::{Bench, contained, released, tenant};
use crate::Estate;
use crate::respond::{Consent, Draft, Plan, Responder, Rule, Selector};

fn leased() -> Draft {
    Draft::contain().lease(TimeDelta::hours(1))
}

async fn apply(bench: &Bench, plan: &Plan) -> crate::respond::Result<crate::respond::Operation> {
    bench.responder().apply(plan, &Consent::yes(9)).await
}

#[tokio::test(start_paused = true)]
async fn a_host_in_doubt_is_not_forgotten_by_its_lease() {
    let one = tenant("a", 2).build();
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&["web-0", "web-1"], &leased()).await;
    bench.die(&one, Script::LoseAnswer(0), &plan).await;
    one.settle();
    bench.clock.advance(TimeDelta::hours(2));
    let overdue = bench.responder().overdue().unwrap();
    assert_eq!(overdue[0].hosts.len(), 2);
    assert!(overdue[0].error.as_ref().unwrap().contains("may be contained"), "{overdue:?}");
    // One of them cannot be told even now, and stays due.
    one.edit_hosts(|hosts| hosts[1].containment_state = ContainmentState::Unknown);
    bench.responder().run_due().await.unwrap();
    assert_eq!(released(&one), ["a-web-0"]);
    let overdue = bench.responder().overdue().unwrap();
    assert_eq!((overdue[0].hosts.len(), overdue[0].hosts[0].uid.as_str()), (1, "a-web-1"));
    one.edit_hosts(|hosts| hosts[1].containment_state = ContainmentState::Contained);
    bench.responder().run_due().await.unwrap();
    assert_eq!(released(&one), ["a-web-0", "a-web-1"]);
    assert!(bench.responder().overdue().unwrap().is_empty());
}

#[tokio::test]
async fn what_was_contained_after_a_release_that_began_later_is_held() {
    let one = tenant("a", 1).build();
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&["web-0"], &leased()).await;
    one.script(Script::RefuseCall(0, ErrorKind::RateLimited));
    assert_eq!(apply(&bench, &plan).await.unwrap().counts().not_sent, 1);
    let release = bench.plan(&["web-0"], &Draft::release()).await;
    assert_eq!(apply(&bench, &release).await.unwrap().counts().already, 1);
    assert_eq!(apply(&bench, &plan).await.unwrap().counts().accepted, 1);
    one.settle();
    assert_eq!(bench.responder().held_by(&plan.id).unwrap().len(), 1);
    bench.clock.advance(TimeDelta::hours(2));
    bench.responder().run_due().await.unwrap();
    assert_eq!(released(&one), ["a-web-0"]);
}

#[tokio::test]
async fn a_release_that_was_taken_and_failed_is_asked_for_again() {
    let one = tenant("a", 1).build();
    let bench = Bench::new([one.clone()]);
    let operation = contain_for(&bench, &["web-0"], Some(1)).await;
    one.settle();
    one.quirk("a-web-0", Quirk::Fails);
    bench.clock.advance(TimeDelta::hours(2));
    bench.responder().run_due().await.unwrap();
    one.settle();
    one.quirk("a-web-0", None);
    let runs = bench.responder().run_due().await.unwrap();
    assert_eq!((runs.len(), released(&one).len()), (1, 2), "it is contained still");
    one.settle();
    assert!(bench.responder().run_due().await.unwrap().is_empty());
    bench.clock.advance(TimeDelta::hours(2));
    assert!(bench.responder().overdue().unwrap().is_empty(), "it is confirmed");
    assert!(bench.responder().held_by(&operation.id).unwrap().is_empty());
}

#[tokio::test]
async fn a_release_that_does_not_come_to_its_end_is_told() {
    let one = tenant("a", 1).build();
    let bench = Bench::new([one.clone()]);
    contain_for(&bench, &["web-0"], Some(1)).await;
    one.settle();
    bench.clock.advance(TimeDelta::hours(2));
    bench.responder().run_due().await.unwrap();
    bench.clock.advance(TimeDelta::minutes(59));
    assert!(bench.responder().overdue().unwrap().is_empty());
    bench.clock.advance(TimeDelta::minutes(2));
    bench.responder().run_due().await.unwrap();
    let overdue = bench.responder().overdue().unwrap();
    assert!(overdue[0].error.as_ref().unwrap().contains("is not done"), "{overdue:?}");
    assert_eq!(released(&one).len(), 1, "it is not asked for twice");
    one.settle();
    bench.responder().run_due().await.unwrap();
    assert!(bench.responder().overdue().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lease_agrees_to_nothing_but_its_release() {
    let one = tenant("a", 2).build();
    let bench = Bench::new([one.clone()]);
    let operation = contain_for(&bench, &["web-0"], Some(1)).await;
    one.settle();
    bench.clock.advance(TimeDelta::hours(2));
    let release = bench.responder().plan_release_of(&operation.id, None, Because::new()).await.unwrap();
    bench.die(&one, Script::LoseRequest(0), &release).await;
    // Somebody puts another plan there, sound in itself.
    let other = bench.plan(&["web-1"], &Draft::contain()).await;
    other.save(&bench.responder().plan_path(&release.id).unwrap()).unwrap();
    let runs = bench.responder().run_due().await.unwrap();
    assert_eq!(runs[0].released.as_ref().unwrap_err().rule(), Some(Rule::PlanEdited));
    assert_eq!(contained(&one), ["a-web-0"]);
    let lease = Consent { lease: true, ..Consent::default() };
    let refused = bench.responder().apply(&other, &lease).await.unwrap_err();
    assert_eq!((refused.rule(), one.writes()), (Some(Rule::Consent), 2));
    release.save(&bench.responder().plan_path(&release.id).unwrap()).unwrap();
    bench.responder().run_due().await.unwrap();
    assert_eq!(released(&one), ["a-web-0"]);
}

#[tokio::test]
async fn a_lease_that_is_over_contains_nothing_more() {
    let one = tenant("a", 1).build();
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&["web-0"], &leased()).await;
    one.script(Script::RefuseCall(0, ErrorKind::RateLimited));
    apply(&bench, &plan).await.unwrap();
    bench.clock.advance(TimeDelta::hours(2));
    assert_eq!(apply(&bench, &plan).await.unwrap_err().rule(), Some(Rule::Lease));
    assert!(contained(&one).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_over_still_learns_what_became_of_its_hosts() {
    let one = tenant("a", 1).build();
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&["web-0"], &leased()).await;
    bench.die(&one, Script::LoseAnswer(0), &plan).await;
    bench.clock.advance(TimeDelta::hours(2));
    let operation = apply(&bench, &plan).await.unwrap();
    assert_eq!((operation.counts().accepted, operation.ended.is_some()), (1, true));
    assert_eq!(bench.responder().held_by(&plan.id).unwrap().len(), 1);
}

/// A process that cannot reach the tenant: it is not among those that are chosen.
async fn run_elsewhere(bench: &Bench) -> Vec<crate::respond::LeaseRun> {
    let other = Bench::new([tenant("b", 1).build()]);
    let mut builder = Responder::builder(Estate::of(other.providers.clone()), bench.path());
    builder = builder.actor("bob@soc").clock(std::sync::Arc::new(bench.clock.clone()));
    builder.open().unwrap().run_due().await.unwrap()
}

#[tokio::test]
async fn a_lease_that_nobody_takes_over_and_nobody_releases_is_overdue() {
    let one = tenant("a", 1).build();
    let bench = Bench::new([one.clone()]);
    let first = contain_for(&bench, &["web-0"], Some(1)).await;
    one.settle();
    // It finds the host contained and wants it so for longer: the heir, as long as its own lease lasts.
    let heir = contain_for(&bench, &["web-0"], Some(3)).await;
    let overdue = || bench.responder().overdue().unwrap();
    bench.clock.advance(TimeDelta::hours(2));
    assert_eq!(overdue()[0].operation, first.id, "nobody has run what is due");
    assert!(overdue()[0].error.is_none(), "nothing was tried: {:?}", overdue());
    assert_eq!(run_elsewhere(&bench).await[0].handed.len(), 1);
    assert!(overdue().is_empty(), "it is the heir's, whose time is not over");
    bench.clock.advance(TimeDelta::hours(2));
    assert_eq!(overdue()[0].operation, heir.id);
    // Nobody is left to take it over, and who runs cannot release it.
    let runs = run_elsewhere(&bench).await;
    assert!(runs[0].handed.is_empty(), "{runs:?}");
    let late = overdue();
    assert_eq!(
        (late.len(), late[0].operation.as_str(), late[0].hosts[0].uid.as_str()),
        (1, heir.id.as_str(), "a-web-0")
    );
    assert!(late[0].error.as_ref().unwrap().contains("not among those that are chosen"), "{late:?}");
    assert!(released(&one).is_empty());
    bench.responder().run_due().await.unwrap();
    assert_eq!((released(&one).len(), overdue().len()), (1, 0));
}

#[tokio::test]
async fn waves_come_past_a_host_that_cannot_be_released() {
    let one = tenant("a", 3).build();
    let bench = Bench::new([one.clone()]);
    let operation = contain_for(&bench, &["web-0", "web-1", "web-2"], None).await;
    one.settle();
    one.quirk("a-web-0", Quirk::Refused(ErrorKind::Conflict));
    for _ in 0..3 {
        let wave = bench.responder().plan_release_of(&operation.id, Some(1), Because::new()).await.unwrap();
        apply(&bench, &wave).await.unwrap();
    }
    assert_eq!(released(&one), ["a-web-1", "a-web-2"]);
    let wave = bench.responder().plan_release_of(&operation.id, Some(1), Because::new()).await.unwrap();
    assert_eq!(wave.hosts[0].host.uid, "a-web-0", "its turn comes again");
}

#[tokio::test]
async fn a_host_that_is_gone_is_not_released_anew_each_time() {
    let one = tenant("a", 1).build();
    let bench = Bench::new([one.clone()]);
    contain_for(&bench, &["web-0"], Some(1)).await;
    one.edit_hosts(Vec::clear);
    bench.clock.advance(TimeDelta::hours(2));
    for _ in 0..3 {
        let runs = bench.responder().run_due().await.unwrap();
        assert_eq!(runs[0].released.as_ref().unwrap().as_ref().unwrap().counts().left_out, 1);
    }
    assert_eq!(bench.responder().operations().unwrap().len(), 2, "the containment and one release");
    assert!(bench.responder().overdue().unwrap()[0].error.as_ref().unwrap().contains("unread"));
}

#[tokio::test]
async fn a_lease_that_nobody_can_reckon_is_refused_and_not_forgotten() {
    let bench = Bench::new([tenant("a", 1).build()]);
    let selectors = [Selector::host("web-0")];
    let resolved = bench.responder().resolve(&selectors).await.unwrap();
    for lease in [TimeDelta::zero(), TimeDelta::milliseconds(1), TimeDelta::days(367), TimeDelta::MAX] {
        let plan = bench.responder().plan(&resolved, &Draft::contain().lease(lease)).await;
        assert!(plan.unwrap_err().to_string().contains("at most a year"), "{lease}");
    }
    let plan = bench.plan(&["web-0"], &leased()).await;
    for seconds in [i64::MAX, 0, -3600] {
        let mut forged = plan.clone();
        forged.lease_seconds = Some(seconds);
        let text = forged.seal().unwrap().to_json().unwrap();
        assert!(Plan::from_json(&text).unwrap_err().to_string().contains("at most a year"), "{seconds}");
    }
}
