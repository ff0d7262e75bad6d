#![doc = include_str!("../README.md")]

mod config;
mod estate;
mod registry;
mod secret;
mod turn;

pub use edr_core as core;
pub use edr_core::{
    Alert, AlertQuery, Capabilities, ConnectionState, ContainmentState, EdrProvider, EdrProviderExt, Error,
    ErrorKind, Filter, Gap, Host, HostQuery, Noun, Op, Outcome, Platform, Rejected, Result, Severity,
    TenantId, Vendor, Warning,
};

pub use config::{Config, ProtectedConfig, SafetyConfig, Selection, TenantConfig, VendorConfig};
pub use estate::{Estate, EstateEvent, EstateStream, Found, Lookup, Member, Options, TenantOutcome};
pub use secret::SecretSource;

#[cfg(feature = "cortex")]
pub use cortex_xdr;
#[cfg(feature = "falcon")]
pub use falcon;
