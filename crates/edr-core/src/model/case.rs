//! A case, as OCSF Incident Finding (2005).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Anomaly, Attack, CaseStatus, Comment, Origin, Raw, Severity, TenantId, User, Vendor, Verdict};

/// One case (Falcon: case; Cortex XDR: incident, or case on the newer generation): alerts that belong
/// together, and the work on them.
///
/// Field by field, with both vendors' sources: `docs/MAPPING.md`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Case {
    /// The tenant that the case belongs to.
    pub tenant: TenantId,
    /// The vendor that keeps it.
    pub vendor: Vendor,
    /// The vendor's own id, unique within the tenant.
    pub uid: String,
    /// A second id that the vendor gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid_alt: Option<String>,
    /// The vendor's own id of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_uid: Option<String>,
    /// The title: the name that somebody gave it, else what the vendor says that it is about.
    pub title: String,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<DateTime<Utc>>,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_time: Option<DateTime<Utc>>,
    /// First activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<DateTime<Utc>>,
    /// Last activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<DateTime<Utc>>,
    /// When it was resolved or closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_time: Option<DateTime<Utc>>,
    /// How bad it is; what a person set comes before what was computed.
    pub severity: Severity,
    /// The vendor's score. Its scale is the vendor's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Where it stands.
    pub status: CaseStatus,
    /// What it was decided to be.
    pub verdict: Verdict,
    /// Who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<User>,
    /// How many alerts it holds, where the vendor counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_count: Option<u32>,
    /// The ids of its alerts, where the vendor tells them with the case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alert_uids: Vec<String>,
    /// The hosts involved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<CaseHost>,
    /// The accounts involved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// MITRE ATT&CK tactics and techniques.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<Attack>,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Comments, where the vendor tells them with the case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<Comment>,
    /// Somebody or a rule has put a star on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_starred: Option<bool>,
    /// The case's page in the vendor's console.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_url: Option<String>,
    /// Where mapped and derived values came from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
    /// Values that were left out because they cannot be true.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<Anomaly>,
    /// The vendor's own JSON.
    #[serde(skip_serializing_if = "Raw::is_empty")]
    pub raw: Raw,
}

impl Case {
    /// A case with its identity and payload; everything else is unknown.
    #[must_use]
    pub fn new(vendor: &str, tenant: &str, uid: &str, raw: &str) -> Self {
        Self {
            tenant: tenant.into(),
            vendor: vendor.into(),
            uid: uid.to_owned(),
            raw: Raw::new(raw.to_owned()),
            ..Self::default()
        }
    }

    /// The identity across vendors and tenants: `edr:{vendor}:{tenant}:case:{uid}`.
    #[must_use]
    pub fn urn(&self) -> String {
        format!("edr:{}:{}:case:{}", self.vendor, self.tenant, self.uid)
    }
}

/// A host that a case names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaseHost {
    /// The vendor's own id of the host, where the case tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The host's name, where the case tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}
