//! What the handles of Real Time Response send, and what they never send twice.

use std::time::Duration;

use edr_core::ErrorKind;
use edr_http::{TransportError, TransportErrorKind};
use serde_json::json;

use super::{BatchOptions, Ran, Session, SessionOptions};
use crate::Falcon;
use crate::api::rtr::{BaseCommand, Command, Level, MAX_HOSTS, Wait};
use crate::testing::{Answer, Log, Sent, device_id, falcon, json as answer};

const SESSIONS: &str = "/real-time-response/entities/sessions/v1";
const REFRESH: &str = "/real-time-response/entities/refresh-session/v1";
const COMMAND: &str = "/real-time-response/entities/command/v1";
const BATCH: &str = "/real-time-response/combined/batch-init-session/v1";
const BATCH_COMMAND: &str = "/real-time-response/combined/batch-command/v1";

const MINUTE: Duration = Duration::from_secs(60);

fn lost() -> Answer {
    Err(TransportError::new(TransportErrorKind::Interrupted))
}

fn rows(status: u16, rows: &serde_json::Value) -> Answer {
    answer(status, &json!({"meta": {}, "resources": rows, "errors": []}).to_string())
}

fn begun() -> Answer {
    rows(201, &json!([{"session_id": "s-1", "pwd": "C:\\", "offline_queued": false}]))
}

fn taken() -> Answer {
    rows(201, &json!([{"cloud_request_id": "r-1", "queued_command_offline": false}]))
}

fn piece(stdout: &str, complete: bool) -> Answer {
    rows(200, &json!([{"stdout": stdout, "stderr": "", "complete": complete}]))
}

/// A host whose commands are answered by the closure, by sequence and by how often anything was asked.
fn host(says: impl Fn(u32, usize) -> Answer + Send + Sync + 'static) -> (Falcon, Log) {
    let log = std::sync::Mutex::new(0);
    falcon(move |sent| match (sent.method.as_str(), sent.path.as_str()) {
        ("POST", SESSIONS | REFRESH) => begun(),
        ("POST", _) => taken(),
        _ => {
            let mut asked = log.lock().unwrap();
            *asked += 1;
            says(sent.get("sequence_id").unwrap().parse().unwrap(), *asked)
        }
    })
}

