//! Pages that are asked for before they are needed, where the vendor's paging tells in advance where they begin.
//!
//! Requests go out in their order and one at a time through the [`crate::Pacer`]: the next one is made when the one
//! before it has had its turn, so that a walk never has more than one request waiting in its lane, whatever the pace.
//! How many are under way grows with the pages that are read, so that a reader who wants little asks for little.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::{Either, select};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc};
use tokio::task::AbortHandle;
use tracing::instrument::WithSubscriber as _;

use crate::decoded::Decode;
use crate::{DecodedReader, HttpClient, RequestPlan};

/// How many pages are under way at first, and how many more with each that is read.
const STEP: usize = 4;
/// How many pages of one walk are under way at most.
const MOST: usize = 24;
/// How many pages of all walks of the process are under way ahead: each may hold a buffer, and a connection.
const ALL_AHEAD: usize = 128;
/// How many of them at one host that speaks HTTP/2: all its tenants share a connection, on which services allow about
/// 100 streams, and the pages that somebody waits for need the rest.
const STREAMS_AHEAD: usize = 64;
static ALL: Room = Room::new();

/// What all walks may ask for ahead.
struct Room {
    pages: Semaphore,
    /// By host.
    streams: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

impl Room {
    const fn new() -> Self {
        Self { pages: Semaphore::const_new(ALL_AHEAD), streams: Mutex::new(BTreeMap::new()) }
    }

    /// The streams of the client's host; nothing where each request has a connection of its own.
    fn streams(&self, client: &HttpClient) -> Option<Arc<Semaphore>> {
        let host = client.shares_connection().then(|| client.base().authority().to_owned())?;
        let mut all = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        Some(all.entry(host).or_insert_with(|| Arc::new(Semaphore::new(STREAMS_AHEAD))).clone())
    }

    /// The stream comes first: who waits for one must not hold a page that tenants of other hosts could have.
    async fn share(&'static self, client: &HttpClient) -> Option<AheadShare> {
        let _stream = match self.streams(client) {
            Some(streams) => Some(streams.acquire_owned().await.ok()?),
            None => None,
        };
        Some(AheadShare { _stream, _page: self.pages.acquire().await.ok()? })
    }

    fn try_share(&'static self, client: &HttpClient) -> Option<AheadShare> {
        let _stream = match self.streams(client) {
            Some(streams) => Some(streams.try_acquire_owned().ok()?),
            None => None,
        };
        Some(AheadShare { _stream, _page: self.pages.try_acquire().ok()? })
    }
}

/// A share of what all walks of the process may ask for ahead, for a page that is asked for without a [`Vanguard`].
/// Dropping it gives it back: do so when the page is waited for.
#[derive(Debug)]
pub struct AheadShare {
    _stream: Option<OwnedSemaphorePermit>,
    _page: SemaphorePermit<'static>,
}

impl AheadShare {
    /// A share for a page of this client's, unless all are taken: then ask for the page when it is needed.
    #[must_use]
    pub fn take(client: &HttpClient) -> Option<Self> {
        ALL.try_share(client)
    }
}

/// Pages of one walk that are asked for ahead. Dropping it ends their requests.
pub struct Vanguard<T> {
    pages: mpsc::UnboundedReceiver<Page<T>>,
    room: Arc<Semaphore>,
    /// Somebody waits for a page that has not been asked for.
    hungry: Arc<Notify>,
    grown: usize,
    task: AbortHandle,
}

struct Page<T> {
    at: u64,
    reader: DecodedReader<T>,
    /// Its share of what all walks may have; the page that is waited for needs none.
    share: Option<AheadShare>,
}

impl<T> fmt::Debug for Vanguard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vanguard").finish_non_exhaustive()
    }
}

