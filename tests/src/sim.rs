//! The simulator as a world of the conformance suite.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use edr::{Config, Estate, Options, Selection};
use edr_core::clock::{Clock as _, SystemClock};
use edr_core::{EdrProvider, Noun};
use edr_sim::estate::Vendor;
use edr_sim::{Fault, FaultKind, FaultRule, Nth, Sim, SimBuilder};
use edr_testkit::{Disturbance, World};
use serde_json::{Value, json};

use crate::truth::ask;

/// Large enough for several pages of either vendor, small enough for some hundreds of listings. Its
/// time stands still, so that two listings can be compared.
#[must_use]
pub fn small() -> SimBuilder {
    let now = SystemClock.now();
    Sim::builder().falcon_hosts(60).cortex_hosts(60).alerts(40).enforce_limits(false).epoch(now)
}

/// The operations behind a listing, those that stand in for others included.
fn operations(vendor: Vendor, noun: Noun) -> &'static [&'static str] {
    match (vendor, noun) {
        (Vendor::Falcon, Noun::Host) => &["CombinedDevicesByFilter", "QueryDevicesByFilterScroll"],
        (Vendor::Falcon, Noun::Alert) => &["PostCombinedAlertsV1", "QueryV2"],
        (Vendor::Cortex, Noun::Host) => &["v1/endpoints/get_endpoint"],
        (Vendor::Cortex, Noun::Alert) => {
            &["v2/alerts/get_alerts_multi_events", "v1/alerts/get_alerts_multi_events", "v1/issue/search"]
        }
        (Vendor::Cortex, Noun::Case) => &["v1/incidents/get_incidents", "v1/case/search"],
        (Vendor::Cortex, Noun::AuditEvent) => &["v1/audits/agents_reports"],
        // The simulator's other listings have no faults of pages.
        _ => &[],
    }
}

/// The operations whose answer is lost: orders to hosts, the change of an alert, and indicators that are put there.
fn writes(vendor: Vendor, noun: Noun) -> &'static [&'static str] {
    match (vendor, noun) {
        (Vendor::Falcon, Noun::Host) => &["BatchActiveResponderCmd", "PerformActionV2", "create-scan"],
        (Vendor::Falcon, Noun::Ioc) => &["indicator.create.v1"],
        (Vendor::Falcon, _) => &["UpdateV3"],
        (Vendor::Cortex, Noun::Ioc) => &["v1/indicators/insert_jsons"],
        (Vendor::Cortex, Noun::Host) => &[
            "v1/endpoints/file_retrieval",
            "v1/endpoints/isolate",
            "v1/endpoints/quarantine",
            "v1/endpoints/scan",
            "v1/endpoints/terminate_process",
            "v1/scripts/run_script",
        ],
        // A change of an issue is answered by nothing: there is no body to lose.
        (Vendor::Cortex, _) => &["v1/alerts/update_alerts"],
    }
}

/// What is no order, in the simulator's log: that sessions begin, that a script is made, that the world moves a host, and
/// that a command which waited, and is counted where it was taken, is carried out.
pub(crate) const NO_ORDERS: &[&str] = &[
    "BatchInitSessions",
    "RTR-CreateScripts",
    "RTR-InitSession",
    "RTR-PulseSession",
    "sim/hosts",
    "sim/rtr",
];
/// The script that is run.
pub(crate) const SCRIPT: &str = "list_directories";

/// One tenant of a simulator, with the provider that reads it.
pub struct SimWorld {
    sim: Sim,
    tenant: String,
    vendor: Vendor,
    provider: Arc<dyn EdrProvider>,
    /// What Falcon has, read once.
    falcon: Mutex<BTreeMap<Noun, Vec<String>>>,
    /// What is held of a noun while a fault is armed for it.
    held: Mutex<BTreeMap<Noun, Vec<String>>>,
    iocs: Vec<String>,
    falcon_script: OnceLock<()>,
    /// How many requests have been signed by hand.
    signed: AtomicU64,
}

/// Whether a further world, one that differs in a detail from a world that runs the whole suite, gets this case: those of
/// hosts and alerts, and what changes something. The nightly run sets `EDR_EXHAUSTIVE=1`, and each world gets all.
#[must_use]
pub fn is_sampled(case: &str) -> bool {
    let whole = std::env::var("EDR_EXHAUSTIVE").is_ok_and(|v| v == "1");
    let further = ["applications.", "audit_events.", "cases.", "groups.", "iocs.", "vulnerabilities."];
    whole || !further.iter().any(|noun| case.starts_with(noun))
}

