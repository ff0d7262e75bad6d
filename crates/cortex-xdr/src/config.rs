//! What a tenant needs: address, key, and what is known of it.

use std::env;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use edr_core::clock::{Clock, SystemClock};
use edr_core::{Error, ErrorKind, Result, TenantId};
use edr_http::{Budget, HttpClient, HttpTransport, Pacer, ReqwestTransport, RetryPolicy, TransportOptions};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::auth::Signer;
use crate::client::CortexClient;
use crate::dialect::Cortex;
use crate::{CortexXdr, Fqdn, VENDOR};

/// How a key is used: it is what the key dialogue calls its security level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// The key signs each request and does not travel with it. The console's default, and ours.
    #[default]
    Advanced,
    /// The key itself is sent.
    Standard,
}

impl KeyType {
    /// `advanced` or `standard`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Advanced => "advanced",
            Self::Standard => "standard",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Advanced => Self::Standard,
            Self::Standard => Self::Advanced,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no setting of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingError(String);

impl FromStr for KeyType {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "advanced" => Ok(Self::Advanced),
            "standard" => Ok(Self::Standard),
            // The text is not repeated: a key may have been put where its type belongs.
            _ => Err(SettingError("the key type is either advanced or standard".to_owned())),
        }
    }
}

/// The generation of the product, which is not the `v1` or `v2` in its URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generation {
    /// XDR 3: incidents and alerts.
    Xdr3,
    /// XDR 5, the unified platform: cases and issues.
    Xdr5,
}

impl Generation {
    /// 3 or 5.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Xdr3 => 3,
            Self::Xdr5 => 5,
        }
    }
}

impl TryFrom<u8> for Generation {
    type Error = SettingError;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            3 => Ok(Self::Xdr3),
            5 => Ok(Self::Xdr5),
            other => Err(SettingError(format!("there is no generation {other} of Cortex XDR: it is 3 or 5"))),
        }
    }
}

/// The vendor's limit, by all that is known: requests a second of a tenant.
const REQUESTS_PER_SECOND: f64 = 10.0;

/// Builds a [`CortexXdr`].
#[must_use]
pub struct CortexXdrBuilder {
    tenant: TenantId,
    api_key_id: String,
    api_key: SecretString,
    fqdn: Option<Fqdn>,
    base_url: Option<Url>,
    key_type: KeyType,
    generation: Option<Generation>,
    requests_per_second: f64,
    rate_share: f64,
    pacer: Option<Arc<Pacer>>,
    transport: Option<Arc<dyn HttpTransport>>,
    transport_options: TransportOptions,
    clock: Arc<dyn Clock>,
    policy: RetryPolicy,
}

