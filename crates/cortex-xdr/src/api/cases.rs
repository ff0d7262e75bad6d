//! Cases of XDR 5: what incidents are on XDR 3.

use chrono::{DateTime, Utc};
use edr_core::Result;
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use super::system::{INVESTIGATOR, VIEWER};
use super::{ApiCall, PageRequest, Sheet, TimeKey, refused};
use crate::filter::filters;
use crate::record::{record, words};
use crate::wire::Stamp;

/// Cases in windows.
pub static SEARCH: Operation = Operation::read("case/search", VIEWER);
/// Changes a case.
pub static UPDATE: Operation = Operation::write("case/update", INVESTIGATOR);
/// What a case speaks of.
pub static ARTIFACTS: Operation = Operation::read("case/artifacts", VIEWER);
/// What was written on a case.
pub static ENTRIES: Operation = Operation::read("entries/get", VIEWER);
/// Writes on a case.
pub static WRITE: Operation = Operation::write("entries/insert", INVESTIGATOR);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::five(&SEARCH).paged("case_id"),
        ApiCall::five(&UPDATE).at("/public_api/v1/case/update/{case-id}"),
        ApiCall::five(&ARTIFACTS).get().at("/public_api/v1/case/artifacts/{case-id}/"),
        ApiCall::five(&ENTRIES),
        ApiCall::five(&WRITE),
    ]
}

words! {
    /// How far a case is. Tenants may have words of their own.
    pub enum CaseProgress {
        /// Nobody has looked at it.
        New = "New",
        /// Somebody does.
        InProgress = "In Progress" | "Under Investigation",
        /// It is closed.
        Resolved = "Resolved",
    }
}

words! {
    /// Why a case was closed.
    pub enum CaseReason {
        /// The service closed it; nobody else can set this.
        Auto = "Resolved - Auto Resolve" | "Resolved - Auto",
        /// It is the same as another.
        Duplicate = "Resolved - Duplicate Case" | "Resolved - Duplicate",
        /// It was nothing.
        FalsePositive = "Resolved - False Positive",
        /// It is known, and is left.
        KnownIssue = "Resolved - Known Issue",
        /// Something else.
        Another = "Resolved - Other",
        /// It was a test.
        SecurityTesting = "Resolved - Security Testing",
        /// It was dealt with.
        ThreatHandled = "Resolved - Threat Handled",
        /// It was one.
        TruePositive = "Resolved - True Positive",
    }
}

words! {
    /// How bad a case is, in small letters; issues write theirs in capitals.
    pub enum CaseSeverity {
        /// The worst.
        Critical = "critical",
        /// Bad.
        High = "high",
        /// Not so bad.
        Medium = "medium",
        /// The least that is bad.
        Low = "low",
        /// Good to know.
        Info = "info" | "informational",
    }
}

filters! {
    /// Which cases.
    pub struct CaseFilters {
        /// These.
        ids: in "case_id" of u64,
        /// All but these.
        not_ids: nin "case_id" of u64,
        /// Of these severities.
        severities: in "severity" of CaseSeverity,
        /// In these states.
        progress: in "status_progress" of CaseProgress,
        /// Of these domains: `Security`, `Posture`, `Health`, …
        domains: in "case_domain" of String,
        /// Of these users.
        assigned: in "assigned_user" of String,
        /// Starred or not.
        starred: eq "starred" of bool,
        /// With this asset.
        asset_id: contains "asset_ids" of String,
        /// With an asset of this name.
        asset_name: contains "asset_names" of String,
        /// Made from this time on.
        created_from: gte "creation_time" of DateTime<Utc>,
        /// Made up to this time.
        created_to: lte "creation_time" of DateTime<Utc>,
        /// Changed from this time on.
        modified_from: gte "last_update_time" of DateTime<Utc>,
        /// Changed up to this time.
        modified_to: lte "last_update_time" of DateTime<Utc>,
    }
}

