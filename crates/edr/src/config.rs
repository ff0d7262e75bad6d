//! Tenants from a TOML file or from the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edr_core::{Error, ErrorKind, Result, TenantId};
use serde::Deserialize;

use crate::identity::IdentityConfig;
use crate::network::{NetworkConfig, ProxySource, open_to_others};
use crate::{SecretSource, children, file};

/// The configuration: tenants by name, safety rules, and what was odd about the file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// The tenants, in the order of their names.
    pub tenants: Vec<TenantConfig>,
    /// How tenants are reached, where a tenant does not say otherwise.
    pub network: NetworkConfig,
    /// Rules for commands that change something.
    pub safety: SafetyConfig,
    /// Tenants that belong to one customer, by its name: their hosts may be the same machines.
    pub customers: BTreeMap<String, Vec<TenantId>>,
    /// What the user should know about the file, such as a secret that stands in it.
    pub warnings: Vec<String>,
    /// The file that was read, if there was one.
    pub path: Option<PathBuf>,
}

/// One tenant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TenantConfig {
    /// Its name, exact and unique.
    pub name: TenantId,
    /// Tags, for selecting several tenants at once.
    pub tags: Vec<String>,
    /// The part of the vendor's rate budget that we may use, 0 to 1.
    pub rate_share: Option<f64>,
    /// How it is reached, as far as that differs from the others.
    pub network: NetworkConfig,
    /// What the vendor needs.
    pub vendor: VendorConfig,
}

/// What each vendor needs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum VendorConfig {
    /// Palo Alto Networks Cortex XDR.
    Cortex {
        /// The tenant's FQDN, in any form that a person pastes.
        fqdn: Option<String>,
        /// A base URL instead, for a simulator or gateway.
        base_url: Option<String>,
        /// The number of the API key.
        api_key_id: SecretSource,
        /// The API key.
        api_key: SecretSource,
        /// `advanced` (the default) or `standard`.
        key_type: Option<String>,
        /// 3 or 5; probed when absent.
        generation: Option<u8>,
        /// Requests a second; 0 means unpaced.
        requests_per_second: Option<f64>,
    },
    /// CrowdStrike Falcon.
    Falcon {
        /// The cloud; discovered when absent.
        cloud: Option<String>,
        /// A base URL instead, for a simulator or gateway.
        base_url: Option<String>,
        /// The id of the API client.
        client_id: SecretSource,
        /// Its secret.
        client_secret: SecretSource,
        /// One child of a Flight Control parent.
        member_cid: Option<String>,
        /// Whether every child of this Flight Control parent is a tenant, too: `acme/<child name>`. They are
        /// found by [`crate::Estate::discover`].
        children: bool,
        /// Whether the token may be shared with other runs; true unless said otherwise.
        share_token: bool,
        /// Whether the token is revoked when the estate is closed; false unless said otherwise. Such a
        /// token is not shared.
        revoke: bool,
    },
}

impl VendorConfig {
    /// The vendor's word: `cortex` or `falcon`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Cortex { .. } => "cortex",
            Self::Falcon { .. } => "falcon",
        }
    }

    /// Whether a token of this tenant may be shared with other runs.
    #[must_use]
    pub fn shares_token(&self) -> bool {
        matches!(self, Self::Falcon { share_token: true, revoke: false, .. })
    }

    /// Whether the children of this tenant are tenants, too.
    #[must_use]
    pub fn has_children(&self) -> bool {
        matches!(self, Self::Falcon { children: true, .. })
    }

    /// Everything that may come from elsewhere, by key.
    pub(crate) fn credentials(&self) -> [(&'static str, &SecretSource); 2] {
        match self {
            Self::Cortex { api_key_id, api_key, .. } => [("api_key_id", api_key_id), ("api_key", api_key)],
            Self::Falcon { client_id, client_secret, .. } => {
                [("client_id", client_id), ("client_secret", client_secret)]
            }
        }
    }

    fn secrets(&self) -> [(&'static str, &SecretSource); 1] {
        match self {
            Self::Cortex { api_key, .. } => [("api_key", api_key)],
            Self::Falcon { client_secret, .. } => [("client_secret", client_secret)],
        }
    }
}

/// Rules for commands that change something.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SafetyConfig {
    /// A ceiling on hosts in one run that no flag passes.
    pub max_hosts: Option<u32>,
    /// A ceiling on indicators in one run that no flag passes.
    pub max_iocs: Option<u32>,
    /// The most hosts within an hour, over all runs.
    pub per_hour: Option<u32>,
    /// The most hosts of one tenant within an hour, over all runs.
    pub per_tenant: Option<u32>,
    /// Who must approve a plan.
    pub approvals: ApprovalsConfig,
    /// How old a plan may be when it is applied, such as `24h`.
    pub plan_age: Option<String>,
    /// Hosts that are never acted on.
    pub protected: ProtectedConfig,
    /// Nothing is changed, apart from what requests do that are sent as they are ([`crate::raw`]).
    pub read_only: bool,
    /// A host that its vendor has not seen for so long, such as `30d`, is stale.
    pub stale_after: Option<String>,
}

