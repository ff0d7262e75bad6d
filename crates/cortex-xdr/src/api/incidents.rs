//! Incidents of XDR 3.

use std::time::Duration;

use chrono::{DateTime, Utc};
use edr_core::{Raw, Result};
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use super::system::{INVESTIGATOR, VIEWER};
use super::{AlertRecord, ApiCall, PageRequest, Sheet, TimeKey, refused, reply};
use crate::client::Item;
use crate::filter::filters;
use crate::record::{Record, field, read, record, words};
use crate::wire::Stamp;

/// Incidents in windows.
pub static SEARCH: Operation = Operation::read("incidents/get_incidents", VIEWER);
/// An incident with its alerts and artifacts. The vendor allows ten a minute, see [`super::operations`].
pub static EXTRA: Operation =
    Operation::read("incidents/get_incident_extra_data", VIEWER).with_quota(10, Duration::from_secs(60));
/// Several incidents with at most fifty alerts each.
pub static EXTRAS: Operation = Operation::read("incidents/get_multiple_incidents_extra_data", VIEWER);
/// Changes an incident.
pub static UPDATE: Operation = Operation::write("incidents/update_incident", INVESTIGATOR);

/// How many alerts of an incident come where several incidents are asked for.
pub const ALERTS_OF_EACH: u64 = 50;

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::three(&SEARCH).paged("incident_id"),
        ApiCall::three(&EXTRA).limit("1,000 alerts"),
        ApiCall::three(&EXTRAS).paged("incident_id").limit("50 alerts of each").seen_in_clients(),
        ApiCall::three(&UPDATE),
    ]
}

words! {
    /// The state of an incident. Old tenants write it in capitals.
    pub enum IncidentStatus {
        /// Nobody has looked at it.
        New = "new",
        /// Somebody does.
        UnderInvestigation = "under_investigation",
        /// It was closed by the service; nobody else can set this.
        ResolvedAuto = "resolved_auto" | "resolved_auto_resolve",
        /// It is the same as another.
        ResolvedDuplicate = "resolved_duplicate" | "resolved_duplicate_incident",
        /// It was nothing.
        ResolvedFalsePositive = "resolved_false_positive",
        /// It is known, and is left.
        ResolvedKnownIssue = "resolved_known_issue",
        /// Something else.
        ResolvedOther = "resolved_other",
        /// It was a test.
        ResolvedSecurityTesting = "resolved_security_testing",
        /// It was dealt with; an older word.
        ResolvedThreatHandled = "resolved_threat_handled",
        /// It was one.
        ResolvedTruePositive = "resolved_true_positive",
    }
}

impl IncidentStatus {
    /// True for every way to be closed.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.as_str().to_ascii_lowercase().starts_with("resolved")
    }
}

words! {
    /// How bad it is, in the words of requests; replies use them, too.
    pub enum IncidentSeverity {
        /// The worst.
        Critical = "critical",
        /// Bad.
        High = "high",
        /// Not so bad.
        Medium = "medium",
        /// The least.
        Low = "low",
    }
}

filters! {
    /// Which incidents.
    pub struct IncidentFilters {
        /// These.
        ids: in "incident_id_list" of String,
        /// Made from this time on.
        created_from: gte "creation_time" of DateTime<Utc>,
        /// Made up to this time.
        created_to: lte "creation_time" of DateTime<Utc>,
        /// Changed from this time on.
        modified_from: gte "modification_time" of DateTime<Utc>,
        /// Changed up to this time.
        modified_to: lte "modification_time" of DateTime<Utc>,
        /// Whose description contains this.
        description: contains "description" of String,
        /// With alerts of these sources.
        sources: in "alert_sources" of String,
        /// In this state.
        status: eq "status" of IncidentStatus,
        /// Starred or not.
        starred: eq "starred" of bool,
    }
}

record! {
    /// A comment on an incident.
    pub struct Comment {
        /// Its id.
        pub comment_id: Option<String> = "comment_id",
        /// Who wrote it.
        pub created_by: Option<String> = "created_by",
        /// When.
        pub created_time: Stamp = "created_time" | "created_timestamp",
        /// What.
        pub value: Option<String> = "value" | "comment" | "text",
    }
}

