use edr_core::{Because, EdrProvider as _, Feature};
use edr_http::{TransportError, TransportErrorKind};
use serde_json::{Value, json};

use super::*;
use crate::testing::{Answer as Reply, Log, Sent, device_id, falcon, ids_of, json as reply, with_header};

const INIT: &str = "/real-time-response/combined/batch-init-session/v1";
const RUN: &str = "/real-time-response/combined/batch-active-responder-command/v1";
const STATUS: &str = "/real-time-response/entities/active-responder-command/v1";
const QUEUED: &str = "/real-time-response/entities/queued-sessions/GET/v1";
const FILES: &str = "/real-time-response/entities/file/v2";
const EXTRACTED: &str = "/real-time-response/entities/extracted-file-contents/v1";
const SCRIPT_IDS: &str = "/real-time-response/queries/scripts/v1";
const SCRIPTS: &str = "/real-time-response/entities/scripts/v2";

fn ids(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(|n| device_id(*n)).collect()
}

fn fetch() -> ResponseAction {
    ResponseAction::FetchFile { path: r"C:\Users\a b\x.log".into() }
}

fn kill() -> ResponseAction {
    ResponseAction::KillProcess { process: ProcessRef::Pid(4_242) }
}

fn script(args: &[(&str, &str)]) -> ResponseAction {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ResponseAction::RunScript { script: "collect".into(), args }
}

fn rows(rows: &Value) -> Reply {
    reply(200, &json!({"meta": {}, "resources": rows, "errors": []}).to_string())
}

fn no_comms() -> Value {
    json!([{"code": 40401, "message": "Could not establish sensor comms"}])
}

/// Sessions with all hosts but the ninth.
fn begun(sent: &Sent) -> Reply {
    let row = |id: &Value| {
        let id = id.as_str().unwrap().to_owned();
        let row = match id == device_id(9) {
            true => json!({"aid": id, "errors": no_comms()}),
            false => json!({"aid": id, "session_id": "s", "complete": true, "errors": []}),
        };
        (id, row)
    };
    let rows: serde_json::Map<_, _> = sent.json()["host_ids"].as_array().unwrap().iter().map(row).collect();
    reply(201, &json!({"meta": {}, "batch_id": "b", "resources": rows, "errors": []}).to_string())
}

fn ran(rows: &Value) -> Reply {
    reply(201, &json!({"meta": {}, "combined": {"resources": rows}, "errors": []}).to_string())
}

/// A library of one script.
fn library(sent: &Sent) -> Option<Reply> {
    let known = sent.get("filter") == Some("name:'collect'");
    match sent.path.as_str() {
        SCRIPT_IDS if known => Some(rows(&json!(["c0_c1d"]))),
        SCRIPT_IDS => Some(rows(&json!([]))),
        SCRIPTS => Some(rows(&json!([{"id": "c0_c1d", "name": "collect"}]))),
        _ => None,
    }
}

/// A tenant whose sessions begin and whose commands are answered by the closure.
fn tenant(run: impl Fn(&Sent) -> Reply + Send + Sync + 'static) -> (Falcon, Log) {
    falcon(move |sent| match sent.path.as_str() {
        INIT => begun(sent),
        _ => library(sent).unwrap_or_else(|| run(sent)),
    })
}

fn taken() -> Value {
    json!({device_id(1): {"session_id": "s-1", "task_id": "r-1", "complete": true, "stdout": "x"}})
}

fn words(receipts: &[Receipt]) -> Vec<String> {
    let word = |receipt: &Receipt| match &receipt.answer {
        Answer::Accepted => format!("accepted {}", receipt.handle.as_deref().unwrap_or("-")),
        Answer::Refused(error) => format!("refused: {error}"),
        Answer::Unknown(error) => {
            assert!(error.is_outcome_unknown() && error.tenant().is_some(), "{error}");
            "unknown".to_owned()
        }
        other => format!("{other:?}"),
    };
    receipts.iter().map(word).collect()
}

