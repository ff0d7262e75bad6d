//! The clock of the simulator: the real one plus an offset that a test moves.
//!
//! Virtual time moves tokens, cursors, sensors and alerts. Rate windows, `Date` headers and the signature
//! skew of Cortex stay on the real clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, TimeZone, Utc};

/// The real time in milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "this module is the clock of the simulator")]
fn system_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A monotonic instant, for rate windows and for how long a request took.
#[expect(clippy::disallowed_methods, reason = "this module is the clock of the simulator")]
#[must_use]
pub fn instant() -> Instant {
    Instant::now()
}

/// A time in milliseconds as a UTC date.
#[must_use]
pub fn from_ms(ms: i64) -> DateTime<Utc> {
    Utc.timestamp_millis_opt(ms).single().unwrap_or_default()
}

/// Virtual time, shared by every part of the simulator.
#[derive(Debug)]
pub struct Clock {
    start_ms: i64,
    pinned: bool,
    offset_ms: AtomicI64,
}

impl Clock {
    /// A clock that starts now, or one that stands still at `epoch` and moves only by [`Clock::advance`].
    #[must_use]
    pub fn new(epoch: Option<DateTime<Utc>>) -> Self {
        let start_ms = epoch.map_or_else(system_ms, |at| at.timestamp_millis());
        Self { start_ms, pinned: epoch.is_some(), offset_ms: AtomicI64::new(0) }
    }

    /// The instant at which the simulated estate was born; every generated time is relative to it.
    #[must_use]
    pub fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// Virtual now, in milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        let base = if self.pinned { self.start_ms } else { system_ms() };
        base + self.offset_ms.load(Ordering::Relaxed)
    }

    /// Virtual now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        from_ms(self.now_ms())
    }

    /// The real time in milliseconds: for `Date` headers, rate windows and signature skew.
    #[must_use]
    pub fn real_ms(&self) -> i64 {
        system_ms()
    }

    /// Moves virtual time forward.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.offset_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// How far virtual time has been moved, in milliseconds.
    #[must_use]
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// Takes every move back.
    pub fn reset(&self) {
        self.offset_ms.store(0, Ordering::Relaxed);
    }
}
