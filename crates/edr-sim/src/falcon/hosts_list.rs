//! Lists of hosts: the combined endpoint, the scroll, and the capped query (falcon-api section 4).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::cursor::{HostCursor, LIFE_MS, decode, encode};
use super::envelope::{Empty, Envelope, gateway};
use super::fql::{Filter, FqlError, Record, Val};
use super::guard::{Caller, Context};
use super::render_host::render;
use super::view::{HOSTS, HostView, host_order};
use super::writer::items;
use super::{first, form};
use crate::faults::PageFault;
use crate::state::SimState;

pub(super) const SERVICE: &str = "device-api";

/// The list of hidden hosts, whole.
const HIDDEN: &str = "CombinedHiddenDevicesByFilter";

/// A refusal, boxed: a response is large.
pub(super) type Refused = Box<Response>;

pub(super) fn refuse(status: StatusCode, message: &str) -> Refused {
    Box::new(Envelope::error(status, SERVICE, message).into_response())
}

fn bad(message: &str) -> Refused {
    refuse(StatusCode::BAD_REQUEST, message)
}

/// The answer to a filter that cannot be used.
fn bad_filter(error: &FqlError) -> Refused {
    match error {
        FqlError::Breaks(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
        _ => bad("Invalid filter expression supplied"),
    }
}

/// Indices in the order of the reply.
pub(super) enum Listing {
    /// All of them, by id.
    All { total: u64, reversed: bool },
    /// Those that a filter or an order gave.
    Some(Arc<Vec<u32>>),
}

impl Listing {
    fn total(&self) -> u64 {
        match self {
            Self::All { total, .. } => *total,
            Self::Some(list) => list.len() as u64,
        }
    }

    fn slice(&self, from: u64, limit: u64) -> Vec<u64> {
        let end = from.saturating_add(limit).min(self.total());
        let at = |p: u64| match self {
            Self::All { total, reversed: true } => total - 1 - p,
            Self::All { .. } => p,
            Self::Some(list) => u64::from(list[p as usize]),
        };
        (from..end).map(at).collect()
    }
}

/// A key to sort by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SortKey {
    Nothing,
    Number(i64),
    Text(String),
}

pub(super) fn sort_key(value: Option<Val>) -> SortKey {
    match value {
        None => SortKey::Nothing,
        Some(Val::Text(text)) => SortKey::Text(text),
        Some(Val::Num(n)) => SortKey::Number((n * 1000.0) as i64),
        Some(Val::Time(ms)) => SortKey::Number(ms),
        Some(Val::Bool(b)) => SortKey::Number(i64::from(b)),
    }
}

/// (field, descending) of `field.desc`, `field|desc` or `field`.
pub(super) fn order(sort: &str) -> Option<(&str, bool)> {
    match sort.rsplit_once(['.', '|']) {
        Some((field, "asc")) => Some((field, false)),
        Some((field, "desc")) => Some((field, true)),
        Some(_) if sort.contains('|') => None,
        _ => Some((sort, false)),
    }
}

/// The hosts that pass `filter`, in the order of `sort`; kept under `key` for the pages that follow.
fn listing(c: Context<'_>, key: &str, ask: &Ask<'_>, now: i64) -> Result<Listing, Refused> {
    let (filter, sort) = (ask.filter, ask.sort);
    let filter = Filter::compile(filter, &HOSTS, now).map_err(|e| bad_filter(&e))?;
    let (field, descending) =
        order(sort).filter(|(f, _)| host_order(f)).ok_or_else(|| bad("Invalid sort expression supplied"))?;
    let total = c.tenant.estate.host_count();
    let by_id = field == "device_id" || HOSTS.property(field).is_none();
    let hidden = c.tenant.estate.hidden();
    if filter.is_empty() && by_id && c.tenant.estate.ids_rise() && hidden.is_empty() && !ask.hidden {
        return Ok(Listing::All { total, reversed: descending });
    }
    Ok(Listing::Some(c.state.lists.get_or_compute(key, || {
        let wanted = |i: &u64| hidden.binary_search(i).is_ok() == ask.hidden;
        compute(c, wanted, &filter, (!by_id).then_some(field), descending)
    })))
}

/// What a list is asked for.
struct Ask<'a> {
    filter: &'a str,
    sort: &'a str,
    /// The hidden hosts alone; else all others.
    hidden: bool,
}

