//! What the transport faults look like on the wire.

use std::convert::Infallible;
use std::io::{Error, Write};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::clock::from_ms;
use crate::falcon::envelope;
use crate::faults::{Fault, FaultKind};
use crate::gate::{CloseConnection, Front};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const RATE_RETRY: HeaderName = HeaderName::from_static("x-ratelimit-retryafter");

/// Whether a fault needs the true answer.
pub(crate) fn needs_answer(kind: FaultKind) -> bool {
    use FaultKind::{CloseMidBody, DoubleGzip, Gzip, Replayed, Skew, SlowDrip, TruncatedJson, WrongLength};
    matches!(
        kind,
        CloseMidBody | DoubleGzip | Gzip | Replayed | Skew | SlowDrip | TruncatedJson | WrongLength
    )
}

/// An error in the words of the vendor's front door.
pub(crate) fn refuse(front: Front, status: StatusCode, message: &str) -> Response {
    match front {
        Front::Falcon(_) => envelope::gateway(status, message),
        Front::Cortex(_) => cortex_error(status, status.as_u16(), message),
    }
}

/// The classic error body of Cortex (cortex-xdr-api 2.2).
fn cortex_error(status: StatusCode, code: u16, message: &str) -> Response {
    let body = serde_json::json!({"reply": {"err_code": code, "err_msg": message, "err_extra": null}});
    (status, [(CONTENT_TYPE, JSON)], body.to_string()).into_response()
}

/// A fault that takes the place of the answer.
pub(crate) fn instead(real_ms: i64, front: Front, fault: &Fault, path: &str) -> Response {
    use FaultKind as K;
    match fault.kind {
        K::TooMany | K::TooManySeconds | K::TooManyDate | K::TooManyEpoch | K::TooManyBare => {
            too_many(real_ms, front, fault)
        }
        K::Internal => refuse(
            front,
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal Server Error: Please provide trace-id='sim' to support",
        ),
        K::BadGateway => page(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
        K::Unavailable => refuse(front, StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        K::GatewayTimeout => page(StatusCode::GATEWAY_TIMEOUT, "504 Gateway Time-out"),
        K::Business => business(front),
        K::OkError => ok_error(front),
        K::Unauthorized => unauthorized(front),
        K::Licence => licence(front),
        K::Scope => scope(front),
        K::Reset => close(),
        K::Garbage => (StatusCode::OK, [(CONTENT_TYPE, JSON)], Bytes::from_static(b"\x00\xff\xfe{{not json"))
            .into_response(),
        K::Html => page(StatusCode::OK, "Please sign in to the proxy"),
        K::EmptyBody => (StatusCode::OK, [(CONTENT_TYPE, JSON)], Body::empty()).into_response(),
        K::Oversized => oversized(fault.bytes.unwrap_or(64 << 20)),
        K::ForeignRedirect => redirect(fault, path),
        _ => refuse(front, StatusCode::INTERNAL_SERVER_ERROR, "this fault is carried out by the handler"),
    }
}

fn business(front: Front) -> Response {
    match front {
        Front::Falcon(_) => envelope::service_error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "detectsapi",
            400,
            "the request cannot be carried out",
        ),
        Front::Cortex(_) => cortex_error(
            StatusCode::INTERNAL_SERVER_ERROR,
            500,
            "No endpoint was found for creating the requested action",
        ),
    }
}

fn ok_error(front: Front) -> Response {
    match front {
        Front::Falcon(_) => envelope::service_error(StatusCode::OK, "device-api", 500, "internal error"),
        Front::Cortex(_) => cortex_error(StatusCode::OK, 500, "Internal server error"),
    }
}

fn unauthorized(front: Front) -> Response {
    let text = match front {
        Front::Falcon(_) => "access denied, invalid bearer token",
        Front::Cortex(_) => "Public API request unauthorized",
    };
    refuse(front, StatusCode::UNAUTHORIZED, text)
}

/// Falcon has no status for it: the gateway's 403 whose text names no scope (falcon-api 2.2).
fn licence(front: Front) -> Response {
    match front {
        Front::Falcon(_) => refuse(front, StatusCode::FORBIDDEN, "access denied, authorization failed"),
        Front::Cortex(_) => {
            refuse(front, StatusCode::PAYMENT_REQUIRED, "Your license does not include this API")
        }
    }
}

fn scope(front: Front) -> Response {
    let text = match front {
        Front::Falcon(_) => "access denied, scope not permitted",
        Front::Cortex(_) => "The API key has no permission for this operation",
    };
    refuse(front, StatusCode::FORBIDDEN, text)
}

fn close() -> Response {
    let mut response = StatusCode::OK.into_response();
    response.extensions_mut().insert(CloseConnection);
    response
}

fn too_many(real_ms: i64, front: Front, fault: &Fault) -> Response {
    let text =
        if matches!(front, Front::Falcon(_)) { "API rate limit exceeded." } else { "Too many requests" };
    let mut response = refuse(front, StatusCode::TOO_MANY_REQUESTS, text);
    let wait = fault.retry_after_secs;
    let at_ms = real_ms + 1000 * i64::try_from(wait).unwrap_or(i64::MAX / 4000);
    let epoch = (RATE_RETRY, ((at_ms + 999) / 1000).to_string());
    let (name, value) = match (fault.kind, front) {
        (FaultKind::TooManyBare, _) => return response,
        (FaultKind::TooManyDate, _) => (RETRY_AFTER, http_date(at_ms)),
        (FaultKind::TooManyEpoch, _) | (FaultKind::TooMany, Front::Falcon(_)) => epoch,
        _ => (RETRY_AFTER, wait.to_string()),
    };
    set(&mut response, name, &value);
    response
}

/// A time in the form of HTTP headers.
pub(crate) fn http_date(ms: i64) -> String {
    from_ms(ms).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn page(status: StatusCode, title: &str) -> Response {
    let html = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    );
    (status, [(CONTENT_TYPE, HeaderValue::from_static("text/html"))], html).into_response()
}

fn redirect(fault: &Fault, path: &str) -> Response {
    let target = fault.location.clone().unwrap_or_else(|| format!("https://elsewhere.invalid{path}"));
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    set(&mut response, LOCATION, &target);
    response
}

fn oversized(bytes: u64) -> Response {
    const CHUNK: u64 = 64 << 10;
    let head = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{\"meta\":{},\"resources\":[\""))]);
    let filler = Bytes::from(vec![b'a'; CHUNK as usize]);
    let chunks = usize::try_from(bytes.div_ceil(CHUNK)).unwrap_or(usize::MAX);
    let body = stream::iter(std::iter::repeat_n(filler, chunks)).map(Ok);
    (StatusCode::OK, [(CONTENT_TYPE, JSON)], Body::from_stream(head.chain(body))).into_response()
}

