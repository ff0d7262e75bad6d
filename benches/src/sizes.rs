//! How much is measured. The environment makes it less, for a quick try.

/// How many hosts, tenants and runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    /// Per cent of the full sizes.
    pub scale: u64,
    /// Hosts of the Falcon tenant.
    pub falcon: u64,
    /// Endpoints of the Cortex tenant.
    pub cortex: u64,
    /// Hosts in the listing that memory is measured by.
    pub many: u64,
    /// Hosts of each tenant where there are several.
    pub each: u64,
    /// How often everything is run.
    pub runs: usize,
}

impl Sizes {
    /// `EDR_BENCH_SCALE` is per cent of the full sizes, `EDR_BENCH_RUNS` how often each contender runs.
    #[must_use]
    pub fn of_environment() -> Self {
        let number =
            |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
        Self::scaled(number("EDR_BENCH_SCALE", 100).clamp(1, 100), number("EDR_BENCH_RUNS", 5).max(1))
    }

    fn scaled(scale: u64, runs: u64) -> Self {
        let part = |full: u64| full * scale / 100;
        Self {
            scale,
            falcon: part(50_000),
            cortex: part(20_000),
            many: part(1_000_000),
            each: part(250).max(10),
            runs: usize::try_from(runs).unwrap_or(usize::MAX),
        }
    }

    /// Whether the promises were made for these sizes.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.scale == 100 && self.runs >= 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promises_are_for_the_full_sizes() {
        let full = Sizes::scaled(100, 5);
        assert_eq!((full.falcon, full.cortex, full.many, full.each), (50_000, 20_000, 1_000_000, 250));
        assert!(full.is_full() && !Sizes::scaled(100, 4).is_full() && !Sizes::scaled(99, 5).is_full());
        assert_eq!((Sizes::scaled(2, 5).falcon, Sizes::scaled(2, 5).each), (1_000, 10));
    }
}
