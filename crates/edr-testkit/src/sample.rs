//! The values of the model's fields as text, to make filters from. Written anew here, so that the
//! suite does not lean on the table that it tests.

mod nouns;

use chrono::{DateTime, SecondsFormat, Utc};
use edr_core::{Alert, Attack, Host};

pub(crate) use nouns::{of_application, of_audit_event, of_case, of_group, of_ioc, of_vulnerability};

fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|v| v.to_string()).filter(|v| !v.is_empty()).collect()
}

fn time(value: Option<DateTime<Utc>>) -> Vec<String> {
    value.into_iter().map(|t| t.to_rfc3339_opts(SecondsFormat::AutoSi, true)).collect()
}

/// The values of a host's field; empty when it has none, or when there is no such field.
pub(crate) fn of_host(host: &Host, field: &str) -> Vec<String> {
    match field {
        "agent.content_version" => texts(&host.agent.content_version),
        "agent.health" => texts([&host.agent.health]),
        "agent.version" => texts(&host.agent.version),
        "bios_version" => texts(&host.bios_version),
        "boot_time" => time(host.boot_time),
        "chassis" => texts(&host.chassis),
        "cloud.account" => texts(host.cloud.iter().filter_map(|c| c.account.as_ref())),
        "cloud.instance_uid" => texts(host.cloud.iter().filter_map(|c| c.instance_uid.as_ref())),
        "cloud.provider" => texts(host.cloud.iter().filter_map(|c| c.provider.as_ref())),
        "cloud.region" => texts(host.cloud.iter().filter_map(|c| c.region.as_ref())),
        "cloud.zone" => texts(host.cloud.iter().filter_map(|c| c.zone.as_ref())),
        "connection_state" => texts([&host.connection_state]),
        "contained_time" => time(host.contained_time),
        "containment_state" => texts([&host.containment_state]),
        "criticality" => texts(&host.criticality),
        "default_gateway" => texts(host.default_gateway),
        "domain" => texts(&host.domain),
        "external_ip" => texts(host.external_ip),
        "first_seen" => time(host.first_seen),
        "groups" => texts(host.groups.iter().flat_map(|g| g.uid.iter().chain(&g.name))),
        "hostname" => texts([&host.hostname]),
        "installed" => time(host.installed),
        "ip" => texts(host.ip.iter().chain(host.network_interfaces.iter().filter_map(|n| n.ip.as_ref()))),
        "is_hidden" => texts(host.is_hidden),
        "is_vdi" => texts(host.is_vdi),
        "k8s.cluster" => texts(host.k8s.iter().filter_map(|k| k.cluster.as_ref())),
        "k8s.namespace" => texts(host.k8s.iter().filter_map(|k| k.namespace.as_ref())),
        "k8s.pod" => texts(host.k8s.iter().filter_map(|k| k.pod.as_ref())),
        "last_login" => time(host.last_login),
        "last_seen" => time(host.last_seen),
        "last_user.domain" => texts(host.last_user.iter().filter_map(|u| u.domain.as_ref())),
        "last_user.name" => texts(host.last_user.iter().filter_map(|u| u.name.as_ref())),
        "mac" => texts(host.network_interfaces.iter().filter_map(|n| n.mac.as_ref())),
        "manufacturer" => texts(&host.manufacturer),
        "model" => texts(&host.model),
        "modified" => time(host.modified),
        "name" => texts(&host.name),
        "os.build" => texts(&host.os.build),
        "os.kernel" => texts(&host.os.kernel),
        "os.name" => texts(&host.os.name),
        "os.type" => texts([&host.os.platform]),
        "os.version" => texts(&host.os.version),
        "ou" => texts(&host.ou),
        "owner_email" => texts(&host.owner_email),
        "policies" => texts(host.policies.iter().flat_map(|p| p.uid.iter().chain(&p.name))),
        "roles" => texts(&host.roles),
        "serial_number" => texts(&host.serial_number),
        "site" => texts(&host.site),
        "smbios_uuid" => texts(&host.smbios_uuid),
        "tags" => texts(host.tags.iter().map(|t| &t.value)),
        "type" => texts([&host.kind]),
        "uid" => texts([&host.uid]),
        "users" => texts(host.users.iter().filter_map(|u| u.name.as_ref())),
        _ => Vec::new(),
    }
}

