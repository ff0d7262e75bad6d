//! From a tenant's configuration to its provider: the only place where features pick vendors.

use std::sync::Arc;

use edr_core::{EdrProvider, Error, ErrorKind, Result};
use edr_http::HttpTransport;
use tokio::time::Instant;

use crate::SecretSource;
use crate::estate::Options;
use crate::network::{NetworkConfig, Transports};
use crate::printed::Printed;
use crate::{TenantConfig, VendorConfig};

/// What tenants are connected with.
pub(crate) struct Connector<'a> {
    options: &'a Options,
    transports: Transports<'a>,
    /// What programs have printed.
    printed: Printed,
    /// When the time for reading secrets is over.
    until: Option<Instant>,
}

impl<'a> Connector<'a> {
    /// With these options; their deadline begins now. Programs that print secrets are run, side by side
    /// and for half of the time at most: one that hangs leaves the other tenants theirs.
    pub(crate) fn new(options: &'a Options, tenants: &[&TenantConfig]) -> Self {
        let until = options.deadline.map(|d| Instant::now() + d / 2);
        Self {
            options,
            transports: Transports::new(options, until),
            printed: Printed::run(tenants.iter().flat_map(|t| t.vendor.credentials()), until),
            until,
        }
    }

    /// Connects one tenant; nothing is sent yet.
    pub(crate) fn connect(
        &mut self,
        tenant: &TenantConfig,
        network: &NetworkConfig,
    ) -> Result<Arc<dyn EdrProvider>> {
        let network = tenant.network.over(network);
        let provider = check(tenant).and_then(|()| self.transports.of(&network)).and_then(|transport| {
            match &tenant.vendor {
                VendorConfig::Cortex { .. } => self.cortex(tenant, &transport),
                VendorConfig::Falcon { .. } => self.falcon(tenant, &transport),
            }
        });
        provider
            .map_err(|e| e.with_tenant(&tenant.name, &tenant.vendor.word().into()).with_operation("connect"))
    }

    fn secret(&self, source: &SecretSource, key: &str) -> Result<secrecy::SecretString> {
        let printed = self.printed.of(key, source);
        printed.unwrap_or_else(|| source.read_until(key, self.options.env.as_ref(), self.until))
    }
}

impl TenantConfig {
    /// Checks what can be checked without secrets and without sending anything: the address and the
    /// kind of the key.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] with the key and what would be right: what connecting would say.
    pub fn check(&self) -> Result<()> {
        check(self).map_err(|e| e.with_tenant(&self.name, &self.vendor.word().into()))
    }
}

fn check(tenant: &TenantConfig) -> Result<()> {
    let base = match &tenant.vendor {
        VendorConfig::Cortex { fqdn, base_url, key_type, .. } => {
            check_cortex(fqdn.as_deref(), key_type.as_deref())?;
            base_url
        }
        VendorConfig::Falcon { cloud, base_url, .. } => {
            check_falcon(cloud.as_deref())?;
            base_url
        }
    };
    base.as_deref().map_or(Ok(()), |base| edr_http::check_base(&url("base_url", base)?))
}

#[cfg(feature = "cortex")]
fn check_cortex(fqdn: Option<&str>, key_type: Option<&str>) -> Result<()> {
    fqdn.map(parsed::<cortex_xdr::Fqdn>).transpose()?;
    key_type.map(parsed::<cortex_xdr::KeyType>).transpose().map(drop)
}

#[cfg(not(feature = "cortex"))]
fn check_cortex(_: Option<&str>, _: Option<&str>) -> Result<()> {
    Ok(())
}

#[cfg(feature = "falcon")]
fn check_falcon(cloud: Option<&str>) -> Result<()> {
    cloud.map(str::parse::<falcon::Cloud>).transpose().map(drop)
}

#[cfg(not(feature = "falcon"))]
fn check_falcon(_: Option<&str>) -> Result<()> {
    Ok(())
}

/// The text is not repeated: it may hold a password.
fn url(key: &str, text: &str) -> Result<url::Url> {
    url::Url::parse(text).map_err(|e| {
        let message = format!("{key} is not a URL: {e}");
        Error::new(ErrorKind::Configuration, message).with_hint("write it as https://host, with the scheme")
    })
}

