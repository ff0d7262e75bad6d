//! Which hosts are worth comparing, and which keys are worth nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use super::IdentityConfig;
use super::keys::{NETBIOS, Record, Side};
use super::score::{self, Comparison};

/// A key as it stands in one customer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    Instance(String),
    Ip(IpAddr),
    Mac(u64),
    Name(String),
    /// The name as NetBIOS cuts it.
    NetBios(String),
    Serial(String),
}

/// A block of more hosts than this says nothing about any two of them.
const LARGEST_BLOCK: usize = 40;

/// A MAC that went by more names than this belongs to a pool or a dock.
const NAMES_OF_A_MAC: usize = 2;

/// The keys of all hosts, by customer, and those among them that name no machine.
pub(super) struct Index<'a> {
    blocks: HashMap<(&'a str, Key), Vec<u32>>,
    bad: HashSet<(&'a str, Key)>,
}

impl<'a> Index<'a> {
    pub(super) fn build(records: &[&'a Record]) -> Self {
        let mut blocks: HashMap<(&'a str, Key), Vec<u32>> = HashMap::new();
        for (at, record) in (0u32..).zip(records) {
            for key in keys(record) {
                blocks.entry((record.customer.as_str(), key)).or_default().push(at);
            }
        }
        let bad = blocks
            .iter()
            .filter(|((_, key), members)| is_bad(key, members, records))
            .map(|(key, _)| key.clone())
            .collect();
        Self { blocks, bad }
    }

    pub(super) fn is_bad(&self, record: &'a Record, key: Key) -> bool {
        self.bad.contains(&(record.customer.as_str(), key))
    }

    /// The keys that were not used, with how many hosts carry them.
    pub(super) fn bad_keys(&self) -> Vec<(String, usize)> {
        let count = |key| self.blocks.get(key).map_or(0, Vec::len);
        let mut bad: Vec<(String, usize)> = self.bad.iter().map(|k| (k.1.to_string(), count(k))).collect();
        bad.sort_unstable();
        bad
    }

    /// Every pair that shares a key of use, compared.
    pub(super) fn scored(
        &self,
        records: &[&'a Record],
        config: &IdentityConfig,
    ) -> Vec<(u32, u32, Comparison)> {
        let mut pairs: HashSet<(u32, u32)> = HashSet::new();
        let useful = self.blocks.iter().filter(|(key, members)| {
            (2..=LARGEST_BLOCK).contains(&members.len()) && !self.bad.contains(*key) && key.1.finds()
        });
        for (_, members) in useful {
            for (i, a) in members.iter().enumerate() {
                pairs.extend(members[i + 1..].iter().map(|b| (*a, *b)));
            }
        }
        let compared = |(a, b): (u32, u32)| {
            let compared = score::compare(records[a as usize], records[b as usize], self, config);
            (compared.points >= config.review_at).then_some((a, b, compared))
        };
        pairs.into_iter().filter_map(compared).collect()
    }
}

impl Key {
    /// True for a key by which hosts are looked for; an address only adds to what was found.
    fn finds(&self) -> bool {
        !matches!(self, Self::Ip(_))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instance(id) => write!(f, "instance {id}"),
            Self::Ip(ip) => write!(f, "address {ip}"),
            Self::Mac(address) => {
                write!(f, "MAC {}", super::keys::Mac { address: *address, global: true }.text())
            }
            Self::Name(name) => write!(f, "name {name}"),
            Self::NetBios(name) => write!(f, "NetBIOS name {name}"),
            Self::Serial(serial) => write!(f, "serial number {serial}"),
        }
    }
}

fn keys(record: &Record) -> impl Iterator<Item = Key> + '_ {
    let instance = record.instance.clone().map(Key::Instance);
    let serial = record.serial.clone().map(Key::Serial);
    let name = record.short.clone().map(Key::Name);
    let cut = record.short.as_deref().and_then(netbios);
    let macs = record.macs.iter().map(|m| Key::Mac(m.address));
    let ips = record.ips.iter().copied().map(Key::Ip);
    instance.into_iter().chain(serial).chain(name).chain(cut).chain(macs).chain(ips)
}

/// The name as NetBIOS cuts it, when it is long enough to be cut.
pub(super) fn netbios(short: &str) -> Option<Key> {
    (short.chars().count() >= NETBIOS).then(|| Key::NetBios(short.chars().take(NETBIOS).collect()))
}

/// A key is bad when two agents of one vendor and tenant carry it at the same time, and a MAC also when it goes
/// by many names.
fn is_bad(key: &Key, members: &[u32], records: &[&Record]) -> bool {
    if members.len() < 2 {
        return false;
    }
    let members: Vec<&Record> = members.iter().map(|m| records[*m as usize]).collect();
    matches!(key, Key::Mac(_)) && names(&members) > NAMES_OF_A_MAC || at_the_same_time(&members)
}

fn names(members: &[&Record]) -> usize {
    members.iter().filter_map(|m| m.short.as_deref()).collect::<BTreeSet<_>>().len()
}

/// An hour is how long a removed agent may still be listed as alive.
const HOUR: i64 = 3_600_000;

fn at_the_same_time(members: &[&Record]) -> bool {
    let mut sides: HashMap<Side<'_>, Vec<(i64, i64)>> = HashMap::new();
    for member in members {
        sides.entry(member.side()).or_default().push((member.from, member.to));
    }
    sides.into_values().any(|mut spans| {
        spans.sort_unstable();
        let mut end = i64::MIN;
        spans.into_iter().any(|(from, to)| {
            let overlaps = end != i64::MIN && from.saturating_add(HOUR) < end && from < to;
            end = end.max(to);
            overlaps
        })
    })
}
