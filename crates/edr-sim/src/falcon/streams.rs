//! Event streams (falcon-api 7.2): discovery, sessions and their renewal. What a session reads is in `stream_body`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::envelope::{Envelope, trace_id};
use super::guard::{Caller, Context};
use super::hosts_list::{Refused, run};
use super::render_host::nanos;
use super::stream_body::{Asked, Reader};
use super::stream_feed::{Feeds, Offsets};
use super::things::{Ask, bad, meta_only, number, refuse, service};
use super::{first, form};
use crate::estate::hash::hex_words;
use crate::state::SimState;

const SERVICE: &str = "datafeed";
/// Where the streams themselves are: another host in reality, and without the gateway's tokens and limits.
pub(super) const FEED: &str = "/sensors/entities/datafeed/v1/";
/// The only action there is.
const REFRESH: &str = "refresh_active_stream_session";
/// The longest name of a consumer.
const LONGEST_APP: usize = 32;

/// The right of one consumer to read one partition.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) tenant: String,
    pub(super) app: String,
    pub(super) partition: u64,
    pub(super) token: String,
    born_ms: i64,
    expires_ms: i64,
    /// Which connection reads it; 0: none.
    connection: u64,
}

/// The sessions that are out, and the events of all tenants.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    sessions: Mutex<Vec<Session>>,
    pub(super) feeds: Feeds,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every session, and forgets what the log told.
    pub(crate) fn clear(&self) {
        self.lock().clear();
        self.feeds.clear();
    }

    fn find(&self, token: &str) -> Option<Session> {
        self.lock().iter().find(|s| s.token == token).cloned()
    }

    fn change<T>(&self, token: &str, work: impl FnOnce(&mut Session) -> T) -> Option<T> {
        self.lock().iter_mut().find(|s| s.token == token).map(work)
    }

    /// Takes a session away.
    pub(super) fn end(&self, token: &str) {
        self.lock().retain(|s| s.token != token);
    }

    /// Whether a connection is still the one that reads a session.
    pub(super) fn is_read_by(&self, token: &str, connection: u64, now_ms: i64) -> bool {
        self.find(token).is_some_and(|s| s.connection == connection && s.expires_ms > now_ms)
    }

    /// A connection is over.
    pub(super) fn leave(&self, token: &str, connection: u64) {
        self.change(token, |s| {
            if s.connection == connection {
                s.connection = 0;
            }
        });
    }
}

pub(super) fn router() -> Router<Arc<SimState>> {
    Router::new()
        .route("/sensors/entities/datafeed/v2", service(discover))
        .route("/sensors/entities/datafeed-actions/v1/{partition}", post(renew))
        .route("/sensors/entities/datafeed/v1/{partition}", get(read))
}

