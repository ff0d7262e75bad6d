//! An event of 1.8.0 taken back to 1.3.0. What has no place there moves to `unmapped.edr.later`, and is told.

use serde_json::{Map, Value, json};

use crate::version::{Loss, Version};

/// Attributes that came later, each with the attribute that holds its object; the event itself has none.
const LATER: &[(&str, &str)] = &[
    ("", "is_alert"),
    ("", "sbom"),
    ("cve", "related_cwes"),
    ("device", "model"),
    ("device", "vendor_name"),
    ("finding_info", "related_events_count"),
    ("finding_info", "uid_alt"),
    ("finding_info_list", "related_events_count"),
    ("finding_info_list", "uid_alt"),
    ("hw_info", "uuid"),
    ("os", "kernel_release"),
    ("parent_process", "ancestry"),
    ("parent_process", "path"),
    ("policies", "type"),
    ("process", "ancestry"),
    ("process", "path"),
    ("related_events", "type"),
    ("vulnerabilities", "advisory"),
];

/// The profile `incident` came later; in 1.3.0 only Incident Finding has its attributes.
const OF_INCIDENTS: &[&str] = &["assignee", "src_url", "verdict", "verdict_id"];

/// Numbers that came later: they become 99, and the caption beside them stays.
const NUMBERS: &[(&str, &str, std::ops::RangeInclusive<u64>)] = &[
    ("", "action_id", 3..=4),
    ("observables", "type_id", 31..=98),
    ("owner", "type_id", 4..=98),
    ("user", "type_id", 4..=98),
    ("assignee", "type_id", 4..=98),
];

/// Objects whose `hostname` must be made of letters, digits and dashes, and whether they have a `name` beside it.
const HOSTNAMES: &[(&str, bool)] =
    &[("device", true), ("dst_endpoint", true), ("query", false), ("src_endpoint", true)];

const NO_PLACE: &str = "it has no place in 1.3.0";
const NO_HOSTNAME: &str = "1.3.0 takes no such name of a host; it is a name";
const NO_PATH: &str = "1.3.0 wants the path of an observable";
const NO_NUMBER: &str = "1.3.0 has no such value; it is 99 with its word";

/// What is lost, as it is found.
#[derive(Default)]
struct Found {
    losses: Vec<Loss>,
    later: Map<String, Value>,
}

impl Found {
    fn add(&mut self, path: &str, reason: &'static str, value: Value) {
        self.losses.push(Loss { path: path.to_owned(), reason });
        self.later.insert(path.to_owned(), value);
    }
}

pub(crate) fn take_back(event: &mut Map<String, Value>) -> Vec<Loss> {
    let mut found = Found::default();
    let package = event.get("sbom").and_then(|bill| bill.get("package")).cloned();
    object(event, "", "", &mut found);
    observables(event, &mut found);
    match event.get("class_uid").and_then(Value::as_u64) {
        Some(2002) => vulnerabilities(event, &mut found),
        Some(2004) => OF_INCIDENTS.iter().for_each(|key| drop_key(event, key, key, &mut found)),
        Some(5020) => software(event, package, &mut found),
        Some(7001) => detect(event, &mut found),
        _ => {}
    }
    metadata(event);
    found.losses.sort();
    if !found.later.is_empty()
        && let Some(edr) =
            event.get_mut("unmapped").and_then(|u| u.get_mut("edr")).and_then(Value::as_object_mut)
    {
        edr.insert("later".to_owned(), Value::Object(found.later));
    }
    found.losses
}

fn drop_key(map: &mut Map<String, Value>, key: &str, path: &str, found: &mut Found) {
    if let Some(value) = map.remove(key) {
        found.add(path, NO_PLACE, value);
    }
}

fn object(map: &mut Map<String, Value>, holder: &str, at: &str, found: &mut Found) {
    for (_, key) in LATER.iter().filter(|(h, _)| *h == holder) {
        drop_key(map, key, &join(at, key), found);
    }
    for (_, key, later) in NUMBERS.iter().filter(|(h, _, _)| *h == holder) {
        if let Some(number) = map.get_mut(*key)
            && number.as_u64().is_some_and(|n| later.contains(&n))
        {
            let value = std::mem::replace(number, json!(99));
            found.add(&join(at, key), NO_NUMBER, value);
        }
    }
    hostname(map, holder, at, found);
    for (key, value) in map.iter_mut().filter(|(key, _)| *key != "unmapped") {
        inside(value, key, &join(at, key), found);
    }
    match holder {
        "agent_list" => policies(map),
        "finding_info" | "finding_info_list" => titled(map),
        _ => {}
    }
    map.retain(|_, value| !is_nothing(value));
}

