//! All tenants at once: bounded, fair, and each with its own outcome.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use edr_core::clock::{Clock, SystemClock};
use edr_core::{
    Alert, AlertQuery, Diagnosis, EdrProvider, EdrProviderExt as _, Error, ErrorKind, Gap, Host, HostQuery,
    Listed, Listing, Outcome, Probe, Query, Rejected, Result, TenantCheck, TenantId, Vendor, Walked, Warning,
};
use edr_http::{RetryPolicy, TokenStore, TransportOptions};
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{BoxStream, Stream};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::registry::{self, Native};
use crate::turn::Turns;
use crate::{Config, Selection};

/// Looks a variable of the environment up.
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Settings that hold for all tenants.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// How many tenants are read at the same time. One whose vendor lets it wait stands aside meanwhile, and
    /// so up to twice as many can be under way.
    pub concurrency: usize,
    /// Time for a whole listing, and half as much before it for programs that print secrets; what has arrived by then is kept, and
    /// the rest is named as missing.
    pub deadline: Option<Duration>,
    /// When single requests are tried again; each vendor's own choice when absent.
    pub policy: Option<RetryPolicy>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The environment, for secrets that come from there.
    pub env: Lookup,
    /// The connection settings, where the configuration does not say otherwise.
    pub transport: TransportOptions,
    /// Where tokens are shared with other processes; nowhere when absent. [`crate::FileTokenStore`] is one.
    pub token_store: Option<Arc<dyn TokenStore>>,
}

/// What is read of a tenant waits mostly for its vendor: with fewer at a time, an estate takes as many round trips more.
const CONCURRENCY: usize = 256;

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: CONCURRENCY,
            deadline: None,
            policy: None,
            clock: SystemClock::shared(),
            env: Arc::new(|name| std::env::var(name).ok()),
            transport: TransportOptions::default(),
            token_store: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("concurrency", &self.concurrency)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// One tenant of the estate. A tenant that cannot be connected is a member, too: it fails loudly and
/// alone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member {
    /// The tenant's name.
    pub tenant: TenantId,
    /// The vendor.
    pub vendor: Vendor,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its provider, or why there is none.
    pub provider: Result<Arc<dyn EdrProvider>>,
    pub(crate) native: Native,
    /// The customer id of a child of Flight Control.
    pub(crate) customer: Option<String>,
    /// The customer ids of other members: what a parent shows of their items is theirs to show.
    pub(crate) elsewhere: Arc<HashSet<String>>,
}

/// How one tenant's listing ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TenantOutcome {
    /// The tenant.
    pub tenant: TenantId,
    /// The vendor.
    pub vendor: Vendor,
    /// Complete, partial or failed.
    pub outcome: Outcome,
    /// Distinct items that were given out.
    pub items: u64,
    /// Items that arrived more than once.
    pub duplicates: u64,
}

/// One event of a listing over all tenants. Exhaustive on purpose: an event that is ignored should
/// be ignored in writing.
#[derive(Clone, Debug)]
pub enum EstateEvent<T> {
    /// A tenant has ended. Each tenant ends exactly once.
    Done(TenantOutcome),
    /// New items of one tenant.
    Items(Vec<T>),
    /// An item that could not be decoded.
    Rejected(Rejected),
    /// Something the caller should know.
    Warning(Warning),
}

/// What a search for one thing found, and how each tenant's part of the search ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found<T> {
    /// The matches, with their tenants.
    pub items: Vec<T>,
    /// Each tenant's outcome. Nothing found is proven only where it is complete.
    pub outcomes: Vec<TenantOutcome>,
}

/// Every tenant that was selected.
#[derive(Clone, Debug)]
pub struct Estate {
    members: Vec<Member>,
    concurrency: usize,
    deadline: Option<Duration>,
    warnings: Vec<Warning>,
}

