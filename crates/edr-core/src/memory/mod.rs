//! A provider in memory: the reference semantics, and a fixture for the tests of users.

mod alert_work;
mod deeds;
mod nouns;
mod script;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, SystemClock};
use crate::{
    Alert, AlertChange, AlertQuery, Application, ApplicationQuery, AuditEvent, AuditQuery, Because,
    Capabilities, Case, CaseChange, CaseQuery, Cursor, Drift, EdrProvider, Error, ErrorKind, Feature, Fit,
    FoundHosts, Host, HostGroup, HostGroupQuery, HostHistory, HostQuery, Ioc, IocQuery, Listing, Noun, Op,
    Page, PageEnd, Progress, Query, Raw, Receipt, Rejected, ResponseAction, Result, Risk, Target,
    TenantCheck, TenantId, Vendor, Verdict, Vulnerability, VulnerabilityQuery,
};
use nouns::{Kept as _, Shelf};

use deeds::Order;
pub use script::{Mutation, Quirk, Script};

/// A provider in memory. Cheap to clone; clones share their content.
///
/// ```
/// use edr_core::{EdrProvider, Host, InMemory};
/// let provider = InMemory::builder("acme").host(Host::new("memory", "acme", "1", "{}")).build();
/// assert_eq!(provider.tenant().as_str(), "acme");
/// ```
#[derive(Clone)]
pub struct InMemory {
    tenant: TenantId,
    vendor: Vendor,
    capabilities: Arc<Capabilities>,
    page_size: u32,
    /// After how many looks an online host's sensor confirms; never by itself when `None`.
    settles_after: Option<u32>,
    /// Verdicts that cannot be expressed, and the nearest ones.
    nearest: Arc<[(Verdict, Verdict)]>,
    clock: Arc<dyn Clock>,
    content: Arc<Mutex<Content>>,
}

#[derive(Default)]
struct Content {
    hosts: Vec<Host>,
    alerts: Vec<Alert>,
    shelf: Shelf,
    scripts: Vec<Script>,
    quirks: HashMap<String, Quirk>,
    orders: Vec<Order>,
    mutations: Vec<Mutation>,
    requests: u64,
    writes: u64,
}

/// Builds an [`InMemory`].
#[derive(Debug)]
pub struct InMemoryBuilder {
    tenant: TenantId,
    vendor: Vendor,
    page_size: u32,
    batch: u32,
    settles_after: Option<u32>,
    lacking: Vec<(Feature, String)>,
    nearest: Vec<(Verdict, Verdict)>,
    clock: Arc<dyn Clock>,
    hosts: Vec<Host>,
    alerts: Vec<Alert>,
    shelf: Shelf,
}

impl InMemoryBuilder {
    /// The vendor's word; `memory` unless set.
    #[must_use]
    pub fn vendor(mut self, vendor: &str) -> Self {
        self.vendor = vendor.into();
        self
    }

    /// The largest page; 100 unless set.
    #[must_use]
    pub fn page_size(mut self, size: u32) -> Self {
        self.page_size = size.max(1);
        self
    }

    /// The most targets that one write takes; 100 unless set.
    #[must_use]
    pub fn batch(mut self, size: u32) -> Self {
        self.batch = size.max(1);
        self
    }

    /// Takes a feature away, with the reason.
    #[must_use]
    pub fn without(mut self, feature: Feature, reason: &str) -> Self {
        self.lacking.push((feature, reason.to_owned()));
        self
    }

    /// Lets the sensor of an online host confirm at this look at the tenant's hosts, counted from 1. Unless
    /// set, it confirms only when [`InMemory::settle`] says so.
    #[must_use]
    pub fn settles_after(mut self, looks: u32) -> Self {
        self.settles_after = Some(looks.max(1));
        self
    }

    /// Makes a verdict one that cannot be expressed, with the one that stands nearest.
    #[must_use]
    pub fn nearest(mut self, wanted: Verdict, sent: Verdict) -> Self {
        self.nearest.push((wanted, sent));
        self
    }

    /// The clock that dates what is read back.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a host; its tenant and vendor become the provider's.
    #[must_use]
    pub fn host(mut self, host: Host) -> Self {
        self.hosts.push(host);
        self
    }

