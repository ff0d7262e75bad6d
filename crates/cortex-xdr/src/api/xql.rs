//! Queries in XQL.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{Error, ErrorKind, Result};
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use super::system::ADMIN;
use super::{ApiCall, refused, reply};
use crate::record::{Record, field, record, words};
use crate::wire::{self, Stamp};

/// Begins a query. It costs, so it is not begun twice.
pub static START: Operation = Operation::write("xql/start_xql_query", ADMIN);
/// How far a query is, and what it gave.
pub static RESULTS: Operation = Operation::read("xql/get_query_results", ADMIN);
/// What a query gave, where it is much.
pub static STREAM: Operation = Operation::read("xql/get_query_results_stream", ADMIN);
/// What of the day's budget is left.
pub static QUOTA: Operation = Operation::read("xql/get_quota", ADMIN);

/// The queries that a tenant runs at once by its API.
pub const PARALLEL: usize = 4;
/// The most rows that come in one answer; more come as a stream.
pub const MAX_ROWS: u32 = 1_000;

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::both(&START).limit("4 at once, and a daily budget"),
        ApiCall::both(&RESULTS).limit("1,000 rows"),
        ApiCall::both(&STREAM),
        ApiCall::both(&QUOTA),
    ]
}

/// A query.
///
/// ```
/// use cortex_xdr::api::xql::XqlQuery;
/// let query = XqlQuery::new("dataset = xdr_data | fields agent_hostname | limit 10").last(chrono::TimeDelta::hours(1));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct XqlQuery {
    text: String,
    tenants: Vec<String>,
    time: Option<TimeFrame>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum TimeFrame {
    Between(DateTime<Utc>, DateTime<Utc>),
    Last(TimeDelta),
}

impl XqlQuery {
    /// A query over the last 24 hours.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tenants: Vec::new(), time: None }
    }

    /// Over this time.
    #[must_use]
    pub fn between(self, from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self { time: Some(TimeFrame::Between(from, to)), ..self }
    }

    /// Over the time until now.
    #[must_use]
    pub fn last(self, time: TimeDelta) -> Self {
        Self { time: Some(TimeFrame::Last(time)), ..self }
    }

    /// Over these tenants, from their parent.
    #[must_use]
    pub fn tenants<T: Into<String>>(self, tenants: impl IntoIterator<Item = T>) -> Self {
        Self { tenants: tenants.into_iter().map(Into::into).collect(), ..self }
    }
}

/// Begins a query.
///
/// # Errors
/// For no query, and for a time that ends before it begins.
pub fn start_query(query: &XqlQuery) -> Result<RequestPlan> {
    if query.text.trim().is_empty() {
        return Err(refused(&START, "the query is empty"));
    }
    let mut data = Map::new();
    data.insert("query".to_owned(), json!(query.text));
    if !query.tenants.is_empty() {
        data.insert("tenants".to_owned(), json!(query.tenants));
    }
    match query.time {
        None => {}
        Some(TimeFrame::Between(from, to)) if from < to => {
            data.insert(
                "timeframe".to_owned(),
                json!({"from": from.timestamp_millis(), "to": to.timestamp_millis()}),
            );
        }
        Some(TimeFrame::Last(time)) if time > TimeDelta::zero() => {
            data.insert("timeframe".to_owned(), json!({"relativeTime": time.num_milliseconds()}));
        }
        Some(_) => return Err(refused(&START, "the time ends before it begins")),
    }
    Ok(super::post(&START, &Value::Object(data)))
}

/// Reads the id of a query that was begun.
pub(crate) fn started(body: &[u8]) -> Result<String> {
    reply::text(body, &["query_id", "queryId", "execution_id"])
}

/// How far a query is; at once.
#[must_use]
pub fn query_results(id: &str, limit: Option<u32>) -> RequestPlan {
    let mut data = json!({"query_id": id, "pending_flag": true, "format": "json"});
    if let Some(limit) = limit {
        data["limit"] = json!(limit);
    }
    super::post(&RESULTS, &data)
}

/// What a query gave, as a stream.
#[must_use]
pub fn query_stream(id: &str, gzip: bool) -> RequestPlan {
    super::post(&STREAM, &json!({"stream_id": id, "is_gzip_compressed": gzip}))
}

