//! `edr alerts`: list, get, and the verbs that change them.

use edr::core::{AlertChange, AlertStatus, Assignee, Verdict};
use edr::{Alert, AlertQuery, Filter, Noun, Op};

use crate::act;
use crate::args::change::Change;
use crate::args::{AlertList, AlertsCommand, Reach, severity};
use crate::context::Context;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::listing::{self, Wanted, Wants};

/// Runs the command.
pub(super) async fn run(context: Context, command: AlertsCommand) -> Result<Exit, Failure> {
    let (wanted, call) = match command {
        AlertsCommand::List(list) => return self::list(context, list).await,
        AlertsCommand::Get(get) => return super::get::run::<Alert>(context, get).await,
        AlertsCommand::Assign(verb) => (AlertChange::new().assignee(assignee(&verb.to)), verb.change),
        AlertsCommand::Comment(verb) => (AlertChange::new().comment(verb.text), verb.change),
        AlertsCommand::Close(verb) => {
            let mut change = AlertChange::new().status(AlertStatus::Resolved);
            change.verdict = verb.verdict.as_deref().map(Verdict::from);
            change.comment = verb.comment;
            (change, verb.change)
        }
        AlertsCommand::Tag(verb) => {
            let change = verb.add.into_iter().fold(AlertChange::new(), AlertChange::add_label);
            (verb.remove.into_iter().fold(change, AlertChange::remove_label), verb.change)
        }
    };
    let wanted = if call.nearest { wanted.nearest() } else { wanted };
    wanted.check().map_err(|e| Failure::usage(e.message()))?;
    let filters = selected(&context, &call)?;
    let which = which(&call, filters)?;
    act::change(context, which, wanted, call.why, call.guards).await
}

/// Nothing said never means everything.
fn which(call: &Change, filters: Vec<Filter>) -> Result<act::Wanted<Alert>, Failure> {
    if call.all || call.limit.is_some() {
        return Err(Failure::usage("--all and --limit shape the output of a read, and never select alerts"));
    }
    match (call.uids.is_empty(), filters.is_empty()) {
        (true, true) => Err(Failure::usage("nothing is selected; that never means everything")),
        (false, false) => Err(Failure::usage("name alerts, or filter them: both at once could mean either")),
        (true, false) => {
            Ok(act::Wanted::Matching(filters.into_iter().fold(AlertQuery::new(), AlertQuery::filter)))
        }
        (false, true) => Ok(act::Wanted::Uids(super::uids(&call.uids)?)),
    }
}

/// `nobody`, an e-mail address, or the name of an account.
fn assignee(to: &str) -> Assignee {
    if to.eq_ignore_ascii_case("nobody") {
        return Assignee::Nobody;
    }
    Assignee::User(super::user(to))
}

/// What the flags select; names of hosts among them.
fn selected(context: &Context, call: &Change) -> Result<Vec<Filter>, Failure> {
    let list = AlertList {
        terms: call.terms.clone(),
        severity: call.severity.clone(),
        status: call.status.clone(),
        since: call.since.clone(),
        until: call.until.clone(),
        reach: Reach::default(),
        group: false,
    };
    let mut all = filters(context, &list)?;
    all.extend(listing::alternatives(
        Noun::Alert,
        "device.hostname",
        &listing::read_terms(&call.terms)?,
        context,
    )?);
    Ok(all)
}

async fn list(context: Context, list: AlertList) -> Result<Exit, Failure> {
    if list.group {
        let filters = filters(&context, &list)?;
        return super::groups::run(context, filters, list.reach).await;
    }
    context.check_view::<Alert>(list.reach.raw)?;
    let filters = filters(&context, &list)?;
    let fields = listing::fields::<Alert>(&context, &filters);
    let terms = listing::read_terms(&list.terms)?;
    let wants = Wants { query: Wanted { filters, fields, ..Wanted::default() }, terms };
    listing::run::<Alert>(context, wants, list.reach).await
}

pub(super) fn filters(context: &Context, list: &AlertList) -> Result<Vec<Filter>, Failure> {
    let mut filters = listing::expressions(Noun::Alert, &list.terms, context)?;
    filters.extend(severity::filter(Noun::Alert, &list.severity, context.now())?);
    filters.extend(listing::alternatives(Noun::Alert, "status", &list.status, context)?);
    for (time, op, flag) in [(&list.since, Op::Ge, "--since"), (&list.until, Op::Lt, "--until")] {
        if let Some(time) = time {
            filters.push(listing::time(Noun::Alert, "created_time", op, time, flag, context)?);
        }
    }
    Ok(filters)
}
