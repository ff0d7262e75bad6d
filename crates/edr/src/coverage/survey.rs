//! From hosts to a report.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{Host, Outcome, Platform, TenantId, Vendor};
use futures_util::StreamExt as _;

use super::denominator::{Denominator, Row};
use super::matching::Index;
use super::{
    Agent, Coverage, DenominatorReport, Figures, Finding, Machine, Releases, Slice, Source, SourceState,
    State, Versions,
};
use crate::identity::keys::{Mac, Record};
use crate::identity::{self, Identity, IdentityConfig};
use crate::{EstateEvent, EstateStream, TenantOutcome};

/// How machines are judged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// An agent that was not seen for so long is stale; seven days unless said otherwise.
    pub stale_after: TimeDelta,
    /// Newest releases that are known from elsewhere; otherwise the newest that was seen counts.
    pub releases: Releases,
    /// How hosts are compared, and which tenants are one customer.
    pub identity: IdentityConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stale_after: TimeDelta::days(7),
            releases: Releases::default(),
            identity: IdentityConfig::default(),
        }
    }
}

/// Takes hosts as they arrive, and makes a report of them.
#[derive(Clone, Debug)]
pub struct Survey {
    settings: Settings,
    identity: Identity,
    agents: BTreeMap<String, Agent>,
    sources: BTreeMap<TenantId, Source>,
}

