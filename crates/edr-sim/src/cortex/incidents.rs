//! `incidents/get_incidents` and `incidents/get_incident_extra_data`, whose alerts are the fourth shape.
//!
//! Facts: cortex-xdr-api section 5.4. An incident here is a run of [`PER_INCIDENT`] alerts in the order of their arrival.

use std::ops::Range;

use serde::Serialize;
use serde_json::{Value, json};

use super::Call;
use super::alert::{Alert, PER_INCIDENT, Shape, Shaped};
use super::alerts_update;
use super::envelope::{Answer, Refusal, Reply};
use super::filter::{self, Clause, Field, Kind, Op, Sort, field};
use super::page::{Indices, Names, Page};
use super::paging::{INCIDENTS_CAP, Window};
use super::words;
use crate::estate::TenantEstate;
use crate::estate::alert::Severity;

const TIME: &[Op] = &[Op::Gte, Op::Lte];

static FILTERS: &[Field] = &[
    field("modification_time", TIME, Kind::Int),
    field("creation_time", TIME, Kind::Int),
    field("incident_id_list", &[Op::In], Kind::Text),
    field("description", &[Op::In, Op::Contains], Kind::Text),
    field("alert_sources", &[Op::In], Kind::Text),
    field("status", &[Op::Eq, Op::Neq], Kind::Text),
    field("starred", &[Op::Eq], Kind::Bool),
];

const SORTS: &[&str] = &["modification_time", "creation_time"];
const DEFAULT_SORT: Sort = Sort { field: "creation_time", descending: true };

static NAMES: Names = Names {
    total: "total_count",
    count: "result_count",
    items: "incidents",
    id: "incident_id",
    empty_is_null: false,
};

/// `POST incidents/get_incidents`.
pub(super) fn search(call: &Call<'_>) -> Answer {
    let clauses = filter::parse(&call.data, FILTERS)?;
    let sort = Sort::parse(&call.data, SORTS, DEFAULT_SORT)?;
    let window = Window::parse(&call.data)?;
    let estate = call.estate();
    if clauses.is_empty() && sort.field == "creation_time" {
        let indices = if sort.descending {
            Indices::Descending(count(estate))
        } else {
            Indices::Ascending(count(estate))
        };
        return render(call, &indices, window);
    }
    let list = matching(estate, &clauses, sort);
    render(call, &Indices::Listed(&list), window)
}

fn render(call: &Call<'_>, indices: &Indices<'_>, window: Window) -> Answer {
    let page = Page::cut(&NAMES, indices, window, INCIDENTS_CAP, call.page_fault());
    page.render(|index| Incident::new(call.estate(), index, &call.console()))
}

fn matching(estate: &TenantEstate, clauses: &[Clause], sort: Sort) -> Vec<u32> {
    let all = (0..count(estate)).map(|index| (index, Incident::new(estate, index, "")));
    let mut keyed: Vec<(i64, u32)> = all
        .filter(|(_, incident)| clauses.iter().all(|clause| incident.holds(clause)))
        .filter_map(|(index, incident)| {
            let key = if sort.field == "creation_time" {
                incident.creation_time
            } else {
                incident.modification_time
            };
            Some((key, u32::try_from(index).ok()?))
        })
        .collect();
    keyed.sort_unstable();
    if sort.descending {
        keyed.reverse();
    }
    keyed.into_iter().map(|(_, index)| index).collect()
}

/// How many incidents there are.
pub(super) fn count(estate: &TenantEstate) -> u64 {
    estate.case_count()
}

impl TenantEstate {
    /// How many incidents or cases a tenant of Cortex XDR has: their ids count from 1.
    #[must_use]
    pub fn case_count(&self) -> u64 {
        self.alert_count().div_ceil(PER_INCIDENT)
    }
}

/// The alerts of the incident at an index.
pub(super) fn members(estate: &TenantEstate, index: u64) -> Range<u64> {
    index * PER_INCIDENT..((index + 1) * PER_INCIDENT).min(estate.alert_count())
}

