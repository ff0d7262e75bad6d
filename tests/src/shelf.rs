//! Listings that are rendered once and served from memory, so that what is measured is the client.
//!
//! The items are the simulator's; a page of any size is a slice of one buffer, whatever way it is asked for. It
//! knows no filters, and refuses them: a client that sends one would be measured at something else.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use edr::{Config, Estate, EstateEvent, HostQuery, Options, Selection};
use edr_http::{BodyStream, HttpTransport, TransportError};
use edr_sim::Sim;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

/// The largest part of a body that arrives at once in memory, as from a socket.
const PIECE: usize = 16 << 10;

/// The items of one listing, as they stand on the wire.
#[derive(Debug, Default)]
pub struct Row {
    joined: Bytes,
    /// Where each item begins and ends.
    places: Vec<(usize, usize)>,
    ids: Vec<String>,
    by_id: HashMap<String, usize>,
}

impl Row {
    /// Items by id, in the order of the listing.
    #[must_use]
    pub fn of(items: impl IntoIterator<Item = (String, Bytes)>) -> Self {
        let (mut row, mut joined) = (Self::default(), BytesMut::new());
        for (id, item) in items {
            if !joined.is_empty() {
                joined.extend_from_slice(b",");
            }
            row.places.push((joined.len(), joined.len() + item.len()));
            joined.extend_from_slice(&item);
            row.by_id.insert(id.clone(), row.ids.len());
            row.ids.push(id);
        }
        row.joined = joined.freeze();
        row
    }

    /// The items from one number to another, with the commas between them.
    fn slice(&self, from: usize, to: usize) -> Bytes {
        match self.places.get(from..to) {
            Some([first, .., last]) => self.joined.slice(first.0..last.1),
            Some([only]) => self.joined.slice(only.0..only.1),
            _ => Bytes::new(),
        }
    }

    /// The items with these ids. Neighbours are one piece.
    fn pick<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<Bytes> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for at in ids.filter_map(|id| self.by_id.get(id).copied()) {
            match runs.last_mut() {
                Some(run) if run.1 == at => run.1 += 1,
                _ => runs.push((at, at + 1)),
            }
        }
        let comma = |n: usize| (n > 0).then(|| Bytes::from_static(b","));
        let pieces =
            |(n, run): (usize, &(usize, usize))| comma(n).into_iter().chain([self.slice(run.0, run.1)]);
        runs.iter().enumerate().flat_map(pieces).collect()
    }
}

