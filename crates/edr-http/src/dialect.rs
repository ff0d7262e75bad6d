//! How a vendor says things: what an answer that is no plain success means.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use edr_core::Error;
use http::{HeaderMap, StatusCode};
use url::Url;

use crate::{Operation, RedactedHeaders};

/// An answer that is not plainly a success, for the vendor's dialect to judge. `Debug` shows the size of
/// the body alone.
pub struct Failure<'a> {
    /// The operation.
    pub operation: &'static Operation,
    /// The HTTP status, which may be 200.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, up to a limit. Of a listing it is the envelope, with the list empty.
    pub body: &'a [u8],
    /// Items were cut out of the body before.
    pub has_items: bool,
    /// The present time.
    pub now: DateTime<Utc>,
}

/// What a failure means.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It is final.
    Fail(Error),
    /// The credentials were refused: ask the authenticator for fresh ones, once.
    Reauthenticate(Error),
    /// The tenant lives at another base URL, which the dialect has checked. Taken once.
    Relocate(Url, Error),
    /// It may pass.
    Retry {
        /// The error to return when the retries are used up.
        error: Error,
        /// The wait that the server asks for.
        delay: Option<Duration>,
        /// The request was refused before anything was done, so even a write may be sent again.
        unprocessed: bool,
    },
}

/// How a vendor says things. Pure: it is given what arrived and says what it means.
pub trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// Judges an answer with a status other than 2xx.
    fn judge(&self, failure: &Failure<'_>) -> Verdict;

    /// Looks for an error inside an answer with a status of 2xx; the body lacks the items of a listing.
    fn judge_success(&self, reply: &Failure<'_>) -> Option<Verdict> {
        let _ = reply;
        None
    }

    /// The id under which the vendor's support finds the request, where the headers have one.
    fn trace_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let _ = headers;
        None
    }

    /// Takes note of what the headers say of the rate budget: requests left, and the limit.
    fn budget(&self, headers: &HeaderMap) -> Option<(u32, u32)> {
        let _ = headers;
        None
    }
}

/// A whole answer. `Debug` shows the size of the body alone: it may be a token.
#[derive(Clone)]
pub struct FullReply {
    /// The status, 2xx.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "Failure", self.status, self.headers, self.body.len())
    }
}

impl fmt::Debug for FullReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "FullReply", self.status, &self.headers, self.body.len())
    }
}

fn show(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    status: StatusCode,
    headers: &HeaderMap,
    bytes: usize,
) -> fmt::Result {
    f.debug_struct(name)
        .field("status", &status.as_u16())
        .field("headers", &RedactedHeaders(headers))
        .field("body", &format_args!("{bytes} bytes"))
        .finish()
}

impl From<Error> for Verdict {
    fn from(error: Error) -> Self {
        Self::Fail(error)
    }
}
