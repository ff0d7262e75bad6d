//! The page of a host.

use edr::Host;

use super::{Card, Page};
use crate::output::style::Look;

impl Card for Host {
    fn card(&self, page: &mut Page<'_>) {
        let glance = [
            (Look::Connection, self.connection_state.as_str()),
            (Look::Containment, self.containment_state.as_str()),
            (Look::Health, self.agent.health.as_str()),
        ];
        let name = if self.hostname.is_empty() { "(no name)" } else { &self.hostname };
        page.head(name, &glance);
        page.columns(self, IDENTITY);
        page.columns(self, MACHINE);
        network(self, page);
        page.columns(self, STATE);
        page.columns(self, PEOPLE);
        page.columns(self, CLOUD);
        page.columns(self, &[("console_url", "console")]);
        for odd in &self.anomalies {
            page.line("left out", &format!("{} = {} ({})", odd.field, odd.value, odd.reason));
        }
    }
}

const IDENTITY: &[(&str, &str)] = &[
    ("tenant", "tenant"),
    ("vendor", "vendor"),
    ("uid", "id"),
    ("name", "name"),
    ("domain", "domain"),
    ("ou", "unit"),
    ("site", "site"),
];

const MACHINE: &[(&str, &str)] = &[
    ("type", "type"),
    ("roles", "roles"),
    ("os.type", "platform"),
    ("os.name", "system"),
    ("os.version", "version"),
    ("os.build", "build"),
    ("os.kernel", "kernel"),
    ("manufacturer", "made by"),
    ("model", "model"),
    ("serial_number", "serial number"),
];

const STATE: &[(&str, &str)] = &[
    ("agent.version", "agent"),
    ("agent.content_version", "agent content"),
    ("policies", "policies"),
    ("fs_containment_state", "file system"),
    ("contained_time", "contained"),
    ("first_seen", "first seen"),
    ("last_seen", "last seen"),
    ("modified", "changed"),
    ("boot_time", "started"),
    ("installed", "installed"),
];

const PEOPLE: &[(&str, &str)] = &[
    ("last_user.name", "last user"),
    ("last_login", "last login"),
    ("users", "users"),
    ("owner_email", "owner"),
    ("groups", "groups"),
    ("tags", "tags"),
    ("criticality", "criticality"),
    ("risk.level", "risk"),
    ("risk.score", "risk score"),
];

const CLOUD: &[(&str, &str)] = &[
    ("cloud.provider", "cloud"),
    ("cloud.account", "cloud account"),
    ("cloud.region", "cloud region"),
    ("cloud.zone", "cloud zone"),
    ("cloud.instance_uid", "cloud instance"),
    ("k8s.cluster", "cluster"),
    ("k8s.namespace", "namespace"),
    ("k8s.pod", "pod"),
    ("k8s.container", "container"),
];

fn network(host: &Host, page: &mut Page<'_>) {
    let names = [
        ("ip", "address"),
        ("network_interfaces", "interfaces"),
        ("external_ip", "seen from"),
        ("default_gateway", "gateway"),
    ];
    page.columns(host, &names);
}
