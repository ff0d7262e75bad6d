//! `edr audit`: the journal, record by record, and whether it proves itself; and what the vendors have noted.

use std::borrow::Cow;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use edr::respond::{AnswerWord, Audit, Event, IocDeed, Record as JournalRecord};
use edr::{AuditEvent, Estate, Filter, Noun, Op};
use serde::Serialize;
use serde_json::Value as Json;

use crate::act;
use crate::args::{AuditCommand, AuditList, Terms};
use crate::context::Context;
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::listing::{self, Wanted, Wants};
use crate::outcome::counted;
use crate::output::Record;
use crate::output::columns::{Column, Fit, Value, columns, fit, maybe, text, time};

const IOCS: (&str, &str) = ("indicator", "indicators");

/// Runs the command. For the journal nothing is sent.
pub(super) async fn run(context: Context, command: AuditCommand) -> Result<Exit, Failure> {
    match command {
        AuditCommand::Events(list) => events(context, list).await,
        command => journal(&context, command).await,
    }
}

async fn events(context: Context, list: AuditList) -> Result<Exit, Failure> {
    context.check_view::<AuditEvent>(list.reach.raw)?;
    let filters = filters(&context, &list)?;
    let fields = listing::fields::<AuditEvent>(&context, &filters);
    let wants = Wants { query: Wanted { filters, fields, ..Wanted::default() }, terms: Vec::new() };
    listing::run::<AuditEvent>(context, wants, list.reach).await
}

fn filters(context: &Context, list: &AuditList) -> Result<Vec<Filter>, Failure> {
    let terms = Terms { filter: list.filter.clone(), ..Terms::default() };
    let mut filters = listing::expressions(Noun::AuditEvent, &terms, context)?;
    filters.extend(listing::alternatives(Noun::AuditEvent, "source", &list.source, context)?);
    for (time, op, flag) in [(&list.since, Op::Ge, "--since"), (&list.until, Op::Lt, "--until")] {
        if let Some(time) = time {
            filters.push(listing::time(Noun::AuditEvent, "time", op, time, flag, context)?);
        }
    }
    Ok(filters)
}

async fn journal(context: &Context, command: AuditCommand) -> Result<Exit, Failure> {
    if context.globals.narrows() {
        return Err(Failure::usage("the journal is one for all tenants: -t and its like mean nothing here"));
    }
    let session = context.load().await?;
    let responder = act::open(context, &session, Estate::of([]))?;
    match command {
        AuditCommand::List { operation } => {
            context.check_view::<AuditRow>(false)?;
            let mut records = responder.journal().records()?;
            records.retain(|r| operation.as_deref().is_none_or(|id| r.event.plan() == Some(id)));
            let rows: Vec<AuditRow> = records.into_iter().map(AuditRow).collect();
            act::print(context, &rows)?;
            Ok(Exit::Complete)
        }
        // What the vendors have noted has been listed.
        AuditCommand::Events(_) => Ok(Exit::Complete),
        AuditCommand::Verify => {
            context.check_view::<VerifyRow>(false)?;
            let (audit, journal) = (responder.journal().verify()?, responder.journal().path());
            verified(context, audit, journal)
        }
    }
}

fn verified(context: &Context, audit: Audit, journal: PathBuf) -> Result<Exit, Failure> {
    let (word, exit) =
        if audit.fault.is_none() { ("complete", Exit::Complete) } else { ("failed", Exit::Failed) };
    let records = counted(audit.records, ("record", "records"));
    let message = match &audit.fault {
        None => format!("{word}: {records} proven"),
        Some(fault) => format!("{word}: {}: {fault}; {records} before it proven", journal.display()),
    };
    let printed = act::print(context, &[VerifyRow { journal, audit }]);
    let object = End { kind: "outcome", outcome: word, message: &message };
    context.report.told(std::slice::from_ref(&message), &object);
    errors::ended(printed, exit)
}

#[derive(Serialize)]
struct End<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    outcome: &'static str,
    message: &'a str,
}

/// What became of looking at every record.
#[derive(Serialize)]
struct VerifyRow {
    journal: PathBuf,
    #[serde(flatten)]
    audit: Audit,
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 records")]
fn number(n: u64) -> Value<'static> {
    Value::Number(n as f64)
}

impl Record for VerifyRow {
    type Key = ();

