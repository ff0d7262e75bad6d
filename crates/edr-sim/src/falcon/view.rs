//! What filters and orders of hosts and alerts see: property by property, computed when asked for.

use std::cell::OnceCell;

use super::fql::{Dialect, Kind, Record, Val};
use super::render_alert as ra;
use super::render_host as rh;
use crate::estate::{Detection, HostFields};
use crate::state::{FalconCredentials, TenantState};
use Kind::{Bool, Brittle, Exact, Ip, Number, Text, Time};

/// The filter properties of hosts (falcon-appendix C, `hosts`; with those that only sort accepts).
pub(crate) const HOSTS: Dialect = Dialect {
    strict: true,
    properties: &[
        ("device_id", Exact),
        ("cid", Exact),
        ("agent_load_flags", Text),
        ("agent_version", Text),
        ("bios_manufacturer", Text),
        ("bios_version", Text),
        ("chassis_type_desc", Text),
        ("config_id_base", Text),
        ("config_id_build", Text),
        ("config_id_platform", Text),
        ("cpu_signature", Text),
        ("default_gateway_ip", Ip),
        ("deployment_type", Text),
        ("external_ip", Ip),
        ("filesystem_containment_status", Text),
        ("first_seen", Time),
        ("groups", Exact),
        ("host_hidden_status", Text),
        ("hostname", Text),
        ("instance_id", Text),
        ("kernel_version", Text),
        ("last_login_timestamp", Time),
        ("last_login_user", Text),
        ("last_reboot", Time),
        ("last_seen", Time),
        ("linux_sensor_mode", Text),
        ("local_ip", Ip),
        ("local_ip.raw", Ip),
        ("mac_address", Text),
        ("machine_domain", Text),
        ("major_version", Text),
        ("minor_version", Text),
        ("modified_timestamp", Time),
        ("os_build", Text),
        ("os_product_name", Text),
        ("os_version", Brittle),
        ("ou", Text),
        ("platform_id", Text),
        ("platform_name", Text),
        ("product_type", Text),
        ("product_type_desc", Text),
        ("reduced_functionality_mode", Text),
        ("release_group", Text),
        ("rtr_state", Text),
        ("serial_number", Text),
        ("service_provider", Text),
        ("service_provider_account_id", Text),
        ("site_name", Text),
        ("status", Text),
        ("system_manufacturer", Text),
        ("system_product_name", Text),
        ("tags", Exact),
        ("zone_group", Text),
    ],
};

/// Orders that the service takes on fields that no simulated host has: they leave the order by id.
const VAIN_ORDERS: &[&str] = &[
    "device_policies.",
    "policies.",
    "policy_id",
    "managed_apps.",
    "pod_",
    "k8s_",
    "connection_",
    "cpu_",
    "_all",
    "email",
    "internet_exposure",
    "license_activation_state",
    "group_hash",
    "host_utc_offset",
    "pointer_size",
    "safe_mode",
    "migration_completed_time",
    "detection_suppression_status",
    "chassis_type",
    "first_login_",
    "last_login_",
];

/// Whether an order by this field is accepted.
pub(crate) fn host_order(field: &str) -> bool {
    HOSTS.property(field).is_some() || VAIN_ORDERS.iter().any(|known| field.starts_with(known))
}

/// A host as filters see it: as it was a moment ago.
pub(crate) struct HostView<'a> {
    pub(crate) h: HostFields<'a>,
    pub(crate) tenant: &'a TenantState,
    pub(crate) falcon: &'a FalconCredentials,
    /// Whether the rules of groups are left out, as they must be while one of them is evaluated.
    plain: bool,
}

impl<'a> HostView<'a> {
    pub(crate) fn of(tenant: &'a TenantState, falcon: &'a FalconCredentials, index: u64) -> Self {
        Self { h: tenant.estate.searched(index), tenant, falcon, plain: false }
    }

    /// The same for the rule of a group.
    pub(crate) fn plain(tenant: &'a TenantState, falcon: &'a FalconCredentials, index: u64) -> Self {
        Self { plain: true, ..Self::of(tenant, falcon, index) }
    }

    fn groups(&self) -> Vec<String> {
        match self.plain {
            true => rh::group_ids(self.tenant.estate.tag(), &self.h.groups()),
            false => super::groups::ids_of(self.tenant, self.falcon, &self.h),
        }
    }
}

fn text(value: impl AsRef<str>) -> Vec<Val> {
    let value = value.as_ref();
    if value.is_empty() { Vec::new() } else { vec![value.into()] }
}

fn optional(value: Option<impl AsRef<str>>) -> Vec<Val> {
    value.map(text).unwrap_or_default()
}

fn many(values: impl IntoIterator<Item = String>) -> Vec<Val> {
    values.into_iter().map(Val::Text).collect()
}

/// Times have whole seconds in Falcon's host entities.
fn seconds(ms: i64) -> Vec<Val> {
    vec![Val::Time(ms.div_euclid(1000) * 1000)]
}

