//! Which operation holds which host contained, as the journal tells it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::ResponseAction;

use super::host::HostKey;
use super::operation::{CLOSE, HostOutcome, Operation, Outcome};
use super::record::{Event, Record};
use super::tale::operations;

/// An operation, and until when it wants a host contained; for good when there is no time.
type Wish = (String, Option<DateTime<Utc>>);

/// A release that is under way for longer is told.
const SLOW: TimeDelta = TimeDelta::hours(1);

/// A release that a vendor took, and of which it has not said that it is done.
#[derive(Debug)]
struct Giving {
    by: String,
    /// The operation whose work it undoes.
    of: Option<String>,
    since: DateTime<Utc>,
    /// The vendor waits for the host, which is offline.
    offline: bool,
}

/// Who contained a host.
#[derive(Debug)]
struct Holder {
    wish: Wish,
    /// The number and the time of the record that tells so.
    at: (u64, DateTime<Utc>),
    /// No answer tells so.
    presumed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Holdings {
    holder: BTreeMap<HostKey, Holder>,
    /// Who found it contained, or may have, and wanted it so.
    also: BTreeMap<HostKey, Vec<Wish>>,
    /// Who may have contained it: nobody can say.
    doubts: BTreeMap<HostKey, Vec<String>>,
    giving: BTreeMap<HostKey, Giving>,
}

enum Deed<'a> {
    Done(&'a Operation, &'a HostOutcome),
    Handed(&'a str, &'a [HostKey], DateTime<Utc>),
}

impl Holdings {
    /// Deeds count in the order in which they were done, not in that in which their operations began: an operation that
    /// is taken up again may contain what another released meanwhile.
    pub(super) fn of(records: &[Record]) -> Self {
        let all = operations(records);
        let mut deeds: Vec<(u64, Deed<'_>)> = Vec::new();
        for op in &all {
            deeds.extend(op.hosts.iter().map(|host| (host.deed.0, Deed::Done(op, host))));
        }
        deeds.extend(records.iter().filter_map(|record| match &record.event {
            Event::Handed { to, hosts, .. } => Some((record.seq, Deed::Handed(to, hosts, record.time))),
            _ => None,
        }));
        deeds.sort_by_key(|(seq, _)| *seq);
        let mut holdings = Self::default();
        for (seq, deed) in deeds {
            match deed {
                Deed::Done(op, host) => holdings.take(op, host),
                Deed::Handed(to, hosts, time) => holdings.hand(to, hosts, (seq, time)),
            }
        }
        holdings
    }

    fn take(&mut self, op: &Operation, host: &HostOutcome) {
        let (key, has) = (host.host.key(), host.outcome.is_success() || host.outcome.is_under_way());
        match op.action {
            ResponseAction::Contain if host.in_doubt.is_some() => {
                self.doubts.entry(key).or_default().push(op.id.clone());
            }
            ResponseAction::Contain if has => self.contained(op, key, host),
            ResponseAction::Release if has => self.released(op, key, host),
            _ => {}
        }
    }

    /// Of two operations that both sent an order, that one contained the host which was told so; where neither was, the
    /// first. The other wants it so, too.
    fn contained(&mut self, op: &Operation, key: HostKey, host: &HostOutcome) {
        self.giving.remove(&key);
        let wish = (op.id.clone(), op.lease_until);
        let may_have_shown = |holder: &Holder| {
            host.presumed.is_some_and(|(seq, looked)| seq < holder.at.0 || looked - holder.at.1 < CLOSE)
        };
        if !host.ours || self.holder.get(&key).is_some_and(may_have_shown) {
            self.also.entry(key).or_default().push(wish);
            return;
        }
        let holder = Holder { wish, at: host.deed, presumed: host.presumed.is_some() };
        let before = self.holder.insert(key.clone(), holder);
        if let Some(before) = before.filter(|b| b.presumed && host.deed.1 - b.at.1 < CLOSE) {
            self.also.entry(key).or_default().push(before.wish);
        }
    }

    fn released(&mut self, op: &Operation, key: HostKey, host: &HostOutcome) {
        self.holder.remove(&key);
        self.also.remove(&key);
        self.doubts.remove(&key);
        self.giving.remove(&key);
        if host.outcome.is_under_way() {
            let (since, offline) = (host.deed.1, host.outcome == Outcome::Offline);
            self.giving.insert(key, Giving { by: op.id.clone(), of: op.releases.clone(), since, offline });
        }
    }

    fn hand(&mut self, to: &str, hosts: &[HostKey], at: (u64, DateTime<Utc>)) {
        for key in hosts.iter().filter(|key| self.holder.contains_key(key)).cloned().collect::<Vec<_>>() {
            let also = self.also.entry(key.clone()).or_default();
            let until = also.iter().find(|(id, _)| id == to).and_then(|(_, until)| *until);
            also.retain(|(id, _)| id != to);
            self.holder.insert(key, Holder { wish: (to.to_owned(), until), at, presumed: false });
        }
    }

    pub(super) fn of_operation(&self, id: &str) -> Vec<HostKey> {
        self.holder.iter().filter(|(_, holder)| holder.wish.0 == id).map(|(key, _)| key.clone()).collect()
    }

    /// What keeps a lease that is over from being settled: hosts that are held, that may be, or whose release does not
    /// come to its end.
    pub(super) fn unsettled(&self, id: &str, now: DateTime<Utc>) -> BTreeSet<HostKey> {
        let mut all: BTreeSet<HostKey> = self.of_operation(id).into_iter().collect();
        let doubted = self.doubts.iter().filter(|(_, who)| who.iter().any(|who| who == id));
        all.extend(doubted.map(|(key, _)| key.clone()));
        let is_slow = |giving: &Giving| !giving.offline && giving.since <= now - SLOW;
        let slow = self.giving.iter().filter(|(_, g)| g.of.as_deref() == Some(id) && is_slow(g));
        all.extend(slow.map(|(key, _)| key.clone()));
        all
    }

    /// The releases of this operation that are under way.
    pub(super) fn releases_of(&self, id: &str) -> BTreeSet<String> {
        self.giving.values().filter(|g| g.of.as_deref() == Some(id)).map(|g| g.by.clone()).collect()
    }

    /// Another operation that wants a host which this one holds contained beyond now: one without a lease before one
    /// with.
    pub(super) fn heir(&self, key: &HostKey, than: &str, now: DateTime<Utc>) -> Option<String> {
        self.holder.get(key).filter(|holder| holder.wish.0 == than)?;
        let also = self.also.get(key)?;
        let mut heirs: Vec<_> =
            also.iter().filter(|(id, until)| id != than && until.is_none_or(|until| until > now)).collect();
        heirs.sort_by_key(|(_, until)| (until.is_some(), std::cmp::Reverse(*until)));
        heirs.first().map(|(id, _)| id.clone())
    }
}
