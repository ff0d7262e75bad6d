//! A request as data: built anew for every attempt.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use edr_core::{Error, ErrorKind};
use http::{HeaderMap, HeaderValue, Method, header};
use url::{Host, Url};

use crate::{Budget, RedactedHeaders};

/// One operation of a vendor's API.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// The vendor's own name for it, used in errors, spans and metrics.
    pub name: &'static str,
    /// Doing it twice has the effect of doing it once. Only then is it sent again after an answer, or
    /// the lack of one, that leaves open whether it was done.
    pub idempotent: bool,
    /// It changes something at the vendor. When its answer is lost, its error says that the outcome is unknown.
    pub changes: bool,
    /// The least scope or role, in the words of the vendor's console.
    pub scope: &'static str,
    /// A limit of its own beside that of the account, where the vendor has one.
    pub quota: Option<Budget>,
}

impl Operation {
    /// An operation that reads.
    #[must_use]
    pub const fn read(name: &'static str, scope: &'static str) -> Self {
        Self { name, idempotent: true, changes: false, scope, quota: None }
    }

    /// An operation that changes something, and must not be repeated blindly.
    #[must_use]
    pub const fn write(name: &'static str, scope: &'static str) -> Self {
        Self { name, idempotent: false, changes: true, scope, quota: None }
    }

    /// An operation that changes something, of which the vendor's facts say that twice is once.
    #[must_use]
    pub const fn repeatable(name: &'static str, scope: &'static str) -> Self {
        Self { name, idempotent: true, changes: true, scope, quota: None }
    }
}

impl Operation {
    /// The same with a quota: so many requests in any window of this length, over all tenants that
    /// share an account. A call waits for its quota first and then for the account's budget.
    ///
    /// ```
    /// use std::time::Duration;
    /// use edr_http::Operation;
    /// /// Cortex XDR allows 10 a minute of this one.
    /// static EXTRA: Operation = Operation::read("incidents/get_incident_extra_data", "the role Viewer")
    ///     .with_quota(10, Duration::from_secs(60));
    /// assert_eq!(EXTRA.quota.unwrap().requests, 10);
    /// ```
    #[must_use]
    pub const fn with_quota(self, requests: u32, window: Duration) -> Self {
        Self { quota: Some(Budget { requests, window }), ..self }
    }

    /// An error that was read out of a success. Of an operation that changes something it leaves open what was
    /// done, unless the vendor says that it refused.
    #[must_use]
    pub fn doubt(&self, error: Error) -> Error {
        use ErrorKind::{Decode, Network, Timeout, Vendor};
        let open = self.changes && matches!(error.kind(), Decode | Network | Timeout | Vendor);
        if open { error.with_outcome_unknown() } else { error }
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// An absolute URL that the vendor crate has checked.
    Absolute(Url),
    /// A path below the client's base URL, starting with `/`.
    Path(String),
}

/// What is sent. `Debug` shows its size alone: it may hold a secret.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// Bytes with their content type.
    Bytes(&'static str, Bytes),
    /// Nothing.
    #[default]
    Empty,
}

/// A request before it is authorised. `Debug` and logs show neither query values nor the body.
#[derive(Clone)]
pub struct RequestPlan {
    /// The operation.
    pub operation: &'static Operation,
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub target: Target,
    /// Query pairs, percent-encoded exactly once when the request is built.
    pub query: Vec<(String, String)>,
    /// Further headers.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: Body,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(kind, bytes) => write!(f, "{} bytes of {kind}", bytes.len()),
            Self::Empty => f.write_str("nothing"),
        }
    }
}

impl fmt::Debug for RequestPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestPlan")
            .field("operation", &self.operation.name)
            .field("method", &self.method)
            .field("headers", &RedactedHeaders(&self.headers))
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

impl RequestPlan {
    /// A GET of a path.
    #[must_use]
    pub fn get(operation: &'static Operation, path: impl Into<String>) -> Self {
        Self::new(operation, Method::GET, path)
    }

    /// A POST of a path with a JSON body.
    #[must_use]
    pub fn post_json(operation: &'static Operation, path: impl Into<String>, json: impl Into<Bytes>) -> Self {
        let mut plan = Self::new(operation, Method::POST, path);
        plan.body = Body::Bytes("application/json", json.into());
        plan
    }

