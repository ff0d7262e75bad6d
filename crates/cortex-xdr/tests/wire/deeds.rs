//! Orders and changes by the common contract: what is sent, how often, and what an answer means.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cortex_xdr::{CortexXdr, Generation};
use edr_core::{
    AlertChange, AlertStatus, Answer, Because, EdrProvider as _, ErrorKind, Feature, ProcessRef, Receipt,
    ResponseAction, Standing, Target, Verdict,
};
use edr_http::{MemoryTransport, TransportError, TransportErrorKind};
use serde_json::{Value, json};

use crate::common::{Answer as Wire, Log, Seen, builder, error, host, ok, tenant};

fn id(number: u64) -> String {
    format!("{number:032x}")
}

fn ids(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(|n| id(*n)).collect()
}

/// Endpoints 0 to 9, of which 1 is isolated, 2 on its way back, 3 offline and 4 uninstalled.
fn endpoints(seen: &Seen) -> Wire {
    let asked = seen.data["filters"][0]["value"].as_array().unwrap();
    let known = (0..10).filter(|n| asked.contains(&json!(id(*n))));
    let one = |n: u64| {
        let mut host = host(n);
        host["is_isolated"] = json!(match n {
            1 => "AGENT_ISOLATED",
            2 => "AGENT_PENDING_ISOLATION_CANCELLATION",
            _ => "AGENT_UNISOLATED",
        });
        host["endpoint_status"] = json!(match n {
            3 => "DISCONNECTED",
            4 => "UNINSTALLED",
            _ => "CONNECTED",
        });
        host["os_type"] = json!(if n == 5 { "AGENT_OS_WINDOWS" } else { "AGENT_OS_LINUX" });
        host
    };
    let all: Vec<Value> = known.map(one).collect();
    ok(&json!({"reply": {"total_count": all.len(), "result_count": all.len(), "endpoints": all}}))
}

/// A tenant with those endpoints, whose other calls are answered by the handler.
fn estate(other: impl Fn(&Seen) -> Wire + Send + Sync + 'static) -> (CortexXdr, Log) {
    tenant(move |seen| if seen.is("get_endpoint") { endpoints(seen) } else { other(seen) })
}

fn started(count: usize) -> Wire {
    ok(&json!({"reply": {"action_id": "77", "status": 1, "endpoints_count": count}}))
}

fn words(receipts: &[Receipt]) -> Vec<&'static str> {
    let word = |answer: &Answer| match answer {
        Answer::Accepted => "accepted",
        Answer::Already => "already",
        Answer::Refused(error) => error.kind().as_str(),
        _ => "unknown",
    };
    receipts.iter().map(|r| word(&r.answer)).collect()
}

/// The calls that are no reading of endpoints.
fn orders(log: &Log) -> Vec<Seen> {
    log.all().into_iter().filter(|seen| !seen.is("get_endpoint")).collect()
}

