//! What would happen, host by host: a file that can be reviewed, approved and applied later.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{Because, ConnectionState, ContainmentState, Platform, ResponseAction};
use serde::{Deserialize, Serialize};

use super::canon::{canonical, sha256};
use super::error::{Error, Result};
use super::guard::Rule;
use super::host::{HostKey, HostRef};
use super::resolve::{Finding, Unread};
use super::state;

/// The version of the file's form.
const VERSION: u32 = 1;

/// What would happen to one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "decision")]
#[non_exhaustive]
pub enum Decision {
    /// It is asked for.
    Act,
    /// Nothing: it is so already.
    AlreadyDone,
    /// It is asked for, and takes effect when the host is back.
    Offline,
    /// Nothing: another agent on the same machine does it.
    OtherAgent {
        /// That agent.
        by: HostKey,
    },
    /// Nothing: it is on its way already.
    Pending,
    /// Nothing: a rule protects the host.
    Protected {
        /// The rule.
        rule: String,
    },
    /// Nothing: the vendor has not seen the host for long.
    Stale,
    /// Nothing: its state could not be read.
    Unread {
        /// Why.
        reason: String,
    },
    /// Nothing: the tenant or the host cannot do it.
    Unsupported {
        /// Why.
        reason: String,
    },
}

impl Decision {
    /// True when the vendor is asked for it.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        matches!(self, Self::Act | Self::Offline)
    }

    /// The decision as a stable word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::AlreadyDone => "already_done",
            Self::Offline => "offline",
            Self::OtherAgent { .. } => "other_agent",
            Self::Pending => "pending",
            Self::Protected { .. } => "protected",
            Self::Stale => "stale",
            Self::Unread { .. } => "unread",
            Self::Unsupported { .. } => "unsupported",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::OtherAgent { by } => write!(f, ": {by}"),
            Self::Protected { rule } => write!(f, ": {rule}"),
            Self::Unread { reason } | Self::Unsupported { reason } => write!(f, ": {reason}"),
            _ => Ok(()),
        }
    }
}

/// One host of a plan, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedHost {
    /// The host.
    pub host: HostRef,
    /// The family of its operating system.
    pub platform: Platform,
    /// Its roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Whether it was contained.
    pub containment: ContainmentState,
    /// Whether it was connected.
    pub connection: ConnectionState,
    /// When it was seen so.
    pub as_of: DateTime<Utc>,
    /// What would happen.
    pub decision: Decision,
}

/// What would happen to which hosts. Read it, have it signed, apply it later: it does not change, and an edited file is
/// refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Plan {
    /// The version of the file's form.
    pub edr_plan: u32,
    /// The id of the plan, and of the operation that it becomes.
    pub id: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Who made it.
    pub by: String,
    /// What made it.
    pub tool: String,
    /// What is asked for.
    pub action: ResponseAction,
    /// Why.
    pub because: Because,
    /// For how many seconds the containment is leased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_seconds: Option<i64>,
    /// The operation whose work this undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releases: Option<String>,
    /// The hosts, in the order of tenant and id.
    pub hosts: Vec<PlannedHost>,
    /// Selectors that stand for no single host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<Finding>,
    /// Tenants that were not read to their end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// SHA-256 over all of the above in canonical JSON.
    pub digest: String,
}

/// How many hosts a plan touches, and which sort.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BlastRadius {
    /// The hosts of each decision.
    pub decisions: BTreeMap<String, usize>,
    /// The hosts that are acted on, by role. A host without one counts as `none`.
    pub roles: BTreeMap<String, usize>,
    /// By tenant.
    pub tenants: BTreeMap<String, usize>,
    /// By platform.
    pub platforms: BTreeMap<String, usize>,
}

impl Plan {
    /// Puts the digest on it.
    pub(super) fn seal(mut self) -> Result<Self> {
        self.edr_plan = VERSION;
        self.hosts.sort_by_key(|h| h.host.key());
        self.digest = self.reckon()?;
        Ok(self)
    }

    fn reckon(&self) -> Result<String> {
        let mut value = serde_json::to_value(self).map_err(Error::inner)?;
        if let Some(map) = value.as_object_mut() {
            map.remove("digest");
        }
        Ok(sha256(&canonical(&value).map_err(Error::inner)?))
    }

