//! The one error of the workspace.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{TenantId, Vendor};

/// A result with the workspace's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in terms that are the same for every vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The vendor does not accept the credentials (HTTP 401 and its cousins).
    Authentication,
    /// The caller gave the operation up.
    Cancelled,
    /// Our own configuration is wrong: a name, a file, a value.
    Configuration,
    /// The thing is already in that state, or another action is under way.
    Conflict,
    /// A page key that the vendor no longer knows.
    CursorExpired,
    /// The vendor answered, but not in a form that can be read.
    Decode,
    /// The vendor refuses the request as it was put.
    InvalidRequest,
    /// The tenant's licence does not include this.
    Licence,
    /// Name resolution, connection, or a connection lost on the way.
    Network,
    /// Asked for by id, and not there.
    NotFound,
    /// The credentials are good, but lack a scope or role.
    Permission,
    /// The vendor's rate limit, after all retries.
    RateLimited,
    /// No answer within the time given.
    Timeout,
    /// The TLS handshake or the certificate.
    Tls,
    /// This vendor or tenant cannot do this; nothing was sent.
    Unsupported,
    /// The vendor failed (HTTP 5xx or an error inside a success).
    Vendor,
}

impl ErrorKind {
    /// The kind as a stable word, as in JSON output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Cancelled => "cancelled",
            Self::Configuration => "configuration",
            Self::Conflict => "conflict",
            Self::CursorExpired => "cursor_expired",
            Self::Decode => "decode",
            Self::InvalidRequest => "invalid_request",
            Self::Licence => "licence",
            Self::Network => "network",
            Self::NotFound => "not_found",
            Self::Permission => "permission",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Unsupported => "unsupported",
            Self::Vendor => "vendor",
        }
    }

    fn phrase(self) -> &'static str {
        match self {
            Self::Authentication => "authentication failed",
            Self::Cancelled => "cancelled",
            Self::Configuration => "configuration",
            Self::Conflict => "conflict",
            Self::CursorExpired => "the page key has expired",
            Self::Decode => "the answer cannot be read",
            Self::InvalidRequest => "invalid request",
            Self::Licence => "not licensed",
            Self::Network => "network",
            Self::NotFound => "not found",
            Self::Permission => "permission denied",
            Self::RateLimited => "rate limited",
            Self::Timeout => "timed out",
            Self::Tls => "TLS",
            Self::Unsupported => "unsupported",
            Self::Vendor => "the vendor failed",
        }
    }
}

/// Whether the failure may pass, and whether that was already tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetryStatus {
    /// Trying again cannot help.
    #[default]
    Permanent,
    /// It was temporary, was retried, and outlived every retry: an outer layer should not retry again.
    Persistent,
    /// It may pass; it has not been retried.
    Temporary,
}

/// What the vendor itself said. Vendor crates implement it for their own error bodies; downcast
/// with [`VendorDetail::as_any`] for the vendor's own shape.
pub trait VendorDetail: fmt::Debug + Send + Sync + 'static {
    /// The vendor's error code, as text.
    fn code(&self) -> Option<Cow<'_, str>>;
    /// The vendor's message, trimmed.
    fn message(&self) -> Option<Cow<'_, str>>;
    /// The id under which the vendor's support finds the request.
    fn trace_id(&self) -> Option<Cow<'_, str>>;
    /// The HTTP status, when there was one.
    fn status(&self) -> Option<u16>;
    /// For downcasting to the vendor's own type.
    fn as_any(&self) -> &dyn Any;
}

/// A vendor detail of plain parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainDetail {
    /// See [`VendorDetail::code`].
    pub code: Option<String>,
    /// See [`VendorDetail::message`].
    pub message: Option<String>,
    /// See [`VendorDetail::trace_id`].
    pub trace_id: Option<String>,
    /// See [`VendorDetail::status`].
    pub status: Option<u16>,
}

