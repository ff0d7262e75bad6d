//! The event stream: what happens in a tenant, within seconds of it.
//!
//! [`crate::FalconClient::events`] follows every partition of a tenant and goes on until it is dropped or told why it cannot. It
//! discovers the streams, renews their sessions ahead of time, notices when a connection is silent, connects again
//! where it broke off, and gives out each event once. Nothing is left out in silence: a hole in the offsets comes as
//! a [`Gap`], a line that cannot be read as a [`RejectedLine`], and the end as an error that says what to do.
//!
//! ```no_run
//! use falcon::events::{AppId, EventItem, EventsParams, Start};
//! use futures_util::TryStreamExt as _;
//!
//! # async fn example(acme: falcon::Falcon, kept: Option<falcon::events::Checkpoint>) -> edr_core::Result<()> {
//! let mut params = EventsParams::new(AppId::new("siem01")?);
//! params.start = kept.map_or(Start::Newest, Start::After);
//! let mut events = acme.client().events(params);
//! while let Some(item) = events.try_next().await? {
//!     match item {
//!         EventItem::Event(event) => println!("{} {}", event.offset, event.event_type),
//!         EventItem::Gap(gap) => eprintln!("{gap}"),
//!         EventItem::Rejected(line) => eprintln!("{}", line.reason),
//!         _ => {}
//!     }
//!     // Keep this when the item is dealt with; the next run goes on behind it.
//!     let _checkpoint = events.checkpoint();
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A stream works while it is asked for its next item. Whoever needs long for an item should put a channel
//! in between: a session that is not renewed for half an hour ends, and is begun anew then.

mod checkpoint;
mod event;
mod feed;
mod follow;
mod item;
mod order;
mod schedule;
#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use edr_core::Result;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};

pub use crate::api::streams::{AppId, EventType};
pub use checkpoint::{Checkpoint, Position};
pub use event::{
    AuditEvent, AuditPair, AuditPairs, DetectionEvent, DispositionFlags, EventBody, EventMetadata,
    IdentityDetectionEvent, Mitre, NetworkAccess, RemoteResponseEvent, StreamEvent, WrittenFile,
};
pub use item::{EventItem, Gap, GapReason, RejectedLine, StreamStatus};

use self::schedule::Dice;

/// Where to begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// Behind what an earlier run has read. Partitions that it has not read begin at the oldest event.
    After(Checkpoint),
    /// With what happens from now on.
    #[default]
    Newest,
    /// With the oldest event that the vendor keeps.
    Oldest,
}

/// How to follow the events of a tenant.
#[derive(Clone)]
#[non_exhaustive]
pub struct EventsParams {
    /// The name of this reader. Two readers of one name cannot read at the same time.
    pub app_id: AppId,
    /// Where to begin.
    pub start: Start,
    /// The types that are wanted; all when none is named. Holes cannot be seen then, because the offsets of the other
    /// types are missing, too.
    pub types: Vec<EventType>,
    /// The longest time without a byte. The vendor sends a heartbeat every 30 seconds or so.
    pub quiet: Duration,
    /// After a break, and where an earlier run is gone on with, how long the answer that the name is in use is taken
    /// for an echo of our own connection.
    pub patience: Duration,
    /// The longest line that is read, in bytes. A longer one is rejected.
    pub longest_line: usize,
    dice: Dice,
}

impl fmt::Debug for EventsParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsParams")
            .field("app_id", &self.app_id)
            .field("start", &self.start)
            .field("types", &self.types)
            .field("quiet", &self.quiet)
            .field("patience", &self.patience)
            .field("longest_line", &self.longest_line)
            .finish_non_exhaustive()
    }
}

impl EventsParams {
    /// All events from now on: a silence of 90 seconds is a break, a name in use is believed after two minutes, and
    /// a line has at most 16 MiB.
    #[must_use]
    pub fn new(app_id: AppId) -> Self {
        Self {
            app_id,
            start: Start::default(),
            types: Vec::new(),
            quiet: Duration::from_secs(90),
            patience: Duration::from_secs(120),
            longest_line: 16 << 20,
            dice: Dice::default(),
        }
    }

    /// The source of jitter, in 0..1.
    #[must_use]
    pub fn jitter(mut self, roll: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.dice = Dice::new(roll);
        self
    }
}

/// The events of a tenant as they happen; see [`self`]. It ends with an error, or never.
pub struct EventStream {
    items: BoxStream<'static, Result<follow::Given>>,
    checkpoint: Checkpoint,
    repeated: Arc<AtomicU64>,
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("checkpoint", &self.checkpoint).finish_non_exhaustive()
    }
}

impl EventStream {
    /// How far everything that was given out goes. An item that was given out and not dealt with is not in a
    /// checkpoint that was taken before.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.checkpoint.clone()
    }

    /// How many events came more than once, and were dropped.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }
}

impl Stream for EventStream {
    type Item = Result<EventItem>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let given = std::task::ready!(self.items.poll_next_unpin(cx));
        Poll::Ready(given.map(|given| {
            given.map(|given| {
                if let Some((partition, position)) = given.at {
                    self.checkpoint.partitions.insert(partition, position);
                }
                given.item
            })
        }))
    }
}
