//! Pages, one after the other, whatever the style in which a service turns them.

use std::collections::HashSet;
use std::fmt;

use edr_core::{Error, ErrorKind, Result};
use edr_http::{Body, RequestPlan};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde::de::DeserializeOwned;

use super::{FalconClient, Reply};
use crate::api::{self, Paging};

/// Pages of a listing as they are read.
pub type Pages<T> = BoxStream<'static, Result<Reply<T>>>;

/// Where a listing goes on: an offset or a key of the vendor's, as text that can be kept. Keys of the
/// vendor live for minutes, some for two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageKey(String);

impl PageKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for PageKey {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for PageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// There is more than the endpoint gives out. Found as the source of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("offset and limit together stay below {cap}, and {total} match")]
#[non_exhaustive]
pub struct ListingCap {
    /// What offset and limit together stay below.
    pub cap: u64,
    /// How many match.
    pub total: u64,
}

/// Pages of a listing that counts rows and tells no total; more are a listing that has no end.
const UNCOUNTED_PAGES: usize = 10_000;

/// Pages without rows that are taken for a stumble; more are a listing that has no end.
const EMPTY_PAGES: u32 = 3;

/// What a request says about its place in a listing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    style: Paging,
    offset: u64,
}

impl Turn {
    pub(super) fn of(plan: &RequestPlan) -> Self {
        let style = api::endpoint(plan.operation.name).map_or(Paging::Single, |e| e.paging);
        Self::styled(plan, style)
    }

    pub(super) fn styled(plan: &RequestPlan, style: Paging) -> Self {
        Self { style, offset: number(plan, "offset").unwrap_or_default() }
    }

    /// The key of the page behind this reply.
    pub(super) fn next<T>(self, reply: &Reply<T>) -> Result<Option<PageKey>> {
        let pagination = reply.pagination();
        let rows = (reply.resources.len() + reply.undecoded.len()) as u64;
        let text = |key: Option<String>| key.filter(|k| !k.is_empty()).map(PageKey);
        match self.style {
            Paging::After => Ok(text(pagination.after)),
            Paging::AfterCounted | Paging::Scroll if rows == 0 => Ok(None),
            Paging::AfterCounted => Ok(text(pagination.after)),
            Paging::Next => Ok(text(pagination.next)),
            Paging::Offset { cap } => self.row(rows, pagination.count(), cap),
            Paging::Scroll => Ok(text(pagination.offset)),
            Paging::Single => Ok(None),
        }
    }

    fn row(self, rows: u64, total: Option<u64>, cap: Option<u32>) -> Result<Option<PageKey>> {
        let at = self.offset + rows;
        if total.is_some_and(|total| at >= total) || (rows == 0 && total.is_none()) {
            return Ok(None);
        }
        if rows == 0 {
            let message = format!("the listing broke off: {at} of {} rows came", total.unwrap_or_default());
            return Err(Error::new(ErrorKind::Vendor, message));
        }
        match cap.map(u64::from) {
            Some(cap) if at + 1 >= cap => Err(capped(cap, total.unwrap_or(at))),
            _ => Ok(Some(PageKey(at.to_string()))),
        }
    }
}

fn capped(cap: u64, total: u64) -> Error {
    let message = format!("the listing is longer than the endpoint gives out: {total} match");
    Error::new(ErrorKind::InvalidRequest, message)
        .with_source(ListingCap { cap, total })
        .with_hint("narrow the filter, by time for example, and begin again for each part")
}

fn number(plan: &RequestPlan, key: &str) -> Option<u64> {
    plan.query.iter().find(|(k, _)| k == key)?.1.parse().ok()
}

fn set(plan: &mut RequestPlan, key: &str, value: String) {
    match plan.query.iter_mut().find(|(k, _)| k == key) {
        Some(pair) => pair.1 = value,
        None => plan.query.push((key.to_owned(), value)),
    }
}

/// A walk over pages.
struct Walk {
    client: FalconClient,
    plan: RequestPlan,
    style: Paging,
    max_page: Option<u32>,
    used: HashSet<PageKey>,
    empty: u32,
    /// Rows given out; known only when the walk began at the beginning.
    given: Option<u64>,
    /// Why the walk cannot go on, to be said after the last page.
    obstacle: Option<Error>,
    done: bool,
}

impl Walk {
    /// Points the plan at a page.
    fn turn_to(&mut self, key: &PageKey) {
        let text = key.0.clone();
        match (&self.plan.body, self.style) {
            (Body::Bytes(kind, bytes), Paging::After) => {
                let mut body: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_slice(bytes).unwrap_or_default();
                body.insert("after".to_owned(), text.into());
                self.plan.body = Body::Bytes(kind, serde_json::Value::from(body).to_string().into());
            }
            (_, Paging::After | Paging::AfterCounted) => set(&mut self.plan, "after", text),
            // An offset of the caller's beside a key would be a contradiction.
            _ => set(&mut self.plan, "offset", text),
        }
    }

