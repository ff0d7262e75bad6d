//! A group of hosts, as OCSF `group`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Anomaly, GroupKind, Origin, Raw, TenantId, Vendor};

/// One group of hosts that a tenant keeps. What a host names as its group is a [`super::Group`].
///
/// Field by field, with both vendors' sources: `docs/MAPPING.md`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HostGroup {
    /// The tenant that the group belongs to.
    pub tenant: TenantId,
    /// The vendor that keeps it.
    pub vendor: Vendor,
    /// The vendor's own id, unique within the tenant.
    pub uid: String,
    /// The vendor's own id of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_uid: Option<String>,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    /// How it finds its hosts.
    #[serde(rename = "type")]
    pub kind: GroupKind,
    /// The rule of a dynamic group, in the vendor's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How many hosts are in it, where the vendor counts them; Falcon does when one group is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_count: Option<u32>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<DateTime<Utc>>,
    /// Who made it: an account or an API client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_time: Option<DateTime<Utc>>,
    /// Who changed it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_by: Option<String>,
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

impl HostGroup {
    /// A group with its identity and payload; everything else is unknown.
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

    /// The identity across vendors and tenants: `edr:{vendor}:{tenant}:group:{uid}`.
    #[must_use]
    pub fn urn(&self) -> String {
        format!("edr:{}:{}:group:{}", self.vendor, self.tenant, self.uid)
    }
}
