//! `edr export hosts` and `edr export alerts`.

mod rows;

use edr::core::clock::{Clock as _, SystemClock};
use edr::{Alert, AlertQuery, Estate, EstateEvent, EstateStream, Filter, Host, HostQuery};
use edr_export::{Ending, Export, FileFormat, Format, Manifest, Noun, Outcome, Projection, Request, Row};

use super::census;
use crate::args::{
    AlertList, ExportAlerts, ExportCommand, ExportHosts, FileKind, HostList, Into, Terms, Words,
};
use crate::context::Context;
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::listing::{self, Kind};
use crate::outcome::{Tally, TenantEnding, counted, grouped};
use crate::output::pager::Output;
use crate::output::sink;
use rows::PartRow;

/// Runs the command.
pub(super) async fn run(context: Context, command: ExportCommand) -> Result<Exit, Failure> {
    match command {
        ExportCommand::Hosts(args) => hosts(context, *args).await,
        ExportCommand::Alerts(args) => alerts(context, *args).await,
    }
}

async fn hosts(context: Context, args: ExportHosts) -> Result<Exit, Failure> {
    let terms = Terms { filter: args.filter, ..Terms::default() };
    let (platform, status, containment) = (args.platform, args.status, args.containment);
    let last_seen = args.last_seen;
    let list = HostList { terms, platform, status, containment, last_seen, ..HostList::default() };
    let filters = super::hosts::filters(&context, &list)?;
    let mut words: Vec<String> = filters.iter().map(Filter::to_string).collect();
    // Rows that were asked whether they are online have more in them: they are another batch.
    words.extend(args.online.then(|| "with connection_state".to_owned()));
    let mut query = HostQuery::new();
    query.with_connection = args.online || filters.iter().any(|f| f.field().name == "connection_state");
    query.filters = filters;
    export(context, args.into, words, |estate| estate.hosts(query)).await
}

async fn alerts(context: Context, args: ExportAlerts) -> Result<Exit, Failure> {
    let terms = Terms { filter: args.filter, ..Terms::default() };
    let (severity, status, since, until) = (args.severity, args.status, args.since, args.until);
    let list = AlertList { terms, severity, status, since, until, ..AlertList::default() };
    let mut query = AlertQuery::new();
    query.filters = super::alerts::filters(&context, &list)?;
    let words = query.filters.iter().map(Filter::to_string).collect();
    export(context, args.into, words, |estate| estate.alerts(query)).await
}

/// A noun that is exported.
trait Exported: Kind {
    const EXPORTED: Noun;

    fn row(self, projection: &Projection) -> edr_export::Result<Row>;
}

impl Exported for Host {
    const EXPORTED: Noun = Noun::Hosts;

    fn row(self, projection: &Projection) -> edr_export::Result<Row> {
        projection.host(self)
    }
}

impl Exported for Alert {
    const EXPORTED: Noun = Noun::Alerts;

    fn row(self, projection: &Projection) -> edr_export::Result<Row> {
        projection.alert(self)
    }
}

async fn export<T: Exported>(
    mut context: Context,
    into: Into,
    words: Vec<String>,
    open: impl FnOnce(&Estate) -> EstateStream<T>,
) -> Result<Exit, Failure> {
    context.check_view::<PartRow>(false)?;
    let request = request(&context, &into, T::EXPORTED, words);
    let projection = Projection::new(request.format, context.now()).with_raw(request.raw);
    let session = context.session().await?;
    let estate = in_time(&context, context.estate(&session)?);
    let mut export = Export::begin(&into.to, request, context.now()).map_err(|e| failure(&into, &e))?;
    tell_recovered(&context, &export);
    let mut wrong = None;
    let stream = open(&estate);
    let tally = census::read_all(&mut context, &estate, stream, |event| {
        let EstateEvent::Items(items) = event else { return true };
        let pushed = items.into_iter().try_for_each(|item| export.push(item.row(&projection)?));
        wrong = pushed.err();
        wrong.is_none()
    });
    let tally = tally.await;
    context.close(&estate).await;
    match wrong {
        Some(error) => Err(failure(&into, &error)),
        None if tally.interrupted => stopped(&context, &tally),
        None => settle(&context, &into, tally, export),
    }
}

/// Reading ends before `--timeout` does, so that what was read by then can still be written.
fn in_time(context: &Context, estate: Estate) -> Estate {
    match context.left() {
        Some(left) => estate.with_deadline(left / 10 * 9),
        None => estate,
    }
}

