//! The way to every call that has no method of its own.

use std::borrow::Cow;

use bytes::Bytes;
use edr_core::{Error, ErrorKind, Raw, Result};
use edr_http::{Body, Operation, Passed, Refusal, RequestPlan};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::{HeaderValue, Method, header};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::CortexClient;
use crate::api;

/// A call that is not in our table: nobody knows whether it may be repeated, so it is not.
static RAW: Operation = Operation::write("raw", "the right for this call");
static RAW_READ: Operation = Operation::read("raw", "the right for this call");
static RAW_REPEATABLE: Operation = Operation::repeatable("raw", "the right for this call");

/// Pages without items that are taken for a stumble; more are a listing that has no end.
const EMPTY_PAGES: u32 = 3;

/// A page of any listing.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RawPage {
    /// The items, as they came.
    pub items: Vec<Raw>,
    /// The vendor's count of what matches; for alerts and issues it ends at 9,999.
    pub total: Option<u64>,
}

impl CortexClient {
    /// Sends `request_data` to a path and gives the answer as it is; null where it has no body. A bare
    /// path, such as `brokers/get`, is of the first version of the API.
    ///
    /// What our table knows of the path holds here, too: its role, whether it may be repeated, GET. A path that
    /// it does not know is sent with POST, and never again after an answer that leaves open whether it was done.
    ///
    /// ```
    /// # async fn run(cortex: &cortex_xdr::CortexClient) -> edr_core::Result<()> {
    /// let reply = cortex.send("get_risk_score", &serde_json::json!({"id": "acme\\ann"})).await?;
    /// println!("{}", reply["reply"]["score"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// For a path that leaves the API, and as the vendor answers.
    pub async fn send(&self, path: &str, request_data: &Value) -> Result<Value> {
        self.send_body(path, &json!({"request_data": request_data})).await
    }

    /// As [`Self::send`], with a body of one's own: some calls know no `request_data`.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_body(&self, path: &str, body: &Value) -> Result<Value> {
        let path = full(path)?;
        let known = api::find(&path);
        let operation = known.as_ref().map_or(&RAW, |call| call.operation);
        let plan = match known {
            Some(call) if call.method == Method::GET => RequestPlan::get(operation, path),
            _ => RequestPlan::post_json(operation, path, body.to_string()),
        };
        let read = |body: &[u8]| match body.trim_ascii() {
            b"" => Ok(Value::Null),
            json => serde_json::from_slice(json).map_err(|e| api::reply::strange("no JSON").with_source(e)),
        };
        self.reply(plan, read).await
    }

    /// Sends any request and gives the answer as it came: of any kind and length while it arrives, and one
    /// that is no success with its body. A GET is tried again like any read, another method only where
    /// nothing was done, or where our table knows that it may be repeated, or `repeatable` says that the
    /// caller does. A bare path is of the first version of the API.
    ///
    /// # Errors
    /// For a path that leaves the API, and as the vendor answers, with what it answered.
    pub async fn pass(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Bytes>,
        repeatable: bool,
    ) -> Result<Passed, Box<Refusal>> {
        let plan = self.planned(any(method, path, query, body, repeatable));
        let mut plan = plan.map_err(|error| Box::new(Refusal { error, answer: None }))?;
        plan.headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        self.0.http.pass(&plan).await
    }

    /// Walks over the pages of a listing at any path, its items as they came: by `search_from` and
    /// `search_to` in `request_data`, from what the body says on, a hundred at a time unless it says
    /// otherwise. The vendor's count is not believed: a full page always leads on, and one that comes short
    /// is followed by what lies behind its items while the count says more. Fewer items in all than were
    /// counted are an error behind the last page. An answer that is a list itself is one page, and so is a
    /// GET. A page that cannot be had ends the walk with its error.
    #[must_use]
    pub fn walk_any(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> BoxStream<'static, Result<RawPage>> {
        let walk = self.planned(any(method, path, query, body, false)).and_then(|plan| {
            let window = (plan.method != Method::GET).then(|| Window::of(&plan)).transpose();
            let operation = plan.operation.name;
            window.map(|window| RawWalk::new(self, plan, window)).map_err(|e| self.dressed(e, operation))
        });
        match walk {
            Ok(walk) => stream::unfold(Some(Ok(walk)), RawWalk::step).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }
}

/// The plan for any request.
fn any(
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    body: Option<Bytes>,
    repeatable: bool,
) -> Result<RequestPlan> {
    let path = full(path)?;
    let known = api::find(&path).filter(|call| call.method == method).map(|call| call.operation);
    let reads = method == Method::GET || method == Method::HEAD;
    let operation = match known.unwrap_or(if reads { &RAW_READ } else { &RAW }) {
        once if repeatable && !once.idempotent => &RAW_REPEATABLE,
        operation => operation,
    };
    let mut plan = RequestPlan::new(operation, method, path);
    plan.query = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    if let Some(body) = body {
        plan.body = Body::Bytes("application/json", body);
    }
    Ok(plan)
}

