//! `edr tenants import`: the children of Flight Control parents as tables of the configuration.

use std::path::Path;

use edr::{Child, Config, Outcome, TenantId, Vendor};
use serde::Serialize;

use super::{key, print, rewrite};
use crate::context::{Context, Session};
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::outcome::Tally;
use crate::output::columns::{Column, Fit, Value, columns, fit, maybe, text};
use crate::output::{Record, text as plain};

/// What became of a child.
#[derive(Debug, Serialize)]
struct ImportRow {
    #[serde(skip)]
    parent: TenantId,
    tenant: TenantId,
    vendor: Vendor,
    /// Its customer id.
    uid: Option<String>,
    /// `added`, or `new` when nothing is written; `present`, `renamed`, `gone`.
    result: &'static str,
    /// What to know about it.
    note: Option<String>,
}

/// Runs the command.
pub(super) async fn run(context: Context, dry_run: bool) -> Result<Exit, Failure> {
    check(&context)?;
    let session = context.load().await?;
    let path = session.config.path.clone().ok_or_else(|| {
        let hint = "it needs a file: write one, or name it with --config".to_owned();
        Failure::Usage("there is no configuration file to write into".to_owned(), Some(hint))
    })?;
    let before = std::fs::read_to_string(&path)
        .map_err(|e| Failure::Other(format!("{} cannot be read: {e}", path.display())))?;
    let listed = listed(&context, &session).await?;
    let rows: Vec<ImportRow> = rows(&session.config, &listed, dry_run);
    let added = addition(&before, &rows);
    let after = format!("{before}{added}");
    let is_new = !added.is_empty();
    if is_new {
        verify(&path, &after, &rows)?;
    }
    if is_new && !dry_run {
        rewrite::replace(&path, &before, &after)
            .map_err(|e| Failure::Other(format!("{} cannot be written: {e}", path.display())))?;
    }
    let shown = show(&context, dry_run, &path, &before, &added, &rows);
    tell(&context, &rows, is_new && dry_run);
    errors::ended(shown, conclude(&context, &listed, &rows))
}

/// The parents are named by `--children-of`; other selections mean nothing here.
fn check(context: &Context) -> Result<(), Failure> {
    let globals = &context.globals;
    let flags = [
        (!globals.tenant.is_empty(), "--tenant"),
        (globals.all_tenants, "--all-tenants"),
        (!globals.tenant_tag.is_empty(), "--tenant-tag"),
        (globals.vendor.is_some(), "--vendor"),
    ];
    if let Some((_, flag)) = flags.iter().find(|(given, _)| *given) {
        let hint = "name the parent with --children-of".to_owned();
        return Err(Failure::Usage(format!("{flag} means nothing to this command"), Some(hint)));
    }
    context.check_view::<ImportRow>(false)
}

type Listed = Vec<(TenantId, edr::Result<Vec<Child>>)>;

async fn listed(context: &Context, session: &Session) -> Result<Listed, Failure> {
    let config = &session.config;
    let with_children = config.tenants.iter().filter(|t| t.vendor.has_children());
    let parents: Vec<&str> = match context.globals.children_of.as_slice() {
        [] => with_children.map(|t| t.name.as_str()).collect(),
        names => names.iter().map(String::as_str).collect(),
    };
    if parents.is_empty() {
        return Err(Failure::usage("name a Flight Control parent with --children-of"));
    }
    let options = context.options_for(parents.iter().filter_map(|name| config.named(name)));
    tokio::select! {
        () = context.interrupt.raised() => Err(Failure::Interrupted),
        listed = config.children(&parents, &options) => listed.map_err(|e| context.misnamed(session, e)),
    }
}

