//! Prevention, sensor update and response policies: one set of verbs for three kinds (falcon-api section 7).

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::envelope::{ApiError, Envelope};
use super::fql::{Dialect, Filter, Kind};
use super::groups::{Group, ids_of};
use super::groups_api;
use super::guard::Context;
use super::hosts_list::Refused;
use super::render_host::{platform, render};
use super::things::{
    Ask, Kept, Style, bad, by_id, new_id, no_method, now, page, refuse, service, texts, then,
};
use super::view::{HOSTS, HostView};
use super::writer::items;
use crate::estate::hash::{hex32, mix_str};
use crate::state::SimState;

const SERVICE: &str = "policy-api";
const PLATFORMS: [&str; 3] = ["Windows", "Mac", "Linux"];
const LEVELS: [&str; 5] = ["DISABLED", "CAUTIOUS", "MODERATE", "AGGRESSIVE", "EXTRA_AGGRESSIVE"];
const PROTECTIONS: [&str; 5] = ["ENABLED", "DISABLED", "MAINTENANCE_MODE", "IGNORE", "UNKNOWN"];

/// A kind of policy. Rows stand in the order of their precedence, the default of each platform last.
#[derive(Clone, Copy)]
struct Sort {
    word: &'static str,
    name: &'static str,
    kept: Kept,
}

const PREVENTION: Sort = Sort {
    word: "prevention",
    name: "Prevention",
    kept: Kept { kind: "prevention", id: "id", born: |c| born(c, "prevention") },
};
const RESPONSE: Sort = Sort {
    word: "response",
    name: "RTResponse",
    kept: Kept { kind: "response", id: "id", born: |c| born(c, "response") },
};
const UPDATE: Sort = Sort {
    word: "sensor-update",
    name: "SensorUpdate",
    kept: Kept { kind: "sensor-update", id: "id", born: |c| born(c, "sensor-update") },
};

/// `*` is no wildcard here, a property that is not known finds nothing, and an order by platform breaks the service.
const STYLE: Style = Style {
    service: SERVICE,
    dialect: &Dialect {
        strict: false,
        properties: &[
            ("id", Kind::Exact),
            ("name", Kind::Text),
            ("platform_name", Kind::Text),
            ("enabled", Kind::Bool),
            ("created_by", Kind::Text),
            ("created_timestamp", Kind::Time),
            ("modified_by", Kind::Text),
            ("modified_timestamp", Kind::Time),
            ("precedence", Kind::Number),
        ],
    },
    most: 5_000,
    default: 100,
    sort: "precedence.asc",
    pipe: false,
    next_offset: true,
    silent: true,
};

pub(super) fn router() -> Router<Arc<SimState>> {
    Router::new()
        .merge(verbs(&PREVENTION, "v1", service(|ask| entities(ask, PREVENTION))))
        .merge(verbs(&RESPONSE, "v1", service(|ask| entities(ask, RESPONSE))))
        .merge(verbs(&UPDATE, "v2", service(|ask| entities(ask, UPDATE))))
        .route("/policy/entities/sensor-update/v1", service(|ask| entities(ask, UPDATE)))
        .route("/policy/combined/sensor-update-builds/v1", service(builds))
        .route("/policy/combined/sensor-update-kernels/v1", service(kernels))
        .route("/policy/combined/reveal-uninstall-token/v1", service(uninstall_token))
}

fn verbs(
    sort: &Sort,
    version: &str,
    entities: axum::routing::MethodRouter<Arc<SimState>>,
) -> Router<Arc<SimState>> {
    let word = sort.word;
    Router::new()
        .route(&format!("/policy/combined/{word}/{version}"), service(list))
        .route(&format!("/policy/queries/{word}/v1"), service(list))
        .route(&format!("/policy/combined/{word}-members/v1"), service(members))
        .route(&format!("/policy/queries/{word}-members/v1"), service(members))
        .route(&format!("/policy/entities/{word}/{version}"), entities)
        .route(&format!("/policy/entities/{word}-actions/v1"), service(act))
        .route(&format!("/policy/entities/{word}-precedence/v1"), service(precedence))
}

/// The kind that a path is about.
fn sort_of(path: &str) -> Sort {
    let word = path.split('/').nth(3).unwrap_or_default();
    [UPDATE, RESPONSE].into_iter().find(|s| word.starts_with(s.word)).unwrap_or(PREVENTION)
}

