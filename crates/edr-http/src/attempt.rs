//! What the retry loop remembers between attempts, and what is measured of them.

use std::time::Duration;

use bytes::Bytes;
use edr_core::Error;
use tokio::time::Instant;
use tracing::{Span, debug_span, field};

use crate::{HttpClient, Operation, Refused};

/// What follows a verdict.
pub(crate) enum Next {
    Again,
    Fail(Error),
}

/// What the retry loop remembers between attempts. When it is dropped, the count of them is
/// recorded in the span of the operation.
pub(crate) struct Attempts {
    pub(crate) made: u32,
    pub(crate) deadline: Instant,
    pub(crate) reauthenticated: bool,
    pub(crate) relocated: bool,
    /// An attempt has ended without a word on whether the vendor did what was asked.
    pub(crate) open: bool,
    /// A success is given out byte for byte, packed as it may be.
    pub(crate) verbatim: bool,
    /// The answer of the last attempt, where it was refused.
    pub(crate) refused: Option<Refused>,
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
            made: 0,
            deadline: Instant::now() + time,
            reauthenticated: false,
            relocated: false,
            open: false,
            verbatim: false,
            refused: None,
            waited: Duration::ZERO,
            request,
            span: Span::none(),
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
