//! One reader for every form in which alerts come: the five shapes of XDR 3 and issues of XDR 5.
//!
//! An alert has some 150 keys; each may be a scalar, a list with one slot an event, or null, and its
//! name depends on the call. A struct would have 150 fields of one type and still need a table of
//! names, so this is the table, over the JSON as it came. The canonical name is that of
//! `get_alerts_multi_events`.

use serde_json::{Map, Value};

use crate::wire;

/// Other names at the root: of `get_alerts_by_filter_data`, and of issues, in their form with dots and in the older one.
const ALIASES: &[(&str, &[&str])] = &[
    ("alert_id", &["internal_id", "id", "issue_id"]),
    ("name", &["alert_name"]),
    ("description", &["alert_description"]),
    ("category", &["alert_category"]),
    ("source", &["detection.method", "alert_source", "detection_method"]),
    ("action", &["alert_action_status"]),
    ("detection_timestamp", &["observation_time", "source_insert_ts"]),
    ("local_insert_ts", &["_insert_time"]),
    ("last_modified_ts", &["last_modified"]),
    ("matching_service_rule_id", &["detection.rule_id", "detection_rule_id"]),
    ("mitre_tactic_id_and_name", &["mitre_tactics"]),
    ("mitre_technique_id_and_name", &["mitre_techniques"]),
    ("resolution_status", &["status.progress", "status"]),
    ("resolution_reason", &["status.resolution_reason", "status_resolution_reason"]),
    ("resolution_comment", &["status.resolution_comment", "status_resolution_comment"]),
    ("is_whitelisted", &["is_excluded"]),
    ("case_id", &["case_ids"]),
    ("endpoint_id", &["agent_id"]),
    ("host_name", &["agent_hostname", "agent_host_name"]),
    ("host_ip", &["agent_ip_addresses"]),
    ("mac_addresses", &["mac_address", "mac"]),
];

/// Names in the `normalized_fields` of issues, the first that says something wins. They are those of the
/// vendor's example of a reply and, beyond that, of the public data model XDM; an absent one costs nothing.
const NORMALISED: &[(&str, &str)] = &[
    ("name", "xdm.alert.name"),
    ("description", "xdm.alert.description"),
    ("category", "xdm.alert.category"),
    ("severity", "xdm.alert.severity"),
    ("external_id", "xdm.alert.original_alert_id"),
    ("action", "xdm.observer.action"),
    ("mitre_tactic_id_and_name", "xdm.alert.mitre_tactics"),
    ("mitre_technique_id_and_name", "xdm.alert.mitre_techniques"),
    ("endpoint_id", "xdm.source.agent.identifier"),
    ("agent_version", "xdm.source.agent.version"),
    ("host_name", "xdm.source.host.hostname"),
    ("agent_fqdn", "xdm.source.host.fqdn"),
    ("agent_os_type", "xdm.source.host.os_family"),
    ("agent_os_sub_type", "xdm.source.host.os"),
    ("host_ip", "xdm.source.host.ipv4_addresses"),
    ("agent_ip_addresses_v6", "xdm.source.host.ipv6_addresses"),
    ("mac_addresses", "xdm.source.host.mac_addresses"),
    ("user_name", "xdm.source.identity.username"),
    ("user_name", "xdm.source.user.username"),
    ("event_type", "xdm.event.type"),
    ("actor_process_image_name", "xdm.source.process.name"),
    ("actor_process_image_name", "xdm.source.process.executable.filename"),
    ("actor_process_image_path", "xdm.source.process.executable.path"),
    ("actor_process_command_line", "xdm.source.process.command_line"),
    ("actor_process_os_pid", "xdm.source.process.pid"),
    ("actor_process_instance_id", "xdm.source.process.identifier"),
    ("actor_process_causality_id", "xdm.source.process.causality_id"),
    ("actor_process_image_sha256", "xdm.source.process.executable.sha256"),
    ("actor_process_image_md5", "xdm.source.process.executable.md5"),
    ("actor_process_signature_status", "xdm.source.process.executable.signature_status"),
    ("actor_process_signature_vendor", "xdm.source.process.executable.signer"),
    ("action_process_image_name", "xdm.target.process.name"),
    ("action_process_image_name", "xdm.target.process.executable.filename"),
    ("action_process_image_path", "xdm.target.process.executable.path"),
    ("action_process_image_command_line", "xdm.target.process.command_line"),
    ("action_process_os_pid", "xdm.target.process.pid"),
    ("action_process_instance_id", "xdm.target.process.identifier"),
    ("action_process_image_sha256", "xdm.target.process.executable.sha256"),
    ("action_process_image_md5", "xdm.target.process.executable.md5"),
    ("action_process_signature_status", "xdm.target.process.executable.signature_status"),
    ("action_process_signature_vendor", "xdm.target.process.executable.signer"),
    ("action_file_path", "xdm.target.file.path"),
    ("action_file_name", "xdm.target.file.filename"),
    ("action_file_sha256", "xdm.target.file.sha256"),
    ("action_file_md5", "xdm.target.file.md5"),
    ("action_local_ip", "xdm.source.ipv4"),
    ("action_local_ip_v6", "xdm.source.ipv6"),
    ("action_local_port", "xdm.source.port"),
    ("action_remote_ip", "xdm.target.ipv4"),
    ("action_remote_ip_v6", "xdm.target.ipv6"),
    ("action_remote_port", "xdm.target.port"),
    ("action_external_hostname", "xdm.target.host.hostname"),
    ("action_country", "xdm.target.location.country"),
    ("action_registry_key_name", "xdm.target.registry.key"),
    ("action_registry_value_name", "xdm.target.registry.value"),
    ("action_registry_data", "xdm.target.registry.data"),
    ("dns_query_name", "xdm.network.dns.dns_question.name"),
];