impl VendorDetail for PlainDetail {
    fn code(&self) -> Option<Cow<'_, str>> {
        self.code.as_deref().map(Cow::Borrowed)
    }
    fn message(&self) -> Option<Cow<'_, str>> {
        self.message.as_deref().map(Cow::Borrowed)
    }
    fn trace_id(&self) -> Option<Cow<'_, str>> {
        self.trace_id.as_deref().map(Cow::Borrowed)
    }
    fn status(&self) -> Option<u16> {
        self.status
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// One failure: what, where, for whom, what the vendor said, and what to do next.
///
/// `Display` is one line for a person: tenant, operation, kind, what the vendor said with code and
/// trace id, and the next step. It never holds a secret. Cheap to clone. [`std::error::Error::source`] holds the
/// technical cause, which `Display` does not repeat.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    operation: Option<Cow<'static, str>>,
    tenant: Option<TenantId>,
    vendor: Option<Vendor>,
    detail: Option<Arc<dyn VendorDetail>>,
    retry: RetryStatus,
    retry_after: Option<Duration>,
    attempts: u32,
    outcome_unknown: bool,
    hint: Option<Cow<'static, str>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A permanent error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            tenant: None,
            vendor: None,
            detail: None,
            retry: RetryStatus::Permanent,
            retry_after: None,
            attempts: 0,
            outcome_unknown: false,
            hint: None,
            source: None,
        }))
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// An operation that this tenant cannot do, with the reason; made before anything is sent.
    #[must_use]
    pub fn unsupported(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unsupported, reason)
    }

    /// Names the operation, if none is named yet.
    #[must_use]
    pub fn with_operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.inner().operation.get_or_insert(operation.into());
        self
    }

    /// Names the tenant and its vendor, if none is named yet.
    #[must_use]
    pub fn with_tenant(mut self, tenant: &TenantId, vendor: &Vendor) -> Self {
        self.inner().tenant.get_or_insert_with(|| tenant.clone());
        self.inner().vendor.get_or_insert_with(|| vendor.clone());
        self
    }

    /// Adds what the vendor said.
    #[must_use]
    pub fn with_detail(mut self, detail: impl VendorDetail) -> Self {
        self.inner().detail = Some(Arc::new(detail));
        self
    }

    /// Sets whether the failure may pass.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryStatus) -> Self {
        self.inner().retry = retry;
        self
    }

    /// The wait that the vendor asked for.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.inner().retry_after = Some(delay);
        self
    }

    /// How many attempts were made.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.inner().attempts = attempts;
        self
    }

    /// Says that nobody can tell whether the vendor did what was asked: the request may have reached it,
    /// and its answer was lost.
    #[must_use]
    pub fn with_outcome_unknown(mut self) -> Self {
        self.inner().outcome_unknown = true;
        self
    }

    /// What the reader should do next, if nothing is said yet.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.inner().hint.get_or_insert(hint.into());
        self
    }

    /// The technical cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner().source = Some(Arc::from(source.into()));
        self
    }

    /// With this in the place of its message, of what the vendor said and of the cause, which may repeat what the vendor
    /// was told. The kind, the vendor's code, the status, the trace id and the next step stay.
    #[must_use]
    pub fn without_vendor_words(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        let detail = self.detail().map(|said| PlainDetail {
            code: said.code().map(Cow::into_owned),
            message: None,
            trace_id: said.trace_id().map(Cow::into_owned),
            status: said.status(),
        });
        let inner = self.inner();
        (inner.message, inner.source) = (message.into(), None);
        inner.detail = detail.map(|detail| Arc::new(detail) as Arc<dyn VendorDetail>);
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Our own words, without tenant, operation or what the vendor said.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation, in the vendor's or our own name for it.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// The tenant that was asked.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.0.tenant.as_ref()
    }

    /// The vendor that was asked.
    #[must_use]
    pub fn vendor(&self) -> Option<&Vendor> {
        self.0.vendor.as_ref()
    }

    /// What the vendor said.
    #[must_use]
    pub fn detail(&self) -> Option<&dyn VendorDetail> {
        self.0.detail.as_deref()
    }

    /// The vendor's error code.
    #[must_use]
    pub fn vendor_code(&self) -> Option<Cow<'_, str>> {
        self.detail()?.code()
    }

    /// The id under which the vendor's support finds the request.
    #[must_use]
    pub fn trace_id(&self) -> Option<Cow<'_, str>> {
        self.detail()?.trace_id()
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the failure may pass, and whether that was already tried.
    #[must_use]
    pub fn retry_status(&self) -> RetryStatus {
        self.0.retry
    }

    /// True when a request that changes something may or may not have been carried out.
    ///
    /// # Troubleshooting
    /// Read the target back before asking again; a blind repetition could do it twice.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    /// The wait that the vendor asked for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How many attempts were made; 0 when nothing was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The same request may succeed later.
    ///
    /// # Troubleshooting
    /// [`RetryStatus::Persistent`] means that it was already retried here; wait minutes rather than seconds.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retry != RetryStatus::Permanent
    }

    /// The credentials were refused.
    ///
    /// # Troubleshooting
    /// Falcon: wrong cloud, revoked client, or an IP allow-list. Cortex: wrong key id, a key of the
    /// other type (standard, advanced), an expired key, or a clock that is minutes off.
    #[must_use]
    pub fn is_authentication(&self) -> bool {
        self.0.kind == ErrorKind::Authentication
    }

    /// A scope or role is missing; [`Self::hint`] names it.
    ///
    /// # Troubleshooting
    /// Add the scope to the API client (Falcon) or the role to the API key (Cortex).
    #[must_use]
    pub fn is_permission(&self) -> bool {
        self.0.kind == ErrorKind::Permission
    }

    /// Asked for by id, and not there.
    ///
    /// # Troubleshooting
    /// Ids belong to one tenant; ask the tenant that the id came from.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// The vendor's rate limit outlasted the retries.
    ///
    /// # Troubleshooting
    /// Another consumer shares the budget: lower `rate_share`, or raise the deadline.
    #[must_use]
    pub fn is_rate_limited(&self) -> bool {
        self.0.kind == ErrorKind::RateLimited
    }

    /// This tenant cannot do this; nothing was sent.
    ///
    /// # Troubleshooting
    /// Ask [`crate::Capabilities`] first.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.0.kind == ErrorKind::Unsupported
    }

    /// The page key is no longer known to the vendor.
    ///
    /// # Troubleshooting
    /// Start the listing again; the walks of [`crate::EdrProviderExt`] do so by themselves.
    #[must_use]
    pub fn is_cursor_expired(&self) -> bool {
        self.0.kind == ErrorKind::CursorExpired
    }

    /// The time ran out.
    ///
    /// # Troubleshooting
    /// Raise the deadline, or narrow the query.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::Timeout
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &*self.0;
        match (&e.tenant, &e.vendor) {
            (Some(t), Some(v)) => write!(f, "{t} ({v}): ")?,
            (Some(t), None) => write!(f, "{t}: ")?,
            _ => {}
        }
        if let Some(operation) = &e.operation {
            write!(f, "{operation}: ")?;
        }
        f.write_str(e.kind.phrase())?;
        if !e.message.is_empty() {
            write!(f, ": {}", one_line(&e.message))?;
        }
        if let Some(detail) = &e.detail {
            write_detail(f, detail.as_ref())?;
        }
        if e.attempts > 1 {
            write!(f, " (after {} attempts)", e.attempts)?;
        }
        match &e.hint {
            Some(hint) => write!(f, "; next: {}", one_line(hint)),
            None => Ok(()),
        }
    }
}

