//! The trait that every vendor implements, and the comfort on top that nobody does.

use std::collections::HashSet;
use std::fmt::Debug;
use std::path::Path;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use serde::{Deserialize, Serialize};

use crate::{
    Alert, AlertChange, AlertQuery, Application, ApplicationQuery, AuditEvent, AuditQuery, Because,
    Capabilities, Case, CaseChange, CaseQuery, Collected, Cursor, Diagnosis, Error, ErrorKind, Feature, Fit,
    FoundHosts, Host, HostGroup, HostGroupQuery, HostHistory, HostQuery, Ioc, IocQuery, Listed, Listing,
    Page, Part, Progress, Query, Receipt, ResponseAction, Result, Risk, SavedFile, Target, TenantId,
    UnreadableHost, Vendor, Vulnerability, VulnerabilityQuery, Walked, walk,
};

/// The parts of one page, as they arrive. Ends after the part that has an end, or after an error.
pub type PartStream<'a, T> = BoxStream<'a, Result<Part<T>>>;

/// Opens the pages of one walk, one after the other: the first, and then the one at each cursor. It may know more than a
/// page does, and have asked for the next one ahead.
pub type Opener<'a, T> = Box<dyn FnMut(Option<Cursor>) -> PartStream<'a, T> + Send + 'a>;

/// The events of a walk over all pages. Ends after [`Walked::End`].
pub type WalkStream<'a, T> = BoxStream<'a, Walked<T>>;

/// What a harmless probe of a tenant found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TenantCheck {
    /// The vendor's own id of the tenant.
    pub tenant_uid: Option<String>,
    /// Findings in order: what was looked at, and what was found. No secrets.
    pub findings: Vec<(String, String)>,
}

impl TenantCheck {
    /// Adds a finding.
    #[must_use]
    pub fn found(mut self, what: &str, value: impl Into<String>) -> Self {
        self.findings.push((what.to_owned(), value.into()));
        self
    }
}

