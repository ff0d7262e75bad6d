//! Acting on hosts: select, plan, agree, apply, wait, and tell what became of each.

mod again;
mod agree;
mod changes;
mod desk;
mod rows;
mod select;
mod told;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use edr::Estate;
use edr::core::ResponseAction;
use edr::respond::{
    Draft, Fetched, HostOutcome, Operation, Outcome, Plan, Resolved, Responder, Selector, Waiting,
};

use crate::args::{Guards, Planning, Targets};
use crate::context::{Context, Session};
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::output::pager::Output;
use crate::output::{Record, sink};
use agree::Agreement;
pub(crate) use agree::typed;
pub(crate) use changes::{Wanted, change};
pub(crate) use desk::{open, print};
pub(crate) use rows::{DeedRow, OperationRow};
pub(crate) use select::check_tenants;
pub(crate) use told::Ending;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Order {
    /// The action.
    pub(crate) action: ResponseAction,
    /// For how long.
    pub(crate) lease: Option<chrono::TimeDelta>,
    /// What an operation contained, at most so many hosts of it.
    pub(crate) undoes: Option<(String, Option<usize>)>,
    /// Where fetched files are saved.
    pub(crate) out: Option<PathBuf>,
}

impl Order {
    /// An action, for good.
    pub(crate) fn of(action: ResponseAction) -> Self {
        Self { action, lease: None, undoes: None, out: None }
    }
}

/// A run on hosts.
pub(crate) struct Run<'a> {
    context: &'a Context,
    responder: &'a Responder,
    estate: &'a Estate,
    guards: &'a Guards,
    wait: bool,
    /// Where fetched files are saved.
    out: Option<PathBuf>,
    /// Operations that this run has begun, for telling them when it is interrupted.
    begun: Mutex<Vec<String>>,
}

/// Runs a verb on hosts.
pub(crate) async fn run(
    context: Context,
    order: Order,
    targets: Targets,
    planning: Planning,
    guards: Guards,
    wait: bool,
) -> Result<Exit, Failure> {
    context.check_view::<DeedRow>(false)?;
    select::check_tenants(&context.globals)?;
    let selectors = select::selectors(&context, &targets, order.undoes.is_some())?;
    let session = context.session().await?;
    let estate = context.estate(&session)?;
    let responder = open(&context, &session, estate.clone())?;
    if !planning.why.dry_run {
        responder.guard().writable()?;
    }
    let run = Run::new(&context, &responder, &estate, &guards, wait).saving(order.out.clone());
    let done = run.interruptible(run.order(&order, &selectors, &targets, &planning)).await;
    context.close(&estate).await;
    run.finish(done?)
}

