//! The table of what is served: path, verb, generations, body.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::envelope::{Answer, Refusal};
use super::{
    Call, alerts, alerts_update, api_keys, assets, cases, endpoints, endpoints_update, filter_data,
    incidents, isolate, issues, system,
};
use super::{audits, casework, desk, intel, office, orders, scripts, xql};

/// Which product generations have an operation (facts 7: XDR 5 drops alerts and incidents, and adds issues and cases).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generations {
    /// XDR 3 and XDR 5.
    Both,
    /// XDR 5 only.
    Five,
    /// XDR 3 only.
    Three,
}

impl Generations {
    /// Whether a tenant of this generation has the operation.
    #[must_use]
    pub fn includes(self, generation: u8) -> bool {
        match self {
            Self::Both => true,
            Self::Five => generation == 5,
            Self::Three => generation != 5,
        }
    }
}

/// The methods of an operation (facts 1: POST for nearly everything, reads included).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// GET and POST.
    Both,
    /// GET.
    Get,
    /// POST.
    Post,
}

impl Verb {
    pub(super) fn allows(self, method: &Method) -> bool {
        match self {
            Self::Both => method == Method::GET || method == Method::POST,
            Self::Get => method == Method::GET,
            Self::Post => method == Method::POST,
        }
    }
}

/// What an operation takes as a body (facts 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Nothing, `{}`, or anything else that is JSON.
    Free,
    /// Fields without an envelope.
    Plain,
    /// `{"request_data": {…}}`.
    RequestData,
    /// `{"request_data": …}` with an array or a text.
    Rows,
}

impl Body {
    /// The `request_data` of a body.
    pub(super) fn read(self, bytes: &[u8]) -> Result<Value, Refusal> {
        let empty = || Value::Object(serde_json::Map::new());
        if self == Self::Free && bytes.trim_ascii().is_empty() {
            return Ok(empty());
        }
        let mut body: Value = serde_json::from_slice(bytes)
            .map_err(|error| Refusal::bad_request(format!("The body is not valid JSON: {error}")))?;
        if self == Self::Plain {
            return Ok(body);
        }
        match (self, body.get_mut("request_data").map(Value::take)) {
            (Self::Rows, Some(data @ (Value::Array(_) | Value::String(_)))) => Ok(data),
            (_, Some(data @ Value::Object(_))) => Ok(data),
            (Self::Free, _) => Ok(empty()),
            (_, Some(_)) => Err(Refusal::bad_request("request_data has another type")),
            (_, None) => {
                Err(Refusal::bad_request("Missing at least one required parameter: ['request_data']."))
            }
        }
    }
}

/// One operation.
pub struct Operation {
    /// The path, without its optional trailing slash.
    pub path: &'static str,
    /// The methods.
    pub verb: Verb,
    /// The generations that have it.
    pub generations: Generations,
    /// What it takes as a body.
    pub body: Body,
    /// Calls in a window, besides the tenant's own limit.
    pub limit: Option<(u32, Duration)>,
    pub(super) run: fn(&Call<'_>) -> Answer,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation")
            .field("path", &self.path)
            .field("verb", &self.verb)
            .finish_non_exhaustive()
    }
}

const fn post(path: &'static str, generations: Generations, run: fn(&Call<'_>) -> Answer) -> Operation {
    Operation { path, verb: Verb::Post, generations, body: Body::RequestData, limit: None, run }
}

const fn free(verb: Verb, path: &'static str, run: fn(&Call<'_>) -> Answer) -> Operation {
    Operation { path, verb, generations: Generations::Both, body: Body::Free, limit: None, run }
}

/// Fields without an envelope, on XDR 5.
const fn plain(path: &'static str, run: fn(&Call<'_>) -> Answer) -> Operation {
    Operation { path, verb: Verb::Post, generations: Generations::Five, body: Body::Plain, limit: None, run }
}

/// An array or a text in the envelope.
const fn rows(path: &'static str, run: fn(&Call<'_>) -> Answer) -> Operation {
    Operation { path, verb: Verb::Post, generations: Generations::Both, body: Body::Rows, limit: None, run }
}

/// Ten calls a minute.
const fn limited(operation: Operation) -> Operation {
    Operation { limit: Some((10, MINUTE)), ..operation }
}

