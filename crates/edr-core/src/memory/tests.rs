//! The reference semantics of writes.

use futures_util::FutureExt as _;

use crate::{
    AlertChange, AlertStatus, Answer, Assignee, Because, ConnectionState, ContainmentState, Standing, User,
};

use super::*;

fn acme() -> InMemoryBuilder {
    let host = |uid: &str, state| {
        let mut host = Host::new("memory", "acme", uid, "{}");
        (host.connection_state, host.containment_state) = (state, ContainmentState::Normal);
        host
    };
    InMemory::builder("acme")
        .host(host("on", ConnectionState::Online))
        .host(host("off", ConnectionState::Offline))
        .host(host("gone", ConnectionState::Uninstalled))
        .alert(Alert::new("memory", "acme", "a1", "{}"))
}

fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("memory never waits")
}

fn texts(uids: &[&str]) -> Vec<String> {
    uids.iter().map(|u| (*u).to_owned()).collect()
}

fn respond(memory: &InMemory, action: &ResponseAction, uids: &[&str]) -> Result<Vec<Receipt>> {
    now(memory.respond(action, &texts(uids), &Because::new()))
}

fn standings(memory: &InMemory, action: &ResponseAction, receipts: &[Receipt]) -> Vec<Standing> {
    let targets: Vec<Target> = receipts.iter().map(Target::from).collect();
    now(memory.progress(action, &targets)).unwrap().into_iter().map(|p| p.standing).collect()
}

fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accepted => "accepted",
        Answer::Already => "already",
        Answer::Refused(_) => "refused",
        Answer::Unknown(_) => "unknown",
    }
}

fn words(receipts: &[Receipt]) -> Vec<&'static str> {
    receipts.iter().map(|r| word(&r.answer)).collect()
}

#[test]
fn accepted_is_not_contained_until_the_sensor_says_so() {
    let memory = acme().build();
    let receipts = respond(&memory, &ResponseAction::Contain, &["on", "off", "gone", "nobody"]).unwrap();
    assert_eq!(words(&receipts), ["accepted", "accepted", "refused", "refused"]);
    let seen = standings(&memory, &ResponseAction::Contain, &receipts[..2]);
    assert_eq!(seen, [Standing::Pending, Standing::PendingOffline]);
    memory.settle();
    let seen = standings(&memory, &ResponseAction::Contain, &receipts[..2]);
    assert_eq!(seen, [Standing::Done, Standing::PendingOffline]);
    memory.set_online("off", true);
    memory.settle();
    assert_eq!(now(memory.host("off")).unwrap().containment_state, ContainmentState::Contained);
    let again = respond(&memory, &ResponseAction::Contain, &["on", "off"]).unwrap();
    assert_eq!(words(&again), ["already", "already"]);
    assert_eq!(memory.mutations().len(), 2, "what is there already is not done again");
}

#[test]
fn a_sensor_confirms_after_so_many_looks() {
    let memory = acme().settles_after(2).build();
    let receipts = respond(&memory, &ResponseAction::Contain, &["on", "off"]).unwrap();
    let first = standings(&memory, &ResponseAction::Contain, &receipts);
    assert_eq!(first, [Standing::Pending, Standing::PendingOffline]);
    let second = standings(&memory, &ResponseAction::Contain, &receipts);
    assert_eq!(second, [Standing::Done, Standing::PendingOffline]);
    memory.set_online("off", true);
    assert_eq!(standings(&memory, &ResponseAction::Contain, &receipts)[1], Standing::Done);
}

#[test]
fn a_lost_answer_and_a_lost_request_look_the_same() {
    let memory = acme().build();
    memory.script(Script::LoseAnswer(1));
    memory.script(Script::LoseRequest(2));
    respond(&memory, &ResponseAction::Scan { paths: vec![] }, &["on"]).unwrap();
    let done = respond(&memory, &ResponseAction::Contain, &["on"]).unwrap_err();
    let not_done = respond(&memory, &ResponseAction::Contain, &["off"]).unwrap_err();
    assert!(done.is_outcome_unknown() && not_done.is_outcome_unknown());
    assert_eq!(done.to_string(), not_done.to_string());
    let log: Vec<_> = memory.mutations().into_iter().map(|m| (m.verb, m.uid, m.call)).collect();
    assert_eq!(log, [("scan", "on".to_owned(), 0), ("contain", "on".to_owned(), 1)]);
    assert_eq!(memory.writes(), 3);
}

