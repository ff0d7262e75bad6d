//! A case as Incident Finding (2005).

use edr_core::{Case, CaseHost, CaseStatus, User, Verdict};
use serde_json::Value;

use crate::build::Object;
use crate::frame::{Class, FINDINGS, Source, head, metadata};
use crate::inventory::value;
use crate::{Writer, device, finding, frame, words};

pub(crate) fn event(case: &Case, writer: &Writer) -> Object {
    let activity = words::finding_activity(case.status.is_done(), case.created_time, case.modified_time);
    let class = Class { uid: 2005, name: "Incident Finding", category: FINDINGS, activity };
    let mut source = Source::of(&case.vendor, case.urn(), case.tenant_uid.as_deref());
    source.labels.clone_from(&case.labels);
    source.profiles.push("incident");
    let mut event = head(&class, writer, &case.raw);
    event
        .put("time", case.modified_time.or(case.created_time).unwrap_or(writer.now).timestamp_millis())
        .time("start_time", case.first_seen)
        .time("end_time", case.last_seen)
        .id("severity", "severity", words::severity(&case.severity))
        .id("status", "status", words::case_status(&case.status))
        .text("message", &case.title)
        .some("desc", case.desc.as_deref())
        .object("metadata", metadata(source))
        .put("assignee", assignee(case.assignee.as_ref()))
        .some("src_url", case.console_url.as_deref())
        .some("comment", case.comments.last().map(|c| c.text.as_str()).filter(|t| !t.is_empty()))
        .list("finding_info_list", findings(case))
        .list("observables", observables(case))
        .object("unmapped", unmapped(case));
    if case.verdict != Verdict::Unknown {
        event.id("verdict", "verdict", words::verdict(&case.verdict));
    }
    event
}

/// The standard wants somebody, also where nobody has it yet.
fn assignee(user: Option<&User>) -> Value {
    user.and_then(device::user).unwrap_or_else(|| {
        let mut nobody = Object::new();
        nobody.put("name", "unassigned");
        nobody.into()
    })
}

/// The case itself first, then its alerts by their ids.
fn findings(case: &Case) -> Vec<Value> {
    let mut info = Object::new();
    info.put("uid", case.uid.as_str())
        .some("uid_alt", case.uid_alt.as_deref())
        .text("title", &case.title)
        .some("desc", case.desc.as_deref())
        .time("created_time", case.created_time)
        .time("modified_time", case.modified_time)
        .time("first_seen_time", case.first_seen)
        .time("last_seen_time", case.last_seen)
        .some("src_url", case.console_url.as_deref())
        .some("related_events_count", case.alert_count)
        .list("attacks", case.attacks.iter().filter_map(finding::attack));
    let alert = |uid: &String| {
        let mut info = Object::new();
        info.put("uid", uid.as_str());
        Value::from(info)
    };
    std::iter::once(info.into()).chain(case.alert_uids.iter().map(alert)).collect()
}

/// The hosts and accounts, which have no attribute of their own; so no path is named.
fn observables(case: &Case) -> Vec<Value> {
    let one = |kind: (u64, &str), value: &Option<String>| {
        let mut object = Object::new();
        object.put("value", value.as_deref().filter(|v| !v.is_empty())?).id("type", "type", kind);
        object.filled()
    };
    let host =
        |host: &CaseHost| [one((1, "Hostname"), &host.hostname), one((47, "Device Object: uid"), &host.uid)];
    let hosts = case.hosts.iter().flat_map(host);
    hosts.chain(case.users.iter().map(|user| one((4, "User Name"), &user.name))).flatten().collect()
}

fn unmapped(case: &Case) -> Object {
    let mut edr = Object::new();
    edr.put("tenant", case.tenant.as_str())
        .put("vendor", case.vendor.as_str())
        .some("score", case.score)
        .some("is_starred", case.is_starred)
        .time("resolved_time", case.resolved_time)
        .list("hosts", case.hosts.iter().map(value))
        .list("users", case.users.iter().map(value))
        .list("comments", case.comments.iter().map(value))
        .list("origins", case.origins.iter().map(value))
        .list("anomalies", case.anomalies.iter().map(value));
    if case.status == CaseStatus::Reopened {
        edr.put("status", case.status.as_str());
    }
    frame::unmapped(edr)
}