#[cfg(feature = "cortex")]
fn parsed<T>(text: &str) -> Result<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| Error::new(ErrorKind::Configuration, e.to_string()))
}

impl Connector<'_> {
    #[cfg(feature = "falcon")]
    fn falcon(
        &self,
        tenant: &TenantConfig,
        transport: &Arc<dyn HttpTransport>,
    ) -> Result<Arc<dyn EdrProvider>> {
        let options = self.options;
        use secrecy::ExposeSecret as _;

        let VendorConfig::Falcon { cloud, base_url, client_id, client_secret, member_cid } = &tenant.vendor
        else {
            return Err(Error::new(ErrorKind::Configuration, "not a Falcon tenant"));
        };
        let id = self.secret(client_id, "client_id")?;
        let secret = self.secret(client_secret, "client_secret")?;
        let mut builder = falcon::Falcon::builder(tenant.name.as_str(), id.expose_secret(), secret)
            .transport(transport.clone())
            .clock(options.clock.clone());
        if let Some(policy) = &options.policy {
            builder = builder.policy(policy.clone());
        }
        if let Some(cloud) = cloud {
            builder = builder.cloud(cloud.parse()?);
        }
        if let Some(base) = base_url {
            builder = builder.base_url(url("base_url", base)?);
        }
        if let Some(cid) = member_cid {
            builder = builder.member_cid(cid);
        }
        if let Some(share) = tenant.rate_share {
            builder = builder.rate_share(share);
        }
        Ok(Arc::new(builder.build()?))
    }

    #[cfg(feature = "cortex")]
    fn cortex(
        &self,
        tenant: &TenantConfig,
        transport: &Arc<dyn HttpTransport>,
    ) -> Result<Arc<dyn EdrProvider>> {
        let options = self.options;
        use secrecy::ExposeSecret as _;

        let VendorConfig::Cortex {
            fqdn,
            base_url,
            api_key_id,
            api_key,
            key_type,
            generation,
            requests_per_second,
        } = &tenant.vendor
        else {
            return Err(Error::new(ErrorKind::Configuration, "not a Cortex tenant"));
        };
        let id = self.secret(api_key_id, "api_key_id")?;
        let key = self.secret(api_key, "api_key")?;
        let mut builder = cortex_xdr::CortexXdr::builder(tenant.name.as_str(), id.expose_secret(), key)
            .transport(transport.clone())
            .clock(options.clock.clone());
        if let Some(policy) = &options.policy {
            builder = builder.policy(policy.clone());
        }
        if let Some(fqdn) = fqdn {
            builder = builder.fqdn(parsed::<cortex_xdr::Fqdn>(fqdn)?);
        }
        if let Some(base) = base_url {
            builder = builder.base_url(url("base_url", base)?);
        }
        if let Some(kind) = key_type {
            builder = builder.key_type(parsed::<cortex_xdr::KeyType>(kind)?);
        }
        match generation {
            Some(3) => builder = builder.generation(cortex_xdr::Generation::Xdr3),
            Some(_) => builder = builder.generation(cortex_xdr::Generation::Xdr5),
            None => {}
        }
        if let Some(rate) = requests_per_second {
            builder = builder.requests_per_second(*rate);
        }
        if let Some(share) = tenant.rate_share {
            builder = builder.rate_share(share);
        }
        Ok(Arc::new(builder.build()?))
    }

    #[cfg(not(feature = "falcon"))]
    fn falcon(&self, _: &TenantConfig, _: &Arc<dyn HttpTransport>) -> Result<Arc<dyn EdrProvider>> {
        Err(Error::unsupported("this program was built without Falcon")
            .with_hint("build it with the feature `falcon`"))
    }

    #[cfg(not(feature = "cortex"))]
    fn cortex(&self, _: &TenantConfig, _: &Arc<dyn HttpTransport>) -> Result<Arc<dyn EdrProvider>> {
        Err(Error::unsupported("this program was built without Cortex XDR")
            .with_hint("build it with the feature `cortex`"))
    }
}