impl SimWorld {
    /// Starts a simulator and connects one of its tenants as a user does: through the configuration
    /// and the facade.
    pub async fn start(builder: SimBuilder, tenant: &str) -> Self {
        let sim = builder.start().await.expect("the simulator starts");
        let config = Config::from_toml(&sim.config_toml()).expect("the simulator's configuration is good");
        let estate = Estate::connect(&config, &Selection::names([tenant]), &Options::default());
        let member = estate.expect("the tenant is there").members()[0].clone();
        Self::new(sim, tenant, member.provider.expect("the tenant can be connected"))
    }

    /// The tenant of this name, read by `provider`.
    #[must_use]
    pub fn new(sim: Sim, tenant: &str, provider: Arc<dyn EdrProvider>) -> Self {
        let vendor = sim.estate(tenant).expect("the simulator has the tenant").vendor();
        let (tenant, falcon, falcon_script) = (tenant.to_owned(), Mutex::default(), OnceLock::new());
        let (held, iocs, signed) = (Mutex::default(), Vec::new(), AtomicU64::new(0));
        Self { sim, tenant, vendor, provider, falcon, held, falcon_script, iocs, signed }
    }

    /// The same with indicators in the tenant, put there without the client that is under test.
    #[must_use]
    pub fn with_iocs(mut self) -> Self {
        self.iocs = match self.vendor {
            Vendor::Cortex => self.cortex_iocs(),
            Vendor::Falcon => self.falcon_iocs(),
        };
        self
    }

    /// Rules as the service keeps them, with what tenants have been seen to leave out.
    fn cortex_iocs(&self) -> Vec<String> {
        let now = self.sim.now().timestamp_millis();
        let kinds = ["DOMAIN_NAME", "IP", "FILENAME", "PATH", "HASH"];
        let severities = ["HIGH", "LOW", "SEV_050_CRITICAL", "INFO"];
        let row = |n: u64| {
            let at = |list: &[&str]| list[usize::try_from(n).unwrap_or_default() % list.len()].to_owned();
            let end = [json!("Never"), json!(now + 86_400_000 * 30), Value::Null]
                [usize::try_from(n % 3).unwrap_or(0)]
            .clone();
            let name = format!("{}-{n:03}", at(&["evil", "o'brien", "star*", "two words"]));
            let rule = json!({"rule_id": n + 1, "indicator": name, "type": at(&kinds), "severity": at(&severities),
                "status": at(&["ENABLED", "DISABLED"]), "comment": at(&["seen", ""]), "reputation": "BAD",
                "reliability": at(&["A", "F"]), "expiration_date": end, "modify_time": now - 60_000 * i64::try_from(n).unwrap_or(0)});
            (name, rule)
        };
        let rules: BTreeMap<String, Value> = (0..40).map(row).collect();
        let estate = self.sim.estate(&self.tenant).expect("the tenant");
        estate.keep("indicators", Some(json!(rules).to_string()));
        (1..=40).map(|n| n.to_string()).collect()
    }

    fn falcon_iocs(&self) -> Vec<String> {
        let row = |n: usize| {
            let actions = ["detect", "no_action", "prevent", "allow"];
            let file = n.is_multiple_of(2);
            let action = if file { actions[n / 2 % 4] } else { actions[n % 2] };
            let mut row = json!({"type": if file { "sha256" } else { "domain" }, "action": action,
                "value": if file { format!("{n:064x}") } else { format!("{}{n}.example", ["evil", "O'Brien", "star*"][n % 3]) },
                "platforms": [(if n.is_multiple_of(2) { "windows" } else { "mac" }), "linux"], "applied_globally": true,
                "source": (if n.is_multiple_of(2) { "cert" } else { "o'brien" }), "description": "seen"});
            if matches!(action, "detect" | "prevent") {
                row["severity"] = ["high", "low", "critical"][n % 3].into();
            }
            if n.is_multiple_of(3) {
                let end = self.sim.now() + TimeDelta::days(30);
                row["expiration"] = end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into();
                row["tags"] = json!(["feed"]);
            }
            row
        };
        let body = json!({"indicators": (0..40).map(row).collect::<Vec<_>>()}).to_string();
        let header = format!("{}\r\nContent-Type: application/json", self.falcon_bearer());
        let made = ask(&self.base_url(), "POST /iocs/entities/indicators/v1", &header, &body);
        let rows = made["resources"].as_array().expect("rows");
        rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// The simulator.
    #[must_use]
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    pub(crate) fn tenant(&self) -> &str {
        &self.tenant
    }

    pub(crate) fn vendor(&self) -> Vendor {
        self.vendor
    }

    /// One that was not used before.
    pub(crate) fn nonce(&self) -> String {
        format!("{:064}", self.signed.fetch_add(1, Ordering::Relaxed))
    }

    /// How often each operation was asked for.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<String, u64> {
        self.sim.requests().counters.remove(&self.tenant).unwrap_or_default()
    }

