//! Sending bytes: the real client, and a double in memory for tests with a paused clock.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use edr_core::{Error, ErrorKind};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use url::Url;

use crate::{Resolution, is_loopback};

/// A body as it arrives.
pub type BodyStream = BoxStream<'static, Result<Bytes, TransportError>>;

/// At which point a request failed; that alone says whether it may have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The body broke off, or its encoding is broken.
    Body,
    /// No connection was made: the request has not been sent.
    Connect,
    /// The connection was lost after the request may have been sent.
    Interrupted,
    /// No answer in time.
    Timeout,
    /// The TLS handshake failed: the request has not been sent.
    Tls,
}

/// A failure below HTTP.
#[derive(Debug)]
pub struct TransportError {
    /// At which point.
    pub kind: TransportErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl TransportError {
    /// A failure of this kind.
    #[must_use]
    pub fn new(kind: TransportErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// True when the request has certainly not reached the vendor.
    #[must_use]
    pub fn is_before_sending(&self) -> bool {
        matches!(self.kind, TransportErrorKind::Connect | TransportErrorKind::Tls)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::Body => "the answer broke off",
            TransportErrorKind::Connect => "no connection",
            TransportErrorKind::Interrupted => "the connection was lost before the answer",
            TransportErrorKind::Timeout => "no answer in time",
            TransportErrorKind::Tls => "the TLS handshake failed",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

/// Sends one request. Implementations follow no redirects and retry nothing.
#[async_trait]
pub trait HttpTransport: fmt::Debug + Send + Sync + 'static {
    /// Sends the request and waits for the head of the answer.
    async fn send(&self, request: http::Request<Bytes>)
    -> Result<http::Response<BodyStream>, TransportError>;

    /// Looks the host of a URL up, or says who does. Only a diagnosis asks.
    async fn resolve(&self, url: &Url) -> Resolution {
        let _ = url;
        Resolution::Untold
    }
}

/// Settings of the real client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransportOptions {
    /// Time for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Certificate authorities to trust besides the system's, each a PEM bundle.
    pub extra_ca_pem: Vec<Vec<u8>>,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(10), extra_ca_pem: Vec::new() }
    }
}

/// The real client: rustls, no redirects, no referer, gzip, proxies from the environment except for
/// addresses of this machine. Clones share its connections.
#[derive(Clone, Debug)]
pub struct ReqwestTransport {
    options: TransportOptions,
    certificates: Vec<reqwest::Certificate>,
    /// Set up when they are first needed: most programs need one of the two.
    local: Arc<OnceLock<reqwest::Client>>,
    remote: Arc<OnceLock<reqwest::Client>>,
}

impl ReqwestTransport {
    /// A client with these settings.
    ///
    /// # Errors
    /// When a certificate cannot be read.
    pub fn new(options: &TransportOptions) -> Result<Self, Error> {
        let mut certificates = Vec::new();
        for pem in &options.extra_ca_pem {
            let bundle = reqwest::Certificate::from_pem_bundle(pem).map_err(|e| {
                Error::new(ErrorKind::Configuration, "a CA file cannot be read as PEM").with_source(e)
            })?;
            if bundle.is_empty() {
                return Err(Error::new(ErrorKind::Configuration, "a CA file holds no PEM certificate"));
            }
            certificates.extend(bundle);
        }
        Ok(Self { options: options.clone(), certificates, local: Arc::default(), remote: Arc::default() })
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client, TransportError> {
        let loopback = is_loopback(url);
        let slot = if loopback { &self.local } else { &self.remote };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = self
            .set_up(loopback)
            .map_err(|e| TransportError { kind: TransportErrorKind::Tls, source: Some(e.into()) })?;
        Ok(slot.get_or_init(|| client))
    }

    fn set_up(&self, loopback: bool) -> reqwest::Result<reqwest::Client> {
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(self.options.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .retry(reqwest::retry::never())
            .tls_certs_merge(self.certificates.clone());
        if loopback { builder.no_proxy().build() } else { builder.build() }
    }
}

#[async_trait]
impl HttpTransport for ReqwestTransport {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<BodyStream>, TransportError> {
        let request = reqwest::Request::try_from(request).map_err(sorted)?;
        let response = self.client(request.url())?.execute(request).await.map_err(sorted)?;
        let mut head = http::Response::new(());
        *head.status_mut() = response.status();
        *head.headers_mut() = response.headers().clone();
        let body: BodyStream = response
            .bytes_stream()
            .map_err(|e| TransportError {
                kind: TransportErrorKind::Body,
                source: Some(e.without_url().into()),
            })
            .boxed();
        Ok(head.map(|()| body))
    }

    async fn resolve(&self, url: &Url) -> Resolution {
        crate::reach::resolve(url).await
    }
}

/// Sorts the client's error by the point at which it happened. The URL is dropped: it may hold
/// what should not be logged.
fn sorted(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    let kind = if speaks_of_tls(&error) {
        TransportErrorKind::Tls
    } else if error.is_connect() {
        TransportErrorKind::Connect
    } else if error.is_timeout() {
        TransportErrorKind::Timeout
    } else {
        TransportErrorKind::Interrupted
    };
    TransportError { kind, source: Some(error.into()) }
}

fn speaks_of_tls(error: &dyn StdError) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if ["certificate", "handshake", "InvalidContentType", "corrupt message"]
            .iter()
            .any(|w| text.contains(w))
        {
            return true;
        }
        next = error.source();
    }
    false
}

type Answer = BoxFuture<'static, Result<http::Response<BodyStream>, TransportError>>;

/// A transport in memory, for tests with a paused clock: a real socket would let every timeout fire
/// at once.
///
/// ```
/// use edr_http::{HttpTransport, MemoryTransport};
/// let transport = MemoryTransport::new(|_request| async { MemoryTransport::json(200, "{}") });
/// # futures_util::future::FutureExt::now_or_never(async {
/// let request = http::Request::new(bytes::Bytes::new());
/// assert_eq!(transport.send(request).await.unwrap().status(), 200);
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct MemoryTransport(Arc<dyn Fn(http::Request<Bytes>) -> Answer + Send + Sync>);

impl MemoryTransport {
    /// A transport that answers with the handler.
    pub fn new<F, Fut>(handler: F) -> Self
    where
        F: Fn(http::Request<Bytes>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<http::Response<BodyStream>, TransportError>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(handler(request))))
    }

    /// An answer with a JSON body in one piece.
    ///
    /// # Errors
    /// Never; the type is that of an answer.
    pub fn json(status: u16, body: &str) -> Result<http::Response<BodyStream>, TransportError> {
        Self::pieces(status, vec![Ok(Bytes::copy_from_slice(body.as_bytes()))])
    }

    /// An answer whose body arrives in pieces, the last of which may be an error.
    ///
    /// # Errors
    /// Never; the type is that of an answer.
    pub fn pieces(
        status: u16,
        pieces: Vec<Result<Bytes, TransportError>>,
    ) -> Result<http::Response<BodyStream>, TransportError> {
        let mut response = http::Response::new(stream::iter(pieces).boxed());
        *response.status_mut() =
            http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        Ok(response)
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryTransport")
    }
}

#[async_trait]
impl HttpTransport for MemoryTransport {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<BodyStream>, TransportError> {
        (self.0)(request).await
    }
}
