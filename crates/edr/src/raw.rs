//! Any request to one tenant, by method and path: what the model does not cover.
//!
//! It is the vendor's own API, with our token or signature, pace and retries. Nothing of the model
//! holds here: neither its capabilities nor the guards of the commands that change something.

use std::fmt;

use bytes::Bytes;
use edr_core::{Error, ErrorKind, Raw, Result};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::Method;
use percent::decoded;

use crate::Member;
use crate::registry::Native;

pub use edr_http::{Passed, RedactedHeaders, Refusal, Refused};

/// One request. `Debug` shows neither query values nor the body.
#[derive(Clone)]
pub struct RawRequest {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Bytes>,
    repeatable: bool,
}

impl fmt::Debug for RawRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("body", &format_args!("{} bytes", self.body.as_ref().map_or(0, Bytes::len)))
            .finish_non_exhaustive()
    }
}

/// A page of a listing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RawPage {
    /// The items, as they came.
    pub items: Vec<Raw>,
    /// How many match, where the vendor says.
    pub total: Option<u64>,
}

impl RawRequest {
    /// A request of a path below the tenant's host. The path may have a query. Falcon's paths begin with
    /// `/`, with or without it; a path of Cortex XDR that does not is of the first version of its API.
    ///
    /// ```
    /// use edr::raw::RawRequest;
    /// let request = RawRequest::new("get", "/devices/queries/devices/v1?limit=5")?;
    /// assert!(!request.is_write());
    /// assert!(RawRequest::new("GET", "https://elsewhere.example/").is_err());
    /// # Ok::<(), edr::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for a method that is none, and for a path that leads elsewhere.
    pub fn new(method: &str, path: &str) -> Result<Self> {
        const METHODS: [Method; 7] = [
            Method::DELETE,
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::PATCH,
            Method::POST,
            Method::PUT,
        ];
        let wanted = method.to_ascii_uppercase();
        let method = METHODS.into_iter().find(|m| m.as_str() == wanted).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidRequest,
                format!("'{method}' is no method of HTTP that is used here"),
            )
            .with_hint("use one of GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS")
        })?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        check(path)?;
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self { method, path: path.to_owned(), query, body: None, repeatable: false })
    }

    /// Adds a pair to the query; it is encoded once.
    #[must_use]
    pub fn query(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((key.into(), value.into()));
        self
    }

    /// The body, JSON as it is.
    #[must_use]
    pub fn body(mut self, json: impl Into<Bytes>) -> Self {
        self.body = Some(json.into());
        self
    }

    /// Says that the caller knows that twice is once: it is then sent again where the answer, or the lack
    /// of one, leaves open whether it was done. A GET always is.
    #[must_use]
    pub fn repeatable(mut self, repeatable: bool) -> Self {
        self.repeatable = repeatable;
        self
    }

    /// True for every method that may change something. One vendor reads by POST, too; nobody can tell here.
    #[must_use]
    pub fn is_write(&self) -> bool {
        ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&self.method)
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        self.query.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
    }

    /// As Falcon writes its paths.
    #[cfg(feature = "falcon")]
    fn rooted(&self) -> std::borrow::Cow<'_, str> {
        match self.path.starts_with('/') {
            true => self.path.as_str().into(),
            false => format!("/{}", self.path).into(),
        }
    }
}

/// A path stays below the tenant's host, however it is written.
fn check(path: &str) -> Result<()> {
    let plain = decoded(path);
    let leads_up = plain.split(['/', '\\']).any(|part| part == ".." || part == ".");
    let strange = |c: char| c.is_control() || matches!(c, '\\' | '#');
    let elsewhere = plain.starts_with("//") || plain.contains("://") || path.contains("//");
    let spaced = path.contains(char::is_whitespace);
    if path.is_empty() || leads_up || elsewhere || spaced || plain.contains(strange) {
        let message = format!("'{}' is no path of the API", path.chars().take(100).collect::<String>());
        return Err(Error::new(ErrorKind::InvalidRequest, message)
            .with_hint("give what stands behind the host, such as /devices/queries/devices/v1"));
    }
    Ok(())
}

impl Member {
    /// Sends any request to this tenant and gives the answer as it came.
    ///
    /// # Errors
    /// As the vendor answers, with what it answered; [`ErrorKind::Unsupported`] where the tenant is a provider
    /// of somebody else's.
    pub async fn send(&self, request: &RawRequest) -> Result<Passed, Box<Refusal>> {
        let failed = |error: Error| {
            let error = error.with_tenant(&self.tenant, &self.vendor);
            Box::new(Refusal { error, answer: None })
        };
        self.provider.as_ref().map_err(|e| failed(e.clone()))?;
        let RawRequest { method, body, repeatable, .. } = request.clone();
        match &self.native {
            #[cfg(feature = "cortex")]
            Native::Cortex(cortex) => {
                cortex.client().pass(method, &request.path, &request.pairs(), body, repeatable).await
            }
            #[cfg(feature = "falcon")]
            Native::Falcon(falcon) => {
                falcon.client().pass(method, &request.rooted(), &request.pairs(), body, repeatable).await
            }
            Native::Other => {
                let _ = (method, body, repeatable);
                Err(failed(unknown()))
            }
        }
    }

