//! The client of one tenant: every request passes through [`HttpClient::open`].

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use edr_core::clock::{Clock, SystemClock};
use edr_core::{Error, ErrorKind, Noun, Result, RetryStatus, TenantId, Vendor};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span, debug};
use url::Url;

use crate::attempt::{Attempts, Measured, Next, Reading};
use crate::gunzip::gunzipped;
use crate::telemetry::{Cause, Meter};
use crate::transport::{BodyStream, TransportError, TransportErrorKind};
use crate::wire::Exchange;
use crate::{
    Authenticator, CheckedUrl, Dialect, Failure, FullReply, HostRule, HttpTransport, ItemReader, Lane, Pacer,
    Refused, RequestPlan, RetryBudget, RetryPolicy, Target, Verdict, is_loopback, safe_url,
};

/// The head of a success, and the body as it arrives.
pub(crate) struct Reply {
    pub(crate) generation: u64,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: BodyStream,
    pub(crate) measured: Measured,
}

/// The client of one tenant. Clones share connections, pace, credentials and retry budget.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

struct Shared {
    transport: Arc<dyn HttpTransport>,
    authenticator: Arc<dyn Authenticator>,
    dialect: Arc<dyn Dialect>,
    lane: Lane,
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
    keeps_quotas: bool,
    max_body: usize,
    hosts: HostRule,
    /// The service speaks HTTP/2, or has not answered yet.
    multiplexed: AtomicBool,
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