    /// The largest page where the caller has named none, and one that fits below the cap.
    fn fit(&mut self) {
        let by_query = matches!(self.plan.body, Body::Empty) && self.style != Paging::Single;
        let Some(max) = self.max_page.filter(|_| by_query).map(u64::from) else { return };
        let mut limit = number(&self.plan, "limit").unwrap_or(max);
        if let Paging::Offset { cap: Some(cap) } = self.style {
            let offset = number(&self.plan, "offset").unwrap_or_default();
            limit = limit.min(u64::from(cap).saturating_sub(offset + 1)).max(1);
        }
        set(&mut self.plan, "limit", limit.to_string());
    }

    async fn page<T: DeserializeOwned>(&mut self) -> Result<Reply<T>> {
        self.fit();
        let turn = Turn::styled(&self.plan, self.style);
        let mut reply: Reply<T> = self.client.typed(self.plan.clone(), api::Expect::Listing).await?.0;
        let rows = (reply.resources.len() + reply.undecoded.len()) as u64;
        self.given = self.given.map(|given| given + rows);
        self.empty = if rows == 0 { self.empty + 1 } else { 0 };
        match self.behind(turn, &reply, rows) {
            Ok(next) => reply.next = next,
            Err(error) => self.obstacle = Some(error),
        }
        Ok(reply)
    }

    /// The key of the page behind a reply, and the walk pointed at it.
    fn behind<T>(&mut self, turn: Turn, reply: &Reply<T>, rows: u64) -> Result<Option<PageKey>> {
        // These have a key on the last page, too.
        let keyed = matches!(self.style, Paging::AfterCounted | Paging::Scroll);
        let ended = keyed && self.has_all(reply, rows)?;
        let next = turn.next(reply)?.filter(|_| !ended);
        self.go_on(next.as_ref())?;
        Ok(next)
    }

    /// Whether a listing with a count is at its end. One that ends before its time has lost rows.
    fn has_all<T>(&self, reply: &Reply<T>, rows: u64) -> Result<bool> {
        let (Some(given), Some(total)) = (self.given, reply.pagination().count()) else {
            return Ok(rows == 0);
        };
        if rows == 0 && given < total {
            let message = format!("the listing broke off: {given} of {total} rows came");
            return Err(Error::new(ErrorKind::Vendor, message));
        }
        Ok(given >= total)
    }

    /// Goes on to the next page, or says why it cannot.
    fn go_on(&mut self, next: Option<&PageKey>) -> Result<()> {
        let Some(key) = next else {
            self.done = true;
            return Ok(());
        };
        if self.empty > EMPTY_PAGES {
            return Err(Error::new(ErrorKind::Vendor, "page after page has no rows, and the listing no end"));
        }
        let again = !self.used.insert(key.clone());
        // A scroll may keep its key while its count shows that it moves.
        let counted = self.style == Paging::Scroll && self.given.is_some();
        if (again && !counted) || self.used.len() > UNCOUNTED_PAGES {
            return Err(Error::new(ErrorKind::Vendor, "a page key came twice: the listing goes in a circle"));
        }
        self.turn_to(key);
        Ok(())
    }

    async fn step<T: DeserializeOwned>(mut self) -> Option<(Result<Reply<T>>, Self)> {
        let result = match self.obstacle.take() {
            Some(error) => Err(error),
            None if self.done => return None,
            None => self.page::<T>().await,
        };
        self.done |= result.is_err();
        let name = self.plan.operation.name;
        let (tenant, vendor) = (self.client.http.tenant().clone(), self.client.http.vendor().clone());
        Some((result.map_err(|e| e.with_operation(name).with_tenant(&tenant, &vendor)), self))
    }
}

impl FalconClient {
    /// Walks over the pages of a listing, one request at a time, from its beginning or from a key that an
    /// earlier [`Reply::next`] gave. A page that cannot be had ends the walk with its error; a listing that
    /// is longer than the endpoint gives out ends with a [`ListingCap`] behind the last page. A walk
    /// cannot go in a circle.
    ///
    /// ```no_run
    /// use falcon::api::hosts::{self, Device, HostsParams};
    /// use futures_util::TryStreamExt as _;
    /// # async fn example(acme: falcon::Falcon) -> edr_core::Result<()> {
    /// let mut pages = acme.client().pages::<Device>(hosts::combined(&HostsParams::default()), None);
    /// while let Some(page) = pages.try_next().await? {
    ///     println!("{} devices, {} could not be read", page.resources.len(), page.undecoded.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pages<T: DeserializeOwned + Send + 'static>(
        &self,
        plan: RequestPlan,
        from: Option<PageKey>,
    ) -> Pages<T> {
        let endpoint = api::endpoint(plan.operation.name);
        let style = endpoint.map_or(Paging::Single, |e| e.paging);
        self.walk(plan, style, endpoint.and_then(|e| e.max_page), from)
    }

    pub(super) fn walk<T: DeserializeOwned + Send + 'static>(
        &self,
        plan: RequestPlan,
        style: Paging,
        max_page: Option<u32>,
        from: Option<PageKey>,
    ) -> Pages<T> {
        let client = self.clone();
        let used = HashSet::new();
        let given = from.is_none().then_some(0);
        let mut walk =
            Walk { client, plan, style, max_page, used, empty: 0, given, obstacle: None, done: false };
        if let Some(key) = from {
            walk.turn_to(&key);
            walk.used.insert(key);
        }
        stream::unfold(walk, Walk::step).boxed()
    }
}
