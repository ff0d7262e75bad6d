//! Installation packages, users and their roles.
//!
//! Facts: cortex-xdr-api sections 6.6 and 6.7.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Call;
use super::desk::{load, note, save, text, texts};
use super::envelope::{Answer, Refusal, Reply};
use super::paging::Window;
use crate::estate::alert::analysts;

const PACKAGES: &str = "packages";
const ROLES: &str = "roles";

/// A page of rows with the usual names.
fn page(call: &Call<'_>, rows: &[Value]) -> Answer {
    let window = Window::parse(&call.data)?;
    let part = window.slice(rows);
    Reply::of(&json!({"total_count": rows.len(), "result_count": part.len(), "data": part}))
}

const VERSIONS: [&str; 2] = ["8.4.0.51588", "8.5.0.38472"];

/// `POST distributions/get_versions`.
pub(super) fn versions(_: &Call<'_>) -> Answer {
    Reply::of(&json!({"windows": VERSIONS, "linux": VERSIONS, "macos": VERSIONS}))
}

/// `POST distributions/create`.
pub(super) fn create(call: &Call<'_>) -> Answer {
    let (name, kind) = (text(call, "name")?, text(call, "package_type")?);
    let version = call.data.get("agent_version").and_then(Value::as_str);
    let upgrades = ["windows_version", "linux_version", "macos_version"];
    let good = match kind {
        "standalone" => version.is_some_and(|v| VERSIONS.contains(&v)) || call.data["platform"] == "android",
        "upgrade" => upgrades.iter().any(|key| call.data.get(*key).is_some()),
        _ => false,
    };
    if !good {
        return Err(Refusal::invalid("package_type and the versions do not fit"));
    }
    let _turn = call.turn();
    let mut all: Vec<Value> = load(call.estate(), PACKAGES);
    let id =
        crate::estate::hash::hex32(crate::estate::hash::mix2(call.estate().tag() ^ 0xD157, all.len() as u64));
    let package = json!({
        "distribution_id": id, "name": name, "package_type": kind, "platform": call.data.get("platform"),
        "agent_version": version, "description": call.data.get("description"), "since": call.estate().clock().now_ms(),
    });
    note(call, &id, Value::Null, package.clone());
    all.push(package);
    save(call.estate(), PACKAGES, &all);
    Reply::of(&json!({"distribution_id": id}))
}

fn package(call: &Call<'_>) -> Result<Value, Refusal> {
    let id = text(call, "distribution_id")?;
    let all: Vec<Value> = load(call.estate(), PACKAGES);
    let absent = || Refusal::business("No distribution was found for the given distribution_id", json!(id));
    all.into_iter().find(|package| package["distribution_id"] == id).ok_or_else(absent)
}

