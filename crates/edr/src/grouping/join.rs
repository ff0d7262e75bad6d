//! From links to groups: the best links first, each machine for itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use edr_core::TenantId;

use super::GroupingConfig;
use super::block::{NEIGHBOURS, Place, worthless};
use super::groups::{AlertGroup, Groups};
use super::score::{Link, compare};
use super::trace::Trace;
use crate::identity::{Identity, Machines};

pub(super) fn join(traces: &[&Trace], identity: &Identity, config: &GroupingConfig) -> Groups {
    let machines = identity.resolve();
    let names = identity.by_name();
    let mut places: BTreeMap<&str, Vec<&Trace>> = BTreeMap::new();
    let mut homes: HashMap<&str, &str> = HashMap::new();
    for trace in traces {
        let home = home(trace, &machines, identity, &names);
        // An alert without a machine is a place of its own: a firewall knows an address, and not whose it is.
        places.entry(home.unwrap_or(&trace.face.urn)).or_default().push(trace);
        homes.extend(home.map(|home| (trace.face.urn.as_str(), home)));
    }
    let worthless = worthless(traces);
    let mut links = Vec::new();
    for members in places.into_values() {
        let place = Place::new(members, &worthless, config);
        links.extend(found(&place, config));
    }
    links.extend(originals(traces, identity, &homes, config));
    // A tie is broken the same way in every run.
    links.sort_by(|x: &Link, y| y.points.cmp(&x.points).then_with(|| x.alerts.cmp(&y.alerts)));
    let hostname = |uid: &str| machines.of(uid).map(|m| m.hostname.clone()).filter(|name| !name.is_empty());
    let groups = grouped(traces, links, &homes).into_iter().map(|(members, links)| {
        let machine = members.iter().find_map(|t| homes.get(t.face.urn.as_str())).copied();
        AlertGroup::of(&members, links, machine, machine.and_then(hostname))
    });
    Groups::new(groups.collect())
}

/// The machine that an alert is about: by its host, else by a name that one host of its tenant and customer has.
fn home<'m>(
    trace: &Trace,
    machines: &'m Machines,
    identity: &Identity,
    names: &HashMap<(&str, &TenantId, String), Option<&str>>,
) -> Option<&'m str> {
    let named = || {
        let name = trace.face.hostname.as_deref()?;
        let customer = identity.customer(&trace.face.tenant, trace.owner.as_deref());
        let known = (customer.as_str(), &trace.face.tenant, name.to_lowercase());
        *names.get(&known)?
    };
    let urn = trace.host.as_deref().or_else(named)?;
    machines.of(urn).map(|machine| machine.uid.as_str())
}

fn found(place: &Place<'_>, config: &GroupingConfig) -> Vec<Link> {
    let traces = place.traces();
    let compared = |(a, b): (usize, usize)| compare(traces[a], traces[b], place, config);
    place
        .pairs(config)
        .into_iter()
        .filter_map(compared)
        .filter(|link| link.points >= config.join_at)
        .collect()
}

/// Alerts that one vendor took in from the other: they may name no host, but never two, and never two customers.
fn originals(
    traces: &[&Trace],
    identity: &Identity,
    homes: &HashMap<&str, &str>,
    config: &GroupingConfig,
) -> Vec<Link> {
    let mut ids: BTreeMap<(String, &str), Vec<&Trace>> = BTreeMap::new();
    for trace in traces {
        for id in &trace.ids {
            ids.entry((identity.customer(&trace.face.tenant, trace.owner.as_deref()), id))
                .or_default()
                .push(trace);
        }
    }
    let nothing = Default::default();
    let mut links = Vec::new();
    for members in ids.into_values().filter(|m| m.len() > 1) {
        let place = Place::new(members, &nothing, config);
        let traces = place.traces();
        let compared = |(a, b): (usize, usize)| compare(traces[a], traces[b], &place, config);
        links.extend(across(traces, homes).into_iter().filter_map(compared));
    }
    links.retain(|link| link.points >= config.join_at);
    links
}

/// The pairs of different vendors that are not about two machines, by their places.
fn across(traces: &[&Trace], homes: &HashMap<&str, &str>) -> BTreeSet<(usize, usize)> {
    let home = |at: usize| homes.get(traces[at].face.urn.as_str());
    let fits = |a: usize, b: usize| {
        let one = home(a).zip(home(b)).is_none_or(|(a, b)| a == b);
        one && traces[a].face.vendor != traces[b].face.vendor
    };
    let mut pairs = BTreeSet::new();
    for a in 0..traces.len() {
        let others = (0..traces.len()).filter(|b| fits(a, *b)).take(NEIGHBOURS);
        pairs.extend(others.map(|b| (a.min(b), a.max(b))));
    }
    pairs
}

/// The alerts of each group, with the links that hold it together and no more. An alert without a machine may stand with
/// alerts of one machine, and never ties two machines together: the best link decides.
fn grouped<'a>(
    traces: &[&'a Trace],
    links: Vec<Link>,
    homes: &HashMap<&str, &str>,
) -> Vec<(Vec<&'a Trace>, Vec<Link>)> {
    let places: HashMap<&str, usize> =
        traces.iter().enumerate().map(|(at, t)| (t.face.urn.as_str(), at)).collect();
    let mut sets = Sets {
        above: (0..traces.len()).collect(),
        homes: traces.iter().map(|t| homes.get(t.face.urn.as_str()).copied()).collect(),
    };
    let mut kept = Vec::new();
    for link in links {
        let ends = (places.get(link.alerts.0.as_str()), places.get(link.alerts.1.as_str()));
        if let (Some(a), Some(b)) = ends
            && sets.join(*a, *b)
        {
            kept.push((*a, link));
        }
    }
    let mut groups: BTreeMap<usize, (Vec<&Trace>, Vec<Link>)> = BTreeMap::new();
    for (at, trace) in traces.iter().enumerate() {
        groups.entry(sets.root(at)).or_default().0.push(trace);
    }
    for (at, link) in kept {
        groups.entry(sets.root(at)).or_default().1.push(link);
    }
    groups.into_values().collect()
}

/// Disjoint sets of alerts, each of one machine at most.
struct Sets<'m> {
    above: Vec<usize>,
    /// The machine of each set, at its root.
    homes: Vec<Option<&'m str>>,
}

impl Sets<'_> {
    fn root(&mut self, mut at: usize) -> usize {
        while self.above[at] != at {
            self.above[at] = self.above[self.above[at]];
            at = self.above[at];
        }
        at
    }

    /// False when they were one already, or are of two machines.
    fn join(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        let (root, other) = (a.min(b), a.max(b));
        let (one, two) = (self.homes[root], self.homes[other]);
        let joins = root != other && one.zip(two).is_none_or(|(one, two)| one == two);
        if joins {
            self.above[other] = root;
            self.homes[root] = one.or(two);
        }
        joins
    }
}
