//! Issues of XDR 5: what alerts are on XDR 3, with dotted keys and severities in capitals.

use edr_http::{Operation, RequestPlan};

use super::ApiCall;
use super::page::PageRequest;
use super::system::VIEWER;

/// Issues in windows.
pub static SEARCH: Operation = Operation::read("issue/search", VIEWER);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![ApiCall::five(&SEARCH).paged("id")]
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
}
