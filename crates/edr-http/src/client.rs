//! The client of one tenant: every request passes through [`HttpClient::open`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use edr_core::clock::{Clock, SystemClock};
use edr_core::{Error, ErrorKind, Result, RetryStatus, TenantId, Vendor};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, debug, debug_span, trace};
use url::Url;

use crate::gunzip::gunzipped;
use crate::transport::{BodyStream, TransportError, TransportErrorKind};
use crate::{
    Authenticator, CutError, Cutter, HttpTransport, Operation, Pacer, RedactedHeaders, RequestPlan,
    RetryBudget, RetryPolicy, is_loopback, safe_url,
};

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

struct Reply {
    generation: u64,
    status: StatusCode,
    headers: HeaderMap,
    body: BodyStream,
}

/// The client of one tenant. Clones share connections, pace, credentials and retry budget.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

struct Shared {
    transport: Arc<dyn HttpTransport>,
    authenticator: Arc<dyn Authenticator>,
    dialect: Arc<dyn Dialect>,
    pacer: Arc<Pacer>,
    policy: RetryPolicy,
    budget: RetryBudget,
    clock: Arc<dyn Clock>,
    jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    base: Arc<RwLock<Url>>,
    relocations: Arc<Mutex<u32>>,
    notices: Arc<Mutex<Vec<String>>>,
    tenant: TenantId,
    vendor: Vendor,
    user_agent: HeaderValue,
    rate_share: f64,
    max_body: usize,
}

/// Builds an [`HttpClient`].
pub struct HttpClientBuilder(Shared);

impl fmt::Debug for HttpClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClientBuilder").field("tenant", &self.0.tenant).finish_non_exhaustive()
    }
}

impl HttpClientBuilder {
    /// Who may send.
    #[must_use]
    pub fn authenticator(mut self, authenticator: Arc<dyn Authenticator>) -> Self {
        self.0.authenticator = authenticator;
        self
    }

    /// The pace, which may be shared with other clients of the same tenant.
    #[must_use]
    pub fn pacer(mut self, pacer: Arc<Pacer>) -> Self {
        self.0.pacer = pacer;
        self
    }

    /// When to try again.
    #[must_use]
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.0.policy = policy;
        self
    }

    /// The clock for the vendor's absolute times.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.0.clock = clock;
        self
    }

    /// The source of jitter, in 0..1.
    #[must_use]
    pub fn jitter(mut self, jitter: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.0.jitter = Arc::new(jitter);
        self
    }

    /// The part of the vendor's budget that we may use, 0 to 1.
    #[must_use]
    pub fn rate_share(mut self, share: f64) -> Self {
        self.0.rate_share = share.clamp(0.01, 1.0);
        self
    }

    /// The largest body that is read whole, in bytes. Listings are not read whole.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.0.max_body = bytes;
        self
    }

    /// Shares base URL and notices with another client of the same tenant, so that both move together.
    #[must_use]
    pub fn beside(mut self, other: &HttpClient) -> Self {
        self.0.base = other.0.base.clone();
        self.0.relocations = other.0.relocations.clone();
        self.0.notices = other.0.notices.clone();
        self
    }

    /// The client.
    #[must_use]
    pub fn build(self) -> HttpClient {
        HttpClient(Arc::new(self.0))
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("tenant", &self.0.tenant)
            .field("vendor", &self.0.vendor)
            .field("base", &self.base().as_str())
            .finish_non_exhaustive()
    }
}

/// What the retry loop remembers between attempts.
struct Attempts {
    made: u32,
    deadline: Instant,
    reauthenticated: bool,
    relocated: bool,
}

enum Next {
    Again,
    Fail(Error),
}