impl Estate {
    /// Connects the selected tenants. Nothing is sent; a tenant whose secret or certificate cannot be read
    /// is a member that fails.
    ///
    /// Tenants that use one account of a vendor share its rate budget and take turns in it. Tenants
    /// that get their tokens at one host share the pace of asking for them.
    ///
    /// Children of Flight Control that are not in the configuration themselves (`children = true`) have to
    /// be asked for: [`Self::discover`] does. Here they are a member `acme/*` that fails.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when the selection names an unknown tenant or selects nothing.
    pub fn connect(config: &Config, selection: &Selection, options: &Options) -> Result<Self> {
        let chosen = config.choose(selection)?;
        let mut connector = registry::Connector::new(options, &chosen.tenants);
        let mut members: Vec<Member> =
            chosen.tenants.iter().map(|t| connector.member(t, &config.network)).collect();
        let unasked =
            Error::new(ErrorKind::Configuration, "nobody has asked for the children of this parent")
                .with_hint("connect with Estate::discover");
        members.extend(chosen.parents.iter().flat_map(|wanted| wanted.lost(&unasked)));
        Ok(Self::with(members, options))
    }

    pub(crate) fn with(mut members: Vec<Member>, options: &Options) -> Self {
        members.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        let customers: HashSet<String> = members.iter().filter_map(|m| m.customer.clone()).collect();
        let customers = Arc::new(customers);
        members.iter_mut().for_each(|member| member.elsewhere = customers.clone());
        let (concurrency, deadline) = (options.concurrency, options.deadline);
        Self { members, concurrency, deadline, warnings: Vec::new() }
    }

    pub(crate) fn warned(self, warnings: Vec<Warning>) -> Self {
        Self { warnings, ..self }
    }

    /// An estate of providers, for providers of one's own and for tests.
    #[must_use]
    pub fn of(providers: impl IntoIterator<Item = Arc<dyn EdrProvider>>) -> Self {
        let member = |provider: Arc<dyn EdrProvider>| Member {
            tenant: provider.tenant().clone(),
            vendor: provider.vendor().clone(),
            tags: Vec::new(),
            provider: Ok(provider),
            native: Native::Other,
            customer: None,
            elsewhere: Arc::default(),
        };
        Self {
            members: providers.into_iter().map(member).collect(),
            concurrency: CONCURRENCY,
            deadline: None,
            warnings: Vec::new(),
        }
    }

    /// Sets the time for a whole listing.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The tenants.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What [`Self::discover`] has to say about the tenants that it found, and that is no failure.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Everything that a query asks for, of all tenants, as it arrives. Dropping the stream stops every request.
    ///
    /// ```
    /// # async fn run(estate: edr::Estate) {
    /// let cases = estate.list(edr::CaseQuery::new().severity_at_least(edr::Severity::High));
    /// # drop(cases);
    /// # }
    /// ```
    #[must_use]
    pub fn list<Q>(&self, query: Q) -> EstateStream<Q::Item>
    where
        Q: Query,
        Q::Item: Listed<Query = Q>,
    {
        self.fan_out(move |provider, way| {
            let query = query.clone();
            async move { forward(provider.walk(&query), way).await }.boxed()
        })
    }

    /// All hosts of all tenants, as they arrive; see [`Self::list`].
    #[must_use]
    pub fn hosts(&self, query: HostQuery) -> EstateStream<Host> {
        self.list(query)
    }

    /// All alerts of all tenants, as they arrive; newest first within each tenant.
    #[must_use]
    pub fn alerts(&self, query: AlertQuery) -> EstateStream<Alert> {
        self.list(query)
    }

    /// Every host with this id or name, in all tenants.
    pub async fn find_hosts(&self, term: &str) -> Found<Host> {
        self.search(|provider| {
            let term = term.to_owned();
            async move {
                match provider.host(&term).await {
                    Ok(host) => Ok(vec![host]),
                    Err(e) if is_no_such_id(&e) => provider.find_hosts(&term).await,
                    Err(e) => Err(e),
                }
            }
            .boxed()
        })
        .await
    }

    /// The item with this id, in all tenants.
    pub async fn find<T: Listed>(&self, uid: &str) -> Found<T> {
        self.search(|provider| {
            let uid = uid.to_owned();
            async move {
                match T::one(provider.as_ref(), &uid).await {
                    Ok(item) => Ok(vec![item]),
                    Err(e) if is_no_such_id(&e) => Ok(Vec::new()),
                    Err(e) => Err(e),
                }
            }
            .boxed()
        })
        .await
    }

