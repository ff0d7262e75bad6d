//! Reports of small estates.

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use edr_core::{AgentHealth, ConnectionState, ContainmentState, Error, ErrorKind, Host, Outcome, Platform};
use serde_json::Value;

use super::*;
use crate::identity::IdentityConfig;
use crate::{EstateEvent, TenantOutcome};

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 0, 0, 0).unwrap()
}

fn days(number: i64) -> DateTime<Utc> {
    now() - TimeDelta::days(number)
}

/// A host that is all right.
fn host(vendor: &str, uid: &str, name: &str) -> Host {
    let mut host = Host::new(vendor, &format!("acme-{vendor}"), uid, "{}");
    host.hostname = name.to_owned();
    host.domain = Some("corp.example".to_owned());
    host.os.platform = Platform::Windows;
    host.agent.version = Some(if vendor == "falcon" { "7.16.1" } else { "8.5.0.1" }.to_owned());
    host.agent.health = AgentHealth::Ok;
    host.containment_state = ContainmentState::Normal;
    (host.first_seen, host.last_seen) = (Some(days(90)), Some(days(1)));
    host
}

fn with(mut host: Host, change: impl FnOnce(&mut Host)) -> Host {
    change(&mut host);
    host
}

fn survey(hosts: &[Host]) -> Survey {
    let settings = Settings {
        identity: IdentityConfig::new().one_customer("acme", ["acme-falcon", "acme-cortex", "acme-second"]),
        ..Settings::default()
    };
    let mut survey = Survey::new(settings);
    survey.take(hosts);
    survey
}

fn report(hosts: &[Host]) -> Coverage {
    survey(hosts).finish(None, now())
}

fn against(hosts: &[Host], csv: &str) -> Coverage {
    let list = Denominator::from_csv("cmdb.csv", csv.as_bytes()).unwrap();
    survey(hosts).finish(Some(&list), now())
}

fn named<'c>(coverage: &'c Coverage, name: &str) -> &'c Machine {
    coverage.machines.iter().find(|m| m.hostname.eq_ignore_ascii_case(name)).unwrap()
}

#[test]
fn each_finding_is_told_apart() {
    use Finding::*;
    let base = |name: &str| host("falcon", name, name);
    let cases: Vec<(Host, State, Vec<Finding>)> = vec![
        (base("ok"), State::Covered, vec![]),
        (with(base("old"), |h| h.last_seen = Some(days(8))), State::NotWorking, vec![Stale]),
        (with(base("edge"), |h| h.last_seen = Some(days(7))), State::Covered, vec![]),
        (with(base("half"), |h| h.agent.health = AgentHealth::Degraded), State::Covered, vec![Degraded]),
        (
            with(base("off"), |h| h.agent.health = AgentHealth::Unprotected),
            State::NotWorking,
            vec![Unprotected],
        ),
        (with(base("n1"), |h| h.agent.version = Some("7.15.9".into())), State::Covered, vec![]),
        (with(base("n2"), |h| h.agent.version = Some("7.14.9".into())), State::Covered, vec![BehindN1]),
        (
            with(base("n3"), |h| h.agent.version = Some("7.13.9".into())),
            State::Covered,
            vec![BehindN1, BehindN2],
        ),
        (
            with(base("shut"), |h| h.containment_state = ContainmentState::Contained),
            State::Covered,
            vec![Contained],
        ),
        (
            with(base("soon"), |h| h.containment_state = ContainmentState::LiftPending),
            State::Covered,
            vec![ContainmentPending],
        ),
        (with(base("never"), |h| h.last_seen = None), State::NotWorking, vec![Stale, NeverSeen]),
        (
            with(base("once"), |h| h.first_seen = Some(days(2) - TimeDelta::minutes(9))),
            State::Covered,
            vec![],
        ),
        (
            with(base("gone"), |h| (h.first_seen, h.last_seen) = (Some(days(3)), Some(days(3)))),
            State::Covered,
            vec![NeverSeen],
        ),
        (
            with(base("bare"), |h| h.connection_state = ConnectionState::Uninstalled),
            State::Missing,
            vec![Missing, Uninstalled],
        ),
    ];
    let hosts: Vec<Host> = cases.iter().map(|(host, ..)| host.clone()).collect();
    let coverage = report(&hosts);
    for (host, state, findings) in &cases {
        let machine = named(&coverage, &host.hostname);
        assert_eq!((machine.state, &machine.findings), (*state, findings), "{}", host.hostname);
    }
    assert_eq!((coverage.totals.machines, coverage.totals.agents), (14, 13));
    assert_eq!((coverage.totals.covered, coverage.totals.expected), (10, 14));
    assert!(!coverage.is_partial);
    let line = &coverage.versions[0];
    assert_eq!(
        (line.newest.as_deref(), line.current, line.n1, line.n2, line.older),
        (Some("7.16"), 10, 1, 1, 1)
    );
}

