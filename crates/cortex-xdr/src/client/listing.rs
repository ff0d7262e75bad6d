//! Listings in windows: one place for all of them.
//!
//! A window is at most a hundred wide. It begins with the item that the one before ended with, so that a
//! shift is noticed. The count never ends a listing: a full window always leads on, and a short one does where
//! the count says more; an empty one is passed over then, and told as a shift. Beyond the highest count that
//! the vendor tells, the listing goes on by time, where it can: from the last time on, without what was given
//! at that time already.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use edr_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::{Batch, CortexClient};
use crate::api::{MAX_WINDOW, Order, PageRequest, Sheet};
use crate::filter::Filters;
use crate::record::Record;

/// Windows in a row that may be empty before the listing gives up …
const PATIENCE: u32 = 3;
/// … and those that may bring only what is known: as many as stand before the count ends.
const REPETITIONS: u32 = 100;

/// A place in a listing, to go on from later. It is of use for the same listing with the same filters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    from: u64,
    /// The id of the item before.
    after: Option<String>,
    /// The time from which the listing goes on, in milliseconds, …
    since: Option<i64>,
    /// … and what was given at this very time.
    met: BTreeSet<String>,
    /// The latest time that was seen, and the ids at it.
    latest: Option<i64>,
    at_latest: BTreeSet<String>,
}

/// A listing that is read window by window.
///
/// ```
/// # async fn run(cortex: &cortex_xdr::CortexClient) -> edr_core::Result<()> {
/// let mut incidents = cortex.incidents(cortex_xdr::Filters::new());
/// while let Some(batch) = incidents.next().await {
///     for incident in batch?.items {
///         println!("{:?} {:?}", incident.incident_id, incident.status);
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Listing<T: 'static> {
    client: CortexClient,
    sheet: &'static Sheet<T>,
    filters: Filters,
    order: Option<Order>,
    position: Position,
    done: bool,
    idle: u32,
    shifted: bool,
    /// Why the listing cannot go on, to be said after the last window.
    obstacle: Option<Error>,
    /// Ids that were given out.
    seen: HashSet<String>,
}

impl<T> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing")
            .field("operation", &self.sheet.operation.name)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

#[expect(private_bounds, reason = "the records are those of this crate")]
impl<T: Record> Listing<T> {
    pub(crate) fn new(client: &CortexClient, sheet: &'static Sheet<T>, filters: Filters) -> Self {
        let order = sheet.time.as_ref().map(|time| Order::ascending(time.field));
        let client = client.clone();
        Self {
            client,
            sheet,
            filters,
            order,
            position: Position::default(),
            done: false,
            idle: 0,
            shifted: false,
            obstacle: None,
            seen: HashSet::new(),
        }
    }

    /// Goes on from a place.
    #[must_use]
    pub fn resume(mut self, position: Position) -> Self {
        self.position = position;
        self
    }

    /// Where the next window begins.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// True when items have moved while the listing was read, did not come in the order that was asked for, or
    /// did not come at all though the vendor counts them: what moved out of a window before it was read is
    /// missing.
    #[must_use]
    pub fn shifted(&self) -> bool {
        self.shifted
    }

    /// The next window that brings something; `None` after the last one. After an error the same window
    /// can be asked for again.
    pub async fn next(&mut self) -> Option<Result<Batch<T>>> {
        loop {
            if let Some(error) = self.obstacle.take() {
                return Some(Err(error));
            }
            if self.done {
                return None;
            }
            match self.window().await {
                Ok(batch) if batch.arrived() == 0 => {}
                other => return Some(other),
            }
        }
    }

    /// Everything that is left.
    ///
    /// # Errors
    /// That of the window that fails; what came before is lost with it, so a long listing is better read
    /// window by window.
    pub async fn collect(mut self) -> Result<Batch<T>> {
        let mut all = Batch::default();
        while let Some(batch) = self.next().await {
            let batch = batch?;
            all.items.extend(batch.items);
            all.undecodable.extend(batch.undecodable);
            all.total = batch.total.or(all.total);
        }
        all.shifted = self.shifted;
        Ok(all)
    }