    /// Arms one fault for the listings of a noun. What is asked for by hand is asked before: the fault is not meant for it.
    fn arm(&self, noun: Noun, nth: u64, fault: &Fault) {
        self.remember(noun);
        self.arm_at(operations(self.vendor, noun), nth, fault);
    }

    fn arm_at(&self, operations: &[&str], nth: u64, fault: &Fault) {
        let rule = |operation: &&str| FaultRule {
            tenant: Some(self.tenant.clone()),
            nth: Some(Nth::One(nth)),
            always: None,
            ..FaultRule::always(operation, fault.clone())
        };
        let rules = operations.iter().map(rule).collect();
        self.sim.inject(rules).expect("the rules make sense");
    }

    /// What the tenant holds of a noun.
    fn asked(&self, noun: Noun) -> Vec<String> {
        match (noun, self.vendor) {
            (Noun::Alert, _) => self.alert_uids(),
            (Noun::Case, Vendor::Cortex) => {
                let estate = self.sim.estate(&self.tenant).expect("the tenant");
                (1..=estate.case_count()).map(|n| n.to_string()).collect()
            }
            (Noun::AuditEvent, Vendor::Cortex) => self.cortex_audit(),
            (Noun::AuditEvent, Vendor::Falcon) => self.falcon_audit(),
            (Noun::Host, _) => self.host_uids(),
            (Noun::Ioc, _) => self.iocs.clone(),
            (Noun::Vulnerability, Vendor::Cortex) if self.has_issues() => self.cortex_findings(),
            (noun, Vendor::Falcon) => self.falcon_known(noun),
            _ => Vec::new(),
        }
    }

    /// Keeps what the tenant holds of a noun until [`World::calm`].
    fn remember(&self, noun: Noun) {
        let held = self.asked(noun);
        self.held.lock().expect("nobody panicked").insert(noun, held);
    }

    /// A tenant of Cortex XDR 5.
    fn has_issues(&self) -> bool {
        self.sim.state().tenant(&self.tenant).and_then(|t| t.cortex()).is_some_and(|c| c.generation == 5)
    }

    pub(crate) fn base_url(&self) -> String {
        base_url(&self.sim, &self.tenant)
    }

    /// The header with a token of its own.
    pub(crate) fn falcon_bearer(&self) -> String {
        FalconByHand::new(&self.sim, &self.tenant).bearer()
    }

    /// The ids of a noun, read once, in as many pages as there are.
    fn falcon_known(&self, noun: Noun) -> Vec<String> {
        let mut known = self.falcon.lock().expect("nobody panicked");
        known.entry(noun).or_insert_with(|| self.falcon_all(noun)).clone()
    }

    fn falcon_all(&self, noun: Noun) -> Vec<String> {
        let (path, limit) = match noun {
            Noun::Alert => ("/alerts/queries/alerts/v2", 10_000),
            Noun::Application => ("/discover/queries/applications/v1", 100),
            Noun::Case => ("/cases/queries/cases/v1", 10_000),
            Noun::HostGroup => ("/devices/queries/host-groups/v1", 5_000),
            Noun::Vulnerability => return self.falcon_vulnerabilities(),
            _ => return Vec::new(),
        };
        let mut all = Vec::new();
        loop {
            let page = self.falcon_ids(&format!("{path}?limit={limit}&offset={}", all.len()));
            let last = page.len() < limit;
            all.extend(page);
            if last {
                return all;
            }
        }
    }

    /// Host by host: a page of them has no number.
    fn falcon_vulnerabilities(&self) -> Vec<String> {
        let path = "/spotlight/queries/vulnerabilities/v1?limit=400&filter=aid:%27";
        self.host_uids().iter().flat_map(|id| self.falcon_ids(&format!("{path}{id}%27"))).collect()
    }

    /// A page of Falcon's ids, asked for without the client that is under test.
    pub(crate) fn falcon_ids(&self, path: &str) -> Vec<String> {
        let page = ask(&self.base_url(), &format!("GET {path}"), &self.falcon_bearer(), "");
        let ids = page["resources"].as_array().expect("a list of ids");
        ids.iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
    }
}

/// The address of a tenant.
fn base_url(sim: &Sim, tenant: &str) -> String {
    let tenants = sim.tenants();
    tenants.iter().find(|t| t.name == tenant).expect("a tenant").base_url.clone()
}

/// A tenant of Falcon, asked by hand. It blocks.
pub(crate) struct FalconByHand {
    base: String,
    form: String,
}

impl FalconByHand {
    pub(crate) fn new(sim: &Sim, tenant: &str) -> Self {
        let credentials = sim.state().tenant(tenant).and_then(|t| t.falcon()).expect("Falcon");
        let form = format!("client_id={}&client_secret={}", credentials.client_id, credentials.client_secret);
        Self { base: base_url(sim, tenant), form }
    }