impl Record for HostView<'_> {
    fn values(&self, property: &'static str) -> Vec<Val> {
        let h = &self.h;
        match property {
            "device_id" => text(h.id()),
            "cid" => text(&self.falcon.cid),
            "agent_load_flags" => text(rh::load_flags(h.platform())),
            "agent_version" => text(h.agent_version()),
            "bios_manufacturer" => text(h.hardware().2),
            "bios_version" => text(h.hardware().3),
            "chassis_type_desc" => text(rh::chassis(h.form()).1),
            "config_id_base" => text(rh::CONFIG_BASE),
            "config_id_build" => text(rh::config_build(h.agent_version())),
            "config_id_platform" => text(rh::config_platform(h.platform())),
            "cpu_signature" => text(rh::CPU_SIGNATURE),
            "default_gateway_ip" => text(h.gateway().to_string()),
            "deployment_type" => text(rh::deployment(h.form())),
            "external_ip" => text(h.external_ip().to_string()),
            "filesystem_containment_status" => text("normal"),
            "first_seen" => seconds(h.first_seen_ms()),
            "groups" => many(self.groups()),
            "host_hidden_status" => text(rh::hidden(h)),
            "hostname" => text(h.hostname()),
            "instance_id" => optional(h.cloud().map(|c| c.instance_id)),
            "kernel_version" => text(h.os().kernel),
            "last_login_timestamp" => rh::last_login_ms(h).map(seconds).unwrap_or_default(),
            "last_login_user" => optional(h.users().first().map(|u| u.name.clone())),
            "last_reboot" => seconds(h.last_reboot_ms()),
            "last_seen" | "modified_timestamp" => seconds(h.last_seen_ms()),
            "linux_sensor_mode" => optional(rh::linux_mode(h.platform())),
            "local_ip" | "local_ip.raw" => text(h.ip().to_string()),
            "mac_address" => text(rh::mac(h.macs()[0])),
            "machine_domain" => text(h.domain()),
            "major_version" => text(h.os().major),
            "minor_version" => text(h.os().minor),
            "os_build" => text(h.os().build),
            "os_product_name" => text(h.os().product),
            "os_version" => text(h.os().name),
            "ou" => many(h.ou()),
            "platform_id" => text(rh::platform(h.platform()).0),
            "platform_name" => text(rh::platform(h.platform()).1),
            "product_type" => optional(rh::product_type(h.form(), h.platform()).map(|p| p.0)),
            "product_type_desc" => text(rh::product_desc(h.form())),
            "reduced_functionality_mode" => text(rh::reduced(h.health())),
            "rtr_state" => text("enabled"),
            "serial_number" => text(h.serial()),
            "service_provider" => optional(h.cloud().map(|c| rh::provider(c.provider))),
            "service_provider_account_id" => optional(h.cloud().map(|c| c.account)),
            "site_name" => text(rh::site(h.domain(), h.site().1)),
            "status" => text(rh::status(h.containment())),
            "system_manufacturer" => text(h.hardware().0),
            "system_product_name" => text(h.hardware().1),
            "tags" => many(h.tags().iter().map(|t| rh::tag(t))),
            "zone_group" => optional(h.cloud().map(|c| c.zone)),
            _ => Vec::new(),
        }
    }
}

/// The filter properties of alerts (falcon-appendix C, `detections`).
pub(crate) const ALERTS: Dialect = Dialect {
    strict: false,
    properties: &[
        ("agent_id", Exact),
        ("aggregate_id", Exact),
        ("composite_id", Exact),
        ("id", Exact),
        ("indicator_id", Exact),
        ("cid", Exact),
        ("pattern_id", Number),
        ("assigned_to_name", Text),
        ("assigned_to_uid", Text),
        ("assigned_to_uuid", Exact),
        ("status", Text),
        ("created_timestamp", Time),
        ("updated_timestamp", Time),
        ("timestamp", Time),
        ("crawled_timestamp", Time),
        ("confidence", Number),
        ("severity", Number),
        ("severity_name", Text),
        ("tactic", Text),
        ("tactic_id", Text),
        ("technique", Text),
        ("technique_id", Text),
        ("objective", Text),
        ("scenario", Text),
        ("product", Text),
        ("platform", Text),
        ("data_domains", Text),
        ("source_products", Text),
        ("source_vendors", Text),
        ("name", Text),
        ("display_name", Text),
        ("description", Text),
        ("type", Text),
        ("show_in_ui", Bool),
        ("email_sent", Bool),
        ("resolution", Text),
        ("tags", Exact),
        ("comments.value", Text),
        ("cmdline", Text),
        ("filename", Text),
        ("filepath", Text),
        ("md5", Text),
        ("sha256", Text),
        ("local_process_id", Number),
        ("process_id", Exact),
        ("user_id", Text),
        ("user_name", Text),
        ("device.device_id", Exact),
        ("device.hostname", Text),
        ("device.external_ip", Ip),
        ("device.local_ip", Ip),
        ("device.os_version", Text),
        ("device.platform_name", Text),
        ("device.product_type_desc", Text),
        ("device.status", Text),
        ("device.agent_version", Text),
        ("device.first_seen", Time),
        ("device.last_seen", Time),
        ("device.system_manufacturer", Text),
        ("device.system_product_name", Text),
        ("device.ou", Text),
    ],
};