impl fmt::Debug for CortexXdrBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CortexXdrBuilder")
            .field("tenant", &self.tenant)
            .field("key_type", &self.key_type)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl CortexXdrBuilder {
    pub(crate) fn new(tenant: &str, api_key_id: &str, api_key: SecretString) -> Self {
        Self {
            tenant: tenant.into(),
            api_key_id: api_key_id.trim().to_owned(),
            api_key,
            fqdn: None,
            base_url: None,
            key_type: KeyType::default(),
            generation: None,
            requests_per_second: REQUESTS_PER_SECOND,
            rate_share: 1.0,
            pacer: None,
            transport: None,
            transport_options: TransportOptions::default(),
            clock: SystemClock::shared(),
            policy: RetryPolicy::default(),
        }
    }

    /// The settings of `tenant` from variables: `CORTEX_XDR_FQDN` or `CORTEX_XDR_BASE_URL` (which wins),
    /// `CORTEX_XDR_API_KEY_ID`, `CORTEX_XDR_API_KEY` and, if it is not advanced, `CORTEX_XDR_KEY_TYPE`.
    /// Without any of these, the set `CORTEX_API_BASE_URL`, `CORTEX_API_KEY_ID`, `CORTEX_API_KEY` is
    /// taken whole or not at all: a lone `CORTEX_API_KEY` belongs to other products.
    ///
    /// ```
    /// let lookup = |name: &str| match name {
    ///     "CORTEX_XDR_FQDN" => Some("acme.xdr.eu.paloaltonetworks.com".to_owned()),
    ///     "CORTEX_XDR_API_KEY_ID" => Some("7".to_owned()),
    ///     "CORTEX_XDR_API_KEY" => Some("secret".to_owned()),
    ///     _ => None,
    /// };
    /// let cortex = cortex_xdr::CortexXdrBuilder::from_lookup("acme", lookup)?.build()?;
    /// # Ok::<(), edr_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`], naming the variable that is missing or wrong.
    pub fn from_lookup(tenant: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let get = |name: &str| lookup(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let own = ["CORTEX_XDR_FQDN", "CORTEX_XDR_BASE_URL", "CORTEX_XDR_API_KEY_ID", "CORTEX_XDR_API_KEY"];
        let shared = ["CORTEX_API_BASE_URL", "CORTEX_API_KEY_ID", "CORTEX_API_KEY"];
        let [fqdn, base, id, key] = if own.iter().any(|name| get(name).is_some()) {
            own
        } else if shared.iter().all(|name| get(name).is_some()) {
            ["", shared[0], shared[1], shared[2]]
        } else {
            own
        };
        let need = |name: &str| get(name).ok_or_else(|| wrong(format!("{name} is not set")));
        let mut builder = Self::new(tenant, &need(id)?, SecretString::from(need(key)?));
        builder = match (get(base), get(fqdn)) {
            (Some(base_url), _) => builder.base_url(address(base, &base_url)?),
            (None, Some(name)) => builder.fqdn(name.parse().map_err(|e| wrong(format!("{fqdn}: {e}")))?),
            (None, None) => return Err(wrong(format!("{fqdn} is not set"))),
        };
        if let Some(kind) = get("CORTEX_XDR_KEY_TYPE") {
            builder = builder.key_type(kind.parse().map_err(|e| wrong(format!("CORTEX_XDR_KEY_TYPE: {e}")))?);
        }
        Ok(builder)
    }

    pub(crate) fn from_env(tenant: &str) -> Result<Self> {
        Self::from_lookup(tenant, |name| env::var(name).ok())
    }

    /// The tenant's address.
    pub fn fqdn(mut self, fqdn: Fqdn) -> Self {
        self.fqdn = Some(fqdn);
        self
    }

    /// The address of a gateway or simulator in front of the API; it comes before the FQDN. Plain http
    /// is taken for this machine's own addresses only.
    pub fn base_url(mut self, base: Url) -> Self {
        self.base_url = Some(base);
        self
    }

    /// How the key is used; advanced when nothing is said.
    pub fn key_type(mut self, key_type: KeyType) -> Self {
        self.key_type = key_type;
        self
    }

    /// The generation; it is found by a probe when nothing is said.
    pub fn generation(mut self, generation: Generation) -> Self {
        self.generation = Some(generation);
        self
    }

    /// Requests a second; 10, the tenant's whole budget, when nothing is said, and 0 for no limit.
    pub fn requests_per_second(mut self, rate: f64) -> Self {
        self.requests_per_second = rate;
        self
    }

    /// The part of the budget that we may use, 0 to 1; the rest is left to others.
    pub fn rate_share(mut self, share: f64) -> Self {
        self.rate_share = share.clamp(0.01, 1.0);
        self
    }

    /// A pace that is shared with others who use the same tenant of the vendor, which counts by tenant and
    /// not by key. Each gets a lane of its own, and the strictest of their limits holds.
    pub fn pacer(mut self, pacer: Arc<Pacer>) -> Self {
        self.pacer = Some(pacer);
        self
    }

    /// The transport, which tenants may share.
    pub fn transport(mut self, transport: Arc<dyn HttpTransport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// The settings of a transport of its own.
    pub fn transport_options(mut self, options: TransportOptions) -> Self {
        self.transport_options = options;
        self
    }

    /// The clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// When to try again.
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The provider. Nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when the address or the key cannot be used.
    pub fn build(self) -> Result<CortexXdr> {
        let tenant = self.tenant.clone();
        self.connect().map(CortexXdr::from_client).map_err(|e| e.with_tenant(&tenant, &VENDOR))
    }

    fn connect(self) -> Result<CortexClient> {
        self.check_key()?;
        let base = self.base()?;
        let uid = self.fqdn.clone().or_else(|| base.host_str()?.parse().ok()).map(|fqdn| fqdn.to_string());
        let transport = match self.transport {
            Some(transport) => transport,
            None => Arc::new(ReqwestTransport::new(&self.transport_options)?),
        };
        let key = SecretString::from(self.api_key.expose_secret().trim().to_owned());
        let signer = Arc::new(Signer::new(&self.api_key_id, key, self.key_type, self.clock.clone()));
        let pace = self.requests_per_second * self.rate_share;
        let pacer = self.pacer.unwrap_or_else(|| Arc::new(Pacer::new(None)));
        pacer.tighten(Budget::per_second(pace));
        let dialect = Arc::new(Cortex { key_type: self.key_type });
        let http = HttpClient::builder(self.tenant, VENDOR, base, transport, dialect)?
            .authenticator(signer.clone())
            .pacer(&pacer)
            .policy(self.policy)
            .rate_share(self.rate_share)
            .keeps_quotas(pace > 0.0)
            .clock(self.clock)
            .build();
        Ok(CortexClient::new(http, signer, uid, self.generation, pace))
    }

    fn base(&self) -> Result<Url> {
        match (&self.base_url, &self.fqdn) {
            (Some(base), _) => Ok(base.clone()),
            (None, Some(fqdn)) => fqdn.base_url().map_err(|e| wrong(e.to_string())),
            (None, None) => Err(wrong("the tenant has no address: give its FQDN".to_owned())),
        }
    }

    fn check_key(&self) -> Result<()> {
        let id = &self.api_key_id;
        if id.is_empty() || id.len() > 18 || !id.bytes().all(|b| b.is_ascii_digit()) {
            let hint = "it is the number in the column ID of the table of API keys, not the key";
            return Err(wrong("the API key id is not a number".to_owned()).with_hint(hint));
        }
        let key = self.api_key.expose_secret().trim();
        if key.is_empty() || key.bytes().any(|b| !(0x21..0x7f).contains(&b)) {
            return Err(wrong("the API key is empty, or holds characters that no key has".to_owned())
                .with_hint("copy the key once more, without blanks and line breaks"));
        }
        Ok(())
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

fn address(name: &str, text: &str) -> Result<Url> {
    Url::parse(text).map_err(|e| wrong(format!("{name} is not a URL: {e}")))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
