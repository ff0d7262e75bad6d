//! The keys of an alert itself, with the form that each takes in each shape (cortex-xdr-api 5.1 and 5.3).

use super::alert::{Alert, Cell, Shape, maybe, text, texts};
use super::endpoint;
use super::words::{self, Source};
use crate::estate::Machine;
use crate::estate::hash::{hex32, mix2, uuid};
use crate::estate::machine::Platform;

/// A key and its value in a shape; `None` where the shape does not have the key.
pub(super) type AlertKey = (&'static str, for<'a> fn(&'a Alert, Shape) -> Option<Cell<'a>>);

fn always_null(_: &Alert, _: Shape) -> Option<Cell<'_>> {
    Some(Cell::Null)
}

/// Several values: a list, or one text with commas.
fn several<'a>(values: Vec<String>, shape: Shape) -> Cell<'a> {
    match (values.is_empty(), shape.has_lists()) {
        (true, _) => Cell::Null,
        (false, true) => texts(values),
        (false, false) => text(values.join(",")),
    }
}

/// A value that an alert has with its host only.
fn hosted<'a>(alert: &'a Alert, value: impl Fn(&'a Machine) -> Cell<'a>) -> Option<Cell<'a>> {
    Some(alert.machine.as_ref().map_or(Cell::Null, value))
}

/// "NO" in four forms.
fn not_featured<'a>(shape: Shape) -> Option<Cell<'a>> {
    Some(match shape {
        Shape::Arrays => texts(["NO".to_owned()]),
        Shape::EventList => Cell::Bool(false),
        Shape::Flat => text("NO"),
        Shape::Incident => text("No"),
    })
}

fn macs(machine: &Machine) -> Vec<String> {
    machine.macs.iter().map(endpoint::mac).collect()
}

fn os_sub_type(machine: &Machine) -> String {
    match machine.platform() {
        Platform::Windows => format!("{} [10.0 (Build {})]", machine.os.name, machine.os.build),
        _ => machine.os.version.to_owned(),
    }
}

/// The name of a machine with its domain, where it has one.
pub(super) fn fqdn(machine: &Machine) -> String {
    if machine.domain.is_empty() {
        machine.hostname.clone()
    } else {
        format!("{}.{}", machine.hostname, machine.domain)
    }
}

/// The description: for behavioural indicators v1 has a list of items (a client that expected a text lost the whole page).
fn description(alert: &Alert, shape: Shape) -> Cell<'_> {
    match (shape, alert.source) {
        (Shape::EventList, Source::Bioc) => Cell::List(alert.rule().into_iter().map(item).collect()),
        // Texts of this shape end in blanks (facts 5.1).
        (Shape::Incident, _) => text(format!("{} ", alert.description())),
        _ => text(alert.description()),
    }
}

fn item<'a>(word: String) -> Cell<'a> {
    let render = match word.as_str() {
        "=" => "operator",
        "AND" => "connector",
        "Process" => "entity",
        _ => "value",
    };
    Cell::Object(vec![
        ("pretty_name", text(word)),
        ("data_type", Cell::Null),
        ("render_type", text(render)),
        ("entity_map", Cell::Null),
    ])
}

/// A value that only behavioural indicators have.
fn ruled<'a>(alert: &Alert, value: String) -> Option<Cell<'a>> {
    Some(maybe((alert.source == Source::Bioc).then_some(value)))
}

fn modified(alert: &Alert) -> Cell<'_> {
    let at = alert.detection.updated.timestamp_millis();
    if at == alert.inserted_ms() { Cell::Null } else { Cell::Int(at) }
}

/// A key and its value, the same in every shape that has it.
type HostKey = (&'static str, fn(&Alert) -> Cell<'_>);

/// The two keys of the host that stand in each event where there is a list of events (samples).
pub(super) static HOST_KEYS: &[HostKey] =
    &[("agent_install_type", install_type), ("agent_host_boot_time", boot_time)];

fn install_type(alert: &Alert) -> Cell<'_> {
    text(if alert.machine.is_some() { "STANDARD" } else { "NA" })
}

fn boot_time(alert: &Alert) -> Cell<'_> {
    alert.machine.as_ref().map_or(Cell::Null, |machine| Cell::Int(machine.last_reboot.timestamp_millis()))
}

