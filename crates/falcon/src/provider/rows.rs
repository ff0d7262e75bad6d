//! A page of a listing whose rows are whole, by page key (indicators, applications, vulnerabilities) or by offset
//! (groups).

use bytes::Bytes;
use edr_core::{
    Cursor, Drift, Error, Filter, Listed, Listing, PageEnd, Part, PartStream, Query, Rejected, Result, Sort,
};
use edr_http::{ItemEvent, ItemReader, RequestPlan};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

use super::{Falcon, RESOURCES};
use crate::api::{AfterParams, Endpoint, Expect, Pagination, Paging};
use crate::fql::Fql;
use crate::map;

/// What makes a listing of whole rows this one.
pub(super) trait Rows: Listed {
    const ENDPOINT: &'static Endpoint;
    /// Pages have a number instead of a key.
    const BY_OFFSET: bool = false;
    /// The largest page that is asked for.
    const MOST: u32;
    /// The model's fields that the vendor sorts by, with its own names for them.
    const SORTS: &'static [(&'static str, &'static str)];
    /// The order that is asked for when nobody asks for one; the vendor's own when there is none.
    const ORDER: Option<&'static str>;
    /// What stands between a field and its direction.
    const SIGN: char;

    /// The filter on the wire.
    fn filter(filters: &[Filter]) -> Fql;
    /// A page; `offset` counts where pages have no key.
    fn plan(rows: AfterParams, offset: u64) -> RequestPlan;
    fn map(raw: &Bytes, context: &map::Context) -> Result<Self, Box<Rejected>>;
}

/// The fields that a noun can be sorted by.
pub(super) fn sorts<T: Rows>() -> Vec<&'static str> {
    T::SORTS.iter().map(|(own, _)| *own).collect()
}

fn sort<T: Rows>(sort: Option<Sort>) -> Result<Option<String>> {
    let Some(sort) = sort else { return Ok(T::ORDER.map(str::to_owned)) };
    let known = T::SORTS.iter().find(|(own, _)| *own == sort.field.name);
    let (_, field) = known.ok_or_else(|| {
        Error::unsupported(format!("{} cannot be sorted by {}", T::NOUN.plural(), sort.field.name))
            .with_hint(format!("sort by one of {}", sorts::<T>().join(", ")))
    })?;
    Ok(Some(format!("{field}{}{}", T::SIGN, if sort.descending { "desc" } else { "asc" })))
}

/// Where a listing stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Place {
    /// The vendor's page key.
    k: String,
    /// Rows on the pages before, where the count ends the listing.
    n: u64,
    /// How many rows there were on the page before, where pages have no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<u64>,
}

enum Stage {
    Start,
    Reading(Box<ItemReader>),
    Done,
}

struct RowPage<'a, T: Rows> {
    falcon: &'a Falcon,
    query: &'a T::Query,
    params: AfterParams,
    context: map::Context,
    place: Place,
    stage: Stage,
    arrived: u64,
}

impl Falcon {
    /// A page of whole rows, given out while it arrives.
    pub(super) fn rows<'a, T: Rows>(
        &'a self,
        query: &'a T::Query,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, T> {
        let page = RowPage::<T>::open(self, query, cursor.as_ref());
        stream::try_unfold(page, move |page| async move {
            let mut page = page?;
            let part = page.next().await?;
            Ok(part.map(|part| (self.counted(part), Ok(page))))
        })
        .boxed()
    }
}

impl<'a, T: Rows> RowPage<'a, T> {
    fn open(falcon: &'a Falcon, query: &'a T::Query, cursor: Option<&Cursor>) -> Result<Self> {
        let named = |e: Error| falcon.named(e, T::ENDPOINT.operation.name);
        let context = falcon.context();
        let place: Place = match cursor {
            Some(cursor) => cursor.open(&context.tenant, T::NOUN, query.fingerprint()).map_err(named)?,
            None => Place::default(),
        };
        let params = AfterParams {
            filter: T::filter(query.filters()).to_string(),
            sort: sort::<T>(query.sort()).map_err(named)?,
            limit: Some(query.page_size().unwrap_or(T::MOST).clamp(1, T::MOST)),
            after: (!place.k.is_empty()).then(|| place.k.clone()),
        };
        Ok(Self { falcon, query, params, context, place, stage: Stage::Start, arrived: 0 })
    }

    /// The next part; nothing after the one with the end.
    async fn next(&mut self) -> Result<Option<Part<T>>> {
        let mut reader = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Start => {
                let plan = T::plan(self.params.clone(), self.place.n);
                Box::new(self.falcon.client().http().items(plan, RESOURCES))
            }
            Stage::Reading(reader) => reader,
            Stage::Done => return Ok(None),
        };
        let Some(event) = reader.next().await.transpose()? else { return Ok(None) };
        let mut part = Part::default();
        match event {
            ItemEvent::Items(raw) => {
                self.stage = Stage::Reading(reader);
                self.arrived += raw.len() as u64;
                raw.iter().for_each(|row| self.sift(row, &mut part));
            }
            ItemEvent::Restarted => {
                self.stage = Stage::Reading(reader);
                (self.arrived, part.restarted) = (0, true);
            }
            ItemEvent::End { skeleton, headers } => {
                let (client, some) = (self.falcon.client(), self.arrived > 0);
                let tail = client.tail(T::ENDPOINT, Expect::Listing, some, &skeleton, &headers)?;
                self.falcon.beside(&tail, &mut part);
                let pagination = tail.envelope.pagination();
                // Rows that left the listing have moved the others towards its beginning.
                if self.place.c.zip(pagination.count()).is_some_and(|(before, now)| now < before) {
                    part.drift = Drift::Seen;
                }
                part.end = Some(self.end(&pagination)?);
            }
        }
        part.warnings.extend(self.falcon.notices());
        Ok(Some(part))
    }

    fn sift(&self, row: &Bytes, part: &mut Part<T>) {
        match T::map(row, &self.context) {
            Ok(item) if self.query.matches(&item) => part.items.push(item),
            Ok(item) => part.filtered_out.push(Listing::key(&item)),
            Err(refused) => part.rejected.push(*refused),
        }
    }

    fn end(&self, pagination: &Pagination) -> Result<PageEnd> {
        // Elsewhere the place is the key alone, so that the walk sees at once when one comes again.
        let counted = matches!(T::ENDPOINT.paging, Paging::AfterCounted | Paging::Offset { .. });
        let (total, read) = (pagination.count(), if counted { self.place.n + self.arrived } else { 0 });
        let over = match self.arrived {
            0 => counted || total == Some(0),
            _ => counted && total.is_some_and(|total| read >= total),
        };
        let key = if T::BY_OFFSET {
            Some(String::new())
        } else {
            pagination.after.clone().filter(|key| !key.is_empty())
        };
        let print = self.query.fingerprint();
        let c = total.filter(|_| T::BY_OFFSET);
        let seal = |k| Cursor::seal(&self.context.tenant, T::NOUN, print, &Place { k, n: read, c });
        Ok(PageEnd { next: key.filter(|_| !over).map(seal).transpose()?, total })
    }
}
