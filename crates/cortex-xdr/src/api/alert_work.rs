//! Work on alerts of XDR 3: by filter data, their originals, changes, and alerts of one's own.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use edr_core::{Raw, Result};
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use super::incidents::IncidentStatus;
use super::system::{INVESTIGATOR, VIEWER};
use super::{AlertRecord, ApiCall, refused, reply};
use crate::record::{read, record, words};
use crate::wire;

/// Alerts by any of the table's columns.
pub static BY_FILTER_DATA: Operation = Operation::read("alerts/get_alerts_by_filter_data", VIEWER);
/// Alerts as they came in.
pub static ORIGINALS: Operation = Operation::read("alerts/get_original_alerts", VIEWER);
/// Changes alerts.
pub static UPDATE: Operation = Operation::write("alerts/update_alerts", INVESTIGATOR);
/// Brings in alerts as fields. The quota counts alerts and not calls: 600 a minute are ten full calls.
pub static INSERT_PARSED: Operation =
    Operation::write("alerts/insert_parsed_alerts", INVESTIGATOR).with_quota(10, Duration::from_secs(60));
/// Brings in alerts as lines of CEF, within the same kind of quota.
pub static INSERT_CEF: Operation =
    Operation::write("alerts/insert_cef_alerts", INVESTIGATOR).with_quota(10, Duration::from_secs(60));

/// The most alerts that one call brings in.
pub const MAX_INSERT: usize = 60;
/// The most alerts that one change is for.
pub const MAX_UPDATE: usize = 100;

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::three(&BY_FILTER_DATA).paged("internal_id").seen_in_clients(),
        ApiCall::three(&ORIGINALS).limit("100 alerts").seen_in_clients(),
        ApiCall::three(&UPDATE).limit("100 alerts"),
        ApiCall::three(&INSERT_PARSED).limit("60 alerts"),
        ApiCall::three(&INSERT_CEF).limit("60 alerts"),
    ]
}

/// A condition of the second style: a column, a comparison and a value.
///
/// ```
/// use cortex_xdr::api::alert_work::{Comparison, SearchFilter};
/// let filter = SearchFilter::new("alert_name", Comparison::Contains, "beacon");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SearchFilter {
    field: String,
    comparison: Comparison,
    value: Value,
}

words! {
    /// How a column is compared.
    pub enum Comparison {
        /// It contains the value.
        Contains = "CONTAINS",
        /// It is the value.
        Equals = "EQ",
        /// It is at least the value.
        AtLeast = "GTE",
        /// It is one of the values.
        In = "IN",
        /// It is at most the value.
        AtMost = "LTE",
        /// It is not the value.
        NotEquals = "NEQ",
        /// It is none of the values.
        NotIn = "NOT_IN",
        /// It lies between two values.
        Range = "RANGE",
    }
}

impl SearchFilter {
    /// A condition.
    #[must_use]
    pub fn new(field: &str, comparison: Comparison, value: impl Into<Value>) -> Self {
        Self { field: field.to_owned(), comparison, value: value.into() }
    }

    fn json(&self) -> Value {
        json!({"SEARCH_FIELD": self.field, "SEARCH_TYPE": self.comparison.as_str(), "SEARCH_VALUE": self.value})
    }
}

/// A window of alerts by the table's columns; all conditions must hold.
#[must_use]
pub fn alerts_by_filter_data(filters: &[SearchFilter], from: u64, size: u32) -> RequestPlan {
    let all: Vec<Value> = filters.iter().map(SearchFilter::json).collect();
    let filter = if all.is_empty() { json!({}) } else { json!({"AND": all}) };
    let to = from.saturating_add(u64::from(size.clamp(1, super::MAX_WINDOW)));
    let data = json!({"filter_data": {
        "filter": filter,
        "paging": {"from": from, "to": to},
        "sort": [{"FIELD": "source_insert_ts", "ORDER": "DESC"}],
    }});
    super::post(&BY_FILTER_DATA, &data)
}

/// An alert as it came in.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OriginalAlert {
    /// The alert's id.
    pub id: String,
    /// The JSON that the reply holds as a text.
    pub raw: Raw,
    /// The event behind it, where it has one.
    pub record: AlertRecord,
}

/// Alerts as they came in, at most a hundred.
///
/// # Errors
/// For none, and for more.
pub fn original_alerts(ids: &[u64]) -> Result<RequestPlan> {
    Ok(super::post(&ORIGINALS, &json!({"alert_id_list": some(&ORIGINALS, ids)?})))
}

/// Reads the originals: each is JSON in a text.
pub(crate) fn originals(body: &[u8]) -> Result<Vec<OriginalAlert>> {
    let items = reply::items(reply::inner(body)?, &["alerts", "data"])?;
    Ok(items.iter().filter_map(original).collect())
}

