//! Pages of alerts, over both generations, three paths and two orders.
//!
//! Newest first by the time at which the service stored them, which is the one that a late alert
//! cannot escape. The vendor documents sorting by the time on the host only; a tenant that refuses ours
//! is read in that order, and says so.
//!
//! The vendor counts up to 9,999. Before a window would pass that, the listing goes on by key: what is
//! stored at or before the last item, from offset 0, so that the border is read twice and a walk drops
//! the duplicates. A key under which more alerts lie than fit is passed by offset.

use edr_core::{
    Alert, AlertQuery, Cursor, Error, ErrorKind, Listing as _, Noun, PageEnd, PartStream, Query as _, Raw,
    Result,
};
use edr_http::{ItemEvent, ItemReader, Operation, RequestPlan};
use serde::{Deserialize, Serialize};

use crate::api::alerts::CAP;
use crate::api::{self, AlertsPath, Order, PageRequest, Skeleton};
use crate::dialect::is_path_missing;
use crate::listing::{Ending, Reading, Tally, decoded, is_hollow, lacks_edge, next_from, window};
use crate::{CortexClient, Filters, Generation, map, push};

/// The order of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    /// When it happened on the host.
    Happened,
    Severity,
    /// When the service stored it.
    Stored,
}

impl By {
    /// The field in requests, which is the same for sorting and filtering.
    fn field(self, generation: Generation) -> &'static str {
        match (self, generation) {
            (Self::Happened, Generation::Xdr3) => "creation_time",
            (Self::Happened, Generation::Xdr5) => "observation_time",
            (Self::Severity, _) => "severity",
            (Self::Stored, Generation::Xdr3) => "server_creation_time",
            (Self::Stored, Generation::Xdr5) => "_insert_time",
        }
    }

    fn key(self) -> fn(&Alert) -> Option<i64> {
        match self {
            Self::Happened => |alert| Some(alert.time?.timestamp_millis()),
            Self::Severity => |_| None,
            Self::Stored => |alert| Some(alert.created_time?.timestamp_millis()),
        }
    }
}

/// A place in a listing of alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    from: u64,
    /// Only from this key on.
    edge: Option<i64>,
    /// The order in which the listing was begun.
    by: Option<By>,
    /// The id of the item before, where the listing goes on by offset.
    after: Option<String>,
    /// A page did not keep the order.
    disordered: bool,
}

/// The order that a query asks for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    by: By,
    descending: bool,
    /// Nobody asked for it: another order will do.
    by_default: bool,
}

impl Asked {
    fn of(query: &AlertQuery) -> Result<Self> {
        let Some(sort) = query.sort else {
            return Ok(Self { by: By::Stored, descending: true, by_default: true });
        };
        let by = match sort.field.name {
            "created_time" => By::Stored,
            "severity" => By::Severity,
            "time" => By::Happened,
            other => {
                let reason = format!("Cortex XDR does not sort alerts by {other}");
                return Err(Error::unsupported(reason).with_hint("sort by created_time, time or severity"));
            }
        };
        Ok(Self { by, descending: sort.descending, by_default: false })
    }
}

/// Where alerts are read.
#[derive(Clone, Copy, Debug)]
enum Source {
    Alerts(AlertsPath),
    Issues,
}

impl Source {
    fn plan(self, page: &PageRequest) -> RequestPlan {
        match self {
            Self::Alerts(path) => api::alerts(path, page),
            Self::Issues => api::issues(page),
        }
    }

    fn operation(self) -> &'static Operation {
        match self {
            Self::Alerts(path) => path.operation(),
            Self::Issues => &api::issues::SEARCH,
        }
    }

    fn paths(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Alerts(_) => api::alerts::ALERTS,
            Self::Issues => api::issues::ISSUES,
        }
    }

    fn envelope(self, body: &[u8]) -> Result<Skeleton> {
        match self {
            Self::Alerts(_) => Skeleton::read(body, api::alerts::LIST, api::alerts::COUNT),
            Self::Issues => Skeleton::read(body, api::issues::LIST, api::issues::COUNT),
        }
    }
}

