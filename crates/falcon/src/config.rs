//! Credentials, clouds and the builder.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use edr_core::clock::{Clock, SystemClock};
use edr_core::{Error, ErrorKind, Result, TenantId};
use edr_http::{HttpTransport, Pacer, ReqwestTransport, RetryPolicy, TokenStore, TransportOptions};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::{Falcon, VENDOR};

/// A CrowdStrike cloud. A tenant lives in exactly one.
///
/// ```
/// use falcon::Cloud;
/// assert_eq!("US-2".parse::<Cloud>().unwrap(), Cloud::Us2);
/// assert_eq!(Cloud::UsGov2.api_host(), "api.us-gov-2.crowdstrike.mil");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cloud {
    /// Ask us-1 and follow its answer. The government clouds cannot be found this way.
    #[default]
    Autodiscover,
    /// eu-1.
    Eu1,
    /// us-1, the default of the vendor's own tools.
    Us1,
    /// us-2.
    Us2,
    /// us-3.
    Us3,
    /// us-gov-1.
    UsGov1,
    /// us-gov-2, whose addresses end in `.mil`.
    UsGov2,
}

impl Cloud {
    /// The clouds that can be named.
    pub const ALL: &'static [Self] =
        &[Self::Us1, Self::Us2, Self::Us3, Self::Eu1, Self::UsGov1, Self::UsGov2];

    /// The name, as in configuration and in the `X-Cs-Region` header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Autodiscover => "autodiscover",
            Self::Eu1 => "eu-1",
            Self::Us1 => "us-1",
            Self::Us2 => "us-2",
            Self::Us3 => "us-3",
            Self::UsGov1 => "us-gov-1",
            Self::UsGov2 => "us-gov-2",
        }
    }

    /// The host of the API; discovery begins at us-1.
    #[must_use]
    pub fn api_host(self) -> &'static str {
        match self {
            Self::Autodiscover | Self::Us1 => "api.crowdstrike.com",
            Self::Eu1 => "api.eu-1.crowdstrike.com",
            Self::Us2 => "api.us-2.crowdstrike.com",
            Self::Us3 => "api.us-3.crowdstrike.com",
            Self::UsGov1 => "api.laggar.gcw.crowdstrike.com",
            Self::UsGov2 => "api.us-gov-2.crowdstrike.mil",
        }
    }

    /// The console, where its address is known.
    #[must_use]
    pub fn console_url(self) -> Option<&'static str> {
        match self {
            Self::Us1 => Some("https://falcon.crowdstrike.com"),
            Self::Us2 => Some("https://falcon.us-2.crowdstrike.com"),
            Self::Eu1 => Some("https://falcon.eu-1.crowdstrike.com"),
            Self::UsGov1 => Some("https://falcon.laggar.gcw.crowdstrike.com"),
            Self::Autodiscover | Self::Us3 | Self::UsGov2 => None,
        }
    }

    /// The cloud whose API host this is, exactly.
    #[must_use]
    pub fn of_api_host(host: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.api_host() == host)
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Cloud {
    type Err = Error;

    /// Case, dashes and surrounding blanks do not matter; nothing means discovery.
    fn from_str(text: &str) -> Result<Self> {
        let name: String = text.trim().chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
        match name.as_str() {
            "" | "autodiscover" => Ok(Self::Autodiscover),
            "us1" => Ok(Self::Us1),
            "us2" => Ok(Self::Us2),
            "us3" => Ok(Self::Us3),
            "eu1" => Ok(Self::Eu1),
            "usgov1" | "gov1" => Ok(Self::UsGov1),
            "usgov2" | "gov2" => Ok(Self::UsGov2),
            _ => Err(invalid(format!("'{}' is not a CrowdStrike cloud", text.trim()))
                .with_hint("use one of autodiscover, us-1, us-2, us-3, eu-1, us-gov-1, us-gov-2")),
        }
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

/// The customer id of a child tenant: 32 lower-case hex digits. The checksum that the console shows
/// behind a dash is cut off.
///
/// # Errors
/// [`ErrorKind::Configuration`] when it is none.
///
/// ```
/// let id = falcon::customer_id(" 0A0B0C0D0A0B0C0D0A0B0C0D0A0B0C0D-1F ").unwrap();
/// assert_eq!(id, "0a0b0c0d0a0b0c0d0a0b0c0d0a0b0c0d");
/// ```
pub fn customer_id(text: &str) -> Result<String> {
    let text = text.trim();
    let body = match text.rsplit_once('-') {
        Some((body, sum)) if sum.len() == 2 => body,
        _ => text,
    };
    let fits = body.len() == 32 && body.bytes().all(|b| b.is_ascii_hexdigit());
    fits.then(|| body.to_ascii_lowercase()).ok_or_else(|| {
        // What stands there may be a secret that was pasted into the wrong field: it is not repeated.
        invalid("the member CID is not a customer id")
            .with_hint("the member CID has 32 hex digits; a checksum of two digits may follow a dash")
    })
}

/// What a client needs to know.
pub(crate) struct Settings {
    pub(crate) tenant: TenantId,
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
    pub(crate) member_cid: Option<String>,
    pub(crate) cloud: Cloud,
    pub(crate) base: Url,
    /// False when a base URL of the user's own stands in for a cloud.
    pub(crate) on_cloud: bool,
    pub(crate) rate_share: f64,
    pub(crate) requests_per_minute: u32,
    pub(crate) pacer: Arc<Pacer>,
    pub(crate) mint_pacer: Arc<Pacer>,
    pub(crate) token_store: Option<Arc<dyn TokenStore>>,
    pub(crate) revoke: bool,
    pub(crate) transport: Arc<dyn HttpTransport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) policy: RetryPolicy,
}

/// Builds a [`Falcon`].
pub struct FalconBuilder {
    tenant: TenantId,
    client_id: String,
    client_secret: SecretString,
    member_cid: Option<String>,
    cloud: Cloud,
    base_url: Option<Url>,
    rate_share: f64,
    requests_per_minute: u32,
    pacer: Option<Arc<Pacer>>,
    mint_pacer: Option<Arc<Pacer>>,
    token_store: Option<Arc<dyn TokenStore>>,
    revoke: bool,
    transport: Option<Arc<dyn HttpTransport>>,
    options: TransportOptions,
    clock: Arc<dyn Clock>,
    policy: RetryPolicy,
    /// What an environment variable held that cannot be used; reported by `build`.
    flaw: Option<Error>,
}

impl fmt::Debug for FalconBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FalconBuilder")
            .field("tenant", &self.tenant)
            .field("cloud", &self.cloud)
            .field("member", &self.member_cid.is_some())
            .finish_non_exhaustive()
    }
}

