//! An answer that is read while it arrives, for as long as it lives.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use edr_core::{Error, ErrorKind, Result};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::{HeaderMap, StatusCode};
use tracing::Instrument as _;

use crate::attempt::{Attempts, Reading};
use crate::client::{Reply, broken};
use crate::gunzip::gunzipped;
use crate::{HttpClient, LineCutter, RequestPlan};

/// An answer as it arrives. It has no time limit as a whole; only between two pieces, so that a stream which is quiet
/// for too long ends in an error. Whether to ask again, and from where, is the caller's to know.
pub struct ReplyStream {
    client: HttpClient,
    plan: RequestPlan,
    attempts: Attempts,
    reply: Reply,
    idle: Duration,
    done: bool,
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyStream")
            .field("operation", &self.plan.operation.name)
            .field("status", &self.reply.status)
            .finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Sends a request, with authorisation, pace and retries as ever, and gives the answer out as it arrives, byte for
    /// byte: [`ReplyStream::unpacked`] undoes gzip that the headers do not mention. The time between two pieces is
    /// limited by the policy's `read_timeout`, or by [`ReplyStream::idle_timeout`].
    ///
    /// # Errors
    /// As the dialect judges the head, after all retries.
    pub async fn stream(&self, plan: RequestPlan) -> Result<ReplyStream> {
        let mut attempts = self.attempts(&plan).reading(Reading::Verbatim);
        let span = attempts.request.clone();
        let reply = self.open(&plan, &mut attempts).instrument(span).await?;
        let idle = self.policy().read_timeout;
        Ok(ReplyStream { client: self.clone(), plan, attempts, reply, idle, done: false })
    }
}

impl ReplyStream {
    /// The status, 2xx.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.reply.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.reply.headers
    }

    /// The longest time without a byte.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// Undoes up to two layers of gzip that the headers do not mention.
    #[must_use]
    pub fn unpacked(mut self) -> Self {
        let body = std::mem::replace(&mut self.reply.body, stream::empty().boxed());
        self.reply.body = gunzipped(body);
        self
    }

    /// The next piece; `None` after the end or an error. A call that is dropped loses nothing.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        if self.done {
            return None;
        }
        let piece = self.client.piece_within(&mut self.reply.body, self.idle).await;
        self.done = !matches!(piece, Some(Ok(_)));
        Some(match piece? {
            Ok(piece) => {
                self.reply.measured.add(&piece);
                Ok(piece)
            }
            Err(error) => Err(self.dressed(broken(&self.plan, error))),
        })
    }

    fn dressed(&self, error: Error) -> Error {
        self.client.dress(&self.plan, &self.attempts, error)
    }

    /// The pieces as a stream.
    #[must_use]
    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes>> {
        stream::unfold(self, |mut reply| async move { reply.next().await.map(|piece| (piece, reply)) })
            .boxed()
    }

    /// The lines of the answer, each of at most so many bytes.
    #[must_use]
    pub fn lines(self, longest: usize) -> LineReader {
        LineReader { reply: self, cutter: Some(LineCutter::new(longest)), ready: Vec::new().into_iter() }
    }
}

/// Reads an answer line by line, while it arrives. Empty lines are given out.
#[derive(Debug)]
pub struct LineReader {
    reply: ReplyStream,
    /// Gone after the end.
    cutter: Option<LineCutter>,
    ready: std::vec::IntoIter<Bytes>,
}

impl LineReader {
    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.reply.headers()
    }

    /// The next line; `None` after the end or an error. A call that is dropped loses nothing.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        loop {
            if let Some(line) = self.ready.next() {
                return Some(Ok(line));
            }
            self.cutter.as_ref()?;
            let piece = self.reply.next().await;
            let cutter = self.cutter.as_mut()?;
            match piece {
                Some(Ok(piece)) => match cutter.feed(&piece) {
                    Ok(lines) => self.ready = lines.into_iter(),
                    Err(error) => {
                        self.cutter = None;
                        let error = Error::new(ErrorKind::Decode, error.to_string());
                        return Some(Err(self.reply.dressed(error)));
                    }
                },
                Some(Err(error)) => {
                    self.cutter = None;
                    return Some(Err(error));
                }
                None => return self.cutter.take().and_then(LineCutter::finish).map(Ok),
            }
        }
    }

    /// The lines as a stream.
    #[must_use]
    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes>> {
        stream::unfold(self, |mut lines| async move { lines.next().await.map(|line| (line, lines)) }).boxed()
    }
}

#[cfg(test)]
#[path = "reply_stream_tests.rs"]
mod tests;