fn sources(client: &CortexClient, generation: Generation) -> Vec<Source> {
    match generation {
        Generation::Xdr3 => client.alert_paths().iter().map(|path| Source::Alerts(*path)).collect(),
        Generation::Xdr5 => vec![Source::Issues],
    }
}

/// A source that answers, with the first event of its answer.
struct Opened {
    source: Source,
    reader: ItemReader,
    first: Option<ItemEvent>,
}

/// Asks the sources in turn for the page; a path that is not served leads to the next one.
async fn open(client: &CortexClient, generation: Generation, page: &PageRequest) -> Result<Opened> {
    let mut refusal = None;
    for source in sources(client, generation) {
        let mut reader = client.http().items(source.plan(page), source.paths());
        match reader.next().await.transpose() {
            Ok(first) => {
                if let Source::Alerts(path) = source {
                    client.answers(path);
                }
                return Ok(Opened { source, reader, first });
            }
            Err(error) if is_path_missing(&error) => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(refusal.unwrap_or_else(|| Error::new(ErrorKind::Vendor, "no path of alerts is known")))
}

/// The page at `cursor`, as it arrives.
pub(crate) async fn parts<'a>(
    client: &'a CortexClient,
    query: &'a AlertQuery,
    cursor: Option<Cursor>,
) -> Result<PartStream<'a, Alert>> {
    let asked = Asked::of(query)?;
    let place: Place = match cursor {
        Some(cursor) => cursor.open(client.http().tenant(), Noun::Alert, query.fingerprint())?,
        None => Place::default(),
    };
    let generation = client.generation().await?;
    let unstored = asked.by_default && client.is_unstored();
    let by = place.by.unwrap_or(if unstored { By::Happened } else { asked.by });
    let size = query.page_size().unwrap_or(api::MAX_WINDOW).clamp(1, api::MAX_WINDOW);
    let first = place.by.is_none();
    let listing = Listing { client, query, generation, by, descending: asked.descending, size, place };
    match listing.clone().open().await {
        // Only where the order is nobody's wish, and no page has been read in it.
        Err(error) if asked.by_default && by == By::Stored && first && refuses_order(&error) => {
            let other = Listing { by: By::Happened, ..listing };
            let parts = other.open().await?;
            // A plain 500 may have been an outage, which says nothing about the order.
            if error.kind() == ErrorKind::InvalidRequest {
                client.refuses_stored();
            } else {
                client.failed_stored();
            }
            Ok(parts)
        }
        opened => opened,
    }
}

/// True for a refusal that an order which the tenant does not know can explain: the vendor has been
/// seen to answer a request that it cannot work with as an invalid one, and as a plain 500.
fn refuses_order(error: &Error) -> bool {
    let status = error.detail().and_then(|detail| detail.status());
    error.kind() == ErrorKind::InvalidRequest || (error.kind() == ErrorKind::Vendor && status == Some(500))
}

/// One page of a listing.
#[derive(Clone)]
struct Listing<'a> {
    client: &'a CortexClient,
    query: &'a AlertQuery,
    generation: Generation,
    by: By,
    descending: bool,
    size: u32,
    place: Place,
}