/// Whether a policy of the tenant applies to a group of hosts.
pub(super) fn use_group(c: Context<'_>, group: &str) -> bool {
    let applies = |row: &Value| texts(&row["groups"]).iter().any(|id| id == group);
    [PREVENTION, RESPONSE, UPDATE].into_iter().any(|sort| sort.kept.with(c, |rows| rows.iter().any(applies)))
}

fn born(c: Context<'_>, word: &str) -> Vec<Value> {
    let by = format!("admin@{}", c.tenant.estate.company().domain);
    let default = |platform: &str| {
        let id = hex32(mix_str(c.tenant.estate.tag() ^ 0x901, &format!("{word}/{platform}")));
        let at = then(c, &id);
        json!({"id": id, "cid": c.falcon.cid, "name": "platform_default", "platform_name": platform,
            "description": "Platform default policy", "enabled": true, "groups": [], "is_default": true,
            "created_by": by, "created_timestamp": at, "modified_by": by, "modified_timestamp": at,
            "settings": settings(word)})
    };
    PLATFORMS.iter().map(|platform| default(platform)).collect()
}

/// What a new policy sets.
fn settings(word: &str) -> Value {
    let toggle = |id: &str, name: &str, on: bool| json!({"id": id, "name": name, "type": "toggle", "description": name, "value": {"enabled": on}});
    match word {
        "sensor-update" => json!({"build": "", "is_lts_build": false, "scheduler": {"enabled": false,
            "schedules": [], "timezone": "Etc/UTC"}, "sensor_version": "", "show_early_adopter_builds": false,
            "stage": "prod", "uninstall_protection": "DISABLED", "variants": []}),
        "response" => json!([{"name": "Real Time Functionality",
            "settings": [toggle("RealTimeFunctionality", "Real Time Response", false)]}]),
        _ => json!([
            {"name": "Enhanced Visibility", "settings": [
                toggle("AdditionalUserModeData", "Additional User Mode Data", false),
                toggle("ScriptBasedExecutionMonitoring", "Script-Based Execution Monitoring", false)]},
            {"name": "Cloud Machine Learning", "settings": [{"id": "CloudAntiMalware", "name": "Cloud Anti-malware",
                "type": "mlslider", "description": "Cloud Anti-malware",
                "value": {"detection": "DISABLED", "prevention": "DISABLED"}}]}]),
    }
}

/// A policy as the service shows it: with whole groups, and its settings under the name of its kind.
fn shown(c: Context<'_>, sort: Sort, row: &Value) -> Value {
    let mut row = row.clone();
    let ids = texts(&row["groups"]);
    let groups = c.tenant.groups.list(&c.tenant.estate);
    let whole: Vec<Value> = ids
        .iter()
        .filter_map(|id| groups.iter().find(|g| g.id == *id))
        .map(|g| groups_api::row(c, g))
        .collect();
    row["groups"] = whole.into();
    let settings = row["settings"].take();
    if let Some(row) = row.as_object_mut() {
        row.remove("is_default");
        row.remove("precedence");
        row.remove("settings");
        let key = if sort.word == "prevention" { "prevention_settings" } else { "settings" };
        row.insert(key.to_owned(), settings);
        if sort.word == "prevention" {
            row.entry("ioa_rule_groups").or_insert_with(|| json!([]));
        }
    }
    row
}

/// The rows, each with its place among those of its platform.
fn rows(ask: &Ask<'_>, sort: Sort) -> Vec<Value> {
    let mut rows = sort.kept.all(ask.c);
    for (at, row) in rows.iter_mut().enumerate() {
        row["precedence"] = (at + 1).into();
    }
    rows
}

fn list(ask: &Ask<'_>) -> Result<Response, Refused> {
    let sort = sort_of(ask.path);
    if ask.get("sort").is_some_and(|s| s.starts_with("platform_name")) {
        return Ok(
            Envelope::error(StatusCode::INTERNAL_SERVER_ERROR, SERVICE, "internal error").into_response()
        );
    }
    let page = page(ask, rows(ask, sort), &STYLE)?;
    let envelope = match ask.path.starts_with("/policy/queries/") {
        true => page.ids(SERVICE, "id"),
        false => {
            let whole: Vec<Value> = page.rows.iter().map(|row| shown(ask.c, sort, row)).collect();
            page.reply(SERVICE, &whole)
        }
    };
    Ok(envelope.into_response())
}

