//! The contract that every EDR vendor meets here: one trait, one model, one error.
//!
//! This crate holds no HTTP, no runtime and no vendor's words. A vendor crate implements
//! [`EdrProvider`], a few methods that each answer one page; everything comfortable (walks over
//! all pages, streams, collecting, finding) is in [`EdrProviderExt`], which nobody implements.
//!
//! Four promises shape the types:
//!
//! * **Never silent.** A listing ends as [`Outcome::Complete`], [`Outcome::Partial`] (with what is
//!   missing and why) or [`Outcome::Failed`]. An item that cannot be decoded is a [`Rejected`]
//!   value, never a lost page.
//! * **The tenant is in everything.** Each item, error and cursor names its [`TenantId`].
//! * **No faked parity.** [`Capabilities`] say, as data, what a tenant can do, which filters its
//!   vendor evaluates and which are evaluated here.
//! * **Raw is kept.** Each item carries the vendor's own JSON as [`Raw`].
//!
//! ```
//! use edr_core::{EdrProviderExt, HostQuery, InMemory, Platform};
//! # use edr_core::Host;
//! # futures_util::future::FutureExt::now_or_never(async {
//! let provider = InMemory::builder("acme").host(Host::new("falcon", "acme", "0f3a", "{}")).build();
//! let hosts = provider.collect_hosts(&HostQuery::new()).await?;
//! assert_eq!(hosts.items.len(), 1);
//! assert!(hosts.outcome.is_complete());
//! let none = provider.collect_hosts(&HostQuery::new().platform(Platform::Macos)).await?;
//! assert!(none.items.is_empty() && none.outcome.is_complete());
//! # Ok::<(), edr_core::Error>(())
//! # }).unwrap().unwrap();
//! ```

mod capability;
mod change;
pub mod clock;
mod cursor;
mod deed;
mod diagnosis;
mod discreet;
mod error;
mod filter;
mod listed;
mod memory;
pub mod model;
mod page;
mod provider;
mod query;
mod response;
mod walk;

pub use capability::{Capabilities, Feature, FilterSupport, Site, Support};
pub use change::CaseChange;
pub use cursor::Cursor;
pub use deed::{ContainmentChange, Deed, Fate};
pub use diagnosis::{Diagnosis, Probe, ProbeState};
pub use error::{Error, ErrorKind, PlainDetail, Result, RetryStatus, VendorDetail};
pub use filter::{
    Field, FieldKind, Filter, FilterError, Noun, Op, alert_fields, application_fields, audit_fields,
    case_fields, group_fields, host_fields, ioc_fields, vulnerability_fields,
};
pub use listed::Listed;
pub use memory::{InMemory, InMemoryBuilder, Mutation, Quirk, Script};
pub use model::{
    Action, Agent, AgentHealth, Alert, AlertStatus, Analytic, Anomaly, Application, Attack, AttackRef,
    AuditEvent, AuditResult, AuditSource, Case, CaseHost, CaseStatus, Cloud, Comment, ConnectionState,
    ContainmentState, Cvss, Disposition, Dns, Evidence, Expiration, File, Fix, Group, GroupKind, Hashes,
    Host, HostAddress, HostGroup, HostHistory, HostLogin, HostRef, HostType, Indicator, Ioc, IocAction,
    IocType, Kubernetes, NetworkActivity, NetworkEndpoint, NetworkInterface, Origin, Os, Package, Platform,
    Policy, Process, Provenance, Raw, Registry, Risk, Severity, Signature, Tag, TenantId, User, UserKind,
    Vendor, Verdict, Vulnerability, VulnerabilityStatus,
};
pub use page::{Collected, Drift, Gap, Outcome, Page, PageEnd, Part, Rejected, Walked, Warning};
pub use provider::{EdrProvider, EdrProviderExt, Opener, PartStream, TenantCheck, WalkStream};
pub use query::{
    AlertQuery, ApplicationQuery, AuditQuery, CaseQuery, HostGroupQuery, HostQuery, IocQuery, Listing, Query,
    Sort, VulnerabilityQuery,
};
pub use response::{
    AlertChange, Answer, Assignee, Because, Fit, FoundHosts, ProcessRef, Progress, Receipt, ResponseAction,
    SavedFile, Standing, Target, UnreadableHost,
};