/// Who must approve a plan.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ApprovalsConfig {
    /// How many different keys must sign.
    pub required: u8,
    /// The ed25519 public keys in base64, by the name of whose they are.
    pub keys: BTreeMap<String, String>,
}

/// Hosts that are never acted on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProtectedConfig {
    /// Patterns of host names.
    pub hostnames: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Names or ids of host groups.
    pub groups: Vec<String>,
    /// Roles; `domain_controller` unless said otherwise.
    pub roles: Option<Vec<String>>,
    /// A file with one pattern a line.
    pub file: Option<String>,
}

/// Which tenants a command is about.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Selection {
    /// Exact names; empty means all.
    pub names: Vec<String>,
    /// Only tenants with one of these tags; empty means any.
    pub tags: Vec<String>,
    /// Only this vendor.
    pub vendor: Option<String>,
    /// Beside those that are named, all children of these Flight Control parents; not the parents themselves.
    pub children_of: Vec<String>,
    /// Of the names, take those that are known: another is no mistake, and it may be that nothing is taken. For names that
    /// were written down long ago, as in a journal.
    pub known_only: bool,
}

impl Selection {
    /// Every tenant.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// These tenants.
    #[must_use]
    pub fn names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    #[serde(default)]
    tenants: toml::Table,
    #[serde(default)]
    network: toml::Table,
    #[serde(default)]
    safety: SafetyConfig,
    #[serde(default)]
    customers: BTreeMap<String, Vec<TenantId>>,
}

