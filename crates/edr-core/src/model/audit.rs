//! An act that the vendor has noted, as OCSF API Activity (6003) has it.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Anomaly, AuditResult, AuditSource, HostRef, Origin, Raw, Severity, TenantId, User, Vendor};

/// One entry of the vendor's own audit: somebody has done something in the console or by the API, or an agent reports
/// on itself. The journal of what this program did is another thing.
///
/// Field by field, with both vendors' sources: `docs/MAPPING.md`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AuditEvent {
    /// The tenant that it happened in.
    pub tenant: TenantId,
    /// The vendor that noted it.
    pub vendor: Vendor,
    /// The vendor's own id, unique within the tenant; a digest of the entry where the vendor gives none.
    pub uid: String,
    /// The vendor's own id of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_uid: Option<String>,
    /// Which of the vendor's records it stands in.
    pub source: AuditSource,
    /// What kind of act, in the vendor's word.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What was done, in the vendor's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// What was done, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime<Utc>>,
    /// When the vendor learnt of it, where it says so beside the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<DateTime<Utc>>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<User>,
    /// From which address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_ip: Option<IpAddr>,
    /// On what, by name or id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// On which host, or which host it is that reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostRef>,
    /// How it ended.
    pub result: AuditResult,
    /// Why it ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// In which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_uid: Option<String>,
    /// For which case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_uid: Option<String>,
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

impl AuditEvent {
    /// An entry with its identity and payload; everything else is unknown.
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

    /// The identity across vendors and tenants: `edr:{vendor}:{tenant}:audit_event:{uid}`.
    #[must_use]
    pub fn urn(&self) -> String {
        format!("edr:{}:{}:audit_event:{}", self.vendor, self.tenant, self.uid)
    }
}
