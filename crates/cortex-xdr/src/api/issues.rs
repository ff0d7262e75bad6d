//! Issues of XDR 5: what alerts are on XDR 3, with dotted keys and severities in capitals.

use edr_core::Result;
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use super::page::{PageRequest, request_data};
use super::system::{INVESTIGATOR, VIEWER};
use super::{ApiCall, refused};
use crate::record::words;

/// Issues in windows.
pub static SEARCH: Operation = Operation::read("issue/search", VIEWER);

/// Changes an issue.
pub static UPDATE: Operation = Operation::write("issue", INVESTIGATOR);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::five(&SEARCH).paged("id"),
        ApiCall::five(&UPDATE).at("/public_api/v1/issue/{issue-id}").limit("1 issue"),
    ]
}

/// Where the items stand; the second is an older form.
pub(crate) const ISSUES: &[&[&str]] = &[&["reply", "DATA"], &["reply", "issues"]];
/// The names of the list.
pub(crate) const LIST: &[&str] = &["DATA", "issues"];
/// The names of the count of what matches.
pub(crate) const COUNT: &[&str] = &["FILTER_COUNT", "TOTAL_COUNT", "total_count"];

/// A window of issues. Filters: `id` (numbers), `external_id`, `detection.method`, `issue_domain`,
/// `severity` (capitals), `status.progress`, `assigned_to`, `assigned_to_pretty` with `in`;
/// `_insert_time`, `last_modified`, `observation_time` with `gte` and `lte`.
#[must_use]
pub fn issues(page: &PageRequest) -> RequestPlan {
    RequestPlan::post_json(&SEARCH, "/public_api/v1/issue/search", page.body(false))
}

words! {
    /// How far an issue is.
    pub enum IssueProgress {
        /// Nobody has looked at it.
        New = "New",
        /// Somebody does.
        InProgress = "In Progress",
        /// It is closed.
        Resolved = "Resolved",
    }
}

words! {
    /// Why an issue was closed.
    pub enum IssueReason {
        /// It is the same as another.
        Duplicate = "Resolved - Duplicate" | "Resolved - Duplicate Issue",
        /// It was nothing.
        FalsePositive = "Resolved - False Positive",
        /// It is known, and is left.
        KnownIssue = "Resolved - Known Issue",
        /// Something else.
        Another = "Resolved - Other",
        /// It was a test.
        SecurityTesting = "Resolved - Security Testing",
        /// It was one.
        TruePositive = "Resolved - True Positive",
    }
}

/// What is to be changed on an issue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IssueUpdate {
    progress: Option<IssueProgress>,
    reason: Option<IssueReason>,
    comment: Option<String>,
}

impl IssueUpdate {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how far it is.
    #[must_use]
    pub fn progress(self, progress: IssueProgress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Closes it, for this reason.
    #[must_use]
    pub fn resolved(self, reason: IssueReason) -> Self {
        Self { progress: Some(IssueProgress::Resolved), reason: Some(reason), ..self }
    }

    /// Says why it is closed in words.
    #[must_use]
    pub fn comment(self, text: impl Into<String>) -> Self {
        Self { comment: Some(text.into()), ..self }
    }

    fn data(&self) -> Result<Map<String, Value>> {
        let closes = self.progress == Some(IssueProgress::Resolved);
        if closes != self.reason.is_some() {
            return Err(refused(&UPDATE, "a reason goes with the state that closes, and with no other"));
        }
        if self.comment.is_some() && !closes {
            return Err(refused(&UPDATE, "a comment goes with the state that closes"));
        }
        let parts = [
            ("status", self.progress.as_ref().map(Value::from)),
            ("status_resolution_reason", self.reason.as_ref().map(Value::from)),
            ("status_resolution_comment", self.comment.as_ref().map(|text| json!(text))),
        ];
        let data: Map<String, Value> =
            parts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        if data.is_empty() { Err(refused(&UPDATE, "nothing is to be changed")) } else { Ok(data) }
    }

    #[cfg(test)]
    pub(crate) fn words(&self) -> (Option<&str>, Option<&str>) {
        (self.progress.as_ref().map(IssueProgress::as_str), self.reason.as_ref().map(IssueReason::as_str))
    }
}

/// Changes an issue; the answer is 204 without a body.
///
/// # Errors
/// For an id that is none, an empty change, and one that contradicts itself.
pub fn update_issue(id: &str, update: &IssueUpdate) -> Result<RequestPlan> {
    // Beside the issues stand other calls, such as `issue/search`: only a number is an id.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused(&UPDATE, "the id of an issue is a number"));
    }
    let path = format!("/public_api/v1/issue/{id}");
    Ok(RequestPlan::post_json(&UPDATE, path, request_data(&json!({"update_data": update.data()?}))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Order;

    #[test]
    fn a_window_of_issues() {
        let plan = issues(&PageRequest::window(0, 1).order(Order::descending("_insert_time")));
        assert_eq!(plan.target, edr_http::Target::Path("/public_api/v1/issue/search".into()));
        let expected = r#"{"request_data":{"search_from":0,"search_to":1,"sort":{"field":"_insert_time","keyword":"desc"}}}"#;
        assert_eq!(plan.body, edr_http::Body::Bytes("application/json", expected.into()));
    }

    #[test]
    fn a_change_of_an_issue() {
        let closed = IssueUpdate::new().resolved(IssueReason::FalsePositive).comment("seen");
        let plan = update_issue("56", &closed).unwrap();
        assert_eq!(plan.target, edr_http::Target::Path("/public_api/v1/issue/56".into()));
        let expected = r#"{"request_data":{"update_data":{"status":"Resolved","status_resolution_comment":"seen","status_resolution_reason":"Resolved - False Positive"}}}"#;
        assert_eq!(plan.body, edr_http::Body::Bytes("application/json", expected.into()));
        for wrong in [
            IssueUpdate::new(),
            IssueUpdate::new().comment("x"),
            IssueUpdate::new().progress(IssueProgress::Resolved),
            closed.clone().progress(IssueProgress::New),
        ] {
            assert!(update_issue("56", &wrong).is_err(), "{wrong:?}");
        }
        assert!(["../case/update/1", "", "search", "-1"].iter().all(|id| update_issue(id, &closed).is_err()));
    }
}
