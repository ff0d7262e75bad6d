//! Falcon's envelope and its two layers of errors (falcon-api section 2).

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::estate::hash::{mix2, uuid};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TRACE: HeaderName = HeaderName::from_static("x-cs-traceid");

tokio::task_local! {
    /// The number of the request that is being answered: trace ids are drawn from it, so that they repeat with the seed.
    pub(crate) static REQUEST: u64;
}

/// The trace id of this reply.
pub(crate) fn trace_id() -> String {
    uuid(mix2(0x7ACE, REQUEST.try_with(|n| *n).unwrap_or_default()))
}

/// One entry of `errors`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ApiError {
    pub(crate) code: u16,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
}

impl ApiError {
    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), id: None }
    }

    pub(crate) fn of(code: u16, message: impl Into<String>, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..Self::new(code, message) }
    }
}

/// How `resources` or `errors` stand in an envelope that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Empty {
    /// `[]`
    List,
    /// `null`
    Null,
    /// The key is missing.
    Absent,
}

/// An envelope in the making. Big lists are written straight into its buffer.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) status: StatusCode,
    pub(crate) powered_by: &'static str,
    pub(crate) pagination: Option<Value>,
    pub(crate) writes: Option<u64>,
    /// The items of `resources`, joined by commas; None: there is no list.
    pub(crate) resources: Option<Vec<u8>>,
    pub(crate) errors: Vec<ApiError>,
    pub(crate) no_errors: Empty,
}

impl Envelope {
    pub(crate) fn new(powered_by: &'static str) -> Self {
        Self {
            status: StatusCode::OK,
            powered_by,
            pagination: None,
            writes: None,
            resources: Some(Vec::new()),
            errors: Vec::new(),
            no_errors: Empty::List,
        }
    }

    pub(crate) fn error(status: StatusCode, powered_by: &'static str, message: impl Into<String>) -> Self {
        let errors = vec![ApiError::new(status.as_u16(), message)];
        Self { status, errors, ..Self::new(powered_by) }
    }

    pub(crate) fn paged(mut self, pagination: Value) -> Self {
        self.pagination = Some(pagination);
        self
    }

    /// Puts items into `resources`.
    pub(crate) fn with<T: Serialize>(mut self, items: &[T]) -> Self {
        let list = serde_json::to_vec(items).unwrap_or_default();
        self.resources = Some(list.get(1..list.len().saturating_sub(1)).unwrap_or_default().to_vec());
        self
    }

    fn meta(&self, trace: &str) -> Value {
        let mut meta =
            json!({"query_time": query_time(trace), "powered_by": self.powered_by, "trace_id": trace});
        if let Some(pagination) = &self.pagination {
            meta["pagination"] = pagination.clone();
        }
        if let Some(writes) = self.writes {
            meta["writes"] = json!({"resources_affected": writes});
        }
        meta
    }

    fn body(&self, trace: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.resources.as_ref().map_or(0, Vec::len));
        out.extend_from_slice(b"{\"meta\":");
        write_json(&mut out, &self.meta(trace));
        if let Some(items) = &self.resources {
            out.extend_from_slice(b",\"resources\":[");
            out.extend_from_slice(items);
            out.push(b']');
        }
        match (self.errors.is_empty(), self.no_errors) {
            (true, Empty::Absent) => {}
            (true, Empty::Null) => out.extend_from_slice(b",\"errors\":null"),
            _ => {
                out.extend_from_slice(b",\"errors\":");
                write_json(&mut out, &self.errors);
            }
        }
        out.push(b'}');
        out
    }
}

impl IntoResponse for Envelope {
    fn into_response(self) -> Response {
        let trace = trace_id();
        reply(self.status, &trace, self.body(&trace))
    }
}

/// Writes a value as JSON; writing to memory does not fail.
pub(crate) fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    let _ = serde_json::to_writer(out, value);
}

/// A plausible time in seconds, drawn from the trace id.
fn query_time(trace: &str) -> f64 {
    let n = trace.bytes().fold(0_u32, |n, b| n.wrapping_mul(31).wrapping_add(u32::from(b)));
    0.001 + f64::from(n % 90_000_000) / 1e9
}

/// Puts the headers of every reply on a body. The region is never a real one: clients would leave loopback.
pub(crate) fn reply(status: StatusCode, trace: &str, body: Vec<u8>) -> Response {
    let mut response = (status, [(CONTENT_TYPE, JSON)], body).into_response();
    let headers = response.headers_mut();
    headers.insert("x-cs-region", HeaderValue::from_static("sim-1"));
    headers
        .insert("strict-transport-security", HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    if let Ok(trace) = HeaderValue::from_str(trace) {
        headers.insert(TRACE, trace);
    }
    response
}

/// An error made at the gateway.
pub(crate) fn gateway(status: StatusCode, message: &str) -> Response {
    let trace = trace_id();
    let body = json!({
        "meta": {"query_time": 1.29e-7, "powered_by": "crowdstrike-api-gateway", "trace_id": trace},
        "errors": [{"code": status.as_u16(), "message": message}],
    });
    reply(status, &trace, body.to_string().into_bytes())
}

/// An error made by a service, whose code in the body may differ from the status.
pub(crate) fn service_error(
    status: StatusCode,
    powered_by: &'static str,
    code: u16,
    message: &str,
) -> Response {
    let mut envelope = Envelope::new(powered_by);
    envelope.status = status;
    envelope.errors.push(ApiError::new(code, message));
    envelope.into_response()
}
