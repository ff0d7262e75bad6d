use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use edr_core::{ContainmentState, ErrorKind, Feature, InMemory, Quirk, ResponseAction, Script};

use super::crash::Frail;
use super::{Bench, contained, tenant};
use crate::respond::{Consent, Draft, Error, Event, Outcome, Plan};

const ALL: [&str; 8] = ["web-0", "web-1", "web-2", "web-3", "web-4", "web-5", "web-6", "web-7"];

async fn apply(bench: &Bench, plan: &Plan) -> crate::respond::Operation {
    bench.responder().apply(plan, &Consent::yes(100)).await.unwrap()
}

fn word(operation: &crate::respond::Operation, uid: &str) -> &'static str {
    operation.hosts.iter().find(|h| h.host.uid == uid).unwrap().outcome.as_str()
}

#[tokio::test]
async fn requests_are_as_large_as_the_vendor_takes_and_written_down_before() {
    let one = tenant("a", 8).batch(3).build();
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&ALL, &Draft::contain()).await;
    let operation = apply(&bench, &plan).await;
    assert_eq!((operation.counts().accepted, one.writes()), (8, 3));
    let words: Vec<&str> = bench
        .responder()
        .journal()
        .records()
        .unwrap()
        .iter()
        .map(|r| match r.event {
            Event::Began { .. } => "began",
            Event::Intended { .. } => "intended",
            Event::Answered { .. } => "answered",
            Event::Ended { .. } => "ended",
            _ => "other",
        })
        .collect();
    let pair = ["intended", "answered"];
    assert_eq!(words, [&["began"], &pair[..], &pair[..], &pair[..], &["ended"]].concat());
    assert_eq!(apply(&bench, &plan).await, operation, "once more changes nothing");
    assert_eq!(one.writes(), 3);
}

#[tokio::test]
async fn a_batch_that_is_refused_because_of_one_host_is_cut_down_to_it() {
    for kind in [ErrorKind::Vendor, ErrorKind::Conflict, ErrorKind::InvalidRequest] {
        let one = tenant("a", 8).build();
        one.quirk("a-web-5", Quirk::RefusesCall(kind));
        let bench = Bench::new([one.clone()]);
        let operation = apply(&bench, &bench.plan(&ALL, &Draft::contain()).await).await;
        assert_eq!((operation.counts().accepted, word(&operation, "a-web-5")), (7, "refused"), "{kind:?}");
        assert_eq!((contained(&one).len(), one.writes()), (7, 7), "8, 4, 4, 2, 1, 1, 2");
    }
}