record! {
    /// An incident.
    pub struct Incident {
        /// Its id: digits.
        pub incident_id: Option<String> = "incident_id",
        /// The name that somebody gave it.
        pub incident_name: Option<String> = "incident_name",
        /// What it is about.
        pub description: Option<String> = "description",
        /// The description that somebody gave it.
        pub manual_description: Option<String> = "manual_description",
        /// Its state.
        pub status: Option<IncidentStatus> = "status",
        /// How bad it is.
        pub severity: Option<IncidentSeverity> = "severity",
        /// How bad somebody finds it.
        pub manual_severity: Option<IncidentSeverity> = "manual_severity",
        /// When it was made.
        pub creation_time: Stamp = "creation_time",
        /// When it was changed.
        pub modification_time: Stamp = "modification_time",
        /// When it was detected.
        pub detection_time: Stamp = "detection_time",
        /// When it was closed.
        pub resolved_timestamp: Stamp = "resolved_timestamp",
        /// Who has it.
        pub assigned_user_mail: Option<String> = "assigned_user_mail",
        /// Who has it, by name.
        pub assigned_user_pretty_name: Option<String> = "assigned_user_pretty_name",
        /// How many alerts it has.
        pub alert_count: Option<u64> = "alert_count",
        /// How many of them are low.
        pub low_severity_alert_count: Option<u64> = "low_severity_alert_count",
        /// How many of them are medium.
        pub med_severity_alert_count: Option<u64> = "med_severity_alert_count",
        /// How many of them are high.
        pub high_severity_alert_count: Option<u64> = "high_severity_alert_count",
        /// How many of them are critical.
        pub critical_severity_alert_count: Option<u64> = "critical_severity_alert_count",
        /// How many users it touches.
        pub user_count: Option<u64> = "user_count",
        /// How many hosts it touches.
        pub host_count: Option<u64> = "host_count",
        /// `name:endpoint_id`.
        pub hosts: Vec<String> = "hosts",
        /// Users.
        pub users: Vec<String> = "users",
        /// Notes.
        pub notes: Option<String> = "notes",
        /// What was said when it was closed.
        pub resolve_comment: Option<String> = "resolve_comment",
        /// Its page in the console.
        pub xdr_url: Option<String> = "xdr_url",
        /// Starred.
        pub starred: Option<bool> = "starred",
        /// Something was blocked.
        pub is_blocked: Option<bool> = "is_blocked",
        /// Where its alerts come from.
        pub incident_sources: Vec<String> = "incident_sources",
        /// What kind of alerts it has.
        pub alert_categories: Vec<String> = "alert_categories",
        /// Tactics.
        pub tactics: Vec<String> = "mitre_tactics_ids_and_names",
        /// Techniques.
        pub techniques: Vec<String> = "mitre_techniques_ids_and_names",
        /// The score by rules.
        pub rule_based_score: Option<f64> = "rule_based_score",
        /// The score that somebody gave.
        pub manual_score: Option<f64> = "manual_score",
        /// The score that the service expects.
        pub predicted_score: Option<f64> = "predicted_score",
        /// The score of all.
        pub aggregated_score: Option<f64> = "aggregated_score",
        /// Verdicts of WildFire.
        pub wildfire_hits: Option<u64> = "wildfire_hits",
        /// Tags.
        pub tags: Vec<String> = "tags",
        /// Comments, where the call has them.
        pub comments: Vec<Comment> = "comments",
    }
}

record! {
    /// A name or address that the alerts of an incident speak of.
    pub struct NetworkArtifact {
        /// `DOMAIN` or `IP`.
        pub kind: Option<String> = "type",
        /// In how many alerts.
        pub alert_count: Option<u64> = "alert_count",
        /// The name.
        pub domain: Option<String> = "network_domain",
        /// The address.
        pub remote_ip: Option<String> = "network_remote_ip",
        /// The port.
        pub remote_port: Option<u64> = "network_remote_port",
        /// The country.
        pub country: Option<String> = "network_country",
    }
}

record! {
    /// A file that the alerts of an incident speak of.
    pub struct FileArtifact {
        /// `HASH`, `META`, …
        pub kind: Option<String> = "type",
        /// In how many alerts.
        pub alert_count: Option<u64> = "alert_count",
        /// Its name.
        pub name: Option<String> = "file_name",
        /// Its SHA-256.
        pub sha256: Option<String> = "file_sha256",
        /// Its signature.
        pub signature_status: Option<String> = "file_signature_status",
        /// Who signed it.
        pub signer: Option<String> = "file_signature_vendor_name",
        /// `UNKNOWN`, `BENIGN`, `MALWARE`, `GRAYWARE`.
        pub wildfire_verdict: Option<String> = "file_wildfire_verdict",
        /// It is bad.
        pub is_malicious: Option<bool> = "is_malicious",
        /// It ran.
        pub is_process: Option<bool> = "is_process",
    }
}

/// An incident with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct IncidentExtra {
    /// The incident.
    pub incident: Incident,
    /// Its alerts, of the flat shape, with their JSON.
    pub alerts: Vec<Item<AlertRecord>>,
    /// Alerts that cannot be decoded: their JSON, and why.
    pub undecodable: Vec<(Raw, String)>,
    /// How many alerts it has; more than came, where the call ends at a number.
    pub alert_total: Option<u64>,
    /// Names and addresses.
    pub network_artifacts: Vec<NetworkArtifact>,
    /// Files.
    pub file_artifacts: Vec<FileArtifact>,
}

