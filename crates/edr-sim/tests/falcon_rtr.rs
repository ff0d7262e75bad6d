//! Real Time Response over a real socket: who may, what waits, what ends, and what comes in pieces.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Raw, send, start};
use edr_sim::{Sim, SimBuilder};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const SESSIONS: &str = "/real-time-response/entities/sessions/v1";
const REFRESH: &str = "/real-time-response/entities/refresh-session/v1";
const COMMAND: &str = "/real-time-response/entities/command/v1";
const ACT: &str = "/real-time-response/entities/active-responder-command/v1";
const ADMIN: &str = "/real-time-response/entities/admin-command/v1";
const BATCH: &str = "/real-time-response/combined/batch-init-session/v1";
const BATCH_COMMAND: &str = "/real-time-response/combined/batch-command/v1";

fn builder() -> SimBuilder {
    Sim::builder()
        .falcon_hosts(40)
        .cortex_tenants(0)
        .token_ttl(Duration::from_secs(86_400))
        .epoch("2026-03-01T12:00:00Z".parse().unwrap())
}

async fn world() -> Raw {
    start(builder()).await
}

impl Raw {
    async fn ask(&self, method: Method, path: &str, query: &[(&str, &str)], body: Value) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.base)).query(query);
        let request = request.bearer_auth(&self.token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let (status, _, body) = send(request).await;
        (status.as_u16(), body)
    }

    /// A host that is on line, or one that is not, of a system.
    fn host(&self, online: bool, windows: bool) -> String {
        let estate = self.sim.estate("falcon-1").unwrap();
        let system = |n: &u64| {
            (estate.machine(*n).platform() == edr_sim::estate::machine::Platform::Windows) == windows
        };
        let n = (0..40).find(|n| estate.online(*n) == online && system(n)).unwrap();
        estate.host_id(n)
    }

    async fn session(&self, aid: &str, queue: bool) -> (u16, Value) {
        let body = json!({"device_id": aid, "origin": "test", "queue_offline": queue});
        self.ask(Method::POST, SESSIONS, &[("timeout", "30"), ("timeout_duration", "30s")], body).await
    }

    async fn run(&self, path: &str, session: &str, base: &str, line: &str) -> (u16, Value) {
        let body = json!({"base_command": base, "command_string": line, "device_id": "", "id": 0, "persist": false,
            "session_id": session});
        self.ask(Method::POST, path, &[], body).await
    }

    async fn piece(&self, path: &str, request: &str, n: u32) -> Value {
        let query = [("cloud_request_id", request), ("sequence_id", &n.to_string())];
        let (status, body) = self.ask(Method::GET, path, &query, Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body["resources"][0].clone()
    }
}

fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    body["resources"][0][key].as_str().unwrap()
}

#[tokio::test]
async fn a_command_is_answered_piece_by_piece() {
    let raw = world().await;
    let aid = raw.host(true, true);
    let (status, begun) = raw.session(&aid, false).await;
    assert_eq!((status, text(&begun, "pwd")), (201, "C:\\"));
    let session = text(&begun, "session_id");
    assert_eq!(
        text(&raw.session(&aid, false).await.1, "session_id"),
        session,
        "the session is taken up again"
    );
    let (status, taken) = raw.run(COMMAND, session, "ls", "ls \"C:\\Program Files\"").await;
    assert_eq!((status, &taken["resources"][0]["queued_command_offline"]), (201, &json!(false)));
    let request = text(&taken, "cloud_request_id");
    let early = raw.piece(COMMAND, request, 0).await;
    assert_eq!((&early["complete"], &early["stdout"]), (&json!(false), &json!("")));
    let (mut whole, mut n) = (String::new(), 0);
    loop {
        let piece = raw.piece(COMMAND, request, n).await;
        assert_eq!(piece["sequence_id"], n);
        whole.push_str(piece["stdout"].as_str().unwrap());
        if piece["complete"] == true {
            break;
        }
        n += 1;
    }
    assert!(n > 1 && whole.starts_with("Directory of C:\\Program Files\n"), "{n}: {whole}");
    assert_eq!(whole.lines().count(), 41);
    let (status, _) =
        raw.ask(Method::GET, ACT, &[("cloud_request_id", request), ("sequence_id", "0")], Value::Null).await;
    assert_eq!(status, 404, "the answer stands at the level at which it was run");
    let log: Vec<String> = raw.sim.log().into_iter().map(|m| m.operation).collect();
    assert_eq!(log, ["RTR-InitSession", "RTR-ExecuteCommand"]);
}

