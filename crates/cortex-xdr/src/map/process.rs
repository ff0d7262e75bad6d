//! The process tree of one event. Rules: reference, normalisation 3.13.

use edr_core::model::read;
use edr_core::{Process, Signature};

use super::Notes;
use crate::EventRecord;

/// The keys of one role; an empty one is a value that the role does not have.
struct Keys {
    pid: &'static str,
    uid: &'static str,
    name: &'static str,
    path: &'static str,
    cmd_line: &'static str,
    sha256: &'static str,
    md5: &'static str,
    signature: &'static str,
    signer: &'static str,
    started: &'static str,
}

macro_rules! keys {
    ($prefix:literal, $uid:literal, $cmd_line:literal) => {
        Keys {
            pid: concat!($prefix, "_os_pid"),
            uid: $uid,
            name: concat!($prefix, "_image_name"),
            path: concat!($prefix, "_image_path"),
            cmd_line: $cmd_line,
            sha256: concat!($prefix, "_image_sha256"),
            md5: concat!($prefix, "_image_md5"),
            signature: concat!($prefix, "_signature_status"),
            signer: concat!($prefix, "_signature_vendor"),
            started: concat!($prefix, "_execution_time"),
        }
    };
}

/// The process that acted.
static ACTOR: Keys = keys!("actor_process", "actor_process_instance_id", "actor_process_command_line");
/// The process that was started.
static STARTED: Keys =
    keys!("action_process", "action_process_instance_id", "action_process_image_command_line");
/// The root of the causality chain.
static ROOT: Keys =
    keys!("causality_actor_process", "causality_actor_causality_id", "causality_actor_process_command_line");
/// The process that the operating system names, where it differs from the actor.
static OS_ACTOR: Keys =
    keys!("os_actor_process", "os_actor_process_instance_id", "os_actor_process_command_line");

/// The process of an event with its parent and ancestors.
///
/// Where a process was started, it is the process and the actor its parent; else the actor is the
/// process. The operating system's own actor stands between them where it is another one. The root
/// of the causality chain is the last ancestor, and never the parent, unless it is the same process. Where
/// it alone is told, it stands for the process, and the origin says so.
pub(super) fn process(event: &EventRecord<'_>, notes: &mut Notes) -> Option<Process> {
    let mut read = |keys| one(event, keys, notes);
    // Without a name the action says nothing of a process that was started.
    let named = event.text(STARTED.name).is_some() || event.text(STARTED.path).is_some();
    let (started, actor, os_actor, root) = (read(&STARTED), read(&ACTOR), read(&OS_ACTOR), read(&ROOT));
    let os_user = event.text("os_actor_effective_username").and_then(|name| read::user(&name, None));
    let os_actor = os_actor.filter(|os| !actor.as_ref().is_some_and(|actor| same(os, actor)));
    let os_actor = os_actor.map(|os| Process { user: os_user, ..os });
    let mut line: Vec<Process> = match started.filter(|_| named) {
        Some(started) => [Some(started), os_actor, actor].into_iter().flatten().collect(),
        None => [actor, os_actor].into_iter().flatten().collect(),
    };
    let root = root.and_then(|root| merged(&mut line, root));
    if line.is_empty() && root.is_some() {
        notes.derived("evidences.process", "causality_actor");
    }
    assembled(line, root)
}

/// The root, unless it is one of the processes that are known: then that one gets its start.
fn merged(line: &mut [Process], root: Process) -> Option<Process> {
    match line.iter_mut().find(|known| same(known, &root)) {
        Some(known) => {
            known.created_time = known.created_time.or(root.created_time);
            None
        }
        None => Some(root),
    }
}

/// The first of the line with the next as its parent, and the root behind all of them.
fn assembled(line: Vec<Process>, root: Option<Process>) -> Option<Process> {
    let mut line = line.into_iter();
    let Some(mut process) = line.next() else { return root };
    process.parent = line.next().map(Box::new);
    process.ancestry = line.chain(root).collect();
    Some(process)
}

fn one(event: &EventRecord<'_>, keys: &Keys, notes: &mut Notes) -> Option<Process> {
    let process = Process {
        pid: pid(event, keys, notes),
        uid: event.text(keys.uid),
        name: event.text(keys.name),
        path: event.text(keys.path),
        cmd_line: event.verbatim(keys.cmd_line).filter(|line| read::text(line).is_some()),
        hashes: notes.hashes(&[(keys.sha256, event.text(keys.sha256)), (keys.md5, event.text(keys.md5))]),
        signature: signature(event, keys),
        created_time: notes.time(keys.started, event.get(keys.started)),
        ..Process::default()
    };
    // An id alone names a process that nothing else is known of.
    let known = process.name.is_some() || process.path.is_some() || process.cmd_line.is_some();
    (known || process.pid.is_some() || !process.hashes.is_empty()).then_some(process)
}

fn pid(event: &EventRecord<'_>, keys: &Keys, notes: &mut Notes) -> Option<u32> {
    let text = event.text(keys.pid)?;
    let pid = text.parse().ok();
    if pid.is_none() {
        notes.odd(keys.pid, text, "not a process id");
    }
    pid
}

fn signature(event: &EventRecord<'_>, keys: &Keys) -> Option<Signature> {
    let signer = event.text(keys.signer);
    let status = event.text(keys.signature).or_else(|| signer.as_ref().map(|_| String::new()))?;
    Some(Signature { status, signer })
}

/// True when two roles are one process: by the vendor's id, else by what was run.
fn same(one: &Process, other: &Process) -> bool {
    if let (Some(a), Some(b)) = (&one.uid, &other.uid) {
        return a == b;
    }
    if let (Some(a), Some(b)) = (one.pid, other.pid)
        && a != b
    {
        return false;
    }
    let fits = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    let told = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
    let alike =
        told(&one.name, &other.name) && fits(&one.path, &other.path) && fits(&one.cmd_line, &other.cmd_line);
    alike && (told(&one.path, &other.path) || told(&one.cmd_line, &other.cmd_line))
}
