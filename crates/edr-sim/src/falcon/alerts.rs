//! Alerts: query, entities, and the combined endpoint with its `after` (falcon-api section 5).

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::cursor::{AlertCursor, decode, encode};
use super::envelope::{ApiError, Empty, Envelope, gateway};
use super::fql::{Filter, Record};
use super::guard::{Caller, Context};
use super::hosts_list::{Refused, SortKey, order, run, sort_key};
use super::render_alert::{composite_id, find, render};
use super::view::{ALERTS, AlertView};
use super::writer::items;
use super::{first, form};
use crate::estate::hash::mix_str;
use crate::faults::PageFault;
use crate::state::SimState;

pub(super) const SERVICE: &str = "detectsapi";

type Shared = State<Arc<SimState>>;

fn refuse(status: StatusCode, message: &str) -> Refused {
    Box::new(Envelope::error(status, SERVICE, message).into_response())
}

pub(super) fn bad(message: &str) -> Refused {
    refuse(StatusCode::BAD_REQUEST, message)
}

/// Alerts in the order of a reply, each with the key it is sorted by.
struct Sorted {
    rows: Vec<(SortKey, u64)>,
    descending: bool,
}

impl Sorted {
    /// The position of the first row behind a key: later rows cannot move it.
    fn behind(&self, key: &(SortKey, u64)) -> usize {
        self.rows.partition_point(|row| if self.descending { row >= key } else { row <= key })
    }
}

/// The alerts that pass a filter and the words of `q`, sorted.
fn sorted(c: Context<'_>, filter: &str, q: &str, sort: &str) -> Result<Sorted, Refused> {
    let filter = Filter::compile(filter, &ALERTS, c.state.clock.now_ms())
        .map_err(|_| bad("Invalid filter expression supplied"))?;
    let known = order(sort).and_then(|(field, down)| ALERTS.property(field).map(|(name, _)| (name, down)));
    let (field, descending) = known.ok_or_else(|| bad("Invalid sort expression supplied"))?;
    let keyed = |i: u64| {
        let view = AlertView::of(c.tenant, c.falcon, i);
        let passes = filter.matches(&view) && says(&view, q);
        passes.then(|| (sort_key(view.values(field).into_iter().next()), i))
    };
    let mut rows: Vec<(SortKey, u64)> = (0..c.tenant.estate.alert_count()).filter_map(keyed).collect();
    rows.sort();
    if descending {
        rows.reverse();
    }
    Ok(Sorted { rows, descending })
}

/// Free text: every word occurs somewhere in the names and texts of the alert.
fn says(view: &AlertView<'_>, q: &str) -> bool {
    const SEARCHED: [&str; 6] =
        ["name", "description", "device.hostname", "user_name", "cmdline", "filename"];
    let text = || {
        SEARCHED
            .iter()
            .flat_map(|p| view.values(p))
            .map(|v| format!("{v:?}").to_lowercase())
            .collect::<String>()
    };
    q.is_empty() || {
        let text = text();
        q.to_lowercase().split_whitespace().all(|word| text.contains(word))
    }
}

/// `GET /alerts/queries/alerts/v1` is refused nowadays.
pub(crate) async fn retired_query() -> Response {
    *bad("this version of the API is no longer supported")
}

