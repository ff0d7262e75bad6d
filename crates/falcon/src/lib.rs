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
//! "Alerts: read" are enough for the provider ([`api::PROVIDER_OPERATIONS`]); each call of the native
//! client says what it needs in [`api::ENDPOINTS`]. The cloud is found by itself, except for the
//! government clouds.
//!
//! # What it takes care of
//!
//! * **Token**: minted once however many tasks ask, renewed early, minted anew when it is refused.
//! * **Region**: a 308 is followed on discovery alone, and only to CrowdStrike's own API hosts.
//! * **Clouds that lack the combined endpoints**: ids and entities, remembered for the tenant.
//! * **Rate**: 6000 requests a minute, of which [`FalconBuilder::rate_share`] leaves a part to others.
//! * **Pages** are given out while they arrive; one item that cannot be decoded costs itself alone.

pub mod api;
mod auth;
mod client;
mod config;
mod dialect;
pub mod fql;
pub mod map;
mod provider;
#[cfg(test)]
mod testing;
mod time;
#[cfg(test)]
mod token_tests;
mod wire;
mod words;

use std::sync::Arc;

use edr_core::{Result, Vendor};
use edr_http::{Budget, HttpClient, Pacer};
use secrecy::SecretString;

pub use client::{Answer, ById, FalconClient, Identified, ListingCap, PageKey, Pages, PerId, Refusal, Reply};
pub use config::{Cloud, FalconBuilder};
pub use dialect::FalconDetail;
pub use provider::Falcon;
pub use time::Timestamp;
pub use wire::{Entries, Lists, Secret};

/// The vendor's word in the model.
pub const VENDOR: Vendor = Vendor::from_static("falcon");

/// The part of the token endpoint's 300 requests a minute and address that one tenant takes.
const MINTS_PER_MINUTE: u32 = 60;

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
        let budget = |per_minute: u32, share: f64| {
            Arc::new(Pacer::new((per_minute > 0).then(|| Budget::per_minute(per_minute, share))))
        };
        let mints = if settings.requests_per_minute == 0 { 0 } else { MINTS_PER_MINUTE };
        let endpoint = builder()?
            .policy(settings.policy.clone())
            .clock(settings.clock.clone())
            .pacer(budget(mints, 1.0))
            .build();
        let main = builder()?
            .policy(settings.policy.clone())
            .clock(settings.clock.clone())
            .rate_share(settings.rate_share)
            .pacer(budget(settings.requests_per_minute, settings.rate_share));
        // The main client shares the endpoint's address and notices, so both move together.
        let oauth = auth::OAuth2::new(
            endpoint.clone(),
            settings.client_id,
            settings.client_secret,
            settings.member_cid,
        );
        let http = main.beside(&endpoint).authenticator(Arc::new(oauth)).build();
        Ok(Self::new(FalconClient::new(http), settings.on_cloud))
    }
}
