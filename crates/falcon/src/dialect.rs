//! How Falcon says things: its two layers of errors, its rate headers, its regions.
//!
//! The gateway in front of the services answers in the same envelope as they do (`powered_by` tells
//! them apart), so one status has several meanings: a 404 of the gateway means that this cloud lacks
//! the operation, a 404 of a service that the thing is not there; a 403 may be a missing scope, a
//! forbidden address, or a licence.

use std::any::Any;
use std::borrow::Cow;

use edr_core::{Error, ErrorKind, RetryStatus, VendorDetail};
use edr_http::{Dialect, Failure, ServerDelay, Verdict, server_delay};
use http::{HeaderMap, header};
use url::Url;

use crate::api::{ApiError, Envelope, Resources, oauth2};
use crate::auth::holds_a_token;
use crate::config::Cloud;

/// What Falcon said. Found behind [`Error::detail`] by
/// `detail.as_any().downcast_ref::<FalconDetail>()`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FalconDetail {
    /// The HTTP status.
    pub status: u16,
    /// The id under which support finds the request: `X-Cs-Traceid`, else `meta.trace_id`.
    pub trace_id: Option<String>,
    /// The service that answered, where it says.
    pub powered_by: Option<String>,
    /// All errors of the reply, in order; their messages in one line each, without a client id.
    pub errors: Vec<ApiError>,
    /// What is wrong with single rows of a refused call: some services say it where the resources would be.
    pub rows: Vec<String>,
}

impl FalconDetail {
    /// Reads an answer.
    #[must_use]
    pub fn read(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let envelope = Envelope::read(body).unwrap_or_default();
        let mut errors = envelope.all_errors();
        for message in errors.iter_mut().filter_map(|e| e.message.as_mut()) {
            *message = clean(message).into_owned();
        }
        let meta = envelope.meta.unwrap_or_default();
        let header = headers.get("x-cs-traceid").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let trace_id = header.or(meta.trace_id).filter(|t| !t.is_empty());
        Self { status, trace_id, powered_by: meta.powered_by, errors, rows: faulty_rows(body) }
    }

    /// The gateway does not know the path: this cloud lacks the operation, or has retired it.
    #[must_use]
    pub fn is_missing_route(&self) -> bool {
        let by_gateway = self.powered_by.as_deref().is_some_and(|p| p.contains("gateway"));
        match self.status {
            404 => by_gateway || self.says("page not found"),
            405 => true,
            _ => false,
        }
    }

    fn says(&self, words: &str) -> bool {
        self.errors.iter().any(|e| e.message.as_deref().is_some_and(|m| m.to_lowercase().contains(words)))
    }

    /// The numeric code of the first error.
    fn number(&self) -> Option<u16> {
        self.errors.first()?.code.as_deref()?.parse().ok()
    }
}

impl VendorDetail for FalconDetail {
    fn code(&self) -> Option<Cow<'_, str>> {
        self.errors.first()?.code.as_deref().map(Cow::Borrowed)
    }

    fn message(&self) -> Option<Cow<'_, str>> {
        let said = self.errors.first()?.message.as_deref().map(clean)?;
        match self.rows.as_slice() {
            [] => Some(said),
            [row] => Some(format!("{said}: {row}").into()),
            [row, rest @ ..] => Some(format!("{said}: {row}, and {} more", rest.len()).into()),
        }
    }

    fn trace_id(&self) -> Option<Cow<'_, str>> {
        self.trace_id.as_deref().map(Cow::Borrowed)
    }

    fn status(&self) -> Option<u16> {
        Some(self.status)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The faults that stand where the resources would be: objects with a message and the type "error".
fn faulty_rows(body: &[u8]) -> Vec<String> {
    let reply: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let fault = |row: &serde_json::Value| {
        let is_error = row["message_type"].as_str()?.eq_ignore_ascii_case("error");
        let said = row["message"].as_str().filter(|_| is_error)?;
        let value = row["value"].as_str().map(|value| format!("{}: ", clean(value))).unwrap_or_default();
        Some(format!("{value}{}", clean(said)))
    };
    reply["resources"].as_array().into_iter().flatten().filter_map(fault).collect()
}

/// A message for one line of print. The token endpoint repeats the client id, which may be a secret
/// that was pasted into the wrong field.
pub(crate) fn clean(message: &str) -> Cow<'_, str> {
    const LIMIT: usize = 400;
    let small = message.to_ascii_lowercase();
    let at = ["clientid=", "client_id="].iter().filter_map(|key| small.find(key)).min();
    let open = message[..at.unwrap_or(message.len())].trim();
    let open = open.strip_suffix("for").map_or(open, str::trim_end);
    let calm = open.chars().all(|c| !c.is_control()) && open.len() <= LIMIT;
    if calm {
        return Cow::Borrowed(open);
    }
    Cow::Owned(open.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LIMIT).collect())
}