    async fn window(&mut self) -> Result<Batch<T>> {
        let (begin, size) = match (&self.position.after, self.position.from) {
            (Some(_), from) if from > 0 => (from - 1, MAX_WINDOW),
            (_, from) => (from, MAX_WINDOW),
        };
        let page = self.page(begin, size);
        let mut batch = self.client.sheet(self.sheet, &page).await?;
        let arrived = batch.arrived();
        self.strip(&mut batch, begin);
        self.note(&batch);
        let advanced = self.advance(begin, arrived, &batch);
        batch.shifted = self.shifted;
        // What has arrived is given out before the error.
        self.obstacle = advanced.err().map(|e| self.client.dressed(e, self.sheet.operation.name));
        Ok(batch)
    }

    fn page(&self, begin: u64, size: u32) -> PageRequest {
        let mut filters = self.filters.clone();
        if let (Some(since), Some(time)) = (self.position.since, &self.sheet.time) {
            filters = filters.at_least(time.field, since);
        }
        let page = PageRequest::window(begin, size).filters(filters);
        match &self.order {
            Some(order) => page.order(order.clone()),
            None => page,
        }
    }

    /// Takes out what was given before: the item of the overlap, and those of the same time.
    fn strip(&mut self, batch: &mut Batch<T>, begin: u64) {
        let id = self.sheet.id;
        if begin < self.position.from && batch.arrived() > 0 {
            let after = self.position.after.as_deref();
            let met = batch.items.first().is_some_and(|item| id(&item.value) == after);
            if met {
                batch.items.remove(0);
            } else {
                self.shifted = true;
            }
        }
        let (met, seen) = (&self.position.met, &mut self.seen);
        let mut fresh = |id: &str| !met.contains(id) && seen.insert(id.to_owned());
        batch.items.retain(|item| id(&item.value).is_none_or(&mut fresh));
    }

    /// Remembers the ids at the latest time, for the step beyond the cap.
    fn note(&mut self, batch: &Batch<T>) {
        let Some(time) = &self.sheet.time else { return };
        for item in &batch.items {
            let Some(at) = (time.read)(&item.value) else { continue };
            // A listing that does not keep its order may hide something in the step beyond the cap.
            self.shifted |= self.position.latest.is_some_and(|latest| at < latest);
            if self.position.latest.is_none_or(|latest| at > latest) {
                self.position.latest = Some(at);
                self.position.at_latest.clear();
            }
            if self.position.latest == Some(at) {
                self.position.at_latest.extend((self.sheet.id)(&item.value).map(str::to_owned));
            }
        }
    }

    fn advance(&mut self, begin: u64, arrived: u64, batch: &Batch<T>) -> Result<()> {
        let full = arrived >= u64::from(MAX_WINDOW);
        // An empty window is passed over as a whole; a short one was read to its end.
        let to = begin + if arrived == 0 { u64::from(MAX_WINDOW) } else { arrived };
        let counted = batch.total.is_some_and(|total| begin + arrived < total);
        // What it counts there is not given out.
        self.shifted |= arrived == 0 && counted;
        self.idle = if batch.arrived() == 0 { self.idle + 1 } else { 0 };
        self.done = !full && !counted;
        if !self.done && self.idle >= if arrived == 0 { PATIENCE } else { REPETITIONS } {
            self.done = true;
            return Err(Error::new(ErrorKind::Vendor, "the service counts more than it gives out")
                .with_hint(
                    "what came until here is good; read the listing again to see whether the rest comes",
                ));
        }
        // The id of the last item; none after an item without one, or after an empty window.
        let last = batch.items.last().and_then(|item| (self.sheet.id)(&item.value)).map(str::to_owned);
        self.position.after = last.filter(|_| batch.undecodable.is_empty());
        self.position.from = to;
        if !self.done && self.sheet.cap.is_some_and(|cap| to + u64::from(MAX_WINDOW) > cap) {
            self.beyond()?;
        }
        Ok(())
    }

    /// Begins anew from the latest time.
    fn beyond(&mut self) -> Result<()> {
        let stuck = || {
            Error::new(ErrorKind::Unsupported, "the service lists no further than this")
                .with_hint("narrow the listing by a time or another filter")
        };
        if self.sheet.time.is_none() {
            return Ok(());
        }
        let place = &mut self.position;
        if place.latest.is_none() || place.latest == place.since {
            self.done = true;
            return Err(stuck());
        }
        place.since = place.latest;
        place.met = place.at_latest.clone();
        place.from = 0;
        place.after = None;
        Ok(())
    }
}
