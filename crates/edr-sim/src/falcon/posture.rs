//! Zero Trust Assessment: scores that follow from what a host is (falcon-api section 7).

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cursor::{decode, encode};
use super::envelope::{ApiError, Envelope};
use super::fql::{Dialect, Kind};
use super::guard::Context;
use super::hosts_list::Refused;
use super::render_host::{platform, product_desc, stamp};
use super::things::{Ask, Style, bad, found, no_method, service};
use crate::estate::hash::mix_str;
use crate::state::SimState;

const SERVICE: &str = "zero-trust-assessment";

const STYLE: Style = Style {
    service: SERVICE,
    dialect: &Dialect { strict: false, properties: &[("score", Kind::Number), ("aid", Kind::Exact)] },
    most: 1_000,
    default: 100,
    sort: "score|asc",
    pipe: true,
    next_offset: false,
    silent: false,
};

pub(super) fn router() -> Router<Arc<SimState>> {
    Router::new()
        .route("/zero-trust-assessment/entities/assessments/v1", service(entities))
        .route("/zero-trust-assessment/queries/assessments/v1", service(by_score))
        .route("/zero-trust-assessment/entities/audit/v1", service(audit))
}

/// The share of the criteria that a host meets; one host in nine was never assessed.
fn score(c: Context<'_>, index: u64) -> Option<u64> {
    let h = mix_str(0x27A, &c.tenant.estate.host_id(index));
    (!h.is_multiple_of(9)).then_some(20 + h % 80)
}

fn row(c: Context<'_>, index: u64, score: u64) -> Value {
    let host = c.tenant.estate.fields(index);
    let signal = |id: &str, name: &str, met: bool| {
        json!({"signal_id": id, "signal_name": name, "group_name": "OS", "criteria": "enabled",
            "meets_criteria": if met { "yes" } else { "no" }})
    };
    let os = platform(host.platform()).1;
    json!({"aid": host.id(), "cid": c.falcon.cid, "event_platform": &os[..3], "modified_time": stamp(host.last_seen_ms()),
        "product_type_desc": product_desc(host.form()), "sensor_file_status": "deployed",
        "system_serial_number": host.serial(),
        "assessment": {"os": score, "overall": score, "sensor_config": score, "version": "3.4.0"},
        "assessment_items": {"os_signals": [signal("os_firewall", "Firewall", score > 50)],
            "sensor_signals": [signal("sensor_rtr", "Real time response", score > 30)]}})
}

fn entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::GET {
        return no_method();
    }
    let ids = ask.ids(SERVICE, "ids", 500)?;
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for id in &ids {
        let assessed = ask.c.tenant.estate.host_index(id).and_then(|i| Some((i, score(ask.c, i)?)));
        match assessed {
            Some((index, score)) => rows.push(row(ask.c, index, score)),
            None => errors.push(ApiError::of(404, "No assessment found", id)),
        }
    }
    rows.reverse();
    let mut envelope = Envelope::new(SERVICE).with(&rows);
    if rows.is_empty() {
        envelope.status = StatusCode::NOT_FOUND;
    }
    envelope.errors = errors;
    Ok(envelope.into_response())
}

/// Where a walk goes on.
#[derive(Serialize, Deserialize)]
struct After(usize);

fn by_score(ask: &Ask<'_>) -> Result<Response, Refused> {
    let filter = ask.need(SERVICE, "filter")?;
    let limit = ask.get("limit").map_or(Ok(STYLE.default), str::parse);
    let limit =
        limit.ok().filter(|l| (1..=STYLE.most).contains(l)).ok_or_else(|| bad(SERVICE, "invalid limit"))?;
    let from = match ask.get("after") {
        Some(text) => decode::<After>(text).ok_or_else(|| bad(SERVICE, "invalid 'after' value"))?.0,
        None => 0,
    };
    let c = ask.c;
    let all = (0..c.tenant.estate.host_count()).filter_map(|i| Some((i, score(c, i)?)));
    let rows = all.map(|(i, score)| json!({"aid": c.tenant.estate.host_id(i), "score": score})).collect();
    let rows = found(ask, rows, &STYLE, filter)?;
    let total = rows.len();
    let page: Vec<Value> = rows.into_iter().skip(from).take(limit).collect();
    let end = from + page.len();
    let after = if end < total { encode(&After(end)) } else { String::new() };
    let pagination = json!({"limit": limit, "total": total, "after": after});
    Ok(Envelope::new(SERVICE).paged(pagination).with(&page).into_response())
}

fn audit(ask: &Ask<'_>) -> Result<Response, Refused> {
    let c = ask.c;
    let scores: Vec<u64> = (0..c.tenant.estate.host_count()).filter_map(|i| score(c, i)).collect();
    let average = scores.iter().sum::<u64>() as f64 / scores.len().max(1) as f64;
    let row = json!({"cid": c.falcon.cid, "num_aids": scores.len(), "average_overall_score": average, "platforms": []});
    Ok(Envelope::new(SERVICE).with(&[row]).into_response())
}
