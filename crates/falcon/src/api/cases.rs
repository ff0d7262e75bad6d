//! Cases: alerts that belong together, and the work on them. Scope "Cases".
//!
//! They took the place of incidents: CrowdStrike retired `/incidents/` (with behaviours and CrowdScore) on
//! 2026-03-09, and its routes answer 404. There is therefore no method for them here.

use edr_http::RequestPlan;
use serde::{Serialize, Serializer};

use super::{Endpoint, ListParams, Paging, Verb};
use crate::time::Timestamp;
use crate::wire::wire;
use crate::words::words;

const READ: &str = "Cases: read";
const WRITE: &str = "Cases: write";
const CASES: &str = "/cases/entities/cases/v2";
const TAGS: &str = "/cases/entities/case-tags/v1";

/// Ids of cases.
pub static QUERY: Endpoint =
    Endpoint::read("queries.cases.get.v1", Verb::Get, "/cases/queries/cases/v1", READ)
        .pages(Paging::Offset { cap: None }, 10_000)
        .query(&["filter", "limit", "offset", "q", "sort"]);
/// Cases by id.
pub static ENTITIES: Endpoint =
    Endpoint::read("entities.cases.post.v2", Verb::Post, CASES, READ).ids(MAX_IDS as u32);
/// Makes a case.
pub static CREATE: Endpoint = Endpoint::write("entities.cases.put.v2", Verb::Put, CASES, WRITE);
/// Changes a case.
pub static UPDATE: Endpoint = Endpoint::write("entities.cases.patch.v2", Verb::Patch, CASES, WRITE);
/// Adds tags.
pub static ADD_TAGS: Endpoint = Endpoint::repeatable("entities.case-tags.post.v1", Verb::Post, TAGS, WRITE);
/// Takes tags away.
pub static DELETE_TAGS: Endpoint =
    Endpoint::repeatable("entities.case-tags.delete.v1", Verb::Delete, TAGS, WRITE).query(&["id", "tag"]);
/// Adds alerts.
pub static ADD_ALERTS: Endpoint = Endpoint::repeatable(
    "entities.alert-evidence.post.v1",
    Verb::Post,
    "/cases/entities/alert-evidence/v1",
    WRITE,
);
/// Adds events.
pub static ADD_EVENTS: Endpoint = Endpoint::repeatable(
    "entities.event-evidence.post.v1",
    Verb::Post,
    "/cases/entities/event-evidence/v1",
    WRITE,
);
/// Puts one case into another.
pub static MERGE: Endpoint =
    Endpoint::write("entities.merge.post.v1", Verb::Post, "/cases/entities/merge/v1", WRITE);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] =
    &[&QUERY, &ENTITIES, &CREATE, &UPDATE, &ADD_TAGS, &DELETE_TAGS, &ADD_ALERTS, &ADD_EVENTS, &MERGE];

/// The most ids in one call of this crate; the service publishes no limit.
pub const MAX_IDS: usize = 100;

words! {
    /// Where the work on a case stands.
    pub enum CaseStatus {
        /// Done.
        Closed = "closed",
        /// Somebody is on it.
        InProgress = "in_progress",
        /// Nobody has looked.
        New = "new",
        /// Done once, and begun again.
        Reopened = "reopened",
    }
}

/// Which cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CasesParams {
    /// Filter, order and page.
    pub rows: ListParams,
    /// A text that stands anywhere in a case.
    pub q: Option<String>,
}

/// A page of ids of cases.
#[must_use]
pub fn query(params: &CasesParams) -> RequestPlan {
    params.rows.plan(&QUERY).maybe("q", params.q.as_deref())
}

/// Cases by id, at most [`MAX_IDS`].
#[must_use]
pub fn entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ENTITIES.by_body(ids)
}

/// `{"id": …}`, as evidence is named.
#[derive(Serialize)]
struct Selector<'a> {
    id: &'a str,
}

fn selectors<S: AsRef<str>>(ids: &[S]) -> Vec<Selector<'_>> {
    ids.iter().map(|id| Selector { id: id.as_ref() }).collect()
}

