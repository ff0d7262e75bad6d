//! Event streams: followed, gone on with, renewed, broken, with holes, by two readers.

use std::time::Duration;

use edr_core::{Error, ErrorKind};
use edr_sim::{Fault, FaultKind, FaultRule, Sim, SimBuilder};
use falcon::api::alerts::{AlertStatus, AlertStep};
use falcon::events::{
    AppId, EventBody, EventItem, EventStream, EventType, EventsParams, GapReason, Start, StreamEvent,
    StreamStatus,
};
use futures_util::StreamExt as _;

use super::{Wire, World};

const READ: &str = "ReadEventStream";
const RENEW: &str = "refreshActiveStreamSession";

fn builder() -> SimBuilder {
    Sim::builder().falcon_hosts(20).alerts(60)
}

fn params(start: Start) -> EventsParams {
    let mut params = EventsParams::new(AppId::new("scene").unwrap()).jitter(|| 0.0);
    params.start = start;
    params
}

/// The next item; a scene that waits for more than there is fails.
async fn next(events: &mut EventStream) -> Result<EventItem, Error> {
    tokio::time::timeout(Duration::from_secs(20), events.next()).await.unwrap().unwrap()
}

/// The next item that is not about the connections.
async fn thing(events: &mut EventStream) -> EventItem {
    loop {
        match next(events).await.unwrap() {
            EventItem::Status(_) => {}
            item => return item,
        }
    }
}