#[test]
fn two_vendors_on_one_machine_are_one_machine() {
    let hosts = [
        host("falcon", "f1", "ann"),
        host("cortex", "c1", "ANN"),
        host("falcon", "f2", "bob"),
        with(host("cortex", "c2", "bob"), |h| h.last_seen = Some(days(30))),
    ];
    let coverage = report(&hosts);
    assert_eq!(coverage.totals.machines, 2);
    assert_eq!(named(&coverage, "ann").findings, [Finding::DoubledVendors]);
    let bob = named(&coverage, "bob");
    assert_eq!((bob.state, bob.findings.as_slice()), (State::Covered, [Finding::Stale].as_slice()));
    assert_eq!(coverage.totals.by_vendors["cortex+falcon"], 2);
    let cortex = coverage.tenants.iter().find(|t| t.name == "acme-cortex").unwrap();
    assert_eq!((cortex.figures.covered, cortex.figures.count(Finding::Stale)), (1, 1));
    let falcon = coverage.tenants.iter().find(|t| t.name == "acme-falcon").unwrap();
    assert_eq!((falcon.figures.covered, falcon.figures.count(Finding::Stale)), (2, 0), "not of its agents");
}

#[test]
fn two_agents_of_one_vendor_are_doubled_and_a_replaced_one_is_not() {
    let second = with(host("falcon", "f2", "ann"), |h| h.tenant = "acme-second".into());
    let coverage = report(&[host("falcon", "f1", "ann"), second]);
    assert_eq!(named(&coverage, "ann").findings, [Finding::DoubledAgents]);
    let before = with(host("falcon", "f0", "ann"), |h| {
        (h.first_seen, h.last_seen) = (Some(days(200)), Some(days(100)));
        h.agent.version = Some("6.1.0".into());
    });
    let coverage = report(&[before, host("falcon", "f1", "ann")]);
    let ann = named(&coverage, "ann");
    assert_eq!((ann.agents.len(), ann.present().count(), ann.findings.len()), (2, 1, 0));
}

#[test]
fn customers_are_kept_apart() {
    let mut survey = Survey::new(Settings::default());
    survey.take(&[host("falcon", "f1", "ann"), host("cortex", "c1", "ann")]);
    assert_eq!(survey.finish(None, now()).totals.machines, 2);
}

#[test]
fn the_denominator_says_what_is_missing_and_what_is_unlisted() {
    let hosts = [
        with(host("falcon", "f1", "ann"), |h| h.serial_number = Some("SN-0001".into())),
        host("cortex", "c1", "bob"),
        with(host("falcon", "f3", "eve"), |h| h.last_seen = Some(days(20))),
        host("falcon", "f4", "stranger"),
        with(host("falcon", "f5", "twin"), |h| h.serial_number = Some("SN-0005".into())),
    ];
    let csv = "hostname,serial,domain\nrenamed,sn-0001,\nBOB.corp.example,,\neve,,CORP\nnew-1,,\nNEW-1,,\n,none,\ntwin,SN-9999,\n";
    let coverage = against(&hosts, csv);
    let list = coverage.denominator.as_ref().unwrap();
    assert_eq!((list.rows, list.machines, list.repeated, list.ambiguous), (7, 5, 1, 0));
    assert_eq!(list.bad_rows.len(), 1);
    assert_eq!((coverage.totals.expected, coverage.totals.covered), (5, 2));
    assert_eq!(coverage.totals.percent(), "40.0 %");
    assert_eq!(named(&coverage, "ann").lines, [2], "by its serial number, whatever its name");
    assert_eq!(
        (named(&coverage, "new-1").lines.as_slice(), named(&coverage, "new-1").state),
        ([5, 6].as_slice(), State::Missing)
    );
    let twins: Vec<State> =
        coverage.machines.iter().filter(|m| m.hostname == "twin").map(|m| m.state).collect();
    assert_eq!(twins.len(), 2, "another serial number is another machine");
    assert_eq!(coverage.totals.count(Finding::Missing), 2);
    assert_eq!(coverage.totals.count(Finding::Unlisted), 2);
    assert_eq!(named(&coverage, "eve").findings, [Finding::Stale]);
}

