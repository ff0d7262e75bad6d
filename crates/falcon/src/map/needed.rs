//! What the model takes from a device. A device has a hundred fields and ten policies of eight fields each; what is not
//! needed is passed over without being kept for a moment.

use std::borrow::Cow;

use edr_core::Policy;
use serde::Deserializer;
use serde::de::MapAccess;

use super::{is_blank, said, text};
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
            pub(super) struct Needed<'de> { $($field: $kind,)+ }
        }

        impl From<Device> for Needed<'_> {
            fn from(device: Device) -> Self {
                Self { $($field: device.$field.into(),)+ }
            }
        }
    };
}

needed! {
    agent_local_time: Said<'de>,
    agent_version: Option<String>,
    bios_manufacturer: Option<String>,
    bios_version: Option<String>,
    build_number: Said<'de>,
    chassis_type: Said<'de>,
    chassis_type_desc: Said<'de>,
    cid: Option<String>,
    connection_ip: Said<'de>,
    connection_mac_address: Said<'de>,
    criticality: Option<String>,
    default_gateway_ip: Said<'de>,
    device_id: Option<String>,
    device_policies: Policies,
    email: Option<String>,
    external_ip: Said<'de>,
    filesystem_containment_status: Option<Containment>,
    first_login_user: Said<'de>,
    first_seen: Said<'de>,
    groups: Vec<String>,
    host_hidden_status: Option<HostVisibility>,
    hostinfo: Option<HostInfo>,
    hostname: Option<String>,
    instance_id: Option<String>,
    k8s_cluster_id: Option<String>,
    kernel_version: Option<String>,
    last_login_timestamp: Said<'de>,
    last_login_uid: Said<'de>,
    last_login_user: Said<'de>,
    last_login_user_sid: Said<'de>,
    last_reboot: Said<'de>,
    last_seen: Said<'de>,
    local_ip: Said<'de>,
    mac_address: Said<'de>,
    machine_domain: Option<String>,
    major_version: Said<'de>,
    minor_version: Said<'de>,
    modified_timestamp: Said<'de>,
    os_build: Said<'de>,
    os_product_name: Said<'de>,
    os_version: Said<'de>,
    ou: Vec<String>,
    platform_id: Said<'de>,
    platform_name: Option<HostPlatform>,
    pod_id: Option<String>,
    pod_name: Option<String>,
    pod_namespace: Option<String>,
    policies: Listed,
    product_type: Said<'de>,
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

/// Text that is looked at, and copied only where it is kept: borrowed from what it is read from where it has no escapes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said<'de>(Option<Cow<'de, str>>);

impl Said<'_> {
    pub(super) fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The text, trimmed, when it says something.
    pub(super) fn text(&self) -> Option<&str> {
        self.as_deref().filter(|text| said(text)).map(str::trim)
    }

    /// The same for somebody who keeps it.
    pub(super) fn kept(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }
}

impl<'de> Field<'de> for Said<'de> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self(crate::wire::text(d)?.filter(|text| !is_blank(text))))
    }
}

impl From<Option<String>> for Said<'_> {
    fn from(text: Option<String>) -> Self {
        Self(text.filter(|text| !is_blank(text)).map(Cow::Owned))
    }
}

impl From<Option<Timestamp>> for Said<'_> {
    fn from(time: Option<Timestamp>) -> Self {
        Self(time.map(|time| Cow::Owned(time.as_str().to_owned())))
    }
}

wire! {
    /// A policy, as far as the model needs it.
    pub(super) struct Assigned<'de> {
        applied: Option<bool>,
        policy_id: Option<String>,
        policy_type: Said<'de>,
    }
}

impl From<DevicePolicy> for Assigned<'_> {
    fn from(policy: DevicePolicy) -> Self {
        Self { applied: policy.applied, policy_id: policy.policy_id, policy_type: policy.policy_type.into() }
    }
}

/// What the policies of most hosts govern.
const KINDS: &[&str] = &[
    "content-update",
    "data-protection",
    "device-control",
    "firewall",
    "globalconfig",
    "host-retention",
    "identity-protection",
    "prevention",
    "remote-response",
    "sensor-update",
    "system-tray",
];

/// What a policy governs; what every host has is not copied.
fn kind(word: &str) -> Cow<'static, str> {
    let known = KINDS.iter().find(|known| **known == word);
    known.map_or_else(|| Cow::Owned(word.to_owned()), |known| Cow::Borrowed(*known))
}

fn policy(key: Option<&str>, policy: Assigned<'_>) -> Policy {
    Policy {
        uid: text(policy.policy_id),
        name: None,
        kind: policy.policy_type.text().or(key).map(kind),
        is_applied: policy.applied,
    }
}

/// Policies under keys that name their kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Policies(pub(super) Vec<Policy>);

impl<'de> Object<'de> for Policies {
    fn read<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut out = Vec::with_capacity(8);
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let value = map.next_value::<Lenient<Option<Assigned<'de>>>>()?.0;
            out.extend(value.map(|assigned| policy(Some(key.as_str()), assigned)));
        }
        Ok(Self(out))
    }
}

impl<'de> Field<'de> for Policies {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
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

impl<'de> Field<'de> for Listed {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let all = <Vec<Assigned<'de>> as Field>::read(d)?;
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
                (serde_json::from_str::<Device>(&text), serde_json::from_str::<Needed<'_>>(&text))
            else {
                continue;
            };
            seen += usize::from(whole.device_id.is_some());
            assert_eq!(Needed::from(whole), needed);
        }
        assert!(seen >= 3, "only {seen} devices among the fixtures");
    }
}
