//! Reading a listing, item by item, while it arrives.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edr_core::{Error, ErrorKind, Result};
use http::{HeaderMap, StatusCode};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::attempt::{Attempts, Measured, Next};
use crate::client::{Reply, broken, retry};
use crate::retry::from_now;
use crate::transport::BodyStream;
use crate::{CutError, Cutter, DecodedReader, Failure, HttpClient, RequestPlan, Verdict};

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
    measured: Measured,
}

impl fmt::Debug for ItemReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemReader").field("operation", &self.plan.operation.name).finish_non_exhaustive()
    }
}

impl ItemReader {
    pub(crate) fn new(
        client: HttpClient,
        plan: RequestPlan,
        paths: &'static [&'static [&'static str]],
    ) -> Self {
        Self {
            attempts: client.attempts(&plan),
            client,
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

    /// The envelope up to the array of items, closed, once it has arrived; see [`Cutter::head`].
    #[must_use]
    pub fn head(&self) -> Option<&Bytes> {
        self.reply.as_ref()?.cutter.head()
    }

    /// Asks for a page that nobody waits for yet. A failure to open it is not tried again, so that an outage does not
    /// cost the retries of all pages under way. It is for [`ItemReader::decoded`], whose reader asks once more when the
    /// page is read; [`ItemReader::next`] alone gives out the failure.
    #[must_use]
    pub fn ahead(mut self) -> Self {
        self.attempts.ahead = true;
        self
    }

    /// The same page for somebody who waits for it, where this one was asked for ahead.
    pub(crate) fn again(&self) -> Option<impl FnOnce() -> Self + Send + use<>> {
        if !self.attempts.ahead {
            return None;
        }
        let (client, plan, paths) = (self.client.clone(), self.plan.clone(), self.paths);
        Some(move || Self::new(client, plan, paths))
    }

    /// Tells when the request has had its turn and goes out, or that it never will.
    pub(crate) fn on_leaving(&mut self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.attempts.left = Some(sender);
        receiver
    }

    /// Reads on in a task of its own, where the items are decoded, too. `first` is an event that has been read already.
    #[must_use]
    pub fn decoded<T: Send + 'static>(
        self,
        first: Option<ItemEvent>,
        decode: impl Fn(Bytes) -> T + Send + Sync + 'static,
    ) -> DecodedReader<T> {
        DecodedReader::new(self, first, Arc::new(decode))
    }

    /// The next event; `None` after the end or an error.
    pub async fn next(&mut self) -> Option<Result<ItemEvent>> {
        if self.done {
            return None;
        }
        let span = self.attempts.request.clone();
        let event = self.step().instrument(span).await;
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
            self.restarted |= std::mem::take(&mut self.emitted);
            // The body had its own time; a new attempt has that of a new operation.
            self.attempts.deadline = from_now(self.client.time_for(&self.plan));
            if let Next::Fail(error) = self.client.next(&self.plan, &mut self.attempts, verdict).await {
                return Err(self.client.dress(&self.plan, &self.attempts, error));
            }
        }
    }

    async fn begin(&mut self) -> Result<Cut> {
        if !std::mem::replace(&mut self.begun, true) {
            self.attempts.deadline = from_now(self.client.time_for(&self.plan));
        }
        let reply = self.client.open(&self.plan, &mut self.attempts).await?;
        self.attempts.ahead = false;
        let Reply { generation, status, headers, body, measured } = reply;
        Ok(Cut { generation, status, headers, body, cutter: Cutter::new(self.paths), measured })
    }

    /// Reads one piece of the body.
    async fn advance(&mut self) -> Result<Option<ItemEvent>, Verdict> {
        let Some(cut) = self.reply.as_mut() else { return Ok(None) };
        let left = self.client.time_for(&self.plan).saturating_sub(self.waited);
        let asked = Instant::now();
        let piece = self.client.piece(&mut cut.body, left).await;
        self.waited += asked.elapsed();
        match piece {
            Some(Ok(piece)) => {
                cut.measured.add(&piece);
                let cut = cut.cutter.feed(&piece);
                self.attempts.open |= cut.is_err();
                let items = cut.map_err(|e| uncut(&e))?;
                if items.is_empty() {
                    return Ok(None);
                }
                self.emitted = true;
                self.client.meter().items(self.plan.operation.name, items.len());
                Ok(Some(ItemEvent::Items(items)))
            }
            Some(Err(error)) => Err(retry(broken(&self.plan, error))),
            None => self.end().await,
        }
    }

    async fn end(&mut self) -> Result<Option<ItemEvent>, Verdict> {
        let Some(cut) = self.reply.take() else { return Ok(None) };
        let skeleton = cut.cutter.finish();
        self.attempts.open |= skeleton.is_err();
        let skeleton = skeleton.map_err(|e| uncut(&e))?;
        let seen = self.client.failure(&self.plan, cut.status, &cut.headers, &skeleton);
        let seen = Failure { has_items: self.emitted, ..seen };
        match self.client.dialect().judge_success(&seen) {
            None => Ok(Some(ItemEvent::End { skeleton, headers: cut.headers })),
            Some(verdict) => {
                // Said before the wait: a call that is dropped in it must not give the items twice.
                self.restarted |= std::mem::take(&mut self.emitted);
                Err(self.client.settle(verdict, cut.generation, &seen, &self.attempts).await)
            }
        }
    }
}

/// A body that ended early may come whole next time; one that is too large will not be smaller.
fn uncut(error: &CutError) -> Verdict {
    let hint = "if it stays, a proxy or gateway may be answering in the vendor's place";
    let wrapped = Error::new(ErrorKind::Decode, error.to_string()).with_hint(hint);
    if matches!(error, CutError::TooLarge(..)) { Verdict::Fail(wrapped) } else { retry(wrapped) }
}
