//! Cases by number: a number decides all of a case, so that a failure names it for ever.

use std::env;
use std::ops::Range;

/// A small generator with its whole state in sight (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number within these bounds.
    pub fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high - low + 1)
    }

    /// One of a list.
    pub fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[(self.roll() % list.len() as u64) as usize].clone()
    }
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// The numbers to run: `EDR_CASE` alone, else as many as `EDR_CASES` or `PROPTEST_CASES` say, else so many.
#[must_use]
pub fn numbers(otherwise: u64) -> Range<u64> {
    if let Some(one) = setting("EDR_CASE") {
        return one..one + 1;
    }
    0..setting("EDR_CASES").or_else(|| setting("PROPTEST_CASES")).unwrap_or(otherwise)
}