fn outside_events(shape: Shape, cell: Cell<'_>) -> Option<Cell<'_>> {
    (shape != Shape::EventList).then_some(cell)
}

/// Every key of an alert, but for those of its events.
pub(super) static ALERT_KEYS: &[AlertKey] = &[
    ("alert_id", |a, _| Some(text(a.id.to_string()))),
    ("external_id", |a, _| Some(text(a.external_id()))),
    ("case_id", |a, _| Some(Cell::Int(i64::try_from(a.incident).unwrap_or(i64::MAX)))),
    ("name", |a, _| Some(text(a.wording.name))),
    ("category", |a, _| Some(text(a.wording.category))),
    ("description", |a, shape| Some(description(a, shape))),
    ("severity", |a, _| Some(text(words::severity(a.detection.severity)))),
    ("source", |a, _| Some(text(a.source.name()))),
    ("action", |a, _| Some(text(action(a).0))),
    ("action_pretty", |a, _| Some(text(action(a).1))),
    ("alert_type", |_, _| Some(text("Unclassified"))),
    ("alert_domain", |_, _| Some(text("DOMAIN_SECURITY"))),
    ("matching_status", |a, _| Some(text(if a.source == Source::Bioc { "MATCHED" } else { "UNMATCHABLE" }))),
    ("attempt_counter", |_, _| Some(Cell::Int(0))),
    ("end_match_attempt_ts", always_null),
    ("local_insert_ts", |a, _| Some(Cell::Int(a.inserted_ms()))),
    ("detection_timestamp", |a, _| Some(Cell::Int(a.happened_ms()))),
    ("last_modified_ts", |a, _| Some(modified(a))),
    ("is_whitelisted", |_, _| Some(Cell::Bool(false))),
    ("starred", |a, _| Some(Cell::Bool(a.detection.score >= 90))),
    ("is_pcap", |a, _| Some(Cell::Bool(a.source == Source::Ngfw))),
    ("deduplicate_tokens", |a, _| Some(text(hex32(mix2(a.root, 4))))),
    ("filter_rule_id", always_null),
    ("matching_service_rule_id", |a, _| ruled(a, uuid(u64::from(a.detection.kind.pattern)))),
    ("bioc_indicator", |a, _| ruled(a, a.rule().join(" "))),
    ("bioc_category_enum_key", |a, _| ruled(a, a.wording.category.to_uppercase().replace(' ', "_"))),
    ("resolution_status", |a, _| {
        Some(text(words::resolution_status(a.detection.status, a.detection.verdict)))
    }),
    ("resolution_comment", |a, _| {
        Some(maybe(a.detection.comments.last().map(|comment| comment.text.as_str())))
    }),
    ("dynamic_fields", always_null),
    ("tags", |a, shape| Some(several(a.tags(), shape))),
    ("original_tags", |a, shape| Some(several(vec![a.source.tag().to_owned()], shape))),
    ("malicious_urls", always_null),
    ("contains_featured_host", |_, shape| not_featured(shape)),
    ("contains_featured_user", |_, shape| not_featured(shape)),
    ("contains_featured_ip", |_, shape| not_featured(shape)),
    (
        "contains_featured_ip_address",
        |_, shape| if shape == Shape::Incident { not_featured(shape) } else { None },
    ),
    ("dss_job_title", always_null),
    ("dss_department", always_null),
    ("dss_country", always_null),
    ("dss_groups", always_null),
    ("mitre_tactic_id_and_name", |a, shape| {
        Some(several(words::tactic(a.detection.kind).into_iter().collect(), shape))
    }),
    ("mitre_technique_id_and_name", |a, shape| {
        Some(several(words::technique(a.detection.kind).into_iter().collect(), shape))
    }),
    ("endpoint_id", |a, _| Some(text(a.endpoint_id()))),
    ("host_name", |a, _| hosted(a, |machine| text(machine.hostname.as_str()))),
    ("host_ip", |a, shape| Some(several(a.host_ips(), shape))),
    ("mac", |a, _| hosted(a, |machine| maybe(macs(machine).into_iter().next()))),
    (
        "mac_address",
        |a, shape| if shape == Shape::EventList { hosted(a, |machine| texts(macs(machine))) } else { None },
    ),
    ("mac_addresses", |a, shape| hosted(a, |machine| several(macs(machine), shape))),
    ("agent_version", |a, _| hosted(a, |machine| text(machine.agent_version))),
    ("agent_os_type", |a, _| {
        Some(text(a.machine.as_ref().map_or("NO_HOST", |machine| words::agent_os(machine.platform()))))
    }),
    ("agent_os_sub_type", |a, _| hosted(a, |machine| text(os_sub_type(machine)))),
    ("agent_fqdn", |a, _| hosted(a, |machine| text(fqdn(machine)))),
    ("agent_device_domain", |a, _| {
        hosted(a, |machine| maybe(Some(machine.domain.as_str()).filter(|domain| !domain.is_empty())))
    }),
    ("agent_is_vdi", |a, _| hosted(a, |_| Cell::Bool(false))),
    ("agent_data_collection_status", |a, _| hosted(a, |_| Cell::Bool(true))),
    ("agent_install_type", |a, shape| outside_events(shape, install_type(a))),
    ("agent_host_boot_time", |a, shape| outside_events(shape, boot_time(a))),
    ("agent_ip_addresses_v6", always_null),
];

fn action(alert: &Alert) -> (&'static str, &'static str) {
    words::action(alert.source, alert.detection.kind.family, alert.detection.prevented)
}