record! {
    /// A case.
    pub struct CaseRecord {
        /// Its id: digits.
        pub case_id: Option<String> = "case_id" | "id",
        /// Its name.
        pub case_name: Option<String> = "case_name",
        /// What it is about.
        pub description: Option<String> = "description",
        /// How far it is.
        pub status_progress: Option<CaseProgress> = "status_progress",
        /// Why it was closed.
        pub resolve_reason: Option<CaseReason> = "resolve_reason",
        /// What was said when it was closed.
        pub resolve_comment: Option<String> = "resolve_comment",
        /// How bad it is.
        pub severity: Option<CaseSeverity> = "severity",
        /// How bad somebody finds it.
        pub user_severity: Option<CaseSeverity> = "user_severity",
        /// When it was made.
        pub creation_time: Stamp = "creation_time",
        /// When it was changed.
        pub modification_time: Stamp = "modification_time" | "last_update_time",
        /// When it was closed.
        pub resolved_timestamp: Stamp = "resolved_timestamp",
        /// Who has it.
        pub assigned_user_mail: Option<String> = "assigned_user_mail" | "assigned_user",
        /// Who has it, by name.
        pub assigned_user_pretty_name: Option<String> = "assigned_user_pretty_name",
        /// How many issues it has.
        pub issue_count: Option<u64> = "issue_count",
        /// The issues.
        pub issue_ids: Vec<String> = "issue_ids",
        /// Hosts.
        pub hosts: Vec<String> = "hosts",
        /// Users.
        pub users: Vec<String> = "users",
        /// Assets.
        pub asset_ids: Vec<String> = "asset_ids",
        /// Tags.
        pub tags: Vec<String> = "tags",
        /// Notes.
        pub notes: Option<String> = "notes",
        /// Its page in the console.
        pub xdr_url: Option<String> = "xdr_url",
        /// Starred.
        pub starred: Option<bool> = "starred",
        /// Something was blocked.
        pub is_blocked: Option<bool> = "is_blocked",
        /// `Security`, …
        pub case_domain: Option<String> = "case_domain",
        /// The team.
        pub case_team: Option<String> = "case_team",
    }
}

pub(crate) static SHEET: Sheet<CaseRecord> = Sheet {
    operation: &SEARCH,
    paths: &[&["reply", "DATA"], &["reply", "cases"]],
    lists: &["DATA", "cases"],
    counts: &["FILTER_COUNT", "TOTAL_COUNT", "total_count"],
    cap: Some(10_000),
    capitals: false,
    more: &[],
    id: |case| case.case_id.as_deref(),
    time: Some(TimeKey {
        field: "creation_time",
        read: |case| case.creation_time.time.map(|time| time.timestamp_millis()),
    }),
};

/// A window of cases. Sorts: `case_id`, `severity`, `creation_time`.
#[must_use]
pub fn cases(page: &PageRequest) -> RequestPlan {
    SHEET.plan(page)
}

/// What a case speaks of; the answer is a bare list.
///
/// # Errors
/// For an id that is none.
pub fn case_artifacts(id: &str) -> Result<RequestPlan> {
    let path = format!("/public_api/v1/case/artifacts/{}/", super::segment(&ARTIFACTS, id)?);
    Ok(RequestPlan::get(&ARTIFACTS, path))
}

record! {
    /// What a case speaks of. The reference gives no fields beyond these; the rest is in the JSON.
    pub struct CaseArtifact {
        /// What it is.
        pub kind: Option<String> = "type" | "artifact_type",
        /// It.
        pub value: Option<String> = "value" | "artifact_value" | "name",
    }
}

/// What is to be changed on a case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaseUpdate {
    progress: Option<CaseProgress>,
    reason: Option<CaseReason>,
    resolve_comment: Option<String>,
}

