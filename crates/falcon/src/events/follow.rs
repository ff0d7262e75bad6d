//! All partitions side by side, over as many sessions as it takes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use edr_core::{Error, ErrorKind, Result, RetryStatus};
use edr_http::HttpClient;
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt as _};
use tokio::time::Instant;

use super::feed::{Happening, Keeper, Kept, Reader, Session, fault, is_final};
use super::order::Track;
use super::schedule::pause;
use super::{
    Checkpoint, EventItem, EventStream, EventsParams, Gap, GapReason, Position, Start, StreamStatus,
};
use crate::FalconClient;
use crate::api::streams::{self, AvailableStream};

/// Sessions in a row that bring no line, after which we give up.
const SESSIONS: u32 = 5;

/// An item with the place that is reached with it.
pub(super) struct Given {
    pub(super) item: EventItem,
    pub(super) at: Option<(u32, Position)>,
}

/// What any part of the stream tells.
enum Told {
    Kept(Kept),
    Read(Happening),
}

struct Follower {
    client: FalconClient,
    params: Arc<EventsParams>,
    parts: SelectAll<BoxStream<'static, Told>>,
    tracks: BTreeMap<u32, Track>,
    /// Attempts in a row that brought nothing.
    failures: u32,
    /// Sessions in a row that brought nothing, for another reason than the network's.
    barren: u32,
    /// How long is waited before the next attempt.
    wait: Duration,
    /// Since when the name is in use, as the vendor says.
    taken: Option<Instant>,
    /// Whether anything was ever read.
    begun: bool,
    told: VecDeque<Result<Given>>,
    repeated: Arc<AtomicU64>,
    over: bool,
}

impl FalconClient {
    /// Follows the events of the tenant, those of all partitions as one stream. Needs "Event streams: read". See
    /// [`crate::events`].
    #[must_use]
    pub fn events(&self, params: EventsParams) -> EventStream {
        let tenant = self.http().tenant().clone();
        let repeated = Arc::new(AtomicU64::new(0));
        let checkpoint = match &params.start {
            Start::After(checkpoint) => checkpoint.clone(),
            _ => Checkpoint::empty(tenant.clone()),
        };
        let mut follower = Follower::new(self.clone(), params, repeated.clone());
        if checkpoint.tenant != tenant {
            follower.fail(foreign(&checkpoint).with_tenant(&tenant, self.http().vendor()));
        }
        let items = stream::unfold(follower, |mut follower| async move {
            follower.step().await.map(|given| (given, follower))
        });
        EventStream { items: items.boxed(), checkpoint, repeated }
    }
}

/// Whether an error may pass by itself.
fn passes(error: &Error) -> bool {
    use ErrorKind as K;
    matches!(error.kind(), K::Network | K::RateLimited | K::Timeout | K::Tls | K::Vendor)
}

fn barren(http: &HttpClient, last: Error) -> Error {
    let hint = "check the scope \"Event streams: read\", the way to the host of the streams (a firewall or proxy), and \
                that nobody else reads under this name";
    fault(http, last.kind(), format!("{SESSIONS} sessions of the event stream in a row brought nothing"))
        .with_retry(RetryStatus::Persistent)
        .with_hint(hint)
        .with_source(last)
}

fn foreign(checkpoint: &Checkpoint) -> Error {
    let message = format!("the checkpoint is one of the tenant {}", checkpoint.tenant);
    Error::new(ErrorKind::Configuration, message)
        .with_hint("offsets mean nothing in another tenant: keep one checkpoint for each")
}

impl Follower {
    fn new(client: FalconClient, params: EventsParams, repeated: Arc<AtomicU64>) -> Self {
        let dense = params.types.is_empty();
        let tracks = match &params.start {
            Start::After(c) => {
                c.partitions.iter().map(|(n, at)| (*n, Track::new(Some(*at), dense))).collect()
            }
            _ => BTreeMap::new(),
        };
        Self {
            client,
            params: Arc::new(params),
            parts: SelectAll::new(),
            tracks,
            failures: 0,
            barren: 0,
            wait: Duration::ZERO,
            taken: None,
            begun: false,
            told: VecDeque::new(),
            repeated,
            over: false,
        }
    }