impl Survey {
    /// Nothing read yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let identity = Identity::new(settings.identity.clone());
        Self { settings, identity, agents: BTreeMap::new(), sources: BTreeMap::new() }
    }

    /// What decides which hosts are one machine: for links and unlinks by hand.
    pub fn identity(&mut self) -> &mut Identity {
        &mut self.identity
    }

    /// Reads a listing of hosts to its end.
    pub async fn read(&mut self, mut hosts: EstateStream<Host>) {
        while let Some(event) = hosts.next().await {
            self.event(&event);
        }
    }

    /// A tenant takes part. Until its end is known, it counts as not read to its end.
    pub fn expect(&mut self, tenant: &TenantId, vendor: &Vendor) {
        let source = self.source(tenant, vendor);
        source.state = SourceState::Partial;
        source.reasons = vec!["not read to its end".to_owned()];
    }

    /// Takes an event of a listing.
    pub fn event(&mut self, event: &EstateEvent<Host>) {
        match event {
            EstateEvent::Done(done) => self.end(done),
            EstateEvent::Items(hosts) => self.take(hosts),
            EstateEvent::Rejected(rejected) => self.source(&rejected.tenant, &rejected.vendor).rejected += 1,
            // A warning takes nothing away from the listing.
            EstateEvent::Warning(_) => {}
        }
    }

    /// Takes hosts. They are all there is of their tenants, unless [`Self::event`] says otherwise.
    pub fn take(&mut self, hosts: &[Host]) {
        self.identity.upsert(hosts);
        for host in hosts {
            let was = self.agents.insert(host.urn(), Agent::of(host));
            self.source(&host.tenant, &host.vendor).hosts += u64::from(was.is_none());
        }
    }

    fn end(&mut self, done: &TenantOutcome) {
        let source = self.source(&done.tenant, &done.vendor);
        source.reasons.clear();
        source.state = match &done.outcome {
            Outcome::Complete => SourceState::Complete,
            Outcome::Failed { error } => {
                source.reasons.push(error.to_string());
                SourceState::Failed
            }
            Outcome::Partial { gaps, error } => {
                source.reasons.extend(gaps.iter().map(|gap| gap.reason.clone()));
                source.reasons.extend(error.iter().map(ToString::to_string));
                SourceState::Partial
            }
        };
    }

    fn source(&mut self, tenant: &TenantId, vendor: &Vendor) -> &mut Source {
        self.sources.entry(tenant.clone()).or_insert_with(|| Source {
            tenant: tenant.clone(),
            vendor: vendor.clone(),
            state: SourceState::Complete,
            hosts: 0,
            rejected: 0,
            reasons: Vec::new(),
        })
    }

    /// Makes the report.
    #[must_use]
    pub fn finish(mut self, denominator: Option<&Denominator>, now: DateTime<Utc>) -> Coverage {
        let found = self.identity.resolve();
        self.note_replaced(&found);
        let mut releases = self.settings.releases.clone();
        for agent in self.agents.values().filter(|agent| agent.is_present()) {
            releases.see(&agent.vendor, &agent.platform, agent.version.as_deref().unwrap_or_default());
        }
        for agent in self.agents.values_mut() {
            let version = agent.version.as_deref().unwrap_or_default();
            agent.behind = releases.behind(&agent.vendor, &agent.platform, version);
            agent.judge(now, self.settings.stale_after);
        }
        let mut machines: Vec<Machine> = found.iter().map(|machine| self.machine(machine)).collect();
        let listed = denominator.map(|list| self.compare(list, &found, &mut machines));
        machines.sort_by(|a, b| name_key(a).cmp(&name_key(b)));
        self.report(machines, listed, found.review().len(), &releases, now)
    }

    /// Of the agents that followed each other on a machine only the latest counts.
    fn note_replaced(&mut self, found: &identity::Machines) {
        for member in found.iter().flat_map(|m| &m.members).filter(|m| !m.is_current) {
            if let Some(agent) = self.agents.get_mut(&member.urn) {
                agent.is_current = false;
            }
        }
    }

    fn machine(&self, found: &identity::Machine) -> Machine {
        let members = found.members.iter().filter_map(|member| self.agents.get(&member.urn));
        let agents: Vec<Agent> = members.cloned().collect();
        let latest =
            agents.iter().filter(|a| !a.platform.is_unknown()).max_by_key(|a| (a.is_current, a.last_seen));
        let mut machine = Machine {
            uid: found.uid.clone(),
            hostname: found.hostname.clone(),
            platform: latest.map(|a| a.platform.clone()).unwrap_or_default(),
            state: state(&agents),
            findings: Vec::new(),
            lines: Vec::new(),
            agents,
        };
        machine.findings = findings(&machine);
        machine
    }

    /// Finds the machines of the denominator's rows, and adds those that no vendor knows.
    fn compare(
        &self,
        list: &Denominator,
        found: &identity::Machines,
        machines: &mut Vec<Machine>,
    ) -> (DenominatorReport, HashSet<String>) {
        let record = |member: &identity::Member| self.identity.record(&member.urn);
        let records = found.iter().map(|m| m.members.iter().filter_map(record).collect());
        let index = Index::new(records.collect());
        let mut absent: BTreeMap<Known<'_>, usize> = BTreeMap::new();
        let mut fits: Vec<BTreeSet<usize>> = Vec::with_capacity(list.rows.len());
        for row in &list.rows {
            let mut places = index.find(row);
            if places.is_empty() {
                let place = *absent.entry(known(&row.keys, index.has_serial(row))).or_insert(machines.len());
                if place == machines.len() {
                    machines.push(absence(row));
                }
                places.insert(place);
            }
            places.iter().for_each(|at| machines[*at].lines.push(row.line));
            fits.push(places);
        }
        let ambiguous = fits.iter().filter(|places| places.len() > 1).count() as u64;
        let counted = counted(fits, machines);
        let repeated = (list.rows.len() - counted.len()) as u64;
        for machine in machines.iter_mut().filter(|machine| machine.lines.is_empty()) {
            machine.findings.push(Finding::Unlisted);
            machine.findings.sort_unstable();
        }
        let report = DenominatorReport {
            name: list.name.clone(),
            rows: list.read,
            machines: counted.len() as u64,
            repeated,
            ambiguous,
            bad_rows: list.bad.clone(),
        };
        (report, counted.iter().map(|at| machines[*at].uid.clone()).collect())
    }

    fn report(
        self,
        machines: Vec<Machine>,
        listed: Option<(DenominatorReport, HashSet<String>)>,
        review: usize,
        releases: &Releases,
        now: DateTime<Utc>,
    ) -> Coverage {
        let (denominator, counted) = listed.unzip();
        let counted = counted.as_ref();
        let sources: Vec<Source> = self.sources.into_values().map(whole).collect();
        let platforms: BTreeSet<&Platform> = machines.iter().map(|m| &m.platform).collect();
        let platform = |platform: &Platform| Slice {
            name: platform.to_string(),
            vendor: None,
            figures: figures(machines.iter().filter(|m| m.platform == *platform), counted),
        };
        Coverage {
            generated: now,
            stale_after: self.settings.stale_after.num_seconds(),
            is_partial: sources.iter().any(|s| s.state != SourceState::Complete),
            totals: figures(machines.iter(), counted),
            tenants: sources.iter().map(|source| tenant(source, &machines)).collect(),
            platforms: platforms.into_iter().map(platform).collect(),
            versions: versions(&machines, releases),
            sources,
            denominator,
            review: review as u64,
            checks: Vec::new(),
            machines,
        }
    }
}