#[tokio::test]
async fn who_asks_and_how_often_is_no_reason_to_ask_host_by_host() {
    for kind in [ErrorKind::RateLimited, ErrorKind::Permission, ErrorKind::Authentication] {
        let (one, two) =
            (tenant("a", 4).batch(2).build(), tenant("b", 0).host(super::host("b", "db")).build());
        one.script(Script::RefuseCall(0, kind));
        let bench = Bench::new([one.clone(), two.clone()]);
        let plan = bench.plan(&["web-0", "web-1", "web-2", "web-3", "db"], &Draft::contain()).await;
        let operation = apply(&bench, &plan).await;
        assert_eq!((one.writes(), contained(&two).len()), (1, 1), "{kind:?}: each tenant for itself");
        assert_eq!((operation.counts().not_sent, operation.counts().accepted), (4, 1));
        assert_eq!(operation.stopped[0].error.kind, kind);
        assert!(operation.is_open());
        let operation = apply(&bench, &plan).await;
        assert_eq!((operation.counts().accepted, contained(&one).len(), contained(&two).len()), (5, 4, 1));
        assert!(!operation.is_open() && operation.stopped.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_read_back_and_never_sent_on_a_guess() {
    for (script, writes) in [(Script::LoseAnswer(0), 1), (Script::LoseRequest(0), 2)] {
        let one = tenant("a", 3).build();
        one.script(script);
        let bench = Bench::new([one.clone()]);
        let operation = apply(&bench, &bench.plan(&ALL[..3], &Draft::contain()).await).await;
        assert_eq!((operation.counts().accepted, one.writes()), (3, writes), "{script:?}");
        assert_eq!(contained(&one).len(), 3, "{script:?}");
        assert!(operation.hosts.iter().all(|h| h.ours));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_seen_at_the_host_stays_unknown() {
    let one = tenant("a", 2).build();
    one.script(Script::LoseAnswer(0));
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&ALL[..2], &Draft::new(ResponseAction::Scan { paths: vec![] })).await;
    for _ in 0..3 {
        let operation = apply(&bench, &plan).await;
        assert_eq!(operation.counts().unknown, 2);
    }
    assert_eq!(one.writes(), 1, "nobody scans twice on a guess");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_the_answer_does_not_mention_is_read_back() {
    let one = tenant("a", 3).build();
    one.quirk("a-web-1", Quirk::Unmentioned);
    let bench = Bench::new([one.clone()]);
    let operation = apply(&bench, &bench.plan(&ALL[..3], &Draft::contain()).await).await;
    assert_eq!((operation.counts().accepted, contained(&one).len(), one.writes()), (3, 3, 1));
}

#[tokio::test]
async fn one_host_that_is_refused_keeps_nobody_back() {
    let one = tenant("a", 3).build();
    one.quirk("a-web-1", Quirk::Refused(ErrorKind::Conflict));
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&ALL[..3], &Draft::contain()).await;
    let operation = apply(&bench, &plan).await;
    assert!(
        matches!(&operation.hosts[1].outcome, Outcome::Refused { reason } if reason.contains("this host is refused"))
    );
    one.quirk("a-web-1", None);
    assert_eq!(apply(&bench, &plan).await.counts().accepted, 3, "taken up again, it is asked for once more");
    assert_eq!(contained(&one).len(), 3);
}

#[tokio::test]
async fn a_tenant_that_refuses_everything_is_not_asked_a_thousand_times() {
    let one = (0..200)
        .fold(InMemory::builder("a").batch(200), |b, i| b.host(super::host("a", &format!("web-{i}"))))
        .build();
    for i in 0..200 {
        one.quirk(&format!("a-web-{i}"), Quirk::RefusesCall(ErrorKind::Vendor));
    }
    let bench = Bench::new([one.clone()]);
    let names: Vec<String> = (0..200).map(|i| format!("web-{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let plan = bench.plan(&names, &Draft::contain()).await;
    let operation = bench.responder().apply(&plan, &Consent::yes(200)).await.unwrap();
    assert!(one.writes() < 60, "{} calls", one.writes());
    assert_eq!((operation.counts().failed, operation.counts().not_sent), (20, 180));
}

#[tokio::test]
async fn one_process_applies_a_plan() {
    let bench = Bench::new([tenant("a", 1).build()]);
    let plan = bench.plan(&["web-0"], &Draft::contain()).await;
    let (first, second) = (bench.responder(), bench.responder());
    let held = first.state().lock_plan(&plan.id, "bob@soc-2").unwrap();
    let error = second.apply(&plan, &Consent::yes(9)).await.unwrap_err();
    assert!(matches!(&error, Error::Busy { by, .. } if by.contains("bob@soc-2, process")), "{error}");
    drop(held);
    second.apply(&plan, &Consent::yes(9)).await.unwrap();
}

#[tokio::test]
async fn another_plan_under_the_same_id_is_refused() {
    let one = tenant("a", 2).build();
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&["web-0"], &Draft::contain()).await;
    apply(&bench, &plan).await;
    let mut other = bench.plan(&["web-1"], &Draft::contain()).await;
    other.id.clone_from(&plan.id);
    let error = bench.responder().apply(&other.seal().unwrap(), &Consent::yes(9)).await.unwrap_err();
    assert_eq!(error.rule(), Some(crate::respond::Rule::PlanEdited));
    assert_eq!(contained(&one), ["a-web-0"]);
}

#[tokio::test]
async fn an_unsupported_tenant_and_one_without_credentials_fail_alone() {
    let (one, two) =
        (tenant("a", 1).build(), tenant("b", 0).without(Feature::HostContain, "no licence").build());
    two.edit_hosts(|hosts| hosts.push(super::host("b", "db")));
    let bench = Bench::new([one, two]);
    let plan = bench.plan(&["web-0", "db"], &Draft::contain()).await;
    let operation = apply(&bench, &plan).await;
    assert_eq!((operation.counts().accepted, operation.counts().left_out), (1, 1));
}

#[tokio::test]
async fn processes_that_apply_at_the_same_time_share_the_journal_and_its_caps() {
    let one = tenant("a", 8).build();
    let mut bench = Bench::new([one.clone()]);
    bench.safety.per_hour = Some(5);
    let mut plans = Vec::new();
    for name in ALL {
        plans.push(bench.plan(&[name], &Draft::contain()).await);
    }
    let runs = plans.iter().map(|plan| {
        let responder = Arc::new(bench.responder());
        async move { responder.apply(plan, &Consent::yes(9)).await.is_ok() }
    });
    let ran = futures_util::future::join_all(runs).await;
    assert_eq!((ran.iter().filter(|ok| **ok).count(), contained(&one).len()), (5, 5));
    assert!(bench.responder().journal().verify().unwrap().fault.is_none());
}

#[tokio::test]
async fn a_host_that_somebody_else_contained_is_not_ours() {
    let one = tenant("a", 2).build();
    one.edit_hosts(|hosts| hosts[0].containment_state = ContainmentState::Contained);
    let bench = Bench::new([one.clone()]);
    let operation = apply(&bench, &bench.plan(&ALL[..2], &Draft::contain()).await).await;
    assert_eq!((operation.counts().already, operation.counts().accepted), (1, 1));
    assert_eq!(operation.hosts.iter().map(|h| h.ours).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_doubt_in_one_half_of_a_request_leaves_the_other_to_the_same_run() {
    let one = tenant("a", 8).build();
    one.script(Script::RefuseCall(0, ErrorKind::Conflict));
    one.script(Script::LoseAnswer(1));
    let bench = Bench::new([one.clone()]);
    let operation = apply(&bench, &bench.plan(&ALL, &Draft::contain()).await).await;
    assert_eq!((operation.counts().accepted, contained(&one).len(), one.writes()), (8, 8, 3));
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_that_left_nothing_to_do_comes_to_its_end() {
    let one = tenant("a", 2).build();
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&ALL[..2], &Draft::contain()).await;
    bench.die(&one, Script::LoseAnswer(0), &plan).await;
    assert!(bench.responder().operation(&plan.id).unwrap().ended.is_none());
    let operation = apply(&bench, &plan).await;
    assert_eq!((operation.counts().accepted, operation.ended.is_some()), (2, true));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_comes_out_of_doubt_within_a_run_waits_for_the_next() {
    let (one, blind) = (tenant("a", 2).batch(1).build(), Arc::<AtomicUsize>::default());
    let bench = Bench::of([Arc::new(Frail(one.clone(), blind.clone())) as Arc<dyn edr_core::EdrProvider>]);
    let plan = bench.plan(&ALL[..2], &Draft::contain()).await;
    bench.die(&one, Script::LoseRequest(0), &plan).await;
    one.edit_hosts(|hosts| hosts[0].roles = vec!["domain_controller".into()]);
    blind.store(1, Ordering::SeqCst);
    let operation = apply(&bench, &plan).await;
    assert_eq!(contained(&one), ["a-web-1"], "nobody looked at the other one before this run");
    assert_eq!(word(&operation, "a-web-0"), "waiting");
    let error = bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap_err();
    assert_eq!(error.rule(), Some(crate::respond::Rule::Moved));
}

#[tokio::test]
async fn what_is_no_id_is_no_file() {
    let bench = Bench::new([tenant("a", 1).build()]);
    let responder = bench.responder();
    for id in [
        "../../x",
        "/tmp/x",
        "",
        "x",
        "019cb7a1-0000-7000-8000-00000000000",
        "..cb7a1-0000-7000-8000-000000000000",
    ] {
        assert!(matches!(responder.plan_path(id), Err(Error::UnknownOperation(_))), "{id}");
        let confirmed = responder.confirm(id, &crate::respond::Waiting::default()).await;
        assert!(matches!(confirmed, Err(Error::UnknownOperation(_))), "{id}");
    }
    let plan = bench.plan(&["web-0"], &Draft::contain()).await;
    apply(&bench, &plan).await;
    assert_eq!(Plan::load(&responder.plan_path(&plan.id).unwrap()).unwrap(), plan);
}