#[tokio::test]
async fn a_level_has_its_commands_and_a_system_too() {
    let raw = world().await;
    let (windows, other) = (raw.host(true, true), raw.host(true, false));
    let session = text(&raw.session(&windows, false).await.1, "session_id").to_owned();
    for (path, base, line, good) in [
        (COMMAND, "reg query", "reg query HKLM", true),
        (COMMAND, "rm", "rm x", false),
        (ACT, "rm", "rm x", true),
        (ACT, "ls", "ls", true),
        (ACT, "put", "put x", false),
        (ADMIN, "put", "put x", true),
        (ACT, "runscript", "runscript -Raw=```x```", false),
        (ADMIN, "runscript", "runscript -Raw=```x```", true),
        (COMMAND, "ls", "rm x", false),
        (COMMAND, "ls", "ls \"open", false),
        (COMMAND, "fly", "fly", false),
        (COMMAND, "ifconfig", "ifconfig", false),
    ] {
        let (status, body) = raw.run(path, &session, base, line).await;
        assert_eq!(status, if good { 201 } else { 400 }, "{path} {line}: {body}");
    }
    let session = text(&raw.session(&other, false).await.1, "session_id").to_owned();
    assert_eq!(
        raw.run(COMMAND, &session, "ipconfig", "ipconfig").await,
        (400, json!({"code": 40006, "message": "Command not found"}))
    );
}

#[tokio::test]
async fn a_session_ends_after_ten_minutes_without_a_word() {
    let raw = world().await;
    let aid = raw.host(true, true);
    let session = text(&raw.session(&aid, false).await.1, "session_id").to_owned();
    for _ in 0..3 {
        raw.sim.advance(Duration::from_secs(9 * 60));
        let pulse = json!({"device_id": aid, "origin": "", "queue_offline": false});
        assert_eq!(raw.ask(Method::POST, REFRESH, &[], pulse).await.0, 201);
    }
    raw.sim.advance(Duration::from_secs(10 * 60));
    assert_eq!(raw.run(COMMAND, &session, "ls", "ls").await.0, 404);
    let (_, found) = raw
        .ask(Method::POST, "/real-time-response/entities/sessions/GET/v1", &[], json!({"ids": [session]}))
        .await;
    assert!(found["resources"][0]["deleted_at"].is_string());
    let again = text(&raw.session(&aid, false).await.1, "session_id").to_owned();
    assert_ne!(again, session);
    assert_eq!(
        raw.ask(Method::DELETE, SESSIONS, &[("session_id", &again)], Value::Null).await,
        (204, Value::Null)
    );
    assert_eq!(raw.ask(Method::DELETE, SESSIONS, &[("session_id", &again)], Value::Null).await.0, 404);
}

#[tokio::test]
async fn what_waits_is_carried_out_when_the_host_is_back() {
    let raw = world().await;
    let aid = raw.host(false, true);
    let (status, refused) = raw.session(&aid, false).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (404, &json!(40401)));
    let (_, begun) = raw.session(&aid, true).await;
    assert_eq!(begun["resources"][0]["offline_queued"], true);
    let session = text(&begun, "session_id");
    let (_, first) = raw.run(COMMAND, session, "ps", "ps").await;
    assert_eq!(first["resources"][0]["queued_command_offline"], true);
    let (_, second) = raw.run(COMMAND, session, "env", "env").await;
    let drop = [("session_id", session), ("cloud_request_id", text(&second, "cloud_request_id"))];
    let path = "/real-time-response/entities/queued-sessions/command/v1";
    assert_eq!(raw.ask(Method::DELETE, path, &drop, Value::Null).await.0, 204);
    raw.sim.advance(Duration::from_secs(3_600));
    assert_eq!(raw.piece(COMMAND, text(&first, "cloud_request_id"), 0).await["complete"], false);
    raw.control(Method::PATCH, &format!("/sim/hosts/falcon-1/{aid}"))
        .json(&json!({"online": true}))
        .send()
        .await
        .unwrap();
    let log = raw.sim.log();
    let ran: Vec<&Value> =
        log.iter().filter(|m| m.operation == "sim/rtr").map(|m| &m.after["command_string"]).collect();
    assert_eq!(ran, ["ps"]);
    let queued = "/real-time-response/entities/queued-sessions/GET/v1";
    let (_, jobs) = raw.ask(Method::POST, queued, &[], json!({"ids": [session]})).await;
    let states: Vec<&str> = jobs["resources"][0]["Commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["status"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["FINISHED", "CANCELLED"]);
    assert_eq!(raw.ask(Method::DELETE, path, &drop, Value::Null).await.0, 404, "it does not wait any more");
}