/// An alert as filters see it; it is generated when a property needs it.
pub(crate) struct AlertView<'a> {
    pub(crate) tenant: &'a TenantState,
    pub(crate) falcon: &'a FalconCredentials,
    pub(crate) index: u64,
    detection: OnceCell<Detection>,
}

impl<'a> AlertView<'a> {
    pub(crate) fn of(tenant: &'a TenantState, falcon: &'a FalconCredentials, index: u64) -> Self {
        Self { tenant, falcon, index, detection: OnceCell::new() }
    }

    fn detection(&self) -> &Detection {
        self.detection.get_or_init(|| self.tenant.estate.detection(self.index))
    }

    fn host(&self, property: &'static str) -> Vec<Val> {
        HostView::of(self.tenant, self.falcon, self.detection().machine).values(property)
    }

    fn process(&self, property: &'static str) -> Vec<Val> {
        let (d, p) = (self.detection(), &self.detection().process);
        match property {
            _ if !ra::has_process(d) => Vec::new(),
            "cmdline" => text(&p.command_line),
            "filename" => text(&p.name),
            "filepath" => text(p.device_path()),
            "md5" => text(&p.md5),
            "sha256" => text(&p.sha256),
            "local_process_id" => vec![Val::Num(f64::from(p.pid))],
            _ => text(p.unique.to_string()),
        }
    }

    fn work(&self, property: &'static str) -> Vec<Val> {
        let d = self.detection();
        let assigned = d.assigned_to.as_ref();
        match property {
            "assigned_to_name" => optional(assigned.map(|a| &a.name)),
            "assigned_to_uid" => optional(assigned.map(|a| &a.email)),
            "assigned_to_uuid" => optional(assigned.map(|a| &a.uuid)),
            "resolution" => optional(d.verdict.map(ra::resolution)),
            "tags" => many(d.tags.clone()),
            _ => many(d.comments.iter().map(|c| c.text.clone())),
        }
    }
}

impl Record for AlertView<'_> {
    fn values(&self, property: &'static str) -> Vec<Val> {
        let millis = |at: chrono::DateTime<chrono::Utc>| vec![Val::Time(at.timestamp_millis())];
        if property == "created_timestamp" {
            return vec![Val::Time(self.tenant.estate.alert_created_ms(self.index))];
        }
        if let Some(of_host) = property.strip_prefix("device.") {
            return self.host(of_host);
        }
        let d = self.detection();
        match property {
            "agent_id" => self.host("device_id"),
            "composite_id" => text(ra::composite_id(self.tenant, self.falcon, d)),
            "id" | "indicator_id" => text(ra::short_id(self.tenant, d)),
            "aggregate_id" => text(ra::aggregate_id(self.tenant, d)),
            "cid" => text(&self.falcon.cid),
            "pattern_id" => vec![Val::Num(f64::from(d.kind.pattern))],
            "status" => text(ra::status(d.status)),
            "updated_timestamp" | "crawled_timestamp" => millis(d.updated),
            "timestamp" => millis(d.happened),
            "confidence" => vec![Val::Num(f64::from(d.confidence))],
            "severity" => vec![Val::Num(f64::from(d.score))],
            "severity_name" => text(d.severity.name()),
            "tactic" => text(d.kind.tactic.1),
            "tactic_id" => text(d.kind.tactic.0),
            "technique" => text(d.kind.technique.1),
            "technique_id" => text(d.kind.technique.0),
            "objective" => text(d.kind.objective),
            "scenario" => text(d.kind.scenario),
            "product" => text(ra::product(d.kind.family)),
            "type" => text(ra::alert_type(d.kind.family)),
            "platform" => self.host("platform_name"),
            "data_domains" => text(ra::domain(d.kind.family)),
            "source_products" => text(ra::source_product(d.kind.family)),
            "source_vendors" => text("CrowdStrike"),
            "name" | "display_name" => text(d.kind.name),
            "description" => text(d.kind.description),
            "show_in_ui" => vec![Val::Bool(d.show_in_ui)],
            "email_sent" => vec![Val::Bool(true)],
            "user_id" => optional(d.user.as_ref().map(|u| &u.sid)),
            "user_name" => optional(d.user.as_ref().map(|u| &u.name)),
            "cmdline" | "filename" | "filepath" | "md5" | "sha256" | "local_process_id" | "process_id" => {
                self.process(property)
            }
            _ => self.work(property),
        }
    }
}
