//! `edr api`: any request to one tenant, and the answer as it comes.

use std::io::{self, Read as _, Write as _};

use edr::core::Raw;
use edr::raw::{Passed, RawPage, RawRequest, RedactedHeaders, Refusal, Refused};
use edr::{Error, ErrorKind, Estate, Member, Outcome};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use crate::args::ApiCall;
use crate::context::Context;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::outcome::Tally;
use crate::output::Format;

/// The most that a body may hold: what is sent is held in memory.
const LARGEST: u64 = 64 << 20;

/// Runs the command.
pub(super) async fn run(context: Context, call: ApiCall) -> Result<Exit, Failure> {
    let request = request(&context, &call)?;
    let session = context.configured().await?;
    check_reach(&context, &session.config)?;
    let session = context.discover(session).await?;
    let estate = context.estate(&session)?;
    let member = only(&estate)?;
    let done = tokio::select! {
        () = context.interrupt.raised() => Err(Failure::Interrupted),
        done = in_time(&context, answer(&context, &call, member, &request)) => done,
    };
    context.close(&estate).await;
    done
}

/// What is sent, as far as the command line says it rightly.
fn request(context: &Context, call: &ApiCall) -> Result<RawRequest, Failure> {
    let globals = &context.globals;
    let told = |e: Error| Failure::Usage(e.message().to_owned(), e.hint().map(str::to_owned));
    let mut request = RawRequest::new(&call.method, &call.path).map_err(told)?.repeatable(call.repeatable);
    if request.is_write() && globals.tenant.len() != 1 {
        let message = format!("{} may change something: it needs exactly one -t NAME", call.method);
        return Err(Failure::usage(message));
    }
    if globals.all_tenants || !globals.children_of.is_empty() {
        return Err(Failure::usage("a request goes to one tenant: name it with -t"));
    }
    let formats = [Format::Json, Format::Jsonl];
    if globals.columns.is_some() || (globals.output.is_some() && !formats.contains(&context.view.format)) {
        return Err(Failure::usage(
            "the answer is printed as it comes: only -o json and -o jsonl mean something",
        ));
    }
    for pair in &call.query {
        let wrong = || Failure::usage("--query takes KEY=VALUE");
        let (key, value) = pair.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(wrong)?;
        request = request.query(key, value);
    }
    Ok(match call.body.as_deref().map(body).transpose()? {
        Some(body) => request.body(body),
        None => request,
    })
}

/// JSON on the command line, in a file, or on standard input. It is not repeated in an error: it may
/// hold a secret.
fn body(given: &str) -> Result<Vec<u8>, Failure> {
    let read = |reader: &mut dyn io::Read, name: &str| -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let read = reader.take(LARGEST + 1).read_to_end(&mut bytes);
        read.map_err(|e| Failure::usage(format!("--body: {name} cannot be read: {e}")))?;
        Ok(bytes)
    };
    let bytes = match (given, given.strip_prefix('@')) {
        ("-", _) => read(&mut io::stdin().lock(), "standard input")?,
        (_, Some(path)) => {
            let file = std::fs::File::open(path);
            let mut file = file.map_err(|e| Failure::usage(format!("--body: {path} cannot be read: {e}")))?;
            read(&mut file, path)?
        }
        _ => given.as_bytes().to_vec(),
    };
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::usage("--body is larger than 64 MiB"));
    }
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
        let place = format!("line {}, column {}", error.line(), error.column());
        let hint = "give JSON, @FILE, or - for standard input".to_owned();
        return Err(Failure::Usage(format!("--body is no JSON: {place}"), Some(hint)));
    }
    Ok(bytes)
}

/// Children are asked for only when one of them is named: an answer for nobody costs no request.
fn check_reach(context: &Context, config: &edr::Config) -> Result<(), Failure> {
    let many = context.globals.tenant.is_empty() && config.reaches_children(&context.globals.selection());
    if many {
        return Err(Failure::usage("a request goes to one tenant: name it with -t"));
    }
    Ok(())
}

fn only(estate: &Estate) -> Result<&Member, Failure> {
    match estate.members() {
        [member] => Ok(member),
        members => {
            let names: Vec<&str> = members.iter().map(|m| m.tenant.as_str()).collect();
            let hint = format!("name it with -t; there are: {}", names.join(", "));
            Err(Failure::Usage("a request goes to one tenant".to_owned(), Some(hint)))
        }
    }
}

async fn in_time(
    context: &Context,
    work: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    let Some(left) = context.left() else { return work.await };
    let late = |_| Error::new(ErrorKind::Timeout, "the time for the whole command ran out");
    tokio::time::timeout(left, work).await.map_err(late)?
}