/// `GET /alerts/queries/alerts/v2`: ids, by offset; beyond 10,000 the service breaks with a 500.
pub(crate) async fn query(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| {
        let query = form(&query.unwrap_or_default());
        let number = |key: &str, default: usize| {
            first(&query, key).map_or(Ok(default), str::parse).map_err(|_| bad(&format!("invalid {key}")))
        };
        let (limit, offset) = (number("limit", 100)?, number("offset", 0)?);
        if limit > 10_000 {
            return Err(bad("limit must be between 0 and 10000"));
        }
        if offset.saturating_add(limit) > 10_000 {
            return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error"));
        }
        let text = |key: &str| first(&query, key).unwrap_or_default();
        let sort = Some(text("sort")).filter(|s| !s.is_empty()).unwrap_or("created_timestamp|desc");
        let mut found = sorted(c, text("filter"), text("q"), sort)?;
        if text("include_hidden") == "false" {
            found.rows.retain(|(_, i)| c.tenant.estate.detection(*i).show_in_ui);
        }
        let fault = c.state.faults.page("QueryV2", &c.tenant.name);
        let from = match fault {
            Some(PageFault::Drift { shift }) if offset > 0 => offset.saturating_add_signed(-(shift as isize)),
            _ => offset,
        };
        let page: Vec<u64> = if fault == Some(PageFault::EmptyPage) {
            Vec::new()
        } else {
            found.rows.iter().skip(from).take(limit).map(|r| r.1).collect()
        };
        Ok(ids_reply(c, &page, fault, json!({"offset": offset, "limit": limit, "total": found.rows.len()})))
    })
}

fn ids_reply(
    c: Context<'_>,
    page: &[u64],
    fault: Option<PageFault>,
    pagination: serde_json::Value,
) -> Response {
    let spoilt = (fault == Some(PageFault::BadItem)).then_some(page.len() / 2);
    let mut envelope = Envelope::new(SERVICE).paged(pagination);
    (envelope.no_errors, envelope.writes) = (Empty::Absent, Some(0));
    envelope.resources = Some(items(page.iter().enumerate(), |out, (at, i)| match spoilt {
        Some(middle) if middle == at => out.extend_from_slice(b"17"),
        _ => out.extend_from_slice(
            format!("\"{}\"", composite_id(c.tenant, c.falcon, &c.tenant.estate.detection(*i))).as_bytes(),
        ),
    }));
    envelope.into_response()
}

#[derive(Debug, Deserialize)]
struct CompositeIds {
    composite_ids: Vec<String>,
}

