//! Feeds and hashes against the tenants: plan, agree, apply, tell.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;

use edr::core::{Because, IocAction, IocType};
use edr::iocs::{
    DEFAULT_MAX_IOCS, Done, Feed, Indicators, IocConsent, MAX_FEED, Reading, Remark, RemarkKind, TenantDiff,
};
use edr::respond::Responder;
use edr::{Estate, Ioc, Severity};

use super::rows::{self, Ending, Row};
use crate::act;
use crate::args::{FeedArgs, IocBlock, IocDiff, IocGuards, IocHashes, IocPrune, IocPush};
use crate::context::Context;
use crate::errors::{self, Failure};
use crate::exit::Exit;

/// How many remarks are told one by one to a person.
const TOLD: usize = 50;

/// What is asked for.
enum Wish<'a> {
    /// What the feed says, and nothing taken away.
    Push(&'a Feed),
    /// What is mine and over, or not in the feed.
    Prune(Option<&'a Feed>, bool),
    /// These keys of mine, whatever else there is.
    Unblock(&'a Feed),
}

/// `iocs diff`.
pub(super) async fn diff(context: Context, args: IocDiff) -> Result<Exit, Failure> {
    context.check_view::<Row>(false)?;
    let feed = feed(&context, &args.feed, &args.reading)?;
    let (estate, responder) = open(&context).await?;
    let indicators = Indicators::new(&responder, args.ownership.owner).adopting(args.reading.adopt);
    let plan = indicators.diff(&feed).await;
    context.close(&estate).await;
    let plan = plan?;
    let exit = show(&context, &responder, &plan, &feed.remarks)?;
    let differs = plan.iter().any(|tenant| tenant.changes() > 0);
    Ok(
        if differs && matches!(exit, Exit::Complete | Exit::Partial) && plan.iter().all(|t| t.error.is_none())
        {
            Exit::Differs
        } else {
            exit
        },
    )
}

/// `iocs push`.
pub(super) async fn push(context: Context, args: IocPush) -> Result<Exit, Failure> {
    act::check_tenants(&context.globals)?;
    let feed = feed(&context, &args.feed, &args.reading)?;
    let (estate, responder) = open(&context).await?;
    let indicators = Indicators::new(&responder, args.ownership.owner).adopting(args.reading.adopt);
    let done = run(&context, &indicators, &responder, &Wish::Push(&feed), &args.guards).await;
    context.close(&estate).await;
    done
}

/// `iocs prune`.
pub(super) async fn prune(context: Context, args: IocPrune) -> Result<Exit, Failure> {
    act::check_tenants(&context.globals)?;
    // A feed that was pushed with --force is the same feed here: what is named more is taken away less.
    let lenient = FeedArgs { force: true, ..FeedArgs::default() };
    let feed = args.not_in.as_deref().map(|path| feed(&context, path, &lenient)).transpose()?;
    if let Some(feed) = &feed {
        let unread = feed.refused().count();
        if feed.entries.is_empty() || unread > 0 {
            let message =
                format!("{unread} rows of the feed could not be read, {} could", feed.entries.len());
            let hint =
                "a row that is not understood would be taken away: mend the feed, or leave --not-in out";
            return Err(Failure::Usage(message, Some(hint.to_owned())));
        }
    }
    let (estate, responder) = open(&context).await?;
    let indicators = Indicators::new(&responder, args.ownership.owner);
    let wish = Wish::Prune(feed.as_ref(), args.expired);
    let done = run(&context, &indicators, &responder, &wish, &args.guards).await;
    context.close(&estate).await;
    done
}

/// `iocs block`.
pub(super) async fn block(context: Context, args: IocBlock) -> Result<Exit, Failure> {
    hashes(context, args.hashes, Some(args.expires)).await
}

/// `iocs unblock`.
pub(super) async fn unblock(context: Context, args: IocHashes) -> Result<Exit, Failure> {
    hashes(context, args, None).await
}

/// Blocks files until an end, or takes them off their blocks.
async fn hashes(context: Context, args: IocHashes, block: Option<Option<String>>) -> Result<Exit, Failure> {
    act::check_tenants(&context.globals)?;
    let expires = block.clone().flatten();
    let reading = reading(&context, &FeedArgs { expires, ..FeedArgs::default() })?;
    let file = |hash: &String| {
        let mut ioc = Ioc::of(IocType::Hash, hash.trim(), IocAction::Block);
        (ioc.severity, ioc.desc) = (Severity::High, args.guards.reason.clone());
        ioc
    };
    let feed = Feed::of(args.hashes.iter().map(file), &reading);
    if let Some(wrong) = feed.refused().next() {
        return Err(Failure::usage(format!("{}: {}", wrong.value, wrong.message)));
    }
    let (estate, responder) = open(&context).await?;
    let indicators = Indicators::new(&responder, args.ownership.owner);
    let wish = if block.is_some() { Wish::Push(&feed) } else { Wish::Unblock(&feed) };
    let done = run(&context, &indicators, &responder, &wish, &args.guards).await;
    context.close(&estate).await;
    done
}

async fn open(context: &Context) -> Result<(Estate, Responder), Failure> {
    context.check_view::<Row>(false)?;
    let session = context.session().await?;
    let estate = context.estate(&session)?;
    let responder = act::open(context, &session, estate.clone())?;
    Ok((estate, responder))
}

async fn run(
    context: &Context,
    indicators: &Indicators<'_>,
    responder: &Responder,
    wish: &Wish<'_>,
    guards: &IocGuards,
) -> Result<Exit, Failure> {
    let (plan, remarks) = match wish {
        Wish::Push(feed) => {
            let plan = indicators.diff(feed).await?.into_iter().map(TenantDiff::without_removals);
            (plan.collect(), feed.remarks.as_slice())
        }
        Wish::Prune(feed, expired) => {
            let remarks = feed.map(|feed| feed.remarks.as_slice()).unwrap_or_default();
            (indicators.stale(*feed, *expired).await?, remarks)
        }
        Wish::Unblock(feed) => (indicators.withdrawn(feed).await?, feed.remarks.as_slice()),
    };
    if guards.dry_run {
        return show(context, responder, &plan, remarks);
    }
    let consent = consent(context, indicators, &plan, guards).await?;
    let mut because = Because::new();
    because.reason.clone_from(&guards.reason);
    because.ticket.clone_from(&guards.ticket);
    let done = tokio::select! {
        () = context.interrupt.raised() => return Err(Failure::Interrupted),
        done = indicators.apply(&plan, &consent, &because) => done?,
    };
    told(context, responder, &plan, remarks, &done)
}

/// A number that a person types, or the flags of a program.
async fn consent(
    context: &Context,
    indicators: &Indicators<'_>,
    plan: &[TenantDiff],
    guards: &IocGuards,
) -> Result<IocConsent, Failure> {
    let changes: usize = plan.iter().map(TenantDiff::changes).sum();
    let interactive = !guards.no_input && io::stdin().is_terminal() && io::stderr().is_terminal();
    let mut consent = IocConsent::default();
    (consent.max_iocs, consent.confirm, consent.yes) = (guards.max_iocs, guards.confirm, guards.yes);
    if consent.yes && interactive {
        consent.max_iocs = consent.max_iocs.or(Some(DEFAULT_MAX_IOCS));
    }
    if changes == 0 || consent.yes || !interactive {
        return Ok(consent);
    }
    // Nobody is asked for a number that another rule refuses anyway.
    consent.typed = Some(changes);
    indicators.check(plan, &consent)?;
    for tenant in plan.iter().filter(|tenant| tenant.changes() > 0) {
        context.report.ask(&format!("{}: {} indicators would change", tenant.tenant, tenant.changes()));
    }
    let question = format!("type {changes} to change them, anything else to stop:");
    act::typed(&context.report, &question, changes).await?;
    Ok(consent)
}

fn reading(context: &Context, args: &FeedArgs) -> Result<Reading, Failure> {
    let mut reading = Reading::new(context.now());
    reading.action = args.action();
    reading.severity = args.severity.as_deref().map(Into::into);
    reading.force = args.force;
    let Some(text) = &args.expires else { return Ok(reading) };
    let wrong = || Failure::usage("--expires is never, a time, a date, or a span such as 90d");
    let reading = reading.expires(text).ok_or_else(wrong)?;
    let over = reading.expires.as_ref().and_then(|end| end.time()).is_some_and(|end| *end <= context.now());
    if over { Err(Failure::usage("--expires is over already")) } else { Ok(reading) }
}

fn feed(context: &Context, path: &Path, args: &FeedArgs) -> Result<Feed, Failure> {
    let reading = reading(context, args)?;
    let name = path.display();
    let bytes = bytes(path).map_err(|e| Failure::usage(format!("{name} cannot be read: {e}")))?;
    let feed = Feed::read(&bytes, &reading).map_err(|fault| Failure::usage(format!("{name}:{fault}")))?;
    let whole = context.view.format.is_json();
    let loud = |remark: &&Remark| whole || remark.kind != RemarkKind::Cleaned || feed.remarks.len() <= TOLD;
    let told: Vec<&Remark> = feed.remarks.iter().filter(loud).collect();
    let most = if whole { told.len() } else { TOLD };
    for remark in told.iter().take(most) {
        let value = if remark.value.is_empty() { String::new() } else { format!("{}: ", remark.value) };
        let message = format!("{name}:{}: {}: {value}{}", remark.line, remark.kind.as_str(), remark.message);
        context.report.warn("feed", None, &message);
    }
    let more = feed.remarks.len() - told.len().min(most);
    if more > 0 {
        context.report.warn(
            "feed",
            None,
            &format!("{name}: {more} more remarks; -o jsonl tells all of them"),
        );
    }
    if feed.entries.is_empty() {
        let message = format!("{name} has no indicator that can be taken");
        return Err(Failure::usage(message));
    }
    Ok(feed)
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let (mut bytes, most) = (Vec::new(), MAX_FEED as u64 + 1);
    match path.to_str() {
        Some("-") => io::stdin().lock().take(most).read_to_end(&mut bytes)?,
        _ => std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

fn show(
    context: &Context,
    responder: &Responder,
    plan: &[TenantDiff],
    remarks: &[Remark],
) -> Result<Exit, Failure> {
    end(context, responder, plan, remarks, &rows::planned(plan), true)
}

fn told(
    context: &Context,
    responder: &Responder,
    plan: &[TenantDiff],
    remarks: &[Remark],
    done: &[Done],
) -> Result<Exit, Failure> {
    end(context, responder, plan, remarks, &rows::done(done), false)
}

fn end(
    context: &Context,
    responder: &Responder,
    plan: &[TenantDiff],
    remarks: &[Remark],
    rows: &[Row],
    dry_run: bool,
) -> Result<Exit, Failure> {
    let printed = act::print(context, rows);
    let failed = plan.iter().filter_map(|tenant| tenant.error.as_ref()).collect();
    let journal = responder.journal().path().display().to_string();
    let ending = Ending { rows, remarks, failed, tenants: plan.len(), dry_run, journal };
    errors::ended(printed, ending.tell(context))
}