async fn event(events: &mut EventStream) -> StreamEvent {
    match thing(events).await {
        EventItem::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

async fn offsets(events: &mut EventStream, count: usize) -> Vec<u64> {
    let mut out = Vec::new();
    while out.len() < count {
        out.push(event(events).await.offset);
    }
    out
}

/// The next event of a detection.
async fn detection(events: &mut EventStream) -> StreamEvent {
    loop {
        let event = event(events).await;
        if event.severity().is_some() {
            return event;
        }
    }
}

impl World {
    fn follow(&self, params: EventsParams) -> EventStream {
        self.client().events(params)
    }

    fn strike(&self, operation: &str, nth: u64, fault: impl Into<Fault>) {
        self.sim.inject(vec![FaultRule::nth(operation, nth, fault)]).unwrap();
    }
}

/// The first offsets that are kept, in every world of these scenes.
async fn plain(wire: &Wire, count: usize) -> Vec<u64> {
    let world = World::of(wire, builder()).await;
    offsets(&mut world.follow(params(Start::Oldest)), count).await
}

/// A stream from its oldest event on, in a world of its own: a fault strikes the lines of every reader.
async fn struck(wire: &Wire, nth: u64, fault: impl Into<Fault>) -> (World, EventStream) {
    let (world, fault) = (World::of(wire, builder()).await, fault.into());
    world.strike(READ, nth, fault.clone());
    let mut params = params(Start::Oldest);
    if fault.kind == FaultKind::Silence {
        params.quiet = Duration::from_millis(500);
    }
    let events = world.follow(params);
    (world, events)
}

fn of_id(event: &StreamEvent) -> Option<String> {
    match &event.body {
        EventBody::Detection(d) => d.composite_id.clone(),
        EventBody::IdentityDetection(d) => d.composite_id.clone(),
        _ => None,
    }
}

pub(crate) async fn events_are_followed_as_they_happen(wire: &Wire) {
    let world = World::of(wire, builder()).await;
    let mut events = world.follow(params(Start::Newest));
    let started = event(&mut events).await;
    assert_eq!(started.event_type, EventType::AuthActivityAudit);
    let EventBody::Audit(audit) = &started.body else { panic!("{started:?}") };
    assert_eq!(
        (audit.operation.as_deref(), audit.pairs.get("appId")),
        (Some("streamStarted"), Some("scene"))
    );
    world.sim.add_alerts("falcon-1", 5, Duration::ZERO).unwrap();
    let mut ids = Vec::new();
    for _ in 0..5 {
        let found = detection(&mut events).await;
        assert_eq!(found.created.as_ref().unwrap().utc(), Some(world.sim.now()));
        ids.extend(of_id(&found));
    }
    // What the stream tells of can be asked for.
    let alerts = world.client().alerts_by_id(&ids).await.unwrap();
    assert!(!ids.is_empty() && alerts.missing.is_empty(), "{ids:?}");
    let steps = [AlertStep::SetStatus(AlertStatus::Closed)];
    world.client().update_alerts(&ids[..1], &steps).await.unwrap();
    let change = event(&mut events).await;
    let EventBody::Audit(audit) = &change.body else { panic!("{change:?}") };
    assert_eq!(
        (&change.event_type, audit.pairs.get("new_state")),
        (&EventType::UserActivityAudit, Some("closed"))
    );
    assert_eq!(audit.pairs.get("detection_id"), Some(ids[0].as_str()));
    drop(events);
    let mut few = params(Start::Oldest);
    few.types = vec![EventType::IdpDetectionSummary];
    few.app_id = AppId::new("other").unwrap();
    world.sim.add_alerts("falcon-1", 60, Duration::ZERO).unwrap();
    let mut few = world.follow(few);
    for _ in 0..3 {
        assert_eq!(event(&mut few).await.event_type, EventType::IdpDetectionSummary);
    }
}

pub(crate) async fn events_are_gone_on_with_by_the_next_run(wire: &Wire) {
    let world = World::of(wire, builder()).await;
    let mut first = world.follow(params(Start::Oldest));
    let seen = offsets(&mut first, 4).await;
    let kept = serde_json::to_string(&first.checkpoint()).unwrap();
    drop(first);
    world.sim.add_alerts("falcon-1", 3, Duration::ZERO).unwrap();
    let mut second = world.follow(params(Start::After(serde_json::from_str(&kept).unwrap())));
    assert_eq!(offsets(&mut second, 3).await, [seen[3] + 1, seen[3] + 2, seen[3] + 3]);
    drop(second);
    // What is older than a week is gone when the reader comes back, and that is told.
    world.sim.advance(Duration::from_secs(30 * 86_400));
    world.sim.add_alerts("falcon-1", 1, Duration::ZERO).unwrap();
    let mut late = world.follow(params(Start::After(serde_json::from_str(&kept).unwrap())));
    let EventItem::Gap(gap) = thing(&mut late).await else { panic!("a gap") };
    assert_eq!((gap.reason, gap.after), (GapReason::Missing, Some(seen[3])));
    assert_eq!(event(&mut late).await.offset, gap.before.unwrap());
    assert!(gap.count().unwrap() > 3);
}

pub(crate) async fn event_sessions_are_renewed_and_begun_anew(wire: &Wire) {
    let world = World::of(wire, builder().stream_session(Duration::from_secs(1))).await;
    let mut events = world.follow(params(Start::Newest));
    let mut last = event(&mut events).await.offset;
    loop {
        if let EventItem::Status(StreamStatus::Renewed { partition: 0 }) = next(&mut events).await.unwrap() {
            break;
        }
    }
    assert_eq!(world.sim.requests().count("falcon-1", "listAvailableStreamsOAuth2"), 1);
    // The service knows the session no more: all begins anew, at the same place.
    world.strike(RENEW, 1, FaultKind::ExpiredCursor);
    loop {
        if let EventItem::Status(StreamStatus::Interrupted { error, partition: None, .. }) =
            next(&mut events).await.unwrap()
        {
            assert!(error.is_not_found(), "{error}");
            break;
        }
    }
    world.sim.add_alerts("falcon-1", 2, Duration::ZERO).unwrap();
    for _ in 0..2 {
        let next = detection(&mut events).await;
        assert!(next.offset > last, "without a gap, and none twice");
        last = next.offset;
    }
    assert_eq!(world.sim.requests().count("falcon-1", "listAvailableStreamsOAuth2"), 2);
    assert_eq!(events.repeated(), 0);
    // So it does when the session runs out while nobody renews it.
    world.sim.advance(Duration::from_secs(5));
    world.sim.add_alerts("falcon-1", 1, Duration::ZERO).unwrap();
    assert!(detection(&mut events).await.offset > last);
    assert_eq!(world.sim.requests().count("falcon-1", "listAvailableStreamsOAuth2"), 3);
}

pub(crate) async fn an_event_stream_that_breaks_off_or_falls_silent_goes_on(wire: &Wire) {
    let plain = plain(wire, 8).await;
    for fault in [FaultKind::BreakOff, FaultKind::Silence, FaultKind::ExpiredCursor] {
        let (_world, mut events) = struck(wire, 4, fault).await;
        assert_eq!(offsets(&mut events, 8).await, plain, "{fault:?}");
        assert_eq!(events.repeated(), 0);
    }
    for fault in [FaultKind::CloseMidBody, FaultKind::TruncatedJson, FaultKind::Unavailable, FaultKind::Reset]
    {
        let (_world, mut events) = struck(wire, 1, Fault { bytes: Some(2_500), ..fault.into() }).await;
        assert_eq!(offsets(&mut events, 8).await, plain, "{fault:?}");
    }
}

pub(crate) async fn holes_and_repetitions_of_an_event_stream_are_told(wire: &Wire) {
    let plain = plain(wire, 6).await;
    let drift = |shift: i64| Fault { shift, ..FaultKind::Drift.into() };
    let (_world, mut events) = struck(wire, 3, drift(-2)).await;
    assert_eq!(offsets(&mut events, 2).await, plain[..2]);
    let EventItem::Gap(gap) = thing(&mut events).await else { panic!("a gap") };
    assert_eq!((gap.count(), gap.after, gap.before), (Some(2), Some(plain[1]), Some(plain[4])));
    assert_eq!(offsets(&mut events, 2).await, plain[4..]);

    let (_world, mut events) = struck(wire, 3, drift(2)).await;
    assert_eq!(offsets(&mut events, 6).await, plain);
    assert_eq!(events.repeated(), 2);

    let (_world, mut events) = struck(wire, 3, FaultKind::BadItem).await;
    assert_eq!(offsets(&mut events, 2).await, plain[..2]);
    let EventItem::Rejected(line) = thing(&mut events).await else { panic!("a line") };
    assert_eq!(line.offset, Some(plain[2]));
    assert!(!line.raw.is_empty() && !line.reason.is_empty());
    assert_eq!(offsets(&mut events, 3).await, plain[3..]);
}

pub(crate) async fn event_partitions_are_read_side_by_side(wire: &Wire) {
    let world = World::of(wire, builder().stream_partitions(3)).await;
    let mut events = world.follow(params(Start::Newest));
    let mut connected = 0;
    while connected < 3 {
        let item = next(&mut events).await.unwrap();
        connected += u32::from(matches!(item, EventItem::Status(StreamStatus::Connected { .. })));
    }
    world.sim.add_alerts("falcon-1", 9, Duration::ZERO).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 9 {
        seen.push(detection(&mut events).await.partition);
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    assert_eq!(events.checkpoint().partitions.len(), 3);
}

pub(crate) async fn two_readers_of_one_name_cannot_read_events(wire: &Wire) {
    let world = World::of(wire, builder()).await;
    let mut first = world.follow(params(Start::Newest));
    event(&mut first).await;
    let error = next(&mut world.follow(params(Start::Newest))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.hint().unwrap().contains("another app id"), "{error}");
    world.sim.add_alerts("falcon-1", 1, Duration::ZERO).unwrap();
    detection(&mut first).await;
    let poor = World::of(wire, builder().without_scope("streaming:read")).await;
    let error = next(&mut poor.follow(params(Start::Newest))).await.unwrap_err();
    assert!(error.is_permission() && error.hint().unwrap().contains("Event streams: read"), "{error}");
}
