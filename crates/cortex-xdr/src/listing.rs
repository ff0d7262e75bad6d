//! One page as a stream of parts: items are decoded, mapped and checked while the body arrives.

use edr_core::{Drift, Error, PageEnd, Part, PartStream, Query, Raw, Rejected, Result};
use edr_http::{DecodedEvent, DecodedReader, ItemEvent, ItemReader};
use futures_util::{StreamExt as _, stream};

use crate::{CortexClient, api};

/// What has arrived of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Items, rejected and filtered ones included.
    pub(crate) arrived: u64,
    /// The key of the last item that has one.
    pub(crate) last: Option<i64>,
    /// A key came out of order.
    pub(crate) disordered: bool,
    /// The id of the last item, if it has one.
    pub(crate) last_uid: Option<String>,
    /// The item that the page before ended with has been seen again.
    pub(crate) anchored: bool,
}

impl Tally {
    fn count(&mut self, uid: Option<&str>, key: Option<i64>, descending: bool) {
        self.arrived += 1;
        // An item without an id cannot be found again, so there is nothing to look for then.
        match (&mut self.last_uid, uid) {
            (Some(last), Some(uid)) => uid.clone_into(last),
            (last, uid) => *last = uid.map(str::to_owned),
        }
        let Some(key) = key else { return };
        let back = self.last.is_some_and(|last| if descending { key > last } else { key < last });
        self.disordered |= back;
        self.last = Some(key);
    }
}

/// The windows of a listing overlap by one item. If what a window should begin after is not in it, the
/// listing has moved up since, and items may have slipped between two windows. A listing that moved
/// down brings items again, which a walk drops.
pub(crate) fn drift(anchor: Option<&str>, from: u64, tally: &Tally) -> Drift {
    match anchor {
        None if from == 0 => Drift::None,
        Some(_) if tally.anchored => Drift::None,
        Some(_) => Drift::Seen,
        None => Drift::Unknown,
    }
}

/// Where a window begins and how large it is, so that it overlaps the one before and still brings
/// something new.
pub(crate) fn window(from: u64, anchor: Option<&str>, size: u32) -> (u64, u32) {
    match anchor {
        Some(_) if from > 0 => (from - 1, size.saturating_add(1).min(api::MAX_WINDOW)),
        _ => (from, size),
    }
}

/// Where the next window begins: after what arrived, or, when nothing new did, after the window.
pub(crate) fn next_from(begun: u64, size: u32, tally: &Tally) -> u64 {
    let news = tally.arrived - u64::from(tally.anchored);
    begun.saturating_add(if news > 0 { tally.arrived } else { u64::from(size) })
}

/// The items of a page as they arrive, decoded.
pub(crate) type Items<T> = DecodedReader<Decoded<T>>;
/// An item, or what could not be decoded.
pub(crate) type Decoded<T> = Result<T, Box<Rejected>>;

/// Decodes what a reader gives out, after an event that has been read already.
pub(crate) fn decoded<T: Send + 'static>(
    reader: ItemReader,
    first: Option<ItemEvent>,
    decode: impl Fn(Raw) -> Decoded<T> + Send + Sync + 'static,
) -> Items<T> {
    reader.decoded(first, move |bytes| decode(Raw::new(bytes)))
}

type End<'a> = Box<dyn Fn(&[u8], &Tally) -> Result<Ending> + Send + 'a>;

/// How a page ends.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) end: PageEnd,
    /// Nothing new came, although there must be more: what should have come is missing.
    pub(crate) hollow: bool,
}

/// True for a window that brought nothing new before the vendor's count.
pub(crate) fn is_hollow(begun: u64, total: Option<u64>, tally: &Tally) -> bool {
    let news = tally.arrived - u64::from(tally.anchored);
    news == 0 && total.is_some_and(|total| begun + tally.arrived < total)
}

/// True for a first window behind an edge, which should begin with the item at the edge and has none.
pub(crate) fn lacks_edge(edge: Option<i64>, from: u64, tally: &Tally) -> bool {
    edge.is_some() && from == 0 && tally.arrived == 0
}

