//! Rows that follow from the hosts of the estate (assets, applications, vulnerabilities): none is kept. A listing
//! remembers which rows it has, by number, and writes them when their page is asked for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::response::IntoResponse;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cursor::{LIFE_MS, decode, encode};
use super::envelope::Envelope;
use super::fql::{Filter, Record};
use super::guard::Context;
use super::hosts_list::{Refused, SortKey, order, sort_key};
use super::things::{Ask, Seen, Style, bad, by_id};
use crate::estate::hash::{hex_words, mix_str, permute32, unpermute32};

/// The most rows of one kind on one host.
const SLOTS: u64 = 64;
/// The most hosts whose rows are held while a page is written.
const HELD: usize = 256;

/// Rows of one kind.
pub(super) struct Derived {
    pub(super) style: Style,
    /// The rows of a host, always the same in the same order.
    pub(super) of_host: fn(Context<'_>, u64) -> Vec<Value>,
    /// Several hosts may have the same row: the first of them gives it.
    pub(super) shared: bool,
}

/// A part of a listing.
pub(super) struct Part {
    pub(super) rows: Vec<Value>,
    pub(super) pagination: Value,
}

impl Part {
    /// The ids alone.
    pub(super) fn ids(&self) -> Vec<Value> {
        self.rows.iter().map(|row| row["id"].clone()).collect()
    }
}

/// Where a walk goes on, and the moment that it began at: relative times stay what they were.
#[derive(Serialize, Deserialize)]
struct After {
    at: u64,
    now: i64,
    /// When it expires, where it does.
    end: Option<i64>,
    /// What it is the key of: the filter and the order.
    of: u64,
}

/// An id: 32 hex digits, of which the first eight tell the host again.
pub(super) fn id_on(c: Context<'_>, host: u64, what: &str) -> String {
    let tag = c.tenant.estate.tag();
    let rest = hex_words(mix_str(tag ^ host, what), 2);
    format!("{:08x}{}", permute32(tag ^ 0xD15C, host as u32), &rest[8..])
}

/// The host of such an id.
pub(super) fn host_of(c: Context<'_>, id: &str) -> Option<u64> {
    let number = u32::from_str_radix(id.get(..8)?, 16).ok()?;
    let host = u64::from(unpermute32(c.tenant.estate.tag() ^ 0xD15C, number));
    (host < c.tenant.estate.host_count()).then_some(host)
}

impl Derived {
    /// The rows that pass, by number and in order.
    fn matching(&self, ask: &Ask<'_>, filter: &str, now: i64) -> Result<Arc<Vec<u32>>, Refused> {
        let (service, dialect) = (self.style.service, self.style.dialect);
        let filter = Filter::compile(filter, dialect, now)
            .map_err(|_| bad(service, "Invalid filter expression supplied"))?;
        let sort = ask.get("sort").unwrap_or(self.style.sort);
        let wrong = || bad(service, "Invalid sort expression supplied");
        let (field, down) = order(sort).ok_or_else(wrong)?;
        let (field, _) = dialect.property(field).ok_or_else(wrong)?;
        let key = format!("{}:{}:{now}:{:?}:{sort}", ask.c.tenant.name, ask.path, ask.get("filter"));
        Ok(ask.c.state.lists.get_or_compute(&key, || {
            let mut keyed = self.keyed(ask.c, &filter, field);
            keyed.sort();
            if down {
                keyed.reverse();
            }
            keyed.into_iter().map(|(_, n)| n).collect()
        }))
    }

    fn keyed(&self, c: Context<'_>, filter: &Filter, field: &'static str) -> Vec<(SortKey, u32)> {
        let mut seen = HashSet::new();
        let mut out = Vec::new();
        for host in 0..c.tenant.estate.host_count() {
            for (n, row) in (0..SLOTS).zip((self.of_host)(c, host)) {
                let view = Seen(&row, self.style.dialect);
                let fresh = !self.shared || seen.insert(row["id"].as_str().unwrap_or_default().to_owned());
                if fresh && (filter.is_empty() || filter.matches(&view)) {
                    let key = sort_key(view.values(field).into_iter().next());
                    out.extend(u32::try_from(host * SLOTS + n).map(|number| (key, number)));
                }
            }
        }
        out
    }

    /// The rows of a host are made together, and a page has many of them: they are made once for as long as few hosts
    /// share the page. A number stands in a listing once, so its row is taken.
    fn rows(&self, c: Context<'_>, numbers: &[u32], from: u64, limit: u64) -> Vec<Value> {
        let mut made: HashMap<u64, Vec<Value>> = HashMap::new();
        let row = |number: &u32| {
            let (host, n) = (u64::from(*number) / SLOTS, u64::from(*number) % SLOTS);
            if made.len() >= HELD && !made.contains_key(&host) {
                made.clear();
            }
            let rows = made.entry(host).or_insert_with(|| (self.of_host)(c, host));
            rows.get_mut(n as usize).map(Value::take)
        };
        numbers.iter().skip(from as usize).take(limit as usize).filter_map(row).collect()
    }

