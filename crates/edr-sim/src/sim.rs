//! Building, starting and steering a simulator from Rust.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::estate::{TenantEstate, Vendor};
use crate::faults::{FaultRule, Faults};
use crate::gate::{Front, gate};
use crate::limits::Limits;
use crate::log::{Mutation, MutationLog, RequestLog, RequestReport};
use crate::server::{Listening, listen};
use crate::state::{Credentials, KeyType, Options, SimState, TenantSpec};

/// Why a simulator does not start, or an order to it is refused.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A value makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be waited for, or standard output is closed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A tenant as the ready line describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantInfo {
    /// `falcon-1`, `cortex-1` …
    pub name: String,
    /// The vendor.
    pub vendor: Vendor,
    /// Where it answers.
    pub base_url: String,
    /// How a client proves who it is.
    #[serde(flatten)]
    pub access: Access,
}

/// The credentials of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Access {
    /// Falcon.
    Falcon {
        /// 32 hex digits.
        client_id: String,
        /// 40 word characters.
        client_secret: String,
        /// The child of a Flight Control parent; always `None`, for children are not built.
        member_cid: Option<String>,
    },
    /// Cortex.
    Cortex {
        /// A decimal number.
        api_key_id: String,
        /// 128 characters.
        api_key: String,
        /// The kind of key.
        key_type: KeyType,
        /// 3 or 5.
        generation: u8,
    },
}

/// Describes a simulator before it starts.
#[derive(Debug, Clone)]
pub struct SimBuilder {
    listen: SocketAddr,
    options: Options,
    epoch: Option<DateTime<Utc>>,
    falcon_tenants: u64,
    cortex_tenants: u64,
    falcon_hosts: u64,
    cortex_hosts: u64,
    alerts: u64,
    key_type: KeyType,
    generation: u8,
    faults: Vec<FaultRule>,
    without_scopes: Vec<String>,
}