fn ms(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

fn app_of(query: &[(String, String)]) -> Result<&str, Refused> {
    let app = first(query, "appId").unwrap_or_default();
    let fits = (1..=LONGEST_APP).contains(&app.len())
        && app.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    fits.then_some(app).ok_or_else(|| bad(SERVICE, "appId is required: 1 to 32 letters and digits"))
}

/// A consumer that reads already has no streams to find, and no error says so.
fn discover(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (c, app) = (ask.c, app_of(&ask.query)?);
    if ask.get("format").is_some_and(|format| format != "json") {
        return Err(bad(SERVICE, "invalid format: only json is known here"));
    }
    let resources = open(c, app).map(|sessions| sessions.iter().map(|s| described(c, s)).collect::<Vec<_>>());
    Ok(Envelope::new(SERVICE).with(&resources.unwrap_or_default()).into_response())
}

/// New sessions in the place of the consumer's old ones; `None` while one of those is read.
fn open(c: Context<'_>, app: &str) -> Option<Vec<Session>> {
    let now = c.state.clock.now_ms();
    let mut sessions = c.state.falcon.streams.lock();
    let own = |s: &Session| s.tenant == c.tenant.name && s.app == app;
    sessions.retain(|s| s.expires_ms > now);
    if sessions.iter().any(|s| own(s) && s.connection != 0) {
        return None;
    }
    sessions.retain(|s| !own(s));
    let new = |partition| Session {
        tenant: c.tenant.name.clone(),
        app: app.to_owned(),
        partition,
        token: hex_words(number(c), 4),
        born_ms: now,
        expires_ms: now + ms(c.state.options.stream_session),
        connection: 0,
    };
    let opened: Vec<Session> = (0..c.state.options.stream_partitions.max(1)).map(new).collect();
    sessions.extend(opened.iter().cloned());
    Some(opened)
}

fn described(c: Context<'_>, session: &Session) -> Value {
    let home = c.state.place(&c.tenant.name).map_or(0, |place| c.state.regions.of(c.state.root(place)));
    let base = c.state.regions.urls().get(home).cloned().unwrap_or_default();
    let (app, partition) = (&session.app, session.partition);
    json!({
        "dataFeedURL": format!("{base}{FEED}{partition}?appId={app}"),
        "sessionToken": {"token": session.token, "expiration": nanos(session.expires_ms, 0x57)},
        "refreshActiveSessionURL":
            format!("{base}/sensors/entities/datafeed-actions/v1/{partition}?appId={app}&action_name={REFRESH}"),
        "refreshActiveSessionInterval": c.state.options.stream_session.as_secs().max(1),
    })
}

/// Some POSTs are refused without a content type, although they have no body; this is one.
async fn renew(
    State(state): State<Arc<SimState>>,
    caller: Option<Extension<Caller>>,
    Path(partition): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    run(&state, caller, |c| {
        let query = form(&query.unwrap_or_default());
        let app = app_of(&query)?;
        let json =
            headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        match (json, first(&query, "action_name"), partition.parse()) {
            (false, ..) => Err(bad(SERVICE, "Content-Type must be application/json")),
            (_, Some(REFRESH), Ok(partition)) => renewed(c, app, partition),
            (_, Some(REFRESH), Err(_)) => Err(bad(SERVICE, "invalid partition")),
            _ => Err(bad(SERVICE, "invalid action_name")),
        }
    })
}

/// 404 when there is no session any more: the consumer has to discover again.
fn renewed(c: Context<'_>, app: &str, partition: u64) -> Result<Response, Refused> {
    use crate::faults::PageFault::ExpiredCursor;
    let now = c.state.clock.now_ms();
    let options = &c.state.options;
    let ended = c.state.faults.page("refreshActiveStreamSession", &c.tenant.name) == Some(ExpiredCursor);
    let mut sessions = c.state.falcon.streams.lock();
    let own = |s: &Session| s.tenant == c.tenant.name && s.app == app && s.partition == partition;
    if ended {
        sessions.retain(|s| !own(s));
    }
    let Some(session) = sessions.iter_mut().find(|s| own(s) && s.expires_ms > now) else {
        return Err(refuse(SERVICE, StatusCode::NOT_FOUND, "no active session found", app));
    };
    session.expires_ms = (now + ms(options.stream_session)).min(session.born_ms + ms(options.stream_longest));
    Ok(meta_only(SERVICE, 0).into_response())
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Token ").map(str::trim)
}

/// The tenant of the session that a request carries.
pub(super) fn tenant_of(state: &SimState, headers: &HeaderMap) -> Option<usize> {
    let session = state.falcon.streams.find(token_of(headers)?)?;
    state.place(&session.tenant)
}

/// The refusal of the host of the streams, which writes its JSON over several lines.
fn unauthorised() -> Response {
    let body = json!({
        "meta": {"query_time": 1.0e-6, "powered_by": SERVICE, "trace_id": trace_id()},
        "errors": [{"code": 401, "message": "Not authorized"}],
    });
    let body = serde_json::to_string_pretty(&body).unwrap_or_default();
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (StatusCode::UNAUTHORIZED, kind, body).into_response()
}

/// The stream itself.
async fn read(
    State(state): State<Arc<SimState>>,
    Path(partition): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = form(&query.unwrap_or_default());
    let Some(session) = token_of(&headers).and_then(|token| session(&state, token, &partition, &query))
    else {
        return unauthorised();
    };
    let Some(reader) = connect(&state, &session, &query) else { return unauthorised() };
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let mut response = (kind, Body::from_stream(reader.into_stream())).into_response();
    response.extensions_mut().insert(Endless);
    response
}

/// A mark on an answer that does not end: nobody may wait for its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endless;

/// The session of a token, if it is good for what is asked.
fn session(state: &SimState, token: &str, partition: &str, query: &[(String, String)]) -> Option<Session> {
    let session = state.falcon.streams.find(token)?;
    let same_app = first(query, "appId") == Some(session.app.as_str());
    let same_place = partition.parse() == Ok(session.partition);
    (session.expires_ms > state.clock.now_ms() && same_app && same_place).then_some(session)
}

/// A newer connection of a session takes the place of the older.
fn connect(state: &Arc<SimState>, session: &Session, query: &[(String, String)]) -> Option<Reader> {
    let c = Caller(state.place(&session.tenant)?).context(state)?;
    let offset: Option<u64> = first(query, "offset").and_then(|text| text.parse().ok());
    let types = first(query, "eventType").filter(|types| !types.is_empty());
    let types = types.map(|types| types.split(',').map(str::to_owned).collect::<Vec<_>>());
    let offsets = Offsets::of(c, session.partition);
    let newest = first(query, "whence") == Some("2") && offset.is_none();
    let next = state.falcon.streams.feeds.with(c, |feed| {
        let (oldest, total) = (feed.oldest(c), feed.total());
        let wanted = offset.map_or(if newest { total } else { oldest }, |offset| offsets.number(offset));
        offsets.from(wanted.clamp(oldest, total))
    });
    let connection = number(c);
    state.falcon.streams.change(&session.token, |s| s.connection = connection)?;
    Some(Reader::new(Arc::clone(state), session, connection, next, Asked { offset, types }))
}
