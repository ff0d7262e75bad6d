//! Many hosts at once: a batch of sessions, a command for all of it, and a word about each host.

use std::collections::BTreeMap;

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::hosts_list::Refused;
use super::super::things::{Ask, no_method, number, texts};
use super::book::{Batch, Book, Command, State};
use super::line::Line;
use super::sessions::{begin, by_host, patience};
use super::{NO_COMMS, absent, asked, commands, error_of, files, log, need, object, shaped, wrong};
use crate::estate::hash::uuid;

/// The most hosts in a batch.
const MOST: usize = 10_000;
/// No sensor answers faster, in milliseconds.
const FASTEST_MS: u64 = 1_000;

type Rows = BTreeMap<String, Value>;

fn row(aid: &str, session: &str) -> Value {
    json!({"aid": aid, "session_id": session, "complete": false, "stdout": "", "stderr": "", "errors": [],
        "query_time": 0.46, "offline_queued": false})
}

pub(super) fn init(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::POST {
        return no_method();
    }
    let body = object(ask)?;
    let (_, host) = patience(ask)?;
    let hosts = texts(&body["host_ids"]);
    if !(1..=MOST).contains(&hosts.len()) {
        return Err(wrong("host_ids must have between 1 and 10000 ids"));
    }
    let (queue, existing) =
        (body["queue_offline"] == true, body["existing_batch_id"].as_str().unwrap_or_default());
    let c = ask.c;
    c.state.falcon.rtr.with(c, |book| {
        let found = book.batches.iter().position(|b| b.id == existing);
        if found.is_none() && !existing.is_empty() {
            return Err(absent(404, "batch not found"));
        }
        let (mut members, mut rows) = (Vec::new(), Rows::new());
        for aid in &hosts {
            let before = book.sessions.len();
            let at = begin(ask, book, aid, queue, "");
            // A new session takes its time, and is in the batch all the same.
            let late = host < FASTEST_MS && at.is_some_and(|at| at >= before && !book.sessions[at].waiting);
            rows.insert(aid.clone(), if late { timed_out(row(aid, "")) } else { begun(book, aid, at) });
            members.extend(at);
        }
        if members.is_empty() {
            return Err(absent(404, "no successful hosts initialized on RTR"));
        }
        let at = found.unwrap_or_else(|| {
            book.batches.push(Batch { id: uuid(number(c)), members: Vec::new(), gets: Vec::new() });
            book.batches.len() - 1
        });
        let batch = &mut book.batches[at];
        members.retain(|m| !batch.members.contains(m));
        log(c, "BatchInitSessions", &batch.id, Value::Null, json!({"hosts": members.len()}));
        batch.members.extend(members);
        Ok(shaped(StatusCode::CREATED, json!({"batch_id": batch.id, "resources": rows})))
    })
}

fn begun(book: &Book, aid: &str, at: Option<usize>) -> Value {
    let Some(session) = at.map(|at| &book.sessions[at]) else {
        let mut row = row(aid, "");
        row["errors"] = error_of(NO_COMMS);
        return row;
    };
    let mut row = row(aid, &session.id);
    (row["complete"], row["offline_queued"]) = ((!session.waiting).into(), session.waiting.into());
    (row["base_command"], row["stdout"]) = ("pwd".into(), session.pwd.as_str().into());
    row
}

/// The place of a batch.
fn batch(book: &Book, body: &Value) -> Result<usize, Refused> {
    let id = need(body, "batch_id")?;
    book.batches.iter().position(|b| b.id == id).ok_or_else(|| absent(404, "batch not found"))
}

pub(super) fn refresh(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::POST {
        return no_method();
    }
    let body = object(ask)?;
    patience(ask)?;
    let (c, now, out) = (ask.c, ask.c.state.clock.now_ms(), texts(&body["hosts_to_remove"]));
    c.state.falcon.rtr.with(c, |book| {
        let at = batch(book, &body)?;
        let before = book.batches[at].members.len();
        let sessions = &mut book.sessions;
        book.batches[at].members.retain(|m| !out.contains(&sessions[*m].aid));
        let mut rows = Rows::new();
        for member in &book.batches[at].members {
            let session = &mut sessions[*member];
            let alive = session.alive(now);
            if alive {
                session.touched = now;
            }
            let errors = if alive { json!([]) } else { error_of((40_402, "session not found")) };
            rows.insert(
                session.aid.clone(),
                json!({"aid": session.aid, "session_id": session.id, "errors": errors}),
            );
        }
        let batch = &book.batches[at];
        let hosts = |n: usize| json!({"hosts": n});
        log(c, "BatchRefreshSessions", &batch.id, hosts(before), hosts(batch.members.len()));
        Ok(by_host(StatusCode::CREATED, rows))
    })
}