    const NOUNS: (&'static str, &'static str) = ("journal", "journals");
    const COLUMNS: &'static [Column<Self>] = columns! { VerifyRow;
        "journal" Plain, |v| Value::Text(v.journal.to_string_lossy());
        "records" Plain, |v| number(v.audit.records);
        "hash" Plain, |v| text(&v.audit.hash);
        "torn" Plain, |v| number(v.audit.torn);
        "torn_tail" Plain, |v| number(v.audit.torn_tail);
        "fault" Plain, |v| v.audit.fault.as_ref().map_or(Value::Empty, |f| Value::Text(Cow::Owned(f.to_string())));
    };
    const TABLE: &'static [Fit] = &[fit("records", 7, 0), fit("hash", 64, 0), fit("fault", 20, 0)];
    const PIPE: &'static [&'static str] = &["journal", "records", "hash", "torn", "torn_tail", "fault"];
    const WIDE: &'static [&'static str] = Self::PIPE;

    fn sort_key(&self) -> Self::Key {}
}

/// One record of the journal.
#[derive(Serialize)]
#[serde(transparent)]
struct AuditRow(JournalRecord);

impl AuditRow {
    fn word(&self) -> String {
        let json = serde_json::to_value(&self.0.event).unwrap_or_default();
        json.get("event").and_then(Json::as_str).unwrap_or("unknown").to_owned()
    }

    /// What the event says beyond its name, in a few words.
    fn what(&self) -> String {
        let hosts = |n: usize| counted(n as u64, ("host", "hosts"));
        match &self.0.event {
            Event::Began { action, sends, because, .. } => {
                let reason = because.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
                format!("{} of {}{reason}", action.verb(), hosts(sends.len()))
            }
            Event::Resumed { sends, .. } => format!("{} left", hosts(sends.len())),
            Event::Intended { tenant, hosts: all, .. } => format!("{tenant}: {}", hosts(all.len())),
            Event::Answered { tenant, answers, error, .. } => match error {
                Some(error) => format!("{tenant}: {}", error.message),
                None => format!("{tenant}: {} answered", hosts(answers.len())),
            },
            Event::Settled { tenant, hosts: all, .. } => format!("{tenant}: {} read back", hosts(all.len())),
            Event::Observed { tenant, hosts: all, .. } => format!("{tenant}: {}", hosts(all.len())),
            Event::Moved { hosts: all, .. } => format!("{} left out", hosts(all.len())),
            Event::Stopped { tenant, error, .. } => format!("{tenant}: {}", error.message),
            Event::Handed { to, hosts: all, .. } => format!("{} to {to}", hosts(all.len())),
            Event::Refused { rule, message, .. } => format!("{rule}: {message}"),
            Event::SetAside { file, reason, .. } => format!("{file}: {reason}"),
            Event::IocsIntended { tenant, owner, deed, iocs, .. } => {
                let verb = if *deed == IocDeed::Put { "put" } else { "take away" };
                format!("{tenant}: {verb} {} for {owner}", counted(iocs.len() as u64, IOCS))
            }
            Event::IocsAnswered { tenant, answers, error, .. } => match error {
                Some(error) => format!("{tenant}: {}", error.message),
                None => format!("{tenant}: {}", words(answers.iter().map(|a| a.answer))),
            },
            Event::IocsSettled { tenant, iocs, .. } => {
                let so = iocs.iter().filter(|back| back.done == Some(true)).count();
                format!("{tenant}: {so} of {} read back as wanted", iocs.len())
            }
            Event::Torn { bytes, .. } => format!("{bytes} bytes"),
            _ => String::new(),
        }
    }
}

impl Record for AuditRow {
    type Key = u64;

    const NOUNS: (&'static str, &'static str) = ("record", "records");
    const COLUMNS: &'static [Column<Self>] = columns! { AuditRow;
        "seq" Plain, |a| number(a.0.seq);
        "time" Plain, |a| time(Some(moment(a)));
        "by" Plain, |a| text(&a.0.by);
        "event" Plain, |a| Value::Text(Cow::Owned(a.word()));
        "operation" Plain, |a| a.0.event.plan().map_or(Value::Empty, text);
        "what" Plain, |a| Value::Text(Cow::Owned(a.what()));
        "hash" Plain, |a| maybe(Some(&a.0.hash));
    };
    const TABLE: &'static [Fit] = &[
        fit("seq", 3, 0),
        fit("time", 8, 1),
        fit("by", 8, 3),
        fit("event", 8, 0),
        fit("operation", 36, 2),
        fit("what", 24, 0),
    ];
    const PIPE: &'static [&'static str] = &["seq", "time", "by", "event", "operation", "what"];
    const WIDE: &'static [&'static str] = &["seq", "time", "by", "event", "operation", "what", "hash"];

    fn sort_key(&self) -> Self::Key {
        self.0.seq
    }
}

fn moment(row: &AuditRow) -> DateTime<Utc> {
    row.0.time
}

/// How many answers of each kind: `2 accepted, 1 refused`.
fn words(answers: impl Iterator<Item = AnswerWord>) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for answer in answers {
        let word = match answer {
            AnswerWord::Accepted => "accepted",
            AnswerWord::Already => "already",
            AnswerWord::Refused => "refused",
            _ => "unknown",
        };
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}
