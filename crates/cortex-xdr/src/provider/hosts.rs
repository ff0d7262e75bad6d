//! Hosts, window by window. A walk asks for the windows that the vendor's count promises before it needs them: where
//! they begin is known when the first has been read. Each is looked at as if it had been asked for alone: what is not
//! where it should be is drift, whichever window was read first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edr_core::EdrProvider as _;
use edr_core::{Cursor, Error, Host, HostQuery, Noun, PageEnd, PartStream, Query as _, Raw, Result};
use edr_http::{RequestPlan, Vanguard};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::CortexXdr;
use crate::api::{self, Order, PageRequest, Skeleton, endpoints};
use crate::listing::{Decoded, Ending, Items, Reading, Tally, decoded, is_hollow, next_from, window};
use crate::{Filters, map, push};

/// A place in a listing of hosts.
#[derive(Serialize, Deserialize)]
struct Place {
    from: u64,
    /// The id of the item before.
    after: Option<String>,
}

/// What a walk knows beyond the window that it reads.
#[derive(Clone, Default)]
pub(super) struct Lead(Arc<Ahead>);

#[derive(Default)]
struct Ahead {
    /// How many hosts the vendor counted last; 0 before it has.
    total: AtomicU64,
    windows: Mutex<Option<Vanguard<Decoded<Host>>>>,
}

/// What is asked for, and how wide a window is.
#[derive(Clone)]
struct Ask {
    filters: Filters,
    order: Order,
    size: u32,
}

impl Ask {
    fn plan(&self, from: u64, size: u32) -> RequestPlan {
        let page = PageRequest::window(from, size).filters(self.filters.clone());
        api::endpoints(&page.order(self.order.clone()))
    }

    /// The windows from this one up to the vendor's count, as long as each is full and overlaps the one before.
    fn windows(self, first: (u64, u32), total: u64) -> impl Iterator<Item = (u64, RequestPlan)> + Send {
        let size = self.size;
        let after = move |(from, wide): &(u64, u32)| {
            let end = from.saturating_add(u64::from(*wide));
            (end < total).then(|| window(end, Some(""), size))
        };
        std::iter::successors(Some(first), after).map(move |(from, wide)| (from, self.plan(from, wide)))
    }
}