/// The canonical names with those in normalised fields, for fixtures.
#[cfg(test)]
pub(crate) fn normalised_names() -> &'static [(&'static str, &'static str)] {
    NORMALISED
}

/// Keys of events begin like this …
const EVENT_PREFIXES: &[&str] =
    &["action_", "actor_", "causality_actor_", "dns_", "dst_", "event_", "fw_", "os_actor_"];
/// … or are one of these. The list is for arrays at the root: there a list of another key is one value.
const EVENT_KEYS: &[&str] = &[
    "association_strength",
    "cluster_name",
    "container_id",
    "container_name",
    "identity_type",
    "image_id",
    "image_name",
    "module_id",
    "namespace",
    "operation_name",
    "story_id",
    "user_agent",
    "user_name",
];

/// Keys of events whose value says something alone, when it cannot be put to an event.
const TELLING: &[&str] = &[
    "action_external_hostname",
    "action_file_name",
    "action_file_path",
    "action_file_sha256",
    "action_local_ip",
    "action_local_ip_v6",
    "action_process_image_name",
    "action_registry_full_key",
    "action_registry_key_name",
    "action_remote_ip",
    "action_remote_ip_v6",
    "dns_query_name",
    "user_name",
];

fn is_event_key(key: &str) -> bool {
    key != "action_pretty"
        && (EVENT_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) || EVENT_KEYS.contains(&key))
}

/// An alert or issue, whatever call it came from.
///
/// ```
/// use cortex_xdr::AlertRecord;
/// let v1 = AlertRecord::read(br#"{"alert_id":"7","events":[{"actor_process_os_pid":996}]}"#)?;
/// let v2 = AlertRecord::read(br#"{"alert_id":7,"events":null,"actor_process_os_pid":[996]}"#)?;
/// for record in [v1, v2] {
///     assert_eq!(record.text("alert_id").as_deref(), Some("7"));
///     assert_eq!(record.events()[0].text("actor_process_os_pid").as_deref(), Some("996"));
/// }
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertRecord {
    root: Map<String, Value>,
    normalised: Map<String, Value>,
    events: Vec<Map<String, Value>>,
    /// How many values the longest array of an event-level key has.
    longest: usize,
}