/// What becomes of each child that is listed, and of each table whose child is not.
fn rows(config: &Config, listed: &Listed, dry_run: bool) -> Vec<ImportRow> {
    let answered = listed.iter().filter_map(|(parent, children)| Some((parent, children.as_ref().ok()?)));
    let mut rows: Vec<ImportRow> = Vec::new();
    for (parent, children) in answered {
        rows.extend(children.iter().map(|child| row(config, parent, child, dry_run)));
        let below = |t: &&edr::TenantConfig| is_below(parent, &t.name);
        for tenant in config.tenants.iter().filter(below) {
            let Some(uid) = tenant.vendor.customer() else { continue };
            if !children.iter().any(|child| child.cid == uid) {
                let note = Some(format!("{parent} has no such child; its table is left as it is"));
                rows.push(ImportRow { result: "gone", note, ..ImportRow::of(parent, &tenant.name, uid) });
            }
        }
    }
    rows.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    rows.dedup_by(|a, b| a.tenant == b.tenant && a.uid == b.uid);
    rows
}

fn row(config: &Config, parent: &TenantId, child: &Child, dry_run: bool) -> ImportRow {
    let new = if dry_run { "new" } else { "added" };
    match config.of_customer(&child.cid) {
        None => {
            let note = (!child.named)
                .then(|| "the vendor tells no name of it, and its customer id stands for one".to_owned());
            ImportRow { result: new, note, ..ImportRow::of(parent, &child.tenant, child.cid.clone()) }
        }
        Some(had) if had.name == child.tenant || !child.named || !is_below(parent, &had.name) => {
            ImportRow { result: "present", ..ImportRow::of(parent, &had.name, child.cid.clone()) }
        }
        Some(had) => {
            let note = Some(format!("it is called {} now; its table is left as it is", child.tenant));
            ImportRow { result: "renamed", note, ..ImportRow::of(parent, &had.name, child.cid.clone()) }
        }
    }
}

