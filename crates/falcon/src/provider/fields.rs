//! Field selection: which of the vendor's fields the wanted fields of the model are made of.

use edr_core::HostQuery;

/// The identity, which every host needs.
const ALWAYS: &[&str] = &["device_id", "cid"];

const OS: &[&str] = &[
    "platform_name",
    "platform_id",
    "os_product_name",
    "os_version",
    "kernel_version",
    "major_version",
    "minor_version",
    "os_build",
    "build_number",
];
const ADDRESSES: &[&str] = &["local_ip", "mac_address", "connection_ip", "connection_mac_address"];
const CLOUD: &[&str] = &["service_provider", "service_provider_account_id", "instance_id", "zone_group"];
const USERS: &[&str] = &["last_login_user", "last_login_user_sid", "last_login_uid", "first_login_user"];
const K8S: &[&str] = &["k8s_cluster_id", "pod_namespace", "pod_name", "pod_id"];

/// Model field, and the vendor's fields behind it. A name stands for everything below it, too.
const TABLE: &[(&str, &[&str])] = &[
    ("agent.health", &["reduced_functionality_mode", "provision_status"]),
    ("agent.version", &["agent_version"]),
    ("bios_manufacturer", &["bios_manufacturer"]),
    ("bios_version", &["bios_version"]),
    ("boot_time", &["last_reboot"]),
    ("chassis", &["chassis_type_desc", "chassis_type"]),
    ("cloud", CLOUD),
    ("connection_state", &[]),
    ("containment_state", &["status"]),
    ("criticality", &["criticality"]),
    ("default_gateway", &["default_gateway_ip"]),
    ("domain", &["machine_domain"]),
    ("external_ip", &["external_ip"]),
    ("first_seen", &["first_seen"]),
    ("fs_containment_state", &["filesystem_containment_status"]),
    ("groups", &["groups"]),
    ("hostname", &["hostname"]),
    ("ip", ADDRESSES),
    ("is_hidden", &["host_hidden_status"]),
    ("k8s", K8S),
    ("last_login", &["last_login_timestamp"]),
    ("last_seen", &["last_seen"]),
    ("last_user", USERS),
    ("mac", ADDRESSES),
    ("manufacturer", &["system_manufacturer"]),
    ("model", &["system_product_name"]),
    ("modified", &["modified_timestamp"]),
    ("network_interfaces", ADDRESSES),
    ("os", OS),
    ("ou", &["ou"]),
    ("owner_email", &["email"]),
    ("policies", &["device_policies", "policies"]),
    ("roles", &["product_type_desc", "product_type"]),
    ("serial_number", &["serial_number"]),
    ("site", &["site_name"]),
    ("smbios_uuid", &["serial_number"]),
    ("tags", &["tags"]),
    ("tenant", &[]),
    ("tenant_uid", &[]),
    ("type", &["chassis_type_desc", "product_type_desc"]),
    ("uid", &[]),
    ("users", USERS),
    ("vendor", &[]),
];

/// The vendor's fields for a query: what is wanted, what its filters look at, and the identity.
/// Empty means everything: for a query that selects nothing, or a name that is not in the table.
pub(super) fn hosts(query: &HostQuery) -> Vec<&'static str> {
    if query.fields.is_empty() {
        return Vec::new();
    }
    let wanted = query.fields.iter().copied().chain(query.filters.iter().map(|f| f.field().name));
    let mut out = ALWAYS.to_vec();
    for name in wanted {
        let behind: Vec<_> =
            TABLE.iter().filter(|(own, _)| own == &name || below(own, name) || below(name, own)).collect();
        if behind.is_empty() && !is_never_there(name) {
            return Vec::new();
        }
        out.extend(behind.iter().flat_map(|(_, fields)| fields.iter()));
    }
    out[ALWAYS.len()..].sort_unstable();
    let mut seen = Vec::new();
    out.retain(|f| {
        !seen.contains(f) && {
            seen.push(*f);
            true
        }
    });
    out
}

/// `os.type` is below `os`.
fn below(name: &str, of: &str) -> bool {
    name.strip_prefix(of).is_some_and(|rest| rest.starts_with('.'))
}

/// Fields of the model that Falcon does not fill.
fn is_never_there(name: &str) -> bool {
    ["agent.content_version", "contained_time", "installed", "is_vdi", "name", "risk"].contains(&name)
}

#[cfg(test)]
mod tests {
    use edr_core::{Platform, host_fields};

    use super::*;

    #[test]
    fn a_selection_brings_what_is_wanted_and_what_filters_need() {
        assert!(hosts(&HostQuery::new()).is_empty());
        let query = HostQuery::new().fields(["hostname", "tags"]).platform(Platform::Linux);
        let fields = hosts(&query);
        assert_eq!(fields[..2], ["device_id", "cid"]);
        for field in ["hostname", "tags", "platform_name", "platform_id"] {
            assert!(fields.contains(&field), "{field}");
        }
        assert!(!fields.contains(&"serial_number"));
        assert!(hosts(&HostQuery::new().fields(["hostname", "a new field"])).is_empty());
    }

    #[test]
    fn every_field_that_can_be_filtered_on_has_its_sources() {
        for field in host_fields() {
            let query = HostQuery::new().fields([field.name]);
            assert!(!hosts(&query).is_empty(), "{} selects nothing", field.name);
        }
    }
}
