//! Changing alerts and cases: found, planned, agreed to, changed, and told one by one.

use std::collections::BTreeMap;

use edr::core::Listed;
use edr::respond::{Change, ChangePlan, Consent, ItemOutcome, Outcome, PlannedItem, Responder};
use edr::{Error, ErrorKind, Estate, EstateEvent, TenantId, TenantOutcome, Vendor};
use futures_util::StreamExt as _;
use serde::Serialize;

use super::agree::{consent_of, is_interactive, typed};
use super::desk::{open, print};
use super::select::check_tenants;
use crate::args::{Guards, Why};
use crate::context::Context;
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::outcome::counted;
use crate::output::Record;
use crate::output::columns::{Column, Fit, Value, columns, fit, maybe, text};

/// Which alerts or cases are meant.
#[derive(Debug)]
pub(crate) enum Wanted<T: Listed> {
    /// All that pass.
    Matching(T::Query),
    /// These of a single tenant, by the vendor's own ids.
    OfOneTenant(Vec<String>),
    /// These, by the vendor's own ids.
    Uids(Vec<String>),
}

/// What was found, the ids that stand for no single item, and what could not be read.
struct Catch<T> {
    items: Vec<T>,
    rest: Vec<(String, &'static str)>,
    errors: Vec<Error>,
}

impl<T> Catch<T> {
    fn new() -> Self {
        Self { items: Vec::new(), rest: Vec::new(), errors: Vec::new() }
    }

