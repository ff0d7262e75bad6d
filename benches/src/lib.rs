//! What the benchmarks share: times of several runs, and how far they lie apart; and the parts of the measurement
//! behind `docs/PERFORMANCE.md`, each contender of which is a process of its own.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

pub mod list;
pub mod machine;
pub mod page;
pub mod race;
pub mod sections;
pub mod serve;
pub mod sizes;
pub mod stage;
pub mod unread;

/// What may go wrong in a measurement, in words.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Real time, which is what a benchmark measures.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// The times of several runs of the same thing.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds a run.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
        self.0.sort_unstable();
    }

    /// The time in the middle; zero without a run.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    /// How often this median goes into the other's.
    #[must_use]
    pub fn ratio(&self, other: &Self) -> f64 {
        other.median().as_secs_f64() / self.median().as_secs_f64()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
        let (least, most) = (millis(self.0.first()), millis(self.0.last()));
        write!(f, "median {} ms, {least} to {most} ms in {} runs", self.median().as_millis(), self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        let of = |millis: &[u64]| {
            let mut times = Times::default();
            millis.iter().for_each(|m| times.add(Duration::from_millis(*m)));
            times
        };
        let times = of(&[30, 10, 20]);
        assert_eq!(times.to_string(), "median 20 ms, 10 to 30 ms in 3 runs");
        assert!((times.ratio(&of(&[22])) - 1.1).abs() < 1e-9);
    }
}