    /// The pace, which may be shared with other clients of the same account: each gets a lane of its own.
    #[must_use]
    pub fn pacer(mut self, pacer: &Arc<Pacer>) -> Self {
        self.0.lane = pacer.lane();
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

    /// Whether the quotas of single operations are kept, as they are by default. A client without a pace, as
    /// for a benchmark, goes without them.
    #[must_use]
    pub fn keeps_quotas(mut self, keeps: bool) -> Self {
        self.0.keeps_quotas = keeps;
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

    /// Which hosts besides the base URL's the requests may go to; none when it is not said.
    #[must_use]
    pub fn hosts(mut self, rule: HostRule) -> Self {
        self.0.hosts = rule;
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
            lane: Arc::new(Pacer::new(None)).lane(),
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
            keeps_quotas: true,
            max_body: 64 << 20,
            hosts: HostRule::own(),
            multiplexed: AtomicBool::new(true),
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

    /// An address out of a reply that may be asked: one of the tenant's hosts, by the rule of its client.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when the link is no address, or points elsewhere.
    pub fn checked(&self, link: &str) -> Result<CheckedUrl> {
        let checked = self.0.hosts.check(&self.base(), link);
        checked.map_err(|e| e.with_tenant(&self.0.tenant, &self.0.vendor))
    }

    /// Whether requests share a connection with others: so it is where HTTP/2 is spoken, and may be before the first answer.
    pub(crate) fn shares_connection(&self) -> bool {
        self.0.multiplexed.load(Ordering::Relaxed)
    }

    /// Where this client's numbers are counted.
    pub(crate) fn meter(&self) -> Meter<'_> {
        Meter { tenant: &self.0.tenant, vendor: &self.0.vendor }
    }

    pub(crate) fn policy(&self) -> &RetryPolicy {
        &self.0.policy
    }

    pub(crate) fn dialect(&self) -> &dyn Dialect {
        self.0.dialect.as_ref()
    }

    /// Counts items that could not be decoded ([`crate::telemetry::REJECTED`]).
    pub fn count_rejected(&self, noun: Noun, count: usize) {
        if count > 0 {
            self.meter().rejected(noun, count);
        }
    }

    /// Counts a mint by how it ended ([`crate::telemetry::MINTS`]).
    pub fn count_mint<T>(&self, minted: &Result<T>) {
        self.meter().mint(minted.as_ref().map_or_else(|e| e.kind().as_str(), |_| "minted"));
    }

    /// Holds the requests of the account because of an error that may pass and that came inside a success:
    /// for as long as the vendor asks, or else for the first backoff. Whoever asks again, waits.
    pub fn hold(&self, error: &Error) {
        if error.retry_status() == RetryStatus::Temporary {
            let policy = &self.0.policy;
            let pause = error.retry_after().unwrap_or_else(|| policy.backoff(1, (self.0.jitter)()));
            self.0.lane.pacer().cool_down(pause.min(policy.max_server_delay));
        }
    }

    /// Begins at this base URL, which another run of the program has found and the caller has checked.
    /// A region answer may still move it. False when it is no address that credentials may go to.
    pub fn begin_at(&self, base: &Url) -> bool {
        let fits = check_base(base).is_ok();
        if fits {
            *self.0.base.write().unwrap_or_else(PoisonError::into_inner) = base.clone();
        }
        fits
    }

    pub(crate) fn transport(&self) -> &dyn HttpTransport {
        self.0.transport.as_ref()
    }

    pub(crate) fn user_agent(&self) -> &HeaderValue {
        &self.0.user_agent
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
        let mut attempts = self.attempts(plan);
        let span = attempts.request.clone();
        self.whole(plan, &mut attempts).instrument(span).await
    }

    async fn whole(&self, plan: &RequestPlan, attempts: &mut Attempts) -> Result<FullReply> {
        loop {
            let mut reply = self.open(plan, attempts).await?;
            let (generation, status) = (reply.generation, reply.status);
            let verdict = match self.read(plan, &mut reply, attempts).await {
                Ok(body) => {
                    let headers = reply.headers;
                    let seen = self.failure(plan, status, &headers, &body);
                    match self.0.dialect.judge_success(&seen) {
                        None => return Ok(FullReply { status, headers, body }),
                        Some(verdict) => self.settle(verdict, generation, &seen, attempts).await,
                    }
                }
                Err(verdict) => {
                    // The vendor had answered, and nobody has read what.
                    attempts.open = true;
                    verdict
                }
            };
            if let Next::Fail(error) = self.next(plan, attempts, verdict).await {
                return Err(self.dress(plan, attempts, error));
            }
        }
    }

    /// Reads a listing, item by item, while it arrives.
    #[must_use]
    pub fn items(&self, plan: RequestPlan, paths: &'static [&'static [&'static str]]) -> ItemReader {
        ItemReader::new(self.clone(), plan, paths)
    }

    pub(crate) fn attempts(&self, plan: &RequestPlan) -> Attempts {
        Attempts::begin(self, plan.operation, self.time_for(plan))
    }

    /// The time for a whole operation.
    pub(crate) fn time_for(&self, plan: &RequestPlan) -> Duration {
        self.0.policy.deadline.saturating_add(plan.patience)
    }

    /// Sends until there is a head with a status of 2xx, in the order that the crate's page states.
    pub(crate) async fn open(&self, plan: &RequestPlan, attempts: &mut Attempts) -> Result<Reply> {
        loop {
            let span = attempts.open_span();
            let verdict = match self.attempt(plan, attempts).instrument(span).await {
                Ok(reply) => return Ok(reply),
                Err(verdict) => verdict,
            };
            if let Next::Fail(error) = self.next(plan, attempts, verdict).await {
                return Err(self.dress(plan, attempts, error));
            }
        }
    }

    async fn attempt(&self, plan: &RequestPlan, attempts: &mut Attempts) -> Result<Reply, Verdict> {
        let (generation, request) = self.prepared(plan, attempts).await?;
        attempts.go_out();
        attempts.refused = None;
        let exchange = Exchange::begin(plan, &request, attempts.made);
        let (head, body) = match self.send_out(plan, request, attempts).await? {
            Ok(response) => response.into_parts(),
            Err(error) => return Err(self.lost(plan, error, exchange.as_ref())),
        };
        self.answered(plan, &head, &attempts.span, exchange.as_ref());
        let measured = Measured::new(self, plan.operation, attempts.span.clone());
        let (status, headers) = (head.status, head.headers);
        let taken = attempts.reading.takes(status);
        let body = if taken && attempts.reading != Reading::Unpacked { body } else { gunzipped(body) };
        let mut reply = Reply { generation, status, headers, body, measured };
        if taken {
            self.0.budget.deposit();
            return Ok(reply);
        }
        Err(self.refused(plan, &mut reply, attempts, exchange.as_ref()).await)
    }

    /// Sends the request. A body that is streamed has the time that it takes, as long as it goes on: the limits begin
    /// anew whenever some of it has left.
    async fn send_out(
        &self,
        plan: &RequestPlan,
        request: http::Request<Bytes>,
        attempts: &mut Attempts,
    ) -> Result<Result<http::Response<BodyStream>, TransportError>, Verdict> {
        let limit = self.0.policy.attempt_timeout.max(plan.patience).min(attempts.remaining());
        let late = || Err(TransportError::new(TransportErrorKind::Timeout));
        let Some(pieces) = plan.body.pieces().await? else {
            return Ok(timeout(limit, self.0.transport.send(request)).await.unwrap_or_else(|_| late()));
        };
        let (begun, gone) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let count = gone.clone();
        let pieces = pieces.inspect_ok(move |piece| {
            count.fetch_add(piece.len() as u64, Ordering::Relaxed);
        });
        let mut sending = self.0.transport.send_stream(request.map(|_| pieces.boxed()));
        let mut before = 0;
        let sent = loop {
            match timeout(limit, &mut sending).await {
                Ok(sent) => break sent,
                Err(_) if gone.load(Ordering::Relaxed) > before => before = gone.load(Ordering::Relaxed),
                Err(_) => break late(),
            }
        };
        attempts.deadline += begun.elapsed();
        Ok(sent)
    }

    /// Waits for everything that a request waits for, and makes it. Credentials that take long to get
    /// are got before the turn, so that turns are used at once.
    async fn prepared(
        &self,
        plan: &RequestPlan,
        attempts: &mut Attempts,
    ) -> Result<(u64, http::Request<Bytes>), Verdict> {
        let begun = Instant::now();
        let own = plan.authorization.as_ref();
        if own.is_none() {
            let prepared = self.0.authenticator.prepare(plan);
            self.within(attempts, "while waiting for credentials", prepared).await??;
        }
        let credentials = begun.elapsed();
        let share = self.0.keeps_quotas.then_some(self.0.rate_share);
        let turn = self.0.lane.turn_for(plan.operation, share);
        let waited = self.within(attempts, "while waiting for the rate budget", turn).await?;
        for (cause, wait) in
            [(Cause::Token, credentials), (Cause::Pace, waited.pace), (Cause::Cooldown, waited.cooldown)]
        {
            self.meter().waited(cause, wait);
        }
        let wait = std::mem::take(&mut attempts.waited) + begun.elapsed();
        attempts.span.record("wait_ms", wait.as_millis() as u64);
        if let Target::Absolute(url) = &plan.target {
            // It may have been checked by another tenant's rule, or before the tenant moved.
            self.0.hosts.admit(&self.base(), url.clone()).map_err(Verdict::Fail)?;
        }
        let mut request = plan.build(&self.base(), &self.0.user_agent).map_err(Verdict::Fail)?;
        check_destination(&request).map_err(Verdict::Fail)?;
        if let Some(own) = own {
            request.headers_mut().insert(header::AUTHORIZATION, own.clone());
            return Ok((0, request));
        }
        let authorised = self.0.authenticator.authorize(plan, request.headers_mut());
        let generation = self.within(attempts, "while waiting for credentials", authorised).await??;
        Ok((generation, request))
    }

    /// Takes note of the head of an answer.
    fn answered(
        &self,
        plan: &RequestPlan,
        head: &http::response::Parts,
        span: &Span,
        exchange: Option<&Exchange>,
    ) {
        if let Some(exchange) = exchange {
            exchange.answered(head.status, &head.headers);
        }
        self.0.multiplexed.store(head.version >= http::Version::HTTP_2, Ordering::Relaxed);
        span.record("status", head.status.as_u16());
        if let Some(id) = self.0.dialect.trace_id(&head.headers) {
            span.record("trace_id", id);
        }
        self.meter().request(plan.operation.name, head.status.as_str());
        self.observe(&head.headers);
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
        reply: &mut Reply,
        attempts: &mut Attempts,
        exchange: Option<&Exchange>,
    ) -> Verdict {
        const ENOUGH: usize = 256 << 10;
        let body = self.read_up_to(reply, ENOUGH, attempts).await;
        if let Some(exchange) = exchange {
            exchange.refused(&body);
        }
        let (status, headers) = (reply.status, reply.headers.clone());
        attempts.refused = Some(Refused { status, headers, body: body.clone() });
        let failure = self.failure(plan, reply.status, &reply.headers, &body);
        let verdict = self.0.dialect.judge(&failure);
        match verdict {
            // The credentials are the plan's own: nobody here has others.
            Verdict::Reauthenticate(error) if plan.authorization.is_some() => Verdict::Fail(error),
            verdict => self.settle(verdict, reply.generation, &failure, attempts).await,
        }
    }

    /// Asks the authenticator whether a refusal is worth another attempt.
    pub(crate) async fn settle(
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
    pub(crate) async fn next(&self, plan: &RequestPlan, attempts: &mut Attempts, verdict: Verdict) -> Next {
        let (reason, next) = match verdict {
            Verdict::Fail(error) => return Next::Fail(error),
            Verdict::Reauthenticate(error) => {
                let kind = error.kind().as_str();
                let again = !std::mem::replace(&mut attempts.reauthenticated, true);
                (kind, if again { Next::Again } else { Next::Fail(error) })
            }
            Verdict::Relocate(base, error) => ("region", self.relocate(attempts, base, error)),
            Verdict::Retry { error, delay, unprocessed } => {
                attempts.open |= !unprocessed;
                (error.kind().as_str(), self.wait(plan, attempts, error, delay, unprocessed).await)
            }
        };
        if matches!(next, Next::Again) {
            self.meter().retry(plan.operation.name, reason);
        }
        next
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
        if error.is_rate_limited() {
            self.meter().throttle(plan.operation.name);
        }
        if throttled {
            // Everyone who shares the pace waits, whether this call goes on or not.
            self.0.lane.pacer().cool_down(pause.min(policy.max_server_delay));
        }
        if !unprocessed && !plan.operation.idempotent {
            let hint = "look whether it was done before you repeat it: the answer does not say";
            return Next::Fail(error.with_hint(hint).with_outcome_unknown());
        }
        let persistent = error.with_retry(RetryStatus::Persistent);
        if delay.is_some_and(|d| d > policy.max_server_delay) || pause > attempts.remaining() {
            return Next::Fail(persistent.with_retry_after(pause));
        }
        if attempts.made >= policy.max_attempts {
            return Next::Fail(persistent);
        }
        if attempts.ahead {
            return Next::Fail(persistent.with_retry(RetryStatus::Temporary));
        }
        if !self.0.budget.withdraw() {
            return Next::Fail(persistent);
        }
        debug!(attempt = attempts.made, wait_ms = pause.as_millis() as u64, reason = %persistent.kind().as_str(), "trying again");
        if !throttled {
            tokio::time::sleep(pause).await;
            attempts.waited += pause;
            self.meter().waited(Cause::Backoff, pause);
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
    fn lost(&self, plan: &RequestPlan, error: TransportError, exchange: Option<&Exchange>) -> Verdict {
        let (unprocessed, is_final) = (error.is_before_sending(), error.is_final());
        let (kind, hint) = match error.kind {
            TransportErrorKind::Tls => {
                (ErrorKind::Tls, "check the proxy and the certificate authorities that this machine trusts")
            }
            TransportErrorKind::Timeout => {
                (ErrorKind::Timeout, "check the network to the vendor, or raise the timeout")
            }
            _ => (ErrorKind::Network, "check the address, name resolution, proxy and firewall"),
        };
        if let Some(exchange) = exchange {
            exchange.lost(kind.as_str());
        }
        self.meter().request(plan.operation.name, kind.as_str());
        let hint = error.hint().unwrap_or(hint);
        let host = self.base().host_str().unwrap_or_default().to_owned();
        let wrapped = Error::new(kind, format!("{host}: {error}")).with_hint(hint).with_source(error);
        let wrapped = wrapped.with_operation(plan.operation.name);
        if is_final {
            return Verdict::Fail(wrapped);
        }
        Verdict::Retry { error: wrapped, delay: None, unprocessed }
    }

    async fn read(
        &self,
        plan: &RequestPlan,
        reply: &mut Reply,
        attempts: &Attempts,
    ) -> Result<Bytes, Verdict> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.piece(&mut reply.body, attempts.remaining()).await {
            let piece = piece.map_err(|e| retry(broken(plan, e)))?;
            reply.measured.add(&piece);
            whole.extend_from_slice(&piece);
            if whole.len() > self.0.max_body {
                let message = format!("the answer is larger than {} bytes", self.0.max_body);
                return Err(Verdict::Fail(Error::new(ErrorKind::Decode, message)));
            }
        }
        Ok(whole.freeze())
    }

    /// The next piece of a body, or a timeout when nothing comes.
    pub(crate) async fn piece(
        &self,
        body: &mut BodyStream,
        limit: Duration,
    ) -> Option<Result<Bytes, TransportError>> {
        self.piece_within(body, self.0.policy.read_timeout.min(limit)).await
    }

    pub(crate) async fn piece_within(
        &self,
        body: &mut BodyStream,
        limit: Duration,
    ) -> Option<Result<Bytes, TransportError>> {
        match timeout(limit, body.next()).await {
            Ok(piece) => piece,
            Err(_) => Some(Err(TransportError::new(TransportErrorKind::Timeout))),
        }
    }

    /// As much of an error's body as arrives; an error about an error would hide the first.
    async fn read_up_to(&self, reply: &mut Reply, limit: usize, attempts: &Attempts) -> Bytes {
        let mut whole = BytesMut::new();
        while let Some(Ok(piece)) = self.piece(&mut reply.body, attempts.remaining()).await {
            reply.measured.add(&piece);
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
            self.0.lane.pacer().observe(remaining, others as u32);
        }
    }

    pub(crate) fn failure<'a>(
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

    pub(crate) fn dress(&self, plan: &RequestPlan, attempts: &Attempts, error: Error) -> Error {
        // An error of the credentials' own request brings its own count.
        let made = attempts.made.max(error.attempts());
        let open = attempts.open && plan.operation.changes;
        let error = if open { error.with_outcome_unknown() } else { error };
        error
            .with_operation(plan.operation.name)
            .with_tenant(&self.0.tenant, &self.0.vendor)
            .with_attempts(made)
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

pub(crate) fn broken(plan: &RequestPlan, error: TransportError) -> Error {
    let kind =
        if error.kind == TransportErrorKind::Timeout { ErrorKind::Timeout } else { ErrorKind::Network };
    Error::new(kind, error.to_string())
        .with_operation(plan.operation.name)
        .with_retry(RetryStatus::Temporary)
        .with_source(error)
}

pub(crate) fn retry(error: Error) -> Verdict {
    Verdict::Retry { error, delay: None, unprocessed: false }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
