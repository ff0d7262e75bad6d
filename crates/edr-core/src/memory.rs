//! A provider in memory: the reference semantics, and a fixture for the tests of users.

mod nouns;

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Alert, AlertQuery, Capabilities, Case, CaseChange, CaseQuery, Cursor, Drift, EdrProvider, Error,
    ErrorKind, Feature, Fit, Host, HostQuery, Ioc, IocQuery, Listing, Noun, Op, Page, PageEnd, Query, Raw,
    Receipt, Rejected, Result, TenantCheck, TenantId, Vendor,
};
use nouns::Shelf;

/// Something that goes wrong once, at the page of this number (counted from 0) of the next listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Script {
    /// The first item of the page cannot be decoded.
    BadItem(u64),
    /// The page is empty, and more follow.
    EmptyPage(u64),
    /// The page names itself as the next one.
    RepeatCursor(u64),
    /// The page is read this many items too early (negative) or too late.
    Shift(u64, i64),
}

impl Script {
    fn page(self) -> u64 {
        match self {
            Self::BadItem(page) | Self::EmptyPage(page) | Self::RepeatCursor(page) | Self::Shift(page, _) => {
                page
            }
        }
    }
}

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
    content: Arc<Mutex<Content>>,
}

#[derive(Default)]
struct Content {
    hosts: Vec<Host>,
    alerts: Vec<Alert>,
    shelf: Shelf,
    scripts: Vec<Script>,
}

/// Builds an [`InMemory`].
#[derive(Debug)]
pub struct InMemoryBuilder {
    tenant: TenantId,
    vendor: Vendor,
    page_size: u32,
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
            scripts: Vec::new(),
        };
        InMemory {
            capabilities: Arc::new(capabilities(self.page_size)),
            page_size: self.page_size,
            content: Arc::new(Mutex::new(content)),
            tenant,
            vendor,
        }
    }
}

fn capabilities(page_size: u32) -> Capabilities {
    use Feature::{
        AlertGet, AlertList, CaseGet, CaseList, CaseUpdate, ConnectionState, ContainmentState, HostGet,
        HostList, IocDelete, IocGet, IocList, IocPush,
    };
    let mut capabilities = Capabilities::new()
        .with([AlertGet, AlertList, ConnectionState, ContainmentState, HostGet, HostList])
        .with([CaseGet, CaseList, CaseUpdate, IocDelete, IocGet, IocList, IocPush])
        .with_sorts(Noun::Host, &["first_seen", "hostname", "last_seen", "uid"])
        .with_sorts(Noun::Alert, &["created_time", "severity"])
        .with_sorts(Noun::Case, &["created_time", "severity"])
        .with_sorts(Noun::Ioc, &["created_time", "modified_time", "uid", "value"]);
    for noun in [Noun::Alert, Noun::Case, Noun::Host, Noun::Ioc] {
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
            hosts: Vec::new(),
            alerts: Vec::new(),
            shelf: Shelf::default(),
        }
    }

    /// Lets something go wrong once.
    pub fn script(&self, script: Script) {
        self.content().scripts.push(script);
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
        let at = content.scripts.iter().position(|s| s.page() == page)?;
        Some(content.scripts.remove(at))
    }

    fn absent(&self, noun: Noun, uid: &str) -> Error {
        Error::new(ErrorKind::NotFound, format!("no {noun} {uid}"))
            .with_operation(format!("{noun}_get"))
            .with_tenant(&self.tenant, &self.vendor)
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
        let count = self.content().hosts.len();
        Ok(TenantCheck::default().found("hosts", count.to_string()))
    }

    async fn hosts(&self, query: &HostQuery, cursor: Option<&Cursor>) -> Result<Page<Host>> {
        let mut hosts = self.content().hosts.clone();
        order_hosts(query, &mut hosts);
        self.page(query, cursor, hosts).map_err(|e| e.with_tenant(&self.tenant, &self.vendor))
    }

    async fn host(&self, uid: &str) -> Result<Host> {
        let found = self.content().hosts.iter().find(|h| h.uid == uid).cloned();
        found.ok_or_else(|| self.absent(Noun::Host, uid))
    }

    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> Result<Page<Alert>> {
        let mut alerts = self.content().alerts.clone();
        order_alerts(query, &mut alerts);
        self.page(query, cursor, alerts).map_err(|e| e.with_tenant(&self.tenant, &self.vendor))
    }

    async fn alert(&self, uid: &str) -> Result<Alert> {
        let found = self.content().alerts.iter().find(|a| a.uid == uid).cloned();
        found.ok_or_else(|| self.absent(Noun::Alert, uid))
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

    async fn push_iocs(&self, iocs: &[Ioc]) -> Result<Vec<Receipt>> {
        Ok(self.put_iocs(iocs))
    }

    async fn delete_iocs(&self, uids: &[String]) -> Result<Vec<Receipt>> {
        Ok(self.drop_iocs(uids))
    }
}
