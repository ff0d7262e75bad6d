//! Requests and answers, one file a service: pure functions from parameters to a
//! [`edr_http::RequestPlan`], and what comes back.

pub mod actions;
pub mod admin;
pub mod alert_work;
pub mod alerts;
pub mod assets;
pub mod audits;
pub mod cases;
pub mod device_control;
pub mod distributions;
pub mod endpoints;
pub mod files;
pub mod hashes;
pub mod incidents;
pub mod indicators;
pub mod issues;
mod page;
mod record;
pub(crate) mod reply;
pub mod responses;
pub mod scripts;
pub mod system;
mod table;
pub mod tags;
pub mod xql;

use edr_core::{Error, ErrorKind};
use edr_http::{Operation, RequestPlan};
use serde_json::Value;

pub use alerts::{AlertsPath, alerts};
pub use endpoints::{Agent, Endpoint, endpoint_list, endpoints};
pub use issues::issues;
pub use page::{Order, PageRequest};
pub use record::{AlertRecord, EventRecord};
pub use system::{healthcheck, tenant_info, validate_key};

pub use table::{ApiCall, Generations, operations, required_roles};

pub(crate) use page::{MAX_WINDOW, Sheet, Skeleton, TimeKey};
pub(crate) use system::{ADMIN, OTHER_KEY_TYPE, VIEWER};
pub(crate) use table::find;

/// A call of the first version of the API, whose path is its name.
pub(crate) fn post(operation: &'static Operation, data: &Value) -> RequestPlan {
    RequestPlan::post_json(operation, format!("/public_api/v1/{}", operation.name), page::request_data(data))
}

/// An operation whose answer is no JSON: a file, or a line of JSON for each row.
pub(crate) fn is_free_form(operation: &Operation) -> bool {
    [files::DOWNLOAD.name, xql::STREAM.name].contains(&operation.name)
}

/// A request that is not sent, and why.
pub(crate) fn refused(operation: &'static Operation, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, why.into()).with_operation(operation.name)
}

/// A part of a path: an id of digits, letters and the marks that ids have.
pub(crate) fn segment<'a>(operation: &'static Operation, id: &'a str) -> Result<&'a str, Error> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let good = !id.is_empty() && id.len() <= 128 && id.bytes().all(fits) && !id.contains("..");
    good.then_some(id)
        .ok_or_else(|| refused(operation, "the id is empty, or holds characters that no id has"))
}

#[cfg(test)]
pub(crate) use record::normalised_names;
