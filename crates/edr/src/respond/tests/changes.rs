//! Changes of alerts and cases: guarded, journaled, told item by item, and never made twice on a guess.

use edr_core::{Because, Case, CaseChange, CaseStatus, Error as VendorError, ErrorKind, InMemory, Script};

use super::Bench;
use crate::respond::{ChangePlan, Consent, Decision, Error, Event, ItemOutcome, Responder, Result, Rule};

fn cases(n: usize) -> Vec<Case> {
    (0..n).map(|i| Case::new("memory", "a", &format!("case-{i}"), "{}")).collect()
}

/// A tenant with so many cases, of which one call changes two.
fn tenant(n: usize) -> InMemory {
    cases(n).into_iter().fold(InMemory::builder("a").batch(2), |b, case| b.case(case)).build()
}

fn plan(responder: &Responder, n: usize, change: CaseChange) -> ChangePlan<CaseChange> {
    responder.plan_change(&cases(n), change, Because::new().reason("drill")).unwrap()
}

fn resolve() -> CaseChange {
    CaseChange::new().status(CaseStatus::Resolved)
}

fn words(outcomes: &[ItemOutcome]) -> Vec<&str> {
    outcomes.iter().map(|o| o.outcome.as_str()).collect()
}

fn rule(result: Result<Vec<ItemOutcome>>) -> Rule {
    match result {
        Err(Error::Refused(refusal)) => refusal.rule,
        other => panic!("{other:?}"),
    }
}

fn changed(provider: &InMemory) -> usize {
    provider.mutations().iter().filter(|m| m.verb == "update_case").count()
}

#[tokio::test]
async fn cases_are_changed_under_the_guards_and_stand_in_the_journal() {
    let one = tenant(3);
    let mut bench = Bench::new([one.clone()]);
    let responder = bench.responder();
    let all = plan(&responder, 3, resolve());
    assert_eq!(rule(responder.change(&all, &Consent::default()).await), Rule::Consent);
    assert_eq!(rule(responder.change(&all, &Consent::yes(2)).await), Rule::MaxHosts);
    let mut short = all.clone();
    short.missing.push("case-9".to_owned());
    assert_eq!(rule(responder.change(&short, &Consent::yes(9).strict()).await), Rule::Strict);
    bench.safety.read_only = true;
    assert_eq!(rule(bench.responder().change(&all, &Consent::yes(9)).await), Rule::ReadOnly);
    assert_eq!(one.writes(), 0);

    assert_eq!(words(&responder.change(&all, &Consent::yes(3)).await.unwrap()), ["accepted"; 3]);
    let events = responder.journal().records().unwrap();
    let intended: Vec<&[String]> = events
        .iter()
        .filter_map(|r| match &r.event {
            Event::CasesIntended { change, because, cases, .. } if *change == resolve() => {
                assert_eq!(because.reason.as_deref(), Some("drill"));
                Some(cases.as_slice())
            }
            _ => None,
        })
        .collect();
    assert_eq!(intended, [&["case-0", "case-1"].map(String::from)[..], &["case-2".to_owned()]]);
    assert_eq!(events.iter().filter(|r| matches!(r.event, Event::CasesAnswered { .. })).count(), 2);
    assert!(responder.journal().verify().unwrap().fault.is_none());
    assert_eq!(words(&responder.change(&all, &Consent::yes(3)).await.unwrap()), ["already"; 3]);
}

#[tokio::test]
async fn what_was_changed_before_a_call_fails_is_told() {
    let one = tenant(5);
    let bench = Bench::new([one.clone()]);
    let responder = bench.responder();
    one.script(Script::RefuseCall(1, ErrorKind::Permission));
    let outcomes = responder.change(&plan(&responder, 5, resolve()), &Consent::yes(9)).await.unwrap();
    assert_eq!(words(&outcomes), ["accepted", "accepted", "refused", "refused", "not_sent"]);
    assert_eq!((changed(&one), one.writes()), (2, 2));
}

#[tokio::test]
async fn a_comment_of_which_nobody_knows_is_not_made_again() {
    let one = tenant(2);
    let bench = Bench::new([one.clone()]);
    let comment = CaseChange::new().comment("seen at night");
    one.script(Script::LoseAnswer(0));
    let responder = bench.responder();
    let outcomes = responder.change(&plan(&responder, 2, comment.clone()), &Consent::yes(9)).await.unwrap();
    assert_eq!(words(&outcomes), ["unknown"; 2]);
    // Another process, and the same command.
    let again = plan(&bench.responder(), 2, comment);
    assert!(again.items.iter().all(|i| matches!(i.decision, Decision::Unread { .. })), "{again:?}");
    assert_eq!(again.count(), 0);
    assert_eq!(
        plan(&bench.responder(), 2, resolve()).count(),
        2,
        "a status is the same when it is set twice"
    );
    assert_eq!(changed(&one), 2);
}

#[tokio::test]
async fn a_change_that_says_nothing_is_a_mistake() {
    let bench = Bench::new([tenant(1)]);
    let nothing = bench.responder().plan_change(&cases(1), CaseChange::new(), Because::new());
    assert!(matches!(nothing, Err(Error::Provider(VendorError { .. }))), "{nothing:?}");
}
