//! One alert as Cortex sees it, before it takes one of its shapes: every shape is drawn from this, so that all of them
//! tell the same facts.
//!
//! Facts: cortex-xdr-api sections 5.1 to 5.3.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::alert_keys::{ALERT_KEYS, HOST_KEYS};
use super::event_keys::EVENT_KEYS;
use super::words::{self, Source, Wording};
use crate::estate::alert::{FileEvidence, NetworkEvidence, Process, RegistryEvidence, outline};
use crate::estate::hash::mix2;
use crate::estate::{Detection, Machine, TenantEstate};

/// How many alerts make an incident (or a case).
pub(super) const PER_INCIDENT: u64 = 4;

/// An alert with all that its shapes need.
pub(super) struct Alert {
    pub(super) detection: Detection,
    /// The host; a firewall's alert has none.
    pub(super) machine: Option<Machine>,
    pub(super) source: Source,
    pub(super) wording: Wording,
    /// The alert's number.
    pub(super) id: u64,
    /// A hash that further invented values grow from.
    pub(super) root: u64,
    pub(super) incident: u64,
}

/// The root of an alert's own values.
fn root(estate: &TenantEstate, index: u64) -> u64 {
    mix2(estate.tag() ^ 0xC3, index)
}

/// The source of an alert, without the rest of it.
pub(super) fn source_of(estate: &TenantEstate, index: u64) -> Source {
    words::source(outline(estate, index).kind, root(estate, index))
}

/// The external id of an alert.
pub(super) fn external_id(estate: &TenantEstate, index: u64) -> String {
    crate::estate::hash::hex32(mix2(root(estate, index), 3))
}

impl Alert {
    /// The alert at an index.
    pub(super) fn new(estate: &TenantEstate, index: u64) -> Self {
        let detection = estate.detection(index);
        let root = root(estate, index);
        let source = words::source(detection.kind, root);
        Self {
            machine: (source != Source::Ngfw).then(|| estate.machine(detection.machine)),
            wording: words::wording(detection.kind),
            id: estate.alert_number(index),
            incident: index / PER_INCIDENT + 1,
            detection,
            source,
            root,
        }
    }

    pub(super) fn external_id(&self) -> String {
        crate::estate::hash::hex32(mix2(self.root, 3))
    }

    /// When it happened: `detection_timestamp`, and `creation_time` in filters.
    pub(super) fn happened_ms(&self) -> i64 {
        self.detection.happened.timestamp_millis()
    }

    /// When the service took it in: `local_insert_ts`, and `server_creation_time` in filters.
    pub(super) fn inserted_ms(&self) -> i64 {
        self.detection.created.timestamp_millis()
    }

    /// `endpoint_id`: an agent's id, and for a firewall the address it saw (facts 5.2, normalisation 2.2).
    pub(super) fn endpoint_id(&self) -> Cow<'_, str> {
        match (&self.machine, self.detection.network.first()) {
            (Some(machine), _) => Cow::Borrowed(&machine.id),
            (None, network) => {
                Cow::Owned(network.map(|network| network.local_ip.clone()).unwrap_or_default())
            }
        }
    }

    /// The addresses of the host, the primary one first.
    pub(super) fn host_ips(&self) -> Vec<String> {
        match &self.machine {
            Some(machine) => std::iter::once(machine.ip)
                .chain(machine.more_ips.iter().copied())
                .map(|ip| ip.to_string())
                .collect(),
            None => vec![self.endpoint_id().into_owned()],
        }
    }

    /// `DOMAIN\user` in a directory, else the name alone.
    pub(super) fn user(&self) -> Option<String> {
        let (machine, user) = (self.machine.as_ref()?, self.detection.user.as_ref()?);
        Some(if machine.domain.is_empty() {
            user.name.clone()
        } else {
            format!("{}\\{}", user.domain, user.name)
        })
    }

    /// The description; that of a behavioural indicator is its rule in words, which one shape breaks into a list.
    pub(super) fn description(&self) -> String {
        match self.source {
            Source::Bioc => self.rule().join(" "),
            _ => self.detection.kind.description.to_owned(),
        }
    }

    /// The rule of a behavioural indicator, word by word.
    pub(super) fn rule(&self) -> Vec<String> {
        let words = ["Process", "action type", "=", "execution", "AND", "name", "="];
        words.iter().map(|word| (*word).to_owned()).chain([self.detection.process.name.clone()]).collect()
    }

    pub(super) fn tags(&self) -> Vec<String> {
        let own = self.detection.tags.iter().cloned();
        let groups =
            self.machine.iter().flat_map(|machine| &machine.groups).map(|group| format!("EG:{group}"));
        std::iter::once(self.source.tag().to_owned()).chain(groups).chain(own).collect()
    }

    /// The events: as many as the longest list of evidence, and at least one.
    pub(super) fn events(&self) -> impl Iterator<Item = Event<'_>> {
        let d = &self.detection;
        let count =
            [d.files.len(), d.network.len(), d.registry.len(), d.dns.len(), 1].into_iter().max().unwrap_or(1);
        (0..count).map(move |at| Event { alert: self, at })
    }
}

/// One event of an alert.
#[derive(Clone, Copy)]
pub(super) struct Event<'a> {
    pub(super) alert: &'a Alert,
    pub(super) at: usize,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventType {
    File,
    Network,
    Process,
    Registry,
}

impl EventType {
    /// `event_type` of the documented shapes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::File => "File Event",
            Self::Network => "Network Event",
            Self::Process => "Process Execution",
            Self::Registry => "Registry Event",
        }
    }

    /// `event_type` of `get_alerts_by_filter_data`, a number (1 is in a public fixture).
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Process => 1,
            Self::Network => 2,
            Self::File => 3,
            Self::Registry => 4,
        }
    }
}