impl Config {
    /// Reads the file at `path`, or else the one at `$XDG_CONFIG_HOME/edr/config.toml` (by default
    /// `~/.config/edr/config.toml`), or else, when there is no file, the environment.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] with the place in the file and what would be right.
    pub fn load(path: Option<&Path>, env: Env<'_>) -> Result<Self> {
        let (path, named) = match path {
            Some(path) => (Some(path.to_owned()), true),
            None => (default_path(env), false),
        };
        let Some(path) = path else { return Self::from_env(env) };
        match file::text(&path, file::LARGE) {
            Ok(text) => Self::from_file(&path, &text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !named => Self::from_env(env),
            Err(e) => {
                let message = format!("{} cannot be read: {e}", path.display());
                Err(wrong(message).with_source(e).with_hint("give the right file with --config"))
            }
        }
    }

    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_toml(text: &str) -> Result<Self> {
        let form: FileForm = toml::from_str(text).map_err(|e| wrong(toml_message(&e, text)))?;
        let network = network(&form.network).map_err(|e| wrong(format!("[network] {}", e.message())))?;
        let mut config = Self { safety: form.safety, network, ..Self::default() };
        config.warnings.extend(config.network.warnings());
        for (name, value) in &form.tenants {
            let whole = children::inherited(&form.tenants, value).map_err(|e| e.with_tenant_name(name))?;
            let tenant =
                tenant(name, whole.as_ref().unwrap_or(value)).map_err(|e| e.with_tenant_name(name))?;
            if whole.is_none() {
                config.warn_of_plain(&tenant);
            }
            let warnings = tenant.network.warnings();
            config.warnings.extend(warnings.into_iter().map(|w| format!("{name}: {w}")));
            config.tenants.push(tenant);
        }
        config.tenants.sort_by(|a, b| a.name.cmp(&b.name));
        config.take_customers(form.customers)?;
        Ok(config)
    }

    /// A tenant belongs to one customer at most. One that is not in the file may be a child that only the vendor knows.
    fn take_customers(&mut self, customers: BTreeMap<String, Vec<TenantId>>) -> Result<()> {
        let mut owners: BTreeMap<&TenantId, &String> = BTreeMap::new();
        for (customer, tenant) in customers.iter().flat_map(|(c, all)| all.iter().map(move |t| (c, t))) {
            if let Some(other) = owners.insert(tenant, customer).filter(|other| *other != customer) {
                return Err(wrong(format!(
                    "[customers] {tenant} belongs to both '{other}' and '{customer}'"
                )));
            }
            let known = tenant.as_str().contains('/') || self.tenants.iter().any(|t| t.name == *tenant);
            if !known {
                self.warnings.push(format!("[customers] {customer}: no tenant is called '{tenant}'"));
            }
        }
        self.customers = customers;
        Ok(())
    }

    /// How hosts are compared to find those that are one machine, with the customers of this configuration.
    #[must_use]
    pub fn identity(&self) -> IdentityConfig {
        self.customers.iter().fold(IdentityConfig::new(), |config, (customer, tenants)| {
            config.one_customer(customer, tenants.iter().map(TenantId::as_str))
        })
    }

    /// The tenants of this configuration that are selected. Children that only the vendor knows are not
    /// among them ([`crate::Estate::discover`] finds those), and a selection of such children alone is empty.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a name that does not exist, or when nothing is selected.
    pub fn select(&self, selection: &Selection) -> Result<Vec<&TenantConfig>> {
        Ok(self.choose(selection)?.tenants)
    }

    /// True when the selection takes children that only the vendor knows.
    #[must_use]
    pub fn reaches_children(&self, selection: &Selection) -> bool {
        self.choose(selection).is_ok_and(|chosen| !chosen.parents.is_empty())
    }

    fn from_file(path: &Path, text: &str) -> Result<Self> {
        let mut config = Self::from_toml(text).map_err(|e| {
            let message = format!("{}: {}", path.display(), e.message());
            wrong(message).with_hint("docs/CONFIGURATION.md lists every key")
        })?;
        config.warnings.extend(open_to_others(path));
        config.path = Some(path.to_owned());
        Ok(config)
    }

    fn from_env(env: Env<'_>) -> Result<Self> {
        let tenants = [falcon_from_env(env), cortex_from_env(env)?].into_iter().flatten().collect();
        Ok(Self { tenants, ..Self::default() })
    }

    fn warn_of_plain(&mut self, tenant: &TenantConfig) {
        for (key, source) in tenant.vendor.secrets() {
            if source.is_plain() {
                let advice = "better { env = … }, { file = … } or { command = … }";
                self.warnings.push(format!("{}: {key} stands in the file; {advice}", tenant.name));
            }
        }
    }

    pub(crate) fn unknown(&self, name: &str, also: &[TenantId]) -> Error {
        let names = self.tenants.iter().map(|t| t.name.as_str()).chain(also.iter().map(TenantId::as_str));
        let names: Vec<&str> = names.collect();
        let known = if names.is_empty() {
            "there are none".to_owned()
        } else {
            format!("there are: {}", names.join(", "))
        };
        wrong(format!("no tenant is called '{name}'; {known}"))
            .with_hint("names are exact; see `edr tenants list`")
    }

    pub(crate) fn nothing_selected(&self) -> Error {
        if self.tenants.is_empty() {
            let hint = "write ~/.config/edr/config.toml, or set FALCON_CLIENT_ID and FALCON_CLIENT_SECRET, \
                        or CORTEX_XDR_FQDN, CORTEX_XDR_API_KEY and CORTEX_XDR_API_KEY_ID; \
                        or try --demo, which needs no credentials";
            return wrong("no tenant is configured").with_hint(hint);
        }
        wrong("no tenant matches the selection").with_hint("see `edr tenants list`")
    }
}

pub(crate) fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message.into())
}

/// The number of the line, then the message; never the line itself, which may hold a secret.
fn toml_message(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(String::new(), |before| format!("line {}: ", before.matches('\n').count() + 1));
    format!("{line}{}", error.message())
}

trait WithTenantName {
    fn with_tenant_name(self, name: &str) -> Self;
}

impl WithTenantName for Error {
    fn with_tenant_name(self, name: &str) -> Self {
        let message = format!("[tenants.{name}] {}", self.message());
        Self::new(self.kind(), message)
    }
}

/// The keys of one tenant; each is taken once, and what is left over is a mistake.
struct Keys<'a> {
    table: &'a toml::Table,
    taken: Vec<&'static str>,
}

