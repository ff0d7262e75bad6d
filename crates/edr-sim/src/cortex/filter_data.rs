//! `alerts/get_alerts_by_filter_data`: an undocumented call with a fifth shape and a second style of filters.
//!
//! Facts: cortex-xdr-api sections 3 ("A second style") and 5.1. Not in the operation catalogue; the source is the public
//! demisto content pack: `{"filter_data": {"filter", "paging", "sort"}}`, and items under `alert_fields`.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::Call;
use super::alert::{Alert, Cell, column, maybe, text, texts};
use super::envelope::{Answer, Refusal};
use super::event_keys::EVENT_KEYS;
use super::page::{Indices, Names, Page};
use super::paging::{ALERTS_CAP, Window};
use super::words;

static NAMES: Names = Names {
    total: "TOTAL_COUNT",
    count: "FILTER_COUNT",
    items: "DATA",
    id: "alert_fields",
    empty_is_null: false,
};

/// `POST alerts/get_alerts_by_filter_data`.
pub(super) fn alerts(call: &Call<'_>) -> Answer {
    let asked = call.data.get("filter_data").unwrap_or(&call.data);
    let window = window(asked)?;
    let condition = asked.get("filter").or_else(|| asked.get("filters")).unwrap_or(&Value::Null);
    let order = Order::parse(asked)?;
    let list = list(call, condition, order)?;
    let page = Page::cut(&NAMES, &Indices::Listed(&list), window, ALERTS_CAP, call.page_fault());
    page.with_filter_count().render(|index| Item(Alert::new(call.estate(), index)))
}

/// The ordered list, kept for the next page where nothing in the condition can change.
fn list(call: &Call<'_>, condition: &Value, order: Order) -> Result<Arc<Vec<u32>>, Refusal> {
    let words = condition.to_string();
    if words.contains("severity") || words.contains("resolution_status") {
        return Ok(Arc::new(compute(call, condition, order)?));
    }
    let key = call.list_key(&format!("filter_data:{}:{words}:{order:?}", call.estate().alert_count()));
    match call.sim().lists.get(&key) {
        Some(list) => Ok(list),
        None => Ok(call.sim().lists.put(&key, compute(call, condition, order)?)),
    }
}

fn compute(call: &Call<'_>, condition: &Value, order: Order) -> Result<Vec<u32>, Refusal> {
    let mut keyed: Vec<(i64, u32)> = Vec::new();
    for index in 0..call.estate().alert_count() {
        let alert = Alert::new(call.estate(), index);
        if is_empty(condition) || holds(&alert, condition)? {
            let key = if order.by_source { alert.happened_ms() } else { alert.inserted_ms() };
            keyed.extend(u32::try_from(index).map(|index| (key, index)));
        }
    }
    keyed.sort_unstable();
    if order.descending {
        keyed.reverse();
    }
    Ok(keyed.into_iter().map(|(_, index)| index).collect())
}

fn is_empty(condition: &Value) -> bool {
    condition.is_null() || condition.as_object().is_some_and(serde_json::Map::is_empty)
}

/// The window: `paging.from` and `paging.to`, else the usual keys.
fn window(asked: &Value) -> Result<Window, Refusal> {
    match asked.get("paging") {
        None => Window::parse(asked),
        Some(paging) => {
            Window::parse(&json!({"search_from": paging.get("from"), "search_to": paging.get("to")}))
        }
    }
}

/// The order of a result: by when it happened or by when the service took it in.
#[derive(Debug, Clone, Copy)]
struct Order {
    by_source: bool,
    descending: bool,
}

