//! What we did to a host as Remediation Activity (7001 to 7004).

use edr_core::{Deed, ErrorKind, Fate, ProcessRef, Raw, ResponseAction, Standing};
use serde_json::Value;

use crate::build::Object;
use crate::evidence::{file_name, fingerprint};
use crate::frame::{Class, REMEDIATION, Source, head, metadata};
use crate::inventory::observe;
use crate::words::Word;
use crate::{Writer, device, frame};

const ISOLATE: Word<'static> = (1, "Isolate");
const EVICT: Word<'static> = (2, "Evict");
const RESTORE: Word<'static> = (3, "Restore");
const DETECT: Word<'static> = (5, "Detect");

pub(crate) fn event(deed: &Deed, writer: &Writer) -> Object {
    let class = class(&deed.action);
    let described = device::named_host(&deed.host);
    let mut source = Source::of(&deed.vendor, deed.urn(), None);
    source.profiles.extend(described.iter().map(|_| "host"));
    let named = deed.host.hostname.as_deref().filter(|h| !h.is_empty());
    let mut event = head(&class, writer, &Raw::default());
    event
        .put("time", deed.as_of.timestamp_millis())
        .time("start_time", Some(deed.requested))
        .id("severity", "severity", (1, "Informational"))
        .put("message", format!("{} {}", deed.action.verb(), named.unwrap_or("a host")))
        .object("metadata", metadata(source))
        .put("command_uid", deed.handle.as_deref().unwrap_or(&deed.operation))
        .object("device", described.unwrap_or_default())
        .list("countermeasures", countermeasure(&deed.action))
        .list("observables", named.map(|name| observe((1, "Hostname"), "device.hostname", name)))
        .object("unmapped", unmapped(deed));
    ended(&mut event, &deed.fate);
    target(&mut event, &deed.action);
    event
}

/// Containment is the host's network; a process and a file have classes of their own.
fn class(action: &ResponseAction) -> Class<'_> {
    let (uid, name, activity) = match action {
        ResponseAction::Contain => (7004, "Network Remediation Activity", ISOLATE),
        ResponseAction::Release => (7004, "Network Remediation Activity", RESTORE),
        ResponseAction::KillProcess { .. } => (7003, "Process Remediation Activity", EVICT),
        ResponseAction::QuarantineFile { .. } => (7002, "File Remediation Activity", ISOLATE),
        ResponseAction::FetchFile { .. } => (7002, "File Remediation Activity", (99, action.verb())),
        ResponseAction::Scan { .. } => (7001, "Remediation Activity", DETECT),
        other => (7001, "Remediation Activity", (99, other.verb())),
    };
    Class { uid, name, category: REMEDIATION, activity }
}

/// What the standard wants beside the host.
fn target(event: &mut Object, action: &ResponseAction) {
    match action {
        ResponseAction::Contain | ResponseAction::Release => {
            let mut connection = Object::new();
            connection.id("direction", "direction", (99, "both"));
            event.object("connection_info", connection);
        }
        ResponseAction::FetchFile { path } => {
            event.object("file", file(path, None));
        }
        ResponseAction::KillProcess { process: ProcessRef::Pid(pid) } => {
            let mut process = Object::new();
            process.put("pid", *pid);
            event.object("process", process);
        }
        ResponseAction::KillProcess { process: ProcessRef::Uid(uid) } => {
            let mut process = Object::new();
            process.put("uid", uid.as_str());
            event.object("process", process);
        }
        ResponseAction::QuarantineFile { path, sha256 } => {
            event.object("file", file(path, sha256.as_deref()));
        }
        ResponseAction::Scan { .. } => {
            let mut scan = Object::new();
            scan.put("name", "on demand").id("type", "type", (1, "Manual"));
            event.object("scan", scan);
        }
        _ => {}
    }
}

fn file(path: &str, sha256: Option<&str>) -> Object {
    let mut file = Object::new();
    file.put("name", file_name(path))
        .put("path", path)
        .id("type", "type", (1, "Regular File"))
        .list("hashes", sha256.and_then(fingerprint));
    file
}

/// The technique of D3FEND, where one is plain.
fn countermeasure(action: &ResponseAction) -> Option<Value> {
    let (uid, name) = match action {
        ResponseAction::Contain => ("D3-NI", "Network Isolation"),
        ResponseAction::KillProcess { .. } => ("D3-PT", "Process Termination"),
        _ => return None,
    };
    let mut technique = Object::new();
    technique.put("uid", uid).put("name", name);
    let mut measure = Object::new();
    measure.object("d3f_technique", technique);
    measure.filled()
}

/// The standard has no number for what is under way.
fn ended(event: &mut Object, fate: &Fate) {
    let (word, code, detail): (Word<'_>, &str, Option<&str>) = match fate {
        Fate::Already => ((1, "Success"), "already", None),
        Fate::Refused { kind: Some(ErrorKind::Unsupported), reason } => {
            ((5, "Unsupported"), "refused", Some(reason))
        }
        Fate::Refused { kind: Some(ErrorKind::NotFound), reason } => {
            ((3, "Does Not Exist"), "refused", Some(reason))
        }
        Fate::Refused { reason, .. } => ((2, "Failure"), "refused", Some(reason)),
        Fate::Taken(standing) => stands(standing),
        _ => ((0, "Unknown"), "unknown", None),
    };
    event.id("status", "status", word).put("status_code", code).some("status_detail", detail);
}

fn stands(standing: &Standing) -> (Word<'_>, &'static str, Option<&str>) {
    match standing {
        Standing::Cancelled => ((99, "Cancelled"), "cancelled", None),
        Standing::Done => ((1, "Success"), "done", None),
        Standing::Expired => ((2, "Failure"), "expired", None),
        Standing::Failed { reason } => ((2, "Failure"), "failed", Some(reason)),
        Standing::Partial { reason } => ((4, "Partial"), "partial", Some(reason)),
        Standing::Pending => ((99, "Pending"), "pending", None),
        Standing::PendingOffline => ((99, "Pending"), "pending_offline", None),
        Standing::Running => ((99, "In Progress"), "running", None),
        Standing::Unknown { word } => ((0, "Unknown"), "unknown", Some(word)),
        _ => ((0, "Unknown"), "unknown", None),
    }
}

fn unmapped(deed: &Deed) -> Object {
    let mut edr = Object::new();
    edr.put("tenant", deed.tenant.as_str())
        .put("vendor", deed.vendor.as_str())
        .put("operation", deed.operation.as_str())
        .put("action", deed.action.verb())
        .some("handle", deed.handle.as_deref())
        .some("trace_id", deed.trace_id.as_deref())
        .some("by", deed.by.as_deref())
        .some("reason", deed.because.reason.as_deref())
        .some("ticket", deed.because.ticket.as_deref())
        .some("case_uid", deed.because.case_uid.as_deref());
    told(&mut edr, &deed.action);
    frame::unmapped(edr)
}

/// Of a script only the names of its parameters: a value may be a secret.
fn told(edr: &mut Object, action: &ResponseAction) {
    match action {
        ResponseAction::RunScript { script, args } => {
            edr.put("script", script.as_str()).list("args", args.iter().map(|(name, _)| name.as_str()));
        }
        ResponseAction::Scan { paths } => {
            edr.list("paths", paths.iter().map(String::as_str));
        }
        ResponseAction::Tag { tags } | ResponseAction::Untag { tags } => {
            edr.list("tags", tags.iter().map(String::as_str));
        }
        _ => {}
    }
}