    /// The alert with this id, in all tenants.
    pub async fn find_alerts(&self, uid: &str) -> Found<Alert> {
        self.find(uid).await
    }

    /// Asks every tenant for something harmless; in the order of the members.
    pub async fn check(&self) -> Vec<(Member, Result<TenantCheck>)> {
        self.each(|provider| async move { provider.check().await }.boxed()).await
    }

    /// Gives back what the tenants hold at their vendors ([`EdrProvider::close`]); what could not be given
    /// back, by tenant. The estate stays usable.
    pub async fn close(&self) -> Vec<Error> {
        let providers = self.members.iter().filter_map(|m| m.provider.as_ref().ok());
        let closed = providers.map(|provider| async move {
            let error = provider.close().await.err()?;
            Some(error.with_tenant(provider.tenant(), provider.vendor()))
        });
        let closed = futures_util::stream::iter(closed).buffer_unordered(self.concurrency.max(1));
        closed.filter_map(std::future::ready).collect().await
    }

    /// Looks at every tenant, probe by probe; each as soon as it is there, in no order. A tenant that could not
    /// be connected has that as its one probe, and one whose time runs out keeps what was found by then.
    pub fn diagnose(&self) -> BoxStream<'_, (Member, Diagnosis)> {
        self.diagnose_until(std::future::pending())
    }

    /// As [`Self::diagnose`], until `stopped` is ready. A tenant whose turn has not ended by then keeps what
    /// was found, and a probe `time` that is skipped says that there is more to look at.
    pub fn diagnose_until<'a>(
        &'a self,
        stopped: impl Future<Output = ()> + Send + 'a,
    ) -> BoxStream<'a, (Member, Diagnosis)> {
        let (until, stopped) = (self.until(), stopped.boxed().shared());
        let looks = self.members.iter().map(move |member| {
            let stopped = stopped.clone();
            async move { (member.clone(), self.look(member, until, stopped).await) }
        });
        futures_util::stream::iter(looks).buffer_unordered(self.concurrency.max(1)).boxed()
    }

    async fn look(
        &self,
        member: &Member,
        until: Option<Instant>,
        stopped: impl Future<Output = ()>,
    ) -> Diagnosis {
        let mut found = Diagnosis::new();
        match &member.provider {
            Err(error) => {
                let hint = "mend this tenant's configuration: docs/CONFIGURATION.md has every key and every source of a secret";
                found.add(Probe::failed("configuration", error.clone().with_hint(hint)));
            }
            Ok(provider) => {
                let cut = tokio::select! {
                    biased;
                    () = stopped => Some(Probe::skipped("time", "stopped before everything was looked at")),
                    late = self.over(until) => Some(late),
                    () = provider.diagnose_into(&mut found) => None,
                };
                found.probes.extend(cut);
            }
        }
        found.name(&member.tenant, &member.vendor);
        found
    }

    /// Waits for the end of the time, if there is one.
    async fn over(&self, until: Option<Instant>) -> Probe {
        let (Some(until), Some(deadline)) = (until, self.deadline) else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until(until).await;
        let hint = "what comes next did not answer in time: raise --timeout";
        Probe::failed("time", out_of_time(deadline)).advising(hint)
    }

    /// The end of the time for all members together: one that has to wait for its turn has no longer.
    fn until(&self) -> Option<Instant> {
        self.deadline.map(|d| Instant::now() + d)
    }

    async fn timed<T>(
        &self,
        until: Option<Instant>,
        provider: &dyn EdrProvider,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (Some(until), Some(deadline)) = (until, self.deadline) else { return work.await };
        let late = |_| out_of_time(deadline).with_tenant(provider.tenant(), provider.vendor());
        tokio::time::timeout_at(until, work).await.map_err(late)?
    }

    /// Asks every tenant on its turn; the answers are in the order of the members.
    pub(crate) async fn each<T>(
        &self,
        ask: impl Fn(Arc<dyn EdrProvider>) -> Asked<T>,
    ) -> Vec<(Member, Result<T>)> {
        let (turns, until) = (Turns::new(self.concurrency), self.until());
        let asked = self.members.iter().map(|member| {
            let work = member.provider.clone().map(|provider| (provider.clone(), ask(provider)));
            let turns = turns.clone();
            async move {
                let answer = match work {
                    Ok((provider, work)) => {
                        let mut turn = turns.take().await;
                        turn.wait(self.timed(until, provider.as_ref(), work)).await
                    }
                    Err(error) => Err(error),
                };
                (member.clone(), answer)
            }
        });
        join_all(asked).await
    }

    async fn search<T: Listing>(&self, find: impl Fn(Arc<dyn EdrProvider>) -> Asked<Vec<T>>) -> Found<T> {
        let mut all = Found { items: Vec::new(), outcomes: Vec::new() };
        for (member, found) in self.each(find).await {
            let (items, outcome) = match found {
                Ok(mut items) => {
                    items.retain(|item| member.owns(item));
                    (items, Outcome::Complete)
                }
                Err(error) => (Vec::new(), Outcome::Failed { error }),
            };
            all.outcomes.push(member.done(outcome, items.len() as u64, 0));
            all.items.extend(items);
        }
        all
    }

    fn fan_out<T, F>(&self, run: F) -> EstateStream<T>
    where
        T: Listing,
        F: Fn(Arc<dyn EdrProvider>, Way<T>) -> BoxFuture<'static, ()>,
    {
        // Few batches are under way, so that a slow reader slows the vendors down and not memory up.
        let (sender, receiver) = mpsc::channel(self.members.len().clamp(4, 32));
        let turns = Turns::new(self.concurrency);
        let deadline = self.until();
        let (mut open, mut tasks) = (BTreeMap::new(), JoinSet::new());
        for member in &self.members {
            let (out, member, given) = (sender.clone(), member.clone(), Arc::<AtomicU64>::default());
            open.insert(member.tenant.clone(), (member.clone(), given.clone()));
            match member.provider.clone() {
                Err(error) => {
                    tasks.spawn(async move {
                        let done = member.done(Outcome::Failed { error }, 0, 0);
                        let _ = out.send(EstateEvent::Done(done)).await;
                    });
                }
                Ok(provider) => {
                    tasks.spawn(run(provider, Way { out, turns: turns.clone(), deadline, member, given }));
                }
            }
        }
        EstateStream { receiver, open, _tasks: tasks }
    }
}

