//! The event stream over a real socket: sessions, offsets, heartbeats and faults.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Raw, message, send, start};
use edr_sim::{FaultKind, FaultRule, Sim, SimBuilder};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

const DISCOVER: &str = "/sensors/entities/datafeed/v2";
const READ: &str = "ReadEventStream";

fn builder() -> SimBuilder {
    let epoch = "2026-03-01T12:00:00Z".parse().unwrap();
    Sim::builder().falcon_hosts(20).alerts(60).cortex_tenants(0).epoch(epoch).enforce_limits(false)
}

async fn small() -> Raw {
    start(builder()).await
}

/// What is read of a stream, line by line.
struct Lines {
    response: Response,
    pending: Vec<u8>,
}

impl Lines {
    /// The next line, blank or not; `None` at the end, an error as text.
    async fn any(&mut self) -> Option<Result<String, String>> {
        loop {
            if let Some(end) = self.pending.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Some(Ok(String::from_utf8(line).unwrap().trim_end().to_owned()));
            }
            match self.response.chunk().await {
                Ok(Some(more)) => self.pending.extend_from_slice(&more),
                Ok(None) => return None,
                Err(why) => return Some(Err(why.to_string())),
            }
        }
    }

    async fn event(&mut self) -> Value {
        serde_json::from_str(&self.any().await.unwrap().unwrap()).unwrap()
    }

    async fn events(&mut self, count: usize) -> Vec<Value> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.event().await);
        }
        all
    }

    async fn offsets(&mut self, count: usize) -> Vec<u64> {
        self.events(count).await.iter().map(offset).collect()
    }

    /// Whether nothing comes for a while.
    async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(150), self.any()).await.is_err()
    }
}

fn offset(event: &Value) -> u64 {
    event["metadata"]["offset"].as_u64().unwrap()
}

impl Raw {
    async fn discover(&self, app: &str) -> Vec<Value> {
        let (status, _, body) = send(self.get(DISCOVER, &[("appId", app)])).await;
        assert_eq!(status, 200, "{body}");
        body["resources"].as_array().unwrap().clone()
    }

    async fn open(&self, stream: &Value, more: &str) -> Response {
        let url = format!("{}{more}", stream["dataFeedURL"].as_str().unwrap());
        let token = stream["sessionToken"]["token"].as_str().unwrap();
        self.http.get(url).header("authorization", format!("Token {token}")).send().await.unwrap()
    }

    async fn lines(&self, stream: &Value, more: &str) -> Lines {
        let response = self.open(stream, more).await;
        assert_eq!(response.status(), 200);
        Lines { response, pending: Vec::new() }
    }

    async fn refresh(&self, stream: &Value) -> StatusCode {
        let url = stream["refreshActiveSessionURL"].as_str().unwrap();
        let request = self.http.post(url).bearer_auth(&self.token).header("content-type", "application/json");
        send(request).await.0
    }

    fn fault(&self, kind: impl Into<edr_sim::Fault>, line: u64) {
        self.sim.inject(vec![FaultRule::nth(READ, line, kind)]).unwrap();
    }
}

