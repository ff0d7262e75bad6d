//! What was seen: processes, files, connections, names, registry keys, accounts.

use edr_core::{Evidence, File, Hashes, NetworkActivity, NetworkEndpoint, Process, Registry};
use serde_json::Value;

use crate::build::Object;
use crate::device;
use crate::words;

/// Nothing when there is nothing in it that the standard can hold.
pub(crate) fn evidence(evidence: &Evidence) -> Option<Value> {
    let mut object = Object::new();
    object
        .some("process", evidence.process.as_ref().and_then(process))
        .some("file", evidence.file.as_ref().and_then(file))
        .some("user", evidence.user.as_ref().and_then(device::user));
    if let Some(network) = &evidence.network {
        connection(&mut object, network);
    }
    if let Some(dns) = evidence.dns.as_ref().filter(|d| !d.query.is_empty()) {
        let mut query = Object::new();
        query.put("hostname", dns.query.as_str());
        object.object("query", query);
    }
    if let Some(registry) = &evidence.registry {
        keys(&mut object, registry);
    }
    object.filled()
}

/// A process needs a pid or an id of its own; without one only its file is told.
fn process(process: &Process) -> Option<Value> {
    let mut object = Object::new();
    object.some("pid", process.pid).some("uid", process.uid.as_deref());
    if object.is_empty() {
        return None;
    }
    object
        .some("name", process.name.as_deref())
        .some("path", process.path.as_deref())
        .some("cmd_line", process.cmd_line.as_deref())
        .time("created_time", process.created_time)
        .time("terminated_time", process.terminated_time)
        .some("file", image(process))
        .some("user", process.user.as_ref().and_then(device::user))
        .some("parent_process", process.parent.as_deref().and_then(self::process))
        .list("ancestry", process.ancestry.iter().filter_map(ancestor));
    object.filled()
}

/// The image of a process, when more than its name is known.
fn image(process: &Process) -> Option<Value> {
    if process.path.is_none() && process.hashes.is_empty() {
        return None;
    }
    let (name, path) = (process.name.as_deref(), process.path.as_deref());
    Some(described(called(name, path, &process.hashes)?, path, &process.hashes))
}

fn ancestor(process: &Process) -> Option<Value> {
    let mut object = Object::new();
    object
        .some("pid", process.pid)
        .some("uid", process.uid.as_deref())
        .some("name", process.name.as_deref())
        .some("path", process.path.as_deref())
        .some("cmd_line", process.cmd_line.as_deref())
        .time("created_time", process.created_time);
    object.filled()
}

/// The last part of a path of Windows or of anything else.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).find(|part| !part.is_empty()).unwrap_or(path)
}

fn file(file: &File) -> Option<Value> {
    let (name, path) = (file.name.as_deref(), file.path.as_deref());
    Some(described(called(name, path, &file.hashes)?, path, &file.hashes))
}

/// The standard wants a name: the best digest stands in where a file has none.
fn called<'a>(name: Option<&'a str>, path: Option<&'a str>, hashes: &'a Hashes) -> Option<&'a str> {
    let digest = hashes.sha256.as_deref().or(hashes.sha1.as_deref()).or(hashes.md5.as_deref());
    name.or_else(|| path.map(file_name)).or(digest)
}

fn described(name: &str, path: Option<&str>, hashes: &Hashes) -> Value {
    let mut object = Object::new();
    object
        .put("name", name)
        .id("type", "type", (1, "Regular File"))
        .some("path", path)
        .list("hashes", fingerprints(hashes));
    object.into()
}

/// A digest by its length; nothing when it is none.
pub(crate) fn fingerprint(digest: &str) -> Option<Value> {
    let mut hashes = Hashes::default();
    hashes.insert(digest);
    fingerprints(&hashes).pop()
}

fn fingerprints(hashes: &Hashes) -> Vec<Value> {
    let all = [((1, "MD5"), &hashes.md5), ((2, "SHA-1"), &hashes.sha1), ((3, "SHA-256"), &hashes.sha256)];
    let one = |(algorithm, value): ((u64, &str), &Option<String>)| {
        let mut object = Object::new();
        object.put("value", value.as_deref()?).id("algorithm", "algorithm", algorithm);
        object.filled()
    };
    all.into_iter().filter_map(one).collect()
}

fn connection(object: &mut Object, network: &NetworkActivity) {
    let (local, remote) =
        (network.local.as_ref().and_then(endpoint), network.remote.as_ref().and_then(endpoint));
    let (source, target) =
        if network.direction.as_deref() == Some("inbound") { (remote, local) } else { (local, remote) };
    let mut info = Object::new();
    info.some("protocol_name", network.protocol.as_deref()).id(
        "direction",
        "direction",
        words::direction(network.direction.as_deref()),
    );
    let known = source.is_some() || target.is_some() || network.protocol.is_some();
    object.some("src_endpoint", source).some("dst_endpoint", target);
    if known {
        object.object("connection_info", info);
    }
}

fn endpoint(endpoint: &NetworkEndpoint) -> Option<Value> {
    let mut object = Object::new();
    object.some("ip", endpoint.ip.map(|ip| ip.to_string())).some("hostname", endpoint.hostname.as_deref());
    if object.is_empty() {
        return None;
    }
    object.some("port", endpoint.port);
    object.filled()
}

fn keys(object: &mut Object, registry: &Registry) {
    let Some(path) = registry.key.as_deref() else { return };
    let mut found = Object::new();
    found.put("path", path);
    match registry.value.as_deref() {
        None => object.object("reg_key", found),
        Some(name) => {
            found.put("name", name).some("data", registry.data.as_deref());
            object.object("reg_value", found)
        }
    };
}
