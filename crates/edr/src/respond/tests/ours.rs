//! Whose a containment is when no answer says so: it is given back by whom it was told to, and by nobody else.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use chrono::TimeDelta;
use edr_core::{ContainmentState, EdrProvider, Script};

use super::crash::Frail;
use super::flaky::{Fault, Flaky};
use super::release::contain_for;
use super::{Bench, contained, released, tenant};
use crate::respond::record::{AnswerWord, JournalAnswer, Readback};
use crate::respond::{Consent, Draft, Event, Operation, Plan, Waiting};

fn bench() -> (Flaky, Bench) {
    let one = Flaky::new(tenant("a", 1).build());
    (one.clone(), Bench::of([Arc::new(one) as Arc<dyn EdrProvider>]))
}

async fn leased(bench: &Bench) -> Plan {
    bench.plan(&["web-0"], &Draft::contain().lease(TimeDelta::hours(4))).await
}

async fn apply(bench: &Bench, plan: &Plan) -> Operation {
    bench.responder().apply(plan, &Consent::yes(9).without_moved()).await.unwrap()
}

/// The lease holds the host, and gives it back when it is due.
async fn is_given_back(one: &Flaky, bench: &Bench, plan: &Plan) {
    one.inner.settle();
    assert_eq!(bench.responder().held_by(&plan.id).unwrap().len(), 1);
    bench.clock.advance(TimeDelta::hours(5));
    assert_eq!(bench.responder().overdue().unwrap().len(), 1);
    bench.responder().run_due().await.unwrap();
    assert_eq!((contained(&one.inner).len(), released(&one.inner).len()), (1, 1));
}

