//! The nouns, named after OCSF 1.8 attributes, one file a noun.
//!
//! Every enum is open: a value outside the tables survives as `Other` with the vendor's own word.
//! Every time is UTC. Every item names tenant and vendor and keeps the vendor's JSON.

mod alert;
mod application;
mod audit;
mod case;
mod enums;
mod history;
mod host;
mod host_group;
mod ids;
mod ioc;
mod parts;
mod raw;
pub mod read;
pub mod time;
mod vulnerability;

pub use alert::{Alert, Analytic, Attack, AttackRef, Comment, Evidence, Indicator};
pub use application::Application;
pub use audit::AuditEvent;
pub use case::{Case, CaseHost};
pub use enums::{
    Action, AgentHealth, AlertStatus, AuditResult, AuditSource, CaseStatus, ConnectionState,
    ContainmentState, Disposition, GroupKind, HostType, IocAction, IocType, Platform, Provenance, Severity,
    UserKind, Verdict, VulnerabilityStatus,
};
pub use history::{HostAddress, HostHistory, HostLogin};
pub use host::{Agent, Cloud, Group, Host, Kubernetes, NetworkInterface, Os, Policy, Risk, Tag};
pub use host_group::HostGroup;
pub use ids::{TenantId, Vendor};
pub use ioc::{Expiration, Ioc};
pub use parts::{
    Anomaly, Dns, File, Hashes, HostRef, NetworkActivity, NetworkEndpoint, Origin, Process, Registry,
    Signature, User,
};
pub use raw::Raw;
pub use vulnerability::{Cvss, Fix, Package, Vulnerability};
