//! From a tenant's configuration to its provider: the only place where features pick vendors.

use std::sync::Arc;

#[cfg(any(feature = "falcon", feature = "cortex"))]
use edr_core::ErrorKind;
use edr_core::{EdrProvider, Error, Result};
use edr_http::HttpTransport;

use crate::estate::Options;
use crate::{TenantConfig, VendorConfig};

/// Connects one tenant; nothing is sent yet.
pub(crate) fn connect(
    tenant: &TenantConfig,
    options: &Options,
    transport: &Arc<dyn HttpTransport>,
) -> Result<Arc<dyn EdrProvider>> {
    let vendor = tenant.vendor.word().into();
    let provider = match &tenant.vendor {
        VendorConfig::Cortex { .. } => cortex(tenant, options, transport),
        VendorConfig::Falcon { .. } => falcon(tenant, options, transport),
    };
    provider.map_err(|e| e.with_tenant(&tenant.name, &vendor).with_operation("connect"))
}

#[cfg(any(feature = "falcon", feature = "cortex"))]
fn url(key: &str, text: &str) -> Result<url::Url> {
    url::Url::parse(text).map_err(|e| {
        let message = format!("{key} '{text}' is not a URL: {e}");
        Error::new(ErrorKind::Configuration, message).with_hint("write it as https://host, with the scheme")
    })
}

#[cfg(any(feature = "falcon", feature = "cortex"))]
fn parsed<T>(text: &str) -> Result<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| Error::new(ErrorKind::Configuration, e.to_string()))
}

#[cfg(feature = "falcon")]
fn falcon(
    tenant: &TenantConfig,
    options: &Options,
    transport: &Arc<dyn HttpTransport>,
) -> Result<Arc<dyn EdrProvider>> {
    use secrecy::ExposeSecret as _;

    let VendorConfig::Falcon { cloud, base_url, client_id, client_secret, member_cid } = &tenant.vendor
    else {
        return Err(Error::new(ErrorKind::Configuration, "not a Falcon tenant"));
    };
    let id = client_id.read("client_id", options.env.as_ref())?;
    let secret = client_secret.read("client_secret", options.env.as_ref())?;
    let mut builder = falcon::Falcon::builder(tenant.name.as_str(), id.expose_secret(), secret)
        .transport(transport.clone())
        .clock(options.clock.clone());
    if let Some(policy) = &options.policy {
        builder = builder.policy(policy.clone());
    }
    if let Some(cloud) = cloud {
        builder = builder.cloud(parsed::<falcon::Cloud>(cloud)?);
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
    tenant: &TenantConfig,
    options: &Options,
    transport: &Arc<dyn HttpTransport>,
) -> Result<Arc<dyn EdrProvider>> {
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
    let id = api_key_id.read("api_key_id", options.env.as_ref())?;
    let key = api_key.read("api_key", options.env.as_ref())?;
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
fn falcon(_: &TenantConfig, _: &Options, _: &Arc<dyn HttpTransport>) -> Result<Arc<dyn EdrProvider>> {
    Err(Error::unsupported("this program was built without Falcon")
        .with_hint("build it with the feature `falcon`"))
}

#[cfg(not(feature = "cortex"))]
fn cortex(_: &TenantConfig, _: &Options, _: &Arc<dyn HttpTransport>) -> Result<Arc<dyn EdrProvider>> {
    Err(Error::unsupported("this program was built without Cortex XDR")
        .with_hint("build it with the feature `cortex`"))
}
