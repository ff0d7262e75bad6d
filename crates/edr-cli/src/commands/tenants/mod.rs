//! `edr tenants list`, `edr tenants test` and `edr tenants import`.

mod import;
mod rewrite;
mod rows;

use std::io;

use edr::core::TenantCheck;
use edr::{Estate, Member, Outcome, TenantId, Vendor};

use crate::args::TenantsCommand;
use crate::context::Context;
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::outcome::Tally;
use crate::output::pager::Output;
use crate::output::{Record, sink};
use rows::{TenantRow, TestRow};

/// One test and several.
const TESTS: (&str, &str) = ("test passed", "tests passed");

/// Runs the command.
pub(super) async fn run(context: Context, command: TenantsCommand) -> Result<Exit, Failure> {
    match command {
        TenantsCommand::Import { dry_run } => import::run(context, dry_run).await,
        TenantsCommand::List => list(&context).await,
        TenantsCommand::Test => test(context).await,
    }
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    context.check_view::<TenantRow>(false)?;
    let session = context.configured().await?;
    let selected = context.selected(&session)?;
    if selected.is_empty() {
        let hint = "`edr tenants test` asks for it, and `edr tenants import` writes it down".to_owned();
        return Err(Failure::Usage("this child is not in the configuration".to_owned(), Some(hint)));
    }
    let rows: Vec<TenantRow> = selected.iter().map(|tenant| TenantRow::of(tenant)).collect();
    let printed = print(context, &rows);
    let broken: Vec<edr::Error> = selected.iter().filter_map(|tenant| tenant.check().err()).collect();
    broken.iter().for_each(|error| context.report.tenant_error(error));
    let exit = match broken.len() {
        0 => Exit::Complete,
        all if all == rows.len() => Exit::Failed,
        _ => Exit::Partial,
    };
    errors::ended(printed, exit)
}

async fn test(mut context: Context) -> Result<Exit, Failure> {
    context.check_view::<TestRow>(false)?;
    let session = context.session().await?;
    let estate = context.estate(&session)?;
    context.report.start_progress();
    context.report.progress(|| "testing".to_owned());
    let checked = tokio::select! {
        () = context.interrupt.raised() => None,
        checked = estate.check() => Some(checked),
    };
    context.report.stop_progress();
    let Some(checked) = checked else {
        context.close(&estate).await;
        return Ok(stopped(&context, &estate));
    };
    let rows: Vec<TestRow> = checked.iter().map(|(member, result)| TestRow::of(member, result)).collect();
    let printed = print(&context, &rows);
    context.close(&estate).await;
    errors::ended(printed, conclude(&context, &checked))
}

/// Nothing is known of any tenant then: the tests run side by side, and are told together.
fn stopped(context: &Context, estate: &Estate) -> Exit {
    context.report.stop_progress();
    let mut tally = Tally::new(TESTS, false);
    estate.members().iter().for_each(|m| tally.expect(&m.tenant, &m.vendor));
    tally.interrupted = true;
    context.report.outcome(&tally);
    tally.exit()
}

/// Prints rows.
pub(super) fn print<T: Record>(context: &Context, rows: &[T]) -> Result<(), Failure> {
    let mut output = Output::open(context.view.format.is_table());
    let written = write(context, rows, &mut output);
    output.close(&context.interrupt)?;
    Ok(written?)
}

fn write<T: Record>(context: &Context, rows: &[T], output: &mut Output) -> io::Result<()> {
    let mut sink = sink::<T>(&context.view, Box::new(output));
    rows.iter().try_for_each(|row| sink.item(row))?;
    sink.finish()
}

fn conclude(context: &Context, checked: &[(Member, edr::Result<TenantCheck>)]) -> Exit {
    let mut tally = Tally::new(TESTS, context.globals.timeout.is_some());
    for (member, result) in checked {
        tally.expect(&member.tenant, &member.vendor);
        tally.settle(&member.tenant, &member.vendor, outcome(result));
        tally.count(&member.tenant, u64::from(result.is_ok()));
    }
    tally.shown = tally.items();
    tally.errors().for_each(|error| context.report.tenant_error(error));
    context.report.outcome(&tally);
    tally.exit()
}

fn outcome(result: &edr::Result<TenantCheck>) -> Outcome {
    match result {
        Ok(_) => Outcome::Complete,
        Err(error) => Outcome::Failed { error: error.clone() },
    }
}

/// What a row begins with.
fn key(tenant: &TenantId, vendor: &Vendor) -> (String, String) {
    (tenant.to_string(), vendor.to_string())
}
