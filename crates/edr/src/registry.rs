//! From a tenant's configuration to its provider: the only place where features pick vendors.

use std::collections::HashMap;
use std::sync::Arc;

use edr_core::{EdrProvider, Error, ErrorKind, Result};
use edr_http::{HttpTransport, Pacer};
use tokio::time::Instant;

use crate::SecretSource;
use crate::estate::{Member, Options};
use crate::network::{NetworkConfig, Transports};
use crate::printed::Printed;
use crate::{TenantConfig, VendorConfig};

/// The paces that the tenants of one estate share.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    accounts: HashMap<Vec<String>, Arc<Pacer>>,
    #[cfg(feature = "falcon")]
    mints: HashMap<String, Arc<Pacer>>,
}

impl Paces {
    /// The pace of an account. It has no limit of its own: each tenant brings one, and the strictest holds.
    fn account(&mut self, parts: &[&str]) -> Arc<Pacer> {
        let key = parts.iter().map(|part| (*part).to_owned()).collect();
        self.accounts.entry(key).or_insert_with(|| Arc::new(Pacer::new(None))).clone()
    }
}

/// What tenants are connected with.
pub(crate) struct Connector<'a> {
    options: &'a Options,
    transports: Transports<'a>,
    /// What programs have printed.
    printed: Printed,
    paces: Paces,
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
            paces: Paces::default(),
            until,
        }
    }

    /// A tenant as a member of an estate; one that cannot be connected fails.
    pub(crate) fn member(&mut self, tenant: &TenantConfig, network: &NetworkConfig) -> Member {
        match self.connect(tenant, network) {
            Ok((provider, native)) => Member::connected(tenant, provider, native),
            Err(error) => Member::failed(tenant.name.clone(), tenant, error),
        }
    }

    /// Connects one tenant; nothing is sent yet.
    pub(crate) fn connect(&mut self, tenant: &TenantConfig, network: &NetworkConfig) -> Result<Connected> {
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

/// A tenant as a provider, and as what it is.
type Connected = (Arc<dyn EdrProvider>, Native);

/// A tenant as its vendor's own client.
#[derive(Clone, Debug)]
pub(crate) enum Native {
    /// Palo Alto Networks Cortex XDR.
    #[cfg(feature = "cortex")]
    Cortex(cortex_xdr::CortexXdr),
    /// CrowdStrike Falcon.
    #[cfg(feature = "falcon")]
    Falcon(falcon::Falcon),
    /// A provider of somebody else's, or none.
    Other,
}

/// The host that the vendor counts by, with its port where that is not the usual one.
#[cfg(feature = "cortex")]
fn place_of(base: &url::Url) -> String {
    let host = base.host_str().unwrap_or_default();
    base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
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
    fn falcon(&mut self, tenant: &TenantConfig, transport: &Arc<dyn HttpTransport>) -> Result<Connected> {
        let options = self.options;
        use secrecy::ExposeSecret as _;

        let VendorConfig::Falcon { cloud, base_url, client_id, client_secret, member_cid, revoke, .. } =
            &tenant.vendor
        else {
            return Err(Error::new(ErrorKind::Configuration, "not a Falcon tenant"));
        };
        let id = self.secret(client_id, "client_id")?;
        let secret = self.secret(client_secret, "client_secret")?;
        let mut builder = falcon::Falcon::builder(tenant.name.as_str(), id.expose_secret(), secret)
            .transport(transport.clone())
            .clock(options.clock.clone())
            .revoke(*revoke);
        if let Some(policy) = &options.policy {
            builder = builder.policy(policy.clone());
        }
        let cloud = cloud.as_deref().map(str::parse::<falcon::Cloud>).transpose()?.unwrap_or_default();
        builder = builder.cloud(cloud);
        let mut place = format!("https://{}/", cloud.api_host());
        if let Some(base) = base_url {
            let base = url("base_url", base)?;
            place = base.to_string();
            builder = builder.base_url(base);
        }
        // Whether the tokens of children have budgets of their own is not published: they share the parent's.
        let account = self.paces.account(&["falcon", &place, id.expose_secret().trim()]);
        let mints = self.paces.mints.entry(place).or_insert_with(falcon::Falcon::mint_pacer).clone();
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
        let falcon = builder.build()?;
        Ok((Arc::new(falcon.clone()), Native::Falcon(falcon)))
    }

    #[cfg(feature = "cortex")]
    fn cortex(&mut self, tenant: &TenantConfig, transport: &Arc<dyn HttpTransport>) -> Result<Connected> {
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
            let fqdn = parsed::<cortex_xdr::Fqdn>(fqdn)?;
            // The vendor counts by tenant, whatever the key.
            builder = builder.pacer(self.paces.account(&["cortex", &fqdn.api_host()])).fqdn(fqdn);
        }
        if let Some(base) = base_url {
            let base = url("base_url", base)?;
            builder = builder.pacer(self.paces.account(&["cortex", &place_of(&base)])).base_url(base);
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
        let cortex = builder.build()?;
        Ok((Arc::new(cortex.clone()), Native::Cortex(cortex)))
    }

    #[cfg(not(feature = "falcon"))]
    fn falcon(&mut self, _: &TenantConfig, _: &Arc<dyn HttpTransport>) -> Result<Connected> {
        Err(Error::unsupported("this program was built without Falcon")
            .with_hint("build it with the feature `falcon`"))
    }

    #[cfg(not(feature = "cortex"))]
    fn cortex(&mut self, _: &TenantConfig, _: &Arc<dyn HttpTransport>) -> Result<Connected> {
        Err(Error::unsupported("this program was built without Cortex XDR")
            .with_hint("build it with the feature `cortex`"))
    }
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
        let chosen: Vec<&TenantConfig> = config.tenants.iter().collect();
        let options = Options::default();
        let mut connector = Connector::new(&options, &chosen);
        for tenant in chosen {
            connector.connect(tenant, &config.network).unwrap();
        }
        (connector.paces.accounts.len(), connector.paces.mints.len())
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
            falcon("one", &format!("member_cid='{upper}-12'")),
            cortex(1, "fqdn='acme.xdr.eu.paloaltonetworks.com'"),
            cortex(2, "fqdn='https://api-acme.xdr.eu.paloaltonetworks.com/'"),
            cortex(1, "fqdn='globex.xdr.eu.paloaltonetworks.com'"),
            cortex(1, "base_url='https://api-globex.xdr.eu.paloaltonetworks.com/gateway'"),
            cortex(1, "base_url='http://localhost:1'"),
            cortex(1, "base_url='http://localhost:2'"),
        ];
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(paces(&all[..2]), (1, 1));
        assert_eq!(paces(&all[..6]), (3, 2), "children share the pace of their parent");
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
