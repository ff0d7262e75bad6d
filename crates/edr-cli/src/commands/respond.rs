//! `edr respond`: plans that were made before, and operations.

use std::fs;
use std::path::{Path, PathBuf};

use edr::core::ResponseAction;
use edr::respond::{
    Operation, Plan, Responder, Signature, SigningKey, Waiting, add_signature, read_signatures,
};
use edr::{Config, Estate, Member, TenantId};
use serde::Serialize;

use crate::act::{self, DeedRow, OperationRow, Run};
use crate::args::{Apply, Guards, RespondCommand};
use crate::context::{Context, Session};
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::outcome::counted;

/// Runs the command.
pub(super) async fn run(context: Context, command: RespondCommand) -> Result<Exit, Failure> {
    match command {
        RespondCommand::Apply(call) => apply(context, call).await,
        RespondCommand::Sign { plan, key } => sign(&context, &plan, &key),
        RespondCommand::Status { operation, wait, out } => status(context, &operation, wait, out).await,
        RespondCommand::List => list(&context).await,
        RespondCommand::Run => release_due(context).await,
    }
}

async fn apply(mut context: Context, call: Apply) -> Result<Exit, Failure> {
    context.check_view::<DeedRow>(false)?;
    if context.globals.narrows() || context.globals.all_tenants {
        return Err(Failure::usage("a plan names its tenants: -t and its like mean nothing here"));
    }
    let path = plan_path(&context, &call.plan).await?;
    let plan = Plan::load(&path)?;
    let mut signatures = read_signatures(&path)?;
    for file in &call.signature {
        signatures.extend(signatures_in(file)?);
    }
    // All hosts of the plan are looked at, and not only those that are asked for: one may be another agent of a machine.
    let tenants = names(plan.hosts.iter().map(|h| &h.host.tenant));
    let connected = connected(&mut context, tenants, plan.action != ResponseAction::Release).await?;
    act::apply(context, connected, &plan, signatures, call.without_moved, &call.guards, call.wait).await
}

/// A file, or the plan that is kept for an operation.
async fn plan_path(context: &Context, given: &str) -> Result<PathBuf, Failure> {
    let path = PathBuf::from(given);
    if path.exists() {
        return Ok(path);
    }
    let kept = asleep(context).await?.1.plan_path(given).ok().filter(|kept| kept.exists());
    kept.ok_or_else(|| Failure::usage(format!("there is no plan {given}, and no operation of this id")))
}

fn signatures_in(path: &Path) -> Result<Vec<Signature>, Failure> {
    let wrong = |e: String| Failure::usage(format!("--signature {}: {e}", path.display()));
    let text = fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).map_err(|e| wrong(e.to_string()))).collect()
}

