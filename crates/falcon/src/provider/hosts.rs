//! A page of hosts: by the combined endpoint, or, where a cloud lacks it, by scroll and entities.
//!
//! A walk asks for the next page of the combined endpoint while this one still arrives: its key stands before the
//! first host. Entities are looked up a few calls at a time, and given out in the order of the ids.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use edr_core::{
    Cursor, Error, Host, HostQuery, Listing as _, Noun, PageEnd, Part, Query as _, Rejected, Result, Sort,
};
use edr_http::{AheadShare, DecodedEvent, DecodedReader, ItemReader};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde::{Deserialize, Serialize};

use super::{Falcon, RESOURCES, RawReply, fields, filters, ids, in_order, is_missing_route, stale};
use crate::api::hosts::{self, HostsParams};
use crate::api::{Envelope, Expect, Pagination};
use crate::map;

/// The page size unless one is asked for. Items are given out while they arrive, so it costs no memory.
const PAGE: u32 = hosts::MAX_PAGE;
/// The largest page of ids in scroll mode, so that the scroll outlives the reading of its entities.
const SCROLL_PAGE: u32 = 5_000;
/// Ids in one entity call.
const CHUNK: usize = 500;
/// Entity calls that are under way at a time: their answers wait in memory for their place in the order.
const CALLS: usize = 4;
/// A walk asks for the next page when this part of the present one has been read, 78 hosts of the largest: a reader that
/// wants little should not cost the vendor a second page, and each page waits for the one before.
const EAGER: u64 = 128;
/// Hosts whose connection state is asked for at once: eight calls of 100.
const CONNECT: usize = 800;

/// Where a listing of hosts stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// True in scroll mode.
    s: bool,
    /// The vendor's page key.
    k: String,
    /// The number of the page in scroll mode, where the key may be the same on every page.
    p: u64,
    /// Items on the pages before, in scroll mode.
    n: u64,
}

/// Hosts as they arrive, decoded.
type Reader = DecodedReader<Result<Host, Box<Rejected>>>;

/// The next page of a walk, which has been asked for ahead.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead(Arc<Mutex<Option<Early>>>);

#[derive(Debug)]
struct Early {
    key: String,
    reader: Reader,
    /// What all walks may ask for ahead is bounded: all tenants of one cloud share a connection.
    _share: AheadShare,
}

impl Ahead {
    /// The page with this key. Another one is of no use any more.
    fn take(&self, key: &str) -> Option<Reader> {
        let page = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        page.filter(|page| page.key == key).map(|page| page.reader)
    }

    /// Asks for the page with this key, unless that has been done or all shares are taken: then it is asked for later.
    fn ask(&self, key: &str, share: impl FnOnce() -> Option<AheadShare>, open: impl FnOnce() -> Reader) {
        let mut page = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if page.as_ref().is_none_or(|page| page.key != key)
            && let Some(share) = share()
        {
            *page = Some(Early { key: key.to_owned(), reader: open(), _share: share });
        }
    }
}

/// The answers of entity calls, with the ids that were asked for, in their order.
type Entities<'a> = BoxStream<'a, Result<(Vec<String>, RawReply)>>;

enum Stage<'a> {
    /// Nothing has been asked for.
    Start,
    /// The combined endpoint's page is arriving.
    Combined(Reader),
    /// Entities are looked up by their ids.
    Entities(Entities<'a>, PageEnd),
    /// The page is at its end.
    Done,
}

pub(super) struct HostPage<'a> {
    falcon: &'a Falcon,
    query: &'a HostQuery,
    params: HostsParams,
    context: map::Context,
    place: Place,
    resumed: bool,
    stage: Stage<'a>,
    /// Where a walk keeps the page that comes next.
    ahead: Option<Ahead>,
    /// The key of the next page, as the head of this one told it.
    next: Option<String>,
    /// Hosts that wait for their connection state.
    waiting: Vec<Host>,
    /// Items that have arrived on this page.
    arrived: u64,
    /// A filter needs the connection state.
    filters_connection: bool,
}

