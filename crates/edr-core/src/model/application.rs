//! An application on one host, as OCSF Software Inventory Info (5020).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Anomaly, HostRef, Origin, Raw, TenantId, User, Vendor};

/// One application in one version on one host.
///
/// Field by field, with both vendors' sources: `docs/MAPPING.md`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Application {
    /// The tenant that the host belongs to.
    pub tenant: TenantId,
    /// The vendor that saw it.
    pub vendor: Vendor,
    /// The vendor's own id, unique within the tenant.
    pub uid: String,
    /// The vendor's own id of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_uid: Option<String>,
    /// Its name.
    pub name: String,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it is for, in the vendor's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What it is technically, in the vendor's word: an application, an extension of a browser, a package.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The browser that it is an extension of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// The processors that it is made for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// Where it is on the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The name of its file that was run last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// The digest of that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_hash: Option<String>,
    /// The vendor finds it suspicious.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_suspicious: Option<bool>,
    /// The host.
    pub host: HostRef,
    /// Who used it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_user: Option<User>,
    /// When it was used last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<DateTime<Utc>>,
    /// When it was installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<DateTime<Utc>>,
    /// When it was first seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<DateTime<Utc>>,
    /// When what is known of it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_time: Option<DateTime<Utc>>,
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

impl Application {
    /// An application with its identity and payload; everything else is unknown.
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

    /// The identity across vendors and tenants: `edr:{vendor}:{tenant}:application:{uid}`.
    #[must_use]
    pub fn urn(&self) -> String {
        format!("edr:{}:{}:application:{}", self.vendor, self.tenant, self.uid)
    }
}