#[tokio::test(start_paused = true)]
async fn a_command_is_one_call_for_all_hosts_with_a_word_about_each() {
    let (falcon, log) = tenant(|_| {
        let mut rows = taken();
        rows[device_id(2)] =
            json!({"session_id": "s-2", "task_id": "r-2", "complete": false, "offline_queued": true});
        rows[device_id(3)] = json!({"session_id": "s-3", "task_id": "r-3",
            "errors": [{"code": 40801, "message": "Command timed out on host"}]});
        rows[device_id(4)] = json!({"session_id": "s-4", "errors": no_comms()});
        rows[device_id(5)] = json!({"errors": [{"code": 500, "message": "trouble"}]});
        rows[device_id(7)] = json!({"complete": true, "stdout": "without ids"});
        ran(&rows)
    });
    let asked = ids(&[1, 2, 3, 4, 5, 6, 7, 9]);
    let receipts = falcon.respond(&fetch(), &asked, &Because::new()).await.unwrap();
    assert!(receipts.iter().zip(&asked).all(|(r, id)| r.uid == *id));
    let words = words(&receipts);
    assert_eq!(words[..3], ["accepted s-1/r-1", "accepted s-2/r-2", "accepted s-3/r-3"]);
    assert!(words[3].starts_with("refused") && words[3].contains("sensor comms"), "{}", words[3]);
    assert_eq!(words[4..7], ["unknown", "unknown", "accepted -"]);
    assert!(words[7].starts_with("refused") && words[7].contains("sensor comms"), "{}", words[7]);
    assert_eq!((log.to(INIT).len(), log.to(RUN).len()), (1, 1));
    let sent = log.to(RUN)[0].json();
    assert_eq!(
        (&log.to(INIT)[0].json()["queue_offline"], &sent["persist_all"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(sent["command_string"], r#"get "C:\Users\a b\x.log""#);
    assert_eq!((sent["batch_id"].as_str(), sent["base_command"].as_str()), (Some("b"), Some("get")));
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_session_began_too_late_is_left_out_by_name_and_a_row_of_it_is_heeded() {
    let late = json!([{"code": 40801, "message": "Session timed out on host"}]);
    let (falcon, log) = falcon(move |sent| match sent.path.as_str() {
        INIT => {
            let rows = json!({device_id(1): {"session_id": "s-1", "complete": true},
                device_id(2): {"aid": device_id(2), "errors": late}, device_id(4): {"aid": device_id(4), "errors": late}});
            reply(201, &json!({"meta": {}, "batch_id": "b", "resources": rows, "errors": []}).to_string())
        }
        _ => {
            let mut rows = taken();
            rows[device_id(4)] = json!({"session_id": "s-4", "task_id": "r-4", "complete": true});
            ran(&rows)
        }
    });
    let receipts = falcon.respond(&kill(), &ids(&[1, 2, 3, 4]), &Because::new()).await.unwrap();
    assert_eq!(log.to(RUN)[0].json()["optional_hosts"], json!([device_id(1)]));
    let words = words(&receipts);
    assert!(words[1].starts_with("refused") && words[2].starts_with("refused"), "{words:?}");
    assert_eq!((words[0].as_str(), words[3].as_str()), ("accepted s-1/r-1", "accepted s-4/r-4"));
}

#[tokio::test(start_paused = true)]
async fn only_a_definite_refusal_is_one_and_a_command_with_an_id_is_none() {
    let errors = [
        json!([{"message": "Some error"}]),
        json!([{"code": 0, "message": "odd"}]),
        json!([{"code": 99_999, "message": "odd"}]),
        json!([{"code": 30_200, "message": "odd"}]),
        json!([{"code": 40_401, "message": "Could not establish sensor comms"}]),
    ];
    let sent = errors.clone();
    let (falcon, _) = tenant(move |_| {
        let of = |id: u64, errors: &Value| json!({"session_id": format!("s-{id}"), "errors": errors});
        let mut rows = json!({});
        for (id, errors) in (1..).zip(&sent) {
            rows[device_id(id)] = of(id, errors);
            rows[device_id(10 + id)] = of(10 + id, errors);
            rows[device_id(10 + id)]["task_id"] = format!("r-{}", 10 + id).into();
        }
        rows[device_id(16)] = json!({"session_id": "s-16", "task_id": "r-16", "complete": true});
        let beside = json!([{"code": 40_401, "message": "gone", "id": device_id(16)}]);
        reply(201, &json!({"meta": {}, "combined": {"resources": rows}, "errors": beside}).to_string())
    });
    let asked = ids(&[1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16]);
    let words = words(&falcon.respond(&kill(), &asked, &Because::new()).await.unwrap());
    assert_eq!(words[..4], ["unknown"; 4], "an error of an unknown kind refuses nothing");
    assert!(words[4].starts_with("refused"), "{words:?}");
    let begun: Vec<String> = (11..=16).map(|n| format!("accepted s-{n}/r-{n}")).collect();
    assert_eq!(words[5..], begun);
}

#[tokio::test(start_paused = true)]
async fn the_values_of_a_script_stand_in_nothing_that_is_told() {
    let action = script(&[("password", "hunter 2"), ("empty", "")]);
    let told = async |answer: fn() -> Reply| {
        let (falcon, _) = tenant(move |_| answer());
        match falcon.respond(&action, &ids(&[1, 2]), &Because::new()).await {
            Ok(receipts) => format!("{receipts:?}"),
            Err(error) => format!("{error:?}"),
        }
    };
    let all: [fn() -> Reply; 4] = [
        || {
            reply(
                400,
                r#"{"errors":[{"code":40006,"message":"no: runscript -CommandLine=```'hunter 2' ''```"}]}"#,
            )
        },
        || reply(500, r#"{"errors":[{"code":500,"message":"HUNTER 2"}]}"#),
        || echoing("bad argument 'hunter 2'"),
        || echoing("no: RunScript hun"),
    ];
    for answer in all {
        let text = told(answer).await;
        assert!(!text.to_lowercase().contains("hun") && text.contains("left out"), "{text}");
        assert!(text.contains("40006") || text.contains("500"), "the code stays: {text}");
    }
    let plain = told(|| echoing("Could not establish sensor comms")).await;
    assert!(plain.contains("sensor comms") && !plain.contains("left out"), "{plain}");
    let (falcon, _) = speaking(|_| json!({"stderr": "hunter 2: command not found", "complete": true}));
    let Standing::Failed { reason } = standing(&falcon, &action).await else { panic!("failed") };
    assert!(!reason.contains("hunter") && reason.contains("27 bytes") && reason.contains("r-1"), "{reason}");
    // Who follows it may know no value.
    let (falcon, _) =
        falcon_of(|_| reply(403, r#"{"errors":[{"code":403,"message":"not for 'hunter 2'"}]}"#));
    let target = Target { uid: device_id(1), handle: Some("s-1/r-1".into()) };
    let denied = falcon.progress(&script(&[("password", "[left out]")]), &[target]).await.unwrap_err();
    let text = format!("{denied} {denied:?}");
    assert!(!text.contains("hunter") && text.contains("left out") && text.contains("HTTP 403"), "{text}");
}

/// A word against the command from each of two hosts.
fn echoing(message: &str) -> Reply {
    let row = |code: u64| json!({"session_id": "s", "errors": [{"code": code, "message": message}]});
    ran(&json!({device_id(1): row(40_006), device_id(2): row(500)}))
}

#[tokio::test(start_paused = true)]
async fn a_process_id_does_not_wait_for_a_host() {
    let (falcon, log) = tenant(|_| ran(&taken()));
    falcon.respond(&kill(), &ids(&[1]), &Because::new()).await.unwrap();
    let sent = log.to(RUN)[0].json();
    assert_eq!(
        (&log.to(INIT)[0].json()["queue_offline"], &sent["persist_all"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(sent["command_string"], "kill 4242");
    let alone = falcon.respond(&kill(), &ids(&[9]), &Because::new()).await.unwrap();
    assert!(words(&alone)[0].contains("sensor comms"));
    assert_eq!(log.to(RUN).len(), 1, "nothing is ordered of a host without a session");
}

#[tokio::test(start_paused = true)]
async fn a_script_is_looked_up_first_and_its_values_stay_values() {
    let (falcon, log) = tenant(|_| ran(&taken()));
    let run = async |action: &ResponseAction| falcon.respond(action, &ids(&[1]), &Because::new()).await;
    run(&script(&[("path", "/tmp"), ("text", "a $(b) `c` \"d\""), ("empty", "")])).await.unwrap();
    let sent = log.to(RUN)[0].json();
    let line = "runscript -CloudFile=collect -CommandLine=```/tmp 'a $(b) `c` \"d\"' ''```";
    assert_eq!(sent["command_string"], line);
    for (action, kind) in [
        (ResponseAction::RunScript { script: "Collect".into(), args: vec![] }, ErrorKind::NotFound),
        (ResponseAction::RunScript { script: "a\nb".into(), args: vec![] }, ErrorKind::InvalidRequest),
        (script(&[("x", "it's")]), ErrorKind::InvalidRequest),
        (script(&[("x", "a\u{2018} ; rm x #")]), ErrorKind::InvalidRequest),
        (script(&[("x", "a\u{2019} ; rm x #")]), ErrorKind::InvalidRequest),
        (script(&[("x", "a\u{201a} ; rm x #")]), ErrorKind::InvalidRequest),
        (script(&[("x", "a\u{201b} ; rm x #")]), ErrorKind::InvalidRequest),
        (script(&[("x", "a ``` b")]), ErrorKind::InvalidRequest),
        (ResponseAction::FetchFile { path: "-x".into() }, ErrorKind::InvalidRequest),
        (ResponseAction::KillProcess { process: ProcessRef::Uid("u".into()) }, ErrorKind::Unsupported),
    ] {
        let error = run(&action).await.unwrap_err();
        assert!(error.kind() == kind && error.tenant().is_some(), "{action:?}: {error}");
    }
    assert_eq!((log.to(INIT).len(), log.to(RUN).len()), (1, 1), "nothing else was sent");
    let by_id = "ab".repeat(32) + "_" + &"cd".repeat(16);
    let named = format!(r#"[{{"id":"{by_id}","name":"collect"}}]"#);
    let (falcon, log) = falcon_of(move |sent| match sent.path.as_str() {
        SCRIPTS => rows(&serde_json::from_str(&named).unwrap()),
        INIT => begun(sent),
        _ => ran(&taken()),
    });
    let action = ResponseAction::RunScript { script: by_id, args: vec![] };
    falcon.respond(&action, &ids(&[1]), &Because::new()).await.unwrap();
    assert_eq!(log.to(RUN)[0].json()["command_string"], "runscript -CloudFile=collect");
}

#[test]
fn what_a_shell_makes_more_of_than_a_word_is_quoted() {
    let line = |value: &str| arguments(&[("x".into(), value.into())]).unwrap().unwrap();
    for bare in ["web-1", "/tmp/a.log", "C:", "a=b", "1+1", "_x", "..", "2026-11-22T10:00"] {
        assert_eq!(line(bare), bare);
    }
    for quoted in ["a,b", "@x", "a@b", "-Force", "--", "-", "=ls", "+x", ":x", "", "a b", "~", r"C:\x"] {
        assert_eq!(line(quoted), format!("'{quoted}'"));
    }
    assert_eq!(arguments(&[]).unwrap(), None);
}

fn falcon_of(answer: impl Fn(&Sent) -> Reply + Send + Sync + 'static) -> (Falcon, Log) {
    falcon(answer)
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_unknown_for_its_hosts_and_the_command_is_sent_once() {
    for lose in [
        (|| Err(TransportError::new(TransportErrorKind::Interrupted))) as fn() -> Reply,
        || reply(502, "<html>"),
        || reply(201, "<html>"),
        || reply(201, r#"{"meta":{},"combined":{}}"#),
    ] {
        let (falcon, log) = tenant(move |_| lose());
        let receipts = falcon.respond(&fetch(), &ids(&[1, 2, 9]), &Because::new()).await.unwrap();
        let words = words(&receipts);
        assert_eq!(words[..2], ["unknown", "unknown"]);
        assert!(words[2].starts_with("refused"), "the ninth was not sent anything: {words:?}");
        assert_eq!(log.to(RUN).len(), 1);
    }
    let (falcon, log) = tenant(|_| reply(400, r#"{"code":40006,"message":"Command not found"}"#));
    let error = falcon.respond(&fetch(), &ids(&[1]), &Because::new()).await.unwrap_err();
    assert!(!error.is_outcome_unknown() && log.to(RUN).len() == 1, "{error}");
}

#[tokio::test(start_paused = true)]
async fn sessions_that_do_not_begin_are_tried_again_and_nothing_is_in_doubt() {
    let (falcon, log) = falcon(|_| Err(TransportError::new(TransportErrorKind::Interrupted)));
    let error = falcon.respond(&fetch(), &ids(&[1]), &Because::new()).await.unwrap_err();
    assert!(!error.is_outcome_unknown(), "{error}");
    assert!(log.to(INIT).len() > 1 && log.to(RUN).is_empty());
}

/// What each command says: pieces by the number in its id.
fn said(sent: &Sent) -> Reply {
    let piece =
        |out: &str, err: &str, complete| rows(&json!([{"stdout": out, "stderr": err, "complete": complete}]));
    let ask = (sent.get("cloud_request_id").unwrap(), sent.get("sequence_id").unwrap());
    match ask {
        ("r-1", "0") => piece("one", "", false),
        ("r-1", _) => piece("two", "", true),
        ("r-2", _) => piece("", "no such\nthing", true),
        ("r-3", "0") => piece("said", "a part\n", false),
        ("r-3", _) => piece("", "is missing", true),
        ("r-4" | "r-5" | "r-7", _) => piece("", "", false),
        _ => reply(404, r#"{"code":40403,"message":"command not found"}"#),
    }
}

fn followed() -> (Falcon, Log) {
    falcon(|sent| match sent.path.as_str() {
        STATUS => said(sent),
        QUEUED => {
            let command = |id: &str, status: &str| json!({"cloud_request_id": id, "status": status});
            let all = [
                command("r-5", "PENDING"),
                command("r-6", "CANCELLED"),
                command("r-1", "FINISHED"),
                command("r-2", "EXPIRED"),
                command("r-3", "CANCELLED"),
            ];
            rows(&json!([{"id": "s", "aid": device_id(5), "Commands": all}]))
        }
        FILES => rows(&json!([
            {"cloud_request_id": "r-1", "complete": true, "error_message": ""},
            {"cloud_request_id": "r-7", "complete": false}])),
        "/devices/entities/devices/v2" => {
            let device = |id: &String| json!({"device_id": id});
            rows(&ids_of(sent).iter().map(device).collect())
        }
        "/devices/entities/online-state/v1" => rows(&json!([{"id": device_id(4), "state": "offline"}])),
        _ => reply(500, "{}"),
    })
}

fn targets() -> Vec<Target> {
    let target = |n: u64| {
        let mut target = Target::new(device_id(n));
        target.handle = Some(format!("s/r-{n}"));
        target
    };
    let mut all: Vec<Target> = (1..=8).map(target).collect();
    all.push(Target::new(device_id(9)));
    all
}

#[tokio::test(start_paused = true)]
async fn progress_is_read_back_by_the_handle_alone() {
    let (falcon, log) = followed();
    let see = async |action: ResponseAction| -> Vec<Standing> {
        let seen = falcon.progress(&action, &targets()).await.unwrap();
        seen.into_iter().map(|p| p.standing).collect()
    };
    let rest = [
        Standing::PendingOffline,
        Standing::Pending,
        Standing::Cancelled,
        Standing::Running,
        unknown("no such command"),
        unknown("the command has no id"),
    ];
    let failed = Standing::Failed { reason: "no such thing".into() };
    let seen = see(script(&[])).await;
    let wrote = |n, id| {
        format!("it wrote {n} bytes on standard error; read the command {id} in the vendor's console")
    };
    assert_eq!(seen[..2], [Standing::Done, Standing::Failed { reason: wrote(13, "r-2") }]);
    assert_eq!(seen[2], Standing::Partial { reason: wrote(17, "r-3") });
    assert_eq!(seen[3..], rest);
    assert_eq!(log.to(QUEUED).len(), 1, "for all of them");
    let seen = see(kill()).await;
    assert_eq!(seen[2], Standing::Failed { reason: "a part is missing".into() });
    assert_eq!((&seen[3], &seen[4..]), (&Standing::Running, &rest[1..]), "it waits for no host");
    assert_eq!(see(fetch()).await[..2], [Standing::Done, failed]);
    assert!(log.to(RUN).is_empty() && log.to(INIT).is_empty(), "only looked at");
}

/// A tenant in which a command answers every look as the closure says, by sequence.
fn speaking(piece: impl Fn(u32) -> Value + Send + Sync + 'static) -> (Falcon, Log) {
    falcon(move |sent| match sent.path.as_str() {
        STATUS => rows(&json!([piece(sent.get("sequence_id").unwrap().parse().unwrap())])),
        _ => rows(&json!([])),
    })
}

async fn standing(falcon: &Falcon, action: &ResponseAction) -> Standing {
    falcon.progress(action, &targets()[..1]).await.unwrap().remove(0).standing
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_holds_no_look_up() {
    let (falcon, log) = speaking(|_| json!({"stdout": "again", "stderr": "and again", "complete": false}));
    assert_eq!(standing(&falcon, &kill()).await, Standing::Running);
    assert_eq!(log.to(STATUS).len(), MOST_PIECES as usize);
    let (falcon, _) = speaking(|sequence| {
        let text = if sequence == 0 { " ".repeat(5_000) } else { "x\u{e9}".repeat(5_000) };
        json!({"stdout": "", "stderr": text, "complete": sequence == 1})
    });
    let Standing::Failed { reason } = standing(&falcon, &kill()).await else { panic!("failed") };
    assert!(reason.starts_with('x'), "words behind much nothing count: {reason}");
    let (mut said, piece) =
        (Said::default(), Piece { stderr: Some("\u{e9}".repeat(700)), ..Piece::default() });
    assert!((0..3).all(|_| said.take(&piece)));
    assert_eq!((said.stderr.chars().count(), said.bytes), (MOST_STDERR, 4_200), "the beginning is kept");
}

#[tokio::test(start_paused = true)]
async fn a_file_is_saved_when_it_is_there_and_not_before() {
    let sha256 = "ab".repeat(32);
    let listed = sha256.clone();
    let (falcon, log) = falcon(move |sent| match sent.path.as_str() {
        FILES => rows(&json!([
            {"cloud_request_id": "r-1", "complete": true, "error_message": "", "sha256": listed},
            {"cloud_request_id": "r-7", "complete": false, "sha256": listed}])),
        EXTRACTED => with_header(reply(200, "7z..."), "content-type", "application/x-7z-compressed"),
        _ => reply(500, "{}"),
    });
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("web-1");
    let save = async |handle: Option<&str>| {
        let mut target = Target::new(device_id(1));
        target.handle = handle.map(str::to_owned);
        falcon.save_file(&target, &to).await
    };
    for (handle, says) in
        [(None, "no id"), (Some("s/r-7"), "has not come yet"), (Some("s/r-9"), "no file has come")]
    {
        let error = save(handle).await.unwrap_err();
        assert!(error.is_not_found() && error.to_string().contains(says), "{error}");
        assert!(error.tenant().is_some());
    }
    assert!(log.to(EXTRACTED).is_empty() && std::fs::read_dir(folder.path()).unwrap().next().is_none());
    let saved = save(Some("s/r-1")).await.unwrap();
    assert_eq!((saved.path.clone(), saved.bytes), (folder.path().join("web-1.7z"), 5));
    assert_eq!(std::fs::read(&saved.path).unwrap(), b"7z...");
    assert_eq!((saved.content_sha256, saved.password.as_deref()), (Some(sha256.clone()), Some("infected")));
    assert_ne!(saved.sha256, sha256, "that of the archive is another");
    assert_eq!(log.to(EXTRACTED)[0].get("sha256"), Some(sha256.as_str()));
}

#[test]
fn a_file_is_there_when_it_is_whole() {
    let file = |complete, error: &str| SessionFile {
        complete,
        error_message: Some(error.to_owned()),
        ..SessionFile::default()
    };
    assert_eq!(upload(&file(Some(true), "")), Standing::Done);
    assert_eq!(upload(&file(Some(false), " ")), Standing::Running);
    assert_eq!(upload(&file(None, "")), Standing::Running);
    assert_eq!(upload(&file(Some(true), "too large")), Standing::Failed { reason: "too large".into() });
}

#[tokio::test(start_paused = true)]
async fn more_than_one_order_takes_is_refused() {
    let (falcon, log) = followed();
    let many: Vec<String> = (0..=u64::from(MAX_HOSTS)).map(device_id).collect();
    for action in [fetch(), kill(), script(&[])] {
        let error = falcon.respond(&action, &many, &Because::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(falcon.capabilities().has(action.feature()));
    }
    assert!(!falcon.capabilities().has(Feature::FileQuarantine) && log.all().is_empty());
}
