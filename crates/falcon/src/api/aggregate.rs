//! Counts: what is asked of an aggregate, and what comes back.

use serde::Serialize;

use crate::wire::wire;
use crate::words::words;

words! {
    /// What an aggregate makes of a field.
    pub enum AggregateKind {
        /// How many different values.
        Cardinality = "cardinality",
        /// Rows by spans of time; needs an interval.
        DateHistogram = "date_histogram",
        /// Rows in given spans of time; needs date ranges.
        DateRange = "date_range",
        /// The greatest value.
        Max = "max",
        /// The least value.
        Min = "min",
        /// Rows in given spans of numbers; needs ranges.
        Range = "range",
        /// Rows by value.
        Terms = "terms",
    }
}

/// A span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DateSpan {
    /// From here on, such as `now-7d`.
    pub from: String,
    /// Until here.
    pub to: String,
}

/// A span of numbers. The service writes its keys with a capital.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NumberSpan {
    /// From here on.
    pub from: f64,
    /// Up to here.
    pub to: f64,
}

/// One question. A field that the service does not know is answered without buckets, and not refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AggregateSpec {
    /// The spans of [`AggregateKind::DateRange`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub date_ranges: Vec<DateSpan>,
    /// The field.
    pub field: String,
    /// FQL; empty for all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// The span of a [`AggregateKind::DateHistogram`]: `year`, `month`, `week`, `day`, `hour` or `minute`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// A name to know the answer by.
    pub name: String,
    /// The spans of [`AggregateKind::Range`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<NumberSpan>,
    /// How many buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// The order of the buckets, such as `_count|desc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// Questions to put to each bucket.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sub_aggregates: Vec<AggregateSpec>,
    /// The time zone, such as `+02:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What is made of the field.
    #[serde(rename = "type")]
    pub kind: AggregateKind,
}

impl AggregateSpec {
    /// A question about a field.
    #[must_use]
    pub fn new(name: &str, kind: AggregateKind, field: &str) -> Self {
        Self {
            date_ranges: Vec::new(),
            field: field.to_owned(),
            filter: String::new(),
            interval: None,
            name: name.to_owned(),
            ranges: Vec::new(),
            size: None,
            sort: None,
            sub_aggregates: Vec::new(),
            time_zone: None,
            kind,
        }
    }

    /// What the kind needs and lacks; without it the service breaks with a 500.
    #[must_use]
    pub fn lacks(&self) -> Option<&'static str> {
        match self.kind {
            AggregateKind::DateHistogram if self.interval.is_none() => Some("an interval"),
            AggregateKind::DateRange if self.date_ranges.is_empty() => Some("date ranges"),
            AggregateKind::Range if self.ranges.is_empty() => Some("ranges"),
            _ => self.sub_aggregates.iter().find_map(Self::lacks),
        }
    }
}

wire! {
    /// One answer.
    pub struct Aggregate {
        buckets: Vec<Bucket>,
        name: Option<String>,
        sum_other_doc_count: Option<i64>,
    }
}

wire! {
    /// One bucket of an answer. Numbers and texts stand under `label` alike.
    pub struct Bucket {
        count: Option<i64>,
        from: Option<f64>,
        key_as_string: Option<String>,
        label: Option<String>,
        string_from: Option<String>,
        string_to: Option<String>,
        sub_aggregates: Vec<Aggregate>,
        to: Option<f64>,
        value: Option<f64>,
        value_as_string: Option<String>,
    }
}
