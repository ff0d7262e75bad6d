//! A page of alerts: by the combined endpoint, or, where a cloud lacks it, by ids and entities.
//!
//! The query of ids reaches 10,000 rows. Beyond them the listing is cut by `created_timestamp`: the
//! next slice begins in the second in which the last one ended, and what comes twice is given out once
//! by the walk.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use edr_core::{
    Alert, AlertQuery, Cursor, Drift, Error, ErrorKind, Listing as _, Noun, PageEnd, Part, Query as _,
    Rejected, Result, Sort,
};
use edr_http::{ItemEvent, ItemReader};
use serde::{Deserialize, Serialize};

use super::{Falcon, RESOURCES, filters, ids, in_order, is_missing_route, stale};
use crate::api::alerts::{self, AlertsParams, OFFSET_CAP};
use crate::api::{Expect, Pagination};
use crate::fql::{Fql, field};
use crate::map;

/// A total that the vendor may have capped.
const CAPPED: u64 = 10_000;

/// Where a listing of alerts stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// True where ids and entities are read.
    s: bool,
    /// The vendor's page key.
    k: String,
    /// Rows of this slice on the pages before.
    o: u32,
    /// The edge of this slice.
    b: Option<DateTime<Utc>>,
    /// The number of the page, where ids and entities are read.
    p: u64,
    /// How many rows this slice had on the page before.
    #[serde(default)]
    c: Option<u64>,
}

enum Stage {
    Start,
    Combined(Box<ItemReader>),
    /// The page has been given out; this is how it ends.
    Ending(Result<PageEnd>),
    Done,
}

pub(super) struct AlertPage<'a> {
    falcon: &'a Falcon,
    query: &'a AlertQuery,
    filter: Fql,
    sort: String,
    size: u32,
    context: map::Context,
    place: Place,
    resumed: bool,
    stage: Stage,
    arrived: u64,
}

impl<'a> AlertPage<'a> {
    pub(super) fn open(falcon: &'a Falcon, query: &'a AlertQuery, cursor: Option<&Cursor>) -> Result<Self> {
        let named = |e: Error| falcon.named(e, alerts::COMBINED.name);
        let context = falcon.context();
        let place = match cursor {
            Some(cursor) => cursor.open(&context.tenant, Noun::Alert, query.fingerprint()).map_err(named)?,
            None => Place { s: falcon.0.alerts_by_id.load(Ordering::Relaxed), ..Place::default() },
        };
        Ok(Self {
            falcon,
            query,
            filter: filters::alerts(&query.filters),
            sort: sort(query.sort).map_err(named)?,
            size: query.page_size.unwrap_or(alerts::MAX_PAGE).clamp(1, alerts::MAX_PAGE),
            context,
            place,
            resumed: cursor.is_some(),
            stage: Stage::Start,
            arrived: 0,
        })
    }

