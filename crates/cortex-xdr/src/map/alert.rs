//! An alert from any shape of alerts, or from an issue. Sources: reference, normalisation 2.2 and 3.

use chrono::{DateTime, Utc};
use edr_core::model::read;
use edr_core::{
    Action, Alert, AlertStatus, Analytic, Comment, Disposition, Indicator, Noun, Raw, Rejected, User, Verdict,
};
use serde_json::Value;

use super::attack::attacks;
use super::device::device;
use super::evidence::evidences;
use super::{Context, Notes, add};
use crate::{AlertRecord, wire, words};

/// The keys under which an item carries its id.
const ID_KEYS: &[&str] = &["alert_id", "internal_id", "id"];

/// Decodes and maps one item of any listing of alerts or issues.
///
/// # Errors
/// The item as a [`Rejected`] when it is no object or has no id.
pub(crate) fn alert(context: &Context, raw: Raw) -> Result<Alert, Box<Rejected>> {
    let reject = |reason| Box::new(context.rejected(Noun::Alert, &raw, ID_KEYS, reason));
    let record = AlertRecord::read(raw.as_bytes()).map_err(|e| reject(format!("not an alert: {e}")))?;
    let uid = record.get("alert_id").filter(|id| id.is_string() || id.is_number()).and_then(wire::text);
    let Some(uid) = uid else {
        return Err(reject("alert_id is absent, or neither text nor number".to_owned()));
    };
    Ok(mapped(context, &record, uid, raw))
}

fn mapped(context: &Context, record: &AlertRecord, uid: String, raw: Raw) -> Alert {
    let mut notes = Notes::new(context.now);
    let mut alert = Alert::default();
    alert.tenant = context.tenant.clone();
    alert.vendor = context.vendor.clone();
    alert.tenant_uid = context.tenant_uid.clone();
    alert.uid = uid;
    alert.uid_alt = record.text("external_id");
    alert.title = record.text("name").unwrap_or_default();
    alert.desc = description(record);
    times(&mut alert, record, &mut notes);
    judged(&mut alert, record, &mut notes);
    origin(&mut alert, record, &mut notes);
    belonging(&mut alert, record);
    alert.attacks = attacks(record);
    alert.device = device(context, record, &alert.labels, &mut notes).map(Box::new);
    alert.evidences = evidences(record, &mut notes);
    alert.users = users(record);
    alert.raw = raw;
    (alert.origins, alert.anomalies) = notes.into_parts();
    alert
}

/// A text, or a list of items whose names make the text.
fn description(record: &AlertRecord) -> Option<String> {
    let Some(Value::Array(items)) = record.get("description") else { return record.text("description") };
    let word = |item: &Value| wire::text(item.get("pretty_name").unwrap_or(item));
    read::text(&items.iter().filter_map(word).collect::<Vec<_>>().join(" "))
}

fn times(alert: &mut Alert, record: &AlertRecord, notes: &mut Notes) {
    alert.time = notes.time("detection_timestamp", record.get("detection_timestamp"));
    alert.created_time = notes.time("local_insert_ts", record.get("local_insert_ts"));
    alert.modified_time = notes.time("last_modified_ts", record.get("last_modified_ts"));
    let mut seen: Vec<(DateTime<Utc>, String)> = Vec::new();
    for event in record.events() {
        let stamp = event.get("event_timestamp");
        let text = stamp.and_then(wire::scalar).unwrap_or_default();
        seen.extend(notes.time("event_timestamp", stamp).map(|time| (time, text)));
    }
    let mut one = |field, found: Option<&(DateTime<Utc>, String)>| {
        let (time, text) = found?;
        notes.derived(field, text);
        Some(*time)
    };
    alert.first_seen = one("first_seen", seen.iter().min());
    alert.last_seen = one("last_seen", seen.iter().max());
}

fn judged(alert: &mut Alert, record: &AlertRecord, notes: &mut Notes) {
    if let Some(word) = record.text("severity") {
        alert.severity = words::severity(&word);
        notes.converted("severity", &word);
    }
    if let Some(word) = record.text("resolution_status") {
        standing(alert, record, &word, notes);
    }
    alert.is_suppressed = record.flag("is_whitelisted");
    // A decision that somebody took outranks the rule that hides the alert.
    if alert.is_suppressed == Some(true) && alert.status != AlertStatus::Resolved {
        alert.status = AlertStatus::Suppressed;
        notes.derived("status", "is_whitelisted");
    }
    if let Some(code) = record.text("action") {
        (alert.action, alert.disposition) = words::action(&code);
        alert.prevented = prevented(&alert.action, &alert.disposition);
        notes.converted("action", &code);
    }
}

