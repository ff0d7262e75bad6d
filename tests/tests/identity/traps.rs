//! One test for each trap: what looks like one machine and is not, and the other way round.

use chrono::{DateTime, TimeDelta, Utc};
use edr::core::{Cloud, NetworkInterface};
use edr::identity::{Identity, IdentityConfig, Machines, Refusal, Sign};
use edr::{Host, Platform};

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_790_000_000)
}

/// A host seen from `from` to `to` days ago.
fn agent(vendor: &str, uid: &str, name: &str, from: i64, to: i64) -> Host {
    let tenant = if vendor == "falcon" { "acme" } else { "acme-xdr" };
    let mut host = Host::new(vendor, tenant, uid, "{}");
    host.hostname = name.to_owned();
    host.os.platform = Platform::Windows;
    host.first_seen = Some(now() - TimeDelta::days(from));
    host.last_seen = Some(now() - TimeDelta::days(to));
    host
}

fn falcon(uid: &str, name: &str) -> Host {
    agent("falcon", uid, name, 100, 0)
}

fn cortex(uid: &str, name: &str) -> Host {
    agent("cortex", uid, name, 100, 0)
}

trait With: Sized {
    fn domain(self, domain: &str) -> Self;
    fn macs(self, macs: &[&str]) -> Self;
    fn at(self, ip: &str) -> Self;
    fn serial(self, serial: &str) -> Self;
    fn instance(self, id: &str) -> Self;
}

impl With for Host {
    fn domain(mut self, domain: &str) -> Self {
        self.domain = Some(domain.to_owned());
        self
    }
    fn macs(mut self, macs: &[&str]) -> Self {
        let interface =
            |mac: &&str| NetworkInterface { mac: Some((*mac).to_owned()), ..NetworkInterface::default() };
        self.network_interfaces = macs.iter().map(interface).collect();
        self
    }
    fn at(mut self, ip: &str) -> Self {
        self.ip = ip.parse().ok();
        self
    }
    fn serial(mut self, serial: &str) -> Self {
        self.serial_number = Some(serial.to_owned());
        self
    }
    fn instance(mut self, id: &str) -> Self {
        self.cloud = Some(Cloud { instance_uid: Some(id.to_owned()), ..Cloud::default() });
        self
    }
}

fn identity(hosts: &[Host]) -> Identity {
    let config = IdentityConfig::new().one_customer("acme", ["acme", "acme-xdr"]);
    let mut identity = Identity::new(config);
    identity.upsert(hosts);
    identity
}

fn machines(hosts: &[Host]) -> Machines {
    identity(hosts).resolve()
}

fn count(hosts: &[Host]) -> usize {
    machines(hosts).len()
}

#[test]
fn a_dock_that_moves_between_desks_joins_nobody() {
    let dock = "00-50-B6-00-00-01";
    let hosts = [
        falcon("f1", "lt-1").domain("corp.example").macs(&[dock]),
        falcon("f2", "lt-2").domain("corp.example").macs(&[dock]),
        cortex("c2", "lt-2").domain("CORP").macs(&["14-7D-DA-00-00-02", dock]),
    ];
    let found = machines(&hosts);
    assert_eq!(found.len(), 2);
    assert_eq!(found.of(&hosts[1].urn()), found.of(&hosts[2].urn()));
    assert!(
        found.run().bad_keys.iter().any(|(key, hosts)| key.contains(dock) && *hosts == 3),
        "{:?}",
        found.run()
    );
}

#[test]
fn a_vpn_adapter_is_on_every_machine() {
    let vpn = "00-05-9A-3C-7A-00";
    assert_eq!(count(&[falcon("f", "a").macs(&[vpn]), cortex("c", "b").macs(&[vpn])]), 2);
}

#[test]
fn a_container_bridge_is_on_every_machine() {
    let bridge = "02-42-AC-11-00-01";
    let hosts = [
        falcon("f", "a").macs(&[bridge]).at("172.17.0.1"),
        cortex("c", "b").macs(&[bridge]).at("172.17.0.1"),
    ];
    assert_eq!(count(&hosts), 2);
}

