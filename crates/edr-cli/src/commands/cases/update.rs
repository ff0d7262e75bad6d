//! `edr cases update`: named cases of one tenant, and never more.

use std::sync::Arc;

use edr::core::{Answer, Assignee, Fit, Receipt, User};
use edr::{CaseChange, EdrProvider, Error, ErrorKind, Estate, Outcome, TenantId, Vendor};
use serde::Serialize;

use crate::args::CaseUpdate;
use crate::commands::tenants::print;
use crate::context::Context;
use crate::errors::{self, Failure, message};
use crate::exit::Exit;
use crate::outcome::Tally;
use crate::output::Record;
use crate::output::columns::{Column, Fit as Width, Value, columns, fit, maybe, text};

/// What became of one case.
#[derive(Debug, Serialize)]
struct Row {
    tenant: TenantId,
    vendor: Vendor,
    uid: String,
    /// `accepted`, `already`, `planned`, `refused` or `unknown`.
    answer: &'static str,
    /// The title, where the case was looked at.
    title: Option<String>,
    /// Why it was refused, or why nobody can say.
    error: Option<String>,
    #[serde(skip)]
    failure: Option<Error>,
}

impl Record for Row {
    type Key = (String, String);

    const NOUNS: (&'static str, &'static str) = ("case", "cases");
    const COLUMNS: &'static [Column<Self>] = columns! { Row;
        "tenant" Plain, |r| text(r.tenant.as_str());
        "vendor" Plain, |r| text(r.vendor.as_str());
        "uid" Plain, |r| text(&r.uid);
        "answer" Plain, |r| text(r.answer);
        "title" Plain, |r| maybe(r.title.as_ref());
        "error" Plain, |r| maybe(r.error.as_ref());
    };
    const TABLE: &'static [Width] = &[
        fit("tenant", 8, 0),
        fit("vendor", 6, 2),
        fit("uid", 6, 0),
        fit("answer", 8, 0),
        fit("title", 20, 3),
        fit("error", 20, 1),
    ];
    const PIPE: &'static [&'static str] = &["tenant", "vendor", "uid", "answer", "title", "error"];
    const WIDE: &'static [&'static str] = Self::PIPE;

    fn sort_key(&self) -> Self::Key {
        (self.tenant.to_string(), self.uid.clone())
    }
}

/// Changes, prints a row for each case, and says how it ended.
pub(super) async fn run(context: Context, update: CaseUpdate) -> Result<Exit, Failure> {
    context.check_view::<Row>(false)?;
    let change = change(&update)?;
    let ids = ids(&update)?;
    let [_] = context.globals.tenant.as_slice() else {
        let hint = "name it with --tenant: ids of cases belong to one tenant, and another may have the same";
        return Err(Failure::Usage("which tenant's cases?".to_owned(), Some(hint.to_owned())));
    };
    let session = context.session().await?;
    let estate = context.estate(&session)?;
    let rows = match only(&estate) {
        Ok(provider) => work(&context, provider, &change, &ids, update.dry_run).await,
        Err(error) => Err(error),
    };
    context.close(&estate).await;
    let rows = rows?;
    let printed = print(&context, &rows);
    errors::ended(printed, conclude(&context, &rows))
}

fn only(estate: &Estate) -> Result<Arc<dyn EdrProvider>, Failure> {
    match estate.members() {
        [one] => Ok(one.provider.clone()?),
        _ => Err(Failure::usage("cases are changed in one tenant at a time: name it exactly")),
    }
}