fn standing(alert: &mut Alert, record: &AlertRecord, word: &str, notes: &mut Notes) {
    let (status, within) = words::status(word);
    alert.status = status;
    notes.converted("status", word);
    if alert.status != AlertStatus::Resolved {
        return;
    }
    let reason = record.text("resolution_reason");
    if let Some(verdict) = within.or_else(|| reason.as_deref().map(words::verdict)) {
        notes.converted("verdict", reason.as_deref().unwrap_or(word));
        alert.verdict = verdict;
    } else {
        alert.verdict = Verdict::Unknown;
    }
}

/// Where the user was asked, nobody knows whether he went on.
fn prevented(action: &Action, disposition: &Disposition) -> Option<bool> {
    match action {
        _ if *disposition == Disposition::Challenge => None,
        Action::Denied => Some(true),
        Action::Allowed | Action::Modified | Action::Observed => Some(false),
        _ => None,
    }
}

fn origin(alert: &mut Alert, record: &AlertRecord, notes: &mut Notes) {
    let word = record.text("source").unwrap_or_default();
    if !word.is_empty() {
        let source = words::source(&word).to_owned();
        if source != word {
            notes.converted("product_feature", &word);
        }
        // A third party's alert names its vendor first: `Someone - VPN`.
        if let Some(vendor) = source.split_once(" - ").and_then(|(vendor, _)| read::text(vendor)) {
            notes.derived("source_vendors", &word);
            alert.source_vendors.push(vendor);
        }
        alert.product_feature = Some(source);
    }
    let kind = words::analytic_kind(words::source(&word)).map(str::to_owned);
    if kind.is_some() {
        notes.derived("analytic.type", &word);
    }
    let uid = record.text("matching_service_rule_id");
    if kind.is_some() || uid.is_some() {
        let name = Some(alert.title.clone()).filter(|title| !title.is_empty());
        alert.analytic = Some(Analytic { kind, uid, name });
    }
    alert.types = record.text("category").into_iter().collect();
    alert.iocs = urls(record);
}

fn urls(record: &AlertRecord) -> Vec<Indicator> {
    let url = |value| Indicator { kind: "url".to_owned(), value, ..Indicator::default() };
    record.list("malicious_urls").into_iter().map(url).collect()
}

fn belonging(alert: &mut Alert, record: &AlertRecord) {
    alert.assignee = assignee(record);
    alert.case_uids = record.list("case_id");
    alert.labels = record.list("tags");
    let comment = record.text("resolution_comment");
    alert.comments = comment.map(|text| Comment { text, ..Comment::default() }).into_iter().collect();
    for token in record.get("deduplicate_tokens").map(wire::words).unwrap_or_default() {
        add(&mut alert.group_keys, token);
    }
    let chains =
        ["causality_actor_causality_id", "actor_process_causality_id", "action_process_causality_id"];
    for event in record.events() {
        if let Some(id) = chains.iter().find_map(|key| event.text(key)) {
            add(&mut alert.group_keys, id);
        }
    }
}

/// Issues name who works on them; alerts leave that to their incident.
fn assignee(record: &AlertRecord) -> Option<User> {
    let (mail, name) = (record.text("assigned_to"), record.text("assigned_to_pretty"));
    let mut user = read::user(name.as_deref().or(mail.as_deref())?, None)?;
    user.email = mail.filter(|mail| mail.contains('@')).or(user.email);
    Some(user)
}

/// The accounts of the events, each once.
fn users(record: &AlertRecord) -> Vec<User> {
    let mut users = Vec::new();
    let events = record.events();
    for event in events.iter().chain(&record.strays()) {
        for key in ["user_name", "os_actor_effective_username"] {
            if let Some(user) = event.text(key).and_then(|name| read::user(&name, None)) {
                add(&mut users, user);
            }
        }
    }
    users
}
