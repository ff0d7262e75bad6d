//! One page as a stream of parts: items are decoded, mapped and checked while the body arrives.

use edr_core::{Error, PageEnd, Part, PartStream, Query, Raw, Rejected, Result};
use edr_http::{ItemEvent, ItemReader};
use futures_util::{StreamExt as _, stream};

use crate::CortexClient;

/// What has arrived of a page.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Items, rejected and filtered ones included.
    pub(crate) arrived: u64,
    /// The key of the last item that has one.
    pub(crate) last: Option<i64>,
    /// A key came out of order.
    pub(crate) disordered: bool,
}

impl Tally {
    fn count(&mut self, key: Option<i64>, descending: bool) {
        self.arrived += 1;
        let Some(key) = key else { return };
        let back = self.last.is_some_and(|last| if descending { key > last } else { key < last });
        self.disordered |= back;
        self.last = Some(key);
    }
}

type Decode<'a, T> = Box<dyn Fn(Raw) -> Result<T, Box<Rejected>> + Send + 'a>;
type End<'a> = Box<dyn Fn(&[u8], &Tally) -> Result<PageEnd> + Send + 'a>;

/// A page that is being read.
pub(crate) struct Reading<'a, Q: Query> {
    pub(crate) client: &'a CortexClient,
    pub(crate) reader: ItemReader,
    /// An event that has been read already.
    pub(crate) first: Option<ItemEvent>,
    pub(crate) query: &'a Q,
    pub(crate) decode: Decode<'a, Q::Item>,
    /// The key by which the listing is ordered, where it has one.
    pub(crate) key: fn(&Q::Item) -> Option<i64>,
    pub(crate) descending: bool,
    /// Where the listing goes on, from the envelope and what has arrived.
    pub(crate) end: End<'a>,
    pub(crate) operation: &'static str,
}

impl<'a, Q: Query> Reading<'a, Q> {
    /// The parts.
    pub(crate) fn into_parts(self) -> PartStream<'a, Q::Item> {
        let state = Some((self, Tally::default()));
        stream::unfold(state, |state| async move {
            let (mut reading, mut tally) = state?;
            let part = reading.part(&mut tally).await?;
            let goes_on = part.as_ref().is_ok_and(|part| part.end.is_none());
            Some((part, goes_on.then_some((reading, tally))))
        })
        .boxed()
    }

    async fn part(&mut self, tally: &mut Tally) -> Option<Result<Part<Q::Item>>> {
        let event = match self.first.take() {
            Some(event) => Ok(event),
            None => self.reader.next().await?,
        };
        Some(event.and_then(|event| self.take(event, tally)))
    }

    fn take(&self, event: ItemEvent, tally: &mut Tally) -> Result<Part<Q::Item>> {
        let mut part = Part::default();
        match event {
            ItemEvent::Items(items) => {
                items.into_iter().for_each(|bytes| self.item(Raw::new(bytes), tally, &mut part));
            }
            ItemEvent::Restarted => {
                *tally = Tally::default();
                part.restarted = true;
            }
            ItemEvent::End { skeleton, .. } => {
                let dressed = |e: Error| {
                    let http = self.client.http();
                    e.with_operation(self.operation).with_tenant(http.tenant(), http.vendor())
                };
                part.end = Some((self.end)(&skeleton, tally).map_err(dressed)?);
                part.warnings = self.client.warnings();
            }
        }
        Ok(part)
    }

    fn item(&self, raw: Raw, tally: &mut Tally, part: &mut Part<Q::Item>) {
        use edr_core::Listing as _;
        match (self.decode)(raw) {
            Ok(item) => {
                tally.count((self.key)(&item), self.descending);
                if self.query.matches(&item) {
                    part.items.push(item);
                } else {
                    part.filtered_out.push(item.key());
                }
            }
            Err(rejected) => {
                tally.count(None, self.descending);
                part.rejected.push(*rejected);
            }
        }
    }
}
