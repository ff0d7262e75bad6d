//! Which machine a row of the denominator means.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

use super::denominator::Row;
use crate::identity::keys::{NETBIOS, Record, same_domain, same_name};

type Places = BTreeSet<usize>;

/// A serial number, MAC or address of more machines than this names none of them: a golden image, a dock, a gateway.
const SHARED: usize = 40;

/// The machines by what their hosts are known by.
#[derive(Debug, Default)]
pub(super) struct Index<'a> {
    machines: Vec<Vec<&'a Record>>,
    serials: HashMap<&'a str, Places>,
    macs: HashMap<u64, Places>,
    names: HashMap<&'a str, Places>,
    /// Names that NetBIOS cuts, by what it leaves of them.
    cut: HashMap<&'a str, Places>,
    ips: HashMap<IpAddr, Places>,
}

impl<'a> Index<'a> {
    /// Machines by their hosts.
    pub(super) fn new(machines: Vec<Vec<&'a Record>>) -> Self {
        let mut index = Self::default();
        for (at, records) in machines.iter().enumerate() {
            records.iter().for_each(|record| index.add(at, record));
        }
        index.machines = machines;
        index
    }

    fn add(&mut self, at: usize, record: &'a Record) {
        if let Some(serial) = record.serial.as_deref() {
            put(&mut self.serials, serial, at);
        }
        if let Some(name) = record.short.as_deref() {
            put(&mut self.names, name, at);
            if let Some(short) = cut(name) {
                put(&mut self.cut, short, at);
            }
        }
        record.macs.iter().for_each(|mac| put(&mut self.macs, mac.address, at));
        record.ips.iter().for_each(|ip| put(&mut self.ips, *ip, at));
    }

    /// Whether the serial number of a row is one that a machine has.
    pub(super) fn has_serial(&self, row: &Row) -> bool {
        row.keys.serial.as_deref().is_some_and(|serial| self.serials.contains_key(serial))
    }

    /// The machines that a row means: by serial number, then MAC, then name and domain, then name alone; by address only
    /// where it has nothing else. Several where the row fits several equally well.
    pub(super) fn find(&self, row: &Row) -> Places {
        let own = &row.keys;
        let serials = own.serial.as_deref().and_then(|serial| of_use(self.serials.get(serial)));
        let found = self.best(serials.into_iter().flatten().copied().collect(), own);
        if !found.is_empty() {
            return found;
        }
        let macs = own.macs.iter().filter_map(|mac| of_use(self.macs.get(&mac.address))).flatten();
        let found = self.keep(macs, |r| !other_serial(own, r) && names_agree(own, r) != Some(false));
        if !found.is_empty() {
            return self.best(found, own);
        }
        let names = own.short.as_deref().into_iter().flat_map(|name| self.named(name));
        let names = self.keep(names, |r| !other_serial(own, r) && names_agree(own, r) == Some(true));
        let within = self.keep(&names, |r| domains_agree(own, r) == Some(true));
        if !within.is_empty() {
            return within;
        }
        let found = self.keep(&names, |r| domains_agree(own, r).is_none());
        let alone = own.short.is_none() && own.serial.is_none() && own.macs.is_empty();
        if !found.is_empty() || !alone {
            return found;
        }
        own.ips.iter().filter_map(|ip| of_use(self.ips.get(ip))).flatten().copied().collect()
    }

    /// The machines that go by a name, as it stands or as NetBIOS cuts one of the two. Only a name that may have been cut
    /// meets longer ones: else all names that begin alike would be looked at for each row.
    fn named(&self, name: &str) -> impl Iterator<Item = &usize> {
        let whole = self.names.get(name);
        let shorter = cut(name).and_then(|short| self.names.get(short));
        let longer = self.cut.get(name);
        [whole, shorter, longer].into_iter().flatten().flatten()
    }

    /// Of several machines those that go by the name, if any do, else those that go by none. What several machines have in
    /// common and another name than the row's names none of them: one machine may have been renamed, not all at once.
    fn best(&self, found: Places, own: &Record) -> Places {
        if found.len() < 2 {
            return found;
        }
        let named = self.keep(&found, |r| names_agree(own, r) == Some(true));
        if named.is_empty() { self.keep(&found, |r| names_agree(own, r).is_none()) } else { named }
    }

    fn keep<'p>(
        &self,
        places: impl IntoIterator<Item = &'p usize>,
        fits: impl Fn(&Record) -> bool,
    ) -> Places {
        places.into_iter().copied().filter(|at| self.machines[*at].iter().any(|r| fits(r))).collect()
    }
}

fn put<K: Eq + Hash>(map: &mut HashMap<K, Places>, key: K, at: usize) {
    map.entry(key).or_default().insert(at);
}

fn of_use(places: Option<&Places>) -> Option<&Places> {
    places.filter(|places| places.len() <= SHARED)
}

/// What NetBIOS leaves of a name that is too long for it.
fn cut(name: &str) -> Option<&str> {
    name.get(..NETBIOS).filter(|_| name.len() > NETBIOS)
}

fn names_agree(a: &Record, b: &Record) -> Option<bool> {
    Some(same_name(a.short.as_deref()?, b.short.as_deref()?))
}

fn domains_agree(a: &Record, b: &Record) -> Option<bool> {
    Some(same_domain(a.domain.as_deref()?, b.domain.as_deref()?))
}

fn other_serial(a: &Record, b: &Record) -> bool {
    a.serial.as_deref().zip(b.serial.as_deref()).is_some_and(|(a, b)| a != b)
}

#[cfg(test)]
mod tests {
    use edr_core::Host;

    use super::*;
    use crate::identity::IdentityConfig;

    fn record(name: &str) -> Record {
        let mut host = Host::new("falcon", "acme", name, "{}");
        host.hostname = name.to_owned();
        Record::of(&host, &IdentityConfig::new())
    }

    #[test]
    fn names_that_begin_alike_are_not_looked_at() {
        let records: Vec<Record> = (0..500).map(|n| record(&format!("gke-prod-cluster-{n:03}"))).collect();
        let index = Index::new(records.iter().map(|r| vec![r]).collect());
        let looked = |name: &str| index.named(name).copied().collect::<Vec<_>>();
        assert_eq!(looked("gke-prod-cluster-007"), [7]);
        assert_eq!(looked("gke-prod-cluster-9999"), [0_usize; 0]);
        assert_eq!(looked("gke-prod-cluste").len(), 500, "this one may be any of them, cut");
        let flat = record("gke-prod-cluste");
        let index = Index::new(vec![vec![&flat]]);
        assert_eq!(index.named("gke-prod-cluster-007").count(), 1);
        assert_eq!(index.named("gke-prod-clus").count(), 0);
    }
}
