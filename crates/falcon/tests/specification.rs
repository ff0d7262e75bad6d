//! Every endpoint of the crate stands in the published specification as it is used, and in
//! `docs/FALCON.md`; `EDR_BLESS=1` writes the page's tables anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use falcon::api::{ENDPOINTS, Endpoint, Paging, required_scopes, scope_identifier};
use serde_json::Value;

/// The specification; without one the test says that it skips, and in CI it fails.
fn specification() -> Option<Value> {
    let Some(folder) = std::env::var_os("EDR_SPECS_DIR") else {
        assert!(std::env::var("CI").is_err(), "EDR_SPECS_DIR is not set");
        println!("skipped: EDR_SPECS_DIR is not set");
        return None;
    };
    let bytes = std::fs::read(PathBuf::from(folder).join("falcon-openapi-reconstructed.json")).unwrap();
    Some(serde_json::from_slice(&bytes).unwrap())
}

/// The parameters of an operation: name, place, and whether it is required.
fn parameters(operation: &Value) -> Vec<(&str, &str, bool)> {
    let all = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |p: &'_ Value| p["required"].as_bool().unwrap_or_default();
    all.iter().map(|p| (p["name"].as_str().unwrap(), p["in"].as_str().unwrap(), one(p))).collect()
}

/// What is wrong with an endpoint, by the specification.
fn faults(spec: &Value, endpoint: &Endpoint) -> Vec<String> {
    let verb = endpoint.verb.method().as_str().to_lowercase();
    let operation = &spec["paths"][endpoint.path][verb.as_str()];
    if operation.is_null() {
        return vec![format!("there is no {verb} {}", endpoint.path)];
    }
    let mut out = Vec::new();
    if operation["operationId"] != endpoint.name {
        out.push(format!("it is called {}", operation["operationId"]));
    }
    let known = parameters(operation);
    for name in endpoint.query {
        if !known.contains(&(name, "query", true)) && !known.contains(&(name, "query", false)) {
            out.push(format!("it has no parameter {name}"));
        }
    }
    for (name, _, _) in known.iter().filter(|(_, place, required)| *place == "query" && *required) {
        if !endpoint.query.contains(name) {
            out.push(format!("it requires {name}"));
        }
    }
    let has_body = known.iter().any(|(_, place, _)| matches!(*place, "body" | "form" | "formData"));
    if has_body != endpoint.body {
        out.push(format!("a body: {has_body}"));
    }
    let page = known.iter().any(|(name, _, _)| *name == "limit");
    if page
        && endpoint.query.contains(&"limit")
        && endpoint.paging == Paging::Single
        && endpoint.max_ids.is_none()
    {
        out.push("it has pages".to_owned());
    }
    out.extend(actions(operation, endpoint));
    out
}

/// Where the specification lists the actions, ours are those.
fn actions(operation: &Value, endpoint: &Endpoint) -> Option<String> {
    let all = operation["parameters"].as_array()?;
    let listed = all.iter().find(|p| p["name"] == "action_name")?["enum"].as_array()?;
    let unknown = endpoint.actions.iter().find(|a| !listed.iter().any(|l| l == *a));
    unknown.map(|a| format!("it has no action {a}"))
}

/// The console's word for each scope of the 2023 swagger.
const SCOPES: &[(&str, &str)] = &[
    ("alerts", "Alerts"),
    ("devices", "Hosts"),
    ("discover", "Assets"),
    ("host-group", "Host groups"),
    ("installation-tokens", "Installation tokens"),
    ("installation-tokens-settings", "Installation tokens settings"),
    ("ioc", "IOC Management"),
    ("ml-exclusions", "ML Exclusions"),
    ("mssp", "Flight Control"),
    ("ods", "On-demand scans (ODS)"),
    ("prevention-policies", "Prevention policies"),
    ("quarantine", "Quarantined Files"),
    ("real-time-response", "Real time response"),
    ("real-time-response-admin", "Real time response (admin)"),
    ("response-policies", "Response policies"),
    ("self-service-ioa-exclusions", "IOA Exclusions"),
    ("sensor-installers", "Sensor Download"),
    ("sensor-update-policies", "Sensor update policies"),
    ("sensor-visibility-exclusions", "Sensor Visibility Exclusions"),
    ("spotlight-vulnerabilities", "Vulnerabilities"),
    ("streaming", "Event streams"),
    ("usermgmt", "User management"),
    ("zero-trust-assessment", "Zero Trust Assessment"),
];

