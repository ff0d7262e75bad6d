//! What an alert saw: the process with its parents, files, connections, names, indicators.

use std::net::IpAddr;

use edr_core::model::read;
use edr_core::{Dns, Evidence, File, Hashes, Indicator, NetworkActivity, NetworkEndpoint, Process, User};

use super::{Notes, text};
use crate::api::alerts::{
    AlertEntity, FileTrace, IocContext, NetworkAccess, ProcessDetails, QuarantinedFile,
};

/// Everything that was seen, the process first. `user` is whom the process ran as.
pub(super) fn read(wire: &mut AlertEntity, user: Option<&User>, notes: &mut Notes) -> Vec<Evidence> {
    let mut out = vec![main(wire, user, notes)];
    let quarantined = std::mem::take(&mut wire.quarantined_files);
    out.extend(quarantined.into_iter().map(|f| of_file(self::quarantined(f, notes))));
    let lists = [
        ("written", std::mem::take(&mut wire.executables_written)),
        ("written", std::mem::take(&mut wire.files_written)),
        ("written", std::mem::take(&mut wire.file_writes)),
        ("accessed", std::mem::take(&mut wire.files_accessed)),
        ("accessed", std::mem::take(&mut wire.documents_accessed)),
        ("associated", std::mem::take(&mut wire.associated_files)),
    ];
    for (activity, list) in lists {
        out.extend(list.into_iter().map(|f| of_file(trace(f, activity, notes))));
    }
    let connections = std::mem::take(&mut wire.network_accesses);
    out.extend(
        connections.into_iter().map(|n| Evidence { network: network(n, notes), ..Evidence::default() }),
    );
    let names = std::mem::take(&mut wire.dns_requests);
    out.extend(names.into_iter().map(|d| {
        let at = d.load_time.or(d.timestamp);
        let time = notes.time("dns_requests.load_time", at.as_deref());
        Evidence { dns: text(d.domain_name).map(|query| Dns { query, time }), ..Evidence::default() }
    }));
    out.retain(|e| !e.is_empty());
    out
}

fn of_file(file: Option<File>) -> Evidence {
    Evidence { file, ..Evidence::default() }
}

/// The process that raised the alert; where there is none (a scan on demand), the file that did.
fn main(wire: &mut AlertEntity, user: Option<&User>, notes: &mut Notes) -> Evidence {
    let ran = wire.process_id.is_some()
        || wire.local_process_id.is_some()
        || wire.triggering_process_graph_id.is_some()
        || wire.cmdline.as_deref().is_some_and(|c| !c.is_empty());
    let hashes = notes.hashes(&[
        ("md5", wire.md5.as_deref()),
        ("sha1", wire.sha1.as_deref()),
        ("sha256", wire.sha256.as_deref()),
    ]);
    let (name, path) = (text(wire.filename.take()), text(wire.filepath.take()));
    if !ran {
        let file = File { name, path, hashes, activity: None, time: None };
        return Evidence {
            file: (file != File::default()).then_some(file),
            user: user.cloned(),
            ..Evidence::default()
        };
    }
    let mut process = Process { name, path, hashes, user: user.cloned(), ..Process::default() };
    process.pid = pid("local_process_id", wire.local_process_id.as_deref(), notes);
    process.uid = text(wire.triggering_process_graph_id.take()).or_else(|| text(wire.process_id.take()));
    // Verbatim: a trailing blank is part of a command line.
    process.cmd_line = wire.cmdline.take().filter(|c| !c.is_empty());
    process.created_time = notes.time("process_start_time", wire.process_start_time.as_deref());
    process.terminated_time = notes.time("process_end_time", wire.process_end_time.as_deref());
    if let (Some(start), Some(end)) = (process.created_time, process.terminated_time)
        && end < start
    {
        notes.anomaly(
            "process_end_time",
            wire.process_end_time.as_deref().unwrap_or_default(),
            "before the start",
        );
        process.terminated_time = None;
    }
    process.parent = parent(wire, notes).map(Box::new);
    process.ancestry =
        wire.grandparent_details.take().and_then(|g| relative(*g, notes)).into_iter().collect();
    Evidence { process: Some(process), ..Evidence::default() }
}

/// The parent, of which at least the id may be known.
fn parent(wire: &mut AlertEntity, notes: &mut Notes) -> Option<Process> {
    let known = wire.parent_details.take().and_then(|p| relative(*p, notes));
    known.or_else(|| {
        let uid = text(wire.parent_process_id.take()).filter(|id| id != "0");
        uid.map(|uid| Process { uid: Some(uid), ..Process::default() })
    })
}

