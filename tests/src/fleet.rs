//! Fleets of which the truth is known: which agents are on which machine.

use std::net::{IpAddr, Ipv4Addr};

use chrono::{DateTime, TimeDelta, Utc};
use edr::core::{Cloud, NetworkInterface, Tag};
use edr::{Host, Platform};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// A host, and the machine that it is on in truth.
#[derive(Debug)]
pub struct Agent {
    /// The host.
    pub host: Host,
    /// The machine that it is on in truth.
    pub machine: u32,
    /// Whether it is the agent that runs there now.
    pub live: bool,
}

struct Fleet {
    rng: StdRng,
    now: DateTime<Utc>,
    agents: Vec<Agent>,
    machines: u32,
    uids: u32,
    macs: u32,
}

#[derive(Clone, Default)]
struct Hardware {
    platform: Option<Platform>,
    serial: Option<String>,
    /// The burnt-in addresses.
    nics: Vec<String>,
    /// What else its agents may list: docks, VPN adapters, bridges.
    extra: Vec<String>,
    /// Chosen anew for each network.
    random_mac: bool,
    instance: Option<String>,
    fixed_ip: Option<Ipv4Addr>,
    vdi: bool,
    bridge: bool,
}

struct Life {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    live: bool,
}

/// The agents of about `count` machines, with all the traps in their share.
#[must_use]
pub fn agents(seed: u64, count: u32) -> Vec<Agent> {
    Fleet::agents(seed, count)
}

impl Fleet {
    fn agents(seed: u64, count: u32) -> Vec<Agent> {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(1_790_000_000);
        let rng = StdRng::seed_from_u64(seed);
        let mut fleet = Self { rng, now, agents: Vec::new(), machines: 0, uids: 0, macs: 0 };
        let docks: Vec<String> = (0..count / 40 + 1).map(|_| fleet.mac(0x50B6)).collect();
        while fleet.machines < count {
            match fleet.rng.random_range(0..100) {
                0..48 => fleet.laptop(&docks),
                48..74 => fleet.server(),
                74..90 => fleet.instance(),
                90..95 => fleet.pool(),
                95..97 => fleet.clones(),
                _ => fleet.reused_name(),
            }
        }
        fleet.agents
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn machine(&mut self) -> u32 {
        self.machines += 1;
        self.machines
    }

    /// A new address of a maker.
    fn mac(&mut self, maker: u32) -> String {
        self.macs += 1;
        let own = self.macs;
        let all = (u64::from(maker) << 24) | u64::from(own & 0xFF_FFFF);
        let bytes = all.to_be_bytes();
        bytes[2..].iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join("-")
    }

    fn private_ip(&mut self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.rng.random_range(0..60), self.rng.random(), self.rng.random_range(2..250))
    }

    fn days_ago(&mut self, from: i64, to: i64) -> DateTime<Utc> {
        self.now - TimeDelta::minutes(self.rng.random_range(from * 1440..to * 1440))
    }

    fn life(&mut self) -> Life {
        let stale = self.chance(8);
        let to = if stale { self.days_ago(1, 40) } else { self.days_ago(0, 2) };
        Life { from: self.days_ago(60, 900), to, live: true }
    }

    /// The agents of both vendors, or of one.
    fn enrol(&mut self, machine: u32, name: &str, domain: Option<&str>, hw: &Hardware, life: &Life) {
        let who = self.rng.random_range(0..100);
        if who < 92 {
            self.agent("falcon", machine, name, domain, hw, life);
        }
        if !(80..92).contains(&who) {
            self.agent("cortex", machine, name, domain, hw, life);
        }
    }