    /// Adds an alert; its tenant and vendor become the provider's.
    #[must_use]
    pub fn alert(mut self, alert: Alert) -> Self {
        self.alerts.push(alert);
        self
    }

    /// Adds a case; its tenant and vendor become the provider's.
    #[must_use]
    pub fn case(mut self, case: Case) -> Self {
        self.shelf.cases.push(case);
        self
    }

    /// Adds an indicator; its tenant and vendor become the provider's.
    #[must_use]
    pub fn ioc(mut self, ioc: Ioc) -> Self {
        self.shelf.iocs.push(ioc);
        self
    }

    /// Gives a host a history; its score is [`Host::risk`].
    #[must_use]
    pub fn history(mut self, uid: &str, history: HostHistory) -> Self {
        self.shelf.histories.insert(uid.to_owned(), history);
        self
    }

    /// Adds a group of hosts; its tenant and vendor become the provider's.
    #[must_use]
    pub fn group(mut self, group: HostGroup) -> Self {
        self.shelf.groups.push(group);
        self
    }

    /// Adds an application; its tenant and vendor become the provider's.
    #[must_use]
    pub fn application(mut self, application: Application) -> Self {
        self.shelf.applications.push(application);
        self
    }

    /// Adds an audit event; its tenant and vendor become the provider's.
    #[must_use]
    pub fn audit_event(mut self, event: AuditEvent) -> Self {
        self.shelf.audit_events.push(event);
        self
    }

    /// Adds a vulnerability; its tenant and vendor become the provider's.
    #[must_use]
    pub fn vulnerability(mut self, vulnerability: Vulnerability) -> Self {
        self.shelf.vulnerabilities.push(vulnerability);
        self
    }

    /// The provider.
    #[must_use]
    pub fn build(self) -> InMemory {
        let (tenant, vendor) = (self.tenant, self.vendor);
        let own_host = |mut h: Host| {
            (h.tenant, h.vendor) = (tenant.clone(), vendor.clone());
            h
        };
        let own_alert = |mut a: Alert| {
            (a.tenant, a.vendor) = (tenant.clone(), vendor.clone());
            a
        };
        let content = Content {
            hosts: self.hosts.into_iter().map(own_host).collect(),
            alerts: self.alerts.into_iter().map(own_alert).collect(),
            shelf: self.shelf.owned(&tenant, &vendor),
            ..Content::default()
        };
        let all = capabilities(self.page_size, self.batch);
        let capabilities = self.lacking.into_iter().fold(all, |some, (f, reason)| some.without(f, reason));
        InMemory {
            capabilities: Arc::new(capabilities),
            page_size: self.page_size,
            settles_after: self.settles_after,
            nearest: self.nearest.into(),
            clock: self.clock,
            content: Arc::new(Mutex::new(content)),
            tenant,
            vendor,
        }
    }
}

/// What changes something.
const WRITES: [Feature; 13] = [
    Feature::AlertUpdate,
    Feature::CaseUpdate,
    Feature::FileFetch,
    Feature::FileQuarantine,
    Feature::HostContain,
    Feature::HostRelease,
    Feature::HostScan,
    Feature::HostTag,
    Feature::HostUntag,
    Feature::IocDelete,
    Feature::IocPush,
    Feature::ProcessKill,
    Feature::ScriptRun,
];

