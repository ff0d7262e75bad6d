//! What two hosts have in common, in points.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::IdentityConfig;
use super::index::{Index, Key, netbios};
use super::keys::{Mac, Record, same_domain, same_name};

/// What speaks for or against two hosts being one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sign {
    /// An address in common, at about the same time.
    Address,
    /// The same name, but the domains differ.
    HostInOtherDomain,
    /// Another name.
    HostDiffers,
    /// The same name; one of them has no domain.
    HostName,
    /// The same name in the same domain.
    HostNameAndDomain,
    /// The same cloud instance.
    Instance,
    /// A MAC in common that software has chosen.
    LocalMac,
    /// A MAC in common that is burnt in.
    Mac,
    /// Both have interfaces of their own, none in common.
    MacsDiffer,
    /// A second MAC in common.
    MoreMacs,
    /// The same address towards the internet.
    PublicAddress,
    /// The same serial number.
    Serial,
}

impl Sign {
    /// The points for it. The weights are set by hand, after the measurements in `docs/IDENTITY.md`.
    #[must_use]
    pub fn points(self) -> i32 {
        match self {
            Self::Address => 15,
            Self::HostDiffers => -20,
            Self::HostInOtherDomain => 5,
            Self::HostName => 20,
            Self::HostNameAndDomain => 35,
            Self::Instance => 100,
            Self::LocalMac => 30,
            Self::Mac => 45,
            Self::MacsDiffer => -10,
            Self::MoreMacs => 10,
            Self::PublicAddress => 3,
            Self::Serial => 60,
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Address => "same address",
            Self::HostDiffers => "other name",
            Self::HostInOtherDomain => "same name in another domain",
            Self::HostName => "same name",
            Self::HostNameAndDomain => "same name and domain",
            Self::Instance => "same cloud instance",
            Self::LocalMac => "same MAC, chosen by software",
            Self::Mac => "same MAC",
            Self::MacsDiffer => "no MAC in common",
            Self::MoreMacs => "a second MAC in common",
            Self::PublicAddress => "same public address",
            Self::Serial => "same serial number",
        }
    }
}

/// One sign, with the value that it was seen in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The sign.
    pub sign: Sign,
    /// The value, such as the MAC.
    pub value: String,
    /// The points for it.
    pub points: i32,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+} {}: {}", self.points, self.sign.says(), self.value)
    }
}

/// Two hosts, compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The points together.
    pub points: i32,
    /// What they are for.
    pub evidence: Vec<Evidence>,
    /// Why they cannot be one machine, whatever the points.
    pub veto: Option<String>,
}

impl Comparison {
    fn add(&mut self, sign: Sign, value: impl Into<String>) {
        self.points += sign.points();
        self.evidence.push(Evidence { sign, value: value.into(), points: sign.points() });
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signs: Vec<String> = self.evidence.iter().map(ToString::to_string).collect();
        write!(f, "{} points ({})", self.points, signs.join("; "))?;
        self.veto.iter().try_for_each(|veto| write!(f, ", but {veto}"))
    }
}

/// Compares two hosts by the keys that are of use in this run.
pub(super) fn compare<'a>(
    a: &'a Record,
    b: &'a Record,
    index: &Index<'a>,
    config: &IdentityConfig,
) -> Comparison {
    let mut found = Comparison { veto: veto(a, b), ..Comparison::default() };
    if let (Some(one), Some(_)) =
        (&a.instance, b.instance.as_ref().filter(|i| a.instance.as_ref() == Some(*i)))
        && !index.is_bad(a, Key::Instance(one.clone()))
    {
        found.add(Sign::Instance, one);
    }
    if let (Some(one), Some(_)) = (&a.serial, b.serial.as_ref().filter(|s| a.serial.as_ref() == Some(*s)))
        && !index.is_bad(a, Key::Serial(one.clone()))
    {
        found.add(Sign::Serial, one);
    }
    let met = addresses(a, b, index, config, &mut found);
    macs(a, b, index, met, &mut found);
    names(a, b, index, &mut found);
    found
}

pub(super) fn veto(a: &Record, b: &Record) -> Option<String> {
    let differ = |x: &Option<String>, y: &Option<String>| matches!((x, y), (Some(x), Some(y)) if x != y);
    if differ(&a.instance, &b.instance) {
        return Some("their cloud instances differ".to_owned());
    }
    if differ(&a.serial, &b.serial) {
        return Some("their serial numbers differ".to_owned());
    }
    match (&a.platform, &b.platform) {
        (Some(x), Some(y)) if x != y => Some(format!("one runs {x}, the other {y}")),
        _ => None,
    }
}

fn addresses<'a>(
    a: &'a Record,
    b: &'a Record,
    index: &Index<'a>,
    config: &IdentityConfig,
    found: &mut Comparison,
) -> bool {
    if a.to.abs_diff(b.to) > config.address_window.num_milliseconds().unsigned_abs() {
        return false;
    }
    let shared = a.ips.iter().find(|ip| b.ips.contains(ip) && !index.is_bad(a, Key::Ip(**ip)));
    if let Some(ip) = shared {
        found.add(Sign::Address, ip.to_string());
    }
    if let (Some(ip), true) = (a.public, a.public == b.public) {
        found.add(Sign::PublicAddress, ip.to_string());
    }
    shared.is_some()
}

fn macs<'a>(a: &'a Record, b: &'a Record, index: &Index<'a>, met: bool, found: &mut Comparison) {
    let good = |mac: &&Mac| !index.is_bad(a, Key::Mac(mac.address));
    let shared: Vec<Mac> = a
        .macs
        .iter()
        .filter(|m| b.macs.iter().any(|o| o.address == m.address))
        .filter(good)
        .copied()
        .collect();
    let is_global = |mac: &Mac| mac.global || b.macs.iter().any(|o| o.address == mac.address && o.global);
    let best = shared.iter().find(|m| is_global(m)).or_else(|| shared.first());
    if let Some(best) = best {
        found.add(if is_global(best) { Sign::Mac } else { Sign::LocalMac }, best.text());
        if let Some(second) = shared.iter().find(|m| *m != best && is_global(m)) {
            found.add(Sign::MoreMacs, second.text());
        }
        return;
    }
    // Virtual interfaces are made anew now and then; but agents that followed each other on one machine had
    // no reason to, unless it is a desktop without a memory.
    let followed = !a.overlaps(b, 0) && !a.is_vdi && !b.is_vdi;
    let tells = |mac: &&Mac| mac.is_physical() || (followed && mac.global);
    let own = |record: &Record| record.macs.iter().filter(good).find(tells).copied();
    if let (false, Some(one), Some(two)) = (met, own(a), own(b)) {
        found.add(Sign::MacsDiffer, format!("{}, {}", one.text(), two.text()));
    }
}

fn names<'a>(a: &'a Record, b: &'a Record, index: &Index<'a>, found: &mut Comparison) {
    let (Some(one), Some(two)) = (&a.short, &b.short) else { return };
    if !same_name(one, two) {
        return found.add(Sign::HostDiffers, format!("{one}, {two}"));
    }
    let key = if one == two { Some(Key::Name(one.clone())) } else { netbios(one) };
    if key.is_none_or(|key| index.is_bad(a, key)) {
        return;
    }
    let (sign, value) = match (&a.domain, &b.domain) {
        (Some(x), Some(y)) if same_domain(x, y) => (Sign::HostNameAndDomain, format!("{one} in {x}")),
        (Some(x), Some(y)) => (Sign::HostInOtherDomain, format!("{one} in {x}, {y}")),
        _ => (Sign::HostName, one.clone()),
    };
    found.add(sign, value);
}
