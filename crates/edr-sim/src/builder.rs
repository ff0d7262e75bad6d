//! Describing a simulator, and starting it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::clock::{Clock, from_ms};
use crate::estate::Vendor;
use crate::faults::{FaultRule, Faults};
use crate::gate::{Front, gate};
use crate::limits::Limits;
use crate::log::{MutationLog, RequestLog};
use crate::server::{Listening, listen};
use crate::sim::{Access, Sim, SimError, TenantInfo};
use crate::state::{Credentials, KeyType, Options, SimState, TenantSpec, TenantState};
use crate::tls::Authority;

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
    tls: bool,
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
            tls: false,
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
        /// The kind of the Cortex keys.
        key_type: KeyType = key_type;
        /// The generation of the Cortex tenants: 3 or 5.
        cortex_generation: u8 = generation;
        /// Whether both vendors answer over TLS, with a certificate of an authority made for this run
        /// ([`Sim::ca_pem`]). The control plane stays on plain HTTP.
        tls: bool = tls;
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
        let authority = self.authority(&state)?;
        let (stop, stopped) = watch::channel(false);
        let mut ports = Ports { base: self.listen, taken: 0, stopped };
        let tls = authority.as_ref().map(|a| &a.acceptor);
        let control = ports.serve(crate::control::router(Arc::clone(&state)), None).await?;
        let falcon = crate::falcon::router(Arc::clone(&state));
        let falcon = ports.serve(gated(falcon, &state, Front::Falcon), tls).await?;
        let (mut tenants, mut listening) = (Vec::new(), Vec::new());
        for (number, tenant) in state.tenants.iter().enumerate() {
            let address = match tenant.vendor {
                Vendor::Falcon => falcon.address,
                Vendor::Cortex => {
                    let router = crate::cortex::router(Arc::clone(&state), number);
                    let cortex = ports.serve(gated(router, &state, Front::Cortex(number)), tls).await?;
                    let address = cortex.address;
                    listening.push(cortex);
                    address
                }
            };
            tenants.push(info(tenant, address, tls.is_some()));
        }
        let control_url = format!("http://{}", control.address);
        listening.extend([control, falcon]);
        Ok(Sim {
            state,
            tenants,
            control_url,
            stop,
            listening,
            ca_pem: authority.map(|a| a.ca_pem),
            ca_file: None,
        })
    }

    fn authority(&self, state: &SimState) -> Result<Option<Authority>, SimError> {
        let names = || crate::tls::names(state.tenants.iter().map(|t| t.name.as_str()));
        self.tls.then(|| Authority::new(names(), from_ms(state.clock.real_ms()))).transpose()
    }
}

fn info(tenant: &TenantState, address: SocketAddr, tls: bool) -> TenantInfo {
    let scheme = if tls { "https" } else { "http" };
    let fqdn = (tls && tenant.vendor == Vendor::Cortex)
        .then(|| format!("{}.localhost:{}", tenant.name, address.port()));
    TenantInfo {
        name: tenant.name.clone(),
        vendor: tenant.vendor,
        base_url: format!("{scheme}://{address}"),
        fqdn,
        access: access(&tenant.credentials),
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
    stopped: watch::Receiver<bool>,
}

impl Ports {
    fn next(&mut self) -> Result<SocketAddr, SimError> {
        let mut address = self.base;
        if address.port() != 0 {
            let port = address.port().checked_add(self.taken);
            address.set_port(
                port.ok_or_else(|| SimError::Invalid("not enough ports above the given one".to_owned()))?,
            );
        }
        self.taken += 1;
        Ok(address)
    }

    async fn serve(&mut self, app: Router, tls: Option<&TlsAcceptor>) -> Result<Listening, SimError> {
        let address = self.next()?;
        let listening = listen(address, app, tls.cloned(), self.stopped.clone()).await;
        listening.map_err(|source| SimError::Listen { address, source })
    }
}
