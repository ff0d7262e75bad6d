//! `edr iocs`: list, diff, push, prune, block and unblock.

mod rows;
mod work;

use edr::{Filter, Ioc, Noun};

use crate::args::{IocList, IocsCommand, Terms, severity};
use crate::context::Context;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::listing::{self, Wanted, Wants};

/// Runs the command.
pub(super) async fn run(context: Context, command: IocsCommand) -> Result<Exit, Failure> {
    match command {
        IocsCommand::List(list) => self::list(context, list).await,
        IocsCommand::Diff(diff) => work::diff(context, diff).await,
        IocsCommand::Push(push) => work::push(context, *push).await,
        IocsCommand::Prune(prune) => work::prune(context, prune).await,
        IocsCommand::Block(hashes) => work::block(context, hashes).await,
        IocsCommand::Unblock(hashes) => work::unblock(context, hashes).await,
    }
}

async fn list(context: Context, list: IocList) -> Result<Exit, Failure> {
    context.check_view::<Ioc>(list.reach.raw)?;
    let filters = filters(&context, &list)?;
    let fields = listing::fields::<Ioc>(&context, &filters);
    let wants = Wants { query: Wanted { filters, fields, ..Wanted::default() }, terms: Vec::new() };
    listing::run::<Ioc>(context, wants, list.reach).await
}

fn filters(context: &Context, list: &IocList) -> Result<Vec<Filter>, Failure> {
    let terms = Terms { filter: list.filter.clone(), ..Terms::default() };
    let mut filters = listing::expressions(Noun::Ioc, &terms, context)?;
    filters.extend(severity::filter(Noun::Ioc, &list.severity, context.now())?);
    for (field, values) in [("type", &list.kind), ("action", &list.action), ("value", &list.value)] {
        filters.extend(listing::alternatives(Noun::Ioc, field, values, context)?);
    }
    Ok(filters)
}