impl AlertRecord {
    /// Reads an item of any of the listings.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        let mut root: Map<String, Value> = serde_json::from_slice(bytes)?;
        // `get_alerts_by_filter_data` wraps the alert.
        if let Some(Value::Object(inner)) = root.remove("alert_fields") {
            root.extend(inner);
        }
        let normalised = root.remove("normalized_fields").map(object).unwrap_or_default();
        let events = match root.remove("events") {
            Some(Value::Array(items)) => items.into_iter().map(object).filter(|e| !e.is_empty()).collect(),
            _ => Vec::new(),
        };
        let mut record = Self { root, normalised, events, longest: 0 };
        record.longest = record.columns().map(|(_, column)| column.len()).max().unwrap_or_default();
        Ok(record)
    }

    /// The value of a key by its canonical name, in whatever place it stands; null and empty lists
    /// and texts are absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let aliases = ALIASES.iter().find(|(name, _)| *name == key).map_or(&[][..], |(_, others)| others);
        let at_root = std::iter::once(&key).chain(aliases).find_map(|name| told(self.root.get(*name)));
        at_root.or_else(|| {
            let mut names = NORMALISED.iter().filter(|(name, _)| *name == key);
            names.find_map(|(_, name)| told(self.normalised.get(*name)))
        })
    }

    /// Text that says something; of a list the first.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        wire::text(self.get(key)?)
    }

    /// The texts of a list; a lone text is split at commas.
    #[must_use]
    pub fn list(&self, key: &str) -> Vec<String> {
        self.get(key).map(wire::list).unwrap_or_default()
    }

    /// True or false, in any of the forms.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        wire::flag(self.get(key)?)
    }

    /// The events, at least one. Arrays at the root are put together by their index where they have
    /// the same length, or one value for all; [`Self::misaligned`] tells the others.
    #[must_use]
    pub fn events(&self) -> Vec<EventRecord<'_>> {
        if self.events.is_empty() {
            let count = self.slots();
            return (0..count)
                .map(|at| EventRecord { alert: self, place: Place::Slot { at, count } })
                .collect();
        }
        self.events.iter().map(|event| EventRecord { alert: self, place: Place::Object(event) }).collect()
    }

    /// The event-level keys whose arrays have a length of their own, with their values.
    #[must_use]
    pub fn misaligned(&self) -> Vec<(&str, &[Value])> {
        if !self.events.is_empty() {
            return Vec::new();
        }
        let count = self.slots();
        self.columns().filter(|(_, column)| !matches!(column.len(), 0 | 1) && column.len() != count).collect()
    }

    /// What the misaligned arrays hold that says something alone, each value as an event of its own.
    pub(crate) fn strays(&self) -> Vec<EventRecord<'_>> {
        let telling = self.misaligned().into_iter().filter(|(key, _)| TELLING.contains(key));
        telling
            .flat_map(|(key, values)| values.iter().map(move |value| (key, value)))
            .filter_map(|(key, value)| {
                told(Some(value)).map(|value| EventRecord { alert: self, place: Place::Alone { key, value } })
            })
            .collect()
    }

    /// Arrays of event-level keys at the root.
    fn columns(&self) -> impl Iterator<Item = (&str, &[Value])> {
        let lists =
            self.root.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_array()?.as_slice())));
        lists.filter(|(key, _)| is_event_key(key))
    }

    fn slots(&self) -> usize {
        self.longest.max(1)
    }
}

/// An object, also as JSON in a text.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::String(text) => serde_json::from_str(&text).unwrap_or_default(),
        _ => Map::new(),
    }
}

/// A value that says something.
fn told(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    })
}

/// One event of an alert.
#[derive(Clone, Copy, Debug)]
pub struct EventRecord<'a> {
    alert: &'a AlertRecord,
    place: Place<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    /// One value that belongs to no event.
    Alone { key: &'a str, value: &'a Value },
    /// An object of the list `events`.
    Object(&'a Map<String, Value>),
    /// The values with this index, of so many.
    Slot { at: usize, count: usize },
}