fn write_selectors<S: Serializer>(ids: &[String], s: S) -> Result<S::Ok, S::Error> {
    selectors(ids).serialize(s)
}

/// What a case is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Composite ids of alerts.
    #[serde(serialize_with = "write_selectors")]
    pub alerts: Vec<String>,
    /// Ids of events.
    #[serde(serialize_with = "write_selectors")]
    pub events: Vec<String>,
    /// Ids of leads.
    #[serde(serialize_with = "write_selectors")]
    pub leads: Vec<String>,
}

/// A case to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewCase {
    /// The user who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to_user_uuid: Option<String>,
    /// What it is about.
    pub description: String,
    /// What it is made of.
    pub evidence: Evidence,
    /// Its name.
    pub name: String,
    /// From 0 to 100.
    pub severity: u8,
    /// Where the work stands.
    pub status: CaseStatus,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl NewCase {
    /// A new case of a severity from 0 to 100.
    #[must_use]
    pub fn new(name: &str, severity: u8) -> Self {
        Self {
            assigned_to_user_uuid: None,
            description: String::new(),
            evidence: Evidence::default(),
            name: name.to_owned(),
            severity,
            status: CaseStatus::New,
            tags: Vec::new(),
        }
    }

    /// With these alerts.
    #[must_use]
    pub fn alerts<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        self.evidence.alerts.extend(ids.into_iter().map(Into::into));
        self
    }
}

/// What changes of a case: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CaseFields {
    /// The user who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to_user_uuid: Option<String>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Nobody works on it any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub remove_user_assignment: bool,
    /// From 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<u8>,
    /// Where the work stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<CaseStatus>,
}

/// A change of one case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CaseChange {
    /// The version that the case must still have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<i64>,
    /// What changes.
    pub fields: CaseFields,
    /// The case.
    pub id: String,
}

/// Makes a case.
#[must_use]
pub fn create(new: &NewCase) -> RequestPlan {
    CREATE.json(new)
}

/// Changes a case.
#[must_use]
pub fn update(change: &CaseChange) -> RequestPlan {
    UPDATE.json(change)
}

/// Adds tags to a case.
#[must_use]
pub fn add_tags<S: AsRef<str>>(id: &str, tags: &[S]) -> RequestPlan {
    #[derive(Serialize)]
    struct Body<'a> {
        id: &'a str,
        tags: Vec<&'a str>,
    }
    ADD_TAGS.json(&Body { id, tags: tags.iter().map(AsRef::as_ref).collect() })
}

/// Takes tags of a case away.
#[must_use]
pub fn delete_tags<S: AsRef<str>>(id: &str, tags: &[S]) -> RequestPlan {
    DELETE_TAGS.by_query("tag", tags).query("id", id)
}

/// Adds alerts to a case.
#[must_use]
pub fn add_alerts<S: AsRef<str>>(id: &str, alerts: &[S]) -> RequestPlan {
    #[derive(Serialize)]
    struct Body<'a> {
        alerts: Vec<Selector<'a>>,
        id: &'a str,
    }
    ADD_ALERTS.json(&Body { alerts: selectors(alerts), id })
}

/// Adds events to a case.
#[must_use]
pub fn add_events<S: AsRef<str>>(id: &str, events: &[S]) -> RequestPlan {
    #[derive(Serialize)]
    struct Body<'a> {
        events: Vec<Selector<'a>>,
        id: &'a str,
    }
    ADD_EVENTS.json(&Body { events: selectors(events), id })
}

/// Puts a case into another.
#[must_use]
pub fn merge(source: &str, destination: &str) -> RequestPlan {
    #[derive(Serialize)]
    struct Body<'a> {
        destination_id: &'a str,
        source_id: &'a str,
    }
    MERGE.json(&Body { destination_id: destination, source_id: source })
}

