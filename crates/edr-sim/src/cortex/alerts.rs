//! The three documented reads of alerts on XDR 3, and the query that they share with issues.
//!
//! Facts: cortex-xdr-api sections 5.1 and 5.2. `creation_time` is when it happened on the host and
//! `server_creation_time` when the service took it in: of an alert that came late the two are far apart.

use std::sync::Arc;

use super::Call;
use super::alert::{self, Alert, Shape, Shaped};
use super::envelope::{Answer, Refusal};
use super::filter::{self, Clause, Field, Kind, Op, Sort, field};
use super::page::{Indices, Names, Page};
use super::paging::{ALERTS_CAP, Window};
use super::words;
use crate::estate::TenantEstate;
use crate::estate::alert::{Severity, Status, outline};

const IN: &[Op] = &[Op::In];
const TIME: &[Op] = &[Op::Gte, Op::Lte];

static FILTERS: &[Field] = &[
    field("alert_id_list", IN, Kind::Int),
    field("alert_source", IN, Kind::Text),
    field("severity", IN, Kind::Text),
    field("creation_time", TIME, Kind::Int),
    field("server_creation_time", TIME, Kind::Int),
    field("external_id_list", IN, Kind::Text),
    field("last_modified_ts", TIME, Kind::Int),
];

const SORTS: &[&str] = &["severity", "creation_time", "server_creation_time"];
const DEFAULT_SORT: Sort = Sort { field: "creation_time", descending: true };

static WORDS: Vocabulary = Vocabulary {
    name: "alerts",
    columns: &[
        ("alert_id_list", Column::Number),
        ("alert_source", Column::Source),
        ("severity", Column::Severity),
        ("creation_time", Column::Happened),
        ("server_creation_time", Column::Inserted),
        ("external_id_list", Column::ExternalId),
        ("last_modified_ts", Column::Modified),
    ],
    severity: words::severity,
};

static NAMES: Names = Names {
    total: "total_count",
    count: "result_count",
    items: "alerts",
    id: "alert_id",
    empty_is_null: true,
};

/// `POST v2 alerts/get_alerts_multi_events`.
pub(super) fn multi_events_v2(call: &Call<'_>) -> Answer {
    search(call, Shape::Arrays)
}

/// `POST v1 alerts/get_alerts_multi_events`.
pub(super) fn multi_events_v1(call: &Call<'_>) -> Answer {
    search(call, Shape::EventList)
}

/// `POST v1 alerts/get_alerts`.
pub(super) fn flat(call: &Call<'_>) -> Answer {
    search(call, Shape::Flat)
}

fn search(call: &Call<'_>, shape: Shape) -> Answer {
    let query = Query::parse(call, &WORDS, FILTERS, SORTS, DEFAULT_SORT)?;
    let window = Window::parse(&call.data)?;
    let list = query.list(call);
    let page =
        Page::cut(&NAMES, &query.indices(call, list.as_deref()), window, ALERTS_CAP, call.page_fault());
    page.render(|index| Shaped(Alert::new(call.estate(), index), shape))
}

/// What a field of a request stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Assignee,
    AssigneeName,
    Domain,
    ExternalId,
    Happened,
    Inserted,
    Modified,
    Number,
    Progress,
    Severity,
    Source,
}

impl Column {
    /// Whether its value can change after the alert came to be.
    fn can_change(self) -> bool {
        matches!(self, Self::Assignee | Self::AssigneeName | Self::Modified | Self::Progress | Self::Severity)
    }
}

/// How an API calls the columns and the severities.
pub(super) struct Vocabulary {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Column)],
    pub(super) severity: fn(Severity) -> &'static str,
}

impl Vocabulary {
    /// The column of a field; every field of a table of filters has one.
    fn column(&self, field: &str) -> Column {
        self.columns.iter().find(|(name, _)| *name == field).map_or(Column::Number, |(_, column)| *column)
    }
}

/// A question for alerts or issues.
pub(super) struct Query {
    words: &'static Vocabulary,
    clauses: Vec<(Column, Clause)>,
    order: Column,
    descending: bool,
}

