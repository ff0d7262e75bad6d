//! What the retry loop remembers between attempts, and what is measured of them.

use std::time::Duration;

use bytes::Bytes;
use edr_core::Error;
use http::StatusCode;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{Span, debug_span, field};

use crate::retry::from_now;
use crate::{HttpClient, Operation, Refused};

/// What follows a verdict.
pub(crate) enum Next {
    Again,
    Fail(Error),
}

/// How an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Byte for byte, and perhaps a part of the whole: that there is no such part (416) is an answer, too.
    Part,
    /// Without gzip that the headers do not mention.
    Unpacked,
    /// Byte for byte.
    Verbatim,
}

/// What the retry loop remembers between attempts. When it is dropped, the count of them is
/// recorded in the span of the operation.
pub(crate) struct Attempts {
    /// Nobody waits for the answer yet: what would be retried ends it, and who comes to need it asks again.
    pub(crate) ahead: bool,
    pub(crate) made: u32,
    pub(crate) deadline: Instant,
    pub(crate) reauthenticated: bool,
    pub(crate) relocated: bool,
    pub(crate) reading: Reading,
    /// The answer of the last attempt, where it was refused.
    pub(crate) refused: Option<Refused>,
    /// An attempt has ended without a word on whether the vendor did what was asked.
    pub(crate) open: bool,
    /// Told when the first attempt has had its turn.
    pub(crate) left: Option<oneshot::Sender<()>>,
    /// The waits before the next attempt.
    pub(crate) waited: Duration,
    /// The operation as a whole.
    pub(crate) request: Span,
    /// The attempt that is under way.
    pub(crate) span: Span,
}

impl Attempts {
    pub(crate) fn begin(client: &HttpClient, operation: &'static Operation, time: Duration) -> Self {
        let request = debug_span!(
            "edr.request",
            tenant = %client.tenant(), vendor = %client.vendor(), operation = operation.name,
            attempts = field::Empty
        );
        Self {
            ahead: false,
            made: 0,
            deadline: from_now(time),
            reauthenticated: false,
            relocated: false,
            reading: Reading::Unpacked,
            refused: None,
            open: false,
            left: None,
            waited: Duration::ZERO,
            request,
            span: Span::none(),
        }
    }

    /// The same, for an answer that is read in another way.
    pub(crate) fn reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    /// Begins to count anew, because what was asked for has come on.
    pub(crate) fn renew(&mut self) {
        self.made = 0;
        self.reauthenticated = false;
    }

    /// An attempt has had its turn and goes out.
    pub(crate) fn go_out(&mut self) {
        self.made += 1;
        if let Some(left) = self.left.take() {
            // Nobody may be waiting for it any more.
            let _ = left.send(());
        }
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Opens the span of the attempt that begins.
    pub(crate) fn open_span(&mut self) -> Span {
        self.span = debug_span!(
            parent: &self.request, "edr.attempt",
            attempt = self.made + 1, wait_ms = field::Empty, status = field::Empty,
            trace_id = field::Empty, bytes = field::Empty
        );
        self.span.clone()
    }
}

impl Reading {
    /// Whether the answer is one to read, and no refusal.
    pub(crate) fn takes(self, status: StatusCode) -> bool {
        status.is_success() || (self == Self::Part && status == StatusCode::RANGE_NOT_SATISFIABLE)
    }
}

impl Drop for Attempts {
    fn drop(&mut self) {
        self.request.record("attempts", self.made);
    }
}

/// Counts the bytes of one answer; they are recorded when it is dropped, however far it was read.
pub(crate) struct Measured {
    client: HttpClient,
    operation: &'static Operation,
    attempt: Span,
    bytes: u64,
}

impl Measured {
    pub(crate) fn new(client: &HttpClient, operation: &'static Operation, attempt: Span) -> Self {
        Self { client: client.clone(), operation, attempt, bytes: 0 }
    }

    pub(crate) fn add(&mut self, piece: &Bytes) {
        self.bytes += piece.len() as u64;
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.attempt.record("bytes", self.bytes);
        self.client.meter().bytes(self.operation.name, self.bytes);
    }
}