/// The ids, each once.
fn ids(update: &CaseUpdate) -> Result<Vec<String>, Failure> {
    let mut ids: Vec<String> = Vec::new();
    for id in update.ids.iter().map(|id| id.trim().to_owned()) {
        if id.is_empty() {
            return Err(Failure::usage("an empty id names no case"));
        }
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn change(update: &CaseUpdate) -> Result<CaseChange, Failure> {
    let mut change = CaseChange::new();
    change.status = update.status.as_deref().map(Into::into);
    change.verdict = update.verdict.as_deref().map(Into::into);
    change.severity = update.severity.as_deref().map(Into::into);
    change.comment.clone_from(&update.comment);
    change.assignee = match (&update.assignee, update.unassign) {
        (Some(who), _) => Some(Assignee::User(named(who))),
        (None, true) => Some(Assignee::Nobody),
        (None, false) => None,
    };
    change.nearest = update.nearest;
    let hint = "say what changes: --status, --verdict, --severity, --assignee, --unassign or --comment";
    change.check().map_err(|e| Failure::Usage(e.message().to_owned(), Some(hint.to_owned())))?;
    Ok(change)
}

/// An e-mail address, or a name.
fn named(who: &str) -> User {
    let who = who.trim();
    let email = who.contains('@').then(|| who.to_owned());
    let name = email.is_none().then(|| who.to_owned());
    User { email, name, ..User::default() }
}

async fn work(
    context: &Context,
    provider: Arc<dyn EdrProvider>,
    change: &CaseChange,
    ids: &[String],
    dry_run: bool,
) -> Result<Vec<Row>, Failure> {
    let fit = provider.case_fit(change)?;
    change.admit(&fit).map_err(|e| e.with_tenant(provider.tenant(), provider.vendor()))?;
    if let Fit::Lossy { wanted, sent } = &fit {
        let message = format!("{wanted} cannot be expressed; {sent} is sent for it");
        context.report.warn("nearest", Some(provider.tenant()), &message);
    }
    let mut rows = Vec::new();
    if dry_run {
        for id in ids {
            rows.push(planned(provider.as_ref(), id).await);
        }
        return Ok(rows);
    }
    for piece in ids.chunks(provider.capabilities().batch(edr::core::Feature::CaseUpdate)) {
        if context.interrupt.is_raised() {
            return Err(Failure::Interrupted);
        }
        let receipts = provider.update_cases(change, piece).await?;
        rows.extend(receipts.into_iter().map(|receipt| answered(provider.as_ref(), receipt)));
    }
    Ok(rows)
}

/// The case as it is: nothing is sent but the question.
async fn planned(provider: &dyn EdrProvider, uid: &str) -> Row {
    match provider.case(uid).await {
        Ok(case) => row(provider, uid.to_owned(), "planned", Some(case.title), None),
        Err(error) => row(provider, uid.to_owned(), "refused", None, Some(error)),
    }
}

fn answered(provider: &dyn EdrProvider, receipt: Receipt) -> Row {
    let (word, error) = match receipt.answer {
        Answer::Accepted => ("accepted", None),
        Answer::Already => ("already", None),
        Answer::Refused(error) => ("refused", Some(error)),
        Answer::Unknown(error) => ("unknown", Some(error)),
        _ => ("unknown", Some(Error::new(ErrorKind::Vendor, "an answer that this program does not know"))),
    };
    row(provider, receipt.uid, word, None, error)
}

fn row(
    provider: &dyn EdrProvider,
    uid: String,
    answer: &'static str,
    title: Option<String>,
    failure: Option<Error>,
) -> Row {
    let (tenant, vendor) = (provider.tenant().clone(), provider.vendor().clone());
    let failure = failure.map(|e| e.with_tenant(&tenant, &vendor));
    let error = failure.as_ref().map(message);
    Row { tenant, vendor, uid, answer, title, error, failure }
}

/// Some done and some not is partial; none done is the failure that all share.
fn conclude(context: &Context, rows: &[Row]) -> Exit {
    let mut tally = Tally::new(Row::NOUNS, context.globals.timeout.is_some());
    let failed: Vec<&Error> = rows.iter().filter_map(|row| row.failure.as_ref()).collect();
    failed.iter().for_each(|error| context.report.tenant_error(error));
    let done = (rows.len() - failed.len()) as u64;
    if let Some(first) = rows.first() {
        tally.expect(&first.tenant, &first.vendor);
        tally.count(&first.tenant, done);
        let gap = || edr::Gap { reason: format!("{} not changed", failed.len()), missing: None };
        let outcome = match failed.first() {
            None => Outcome::Complete,
            Some(_) if done > 0 => Outcome::Partial { gaps: vec![gap()], error: None },
            Some(error) => Outcome::Failed { error: (*error).clone() },
        };
        tally.settle(&first.tenant, &first.vendor, outcome);
    }
    tally.shown = done;
    context.report.outcome(&tally);
    tally.exit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_an_at_is_an_address() {
        assert_eq!(named(" ann@corp.example ").email.as_deref(), Some("ann@corp.example"));
        assert_eq!(named("Ann").name.as_deref(), Some("Ann"));
    }

    #[test]
    fn nothing_to_change_is_a_mistake() {
        let update = CaseUpdate { ids: vec!["7".into(), " 7".into()], ..CaseUpdate::default() };
        assert_eq!(change(&update).unwrap_err().exit(false), Exit::Usage);
        assert_eq!(ids(&update).unwrap(), ["7"]);
        let empty = CaseUpdate { ids: vec![" ".into()], ..CaseUpdate::default() };
        assert!(ids(&empty).is_err());
    }
}
