//! What all parts of a running simulator share.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::estate::given::{Given, GivenAlert, GivenHost};
use crate::estate::hash::{hex32, mix_str, mix2, text};
use crate::estate::{EstateSpec, TenantEstate, Vendor};
use crate::falcon::{FalconState, GroupBook};
use crate::faults::{FaultRule, Faults};
use crate::limits::Limits;
use crate::log::{MutationLog, RequestLog};
use crate::region::Regions;

/// How a simulator behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed of everything.
    pub seed: u64,
    /// A delay before every answer.
    pub latency: Duration,
    /// Whether rate limits are enforced.
    pub enforce_limits: bool,
    /// How long a Falcon token lives.
    pub token_ttl: Duration,
    /// How long a sensor that is online takes to carry out an order.
    pub sensor_delay: Duration,
    /// How long a change takes to reach searches, and a change of a Falcon alert to be seen at all.
    pub search_lag: Duration,
    /// Whether the combined endpoints of Falcon are missing, as on some clouds.
    pub falcon_without_combined: bool,
    /// How long the Cortex keys live from the start on; without an end when absent.
    pub cortex_key_life: Option<Duration>,
    /// Whether Cortex refuses a nonce that it has seen.
    pub cortex_strict_nonce: bool,
    /// How large a file is that is downloaded: an installer of Falcon, what Cortex fetches from an endpoint.
    pub download_bytes: u64,
    /// Whether downloads can be resumed.
    pub download_ranges: bool,
    /// Into how many partitions Falcon cuts its event stream.
    pub stream_partitions: u64,
    /// How long an event stream is silent before it sends a heartbeat.
    pub stream_heartbeat: Duration,
    /// How long the session of an event stream lives without being renewed.
    pub stream_session: Duration,
    /// How long it lives at most, however often it is renewed.
    pub stream_longest: Duration,
    /// How long events are kept for those who come back.
    pub stream_retention: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            latency: Duration::ZERO,
            enforce_limits: true,
            token_ttl: Duration::from_secs(1799),
            sensor_delay: Duration::from_secs(5),
            search_lag: Duration::from_secs(1),
            falcon_without_combined: false,
            cortex_key_life: None,
            cortex_strict_nonce: false,
            download_bytes: 200_000,
            download_ranges: true,
            stream_partitions: 1,
            stream_heartbeat: Duration::from_secs(30),
            stream_session: Duration::from_secs(1800),
            stream_longest: Duration::from_secs(4 * 3600),
            stream_retention: Duration::from_secs(7 * 86_400),
        }
    }
}

/// The API client of a Falcon tenant; the children of a parent share its client.
#[derive(Debug, Clone)]
pub struct FalconCredentials {
    /// 32 hex digits.
    pub client_id: String,
    /// 40 word characters.
    pub client_secret: String,
    /// The customer id: 32 lower-case hex digits.
    pub cid: String,
    /// The scopes of the client, as `hosts:read` (ids of falcon-api section 9: `devices:read`, `alerts:write` …).
    pub scopes: Vec<String>,
}

/// The API key of a Cortex tenant.
#[derive(Debug, Clone)]
pub struct CortexCredentials {
    /// A decimal number.
    pub api_key_id: String,
    /// 128 characters.
    pub api_key: String,
    /// The kind of key.
    pub key_type: KeyType,
    /// 3 (alerts, incidents) or 5 (issues, cases).
    pub generation: u8,
}

/// The two kinds of Cortex API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// The key itself is sent.
    Standard,
    /// A hash over key, nonce and time is sent.
    Advanced,
}

impl KeyType {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Advanced => "advanced",
        }
    }
}

/// How a client of a tenant proves who it is.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Falcon: OAuth2.
    Falcon(FalconCredentials),
    /// Cortex: an API key.
    Cortex(CortexCredentials),
}

/// One tenant.
#[derive(Debug)]
pub struct TenantState {
    /// `falcon-1`, `cortex-1` …; a child of Flight Control is `falcon-1/<its own name>`.
    pub name: String,
    /// The vendor.
    pub vendor: Vendor,
    /// The parent of a child of Flight Control: its place among the tenants.
    pub parent: Option<usize>,
    /// Its hosts and alerts.
    pub estate: TenantEstate,
    /// How a client proves who it is.
    pub credentials: Credentials,
    pub(crate) groups: GroupBook,
}

