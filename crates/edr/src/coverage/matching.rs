//! Which machine a row of the denominator means.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

use super::denominator::Row;
use crate::identity::keys::{NETBIOS, Record, same_domain, same_name};

type Places = BTreeSet<usize>;

/// The machines by what their hosts are known by.
#[derive(Debug, Default)]
pub(super) struct Index<'a> {
    machines: Vec<Vec<&'a Record>>,
    serials: HashMap<&'a str, Places>,
    macs: HashMap<u64, Places>,
    names: HashMap<String, Places>,
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
        if let Some(serial) = &record.serial {
            self.serials.entry(serial).or_default().insert(at);
        }
        if let Some(name) = &record.short {
            self.names.entry(flat(name)).or_default().insert(at);
        }
        record.macs.iter().for_each(|mac| put(&mut self.macs, mac.address, at));
        record.ips.iter().for_each(|ip| put(&mut self.ips, *ip, at));
    }

    /// The machines that a row means: by serial number, then MAC, then name and domain, then name alone; by address only
    /// where it has nothing else. Several where the row fits several equally well.
    pub(super) fn find(&self, row: &Row) -> Places {
        let own = &row.keys;
        let serials = own.serial.as_deref().and_then(|s| self.serials.get(s)).cloned().unwrap_or_default();
        let found = self.best(serials, own);
        if !found.is_empty() {
            return found;
        }
        let macs: Places =
            own.macs.iter().filter_map(|m| self.macs.get(&m.address)).flatten().copied().collect();
        let found = self.keep(macs, |r| !other_serial(own, r) && names_agree(own, r) != Some(false));
        if !found.is_empty() {
            return self.best(found, own);
        }
        let names = own.short.as_deref().and_then(|n| self.names.get(&flat(n))).cloned().unwrap_or_default();
        let names = self.keep(names, |r| !other_serial(own, r) && names_agree(own, r) == Some(true));
        let within = self.keep(names.clone(), |r| domains_agree(own, r) == Some(true));
        if !within.is_empty() {
            return within;
        }
        let found = self.keep(names, |r| domains_agree(own, r).is_none());
        let alone = own.short.is_none() && own.serial.is_none() && own.macs.is_empty();
        if !found.is_empty() || !alone {
            return found;
        }
        own.ips.iter().filter_map(|ip| self.ips.get(ip)).flatten().copied().collect()
    }

    /// Of several machines those that go by the name, if any do.
    fn best(&self, found: Places, own: &Record) -> Places {
        if found.len() < 2 {
            return found;
        }
        let named = self.keep(found.clone(), |r| names_agree(own, r) == Some(true));
        if named.is_empty() { found } else { named }
    }

    fn keep(&self, places: Places, fits: impl Fn(&Record) -> bool) -> Places {
        places.into_iter().filter(|at| self.machines[*at].iter().any(|r| fits(r))).collect()
    }
}

fn put<K: Eq + Hash>(map: &mut HashMap<K, Places>, key: K, at: usize) {
    map.entry(key).or_default().insert(at);
}

/// The name as NetBIOS keeps it, under which names of any length meet.
fn flat(name: &str) -> String {
    name.chars().take(NETBIOS).collect()
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