fn names<'t>(tenants: impl Iterator<Item = &'t TenantId>) -> Vec<String> {
    let mut names: Vec<String> = tenants.map(|t| t.as_str().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The tenants of these hosts, as far as they are known still; for a plan that `protects`, all that there are where the rules
/// name groups, for a group may be that of any tenant. A tenant that is gone keeps no other back: it is told, and to the
/// engine it is one that cannot be read.
async fn connected(
    context: &mut Context,
    tenants: Vec<String>,
    protects: bool,
) -> Result<(Session, Estate), Failure> {
    let everyone = |config: &Config| protects && !config.safety.protected.groups.is_empty();
    let session = match context.globals.narrows() {
        true => context.session().await?,
        false => {
            let choose = |c: &Config| if everyone(c) { Vec::new() } else { tenants.clone() };
            context.session_of(choose).await?
        }
    };
    let estate = context.estate(&session)?;
    if context.globals.known_only {
        tenants.iter().for_each(|name| tell_if_gone(context, &estate, name));
    }
    Ok((session, estate))
}

fn tell_if_gone(context: &Context, estate: &Estate, name: &str) {
    let members = || estate.members().iter();
    if members().any(|m| m.tenant.as_str() == name) {
        return;
    }
    // The children of a parent that could not be listed are `parent/*`.
    let all =
        |m: &&Member| m.tenant.as_str().strip_suffix('*').is_some_and(|parent| name.starts_with(parent));
    let unlisted = members().find(all).and_then(|m| m.provider.as_ref().err());
    let message = match unlisted {
        Some(error) => format!("its hosts cannot be asked: {error}"),
        None => "the configuration does not have it any more: its hosts cannot be asked".to_owned(),
    };
    context.report.warn("unread", Some(&name.into()), &message);
}

/// The engine without a tenant: for what is in the journal.
async fn asleep(context: &Context) -> Result<(Session, Responder), Failure> {
    let session = context.load().await?;
    let responder = act::open(context, &session, Estate::of([]))?;
    Ok((session, responder))
}

fn sign(context: &Context, path: &Path, key: &Path) -> Result<Exit, Failure> {
    if let Some(flag) = context.globals.misplaced().filter(|f| *f != "--output") {
        return Err(Failure::usage(format!("{flag} means nothing to this command")));
    }
    let plan = Plan::load(path)?;
    let pem = fs::read_to_string(key)
        .map_err(|e| Failure::usage(format!("--key {} cannot be read: {e}", key.display())))?;
    let key = SigningKey::from_pem(&pem.into())?;
    let signature = add_signature(path, &plan, &key)?;
    let hosts = counted(plan.count() as u64, ("host", "hosts"));
    let line = format!("complete: {} signed {} of {hosts}", signature.key, plan.action.verb());
    let object =
        Signed { kind: "outcome", outcome: "complete", plan: &plan.id, key: &signature.key, message: &line };
    context.report.told(std::slice::from_ref(&line), &object);
    Ok(Exit::Complete)
}

#[derive(Serialize)]
struct Signed<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    outcome: &'static str,
    plan: &'a str,
    key: &'a str,
    message: &'a str,
}

async fn status(mut context: Context, id: &str, wait: bool, out: Option<PathBuf>) -> Result<Exit, Failure> {
    context.check_view::<DeedRow>(false)?;
    let operation = asleep(&context).await?.1.operation(id)?;
    if out.is_some() && !matches!(operation.action, ResponseAction::FetchFile { .. }) {
        return Err(Failure::usage(format!("--out: the operation {id} fetched no files")));
    }
    let plan = asleep(&context).await?.1.plan_path(id)?;
    let plan = Plan::load(&plan).ok();
    let tenants = names(operation.hosts.iter().map(|h| &h.host.tenant));
    let (session, estate) = connected(&mut context, tenants, false).await?;
    let responder = act::open(&context, &session, estate.clone())?;
    let guards = Guards::default();
    let run = Run::new(&context, &responder, &estate, &guards, wait).saving(out);
    let waiting = if wait { run.patience() } else { Waiting::at_most(std::time::Duration::ZERO) };
    let done = run.interruptible(run.confirmed(vec![operation], plan, &waiting)).await;
    context.close(&estate).await;
    run.finish(done?)
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    context.check_view::<OperationRow>(false)?;
    if context.globals.narrows() {
        return Err(Failure::usage(
            "operations are listed for all tenants: -t and its like mean nothing here",
        ));
    }
    let (_session, responder) = asleep(context).await?;
    let rows = rows(&responder, &responder.operations()?)?;
    act::print(context, &rows)?;
    Ok(Exit::Complete)
}

/// The newest first.
fn rows(responder: &Responder, operations: &[Operation]) -> Result<Vec<OperationRow>, Failure> {
    let overdue: Vec<String> = responder.overdue()?.into_iter().map(|o| o.operation).collect();
    let row = |op: &Operation| OperationRow::of(op, overdue.contains(&op.id));
    Ok(operations.iter().rev().map(row).collect())
}

#[derive(Serialize)]
struct LeaseEnd<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    outcome: &'static str,
    due: usize,
    released: usize,
    overdue: usize,
    message: &'a str,
}

async fn release_due(mut context: Context) -> Result<Exit, Failure> {
    context.check_view::<OperationRow>(false)?;
    let (_, sleeping) = asleep(&context).await?;
    sleeping.guard().writable()?;
    let due = sleeping.overdue()?;
    if due.is_empty() {
        act::print::<OperationRow>(&context, &[])?;
        return Ok(told(&context, 0, 0, 0));
    }
    let tenants = names(due.iter().flat_map(|o| &o.hosts).map(|h| &h.tenant));
    let (session, estate) = connected(&mut context, tenants, false).await?;
    let responder = act::open(&context, &session, estate.clone())?;
    let runs = tokio::select! {
        () = context.interrupt.raised() => Err(Failure::Interrupted),
        runs = responder.run_due() => runs.map_err(Failure::from),
    };
    context.close(&estate).await;
    let mut released = 0;
    for run in runs? {
        match run.released {
            Ok(operation) => {
                let counts = operation.map(|op| op.counts()).unwrap_or_default();
                released += counts.accepted + counts.done;
            }
            Err(error) => context.report.warn("lease", None, &format!("{}: {error}", run.operation)),
        }
    }
    let overdue = responder.overdue()?;
    for late in &overdue {
        let hosts = counted(late.hosts.len() as u64, ("host", "hosts"));
        let why = late.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
        let message = format!("{} is overdue since {} with {hosts}{why}", late.operation, late.due);
        context.report.warn("overdue", None, &message);
    }
    let ids: Vec<&str> = due.iter().map(|o| o.operation.as_str()).collect();
    let mut operations = responder.operations()?;
    operations.retain(|op| ids.contains(&op.id.as_str()));
    let printed = act::print(&context, &rows(&responder, &operations)?);
    errors::ended(printed, told(&context, due.len(), released, overdue.len()))
}

fn told(context: &Context, due: usize, released: usize, overdue: usize) -> Exit {
    let (outcome, exit) = match overdue {
        0 => ("complete", Exit::Complete),
        _ => ("partial", Exit::Partial),
    };
    let hosts = counted(released as u64, ("host", "hosts"));
    let leases = counted(due as u64, ("lease was", "leases were"));
    let message = format!("{outcome}: {leases} due, the release of {hosts} was asked for; {overdue} overdue");
    let object = LeaseEnd { kind: "outcome", outcome, due, released, overdue, message: &message };
    context.report.told(std::slice::from_ref(&message), &object);
    exit
}