impl Default for SimBuilder {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            options: Options::default(),
            epoch: None,
            falcon_tenants: 1,
            cortex_tenants: 1,
            falcon_hosts: 200,
            cortex_hosts: 200,
            alerts: 100,
            key_type: KeyType::Advanced,
            generation: 3,
            faults: Vec::new(),
            without_scopes: Vec::new(),
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $($path:ident).+;)+) => {
        $($(#[$doc])* #[must_use] pub fn $name(mut self, value: $kind) -> Self { self.$($path).+ = value; self })+
    };
}

impl SimBuilder {
    setters! {
        /// Where to listen: with port P the control plane takes P, Falcon P+1, the Cortex tenants P+2 and on.
        listen: SocketAddr = listen;
        /// The seed of the estate, the ids and the credentials.
        seed: u64 = options.seed;
        /// How many Falcon tenants.
        falcon_tenants: u64 = falcon_tenants;
        /// How many Cortex tenants.
        cortex_tenants: u64 = cortex_tenants;
        /// How many hosts each Falcon tenant has.
        falcon_hosts: u64 = falcon_hosts;
        /// How many hosts each Cortex tenant has.
        cortex_hosts: u64 = cortex_hosts;
        /// How many alerts each tenant has.
        alerts: u64 = alerts;
        /// A delay before every answer.
        latency: Duration = options.latency;
        /// Whether rate limits are enforced.
        enforce_limits: bool = options.enforce_limits;
        /// How long a Falcon token lives.
        token_ttl: Duration = options.token_ttl;
        /// How long a sensor that is online takes to carry out an order.
        sensor_delay: Duration = options.sensor_delay;
        /// Whether Falcon answers 404 to its combined endpoints, as some clouds do.
        falcon_without_combined: bool = options.falcon_without_combined;
        /// Whether Cortex refuses a nonce that it has seen.
        cortex_strict_nonce: bool = options.cortex_strict_nonce;
        /// How long the Cortex keys live from the start on.
        cortex_key_life: Option<Duration> = options.cortex_key_life;
        /// The kind of the Cortex keys.
        key_type: KeyType = key_type;
        /// The generation of the Cortex tenants: 3 or 5.
        cortex_generation: u8 = generation;
        /// Faults in force from the start.
        faults: Vec<FaultRule> = faults;
    }

    /// Stops virtual time at an instant: it moves only by [`Sim::advance`], and two runs give the same replies.
    #[must_use]
    pub fn epoch(mut self, at: DateTime<Utc>) -> Self {
        self.epoch = Some(at);
        self
    }

    /// Takes a scope (`devices:read`, `alerts:read` …) from the Falcon clients.
    #[must_use]
    pub fn without_scope(mut self, scope: &str) -> Self {
        self.without_scopes.push(scope.to_owned());
        self
    }

    fn tenant(&self, vendor: Vendor, ordinal: u64) -> TenantSpec {
        let paired = ordinal <= self.falcon_tenants.min(self.cortex_tenants);
        let fewer = self.falcon_hosts.min(self.cortex_hosts);
        TenantSpec {
            vendor,
            ordinal,
            hosts: if vendor == Vendor::Falcon { self.falcon_hosts } else { self.cortex_hosts },
            shared: if paired { fewer.div_ceil(10) } else { 0 },
            alerts: self.alerts,
            key_type: self.key_type,
            generation: self.generation,
            without_scopes: self.without_scopes.clone(),
        }
    }

    fn state(&self) -> Result<SimState, SimError> {
        if ![3, 5].contains(&self.generation) {
            return Err(SimError::Invalid("the generation of Cortex is 3 or 5".to_owned()));
        }
        if self.falcon_hosts.max(self.cortex_hosts) > u64::from(u32::MAX) {
            return Err(SimError::Invalid("more hosts than 4,294,967,295 in one tenant".to_owned()));
        }
        let clock = Arc::new(Clock::new(self.epoch));
        let falcon = (1..=self.falcon_tenants).map(|n| self.tenant(Vendor::Falcon, n));
        let cortex = (1..=self.cortex_tenants).map(|n| self.tenant(Vendor::Cortex, n));
        let tenants = falcon.chain(cortex).map(|spec| spec.build(&self.options, &clock)).collect();
        let faults = Faults::default();
        faults.add(self.faults.clone()).map_err(SimError::Invalid)?;
        Ok(SimState {
            options: self.options.clone(),
            faults,
            limits: Limits::new(self.options.enforce_limits),
            log: MutationLog::new(Arc::clone(&clock)),
            requests: RequestLog::default(),
            lists: crate::state::IndexCache::default(),
            tenants,
            falcon: crate::falcon::FalconState::default(),
            clock,
        })
    }

    /// Binds the listeners and serves.
    ///
    /// # Errors
    /// When an address cannot be listened on, or a value makes no sense.
    pub async fn start(self) -> Result<Sim, SimError> {
        let state = Arc::new(self.state()?);
        let (stop, stopped) = watch::channel(false);
        let mut ports = Ports { base: self.listen, taken: 0 };
        let control = ports.serve(crate::control::router(Arc::clone(&state)), &stopped).await?;
        let mut listening = vec![control];
        let mut tenants = Vec::new();
        let falcon = ports
            .serve(gated(crate::falcon::router(Arc::clone(&state)), &state, Front::Falcon), &stopped)
            .await?;
        for (number, tenant) in state.tenants.iter().enumerate() {
            let address = match tenant.vendor {
                Vendor::Falcon => falcon.address,
                Vendor::Cortex => {
                    let router = gated(
                        crate::cortex::router(Arc::clone(&state), number),
                        &state,
                        Front::Cortex(number),
                    );
                    let cortex = ports.serve(router, &stopped).await?;
                    listening.push(cortex);
                    listening[listening.len() - 1].address
                }
            };
            let access = access(&tenant.credentials);
            tenants.push(TenantInfo {
                name: tenant.name.clone(),
                vendor: tenant.vendor,
                base_url: format!("http://{address}"),
                access,
            });
        }
        let control_url = format!("http://{}", listening[0].address);
        listening.push(falcon);
        Ok(Sim { state, tenants, control_url, stop, listening })
    }
}

fn access(credentials: &Credentials) -> Access {
    match credentials {
        Credentials::Falcon(f) => Access::Falcon {
            client_id: f.client_id.clone(),
            client_secret: f.client_secret.clone(),
            member_cid: None,
        },
        Credentials::Cortex(c) => Access::Cortex {
            api_key_id: c.api_key_id.clone(),
            api_key: c.api_key.clone(),
            key_type: c.key_type,
            generation: c.generation,
        },
    }
}

fn gated(router: Router, state: &Arc<SimState>, front: Front) -> Router {
    let state = Arc::clone(state);
    // The layer goes around a fallback of the whole, so that unknown paths pass through it as well.
    router.layer(from_fn(move |request: Request, next: Next| gate(Arc::clone(&state), front, request, next)))
}

struct Ports {
    base: SocketAddr,
    taken: u16,
}

impl Ports {
    async fn serve(&mut self, app: Router, stopped: &watch::Receiver<bool>) -> Result<Listening, SimError> {
        let mut address = self.base;
        if address.port() != 0 {
            let port = address.port().checked_add(self.taken);
            address.set_port(
                port.ok_or_else(|| SimError::Invalid("not enough ports above the given one".to_owned()))?,
            );
        }
        self.taken += 1;
        listen(address, app, stopped.clone()).await.map_err(|source| SimError::Listen { address, source })
    }
}

/// A running simulator. It stops when it is dropped.
#[derive(Debug)]
pub struct Sim {
    state: Arc<SimState>,
    tenants: Vec<TenantInfo>,
    control_url: String,
    stop: watch::Sender<bool>,
    listening: Vec<Listening>,
}

impl Sim {
    /// Describes a simulator.
    #[must_use]
    pub fn builder() -> SimBuilder {
        SimBuilder::default()
    }

    /// Where the control plane answers.
    #[must_use]
    pub fn control_url(&self) -> &str {
        &self.control_url
    }

    /// The tenants, those of Falcon first.
    #[must_use]
    pub fn tenants(&self) -> &[TenantInfo] {
        &self.tenants
    }

    /// The ready line: one line of JSON.
    #[must_use]
    pub fn ready_line(&self) -> String {
        serde_json::json!({"control": self.control_url, "ca": null, "tenants": self.tenants}).to_string()
    }

    /// A configuration of `edr` that reaches every tenant, with the secrets as plain strings.
    #[must_use]
    pub fn config_toml(&self) -> String {
        let mut tenants = toml::Table::new();
        for tenant in &self.tenants {
            tenants.insert(tenant.name.clone(), self.config_of(tenant).into());
        }
        let root: toml::Table = [("tenants".to_owned(), toml::Value::Table(tenants))].into_iter().collect();
        format!("# Written by edr sim serve. These secrets open nothing but the simulator.\n\n{root}")
    }

    fn config_of(&self, tenant: &TenantInfo) -> toml::Table {
        let mut table = toml::Table::new();
        let mut put = |key: &str, value: toml::Value| table.insert(key.to_owned(), value);
        put("vendor", tenant.vendor.as_str().into());
        put("base_url", tenant.base_url.clone().into());
        match &tenant.access {
            Access::Falcon { client_id, client_secret, .. } => {
                put("client_id", client_id.clone().into());
                put("client_secret", client_secret.clone().into());
            }
            Access::Cortex { api_key_id, api_key, key_type, generation } => {
                put("api_key_id", api_key_id.clone().into());
                put("api_key", api_key.clone().into());
                put("key_type", key_type.as_str().into());
                put("generation", i64::from(*generation).into());
                if !self.state.options.enforce_limits {
                    put("requests_per_second", 0.into());
                }
            }
        }
        table
    }

    /// What all parts share, for tests that look inside.
    #[must_use]
    pub fn state(&self) -> &Arc<SimState> {
        &self.state
    }

    /// The hosts and alerts of a tenant.
    #[must_use]
    pub fn estate(&self, tenant: &str) -> Option<&TenantEstate> {
        self.state.tenant(tenant).map(|t| &t.estate)
    }

    /// Virtual now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.state.clock.now()
    }

    /// Moves virtual time forward.
    pub fn advance(&self, by: Duration) {
        self.state.clock.advance(by);
    }

    /// Takes a host on or off line.
    ///
    /// # Errors
    /// When there is no such tenant or host.
    pub fn set_online(&self, tenant: &str, id: &str, online: bool) -> Result<(), SimError> {
        crate::control::set_online(&self.state, tenant, id, online).map_err(SimError::Invalid)
    }

    /// Adds alerts created now, whose activity is `late_by` older. Returns the index of the first.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub fn add_alerts(&self, tenant: &str, count: u64, late_by: Duration) -> Result<u64, SimError> {
        crate::control::add_alerts(&self.state, tenant, count, late_by).map_err(SimError::Invalid)
    }

    /// Adds fault rules.
    ///
    /// # Errors
    /// When a rule makes no sense.
    pub fn inject(&self, rules: Vec<FaultRule>) -> Result<(), SimError> {
        self.state.faults.add(rules).map_err(SimError::Invalid)
    }

    /// Takes every fault away.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// Counters and the last requests.
    #[must_use]
    pub fn requests(&self) -> RequestReport {
        self.state.requests.report()
    }

    /// Every accepted mutation, in order.
    #[must_use]
    pub fn log(&self) -> Vec<Mutation> {
        self.state.log.entries()
    }

    /// Makes every Falcon token invalid at once.
    pub fn revoke_tokens(&self) {
        crate::falcon::revoke_all(&self.state);
    }

    /// Takes every change, fault, count and move of the clock back.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Stops listening and waits for the listeners to end.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        for listening in self.listening.drain(..) {
            let _ = listening.task.await;
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}
