//! What the model takes from a device. A device has a hundred fields and ten policies of eight fields each; what is not
//! needed is passed over without being kept for a moment.

use edr_core::Policy;
use serde::Deserializer;
use serde::de::MapAccess;

use super::text;
use crate::api::hosts::{
    Containment, Device, DevicePolicy, HostInfo, HostPlatform, HostVisibility, ProductType, ProvisionStatus,
    ReducedFunctionality, ServiceProvider,
};
use crate::time::Timestamp;
use crate::wire::{Field, Key, Lenient, Object, wire};

/// The fields, and how each is made of a whole device's.
macro_rules! needed {
    ($($field:ident: $kind:ty,)+) => {
        wire! {
            /// A device, as far as the model needs it.
            pub(super) struct Needed { $($field: $kind,)+ }
        }

        impl From<Device> for Needed {
            fn from(device: Device) -> Self {
                Self { $($field: device.$field.into(),)+ }
            }
        }
    };
}

needed! {
    agent_local_time: Option<Timestamp>,
    agent_version: Option<String>,
    bios_manufacturer: Option<String>,
    bios_version: Option<String>,
    build_number: Option<String>,
    chassis_type: Option<String>,
    chassis_type_desc: Option<String>,
    cid: Option<String>,
    connection_ip: Option<String>,
    connection_mac_address: Option<String>,
    criticality: Option<String>,
    default_gateway_ip: Option<String>,
    device_id: Option<String>,
    device_policies: Policies,
    email: Option<String>,
    external_ip: Option<String>,
    filesystem_containment_status: Option<Containment>,
    first_login_user: Option<String>,
    first_seen: Option<Timestamp>,
    groups: Vec<String>,
    host_hidden_status: Option<HostVisibility>,
    hostinfo: Option<HostInfo>,
    hostname: Option<String>,
    instance_id: Option<String>,
    k8s_cluster_id: Option<String>,
    kernel_version: Option<String>,
    last_login_timestamp: Option<Timestamp>,
    last_login_uid: Option<String>,
    last_login_user: Option<String>,
    last_login_user_sid: Option<String>,
    last_reboot: Option<Timestamp>,
    last_seen: Option<Timestamp>,
    local_ip: Option<String>,
    mac_address: Option<String>,
    machine_domain: Option<String>,
    major_version: Option<String>,
    minor_version: Option<String>,
    modified_timestamp: Option<Timestamp>,
    os_build: Option<String>,
    os_product_name: Option<String>,
    os_version: Option<String>,
    ou: Vec<String>,
    platform_id: Option<String>,
    platform_name: Option<HostPlatform>,
    pod_id: Option<String>,
    pod_name: Option<String>,
    pod_namespace: Option<String>,
    policies: Listed,
    product_type: Option<String>,
    product_type_desc: Option<ProductType>,
    provision_status: Option<ProvisionStatus>,
    reduced_functionality_mode: Option<ReducedFunctionality>,
    serial_number: Option<String>,
    service_provider: Option<ServiceProvider>,
    service_provider_account_id: Option<String>,
    site_name: Option<String>,
    status: Option<Containment>,
    system_manufacturer: Option<String>,
    system_product_name: Option<String>,
    tags: Vec<String>,
    zone_group: Option<String>,
}

wire! {
    /// A policy, as far as the model needs it.
    pub(super) struct Assigned {
        applied: Option<bool>,
        policy_id: Option<String>,
        policy_type: Option<String>,
    }
}

impl From<DevicePolicy> for Assigned {
    fn from(policy: DevicePolicy) -> Self {
        Self { applied: policy.applied, policy_id: policy.policy_id, policy_type: policy.policy_type }
    }
}

fn policy(key: Option<&str>, policy: Assigned) -> Policy {
    Policy {
        uid: text(policy.policy_id),
        name: None,
        kind: text(policy.policy_type).or_else(|| key.map(str::to_owned)),
        is_applied: policy.applied,
    }
}

/// Policies under keys that name their kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Policies(pub(super) Vec<Policy>);

impl Object for Policies {
    fn read<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut out = Vec::with_capacity(8);
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let value = map.next_value::<Lenient<Option<Assigned>>>()?.0;
            out.extend(value.map(|assigned| policy(Some(key.as_str()), assigned)));
        }
        Ok(Self(out))
    }
}

impl Field for Policies {
    fn read<'de, D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(<Option<Self> as Field>::read(d)?.unwrap_or_default())
    }
}

impl From<crate::wire::Entries<DevicePolicy>> for Policies {
    fn from(entries: crate::wire::Entries<DevicePolicy>) -> Self {
        Self(entries.0.into_iter().map(|(key, p)| policy(Some(&key), p.into())).collect())
    }
}

/// Policies without keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Listed(pub(super) Vec<Policy>);

impl Field for Listed {
    fn read<'de, D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let all = <Vec<Assigned> as Field>::read(d)?;
        Ok(Self(all.into_iter().map(|assigned| policy(None, assigned)).collect()))
    }
}

impl From<Vec<DevicePolicy>> for Listed {
    fn from(policies: Vec<DevicePolicy>) -> Self {
        Self(policies.into_iter().map(|p| policy(None, p.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An alert's device is read whole first; both ways must come to the same.
    #[test]
    fn what_is_read_is_what_a_whole_device_has() {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/src/map/fixtures");
        let mut seen = 0;
        for file in std::fs::read_dir(fixtures).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let (Ok(whole), Ok(needed)) =
                (serde_json::from_str::<Device>(&text), serde_json::from_str::<Needed>(&text))
            else {
                continue;
            };
            seen += usize::from(whole.device_id.is_some());
            assert_eq!(Needed::from(whole), needed);
        }
        assert!(seen >= 3, "only {seen} devices among the fixtures");
    }
}
