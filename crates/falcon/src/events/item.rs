//! What a stream of events gives out.

use std::fmt;
use std::time::Duration;

use edr_core::{Error, Raw};

use super::StreamEvent;

/// One thing that a stream of events gives out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventItem {
    /// An event.
    Event(Box<StreamEvent>),
    /// Events are missing here, or may be.
    Gap(Gap),
    /// A line that cannot be read.
    Rejected(RejectedLine),
    /// A connection came, went, or is kept alive. Nothing has to be done about it.
    Status(StreamStatus),
}

/// Events that did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The partition.
    pub partition: u32,
    /// The last offset before it, where one is known.
    pub after: Option<u64>,
    /// The first offset behind it, where one is known.
    pub before: Option<u64>,
    /// Why it is one.
    pub reason: GapReason,
}

/// Why events are missing, or may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapReason {
    /// The vendor has left offsets out: they are lost, or older than what it keeps.
    Missing,
    /// The vendor has no such partition any more.
    NoPartition,
    /// The offsets begin anew. Whether events lie between is not known.
    Renumbered,
    /// The connection broke before the first event, so there was no place to go on from.
    Unproven,
}

impl Gap {
    /// How many events are missing, where that is known.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        match (self.reason, self.after, self.before) {
            (GapReason::Missing, Some(after), Some(before)) => before.checked_sub(after)?.checked_sub(1),
            _ => None,
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}: ", self.partition)?;
        let at = |offset: Option<u64>| offset.map_or_else(|| "the beginning".to_owned(), |o| o.to_string());
        match self.reason {
            GapReason::Missing => {
                let count = self.count().unwrap_or_default();
                write!(f, "{count} events are missing between {} and {}", at(self.after), at(self.before))
            }
            GapReason::NoPartition => write!(f, "it is gone; the last event was {}", at(self.after)),
            GapReason::Renumbered => {
                write!(f, "offsets begin anew: {} comes after {}", at(self.before), at(self.after))
            }
            GapReason::Unproven => {
                f.write_str("the connection broke before the first event; some may be missing")
            }
        }
    }
}

/// A line that is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectedLine {
    /// The partition.
    pub partition: u32,
    /// Its offset, where it shows one, or must have one.
    pub offset: Option<u64>,
    /// What is wrong with it.
    pub reason: String,
    /// The line; empty when it was too long to be read.
    pub raw: Raw,
}

/// How the connections are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StreamStatus {
    /// A partition is read, from this offset on, or from what happens now.
    Connected {
        /// The partition.
        partition: u32,
        /// The offset that was asked for.
        from: Option<u64>,
    },
    /// A connection is lost, or could not be made. It is made again after the pause.
    Interrupted {
        /// The partition; all of them when it is not one alone.
        partition: Option<u32>,
        /// What happened.
        error: Error,
        /// How long is waited.
        pause: Duration,
    },
    /// A session was renewed.
    Renewed {
        /// The partition.
        partition: u32,
    },
    /// A session could not be renewed yet. It is tried again.
    RenewalFailed {
        /// The partition.
        partition: u32,
        /// What happened.
        error: Error,
        /// How long is waited.
        pause: Duration,
    },
}
