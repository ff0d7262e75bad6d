//! Items that are decoded beside the transfer and not after it.
//!
//! One task takes the body from the connection's and cuts the items out of it. It decodes the last handful of each piece
//! itself; those before it are decoded in tasks of their own, so that all processors take part. The reader gets them in the order in which they came. What is under way is bounded by
//! [`BATCH`] and [`BATCHES`], whatever the size of a page: a slow reader slows the vendor down.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use edr_core::{Error, ErrorKind, Result, RetryStatus};
use http::HeaderMap;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tracing::instrument::WithSubscriber as _;

use crate::{ItemEvent, ItemReader};

/// How many items are decoded as one.
const BATCH: usize = 32;
/// How many batches and other events wait for the reader.
const BATCHES: usize = 6;

/// How an item is decoded.
pub(crate) type Decode<T> = Arc<dyn Fn(Bytes) -> T + Send + Sync>;

/// What a [`DecodedReader`] gives out. Exhaustive on purpose, as [`ItemEvent`] is.
#[derive(Debug)]
pub enum DecodedEvent<T> {
    /// The body is whole. The skeleton is the envelope with the array empty.
    End {
        /// The envelope.
        skeleton: Bytes,
        /// The headers of the answer.
        headers: HeaderMap,
    },
    /// The envelope up to the array, closed: what the vendor says before the first item. It may come again when the
    /// page does, and not at all when the page has no items.
    Head(Bytes),
    /// Items, decoded.
    Items(Vec<T>),
    /// The body broke off and is asked for again: the items of this page will come once more.
    Restarted,
}

enum Pending<T> {
    Event(Result<DecodedEvent<T>>),
    Items(JoinHandle<Vec<T>>),
}

/// Reads one listing, item by item, and decodes it; made by [`ItemReader::decoded`]. Dropping it ends the request.
pub struct DecodedReader<T> {
    pending: mpsc::Receiver<Pending<T>>,
    /// A batch that is waited for: kept here, so that a call that is dropped loses nothing.
    batch: Option<JoinHandle<Vec<T>>>,
    pump: AbortHandle,
    /// The page once more, for one that was asked for ahead and of which nothing has come yet: what was not
    /// tried again then may be over.
    again: Option<Box<Again<T>>>,
    /// The end or an error was given out.
    over: bool,
}

type Again<T> = dyn FnOnce() -> DecodedReader<T> + Send;

impl<T> fmt::Debug for DecodedReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodedReader").finish_non_exhaustive()
    }
}

impl<T> Drop for DecodedReader<T> {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl<T: Send + 'static> DecodedReader<T> {
    pub(crate) fn new(reader: ItemReader, first: Option<ItemEvent>, decode: Decode<T>) -> Self {
        let again = reader.again().map(|reader| {
            let decode = decode.clone();
            Box::new(move || Self::new(reader(), None, decode)) as Box<Again<T>>
        });
        let (out, pending) = mpsc::channel(BATCHES);
        let pump = Pump { reader, decode, out, told: None };
        let pump = tokio::spawn(pump.run(first).with_current_subscriber()).abort_handle();
        Self { pending, batch: None, pump, again, over: false }
    }

    /// The next event; `None` after the end or an error, and never without one of them: a page that stops in the middle
    /// must not look whole.
    pub async fn next(&mut self) -> Option<Result<DecodedEvent<T>>> {
        if self.over {
            return None;
        }
        let mut event = self.step().await;
        if let (Some(again), Err(error)) = (self.again.take(), &event)
            && error.retry_status() == RetryStatus::Temporary
        {
            *self = again();
            event = self.step().await;
        }
        self.over = matches!(event, Err(_) | Ok(DecodedEvent::End { .. }));
        Some(event)
    }