impl<'a> HostPage<'a> {
    /// The page at `cursor`; one of a walk, which keeps what is asked for ahead, or one on its own.
    pub(super) fn open(
        falcon: &'a Falcon,
        query: &'a HostQuery,
        cursor: Option<&Cursor>,
        ahead: Option<Ahead>,
    ) -> Result<Self> {
        let named = |e: Error| falcon.named(e, hosts::COMBINED.name);
        let place = match cursor {
            Some(cursor) => {
                cursor.open(&falcon.context().tenant, Noun::Host, query.fingerprint()).map_err(named)?
            }
            None => Place { s: falcon.0.hosts_by_scroll.load(Ordering::Relaxed), ..Place::default() },
        };
        let params = HostsParams {
            filter: filters::hosts(&query.filters).to_string(),
            sort: Some(sort(query.sort).map_err(named)?),
            limit: Some(query.page_size.unwrap_or(PAGE).min(hosts::MAX_PAGE)),
            offset: (!place.k.is_empty()).then(|| place.k.clone()),
            fields: fields::hosts(query),
        };
        Ok(Self {
            falcon,
            query,
            params,
            context: falcon.context(),
            place,
            resumed: cursor.is_some(),
            stage: Stage::Start,
            ahead,
            next: None,
            waiting: Vec::new(),
            arrived: 0,
            filters_connection: query.filters.iter().any(|f| f.field().name == "connection_state"),
        })
    }

