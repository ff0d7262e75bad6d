//! `edr cases list`, `edr cases get` and `edr cases update`.

mod update;

use edr::{Case, Filter, Noun, Op};

use crate::args::{CaseList, CasesCommand, Terms, severity};
use crate::context::Context;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::listing::{self, Wanted, Wants};

/// Runs the command.
pub(super) async fn run(context: Context, command: CasesCommand) -> Result<Exit, Failure> {
    match command {
        CasesCommand::List(list) => self::list(context, list).await,
        CasesCommand::Get(get) => super::get::run::<Case>(context, get).await,
        CasesCommand::Update(update) => update::run(context, *update).await,
    }
}

async fn list(context: Context, list: CaseList) -> Result<Exit, Failure> {
    context.check_view::<Case>(list.reach.raw)?;
    let filters = filters(&context, &list)?;
    let fields = listing::fields::<Case>(&context, &filters);
    let wants = Wants { query: Wanted { filters, fields, ..Wanted::default() }, terms: Vec::new() };
    listing::run::<Case>(context, wants, list.reach).await
}

fn filters(context: &Context, list: &CaseList) -> Result<Vec<Filter>, Failure> {
    let terms = Terms { filter: list.filter.clone(), ..Terms::default() };
    let mut filters = listing::expressions(Noun::Case, &terms, context)?;
    filters.extend(severity::filter(Noun::Case, &list.severity, context.now())?);
    filters.extend(listing::alternatives(Noun::Case, "status", &list.status, context)?);
    for (time, op, flag) in [(&list.since, Op::Ge, "--since"), (&list.until, Op::Lt, "--until")] {
        if let Some(time) = time {
            filters.push(listing::time(Noun::Case, "created_time", op, time, flag, context)?);
        }
    }
    Ok(filters)
}