/// Where a page begins and ends.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: u64,
    to: u64,
}

impl Window {
    fn of(plan: &RequestPlan) -> Result<Self> {
        let body = body_of(plan)?;
        let number = |key: &str| body.get("request_data")?.get(key)?.as_u64();
        let from = number("search_from").unwrap_or_default();
        let to = number("search_to").unwrap_or(from.saturating_add(u64::from(api::MAX_WINDOW)));
        if to <= from {
            return Err(Error::new(ErrorKind::InvalidRequest, "search_to is not above search_from"));
        }
        Ok(Self { from, to })
    }

    /// The window behind so many items. One without any is passed over.
    fn behind(self, items: u64) -> Self {
        let from = self.from.saturating_add(if items == 0 { self.size() } else { items });
        Self { from, to: from.saturating_add(self.size()) }
    }

    fn size(self) -> u64 {
        self.to - self.from
    }
}

fn body_of(plan: &RequestPlan) -> Result<Map<String, Value>> {
    match &plan.body {
        Body::Bytes(_, bytes) => serde_json::from_slice(bytes)
            .map_err(|e| Error::new(ErrorKind::InvalidRequest, "the body is no JSON object").with_source(e)),
        _ => Ok(Map::new()),
    }
}

/// A walk over the pages of any listing.
struct RawWalk {
    client: CortexClient,
    plan: RequestPlan,
    /// Absent where there is one page.
    window: Option<Window>,
    empty: u32,
    /// The first item of the page before.
    last: Option<Raw>,
    /// The items of the pages before that came short: the window behind them may bring some once more.
    met: Vec<Raw>,
    /// The items before the first window, …
    before: u64,
    /// … and those given out.
    given: u64,
    /// What the vendor counted when the walk began, less what it dropped since.
    owed: Option<u64>,
}

impl RawWalk {
    fn new(client: &CortexClient, plan: RequestPlan, window: Option<Window>) -> Self {
        let (client, before) = (client.clone(), window.map_or(0, |window| window.from));
        let (last, met, owed) = (None, Vec::new(), None);
        Self { client, plan, window, empty: 0, last, met, before, given: 0, owed }
    }

    /// The next page of a walk, or why it broke off.
    async fn step(walk: Option<Result<Self>>) -> Option<(Result<RawPage>, Option<Result<Self>>)> {
        let mut walk = match walk? {
            Ok(walk) => walk,
            Err(error) => return Some((Err(error), None)),
        };
        match walk.page().await {
            Ok((page, true)) => Some((Ok(page), Some(Ok(walk)))),
            Ok((page, false)) => Some((Ok(page), walk.broken().map(Err))),
            Err(error) => Some((Err(walk.dressed(error)), None)),
        }
    }

    fn dressed(&self, error: Error) -> Error {
        self.client.dressed(error, self.plan.operation.name)
    }

    /// The error of a walk that has ended before everything came that was counted.
    fn broken(&self) -> Option<Error> {
        let owed = self.owed?.saturating_sub(self.before);
        let message = format!("the listing broke off: {} of {owed} rows came", self.given);
        (self.given < owed).then(|| self.dressed(Error::new(ErrorKind::Vendor, message)))
    }

    /// The page, and whether there is another one.
    async fn page(&mut self) -> Result<(RawPage, bool)> {
        let window = self.window;
        if let Some(Window { from, to }) = window {
            let mut body = body_of(&self.plan)?;
            let data = body.entry("request_data").or_insert_with(|| json!({}));
            let data = data
                .as_object_mut()
                .ok_or_else(|| Error::new(ErrorKind::InvalidRequest, "request_data is no JSON object"))?;
            data.insert("search_from".to_owned(), from.into());
            data.insert("search_to".to_owned(), to.into());
            self.plan.body = Body::Bytes("application/json", Value::from(body).to_string().into());
        }
        let reply = self.client.0.http.fetch(&self.plan).await?;
        let (mut page, is_windowed) = listed(&reply.body)?;
        let more = match window.filter(|_| is_windowed) {
            Some(window) => self.turn(window, &mut page)?,
            None => false,
        };
        self.given += page.items.len() as u64;
        // That nothing matches is no count where items have come.
        let total = page.total.filter(|total| *total > 0 || self.given == 0);
        self.owed = self.owed.into_iter().chain(total).min();
        Ok((page, more))
    }

    /// Goes on behind this page, if there is more, and takes out what was given before.
    fn turn(&mut self, window: Window, page: &mut RawPage) -> Result<bool> {
        let (count, most) = (page.items.len() as u64, u64::from(api::MAX_WINDOW));
        self.empty = if count == 0 { self.empty + 1 } else { 0 };
        let first = page.items.first().cloned();
        if first.is_some() && first == self.last {
            return Err(Error::new(ErrorKind::Vendor, "the same page came twice: the call does not page"));
        }
        // More than was asked for: this call does not page.
        if count > window.size() {
            return Ok(false);
        }
        let next = window.behind(count);
        // However much is asked for, the vendor hands out no more than so many.
        let full = count == window.size() || count == most;
        let more = full || page.total.is_some_and(|total| next.from < total);
        if more && self.empty > EMPTY_PAGES {
            return Err(Error::new(
                ErrorKind::Vendor,
                "page after page has no items, and the listing no end",
            ));
        }
        page.items.retain(|item| !self.met.contains(item));
        match full {
            true => self.met.clear(),
            false => self.met.extend(page.items.iter().cloned()),
        }
        (self.last, self.window) = (first, Some(next));
        Ok(more)
    }
}