/// A fault that spoils the true answer.
pub(crate) async fn transform(real_ms: i64, fault: &Fault, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(CONTENT_LENGTH);
    let body = match fault.kind {
        FaultKind::CloseMidBody => {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            broken(bytes.slice(..bytes.len() / 2))
        }
        FaultKind::WrongLength => {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len() + 64));
            let end = stream::once(async {
                // Let the body reach the wire before it turns out to be too short.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok::<_, Infallible>(Bytes::new())
            });
            Body::from_stream(stream::iter([Ok(bytes)]).chain(end))
        }
        FaultKind::TruncatedJson => Body::from(bytes.slice(..bytes.len() / 2)),
        FaultKind::SlowDrip => drip(bytes, fault),
        FaultKind::Gzip => {
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Body::from(gzip(&bytes))
        }
        FaultKind::DoubleGzip => {
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip, gzip"));
            Body::from(gzip(&gzip(&bytes)))
        }
        _ => Body::from(bytes),
    };
    let mut response = Response::from_parts(parts, body);
    if fault.kind == FaultKind::Skew {
        set(&mut response, DATE, &http_date(real_ms + 1000 * fault.seconds));
    }
    response
}

/// A fault that spoils an answer without an end: after so many `bytes` (default 1,000) it breaks off, or just ends.
pub(crate) fn spoil(fault: &Fault, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let most = usize::try_from(fault.bytes.unwrap_or(1_000)).unwrap_or(usize::MAX);
    let broken = matches!(fault.kind, FaultKind::CloseMidBody | FaultKind::WrongLength);
    if !broken && fault.kind != FaultKind::TruncatedJson {
        return Response::from_parts(parts, body);
    }
    let pieces = body.into_data_stream().map_err(Error::other).boxed();
    let cut = stream::unfold((pieces, most), |(mut pieces, left)| async move {
        // Nothing is waited for that would be cut off.
        let piece = if left == 0 { None } else { pieces.next().await };
        let piece = piece?.map(|bytes| bytes.slice(..bytes.len().min(left)));
        let left = left - piece.as_ref().map_or(0, Bytes::len);
        Some((piece, (pieces, left)))
    });
    let end = stream::iter(broken.then(|| Err(Error::other("fault close-mid-body"))));
    Response::from_parts(parts, Body::from_stream(cut.chain(end)))
}

fn broken(half: Bytes) -> Body {
    let end = stream::once(async {
        // Let the first half reach the wire before the connection goes.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(Error::other("fault close-mid-body"))
    });
    Body::from_stream(stream::iter([Ok(half)]).chain(end))
}

fn drip(bytes: Bytes, fault: &Fault) -> Body {
    let pause = Duration::from_millis(fault.delay_ms.unwrap_or(200));
    let size = usize::try_from(fault.bytes.unwrap_or(64)).unwrap_or(64).max(1);
    let drops: Vec<Bytes> =
        (0..bytes.len()).step_by(size).map(|at| bytes.slice(at..bytes.len().min(at + size))).collect();
    Body::from_stream(stream::iter(drops).then(move |drop| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, Infallible>(drop)
    }))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
