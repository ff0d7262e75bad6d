//! Fetched files: what lies there is not asked for again, and what is saved is written down at once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use edr_core::{InMemory, ResponseAction};

use super::flaky::{Fault, Flaky};
use super::{Bench, host};
use crate::respond::{Consent, Draft, Event, Fetched, HostOutcome, Outcome, Responder, Waiting};

/// A tenant with the host `{name}-0`.
fn one(name: &str) -> Flaky {
    Flaky::new(InMemory::builder(name).host(host(name, &format!("{name}-0"))).build())
}

fn bench(a: &Flaky, b: &Flaky) -> Bench {
    Bench::of([Arc::new(a.clone()) as _, Arc::new(b.clone()) as _])
}

/// An operation that has fetched a file of the host of each.
async fn fetched(both: [&Flaky; 2], bench: &Bench) -> String {
    let action = ResponseAction::FetchFile { path: "/etc/hosts".to_owned() };
    let plan = bench.plan(&["a-0", "b-0"], &Draft::new(action)).await;
    bench.responder().apply(&plan, &Consent::yes(2)).await.unwrap();
    both.into_iter().for_each(|one| one.inner.settle());
    let confirmed = bench.responder().confirm(&plan.id, &Waiting::default()).await.unwrap();
    let done = |h: &HostOutcome| h.outcome == Outcome::Done;
    assert!(confirmed.operation.hosts.iter().all(done), "{:?}", confirmed.operation.hosts);
    plan.id
}

async fn save(responder: &Responder, id: &str, out: &Path) -> Vec<Fetched> {
    responder.save_files(id, out).await.unwrap()
}

fn saved_in(bench: &Bench) -> usize {
    let records = bench.responder().journal().records().unwrap();
    records.iter().filter(|r| matches!(r.event, Event::Saved { .. })).count()
}

#[tokio::test]
async fn what_lies_there_whole_is_not_asked_for_again() {
    let (a, b) = (one("a"), one("b"));
    let bench = bench(&a, &b);
    let (id, out) = (fetched([&a, &b], &bench).await, tempfile::tempdir().unwrap());
    let first = save(&bench.responder(), &id, out.path()).await;
    let paths: Vec<_> = first.into_iter().map(|f| f.saved.unwrap().path).collect();
    a.begin(Fault::Files);
    b.begin(Fault::Files);
    let again = save(&bench.responder(), &id, out.path()).await;
    assert_eq!(again.into_iter().map(|f| f.saved.unwrap().path).collect::<Vec<_>>(), paths);
    assert_eq!(
        (a.calls(), b.calls(), saved_in(&bench)),
        (vec!["save a-a-0".into()], vec!["save b-b-0".into()], 2)
    );

    std::fs::write(&paths[0], "OF a-a-0").unwrap();
    let changed = save(&bench.responder(), &id, out.path()).await;
    assert!(changed[0].saved.is_err() && changed[1].saved.is_ok(), "what was changed is not what was saved");
    a.end(Fault::Files);
    let mended = save(&bench.responder(), &id, out.path()).await;
    assert!(mended[0].saved.is_ok());
    assert_eq!(std::fs::read_to_string(&paths[0]).unwrap(), "of a-a-0");
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(
        save(&bench.responder(), &id, elsewhere.path()).await[1].saved.is_err(),
        "in another folder it is not"
    );
}

#[tokio::test]
async fn a_tenant_that_is_not_chosen_is_not_told_of() {
    let (a, b) = (one("a"), one("b"));
    let bench = bench(&a, &b);
    let (id, out) = (fetched([&a, &b], &bench).await, tempfile::tempdir().unwrap());
    let alone = crate::Estate::of([Arc::new(a) as _]);
    let responder = Responder::builder(alone, bench.path()).open().unwrap();
    let files = save(&responder, &id, out.path()).await;
    assert_eq!(files.iter().map(|f| f.host.tenant.as_str()).collect::<Vec<_>>(), ["a"]);
    assert!(files[0].saved.is_ok());
}

#[tokio::test]
async fn a_file_is_written_down_though_another_never_ends() {
    let (a, b) = (one("a"), one("b"));
    let bench = bench(&a, &b);
    let (id, out) = (fetched([&a, &b], &bench).await, tempfile::tempdir().unwrap());
    b.begin(Fault::Stall);
    let responder = bench.responder();
    let killed =
        tokio::time::timeout(Duration::from_millis(300), responder.save_files(&id, out.path())).await;
    assert!(killed.is_err());
    let operation = bench.responder().operation(&id).unwrap();
    assert_eq!(operation.hosts.iter().map(|h| h.saved.is_some()).collect::<Vec<_>>(), [true, false]);
}