impl HttpClient {
    /// A client of `tenant` at `base`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when the base is not https, unless it is this machine.
    pub fn builder(
        tenant: TenantId,
        vendor: Vendor,
        base: Url,
        transport: Arc<dyn HttpTransport>,
        dialect: Arc<dyn Dialect>,
    ) -> Result<HttpClientBuilder> {
        check_base(&base).map_err(|e| e.with_tenant(&tenant, &vendor))?;
        Ok(HttpClientBuilder(Shared {
            transport,
            authenticator: Arc::new(crate::NoAuth),
            dialect,
            pacer: Arc::new(Pacer::new(None)),
            policy: RetryPolicy::default(),
            budget: RetryBudget::new(),
            clock: SystemClock::shared(),
            jitter: Arc::new(rand::random::<f64>),
            base: Arc::new(RwLock::new(base)),
            relocations: Arc::default(),
            notices: Arc::default(),
            tenant,
            vendor,
            user_agent: HeaderValue::from_static(concat!("edr/", env!("CARGO_PKG_VERSION"))),
            rate_share: 1.0,
            max_body: 64 << 20,
        }))
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    /// The vendor.
    #[must_use]
    pub fn vendor(&self) -> &Vendor {
        &self.0.vendor
    }

    /// The present base URL; a region answer may have moved it.
    #[must_use]
    pub fn base(&self) -> Url {
        self.0.base.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Leaves a notice for the user, such as a region that was found or a clock that is off.
    pub fn notice(&self, notice: impl Into<String>) {
        self.0.notices.lock().unwrap_or_else(PoisonError::into_inner).push(notice.into());
    }

    /// Takes the notices left since the last call.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends a request and reads the whole answer; an error inside a success is an error. A body
    /// that breaks off is asked for again, if the operation may be.
    ///
    /// # Errors
    /// As the dialect judges, after all retries.
    pub async fn fetch(&self, plan: &RequestPlan) -> Result<FullReply> {
        let mut attempts = self.attempts();
        loop {
            let reply = self.open(plan, &mut attempts).await?;
            let (generation, status, headers) = (reply.generation, reply.status, reply.headers);
            let verdict = match self.read(plan, reply.body, &attempts).await {
                Ok(body) => {
                    let seen = self.failure(plan, status, &headers, &body);
                    match self.0.dialect.judge_success(&seen) {
                        None => return Ok(FullReply { status, headers, body }),
                        Some(verdict) => self.settle(verdict, generation, &seen, &attempts).await,
                    }
                }
                Err(verdict) => verdict,
            };
            if let Next::Fail(error) = self.next(plan, &mut attempts, verdict).await {
                return Err(self.dress(plan, &attempts, error));
            }
        }
    }

    /// Reads a listing, item by item, while it arrives.
    #[must_use]
    pub fn items(&self, plan: RequestPlan, paths: &'static [&'static [&'static str]]) -> ItemReader {
        ItemReader {
            attempts: self.attempts(),
            client: self.clone(),
            plan,
            paths,
            reply: None,
            restarted: false,
            emitted: false,
            waited: Duration::ZERO,
            begun: false,
            done: false,
        }
    }

    fn attempts(&self) -> Attempts {
        Attempts {
            made: 0,
            deadline: Instant::now() + self.0.policy.deadline,
            reauthenticated: false,
            relocated: false,
        }
    }

    /// Sends until there is a head with a status of 2xx, in the order that the crate's page states.
    async fn open(&self, plan: &RequestPlan, attempts: &mut Attempts) -> Result<Reply> {
        let span = debug_span!(
            "edr.request",
            tenant = %self.0.tenant, vendor = %self.0.vendor, operation = plan.operation.name
        );
        async {
            loop {
                let verdict = match self.attempt(plan, attempts).await {
                    Ok(reply) => return Ok(reply),
                    Err(verdict) => verdict,
                };
                if let Next::Fail(error) = self.next(plan, attempts, verdict).await {
                    return Err(self.dress(plan, attempts, error));
                }
            }
        }
        .instrument(span)
        .await
    }

    async fn attempt(&self, plan: &RequestPlan, attempts: &mut Attempts) -> Result<Reply, Verdict> {
        // Credentials that take long to get are got before the turn, so that turns are used at once.
        self.within(attempts, "while waiting for credentials", self.0.authenticator.prepare(plan)).await??;
        self.within(attempts, "while waiting for the rate budget", self.0.pacer.turn()).await?;
        let mut request = plan.build(&self.base(), &self.0.user_agent).map_err(Verdict::Fail)?;
        check_destination(&request).map_err(Verdict::Fail)?;
        let authorised = self.0.authenticator.authorize(plan, request.headers_mut());
        let generation = self.within(attempts, "while waiting for credentials", authorised).await??;
        attempts.made += 1;
        let (method, url) = (request.method().clone(), safe_url(&request.uri().to_string()));
        trace!(target: "edr_http::wire", %method, url, attempt = attempts.made, headers = ?RedactedHeaders(request.headers()), "request");
        let limit = self.0.policy.attempt_timeout.min(attempts.remaining());
        let sent = match timeout(limit, self.0.transport.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.lost(plan, error)),
            Err(_) => return Err(self.lost(plan, TransportError::new(TransportErrorKind::Timeout))),
        };
        let (head, body) = sent.into_parts();
        debug!(target: "edr_http::wire", %method, url, attempt = attempts.made, status = head.status.as_u16(), headers = ?RedactedHeaders(&head.headers), "response");
        self.observe(&head.headers);
        if head.status.is_success() {
            self.0.budget.deposit();
            return Ok(Reply {
                generation,
                status: head.status,
                headers: head.headers,
                body: gunzipped(body),
            });
        }
        Err(self.refused(plan, generation, &head, body, attempts).await)
    }

    /// Does something within the time that the operation has left.
    async fn within<T>(
        &self,
        attempts: &Attempts,
        when: &'static str,
        work: impl Future<Output = T>,
    ) -> Result<T, Verdict> {
        timeout(attempts.remaining(), work).await.map_err(|_| Verdict::Fail(self.out_of_time(when)))
    }

    /// Judges an answer that is no success; a 401 is settled with the authenticator here, because only
    /// this attempt knows which generation was refused.
    async fn refused(
        &self,
        plan: &RequestPlan,
        generation: u64,
        head: &http::response::Parts,
        body: BodyStream,
        attempts: &mut Attempts,
    ) -> Verdict {
        const ENOUGH: usize = 256 << 10;
        let body = self.read_up_to(gunzipped(body), ENOUGH, attempts).await;
        let failure = self.failure(plan, head.status, &head.headers, &body);
        let verdict = self.0.dialect.judge(&failure);
        self.settle(verdict, generation, &failure, attempts).await
    }

    /// Asks the authenticator whether a refusal is worth another attempt.
    async fn settle(
        &self,
        verdict: Verdict,
        generation: u64,
        failure: &Failure<'_>,
        attempts: &Attempts,
    ) -> Verdict {
        match verdict {
            Verdict::Reauthenticate(error) => {
                let again =
                    !attempts.reauthenticated && self.0.authenticator.rejected(generation, failure).await;
                if again { Verdict::Reauthenticate(error) } else { Verdict::Fail(error) }
            }
            verdict => verdict,
        }
    }

    /// Decides what follows a verdict, and waits if that is what follows.
    async fn next(&self, plan: &RequestPlan, attempts: &mut Attempts, verdict: Verdict) -> Next {
        match verdict {
            Verdict::Fail(error) => Next::Fail(error),
            Verdict::Reauthenticate(error) => {
                if std::mem::replace(&mut attempts.reauthenticated, true) {
                    return Next::Fail(error);
                }
                Next::Again
            }
            Verdict::Relocate(base, error) => self.relocate(attempts, base, error),
            Verdict::Retry { error, delay, unprocessed } => {
                self.wait(plan, attempts, error, delay, unprocessed).await
            }
        }
    }

    async fn wait(
        &self,
        plan: &RequestPlan,
        attempts: &mut Attempts,
        error: Error,
        delay: Option<Duration>,
        unprocessed: bool,
    ) -> Next {
        let policy = &self.0.policy;
        let backoff = policy.backoff(attempts.made.max(1), (self.0.jitter)());
        // A server's own time is kept with some jitter on top, so that clients do not return as one.
        let pause = delay.map_or(backoff, |d| d + backoff.min(Duration::from_secs(2)));
        let throttled = delay.is_some() || error.is_rate_limited();
        if throttled {
            // Everyone who shares the pace waits, whether this call goes on or not.
            self.0.pacer.cool_down(pause.min(policy.max_server_delay));
        }
        if !unprocessed && !plan.operation.idempotent {
            let hint = "look whether it was done before you repeat it: the answer does not say";
            return Next::Fail(error.with_hint(hint));
        }
        let persistent = error.with_retry(RetryStatus::Persistent);
        if delay.is_some_and(|d| d > policy.max_server_delay) || pause > attempts.remaining() {
            return Next::Fail(persistent.with_retry_after(pause));
        }
        if attempts.made >= policy.max_attempts || !self.0.budget.withdraw() {
            return Next::Fail(persistent);
        }
        debug!(attempt = attempts.made, wait_ms = pause.as_millis() as u64, reason = %persistent.kind().as_str(), "trying again");
        if !throttled {
            tokio::time::sleep(pause).await;
        }
        Next::Again
    }

    /// A tenant moves once, and a request follows it once: two regions that point at each other, or
    /// one that points at itself, end in the error.
    fn relocate(&self, attempts: &mut Attempts, base: Url, error: Error) -> Next {
        let mut moves = self.0.relocations.lock().unwrap_or_else(PoisonError::into_inner);
        let again = std::mem::replace(&mut attempts.relocated, true);
        if again || (*moves > 0 && self.base() != base) || check_base(&base).is_err() {
            return Next::Fail(error);
        }
        if self.base() != base {
            *moves += 1;
            self.notice(format!("the tenant's region is at {}", base.host_str().unwrap_or_default()));
            *self.0.base.write().unwrap_or_else(PoisonError::into_inner) = base;
        }
        Next::Again
    }

    /// A failure below HTTP. Before sending, anything may be tried again.
    fn lost(&self, plan: &RequestPlan, error: TransportError) -> Verdict {
        let unprocessed = error.is_before_sending();
        let (kind, hint) = match error.kind {
            TransportErrorKind::Tls => {
                (ErrorKind::Tls, "check the proxy and the certificate authorities that this machine trusts")
            }
            TransportErrorKind::Timeout => {
                (ErrorKind::Timeout, "check the network to the vendor, or raise the timeout")
            }
            _ => (ErrorKind::Network, "check the address, name resolution, proxy and firewall"),
        };
        let hint = error.hint().unwrap_or(hint);
        let host = self.base().host_str().unwrap_or_default().to_owned();
        let wrapped = Error::new(kind, format!("{host}: {error}")).with_hint(hint).with_source(error);
        let wrapped = wrapped.with_operation(plan.operation.name);
        if kind == ErrorKind::Tls {
            return Verdict::Fail(wrapped);
        }
        Verdict::Retry { error: wrapped, delay: None, unprocessed }
    }

    async fn read(
        &self,
        plan: &RequestPlan,
        mut body: BodyStream,
        attempts: &Attempts,
    ) -> Result<Bytes, Verdict> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.piece(&mut body, attempts.remaining()).await {
            whole.extend_from_slice(&piece.map_err(|e| retry(broken(plan, e)))?);
            if whole.len() > self.0.max_body {
                let message = format!("the answer is larger than {} bytes", self.0.max_body);
                return Err(Verdict::Fail(Error::new(ErrorKind::Decode, message)));
            }
        }
        Ok(whole.freeze())
    }

    /// The next piece of a body, or a timeout when nothing comes.
    async fn piece(&self, body: &mut BodyStream, limit: Duration) -> Option<Result<Bytes, TransportError>> {
        match timeout(self.0.policy.read_timeout.min(limit), body.next()).await {
            Ok(piece) => piece,
            Err(_) => Some(Err(TransportError::new(TransportErrorKind::Timeout))),
        }
    }

    /// As much of an error's body as arrives; an error about an error would hide the first.
    async fn read_up_to(&self, mut body: BodyStream, limit: usize, attempts: &Attempts) -> Bytes {
        let mut whole = BytesMut::new();
        while let Some(Ok(piece)) = self.piece(&mut body, attempts.remaining()).await {
            whole.extend_from_slice(&piece[..piece.len().min(limit - whole.len())]);
            if whole.len() >= limit {
                break;
            }
        }
        whole.freeze()
    }

    fn observe(&self, headers: &HeaderMap) {
        if let Some((remaining, limit)) = self.0.dialect.budget(headers) {
            let others = f64::from(limit) * (1.0 - self.0.rate_share);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
            self.0.pacer.observe(remaining, others as u32);
        }
    }

    fn failure<'a>(
        &self,
        plan: &RequestPlan,
        status: StatusCode,
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> Failure<'a> {
        Failure {
            operation: plan.operation,
            status,
            headers,
            body,
            has_items: false,
            now: self.0.clock.now(),
        }
    }

