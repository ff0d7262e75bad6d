//! Windows: `search_from`, and `search_to`, which is an exclusive end and not a page size.

use bytes::Bytes;
use edr_core::{Error, ErrorKind, Result};
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use crate::filter::Filters;
use crate::record::Record;
use crate::wire;

/// The widest window that the vendor takes.
pub(crate) const MAX_WINDOW: u32 = 100;

/// An order: the field in the request's own name for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The field.
    pub field: String,
    /// Largest first.
    pub descending: bool,
}

impl Order {
    /// Smallest first.
    #[must_use]
    pub fn ascending(field: &str) -> Self {
        Self { field: field.to_owned(), descending: false }
    }

    /// Largest first.
    #[must_use]
    pub fn descending(field: &str) -> Self {
        Self { field: field.to_owned(), descending: true }
    }

    /// `{"field", "keyword"}`. Endpoints want the keyword in capitals, everything else in small letters.
    fn json(&self, capitals: bool) -> Value {
        let keyword = match (self.descending, capitals) {
            (true, true) => "DESC",
            (true, false) => "desc",
            (false, true) => "ASC",
            (false, false) => "asc",
        };
        json!({"field": self.field, "keyword": keyword})
    }
}

/// Which part of which listing is asked for.
///
/// ```
/// use cortex_xdr::{Order, PageRequest};
/// let page = PageRequest::window(100, 50).order(Order::ascending("first_seen"));
/// let plan = cortex_xdr::api::endpoints(&page);
/// assert_eq!(plan.operation.name, "endpoints/get_endpoint");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageRequest {
    from: u64,
    size: u32,
    filters: Filters,
    order: Option<Order>,
}

impl PageRequest {
    /// The window that begins at `from` and is `size` wide, at most 100.
    #[must_use]
    pub fn window(from: u64, size: u32) -> Self {
        Self { from, size: size.clamp(1, MAX_WINDOW), ..Self::default() }
    }

    /// Only what meets these conditions.
    #[must_use]
    pub fn filters(mut self, filters: Filters) -> Self {
        self.filters = filters;
        self
    }

    /// In this order.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }

    /// `{"request_data": …}`.
    pub(crate) fn body(&self, capitals: bool) -> Bytes {
        request_data(&Value::Object(self.data(capitals)))
    }

    pub(crate) fn data(&self, capitals: bool) -> Map<String, Value> {
        let size = u64::from(self.size.clamp(1, MAX_WINDOW));
        let mut data = Map::new();
        if !self.filters.is_empty() {
            data.insert("filters".to_owned(), json!(self.filters));
        }
        data.insert("search_from".to_owned(), json!(self.from));
        data.insert("search_to".to_owned(), json!(self.from.saturating_add(size)));
        if let Some(order) = &self.order {
            data.insert("sort".to_owned(), order.json(capitals));
        }
        data
    }

    /// As [`Self::data`], with conditions and order of the second style.
    pub(crate) fn columns(&self) -> Map<String, Value> {
        let mut data = self.data(true);
        data.extend(self.filters.columns("NOT_IN").map(|filters| ("filters".to_owned(), filters)));
        if let Some(Order { field, descending }) = &self.order {
            let order = if *descending { "DESC" } else { "ASC" };
            data.insert("sort".to_owned(), json!([{"FIELD": field, "ORDER": order}]));
        }
        data
    }
}

/// How a listing is asked for and read.
pub(crate) struct Sheet<T> {
    pub(crate) operation: &'static Operation,
    /// Where the items stand.
    pub(crate) paths: &'static [&'static [&'static str]],
    /// The names that their list may have.
    pub(crate) lists: &'static [&'static str],
    /// The names of the count, the nearest first.
    pub(crate) counts: &'static [&'static str],
    /// The highest count that is told, where it is capped.
    pub(crate) cap: Option<u64>,
    /// The sort wants capitals.
    pub(crate) capitals: bool,
    /// What is sent beside window, filters and sort.
    pub(crate) more: &'static [(&'static str, bool)],
    /// The item's identity.
    pub(crate) id: fn(&T) -> Option<&str>,
    /// The time by which the listing goes on beyond the cap.
    pub(crate) time: Option<TimeKey<T>>,
}

/// A time that a listing filters and sorts by.
pub(crate) struct TimeKey<T> {
    /// Its name in filters and in the sort.
    pub(crate) field: &'static str,
    /// It, in milliseconds.
    pub(crate) read: fn(&T) -> Option<i64>,
}

impl<T: Record> Sheet<T> {
    /// The request for a window.
    pub(crate) fn plan(&self, page: &PageRequest) -> RequestPlan {
        let mut data = match super::assets::has_columns(self.operation) {
            true => page.columns(),
            false => page.data(self.capitals),
        };
        data.extend(self.more.iter().map(|(key, value)| ((*key).to_owned(), json!(value))));
        super::post(self.operation, &Value::Object(data))
    }

    /// Reads the envelope; some tenants send the list alone, as the reply or without one.
    pub(crate) fn envelope(&self, bytes: &[u8]) -> Result<Skeleton> {
        Skeleton::read(bytes, self.lists, self.counts).or_else(|error| {
            let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
            let empty = |value: Option<&Value>| value.and_then(Value::as_array).is_some_and(Vec::is_empty);
            let bare = self.paths.contains(&["reply"].as_slice()) && empty(value.get("reply"));
            let root = self
                .paths
                .iter()
                .any(|path| path.len() == 1 && path[0] != "reply" && empty(value.get(path[0])));
            if bare || root { Ok(Skeleton { total: None }) } else { Err(error) }
        })
    }