/// A page that is being read.
pub(crate) struct Reading<'a, Q: Query> {
    pub(crate) client: &'a CortexClient,
    pub(crate) items: Items<Q::Item>,
    pub(crate) query: &'a Q,
    /// The key by which the listing is ordered, where it has one.
    pub(crate) key: fn(&Q::Item) -> Option<i64>,
    pub(crate) descending: bool,
    /// The id that the page before ended with.
    pub(crate) anchor: Option<String>,
    /// Where the page should begin.
    pub(crate) from: u64,
    /// An earlier page of the listing did not keep its order.
    pub(crate) disordered: bool,
    /// Where the listing goes on, from the envelope and what has arrived.
    pub(crate) end: End<'a>,
    pub(crate) operation: &'static str,
}

impl<'a, Q: Query> Reading<'a, Q> {
    /// The parts.
    pub(crate) fn into_parts(self) -> PartStream<'a, Q::Item> {
        let tally = self.tally();
        let state = Some((self, tally));
        stream::unfold(state, |state| async move {
            let (mut reading, mut tally) = state?;
            let part = reading.part(&mut tally).await?;
            let goes_on = part.as_ref().is_ok_and(|part| part.end.is_none());
            Some((part, goes_on.then_some((reading, tally))))
        })
        .boxed()
    }

    fn tally(&self) -> Tally {
        Tally { disordered: self.disordered, ..Tally::default() }
    }

    async fn part(&mut self, tally: &mut Tally) -> Option<Result<Part<Q::Item>>> {
        let event = loop {
            match self.items.next().await? {
                // What it says comes again at the end.
                Ok(DecodedEvent::Head(_)) => {}
                event => break event,
            }
        };
        let part = event.and_then(|event| self.take(event, tally));
        let rejected = part.as_ref().map_or(0, |part| part.rejected.len());
        self.client.http().count_rejected(<Q::Item as edr_core::Listing>::NOUN, rejected);
        Some(part)
    }

    fn take(&self, event: DecodedEvent<Decoded<Q::Item>>, tally: &mut Tally) -> Result<Part<Q::Item>> {
        let mut part = Part::default();
        match event {
            DecodedEvent::Head(_) => {}
            DecodedEvent::Items(items) => {
                // In place: items are large, and most listings keep nearly all of them.
                let kept = items.into_iter().filter_map(|item| self.item(item, tally, &mut part)).collect();
                part.items = kept;
            }
            DecodedEvent::Restarted => {
                *tally = self.tally();
                part.restarted = true;
            }
            DecodedEvent::End { skeleton, .. } => {
                let dressed = |e: Error| {
                    let http = self.client.http();
                    e.with_operation(self.operation).with_tenant(http.tenant(), http.vendor())
                };
                let ending = (self.end)(&skeleton, tally).map_err(dressed)?;
                let drift = drift(self.anchor.as_deref(), self.from, tally);
                part.drift = if ending.hollow { Drift::Seen } else { drift };
                part.end = Some(ending.end);
                part.warnings = self.client.warnings();
            }
        }
        Ok(part)
    }

    /// The item, when it is news that is asked for; what else there is to say of it goes to the part.
    fn item(&self, item: Decoded<Q::Item>, tally: &mut Tally, part: &mut Part<Q::Item>) -> Option<Q::Item> {
        use edr_core::Listing as _;
        match item {
            Ok(item) => {
                let known = self.meets_anchor(Some(item.uid()), tally);
                tally.count(Some(item.uid()), (self.key)(&item), self.descending);
                if known {
                    return None;
                }
                if self.query.matches(&item) {
                    return Some(item);
                }
                part.filtered_out.push(item.key());
            }
            Err(rejected) => {
                let known = self.meets_anchor(rejected.uid.as_deref(), tally);
                tally.count(rejected.uid.as_deref(), None, self.descending);
                if !known {
                    part.rejected.push(*rejected);
                }
            }
        }
        None
    }

    /// Looks for the item of the overlap; true when it stands where it should, and is no news.
    fn meets_anchor(&self, uid: Option<&str>, tally: &mut Tally) -> bool {
        let met = self.anchor.is_some() && self.anchor.as_deref() == uid;
        tally.anchored |= met;
        met && tally.arrived == 0
    }
}