    async fn step(&mut self) -> Option<Result<Given>> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Some(told);
            }
            if self.over {
                return None;
            }
            if self.parts.is_empty() {
                self.discover().await;
                continue;
            }
            match self.parts.next().await {
                Some(Told::Read(happening)) => self.read(happening),
                Some(Told::Kept(kept)) => self.kept(kept),
                None => {}
            }
        }
    }

    fn fail(&mut self, error: Error) {
        self.parts = SelectAll::new();
        self.over = true;
        self.told.push_back(Err(error));
    }

    fn tell(&mut self, item: EventItem, at: Option<(u32, Position)>) {
        self.told.push_back(Ok(Given { item, at }));
    }

    fn read(&mut self, happening: Happening) {
        match happening {
            Happening::Alive => self.alive(),
            Happening::Fatal(error) => self.fail(error),
            Happening::Gone(error) => self.gone(error),
            Happening::Item(partition, item, track) => {
                if matches!(item, EventItem::Event(_) | EventItem::Rejected(_)) {
                    self.alive();
                }
                self.tracks.insert(partition, track);
                self.tell(item, track.last().map(|at| (partition, at)));
            }
        }
    }

    fn kept(&mut self, kept: Kept) {
        match kept {
            Kept::Fatal(error) => self.fail(error),
            Kept::Gone(error) => self.gone(error),
            Kept::Status(status) => self.tell(EventItem::Status(status), None),
        }
    }

    fn alive(&mut self) {
        (self.failures, self.barren, self.wait, self.begun) = (0, 0, Duration::ZERO, true);
    }

    /// The sessions are over. All of them are begun anew: the vendor gives none to a name that still reads.
    fn gone(&mut self, error: Error) {
        self.parts = SelectAll::new();
        if !self.begun || !passes(&error) {
            self.barren += 1;
        }
        if self.barren >= SESSIONS {
            return self.fail(barren(self.client.feeds(), error));
        }
        self.interrupted(error);
    }

    fn interrupted(&mut self, error: Error) {
        self.failures += 1;
        self.wait = pause(self.failures, self.params.dice.roll());
        let status = StreamStatus::Interrupted { partition: None, error, pause: self.wait };
        self.tell(EventItem::Status(status), None);
    }

    async fn discover(&mut self) {
        tokio::time::sleep(self.wait).await;
        match self.client.event_streams(&self.params.app_id).await {
            Ok(reply) if reply.resources.is_empty() => self.in_use(),
            Ok(reply) => self.begin(&reply.resources),
            Err(error) if is_final(&error) || !self.begun => self.fail(error),
            // The network may be away for long, and comes back some day.
            Err(error) => self.interrupted(error),
        }
    }

    /// No streams: somebody reads under our name. After a break it may be ourselves, for the vendor.
    fn in_use(&mut self) {
        let http = self.client.http();
        let error = fault(http, ErrorKind::Conflict, format!("there is no event stream for {}", self.params.app_id.as_str()))
            .with_operation(streams::DISCOVER.name)
            .with_hint(
                "another program reads under this name: stop it, or take another app id; where there is none, the \
                 tenant has no event streams",
            );
        let since = *self.taken.get_or_insert_with(Instant::now);
        let resumes = self.begun || matches!(self.params.start, Start::After(_));
        if !resumes || since.elapsed() >= self.params.patience {
            return self.fail(error.with_retry(RetryStatus::Persistent));
        }
        self.interrupted(error);
    }

    fn begin(&mut self, streams: &[AvailableStream]) {
        self.taken = None;
        let sessions: Result<Vec<Session>> = streams.iter().map(|s| self.session(s)).collect();
        let sessions = match sessions {
            Ok(sessions) => sessions,
            Err(error) => return self.fail(error),
        };
        self.miss(&sessions);
        for session in sessions {
            self.attend(session);
        }
    }

    fn session(&self, stream: &AvailableStream) -> Result<Session> {
        let feeds = self.client.feeds();
        let odd =
            |what: &'static str| fault(feeds, ErrorKind::Decode, what).with_operation(streams::DISCOVER.name);
        let partition = stream.partition().ok_or_else(|| odd("a stream shows no partition"))?;
        let link = stream.data_feed_url.as_deref().ok_or_else(|| odd("a stream has no address"))?;
        let token = stream.session.as_ref().and_then(|s| s.token.clone());
        let token = token.ok_or_else(|| odd("a stream has no session token"))?.0;
        Ok(Session { partition, url: feeds.checked(link)?, token, interval: stream.refresh_interval })
    }

    /// Tells of the partitions that there are no more.
    fn miss(&mut self, sessions: &[Session]) {
        let here = |partition: &u32| sessions.iter().any(|s| s.partition == *partition);
        let missing: Vec<u32> = self.tracks.keys().filter(|p| !here(p)).copied().collect();
        for partition in missing {
            let after = self.tracks.remove(&partition).and_then(|t| t.last()).map(|at| at.offset);
            let gap = Gap { partition, after, before: None, reason: GapReason::NoPartition };
            self.tell(EventItem::Gap(gap), None);
        }
    }

    fn attend(&mut self, session: Session) {
        let (partition, params) = (session.partition, self.params.clone());
        let keeper = Keeper { client: self.client.clone(), partition, interval: session.interval, params };
        let known = self.tracks.get(&partition).copied();
        let reader = Reader {
            http: self.client.feeds().clone(),
            session,
            params: self.params.clone(),
            track: known.unwrap_or_else(|| Track::new(None, self.params.types.is_empty())),
            newest: self.params.start == Start::Newest,
            repeated: self.repeated.clone(),
            met: known.is_some(),
        };
        self.parts.push(reader.into_stream().map(Told::Read).boxed());
        self.parts.push(keeper.into_stream().map(Told::Kept).boxed());
    }
}
