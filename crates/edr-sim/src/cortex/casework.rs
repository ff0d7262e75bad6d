//! Work on cases of XDR 5, several incidents at once, alerts as they came in, and alerts of one's own.
//!
//! Facts: cortex-xdr-api sections 5.2, 5.4 and 5.5: a change of a case answers 204 without a body.

use serde_json::{Value, json};

use super::Call;
use super::alert::{Alert, Shape, Shaped};
use super::desk::{load, missing, note, save, text};
use super::envelope::{Answer, Refusal, Reply};
use super::incidents::{Extra, count, extra, members};
use super::paging::Window;
use super::words;
use crate::estate::Comment;
use crate::estate::alert::{Status, Verdict};

const ENTRIES: &str = "entries";

/// The case that a text names, by index.
fn case(call: &Call<'_>, id: &str) -> Result<u64, Refusal> {
    let index = id.parse::<u64>().ok().and_then(|id| id.checked_sub(1));
    let absent = || Refusal::business("No case was found for the given id", json!(id));
    index.filter(|index| *index < count(call.estate())).ok_or_else(absent)
}

/// The words of `status_progress` and `resolve_reason`, as the generated cases have them.
fn progress(word: &str) -> Result<Status, Refusal> {
    [Status::New, Status::InProgress, Status::Closed]
        .into_iter()
        .find(|status| words::progress(*status) == word)
        .ok_or_else(|| Refusal::invalid(format!("unknown status_progress {word}")))
}

fn verdict(word: &str) -> Result<Option<Verdict>, Refusal> {
    let known = [
        Verdict::Benign,
        Verdict::Duplicate,
        Verdict::FalsePositive,
        Verdict::Testing,
        Verdict::TruePositive,
    ];
    let plain = match word {
        "Resolved - Duplicate Case" | "Resolved - Duplicate Issue" => "Resolved - Duplicate",
        other => other,
    };
    match known.into_iter().find(|verdict| words::resolution_reason(Some(*verdict)) == Some(plain)) {
        Some(verdict) => Ok(Some(verdict)),
        None if matches!(word, "Resolved - Other" | "Resolved - Threat Handled") => Ok(None),
        None => Err(Refusal::invalid(format!("unknown resolve_reason {word}"))),
    }
}

/// `POST case/update/{case-id}`: 204.
pub(super) fn update(call: &Call<'_>) -> Answer {
    const KEYS: [&str; 3] = ["status_progress", "resolve_reason", "resolve_comment"];
    let index = case(call, call.last_segment())?;
    let change =
        call.data.get("update_data").and_then(Value::as_object).ok_or_else(|| missing("update_data"))?;
    if change.is_empty()
        || change.iter().any(|(key, value)| !KEYS.contains(&key.as_str()) || !value.is_string())
    {
        return Err(Refusal::invalid(format!("update_data must have texts of {}", KEYS.join(", "))));
    }
    let word = |key: &str| change.get(key).and_then(Value::as_str);
    let status = word("status_progress").map(progress).transpose()?;
    if status != Some(Status::Closed) && (word("resolve_reason").or(word("resolve_comment")).is_some()) {
        return Err(Refusal::invalid("resolve_reason and resolve_comment go with Resolved"));
    }
    let reason = word("resolve_reason").map(verdict).transpose()?;
    let (estate, now) = (call.estate(), call.estate().clock().now_ms());
    for alert in members(estate, index) {
        estate.update_alert(alert, |overlay| {
            overlay.status = status.or(overlay.status);
            overlay.verdict =
                reason.or(if status == Some(Status::Closed) { overlay.verdict } else { Some(None) });
            overlay.updated = now;
        });
    }
    if let Some(comment) = word("resolve_comment") {
        estate.keep(&comment_key(index), Some(comment.to_owned()));
    }
    note(call, &(index + 1).to_string(), Value::Null, json!(change));
    Ok(Reply::no_content())
}

