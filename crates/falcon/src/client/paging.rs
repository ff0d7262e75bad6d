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
            return Err(broke_off(at, total.unwrap_or_default()));
        }
        match cap.map(u64::from) {
            Some(cap) if at + 1 >= cap => Err(capped(cap, total.unwrap_or(at))),
            _ => Ok(Some(PageKey(at.to_string()))),
        }
    }
}

/// How the pages of a path that is not known are turned, as its first page shows.
fn seen<T>(first: &Reply<T>, plan: &RequestPlan) -> Paging {
    let (by_body, from) = (matches!(plan.body, Body::Bytes(..)), place(plan));
    let pagination = first.pagination();
    let rows = (first.resources.len() + first.undecoded.len()) as u64;
    let is_set = |key: &Option<String>| key.as_deref().is_some_and(|k| !k.is_empty());
    let counts = |key: &str| key.parse::<u64>().is_ok();
    if pagination.count().is_some_and(|total| rows >= total) {
        return Paging::Single;
    }
    match &pagination.offset {
        _ if is_set(&pagination.after) && by_body => Paging::After,
        // A key may come with the last page as well: it is the page without rows that ends the listing.
        _ if is_set(&pagination.after) => Paging::AfterCounted,
        _ if is_set(&pagination.next) => Paging::Next,
        Some(key) if !key.is_empty() && !counts(key) => Paging::Scroll,
        _ if pagination.total.is_some() && from.is_none_or(|place| counts(&place)) => {
            Paging::Offset { cap: None }
        }
        _ => Paging::Single,
    }
}

/// The key or the row of the caller's at which a request takes its listing up.
fn place(plan: &RequestPlan) -> Option<String> {
    let body: serde_json::Value = match &plan.body {
        Body::Bytes(_, bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
        _ => serde_json::Value::Null,
    };
    let in_query = |key: &str| plan.query.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone());
    let in_body = |key: &str| body.get(key).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    let mut places = ["after", "offset"].into_iter().filter_map(|key| in_query(key).or_else(|| in_body(key)));
    places.find(|place| !matches!(place.as_str(), "" | "0" | "null"))
}

fn broke_off(given: u64, total: u64) -> Error {
    Error::new(ErrorKind::Vendor, format!("the listing broke off: {given} of {total} rows came"))
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
    /// What the vendor counted when the walk began, less what it dropped since.
    owed: Option<u64>,
    /// The path is not known: its first page shows how pages are turned, and its count ends nothing.
    foreign: bool,
    /// Why the walk cannot go on, to be said after the last page.
    obstacle: Option<Error>,
    done: bool,
}

impl Walk {
    fn new(client: &FalconClient, plan: RequestPlan, style: Paging) -> Self {
        Self {
            client: client.clone(),
            given: place(&plan).is_none().then_some(0),
            plan,
            style,
            max_page: None,
            used: HashSet::new(),
            empty: 0,
            owed: None,
            foreign: false,
            obstacle: None,
            done: false,
        }
    }

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
        let unseen = self.foreign && self.used.is_empty();
        let expect = if unseen { api::Expect::Any } else { api::Expect::Listing };
        let mut reply: Reply<T> = self.client.typed(self.plan.clone(), expect).await?.0;
        if unseen {
            self.style = seen(&reply, &self.plan);
        }
        let turn = Turn::styled(&self.plan, self.style);
        let rows = (reply.resources.len() + reply.undecoded.len()) as u64;
        self.given = self.given.map(|given| given + rows);
        self.empty = if rows == 0 { self.empty + 1 } else { 0 };
        match self.behind(turn, &reply) {
            Ok(next) => reply.next = next,
            Err(error) => self.obstacle = Some(error),
        }
        Ok(reply)
    }

    /// The key of the page behind a reply, and the walk pointed at it.
    fn behind<T>(&mut self, turn: Turn, reply: &Reply<T>) -> Result<Option<PageKey>> {
        // That nothing matches is no count where rows have come.
        let total = reply.pagination().count().filter(|total| *total > 0 || self.given == Some(0));
        self.owed = self.owed.into_iter().chain(total).min();
        // These have a key on the last page, too.
        let keyed = matches!(self.style, Paging::AfterCounted | Paging::Scroll) && !self.foreign;
        let has_all = self.given.zip(total).is_some_and(|(given, total)| given >= total);
        let next = turn.next(reply)?.filter(|_| !(keyed && has_all));
        if next.is_none() {
            self.check_end()?;
        }
        self.go_on(next.as_ref())?;
        Ok(next)
    }

    /// A listing that ends before its time has lost rows. One by offsets knows its row, and goes on until then.
    fn check_end(&self) -> Result<()> {
        let by_row = matches!(self.style, Paging::Offset { .. } | Paging::Single);
        match self.given.zip(self.owed).filter(|_| !by_row) {
            Some((given, owed)) if given < owed => Err(broke_off(given, owed)),
            _ => Ok(()),
        }
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
        let counted =
            self.style == Paging::Scroll && !self.foreign && self.given.is_some() && self.owed.is_some();
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
    /// is longer than the endpoint gives out ends with a [`ListingCap`] behind the last page, and one of
    /// which fewer rows came than the vendor counts with an error there. A walk cannot go in a circle.
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
        let mut walk = Walk::new(self, plan, style);
        walk.max_page = max_page;
        if let Some(key) = from {
            walk.turn_to(&key);
            walk.used.insert(key);
            walk.given = None;
        }
        stream::unfold(walk, Walk::step).boxed()
    }

    /// Walks over the pages of a path that is not known.
    pub(super) fn walk_foreign<T: DeserializeOwned + Send + 'static>(&self, plan: RequestPlan) -> Pages<T> {
        let walk = Walk { foreign: true, ..Walk::new(self, plan, Paging::Single) };
        stream::unfold(walk, Walk::step).boxed()
    }
}