    fn agent(
        &mut self,
        vendor: &str,
        machine: u32,
        name: &str,
        domain: Option<&str>,
        hw: &Hardware,
        life: &Life,
    ) {
        self.uids += 1;
        let tenant = if vendor == "falcon" { "acme" } else { "acme-xdr" };
        let mut host =
            Host::new(vendor, tenant, &format!("{:032x}", u128::from(self.uids) * 0x9E37_79B9_7F4A), "{}");
        host.hostname = name.to_owned();
        // One writes the full name of the domain, the other often its flat one.
        let flat = vendor == "cortex" && self.chance(50);
        host.domain =
            domain.map(|d| if flat { d.split('.').next().unwrap_or(d).to_uppercase() } else { d.to_owned() });
        host.os.platform = hw.platform.clone().unwrap_or(Platform::Windows);
        host.first_seen = Some(life.from + TimeDelta::minutes(self.rng.random_range(0..4000)));
        let lag = TimeDelta::minutes(self.rng.random_range(0..600));
        host.last_seen = Some((life.to - lag).max(life.from + TimeDelta::hours(1)));
        self.network(vendor, &mut host, hw);
        // Only one of the vendors says so.
        host.is_vdi = (vendor == "cortex").then_some(hw.vdi);
        if vendor == "falcon" {
            host.serial_number = hw.serial.clone();
            host.cloud = hw.instance.clone().map(|i| Cloud { instance_uid: Some(i), ..Cloud::default() });
        }
        host.external_ip = Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, self.rng.random_range(1..5))));
        host.tags = vec![Tag::default()];
        self.agents.push(Agent { host, machine, live: life.live });
    }

    /// Falcon lists the interface in use, Cortex all of them.
    fn network(&mut self, vendor: &str, host: &mut Host, hw: &Hardware) {
        let mut macs: Vec<String> = hw.nics.clone();
        if hw.random_mac {
            let own = self.mac(0x004E_0000);
            macs[0] = own;
        }
        macs.extend(hw.extra.iter().cloned());
        if vendor == "falcon" && !macs.is_empty() {
            let at = if self.chance(75) { 0 } else { self.rng.random_range(0..macs.len()) };
            macs = vec![macs.swap_remove(at)];
        }
        let moved = self.chance(20);
        let ip = match hw.fixed_ip {
            Some(ip) => ip,
            None if moved => self.private_ip(),
            None => at_home(hw),
        };
        host.ip = Some(IpAddr::V4(ip));
        if hw.bridge && vendor == "cortex" {
            let ip = Some(IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1)));
            host.network_interfaces.push(NetworkInterface {
                name: None,
                ip,
                mac: Some("02-42-AC-11-00-01".into()),
            });
        }
        let interface = |mac| NetworkInterface { name: None, ip: None, mac: Some(mac) };
        host.network_interfaces.extend(macs.into_iter().map(interface));
    }

    fn laptop(&mut self, docks: &[String]) {
        let machine = self.machine();
        let mac_os = self.chance(15);
        let mut hw = Hardware {
            platform: Some(if mac_os { Platform::Macos } else { Platform::Windows }),
            serial: Some(if self.chance(3) {
                "To be filled by O.E.M.".into()
            } else {
                format!("5CG{machine:07}")
            }),
            random_mac: self.chance(5),
            ..Hardware::default()
        };
        for _ in 0..self.rng.random_range(1..=2) {
            let nic = self.mac(0x0014_7DDA);
            hw.nics.push(nic);
        }
        if self.chance(30) {
            let dock = docks[self.rng.random_range(0..docks.len())].clone();
            hw.extra.push(dock);
        }
        if self.chance(30) {
            hw.extra.push("00-05-9A-3C-7A-00".into());
        }
        let (name, domain) = match mac_os {
            true if self.chance(10) => ("MacBook-Pro.local".to_owned(), None),
            true => (format!("mb-{machine:06}.local"), None),
            false => (format!("CORP-LT-{machine:05}"), Some("corp.example")),
        };
        let life = self.life();
        if self.chance(6) {
            self.reinstalled(machine, &name, domain, &hw, &life);
        } else if self.chance(3) {
            // Renamed, and one of the vendors does not know yet.
            self.agent("falcon", machine, &name, domain, &hw, &life);
            self.agent("cortex", machine, &format!("NEW-{machine:05}"), domain, &hw, &life);
        } else {
            self.enrol(machine, &name, domain, &hw, &life);
        }
    }

    /// An agent that was there before, and the ones that are there now.
    fn reinstalled(&mut self, machine: u32, name: &str, domain: Option<&str>, hw: &Hardware, life: &Life) {
        let end = self.days_ago(5, 50);
        let before = Life { from: life.from - TimeDelta::days(100), to: end, live: false };
        let vendor = if self.chance(50) { "falcon" } else { "cortex" };
        self.agent(vendor, machine, name, domain, hw, &before);
        let now = Life { from: end + TimeDelta::hours(13), to: self.now - TimeDelta::hours(1), live: true };
        self.enrol(machine, name, domain, hw, &now);
    }

    fn server(&mut self) {
        let machine = self.machine();
        let linux = self.chance(50);
        let hw = Hardware {
            platform: Some(if linux { Platform::Linux } else { Platform::Windows }),
            serial: Some(format!("VMware-56 4d {machine:08x}")),
            nics: vec![self.mac(0x5056)],
            fixed_ip: Some(self.private_ip()),
            bridge: linux && self.chance(40),
            ..Hardware::default()
        };
        let long = self.chance(20);
        let name = if long { format!("prod-billing-app-{machine:05}") } else { format!("srv-{machine:05}") };
        let life = self.life();
        if self.chance(5) {
            self.reinstalled(machine, &name, Some("dc.corp.example"), &hw, &life);
        } else {
            self.enrol(machine, &name, Some("dc.corp.example"), &hw, &life);
        }
    }

    /// An instance in a cloud, whose name comes from an address that other networks have as well.
    fn instance(&mut self) {
        let machine = self.machine();
        let ip = Ipv4Addr::new(10, 0, self.rng.random_range(0..16), self.rng.random_range(4..250));
        let hw = Hardware {
            platform: Some(Platform::Linux),
            serial: Some(format!("ec2{machine:08x}-0000-4000-8000-0123456789ab")),
            nics: vec![self.mac(0x0002_000A)],
            instance: Some(format!("i-{machine:017x}")),
            fixed_ip: Some(ip),
            ..Hardware::default()
        };
        let [a, b, c, d] = ip.octets();
        let life = self.life();
        self.enrol(machine, &format!("ip-{a}-{b}-{c}-{d}"), Some("ec2.internal"), &hw, &life);
    }

    /// Virtual desktops without a memory: each session has new agents and an address from the pool.
    fn pool(&mut self) {
        let slots = self.rng.random_range(3..8);
        let pool = self.machines;
        let addresses: Vec<String> = (0..slots + 4).map(|_| self.mac(0x5056)).collect();
        let hw = Hardware {
            serial: Some(format!("VMware-42 00 {pool:08x} golden")),
            vdi: true,
            ..Hardware::default()
        };
        let seats: Vec<u32> = (0..slots).map(|_| self.machine()).collect();
        for session in 0..2i64 {
            let mut free = addresses.clone();
            for (slot, machine) in seats.iter().enumerate() {
                let at = self.rng.random_range(0..free.len());
                let hw = Hardware { nics: vec![free.swap_remove(at)], ..hw.clone() };
                let to = self.now - TimeDelta::hours(2 + (1 - session) * 100);
                let life = Life { from: to - TimeDelta::hours(90), to, live: session == 1 };
                self.enrol(
                    *machine,
                    &format!("VDI-{pool:05}-{slot:02}"),
                    Some("vdi.corp.example"),
                    &hw,
                    &life,
                );
            }
        }
    }

    /// Copies of one image that were never told apart: one name, one serial number.
    fn clones(&mut self) {
        let image = self.machines;
        for _ in 0..self.rng.random_range(2..5) {
            let machine = self.machine();
            let hw = Hardware {
                serial: Some(format!("VMware-golden-{image:06}")),
                nics: vec![self.mac(0x5056)],
                fixed_ip: Some(self.private_ip()),
                ..Hardware::default()
            };
            let life = self.life();
            self.enrol(machine, &format!("WIN-IMG{image:05}"), Some("corp.example"), &hw, &life);
        }
    }

    /// A machine that is gone, and another one that got its name.
    fn reused_name(&mut self) {
        let name = format!("CORP-WS-{:05}", self.machines);
        let gone = self.days_ago(10, 60);
        let virtual_machine = self.chance(25);
        let lives = [
            Life { from: gone - TimeDelta::days(400), to: gone, live: false },
            Life { from: gone + TimeDelta::days(3), to: self.now - TimeDelta::hours(2), live: true },
        ];
        for life in lives {
            let machine = self.machine();
            let maker = if virtual_machine { 0x5056 } else { 0x00B8_8A60 };
            let hw = Hardware {
                serial: Some(format!("MXL{machine:07}")),
                nics: vec![self.mac(maker)],
                ..Hardware::default()
            };
            self.enrol(machine, &name, Some("corp.example"), &hw, &life);
        }
    }
}

/// The address that a machine mostly has, worked out from its hardware.
fn at_home(hw: &Hardware) -> Ipv4Addr {
    let seed = hw
        .nics
        .first()
        .map_or(0, |m| m.bytes().fold(7u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b))));
    let [a, b, c, _] = seed.to_be_bytes();
    Ipv4Addr::new(10, 60 + a % 60, b, 2 + c % 240)
}
