//! What a host can be known by, cleaned.

use std::net::{IpAddr, Ipv4Addr};

use edr_core::model::read;
use edr_core::{Host, Platform, TenantId, Vendor};

use super::IdentityConfig;

/// One host, reduced to what identifies it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) urn: String,
    pub(super) tenant: TenantId,
    pub(super) vendor: Vendor,
    pub(super) customer: String,
    /// The vendor's id of whose host it is: a tenant may show the hosts of several.
    owner: Option<String>,
    pub(super) hostname: String,
    /// When the agent lived, in milliseconds; an unknown begin is the beginning of time.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) platform: Option<Platform>,
    pub(super) instance: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) macs: Vec<Mac>,
    /// The first label of the name, lower case.
    pub(crate) short: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) ips: Vec<IpAddr>,
    pub(super) public: Option<IpAddr>,
    pub(super) is_vdi: bool,
}

/// A MAC of use for identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mac {
    pub(crate) address: u64,
    /// Burnt in, and so unique in the world; else chosen by software.
    pub(super) global: bool,
}

/// Makers of virtual interfaces, which get a new address whenever somebody makes them anew.
const VIRTUAL: &[u64] = &[0x00_0C29, 0x00_155D, 0x00_163E, 0x00_5056, 0x08_0027, 0x52_5400];

impl Mac {
    /// Part of the hardware, so that it comes and goes with it.
    pub(super) fn is_physical(self) -> bool {
        self.global && !VIRTUAL.contains(&(self.address >> 24))
    }

    pub(crate) fn text(self) -> String {
        let [_, _, bytes @ ..] = self.address.to_be_bytes();
        bytes.map(|b| format!("{b:02X}")).join("-")
    }
}

/// The form in which agents of one vendor and tenant are told apart.
pub(super) type Side<'a> = (&'a Vendor, &'a TenantId, Option<&'a str>);

impl Record {
    pub(crate) fn of(host: &Host, config: &IdentityConfig) -> Self {
        let cloud = host.cloud.as_ref();
        let instance = cloud.and_then(|c| c.instance_uid.as_deref()).and_then(instance);
        let (short, within) = name(&host.hostname);
        let to = host.last_seen.map_or(i64::MAX, |t| t.timestamp_millis());
        Self {
            urn: host.urn(),
            tenant: host.tenant.clone(),
            vendor: host.vendor.clone(),
            customer: config.customer(&host.tenant, host.tenant_uid.as_deref()),
            owner: host.tenant_uid.clone(),
            hostname: host.hostname.clone(),
            from: host.first_seen.map_or(i64::MIN, |t| t.timestamp_millis()).min(to),
            to,
            platform: family(&host.os.platform),
            serial: host.smbios_uuid.as_deref().or(host.serial_number.as_deref()).and_then(serial),
            macs: macs(host, instance.is_some()),
            instance,
            short,
            domain: domain(host.domain.as_deref()).or(within),
            ips: ips(host),
            public: host.external_ip,
            is_vdi: host.is_vdi == Some(true),
        }
    }

    pub(super) fn side(&self) -> Side<'_> {
        (&self.vendor, &self.tenant, self.owner.as_deref())
    }

    /// True when both agents lived at the same time.
    pub(super) fn overlaps(&self, other: &Self, slack: i64) -> bool {
        self.from.saturating_add(slack) < other.to && other.from.saturating_add(slack) < self.to
    }
}

fn family(platform: &Platform) -> Option<Platform> {
    (!matches!(platform, Platform::Unknown)).then(|| platform.clone())
}

fn instance(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    (text.len() >= 6 && !read::is_no_serial(&text)).then_some(text)
}

/// The serial number in one form, whoever writes it: the UUID where it is or spells one.
fn serial(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let text = read::smbios_uuid(&text).map_or(text, either_order);
    (text.len() >= 5 && !read::is_no_serial(&text)).then_some(text)
}

