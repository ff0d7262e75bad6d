//! The tenant itself: harmless calls that show whether it answers.

use edr_http::{Operation, RequestPlan};
use serde_json::json;

use super::ApiCall;
use super::page::request_data;

/// The role behind every read: the facts name no narrower right.
pub(crate) const VIEWER: &str = "the role Viewer";
/// The role behind what an administrator does, queries included: the vendor's pages name it.
pub(crate) const ADMIN: &str = "the role Instance Administrator";
/// The console's role for responses on endpoints.
pub(crate) const RESPONDER: &str = "the role Privileged Responder";
/// The console's role for work on incidents and alerts.
pub(crate) const INVESTIGATOR: &str = "the role Privileged Investigator";
/// The console's role for agents and their installation.
pub(crate) const DEPLOYER: &str = "the role Deployment Admin";
/// The console's role for rules and exceptions.
pub(crate) const SECURITY: &str = "the role Privileged Security Admin";

/// Whether the API is up.
pub static HEALTHCHECK: Operation = Operation::read("healthcheck", VIEWER);
/// Licences and their dates.
pub static TENANT_INFO: Operation = Operation::read("system/get_tenant_info", VIEWER);
/// Whether the key is good.
pub static VALIDATE_KEY: Operation = Operation::read("api_keys/validate", VIEWER);

/// A request that is signed as the other type of key would be, to tell which type a refused key has. It reads,
/// but as a Standard key travels in it, it is sent no oftener than must be.
pub(crate) static OTHER_KEY_TYPE: Operation =
    Operation::write("endpoints/get_endpoint as the other type", VIEWER);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::both(&HEALTHCHECK).get(),
        ApiCall::both(&TENANT_INFO),
        ApiCall::both(&VALIDATE_KEY).get().at("/api_keys/validate").seen_in_clients(),
    ]
}

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