fn compute(
    c: Context<'_>,
    wanted: impl Fn(&u64) -> bool,
    filter: &Filter,
    field: Option<&str>,
    descending: bool,
) -> Vec<u32> {
    let view = |i: u64| HostView::of(c.tenant, c.falcon, i);
    let hits = (0..c.tenant.estate.host_count())
        .filter(|i| wanted(i) && (filter.is_empty() || filter.matches(&view(*i))));
    let property = field.and_then(|f| HOSTS.property(f)).map(|(name, _)| name);
    let mut list: Vec<u32> = match property {
        None if c.tenant.estate.ids_rise() => hits.filter_map(|i| u32::try_from(i).ok()).collect(),
        None => {
            let mut list: Vec<u32> = hits.filter_map(|i| u32::try_from(i).ok()).collect();
            list.sort_by_cached_key(|i| c.tenant.estate.host_id(u64::from(*i)));
            list
        }
        Some(name) => {
            let mut keyed: Vec<(SortKey, u32)> = hits
                .filter_map(|i| {
                    Some((sort_key(view(i).values(name).into_iter().next()), u32::try_from(i).ok()?))
                })
                .collect();
            keyed.sort();
            keyed.into_iter().map(|(_, i)| i).collect()
        }
    };
    if descending {
        list.reverse();
    }
    list
}

/// The `limit` of a query, within its bounds.
pub(super) fn limit(query: &[(String, String)], max: u64) -> Result<u64, Refused> {
    let Some(text) = first(query, "limit") else { return Ok(100) };
    text.parse()
        .ok()
        .filter(|n| (1..=max).contains(n))
        .ok_or_else(|| bad(&format!("limit must be between 1 and {max}")))
}

/// One page of a walk by cursor.
struct Page {
    cursor: HostCursor,
    sent: Option<String>,
    total: u64,
    limit: u64,
    rows: Vec<u64>,
    fault: Option<PageFault>,
}

impl Page {
    /// The cursor of the page that follows.
    fn next(&self) -> String {
        match (self.fault, &self.sent) {
            (Some(PageFault::RepeatCursor), Some(sent)) => sent.clone(),
            (Some(PageFault::RepeatCursor | PageFault::EmptyPage), _) => encode(&self.cursor),
            _ => encode(&HostCursor { p: self.cursor.p + self.rows.len() as u64, ..self.cursor.clone() }),
        }
    }

    fn is_last(&self) -> bool {
        let held = matches!(self.fault, Some(PageFault::RepeatCursor | PageFault::EmptyPage));
        !held && self.cursor.p + self.rows.len() as u64 >= self.total
    }

    fn expires_ns(&self) -> i64 {
        self.cursor.e * 1_000_000
    }

    fn shown(&self) -> &[u64] {
        if self.fault == Some(PageFault::EmptyPage) { &[] } else { &self.rows }
    }

    /// The rows as JSON; with the fault `bad-item`, the one in the middle is spoilt.
    fn render(&self, spoilt: &str, write: impl Fn(&mut Vec<u8>, u64)) -> Vec<u8> {
        let middle = (self.fault == Some(PageFault::BadItem)).then_some(self.shown().len() / 2);
        items(self.shown().iter().enumerate(), |out, (i, row)| match middle {
            Some(at) if at == i => out.extend_from_slice(spoilt.as_bytes()),
            _ => write(out, *row),
        })
    }
}

fn walk(c: Context<'_>, operation: &str, query: &[(String, String)]) -> Result<Page, Refused> {
    let limit = limit(query, 10_000)?;
    let now = c.state.clock.now_ms();
    let sent = first(query, "offset").filter(|o| !o.is_empty()).map(str::to_owned);
    let fault = c.state.faults.page(operation, &c.tenant.name);
    let mut cursor = match &sent {
        Some(text) => resume(c, text, now, fault)?,
        None => HostCursor {
            t: tenant_number(c),
            l: c.state.falcon.cursors.fetch_add(1, Ordering::Relaxed),
            p: 0,
            e: 0,
            f: first(query, "filter").unwrap_or_default().to_owned(),
            n: now,
            s: first(query, "sort").filter(|s| !s.is_empty()).unwrap_or("device_id.asc").to_owned(),
        },
    };
    cursor.e = now + LIFE_MS;
    let ask = Ask { filter: &cursor.f, sort: &cursor.s, hidden: operation == HIDDEN };
    let list = listing(c, &format!("hosts:{}:{}", cursor.t, cursor.l), &ask, cursor.n)?;
    if let (Some(PageFault::Drift { shift }), true) = (fault, sent.is_some()) {
        cursor.p = cursor.p.saturating_add_signed(-shift).min(list.total());
    }
    let rows = list.slice(cursor.p, limit);
    Ok(Page { cursor, sent, total: list.total(), limit, rows, fault })
}

fn tenant_number(c: Context<'_>) -> usize {
    c.state.tenants.iter().position(|t| t.name == c.tenant.name).unwrap_or_default()
}