impl Order {
    /// Reads `sort: [{"FIELD", "ORDER"}]`; the latest first when absent.
    fn parse(asked: &Value) -> Result<Self, Refusal> {
        let first = asked.get("sort").and_then(|sort| sort.get(0));
        let part = |key: &str, default: &'static str| {
            first.and_then(|sort| sort.get(key)).map_or(Some(default), Value::as_str)
        };
        let by_source = match part("FIELD", "source_insert_ts") {
            Some("source_insert_ts") => true,
            Some("local_insert_ts") => false,
            _ => {
                return Err(Refusal::invalid(
                    "Got an invalid sort FIELD. Allowed fields: source_insert_ts, local_insert_ts",
                ));
            }
        };
        match part("ORDER", "DESC") {
            Some("DESC") => Ok(Self { by_source, descending: true }),
            Some("ASC") => Ok(Self { by_source, descending: false }),
            _ => Err(Refusal::invalid("Got an invalid sort ORDER. Allowed orders: ASC, DESC")),
        }
    }
}

/// Whether an alert satisfies a tree of `AND`, `OR` and triples.
fn holds(alert: &Alert, condition: &Value) -> Result<bool, Refusal> {
    if let Some(all) = condition.get("AND").and_then(Value::as_array) {
        return all.iter().try_fold(true, |so_far, one| Ok(holds(alert, one)? && so_far));
    }
    if let Some(any) = condition.get("OR").and_then(Value::as_array) {
        return any.iter().try_fold(false, |so_far, one| Ok(holds(alert, one)? || so_far));
    }
    let part = |key: &str| {
        condition
            .get(key)
            .and_then(Value::as_str)
            .ok_or_else(|| Refusal::invalid(format!("a condition must have {key}: {condition}")))
    };
    let actual = actual(alert, part("SEARCH_FIELD")?)?;
    compare(&actual, part("SEARCH_TYPE")?, condition.get("SEARCH_VALUE").unwrap_or(&Value::Null))
}

/// The value of a field that can be searched.
fn actual(alert: &Alert, field: &str) -> Result<Value, Refusal> {
    let d = &alert.detection;
    Ok(match field {
        "internal_id" => json!(alert.id),
        "external_id" => json!(alert.external_id()),
        "severity" => json!(words::internal_severity(d.severity)),
        "alert_name" => json!(alert.wording.name),
        "alert_source" => json!(alert.source.internal()),
        "alert_category" => json!(alert.wording.category),
        "alert_action_status" => json!(words::action(alert.source, d.kind.family, d.prevented).0),
        "agent_id" => json!(alert.endpoint_id()),
        "agent_hostname" => json!(alert.machine.as_ref().map(|machine| &machine.hostname)),
        "source_insert_ts" => json!(alert.happened_ms()),
        "local_insert_ts" => json!(alert.inserted_ms()),
        "case_id" => json!(alert.incident),
        "resolution_status" => json!(words::resolution_status(d.status, d.verdict)),
        _ => {
            return Err(Refusal::invalid(format!(
                "Got an invalid SEARCH_FIELD: {field}. Allowed fields: {FIELDS}"
            )));
        }
    })
}

const FIELDS: &str = "internal_id, external_id, severity, alert_name, alert_source, alert_category, alert_action_status, agent_id, agent_hostname, source_insert_ts, local_insert_ts, case_id, resolution_status";

fn compare(actual: &Value, kind: &str, wanted: &Value) -> Result<bool, Refusal> {
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let same = |wanted: &Value| {
        wanted == actual || (actual.is_i64() || actual.is_u64()) && number(wanted) == number(actual)
    };
    let among = || wanted.as_array().map_or_else(|| same(wanted), |list| list.iter().any(same));
    let order = || number(actual).zip(number(wanted)).map(|(a, b)| a.cmp(&b));
    let contains = || {
        actual
            .as_str()
            .zip(wanted.as_str())
            .is_some_and(|(a, b)| a.to_lowercase().contains(&b.to_lowercase()))
    };
    Ok(match kind {
        "EQ" => same(wanted),
        "NEQ" => !same(wanted),
        "IN" => among(),
        "NOT_IN" => !among(),
        "CONTAINS" | "LIKE" => contains(),
        "GT" => order().is_some_and(std::cmp::Ordering::is_gt),
        "GTE" => order().is_some_and(std::cmp::Ordering::is_ge),
        "LT" => order().is_some_and(std::cmp::Ordering::is_lt),
        "LTE" => order().is_some_and(std::cmp::Ordering::is_le),
        "RANGE" => {
            let bound = |key: &str| wanted.get(key).and_then(number);
            number(actual)
                .zip(bound("from"))
                .zip(bound("to"))
                .is_some_and(|((at, from), to)| (from..=to).contains(&at))
        }
        _ => {
            return Err(Refusal::invalid(format!(
                "Got an invalid SEARCH_TYPE: {kind}. Allowed types: EQ, NEQ, IN, NOT_IN, CONTAINS, LIKE, GT, GTE, LT, LTE, RANGE"
            )));
        }
    })
}

