//! What is printed about tenants; never a secret.

use std::borrow::Cow;

use edr::core::TenantCheck;
use edr::{Member, SecretSource, TenantConfig, TenantId, Vendor, VendorConfig};
use serde::Serialize;

use super::key;
use crate::output::Record;
use crate::output::columns::{Column, Fit, Value, columns, fit, list, maybe, text, words};

/// A tenant of the configuration.
#[derive(Debug, Serialize)]
pub(super) struct TenantRow {
    tenant: TenantId,
    vendor: Vendor,
    /// The vendor's own id of the tenant, where the configuration has it.
    uid: Option<String>,
    /// Where it answers: a cloud, an FQDN or a base URL.
    address: Option<String>,
    tags: Vec<String>,
    /// Every child of Flight Control is a tenant, too.
    children: bool,
    key_type: Option<String>,
    generation: Option<u8>,
    /// Where the secret comes from.
    secret: String,
    /// What is wrong with it, as far as that shows without sending anything.
    problem: Option<String>,
}

impl TenantRow {
    /// The row of a tenant.
    pub(super) fn of(config: &TenantConfig) -> Self {
        let row = Self {
            tenant: config.name.clone(),
            vendor: config.vendor.word().into(),
            uid: None,
            address: None,
            tags: config.tags.clone(),
            children: config.vendor.has_children(),
            key_type: None,
            generation: None,
            secret: String::new(),
            problem: config.check().err().map(|error| error.message().to_owned()),
        };
        row.with(&config.vendor)
    }

    fn with(self, vendor: &VendorConfig) -> Self {
        match vendor {
            VendorConfig::Cortex { fqdn, base_url, api_key, key_type, generation, .. } => Self {
                address: base_url.as_ref().or(fqdn.as_ref()).map(|a| without_credentials(a)),
                key_type: Some(key_type.clone().unwrap_or_else(|| "advanced".to_owned())),
                generation: *generation,
                secret: source(api_key),
                ..self
            },
            VendorConfig::Falcon { cloud, base_url, client_secret, member_cid, .. } => Self {
                uid: member_cid.clone(),
                address: Some(
                    base_url.as_ref().map_or_else(|| cloud_name(cloud.as_ref()), |a| without_credentials(a)),
                ),
                secret: source(client_secret),
                ..self
            },
            _ => self,
        }
    }
}

fn cloud_name(cloud: Option<&String>) -> String {
    cloud.cloned().unwrap_or_else(|| "autodiscover".to_owned())
}

/// An address that somebody pasted with user and password loses them.
fn without_credentials(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..authority].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host..])
}

/// Where a secret comes from, not what it is.
fn source(secret: &SecretSource) -> String {
    match secret {
        SecretSource::Command(words) => format!("command {}", words.first().map_or("", String::as_str)),
        SecretSource::Env(name) => format!("env {name}"),
        SecretSource::File(path) => format!("file {path}"),
        SecretSource::Plain(_) => "in the configuration".to_owned(),
    }
}

impl Record for TenantRow {
    type Key = (String, String);

    const NOUNS: (&'static str, &'static str) = ("tenant", "tenants");
    const COLUMNS: &'static [Column<Self>] = columns! { TenantRow;
        "tenant" Plain, |t| text(t.tenant.as_str());
        "vendor" Plain, |t| text(t.vendor.as_str());
        "uid" Plain, |t| maybe(t.uid.as_ref());
        "address" Plain, |t| maybe(t.address.as_ref());
        "tags" Plain, |t| words(&t.tags);
        "children" Plain, |t| Value::Bool(t.children);
        "key_type" Plain, |t| maybe(t.key_type.as_ref());
        "generation" Plain, |t| t.generation.map_or(Value::Empty, |g| Value::Number(g.into()));
        "secret" Plain, |t| text(&t.secret);
        "problem" Plain, |t| maybe(t.problem.as_ref());
    };
    const TABLE: &'static [Fit] = &[
        fit("tenant", 12, 0),
        fit("vendor", 6, 2),
        fit("address", 24, 0),
        fit("tags", 8, 4),
        fit("key_type", 8, 5),
        fit("secret", 16, 3),
        fit("problem", 20, 1),
    ];
    const PIPE: &'static [&'static str] =
        &["tenant", "vendor", "uid", "address", "tags", "key_type", "secret", "problem"];
    const WIDE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "address",
        "tags",
        "children",
        "key_type",
        "generation",
        "secret",
        "problem",
    ];

    fn sort_key(&self) -> Self::Key {
        key(&self.tenant, &self.vendor)
    }
}