impl TenantState {
    /// The name of a child in the list of its parent; the whole name of any other tenant.
    #[must_use]
    pub fn own_name(&self) -> &str {
        self.name.rsplit_once('/').map_or(&self.name, |(_, own)| own)
    }

    /// The Falcon client, for a Falcon tenant.
    #[must_use]
    pub fn falcon(&self) -> Option<&FalconCredentials> {
        match &self.credentials {
            Credentials::Falcon(credentials) => Some(credentials),
            Credentials::Cortex(_) => None,
        }
    }

    /// The Cortex key, for a Cortex tenant.
    #[must_use]
    pub fn cortex(&self) -> Option<&CortexCredentials> {
        match &self.credentials {
            Credentials::Cortex(credentials) => Some(credentials),
            Credentials::Falcon(_) => None,
        }
    }
}

/// How many index lists are kept (one is four bytes a host).
const KEPT_LISTS: usize = 24;

/// Lists of indices that a filter and an order gave, kept for the pages that follow. Bounded.
#[derive(Debug, Default)]
pub struct IndexCache {
    lists: Mutex<VecDeque<(String, Arc<Vec<u32>>)>>,
}

impl IndexCache {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, Arc<Vec<u32>>)>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list under `key`, if it is still kept.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Arc<Vec<u32>>> {
        self.lock().iter().find(|(k, _)| k == key).map(|(_, list)| Arc::clone(list))
    }

    /// Keeps a list; the oldest gives way.
    pub fn put(&self, key: &str, list: Vec<u32>) -> Arc<Vec<u32>> {
        let list = Arc::new(list);
        let mut lists = self.lock();
        lists.retain(|(k, _)| k != key);
        if lists.len() == KEPT_LISTS {
            lists.pop_front();
        }
        lists.push_back((key.to_owned(), Arc::clone(&list)));
        list
    }

    /// The list under `key`, computed when it is not kept.
    pub fn get_or_compute(&self, key: &str, compute: impl FnOnce() -> Vec<u32>) -> Arc<Vec<u32>> {
        self.get(key).unwrap_or_else(|| self.put(key, compute()))
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.lock().clear();
    }
}

/// Everything a running simulator shares.
#[derive(Debug)]
pub struct SimState {
    /// How it behaves.
    pub options: Options,
    /// Virtual time.
    pub clock: Arc<Clock>,
    /// The faults in force.
    pub faults: Faults,
    /// Where the Falcon tenants live.
    pub regions: Regions,
    /// Rate windows.
    pub limits: Limits,
    /// Accepted mutations.
    pub log: MutationLog,
    /// Requests.
    pub requests: RequestLog,
    /// Index lists of filters and orders.
    pub lists: IndexCache,
    /// The tenants: those of Falcon first.
    pub tenants: Vec<TenantState>,
    pub(crate) falcon: FalconState,
}

impl SimState {
    /// A tenant by name.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<&TenantState> {
        self.tenants.iter().find(|t| t.name == name)
    }

    /// The place of a tenant among the tenants.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<usize> {
        self.tenants.iter().position(|t| t.name == name)
    }

    /// The tenant that a child belongs to; any other tenant itself.
    #[must_use]
    pub fn root(&self, place: usize) -> usize {
        self.tenants.get(place).and_then(|t| t.parent).unwrap_or(place)
    }

    /// Adds fault rules, after a look at the names in them.
    ///
    /// # Errors
    /// Why a rule makes no sense, and the names that would; then none is added.
    pub fn inject(&self, rules: Vec<FaultRule>) -> Result<(), String> {
        let operations = crate::faults::operations();
        let tenants: Vec<&str> = self.tenants.iter().map(|t| t.name.as_str()).collect();
        for (i, rule) in rules.iter().enumerate() {
            rule.check_names(&operations, &tenants).map_err(|why| format!("rule {i}: {why}"))?;
        }
        self.faults.add(rules)
    }

    /// Takes every change, fault, count and move of the clock back. Tokens stay valid.
    pub fn reset(&self) {
        self.clock.reset();
        self.faults.clear();
        self.limits.reset();
        self.log.clear();
        self.requests.clear();
        self.lists.clear();
        self.regions.reset();
        self.falcon.things.clear();
        self.falcon.rtr.clear();
        self.falcon.streams.clear();
        for tenant in &self.tenants {
            tenant.estate.reset();
            tenant.groups.reset();
        }
    }
}

