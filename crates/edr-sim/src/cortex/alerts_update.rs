//! `alerts/update_alerts` and `incidents/update_incident` (facts: cortex-xdr-api sections 5.2 and 5.4).
//!
//! An incident here is a run of alerts: what is said of its status and assignee is said of each of them. What only an
//! incident has is kept beside.

use serde_json::{Map, Value, json};

use super::Call;
use super::envelope::{Answer, Refusal, Reply};
use super::incidents::{incident_index, members};
use super::words;
use crate::estate::alert::{Status, analysts};
use crate::estate::{AlertOverlay, Comment, TenantEstate};

/// The most alerts of one call.
const MAX_ALERTS: usize = 100;

fn object<'a>(data: &'a Value, known: &[&str]) -> Result<&'a Map<String, Value>, Refusal> {
    let missing = || Refusal::bad_request("Missing at least one required parameter: ['update_data'].");
    let map = data.get("update_data").ok_or_else(missing)?.as_object();
    let map = map
        .filter(|m| !m.is_empty())
        .ok_or_else(|| Refusal::invalid("update_data must be an object that is not empty"))?;
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Refusal::invalid(format!(
            "update_data has an unknown field {key}; allowed are {}",
            known.join(", ")
        ))),
        None => Ok(map),
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Refusal> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Refusal::invalid(format!("{key} must be a string, got {other}"))),
    }
}

/// What is asked of each alert.
#[derive(Default)]
struct Wish {
    status: Option<(Status, Option<crate::estate::alert::Verdict>)>,
    severity: Option<crate::estate::alert::Severity>,
    assignee: Option<Option<String>>,
    comment: Option<String>,
}

impl Wish {
    fn read_status(&mut self, map: &Map<String, Value>) -> Result<(), Refusal> {
        if let Some(word) = text(map, "status")? {
            let known =
                words::status_of(word).ok_or_else(|| Refusal::invalid(format!("unknown status {word}")))?;
            self.status = Some(known);
        }
        Ok(())
    }

    fn apply(&self, overlay: &mut AlertOverlay, author: &str, at: i64) {
        if let Some((status, verdict)) = self.status {
            (overlay.status, overlay.verdict) = (Some(status), Some(verdict));
        }
        overlay.severity = self.severity.or(overlay.severity);
        if let Some(who) = &self.assignee {
            overlay.assigned_to = Some(who.clone());
        }
        if let Some(text) = &self.comment {
            overlay.comments.push(Comment { text: text.clone(), author: author.to_owned(), at });
        }
    }

    fn carry_out(&self, call: &Call<'_>, index: u64) {
        let at = call.estate().clock().now_ms();
        let author = call.tenant.cortex().map(|c| c.api_key_id.clone()).unwrap_or_default();
        call.estate()
            .update_alert(index, |overlay| self.apply(overlay, &format!("Public API - {author}"), at));
    }
}

fn picture(estate: &TenantEstate, index: u64) -> Value {
    let d = estate.detection(index);
    json!({
        "status": words::incident_status(d.status, d.verdict), "severity": words::severity(d.severity),
        "assigned_to": d.assigned_to.map(|who| who.email), "comments": d.comments.len(),
    })
}

/// `POST alerts/update_alerts`: the ids that were found come back.
pub(super) fn alerts(call: &Call<'_>) -> Answer {
    let map = object(&call.data, &["severity", "status", "comment"])?;
    let mut wish = Wish { comment: text(map, "comment")?.map(str::to_owned), ..Wish::default() };
    wish.read_status(map)?;
    if let Some(word) = text(map, "severity")? {
        let known =
            words::severity_of(word).ok_or_else(|| Refusal::invalid(format!("unknown severity {word}")))?;
        wish.severity = Some(known);
    }
    let found = listed(call)?;
    for index in &found {
        let before = picture(call.estate(), *index);
        wish.carry_out(call, *index);
        let id = call.estate().alert_number(*index).to_string();
        call.sim().log.push(&call.tenant.name, call.name(), &id, before, picture(call.estate(), *index));
    }
    let ids: Vec<String> = found.iter().map(|i| call.estate().alert_number(*i).to_string()).collect();
    Reply::of(&json!({"alerts_ids": ids}))
}

/// The alerts of `alert_id_list`, whose ids are texts here and numbers in filters.
fn listed(call: &Call<'_>) -> Result<Vec<u64>, Refusal> {
    let list = call.data.get("alert_id_list").and_then(Value::as_array).filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| Refusal::invalid("alert_id_list must be a list that is not empty"))?;
    if list.len() > MAX_ALERTS {
        return Err(Refusal::invalid(format!(
            "The maximum number of alerts is {MAX_ALERTS}, got {}",
            list.len()
        )));
    }
    let number = |id: &Value| id.as_u64().or_else(|| id.as_str()?.parse().ok());
    let mut found: Vec<u64> =
        list.iter().filter_map(|id| call.estate().alert_index_of_number(number(id)?)).collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        return Err(Refusal::business("No alerts were found for the given alert_id_list", Value::Null));
    }
    Ok(found)
}

