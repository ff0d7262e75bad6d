//! One tenant as an [`EdrProvider`].

mod alert_work;
mod alerts;
mod audit;
mod cases;
mod commands;
mod deeds;
mod diagnose;
mod discreet;
mod fields;
mod filters;
mod groups;
mod history;
mod hosts;
mod iocs;
mod rows;
mod scans;
mod software;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use edr_core::{
    Alert, AlertChange, AlertQuery, Anomaly, Application, ApplicationQuery, AuditEvent, AuditQuery, Because,
    Capabilities, Case, CaseChange, CaseQuery, ConnectionState, Cursor, Diagnosis, EdrProvider, Error,
    ErrorKind, Feature, Fit, FoundHosts, Host, HostGroup, HostGroupQuery, HostHistory, HostQuery, Ioc,
    IocQuery, Listing, Noun, Opener, Origin, Page, Part, PartStream, Progress, Provenance, Raw, Receipt,
    Rejected, ResponseAction, Result, Risk, SavedFile, Target, TenantCheck, TenantId, Vendor, Vulnerability,
    VulnerabilityQuery, Warning,
};
use futures_util::{StreamExt as _, stream};

use crate::api::{self, ApiError, Envelope, Expect, RESOURCES};
use crate::aside::Shelved;
use crate::auth::OAuth2;
use crate::client::{FalconClient, RawReply, Tail};
use crate::config::Cloud;
use crate::dialect::clean;
use crate::{FalconDetail, VENDOR, map};
pub use commands::CommandHandle;

/// One Falcon tenant. Cheap to clone; clones share connections, token, pace and what was learnt about
/// the tenant's cloud.
#[derive(Clone)]
pub struct Falcon(Arc<Inner>);

struct Inner {
    client: FalconClient,
    capabilities: Capabilities,
    setup: Setup,
    /// This cloud has no combined endpoint for hosts.
    hosts_by_scroll: AtomicBool,
    /// This cloud has no combined endpoint for alerts.
    alerts_by_id: AtomicBool,
}

/// What the provider knows of its own making.
pub(crate) struct Setup {
    /// As configured.
    pub(crate) cloud: Cloud,
    pub(crate) oauth: Arc<OAuth2>,
    /// Where tokens are shared with other processes, if they are.
    pub(crate) store: Option<Arc<Shelved>>,
    /// False when a base URL of the user's own stands in for the cloud.
    pub(crate) on_cloud: bool,
    pub(crate) rate_share: f64,
}

impl fmt::Debug for Falcon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Falcon").field("http", self.0.client.http()).finish_non_exhaustive()
    }
}

impl Falcon {
    pub(crate) fn new(client: FalconClient, setup: Setup) -> Self {
        Self(Arc::new(Inner {
            client,
            capabilities: capabilities(),
            setup,
            hosts_by_scroll: AtomicBool::new(false),
            alerts_by_id: AtomicBool::new(false),
        }))
    }

    /// The same tenant in Falcon's own types, and the way to what has no method here.
    #[must_use]
    pub fn client(&self) -> &FalconClient {
        &self.0.client
    }

    /// The cloud in use: the configured one, or the one that was discovered; `None` behind a base URL
    /// of the user's own.
    #[must_use]
    pub fn cloud(&self) -> Option<Cloud> {
        let found = self.client().http().base().host_str().and_then(Cloud::of_api_host);
        found.filter(|_| self.0.setup.on_cloud)
    }

    fn context(&self) -> map::Context {
        map::Context { tenant: self.tenant().clone(), now: self.client().http().clock().now() }
    }

    fn named(&self, error: Error, operation: &'static str) -> Error {
        error.with_operation(operation).with_tenant(self.tenant(), &VENDOR)
    }

    fn warning(&self, message: impl Into<String>) -> Warning {
        Warning { tenant: self.tenant().clone(), message: message.into() }
    }

    fn counted<T: Listing>(&self, part: Part<T>) -> Part<T> {
        self.client().http().count_rejected(T::NOUN, part.rejected.len());
        part
    }

