use chrono::TimeDelta;
use edr_core::{Because, ContainmentState, ErrorKind, Quirk};

use super::{Bench, released, tenant};
use crate::respond::{Consent, Draft, Error, Operation};

pub(super) async fn contain_for(bench: &Bench, names: &[&str], hours: Option<i64>) -> Operation {
    let draft = hours.map_or_else(Draft::contain, |h| Draft::contain().lease(TimeDelta::hours(h)));
    let plan = bench.plan(names, &draft).await;
    bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap()
}

#[tokio::test]
async fn an_operation_gives_back_what_it_took_and_nothing_else() {
    let one = tenant("a", 4).build();
    one.edit_hosts(|hosts| hosts[0].containment_state = ContainmentState::Contained);
    let bench = Bench::new([one.clone()]);
    let first = contain_for(&bench, &["web-0", "web-1", "web-2"], None).await;
    contain_for(&bench, &["web-3"], None).await;
    one.settle();
    let responder = bench.responder();
    let wave = responder.plan_release_of(&first.id, Some(1), Because::new()).await.unwrap();
    assert_eq!(wave.count(), 1);
    responder.apply(&wave, &Consent::typed(1)).await.unwrap();
    let rest = responder.plan_release_of(&first.id, None, Because::new()).await.unwrap();
    assert_eq!(rest.releases.as_deref(), Some(first.id.as_str()));
    responder.apply(&rest, &Consent::typed(1)).await.unwrap();
    assert_eq!(
        released(&one),
        ["a-web-1", "a-web-2"],
        "not what was contained before, not what another contained"
    );
    assert_eq!(responder.plan_release_of(&first.id, None, Because::new()).await.unwrap().hosts.len(), 0);
    assert!(matches!(
        responder.plan_release_of("x", None, Because::new()).await,
        Err(Error::UnknownOperation(_))
    ));
}

#[tokio::test]
async fn a_lease_is_released_once_when_it_is_due() {
    let one = tenant("a", 3).build();
    let bench = Bench::new([one.clone()]);
    let operation = contain_for(&bench, &["web-0", "web-1"], Some(4)).await;
    contain_for(&bench, &["web-2"], None).await;
    one.settle();
    bench.clock.advance(TimeDelta::minutes(239));
    assert!(bench.responder().run_due().await.unwrap().is_empty());
    assert!(bench.responder().overdue().unwrap().is_empty());
    bench.clock.advance(TimeDelta::minutes(2));
    let overdue = bench.responder().overdue().unwrap();
    assert_eq!((overdue[0].operation.as_str(), overdue[0].hosts.len()), (operation.id.as_str(), 2));
    let responder = bench.responder();
    let held = responder.state().lock_leases("bob@soc").unwrap();
    assert!(
        matches!(bench.responder().run_due().await, Err(Error::Busy { by, .. }) if by.contains("bob@soc"))
    );
    drop(held);
    let runs = bench.responder().run_due().await.unwrap();
    assert_eq!(runs[0].released.as_ref().unwrap().as_ref().unwrap().counts().accepted, 2);
    assert!(bench.responder().run_due().await.unwrap().is_empty());
    assert_eq!(released(&one), ["a-web-0", "a-web-1"]);
}

#[tokio::test]
async fn what_fails_stays_due_with_the_error() {
    let one = tenant("a", 2).build();
    let bench = Bench::new([one.clone()]);
    contain_for(&bench, &["web-0", "web-1"], Some(1)).await;
    one.settle();
    one.quirk("a-web-1", Quirk::Refused(ErrorKind::Conflict));
    bench.clock.advance(TimeDelta::hours(2));
    bench.responder().run_due().await.unwrap();
    let overdue = bench.responder().overdue().unwrap();
    assert_eq!(overdue[0].hosts[0].uid, "a-web-1");
    assert!(overdue[0].error.as_ref().unwrap().contains("this host is refused"), "{overdue:?}");
    one.quirk("a-web-1", None);
    bench.responder().run_due().await.unwrap();
    assert_eq!(released(&one), ["a-web-0", "a-web-1"]);
    assert!(bench.responder().overdue().unwrap().is_empty());
}

#[tokio::test]
async fn what_a_person_released_or_took_over_is_not_released_by_the_lease() {
    let one = tenant("a", 3).build();
    let bench = Bench::new([one.clone()]);
    let leased = contain_for(&bench, &["web-0", "web-1", "web-2"], Some(1)).await;
    one.settle();
    // One is released and contained anew for good; another is wanted contained by a second operation.
    let plan = bench.plan(&["web-0"], &Draft::release()).await;
    bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap();
    one.settle();
    contain_for(&bench, &["web-0"], None).await;
    let second = contain_for(&bench, &["web-1"], None).await;
    assert_eq!(second.counts().already, 1);
    one.settle();
    bench.clock.advance(TimeDelta::hours(2));
    let runs = bench.responder().run_due().await.unwrap();
    assert_eq!(runs[0].handed.iter().map(|k| k.uid.as_str()).collect::<Vec<_>>(), ["a-web-1"]);
    assert_eq!(released(&one), ["a-web-0", "a-web-2"], "the first by the person");
    assert_eq!(bench.responder().held_by(&second.id).unwrap().len(), 1, "the second operation holds it now");
    assert!(bench.responder().held_by(&leased.id).unwrap().is_empty());
}

#[tokio::test]
async fn a_release_that_was_interrupted_is_finished_by_whoever_comes_next() {
    let one = tenant("a", 2).batch(1).build();
    let bench = Bench::new([one.clone()]);
    let operation = contain_for(&bench, &["web-0", "web-1"], Some(1)).await;
    one.settle();
    bench.clock.advance(TimeDelta::hours(2));
    one.script(edr_core::Script::RefuseCall(1, ErrorKind::RateLimited));
    bench.responder().run_due().await.unwrap();
    assert_eq!(released(&one), ["a-web-0"]);
    bench.responder().run_due().await.unwrap();
    assert_eq!(released(&one), ["a-web-0", "a-web-1"]);
    assert!(bench.responder().held_by(&operation.id).unwrap().is_empty());
}