impl<'a> Keys<'a> {
    fn get(&mut self, key: &'static str) -> Option<&'a toml::Value> {
        self.taken.push(key);
        self.table.get(key)
    }

    fn text(&mut self, key: &'static str) -> Result<Option<String>> {
        let found = self.get(key);
        found
            .map(|v| v.as_str().map(str::to_owned).ok_or_else(|| wrong(format!("{key} must be text"))))
            .transpose()
    }

    fn number(&mut self, key: &'static str) -> Result<Option<f64>> {
        let number = |v: &toml::Value| v.as_float().or_else(|| v.as_integer().map(|i| i as f64));
        let found = self.get(key);
        found.map(|v| number(v).ok_or_else(|| wrong(format!("{key} must be a number")))).transpose()
    }

    fn flag(&mut self, key: &'static str, default: bool) -> Result<bool> {
        let found = self.get(key);
        found
            .map_or(Ok(default), |v| v.as_bool().ok_or_else(|| wrong(format!("{key} must be true or false"))))
    }

    fn secret(&mut self, key: &'static str) -> Result<SecretSource> {
        self.maybe_secret(key)?.ok_or_else(|| wrong(format!("{key} is missing")))
    }

    fn maybe_secret(&mut self, key: &'static str) -> Result<Option<SecretSource>> {
        self.get(key).map(|value| SecretSource::from_toml(key, value)).transpose()
    }

    fn path(&mut self, key: &'static str) -> Result<Option<PathBuf>> {
        Ok(self.text(key)?.map(PathBuf::from))
    }

    /// At most one of two keys that say the same thing in different ways.
    fn either(&mut self, one: &'static str, other: &'static str) -> Result<(Option<String>, Option<String>)> {
        let (a, b) = (self.text(one)?, self.text(other)?);
        if a.is_some() && b.is_some() {
            return Err(wrong(format!(
                "{one} and {other} exclude each other: give {one}, or {other} for a simulator or gateway"
            )));
        }
        Ok((a, b))
    }

    fn finish(self, whose: &str) -> Result<()> {
        let stranger = self.table.keys().find(|k| !self.taken.contains(&k.as_str()));
        let known = || self.taken.join(", ");
        stranger.map_or(Ok(()), |k| Err(wrong(format!("unknown key '{k}'; {whose} keys are {}", known()))))
    }
}

fn tenant(name: &str, value: &toml::Value) -> Result<TenantConfig> {
    let table = value.as_table().ok_or_else(|| wrong("must be a table"))?;
    let mut keys = Keys { table, taken: Vec::new() };
    let vendor = keys.text("vendor")?.ok_or_else(|| wrong("vendor is missing: \"falcon\" or \"cortex\""))?;
    let tags = tags(keys.get("tags"))?;
    let rate_share = keys.number("rate_share")?;
    if rate_share.is_some_and(|s| !(s > 0.0 && s <= 1.0)) {
        return Err(wrong("rate_share must be above 0 and at most 1"));
    }
    let vendor = match vendor.as_str() {
        "falcon" => falcon(&mut keys)?,
        "cortex" => cortex(&mut keys)?,
        other => return Err(wrong(format!("vendor '{other}' is not known: \"falcon\" or \"cortex\""))),
    };
    let network = own_network(keys.get("network"))?;
    keys.finish("this vendor's")?;
    Ok(TenantConfig { name: name.into(), tags, rate_share, network, vendor })
}

fn own_network(value: Option<&toml::Value>) -> Result<NetworkConfig> {
    let Some(value) = value else { return Ok(NetworkConfig::default()) };
    let table = value.as_table().ok_or_else(|| wrong("network must be a table"))?;
    network(table).map_err(|e| wrong(format!("network: {}", e.message())))
}

fn network(table: &toml::Table) -> Result<NetworkConfig> {
    let mut keys = Keys { table, taken: Vec::new() };
    let network = NetworkConfig {
        ca_file: keys.path("ca_file")?,
        client_certificate: keys.path("client_certificate")?,
        client_key: keys.path("client_key")?,
        proxy: keys.maybe_secret("proxy")?.map(proxy),
        proxy_password: keys.maybe_secret("proxy_password")?,
        connect_timeout: keys
            .text("connect_timeout")?
            .map(|t| duration("connect_timeout", &t))
            .transpose()?,
    };
    keys.finish("its")?;
    Ok(network)
}

fn proxy(source: SecretSource) -> ProxySource {
    use secrecy::ExposeSecret as _;
    match &source {
        SecretSource::Plain(word) if word.expose_secret() == "none" => ProxySource::None,
        SecretSource::Plain(word) if word.expose_secret() == "system" => ProxySource::System,
        _ => ProxySource::Url(source),
    }
}

/// `500ms`, `10s`, `2m`.
fn duration(key: &str, text: &str) -> Result<Duration> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number = digits.parse::<u64>().ok().filter(|n| *n > 0);
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let span = number.zip(millis).and_then(|(n, unit)| n.checked_mul(unit));
    span.map(Duration::from_millis)
        .ok_or_else(|| wrong(format!("{key} must be a time such as \"500ms\", \"10s\" or \"2m\"")))
}