async fn answer(
    context: &Context,
    call: &ApiCall,
    member: &Member,
    request: &RawRequest,
) -> Result<Exit, Failure> {
    if call.paginate {
        return pages(context, member, member.pages(request)).await;
    }
    match member.send(request).await {
        Ok(passed) => whole(context, call, passed).await,
        Err(refusal) => refused(call, *refusal),
    }
}

/// The answer, piece by piece.
async fn whole(context: &Context, call: &ApiCall, mut passed: Passed) -> Result<Exit, Failure> {
    let mut out = io::stdout();
    if call.include {
        out.write_all(head(passed.status, RedactedHeaders(&passed.headers)).as_bytes())?;
    }
    while let Some(piece) = passed.body.next().await {
        match piece {
            Ok(piece) => {
                out.write_all(&piece)?;
                out.flush()?;
            }
            Err(error) => {
                context.report.tenant_error(&error);
                return Ok(Exit::Partial);
            }
        }
    }
    out.flush()?;
    Ok(Exit::Complete)
}

/// An answer that is no success is printed like any other; what it means is the error.
fn refused(call: &ApiCall, refusal: Refusal) -> Result<Exit, Failure> {
    if let Some(Refused { status, headers, body, .. }) = refusal.answer {
        let mut out = io::stdout();
        if call.include {
            out.write_all(head(status, RedactedHeaders(&headers)).as_bytes())?;
        }
        out.write_all(&body)?;
        if !body.is_empty() && !body.ends_with(b"\n") {
            out.write_all(b"\n")?;
        }
        out.flush()?;
    }
    Err(Failure::Estate(refusal.error))
}

fn head(status: impl std::fmt::Display, headers: RedactedHeaders<'_>) -> String {
    let lines = headers.pairs().map(|(name, value)| format!("{name}: {value}\n"));
    format!("HTTP {status}\n{}\n", lines.collect::<String>())
}

/// All items of a listing. A listing that breaks off is closed all the same, and told as partial.
async fn pages(
    context: &Context,
    member: &Member,
    mut pages: BoxStream<'static, edr::Result<RawPage>>,
) -> Result<Exit, Failure> {
    let mut tally = Tally::new(("item", "items"), context.globals.timeout.is_some());
    tally.expect(&member.tenant, &member.vendor);
    let mut items = Items { out: io::stdout(), lines: context.view.format == Format::Jsonl, count: 0 };
    let error = loop {
        match pages.next().await {
            Some(Ok(page)) => page.items.iter().try_for_each(|item| items.put(item))?,
            Some(Err(error)) => break Some(error),
            None => break None,
        }
        items.out.flush()?;
    };
    items.finish()?;
    let outcome = match error {
        None => Outcome::Complete,
        Some(error) if items.count == 0 => Outcome::Failed { error },
        Some(error) => Outcome::Partial { gaps: Vec::new(), error: Some(error) },
    };
    tally.count(&member.tenant, items.count);
    tally.shown = items.count;
    tally.settle(&member.tenant, &member.vendor, outcome);
    tally.errors().for_each(|error| context.report.tenant_error(error));
    context.report.outcome(&tally);
    Ok(tally.exit())
}

/// Items as one array, or one a line.
struct Items {
    out: io::Stdout,
    lines: bool,
    count: u64,
}

impl Items {
    fn put(&mut self, item: &Raw) -> io::Result<()> {
        let before: &[u8] = match (self.lines, self.count) {
            (true, _) => b"",
            (false, 0) => b"[\n",
            (false, _) => b",\n",
        };
        self.out.write_all(before)?;
        self.count += 1;
        match self.lines {
            true => {
                self.out.write_all(&one_line(item))?;
                self.out.write_all(b"\n")
            }
            false => self.out.write_all(item.as_bytes()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        let end: &[u8] = match (self.lines, self.count) {
            (true, _) => b"",
            (false, 0) => b"[]\n",
            (false, _) => b"\n]\n",
        };
        self.out.write_all(end)?;
        self.out.flush()
    }
}

/// JSON that is spread over lines has its line ends between its parts, where a blank is as good.
fn one_line(item: &Raw) -> Vec<u8> {
    item.as_bytes().iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_and_never_repeated() {
        assert_eq!(body(r#"{"a": 1}"#).unwrap(), br#"{"a": 1}"#);
        let error = body(r#"{"secret": "canary"#).unwrap_err().line();
        assert!(error.contains("no JSON: line 1") && !error.contains("canary"), "{error}");
        assert!(body("@/nonexistent/x").unwrap_err().line().contains("/nonexistent/x cannot be read"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[1,\n2]").unwrap();
        assert_eq!(body(&format!("@{}", file.path().display())).unwrap(), b"[1,\n2]");
    }

    #[test]
    fn an_item_is_one_line() {
        assert_eq!(one_line(&Raw::new(bytes_of("{\n \"a\":\r\n 1}"))), b"{  \"a\":   1}");
    }

    fn bytes_of(text: &'static str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }
}