#[test]
fn a_row_that_fits_several_machines_is_one_of_them() {
    let other = with(host("falcon", "f2", "web"), |h| {
        (h.domain, h.last_seen) = (Some("dmz.example".into()), Some(days(50)));
    });
    let coverage = against(&[host("falcon", "f1", "web"), other], "name\nweb\n");
    let list = coverage.denominator.as_ref().unwrap();
    // Both domains are known and the row's is not: it fits both.
    assert_eq!((list.machines, list.ambiguous, coverage.totals.count(Finding::Unlisted)), (1, 1, 0));
    assert_eq!((coverage.totals.expected, coverage.totals.covered), (1, 1));
    let coverage = against(&[host("falcon", "f1", "web")], "name,domain\nweb,elsewhere.example\n");
    assert_eq!(coverage.totals.count(Finding::Missing), 1, "another domain is another machine");
}

#[test]
fn the_order_of_the_rows_does_not_matter() {
    let hosts = [
        with(host("falcon", "f1", "web"), |h| h.last_seen = Some(days(50))),
        with(host("falcon", "f2", "web"), |h| h.domain = Some("dmz.example".into())),
    ];
    for csv in ["name\nweb\nweb.dmz.example\n", "name\nweb.dmz.example\nweb\n"] {
        let coverage = against(&hosts, csv);
        assert_eq!((coverage.totals.expected, coverage.totals.covered), (2, 1), "{csv}");
        let list = coverage.denominator.as_ref().unwrap();
        assert_eq!((list.machines, list.repeated, list.ambiguous), (2, 0, 1), "{csv}");
    }
}

#[test]
fn a_virtual_machine_of_vmware_is_known_by_its_serial_number_in_any_form() {
    let serial = "VMware-56 4d 8c 1e 9a 00 11 22-33 44 55 66 77 88 99 aa";
    let falcon = with(host("falcon", "f1", "ann"), |h| {
        h.serial_number = Some(serial.into());
        h.smbios_uuid = edr_core::model::read::smbios_uuid(serial);
    });
    for form in [
        serial,
        "vmware-56 4D 8C 1E 9A 00 11 22-33 44 55 66 77 88 99 AA",
        "564D8C1E-9A00-1122-3344-5566778899AA",
        "1e8c4d56-009a-2211-3344-5566778899aa",
    ] {
        let coverage = against(std::slice::from_ref(&falcon), &format!("name,serial\nann,{form}\n"));
        let totals = &coverage.totals;
        assert_eq!((totals.expected, totals.covered), (1, 1), "{form}");
        assert_eq!((totals.count(Finding::Missing), totals.count(Finding::Unlisted)), (0, 0), "{form}");
    }
    let other = "name,serial\nann,VMware-56 4d 8c 1e 9a 00 11 22-33 44 55 66 77 88 99 ab\n";
    assert_eq!(against(&[falcon], other).totals.count(Finding::Missing), 1, "another one");
}