    /// A POST of a path with form fields.
    #[must_use]
    pub fn post_form(
        operation: &'static Operation,
        path: impl Into<String>,
        fields: &[(&str, &str)],
    ) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut plan = Self::new(operation, Method::POST, path);
        plan.body = Body::Bytes("application/x-www-form-urlencoded", Bytes::from(form));
        plan
    }

    /// A request without query and body.
    #[must_use]
    pub fn new(operation: &'static Operation, method: Method, path: impl Into<String>) -> Self {
        Self {
            operation,
            method,
            target: Target::Path(path.into()),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Body::Empty,
        }
    }

    /// Adds a query pair.
    #[must_use]
    pub fn query(mut self, key: &str, value: impl Into<String>) -> Self {
        self.query.push((key.to_owned(), value.into()));
        self
    }

    /// Adds a query pair, if there is a value.
    #[must_use]
    pub fn maybe(self, key: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(key, value.to_string()),
            None => self,
        }
    }

    /// The request for one attempt.
    ///
    /// # Errors
    /// When the URL cannot be formed.
    pub fn build(&self, base: &Url, user_agent: &HeaderValue) -> Result<http::Request<Bytes>, Error> {
        let url = self.url(base)?;
        let bad = |e: http::Error| {
            Error::new(ErrorKind::InvalidRequest, "the request cannot be formed")
                .with_operation(self.operation.name)
                .with_source(e)
        };
        let mut request = http::Request::builder().method(self.method.clone()).uri(url.as_str());
        let (content_type, body) = match &self.body {
            Body::Bytes(kind, bytes) => (Some(*kind), bytes.clone()),
            Body::Empty => (None, Bytes::new()),
        };
        if let Some(kind) = content_type {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let mut request = request.body(body).map_err(bad)?;
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, user_agent.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.extend(self.headers.clone());
        Ok(request)
    }

    fn url(&self, base: &Url) -> Result<Url, Error> {
        let mut url = match &self.target {
            Target::Absolute(url) => url.clone(),
            Target::Path(path) => below(base, path).ok_or_else(|| {
                Error::new(ErrorKind::InvalidRequest, format!("'{path}' is not a path of the API"))
                    .with_operation(self.operation.name)
            })?,
        };
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

/// The path below the base, which keeps a prefix of its own (a gateway in front of the API).
fn below(base: &Url, path: &str) -> Option<Url> {
    if !path.starts_with('/') || path.starts_with("//") {
        return None;
    }
    let mut url = base.clone();
    let full = format!("{}{path}", base.path().trim_end_matches('/'));
    let (path, query) = full.split_once('?').map_or((full.as_str(), None), |(p, q)| (p, Some(q)));
    url.set_path(path);
    url.set_query(query);
    Some(url)
}

/// True for addresses of this machine, the only ones that plain http may reach.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static OP: Operation = Operation::read("Test", "none");

    fn uri(base: &str, plan: &RequestPlan) -> String {
        let agent = HeaderValue::from_static("test");
        plan.build(&Url::parse(base).unwrap(), &agent).unwrap().uri().to_string()
    }

    #[test]
    fn a_query_is_encoded_once() {
        let plan = RequestPlan::get(&OP, "/devices").query("filter", "hostname:'a+b c'+status:'x'");
        assert_eq!(
            uri("https://api.example.com", &plan),
            "https://api.example.com/devices?filter=hostname%3A%27a%2Bb+c%27%2Bstatus%3A%27x%27"
        );
    }

    #[test]
    fn a_plan_hides_its_body_and_query() {
        let plan = RequestPlan::post_form(&OP, "/oauth2/token", &[("client_secret", "canary")])
            .query("token", "canary");
        assert!(!format!("{plan:?}").contains("canary"));
    }

    #[test]
    fn a_gateway_prefix_is_kept() {
        assert_eq!(
            uri("http://localhost:1/gw/", &RequestPlan::get(&OP, "/v1/x")),
            "http://localhost:1/gw/v1/x"
        );
    }

    #[test]
    fn a_path_cannot_leave_the_host() {
        let base = Url::parse("https://api.example.com").unwrap();
        for path in ["//evil.example/x", "https://evil.example/", "x"] {
            let plan = RequestPlan::get(&OP, path);
            assert!(plan.build(&base, &HeaderValue::from_static("t")).is_err(), "{path}");
        }
        assert_eq!(
            uri("https://api.example.com", &RequestPlan::get(&OP, "/@evil.example/")),
            "https://api.example.com/@evil.example/"
        );
    }

    #[test]
    fn loopback_is_recognised() {
        for (url, expected) in [
            ("http://127.0.0.1:80", true),
            ("http://[::1]", true),
            ("http://localhost", true),
            ("http://api-x.localhost", true),
            ("http://localhost.evil.example", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