#[tokio::test]
async fn an_order_that_was_handed_on_twice_is_given_back() {
    let (one, bench) = bench();
    one.begin(Fault::Twice);
    let plan = leased(&bench).await;
    let operation = apply(&bench, &plan).await;
    assert_eq!((operation.counts().already, operation.hosts[0].ours), (1, true));
    one.end(Fault::Twice);
    one.inner.settle();
    let waiting = Waiting::at_most(std::time::Duration::ZERO);
    let confirmed = bench.responder().confirm(&plan.id, &waiting).await.unwrap();
    assert_eq!(confirmed.operation.counts().done, 1, "it is this operation that contained it");
    is_given_back(&one, &bench, &plan).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_answer_was_lost_and_whose_record_lags_is_given_back() {
    for looks in [false, true] {
        let (one, bench) = bench();
        let plan = leased(&bench).await;
        if looks {
            one.begin(Fault::Looks);
        }
        one.lag(9);
        one.inner.script(Script::LoseAnswer(0));
        let operation = apply(&bench, &plan).await;
        assert_eq!(
            (operation.counts().already, one.inner.writes()),
            (1, 2),
            "asked for again, and it was so"
        );
        one.lag(0);
        is_given_back(&one, &bench, &plan).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_shows_between_reading_back_and_the_look_before_sending_is_given_back() {
    let (one, bench) = bench();
    let plan = leased(&bench).await;
    bench.die(&one.inner, Script::LoseAnswer(0), &plan).await;
    one.lag(1);
    let operation = bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap();
    assert_eq!((operation.counts().accepted, operation.hosts[0].ours), (1, true));
    assert!(operation.ended.is_some());
    is_given_back(&one, &bench, &plan).await;
}

#[tokio::test]
async fn what_a_provider_saw_before_it_sent_anything_is_somebody_elses() {
    let (one, bench) = bench();
    let plan = leased(&bench).await;
    one.inner.edit_hosts(|hosts| hosts[0].containment_state = ContainmentState::Contained);
    one.lag(9);
    one.begin(Fault::Looks);
    let operation = apply(&bench, &plan).await;
    assert_eq!((operation.counts().already, operation.hosts[0].ours), (1, false));
    assert!(bench.responder().held_by(&plan.id).unwrap().is_empty());
    bench.clock.advance(TimeDelta::hours(5));
    assert!(bench.responder().run_due().await.unwrap().is_empty());
    assert!(released(&one.inner).is_empty());
}

/// Both look before either sends. The vendor tells the one that it took the order, and the other that it is so already.
#[tokio::test]
async fn of_two_operations_at_the_same_time_that_one_holds_which_was_told_so() {
    let one = tenant("a", 1).build();
    let bench = Bench::of([Arc::new(Frail(one.clone(), Arc::default())) as Arc<dyn EdrProvider>]);
    let plan = bench.plan(&["web-0"], &Draft::contain()).await;
    let (responder, consent) = (bench.responder(), Consent::yes(9));
    let mut second = pin!(responder.apply(&plan, &consent));
    while bench.responder().operation(&plan.id).is_err() {
        poll_fn(|context| Poll::Ready(second.as_mut().poll(context).is_ready())).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(one.writes(), 0, "it has looked, and not sent");
    let first = {
        let now = leased(&bench).await;
        apply(&bench, &now).await
    };
    assert_eq!(first.counts().accepted, 1);
    assert_eq!(second.await.unwrap().counts().already, 1);
    let held = |id: &str| bench.responder().held_by(id).unwrap().len();
    assert_eq!((held(&first.id), held(&plan.id)), (1, 0));
    one.settle();
    bench.clock.advance(TimeDelta::hours(5));
    let runs = bench.responder().run_due().await.unwrap();
    assert_eq!(runs[0].handed.len(), 1, "the other wants it contained for good");
    assert!(released(&one).is_empty());
    assert_eq!((held(&first.id), held(&plan.id)), (0, 1));
}

#[tokio::test]
async fn who_contained_it_long_ago_does_not_keep_it_from_a_later_lease() {
    let (one, bench) = bench();
    let first = contain_for(&bench, &["web-0"], None).await;
    // Somebody releases it in the vendor's console.
    one.inner.edit_hosts(|hosts| hosts[0].containment_state = ContainmentState::Normal);
    bench.clock.advance(TimeDelta::hours(1));
    one.begin(Fault::Twice);
    let plan = leased(&bench).await;
    apply(&bench, &plan).await;
    one.end(Fault::Twice);
    let held = |id: &str| bench.responder().held_by(id).unwrap().len();
    assert_eq!((held(&first.id), held(&plan.id)), (0, 1));
}

#[tokio::test]
async fn who_contained_it_right_before_the_look_keeps_it() {
    let (one, bench) = bench();
    let first = contain_for(&bench, &["web-0"], None).await;
    bench.clock.advance(TimeDelta::seconds(20));
    // The vendor's record shows it late.
    one.lag(9);
    let plan = leased(&bench).await;
    assert_eq!(apply(&bench, &plan).await.counts().already, 1);
    one.lag(0);
    one.inner.settle();
    let held = |id: &str| bench.responder().held_by(id).unwrap().len();
    assert_eq!((held(&first.id), held(&plan.id)), (1, 0));
    bench.clock.advance(TimeDelta::hours(5));
    assert!(bench.responder().run_due().await.unwrap().is_empty());
    assert!(released(&one.inner).is_empty());
}

/// Somebody else contains the host an hour after an order was lost, between reading back and sending, or between looking
/// and sending.
#[tokio::test(start_paused = true)]
async fn what_shows_long_after_a_lost_order_is_somebody_elses() {
    for looks in [1, 9] {
        let (one, bench) = bench();
        let plan = leased(&bench).await;
        bench.die(&one.inner, Script::LoseRequest(0), &plan).await;
        bench.clock.advance(TimeDelta::hours(1));
        one.inner.edit_hosts(|hosts| hosts[0].containment_state = ContainmentState::Contained);
        one.begin(Fault::Looks);
        one.lag(looks);
        let operation = apply(&bench, &plan).await;
        let told = operation.hosts[0].outcome.as_str();
        assert_eq!((told, operation.hosts[0].ours), (if looks == 1 { "moved" } else { "already" }, false));
        one.lag(0);
        bench.clock.advance(TimeDelta::hours(5));
        bench.responder().run_due().await.unwrap();
        assert!(released(&one.inner).is_empty(), "{looks}");
    }
}

/// A containment that is only presumed inherits no lease of later, and one of the same minutes.
#[tokio::test(start_paused = true)]
async fn a_presumed_holder_inherits_only_what_came_close_to_it() {
    for (minutes, handed) in [(1, 1), (60, 0)] {
        let (one, bench) = bench();
        let first = bench.plan(&["web-0"], &Draft::contain()).await;
        one.inner.script(Script::LoseAnswer(0));
        assert_eq!(apply(&bench, &first).await.counts().accepted, 1, "it was read back");
        // Somebody releases it in the vendor's console.
        one.inner.edit_hosts(|hosts| hosts[0].containment_state = ContainmentState::Normal);
        bench.clock.advance(TimeDelta::minutes(minutes));
        let plan = leased(&bench).await;
        assert_eq!(apply(&bench, &plan).await.counts().accepted, 1);
        one.inner.settle();
        bench.clock.advance(TimeDelta::hours(5));
        let runs = bench.responder().run_due().await.unwrap();
        assert_eq!((runs[0].handed.len(), released(&one.inner).len()), (handed, 1 - handed), "{minutes}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_already_of_an_older_journal_is_somebody_elses() {
    let (one, bench) = bench();
    let plan = leased(&bench).await;
    bench.die(&one.inner, Script::LoseRequest(0), &plan).await;
    let (id, tenant, uid) = (plan.id.clone(), one.tenant().clone(), "a-web-0".to_owned());
    let tell = |event| bench.responder().journal().append(event).unwrap();
    let back = Readback { uid: uid.clone(), done: Some(false), seen: "normal".into() };
    tell(Event::Settled { plan: id.clone(), tenant: tenant.clone(), hosts: vec![back] });
    let (vendor, hosts) = (one.vendor().clone(), vec![uid.clone()]);
    let intent = tell(Event::Intended { plan: id.clone(), tenant: tenant.clone(), vendor, hosts });
    // It does not say whether an order went out.
    let answer = AnswerWord::Already;
    let answers =
        vec![JournalAnswer { uid, answer, ordered: false, handle: None, trace_id: None, error: None }];
    tell(Event::Answered { plan: id.clone(), tenant, intent, answers, error: None });
    tell(Event::Ended { plan: id.clone() });
    one.inner.edit_hosts(|hosts| hosts[0].containment_state = ContainmentState::Contained);
    bench.clock.advance(TimeDelta::weeks(3));
    assert!(bench.responder().run_due().await.unwrap().is_empty());
    assert!(released(&one.inner).is_empty() && bench.responder().held_by(&id).unwrap().is_empty());
}