fn relative(details: ProcessDetails, notes: &mut Notes) -> Option<Process> {
    let process = Process {
        pid: pid("parent_details.local_process_id", details.local_process_id.as_deref(), notes),
        uid: text(details.process_graph_id).or_else(|| text(details.process_id)),
        name: text(details.filename),
        path: text(details.filepath),
        cmd_line: details.cmdline.filter(|c| !c.is_empty()),
        hashes: notes.hashes(&[
            ("parent_details.md5", details.md5.as_deref()),
            ("parent_details.sha256", details.sha256.as_deref()),
        ]),
        user: read::user(details.user_name.as_deref().unwrap_or_default(), details.user_id.as_deref()),
        ..Process::default()
    };
    (!process.is_empty()).then_some(process)
}

/// The operating system's id; never `process_id`, which is the vendor's own and too large for one.
fn pid(field: &'static str, value: Option<&str>, notes: &mut Notes) -> Option<u32> {
    let value = value.map(str::trim).filter(|v| !v.is_empty() && *v != "0")?;
    let pid = value.parse().ok();
    if pid.is_none() {
        notes.anomaly(field, value, "not a process id");
    }
    pid
}

/// The name and the whole path of a file. Some lists give the folder as the path, one gives the whole
/// path as the name.
fn place(name: Option<String>, path: Option<String>) -> (Option<String>, Option<String>) {
    let (name, path) = (text(name), text(path));
    let separator = ['/', '\\'];
    match (name, path) {
        (Some(whole), None) if whole.contains(separator) => {
            let last = whole.rsplit(separator).next().unwrap_or_default().to_owned();
            (Some(last).filter(|l| !l.is_empty()), Some(whole))
        }
        (Some(name), Some(folder)) if folder.ends_with(separator) => {
            let whole = format!("{folder}{name}");
            (Some(name), Some(whole))
        }
        (None, Some(whole)) => {
            (whole.rsplit(separator).next().filter(|l| !l.is_empty()).map(str::to_owned), Some(whole))
        }
        both => both,
    }
}

fn trace(wire: FileTrace, activity: &str, notes: &mut Notes) -> Option<File> {
    let hashes =
        notes.hashes(&[("files.md5", wire.md5.as_deref()), ("files.sha256", wire.sha256.as_deref())]);
    let (name, path) = place(wire.filename.or(wire.name), wire.filepath);
    let time = notes.time("files.timestamp", wire.timestamp.as_deref());
    file(name, path, hashes, activity).map(|f| File { time, ..f })
}

fn quarantined(wire: QuarantinedFile, notes: &mut Notes) -> Option<File> {
    let hashes = notes.hashes(&[("quarantined_files.sha256", wire.sha256.as_deref())]);
    let (name, path) = place(wire.filename, None);
    let state = text(wire.state).unwrap_or_else(|| "quarantined".to_owned());
    file(name, path, hashes, &state)
}

fn file(name: Option<String>, path: Option<String>, hashes: Hashes, activity: &str) -> Option<File> {
    let some = name.is_some() || path.is_some() || !hashes.is_empty();
    some.then(|| File { name, path, hashes, activity: Some(activity.to_owned()), time: None })
}

fn network(wire: NetworkAccess, notes: &mut Notes) -> Option<NetworkActivity> {
    let local = endpoint(
        ("network_accesses.local_address", wire.local_address.as_deref()),
        ("network_accesses.local_port", wire.local_port.as_deref()),
        notes,
    );
    let remote = endpoint(
        ("network_accesses.remote_address", wire.remote_address.as_deref()),
        ("network_accesses.remote_port", wire.remote_port.as_deref()),
        notes,
    );
    if local.is_none() && remote.is_none() {
        return None;
    }
    let time = notes.time("network_accesses.access_timestamp", wire.access_timestamp.as_deref());
    let protocol = text(wire.protocol).map(|p| p.to_lowercase());
    let direction = direction(wire.connection_direction, notes);
    Some(NetworkActivity { local, remote, protocol, direction, time })
}

/// Words are taken; the numbers that some sensors send are not explained anywhere.
fn direction(word: Option<String>, notes: &mut Notes) -> Option<String> {
    let word = text(word)?.to_lowercase();
    let known = matches!(word.as_str(), "inbound" | "outbound");
    if !known {
        notes.anomaly("network_accesses.connection_direction", &word, "not a direction that is explained");
    }
    known.then_some(word)
}