    /// The next part; nothing after the one with the end.
    pub(super) async fn next(&mut self) -> Result<Option<Part<Host>>> {
        loop {
            let part = match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Start if self.place.s => self.scroll().await?,
                Stage::Start => {
                    let asked = self.ahead.as_ref().and_then(|ahead| ahead.take(&self.place.k));
                    self.stage = Stage::Combined(asked.unwrap_or_else(|| self.ask(&self.params)));
                    Part::default()
                }
                Stage::Combined(reader) => self.combined(reader).await?,
                Stage::Entities(replies, end) => self.entities(replies, end).await?,
                Stage::Done => return Ok(None),
            };
            if has_news(&part) {
                return Ok(Some(part));
            }
        }
    }

    fn ask(&self, params: &HostsParams) -> Reader {
        self.decoded(self.falcon.client().http().items(hosts::combined(params), RESOURCES))
    }

    fn decoded(&self, items: ItemReader) -> Reader {
        let context = self.context.clone();
        items.decoded(None, move |raw| map::host(&raw, &context))
    }

    /// Asks for the next page when enough of this one has been read.
    fn ask_ahead(&self) {
        let enough = self.arrived.saturating_mul(EAGER) >= u64::from(self.params.limit.unwrap_or(PAGE));
        if let (Some(ahead), Some(key), true) = (&self.ahead, &self.next, enough) {
            let params = || HostsParams { offset: Some(key.clone()), ..self.params.clone() };
            let http = self.falcon.client().http();
            let items = || http.items(hosts::combined(&params()), RESOURCES).ahead();
            ahead.ask(key, || AheadShare::take(http), || self.decoded(items()));
        }
    }

    async fn combined(&mut self, mut reader: Reader) -> Result<Part<Host>> {
        let event = match reader.next().await {
            Some(Err(error)) if is_missing_route(&error) => return self.without_combined(),
            Some(event) => event?,
            None => return Ok(Part::default()),
        };
        let mut part = Part::default();
        match event {
            DecodedEvent::Head(head) => {
                self.stage = Stage::Combined(reader);
                self.next = Envelope::read(&head).and_then(|told| next_key(&told.pagination(), false));
            }
            DecodedEvent::Items(items) => {
                self.stage = Stage::Combined(reader);
                self.arrived += items.len() as u64;
                self.ask_ahead();
                let found = sifted(items, &mut part.rejected);
                self.take(found, &mut part, false).await?;
            }
            DecodedEvent::Restarted => {
                self.stage = Stage::Combined(reader);
                (self.arrived, part.restarted) = (0, true);
                self.waiting.clear();
            }
            DecodedEvent::End { skeleton, headers } => {
                let some = self.arrived > 0;
                let client = self.falcon.client();
                let tail = client.tail(&hosts::COMBINED, Expect::Listing, some, &skeleton, &headers)?;
                self.falcon.beside(&tail, &mut part);
                self.take(Vec::new(), &mut part, true).await?;
                part.end = Some(self.combined_end(&tail.envelope.pagination())?);
            }
        }
        part.warnings.extend(self.falcon.notices());
        Ok(part)
    }

    /// The combined endpoint is missing: a listing that has just begun goes on by scroll.
    fn without_combined(&mut self) -> Result<Part<Host>> {
        let warning = self.falcon.lacks(&self.falcon.0.hosts_by_scroll, "hosts");
        if self.resumed {
            return Err(self.falcon.named(stale(), hosts::COMBINED.name));
        }
        self.place.s = true;
        self.stage = Stage::Start;
        Ok(Part { warnings: warning.into_iter().collect(), ..Part::default() })
    }

    /// The listing ends where there is no further key, or at an empty page of an empty listing. The
    /// cursor is the key alone, so that the walk sees at once when one comes again.
    fn combined_end(&self, pagination: &Pagination) -> Result<PageEnd> {
        let total = pagination.count();
        let key = next_key(pagination, self.arrived == 0);
        self.end(key.map(|k| Place { k, ..Place::default() }), total)
    }

    /// A scroll has a key on its last page, too: it ends when everything that it counts has been read.
    fn scroll_end(&self, pagination: &Pagination, read: u64, empty: bool) -> Result<PageEnd> {
        let total = pagination.count();
        let over = total.map_or(empty, |t| read >= t);
        let key = pagination.offset.clone().filter(|k| !k.is_empty() && !over);
        self.end(key.map(|k| Place { s: true, k, p: self.place.p + 1, n: read }), total)
    }

    fn end(&self, next: Option<Place>, total: Option<u64>) -> Result<PageEnd> {
        let seal = |place| Cursor::seal(&self.context.tenant, Noun::Host, self.query.fingerprint(), &place);
        Ok(PageEnd { next: next.map(seal).transpose()?, total })
    }

    /// A page of ids by scroll.
    async fn scroll(&mut self) -> Result<Part<Host>> {
        self.params.limit = self.params.limit.map(|l| l.min(SCROLL_PAGE));
        let reply = self.falcon.client().raw(hosts::scroll(&self.params), Expect::Listing).await?;
        let (ids, rejected) = ids(&reply.items, &self.context, Noun::Host);
        let read = self.place.n + reply.items.len() as u64;
        let end = self.scroll_end(&reply.tail.envelope.pagination(), read, reply.items.is_empty())?;
        self.stage = Stage::Entities(self.look_up(ids), end);
        let mut part = Part { rejected, warnings: self.falcon.notices(), ..Part::default() };
        self.falcon.beside(&reply.tail, &mut part);
        Ok(part)
    }

    fn look_up(&self, ids: Vec<String>) -> Entities<'a> {
        let falcon = self.falcon;
        let chunks: Vec<Vec<String>> = ids.chunks(CHUNK).map(<[String]>::to_vec).collect();
        let call = move |chunk: Vec<String>| async move {
            let reply = falcon.entities(hosts::entities(&chunk)).await?;
            Ok((chunk, reply))
        };
        stream::iter(chunks).map(call).buffered(CALLS).boxed()
    }

    async fn entities(&mut self, mut replies: Entities<'a>, end: PageEnd) -> Result<Part<Host>> {
        let mut part = Part::default();
        let Some((chunk, reply)) = replies.next().await.transpose()? else {
            self.take(Vec::new(), &mut part, true).await?;
            part.end = Some(end);
            return Ok(part);
        };
        let mapped = reply.items.iter().map(|raw| map::host(raw, &self.context)).collect();
        let found = sifted(mapped, &mut part.rejected);
        let (found, missing) = in_order(found, &part.rejected, &chunk);
        self.falcon.miss(missing, &reply.tail, &mut part);
        self.take(found, &mut part, false).await?;
        part.warnings.extend(self.falcon.notices());
        self.stage = Stage::Entities(replies, end);
        Ok(part)
    }

    /// Filters hosts into the part. Where their connection state is wanted, they wait until enough are
    /// there to ask for it, or until the page ends; those that a filter drops anyway are not asked for.
    async fn take(&mut self, found: Vec<Host>, part: &mut Part<Host>, last: bool) -> Result<()> {
        if !self.query.with_connection && !self.filters_connection {
            self.pass(found, part);
            return Ok(());
        }
        let others = || self.query.filters.iter().filter(|f| f.field().name != "connection_state");
        let (keep, drop): (Vec<Host>, Vec<Host>) =
            found.into_iter().partition(|h| others().all(|f| f.passes_host(h)));
        part.filtered_out.extend(drop.iter().map(|h| h.key()));
        self.waiting.extend(keep);
        if self.waiting.len() >= CONNECT || (last && !self.waiting.is_empty()) {
            // Full calls, as long as more hosts can come.
            let count = if last { self.waiting.len() } else { CONNECT };
            let mut ready: Vec<Host> = self.waiting.drain(..count).collect();
            match self.falcon.connect(&mut ready).await {
                Ok(untold) if self.filters_connection => self.set_aside(&mut ready, &untold, part),
                Ok(_) => {}
                Err(error) if self.filters_connection => return Err(error),
                Err(error) => {
                    let message =
                        format!("the connection state of {} hosts is not known: {error}", ready.len());
                    part.warnings.push(self.falcon.warning(message));
                }
            }
            self.pass(ready, part);
        }
        Ok(())
    }

    /// A host whose state the vendor leaves out may be one of those that are asked for: where the filter
    /// would drop it, it is told as missing instead.
    fn set_aside(&self, ready: &mut Vec<Host>, untold: &HashSet<String>, part: &mut Part<Host>) {
        let unsure = |h: &Host| untold.contains(&h.uid) && !self.query.matches(h);
        for host in ready.extract_if(.., |h| unsure(h)) {
            let reason = "the vendor did not tell its connection state, which is filtered on".to_owned();
            let raw = host.raw.clone();
            part.rejected.push(self.falcon.rejected(Host::NOUN, Some(host.uid), reason, raw));
        }
    }

    fn pass(&self, mut found: Vec<Host>, part: &mut Part<Host>) {
        found.retain(|host| {
            let matches = self.query.matches(host);
            if !matches {
                part.filtered_out.push(host.key());
            }
            matches
        });
        match part.items.is_empty() {
            true => part.items = found,
            false => part.items.append(&mut found),
        }
    }
}