fn capabilities(page_size: u32, batch: u32) -> Capabilities {
    use Feature::{
        AlertGet, AlertList, ApplicationGet, ApplicationList, CaseGet, CaseList, ConnectionState,
        ContainmentState, HostGet, HostList, IocGet, IocList, VulnerabilityGet, VulnerabilityList,
    };
    let mut capabilities = Capabilities::new()
        .with([AlertGet, AlertList, CaseGet, CaseList, ConnectionState, ContainmentState])
        .with([HostGet, HostList, IocGet, IocList])
        .with([ApplicationGet, ApplicationList, VulnerabilityGet, VulnerabilityList])
        .with(WRITES)
        .with_sorts(Noun::Host, &["first_seen", "hostname", "last_seen", "uid"])
        .with_sorts(Noun::Alert, &["created_time", "severity"])
        .with_sorts(Noun::Case, &["created_time", "severity"])
        .with_sorts(Noun::Ioc, &["created_time", "modified_time", "uid", "value"])
        .with_sorts(Noun::Application, Application::SORTS)
        .with([Feature::AuditGet, Feature::AuditList])
        .with_sorts(Noun::AuditEvent, AuditEvent::SORTS)
        .with([Feature::GroupGet, Feature::GroupList, Feature::HostHistory, Feature::HostRisk])
        .with_sorts(Noun::HostGroup, HostGroup::SORTS)
        .with_sorts(Noun::Vulnerability, Vulnerability::SORTS);
    for feature in WRITES {
        capabilities = capabilities.with_max_batch(feature, batch);
    }
    for noun in Noun::ALL.iter().copied() {
        capabilities = capabilities.with_max_page(noun, page_size);
        for field in noun.fields() {
            let all = [Op::Eq, Op::Ne, Op::Like, Op::Gt, Op::Ge, Op::Lt, Op::Le];
            capabilities = capabilities.with_filter(noun, field.name, &all);
        }
    }
    capabilities
}

#[derive(Serialize, Deserialize)]
struct Place {
    offset: u64,
    page: u64,
    /// The id of the item before, by which a shift is noticed.
    after: Option<String>,
}

impl InMemory {
    /// A provider for the tenant of this name.
    #[must_use]
    pub fn builder(tenant: &str) -> InMemoryBuilder {
        InMemoryBuilder {
            tenant: tenant.into(),
            vendor: Vendor::from_static("memory"),
            page_size: 100,
            batch: 100,
            settles_after: None,
            lacking: Vec::new(),
            nearest: Vec::new(),
            clock: SystemClock::shared(),
            hosts: Vec::new(),
            alerts: Vec::new(),
            shelf: Shelf::default(),
        }
    }

    /// Changes the hosts.
    pub fn edit_hosts(&self, edit: impl FnOnce(&mut Vec<Host>)) {
        edit(&mut self.content().hosts);
    }

    /// Changes the alerts.
    pub fn edit_alerts(&self, edit: impl FnOnce(&mut Vec<Alert>)) {
        edit(&mut self.content().alerts);
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page<Q: Query>(
        &self,
        query: &Q,
        cursor: Option<&Cursor>,
        mut items: Vec<Q::Item>,
    ) -> Result<Page<Q::Item>> {
        self.check_order(query)?;
        let print = query.fingerprint();
        let place = match cursor {
            Some(cursor) => cursor.open(&self.tenant, Q::Item::NOUN, print)?,
            None => Place { offset: 0, page: 0, after: None },
        };
        items.retain(|item| query.matches(item));
        let total = items.len() as u64;
        let script = self.due(place.page);
        let shift = if let Some(Script::Shift(_, by)) = script { by } else { 0 };
        let size = u64::from(query.page_size().unwrap_or(self.page_size).min(self.page_size));
        let from = place.offset.saturating_add_signed(shift).min(total);
        let empty = matches!(script, Some(Script::EmptyPage(_)));
        let to = if empty { from } else { (from + size).min(total) };
        let before =
            |at: u64| at.checked_sub(1).and_then(|i| items.get(index(i))).map(|item| item.uid().to_owned());
        let drift = if before(from) == place.after { Drift::None } else { Drift::Seen };
        let next = match script {
            Some(Script::RepeatCursor(_)) => place,
            // Numbered so that an empty page does not look like a repeated one.
            _ => Place { offset: to, page: place.page + 1, after: before(to) },
        };
        let end = PageEnd {
            next: (to < total)
                .then(|| Cursor::seal(&self.tenant, Q::Item::NOUN, print, &next))
                .transpose()?,
            total: Some(total),
        };
        let window = items.drain(index(from)..index(to)).collect();
        Ok(self.spoil(script, Page { items: window, drift, end, ..Page::default() }))
    }

    fn check_order<Q: Query>(&self, query: &Q) -> Result<()> {
        match query.sort() {
            Some(sort) if !self.capabilities.sorts_by(Q::Item::NOUN, sort.field.name) => {
                Err(Error::unsupported(format!("no order by {}", sort.field.name)))
            }
            _ => Ok(()),
        }
    }

    fn spoil<T: Listing>(&self, script: Option<Script>, mut page: Page<T>) -> Page<T> {
        if matches!(script, Some(Script::BadItem(_))) && !page.items.is_empty() {
            let item = page.items.remove(0);
            page.rejected.push(Rejected {
                tenant: self.tenant.clone(),
                vendor: self.vendor.clone(),
                noun: T::NOUN,
                uid: Some(item.uid().to_owned()),
                reason: "scripted".to_owned(),
                raw: Raw::default(),
            });
        }
        page
    }

    fn due(&self, page: u64) -> Option<Script> {
        let mut content = self.content();
        let at = content.scripts.iter().position(|s| s.page() == Some(page))?;
        Some(content.scripts.remove(at))
    }

    /// The content, for a call that reads.
    fn asked(&self) -> MutexGuard<'_, Content> {
        let mut content = self.content();
        content.requests += 1;
        content
    }