impl Member {
    fn done(&self, outcome: Outcome, items: u64, duplicates: u64) -> TenantOutcome {
        TenantOutcome { tenant: self.tenant.clone(), vendor: self.vendor.clone(), outcome, items, duplicates }
    }

    /// The end of a listing that came to none, after so many items.
    fn cut_short(&self, error: Error, items: u64) -> TenantOutcome {
        let error = error.with_tenant(&self.tenant, &self.vendor);
        let outcome = if items == 0 {
            Outcome::Failed { error }
        } else {
            let reason = format!("an unknown number of items is missing: {error}");
            Outcome::Partial { gaps: vec![Gap { reason, missing: None }], error: Some(error) }
        };
        self.done(outcome, items, 0)
    }
}

fn is_no_such_id(error: &Error) -> bool {
    error.is_not_found() || (error.kind() == ErrorKind::InvalidRequest && error.attempts() == 0)
}

fn out_of_time(deadline: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("the {:.0?} for the whole command ran out", deadline))
        .with_hint("raise --timeout, or narrow the query")
}

/// The answer of one tenant, under way.
pub(crate) type Asked<T> = BoxFuture<'static, Result<T>>;

/// What a tenant's task needs: where its events go, its turn, when its time is over, whose it is, and
/// where it counts what it has given out.
struct Way<T> {
    out: mpsc::Sender<EstateEvent<T>>,
    turns: Turns,
    deadline: Option<Instant>,
    member: Member,
    given: Arc<AtomicU64>,
}