impl<'a> Listing<'a> {
    async fn open(self) -> Result<PartStream<'a, Alert>> {
        let Opened { source, reader, first } = open(self.client, self.generation, &self.request()).await?;
        let context = self.client.context();
        let reading = Reading {
            client: self.client,
            items: decoded(reader, first, move |raw| map::alert(&context, raw)),
            query: self.query,
            key: self.by.key(),
            descending: self.descending,
            anchor: self.place.after.clone(),
            from: self.place.from,
            disordered: self.place.disordered,
            end: Box::new(move |body, tally| self.end(source.envelope(body)?, tally)),
            operation: source.operation().name,
        };
        Ok(reading.into_parts())
    }

    fn request(&self) -> PageRequest {
        let field = self.by.field(self.generation);
        let filters = push::alerts(self.query.filters(), self.generation);
        let filters = match (self.place.edge, self.descending) {
            (None, _) => filters,
            (Some(edge), true) => filters.at_most(field, edge),
            (Some(edge), false) => filters.at_least(field, edge),
        };
        let order = if self.descending { Order::descending(field) } else { Order::ascending(field) };
        let (from, size) = self.window();
        PageRequest::window(from, size).filters(filters).order(order)
    }

    fn window(&self) -> (u64, u32) {
        window(self.place.from, self.place.after.as_deref(), self.size)
    }

    fn end(&self, envelope: Skeleton, tally: &Tally) -> Result<Ending> {
        let exact = envelope.total.filter(|total| *total < CAP);
        let next = self.next(envelope.total, tally)?.map(|place| {
            Cursor::seal(self.client.http().tenant(), Noun::Alert, self.query.fingerprint(), &place)
        });
        // Beyond an edge the vendor counts the rest, which is not the listing.
        let total = exact.filter(|_| self.place.edge.is_none());
        let from = self.window().0;
        let hollow = is_hollow(from, envelope.total, tally) || lacks_edge(self.place.edge, from, tally);
        Ok(Ending { end: PageEnd { next: next.transpose()?, total }, hollow })
    }

    /// The place after this page. A full window always has one; a short one ends the listing, unless
    /// the vendor's count says that there is more: an empty window in the middle is passed over.
    fn next(&self, total: Option<u64>, tally: &Tally) -> Result<Option<Place>> {
        let (from, size) = self.window();
        let to = next_from(from, size, tally);
        let size = u64::from(size);
        let more = tally.arrived >= size || total.is_some_and(|total| to < total);
        if !more {
            return self.at_the_end(to, total).map(|()| None);
        }
        let by = Some(self.by);
        let capped = total.is_none_or(|total| total >= CAP);
        match tally.last {
            Some(edge) if capped && to.saturating_add(size) > CAP && !self.is_at(edge) => {
                self.in_order(tally)?;
                // Some tenants tell the time of storage in whole seconds, and compare it in milliseconds.
                let second = if self.descending && edge % 1000 == 0 { 999 } else { 0 };
                let edge = Some(edge.saturating_add(second));
                Ok(Some(Place { from: 0, edge, by, after: None, disordered: false }))
            }
            _ => {
                let (edge, after) = (self.place.edge, tally.last_uid.clone());
                Ok(Some(Place { from: to, by, edge, after, disordered: tally.disordered }))
            }
        }
    }

    /// True when the listing went on from this key already.
    fn is_at(&self, edge: i64) -> bool {
        self.place.edge.is_some_and(|at| at == edge || (self.descending && at == edge + 999))
    }

    /// Where the vendor stops counting, the end of a listing that could not go on by key proves nothing.
    fn at_the_end(&self, to: u64, total: Option<u64>) -> Result<()> {
        if to < CAP || total.is_some_and(|total| total < CAP) {
            return Ok(());
        }
        let message = "the vendor counts and lists up to 9,999 alerts, and in this order there may be more";
        Err(Error::new(ErrorKind::Vendor, message)
            .with_hint("sort by created_time, or narrow the query by time"))
    }

    /// A listing that goes on by key must have come in its order.
    fn in_order(&self, tally: &Tally) -> Result<()> {
        if !tally.disordered {
            return Ok(());
        }
        let field = self.by.field(self.generation);
        Err(Error::new(
            ErrorKind::Vendor,
            format!("the vendor did not keep the order by {field} that was asked for"),
        )
        .with_hint("beyond 9,999 alerts a listing needs it; narrow the query by time"))
    }
}

/// One alert by its number.
pub(crate) async fn one(client: &CortexClient, uid: &str) -> Result<Alert> {
    let generation = client.generation().await?;
    let operation = sources(client, generation).first().map_or("", |source| source.operation().name);
    let absent = || Error::new(ErrorKind::NotFound, "there is no such alert").with_operation(operation);
    let number: i64 = uid.parse().map_err(|_| absent().with_hint("ids of Cortex XDR alerts are numbers"))?;
    let field = if generation == Generation::Xdr5 { "id" } else { "alert_id_list" };
    let page = PageRequest::window(0, api::MAX_WINDOW).filters(Filters::new().one_of(field, [number])?);
    let Opened { source, mut reader, first } = open(client, generation, &page).await?;
    let context = client.context();
    let (mut found, mut nameless, mut others, mut next) = (None, None, false, first);
    loop {
        match next {
            Some(ItemEvent::Items(items)) => {
                for raw in items.into_iter().map(Raw::new) {
                    match map::alert(&context, raw) {
                        Ok(alert) if alert.uid() == uid => found = Some(alert),
                        Err(bad) if bad.uid.as_deref() == Some(uid) => return Err(undecodable(&bad.reason)),
                        Err(bad) if bad.uid.is_none() => nameless = Some(bad.reason),
                        _ => others = true,
                    }
                }
            }
            Some(ItemEvent::Restarted) => found = None,
            Some(ItemEvent::End { skeleton, .. }) => {
                let page = source.envelope(&skeleton)?;
                if found.is_none() {
                    is_absent(nameless.as_deref(), page.total.filter(|_| !others))?;
                }
                return found.ok_or_else(absent);
            }
            None => return Err(Error::new(ErrorKind::Decode, "the answer ended without an end")),
        }
        next = reader.next().await.transpose()?;
    }
}

