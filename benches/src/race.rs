//! Contenders side by side: each runs in turn, round after round, so that what else the machine does strikes all of them.

use std::path::PathBuf;

use crate::Outcome;
use crate::stage::{Run, ShelfServer, run};

/// A contender whose runs have taken this long together, in milliseconds, is run no more, unless a promise rests on it.
const PATIENCE_MS: f64 = 30_000.0;

/// Somebody who lists hosts.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Its name in the tables.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// A promise rests on it: it is run as often as promised, however long that takes.
    pub promised: bool,
}

impl Contender {
    /// A program with arguments.
    #[must_use]
    pub fn new(name: &str, program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self { name: name.to_owned(), program: program.into(), arguments, promised: false }
    }

    /// A promise rests on it.
    #[must_use]
    pub fn promised(mut self) -> Self {
        self.promised = true;
        self
    }
}

/// The runs of one contender.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its runs, the fastest first.
    pub runs: Vec<Run>,
}

impl Series {
    /// Runs of something.
    #[must_use]
    pub fn of(name: &str, mut runs: Vec<Run>) -> Self {
        runs.sort_by(|a, b| a.ms.total_cmp(&b.ms));
        Self { name: name.to_owned(), runs }
    }

    /// The time in the middle, in milliseconds.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.runs.get(self.runs.len() / 2).map_or(f64::NAN, |run| run.ms)
    }

    /// The fastest and the slowest time, in milliseconds.
    #[must_use]
    pub fn spread(&self) -> (f64, f64) {
        let time = |run: Option<&Run>| run.map_or(f64::NAN, |run| run.ms);
        (time(self.runs.first()), time(self.runs.last()))
    }

    /// The largest of all runs, in KiB.
    #[must_use]
    pub fn peak_kib(&self) -> u64 {
        self.runs.iter().map(|run| run.peak_kib).max().unwrap_or_default()
    }

    /// The requests of the run in the middle.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.runs.get(self.runs.len() / 2).map_or(0, |run| run.requests)
    }

    /// All requests that were refused for coming too fast.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.runs.iter().map(|run| run.refused).sum()
    }

    /// How often this median goes into the other's.
    #[must_use]
    pub fn faster_than(&self, other: &Self) -> f64 {
        other.median() / self.median()
    }
}

/// Contenders on one shelf.
#[derive(Debug)]
pub struct Race<'a> {
    /// The server.
    pub shelf: &'a ShelfServer,
    /// The delay before every answer, in milliseconds.
    pub latency: u64,
    /// How many hosts have to come out.
    pub items: u64,
    /// How often everybody runs.
    pub runs: usize,
}

impl Race<'_> {
    /// Runs them all in turns.
    ///
    /// # Errors
    /// When one fails, or does not bring every host.
    pub fn run(&self, contenders: &[Contender]) -> Outcome<Vec<Series>> {
        self.shelf.latency(self.latency)?;
        let mut found: Vec<Vec<Run>> = vec![Vec::new(); contenders.len()];
        for _ in 0..self.runs {
            for (contender, runs) in contenders.iter().zip(&mut found) {
                let spent: f64 = runs.iter().map(|run| run.ms).sum();
                if contender.promised || spent < PATIENCE_MS {
                    runs.push(self.once(contender)?);
                }
            }
        }
        let series = contenders.iter().zip(found).map(|(contender, runs)| Series::of(&contender.name, runs));
        let series: Vec<Series> = series.collect();
        series.iter().for_each(|s| eprintln!("  {} ms: {}: {:.0} ms", self.latency, s.name, s.median()));
        Ok(series)
    }

    fn once(&self, contender: &Contender) -> Outcome<Run> {
        self.shelf.counted()?;
        let mut run = run(&contender.program, &contender.arguments)?;
        (run.requests, run.bytes) = self.shelf.counted()?;
        if run.items == self.items {
            Ok(run)
        } else {
            Err(format!("{}: {} hosts, not {}", contender.name, run.items, self.items).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_tells_its_middle_and_its_ends() {
        let run =
            |ms: f64, peak_kib| Run { items: 1, ms, peak_kib, requests: ms as u64, bytes: 0, refused: 1 };
        let series = Series::of("a", vec![run(30.0, 5), run(10.0, 9), run(20.0, 7)]);
        assert_eq!((series.median(), series.spread(), series.peak_kib()), (20.0, (10.0, 30.0), 9));
        assert_eq!((series.requests(), series.refused()), (20, 3));
        let slow = Series::of("b", vec![run(50.0, 1)]);
        assert!((series.faster_than(&slow) - 2.5).abs() < 1e-9);
        assert!(Series::of("none", Vec::new()).median().is_nan());
    }
}
