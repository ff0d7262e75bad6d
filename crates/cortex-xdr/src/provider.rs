//! Cortex XDR as one EDR among others.

mod audit;
mod cases;
mod findings;
mod hosts;
mod iocs;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::api::{self, PageRequest, Skeleton};
use crate::client::CortexClient;
use crate::config::CortexXdrBuilder;
use crate::{Filters, Generation, alert_pages, auth, map, push};
use async_trait::async_trait;
use edr_core::{
    Alert, AlertChange, AlertQuery, AuditEvent, AuditQuery, Because, Capabilities, Case, CaseChange,
    CaseQuery, Cursor, Diagnosis, EdrProvider, Error, ErrorKind, Fit, FoundHosts, Host, HostQuery, Ioc,
    IocQuery, Opener, Page, PartStream, Progress, Raw, Receipt, Rejected, ResponseAction, Result, SavedFile,
    Target, TenantCheck, TenantId, Vendor, Vulnerability, VulnerabilityQuery,
};
use edr_http::ItemEvent;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use secrecy::SecretString;

/// One tenant of Cortex XDR. Cheap to clone; clones share connections, pace and what was learned.
#[derive(Clone)]
pub struct CortexXdr(Arc<Inner>);

struct Inner {
    client: CortexClient,
    /// What holds for either generation, until it is known which one it is.
    unknown: Capabilities,
    known: OnceLock<Capabilities>,
}

impl fmt::Debug for CortexXdr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CortexXdr").field(&self.0.client).finish()
    }
}

impl CortexXdr {
    /// Begins a tenant: its name here, the key's id, and the key.
    pub fn builder(tenant: &str, api_key_id: &str, api_key: SecretString) -> CortexXdrBuilder {
        CortexXdrBuilder::new(tenant, api_key_id, api_key)
    }

