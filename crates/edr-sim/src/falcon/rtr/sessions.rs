//! Sessions: begun, kept awake, listed, counted and ended, and what waits for a host that is away.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::envelope::Envelope;
use super::super::fql::{Dialect, Kind};
use super::super::hosts_list::Refused;
use super::super::render_host::{nanos, platform};
use super::super::things::{Ask, Style, found, no_method, page, texts};
use super::book::{Book, State};
use super::line::{Level, known};
use super::{NO_COMMS, SERVICE, absent, asked, commands, log, need, nothing, object, shaped, wrong};

const STYLE: Style = Style {
    service: SERVICE,
    dialect: &Dialect {
        strict: false,
        properties: &[
            ("id", Kind::Exact),
            ("aid", Kind::Exact),
            ("base_command", Kind::Text),
            ("cloud_request_id", Kind::Exact),
            ("command_string", Kind::Text),
            ("commands_queued", Kind::Bool),
            ("created_at", Kind::Time),
            ("deleted_at", Kind::Time),
            ("hostname", Kind::Text),
            ("offline_queued", Kind::Bool),
            ("origin", Kind::Text),
            ("updated_at", Kind::Time),
            ("user_id", Kind::Text),
        ],
    },
    most: 1_000,
    default: 100,
    sort: "created_at|asc",
    pipe: false,
    next_offset: false,
    silent: false,
};

/// A span of time in the query: up to five minutes.
pub(super) fn span_ms(ask: &Ask<'_>, key: &str) -> Result<Option<u64>, Refused> {
    let Some(text) = ask.get(key) else { return Ok(None) };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: Option<f64> = digits.parse().ok();
    let scale = match &text[digits.len()..] {
        "ns" => Some(1e-6),
        "us" => Some(1e-3),
        "ms" => Some(1.0),
        "s" => Some(1e3),
        "m" => Some(6e4),
        "h" => Some(3.6e6),
        "" if key == "timeout" => Some(1e3),
        _ => None,
    };
    let ms = number.zip(scale).map(|(n, scale)| n * scale).filter(|ms| (0.0..=300_000.0).contains(ms));
    ms.map(|ms| Some(ms as u64)).ok_or_else(|| wrong(&format!("invalid {key}: at most 5 minutes")))
}

/// The time that a call may take, and that a host has in it.
pub(super) fn patience(ask: &Ask<'_>) -> Result<(u64, u64), Refused> {
    let whole = span_ms(ask, "timeout_duration")?.or(span_ms(ask, "timeout")?).unwrap_or(30_000);
    let host = span_ms(ask, "host_timeout_duration")?.unwrap_or(whole - whole / 10);
    if host > whole {
        return Err(wrong("host_timeout_duration cannot be greater than the overall timeout"));
    }
    Ok((whole, host))
}

pub(super) fn session(ask: &Ask<'_>) -> Result<Response, Refused> {
    match ask.method {
        Method::POST => init(ask),
        Method::DELETE => delete(ask),
        _ => no_method(),
    }
}

/// Begins a session or takes up the one that there is; with the host away, only to wait for it.
pub(super) fn begin(ask: &Ask<'_>, book: &mut Book, aid: &str, queue: bool, origin: &str) -> Option<usize> {
    let (c, now) = (ask.c, ask.c.state.clock.now_ms());
    let host = c.tenant.estate.host_index(aid)?;
    commands::catch_up(c, book, host);
    let online = c.tenant.estate.online(host);
    if !online && !queue {
        return None;
    }
    if let Some(at) = book.open(host, now) {
        book.sessions[at].touched = now;
        return Some(at);
    }
    let at = book.add_session(c, host, origin, !online);
    let session = &book.sessions[at];
    log(
        c,
        "RTR-InitSession",
        aid,
        Value::Null,
        json!({"session_id": session.id, "offline_queued": session.queued}),
    );
    Some(at)
}

fn init(ask: &Ask<'_>) -> Result<Response, Refused> {
    let body = object(ask)?;
    let aid = need(&body, "device_id")?;
    patience(ask)?;
    let (queue, origin) = (body["queue_offline"] == true, body["origin"].as_str().unwrap_or_default());
    let c = ask.c;
    c.state.falcon.rtr.with(c, |book| {
        let before = book.sessions.len();
        let at = begin(ask, book, aid, queue, origin).ok_or_else(|| absent(NO_COMMS.0, NO_COMMS.1))?;
        Ok(opened(ask, book, at, book.sessions.len() == before))
    })
}