/// An incident.
#[derive(Debug, Serialize)]
struct Incident {
    incident_id: String,
    incident_name: Option<String>,
    is_blocked: bool,
    creation_time: i64,
    modification_time: i64,
    detection_time: Option<i64>,
    status: &'static str,
    severity: &'static str,
    description: String,
    assigned_user_mail: Option<String>,
    assigned_user_pretty_name: Option<String>,
    alert_count: usize,
    low_severity_alert_count: usize,
    med_severity_alert_count: usize,
    high_severity_alert_count: usize,
    critical_severity_alert_count: usize,
    user_count: usize,
    host_count: usize,
    notes: Option<String>,
    resolve_comment: Option<String>,
    resolved_timestamp: Option<i64>,
    manual_severity: Option<String>,
    manual_description: Option<String>,
    xdr_url: String,
    starred: bool,
    starred_manually: bool,
    hosts: Option<Vec<String>>,
    users: Vec<String>,
    incident_sources: Vec<&'static str>,
    rule_based_score: Option<u64>,
    predicted_score: Option<u64>,
    manual_score: Option<u64>,
    aggregated_score: u64,
    wildfire_hits: usize,
    alerts_grouping_status: &'static str,
    mitre_tactics_ids_and_names: Option<Vec<String>>,
    mitre_techniques_ids_and_names: Option<Vec<String>>,
    alert_categories: Vec<&'static str>,
    tags: Vec<String>,
    original_tags: Vec<String>,
    /// Only among the extra data, and only where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    comments: Option<Vec<Value>>,
}

/// The values without doubles, in order of appearance.
fn distinct<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    values.into_iter().fold(Vec::new(), |mut seen, value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
        seen
    })
}

fn some_if_any<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

impl Incident {
    fn new(estate: &TenantEstate, index: u64, console: &str) -> Self {
        let alerts: Vec<Alert> = members(estate, index).map(|at| Alert::new(estate, at)).collect();
        let first = alerts.first().map(|alert| &alert.detection);
        let severe =
            |level: Severity| alerts.iter().filter(|alert| alert.detection.severity == level).count();
        let top = alerts
            .iter()
            .map(|alert| alert.detection.severity)
            .max()
            .unwrap_or(Severity::Low)
            .max(Severity::Low);
        let hosts = distinct(
            alerts
                .iter()
                .filter_map(|alert| alert.machine.as_ref())
                .map(|machine| format!("{}:{}", machine.hostname.to_lowercase(), machine.id)),
        );
        let users = distinct(alerts.iter().filter_map(|alert| alert.user().map(|user| user.to_lowercase())));
        let sources = distinct(alerts.iter().map(|alert| alert.source.name()));
        let assignee = first.and_then(|detection| detection.assigned_to.clone());
        let status =
            first.map_or("new", |detection| words::incident_status(detection.status, detection.verdict));
        let modified =
            alerts.iter().map(|alert| alert.detection.updated.timestamp_millis()).max().unwrap_or_default();
        let starred = alerts.iter().any(|alert| alert.detection.score >= 90);
        let tags = distinct(alerts.iter().map(|alert| alert.source.tag().to_owned()));
        Self {
            incident_id: (index + 1).to_string(),
            incident_name: None,
            is_blocked: alerts.iter().any(|alert| alert.detection.prevented),
            creation_time: alerts.first().map_or(0, Alert::inserted_ms),
            modification_time: modified,
            detection_time: None,
            status,
            severity: words::severity(top),
            description: alerts
                .first()
                .map(|alert| format!("'{}' generated by {}", alert.wording.name, alert.source.name()))
                .unwrap_or_default(),
            assigned_user_mail: assignee.as_ref().map(|who| who.email.clone()),
            assigned_user_pretty_name: assignee.map(|who| who.name),
            alert_count: alerts.len(),
            low_severity_alert_count: severe(Severity::Low),
            med_severity_alert_count: severe(Severity::Medium),
            high_severity_alert_count: severe(Severity::High),
            critical_severity_alert_count: severe(Severity::Critical),
            user_count: users.len(),
            host_count: hosts.len(),
            notes: None,
            resolve_comment: estate.kept(&alerts_update::key(index, "resolve_comment")),
            resolved_timestamp: status.starts_with("resolved").then_some(modified),
            manual_severity: estate.kept(&alerts_update::key(index, "manual_severity")),
            manual_description: None,
            xdr_url: format!("{console}/incident-view?caseId={}", index + 1),
            starred,
            starred_manually: false,
            hosts: some_if_any(hosts),
            users,
            incident_sources: sources,
            rule_based_score: None,
            predicted_score: Some(u64::from(first.map_or(0, |detection| detection.confidence))),
            manual_score: None,
            aggregated_score: u64::from(alerts.iter().map(|alert| alert.detection.score).max().unwrap_or(0)),
            wildfire_hits: alerts.iter().filter(|alert| alert.wording.module == "WildFire").count(),
            alerts_grouping_status: "Enabled",
            mitre_tactics_ids_and_names: some_if_any(distinct(
                alerts.iter().filter_map(|alert| words::tactic(alert.detection.kind)),
            )),
            mitre_techniques_ids_and_names: some_if_any(distinct(
                alerts.iter().filter_map(|alert| words::technique(alert.detection.kind)),
            )),
            alert_categories: distinct(alerts.iter().map(|alert| alert.wording.category)),
            original_tags: tags.clone(),
            tags,
            comments: None,
        }
    }