const INCIDENT: &[&str] = &[
    "assigned_user_mail",
    "assigned_user_pretty_name",
    "comment",
    "manual_severity",
    "resolve_comment",
    "status",
];

/// The key under which a value of an incident is kept.
pub(super) fn key(index: u64, name: &str) -> String {
    format!("incident:{index}:{name}")
}

/// `POST incidents/update_incident`.
pub(super) fn incident(call: &Call<'_>) -> Answer {
    let index = incident_index(call)?;
    let map = object(&call.data, INCIDENT)?;
    let mut wish = Wish { assignee: assignee(call, map)?, ..Wish::default() };
    wish.read_status(map)?;
    let (severity, resolution) = (manual_severity(map)?, resolution(map, &wish)?);
    let comment = comment(map)?;
    let estate = call.estate();
    let before = picture(estate, index * super::alert::PER_INCIDENT);
    members(estate, index).for_each(|alert| wish.carry_out(call, alert));
    if let Some(severity) = severity {
        estate.keep(&key(index, "manual_severity"), severity);
    }
    if let Some(text) = resolution {
        estate.keep(&key(index, "resolve_comment"), Some(text));
    }
    if let Some(text) = comment {
        add_comment(call, index, &text);
    }
    let mut after = picture(estate, index * super::alert::PER_INCIDENT);
    after["update_data"] = Value::Object(map.clone());
    call.sim().log.push(&call.tenant.name, call.name(), &(index + 1).to_string(), before, after);
    Reply::of(&true)
}

/// The assignee must be a user of the tenant; "none" and an empty text take the incident from whoever has it.
fn assignee(call: &Call<'_>, map: &Map<String, Value>) -> Result<Option<Option<String>>, Refusal> {
    let pretty = text(map, "assigned_user_pretty_name")?;
    match text(map, "assigned_user_mail")? {
        None if pretty.is_some() => {
            Err(Refusal::invalid("assigned_user_pretty_name needs assigned_user_mail"))
        }
        None => Ok(None),
        Some("" | "none") => Ok(Some(None)),
        Some(mail) if analysts(call.estate()).iter().any(|who| who.email.eq_ignore_ascii_case(mail)) => {
            Ok(Some(Some(mail.to_owned())))
        }
        Some(mail) => Err(Refusal::business(format!("User {mail} was not found"), Value::Null)),
    }
}

fn manual_severity(map: &Map<String, Value>) -> Result<Option<Option<String>>, Refusal> {
    match text(map, "manual_severity")? {
        None => Ok(None),
        Some("" | "none") => Ok(Some(None)),
        Some(word) if matches!(word.to_lowercase().as_str(), "low" | "medium" | "high" | "critical") => {
            Ok(Some(Some(word.to_lowercase())))
        }
        Some(word) => Err(Refusal::invalid(format!("unknown manual_severity {word}"))),
    }
}

fn resolution(map: &Map<String, Value>, wish: &Wish) -> Result<Option<String>, Refusal> {
    let text = text(map, "resolve_comment")?;
    let resolved = wish.status.is_some_and(|(status, _)| status == Status::Closed);
    match text {
        Some(_) if !resolved => Err(Refusal::invalid("resolve_comment goes with a status that is resolved")),
        other => Ok(other.map(str::to_owned)),
    }
}

fn comment(map: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    let Some(comment) = map.get("comment") else { return Ok(None) };
    match (comment["comment_action"].as_str(), comment["value"].as_str()) {
        (Some("add"), Some(text)) => Ok(Some(text.to_owned())),
        _ => Err(Refusal::invalid("comment must be {\"comment_action\": \"add\", \"value\": text}")),
    }
}

fn add_comment(call: &Call<'_>, index: u64, text: &str) {
    let estate = call.estate();
    let mut all = comments(estate, index).unwrap_or_default();
    all.push(json!({
        "comment_id": all.len() + 1, "created_by": "Public API", "created_time": estate.clock().now_ms(), "value": text,
    }));
    estate.keep(&key(index, "comments"), Some(Value::Array(all).to_string()));
}

/// The comments on an incident; `None` when nobody wrote one.
pub(super) fn comments(estate: &TenantEstate, index: u64) -> Option<Vec<Value>> {
    serde_json::from_str(&estate.kept(&key(index, "comments"))?).ok()
}
