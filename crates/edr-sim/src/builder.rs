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
use crate::estate_file::{EstateFile, FileChild, FileTenant};
use crate::faults::{FaultRule, Faults};
use crate::gate::{Front, gate};
use crate::limits::Limits;
use crate::log::{MutationLog, RequestLog};
use crate::server::{Listening, listen};
use crate::sim::{Access, Sim, SimError, TenantInfo};
use crate::state::{Credentials, KeyType, Options, SimState, TenantSpec, TenantState, child_name};
use crate::tls::Authority;

/// How many children a tenant can have.
pub(crate) const MOST_CHILDREN: u64 = 999;

/// Describes a simulator before it starts.
#[derive(Debug, Clone)]
pub struct SimBuilder {
    listen: SocketAddr,
    options: Options,
    epoch: Option<DateTime<Utc>>,
    falcon_tenants: u64,
    cortex_tenants: u64,
    children: u64,
    falcon_hosts: u64,
    cortex_hosts: u64,
    alerts: u64,
    key_type: KeyType,
    generation: u8,
    faults: Vec<FaultRule>,
    without_scopes: Vec<String>,
    tls: bool,
    second_region: bool,
    estate: Option<EstateFile>,
}

impl Default for SimBuilder {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            options: Options::default(),
            epoch: None,
            falcon_tenants: 1,
            cortex_tenants: 1,
            children: 0,
            falcon_hosts: 200,
            cortex_hosts: 200,
            alerts: 100,
            key_type: KeyType::Advanced,
            generation: 3,
            faults: Vec::new(),
            without_scopes: Vec::new(),
            tls: false,
            second_region: false,
            estate: None,
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
        /// How many children each Falcon tenant has (Flight Control); each has hosts and alerts of its own.
        children: u64 = children;
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
        /// How long a change takes to reach Falcon's searches, and a change of a Falcon alert to be seen at all.
        search_lag: Duration = options.search_lag;
        /// Whether Falcon answers 404 to its combined endpoints, as some clouds do.
        falcon_without_combined: bool = options.falcon_without_combined;
        /// Into how many partitions Falcon cuts its event stream.
        stream_partitions: u64 = options.stream_partitions;
        /// How long an event stream is silent before it sends a heartbeat.
        stream_heartbeat: Duration = options.stream_heartbeat;
        /// How long the session of an event stream lives without being renewed.
        stream_session: Duration = options.stream_session;
        /// How long the session of an event stream lives at most, however often it is renewed.
        stream_longest: Duration = options.stream_longest;
        /// How long events are kept for those who come back to an event stream.
        stream_retention: Duration = options.stream_retention;
        /// Whether Cortex refuses a nonce that it has seen.
        cortex_strict_nonce: bool = options.cortex_strict_nonce;
        /// How long the Cortex keys live from the start on.
        cortex_key_life: Option<Duration> = options.cortex_key_life;
        /// How large a file is that is downloaded: an installer of Falcon, what Cortex fetches from an endpoint. Its
        /// bytes are made while they are sent.
        download_bytes: u64 = options.download_bytes;
        /// Whether downloads can be resumed (`Range`, `ETag`); the vendors do not say whether theirs can.
        download_ranges: bool = options.download_ranges;
        /// The kind of the Cortex keys.
        key_type: KeyType = key_type;
        /// The generation of the Cortex tenants: 3 or 5.
        cortex_generation: u8 = generation;
        /// Whether both vendors answer over TLS, with a certificate of an authority made for this run
        /// ([`Sim::ca_pem`]). The control plane stays on plain HTTP.
        tls: bool = tls;
        /// Whether Falcon has a second region, `sim-2`, to which [`Sim::move_tenant`] moves tenants: the region that a
        /// tenant does not live in answers 308.
        second_region: bool = second_region;
        /// Faults in force from the start.
        faults: Vec<FaultRule> = faults;
    }

    /// Stops virtual time at an instant: it moves only by [`Sim::advance`], and two runs give the same replies.
    #[must_use]
    pub fn epoch(mut self, at: DateTime<Utc>) -> Self {
        self.epoch = Some(at);
        self
    }

    /// Takes the tenants from a file instead of the counts; what the file leaves out is as the builder says.
    #[must_use]
    pub fn estate(mut self, file: EstateFile) -> Self {
        self.estate = Some(file);
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
            name: format!("{}-{ordinal}", vendor.as_str()),
            vendor,
            ordinal,
            parent: None,
            hosts: if vendor == Vendor::Falcon { self.falcon_hosts } else { self.cortex_hosts },
            shared: if paired { fewer.div_ceil(10) } else { 0 },
            alerts: self.alerts,
            key_type: self.key_type,
            generation: self.generation,
            without_scopes: self.without_scopes.clone(),
            given: (Vec::new(), Vec::new()),
        }
    }

    /// The tenants of a file, those of Falcon first; the builder says what the file leaves out.
    fn filed(&self, file: &EstateFile) -> Vec<TenantSpec> {
        let mut specs = Vec::new();
        for vendor in [Vendor::Falcon, Vendor::Cortex] {
            let of_vendor = file.tenants.iter().filter(|tenant| tenant.vendor == vendor);
            for (n, tenant) in (1..).zip(of_vendor) {
                let parent = self.filed_tenant(tenant, n);
                let children = tenant
                    .children
                    .iter()
                    .zip(0..)
                    .map(|(child, k)| filed_child(&parent, child, specs.len(), k));
                let children: Vec<TenantSpec> = children.collect();
                specs.push(parent);
                specs.extend(children);
            }
        }
        specs
    }

    fn filed_tenant(&self, tenant: &FileTenant, ordinal: u64) -> TenantSpec {
        let plain = self.tenant(tenant.vendor, ordinal);
        TenantSpec {
            name: tenant.name.clone().unwrap_or(plain.name),
            hosts: count(tenant.hosts, tenant.host.len(), plain.hosts),
            shared: 0,
            alerts: tenant.alerts.unwrap_or(plain.alerts),
            key_type: tenant.key_type.unwrap_or(plain.key_type),
            generation: tenant.generation.unwrap_or(plain.generation),
            given: (tenant.host.clone(), tenant.alert.clone()),
            ..plain
        }
    }

    /// The tenants in order: each Falcon tenant with its children behind it, then those of Cortex.
    fn tenants(&self) -> Vec<TenantSpec> {
        if let Some(file) = &self.estate {
            return self.filed(file);
        }
        let mut specs = Vec::new();
        for n in 1..=self.falcon_tenants {
            let parent = self.tenant(Vendor::Falcon, n);
            let children = self.children_of(&parent, specs.len());
            specs.push(parent);
            specs.extend(children);
        }
        specs.extend((1..=self.cortex_tenants).map(|n| self.tenant(Vendor::Cortex, n)));
        specs
    }

    fn children_of(&self, parent: &TenantSpec, place: usize) -> Vec<TenantSpec> {
        let child = |k: u64| TenantSpec {
            name: format!("{}/{}", parent.name, child_name(k)),
            // Ordinals of parents end at 1000: no child shares its machines with anybody.
            ordinal: 1000 * parent.ordinal + 1 + k,
            parent: Some(place),
            shared: 0,
            ..parent.clone()
        };
        (0..self.children).map(child).collect()
    }

    fn check_names(tenants: &[TenantState]) -> Result<(), SimError> {
        let doubled = |(n, t): (usize, &TenantState)| {
            tenants[..n].iter().any(|other| other.name == t.name).then(|| t.name.clone())
        };
        match tenants.iter().enumerate().find_map(doubled) {
            Some(name) => Err(SimError::Invalid(format!("two tenants are called {name}"))),
            None => Ok(()),
        }
    }

    fn check(&self) -> Result<(), SimError> {
        let wrong = |why: &str| Err(SimError::Invalid(why.to_owned()));
        if ![3, 5].contains(&self.generation) {
            return wrong("the generation of Cortex is 3 or 5");
        }
        if self.falcon_hosts.max(self.cortex_hosts) > u64::from(u32::MAX) {
            return wrong("more hosts than 4,294,967,295 in one tenant");
        }
        if self.children > MOST_CHILDREN {
            return wrong("more children than 999 of one tenant");
        }
        Ok(())
    }

    fn state(&self) -> Result<SimState, SimError> {
        self.check()?;
        let clock = Arc::new(Clock::new(self.epoch));
        let mut tenants = Vec::new();
        for spec in self.tenants() {
            let tenant = spec.build(&self.options, &clock, &tenants).map_err(SimError::Invalid)?;
            tenants.push(tenant);
        }
        Self::check_names(&tenants)?;
        let state = SimState {
            options: self.options.clone(),
            faults: Faults::default(),
            limits: Limits::new(self.options.enforce_limits),
            log: MutationLog::new(Arc::clone(&clock)),
            requests: RequestLog::default(),
            regions: crate::region::Regions::default(),
            lists: crate::state::IndexCache::default(),
            tenants,
            falcon: crate::falcon::FalconState::default(),
            clock,
        };
        state.inject(self.faults.clone()).map_err(SimError::Invalid)?;
        Ok(state)
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
        let router = crate::falcon::router(Arc::clone(&state));
        let falcon = ports.serve(gated(router.clone(), &state, Front::Falcon(0)), tls).await?;
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
        let mut regions = vec![falcon.address];
        if self.second_region {
            let second = ports.serve(gated(router, &state, Front::Falcon(1)), tls).await?;
            regions.push(second.address);
            listening.push(second);
        }
        state.regions.open(regions.into_iter().map(|address| url(address, tls.is_some())).collect());
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
        let names = || {
            crate::tls::names(
                state.tenants.iter().filter(|t| t.vendor == Vendor::Cortex).map(|t| t.name.as_str()),
            )
        };
        self.tls.then(|| Authority::new(names(), from_ms(state.clock.real_ms()))).transpose()
    }
}