/// What the test of a tenant found.
#[derive(Debug, Serialize)]
pub(super) struct TestRow {
    tenant: TenantId,
    vendor: Vendor,
    /// The vendor's own id of the tenant.
    uid: Option<String>,
    /// `ok` or `failed`.
    result: &'static str,
    findings: Vec<Finding>,
    /// The cause.
    error: Option<String>,
    /// The next step.
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
struct Finding {
    name: String,
    value: String,
}

impl TestRow {
    /// The row of a tenant.
    pub(super) fn of(member: &Member, result: &edr::Result<TenantCheck>) -> Self {
        let check = result.as_ref().ok();
        let error = result.as_ref().err();
        let finding = |(name, value): &(String, String)| Finding { name: name.clone(), value: value.clone() };
        Self {
            tenant: member.tenant.clone(),
            vendor: member.vendor.clone(),
            uid: check.and_then(|c| c.tenant_uid.clone()),
            result: if check.is_some() { "ok" } else { "failed" },
            findings: check.map(|c| c.findings.iter().map(finding).collect()).unwrap_or_default(),
            error: error.map(crate::errors::message),
            hint: error.and_then(|e| e.hint()).map(str::to_owned),
        }
    }
}

impl Record for TestRow {
    type Key = (String, String);

    const NOUNS: (&'static str, &'static str) = ("tenant", "tenants");
    const COLUMNS: &'static [Column<Self>] = columns! { TestRow;
        "tenant" Plain, |t| text(t.tenant.as_str());
        "vendor" Plain, |t| text(t.vendor.as_str());
        "uid" Plain, |t| maybe(t.uid.as_ref());
        "result" Plain, |t| text(t.result);
        "findings" Plain, |t| list(t.findings.iter().map(|f| Some(Cow::Owned(format!("{}: {}", f.name, f.value)))));
        "error" Plain, |t| maybe(t.error.as_ref());
        "hint" Plain, |t| maybe(t.hint.as_ref());
    };
    const TABLE: &'static [Fit] = &[
        fit("tenant", 12, 0),
        fit("vendor", 6, 0),
        fit("result", 6, 0),
        fit("findings", 20, 3),
        fit("error", 20, 1),
        fit("hint", 20, 2),
    ];
    const PIPE: &'static [&'static str] = &["tenant", "vendor", "uid", "result", "findings", "error", "hint"];
    const WIDE: &'static [&'static str] = Self::PIPE;

    fn sort_key(&self) -> Self::Key {
        key(&self.tenant, &self.vendor)
    }
}

#[cfg(test)]
mod tests {
    use edr::Config;

    use super::*;

    const CONFIG: &str = r#"
        [tenants.acme]
        vendor = "falcon"
        client_id = "canary-id"
        client_secret = "canary-secret"
        [tenants.globex]
        vendor = "cortex"
        base_url = "https://canary-user:canary-word@globex.example/x"
        api_key_id = "12"
        api_key = { command = ["op", "read", "canary-path"] }
    "#;

    #[test]
    fn rows_hold_no_secret() {
        let config = Config::from_toml(CONFIG).unwrap();
        let rows: Vec<TenantRow> = config.tenants.iter().map(TenantRow::of).collect();
        let json = serde_json::to_string(&rows).unwrap();
        assert!(!json.contains("canary"), "{json}");
        assert!(json.contains("autodiscover") && json.contains("command op"), "{json}");
        assert!(json.contains("https://globex.example/x"), "{json}");
        assert!(
            rows[1].problem.as_ref().unwrap().contains("with a user name or password"),
            "a user in an address is refused"
        );
        assert_eq!(rows[0].problem, None);
    }
}
