//! One tenant that faults strike, a client of it that gives up soon, and what the client makes of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use edr_core::clock::{Clock as _, SystemClock};
use edr_core::{
    Alert, AlertQuery, EdrProvider, EdrProviderExt as _, Error, ErrorKind, Gap, Host, HostQuery, Listing,
    Outcome, Rejected, Result, TenantCheck, WalkStream, Walked,
};
use edr_http::{HttpTransport, RetryPolicy};
use edr_sim::{Access, Fault, FaultKind, FaultRule, Nth, Sim, SimBuilder, TenantInfo};
use edr_testkit::World as _;
use futures_util::StreamExt as _;
use secrecy::SecretString;

use crate::sim::SimWorld;
use crate::wire::Wire;

/// A vendor's product, as far as its API differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Product {
    /// CrowdStrike Falcon.
    Falcon,
    /// A cloud of Falcon without the combined endpoints: ids, and then what they stand for.
    FalconIds,
    /// Cortex XDR 3, which has alerts.
    Cortex3,
    /// Cortex XDR 5, which has issues.
    Cortex5,
}

/// What is asked of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// All hosts.
    Hosts,
    /// All alerts.
    Alerts,
    /// One host by its id.
    Host,
    /// One alert by its id.
    Alert,
    /// The test of a tenant.
    Check,
    /// The same, with the fault where the token comes from.
    Token,
    /// All hosts, with the fault where ids become hosts.
    HostEntities,
    /// All alerts, with the fault where ids become alerts.
    AlertEntities,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Hosts,
        Self::Alerts,
        Self::Host,
        Self::Alert,
        Self::Check,
        Self::Token,
        Self::HostEntities,
        Self::AlertEntities,
    ];

    /// True for a listing, which is read page by page.
    #[must_use]
    pub fn is_listing(self) -> bool {
        matches!(self, Self::Hosts | Self::Alerts | Self::HostEntities | Self::AlertEntities)
    }
}

impl Product {
    /// The name of its only tenant.
    #[must_use]
    pub fn tenant(self) -> &'static str {
        if self.is_falcon() { "falcon-1" } else { "cortex-1" }
    }

    /// True for either kind of cloud.
    #[must_use]
    pub fn is_falcon(self) -> bool {
        matches!(self, Self::Falcon | Self::FalconIds)
    }

    /// True when a task means something else to this product than to the others of its vendor.
    #[must_use]
    pub fn has(self, task: Task) -> bool {
        match self {
            Self::Falcon => !matches!(task, Task::HostEntities | Task::AlertEntities),
            Self::FalconIds => task.is_listing(),
            Self::Cortex3 => !matches!(task, Task::Token | Task::HostEntities | Task::AlertEntities),
            Self::Cortex5 => matches!(task, Task::Alerts | Task::Alert),
        }
    }

    /// The simulator's name of the operation that answers a task, and its path.
    #[must_use]
    pub fn operation(self, task: Task) -> (&'static str, String) {
        let name = match (self, task) {
            (Self::FalconIds, Task::Hosts) => "QueryDevicesByFilterScroll",
            (Self::FalconIds, Task::Alerts) => "QueryV2",
            (Self::Falcon | Self::FalconIds, Task::Hosts | Task::Check) => "CombinedDevicesByFilter",
            (Self::Falcon, Task::Alerts) => "PostCombinedAlertsV1",
            (Self::Falcon | Self::FalconIds, Task::Host | Task::HostEntities) => "PostDeviceDetailsV2",
            (Self::Falcon | Self::FalconIds, Task::Alert | Task::AlertEntities) => "GetV2",
            (_, Task::Token) => "oauth2AccessToken",
            (_, Task::Hosts | Task::Host | Task::Check | Task::HostEntities) => "v1/endpoints/get_endpoint",
            (Self::Cortex3, _) => "v2/alerts/get_alerts_multi_events",
            (Self::Cortex5, _) => "v1/issue/search",
        };
        let falcon = edr_sim::falcon::OPERATIONS.iter().find(|(_, _, id, _)| *id == name);
        (name, falcon.map_or_else(|| format!("/public_api/{name}"), |(_, path, _, _)| (*path).to_owned()))
    }

    /// The simulator with this product alone. Its time stands still and its limits are off, so that
    /// nothing but the faults decides how a call goes.
    #[must_use]
    pub fn simulator(self, hosts: u64, alerts: u64) -> SimBuilder {
        let falcon = u64::from(self.is_falcon());
        let generation = if self == Self::Cortex5 { 5 } else { 3 };
        let both = Sim::builder().falcon_hosts(hosts).cortex_hosts(hosts).alerts(alerts);
        both.falcon_tenants(falcon)
            .cortex_tenants(1 - falcon)
            .cortex_generation(generation)
            .falcon_without_combined(self == Self::FalconIds)
            .enforce_limits(false)
            .epoch(SystemClock.now())
    }
}

