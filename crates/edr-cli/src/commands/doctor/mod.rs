//! `edr doctor`: what works, what does not, and what to do about it.

mod configuration;
mod page;
mod rows;

use std::io::{self, Write as _};

use edr::{Diagnosis, Gap, Member, Outcome, ProbeState};
use futures_util::StreamExt as _;

use crate::context::Context;
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::outcome::Tally;
use crate::output::pager::Output;
use crate::output::sink;
use rows::ProbeRow;

/// What was looked at: the configuration, or a tenant.
struct Patient {
    /// `None` for the configuration.
    member: Option<Member>,
    found: Diagnosis,
}

/// Runs the command.
pub(super) async fn run(mut context: Context) -> Result<Exit, Failure> {
    context.check_view::<ProbeRow>(false)?;
    let session = context.open().await?;
    let estate = context.estate(&session)?;
    let mut patients =
        vec![Patient { member: None, found: configuration::look(&context, &session, &estate)? }];
    context.report.start_progress();
    let interrupted = look(&context, &estate, &mut patients).await;
    context.report.stop_progress();
    for patient in &mut patients {
        configuration::add_warnings(patient, &session.config.warnings);
    }
    let printed = print(&context, &patients);
    context.close(&estate).await;
    let mut tally = tally(&context, &estate, &patients);
    tally.interrupted = interrupted;
    errors::ended(printed, conclude(&context, &patients, &tally))
}

/// Looks at every tenant until it is interrupted; returns whether it was. What was found by then is kept.
async fn look(context: &Context, estate: &edr::Estate, patients: &mut Vec<Patient>) -> bool {
    let of = estate.members().len();
    let mut all = estate.diagnose_until(context.interrupt.raised());
    loop {
        let done = patients.len() - 1;
        context.report.progress(|| format!("looking at {of} tenants, {done} done"));
        let Some((member, found)) = all.next().await else { break };
        patients.push(Patient { member: Some(member), found });
    }
    let place = |patient: &Patient| {
        let tenant = &patient.member.as_ref()?.tenant;
        estate.members().iter().position(|m| m.tenant == *tenant)
    };
    patients.sort_by_cached_key(place);
    context.interrupt.is_raised()
}

/// True when the interrupt came before everything was looked at.
fn is_cut(found: &Diagnosis) -> bool {
    found.probe("time").is_some_and(|p| p.state == ProbeState::Skipped)
}

/// A page for a person; records for everything else.
fn print(context: &Context, patients: &[Patient]) -> Result<(), Failure> {
    let mut output = Output::open(context.view.format.is_table());
    let is_page = context.view.format.is_table() && context.view.columns.is_none();
    let written = match is_page {
        true => page::write(&context.view, patients, &mut output).and_then(|()| output.flush()),
        false => records(context, patients, &mut output),
    };
    output.close(&context.interrupt)?;
    Ok(written?)
}

fn records(context: &Context, patients: &[Patient], output: &mut Output) -> io::Result<()> {
    let mut sink = sink::<ProbeRow>(&context.view, Box::new(output));
    let rows = patients.iter().flat_map(ProbeRow::of);
    rows.enumerate().try_for_each(|(place, row)| sink.item(&row.at(place)))?;
    sink.finish()
}

fn tally(context: &Context, estate: &edr::Estate, patients: &[Patient]) -> Tally {
    let timed = context.globals.timeout.is_some();
    let mut tally = Tally::new(("probe passed", "probes passed"), timed);
    for member in estate.members() {
        tally.expect(&member.tenant, &member.vendor);
    }
    for patient in patients {
        let Some(member) = &patient.member else { continue };
        let passed = patient.found.count(ProbeState::Passed) + patient.found.count(ProbeState::Warned);
        // Without an outcome it counts as stopped.
        if !(is_cut(&patient.found) && patient.found.works()) {
            tally.settle(&member.tenant, &member.vendor, outcome(&patient.found, timed));
        }
        tally.count(&member.tenant, passed as u64);
    }
    tally.shown = tally.items();
    tally
}

/// Failures that would end with the same code are one failure of the tenant; others are mixed.
fn outcome(found: &Diagnosis, timed: bool) -> Outcome {
    let mut failures = found.failures();
    let Some(first) = failures.next() else { return Outcome::Complete };
    if failures.all(|error| Exit::of(error, timed) == Exit::of(first, timed)) {
        return Outcome::Failed { error: first.clone() };
    }
    let names = found.probes.iter().filter(|p| p.is_failed()).map(|p| p.name.as_ref());
    let reason = format!("failed: {}", names.collect::<Vec<_>>().join(", "));
    Outcome::Partial { gaps: vec![Gap { reason, missing: None }], error: None }
}

/// The page has the errors already; records for a program come with theirs on standard error.
fn conclude(context: &Context, patients: &[Patient], tally: &Tally) -> Exit {
    if !context.view.format.is_table() {
        let failures = patients.iter().flat_map(|p| p.found.failures());
        failures.for_each(|error| context.report.tenant_error(error));
    }
    context.report.outcome(tally);
    tally.exit()
}
