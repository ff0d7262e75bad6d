//! What services keep of their own (indicators, policies, users, groups of a parent): rows of JSON by tenant, and the
//! parts that all such services have in common.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use chrono::DateTime;
use http::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::envelope::{ApiError, Empty, Envelope, gateway};
use super::fql::{Dialect, Filter, FqlError, Kind, Record, Val};
use super::guard::{Caller, Context};
use super::hosts_list::{Refused, order, run, sort_key};
use super::render_host::nanos;
use super::{first, form};
use crate::estate::hash::{hex32, mix_str, mix2};
use crate::state::SimState;

/// The rows of one kind that one tenant has.
type Rows = Vec<Value>;

/// All rows, by tenant and kind; a kind is seeded when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Things {
    rows: Mutex<HashMap<(String, &'static str), Rows>>,
    made: Mutex<u64>,
}

impl Things {
    /// Forgets every change.
    pub(crate) fn clear(&self) {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }
}

/// A kind of thing, and what every tenant is born with.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    pub(super) kind: &'static str,
    /// The key of the id.
    pub(super) id: &'static str,
    pub(super) born: fn(Context<'_>) -> Rows,
}

impl Kept {
    /// Looks at the rows, or changes them, whole.
    pub(super) fn with<T>(self, c: Context<'_>, work: impl FnOnce(&mut Rows) -> T) -> T {
        let mut all = c.state.falcon.things.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (c.tenant.name.clone(), self.kind);
        work(all.entry(key).or_insert_with(|| (self.born)(c)))
    }

    pub(super) fn all(self, c: Context<'_>) -> Rows {
        self.with(c, |rows| rows.clone())
    }

    /// Changes one row in place; notes it.
    pub(super) fn change(
        self,
        c: Context<'_>,
        operation: &str,
        id: &str,
        work: impl FnOnce(&mut Value),
    ) -> Option<Value> {
        let (before, after) = self.with(c, |rows| {
            let row = rows.iter_mut().find(|row| row[self.id] == id)?;
            let before = row.clone();
            work(row);
            Some((before, row.clone()))
        })?;
        c.state.log.push(&c.tenant.name, operation, id, before, after.clone());
        Some(after)
    }

    /// Adds a row; notes it.
    pub(super) fn add(self, c: Context<'_>, operation: &str, row: Value) -> Value {
        let id = row[self.id].as_str().unwrap_or_default().to_owned();
        self.with(c, |rows| rows.push(row.clone()));
        c.state.log.push(&c.tenant.name, operation, &id, Value::Null, row.clone());
        row
    }

    /// Takes a row away; notes it.
    pub(super) fn remove(self, c: Context<'_>, operation: &str, id: &str) -> Option<Value> {
        let row = self.with(c, |rows| {
            let at = rows.iter().position(|row| row[self.id] == id)?;
            Some(rows.remove(at))
        })?;
        c.state.log.push(&c.tenant.name, operation, id, row.clone(), Value::Null);
        Some(row)
    }
}

/// A number for a new id, never given twice.
pub(super) fn number(c: Context<'_>) -> u64 {
    let mut made = c.state.falcon.things.made.lock().unwrap_or_else(PoisonError::into_inner);
    *made += 1;
    mix2(c.tenant.estate.tag() ^ 0x7417, *made)
}

pub(super) fn new_id(c: Context<'_>) -> String {
    hex32(number(c))
}

/// Now, as the services write it.
pub(super) fn now(c: Context<'_>) -> String {
    nanos(c.state.clock.now_ms(), 0x40)
}

/// When the tenant's own things were made: a time before the simulator began.
pub(super) fn then(c: Context<'_>, name: &str) -> String {
    let days = 100 + (mix_str(c.tenant.estate.tag(), name) % 300) as i64;
    nanos(c.state.clock.start_ms() - days * 86_400_000, mix_str(7, name))
}