fn request(context: &Context, into: &Into, noun: Noun, words: Vec<String>) -> Request {
    let format = match into.format {
        Words::Ecs => Format::Ecs,
        Words::Native => Format::Native,
        Words::Ocsf => Format::Ocsf,
    };
    let file_format = match into.file_format {
        FileKind::Jsonl => FileFormat::Jsonl,
        FileKind::JsonlGzip => FileFormat::JsonlGzip,
        #[cfg(feature = "parquet")]
        FileKind::Parquet => FileFormat::Parquet,
    };
    let mut request = Request::new(noun, format, file_format, context.now());
    request.region.clone_from(&into.region);
    request.query = words;
    request.tenants = context.globals.selected_words();
    request.raw = into.raw;
    request.demo = context.is_demo();
    request
}

fn tell_recovered(context: &Context, export: &Export) {
    for batch in &export.recovered().completed {
        let message =
            format!("{batch}: an export that was cut off had written everything; it is in its place now");
        context.report.note("completed", &message);
    }
    for batch in &export.recovered().discarded {
        let message = format!("{batch}: an export that was cut off left parts; they are cleared away");
        context.report.note("discarded", &message);
    }
}

/// Nothing is in its place.
fn stopped(context: &Context, tally: &Tally) -> Result<Exit, Failure> {
    context.report.note("stopped", "nothing was written");
    Ok(listing::settle(context, tally))
}

fn settle(context: &Context, into: &Into, mut tally: Tally, export: Export) -> Result<Exit, Failure> {
    let ended = tally.endings().into_iter().map(ending).collect();
    let go_on = || !context.interrupt.is_raised();
    let placed = export.write(ended, SystemClock.now(), &go_on).and_then(|written| {
        // Files and manifest belong together: what is begun here is not cut off.
        let _hold = context.interrupt.hold();
        written.place(&go_on)
    });
    let manifest = match placed {
        Err(error) if error.is_stopped() => {
            tally.interrupted = true;
            return stopped(context, &tally);
        }
        placed => placed.map_err(|e| failure(into, &e))?,
    };
    let printed = print(context, &manifest);
    tell(context, into, &manifest);
    errors::ended(printed, listing::settle(context, &tally))
}

fn ending(one: TenantEnding<'_>) -> Ending {
    let (tenant, vendor) = (one.tenant.as_str(), one.vendor.as_str());
    match one.word {
        "complete" => Ending::complete(tenant, vendor),
        "failed" => Ending::short(tenant, vendor, Outcome::Failed, one.reason),
        _ if one.read_to_end => {
            Ending::short(tenant, vendor, Outcome::Partial, one.reason).read_to_end(one.rejected)
        }
        _ => Ending::short(tenant, vendor, Outcome::Partial, one.reason),
    }
}

fn print(context: &Context, manifest: &Manifest) -> Result<(), Failure> {
    let mut output = Output::open(context.view.format.is_table());
    let written = {
        let mut sink = sink::<PartRow>(&context.view, Box::new(&mut output));
        let rows = manifest.tenants.iter().map(|part| PartRow::of(part, manifest));
        rows.into_iter().try_for_each(|row| sink.item(&row)).and_then(|()| sink.finish())
    };
    output.close(&context.interrupt)?;
    Ok(written?)
}

fn tell(context: &Context, into: &Into, manifest: &Manifest) {
    for part in manifest.tenants.iter().filter(|part| part.kept.is_some()) {
        let tenant = &part.tenant;
        let message = match part.not_asked {
            true => format!("{tenant} is not asked any more, and keeps the files of an earlier run"),
            false => format!("{tenant} keeps the files of an earlier run, which had read more of it"),
        };
        context.report.warn("kept", None, &message);
    }
    let path = into.to.join(manifest.path());
    let files = counted(manifest.files.len() as u64, ("file", "files"));
    let (records, bytes) = (grouped(manifest.records), grouped(manifest.bytes));
    let message = format!("{records} records in {files}, {bytes} bytes: {}", path.display());
    context.report.note("manifest", &message);
}

fn failure(into: &Into, error: &edr_export::Error) -> Failure {
    Failure::Other(match error.is_busy() {
        true => format!("{error}; next: wait for it, or give another folder with --to"),
        false => format!("the export into {} failed: {error}", into.to.display()),
    })
}