impl IncidentExtra {
    /// True when there are more alerts than came.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let total = self.alert_total.max(self.incident.alert_count).unwrap_or_default();
        total > (self.alerts.len() + self.undecodable.len()) as u64
    }
}

record! {
    /// A counted list inside a reply.
    pub struct Counted {
        /// How many there are.
        pub total: Option<u64> = "total_count",
    }
}

impl Record for IncidentExtra {
    fn from_object(object: &Map<String, Value>) -> Self {
        let part = |key: &str| object.get(key).and_then(Value::as_object);
        let alerts = part("alerts").and_then(|alerts| alerts.get("data")).and_then(Value::as_array);
        let (mut good, mut undecodable) = (Vec::new(), Vec::new());
        for raw in alerts.into_iter().flatten().map(|value| Raw::new(value.to_string())) {
            match AlertRecord::read(raw.as_bytes()) {
                Ok(value) => good.push(Item { value, raw }),
                Err(e) => undecodable.push((raw, format!("not an alert: {e}"))),
            }
        }
        Self {
            // Some tenants answer with the incident alone.
            incident: Incident::from_object(part("incident").unwrap_or(object)),
            alerts: good,
            undecodable,
            alert_total: object.get("alerts").and_then(read::<Counted>).and_then(|counted| counted.total),
            network_artifacts: part("network_artifacts").map(|o| field(o, &["data"])).unwrap_or_default(),
            file_artifacts: part("file_artifacts").map(|o| field(o, &["data"])).unwrap_or_default(),
        }
    }
}

pub(crate) static SHEET: Sheet<Incident> = Sheet {
    operation: &SEARCH,
    paths: &[&["reply", "incidents"]],
    lists: &["incidents"],
    counts: &["total_count"],
    cap: Some(10_000),
    capitals: false,
    more: &[],
    id: |incident| incident.incident_id.as_deref(),
    time: Some(TimeKey {
        field: "creation_time",
        read: |incident| incident.creation_time.time.map(|time| time.timestamp_millis()),
    }),
};

/// A window of incidents. Sorts: `creation_time`, `modification_time`.
#[must_use]
pub fn incidents(page: &PageRequest) -> RequestPlan {
    SHEET.plan(page)
}

/// An incident with its alerts, as many as are asked for.
///
/// # Errors
/// For an empty id.
pub fn incident_extra(id: &str, alerts_limit: Option<u32>) -> Result<RequestPlan> {
    let mut data = json!({"incident_id": super::segment(&EXTRA, id)?});
    if let Some(limit) = alerts_limit {
        data["alerts_limit"] = json!(limit);
    }
    Ok(super::post(&EXTRA, &data))
}

/// A window of incidents with at most fifty alerts each, which come in no order.
#[must_use]
pub fn incidents_extra(page: &PageRequest) -> RequestPlan {
    super::post(&EXTRAS, &Value::Object(page.data(false)))
}

/// Reads a window of [`incidents_extra`]: an object with a list, or the list alone.
pub(crate) fn extras(body: &[u8]) -> Result<Vec<IncidentExtra>> {
    reply::list(body, &["incidents"])
}

/// What is to be changed on an incident.
///
/// ```
/// use cortex_xdr::api::incidents::{IncidentStatus, IncidentUpdate};
/// let update = IncidentUpdate::new()
///     .status(IncidentStatus::ResolvedFalsePositive)
///     .resolve_comment("the scanner of the IT department")
///     .comment("closed after a call");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IncidentUpdate {
    status: Option<IncidentStatus>,
    resolve_comment: Option<String>,
    assignee: Option<String>,
    assignee_name: Option<String>,
    severity: Option<Option<IncidentSeverity>>,
    comment: Option<String>,
}

impl IncidentUpdate {
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

    /// Says why it is closed; it needs a state that closes.
    #[must_use]
    pub fn resolve_comment(self, text: impl Into<String>) -> Self {
        Self { resolve_comment: Some(text.into()), ..self }
    }

    /// Gives it to a user of the tenant, by mail.
    #[must_use]
    pub fn assign(self, mail: impl Into<String>) -> Self {
        Self { assignee: Some(mail.into()), ..self }
    }

    /// The name beside the mail.
    #[must_use]
    pub fn assignee_name(self, name: impl Into<String>) -> Self {
        Self { assignee_name: Some(name.into()), ..self }
    }