/// What a handler of such a service works on.
pub(super) struct Ask<'a> {
    pub(super) c: Context<'a>,
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Ask<'_> {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        first(&self.query, key).filter(|v| !v.is_empty())
    }

    /// The values of a key that repeats.
    pub(super) fn every(&self, key: &str) -> Vec<String> {
        self.query.iter().filter(|(k, _)| k == key).map(|(_, v)| v.clone()).collect()
    }

    pub(super) fn need(&self, service: &'static str, key: &str) -> Result<&str, Refused> {
        self.get(key).ok_or_else(|| bad(service, &format!("{key} is required")))
    }

    pub(super) fn ids(&self, service: &'static str, key: &str, most: usize) -> Result<Vec<String>, Refused> {
        let ids = self.every(key);
        match ids.len() {
            0 => Err(bad(service, &format!("{key} is required"))),
            n if n > most => Err(bad(service, &format!("request must contain between 1 and {most} ids"))),
            _ => Ok(ids),
        }
    }

    pub(super) fn json(&self, service: &'static str) -> Result<Value, Refused> {
        let body: Option<Value> = serde_json::from_slice(&self.body).ok();
        body.filter(Value::is_object).ok_or_else(|| bad(service, "Failed to parse request body"))
    }

    /// The ids of the body.
    pub(super) fn body_ids(&self, service: &'static str, most: usize) -> Result<Vec<String>, Refused> {
        let ids = texts(&self.json(service)?["ids"]);
        let fits = (1..=most).contains(&ids.len());
        fits.then_some(ids)
            .ok_or_else(|| bad(service, &format!("request must contain between 1 and {most} ids")))
    }

    /// The objects under a key of the body, at least one.
    pub(super) fn rows(&self, service: &'static str, key: &str) -> Result<Rows, Refused> {
        let rows = self.json(service)?[key].as_array().cloned().unwrap_or_default();
        let fits = !rows.is_empty() && rows.iter().all(Value::is_object);
        fits.then_some(rows).ok_or_else(|| bad(service, &format!("{key} is required")))
    }
}

pub(super) fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// A route of a service: all its methods go to one function.
pub(super) fn service(work: fn(&Ask<'_>) -> Result<Response, Refused>) -> MethodRouter<Arc<SimState>> {
    any(
        move |State(state): State<Arc<SimState>>,
              caller: Option<Extension<Caller>>,
              method: Method,
              uri: Uri,
              RawQuery(query): RawQuery,
              body: Bytes| async move {
            run(&state, caller, |c| {
                let query = form(&query.unwrap_or_default());
                work(&Ask { c, method, path: uri.path(), query, body })
            })
        },
    )
}

/// The answer to a method that a path does not have.
pub(super) fn no_method() -> Result<Response, Refused> {
    Ok(gateway(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed"))
}

pub(super) fn bad(service: &'static str, message: &str) -> Refused {
    Box::new(Envelope::error(StatusCode::BAD_REQUEST, service, message).into_response())
}

pub(super) fn refuse(service: &'static str, status: StatusCode, message: &str, id: &str) -> Refused {
    let mut envelope = Envelope::error(status, service, message);
    envelope.errors = vec![ApiError::of(status.as_u16(), message, id)];
    Box::new(envelope.into_response())
}

/// A row as filters see it: a property is a path through its objects.
pub(super) struct Seen<'a>(pub(super) &'a Value, pub(super) &'a Dialect);

impl Record for Seen<'_> {
    fn values(&self, property: &'static str) -> Vec<Val> {
        let path = property.strip_suffix(".raw").unwrap_or(property);
        let kind = self.1.property(property).map_or(Kind::Text, |(_, kind)| kind);
        let found = path.split('.').fold(vec![self.0], |all, key| {
            all.into_iter().flat_map(items).map(|value| &value[key]).collect::<Vec<_>>()
        });
        found.into_iter().flat_map(items).filter_map(|value| val(value, kind)).collect()
    }
}

/// The items of a list; anything else stands for itself.
fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(all) => all,
        one => std::slice::from_ref(one),
    }
}

fn val(value: &Value, kind: Kind) -> Option<Val> {
    match value {
        Value::Bool(b) => Some(Val::Bool(*b)),
        Value::Number(n) => n.as_f64().map(Val::Num),
        Value::String(text) if kind == Kind::Time => {
            DateTime::parse_from_rfc3339(text).ok().map(|t| Val::Time(t.timestamp_millis()))
        }
        Value::String(text) if !text.is_empty() => Some(Val::Text(text.clone())),
        // A thing stands for its id, as the groups of a host do.
        Value::Object(thing) => thing.get("id")?.as_str().map(Val::from),
        _ => None,
    }
}

