//! The events of a tenant in their order (falcon-api 7.2): alerts as they are created, and what people and programs
//! did, from the log. Alerts are kept as ranges of indices, so that a billion of them cost nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::DateTime;
use serde_json::Value;

use super::guard::Context;
use super::stream_audit;
use super::stream_event;
use crate::estate::hash::{below, mix2};

/// What the events of a stretch are made from.
#[derive(Debug)]
enum What {
    /// Alerts, from this index on.
    Alerts(u64),
    /// One thing that somebody did: the type of the event, and its inside.
    Audit(&'static str, Value),
}

/// Events that follow one another.
#[derive(Debug)]
struct Stretch {
    /// The number of the first, over all partitions.
    first: u64,
    count: u64,
    at_ms: i64,
    what: What,
}

/// The events of one tenant.
#[derive(Debug, Default)]
pub(super) struct Feed {
    stretches: Vec<Stretch>,
    /// How many events there are.
    total: u64,
    alerts: u64,
    logged: usize,
}

/// The events of all tenants, by name; a tenant has some from the moment it is first asked for them.
#[derive(Debug, Default)]
pub(super) struct Feeds(Mutex<HashMap<String, Feed>>);

impl Feeds {
    /// Looks at a tenant's events, up to now.
    pub(super) fn with<T>(&self, c: Context<'_>, work: impl FnOnce(&mut Feed) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let feed = all.entry(c.tenant.name.clone()).or_default();
        feed.catch_up(c);
        work(feed)
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Feed {
    fn push(&mut self, count: u64, at_ms: i64, what: What) {
        self.stretches.push(Stretch { first: self.total, count, at_ms, what });
        self.total += count;
    }

    /// Adds what has happened since it was last asked.
    fn catch_up(&mut self, c: Context<'_>) {
        let alerts = c.tenant.estate.alert_count();
        if alerts > self.alerts {
            let at_ms = c.tenant.estate.alert_created_ms(self.alerts);
            self.push(alerts - self.alerts, at_ms, What::Alerts(self.alerts));
            self.alerts = alerts;
        }
        let entries = c.state.log.since(self.logged);
        self.logged += entries.len();
        for entry in entries.iter().filter(|entry| entry.tenant == c.tenant.name) {
            if let Some((kind, event)) = stream_audit::of_change(c, entry) {
                let at = DateTime::parse_from_rfc3339(&entry.time).map(|t| t.timestamp_millis());
                self.push(1, at.unwrap_or_else(|_| c.state.clock.now_ms()), What::Audit(kind, event));
            }
        }
    }

    /// Adds something that the log does not have.
    pub(super) fn add(&mut self, c: Context<'_>, kind: &'static str, event: Value) {
        self.push(1, c.state.clock.now_ms(), What::Audit(kind, event));
    }

    /// How many events there are: the number of the next.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    fn stretch(&self, number: u64) -> Option<&Stretch> {
        let behind = self.stretches.partition_point(|s| s.first <= number);
        self.stretches.get(behind.checked_sub(1)?).filter(|s| number - s.first < s.count)
    }

    fn at_ms(&self, c: Context<'_>, number: u64) -> i64 {
        self.stretch(number).map_or(i64::MAX, |s| match &s.what {
            What::Alerts(index) => c.tenant.estate.alert_created_ms(index + number - s.first),
            What::Audit(..) => s.at_ms,
        })
    }

    /// The number of the oldest event that is still kept.
    pub(super) fn oldest(&self, c: Context<'_>) -> u64 {
        let kept = i64::try_from(c.state.options.stream_retention.as_millis()).unwrap_or(i64::MAX / 4);
        let since = c.state.clock.now_ms() - kept;
        let (mut low, mut high) = (0, self.total);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.at_ms(c, middle) < since { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The type of an event.
    pub(super) fn kind(&self, c: Context<'_>, number: u64) -> Option<&'static str> {
        let stretch = self.stretch(number)?;
        Some(match &stretch.what {
            What::Alerts(index) => stream_event::kind(c, index + number - stretch.first),
            What::Audit(kind, _) => kind,
        })
    }

    /// An event as a line, with the end of it.
    pub(super) fn line(&self, c: Context<'_>, number: u64, offset: u64) -> Option<Vec<u8>> {
        let stretch = self.stretch(number)?;
        let (kind, event) = match &stretch.what {
            What::Alerts(index) => stream_event::of_alert(c, index + number - stretch.first),
            What::Audit(kind, event) => (*kind, event.clone()),
        };
        let metadata = serde_json::json!({
            "customerIDString": c.falcon.cid, "offset": offset, "eventType": kind,
            "eventCreationTime": self.at_ms(c, number), "version": "1.0",
        });
        Some(format!("{{\"metadata\":{metadata},\"event\":{event}}}\n").into_bytes())
    }
}

/// The way from the numbers of all events to the offsets of a partition: events go round the partitions, and offsets
/// begin somewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offsets {
    partition: u64,
    partitions: u64,
    base: u64,
}

impl Offsets {
    pub(super) fn of(c: Context<'_>, partition: u64) -> Self {
        let partitions = c.state.options.stream_partitions.max(1);
        let base = 1_000 + below(mix2(c.tenant.estate.tag() ^ 0x0FF5, partition), 1_000_000);
        Self { partition, partitions, base }
    }

    pub(super) fn step(self) -> u64 {
        self.partitions
    }

    pub(super) fn offset(self, number: u64) -> u64 {
        self.base + number / self.partitions
    }

    /// The number of the event at an offset.
    pub(super) fn number(self, offset: u64) -> u64 {
        (offset.saturating_sub(self.base)).saturating_mul(self.partitions).saturating_add(self.partition)
    }

    /// The first number of this partition that is not below another.
    pub(super) fn from(self, number: u64) -> u64 {
        let behind = (number % self.partitions + self.partitions - self.partition) % self.partitions;
        if behind == 0 { number } else { number + self.partitions - behind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_offsets_without_a_hole() {
        for partition in 0..3 {
            let offsets = Offsets { partition, partitions: 3, base: 100 };
            let first = offsets.from(0);
            assert_eq!(first, partition);
            let numbers: Vec<u64> = (0..4).map(|n| first + n * offsets.step()).collect();
            assert_eq!(numbers.iter().map(|n| offsets.offset(*n)).collect::<Vec<_>>(), [100, 101, 102, 103]);
            assert_eq!(offsets.number(102), numbers[2]);
            assert_eq!(offsets.from(7) % 3, partition);
            assert!((7..10).contains(&offsets.from(7)));
        }
    }
}
