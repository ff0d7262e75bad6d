//! The keys of an event, with where each value comes from (cortex-xdr-api 5.3, "Event"). All keys are always present;
//! most are null, as they are in reality.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::alert::{Cell, Event, maybe, text};
use super::words::Source;
use crate::estate::alert::Process;

/// A key and its value in an event.
pub(super) type EventKey = (&'static str, for<'a> fn(Event<'a>) -> Cell<'a>);

fn null<'a>(_: Event<'a>) -> Cell<'a> {
    Cell::Null
}

/// The instance id of a process: base64 of its number.
pub(super) fn instance(process: Option<&Process>) -> Cell<'_> {
    maybe(process.map(|process| STANDARD.encode(process.unique.to_be_bytes())))
}

/// Whether the image of a process is signed.
pub(super) fn signed(process: Option<&Process>) -> Cell<'_> {
    text(match process {
        None => "N/A",
        Some(process) if process.signer.is_some() => "Signed",
        Some(_) => "Unsigned",
    })
}

fn vendor(process: Option<&Process>) -> Cell<'_> {
    maybe(process.and_then(|process| process.signer))
}

fn name(process: Option<&Process>) -> Cell<'_> {
    maybe(process.map(|process| process.name.as_str()))
}

fn path(process: Option<&Process>) -> Cell<'_> {
    maybe(process.map(|process| process.path.as_str()))
}

fn command(process: Option<&Process>) -> Cell<'_> {
    maybe(process.map(|process| process.command_line.as_str()))
}

fn sha256(process: Option<&Process>) -> Cell<'_> {
    maybe(process.map(|process| process.sha256.as_str()))
}

fn md5(process: Option<&Process>) -> Cell<'_> {
    maybe(process.map(|process| process.md5.as_str()))
}

fn pid(process: Option<&Process>) -> Cell<'_> {
    process.map_or(Cell::Null, |process| Cell::Int(i64::from(process.pid)))
}

fn started(process: Option<&Process>) -> Cell<'_> {
    process.map_or(Cell::Null, |process| Cell::Int(process.started.timestamp_millis()))
}

/// A value that only a firewall's alert has.
fn firewall<'a>(event: Event<'a>, value: &'static str) -> Cell<'a> {
    maybe((event.alert.source == Source::Ngfw).then_some(value))
}

fn port(port: Option<u16>) -> Cell<'static> {
    port.map_or(Cell::Null, |port| Cell::Int(i64::from(port)))
}

/// The keys that take a process have one suffix for each of its values.
macro_rules! keys {
    ($($key:literal => $value:expr),+ $(,)?) => { &[$(($key, $value)),+] };
}

