//! What was seen: one evidence an event, its parts belonging together.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use edr_core::model::read;
use edr_core::{Dns, Evidence, File, NetworkActivity, NetworkEndpoint, Registry};

use super::process::process;
use super::{Notes, add};
use crate::{AlertRecord, EventRecord, wire};

/// The evidences of an alert: its events, and what cannot be put to an event each for itself.
pub(super) fn evidences(record: &AlertRecord, notes: &mut Notes) -> Vec<Evidence> {
    let mut all = Vec::new();
    for event in record.events().iter().chain(&record.strays()) {
        for evidence in of_event(event, notes).into_iter().filter(|e| !e.is_empty()) {
            add(&mut all, evidence);
        }
    }
    for (key, values) in record.misaligned() {
        let text = serde_json::to_string(values).unwrap_or_default();
        notes.odd(key, text, "as many values as there are neither events nor one for all");
    }
    all
}

/// The evidence of an event; a second one holds the IPv6 side of a connection that has both.
fn of_event(event: &EventRecord<'_>, notes: &mut Notes) -> Vec<Evidence> {
    let time = notes.time("event_timestamp", event.get("event_timestamp"));
    let (v4, v6) = (ends(event, "", notes), ends(event, "_v6", notes));
    let [network, second] = match (connection(event, v4, time, notes), connection(event, v6, time, notes)) {
        (Some(four), Some(six)) if has_ip(&four) && has_ip(&six) => [Some(four), Some(six)],
        (Some(four), six) => [if has_ip(&four) { Some(four) } else { six.or(Some(four)) }, None],
        (None, six) => [six, None],
    };
    let evidence = Evidence {
        process: process(event, notes),
        file: file(event, time, notes),
        network,
        dns: event.text("dns_query_name").map(|query| Dns { query, time }),
        registry: registry(event),
        user: event.text("user_name").and_then(|name| read::user(&name, None)),
    };
    let second = second.map(|network| Evidence { network: Some(network), ..Evidence::default() });
    std::iter::once(evidence).chain(second).collect()
}

fn file(event: &EventRecord<'_>, time: Option<DateTime<Utc>>, notes: &mut Notes) -> Option<File> {
    let (sha256, md5) = ("action_file_sha256", "action_file_md5");
    let file = File {
        name: event.text("action_file_name"),
        path: event.text("action_file_path"),
        hashes: notes.hashes(&[(sha256, event.text(sha256)), (md5, event.text(md5))]),
        ..File::default()
    };
    (file != File::default()).then_some(File { time, ..file })
}

fn registry(event: &EventRecord<'_>) -> Option<Registry> {
    let registry = Registry {
        key: event.text("action_registry_key_name").or_else(|| event.text("action_registry_full_key")),
        value: event.text("action_registry_value_name"),
        data: event.verbatim("action_registry_data").filter(|data| read::text(data).is_some()),
    };
    (registry != Registry::default()).then_some(registry)
}

/// A port; 0 is none.
fn port(event: &EventRecord<'_>, key: &str, notes: &mut Notes) -> Option<u16> {
    let text = event.text(key)?;
    let port = text.parse().ok();
    if port.is_none() {
        notes.odd(key, text, "not a port");
    }
    port.filter(|port| *port != 0)
}

/// The addresses of a connection, of one family.
type Ends = (Option<IpAddr>, Option<IpAddr>);

fn ends(event: &EventRecord<'_>, family: &str, notes: &mut Notes) -> Ends {
    let mut ip = |side: &str| {
        let key = format!("action_{side}_ip{family}");
        event.text(&key).and_then(|text| notes.ip(&key, &text))
    };
    (ip("local"), ip("remote"))
}

fn has_ip(network: &NetworkActivity) -> bool {
    [&network.local, &network.remote].into_iter().flatten().any(|end| end.ip.is_some())
}

fn connection(
    event: &EventRecord<'_>,
    (local, remote): Ends,
    time: Option<DateTime<Utc>>,
    notes: &mut Notes,
) -> Option<NetworkActivity> {
    let mut port = |key: &str| port(event, key, notes);
    let local = NetworkEndpoint { ip: local, port: port("action_local_port"), ..NetworkEndpoint::default() };
    let either = |keys: [&str; 2]| keys.iter().find_map(|key| event.text(key));
    let country = either(["action_country", "dst_action_country"]);
    let remote = NetworkEndpoint {
        ip: remote,
        port: port("action_remote_port").or_else(|| port("dst_action_external_port")),
        hostname: either(["action_external_hostname", "dst_action_external_hostname"]),
        country: country.filter(|c| !matches!(c.as_str(), "UNKNOWN" | "-")),
    };
    let known = |end: NetworkEndpoint| (end != NetworkEndpoint::default()).then_some(end);
    // A country alone describes no connection, the vendor fills it in for every event; nor does the
    // host's own address, which issues repeat as the source of everything.
    let own = |ip: IpAddr| {
        let hosts = event.alert().get("host_ip").map(wire::words).unwrap_or_default();
        hosts.iter().any(|text| read::ip(text) == Some(ip))
    };
    let told = remote.ip.is_some() || remote.hostname.is_some() || remote.port.is_some();
    let told = told || local.port.is_some() || local.ip.is_some_and(|ip| !own(ip));
    told.then(|| NetworkActivity {
        local: known(local),
        remote: known(remote),
        time,
        ..NetworkActivity::default()
    })
}