/// `POST /alerts/entities/alerts/v2`: at most 1,000 ids, answered in another order.
pub(crate) async fn entities(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    body: Bytes,
) -> Response {
    run(&state, caller, |c| {
        let body: CompositeIds =
            serde_json::from_slice(&body).map_err(|_| bad("invalid element in the request"))?;
        if body.composite_ids.len() > 1_000 {
            return Err(Box::new(gateway(StatusCode::PAYLOAD_TOO_LARGE, "request too large")));
        }
        let mut ids = body.composite_ids;
        ids.sort_by_cached_key(|id| mix_str(0xA1, id));
        ids.dedup();
        let mut envelope = Envelope::new(SERVICE);
        let mut found = Vec::new();
        for id in &ids {
            match find(c.tenant, c.falcon, id) {
                Some(detection) => found.push(detection),
                None => envelope.errors.push(ApiError::of(404, "alert not found", id)),
            }
        }
        envelope.resources = Some(items(&found, |out, d| render(out, c.tenant, c.falcon, d)));
        Ok(envelope.into_response())
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CombinedRequest {
    after: Option<String>,
    filter: Option<String>,
    limit: Option<u64>,
    sort: Option<String>,
}

/// `POST /alerts/combined/alerts/v1`: whole alerts, walked by `after`.
pub(crate) async fn combined(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    body: Bytes,
) -> Response {
    run(&state, caller, |c| {
        let request: CombinedRequest = match body.is_empty() {
            true => CombinedRequest::default(),
            false => serde_json::from_slice(&body).map_err(|_| bad("invalid element in the request"))?,
        };
        let limit = request.limit.filter(|n| *n > 0).unwrap_or(100);
        if limit > 1_000 {
            return Err(bad("limit must be between 1 and 1000"));
        }
        walk(c, &request, limit as usize)
    })
}

/// One page. The walk goes on behind the key of the last item, so that it drifts only when keys change.
fn walk(c: Context<'_>, request: &CombinedRequest, limit: usize) -> Result<Response, Refused> {
    let sent = request.after.as_deref().filter(|a| !a.is_empty());
    let fault = c.state.faults.page("PostCombinedAlertsV1", &c.tenant.name);
    let cursor = sent.map(|text| resume(text, fault)).transpose()?;
    let asked = request.sort.as_deref().filter(|s| !s.is_empty()).unwrap_or("created_timestamp|desc");
    let sort = cursor.as_ref().map_or(asked, |k| k.sort.as_str()).to_owned();
    let found = sorted(c, request.filter.as_deref().unwrap_or_default(), "", &sort)?;
    let mut from = cursor.as_ref().map_or(0, |k| found.behind(&(parse_key(&k.after.0), k.after.1)));
    if let (Some(PageFault::Drift { shift }), true) = (fault, cursor.is_some()) {
        from = from.saturating_add_signed(-(shift as isize)).min(found.rows.len());
    }
    let held = matches!(fault, Some(PageFault::EmptyPage | PageFault::RepeatCursor));
    let page = &found.rows[from..found.rows.len().min(from + limit)];
    let last = from + page.len() >= found.rows.len();
    let key = if held { from.checked_sub(1).map(|i| &found.rows[i]) } else { page.last() };
    let fetched = from + page.len();
    let next = key.filter(|_| held || !last).map(|key| encode(&after(key, &sort, found.rows.len(), fetched)));
    let next = match fault {
        Some(PageFault::RepeatCursor) => sent.map(str::to_owned).or(next),
        _ => next,
    };
    let mut pagination = json!({"limit": limit, "total": found.rows.len()});
    // On the last page `after` is empty or missing; both occur.
    match next {
        Some(next) => pagination["after"] = next.into(),
        None if found.rows.len() % 2 == 0 => pagination["after"] = "".into(),
        None => {}
    }
    let shown = if fault == Some(PageFault::EmptyPage) { &[] } else { page };
    let spoilt = (fault == Some(PageFault::BadItem)).then_some(shown.len() / 2);
    let mut envelope = Envelope::new(SERVICE).paged(pagination);
    envelope.resources = Some(items(shown.iter().enumerate(), |out, (at, (_, i))| match spoilt {
        Some(middle) if middle == at => {
            out.extend_from_slice(br#"{"composite_id":{"unexpected":true},"severity":"much"}"#)
        }
        _ => render(out, c.tenant, c.falcon, &c.tenant.estate.detection(*i)),
    }));
    Ok(envelope.into_response())
}

/// Where an `after` stands. The text of an expired one is that of the spotlight service.
fn resume(text: &str, fault: Option<PageFault>) -> Result<AlertCursor, Refused> {
    if fault == Some(PageFault::ExpiredCursor) {
        return Err(refuse(StatusCode::NOT_FOUND, "Search context expired, 'after' key no longer valid"));
    }
    decode(text).ok_or_else(|| bad("invalid 'after' value"))
}

fn after(key: &(SortKey, u64), sort: &str, total: usize, fetched: usize) -> AlertCursor {
    AlertCursor {
        version: "v1".to_owned(),
        total_hits: total as u64,
        total_relation: "eq".to_owned(),
        cluster_id: "sim".to_owned(),
        after: (write_key(&key.0), key.1),
        total_fetched: fetched as u64,
        sort: sort.to_owned(),
    }
}

fn write_key(key: &SortKey) -> String {
    match key {
        SortKey::Nothing => String::new(),
        SortKey::Number(n) => format!("n{n}"),
        SortKey::Text(text) => format!("t{text}"),
    }
}

fn parse_key(text: &str) -> SortKey {
    match text.split_at_checked(1) {
        Some(("n", n)) => n.parse().map_or(SortKey::Nothing, SortKey::Number),
        Some(("t", text)) => SortKey::Text(text.to_owned()),
        _ => SortKey::Nothing,
    }
}