impl<'a> EventRecord<'a> {
    /// The alert that it belongs to.
    #[must_use]
    pub fn alert(&self) -> &'a AlertRecord {
        self.alert
    }

    /// The value of an event-level key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        match self.place {
            Place::Alone { key: own, value } => (own == key).then_some(value),
            Place::Object(event) => told(event.get(key)).or_else(|| self.alert.get(key)),
            Place::Slot { at, count } => match self.alert.get(key)? {
                Value::Array(column) if column.len() == 1 => told(column.first()),
                // A normalised field may be a list: it is no column, and its first value stands for it.
                Value::Array(column) if !self.alert.root.contains_key(key) => told(column.first()),
                Value::Array(column) if column.len() == count => told(column.get(at)),
                Value::Array(_) => None,
                scalar => Some(scalar),
            },
        }
    }

    /// Text that says something.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        wire::text(self.get(key)?)
    }

    /// Text as it is, with the blanks around it: command lines are kept to the letter.
    #[must_use]
    pub fn verbatim(&self, key: &str) -> Option<String> {
        wire::scalar(self.get(key)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(value: &Value) -> AlertRecord {
        AlertRecord::read(value.to_string().as_bytes()).unwrap()
    }

    fn column(record: &AlertRecord, key: &str) -> Vec<Option<String>> {
        record.events().iter().map(|event| event.text(key)).collect()
    }

    #[test]
    fn lists_of_equal_length_are_zipped_and_single_values_are_shared() {
        let record = record(
            &json!({"events": null, "action_remote_ip": ["1.1.1.1", "2.2.2.2"], "action_remote_port": [80, null],
            "actor_process_os_pid": [7], "event_type": "Network", "tags": ["a", "b", "c"]}),
        );
        assert_eq!(column(&record, "action_remote_ip"), [Some("1.1.1.1".into()), Some("2.2.2.2".into())]);
        assert_eq!(column(&record, "action_remote_port"), [Some("80".into()), None]);
        assert_eq!(column(&record, "actor_process_os_pid"), [Some("7".into()), Some("7".into())]);
        assert_eq!(column(&record, "event_type"), [Some("Network".into()), Some("Network".into())]);
        assert!(record.misaligned().is_empty() && record.strays().is_empty());
    }

    #[test]
    fn lists_of_other_lengths_are_told_and_not_guessed() {
        let record = record(
            &json!({"action_remote_ip": ["1.1.1.1", "2.2.2.2", "3.3.3.3"], "action_remote_port": [80, 81],
            "dns_query_name": ["a.example", "b.example"]}),
        );
        assert_eq!(record.events().len(), 3);
        assert_eq!(column(&record, "action_remote_port"), [None, None, None]);
        assert_eq!(record.misaligned().len(), 2);
        let alone: Vec<_> = record.strays().iter().filter_map(|e| e.text("dns_query_name")).collect();
        assert_eq!(alone, ["a.example", "b.example"]);
    }

    #[test]
    fn every_name_leads_to_the_value() {
        for value in [
            json!({"alert_id": "7", "source": "XDR BIOC", "local_insert_ts": 5}),
            json!({"alert_fields": {"internal_id": 7, "alert_source": "XDR BIOC", "local_insert_ts": 5}}),
            json!({"id": 7, "detection.method": "XDR BIOC", "_insert_time": "5"}),
        ] {
            let record = record(&value);
            assert_eq!(record.text("alert_id").as_deref(), Some("7"), "{value}");
            assert_eq!(record.text("source").as_deref(), Some("XDR BIOC"));
            assert_eq!(record.text("local_insert_ts").as_deref(), Some("5"));
        }
        let issue = record(&json!({"id": 1, "normalized_fields": "{\"xdm.source.host.hostname\": \"h\"}"}));
        assert_eq!(issue.text("host_name").as_deref(), Some("h"));
    }
}
