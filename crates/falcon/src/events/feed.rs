//! One partition of a stream while its session lives: one half reads it, the other renews the session.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use edr_core::{Error, ErrorKind, Raw, RetryStatus};
use edr_http::{CheckedUrl, HttpClient, LineCutter, ReplyStream};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::{HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};

use super::event::offset_in;
use super::order::{Seen, Track};
use super::schedule::{interval, pause, renewal, retrial};
use super::{EventItem, EventsParams, Gap, GapReason, RejectedLine, StreamEvent, StreamStatus};
use crate::FalconClient;
use crate::api::streams::{self, Whence};
use crate::time::Timestamp;

/// Attempts in a row that bring no line, after which the streams are looked for anew.
const ATTEMPTS: u32 = 3;

/// How far the offset of a damaged line may be ahead to be believed.
const FAR: u64 = 1_000_000;

/// What one half of a partition tells.
pub(super) enum Happening {
    /// A heartbeat: the session is good.
    Alive,
    /// Nothing mends this but the user.
    Fatal(Error),
    /// The session is over.
    Gone(Error),
    /// An item, and how far the partition is read with it.
    Item(u32, EventItem, Track),
}

/// What a partition is read with.
pub(super) struct Session {
    pub(super) partition: u32,
    pub(super) url: CheckedUrl,
    pub(super) token: SecretString,
    pub(super) interval: Option<i64>,
}

/// Whether an error is for the user to mend.
pub(super) fn is_final(error: &Error) -> bool {
    use ErrorKind as K;
    let kinds =
        [K::Authentication, K::Configuration, K::InvalidRequest, K::Licence, K::Permission, K::Unsupported];
    kinds.contains(&error.kind())
}

/// An error of the stream itself.
pub(super) fn fault(
    client: &HttpClient,
    kind: ErrorKind,
    message: impl Into<std::borrow::Cow<'static, str>>,
) -> Error {
    Error::new(kind, message)
        .with_operation(streams::FOLLOW.name)
        .with_tenant(client.tenant(), client.vendor())
        .with_retry(RetryStatus::Temporary)
}

/// The lines of one connection. What is left without an end when the connection goes is no line.
struct Lines {
    reply: ReplyStream,
    cutter: LineCutter,
    /// What has arrived and is not cut yet.
    rest: Bytes,
}

enum Cut {
    End,
    Error(Error),
    Line(Bytes),
    TooLong,
}

impl Lines {
    async fn next(&mut self) -> Cut {
        loop {
            // One line at a time: those in front of one that is too long are good.
            while !self.rest.is_empty() {
                let end = self.rest.iter().position(|b| *b == b'\n').map_or(self.rest.len(), |at| at + 1);
                let cut = self.cutter.feed(&self.rest.split_to(end));
                match cut.map(|mut lines| lines.pop()) {
                    Ok(Some(line)) => return Cut::Line(line),
                    Ok(None) => {}
                    Err(_) => return Cut::TooLong,
                }
            }
            match self.reply.next().await {
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(error)) => return Cut::Error(error),
                None => return Cut::End,
            }
        }
    }
}

/// The half that reads.
pub(super) struct Reader {
    pub(super) http: HttpClient,
    pub(super) session: Session,
    pub(super) params: Arc<EventsParams>,
    pub(super) track: Track,
    pub(super) newest: bool,
    pub(super) repeated: Arc<AtomicU64>,
    /// Whether a connection was made before, in this session or an earlier one.
    pub(super) met: bool,
}

struct Reading {
    r: Reader,
    lines: Option<Lines>,
    failures: u32,
    /// How long is waited before the next connection.
    wait: Duration,
    told: VecDeque<Happening>,
    over: bool,
}

impl Reader {
    pub(super) fn into_stream(self) -> BoxStream<'static, Happening> {
        let (lines, failures, wait) = (None, 0, Duration::ZERO);
        let reading = Reading { r: self, lines, failures, wait, told: VecDeque::new(), over: false };
        stream::unfold(reading, |mut reading| async move { reading.step().await.map(|told| (told, reading)) })
            .boxed()
    }

    fn from(&self) -> Whence {
        match self.track.next() {
            Some(offset) => Whence::Offset(offset),
            None if self.newest => Whence::Newest,
            None => Whence::Offset(0),
        }
    }

    async fn open(&self) -> Result<Lines, Error> {
        let mut plan = streams::follow(self.session.url.clone(), self.from(), &self.params.types);
        let value = format!("Token {}", self.session.token.expose_secret());
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| fault(&self.http, ErrorKind::Decode, "the stream's session token cannot be sent"))?;
        value.set_sensitive(true);
        plan.headers.insert(header::AUTHORIZATION, value);
        let reply = self.http.stream(plan).await?.idle_timeout(self.params.quiet);
        Ok(Lines { reply, cutter: LineCutter::new(self.params.longest_line), rest: Bytes::new() })
    }
}