fn state(call: &Call<'_>, package: &Value) -> &'static str {
    let spent = call.estate().clock().now_ms() - package["since"].as_i64().unwrap_or_default();
    if spent >= call.estate().sensor_delay_ms() { "Completed" } else { "In Progress" }
}

/// `POST distributions/get_status`.
pub(super) fn status(call: &Call<'_>) -> Answer {
    Reply::of(&json!({"status": state(call, &package(call)?)}))
}

/// `POST distributions/get_dist_url`.
pub(super) fn url(call: &Call<'_>) -> Answer {
    let (package, form) = (package(call)?, text(call, "package_type")?);
    if state(call, &package) != "Completed" {
        return Err(Refusal::business("The distribution is still in progress", Value::Null));
    }
    let id = package["distribution_id"].as_str().unwrap_or_default();
    Reply::of(
        &json!({"distribution_url": format!("http://{}/public_api/v1/download/{id}.{form}", call.host)}),
    )
}

/// Whether a download's name is that of a package that is done, with its form.
pub(super) fn is_package(call: &Call<'_>, name: &str) -> bool {
    let all: Vec<Value> = load(call.estate(), PACKAGES);
    let id = name.rsplit_once('.').map_or(name, |(id, _)| id);
    all.iter().any(|package| package["distribution_id"] == id && state(call, package) == "Completed")
}

/// `POST distributions/get_distributions`.
pub(super) fn list(call: &Call<'_>) -> Answer {
    let mut all: Vec<Value> = load(call.estate(), PACKAGES);
    for package in &mut all {
        package["status"] = json!(state(call, package));
    }
    page(call, &all)
}

/// `POST distributions/delete`.
pub(super) fn delete(call: &Call<'_>) -> Answer {
    let gone = package(call)?;
    let _turn = call.turn();
    let mut all: Vec<Value> = load(call.estate(), PACKAGES);
    all.retain(|package| package["distribution_id"] != gone["distribution_id"]);
    save(call.estate(), PACKAGES, &all);
    note(call, gone["distribution_id"].as_str().unwrap_or_default(), gone.clone(), Value::Null);
    Reply::of(&true)
}

/// The role of each user: given by a call, else that of everybody.
fn role_of(given: &BTreeMap<String, String>, email: &str) -> Option<String> {
    match given.get(email) {
        Some(role) => Some(role.clone()).filter(|role| !role.is_empty()),
        None => Some("Viewer".to_owned()),
    }
}

/// `POST rbac/get_users`: a list.
pub(super) fn users(call: &Call<'_>) -> Answer {
    let given: BTreeMap<String, String> = load(call.estate(), ROLES);
    let user = |who: &crate::estate::alert::Analyst| {
        let (first, last) = who.name.split_once(' ').unwrap_or((who.name.as_str(), ""));
        json!({"user_email": who.email, "user_first_name": first, "user_last_name": last, "role_name": role_of(&given, &who.email),
            "last_logged_in": call.estate().clock().start_ms(), "user_type": "CSP", "groups": ["SOC"], "scope": []})
    };
    Reply::of(&analysts(call.estate()).iter().map(user).collect::<Vec<_>>())
}

const KNOWN_ROLES: [&str; 4] =
    ["Instance Administrator", "Privileged Responder", "Privileged Investigator", "Viewer"];

/// `POST rbac/get_roles`: a list of lists (facts 6.7).
pub(super) fn roles(call: &Call<'_>) -> Answer {
    let names = texts(call, "role_names")?;
    if let Some(unknown) = names.iter().find(|name| !KNOWN_ROLES.contains(&name.as_str())) {
        return Err(Refusal::business(format!("Role {unknown} does not exist"), Value::Null));
    }
    let role = |name: &String| json!([{"pretty_name": name, "description": "", "permissions": ["ALERTS_VIEW"], "users": [], "groups": ["SOC"], "tags": null}]);
    Reply::of(&names.iter().map(role).collect::<Vec<_>>())
}

/// `POST rbac/get_user_group`.
pub(super) fn groups(call: &Call<'_>) -> Answer {
    let names = texts(call, "group_names")?;
    if let Some(unknown) = names.iter().find(|name| *name != "SOC") {
        return Err(Refusal::business(format!("Group {unknown} does not exist"), Value::Null));
    }
    let mails: Vec<String> = analysts(call.estate()).into_iter().map(|who| who.email).collect();
    Reply::of(
        &json!([{"group_name": "SOC", "description": "", "pretty_name": "Viewer", "user_email": mails}]),
    )
}

/// `POST rbac/set_user_role`: an empty name takes the role away.
pub(super) fn set_role(call: &Call<'_>) -> Answer {
    let (emails, known) = (texts(call, "user_emails")?, analysts(call.estate()));
    let role = call.data.get("role_name").and_then(Value::as_str).unwrap_or_default();
    if !role.is_empty() && !KNOWN_ROLES.contains(&role) {
        return Err(Refusal::business(format!("Role {role} does not exist"), Value::Null));
    }
    if let Some(stranger) = emails.iter().find(|email| known.iter().all(|who| who.email != **email)) {
        return Err(Refusal::business(format!("User {stranger} was not found"), Value::Null));
    }
    let _turn = call.turn();
    let mut given: BTreeMap<String, String> = load(call.estate(), ROLES);
    for email in &emails {
        note(call, email, json!({"role": role_of(&given, email)}), json!({"role": role}));
        given.insert(email.clone(), role.to_owned());
    }
    save(call.estate(), ROLES, &given);
    Reply::of(&json!({"update_count": emails.len().to_string()}))
}