    fn out_of_time(&self, when: &'static str) -> Error {
        let limit = self.0.policy.deadline.as_secs();
        Error::new(ErrorKind::Timeout, format!("the {limit} s for one operation ran out {when}"))
            .with_retry(RetryStatus::Persistent)
    }

    fn dress(&self, plan: &RequestPlan, attempts: &Attempts, error: Error) -> Error {
        // An error of the credentials' own request brings its own count.
        let made = attempts.made.max(error.attempts());
        error
            .with_operation(plan.operation.name)
            .with_tenant(&self.0.tenant, &self.0.vendor)
            .with_attempts(made)
    }
}

impl From<Error> for Verdict {
    fn from(error: Error) -> Self {
        Self::Fail(error)
    }
}

impl Attempts {
    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Whatever made the URL: credentials leave over https, or to this machine.
fn check_destination(request: &http::Request<Bytes>) -> Result<()> {
    let url = Url::parse(&request.uri().to_string()).map_err(|e| {
        Error::new(ErrorKind::InvalidRequest, "the request has no absolute address").with_source(e)
    })?;
    check_base(&url)
}

/// Whether credentials may be sent to this address: https, or this machine's own.
///
/// # Errors
/// [`ErrorKind::Configuration`] when they may not, and for an address with credentials in it.
pub fn check_base(base: &Url) -> Result<()> {
    let fits = base.scheme() == "https" || (base.scheme() == "http" && is_loopback(base));
    if fits && base.username().is_empty() && base.password().is_none() {
        return Ok(());
    }
    let address = safe_url(base.as_str());
    if fits {
        let message = format!("{address} is written with a user name or password");
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_hint("leave them out: an address is logged, and credentials have keys of their own"));
    }
    let message = format!("{address} is not an https address");
    Err(Error::new(ErrorKind::Configuration, message)
        .with_hint("credentials are sent over https only; plain http is for this machine's own addresses"))
}