impl Query {
    pub(super) fn parse(
        call: &Call<'_>,
        words: &'static Vocabulary,
        table: &'static [Field],
        sorts: &'static [&'static str],
        default: Sort,
    ) -> Result<Self, Refusal> {
        let clauses = filter::parse(&call.data, table)?;
        let sort = Sort::parse(&call.data, sorts, default)?;
        let clauses = clauses.into_iter().map(|clause| (words.column(clause.field), clause)).collect();
        Ok(Self { words, clauses, order: words.column(sort.field), descending: sort.descending })
    }

    /// Alerts come in by their index: in that order no list is needed.
    fn is_by_index(&self) -> bool {
        self.clauses.is_empty() && matches!(self.order, Column::Inserted | Column::Number)
    }

    pub(super) fn indices<'a>(&self, call: &Call<'_>, list: Option<&'a Vec<u32>>) -> Indices<'a> {
        match list {
            Some(list) => Indices::Listed(list),
            None if self.descending => Indices::Descending(call.estate().alert_count()),
            None => Indices::Ascending(call.estate().alert_count()),
        }
    }

    /// The ordered list, kept for the next page where nothing in the question can change.
    pub(super) fn list(&self, call: &Call<'_>) -> Option<Arc<Vec<u32>>> {
        if self.is_by_index() {
            return None;
        }
        if self.order.can_change() || self.clauses.iter().any(|(column, _)| column.can_change()) {
            return Some(Arc::new(self.compute(call.estate())));
        }
        let count = call.estate().alert_count();
        let key = call.list_key(&format!(
            "{}:{count}:{:?}:{:?}:{}",
            self.words.name, self.clauses, self.order, self.descending
        ));
        Some(call.sim().lists.get_or_compute(&key, || self.compute(call.estate())))
    }

    fn compute(&self, estate: &TenantEstate) -> Vec<u32> {
        let matching = self.candidates(estate).into_iter().filter(|index| {
            self.clauses.iter().all(|(column, clause)| self.holds(estate, *index, *column, clause))
        });
        let mut keyed: Vec<(i64, u32)> = matching
            .filter_map(|index| Some((key(estate, index, self.order), u32::try_from(index).ok()?)))
            .collect();
        keyed.sort_unstable();
        if self.descending {
            keyed.reverse();
        }
        keyed.into_iter().map(|(_, index)| index).collect()
    }

    /// A question for numbers looks at these alone.
    fn candidates(&self, estate: &TenantEstate) -> Vec<u64> {
        match self
            .clauses
            .iter()
            .find(|(column, _)| *column == Column::Number)
            .and_then(|(_, clause)| clause.listed_ints())
        {
            Some(numbers) => {
                let mut found: Vec<u64> = numbers
                    .iter()
                    .filter_map(|number| estate.alert_index_of_number(u64::try_from(*number).ok()?))
                    .collect();
                found.sort_unstable();
                found.dedup();
                found
            }
            None => (0..estate.alert_count()).collect(),
        }
    }

    fn holds(&self, estate: &TenantEstate, index: u64, column: Column, clause: &Clause) -> bool {
        match column {
            Column::Assignee => {
                estate.detection(index).assigned_to.is_some_and(|who| clause.text(&who.email))
            }
            Column::AssigneeName => {
                estate.detection(index).assigned_to.is_some_and(|who| clause.text(&who.name))
            }
            Column::Domain => clause.text("Security"),
            Column::ExternalId => clause.text(&alert::external_id(estate, index)),
            Column::Happened | Column::Inserted | Column::Modified | Column::Number => {
                clause.int(key(estate, index, column))
            }
            Column::Progress => clause.text(words::progress(status(estate, index))),
            Column::Severity => clause.text((self.words.severity)(severity(estate, index))),
            Column::Source => clause.text(alert::source_of(estate, index).name()),
        }
    }
}

/// The value of a column as a number, for comparing and sorting.
fn key(estate: &TenantEstate, index: u64, column: Column) -> i64 {
    match column {
        Column::Happened => estate.detection(index).happened.timestamp_millis(),
        Column::Inserted => estate.alert_created_ms(index),
        Column::Modified => estate.detection(index).updated.timestamp_millis(),
        Column::Number => i64::try_from(estate.alert_number(index)).unwrap_or(i64::MAX),
        Column::Severity => severity(estate, index) as i64,
        _ => 0,
    }
}

/// The severity of an alert, without the rest of it.
pub(super) fn severity(estate: &TenantEstate, index: u64) -> Severity {
    let changed = estate.alert_overlay(index).and_then(|overlay| overlay.severity);
    changed.unwrap_or_else(|| Severity::of_score(outline(estate, index).score))
}

fn status(estate: &TenantEstate, index: u64) -> Status {
    let changed = estate.alert_overlay(index).and_then(|overlay| overlay.status);
    changed.unwrap_or_else(|| outline(estate, index).status)
}