/// Fails where an answer without the item that was asked for does not prove that there is none: an
/// item came that cannot be read, or the vendor counts one and sent none.
pub(crate) fn is_absent(nameless: Option<&str>, total: Option<u64>) -> Result<()> {
    if let Some(reason) = nameless {
        return Err(undecodable(reason));
    }
    if total.is_some_and(|total| total > 0) {
        let message = "the vendor counts an item and sent none";
        return Err(Error::new(ErrorKind::Vendor, message).with_hint("ask again; it may be a passing fault"));
    }
    Ok(())
}

/// The error for the one item that was asked for and cannot be decoded.
pub(crate) fn undecodable(reason: &str) -> Error {
    Error::new(ErrorKind::Decode, reason.to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::CortexXdr;

    /// The place after a window with so many items, of a listing at `place`.
    fn next(place: Place, size: u32, arrived: u64, total: Option<u64>) -> Option<Place> {
        let cortex = CortexXdr::builder("acme", "7", SecretString::from("k"))
            .fqdn("acme.xdr.eu.paloaltonetworks.com".parse().unwrap())
            .build()
            .unwrap();
        let query = AlertQuery::new();
        let (generation, by) = (Generation::Xdr3, By::Stored);
        let listing =
            Listing { client: cortex.client(), query: &query, generation, by, descending: true, size, place };
        let tally = Tally { arrived, last: (arrived > 0).then_some(77), ..Tally::default() };
        listing.next(total, &tally).unwrap()
    }

    fn at(from: u64, edge: Option<i64>) -> Place {
        Place { from, edge, by: Some(By::Stored), after: None, disordered: false }
    }

    #[test]
    fn a_window_ends_the_listing_or_leads_on() {
        let start = Place::default();
        for (place, arrived, total, expected) in [
            (start.clone(), 100, Some(250), Some(at(100, None))),
            (at(200, None), 50, Some(250), None),
            (at(100, None), 0, Some(250), Some(at(200, None))),
            (at(100, None), 40, Some(250), Some(at(140, None))),
            (at(200, None), 100, Some(300), Some(at(300, None))),
            (at(300, None), 0, Some(300), None),
            (start.clone(), 100, None, Some(at(100, None))),
            (start.clone(), 99, None, None),
            (start.clone(), 0, Some(0), None),
        ] {
            assert_eq!(next(place.clone(), 100, arrived, total), expected, "{place:?} {arrived} {total:?}");
        }
    }

    #[test]
    fn beyond_the_cap_the_listing_goes_on_by_key() {
        for (place, arrived, total, expected) in [
            (at(9_700, None), 100, Some(9_999), Some(at(9_800, None))),
            (at(9_800, None), 100, Some(9_999), Some(at(0, Some(77)))),
            (at(9_800, None), 100, None, Some(at(0, Some(77)))),
            (at(9_800, None), 100, Some(9_998), Some(at(9_900, None))),
            (at(9_800, Some(500)), 100, Some(9_999), Some(at(0, Some(77)))),
            (at(9_800, Some(77)), 100, Some(9_999), Some(at(9_900, Some(77)))),
            (at(100, Some(77)), 20, Some(120), None),
        ] {
            assert_eq!(next(place.clone(), 100, arrived, total), expected, "{place:?} {arrived} {total:?}");
        }
    }
}