fn broken(plan: &RequestPlan, error: TransportError) -> Error {
    let kind =
        if error.kind == TransportErrorKind::Timeout { ErrorKind::Timeout } else { ErrorKind::Network };
    Error::new(kind, error.to_string())
        .with_operation(plan.operation.name)
        .with_retry(RetryStatus::Temporary)
        .with_source(error)
}

/// What an [`ItemReader`] gives out.
#[derive(Debug)]
pub enum ItemEvent {
    /// The body is whole. The skeleton is the envelope with the array empty.
    End {
        /// The envelope.
        skeleton: Bytes,
        /// The headers of the answer.
        headers: HeaderMap,
    },
    /// Items as raw JSON.
    Items(Vec<Bytes>),
    /// The body broke off and is asked for again: the items of this page will come once more.
    Restarted,
}

/// Reads one listing, item by item.
pub struct ItemReader {
    client: HttpClient,
    plan: RequestPlan,
    paths: &'static [&'static [&'static str]],
    attempts: Attempts,
    reply: Option<Cut>,
    /// Items were given out of a body that is gone: say so before the next ones.
    restarted: bool,
    emitted: bool,
    /// How long the body has been waited for; the time that the caller takes does not count.
    waited: Duration,
    begun: bool,
    done: bool,
}

struct Cut {
    generation: u64,
    headers: HeaderMap,
    status: StatusCode,
    body: BodyStream,
    cutter: Cutter,
}

impl fmt::Debug for ItemReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemReader").field("operation", &self.plan.operation.name).finish_non_exhaustive()
    }
}