    fn said(&self, kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(kind, message).with_tenant(&self.tenant, &self.vendor)
    }

    /// The error of a write that may or may not have been carried out.
    fn lost(&self) -> Error {
        self.said(ErrorKind::Timeout, "the answer was lost").with_attempts(1).with_outcome_unknown()
    }

    fn absent(&self, noun: Noun, uid: &str) -> Error {
        self.said(ErrorKind::NotFound, format!("no {noun} {uid}")).with_operation(format!("{noun}_get"))
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn order_hosts(query: &HostQuery, hosts: &mut [Host]) {
    let key = query.sort.map_or("uid", |s| s.field.name);
    hosts.sort_by(|a, b| {
        match key {
            "hostname" => a.hostname.cmp(&b.hostname),
            "first_seen" => a.first_seen.cmp(&b.first_seen),
            "last_seen" => a.last_seen.cmp(&b.last_seen),
            _ => Ordering::Equal,
        }
        .then_with(|| a.uid.cmp(&b.uid))
    });
    if query.sort.is_some_and(|s| s.descending) {
        hosts.reverse();
    }
}

fn order_alerts(query: &AlertQuery, alerts: &mut [Alert]) {
    let by_severity = query.sort.is_some_and(|s| s.field.name == "severity");
    alerts.sort_by(|a, b| {
        let first = if by_severity { a.severity.rank().cmp(&b.severity.rank()) } else { Ordering::Equal };
        first.then_with(|| a.created_time.cmp(&b.created_time)).then_with(|| a.uid.cmp(&b.uid))
    });
    if query.sort.is_none_or(|s| s.descending) {
        alerts.reverse();
    }
}

impl fmt::Debug for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemory")
            .field("tenant", &self.tenant)
            .field("vendor", &self.vendor)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl EdrProvider for InMemory {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn check(&self) -> Result<TenantCheck> {
        let count = self.asked().hosts.len();
        Ok(TenantCheck::default().found("hosts", count.to_string()))
    }

    async fn hosts(&self, query: &HostQuery, cursor: Option<&Cursor>) -> Result<Page<Host>> {
        let mut hosts = self.asked().hosts.clone();
        order_hosts(query, &mut hosts);
        self.page(query, cursor, hosts).map_err(|e| e.with_tenant(&self.tenant, &self.vendor))
    }

    async fn host(&self, uid: &str) -> Result<Host> {
        let found = self.look().hosts.iter().find(|h| h.uid == uid).cloned();
        found.ok_or_else(|| self.absent(Noun::Host, uid))
    }

    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> Result<Page<Alert>> {
        let mut alerts = self.asked().alerts.clone();
        order_alerts(query, &mut alerts);
        self.page(query, cursor, alerts).map_err(|e| e.with_tenant(&self.tenant, &self.vendor))
    }

    async fn alert(&self, uid: &str) -> Result<Alert> {
        let found = self.asked().alerts.iter().find(|a| a.uid == uid).cloned();
        found.ok_or_else(|| self.absent(Noun::Alert, uid))
    }

    async fn hosts_by_uid(&self, uids: &[String]) -> Result<FoundHosts> {
        let content = self.look();
        let mut found = FoundHosts::default();
        for uid in uids {
            match content.hosts.iter().find(|h| h.uid == *uid) {
                Some(host) => found.hosts.push(host.clone()),
                None => found.missing.push(uid.clone()),
            }
        }
        Ok(found)
    }

    async fn respond(
        &self,
        action: &ResponseAction,
        hosts: &[String],
        because: &Because,
    ) -> Result<Vec<Receipt>> {
        let _ = because;
        self.admit(action.feature(), hosts)?;
        action.check().map_err(|e| e.with_tenant(&self.tenant, &self.vendor))?;
        self.write(hosts, |content| self.act(content, action, hosts))
            .map_err(|e| e.with_operation(action.verb()))
    }

    async fn progress(&self, action: &ResponseAction, targets: &[Target]) -> Result<Vec<Progress>> {
        self.capabilities.require(action.feature()).map_err(|e| e.with_tenant(&self.tenant, &self.vendor))?;
        let content = self.look();
        let now = self.clock.now();
        let standing = |t: &Target| Progress::new(t.uid.as_str(), content.standing(action, t), now);
        Ok(targets.iter().map(standing).collect())
    }

    fn alert_fit(&self, change: &AlertChange) -> Result<Fit> {
        self.fit(change).map_err(|e| e.with_operation("alert_update").with_tenant(&self.tenant, &self.vendor))
    }

    async fn update_alerts(&self, change: &AlertChange, alerts: &[String]) -> Result<Vec<Receipt>> {
        self.admit(Feature::AlertUpdate, alerts)?;
        self.admit_change(change)?;
        let sent = self.nearest(change);
        self.write(alerts, |content| self.change(content, &sent, alerts))
            .map_err(|e| e.with_operation("alert_update"))
    }

    async fn cases(&self, query: &CaseQuery, cursor: Option<&Cursor>) -> Result<Page<Case>> {
        self.list_cases(query, cursor)
    }

    async fn case(&self, uid: &str) -> Result<Case> {
        self.one_case(uid)
    }

    fn case_fit(&self, _change: &CaseChange) -> Result<Fit> {
        Ok(Fit::Exact)
    }

    async fn update_cases(&self, change: &CaseChange, cases: &[String]) -> Result<Vec<Receipt>> {
        self.change_cases(change, cases)
    }

    async fn iocs(&self, query: &IocQuery, cursor: Option<&Cursor>) -> Result<Page<Ioc>> {
        self.list_iocs(query, cursor)
    }

    async fn ioc(&self, uid: &str) -> Result<Ioc> {
        self.one_ioc(uid)
    }

    fn ioc_fit(&self, _ioc: &Ioc) -> Result<Fit> {
        Ok(Fit::Exact)
    }

    async fn vulnerabilities(
        &self,
        query: &VulnerabilityQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Vulnerability>> {
        self.list_kept(query, cursor)
    }

    async fn vulnerability(&self, uid: &str) -> Result<Vulnerability> {
        self.one_kept(uid)
    }

    async fn host_history(&self, uid: &str) -> Result<HostHistory> {
        self.host(uid).await?;
        Ok(self.content().shelf.histories.get(uid).cloned().unwrap_or_default())
    }

    async fn host_risk(&self, uid: &str) -> Result<Option<Risk>> {
        Ok(self.host(uid).await?.risk)
    }

    async fn groups(&self, query: &HostGroupQuery, cursor: Option<&Cursor>) -> Result<Page<HostGroup>> {
        self.list_kept(query, cursor)
    }

    async fn group(&self, uid: &str) -> Result<HostGroup> {
        self.one_kept(uid)
    }

    async fn applications(
        &self,
        query: &ApplicationQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Application>> {
        self.list_kept(query, cursor)
    }

    async fn application(&self, uid: &str) -> Result<Application> {
        self.one_kept(uid)
    }

    async fn audit_events(&self, query: &AuditQuery, cursor: Option<&Cursor>) -> Result<Page<AuditEvent>> {
        self.list_audit(query, cursor)
    }

    async fn audit_event(&self, uid: &str) -> Result<AuditEvent> {
        self.one_kept(uid)
    }

    async fn push_iocs(&self, iocs: &[Ioc]) -> Result<Vec<Receipt>> {
        self.put_iocs(iocs)
    }

    async fn delete_iocs(&self, uids: &[String]) -> Result<Vec<Receipt>> {
        self.drop_iocs(uids)
    }
}