/// One item: the alert under `alert_fields`.
struct Item(Alert);

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("alert_fields", &Fields(&self.0))?;
        map.serialize_entry("incident_fields", &())?;
        map.end()
    }
}

struct Fields<'a>(&'a Alert);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, cell) in own(self.0) {
            map.serialize_entry(key, &cell)?;
        }
        // Of the events only what has a value; the kind is a number here.
        map.serialize_entry("event_type", &column(self.0, |e| Cell::Int(e.kind().code())))?;
        for (key, value) in EVENT_KEYS.iter().filter(|(key, _)| *key != "event_type" && *key != "user_name") {
            let cell = column(self.0, *value);
            if cell != Cell::Null {
                map.serialize_entry(key, &cell)?;
            }
        }
        map.serialize_entry("actor_effective_username", &column(self.0, |e| maybe(e.alert.user())))?;
        map.end()
    }
}

/// The keys of the alert itself, under their internal names.
fn own(alert: &Alert) -> Vec<(&'static str, Cell<'_>)> {
    let d = &alert.detection;
    let (action, pretty) = words::action(alert.source, d.kind.family, d.prevented);
    let machine = alert.machine.as_ref();
    let severity = words::internal_severity(d.severity);
    vec![
        ("internal_id", text(alert.id.to_string())),
        ("external_id", text(alert.external_id())),
        ("alert_name", text(alert.wording.name)),
        ("alert_description", text(alert.description())),
        ("alert_description_raw", text(alert.description())),
        ("alert_category", text(alert.wording.category)),
        ("alert_source", text(alert.source.internal())),
        ("alert_type", text("Unclassified")),
        ("alert_action_status", text(action)),
        ("alert_action_status_readable", text(pretty.to_lowercase())),
        ("alert_is_fp", Cell::Bool(false)),
        ("severity", text(severity)),
        ("original_severity", text(severity)),
        ("resolution_status", text(words::resolution_status(d.status, d.verdict))),
        ("case_id", Cell::Int(i64::try_from(alert.incident).unwrap_or(i64::MAX))),
        ("source_insert_ts", Cell::Int(alert.happened_ms())),
        ("local_insert_ts", Cell::Int(alert.inserted_ms())),
        ("last_modified_ts", Cell::Int(d.updated.timestamp_millis())),
        ("agent_id", text(alert.endpoint_id())),
        ("agent_hostname", maybe(machine.map(|machine| machine.hostname.as_str()))),
        ("agent_ip_addresses", texts(alert.host_ips())),
        ("agent_os_type", text(machine.map_or("NO_HOST", |machine| words::os_type(machine.platform())))),
        ("agent_os_sub_type", maybe(machine.map(|machine| machine.os.version))),
        ("agent_version", maybe(machine.map(|machine| machine.agent_version))),
        ("agent_device_domain", maybe(machine.map(|machine| machine.domain.as_str()))),
        ("agent_install_type", text(if machine.is_some() { "STANDARD" } else { "NA" })),
        ("mac", maybe(machine.and_then(|machine| machine.macs.first()).map(super::endpoint::mac))),
        ("matching_status", text("UNMATCHABLE")),
        ("is_whitelisted", Cell::Bool(false)),
        ("starred", Cell::Bool(d.score >= 90)),
        ("tags", texts(alert.tags())),
        ("mitre_tactic_id_and_name", texts(words::tactic(d.kind))),
        ("mitre_technique_id_and_name", texts(words::technique(d.kind))),
        ("events", Cell::List(Vec::new())),
    ]
}