fn not_found(id: &str) -> Refused {
    refuse(SERVICE, StatusCode::NOT_FOUND, "policy not found", id)
}

/// The hosts that a policy is meant for: those in its groups, or, of the default, all of its platform.
fn members(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (c, sort) = (ask.c, sort_of(ask.path));
    let id = ask.need(SERVICE, "id")?;
    let policy = sort.kept.all(c).into_iter().find(|row| row["id"] == id).ok_or_else(|| not_found(id))?;
    let filter = Filter::compile(ask.get("filter").unwrap_or_default(), &HOSTS, c.state.clock.now_ms())
        .map_err(|_| bad(SERVICE, "Invalid filter expression supplied"))?;
    let groups = texts(&policy["groups"]);
    let is_in = |index: &u64| {
        let host = c.tenant.estate.searched(*index);
        let of_group = || ids_of(c.tenant, c.falcon, &host).iter().any(|id| groups.contains(id));
        policy["platform_name"] == platform(host.platform()).1
            && (policy["is_default"] == true || of_group())
            && (filter.is_empty() || filter.matches(&HostView::of(c.tenant, c.falcon, *index)))
    };
    let found: Vec<Value> = (0..c.tenant.estate.host_count()).filter(is_in).map(Value::from).collect();
    let numbers =
        Style { dialect: &Dialect { strict: false, properties: &[("n", Kind::Number)] }, sort: "n", ..STYLE };
    let unfiltered = Ask {
        c,
        method: ask.method.clone(),
        path: ask.path,
        query: ask.query.iter().filter(|(key, _)| key != "filter" && key != "sort").cloned().collect(),
        headers: ask.headers,
        body: ask.body.clone(),
    };
    let page = page(&unfiltered, found, &numbers)?;
    let indices: Vec<u64> = page.rows.iter().filter_map(Value::as_u64).collect();
    let mut envelope = Envelope::new(SERVICE).paged(page.pagination());
    envelope.resources = Some(match ask.path.starts_with("/policy/queries/") {
        true => items(indices, |out, i| {
            out.extend_from_slice(format!("\"{}\"", c.tenant.estate.host_id(i)).as_bytes())
        }),
        false => items(indices, |out, i| render(out, c.tenant, c.falcon, i, None)),
    });
    Ok(envelope.into_response())
}

fn entities(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    match ask.method {
        Method::GET => {
            let ids = ask.ids(SERVICE, "ids", 500)?;
            Ok(whole(ask, sort, &ids).into_response())
        }
        Method::POST => create(ask, sort),
        Method::PATCH => update(ask, sort),
        Method::DELETE => delete(ask, sort),
        _ => no_method(),
    }
}

