//! Cases and indicators.

use edr_core::{Case, Ioc};

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
