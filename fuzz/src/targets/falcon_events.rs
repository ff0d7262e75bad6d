//! Falcon's event stream: what a connection says until it ends, in pieces of any size.
//!
//! The first byte chooses: `o` from the oldest event on, `n` from the newest, `t` a choice of types, anything else behind
//! an offset of 100. The second byte is the size of the pieces. The rest is the body of the first connection, and
//! from its end on there is no session any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use edr_core::clock::ManualClock;
use edr_core::{Raw, TenantId};
use edr_http::{BodyStream, MemoryTransport, TransportError};
use falcon::events::{AppId, Checkpoint, EventItem, EventType, EventsParams, Position, Start, StreamEvent};
use falcon::{Cloud, Falcon};
use futures_util::{StreamExt as _, stream};

use super::choice;
use crate::wire::{SECRETS, TENANT, block_on, gives_away, now};

/// The longest line of this target.
const LONGEST: usize = 4 << 10;

/// Runs the target.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    if gives_away(data) {
        return;
    }
    for line in data.split(|b| *b == b'\n') {
        // Whatever it is, it is an event or a reason.
        let _ = StreamEvent::read(0, Raw::new(line.to_vec()));
    }
    let (way, rest) = choice(data);
    let (size, body) = rest.split_first().map_or((1, rest), |(size, body)| (usize::from(*size).max(1), body));
    let seen = block_on(follow(params(way), body, size));
    let again = block_on(follow(params(way), body, body.len().max(1)));
    assert_eq!(seen, again, "the pieces make a difference");
}

fn params(way: u8) -> EventsParams {
    let mut params = EventsParams::new(AppId::new("fuzzed").expect("a name")).jitter(|| 0.5);
    let mut checkpoint = Checkpoint::empty(TenantId::new(TENANT));
    checkpoint.partitions.insert(0, Position { offset: 100, created: None });
    params.start = match way {
        b'o' | b't' => Start::Oldest,
        b'n' => Start::Newest,
        _ => Start::After(checkpoint),
    };
    if way == b't' {
        params.types = vec![EventType::UserActivityAudit];
    }
    params.longest_line = LONGEST;
    params
}

/// What came of the stream, in short.
async fn follow(params: EventsParams, body: &[u8], size: usize) -> Vec<String> {
    let falcon = tenant(body, size);
    let mut events = falcon.client().events(params);
    let (mut seen, mut ended, mut last) = (Vec::new(), false, None);
    while let Some(item) = events.next().await {
        assert!(!ended, "something came behind the end");
        let shown = format!("{item:?}");
        assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "a secret is shown: {shown}");
        match item {
            Ok(EventItem::Event(event)) => {
                assert!(last.is_none_or(|last| event.offset > last), "{} after {last:?}", event.offset);
                last = Some(event.offset);
                assert!(StreamEvent::read(0, event.raw.clone()).is_ok_and(|read| read == *event));
                seen.push(event.offset.to_string());
            }
            Ok(EventItem::Gap(gap)) => {
                last = None;
                assert!(!gap.to_string().is_empty());
                seen.push(format!("{gap:?}"));
            }
            Ok(EventItem::Rejected(line)) => {
                assert!(!line.reason.is_empty() && line.raw.as_bytes().len() <= LONGEST);
                seen.push(format!("{:?}", line.offset));
            }
            Ok(_) => {}
            Err(_) => ended = true,
        }
    }
    assert!(ended, "it ended without saying why");
    let kept = serde_json::to_string(&events.checkpoint()).expect("a checkpoint is JSON");
    assert_eq!(serde_json::from_str::<Checkpoint>(&kept).expect("and is read again"), events.checkpoint());
    seen
}

type Answer = Result<http::Response<BodyStream>, TransportError>;

/// A tenant whose first connection has this body.
fn tenant(body: &[u8], size: usize) -> Falcon {
    let pieces: Vec<Bytes> = body.chunks(size).map(Bytes::copy_from_slice).collect();
    let connections = Arc::new(AtomicU32::new(0));
    let transport = MemoryTransport::new(move |request: http::Request<Bytes>| {
        let first = || connections.fetch_add(1, Ordering::Relaxed) == 0;
        let answer = match request.uri().path() {
            "/oauth2/token" => {
                json(201, &format!(r#"{{"access_token":"{}","expires_in":1799}}"#, SECRETS[1]))
            }
            "/sensors/entities/datafeed/v2" => json(200, &discovered()),
            path if path.ends_with("/datafeed/v1/0") && first() => {
                let body = stream::iter(pieces.clone().into_iter().map(Ok)).boxed();
                Ok(http::Response::new(body))
            }
            _ => json(401, r#"{"meta":{},"errors":[{"code":401,"message":"Not authorized"}]}"#),
        };
        async move { answer }
    });
    let builder = Falcon::builder(TENANT, "client", SECRETS[0].into())
        .requests_per_minute(0)
        .cloud(Cloud::Us1)
        .clock(Arc::new(ManualClock::at(now())))
        .transport(Arc::new(transport));
    builder.build().expect("the settings are good")
}

fn json(status: u16, body: &str) -> Answer {
    MemoryTransport::json(status, body)
}

fn discovered() -> String {
    format!(
        r#"{{"meta":{{}},"resources":[{{"dataFeedURL":"https://firehose.crowdstrike.com/sensors/entities/datafeed/v1/0?appId=fuzzed",
            "sessionToken":{{"token":"{}"}},"refreshActiveSessionInterval":1800,
            "refreshActiveSessionURL":"https://api.crowdstrike.com/sensors/entities/datafeed-actions/v1/0?appId=fuzzed"}}]}}"#,
        SECRETS[1]
    )
}