fn whole(ask: &Ask<'_>, sort: Sort, ids: &[String]) -> Envelope {
    let rows: Vec<Value> = sort.kept.all(ask.c).iter().map(|row| shown(ask.c, sort, row)).collect();
    by_id(SERVICE, &rows, "id", ids, "policy")
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

fn create(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    let wishes = ask.rows(SERVICE, "resources")?;
    let made: Vec<Value> = wishes.iter().map(|wish| make(ask, sort, wish)).collect::<Result<_, _>>()?;
    let names: Vec<Value> = sort.kept.all(ask.c).iter().map(|row| row["name"].clone()).collect();
    if let Some(double) = made.iter().find(|row| names.contains(&row["name"])) {
        return Err(refuse(SERVICE, StatusCode::BAD_REQUEST, "Duplicate policy name", text(double, "name")));
    }
    for row in &made {
        sort.kept.add(ask.c, &format!("create{}Policies", sort.name), row.clone());
    }
    // The defaults stay behind all others.
    sort.kept.with(ask.c, |rows| rows.sort_by_key(|row| row["is_default"] == true));
    let rows: Vec<Value> = made.iter().map(|row| shown(ask.c, sort, row)).collect();
    let mut envelope = Envelope::new(SERVICE).with(&rows);
    envelope.status = StatusCode::CREATED;
    Ok(envelope.into_response())
}

fn make(ask: &Ask<'_>, sort: Sort, wish: &Value) -> Result<Value, Refused> {
    let (name, platform) = (text(wish, "name"), text(wish, "platform_name"));
    if name.trim().is_empty() || !PLATFORMS.contains(&platform) {
        return Err(refuse(SERVICE, StatusCode::BAD_REQUEST, "name and platform_name are required", name));
    }
    let clone = match wish["clone_id"].as_str() {
        Some(id) => {
            Some(sort.kept.all(ask.c).into_iter().find(|r| r["id"] == id).ok_or_else(|| not_found(id))?)
        }
        None => None,
    };
    let (by, at) = (&ask.c.falcon.client_id, now(ask.c));
    let mut row = json!({"id": new_id(ask.c), "cid": ask.c.falcon.cid, "name": name, "platform_name": platform,
        "description": text(wish, "description"), "enabled": false, "groups": [], "is_default": false,
        "created_by": by, "created_timestamp": at, "modified_by": by, "modified_timestamp": at,
        "settings": clone.map_or_else(|| settings(sort.word), |c| c["settings"].clone())});
    set(&mut row["settings"], &wish["settings"], name)?;
    Ok(row)
}

/// Sets settings: a list of ids and values, or the object of a sensor update policy.
fn set(settings: &mut Value, wish: &Value, name: &str) -> Result<(), Refused> {
    let wrong = |what: &str| refuse(SERVICE, StatusCode::BAD_REQUEST, what, name);
    match wish {
        Value::Null => Ok(()),
        Value::Object(wish) if settings.is_object() => {
            let zone = wish.get("scheduler").map(|s| text(s, "timezone"));
            let protection = wish.get("uninstall_protection").and_then(Value::as_str);
            if zone.is_some_and(str::is_empty) {
                return Err(wrong("scheduler requires a timezone"));
            }
            if protection.is_some_and(|p| !PROTECTIONS.contains(&p)) {
                return Err(wrong("invalid uninstall_protection"));
            }
            if wish.get("build").and_then(Value::as_str).is_some_and(|b| b.contains('.')) {
                return Err(wrong("invalid build"));
            }
            wish.iter().for_each(|(key, value)| settings[key] = value.clone());
            Ok(())
        }
        Value::Array(wishes) if settings.is_array() => {
            wishes.iter().try_for_each(|wish| set_one(settings, wish).ok_or_else(|| wrong("invalid setting")))
        }
        _ => Err(wrong("invalid settings")),
    }
}

fn set_one(settings: &mut Value, wish: &Value) -> Option<()> {
    let all = settings.as_array_mut()?.iter_mut().filter_map(|c| c["settings"].as_array_mut()).flatten();
    let setting = all.into_iter().find(|s| s["id"] == wish["id"])?;
    let value = &wish["value"];
    let level = |key: &str| value[key].as_str().is_some_and(|l| LEVELS.contains(&l));
    let fits = match text(setting, "type") {
        "toggle" => value["enabled"].is_boolean(),
        _ => level("detection") && level("prevention"),
    };
    fits.then(|| setting["value"] = value.clone())
}

fn update(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    let changes = ask.rows(SERVICE, "resources")?;
    let known = sort.kept.all(ask.c);
    let mut checked = Vec::new();
    for change in &changes {
        let id = text(change, "id");
        let Some(mut row) = known.iter().find(|row| row["id"] == id).cloned() else { continue };
        set(&mut row["settings"], &change["settings"], id)?;
        for key in ["name", "description"] {
            if change[key].is_string() {
                row[key] = change[key].clone();
            }
        }
        checked.push(row);
    }
    for row in checked {
        let id = text(&row, "id").to_owned();
        touch(ask, sort, &format!("update{}Policies", sort.name), &id, |old| *old = row);
    }
    let ids: Vec<String> = changes.iter().map(|change| text(change, "id").to_owned()).collect();
    Ok(or_404(whole(ask, sort, &ids)).into_response())
}

/// Changes a row, and says who did and when.
fn touch(ask: &Ask<'_>, sort: Sort, operation: &str, id: &str, work: impl FnOnce(&mut Value)) {
    let (by, at) = (ask.c.falcon.client_id.clone(), now(ask.c));
    sort.kept.change(ask.c, operation, id, |row| {
        work(row);
        (row["modified_by"], row["modified_timestamp"]) = (by.into(), at.into());
    });
}

/// Nothing but errors is a 404.
fn or_404(mut envelope: Envelope) -> Envelope {
    if envelope.resources.as_ref().is_some_and(Vec::is_empty) && !envelope.errors.is_empty() {
        envelope.status = StatusCode::NOT_FOUND;
    }
    envelope
}

/// One that is enabled is refused, and a default one always is.
fn delete(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    let ids = ask.ids(SERVICE, "ids", 500)?;
    let rows = sort.kept.all(ask.c);
    let held = rows.iter().find(|row| ids.iter().any(|id| row["id"] == *id) && row["enabled"] == true);
    if let Some(held) = held {
        let why = "Policy is enabled: it cannot be deleted";
        return Err(refuse(SERVICE, StatusCode::BAD_REQUEST, why, text(held, "id")));
    }
    let operation = format!("delete{}Policies", sort.name);
    let (done, missing): (Vec<String>, Vec<String>) =
        ids.into_iter().partition(|id| sort.kept.remove(ask.c, &operation, id).is_some());
    let mut envelope = Envelope::new(SERVICE).with(&done);
    envelope.errors = missing.iter().map(|id| ApiError::of(404, "policy not found", id)).collect();
    Ok(or_404(envelope).into_response())
}

fn group_of(body: &Value) -> Option<String> {
    let all = body["action_parameters"].as_array()?;
    all.iter().find(|p| p["name"] == "group_id")?["value"].as_str().map(str::to_owned)
}

fn act(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::POST {
        return no_method();
    }
    let (sort, name) = (sort_of(ask.path), ask.need(SERVICE, "action_name")?);
    let (ids, group) = (ask.body_ids(SERVICE, 500)?, group_of(&ask.json(SERVICE)?));
    let known =
        |g: &String| ask.c.tenant.groups.list(&ask.c.tenant.estate).iter().any(|k: &Group| k.id == *g);
    let group = match name {
        "enable" | "disable" => String::new(),
        "add-host-group" | "remove-host-group" => {
            let id = group.ok_or_else(|| bad(SERVICE, "group_id is required"))?;
            if !known(&id) {
                return Err(refuse(SERVICE, StatusCode::NOT_FOUND, "group not found", &id));
            }
            id
        }
        "add-rule-group" | "remove-rule-group" => {
            group.ok_or_else(|| bad(SERVICE, "group_id is required"))?
        }
        _ => return Err(bad(SERVICE, "action_name is not supported")),
    };
    let is_default = |row: &Value| row["is_default"] == true && ids.iter().any(|id| row["id"] == *id);
    if sort.kept.with(ask.c, |rows| rows.iter().any(is_default)) {
        return Err(bad(SERVICE, "the default policy cannot be changed so"));
    }
    for id in &ids {
        touch(ask, sort, &format!("perform{}PoliciesAction", sort.name), id, |row| apply(row, name, &group));
    }
    let mut rows: Vec<Value> = sort.kept.all(ask.c).iter().map(|row| shown(ask.c, sort, row)).collect();
    if sort.word == UPDATE.word {
        // Actions have no second version: they answer with the first one's settings.
        rows.iter_mut().for_each(|row| row["settings"] = json!({"build": row["settings"]["build"]}));
    }
    Ok(or_404(by_id(SERVICE, &rows, "id", &ids, "policy")).into_response())
}

fn apply(row: &mut Value, action: &str, group: &str) {
    let key = if action.contains("rule") { "ioa_rule_groups" } else { "groups" };
    match action {
        "enable" | "disable" => row["enabled"] = (action == "enable").into(),
        _ => {
            let mut groups = row[key].as_array().cloned().unwrap_or_default();
            let is = |g: &Value| *g == group || g["id"] == group;
            groups.retain(|g| !is(g));
            if action.starts_with("add") {
                groups.push(if key == "groups" { group.into() } else { json!({"id": group}) });
            }
            row[key] = groups.into();
        }
    }
}

/// The list must hold every policy of the platform but the default one, each once.
fn precedence(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::POST {
        return no_method();
    }
    let (sort, body) = (sort_of(ask.path), ask.json(SERVICE)?);
    let (ids, platform) = (texts(&body["ids"]), text(&body, "platform_name"));
    if !PLATFORMS.contains(&platform) {
        return Err(bad(SERVICE, "platform_name is required"));
    }
    let own = |row: &Value| row["platform_name"] == platform && row["is_default"] != true;
    let before: Vec<String> = sort.kept.with(ask.c, |rows| {
        rows.iter().filter(|row| own(row)).map(|row| text(row, "id").to_owned()).collect()
    });
    let (mut a, mut b) = (ids.clone(), before.clone());
    a.sort();
    b.sort();
    if a != b {
        return Err(bad(SERVICE, "precedence must name every policy of the platform but the default one"));
    }
    let place = |row: &Value| ids.iter().position(|id| row["id"] == *id).unwrap_or(usize::MAX);
    sort.kept.with(ask.c, |rows| rows.sort_by_key(|row| (row["is_default"] == true, place(row))));
    let operation = format!("set{}PoliciesPrecedence", sort.name);
    ask.c.state.log.push(&ask.c.tenant.name, &operation, platform, json!(before), json!(ids));
    Ok(Envelope::new(SERVICE).with(&ids).into_response())
}

fn builds(ask: &Ask<'_>) -> Result<Response, Refused> {
    let stages = ask.every("stage");
    let platforms = ["windows", "mac", "linux", "linuxarm64", "zlinux"];
    if ask.get("platform").is_some_and(|p| !platforms.contains(&p)) {
        return Err(bad(SERVICE, "invalid platform"));
    }
    let row = |platform: &str, at: u32, stage: &str| {
        json!({"build": format!("{}|n|tagged|{at}", 18_904 + at), "platform": platform, "stage": stage,
            "sensor_version": format!("7.{}.{}", 20 + at, 18_904 + at), "is_lts_build": at == 2})
    };
    let rows: Vec<Value> = platforms
        .iter()
        .filter(|p| ask.get("platform").is_none_or(|wanted| wanted == **p))
        .flat_map(|p| [row(p, 1, "prod"), row(p, 2, "prod"), row(p, 3, "early_adopter")])
        .filter(|row| stages.is_empty() || stages.iter().any(|s| row["stage"] == *s))
        .collect();
    let pagination = json!({"offset": 0, "limit": rows.len(), "total": rows.len()});
    Ok(Envelope::new(SERVICE).paged(pagination).with(&rows).into_response())
}

fn kernels(ask: &Ask<'_>) -> Result<Response, Refused> {
    const DIALECT: Dialect = Dialect {
        strict: false,
        properties: &[
            ("id", Kind::Exact),
            ("release", Kind::Text),
            ("distro", Kind::Text),
            ("architecture", Kind::Text),
        ],
    };
    let row = |n: u32| {
        json!({"id": format!("{n:032x}"), "release": format!("5.15.0-{n}-generic"), "distro": "Ubuntu",
            "distro_version": "22.04", "architecture": "x86_64", "flavor": "generic", "vendor": "canonical",
            "version": "#1 SMP", "created_timestamp": then(ask.c, "kernel"),
            "modified_timestamp": then(ask.c, "kernel"), "base_package_supported_sensor_versions": ["7.20.18904"],
            "ztl_module_supported_sensor_versions": [], "ztl_supported_sensor_versions": []})
    };
    let style = Style { dialect: &DIALECT, most: 500, sort: "release.asc", ..STYLE };
    let page = page(ask, (1..=40).map(row).collect(), &style)?;
    Ok(page.reply(SERVICE, &page.rows).into_response())
}

/// It stands in the log without the token.
fn uninstall_token(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::POST {
        return no_method();
    }
    let body = ask.json(SERVICE)?;
    let device = text(&body, "device_id");
    if device != "MAINTENANCE" && ask.c.tenant.estate.host_index(device).is_none() {
        return Err(refuse(SERVICE, StatusCode::BAD_REQUEST, "device not found", device));
    }
    let h = mix_str(ask.c.tenant.estate.tag() ^ 0x704E, device);
    let message = json!({"audit_message": body["audit_message"]});
    ask.c.state.log.push(&ask.c.tenant.name, "revealUninstallToken", device, Value::Null, message);
    let row = json!({"device_id": device, "seed_id": h % 100, "uninstall_token": hex32(h)});
    Ok(Envelope::new(SERVICE).with(&[row]).into_response())
}
