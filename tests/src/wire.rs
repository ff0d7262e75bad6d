//! The real transport, watched: what leaves the client, and the secrets in it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use edr_http::{BodyStream, HttpTransport, ReqwestTransport, TransportError, TransportOptions};
use http::{Request, Response, Uri};

/// Which requests of a path, counted from 1, find nobody at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuses {
    /// All of them.
    All,
    /// This one and those that follow.
    From(u64),
    /// This one.
    Only(u64),
}

impl Refuses {
    fn strikes(self, call: u64) -> bool {
        match self {
            Self::All => true,
            Self::From(first) => call >= first,
            Self::Only(one) => call == one,
        }
    }
}

/// A transport that counts, remembers credentials, and can lead requests to a port where nobody listens.
pub struct Wire {
    real: ReqwestTransport,
    detour: Mutex<Option<(String, Refuses, u64)>>,
    paths: Mutex<Vec<String>>,
    secrets: Mutex<BTreeSet<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Wire {
    fn default() -> Self {
        let real = ReqwestTransport::new(&TransportOptions::default()).expect("nothing is configured");
        Self { real, detour: Mutex::default(), paths: Mutex::default(), secrets: Mutex::default() }
    }
}

impl Wire {
    /// How many requests to this path were tried. One that ends in `/` stands for those below it.
    #[must_use]
    pub fn tried(&self, path: &str) -> u64 {
        lock(&self.paths).iter().filter(|p| is_at(path, p)).count() as u64
    }

    /// Leads requests to this path to a dead port, until it is called again.
    pub fn refuse(&self, path: &str, which: Refuses) {
        *lock(&self.detour) = Some((path.to_owned(), which, 0));
    }

    /// The same, counted from the next request on.
    pub fn refuse_from_now(&self, path: &str, which: Refuses) {
        *lock(&self.detour) = Some((path.to_owned(), which, self.tried(path)));
    }

    /// Leads nothing astray any more.
    pub fn relent(&self) {
        *lock(&self.detour) = None;
    }

    /// Everything secret that a header carried: tokens, keys, signatures, nonces.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        lock(&self.secrets).clone()
    }

    fn note(&self, request: &Request<Bytes>) {
        lock(&self.paths).push(request.uri().path().to_owned());
        for name in ["authorization", "x-xdr-nonce"] {
            let value = request.headers().get(name).and_then(|v| v.to_str().ok());
            lock(&self.secrets).extend(value.map(|v| v.trim_start_matches("Bearer ").to_owned()));
        }
    }

    fn is_refused(&self, path: &str) -> bool {
        let detour = lock(&self.detour).clone();
        detour.is_some_and(|(of, which, before)| is_at(&of, path) && which.strikes(self.tried(&of) - before))
    }
}

fn is_at(place: &str, path: &str) -> bool {
    path == place || (place.ends_with('/') && path.starts_with(place))
}

/// The address, at a port that was free a moment ago.
fn nobody(uri: &Uri) -> Uri {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    format!("http://127.0.0.1:{port}{path}").parse().expect("an address")
}

#[async_trait]
impl HttpTransport for Wire {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<BodyStream>, TransportError> {
        self.note(&request);
        if self.is_refused(request.uri().path()) {
            *request.uri_mut() = nobody(request.uri());
        }
        self.real.send(request).await
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}
