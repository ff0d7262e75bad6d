//! Metrics through the `metrics` facade: names, meanings, and where they are counted.
//!
//! Nothing is kept here: a program that wants the numbers installs a recorder of its choice (Prometheus,
//! `StatsD`, …). Without one a count costs a microsecond or so. Every metric has the labels
//! `tenant` and `vendor`; the page `docs/OPERATIONS.md` lists the others.

use std::time::Duration;

use edr_core::{Noun, TenantId, Vendor};
use metrics::{Label, Unit, counter, histogram};

/// Requests that were sent. `operation`, `status`: the HTTP status, or `network`, `timeout` or `tls`
/// where there was no answer.
pub const REQUESTS: &str = "edr_requests_total";
/// Requests that were sent again. `operation`, `reason`: the kind of the error before it, `region` for
/// a tenant that was found elsewhere.
pub const RETRIES: &str = "edr_retries_total";
/// Answers that said that we are too fast. `operation`.
pub const THROTTLES: &str = "edr_throttles_total";
/// What requests waited for before they were sent, in seconds; waits below a millisecond are not
/// recorded. `cause`: `pace`, `cooldown`, `backoff` or `token`.
pub const WAIT: &str = "edr_wait_seconds";
/// Items that arrived in listings; those of a page that is asked for twice count twice. `operation`.
pub const ITEMS: &str = "edr_items_total";
/// Items that could not be decoded. `noun`.
pub const REJECTED: &str = "edr_rejected_items_total";
/// Tokens that were asked for at the vendor; those that another process shared are not counted.
/// `outcome`: `minted`, or the kind of the error.
pub const MINTS: &str = "edr_mints_total";
/// Bytes of answers, after decompression. `operation`.
pub const BODY_BYTES: &str = "edr_body_bytes_total";

/// Tells the recorder what each metric is. Call it once, after a recorder was installed.
pub fn describe() {
    for (name, unit, text) in [
        (REQUESTS, Unit::Count, "requests that were sent"),
        (RETRIES, Unit::Count, "requests that were sent again"),
        (THROTTLES, Unit::Count, "answers that said that we are too fast"),
        (ITEMS, Unit::Count, "items that arrived in listings"),
        (REJECTED, Unit::Count, "items that could not be decoded"),
        (MINTS, Unit::Count, "tokens that were asked for at the vendor"),
        (BODY_BYTES, Unit::Bytes, "bytes of answers, after decompression"),
    ] {
        metrics::describe_counter!(name, unit, text);
    }
    metrics::describe_histogram!(WAIT, Unit::Seconds, "what requests waited for before they were sent");
}

/// Whose numbers they are.
#[derive(Clone, Copy)]
pub(crate) struct Meter<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) vendor: &'a Vendor,
}

/// Why a request waited.
#[derive(Clone, Copy)]
pub(crate) enum Cause {
    Backoff,
    Cooldown,
    Pace,
    Token,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Backoff => "backoff",
            Self::Cooldown => "cooldown",
            Self::Pace => "pace",
            Self::Token => "token",
        }
    }
}

impl Meter<'_> {
    fn labels(self, more: &[(&'static str, &str)]) -> Vec<Label> {
        let own = [("tenant", self.tenant.as_str()), ("vendor", self.vendor.as_str())];
        own.iter().chain(more).map(|(key, value)| Label::new(*key, (*value).to_owned())).collect()
    }

    pub(crate) fn request(self, operation: &str, status: &str) {
        let labels = self.labels(&[("operation", operation), ("status", status)]);
        counter!(REQUESTS, labels).increment(1);
    }

    pub(crate) fn retry(self, operation: &str, reason: &str) {
        counter!(RETRIES, self.labels(&[("operation", operation), ("reason", reason)])).increment(1);
    }

    pub(crate) fn throttle(self, operation: &str) {
        counter!(THROTTLES, self.labels(&[("operation", operation)])).increment(1);
    }

    pub(crate) fn items(self, operation: &str, count: usize) {
        counter!(ITEMS, self.labels(&[("operation", operation)])).increment(count as u64);
    }

    pub(crate) fn rejected(self, noun: Noun, count: usize) {
        counter!(REJECTED, self.labels(&[("noun", &noun.to_string())])).increment(count as u64);
    }

    pub(crate) fn bytes(self, operation: &str, count: u64) {
        counter!(BODY_BYTES, self.labels(&[("operation", operation)])).increment(count);
    }

    pub(crate) fn mint(self, outcome: &str) {
        counter!(MINTS, self.labels(&[("outcome", outcome)])).increment(1);
    }

    pub(crate) fn waited(self, cause: Cause, wait: Duration) {
        if wait >= Duration::from_millis(1) {
            histogram!(WAIT, self.labels(&[("cause", cause.as_str())])).record(wait);
        }
    }
}

#[cfg(test)]
#[path = "telemetry_tests.rs"]
mod tests;