impl CaseUpdate {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how far it is.
    #[must_use]
    pub fn progress(self, progress: CaseProgress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Closes it, and says why.
    #[must_use]
    pub fn resolve(self, reason: CaseReason) -> Self {
        Self { progress: Some(CaseProgress::Resolved), reason: Some(reason), ..self }
    }

    /// Says more about why it is closed.
    #[must_use]
    pub fn resolve_comment(self, text: impl Into<String>) -> Self {
        Self { resolve_comment: Some(text.into()), ..self }
    }

    fn data(&self) -> Result<Map<String, Value>> {
        let closes = self.progress == Some(CaseProgress::Resolved);
        if (self.reason.is_some() || self.resolve_comment.is_some()) && !closes {
            return Err(refused(&UPDATE, "a reason to close needs the state that closes"));
        }
        if self.reason == Some(CaseReason::Auto) {
            return Err(refused(&UPDATE, "only the service closes a case by itself"));
        }
        let parts = [
            ("status_progress", self.progress.as_ref().map(Value::from)),
            ("resolve_reason", self.reason.as_ref().map(Value::from)),
            ("resolve_comment", self.resolve_comment.as_ref().map(|text| json!(text))),
        ];
        let data: Map<String, Value> =
            parts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        if data.is_empty() { Err(refused(&UPDATE, "nothing is to be changed")) } else { Ok(data) }
    }
}

/// Changes a case; the answer is 204 without a body.
///
/// # Errors
/// For an id that is none, an empty change, and one that contradicts itself.
pub fn update_case(id: &str, update: &CaseUpdate) -> Result<RequestPlan> {
    let path = format!("/public_api/v1/case/update/{}", super::segment(&UPDATE, id)?);
    let body = super::page::request_data(&json!({"update_data": update.data()?}));
    Ok(RequestPlan::post_json(&UPDATE, path, body))
}

record! {
    /// Something that was written on a case.
    pub struct Entry {
        /// Its id.
        pub id: Option<String> = "id" | "entry_id",
        /// Who wrote it.
        pub user: Option<String> = "user" | "created_by",
        /// When.
        pub created: Stamp = "created" | "created_time",
        /// What.
        pub contents: Option<String> = "contents" | "data" | "value",
    }
}

/// What was written on a case. The call knows no `request_data`.
///
/// # Errors
/// For an id that is none.
pub fn entries(id: &str) -> Result<RequestPlan> {
    let body = json!({"id": super::segment(&ENTRIES, id)?}).to_string();
    Ok(RequestPlan::post_json(&ENTRIES, "/public_api/v1/entries/get", body))
}

/// Writes on a case.
///
/// # Errors
/// For an id that is none, and nothing to write.
pub fn write_entry(id: &str, text: &str) -> Result<RequestPlan> {
    if text.trim().is_empty() {
        return Err(refused(&WRITE, "the comment is empty"));
    }
    let body = json!({"id": super::segment(&WRITE, id)?, "data": text}).to_string();
    Ok(RequestPlan::post_json(&WRITE, "/public_api/v1/entries/insert", body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_goes_to_the_path_of_the_case() {
        let update = CaseUpdate::new().resolve(CaseReason::Duplicate).resolve_comment("as 8");
        let plan = update_case("9", &update).unwrap();
        assert_eq!(plan.target, edr_http::Target::Path("/public_api/v1/case/update/9".into()));
        let expected = r#"{"request_data":{"update_data":{"resolve_comment":"as 8","resolve_reason":"Resolved - Duplicate Case","status_progress":"Resolved"}}}"#;
        assert_eq!(plan.body, edr_http::Body::Bytes("application/json", expected.into()));
        for bad in [
            CaseUpdate::new(),
            CaseUpdate::new().resolve_comment("x"),
            CaseUpdate::new().resolve(CaseReason::FalsePositive).progress(CaseProgress::New),
            CaseUpdate::new().resolve(CaseReason::Auto),
        ] {
            assert!(update_case("9", &bad).is_err(), "{bad:?}");
        }
        assert!(update_case("9/../8", &CaseUpdate::new().progress(CaseProgress::New)).is_err());
        assert!(write_entry("9", " ").is_err());
    }
}
