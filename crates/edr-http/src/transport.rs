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
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use url::Url;

use crate::options::{ProxyChoice, TransportOptions};
use crate::{Resolution, is_loopback};

/// How much of one answer the service may send before it is read. The next pages are asked for ahead and may lie unread
/// for long: what they hold back is bounded by this and not by their size.
const STREAM_WINDOW: u32 = 256 << 10;
/// How much of all answers on one connection the service may send before it is read. All tenants of one region share a
/// connection: were it less than all of them may leave unread, the pages that nobody reads yet would take all of it, and
/// the page that is waited for would get nothing until it times out. A thousand full streams are more than services allow
/// on one connection. It is a bound and no buffer, so it costs nothing.
const CONNECTION_WINDOW: u32 = 1024 * STREAM_WINDOW;

/// A body as it arrives.
pub type BodyStream = BoxStream<'static, Result<Bytes, TransportError>>;

/// A body as it is sent, piece by piece; its length stands in the request's `Content-Length`.
pub type SendStream = BoxStream<'static, std::io::Result<Bytes>>;

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
    cause: Option<Cause>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl TransportError {
    /// A failure of this kind.
    #[must_use]
    pub fn new(kind: TransportErrorKind) -> Self {
        Self { kind, cause: None, source: None }
    }

    fn caused(kind: TransportErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        Self { kind, cause: Cause::of(source.as_ref()), source: Some(source) }
    }

    /// What to do about it, where the cause is known well enough.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        self.cause.map(Cause::hint)
    }

    /// True when asking again would be refused again, and might lock an account.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.cause, Some(Cause::IdentityWanted | Cause::ProxyCredentials))
            || self.kind == TransportErrorKind::Tls
    }

    /// True when the request has certainly not reached the vendor.
    #[must_use]
    pub fn is_before_sending(&self) -> bool {
        matches!(self.kind, TransportErrorKind::Connect | TransportErrorKind::Tls)
    }
}

/// Causes that have a cure of their own. The libraries below tell them in words alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Expired,
    IdentityWanted,
    ProxyCredentials,
    ProxyRefused,
    UnknownIssuer,
    WrongName,
}

impl Cause {
    fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        let causes: [(Self, &[&str]); 6] = [
            (Self::ProxyCredentials, &["proxy authorization required"]),
            (Self::ProxyRefused, &["tunnel error"]),
            (Self::IdentityWanted, &["certificaterequired", "certificate required"]),
            (Self::UnknownIssuer, &["unknownissuer", "unknown issuer"]),
            (Self::Expired, &["certificate expired", "invalid peer certificate: expired"]),
            (Self::WrongName, &["notvalidforname", "not valid for name"]),
        ];
        causes.into_iter().find(|(_, words)| says(error, words)).map(|(cause, _)| cause)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Expired => "the server's certificate has expired",
            Self::IdentityWanted => "the server asks for a client certificate",
            Self::ProxyCredentials => "the proxy asks for credentials",
            Self::ProxyRefused => "the proxy does not let us through",
            Self::UnknownIssuer => "the server's certificate is of an authority that is not trusted here",
            Self::WrongName => "the server's certificate is for another name",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Expired => "look at this machine's clock, and at the proxy or gateway that answers",
            Self::IdentityWanted => "name client_certificate and client_key under [network]",
            Self::ProxyCredentials => {
                "give the proxy's user and password with proxy and proxy_password under [network]"
            }
            Self::ProxyRefused => {
                "ask who runs the proxy to allow this host, or name another under [network]"
            }
            Self::UnknownIssuer => {
                "if a proxy or gateway of yours inspects TLS, name its CA as ca_file under [network], or in EDR_CA_FILE"
            }
            Self::WrongName => "check the address, and the proxy or gateway that answers",
        }
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
        })?;
        self.cause.map_or(Ok(()), |cause| write!(f, ": {}", cause.words()))
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

    /// Sends a request whose body is made while it is sent. As it stands here the body is gathered first, which is
    /// what a transport for tests wants and one for large bodies must not do.
    async fn send_stream(
        &self,
        request: http::Request<SendStream>,
    ) -> Result<http::Response<BodyStream>, TransportError> {
        let (head, body) = request.into_parts();
        let unread = |e| TransportError::caused(TransportErrorKind::Interrupted, e);
        let body: Vec<Bytes> = body.try_collect().await.map_err(unread)?;
        self.send(http::Request::from_parts(head, body.concat().into())).await
    }

    /// Looks the host of a URL up, or says who does. Only a diagnosis asks.
    async fn resolve(&self, url: &Url) -> Resolution {
        let _ = url;
        Resolution::Untold
    }
}