/// A listing that left hosts out is not whole, whatever it says of itself.
fn whole(mut source: Source) -> Source {
    if source.rejected > 0 {
        let (number, one) = (source.rejected, source.rejected == 1);
        let noun = if one { "host" } else { "hosts" };
        source.reasons.push(format!("{number} {noun} could not be decoded"));
        if source.state == SourceState::Complete {
            source.state = SourceState::Partial;
        }
    }
    source
}

/// The machines that rows stand for. A row is one machine, whatever it fits: the best of those that no other row stands
/// for. Rows that fit fewer machines choose first, so that the order of the file does not matter.
fn counted(mut fits: Vec<BTreeSet<usize>>, machines: &[Machine]) -> BTreeSet<usize> {
    fits.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    let mut counted = BTreeSet::new();
    for places in fits {
        let free = places.into_iter().filter(|at| !counted.contains(at));
        let best = free.max_by_key(|at| machines[*at].state);
        counted.extend(best);
    }
    counted
}

fn name_key(machine: &Machine) -> (String, &str) {
    (machine.hostname.to_lowercase(), &machine.uid)
}

/// By what two rows that no vendor knows are the same machine: the best that they have, so that a list with a row for
/// each network card counts a machine once.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Known<'a> {
    Serial(&'a str),
    Name(&'a str, Option<&'a str>),
    Macs(&'a [Mac]),
    Addresses(&'a [IpAddr]),
}

/// A serial number that machines have, and the row is none of them, is not the row's own.
fn known(keys: &Record, is_shared: bool) -> Known<'_> {
    let serial = keys.serial.as_deref().filter(|_| !is_shared || keys.short.is_none());
    match (serial, &keys.short) {
        (Some(serial), _) => Known::Serial(serial),
        (_, Some(name)) => Known::Name(name, keys.domain.as_deref()),
        _ if keys.macs.is_empty() => Known::Addresses(&keys.ips),
        _ => Known::Macs(&keys.macs),
    }
}

/// A machine that only the denominator knows.
fn absence(row: &Row) -> Machine {
    Machine {
        uid: format!("row:{}", row.line),
        hostname: row.hostname.clone(),
        platform: row.platform.clone(),
        state: State::Missing,
        findings: vec![Finding::Missing],
        lines: Vec::new(),
        agents: Vec::new(),
    }
}

fn state(agents: &[Agent]) -> State {
    match agents {
        agents if agents.iter().any(Agent::works) => State::Covered,
        agents if agents.iter().any(Agent::is_present) => State::NotWorking,
        _ => State::Missing,
    }
}

fn findings(machine: &Machine) -> Vec<Finding> {
    let mut all: BTreeSet<Finding> = machine.agents.iter().flat_map(|a| a.findings.iter().copied()).collect();
    if machine.state == State::Missing {
        all.insert(Finding::Missing);
    }
    let mut alive: BTreeMap<&Vendor, usize> = BTreeMap::new();
    machine.agents.iter().filter(|a| a.is_alive()).for_each(|a| *alive.entry(&a.vendor).or_default() += 1);
    if alive.len() > 1 {
        all.insert(Finding::DoubledVendors);
    }
    if alive.values().any(|agents| *agents > 1) {
        all.insert(Finding::DoubledAgents);
    }
    all.into_iter().collect()
}

fn figures<'m>(machines: impl Iterator<Item = &'m Machine>, counted: Option<&HashSet<String>>) -> Figures {
    let mut figures = empty();
    for machine in machines {
        let expected = counted.is_none_or(|counted| counted.contains(&machine.uid));
        count(&mut figures, machine, &machine.findings, machine.state, expected);
    }
    share(figures)
}

