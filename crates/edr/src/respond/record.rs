//! What the journal remembers. Every field is typed: nothing of a request or an answer gets in as a whole.

use chrono::{DateTime, Utc};
use edr_core::{
    AlertChange, Because, CaseChange, ErrorKind, Expiration, IocAction, ResponseAction, SavedFile, Severity,
    Standing, TenantId, Vendor,
};
use serde::{Deserialize, Serialize};

use super::canon::{canonical, sha256};
use super::host::{HostKey, HostRef};
use super::plan::Decision;

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// Its number; the first is 1.
    pub seq: u64,
    /// The hash of the record before; zeros for the first.
    pub prev: String,
    /// When it was written.
    pub time: DateTime<Utc>,
    /// Who wrote it.
    pub by: String,
    /// With what.
    pub tool: String,
    /// What happened.
    pub event: Event,
    /// SHA-256 over all of the above in canonical JSON.
    #[serde(default)]
    pub hash: String,
}

/// What is before the first record.
pub(super) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Record {
    /// Puts the hash on it, and gives its line.
    pub(super) fn seal(mut self) -> serde_json::Result<(Self, Vec<u8>)> {
        self.hash = hash_of(serde_json::to_value(&self)?)?;
        let line = canonical(&self)?;
        Ok((self, line))
    }
}

/// The hash of a record as it stands in the file.
pub(super) fn hash_of(mut value: serde_json::Value) -> serde_json::Result<String> {
    if let Some(map) = value.as_object_mut() {
        map.remove("hash");
    }
    Ok(sha256(&canonical(&value)?))
}

/// A host of a run, and what the plan said about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JournalHost {
    /// The host.
    pub host: HostRef,
    /// What the plan said.
    pub decision: Decision,
}

/// What the vendor answered for one host, as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JournalAnswer {
    /// The vendor's own id of the host.
    pub uid: String,
    /// The answer.
    pub answer: AnswerWord,
    /// It is "already", and an order went out: this one, or one shortly before whose answer was lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ordered: bool,
    /// The vendor's id of the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// The id under which the vendor's support finds the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Told>,
}

/// An answer as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnswerWord {
    /// The vendor took the request.
    Accepted,
    /// Nothing had to be done.
    Already,
    /// The vendor refused this host.
    Refused,
    /// Nobody can say.
    Unknown,
}

/// An error as it is remembered: its kind and its one line, which never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Told {
    /// The kind.
    pub kind: ErrorKind,
    /// The line.
    pub message: String,
    /// The id under which the vendor's support finds the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl From<&edr_core::Error> for Told {
    fn from(error: &edr_core::Error) -> Self {
        let trace_id = error.trace_id().map(|id| id.into_owned());
        Self { kind: error.kind(), message: error.to_string(), trace_id }
    }
}

/// What reading a host back showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Readback {
    /// The vendor's own id of the host.
    pub uid: String,
    /// Whether what was asked for is so, or on its way; absent when it cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<bool>,
    /// What was seen.
    pub seen: String,
}

/// A host that is not as the plan saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Moved {
    /// The host, as the plan saw it.
    pub host: HostRef,
    /// What the plan would do.
    pub planned: Decision,
    /// What is different.
    pub now: String,
}

/// Where a host stands, as the vendor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Seen {
    /// The vendor's own id of the host.
    pub uid: String,
    /// Where it stands.
    pub standing: Standing,
}

/// An indicator, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JournalIoc {
    /// What it is: `{type}:{value}`.
    pub key: String,
    /// The vendor's own id, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// What is done when it is seen.
    pub action: IocAction,
    /// How bad it is.
    pub severity: Severity,
    /// When it ends.
    pub expiration: Expiration,
}

