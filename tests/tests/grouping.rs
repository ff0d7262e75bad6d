//! The grouping of alerts, measured against scripted attacks that were played to both vendors' simulators and read
//! back by both clients.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "these are tests: what fails here fails the test"
)]

use std::collections::{BTreeMap, HashMap};

use edr::grouping::{Grouping, GroupingConfig, Groups};
use edr::identity::{Identity, IdentityConfig};
use edr::{Alert, AlertQuery, Config, Estate, EstateEvent, Host, HostQuery, Options, Selection};
use edr_sim::{EstateFile, Sim};
use edr_tests::attacks::{self, CUSTOMERS, Script, TRUTH};
use edr_tests::dice::Dice;
use futures_util::StreamExt as _;

struct Read {
    hosts: Vec<Host>,
    alerts: Vec<Alert>,
}

fn customers() -> IdentityConfig {
    CUSTOMERS
        .iter()
        .fold(IdentityConfig::new(), |config, (name, tenants)| config.one_customer(name, *tenants))
}

/// Plays a script to the simulator, and reads what both vendors tell of it.
async fn played(script: &Script, generation: u8) -> Read {
    let file = EstateFile::from_json(&script.estate.to_string()).unwrap();
    let sim =
        Sim::builder().cortex_generation(generation).enforce_limits(false).epoch(script.now).estate(file);
    let sim = sim.start().await.unwrap();
    let config = Config::from_toml(&sim.config_toml()).unwrap();
    let estate = Estate::connect(&config, &Selection::default(), &Options::default()).unwrap();
    let mut read = Read { hosts: Vec::new(), alerts: Vec::new() };
    let mut hosts = estate.hosts(HostQuery::new());
    while let Some(event) = hosts.next().await {
        match event {
            EstateEvent::Items(items) => read.hosts.extend(items),
            EstateEvent::Done(done) => assert!(done.outcome.is_complete(), "{done:?}"),
            other => panic!("{other:?}"),
        }
    }
    let mut alerts = estate.alerts(AlertQuery::new());
    while let Some(event) = alerts.next().await {
        match event {
            EstateEvent::Items(items) => read.alerts.extend(items),
            EstateEvent::Done(done) => assert!(done.outcome.is_complete(), "{done:?}"),
            other => panic!("{other:?}"),
        }
    }
    read
}

fn resolve(read: &Read) -> Groups {
    let mut identity = Identity::new(customers());
    identity.upsert(&read.hosts);
    let mut grouping = Grouping::new(GroupingConfig::new());
    grouping.upsert(&read.alerts);
    grouping.resolve(&identity)
}

/// The activity that an alert is about. A firewall knows no host, and its alerts are to stand alone.
fn truth(alert: &Alert) -> String {
    let tag = alert.labels.iter().find(|label| label.starts_with(TRUTH)).expect("every alert has its truth");
    let host = alert.device.as_ref().filter(|device| !device.uid.is_empty());
    if host.is_none() { alert.urn() } else { tag.clone() }
}

fn pairs(n: usize) -> usize {
    n * n.saturating_sub(1) / 2
}

#[derive(Debug, Default)]
struct Counts {
    right: usize,
    found: usize,
    there: usize,
}

impl Counts {
    fn of(read: &Read, groups: &Groups) -> Self {
        let truths: HashMap<String, String> = read.alerts.iter().map(|a| (a.urn(), truth(a))).collect();
        let mut sizes: BTreeMap<&String, usize> = BTreeMap::new();
        truths.values().for_each(|t| *sizes.entry(t).or_default() += 1);
        let mut counts = Self { there: sizes.values().map(|n| pairs(*n)).sum(), ..Self::default() };
        for group in groups.iter() {
            let mut parts: BTreeMap<&String, usize> = BTreeMap::new();
            group.members.iter().for_each(|m| *parts.entry(&truths[&m.urn]).or_default() += 1);
            counts.right += parts.values().map(|n| pairs(*n)).sum::<usize>();
            counts.found += pairs(group.members.len());
        }
        counts
    }

    fn precision(&self) -> f64 {
        share(self.right, self.found)
    }

