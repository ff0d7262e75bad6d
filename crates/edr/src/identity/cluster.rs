//! From pairs to machines: the best pairs first, and no machine that cannot be.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::index::Index;
use super::keys::Record;
use super::machines::{Candidate, Machine, Machines, Member, Refusal, Run};
use super::score::{self, Comparison};
use super::{Identity, Pair, pair};

struct Clusters<'a> {
    records: &'a [&'a Record],
    /// The cluster of each record; clusters are named by one of their records.
    home: Vec<u32>,
    members: HashMap<u32, Vec<u32>>,
    cannot: BTreeMap<u32, BTreeSet<u32>>,
    /// Pairs that a person has linked may break the rules; their clusters are not checked among themselves.
    slack: i64,
}

impl<'a> Clusters<'a> {
    fn new(records: &'a [&'a Record], cannot: BTreeMap<u32, BTreeSet<u32>>, slack: i64) -> Self {
        let home = (0u32..).take(records.len()).collect();
        Self { records, home, members: HashMap::new(), cannot, slack }
    }

    fn home(&self, at: u32) -> u32 {
        self.home[at as usize]
    }

    fn of(&self, home: u32) -> Vec<u32> {
        self.members.get(&home).cloned().unwrap_or_else(|| vec![home])
    }

    fn join(&mut self, a: u32, b: u32) {
        let (keep, go) = (self.home(a).min(self.home(b)), self.home(a).max(self.home(b)));
        if keep == go {
            return;
        }
        let moved = self.of(go);
        self.members.remove(&go);
        for member in &moved {
            self.home[*member as usize] = keep;
        }
        self.members.entry(keep).or_insert_with(|| vec![keep]).extend(moved);
    }

    /// Why the clusters of two records cannot be one.
    fn conflict(&self, a: u32, b: u32) -> Option<Refusal> {
        let (left, right) = (self.of(self.home(a)), self.of(self.home(b)));
        let mut pairs = left.iter().flat_map(|l| right.iter().map(move |r| (*l, *r)));
        pairs.find_map(|(l, r)| self.clash(l, r))
    }

    /// Joins what a person has linked, unless a person has also said that the clusters are two machines: of words that
    /// contradict each other the unlink holds.
    fn link(&mut self, a: u32, b: u32) -> Option<Refusal> {
        let (left, right) = (self.of(self.home(a)), self.of(self.home(b)));
        let mut pairs = left.iter().flat_map(|l| right.iter().map(move |r| (*l, *r)));
        let refusal = pairs.find_map(|(l, r)| self.unlinked(l, r));
        if refusal.is_none() {
            self.join(a, b);
        }
        refusal
    }

    fn unlinked(&self, l: u32, r: u32) -> Option<Refusal> {
        let said = self.cannot.get(&l).is_some_and(|others| others.contains(&r));
        said.then(|| Refusal::Unlinked { agents: self.names(l, r) })
    }

    fn names(&self, l: u32, r: u32) -> (String, String) {
        pair(&self.records[l as usize].urn, &self.records[r as usize].urn)
    }

    fn clash(&self, l: u32, r: u32) -> Option<Refusal> {
        if let Some(unlinked) = self.unlinked(l, r) {
            return Some(unlinked);
        }
        let (one, two) = (self.records[l as usize], self.records[r as usize]);
        let names = (one.urn.clone(), two.urn.clone());
        if one.side() == two.side() && one.overlaps(two, self.slack) {
            return Some(Refusal::BothAlive { agents: names });
        }
        score::veto(one, two).map(|reason| Refusal::Veto { agents: names, reason })
    }
}