#[tokio::test]
async fn the_backlog_comes_and_then_what_happens() {
    let raw = small().await;
    let streams = raw.discover("siem").await;
    assert_eq!(streams.len(), 1);
    assert!(streams[0]["dataFeedURL"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{}", streams[0]);
    assert_eq!(streams[0]["refreshActiveSessionInterval"], 1800);
    let mut lines = raw.lines(&streams[0], "").await;
    // A week of thirty days is kept.
    let first = lines.event().await;
    let age = raw.sim.now().timestamp_millis() - first["metadata"]["eventCreationTime"].as_i64().unwrap();
    assert!((0..=7 * 86_400_000).contains(&age) && first["metadata"]["version"] == "1.0");
    let mut kinds = vec![first["metadata"]["eventType"].clone()];
    let mut at = offset(&first);
    let started = loop {
        let event = lines.event().await;
        at += 1;
        assert_eq!(offset(&event), at, "without a hole");
        kinds.push(event["metadata"]["eventType"].clone());
        if event["event"]["OperationName"] == "streamStarted" {
            break event;
        }
    };
    assert_eq!(started["metadata"]["eventType"], "AuthActivityAuditEvent");
    assert!(kinds.contains(&json!("EppDetectionSummaryEvent")), "{kinds:?}");
    raw.sim.add_alerts("falcon-1", 2, Duration::ZERO).unwrap();
    let new = lines.events(2).await;
    assert_eq!((offset(&new[0]), offset(&new[1])), (at + 1, at + 2));
    let alerts = raw.get("/alerts/queries/alerts/v2", &[("limit", "100")]);
    let ids = send(alerts).await.2["resources"].to_string();
    let composite =
        new[1]["event"]["CompositeId"].as_str().or(new[0]["event"]["CompositeId"].as_str()).unwrap();
    assert!(ids.contains(composite), "an alert that can be asked for");
    let change = json!({"composite_ids": [composite], "action_parameters": [{"name": "update_status", "value": "closed"}]});
    assert_eq!(send(raw.patch("/alerts/entities/alerts/v3", &change)).await.0, 200);
    let audit = lines.event().await;
    assert_eq!(audit["metadata"]["eventType"], "UserActivityAuditEvent");
    assert_eq!(audit["event"]["OperationName"], "detection_update");
    let pairs = audit["event"]["AuditKeyValues"].as_array().unwrap();
    assert!(pairs.contains(&json!({"Key": "new_state", "ValueString": "closed"})), "{pairs:?}");
}

#[tokio::test]
async fn whoever_comes_back_goes_on_where_he_was() {
    let raw = small().await;
    let stream = &raw.discover("siem").await[0];
    let seen = raw.lines(stream, "").await.offsets(3).await;
    let again = raw.lines(stream, &format!("&offset={}", seen[1])).await.offsets(2).await;
    assert_eq!(again, seen[1..]);
    let newest = raw.lines(stream, "&whence=2").await.event().await;
    assert_eq!(newest["event"]["ServiceName"], "Crowdstrike Streaming API", "nothing older: {newest}");
    let mut few = raw.lines(stream, "&eventType=IdpDetectionSummaryEvent,Nothing").await;
    raw.sim.add_alerts("falcon-1", 60, Duration::ZERO).unwrap();
    for event in few.events(2).await {
        assert_eq!(event["metadata"]["eventType"], "IdpDetectionSummaryEvent");
    }
}

#[tokio::test]
async fn a_name_that_reads_finds_no_streams() {
    let raw = small().await;
    let stream = &raw.discover("siem").await[0];
    let lines = raw.lines(stream, "").await;
    assert_eq!(raw.discover("siem").await, [Value::Null; 0]);
    assert_eq!(raw.discover("other").await.len(), 1);
    drop(lines);
    let free = async {
        while raw.discover("siem").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), free).await.unwrap();
    assert_eq!(raw.open(stream, "").await.status(), 401, "the old session is void");
}

#[tokio::test]
async fn a_session_ends_unless_it_is_renewed() {
    let raw = small().await;
    let stream = &raw.discover("siem").await[0];
    let mut lines = raw.lines(stream, "&whence=2").await;
    lines.event().await;
    raw.sim.advance(Duration::from_secs(1_700));
    assert_eq!(lines.any().await.unwrap().unwrap(), "", "a heartbeat");
    assert_eq!(raw.refresh(stream).await, 200);
    raw.sim.advance(Duration::from_secs(1_700));
    assert_eq!(lines.any().await.unwrap().unwrap(), "");
    raw.sim.advance(Duration::from_secs(200));
    assert!(matches!(lines.any().await, None | Some(Ok(_))));
    assert_eq!(raw.refresh(stream).await, 401, "the bearer token is older than half an hour");
    let mut raw = raw;
    raw.login().await;
    assert_eq!(raw.refresh(stream).await, 404);
    let refused = raw.open(stream, "").await;
    assert_eq!(refused.status(), 401);
    assert!(refused.text().await.unwrap().contains("\n  \"errors\""), "over several lines");
    // However often it is renewed, it ends some day.
    let stream = &raw.discover("siem").await[0];
    let mut left = 12;
    while raw.refresh(stream).await == 200 {
        raw.sim.advance(Duration::from_secs(1_500));
        raw.login().await;
        left -= 1;
        assert!(left > 0, "it never ends");
    }
    assert!(left < 4, "it ended early");
}

#[tokio::test]
async fn what_is_asked_badly_is_refused() {
    let raw = small().await;
    for (app, format) in [("", "json"), (&*"a".repeat(33), "json"), ("a b", "json"), ("siem", "flatjson")] {
        let (status, _, body) = send(raw.get(DISCOVER, &[("appId", app), ("format", format)])).await;
        assert_eq!(status, 400, "{app} {format}: {}", message(&body));
    }
    let stream = &raw.discover("siem").await[0];
    let url = stream["refreshActiveSessionURL"].as_str().unwrap();
    let bare = raw.http.post(url).bearer_auth(&raw.token);
    assert_eq!(send(bare).await.0, 400, "without a content type");
    for wrong in ["&action_name=burn", "/9"] {
        let url = url
            .replace(if wrong == "/9" { "/0" } else { "&action_name=refresh_active_stream_session" }, wrong);
        let (status, _, _) = send(raw.http.post(url).bearer_auth(&raw.token).json(&json!({}))).await;
        assert_eq!(status, if wrong == "/9" { 404 } else { 400 });
    }
    let feed = stream["dataFeedURL"].as_str().unwrap();
    assert_eq!(
        raw.http.get(feed).bearer_auth(&raw.token).send().await.unwrap().status(),
        401,
        "no bearer token here"
    );
    let poor = start(builder().without_scope("streaming:read")).await;
    let (status, _, body) = send(poor.get(DISCOVER, &[("appId", "siem")])).await;
    assert_eq!((status.as_u16(), message(&body)), (403, "access denied, scope not permitted"));
}

#[tokio::test]
async fn partitions_share_the_events() {
    let raw = start(builder().stream_partitions(3)).await;
    let streams = raw.discover("siem").await;
    assert_eq!(streams.len(), 3);
    let mut seen = Vec::new();
    for stream in &streams {
        let mut lines = raw.lines(stream, "").await;
        let events = lines.events(3).await;
        let offsets: Vec<u64> = events.iter().map(offset).collect();
        assert_eq!(offsets, [offsets[0], offsets[0] + 1, offsets[0] + 2]);
        seen.extend(events.iter().map(|e| e["event"].to_string()));
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "no event stands in two partitions");
}

#[tokio::test]
async fn every_fault_of_a_stream_strikes_its_line() {
    let raw = small().await;
    let stream = &raw.discover("siem").await[0];
    let plain = raw.lines(stream, "").await.offsets(6).await;

    raw.fault(FaultKind::BreakOff, 3);
    let mut lines = raw.lines(stream, "").await;
    assert_eq!(lines.offsets(2).await, plain[..2]);
    assert!(lines.any().await.unwrap().is_err() && !lines.pending.is_empty(), "half a line is left");
    raw.sim.clear_faults();

    raw.fault(FaultKind::Silence, 3);
    let mut lines = raw.lines(stream, "").await;
    assert_eq!(lines.offsets(2).await, plain[..2]);
    raw.sim.advance(Duration::from_secs(90));
    assert!(lines.is_quiet().await, "no heartbeat either");
    raw.sim.clear_faults();

    let shift = |shift: i64| edr_sim::Fault { shift, ..FaultKind::Drift.into() };
    raw.fault(shift(-2), 2);
    let of = raw.lines(stream, "").await.offsets(3).await;
    assert_eq!(of, [plain[0], plain[3], plain[4]]);
    raw.sim.clear_faults();

    raw.fault(shift(1), 2);
    let of = raw.lines(stream, "").await.offsets(4).await;
    assert_eq!(of, [plain[0], plain[1], plain[1], plain[2]]);
    raw.sim.clear_faults();

    raw.fault(FaultKind::BadItem, 2);
    let mut lines = raw.lines(stream, "").await;
    lines.event().await;
    let bad = lines.any().await.unwrap().unwrap();
    assert!(serde_json::from_str::<Value>(&bad).is_err() && bad.contains(&plain[1].to_string()), "{bad}");
    assert_eq!(offset(&lines.event().await), plain[2]);
    raw.sim.clear_faults();

    raw.sim.inject(vec![FaultRule::nth(READ, 1, FaultKind::TruncatedJson)]).unwrap();
    let mut lines = raw.lines(stream, "").await;
    let mut bytes = 0;
    while let Some(Ok(line)) = lines.any().await {
        bytes += line.len() + 1;
    }
    assert_eq!(bytes + lines.pending.len(), 1_000, "a transport fault cuts by size");
    raw.sim.clear_faults();

    raw.fault(FaultKind::ExpiredCursor, 2);
    let mut lines = raw.lines(stream, "").await;
    lines.event().await;
    assert!(lines.any().await.is_none());
    assert_eq!(raw.open(stream, "").await.status(), 401, "the session went with it");
}

#[tokio::test]
async fn a_reset_ends_every_stream() {
    let raw = small().await;
    let stream = &raw.discover("siem").await[0];
    let mut lines = raw.lines(stream, "&whence=2").await;
    lines.event().await;
    let (status, _, _) = send(raw.control(Method::POST, "/sim/reset")).await;
    assert_eq!(status, 200);
    assert!(lines.any().await.is_none());
}
