//! Quarantined files: those that sensors have taken away, and what becomes of them. Scope "Quarantined Files".

use edr_http::RequestPlan;
use serde::Serialize;

use super::{AggregateSpec, Endpoint, ListParams, Paging, Verb};
use crate::time::Timestamp;
use crate::wire::wire;
use crate::words::words;

const READ: &str = "Quarantined Files: read";
const WRITE: &str = "Quarantined Files: write";
const FILES: &str = "/quarantine/queries/quarantined-files/v1";
const WORDS: &[&str] = &["delete", "release", "unrelease"];

/// Ids of files.
pub static QUERY: Endpoint = Endpoint::read("QueryQuarantineFiles", Verb::Get, FILES, READ)
    .pages(Paging::Offset { cap: None }, MAX_PAGE)
    .query(&["filter", "limit", "offset", "q", "sort"]);
/// Files by id.
pub static ENTITIES: Endpoint =
    Endpoint::read("GetQuarantineFiles", Verb::Post, "/quarantine/entities/quarantined-files/GET/v1", READ)
        .ids(MAX_IDS as u32);
/// Counts of files.
pub static AGGREGATE: Endpoint =
    Endpoint::read("GetAggregateFiles", Verb::Post, "/quarantine/aggregates/quarantined-files/GET/v1", READ);
/// How many files each action would change.
pub static ACTION_COUNTS: Endpoint =
    Endpoint::read("ActionUpdateCount", Verb::Get, "/quarantine/aggregates/action-update-count/v1", READ)
        .query(&["filter"]);
/// Orders about files by id.
pub static UPDATE: Endpoint = Endpoint::repeatable(
    "UpdateQuarantinedDetectsByIds",
    Verb::Patch,
    "/quarantine/entities/quarantined-files/v1",
    WRITE,
)
.ids(MAX_IDS as u32)
.actions(WORDS);
/// Orders about every file that a filter lets through.
pub static UPDATE_WHERE: Endpoint =
    Endpoint::write("UpdateQfByQuery", Verb::Patch, FILES, WRITE).actions(WORDS);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] =
    &[&QUERY, &ENTITIES, &AGGREGATE, &ACTION_COUNTS, &UPDATE, &UPDATE_WHERE];

/// The most ids on a page of this crate; the service publishes no limit.
pub const MAX_PAGE: u32 = 500;
/// The most ids in one call.
pub const MAX_IDS: usize = 500;

words! {
    /// What is to be done with a file.
    pub enum QuarantineAction {
        /// It is deleted, for good.
        Delete = "delete",
        /// It goes back to where it was.
        Release = "release",
        /// It is taken away again.
        Unrelease = "unrelease",
    }
}

words! {
    /// Where a file stands. Orders are pending until the sensor has carried them out.
    pub enum QuarantineState {
        /// It is gone.
        Deleted = "deleted",
        /// Its path is gone.
        Purged = "purged",
        /// It is locked away.
        Quarantined = "quarantined",
        /// It will be released.
        ReleasePending = "release_pending",
        /// It is back where it was.
        Released = "released",
        /// It will be locked away again.
        UnreleasePending = "unrelease_pending",
    }
}

/// Which files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesParams {
    /// Filter (`*` for all), order with a pipe, and page.
    pub rows: ListParams,
    /// The beginning of a text of the file.
    pub q: Option<String>,
}

/// A page of ids of files.
#[must_use]
pub fn query(params: &FilesParams) -> RequestPlan {
    params.rows.plan(&QUERY).maybe("q", params.q.as_deref())
}

/// Files by id, at most [`MAX_IDS`].
#[must_use]
pub fn entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ENTITIES.by_body(ids)
}

/// One count of files. The service takes one question in a call.
#[must_use]
pub fn aggregate(spec: &AggregateSpec) -> RequestPlan {
    AGGREGATE.json(spec)
}

/// How many files each action would change, of those that a filter lets through.
#[must_use]
pub fn action_counts(filter: &str) -> RequestPlan {
    ACTION_COUNTS.plan().query("filter", filter)
}

#[derive(Serialize)]
struct Order<'a> {
    action: &'a QuarantineAction,
    #[serde(skip_serializing_if = "str::is_empty")]
    comment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ids: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    q: Option<&'a str>,
}

/// An order about files by id, at most [`MAX_IDS`].
#[must_use]
pub fn update<S: AsRef<str>>(action: &QuarantineAction, ids: &[S], comment: &str) -> RequestPlan {
    let ids = ids.iter().map(AsRef::as_ref).collect();
    UPDATE.json(&Order { action, comment, filter: None, ids, q: None })
}

/// An order about every file that a filter lets through.
#[must_use]
pub fn update_where(action: &QuarantineAction, filter: &str, comment: &str) -> RequestPlan {
    UPDATE_WHERE.json(&Order { action, comment, filter: Some(filter), ids: Vec::new(), q: None })
}

wire! {
    /// A quarantined file, `quarantine.QuarantinedFile`. Its id is `<device id>_<SHA-256>`.
    pub struct QuarantinedFile {
        aid: Option<String>,
        alert_ids: Vec<String>,
        cid: Option<String>,
        date_created: Option<Timestamp>,
        date_updated: Option<Timestamp>,
        extracted: Option<bool>,
        hostname: Option<String>,
        id: Option<String>,
        is_on_removable_disk: Option<bool>,
        paths: Vec<QuarantinedPath>,
        primary_module: Option<bool>,
        release_path_for_removable_media: Option<String>,
        sandbox_report_id: Option<String>,
        sandbox_report_state: Option<String>,
        sha256: Option<String>,
        state: Option<QuarantineState>,
        username: Option<String>,
    }
}

wire! {
    /// A place at which a file was.
    pub struct QuarantinedPath {
        filename: Option<String>,
        path: Option<String>,
        state: Option<QuarantineState>,
    }
}
