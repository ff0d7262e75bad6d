//! `case/search` of XDR 5: what incidents are on XDR 3.
//!
//! Facts: cortex-xdr-api section 5.5: lower-case severities ("info"), capitals in the reply's own keys.

use serde_json::{Value, json};

use super::Call;
use super::alert::Alert;
use super::envelope::Answer;
use super::filter::{self, Clause, Field, Kind, Op, Sort, field};
use super::incidents::{count, members};
use super::page::{Indices, Names, Page};
use super::paging::{INCIDENTS_CAP, Window};
use super::words;
use crate::estate::TenantEstate;
use crate::estate::alert::Severity;

const AMONG: &[Op] = &[Op::In, Op::Nin];
const TIME: &[Op] = &[Op::Gte, Op::Lte, Op::Eq, Op::Neq];

static FILTERS: &[Field] = &[
    field("case_id", AMONG, Kind::Int),
    field("case_domain", AMONG, Kind::Text),
    field("severity", AMONG, Kind::Text),
    field("creation_time", TIME, Kind::Int),
    field("last_update_time", TIME, Kind::Int),
    field("status_progress", AMONG, Kind::Text),
    field("assigned_user", AMONG, Kind::Text),
    field("assigned_user_pretty", AMONG, Kind::Text),
    field("starred", &[Op::Eq], Kind::Bool),
    field("asset_ids", &[Op::Contains], Kind::Text),
    field("asset_names", &[Op::Contains], Kind::Text),
];

const SORTS: &[&str] = &["case_id", "severity", "creation_time"];
const DEFAULT_SORT: Sort = Sort { field: "creation_time", descending: true };

static NAMES: Names =
    Names { total: "TOTAL_COUNT", count: "FILTER_COUNT", items: "DATA", id: "case_id", empty_is_null: false };

/// `POST case/search`.
pub(super) fn search(call: &Call<'_>) -> Answer {
    let clauses = filter::parse(&call.data, FILTERS)?;
    let sort = Sort::parse(&call.data, SORTS, DEFAULT_SORT)?;
    let window = Window::parse(&call.data)?;
    let list = matching(call.estate(), &clauses, sort);
    let page = Page::cut(&NAMES, &Indices::Listed(&list), window, INCIDENTS_CAP, call.page_fault());
    page.with_filter_count().render(|index| {
        let mut case = Case::new(call.estate(), index).render(&call.console());
        case["resolve_comment"] = json!(call.estate().kept(&super::casework::comment_key(index)));
        case
    })
}

fn matching(estate: &TenantEstate, clauses: &[Clause], sort: Sort) -> Vec<u32> {
    let all = (0..count(estate))
        .map(|index| Case::new(estate, index))
        .filter(|case| clauses.iter().all(|clause| case.holds(clause)));
    let mut keyed: Vec<(i64, u32)> =
        all.filter_map(|case| Some((case.key(sort.field), u32::try_from(case.index).ok()?))).collect();
    keyed.sort_unstable();
    if sort.descending {
        keyed.reverse();
    }
    keyed.into_iter().map(|(_, index)| index).collect()
}

/// A case: the alerts of an incident, seen by XDR 5.
struct Case {
    index: u64,
    alerts: Vec<Alert>,
}

impl Case {
    fn new(estate: &TenantEstate, index: u64) -> Self {
        Self { index, alerts: members(estate, index).map(|at| Alert::new(estate, at)).collect() }
    }

    fn id(&self) -> i64 {
        i64::try_from(self.index).unwrap_or(i64::MAX - 1) + 1
    }

    fn severity(&self) -> Severity {
        self.alerts.iter().map(|alert| alert.detection.severity).max().unwrap_or(Severity::Informational)
    }

    fn created(&self) -> i64 {
        self.alerts.first().map_or(0, Alert::inserted_ms)
    }

    fn modified(&self) -> i64 {
        self.alerts.iter().map(|alert| alert.detection.updated.timestamp_millis()).max().unwrap_or_default()
    }

    fn starred(&self) -> bool {
        self.alerts.iter().any(|alert| alert.detection.score >= 90)
    }

    fn key(&self, field: &str) -> i64 {
        match field {
            "case_id" => self.id(),
            "severity" => self.severity() as i64,
            _ => self.created(),
        }
    }

    /// One value of each host.
    fn hosts(&self, get: fn(&crate::estate::Machine) -> &String) -> Vec<String> {
        let mut values: Vec<String> = self
            .alerts
            .iter()
            .filter_map(|alert| alert.machine.as_ref())
            .map(|machine| get(machine).clone())
            .collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    fn holds(&self, clause: &Clause) -> bool {
        let assignee = || self.alerts.first().and_then(|alert| alert.detection.assigned_to.clone());
        match clause.field {
            "case_id" => clause.int(self.id()),
            "case_domain" => clause.text("Security"),
            "severity" => clause.text(words::case_severity(self.severity())),
            "creation_time" => clause.int(self.created()),
            "last_update_time" => clause.int(self.modified()),
            "status_progress" => {
                self.alerts.first().is_some_and(|alert| clause.text(words::progress(alert.detection.status)))
            }
            "assigned_user" => assignee().is_some_and(|who| clause.text(&who.email)),
            "assigned_user_pretty" => assignee().is_some_and(|who| clause.text(&who.name)),
            "starred" => clause.bool(self.starred()),
            "asset_ids" => clause.any_text(self.hosts(|machine| &machine.id)),
            _ => clause.any_text(self.hosts(|machine| &machine.hostname)),
        }
    }

    fn render(&self, console: &str) -> Value {
        let first = self.alerts.first();
        let detection = first.map(|alert| &alert.detection);
        let assignee = detection.and_then(|detection| detection.assigned_to.as_ref());
        let users: Vec<String> =
            self.alerts.iter().filter_map(|alert| alert.user().map(|user| user.to_lowercase())).collect();
        json!({
            "case_id": self.id(),
            "case_name": first.map(|alert| alert.wording.name),
            "is_blocked": self.alerts.iter().any(|alert| alert.detection.prevented),
            "creation_time": self.created(),
            "modification_time": self.modified(),
            "status_progress": detection.map(|detection| words::progress(detection.status)),
            "resolve_reason": detection.and_then(|detection| words::resolution_reason(detection.verdict)),
            "severity": words::case_severity(self.severity()),
            "description": first.map(|alert| format!("'{}' generated by {}", alert.wording.name, alert.source.name())),
            "assigned_user_mail": assignee.map(|who| &who.email),
            "assigned_user_pretty_name": assignee.map(|who| &who.name),
            "issue_count": self.alerts.len(),
            "issue_ids": self.alerts.iter().map(|alert| alert.id).collect::<Vec<_>>(),
            "user_severity": null,
            "notes": null,
            "resolve_comment": null,
            "resolved_timestamp": null,
            "xdr_url": format!("{console}/case-view/{}", self.id()),
            "starred": self.starred(),
            "hosts": self.hosts(|machine| &machine.hostname),
            "users": users,
            "tags": self.alerts.iter().map(|alert| alert.source.tag()).take(1).collect::<Vec<_>>(),
            "custom_fields": {},
            "assets": null,
            "asset_ids": self.hosts(|machine| &machine.id),
            "case_domain": "Security",
            "case_team": null,
            "access_mode": null,
        })
    }
}