impl ItemReader {
    /// The next event; `None` after the end or an error.
    pub async fn next(&mut self) -> Option<Result<ItemEvent>> {
        if self.done {
            return None;
        }
        let event = self.step().await;
        self.done = matches!(event, Err(_) | Ok(ItemEvent::End { .. }));
        Some(event)
    }

    /// One event. Nothing is taken out of `self` across a wait, so a call that is dropped loses nothing.
    async fn step(&mut self) -> Result<ItemEvent> {
        loop {
            if std::mem::take(&mut self.restarted) {
                return Ok(ItemEvent::Restarted);
            }
            if self.reply.is_none() {
                self.reply = Some(self.begin().await?);
                self.waited = Duration::ZERO;
            }
            let verdict = match self.advance().await {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => continue,
                Err(verdict) => verdict,
            };
            self.reply = None;
            self.restarted = std::mem::take(&mut self.emitted);
            // The body had its own time; a new attempt has that of a new operation.
            self.attempts.deadline = Instant::now() + self.client.0.policy.deadline;
            if let Next::Fail(error) = self.client.next(&self.plan, &mut self.attempts, verdict).await {
                return Err(self.client.dress(&self.plan, &self.attempts, error));
            }
        }
    }

    async fn begin(&mut self) -> Result<Cut> {
        if !std::mem::replace(&mut self.begun, true) {
            self.attempts.deadline = Instant::now() + self.client.0.policy.deadline;
        }
        let reply = self.client.open(&self.plan, &mut self.attempts).await?;
        let (generation, status, headers) = (reply.generation, reply.status, reply.headers);
        Ok(Cut { generation, status, headers, body: reply.body, cutter: Cutter::new(self.paths) })
    }

