//! A host: one agent on one machine, as OCSF Device Inventory Info (5001).

use std::borrow::Cow;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    AgentHealth, Anomaly, ConnectionState, ContainmentState, HostType, Origin, Platform, Raw, TenantId, User,
    Vendor,
};

/// One agent on one machine. A machine that carries two agents is two hosts.
///
/// Field by field, with both vendors' sources: `docs/MAPPING.md`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Host {
    /// The tenant that the host belongs to.
    pub tenant: TenantId,
    /// The vendor of its agent.
    pub vendor: Vendor,
    /// The vendor's own id of the agent; empty only where an alert describes a host without naming it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The vendor's own id of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_uid: Option<String>,
    /// The host name, case kept; empty when the vendor has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// A display name that somebody gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The directory domain or workgroup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Organisational units in the directory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ou: Vec<String>,
    /// The directory site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The form of the machine.
    #[serde(rename = "type")]
    pub kind: HostType,
    /// Roles, such as `domain_controller`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The operating system.
    pub os: Os,
    /// The serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// The SMBIOS UUID, when the serial number is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smbios_uuid: Option<String>,
    /// Who made the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Who made the firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bios_manufacturer: Option<String>,
    /// The version of the firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bios_version: Option<String>,
    /// The chassis, in the vendor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chassis: Option<String>,
    /// The primary address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// Addresses and MACs. An entry has both only where the vendor states that they belong together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_interfaces: Vec<NetworkInterface>,
    /// The address that the vendor's cloud sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_ip: Option<IpAddr>,
    /// The default gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_gateway: Option<IpAddr>,
    /// The agent.
    pub agent: Agent,
    /// Policies assigned to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Policy>,
    /// Whether the agent is connected now; `unknown` where it was not asked.
    pub connection_state: ConnectionState,
    /// Network containment as the vendor states it.
    pub containment_state: ContainmentState,
    /// Containment of the file system, in the vendor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_containment_state: Option<String>,
    /// When containment began, where the vendor says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contained_time: Option<DateTime<Utc>>,
    /// Hidden from the console.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_hidden: Option<bool>,
    /// When the vendor first saw the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<DateTime<Utc>>,
    /// When the vendor last saw the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<DateTime<Utc>>,
    /// When the record last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<DateTime<Utc>>,
    /// When the machine started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_time: Option<DateTime<Utc>>,
    /// When the agent was installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed: Option<DateTime<Utc>>,
    /// Who used it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_user: Option<User>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_login: Option<DateTime<Utc>>,
    /// All users that the vendor names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// The owner's e-mail address (mobile devices).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_email: Option<String>,
    /// Host groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// The cloud instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<Cloud>,
    /// The Kubernetes side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k8s: Option<Kubernetes>,
    /// How much the machine matters, in the vendor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criticality: Option<String>,
    /// The vendor's score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// A virtual desktop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_vdi: Option<bool>,
    /// The host's page in the vendor's console.
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

impl Host {
    /// A host with its identity and payload; everything else is unknown.
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

    /// The identity across vendors and tenants: `edr:{vendor}:{tenant}:host:{uid}`.
    #[must_use]
    pub fn urn(&self) -> String {
        format!("edr:{}:{}:host:{}", self.vendor, self.tenant, self.uid)
    }
}

/// The operating system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Os {
    /// The family.
    #[serde(rename = "type")]
    pub platform: Platform,
    /// The product name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The kernel release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
}

/// The EDR agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Agent {
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version of its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_version: Option<String>,
    /// Whether it does its work.
    pub health: AgentHealth,
}

/// An address and the MAC it belongs to, or one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkInterface {
    /// The name of the interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The MAC: upper-case hex with `-`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// A policy assigned to a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// The vendor's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it governs.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Cow<'static, str>>,
    /// Whether the agent has applied it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_applied: Option<bool>,
}

/// A host group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// The vendor's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A tag and who set it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tag {
    /// The kind of tag in the vendor's words, such as `FalconGroupingTags` or `server_tags`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The tag.
    pub value: String,
}

/// A cloud instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cloud {
    /// The provider: `aws`, `azure`, `gcp`, or the vendor's own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The account, subscription or project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The availability zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The instance id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_uid: Option<String>,
}

/// Where a container host or pod runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kubernetes {
    /// The cluster's name or id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The container id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// A vendor's score of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// The score.
    pub score: f64,
    /// True where a higher score means more risk (Falcon's posture score runs the other way).
    pub higher_is_worse: bool,
    /// The level in the vendor's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
}

impl Default for Vendor {
    fn default() -> Self {
        Self::from_static("")
    }
}
