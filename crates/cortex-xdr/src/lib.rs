//! A Palo Alto Networks Cortex XDR client: typed, signed, paced, never silent; usable alone or as an
//! [`EdrProvider`](edr_core::EdrProvider).
//!
//! * Both types of key. An Advanced key signs every attempt anew and stays in this process; a diagnosis
//!   of a key that was refused tries it once as the other type.
//! * Both generations of the product: alerts of XDR 3 in all their shapes, issues of XDR 5. Which one
//!   it is can be configured, and is found by one probe otherwise.
//! * Ten requests a second a tenant, unless told otherwise; retries with the vendor's own delays;
//!   errors in a success, business errors that come as HTTP 500 and HTML from gateways told apart.
//! * A machine whose clock is off is noticed by the vendor's `Date`, corrected once, and told.
//! * Listings that do not believe the vendor's count: empty windows are passed over, and beyond the
//!   9,999 alerts that the vendor counts the listing goes on by time.
//!
//! ```
//! use std::sync::Arc;
//! use cortex_xdr::{CortexXdr, Generation};
//! use edr_core::{EdrProviderExt, HostQuery, Platform};
//! use edr_http::MemoryTransport;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> edr_core::Result<()> {
//! // A transport in memory stands in for the tenant; leave it out to reach the real one.
//! let transport = MemoryTransport::new(|request| async move {
//!     assert!(request.headers().contains_key("x-xdr-nonce"));
//!     MemoryTransport::json(200, r#"{"reply":{"total_count":1,"endpoints":[
//!         {"endpoint_id":"0f3a","endpoint_name":"WIN-01","os_type":"AGENT_OS_WINDOWS","endpoint_status":"CONNECTED"}]}}"#)
//! });
//! let cortex = CortexXdr::builder("acme", "7", "the key".replace(' ', "-").into())
//!     .fqdn("acme.xdr.eu.paloaltonetworks.com".parse().expect("a name"))
//!     .generation(Generation::Xdr3)
//!     .transport(Arc::new(transport))
//!     .build()?;
//! let hosts = cortex.collect_hosts(&HostQuery::new().platform(Platform::Windows)).await?;
//! assert!(hosts.outcome.is_complete());
//! assert_eq!(hosts.items[0].hostname, "WIN-01");
//! # Ok(())
//! # }
//! ```
//!
//! # The native client
//!
//! [`CortexXdr::client`] speaks the vendor's own words: orders to endpoints and their state, incidents and cases,
//! alerts, hashes, indicators, scripts, files, queries, audits, packages, users. Each service has a module in [`api`],
//! with pure plans and typed answers, and its methods on [`CortexClient`]. [`api::operations`] is the table of all of
//! them, and [`CortexClient::send`] the way to the rest.
//!
//! # What is filtered where
//!
//! [`edr_core::Capabilities`] say which filters the vendor evaluates. A field is left to us where the
//! vendor could lose what passes: parts of names (it compares whole ones), pending states of
//! containment (its filter knows two words), IPv6 addresses (it compares their text), users (it has
//! the domain in them). Every item that it sends is checked again.
//!
//! # Errors
//!
//! [`edr_core::Error::detail`] downcasts to [`CortexDetail`]. A 401 says which type of key was tried, a
//! 403 which role is missing, a 404 that the address or the generation is wrong.

mod alert_change;
mod alert_pages;
pub mod api;
mod auth;
mod client;
mod config;
mod detail;
mod diagnose;
mod dialect;
mod filter;
mod fqdn;
mod listing;
mod loose;
mod map;
mod progress;
mod provider;
mod push;
mod record;
mod respond;
mod sign;
mod windows;
mod wire;
mod words;

use edr_core::Vendor;

pub use api::actions::{ActionId, ActionStarted, ActionState, ActionStatus, Patience};
pub use api::responses::{Endpoints, Terminate};
pub use api::{AlertRecord, AlertsPath, EventRecord, Order, PageRequest};
pub use client::{
    Batch, Case, CaseBatch, CaseChange, CaseListing, CaseQuery, CortexClient, FindingListing, Item, Listing,
    Position, RawPage, Rows, XqlRun,
};
pub use config::{CortexXdrBuilder, Generation, KeyType, SettingError};
pub use detail::CortexDetail;
pub use edr_http::{Download, Downloaded};
pub use filter::{Filters, Triple};
pub use fqdn::{Fqdn, FqdnError};
pub use provider::CortexXdr;
pub use sign::signature;
pub use wire::Stamp;

/// The vendor's word in output, configuration and URNs.
pub const VENDOR: Vendor = Vendor::from_static("cortex");