    /// True when all of it was read. A tenant that fails for every id is told once.
    fn is_read(&mut self, done: &TenantOutcome) -> bool {
        let Some(error) = unread(done) else { return true };
        if !self.errors.iter().any(|e| e.to_string() == error.to_string()) {
            self.errors.push(error);
        }
        false
    }
}

/// Changes alerts or cases.
pub(crate) async fn change<C: Change>(
    context: Context,
    wanted: Wanted<C::Item>,
    change: C,
    why: Why,
    guards: Guards,
) -> Result<Exit, Failure> {
    context.check_view::<ChangeRow>(false)?;
    check_tenants(&context.globals)?;
    let session = context.session().await?;
    let estate = context.estate(&session)?;
    if matches!(wanted, Wanted::OfOneTenant(_)) && estate.members().len() != 1 {
        let nouns = C::NOUNS.1;
        return Err(Failure::usage(format!("{nouns} are changed in one tenant at a time: name it exactly")));
    }
    let responder = open(&context, &session, estate.clone())?;
    if !why.dry_run {
        responder.guard().writable()?;
    }
    let work = async {
        let mut catch = match wanted {
            Wanted::Matching(query) => by_query::<C::Item>(&estate, query).await,
            Wanted::OfOneTenant(uids) | Wanted::Uids(uids) => by_uid::<C::Item>(&estate, &uids).await,
        };
        let mut plan = responder.plan_change(&std::mem::take(&mut catch.items), change, why.because())?;
        plan.missing = catch.rest.iter().map(|(uid, _)| uid.clone()).collect();
        plan.missing.extend(catch.errors.iter().map(ToString::to_string));
        tell_nearest(&context, &plan);
        let outcomes = if why.dry_run || plan.items.is_empty() {
            Vec::new()
        } else {
            let consent = consent(&context, &responder, &plan, &guards).await?;
            responder.change(&plan, &consent).await?
        };
        Ok((catch, plan, outcomes))
    };
    let done = tokio::select! {
        () = context.interrupt.raised() => Err(Failure::Interrupted),
        done = work => done,
    };
    context.close(&estate).await;
    let (catch, plan, outcomes) = done?;
    finish(&context, &responder, &catch, &plan, &outcomes, why.dry_run)
}

async fn by_query<T: Listed>(estate: &Estate, query: T::Query) -> Catch<T> {
    let (mut catch, mut events) = (Catch::new(), estate.list(query));
    while let Some(event) = events.next().await {
        match event {
            EstateEvent::Items(items) => catch.items.extend(items),
            EstateEvent::Done(done) => {
                catch.is_read(&done);
            }
            _ => {}
        }
    }
    catch
}

/// What is missing of a tenant's listing, be it a page or one item that cannot be read.
fn unread(done: &TenantOutcome) -> Option<Error> {
    match &done.outcome {
        edr::Outcome::Complete => None,
        edr::Outcome::Failed { error } | edr::Outcome::Partial { error: Some(error), .. } => {
            Some(error.clone())
        }
        edr::Outcome::Partial { gaps, error: None } => {
            let reasons: Vec<&str> = gaps.iter().map(|g| g.reason.as_str()).collect();
            let error = Error::new(ErrorKind::Decode, reasons.join("; "));
            Some(error.with_tenant(&done.tenant, &done.vendor))
        }
    }
}

/// Ids are one vendor's own: the same may be something else in another tenant.
async fn by_uid<T: Listed>(estate: &Estate, uids: &[String]) -> Catch<T> {
    let mut catch = Catch::new();
    for uid in uids {
        let found = estate.find::<T>(uid).await;
        let unread = found.outcomes.iter().filter(|done| !catch.is_read(done)).count();
        match found.items.len() {
            0 if unread == 0 => catch.rest.push((uid.clone(), "unknown")),
            0 => catch.rest.push((uid.clone(), "unproven")),
            1 => catch.items.extend(found.items),
            _ => catch.rest.push((uid.clone(), "ambiguous")),
        }
    }
    catch
}

/// Says where a vendor is sent something else than was asked for.
fn tell_nearest<C: Change>(context: &Context, plan: &ChangePlan<C>) {
    for (tenant, fit) in &plan.fits {
        if let edr::core::Fit::Lossy { wanted, sent } = fit {
            let message = format!("{wanted} cannot be expressed; {sent} is sent for it");
            context.report.warn("nearest", Some(tenant), &message);
        }
    }
}

async fn consent<C: Change>(
    context: &Context,
    responder: &Responder,
    plan: &ChangePlan<C>,
    guards: &Guards,
) -> Result<Consent, Failure> {
    let mut consent = consent_of(guards);
    if plan.count() == 0 {
        consent.typed = Some(0);
    }
    if consent.yes || consent.typed.is_some() || !is_interactive(guards) {
        return Ok(consent);
    }
    consent.typed = Some(plan.count());
    responder.admit(plan, &consent)?;
    let items = counted(plan.count() as u64, C::NOUNS);
    plan.items
        .iter()
        .take(10)
        .for_each(|i| context.report.ask(&format!("  {} {} {}", i.tenant, i.uid, i.title)));
    let question = format!("{items}: type {} to change, anything else to stop:", plan.count());
    typed(&context.report, &question, plan.count()).await?;
    Ok(consent)
}

/// One alert or case, what was decided, and what became of it.
#[derive(Clone, Debug, Default, Serialize)]
struct ChangeRow {
    tenant: Option<TenantId>,
    vendor: Option<Vendor>,
    uid: String,
    title: Option<String>,
    status: Option<String>,
    decision: &'static str,
    outcome: Option<&'static str>,
    reason: Option<String>,
    trace_id: Option<String>,
    operation: String,
}

fn rows<C>(
    rest: &[(String, &'static str)],
    plan: &ChangePlan<C>,
    outcomes: &[ItemOutcome],
) -> Vec<ChangeRow> {
    let known: BTreeMap<(&TenantId, &str), &ItemOutcome> =
        outcomes.iter().map(|o| ((&o.tenant, o.uid.as_str()), o)).collect();
    let row = |item: &PlannedItem| {
        let decision = item.decision.to_string();
        let told = known.get(&(&item.tenant, item.uid.as_str()));
        let said = told.and_then(|o| match &o.outcome {
            Outcome::NotSent { reason } | Outcome::Refused { reason } | Outcome::Unknown { reason } => {
                Some(reason.clone())
            }
            _ => None,
        });
        ChangeRow {
            tenant: Some(item.tenant.clone()),
            vendor: Some(item.vendor.clone()),
            uid: item.uid.clone(),
            title: Some(item.title.clone()),
            status: Some(item.status.clone()),
            decision: item.decision.as_str(),
            outcome: told.map(|o| o.outcome.as_str()),
            reason: said.or(decision.split_once(": ").map(|(_, why)| why.to_owned())),
            trace_id: told.and_then(|o| o.trace_id.clone()),
            operation: plan.id.clone(),
        }
    };
    let rest = rest.iter().map(|(uid, word)| ChangeRow {
        uid: uid.clone(),
        decision: word,
        operation: plan.id.clone(),
        ..ChangeRow::default()
    });
    plan.items.iter().map(row).chain(rest).collect()
}

#[derive(Serialize)]
struct ChangeEnd<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    outcome: &'static str,
    dry_run: bool,
    operation: &'a str,
    acts_on: usize,
    changed: usize,
    failed: usize,
    unknown: usize,
    left_out: usize,
    message: &'a str,
}

fn finish<C: Change>(
    context: &Context,
    responder: &Responder,
    catch: &Catch<C::Item>,
    plan: &ChangePlan<C>,
    outcomes: &[ItemOutcome],
    dry_run: bool,
) -> Result<Exit, Failure> {
    let rows = rows(&catch.rest, plan, outcomes);
    let printed = print(context, &rows);
    catch.errors.iter().for_each(|error| context.report.tenant_error(error));
    let of = |words: &[&str]| rows.iter().filter(|r| r.outcome.is_some_and(|o| words.contains(&o))).count();
    let (changed, unknown) = (of(&["accepted", "already"]), of(&["unknown"]));
    let failed = of(&["refused", "failed", "not_sent"]);
    let left_out = rows.iter().filter(|r| r.decision != "act").count();
    let good = if dry_run { plan.count() } else { changed };
    let bad = failed + unknown + left_out + catch.errors.len();
    let (outcome, exit) = match (good, bad) {
        (_, 0) => ("complete", Exit::Complete),
        (0, _)
            if !rows.is_empty()
                && rows.iter().all(|r| r.decision == "unknown")
                && catch.errors.is_empty() =>
        {
            ("failed", Exit::NotFound)
        }
        (0, _) if failed + catch.errors.len() > 0 => ("failed", Exit::Failed),
        _ => ("partial", Exit::Partial),
    };
    let items = counted(plan.count() as u64, C::NOUNS);
    let message = match dry_run {
        true => format!("{outcome}: nothing was changed; it would change {items}; {left_out} left out"),
        false => format!(
            "{outcome}: {changed} changed, {failed} failed, {unknown} of which nobody can say; {left_out} left out"
        ),
    };
    let object = ChangeEnd {
        kind: "outcome",
        outcome,
        dry_run,
        operation: &plan.id,
        acts_on: plan.count(),
        changed,
        failed,
        unknown,
        left_out,
        message: &message,
    };
    let journal = format!("journal: {}", responder.journal().path().display());
    let lines = if outcomes.is_empty() { vec![message.clone()] } else { vec![journal, message.clone()] };
    context.report.told(&lines, &object);
    errors::ended(printed, exit)
}

impl Record for ChangeRow {
    type Key = (bool, String, String);

    const NOUNS: (&'static str, &'static str) = ("change", "changes");
    const COLUMNS: &'static [Column<Self>] = columns! { ChangeRow;
        "tenant" Plain, |c| c.tenant.as_ref().map_or(Value::Empty, |t| text(t.as_str()));
        "vendor" Plain, |c| c.vendor.as_ref().map_or(Value::Empty, |v| text(v.as_str()));
        "uid" Plain, |c| text(&c.uid);
        "title" Plain, |c| maybe(c.title.as_ref());
        "status" Status, |c| maybe(c.status.as_ref());
        "decision" Plain, |c| text(c.decision);
        "outcome" Plain, |c| text(c.outcome.unwrap_or_default());
        "reason" Plain, |c| maybe(c.reason.as_ref());
        "trace_id" Plain, |c| maybe(c.trace_id.as_ref());
        "operation" Plain, |c| text(&c.operation);
    };
    const TABLE: &'static [Fit] = &[
        fit("tenant", 10, 0),
        fit("uid", 12, 0),
        fit("title", 16, 2),
        fit("status", 8, 3),
        fit("decision", 9, 0),
        fit("outcome", 8, 0),
        fit("reason", 24, 1),
    ];
    const PIPE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "title",
        "status",
        "decision",
        "outcome",
        "reason",
        "trace_id",
        "operation",
    ];
    const WIDE: &'static [&'static str] = Self::PIPE;

    fn sort_key(&self) -> Self::Key {
        let tenant = self.tenant.as_ref().map(|t| t.as_str().to_owned());
        (tenant.is_none(), tenant.unwrap_or_default(), self.uid.clone())
    }
}