/// The vendor's limit for one customer, in requests a minute.
const PER_MINUTE: u32 = 6000;

impl FalconBuilder {
    pub(crate) fn new(tenant: &str, client_id: &str, client_secret: SecretString) -> Self {
        Self {
            tenant: tenant.into(),
            client_id: client_id.trim().to_owned(),
            client_secret,
            member_cid: None,
            cloud: Cloud::Autodiscover,
            base_url: None,
            rate_share: 1.0,
            requests_per_minute: PER_MINUTE,
            pacer: None,
            mint_pacer: None,
            token_store: None,
            revoke: false,
            transport: None,
            options: TransportOptions::default(),
            clock: SystemClock::shared(),
            policy: RetryPolicy::default(),
            flaw: None,
        }
    }

    pub(crate) fn from_lookup(tenant: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let set = |name: &str| lookup(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let need = |name: &str| {
            set(name).ok_or_else(|| {
                invalid(format!("{name} is not set"))
                    .with_tenant(&tenant.into(), &VENDOR)
                    .with_hint("set FALCON_CLIENT_ID and FALCON_CLIENT_SECRET to those of an API client")
            })
        };
        let mut builder = Self::new(tenant, &need("FALCON_CLIENT_ID")?, need("FALCON_CLIENT_SECRET")?.into());
        if let Some(cloud) = set("FALCON_CLOUD").or_else(|| set("FALCON_CLOUD_REGION")) {
            match cloud.parse() {
                Ok(cloud) => builder.cloud = cloud,
                Err(error) => builder.flaw = Some(error),
            }
        }
        if let Some(url) = set("FALCON_BASE_URL") {
            match Url::parse(&url) {
                Ok(url) => builder.base_url = Some(url),
                Err(error) => {
                    builder.flaw = Some(invalid("FALCON_BASE_URL is not a URL").with_source(error));
                }
            }
        }
        builder.member_cid = set("FALCON_MEMBER_CID");
        Ok(builder)
    }

    /// The cloud; discovered unless set.
    #[must_use]
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// An address of the user's own in place of the cloud's: a proxy, a gateway, a simulator.
    #[must_use]
    pub fn base_url(mut self, url: Url) -> Self {
        self.base_url = Some(url);
        self
    }

    /// The customer id of a child tenant (Flight Control): the token is for that child.
    #[must_use]
    pub fn member_cid(mut self, cid: &str) -> Self {
        self.member_cid = Some(cid.to_owned());
        self
    }

    /// The part of the vendor's rate limit that we may use, 0 to 1; the rest is left to others.
    #[must_use]
    pub fn rate_share(mut self, share: f64) -> Self {
        self.rate_share = share;
        self
    }

    /// The vendor's rate limit; 6000 unless set. 0 means unpaced.
    #[must_use]
    pub fn requests_per_minute(mut self, requests: u32) -> Self {
        self.requests_per_minute = requests;
        self
    }

    /// A pace that is shared with other tenants of the same account: the same cloud and API client. Whether
    /// children have budgets of their own is not published. Each gets a lane of its own, and the strictest of their limits holds.
    #[must_use]
    pub fn pacer(mut self, pacer: Arc<Pacer>) -> Self {
        self.pacer = Some(pacer);
        self
    }

    /// The pace of the token endpoint, which the vendor counts by address: tenants of one program share it
    /// ([`Falcon::mint_pacer`]). Without it the tenant keeps to a part of the limit.
    #[must_use]
    pub fn mint_pacer(mut self, pacer: Arc<Pacer>) -> Self {
        self.mint_pacer = Some(pacer);
        self
    }

    /// Shares tokens with other processes that use the same credentials.
    #[must_use]
    pub fn token_store(mut self, store: Arc<dyn TokenStore>) -> Self {
        self.token_store = Some(store);
        self
    }

    /// Revokes the token when the tenant is closed ([`edr_core::EdrProvider::close`]). Such a token is
    /// not shared, whatever [`Self::token_store`] says.
    #[must_use]
    pub fn revoke(mut self, revoke: bool) -> Self {
        self.revoke = revoke;
        self
    }

    /// The transport, in place of the real one.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn HttpTransport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Proxy, certificate authorities and timeouts of the real transport.
    #[must_use]
    pub fn transport_options(mut self, options: TransportOptions) -> Self {
        self.options = options;
        self
    }

    /// The clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// When to try again.
    #[must_use]
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when a value cannot be used.
    pub fn build(self) -> Result<Falcon> {
        let tenant = self.tenant.clone();
        self.settings().and_then(Falcon::of).map_err(|e| e.with_tenant(&tenant, &VENDOR))
    }

    fn settings(self) -> Result<Settings> {
        if let Some(flaw) = self.flaw {
            return Err(flaw);
        }
        check_credentials(&self.client_id, &self.client_secret)?;
        let on_cloud = self.base_url.is_none();
        let base = match self.base_url {
            Some(url) => url,
            None => cloud_url(self.cloud)?,
        };
        let transport = match self.transport {
            Some(transport) => transport,
            None => Arc::new(ReqwestTransport::new(&self.options)?),
        };
        Ok(Settings {
            tenant: self.tenant,
            client_id: self.client_id,
            client_secret: self.client_secret,
            member_cid: self.member_cid.as_deref().map(customer_id).transpose()?,
            cloud: self.cloud,
            base,
            on_cloud,
            rate_share: self.rate_share.clamp(0.01, 1.0),
            requests_per_minute: self.requests_per_minute,
            pacer: self.pacer.unwrap_or_else(|| Arc::new(Pacer::new(None))),
            mint_pacer: self.mint_pacer.unwrap_or_else(|| Falcon::own_mint_pacer(self.requests_per_minute)),
            token_store: self.token_store,
            revoke: self.revoke,
            transport,
            clock: self.clock,
            policy: self.policy,
        })
    }
}

pub(crate) fn cloud_url(cloud: Cloud) -> Result<Url> {
    Url::parse(&format!("https://{}", cloud.api_host()))
        .map_err(|e| invalid("the cloud's address cannot be formed").with_source(e))
}

fn check_credentials(id: &str, secret: &SecretString) -> Result<()> {
    let secret = secret.expose_secret().trim();
    let hint = "copy both from Support and resources > API clients and keys in the Falcon console";
    if id.is_empty() || secret.is_empty() {
        let what = if id.is_empty() { "the client id is empty" } else { "the client secret is empty" };
        return Err(invalid(what).with_hint(hint));
    }
    let hex32 = |t: &str| t.len() == 32 && t.bytes().all(|b| b.is_ascii_hexdigit());
    if hex32(secret) && id.len() == 40 {
        return Err(invalid("client id and client secret look as if they were exchanged").with_hint(hint));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Result<FalconBuilder> {
        let map: HashMap<String, String> =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        FalconBuilder::from_lookup("acme", &|name| map.get(name).cloned())
    }

    const KEYS: [(&str, &str); 2] = [("FALCON_CLIENT_ID", "id"), ("FALCON_CLIENT_SECRET", "canary")];

    #[test]
    fn clouds_are_read_in_every_spelling() {
        for (text, cloud) in [
            ("", Cloud::Autodiscover),
            (" autodiscover ", Cloud::Autodiscover),
            ("us1", Cloud::Us1),
            ("US-2", Cloud::Us2),
            ("us-3", Cloud::Us3),
            ("Eu1", Cloud::Eu1),
            ("us-gov-1", Cloud::UsGov1),
            ("gov2", Cloud::UsGov2),
        ] {
            assert_eq!(text.parse::<Cloud>().unwrap(), cloud, "{text}");
        }
        let error = "mars-1".parse::<Cloud>().unwrap_err().to_string();
        assert!(error.contains("mars-1") && error.contains("us-gov-2"), "{error}");
    }

    #[test]
    fn hosts_and_names_lead_back_to_the_cloud() {
        for cloud in Cloud::ALL {
            assert_eq!(Cloud::of_api_host(cloud.api_host()), Some(*cloud));
            assert_eq!(cloud.to_string().parse::<Cloud>().unwrap(), *cloud);
        }
        assert_eq!(Cloud::of_api_host("api.evil.example"), None);
    }

    #[test]
    fn the_environment_is_read() {
        let pairs = [&KEYS[..], &[("FALCON_CLOUD_REGION", "eu-1"), ("FALCON_MEMBER_CID", "AB")]].concat();
        let builder = env(&pairs).unwrap();
        assert_eq!((builder.cloud, builder.member_cid.as_deref()), (Cloud::Eu1, Some("AB")));
        let first = env(&[&KEYS[..], &[("FALCON_CLOUD", "us-2"), ("FALCON_CLOUD_REGION", "eu-1")]].concat());
        assert_eq!(first.unwrap().cloud, Cloud::Us2);
        let missing = env(&[("FALCON_CLIENT_ID", "id")]).unwrap_err().to_string();
        assert!(missing.contains("FALCON_CLIENT_SECRET is not set"), "{missing}");
    }

    #[test]
    fn bad_values_say_what_is_wrong_and_hold_no_secret() {
        for (pair, says) in [
            (("FALCON_CLOUD", "mars"), "'mars' is not a CrowdStrike cloud"),
            (("FALCON_BASE_URL", "not a url"), "FALCON_BASE_URL is not a URL"),
            (("FALCON_BASE_URL", "http://api.example"), "not an https address"),
            (("FALCON_MEMBER_CID", "canary"), "the member CID is not a customer id"),
        ] {
            let builder = env(&[&KEYS[..], &[pair]].concat()).unwrap();
            assert!(!format!("{builder:?}").contains("canary"));
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        let swapped = FalconBuilder::new("t", &"x".repeat(40), "0".repeat(32).into()).build().unwrap_err();
        assert!(swapped.to_string().contains("exchanged"), "{swapped}");
        assert!(FalconBuilder::new("t", " ", "x".into()).build().is_err());
    }

    #[test]
    fn a_secret_in_the_wrong_field_is_not_repeated() {
        let builder = FalconBuilder::new("t", "id", "x".into()).member_cid("canary-in-the-wrong-place");
        assert!(!format!("{builder:?}").contains("canary"), "{builder:?}");
        let error = builder.build().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }

    #[test]
    fn a_member_cid_loses_its_checksum() {
        let cid = "0123456789ABCDEF0123456789ABCDEF";
        assert_eq!(customer_id(&format!("{cid}-1F")).unwrap(), cid.to_ascii_lowercase());
        assert_eq!(customer_id(cid).unwrap(), cid.to_ascii_lowercase());
        assert!(customer_id("zz").is_err());
    }
}