#[test]
fn a_machine_that_no_vendor_knows_counts_once_whatever_cards_it_has() {
    for csv in [
        "name,mac\ndb-1,00:1c:42:00:00:08\ndb-1,00:1c:42:00:00:09\nDB-1,\n",
        "serial,name,ip\nSN-0001,db-1,10.0.0.1\nsn-0001,,10.0.0.2\n",
        "mac,ip\n00:1c:42:00:00:08,10.0.0.1\n001c.4200.0008,10.0.0.2\n",
        "ip\n10.0.0.1\n10.0.0.1\n",
    ] {
        let coverage = against(&[], csv);
        assert_eq!((coverage.totals.expected, coverage.totals.covered), (1, 0), "{csv}");
    }
    let apart = "name,domain,mac\ndb,a.example,00:1c:42:00:00:08\ndb,b.example,00:1c:42:00:00:09\n";
    assert_eq!(against(&[], apart).totals.expected, 2);
}

#[test]
fn a_serial_number_that_everybody_has_names_nobody() {
    let clone = |n: usize| {
        let host = host("falcon", &format!("f{n}"), &format!("vdi-{n:02}"));
        with(host, |h| h.serial_number = Some("GOLDEN-1".into()))
    };
    let hosts: Vec<Host> = (0..41).map(clone).collect();
    let coverage = against(&hosts, "name,serial\nvdi-07,GOLDEN-1\nvdi-99,GOLDEN-1\n");
    assert_eq!((coverage.totals.expected, coverage.totals.covered), (2, 1), "the second is nowhere");
    assert_eq!(named(&coverage, "vdi-07").lines, [2]);
    assert_eq!(coverage.totals.count(Finding::Unlisted), 40);
    // The list itself tells, where no vendor knows the clones.
    let csv = "name,serial\nvdi-07,GOLDEN-1\nvdi-97,GOLDEN-1\nvdi-98,GOLDEN-1\nVDI-98,golden-1\n";
    for hosts in [&hosts[7..8], &[]] {
        let coverage = against(hosts, csv);
        assert_eq!((coverage.totals.expected, coverage.totals.covered), (3, hosts.len() as u64));
    }
}

#[test]
fn a_serial_number_that_several_have_is_told_by_the_name_beside_it() {
    let clone = |n: usize| {
        let host = host("falcon", &format!("f{n}"), &format!("vdi-{n:02}"));
        with(host, |h| h.serial_number = Some("GOLDEN-1".into()))
    };
    let hosts: Vec<Host> = (1..=5).map(clone).collect();
    let figures = |hosts: &[Host], csv: &str| {
        let coverage = against(hosts, csv);
        let count = |finding| coverage.totals.count(finding);
        let found = (count(Finding::Missing), count(Finding::Unlisted));
        (coverage.totals.expected, coverage.totals.covered, found)
    };
    assert_eq!(figures(&hosts, "name,serial\nvdi-01,GOLDEN-1\nvdi-99,GOLDEN-1\n"), (2, 1, (1, 4)));
    let nowhere = "name,serial\nvdi-98,GOLDEN-1\nvdi-99,GOLDEN-1\nvdi-99,GOLDEN-1\n";
    assert_eq!(figures(&hosts, nowhere), (2, 0, (2, 5)), "two names are two machines");
    assert_eq!(figures(&hosts, "serial\nGOLDEN-1\n"), (1, 1, (0, 0)), "nothing says otherwise");
    assert_eq!(figures(&hosts[..1], "name,serial\nrenamed,GOLDEN-1\n"), (1, 1, (0, 0)), "one has it");
    let mut nameless = hosts;
    nameless[4].hostname = String::new();
    assert_eq!(figures(&nameless, "name,serial\nvdi-99,GOLDEN-1\n"), (1, 1, (0, 4)), "it may be this one");
}

#[test]
fn macs_and_addresses_are_keys_too() {
    let nic = edr_core::NetworkInterface {
        mac: Some("00-1C-42-00-00-08".into()),
        ip: "10.0.0.8".parse().ok(),
        ..Default::default()
    };
    let ann = with(host("falcon", "f1", "ann"), |h| h.network_interfaces.push(nic));
    for (csv, missing) in [
        ("mac\n001c.4200.0008\n", 0),
        ("mac,name\n00:1c:42:00:00:08,ann\n", 0),
        ("mac,name\n00:1c:42:00:00:08,bob\n", 1),
        ("ip\n10.0.0.8\n", 0),
        ("ip,name\n10.0.0.8,bob\n", 1),
    ] {
        let coverage = against(std::slice::from_ref(&ann), csv);
        assert_eq!(coverage.totals.count(Finding::Missing), missing, "{csv}");
    }
}