async fn session(acme: &Falcon) -> Session {
    acme.client().rtr_session(&device_id(1), &SessionOptions::default()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn pieces_are_asked_for_in_order_until_the_last() {
    let (acme, log) = host(|sequence, asked| match (asked, sequence) {
        (1..=3, 0) => piece("", false),
        (_, 0) => piece("one ", false),
        (_, 1) => piece("two ", false),
        _ => piece("three", true),
    });
    let session = session(&acme).await;
    let ran = session.run(Level::ReadOnly, &Command::ls("C:\\"), MINUTE).await.unwrap();
    let output = ran.output().unwrap();
    assert_eq!((output.stdout.as_str(), output.pieces), ("one two three", 3));
    let asked: Vec<String> =
        log.to(COMMAND).iter().filter_map(|s| s.get("sequence_id").map(str::to_owned)).collect();
    assert_eq!(asked, ["0", "0", "0", "0", "1", "2"]);
    let sent: Vec<Sent> = log.to(COMMAND).into_iter().filter(|s| s.method == "POST").collect();
    assert_eq!(
        sent[0].json(),
        json!({"base_command": "ls", "command_string": "ls C:\\", "device_id": device_id(1), "id": 0,
            "persist": false, "session_id": "s-1"})
    );
}

#[tokio::test(start_paused = true)]
async fn a_command_that_goes_on_is_kept_awake_and_can_be_taken_up_again() {
    let (acme, log) = host(|_, asked| if asked < 400 { piece("", false) } else { piece("done", true) });
    let session = session(&acme).await;
    let ran = session.run(Level::ReadOnly, &Command::new(BaseCommand::Ps), 16 * MINUTE).await.unwrap();
    let Ran::Running { ticket, so_far, because: None } = ran else { panic!("{ran:?}") };
    assert_eq!((ticket.cloud_request_id.as_str(), so_far.pieces), ("r-1", 0));
    assert_eq!(log.to(REFRESH).len(), 3, "a word every five minutes");
    let later = acme.client().rtr_follow(&ticket, 60 * MINUTE).await;
    assert_eq!(later.output().unwrap().stdout, "done");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_open_and_the_command_is_not_sent_again() {
    for lose in [
        lost as fn() -> Answer,
        || answer(500, r#"{"errors":[{"code":500,"message":"no"}]}"#),
        || answer(201, "<html>"),
    ] {
        let (acme, log) = falcon(move |sent| if sent.path == SESSIONS { begun() } else { lose() });
        let ran = session(&acme).await.run(Level::ReadOnly, &Command::ls("/"), MINUTE).await.unwrap();
        assert!(matches!(ran, Ran::Unknown(_)), "{ran:?}");
        assert_eq!(log.to(COMMAND).len(), 1);
    }
    // That it was refused, or never left, is no open question.
    let (acme, log) = falcon(|sent| match sent.path.as_str() {
        SESSIONS => begun(),
        _ => answer(404, r#"{"errors":[{"code":40402,"message":"session not found"}]}"#),
    });
    assert!(
        session(&acme)
            .await
            .run(Level::ReadOnly, &Command::ls("/"), MINUTE)
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert_eq!(log.to(COMMAND).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_on_keeps_its_ticket() {
    let (acme, _) = host(|sequence, _| if sequence == 0 { piece("one", false) } else { answer(403, "{}") });
    let ran = session(&acme).await.run(Level::ReadOnly, &Command::ls("/"), MINUTE).await.unwrap();
    let Ran::Running { ticket, so_far, because: Some(error) } = ran else { panic!("{ran:?}") };
    assert_eq!((ticket.cloud_request_id.as_str(), so_far.stdout.as_str()), ("r-1", "one"));
    assert!(error.is_permission());
}

#[tokio::test(start_paused = true)]
async fn a_session_is_begun_again_after_a_lost_answer() {
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let (acme, log) = falcon(move |_| match tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => lost(),
        _ => begun(),
    });
    assert_eq!(session(&acme).await.id(), "s-1");
    assert_eq!(log.to(SESSIONS).len(), 2);
    let sent = &log.to(SESSIONS)[0];
    assert_eq!((sent.get("timeout"), sent.get("timeout_duration")), (Some("30"), Some("30s")));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_is_not_sent() {
    let (acme, log) = host(|_, _| piece("", true));
    let session = session(&acme).await;
    for (level, command, says) in [
        (Level::ReadOnly, Command::new(BaseCommand::Rm).arg("x"), "active responder"),
        (Level::ActiveResponder, Command::put("x"), "administrator"),
        (Level::ActiveResponder, Command::raw_script("x"), "administrator"),
        (Level::Admin, Command::ls("a\"b"), "double quote"),
    ] {
        let error = session.run(level, &command, MINUTE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(log.all().iter().all(|s| !s.path.ends_with("command/v1")), "something was sent");
    for level in [Level::ReadOnly, Level::ActiveResponder, Level::Admin] {
        session.run(level, &Command::ls("x"), MINUTE).await.unwrap();
    }
    for path in ["command", "active-responder-command", "admin-command"] {
        assert_eq!(log.to(&format!("/real-time-response/entities/{path}/v1")).len(), 2, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn work_beside_a_session_keeps_it_awake() {
    let (acme, log) = host(|_, _| piece("", true));
    let session = session(&acme).await;
    let done = session.keep_alive(async {
        tokio::time::sleep(23 * MINUTE).await;
        7
    });
    assert_eq!(done.await.unwrap(), 7);
    assert_eq!(log.to(REFRESH).len(), 4);
}

/// What a batch answers for each host that it was asked about.
fn for_each(sent: &Sent, key: &str, row: impl Fn(&str) -> Option<serde_json::Value>) -> serde_json::Value {
    let body = sent.json();
    let hosts = body[key].as_array().cloned().unwrap_or_default();
    let rows = hosts.iter().filter_map(|h| Some((h.as_str()?.to_owned(), row(h.as_str()?)?)));
    rows.collect::<serde_json::Map<_, _>>().into()
}

fn initialised(sent: &Sent) -> Answer {
    let last = device_id(4);
    let rows = for_each(sent, "host_ids", |id| match id {
        id if id == last => None,
        id if id.ends_with('3') => Some(
            json!({"aid": id, "task_id": "t", "errors": [{"code": 40401, "message": "Could not establish sensor comms"}]}),
        ),
        id => Some(json!({"session_id": format!("s-{id}"), "complete": true, "errors": []})),
    });
    let id = sent.json()["host_ids"][0].clone();
    answer(201, &json!({"meta": {}, "batch_id": id, "resources": rows, "errors": []}).to_string())
}

#[tokio::test(start_paused = true)]
async fn each_host_of_a_batch_has_its_word() {
    let (acme, log) = falcon(|sent| match sent.path.as_str() {
        BATCH => initialised(sent),
        _ => {
            let rows = json!({device_id(2): {"stdout": "two", "complete": true},
                device_id(1): {"complete": true, "errors": [{"message": "Some error"}]}});
            let beside = json!([{"code": 40401, "message": "Could not establish sensor comms"}]);
            answer(201, &json!({"meta": {}, "combined": {"resources": rows}, "errors": beside}).to_string())
        }
    });
    let hosts: Vec<String> = [2, 1, 3, 4, 5].map(device_id).into();
    let options =
        BatchOptions { wait: Wait { overall: 9 * MINUTE, host: Some(10 * MINUTE) }, ..Default::default() };
    let batch = acme.client().rtr_batch(&hosts, &options).await.unwrap();
    assert_eq!(batch.hosts(), [&hosts[0], &hosts[1], &hosts[4]]);
    assert_eq!(batch.opened().refused[0].id, hosts[2]);
    assert_eq!(batch.opened().unanswered, [device_id(4)], "nothing was said of it");
    let sent = &log.to(BATCH)[0];
    assert_eq!(sent.get("timeout_duration"), Some("300s"), "five minutes at most");
    assert_eq!(sent.get("host_timeout_duration"), Some("300s"));

    let ran = batch.run(Level::ReadOnly, &Command::new(BaseCommand::Ps)).await.unwrap();
    assert_eq!(
        ran.done.iter().map(|(id, row)| (id, row.stdout.as_deref())).collect::<Vec<_>>(),
        [(&hosts[0], Some("two"))]
    );
    assert_eq!((ran.refused[0].id.as_str(), ran.unanswered.len()), (hosts[1].as_str(), 1));
    assert_eq!(ran.errors.len(), 1, "what is said of none of them");
    let named = json!([hosts[0], hosts[1], hosts[4]]);
    assert_eq!(log.to(BATCH_COMMAND)[0].json()["optional_hosts"], named, "the batch may hold the others");
    let some =
        batch.run_on(Level::ReadOnly, &Command::new(BaseCommand::Ps), &[&hosts[1], &hosts[2]]).await.unwrap();
    assert_eq!(
        (some.unsent, log.to(BATCH_COMMAND)[1].json()["optional_hosts"].clone()),
        (vec![device_id(3)], json!([hosts[1]]))
    );
}

#[tokio::test(start_paused = true)]
async fn many_hosts_are_several_batches_and_a_lost_answer_ends_the_round() {
    let hosts: Vec<String> = (100_000..100_000 + 2 * MAX_HOSTS as u64 + 1).map(device_id).collect();
    let kept: Vec<String> = hosts.clone();
    let (acme, log) = falcon(move |sent| match sent.path.as_str() {
        BATCH => {
            let rows = for_each(sent, "host_ids", |_| Some(json!({"session_id": "s", "complete": true})));
            let id = sent.json()["host_ids"][0].clone();
            answer(201, &json!({"meta": {}, "batch_id": id, "resources": rows, "errors": []}).to_string())
        }
        _ if sent.json()["batch_id"] == kept[MAX_HOSTS] => lost(),
        _ => {
            let rows: serde_json::Map<_, _> =
                kept[..MAX_HOSTS].iter().map(|h| (h.clone(), json!({"complete": true}))).collect();
            answer(201, &json!({"meta": {}, "combined": {"resources": rows}, "errors": []}).to_string())
        }
    });
    let batch = acme.client().rtr_batch(&hosts, &BatchOptions::default()).await.unwrap();
    assert_eq!((batch.ids().len(), batch.hosts().len()), (3, hosts.len()));
    let ran = batch.run(Level::ReadOnly, &Command::new(BaseCommand::Ps)).await.unwrap();
    assert_eq!((ran.done.len(), ran.open.len(), ran.unsent.len()), (MAX_HOSTS, MAX_HOSTS, 1));
    assert!(ran.failure.unwrap().is_outcome_unknown());
    assert_eq!(log.to(BATCH_COMMAND).len(), 2);
    assert_eq!(log.to(BATCH_COMMAND)[0].json()["optional_hosts"], json!([]), "all are meant");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_left_a_batch_is_left_out_by_name() {
    let (acme, log) = falcon(|sent| match sent.path.as_str() {
        BATCH => {
            let rows = for_each(sent, "host_ids", |_| Some(json!({"session_id": "s", "complete": true})));
            answer(201, &json!({"meta": {}, "batch_id": "b", "resources": rows, "errors": []}).to_string())
        }
        BATCH_COMMAND => answer(201, r#"{"meta":{},"combined":{"resources":{}},"errors":[]}"#),
        _ => answer(403, r#"{"errors":[{"code":403,"message":"no"}]}"#),
    });
    let hosts = [device_id(1), device_id(2)];
    let mut batch = acme.client().rtr_batch(&hosts, &BatchOptions::default()).await.unwrap();
    assert!(batch.refresh(&[&hosts[1]]).await.unwrap_err().is_permission());
    batch.run(Level::ReadOnly, &Command::new(BaseCommand::Ps)).await.unwrap();
    assert_eq!(log.to(BATCH_COMMAND)[0].json()["optional_hosts"], json!([hosts[0]]));
}

#[tokio::test(start_paused = true)]
async fn that_no_host_is_there_is_said_of_each() {
    let none = r#"{"errors":[{"code":404,"message":"no successful hosts initialized on RTR"}]}"#;
    let (acme, _) = falcon(|_| answer(404, none));
    let batch =
        acme.client().rtr_batch(&[device_id(1), device_id(2)], &BatchOptions::default()).await.unwrap();
    assert_eq!((batch.opened().refused.len(), batch.ids().len()), (2, 0));
    let says = batch.opened().refused[1].error.message.clone();
    assert_eq!(says.as_deref(), Some("no successful hosts initialized on RTR"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_as_long_as_the_hosts_are() {
    use edr_http::MemoryTransport;
    let patient = |seconds: u64| {
        let transport = MemoryTransport::new(move |request| async move {
            if request.uri().path() == "/oauth2/token" {
                return MemoryTransport::json(201, r#"{"access_token":"t","expires_in":1799}"#);
            }
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            begun()
        });
        let builder = Falcon::builder("acme", "id", "secret".into()).cloud(crate::Cloud::Us1);
        builder.transport(std::sync::Arc::new(transport)).build().unwrap()
    };
    let options = SessionOptions { wait: Wait::of(4 * MINUTE), ..SessionOptions::default() };
    let begun = patient(240).client().rtr_session(&device_id(1), &options).await;
    assert_eq!(begun.unwrap().id(), "s-1");
    let late = patient(400).client().rtr_session(&device_id(1), &options).await.unwrap_err();
    assert!(late.is_timeout(), "{late:?}");
}