/// Applies a plan that was made before, or takes up an operation.
pub(crate) async fn apply(
    context: Context,
    (session, estate): (Session, Estate),
    plan: &Plan,
    signatures: Vec<edr::respond::Signature>,
    without_moved: bool,
    guards: &Guards,
    wait: bool,
) -> Result<Exit, Failure> {
    let responder = open(&context, &session, estate.clone())?;
    let run = Run::new(&context, &responder, &estate, guards, wait);
    let agreement = Agreement { signatures, without_moved, ..Agreement::default() };
    let done = run.interruptible(run.agreed(plan, agreement)).await;
    context.close(&estate).await;
    run.finish(done?)
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        context: &'a Context,
        responder: &'a Responder,
        estate: &'a Estate,
        guards: &'a Guards,
        wait: bool,
    ) -> Self {
        Self { context, responder, estate, guards, wait, out: None, begun: Mutex::default() }
    }

    /// With a folder in which fetched files are saved.
    pub(crate) fn saving(mut self, out: Option<PathBuf>) -> Self {
        self.out = out;
        self
    }

    /// Work that Ctrl-C ends: what was begun is told, and can be taken up again.
    pub(crate) async fn interruptible(
        &self,
        work: impl Future<Output = Result<Ending, Failure>>,
    ) -> Result<Ending, Failure> {
        let done = tokio::select! {
            () = self.context.interrupt.raised() => None,
            done = work => Some(done),
        };
        self.context.report.stop_progress();
        let Some(done) = done else { return self.interrupted() };
        done
    }

    fn interrupted(&self) -> Result<Ending, Failure> {
        let begun = self.begun.lock().map(|begun| begun.clone()).unwrap_or_default();
        let operations: Result<Vec<Operation>, _> =
            begun.iter().map(|id| self.responder.operation(id)).collect();
        let operations = operations.map_err(|_| Failure::Interrupted)?;
        if operations.is_empty() {
            return Err(Failure::Interrupted);
        }
        Ok(Ending { interrupted: true, ..Ending::of(operations, None) })
    }

    /// Prints what became of it.
    pub(crate) fn finish(&self, ending: Ending) -> Result<Exit, Failure> {
        let printed = print(self.context, &ending.rows());
        ending.tell(self.context, self.responder);
        errors::ended(printed, ending.exit(self.context.globals.timeout.is_some()))
    }

    async fn order(
        &self,
        order: &Order,
        selectors: &[Selector],
        targets: &Targets,
        planning: &Planning,
    ) -> Result<Ending, Failure> {
        let draft = draft(order, targets, planning);
        let mut resolved = None;
        let mut plan = match &order.undoes {
            Some((id, wave)) => self.responder.plan_release_of(id, *wave, draft.because.clone()).await?,
            None => {
                let mut found = self.responder.resolve(selectors).await?;
                agree::pick(self, &mut found, planning.why.dry_run).await?;
                let plan = self.responder.plan(&found, &draft).await?;
                resolved = Some(found);
                plan
            }
        };
        if planning.why.dry_run {
            return self.shown(plan, planning.plan_out.as_deref());
        }
        let before = self.take_up(&plan, resolved.as_ref()).await?;
        if before.looked {
            plan = self.again(resolved.as_ref(), order, &draft, before.asked.len()).await?;
            self.agree_with(&plan, &before)?;
        }
        let (confirmed, before) = (before.confirmed, before.operations);
        if plan.hosts.is_empty() || (!before.is_empty() && plan.count() == 0) {
            self.responder.guard().check(&plan, &self.agreement(&plan, Agreement::of_nothing(&before)))?;
            return self.waited(before, Some(plan)).await;
        }
        self.apply(plan, before, Agreement { confirmed, ..Agreement::default() }).await
    }

    /// The plan anew. The hosts that were left of what was taken up are part of the wave.
    async fn again(
        &self,
        resolved: Option<&Resolved>,
        order: &Order,
        draft: &Draft,
        taken_up: usize,
    ) -> Result<Plan, Failure> {
        Ok(match (resolved, &order.undoes) {
            (Some(resolved), _) => self.responder.plan(resolved, draft).await?,
            (None, Some((id, wave))) => {
                let rest = wave.map(|wave| wave.saturating_sub(taken_up));
                self.responder.plan_release_of(id, rest, draft.because.clone()).await?
            }
            (None, None) => return Err(Failure::usage("nothing is selected")),
        })
    }

    /// A dry run: the plan, and nothing else.
    fn shown(&self, plan: Plan, out: Option<&Path>) -> Result<Ending, Failure> {
        if let Some(path) = out {
            desk::write_plan(path, &plan)?;
        }
        Ok(Ending { dry_run: true, plan_file: out.map(Path::to_owned), ..Ending::of(Vec::new(), Some(plan)) })
    }

    async fn agreed(&self, plan: &Plan, agreement: Agreement) -> Result<Ending, Failure> {
        self.apply(plan.clone(), Vec::new(), agreement).await
    }

    async fn apply(
        &self,
        plan: Plan,
        before: Vec<Operation>,
        agreement: Agreement,
    ) -> Result<Ending, Failure> {
        let mut all = before;
        all.push(self.send(&plan, agreement).await?);
        self.waited(all, Some(plan)).await
    }

    /// Agreed to, and asked of the vendors.
    async fn send(&self, plan: &Plan, agreement: Agreement) -> Result<Operation, Failure> {
        let consent = self.consent(plan, agreement).await?;
        if let Ok(mut begun) = self.begun.lock() {
            begun.push(plan.id.clone());
        }
        self.context.report.progress(|| format!("asking for {} hosts", plan.count()));
        Ok(self.responder.apply(plan, &consent).await?)
    }

    /// With `--wait`, what the vendors say became of it.
    async fn waited(&self, operations: Vec<Operation>, plan: Option<Plan>) -> Result<Ending, Failure> {
        if !self.wait {
            return Ok(Ending::of(operations, plan));
        }
        self.context.report.progress(|| "waiting for the vendors".to_owned());
        self.confirmed(operations, plan, &self.patience()).await
    }

    /// What the vendors say of these operations.
    pub(crate) async fn confirmed(
        &self,
        operations: Vec<Operation>,
        plan: Option<Plan>,
        waiting: &Waiting,
    ) -> Result<Ending, Failure> {
        let mut ending = Ending { waited: self.wait, ..Ending::of(Vec::new(), plan) };
        for operation in operations {
            let confirmed = self.responder.confirm(&operation.id, waiting).await?;
            ending.timed_out |= confirmed.timed_out && self.wait;
            ending.unread.extend(confirmed.unread);
            ending.operations.push(confirmed.operation);
        }
        match &self.out {
            Some(folder) => self.saved(ending, folder).await,
            None => Ok(ending),
        }
    }

    /// Saves what has come.
    async fn saved(&self, mut ending: Ending, folder: &Path) -> Result<Ending, Failure> {
        for operation in &mut ending.operations {
            let lost = |f: Fetched| f.saved.err().map(|error| (f.host, error.to_string()));
            match self.responder.save_files(&operation.id, folder).await {
                Ok(files) => ending.unsaved.extend(files.into_iter().filter_map(lost)),
                // What became of the hosts is told all the same.
                Err(error) => {
                    let chosen =
                        |h: &&HostOutcome| self.estate.members().iter().any(|m| m.tenant == h.host.tenant);
                    let done = operation.hosts.iter().filter(|h| h.outcome == Outcome::Done).filter(chosen);
                    ending.unsaved.extend(done.map(|h| (h.host.clone(), error.to_string())));
                }
            }
            *operation = self.responder.operation(&operation.id)?;
        }
        Ok(ending)
    }

    pub(crate) fn patience(&self) -> Waiting {
        self.context.left().map_or_else(Waiting::default, Waiting::at_most)
    }
}

fn draft(order: &Order, targets: &Targets, planning: &Planning) -> Draft {
    let mut draft = Draft::new(order.action.clone()).because(planning.why.because());
    draft.lease = order.lease;
    draft.stale_too = targets.stale_too;
    draft
}

/// Prints rows in the format that was asked for.
fn write<T: Record>(context: &Context, rows: &[T], output: &mut Output) -> std::io::Result<()> {
    let mut sink = sink::<T>(&context.view, Box::new(output));
    rows.iter().try_for_each(|row| sink.item(row))?;
    sink.finish()
}
