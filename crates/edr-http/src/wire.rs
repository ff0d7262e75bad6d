//! The wire log: what is sent and what comes back, redacted. The target is `edr_http::wire`; the heads of
//! answers are logged at `DEBUG`, requests and the bodies of errors at `TRACE`.
//!
//! Nothing is prepared when nobody listens.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;
use tracing::{Level, debug, enabled, trace};
use url::form_urlencoded;

use crate::redact::{safe_body, secret_texts};
use crate::{Body, RedactedHeaders, RequestPlan, Target, safe_url};

/// The name under which the wire log is found.
pub(crate) const TARGET: &str = "edr_http::wire";

/// A value that is shorter is a word and no secret.
const SHORTEST: usize = 8;

/// One exchange that somebody listens to.
pub(crate) struct Exchange {
    attempt: u32,
    method: Method,
    url: String,
    sent: Instant,
    /// What must not be shown if the answer repeats it.
    secrets: Vec<String>,
}

impl Exchange {
    /// Logs a request that is about to be sent; `None` when nobody listens.
    pub(crate) fn begin(plan: &RequestPlan, request: &http::Request<Bytes>, attempt: u32) -> Option<Self> {
        if !enabled!(target: TARGET, Level::DEBUG) {
            return None;
        }
        let url = match &plan.target {
            // Such an address may hold a token in its path.
            Target::Absolute(url) => url.to_string(),
            Target::Path(_) => safe_url(&request.uri().to_string()),
        };
        let method = request.method().clone();
        let secrets = secrets(plan, request.headers());
        if enabled!(target: TARGET, Level::TRACE) {
            let body = sent_body(plan, &secrets);
            let headers = RedactedHeaders(request.headers());
            trace!(target: TARGET, %method, url, attempt, ?headers, body, "request");
        }
        Some(Self { attempt, method, url, sent: Instant::now(), secrets })
    }

    /// Logs the head of the answer.
    pub(crate) fn answered(&self, status: StatusCode, headers: &HeaderMap) {
        let (method, url, attempt) = (&self.method, &self.url, self.attempt);
        let (status, headers) = (status.as_u16(), RedactedHeaders(headers));
        let elapsed_ms = self.elapsed();
        debug!(target: TARGET, %method, url, attempt, status, elapsed_ms, ?headers, "response");
    }

    /// Logs that there is no answer.
    pub(crate) fn lost(&self, reason: &str) {
        let (method, url, attempt, elapsed_ms) = (&self.method, &self.url, self.attempt, self.elapsed());
        debug!(target: TARGET, %method, url, attempt, elapsed_ms, reason, "no response");
    }

    /// Logs the body of an answer that is an error.
    pub(crate) fn refused(&self, body: &[u8]) {
        if enabled!(target: TARGET, Level::TRACE) {
            let body = safe_body(body, &self.secrets);
            trace!(target: TARGET, attempt = self.attempt, body, "the error's body");
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.sent.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A form holds credentials, so its size alone is shown.
fn sent_body(plan: &RequestPlan, secrets: &[String]) -> String {
    match &plan.body {
        Body::Bytes("application/json", bytes) => safe_body(bytes, secrets),
        Body::Bytes(kind, bytes) => format!("[{} bytes of {kind}]", bytes.len()),
        Body::Empty => String::new(),
        streamed @ (Body::File(..) | Body::Multipart(_)) => format!("[{streamed:?}]"),
    }
}

/// The values of sensitive headers, of forms, and of keys of JSON that sound like secrets.
fn secrets(plan: &RequestPlan, headers: &HeaderMap) -> Vec<String> {
    let sensitive = headers.values().filter(|v| v.is_sensitive()).filter_map(|v| v.to_str().ok());
    let words = sensitive.flat_map(str::split_ascii_whitespace).map(str::to_owned);
    let fields = match &plan.body {
        Body::Bytes("application/x-www-form-urlencoded", bytes) => {
            form_urlencoded::parse(bytes).map(|(_, value)| value.into_owned()).collect()
        }
        Body::Bytes("application/json", bytes) => secret_texts(bytes),
        _ => Vec::new(),
    };
    let mut all: Vec<String> = words.chain(fields).filter(|s| s.len() >= SHORTEST).collect();
    // A secret may hold another one.
    all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    all
}
