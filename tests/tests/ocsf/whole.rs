//! Nothing of the model gets lost: what the standard has no attribute for is in `unmapped`.

use std::collections::BTreeSet;

use chrono::DateTime;
use edr_ocsf::{Event, Version, Writer};
use serde::Serialize;
use serde_json::Value;

use crate::{model, nouns};

/// Words that become numbers and captions of the standard, and the vendor's JSON, which is there on request.
const TRANSLATED: &[&str] = &[
    "action",
    "direction",
    "disposition",
    "fate",
    "kind",
    "platform",
    "process",
    "raw",
    "severity",
    "standing",
    "status",
    "type",
    "vendor",
    "verdict",
];

/// Texts and numbers, each with its path.
fn leaves(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            if value.is_object() || value.is_array() || !TRANSLATED.contains(&key.as_str()) {
                leaves(value, &format!("{at}.{key}"), found);
            }
        }),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, at, found)),
        Value::String(text) => found.push((at.to_owned(), text.clone())),
        Value::Number(number) => found.push((at.to_owned(), number.to_string())),
        Value::Bool(_) | Value::Null => {}
    }
}

/// What a text may look like in an event: itself, a time in milliseconds, a tag with its source.
fn forms(text: &str) -> Vec<String> {
    let time = DateTime::parse_from_rfc3339(text).ok().map(|t| t.timestamp_millis().to_string());
    std::iter::once(text.to_owned()).chain(time).collect()
}

fn missing(item: &impl Serialize, event: Event) -> Vec<String> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut item = serde_json::to_value(item).expect("the model is JSON");
    if let Some(map) = item.as_object_mut() {
        map.remove("raw");
    }
    leaves(&item, "", &mut ours);
    let event = event.into_value();
    all(&event, &mut theirs);
    let theirs: BTreeSet<String> = theirs.into_iter().collect();
    let there = |text: &String| forms(text).iter().any(|form| theirs.contains(form));
    let parts: Vec<&String> =
        theirs.iter().filter(|text| text.contains('/') || text.contains('\n')).collect();
    let within = |text: &String| parts.iter().any(|whole| whole.split(['/', '\n']).any(|part| part == text));
    let lost = ours.into_iter().filter(|(_, text)| !there(text) && !within(text));
    lost.map(|(path, text)| format!("{path}: {text}")).collect()
}

fn all(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|v| all(v, found)),
        Value::Array(items) => items.iter().for_each(|v| all(v, found)),
        Value::String(text) => found.push(text.clone()),
        other => found.push(other.to_string()),
    }
}

#[test]
fn every_value_of_the_model_is_in_its_event() {
    for version in [Version::V1_8_0, Version::V1_3_0] {
        let w = Writer::new(DateTime::UNIX_EPOCH).version(version);
        let (host, alert, case) = (model::full_host(), model::full_alert(), nouns::full_case());
        assert_eq!(missing(&host, w.host(&host)), Vec::<String>::new(), "{version}");
        assert_eq!(missing(&alert, w.alert(&alert)), Vec::<String>::new(), "{version}");
        assert_eq!(missing(&case, w.case(&case)), Vec::<String>::new(), "{version}");
        let found = nouns::full_vulnerability();
        assert_eq!(missing(&found, w.vulnerability(&found)), Vec::<String>::new(), "{version}");
        let application = nouns::full_application();
        assert_eq!(missing(&application, w.application(&application)), Vec::<String>::new(), "{version}");
        let change = nouns::full_change();
        assert_eq!(missing(&change, w.containment(&change)), Vec::<String>::new(), "{version}");
        let ioc = nouns::full_ioc();
        if let Ok(event) = w.ioc(&ioc) {
            assert_eq!(missing(&ioc, event), Vec::<String>::new(), "{version}");
        }
        for deed in nouns::deeds() {
            let lost = missing(&deed, w.deed(&deed));
            // A parameter of a script may be a secret.
            assert!(lost.iter().all(|path| path == ".action.args: hunter2"), "{version}: {lost:?}");
        }
    }
}

/// A host that nothing names is in no `device`, and a cloud without a provider in no profile.
#[test]
fn what_an_alert_knows_of_a_host_without_a_name_is_there() {
    let mut alert = model::full_alert();
    let device = alert.device.as_deref_mut().expect("there is one");
    (device.name, device.ip) = (None, None);
    device.uid.clear();
    device.hostname.clear();
    for interface in &mut device.network_interfaces {
        interface.ip = None;
    }
    device.domain = Some("only.example".to_owned());
    device.owner_email = Some("only@corp.example".to_owned());
    let cloud = device.cloud.as_mut().expect("there is one");
    (cloud.provider, cloud.instance_uid) = (None, None);
    for version in [Version::V1_8_0, Version::V1_3_0] {
        let event = Writer::new(DateTime::UNIX_EPOCH).version(version).alert(&alert);
        assert!(!event.as_map().contains_key("device") && !event.as_map().contains_key("cloud"));
        let device = &event.as_map()["unmapped"]["edr"]["device"];
        assert_eq!((&device["type"], &device["os"]["type"]), (&"laptop".into(), &"windows".into()));
        assert_eq!(missing(&alert, event), Vec::<String>::new(), "{version}");
    }
    let mut host = model::full_host();
    host.cloud.as_mut().expect("there is one").provider = None;
    assert_eq!(missing(&host, Writer::new(DateTime::UNIX_EPOCH).host(&host)), Vec::<String>::new());
}

/// A field that nobody reads may hold bytes that are no text.
#[test]
fn the_vendors_json_is_there_even_when_it_is_no_text() {
    let mut host = model::full_host();
    host.raw = edr_core::Raw::new(&b"{\"a\":\"x\xff\"}"[..]);
    let event = Writer::new(DateTime::UNIX_EPOCH).with_raw().host(&host);
    assert_eq!(event.as_map()["raw_data"], "{\"a\":\"x\u{fffd}\"}");
    let document = edr_ocsf::ecs::host(&host, DateTime::UNIX_EPOCH).with_original(&host.raw);
    assert_eq!(document.field("event.original"), Some(&"{\"a\":\"x\u{fffd}\"}".into()));
}

/// The check above sees what is not there.
#[test]
fn a_value_that_is_left_out_is_seen() {
    let mut host = model::full_host();
    let event = Writer::new(DateTime::UNIX_EPOCH).host(&host);
    host.site = Some("a site that the event does not know".to_owned());
    assert_eq!(missing(&host, event), [".site: a site that the event does not know"]);
}