/// Sends a walk's events on. A receiver that is gone ends the walk.
async fn forward<T: Listing>(mut walk: BoxStream<'_, Walked<T>>, way: Way<T>) {
    let Way { out, turns, deadline, member, given } = way;
    let limit = deadline.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
    let mut turn = turns.take().await;
    let mut others = 0;
    loop {
        let event = match deadline {
            None => turn.wait(walk.next()).await,
            Some(at) => match tokio::time::timeout_at(at, turn.wait(walk.next())).await {
                Ok(event) => event,
                Err(_) => {
                    let done = member.cut_short(out_of_time(limit), given.load(Ordering::Relaxed));
                    let _ = out.send(EstateEvent::Done(done)).await;
                    return;
                }
            },
        };
        let event = match event {
            None => return,
            Some(Walked::Items(mut items)) => {
                others += items.len() as u64;
                items.retain(|item| member.owns(item));
                others -= items.len() as u64;
                given.fetch_add(items.len() as u64, Ordering::Relaxed);
                EstateEvent::Items(items)
            }
            Some(Walked::Rejected(rejected)) => EstateEvent::Rejected(rejected),
            Some(Walked::Warning(warning)) => EstateEvent::Warning(warning),
            Some(Walked::End { outcome, items, duplicates }) => {
                EstateEvent::Done(member.done(outcome, items.saturating_sub(others), duplicates))
            }
            Some(_) => continue,
        };
        if out.send(event).await.is_err() {
            return;
        }
    }
}

/// The events of all tenants, as they arrive. Ends after every tenant has ended.
pub struct EstateStream<T> {
    receiver: mpsc::Receiver<EstateEvent<T>>,
    /// Tenants that have not ended, with how many items each has given out. One that vanishes without an
    /// end is reported, not forgotten.
    open: BTreeMap<TenantId, (Member, Arc<AtomicU64>)>,
    _tasks: JoinSet<()>,
}