fn is_below(parent: &TenantId, name: &TenantId) -> bool {
    name.as_str().strip_prefix(parent.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

/// The tables of new children, as they stand at the end of the file.
fn addition(before: &str, rows: &[ImportRow]) -> String {
    let new = rows.iter().filter(|row| row.is_new());
    let tables: String = new.map(table).collect();
    let gap = if tables.is_empty() || before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    match before.contains("\r\n") {
        true => format!("{gap}{tables}").replace('\n', "\r\n"),
        false => format!("{gap}{tables}"),
    }
}

fn table(row: &ImportRow) -> String {
    let (name, parent) = (row.tenant.as_str(), row.parent.as_str());
    let cid = row.uid.as_deref().unwrap_or_default();
    format!("\n[tenants.{}]\nparent = {}\nmember_cid = {}\n", quoted(name), quoted(parent), quoted(cid))
}

/// A basic string of TOML, which is one of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What is written must be understood, and must add what it says and nothing else.
fn verify(path: &Path, after: &str, rows: &[ImportRow]) -> Result<(), Failure> {
    let config = Config::from_toml(after).map_err(|e| {
        let message = format!("{} would not be understood: {}", path.display(), e.message());
        Failure::Other(format!("{message}; nothing was written"))
    })?;
    let is_there = |row: &&ImportRow| config.named(row.tenant.as_str()).is_some();
    match rows.iter().filter(|row| row.is_new()).all(|row| is_there(&row)) {
        true => Ok(()),
        false => Err(Failure::Other(format!(
            "{} would not hold the children; nothing was written",
            path.display()
        ))),
    }
}

/// The change as a diff for a person at `--dry-run`; records for everything else.
fn show(
    context: &Context,
    dry_run: bool,
    path: &Path,
    before: &str,
    added: &str,
    rows: &[ImportRow],
) -> Result<(), Failure> {
    if !dry_run || context.globals.output.is_some() {
        return print(context, rows);
    }
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(diff(path, before, added).as_bytes())?;
    Ok(out.flush()?)
}

fn diff(path: &Path, before: &str, added: &str) -> String {
    if added.is_empty() {
        return String::new();
    }
    let (at, path) = (before.lines().count(), path.display().to_string());
    // A last line without an end is ended; what is added are the lines behind it.
    let is_ended = before.is_empty() || before.ends_with('\n');
    let new = added
        .strip_prefix("\r\n")
        .or_else(|| added.strip_prefix('\n'))
        .filter(|_| !is_ended)
        .unwrap_or(added);
    let lines: Vec<&str> = new.lines().collect();
    let body: String = lines.iter().map(|line| format!("+{line}\n")).collect();
    let head = format!("--- {path}\n+++ {path}\n@@ -{at},0 +{},{} @@\n", at + 1, lines.len());
    format!("{}{body}", head.lines().map(|l| format!("{}\n", plain::plain(l))).collect::<String>())
}

fn tell(context: &Context, rows: &[ImportRow], unwritten: bool) {
    for row in rows {
        if let Some(note) = &row.note {
            context.report.warn(if row.is_new() { "read" } else { row.result }, Some(&row.tenant), note);
        }
    }
    if unwritten {
        context.report.note("dry_run", "nothing was written");
    }
}

fn conclude(context: &Context, listed: &Listed, rows: &[ImportRow]) -> Exit {
    let mut tally = Tally::new(("child", "children"), context.globals.timeout.is_some());
    let vendor = Vendor::from("falcon");
    for (parent, children) in listed {
        let outcome = match children {
            Ok(_) => Outcome::Complete,
            Err(error) => Outcome::Failed { error: error.clone() },
        };
        tally.expect(parent, &vendor);
        tally.settle(parent, &vendor, outcome);
        tally.count(parent, children.as_ref().map_or(0, |c| c.len() as u64));
    }
    tally.shown = rows.iter().filter(|row| row.result != "gone").count() as u64;
    tally.errors().for_each(|error| context.report.tenant_error(error));
    context.report.outcome(&tally);
    tally.exit()
}

impl ImportRow {
    fn of(parent: &TenantId, tenant: &TenantId, cid: String) -> Self {
        let (parent, tenant) = (parent.clone(), tenant.clone());
        Self { parent, tenant, vendor: "falcon".into(), uid: Some(cid), result: "present", note: None }
    }

    fn is_new(&self) -> bool {
        matches!(self.result, "added" | "new")
    }
}

impl Record for ImportRow {
    type Key = (String, String);

    const NOUNS: (&'static str, &'static str) = ("child", "children");
    const COLUMNS: &'static [Column<Self>] = columns! { ImportRow;
        "tenant" Plain, |t| text(t.tenant.as_str());
        "vendor" Plain, |t| text(t.vendor.as_str());
        "uid" Plain, |t| maybe(t.uid.as_ref());
        "result" Plain, |t| text(t.result);
        "note" Plain, |t| maybe(t.note.as_ref());
    };
    const TABLE: &'static [Fit] =
        &[fit("tenant", 16, 0), fit("uid", 32, 2), fit("result", 7, 0), fit("note", 20, 1)];
    const PIPE: &'static [&'static str] = &["tenant", "vendor", "uid", "result", "note"];
    const WIDE: &'static [&'static str] = Self::PIPE;

    fn sort_key(&self) -> Self::Key {
        key(&self.tenant, &self.vendor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_added_behind_what_is_there() {
        let row = |name: &str, result| ImportRow {
            result,
            ..ImportRow::of(&"acme".into(), &name.into(), "a".repeat(32))
        };
        let rows = [row("acme/A \"b\"\\", "added"), row("acme/had", "present")];
        let table = format!(
            "\n[tenants.\"acme/A \\\"b\\\"\\\\\"]\nparent = \"acme\"\nmember_cid = \"{}\"\n",
            "a".repeat(32)
        );
        assert_eq!(addition("x = 1 # note\n", &rows), table);
        assert_eq!(addition("x = 1", &rows), format!("\n{table}"));
        assert_eq!(addition("x = 1\r\n", &rows), table.replace('\n', "\r\n"));
        assert_eq!(addition("x = 1", &rows[1..]), "");
    }

    #[test]
    fn a_diff_can_be_applied() {
        let path = Path::new("c.toml");
        let expected = "--- c.toml\n+++ c.toml\n@@ -1,0 +2,2 @@\n+\n+[x]\n";
        assert_eq!(diff(path, "a = 1\n", "\n[x]\n"), expected);
        assert_eq!(diff(path, "a = 1", "\n\n[x]\n"), expected);
        assert_eq!(diff(path, "a = 1\n", ""), "");
    }
}