/// Tools disagree on the byte order of the first three groups of an SMBIOS UUID, VMware's own among them. Of the two
/// ways to write it the smaller one stands for both.
fn either_order(uuid: String) -> String {
    let swapped =
        |group: &str| -> String { (0..group.len()).step_by(2).rev().map(|i| &group[i..i + 2]).collect() };
    let other: Vec<String> = uuid
        .split('-')
        .enumerate()
        .map(|(place, group)| if place < 3 { swapped(group) } else { group.to_owned() })
        .collect();
    uuid.min(other.join("-"))
}

/// The first label and, of a full name, the domain.
fn name(hostname: &str) -> (Option<String>, Option<String>) {
    let lower = hostname.trim().trim_end_matches('.').to_lowercase();
    let (short, rest) = lower.split_once('.').map_or((lower.as_str(), None), |(s, r)| (s, Some(r)));
    if short.is_empty() || GENERIC.contains(&short) {
        return (None, None);
    }
    // `.local` is what a Mac calls itself outside a directory.
    (
        Some(short.to_owned()),
        rest.filter(|r| *r != "local" && *r != "lan" && *r != "home").and_then(|r| domain(Some(r))),
    )
}

/// Names that many machines have out of the box.
const GENERIC: &[&str] = &[
    "debian",
    "desktop",
    "imac",
    "iphone",
    "kali",
    "laptop",
    "localhost",
    "macbook-air",
    "macbook-pro",
    "pc",
    "raspberrypi",
    "server",
    "ubuntu",
    "unknown",
    "windows",
];

fn domain(text: Option<&str>) -> Option<String> {
    let text = text?.trim().trim_end_matches('.').to_lowercase();
    (!text.is_empty() && text != "workgroup" && text != "n/a").then_some(text)
}

/// The longest name that NetBIOS keeps.
pub(crate) const NETBIOS: usize = 15;

/// True when the names are the same, or one is the other as NetBIOS cuts it.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    let cut =
        |long: &str, short: &str| short.len() == NETBIOS && long.len() > NETBIOS && long.starts_with(short);
    a == b || cut(a, b) || cut(b, a)
}

/// True when the domains are the same, or one is the NetBIOS name of the other.
pub(crate) fn same_domain(a: &str, b: &str) -> bool {
    let netbios = |full: &str, flat: &str| !flat.contains('.') && full.split('.').next() == Some(flat);
    a == b || netbios(a, b) || netbios(b, a)
}

fn macs(host: &Host, instance: bool) -> Vec<Mac> {
    let mut macs: Vec<Mac> =
        host.network_interfaces.iter().filter_map(|i| mac(i.mac.as_deref()?, instance)).collect();
    macs.sort_unstable();
    macs.dedup();
    macs
}

/// The address, unless software that runs on every machine makes it up.
fn mac(text: &str, instance: bool) -> Option<Mac> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let address = u64::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 12)?;
    let made_up = address == 0
        || address == 0xFFFF_FFFF_FFFF
        || address >> 32 == 0x0242 // Docker's bridges and containers
        || address >> 16 == 0x0005_9A3C // the AnyConnect adapter
        || address >> 16 == 0x0000_5E00; // VRRP and friends
    let multicast = (address >> 40) & 1 == 1;
    let local = (address >> 40) & 2 == 2;
    // The interfaces of a cloud instance are made by software, and yet unique.
    (!made_up && !multicast).then_some(Mac { address, global: !local || instance })
}

fn ips(host: &Host) -> Vec<IpAddr> {
    let all = host.ip.into_iter().chain(host.network_interfaces.iter().filter_map(|i| i.ip));
    let mut ips: Vec<IpAddr> = all.filter(usable).collect();
    ips.sort_unstable();
    ips.dedup();
    ips
}

fn usable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let bridge = *v4 == Ipv4Addr::new(172, 17, 0, 1);
            !(v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || bridge)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unspecified() || (v6.segments()[0] & 0xFFC0) == 0xFE80),
    }
}