wire! {
    /// A case, `sdk.CaseVM`.
    pub struct Case {
        analysis_results: Option<CaseAnalysis>,
        assigned_to: Option<CaseUser>,
        cid: Option<String>,
        consistency: Option<CaseConsistency>,
        created_by: Option<CaseUser>,
        created_timestamp: Option<Timestamp>,
        description: Option<String>,
        description_format: Option<String>,
        end_timestamp: Option<Timestamp>,
        evidence: Option<CaseEvidence>,
        fields: Vec<CaseField>,
        id: Option<String>,
        last_updated_by: Option<CaseUser>,
        name: Option<String>,
        read_only: Option<CaseReadOnly>,
        reference_id: Option<String>,
        severity: Option<i64>,
        severity_info: Option<CaseSeverity>,
        sla: Option<CaseSla>,
        start_timestamp: Option<Timestamp>,
        status: Option<CaseStatus>,
        tags: Vec<String>,
        template: Option<CaseTemplate>,
        updated_timestamp: Option<Timestamp>,
        version: Option<i64>,
    }
}

wire! {
    /// A user who has to do with a case; its texts are empty where there is none.
    pub struct CaseUser {
        email: Option<String>,
        full_name: Option<String>,
        uuid: Option<String>,
    }
}

wire! {
    /// Whether everything that follows from a change has been done.
    pub struct CaseConsistency {
        consistent: Option<bool>,
        version: Option<i64>,
    }
}

wire! {
    /// Whether a case can be changed.
    pub struct CaseReadOnly { is_read_only: Option<bool>, }
}

wire! {
    /// How bad a case is, in a word.
    pub struct CaseSeverity { level: Option<String>, }
}

wire! {
    /// The template that a case was made from.
    pub struct CaseTemplate {
        id: Option<String>,
        name: Option<String>,
        version: Option<i64>,
    }
}

wire! {
    /// A field that the tenant has added to its cases.
    pub struct CaseField {
        id: Option<String>,
        name: Option<String>,
        required: Option<bool>,
        values: Vec<String>,
    }
}

wire! {
    /// What was promised for a case, and by when it is due.
    pub struct CaseSla {
        active_timer_status: Option<String>,
        active_timer_time_due: Option<Timestamp>,
        id: Option<String>,
        name: Option<String>,
    }
}

wire! {
    /// What a case is made of.
    pub struct CaseEvidence {
        alerts: Option<EvidenceRecords>,
        events: Option<EvidenceRecords>,
        leads: Option<EvidenceRecords>,
    }
}

wire! {
    /// Pieces of evidence of a kind.
    pub struct EvidenceRecords { records: Vec<EvidenceRecord>, }
}

wire! {
    /// A piece of evidence; of an alert the composite id.
    pub struct EvidenceRecord { id: Option<String>, }
}

wire! {
    /// What the service found in the evidence.
    pub struct CaseAnalysis {
        data_domains: Vec<String>,
        files: Option<CaseFiles>,
        hosts: Option<CaseHosts>,
        users: Option<CaseAccounts>,
    }
}

wire! {
    /// The files of a case.
    pub struct CaseFiles { records: Vec<CaseFile>, }
}

wire! {
    /// A file of a case.
    pub struct CaseFile {
        filename: Option<String>,
        md5: Option<String>,
        path: Option<String>,
        sha256: Option<String>,
    }
}

wire! {
    /// The hosts of a case.
    pub struct CaseHosts { records: Vec<CaseHost>, }
}

wire! {
    /// A host of a case.
    pub struct CaseHost {
        agent_ip: Option<String>,
        aid: Option<String>,
        cloud_instance_id: Option<String>,
        hostname: Option<String>,
        local_ip: Option<String>,
    }
}

wire! {
    /// The accounts of a case.
    pub struct CaseAccounts { records: Vec<CaseAccount>, }
}

wire! {
    /// An account of a case.
    pub struct CaseAccount {
        email_addresses: Vec<String>,
        sid: Option<String>,
        user_full_name: Option<String>,
        user_id: Option<String>,
        username: Option<String>,
    }
}