/// `POST issue/{issue-id}`: one issue, 204. The reason goes with the state that closes, and must.
pub(super) fn update_issue(call: &Call<'_>) -> Answer {
    const KEYS: [&str; 4] = ["severity", "status", "status_resolution_reason", "status_resolution_comment"];
    let (estate, id) = (call.estate(), call.last_segment());
    let absent = || Refusal::business("No issue was found for the given id", json!(id));
    let index = id.parse().ok().and_then(|id| estate.alert_index_of_number(id)).ok_or_else(absent)?;
    let change =
        call.data.get("update_data").and_then(Value::as_object).ok_or_else(|| missing("update_data"))?;
    if change.iter().any(|(key, value)| !KEYS.contains(&key.as_str()) || !value.is_string()) {
        return Err(Refusal::invalid(format!("update_data must have texts of {}", KEYS.join(", "))));
    }
    let word = |key: &str| change.get(key).and_then(Value::as_str);
    if word("severity").or(word("status")).is_none() {
        return Err(Refusal::invalid("update_data must have severity or status"));
    }
    let severity = |word| words::issue_severity_of(word).ok_or_else(|| Refusal::invalid("unknown severity"));
    let severity = word("severity").map(severity).transpose()?;
    let status = word("status").map(progress).transpose()?;
    let reason = word("status_resolution_reason").map(verdict).transpose()?;
    if reason.is_some() != (status == Some(Status::Closed)) {
        return Err(Refusal::invalid("status_resolution_reason goes with Resolved, and Resolved with it"));
    }
    let comment = word("status_resolution_comment").map(str::to_owned);
    let at = estate.clock().now_ms();
    estate.update_alert(index, |overlay| {
        overlay.severity = severity.or(overlay.severity);
        if status.is_some() {
            (overlay.status, overlay.verdict) = (status, Some(reason.flatten()));
        }
        overlay.comments.extend(comment.map(|text| Comment { text, author: "Public API".to_owned(), at }));
    });
    note(call, id, Value::Null, json!(change));
    Ok(Reply::no_content())
}

/// The key under which the reason in words of a closed case is kept.
pub(super) fn comment_key(index: u64) -> String {
    format!("case:{index}:resolve_comment")
}

/// `GET case/artifacts/{case-id}/`: a bare list.
pub(super) fn artifacts(call: &Call<'_>) -> Answer {
    let index = case(call, call.last_segment())?;
    let process = |at| {
        let alert = Alert::new(call.estate(), at);
        json!({"type": "HASH", "value": alert.detection.process.sha256, "file_name": alert.detection.process.name})
    };
    Reply::bare(&members(call.estate(), index).map(process).collect::<Vec<_>>())
}

/// The body of `entries/*`, which knows no `request_data`.
fn written(call: &Call<'_>) -> Result<u64, Refusal> {
    let id = call.data.get("id").ok_or_else(|| missing("id"))?;
    case(call, &id.as_str().map_or_else(|| id.to_string(), str::to_owned))
}

/// `POST entries/insert`.
pub(super) fn write_entry(call: &Call<'_>) -> Answer {
    let (index, contents) = (written(call)?, text(call, "data")?);
    let _turn = call.turn();
    let mut all: Vec<Value> = load(call.estate(), ENTRIES);
    let entry = json!({"case": index, "id": all.len() + 1, "user": "Public API", "created": call.estate().clock().now_ms(), "contents": contents});
    note(call, &(index + 1).to_string(), Value::Null, entry.clone());
    all.push(entry.clone());
    save(call.estate(), ENTRIES, &all);
    Reply::bare(&entry)
}

/// `POST entries/get`.
pub(super) fn entries(call: &Call<'_>) -> Answer {
    let index = written(call)?;
    let mut all: Vec<Value> = load(call.estate(), ENTRIES);
    all.retain(|entry| entry["case"] == index);
    Reply::of(&all)
}

