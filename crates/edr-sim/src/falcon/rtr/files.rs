//! Files that `get` has fetched: listed, handed out in an archive, and deleted.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::super::envelope::{Envelope, reply, trace_id};
use super::super::guard::Context;
use super::super::hosts_list::Refused;
use super::super::render_host::nanos;
use super::super::things::{Ask, no_method};
use super::book::{Book, Taken};
use super::{FILES_2, SERVICE, absent, asked, log, nothing};
use crate::estate::hash::{hex_words, mix_str, uuid};

/// What every archive of 7-Zip begins with.
const SEVEN_ZIP: &[u8] = b"7z\xBC\xAF\x27\x1C\x00\x04";

/// Takes a file from the host of a command; what the command says.
pub(super) fn take(c: Context<'_>, book: &mut Book, command: usize, path: &str) -> String {
    let session = book.commands[command].session;
    let h = mix_str(mix_str(0x6E7, path), &book.sessions[session].aid);
    let (number, size) = (book.files.len() as u64 + 1, 1_000 + h % 100_000);
    book.files.push(Taken {
        number,
        session,
        command,
        name: path.to_owned(),
        sha256: hex_words(h, 4),
        size,
        created: c.state.clock.now_ms(),
        deleted: None,
        looks: 0,
    });
    path.to_owned()
}

fn id(file: &Taken) -> String {
    uuid(file.number ^ 0xF17E)
}

/// A file as the first version of the list has it.
pub(super) fn row(book: &Book, file: &Taken) -> Value {
    json!({"id": file.number, "name": file.name, "sha256": file.sha256, "size": file.size,
        "session_id": book.sessions[file.session].id, "cloud_request_id": book.commands[file.command].id,
        "created_at": nanos(file.created, 7), "updated_at": nanos(file.created, 8)})
}

/// And as the second has it, which tells how far it has come.
fn row_2(book: &Book, file: &Taken, done: bool) -> Value {
    let mut row = row(book, file);
    row["id"] = id(file).into();
    row["complete"] = done.into();
    row["error_message"] = "".into();
    row["progress"] = if done { 100.0 } else { 40.0 }.into();
    row["stage"] = if done { "DONE" } else { "UPLOADING" }.into();
    row["status"] = if done { "SUCCESS" } else { "IN_PROGRESS" }.into();
    row
}

pub(super) fn files(ask: &Ask<'_>) -> Result<Response, Refused> {
    match ask.method {
        Method::GET => list(ask),
        Method::DELETE => delete(ask),
        _ => no_method(),
    }
}

fn session(ask: &Ask<'_>, book: &Book) -> Result<usize, Refused> {
    book.session(asked(ask, "session_id")?).ok_or_else(|| absent(40_402, "session not found"))
}

/// A file is on its way at the first look; the first version lists it only when it is there.
fn list(ask: &Ask<'_>) -> Result<Response, Refused> {
    let second = ask.path == FILES_2;
    ask.c.state.falcon.rtr.with(ask.c, |book| {
        let at = session(ask, book)?;
        let mine = |file: &Taken| file.session == at && file.deleted.is_none();
        let rows = book.files.iter().filter(|f| mine(f)).filter_map(|file| {
            let done = file.looks > 0;
            if second { Some(row_2(book, file, done)) } else { done.then(|| row(book, file)) }
        });
        let rows: Vec<Value> = rows.collect();
        book.files.iter_mut().filter(|f| mine(f)).for_each(|file| file.looks += 1);
        Ok(Envelope::new(SERVICE).with(&rows).into_response())
    })
}

fn delete(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (wanted, c) = (asked(ask, "ids")?, ask.c);
    let now = c.state.clock.now_ms();
    c.state.falcon.rtr.with(c, |book| {
        let at = session(ask, book)?;
        let named = |f: &Taken| f.number.to_string() == wanted || id(f) == wanted;
        let file = book.files.iter_mut().find(|f| f.session == at && f.deleted.is_none() && named(f));
        let file = file.ok_or_else(|| absent(404, "file not found"))?;
        file.deleted = Some(now);
        let operation = if ask.path == FILES_2 { "RTR-DeleteFileV2" } else { "RTR-DeleteFile" };
        log(c, operation, wanted, json!({"name": file.name}), Value::Null);
        Ok(nothing())
    })
}

/// Bytes that begin like an archive; the same for the same file.
pub(super) fn extracted(ask: &Ask<'_>) -> Result<Response, Refused> {
    let sha256 = asked(ask, "sha256")?;
    let name = ask.get("filename").unwrap_or(sha256);
    let size = ask.c.state.falcon.rtr.with(ask.c, |book| {
        let at = session(ask, book)?;
        let file = book.files.iter().find(|f| f.session == at && f.deleted.is_none() && f.sha256 == sha256);
        file.map(|file| file.size).ok_or_else(|| absent(404, "file not found"))
    })?;
    let mut body = SEVEN_ZIP.to_vec();
    body.extend_from_slice(name.as_bytes());
    let seed = mix_str(0x7A, sha256);
    body.extend((0..size).map(|n| (seed >> (n % 57)) as u8));
    Ok(attachment(body.into(), "application/x-7z-compressed"))
}

/// Bytes as a file.
pub(super) fn attachment(body: Bytes, kind: &'static str) -> Response {
    let mut response = reply(StatusCode::OK, &trace_id(), body.to_vec());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    response
}