impl CortexXdr {
    /// The window at `cursor`, as it arrives: of a walk, or one on its own.
    pub(super) fn host_window<'a>(
        &'a self,
        query: &'a HostQuery,
        cursor: Option<Cursor>,
        lead: Option<Lead>,
    ) -> PartStream<'a, Host> {
        let opened = async move {
            let opened = self.open_window(query, cursor, lead).await;
            opened.map_err(|e| self.dress(e, endpoints::GET_ENDPOINT.name))
        };
        stream::once(opened).try_flatten().boxed()
    }

    async fn open_window<'a>(
        &'a self,
        query: &'a HostQuery,
        cursor: Option<Cursor>,
        lead: Option<Lead>,
    ) -> Result<PartStream<'a, Host>> {
        let order = order(query)?;
        let place = match cursor {
            Some(cursor) => cursor.open::<Place>(self.tenant(), Noun::Host, query.fingerprint())?,
            None => Place { from: 0, after: None },
        };
        let size = query.page_size().unwrap_or(api::MAX_WINDOW).clamp(1, api::MAX_WINDOW);
        let filters = push::hosts(query.filters(), self.client().known_generation());
        let (from, wide) = window(place.from, place.after.as_deref(), size);
        let ask = Ask { filters, order, size };
        let items = match &lead {
            Some(lead) if from > 0 => self.read_ahead(lead, ask, (from, wide)).await,
            _ => self.items(&ask, (from, wide)),
        };
        let reading = Reading {
            client: self.client(),
            items,
            query,
            key: |_| None,
            descending: false,
            anchor: place.after,
            from: place.from,
            disordered: false,
            end: Box::new(move |body, tally| self.end(query, (from, wide), body, tally, lead.as_ref())),
            operation: endpoints::GET_ENDPOINT.name,
        };
        Ok(reading.into_parts())
    }

    fn items(&self, ask: &Ask, (from, wide): (u64, u32)) -> Items<Host> {
        let reader = self.client().http().items(ask.plan(from, wide), endpoints::ENDPOINTS);
        decoded(reader, None, self.decode())
    }

    fn decode(&self) -> impl Fn(Raw) -> Decoded<Host> + Send + Sync + use<> {
        let context = self.client().context();
        move |raw| map::host(&context, raw)
    }

    /// The window among those that have been asked for ahead. When it is not the next of them, or none were asked for,
    /// the walk begins to ask ahead from here.
    async fn read_ahead(&self, lead: &Lead, ask: Ask, at: (u64, u32)) -> Items<Host> {
        let mut windows = lead.0.windows.lock().await;
        if let Some(ahead) = windows.as_mut()
            && let Some(items) = ahead.take(at.0).await
        {
            return items;
        }
        *windows = None;
        let total = lead.0.total.load(Ordering::Relaxed);
        if total <= at.0 {
            return self.items(&ask, at);
        }
        let decode = self.decode();
        let plans = ask.clone().windows(at, total);
        let http = self.client().http();
        let mut ahead = Vanguard::start(http, endpoints::ENDPOINTS, plans, move |raw| decode(Raw::new(raw)));
        let items = ahead.take(at.0).await;
        *windows = Some(ahead);
        items.unwrap_or_else(|| self.items(&ask, at))
    }

    /// A full window always leads on, and so does a short one that ends before the vendor's count: a
    /// window in the middle may be empty. The count alone never ends a listing.
    fn end(
        &self,
        query: &HostQuery,
        (from, wide): (u64, u32),
        body: &[u8],
        tally: &Tally,
        lead: Option<&Lead>,
    ) -> Result<Ending> {
        let envelope = Skeleton::read(body, endpoints::LIST, endpoints::COUNT)?;
        if let (Some(lead), Some(total)) = (lead, envelope.total) {
            lead.0.total.store(total, Ordering::Relaxed);
        }
        let to = next_from(from, wide, tally);
        let more = tally.arrived >= u64::from(wide) || envelope.total.is_some_and(|total| to < total);
        // After an empty window nobody knows what the next one should begin after.
        let place = Place { from: to, after: tally.last_uid.clone() };
        let seal = || Cursor::seal(self.tenant(), Noun::Host, query.fingerprint(), &place);
        let end = PageEnd { next: more.then(seal).transpose()?, total: envelope.total };
        Ok(Ending { end, hollow: is_hollow(from, envelope.total, tally) })
    }
}

/// Oldest first when nothing is said: a new agent then joins at the end and shifts nothing.
fn order(query: &HostQuery) -> Result<Order> {
    let Some(sort) = query.sort else { return Ok(Order::ascending("first_seen")) };
    let field = match sort.field.name {
        "first_seen" => "first_seen",
        "last_seen" => "last_seen",
        "uid" => "endpoint_id",
        other => {
            return Err(Error::unsupported(format!("Cortex XDR does not sort hosts by {other}"))
                .with_hint("sort by first_seen, last_seen or uid"));
        }
    };
    Ok(Order { field: field.to_owned(), descending: sort.descending })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins(first: (u64, u32), size: u32, total: u64) -> Vec<u64> {
        let ask = Ask { filters: Filters::new(), order: Order::ascending("first_seen"), size };
        ask.windows(first, total).map(|(from, _)| from).collect()
    }

    #[test]
    fn windows_overlap_by_one_and_end_at_the_count() {
        assert_eq!(begins((99, 100), 100, 400), [99, 198, 297, 396]);
        assert_eq!(begins((99, 100), 100, 199), [99]);
        assert_eq!(begins((49, 51), 50, 151), [49, 99, 149]);
    }
}