fn falcon(keys: &mut Keys<'_>) -> Result<VendorConfig> {
    let (cloud, base_url) = keys.either("cloud", "base_url")?;
    let (member_cid, children) = (keys.text("member_cid")?, keys.flag("children", false)?);
    if children && member_cid.is_some() {
        return Err(wrong("children and member_cid exclude each other: a child has no children"));
    }
    Ok(VendorConfig::Falcon {
        cloud,
        base_url,
        client_id: keys.secret("client_id")?,
        client_secret: keys.secret("client_secret")?,
        member_cid,
        children,
        share_token: keys.flag("share_token", true)?,
        revoke: keys.flag("revoke", false)?,
    })
}

fn cortex(keys: &mut Keys<'_>) -> Result<VendorConfig> {
    let (fqdn, base_url) = keys.either("fqdn", "base_url")?;
    if fqdn.is_none() && base_url.is_none() {
        return Err(wrong("give either fqdn or base_url"));
    }
    let generation = match keys.number("generation")? {
        None => None,
        Some(3.0) => Some(3),
        Some(5.0) => Some(5),
        Some(other) => return Err(wrong(format!("generation must be 3 or 5, not {other}"))),
    };
    let requests_per_second = keys.number("requests_per_second")?;
    if requests_per_second.is_some_and(|r| !(0.0..=10_000.0).contains(&r)) {
        return Err(wrong("requests_per_second must be 0 (unpaced) or a positive number"));
    }
    Ok(VendorConfig::Cortex {
        fqdn,
        base_url,
        api_key_id: key_id(keys)?,
        api_key: keys.secret("api_key")?,
        key_type: keys.text("key_type")?,
        generation,
        requests_per_second,
    })
}

/// The key's id is a number that people write with and without quotes.
fn key_id(keys: &mut Keys<'_>) -> Result<SecretSource> {
    match keys.get("api_key_id").and_then(toml::Value::as_integer) {
        Some(number) => Ok(SecretSource::Plain(number.to_string().into())),
        None => keys.secret("api_key_id"),
    }
}

