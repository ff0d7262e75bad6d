//! A listing over all tenants: read, counted, cut to what is asked for, and printed as it arrives.

mod gather;
mod terms;

use std::collections::BTreeSet;
use std::io;

use edr::core::{Listing, Raw};
use edr::{
    Alert, AlertQuery, AuditEvent, AuditQuery, Case, CaseQuery, Estate, EstateEvent, EstateStream, Filter,
    Host, HostQuery, Ioc, IocQuery, Noun, Op, TenantId,
};
use futures_util::{FutureExt as _, StreamExt as _};

use crate::args::{Reach, Terms};
use crate::context::Context;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::outcome::{Tally, counted, grouped};
use crate::output::card::Card;
use crate::output::pager::Output;
use crate::output::{Record, Sink, sink};
use gather::Gather;
pub(crate) use terms::{Wants, file as read_file, read as read_terms};

/// What a table on a terminal shows without `--limit` and `--all`.
pub(crate) const FIRST: u64 = 100;
/// Up to this limit a listing is gathered first, so that it is fair to the tenants; a longer one is
/// printed as it arrives.
pub(crate) const GATHERED: u64 = 1_000;
/// How far a cut table reads on to say what it was cut from.
const COUNT_AHEAD: u64 = 500;
/// How many rejected items are told one by one.
pub(crate) const TOLD: u64 = 10;

/// What is asked of the tenants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// All must hold.
    pub(crate) filters: Vec<Filter>,
    /// The model's fields; empty means all.
    pub(crate) fields: Vec<&'static str>,
    /// Items a page, where fewer than usual are enough.
    pub(crate) page_size: Option<u32>,
    /// Whether hosts are online.
    pub(crate) connection: bool,
}

/// A noun that is listed.
pub(crate) trait Kind: Card + Listing {
    /// The noun of its filters.
    const FILTERS: Noun;
    /// The fields that a name, an id and an address are looked for in.
    const NAME: &'static str;
    const ID: &'static str;
    const ADDRESS: &'static str;
    /// A name names the thing itself.
    const IS_HOST: bool;
    /// Of several tenants, the first items by [`Record::sort_key`] are wanted; else a fair share of each.
    const BY_KEY: bool;
    /// The fields that sorting and `--host` look at.
    const KEYS: &'static [&'static str];

    /// Starts to read.
    fn open(estate: &Estate, wanted: Wanted) -> EstateStream<Self>;

    /// Forgets the vendor's own JSON.
    fn strip(&mut self);

    /// The host that it is, or is about.
    fn host(&self) -> Option<&Host>;
}

/// The query that is asked of the tenants.
macro_rules! query {
    ($query:ident, $wanted:ident) => {{
        let mut query = $query::new();
        query.filters = $wanted.filters;
        query.fields = $wanted.fields;
        query.page_size = $wanted.page_size;
        query.with_connection = $wanted.connection;
        query
    }};
}

impl Kind for Host {
    const FILTERS: Noun = Noun::Host;
    const NAME: &'static str = "hostname";
    const ID: &'static str = "uid";
    const ADDRESS: &'static str = "ip";
    const IS_HOST: bool = true;
    const BY_KEY: bool = false;
    const KEYS: &'static [&'static str] = &["uid", "hostname", "ip"];

    fn open(estate: &Estate, wanted: Wanted) -> EstateStream<Self> {
        estate.list(query!(HostQuery, wanted))
    }

    fn strip(&mut self) {
        self.raw = Raw::default();
    }

    fn host(&self) -> Option<&Host> {
        Some(self)
    }
}

impl Kind for Alert {
    const FILTERS: Noun = Noun::Alert;
    const NAME: &'static str = "device.hostname";
    const ID: &'static str = "device.uid";
    const ADDRESS: &'static str = "device.ip";
    const IS_HOST: bool = false;
    const BY_KEY: bool = true;
    const KEYS: &'static [&'static str] =
        &["uid", "created_time", "time", "device.hostname", "device.uid", "device.ip"];

    fn open(estate: &Estate, wanted: Wanted) -> EstateStream<Self> {
        estate.list(query!(AlertQuery, wanted))
    }

    fn strip(&mut self) {
        self.raw = Raw::default();
        if let Some(device) = &mut self.device {
            device.raw = Raw::default();
        }
    }

    fn host(&self) -> Option<&Host> {
        self.device.as_deref()
    }
}