    async fn step(&mut self) -> Result<DecodedEvent<T>> {
        let batch = match &mut self.batch {
            Some(batch) => batch,
            None => match self.pending.recv().await {
                Some(Pending::Event(event)) => return event,
                Some(Pending::Items(batch)) => self.batch.insert(batch),
                None => return Err(Error::new(ErrorKind::Decode, "the task that reads ended early")),
            },
        };
        let items = batch.await;
        self.batch = None;
        let lost = |e| Error::new(ErrorKind::Decode, "a task that decodes items ended early").with_source(e);
        items.map(DecodedEvent::Items).map_err(lost)
    }
}

/// Nobody listens any more.
struct Gone;

struct Pump<T> {
    reader: ItemReader,
    decode: Decode<T>,
    out: mpsc::Sender<Pending<T>>,
    /// The head that was told.
    told: Option<Bytes>,
}

impl<T: Send + 'static> Pump<T> {
    async fn run(mut self, first: Option<ItemEvent>) {
        let mut next = first.map(Ok);
        loop {
            let event = match next.take() {
                Some(event) => Some(event),
                None => self.reader.next().await,
            };
            let Some(event) = event else { return };
            if self.tell_head().await.is_err() || self.pass(event).await.is_err() {
                return;
            }
        }
    }

    async fn tell_head(&mut self) -> Result<(), Gone> {
        let head = self.reader.head().filter(|head| self.told.as_ref() != Some(*head)).cloned();
        let Some(head) = head else { return Ok(()) };
        self.told = Some(head.clone());
        self.send(Pending::Event(Ok(DecodedEvent::Head(head)))).await
    }

    async fn pass(&mut self, event: Result<ItemEvent>) -> Result<(), Gone> {
        let event = match event {
            Ok(ItemEvent::Items(items)) => return self.decode(items).await,
            Ok(ItemEvent::Restarted) => Ok(DecodedEvent::Restarted),
            Ok(ItemEvent::End { skeleton, headers }) => Ok(DecodedEvent::End { skeleton, headers }),
            Err(error) => Err(error),
        };
        self.send(Pending::Event(event)).await
    }

    async fn decode(&mut self, items: Vec<Bytes>) -> Result<(), Gone> {
        let mut items = items.into_iter();
        while items.len() > 0 {
            // Room comes first, so that no more is decoded than somebody waits for.
            let room = self.out.reserve().await.map_err(|_| Gone)?;
            let batch: Vec<Bytes> = items.by_ref().take(BATCH).collect();
            let decode = self.decode.clone();
            let decoded = move || batch.into_iter().map(|item| decode(item)).collect();
            room.send(match items.len() {
                0 => Pending::Event(Ok(DecodedEvent::Items(decoded()))),
                _ => Pending::Items(tokio::spawn(async move { decoded() })),
            });
        }
        Ok(())
    }

    async fn send(&mut self, pending: Pending<T>) -> Result<(), Gone> {
        self.out.send(pending).await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{StreamExt as _, stream};

    use super::*;
    use crate::testing::{READ, client_of};
    use crate::transport::{TransportError, TransportErrorKind};
    use crate::{MemoryTransport, RequestPlan};

    const PATHS: &[&[&str]] = &[&["items"]];

    /// A body of so many numbers, in pieces of so many bytes; the first answer may break off after some.
    fn numbers(count: usize, piece: usize, breaks: Option<usize>) -> MemoryTransport {
        let list: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        let body = format!("{{\"next\":\"k\",\"items\":[{}],\"n\":{count}}}", list.join(","));
        let answers = AtomicUsize::new(0);
        MemoryTransport::new(move |_| {
            let mut pieces: Vec<Result<Bytes, TransportError>> =
                body.as_bytes().chunks(piece).map(|p| Ok(Bytes::copy_from_slice(p))).collect();
            if let Some(after) = breaks.filter(|_| answers.fetch_add(1, Ordering::SeqCst) == 0) {
                pieces.truncate(after);
                pieces.push(Err(TransportError::new(TransportErrorKind::Body)));
            }
            async move { MemoryTransport::pieces(200, pieces) }
        })
    }

    fn number(item: Bytes) -> usize {
        String::from_utf8(item.to_vec()).unwrap().parse().unwrap()
    }

    async fn told(transport: MemoryTransport) -> (Vec<usize>, Vec<String>) {
        let plan = RequestPlan::get(&READ, "/x");
        let mut reader = client_of(transport).items(plan, PATHS).decoded(None, number);
        let (mut items, mut others) = (Vec::new(), Vec::new());
        while let Some(event) = reader.next().await {
            match event.unwrap() {
                DecodedEvent::Items(more) => {
                    assert!(more.len() <= BATCH);
                    items.extend(more);
                }
                DecodedEvent::Restarted => {
                    items.clear();
                    others.push("restarted".to_owned());
                }
                DecodedEvent::Head(text) => others.push(String::from_utf8(text.to_vec()).unwrap()),
                DecodedEvent::End { skeleton, .. } => {
                    others.push(String::from_utf8(skeleton.to_vec()).unwrap())
                }
            }
        }
        (items, others)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn items_come_in_their_order_and_once() {
        for piece in [7, 1000, 100_000] {
            let (items, others) = told(numbers(5000, piece, None)).await;
            assert_eq!(items, (0..5000).collect::<Vec<_>>(), "pieces of {piece}");
            assert_eq!(others, [r#"{"next":"k","items":[]}"#, r#"{"next":"k","items":[],"n":5000}"#]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_broke_off_comes_again_from_its_beginning() {
        let (items, others) = told(numbers(500, 100, Some(5))).await;
        assert_eq!(items, (0..500).collect::<Vec<_>>());
        let head = r#"{"next":"k","items":[]}"#;
        assert_eq!(others, [head, "restarted", r#"{"next":"k","items":[],"n":500}"#]);
    }

    #[tokio::test]
    async fn a_page_whose_reading_dies_is_never_taken_for_a_whole_one() {
        let transport = MemoryTransport::new(|_| async {
            let first = stream::iter([Ok(Bytes::from_static(b"{\"items\":[1,2,"))]);
            let body = first.chain(stream::once(async { panic!("the task dies here") }));
            Ok(http::Response::new(body.boxed()))
        });
        let mut reader =
            client_of(transport).items(RequestPlan::get(&READ, "/x"), PATHS).decoded(None, number);
        let (mut items, mut error) = (Vec::new(), None);
        while let Some(event) = reader.next().await {
            match event {
                Ok(DecodedEvent::Items(more)) => items.extend(more),
                Ok(event) => assert!(matches!(event, DecodedEvent::Head(_)), "{event:?}"),
                Err(e) => error = Some(e.kind()),
            }
        }
        assert_eq!((items, error), (vec![1, 2], Some(ErrorKind::Decode)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_with_an_item_that_kills_its_task_ends_with_an_error() {
        let plan = RequestPlan::get(&READ, "/x");
        let decode = |item: Bytes| assert_ne!(&item[..], b"40");
        let mut reader = client_of(numbers(5000, 1000, None)).items(plan, PATHS).decoded(None, decode);
        let mut last = None;
        while let Some(event) = reader.next().await {
            assert!(last.is_none(), "nothing comes after an error");
            last = event.err();
        }
        assert_eq!(last.unwrap().kind(), ErrorKind::Decode);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_lets_no_more_be_decoded_than_is_under_way() {
        let decoded = Arc::new(AtomicUsize::new(0));
        let count = decoded.clone();
        let decode = move |item| {
            count.fetch_add(1, Ordering::SeqCst);
            number(item)
        };
        let plan = RequestPlan::get(&READ, "/x");
        let mut reader = client_of(numbers(50_000, 1000, None)).items(plan, PATHS).decoded(None, decode);
        while !matches!(reader.next().await, Some(Ok(DecodedEvent::Items(_)))) {}
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        let before = decoded.load(Ordering::SeqCst);
        assert!(before <= BATCH * (BATCHES + 2), "{before}");
        drop(reader);
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        assert_eq!(decoded.load(Ordering::SeqCst), before, "the request ended with its reader");
    }
}