/// What has lost all that was in it.
fn is_nothing(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn hostname(map: &mut Map<String, Value>, holder: &str, at: &str, found: &mut Found) {
    let Some((_, has_name)) = HOSTNAMES.iter().find(|(h, _)| *h == holder) else { return };
    let Some(name) = map.get("hostname").and_then(Value::as_str).map(str::to_owned) else { return };
    if name.split('.').all(is_label) {
        return;
    }
    map.remove("hostname");
    if *has_name && !map.contains_key("name") {
        map.insert("name".to_owned(), json!(name));
    }
    found.add(&join(at, "hostname"), NO_HOSTNAME, json!(name));
}

fn is_label(label: &str) -> bool {
    let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    !label.is_empty() && inner && !label.starts_with('-') && !label.ends_with('-')
}

/// A finding has a title there; its id stands in.
fn titled(info: &mut Map<String, Value>) {
    if !info.contains_key("title")
        && let Some(uid) = info.get("uid").cloned()
    {
        info.insert("title".to_owned(), uid);
    }
}

/// An observable has the path there at which it stands; what stands nowhere, or no longer, is left out.
fn observables(event: &mut Map<String, Value>, found: &mut Found) {
    let Some(Value::Array(all)) = event.remove("observables") else { return };
    let mut kept = Vec::new();
    for (n, observable) in all.into_iter().enumerate() {
        let name = observable.get("name").and_then(Value::as_str);
        if name.is_some_and(|name| !found.later.contains_key(name)) {
            kept.push(observable);
        } else {
            found.add(&format!("observables.{n}"), NO_PATH, observable);
        }
    }
    if !kept.is_empty() {
        event.insert("observables".to_owned(), Value::Array(kept));
    }
}

fn inside(value: &mut Value, holder: &str, at: &str, found: &mut Found) {
    match value {
        Value::Object(map) => object(map, holder, at, found),
        Value::Array(items) => {
            for (n, item) in items.iter_mut().enumerate() {
                inside(item, holder, &format!("{at}.{n}"), found);
            }
            items.retain(|item| !is_nothing(item));
        }
        _ => {}
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

/// A policy of which only the type was known has nothing left that names it.
fn policies(agent: &mut Map<String, Value>) {
    let Some(Value::Array(policies)) = agent.get_mut("policies") else { return };
    policies.retain(|policy| policy.get("uid").or_else(|| policy.get("name")).is_some());
    if policies.is_empty() {
        agent.remove("policies");
    }
}

/// A vulnerability must have a CVE there, so that the label of an advisory stands in its place.
fn vulnerabilities(event: &mut Map<String, Value>, found: &mut Found) {
    for item in event.get_mut("vulnerabilities").and_then(Value::as_array_mut).into_iter().flatten() {
        let uid = found.later.get("vulnerabilities.0.advisory").and_then(|a| a.get("uid")).cloned();
        if let (Some(uid), Some(map)) = (uid, item.as_object_mut()) {
            map.insert("cve".to_owned(), json!({ "uid": uid }));
        }
    }
    if event.get("status_id") == Some(&json!(5)) {
        event.insert("status_id".to_owned(), json!(99));
        found.add("status_id", NO_NUMBER, json!(5));
    }
    // There the device of a finding comes with the profile.
    if event.contains_key("device")
        && let Some(metadata) = event.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("profiles".to_owned(), json!(["host"]));
    }
}

/// A package is wanted there, with a version even where none is known; and a product has a maker.
fn software(event: &mut Map<String, Value>, package: Option<Value>, found: &mut Found) {
    let product = event.get("product");
    let name = product.and_then(|p| p.get("name")).cloned().unwrap_or_else(|| json!(""));
    if product.is_some_and(|p| p.get("vendor_name").is_none()) {
        drop_key(event, "product", "product", found);
    }
    event.insert("package".to_owned(), package.unwrap_or_else(|| json!({ "name": name, "version": "" })));
}

/// The activity Detect came later.
fn detect(event: &mut Map<String, Value>, found: &mut Found) {
    if event.get("activity_id") != Some(&json!(5)) {
        return;
    }
    event.insert("activity_id".to_owned(), json!(99));
    event.insert("type_uid".to_owned(), json!(700_199));
    event.insert("type_name".to_owned(), json!("Remediation Activity: Other"));
    found.add("activity_id", NO_NUMBER, json!(5));
}

fn metadata(event: &mut Map<String, Value>) {
    let Some(metadata) = event.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    metadata.insert("version".to_owned(), json!(Version::V1_3_0.as_str()));
    if let Some(Value::Array(profiles)) = metadata.get_mut("profiles") {
        profiles.retain(|profile| profile != "incident");
        if profiles.is_empty() {
            metadata.remove("profiles");
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use edr_core::{Alert, Application, Deed, Host, HostRef, ResponseAction, Vulnerability};
    use edr_core::{User, Verdict, VulnerabilityStatus};

    use crate::{Event, Version, Writer};

    fn older() -> Writer {
        Writer::new(DateTime::UNIX_EPOCH).version(Version::V1_3_0)
    }

    fn paths(event: &Event) -> Vec<&str> {
        event.losses().iter().map(|loss| loss.path.as_str()).collect()
    }

    #[test]
    fn what_is_lost_is_told_and_kept_aside() {
        let mut host = Host::new("falcon", "acme", "0f3a", "{}");
        (host.model, host.manufacturer) = (Some("XPS".into()), Some("Dell".into()));
        host.os.kernel = Some("6.1".into());
        let event = older().host(&host);
        assert_eq!(paths(&event), ["device.model", "device.os.kernel_release", "device.vendor_name"]);
        assert!(event.as_map()["device"].get("model").is_none());
        assert_eq!(event.as_map()["unmapped"]["edr"]["later"]["device.model"], "XPS");
        assert_eq!(event.as_map()["metadata"]["version"], "1.3.0");
    }

    #[test]
    fn the_work_on_an_alert_has_no_place() {
        let mut alert = Alert::new("falcon", "acme", "1", "{}");
        alert.verdict = Verdict::Benign;
        alert.action = edr_core::Action::Observed;
        alert.assignee = Some(User { name: Some("ann".into()), ..User::default() });
        let event = older().alert(&alert);
        assert_eq!(paths(&event), ["action_id", "assignee", "is_alert", "verdict", "verdict_id"]);
        assert_eq!(event.as_map()["action_id"], 99);
        assert_eq!(event.as_map()["action"], "Observed");
        assert_eq!(event.as_map()["metadata"]["profiles"], serde_json::json!(["security_control"]));
    }

    #[test]
    fn a_hostname_that_is_none_there_is_a_name() {
        let mut host = Host::new("falcon", "acme", "0f3a", "{}");
        host.hostname = "web_01".into();
        let event = older().host(&host);
        assert_eq!(paths(&event), ["device.hostname", "observables.0"]);
        assert_eq!(event.as_map()["device"]["name"], "web_01");
        for (name, good) in [("ANN-NB01.corp.example", true), ("", false), ("-a", false), ("a..b", false)] {
            assert_eq!(name.split('.').all(super::is_label), good, "{name}");
        }
    }

    #[test]
    fn a_case_has_titles_and_no_observables() {
        let mut case = edr_core::Case::new("falcon", "acme", "7", "{}");
        case.alert_uids = vec!["a1".into()];
        case.users = vec![User { name: Some("ann".into()), ..User::default() }];
        let event = older().case(&case);
        assert_eq!(event.as_map()["finding_info_list"][1]["title"], "a1");
        assert_eq!(paths(&event), ["observables.0"]);
        assert!(event.as_map().get("observables").is_none());
    }

    #[test]
    fn an_advisory_stands_in_for_a_cve() {
        let mut found = Vulnerability::new("falcon", "acme", "1", "{}");
        found.name = "MSRC-1".into();
        found.status = VulnerabilityStatus::Expired;
        found.host.hostname = Some("ANN".into());
        let event = older().vulnerability(&found);
        assert_eq!(paths(&event), ["status_id", "vulnerabilities.0.advisory"]);
        assert_eq!(event.as_map()["vulnerabilities"][0]["cve"]["uid"], "MSRC-1");
        assert_eq!(event.as_map()["metadata"]["profiles"], serde_json::json!(["host"]));
    }

    #[test]
    fn an_application_is_a_package_and_a_scan_another_activity() {
        let mut application = Application::new("falcon", "acme", "1", "{}");
        (application.name, application.version) = ("curl".into(), Some("8.1".into()));
        let event = older().application(&application);
        assert_eq!(event.as_map()["package"]["version"], "8.1");
        assert_eq!(paths(&event), ["product", "sbom"]);
        let scan = ResponseAction::Scan { paths: Vec::new() };
        let deed = Deed::new("falcon", "acme", "op", scan, HostRef::default(), DateTime::UNIX_EPOCH);
        let event = older().deed(&deed);
        assert_eq!(
            (paths(&event), event.as_map()["type_uid"].as_u64()),
            (vec!["activity_id"], Some(700_199))
        );
    }
}