fn original(item: &Value) -> Option<OriginalAlert> {
    let id = wire::text(item.get("internal_id").or_else(|| item.get("alert_id"))?)?;
    let raw = match item.get("original_alert_json")? {
        Value::String(text) => Raw::new(text.clone()),
        other => Raw::new(other.to_string()),
    };
    let record = AlertRecord::read(raw.as_bytes()).ok()?;
    Some(OriginalAlert { id, raw, record })
}

fn some<'a, T>(operation: &'static Operation, ids: &'a [T]) -> Result<&'a [T]> {
    match ids.len() {
        0 => Err(refused(operation, "no alert is named")),
        1..=MAX_UPDATE => Ok(ids),
        many => Err(refused(operation, format!("{many} alerts are named, and {MAX_UPDATE} is the most"))),
    }
}

words! {
    /// How bad an alert is, in the words of requests.
    pub enum AlertSeverity {
        /// The worst.
        Critical = "critical",
        /// Bad.
        High = "high",
        /// Not so bad.
        Medium = "medium",
        /// The least that is bad.
        Low = "low",
        /// Good to know.
        Informational = "informational",
        /// Nobody knows.
        Unknown = "unknown",
    }
}

/// What is to be changed on alerts. Their states are those of incidents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertUpdate {
    status: Option<IncidentStatus>,
    severity: Option<AlertSeverity>,
    comment: Option<String>,
}

impl AlertUpdate {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the state.
    #[must_use]
    pub fn status(self, status: IncidentStatus) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Sets the severity.
    #[must_use]
    pub fn severity(self, severity: AlertSeverity) -> Self {
        Self { severity: Some(severity), ..self }
    }

    /// Adds a comment.
    #[must_use]
    pub fn comment(self, text: impl Into<String>) -> Self {
        Self { comment: Some(text.into()), ..self }
    }

    #[cfg(test)]
    pub(crate) fn status_word(&self) -> Option<&str> {
        self.status.as_ref().map(IncidentStatus::as_str)
    }
}

/// Changes alerts, at most a hundred; ids are sent as texts.
///
/// # Errors
/// For none, for more, and for an empty change.
pub fn update_alerts(ids: &[String], update: &AlertUpdate) -> Result<RequestPlan> {
    let parts = [
        ("status", update.status.as_ref().map(Value::from)),
        ("severity", update.severity.as_ref().map(Value::from)),
        ("comment", update.comment.as_ref().map(|text| json!(text))),
    ];
    let data: Map<String, Value> =
        parts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    if data.is_empty() {
        return Err(refused(&UPDATE, "nothing is to be changed"));
    }
    Ok(super::post(&UPDATE, &json!({"alert_id_list": some(&UPDATE, ids)?, "update_data": data})))
}

record! {
    /// The alerts that were changed.
    pub struct Updated {
        /// Their ids.
        pub alert_ids: Vec<String> = "alerts_ids" | "alert_ids",
    }
}

/// Reads which alerts were changed; an answer that does not say so is one for all.
pub(crate) fn updated(body: &[u8], asked: &[String]) -> Result<Vec<String>> {
    let inner = reply::inner(body)?;
    match read::<Updated>(&inner) {
        Some(updated) => Ok(updated.alert_ids),
        None => reply::done(body).map(|()| asked.to_vec()),
    }
}

words! {
    /// How bad an alert of one's own is.
    pub enum InsertSeverity {
        /// Bad.
        High = "High",
        /// Not so bad.
        Medium = "Medium",
        /// The least that is bad.
        Low = "Low",
        /// Good to know.
        Informational = "Informational",
        /// Nobody knows.
        Unknown = "Unknown",
    }
}

/// An alert of one's own.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedAlert {
    vendor: String,
    product: String,
    name: String,
    description: Option<String>,
    at: DateTime<Utc>,
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
    severity: Option<InsertSeverity>,
    blocked: Option<bool>,
}

impl ParsedAlert {
    /// An alert of a product: its name, when it happened, and between which two addresses.
    #[must_use]
    pub fn new(
        (vendor, product): (&str, &str),
        name: &str,
        at: DateTime<Utc>,
        local: (IpAddr, u16),
        remote: (IpAddr, u16),
    ) -> Self {
        Self {
            vendor: vendor.to_owned(),
            product: product.to_owned(),
            name: name.to_owned(),
            description: None,
            at,
            local,
            remote,
            severity: None,
            blocked: None,
        }
    }

    /// Says more.
    #[must_use]
    pub fn description(self, text: impl Into<String>) -> Self {
        Self { description: Some(text.into()), ..self }
    }

    /// Says how bad it is.
    #[must_use]
    pub fn severity(self, severity: InsertSeverity) -> Self {
        Self { severity: Some(severity), ..self }
    }

    /// Says whether it was blocked or only reported.
    #[must_use]
    pub fn blocked(self, blocked: bool) -> Self {
        Self { blocked: Some(blocked), ..self }
    }

