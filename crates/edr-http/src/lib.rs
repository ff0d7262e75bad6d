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
//! * A body that is too large for memory is streamed: files and forms out ([`FileSource`], [`Multipart`]), answers in
//!   ([`HttpClient::stream`]) or to disk ([`HttpClient::download_to`]).
//! * An address out of a reply is asked only when it passed the tenant's [`HostRule`].
//! * Redirects are never followed; a vendor's region answer is a [`Verdict::Relocate`] that its
//!   [`Dialect`] has checked.
//! * Time for waiting is tokio's, so that a paused clock drives every wait; [`MemoryTransport`] is the
//!   transport for such tests.

mod ahead;
mod attempt;
mod auth;
mod block;
mod client;
mod decode;
mod decoded;
mod dialect;
mod download;
mod gunzip;
mod hosts;
mod items;
mod lane;
mod lines;
mod options;
mod pace;
mod pass;
mod plan;
mod reach;
mod redact;
mod reply_stream;
mod retry;
mod store;
pub mod telemetry;
#[cfg(test)]
mod testing;
mod token;
mod transport;
mod upload;
mod wire;

pub use ahead::{AheadShare, Vanguard};
pub use auth::{Authenticator, NoAuth};
pub use client::{HttpClient, HttpClientBuilder, check_base};
pub use decode::{CutError, Cutter};
pub use decoded::{DecodedEvent, DecodedReader};
pub use dialect::{Dialect, Failure, FullReply, Verdict};
pub use download::{Download, Downloaded};
pub use hosts::{CheckedUrl, HostRule};
pub use items::{ItemEvent, ItemReader};
pub use lane::Lane;
pub use lines::LineCutter;
pub use options::{ProxyChoice, TransportOptions};
pub use pace::{Budget, Pacer};
pub use pass::{Passed, Refusal, Refused};
pub use plan::{Body, Operation, RequestPlan, Target, is_loopback};
pub use reach::{Answered, Reach, Resolution, Skew};
pub use redact::{RedactedHeaders, safe_url};
pub use reply_stream::{LineReader, ReplyStream};
pub use retry::{RetryBudget, RetryPolicy, ServerDelay, from_now, server_delay};
pub use store::{FileTokenStore, StoredToken, TokenKey, TokenLock, TokenStore};
pub use token::{Token, TokenCache};
pub use transport::{
    BodyStream, HttpTransport, MemoryTransport, ReqwestTransport, SendStream, TransportError,
    TransportErrorKind,
};
pub use upload::{FileSource, Multipart};
