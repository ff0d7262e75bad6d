//! What was seen. The schema has one process, one file, one connection: the first of each is taken.

use edr_core::{Evidence, File, NetworkActivity, NetworkEndpoint, Process, Registry};

use super::Document;

/// What the evidence is about, in the schema's words.
pub(super) fn categories(evidences: &[Evidence]) -> Vec<&'static str> {
    let any = |has: fn(&Evidence) -> bool| evidences.iter().any(has);
    let all = [
        ("process", any(|e| e.process.is_some())),
        ("file", any(|e| e.file.is_some())),
        ("network", any(|e| e.network.is_some() || e.dns.is_some())),
        ("registry", any(|e| e.registry.is_some())),
    ];
    all.into_iter().filter_map(|(word, is)| is.then_some(word)).collect()
}

pub(super) fn put(document: &mut Document, evidences: &[Evidence]) {
    if let Some(found) = evidences.iter().find_map(|e| e.process.as_ref()) {
        process(document, "process", found);
        if let Some(parent) = found.parent.as_deref() {
            process(document, "process.parent", parent);
        }
    }
    if let Some(found) = evidences.iter().find_map(|e| e.file.as_ref()) {
        file(document, found);
    }
    if let Some(found) = evidences.iter().find_map(|e| e.network.as_ref()) {
        network(document, found);
    }
    if let Some(found) = evidences.iter().find_map(|e| e.dns.as_ref()) {
        document.text("dns.question.name", Some(&found.query));
    }
    if let Some(found) = evidences.iter().find_map(|e| e.registry.as_ref()) {
        registry(document, found);
    }
    evidences.iter().for_each(|e| relate(document, e));
}

fn process(document: &mut Document, at: &str, process: &Process) {
    let field = |name: &str| format!("{at}.{name}");
    document
        .some(&field("pid"), process.pid)
        .text(&field("entity_id"), process.uid.as_deref())
        .text(&field("name"), process.name.as_deref())
        .text(&field("executable"), process.path.as_deref())
        .text(&field("command_line"), process.cmd_line.as_deref())
        .date(&field("start"), process.created_time)
        .date(&field("end"), process.terminated_time)
        .hashes(&field("hash"), &process.hashes);
    if let Some(signature) = &process.signature {
        document
            .text(&field("code_signature.status"), Some(&signature.status))
            .text(&field("code_signature.subject_name"), signature.signer.as_deref());
    }
    if let Some(user) = &process.user {
        document.text(&field("user.name"), user.name.as_deref()).text(&field("user.id"), user.uid.as_deref());
    }
}

fn file(document: &mut Document, file: &File) {
    document
        .text("file.name", file.name.as_deref())
        .text("file.path", file.path.as_deref())
        .hashes("file.hash", &file.hashes);
}

fn network(document: &mut Document, network: &NetworkActivity) {
    let (local, remote) = (network.local.as_ref(), network.remote.as_ref());
    let inbound = network.direction.as_deref() == Some("inbound");
    let (source, target) = if inbound { (remote, local) } else { (local, remote) };
    endpoint(document, "source", source);
    endpoint(document, "destination", target);
    document.text("network.direction", network.direction.as_deref());
    let protocol = network.protocol.as_deref().map(str::to_lowercase);
    let transport = protocol.as_deref().is_some_and(|p| ["icmp", "sctp", "tcp", "udp"].contains(&p));
    let field = if transport { "network.transport" } else { "network.protocol" };
    document.text(field, protocol.as_deref());
}

fn endpoint(document: &mut Document, at: &str, endpoint: Option<&NetworkEndpoint>) {
    let Some(endpoint) = endpoint else { return };
    let ip = endpoint.ip.map(|ip| ip.to_string());
    document
        .text(&format!("{at}.address"), ip.as_deref().or(endpoint.hostname.as_deref()))
        .text(&format!("{at}.ip"), ip.as_deref())
        .some(&format!("{at}.port"), endpoint.port)
        .text(&format!("{at}.domain"), endpoint.hostname.as_deref());
}

fn registry(document: &mut Document, registry: &Registry) {
    let parts: Vec<&str> =
        [registry.key.as_deref(), registry.value.as_deref()].into_iter().flatten().collect();
    document
        .text("registry.key", registry.key.as_deref())
        .text("registry.value", registry.value.as_deref())
        .text("registry.path", Some(&parts.join("\\")))
        .list("registry.data.strings", registry.data.as_deref());
}

/// What to search for, of every evidence and not of the first alone.
fn relate(document: &mut Document, evidence: &Evidence) {
    let (process, file) = (evidence.process.as_ref(), evidence.file.as_ref());
    let hashes = process.map(|p| &p.hashes).into_iter().chain(file.map(|f| &f.hashes));
    for hash in hashes.flat_map(|h| [&h.md5, &h.sha1, &h.sha256]) {
        document.list("related.hash", hash.as_deref());
    }
    let users = evidence.user.iter().chain(process.and_then(|p| p.user.as_ref()));
    document.list("related.user", users.flat_map(edr_core::User::names));
    let network = evidence.network.as_ref();
    let ends = network.into_iter().flat_map(|n| [n.local.as_ref(), n.remote.as_ref()]).flatten();
    for end in ends {
        document.list("related.ip", end.ip.map(|ip| ip.to_string()));
        document.list("related.hosts", end.hostname.as_deref());
    }
    document.list("related.hosts", evidence.dns.as_ref().map(|dns| dns.query.as_str()));
}
