//! Every fault, one by one, over a real socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Raw, ids, message, send, start};
use edr_sim::{Fault, FaultKind, FaultRule, Sim};
use serde_json::{Value, json};

const COMBINED: &str = "/devices/combined/devices/v1";
const OP: &str = "CombinedDevicesByFilter";

async fn raw() -> Raw {
    start(Sim::builder().falcon_hosts(50).alerts(20)).await
}

fn with(kind: FaultKind, change: impl FnOnce(&mut Fault)) -> Fault {
    let mut fault = Fault::from(kind);
    change(&mut fault);
    fault
}

async fn once(raw: &Raw, fault: impl Into<Fault>) -> common::Answer {
    raw.sim.clear_faults();
    raw.sim.inject(vec![FaultRule::nth(OP, 1, fault)]).unwrap();
    send(raw.get(COMBINED, &[("limit", "10")])).await
}

/// What reading the body of a struck call gives.
async fn body(raw: &Raw, fault: impl Into<Fault>) -> Result<Vec<u8>, reqwest::Error> {
    raw.sim.clear_faults();
    raw.sim.inject(vec![FaultRule::nth(OP, 1, fault)]).unwrap();
    Ok(raw.get(COMBINED, &[("limit", "10")]).send().await?.bytes().await?.to_vec())
}

#[tokio::test]
async fn statuses() {
    let raw = raw().await;
    use FaultKind as K;
    let expected = [
        (K::Internal, 500),
        (K::BadGateway, 502),
        (K::Unavailable, 503),
        (K::GatewayTimeout, 504),
        (K::Business, 500),
        (K::OkError, 200),
        (K::Unauthorized, 401),
        (K::Scope, 403),
        (K::Html, 200),
        (K::ForeignRedirect, 308),
        (K::EmptyBody, 200),
    ];
    for (kind, status) in expected {
        let (got, headers, body) = once(&raw, kind).await;
        assert_eq!(got, status, "{kind:?}");
        match kind {
            K::Unauthorized => assert_eq!(message(&body), "access denied, invalid bearer token"),
            K::Scope => assert_eq!(message(&body), "access denied, scope not permitted"),
            K::OkError => assert_eq!(body["errors"][0]["code"], 500),
            K::Html | K::BadGateway => assert_eq!(headers["content-type"], "text/html"),
            K::ForeignRedirect => assert!(
                headers["location"].to_str().unwrap().starts_with("https://elsewhere.invalid/devices/")
            ),
            _ => {}
        }
        assert_eq!(send(raw.get(COMBINED, &[])).await.0, 200, "only the first call is struck");
    }
}

#[tokio::test]
async fn the_five_kinds_of_429() {
    let raw = raw().await;
    let hints = |h: &reqwest::header::HeaderMap| {
        let text = |name: &str| h.get(name).map(|v| v.to_str().unwrap().to_owned());
        (text("retry-after"), text("x-ratelimit-retryafter"))
    };
    let (status, headers, body) = once(&raw, with(FaultKind::TooMany, |f| f.retry_after_secs = 3)).await;
    assert_eq!((status.as_u16(), message(&body)), (429, "API rate limit exceeded."));
    assert!(hints(&headers).1.unwrap().parse::<u64>().unwrap() > 1_600_000_000);
    assert_eq!(
        hints(&once(&raw, with(FaultKind::TooManySeconds, |f| f.retry_after_secs = 3)).await.1),
        (Some("3".into()), None)
    );
    assert!(hints(&once(&raw, FaultKind::TooManyDate).await.1).0.unwrap().ends_with(" GMT"));
    assert!(hints(&once(&raw, FaultKind::TooManyEpoch).await.1).1.is_some());
    assert_eq!(hints(&once(&raw, FaultKind::TooManyBare).await.1), (None, None));
}

