//! The configuration: a TOML file, or the environment.
//!
//! The first byte chooses: `e` the environment, one `NAME=VALUE` a line; anything else is a file. `@SECRET@` in a
//! file stands for a secret.

use cortex_xdr::CortexXdrBuilder;
use edr::{Config, Estate, Options, SecretSource, Selection, TenantConfig, VendorConfig};
use falcon::Falcon;

use super::choice;
use crate::listing::quiet;
use crate::wire::SECRETS;

/// Runs the target.
pub fn run(data: &[u8]) {
    let (way, rest) = choice(data);
    let Ok(text) = str::from_utf8(rest) else { return };
    if way == b'e' { environment(text) } else { file(text) }
}

fn file(text: &str) {
    let filled = text.replace("@SECRET@", SECRETS[0]);
    let read = Config::from_toml(&filled);
    if stands_as_secret(text) {
        quiet(&read);
    }
    if let Ok(config) = read {
        config.tenants.windows(2).for_each(|pair| assert!(pair[0].name < pair[1].name, "a name comes twice"));
        connect(&config, |_| None);
    }
}

/// True when every secret stands where a secret belongs, by the letters around it: then none may be shown.
fn stands_as_secret(text: &str) -> bool {
    let places = ["\napi_key = \"@SECRET@", "\nclient_secret = \"@SECRET@"];
    let proper: usize = places.iter().map(|place| text.matches(place).count()).sum();
    let odd = ['\'', '\\', '\r'].iter().any(|c| text.contains(*c)) || text.contains("\"\"");
    !odd && proper == text.matches("@SECRET@").count()
}

fn environment(text: &str) {
    let lookup = |name: &str| {
        // The folders of the machine stay out of it.
        let allowed = !matches!(name, "HOME" | "XDG_CONFIG_HOME");
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(n, _)| *n == name && allowed).map(|(_, value)| value.to_owned())
    };
    if let Ok(config) = Config::load(None, &lookup) {
        connect(&config, lookup);
    }
    if let Ok(builder) = Falcon::from_lookup("any", lookup) {
        let _ = builder.build();
    }
    if let Ok(builder) = CortexXdrBuilder::from_lookup("any", lookup) {
        let _ = builder.build();
    }
}

/// Connects what can be connected without reading a file or running a program; nothing is sent.
fn connect(config: &Config, lookup: impl Fn(&str) -> Option<String>) {
    let harmless = |tenant: &TenantConfig| {
        let read = |s: &SecretSource| matches!(s, SecretSource::Env(_) | SecretSource::Plain(_));
        match &tenant.vendor {
            VendorConfig::Cortex { api_key_id, api_key, .. } => read(api_key_id) && read(api_key),
            VendorConfig::Falcon { client_id, client_secret, .. } => read(client_id) && read(client_secret),
            _ => false,
        }
    };
    if config.tenants.is_empty() || !config.tenants.iter().all(harmless) {
        return;
    }
    let variables: Vec<(String, String)> =
        variables(config).into_iter().filter_map(|name| Some((name.clone(), lookup(&name)?))).collect();
    let mut options = Options::default();
    options.env =
        std::sync::Arc::new(move |name| variables.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()));
    let estate = Estate::connect(config, &Selection::all(), &options).expect("all tenants are known");
    assert_eq!(estate.members().len(), config.tenants.len());
}

/// The variables that a configuration names.
fn variables(config: &Config) -> Vec<String> {
    let sources = config.tenants.iter().flat_map(|tenant| match &tenant.vendor {
        VendorConfig::Cortex { api_key_id, api_key, .. } => vec![api_key_id, api_key],
        VendorConfig::Falcon { client_id, client_secret, .. } => vec![client_id, client_secret],
        _ => Vec::new(),
    });
    let named = sources.filter_map(|source| match source {
        SecretSource::Env(name) => Some(name.clone()),
        _ => None,
    });
    named.collect()
}