/// How a service lists.
pub(super) struct Style {
    pub(super) service: &'static str,
    pub(super) dialect: &'static Dialect,
    pub(super) most: usize,
    pub(super) default: usize,
    pub(super) sort: &'static str,
    /// Orders are written with a pipe, and with nothing else.
    pub(super) pipe: bool,
    /// `offset` in the reply is that of the next page, and not the request's.
    pub(super) next_offset: bool,
    /// A property that is not known finds nothing, and is not refused.
    pub(super) silent: bool,
}

/// One page of rows.
pub(super) struct Page {
    pub(super) rows: Rows,
    pub(super) limit: usize,
    pub(super) total: usize,
    shown_offset: usize,
}

impl Page {
    pub(super) fn pagination(&self) -> Value {
        json!({"offset": self.shown_offset, "limit": self.limit, "total": self.total})
    }

    pub(super) fn reply(&self, service: &'static str, rows: &[Value]) -> Envelope {
        Envelope::new(service).paged(self.pagination()).with(rows)
    }

    /// The ids of the page.
    pub(super) fn ids(&self, service: &'static str, key: &str) -> Envelope {
        let ids: Rows = self.rows.iter().map(|row| row[key].clone()).collect();
        self.reply(service, &ids)
    }
}

/// The rows that pass the filter, in order.
pub(super) fn found(ask: &Ask<'_>, rows: Rows, style: &Style, filter: &str) -> Result<Rows, Refused> {
    let filter = match Filter::compile(filter, style.dialect, ask.c.state.clock.now_ms()) {
        Ok(filter) => filter,
        Err(FqlError::UnknownProperty(_)) if style.silent => return Ok(Vec::new()),
        Err(_) => return Err(bad(style.service, "Invalid filter expression supplied")),
    };
    let sort = ask.get("sort").unwrap_or(style.sort);
    let wrong = || bad(style.service, "Invalid sort expression supplied");
    if style.pipe && sort.contains('.') && !sort.contains('|') {
        return Err(wrong());
    }
    let (field, down) = order(sort).ok_or_else(wrong)?;
    let (field, _) = style.dialect.property(field).ok_or_else(wrong)?;
    let mut rows: Rows =
        rows.into_iter().filter(|r| filter.is_empty() || filter.matches(&Seen(r, style.dialect))).collect();
    rows.sort_by_cached_key(|row| sort_key(Seen(row, style.dialect).values(field).into_iter().next()));
    if down {
        rows.reverse();
    }
    Ok(rows)
}

pub(super) fn page(ask: &Ask<'_>, rows: Rows, style: &Style) -> Result<Page, Refused> {
    let number = |key: &str, default: usize| {
        let text = ask.get(key).map_or(Ok(default), str::parse);
        text.map_err(|_| bad(style.service, &format!("invalid {key}")))
    };
    let (limit, offset) = (number("limit", style.default)?, number("offset", 0)?);
    if !(1..=style.most).contains(&limit) {
        return Err(bad(style.service, &format!("limit must be between 1 and {}", style.most)));
    }
    let rows = found(ask, rows, style, ask.get("filter").unwrap_or_default())?;
    let total = rows.len();
    let rows: Rows = rows.into_iter().skip(offset).take(limit).collect();
    let shown_offset = if style.next_offset { offset + rows.len() } else { offset };
    Ok(Page { rows, limit, total, shown_offset })
}

/// Rows by id, in an order of the service's own, and an error for each id that is not there.
pub(super) fn by_id(
    service: &'static str,
    rows: &[Value],
    key: &str,
    ids: &[String],
    what: &str,
) -> Envelope {
    let mut found: Rows = rows.iter().filter(|r| ids.iter().any(|id| r[key] == *id)).cloned().collect();
    found.sort_by_key(|r| mix_str(0x0DD, r[key].as_str().unwrap_or_default()));
    let missing = ids.iter().filter(|id| !rows.iter().any(|r| r[key] == **id));
    let mut envelope = Envelope::new(service).with(&found);
    envelope.errors = missing.map(|id| ApiError::of(404, format!("{what} not found"), id)).collect();
    envelope
}

/// An answer of meta alone.
pub(super) fn meta_only(service: &'static str, affected: u64) -> Envelope {
    let mut envelope = Envelope::new(service);
    (envelope.resources, envelope.writes, envelope.no_errors) = (None, Some(affected), Empty::Absent);
    envelope
}