/// What of the day's budget is left.
#[must_use]
pub fn xql_quota() -> RequestPlan {
    RequestPlan::post_json(&QUOTA, "/public_api/v1/xql/get_quota", "{}")
}

words! {
    /// How far a query is.
    pub enum QueryStatus {
        /// It failed.
        Fail = "FAIL" | "FAILED",
        /// Some of the tenants failed.
        PartialSuccess = "PARTIAL_SUCCESS",
        /// It waits, or runs.
        Pending = "PENDING" | "RUNNING",
        /// It is done.
        Success = "SUCCESS",
    }
}

/// A row. Its columns are those of the query; in streams the vendor writes `NULL`, `TRUE` and `FALSE` as
/// texts, and times as texts, too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(Map<String, Value>);

impl Row {
    /// The columns as they came.
    #[must_use]
    pub fn json(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The value of a column; the text `NULL` is none.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.0.get(column).filter(|value| !value.is_null() && value.as_str() != Some("NULL"))
    }

    /// The text of a column.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<String> {
        wire::scalar(self.get(column)?)
    }

    /// True or false, also as `TRUE`.
    #[must_use]
    pub fn flag(&self, column: &str) -> Option<bool> {
        wire::flag(self.get(column)?)
    }

    /// A time, as milliseconds or as `2021-05-18 14:24:51.681 UTC`.
    #[must_use]
    pub fn time(&self, column: &str) -> Option<DateTime<Utc>> {
        Stamp::read(self.get(column)?).time
    }
}

impl Record for Row {
    fn from_object(object: &Map<String, Value>) -> Self {
        Self(object.clone())
    }
}

/// What is known of a query.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct QueryResults {
    /// How far it is.
    pub status: Option<QueryStatus>,
    /// How many rows it gave; absent while it runs.
    pub number_of_results: Option<u64>,
    /// What it cost, by tenant.
    pub query_cost: BTreeMap<String, f64>,
    /// What of the day's budget is left.
    pub remaining_quota: Option<f64>,
    /// The rows, unless they come as a stream.
    pub rows: Vec<Row>,
    /// The stream with the rows.
    pub stream_id: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

impl QueryResults {
    /// True when nothing further will happen. Whatever is not waiting has ended, words included that are
    /// not known: nobody waits for a query that has failed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status.as_ref().is_some_and(|status| *status != QueryStatus::Pending)
    }

    /// The results of a query that has ended well.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when it failed, and [`ErrorKind::Timeout`] when it has not ended.
    pub fn into_ended(self) -> Result<Self> {
        match &self.status {
            Some(QueryStatus::Success | QueryStatus::PartialSuccess) => Ok(self),
            Some(QueryStatus::Pending) | None => {
                Err(Error::new(ErrorKind::Timeout, "the query has not ended in the time that it was given"))
            }
            Some(other) => {
                let why = self.error.as_deref().unwrap_or("the service gives no reason");
                Err(Error::new(ErrorKind::InvalidRequest, format!("the query ended as {other}: {why}")))
            }
        }
    }
}

impl Record for QueryResults {
    fn from_object(object: &Map<String, Value>) -> Self {
        let results = object.get("results");
        let part = |key: &str| results.and_then(|results| results.get(key));
        let rows = part("data").or(results.filter(|results| results.is_array())).and_then(Value::as_array);
        Self {
            status: field(object, &["status"]),
            number_of_results: field(object, &["number_of_results"]),
            query_cost: field(object, &["query_cost"]),
            remaining_quota: field(object, &["remaining_quota"]),
            rows: rows.into_iter().flatten().filter_map(crate::record::read).collect(),
            stream_id: part("stream_id").and_then(wire::text),
            error: error(object),
        }
    }
}

/// Why a query failed, wherever it stands.
fn error(object: &Map<String, Value>) -> Option<String> {
    let told = ["error_details", "error", "err_msg", "err_extra", "message"]
        .iter()
        .find_map(|key| object.get(*key))?;
    match told {
        Value::Object(inner) => {
            ["parse_err", "message", "err_msg"].iter().find_map(|key| inner.get(*key)).and_then(wire::text)
        }
        other => wire::text(other),
    }
}