/// The real client: rustls, no redirects, no referer, gzip, a proxy as the options say except for
/// addresses of this machine. Clones share its connections.
#[derive(Clone, Debug)]
pub struct ReqwestTransport {
    options: TransportOptions,
    certificates: Vec<reqwest::Certificate>,
    /// Set up when they are first needed: most programs need one of the two.
    local: Arc<Slots>,
    remote: Arc<Slots>,
}

/// Clients for one sort of addresses.
#[derive(Debug, Default)]
struct Slots {
    /// Undoes gzip, and says nothing of it.
    unpacking: OnceLock<reqwest::Client>,
    /// Leaves every answer as it is: for downloads, whose bytes have places and hashes.
    plain: OnceLock<reqwest::Client>,
}

impl Slots {
    fn of(&self, plain: bool) -> &OnceLock<reqwest::Client> {
        if plain { &self.plain } else { &self.unpacking }
    }
}

/// Whether the answer is wanted as it is.
fn wants_identity<B>(request: &http::Request<B>) -> bool {
    request.headers().get(http::header::ACCEPT_ENCODING).is_some_and(|coding| coding == "identity")
}

impl ReqwestTransport {
    /// A client with these settings.
    ///
    /// # Errors
    /// When a certificate, the identity or the proxy's address cannot be used.
    pub fn new(options: &TransportOptions) -> Result<Self, Error> {
        let mut certificates = Vec::new();
        for pem in &options.extra_ca_pem {
            certificates.extend(bundle(pem)?);
        }
        let transport =
            Self { options: options.clone(), certificates, local: Arc::default(), remote: Arc::default() };
        // What is odd about them shows when they are put to use, and only there.
        if options.identity_pem.is_some() || matches!(options.proxy, ProxyChoice::Url(_)) {
            let client = transport.set_up(false, false)?;
            let _ = transport.remote.of(false).set(client);
        }
        Ok(transport)
    }

    fn client(&self, url: &Url, plain: bool) -> Result<&reqwest::Client, TransportError> {
        let loopback = is_loopback(url);
        let slot = if loopback { self.local.of(plain) } else { self.remote.of(plain) };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client =
            self.set_up(loopback, plain).map_err(|e| TransportError::caused(TransportErrorKind::Tls, e))?;
        Ok(slot.get_or_init(|| client))
    }