/// The members of a batch that a call is for.
fn chosen(book: &Book, at: usize, body: &Value) -> Vec<usize> {
    let only = texts(&body["optional_hosts"]);
    let fits = |m: &usize| only.is_empty() || only.contains(&book.sessions[*m].aid);
    book.batches[at].members.iter().copied().filter(fits).collect()
}

/// Runs a line on the members, and says what came of it on each.
fn run(
    ask: &Ask<'_>,
    book: &mut Book,
    members: &[usize],
    (line, text): (&Line, &str),
    (slow, persist): (bool, bool),
) -> (Rows, Vec<usize>) {
    let (mut rows, mut taken) = (Rows::new(), Vec::new());
    for member in members {
        let outcome = commands::take(ask, book, *member, (line, text), persist);
        let session = &book.sessions[*member];
        let mut row = row(&session.aid, &session.id);
        row["base_command"] = line.name.into();
        match outcome {
            Err(why) => row["errors"] = error_of(why),
            Ok(place) => {
                let command = &book.commands[place];
                // In a batch the id of the request goes by this name.
                row["task_id"] = command.id.as_str().into();
                row["offline_queued"] = (command.state == State::Queued).into();
                if command.state == State::Done {
                    row = if slow { timed_out(row) } else { done(row, command) };
                }
                taken.push(place);
            }
        }
        rows.insert(session.aid.clone(), row);
    }
    (rows, taken)
}

fn done(mut row: Value, command: &Command) -> Value {
    row["complete"] = true.into();
    row["stdout"] = command.stdout.as_str().into();
    row["stderr"] = command.stderr.as_str().into();
    row
}

fn timed_out(mut row: Value) -> Value {
    row["errors"] = error_of((40_801, "Command timed out on host"));
    row
}

pub(super) fn command(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::POST {
        return no_method();
    }
    let body = object(ask)?;
    let (line, (_, host)) = (commands::line(ask, &body)?, patience(ask)?);
    let text = body["command_string"].as_str().unwrap_or_default();
    ask.c.state.falcon.rtr.with(ask.c, |book| {
        let at = batch(book, &body)?;
        let members = chosen(book, at, &body);
        let how = (host < FASTEST_MS, body["persist_all"] == true);
        let (rows, _) = run(ask, book, &members, (&line, text), how);
        Ok(shaped(StatusCode::CREATED, json!({"combined": {"resources": rows}})))
    })
}

/// Fetches a file from each member, and tells which have come.
pub(super) fn take(ask: &Ask<'_>) -> Result<Response, Refused> {
    match ask.method {
        Method::POST => order(ask),
        Method::GET => status(ask),
        _ => no_method(),
    }
}

fn order(ask: &Ask<'_>) -> Result<Response, Refused> {
    let body = object(ask)?;
    let (path, (_, host)) = (need(&body, "file_path")?, patience(ask)?);
    let text = format!("get \"{path}\"");
    let line = Line::read("get", &text).map_err(wrong)?;
    let c = ask.c;
    c.state.falcon.rtr.with(c, |book| {
        let at = batch(book, &body)?;
        let members = chosen(book, at, &body);
        let (rows, taken) = run(ask, book, &members, (&line, &text), (host < FASTEST_MS, false));
        let id = uuid(number(c));
        book.batches[at].gets.push((id.clone(), taken, 0));
        let parts = json!({"batch_get_cmd_req_id": id, "combined": {"resources": rows}});
        Ok(shaped(StatusCode::CREATED, parts))
    })
}

/// At the first look none has come.
fn status(ask: &Ask<'_>) -> Result<Response, Refused> {
    let id = asked(ask, "batch_get_cmd_req_id")?;
    patience(ask)?;
    ask.c.state.falcon.rtr.with(ask.c, |book| {
        let get = book.batches.iter_mut().flat_map(|b| &mut b.gets).find(|(known, _, _)| known == id);
        let (_, commands, looks) = get.ok_or_else(|| absent(404, "batch get command not found"))?;
        let (early, commands) = (std::mem::replace(looks, 1) == 0, commands.clone());
        let come =
            book.files.iter().filter(|f| !early && f.deleted.is_none() && commands.contains(&f.command));
        let rows =
            come.map(|file| (book.sessions[file.session].aid.clone(), files::row(book, file))).collect();
        Ok(by_host(StatusCode::OK, rows))
    })
}