/// The answer to one request, in pieces that are no copies.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub pieces: Vec<Bytes>,
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        Self { status, pieces: vec![Bytes::from(body.to_string())] }
    }

    fn around(head: String, items: Vec<Bytes>, tail: &'static str) -> Self {
        let pieces =
            std::iter::once(Bytes::from(head)).chain(items).chain([Bytes::from_static(tail.as_bytes())]);
        Self { status: 200, pieces: pieces.collect() }
    }

    /// How long the body is.
    #[must_use]
    pub fn length(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

/// The hosts of a tenant of each vendor. Any credentials are good, and every tenant that asks has the same hosts.
#[derive(Debug)]
pub struct Shelf {
    devices: Row,
    endpoints: Row,
    /// How many of each are shown.
    shown: AtomicUsize,
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Shelf {
    /// These hosts, all of them shown.
    #[must_use]
    pub fn of(devices: Row, endpoints: Row) -> Self {
        let shown = AtomicUsize::new(usize::MAX);
        Self { devices, endpoints, shown, requests: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// As many hosts of each vendor, rendered by the simulator.
    pub async fn record(falcon: u64, cortex: u64) -> Self {
        let sim = Sim::builder().falcon_hosts(falcon).cortex_hosts(cortex).alerts(0).enforce_limits(false);
        let sim = sim.seed(1).start().await.expect("the simulator starts");
        let config = Config::from_toml(&sim.config_toml()).expect("the simulator's configuration is good");
        let estate = Estate::connect(&config, &Selection::all(), &Options::default()).expect("tenants");
        let (mut devices, mut endpoints) = (Vec::new(), Vec::new());
        let mut hosts = estate.hosts(HostQuery::new());
        while let Some(event) = hosts.next().await {
            let EstateEvent::Items(items) = event else { continue };
            for host in items {
                let row = if host.vendor.as_str() == "falcon" { &mut devices } else { &mut endpoints };
                row.push((host.uid, Bytes::copy_from_slice(host.raw.as_bytes())));
            }
        }
        let shelf = Self::of(Row::of(devices), Row::of(endpoints));
        assert_eq!((shelf.devices.ids.len() as u64, shelf.endpoints.ids.len() as u64), (falcon, cortex));
        shelf
    }

    /// Shows so many hosts of each vendor at most.
    pub fn show(&self, most: usize) {
        self.shown.store(most, Ordering::SeqCst);
    }

    /// How many requests and how many bytes of bodies there were since the last time this was asked.
    pub fn counted(&self) -> (u64, u64) {
        (self.requests.swap(0, Ordering::SeqCst), self.bytes.swap(0, Ordering::SeqCst))
    }

    /// Answers as the vendors do.
    pub fn answer(&self, request: &http::Request<Bytes>) -> Answer {
        let query = Query::of(request.uri().query().unwrap_or_default());
        let answer = match request.uri().path() {
            "/oauth2/token" => Answer::json(
                201,
                &json!({"access_token": "shelf", "expires_in": 1799, "token_type": "bearer"}),
            ),
            "/devices/combined/devices/v1" => self.devices(&query, 10_000, false),
            "/devices/queries/devices-scroll/v1" => self.devices(&query, 10_000, true),
            "/devices/entities/devices/v2" => self.entities(request),
            "/public_api/v1/endpoints/get_endpoint" => self.endpoints(request.body()),
            path => Answer::json(
                404,
                &json!({"errors": [{"code": 404, "message": format!("not on the shelf: {path}")}]}),
            ),
        };
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(answer.length() as u64, Ordering::SeqCst);
        answer
    }

    /// A page of devices or of their ids; the key of the next one is its first number.
    fn devices(&self, query: &Query, most: usize, ids: bool) -> Answer {
        if query.get("filter").is_some_and(|filter| !filter.is_empty()) {
            return Answer::json(
                400,
                &json!({"errors": [{"code": 400, "message": "the shelf knows no filters"}]}),
            );
        }
        let row = &self.devices;
        let total = row.ids.len().min(self.shown.load(Ordering::SeqCst));
        let from = query.number("offset").unwrap_or(0).min(total);
        let to = from.saturating_add(query.number("limit").unwrap_or(100).min(most)).min(total);
        let next = if to < total { to.to_string() } else { String::new() };
        let paging = if ids {
            json!({"total": total, "offset": next, "expires_at": 0})
        } else {
            let sent = query.get("offset").unwrap_or_default();
            json!({"expires_at": 0, "limit": to - from, "next": next, "offset": sent, "previous": "", "total": total})
        };
        let items = if ids { Bytes::from(quoted(&row.ids[from..to])) } else { row.slice(from, to) };
        Answer::around(envelope(Some(&paging)), vec![items], "],\"errors\":[]}")
    }

    fn entities(&self, request: &http::Request<Bytes>) -> Answer {
        #[derive(serde::Deserialize)]
        struct Ids {
            ids: Vec<String>,
        }
        let ids = match request.uri().query() {
            Some(query) => Query::of(query).all("ids"),
            None => serde_json::from_slice(request.body()).map_or_else(|_| Vec::new(), |body: Ids| body.ids),
        };
        Answer::around(envelope(None), self.devices.pick(ids.iter().map(String::as_str)), "],\"errors\":[]}")
    }

    fn endpoints(&self, body: &[u8]) -> Answer {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let data = &body["request_data"];
        if data["filters"].as_array().is_some_and(|filters| !filters.is_empty()) {
            let reply = json!({"err_code": 500, "err_msg": "the shelf knows no filters", "err_extra": null});
            return Answer::json(500, &json!({"reply": reply}));
        }
        let number = |key: &str| data[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let total = self.endpoints.ids.len().min(self.shown.load(Ordering::SeqCst));
        let from = number("search_from").unwrap_or(0).min(total);
        let to = number("search_to").unwrap_or(100).clamp(from, from + 100).min(total);
        let head =
            format!("{{\"reply\":{{\"total_count\":{total},\"result_count\":{},\"endpoints\":[", to - from);
        Answer::around(head, vec![self.endpoints.slice(from, to)], "]}}")
    }
}

fn envelope(paging: Option<&Value>) -> String {
    let mut meta = json!({"query_time": 0.01, "powered_by": "device-api", "trace_id": "00000000-0000-0000-0000-000000000000"});
    if let Some(paging) = paging {
        meta["pagination"] = paging.clone();
    }
    format!("{{\"meta\":{meta},\"resources\":[")
}

/// Ids need no escapes.
fn quoted(ids: &[String]) -> String {
    if ids.is_empty() { String::new() } else { format!("\"{}\"", ids.join("\",\"")) }
}

/// The parameters of a query.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Self {
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    fn number(&self, key: &str) -> Option<usize> {
        self.get(key)?.parse().ok()
    }

    fn all(self, key: &str) -> Vec<String> {
        self.0.into_iter().filter(|(k, _)| k == key).map(|(_, value)| value).collect()
    }
}

/// A shelf without a network. `watch` is called for every piece that is handed out.
#[derive(Clone)]
pub struct ShelfTransport {
    /// What is served.
    pub shelf: Arc<Shelf>,
    /// Called for every piece.
    pub watch: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for ShelfTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShelfTransport")
    }
}

#[async_trait]
impl HttpTransport for ShelfTransport {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<BodyStream>, TransportError> {
        let answer = self.shelf.answer(&request);
        let watch = self.watch.clone();
        let body = stream::iter(answer.pieces).flat_map(|whole| stream::iter(Pieces(whole)));
        let body: BodyStream = body.inspect(move |_| watch()).map(Ok).boxed();
        let mut response = http::Response::new(body);
        *response.status_mut() = http::StatusCode::from_u16(answer.status).expect("a status");
        Ok(response)
    }
}

/// A body in parts that share its buffer.
struct Pieces(Bytes);

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        (!self.0.is_empty()).then(|| self.0.split_to(PIECE.min(self.0.len())))
    }
}