/// The hosts; what could not be decoded is set aside.
fn sifted(items: Vec<Result<Host, Box<Rejected>>>, rejected: &mut Vec<Rejected>) -> Vec<Host> {
    let kept = |item: Result<Host, Box<Rejected>>| item.map_err(|refused| rejected.push(*refused)).ok();
    items.into_iter().filter_map(kept).collect()
}

/// The key of the page behind this one. An empty page of an empty listing has none that leads anywhere.
fn next_key(pagination: &Pagination, empty: bool) -> Option<String> {
    let over = empty && pagination.count() == Some(0);
    pagination.next.clone().filter(|key| !key.is_empty() && !over)
}

fn has_news(part: &Part<Host>) -> bool {
    part.end.is_some()
        || part.restarted
        || !part.items.is_empty()
        || !part.rejected.is_empty()
        || !part.warnings.is_empty()
        || !part.filtered_out.is_empty()
}

/// The model's fields that the vendor sorts by, with its own names for them.
const SORTS: &[(&str, &str)] = &[
    ("first_seen", "first_seen"),
    ("hostname", "hostname"),
    ("last_seen", "last_seen"),
    ("uid", "device_id"),
];

/// The fields that hosts can be sorted by.
pub(super) fn sorts() -> Vec<&'static str> {
    SORTS.iter().map(|(own, _)| *own).collect()
}

/// The vendor's order. By id unless another is asked for: it does not change while pages are read.
fn sort(sort: Option<Sort>) -> Result<String> {
    let Some(sort) = sort else { return Ok("device_id.asc".to_owned()) };
    let known = SORTS.iter().find(|(own, _)| *own == sort.field.name);
    let (_, field) = known.ok_or_else(|| {
        Error::unsupported(format!("hosts cannot be sorted by {}", sort.field.name))
            .with_hint(format!("sort by one of {}", sorts().join(", ")))
    })?;
    Ok(format!("{field}.{}", if sort.descending { "desc" } else { "asc" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[tokio::test(start_paused = true)]
    async fn a_page_is_asked_for_ahead_with_a_share_of_what_all_walks_may() {
        let (falcon, log) = testing::falcon(|_| testing::page(&[], r#"{"total":0}"#));
        let query = HostQuery::new();
        let page = HostPage::open(&falcon, &query, None, None).unwrap();
        let ahead = Ahead::default();
        ahead.ask("k", || None, || page.ask(&page.params));
        assert!(ahead.take("k").is_none(), "there was no share");
        ahead.ask("k", || AheadShare::take(falcon.client().http()), || page.ask(&page.params));
        ahead.ask("k", || panic!("it has been asked for"), || page.ask(&page.params));
        let mut reader = ahead.take("k").unwrap();
        while reader.next().await.is_some() {}
        assert_eq!(log.to("/devices/combined/devices/v1").len(), 1);
    }
}
