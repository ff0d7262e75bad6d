//! The same attack, seen by two vendors.
//!
//! Both vendors raise alerts about what happens on a machine that carries both agents. [`Grouping`] finds the alerts
//! that are about one activity. Nothing is taken away: each alert stays as it is, in exactly one [`AlertGroup`], and one
//! that stands alone is a group of its own.
//!
//! * **One machine.** Alerts are compared on one machine only, and which hosts are one machine is what
//!   [`crate::identity`] says; so nothing crosses the border between two customers.
//! * **One time.** Two alerts further apart than [`GroupingConfig::window`] are never compared, allowing for
//!   [`GroupingConfig::skew`] between two clocks. Where a clock is further off, the times at which the vendors stored the
//!   alerts stand in for it, and then only the very same process counts.
//! * **Scored signs.** The same process, a process that one alert is about and that stands above the other, the same
//!   file, command line, remote end, account and technique: [`Sign`]. From [`GroupingConfig::join_at`] points on two
//!   alerts stand together, and so do those that either stands with.
//! * **Common tools.** The image of a shell or of another tool that is everywhere says nothing; a program that starts
//!   everything (`services.exe`, `launchd`) is nobody's parent; and a command that comes again and again is a routine,
//!   whose alerts stand with alerts of the very same process alone.
//!
//! The result depends on the alerts and hosts alone: not on their order, nor on how they were cut into batches.
//!
//! ```
//! use edr::core::{Evidence, Process};
//! use edr::grouping::{Grouping, GroupingConfig};
//! use edr::identity::{Identity, IdentityConfig};
//! use edr::{Alert, Host};
//!
//! let mut identity = Identity::new(IdentityConfig::new().one_customer("acme", ["acme", "acme-xdr"]));
//! let mut grouping = Grouping::new(GroupingConfig::new());
//! for (vendor, tenant) in [("falcon", "acme"), ("cortex", "acme-xdr")] {
//!     let mut host = Host::new(vendor, tenant, "h", "{}");
//!     (host.hostname, host.domain) = ("ANN-NB01".into(), Some("corp.example".into()));
//!     let mut alert = Alert::new(vendor, tenant, "a", "{}");
//!     alert.time = "2026-06-01T12:00:00Z".parse().ok();
//!     let mut process = Process::default();
//!     (process.pid, process.name) = (Some(4242), Some("payload.exe".into()));
//!     alert.evidences = vec![Evidence { process: Some(process), ..Evidence::default() }];
//!     identity.upsert([&host]);
//!     alert.device = Some(Box::new(host));
//!     grouping.upsert([&alert]);
//! }
//! let groups = grouping.resolve(&identity);
//! assert_eq!(groups.len(), 1);
//! let why = groups.explain("edr:falcon:acme:alert:a", "edr:cortex:acme-xdr:alert:a");
//! assert_eq!(why[0].to_string(), "60 points (+60 same process: payload.exe 4242)");
//! ```

mod block;
mod groups;
mod join;
mod score;
mod services;
mod tools;
mod trace;

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use edr_core::{Alert, Host};

pub use groups::{AlertGroup, GroupMember, Groups};
pub use score::{Link, Reason, Sign};

use crate::identity::Identity;
use trace::Trace;

/// How alerts are compared. The defaults are those that the precision and recall in `docs/GROUPING.md` were measured with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupingConfig {
    /// Points at which two alerts stand together.
    pub join_at: i32,
    /// Alerts further apart than this are not compared.
    pub window: TimeDelta,
    /// By how much two clocks of one machine may differ.
    pub skew: TimeDelta,
}

impl Default for GroupingConfig {
    fn default() -> Self {
        Self { join_at: 60, window: TimeDelta::minutes(10), skew: TimeDelta::minutes(2) }
    }
}

impl GroupingConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The furthest that two alerts are apart, in milliseconds.
    fn reach(&self) -> i64 {
        (self.window + self.skew).num_milliseconds()
    }
}

/// Finds the alerts that are about one activity.
#[derive(Clone, Debug, Default)]
pub struct Grouping {
    config: GroupingConfig,
    traces: BTreeMap<String, Trace>,
}

impl Grouping {
    /// Nothing known yet.
    #[must_use]
    pub fn new(config: GroupingConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Adds alerts. Of one that comes again the version that changed last is kept.
    pub fn upsert<'a>(&mut self, alerts: impl IntoIterator<Item = &'a Alert>) {
        for alert in alerts {
            let trace = Trace::of(alert);
            if self.traces.get(&trace.face.urn).is_none_or(|known| trace.replaces(known)) {
                self.traces.insert(trace.face.urn.clone(), trace);
            }
        }
    }

    /// Forgets an alert by its URN.
    pub fn remove(&mut self, urn: &str) {
        self.traces.remove(urn);
    }

    /// The groups, with the machines of an identity.
    #[must_use]
    pub fn resolve(&self, identity: &Identity) -> Groups {
        // In the order of the URNs, whatever the order of arrival.
        let traces: Vec<&Trace> = self.traces.values().collect();
        join::join(&traces, &self.whole(identity, &traces), &self.config)
    }

    /// The identity with the hosts that only alerts tell of: of each host, the latest word of those that are kept.
    fn whole<'i>(&self, identity: &'i Identity, traces: &[&Trace]) -> Cow<'i, Identity> {
        let mut strangers: BTreeMap<&str, &Trace> = BTreeMap::new();
        let mut lives: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for trace in traces {
            let Some(urn) = trace.host.as_deref().filter(|urn| identity.record(urn).is_none()) else {
                continue;
            };
            if let Some(at) = trace.stored.or((trace.at != 0).then_some(trace.at)) {
                let life = lives.entry(urn).or_insert((at, at));
                *life = (life.0.min(at), life.1.max(at));
            }
            let latest = strangers.entry(urn).or_insert(trace);
            if latest.recency() < trace.recency() {
                *latest = trace;
            }
        }
        if strangers.is_empty() {
            return Cow::Borrowed(identity);
        }
        let mut whole = identity.clone();
        let known = strangers.into_iter().filter_map(|(urn, trace)| Some((urn, trace.device.as_deref()?)));
        let hosts: Vec<Host> = known.map(|(urn, device)| alive(device, lives.get(urn))).collect();
        whole.upsert(&hosts);
        Cow::Owned(whole)
    }
}

/// A host that nobody has listed lived while there were alerts of it. Else it would have lived for ever, beside the
/// agent that took its place on the same machine.
fn alive(device: &Host, life: Option<&(i64, i64)>) -> Host {
    let time = |at: Option<i64>| at.and_then(DateTime::from_timestamp_millis);
    let mut host = device.clone();
    host.first_seen = host.first_seen.or_else(|| time(life.map(|life| life.0)));
    host.last_seen = host.last_seen.or_else(|| time(life.map(|life| life.1)));
    host
}

#[cfg(test)]
mod tests;
