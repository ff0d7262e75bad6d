//! A configuration of `edr` that reaches the simulator.

use crate::sim::{Access, Sim, TenantInfo};

/// The first line of every configuration that is written, by which it is known again.
pub(crate) const FIRST_LINE: &str =
    "# Written by edr sim serve. These secrets open nothing but the simulator.";

impl Sim {
    /// A configuration of `edr` that reaches every tenant, with the secrets as plain strings.
    #[must_use]
    pub fn config_toml(&self) -> String {
        let mut tenants = toml::Table::new();
        for tenant in &self.tenants {
            tenants.insert(tenant.name.clone(), self.config_of(tenant).into());
        }
        let mut root: toml::Table =
            [("tenants".to_owned(), toml::Value::Table(tenants))].into_iter().collect();
        if let Some(path) = self.ca_path() {
            let ca_file = ("ca_file".to_owned(), path.display().to_string().into());
            root.insert("network".to_owned(), toml::Table::from_iter([ca_file]).into());
        }
        format!("{FIRST_LINE}\n\n{root}")
    }

    fn config_of(&self, tenant: &TenantInfo) -> toml::Table {
        let mut table = toml::Table::new();
        let mut put = |key: &str, value: toml::Value| table.insert(key.to_owned(), value);
        put("vendor", tenant.vendor.as_str().into());
        put("base_url", tenant.base_url.clone().into());
        match &tenant.access {
            Access::Falcon { client_id, client_secret, member_cid } => {
                put("client_id", client_id.clone().into());
                put("client_secret", client_secret.clone().into());
                if let Some(cid) = member_cid {
                    put("member_cid", cid.clone().into());
                }
            }
            Access::Cortex { api_key_id, api_key, key_type, generation } => {
                put("api_key_id", api_key_id.clone().into());
                put("api_key", api_key.clone().into());
                put("key_type", key_type.as_str().into());
                put("generation", i64::from(*generation).into());
                if !self.state.options.enforce_limits {
                    put("requests_per_second", 0.into());
                }
            }
        }
        table
    }
}