    fn recall(&self) -> f64 {
        share(self.right, self.there)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

/// No alert is lost or in two groups, and none of another customer is near.
fn sound(read: &Read, groups: &Groups) {
    let mut all: Vec<&String> = groups.iter().flat_map(|g| g.members.iter().map(|m| &m.urn)).collect();
    all.sort();
    let mut given: Vec<String> = read.alerts.iter().map(Alert::urn).collect();
    given.sort();
    assert!(all.into_iter().eq(given.iter()), "every alert once");
    for group in groups.iter() {
        let customer = |tenant: &str| CUSTOMERS.iter().position(|(_, all)| all.contains(&tenant));
        let first = customer(group.members[0].tenant.as_str());
        assert!(group.members.iter().all(|m| customer(m.tenant.as_str()) == first), "{group:?}");
        let highest = group.members.iter().map(|m| m.severity.rank()).max();
        assert_eq!(Some(group.severity.rank()), highest);
        assert_eq!(group.links.len() + 1, group.members.len());
        for member in &group.members[1..] {
            assert!(!groups.explain(&group.members[0].urn, &member.urn).is_empty());
        }
    }
}

/// What went wrong: links between two activities, and activities that fell apart.
fn blame(read: &Read, groups: &Groups) -> String {
    let truths: HashMap<String, String> = read.alerts.iter().map(|a| (a.urn(), truth(a))).collect();
    let links = groups.iter().flat_map(|g| &g.links);
    let wrong = links.filter(|l| truths[&l.alerts.0] != truths[&l.alerts.1]);
    let mut lines: Vec<String> = wrong.map(|l| format!("joined {:?}: {l}", l.alerts)).collect();
    let mut parts: BTreeMap<&String, Vec<Vec<String>>> = BTreeMap::new();
    for group in groups.iter() {
        let mut own: BTreeMap<&String, Vec<String>> = BTreeMap::new();
        for member in &group.members {
            let alert = read.alerts.iter().find(|a| a.urn() == member.urn).expect("it was read");
            own.entry(&truths[&member.urn]).or_default().push(shown(alert));
        }
        own.into_iter().for_each(|(truth, part)| parts.entry(truth).or_default().push(part));
    }
    let apart = parts.into_iter().filter(|(_, parts)| parts.len() > 1);
    lines.extend(apart.map(|(truth, parts)| format!("apart {truth}: {parts:#?}")));
    lines.join("\n")
}

fn shown(alert: &Alert) -> String {
    let process = alert.evidences.iter().find_map(|e| e.process.as_ref());
    let run = |p: &edr::core::Process| format!("{:?} {:?}", p.pid, p.name);
    let above = process
        .map(|p| p.parent.iter().map(|p| run(p)).chain(p.ancestry.iter().map(run)).collect::<Vec<_>>());
    let host = alert.device.as_ref().map(|d| d.hostname.clone());
    format!("{} {host:?} {:?} {} {:?} < {above:?}", alert.vendor, alert.time, alert.title, process.map(run))
}

/// What an issue carries by the vendor's example of a reply, which shows no numbers of processes.
fn without_numbers(mut read: Read) -> Read {
    let issues = read.alerts.iter_mut().filter(|alert| alert.vendor.as_str() == "cortex");
    for process in issues.flat_map(|issue| &mut issue.evidences).filter_map(|e| e.process.as_mut()) {
        process.pid = None;
        process.parent.iter_mut().for_each(|parent| parent.pid = None);
        process.ancestry.iter_mut().for_each(|above| above.pid = None);
    }
    read
}

async fn measured(seed: u64, generation: u8) -> Read {
    let script = attacks::script(seed, 60);
    let read = played(&script, generation).await;
    let groups = resolve(&read);
    sound(&read, &groups);
    judged(
        &format!("seed {seed}, XDR {generation}, {} activities", script.activities),
        &read,
        &groups,
        0.99,
        0.95,
    );
    read
}

fn judged(what: &str, read: &Read, groups: &Groups, precise: f64, complete: f64) {
    let counts = Counts::of(read, groups);
    let (precision, recall) = (counts.precision(), counts.recall());
    let both = groups.iter().filter(|g| g.sources().len() == 2).count();
    println!(
        "{what}: {} alerts, {} groups ({both} of both vendors), precision {precision:.4}, recall {recall:.4}",
        read.alerts.len(),
        groups.len(),
    );
    assert!(precision >= precise && recall >= complete, "{what}:\n{}", blame(read, groups));
}

#[tokio::test(flavor = "multi_thread")]
async fn precision_and_recall_over_scripted_attacks() {
    for seed in 1..=8 {
        measured(seed, 3).await;
    }
}

/// Issues tell the id of the causality chain, and nothing of the process that it begins with.
#[tokio::test(flavor = "multi_thread")]
async fn precision_and_recall_over_scripted_attacks_told_as_issues() {
    for seed in 9..=16 {
        let read = measured(seed, 5).await;
        let read = without_numbers(read);
        judged(&format!("seed {seed}, without numbers"), &read, &resolve(&read), 0.88, 0.92);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_and_batches_change_nothing() {
    let mut read = played(&attacks::script(21, 40), 3).await;
    let whole = resolve(&read);
    let mut dice = Dice(4);
    for _ in 0..6 {
        shuffle(&mut read.alerts, &mut dice);
        shuffle(&mut read.hosts, &mut dice);
        let (mut identity, mut grouping) = (Identity::new(customers()), Grouping::new(GroupingConfig::new()));
        let cut = usize::try_from(dice.within(1, 50)).unwrap();
        for hosts in read.hosts.chunks(cut) {
            identity.upsert(hosts);
        }
        for alerts in read.alerts.chunks(cut) {
            grouping.upsert(alerts);
            // What was asked in between leaves no trace.
            let _ = grouping.resolve(&identity);
            grouping.upsert(alerts);
        }
        assert!(grouping.resolve(&identity) == whole);
    }
}

fn shuffle<T>(items: &mut [T], dice: &mut Dice) {
    for at in (1..items.len()).rev() {
        let other = usize::try_from(dice.within(0, at as u64)).unwrap();
        items.swap(at, other);
    }
}
