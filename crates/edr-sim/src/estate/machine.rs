//! One machine of the estate, in no vendor's words, computed on demand from its index.

use std::net::Ipv4Addr;

use chrono::{DateTime, Utc};

pub use super::catalog::Os;
use super::overlay::Containment;

/// The platform of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Microsoft Windows.
    Windows,
    /// Apple macOS.
    MacOs,
    /// Linux.
    Linux,
}

/// What kind of machine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A laptop.
    Laptop,
    /// A desktop.
    Desktop,
    /// A server of one's own, physical or virtual.
    Server,
    /// An Active Directory domain controller.
    DomainController,
    /// A virtual machine at a cloud provider.
    CloudInstance,
    /// A Kubernetes node or other host of containers.
    ContainerHost,
}

impl Form {
    /// Laptop or desktop.
    #[must_use]
    pub fn is_workstation(self) -> bool {
        matches!(self, Self::Laptop | Self::Desktop)
    }
}

/// How well the agent works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// As it should.
    Ok,
    /// Falcon: reduced functionality mode (the kernel is not supported); Cortex: unprotected.
    Reduced,
    /// Cortex: partially protected; Falcon shows nothing.
    Partial,
}

/// A person who logs on to a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The account name.
    pub name: String,
    /// The SID on Windows, else the numeric user id.
    pub sid: String,
    /// The NetBIOS domain; the host's name for local accounts.
    pub domain: String,
}

/// A cloud provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloudProvider {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

/// Where a cloud instance runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// The provider.
    pub provider: CloudProvider,
    /// Account, subscription or project.
    pub account: String,
    /// The region.
    pub region: String,
    /// The zone.
    pub zone: String,
    /// The instance id in the provider's form.
    pub instance_id: String,
}

/// Everything the simulator knows of one machine as one tenant's agent sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Its index in the tenant.
    pub index: u64,
    /// The agent's id: 32 lower-case hex digits (Falcon: aid; Cortex: `endpoint_id`).
    pub id: String,
    /// The host name, without domain.
    pub hostname: String,
    /// The DNS domain of the directory it is joined to, or empty.
    pub domain: String,
    /// The operating system, with its platform.
    pub os: Os,
    /// The kind of machine.
    pub form: Form,
    /// The serial number.
    pub serial: String,
    /// The manufacturer.
    pub manufacturer: &'static str,
    /// The model.
    pub model: &'static str,
    /// The maker of its BIOS.
    pub bios_vendor: &'static str,
    /// The version of its BIOS.
    pub bios_version: &'static str,
    /// The primary address.
    pub ip: Ipv4Addr,
    /// Further addresses: container bridges, VPN adapters.
    pub more_ips: Vec<Ipv4Addr>,
    /// The hardware addresses; the first belongs to `ip`.
    pub macs: Vec<[u8; 6]>,
    /// The address under which the vendor sees it.
    pub external_ip: Ipv4Addr,
    /// The default gateway.
    pub gateway: Ipv4Addr,
    /// Who logs on, the last one first.
    pub users: Vec<User>,
    /// When the agent was first seen.
    pub first_seen: DateTime<Utc>,
    /// When the agent was last seen; for a host online, a moment ago.
    pub last_seen: DateTime<Utc>,
    /// The last start of the machine.
    pub last_reboot: DateTime<Utc>,
    /// When the agent was installed.
    pub installed: DateTime<Utc>,
    /// The version of the agent.
    pub agent_version: &'static str,
    /// How well the agent works.
    pub health: Health,
    /// Not seen for more than 30 days.
    pub stale: bool,
    /// Whether the agent is connected.
    pub online: bool,
    /// Containment, resolved at the virtual now.
    pub containment: Containment,
    /// The tags, without a vendor's prefix.
    pub tags: Vec<String>,
    /// The names of the groups it is in.
    pub groups: Vec<String>,
    /// The cloud it runs in.
    pub cloud: Option<Cloud>,
    /// The organisational units, innermost first; empty when in no directory.
    pub ou: Vec<String>,
    /// The site.
    pub site: &'static str,
    /// Whether the same machine carries the other vendor's agent as well.
    pub shared: bool,
}

impl Machine {
    /// The platform.
    #[must_use]
    pub fn platform(&self) -> Platform {
        self.os.platform
    }
}