    /// Reads one piece of the body.
    async fn advance(&mut self) -> Result<Option<ItemEvent>, Verdict> {
        let Some(cut) = self.reply.as_mut() else { return Ok(None) };
        let left = self.client.0.policy.deadline.saturating_sub(self.waited);
        let asked = Instant::now();
        let piece = self.client.piece(&mut cut.body, left).await;
        self.waited += asked.elapsed();
        match piece {
            Some(Ok(piece)) => {
                let items = cut.cutter.feed(&piece).map_err(|e| uncut(&e))?;
                self.emitted |= !items.is_empty();
                Ok((!items.is_empty()).then_some(ItemEvent::Items(items)))
            }
            Some(Err(error)) => Err(retry(broken(&self.plan, error))),
            None => self.end().await,
        }
    }

    async fn end(&mut self) -> Result<Option<ItemEvent>, Verdict> {
        let Some(cut) = self.reply.take() else { return Ok(None) };
        let skeleton = cut.cutter.finish().map_err(|e| uncut(&e))?;
        let seen = self.client.failure(&self.plan, cut.status, &cut.headers, &skeleton);
        let seen = Failure { has_items: self.emitted, ..seen };
        match self.client.0.dialect.judge_success(&seen) {
            None => Ok(Some(ItemEvent::End { skeleton, headers: cut.headers })),
            Some(verdict) => Err(self.client.settle(verdict, cut.generation, &seen, &self.attempts).await),
        }
    }
}

/// A body that ended early may come whole next time; one that is too large will not be smaller.
fn uncut(error: &CutError) -> Verdict {
    let hint = "if it stays, a proxy or gateway may be answering in the vendor's place";
    let wrapped = Error::new(ErrorKind::Decode, error.to_string()).with_hint(hint);
    if matches!(error, CutError::TooLarge(..)) { Verdict::Fail(wrapped) } else { retry(wrapped) }
}

fn retry(error: Error) -> Verdict {
    Verdict::Retry { error, delay: None, unprocessed: false }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