impl<'a> Event<'a> {
    pub(super) fn kind(self) -> EventType {
        if self.file().is_some() {
            EventType::File
        } else if self.registry().is_some() {
            EventType::Registry
        } else if self.network().is_some() || self.dns().is_some() {
            EventType::Network
        } else {
            EventType::Process
        }
    }

    /// When the event happened: a moment after the one before.
    pub(super) fn at_ms(self) -> i64 {
        self.alert.happened_ms() + 40 * self.at as i64
    }

    pub(super) fn file(self) -> Option<&'a FileEvidence> {
        self.alert.detection.files.get(self.at)
    }

    pub(super) fn network(self) -> Option<&'a NetworkEvidence> {
        self.alert.detection.network.get(self.at)
    }

    pub(super) fn registry(self) -> Option<&'a RegistryEvidence> {
        self.alert.detection.registry.get(self.at)
    }

    pub(super) fn dns(self) -> Option<&'a str> {
        self.alert.detection.dns.get(self.at).map(String::as_str)
    }

    /// Whether the event shows the process as started by its parent: a behavioural indicator watches executions,
    /// the agent names the process that it stopped as the actor.
    fn is_execution(self) -> bool {
        self.kind() == EventType::Process && self.alert.source == Source::Bioc
    }

    /// The process that acted; none is known to a firewall.
    pub(super) fn actor(self) -> Option<&'a Process> {
        let d = &self.alert.detection;
        self.alert.machine.is_some().then_some(if self.is_execution() { &d.parent } else { &d.process })
    }

    /// The process that was started.
    pub(super) fn started(self) -> Option<&'a Process> {
        self.is_execution().then_some(&self.alert.detection.process)
    }

    /// The process at the root of the causality chain.
    pub(super) fn causality(self) -> Option<&'a Process> {
        self.alert.machine.is_some().then_some(&self.alert.detection.grandparent)
    }

    /// The process that the operating system names; rules and hunters tell it.
    pub(super) fn os_actor(self) -> Option<&'a Process> {
        self.actor().filter(|_| matches!(self.alert.source, Source::Bioc | Source::Hunting))
    }
}

/// The value of a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Bool(bool),
    Int(i64),
    List(Vec<Cell<'a>>),
    Null,
    Object(Vec<(&'static str, Cell<'a>)>),
    Text(Cow<'a, str>),
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::List(items) => items.serialize(serializer),
            Self::Null => serializer.serialize_unit(),
            Self::Object(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, value))),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// A text.
pub(super) fn text<'a>(value: impl Into<Cow<'a, str>>) -> Cell<'a> {
    Cell::Text(value.into())
}

/// A text, or null.
pub(super) fn maybe<'a, T: Into<Cow<'a, str>>>(value: Option<T>) -> Cell<'a> {
    value.map_or(Cell::Null, text)
}

/// A list of texts.
pub(super) fn texts<'a>(values: impl IntoIterator<Item = String>) -> Cell<'a> {
    Cell::List(values.into_iter().map(text).collect())
}

/// The documented shapes of an alert (facts 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// v1 `get_alerts`: flat, scalars.
    Flat,
    /// `get_incident_extra_data`: flat, with addresses in one text.
    Incident,
    /// v1 `get_alerts_multi_events`: a list of events.
    EventList,
    /// v2 `get_alerts_multi_events`: no list, the keys of events at the root, each an array.
    Arrays,
}

impl Shape {
    /// Whether several values of an alert are a list (else one text).
    pub(super) fn has_lists(self) -> bool {
        matches!(self, Self::Arrays | Self::EventList)
    }
}

/// An alert in a shape.
pub(super) struct Shaped(pub(super) Alert, pub(super) Shape);

impl Serialize for Shaped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(alert, shape) = self;
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in ALERT_KEYS {
            if let Some(cell) = value(alert, *shape) {
                map.serialize_entry(key, &cell)?;
            }
        }
        match shape {
            Shape::EventList => {
                map.serialize_entry("events", &alert.events().map(EventMap).collect::<Vec<_>>())?
            }
            Shape::Arrays => arrays(&mut map, alert)?,
            Shape::Flat | Shape::Incident => scalars(&mut map, alert)?,
        }
        map.end()
    }
}

/// One event with its keys.
struct EventMap<'a>(Event<'a>);

impl Serialize for EventMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hosts = HOST_KEYS.iter().map(|(key, value)| (*key, value(self.0.alert)));
        serializer.collect_map(hosts.chain(EVENT_KEYS.iter().map(|(key, value)| (*key, value(self.0)))))
    }
}

/// The keys of the first event at the root.
fn scalars<M: SerializeMap>(map: &mut M, alert: &Alert) -> Result<(), M::Error> {
    let event = Event { alert, at: 0 };
    map.serialize_entry("events_length", &alert.events().count())?;
    EVENT_KEYS.iter().try_for_each(|(key, value)| map.serialize_entry(key, &value(event)))
}

/// Each key of the events as an array with one slot an event; null where no event has a value.
fn arrays<M: SerializeMap>(map: &mut M, alert: &Alert) -> Result<(), M::Error> {
    map.serialize_entry("events", &())?;
    EVENT_KEYS.iter().try_for_each(|(key, value)| map.serialize_entry(key, &column(alert, *value)))
}

/// The values of one key over all events.
pub(super) fn column<'a>(alert: &'a Alert, value: fn(Event<'a>) -> Cell<'a>) -> Cell<'a> {
    let slots: Vec<Cell<'a>> = alert.events().map(value).collect();
    if slots.iter().all(|slot| *slot == Cell::Null) { Cell::Null } else { Cell::List(slots) }
}
