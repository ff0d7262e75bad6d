//! The tenant itself: harmless calls that show whether it answers.

use edr_http::{Operation, RequestPlan};
use serde_json::json;

use super::page::request_data;

/// The role behind every read: the facts name no narrower right.
pub(crate) const VIEWER: &str = "the role Viewer";

pub(crate) static HEALTHCHECK: Operation = Operation::read("healthcheck", VIEWER);
static TENANT_INFO: Operation = Operation::read("system/get_tenant_info", VIEWER);
static VALIDATE_KEY: Operation = Operation::read("api_keys/validate", VIEWER);

/// Whether the API is up: `{"status": …}` without an envelope.
#[must_use]
pub fn healthcheck() -> RequestPlan {
    RequestPlan::get(&HEALTHCHECK, "/public_api/v1/healthcheck")
}

/// Licences and their dates.
#[must_use]
pub fn tenant_info() -> RequestPlan {
    RequestPlan::post_json(&TENANT_INFO, "/public_api/v1/system/get_tenant_info", request_data(&json!({})))
}

/// Whether the key is good: the JSON text `"true"`, where the tenant has the call.
#[must_use]
pub fn validate_key() -> RequestPlan {
    RequestPlan::get(&VALIDATE_KEY, "/api_keys/validate")
}
