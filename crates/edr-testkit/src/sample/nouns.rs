//! The nouns besides hosts and alerts.

use edr_core::{Application, AuditEvent, Case, HostGroup, HostRef, Ioc, Vulnerability};

use super::{texts, time};

/// The values of a case's field; empty when it has none, or when there is no such field.
pub(crate) fn of_case(case: &Case, field: &str) -> Vec<String> {
    match field {
        "alert_count" => texts(case.alert_count),
        "alert_uids" => texts(&case.alert_uids),
        "assignee.email" => texts(case.assignee.iter().filter_map(|u| u.email.as_ref())),
        "assignee.name" => texts(case.assignee.iter().filter_map(|u| u.name.as_ref())),
        "attacks" => super::attacks(&case.attacks),
        "created_time" => time(case.created_time),
        "desc" => texts(&case.desc),
        "first_seen" => time(case.first_seen),
        "hosts" => texts(case.hosts.iter().flat_map(|h| h.uid.iter().chain(&h.hostname))),
        "is_starred" => texts(case.is_starred),
        "labels" => texts(&case.labels),
        "last_seen" => time(case.last_seen),
        "modified_time" => time(case.modified_time),
        "resolved_time" => time(case.resolved_time),
        "score" => texts(case.score),
        "severity" => texts([&case.severity]),
        "status" => texts([&case.status]),
        "title" => texts([&case.title]),
        "uid" => texts([&case.uid]),
        "uid_alt" => texts(&case.uid_alt),
        "users" => texts(case.users.iter().filter_map(|u| u.name.as_ref())),
        "verdict" => texts([&case.verdict]),
        _ => Vec::new(),
    }
}

/// The values of an indicator's field; empty when it has none, or when there is no such field.
pub(crate) fn of_ioc(ioc: &Ioc, field: &str) -> Vec<String> {
    match field {
        "action" => texts([&ioc.action]),
        "created_by" => texts(&ioc.created_by),
        "created_time" => time(ioc.created_time),
        "desc" => texts(&ioc.desc),
        "expiration" => time(ioc.expiration.time().copied()),
        "file_name" => texts(&ioc.file_name),
        "groups" => texts(ioc.groups.iter().flat_map(|g| g.uid.iter().chain(&g.name))),
        "is_enabled" => texts(ioc.is_enabled),
        "is_expired" => texts(ioc.is_expired),
        "is_global" => texts(ioc.is_global),
        "modified_by" => texts(&ioc.modified_by),
        "modified_time" => time(ioc.modified_time),
        "platforms" => texts(&ioc.platforms),
        "reliability" => texts(&ioc.reliability),
        "reputation" => texts(&ioc.reputation),
        "severity" => texts([&ioc.severity]),
        "source" => texts(&ioc.source),
        "tags" => texts(&ioc.tags),
        "type" => texts([&ioc.kind]),
        "uid" => texts([&ioc.uid]),
        "value" => texts([&ioc.value]),
        _ => Vec::new(),
    }
}

/// The values of what names a host.
fn of_host_ref(host: &HostRef, field: &str) -> Vec<String> {
    match field {
        "host.domain" => texts(&host.domain),
        "host.hostname" => texts(&host.hostname),
        "host.os.type" => texts([&host.platform]),
        "host.uid" => texts(&host.uid),
        _ => Vec::new(),
    }
}

/// The values of an application's field; empty when it has none, or when there is no such field.
pub(crate) fn of_application(application: &Application, field: &str) -> Vec<String> {
    match field {
        "architectures" => texts(&application.architectures),
        "browser" => texts(&application.browser),
        "category" => texts(&application.category),
        "file_hash" => texts(&application.file_hash),
        "file_name" => texts(&application.file_name),
        "first_seen" => time(application.first_seen),
        "installed" => time(application.installed),
        "is_suspicious" => texts(application.is_suspicious),
        "last_used" => time(application.last_used),
        "last_user.name" => texts(application.last_user.iter().filter_map(|u| u.name.as_ref())),
        "modified_time" => time(application.modified_time),
        "name" => texts([&application.name]),
        "paths" => texts(&application.paths),
        "publisher" => texts(&application.publisher),
        "type" => texts(&application.kind),
        "uid" => texts([&application.uid]),
        "version" => texts(&application.version),
        _ => of_host_ref(&application.host, field),
    }
}

/// The values of a vulnerability's field; empty when it has none, or when there is no such field.
pub(crate) fn of_vulnerability(found: &Vulnerability, field: &str) -> Vec<String> {
    match field {
        "closed_time" => time(found.closed_time),
        "created_time" => time(found.created_time),
        "cve" => texts(&found.cve),
        "cvss.base_score" => texts(found.cvss.iter().filter_map(|c| c.base_score)),
        "cwes" => texts(&found.cwes),
        "desc" => texts(&found.desc),
        "is_exploit_available" => texts(found.is_exploit_available),
        "is_fix_available" => texts(found.is_fix_available),
        "is_known_exploited" => texts(found.is_known_exploited),
        "is_suppressed" => texts(found.is_suppressed),
        "modified_time" => time(found.modified_time),
        "name" => texts([&found.name]),
        "packages.name" => texts(found.packages.iter().filter_map(|p| p.name.as_ref())),
        "packages.publisher" => texts(found.packages.iter().filter_map(|p| p.publisher.as_ref())),
        "packages.version" => texts(found.packages.iter().filter_map(|p| p.version.as_ref())),
        "priority" => texts([&found.priority]),
        "published_time" => time(found.published_time),
        "severity" => texts([&found.severity]),
        "status" => texts([&found.status]),
        "uid" => texts([&found.uid]),
        _ => of_host_ref(&found.host, field),
    }
}

/// The values of an audit event's field; empty when it has none, or when there is no such field.
pub(crate) fn of_audit_event(event: &AuditEvent, field: &str) -> Vec<String> {
    let host = event.host.iter();
    match field {
        "action" => texts(&event.action),
        "actor.email" => texts(event.actor.iter().filter_map(|u| u.email.as_ref())),
        "actor.name" => texts(event.actor.iter().filter_map(|u| u.name.as_ref())),
        "case_uid" => texts(&event.case_uid),
        "created_time" => time(event.created_time),
        "desc" => texts(&event.desc),
        "host.domain" => texts(host.filter_map(|h| h.domain.as_ref())),
        "host.hostname" => texts(host.filter_map(|h| h.hostname.as_ref())),
        "host.uid" => texts(host.filter_map(|h| h.uid.as_ref())),
        "reason" => texts(&event.reason),
        "result" => texts([&event.result]),
        "session_uid" => texts(&event.session_uid),
        "severity" => texts([&event.severity]),
        "source" => texts([&event.source]),
        "src_ip" => texts(event.src_ip),
        "targets" => texts(&event.targets),
        "time" => time(event.time),
        "type" => texts(&event.kind),
        "uid" => texts([&event.uid]),
        _ => Vec::new(),
    }
}

/// The values of a group's field; empty when it has none, or when there is no such field.
pub(crate) fn of_group(group: &HostGroup, field: &str) -> Vec<String> {
    match field {
        "created_by" => texts(&group.created_by),
        "created_time" => time(group.created_time),
        "desc" => texts(&group.desc),
        "host_count" => texts(group.host_count),
        "modified_by" => texts(&group.modified_by),
        "modified_time" => time(group.modified_time),
        "name" => texts([&group.name]),
        "rule" => texts(&group.rule),
        "type" => texts([&group.kind]),
        "uid" => texts([&group.uid]),
        _ => Vec::new(),
    }
}
