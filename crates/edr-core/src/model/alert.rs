//! An alert, as OCSF Detection Finding (2004).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Action, AlertStatus, Anomaly, Disposition, Dns, File, Host, NetworkActivity, Origin, Process, Raw,
    Registry, Severity, TenantId, User, Vendor, Verdict,
};

/// One alert (Falcon: alert; Cortex XDR: alert, or issue on the newer generation).
///
/// Field by field, with both vendors' sources: `docs/MAPPING.md`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Alert {
    /// The tenant that the alert belongs to.
    pub tenant: TenantId,
    /// The vendor that raised it.
    pub vendor: Vendor,
    /// The vendor's own id, unique within the tenant.
    pub uid: String,
    /// A second id that the vendor gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid_alt: Option<String>,
    /// The vendor's own id of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_uid: Option<String>,
    /// When it happened (the host's clock).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime<Utc>>,
    /// When the vendor's cloud stored it: the field to page and resume by.
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
    /// The title.
    pub title: String,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// How sure the vendor is, 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_score: Option<u8>,
    /// Where it stands.
    pub status: AlertStatus,
    /// What it was decided to be.
    pub verdict: Verdict,
    /// Hidden or excluded by a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_suppressed: Option<bool>,
    /// What the product did.
    pub action: Action,
    /// What became of it.
    pub disposition: Disposition,
    /// It was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prevented: Option<bool>,
    /// It would have been stopped, had the policy allowed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_prevent: Option<bool>,
    /// Who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<User>,
    /// The part of the product that raised it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_feature: Option<String>,
    /// The vendors whose data it rests on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_vendors: Vec<String>,
    /// The rule or model behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analytic: Option<Analytic>,
    /// Categories in the vendor's words, ids of the vendor's own technique framework included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// MITRE ATT&CK tactics and techniques.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<Attack>,
    /// The host, as far as the alert describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Box<Host>>,
    /// The accounts involved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// What was seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidences: Vec<Evidence>,
    /// Indicators of compromise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub iocs: Vec<Indicator>,
    /// Keys that alerts of one activity share, strongest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_keys: Vec<String>,
    /// The case or incident that it belongs to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub case_uids: Vec<String>,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Comments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<Comment>,
    /// The alert's page in the vendor's console.
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

impl Alert {
    /// An alert with its identity and payload; everything else is unknown.
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

    /// The identity across vendors and tenants: `edr:{vendor}:{tenant}:alert:{uid}`.
    #[must_use]
    pub fn urn(&self) -> String {
        format!("edr:{}:{}:alert:{}", self.vendor, self.tenant, self.uid)
    }
}

/// The rule, model or indicator that raised an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Analytic {
    /// The sort: `rule`, `behavioral`, `statistical`, `learning`, `indicator`, `correlation`, or the
    /// vendor's own word.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The vendor's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A tactic with a technique, or one of them, of MITRE ATT&CK.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attack {
    /// The tactic (`TA0002`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tactic: Option<AttackRef>,
    /// The technique (`T1059`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub technique: Option<AttackRef>,
    /// The sub-technique (`T1059.001`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_technique: Option<AttackRef>,
}

/// An entry of MITRE ATT&CK: id, name, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttackRef {
    /// The id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The tactics of the enterprise matrix.
const TACTICS: &[(&str, &str)] = &[
    ("TA0043", "Reconnaissance"),
    ("TA0042", "Resource Development"),
    ("TA0001", "Initial Access"),
    ("TA0002", "Execution"),
    ("TA0003", "Persistence"),
    ("TA0004", "Privilege Escalation"),
    ("TA0005", "Defense Evasion"),
    ("TA0006", "Credential Access"),
    ("TA0007", "Discovery"),
    ("TA0008", "Lateral Movement"),
    ("TA0009", "Collection"),
    ("TA0011", "Command and Control"),
    ("TA0010", "Exfiltration"),
    ("TA0040", "Impact"),
];

impl AttackRef {
    /// The tactic with this name, however it is written: `Command and Control`, `COMMAND_AND_CONTROL`,
    /// `CommandAndControl`.
    #[must_use]
    pub fn tactic(name: &str) -> Option<Self> {
        let wanted = letters(name);
        let (uid, name) = TACTICS.iter().find(|(_, name)| letters(name) == wanted)?;
        Some(Self { uid: Some((*uid).to_owned()), name: Some((*name).to_owned()) })
    }
}

/// Without case, blanks and dashes.
fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// One piece of what was seen. The parts of one evidence belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,
    /// The connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkActivity>,
    /// The name that was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// The registry key or value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
}

impl Evidence {
    /// True when there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An indicator of compromise that an alert names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Indicator {
    /// The sort: `sha256`, `md5`, `domain`, `ipv4`, `ipv6`, `url`, or the vendor's own word.
    #[serde(rename = "type")]
    pub kind: String,
    /// The value.
    pub value: String,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
}

/// A comment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Comment {
    /// The text.
    pub text: String,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tactic_is_known_by_its_name_however_it_is_written() {
        for name in
            ["Command and Control", "COMMAND_AND_CONTROL", "CommandAndControl", " command-and-control "]
        {
            let found = AttackRef::tactic(name).unwrap();
            assert_eq!(found.uid.as_deref(), Some("TA0011"), "{name}");
            assert_eq!(found.name.as_deref(), Some("Command and Control"), "{name}");
        }
        for name in ["", "Machine Learning", "Control", "TA0011"] {
            assert_eq!(AttackRef::tactic(name), None, "{name}");
        }
        let mut uids: Vec<_> = TACTICS.iter().map(|(uid, _)| uid).collect();
        uids.sort_unstable();
        uids.dedup();
        assert_eq!(uids.len(), 14);
    }
}
