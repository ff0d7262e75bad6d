//! Flight Control: the children of a parent (falcon-api section 7). A token for a child has none.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::envelope::{ApiError, Envelope};
use super::fql::{Dialect, Filter, Kind, Record, Val};
use super::guard::{Caller, Context};
use super::hosts::{Ids, ids_of};
use super::hosts_list::{Refused, run};
use super::{first, form};
use crate::estate::hash::{hex32, mix_str};
use crate::faults::PageFault;
use crate::state::{FalconCredentials, SimState, TenantState};

const SERVICE: &str = "cs.flightcontrolapi";

/// What children can be filtered by.
const CHILDREN: Dialect = Dialect {
    strict: true,
    properties: &[
        ("child_cid", Kind::Exact),
        ("name", Kind::Text),
        ("status", Kind::Text),
        ("last_modified_timestamp", Kind::Time),
    ],
};

type Shared = State<Arc<SimState>>;

fn bad(message: &str) -> Refused {
    Box::new(Envelope::error(StatusCode::BAD_REQUEST, SERVICE, message).into_response())
}

/// A child with its place among the children of its parent.
struct Child<'a> {
    tenant: &'a TenantState,
    falcon: &'a FalconCredentials,
    changed_ms: i64,
}

impl Record for Child<'_> {
    fn values(&self, property: &'static str) -> Vec<Val> {
        match property {
            "child_cid" => vec![self.falcon.cid.as_str().into()],
            "name" => vec![self.tenant.own_name().into()],
            "status" => vec!["active".into()],
            _ => vec![Val::Time(self.changed_ms)],
        }
    }
}

/// The customer ids of the caller's children.
pub(super) fn cids(c: Context<'_>) -> Vec<String> {
    children(c).iter().map(|child| child.falcon.cid.clone()).collect()
}

/// The children of the caller, the one that was changed last at the end.
fn children<'a>(c: Context<'a>) -> Vec<Child<'a>> {
    let caller = c.state.tenants.iter().position(|t| t.name == c.tenant.name);
    let of_caller = c.state.tenants.iter().filter(|t| t.parent.is_some() && t.parent == caller);
    let day = |place: usize| c.state.clock.start_ms() - 86_400_000 * (1000 - place as i64);
    let child = |(place, tenant): (usize, &'a TenantState)| {
        Some(Child { tenant, falcon: tenant.falcon()?, changed_ms: day(place) })
    };
    of_caller.enumerate().filter_map(child).collect()
}

/// `GET /mssp/queries/children/v1`: customer ids, ten unless asked otherwise.
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
        let (limit, offset) = (number("limit", 10)?, number("offset", 0)?);
        let mut found = matching(c, first(&query, "filter").unwrap_or_default())?;
        match first(&query, "sort").filter(|s| !s.is_empty()).unwrap_or("last_modified_timestamp|desc") {
            "last_modified_timestamp|asc" => {}
            "last_modified_timestamp|desc" => found.reverse(),
            _ => return Err(bad("invalid sort")),
        }
        let page: Vec<&str> =
            found.iter().skip(offset).take(limit).map(|child| child.falcon.cid.as_str()).collect();
        let pagination = json!({"offset": offset, "limit": limit, "total": found.len()});
        Ok(Envelope::new(SERVICE).paged(pagination).with(&page).into_response())
    })
}

fn matching<'a>(c: Context<'a>, filter: &str) -> Result<Vec<Child<'a>>, Refused> {
    let filter = Filter::compile(filter, &CHILDREN, c.state.clock.now_ms())
        .map_err(|_| bad("Invalid filter expression supplied"))?;
    Ok(children(c).into_iter().filter(|child| filter.is_empty() || filter.matches(child)).collect())
}

/// `GET /mssp/entities/children/v1`.
pub(crate) async fn get_entities(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| entities(c, &ids_of(query), None))
}

/// `POST /mssp/entities/children/GET/v2`.
pub(crate) async fn post_entities(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    body: Bytes,
) -> Response {
    run(&state, caller, |c| {
        let Ids { ids } = serde_json::from_slice(&body).map_err(|_| bad("invalid element in the request"))?;
        entities(c, &ids, c.state.faults.page("getChildrenV2", &c.tenant.name))
    })
}

/// 207 when one of the ids is no child. With the fault `empty-page` no child has details, with `bad-item` those of one
/// are spoilt.
fn entities(c: Context<'_>, ids: &[String], fault: Option<PageFault>) -> Result<Response, Refused> {
    if ids.is_empty() {
        return Err(bad("ids is required"));
    }
    let children = children(c);
    let mut found: Vec<&Child<'_>> = children.iter().filter(|x| ids.contains(&x.falcon.cid)).collect();
    found.sort_by_key(|child| mix_str(0x0DD, &child.falcon.cid));
    let mut rows: Vec<Value> = found.iter().map(|child| row(c, child)).collect();
    match fault {
        Some(PageFault::BadItem) => rows.iter_mut().take(1).for_each(|row| *row = json!("spoilt")),
        Some(PageFault::EmptyPage) => rows.clear(),
        _ => {}
    }
    let mut envelope = Envelope::new(SERVICE).with(&rows);
    let missing = ids.iter().filter(|id| !children.iter().any(|child| child.falcon.cid == **id));
    envelope.errors =
        missing.map(|id| ApiError::of(404, format!("No existing child with cid={id} found"), id)).collect();
    if !envelope.errors.is_empty() {
        envelope.status = StatusCode::MULTI_STATUS;
    }
    Ok(envelope.into_response())
}

fn row(c: Context<'_>, child: &Child<'_>) -> Value {
    let cid = &child.falcon.cid;
    let h = mix_str(0xC1D, cid);
    json!({
        "child_cid": cid,
        "child_gcid": hex32(h),
        "child_of": c.falcon.cid,
        "checksum": hex32(h)[..2].to_uppercase(),
        "domains": [child.tenant.estate.company().domain],
        "name": child.tenant.own_name(),
        "status": "active",
    })
}