fn done(tenant: &str, outcome: Outcome) -> EstateEvent<Host> {
    let (tenant, vendor) = (tenant.into(), "falcon".into());
    EstateEvent::Done(TenantOutcome { tenant, vendor, outcome, items: 0, duplicates: 0 })
}

#[test]
fn what_was_not_read_makes_the_report_partial() {
    let mut whole = survey(&[host("falcon", "f1", "ann")]);
    whole.expect(&"acme-falcon".into(), &"falcon".into());
    assert!(whole.clone().finish(None, now()).is_partial, "its end has not come");
    whole.event(&done("acme-falcon", Outcome::Complete));
    assert!(!whole.clone().finish(None, now()).is_partial);
    whole.event(&done(
        "acme-second",
        Outcome::Failed { error: Error::new(ErrorKind::Network, "no way there") },
    ));
    let coverage = whole.finish(None, now());
    assert!(coverage.is_partial);
    assert_eq!(coverage.sources[1].state, SourceState::Failed);
    assert!(coverage.sources[1].reasons[0].contains("no way there"));
    assert!(html(&coverage).contains("<strong>Partial.</strong>"));
}

#[tokio::test]
async fn an_estate_is_read_tenant_by_tenant() {
    let hosts = (0..12).map(|n| {
        let host = host("falcon", &format!("f{n}"), &format!("pc-{n}"));
        with(host, |h| h.tenant = "acme-falcon".into())
    });
    let builder = edr_core::InMemory::builder("acme-falcon").vendor("falcon").page_size(5);
    let provider = hosts.fold(builder, edr_core::InMemoryBuilder::host).build();
    let estate = crate::Estate::of([std::sync::Arc::new(provider) as std::sync::Arc<dyn crate::EdrProvider>]);
    let mut survey = Survey::new(Settings::default());
    survey.expect(&"acme-falcon".into(), &"falcon".into());
    survey.read(estate.hosts(crate::HostQuery::new())).await;
    let coverage = survey.finish(None, now());
    assert_eq!((coverage.sources[0].hosts, coverage.totals.machines, coverage.is_partial), (12, 12, false));
}

#[test]
fn checks_hold_exactly() {
    let mut hosts: Vec<Host> =
        (0..1000).map(|n| host("falcon", &format!("f{n}"), &format!("pc-{n:04}"))).collect();
    hosts.iter_mut().take(27).for_each(|h| h.last_seen = Some(days(30)));
    let coverage = report(&hosts);
    for (text, met) in [
        ("coverage>=97.3%", true),
        ("coverage > 97.3%", false),
        ("coverage>=97.4%", false),
        ("stale<=27", true),
        ("stale<27", false),
        ("stale<=2.7%", true),
        ("machines=1000", true),
        ("contained!=0", false),
    ] {
        assert_eq!(text.parse::<Check>().unwrap().of(&coverage).unwrap().is_met, met, "{text}");
    }
    for text in
        ["coverage>=0.98", "coverage", "cover>=1%", "stale>=x", "machines<=5%", "stale>=-1", "stale=NaN"]
    {
        assert!(text.parse::<Check>().is_err(), "{text}");
    }
    let missing: Check = "missing<=0".parse().unwrap();
    assert!(missing.of(&coverage).is_err(), "it would hold for ever");
    let nothing = report(&[]);
    assert!(!"coverage>=0%".parse::<Check>().unwrap().of(&nothing).unwrap().is_met);
}