/// One tenant of one vendor.
///
/// The required methods answer one page each; the walks, streams and searches of
/// [`EdrProviderExt`] are built on them. A method that is added later has a default that answers
/// [`crate::ErrorKind::Unsupported`], so an implementor never breaks.
///
/// What an implementor promises is the conformance suite in `edr-testkit`: filters have the
/// semantics of [`crate::Filter`], an undecodable item becomes a [`crate::Rejected`], every item and error
/// names the tenant, a cursor of another query is refused, and an unknown id is
/// [`crate::ErrorKind::NotFound`].
#[async_trait]
pub trait EdrProvider: Debug + Send + Sync + 'static {
    /// The tenant's name.
    fn tenant(&self) -> &TenantId;

    /// The vendor.
    fn vendor(&self) -> &Vendor;

    /// What this tenant can do.
    fn capabilities(&self) -> &Capabilities;

    /// Asks the vendor for something harmless, to see that credentials and address are good.
    ///
    /// # Errors
    /// As the vendor answers; the hint says what to do.
    async fn check(&self) -> Result<TenantCheck>;

    /// Looks at what a tenant needs to list hosts and alerts, from the name of its host to the rights for both, by
    /// harmless requests; the rights that other nouns and every change need are not tried. Each finding is added as
    /// soon as it is there, so that a caller whose time runs out keeps the others. By default it is what [`Self::check`] finds. Use [`EdrProviderExt::diagnose`].
    async fn diagnose_into(&self, found: &mut Diagnosis) {
        found.add_check(self.check().await);
    }

    /// One page of hosts: the first, or the one at `cursor`.
    ///
    /// # Errors
    /// As the vendor answers. A page is never cut short without an error.
    async fn hosts(&self, query: &HostQuery, cursor: Option<&Cursor>) -> Result<Page<Host>>;

    /// One host by the vendor's own id, with its connection state where the vendor has it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when this tenant has no such host.
    async fn host(&self, uid: &str) -> Result<Host>;

    /// One page of alerts: the first, or the one at `cursor`. Newest first unless the query says otherwise.
    ///
    /// # Errors
    /// As the vendor answers. A page is never cut short without an error.
    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> Result<Page<Alert>>;

    /// One alert by the vendor's own id.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when this tenant has no such alert.
    async fn alert(&self, uid: &str) -> Result<Alert>;

    /// Hosts by the vendor's own ids, in as few calls as the vendor allows, with their containment and, where
    /// the vendor has it, connection state. By default one call a host.
    ///
    /// # Errors
    /// As the vendor answers; an id that the tenant does not have is no error but [`FoundHosts::missing`], and a host
    /// that cannot be decoded is one of [`FoundHosts::unreadable`]: it spoils nobody else.
    async fn hosts_by_uid(&self, uids: &[String]) -> Result<FoundHosts> {
        let mut found = FoundHosts::default();
        for uid in uids {
            match self.host(uid).await {
                Ok(host) => found.hosts.push(host),
                Err(error) if error.kind() == ErrorKind::NotFound => found.missing.push(uid.clone()),
                Err(error) if error.kind() == ErrorKind::Decode => {
                    found.unreadable.push(UnreadableHost::new(uid.as_str(), error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Asks for a response action on these hosts, in one call to the vendor: at most
    /// [`crate::Capabilities::batch`] ids. It is never sent a second time on a guess. Every id has a receipt, in the order asked.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before anything is sent when the tenant cannot do it. Any other error
    /// is about the whole call: the vendor did nothing, unless [`crate::Error::is_outcome_unknown`].
    async fn respond(
        &self,
        action: &ResponseAction,
        hosts: &[String],
        because: &Because,
    ) -> Result<Vec<Receipt>> {
        let _ = (hosts, because);
        Err(self.lacking(action.feature()))
    }

    /// Where an action stands, as the vendor says now, for each target in the order asked. It is read back, and never
    /// taken from a receipt.
    ///
    /// # Errors
    /// As the vendor answers. A target of which the vendor says nothing is [`crate::Standing::Unknown`].
    async fn progress(&self, action: &ResponseAction, targets: &[Target]) -> Result<Vec<Progress>> {
        let _ = targets;
        Err(self.lacking(action.feature()))
    }

    /// The action in the words in which its effect stands on a host: the name of a tag as the vendor writes it down, where a
    /// host can carry another tag of the same name that is not meant.
    fn as_shown(&self, action: &ResponseAction) -> ResponseAction {
        action.clone()
    }

    /// Whether the vendor can be told this order, as far as that is known of the order alone; nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] with the reason when it cannot be expressed.
    fn order_fit(&self, action: &ResponseAction) -> Result<()> {
        self.capabilities().require(action.feature())
    }

    /// Saves what a [`ResponseAction::FetchFile`] has fetched from a host, packed as the vendor packs it. `to` is the path
    /// without the ending, which is that of the vendor's archive. What is not whole never gets the name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when nothing has come, or it is not there any more; as the vendor answers, and when the file
    /// cannot be written.
    async fn save_file(&self, target: &Target, to: &Path) -> Result<SavedFile> {
        let _ = (target, to);
        Err(self.lacking(Feature::FileFetch))
    }

    /// How well the vendor can express a change of alerts; nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] with the reason when it cannot be expressed at all.
    fn alert_fit(&self, change: &AlertChange) -> Result<Fit> {
        let _ = change;
        Err(self.lacking(Feature::AlertUpdate))
    }

    /// Changes these alerts, at most [`crate::Capabilities::batch`] of them. What the vendor cannot express
    /// exactly is refused before anything is sent, unless [`AlertChange::nearest`].
    ///
    /// # Errors
    /// As for [`Self::respond`].
    async fn update_alerts(&self, change: &AlertChange, alerts: &[String]) -> Result<Vec<Receipt>> {
        let _ = (change, alerts);
        Err(self.lacking(Feature::AlertUpdate))
    }

    /// One page of cases: the first, or the one at `cursor`. Newest first unless the query says otherwise.
    ///
    /// # Errors
    /// As for [`Self::hosts`].
    async fn cases(&self, query: &CaseQuery, cursor: Option<&Cursor>) -> Result<Page<Case>> {
        let _ = (query, cursor);
        Err(self.lacking(Feature::CaseList))
    }

    /// One case by the vendor's own id.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when this tenant has no such case.
    async fn case(&self, uid: &str) -> Result<Case> {
        let _ = uid;
        Err(self.lacking(Feature::CaseGet))
    }

    /// How well the vendor can express a change of cases; nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] with the reason when it cannot be expressed at all.
    fn case_fit(&self, change: &CaseChange) -> Result<Fit> {
        let _ = change;
        Err(self.lacking(Feature::CaseUpdate))
    }

    /// Changes these cases, at most [`crate::Capabilities::batch`] of them; every id has a receipt, in the order
    /// asked. What the vendor cannot express exactly is refused before anything is sent, unless
    /// [`CaseChange::nearest`].
    ///
    /// # Errors
    /// As for [`Self::respond`].
    async fn update_cases(&self, change: &CaseChange, cases: &[String]) -> Result<Vec<Receipt>> {
        let _ = (change, cases);
        Err(self.lacking(Feature::CaseUpdate))
    }

    /// One page of the indicators that the tenant manages.
    ///
    /// # Errors
    /// As for [`Self::hosts`].
    async fn iocs(&self, query: &IocQuery, cursor: Option<&Cursor>) -> Result<Page<Ioc>> {
        let _ = (query, cursor);
        Err(self.lacking(Feature::IocList))
    }

    /// One indicator by the vendor's own id.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when this tenant has no such indicator.
    async fn ioc(&self, uid: &str) -> Result<Ioc> {
        let _ = uid;
        Err(self.lacking(Feature::IocGet))
    }

    /// How well the vendor can express an indicator; nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] with the reason when it cannot be expressed at all.
    fn ioc_fit(&self, ioc: &Ioc) -> Result<Fit> {
        let _ = ioc;
        Err(self.lacking(Feature::IocPush))
    }

    /// Puts indicators there, at most [`crate::Capabilities::batch`] of them; one that is there for the same type
    /// and value is changed. Every indicator has a receipt with its [`Ioc::key`], in the order given; its
    /// handle is the vendor's id, where the vendor tells it. One that the vendor cannot express is
    /// refused in its receipt, before anything is sent; one that it can express only nearly is sent so.
    ///
    /// # Errors
    /// As for [`Self::respond`].
    async fn push_iocs(&self, iocs: &[Ioc]) -> Result<Vec<Receipt>> {
        let _ = iocs;
        Err(self.lacking(Feature::IocPush))
    }

    /// Deletes indicators by the vendor's own ids, at most [`crate::Capabilities::batch`] of them; every id has a
    /// receipt, in the order asked. One that is not there is [`crate::Answer::Already`].
    ///
    /// # Errors
    /// As for [`Self::respond`].
    async fn delete_iocs(&self, uids: &[String]) -> Result<Vec<Receipt>> {
        let _ = uids;
        Err(self.lacking(Feature::IocDelete))
    }

    /// Who has logged in on a host, and which addresses it has had, as far back as the vendor tells.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when this tenant has no such host.
    async fn host_history(&self, uid: &str) -> Result<HostHistory> {
        let _ = uid;
        Err(self.lacking(Feature::HostHistory))
    }

    /// The vendor's score of a host, which runs as [`Risk::higher_is_worse`] says; nothing where the host has
    /// none.
    ///
    /// # Errors
    /// As the vendor answers.
    async fn host_risk(&self, uid: &str) -> Result<Option<Risk>> {
        let _ = uid;
        Err(self.lacking(Feature::HostRisk))
    }

    /// One page of the groups of hosts.
    ///
    /// # Errors
    /// As for [`Self::hosts`].
    async fn groups(&self, query: &HostGroupQuery, cursor: Option<&Cursor>) -> Result<Page<HostGroup>> {
        let _ = (query, cursor);
        Err(self.lacking(Feature::GroupList))
    }

    /// One group of hosts by the vendor's own id, with the number of its hosts where the vendor counts them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when this tenant has no such group.
    async fn group(&self, uid: &str) -> Result<HostGroup> {
        let _ = uid;
        Err(self.lacking(Feature::GroupGet))
    }

    /// One page of vulnerabilities: the first, or the one at `cursor`.
    ///
    /// # Errors
    /// As for [`Self::hosts`].
    async fn vulnerabilities(
        &self,
        query: &VulnerabilityQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Vulnerability>> {
        let _ = (query, cursor);
        Err(self.lacking(Feature::VulnerabilityList))
    }

    /// One vulnerability by the vendor's own id.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when this tenant has no such vulnerability.
    async fn vulnerability(&self, uid: &str) -> Result<Vulnerability> {
        let _ = uid;
        Err(self.lacking(Feature::VulnerabilityGet))
    }

    /// One page of applications: the first, or the one at `cursor`.
    ///
    /// # Errors
    /// As for [`Self::hosts`].
    async fn applications(
        &self,
        query: &ApplicationQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Application>> {
        let _ = (query, cursor);
        Err(self.lacking(Feature::ApplicationList))
    }

    /// One application by the vendor's own id.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when this tenant has no such application.
    async fn application(&self, uid: &str) -> Result<Application> {
        let _ = uid;
        Err(self.lacking(Feature::ApplicationGet))
    }

    /// One page of what the vendor has noted of what was done: the first, or the one at `cursor`. Where it keeps
    /// several records (see [`AuditEvent::source`]) they follow each other, each newest first unless the query says
    /// otherwise.
    ///
    /// # Errors
    /// As for [`Self::hosts`].
    async fn audit_events(&self, query: &AuditQuery, cursor: Option<&Cursor>) -> Result<Page<AuditEvent>> {
        let _ = (query, cursor);
        Err(self.lacking(Feature::AuditList))
    }

    /// One audit event by the vendor's own id.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when this tenant has no such event.
    async fn audit_event(&self, uid: &str) -> Result<AuditEvent> {
        let _ = uid;
        Err(self.lacking(Feature::AuditGet))
    }

    /// The error for a feature that is missing, with the capability's reason and the tenant's name.
    fn lacking(&self, feature: Feature) -> Error {
        let silent = || Error::unsupported(format!("{} is not built for this vendor", feature.as_str()));
        let error = self.capabilities().require(feature).err().unwrap_or_else(silent);
        error.with_operation(feature.as_str()).with_tenant(self.tenant(), self.vendor())
    }

    /// Refuses a write before anything is sent: a feature that is missing, no target at all, a blank or
    /// doubled one, and more than one call takes. For implementors.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] or [`ErrorKind::InvalidRequest`], with the reason.
    fn admit(&self, feature: Feature, targets: &[String]) -> Result<()> {
        let named = |e: Error| e.with_operation(feature.as_str()).with_tenant(self.tenant(), self.vendor());
        self.capabilities().require(feature).map_err(named)?;
        let most = self.capabilities().batch(feature);
        let mut seen = HashSet::new();
        let wrong = if targets.is_empty() {
            Some("no target is given; nothing is never everything".to_owned())
        } else if targets.len() > most {
            Some(format!("{} targets are more than the {most} that one call takes", targets.len()))
        } else if targets.iter().any(|t| t.trim().is_empty()) {
            Some("a target is blank".to_owned())
        } else {
            targets.iter().find(|t| !seen.insert(t.as_str())).map(|t| format!("{t} is named twice"))
        };
        wrong.map_or(Ok(()), |wrong| Err(named(Error::new(ErrorKind::InvalidRequest, wrong))))
    }

    /// Gives back what the tenant holds at the vendor, such as a token that is to be revoked. The
    /// provider stays usable; what it needs it gets anew.
    ///
    /// # Errors
    /// As the vendor answers. Nothing is lost by it.
    async fn close(&self) -> Result<()> {
        Ok(())
    }

    /// The same page as [`Self::hosts`], given out while it arrives, so that memory does not grow
    /// with the page.
    fn host_parts<'a>(&'a self, query: &'a HostQuery, cursor: Option<Cursor>) -> PartStream<'a, Host> {
        let page = async move { self.hosts(query, cursor.as_ref()).await.map(Part::from) };
        stream::once(page).boxed()
    }

    /// The pages of one walk over hosts. A provider that can ask for the next page before this one has been read does
    /// it here; a page on its own ([`Self::hosts`], [`Self::host_parts`]) asks for nothing but itself.
    fn host_pages<'a>(&'a self, query: &'a HostQuery) -> Opener<'a, Host> {
        Box::new(move |cursor| self.host_parts(query, cursor))
    }

    /// The same page as [`Self::alerts`], given out while it arrives.
    fn alert_parts<'a>(&'a self, query: &'a AlertQuery, cursor: Option<Cursor>) -> PartStream<'a, Alert> {
        let page = async move { self.alerts(query, cursor.as_ref()).await.map(Part::from) };
        stream::once(page).boxed()
    }

    /// The same page as [`Self::cases`], given out while it arrives.
    fn case_parts<'a>(&'a self, query: &'a CaseQuery, cursor: Option<Cursor>) -> PartStream<'a, Case> {
        let page = async move { self.cases(query, cursor.as_ref()).await.map(Part::from) };
        stream::once(page).boxed()
    }

    /// The same page as [`Self::iocs`], given out while it arrives.
    fn ioc_parts<'a>(&'a self, query: &'a IocQuery, cursor: Option<Cursor>) -> PartStream<'a, Ioc> {
        let page = async move { self.iocs(query, cursor.as_ref()).await.map(Part::from) };
        stream::once(page).boxed()
    }

    /// The same page as [`Self::groups`], given out while it arrives.
    fn group_parts<'a>(
        &'a self,
        query: &'a HostGroupQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, HostGroup> {
        let page = async move { self.groups(query, cursor.as_ref()).await.map(Part::from) };
        stream::once(page).boxed()
    }

    /// The same page as [`Self::vulnerabilities`], given out while it arrives.
    fn vulnerability_parts<'a>(
        &'a self,
        query: &'a VulnerabilityQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, Vulnerability> {
        let page = async move { self.vulnerabilities(query, cursor.as_ref()).await.map(Part::from) };
        stream::once(page).boxed()
    }

    /// The same page as [`Self::audit_events`], given out while it arrives.
    fn audit_event_parts<'a>(
        &'a self,
        query: &'a AuditQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, AuditEvent> {
        let page = async move { self.audit_events(query, cursor.as_ref()).await.map(Part::from) };
        stream::once(page).boxed()
    }

    /// The same page as [`Self::applications`], given out while it arrives.
    fn application_parts<'a>(
        &'a self,
        query: &'a ApplicationQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, Application> {
        let page = async move { self.applications(query, cursor.as_ref()).await.map(Part::from) };
        stream::once(page).boxed()
    }
}

/// Comfort on top of [`EdrProvider`]: implemented for every provider, and by nobody else.
#[async_trait]
pub trait EdrProviderExt: EdrProvider {
    /// Everything that a query asks for, as events, ending in an [`crate::Outcome`]. Duplicates are given out once;
    /// a listing that shifts while it is read, repeats a page key or comes up short is read again, and
    /// what is still missing is named.
    ///
    /// ```
    /// use edr_core::{CaseQuery, EdrProvider, EdrProviderExt};
    /// # async fn run(provider: &dyn EdrProvider) {
    /// let query = CaseQuery::new();
    /// let walk = provider.walk(&query);
    /// # drop(walk);
    /// # }
    /// ```
    fn walk<'a, Q>(&'a self, query: &'a Q) -> WalkStream<'a, Q::Item>
    where
        Q: Query,
        Q::Item: Listed<Query = Q>,
    {
        self.walk_from(query, None)
    }

    /// As [`Self::walk`], from a checkpoint on.
    fn walk_from<'a, Q>(&'a self, query: &'a Q, from: Option<Cursor>) -> WalkStream<'a, Q::Item>
    where
        Q: Query,
        Q::Item: Listed<Query = Q>,
    {
        walk::walk(self.tenant(), self.vendor(), from, Q::Item::pages(self, query))
    }

    /// Everything that a query asks for, as a plain stream. An item that could not be decoded, and a listing
    /// that ends incomplete, are errors in the stream.
    fn stream<'a, Q>(&'a self, query: &'a Q) -> BoxStream<'a, Result<Q::Item>>
    where
        Q: Query,
        Q::Item: Listed<Query = Q>,
    {
        flatten(self.tenant(), self.vendor(), self.walk(query))
    }

    /// Everything that a query asks for, in memory.
    ///
    /// # Errors
    /// Only when nothing could be read; what came through is in [`Collected`] with its outcome.
    async fn collect<Q>(&self, query: &Q) -> Result<Collected<Q::Item>>
    where
        Q: Query,
        Q::Item: Listed<Query = Q>,
    {
        walk::collect(self.walk(query)).await
    }

    /// All hosts, as events; see [`Self::walk`].
    fn walk_hosts<'a>(&'a self, query: &'a HostQuery) -> WalkStream<'a, Host> {
        self.walk(query)
    }

    /// As [`Self::walk_hosts`], from a checkpoint on.
    fn walk_hosts_from<'a>(&'a self, query: &'a HostQuery, from: Option<Cursor>) -> WalkStream<'a, Host> {
        self.walk_from(query, from)
    }

    /// All alerts, as events; see [`Self::walk`].
    fn walk_alerts<'a>(&'a self, query: &'a AlertQuery) -> WalkStream<'a, Alert> {
        self.walk(query)
    }

    /// As [`Self::walk_alerts`], from a checkpoint on.
    fn walk_alerts_from<'a>(&'a self, query: &'a AlertQuery, from: Option<Cursor>) -> WalkStream<'a, Alert> {
        self.walk_from(query, from)
    }

    /// All hosts as a plain stream; see [`Self::stream`].
    fn host_stream<'a>(&'a self, query: &'a HostQuery) -> BoxStream<'a, Result<Host>> {
        self.stream(query)
    }

    /// All alerts as a plain stream; see [`Self::stream`].
    fn alert_stream<'a>(&'a self, query: &'a AlertQuery) -> BoxStream<'a, Result<Alert>> {
        self.stream(query)
    }

    /// All hosts in memory.
    ///
    /// # Errors
    /// As for [`Self::collect`].
    async fn collect_hosts(&self, query: &HostQuery) -> Result<Collected<Host>> {
        self.collect(query).await
    }

    /// All alerts in memory.
    ///
    /// # Errors
    /// As for [`Self::collect`].
    async fn collect_alerts(&self, query: &AlertQuery) -> Result<Collected<Alert>> {
        self.collect(query).await
    }

    /// Every host with this name: exact first, and if there is none, without regard to case.
    ///
    /// # Errors
    /// When a listing ends incomplete: a host that is not found is then not proven absent.
    async fn find_hosts(&self, name: &str) -> Result<Vec<Host>> {
        let exact = self.whole_hosts(&HostQuery::new().hostname(name).with_connection()).await?;
        if !exact.is_empty() {
            return Ok(exact);
        }
        let near = HostQuery::new().with_connection().filter(crate::filter::name_like(name));
        let found = self.whole_hosts(&near).await?;
        Ok(found.into_iter().filter(|h| h.hostname.eq_ignore_ascii_case(name)).collect())
    }

    /// What works and what does not, probe by probe. It never fails as a whole.
    async fn diagnose(&self) -> Diagnosis {
        let mut found = Diagnosis::new();
        self.diagnose_into(&mut found).await;
        found.name(self.tenant(), self.vendor());
        found
    }

    /// All hosts in memory, or an error when the listing ends incomplete.
    ///
    /// # Errors
    /// When anything is missing; the error says what.
    async fn whole_hosts(&self, query: &HostQuery) -> Result<Vec<Host>> {
        let collected = self.collect_hosts(query).await?;
        let incomplete = walk::incomplete(&collected.outcome);
        incomplete.map_or(Ok(collected.items), |e| Err(e.with_tenant(self.tenant(), self.vendor())))
    }
}

impl<P: EdrProvider + ?Sized> EdrProviderExt for P {}

fn flatten<'a, T: Listing>(
    tenant: &'a TenantId,
    vendor: &'a Vendor,
    walk: WalkStream<'a, T>,
) -> BoxStream<'a, Result<T>> {
    let named = move |item: Result<T>| item.map_err(|e| e.with_tenant(tenant, vendor));
    walk.flat_map(move |event| stream::iter(walk::plain(event).into_iter().map(named))).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(dead_code, reason = "compiling it is the test")]
    fn usable_as_an_object(provider: &dyn EdrProvider, query: &'static HostQuery) {
        let boxed: Box<dyn EdrProvider> = Box::new(crate::InMemory::builder("t").build());
        drop(boxed);
        drop(provider.host_stream(query));
    }

    #[expect(dead_code, reason = "compiling it is the test")]
    fn usable_as_a_type<P: EdrProvider>(provider: &P, query: &'static HostQuery) {
        drop(provider.host_stream(query));
    }
}