#[tokio::test]
async fn broken_connections_and_bodies() {
    let raw = raw().await;
    raw.sim.inject(vec![FaultRule::always(OP, FaultKind::Reset)]).unwrap();
    assert!(raw.get(COMBINED, &[]).send().await.is_err());
    assert!(body(&raw, FaultKind::CloseMidBody).await.is_err());
    assert!(body(&raw, FaultKind::WrongLength).await.is_err());
    let short = body(&raw, FaultKind::TruncatedJson).await.unwrap();
    assert!(short.starts_with(b"{\"meta\"") && serde_json::from_slice::<Value>(&short).is_err());
    let garbage = body(&raw, FaultKind::Garbage).await.unwrap();
    assert!(!garbage.is_empty() && serde_json::from_slice::<Value>(&garbage).is_err());
    assert!(body(&raw, FaultKind::EmptyBody).await.unwrap().is_empty());
    let big = body(&raw, with(FaultKind::Oversized, |f| f.bytes = Some(3 << 20))).await.unwrap();
    assert!(big.len() > 3 << 20);
}

#[tokio::test]
async fn slow_answers() {
    let raw = raw().await;
    let began = edr_sim::clock::instant();
    let dripped = body(&raw, with(FaultKind::SlowDrip, |f| (f.delay_ms, f.bytes) = (Some(5), Some(4_000))))
        .await
        .unwrap();
    assert!(serde_json::from_slice::<Value>(&dripped).is_ok());
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(5 * (dripped.len() as u64 / 4_000)), "{took:?}");
    let began = edr_sim::clock::instant();
    assert_eq!(once(&raw, with(FaultKind::StallHeaders, |f| f.delay_ms = Some(120))).await.0, 200);
    assert!(began.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn compression_and_dates() {
    let raw = raw().await;
    let plain = raw
        .http
        .get(format!("{}{COMBINED}", raw.base))
        .bearer_auth(&raw.token)
        .header("accept-encoding", "identity");
    raw.sim
        .inject(vec![FaultRule::nth(OP, 1, FaultKind::Gzip), FaultRule::nth(OP, 2, FaultKind::DoubleGzip)])
        .unwrap();
    for (encoding, expected) in [("gzip", true), ("gzip, gzip", true), ("", false)] {
        let answer = plain.try_clone().unwrap().send().await.unwrap();
        assert_eq!(answer.headers().get("content-encoding").map_or("", |v| v.to_str().unwrap()), encoding);
        assert_eq!(answer.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]), expected);
    }
    let date = |h: &reqwest::header::HeaderMap| {
        chrono::DateTime::parse_from_rfc2822(h["date"].to_str().unwrap()).unwrap()
    };
    let skewed = once(&raw, with(FaultKind::Skew, |f| f.seconds = -600)).await;
    let honest = send(raw.get(COMBINED, &[])).await;
    assert!((595..=605).contains(&(date(&honest.1) - date(&skewed.1)).num_seconds()));
}

#[tokio::test]
async fn a_lost_answer_may_have_been_carried_out() {
    let raw = raw().await;
    let (_, _, body) = send(raw.get(COMBINED, &[("filter", "status:'normal'")])).await;
    let id = ids(&body)[0].clone();
    raw.sim
        .inject(vec![FaultRule::nth("PerformActionV2", 1, with(FaultKind::Reset, |f| f.after = true))])
        .unwrap();
    let request = raw.post("/devices/entities/devices-actions/v2?action_name=contain", &json!({"ids": [id]}));
    assert!(request.send().await.is_err());
    assert_eq!(raw.sim.log().len(), 1);
    let report = raw.sim.requests();
    assert_eq!((report.count("falcon-1", "PerformActionV2"), report.last.last().unwrap().status), (1, 0));
}

/// Contains a host under this fault; the client waits for at most a quarter of a second.
async fn contain(fault: Fault) -> (Raw, Option<u16>) {
    let raw = raw().await;
    let (_, _, body) = send(raw.get(COMBINED, &[("filter", "status:'normal'")])).await;
    raw.sim.inject(vec![FaultRule::nth("PerformActionV2", 1, fault)]).unwrap();
    let order = raw
        .post("/devices/entities/devices-actions/v2?action_name=contain", &json!({"ids": [ids(&body)[0]]}));
    let answer = order.timeout(Duration::from_millis(250)).send().await;
    (raw, answer.ok().map(|answer| answer.status().as_u16()))
}

