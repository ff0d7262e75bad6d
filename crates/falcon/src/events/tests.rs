//! Streams under a paused clock: what is sent when, and what comes of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use edr_core::{Error, ErrorKind, TenantId};
use edr_http::{MemoryTransport, TransportError, TransportErrorKind};
use futures_util::stream::{self, StreamExt as _};
use tokio::time::Instant;

use super::*;
use crate::Falcon;
use crate::testing::{Answer, Log, Sent, falcon};

const DISCOVER: &str = "/sensors/entities/datafeed/v2";
const RENEW: &str = "/sensors/entities/datafeed-actions/v1/0";
const FEED: &str = "/sensors/entities/datafeed/v1/0";

/// What a connection does.
#[derive(Clone, Debug)]
enum Step {
    Break,
    Hang,
    Send(String),
    Wait(u64),
}

/// An event of this offset, made so many seconds after 2023 began to end.
fn event(offset: u64) -> String {
    format!(
        r#"{{"metadata":{{"offset":{offset},"eventType":"UserActivityAuditEvent","eventCreationTime":{}}},"event":{{}}}}"#,
        1_700_000_000_000_u64 + offset
    ) + "\n"
}

fn events(offsets: impl IntoIterator<Item = u64>) -> Step {
    Step::Send(offsets.into_iter().map(event).collect())
}

/// One answer, to be given as often as it is asked for.
#[derive(Clone, Debug)]
enum Reply {
    Body(Vec<Step>),
    Json(u16, String),
}

impl Reply {
    fn answer(self) -> Answer {
        match self {
            Self::Body(steps) => stepped(steps),
            Self::Json(status, text) => MemoryTransport::json(status, &text),
        }
    }
}

fn body(steps: Vec<Step>) -> Reply {
    Reply::Body(steps)
}

fn json(status: u16, text: &str) -> Reply {
    Reply::Json(status, text.to_owned())
}

