//! Audit: what was done to installation tokens, then the sessions of Real Time Response. What people do in the console
//! comes by the event stream alone, which has no pages.

use edr_core::{
    AuditEvent, AuditQuery, AuditSource, Cursor, Drift, Error, Listing as _, Noun, Page, PageEnd, Part,
    Query as _, Result,
};
use serde::{Deserialize, Serialize};

use super::{Falcon, filters, ids, in_order};
use crate::api::rtr::{self, AuditParams};
use crate::api::{Expect, ListParams, install_tokens};
use crate::map;

/// The largest page that is asked for.
pub(super) const MAX_PAGE: u32 = 500;

/// The records, in the order in which they are read.
const LEGS: [AuditSource; 2] = [AuditSource::InstallToken, AuditSource::RemoteSession];

/// Where a listing stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Place {
    /// Which of the records.
    r: usize,
    /// Rows on the pages before.
    o: u64,
    /// How many rows there were on the page before.
    c: Option<u64>,
}

/// What a page brought.
struct Arrived {
    part: Part<AuditEvent>,
    rows: usize,
    total: Option<u64>,
}

impl Falcon {
    pub(super) async fn audit_page(
        &self,
        query: &AuditQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<AuditEvent>> {
        let named = |e: Error| self.named(e, "audit_list");
        let wanted: Vec<usize> = (0..LEGS.len()).filter(|at| query.wants(LEGS[*at].clone())).collect();
        let descending = descending(query, wanted.len()).map_err(named)?;
        let (context, print) = (self.context(), query.fingerprint());
        let place: Place = match (cursor, wanted.first()) {
            (Some(cursor), _) => cursor.open(&context.tenant, Noun::AuditEvent, print).map_err(named)?,
            (None, Some(first)) => Place { r: *first, ..Place::default() },
            (None, None) => return Ok(nothing()),
        };
        let limit = query.page_size.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
        let rows = ListParams { limit: Some(limit), offset: place.o, ..ListParams::default() };
        let arrived = match place.r {
            0 => self.token_events(query, rows, descending, &context).await,
            _ => self.remote_sessions(query, rows, descending, &context).await,
        };
        let alone = wanted.len() == 1;
        let Arrived { mut part, rows, total } = arrived?;
        // Entries that left the record have moved the others towards its beginning; and an empty page before the last
        // entry ends the reading of what is still there.
        let moved = place.c.zip(total).is_some_and(|(before, now)| now < before);
        if moved || (rows == 0 && total.or(place.c).is_some_and(|total| place.o < total)) {
            part.drift = Drift::Seen;
        }
        let offset = place.o + rows as u64;
        let over = rows == 0 || total.map_or(rows < limit as usize, |total| offset >= total);
        let next = match wanted.iter().find(|r| **r > place.r) {
            _ if !over => Some(Place { r: place.r, o: offset, c: total }),
            after => after.map(|r| Place { r: *r, ..Place::default() }),
        };
        let next = next.map(|place| Cursor::seal(&context.tenant, Noun::AuditEvent, print, &place));
        part.end = Some(PageEnd { next: next.transpose()?, total: total.filter(|_| alone) });
        part.warnings.extend(self.notices());
        let mut page = Page::default();
        page.absorb(self.counted(part));
        Ok(page)
    }

    async fn token_events(
        &self,
        query: &AuditQuery,
        rows: ListParams,
        descending: bool,
        context: &map::Context,
    ) -> Result<Arrived> {
        let sort = Some(format!("timestamp.{}", way(descending)));
        let plan = install_tokens::query_events(&ListParams { sort, ..rows });
        let reply = self.client().raw(plan, Expect::Listing).await?;
        let (found, rejected) = ids(&reply.items, context, Noun::AuditEvent);
        let mut part = Part { rejected, ..Part::default() };
        self.beside(&reply.tail, &mut part);
        for chunk in found.chunks(install_tokens::MAX_IDS) {
            let plan = install_tokens::EVENTS.by_query("ids", chunk);
            let entities = self.entities(plan).await?;
            let before = part.rejected.len();
            let mut events = Vec::new();
            for raw in &entities.items {
                match map::token_event(raw, context) {
                    Ok(event) => events.push(event),
                    Err(rejected) => part.rejected.push(*rejected),
                }
            }
            let (events, missing) = in_order(events, &part.rejected[before..], chunk);
            self.miss(missing, &entities.tail, &mut part);
            events.into_iter().for_each(|event| sift(query, event, &mut part));
        }
        let total = reply.tail.envelope.pagination().count();
        Ok(Arrived { part, rows: reply.items.len(), total })
    }

    async fn remote_sessions(
        &self,
        query: &AuditQuery,
        rows: ListParams,
        descending: bool,
        context: &map::Context,
    ) -> Result<Arrived> {
        let filter = filters::sessions(&query.filters).to_string();
        let sort = Some(format!("created_at|{}", way(descending)));
        let params = AuditParams { list: ListParams { filter, sort, ..rows }, with_commands: true };
        let reply = self.client().raw(rtr::audit(&params), Expect::Listing).await?;
        let mut part = Part::default();
        self.beside(&reply.tail, &mut part);
        for raw in &reply.items {
            match map::remote_session(raw, context) {
                Ok(event) => sift(query, event, &mut part),
                Err(rejected) => part.rejected.push(*rejected),
            }
        }
        let total = reply.tail.envelope.pagination().count();
        Ok(Arrived { part, rows: reply.items.len(), total })
    }
}

fn sift(query: &AuditQuery, event: AuditEvent, part: &mut Part<AuditEvent>) {
    if query.matches(&event) {
        part.items.push(event);
    } else {
        part.filtered_out.push(event.key());
    }
}

fn nothing() -> Page<AuditEvent> {
    Page { end: PageEnd { next: None, total: Some(0) }, ..Page::default() }
}

fn way(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}

/// Each record has an order by time, and the two together have none.
fn descending(query: &AuditQuery, records: usize) -> Result<bool> {
    match query.sort {
        None => Ok(true),
        Some(sort) if sort.field.name == "time" && records < 2 => Ok(sort.descending),
        Some(sort) => {
            let message = format!("audit events cannot be sorted by {}", sort.field.name);
            Err(Error::unsupported(message).with_hint("sort by time, one source at a time"))
        }
    }
}

#[cfg(test)]
mod tests {
    use edr_core::EdrProviderExt as _;

    use super::*;
    use crate::testing::{falcon, page};

    #[tokio::test(start_paused = true)]
    async fn an_empty_page_in_the_middle_is_never_a_complete_listing() {
        for (total, told, complete) in [(2, true, true), (3, true, false), (3, false, false)] {
            let (falcon, _) = falcon(move |sent| {
                if !sent.path.contains("audit") {
                    return page(&[], r#"{"total":0}"#);
                }
                let rows = if sent.get("offset").is_none_or(|offset| offset == "0") { 2 } else { 0 };
                let sessions: Vec<String> = (0..rows).map(|n| format!(r#"{{"id":"s{n}"}}"#)).collect();
                let told = told || rows > 0;
                page(&sessions, &if told { format!(r#"{{"total":{total}}}"#) } else { "{}".to_owned() })
            });
            // Of two records together no count is told that the walk could hold the rows against.
            let found = falcon.collect(&AuditQuery::new().page_size(2)).await.unwrap();
            assert_eq!(
                (found.items.len(), found.outcome.is_complete()),
                (2, complete),
                "{:?}",
                found.outcome
            );
        }
    }
}