/// The items of an answer, and whether they stand in an envelope that pages.
fn listed(body: &[u8]) -> Result<(RawPage, bool)> {
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        reply: &'a RawValue,
    }
    type Fields<'a> = std::collections::BTreeMap<String, &'a RawValue>;
    let none = || {
        Error::new(ErrorKind::Decode, "the answer holds no list")
            .with_hint("ask without paging: the answer is then given as it came")
    };
    let read = |text: &str| serde_json::from_str::<Vec<&RawValue>>(text).ok().map(|items| raws(&items));
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|e| none().with_source(e))?;
    if let Some(items) = read(answer.reply.get()) {
        return Ok((RawPage { items, total: None }, false));
    }
    let fields: Fields<'_> = serde_json::from_str(answer.reply.get()).map_err(|e| none().with_source(e))?;
    let whole = |key: &str| fields.get(key).and_then(|v| v.get().trim_matches('"').parse::<u64>().ok());
    let total = ["FILTER_COUNT", "total_count", "TOTAL_COUNT"].into_iter().find_map(whole);
    // Lists of something else may stand beside the items: those are as many as the answer says, or else the most.
    let told = whole("result_count");
    let best = |list: &Vec<Raw>| (told == Some(list.len() as u64), list.len());
    let longest = fields.values().filter_map(|v| read(v.get())).max_by_key(best);
    let items = longest.or_else(|| (total == Some(0)).then(Vec::new)).ok_or_else(none)?;
    Ok((RawPage { items, total }, true))
}

fn raws(items: &[&RawValue]) -> Vec<Raw> {
    items.iter().map(|item| Raw::new(Bytes::copy_from_slice(item.get().as_bytes()))).collect()
}

/// The path with its prefix.
fn full(path: &str) -> Result<String> {
    let full = match path.starts_with('/') {
        true => Cow::Borrowed(path),
        false => Cow::Owned(format!("/public_api/v1/{path}")),
    };
    let strange = |byte: u8| !(0x21..0x7f).contains(&byte) || matches!(byte, b'?' | b'#' | b'\\' | b'%');
    if full.starts_with("//") || full.contains("..") || full.contains("://") || full.bytes().any(strange) {
        return Err(Error::new(ErrorKind::InvalidRequest, format!("'{path}' is no path of the API"))
            .with_hint("give what stands behind the host, such as incidents/get_incidents"));
    }
    Ok(full.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_in_every_envelope() {
        for (body, items, total, pages) in [
            (
                r#"{"reply":{"total_count":"7","result_count":2,"incidents":[{"a":1},2],"restricted":[1]}}"#,
                2,
                Some(7),
                true,
            ),
            (r#"{"reply":{"TOTAL_COUNT":9,"FILTER_COUNT":3,"data":[]}}"#, 0, Some(3), true),
            (
                r#"{"reply":{"total_count":7,"result_count":"0","incidents":[],"restricted":[1]}}"#,
                0,
                Some(7),
                true,
            ),
            (r#"{"reply":{"total_count":0,"alerts":null}}"#, 0, Some(0), true),
            (r#"{"reply":[1, 2, 3]}"#, 3, None, false),
        ] {
            let (page, windowed) = listed(body.as_bytes()).unwrap();
            assert_eq!((page.items.len(), page.total, windowed), (items, total, pages), "{body}");
        }
        for body in ["{}", "[]", "x", r#"{"reply":true}"#, r#"{"reply":{"action_id":7}}"#] {
            assert_eq!(listed(body.as_bytes()).unwrap_err().kind(), ErrorKind::Decode, "{body}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_repeated() {
        let idempotent = |method: Method, path: &str, repeatable| {
            any(method, path, &[], None, repeatable).unwrap().operation.idempotent
        };
        assert!(idempotent(Method::GET, "brokers/x", false));
        assert!(!idempotent(Method::POST, "brokers/x", false));
        assert!(idempotent(Method::POST, "brokers/x", true));
        assert!(idempotent(Method::POST, "incidents/get_incidents", false));
    }

    #[test]
    fn a_path_stays_in_the_api() {
        assert_eq!(full("brokers/x").unwrap(), "/public_api/v1/brokers/x");
        assert_eq!(full("/platform/iam/v1/y").unwrap(), "/platform/iam/v1/y");
        for bad in ["//evil.example/x", "https://evil.example", "../x", "a?b=c", "a b", "a%2e%2e"] {
            assert!(full(bad).is_err(), "{bad}");
        }
    }
}