impl Kind for Case {
    const FILTERS: Noun = Noun::Case;
    const NAME: &'static str = "hosts";
    const ID: &'static str = "hosts";
    const ADDRESS: &'static str = "hosts";
    const IS_HOST: bool = false;
    const BY_KEY: bool = true;
    const KEYS: &'static [&'static str] = &["uid", "created_time"];

    fn open(estate: &Estate, wanted: Wanted) -> EstateStream<Self> {
        estate.list(query!(CaseQuery, wanted))
    }

    fn strip(&mut self) {
        self.raw = Raw::default();
    }

    fn host(&self) -> Option<&Host> {
        None
    }
}

impl Kind for AuditEvent {
    const FILTERS: Noun = Noun::AuditEvent;
    const NAME: &'static str = "host.hostname";
    const ID: &'static str = "host.uid";
    const ADDRESS: &'static str = "src_ip";
    const IS_HOST: bool = false;
    const BY_KEY: bool = true;
    const KEYS: &'static [&'static str] = &["uid", "source", "time"];

    fn open(estate: &Estate, wanted: Wanted) -> EstateStream<Self> {
        estate.list(query!(AuditQuery, wanted))
    }

    fn strip(&mut self) {
        self.raw = Raw::default();
    }

    fn host(&self) -> Option<&Host> {
        None
    }
}

impl Kind for Ioc {
    const FILTERS: Noun = Noun::Ioc;
    const NAME: &'static str = "value";
    const ID: &'static str = "uid";
    const ADDRESS: &'static str = "value";
    const IS_HOST: bool = false;
    const BY_KEY: bool = false;
    const KEYS: &'static [&'static str] = &["uid", "type", "value"];

    fn open(estate: &Estate, wanted: Wanted) -> EstateStream<Self> {
        estate.list(query!(IocQuery, wanted))
    }

    fn strip(&mut self) {
        self.raw = Raw::default();
    }

    fn host(&self) -> Option<&Host> {
        None
    }
}

/// Takes items as they arrive.
trait Taker<T> {
    /// Takes the items of one tenant, and says how many of them count.
    fn take(&mut self, items: Vec<T>) -> io::Result<u64>;
    /// The tenant has ended.
    fn ended(&mut self, _tenant: &TenantId) {}
    /// Nothing is there for the moment.
    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Nothing more is needed.
    fn is_full(&self) -> bool;
}

/// Prints items as they arrive, up to a limit.
struct Through<'a, T> {
    sink: &'a mut dyn Sink<T>,
    left: Option<u64>,
    shown: u64,
    /// Something came that is not shown.
    beyond: bool,
    /// Tenants that have given nothing yet, and have not ended: each may be one that cannot be read.
    silent: BTreeSet<TenantId>,
}

impl<T: Listing> Taker<T> for Through<'_, T> {
    fn take(&mut self, items: Vec<T>) -> io::Result<u64> {
        if let Some(item) = items.first() {
            self.silent.remove(item.tenant());
        }
        for item in &items {
            if self.left == Some(0) {
                self.beyond = true;
                break;
            }
            self.sink.item(item)?;
            self.shown += 1;
            self.left = self.left.map(|n| n - 1);
        }
        Ok(items.len() as u64)
    }

    fn pause(&mut self) -> io::Result<()> {
        self.sink.pause()
    }

    fn ended(&mut self, tenant: &TenantId) {
        self.silent.remove(tenant);
    }

    /// It reads on until something comes that is not shown, or the end: then it is known which. And until each tenant has
    /// answered: one that was never heard of is not complete.
    fn is_full(&self) -> bool {
        self.beyond && self.silent.is_empty()
    }
}

/// Reads streams and keeps the count.
struct Reader<'a> {
    context: &'a Context,
    tally: Tally,
    raw: bool,
    rejected: u64,
}

