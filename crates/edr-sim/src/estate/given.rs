//! Hosts and alerts given by hand. What is not said of them, the generator fills in, from the seed.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::DateTime;
use serde::{Deserialize, Deserializer};

use super::alert::{Severity, Status, Verdict};
use super::hash::{below, mix2};
use super::kinds::{KINDS, Kind};
use super::machine::{Form, Platform};
use crate::args::duration;

/// The same text for as long as the program runs. Texts of estate files are few.
pub(crate) fn intern(text: &str) -> &'static str {
    static KEPT: OnceLock<Mutex<HashSet<&'static str>>> = OnceLock::new();
    let mut kept = KEPT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(text) {
        return known;
    }
    let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
    kept.insert(text);
    text
}

/// A text that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept(pub(crate) &'static str);

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(intern(&String::deserialize(from)?)))
    }
}

/// A time: RFC 3339, or an age such as `2h`, counted from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    At(i64),
    Ago(i64),
}

impl When {
    pub(crate) fn ms(self, start_ms: i64) -> i64 {
        match self {
            Self::At(ms) => ms,
            Self::Ago(ms) => start_ms - ms,
        }
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if let Ok(at) = DateTime::parse_from_rfc3339(&text) {
            return Ok(Self::At(at.timestamp_millis()));
        }
        let age = duration(&text).map_err(|_| {
            let wrong =
                format!("'{text}' is neither a time such as 2026-06-01T12:00:00Z nor an age such as 2h");
            serde::de::Error::custom(wrong)
        })?;
        Ok(Self::Ago(i64::try_from(age.as_millis()).unwrap_or(i64::MAX / 4)))
    }
}

/// The containment that a host is born with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GivenContainment {
    Contained,
    ContainmentPending,
    Normal,
}

/// A host by hand.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GivenHost {
    pub(crate) id: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) domain: Option<Kept>,
    pub(crate) platform: Option<Platform>,
    pub(crate) form: Option<Form>,
    pub(crate) os_version: Option<Kept>,
    pub(crate) agent_version: Option<Kept>,
    pub(crate) serial: Option<String>,
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) external_ip: Option<Ipv4Addr>,
    pub(crate) mac: Option<Mac>,
    pub(crate) user: Option<String>,
    pub(crate) ou: Option<Vec<String>>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) groups: Option<Vec<String>>,
    pub(crate) online: Option<bool>,
    pub(crate) containment: Option<GivenContainment>,
    pub(crate) first_seen: Option<When>,
    pub(crate) last_seen: Option<When>,
}

/// A hardware address, with colons or dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mac(pub(crate) [u8; 6]);

impl Mac {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes: Option<Vec<u8>> = text
            .split([':', '-'])
            .map(|part| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok())?)
            .collect();
        bytes?.try_into().ok().map(Self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("'{text}' is no hardware address")))
    }
}

/// An alert by hand.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GivenAlert {
    /// The name of a kind.
    pub(crate) kind: Option<KindName>,
    /// The name or the id of a host.
    pub(crate) host: Option<String>,
    pub(crate) severity: Option<Severity>,
    pub(crate) status: Option<Status>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) assigned_to: Option<String>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) created: Option<When>,
    pub(crate) happened: Option<When>,
    /// What ran; what is not said of it is as the kind has it.
    pub(crate) process: Option<GivenProcess>,
    pub(crate) parent: Option<GivenProcess>,
    pub(crate) grandparent: Option<GivenProcess>,
    /// The file in evidence, of a kind that has files.
    pub(crate) file: Option<GivenFile>,
    /// The far end of the connection, of a kind that has one.
    pub(crate) remote: Option<SocketAddrV4>,
}

impl GivenAlert {
    /// The process, its parent and its grandparent.
    pub(crate) fn family(&self, level: u64) -> Option<&GivenProcess> {
        match level {
            0 => self.process.as_ref(),
            1 => self.parent.as_ref(),
            _ => self.grandparent.as_ref(),
        }
    }
}

/// A process by hand. The same number and path are the same process, in every alert of a tenant.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GivenProcess {
    pub(crate) path: Option<String>,
    pub(crate) command_line: Option<String>,
    pub(crate) pid: Option<u32>,
    pub(crate) sha256: Option<String>,
    pub(crate) started: Option<When>,
}

