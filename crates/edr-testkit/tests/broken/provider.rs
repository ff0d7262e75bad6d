//! A provider that is broken in one way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use edr_core::{
    Alert, AlertChange, AlertQuery, Answer, Application, ApplicationQuery, AuditEvent, AuditQuery, Because,
    Capabilities, Case, CaseQuery, ConnectionState, ContainmentState, Cursor, Diagnosis, EdrProvider, Error,
    ErrorKind, Feature, FieldKind, Filter, Fit, FoundHosts, Host, HostGroup, HostGroupQuery, HostQuery, Ioc,
    IocQuery, Listed, Listing, Noun, Op, Page, Part, PartStream, Probe, Progress, Query, Raw, Receipt,
    ResponseAction, Result, Sort, Standing, Target, TenantCheck, TenantId, Vendor, Vulnerability,
    VulnerabilityQuery,
};
use futures_util::{StreamExt as _, future, stream};

/// The one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Absurd,
    AcceptedIsDone,
    AnyBatch,
    AnyCursor,
    Busy,
    CaseBlind,
    CheckFails,
    CheckIsBlind,
    DeniedIsEmpty,
    DropsLast,
    EmptyIsEnd,
    Endless,
    EverythingIsExact,
    ExpiredToken,
    FirstFilterOnly,
    FirstValueOnly,
    ForgetsTenant,
    ForgetsUid,
    GetsAnother,
    HidesOffline,
    HidesTotal,
    IgnoresBools,
    IgnoresOrders,
    IgnoresPageSize,
    IgnoresText,
    IgnoresTimes,
    IgnoresWords,
    LastIsLost,
    LosesComments,
    LosesFields,
    LosesRaw,
    LosesTags,
    LostIsNotDone,
    MissingIsDropped,
    MuteProbes,
    NamesNoTenant,
    None,
    NothingIsAnError,
    OddCapabilities,
    OffByOne,
    OldestFirst,
    Panics,
    RawIsNoJson,
    RefusesAlerts,
    RepeatIsEnd,
    ResumesLate,
    ResumesNothingLater,
    SendsTwice,
    SendsUnsupported,
    StatesUnknown,
    StripsQuotes,
    SwallowsRejected,
    TakesNothing,
    TellsWrongTotal,
    Twice,
    UnknownIsAccepted,
    UnknownIsFound,
    UnknownIsVendor,
    UnsupportedIsNotFound,
    WildcardEquals,
}

#[derive(Debug)]
pub(crate) struct Broken {
    inner: Arc<dyn EdrProvider>,
    fault: Fault,
    old: Arc<AtomicBool>,
    capabilities: Capabilities,
    busy: AtomicBool,
    pages: AtomicU64,
}

/// What the faults change in an item.
trait Bend: Listed {
    fn made_up(uid: &str) -> Self;
    fn tenant_mut(&mut self) -> &mut TenantId;
    fn uid_mut(&mut self) -> &mut String;
    fn name_mut(&mut self) -> &mut String;
    fn stamp_mut(&mut self) -> &mut Option<DateTime<Utc>>;
    fn forget_states(&mut self);
}

macro_rules! bend {
    ($item:ident, $query:ident, $name:ident, $stamp:ident) => {
        bend!($item, $query, |item| &mut item.$name, $stamp);
    };
    ($item:ident, $query:ident, |$it:ident| $name:expr, $stamp:ident) => {
        impl Bend for $item {
            fn made_up(uid: &str) -> Self {
                Self::new("memory", "fixture", uid, "{}")
            }
            fn tenant_mut(&mut self) -> &mut TenantId {
                &mut self.tenant
            }
            fn uid_mut(&mut self) -> &mut String {
                &mut self.uid
            }
            fn name_mut(&mut self) -> &mut String {
                let $it = self;
                $name
            }
            fn stamp_mut(&mut self) -> &mut Option<DateTime<Utc>> {
                &mut self.$stamp
            }
            fn forget_states(&mut self) {
                forget(self);
            }
        }

        impl Skew for $query {
            fn parts(&mut self) -> (&mut Vec<Filter>, &mut Option<u32>, &mut Option<Sort>) {
                (&mut self.filters, &mut self.page_size, &mut self.sort)
            }
        }
    };
}

