//! The plumbing that every vendor's requests go through. No vendor crate names an HTTP client, so
//! none can go round retry, pacing, deadlines or redaction.
//!
//! # The order of one call
//!
//! span → deadline → retry loop { cooldown gate → rate budget → build the request anew → authorise or
//! sign → trace, redacted → send with the smaller of the attempt's and the remaining time → classify
//! status, headers and body → on a 401, invalidate the rejected generation and take one free retry }
//! → cut the items out of the body while it arrives.
//!
//! * Signing happens inside the loop: a nonce must be fresh, a token may have been renewed.
//! * Idempotency is declared by the [`Operation`], never read off the method: both vendors read with POST.
//! * Redirects are never followed; a vendor's region answer is a [`Verdict::Relocate`] that its
//!   [`Dialect`] has checked.
//! * Time for waiting is tokio's, so that a paused clock drives every wait; [`MemoryTransport`] is the
//!   transport for such tests.

mod auth;
mod client;
mod decode;
mod gunzip;
mod options;
mod pace;
mod plan;
mod redact;
mod retry;
mod token;
mod transport;

pub use auth::{Authenticator, NoAuth};
pub use client::{
    Dialect, Failure, FullReply, HttpClient, HttpClientBuilder, ItemEvent, ItemReader, Verdict, check_base,
};
pub use decode::{CutError, Cutter};
pub use options::{ProxyChoice, TransportOptions};
pub use pace::{Budget, Pacer};
pub use plan::{Body, Operation, RequestPlan, Target, is_loopback};
pub use redact::{RedactedHeaders, safe_url};
pub use retry::{RetryBudget, RetryPolicy, ServerDelay, server_delay};
pub use token::{Token, TokenCache};
pub use transport::{
    BodyStream, HttpTransport, MemoryTransport, ReqwestTransport, TransportError, TransportErrorKind,
};
