//! The first items of a listing, fair to every tenant.

use std::collections::BTreeMap;
use std::io;

use edr::TenantId;

use super::{Kind, Taker};

/// Holds up to `limit` items of each tenant until it is clear which are shown.
///
/// Sorted kinds (alerts: newest first) need `limit` of each tenant, for any tenant may have the
/// newest. Of the others each tenant shows a fair share, and a small tenant leaves room to the rest.
pub(super) struct Gather<T> {
    limit: usize,
    ahead: u64,
    seen: u64,
    tenants: BTreeMap<TenantId, Held<T>>,
}

struct Held<T> {
    items: Vec<T>,
    ended: bool,
}

impl<T: Kind> Gather<T> {
    /// Wants `limit` items; reads on to `ahead` items to be able to say how many there are.
    pub(super) fn new(limit: u64, ahead: u64, tenants: impl Iterator<Item = TenantId>) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let held = |tenant| (tenant, Held { items: Vec::new(), ended: false });
        Self { limit, ahead, seen: 0, tenants: tenants.map(held).collect() }
    }

    /// The items that are shown.
    pub(super) fn choose(self) -> Vec<T> {
        let (level, mut spare) = share(self.limit, self.tenants.values().map(|h| h.items.len()));
        let mut chosen: Vec<T> = Vec::new();
        for mut held in self.tenants.into_values() {
            if !T::BY_KEY {
                let extra = usize::from(held.items.len() > level && spare > 0);
                spare -= extra;
                held.items.truncate(level + extra);
            }
            chosen.append(&mut held.items);
        }
        if T::BY_KEY {
            chosen.sort_by_cached_key(T::sort_key);
            chosen.truncate(self.limit);
        }
        chosen
    }

    /// What each tenant that has not ended must have.
    fn quota(&self) -> usize {
        if T::BY_KEY {
            return self.limit;
        }
        let have = || self.tenants.values().map(|h| h.items.len());
        match share(self.limit, have()) {
            (usize::MAX, _) if have().sum::<usize>() == self.limit => have().max().unwrap_or(0),
            (usize::MAX, _) => self.limit,
            (level, spare) => level + usize::from(spare > 0),
        }
    }
}

impl<T: Kind> Taker<T> for Gather<T> {
    fn take(&mut self, items: Vec<T>) -> io::Result<u64> {
        let count = items.len() as u64;
        self.seen += count;
        for item in items {
            if let Some(held) = self.tenants.get_mut(item.tenant()).filter(|h| h.items.len() < self.limit) {
                held.items.push(item);
            }
        }
        Ok(count)
    }

    fn ended(&mut self, tenant: &TenantId) {
        if let Some(held) = self.tenants.get_mut(tenant) {
            held.ended = true;
        }
    }

    fn is_full(&self) -> bool {
        let quota = self.quota();
        let mut open = self.tenants.values().filter(|h| !h.ended).peekable();
        open.peek().is_some() && self.seen >= self.ahead && open.all(|h| h.items.len() >= quota)
    }
}

/// The largest level for which `Σ min(have, level) ≤ limit`, and how many are left to give out one
/// by one. [`usize::MAX`] when everything fits.
fn share(limit: usize, have: impl Iterator<Item = usize>) -> (usize, usize) {
    let mut have: Vec<usize> = have.collect();
    have.sort_unstable();
    let mut left = limit;
    for (done, count) in have.iter().enumerate() {
        let sharers = have.len() - done;
        if count * sharers > left {
            return (left / sharers, left % sharers);
        }
        left -= count;
    }
    (usize::MAX, 0)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use edr::{Alert, Host};

    use super::*;
    use crate::output::fixture::now;

    fn hosts(tenant: &str, count: usize) -> Vec<Host> {
        (0..count).map(|i| Host::new("v", tenant, &format!("{i}"), "{}")).collect()
    }

    fn gather(limit: u64, held: &[(&str, usize, bool)]) -> Gather<Host> {
        let mut gather = Gather::new(limit, 0, held.iter().map(|(t, ..)| (*t).into()));
        for (tenant, count, ended) in held {
            gather.take(hosts(tenant, *count)).unwrap();
            if *ended {
                gather.ended(&(*tenant).into());
            }
        }
        gather
    }

    fn counts(gather: Gather<Host>) -> Vec<usize> {
        let chosen = gather.choose();
        ["a", "b", "c"].map(|t| chosen.iter().filter(|h| h.tenant.as_str() == t).count()).to_vec()
    }

    #[test]
    fn shares_are_fair() {
        assert_eq!(counts(gather(10, &[("a", 50, true), ("b", 50, true), ("c", 50, true)])), [4, 3, 3]);
        assert_eq!(counts(gather(10, &[("a", 50, true), ("b", 1, true), ("c", 50, true)])), [5, 1, 4]);
        assert_eq!(counts(gather(100, &[("a", 5, true), ("b", 1, true), ("c", 0, true)])), [5, 1, 0]);
    }

    #[test]
    fn it_stops_when_more_would_change_nothing() {
        assert!(gather(10, &[("a", 5, false), ("b", 5, false)]).is_full());
        assert!(!gather(10, &[("a", 10, false), ("b", 3, false)]).is_full());
        assert!(!gather(10, &[("a", 7, false), ("b", 1, true)]).is_full());
        assert!(gather(10, &[("a", 9, false), ("b", 1, true)]).is_full());
        assert!(!gather(10, &[("a", 0, false), ("b", 0, false)]).is_full());
    }

    #[test]
    fn the_newest_alerts_of_all_tenants_are_shown() {
        let alert = |tenant: &str, minutes| {
            let mut alert = Alert::new("v", tenant, &format!("{minutes}"), "{}");
            alert.created_time = Some(now() - TimeDelta::minutes(minutes));
            alert
        };
        let mut gather: Gather<Alert> = Gather::new(3, 0, ["a", "b"].into_iter().map(Into::into));
        gather.take(vec![alert("a", 1), alert("a", 5), alert("a", 6)]).unwrap();
        assert!(!gather.is_full());
        gather.take(vec![alert("b", 2), alert("b", 3), alert("b", 9)]).unwrap();
        assert!(gather.is_full());
        let ids: Vec<String> = gather.choose().into_iter().map(|a| a.uid).collect();
        assert_eq!(ids, ["1", "2", "3"]);
    }
}