/// The values of an alert's field; empty when it has none, or when there is no such field.
pub(crate) fn of_alert(alert: &Alert, field: &str) -> Vec<String> {
    let device = alert.device.iter();
    match field {
        "action" => texts([&alert.action]),
        "analytic.name" => texts(alert.analytic.iter().filter_map(|a| a.name.as_ref())),
        "analytic.uid" => texts(alert.analytic.iter().filter_map(|a| a.uid.as_ref())),
        "assignee.email" => texts(alert.assignee.iter().filter_map(|u| u.email.as_ref())),
        "assignee.name" => texts(alert.assignee.iter().filter_map(|u| u.name.as_ref())),
        "attacks" => attacks(&alert.attacks),
        "case_uids" => texts(&alert.case_uids),
        "confidence_score" => texts(alert.confidence_score),
        "created_time" => time(alert.created_time),
        "desc" => texts(&alert.desc),
        "device.domain" => texts(device.filter_map(|d| d.domain.as_ref())),
        "device.hostname" => texts(device.map(|d| &d.hostname)),
        "device.ip" => texts(device.filter_map(|d| d.ip)),
        "device.os.type" => texts(device.map(|d| &d.os.platform)),
        "device.uid" => texts(device.map(|d| &d.uid)),
        "disposition" => texts([&alert.disposition]),
        "first_seen" => time(alert.first_seen),
        "group_keys" => texts(&alert.group_keys),
        "iocs" => texts(alert.iocs.iter().map(|i| &i.value)),
        "is_suppressed" => texts(alert.is_suppressed),
        "labels" => texts(&alert.labels),
        "last_seen" => time(alert.last_seen),
        "modified_time" => time(alert.modified_time),
        "prevented" => texts(alert.prevented),
        "product_feature" => texts(&alert.product_feature),
        "severity" => texts([&alert.severity]),
        "sha256" => hashes(alert),
        "source_vendors" => texts(&alert.source_vendors),
        "status" => texts([&alert.status]),
        "time" => time(alert.time),
        "title" => texts([&alert.title]),
        "types" => texts(&alert.types),
        "uid" => texts([&alert.uid]),
        "uid_alt" => texts(&alert.uid_alt),
        "users" => texts(alert.users.iter().filter_map(|u| u.name.as_ref())),
        "verdict" => texts([&alert.verdict]),
        "would_prevent" => texts(alert.would_prevent),
        _ => Vec::new(),
    }
}

fn attacks(attacks: &[Attack]) -> Vec<String> {
    let parts = attacks.iter().flat_map(|a| [&a.tactic, &a.technique, &a.sub_technique]).flatten();
    texts(parts.flat_map(|p| p.uid.iter().chain(&p.name)))
}

fn hashes(alert: &Alert) -> Vec<String> {
    let digest = |e: &edr_core::Evidence| {
        let process = e.process.as_ref().and_then(|p| p.hashes.sha256.clone());
        let file = e.file.as_ref().and_then(|f| f.hashes.sha256.clone());
        [process, file]
    };
    texts(alert.evidences.iter().flat_map(digest).flatten())
}

#[cfg(test)]
mod tests {
    use crate::{Item, fixture};
    use edr_core::{Alert, Case, Filter, Host, Ioc, Noun, Op};

    /// Every field of the model has a value somewhere in the fixture, and each value that is read
    /// here is one that the model's own filter finds.
    fn the_table_agrees<I: Item>(items: &[I], noun: Noun) {
        for field in noun.fields() {
            let mut values = 0;
            for item in items {
                for value in item.values(field.name) {
                    values += 1;
                    let op = if matches!(field.kind, edr_core::FieldKind::Time) { Op::Ge } else { Op::Eq };
                    let filter = Filter::new(noun, field.name, op, &[&value], fixture::now());
                    assert!(item.passes(&filter.unwrap()), "{noun} {}: {value}", field.name);
                }
            }
            assert!(values > 0, "no {noun} in the fixture has a value for {}", field.name);
        }
    }

    #[test]
    fn every_field_of_the_model_is_sampled() {
        the_table_agrees::<Host>(&fixture::hosts(), Noun::Host);
        the_table_agrees::<Alert>(&fixture::alerts(), Noun::Alert);
        the_table_agrees::<Case>(&fixture::cases(), Noun::Case);
        the_table_agrees::<Ioc>(&fixture::iocs(), Noun::Ioc);
    }
}
