//! Operations: which hosts, what was asked for, and what became of it.

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{Because, ResponseAction, SavedFile, TenantId};
use serde::{Deserialize, Serialize};

use super::host::{HostKey, HostRef};
use super::plan::Decision;
use super::record::Told;

/// What became of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
#[non_exhaustive]
pub enum Outcome {
    /// The vendor took the request. Whether it took effect is not known yet.
    Accepted,
    /// It was so already.
    Already,
    /// The vendor says that it is done.
    Done,
    /// The vendor took the request, and it did not work.
    Failed {
        /// What the vendor says.
        reason: String,
    },
    /// The plan left the host out.
    LeftOut {
        /// Why.
        decision: Decision,
    },
    /// The host was not as the plan saw it, and was left out.
    Moved {
        /// What is different.
        now: String,
    },
    /// The vendor was not asked, or did nothing at all.
    NotSent {
        /// Why.
        reason: String,
    },
    /// The vendor waits for the host, which is offline.
    Offline,
    /// On its way.
    Pending,
    /// The vendor refused this host. Nothing was done to it.
    Refused {
        /// What the vendor says.
        reason: String,
    },
    /// Nobody can say. Taken up again, the host is read back, and never asked for on a guess.
    Unknown {
        /// Why.
        reason: String,
    },
    /// Its turn has not come.
    Waiting,
}

impl Outcome {
    /// The outcome as a stable word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Already => "already",
            Self::Done => "done",
            Self::Failed { .. } => "failed",
            Self::LeftOut { .. } => "left_out",
            Self::Moved { .. } => "moved",
            Self::NotSent { .. } => "not_sent",
            Self::Offline => "offline",
            Self::Pending => "pending",
            Self::Refused { .. } => "refused",
            Self::Unknown { .. } => "unknown",
            Self::Waiting => "waiting",
        }
    }

    /// True when the host is as it was wanted.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Already | Self::Done)
    }

    /// True when the vendor has it in hand, and looking again may show more.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self, Self::Accepted | Self::Offline | Self::Pending)
    }

    /// True when the host is not finished, and taking the operation up again may finish it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::NotSent { .. } | Self::Refused { .. } | Self::Unknown { .. } | Self::Waiting)
    }
}

/// One host of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostOutcome {
    /// The host.
    pub host: HostRef,
    /// What became of it.
    pub outcome: Outcome,
    /// True when it was this operation that did it, as far as is known.
    pub ours: bool,
    /// When that was learnt.
    pub as_of: DateTime<Utc>,
    /// The vendor's id of the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// The id under which the vendor's support finds the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The file that was fetched from it, where it was saved last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<SavedFile>,
    /// When a request was announced that has no answer yet, or one of which nobody can say.
    #[serde(skip)]
    pub(super) in_doubt: Option<DateTime<Utc>>,
    /// It was asked for.
    #[serde(skip)]
    pub(super) asked: bool,
    /// Since when it was in doubt, where it was seen untouched when it was read back.
    #[serde(skip)]
    pub(super) doubted: Option<DateTime<Utc>>,
    /// That it is this operation's is told by no answer, but by this: it was not so when it was looked at before the record of
    /// this number and time, and is so since something was sent.
    #[serde(skip)]
    pub(super) presumed: Option<(u64, DateTime<Utc>)>,
    /// The number and the time of the record that tells what was done to it, or is in doubt.
    #[serde(skip)]
    pub(super) deed: (u64, DateTime<Utc>),
}

/// Within so long of each other a look at a host does not tell whose order it shows: vendors' records lag, and looking takes
/// its time.
pub(super) const CLOSE: TimeDelta = TimeDelta::minutes(5);

impl HostOutcome {
    /// It looked untouched when it was read back, and what was sent may still show.
    pub(super) fn may_show_late(&self, now: DateTime<Utc>) -> bool {
        self.doubted.is_some_and(|since| now - since < CLOSE)
    }
}

/// How many hosts ended in which way. The numbers are never mixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// The vendor took the request, and has not said more.
    pub accepted: usize,
    /// It was so already.
    pub already: usize,
    /// The vendor says that it is done.
    pub done: usize,
    /// The vendor refused, or it did not work.
    pub failed: usize,
    /// The plan left the host out, or the estate moved under it.
    pub left_out: usize,
    /// Not asked for: its turn has not come, or its tenant failed.
    pub not_sent: usize,
    /// The vendor waits for a host that is offline.
    pub offline: usize,
    /// On its way.
    pub pending: usize,
    /// Nobody can say.
    pub unknown: usize,
}

/// A tenant that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoppedTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// Why.
    pub error: Told,
}

/// A plan that was applied, as the journal tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Operation {
    /// The id, which is the plan's.
    pub id: String,
    /// The digest of the plan.
    pub digest: String,
    /// What was asked for.
    pub action: ResponseAction,
    /// Why.
    pub because: Because,
    /// Who applied it first.
    pub by: String,
    /// When.
    pub began: DateTime<Utc>,
    /// When its last run came to its end; absent while it runs, or when it was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<DateTime<Utc>>,
    /// When its lease is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<DateTime<Utc>>,
    /// The operation whose work it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releases: Option<String>,
    /// Selectors that stood for no single host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<String>,
    /// Tenants that were given up in its last run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<StoppedTenant>,
    /// Its hosts, in the order of tenant and id.
    pub hosts: Vec<HostOutcome>,
}

impl Operation {
    /// How many hosts ended in which way.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for host in &self.hosts {
            let count = match host.outcome {
                Outcome::Accepted => &mut counts.accepted,
                Outcome::Already => &mut counts.already,
                Outcome::Done => &mut counts.done,
                Outcome::Failed { .. } | Outcome::Refused { .. } => &mut counts.failed,
                Outcome::LeftOut { .. } | Outcome::Moved { .. } => &mut counts.left_out,
                Outcome::NotSent { .. } | Outcome::Waiting => &mut counts.not_sent,
                Outcome::Offline => &mut counts.offline,
                Outcome::Pending => &mut counts.pending,
                Outcome::Unknown { .. } => &mut counts.unknown,
            };
            *count += 1;
        }
        counts
    }

    /// True when taking it up again may finish more hosts.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.hosts.iter().any(|h| h.outcome.is_open())
    }

    /// True when its lease is over.
    pub(super) fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.lease_until.is_some_and(|due| due <= now)
    }

    /// One host of it.
    #[must_use]
    pub fn host(&self, key: &HostKey) -> Option<&HostOutcome> {
        self.hosts.iter().find(|h| h.host.tenant == key.tenant && h.host.uid == key.uid)
    }
}
