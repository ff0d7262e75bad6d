//! The envelopes of the public API: `{"reply": …}` for answers and for errors alike.
//!
//! Facts: cortex-xdr-api sections 2.1 (statuses), 2.2 (error bodies; the classic shape 1 is used) and 3.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

/// What an operation answers: a body, or a refusal in the vendor's words.
pub(super) type Answer = Result<Reply, Refusal>;

/// An accepted call: its status and its body, already serialised.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
    /// In place of both.
    whole: Option<Response>,
}

impl Reply {
    /// `{"reply": value}` with status 200.
    pub(super) fn of<T: Serialize + ?Sized>(value: &T) -> Answer {
        #[derive(Serialize)]
        struct Envelope<'a, T: ?Sized> {
            reply: &'a T,
        }
        Self::bare(&Envelope { reply: value })
    }

    /// A body without the envelope: `true` of the key check, `{"status": …}` of the health check.
    pub(super) fn bare<T: Serialize + ?Sized>(value: &T) -> Answer {
        let mut body = Vec::with_capacity(4096);
        serde_json::to_writer(&mut body, value).map_err(|error| Refusal::internal(error.to_string()))?;
        Ok(Self { status: StatusCode::OK, body, whole: None })
    }

    /// A body that is no JSON.
    pub(super) fn bytes(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, body, whole: None }
    }

    /// An answer that is made while it is sent.
    pub(super) fn whole(answer: Response) -> Self {
        Self { status: answer.status(), body: Vec::new(), whole: Some(answer) }
    }

    /// 204 without a body.
    pub(super) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: Vec::new(), whole: None }
    }

    /// The body as bytes.
    #[cfg(test)]
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The same as an HTTP response.
    pub(super) fn into_response(self) -> Response {
        self.whole.unwrap_or_else(|| respond(self.status, self.body))
    }
}

/// A refused call. Business errors are 500, as the vendor has them (facts 2.1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    /// The HTTP status, repeated as `err_code`.
    pub(super) status: StatusCode,
    /// `err_msg`.
    pub(super) message: Cow<'static, str>,
    /// `err_extra`.
    pub(super) extra: Value,
    /// Seconds for `Retry-After`.
    pub(super) retry_after: Option<u64>,
}

/// `err_msg` of every 401 but those without credentials: clients match "API request unauthorized" in any case.
pub(super) const UNAUTHORIZED: &str = "Public API request unauthorized";

/// `err_msg` of a 401 without credentials; the vendor's text, with its leading tab (facts 2.2 item 8).
pub(super) const NO_CREDENTIALS: &str = "\tUnauthorized access. An issue occurred during authentication. This can indicate an incorrect key, id, or other invalid authentication parameters.";

/// `err_msg` of an isolation that no endpoint can take (facts 2.1).
pub(super) const NO_ENDPOINT: &str = "No endpoint was found for creating the requested action";

impl Refusal {
    fn new(status: StatusCode, message: impl Into<Cow<'static, str>>, extra: Value) -> Self {
        Self { status, message: message.into(), extra, retry_after: None }
    }

    /// 400: the body is not what the call takes.
    pub(super) fn bad_request(extra: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad Request", Value::String(extra.into()))
    }

    /// 401, one text for a wrong key, id, type, signature, clock or replay.
    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, UNAUTHORIZED, Value::Null)
    }

    /// 401 for a request without credentials.
    pub(super) fn no_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, NO_CREDENTIALS, Value::Null)
    }

    /// 404: the path is not served by this tenant; the other product generation has it, or none.
    pub(super) fn not_found(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Not Found",
            json!(format!("The requested URL {path} was not found on the server.")),
        )
    }

    /// 405: the path exists, not with this method.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", Value::Null)
    }

    /// 413: the body is too large.
    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large", Value::Null)
    }

    /// 429 with `Retry-After` in seconds.
    pub(super) fn rate_limited(seconds: u64) -> Self {
        let refusal =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests, rate limit exceeded", Value::Null);
        Self { retry_after: Some(seconds.max(1)), ..refusal }
    }

    /// 500 for a request that the service understood and will not do.
    pub(super) fn business(message: impl Into<Cow<'static, str>>, extra: Value) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message, extra)
    }

    /// 500 for a request whose filters, window or sort the API does not take.
    pub(super) fn invalid(extra: impl Into<String>) -> Self {
        Self::business(INVALID, Value::String(extra.into()))
    }

    /// 500 for a failure of the simulator itself.
    pub(super) fn internal(extra: impl Into<String>) -> Self {
        Self::business("Internal server error", Value::String(extra.into()))
    }

    /// The same as an HTTP response in the classic error shape.
    pub(super) fn into_response(self) -> Response {
        let body = json!({"reply": {"err_code": self.status.as_u16(), "err_msg": self.message, "err_extra": self.extra}});
        let mut response = respond(self.status, body.to_string().into_bytes());
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// `err_msg` of a request that the service cannot work with.
pub(super) const INVALID: &str = "An error occurred while processing XDR public API";

fn respond(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_the_envelope_and_a_bare_body_has_none() {
        assert_eq!(Reply::of(&true).unwrap().body(), br#"{"reply":true}"#);
        assert_eq!(Reply::bare(&true).unwrap().body(), b"true");
    }

    #[test]
    fn refusals_carry_their_status_twice() {
        assert_eq!(Refusal::unauthorized().into_response().status(), 401);
        let limited = Refusal::rate_limited(0).into_response();
        assert_eq!(limited.headers()["retry-after"], "1");
        assert!(NO_CREDENTIALS.starts_with('\t'));
    }
}