pub(super) fn cluster(
    records: &[&Record],
    index: Index<'_>,
    mut pairs: Vec<(u32, u32, Comparison)>,
    identity: &Identity,
) -> Machines {
    let places: HashMap<&str, u32> = (0u32..).zip(records).map(|(at, r)| (r.urn.as_str(), at)).collect();
    let slack = identity.config.handover.num_milliseconds();
    let mut cannot: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (a, b) in known(&identity.unlinked, &places, records) {
        cannot.entry(a).or_default().insert(b);
        cannot.entry(b).or_default().insert(a);
    }
    let mut clusters = Clusters::new(records, cannot, slack);
    let mut refused: Vec<(u32, u32, Option<Refusal>)> = Vec::new();
    for (a, b) in known(&identity.linked, &places, records) {
        refused.extend(clusters.link(a, b).map(|refusal| (a, b, Some(refusal))));
    }
    // Records stand in the order of their URNs, so that a tie is broken the same way in every run.
    pairs.sort_by(|x, y| y.2.points.cmp(&x.2.points).then((x.0, x.1).cmp(&(y.0, y.1))));
    let mut run = Run { hosts: records.len(), compared: pairs.len(), ..Run::default() };
    run.bad_keys = index.bad_keys();
    for (a, b, found) in &pairs {
        if clusters.home(*a) == clusters.home(*b) {
            continue;
        }
        match clusters.conflict(*a, *b) {
            Some(refusal) => refused.push((*a, *b, Some(refusal))),
            None if found.points >= identity.config.merge_at => clusters.join(*a, *b),
            None => refused.push((*a, *b, None)),
        }
    }
    let found: BTreeMap<Pair, Comparison> = pairs
        .into_iter()
        .map(|(a, b, found)| (pair(&records[a as usize].urn, &records[b as usize].urn), found))
        .collect();
    let urn = |at: u32| records[at as usize].urn.as_str();
    let refusals =
        refused.iter().filter_map(|(a, b, why)| Some((pair(urn(*a), urn(*b)), why.clone()?))).collect();
    let review = review(&clusters, refused, &found, &mut run);
    Machines::new(machines(&clusters), review, found, identity.linked.clone(), refusals, run)
}

/// The pairs of which both hosts are known, of one customer, in the order of their URNs.
fn known(pairs: &BTreeSet<Pair>, places: &HashMap<&str, u32>, records: &[&Record]) -> BTreeSet<(u32, u32)> {
    let place = |urn: &str| places.get(urn).copied();
    let customer = |at: u32| records[at as usize].customer.as_str();
    let both = pairs.iter().filter_map(|(a, b)| place(a).zip(place(b)));
    both.filter(|(a, b)| customer(*a) == customer(*b)).collect()
}

/// What a person should look at: pairs that are near enough, or good enough but refused for two living agents.
fn review(
    clusters: &Clusters<'_>,
    refused: Vec<(u32, u32, Option<Refusal>)>,
    found: &BTreeMap<Pair, Comparison>,
    run: &mut Run,
) -> Vec<Candidate> {
    let mut review = Vec::new();
    for (a, b, refusal) in refused {
        match &refusal {
            Some(Refusal::BothAlive { .. }) => run.refused += 1,
            Some(Refusal::Veto { .. }) => run.vetoed += 1,
            _ => {}
        }
        let settled = matches!(refusal, Some(Refusal::Veto { .. } | Refusal::Unlinked { .. }));
        if settled || clusters.home(a) == clusters.home(b) {
            continue;
        }
        let hosts = pair(&clusters.records[a as usize].urn, &clusters.records[b as usize].urn);
        if let Some(comparison) = found.get(&hosts) {
            review.push(Candidate { hosts, comparison: comparison.clone(), refusal });
        }
    }
    review
}

fn machines(clusters: &Clusters<'_>) -> Vec<Machine> {
    let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for at in (0u32..).take(clusters.records.len()) {
        groups.entry(clusters.home(at)).or_default().push(at);
    }
    groups.into_values().map(|members| machine(&members, clusters.records)).collect()
}

/// A machine is named after its earliest host, so that its name stays when agents come and go.
fn machine(members: &[u32], records: &[&Record]) -> Machine {
    let mut hosts: Vec<&Record> = members.iter().map(|m| records[*m as usize]).collect();
    hosts.sort_by(|a, b| a.from.cmp(&b.from).then_with(|| a.urn.cmp(&b.urn)));
    let newest = |host: &Record| {
        hosts.iter().all(|o| o.side() != host.side() || (o.to, &o.urn) <= (host.to, &host.urn))
    };
    let member = |host: &&Record| Member {
        urn: host.urn.clone(),
        tenant: host.tenant.clone(),
        vendor: host.vendor.clone(),
        is_current: newest(host),
    };
    let latest = hosts.iter().max_by(|a, b| a.to.cmp(&b.to).then_with(|| a.urn.cmp(&b.urn)));
    Machine {
        uid: hosts.first().map(|h| h.urn.clone()).unwrap_or_default(),
        hostname: latest.map(|h| h.hostname.clone()).unwrap_or_default(),
        members: hosts.iter().map(member).collect(),
    }
}