    /// The header with a token of its own.
    fn bearer(&self) -> String {
        let header = "Content-Type: application/x-www-form-urlencoded";
        let token = ask(&self.base, "POST /oauth2/token", header, &self.form);
        format!("Authorization: Bearer {}", token["access_token"].as_str().expect("a token"))
    }

    /// Makes the script that is run; Cortex is born with it.
    pub(crate) fn make_script(&self) {
        let part = |name: &str, text: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
        };
        let parts = [
            ("name", SCRIPT),
            ("description", "for the suite"),
            ("content", "ls"),
            ("permission_type", "public"),
        ];
        let form: String = parts.into_iter().map(|(name, text)| part(name, text)).collect();
        let header = format!("{}\r\nContent-Type: multipart/form-data; boundary=x", self.bearer());
        let line = "POST /real-time-response/entities/scripts/v1";
        let made = ask(&self.base, line, &header, &format!("{form}--x--\r\n"));
        assert!(made["errors"].as_array().is_none_or(Vec::is_empty), "{made}");
    }
}

#[async_trait]
impl World for SimWorld {
    fn provider(&self) -> &dyn EdrProvider {
        self.provider.as_ref()
    }

    fn host_uids(&self) -> Vec<String> {
        let estate = self.sim.estate(&self.tenant).expect("the tenant");
        (0..estate.host_count()).map(|n| estate.host_id(n)).collect()
    }

    fn alert_uids(&self) -> Vec<String> {
        let estate = self.sim.estate(&self.tenant).expect("the tenant");
        match self.vendor {
            Vendor::Falcon => self.falcon_known(Noun::Alert),
            Vendor::Cortex => (0..estate.alert_count()).map(|n| estate.alert_number(n).to_string()).collect(),
        }
    }

    fn uids(&self, noun: Noun) -> Vec<String> {
        let held = self.held.lock().expect("nobody panicked").get(&noun).cloned();
        held.unwrap_or_else(|| self.asked(noun))
    }

    fn now(&self) -> DateTime<Utc> {
        self.sim.now()
    }

    fn requests(&self) -> Option<u64> {
        Some(self.sim.requests().total)
    }

    async fn disturb(&self, noun: Noun, disturbance: Disturbance) -> bool {
        let of_listings = !matches!(disturbance, Disturbance::Denied | Disturbance::LoseAnswer);
        if of_listings && operations(self.vendor, noun).is_empty() {
            return false;
        }
        match disturbance {
            Disturbance::BadItem => self.arm(noun, 1, &FaultKind::BadItem.into()),
            Disturbance::EmptyPage => self.arm(noun, 2, &FaultKind::EmptyPage.into()),
            Disturbance::LoseAnswer if noun == Noun::Alert && self.has_issues() => return false,
            Disturbance::LoseAnswer => {
                self.arm_at(writes(self.vendor, noun), 1, &FaultKind::CloseMidBody.into());
            }
            Disturbance::RepeatCursor => self.arm(noun, 2, &FaultKind::RepeatCursor.into()),
            Disturbance::ShiftWhileReading => {
                self.arm(noun, 2, &Fault { shift: -3, ..FaultKind::Drift.into() });
            }
            Disturbance::Denied => {
                self.remember(noun);
                let rule = FaultRule::always("*", FaultKind::Scope);
                let rule = FaultRule { tenant: Some(self.tenant.clone()), ..rule };
                self.sim.inject(vec![rule]).expect("the rule makes sense");
            }
            _ => return false,
        }
        true
    }

    async fn calm(&self) {
        self.held.lock().expect("nobody panicked").clear();
        self.sim.clear_faults();
    }

    async fn advance(&self, by: TimeDelta) -> bool {
        self.sim.advance(by.to_std().expect("time goes forward"));
        true
    }

    fn mutations(&self) -> Option<Vec<String>> {
        let ours = self.sim.log().into_iter().filter(|m| m.tenant == self.tenant);
        let ours = ours.filter(|m| !NO_ORDERS.contains(&m.operation.as_str()));
        Some(ours.map(|m| m.target).collect())
    }

    fn script(&self) -> Option<(String, Vec<(String, String)>)> {
        if self.vendor == Vendor::Falcon {
            self.falcon_script.get_or_init(|| FalconByHand::new(&self.sim, &self.tenant).make_script());
        }
        Some((SCRIPT.to_owned(), vec![("path".to_owned(), "/tmp".to_owned())]))
    }

    async fn set_online(&self, uid: &str, online: bool) -> bool {
        self.sim.set_online(&self.tenant, uid, online).is_ok()
    }

    /// A minute: longer than any sensor's delay and any lag of an index.
    async fn settle(&self) -> bool {
        self.sim.advance(std::time::Duration::from_secs(60));
        true
    }
}

impl fmt::Debug for SimWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimWorld").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}