/// How often a hasty client tries.
pub const TRIES: u64 = 3;

/// The policy of a client that gives up soon. The times stand well above what a busy machine adds to
/// an answer, and well below what a stalled one takes.
#[must_use]
pub fn hasty() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.max_attempts = TRIES as u32;
    policy.base = Duration::from_millis(5);
    policy.cap = Duration::from_millis(20);
    policy.max_server_delay = Duration::from_millis(1_500);
    policy.attempt_timeout = Duration::from_millis(2_000);
    policy.read_timeout = Duration::from_millis(1_500);
    policy.deadline = Duration::from_secs(12);
    policy
}

/// A provider for a tenant of a simulator, through this transport.
#[must_use]
pub fn provider(tenant: &TenantInfo, wire: Arc<dyn HttpTransport>) -> Arc<dyn EdrProvider> {
    let base: url::Url = tenant.base_url.parse().expect("the simulator's address");
    match &tenant.access {
        Access::Falcon { client_id, client_secret, .. } => {
            let secret = SecretString::from(client_secret.clone());
            let builder = falcon::Falcon::builder(&tenant.name, client_id, secret).base_url(base);
            let builder = builder.requests_per_minute(0).policy(hasty()).transport(wire);
            Arc::new(builder.build().expect("good credentials"))
        }
        Access::Cortex { api_key_id, api_key, key_type, generation } => {
            let key = SecretString::from(api_key.clone());
            let builder = cortex_xdr::CortexXdr::builder(&tenant.name, api_key_id, key).base_url(base);
            let kind = key_type.as_str().parse().expect("a kind of key");
            let five = *generation == 5;
            let generation = if five { cortex_xdr::Generation::Xdr5 } else { cortex_xdr::Generation::Xdr3 };
            let builder = builder.key_type(kind).generation(generation).requests_per_second(0.0);
            Arc::new(builder.policy(hasty()).transport(wire).build().expect("good credentials"))
        }
    }
}

/// What came of a task.
#[derive(Debug)]
pub struct Ended {
    /// The ids that were given out, in their order.
    pub ids: Vec<String>,
    /// What could not be decoded.
    pub rejected: Vec<Rejected>,
    /// What the caller was told on the way.
    pub warnings: Vec<String>,
    /// How it ended.
    pub outcome: Outcome,
}

/// A tenant under faults, and its client.
pub struct Bench {
    /// Which product it is.
    pub product: Product,
    /// The transport of the client.
    pub wire: Arc<Wire>,
    world: SimWorld,
    provider: Arc<dyn EdrProvider>,
}

impl Bench {
    /// Starts the simulator and connects its only tenant.
    pub async fn start(product: Product, builder: SimBuilder) -> Self {
        let sim = builder.start().await.expect("the simulator starts");
        let wire = Arc::new(Wire::default());
        let provider = provider(&sim.tenants()[0], Arc::clone(&wire) as _);
        let world = SimWorld::new(sim, product.tenant(), Arc::clone(&provider));
        Self { product, wire, world, provider }
    }

    /// The simulator.
    #[must_use]
    pub fn sim(&self) -> &Sim {
        self.world.sim()
    }

    /// The provider.
    #[must_use]
    pub fn provider(&self) -> &Arc<dyn EdrProvider> {
        &self.provider
    }

    /// The ids that a task is to bring, as the simulator knows them. A test of a tenant brings the number
    /// of its hosts.
    #[must_use]
    pub fn truth(&self, task: Task) -> Vec<String> {
        // The alerts are asked for over a blocking socket, which the simulator's own threads must not hold up.
        let alerts = || tokio::task::block_in_place(|| self.world.alert_uids());
        match task {
            Task::Hosts | Task::HostEntities => self.world.host_uids(),
            Task::Alerts | Task::AlertEntities => alerts(),
            Task::Host => self.world.host_uids().into_iter().skip(7).take(1).collect(),
            Task::Alert => alerts().into_iter().skip(7).take(1).collect(),
            Task::Check | Task::Token => vec![self.world.host_uids().len().to_string()],
        }
    }

    /// Counts the requests to an operation as they arrive, by a rule that never strikes: the request log
    /// lacks those whose caller has hung up.
    pub fn count_arrivals(&self, operation: &str) {
        let never = FaultRule { nth: Some(Nth::Many(Vec::new())), ..rule(operation, FaultKind::Internal) };
        self.sim().inject(vec![never]).expect("the rule makes sense");
    }

