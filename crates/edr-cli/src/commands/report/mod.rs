//! `edr report coverage`.

mod page;
mod rows;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use edr::coverage::{Coverage, Denominator, Machine, Settings, Survey, html};
use edr::{Config, HostQuery, Platform};

use super::census;
use crate::args::{CoverageArgs, ReportCommand};
use crate::context::Context;
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::listing;
use crate::output::pager::Output;
use crate::output::{Format, View, sink};

/// Runs the command.
pub(super) async fn run(context: Context, command: ReportCommand) -> Result<Exit, Failure> {
    match command {
        ReportCommand::Coverage(args) => coverage(context, *args).await,
    }
}

async fn coverage(mut context: Context, args: CoverageArgs) -> Result<Exit, Failure> {
    context.check_view::<Machine>(false)?;
    let form = Form::of(&context, &args)?;
    let denominator = denominator(&args)?;
    let session = context.session().await?;
    let mut survey = Survey::new(settings(&args, &session.config)?);
    census::links(&context)?.tell(survey.identity());
    let estate = context.estate(&session)?;
    census::advise(&context, &estate, &session.config);
    estate.members().iter().for_each(|m| survey.expect(&m.tenant, &m.vendor));
    let read =
        census::read(&mut context, &estate, estate.hosts(HostQuery::new()), |event| survey.event(&event));
    let tally = read.await;
    let mut coverage = survey.finish(denominator.as_ref(), context.now());
    coverage.hold_to(&args.check)?;
    let printed = print(&context, &coverage, form, args.out.as_deref());
    context.close(&estate).await;
    tell(&context, &coverage);
    let exit = listing::settle(&context, &tally);
    let unmet = coverage.checks.iter().any(|check| !check.is_met);
    errors::ended(printed, if exit == Exit::Complete && unmet { Exit::Differs } else { exit })
}

fn denominator(args: &CoverageArgs) -> Result<Option<Denominator>, Failure> {
    if let Some(check) = args.check.iter().find(|c| c.needs_denominator() && args.denominator.is_none()) {
        return Err(Failure::usage(format!("--check '{}' needs --denominator", check.as_str())));
    }
    let read = args.denominator.as_deref().map(Denominator::read).transpose();
    read.map_err(|e| Failure::Usage(e.message().to_owned(), e.hint().map(str::to_owned)))
}

fn settings(args: &CoverageArgs, config: &Config) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    settings.identity = config.identity();
    settings.stale_after = TimeDelta::from_std(args.stale).unwrap_or(TimeDelta::MAX);
    for newest in &args.newest {
        let platform = newest.platform.as_deref().map(Platform::from);
        if !settings.releases.newest_is(&newest.vendor.into(), platform, &newest.version) {
            return Err(Failure::usage(format!("--newest: '{}' is no version", newest.version)));
        }
    }
    Ok(settings)
}

/// What is not in every form of the report, and must not be missed.
fn tell(context: &Context, coverage: &Coverage) {
    let report = &context.report;
    let bad = coverage.denominator.iter().flat_map(|list| &list.bad_rows);
    for row in bad.clone().take(10) {
        let used = if row.is_used { "" } else { "; the row is not used" };
        report.warn("denominator", None, &format!("line {}: {}{used}", row.line, row.reason));
    }
    if bad.clone().count() > 10 {
        let message = format!("{} more rows are not wholly used; the report lists them", bad.count() - 10);
        report.warn("denominator", None, &message);
    }
    for check in coverage.checks.iter().filter(|check| !check.is_met) {
        let actual = check.actual.map_or("nothing to measure".to_owned(), page::number);
        report.warn("check", None, &format!("{} is not met: {actual}", check.check));
    }
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A page.
    Html,
    /// The figures, for a person.
    Figures,
    /// A row a machine.
    Rows(Format),
    /// The whole report.
    Whole(Format),
}

impl Form {
    /// What `-o` says, or else the ending of `--out`.
    fn of(context: &Context, args: &CoverageArgs) -> Result<Self, Failure> {
        let named = context.globals.output.is_some();
        let ending = args.out.as_deref().and_then(Path::extension).and_then(OsStr::to_str).filter(|_| !named);
        let format = match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("html" | "htm") => return Ok(Self::Html),
            Some("csv") => Format::Csv,
            Some("json") => Format::Json,
            Some("jsonl" | "ndjson") => Format::Jsonl,
            Some("yaml" | "yml") => Format::Yaml,
            _ => context.view.format,
        };
        let form = match format {
            _ if context.globals.wants_html() => Self::Html,
            Format::Json | Format::Yaml => Self::Whole(format),
            Format::Table | Format::Wide => Self::Figures,
            _ => Self::Rows(format),
        };
        match context.view.columns {
            Some(_) if !matches!(form, Self::Rows(_)) => {
                Err(Failure::usage("--columns is for rows: -o csv or jsonl"))
            }
            _ => Ok(form),
        }
    }
}

fn print(context: &Context, coverage: &Coverage, form: Form, out: Option<&Path>) -> Result<(), Failure> {
    if let Some(path) = out {
        return save(path, |file| write(context, coverage, form, file));
    }
    let mut output = Output::open(form == Form::Figures);
    let written = write(context, coverage, form, &mut output);
    output.close(&context.interrupt)?;
    Ok(written?)
}

fn write(context: &Context, coverage: &Coverage, form: Form, out: &mut dyn Write) -> io::Result<()> {
    match form {
        Form::Html => out.write_all(html(coverage).as_bytes())?,
        Form::Figures => {
            out.write_all(page::text(coverage, &context.view).as_bytes())?;
            if context.view.format == Format::Wide {
                out.write_all(b"\n")?;
                rows(coverage, &context.view, out)?;
            }
        }
        Form::Rows(format) => rows(coverage, &View { format, ..context.view.clone() }, out)?,
        Form::Whole(Format::Yaml) => {
            let text = serde_yaml_ng::to_string(coverage).map_err(io::Error::other)?;
            out.write_all(text.as_bytes())?;
        }
        Form::Whole(_) => {
            serde_json::to_writer_pretty(&mut *out, coverage)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()
}

fn rows(coverage: &Coverage, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let mut sink = sink::<Machine>(view, Box::new(out));
    coverage.machines.iter().try_for_each(|machine| sink.item(machine))?;
    sink.finish()
}

/// Writes beside the file and puts it in its place when it is whole.
fn save(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(name);
    let written = fs::File::create(&beside)
        .and_then(|file| {
            let mut file = io::BufWriter::new(file);
            write(&mut file)?;
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|e| {
        // What is left of it is of no use to anybody.
        let _ = fs::remove_file(&beside);
        Failure::Other(format!("{} cannot be written: {e}", path.display()))
    })
}