/// The head of a session, with the commands that can be run in it.
fn opened(ask: &Ask<'_>, book: &Book, at: usize, again: bool) -> Response {
    let session = &book.sessions[at];
    let os = ask.c.tenant.estate.fields(session.host).platform();
    let past: Vec<&str> = session.commands.iter().map(|at| book.commands[*at].line.as_str()).collect();
    let script = |name: &&str| {
        json!({"command": name, "description": format!("Runs {name}"), "examples": format!("{name} …"),
            "internal_only": false, "runnable": true, "sub_commands": [], "args": []})
    };
    let scripts: Vec<Value> = known(os, Level::Admin).iter().map(script).collect();
    let row = json!({"session_id": session.id, "created_at": nanos(session.created, 1), "pwd": session.pwd,
        "platform": platform(os).1.to_lowercase(), "scripts": scripts, "device_id": session.aid,
        "existing_aid_sessions": u8::from(again), "previous_commands": past, "offline_queued": session.waiting});
    let mut envelope = Envelope::new(SERVICE).with(&[row]);
    envelope.status = StatusCode::CREATED;
    envelope.into_response()
}

pub(super) fn pulse(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::POST {
        return no_method();
    }
    let body = object(ask)?;
    let aid = need(&body, "device_id")?;
    let (c, now) = (ask.c, ask.c.state.clock.now_ms());
    c.state.falcon.rtr.with(c, |book| {
        let at = c.tenant.estate.host_index(aid).and_then(|host| book.open(host, now));
        let at = at.ok_or_else(|| absent(404, "session not found"))?;
        book.sessions[at].touched = now;
        log(c, "RTR-PulseSession", aid, Value::Null, json!({"session_id": book.sessions[at].id}));
        Ok(opened(ask, book, at, true))
    })
}

fn delete(ask: &Ask<'_>) -> Result<Response, Refused> {
    let id = asked(ask, "session_id")?;
    let (c, now) = (ask.c, ask.c.state.clock.now_ms());
    c.state.falcon.rtr.with(c, |book| {
        let at = book.session(id).filter(|at| book.sessions[*at].alive(now));
        let session = at.and_then(|at| book.sessions.get_mut(at));
        let session = session.ok_or_else(|| absent(404, "session not found"))?;
        session.deleted = Some(now);
        log(c, "RTR-DeleteSession", &session.aid, json!({"session_id": id}), Value::Null);
        Ok(nothing())
    })
}

/// Every session as filters see it.
fn rows(ask: &Ask<'_>) -> Vec<Value> {
    let row = |book: &mut Book, at: usize| {
        let mut row = book.row(ask.c, at);
        let past = || book.sessions[at].commands.iter().map(|at| &book.commands[*at]);
        row["base_command"] = past().map(|c| c.base.as_str()).collect();
        row["command_string"] = past().map(|c| c.line.as_str()).collect();
        row["cloud_request_id"] = row["cloud_request_ids"].clone();
        row["aid"] = row["device_id"].clone();
        row
    };
    ask.c.state.falcon.rtr.with(ask.c, |book| (0..book.sessions.len()).map(|at| row(book, at)).collect())
}

/// A row without what is there to filter by alone.
fn shown(row: &Value) -> Value {
    let mut row = row.clone();
    if let Some(row) = row.as_object_mut() {
        row.retain(|key, _| {
            !["aid", "base_command", "cloud_request_id", "command_string"].contains(&key.as_str())
        });
    }
    row
}

/// `@me` is the caller: the only user that there is.
fn mine(rows: &mut [Value], filter: &str) {
    if filter.contains("'@me'") {
        rows.iter_mut().for_each(|row| row["user_id"] = "@me".into());
    }
}

pub(super) fn list(ask: &Ask<'_>) -> Result<Response, Refused> {
    let mut rows = rows(ask);
    mine(&mut rows, ask.get("filter").unwrap_or_default());
    Ok(page(ask, rows, &STYLE)?.ids(SERVICE, "id").into_response())
}

/// Sessions by id. Those that are not there are left out.
pub(super) fn get(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ids(ask)?;
    let rows: Vec<Value> =
        rows(ask).iter().rev().filter(|row| ids.iter().any(|id| row["id"] == *id)).map(shown).collect();
    Ok(Envelope::new(SERVICE).with(&rows).into_response())
}

fn ids(ask: &Ask<'_>) -> Result<Vec<String>, Refused> {
    let ids = texts(&object(ask)?["ids"]);
    if ids.is_empty() { Err(wrong("ids is required")) } else { Ok(ids) }
}

pub(super) fn audit(ask: &Ask<'_>) -> Result<Response, Refused> {
    let page = page(ask, rows(ask), &STYLE)?;
    let with = ask.get("with_command_info") == Some("true");
    let row = |row: &Value| {
        let mut row = shown(row);
        if let Some(row) = row.as_object_mut().filter(|_| !with) {
            row.retain(|key, _| !["cloud_request_ids", "logs"].contains(&key.as_str()));
        }
        row
    };
    let rows: Vec<Value> = page.rows.iter().map(row).collect();
    Ok(page.reply(SERVICE, &rows).into_response())
}