/// What a tenant is made from.
#[derive(Debug, Clone)]
pub(crate) struct TenantSpec {
    pub(crate) name: String,
    pub(crate) vendor: Vendor,
    pub(crate) ordinal: u64,
    pub(crate) parent: Option<usize>,
    pub(crate) hosts: u64,
    pub(crate) shared: u64,
    pub(crate) alerts: u64,
    pub(crate) key_type: KeyType,
    pub(crate) generation: u8,
    pub(crate) without_scopes: Vec<String>,
    pub(crate) given: (Vec<GivenHost>, Vec<GivenAlert>),
}

const WORD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl TenantSpec {
    /// The tenant; `before` are those in front of it, its parent among them.
    pub(crate) fn build(
        mut self,
        options: &Options,
        clock: &Arc<Clock>,
        before: &[TenantState],
    ) -> Result<TenantState, String> {
        let (hosts, alerts) = std::mem::take(&mut self.given);
        let given =
            Given::check(hosts, alerts, clock.start_ms()).map_err(|why| format!("{}: {why}", self.name))?;
        if self.hosts == 0 && given.hosts.is_empty() && !given.alerts.is_empty() {
            return Err(format!("{}: alerts need a host", self.name));
        }
        let spec = EstateSpec {
            seed: options.seed,
            vendor: self.vendor,
            ordinal: self.ordinal,
            hosts: self.hosts,
            shared: self.shared,
            alerts: if self.hosts == 0 && given.hosts.is_empty() { 0 } else { self.alerts },
            sensor_delay_ms: i64::try_from(options.sensor_delay.as_millis()).unwrap_or(i64::MAX / 4),
            search_lag_ms: i64::try_from(options.search_lag.as_millis()).unwrap_or(i64::MAX / 4),
        };
        let own = self.credentials(mix_str(options.seed ^ 0xC0DE, &self.name));
        Ok(TenantState {
            vendor: self.vendor,
            parent: self.parent,
            estate: TenantEstate::with(spec, given, Arc::clone(clock)),
            credentials: self.parent.and_then(|i| before.get(i)).map_or(own.clone(), |p| share(p, own)),
            name: self.name,
            groups: GroupBook::default(),
        })
    }

    fn credentials(&self, h: u64) -> Credentials {
        match self.vendor {
            Vendor::Falcon => Credentials::Falcon(FalconCredentials {
                client_id: hex32(mix2(h, 1)),
                client_secret: text(mix2(h, 2), 40, WORD),
                cid: hex32(mix2(h, 3)),
                scopes: crate::falcon::ALL_SCOPES
                    .iter()
                    .filter(|s| !self.without_scopes.iter().any(|w| w == *s))
                    .map(|s| (*s).to_owned())
                    .collect(),
            }),
            Vendor::Cortex => Credentials::Cortex(CortexCredentials {
                api_key_id: (9 + self.ordinal).to_string(),
                api_key: text(mix2(h, 4), 128, WORD),
                key_type: self.key_type,
                generation: self.generation,
            }),
        }
    }
}

/// A child has a customer id of its own, and is reached with the client of its parent.
fn share(parent: &TenantState, own: Credentials) -> Credentials {
    match (parent.falcon(), own) {
        (Some(parent), Credentials::Falcon(own)) => {
            Credentials::Falcon(FalconCredentials { cid: own.cid, ..parent.clone() })
        }
        (_, own) => own,
    }
}

/// What children are called; further ones have numbers.
const CHILDREN: &[&str] =
    &["retail", "logistics", "clinics", "energy", "foundry", "media", "harbour", "mills", "rail", "labs"];

/// The name of the child at a place, counted from 0.
pub(crate) fn child_name(place: u64) -> String {
    let known = usize::try_from(place).ok().and_then(|i| CHILDREN.get(i));
    known.map_or_else(|| format!("child-{}", place + 1), |name| (*name).to_owned())
}
