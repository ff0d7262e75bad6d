//! `edr hosts`: list, get, and the verbs that act.

use edr::core::{ProcessRef, ResponseAction};
use edr::{Filter, Host, Noun, Op};

use crate::act::{self, Order};
use crate::args::act as verbs;
use crate::args::{Act, HostList, HostsCommand};
use crate::context::Context;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::listing::{self, Wanted, Wants};

/// Runs the command.
pub(super) async fn run(context: Context, command: HostsCommand) -> Result<Exit, Failure> {
    let (order, act) = match command {
        HostsCommand::List(list) => return self::list(context, list).await,
        HostsCommand::Get(get) => return super::get::run::<Host>(context, get).await,
        HostsCommand::Link(pairing) => return super::pairs::pair(context, pairing, true).await,
        HostsCommand::Unlink(pairing) => return super::pairs::pair(context, pairing, false).await,
        HostsCommand::Explain(explain) => return super::pairs::explain(context, explain).await,
        HostsCommand::Review(review) => return super::pairs::review(context, review).await,
        HostsCommand::Contain(verb) => {
            (Order { lease: verb.lease, ..Order::of(ResponseAction::Contain) }, verb.act)
        }
        HostsCommand::Release(verb) => released(*verb),
        HostsCommand::Tag(verb) => (Order::of(ResponseAction::Tag { tags: verb.tag }), verb.act),
        HostsCommand::Untag(verb) => (Order::of(ResponseAction::Untag { tags: verb.tag }), verb.act),
        HostsCommand::Scan(verb) => (Order::of(ResponseAction::Scan { paths: verb.path }), verb.act),
        HostsCommand::KillProcess(verb) => killed(*verb),
        HostsCommand::QuarantineFile(verb) => {
            let action = ResponseAction::QuarantineFile { path: verb.path, sha256: verb.sha256 };
            (Order::of(action), verb.act)
        }
        HostsCommand::FetchFile(verb) => fetched(*verb),
        HostsCommand::RunScript(verb) => {
            let action = ResponseAction::RunScript { script: verb.script, args: verb.arg };
            (Order::of(action), verb.act)
        }
    };
    order.action.check().map_err(|e| Failure::usage(e.message()))?;
    act::run(context, order, act.targets, act.planning, act.guards, act.wait).await
}

fn released(verb: verbs::Release) -> (Order, Act) {
    let undoes = verb.operation.map(|id| (id, verb.wave));
    (Order { undoes, ..Order::of(ResponseAction::Release) }, verb.act)
}

fn fetched(verb: verbs::FetchFile) -> (Order, Act) {
    (Order { out: verb.out, ..Order::of(ResponseAction::FetchFile { path: verb.path }) }, verb.act)
}

fn killed(verb: verbs::KillProcess) -> (Order, Act) {
    let process = match verb.pid {
        Some(pid) => ProcessRef::Pid(pid),
        None => ProcessRef::Uid(verb.process.unwrap_or_default()),
    };
    (Order::of(ResponseAction::KillProcess { process }), verb.act)
}

async fn list(context: Context, list: HostList) -> Result<Exit, Failure> {
    if list.merge {
        let filters = filters(&context, &list)?;
        return super::merge::run(context, filters, list.online, list.reach).await;
    }
    context.check_view::<Host>(list.reach.raw)?;
    let filters = filters(&context, &list)?;
    let fields = listing::fields::<Host>(&context, &filters);
    let terms = listing::read_terms(&list.terms)?;
    let few = list.reach.limit.or((!terms.is_empty()).then_some(terms.len() as u64));
    let connection = asks_connection(&context, list.online, few, &filters);
    let wants = Wants { query: Wanted { filters, fields, page_size: None, connection }, terms };
    listing::run::<Host>(context, wants, list.reach).await
}

pub(super) fn filters(context: &Context, list: &HostList) -> Result<Vec<Filter>, Failure> {
    let mut filters = listing::expressions(Noun::Host, &list.terms, context)?;
    for (field, values) in [
        ("os.type", &list.platform),
        ("connection_state", &list.status),
        ("containment_state", &list.containment),
    ] {
        filters.extend(listing::alternatives(Noun::Host, field, values, context)?);
    }
    if let Some(time) = &list.last_seen {
        filters.push(listing::time(Noun::Host, "last_seen", Op::Ge, time, "--last-seen", context)?);
    }
    Ok(filters)
}

/// Whether hosts are online costs calls of its own at one vendor: it is asked where it is shown,
/// filtered on, or wanted of a few hosts, and not for listings of any length that a program reads.
fn asks_connection(context: &Context, online: bool, few: Option<u64>, filters: &[Filter]) -> bool {
    const FIELD: &str = "connection_state";
    if online || filters.iter().any(|f| f.field().name == FIELD) {
        return true;
    }
    match &context.view.columns {
        Some(columns) => columns.iter().any(|c| c == FIELD),
        None => !context.view.format.is_record() || few.is_some_and(|n| n <= listing::GATHERED),
    }
}