    /// Ends every fault.
    pub fn calm(&self) {
        self.sim().clear_faults();
        self.wire.relent();
    }

    /// What the first rule has counted.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        let rules = self.sim().state().faults.list();
        rules.first().and_then(|rule| rule["calls"].as_u64()).unwrap_or_default()
    }

    /// Carries a task out. A single thing is asked for by the id that `truth` has.
    pub async fn run(&self, task: Task, truth: &[String], page_size: u32) -> Ended {
        let one = truth.first().map_or("", String::as_str);
        match task {
            Task::Hosts | Task::HostEntities => {
                walked(self.provider.walk_hosts(&HostQuery::new().page_size(page_size))).await
            }
            Task::Alerts | Task::AlertEntities => {
                walked(self.provider.walk_alerts(&AlertQuery::new().page_size(page_size))).await
            }
            Task::Host => single(self.provider.host(one).await.map(|host: Host| host.uid)),
            Task::Alert => single(self.provider.alert(one).await.map(|alert: Alert| alert.uid)),
            Task::Check | Task::Token => single(self.provider.check().await.map(|check| hosts_told(&check))),
        }
    }
}

/// A rule without a moment; one is to be set.
#[must_use]
pub fn rule(operation: &str, fault: impl Into<Fault>) -> FaultRule {
    FaultRule { always: None, ..FaultRule::always(operation, fault) }
}

fn hosts_told(check: &TenantCheck) -> String {
    let told = check.findings.iter().find(|(what, _)| what == "hosts" || what == "endpoints");
    told.map_or_else(String::new, |(_, count)| count.clone())
}

fn single(found: Result<String>) -> Ended {
    let (ids, outcome) = match found {
        Ok(id) => (vec![id], Outcome::Complete),
        Err(error) => (Vec::new(), Outcome::Failed { error }),
    };
    Ended { ids, rejected: Vec::new(), warnings: Vec::new(), outcome }
}

async fn walked<T: Listing>(mut walk: WalkStream<'_, T>) -> Ended {
    let (mut ids, mut rejected, mut warnings, mut outcome) = (Vec::new(), Vec::new(), Vec::new(), None);
    while let Some(event) = walk.next().await {
        match event {
            Walked::Items(items) => ids.extend(items.iter().map(|item| item.uid().to_owned())),
            Walked::Rejected(one) => rejected.push(one),
            Walked::Warning(one) => warnings.push(one.message),
            Walked::End { outcome: end, .. } => outcome = Some(end),
            _ => {}
        }
    }
    let silent = || Outcome::Failed { error: Error::new(ErrorKind::Decode, "the walk ended without an end") };
    Ended { ids, rejected, warnings, outcome: outcome.unwrap_or_else(silent) }
}

/// Why this result breaks the promise that nothing is lost in silence: complete with just what there
/// is, or else naming what is missing; and nothing twice in either case. By `lied` items the vendor's own
/// count may have been too small.
#[must_use]
pub fn silent_loss(result: &Ended, truth: &[String], lied: u64) -> Option<String> {
    let given: BTreeSet<&String> = result.ids.iter().collect();
    let there: BTreeSet<&String> = truth.iter().collect();
    let (lost, twice) = (there.difference(&given).count(), result.ids.len() - given.len());
    if twice > 0 || !given.is_subset(&there) {
        return Some(format!("{twice} given out twice, {} invented", given.difference(&there).count()));
    }
    match &result.outcome {
        Outcome::Complete if lost > 0 => Some(format!("complete, and {lost} are missing")),
        Outcome::Partial { gaps, .. } => unnamed(gaps, lost, lied),
        Outcome::Failed { .. } if !given.is_empty() => Some("failed after giving things out".to_owned()),
        _ => None,
    }
}

/// Why gaps do not name what is missing. Gaps that all have a count must not count too little; more than
/// is missing may be told, because the vendor's own count is all that a client has.
fn unnamed(gaps: &[Gap], lost: usize, lied: u64) -> Option<String> {
    if gaps.is_empty() || gaps.iter().any(|gap| gap.reason.is_empty()) {
        return Some("partial without a reason".to_owned());
    }
    let counted: Option<u64> = gaps.iter().map(|gap| gap.missing).sum();
    let fits = counted.is_none_or(|counted| counted + lied >= lost as u64);
    (!fits).then(|| format!("{lost} are missing, and the gaps say {gaps:?}"))
}
