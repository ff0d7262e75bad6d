//! From a tenant's configuration to its provider: the only place where features pick vendors.

use std::collections::HashMap;
use std::sync::Arc;

#[cfg(any(feature = "falcon", feature = "cortex"))]
use edr_core::ErrorKind;
use edr_core::{EdrProvider, Error, Result};
use edr_http::{HttpTransport, Pacer};

use crate::estate::Options;
use crate::{TenantConfig, VendorConfig};

/// The paces that the tenants of one estate share.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    accounts: HashMap<Vec<String>, Arc<Pacer>>,
    mints: HashMap<String, Arc<Pacer>>,
}

impl Paces {
    /// The pace of an account. It has no limit of its own: each tenant brings one, and the strictest holds.
    fn account(&mut self, parts: &[&str]) -> Arc<Pacer> {
        let key = parts.iter().map(|part| (*part).to_owned()).collect();
        self.accounts.entry(key).or_insert_with(|| Arc::new(Pacer::new(None))).clone()
    }
}

/// Connects one tenant; nothing is sent yet.
pub(crate) fn connect(
    tenant: &TenantConfig,
    options: &Options,
    transport: &Arc<dyn HttpTransport>,
    paces: &mut Paces,
) -> Result<Arc<dyn EdrProvider>> {
    let vendor = tenant.vendor.word().into();
    let provider = match &tenant.vendor {
        VendorConfig::Cortex { .. } => cortex(tenant, options, transport, paces),
        VendorConfig::Falcon { .. } => falcon(tenant, options, transport, paces),
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
    paces: &mut Paces,
) -> Result<Arc<dyn EdrProvider>> {
    use secrecy::ExposeSecret as _;

    let VendorConfig::Falcon { cloud, base_url, client_id, client_secret, member_cid, revoke, .. } =
        &tenant.vendor
    else {
        return Err(Error::new(ErrorKind::Configuration, "not a Falcon tenant"));
    };
    let id = client_id.read("client_id", options.env.as_ref())?;
    let secret = client_secret.read("client_secret", options.env.as_ref())?;
    let mut builder = falcon::Falcon::builder(tenant.name.as_str(), id.expose_secret(), secret)
        .transport(transport.clone())
        .clock(options.clock.clone())
        .revoke(*revoke);
    if let Some(policy) = &options.policy {
        builder = builder.policy(policy.clone());
    }
    let cloud = cloud.as_deref().map(parsed::<falcon::Cloud>).transpose()?.unwrap_or_default();
    builder = builder.cloud(cloud);
    let mut place = format!("https://{}/", cloud.api_host());
    if let Some(base) = base_url {
        let base = url("base_url", base)?;
        place = base.to_string();
        builder = builder.base_url(base);
    }
    let member = member_cid.as_deref().unwrap_or_default().to_ascii_lowercase();
    let account = paces.account(&["falcon", &place, id.expose_secret().trim(), &member]);
    let mints = paces.mints.entry(place).or_insert_with(falcon::Falcon::mint_pacer).clone();
    builder = builder.pacer(account).mint_pacer(mints);
    if let Some(store) = options.token_store.as_ref().filter(|_| tenant.vendor.shares_token()) {
        builder = builder.token_store(store.clone());
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
    paces: &mut Paces,
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
        let fqdn = parsed::<cortex_xdr::Fqdn>(fqdn)?;
        // The vendor counts by tenant, whatever the key.
        builder = builder.pacer(paces.account(&["cortex", fqdn.as_str()])).fqdn(fqdn);
    }
    if let Some(base) = base_url {
        let base = url("base_url", base)?;
        builder = builder.pacer(paces.account(&["cortex", base.as_str()])).base_url(base);
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
fn falcon(
    _: &TenantConfig,
    _: &Options,
    _: &Arc<dyn HttpTransport>,
    _: &mut Paces,
) -> Result<Arc<dyn EdrProvider>> {
    Err(Error::unsupported("this program was built without Falcon")
        .with_hint("build it with the feature `falcon`"))
}

#[cfg(not(feature = "cortex"))]
fn cortex(
    _: &TenantConfig,
    _: &Options,
    _: &Arc<dyn HttpTransport>,
    _: &mut Paces,
) -> Result<Arc<dyn EdrProvider>> {
    Err(Error::unsupported("this program was built without Cortex XDR")
        .with_hint("build it with the feature `cortex`"))
}

#[cfg(test)]
#[cfg(all(feature = "falcon", feature = "cortex"))]
mod tests {
    use super::*;
    use crate::{Config, Estate, Selection};

    /// How many accounts and token endpoints these tenants have.
    fn paces(tenants: &[&str]) -> (usize, usize) {
        let table = |(n, t): (usize, &&str)| format!("[tenants.t{n}]\n{t}\n");
        let text: String = tenants.iter().enumerate().map(table).collect();
        let config = Config::from_toml(&text).unwrap();
        let transport: Arc<dyn HttpTransport> =
            Arc::new(edr_http::ReqwestTransport::new(&edr_http::TransportOptions::default()).unwrap());
        let mut paces = Paces::default();
        for tenant in &config.tenants {
            connect(tenant, &Options::default(), &transport, &mut paces).unwrap();
        }
        (paces.accounts.len(), paces.mints.len())
    }

    #[test]
    fn one_account_has_one_pace_and_one_host_one_pace_for_tokens() {
        let falcon =
            |id: &str, more: &str| format!("vendor='falcon'\nclient_id='{id}'\nclient_secret='s'\n{more}");
        let cortex = |id: u32, at: &str| format!("vendor='cortex'\napi_key_id={id}\napi_key='k'\n{at}");
        let (child, upper) = ("a".repeat(32), "A".repeat(32));
        let all = [
            falcon("one", ""),
            falcon("one", "cloud='us-1'\nrate_share=0.5"),
            falcon("two", ""),
            falcon("one", "cloud='eu-1'"),
            falcon("one", &format!("member_cid='{child}'")),
            falcon("one", &format!("member_cid='{upper}'")),
            cortex(1, "fqdn='acme.xdr.eu.paloaltonetworks.com'"),
            cortex(2, "fqdn='https://api-acme.xdr.eu.paloaltonetworks.com/'"),
            cortex(1, "fqdn='globex.xdr.eu.paloaltonetworks.com'"),
            cortex(1, "base_url='http://localhost:1'"),
            cortex(1, "base_url='http://localhost:2'"),
        ];
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(paces(&all[..2]), (1, 1));
        assert_eq!(paces(&all[..6]), (4, 2));
        assert_eq!(paces(&all[6..8]), (1, 0));
        assert_eq!(paces(&all[6..]), (4, 0));
    }

    #[tokio::test]
    async fn an_estate_that_holds_nothing_closes_at_once() {
        let config = Config::from_toml(
            "[tenants.a]\nvendor='falcon'\nclient_id='i'\nclient_secret='s'\nrevoke=true\n\
             [tenants.b]\nvendor='falcon'\nclient_id='i'\nclient_secret={env='UNSET'}",
        );
        let estate = Estate::connect(&config.unwrap(), &Selection::all(), &Options::default()).unwrap();
        assert_eq!(estate.members().iter().filter(|m| m.provider.is_err()).count(), 1);
        assert!(estate.close().await.is_empty());
    }
}