fn stepped(steps: Vec<Step>) -> Answer {
    let steps = stream::unfold(VecDeque::from(steps), |mut steps| async move {
        loop {
            match steps.pop_front()? {
                Step::Break => {
                    let broken = TransportError::new(TransportErrorKind::Body);
                    return Some((Err(broken), VecDeque::new()));
                }
                Step::Hang => std::future::pending().await,
                Step::Send(text) => return Some((Ok(Bytes::from(text)), steps)),
                Step::Wait(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            }
        }
    });
    Ok(http::Response::new(steps.boxed()))
}

fn refused(status: u16) -> Reply {
    json(status, &format!(r#"{{"meta":{{}},"errors":[{{"code":{status},"message":"no"}}]}}"#))
}

/// The streams of so many partitions.
fn streams(partitions: u32) -> Reply {
    let one = |n: u32| {
        format!(
            r#"{{"dataFeedURL":"https://firehose.crowdstrike.com/sensors/entities/datafeed/v1/{n}?appId=siem",
                "sessionToken":{{"token":"canary-session","expiration":"2026-01-10T12:30:00Z"}},
                "refreshActiveSessionURL":"https://api.crowdstrike.com/sensors/entities/datafeed-actions/v1/{n}?appId=siem&action_name=x",
                "refreshActiveSessionInterval":1800}}"#
        )
    };
    let all: Vec<String> = (0..partitions).map(one).collect();
    json(200, &format!(r#"{{"meta":{{}},"errors":[],"resources":[{}]}}"#, all.join(",")))
}

/// Answers of one place, in order; the last stays.
type Script = Vec<Reply>;

fn next(script: &Mutex<Script>) -> Answer {
    let mut script = script.lock().unwrap();
    let reply = if script.len() > 1 { script.remove(0) } else { script[0].clone() };
    reply.answer()
}

/// A tenant whose streams, renewals and connections answer by script.
fn tenant(discover: Script, renew: Script, feed: Script) -> (Falcon, Log) {
    let (discover, renew, feed) = (Mutex::new(discover), Mutex::new(renew), Mutex::new(feed));
    falcon(move |sent: &Sent| match sent.path.as_str() {
        DISCOVER => next(&discover),
        RENEW => next(&renew),
        path if path.starts_with("/sensors/entities/datafeed/v1/") => next(&feed),
        _ => json(200, r#"{"meta":{}}"#).answer(),
    })
}

fn plain(feed: Script) -> (Falcon, Log) {
    tenant(vec![streams(1)], vec![json(200, r#"{"meta":{}}"#)], feed)
}

fn params() -> EventsParams {
    EventsParams::new(AppId::new("siem").unwrap()).jitter(|| 0.0)
}

fn after(offset: u64) -> EventsParams {
    let mut checkpoint = Checkpoint::empty(TenantId::new("acme"));
    checkpoint.partitions.insert(0, Position { offset, created: None });
    EventsParams { start: Start::After(checkpoint), ..params() }
}

/// What comes, in short: offsets, gaps, rejected lines; what happens to the connections is left out.
async fn next_thing(events: &mut EventStream) -> Result<String, Error> {
    loop {
        return Ok(match events.next().await.unwrap()? {
            EventItem::Event(event) => event.offset.to_string(),
            EventItem::Gap(gap) => format!("gap {:?} {:?} {:?}", gap.reason, gap.after, gap.before),
            EventItem::Rejected(line) => format!("rejected {:?}", line.offset),
            EventItem::Status(_) => continue,
        });
    }
}

async fn things(events: &mut EventStream, count: usize) -> Vec<String> {
    let mut out = Vec::new();
    while out.len() < count {
        out.push(next_thing(events).await.unwrap());
    }
    out
}

async fn end(events: &mut EventStream) -> Error {
    loop {
        match events.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => {
                assert!(events.next().await.is_none(), "nothing comes after the error");
                return error;
            }
        }
    }
}

fn asked(log: &Log, path: &str, key: &str) -> Vec<Option<String>> {
    log.to(path).iter().map(|sent| sent.get(key).map(str::to_owned)).collect()
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|v| Some((*v).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_where_it_broke_off() {
    let half = event(3);
    let (acme, log) = plain(vec![
        body(vec![events(1..=2), Step::Send(half[..40].to_owned()), Step::Break]),
        body(vec![events([3]), Step::Send(half[..40].to_owned())]),
        body(vec![events(4..=5), Step::Hang]),
    ]);
    let mut events = acme.client().events(EventsParams { start: Start::Oldest, ..params() });
    assert_eq!(things(&mut events, 5).await, ["1", "2", "3", "4", "5"]);
    assert_eq!(asked(&log, FEED, "offset"), some(&["0", "3", "4"]));
    assert_eq!(events.checkpoint().partitions[&0].offset, 5);
    assert_eq!(log.to(DISCOVER).len(), 1, "the session was good all the time");
    let sent = &log.to(FEED)[0];
    assert_eq!(sent.host, "firehose.crowdstrike.com");
    assert_eq!(sent.authorization.as_deref(), Some("Token canary-session"), "and no bearer token");
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_was_kept_is_gone_on_with() {
    let (acme, log) = plain(vec![body(vec![events([12, 13]), Step::Hang])]);
    let mut first = acme.client().events(after(9));
    assert_eq!(things(&mut first, 3).await, ["gap Missing Some(9) Some(12)", "12", "13"]);
    let kept = serde_json::to_string(&first.checkpoint()).unwrap();
    let again = EventsParams { start: Start::After(serde_json::from_str(&kept).unwrap()), ..params() };
    let mut second = acme.client().events(again);
    things(&mut second, 0).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), second.next()).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), second.next()).await;
    assert_eq!(asked(&log, FEED, "offset"), some(&["10", "14"]));
    let mut foreign = Checkpoint::empty(TenantId::new("other"));
    foreign.partitions.insert(0, Position { offset: 1, created: None });
    let mut refused = acme.client().events(EventsParams { start: Start::After(foreign), ..params() });
    assert_eq!(end(&mut refused).await.kind(), ErrorKind::Configuration);
}

#[tokio::test(start_paused = true)]
async fn holes_repetitions_and_bad_lines_are_told() {
    let bad = r#"{"metadata":{"offset":5,"eventType":"X"},"event":{"#.to_owned() + "\n";
    let (acme, _) = plain(vec![body(vec![
        events([1, 2, 2, 1, 4]),
        Step::Send(bad),
        Step::Send("\n\r\nnonsense\r\n".to_owned()),
        events([7, 9]),
        Step::Hang,
    ])]);
    let mut events = acme.client().events(EventsParams { start: Start::Oldest, ..params() });
    let expected = [
        "1",
        "2",
        "gap Missing Some(2) Some(4)",
        "4",
        "rejected Some(5)",
        "rejected None",
        "7",
        "gap Missing Some(7) Some(9)",
        "9",
    ];
    assert_eq!(things(&mut events, expected.len()).await, expected);
    assert_eq!(events.repeated(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_offset_hides_nothing() {
    let bad = r#"{"metadata":{"offset":99999999999,"#.to_owned() + "\n";
    let (acme, _) = plain(vec![body(vec![events([1]), Step::Send(bad), events([3, 4]), Step::Hang])]);
    let mut events = acme.client().events(after(0));
    assert_eq!(things(&mut events, 4).await, ["1", "rejected None", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_left() {
    let beat = || Step::Send("\n".to_owned());
    let (acme, log) = plain(vec![
        body(vec![events([1]), Step::Wait(80), beat(), Step::Wait(80), beat(), Step::Hang]),
        body(vec![events([2]), Step::Hang]),
    ]);
    let mut events = acme.client().events(after(0));
    things(&mut events, 1).await;
    let begun = Instant::now();
    assert_eq!(things(&mut events, 1).await, ["2"]);
    // Two heartbeats, ninety seconds of silence, and half a second's pause.
    assert_eq!(begun.elapsed().as_secs(), 250);
    assert_eq!(asked(&log, FEED, "offset"), some(&["1", "2"]));
}

#[tokio::test(start_paused = true)]
async fn sessions_are_renewed_on_a_timer_and_not_by_events() {
    let beats: Vec<Step> = (0..200).flat_map(|_| [Step::Wait(30), Step::Send("\n".to_owned())]).collect();
    let (acme, log) = plain(vec![body([beats, vec![events([1])]].concat())]);
    let mut events = acme.client().events(after(0).jitter(|| 0.5));
    things(&mut events, 1).await;
    let renewed = log.to(RENEW);
    assert_eq!(renewed.len(), 3, "6,000 seconds at 85 % of 1,800");
    assert_eq!(renewed[0].get("action_name"), Some("refresh_active_stream_session"));
    assert!(renewed[0].authorization.as_deref().unwrap().starts_with("Bearer "));
    assert_eq!(log.to(FEED).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_and_one_that_is_void_begins_anew() {
    let quiet = || vec![Step::Wait(60), Step::Send("\n".to_owned())];
    let long: Vec<Step> = (0..60).flat_map(|_| quiet()).collect();
    let first = [vec![events([1])], long].concat();
    let (acme, log) = tenant(
        vec![streams(1)],
        vec![
            refused(500),
            refused(500),
            refused(500),
            refused(500),
            refused(500),
            refused(404),
            json(200, r#"{"meta":{}}"#),
        ],
        vec![body(first.clone()), body(vec![events([2]), Step::Hang])],
    );
    let mut events = acme.client().events(after(0));
    let mut failed = 0;
    loop {
        match events.next().await.unwrap().unwrap() {
            EventItem::Status(StreamStatus::RenewalFailed { .. }) => failed += 1,
            EventItem::Event(event) if event.offset == 2 => break,
            _ => {}
        }
    }
    assert_eq!(failed, 1, "five attempts of one renewal");
    assert_eq!(log.to(DISCOVER).len(), 2);
    assert_eq!(asked(&log, FEED, "offset"), some(&["1", "2"]));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ended_is_begun_anew_at_the_same_place() {
    let (acme, log) = plain(vec![body(vec![events([1])]), refused(401), body(vec![events([2]), Step::Hang])]);
    let mut events = acme.client().events(after(0));
    assert_eq!(things(&mut events, 2).await, ["1", "2"]);
    assert_eq!((log.to(DISCOVER).len(), log.to(FEED).len()), (2, 3));
    assert_eq!(asked(&log, FEED, "offset"), some(&["1", "2", "2"]));
}

#[tokio::test(start_paused = true)]
async fn a_name_in_use_ends_it_with_what_to_do() {
    for none in [r#"{"meta":{},"errors":[],"resources":[]}"#, r#"{"meta":{},"errors":[]}"#] {
        let (acme, log) = tenant(vec![json(200, none)], vec![refused(500)], vec![refused(500)]);
        let error = end(&mut acme.client().events(params())).await;
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.hint().unwrap().contains("another program reads under this name"), "{error}");
        assert_eq!(log.to(DISCOVER).len(), 1);
    }
    // After a break it may be ourselves, for a while.
    let none = r#"{"meta":{},"errors":[],"resources":[]}"#;
    let (acme, log) = tenant(
        vec![streams(1), json(200, none)],
        vec![refused(500)],
        vec![body(vec![events([1])]), refused(401)],
    );
    let begun = Instant::now();
    assert_eq!(end(&mut acme.client().events(params())).await.kind(), ErrorKind::Conflict);
    assert!(
        begun.elapsed() >= Duration::from_secs(120) && log.to(DISCOVER).len() > 3,
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_user_must_mend_ends_it() {
    let (acme, _) = tenant(
        vec![json(
            403,
            r#"{"meta":{},"errors":[{"code":403,"message":"access denied, scope not permitted"}]}"#,
        )],
        vec![refused(500)],
        vec![refused(500)],
    );
    let error = end(&mut acme.client().events(params())).await;
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert!(error.hint().unwrap().contains("\"Event streams: read\""), "{error}");
    // Sessions that are refused again and again are no stumble.
    let (acme, log) = plain(vec![refused(401)]);
    let error = end(&mut acme.client().events(params())).await;
    assert_eq!((error.kind(), log.to(DISCOVER).len()), (ErrorKind::Authentication, 5));
    assert!(error.message().contains("5 sessions") && error.hint().unwrap().contains("nobody else reads"));
}

#[tokio::test(start_paused = true)]
async fn a_network_that_is_away_for_hours_is_waited_for() {
    let away = Arc::new(Mutex::new(0_u32));
    let count = away.clone();
    let (acme, _) = falcon(move |sent: &Sent| {
        let lost = || Err(TransportError::new(TransportErrorKind::Connect));
        let mut n = count.lock().unwrap();
        *n += u32::from(sent.path != RENEW);
        match (sent.path.as_str(), *n) {
            (_, 3..400) => lost(),
            (DISCOVER, _) => streams(1).answer(),
            (FEED, 1..3) => body(vec![events([1])]).answer(),
            (FEED, _) => body(vec![events([2]), Step::Hang]).answer(),
            _ => MemoryTransport::json(200, "{}"),
        }
    });
    let mut events = acme.client().events(after(0));
    let begun = Instant::now();
    assert_eq!(things(&mut events, 2).await, ["1", "2"]);
    assert!(begun.elapsed() > Duration::from_secs(1_800), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn streams_are_read_at_the_vendors_hosts_alone() {
    let elsewhere = r#"{"meta":{},"resources":[{"dataFeedURL":"https://firehose.evil.example/sensors/entities/datafeed/v1/0?appId=a",
        "sessionToken":{"token":"canary-session"},"refreshActiveSessionURL":"https://x/datafeed-actions/v1/0"}]}"#;
    let (acme, log) = tenant(vec![json(200, elsewhere)], vec![refused(500)], vec![refused(500)]);
    let error = end(&mut acme.client().events(params())).await;
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(log.all().iter().all(|sent| !sent.host.contains("evil")));
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn partitions_are_read_side_by_side() {
    let feeds = |sent: &Sent| match (sent.path.rsplit('/').next().unwrap(), sent.get("offset")) {
        ("0", Some("0")) => body(vec![events([10]), Step::Wait(5), events([11]), Step::Break]),
        ("0", _) => body(vec![Step::Wait(5), events([12]), Step::Hang]),
        (_, offset) => {
            assert_eq!(offset, Some("0"), "the other one was not disturbed");
            body(vec![Step::Wait(3), events([500]), Step::Wait(60), events([501]), Step::Hang])
        }
    };
    let (acme, log) = falcon(move |sent: &Sent| match sent.path.as_str() {
        DISCOVER => streams(2).answer(),
        _ => feeds(sent).answer(),
    });
    let mut events = acme.client().events(EventsParams { start: Start::Oldest, ..params() });
    assert_eq!(things(&mut events, 5).await, ["10", "500", "11", "12", "501"]);
    let at: Vec<(u32, u64)> = events.checkpoint().partitions.iter().map(|(n, p)| (*n, p.offset)).collect();
    assert_eq!(at, [(0, 12), (1, 501)]);
    assert_eq!(log.to(FEED).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_gone_is_told() {
    let (acme, _) = plain(vec![body(vec![events([1]), Step::Hang])]);
    let mut params = after(0);
    if let Start::After(checkpoint) = &mut params.start {
        checkpoint.partitions.insert(3, Position { offset: 77, created: None });
    }
    let mut events = acme.client().events(params);
    assert_eq!(things(&mut events, 2).await, ["gap NoPartition Some(77) None", "1"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_place_to_go_on_from_a_break_is_told() {
    let (acme, log) =
        plain(vec![body(vec![Step::Send("\n".to_owned())]), body(vec![events([7]), Step::Hang])]);
    let mut events =
        acme.client().events(EventsParams { types: vec![EventType::UserActivityAudit], ..params() });
    assert_eq!(things(&mut events, 2).await, ["gap Unproven None None", "7"]);
    assert_eq!(asked(&log, FEED, "whence"), some(&["2", "2"]));
    assert_eq!(asked(&log, FEED, "eventType"), some(&["UserActivityAuditEvent", "UserActivityAuditEvent"]));
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_too_long_is_gone_over() {
    let long = "x".repeat(2_000);
    let first = Step::Send(event(1) + &long);
    let (acme, log) = plain(vec![body(vec![first.clone(), Step::Hang]), body(vec![events([3]), Step::Hang])]);
    let mut events = acme.client().events(EventsParams { longest_line: 1_000, ..after(0) });
    assert_eq!(things(&mut events, 3).await, ["1", "rejected Some(2)", "3"]);
    assert_eq!(asked(&log, FEED, "offset"), some(&["1", "3"]));
    // Where no place is known, there is nothing to go over.
    let long = "x".repeat(2_000);
    let (acme, _) = plain(vec![body(vec![Step::Send(long.clone())])]);
    let error = end(&mut acme.client().events(EventsParams { longest_line: 1_000, ..params() })).await;
    assert_eq!((error.kind(), error.hint()), (ErrorKind::Decode, Some("raise longest_line")));
}