impl Operation {
    const fn of(self, generations: Generations) -> Self {
        Self { generations, ..self }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

use Generations::{Both, Five, Three};

/// Every operation that is served.
pub static OPERATIONS: &[Operation] = &[
    free(Verb::Both, "/api_keys/validate", system::validate_key),
    free(Verb::Get, "/public_api/v1/healthcheck", system::healthcheck),
    free(Verb::Post, "/public_api/v1/system/get_tenant_info", system::tenant_info),
    free(Verb::Post, "/public_api/v1/xql/get_quota", system::xql_quota),
    free(Verb::Post, "/public_api/v1/endpoints/get_endpoints", endpoints::light_list),
    post("/public_api/v1/endpoints/get_endpoint", Both, endpoints::search),
    post("/public_api/v1/endpoints/update_agent_name", Both, endpoints_update::rename),
    post("/public_api/v1/tags/agents/assign", Both, endpoints_update::assign_tag),
    post("/public_api/v1/tags/agents/remove", Both, endpoints_update::remove_tag),
    post("/public_api/v1/alerts/update_alerts", Three, alerts_update::alerts),
    post("/public_api/v1/incidents/update_incident", Three, alerts_update::incident),
    post("/public_api/v1/endpoints/isolate", Both, isolate::isolate),
    post("/public_api/v1/endpoints/unisolate", Both, isolate::unisolate),
    post("/public_api/v1/actions/get_action_status", Both, desk::action_status),
    post("/public_api/v2/alerts/get_alerts_multi_events", Three, alerts::multi_events_v2),
    post("/public_api/v1/alerts/get_alerts_multi_events", Three, alerts::multi_events_v1),
    post("/public_api/v1/alerts/get_alerts", Three, alerts::flat),
    post("/public_api/v1/alerts/get_alerts_by_filter_data", Three, filter_data::alerts),
    post("/public_api/v1/incidents/get_incidents", Three, incidents::search),
    Operation {
        limit: Some((10, MINUTE)),
        ..post("/public_api/v1/incidents/get_incident_extra_data", Three, incidents::extra_data)
    },
    post("/public_api/v1/api_keys/get_api_keys", Five, api_keys::list),
    post("/public_api/v1/issue/search", Five, issues::search),
    post("/public_api/v1/issue/{issue-id}", Five, casework::update_issue),
    post("/public_api/v1/case/search", Five, cases::search),
    post("/public_api/v1/case/update/{case-id}", Five, casework::update),
    free(Verb::Get, "/public_api/v1/case/artifacts/{case-id}", casework::artifacts).of(Five),
    plain("/public_api/v1/entries/get", casework::entries),
    plain("/public_api/v1/entries/insert", casework::write_entry),
    post("/public_api/v1/incidents/get_multiple_incidents_extra_data", Three, casework::several),
    post("/public_api/v1/alerts/get_original_alerts", Three, casework::originals),
    limited(post("/public_api/v1/alerts/insert_parsed_alerts", Three, casework::insert_parsed)),
    limited(post("/public_api/v1/alerts/insert_cef_alerts", Three, casework::insert_cef)),
    post("/public_api/v1/endpoints/scan", Both, orders::scan),
    post("/public_api/v1/endpoints/abort_scan", Both, orders::abort_scan),
    post("/public_api/v1/endpoints/delete", Both, orders::delete),
    post("/public_api/v1/endpoints/get_policy", Both, orders::policy),
    post("/public_api/v1/endpoints/terminate_process", Three, orders::terminate_process),
    post("/public_api/v1/endpoints/terminate_causality", Three, orders::terminate_causality),
    post("/public_api/v1/endpoints/upgrade", Five, orders::upgrade),
    post("/public_api/v1/endpoints/quarantine", Both, orders::quarantine),
    post("/public_api/v1/endpoints/restore", Both, orders::restore),
    post("/public_api/v1/quarantine/status", Both, orders::quarantine_status),
    post("/public_api/v1/endpoints/file_retrieval", Both, orders::file_retrieval),
    post("/public_api/v1/actions/file_retrieval_details", Both, orders::file_retrieval_details),
    free(Verb::Both, "/public_api/v1/download/{token}", orders::download),
    post("/public_api/v1/device_control/get_violations", Both, orders::violations),
    post("/public_api/v1/scripts/get_scripts", Both, scripts::list),
    post("/public_api/v1/scripts/get_script_metadata", Both, scripts::metadata),
    post("/public_api/v1/scripts/get_script_code", Both, scripts::code),
    post("/public_api/v1/scripts/run_script", Both, scripts::run),
    post("/public_api/v1/scripts/run_snippet_code_script", Both, scripts::snippet),
    post("/public_api/v1/scripts/get_script_execution_status", Both, scripts::status),
    post("/public_api/v1/scripts/get_script_execution_results", Both, scripts::results),
    post("/public_api/v1/scripts/get_script_execution_results_files", Both, scripts::files),
    post("/public_api/v1/hash_exceptions/blocklist", Both, intel::block),
    post("/public_api/v1/hash_exceptions/allowlist", Both, intel::allow),
    post("/public_api/v1/hash_exceptions/blocklist/remove", Both, intel::unblock),
    post("/public_api/v1/hash_exceptions/allowlist/remove", Both, intel::unallow),
    rows("/public_api/v1/indicators/insert_jsons", intel::insert_jsons),
    rows("/public_api/v1/indicators/insert_csv", intel::insert_csv),
    rows("/public_api/v1/indicators/enable_iocs", intel::enable),
    rows("/public_api/v1/indicators/disable_iocs", intel::disable),
    post("/public_api/v1/indicators/get", Five, intel::list),
    post("/public_api/v1/indicators/delete", Five, intel::delete),
    post("/public_api/v1/bioc/get", Five, intel::bioc),
    post("/public_api/v1/xql/start_xql_query", Both, xql::start),
    post("/public_api/v1/xql/get_query_results", Both, xql::results),
    post("/public_api/v1/xql/get_query_results_stream", Both, xql::stream),
    post("/public_api/v1/audits/management_logs", Both, audits::management_logs),
    post("/public_api/v1/audits/agents_reports", Both, audits::agents_reports),
    free(Verb::Post, "/public_api/v1/distributions/get_versions", office::versions),
    post("/public_api/v1/distributions/create", Both, office::create),
    post("/public_api/v1/distributions/get_status", Both, office::status),
    post("/public_api/v1/distributions/get_dist_url", Both, office::url),
    post("/public_api/v1/distributions/get_distributions", Both, office::list),
    post("/public_api/v1/distributions/delete", Both, office::delete),
    free(Verb::Post, "/public_api/v1/rbac/get_users", office::users),
    post("/public_api/v1/rbac/get_roles", Both, office::roles),
    post("/public_api/v1/rbac/get_user_group", Both, office::groups),
    post("/public_api/v1/rbac/set_user_role", Both, office::set_role),
    post("/public_api/v1/assets", Five, assets::list),
    free(Verb::Get, "/public_api/v1/assets/{id}", assets::one).of(Five),
    post("/vulnerability-management/v1/vulnerability-finding/search", Five, assets::findings),
    free(
        Verb::Post,
        "/vulnerability-management/v1/vulnerability-finding/{platform_id}",
        assets::finding_by_id,
    )
    .of(Five),
    post("/public_api/v1/get_risk_score", Three, assets::risk_score),
    post("/public_api/v1/tags/agents/create", Both, endpoints_update::create_tag),
    post("/public_api/v1/tags/agents/delete_permanently", Both, endpoints_update::delete_tags),
];

/// The operation at a path, if a tenant of this generation has it.
pub(super) fn find(path: &str, generation: u8) -> Option<&'static Operation> {
    let path = path.strip_suffix('/').unwrap_or(path);
    OPERATIONS
        .iter()
        .find(|operation| fits(operation.path, path) && operation.generations.includes(generation))
}

/// The name of the operation at a path: an id in it is not part of the name. A path that nobody serves is its own name.
pub(super) fn name(path: &str) -> &str {
    let bare = path.strip_suffix('/').unwrap_or(path);
    let known = OPERATIONS.iter().find(|operation| fits(operation.path, bare));
    crate::faults::canonical(known.map_or(path, |operation| operation.path))
}

/// Whether a path is that of an operation, whose last part may stand for any id.
fn fits(known: &str, path: &str) -> bool {
    match known.split_once('{') {
        None => known == path,
        Some((begin, _)) => path.strip_prefix(begin).is_some_and(|id| !id.is_empty() && !id.contains('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_is_optional_and_generations_are_apart() {
        for path in ["/public_api/v1/alerts/get_alerts", "/public_api/v1/alerts/get_alerts/"] {
            assert!(find(path, 3).is_some());
            assert!(find(path, 5).is_none());
        }
        assert!(find("/public_api/v1/issue/search", 5).is_some());
        assert!(find("/public_api/v1/issue/search", 3).is_none());
        assert!(find("/public_api/v1/alerts/get_alerts//", 3).is_none());
        assert!(
            find("/public_api/v1/endpoints/get_endpoint", 3).is_some()
                && find("/public_api/v1/endpoints/get_endpoint", 5).is_some()
        );
    }

    #[test]
    fn an_id_is_no_part_of_the_name() {
        for (path, expected) in [
            ("/public_api/v1/issue/17/", "v1/issue/{issue-id}"),
            ("/public_api/v1/issue/search", "v1/issue/search"),
            ("/public_api/v1/case/update/4", "v1/case/update/{case-id}"),
            ("/public_api/v1/no/such", "v1/no/such"),
        ] {
            assert_eq!(name(path), expected);
        }
    }

    #[test]
    fn bodies() {
        for (body, good) in [
            (r#"{"request_data":{}}"#, true),
            ("", false),
            ("{}", false),
            ("[]", false),
            (r#"{"request_data":[]}"#, false),
            ("{", false),
        ] {
            assert_eq!(Body::RequestData.read(body.as_bytes()).is_ok(), good, "{body}");
        }
        for (body, good) in
            [("", true), ("{}", true), (" ", true), (r#"{"request_data":{}}"#, true), ("{", false)]
        {
            assert_eq!(Body::Free.read(body.as_bytes()).is_ok(), good, "{body}");
        }
    }
}