#[tokio::test]
async fn a_batch_tells_of_each_host_and_keeps_its_times() {
    let raw = world().await;
    let (on, off) = (raw.host(true, true), raw.host(false, true));
    let init = |hosts: Value| json!({"host_ids": hosts, "queue_offline": false, "existing_batch_id": ""});
    let (status, begun) = raw.ask(Method::POST, BATCH, &[], init(json!([on, off]))).await;
    assert_eq!(status, 201);
    assert_eq!(begun["resources"][&off]["errors"][0]["code"], 40401);
    let (status, none) = raw.ask(Method::POST, BATCH, &[], init(json!([off]))).await;
    assert_eq!(
        (status, &none["errors"][0]["message"]),
        (404, &json!("no successful hosts initialized on RTR"))
    );
    let many: Vec<String> = (0..10_001).map(|n| format!("{n:032x}")).collect();
    assert_eq!(raw.ask(Method::POST, BATCH, &[], init(json!(many))).await.0, 400);
    let run = json!({"batch_id": begun["batch_id"], "base_command": "ls", "command_string": "ls", "optional_hosts": [],
        "persist_all": false});
    let (status, ran) =
        raw.ask(Method::POST, BATCH_COMMAND, &[("timeout_duration", "2m")], run.clone()).await;
    assert_eq!((status, &ran["combined"]["resources"][&on]["complete"]), (201, &json!(true)));
    let slow = [("timeout_duration", "30s"), ("host_timeout_duration", "500ms")];
    let (_, late) = raw.ask(Method::POST, BATCH_COMMAND, &slow, run.clone()).await;
    assert_eq!(late["combined"]["resources"][&on]["errors"][0]["code"], 40801);
    for wrong in [("timeout_duration", "6m"), ("timeout_duration", "soon"), ("host_timeout_duration", "31s")]
    {
        assert_eq!(raw.ask(Method::POST, BATCH_COMMAND, &[wrong], run.clone()).await.0, 400, "{wrong:?}");
    }
    raw.sim.advance(Duration::from_secs(601));
    let (_, begun) = raw.ask(Method::POST, BATCH, &slow, init(json!([on]))).await;
    let row = &begun["resources"][&on];
    assert_eq!((&row["errors"][0]["code"], &row["session_id"]), (&json!(40801), &json!("")), "it began late");
    let mut all = run.clone();
    all["batch_id"] = begun["batch_id"].clone();
    let (_, ran) = raw.ask(Method::POST, BATCH_COMMAND, &[], all).await;
    assert_eq!(ran["combined"]["resources"][&on]["complete"], true, "and is in the batch all the same");
    let (_, over) = raw.ask(Method::POST, BATCH_COMMAND, &[], run).await;
    assert_eq!(over["combined"]["resources"][&on]["errors"][0]["message"], "session not found");
}

#[tokio::test]
async fn each_level_has_its_scope() {
    for (scope, path) in [
        ("real-time-response:read", COMMAND),
        ("real-time-response:write", ACT),
        ("real-time-response-admin:write", ADMIN),
    ] {
        let raw = start(builder().without_scope(scope)).await;
        let (status, body) = raw.run(path, "x", "ls", "ls").await;
        assert_eq!((status, common::message(&body)), (403, "access denied, scope not permitted"), "{scope}");
    }
    let raw = start(builder().without_scope("real-time-response-audit:read")).await;
    let audit = "/real-time-response-audit/combined/sessions/v1";
    assert_eq!(raw.ask(Method::GET, audit, &[], Value::Null).await.0, 403);
    assert_eq!(world().await.ask(Method::GET, audit, &[], Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_form_makes_a_file_and_its_bytes_come_back() {
    let raw = world().await;
    let path = "/real-time-response/entities/put-files/v2";
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let form = |name: &str| {
        let mut body =
            b"--edge\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\nfor a test\r\n".to_vec();
        body.extend(
            format!("--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n")
                .bytes(),
        );
        body.extend(&content);
        body.extend(b"\r\n--edge--\r\n");
        let request = raw.http.post(format!("{}{path}", raw.base)).bearer_auth(&raw.token);
        request.header("content-type", "multipart/form-data; boundary=edge").body(body)
    };
    let (status, _, made) = send(form("tool.exe")).await;
    assert_eq!((status, &made["resources"][0]["size"]), (StatusCode::OK, &json!(content.len())));
    assert_eq!(send(form("tool.exe")).await.0, 409);
    let id = text(&made, "id");
    let contents =
        raw.get("/real-time-response/entities/put-file-contents/v1", &[("id", id)]).send().await.unwrap();
    assert_eq!(contents.bytes().await.unwrap(), content);
    assert_eq!(raw.ask(Method::POST, path, &[], json!({})).await.0, 400, "no form");
    let gone = "/real-time-response/entities/put-files/v1";
    assert_eq!(raw.ask(Method::DELETE, gone, &[("ids", id)], Value::Null).await.0, 200);
    assert_eq!(raw.ask(Method::DELETE, gone, &[("ids", id)], Value::Null).await.0, 404);
    let log: Vec<String> = raw.sim.log().into_iter().map(|m| m.operation).collect();
    assert_eq!(log, ["RTR-CreatePut-FilesV2", "RTR-DeletePut-Files"]);
}