#[tokio::test]
async fn a_call_that_stalls_is_carried_out_before_or_never() {
    for (after, expected) in [(false, 0), (true, 1)] {
        let (raw, status) = contain(with(FaultKind::StallHeaders, |f| f.after = after)).await;
        assert_eq!((status, raw.sim.log().len()), (None, expected), "after: {after}");
    }
}

#[tokio::test]
async fn a_replayed_call_is_answered_by_its_second_turn() {
    let (raw, status) = contain(FaultKind::Replayed.into()).await;
    assert_eq!((status, raw.sim.log().len()), (Some(409), 1), "the host was on its way by then");
    assert_eq!(raw.sim.requests().count("falcon-1", "PerformActionV2"), 1);
}

async fn page(raw: &Raw, offset: Option<&str>) -> (Vec<String>, usize, String, u16) {
    let mut query = vec![("limit", "10")];
    query.extend(offset.map(|o| ("offset", o)));
    let (status, _, body) = send(raw.get(COMBINED, &query)).await;
    let rows = body["resources"].as_array().map_or(0, Vec::len);
    (
        ids(&body),
        rows,
        body["meta"]["pagination"]["next"].as_str().unwrap_or_default().to_owned(),
        status.as_u16(),
    )
}

#[tokio::test]
async fn pages_that_go_wrong() {
    let raw = raw().await;
    let (first, _, next, _) = page(&raw, None).await;
    let (second, ..) = page(&raw, Some(&next)).await;
    let strike = |fault: Fault| {
        raw.sim.clear_faults();
        raw.sim.inject(vec![FaultRule::nth(OP, 1, fault)]).unwrap();
    };
    strike(FaultKind::BadItem.into());
    let (readable, rows, ..) = page(&raw, Some(&next)).await;
    assert_eq!((readable.len(), rows), (9, 10));
    strike(FaultKind::EmptyPage.into());
    let (_, rows, after, _) = page(&raw, Some(&next)).await;
    assert_eq!((rows, page(&raw, Some(&after)).await.0), (0, second.clone()));
    strike(FaultKind::RepeatCursor.into());
    assert_eq!(page(&raw, Some(&next)).await.2, next);
    strike(FaultKind::ExpiredCursor.into());
    assert_eq!(page(&raw, Some(&next)).await.3, 400);
    strike(FaultKind::Drift.into());
    let (drifted, ..) = page(&raw, Some(&next)).await;
    assert_eq!((&drifted[0], &drifted[1..]), (&first[9], &second[..9]));
    strike(with(FaultKind::Drift, |f| f.shift = -1));
    assert_eq!(page(&raw, Some(&next)).await.0[..9], second[1..]);
}

#[tokio::test]
async fn alert_pages_that_go_wrong() {
    let raw = raw().await;
    let ask =
        |after: &Value| send(raw.post("/alerts/combined/alerts/v1", &json!({"limit": 5, "after": after})));
    let after_of = |body: &Value| body["meta"]["pagination"]["after"].clone();
    let first = ask(&Value::Null).await.2;
    let next = after_of(&first);
    let second = ids(&ask(&next).await.2);
    let strike = |kind: FaultKind| {
        raw.sim.clear_faults();
        raw.sim.inject(vec![FaultRule::nth("PostCombinedAlertsV1", 1, kind)]).unwrap();
    };
    strike(FaultKind::EmptyPage);
    let empty = ask(&next).await.2;
    assert_eq!((ids(&empty).len(), ids(&ask(&after_of(&empty)).await.2)), (0, second.clone()));
    strike(FaultKind::RepeatCursor);
    assert_eq!(after_of(&ask(&next).await.2), next);
    strike(FaultKind::ExpiredCursor);
    assert_eq!(ask(&next).await.0, 404);
    strike(FaultKind::Drift);
    assert_eq!(ids(&ask(&next).await.2)[0], ids(&first)[4]);
    strike(FaultKind::BadItem);
    assert_eq!(ids(&ask(&next).await.2).len(), 4);
}
