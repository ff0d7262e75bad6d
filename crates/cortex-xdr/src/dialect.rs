//! What Cortex XDR's answers mean. Pure.
//!
//! HTTP 500 is the vendor's status for everything that goes wrong behind the API, a request that it
//! will not do included. The body tells them apart: a complaint about the request, a thing that is
//! not there or an action that is already under way is final, everything else may pass.

use std::time::Duration;

use edr_core::{Error, ErrorKind};
use edr_http::{Dialect, Failure, Operation, ServerDelay, Verdict, server_delay};
use http::StatusCode;
use http::header::RETRY_AFTER;

use crate::{CortexDetail, KeyType};

/// The wait after a 429 that names none: the vendor counts by the second.
const UNTOLD: Duration = Duration::from_secs(1);

/// Where an error inside a success stands at the latest; a longer body is a result.
const ERROR_SIZE: usize = 64 << 10;

/// The reader of answers. It knows the key type only to name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cortex {
    pub(crate) key_type: KeyType,
}

impl Dialect for Cortex {
    fn judge(&self, failure: &Failure<'_>) -> Verdict {
        self.verdict(failure, CortexDetail::read(failure.status, failure.body))
    }

    /// HTTP 200 with an error in its body, of the classic shape or of the bare one.
    fn judge_success(&self, reply: &Failure<'_>) -> Option<Verdict> {
        if reply.body.len() > ERROR_SIZE {
            return None;
        }
        let free_form = crate::api::is_free_form(reply.operation);
        if reply.status != StatusCode::NO_CONTENT && !free_form && !is_json(reply.body) {
            return Some(Verdict::Retry { error: not_json(), delay: None, unprocessed: false });
        }
        let detail = CortexDetail::within(reply.status, reply.body)?;
        let code = detail.code.as_deref().and_then(|code| code.parse().ok());
        let status = code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.filter(|s| s.is_client_error() || s.is_server_error());
        let told = Failure { status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), ..copy(reply) };
        Some(match self.verdict(&told, detail.clone()) {
            // Only a 401 in the status line comes from the key check.
            Verdict::Reauthenticate(error) => Verdict::Fail(error),
            verdict => verdict,
        })
    }
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

/// A body that broke off, or that a proxy put in the vendor's place: the next one may be whole.
fn not_json() -> Error {
    Error::new(ErrorKind::Decode, "the answer is not whole JSON")
        .with_hint("if it stays, a proxy or gateway may be answering in the vendor's place")
}

fn copy<'a>(failure: &Failure<'a>) -> Failure<'a> {
    let Failure { operation, status, headers, body, has_items, now } = *failure;
    Failure { operation, status, headers, body, has_items, now }
}

impl Cortex {
    fn verdict(self, failure: &Failure<'_>, detail: CortexDetail) -> Verdict {
        let says = |kind, message: String| Error::new(kind, message).with_detail(detail.clone());
        let plain = |kind| says(kind, String::new());
        match failure.status.as_u16() {
            401 => Verdict::Reauthenticate(self.unauthorized(plain)),
            402 => Verdict::Fail(
                plain(ErrorKind::Licence)
                    .with_hint("the tenant's licence does not include this API; ask who owns it"),
            ),
            403 => Verdict::Fail(forbidden(failure, says)),
            404 | 405 => Verdict::Fail(missing(failure, says)),
            408 => Verdict::Retry { error: plain(ErrorKind::Timeout), delay: None, unprocessed: false },
            413 => Verdict::Fail(
                plain(ErrorKind::InvalidRequest).with_hint("the request is too large; send it in parts"),
            ),
            429 => Verdict::Retry {
                error: plain(ErrorKind::RateLimited).with_hint(
                    "another consumer shares the tenant's budget; lower requests_per_second or rate_share",
                ),
                delay: Some(asked_delay(failure).unwrap_or(UNTOLD)),
                unprocessed: true,
            },
            300..=399 => Verdict::Fail(
                says(
                    ErrorKind::Configuration,
                    "the address answers with a redirect, which is not followed".into(),
                )
                .with_hint("check the tenant's FQDN and the proxy"),
            ),
            500 => business(&detail, failure.operation)
                .map_or_else(|| passing(plain(ErrorKind::Vendor), None), |kind| Verdict::Fail(plain(kind))),
            501 => Verdict::Fail(
                plain(ErrorKind::Vendor)
                    .with_hint("the address does not know what was asked for: check the FQDN and the proxy"),
            ),
            502.. => passing(plain(ErrorKind::Vendor), asked_delay(failure)),
            _ => Verdict::Fail(plain(ErrorKind::InvalidRequest)),
        }
    }

