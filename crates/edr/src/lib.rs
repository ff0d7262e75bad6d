#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(any(feature = "falcon", feature = "cortex")),
    expect(dead_code, reason = "without a vendor there is nothing to connect")
)]

mod children;
mod config;
pub mod coverage;
mod estate;
mod file;
pub mod grouping;
pub mod identity;
pub mod iocs;
mod member;
mod network;
mod printed;
pub mod raw;
mod registry;
pub mod respond;
mod secret;
mod turn;

pub use edr_core as core;
pub use edr_core::{
    Alert, AlertQuery, Application, ApplicationQuery, AuditEvent, AuditQuery, Capabilities, Case, CaseChange,
    CaseQuery, ConnectionState, ContainmentState, Diagnosis, EdrProvider, EdrProviderExt, Error, ErrorKind,
    Filter, Gap, Host, HostGroup, HostGroupQuery, HostQuery, Ioc, IocQuery, Noun, Op, Outcome, Platform,
    Probe, ProbeState, Rejected, Result, Severity, TenantId, Vendor, Vulnerability, VulnerabilityQuery,
    Warning,
};

pub use children::Child;
pub use config::{
    ApprovalsConfig, Config, ProtectedConfig, SafetyConfig, Selection, TenantConfig, VendorConfig,
};
pub use estate::{Estate, EstateEvent, EstateStream, Found, Lookup, Member, Options, TenantOutcome};
pub use network::{NetworkConfig, ProxySource};
pub use secret::SecretSource;

pub use edr_http::{FileTokenStore, TokenStore};

#[cfg(feature = "cortex")]
pub use cortex_xdr;
#[cfg(feature = "falcon")]
pub use falcon;
