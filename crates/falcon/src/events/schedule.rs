//! When a session is renewed, and how long is waited before a connection is made again.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use edr_http::RetryPolicy;

/// The interval when the vendor names none.
const USUAL: Duration = Duration::from_secs(1_800);
/// An interval below this is one that would ask without end.
const LEAST: Duration = Duration::from_secs(1);
/// The longest that is believed.
const MOST: Duration = Duration::from_secs(24 * 3_600);
/// The longest wait before another attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A source of numbers in 0..1.
#[derive(Clone)]
pub(crate) struct Dice(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Dice {
    pub(crate) fn new(roll: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(roll))
    }

    pub(crate) fn roll(&self) -> f64 {
        (self.0)()
    }
}

impl Default for Dice {
    fn default() -> Self {
        Self::new(|| f64::from(RandomState::new().hash_one(0_u8) as u32) / f64::from(u32::MAX))
    }
}

/// What the vendor says between renewals, within reason.
pub(crate) fn interval(seconds: Option<i64>) -> Duration {
    let told = seconds.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0).map(Duration::from_secs);
    told.unwrap_or(USUAL).clamp(LEAST, MOST)
}

/// When to renew after the last time: at 80 to 90 % of the interval, so that many readers do not come at once.
pub(crate) fn renewal(interval: Duration, dice: f64) -> Duration {
    interval.mul_f64(0.9 - 0.1 * dice.clamp(0.0, 1.0))
}

/// When to try again after a renewal that failed, while the session still lives.
pub(crate) fn retrial(interval: Duration) -> Duration {
    (interval / 30).min(LONGEST_PAUSE)
}

/// How long to wait before the next attempt after so many that failed.
pub(crate) fn pause(failures: u32, dice: f64) -> Duration {
    let mut policy = RetryPolicy::default();
    (policy.base, policy.cap) = (Duration::from_secs(1), LONGEST_PAUSE);
    if failures == 0 { Duration::ZERO } else { policy.backoff(failures, dice) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_renewed_well_before_its_end() {
        let half_an_hour = interval(Some(1_800));
        assert_eq!(renewal(half_an_hour, 0.0), Duration::from_secs(1_620));
        assert_eq!(renewal(half_an_hour, 1.0), Duration::from_secs(1_440));
        // Two trials in a row may fail, and the third is still in time.
        assert!(renewal(half_an_hour, 0.0) + 2 * retrial(half_an_hour) < half_an_hour);
        for odd in [None, Some(0), Some(-5)] {
            assert_eq!(interval(odd), USUAL, "{odd:?}");
        }
        assert_eq!((interval(Some(1)), interval(Some(i64::MAX))), (LEAST, MOST));
        assert!(renewal(LEAST, 0.0) + retrial(LEAST) <= LEAST);
    }

    #[test]
    fn pauses_grow_up_to_a_minute() {
        assert_eq!(pause(0, 0.5), Duration::ZERO);
        assert_eq!((pause(1, 1.0), pause(3, 1.0)), (Duration::from_secs(1), Duration::from_secs(4)));
        assert_eq!((pause(40, 1.0), pause(40, 0.0)), (LONGEST_PAUSE, LONGEST_PAUSE / 2));
    }

    #[test]
    fn the_dice_are_between_0_and_1() {
        let dice = Dice::default();
        let rolls: Vec<f64> = (0..100).map(|_| dice.roll()).collect();
        assert!(rolls.iter().all(|r| (0.0..=1.0).contains(r)) && rolls.iter().any(|r| *r != rolls[0]));
    }
}