    /// The next part; nothing after the one with the end.
    pub(super) async fn next(&mut self) -> Result<Option<Part<Alert>>> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Start if self.place.s => self.by_id().await.map(Some),
            Stage::Start => {
                let params = AlertsParams {
                    filter: self.filter.to_string(),
                    sort: Some(self.sort.clone()),
                    limit: Some(self.size),
                    after: (!self.place.k.is_empty()).then(|| self.place.k.clone()),
                    offset: 0,
                };
                let reader = self.falcon.client().http().items(alerts::combined(&params), RESOURCES);
                self.combined(Box::new(reader)).await
            }
            Stage::Combined(reader) => self.combined(reader).await,
            Stage::Ending(end) => Ok(Some(Part { end: Some(end?), ..Part::default() })),
            Stage::Done => Ok(None),
        }
    }

    async fn combined(&mut self, mut reader: Box<ItemReader>) -> Result<Option<Part<Alert>>> {
        let event = match reader.next().await {
            Some(Err(error)) if is_missing_route(&error) => return self.without_combined().await.map(Some),
            Some(event) => event?,
            None => return Ok(None),
        };
        let mut part = Part::default();
        match event {
            ItemEvent::Items(raw) => {
                self.stage = Stage::Combined(reader);
                self.arrived += raw.len() as u64;
                let found = self.sift(&raw, &mut part.rejected);
                self.pass(found, &mut part);
            }
            ItemEvent::Restarted => {
                self.stage = Stage::Combined(reader);
                (self.arrived, part.restarted) = (0, true);
            }
            ItemEvent::End { skeleton, headers } => {
                let some = self.arrived > 0;
                let client = self.falcon.client();
                let tail = client.tail(&alerts::COMBINED, Expect::Listing, some, &skeleton, &headers)?;
                self.falcon.beside(&tail, &mut part);
                part.drift = self.drift();
                part.end = Some(self.combined_end(&tail.envelope.pagination())?);
            }
        }
        part.warnings.extend(self.falcon.notices());
        Ok(Some(part))
    }

    /// `after` is the key of the last item, so pages do not slip against each other where that key
    /// stays what it is: in an order by a time that is set once.
    fn drift(&self) -> Drift {
        let field = self.sort.split('|').next().unwrap_or_default();
        if matches!(field, "created_timestamp" | "timestamp") { Drift::None } else { Drift::Unknown }
    }

    /// The listing ends where `after` is empty or absent, or at an empty page of an empty listing. The
    /// cursor is the key alone, so that the walk sees at once when one comes again.
    fn combined_end(&self, pagination: &Pagination) -> Result<PageEnd> {
        let total = self.total(pagination);
        let over = self.arrived == 0 && total == Some(0);
        let key = pagination.after.clone().filter(|k| !k.is_empty() && !over);
        self.end(key.map(|k| Place { k, ..Place::default() }), total)
    }

    fn end(&self, next: Option<Place>, total: Option<u64>) -> Result<PageEnd> {
        let seal = |place| Cursor::seal(&self.context.tenant, Noun::Alert, self.query.fingerprint(), &place);
        Ok(PageEnd { next: next.map(seal).transpose()?, total })
    }

    /// The vendor's total, unless it may be capped or is that of a slice.
    fn total(&self, pagination: &Pagination) -> Option<u64> {
        pagination.count().filter(|total| *total != CAPPED && self.place.b.is_none())
    }

    /// The combined endpoint is missing: a listing that has just begun goes on by ids.
    async fn without_combined(&mut self) -> Result<Part<Alert>> {
        let warning = self.falcon.lacks(&self.falcon.0.alerts_by_id, "alerts");
        if self.resumed {
            return Err(self.falcon.named(stale(), alerts::COMBINED.name));
        }
        self.place.s = true;
        let mut part = self.by_id().await?;
        part.warnings.extend(warning);
        Ok(part)
    }

    /// A page of ids, and their entities in the order of the ids.
    async fn by_id(&mut self) -> Result<Part<Alert>> {
        let limit = self.size.min(OFFSET_CAP.saturating_sub(1 + self.place.o)).max(1);
        let params = AlertsParams {
            filter: self.slice()?.to_string(),
            sort: Some(self.sort.clone()),
            limit: Some(limit),
            after: None,
            offset: self.place.o,
        };
        let reply = self.falcon.client().raw(alerts::query(&params), Expect::Listing).await?;
        let (ids, rejected) = ids(&reply.items, &self.context, Noun::Alert);
        let pagination = reply.tail.envelope.pagination();
        let mut part = Part { rejected, ..Part::default() };
        self.falcon.beside(&reply.tail, &mut part);
        // Rows that left the slice have moved the others towards its beginning.
        let fell = self.place.c.zip(pagination.count()).is_some_and(|(before, now)| now < before);
        if fell || (reply.items.is_empty() && self.expects_rows(pagination.count())) {
            part.drift = Drift::Seen;
        }
        let mut found = Vec::new();
        if !ids.is_empty() {
            let entities = self.falcon.entities(alerts::entities(&ids)).await?;
            let refused = part.rejected.len();
            found = self.sift(&entities.items, &mut part.rejected);
            let (ordered, missing) = in_order(found, &part.rejected[refused..], &ids);
            found = ordered;
            self.falcon.miss(missing, &entities.tail, &mut part);
        }
        let edge = self.edge(&found);
        let next = self.after_ids(&pagination, reply.items.len(), limit, edge);
        self.pass(found, &mut part);
        part.warnings.extend(self.falcon.notices());
        match next {
            Ok(end) => part.end = Some(end),
            // What has arrived is given out before the error.
            Err(error) => self.stage = Stage::Ending(Err(self.falcon.named(error, alerts::QUERY.name))),
        }
        Ok(part)
    }

    /// The filter of the present slice.
    fn slice(&self) -> Result<Fql> {
        let Some(edge) = self.place.b else { return Ok(self.filter.clone()) };
        let created = field("created_timestamp")
            .map_err(|e| Error::new(ErrorKind::InvalidRequest, "the slice has no filter").with_source(e))?;
        let bound = if self.descending() { created.until(edge) } else { created.since(edge) };
        Ok(Fql::all([self.filter.clone(), bound]))
    }

    /// True where there must be rows: at the edge with which a later slice begins, and before the end that was
    /// counted on the page before, when this one tells no count.
    fn expects_rows(&self, count: Option<u64>) -> bool {
        let counted = self.place.c.is_some_and(|before| u64::from(self.place.o) < before);
        (self.place.b.is_some() && self.place.o == 0) || (count.is_none() && counted)
    }

    fn descending(&self) -> bool {
        self.sort.ends_with("desc")
    }

    /// The last creation time of a page in its order.
    fn edge(&self, found: &[Alert]) -> Option<DateTime<Utc>> {
        let times = found.iter().filter_map(|a| a.created_time);
        if self.descending() { times.min() } else { times.max() }
    }

    /// Where the listing by ids goes on: in this slice, in the next one, or nowhere.
    fn after_ids(
        &self,
        pagination: &Pagination,
        arrived: usize,
        limit: u32,
        edge: Option<DateTime<Utc>>,
    ) -> Result<PageEnd> {
        let total = self.total(pagination);
        let offset = self.place.o + u32::try_from(arrived).unwrap_or(u32::MAX);
        let over = match pagination.count() {
            Some(count) => u64::from(offset) >= count,
            None => arrived < limit as usize,
        };
        if over {
            return self.end(None, total);
        }
        let mut next = Place { o: offset, p: self.place.p + 1, c: pagination.count(), ..self.place.clone() };
        if offset + 1 >= OFFSET_CAP {
            next.b = Some(self.cut(edge)?);
            (next.o, next.c) = (0, None);
        }
        self.end(Some(next), total)
    }

    /// The edge of the next slice, which must lie beyond this one's.
    fn cut(&self, edge: Option<DateTime<Utc>>) -> Result<DateTime<Utc>> {
        if !self.sort.starts_with("created_timestamp") {
            return Err(Error::unsupported(
                "this cloud lists at most 10,000 alerts in another order than by time",
            )
            .with_hint("sort by created_time, or narrow the filters"));
        }
        let same = |a: DateTime<Utc>, b: DateTime<Utc>| a.timestamp() == b.timestamp();
        match edge {
            Some(edge) if self.place.b.is_none_or(|b| !same(b, edge)) => Ok(edge),
            _ => Err(Error::new(ErrorKind::Vendor, "more than 10,000 alerts lie within one second")
                .with_hint("narrow the filters: this cloud cannot list the rest")),
        }
    }

    fn sift(&self, raw: &[Bytes], rejected: &mut Vec<Rejected>) -> Vec<Alert> {
        let mut found = Vec::with_capacity(raw.len());
        for item in raw {
            match map::alert(item, &self.context) {
                Ok(alert) => found.push(alert),
                Err(refused) => rejected.push(*refused),
            }
        }
        found
    }

    fn pass(&self, found: Vec<Alert>, part: &mut Part<Alert>) {
        for alert in found {
            if self.query.matches(&alert) {
                part.items.push(alert);
            } else {
                part.filtered_out.push(alert.key());
            }
        }
    }
}

/// The model's fields that the vendor sorts by, with its own names for them.
const SORTS: &[(&str, &str)] = &[
    ("created_time", "created_timestamp"),
    ("modified_time", "updated_timestamp"),
    ("severity", "severity"),
    ("time", "timestamp"),
];

/// The fields that alerts can be sorted by.
pub(super) fn sorts() -> Vec<&'static str> {
    SORTS.iter().map(|(own, _)| *own).collect()
}

/// The vendor's order: newest first unless another is asked for.
fn sort(sort: Option<Sort>) -> Result<String> {
    let Some(sort) = sort else { return Ok("created_timestamp|desc".to_owned()) };
    let known = SORTS.iter().find(|(own, _)| *own == sort.field.name);
    let (_, field) = known.ok_or_else(|| {
        Error::unsupported(format!("alerts cannot be sorted by {}", sort.field.name))
            .with_hint(format!("sort by one of {}", sorts().join(", ")))
    })?;
    Ok(format!("{field}|{}", if sort.descending { "desc" } else { "asc" }))
}