    /// Walks over the pages of a listing as the vendor turns them. An error ends the walk; what came
    /// before it stands.
    #[must_use]
    pub fn pages(&self, request: &RawRequest) -> BoxStream<'static, Result<RawPage>> {
        let (tenant, vendor) = (self.tenant.clone(), self.vendor.clone());
        let pages = match self.provider.as_ref().map_err(Clone::clone) {
            Ok(_) => self.walk(request),
            Err(error) => one(Err(error)),
        };
        pages.map(move |page| page.map_err(|e| e.with_tenant(&tenant, &vendor))).boxed()
    }

    fn walk(&self, request: &RawRequest) -> BoxStream<'static, Result<RawPage>> {
        let RawRequest { method, body, .. } = request.clone();
        match &self.native {
            #[cfg(feature = "cortex")]
            Native::Cortex(cortex) => {
                let pages = cortex.client().walk_any(method, &request.path, &request.pairs(), body);
                pages.map(|page| page.map(|p| RawPage { items: p.items, total: p.total })).boxed()
            }
            #[cfg(feature = "falcon")]
            Native::Falcon(falcon) => {
                let pages = falcon.client().walk_any(method, &request.rooted(), &request.pairs(), body);
                pages.flat_map(|page| stream::iter(falcon_page(page))).boxed()
            }
            Native::Other => {
                let _ = (method, body);
                one(Err(unknown()))
            }
        }
    }
}

/// A page of Falcon's; errors beside its items come behind it.
#[cfg(feature = "falcon")]
fn falcon_page(page: Result<falcon::Reply<Raw>>) -> Vec<Result<RawPage>> {
    let page = match page {
        Ok(page) => page,
        Err(error) => return vec![Err(error)],
    };
    let total = page.pagination().count();
    let beside = page.errors().first().map(|e| {
        let said = e.message.clone().unwrap_or_default();
        Error::new(ErrorKind::Vendor, format!("errors came beside the items: {said}"))
    });
    let items = page.resources.into_iter().chain(page.undecoded).collect();
    [Ok(RawPage { items, total })].into_iter().chain(beside.map(Err)).collect()
}

fn one(page: Result<RawPage>) -> BoxStream<'static, Result<RawPage>> {
    stream::iter([page]).boxed()
}

fn unknown() -> Error {
    Error::unsupported("this tenant has no API of a vendor that is known here")
}

mod percent {
    /// The text with `%2e` and the like undone, until nothing changes: a gateway may undo them more than once.
    pub(super) fn decoded(text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..3 {
            text = once(&text);
        }
        text
    }

    fn once(text: &str) -> String {
        let bytes = text.as_bytes();
        let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
        while let Some(byte) = bytes.get(at) {
            let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
            match hex.filter(|_| *byte == b'%').and_then(|h| u8::from_str_radix(h, 16).ok()) {
                Some(value) => {
                    plain.push(value);
                    at += 3;
                }
                None => {
                    plain.push(*byte);
                    at += 1;
                }
            }
        }
        String::from_utf8_lossy(&plain).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_the_host() {
        for good in
            ["/devices/queries/devices/v1", "incidents/get_incidents", "/a/b%20c", "/x?filter=a:'//..'"]
        {
            assert!(RawRequest::new("GET", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "?a=b",
            "https://evil.example/x",
            "HTTPS://evil.example",
            "//evil.example/x",
            "/x//y",
            "/../x",
            "/a/..",
            "/a/./b",
            "/a/%2e%2e/b",
            "/a/%252E./b",
            "/%2fevil.example",
            "\\\\evil.example",
            "/a\\..\\b",
            "/a b",
            "/a\nb",
            "/a%0d%0ab",
            "/a#b",
        ] {
            assert!(RawRequest::new("GET", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn methods_are_known_and_told_apart() {
        assert!(RawRequest::new("CONNECT", "/x").is_err() && RawRequest::new("", "/x").is_err());
        let write = |method: &str| RawRequest::new(method, "/x").unwrap().is_write();
        assert!(["post", "PUT", "Patch", "DELETE"].into_iter().all(write));
        assert!(!["GET", "head", "OPTIONS"].into_iter().any(write));
    }

    #[test]
    fn a_request_hides_its_body_and_query() {
        let request = RawRequest::new("POST", "/x?token=canary").unwrap().query("k", "canary").body("canary");
        assert!(!format!("{request:?}").contains("canary"), "{request:?}");
        assert_eq!(request.pairs(), [("token", "canary"), ("k", "canary")]);
    }

    #[tokio::test]
    async fn a_provider_of_somebody_elses_has_no_way() {
        let provider = edr_core::InMemory::builder("t").build();
        let estate = crate::Estate::of([std::sync::Arc::new(provider) as _]);
        let request = RawRequest::new("GET", "/x").unwrap();
        let refusal = estate.members()[0].send(&request).await.unwrap_err();
        assert_eq!(refusal.error.kind(), ErrorKind::Unsupported);
        let pages: Vec<_> = estate.members()[0].pages(&request).collect().await;
        assert!(pages.len() == 1 && pages[0].is_err());
    }
}