    /// What the plumbing has noticed since the last time.
    fn notices(&self) -> Vec<Warning> {
        self.client().http().take_notices().into_iter().map(|n| self.warning(n)).collect()
    }

    /// Remembers that a combined endpoint is missing; a warning the first time.
    fn lacks(&self, flag: &AtomicBool, what: &str) -> Option<Warning> {
        let known = flag.swap(true, Ordering::Relaxed);
        let message =
            format!("this cloud has no combined endpoint for {what}; ids and entities are read instead");
        (!known).then(|| self.warning(message))
    }

    fn host_page<'a>(
        &'a self,
        query: &'a HostQuery,
        cursor: Option<Cursor>,
        ahead: Option<hosts::Ahead>,
    ) -> PartStream<'a, Host> {
        let page = hosts::HostPage::open(self, query, cursor.as_ref(), ahead);
        stream::try_unfold(page, move |page| async move {
            let mut page = page?;
            let part = page.next().await?;
            Ok(part.map(|part| (self.counted(part), Ok(page))))
        })
        .boxed()
    }

    /// Asks which of these hosts are online, and sets it on them. Gives back those that it was not told of.
    async fn connect(&self, hosts: &mut [Host]) -> Result<HashSet<String>> {
        let ids: Vec<String> =
            hosts.iter().map(|h| h.uid.clone()).filter(|id| api::hosts::is_device_id(id)).collect();
        if ids.is_empty() {
            return Ok(hosts.iter().map(|h| h.uid.clone()).collect());
        }
        let states = self.client().online_state(&ids).await?;
        let by_id: HashMap<String, String> =
            states.into_iter().filter_map(|s| Some((s.id?, s.state?.to_string()))).collect();
        let mut untold = HashSet::new();
        for host in hosts {
            match by_id.get(&host.uid) {
                Some(word) => set_connection(host, word),
                None => drop(untold.insert(host.uid.clone())),
            }
        }
        Ok(untold)
    }

    /// The customer id of the first host, and how many there are: the smallest listing that there is.
    async fn probe(&self) -> Result<(Option<String>, Option<u64>)> {
        let params = api::hosts::HostsParams { limit: Some(1), ..Default::default() };
        if !self.0.hosts_by_scroll.load(Ordering::Relaxed) {
            match self.client().hosts(&params).await {
                Ok(reply) => {
                    let cid = reply.resources.first().and_then(|d| d.cid.clone());
                    return Ok((cid, reply.pagination().count()));
                }
                Err(error) if is_missing_route(&error) => {
                    self.0.hosts_by_scroll.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        let ids = self.client().host_ids(&params).await?;
        let hosts = self.client().hosts_by_id(&ids.resources).await?;
        let cid = hosts.found.iter().find_map(|d| d.cid.clone());
        Ok((cid, ids.pagination().count()))
    }

    /// Refuses what cannot be the id of a host.
    fn check_device(&self, uid: &str, endpoint: &'static api::Endpoint) -> Result<()> {
        if api::hosts::is_device_id(uid) {
            return Ok(());
        }
        let error = Error::new(ErrorKind::InvalidRequest, format!("{uid:?} is not the id of a host"));
        Err(self.named(error.with_hint("a device id has 32 hex digits"), endpoint.operation.name))
    }

    /// Refuses what cannot be the id of an application or a vulnerability.
    fn check_pair<T: Listing>(&self, uid: &str, endpoint: &'static api::Endpoint) -> Result<()> {
        if software::is_pair(uid) {
            return Ok(());
        }
        let message = format!("{uid:?} is not the id of one of the {}", T::NOUN.plural());
        let error = Error::new(ErrorKind::InvalidRequest, message);
        Err(self.named(error.with_hint("an id has two parts of hex digits"), endpoint.operation.name))
    }

    /// The one item of an entity call, by its id.
    async fn one<T: Listing>(
        &self,
        plan: edr_http::RequestPlan,
        uid: &str,
        map: impl Fn(&Bytes, &map::Context) -> Result<T, Box<Rejected>>,
    ) -> Result<T> {
        let operation = plan.operation.name;
        let absent = || {
            let hint = "ids belong to one tenant; ask the tenant that the id came from";
            Error::new(ErrorKind::NotFound, format!("no {} {uid}", T::NOUN)).with_hint(hint)
        };
        let reply = self.client().raw(plan, Expect::Entities).await?;
        let context = self.context();
        let mut undecoded = None;
        for raw in &reply.items {
            match map(raw, &context) {
                Ok(item) if item.uid().eq_ignore_ascii_case(uid) => return Ok(item),
                Ok(_) => {}
                Err(rejected) => undecoded = Some(rejected),
            }
        }
        let undecoded = undecoded.map(|r| Error::new(ErrorKind::Decode, r.reason));
        Err(self.named(undecoded.or(reply.tail.failure).unwrap_or_else(absent), operation))
    }

    /// Entities by the ids of a listing. A chunk whose items have all gone may be a 404.
    async fn entities(&self, plan: edr_http::RequestPlan) -> Result<RawReply> {
        match self.client().raw(plan, Expect::Entities).await {
            Err(error) if error.is_not_found() && status(&error) == Some(404) => Ok(RawReply::default()),
            reply => reply,
        }
    }

    /// Says which of the ids that were listed did not come, each as an item that is missing, and takes
    /// the errors of the reply that are about none of them for gaps.
    fn miss<T: Listing>(&self, missing: Vec<String>, tail: &Tail, part: &mut Part<T>) {
        let about = |error: &ApiError, id: &str| error.id.as_deref() == Some(id);
        let (mut errors, mut reasons) = (Vec::new(), HashMap::new());
        for error in failures(&tail.envelope) {
            match missing.iter().find(|id| about(&error, id)) {
                Some(id) => drop(reasons.insert(id.clone(), says(&error))),
                None => errors.push(error),
            }
        }
        for uid in missing {
            let why = reasons.get(&uid).map(|r| format!(": {r}")).unwrap_or_default();
            let reason = format!("listed, but not returned by id{why}");
            part.rejected.push(self.rejected(T::NOUN, Some(uid), reason, Raw::default()));
        }
        self.gaps(errors, part);
    }

    /// Errors that came beside items, and with which others may be missing.
    fn beside<T: Listing>(&self, tail: &Tail, part: &mut Part<T>) {
        self.gaps(failures(&tail.envelope), part);
    }

    fn gaps<T: Listing>(&self, errors: Vec<ApiError>, part: &mut Part<T>) {
        for error in errors {
            let said = says(&error);
            let nouns = T::NOUN.plural();
            let message = format!("{nouns} may be missing: an error came beside them: {said}");
            part.warnings.push(self.warning(message));
            let raw = Raw::new(format!("{{\"message\":{}}}", api::json_text(&said)));
            let reason = format!("an error in its place: {said}");
            part.rejected.push(self.rejected(T::NOUN, None, reason, raw));
        }
    }

    fn rejected(&self, noun: Noun, uid: Option<String>, reason: String, raw: Raw) -> Rejected {
        Rejected { tenant: self.tenant().clone(), vendor: VENDOR, noun, uid, reason, raw }
    }
}

fn set_connection(host: &mut Host, word: &str) {
    host.connection_state = match word {
        "online" => ConnectionState::Online,
        "offline" => ConnectionState::Offline,
        "unknown" => ConnectionState::Unknown,
        other => ConnectionState::Other(other.to_owned()),
    };
    host.origins.retain(|o| o.field != "connection_state");
    host.origins.push(Origin {
        field: "connection_state".into(),
        vendor_value: Some(word.to_owned().into()),
        provenance: Provenance::Converted,
    });
}

/// The errors of a reply, less those that only say that an id is not there.
fn failures(envelope: &Envelope) -> Vec<ApiError> {
    envelope.all_errors().into_iter().filter(|e| !e.is_about_id()).collect()
}

/// `500: a part failed`.
fn says(error: &ApiError) -> String {
    let message = error.message.as_deref().map(clean).unwrap_or_default();
    match error.code.as_deref() {
        Some(code) if message.is_empty() => code.to_owned(),
        Some(code) => format!("{code}: {message}"),
        None => message.into_owned(),
    }
}

fn detail(error: &Error) -> Option<&FalconDetail> {
    error.detail()?.as_any().downcast_ref()
}

/// The HTTP status of the answer.
fn status(error: &Error) -> Option<u16> {
    detail(error).map(|d| d.status)
}

/// True when the answer means that this cloud lacks the operation.
fn is_missing_route(error: &Error) -> bool {
    detail(error).is_some_and(FalconDetail::is_missing_route)
}

/// A cursor of an endpoint that is gone: the listing must begin again.
fn stale() -> Error {
    Error::new(ErrorKind::CursorExpired, "the cursor is for an endpoint that this cloud no longer has")
}

/// A page of ids as raw JSON: the texts, and what is none.
fn ids(items: &[Bytes], context: &map::Context, noun: Noun) -> (Vec<String>, Vec<Rejected>) {
    let (mut ids, mut rejected) = (Vec::new(), Vec::new());
    for item in items {
        match serde_json::from_slice::<String>(item) {
            Ok(id) => ids.push(id),
            Err(_) => rejected.push(map::rejected(item, context, noun, "id", "it is not an id".to_owned())),
        }
    }
    (ids, rejected)
}

/// Puts items into the order of the ids that were asked for. What was asked for and is not there is
/// returned; what was not asked for comes last.
fn in_order<T: Listing>(mut items: Vec<T>, rejected: &[Rejected], ids: &[String]) -> (Vec<T>, Vec<String>) {
    let places: HashMap<&str, usize> = ids.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
    items.sort_by_key(|item| places.get(item.uid()).copied().unwrap_or(usize::MAX));
    let found: HashSet<&str> =
        items.iter().map(T::uid).chain(rejected.iter().filter_map(|r| r.uid.as_deref())).collect();
    let missing = ids.iter().filter(|id| !found.contains(id.as_str())).cloned().collect();
    (items, missing)
}

const AUDITS: &str = "installation tokens first, then sessions of Real Time Response, each with a scope of its own; what is \
     done in the console comes by the event stream alone; an order is there for one of the two at a time";

fn capabilities() -> Capabilities {
    use Feature::{AlertGet, AlertList, ConnectionState, ContainmentState, HostGet, HostList};
    let base = Capabilities::new()
        .with([AlertGet, AlertList, ConnectionState, ContainmentState, HostGet])
        .with_restricted(HostList, "hosts that are hidden in the console are not listed")
        .with_max_page(Noun::Host, api::hosts::MAX_PAGE)
        .with_max_page(Noun::Alert, api::alerts::MAX_PAGE)
        .with_sorts(Noun::Host, &hosts::sorts())
        .with_sorts(Noun::Alert, &alerts::sorts())
        .with([Feature::FileFetch, Feature::HostContain, Feature::HostRelease])
        .with_restricted(Feature::HostScan, "of paths that are named")
        .with_restricted(Feature::HostTag, "the tags of the sensor cannot be changed from here")
        .with_restricted(Feature::HostUntag, "the tags of the sensor cannot be changed from here")
        .with_restricted(Feature::ProcessKill, "by its process id, on hosts that are online")
        .with_restricted(Feature::ScriptRun, "parameters are given in their order, without their names")
        .with_restricted(Feature::AlertUpdate, "of the verdicts, three are expressed exactly")
        .with_max_batch(Feature::FileFetch, commands::MAX_HOSTS)
        .with_max_batch(Feature::ProcessKill, commands::MAX_HOSTS)
        .with_max_batch(Feature::ScriptRun, commands::MAX_HOSTS)
        .with([Feature::CaseGet, Feature::CaseList])
        .with_restricted(
            Feature::CaseUpdate,
            "status, severity and assignee; Falcon takes neither verdicts nor comments of cases",
        )
        .with_max_page(Noun::Case, cases::MAX_PAGE)
        .with_sorts(Noun::Case, &cases::sorts())
        .with_max_batch(Feature::CaseUpdate, 100)
        .with([Feature::IocDelete, Feature::IocGet, Feature::IocList])
        .with_restricted(
            Feature::IocPush,
            "domains and addresses are detected, not blocked; no SHA-1, URLs and names of files",
        )
        .with_max_page(Noun::Ioc, api::iocs::MAX_PAGE)
        .with_sorts(Noun::Ioc, &rows::sorts::<Ioc>())
        .with([Feature::GroupGet, Feature::GroupList])
        .with_restricted(Feature::HostHistory, "up to 100 logins of the last seven days")
        .with_restricted(
            Feature::HostRisk,
            "how well a host is set up, where the tenant has Zero Trust Assessment",
        )
        .with_max_page(Noun::HostGroup, groups::MAX_PAGE)
        .with_sorts(Noun::HostGroup, &rows::sorts::<HostGroup>())
        .with_restricted(Feature::ApplicationGet, "where the tenant has Falcon Discover")
        .with_restricted(Feature::ApplicationList, "where the tenant has Falcon Discover")
        .with_restricted(Feature::VulnerabilityGet, "where the tenant has Falcon Spotlight")
        .with_restricted(Feature::VulnerabilityList, "where the tenant has Falcon Spotlight")
        .with_restricted(Feature::AuditList, AUDITS)
        .without(Feature::AuditGet, "the audit of sessions is not read by id; list the events")
        .with_max_page(Noun::AuditEvent, audit::MAX_PAGE)
        .with_max_page(Noun::Application, api::discover::MAX_PAGE)
        .with_sorts(Noun::Application, &rows::sorts::<Application>())
        .with_max_page(Noun::Vulnerability, api::spotlight::MAX_PAGE)
        .with_sorts(Noun::Vulnerability, &rows::sorts::<Vulnerability>())
        .with_max_batch(Feature::IocDelete, api::iocs::MAX_IDS as u32)
        .with_max_batch(Feature::IocPush, api::iocs::MAX_CREATE as u32)
        .with_max_batch(Feature::HostContain, 100)
        .with_max_batch(Feature::HostRelease, 100)
        .with_max_batch(Feature::HostScan, scans::MAX_HOSTS)
        .with_max_batch(Feature::HostTag, api::hosts::MAX_IDS as u32)
        .with_max_batch(Feature::HostUntag, api::hosts::MAX_IDS as u32)
        .with_max_batch(Feature::AlertUpdate, api::alerts::MAX_IDS as u32);
    let base = deeds::LACKING.iter().fold(base, |all, (feature, reason)| all.without(*feature, *reason));
    filters::SERVED.iter().fold(base, |all, (noun, field, ops)| all.with_filter(*noun, field, ops))
}

#[async_trait]
impl EdrProvider for Falcon {
    fn tenant(&self) -> &TenantId {
        self.client().http().tenant()
    }

    fn vendor(&self) -> &Vendor {
        self.client().http().vendor()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn check(&self) -> Result<TenantCheck> {
        let (cid, total) = self.probe().await?;
        let base = self.client().http().base();
        let place = self.cloud().map_or_else(|| "an address of your own".to_owned(), |c| c.to_string());
        let mut check = TenantCheck::default()
            .found("cloud", format!("{place} ({})", base.host_str().unwrap_or_default()))
            .found("token", "issued and accepted");
        check.tenant_uid = cid.filter(|c| !c.trim().is_empty());
        if let Some(cid) = check.tenant_uid.clone() {
            check = check.found("cid", cid);
        }
        if let Some(total) = total {
            check = check.found("hosts", total.to_string());
        }
        // Alerts have a scope of their own.
        self.alerts(&AlertQuery::new().page_size(1), None).await?;
        check = check.found("alerts", "readable");
        Ok(self.notices().into_iter().fold(check, |check, n| check.found("notice", n.message)))
    }

    async fn cases(&self, query: &CaseQuery, cursor: Option<&Cursor>) -> Result<Page<Case>> {
        self.case_page(query, cursor).await
    }

    async fn case(&self, uid: &str) -> Result<Case> {
        if !cases::is_case_id(uid) {
            let error = Error::new(ErrorKind::InvalidRequest, format!("{uid:?} is not the id of a case"));
            return Err(self.named(error, api::cases::ENTITIES.name));
        }
        self.one(api::cases::entities(&[uid]), uid, map::case).await
    }

    fn case_fit(&self, change: &CaseChange) -> Result<Fit> {
        cases::fit(change).map_err(|e| self.named(e, api::cases::UPDATE.operation.name))
    }

    async fn update_cases(&self, change: &CaseChange, cases: &[String]) -> Result<Vec<Receipt>> {
        self.change_cases(change, cases).await
    }

    async fn iocs(&self, query: &IocQuery, cursor: Option<&Cursor>) -> Result<Page<Ioc>> {
        gather(self.ioc_parts(query, cursor.cloned())).await
    }

    async fn ioc(&self, uid: &str) -> Result<Ioc> {
        if uid.is_empty() || !uid.bytes().all(|b| b.is_ascii_hexdigit()) {
            let error =
                Error::new(ErrorKind::InvalidRequest, format!("{uid:?} is not the id of an indicator"));
            return Err(self.named(error.with_hint("an id has hex digits"), api::iocs::ENTITIES.name));
        }
        self.one(api::iocs::entities(&[uid]), uid, map::ioc).await
    }

    fn ioc_fit(&self, ioc: &Ioc) -> Result<Fit> {
        self.fit_ioc(ioc)
    }

    async fn push_iocs(&self, iocs: &[Ioc]) -> Result<Vec<Receipt>> {
        self.put_iocs(iocs).await
    }

    async fn delete_iocs(&self, uids: &[String]) -> Result<Vec<Receipt>> {
        self.drop_iocs(uids).await
    }

    fn ioc_parts<'a>(&'a self, query: &'a IocQuery, cursor: Option<Cursor>) -> PartStream<'a, Ioc> {
        self.rows(query, cursor)
    }

    async fn host_history(&self, uid: &str) -> Result<HostHistory> {
        self.past(uid).await
    }

    async fn host_risk(&self, uid: &str) -> Result<Option<Risk>> {
        self.posture(uid).await
    }

    async fn groups(&self, query: &HostGroupQuery, cursor: Option<&Cursor>) -> Result<Page<HostGroup>> {
        gather(self.rows(query, cursor.cloned())).await
    }

    async fn group(&self, uid: &str) -> Result<HostGroup> {
        self.one_group(uid).await
    }

    fn group_parts<'a>(
        &'a self,
        query: &'a HostGroupQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, HostGroup> {
        self.rows(query, cursor)
    }

    async fn applications(
        &self,
        query: &ApplicationQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Application>> {
        gather(self.rows(query, cursor.cloned())).await
    }

    async fn application(&self, uid: &str) -> Result<Application> {
        self.check_pair::<Application>(uid, &api::discover::APPLICATIONS)?;
        self.one(api::discover::entities::<api::discover::Application, _>(&[uid]), uid, map::application)
            .await
    }

    fn application_parts<'a>(
        &'a self,
        query: &'a ApplicationQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, Application> {
        self.rows(query, cursor)
    }

    async fn vulnerabilities(
        &self,
        query: &VulnerabilityQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Vulnerability>> {
        gather(self.rows(query, cursor.cloned())).await
    }

    async fn vulnerability(&self, uid: &str) -> Result<Vulnerability> {
        self.check_pair::<Vulnerability>(uid, &api::spotlight::ENTITIES)?;
        self.one(api::spotlight::entities(&[uid]), uid, map::vulnerability).await
    }

    fn vulnerability_parts<'a>(
        &'a self,
        query: &'a VulnerabilityQuery,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, Vulnerability> {
        self.rows(query, cursor)
    }

    async fn audit_events(&self, query: &AuditQuery, cursor: Option<&Cursor>) -> Result<Page<AuditEvent>> {
        self.audit_page(query, cursor).await
    }

    async fn close(&self) -> Result<()> {
        self.0.setup.oauth.close().await
    }

    async fn diagnose_into(&self, found: &mut Diagnosis) {
        self.look(found).await;
    }

    async fn hosts(&self, query: &HostQuery, cursor: Option<&Cursor>) -> Result<Page<Host>> {
        gather(self.host_parts(query, cursor.cloned())).await
    }

    async fn host(&self, uid: &str) -> Result<Host> {
        self.check_device(uid, &api::hosts::ENTITIES)?;
        let mut host = self.one(api::hosts::entities(&[uid]), uid, map::host).await?;
        self.connect_or_tell(std::slice::from_mut(&mut host)).await;
        Ok(host)
    }

    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> Result<Page<Alert>> {
        gather(self.alert_parts(query, cursor.cloned())).await
    }

    async fn alert(&self, uid: &str) -> Result<Alert> {
        if !api::alerts::is_composite_id(uid) {
            let error = Error::new(ErrorKind::InvalidRequest, format!("{uid:?} is not the id of an alert"));
            let hint = "use the composite id, such as <cid>:ind:<aid>:<number>-<pattern>-<number>";
            return Err(self.named(error.with_hint(hint), api::alerts::ENTITIES.name));
        }
        self.one(api::alerts::entities(&[uid]), uid, map::alert).await
    }

    async fn hosts_by_uid(&self, uids: &[String]) -> Result<FoundHosts> {
        self.found(uids, true).await
    }

    /// Falcon takes no reason with an order.
    async fn respond(
        &self,
        action: &ResponseAction,
        hosts: &[String],
        because: &Because,
    ) -> Result<Vec<Receipt>> {
        let _ = because;
        self.act(action, hosts).await
    }

    async fn save_file(&self, target: &Target, to: &Path) -> Result<SavedFile> {
        self.fetched_file(target, to).await
    }

    async fn progress(&self, action: &ResponseAction, targets: &[Target]) -> Result<Vec<Progress>> {
        self.follow(action, targets).await
    }

    fn as_shown(&self, action: &ResponseAction) -> ResponseAction {
        deeds::as_shown(action)
    }

    fn order_fit(&self, action: &ResponseAction) -> Result<()> {
        self.capabilities().require(action.feature())?;
        commands::fit(action).map_err(|e| self.named(e, action.verb()))
    }

    fn alert_fit(&self, change: &AlertChange) -> Result<Fit> {
        alert_work::fit(change).map_err(|e| self.named(e, api::alerts::UPDATE.operation.name))
    }

    async fn update_alerts(&self, change: &AlertChange, alerts: &[String]) -> Result<Vec<Receipt>> {
        self.change_alerts(change, alerts).await
    }

    fn host_parts<'a>(&'a self, query: &'a HostQuery, cursor: Option<Cursor>) -> PartStream<'a, Host> {
        self.host_page(query, cursor, None)
    }

    fn host_pages<'a>(&'a self, query: &'a HostQuery) -> Opener<'a, Host> {
        let ahead = hosts::Ahead::default();
        Box::new(move |cursor| self.host_page(query, cursor, Some(ahead.clone())))
    }

    fn alert_parts<'a>(&'a self, query: &'a AlertQuery, cursor: Option<Cursor>) -> PartStream<'a, Alert> {
        let page = alerts::AlertPage::open(self, query, cursor.as_ref());
        stream::try_unfold(page, move |page| async move {
            let mut page = page?;
            let part = page.next().await?;
            Ok(part.map(|part| (self.counted(part), Ok(page))))
        })
        .boxed()
    }
}

/// The parts of a page as one. Without an end it is no page: what is missing would look as if it were not there.
async fn gather<T>(mut parts: PartStream<'_, T>) -> Result<Page<T>> {
    let (mut page, mut ended) = (Page::default(), false);
    while let Some(part) = parts.next().await {
        let part = part?;
        ended = part.end.is_some();
        page.absorb(part);
    }
    if ended { Ok(page) } else { Err(Error::new(ErrorKind::Decode, "the page stopped before its end")) }
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
