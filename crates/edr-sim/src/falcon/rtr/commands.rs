//! Commands: taken, carried out or kept for later, and answered piece by piece.

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::envelope::Envelope;
use super::super::guard::Context;
use super::super::hosts_list::Refused;
use super::super::things::{Ask, no_method, number};
use super::book::{Book, Command, State};
use super::line::{Level, Line, known};
use super::{
    ACT_COMMAND, ADMIN_COMMAND, BATCH_ACT, BATCH_ADMIN, BATCH_GET, NO_COMMS, SERVICE, absent, asked, bare,
    files, library, log, need, object, wrong,
};
use crate::estate::hash::{hex_words, mix_str, uuid};

/// A piece of an answer has at most so many bytes.
const PIECE: usize = 600;

/// Why a command is not taken: the code and the words.
pub(super) type Why = (u16, &'static str);
const NOT_FOUND: Why = (40_006, "Command not found");
const NOT_PERMITTED: Why = (40_007, "Command is not permitted at this level");
const NO_SESSION: Why = (40_402, "session not found");

/// The level of a path.
pub(super) fn level(path: &str) -> Level {
    match path {
        ACT_COMMAND | BATCH_ACT | BATCH_GET => Level::Act,
        ADMIN_COMMAND | BATCH_ADMIN => Level::Admin,
        _ => Level::Read,
    }
}

pub(super) fn command(ask: &Ask<'_>) -> Result<Response, Refused> {
    match ask.method {
        Method::POST => execute(ask),
        Method::GET => status(ask),
        _ => no_method(),
    }
}

/// The line of a request, if it is one and the level is enough.
pub(super) fn line(ask: &Ask<'_>, body: &Value) -> Result<Line, Refused> {
    let (base, text) = (need(body, "base_command")?, need(body, "command_string")?);
    let line = Line::read(base, text).map_err(|why| bare(StatusCode::BAD_REQUEST, 40_006, why))?;
    if line.level > level(ask.path) {
        return Err(bare(StatusCode::BAD_REQUEST, NOT_PERMITTED.0, NOT_PERMITTED.1));
    }
    Ok(line)
}

/// The name of the operation of a path, for the log.
fn operation(ask: &Ask<'_>) -> &'static str {
    super::super::operation(&ask.method, ask.path).unwrap_or_default()
}

fn execute(ask: &Ask<'_>) -> Result<Response, Refused> {
    let body = object(ask)?;
    let (id, line) = (need(&body, "session_id")?, line(ask, &body)?);
    let text = body["command_string"].as_str().unwrap_or_default();
    let c = ask.c;
    c.state.falcon.rtr.with(c, |book| {
        let at = book.session(id).ok_or_else(|| absent(NO_SESSION.0, NO_SESSION.1))?;
        let at =
            take(ask, book, at, (&line, text), body["persist"] == true).map_err(
                |(code, message)| match code {
                    40_006 => bare(StatusCode::BAD_REQUEST, code, message),
                    _ => absent(code, message),
                },
            )?;
        let command = &book.commands[at];
        let row = json!({"cloud_request_id": command.id, "session_id": id,
            "queued_command_offline": command.state == State::Queued});
        let mut envelope = Envelope::new(SERVICE).with(&[row]);
        envelope.status = StatusCode::CREATED;
        Ok(envelope.into_response())
    })
}

/// Takes a command into a session, and carries it out if the host is there.
///
/// With `persist` a command also waits for a host that was there when the session began.
pub(super) fn take(
    ask: &Ask<'_>,
    book: &mut Book,
    at: usize,
    (line, text): (&Line, &str),
    persist: bool,
) -> Result<usize, Why> {
    let (c, now) = (ask.c, ask.c.state.clock.now_ms());
    let host = book.sessions[at].host;
    catch_up(c, book, host);
    if !book.sessions[at].alive(now) {
        return Err(NO_SESSION);
    }
    if !line.runs_on(c.tenant.estate.fields(host).platform()) {
        return Err(NOT_FOUND);
    }
    let online = c.tenant.estate.online(host);
    if !online && !book.sessions[at].queued && !persist {
        return Err(NO_COMMS);
    }
    if !online {
        (book.sessions[at].queued, book.sessions[at].waiting) = (true, true);
    }
    let id = uuid(number(c));
    let place = book.add_command(Command {
        id: id.clone(),
        session: at,
        level: level(ask.path),
        base: line.name.to_owned(),
        line: text.to_owned(),
        created: now,
        updated: now,
        state: State::Queued,
        polls: 0,
        stdout: String::new(),
        stderr: String::new(),
    });
    book.sessions[at].touched = now;
    let after = json!({"session_id": book.sessions[at].id, "cloud_request_id": id, "command_string": text,
        "queued": !online});
    log(c, operation(ask), &book.sessions[at].aid.clone(), Value::Null, after);
    if online {
        carry_out(c, book, place);
    }
    Ok(place)
}

/// Carries out what waits for a host, if it is back.
pub(super) fn catch_up(c: Context<'_>, book: &mut Book, host: u64) {
    let (now, online) = (c.state.clock.now_ms(), c.tenant.estate.online(host));
    let Some(at) = book.waiting_for(host).filter(|at| online && book.sessions[*at].alive(now)) else {
        return;
    };
    let session = &mut book.sessions[at];
    (session.waiting, session.touched) = (false, now);
    let (aid, commands) = (session.aid.clone(), session.commands.clone());
    for place in
        commands.into_iter().filter(|at| book.commands[*at].state == State::Queued).collect::<Vec<_>>()
    {
        carry_out(c, book, place);
        let command = &book.commands[place];
        let (before, after) =
            (json!({"queued": true}), json!({"queued": false, "command_string": command.line}));
        log(c, "sim/rtr", &aid, before, after);
    }
}

fn carry_out(c: Context<'_>, book: &mut Book, place: usize) {
    let command = &mut book.commands[place];
    (command.state, command.updated) = (State::Done, c.state.clock.now_ms());
    let Ok(line) = Line::read(&command.base, &command.line) else { return };
    match said(c, book, place, &line) {
        Ok(text) => book.commands[place].stdout = text,
        Err(text) => book.commands[place].stderr = text,
    }
}

/// What a command says, and what it does.
fn said(c: Context<'_>, book: &mut Book, place: usize, line: &Line) -> Result<String, String> {
    let (session, level) = (book.commands[place].session, book.commands[place].level);
    let host = c.tenant.estate.fields(book.sessions[session].host);
    let missing = || format!("{}: an argument is missing", line.name);
    Ok(match line.name {
        "cat" => format!("contents of {}\n", line.first().ok_or_else(missing)?),
        "cd" => {
            book.sessions[session].pwd = line.first().ok_or_else(missing)?.to_owned();
            String::new()
        }
        "filehash" => {
            let path = line.first().ok_or_else(missing)?;
            format!("{}  {path}\n", hex_words(mix_str(0xF11E, path), 4))
        }
        "get" => files::take(c, book, place, line.first().ok_or_else(missing)?),
        "help" => known(host.platform(), level).join("\n"),
        "ls" => listing(line.first().unwrap_or(&book.sessions[session].pwd)),
        "ps" => processes(&host.id()),
        "put" | "put-and-run" => {
            let name = line.first().ok_or_else(missing)?;
            library::is_known(c, "put-files", name)
                .then(String::new)
                .ok_or_else(|| format!("no file {name}"))?
        }
        "runscript" => script(c, line)?,
        name => format!("{name} on {}\n", host.hostname()),
    })
}

fn script(c: Context<'_>, line: &Line) -> Result<String, String> {
    let arguments = line.option("CommandLine").unwrap_or_default();
    if let Some(name) = line.option("CloudFile") {
        let known = library::is_known(c, "scripts", name);
        return known.then(|| format!("{name} {arguments}\n")).ok_or_else(|| format!("no script {name}"));
    }
    let source = line.option("Raw").or(line.option("HostPath"));
    source.map(|text| format!("ran {text} {arguments}\n")).ok_or_else(|| "no script is named".to_owned())
}

fn listing(path: &str) -> String {
    let row = |n: u64| {
        let h = mix_str(n, path);
        format!("file-{:04}.log  {:>9}  2026-01-{:02}\n", h % 10_000, h % 1_000_000, 1 + h % 28)
    };
    let rows: String = (0..40).map(row).collect();
    format!("Directory of {path}\n{rows}")
}

fn processes(id: &str) -> String {
    let names =
        ["systemd", "sshd", "falcon-sensor", "bash", "cron", "python3", "svchost.exe", "explorer.exe"];
    let row = |(n, name): (usize, &&str)| format!("{:>6} {name}\n", mix_str(n as u64, id) % 60_000);
    names.iter().enumerate().map(row).collect()
}

/// The pieces of a text, cut between characters.
fn piece(text: &str, n: usize) -> (&str, bool) {
    let mut rest = text;
    for _ in 0..n {
        rest = &rest[cut(rest)..];
    }
    let end = cut(rest);
    (&rest[..end], end == rest.len())
}

fn cut(text: &str) -> usize {
    let mut at = text.len().min(PIECE);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn status(ask: &Ask<'_>) -> Result<Response, Refused> {
    let id = asked(ask, "cloud_request_id")?;
    let sequence = ask.get("sequence_id").unwrap_or("0").parse::<u32>();
    let sequence = sequence.map_err(|_| wrong("invalid sequence_id"))?;
    let c = ask.c;
    c.state.falcon.rtr.with(c, |book| {
        let at = book.command(id).filter(|at| book.commands[*at].level == level(ask.path));
        let at = at.ok_or_else(|| absent(40_403, "command not found"))?;
        catch_up(c, book, book.sessions[book.commands[at].session].host);
        let (session, command) =
            (book.sessions[book.commands[at].session].id.clone(), &mut book.commands[at]);
        let row = answer(command, sequence, &session);
        Ok(Envelope::new(SERVICE).with(&[row]).into_response())
    })
}

/// One piece. At the first asking the host has not answered yet.
fn answer(command: &mut Command, sequence: u32, session: &str) -> Value {
    let early = command.state != State::Done || std::mem::replace(&mut command.polls, 1) == 0;
    let (stdout, last) = if early { ("", false) } else { piece(&command.stdout, sequence as usize) };
    json!({"session_id": session, "task_id": command.id, "base_command": command.base, "complete": last,
        "sequence_id": sequence, "stdout": stdout, "stderr": if last { command.stderr.as_str() } else { "" }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_whole() {
        let text: String = (0..700).map(|n| if n % 3 == 0 { 'é' } else { 'x' }).collect();
        let (mut whole, mut n) = (String::new(), 0);
        loop {
            let (part, last) = piece(&text, n);
            assert!(part.len() <= PIECE && (last || !part.is_empty()));
            whole.push_str(part);
            if last {
                break;
            }
            n += 1;
        }
        assert_eq!((whole, n), (text, 1));
        assert_eq!(piece("", 0), ("", true));
        assert_eq!(piece("abc", 7), ("", true));
    }
}