impl<T> Drop for Vanguard<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<T: Send + 'static> Vanguard<T> {
    /// Begins to ask for these pages, each known by where it begins, in this order.
    pub fn start(
        client: &HttpClient,
        paths: &'static [&'static [&'static str]],
        plans: impl Iterator<Item = (u64, RequestPlan)> + Send + 'static,
        decode: impl Fn(Bytes) -> T + Send + Sync + 'static,
    ) -> Self {
        Self::within(&ALL, client, paths, plans, decode)
    }

    fn within(
        all: &'static Room,
        client: &HttpClient,
        paths: &'static [&'static [&'static str]],
        plans: impl Iterator<Item = (u64, RequestPlan)> + Send + 'static,
        decode: impl Fn(Bytes) -> T + Send + Sync + 'static,
    ) -> Self {
        let (out, pages) = mpsc::unbounded_channel();
        let (room, hungry) = (Arc::new(Semaphore::new(STEP)), Arc::new(Notify::new()));
        let asker = Asker {
            client: client.clone(),
            paths,
            decode: Arc::new(decode),
            out,
            all,
            room: room.clone(),
            hungry: hungry.clone(),
        };
        let task = tokio::spawn(asker.run(plans).with_current_subscriber()).abort_handle();
        Self { pages, room, hungry, grown: STEP, task }
    }

    /// The page that begins here. Nothing when it is not the next one: then the pages stand elsewhere than was thought.
    pub async fn take(&mut self, at: u64) -> Option<DecodedReader<T>> {
        let page = match self.pages.try_recv() {
            Ok(page) => page,
            Err(_) => {
                self.hungry.notify_one();
                self.pages.recv().await?
            }
        };
        drop(page.share);
        let more = STEP.min(MOST - self.grown);
        self.grown += more;
        self.room.add_permits(1 + more);
        (page.at == at).then_some(page.reader)
    }
}

struct Asker<T> {
    client: HttpClient,
    paths: &'static [&'static [&'static str]],
    decode: Decode<T>,
    out: mpsc::UnboundedSender<Page<T>>,
    all: &'static Room,
    room: Arc<Semaphore>,
    hungry: Arc<Notify>,
}

impl<T: Send + 'static> Asker<T> {
    async fn run(self, plans: impl Iterator<Item = (u64, RequestPlan)>) {
        for (at, plan) in plans {
            let Ok(room) = self.room.acquire().await else { return };
            room.forget();
            let share = self.share().await;
            let mut reader = self.client.items(plan, self.paths).ahead();
            let left = reader.on_leaving();
            let reader = DecodedReader::new(reader, None, self.decode.clone());
            if self.out.send(Page { at, reader, share }).is_err() {
                return;
            }
            // It has gone out, or it never will.
            let _ = left.await;
        }
    }

    async fn share(&self) -> Option<AheadShare> {
        match select(pin!(self.all.share(&self.client)), pin!(self.hungry.notified())).await {
            Either::Left((share, _)) => share,
            Either::Right(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::testing::{Plain, READ};
    use crate::{Budget, DecodedEvent, MemoryTransport, Pacer};

    const PATHS: &[&[&str]] = &[&["items"]];

    struct Bench {
        client: HttpClient,
        /// When each request came, and how many were under way at most.
        came: Arc<Mutex<Vec<Instant>>>,
        most: Arc<AtomicUsize>,
        /// What its walks may have ahead: tests run beside each other, and each with a clock of its own.
        all: &'static Room,
    }

    fn bench(latency: Duration, pace: f64) -> Bench {
        bench_at(
            "https://api.example",
            http::Version::HTTP_2,
            Box::leak(Box::new(Room::new())),
            latency,
            pace,
        )
    }

    fn bench_at(
        base: &str,
        version: http::Version,
        all: &'static Room,
        latency: Duration,
        pace: f64,
    ) -> Bench {
        let (came, now, most) = (
            Arc::<Mutex<Vec<Instant>>>::default(),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (seen, peak) = (came.clone(), most.clone());
        let transport = MemoryTransport::new(move |request| {
            seen.lock().unwrap().push(Instant::now());
            let (now, peak) = (now.clone(), peak.clone());
            let page = request.uri().query().unwrap_or_default().trim_start_matches("page=").to_owned();
            async move {
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(latency).await;
                now.fetch_sub(1, Ordering::SeqCst);
                let mut answer = MemoryTransport::json(200, &format!("{{\"items\":[{page}]}}"))?;
                *answer.version_mut() = version;
                Ok(answer)
            }
        });
        let base = url::Url::parse(base).unwrap();
        let builder =
            HttpClient::builder("t".into(), "v".into(), base, Arc::new(transport), Arc::new(Plain)).unwrap();
        let client = builder.pacer(&Arc::new(Pacer::new(Budget::per_second(pace)))).build();
        Bench { client, came, most, all }
    }

    fn vanguard(bench: &Bench, pages: u64) -> Vanguard<String> {
        let plans = (0..pages).map(|n| (n, RequestPlan::get(&READ, "/x").query("page", n.to_string())));
        let text = |item: Bytes| String::from_utf8(item.to_vec()).unwrap();
        Vanguard::within(bench.all, &bench.client, PATHS, plans, text)
    }

    async fn item(reader: &mut DecodedReader<String>) -> String {
        loop {
            if let DecodedEvent::Items(items) = reader.next().await.unwrap().unwrap() {
                return items[0].clone();
            }
        }
    }

    async fn read(bench: &Bench, pages: u64) -> Duration {
        let (mut ahead, began) = (vanguard(bench, pages), Instant::now());
        for n in 0..pages {
            let mut reader = ahead.take(n).await.unwrap();
            assert_eq!(item(&mut reader).await, n.to_string());
        }
        assert!(ahead.take(pages).await.is_none(), "there are no more");
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn pages_come_in_order_and_many_at_a_time() {
        let bench = bench(Duration::from_millis(100), 0.0);
        let time = read(&bench, 200).await;
        assert!(time <= Duration::from_millis(1700), "{time:?}");
        assert_eq!(bench.came.lock().unwrap().len(), 200, "each page is asked for once");
        assert!(bench.most.load(Ordering::SeqCst) <= MOST + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_kept_and_used_up() {
        for latency in [20, 300, 1000] {
            let bench = bench(Duration::from_millis(latency), 10.0);
            let time = read(&bench, 300).await.as_secs_f64() - latency as f64 / 1000.0;
            assert!(300.0 / time >= 9.5, "{} a second at {latency} ms", 300.0 / time);
            let came = bench.came.lock().unwrap();
            let within = |from: &Instant| {
                came.iter().filter(|t| **t >= *from && **t < *from + Duration::from_secs(1)).count()
            };
            assert!(came.iter().all(|from| within(from) <= 10), "more than ten in a second at {latency} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_else_waits_for_one_turn_and_not_for_all_pages() {
        let bench = bench(Duration::from_millis(50), 2.0);
        let mut ahead = vanguard(&bench, 100);
        for n in 0..8 {
            ahead.take(n).await.unwrap();
        }
        let began = Instant::now();
        let mut other = bench.client.items(RequestPlan::get(&READ, "/x").query("page", "7"), PATHS);
        while other.next().await.is_some() {}
        assert!(began.elapsed() <= Duration::from_millis(1200), "{:?}", began.elapsed());
    }

    /// So many walks at this host, once it is known how it speaks; what they have under way at most after a while.
    async fn crowd(bench: &Bench, walks: usize) -> (Vec<Vanguard<String>>, usize) {
        let mut first = bench.client.items(RequestPlan::get(&READ, "/x").query("page", "0"), PATHS);
        while first.next().await.is_some() {}
        let walks = (0..walks).map(|_| vanguard(bench, 100)).collect();
        sleep(Duration::from_secs(5)).await;
        (walks, bench.most.load(Ordering::SeqCst))
    }

    const LATE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn all_walks_together_leave_streams_of_a_connection_for_what_is_waited_for() {
        let bench = bench(LATE, 0.0);
        let (mut walks, most) = crowd(&bench, 40).await;
        assert_eq!(most, STREAMS_AHEAD);
        // None has a share left, and it gets its page all the same.
        let last = walks.last_mut().unwrap();
        assert_eq!(item(&mut last.take(0).await.unwrap()).await, "0");
        assert!(bench.most.load(Ordering::SeqCst) < 100);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_costs_the_retries_of_the_page_that_is_waited_for() {
        let (began, came) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let count = came.clone();
        let transport = MemoryTransport::new(move |request| {
            count.fetch_add(1, Ordering::SeqCst);
            let page = request.uri().query().unwrap_or_default().trim_start_matches("page=").to_owned();
            let out = (1.0..3.0).contains(&began.elapsed().as_secs_f64());
            async move {
                sleep(Duration::from_millis(100)).await;
                let status = if out { 503 } else { 200 };
                MemoryTransport::json(status, &format!("{{\"items\":[{page}]}}"))
            }
        });
        let base = url::Url::parse("https://api.example").unwrap();
        let builder =
            HttpClient::builder("t".into(), "v".into(), base, Arc::new(transport), Arc::new(Plain)).unwrap();
        let all: &Room = Box::leak(Box::new(Room::new()));
        let bench = Bench { client: builder.build(), came: Arc::default(), most: Arc::default(), all };
        let mut ahead = vanguard(&bench, 60);
        for n in 0..60 {
            // The reader is slow enough for an outage to strike pages that it has not come to.
            sleep(Duration::from_millis(if n < 20 { 95 } else { 0 })).await;
            assert_eq!(item(&mut ahead.take(n).await.unwrap()).await, n.to_string());
        }
        let more = came.load(Ordering::SeqCst) - 60;
        assert!((MOST / 2..=MOST + 8).contains(&more), "{more} requests more than pages");
    }

    #[tokio::test(start_paused = true)]
    async fn each_host_has_streams_of_its_own_up_to_the_bound_of_all() {
        let room: &Room = Box::leak(Box::new(Room::new()));
        let hosts = ["https://a.example", "https://b.example", "https://c.example"];
        let mut all = Vec::new();
        for (host, most) in hosts.into_iter().zip([STREAMS_AHEAD, ALL_AHEAD - STREAMS_AHEAD, 1]) {
            let bench = bench_at(host, http::Version::HTTP_2, room, LATE, 0.0);
            let (walks, seen) = crowd(&bench, 40).await;
            assert_eq!(seen, most, "{host}");
            all.push(walks);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_with_connections_of_their_own_are_bounded_as_pages_alone() {
        let room: &Room = Box::leak(Box::new(Room::new()));
        let bench = bench_at("https://a.example", http::Version::HTTP_11, room, LATE, 0.0);
        assert_eq!(crowd(&bench, 100).await.1, ALL_AHEAD);
    }

    #[test]
    fn a_share_is_given_back() {
        let client = bench(LATE, 0.0).client;
        let shares: Vec<AheadShare> = std::iter::from_fn(|| AheadShare::take(&client)).collect();
        assert_eq!(shares.len(), STREAMS_AHEAD);
        drop(shares);
        assert!(AheadShare::take(&client).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_little_asks_for_little() {
        let bench = bench(Duration::from_millis(100), 0.0);
        let mut ahead = vanguard(&bench, 100);
        ahead.take(0).await.unwrap();
        sleep(Duration::from_secs(10)).await;
        let asked = bench.came.lock().unwrap().len();
        assert!(asked <= 1 + 2 * STEP, "{asked}");
        assert!(ahead.take(50).await.is_none(), "the pages stand elsewhere");
        drop(ahead);
        sleep(Duration::from_secs(10)).await;
        assert!(bench.came.lock().unwrap().len() <= asked + STEP + 1);
    }
}