impl<T> fmt::Debug for EstateStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EstateStream")
            .field("open", &self.open.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl<T> Stream for EstateStream<T> {
    type Item = EstateEvent<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<EstateEvent<T>>> {
        let event = std::task::ready!(self.receiver.poll_recv(context));
        if let Some(event) = event {
            if let EstateEvent::Done(done) = &event {
                self.open.remove(&done.tenant);
            }
            return Poll::Ready(Some(event));
        }
        let lost = self.open.pop_first().map(|(_, (member, given))| {
            let error = Error::new(ErrorKind::Cancelled, "the tenant's task ended without an outcome")
                .with_hint("this is a defect: please report it with the output of --debug");
            EstateEvent::Done(member.cut_short(error, given.load(Ordering::Relaxed)))
        });
        Poll::Ready(lost)
    }
}

#[cfg(test)]
mod tests {
    use edr_core::{Cursor, InMemory, InMemoryBuilder, Noun, Script};

    use super::*;

    fn provider(tenant: &str, hosts: u32) -> Arc<dyn EdrProvider> {
        Arc::new(in_memory(tenant, hosts))
    }

    fn in_memory(tenant: &str, hosts: u32) -> InMemory {
        let host = |i| {
            let mut host = Host::new("v", tenant, &format!("{i:032x}"), "{}");
            host.hostname = format!("HOST-{i}");
            host
        };
        (0..hosts).fold(InMemory::builder(tenant).page_size(7), |b, i| b.host(host(i))).build()
    }

    async fn run(estate: &Estate) -> (usize, Vec<(String, bool)>) {
        let (mut items, mut done) = (0, Vec::new());
        let mut events = estate.hosts(HostQuery::new());
        while let Some(event) = events.next().await {
            match event {
                EstateEvent::Items(more) => items += more.len(),
                EstateEvent::Done(end) => done.push((end.tenant.to_string(), end.outcome.is_complete())),
                _ => {}
            }
        }
        done.sort();
        (items, done)
    }

    #[tokio::test]
    async fn every_tenant_ends_once_and_a_failure_stays_alone() {
        let broken = in_memory("b", 10);
        broken.script(Script::BadItem(0));
        let mut estate = Estate::of([provider("a", 20), Arc::new(broken) as _, provider("c", 0)]);
        let error = Error::new(ErrorKind::Configuration, "no secret");
        estate.members.push(Member { tenant: "d".into(), provider: Err(error), ..estate.members[0].clone() });
        let (items, done) = run(&estate).await;
        assert_eq!(items, 29);
        let expected = [("a", true), ("b", false), ("c", true), ("d", false)];
        assert_eq!(done, expected.map(|(t, c)| (t.to_owned(), c)));
    }

    #[tokio::test]
    async fn a_search_looks_everywhere_by_id_and_by_name() {
        let estate = Estate::of([provider("a", 3), provider("b", 3)]);
        assert_eq!(estate.find_hosts("HOST-1").await.items.len(), 2);
        assert_eq!(estate.find_hosts("host-1").await.items.len(), 2);
        assert_eq!(estate.find_hosts(&format!("{:032x}", 2)).await.items.len(), 2);
        let none = estate.find_hosts("HOST-9").await;
        assert!(none.items.is_empty() && none.outcomes.iter().all(|o| o.outcome.is_complete()));
    }

    /// Never answers, or dies after so many pages of one host.
    #[derive(Debug)]
    struct Stuck(TenantId, Vendor, edr_core::Capabilities, Option<u32>);

    #[async_trait::async_trait]
    impl EdrProvider for Stuck {
        fn tenant(&self) -> &TenantId {
            &self.0
        }
        fn vendor(&self) -> &Vendor {
            &self.1
        }
        fn capabilities(&self) -> &edr_core::Capabilities {
            &self.2
        }
        async fn check(&self) -> Result<TenantCheck> {
            std::future::pending().await
        }
        async fn hosts(&self, _: &HostQuery, at: Option<&Cursor>) -> Result<edr_core::Page<Host>> {
            let Some(pages) = self.3 else { return std::future::pending().await };
            let page: u32 = at.map_or(Ok(0), |at| at.open(&self.0, Noun::Host, 0))?;
            assert!(page < pages, "a defect in a provider");
            let next = Some(Cursor::seal(&self.0, Noun::Host, 0, &(page + 1))?);
            Ok(edr_core::Page {
                items: vec![Host::new("v", self.0.as_str(), &format!("{page:032x}"), "{}")],
                end: edr_core::PageEnd { next, total: None },
                ..edr_core::Page::default()
            })
        }
        async fn host(&self, _: &str) -> Result<Host> {
            std::future::pending().await
        }
        async fn alerts(&self, _: &AlertQuery, _: Option<&Cursor>) -> Result<edr_core::Page<Alert>> {
            std::future::pending().await
        }
        async fn alert(&self, _: &str) -> Result<Alert> {
            std::future::pending().await
        }
    }

    fn stuck(tenant: &str, dies: Option<u32>) -> Arc<dyn EdrProvider> {
        Arc::new(Stuck(tenant.into(), "v".into(), edr_core::Capabilities::new(), dies))
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_cuts_the_slow_and_spares_the_rest() {
        let estate =
            Estate::of([provider("a", 5), stuck("slow", None)]).with_deadline(Duration::from_secs(5));
        let (items, done) = run(&estate).await;
        assert_eq!((items, done), (5, vec![("a".into(), true), ("slow".into(), false)]));
        assert!(estate.check().await[1].1.as_ref().is_err_and(Error::is_timeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_diagnosis_covers_every_tenant_and_keeps_what_it_has() {
        let broken = in_memory("b", 1);
        let mut estate = Estate::of([provider("a", 2), Arc::new(broken) as _, stuck("slow", None)])
            .with_deadline(Duration::from_secs(5));
        let error = Error::new(ErrorKind::Configuration, "no secret");
        let (tenant, vendor) = ("d".into(), "v".into());
        estate.members.push(Member { tenant, vendor, provider: Err(error), ..estate.members[0].clone() });
        let mut all: Vec<_> = estate.diagnose().collect().await;
        assert_eq!(all.last().unwrap().0.tenant.as_str(), "slow", "the others do not wait for it");
        all.sort_by(|(a, _), (b, _)| a.tenant.cmp(&b.tenant));
        let failed: Vec<(&str, Option<&str>)> = all
            .iter()
            .map(|(member, found)| {
                let failed = found.probes.iter().find(|p| p.is_failed());
                (member.tenant.as_str(), failed.map(|p| p.name.as_ref()))
            })
            .collect();
        let expected = [("a", None), ("b", None), ("d", Some("configuration")), ("slow", Some("time"))];
        assert_eq!(failed, expected);
        assert!(all.iter().flat_map(|(_, f)| f.failures()).all(|e| e.tenant().is_some()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_diagnosis_that_is_stopped_keeps_what_it_has() {
        let mut estate = Estate::of([stuck("slow", None), provider("a", 2), stuck("waits", None)]);
        estate.concurrency = 2;
        let stopped = tokio::time::sleep(Duration::from_secs(3));
        let all: Vec<_> = estate.diagnose_until(stopped).collect().await;
        let state = |(member, found): &(Member, Diagnosis)| {
            (member.tenant.to_string(), found.probe("time").map(|p| p.state), found.works())
        };
        let mut ended: Vec<_> = all.iter().map(state).collect();
        assert_eq!(ended[0], ("a".to_owned(), None, true), "it does not wait for the slow one before it");
        ended.sort_by(|a, b| a.0.cmp(&b.0));
        let cut = |name: &str| (name.to_owned(), Some(edr_core::ProbeState::Skipped), true);
        assert_eq!(ended[1..], [cut("slow"), cut("waits")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_tenant_leaves_its_turn_to_the_next() {
        let mut estate = Estate::of([stuck("a-slow", None), provider("b", 5)]);
        estate.concurrency = 1;
        let estate = estate.with_deadline(Duration::from_secs(60));
        let (mut events, began) = (estate.hosts(HostQuery::new()), Instant::now());
        let mut ends = Vec::new();
        while let Some(event) = events.next().await {
            if let EstateEvent::Done(end) = event {
                ends.push((end.tenant.to_string(), began.elapsed().as_secs()));
            }
        }
        assert_eq!(ends, [("b".to_owned(), 0), ("a-slow".to_owned(), 60)]);
        let found = estate.find_hosts("HOST-1").await;
        assert_eq!((found.items.len(), began.elapsed().as_secs()), (1, 120), "one deadline for all");
    }

    /// Three hosts of a parent, of which two are its child's, and the same two of the child.
    fn family() -> Estate {
        let of = |tenant: &str, owners: &[&str]| {
            let hosts = owners.iter().enumerate().map(|(i, owner)| {
                let mut host = Host::new("v", tenant, &format!("{owner}{i:04x}"), "{}");
                (host.hostname, host.tenant_uid) = ("SAME".into(), Some((*owner).to_owned()));
                host
            });
            Arc::new(hosts.fold(InMemory::builder(tenant), InMemoryBuilder::host).build()) as _
        };
        let mut estate = Estate::of([of("acme", &["aa", "bb", "bb"]), of("acme/bank", &["bb", "bb"])]);
        estate.members[1].customer = Some("bb".into());
        estate
    }

    #[tokio::test]
    async fn what_a_parent_shows_of_a_child_comes_from_the_child_alone() {
        let counts = |estate: Estate| async move {
            let (mut items, mut told) = (0, Vec::new());
            let mut events = estate.hosts(HostQuery::new());
            while let Some(event) = events.next().await {
                match event {
                    EstateEvent::Items(more) => items += more.len(),
                    EstateEvent::Done(end) => told.push((end.tenant.to_string(), end.items)),
                    _ => {}
                }
            }
            told.sort();
            (items, told, estate.find_hosts("SAME").await.items.len())
        };
        let alone = Estate::of([family().members[0].provider.clone().unwrap()]);
        assert_eq!(counts(alone).await, (3, vec![("acme".to_owned(), 3)], 3));
        let both = Estate::with(family().members, &Options::default());
        let told = vec![("acme".to_owned(), 1), ("acme/bank".to_owned(), 2)];
        assert_eq!(counts(both).await, (3, told, 3));
    }

    #[tokio::test]
    async fn a_task_that_dies_is_reported() {
        for given in [0, 2] {
            let estate = Estate::of([provider("a", 5), stuck("dies", Some(given))]);
            let items = 5 + given as usize;
            assert_eq!(run(&estate).await, (items, vec![("a".into(), true), ("dies".into(), false)]));
            let events: Vec<_> = estate.hosts(HostQuery::new()).collect().await;
            let end = events.iter().find_map(|event| match event {
                EstateEvent::Done(end) if end.tenant.as_str() == "dies" => Some(end),
                _ => None,
            });
            let end = end.unwrap();
            let failed = matches!(end.outcome, Outcome::Failed { .. });
            assert_eq!((end.items, failed), (u64::from(given), given == 0), "{:?}", end.outcome);
            assert!(end.outcome.error().unwrap().tenant().is_some());
        }
    }
}