/// The longest line of a stream.
pub(crate) const LONGEST: usize = 16 << 20;

/// Reads a line of a stream: a JSON object. `None` for an empty line.
///
/// # Errors
/// [`ErrorKind::Decode`] for anything else, with the number of the line.
pub fn row(line: &[u8], number: u64) -> Option<Result<Row>> {
    // Streams are known to hold zero bytes.
    let whole = match line.contains(&0) {
        true => Cow::Owned(line.iter().copied().filter(|byte| *byte != 0).collect::<Vec<u8>>()),
        false => Cow::Borrowed(line),
    };
    let text = whole.trim_ascii();
    let damaged =
        |e| Error::new(ErrorKind::Decode, format!("row {number} of the stream is damaged")).with_source(e);
    (!text.is_empty()).then(|| serde_json::from_slice(text).map(Row).map_err(damaged))
}

record! {
    /// The day's budget of queries, in compute units.
    pub struct XqlQuota {
        /// What the licence has.
        pub license_quota: Option<f64> = "license_quota",
        /// What was bought beside it.
        pub additional_purchased_quota: Option<f64> = "additional_purchased_quota",
        /// What is used up.
        pub used_quota: Option<f64> = "used_quota",
    }
}

impl XqlQuota {
    /// What is left.
    #[must_use]
    pub fn left(&self) -> Option<f64> {
        let bought = self.additional_purchased_quota.unwrap_or_default();
        Some(self.license_quota? + bought - self.used_quota.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_line_by_line() {
        let body = b"{\"a\":\"NULL\",\"b\":\"TRUE\",\"t\":\"2021-05-18 14:24:51.681 UTC\"}\n\n{\"a\":\0 7}\r\n{broken\n";
        let read: Vec<Result<Row>> =
            body.split(|b| *b == b'\n').zip(1..).filter_map(|(l, n)| row(l, n)).collect();
        assert!(read[2].as_ref().unwrap_err().to_string().contains("row 4"));
        let rows: Vec<&Row> = read.iter().flatten().collect();
        assert_eq!((read.len(), rows.len()), (3, 2));
        assert_eq!((rows[0].text("a"), rows[0].flag("b")), (None, Some(true)));
        assert_eq!(rows[0].time("t").unwrap().timestamp_millis(), 1_621_347_891_681);
        assert_eq!(rows[1].text("a").as_deref(), Some("7"));
    }

    #[test]
    fn only_a_success_is_one() {
        let read = |body: &str| reply::object::<QueryResults>(body.as_bytes()).unwrap();
        assert!(!read(r#"{"reply":{"status":"PENDING"}}"#).is_over());
        assert!(!read(r#"{"reply":{"status":"running"}}"#).is_over());
        let failed = read(r#"{"reply":{"status":"FAIL","err_extra":{"parse_err":"at '|'"}}}"#);
        assert!(failed.is_over());
        assert!(failed.into_ended().unwrap_err().to_string().contains("at '|'"));
        assert!(read(r#"{"reply":{"status":"ODD"}}"#).is_over());
        let done = read(
            r#"{"reply":{"status":"success","number_of_results":"1","query_cost":{"t":"0.5"},"remaining_quota":4.5,"results":{"data":[{"a":1}]}}}"#,
        );
        assert_eq!((done.rows.len(), done.query_cost["t"], done.number_of_results), (1, 0.5, Some(1)));
        assert!(done.into_ended().is_ok());
    }

    #[test]
    fn a_query_is_checked() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert!(start_query(&XqlQuery::new(" ")).is_err());
        assert!(start_query(&XqlQuery::new("x").between(now, now)).is_err());
        assert!(start_query(&XqlQuery::new("x").last(TimeDelta::hours(-1))).is_err());
        assert!(start_query(&XqlQuery::new("x").last(TimeDelta::hours(1)).tenants(["a"])).is_ok());
        for body in [r#"{"reply":"q_16_inv"}"#, r#"{"reply":{"queryId":"q_16_inv"}}"#] {
            assert_eq!(started(body.as_bytes()).unwrap(), "q_16_inv");
        }
    }
}
