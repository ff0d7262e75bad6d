//! Items of each noun that are hard to get right, and a world in memory that holds them.

mod nouns;
mod software;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use edr_core::clock::{Clock as _, ManualClock};
use edr_core::{
    Action, AgentHealth, Alert, AlertChange, AlertQuery, AlertStatus, Analytic, Application,
    ApplicationQuery, Attack, AttackRef, Because, Capabilities, Case, CaseQuery, Cloud, ConnectionState,
    ContainmentState, Cursor, Disposition, EdrProvider, Error, ErrorKind, Evidence, Fit, FoundHosts, Group,
    Host, HostGroup, HostGroupQuery, HostQuery, HostType, InMemory, InMemoryBuilder, Indicator, Ioc,
    IocQuery, Kubernetes, Listing as _, NetworkInterface, Noun, Page, Platform, Policy, Process, Progress,
    Receipt, ResponseAction, Result, Script, Severity, Tag, Target, TenantCheck, TenantId, User, Vendor,
    Verdict, Vulnerability, VulnerabilityQuery, model,
};

use crate::{Disturbance, World};
pub use nouns::{cases, iocs};
pub use software::{applications, groups, vulnerabilities};

/// Names with every sign that a query language gives a meaning to.
pub const NAMES: [&str; 24] = [
    "WIN-BUILD-01",
    "win-build-01",
    "WIN-BUILD-010",
    "DC-01",
    "o'brien-laptop",
    "say \"hi\"",
    "back\\slash",
    "back\\\\slashes",
    "two words",
    " leading",
    "trailing ",
    "star*name",
    "what?",
    "[a-z]",
    "50%_off",
    "a,b:c",
    "m\u{fc}ller-pc",
    "\u{65e5}\u{672c}-01",
    "\u{df}tra\u{df}e",
    "plus+minus-",
    "(paren)",
    "{brace}",
    "null",
    "x",
];

/// The present time of the fixture.
#[must_use]
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_787_200, 0).unwrap_or_default()
}

/// The n-th value of a list that goes round.
fn pick<T: Clone>(values: &[T], n: usize) -> T {
    values[n % values.len()].clone()
}

fn ago(minutes: usize) -> Option<DateTime<Utc>> {
    i64::try_from(minutes).ok().and_then(TimeDelta::try_minutes).map(|age| now() - age)
}