fn tags(value: Option<&toml::Value>) -> Result<Vec<String>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let words =
        value.as_array().map(|a| a.iter().map(|t| t.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
    words.flatten().ok_or_else(|| wrong("tags must be a list of texts"))
}

fn falcon_from_env(env: Env<'_>) -> Option<TenantConfig> {
    let (id, secret) = ("FALCON_CLIENT_ID", "FALCON_CLIENT_SECRET");
    if env(id).is_none() && env(secret).is_none() {
        return None;
    }
    let base_url = env("FALCON_BASE_URL");
    let vendor = VendorConfig::Falcon {
        // A base URL is for a simulator or gateway: the more particular of the two.
        cloud: env("FALCON_CLOUD").or_else(|| env("FALCON_CLOUD_REGION")).filter(|_| base_url.is_none()),
        base_url,
        client_id: SecretSource::Env(id.into()),
        client_secret: SecretSource::Env(secret.into()),
        member_cid: env("FALCON_MEMBER_CID"),
        children: false,
        share_token: true,
        revoke: false,
    };
    Some(from_vendor("falcon", vendor))
}

fn cortex_from_env(env: Env<'_>) -> Result<Option<TenantConfig>> {
    let own = ["CORTEX_XDR_FQDN", "CORTEX_XDR_BASE_URL", "CORTEX_XDR_API_KEY", "CORTEX_XDR_API_KEY_ID"];
    let shared = ["CORTEX_API_BASE_URL", "CORTEX_API_KEY", "CORTEX_API_KEY_ID"];
    let (fqdn, base_url, key, id) = if own.iter().any(|name| env(name).is_some()) {
        let (fqdn, base_url) = (env(own[0]), env(own[1]));
        if fqdn.is_none() && base_url.is_none() {
            return Err(wrong("CORTEX_XDR_FQDN is not set, although other CORTEX_XDR_ variables are"));
        }
        // A base URL is for a simulator or gateway: the more particular of the two.
        (fqdn.filter(|_| base_url.is_none()), base_url, own[2], own[3])
    } else if shared.iter().all(|name| env(name).is_some()) {
        (None, env(shared[0]), shared[1], shared[2])
    } else {
        return Ok(None);
    };
    let vendor = VendorConfig::Cortex {
        fqdn,
        base_url,
        api_key_id: SecretSource::Env(id.into()),
        api_key: SecretSource::Env(key.into()),
        key_type: env("CORTEX_XDR_KEY_TYPE"),
        generation: None,
        requests_per_second: None,
    };
    Ok(Some(from_vendor("cortex", vendor)))
}

fn from_vendor(name: &str, vendor: VendorConfig) -> TenantConfig {
    let network = NetworkConfig::default();
    TenantConfig { name: name.into(), tags: Vec::new(), rate_share: None, network, vendor }
}

fn default_path(env: Env<'_>) -> Option<PathBuf> {
    let absolute = |path: String| Some(PathBuf::from(path)).filter(|p| p.is_absolute());
    let config = env("XDG_CONFIG_HOME").and_then(absolute);
    let home = || env("HOME").and_then(absolute).map(|h| h.join(".config"));
    Some(config.or_else(home)?.join("edr/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = r#"
        [tenants.acme]
        vendor = "falcon"
        cloud = "us-2"
        client_id = { env = "ID" }
        client_secret = { file = "/run/x" }
        tags = ["gold"]
        rate_share = 0.5
        [tenants.globex]
        vendor = "cortex"
        fqdn = "globex.xdr.eu.paloaltonetworks.com"
        api_key_id = 12
        api_key = "canary"
        key_type = "standard"
        generation = 3
        requests_per_second = 0
        [safety]
        max_hosts = 500
        protected = { hostnames = ["DC-*"] }
    "#;

    #[test]
    fn a_file_is_read() {
        let config = Config::from_toml(BOTH).unwrap();
        let names: Vec<_> = config.tenants.iter().map(|t| (t.name.as_str(), t.vendor.word())).collect();
        assert_eq!(names, [("acme", "falcon"), ("globex", "cortex")]);
        assert_eq!(config.safety.max_hosts, Some(500));
        assert_eq!(config.warnings.len(), 1);
        assert!(config.warnings[0].contains("globex: api_key stands in the file"));
        assert!(!format!("{config:?}").contains("canary"));
    }

    #[test]
    fn tokens_are_shared_and_not_revoked_unless_said_otherwise() {
        let flags = |extra: &str| {
            let text = format!("[tenants.a]\nvendor='falcon'\nclient_id='i'\nclient_secret='s'\n{extra}");
            let config = Config::from_toml(&text).unwrap();
            let VendorConfig::Falcon { share_token, revoke, .. } = config.tenants[0].vendor else { panic!() };
            (share_token, revoke, config.tenants[0].vendor.shares_token())
        };
        assert_eq!(flags(""), (true, false, true));
        assert_eq!(flags("share_token=false"), (false, false, false));
        assert_eq!(flags("revoke=true"), (true, true, false));
    }

    #[test]
    fn mistakes_name_the_tenant_and_the_cure() {
        let falcon = |extra: &str| {
            format!("[tenants.a]\nvendor='falcon'\nclient_id='i'\nclient_secret='canary'\n{extra}")
        };
        for (text, says) in [
            (falcon("colour='red'"), "[tenants.a] unknown key 'colour'; this vendor's keys are vendor, tags"),
            (falcon("rate_share=2"), "rate_share must be above 0"),
            (falcon("tags='x'"), "tags must be a list"),
            (falcon("revoke='yes'"), "revoke must be true or false"),
            ("[tenants.a]\nvendor='falcon'".into(), "client_id is missing"),
            ("[tenants.a]\nvendor='sentinel'".into(), "vendor 'sentinel' is not known"),
            ("[tenants.a]\nclient_id='x'".into(), "vendor is missing"),
            (
                "[tenants.a]\nvendor='cortex'\napi_key_id='1'\napi_key='canary'".into(),
                "either fqdn or base_url",
            ),
            (
                "[tenants.a]\nvendor='cortex'\nfqdn='x'\nbase_url='y'".into(),
                "[tenants.a] fqdn and base_url exclude each other",
            ),
            (falcon("cloud='us-1'\nbase_url='y'"), "[tenants.a] cloud and base_url exclude each other"),
            (
                falcon("[tenants.a.network]\nproxie='x'"),
                "[tenants.a] network: unknown key 'proxie'; its keys are",
            ),
            ("[network]\nconnect_timeout='soon'".into(), "[network] connect_timeout must be a time"),
            ("[network]\nproxy=7".into(), "[network] proxy must be"),
            ("[tenant.a]".into(), "unknown field `tenant`"),
            ("\n[tenants.a".into(), "line 2: "),
        ] {
            let error = Config::from_toml(&text).unwrap_err();
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{text}");
        }
    }

    #[test]
    fn selection_is_exact() {
        let config = Config::from_toml(BOTH).unwrap();
        assert_eq!(config.select(&Selection::all()).unwrap().len(), 2);
        assert_eq!(config.select(&Selection::names(["acme"])).unwrap().len(), 1);
        let gold = Selection { tags: vec!["gold".into()], ..Selection::default() };
        assert_eq!(config.select(&gold).unwrap()[0].name.as_str(), "acme");
        let error = config.select(&Selection::names(["Acme"])).unwrap_err().to_string();
        assert!(error.contains("no tenant is called 'Acme'; there are: acme, globex"), "{error}");
        let none = Selection { vendor: Some("falcon".into()), ..Selection::names(["globex"]) };
        assert!(config.select(&none).unwrap_err().to_string().contains("no tenant matches"));
    }

    #[test]
    fn without_a_file_the_environment_makes_tenants() {
        let load = |pairs: &[(&str, &str)]| {
            let env = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            Config::load(None, &env).map(|c| c.tenants.iter().map(|t| t.name.to_string()).collect::<Vec<_>>())
        };
        let falcon = [("FALCON_CLIENT_ID", "i"), ("FALCON_CLIENT_SECRET", "s")];
        assert_eq!(load(&falcon).unwrap(), ["falcon"]);
        assert_eq!(load(&[("CORTEX_API_KEY", "another product's")]).unwrap(), Vec::<String>::new());
        let shared =
            [("CORTEX_API_KEY", "k"), ("CORTEX_API_KEY_ID", "1"), ("CORTEX_API_BASE_URL", "https://x")];
        assert_eq!(load(&shared).unwrap(), ["cortex"]);
        assert!(
            load(&[("CORTEX_XDR_API_KEY", "k")])
                .unwrap_err()
                .to_string()
                .contains("CORTEX_XDR_FQDN is not set")
        );
    }

    #[test]
    fn tenants_of_one_customer_are_compared() {
        let tenant = "vendor = \"falcon\"\nclient_id = { env = \"A\" }\nclient_secret = { env = \"B\" }\n";
        let tenants = format!("[tenants.acme]\n{tenant}[tenants.acme-2]\n{tenant}");
        let config = |customers: &str| Config::from_toml(&format!("{tenants}[customers]\n{customers}"));
        let read = config("acme = [\"acme\", \"acme-2\", \"msp/acme\", \"nobody\"]").unwrap();
        assert_eq!(read.identity().customers.len(), 4);
        assert_eq!(read.warnings, ["[customers] acme: no tenant is called 'nobody'"]);
        let error = config("a = [\"acme\"]\nb = [\"acme\"]").unwrap_err();
        assert!(error.message().contains("acme belongs to both 'a' and 'b'"), "{error}");
    }

    #[test]
    fn a_named_file_must_exist_and_the_default_need_not() {
        let folder = tempfile::tempdir().unwrap();
        let env = |name: &str| (name == "XDG_CONFIG_HOME").then(|| folder.path().display().to_string());
        assert!(Config::load(None, &env).unwrap().tenants.is_empty());
        let error = Config::load(Some(&folder.path().join("x.toml")), &env).unwrap_err().to_string();
        assert!(error.contains("x.toml cannot be read"), "{error}");
    }
}
