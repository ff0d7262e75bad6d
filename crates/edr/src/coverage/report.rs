//! The report as a value.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use edr_core::{AgentHealth, ConnectionState, ContainmentState, Platform, TenantId, Vendor};
use serde::{Deserialize, Serialize};

use super::{BadRow, Check, Checked, Finding};

/// What runs which agent, and what runs none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Coverage {
    /// When it was made.
    pub generated: DateTime<Utc>,
    /// An agent that was not seen for so many seconds is stale.
    pub stale_after: i64,
    /// True when a tenant was not read to its end, so that the figures are too low or the gaps too many.
    pub is_partial: bool,
    /// How each tenant was read.
    pub sources: Vec<Source>,
    /// What the machines were compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denominator: Option<DenominatorReport>,
    /// The figures of the whole.
    pub totals: Figures,
    /// The figures of each tenant: its agents alone.
    pub tenants: Vec<Slice>,
    /// The figures of each platform.
    pub platforms: Vec<Slice>,
    /// Agents by release.
    pub versions: Vec<Versions>,
    /// Pairs of hosts that may be one machine, and that a person should look at.
    pub review: u64,
    /// What the report was held to, and how it came out.
    #[serde(default)]
    pub checks: Vec<Checked>,
    /// Every machine, by name.
    pub machines: Vec<Machine>,
}

impl Coverage {
    /// Holds the report to conditions, and keeps how they came out.
    ///
    /// # Errors
    /// As [`Check::of`].
    pub fn hold_to(&mut self, checks: &[Check]) -> edr_core::Result<()> {
        self.checks = checks.iter().map(|check| check.of(self)).collect::<edr_core::Result<_>>()?;
        Ok(())
    }
}

/// How a tenant was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Source {
    /// The tenant.
    pub tenant: TenantId,
    /// Its vendor.
    pub vendor: Vendor,
    /// How its listing ended.
    pub state: SourceState,
    /// Hosts that were read.
    pub hosts: u64,
    /// Hosts that could not be decoded, and are left out.
    pub rejected: u64,
    /// What is missing, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// How the listing of a tenant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceState {
    /// Everything is here.
    Complete,
    /// Nothing, or nothing for certain.
    Failed,
    /// Something is missing.
    Partial,
}

impl SourceState {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Partial => "partial",
        }
    }
}

/// What the machines were compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DenominatorReport {
    /// The name of the list.
    pub name: String,
    /// Rows that were read.
    pub rows: u64,
    /// Different machines in it.
    pub machines: u64,
    /// Rows that name a machine which an earlier row named.
    pub repeated: u64,
    /// Rows that fit several machines; all of them count as listed.
    pub ambiguous: u64,
    /// Rows that are not used, or not wholly.
    pub bad_rows: Vec<BadRow>,
}

/// Counts of machines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figures {
    /// Machines, those of the denominator included.
    pub machines: u64,
    /// Agents on them that were not removed or replaced.
    pub agents: u64,
    /// Machines that should be covered: those of the denominator, or all where there is none.
    pub expected: u64,
    /// Of these, machines with an agent that works.
    pub covered: u64,
    /// `covered` in `expected`, from 0 to 1; nothing where nothing is expected.
    pub coverage: Option<f64>,
    /// Machines by the vendors of their agents, such as `cortex`, `cortex+falcon`, `none`.
    pub by_vendors: BTreeMap<String, u64>,
    /// Machines by what there is to say about them; every finding is there.
    pub findings: BTreeMap<Finding, u64>,
}

impl Figures {
    /// The machines with a finding.
    #[must_use]
    pub fn count(&self, finding: Finding) -> u64 {
        self.findings.get(&finding).copied().unwrap_or(0)
    }

    /// `97.3 %`, rounded down, so that 100 % means all.
    #[must_use]
    pub fn percent(&self) -> String {
        percent(self.covered, self.expected)
    }
}

/// `97.3 %`, rounded down; `–` of nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = u128::from(part) * 1000 / u128::from(whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// The figures of a part of the estate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Slice {
    /// The tenant or platform.
    pub name: String,
    /// The vendor of a tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<Vendor>,
    /// Its figures.
    pub figures: Figures,
}

/// Agents of a vendor on a platform, by how far they are behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Versions {
    /// The vendor.
    pub vendor: Vendor,
    /// The platform.
    pub platform: Platform,
    /// The newest release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// Agents of the newest release.
    pub current: u64,
    /// One release behind.
    pub n1: u64,
    /// Two releases behind.
    pub n2: u64,
    /// More than two behind.
    pub older: u64,
    /// Agents without a version that can be read.
    pub unknown: u64,
}

/// Whether a machine is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// It has no agent.
    Missing,
    /// It has agents, and none of them works.
    NotWorking,
    /// It has an agent that works: seen lately, and protecting.
    Covered,
}

impl State {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::Missing => "missing",
            Self::NotWorking => "not_working",
        }
    }
}

/// A machine, with its agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Machine {
    /// The URN of the host that was seen first; `row:LINE` for a machine that only the denominator knows.
    pub uid: String,
    /// Its name.
    pub hostname: String,
    /// Its platform.
    pub platform: Platform,
    /// Whether it is covered.
    pub state: State,
    /// What else there is to say.
    pub findings: Vec<Finding>,
    /// The lines of the denominator that name it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u64>,
    /// Its agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Agent>,
}

impl Machine {
    /// The agents that were neither removed nor replaced.
    pub fn present(&self) -> impl Iterator<Item = &Agent> {
        self.agents.iter().filter(|agent| agent.is_present())
    }

    /// When any of its agents was seen last.
    #[must_use]
    pub fn last_seen(&self) -> Option<DateTime<Utc>> {
        self.agents.iter().filter_map(|agent| agent.last_seen).max()
    }
}

/// An agent on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Agent {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its vendor.
    pub vendor: Vendor,
    /// The vendor's own id of it.
    pub uid: String,
    /// The name that it gives the machine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// False when a later agent of the same vendor and tenant took its place.
    pub is_current: bool,
    /// The platform.
    pub platform: Platform,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many releases it is behind the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<u32>,
    /// Whether it does its work.
    pub health: AgentHealth,
    /// Whether it is connected; `unknown` where it was not asked.
    pub connection_state: ConnectionState,
    /// The containment as its vendor states it.
    pub containment_state: ContainmentState,
    /// When the vendor first saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<DateTime<Utc>>,
    /// When the vendor last saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<DateTime<Utc>>,
    /// What there is to say about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Agent {
    /// Neither removed nor replaced.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.is_current && self.connection_state != ConnectionState::Uninstalled
    }

    /// Present, seen lately, and protecting.
    #[must_use]
    pub fn works(&self) -> bool {
        let alive = self.is_alive();
        alive && !self.findings.contains(&Finding::Unprotected)
    }

    /// Present and seen lately.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.is_present() && self.last_seen.is_some() && !self.findings.contains(&Finding::Stale)
    }
}