#[test]
fn one_host_can_spoil_a_call() {
    let memory = acme().build();
    memory.quirk("off", Quirk::RefusesCall(ErrorKind::Vendor));
    let error = respond(&memory, &ResponseAction::Contain, &["on", "off"]).unwrap_err();
    assert!(!error.is_outcome_unknown() && memory.mutations().is_empty());
    memory.quirk("off", Quirk::Unmentioned);
    let receipts = respond(&memory, &ResponseAction::Contain, &["on", "off"]).unwrap();
    assert_eq!(words(&receipts), ["accepted", "unknown"]);
    memory.quirk("on", Quirk::Fails);
    memory.settle();
    let seen = standings(&memory, &ResponseAction::Contain, &receipts);
    assert!(matches!(seen[0], Standing::Failed { .. }), "{seen:?}");
}

#[test]
fn what_says_nothing_is_refused_before_it_arrives() {
    let memory = acme().batch(2).without(Feature::FileFetch, "no such thing").build();
    for uids in [&[][..], &["on", "off", "gone"], &["on", "on"], &["on", " "]] {
        let error = respond(&memory, &ResponseAction::Contain, uids).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{uids:?}");
    }
    let blank = ResponseAction::Tag { tags: vec![" ".into()] };
    assert_eq!(respond(&memory, &blank, &["on"]).unwrap_err().kind(), ErrorKind::InvalidRequest);
    let fetch = ResponseAction::FetchFile { path: "/a".into() };
    assert_eq!(respond(&memory, &fetch, &["on"]).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(memory.writes(), 0);
}

#[test]
fn tags_come_and_go() {
    let memory = acme().build();
    let tag = ResponseAction::Tag { tags: vec!["web".into()] };
    let receipts = respond(&memory, &tag, &["on"]).unwrap();
    assert_eq!(standings(&memory, &tag, &receipts), [Standing::Done]);
    assert_eq!(words(&respond(&memory, &tag, &["on"]).unwrap()), ["already"]);
    let untag = ResponseAction::Untag { tags: vec!["web".into()] };
    assert_eq!(words(&respond(&memory, &untag, &["on"]).unwrap()), ["accepted"]);
    assert!(now(memory.host("on")).unwrap().tags.is_empty());
}

#[test]
fn alerts_change_as_asked_or_not_at_all() {
    let memory = acme().nearest(Verdict::Suspicious, Verdict::Disregard).build();
    let user = User { email: Some("a@example.com".into()), ..User::default() };
    let change = AlertChange::new()
        .status(AlertStatus::Resolved)
        .verdict(Verdict::TruePositive)
        .assignee(Assignee::User(user.clone()))
        .comment("seen")
        .add_label("x");
    assert_eq!(memory.alert_fit(&change).unwrap(), Fit::Exact);
    let receipts = now(memory.update_alerts(&change, &texts(&["a1", "a2"]))).unwrap();
    assert_eq!(words(&receipts), ["accepted", "refused"]);
    let alert = now(memory.alert("a1")).unwrap();
    assert_eq!((alert.status, alert.verdict), (AlertStatus::Resolved, Verdict::TruePositive));
    assert_eq!((alert.assignee, alert.comments.len()), (Some(user), 1));
    let lossy = AlertChange::new().verdict(Verdict::Suspicious);
    let error = now(memory.update_alerts(&lossy, &texts(&["a1"]))).unwrap_err();
    assert!(error.is_unsupported() && memory.writes() == 1, "{error}");
    now(memory.update_alerts(&lossy.nearest(), &texts(&["a1"]))).unwrap();
    assert_eq!(now(memory.alert("a1")).unwrap().verdict, Verdict::Disregard);
}

#[test]
fn missing_ids_are_named() {
    let found = now(acme().build().hosts_by_uid(&texts(&["off", "nobody", "on"]))).unwrap();
    let uids: Vec<_> = found.hosts.iter().map(|h| h.uid.as_str()).collect();
    assert_eq!((uids, found.missing), (vec!["off", "on"], texts(&["nobody"])));
}