/// What the faults change in a query.
trait Skew: Query {
    fn parts(&mut self) -> (&mut Vec<Filter>, &mut Option<u32>, &mut Option<Sort>);
}

bend!(Alert, AlertQuery, title, created_time);
bend!(Application, ApplicationQuery, name, installed);
bend!(AuditEvent, AuditQuery, |event| event.desc.get_or_insert_default(), time);
bend!(Case, CaseQuery, title, created_time);
bend!(Host, HostQuery, hostname, last_seen);
bend!(HostGroup, HostGroupQuery, name, created_time);
bend!(Ioc, IocQuery, value, modified_time);
bend!(Vulnerability, VulnerabilityQuery, name, created_time);

/// Only hosts have states.
fn forget(item: &mut dyn std::any::Any) {
    if let Some(host) = item.downcast_mut::<Host>() {
        host.connection_state = ConnectionState::Unknown;
        host.containment_state = ContainmentState::Unknown;
    }
}

fn remade(filter: &Filter, op: Op, values: &[String]) -> Filter {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let made = Filter::new(filter.noun(), filter.field().name, op, &values, DateTime::UNIX_EPOCH);
    made.unwrap_or_else(|_| filter.clone())
}

async fn once_later() {
    let mut waited = false;
    future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Broken {
    pub(crate) fn new(inner: Arc<dyn EdrProvider>, fault: Fault, old: Arc<AtomicBool>) -> Self {
        let mut capabilities = inner.capabilities().clone();
        if fault == Fault::OddCapabilities {
            capabilities = capabilities.with_filter(Noun::Host, "no.such.field", &[Op::Eq]);
        }
        if matches!(fault, Fault::RefusesAlerts | Fault::SendsUnsupported | Fault::UnsupportedIsNotFound) {
            capabilities = capabilities
                .without(Feature::AlertList, "no alerts here")
                .without(Feature::AlertGet, "no alerts here");
        }
        let (busy, pages) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { inner, fault, old, capabilities, busy, pages }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn skew<Q: Skew>(&self, query: &Q) -> Q {
        let mut query = query.clone();
        let (filters, size, sort) = query.parts();
        filters.retain(|f| !self.ignores(f.field().kind));
        for filter in filters.iter_mut() {
            *filter = self.misread(filter);
        }
        match self.fault {
            Fault::FirstFilterOnly => filters.truncate(1),
            Fault::IgnoresPageSize => *size = None,
            Fault::OldestFirst => {
                *sort = Q::Item::NOUN.field("created_time").map(|field| Sort { field, descending: false });
            }
            _ => {}
        }
        query
    }

    fn ignores(&self, kind: FieldKind) -> bool {
        match self.fault {
            Fault::IgnoresBools => kind == FieldKind::Bool,
            Fault::IgnoresOrders => matches!(kind, FieldKind::Severity | FieldKind::Number),
            Fault::IgnoresText => kind == FieldKind::Text,
            Fault::IgnoresTimes => kind == FieldKind::Time,
            Fault::IgnoresWords => matches!(kind, FieldKind::Enum(_)),
            _ => false,
        }
    }

    fn misread(&self, filter: &Filter) -> Filter {
        let (op, values) = (filter.op(), filter.texts());
        let text = filter.field().kind == FieldKind::Text;
        let starred = values.iter().any(|v| v.contains('*'));
        match self.fault {
            Fault::CaseBlind if text && op == Op::Eq => remade(filter, Op::Like, &values),
            Fault::WildcardEquals if text && op == Op::Eq && starred => remade(filter, Op::Like, &values),
            Fault::FirstValueOnly => remade(filter, op, &values[..1]),
            Fault::OffByOne if op == Op::Gt => remade(filter, Op::Ge, &values),
            Fault::StripsQuotes if text => {
                let plain: Vec<String> = values.iter().map(|v| v.replace(['\'', '"', '\\'], "")).collect();
                remade(filter, op, &plain)
            }
            _ => filter.clone(),
        }
    }

    /// Changes a page before it is given out.
    fn bend<T: Bend>(&self, page: &mut Page<T>, cursor: Option<&Cursor>) {
        let last = page.end.next.is_none();
        if matches!(self.fault, Fault::EmptyIsEnd | Fault::HidesTotal | Fault::RepeatIsEnd) {
            page.end.total = None;
            page.drift = edr_core::Drift::None;
        }
        match self.fault {
            Fault::DropsLast if last => {
                page.items.pop();
                page.end.total = page.end.total.map(|t| t.saturating_sub(1));
            }
            Fault::EmptyIsEnd if page.items.is_empty() => page.end.next = None,
            Fault::RepeatIsEnd if page.end.next.as_ref() == cursor && cursor.is_some() => {
                page.end.next = None;
            }
            Fault::ResumesLate if cursor.is_some() => {
                page.items.pop();
                page.end.total = None;
            }
            Fault::SwallowsRejected => {
                let swallowed = page.rejected.drain(..).count() as u64;
                page.end.total = page.end.total.filter(|_| swallowed == 0);
            }
            Fault::TellsWrongTotal => page.end.total = page.end.total.map(|t| t.saturating_sub(1)),
            Fault::Twice => page.items.extend(page.items.first().cloned()),
            _ => {}
        }
        page.items.iter_mut().for_each(|item| self.bend_item(item));
    }

    fn bend_item<T: Bend>(&self, item: &mut T) {
        match self.fault {
            Fault::Absurd => *item.stamp_mut() = Some(DateTime::UNIX_EPOCH),
            Fault::ForgetsTenant => *item.tenant_mut() = TenantId::default(),
            Fault::ForgetsUid => item.uid_mut().clear(),
            Fault::LosesRaw => *item.raw_mut() = Raw::default(),
            Fault::RawIsNoJson => *item.raw_mut() = Raw::new("{broken"),
            Fault::StatesUnknown => item.forget_states(),
            _ => {}
        }
    }

    fn blame(&self, error: Error) -> Error {
        let message = error.message().to_owned();
        match self.fault {
            Fault::NamesNoTenant => Error::new(error.kind(), message),
            Fault::UnknownIsVendor if error.is_not_found() => Error::new(ErrorKind::Vendor, message)
                .with_operation("get")
                .with_tenant(self.tenant(), self.vendor()),
            _ => error,
        }
    }

    fn before(&self, cursor: Option<&Cursor>) -> Result<()> {
        let old = self.old.load(Ordering::SeqCst);
        assert!(!self.is(Fault::Panics), "broken on purpose");
        let expired = (self.is(Fault::ExpiredToken) && old)
            || (self.is(Fault::ResumesNothingLater) && old && cursor.is_some());
        if expired {
            let error = Error::new(ErrorKind::Authentication, "the token has expired");
            return Err(error.with_tenant(self.tenant(), self.vendor()));
        }
        Ok(())
    }

    fn after<T: Bend, Q: Query<Item = T>>(
        &self,
        query: &Q,
        cursor: Option<&Cursor>,
        answer: Result<Page<T>>,
    ) -> Result<Page<T>> {
        let mut page = match answer {
            Err(e) if self.is(Fault::DeniedIsEmpty) && e.is_permission() => return Ok(Page::default()),
            other => other.map_err(|e| self.blame(e))?,
        };
        if self.is(Fault::LosesFields) && !query.fields().is_empty() {
            page.items.iter_mut().for_each(|i| i.name_mut().clear());
        }
        let empty = page.items.is_empty() && cursor.is_none();
        if self.is(Fault::NothingIsAnError) && empty {
            return Err(Error::new(ErrorKind::NotFound, "nothing").with_tenant(self.tenant(), self.vendor()));
        }
        if self.is(Fault::Endless) {
            let number = self.pages.fetch_add(1, Ordering::SeqCst);
            let print = query.fingerprint();
            page.end.next = Some(Cursor::seal(self.tenant(), T::NOUN, print, &number)?);
        }
        self.bend(&mut page, cursor);
        Ok(page)
    }

    fn found<T: Bend>(&self, answer: Result<T>) -> Result<T> {
        let mut item = answer.map_err(|e| self.blame(e))?;
        if self.is(Fault::GetsAnother) {
            item.name_mut().push_str(" of another");
        }
        self.bend_item(&mut item);
        Ok(item)
    }

    async fn page<T, Q>(&self, query: &Q, cursor: Option<&Cursor>) -> Result<Page<T>>
    where
        T: Bend + Listed<Query = Q>,
        Q: Skew<Item = T>,
    {
        self.before(cursor)?;
        if !self.alone().await {
            return Ok(Page::default());
        }
        let (asked, cursor) = (self.skew(query), cursor.filter(|_| !self.is(Fault::Endless)));
        // The inner one knows the query that was made of this one, so its cursors are made out anew.
        let theirs = cursor.map(|c| readdress(self.tenant(), c, query, &asked)).transpose();
        let mut answer = match theirs {
            Ok(cursor) => T::page(self.inner.as_ref(), &asked, cursor.as_ref()).await,
            Err(e) => Err(e.with_tenant(self.tenant(), self.vendor())),
        };
        if self.is(Fault::AnyCursor) && answer.is_err() {
            answer = T::page(self.inner.as_ref(), &asked, None).await;
        }
        let answer = answer.and_then(|p| readdressed(self.tenant(), p, &asked, query));
        self.after(query, cursor, answer)
    }

    async fn item<T: Bend>(&self, uid: &str) -> Result<T> {
        let found = T::one(self.inner.as_ref(), uid).await;
        if self.is(Fault::UnknownIsFound) && found.is_err() {
            return Ok(T::made_up(uid));
        }
        self.found(found)
    }

    /// Fails one of two calls that overlap, without saying so.
    async fn alone(&self) -> bool {
        if !self.is(Fault::Busy) {
            return true;
        }
        if self.busy.swap(true, Ordering::SeqCst) {
            return false;
        }
        once_later().await;
        self.busy.store(false, Ordering::SeqCst);
        true
    }

    /// Bends the answer of a write.
    fn answered(&self, ids: &[String], answer: Result<Vec<Receipt>>) -> Result<Vec<Receipt>> {
        match answer {
            Err(error) if self.is(Fault::AnyBatch) && error.kind() == ErrorKind::InvalidRequest => {
                Ok(ids.iter().map(|id| Receipt::new(id.as_str(), Answer::Accepted)).collect())
            }
            Err(error) if self.is(Fault::LostIsNotDone) => {
                let certain = Error::new(error.kind(), error.message().to_owned());
                Err(certain.with_operation("write").with_tenant(self.tenant(), self.vendor()))
            }
            Ok(mut receipts) if self.is(Fault::UnknownIsAccepted) => {
                receipts.iter_mut().for_each(|receipt| receipt.answer = Answer::Accepted);
                Ok(receipts)
            }
            other => other,
        }
    }

    fn refuse(&self, operation: &'static str) -> Result<()> {
        let kind = match self.fault {
            Fault::RefusesAlerts => ErrorKind::Unsupported,
            Fault::UnsupportedIsNotFound => ErrorKind::NotFound,
            _ => return Ok(()),
        };
        let error = Error::new(kind, "no alerts here").with_operation(operation);
        Err(error.with_tenant(self.tenant(), self.vendor()))
    }

    fn last_is_lost<'a, T: Send + 'a>(&self, page: Result<Page<T>>) -> PartStream<'a, T> {
        let lose = self.is(Fault::LastIsLost);
        let page = page.map(|mut page| {
            if lose {
                page.items.pop();
            }
            Part::from(page)
        });
        stream::iter([page]).boxed()
    }
}

#[async_trait]
impl EdrProvider for Broken {
    fn tenant(&self) -> &TenantId {
        self.inner.tenant()
    }

    fn vendor(&self) -> &Vendor {
        self.inner.vendor()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn check(&self) -> Result<TenantCheck> {
        match self.fault {
            Fault::CheckFails => Err(Error::new(ErrorKind::Vendor, "no")),
            Fault::CheckIsBlind => Ok(TenantCheck::default()),
            _ => self.inner.check().await,
        }
    }

    async fn diagnose_into(&self, found: &mut Diagnosis) {
        match self.fault {
            Fault::MuteProbes => found.add(Probe::skipped("hosts", "")),
            _ => found.add_check(self.check().await),
        }
    }

    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> Result<Page<Alert>> {
        self.refuse("alert_list")?;
        self.page(query, cursor).await
    }

    async fn alert(&self, uid: &str) -> Result<Alert> {
        self.refuse("alert_get")?;
        self.item(uid).await
    }

    async fn cases(&self, query: &CaseQuery, cursor: Option<&Cursor>) -> Result<Page<Case>> {
        self.page(query, cursor).await
    }

    async fn case(&self, uid: &str) -> Result<Case> {
        self.item(uid).await
    }

    async fn hosts(&self, query: &HostQuery, cursor: Option<&Cursor>) -> Result<Page<Host>> {
        self.page(query, cursor).await
    }

    async fn host(&self, uid: &str) -> Result<Host> {
        self.item(uid).await
    }

    async fn iocs(&self, query: &IocQuery, cursor: Option<&Cursor>) -> Result<Page<Ioc>> {
        self.page(query, cursor).await
    }

    async fn ioc(&self, uid: &str) -> Result<Ioc> {
        self.item(uid).await
    }

    fn ioc_fit(&self, ioc: &Ioc) -> Result<Fit> {
        match self.inner.ioc_fit(ioc) {
            Err(_) if self.is(Fault::EverythingIsExact) => Ok(Fit::Exact),
            fit => fit,
        }
    }

    async fn push_iocs(&self, iocs: &[Ioc]) -> Result<Vec<Receipt>> {
        let keys: Vec<String> = iocs.iter().map(Ioc::key).collect();
        if self.is(Fault::TakesNothing) {
            return Ok(keys.iter().map(|key| Receipt::new(key.as_str(), Answer::Accepted)).collect());
        }
        let mut sent = iocs.to_vec();
        if self.is(Fault::LosesComments) {
            sent.iter_mut().for_each(|ioc| ioc.desc = None);
        }
        self.answered(&keys, self.inner.push_iocs(&sent).await)
    }

    async fn delete_iocs(&self, uids: &[String]) -> Result<Vec<Receipt>> {
        self.answered(uids, self.inner.delete_iocs(uids).await)
    }

    async fn groups(&self, query: &HostGroupQuery, cursor: Option<&Cursor>) -> Result<Page<HostGroup>> {
        self.page(query, cursor).await
    }

    async fn group(&self, uid: &str) -> Result<HostGroup> {
        self.item(uid).await
    }

    fn group_parts<'a>(
        &'a self,
        query: &'a HostGroupQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, HostGroup> {
        let page = async move { self.last_is_lost(self.groups(query, cursor.as_ref()).await) };
        stream::once(page).flatten().boxed()
    }

    async fn applications(
        &self,
        query: &ApplicationQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Application>> {
        self.page(query, cursor).await
    }

    async fn application(&self, uid: &str) -> Result<Application> {
        self.item(uid).await
    }

    async fn vulnerabilities(
        &self,
        query: &VulnerabilityQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Vulnerability>> {
        self.page(query, cursor).await
    }

    async fn vulnerability(&self, uid: &str) -> Result<Vulnerability> {
        self.item(uid).await
    }

    async fn audit_events(&self, query: &AuditQuery, cursor: Option<&Cursor>) -> Result<Page<AuditEvent>> {
        self.page(query, cursor).await
    }

    async fn audit_event(&self, uid: &str) -> Result<AuditEvent> {
        self.item(uid).await
    }

    fn audit_event_parts<'a>(
        &'a self,
        query: &'a AuditQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, AuditEvent> {
        let page = async move { self.last_is_lost(self.audit_events(query, cursor.as_ref()).await) };
        stream::once(page).flatten().boxed()
    }

    fn application_parts<'a>(
        &'a self,
        query: &'a ApplicationQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, Application> {
        let page = async move { self.last_is_lost(self.applications(query, cursor.as_ref()).await) };
        stream::once(page).flatten().boxed()
    }

    fn vulnerability_parts<'a>(
        &'a self,
        query: &'a VulnerabilityQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, Vulnerability> {
        let page = async move { self.last_is_lost(self.vulnerabilities(query, cursor.as_ref()).await) };
        stream::once(page).flatten().boxed()
    }

    fn alert_parts<'a>(&'a self, query: &'a AlertQuery, cursor: Option<Cursor>) -> PartStream<'a, Alert> {
        let page = async move { self.last_is_lost(self.alerts(query, cursor.as_ref()).await) };
        stream::once(page).flatten().boxed()
    }

    fn case_parts<'a>(&'a self, query: &'a CaseQuery, cursor: Option<Cursor>) -> PartStream<'a, Case> {
        let page = async move { self.last_is_lost(self.cases(query, cursor.as_ref()).await) };
        stream::once(page).flatten().boxed()
    }

    async fn hosts_by_uid(&self, uids: &[String]) -> Result<FoundHosts> {
        let mut found = self.inner.hosts_by_uid(uids).await?;
        if self.is(Fault::MissingIsDropped) {
            found.missing.clear();
        }
        Ok(found)
    }

    async fn respond(
        &self,
        action: &ResponseAction,
        hosts: &[String],
        because: &Because,
    ) -> Result<Vec<Receipt>> {
        if self.is(Fault::LosesTags) && matches!(action, ResponseAction::Tag { .. }) {
            return Ok(hosts.iter().map(|id| Receipt::new(id.as_str(), Answer::Accepted)).collect());
        }
        let mut answer = self.inner.respond(action, hosts, because).await;
        if self.is(Fault::SendsTwice) && answer.is_err() {
            answer = self.inner.respond(action, hosts, because).await;
        }
        self.answered(hosts, answer)
    }

    async fn progress(&self, action: &ResponseAction, targets: &[Target]) -> Result<Vec<Progress>> {
        let mut all = self.inner.progress(action, targets).await?;
        for progress in &mut all {
            match (self.fault, &progress.standing) {
                (Fault::AcceptedIsDone, _) => progress.standing = Standing::Done,
                (Fault::HidesOffline, Standing::PendingOffline) => progress.standing = Standing::Pending,
                _ => {}
            }
        }
        Ok(all)
    }

    fn alert_fit(&self, change: &AlertChange) -> Result<Fit> {
        if self.is(Fault::EverythingIsExact) { Ok(Fit::Exact) } else { self.inner.alert_fit(change) }
    }

    async fn update_alerts(&self, change: &AlertChange, alerts: &[String]) -> Result<Vec<Receipt>> {
        let mut change = change.clone();
        if self.is(Fault::LosesComments) {
            change.comment = change.comment.map(|_| "lost".to_owned());
        }
        let mut answer = self.inner.update_alerts(&change, alerts).await;
        if self.is(Fault::SendsTwice) && answer.is_err() {
            answer = self.inner.update_alerts(&change, alerts).await;
        }
        self.answered(alerts, answer)
    }

    fn host_parts<'a>(&'a self, query: &'a HostQuery, cursor: Option<Cursor>) -> PartStream<'a, Host> {
        let page = async move { self.last_is_lost(self.hosts(query, cursor.as_ref()).await) };
        stream::once(page).flatten().boxed()
    }

    fn ioc_parts<'a>(&'a self, query: &'a IocQuery, cursor: Option<Cursor>) -> PartStream<'a, Ioc> {
        let page = async move { self.last_is_lost(self.iocs(query, cursor.as_ref()).await) };
        stream::once(page).flatten().boxed()
    }
}

/// A cursor of `from`'s, made out to `to`.
fn readdress<Q: Query>(tenant: &TenantId, cursor: &Cursor, from: &Q, to: &Q) -> Result<Cursor> {
    let state: Raw = cursor.open(tenant, Q::Item::NOUN, from.fingerprint())?;
    Cursor::seal(tenant, Q::Item::NOUN, to.fingerprint(), &state)
}

/// A page of `from`'s, with its cursor made out to `to`.
fn readdressed<Q: Query>(
    tenant: &TenantId,
    mut page: Page<Q::Item>,
    from: &Q,
    to: &Q,
) -> Result<Page<Q::Item>> {
    if let Some(next) = &page.end.next {
        page.end.next = Some(readdress(tenant, next, from, to)?);
    }
    Ok(page)
}