fn endpoint(
    ip: (&'static str, Option<&str>),
    port: (&'static str, Option<&str>),
    notes: &mut Notes,
) -> Option<NetworkEndpoint> {
    let ip: Option<IpAddr> = notes.ip(ip.0, ip.1);
    let number = port.1.map(str::trim).filter(|p| !p.is_empty() && *p != "0");
    let parsed = number.and_then(|p| p.parse().ok());
    if let (Some(number), None) = (number, parsed) {
        notes.anomaly(port.0, number, "not a port");
    }
    let end = NetworkEndpoint { ip, port: parsed, ..NetworkEndpoint::default() };
    (end != NetworkEndpoint::default()).then_some(end)
}

/// The indicators, each once: that of the alert, those of its context, and bare values.
pub(super) fn iocs(wire: &mut AlertEntity) -> Vec<Indicator> {
    let own = IocContext {
        ioc_type: wire.ioc_type.take(),
        ioc_value: wire.ioc_value.take(),
        ioc_source: wire.ioc_source.take(),
        ioc_description: wire.ioc_description.take(),
        ..IocContext::default()
    };
    let mut out: Vec<Indicator> = Vec::new();
    for context in std::iter::once(own).chain(std::mem::take(&mut wire.ioc_context)) {
        let Some(value) = text(context.ioc_value) else { continue };
        let kind = text(context.ioc_type).map_or_else(|| guess(&value), |word| ioc_kind(&word));
        if !out.iter().any(|i| i.kind == kind && i.value == value) {
            let (source, desc) = (text(context.ioc_source), text(context.ioc_description));
            out.push(Indicator { kind, value, source, desc });
        }
    }
    for value in super::texts(std::mem::take(&mut wire.ioc_values)) {
        if !out.iter().any(|i| i.value == value) {
            out.push(Indicator { kind: guess(&value), value, source: None, desc: None });
        }
    }
    out
}

fn ioc_kind(word: &str) -> String {
    match word.to_ascii_lowercase().as_str() {
        "hash_sha256" | "sha256" => "sha256".to_owned(),
        "hash_md5" | "md5" => "md5".to_owned(),
        "hash_sha1" | "sha1" => "sha1".to_owned(),
        "domain" | "domain_name" => "domain".to_owned(),
        known @ ("ipv4" | "ipv6" | "url") => known.to_owned(),
        _ => word.to_owned(),
    }
}

/// The sort of a bare value, by its form.
fn guess(value: &str) -> String {
    let by_hash = read::hash(value).map(|h| match h.len() {
        32 => "md5",
        40 => "sha1",
        _ => "sha256",
    });
    let by_ip = value.parse::<IpAddr>().ok().map(|ip| if ip.is_ipv4() { "ipv4" } else { "ipv6" });
    by_hash.or(by_ip).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_name_and_a_whole_path() {
        let own = |t: &str| Some(t.to_owned());
        for (name, path, expected) in [
            (own("a.exe"), own("/tmp/"), (own("a.exe"), own("/tmp/a.exe"))),
            (
                own("a.exe"),
                own(r"\Device\HarddiskVolume3\x\a.exe"),
                (own("a.exe"), own(r"\Device\HarddiskVolume3\x\a.exe")),
            ),
            (own(r"\Device\x\a.exe"), None, (own("a.exe"), own(r"\Device\x\a.exe"))),
            (None, own("/bin/ls"), (own("ls"), own("/bin/ls"))),
            (own("a.exe"), None, (own("a.exe"), None)),
        ] {
            assert_eq!(place(name, path), expected);
        }
    }

    #[test]
    fn a_direction_that_is_not_explained_is_told() {
        for (word, expected, told) in [
            ("Inbound", Some("inbound"), None),
            ("outbound", Some("outbound"), None),
            ("", None, None),
            ("0", None, Some("0")),
        ] {
            let mut notes = Notes::new(chrono::DateTime::UNIX_EPOCH);
            assert_eq!(direction(Some(word.to_owned()), &mut notes).as_deref(), expected, "{word}");
            assert_eq!(notes.anomalies.first().map(|a| a.value.as_str()), told, "{word}");
        }
    }

    #[test]
    fn indicators_come_once_and_in_our_words() {
        let mut wire: AlertEntity = serde_json::from_str(
            r#"{"ioc_type":"hash_sha256","ioc_value":"ab","ioc_context":[{"ioc_type":"hash_sha256","ioc_value":"ab"},
                {"ioc_type":"domain","ioc_value":"x.example"}],"ioc_values":["x.example","10.0.0.1",""]}"#,
        )
        .unwrap();
        let found: Vec<_> = iocs(&mut wire).into_iter().map(|i| (i.kind, i.value)).collect();
        let expected = [("sha256", "ab"), ("domain", "x.example"), ("ipv4", "10.0.0.1")];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}