/// An estate in which every name and word is hostile.
fn evil() -> Coverage {
    let evil = "\"><img src=x onerror=alert(1)>'&<script>alert(2)</script>\u{202E}";
    let mut hosts = vec![host("falcon", "f1", evil), host("cortex", "c1", "ann")];
    hosts[0].os.platform = Platform::Other(evil.into());
    hosts[0].agent.version = Some(evil.into());
    hosts[0].last_seen = Some(days(20));
    hosts.push(with(Host::new(evil, evil, evil, "{}"), |h| h.hostname = "https://evil.example/a.png".into()));
    let mut survey = survey(&hosts);
    survey.event(&done(evil, Outcome::Failed { error: Error::new(ErrorKind::Vendor, evil) }));
    let cell = evil.replace('"', "\"\"");
    let list = format!("name,ip\nbob,\"{cell}\"\n\"</td>\",\n");
    let list = Denominator::from_csv(evil, list.as_bytes()).unwrap();
    let mut coverage = survey.finish(Some(&list), now());
    coverage.hold_to(&["coverage>=98%".parse().unwrap()]).unwrap();
    coverage
}

/// The elements of a page: each tag with its attributes.
fn tags(page: &str) -> Vec<&str> {
    let parts = page.split('<').skip(1);
    parts.map(|part| part.split_once('>').expect("each tag is closed").0).collect()
}

#[test]
fn nothing_in_the_page_is_markup_but_ours() {
    let coverage = evil();
    let page = html(&coverage);
    let known = [
        "!doctype", "bdi", "body", "circle", "code", "dd", "div", "dl", "dt", "h1", "h2", "head", "header",
        "html", "main", "meta", "p", "rect", "section", "small", "span", "strong", "style", "svg", "table",
        "tbody", "td", "text", "th", "thead", "title", "tr",
    ];
    for tag in tags(&page) {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        assert!(known.contains(&name), "<{tag}>");
        // What stands in quotes is a value: every second part.
        let bare: String = tag.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        let attributes = bare.split_whitespace().skip(1).map(|word| word.trim_end_matches('='));
        for attribute in attributes {
            let bad = ["href", "src", "style", "action", "xlink:href", "srcset"];
            assert!(!attribute.starts_with("on") && !bad.contains(&attribute), "<{tag}>");
        }
    }
    assert!(!page.contains('\u{202E}') && !page.contains("<script"));
    assert!(page.contains("&lt;script&gt;alert(2)&lt;/script&gt;"));
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    assert!(!style.contains("url(") && !style.contains("@import"));
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
}

/// The value at a path such as `tenants/0/figures/machines`.
fn at<'v>(json: &'v Value, path: &str) -> &'v Value {
    path.split('/').fold(json, |value, key| match value {
        Value::Array(list) => &list[key.parse::<usize>().unwrap()],
        other => &other[key],
    })
}

#[test]
fn the_figures_of_the_page_are_those_of_the_json() {
    let hosts = [
        host("falcon", "f1", "ann"),
        host("cortex", "c1", "ann"),
        with(host("falcon", "f2", "bob"), |h| h.last_seen = Some(days(30))),
    ];
    let coverage = against(&hosts, "name\nann\nbob\ncarl\n");
    let json = serde_json::to_value(&coverage).unwrap();
    let page = html(&coverage);
    let figures: Vec<(&str, u64)> = page
        .split("data-figure=\"")
        .skip(1)
        .map(|part| {
            let (path, rest) = part.split_once("\">").unwrap();
            (path, rest.split('<').next().unwrap().replace(',', "").parse().unwrap())
        })
        .collect();
    assert!(figures.len() > 60, "{}", figures.len());
    for (path, number) in figures {
        assert_eq!(at(&json, path).as_u64(), Some(number), "{path}");
    }
    let back: Coverage = serde_json::from_value(json).unwrap();
    assert_eq!(back, coverage);
}

#[test]
fn the_order_of_the_hosts_does_not_matter() {
    let mut hosts: Vec<Host> =
        (0..40).map(|n| host("falcon", &format!("f{n}"), &format!("pc-{}", n % 30))).collect();
    hosts.extend((0..20).map(|n| host("cortex", &format!("c{n}"), &format!("pc-{n}"))));
    let one = against(&hosts, "name\npc-1\npc-2\npc-99\n");
    hosts.reverse();
    assert_eq!(against(&hosts, "name\npc-1\npc-2\npc-99\n"), one);
}
