//! Pages of the listings that have a [`Sheet`], as parts: windows by offset, and beyond the vendor's count by key.
//!
//! Before a window would pass the cap, the listing goes on by key: what stands at or before the last item in its
//! order, from offset 0, so that the border is read twice and a walk drops the duplicates. A key under which
//! more items lie than fit is passed by offset.

use edr_core::{Cursor, Error, ErrorKind, Listing as _, PageEnd, PartStream, Query, Raw, Rejected, Result};
use edr_http::{Operation, RequestPlan};
use serde::{Deserialize, Serialize};

use crate::CortexClient;
use crate::api::{self, Order, PageRequest, Sheet, Skeleton};
use crate::filter::Filters;
use crate::listing::{Ending, Reading, Tally, decoded, is_hollow, lacks_edge, next_from, window};
use crate::map::Context;
use crate::record::Record;

/// A place in a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    /// Which of several listings that follow each other.
    leg: u8,
    from: u64,
    /// Only from this key on.
    edge: Option<i64>,
    /// The id of the item before, where the listing goes on by offset.
    after: Option<String>,
    /// A page did not keep the order.
    disordered: bool,
}

type Plan = Box<dyn Fn(&PageRequest) -> RequestPlan + Send + Sync>;
type Envelope = Box<dyn Fn(&[u8]) -> Result<Skeleton> + Send + Sync>;

/// How an item becomes one of the model.
pub(crate) type Decode<T> = fn(&Context, Raw) -> Result<T, Box<Rejected>>;

/// A sheet, without the type of its records.
pub(crate) struct Book {
    operation: &'static Operation,
    paths: &'static [&'static [&'static str]],
    cap: Option<u64>,
    plan: Plan,
    envelope: Envelope,
}

impl Book {
    /// A listing whose items have no sheet: windows of `list`, up to the cap.
    pub(crate) fn plain(
        operation: &'static Operation,
        plan: fn(&PageRequest) -> RequestPlan,
        cap: u64,
    ) -> Self {
        Self {
            operation,
            paths: &[&["reply", "data"]],
            cap: Some(cap),
            plan: Box::new(plan),
            envelope: Box::new(|body| Skeleton::read(body, &["data"], &["total_count"])),
        }
    }

    pub(crate) fn of<T: Record>(sheet: &'static Sheet<T>) -> Self {
        Self {
            operation: sheet.operation,
            paths: sheet.paths,
            cap: sheet.cap,
            plan: Box::new(|page| sheet.plan(page)),
            envelope: Box::new(|body| sheet.envelope(body)),
        }
    }
}

/// The order of a listing.
pub(crate) struct Key<T> {
    /// The field in requests.
    pub(crate) field: &'static str,
    pub(crate) descending: bool,
    /// Its value, where the vendor filters by it too.
    pub(crate) read: Option<fn(&T) -> Option<i64>>,
}

/// The place of a listing among those that are read one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Leg {
    pub(crate) at: u8,
    /// Which comes after it.
    pub(crate) next: Option<u8>,
    /// The vendor's count is that of everything that is listed.
    pub(crate) is_counted: bool,
}

impl Leg {
    /// There is no other.
    pub(crate) const ONLY: Self = Self { at: 0, next: None, is_counted: true };
}

/// Which listing the cursor stands in; nothing without a cursor.
pub(crate) fn leg<Q: Query>(client: &CortexClient, query: &Q, cursor: Option<&Cursor>) -> Result<Option<u8>> {
    let place = cursor.map(|c| c.open::<Place>(client.http().tenant(), Q::Item::NOUN, query.fingerprint()));
    Ok(place.transpose()?.map(|place| place.leg))
}

/// One page of a listing.
pub(crate) struct Windows<'a, Q: Query> {
    pub(crate) client: &'a CortexClient,
    pub(crate) query: &'a Q,
    pub(crate) book: Book,
    pub(crate) filters: Filters,
    /// The vendor's own order when absent.
    pub(crate) key: Option<Key<Q::Item>>,
    pub(crate) decode: Decode<Q::Item>,
    pub(crate) leg: Leg,
}

