//! `edr alerts list` and `edr alerts get`.

use edr::{Alert, Filter, Noun, Op};

use crate::args::severity;
use crate::args::{AlertList, AlertsCommand};
use crate::context::Context;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::listing::{self, Wanted, Wants};

/// Runs the command.
pub(super) async fn run(context: Context, command: AlertsCommand) -> Result<Exit, Failure> {
    match command {
        AlertsCommand::List(list) => self::list(context, list).await,
        AlertsCommand::Get(get) => super::get::run::<Alert>(context, get).await,
    }
}

async fn list(context: Context, list: AlertList) -> Result<Exit, Failure> {
    context.check_view::<Alert>(list.reach.raw)?;
    let filters = filters(&context, &list)?;
    let fields = listing::fields::<Alert>(&context, &filters);
    let terms = listing::read_terms(&list.terms)?;
    let wants = Wants { query: Wanted { filters, fields, ..Wanted::default() }, terms };
    listing::run::<Alert>(context, wants, list.reach).await
}

fn filters(context: &Context, list: &AlertList) -> Result<Vec<Filter>, Failure> {
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
