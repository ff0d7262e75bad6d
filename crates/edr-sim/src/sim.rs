//! Steering a simulator from Rust.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::watch;

use crate::builder::SimBuilder;
use crate::estate::{TenantEstate, Vendor};
use crate::faults::FaultRule;
use crate::log::{Mutation, RequestReport};
use crate::server::Listening;
use crate::state::{KeyType, SimState};
use crate::tls::CaFile;

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
    /// `falcon-1`, `falcon-1/retail`, `cortex-1` …
    pub name: String,
    /// The vendor.
    pub vendor: Vendor,
    /// Where it answers.
    pub base_url: String,
    /// With TLS, for Cortex: what a client that builds `https://api-<fqdn>` takes, with the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fqdn: Option<String>,
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
        /// The customer id of a child of Flight Control; `None` for the tenant of the client itself.
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

/// A running simulator. It stops when it is dropped.
#[derive(Debug)]
pub struct Sim {
    pub(crate) state: Arc<SimState>,
    pub(crate) tenants: Vec<TenantInfo>,
    pub(crate) control_url: String,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) listening: Vec<Listening>,
    pub(crate) ca_pem: Option<String>,
    pub(crate) ca_file: Option<CaFile>,
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

    /// The tenants: those of Falcon first, each with its children behind it.
    #[must_use]
    pub fn tenants(&self) -> &[TenantInfo] {
        &self.tenants
    }

    /// The ready line: one line of JSON.
    #[must_use]
    pub fn ready_line(&self) -> String {
        let mut line =
            serde_json::json!({"control": self.control_url, "ca": self.ca_path(), "tenants": self.tenants});
        if let [_, second] = self.state.regions.urls() {
            line["second_region"] = second.as_str().into();
        }
        line.to_string()
    }

    /// The certificate of the authority that clients must trust, as PEM; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Where the authority's certificate was written to.
    #[must_use]
    pub fn ca_path(&self) -> Option<&Path> {
        self.ca_file.as_ref().map(|file| file.path.as_path())
    }

    /// Writes the authority's certificate to a file, which the ready line and the configuration name from then on.
    /// Without a path it is a file in a new temporary folder, taken away when the simulator stops. Without TLS nothing is written.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_ca(&mut self, path: Option<&Path>) -> Result<(), SimError> {
        if let Some(pem) = &self.ca_pem {
            self.ca_file = Some(CaFile::write(pem, path)?);
        }
        Ok(())
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
    /// When a rule makes no sense, or names an operation or a tenant that there is not.
    pub fn inject(&self, rules: Vec<FaultRule>) -> Result<(), SimError> {
        self.state.inject(rules).map_err(SimError::Invalid)
    }

    /// Moves a Falcon tenant, with its children, to the region `sim-1` or `sim-2`; from then on the other answers 308
    /// to it, and its tokens are void.
    ///
    /// # Errors
    /// When there is no such tenant, or the region is not open (`SimBuilder::second_region`).
    pub fn move_tenant(&self, tenant: &str, region: &str) -> Result<(), SimError> {
        crate::region::relocate(&self.state, tenant, region).map_err(SimError::Invalid)
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