#[tokio::test(start_paused = true)]
async fn only_endpoints_that_can_take_an_order_are_in_it() {
    let (cortex, log) = estate(|_| started(2));
    let asked = ids(&[3, 1, 2, 4, 99, 0]);
    let because = Because::new().reason("ransomware").case("42");
    let receipts = cortex.respond(&ResponseAction::Contain, &asked, &because).await.unwrap();
    assert_eq!(words(&receipts), ["accepted", "already", "conflict", "conflict", "not_found", "accepted"]);
    assert!(!receipts[1].ordered, "it was seen before, and is in no order");
    assert!(receipts.iter().zip(&asked).all(|(r, id)| r.uid == *id));
    assert_eq!((receipts[0].handle.as_deref(), receipts[1].handle.as_deref()), (Some("77"), None));
    let sent = orders(&log);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].data["filters"][0]["value"], json!(ids(&[3, 0])));
    assert_eq!(sent[0].data["incident_id"], "42");
    // Nothing is left to do: nothing is sent.
    let none = cortex.respond(&ResponseAction::Contain, &ids(&[1]), &because).await.unwrap();
    assert_eq!((words(&none), orders(&log).len()), (vec!["already"], 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_whole_did_nothing() {
    let refusal = |_: &Seen| error(500, "No endpoint was found for creating the requested action");
    let (cortex, log) = estate(refusal);
    let error = cortex.respond(&ResponseAction::Contain, &ids(&[0, 6]), &Because::new()).await.unwrap_err();
    assert!(error.is_not_found() && !error.is_outcome_unknown(), "{error}");
    let alone = cortex.respond(&ResponseAction::Contain, &ids(&[0]), &Because::new()).await.unwrap();
    assert_eq!(words(&alone), ["not_found"]);
    assert_eq!(orders(&log).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_in_doubt_when_the_endpoints_cannot_be_read_after_it() {
    const PENDING: &str = "The action cannot be created: an isolation is already pending on the endpoint";
    const NONE: &str = "No endpoint was found for creating the requested action";
    type After = fn(&Seen) -> Wire;
    let unread: After = |_| error(403, "no");
    let odd: After = |_| {
        let row = format!(r#"{{"endpoint_id": "{}", "endpoint_name": }}"#, id(0));
        let text = format!(r#"{{"reply": {{"total_count": 1, "result_count": 1, "endpoints": [{row}]}}}}"#);
        MemoryTransport::json(200, &text)
    };
    let returning: After = |seen| {
        let mut host = host(0);
        host["endpoint_id"] = seen.data["filters"][0]["value"][0].clone();
        host["is_isolated"] = json!("AGENT_PENDING_ISOLATION_CANCELLATION");
        ok(&json!({"reply": {"total_count": 1, "result_count": 1, "endpoints": [host]}}))
    };
    let cases: [(&'static str, After, &str); 6] = [
        (PENDING, unread, "unknown"),
        (NONE, unread, "unknown"),
        (NONE, odd, "unknown"),
        (NONE, endpoints, "not_found"),
        (PENDING, endpoints, "conflict"),
        (PENDING, returning, "conflict"),
    ];
    for (number, (refusal, after, told)) in cases.into_iter().enumerate() {
        let refused = AtomicU64::new(0);
        let (cortex, log) = tenant(move |seen| match seen.is("get_endpoint") {
            true if refused.load(SeqCst) == 0 => endpoints(seen),
            true => after(seen),
            false => {
                refused.fetch_add(1, SeqCst);
                error(500, refusal)
            }
        });
        // The first was isolated before: what is known of it is in no doubt.
        let asked = ids(&[1, 0]);
        let receipts = cortex.respond(&ResponseAction::Contain, &asked, &Because::new()).await.unwrap();
        assert_eq!(words(&receipts), ["already", told], "case {number}");
        assert!(!receipts[0].ordered, "case {number}");
        if let Answer::Unknown(error) = &receipts[1].answer {
            assert!(error.is_outcome_unknown() && error.to_string().contains("next: "), "{error}");
        }
        assert_eq!(orders(&log).len(), 1, "case {number}");
    }
    // Two in an order, and the end of an isolation: all of them are in doubt, and nothing is sent again.
    for (action, asked) in [(ResponseAction::Contain, [0, 6]), (ResponseAction::Release, [1, 1])] {
        let refused = AtomicU64::new(0);
        let (cortex, log) = tenant(move |seen| match (seen.is("get_endpoint"), refused.load(SeqCst)) {
            (true, 0) => endpoints(seen),
            (true, _) => error(403, "no"),
            (false, _) => {
                refused.fetch_add(1, SeqCst);
                error(500, NONE)
            }
        });
        let mut asked = ids(&asked);
        asked.dedup();
        let receipts = cortex.respond(&action, &asked, &Because::new()).await.unwrap();
        assert!(words(&receipts).iter().all(|word| *word == "unknown"), "{receipts:?}");
        assert_eq!((receipts.len(), orders(&log).len()), (asked.len(), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_sent_once_and_is_unknown() {
    let lost: [fn(&Seen) -> Wire; 4] = [
        |_| Err(TransportError::new(TransportErrorKind::Interrupted)),
        |_| MemoryTransport::json(504, "<html>"),
        |_| error(500, "Internal server error"),
        |_| MemoryTransport::json(200, "{\"reply\":"),
    ];
    for answer in lost {
        let (cortex, log) = estate(answer);
        let contained = cortex.respond(&ResponseAction::Contain, &ids(&[0]), &Because::new()).await;
        assert!(contained.unwrap_err().is_outcome_unknown());
        let change = AlertChange::new().status(AlertStatus::New);
        assert!(cortex.update_alerts(&change, &["5".into()]).await.unwrap_err().is_outcome_unknown());
        assert_eq!(orders(&log).len(), 2);
    }
    // The reading before the order may fail without harm.
    let (cortex, log) = tenant(|_| error(403, "no"));
    let denied = cortex.respond(&ResponseAction::Contain, &ids(&[0]), &Because::new()).await.unwrap_err();
    assert!(denied.is_permission() && !denied.is_outcome_unknown() && orders(&log).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_order_for_fewer_than_were_named_is_in_doubt() {
    let (cortex, _) = estate(|_| started(1));
    let receipts = cortex.respond(&ResponseAction::Contain, &ids(&[0, 6]), &Because::new()).await.unwrap();
    assert_eq!(words(&receipts), ["unknown", "unknown"]);
    assert_eq!(receipts[0].handle.as_deref(), Some("77"), "what was begun can be followed");
}

#[tokio::test(start_paused = true)]
async fn tags_go_one_by_one_and_a_break_between_is_in_doubt() {
    let calls = AtomicU64::new(0);
    let (cortex, log) = estate(move |_| match calls.fetch_add(1, SeqCst) {
        2.. => error(403, "no"),
        _ => ok(&json!({"reply": true})),
    });
    let tag = |tags: &[&str]| ResponseAction::Tag { tags: tags.iter().map(|t| (*t).to_owned()).collect() };
    let receipts = cortex.respond(&tag(&["a"]), &ids(&[0, 1]), &Because::new()).await.unwrap();
    assert_eq!(words(&receipts), ["accepted", "accepted"], "what is isolated can be tagged");
    let broken = cortex.respond(&tag(&["b", "c"]), &ids(&[0]), &Because::new()).await.unwrap_err();
    assert!(broken.is_permission() && broken.is_outcome_unknown(), "{broken}");
    let first = cortex.respond(&tag(&["d", "e"]), &ids(&[0]), &Because::new()).await.unwrap_err();
    assert!(!first.is_outcome_unknown(), "nothing was done before it");
    let sent: Vec<_> = orders(&log).iter().map(|s| s.data["tag"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sent, ["a", "b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn files_processes_and_scripts() {
    let (cortex, log) = estate(|seen| match seen.path.rsplit('/').next().unwrap() {
        "get_scripts" => ok(&json!({"reply": {"scripts": [
            {"name": "collect", "script_uid": "u1"}, {"name": "collect more", "script_uid": "u2"},
            {"name": "twice", "script_uid": "u3"}, {"name": "twice", "script_uid": "u4"}]}})),
        _ => started(1),
    });
    let act = async |action: ResponseAction, hosts: &[u64]| {
        cortex.respond(&action, &ids(hosts), &Because::new()).await
    };
    let fetch = ResponseAction::FetchFile { path: "/etc/hosts".into() };
    act(fetch, &[5]).await.unwrap();
    let sha256 = "ab".repeat(32);
    let quarantine = |sha256| ResponseAction::QuarantineFile { path: "/tmp/x".into(), sha256 };
    act(quarantine(Some(sha256.clone())), &[0]).await.unwrap();
    let kill = |process| ResponseAction::KillProcess { process };
    act(kill(ProcessRef::Uid("inst".into())), &[0]).await.unwrap();
    cortex.order_fit(&kill(ProcessRef::Uid("inst".into()))).unwrap();
    let run = |script: &str| ResponseAction::RunScript {
        script: script.into(),
        args: vec![("path".into(), "/tmp".into())],
    };
    act(run("collect"), &[0]).await.unwrap();
    let sent = orders(&log);
    assert_eq!(sent[0].data["files"], json!({"windows": ["/etc/hosts"]}));
    assert_eq!(sent[1].data["file_hash"], json!(sha256));
    assert_eq!(sent[2].data, json!({"agent_id": id(0), "instance_id": "inst"}));
    assert_eq!(sent[4].data["script_uid"], "u1");
    assert_eq!(sent[4].data["parameters_values"], json!({"path": "/tmp"}));
    let before = orders(&log).len();
    for (action, kind) in [
        (kill(ProcessRef::Pid(7)), ErrorKind::Unsupported),
        (quarantine(None), ErrorKind::InvalidRequest),
        (ResponseAction::Scan { paths: vec!["/tmp".into()] }, ErrorKind::Unsupported),
    ] {
        let fits = cortex.order_fit(&action).is_ok();
        assert_eq!(fits, kind != ErrorKind::Unsupported, "{action:?}");
        let refused = act(action, &[0]).await.unwrap_err();
        assert!(refused.kind() == kind && refused.tenant().is_some(), "{refused}");
    }
    assert_eq!(orders(&log).len(), before, "refused before the wire");
    assert_eq!(act(run("twice"), &[0]).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert_eq!(act(run("nothing"), &[0]).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!orders(&log).iter().any(|s| s.data["script_uid"] == "u3"));
}

fn script(args: &[(&str, &str)]) -> ResponseAction {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ResponseAction::RunScript { script: id(7), args }
}

#[tokio::test(start_paused = true)]
async fn the_values_of_a_script_stand_in_nothing_that_is_told_of_the_order() {
    let action = script(&[("password", "hunter 2"), ("empty", "")]);
    let told = async |answer: fn(&Seen) -> Wire, hosts: &[u64]| {
        let (cortex, log) = estate(answer);
        let receipts = cortex.respond(&action, &ids(hosts), &Because::new()).await;
        assert_eq!(orders(&log).len(), 1, "it is sent once");
        match receipts {
            Ok(receipts) => {
                let answer = |r: &Receipt| match &r.answer {
                    Answer::Refused(error) | Answer::Unknown(error) => error.to_string(),
                    other => format!("{other:?}"),
                };
                format!("{receipts:?} {}", receipts.iter().map(answer).collect::<String>())
            }
            Err(error) => format!("{error:?} {error}"),
        }
    };
    let all: [fn(&Seen) -> Wire; 4] = [
        |_| error(400, "invalid value 'hunter 2' for parameter password"),
        |_| error(500, "Internal server error: run(HUNTER%202)"),
        |_| {
            let extra = json!([{"loc": ["body", "password"], "msg": "'hunter 2' is no path"}]);
            ok(&json!({"reply": {"err_code": 500, "err_msg": "Validation", "err_extra": extra}}))
        },
        |_| error(500, "No endpoint was found for 'hunte"),
    ];
    for answer in all {
        for hosts in [&[0][..], &[0, 6]] {
            let text = told(answer, hosts).await;
            assert!(!text.to_lowercase().contains("hunt") && text.contains("left out"), "{text}");
            assert!(
                text.contains("HTTP 400") || text.contains("500"),
                "the status or the code stays: {text}"
            );
        }
    }
    let plain = told(|_| error(500, "No endpoint was found"), &[0]).await;
    assert!(plain.contains("No endpoint was found") && !plain.contains("left out"), "{plain}");
}

#[tokio::test(start_paused = true)]
async fn the_values_of_a_script_stand_in_nothing_that_is_told_of_its_results() {
    let results = |seen: &Seen| match seen.data["action_id"].as_u64() {
        Some(77) => {
            let result = |n: u64, state: &str| json!({"endpoint_id": id(n), "execution_status": state});
            let all = [result(0, "FAILED"), result(6, "TIMEOUT"), result(7, "COMPLETED_SUCCESSFULLY")];
            ok(&json!({"reply": {"error_message": "login('hunter 2') failed ", "results": all}}))
        }
        Some(78) => error(500, "No action was found for 'hunter 2'"),
        _ => error(403, "not for 'hunter 2'"),
    };
    let (cortex, _) = estate(results);
    // The journal keeps the names alone, and a caller may know nothing.
    for action in [script(&[("password", "hunter 2")]), script(&[("password", "[left out]")]), script(&[])] {
        let seen = async |n: u64, handle: &str| {
            let mut target = Target::new(id(n));
            target.handle = Some(handle.to_owned());
            cortex.progress(&action, &[target]).await.map(|mut all| all.remove(0).standing)
        };
        let failed = |why: &str| Standing::Failed {
            reason: format!(
                "{why}; the service says why in 24 bytes: read the action 77 in the vendor's console"
            ),
        };
        assert_eq!(seen(0, "77").await.unwrap(), failed("the endpoint says that it failed"));
        assert_eq!(seen(6, "77").await.unwrap(), failed("the endpoint did not answer in time"));
        assert_eq!(seen(7, "77").await.unwrap(), Standing::Done);
        let Standing::Unknown { word } = seen(0, "78").await.unwrap() else { panic!("it is lost") };
        assert!(word.contains("invalid request") && word.contains("HTTP 500"), "{word}");
        let denied = seen(0, "79").await.unwrap_err();
        assert!(
            denied.to_string().contains("role lacks") && denied.is_permission(),
            "our words stay: {denied}"
        );
        let text = format!("{word} {denied} {denied:?}");
        assert!(!text.contains("hunter") && text.contains("left out"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_is_followed_in_few_calls() {
    let polls = AtomicU64::new(0);
    let (cortex, log) = estate(move |seen| match seen.data["group_action_id"].as_u64() {
        Some(77) if polls.fetch_add(1, SeqCst) == 0 => ok(&json!({"reply": {"data": {}}})),
        Some(77) => ok(&json!({"reply": {"data": {id(0): "IN_PROGRESS", id(3): "PENDING", id(6): "FAILED"},
            "errorReasons": {id(6): {"errorDescription": "disk full"}}}})),
        _ => error(500, "No action was found for the given group_action_id"),
    });
    let scan = ResponseAction::Scan { paths: vec![] };
    let target = |n: u64, handle: Option<&str>| {
        let mut target = Target::new(id(n));
        target.handle = handle.map(str::to_owned);
        target
    };
    let targets =
        [target(0, Some("77")), target(3, Some("77")), target(6, Some("77")), target(7, Some("78"))];
    let seen = async || {
        let all = cortex.progress(&scan, &targets).await.unwrap();
        all.into_iter().map(|p| p.standing).collect::<Vec<Standing>>()
    };
    let first = seen().await;
    assert_eq!(first[..3], [Standing::Pending, Standing::PendingOffline, Standing::Pending]);
    assert!(matches!(&first[3], Standing::Unknown { word } if word.contains("No action")), "{first:?}");
    let second = seen().await;
    let failed = Standing::Failed { reason: "disk full".into() };
    assert_eq!(second[..3], [Standing::Running, Standing::PendingOffline, failed]);
    assert_eq!(log.len(), 6, "one reading of endpoints and a question for each action");
    let contained = cortex.progress(&ResponseAction::Contain, &[target(1, Some("77"))]).await.unwrap();
    assert_eq!(
        (contained[0].standing.clone(), log.len()),
        (Standing::Done, 7),
        "the endpoint itself shows it"
    );
}

#[tokio::test(start_paused = true)]
async fn endpoints_by_id_are_read_a_hundred_a_call() {
    let (cortex, log) = estate(|_| started(0));
    let mut asked: Vec<String> = (0..150).map(id).collect();
    asked.reverse();
    let found = cortex.hosts_by_uid(&asked).await.unwrap();
    let uids: Vec<_> = found.hosts.iter().map(|h| h.uid.clone()).collect();
    assert_eq!(uids, (0..10).rev().map(id).collect::<Vec<_>>());
    assert_eq!((found.missing.len(), log.len()), (140, 2));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_cannot_be_decoded_spoils_no_other() {
    let (cortex, log) = tenant(|seen| match seen.is("get_endpoint") {
        true => {
            let odd = format!(r#"{{"endpoint_id": "{}", "endpoint_name": }}"#, id(1));
            let rows = format!("{},{odd}", host(0));
            let text =
                format!(r#"{{"reply": {{"total_count": 2, "result_count": 2, "endpoints": [{rows}]}}}}"#);
            MemoryTransport::json(200, &text)
        }
        false => started(1),
    });
    let found = cortex.hosts_by_uid(&ids(&[0, 1, 2])).await.unwrap();
    assert_eq!((found.hosts.len(), found.missing.clone()), (1, ids(&[2])));
    assert!(found.why_unreadable(&id(1)).is_some(), "{found:?}");
    let receipts = cortex.respond(&ResponseAction::Contain, &ids(&[0, 1, 2]), &Because::new()).await.unwrap();
    assert_eq!(words(&receipts), ["accepted", "decode", "not_found"]);
    assert_eq!(orders(&log).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_endpoint_has_brought_is_saved() {
    let (cortex, _) = estate(|seen| {
        if seen.is("file_retrieval_details") {
            let link = "https://api-acme.xdr.eu.paloaltonetworks.com/public_api/v1/download/t0ken";
            return ok(&json!({"reply": {"data": {id(0): link, id(1): ""}}}));
        }
        MemoryTransport::pieces(200, vec![Ok("PK..".into())])
    });
    let folder = tempfile::tempdir().unwrap();
    let save = async |n: u64, handle: Option<&str>| {
        let mut target = Target::new(id(n));
        target.handle = handle.map(str::to_owned);
        cortex.save_file(&target, &folder.path().join("web")).await
    };
    for (n, handle) in [(0, None), (1, Some("77")), (2, Some("77"))] {
        let error = save(n, handle).await.unwrap_err();
        assert!(error.is_not_found() && error.tenant().is_some(), "{error}");
    }
    let saved = save(0, Some("77")).await.unwrap();
    assert_eq!((saved.path.clone(), saved.bytes), (folder.path().join("web.zip"), 4));
    assert_eq!(std::fs::read(&saved.path).unwrap(), b"PK..");
}

#[tokio::test(start_paused = true)]
async fn alerts_that_the_answer_does_not_name_were_not_there() {
    let (three, log) = estate(|seen| match seen.data["alert_id_list"].as_array().map(Vec::len) {
        Some(1) => error(500, "No alerts were found for the given alert_id_list"),
        _ => ok(&json!({"reply": {"alerts_ids": ["5"]}})),
    });
    let change = AlertChange::new().status(AlertStatus::Resolved).verdict(Verdict::Duplicate).comment("as 4");
    let two = three.update_alerts(&change, &["5".into(), "6".into()]).await.unwrap();
    assert_eq!(words(&two), ["accepted", "not_found"]);
    let none = three.update_alerts(&change, &["6".into()]).await.unwrap();
    assert_eq!(words(&none), ["not_found"]);
    assert_eq!(log.all()[0].data["update_data"], json!({"status": "resolved_duplicate", "comment": "as 4"}));
    let (builder, log) = builder(|_| MemoryTransport::json(204, ""));
    let five = builder.generation(Generation::Xdr5).build().unwrap();
    assert_eq!(five.capabilities().batch(Feature::AlertUpdate), 1);
    assert!(!five.capabilities().has(Feature::ProcessKill));
    assert_eq!(words(&five.update_alerts(&change, &["5".into()]).await.unwrap()), ["accepted"]);
    assert_eq!(log.paths(), ["v1/issue/5"]);
    let reason = &log.all()[0].data["update_data"]["status_resolution_reason"];
    assert_eq!(reason, "Resolved - Duplicate");
}
