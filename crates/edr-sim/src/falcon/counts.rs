//! Counts: what aggregates of all services have in common (falcon-appendix, `msa.AggregateQueryRequest`).

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::envelope::{ApiError, Envelope};
use super::fql::{Filter, FqlError, Kind, Record, Val};
use super::hosts_list::Refused;
use super::render_host::stamp;
use super::things::{Ask, Seen, Style, bad, no_method};

/// The values of a field in the rows that a filter lets through.
pub(super) type Values<'a> = &'a dyn Fn(&str, &str) -> Result<Vec<Val>, Refused>;

/// Where the body is a list of questions: an object is refused.
pub(super) fn list(ask: &Ask<'_>, service: &'static str, values: Values<'_>) -> Result<Response, Refused> {
    if ask.method != Method::POST {
        return no_method();
    }
    let body: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
    let specs = body.as_array().ok_or_else(|| bad(service, "invalid element in the request"))?;
    answer(service, specs, values)
}

/// The values of a field in kept rows. A field that is not known has none.
pub(super) fn of_rows(
    ask: &Ask<'_>,
    style: &Style,
    rows: &[Value],
    field: &str,
    filter: &str,
) -> Result<Vec<Val>, Refused> {
    let filter = if filter == "*" { "" } else { filter };
    let filter = match Filter::compile(filter, style.dialect, ask.c.state.clock.now_ms()) {
        Ok(filter) => filter,
        Err(FqlError::UnknownProperty(_)) => return Ok(Vec::new()),
        Err(_) => return Err(bad(style.service, "Invalid filter expression supplied")),
    };
    let Some((property, _)): Option<(&'static str, Kind)> = style.dialect.property(field) else {
        return Ok(Vec::new());
    };
    let views = rows.iter().map(|row| Seen(row, style.dialect));
    Ok(views.filter(|v| filter.is_empty() || filter.matches(v)).flat_map(|v| v.values(property)).collect())
}

/// The answers to questions.
pub(super) fn answer(
    service: &'static str,
    specs: &[Value],
    values: Values<'_>,
) -> Result<Response, Refused> {
    let mut envelope = Envelope::new(service);
    let mut rows = Vec::new();
    for spec in specs {
        let field = spec["field"].as_str().unwrap_or_default();
        let kind = spec["type"].as_str().unwrap_or_default();
        let lacks = |key: &str| spec[key].as_array().is_none_or(Vec::is_empty) && !spec[key].is_string();
        let partner = match kind {
            "terms" | "cardinality" | "min" | "max" => None,
            "date_histogram" => Some("interval"),
            "date_range" => Some("date_ranges"),
            "range" => Some("ranges"),
            _ => {
                envelope.errors.push(ApiError::new(400, "invalid aggregate type"));
                continue;
            }
        };
        if partner.is_some_and(lacks) {
            let broken = Envelope::error(StatusCode::INTERNAL_SERVER_ERROR, service, "internal error");
            return Ok(broken.into_response());
        }
        rows.push(json!({"name": spec["name"], "sum_other_doc_count": 0, "buckets": buckets(values, kind, field, spec)?}));
    }
    // The answers come in an order of the service's own.
    rows.reverse();
    envelope = Envelope { errors: envelope.errors, ..Envelope::new(service).with(&rows) };
    Ok(envelope.into_response())
}

fn number(value: &Val) -> f64 {
    match value {
        Val::Num(n) => *n,
        Val::Time(ms) => *ms as f64,
        Val::Bool(b) => f64::from(u8::from(*b)),
        Val::Text(_) => 0.0,
    }
}

fn label(value: &Val) -> String {
    match value {
        Val::Text(text) => text.clone(),
        Val::Time(ms) => stamp(*ms),
        other => number(other).to_string(),
    }
}

fn buckets(values: Values<'_>, kind: &str, field: &str, spec: &Value) -> Result<Vec<Value>, Refused> {
    let values = values(field, spec["filter"].as_str().unwrap_or_default())?;
    Ok(match kind {
        "cardinality" => {
            let distinct: std::collections::BTreeSet<String> = values.iter().map(label).collect();
            vec![json!({"count": values.len(), "value": distinct.len()})]
        }
        "max" | "min" => {
            let pick = if kind == "max" { f64::max } else { f64::min };
            let all = values.iter().map(number).reduce(pick);
            all.into_iter().map(|value| json!({"count": values.len(), "value": value})).collect()
        }
        "range" => ranges(&values, spec),
        "date_histogram" => {
            let days = values.iter().map(|v| label(v)[..10].to_owned());
            counted(days)
                .into_iter()
                .map(|(day, n)| json!({"label": day, "key_as_string": day, "count": n}))
                .collect()
        }
        _ => terms(&values, spec),
    })
}

fn counted(labels: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    labels.fold(BTreeMap::new(), |mut all, label| {
        *all.entry(label).or_default() += 1;
        all
    })
}

fn terms(values: &[Val], spec: &Value) -> Vec<Value> {
    let mut all: Vec<(String, u64)> = counted(values.iter().map(label)).into_iter().collect();
    all.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let size = spec["size"].as_u64().unwrap_or(10) as usize;
    all.into_iter().take(size).map(|(label, n)| json!({"label": label, "count": n})).collect()
}

/// The keys of a span are written with a capital.
fn ranges(values: &[Val], spec: &Value) -> Vec<Value> {
    let spans = spec["ranges"].as_array().cloned().unwrap_or_default();
    let bucket = |span: &Value| {
        let (from, to) = (span["From"].as_f64().unwrap_or(f64::MIN), span["To"].as_f64().unwrap_or(f64::MAX));
        let inside = values.iter().filter(|v| (from..to).contains(&number(v))).count();
        json!({"from": span["From"], "to": span["To"], "count": inside, "label": format!("{from}-{to}")})
    };
    spans.iter().map(bucket).collect()
}
