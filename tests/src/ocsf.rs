//! Events held against the JSON Schema of OCSF 1.8.0, and against what no schema sees.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::openapi::file;

/// The classes that are written, with the file of their schema.
const CLASSES: &[(u64, &str)] = &[(2004, "detection_finding"), (5001, "inventory_info")];

/// The schemas: of each class one with the profile `cloud` and one without.
#[derive(Debug)]
pub struct Schemas(Mutex<BTreeMap<(u64, bool), Validator>>);

impl Schemas {
    /// The schemas, if the environment names their folder; says aloud when it does not.
    #[must_use]
    pub fn load() -> Option<Self> {
        let mut all = BTreeMap::new();
        for (class, name) in CLASSES {
            let schema = file(&format!("ocsf-1.8.0-jsonschema/{name}.json"))?;
            for cloud in [true, false] {
                let validator = jsonschema::validator_for(&with_cloud(schema.clone(), cloud));
                all.insert((*class, cloud), validator.expect("the schema is one"));
            }
        }
        Some(Self(Mutex::new(all)))
    }

    /// What is wrong with an event.
    #[must_use]
    pub fn faults(&self, event: &Value) -> Vec<String> {
        let class = event["class_uid"].as_u64().unwrap_or_default();
        let cloud = profiles(event).any(|p| p == "cloud");
        let schemas = self.0.lock().expect("no test has panicked here");
        let Some(validator) = schemas.get(&(class, cloud)) else { return vec![format!("no class {class}")] };
        let mut faults: Vec<String> =
            validator.iter_errors(event).map(|e| format!("{}: {e}", e.instance_path())).collect();
        faults.extend(unseen(event));
        faults
    }
}

/// The schemas were made with all their profiles; without `cloud` its attribute is neither wanted nor allowed.
fn with_cloud(mut schema: Value, cloud: bool) -> Value {
    if !cloud {
        if let Some(required) = schema["required"].as_array_mut() {
            required.retain(|key| key != "cloud");
        }
        if let Some(properties) = schema["properties"].as_object_mut() {
            properties.remove("cloud");
        }
    }
    schema
}

fn profiles(event: &Value) -> impl Iterator<Item = &str> {
    event
        .pointer("/metadata/profiles")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Attributes that a profile brings.
const PROFILED: &[(&str, &[&str])] = &[
    ("host", &["device"]),
    ("incident", &["assignee", "verdict_id", "src_url"]),
    ("security_control", &["action_id", "disposition_id"]),
];

/// What no schema sees: seconds for milliseconds, a type that is not class and activity, captions that do not
/// belong to their numbers, observables that point nowhere, profiles that are not declared.
#[must_use]
pub fn unseen(event: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let number = |key: &str| event[key].as_u64().unwrap_or_default();
    if number("type_uid") != number("class_uid") * 100 + number("activity_id") {
        faults.push("type_uid is not class and activity".to_owned());
    }
    if event.pointer("/metadata/version").and_then(Value::as_str) != Some("1.8.0") {
        faults.push("another version".to_owned());
    }
    times(event, "", &mut faults);
    for observable in event["observables"].as_array().into_iter().flatten() {
        if let Some(name) = observable["name"].as_str() {
            let path = format!("/{}", name.replace('.', "/"));
            if event.pointer(&path).is_none_or(|found| *found != observable["value"]) {
                faults.push(format!("the observable {name} is not there"));
            }
        }
    }
    let declared: Vec<&str> = profiles(event).collect();
    // In the inventory the device is an attribute of the class.
    let finding = number("class_uid") == 2004;
    for (profile, keys) in PROFILED.iter().filter(|(p, _)| finding || *p != "host") {
        let used = keys.iter().find(|key| event.get(**key).is_some());
        if let Some(key) = used.filter(|_| !declared.contains(profile)) {
            faults.push(format!("{key} without the profile {profile}"));
        }
    }
    faults
}

/// Every time lies between 2000 and a day from when this was written to be run, in milliseconds.
fn times(value: &Value, at: &str, faults: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().filter(|(key, _)| *key != "unmapped").for_each(|(key, value)| {
            time(key, value, at, faults);
            times(value, &format!("{at}.{key}"), faults);
        }),
        Value::Array(items) => items.iter().for_each(|item| times(item, at, faults)),
        _ => {}
    }
}

const FIRST: i64 = 946_684_800_000;
const LAST: i64 = 4_102_444_800_000;

fn time(key: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
    let is_time = key == "time" || key.ends_with("_time");
    if is_time && !value.as_i64().is_some_and(|t| (FIRST..LAST).contains(&t)) {
        faults.push(format!("{at}.{key} is no time in milliseconds: {value}"));
    }
}

/// Every key of an object, for those who take some away.
#[must_use]
pub fn keys(map: &Map<String, Value>) -> Vec<String> {
    map.keys().cloned().collect()
}