fn user(name: &str) -> User {
    User { name: Some(name.to_owned()), ..User::default() }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// 24 hosts: every field that can be filtered on has a value in some of them and none in others.
///
/// ```
/// assert_eq!(edr_testkit::fixture::hosts().len(), 24);
/// ```
#[must_use]
pub fn hosts() -> Vec<Host> {
    NAMES.iter().enumerate().map(|(n, name)| host(n, name)).collect()
}

fn host(n: usize, name: &str) -> Host {
    let uid = format!("{:032x}", 0x00c0_ffee_u128 * (n as u128 + 1));
    let mut host = Host::new("memory", "fixture", &uid, &format!("{{\"id\":\"{uid}\",\"n\":{n}}}"));
    host.hostname = name.to_owned();
    host.kind = pick(&[HostType::Laptop, HostType::Server, HostType::Desktop, HostType::Unknown], n);
    host.os.platform = pick(&[Platform::Windows, Platform::Linux, Platform::Macos], n);
    host.connection_state =
        pick(&[ConnectionState::Online, ConnectionState::Offline, ConnectionState::Lost], n);
    host.containment_state =
        pick(&[ContainmentState::Normal, ContainmentState::Normal, ContainmentState::Contained], n / 2);
    host.agent.health = pick(&[AgentHealth::Ok, AgentHealth::Degraded], n / 3);
    host.first_seen = ago(60 * 24 * 90 + n);
    host.last_seen = ago(n * n * 7);
    host.tags = vec![Tag { source: None, value: pick(&["gold", "dmz", "a'b", "Gold"], n).to_owned() }];
    if n % 3 != 2 {
        details(&mut host, n);
    }
    host
}

/// What not every host has.
fn details(host: &mut Host, n: usize) {
    host.name = Some(format!("alias {n}"));
    host.domain = some(pick(&["corp.example", "CORP.example", "lab.example"], n));
    host.ou = vec!["Servers".to_owned(), pick(&["EU", "US"], n).to_owned()];
    host.roles = vec![pick(&["Domain Controller", "Member Server"], n).to_owned()];
    host.site = some(pick(&["Berlin", "Austin"], n));
    host.os.name = some(pick(&["Windows 11", "Ubuntu 24.04"], n));
    host.os.version = some(pick(&["10.0.26100", "24.04"], n));
    host.os.build = some(pick(&["26100", "24.04.2"], n));
    host.os.kernel = some(pick(&["10.0.26100.1", "6.8.0-49"], n));
    host.agent.content_version = some(pick(&["1520-88123", "1521-90001"], n));
    host.agent.version = some(pick(&["7.21.19205.0", "7.22.0"], n));
    host.serial_number = Some(format!("SN-{n:04}"));
    host.manufacturer = some(pick(&["Dell Inc.", "Apple"], n));
    host.model = some("Latitude 7450");
    host.ip = Some(std::net::IpAddr::from([10, 0, 1, u8::try_from(n).unwrap_or_default()]));
    host.external_ip = pick(&["203.0.113.7", "2001:db8::7"], n).parse().ok();
    host.network_interfaces = vec![NetworkInterface {
        name: some("eth0"),
        ip: Some(std::net::IpAddr::from([192, 168, 7, u8::try_from(n).unwrap_or_default()])),
        mac: model::read::mac(&format!("02-00-00-00-00-{n:02x}")),
    }];
    host.boot_time = ago(60 * 24 + n * 90);
    host.installed = ago(60 * 24 * 80 + n);
    host.modified = ago(n * 3);
    host.last_user = Some(user(pick(&["ann", "o'brien"], n)));
    host.users = vec![user("ann"), user("svc_backup")];
    host.groups = vec![Group { uid: Some(format!("g{}", n % 4)), name: some("All Servers") }];
    host.cloud = Some(Cloud {
        provider: some(pick(&["aws", "azure"], n)),
        account: some("123456789012"),
        region: some("eu-central-1"),
        zone: some(pick(&["eu-central-1a", "eu-central-1b"], n)),
        instance_uid: Some(format!("i-{n:08x}")),
    });
    host.criticality = some(pick(&["high", "low"], n));
    host.is_hidden = Some(n.is_multiple_of(4));
    host.is_vdi = Some(n.is_multiple_of(2));
    rarities(host, n);
}

/// What few people ask for.
fn rarities(host: &mut Host, n: usize) {
    host.bios_version = some(pick(&["1.24.0", "2.1.3"], n));
    host.chassis = some(pick(&["Notebook", "Rack Mount"], n));
    host.contained_time = ago(60 + n);
    host.default_gateway = Some(std::net::IpAddr::from([10, 0, 1, 254]));
    host.k8s = Some(Kubernetes {
        cluster: some("prod"),
        namespace: some(pick(&["web", "batch"], n)),
        pod: Some(format!("web-{n}")),
        ..Kubernetes::default()
    });
    host.last_login = ago(30 + n);
    host.last_user = host.last_user.take().map(|u| User { domain: some("CORP"), ..u });
    host.owner_email = some(pick(&["ann@corp.example", "bob@corp.example"], n));
    host.policies =
        vec![Policy { uid: Some(format!("p{}", n % 3)), name: some("Servers"), ..Policy::default() }];
    host.smbios_uuid = Some(format!("4c4c4544-0000-0000-0000-{n:012x}"));
}

/// 24 alerts, in no order: every field that can be filtered on has a value in some of them and none in others.
///
/// ```
/// assert_eq!(edr_testkit::fixture::alerts().len(), 24);
/// ```
#[must_use]
pub fn alerts() -> Vec<Alert> {
    NAMES.iter().enumerate().map(|(n, name)| alert(n, name)).collect()
}

fn alert(n: usize, name: &str) -> Alert {
    let uid = format!("fixture:ind:{:08x}:{n}", 0x1234_5678_u64 + n as u64);
    let mut alert = Alert::new("memory", "fixture", &uid, &format!("{{\"id\":\"{uid}\"}}"));
    alert.title = name.to_owned();
    alert.severity = pick(Severity::KNOWN, n);
    alert.status = pick(&[AlertStatus::New, AlertStatus::InProgress, AlertStatus::Resolved], n / 2);
    alert.verdict = pick(&[Verdict::Unknown, Verdict::FalsePositive, Verdict::TruePositive], n);
    alert.action = pick(&[Action::Observed, Action::Denied], n);
    alert.disposition = pick(&[Disposition::Detected, Disposition::Blocked, Disposition::Quarantined], n);
    // Two alerts share each instant, and the order is not that of the ids.
    alert.created_time = ago((n * 7 % 24) / 2 * 500);
    alert.time = ago((n * 7 % 24) / 2 * 500 + 3);
    if n % 3 != 2 {
        circumstances(&mut alert, n);
    }
    alert
}

/// What not every alert has.
fn circumstances(alert: &mut Alert, n: usize) {
    let mut device = host(n, pick(&NAMES, n));
    device.ip = Some(std::net::IpAddr::from([10, 0, 1, u8::try_from(n).unwrap_or_default()]));
    alert.device = Some(Box::new(device));
    alert.modified_time = ago(n);
    alert.desc = Some(format!("Process {n} did \"something\""));
    alert.confidence_score = u8::try_from(n * 4).ok();
    alert.is_suppressed = Some(n.is_multiple_of(4));
    alert.prevented = Some(n.is_multiple_of(2));
    alert.assignee = Some(User { email: some("ann@corp.example"), ..user(pick(&["ann", "bob"], n)) });
    alert.users = vec![user("ann")];
    alert.product_feature = some(pick(&["epp", "idp"], n));
    alert.types = vec![pick(&["Malware", "Credential Theft"], n).to_owned()];
    alert.labels = vec![pick(&["triage", "a'b"], n).to_owned()];
    alert.case_uids = vec![format!("case-{}", n % 5)];
    alert.attacks = vec![Attack {
        tactic: Some(AttackRef { uid: some("TA0002"), name: some("Execution") }),
        technique: Some(AttackRef { uid: some(pick(&["T1059", "T1003"], n)), name: None }),
        sub_technique: None,
    }];
    alert.analytic = Some(Analytic {
        uid: Some(format!("rule-{}", n % 4)),
        name: some("Script from a document"),
        ..Analytic::default()
    });
    alert.first_seen = ago(n + 20);
    alert.last_seen = ago(n + 10);
    alert.group_keys = vec![format!("incident-{}", n % 5)];
    alert.iocs = vec![Indicator {
        kind: "domain".to_owned(),
        value: format!("c2-{n}.example"),
        ..Indicator::default()
    }];
    alert.source_vendors = vec![pick(&["Fixture", "Firewall"], n).to_owned()];
    alert.uid_alt = Some(format!("alt-{n}"));
    alert.would_prevent = Some(n.is_multiple_of(2));
    let mut process = Process { name: some("powershell.exe"), ..Process::default() };
    process.hashes.insert(&format!("{:064x}", n + 1));
    alert.evidences = vec![Evidence { process: Some(process), ..Evidence::default() }];
}

/// A world in memory with [`hosts`], [`alerts`] and all the others: the example for a [`World`] of one's own, and the
/// proof that the reference passes the suite.
///
/// ```
/// use edr_testkit::{MemoryWorld, World};
/// assert_eq!(MemoryWorld::new().host_uids().len(), 24);
/// ```
#[derive(Debug)]
pub struct MemoryWorld {
    memory: InMemory,
    gate: Arc<Gate>,
    provider: Arc<dyn EdrProvider>,
    clock: ManualClock,
}

impl Default for MemoryWorld {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryWorld {
    /// The world.
    #[must_use]
    pub fn new() -> Self {
        Self::wrapping(|inner| inner)
    }

    /// The world, seen through a provider of the caller's around the one in memory.
    #[must_use]
    pub fn wrapping(wrap: impl FnOnce(Arc<dyn EdrProvider>) -> Arc<dyn EdrProvider>) -> Self {
        let builder = InMemory::builder("fixture");
        let builder = hosts().into_iter().fold(builder, InMemoryBuilder::host);
        let builder = alerts().into_iter().fold(builder, InMemoryBuilder::alert);
        let builder = cases().into_iter().fold(builder, InMemoryBuilder::case);
        let builder = iocs().into_iter().fold(builder, InMemoryBuilder::ioc);
        let builder = groups().into_iter().fold(builder, InMemoryBuilder::group);
        let builder = applications().into_iter().fold(builder, InMemoryBuilder::application);
        let memory = vulnerabilities().into_iter().fold(builder, InMemoryBuilder::vulnerability).build();
        let gate = Arc::new(Gate { inner: memory.clone(), shut: AtomicBool::new(false) });
        let provider = wrap(gate.clone());
        Self { memory, gate, provider, clock: ManualClock::at(now()) }
    }
}

#[async_trait]
impl World for MemoryWorld {
    fn provider(&self) -> &dyn EdrProvider {
        self.provider.as_ref()
    }

    fn host_uids(&self) -> Vec<String> {
        let mut uids = Vec::new();
        self.memory.edit_hosts(|hosts| uids = hosts.iter().map(|h| h.uid.clone()).collect());
        uids
    }

    fn alert_uids(&self) -> Vec<String> {
        let mut uids = Vec::new();
        self.memory.edit_alerts(|alerts| uids = alerts.iter().map(|a| a.uid.clone()).collect());
        uids
    }

    fn uids(&self, noun: Noun) -> Vec<String> {
        let mut uids = Vec::new();
        match noun {
            Noun::Alert => return self.alert_uids(),
            Noun::Application => {
                self.memory.edit_applications(|all| uids.extend(all.iter().map(|a| a.uid().to_owned())));
            }
            Noun::Vulnerability => {
                self.memory.edit_vulnerabilities(|all| uids.extend(all.iter().map(|v| v.uid().to_owned())));
            }
            Noun::Case => {
                self.memory.edit_cases(|cases| uids.extend(cases.iter().map(|c| c.uid().to_owned())))
            }
            Noun::Host => return self.host_uids(),
            Noun::HostGroup => {
                self.memory.edit_groups(|all| uids.extend(all.iter().map(|g| g.uid().to_owned())));
            }
            Noun::Ioc => self.memory.edit_iocs(|iocs| uids.extend(iocs.iter().map(|i| i.uid().to_owned()))),
            _ => {}
        }
        uids
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn requests(&self) -> Option<u64> {
        Some(self.memory.requests())
    }

    async fn disturb(&self, _noun: Noun, disturbance: Disturbance) -> bool {
        match disturbance {
            Disturbance::BadItem => self.memory.script(Script::BadItem(0)),
            Disturbance::Denied => self.gate.shut.store(true, Ordering::SeqCst),
            Disturbance::EmptyPage => self.memory.script(Script::EmptyPage(1)),
            Disturbance::LoseAnswer => self.memory.script(Script::LoseAnswer(0)),
            Disturbance::RepeatCursor => self.memory.script(Script::RepeatCursor(1)),
            Disturbance::ShiftWhileReading => self.memory.script(Script::Shift(1, 3)),
        }
        true
    }

    async fn calm(&self) {
        self.gate.shut.store(false, Ordering::SeqCst);
    }

    async fn advance(&self, by: TimeDelta) -> bool {
        self.clock.advance(by);
        true
    }

    fn mutations(&self) -> Option<Vec<String>> {
        Some(self.memory.mutations().into_iter().map(|m| m.uid).collect())
    }

    fn script(&self) -> Option<(String, Vec<(String, String)>)> {
        Some(("collect-logs".to_owned(), vec![("path".to_owned(), "/var/log".to_owned())]))
    }

    async fn set_online(&self, uid: &str, online: bool) -> bool {
        self.memory.set_online(uid, online);
        true
    }

    async fn settle(&self) -> bool {
        self.memory.settle();
        true
    }
}

/// Stands before the memory, and refuses requests while it is shut.
struct Gate {
    inner: InMemory,
    shut: AtomicBool,
}

impl Gate {
    fn pass(&self, operation: &'static str) -> Result<&InMemory> {
        if !self.shut.load(Ordering::SeqCst) {
            return Ok(&self.inner);
        }
        let error = Error::new(ErrorKind::Permission, "a right is missing").with_operation(operation);
        Err(error.with_tenant(self.inner.tenant(), self.inner.vendor()))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl EdrProvider for Gate {
    fn tenant(&self) -> &TenantId {
        self.inner.tenant()
    }

    fn vendor(&self) -> &Vendor {
        self.inner.vendor()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn as_shown(&self, action: &ResponseAction) -> ResponseAction {
        self.inner.as_shown(action)
    }

    async fn check(&self) -> Result<TenantCheck> {
        self.pass("check")?.check().await
    }

    async fn hosts(&self, query: &HostQuery, cursor: Option<&Cursor>) -> Result<Page<Host>> {
        self.pass("host_list")?.hosts(query, cursor).await
    }

    async fn host(&self, uid: &str) -> Result<Host> {
        self.pass("host_get")?.host(uid).await
    }

    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> Result<Page<Alert>> {
        self.pass("alert_list")?.alerts(query, cursor).await
    }

    async fn alert(&self, uid: &str) -> Result<Alert> {
        self.pass("alert_get")?.alert(uid).await
    }

    async fn cases(&self, query: &CaseQuery, cursor: Option<&Cursor>) -> Result<Page<Case>> {
        self.pass("case_list")?.cases(query, cursor).await
    }

    async fn case(&self, uid: &str) -> Result<Case> {
        self.pass("case_get")?.case(uid).await
    }

    async fn iocs(&self, query: &IocQuery, cursor: Option<&Cursor>) -> Result<Page<Ioc>> {
        self.pass("ioc_list")?.iocs(query, cursor).await
    }

    async fn ioc(&self, uid: &str) -> Result<Ioc> {
        self.pass("ioc_get")?.ioc(uid).await
    }

    async fn groups(&self, query: &HostGroupQuery, cursor: Option<&Cursor>) -> Result<Page<HostGroup>> {
        self.pass("group_list")?.groups(query, cursor).await
    }

    async fn group(&self, uid: &str) -> Result<HostGroup> {
        self.pass("group_get")?.group(uid).await
    }

    async fn applications(
        &self,
        query: &ApplicationQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Application>> {
        self.pass("application_list")?.applications(query, cursor).await
    }

    async fn application(&self, uid: &str) -> Result<Application> {
        self.pass("application_get")?.application(uid).await
    }

    async fn vulnerabilities(
        &self,
        query: &VulnerabilityQuery,
        cursor: Option<&Cursor>,
    ) -> Result<Page<Vulnerability>> {
        self.pass("vulnerability_list")?.vulnerabilities(query, cursor).await
    }

    async fn vulnerability(&self, uid: &str) -> Result<Vulnerability> {
        self.pass("vulnerability_get")?.vulnerability(uid).await
    }

    async fn hosts_by_uid(&self, uids: &[String]) -> Result<FoundHosts> {
        self.pass("host_get")?.hosts_by_uid(uids).await
    }

    async fn respond(
        &self,
        action: &ResponseAction,
        hosts: &[String],
        because: &Because,
    ) -> Result<Vec<Receipt>> {
        self.pass(action.verb())?.respond(action, hosts, because).await
    }

    async fn progress(&self, action: &ResponseAction, targets: &[Target]) -> Result<Vec<Progress>> {
        self.pass(action.verb())?.progress(action, targets).await
    }

    fn alert_fit(&self, change: &AlertChange) -> Result<Fit> {
        self.inner.alert_fit(change)
    }

    async fn update_alerts(&self, change: &AlertChange, alerts: &[String]) -> Result<Vec<Receipt>> {
        self.pass("alert_update")?.update_alerts(change, alerts).await
    }
}