    fn limit(&self, ask: &Ask<'_>) -> Result<u64, Refused> {
        let limit = ask.get("limit").map_or(Ok(self.style.default), str::parse);
        limit.ok().filter(|n| (1..=self.style.most).contains(n)).map(|n| n as u64).ok_or_else(|| {
            let asked = ask.get("limit").unwrap_or_default();
            let most = self.style.most;
            bad(self.style.service, &format!("{asked} is an invalid page size, must be between 1 and {most}"))
        })
    }

    /// A page by offset, of which offset and limit together reach `cap` at most.
    pub(super) fn by_offset(&self, ask: &Ask<'_>, cap: u64) -> Result<Part, Refused> {
        let limit = self.limit(ask)?;
        let offset = ask.get("offset").map_or(Ok(0), str::parse::<u64>);
        let offset = offset.map_err(|_| bad(self.style.service, "invalid offset"))?;
        if offset + limit > cap {
            return Err(self.beyond(offset, limit, cap));
        }
        let filter = ask.get("filter").unwrap_or_default();
        let numbers = self.matching(ask, filter, ask.c.state.clock.now_ms())?;
        let rows = self.rows(ask.c, &numbers, offset, limit);
        let pagination = json!({"offset": offset, "limit": limit, "total": numbers.len()});
        Ok(Part { rows, pagination })
    }

    fn beyond(&self, offset: u64, limit: u64, cap: u64) -> Refused {
        let message = format!(
            "offset {offset} and limit {limit} are invalid; offset + limit must be less than or equal to {cap}"
        );
        let mut envelope = Envelope::error(StatusCode::BAD_REQUEST, self.style.service, message);
        envelope.resources = None;
        Box::new(envelope.into_response())
    }

    /// A page by `after`; the filter is required. With `short`, a walk that rests for two minutes is over.
    pub(super) fn by_after(&self, ask: &Ask<'_>, short: bool) -> Result<Part, Refused> {
        let filter = ask.need(self.style.service, "filter")?;
        let limit = self.limit(ask)?;
        let now = ask.c.state.clock.now_ms();
        let of = mix_str(7, &format!("{filter} {:?}", ask.get("sort")));
        let fresh = After { at: 0, now, end: None, of };
        let after = match ask.get("after") {
            Some(text) => self.resume(ask, text, limit, of)?,
            None => fresh,
        };
        let numbers = self.matching(ask, filter, after.now)?;
        let rows = self.rows(ask.c, &numbers, after.at, limit);
        let at = after.at + rows.len() as u64;
        let next = After { at, now: after.now, end: short.then_some(now + LIFE_MS), of };
        let key = if at < numbers.len() as u64 { encode(&next) } else { String::new() };
        Ok(Part { rows, pagination: json!({"limit": limit, "total": numbers.len(), "after": key}) })
    }

    fn resume(&self, ask: &Ask<'_>, text: &str, limit: u64, of: u64) -> Result<After, Refused> {
        let service = self.style.service;
        let after: After = decode(text).ok_or_else(|| bad(service, "invalid 'after' value"))?;
        if after.of != of {
            return Err(bad(service, "the 'after' value is of another filter or order"));
        }
        if after.end.is_some_and(|end| end < ask.c.state.clock.now_ms()) {
            let message = "Search context expired, 'after' key no longer valid";
            let envelope = Envelope::error(StatusCode::NOT_FOUND, service, message);
            let nothing = json!({"limit": limit, "total": 0, "after": ""});
            return Err(Box::new(envelope.paged(nothing).into_response()));
        }
        Ok(after)
    }

    /// Rows by id; `place` finds the hosts that may have a row.
    pub(super) fn by_ids(
        &self,
        c: Context<'_>,
        ids: &[String],
        place: impl Fn(&str) -> Option<u64>,
        what: &str,
    ) -> Envelope {
        let rows: Vec<Value> = ids.iter().filter_map(|id| self.one(c, id, place(id)?)).collect();
        by_id(self.style.service, &rows, "id", ids, what)
    }

    fn one(&self, c: Context<'_>, id: &str, host: u64) -> Option<Value> {
        (self.of_host)(c, host).into_iter().find(|row| row["id"] == id)
    }

    /// The first host that has a row of this id: every host is looked at.
    pub(super) fn search(&self, c: Context<'_>, id: &str) -> Option<u64> {
        (0..c.tenant.estate.host_count()).find(|host| self.one(c, id, *host).is_some())
    }
}

/// Takes parts of a row away that were not asked for by `facet`.
pub(super) fn facets(ask: &Ask<'_>, rows: &mut [Value], parts: &[(&str, &[&str])]) {
    let asked = ask.every("facet");
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        for (facet, keys) in parts {
            if !asked.iter().any(|a| a == facet) {
                keys.iter().for_each(|key| drop(row.remove(*key)));
            }
        }
    }
}