#[test]
fn the_interface_of_a_cloud_instance_is_unique_though_software_chose_it() {
    let eni = "02-0A-11-22-33-44";
    let sign = |instance: Option<&str>| {
        let host = falcon("f", "ip-10-0-0-4").macs(&[eni]);
        let host = if let Some(id) = instance { host.instance(id) } else { host };
        let found = machines(&[host, cortex("c", "ip-10-0-0-4").macs(&[eni])]);
        let why = found.explain("edr:cortex:acme-xdr:host:c", "edr:falcon:acme:host:f");
        why.map(|why| why.evidence[0].sign)
    };
    assert_eq!(sign(Some("i-0aabbccdd")), Some(Sign::Mac));
    assert_eq!(sign(None), Some(Sign::LocalMac));
}

#[test]
fn two_networks_may_have_the_same_name_from_the_same_address() {
    let name = "ip-10-0-0-4";
    let hosts = [
        falcon("f1", name).domain("ec2.internal").instance("i-0000000001").macs(&["02-00-00-00-00-01"]),
        falcon("f2", name).domain("ec2.internal").instance("i-0000000002").macs(&["02-00-00-00-00-02"]),
        cortex("c1", name).domain("ec2.internal").macs(&["02-00-00-00-00-01"]),
        cortex("c2", name).domain("ec2.internal").macs(&["02-00-00-00-00-02"]),
    ];
    let found = machines(&hosts);
    assert_eq!(found.len(), 2);
    assert_eq!(found.of(&hosts[0].urn()), found.of(&hosts[2].urn()));
}

#[test]
fn clones_of_one_image_stay_apart() {
    let clone =
        |uid, mac| falcon(uid, "WIN-IMG").domain("corp.example").serial("VMware-golden-1").macs(&[mac]);
    let hosts = [
        clone("f1", "00-50-56-00-00-01"),
        clone("f2", "00-50-56-00-00-02"),
        cortex("c1", "WIN-IMG").domain("CORP").macs(&["00-50-56-00-00-01"]),
    ];
    let found = machines(&hosts);
    assert_eq!(found.len(), 2);
    assert_eq!(
        found.of(&hosts[0].urn()),
        found.of(&hosts[2].urn()),
        "the address still tells which one it is"
    );
}

#[test]
fn placeholders_are_no_serial_numbers() {
    for serial in
        ["To be filled by O.E.M.", "Default string", "00000000-0000-0000-0000-000000000000", "0", "None"]
    {
        let hosts = [falcon("f1", "a").serial(serial), agent("falcon", "f2", "b", 400, 200).serial(serial)];
        assert_eq!(count(&hosts), 2, "{serial}");
    }
}