/// The figures of a tenant: its own agents alone.
fn tenant(source: &Source, machines: &[Machine]) -> Slice {
    let mut figures = empty();
    for machine in machines.iter().filter(|m| m.agents.iter().any(|a| a.tenant == source.tenant)) {
        let agents = machine.agents.iter().filter(|a| a.tenant == source.tenant);
        let own = Machine { agents: agents.cloned().collect(), ..machine.clone() };
        let shared = [Finding::Unlisted, Finding::DoubledVendors, Finding::DoubledAgents];
        let of_machine = machine.findings.iter().copied().filter(|f| shared.contains(f));
        let own = Machine { state: state(&own.agents), ..own };
        let all: BTreeSet<Finding> = findings(&own).into_iter().chain(of_machine).collect();
        count(&mut figures, &own, &all.into_iter().collect::<Vec<_>>(), own.state, true);
    }
    Slice { name: source.tenant.to_string(), vendor: Some(source.vendor.clone()), figures: share(figures) }
}

fn empty() -> Figures {
    Figures { findings: Finding::ALL.iter().map(|f| (*f, 0)).collect(), ..Figures::default() }
}

fn count(figures: &mut Figures, machine: &Machine, findings: &[Finding], state: State, expected: bool) {
    figures.machines += 1;
    figures.agents += machine.present().count() as u64;
    figures.expected += u64::from(expected);
    figures.covered += u64::from(expected && state == State::Covered);
    let vendors: BTreeSet<String> = machine.present().map(|a| a.vendor.to_string()).collect();
    let vendors: Vec<String> = vendors.into_iter().collect();
    let vendors = if vendors.is_empty() { "none".to_owned() } else { vendors.join("+") };
    *figures.by_vendors.entry(vendors).or_default() += 1;
    findings.iter().for_each(|f| *figures.findings.entry(*f).or_default() += 1);
}

fn share(mut figures: Figures) -> Figures {
    figures.coverage = (figures.expected > 0).then(|| figures.covered as f64 / figures.expected as f64);
    figures
}

fn versions(machines: &[Machine], releases: &Releases) -> Vec<Versions> {
    let mut all: BTreeMap<(Vendor, Platform), Versions> = BTreeMap::new();
    for agent in machines.iter().flat_map(Machine::present) {
        let (vendor, platform) = (&agent.vendor, &agent.platform);
        let line = all.entry((vendor.clone(), platform.clone())).or_insert_with(|| Versions {
            vendor: vendor.clone(),
            platform: platform.clone(),
            newest: releases.newest(vendor, platform),
            current: 0,
            n1: 0,
            n2: 0,
            older: 0,
            unknown: 0,
        });
        *match agent.behind {
            Some(0) => &mut line.current,
            Some(1) => &mut line.n1,
            Some(2) => &mut line.n2,
            Some(_) => &mut line.older,
            None => &mut line.unknown,
        } += 1;
    }
    all.into_values().collect()
}
