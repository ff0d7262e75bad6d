//! The body of an event stream: lines as events happen, blank ones as heartbeats, and the faults of a stream. A fault
//! counts lines here, not calls.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{Stream, stream};

use super::guard::{Caller, Context};
use super::stream_audit::{Place, of_stream};
use super::stream_feed::{Feed, Offsets};
use super::streams::Session;
use crate::faults::PageFault;
use crate::state::SimState;

/// The name of this operation, which the published specification does not have.
pub(crate) const OPERATION: &str = "ReadEventStream";
/// How often is looked for news: the clock of the simulator may be moved at any time.
const LOOK: Duration = Duration::from_millis(20);
/// How much is sent at once.
const PIECE: usize = 64 << 10;

/// What comes next in a body.
enum Turn {
    Break,
    End,
    /// These bytes, and then the connection breaks.
    Half(Vec<u8>),
    Send(Vec<u8>),
    Wait,
}

/// What a connection was asked for.
pub(super) struct Asked {
    pub(super) offset: Option<u64>,
    pub(super) types: Option<Vec<String>>,
}

/// One connection to a stream.
pub(super) struct Reader {
    state: Arc<SimState>,
    session: Session,
    connection: u64,
    /// The number of the next event, over all partitions.
    next: u64,
    asked: Asked,
    /// When the last byte was sent.
    last_ms: i64,
    silent: bool,
    broken: bool,
}

impl Reader {
    /// A connection that begins at an event, and was asked for in these words.
    pub(super) fn new(
        state: Arc<SimState>,
        session: &Session,
        connection: u64,
        next: u64,
        asked: Asked,
    ) -> Self {
        let reader = Self {
            last_ms: state.clock.now_ms(),
            state,
            session: session.clone(),
            connection,
            next,
            asked,
            silent: false,
            broken: false,
        };
        reader.tell("streamStarted");
        reader
    }

    fn context(&self) -> Option<Context<'_>> {
        Caller(self.state.place(&self.session.tenant)?).context(&self.state)
    }

    /// Coming and going are events themselves.
    fn tell(&self, what: &str) {
        let Some(c) = self.context() else { return };
        let (offset, types) = (self.asked.offset, self.asked.types.as_deref());
        let place = Place { partition: self.session.partition, offset, types };
        let (kind, event) = of_stream(c, what, &self.session.app, &place);
        self.state.falcon.streams.feeds.with(c, |feed| feed.add(c, kind, event));
    }

    /// The body.
    pub(super) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::unfold(self, |mut reader| async move {
            loop {
                match reader.turn() {
                    Turn::Send(bytes) => return Some((Ok(bytes.into()), reader)),
                    Turn::Half(bytes) => {
                        reader.broken = true;
                        return Some((Ok(bytes.into()), reader));
                    }
                    Turn::Break => {
                        // Let the half line reach the wire before the connection goes.
                        tokio::time::sleep(LOOK).await;
                        return Some((Err(io::Error::other("fault break-off")), reader));
                    }
                    Turn::End => return None,
                    Turn::Wait => tokio::time::sleep(LOOK).await,
                }
            }
        })
    }

    fn turn(&mut self) -> Turn {
        let now = self.state.clock.now_ms();
        if self.broken {
            return Turn::Break;
        }
        if !self.state.falcon.streams.is_read_by(&self.session.token, self.connection, now) {
            return Turn::End;
        }
        if self.silent {
            return Turn::Wait;
        }
        let turn = self.news().unwrap_or(Turn::End);
        let heartbeat =
            i64::try_from(self.state.options.stream_heartbeat.as_millis()).unwrap_or(i64::MAX / 4);
        match turn {
            Turn::Wait if now - self.last_ms >= heartbeat && !self.silent => {
                self.last_ms = now;
                Turn::Send(b"\n".to_vec())
            }
            Turn::Send(_) => {
                self.last_ms = now;
                turn
            }
            turn => turn,
        }
    }

    /// The events that have come, as many as go into a piece.
    fn news(&mut self) -> Option<Turn> {
        let state = Arc::clone(&self.state);
        let c = Caller(state.place(&self.session.tenant)?).context(&state)?;
        Some(state.falcon.streams.feeds.with(c, |feed| {
            let mut out = Vec::new();
            while self.next < feed.total() && out.len() < PIECE && !self.silent {
                if let Some(end) = self.line(c, feed, &mut out) {
                    return end;
                }
            }
            if out.is_empty() { Turn::Wait } else { Turn::Send(out) }
        }))
    }

    fn wants(&self, kind: Option<&str>) -> bool {
        self.asked.types.as_ref().is_none_or(|types| types.iter().any(|t| Some(t.as_str()) == kind))
    }

    /// Writes the next line, or what a fault makes of it; something, when the body ends with it.
    fn line(&mut self, c: Context<'_>, feed: &Feed, out: &mut Vec<u8>) -> Option<Turn> {
        let (number, offsets) = (self.next, Offsets::of(c, self.session.partition));
        let line = |number: u64| feed.line(c, number, offsets.offset(number)).unwrap_or_default();
        self.next += offsets.step();
        if !self.wants(feed.kind(c, number)) {
            return None;
        }
        match c.state.faults.page(OPERATION, &c.tenant.name) {
            None => out.append(&mut line(number)),
            Some(PageFault::BadItem) => out.append(&mut spoiled(line(number))),
            Some(PageFault::BreakOff) => {
                let whole = line(number);
                out.extend_from_slice(&whole[..whole.len() / 2]);
                return Some(Turn::Half(std::mem::take(out)));
            }
            Some(PageFault::ExpiredCursor) => {
                self.state.falcon.streams.end(&self.session.token);
                return Some(if out.is_empty() { Turn::End } else { Turn::Send(std::mem::take(out)) });
            }
            Some(PageFault::Drift { shift }) if shift < 0 => {
                self.next += offsets.step() * (shift.unsigned_abs() - 1);
            }
            Some(PageFault::Drift { shift }) => {
                let back = shift.unsigned_abs().min(number / offsets.step() + 1);
                let again = (0..back).rev().map(|n| number - n * offsets.step());
                out.append(&mut line(number));
                again.for_each(|n| out.append(&mut line(n)));
            }
            Some(_) => {
                self.next = number;
                self.silent = true;
            }
        }
        None
    }
}

/// A line that is no JSON, but shows its offset.
fn spoiled(mut line: Vec<u8>) -> Vec<u8> {
    let inside = line.windows(8).position(|w| w == b"\"event\":").unwrap_or(line.len() / 2);
    line.truncate(inside);
    line.extend_from_slice(b"\"event\":{\"broken\n");
    line
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.state.falcon.streams.leave(&self.session.token, self.connection);
        self.tell("streamStopped");
    }
}
