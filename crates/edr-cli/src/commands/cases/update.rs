//! `edr cases update`: named cases of one tenant, and never more.

use edr::CaseChange;
use edr::core::Assignee;

use crate::act::{self, Wanted};
use crate::args::CaseUpdate;
use crate::commands::{uids, user};
use crate::context::Context;
use crate::errors::Failure;
use crate::exit::Exit;

/// Changes them under the guards, prints a row for each, and says how it ended.
pub(super) async fn run(context: Context, update: CaseUpdate) -> Result<Exit, Failure> {
    let change = change(&update)?;
    let uids = uids(&update.ids)?;
    let [_] = context.globals.tenant.as_slice() else {
        let hint = "name it with --tenant: ids of cases belong to one tenant, and another may have the same";
        return Err(Failure::Usage("which tenant's cases?".to_owned(), Some(hint.to_owned())));
    };
    act::change(context, Wanted::OfOneTenant(uids), change, update.why, update.guards).await
}

fn change(update: &CaseUpdate) -> Result<CaseChange, Failure> {
    let mut change = CaseChange::new();
    change.status = update.status.as_deref().map(Into::into);
    change.verdict = update.verdict.as_deref().map(Into::into);
    change.severity = update.severity.as_deref().map(Into::into);
    change.comment.clone_from(&update.comment);
    change.assignee = match (&update.assignee, update.unassign) {
        (Some(who), _) => Some(Assignee::User(user(who))),
        (None, true) => Some(Assignee::Nobody),
        (None, false) => None,
    };
    change.nearest = update.nearest;
    let hint = "say what changes: --status, --verdict, --severity, --assignee, --unassign or --comment";
    change.check().map_err(|e| Failure::Usage(e.message().to_owned(), Some(hint.to_owned())))?;
    Ok(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_change_is_a_mistake() {
        let update = CaseUpdate { ids: vec!["7".into()], ..CaseUpdate::default() };
        assert_eq!(change(&update).unwrap_err().exit(false), Exit::Usage);
    }
}