/// What a vendor says may hold line breaks and terminal codes; an error is one line of plain text.
fn one_line(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 600;
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(odd) && text.len() <= LONGEST {
        return Cow::Borrowed(text);
    }
    let cut = text.char_indices().nth(LONGEST).map_or(text, |(at, _)| &text[..at]);
    let more = if cut.len() < text.len() { " …" } else { "" };
    Cow::Owned(format!("{}{more}", cut.replace(odd, " ")))
}

fn write_detail(f: &mut fmt::Formatter<'_>, detail: &dyn VendorDetail) -> fmt::Result {
    let status = detail.status().map(|s| format!("HTTP {s}"));
    let code = detail.code().filter(|c| status.as_deref().is_none_or(|s| !s.ends_with(c.as_ref())));
    let said = detail.message().filter(|m| !m.is_empty()).map(|m| format!("\"{}\"", one_line(&m)));
    let trace = detail.trace_id().filter(|t| !t.is_empty()).map(|t| format!("trace {}", one_line(&t)));
    let parts: Vec<String> =
        [status, code.map(|c| format!("code {c}")), said, trace].into_iter().flatten().collect();
    if parts.is_empty() { Ok(()) } else { write!(f, " [{}]", parts.join(", ")) }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &*self.0;
        f.debug_struct("Error")
            .field("kind", &e.kind)
            .field("message", &e.message)
            .field("operation", &e.operation)
            .field("tenant", &e.tenant)
            .field("vendor", &e.vendor)
            .field("detail", &e.detail)
            .field("retry", &e.retry)
            .field("retry_after", &e.retry_after)
            .field("attempts", &e.attempts)
            .field("outcome_unknown", &e.outcome_unknown)
            .field("hint", &e.hint)
            .field("source", &e.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Error {
        Error::new(ErrorKind::Permission, "the API client lacks a scope")
            .with_operation("PostCombinedAlertsV1")
            .with_tenant(&TenantId::new("acme"), &Vendor::from_static("falcon"))
            .with_detail(PlainDetail {
                code: Some("403".into()),
                message: Some("access denied, scope not permitted".into()),
                trace_id: Some("abc".into()),
                status: Some(403),
            })
            .with_hint("add the scope Alerts: read")
    }

    #[test]
    fn one_line_says_who_what_why_and_what_next() {
        assert_eq!(
            sample().to_string(),
            "acme (falcon): PostCombinedAlertsV1: permission denied: the API client lacks a scope \
             [HTTP 403, \"access denied, scope not permitted\", trace abc]; next: add the scope Alerts: read"
        );
    }

    #[test]
    fn a_vendor_cannot_write_a_second_line() {
        let said = PlainDetail { message: Some("no\n\u{1b}[31mroot".into()), ..PlainDetail::default() };
        let text = Error::new(ErrorKind::Vendor, "a\tb").with_detail(said).to_string();
        assert_eq!(text, "the vendor failed: a b [\"no  [31mroot\"]");
    }

    #[test]
    fn the_first_name_stays() {
        let error = sample()
            .with_operation("other")
            .with_hint("other")
            .with_tenant(&TenantId::new("b"), &Vendor::from_static("v"));
        assert_eq!(error.operation(), Some("PostCombinedAlertsV1"));
        assert_eq!(error.tenant().map(TenantId::as_str), Some("acme"));
        assert_eq!(error.hint(), Some("add the scope Alerts: read"));
    }

    #[test]
    fn predicates_follow_the_kind() {
        assert!(sample().is_permission() && !sample().is_retryable());
        let limited = Error::new(ErrorKind::RateLimited, "").with_retry(RetryStatus::Persistent);
        assert!(limited.is_rate_limited() && limited.is_retryable());
    }
}