impl Reading {
    async fn step(&mut self) -> Option<Happening> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Some(told);
            }
            if self.over {
                return None;
            }
            match &mut self.lines {
                None => self.connect().await,
                Some(lines) => match lines.next().await {
                    Cut::Line(line) => self.line(line),
                    Cut::TooLong => self.too_long(),
                    Cut::Error(error) => self.lost(error),
                    Cut::End => {
                        let error = fault(&self.r.http, ErrorKind::Network, "the stream ended");
                        self.lost(error);
                    }
                },
            }
        }
    }

    fn tell(&mut self, item: EventItem) {
        self.told.push_back(Happening::Item(self.r.session.partition, item, self.r.track));
    }

    fn end(&mut self, last: Happening) {
        self.lines = None;
        self.over = true;
        self.told.push_back(last);
    }

    fn gap(&mut self, after: Option<u64>, before: Option<u64>, reason: GapReason) {
        let partition = self.r.session.partition;
        self.tell(EventItem::Gap(Gap { partition, after, before, reason }));
    }

    async fn connect(&mut self) {
        tokio::time::sleep(self.wait).await;
        match self.r.open().await {
            Ok(lines) => {
                self.lines = Some(lines);
                self.r.track.reconnected();
                let from = self.r.track.next();
                let partition = self.r.session.partition;
                self.tell(EventItem::Status(StreamStatus::Connected { partition, from }));
                if std::mem::replace(&mut self.r.met, true) && from.is_none() && self.r.newest {
                    self.gap(None, None, GapReason::Unproven);
                }
            }
            // The session is over, or was never good here: a new one will tell.
            Err(error) if is_final(&error) || error.is_not_found() => self.end(Happening::Gone(error)),
            Err(error) => self.lost(error),
        }
    }

    /// A connection is gone. It is made again where it broke off, or given up.
    fn lost(&mut self, error: Error) {
        self.lines = None;
        self.failures += 1;
        if self.failures > ATTEMPTS {
            return self.end(Happening::Gone(error));
        }
        self.wait = pause(self.failures, self.r.params.dice.roll());
        let pause = self.wait;
        let partition = Some(self.r.session.partition);
        self.tell(EventItem::Status(StreamStatus::Interrupted { partition, error, pause }));
    }

    fn line(&mut self, line: Bytes) {
        self.failures = 0;
        if line.trim_ascii().is_empty() {
            return self.told.push_back(Happening::Alive);
        }
        let raw = Raw::new(line);
        match StreamEvent::read(self.r.session.partition, raw.clone()) {
            Ok(event) => {
                let created = event.created.as_ref().and_then(Timestamp::utc);
                if self.comes(event.offset, created) {
                    self.tell(EventItem::Event(Box::new(event)));
                }
            }
            Err(reason) => self.bad(raw, reason),
        }
    }

    /// Tells what is missing in front of an offset; false when it was there before.
    fn comes(&mut self, offset: u64, created: Option<chrono::DateTime<chrono::Utc>>) -> bool {
        match self.r.track.see(offset, created) {
            Seen::Again => {
                self.r.repeated.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            Seen::Behind(last) => self.gap(Some(last), Some(offset), GapReason::Missing),
            Seen::Next => {}
            Seen::Renumbered(last) => self.gap(Some(last), Some(offset), GapReason::Renumbered),
        }
        true
    }

    fn bad(&mut self, raw: Raw, reason: String) {
        // A number out of a damaged line may be damaged, too: one that is far off would hide all that follows.
        let near = |offset: &u64| self.r.track.next().is_none_or(|next| offset.saturating_sub(next) <= FAR);
        let offset = offset_in(raw.as_bytes()).filter(near);
        match offset {
            Some(offset) if !self.comes(offset, None) => return,
            Some(_) => {}
            None => self.r.track.unread(),
        }
        let partition = self.r.session.partition;
        self.tell(EventItem::Rejected(RejectedLine { partition, offset, reason, raw: raw.detach() }));
    }

    /// A line that is too long would be so again: reading goes on behind it, where that is known.
    fn too_long(&mut self) {
        let longest = self.r.params.longest_line;
        let reason = format!("the line is longer than {longest} bytes");
        let Some(offset) = self.r.track.skip() else {
            let error = fault(&self.r.http, ErrorKind::Decode, reason).with_hint("raise longest_line");
            return self.end(Happening::Fatal(error));
        };
        let partition = self.r.session.partition;
        let rejected =
            RejectedLine { partition, offset: Some(offset), reason: reason.clone(), raw: Raw::default() };
        self.tell(EventItem::Rejected(rejected));
        let error = fault(&self.r.http, ErrorKind::Decode, reason);
        self.lost(error);
    }
}

/// The half that renews the session.
pub(super) struct Keeper {
    pub(super) client: FalconClient,
    pub(super) partition: u32,
    pub(super) interval: Option<i64>,
    pub(super) params: Arc<EventsParams>,
}

impl Keeper {
    pub(super) fn into_stream(self) -> BoxStream<'static, Kept> {
        let first = renewal(interval(self.interval), self.params.dice.roll());
        stream::unfold((self, Some(first)), |(keeper, next)| async move {
            let (kept, next) = keeper.turn(next?).await;
            Some((kept, (keeper, next)))
        })
        .boxed()
    }

    async fn turn(&self, wait: Duration) -> (Kept, Option<Duration>) {
        tokio::time::sleep(wait).await;
        let (partition, every) = (self.partition, interval(self.interval));
        match self.client.renew_event_stream(&self.params.app_id, partition).await {
            Ok(()) => {
                let next = renewal(every, self.params.dice.roll());
                (Kept::Status(StreamStatus::Renewed { partition }), Some(next))
            }
            Err(error) if error.is_not_found() => (Kept::Gone(error), None),
            Err(error) if is_final(&error) => (Kept::Fatal(error), None),
            Err(error) => {
                let pause = retrial(every);
                (Kept::Status(StreamStatus::RenewalFailed { partition, error, pause }), Some(pause))
            }
        }
    }
}

/// What came of a renewal.
pub(super) enum Kept {
    Fatal(Error),
    Gone(Error),
    Status(StreamStatus),
}