/// The commands that wait, session by session.
pub(super) fn queued(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ids(ask)?;
    let c = ask.c;
    let jobs: Vec<Value> = c.state.falcon.rtr.with(c, |book| {
        let known: Vec<usize> = ids.iter().filter_map(|id| book.session(id)).collect();
        known.into_iter().filter(|at| book.sessions[*at].queued).map(|at| job(ask, book, at)).collect()
    });
    Ok(Envelope::new(SERVICE).with(&jobs).into_response())
}

fn job(ask: &Ask<'_>, book: &Book, at: usize) -> Value {
    let session = &book.sessions[at];
    let row = |at: &usize| {
        let command = &book.commands[*at];
        let status = match command.state {
            State::Cancelled => "CANCELLED",
            State::Done => "FINISHED",
            State::Queued => "PENDING",
        };
        let mut row = json!({"base_command": command.base, "command_string": command.line, "status": status,
            "cloud_request_id": command.id, "created_at": nanos(command.created, 4),
            "updated_at": nanos(command.updated, 5)});
        if command.state == State::Cancelled {
            row["deleted_at"] = nanos(command.updated, 6).into();
        }
        row
    };
    let commands: Vec<Value> = session.commands.iter().map(row).collect();
    let by = &ask.c.falcon.client_id;
    json!({"id": session.id, "aid": session.aid, "user_id": by, "user_uuid": by,
        "status": if session.waiting { "PENDING" } else { "FINISHED" }, "Commands": commands,
        "created_at": nanos(session.created, 1), "updated_at": nanos(session.touched, 2)})
}

pub(super) fn drop_queued(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::DELETE {
        return no_method();
    }
    let (session, request) = (asked(ask, "session_id")?, asked(ask, "cloud_request_id")?);
    let (c, now) = (ask.c, ask.c.state.clock.now_ms());
    c.state.falcon.rtr.with(c, |book| {
        let of = book.session(session);
        let at = book.command(request).filter(|at| Some(book.commands[*at].session) == of);
        let command = at.and_then(|at| book.commands.get_mut(at)).filter(|c| c.state == State::Queued);
        let command = command.ok_or_else(|| absent(404, "queued command not found"))?;
        (command.state, command.updated) = (State::Cancelled, now);
        log(c, "RTR-DeleteQueuedSession", request, json!({"command_string": command.line}), Value::Null);
        Ok(nothing())
    })
}

/// Sessions by the values of a field.
pub(super) fn aggregates(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::POST {
        return no_method();
    }
    let body: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
    let specs = body.as_array().ok_or_else(|| wrong("the body must be a list"))?;
    let answers: Vec<Value> = specs.iter().map(|spec| answer(ask, spec)).collect::<Result<_, _>>()?;
    Ok(Envelope::new(SERVICE).with(&answers).into_response())
}

fn answer(ask: &Ask<'_>, spec: &Value) -> Result<Value, Refused> {
    let field = spec["field"].as_str().unwrap_or_default();
    let rows = found(ask, rows(ask), &STYLE, spec["filter"].as_str().unwrap_or_default())?;
    let buckets: Vec<Value> = match spec["type"].as_str() {
        Some("terms" | "term") => terms(&rows, field),
        Some("date_range") => spans(&rows, field, spec),
        _ => return Err(wrong("invalid aggregate type")),
    };
    Ok(json!({"name": spec["name"], "buckets": buckets, "sum_other_doc_count": 0}))
}

fn terms(rows: &[Value], field: &str) -> Vec<Value> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        let many = row[field].as_array().map(Vec::as_slice).unwrap_or_default();
        let all = many.iter().chain(Some(&row[field])).filter_map(Value::as_str);
        all.for_each(|value| *counts.entry(value).or_default() += 1);
    }
    counts.into_iter().map(|(label, count)| json!({"label": label, "count": count})).collect()
}

/// Times compare as their texts do.
fn spans(rows: &[Value], field: &str, spec: &Value) -> Vec<Value> {
    let all = spec["date_ranges"].as_array().cloned().unwrap_or_default();
    let bucket = |span: &Value| {
        let inside = |row: &&Value| {
            let at = row[field].as_str().unwrap_or_default();
            at >= span["from"].as_str().unwrap_or_default() && at < span["to"].as_str().unwrap_or("~")
        };
        let count = rows.iter().filter(inside).count();
        json!({"string_from": span["from"], "string_to": span["to"], "count": count})
    };
    all.iter().map(bucket).collect()
}

/// Rows by host.
pub(super) fn by_host(status: StatusCode, rows: BTreeMap<String, Value>) -> Response {
    shaped(status, json!({ "resources": rows }))
}
