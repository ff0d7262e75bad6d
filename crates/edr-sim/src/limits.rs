//! Sliding windows over the real clock.
//!
//! Facts: falcon-api section 3 (6000 a minute per CID, 300 token calls and 15 unauthenticated calls a minute per
//! source) and cortex-xdr-api 2.3 (10 a second per tenant).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// The answer of a limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the call may go on.
    pub allowed: bool,
    /// The limit of the window.
    pub limit: u32,
    /// How many calls are left in the window after this one.
    pub remaining: u32,
    /// When a refused call may come again, in real milliseconds since the epoch.
    pub retry_at_ms: i64,
}

/// At most `limit` calls in any window of time.
#[derive(Debug)]
pub struct SlidingWindow {
    limit: u32,
    window_ms: i64,
    seen: Mutex<VecDeque<i64>>,
}

impl SlidingWindow {
    /// A window of `window` that lets `limit` calls through.
    #[must_use]
    pub fn new(limit: u32, window: std::time::Duration) -> Self {
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX / 4);
        Self { limit, window_ms, seen: Mutex::default() }
    }

    /// Counts a call at `now_ms` (real time). A refused call does not count.
    pub fn check(&self, now_ms: i64) -> Decision {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while seen.front().is_some_and(|at| at + self.window_ms <= now_ms) {
            seen.pop_front();
        }
        let used = u32::try_from(seen.len()).unwrap_or(u32::MAX);
        let allowed = used < self.limit;
        if allowed {
            seen.push_back(now_ms);
        }
        let remaining = self.limit.saturating_sub(used + u32::from(allowed));
        let retry_at_ms = seen.front().map_or(now_ms, |first| first + self.window_ms);
        Decision { allowed, limit: self.limit, remaining, retry_at_ms }
    }

    /// Forgets every call.
    pub fn reset(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The windows of the simulator, by key ("falcon:cid:…", "cortex:0", …), made on first use.
#[derive(Debug, Default)]
pub struct Limits {
    enforce: bool,
    windows: Mutex<HashMap<String, std::sync::Arc<SlidingWindow>>>,
}

impl Limits {
    /// Windows that refuse (`enforce`) or only count.
    #[must_use]
    pub fn new(enforce: bool) -> Self {
        Self { enforce, windows: Mutex::default() }
    }

    /// Whether calls over a limit are refused.
    #[must_use]
    pub fn enforced(&self) -> bool {
        self.enforce
    }

    /// Counts a call in the window `key`; when limits are off, it is always allowed.
    pub fn check(&self, key: &str, limit: u32, window: std::time::Duration, now_ms: i64) -> Decision {
        let window = {
            let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
            let make = || std::sync::Arc::new(SlidingWindow::new(limit, window));
            std::sync::Arc::clone(windows.entry(key.to_owned()).or_insert_with(make))
        };
        let mut decision = window.check(now_ms);
        decision.allowed |= !self.enforce;
        decision
    }

    /// Forgets every window.
    pub fn reset(&self) {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_window_slides() {
        let window = SlidingWindow::new(2, Duration::from_secs(1));
        assert_eq!(window.check(0).remaining, 1);
        assert!(window.check(500).allowed);
        let refused = window.check(900);
        assert!(!refused.allowed);
        assert_eq!((refused.remaining, refused.retry_at_ms), (0, 1_000));
        assert!(window.check(1_000).allowed);
        assert!(!window.check(1_400).allowed);
        window.reset();
        assert!(window.check(1_400).allowed);
    }

    #[test]
    fn limits_can_be_off() {
        let off = Limits::new(false);
        let on = Limits::new(true);
        for _ in 0..5 {
            off.check("k", 1, Duration::from_secs(60), 0);
            on.check("k", 1, Duration::from_secs(60), 0);
        }
        assert!(off.check("k", 1, Duration::from_secs(60), 0).allowed);
        assert!(!on.check("k", 1, Duration::from_secs(60), 0).allowed);
        assert!(on.check("other", 1, Duration::from_secs(60), 0).allowed);
    }
}