/// The dialect of one tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FalconDialect {
    pub(crate) cloud: Cloud,
    /// False when a base URL of the user's own stands in for the cloud.
    pub(crate) on_cloud: bool,
    /// True when the token is for a child tenant.
    pub(crate) member: bool,
}

const DELAYS: &[ServerDelay] =
    &[ServerDelay::Epoch("x-ratelimit-retryafter"), ServerDelay::Standard("retry-after")];

const WHERE_CLIENTS_ARE: &str = "Support and resources > API clients and keys";

impl Dialect for FalconDialect {
    fn judge(&self, f: &Failure<'_>) -> Verdict {
        let detail = FalconDetail::read(f.status.as_u16(), f.headers, f.body);
        match f.status.as_u16() {
            300..=399 => self.moved(f, detail),
            408 | 429 => throttled(f, detail),
            501 => {
                Verdict::Fail(Error::new(ErrorKind::Vendor, "").with_detail(detail).with_hint(
                    "the address does not know what was asked for: check the base URL and the proxy",
                ))
            }
            500.. => failed(f, detail),
            _ if f.operation.name == oauth2::REVOKE.name => Verdict::Fail(not_revoked(detail)),
            _ if f.operation.name == oauth2::TOKEN.name => Verdict::Fail(self.no_token(detail)),
            401 => Verdict::Reauthenticate(unauthorised(detail)),
            403 => Verdict::Fail(forbidden(f, detail)),
            404 | 405 | 410 => Verdict::Fail(absent(f, detail)),
            _ => Verdict::Fail(refused(f, detail)),
        }
    }

    /// Errors in place of resources. A list, even an empty one, may have lost its items to the reader
    /// of a listing: whether errors beside it are a failure is for the caller, who has the items, to say
    /// ([`error_inside`]).
    fn judge_success(&self, reply: &Failure<'_>) -> Option<Verdict> {
        if reply.operation.name == oauth2::TOKEN.name {
            return (!holds_a_token(reply.body)).then(|| self.without_token(reply));
        }
        let resources = Resources::of(reply.body);
        let bare = matches!(resources, Some(Resources::Absent | Resources::Null));
        let empty = resources == Some(Resources::Empty) && !reply.has_items;
        if !(bare || empty) {
            return None;
        }
        // An empty list beside an error belongs to the caller, unless asking again may help.
        inside(reply).filter(|verdict| bare || matches!(verdict, Verdict::Retry { .. }))
    }

    fn trace_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        headers.get("x-cs-traceid")?.to_str().ok()
    }

    fn budget(&self, headers: &HeaderMap) -> Option<(u32, u32)> {
        budget(headers)
    }
}

/// Requests left, and the limit. Small limits are those of the token endpoint and of calls without a
/// token: they say nothing about the tenant's budget.
pub(crate) fn budget(headers: &HeaderMap) -> Option<(u32, u32)> {
    let read = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u32>().ok();
    let limit = read("x-ratelimit-limit").filter(|l| *l > 300)?;
    Some((read("x-ratelimit-remaining")?, limit))
}

impl FalconDialect {
    /// A success of the token endpoint without a token: what it says itself comes first.
    fn without_token(&self, reply: &Failure<'_>) -> Verdict {
        match inside(reply) {
            None => no_token_inside(),
            Some(passing @ Verdict::Retry { .. }) => passing,
            Some(_) => {
                let detail = FalconDetail::read(reply.status.as_u16(), reply.headers, reply.body);
                Verdict::Fail(self.no_token(detail))
            }
        }
    }

