//! Changing alerts: found, planned, agreed to, changed, and told one by one.

use std::collections::BTreeMap;

use edr::core::AlertChange;
use edr::respond::{AlertOutcome, AlertPlan, Consent, Outcome, Responder};
use edr::{Alert, AlertQuery, Error, Estate, EstateEvent, TenantId, Vendor};
use futures_util::StreamExt as _;
use serde::Serialize;

use super::agree::{consent_of, is_interactive, typed};
use super::desk::{open, print};
use super::select::check_tenants;
use crate::args::change::Change;
use crate::context::Context;
use crate::errors::{self, Failure};
use crate::exit::Exit;
use crate::outcome::counted;
use crate::output::Record;
use crate::output::columns::{Column, Fit, Value, columns, fit, maybe, text};

const ALERTS: (&str, &str) = ("alert", "alerts");

/// Alerts that were found, and ids that stand for none or for several.
#[derive(Default)]
struct Catch {
    alerts: Vec<Alert>,
    rest: Vec<(String, &'static str)>,
    errors: Vec<Error>,
}

/// Changes alerts.
pub(crate) async fn change(
    context: Context,
    filters: Vec<edr::Filter>,
    change: AlertChange,
    call: Change,
) -> Result<Exit, Failure> {
    context.check_view::<ChangeRow>(false)?;
    check_tenants(&context.globals)?;
    check_selection(&call, !filters.is_empty())?;
    let session = context.session().await?;
    let estate = context.estate(&session)?;
    let responder = open(&context, &session, estate.clone())?;
    if !call.why.dry_run {
        responder.guard().writable()?;
    }
    let work = async {
        let catch = match call.uids.as_slice() {
            [] => by_filter(&estate, filters).await,
            uids => by_uid(&estate, uids).await,
        };
        let plan = responder.plan_alerts(&catch.alerts, change, call.why.because())?;
        let outcomes = if call.why.dry_run || plan.alerts.is_empty() {
            Vec::new()
        } else {
            let consent = consent(&context, &responder, &plan, &call).await?;
            responder.change_alerts(&plan, &consent).await?
        };
        Ok((catch, plan, outcomes))
    };
    let done = tokio::select! {
        () = context.interrupt.raised() => Err(Failure::Interrupted),
        done = work => done,
    };
    context.close(&estate).await;
    let (catch, plan, outcomes) = done?;
    finish(&context, &responder, &catch, &plan, &outcomes, call.why.dry_run)
}

fn check_selection(call: &Change, filtered: bool) -> Result<(), Failure> {
    if call.all || call.limit.is_some() {
        return Err(Failure::usage("--all and --limit shape the output of a read, and never select alerts"));
    }
    if call.uids.iter().any(|uid| uid.trim().is_empty()) {
        return Err(Failure::usage("an empty id selects nothing"));
    }
    match (call.uids.is_empty(), filtered) {
        (true, false) => Err(Failure::usage("nothing is selected; that never means everything")),
        (false, true) => Err(Failure::usage("name alerts, or filter them: both at once could mean either")),
        _ => Ok(()),
    }
}

async fn by_filter(estate: &Estate, filters: Vec<edr::Filter>) -> Catch {
    let query = filters.into_iter().fold(AlertQuery::new(), AlertQuery::filter);
    let (mut catch, mut events) = (Catch::default(), estate.alerts(query));
    while let Some(event) = events.next().await {
        match event {
            EstateEvent::Items(items) => catch.alerts.extend(items),
            EstateEvent::Done(done) => catch.errors.extend(done.outcome.error().cloned()),
            _ => {}
        }
    }
    catch
}

/// Ids are one vendor's own: the same may be another alert in another tenant.
async fn by_uid(estate: &Estate, uids: &[String]) -> Catch {
    let mut catch = Catch::default();
    for uid in uids {
        let found = estate.find_alerts(uid.trim()).await;
        catch.errors.extend(found.outcomes.iter().filter_map(|o| o.outcome.error().cloned()));
        match found.items.len() {
            0 => catch.rest.push((uid.clone(), "unknown")),
            1 => catch.alerts.extend(found.items),
            _ => catch.rest.push((uid.clone(), "ambiguous")),
        }
    }
    catch
}

async fn consent(
    context: &Context,
    responder: &Responder,
    plan: &AlertPlan,
    call: &Change,
) -> Result<Consent, Failure> {
    let mut consent = consent_of(&call.guards);
    if plan.count() == 0 {
        consent.typed = Some(0);
    }
    if consent.yes || consent.typed.is_some() || !is_interactive(&call.guards) {
        return Ok(consent);
    }
    consent.typed = Some(plan.count());
    responder.admit(plan, &consent)?;
    let alerts = counted(plan.count() as u64, ALERTS);
    plan.alerts
        .iter()
        .take(10)
        .for_each(|a| context.report.ask(&format!("  {} {} {}", a.tenant, a.uid, a.title)));
    let question = format!("{alerts}: type {} to change, anything else to stop:", plan.count());
    typed(&context.report, &question, plan.count()).await?;
    Ok(consent)
}

/// One alert, what was decided, and what became of it.
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

fn rows(catch: &Catch, plan: &AlertPlan, outcomes: &[AlertOutcome]) -> Vec<ChangeRow> {
    let known: BTreeMap<(&TenantId, &str), &AlertOutcome> =
        outcomes.iter().map(|o| ((&o.tenant, o.uid.as_str()), o)).collect();
    let row = |alert: &edr::respond::PlannedAlert| {
        let decision = alert.decision.to_string();
        let told = known.get(&(&alert.tenant, alert.uid.as_str()));
        let said = told.and_then(|o| match &o.outcome {
            Outcome::NotSent { reason } | Outcome::Refused { reason } | Outcome::Unknown { reason } => {
                Some(reason.clone())
            }
            _ => None,
        });
        ChangeRow {
            tenant: Some(alert.tenant.clone()),
            vendor: Some(alert.vendor.clone()),
            uid: alert.uid.clone(),
            title: Some(alert.title.clone()),
            status: Some(alert.status.to_string()),
            decision: alert.decision.as_str(),
            outcome: told.map(|o| o.outcome.as_str()),
            reason: said.or(decision.split_once(": ").map(|(_, why)| why.to_owned())),
            trace_id: told.and_then(|o| o.trace_id.clone()),
            operation: plan.id.clone(),
        }
    };
    let rest = catch.rest.iter().map(|(uid, word)| ChangeRow {
        uid: uid.clone(),
        decision: word,
        operation: plan.id.clone(),
        ..ChangeRow::default()
    });
    plan.alerts.iter().map(row).chain(rest).collect()
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

fn finish(
    context: &Context,
    responder: &Responder,
    catch: &Catch,
    plan: &AlertPlan,
    outcomes: &[AlertOutcome],
    dry_run: bool,
) -> Result<Exit, Failure> {
    let rows = rows(catch, plan, outcomes);
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
    let alerts = counted(plan.count() as u64, ALERTS);
    let message = match dry_run {
        true => format!("{outcome}: nothing was changed; it would change {alerts}; {left_out} left out"),
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

    const NOUNS: (&'static str, &'static str) = ALERTS;
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