impl Reader<'_> {
    async fn read<T: Kind>(
        &mut self,
        mut stream: EstateStream<T>,
        taker: &mut dyn Taker<T>,
    ) -> io::Result<()> {
        while !taker.is_full() {
            let ready = stream.next().now_or_never();
            let event = match ready {
                Some(event) => event,
                None => {
                    taker.pause()?;
                    tokio::select! {
                        () = self.context.interrupt.raised() => None,
                        event = stream.next() => event,
                    }
                }
            };
            if self.context.interrupt.is_raised() {
                self.tally.interrupted = true;
                break;
            }
            let Some(event) = event else { break };
            self.take(event, taker)?;
        }
        Ok(())
    }

    fn take<T: Kind>(&mut self, event: EstateEvent<T>, taker: &mut dyn Taker<T>) -> io::Result<()> {
        match event {
            EstateEvent::Done(done) => {
                taker.ended(&done.tenant);
                self.tally.end(done);
            }
            EstateEvent::Items(items) => self.items(items, taker)?,
            EstateEvent::Rejected(rejected) => self.reject(&rejected),
            EstateEvent::Warning(w) => self.context.report.warn("read", Some(&w.tenant), &w.message),
        }
        Ok(())
    }

    fn items<T: Kind>(&mut self, mut items: Vec<T>, taker: &mut dyn Taker<T>) -> io::Result<()> {
        if !self.raw {
            items.iter_mut().for_each(T::strip);
        }
        let Some(tenant) = items.first().map(|i| i.tenant().clone()) else { return Ok(()) };
        let counts = taker.take(items)?;
        self.tally.count(&tenant, counts);
        let read = self.tally.items();
        self.context.report.progress(|| format!("{} read", counted(read, T::NOUNS)));
        Ok(())
    }

    fn reject(&mut self, rejected: &edr::Rejected) {
        self.rejected += 1;
        self.tally.reject(&rejected.tenant);
        if self.rejected <= TOLD {
            let uid = rejected.uid.as_deref().unwrap_or("without a readable id");
            let message =
                format!("{} {uid} cannot be decoded and is left out: {}", rejected.noun, rejected.reason);
            self.context.report.warn("rejected", Some(&rejected.tenant), &message);
        }
    }
}

/// Lists, prints, and says how it ended.
pub(crate) async fn run<T: Kind>(mut context: Context, wants: Wants, reach: Reach) -> Result<Exit, Failure> {
    let session = context.session().await?;
    let estate = context.estate(&session)?;
    context.report.start_progress();
    let mut tally = Tally::new(T::NOUNS, context.globals.timeout.is_some());
    estate.members().iter().for_each(|m| tally.expect(&m.tenant, &m.vendor));
    let mut reader = Reader { context: &context, tally, raw: reach.raw, rejected: 0 };
    let mut output = Output::open(context.view.format.is_table());
    let printed = print::<T>(&mut reader, &estate, wants, reach, &mut output).await;
    context.report.stop_progress();
    let closed = output.close(&context.interrupt);
    context.close(&estate).await;
    closed?;
    printed?;
    Ok(conclude(&context, &reader))
}

async fn print<T: Kind>(
    reader: &mut Reader<'_>,
    estate: &Estate,
    wants: Wants,
    reach: Reach,
    out: &mut Output,
) -> Result<(), Failure> {
    let mut sink = sink::<T>(&reader.context.view, Box::new(out));
    let limit = reach.limit.or_else(|| (reader.context.is_short() && !reach.all).then_some(FIRST));
    match (wants.terms.is_empty(), limit.filter(|l| *l <= GATHERED)) {
        (false, _) => {
            let found = terms::find(reader, estate, &wants).await?;
            cut(reader, found, limit, sink.as_mut())?;
        }
        (true, Some(limit)) => {
            gathered(reader, estate, wants.query, limit, reach.limit.is_some(), sink.as_mut()).await?
        }
        (true, None) => through(reader, estate, wants.query, limit, sink.as_mut()).await?,
    }
    reader.context.report.stop_progress();
    sink.finish()?;
    if sink.in_blocks() {
        let message = "the table is long: it is printed in blocks as they arrive, each sorted by itself";
        reader.context.report.note("blocks", message);
    }
    note_cut(reader);
    Ok(())
}

/// Everything, as it arrives.
async fn through<T: Kind>(
    reader: &mut Reader<'_>,
    estate: &Estate,
    query: Wanted,
    limit: Option<u64>,
    sink: &mut dyn Sink<T>,
) -> Result<(), Failure> {
    let silent = estate.members().iter().map(|m| m.tenant.clone()).collect();
    let mut taker = Through { sink, left: limit, shown: 0, beyond: false, silent };
    reader.read(T::open(estate, query), &mut taker).await?;
    reader.tally.shown = taker.shown;
    reader.tally.more = taker.beyond;
    Ok(())
}