/// How many hosts: as told, else those by hand, else as the builder has it.
fn count(told: Option<u64>, by_hand: usize, else_wise: u64) -> u64 {
    told.unwrap_or(if by_hand > 0 { by_hand as u64 } else { else_wise })
}

fn filed_child(parent: &TenantSpec, child: &FileChild, place: usize, k: u64) -> TenantSpec {
    TenantSpec {
        name: format!("{}/{}", parent.name, child.name),
        ordinal: 1000 * parent.ordinal + 1 + k,
        parent: Some(place),
        hosts: count(child.hosts, child.host.len(), parent.hosts),
        alerts: child.alerts.unwrap_or(parent.alerts),
        given: (child.host.clone(), child.alert.clone()),
        ..parent.clone()
    }
}

fn url(address: SocketAddr, tls: bool) -> String {
    format!("{}://{address}", if tls { "https" } else { "http" })
}

fn info(tenant: &TenantState, address: SocketAddr, tls: bool) -> TenantInfo {
    let fqdn = (tls && tenant.vendor == Vendor::Cortex)
        .then(|| format!("{}.localhost:{}", tenant.name, address.port()));
    TenantInfo {
        name: tenant.name.clone(),
        vendor: tenant.vendor,
        base_url: url(address, tls),
        fqdn,
        access: access(tenant),
    }
}

fn access(tenant: &TenantState) -> Access {
    match &tenant.credentials {
        Credentials::Falcon(f) => Access::Falcon {
            client_id: f.client_id.clone(),
            client_secret: f.client_secret.clone(),
            member_cid: tenant.parent.map(|_| f.cid.clone()),
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
