//! The fields of a host.

use super::FieldKind::{self, Bool, Text, Time};
use super::fields::words::PLATFORMS;
use super::fields::{each, fields};
use crate::Host;

const HOST_TYPES: FieldKind = FieldKind::Enum(&["desktop", "laptop", "mobile", "server", "unknown"]);
const CONNECTIONS: FieldKind = FieldKind::Enum(&["online", "offline", "lost", "uninstalled", "unknown"]);
const CONTAINMENTS: FieldKind =
    FieldKind::Enum(&["normal", "containment_pending", "contained", "lift_pending", "unknown"]);
const HEALTHS: FieldKind = FieldKind::Enum(&["ok", "degraded", "unprotected", "unknown"]);

fields! { HOST_FIELDS, host_fields, Host, Host, "The fields of a host that can be filtered on.";
    "agent.content_version" Text, |h, out| each(&h.agent.content_version, Some, out);
    "agent.health" HEALTHS, |h, out| out(h.agent.health.as_str().into());
    "agent.version" Text, |h, out| each(&h.agent.version, Some, out);
    "bios_version" Text, |h, out| each(&h.bios_version, Some, out);
    "boot_time" Time, |h, out| each(&h.boot_time, Some, out);
    "chassis" Text, |h, out| each(&h.chassis, Some, out);
    "cloud.account" Text, |h, out| each(&h.cloud, |c| c.account.as_ref(), out);
    "cloud.instance_uid" Text, |h, out| each(&h.cloud, |c| c.instance_uid.as_ref(), out);
    "cloud.provider" Text, |h, out| each(&h.cloud, |c| c.provider.as_ref(), out);
    "cloud.region" Text, |h, out| each(&h.cloud, |c| c.region.as_ref(), out);
    "cloud.zone" Text, |h, out| each(&h.cloud, |c| c.zone.as_ref(), out);
    "connection_state" CONNECTIONS, |h, out| out(h.connection_state.as_str().into());
    "contained_time" Time, |h, out| each(&h.contained_time, Some, out);
    "containment_state" CONTAINMENTS, |h, out| out(h.containment_state.as_str().into());
    "criticality" Text, |h, out| each(&h.criticality, Some, out);
    "default_gateway" Text, |h, out| each(&h.default_gateway, Some, out);
    "domain" Text, |h, out| each(&h.domain, Some, out);
    "external_ip" Text, |h, out| each(&h.external_ip, Some, out);
    "first_seen" Time, |h, out| each(&h.first_seen, Some, out);
    "groups" Text, |h, out| {
        each(&h.groups, |g| g.uid.as_ref(), out);
        each(&h.groups, |g| g.name.as_ref(), out);
    };
    "hostname" Text, |h, out| if !h.hostname.is_empty() { out(h.hostname.as_str().into()) };
    "installed" Time, |h, out| each(&h.installed, Some, out);
    "ip" Text, |h, out| {
        each(&h.ip, Some, out);
        each(&h.network_interfaces, |n| n.ip.as_ref(), out);
    };
    "is_hidden" Bool, |h, out| each(&h.is_hidden, Some, out);
    "is_vdi" Bool, |h, out| each(&h.is_vdi, Some, out);
    "k8s.cluster" Text, |h, out| each(&h.k8s, |k| k.cluster.as_ref(), out);
    "k8s.namespace" Text, |h, out| each(&h.k8s, |k| k.namespace.as_ref(), out);
    "k8s.pod" Text, |h, out| each(&h.k8s, |k| k.pod.as_ref(), out);
    "last_login" Time, |h, out| each(&h.last_login, Some, out);
    "last_seen" Time, |h, out| each(&h.last_seen, Some, out);
    "last_user.domain" Text, |h, out| each(&h.last_user, |u| u.domain.as_ref(), out);
    "last_user.name" Text, |h, out| each(&h.last_user, |u| u.name.as_ref(), out);
    "mac" Text, |h, out| each(&h.network_interfaces, |n| n.mac.as_ref(), out);
    "manufacturer" Text, |h, out| each(&h.manufacturer, Some, out);
    "model" Text, |h, out| each(&h.model, Some, out);
    "modified" Time, |h, out| each(&h.modified, Some, out);
    "name" Text, |h, out| each(&h.name, Some, out);
    "os.build" Text, |h, out| each(&h.os.build, Some, out);
    "os.kernel" Text, |h, out| each(&h.os.kernel, Some, out);
    "os.name" Text, |h, out| each(&h.os.name, Some, out);
    "os.type" PLATFORMS, |h, out| out(h.os.platform.as_str().into());
    "os.version" Text, |h, out| each(&h.os.version, Some, out);
    "ou" Text, |h, out| each(&h.ou, Some, out);
    "owner_email" Text, |h, out| each(&h.owner_email, Some, out);
    "policies" Text, |h, out| {
        each(&h.policies, |p| p.uid.as_ref(), out);
        each(&h.policies, |p| p.name.as_ref(), out);
    };
    "roles" Text, |h, out| each(&h.roles, Some, out);
    "serial_number" Text, |h, out| each(&h.serial_number, Some, out);
    "site" Text, |h, out| each(&h.site, Some, out);
    "smbios_uuid" Text, |h, out| each(&h.smbios_uuid, Some, out);
    "tags" Text, |h, out| each(&h.tags, |t| Some(&t.value), out);
    "type" HOST_TYPES, |h, out| out(h.kind.as_str().into());
    "uid" Text, |h, out| out(h.uid.as_str().into());
    "users" Text, |h, out| each(&h.users, |u| u.name.as_ref(), out);
}
