//! The values of one machine, one function a field, so that a filter computes only what it names.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::catalog::{self, Hardware, Os};
use super::given::{GivenContainment, GivenHost, Kept, When};
use super::hash::{below, hex_words, mix2, pick, text};
use super::machine::{Cloud, CloudProvider, Form, Health, Machine, Platform, User};
use super::overlay::{Containment, Overlay};
use super::{TenantEstate, Vendor};
use crate::clock::from_ms;

static NO_GROUPS: BTreeSet<String> = BTreeSet::new();

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const BASE36: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// The host name that one machine of every tenant carries.
pub const AMBIGUOUS_NAME: &str = "APP-SRV-01";

/// One host of a tenant; every method is a pure function of (seed, tenant, index), the overlay and the clock.
#[derive(Debug)]
pub struct HostFields<'a> {
    estate: &'a TenantEstate,
    index: u64,
    physical: u64,
    number: u64,
    overlay: Option<Overlay>,
    given: Option<&'a GivenHost>,
}

impl<'a> HostFields<'a> {
    pub(super) fn searched(estate: &'a TenantEstate, index: u64) -> Self {
        let mut fields = Self::new(estate, index);
        let now = estate.clock().now_ms();
        fields.overlay = fields.overlay.map(|overlay| overlay.searched(now));
        fields
    }

    pub(super) fn new(estate: &'a TenantEstate, index: u64) -> Self {
        let twin = if is_reimaged(index) { index - 1 } else { index };
        let (owner, lane) = estate.owner(twin);
        Self {
            estate,
            index,
            physical: mix2(owner, twin),
            number: 1000 + 3 * twin + lane,
            overlay: estate.overlay(index),
            given: estate.given.at(index),
        }
    }

    /// A hash of the physical machine: equal for both vendors where the machine is shared.
    fn p(&self, field: u64) -> u64 {
        mix2(self.physical, field)
    }

    /// A hash of this tenant's agent on the machine.
    fn a(&self, field: u64) -> u64 {
        mix2(mix2(self.estate.tag(), self.index), field)
    }

    /// The index in the tenant.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The agent's id.
    #[must_use]
    pub fn id(&self) -> String {
        self.estate.host_id(self.index)
    }

    fn is_ambiguous(&self) -> bool {
        let n = self.estate.host_count();
        n >= 20 && self.index == n - 1 && self.given.is_none()
    }

    /// The kind of machine. Domain controllers stand at fixed indices, so that small estates have some.
    #[must_use]
    pub fn form(&self) -> Form {
        if let Some(given) = self.given {
            return given.form.unwrap_or_else(|| self.form_for(given.platform));
        }
        let twin = if is_reimaged(self.index) { self.index - 1 } else { self.index };
        if self.is_ambiguous() {
            return Form::Server;
        }
        if twin == 3 || twin == 11 || twin % 400 == 211 {
            return Form::DomainController;
        }
        match below(self.p(1), 100) {
            0..42 => Form::Laptop,
            42..62 => Form::Desktop,
            62..91 => Form::Server,
            91..97 => Form::CloudInstance,
            _ => Form::ContainerHost,
        }
    }

    /// The form of a host by hand of which only the platform is told.
    fn form_for(&self, platform: Option<Platform>) -> Form {
        match platform {
            Some(Platform::MacOs) => Form::Laptop,
            Some(Platform::Linux) => Form::Server,
            _ => pick(&[Form::Laptop, Form::Desktop, Form::Server], self.p(1)),
        }
    }

    /// The operating system.
    #[must_use]
    pub fn os(&self) -> Os {
        let Some(given) = self.given else { return self.born_os() };
        let os = match given.platform {
            Some(Platform::MacOs) => pick(catalog::MACS, self.p(3)),
            Some(Platform::Linux) => pick(catalog::LINUXES, self.p(3)),
            Some(Platform::Windows) if self.form().is_workstation() => {
                pick(catalog::WINDOWS_CLIENTS, self.p(3))
            }
            Some(Platform::Windows) => pick(catalog::WINDOWS_SERVERS, self.p(3)),
            None => self.born_os(),
        };
        given.os_version.map_or(os, |Kept(name)| Os { name, product: name, ..os })
    }