/// Every key of an event.
pub(super) static EVENT_KEYS: &[EventKey] = keys! {
    "event_id" => null,
    "event_type" => |e| text(e.kind().name()),
    "event_sub_type" => null,
    "event_timestamp" => |e| Cell::Int(e.at_ms()),
    "module_id" => |e| maybe((e.alert.source == Source::Agent && !e.alert.wording.module.is_empty()).then_some(e.alert.wording.module)),
    "story_id" => null,
    "association_strength" => |e| e.actor().map_or(Cell::Null, |_| Cell::Int(50)),
    "dst_association_strength" => null,
    "user_name" => |e| maybe(e.alert.user()),
    "actor_process_instance_id" => |e| instance(e.actor()),
    "actor_process_image_path" => |e| path(e.actor()),
    "actor_process_image_name" => |e| name(e.actor()),
    "actor_process_command_line" => |e| command(e.actor()),
    "actor_process_signature_status" => |e| signed(e.actor()),
    "actor_process_signature_vendor" => |e| vendor(e.actor()),
    "actor_process_image_sha256" => |e| sha256(e.actor()),
    "actor_process_image_md5" => |e| md5(e.actor()),
    "actor_process_causality_id" => |e| instance(e.causality()),
    "actor_process_os_pid" => |e| pid(e.actor()),
    "actor_causality_id" => null,
    "actor_thread_thread_id" => null,
    "causality_actor_process_image_name" => |e| name(e.causality()),
    "causality_actor_process_command_line" => |e| command(e.causality()),
    "causality_actor_process_image_path" => |e| path(e.causality()),
    "causality_actor_process_signature_vendor" => |e| vendor(e.causality()),
    "causality_actor_process_signature_status" => |e| signed(e.causality()),
    "causality_actor_causality_id" => |e| instance(e.causality()),
    "causality_actor_process_execution_time" => |e| started(e.causality()),
    "causality_actor_process_image_md5" => |e| md5(e.causality()),
    "causality_actor_process_image_sha256" => |e| sha256(e.causality()),
    "os_actor_effective_username" => |e| maybe(e.os_actor().and_then(|_| e.alert.user())),
    "os_actor_process_instance_id" => |e| instance(e.os_actor()),
    "os_actor_process_image_path" => |e| path(e.os_actor()),
    "os_actor_process_image_name" => |e| name(e.os_actor()),
    "os_actor_process_command_line" => |e| command(e.os_actor()),
    "os_actor_process_signature_status" => |e| signed(e.os_actor()),
    "os_actor_process_signature_vendor" => |e| vendor(e.os_actor()),
    "os_actor_process_image_sha256" => |e| sha256(e.os_actor()),
    "os_actor_process_causality_id" => null,
    "os_actor_causality_id" => null,
    "os_actor_process_os_pid" => |e| pid(e.os_actor()),
    "os_actor_thread_thread_id" => null,
    "action_file_path" => |e| maybe(e.file().map(|file| format!("{}{}", file.folder, file.name))),
    "action_file_name" => |e| maybe(e.file().map(|file| file.name.as_str())),
    "action_file_md5" => null,
    "action_file_sha256" => |e| maybe(e.file().map(|file| file.sha256.as_str())),
    "action_file_macro_sha256" => null,
    "action_registry_data" => |e| maybe(e.registry().map(|value| value.data.as_str())),
    "action_registry_key_name" => |e| maybe(e.registry().map(|value| value.key.as_str())),
    "action_registry_value_name" => |e| maybe(e.registry().map(|value| value.value.as_str())),
    "action_registry_full_key" => |e| maybe(e.registry().map(|value| format!("{}\\{}", value.key, value.value))),
    "action_local_ip" => |e| maybe(e.network().map(|network| network.local_ip.as_str())),
    "action_local_ip_v6" => null,
    "action_local_port" => |e| port(e.network().map(|network| network.local_port)),
    "action_remote_ip" => |e| maybe(e.network().map(|network| network.remote_ip.as_str())),
    "action_remote_ip_v6" => null,
    "action_remote_port" => |e| port(e.network().map(|network| network.remote_port)),
    "action_external_hostname" => |e| maybe(e.dns()),
    "action_country" => |_| text("UNKNOWN"),
    "action_process_instance_id" => |e| instance(e.started()),
    "action_process_causality_id" => |e| instance(e.started().and_then(|_| e.causality())),
    "action_process_image_name" => |e| name(e.started()),
    "action_process_image_sha256" => |e| sha256(e.started()),
    "action_process_image_command_line" => |e| command(e.started()),
    "action_process_signature_status" => |e| signed(e.started()),
    "action_process_signature_vendor" => |e| vendor(e.started()),
    "dns_query_name" => |e| maybe(e.dns()),
    "dst_agent_id" => null,
    "dst_action_external_hostname" => null,
    "dst_action_external_port" => null,
    "dst_action_country" => null,
    "dst_causality_actor_process_execution_time" => null,
    "fw_app_id" => |e| firewall(e, "ssl"),
    "fw_app_category" => |e| firewall(e, "networking"),
    "fw_app_subcategory" => |e| firewall(e, "encrypted-tunnel"),
    "fw_app_technology" => |e| firewall(e, "browser-based"),
    "fw_interface_from" => |e| firewall(e, "ethernet1/2"),
    "fw_interface_to" => |e| firewall(e, "ethernet1/1"),
    "fw_rule" => |e| firewall(e, "outbound-web"),
    "fw_rule_id" => null,
    "fw_device_name" => |e| firewall(e, "fw-edge-01"),
    "fw_serial_number" => |e| firewall(e, "012801096514"),
    "fw_url_domain" => |e| if e.alert.source == Source::Ngfw { maybe(e.dns()) } else { Cell::Null },
    "fw_email_subject" => |e| firewall(e, ""),
    "fw_email_sender" => null,
    "fw_email_recipient" => null,
    "fw_vsys" => |e| firewall(e, "vsys1"),
    "fw_xff" => null,
    "fw_misc" => null,
    "fw_is_phishing" => |_| text("N/A"),
    "image_name" => null,
    "image_id" => null,
    "container_id" => null,
    "container_name" => null,
    "namespace" => null,
    "cluster_name" => null,
    "cloud_provider" => null,
    "project" => null,
    "resource_type" => null,
    "resource_sub_type" => null,
    "referenced_resource" => null,
    "operation_name" => null,
    "identity_type" => null,
    "identity_sub_type" => null,
    "user_agent" => null,
};
