//! A CrowdStrike Falcon client: typed, paced, never silent; usable alone or as an
//! [`edr_core::EdrProvider`].
//!
//! [`Falcon`] is one tenant. It speaks the model that all vendors share: hosts and alerts as
//! [`edr_core::Host`] and [`edr_core::Alert`], filters in the model's own field names (compiled to FQL
//! where that loses nothing), listings that end as complete, partial or failed. [`Falcon::client`] is
//! the same tenant in Falcon's own types, and the way to everything that has no method yet.
//!
//! ```
//! use std::sync::Arc;
//!
//! use edr_core::{EdrProviderExt as _, HostQuery, Platform};
//! use edr_http::MemoryTransport;
//! use falcon::{Cloud, Falcon};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
//! # runtime.block_on(async {
//! // A double in place of the network; leave `transport` out to reach CrowdStrike.
//! let falcon_cloud = MemoryTransport::new(|request| async move {
//!     match request.uri().path() {
//!         "/oauth2/token" => MemoryTransport::json(201, r#"{"access_token":"t","expires_in":1799}"#),
//!         _ => MemoryTransport::json(200, r#"{"meta":{"pagination":{"total":1,"next":""}},"resources":[
//!             {"device_id":"0a0b0c0d0a0b0c0d0a0b0c0d0a0b0c0d","hostname":"PC-1","platform_name":"Windows"}]}"#),
//!     }
//! });
//! let acme = Falcon::builder("acme", "client id", "client secret".into())
//!     .cloud(Cloud::Eu1)
//!     .transport(Arc::new(falcon_cloud))
//!     .build()?;
//! let windows = acme.collect_hosts(&HostQuery::new().platform(Platform::Windows)).await?;
//! assert_eq!(windows.items[0].hostname, "PC-1");
//! assert!(windows.outcome.is_complete());
//! # Ok::<(), edr_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! # What it needs
//!
//! An API client of the Falcon console (Support and resources > API clients and keys) with the
//! scopes that [`api::required_scopes`] names for the operations in use. "Hosts: read" and
//! "Alerts: read" are enough to list hosts and alerts ([`api::PROVIDER_OPERATIONS`]); response actions and
//! changes of alerts need those of [`api::RESPONSE_OPERATIONS`], and what any other call needs says
//! [`api::ENDPOINTS`]. The cloud is found by itself, except for the government clouds.
//!
//! # What it takes care of
//!
//! * **Token**: minted once however many tasks ask, renewed early, minted anew when it is refused; shared
//!   with other processes by [`FalconBuilder::token_store`], or revoked at the end by
//!   [`FalconBuilder::revoke`].
//! * **Region**: a 308 is followed on discovery alone, and only to CrowdStrike's own API hosts.
//! * **Clouds that lack the combined endpoints**: ids and entities, remembered for the tenant.
//! * **Rate**: 6000 requests a minute, of which [`FalconBuilder::rate_share`] leaves a part to others.
//! * **Pages** are given out while they arrive; one item that cannot be decoded costs itself alone.

pub mod api;
mod aside;
mod auth;
mod client;
mod config;
mod dialect;
pub mod events;
pub mod fql;
pub mod map;
mod provider;
#[cfg(test)]
mod sharing_tests;
#[cfg(test)]
mod testing;
mod time;
#[cfg(test)]
mod token_tests;
mod wire;
mod words;

use std::sync::Arc;

use edr_core::{Result, Vendor};
use edr_http::{Budget, HostRule, HttpClient, Pacer, RetryPolicy};
use secrecy::SecretString;

pub use api::{ScopeIdentifier, required_scopes, scope_identifier};
pub use client::{Answer, ById, FalconClient, Identified, ListingCap, PageKey, Pages, PerId, Refusal, Reply};
pub use client::{Batch, BatchFetch, BatchOptions, BatchRun, Output, Ran, Session, SessionOptions, Ticket};
pub use config::{Cloud, FalconBuilder, customer_id};
pub use dialect::FalconDetail;
pub use edr_http::{Download, Downloaded, FileSource};
pub use provider::{CommandHandle, Falcon};
pub use time::Timestamp;
pub use wire::{Entries, Lists, Secret};

/// The vendor's word in the model.
pub const VENDOR: Vendor = Vendor::from_static("falcon");

/// What the tenants of one program may ask of the token endpoint, whose limit is 300 requests a minute
/// and address: other programs behind the same address find the rest.
const MINTS_PER_MINUTE: u32 = 240;

/// The part of it that a tenant takes which shares no pace with others.
const MINTS_PER_MINUTE_ALONE: u32 = 60;