/// A few, chosen among all tenants.
async fn gathered<T: Kind>(
    reader: &mut Reader<'_>,
    estate: &Estate,
    mut query: Wanted,
    limit: u64,
    exact: bool,
    sink: &mut dyn Sink<T>,
) -> Result<(), Failure> {
    if query.filters.is_empty() {
        // One more than is shown says whether there are more.
        query.page_size = u32::try_from(limit + 1).ok();
    }
    let tenants = estate.members().iter().filter(|m| m.provider.is_ok()).map(|m| m.tenant.clone());
    let ahead = if exact { 0 } else { COUNT_AHEAD };
    let mut gather = Gather::<T>::new(limit, ahead.max(limit + 1), tenants);
    reader.read(T::open(estate, query), &mut gather).await?;
    let chosen = gather.choose();
    show(reader, &chosen, sink)?;
    reader.tally.more = reader.tally.items() > reader.tally.shown;
    Ok(())
}

/// The first of what was found.
fn cut<T: Kind>(
    reader: &mut Reader<'_>,
    mut found: Vec<T>,
    limit: Option<u64>,
    sink: &mut dyn Sink<T>,
) -> Result<(), Failure> {
    let all = found.len() as u64;
    found.sort_by_cached_key(Record::sort_key);
    found.truncate(limit.map_or(usize::MAX, |l| usize::try_from(l).unwrap_or(usize::MAX)));
    show(reader, &found, sink)?;
    reader.tally.more = reader.tally.shown < all;
    Ok(())
}

fn show<T: Kind>(reader: &mut Reader<'_>, items: &[T], sink: &mut dyn Sink<T>) -> io::Result<()> {
    reader.tally.shown = items.len() as u64;
    items.iter().try_for_each(|item| sink.item(item))
}

/// Nothing is cut in silence.
fn note_cut(reader: &Reader<'_>) {
    let tally = &reader.tally;
    if !tally.more {
        return;
    }
    let (shown, read) = (grouped(tally.shown), tally.items());
    let all = if reader.context.terminal { " (--all shows all)" } else { "" };
    let message = match tally.total() {
        Some(total) => format!("showing {shown} of {}{all}", grouped(total)),
        None => format!("showing {shown} of more than {}{all}", grouped(read)),
    };
    reader.context.report.note("cut", &message);
}

/// Errors, gaps, and the outcome as the last line.
fn conclude(context: &Context, reader: &Reader<'_>) -> Exit {
    let report = &context.report;
    if reader.rejected > TOLD {
        let message =
            format!("{} more items cannot be decoded and are left out", grouped(reader.rejected - TOLD));
        report.warn("rejected", None, &message);
    }
    settle(context, &reader.tally)
}

/// Says what is missing, what failed, and the outcome.
pub(crate) fn settle(context: &Context, tally: &Tally) -> Exit {
    let report = &context.report;
    tally.gaps().for_each(|(tenant, reason)| report.warn("gap", Some(tenant), reason));
    tally.errors().for_each(|error| report.tenant_error(error));
    report.outcome(tally);
    tally.exit()
}

/// The filters that every listing takes.
pub(crate) fn expressions(noun: Noun, terms: &Terms, context: &Context) -> Result<Vec<Filter>, Failure> {
    let parse = |text: &String| Filter::parse(noun, text, context.now());
    Ok(terms.filter.iter().map(parse).collect::<Result<Vec<_>, _>>()?)
}

/// `field = a | b`; nothing for no values.
pub(crate) fn alternatives(
    noun: Noun,
    field: &str,
    values: &[String],
    context: &Context,
) -> Result<Option<Filter>, Failure> {
    if values.is_empty() {
        return Ok(None);
    }
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    Ok(Some(Filter::new(noun, field, Op::Eq, &values, context.now())?))
}

/// `field op time`; a mistake names the flag.
pub(crate) fn time(
    noun: Noun,
    field: &str,
    op: Op,
    value: &str,
    flag: &str,
    context: &Context,
) -> Result<Filter, Failure> {
    Filter::new(noun, field, op, &[value], context.now()).map_err(|_| {
        Failure::usage(format!(
            "{flag} '{value}' is not a time: write an age such as 24h or 7d, a date such as 2026-01-31, or RFC 3339"
        ))
    })
}

/// The fields that the columns and the filters need; everything for whole records.
pub(crate) fn fields<T: Kind>(context: &Context, filters: &[Filter]) -> Vec<&'static str> {
    if context.view.format.is_record() && context.view.columns.is_none() {
        return Vec::new();
    }
    let shown = context.view.chosen::<T>().into_iter().map(|c| c.name);
    let mut fields: Vec<&'static str> = shown.chain(filters.iter().map(|f| f.field().name)).collect();
    fields.extend(T::KEYS);
    fields.sort_unstable();
    fields.dedup();
    fields
}
