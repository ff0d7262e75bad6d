//! Events held against the JSON Schema of OCSF 1.8.0, and against what no schema sees, in 1.3.0 too.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;

use jsonschema::Validator;
use serde_json::Value;

use crate::openapi::file;

/// The classes that are written, with the file of their schema.
const CLASSES: &[(u64, &str)] = &[
    (2002, "vulnerability_finding"),
    (2004, "detection_finding"),
    (2005, "incident_finding"),
    (5001, "inventory_info"),
    (5019, "device_config_state_change"),
    (5020, "software_info"),
    (5021, "osint_inventory_info"),
    (7001, "remediation_activity"),
    (7002, "file_remediation_activity"),
    (7003, "process_remediation_activity"),
    (7004, "network_remediation_activity"),
];

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
        faults.extend(unseen(event, "1.8.0"));
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

/// Attributes that a profile brings, and to which classes; an inventory has its device without one.
const PROFILED: &[(&str, &[&str], &[u64])] = &[
    ("cloud", &["cloud"], &[2002, 2004, 2005, 5001, 5019, 5020, 5021, 7001, 7002, 7003, 7004]),
    ("host", &["device"], &[2004, 7001, 7002, 7003, 7004]),
    ("incident", &["assignee", "verdict_id", "src_url"], &[2002, 2004, 2005]),
    ("security_control", &["action_id", "disposition_id"], &[2002, 2004, 2005]),
];

/// What no schema sees: seconds for milliseconds, a type that is not class and activity, observables that point
/// nowhere, profiles that are not declared.
#[must_use]
pub fn unseen(event: &Value, version: &str) -> Vec<String> {
    let mut faults = Vec::new();
    kinds(event, &mut faults);
    if event.pointer("/metadata/version").and_then(Value::as_str) != Some(version) {
        faults.push("another version".to_owned());
    }
    times(event, "", &mut faults);
    for observable in event["observables"].as_array().into_iter().flatten() {
        if let Some(name) = observable["name"].as_str() {
            let path: Vec<&str> = name.split('.').collect();
            if !reaches(event, &path, &observable["value"]) {
                faults.push(format!("the observable {name} is not there"));
            }
        }
    }
    undeclared(event, version, &mut faults);
    faults
}

fn number(event: &Value, key: &str) -> u64 {
    event[key].as_u64().unwrap_or_default()
}

/// The type is class and activity, in numbers and in words.
fn kinds(event: &Value, faults: &mut Vec<String>) {
    let activity = number(event, "activity_id");
    if number(event, "type_uid") != number(event, "class_uid") * 100 + activity {
        faults.push("type_uid is not class and activity".to_owned());
    }
    let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let says = if activity == 99 { "Other".to_owned() } else { word("activity_name") };
    if word("type_name") != format!("{}: {says}", word("class_name")) {
        faults.push("type_name is not class and activity".to_owned());
    }
}

/// A path passes through lists; it is enough that one item has the value.
fn reaches(at: &Value, path: &[&str], value: &Value) -> bool {
    match (at, path) {
        (Value::Array(items), _) => items.iter().any(|item| reaches(item, path, value)),
        (found, []) => found == value,
        (Value::Object(map), [key, rest @ ..]) => {
            map.get(*key).is_some_and(|next| reaches(next, rest, value))
        }
        _ => false,
    }
}

/// In 1.3.0 there is no profile of incidents, and the device of a vulnerability comes with a profile.
fn undeclared(event: &Value, version: &str, faults: &mut Vec<String>) {
    let class = number(event, "class_uid");
    let old = version == "1.3.0";
    let declared: Vec<&str> = profiles(event).collect();
    for (profile, keys, classes) in PROFILED.iter().filter(|(profile, _, _)| !old || *profile != "incident") {
        let has = classes.contains(&class) || (old && class == 2002 && *profile == "host");
        let used = keys.iter().find(|key| event.get(**key).is_some());
        if let Some(key) = used.filter(|_| has && !declared.contains(profile)) {
            faults.push(format!("{key} without the profile {profile}"));
        }
    }
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

/// Writes an event to `EDR_OCSF_OUT/{what}.jsonl`, where the environment names the folder: for the validator of the
/// published package, which reads them afterwards.
pub fn record(what: &str, event: &Value) {
    let Some(folder) = std::env::var_os("EDR_OCSF_OUT") else { return };
    let path = std::path::Path::new(&folder).join(format!("{what}.jsonl"));
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let mut file = file.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.write_all(format!("{event}\n").as_bytes()).expect("the folder takes it");
}