    fn holds(&self, clause: &Clause) -> bool {
        match clause.field {
            "modification_time" => clause.int(self.modification_time),
            "creation_time" => clause.int(self.creation_time),
            "incident_id_list" => clause.text(&self.incident_id),
            "description" => clause.text(&self.description),
            "alert_sources" => clause.any_text(&self.incident_sources),
            "status" => clause.text(self.status),
            _ => clause.bool(self.starred),
        }
    }
}

/// `POST incidents/get_incident_extra_data`, ten times a minute at most.
pub(super) fn extra_data(call: &Call<'_>) -> Answer {
    let index = incident_index(call)?;
    let limit = call.data.get("alerts_limit").and_then(Value::as_u64).unwrap_or(1000);
    Reply::of(&extra(call, index, limit))
}

/// An incident with what belongs to it.
pub(super) fn extra(call: &Call<'_>, index: u64, limit: u64) -> Extra {
    let estate = call.estate();
    let all: Vec<Alert> = members(estate, index).map(|at| Alert::new(estate, at)).collect();
    let (network, files) = (network_artifacts(&all), file_artifacts(&all));
    let total = all.len();
    let alerts: Vec<Shaped> = all
        .into_iter()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .map(|alert| Shaped(alert, Shape::Incident))
        .collect();
    Extra {
        incident: Incident {
            comments: alerts_update::comments(estate, index),
            ..Incident::new(estate, index, &call.console())
        },
        alerts: Counted { total_count: total, data: alerts },
        network_artifacts: Counted { total_count: network.len(), data: network },
        file_artifacts: Counted { total_count: files.len(), data: files },
    }
}

pub(super) fn incident_index(call: &Call<'_>) -> Result<u64, Refusal> {
    let id = call.data.get("incident_id").unwrap_or(&Value::Null);
    let number = id.as_str().and_then(|text| text.parse::<u64>().ok()).or_else(|| id.as_u64());
    let index = number.and_then(|number| number.checked_sub(1)).filter(|index| *index < count(call.estate()));
    index.ok_or_else(|| Refusal::business("No incident was found for the given incident_id", id.clone()))
}

#[derive(Serialize)]
pub(super) struct Extra {
    incident: Incident,
    alerts: Counted<Shaped>,
    network_artifacts: Counted<Value>,
    file_artifacts: Counted<Value>,
}

#[derive(Serialize)]
struct Counted<T> {
    total_count: usize,
    data: Vec<T>,
}

fn network_artifacts(alerts: &[Alert]) -> Vec<Value> {
    let of = |alert: &Alert| {
        let domain = alert.detection.dns.first().cloned();
        alert
            .detection
            .network
            .iter()
            .map(move |network| {
                json!({
                    "type": if domain.is_some() { "DOMAIN" } else { "IP" },
                    "alert_count": 1,
                    "is_manual": false,
                    "network_domain": domain,
                    "network_remote_ip": network.remote_ip,
                    "network_remote_port": network.remote_port,
                    "network_country": "UNKNOWN",
                })
            })
            .collect::<Vec<_>>()
    };
    alerts.iter().flat_map(of).collect()
}

fn file_artifacts(alerts: &[Alert]) -> Vec<Value> {
    let process = |alert: &Alert| {
        let process = &alert.detection.process;
        json!({
            "type": "HASH",
            "alert_count": 1,
            "is_manual": false,
            "is_malicious": alert.detection.prevented,
            "is_process": true,
            "file_name": process.name,
            "file_sha256": process.sha256,
            "file_signature_status": if process.signer.is_some() { "SIGNATURE_SIGNED" } else { "SIGNATURE_UNSIGNED" },
            "file_signature_vendor_name": process.signer,
            "file_wildfire_verdict": if alert.detection.prevented { "MALWARE" } else { "UNKNOWN" },
            "low_confidence": false,
        })
    };
    distinct(alerts.iter().filter(|alert| alert.machine.is_some()).map(process))
}