/// What is done to indicators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IocDeed {
    /// They are taken away.
    Delete,
    /// They are put there, or changed.
    Put,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// The vendor's answer to a change of alerts.
    AlertsAnswered {
        /// The change.
        plan: String,
        /// The tenant.
        tenant: TenantId,
        /// The record that announced it.
        intent: u64,
        /// What was answered for each alert.
        answers: Vec<JournalAnswer>,
        /// What went wrong with the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Told>,
    },
    /// Alerts are about to be changed.
    AlertsIntended {
        /// The change.
        plan: String,
        /// The tenant.
        tenant: TenantId,
        /// What is to change.
        change: AlertChange,
        /// Why.
        because: Because,
        /// The alerts, by the vendor's own id.
        alerts: Vec<String>,
    },
    /// The vendor's answer to an intention, or why there is none.
    Answered {
        /// The operation.
        plan: String,
        /// The tenant.
        tenant: TenantId,
        /// The number of the record with the intention.
        intent: u64,
        /// Host by host.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        answers: Vec<JournalAnswer>,
        /// The whole call failed, and nothing was done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Told>,
    },
    /// A plan is applied for the first time.
    Began {
        /// The operation.
        plan: String,
        /// The digest of the plan.
        digest: String,
        /// What is asked for. The values of a script's parameters are left out.
        action: ResponseAction,
        /// Why.
        because: Because,
        /// Every host of the plan.
        hosts: Vec<JournalHost>,
        /// Selectors that stand for no single host.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unresolved: Vec<String>,
        /// The hosts that it is going to ask for.
        sends: Vec<HostKey>,
        /// When the lease is due.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease_until: Option<DateTime<Utc>>,
        /// The operation whose work this undoes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        releases: Option<String>,
        /// The public keys of the configuration whose signatures were proven.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        approved_by: Vec<String>,
    },
    /// The vendor's answer to a change of cases.
    CasesAnswered {
        /// The change.
        plan: String,
        /// The tenant.
        tenant: TenantId,
        /// The record that announced it.
        intent: u64,
        /// What was answered for each case.
        answers: Vec<JournalAnswer>,
        /// What went wrong with the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Told>,
    },
    /// Cases are about to be changed.
    CasesIntended {
        /// The change.
        plan: String,
        /// The tenant.
        tenant: TenantId,
        /// What is to change.
        change: CaseChange,
        /// Why.
        because: Because,
        /// The cases, by the vendor's own id.
        cases: Vec<String>,
    },
    /// A run of the operation came to its end.
    Ended {
        /// The operation.
        plan: String,
    },
    /// Hosts of one operation are kept as they are for another, although the first is over.
    Handed {
        /// The operation that gives them.
        plan: String,
        /// The operation that still wants them so.
        to: String,
        /// The hosts.
        hosts: Vec<HostKey>,
    },
    /// A request is about to be sent.
    Intended {
        /// The operation.
        plan: String,
        /// The tenant.
        tenant: TenantId,
        /// The vendor.
        vendor: Vendor,
        /// The hosts, by the vendor's own id.
        hosts: Vec<String>,
    },
    /// The vendor's answer to an intention about indicators.
    IocsAnswered {
        /// The run.
        run: String,
        /// The tenant.
        tenant: TenantId,
        /// The number of the record with the intention.
        intent: u64,
        /// One by one, by what each is.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        answers: Vec<JournalAnswer>,
        /// The whole call failed, and nothing was done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Told>,
    },
    /// A request about indicators is about to be sent.
    IocsIntended {
        /// The run.
        run: String,
        /// The tenant.
        tenant: TenantId,
        /// The vendor.
        vendor: Vendor,
        /// In whose name.
        owner: String,
        /// What is done.
        deed: IocDeed,
        /// Why.
        because: Because,
        /// The indicators.
        iocs: Vec<JournalIoc>,
    },
    /// Indicators were read back.
    IocsSettled {
        /// The run.
        run: String,
        /// The tenant.
        tenant: TenantId,
        /// The number of the record with the intention.
        intent: u64,
        /// One by one, by what each is.
        iocs: Vec<Readback>,
    },
    /// Hosts are left out, for they are not as the plan saw them.
    Moved {
        /// The operation.
        plan: String,
        /// The hosts.
        hosts: Vec<Moved>,
    },
    /// The vendor was asked where hosts stand.
    Observed {
        /// The operation.
        plan: String,
        /// The tenant.
        tenant: TenantId,
        /// Those of which it says something new.
        hosts: Vec<Seen>,
    },
    /// A rule refused.
    Refused {
        /// The plan.
        plan: String,
        /// The rule.
        rule: String,
        /// What it found.
        message: String,
    },
    /// An operation that has begun is taken up again.
    Resumed {
        /// The operation.
        plan: String,
        /// The hosts that it is going to ask for.
        sends: Vec<HostKey>,
    },
    /// A file that was fetched from a host was saved.
    Saved {
        /// The operation.
        plan: String,
        /// The tenant.
        tenant: TenantId,
        /// The vendor's own id of the host.
        uid: String,
        /// Where, and its hashes.
        file: SavedFile,
    },
    /// Hosts of which nobody could say were read back.
    Settled {
        /// The operation.
        plan: String,
        /// The tenant.
        tenant: TenantId,
        /// The hosts.
        hosts: Vec<Readback>,
    },
    /// A tenant was given up; its other hosts were not asked for.
    Stopped {
        /// The operation.
        plan: String,
        /// The tenant.
        tenant: TenantId,
        /// Why.
        error: Told,
    },
    /// A journal that was broken was set aside, and this one begun.
    SetAside {
        /// The file that the broken one was moved to.
        file: String,
        /// Its digest.
        sha256: String,
        /// Why, in a person's words.
        reason: String,
    },
    /// Bytes before this record are half of one: a process died while it wrote. They are kept.
    Torn {
        /// How many.
        bytes: u64,
        /// Their digest.
        sha256: String,
    },
    /// Something that a later version wrote.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// The operation that it belongs to.
    #[must_use]
    pub fn plan(&self) -> Option<&str> {
        match self {
            Self::AlertsAnswered { plan, .. }
            | Self::AlertsIntended { plan, .. }
            | Self::Answered { plan, .. }
            | Self::Began { plan, .. }
            | Self::CasesAnswered { plan, .. }
            | Self::CasesIntended { plan, .. }
            | Self::Ended { plan }
            | Self::Handed { plan, .. }
            | Self::Intended { plan, .. }
            | Self::Moved { plan, .. }
            | Self::Observed { plan, .. }
            | Self::Refused { plan, .. }
            | Self::Resumed { plan, .. }
            | Self::Saved { plan, .. }
            | Self::Settled { plan, .. }
            | Self::Stopped { plan, .. } => Some(plan),
            Self::IocsAnswered { .. }
            | Self::IocsIntended { .. }
            | Self::IocsSettled { .. }
            | Self::SetAside { .. }
            | Self::Torn { .. }
            | Self::Unknown => None,
        }
    }
}

/// The action as it is remembered: what a script is given may be a secret, so only the names are kept.
pub(super) fn without_values(action: &ResponseAction) -> ResponseAction {
    match action {
        ResponseAction::RunScript { script, args } => {
            let args = args.iter().map(|(name, _)| (name.clone(), "[left out]".to_owned())).collect();
            ResponseAction::RunScript { script: script.clone(), args }
        }
        other => other.clone(),
    }
}