    /// Reads an item.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<T, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|e| format!("not JSON: {e}"))?;
        let object = value.as_object().ok_or("not an object")?;
        let item = T::from_object(object);
        if (self.id)(&item).is_none() {
            Err("its id is absent, or neither text nor number".to_owned())
        } else {
            Ok(item)
        }
    }
}

/// The envelope of requests, in UTF-8 without escapes: the vendor is known to misread `\u`.
pub(crate) fn request_data(data: &Value) -> Bytes {
    Bytes::from(json!({"request_data": data}).to_string())
}

/// The envelope of a page, without its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skeleton {
    /// The vendor's count of everything that matches; capped for alerts.
    pub(crate) total: Option<u64>,
}

impl Skeleton {
    /// Reads the envelope. `lists` are the names that the list may have.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when there is no list and nothing says that it is empty: an answer of
    /// another form must not pass for an empty page.
    pub(crate) fn read(bytes: &[u8], lists: &[&str], count: &[&str]) -> Result<Self> {
        let strange = |what: &str| {
            Error::new(ErrorKind::Decode, format!("the answer has {what}"))
                .with_hint("a proxy or gateway may be answering in the vendor's place")
        };
        let value: Value = serde_json::from_slice(bytes).map_err(|_| strange("no JSON envelope"))?;
        let reply = value.get("reply").map(|reply| match reply {
            // A faulty form that was seen in the field: the reply in a list of its own.
            Value::Array(one) if one.len() == 1 => &one[0],
            other => other,
        });
        let reply = reply.and_then(Value::as_object).ok_or_else(|| strange("no reply in it"))?;
        // Assets tell their counts in an object of its own.
        let counted = |key: &str| reply.get(key).or_else(|| reply.get("metadata")?.get(key));
        let total = count.iter().find_map(|key| counted(key).and_then(wire::whole));
        let list = lists.iter().find_map(|key| reply.get(*key));
        match list {
            Some(Value::Null) => Ok(Self { total }),
            Some(Value::Array(items)) if items.is_empty() => Ok(Self { total }),
            None if total == Some(0) => Ok(Self { total }),
            _ => Err(strange("no list of items where it should be")),
        }
    }

    /// Reads the envelope of a whole answer, items included.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn read_whole(body: &[u8], list: &str, count: &[&str]) -> Result<Self> {
        let mut value: Value = serde_json::from_slice(body).unwrap_or_default();
        if let Some(Value::Array(items)) = value.get_mut("reply").and_then(|reply| reply.get_mut(list)) {
            items.clear();
        }
        Self::read(value.to_string().as_bytes(), &[list], count)
    }

    /// Reads an envelope that is the list itself: `{"reply": []}`.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when the reply is anything else.
    pub(crate) fn read_bare(bytes: &[u8]) -> Result<Self> {
        let value: Option<Value> = serde_json::from_slice(bytes).ok();
        match value.as_ref().and_then(|value| value.get("reply")) {
            Some(Value::Null) => Ok(Self { total: None }),
            Some(Value::Array(items)) if items.is_empty() => Ok(Self { total: None }),
            _ => Err(Error::new(ErrorKind::Decode, "the answer has no list of items where it should be")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["endpoints"];

    fn read(json: &str) -> Result<Option<u64>> {
        Skeleton::read(json.as_bytes(), NAMES, &["FILTER_COUNT", "total_count"]).map(|s| s.total)
    }

    #[test]
    fn envelopes_are_read_in_every_form() {
        for (json, total) in [
            (r#"{"reply":{"total_count":7,"result_count":0,"endpoints":[]}}"#, Some(7)),
            (r#"{"reply":{"total_count":"7","endpoints":null}}"#, Some(7)),
            (r#"{"reply":{"endpoints":[]}}"#, None),
            (r#"{"reply":{"total_count":null,"endpoints":null}}"#, None),
            (r#"{"reply":[{"total_count":null,"endpoints":null}]}"#, None),
            (r#"{"reply":{"TOTAL_COUNT":9,"FILTER_COUNT":3,"endpoints":[]}}"#, Some(3)),
            (r#"{"reply":{"total_count":0}}"#, Some(0)),
        ] {
            assert_eq!(read(json).unwrap(), total, "{json}");
        }
    }

    #[test]
    fn another_form_is_no_empty_page() {
        for json in [
            "{}",
            "true",
            r#"{"reply":true}"#,
            r#"{"reply":{}}"#,
            r#"{"reply":{"total_count":5}}"#,
            r#"{"reply":{"endpoints":{"a":1}}}"#,
            r#"{"reply":[{"endpoints":[{"endpoint_id":"1"}]}]}"#,
        ] {
            assert_eq!(read(json).unwrap_err().kind(), ErrorKind::Decode, "{json}");
        }
    }

    #[test]
    fn a_window_is_at_most_a_hundred_wide() {
        let body = PageRequest::window(300, 5_000).order(Order::descending("x")).body(true);
        assert_eq!(
            String::from_utf8(body.to_vec()).unwrap(),
            r#"{"request_data":{"search_from":300,"search_to":400,"sort":{"field":"x","keyword":"DESC"}}}"#
        );
        let far = PageRequest::window(u64::MAX, 0).body(false);
        assert!(String::from_utf8(far.to_vec()).unwrap().contains(&u64::MAX.to_string()));
    }
}