impl<'a, Q: Query> Windows<'a, Q> {
    /// The page at `cursor`, as it arrives.
    pub(crate) fn open(self, cursor: Option<&Cursor>) -> Result<PartStream<'a, Q::Item>> {
        let place: Place = match cursor {
            Some(cursor) => {
                cursor.open(self.client.http().tenant(), Q::Item::NOUN, self.query.fingerprint())?
            }
            None => Place::default(),
        };
        let (context, decode) = (self.client.context(), self.decode);
        let reader = self.client.http().items((self.book.plan)(&self.request(&place)), self.book.paths);
        let reading = Reading {
            client: self.client,
            items: decoded(reader, None, move |raw| decode(&context, raw)),
            query: self.query,
            key: self.key.as_ref().and_then(|key| key.read).unwrap_or(|_| None),
            descending: self.key.as_ref().is_some_and(|key| key.descending),
            anchor: place.after.clone(),
            from: place.from,
            disordered: place.disordered,
            operation: self.book.operation.name,
            end: Box::new(move |body, tally| self.end(&place, (self.book.envelope)(body)?, tally)),
        };
        Ok(reading.into_parts())
    }

    fn window(&self, place: &Place) -> (u64, u32) {
        let size = self.query.page_size().unwrap_or(api::MAX_WINDOW).clamp(1, api::MAX_WINDOW);
        window(place.from, place.after.as_deref(), size)
    }

    fn request(&self, place: &Place) -> PageRequest {
        let (from, size) = self.window(place);
        let page = PageRequest::window(from, size);
        let Some(key) = &self.key else { return page.filters(self.filters.clone()) };
        let filters = match (place.edge, key.descending) {
            (None, _) => self.filters.clone(),
            (Some(edge), true) => self.filters.clone().at_most(key.field, edge),
            (Some(edge), false) => self.filters.clone().at_least(key.field, edge),
        };
        let field = key.field;
        page.filters(filters).order(Order { field: field.to_owned(), descending: key.descending })
    }

    fn end(&self, place: &Place, envelope: Skeleton, tally: &Tally) -> Result<Ending> {
        let print = self.query.fingerprint();
        let seal = |place| Cursor::seal(self.client.http().tenant(), Q::Item::NOUN, print, &place);
        let next = match self.next(place, envelope.total, tally)? {
            Some(place) => Some(Place { leg: self.leg.at, ..place }),
            None => self.leg.next.map(|leg| Place { leg, ..Place::default() }),
        };
        let next = next.map(seal).transpose()?;
        // Beyond an edge the vendor counts the rest, and a count at the cap may be cut off.
        let told = |total: &u64| {
            self.leg.is_counted && place.edge.is_none() && self.book.cap.is_none_or(|cap| *total < cap)
        };
        let from = self.window(place).0;
        let hollow = is_hollow(from, envelope.total, tally) || lacks_edge(place.edge, from, tally);
        Ok(Ending { end: PageEnd { next, total: envelope.total.filter(told) }, hollow })
    }

    /// The place after this page. A full window always has one; a short one ends the listing, unless the
    /// vendor's count says that there is more: an empty window in the middle is passed over.
    fn next(&self, place: &Place, total: Option<u64>, tally: &Tally) -> Result<Option<Place>> {
        let (from, size) = self.window(place);
        let (to, size) = (next_from(from, size, tally), u64::from(size));
        let cap = self.book.cap.unwrap_or(u64::MAX);
        if tally.arrived < size && total.is_none_or(|total| to >= total) {
            return if to >= cap && total.is_none_or(|total| total >= cap) {
                Err(cut_off(cap))
            } else {
                Ok(None)
            };
        }
        let passes = total.is_none_or(|total| total >= cap) && to.saturating_add(size) > cap;
        match tally.last {
            Some(edge) if passes && place.edge != Some(edge) => {
                if tally.disordered {
                    return Err(cut_off(cap));
                }
                Ok(Some(Place { edge: Some(edge), ..Place::default() }))
            }
            _ => Ok(Some(Place {
                from: to,
                leg: place.leg,
                edge: place.edge,
                after: tally.last_uid.clone(),
                disordered: tally.disordered,
            })),
        }
    }
}

/// Where the vendor stops counting, the end of a listing that could not go on by key proves nothing.
fn cut_off(cap: u64) -> Error {
    let message =
        format!("the vendor counts and lists up to {cap} items, and in this order there may be more");
    Error::new(ErrorKind::Vendor, message).with_hint("sort by created_time, or narrow the query by time")
}

/// The one item with this id.
pub(crate) async fn one<T: Record, I: edr_core::Listing>(
    client: &CortexClient,
    sheet: &'static Sheet<T>,
    filters: Filters,
    uid: &str,
    decode: Decode<I>,
) -> Result<I> {
    let batch = client.sheet(sheet, &PageRequest::window(0, api::MAX_WINDOW).filters(filters)).await?;
    let context = client.context();
    let (mut nameless, mut others) = (None, !batch.items.is_empty());
    for raw in
        batch.items.into_iter().map(|item| item.raw).chain(batch.undecodable.into_iter().map(|(r, _)| r))
    {
        match decode(&context, raw) {
            Ok(item) if item.uid() == uid => return Ok(item),
            Err(bad) if bad.uid.as_deref() == Some(uid) => {
                return Err(crate::alert_pages::undecodable(&bad.reason));
            }
            Err(bad) if bad.uid.is_none() => nameless = Some(bad.reason),
            _ => others = true,
        }
    }
    crate::alert_pages::is_absent(nameless.as_deref(), batch.total.filter(|_| !others))?;
    Err(Error::new(ErrorKind::NotFound, format!("there is no {} {uid}", I::NOUN)))
}