/// Where a cursor stands. A scroll that has expired is gone; the status is not in the facts.
fn resume(c: Context<'_>, text: &str, now: i64, fault: Option<PageFault>) -> Result<HostCursor, Refused> {
    let cursor: HostCursor = decode(text).ok_or_else(|| bad("Invalid offset supplied"))?;
    if cursor.t != tenant_number(c) || cursor.e < now || fault == Some(PageFault::ExpiredCursor) {
        return Err(bad("Invalid offset supplied: it has expired"));
    }
    Ok(cursor)
}

type Shared = State<Arc<SimState>>;

/// Runs a handler for a caller; both ways end in a reply.
pub(super) fn run(
    state: &SimState,
    caller: Option<Extension<Caller>>,
    work: impl FnOnce(Context<'_>) -> Result<Response, Refused>,
) -> Response {
    let context = caller.and_then(|Extension(caller)| caller.context(state));
    match context {
        Some(context) => work(context).unwrap_or_else(|refusal| *refusal),
        None => gateway(StatusCode::UNAUTHORIZED, "access denied, invalid bearer token"),
    }
}

/// `GET /devices/combined/devices/v1`.
pub(crate) async fn combined(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| whole(c, "CombinedDevicesByFilter", query))
}

/// `GET /devices/combined/devices-hidden/v1`.
pub(crate) async fn combined_hidden(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| whole(c, HIDDEN, query))
}

fn whole(c: Context<'_>, operation: &str, query: Option<String>) -> Result<Response, Refused> {
    let query = form(&query.unwrap_or_default());
    let page = walk(c, operation, &query)?;
    let only: Option<Vec<String>> = first(&query, "fields")
        .filter(|f| !f.is_empty())
        .map(|f| f.split(',').map(|f| f.trim().to_owned()).collect());
    let rows = page.render(r#"{"device_id":{"unexpected":[1,2]},"hostname":false}"#, |out, i| {
        render(out, c.tenant, c.falcon, i, only.as_deref())
    });
    let mut envelope = Envelope::new(SERVICE).paged(combined_pagination(&page));
    envelope.resources = Some(rows);
    Ok(envelope.into_response())
}

fn combined_pagination(page: &Page) -> Value {
    let next = if page.is_last() { String::new() } else { page.next() };
    // A live empty result had a number here, where other pages have a text.
    let offset = if page.total == 0 { json!(0) } else { json!(page.sent.clone().unwrap_or_default()) };
    json!({"expires_at": page.expires_ns(), "limit": page.limit, "next": next, "offset": offset, "previous": "", "total": page.total})
}

/// `GET /devices/queries/devices-scroll/v1`: the last page has a cursor as well.
pub(crate) async fn scroll(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| {
        let page = walk(c, "QueryDevicesByFilterScroll", &form(&query.unwrap_or_default()))?;
        let pagination = json!({"total": page.total, "offset": page.next(), "expires_at": page.expires_ns()});
        let mut envelope = Envelope::new(SERVICE).paged(pagination);
        envelope.resources = Some(page.render("17", |out, i| id_json(c, out, i)));
        Ok(envelope.into_response())
    })
}

fn id_json(c: Context<'_>, out: &mut Vec<u8>, index: u64) {
    out.extend_from_slice(format!("\"{}\"", c.tenant.estate.host_id(index)).as_bytes());
}

/// `GET /devices/queries/devices/v1`: offset and limit stay below 10,000.
pub(crate) async fn query(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| numbered(c, query, false))
}

/// `GET /devices/queries/devices-hidden/v1`.
pub(crate) async fn query_hidden(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| numbered(c, query, true))
}

fn numbered(c: Context<'_>, query: Option<String>, hidden: bool) -> Result<Response, Refused> {
    let query = form(&query.unwrap_or_default());
    let limit = limit(&query, 5_000)?;
    let offset: u64 =
        first(&query, "offset").map_or(Ok(0), str::parse).map_err(|_| bad("Invalid offset supplied"))?;
    if offset.saturating_add(limit) >= 10_000 {
        return Err(bad("limit + offset must be less than 10000"));
    }
    let (filter, sort) = (
        first(&query, "filter").unwrap_or_default(),
        first(&query, "sort").filter(|s| !s.is_empty()).unwrap_or("device_id.asc"),
    );
    let number = c.state.falcon.cursors.fetch_add(1, Ordering::Relaxed);
    let ask = Ask { filter, sort, hidden };
    let list = listing(c, &format!("query:{number}"), &ask, c.state.clock.now_ms())?;
    let pagination = json!({"offset": offset, "limit": limit, "total": list.total()});
    let mut envelope = Envelope::new(SERVICE).paged(pagination);
    // Services differ in how they say "no errors": [], null, or nothing (falcon-api section 2).
    envelope.no_errors = Empty::Null;
    envelope.resources = Some(items(list.slice(offset, limit), |out, i| id_json(c, out, i)));
    Ok(envelope.into_response())
}