    /// The service says the same for a wrong key, id and type; which it was cannot be told apart here.
    fn unauthorized(self, plain: impl Fn(ErrorKind) -> Error) -> Error {
        let (ours, other) = match self.key_type {
            KeyType::Advanced => ("advanced", "standard"),
            KeyType::Standard => ("standard", "advanced"),
        };
        plain(ErrorKind::Authentication).with_hint(format!(
            "the key was used as {ours}: check in Settings > Configurations > API Keys that its security level is \
             not {other}, that the id is the number of this very key, and that it has not expired"
        ))
    }
}

fn forbidden(failure: &Failure<'_>, says: impl Fn(ErrorKind, String) -> Error) -> Error {
    let scope = failure.operation.scope;
    says(ErrorKind::Permission, format!("the API key's role lacks {scope}"))
        .with_hint(format!("give the key a role with {scope} in Settings > Configurations > API Keys"))
}

/// A path that the address does not serve: a wrong tenant, or a call of the other generation.
fn missing(failure: &Failure<'_>, says: impl Fn(ErrorKind, String) -> Error) -> Error {
    let message = format!("{} is not served at this address", failure.operation.name);
    says(ErrorKind::Configuration, message)
        .with_hint("check the tenant's FQDN, and the product generation (3 has alerts, 5 has issues)")
}

/// True when the address does not serve the path of the call.
pub(crate) fn is_path_missing(error: &Error) -> bool {
    error.detail().and_then(|d| d.status()).is_some_and(|status| matches!(status, 404 | 405))
}

fn passing(error: Error, delay: Option<Duration>) -> Verdict {
    Verdict::Retry { error, delay, unprocessed: false }
}

/// What a 500 means when it is an answer to the request and no failure. A read answers an empty list
/// where there is nothing, so only an action can find its target missing.
fn business(detail: &CortexDetail, operation: &Operation) -> Option<ErrorKind> {
    if detail.says(&[
        "no action was found",
        "no endpoint was found",
        "no alerts were found",
        "no issue was found",
        "not found",
        "does not exist",
        "doesn't exist",
        "no such",
    ]) {
        return Some(if operation.changes { ErrorKind::NotFound } else { ErrorKind::InvalidRequest });
    }
    if detail.says(&["already", "in progress", "pending", "another action"]) {
        return Some(ErrorKind::Conflict);
    }
    let excuse =
        detail.says(&["internal server error", "internal error", "timed out", "timeout", "try again"]);
    if detail.says(&[
        "invalid",
        "validation",
        "must be",
        "bad request",
        "missing",
        "unsupported",
        "maximum result",
    ]) {
        return Some(ErrorKind::InvalidRequest);
    }
    (detail.extra.is_some() && !excuse).then_some(ErrorKind::InvalidRequest)
}

/// The wait that the vendor asks for: seconds, a date, or a point in time as epoch seconds.
fn asked_delay(failure: &Failure<'_>) -> Option<Duration> {
    let text = failure.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let epoch = text.len() >= 10 && text.bytes().all(|b| b.is_ascii_digit());
    let form = if epoch { ServerDelay::Epoch("retry-after") } else { ServerDelay::Standard("retry-after") };
    server_delay(failure.headers, &[form], failure.now)
}

#[cfg(test)]
#[path = "dialect_tests.rs"]
mod tests;