/// Where streams of events come from; which of them, the reply of a discovery says.
const STREAM_HOSTS: &[&str] =
    &["firehose.crowdstrike.com", "firehose.*.crowdstrike.com", "firehose.*.crowdstrike.mil"];

/// No answer of the token endpoint comes near it, in bytes.
const LARGEST_GRANT: usize = 1 << 20;

impl Falcon {
    /// A tenant of this name, with an API client's credentials.
    #[must_use]
    pub fn builder(tenant: &str, client_id: &str, client_secret: SecretString) -> FalconBuilder {
        FalconBuilder::new(tenant, client_id, client_secret)
    }

    /// A tenant with the credentials of the environment: `FALCON_CLIENT_ID`,
    /// `FALCON_CLIENT_SECRET`, and where they are set `FALCON_CLOUD` (or `FALCON_CLOUD_REGION`),
    /// `FALCON_BASE_URL` and `FALCON_MEMBER_CID`.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::Configuration`] when the id or the secret is missing.
    pub fn from_env(tenant: &str) -> Result<FalconBuilder> {
        Self::from_lookup(tenant, |name| std::env::var(name).ok())
    }

    /// As [`Self::from_env`], with another place to look names up in.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::Configuration`] when the id or the secret is missing.
    pub fn from_lookup(tenant: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<FalconBuilder> {
        FalconBuilder::from_lookup(tenant, &lookup)
    }

    /// A pace for the token endpoint, to be shared by all tenants of a program that mint at the same host
    /// ([`FalconBuilder::mint_pacer`]). A 429 to one of them holds all.
    #[must_use]
    pub fn mint_pacer() -> Arc<Pacer> {
        Arc::new(Pacer::in_bursts(Budget::per_minute(MINTS_PER_MINUTE, 1.0)))
    }

    /// The pace of a tenant that shares none; unpaced as the tenant is.
    fn own_mint_pacer(requests_per_minute: u32) -> Arc<Pacer> {
        let budget = Budget::per_minute(MINTS_PER_MINUTE_ALONE, 1.0);
        Arc::new(Pacer::new((requests_per_minute > 0).then_some(budget)))
    }

    /// Puts the client together: the token endpoint's client stands beside the main one.
    fn of(settings: config::Settings) -> Result<Self> {
        let dialect = Arc::new(dialect::FalconDialect {
            cloud: settings.cloud,
            on_cloud: settings.on_cloud,
            member: settings.member_cid.is_some(),
        });
        let builder = || {
            let (tenant, base) = (settings.tenant.clone(), settings.base.clone());
            HttpClient::builder(tenant, VENDOR, base, settings.transport.clone(), dialect.clone())
        };
        let endpoint = builder()?
            .policy(settings.policy.clone())
            .clock(settings.clock.clone())
            .pacer(&settings.mint_pacer)
            .max_body(LARGEST_GRANT)
            .build();
        let limit = settings.requests_per_minute;
        settings.pacer.tighten((limit > 0).then(|| Budget::per_minute(limit, settings.rate_share)));
        let main = builder()?
            .hosts(HostRule::own().and_loopback())
            .policy(settings.policy.clone())
            .clock(settings.clock.clone())
            .rate_share(settings.rate_share)
            .pacer(&settings.pacer);
        let discovers = settings.on_cloud && settings.cloud == Cloud::Autodiscover;
        let (id, secret) = (settings.client_id, settings.client_secret);
        let store = settings.token_store.map(aside::Shelved::new);
        let shared = store.clone().map(|store| store as Arc<dyn edr_http::TokenStore>);
        let oauth = auth::OAuth2::new(endpoint.clone(), id, secret, settings.member_cid)
            .sharing(shared, discovers)
            .revoking(settings.revoke);
        let oauth = Arc::new(oauth);
        // A stream that breaks off is asked for again from another place, which the reader alone knows.
        let feeds = builder()?
            .policy(once(settings.policy.clone()))
            .clock(settings.clock.clone())
            .hosts(HostRule::own().and(STREAM_HOSTS).and_loopback())
            .beside(&endpoint)
            .build();
        // The main client shares the endpoint's address and notices, so both move together.
        let http = main.beside(&endpoint).authenticator(oauth.clone()).build();
        let (cloud, on_cloud, rate_share) = (settings.cloud, settings.on_cloud, settings.rate_share);
        let setup = provider::Setup { cloud, oauth, store, on_cloud, rate_share };
        Ok(Self::new(FalconClient::new(http, feeds), setup))
    }
}

/// The same, without a second attempt.
fn once(mut policy: RetryPolicy) -> RetryPolicy {
    policy.max_attempts = 1;
    policy
}