/// A file by hand.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenFile {
    pub(crate) path: String,
    pub(crate) sha256: String,
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A kind, by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KindName(pub(crate) &'static Kind);

impl<'de> Deserialize<'de> for KindName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let known = KINDS.iter().find(|kind| kind.name == name).map(Self);
        known.ok_or_else(|| {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            serde::de::Error::custom(format!("there is no kind '{name}'; the kinds are {}", names.join(", ")))
        })
    }
}

/// The hosts and alerts that a tenant was given, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    pub(crate) hosts: Vec<GivenHost>,
    /// In the order of their creation.
    pub(crate) alerts: Vec<SettledAlert>,
    places: HashMap<String, u64>,
}

/// An alert whose host and time are known.
#[derive(Debug, Clone)]
pub(crate) struct SettledAlert {
    pub(crate) alert: GivenAlert,
    pub(crate) host: Option<u64>,
    pub(crate) created_ms: i64,
}

impl Given {
    /// Checks what was given, with `start_ms` the start of virtual time.
    pub(crate) fn check(
        hosts: Vec<GivenHost>,
        alerts: Vec<GivenAlert>,
        start_ms: i64,
    ) -> Result<Self, String> {
        let mut given = Self { places: HashMap::new(), hosts, alerts: Vec::new() };
        for (place, host) in given.hosts.iter().enumerate() {
            let Some(id) = &host.id else { continue };
            if !is_hex(id, 32) {
                return Err(format!("host {}: the id '{id}' is not 32 lower-case hex digits", place + 1));
            }
            if given.places.insert(id.clone(), place as u64).is_some() {
                return Err(format!("host {}: the id '{id}' is given twice", place + 1));
            }
        }
        let settled: Result<Vec<SettledAlert>, String> = (alerts.into_iter().enumerate())
            .map(|(place, alert)| given.settle(place, alert, start_ms))
            .collect();
        given.alerts = settled?;
        given.alerts.sort_by_key(|alert| alert.created_ms);
        Ok(given)
    }

    fn settle(&self, place: usize, alert: GivenAlert, start_ms: i64) -> Result<SettledAlert, String> {
        let wrong = |why: String| format!("alert {}: {why}", place + 1);
        let host = match &alert.host {
            None => None,
            Some(name) => Some(
                self.host(name).ok_or_else(|| wrong(format!("no host of this tenant is called '{name}'")))?,
            ),
        };
        if alert.verdict.is_some() && alert.status.is_some_and(|status| status != Status::Closed) {
            return Err(wrong("a verdict goes with the status closed".to_owned()));
        }
        let digests = (0..3).filter_map(|level| alert.family(level)?.sha256.as_ref());
        if let Some(odd) =
            digests.chain(alert.file.as_ref().map(|f| &f.sha256)).find(|text| !is_hex(text, 64))
        {
            return Err(wrong(format!("the sha256 '{odd}' is not 64 lower-case hex digits")));
        }
        let spread = 60_000 * below(mix2(0xA7E, place as u64), 43_200) as i64;
        let created_ms = alert.created.map_or(start_ms - spread, |when| when.ms(start_ms));
        if created_ms > start_ms {
            return Err(wrong("it is created after the start".to_owned()));
        }
        Ok(SettledAlert { alert, host, created_ms })
    }

    fn host(&self, name: &str) -> Option<u64> {
        let by_name = || self.hosts.iter().position(|host| host.hostname.as_deref() == Some(name));
        self.place(name).or_else(|| by_name().map(|place| place as u64))
    }

    /// The place of the host with a given id.
    pub(crate) fn place(&self, id: &str) -> Option<u64> {
        self.places.get(id).copied()
    }

    /// Whether the order by id is not the order by place.
    pub(crate) fn has_ids(&self) -> bool {
        !self.places.is_empty()
    }

    pub(crate) fn at(&self, index: u64) -> Option<&GivenHost> {
        self.hosts.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn alert(&self, index: u64) -> Option<&SettledAlert> {
        self.alerts.get(usize::try_from(index).ok()?)
    }
}