    fn set_up(&self, loopback: bool, plain: bool) -> Result<reqwest::Client, Error> {
        let builder = reqwest::Client::builder()
            .gzip(!plain)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(self.options.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .retry(reqwest::retry::never())
            .tls_certs_merge(self.certificates.clone());
        // Downloads have a connection of their own, and are written as fast as they come.
        let builder = if plain { builder } else { windows(builder) };
        let builder = match &self.options.identity_pem {
            Some(pem) => builder.identity(identity(pem)?),
            None => builder,
        };
        let builder = match &self.options.proxy {
            _ if loopback => builder.no_proxy(),
            ProxyChoice::None => builder.no_proxy(),
            ProxyChoice::System => builder,
            ProxyChoice::Url(url) => builder.proxy(proxy(url)?),
        };
        builder.build().map_err(|e| unusable(&e))
    }
}

/// Says how much may be sent before it is read, where the service speaks HTTP/2.
fn windows(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
}

fn bundle(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, Error> {
    let bundle = reqwest::Certificate::from_pem_bundle(pem).map_err(|e| {
        Error::new(ErrorKind::Configuration, "a CA file cannot be read as PEM").with_source(e)
    })?;
    if bundle.is_empty() {
        return Err(Error::new(ErrorKind::Configuration, "a CA file holds no PEM certificate"));
    }
    Ok(bundle)
}

/// No cause is kept: it is of the parser, and what it parses is a private key.
fn identity(pem: &SecretSlice<u8>) -> Result<reqwest::Identity, Error> {
    reqwest::Identity::from_pem(pem.expose_secret()).map_err(|_| {
        let message = "the client identity is not a PEM certificate with its unencrypted private key";
        Error::new(ErrorKind::Configuration, message)
    })
}

/// The cause is not kept either: it may repeat the address, and with it a password.
fn proxy(url: &SecretString) -> Result<reqwest::Proxy, Error> {
    let wrong = || {
        Error::new(ErrorKind::Configuration, "the proxy's address is not a URL that can be used").with_hint(
            "write it as http://host:port, with user and password before the host if it wants them",
        )
    };
    let parsed = Url::parse(url.expose_secret()).map_err(|_| wrong())?;
    let fits = matches!(parsed.scheme(), "http" | "https") && parsed.has_host();
    if fits { reqwest::Proxy::all(parsed).map_err(|_| wrong()) } else { Err(wrong()) }
}

fn unusable(error: &reqwest::Error) -> Error {
    let message = if says(error, &["KeyMismatch", "InconsistentKeys", "keys may not be consistent"]) {
        "the client key does not belong to the client certificate"
    } else {
        "the TLS settings cannot be used"
    };
    Error::new(ErrorKind::Configuration, message)
}

#[async_trait]
impl HttpTransport for ReqwestTransport {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<BodyStream>, TransportError> {
        self.execute(request.map(reqwest::Body::from)).await
    }

    async fn send_stream(
        &self,
        request: http::Request<SendStream>,
    ) -> Result<http::Response<BodyStream>, TransportError> {
        self.execute(request.map(reqwest::Body::wrap_stream)).await
    }

    async fn resolve(&self, url: &Url) -> Resolution {
        crate::reach::resolve(url, &self.options.proxy).await
    }
}

impl ReqwestTransport {
    async fn execute(
        &self,
        request: http::Request<reqwest::Body>,
    ) -> Result<http::Response<BodyStream>, TransportError> {
        let plain = wants_identity(&request);
        let request = reqwest::Request::try_from(request).map_err(sorted)?;
        let response = self.client(request.url(), plain)?.execute(request).await.map_err(sorted)?;
        let mut head = http::Response::new(());
        *head.status_mut() = response.status();
        *head.version_mut() = response.version();
        *head.headers_mut() = response.headers().clone();
        let body: BodyStream = response
            .bytes_stream()
            .map_err(|e| TransportError::caused(TransportErrorKind::Body, e.without_url()))
            .boxed();
        Ok(head.map(|()| body))
    }
}

/// Sorts the client's error by the point at which it happened. The URL is dropped: it may hold
/// what should not be logged.
fn sorted(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    let refused = error.is_connect() || Cause::of(&error) == Some(Cause::IdentityWanted);
    // Later than the handshake, a broken TLS connection is a broken connection: the request may have arrived.
    let kind = if refused && speaks_of_tls(&error) {
        TransportErrorKind::Tls
    } else if error.is_connect() {
        TransportErrorKind::Connect
    } else if error.is_timeout() {
        TransportErrorKind::Timeout
    } else {
        TransportErrorKind::Interrupted
    };
    TransportError::caused(kind, error)
}

fn speaks_of_tls(error: &dyn StdError) -> bool {
    says(error, &["certificate", "handshake", "invalidcontenttype", "corrupt message", "fatal alert"])
}

/// Whether the error or one of its causes says one of these words, in any case.
fn says(error: &dyn StdError, words: &[&str]) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string().to_ascii_lowercase();
        if words.iter().any(|w| text.contains(&w.to_ascii_lowercase())) {
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncRead, AsyncReadExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A frame of HTTP/2: its type, its stream and its payload.
    async fn frame(peer: &mut (impl AsyncRead + Unpin)) -> (u8, u32, Vec<u8>) {
        let mut head = [0; 9];
        peer.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        peer.read_exact(&mut payload).await.unwrap();
        (head[3], u32::from_be_bytes(head[5..].try_into().unwrap()), payload)
    }

    #[tokio::test]
    async fn answers_that_nobody_reads_leave_room_for_one_that_is_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let client = windows(reqwest::Client::builder()).no_proxy().http2_prior_knowledge().build().unwrap();
        let asked = tokio::spawn(client.get(url).send());
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.read_exact(&mut [0; 24]).await.unwrap();
        let (mut stream, mut connection) = (None, None);
        while stream.is_none() || connection.is_none() {
            match frame(&mut peer).await {
                (4, _, settings) => {
                    let window = settings.chunks_exact(6).find(|setting| setting[..2] == [0, 4]);
                    stream = window.map(|w| u32::from_be_bytes(w[2..].try_into().unwrap()));
                }
                (8, 0, more) => connection = Some(65_535 + u32::from_be_bytes(more.try_into().unwrap())),
                _ => {}
            }
        }
        asked.abort();
        assert_eq!((stream, connection), (Some(STREAM_WINDOW), Some(CONNECTION_WINDOW)));
        const { assert!(CONNECTION_WINDOW / STREAM_WINDOW > 500, "more streams than any service allows") };
    }
}