#[test]
fn a_new_agent_on_the_same_machine_follows_the_old_one() {
    let hosts = [
        agent("falcon", "old", "lt-1", 300, 40).domain("corp.example").serial("5CG0001"),
        agent("falcon", "new", "renamed-1", 39, 0).domain("corp.example").serial("5CG0001"),
    ];
    let found = machines(&hosts);
    assert_eq!(found.len(), 1);
    let machine = found.of(&hosts[1].urn()).unwrap();
    assert_eq!((machine.uid.as_str(), machine.hostname.as_str()), ("edr:falcon:acme:host:old", "renamed-1"));
    assert_eq!(machine.members.iter().map(|m| m.is_current).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn two_agents_that_live_at_once_are_two_machines_whatever_they_share() {
    let hosts = [
        falcon("f1", "lt-1").domain("corp.example").macs(&["14-7D-DA-00-00-01"]),
        falcon("f2", "lt-1").domain("corp.example").macs(&["14-7D-DA-00-00-01"]),
    ];
    assert_eq!(count(&hosts), 2);
}

#[test]
fn a_good_pair_that_is_refused_is_shown() {
    let hosts = [
        falcon("f1", "lt-1").domain("corp.example").macs(&["14-7D-DA-00-00-01"]),
        falcon("f2", "other").domain("corp.example").macs(&["14-7D-DA-00-00-02"]).at("10.1.1.2"),
        cortex("c1", "lt-1").domain("CORP").macs(&["14-7D-DA-00-00-01", "14-7D-DA-00-00-02"]).at("10.1.1.2"),
    ];
    let found = machines(&hosts);
    assert_eq!(found.len(), 2);
    let shown = found.review().iter().find(|c| c.hosts == (hosts[2].urn(), hosts[1].urn())).unwrap();
    assert!(matches!(shown.refusal, Some(Refusal::BothAlive { .. })), "{shown:?}");
}

#[test]
fn a_name_that_another_machine_got_later_is_another_machine() {
    let hosts = [
        agent("falcon", "f1", "ws-1", 400, 60)
            .domain("corp.example")
            .serial("MXL00001")
            .macs(&["B8-8A-60-00-00-01"]),
        agent("cortex", "c2", "ws-1", 50, 0).domain("CORP").macs(&["B8-8A-60-00-00-02"]),
    ];
    let found = machines(&hosts);
    assert_eq!(found.len(), 2);
    assert_eq!(found.review().len(), 1, "near enough to be shown");
}

#[test]
fn netbios_cuts_long_names() {
    let whole = "prod-billing-app-1";
    let one = [falcon("f1", whole).domain("corp.example"), cortex("c1", &whole[..15]).domain("CORP")];
    assert_eq!(count(&one), 1);
    let two = [one[0].clone(), falcon("f2", "prod-billing-app-2").domain("corp.example"), one[1].clone()];
    assert_eq!(count(&two), 3, "the cut name fits both, so it names neither");
}

#[test]
fn another_system_is_another_machine() {
    let mut linux = cortex("c", "srv-1").domain("corp.example").macs(&["14-7D-DA-00-00-01"]);
    linux.os.platform = Platform::Linux;
    assert_eq!(count(&[falcon("f", "srv-1").domain("corp.example").macs(&["14-7D-DA-00-00-01"]), linux]), 2);
}

#[test]
fn names_out_of_the_box_say_nothing() {
    assert_eq!(
        count(&[falcon("f", "MacBook-Pro.local").at("10.0.0.4"), cortex("c", "macbook-pro").at("10.0.0.4")]),
        2
    );
    assert_eq!(count(&[falcon("f", "localhost"), cortex("c", "localhost")]), 2);
}

#[test]
fn the_same_name_in_another_domain_is_not_enough() {
    let hosts =
        [falcon("f", "dc01").domain("emea.corp.example"), cortex("c", "dc01").domain("apac.corp.example")];
    assert_eq!(count(&hosts), 2);
}

#[test]
fn customers_never_meet() {
    let mut other = cortex("c", "lt-1").domain("corp.example").serial("5CG0001").macs(&["14-7D-DA-00-00-01"]);
    other.tenant = "globex-xdr".into();
    let own = falcon("f", "lt-1").domain("corp.example").serial("5CG0001").macs(&["14-7D-DA-00-00-01"]);
    let mut identity = identity(&[own.clone(), other.clone()]);
    identity.link(&own.urn(), &other.urn());
    assert_eq!(identity.resolve().len(), 2, "not even by hand");
    let mut alone = Identity::new(IdentityConfig::new());
    let same = cortex("c", "lt-1").domain("corp.example").macs(&["14-7D-DA-00-00-01"]);
    alone.upsert([&own, &same]);
    assert_eq!(alone.resolve().len(), 2, "a tenant is its own customer unless somebody says otherwise");
}

#[test]
fn what_was_said_by_hand_survives() {
    let (a, b) = (falcon("f", "lt-1").domain("corp.example"), cortex("c", "lt-1").domain("CORP"));
    let mut identity = identity(&[a.clone(), b.clone()]);
    identity.unlink(&a.urn(), &b.urn());
    assert_eq!(identity.resolve().len(), 2);
    identity.remove(&b.urn());
    identity.upsert([&b]);
    assert_eq!(identity.resolve().len(), 2, "a host that comes back is still another machine");
    identity.forget(&a.urn(), &b.urn());
    assert_eq!(identity.resolve().len(), 1);
    let stranger = cortex("c2", "elsewhere");
    identity.upsert([&stranger]);
    identity.unlink(&a.urn(), &b.urn());
    identity.link(&a.urn(), &stranger.urn());
    let found = identity.resolve();
    assert_eq!(found.of(&a.urn()), found.of(&stranger.urn()));
    assert!(found.is_linked_by_hand(&stranger.urn(), &a.urn()));
    assert_ne!(found.of(&a.urn()), found.of(&b.urn()));
}

#[test]
fn the_address_of_a_pool_joins_no_two_desktops() {
    let pooled = "00-50-56-00-00-07";
    let seat = |vendor: &str, uid: &str, name: &str, from, to| {
        agent(vendor, uid, name, from, to).domain("vdi.corp.example").macs(&[pooled])
    };
    let hosts = [
        seat("falcon", "f1", "vdi-01", 9, 5),
        seat("falcon", "f2", "vdi-02", 4, 0),
        seat("cortex", "c2", "vdi-02", 4, 0),
    ];
    let found = machines(&hosts);
    assert_eq!(found.len(), 2);
    assert_eq!(found.of(&hosts[1].urn()), found.of(&hosts[2].urn()));
}

#[test]
fn an_address_that_is_chosen_for_each_network_says_little() {
    let random = "4E-00-00-00-00-01";
    assert_eq!(count(&[falcon("f", "mb-1.local").macs(&[random]), cortex("c", "mb-2").macs(&[random])]), 2);
    let apart = [
        falcon("f", "lt-1").domain("corp.example").macs(&[random]),
        cortex("c", "lt-1").domain("CORP").macs(&["4E-00-00-00-00-02"]),
    ];
    assert_eq!(count(&apart), 1, "and two of them speak against nothing");
}

#[test]
fn a_gateway_that_two_routers_share_is_neither() {
    let shared = "00-00-5E-00-01-01";
    assert_eq!(count(&[falcon("f", "gw-a").macs(&[shared]), cortex("c", "gw-b").macs(&[shared])]), 2);
}

#[test]
fn an_address_counts_for_a_short_time_and_the_internet_sees_everybody_alike() {
    let pair =
        |to| [falcon("f", "kiosk-1").at("10.1.1.9"), agent("cortex", "c", "kiosk-1", 100, to).at("10.1.1.9")];
    assert_eq!((count(&pair(0)), count(&pair(10))), (1, 2));
    let mut behind = [falcon("f", "one"), cortex("c", "two")];
    behind.iter_mut().for_each(|host| host.external_ip = "198.51.100.1".parse().ok());
    assert_eq!(count(&behind), 2);
}

#[test]
fn names_are_the_same_in_capitals() {
    assert_eq!(
        count(&[falcon("f", "LT-1").domain("Corp.Example"), cortex("c", "lt-1").domain("corp.example")]),
        1
    );
}

#[test]
fn words_that_contradict_each_other_join_nobody_who_was_unlinked() {
    let hosts = [falcon("f1", "a"), cortex("c1", "b"), cortex("c2", "c")];
    let [a, b, c] = [hosts[0].urn(), hosts[1].urn(), hosts[2].urn()];
    let mut identity = identity(&hosts);
    identity.link(&a, &b);
    identity.link(&a, &c);
    identity.unlink(&b, &c);
    let found = identity.resolve();
    assert_ne!(found.of(&b), found.of(&c), "the unlink holds");
    assert_eq!(found.of(&a), found.of(&b), "the first link holds, too");
    let refusal = found.refusal(&a, &c).unwrap();
    assert_eq!(*refusal, Refusal::Unlinked { agents: (b.clone(), c.clone()) });
    assert_eq!(refusal.to_string(), format!("somebody has unlinked {b} and {c}"));
    identity.forget(&b, &c);
    assert_eq!(identity.resolve().len(), 1);
}

#[test]
fn every_run_says_the_same() {
    // Two machines of four agents each, linked by hand to an old one, and an agent that shares an address with all of
    // them: it stands with the first machine, and which two agents speak against the second depends on their order.
    let mac = |n: usize| format!("14-7D-DA-00-00-{n:02}");
    let life = |n: usize| match n {
        0 => (500, 450),
        4 => (440, 400),
        _ => (100, 0),
    };
    let falcon = |n: usize| {
        let (from, to) = life(n);
        agent("falcon", &format!("f{n}"), &format!("lt-{n}"), from, to).macs(&[&mac(n)])
    };
    let mut hosts: Vec<Host> = (0..8).map(falcon).collect();
    let all: Vec<String> = (0..8).map(mac).collect();
    hosts.push(cortex("c", "lt-0").macs(&all.iter().map(String::as_str).collect::<Vec<_>>()));
    let mut identity = identity(&hosts);
    for four in hosts[..8].chunks(4) {
        four[1..].iter().for_each(|other| identity.link(&four[0].urn(), &other.urn()));
    }
    let first = identity.resolve();
    let is_refused = |c: &edr::identity::Candidate| matches!(c.refusal, Some(Refusal::BothAlive { .. }));
    assert!(first.len() == 2 && first.review().iter().any(is_refused), "{:?}", first.review());
    for _ in 0..30 {
        assert_eq!(identity.resolve(), first);
    }
}

#[test]
fn a_serial_number_is_one_in_every_form() {
    let at = |form: &str, from, to| agent("falcon", form, &format!("n-{from}"), from, to).serial(form);
    let spelt = "VMware-56 4d 8c 1e 9a 00 11 22-33 44 55 66 77 88 99 aa";
    for form in [
        "vmware-564d8c1e9a001122-33445566778899AA",
        "564D8C1E-9A00-1122-3344-5566778899AA",
        "1E8C4D56-009A-2211-3344-5566778899AA",
    ] {
        assert_eq!(count(&[at(spelt, 300, 40), at(form, 39, 0)]), 1, "{form}");
    }
    assert_eq!(count(&[at(spelt, 300, 40), at("564d8c1e-9a00-1122-4433-5566778899aa", 39, 0)]), 2);
}

#[test]
fn the_children_of_a_parent_are_customers_of_their_own() {
    let child = |uid: &str, cid: &str, from, to| {
        let mut host =
            agent("falcon", uid, "dc01", from, to).domain("corp.example").macs(&["14-7D-DA-00-00-01"]);
        (host.tenant, host.tenant_uid) = ("parent".into(), Some(cid.repeat(32)));
        host
    };
    let hosts = [child("f1", "a", 300, 40), child("f2", "b", 39, 0), child("f3", "b", 300, 40)];
    let mut alone = Identity::new(IdentityConfig::new());
    alone.upsert(&hosts);
    let [one, two, before] = [hosts[0].urn(), hosts[1].urn(), hosts[2].urn()];
    alone.link(&one, &two);
    let found = alone.resolve();
    assert_ne!(found.of(&one), found.of(&two), "not even by hand");
    assert_eq!(found.of(&two), found.of(&before), "within a child they are compared");
    assert!(!alone.is_one_customer(&one, &two) && alone.is_one_customer(&two, &before));
    assert!(!alone.is_one_customer("nobody", "nobody"));
    let mut one_customer = Identity::new(IdentityConfig::new().one_customer("group", ["parent"]));
    one_customer.upsert(&hosts[..2]);
    assert_eq!(one_customer.resolve().len(), 1, "somebody has said so");
    // Agents of two children that live at once do not make a key bad.
    let mut both = Identity::new(IdentityConfig::new().one_customer("group", ["parent"]));
    both.upsert([&child("f1", "a", 90, 0), &child("f2", "b", 90, 0)]);
    assert_eq!(both.resolve().len(), 1, "they are two sides, as agents of two tenants are");
}