    /// Refuses a plan that is not as it was made.
    pub(super) fn check_digest(&self) -> Result<()> {
        // The id becomes the name of a file.
        if is_id(&self.id) && self.reckon()? == self.digest {
            return Ok(());
        }
        let message = "the plan does not match its digest: it was changed after it was made; make a new one";
        Err(Error::refused(Rule::PlanEdited, message))
    }

    /// How many hosts it acts on.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sends().count()
    }

    /// The hosts that it acts on.
    pub fn sends(&self) -> impl Iterator<Item = &PlannedHost> {
        self.hosts.iter().filter(|h| h.decision.is_sent())
    }

    /// The lease.
    #[must_use]
    pub fn lease(&self) -> Option<TimeDelta> {
        self.lease_seconds.and_then(TimeDelta::try_seconds)
    }

    /// Refuses a lease that cannot be kept: a containment without an end in place of one with an end that nobody can
    /// reckon would be a silent change of what was asked for.
    fn check_lease(&self) -> Result<()> {
        match (self.lease_seconds, self.lease()) {
            (None, _) => Ok(()),
            (Some(_), Some(lease)) => lease_fits(&self.action, lease),
            (Some(_), None) => Err(Error::Plan(NO_LEASE.to_owned())),
        }
    }

    /// How many hosts it touches, and which sort.
    #[must_use]
    pub fn blast_radius(&self) -> BlastRadius {
        let mut radius = BlastRadius::default();
        let add = |map: &mut BTreeMap<String, usize>, key: &str| *map.entry(key.to_owned()).or_default() += 1;
        for host in &self.hosts {
            add(&mut radius.decisions, host.decision.as_str());
        }
        for host in self.sends() {
            add(&mut radius.tenants, host.host.tenant.as_str());
            add(&mut radius.platforms, host.platform.as_str());
            let none = [String::from("none")];
            let roles = if host.roles.is_empty() { none.as_slice() } else { &host.roles };
            roles.iter().for_each(|role| add(&mut radius.roles, role));
        }
        radius
    }

    /// The plan as a file's text.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(Error::inner)
    }

    /// Reads the text of a plan.
    ///
    /// # Errors
    /// When it is of another version, cannot be read, or was changed after it was made.
    pub fn from_json(text: &str) -> Result<Self> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|e| Error::Plan(format!("this is no plan: {e}")))?;
        let version = value.get("edr_plan").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(VERSION)) {
            let found = version.map_or_else(|| "none".to_owned(), |v| v.to_string());
            return Err(Error::Plan(format!(
                "a plan of version {found} is not known; this program knows {VERSION}"
            )));
        }
        let plan: Self = serde_json::from_value(value.clone())
            .map_err(|e| Error::refused(Rule::PlanEdited, format!("the plan cannot be read: {e}")))?;
        plan.check_digest()?;
        plan.check_lease()?;
        // What was read and would not be written again is an edit, too.
        if serde_json::to_value(&plan).map_err(Error::inner)? != value {
            return Err(Error::refused(
                Rule::PlanEdited,
                "the plan holds something that was not there when it was made",
            ));
        }
        Ok(plan)
    }

    /// Writes the plan to a private file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        state::replace(path, self.to_json()?.as_bytes())
    }

    /// Reads a plan from a file.
    ///
    /// # Errors
    /// As [`Self::from_json`], or when the file cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let text = crate::file::text(path, crate::file::LIST).map_err(|e| Error::file(path, e))?;
        Self::from_json(&text)
    }
}

const NO_LEASE: &str = "only a containment can be leased, for at least a second and at most a year";

/// The longest lease. What is to stay contained for longer needs none.
const LONGEST_LEASE: TimeDelta = TimeDelta::days(366);

/// Refuses a lease of something else than a containment, and one that ends at once or never.
pub(super) fn lease_fits(action: &ResponseAction, lease: TimeDelta) -> Result<()> {
    let fits = *action == ResponseAction::Contain && lease >= TimeDelta::seconds(1) && lease <= LONGEST_LEASE;
    if fits { Ok(()) } else { Err(Error::Plan(NO_LEASE.to_owned())) }
}

/// True when it has the form of a UUID: nothing else becomes the name of a file.
pub(super) fn is_id(id: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    id.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && id.split('-').all(digits)
}

/// A UUID of version 7: the time, so that ids sort as they were made, and dice.
pub(super) fn uuid(now: DateTime<Utc>, dice: [u8; 16]) -> String {
    let mut bytes = dice;
    bytes[..6].copy_from_slice(&now.timestamp_millis().to_be_bytes()[2..]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let hex = super::canon::hex(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