    fn born_os(&self) -> Os {
        let roll = below(self.p(2), 100);
        let table = match self.form() {
            Form::Laptop if roll < 28 => catalog::MACS,
            Form::Laptop if roll < 30 => catalog::LINUXES,
            Form::Desktop if roll < 14 => catalog::MACS,
            Form::Desktop if roll < 16 => catalog::LINUXES,
            Form::Laptop | Form::Desktop => catalog::WINDOWS_CLIENTS,
            Form::Server if roll < 26 && !self.is_ambiguous() => catalog::LINUXES,
            Form::CloudInstance if roll < 60 => catalog::LINUXES,
            Form::ContainerHost => catalog::LINUXES,
            _ => catalog::WINDOWS_SERVERS,
        };
        pick(table, self.p(3))
    }

    /// The platform.
    #[must_use]
    pub fn platform(&self) -> Platform {
        self.os().platform
    }

    /// Manufacturer, model and BIOS.
    #[must_use]
    pub fn hardware(&self) -> Hardware {
        let table = match (self.form(), self.platform()) {
            (Form::Laptop | Form::Desktop, Platform::MacOs) => catalog::APPLES,
            (Form::Laptop, _) => catalog::LAPTOPS,
            (Form::Desktop, _) => catalog::DESKTOPS,
            (Form::CloudInstance | Form::ContainerHost, _) => return self.cloud_hardware(),
            _ => catalog::SERVERS,
        };
        pick(table, self.p(4))
    }

    fn cloud_hardware(&self) -> Hardware {
        match self.provider() {
            Some(CloudProvider::Aws) => catalog::AWS,
            Some(CloudProvider::Azure) => catalog::AZURE,
            Some(CloudProvider::Gcp) => catalog::GCP,
            None => catalog::SERVERS[0],
        }
    }

    /// (site code, city).
    #[must_use]
    pub fn site(&self) -> (&'static str, &'static str) {
        pick(catalog::SITES, self.p(5))
    }

    /// The host name: unique in the tenant but for re-imaged machines, which keep theirs.
    #[must_use]
    pub fn hostname(&self) -> String {
        if let Some(name) = self.given.and_then(|g| g.hostname.clone()) {
            return name;
        }
        if self.is_ambiguous() {
            return AMBIGUOUS_NAME.to_owned();
        }
        let (site, n) = (self.site().0, self.number);
        match (self.form(), self.platform()) {
            (Form::DomainController, _) => format!("DC-{site}-{n:05}"),
            (Form::Laptop | Form::Desktop, Platform::MacOs) => {
                format!("MBP-{}-{n:05}", self.person().1.to_uppercase())
            }
            (Form::Laptop, _) => format!("{site}-LT-{n:05}"),
            (Form::Desktop, _) => format!("{site}-WS-{n:05}"),
            (Form::ContainerHost, _) => format!("k8s-prod-node-{n:05}"),
            (Form::CloudInstance, platform) => self.cloud_name(platform),
            (_, Platform::Windows) => format!("{site}-{}-{n:05}", self.role().to_uppercase()),
            _ => format!("{}-{}-{n:05}", site.to_lowercase(), self.role()),
        }
    }

    fn cloud_name(&self, platform: Platform) -> String {
        let ip = self.ip().octets();
        match (self.provider(), platform) {
            (Some(CloudProvider::Aws), Platform::Windows) => format!("EC2AMAZ-{}", base36(self.number)),
            (Some(CloudProvider::Aws), _) => format!("ip-{}-{}-{}-{}", ip[0], ip[1], ip[2], ip[3]),
            (Some(CloudProvider::Azure), _) => format!("vm-{}-{:05}", self.role(), self.number),
            _ => format!("gce-{}-{:05}", self.role(), self.number),
        }
    }

