//! What the engine keeps of a host, and when two agents sit on one machine.

use std::fmt;

use chrono::{DateTime, Utc};
use edr_core::model::read;
use edr_core::{Host, TenantId, Vendor};
use serde::{Deserialize, Serialize};

/// A host within the estate: its tenant and the vendor's own id. Neither is enough alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostKey {
    /// The tenant.
    pub tenant: TenantId,
    /// The vendor's own id.
    pub uid: String,
}

impl HostKey {
    /// A host of a tenant.
    #[must_use]
    pub fn new(tenant: &TenantId, uid: &str) -> Self {
        Self { tenant: tenant.clone(), uid: uid.to_owned() }
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.tenant, self.uid)
    }
}

/// As much of a host as a person needs to tell it from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostRef {
    /// The tenant.
    pub tenant: TenantId,
    /// The vendor.
    pub vendor: Vendor,
    /// The vendor's own id.
    pub uid: String,
    /// The host name.
    pub hostname: String,
    /// When the vendor last saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<DateTime<Utc>>,
}

impl HostRef {
    /// The host within the estate.
    #[must_use]
    pub fn key(&self) -> HostKey {
        HostKey::new(&self.tenant, &self.uid)
    }
}

impl From<&Host> for HostRef {
    fn from(host: &Host) -> Self {
        Self {
            tenant: host.tenant.clone(),
            vendor: host.vendor.clone(),
            uid: host.uid.clone(),
            hostname: host.hostname.clone(),
            last_seen: host.last_seen,
        }
    }
}

impl fmt::Display for HostRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {} {})", self.hostname, self.tenant, self.vendor, self.uid)
    }
}

pub(super) fn key(host: &Host) -> HostKey {
    HostKey::new(&host.tenant, &host.uid)
}

/// True when two things say that both agents run on one machine: of the hardware's number (serial number or SMBIOS
/// UUID), the name, and a MAC in common. One alone proves nothing: names are given again, guests inherit the numbers of
/// their host, and docks move from desk to desk.
pub(super) fn same_machine(a: &Host, b: &Host) -> bool {
    let same = |a: &Option<String>, b: &Option<String>| match (a, b) {
        (Some(a), Some(b)) => {
            let a = a.trim().to_ascii_lowercase();
            a == b.trim().to_ascii_lowercase() && !read::is_no_serial(&a)
        }
        _ => false,
    };
    let macs = |host: &Host| -> Vec<String> {
        host.network_interfaces.iter().filter_map(|n| n.mac.as_deref()).map(str::to_ascii_lowercase).collect()
    };
    let share_mac = || {
        let theirs = macs(b);
        macs(a).iter().any(|mac| theirs.contains(mac))
    };
    let short = |host: &Host| host.hostname.split('.').next().unwrap_or_default().to_lowercase();
    let hardware = same(&a.serial_number, &b.serial_number) || same(&a.smbios_uuid, &b.smbios_uuid);
    let named = !short(a).is_empty() && short(a) == short(b);
    [hardware, named, share_mac()].into_iter().filter(|proof| *proof).count() >= 2
}

/// True when these are agents of one machine, at most one in each tenant. Two agents of one machine in one tenant are an
/// old and a new registration, and nobody but a person can say which is which.
pub(super) fn one_machine(hosts: &[&Host]) -> bool {
    let Some((first, rest)) = hosts.split_first() else { return false };
    let mut tenants: Vec<&TenantId> = hosts.iter().map(|h| &h.tenant).collect();
    tenants.sort();
    tenants.dedup();
    tenants.len() == hosts.len() && rest.iter().all(|host| same_machine(first, host))
}

#[cfg(test)]
mod tests {
    use edr_core::NetworkInterface;

    use super::*;

    fn host(tenant: &str, name: &str, serial: &str, mac: &str) -> Host {
        let mut host = Host::new("v", tenant, &format!("{tenant}-{name}"), "{}");
        host.hostname = name.to_owned();
        host.serial_number = Some(serial.to_owned());
        host.network_interfaces = vec![NetworkInterface { mac: Some(mac.to_owned()), ..Default::default() }];
        host
    }

    #[test]
    fn two_proofs_join_two_agents_and_one_does_not() {
        let base = host("a", "web-1", "S1", "AA-1");
        assert!(same_machine(&base, &host("b", "web-1.corp.example", "s1", "BB-2")));
        assert!(!same_machine(&base, &host("b", "other", "s1", "BB-2")), "a guest has its host's number");
        assert!(same_machine(&base, &host("b", "WEB-1", "S2", "aa-1")));
        assert!(!same_machine(&base, &host("b", "web-1", "S2", "BB-2")), "a name proves nothing");
        assert!(!same_machine(&base, &host("b", "web-2", "S2", "AA-1")), "a dock lends its MAC");
        let unset = host("a", "x", "To be filled by O.E.M.", "1");
        assert!(!same_machine(&unset, &host("b", "y", "To Be Filled By O.E.M.", "2")));
        let (twin, again) = (host("b", "web-1", "S1", "x"), host("a", "web-1", "S1", "x"));
        assert!(one_machine(&[&base, &twin]));
        assert!(!one_machine(&[&base, &again]), "two registrations in one tenant");
        assert!(!one_machine(&[]));
    }
}