fn scope_fault(spec: &Value, endpoint: &Endpoint) -> Option<String> {
    let verb = endpoint.verb.method().as_str().to_lowercase();
    let scope = spec["paths"][endpoint.path][verb.as_str()]["x-scope-2023"][0].as_str()?;
    let (id, access) = scope.split_once(':')?;
    let (_, word) = SCOPES.iter().find(|(known, _)| *known == id)?;
    let expected = format!("{word}: {access}");
    (endpoint.scope != expected).then(|| format!("{}: its scope is {expected}", endpoint.name))
}

#[test]
fn every_endpoint_is_in_the_specification() {
    let Some(spec) = specification() else { return };
    let wrong: BTreeMap<&str, Vec<String>> =
        ENDPOINTS.iter().map(|e| (e.name, faults(&spec, e))).filter(|(_, f)| !f.is_empty()).collect();
    assert_eq!(wrong, BTreeMap::new());
}

#[test]
fn every_scope_is_the_specifications() {
    let Some(spec) = specification() else { return };
    let wrong: Vec<String> = ENDPOINTS.iter().filter_map(|e| scope_fault(&spec, e)).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn the_check_can_fail() {
    let Some(mut spec) = specification() else { return };
    let endpoint = &falcon::api::hosts::QUERY;
    assert_eq!(faults(&spec, endpoint), [""; 0]);
    let operation = &mut spec["paths"][endpoint.path]["get"];
    operation["operationId"] = "Other".into();
    operation["parameters"] = serde_json::json!([{"name": "id", "in": "query", "required": true}]);
    assert_eq!(faults(&spec, endpoint).len(), 1 + endpoint.query.len() + 1);
}

fn limits(endpoint: &Endpoint) -> String {
    let page = endpoint.max_page.map(|n| format!("{n} rows"));
    let cap = match endpoint.paging {
        Paging::Offset { cap: Some(cap) } => Some(format!("offset + limit < {cap}")),
        _ => None,
    };
    let ids = endpoint.max_ids.map(|n| format!("{n} ids"));
    page.into_iter().chain(cap).chain(ids).collect::<Vec<_>>().join(", ")
}

fn row(endpoint: &Endpoint) -> String {
    let kind = if endpoint.idempotent { "" } else { "once" };
    let actions = endpoint.actions.join(" ");
    let scope = if endpoint.scope.is_empty() { "none" } else { endpoint.scope };
    format!(
        "| `{}` | {} `{}` | {scope} | {} | {} | {kind} | {actions} |\n",
        endpoint.name,
        endpoint.verb.method(),
        endpoint.path,
        endpoint.paging.as_str(),
        limits(endpoint),
    )
}

fn tables() -> String {
    let mut out = "| operation | method and path | scope | pages | limits | sent | actions |\n".to_owned();
    out.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    ENDPOINTS.iter().for_each(|e| out.push_str(&row(e)));
    let all: Vec<_> = ENDPOINTS.iter().map(|e| &e.operation).collect();
    out.push_str("\n## Scopes\n\nAll of them together:\n\n");
    for scope in required_scopes(&all) {
        let id = scope_identifier(scope).map_or(String::new(), |id| format!(" (`{id}`)"));
        let _ = writeln!(out, "- {scope}{id}");
    }
    out
}

const MARK: &str = "<!-- What follows is written by crates/falcon/tests/specification.rs. -->\n\n";

#[test]
fn the_page_tells_what_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/FALCON.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, _) = page.split_once(MARK).unwrap();
    let whole = format!("{head}{MARK}{}", tables());
    if std::env::var("EDR_BLESS").is_ok_and(|v| v == "1") {
        std::fs::write(&path, whole).unwrap();
        return;
    }
    assert!(page == whole, "docs/FALCON.md is not what the table says: run this test with EDR_BLESS=1");
}