    /// Takes it from whoever has it.
    #[must_use]
    pub fn unassign(self) -> Self {
        Self { assignee: Some("none".to_owned()), assignee_name: None, ..self }
    }

    /// Sets the severity; `None` leaves it to the service again.
    #[must_use]
    pub fn severity(self, severity: Option<IncidentSeverity>) -> Self {
        Self { severity: Some(severity), ..self }
    }

    /// Adds a comment.
    #[must_use]
    pub fn comment(self, text: impl Into<String>) -> Self {
        Self { comment: Some(text.into()), ..self }
    }

    fn data(&self) -> Result<Map<String, Value>> {
        let closes = self.status.as_ref().is_some_and(IncidentStatus::is_resolved);
        if self.resolve_comment.is_some() && !closes {
            return Err(refused(&UPDATE, "a reason to close needs a state that closes"));
        }
        if self.assignee_name.is_some() && self.assignee.is_none() {
            return Err(refused(&UPDATE, "the name of the user needs the mail beside it"));
        }
        if self.status == Some(IncidentStatus::ResolvedAuto) {
            return Err(refused(&UPDATE, "only the service closes an incident by itself"));
        }
        let severity = self.severity.as_ref().map(|s| s.as_ref().map_or(json!("none"), Value::from));
        let comment = self.comment.as_ref().map(|text| json!({"comment_action": "add", "value": text}));
        let parts = [
            ("status", self.status.as_ref().map(Value::from)),
            ("resolve_comment", self.resolve_comment.as_ref().map(|text| json!(text))),
            ("assigned_user_mail", self.assignee.as_ref().map(|mail| json!(mail))),
            ("assigned_user_pretty_name", self.assignee_name.as_ref().map(|name| json!(name))),
            ("manual_severity", severity),
            ("comment", comment),
        ];
        let data: Map<String, Value> =
            parts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        if data.is_empty() { Err(refused(&UPDATE, "nothing is to be changed")) } else { Ok(data) }
    }
}

/// Changes an incident.
///
/// # Errors
/// For an empty id, an empty change, and one that contradicts itself.
pub fn update_incident(id: &str, update: &IncidentUpdate) -> Result<RequestPlan> {
    let data = json!({"incident_id": super::segment(&UPDATE, id)?, "update_data": update.data()?});
    Ok(super::post(&UPDATE, &data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_checked_before_it_is_sent() {
        let new = IncidentUpdate::new;
        for bad in [
            new(),
            new().resolve_comment("x"),
            new().status(IncidentStatus::New).resolve_comment("x"),
            new().assignee_name("Ann"),
            new().status(IncidentStatus::ResolvedAuto),
        ] {
            assert!(update_incident("7", &bad).is_err(), "{bad:?}");
        }
        let update = new().status(IncidentStatus::ResolvedOther).unassign().severity(None).comment("c");
        assert_eq!(
            Value::Object(update.data().unwrap()),
            json!({"status": "resolved_other", "assigned_user_mail": "none", "manual_severity": "none",
                "comment": {"comment_action": "add", "value": "c"}})
        );
        assert!(update_incident("../7", &new().comment("c")).is_err());
    }

    #[test]
    fn states_are_read_in_any_case() {
        assert_eq!(IncidentStatus::read("RESOLVED_DUPLICATE_INCIDENT"), IncidentStatus::ResolvedDuplicate);
        assert!(IncidentStatus::read("RESOLVED_NEW_WAY").is_resolved());
        assert!(!IncidentStatus::New.is_resolved());
    }

    #[test]
    fn several_incidents_come_as_an_object_or_a_list() {
        let one = r#"{"incident":{"incident_id":"3","alert_count":60},"alerts":{"total_count":60,"data":[{"alert_id":"1"}]},"network_artifacts":{"data":null},"file_artifacts":{"data":[{"file_name":"a"}]}}"#;
        for body in [format!(r#"{{"reply":{{"incidents":[{one}]}}}}"#), format!(r#"{{"reply":[{one}]}}"#)] {
            let read = extras(body.as_bytes()).unwrap();
            assert_eq!((read.len(), read[0].alerts.len(), read[0].file_artifacts.len()), (1, 1, 1));
            assert!(read[0].is_cut_off());
        }
    }

    #[test]
    fn an_alert_that_cannot_be_read_is_not_left_out() {
        let body = serde_json::json!({"incident": {"incident_id": "1"}, "alerts": {"total_count": 2, "data": [7, {"alert_id": "3"}]}});
        let extra = IncidentExtra::from_object(body.as_object().unwrap());
        assert_eq!((extra.alerts.len(), extra.undecodable.len(), extra.is_cut_off()), (1, 1, false));
        assert_eq!(extra.undecodable[0].0.as_bytes(), b"7");
    }
}