    fn json(&self) -> Value {
        let mut alert = json!({
            "vendor": self.vendor, "product": self.product, "alert_name": self.name,
            "event_timestamp": self.at.timestamp_millis(),
            "local_port": self.local.1, "remote_port": self.remote.1,
        });
        for (side, ip) in [("local_ip", self.local.0), ("remote_ip", self.remote.0)] {
            let key = if ip.is_ipv6() { format!("{side}_v6") } else { side.to_owned() };
            alert[key] = json!(ip);
        }
        if let Some(text) = &self.description {
            alert["alert_description"] = json!(text);
        }
        if let Some(severity) = &self.severity {
            alert["severity"] = Value::from(severity);
        }
        if let Some(blocked) = self.blocked {
            alert["action_status"] = json!(if blocked { "Blocked" } else { "Reported" });
        }
        alert
    }
}

/// Brings in alerts, at most sixty a call.
///
/// # Errors
/// For none, for more, and for one without a name, product or vendor.
pub fn insert_parsed_alerts(alerts: &[ParsedAlert]) -> Result<RequestPlan> {
    let nameless =
        |a: &ParsedAlert| [&a.vendor, &a.product, &a.name].iter().any(|word| word.trim().is_empty());
    if alerts.iter().any(nameless) {
        return Err(refused(&INSERT_PARSED, "an alert has no name, product or vendor"));
    }
    let alerts: Vec<Value> = insertable(&INSERT_PARSED, alerts)?.iter().map(ParsedAlert::json).collect();
    Ok(super::post(&INSERT_PARSED, &json!({"alerts": alerts})))
}

/// Brings in alerts as lines of CEF, at most sixty a call.
///
/// # Errors
/// For none, for more, and for a line that is no CEF.
pub fn insert_cef_alerts(lines: &[String]) -> Result<RequestPlan> {
    let wrong =
        |line: &&String| !line.starts_with("CEF:") || line.matches('|').count() < 7 || line.contains('\n');
    if let Some(line) = lines.iter().position(|line| wrong(&line)) {
        return Err(refused(&INSERT_CEF, format!("alert {} is no line of CEF", line + 1)));
    }
    Ok(super::post(&INSERT_CEF, &json!({"alerts": insertable(&INSERT_CEF, lines)?})))
}

fn insertable<'a, T>(operation: &'static Operation, alerts: &'a [T]) -> Result<&'a [T]> {
    match alerts.len() {
        0 => Err(refused(operation, "no alert is given")),
        1..=MAX_INSERT => Ok(alerts),
        many => Err(refused(operation, format!("{many} alerts are given, and {MAX_INSERT} is the most"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_of_ones_own() {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let local = ("10.0.0.1".parse().unwrap(), 80);
        let alert =
            ParsedAlert::new(("Acme", "Wall"), "Odd", at, local, ("2001:db8::1".parse().unwrap(), 443))
                .severity(InsertSeverity::High)
                .blocked(true);
        assert_eq!(
            alert.json(),
            json!({"vendor": "Acme", "product": "Wall", "alert_name": "Odd", "event_timestamp": 1_700_000_000_000_i64,
                "local_ip": "10.0.0.1", "local_port": 80, "remote_ip_v6": "2001:db8::1", "remote_port": 443,
                "severity": "High", "action_status": "Blocked"})
        );
        assert!(insert_parsed_alerts(&[]).is_err());
        assert!(insert_parsed_alerts(&vec![alert.clone(); 61]).is_err());
        assert!(insert_parsed_alerts(&[ParsedAlert { name: " ".into(), ..alert }]).is_err());
    }

    #[test]
    fn lines_of_cef_are_looked_at() {
        let good = "CEF:0|Acme|Wall|1|7|Odd|5|src=10.0.0.1".to_owned();
        assert!(insert_cef_alerts(std::slice::from_ref(&good)).is_ok());
        for bad in ["", "CEF:0|x", "LEEF:1|a|b|c|d|e|f|g", "CEF:0|Acme|Wall|1|7|Odd|5|a\nb"] {
            assert!(
                insert_cef_alerts(&[good.clone(), bad.into()]).unwrap_err().to_string().contains("alert 2")
            );
        }
    }

    #[test]
    fn changes_and_their_answers() {
        let ids = vec!["50023290705".to_owned()];
        assert!(update_alerts(&ids, &AlertUpdate::new()).is_err());
        assert!(update_alerts(&[], &AlertUpdate::new().comment("x")).is_err());
        for body in [r#"{"reply":{"alerts_ids":[50023290705]}}"#, r#"{"reply":true}"#, "true"] {
            assert_eq!(updated(body.as_bytes(), &ids).unwrap(), ids, "{body}");
        }
        assert!(updated(br#"{"reply":false}"#, &ids).is_err());
    }

    #[test]
    fn originals_are_json_in_a_text() {
        let body = r#"{"reply":{"alerts":[{"internal_id":7,"original_alert_json":"{\"alert_id\":\"7\"}"},{"internal_id":8,"original_alert_json":"{broken"}]}}"#;
        let read = originals(body.as_bytes()).unwrap();
        assert_eq!((read.len(), read[0].record.text("alert_id").as_deref()), (1, Some("7")));
    }
}