    /// A tenant from the environment; the variables are those of [`CortexXdrBuilder::from_lookup`].
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`], naming the variable that is missing or wrong.
    pub fn from_env(tenant: &str) -> Result<Self> {
        CortexXdrBuilder::from_env(tenant)?.build()
    }

    pub(crate) fn from_client(client: CortexClient) -> Self {
        Self(Arc::new(Inner { client, unknown: push::capabilities(None), known: OnceLock::new() }))
    }

    /// The native client.
    #[must_use]
    pub fn client(&self) -> &CortexClient {
        &self.0.client
    }

    /// The host in an item of either listing of endpoints.
    ///
    /// # Errors
    /// The item as a [`Rejected`] when it cannot be decoded.
    pub fn read_host(&self, raw: Raw) -> Result<Host, Box<Rejected>> {
        map::host(&self.client().context(), raw)
    }

    /// The alert in an item of any call that has alerts or issues: the three listings, the alerts of an
    /// incident, `get_alerts_by_filter_data`, `issue/search`.
    ///
    /// # Errors
    /// The item as a [`Rejected`] when it cannot be decoded.
    pub fn read_alert(&self, raw: Raw) -> Result<Alert, Box<Rejected>> {
        map::alert(&self.client().context(), raw)
    }

    /// Names tenant and operation in an error that was made here.
    pub(crate) fn dress(&self, error: Error, operation: &'static str) -> Error {
        error.with_operation(operation).with_tenant(self.tenant(), self.vendor())
    }

    async fn one_host(&self, uid: &str) -> Result<Host> {
        let absent = || Error::new(ErrorKind::NotFound, "there is no such endpoint");
        if uid.trim().is_empty() {
            return Err(absent().with_hint("give the endpoint's id: 32 hex digits"));
        }
        let filters = Filters::new().one_of("endpoint_id_list", [uid])?;
        let plan = api::endpoints(&PageRequest::window(0, api::MAX_WINDOW).filters(filters));
        let mut reader = self.client().http().items(plan, api::endpoints::ENDPOINTS);
        let context = self.client().context();
        let (mut found, mut nameless, mut others) = (None, None, false);
        while let Some(event) = reader.next().await.transpose()? {
            match event {
                ItemEvent::Items(items) => {
                    for raw in items.into_iter().map(Raw::new) {
                        match map::host(&context, raw) {
                            Ok(host) if host.uid == uid => found = Some(host),
                            Err(bad) if bad.uid.as_deref() == Some(uid) => {
                                return Err(alert_pages::undecodable(&bad.reason));
                            }
                            Err(bad) if bad.uid.is_none() => nameless = Some(bad.reason),
                            _ => others = true,
                        }
                    }
                }
                ItemEvent::Restarted => found = None,
                ItemEvent::End { skeleton, .. } => {
                    let page = Skeleton::read(&skeleton, api::endpoints::LIST, api::endpoints::COUNT)?;
                    if found.is_none() {
                        alert_pages::is_absent(nameless.as_deref(), page.total.filter(|_| !others))?;
                    }
                }
            }
        }
        found.ok_or_else(absent)
    }

    async fn probe(&self) -> Result<TenantCheck> {
        let client = self.client();
        let before = client.http().clock().now();
        let reply = client.http().fetch(&api::endpoints(&PageRequest::window(0, 1))).await?;
        let skew = auth::date(&reply.headers).map(|date| date - before);
        let page = Skeleton::read_whole(&reply.body, "endpoints", api::endpoints::COUNT)?;
        let mut check = TenantCheck::default();
        check.tenant_uid = client.tenant_uid().map(str::to_owned);
        check = check
            .found("host", client.http().base().host_str().unwrap_or_default())
            .found("key type", client.key_type().as_str())
            .found("generation", found_generation(client.generation().await))
            .found("endpoints", page.total.map_or_else(|| "readable".to_owned(), |total| total.to_string()))
            .found("clock skew", skew.map_or_else(|| "unknown".to_owned(), auth::span));
        self.alerts(&AlertQuery::new().page_size(1), None).await?;
        check = check.found("alerts", "readable");
        match client.healthcheck().await {
            Ok(status) => check = check.found("health", status),
            Err(error) => check = check.found("health", format!("not told ({})", error.kind().as_str())),
        }
        if let Some(end) = self.near_end().await {
            check = check.found("key", end);
        }
        for notice in client.take_notices() {
            check = check.found("notice", notice);
        }
        Ok(check)
    }
}

/// Endpoints answered, so a probe that fails is a finding and no failure of the tenant.
fn found_generation(generation: Result<Generation>) -> String {
    match generation {
        Ok(generation) => generation.number().to_string(),
        Err(error) => format!("unknown: neither issues nor alerts can be read ({})", error.kind().as_str()),
    }
}

/// A whole page from its parts. Without an end it is no page: what is missing would look as if it were not there.
async fn gathered<T>(mut parts: PartStream<'_, T>) -> Result<Page<T>> {
    let (mut page, mut ended) = (Page::default(), false);
    while let Some(part) = parts.next().await {
        let part = part?;
        ended = part.end.is_some();
        page.absorb(part);
    }
    if ended { Ok(page) } else { Err(Error::new(ErrorKind::Decode, "the page stopped before its end")) }
}

#[async_trait]
impl EdrProvider for CortexXdr {
    fn tenant(&self) -> &TenantId {
        self.client().http().tenant()
    }

    fn vendor(&self) -> &Vendor {
        self.client().http().vendor()
    }

    /// What holds for either generation, until it is configured or found.
    fn capabilities(&self) -> &Capabilities {
        match self.client().known_generation() {
            None => &self.0.unknown,
            known => self.0.known.get_or_init(|| push::capabilities(known)),
        }
    }

    async fn check(&self) -> Result<TenantCheck> {
        match self.probe().await {
            Ok(check) => Ok(check),
            Err(error) => Err(self.dress(self.explained(error).await, "check")),
        }
    }

    async fn diagnose_into(&self, found: &mut Diagnosis) {
        self.look(found).await;
    }

    async fn hosts(&self, query: &HostQuery, cursor: Option<&Cursor>) -> Result<Page<Host>> {
        gathered(self.host_parts(query, cursor.cloned())).await
    }

    async fn host(&self, uid: &str) -> Result<Host> {
        self.one_host(uid).await.map_err(|e| self.dress(e, api::endpoints::GET_ENDPOINT.name))
    }

    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> Result<Page<Alert>> {
        gathered(self.alert_parts(query, cursor.cloned())).await
    }

    async fn alert(&self, uid: &str) -> Result<Alert> {
        alert_pages::one(self.client(), uid).await.map_err(|e| self.dress(e, "alerts"))
    }

    async fn hosts_by_uid(&self, uids: &[String]) -> Result<FoundHosts> {
        self.found(uids).await
    }

    /// The case is noted with the order; the vendor takes no other reason.
    async fn respond(
        &self,
        action: &ResponseAction,
        hosts: &[String],
        because: &Because,
    ) -> Result<Vec<Receipt>> {
        self.act(action, hosts, because).await
    }

    async fn save_file(&self, target: &Target, to: &Path) -> Result<SavedFile> {
        self.fetched_file(target, to).await
    }

    async fn progress(&self, action: &ResponseAction, targets: &[Target]) -> Result<Vec<Progress>> {
        self.follow(action, targets).await
    }

    fn order_fit(&self, action: &ResponseAction) -> Result<()> {
        self.capabilities().require(action.feature())?;
        crate::respond::fit(action, self.client().known_generation())
            .map_err(|e| self.dress(e, action.verb()))
    }

    fn alert_fit(&self, change: &AlertChange) -> Result<Fit> {
        self.fit(change)
    }

    async fn update_alerts(&self, change: &AlertChange, alerts: &[String]) -> Result<Vec<Receipt>> {
        self.change_alerts(change, alerts).await
    }

    fn host_parts<'a>(&'a self, query: &'a HostQuery, cursor: Option<Cursor>) -> PartStream<'a, Host> {
        self.host_window(query, cursor, None)
    }

    fn host_pages<'a>(&'a self, query: &'a HostQuery) -> Opener<'a, Host> {
        let lead = hosts::Lead::default();
        Box::new(move |cursor| self.host_window(query, cursor, Some(lead.clone())))
    }

    fn alert_parts<'a>(&'a self, query: &'a AlertQuery, cursor: Option<Cursor>) -> PartStream<'a, Alert> {
        let opened = async move {
            alert_pages::parts(self.client(), query, cursor).await.map_err(|e| self.dress(e, "alerts"))
        };
        stream::once(opened).try_flatten().boxed()
    }

    async fn cases(&self, query: &CaseQuery, cursor: Option<&Cursor>) -> Result<Page<Case>> {
        gathered(self.case_parts(query, cursor.cloned())).await
    }

    async fn case(&self, uid: &str) -> Result<Case> {
        self.one_case(uid).await.map_err(|e| self.dress(e, "case_get"))
    }

    fn case_fit(&self, change: &CaseChange) -> Result<Fit> {
        let generation = self.client().known_generation().unwrap_or(Generation::Xdr3);
        cases::fit(change, generation).map_err(|e| self.dress(e, "case_update"))
    }

    async fn update_cases(&self, change: &CaseChange, cases: &[String]) -> Result<Vec<Receipt>> {
        self.change_cases(change, cases).await.map_err(|e| self.dress(e, "case_update"))
    }

    async fn iocs(&self, query: &IocQuery, cursor: Option<&Cursor>) -> Result<Page<Ioc>> {
        gathered(self.ioc_parts(query, cursor.cloned())).await
    }

    async fn ioc(&self, uid: &str) -> Result<Ioc> {
        self.one_ioc(uid).await.map_err(|e| self.dress(e, "ioc_get"))
    }

    fn ioc_fit(&self, ioc: &Ioc) -> Result<Fit> {
        iocs::fit(ioc).map_err(|e| self.dress(e, "ioc_push"))
    }

    async fn push_iocs(&self, iocs: &[Ioc]) -> Result<Vec<Receipt>> {
        self.put_iocs(iocs).await
    }

    async fn delete_iocs(&self, uids: &[String]) -> Result<Vec<Receipt>> {
        self.drop_iocs(uids).await
    }

    async fn audit_events(&self, query: &AuditQuery, cursor: Option<&Cursor>) -> Result<Page<AuditEvent>> {
        gathered(self.audit_event_parts(query, cursor.cloned())).await
    }

    async fn vulnerabilities(
        &self,
        query: &VulnerabilityQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Vulnerability>> {
        gathered(self.vulnerability_parts(query, cursor.cloned())).await
    }

    async fn vulnerability(&self, uid: &str) -> Result<Vulnerability> {
        self.one_finding(uid).await.map_err(|e| self.dress(e, "vulnerability_get"))
    }

    fn audit_event_parts<'a>(
        &'a self,
        query: &'a AuditQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, AuditEvent> {
        // Nothing is sent before the parts are asked for.
        let opened =
            async move { self.open_audit(query, cursor.as_ref()).map_err(|e| self.dress(e, "audit_list")) };
        stream::once(opened).try_flatten().boxed()
    }

    fn vulnerability_parts<'a>(
        &'a self,
        query: &'a VulnerabilityQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, Vulnerability> {
        let opened = async move {
            self.open_findings(query, cursor).await.map_err(|e| self.dress(e, "vulnerability_list"))
        };
        stream::once(opened).try_flatten().boxed()
    }

    fn case_parts<'a>(&'a self, query: &'a CaseQuery, cursor: Option<Cursor>) -> PartStream<'a, Case> {
        let opened =
            async move { self.open_cases(query, cursor).await.map_err(|e| self.dress(e, "case_list")) };
        stream::once(opened).try_flatten().boxed()
    }

    fn ioc_parts<'a>(&'a self, query: &'a IocQuery, cursor: Option<Cursor>) -> PartStream<'a, Ioc> {
        let opened =
            async move { self.open_iocs(query, cursor).await.map_err(|e| self.dress(e, "ioc_list")) };
        stream::once(opened).try_flatten().boxed()
    }
}