    /// A redirect. It is taken only on discovery, and only to one of the clouds' own addresses.
    fn moved(&self, f: &Failure<'_>, detail: FalconDetail) -> Verdict {
        let location = f.headers.get(header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let Some(cloud) = cloud_at(location) else {
            let message =
                "the answer is a redirect to a place that is no CrowdStrike cloud; it was not followed";
            let error = Error::new(ErrorKind::Configuration, message).with_detail(detail);
            return Verdict::Fail(
                error.with_hint("check the base URL and what stands between here and the API"),
            );
        };
        let message = format!("the tenant lives in {cloud}");
        let hint = if self.on_cloud {
            format!("set cloud = \"{cloud}\" for this tenant, or \"autodiscover\"")
        } else {
            format!("remove base_url or point it at https://{}", cloud.api_host())
        };
        let error = Error::new(ErrorKind::Configuration, message).with_detail(detail).with_hint(hint);
        let follow = self.on_cloud && self.cloud == Cloud::Autodiscover && f.status.as_u16() == 308;
        match crate::config::cloud_url(cloud) {
            Ok(url) if follow => Verdict::Relocate(url, error),
            _ => Verdict::Fail(error),
        }
    }

    /// The token endpoint's refusals.
    fn no_token(&self, detail: FalconDetail) -> Error {
        if detail.status == 403 && detail.says("authorization failed") {
            return Error::new(ErrorKind::Permission, "no token: this address may not use the API")
                .with_hint("the tenant's IP allow-list does not hold this machine's public address")
                .with_detail(detail);
        }
        if detail.is_missing_route() {
            return Error::new(ErrorKind::Configuration, "there is no token endpoint at this address")
                .with_hint("check the base URL")
                .with_detail(detail);
        }
        let hint = if self.member && detail.status == 403 {
            Cow::Borrowed(
                "the member CID must be that of a child: a parent's own CID is refused; \
                 leave it out to reach the parent, and check client id and secret",
            )
        } else {
            let place = match (self.on_cloud, self.cloud) {
                (false, _) => "and base_url".to_owned(),
                (true, Cloud::Autodiscover) => {
                    "and the cloud, which is autodiscover: the government clouds us-gov-1 \
                                                and us-gov-2 cannot be discovered and must be configured"
                        .to_owned()
                }
                (true, cloud) => format!("and the cloud, which is {cloud}"),
            };
            Cow::Owned(format!("check client id and secret ({WHERE_CLIENTS_ARE}) {place}"))
        };
        let kind = match detail.status {
            400 | 401 | 403 => ErrorKind::Authentication,
            _ => ErrorKind::InvalidRequest,
        };
        Error::new(kind, "no token was issued").with_detail(detail).with_hint(hint)
    }
}

/// The cloud at a redirect's target: https, exactly the API host of a cloud, nothing else.
fn cloud_at(location: &str) -> Option<Cloud> {
    let url = Url::parse(location).ok()?;
    let plain = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if plain { Cloud::of_api_host(url.host_str()?) } else { None }
}

/// The errors of a success, judged. That an id is not there (404 with the id) is an answer.
fn inside(reply: &Failure<'_>) -> Option<Verdict> {
    let mut detail = FalconDetail::read(reply.status.as_u16(), reply.headers, reply.body);
    let (absent_ids, others): (Vec<_>, Vec<_>) = detail.errors.drain(..).partition(ApiError::is_about_id);
    if others.is_empty() {
        return None;
    }
    // Beside another error they are kept: who has asked for several ids wants a word about each.
    detail.errors = [others, absent_ids].concat();
    Some(match detail.number() {
        Some(429) => partly_throttled(reply, detail),
        Some(404) => Verdict::Fail(absent(reply, detail)),
        Some(403) => Verdict::Fail(forbidden(reply, detail)),
        Some(400..500) => Verdict::Fail(refused(reply, detail)),
        _ => failed(reply, detail),
    })
}

/// The error inside a success, for the reader of its items; one that may pass is marked as such.
pub(crate) fn error_inside(reply: &Failure<'_>) -> Option<Error> {
    match inside(reply)? {
        Verdict::Retry { error, delay, .. } => {
            Some(delay.into_iter().fold(error, |error, delay| error.with_retry_after(delay)))
        }
        Verdict::Fail(error) => Some(error),
        _ => None,
    }
}

/// A page of HTML, an empty or a broken body where a token should be. The body is not kept: it may hold
/// a part of one.
fn no_token_inside() -> Verdict {
    let error = Error::new(ErrorKind::Decode, "the token endpoint's answer holds no token")
        .with_retry(RetryStatus::Temporary)
        .with_hint("if it stays, a proxy or gateway may be answering in the vendor's place");
    Verdict::Retry { error, delay: None, unprocessed: false }
}

fn not_revoked(detail: FalconDetail) -> Error {
    Error::new(ErrorKind::Authentication, "the token was not revoked")
        .with_detail(detail)
        .with_hint("it expires by itself within half an hour")
}

fn throttled(f: &Failure<'_>, detail: FalconDetail) -> Verdict {
    let delay = server_delay(f.headers, DELAYS, f.now);
    let (kind, message) = match f.status.as_u16() {
        408 => (ErrorKind::Timeout, "the vendor ran out of time"),
        _ => (ErrorKind::RateLimited, "too many requests"),
    };
    let error = Error::new(kind, message)
        .with_retry(RetryStatus::Temporary)
        .with_detail(detail)
        .with_hint("other users of the same customer id or address share this limit; lower rate_share");
    Verdict::Retry { error, delay, unprocessed: kind == ErrorKind::RateLimited }
}

/// A limit that is told inside a success: a part may have been done where it is told of single things.
fn partly_throttled(reply: &Failure<'_>, detail: FalconDetail) -> Verdict {
    let whole = |e: &ApiError| e.code.as_deref() == Some("429") && e.id.as_deref().is_none_or(str::is_empty);
    let untouched = detail.errors.iter().all(whole) && !has_written(reply.body);
    match throttled(reply, detail) {
        Verdict::Retry { error, delay, .. } => Verdict::Retry { error, delay, unprocessed: untouched },
        other => other,
    }
}

/// Whether an answer says that something was changed.
fn has_written(body: &[u8]) -> bool {
    let reply: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    reply["meta"]["writes"]["resources_affected"].as_u64().is_some_and(|count| count > 0)
}

/// A failure of the service. A body whose own code is 400 is a refusal in the dress of a failure.
fn failed(f: &Failure<'_>, detail: FalconDetail) -> Verdict {
    if detail.number() == Some(400) {
        return Verdict::Fail(refused(f, detail));
    }
    let delay = server_delay(f.headers, DELAYS, f.now);
    let error = Error::new(ErrorKind::Vendor, "").with_retry(RetryStatus::Temporary).with_detail(detail);
    Verdict::Retry { error, delay, unprocessed: false }
}

fn unauthorised(detail: FalconDetail) -> Error {
    let hint = "the token was refused, a fresh one too: check the cloud, the IP allow-list, and whether \
                the API client was revoked";
    Error::new(ErrorKind::Authentication, "").with_detail(detail).with_hint(hint)
}

fn forbidden(f: &Failure<'_>, detail: FalconDetail) -> Error {
    if detail.says("authorization failed") {
        let hint = "a scope does not mend this: check the tenant's IP allow-list, and whether the product is licensed";
        return Error::new(ErrorKind::Permission, "this address or tenant may not do this")
            .with_detail(detail)
            .with_hint(hint);
    }
    let hint = format!("add the scope \"{}\" to the API client ({WHERE_CLIENTS_ARE})", f.operation.scope);
    Error::new(ErrorKind::Permission, "the API client lacks a scope").with_detail(detail).with_hint(hint)
}

fn absent(f: &Failure<'_>, detail: FalconDetail) -> Error {
    if detail.is_missing_route() {
        return Error::new(ErrorKind::Unsupported, "this cloud does not have the operation")
            .with_detail(detail)
            .with_hint("check the cloud and the base URL");
    }
    if detail.is_stale_cursor() {
        return Error::new(ErrorKind::CursorExpired, "").with_detail(detail);
    }
    // Without an envelope somebody else has answered: that proves nothing about the thing asked for.
    if detail.errors.is_empty() {
        return refused(f, detail);
    }
    Error::new(ErrorKind::NotFound, "").with_detail(detail)
}

fn refused(f: &Failure<'_>, detail: FalconDetail) -> Error {
    if detail.is_stale_cursor() {
        return Error::new(ErrorKind::CursorExpired, "").with_detail(detail);
    }
    let hint = match f.status.as_u16() {
        413 | 414 => "ask for fewer ids at once",
        _ if detail.says("filter") => "the service does not take this filter",
        _ if detail.errors.is_empty() => "the answer is not Falcon's: check the base URL and the proxy",
        _ => "look at what the vendor says",
    };
    let kind = if f.status.as_u16() == 409 { ErrorKind::Conflict } else { ErrorKind::InvalidRequest };
    Error::new(kind, "").with_detail(detail).with_hint(hint)
}

impl FalconDetail {
    /// The page key is gone: scrolls and `after` keys live for two minutes.
    fn is_stale_cursor(&self) -> bool {
        let texts =
            ["search context expired", "no search context", "invalid offset supplied", "no longer valid"];
        matches!(self.status, 200..300 | 400 | 404 | 410) && texts.iter().any(|t| self.says(t))
            || self.says("scroll") && self.says("expired")
    }
}

#[cfg(test)]
#[path = "dialect_tests.rs"]
mod tests;