    fn role(&self) -> &'static str {
        pick(catalog::ROLES, self.p(6))
    }

    /// (first name, last name) of the person the machine belongs to.
    #[must_use]
    pub fn person(&self) -> (&'static str, &'static str) {
        (pick(catalog::FIRST_NAMES, self.p(7)), pick(catalog::LAST_NAMES, self.p(8)))
    }

    fn is_joined(&self) -> bool {
        self.platform() == Platform::Windows && self.form() != Form::CloudInstance
    }

    /// The DNS domain of its directory, or an empty text.
    #[must_use]
    pub fn domain(&self) -> &'static str {
        if let Some(Kept(domain)) = self.given.and_then(|g| g.domain) {
            return domain;
        }
        if self.is_joined() { self.estate.company().domain } else { "" }
    }

    /// The organisational units.
    #[must_use]
    pub fn ou(&self) -> Vec<String> {
        if let Some(ou) = self.given.and_then(|g| g.ou.clone()) {
            return ou;
        }
        match self.form() {
            _ if !self.is_joined() => Vec::new(),
            Form::DomainController => vec!["Domain Controllers".to_owned()],
            Form::Laptop | Form::Desktop => {
                vec![self.department().to_owned(), "Workstations".to_owned(), self.site().1.to_owned()]
            }
            _ => vec!["Servers".to_owned(), self.site().1.to_owned()],
        }
    }

    fn department(&self) -> &'static str {
        pick(catalog::DEPARTMENTS, self.p(9))
    }

    /// The serial number.
    #[must_use]
    pub fn serial(&self) -> String {
        if let Some(serial) = self.given.and_then(|g| g.serial.clone()) {
            return serial;
        }
        let h = self.p(10);
        match self.form() {
            Form::CloudInstance | Form::ContainerHost => super::hash::uuid(h),
            Form::Laptop | Form::Desktop => {
                text(h, if self.platform() == Platform::MacOs { 10 } else { 7 }, BASE36)
            }
            _ => format!("VMware-56 4d {}", text(h, 12, BASE36)),
        }
    }

    /// The primary address, unique in its company.
    #[must_use]
    pub fn ip(&self) -> Ipv4Addr {
        if let Some(ip) = self.given.and_then(|g| g.ip) {
            return ip;
        }
        let (twin, lane) = ((self.number - 1000) / 3, (self.number - 1000) % 3);
        let second = 16 + 80 * lane + (twin / 62_500) % 80;
        Ipv4Addr::new(10, second as u8, (twin / 250 % 250) as u8, (1 + twin % 250) as u8)
    }

    /// The default gateway.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        let [a, b, c, _] = self.ip().octets();
        Ipv4Addr::new(a, b, c, 254)
    }

    /// The address seen from outside (documentation ranges).
    #[must_use]
    pub fn external_ip(&self) -> Ipv4Addr {
        if let Some(ip) = self.given.and_then(|g| g.external_ip) {
            return ip;
        }
        match self.form() {
            Form::CloudInstance | Form::ContainerHost => {
                Ipv4Addr::new(198, 51, 100, 1 + below(self.p(11), 250) as u8)
            }
            _ => Ipv4Addr::new(203, 0, 113, 10 + below(self.p(5), catalog::SITES.len() as u64) as u8),
        }
    }

    /// Addresses of container bridges and VPN adapters.
    #[must_use]
    pub fn more_ips(&self) -> Vec<Ipv4Addr> {
        match self.form() {
            Form::ContainerHost => {
                vec![Ipv4Addr::new(172, 17, 0, 1), Ipv4Addr::new(10, 244, below(self.p(12), 250) as u8, 1)]
            }
            Form::Laptop if below(self.p(12), 4) == 0 => {
                vec![Ipv4Addr::new(10, 255, below(self.p(13), 250) as u8, 1 + below(self.p(14), 250) as u8)]
            }
            _ => Vec::new(),
        }
    }

    /// The hardware addresses; the first is the primary adapter's.
    #[must_use]
    pub fn macs(&self) -> Vec<[u8; 6]> {
        let oui = self.hardware().4;
        let own = |n: u64| self.p(20 + n).to_be_bytes();
        let x = own(0);
        let born = [oui[0], oui[1], oui[2], x[0], x[1], x[2]];
        let mut macs = vec![self.given.and_then(|g| g.mac).map_or(born, |mac| mac.0)];
        for n in 0..self.more_ips().len() as u64 {
            let x = own(1 + n);
            macs.push([0x02, 0x42, x[0], x[1], x[2], x[3]]);
        }
        macs
    }

    /// Who logs on, the last one first.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        if let Some(name) = self.given.and_then(|g| g.user.as_deref()) {
            return vec![self.user(name, 1000 + below(self.p(30), 60_000))];
        }
        match self.form() {
            Form::Laptop | Form::Desktop => self.people(),
            Form::ContainerHost => Vec::new(),
            _ => vec![self.service_user()],
        }
    }

    fn people(&self) -> Vec<User> {
        let (first, last) = self.person();
        let mut users = vec![self.user(&format!("{first}.{last}"), 1000 + below(self.p(30), 60_000))];
        if below(self.p(31), 5) == 0 {
            users.push(self.user("it-support", 1119));
        }
        users
    }

    fn service_user(&self) -> User {
        match self.platform() {
            Platform::Windows if self.is_joined() => self.user(&format!("svc-{}", self.role()), 2200),
            Platform::Windows => self.user("Administrator", 500),
            _ => self.user("root", 0),
        }
    }

    fn user(&self, name: &str, rid: u64) -> User {
        let h = if self.is_joined() { self.estate.company_seed() } else { self.physical };
        let part = |n| below(mix2(h, n), 4_000_000_000);
        let sid = match self.platform() {
            Platform::Linux => rid.to_string(),
            _ => format!("S-1-5-21-{}-{}-{}-{rid}", part(1), part(2), part(3)),
        };
        let domain =
            if self.is_joined() { self.estate.company().netbios.to_owned() } else { self.hostname() };
        User { name: name.to_owned(), sid, domain }
    }

    fn provider(&self) -> Option<CloudProvider> {
        if !matches!(self.form(), Form::CloudInstance | Form::ContainerHost) {
            return None;
        }
        Some(pick(
            &[CloudProvider::Aws, CloudProvider::Aws, CloudProvider::Azure, CloudProvider::Gcp],
            self.p(40),
        ))
    }

    /// The cloud it runs in.
    #[must_use]
    pub fn cloud(&self) -> Option<Cloud> {
        let provider = self.provider()?;
        let company = self.estate.company_seed();
        let region = |table: &[&'static str]| pick(table, self.p(41)).to_owned();
        let digits = |n| text(mix2(company, 60), n, b"0123456789");
        Some(match provider {
            CloudProvider::Aws => {
                let region = region(catalog::AWS_REGIONS);
                let instance_id = format!("i-0{}", &hex_words(self.p(42), 2)[..16]);
                Cloud { provider, account: digits(12), zone: format!("{region}a"), region, instance_id }
            }
            CloudProvider::Azure => {
                let account = super::hash::uuid(mix2(company, 61));
                let instance_id = super::hash::uuid(self.p(42));
                Cloud {
                    provider,
                    account,
                    zone: "1".to_owned(),
                    region: region(catalog::AZURE_REGIONS),
                    instance_id,
                }
            }
            CloudProvider::Gcp => {
                let region = region(catalog::GCP_REGIONS);
                let instance_id = text(self.p(42), 19, b"123456789");
                Cloud { provider, account: digits(12), zone: format!("{region}-b"), region, instance_id }
            }
        })
    }

    /// Not seen for more than 30 days at the start.
    #[must_use]
    pub fn stale(&self) -> bool {
        if let Some(given) = self.given {
            let old = |when: When| {
                self.estate.clock().start_ms() - when.ms(self.estate.clock().start_ms()) > 30 * DAY
            };
            return given.last_seen.map_or(given.online.is_none() && below(self.p(50), 100) < 3, old);
        }
        is_reimaged(self.index) || below(self.p(50), 100) < 3
    }

    fn born_online(&self) -> bool {
        if let Some(online) = self.given.and_then(|g| g.online) {
            return online;
        }
        if let Some(seen) = self.told_last_seen() {
            return self.estate.clock().start_ms() - seen < 10 * MINUTE;
        }
        let odds = if self.form().is_workstation() { 62 } else { 97 };
        !self.stale() && below(self.p(51), 100) < odds
    }

    /// Whether the agent is connected.
    #[must_use]
    pub fn online(&self) -> bool {
        self.overlay.as_ref().and_then(|o| o.online).map_or_else(|| self.born_online(), |(online, _)| online)
    }

    /// Since when it has been online, in virtual milliseconds.
    #[must_use]
    pub fn online_since(&self) -> Option<i64> {
        match self.overlay.as_ref().and_then(|o| o.online) {
            Some((online, at)) => online.then_some(at),
            None => self.born_online().then_some(i64::MIN / 4),
        }
    }

    /// When the agent was last seen: a moment ago for a host online.
    #[must_use]
    pub fn last_seen_ms(&self) -> i64 {
        match self.overlay.as_ref().and_then(|o| o.online) {
            Some((false, at)) => at,
            Some((true, _)) => self.moment_ago(),
            None if self.born_online() => self.moment_ago(),
            None => self.start() - self.quiet(),
        }
    }

    fn told_last_seen(&self) -> Option<i64> {
        self.given.and_then(|g| g.last_seen).map(|when| when.ms(self.estate.clock().start_ms()))
    }

    /// For how long it had not been seen at the start.
    fn quiet(&self) -> i64 {
        match self.told_last_seen() {
            Some(seen) => (self.start() - seen).max(0),
            None if self.born_online() => 0,
            None => self.silence(),
        }
    }

    fn start(&self) -> i64 {
        self.estate.clock().start_ms() / 1000 * 1000
    }

    fn moment_ago(&self) -> i64 {
        self.estate.clock().now_ms() / MINUTE * MINUTE - 1000 * below(self.a(52), 240) as i64
    }

    /// For how long a host that was offline at the start had not been seen.
    fn silence(&self) -> i64 {
        let seconds =
            |from: i64, to: i64| from + 1000 * below(self.p(53), ((to - from) / 1000) as u64) as i64;
        match self.index {
            i if is_reimaged(i) => seconds(35 * DAY, 80 * DAY),
            _ if self.stale() => seconds(31 * DAY, 120 * DAY),
            _ if below(self.p(54), 10) < 8 => seconds(HOUR, 3 * DAY),
            _ => seconds(3 * DAY, 28 * DAY),
        }
    }

    /// When the agent was first seen; never changes.
    #[must_use]
    pub fn first_seen_ms(&self) -> i64 {
        if let Some(when) = self.given.and_then(|g| g.first_seen) {
            return when.ms(self.estate.clock().start_ms());
        }
        self.start() - self.quiet() - 2 * DAY - 1000 * below(self.a(55), 700 * 86_400) as i64
    }

    /// When the agent was installed.
    #[must_use]
    pub fn installed_ms(&self) -> i64 {
        self.first_seen_ms() - 1000 * (20 + below(self.a(56), 600) as i64)
    }

    /// The last start of the machine.
    #[must_use]
    pub fn last_reboot_ms(&self) -> i64 {
        let last = self.start() - self.quiet();
        (last - 1000 * below(self.p(57), 30 * 86_400) as i64).max(self.first_seen_ms() - HOUR)
    }

    /// The version of the agent.
    #[must_use]
    pub fn agent_version(&self) -> &'static str {
        if let Some(Kept(version)) = self.given.and_then(|g| g.agent_version) {
            return version;
        }
        let table = match self.estate.vendor() {
            Vendor::Falcon => catalog::FALCON_AGENTS,
            Vendor::Cortex => catalog::CORTEX_AGENTS,
        };
        let age = match below(self.a(58), 100) {
            0..60 => 0,
            60..82 => 1,
            82..93 => 2,
            93..98 => 3,
            _ => 4,
        };
        table[age]
    }

    /// How well the agent works.
    #[must_use]
    pub fn health(&self) -> Health {
        match below(self.a(59), 100) {
            0..3 => Health::Reduced,
            3..7 => Health::Partial,
            _ => Health::Ok,
        }
    }

    /// Containment at the virtual now.
    #[must_use]
    pub fn containment(&self) -> Containment {
        let stored =
            self.overlay.as_ref().and_then(|o| o.containment).unwrap_or_else(|| self.born_containment());
        stored.resolve(self.estate.clock().now_ms(), self.online_since(), self.estate.sensor_delay_ms())
    }

    /// A few hosts stand contained from the start (never a server).
    fn born_containment(&self) -> Containment {
        let start = self.start();
        match self.given.map(|g| g.containment) {
            Some(Some(GivenContainment::Contained)) => return Containment::Contained { since: start - HOUR },
            Some(Some(GivenContainment::ContainmentPending)) => {
                return Containment::ContainPending { since: start };
            }
            Some(_) => return Containment::Normal,
            None => {}
        }
        if self.form().is_workstation() && below(self.a(60), 200) == 0 && !self.stale() {
            return Containment::Contained { since: self.start() - HOUR };
        }
        Containment::Normal
    }

    /// Whether it is hidden from lists.
    #[must_use]
    pub fn hidden(&self) -> bool {
        self.overlay.as_ref().is_some_and(|o| o.hidden)
    }

    /// Whether its detections are suppressed.
    #[must_use]
    pub fn suppressed(&self) -> bool {
        self.overlay.as_ref().is_some_and(|o| o.suppressed)
    }

    /// The ids of the groups it was added to, and of those it was taken out of.
    #[must_use]
    pub fn group_changes(&self) -> (&BTreeSet<String>, &BTreeSet<String>) {
        self.overlay.as_ref().map_or((&NO_GROUPS, &NO_GROUPS), |o| (&o.joined, &o.left))
    }

    /// The tags, without a vendor's prefix.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        if let Some(tags) = self.overlay.as_ref().and_then(|o| o.tags.clone()) {
            return tags;
        }
        if let Some(tags) = self.given.and_then(|g| g.tags.clone()) {
            return tags;
        }
        let mut tags = Vec::new();
        if self.form() == Form::DomainController
            || (self.form() == Form::Server && below(self.p(61), 20) == 0)
        {
            tags.push("crown-jewel".to_owned());
        }
        match below(self.p(62), 10) {
            0..3 => tags.push(self.department().to_lowercase()),
            3 => tags.push("pci".to_owned()),
            _ => {}
        }
        tags
    }

    /// The names of the groups it is in.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        if let Some(groups) = self.given.and_then(|g| g.groups.clone()) {
            return groups;
        }
        let mut groups = vec![self.form_group().to_owned(), format!("Site {}", self.site().1)];
        if below(self.a(63), 20) == 0 {
            groups.push("Pilot ring".to_owned());
        }
        groups
    }

    fn form_group(&self) -> &'static str {
        match self.form() {
            Form::Laptop | Form::Desktop => "Workstations",
            Form::DomainController => "Domain Controllers",
            Form::Server => "Servers",
            Form::CloudInstance => "Cloud",
            Form::ContainerHost => "Kubernetes",
        }
    }

    /// Everything at once.
    #[must_use]
    pub fn machine(&self) -> Machine {
        let (manufacturer, model, bios_vendor, bios_version, _) = self.hardware();
        Machine {
            index: self.index,
            id: self.id(),
            hostname: self.hostname(),
            domain: self.domain().to_owned(),
            os: self.os(),
            form: self.form(),
            serial: self.serial(),
            manufacturer,
            model,
            bios_vendor,
            bios_version,
            ip: self.ip(),
            more_ips: self.more_ips(),
            macs: self.macs(),
            external_ip: self.external_ip(),
            gateway: self.gateway(),
            users: self.users(),
            first_seen: from_ms(self.first_seen_ms()),
            last_seen: from_ms(self.last_seen_ms()),
            last_reboot: from_ms(self.last_reboot_ms()),
            installed: from_ms(self.installed_ms()),
            agent_version: self.agent_version(),
            health: self.health(),
            stale: self.stale(),
            online: self.online(),
            containment: self.containment(),
            tags: self.tags(),
            groups: self.groups(),
            cloud: self.cloud(),
            ou: self.ou(),
            site: self.site().1,
            shared: self.estate.is_shared(self.index),
        }
    }
}

/// Whether the host at this index is an old record of the machine at the index before it (re-imaged since).
#[must_use]
pub fn is_reimaged(index: u64) -> bool {
    index % 250 == 77
}

/// A number as seven characters of base 36.
fn base36(mut n: u64) -> String {
    let mut out = [b'0'; 7];
    for slot in out.iter_mut().rev() {
        *slot = BASE36[(n % 36) as usize];
        n /= 36;
    }
    // Spread small numbers: the low digits lead, as in the random names of EC2.
    out.reverse();
    out.iter().map(|b| char::from(*b)).collect()
}