/// `POST incidents/get_multiple_incidents_extra_data`: by id, or in windows; at most fifty alerts of each.
pub(super) fn several(call: &Call<'_>) -> Answer {
    let (estate, window) = (call.estate(), Window::parse(&call.data)?);
    let named = call.data.get("filters").and_then(Value::as_array).into_iter().flatten();
    let ids: Vec<&Value> = named
        .filter(|f| f["field"] == "incident_id_list")
        .filter_map(|f| f["value"].as_array())
        .flatten()
        .collect();
    let all: Vec<u64> = (0..count(estate))
        .filter(|index| ids.is_empty() || ids.iter().any(|id| id.as_str() == Some(&(index + 1).to_string())))
        .collect();
    let page = window.slice(&all);
    let incidents: Vec<Extra> = page.iter().map(|index| extra(call, *index, 50)).collect();
    Reply::of(&Several {
        total_count: all.len(),
        result_count: page.len(),
        alerts_limit_per_incident: 50,
        incidents,
    })
}

#[derive(serde::Serialize)]
struct Several {
    total_count: usize,
    result_count: usize,
    alerts_limit_per_incident: u64,
    incidents: Vec<Extra>,
}

/// `POST alerts/get_original_alerts`: each as JSON in a text.
pub(super) fn originals(call: &Call<'_>) -> Answer {
    let ids =
        call.data.get("alert_id_list").and_then(Value::as_array).ok_or_else(|| missing("alert_id_list"))?;
    let number = |id: &Value| id.as_u64().or_else(|| id.as_str()?.parse().ok());
    let known =
        ids.iter().filter_map(number).filter_map(|id| Some((id, call.estate().alert_index_of_number(id)?)));
    let original = |(id, index): (u64, u64)| {
        let alert =
            serde_json::to_string(&Shaped(Alert::new(call.estate(), index), Shape::Flat)).unwrap_or_default();
        json!({"internal_id": id, "original_alert_json": alert})
    };
    Reply::of(&json!({"alerts": known.map(original).collect::<Vec<_>>()}))
}

/// The alerts of a call that brings some in: from 1 to 60 (facts 5.2).
fn brought<'a>(call: &'a Call<'_>) -> Result<&'a Vec<Value>, Refusal> {
    let alerts = call.data.get("alerts").and_then(Value::as_array).ok_or_else(|| missing("alerts"))?;
    if !(1..=60).contains(&alerts.len()) {
        return Err(Refusal::invalid(format!("from 1 to 60 alerts can be inserted, got {}", alerts.len())));
    }
    Ok(alerts)
}

/// They are counted and logged; the estate's own alerts stay what they are.
fn keep_brought(call: &Call<'_>, alerts: &[Value]) -> Answer {
    let _turn = call.turn();
    let mut all: Vec<Value> = load(call.estate(), "inserted");
    for alert in alerts {
        note(call, &(all.len() + 1).to_string(), Value::Null, alert.clone());
        all.push(alert.clone());
    }
    save(call.estate(), "inserted", &all);
    Reply::of(&true)
}

/// `POST alerts/insert_parsed_alerts`.
pub(super) fn insert_parsed(call: &Call<'_>) -> Answer {
    const NEEDED: [&str; 4] = ["product", "vendor", "alert_name", "event_timestamp"];
    let alerts = brought(call)?;
    for key in NEEDED {
        if alerts.iter().any(|alert| alert.get(key).is_none_or(Value::is_null)) {
            return Err(Refusal::invalid(format!("{key} is missing in an alert")));
        }
    }
    keep_brought(call, alerts)
}

/// `POST alerts/insert_cef_alerts`.
pub(super) fn insert_cef(call: &Call<'_>) -> Answer {
    let alerts = brought(call)?;
    if alerts.iter().any(|line| !line.as_str().is_some_and(|line| line.starts_with("CEF:"))) {
        return Err(Refusal::invalid("an alert is no line of CEF"));
    }
    keep_brought(call, alerts)
}
