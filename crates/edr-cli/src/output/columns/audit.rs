//! The columns of an audit event.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use edr::AuditEvent;

use super::host::account;
use super::{Column, Fit, Record, Value, columns, fit, ip, list, maybe, text, time, words};

impl Record for AuditEvent {
    type Key = (Reverse<Option<DateTime<Utc>>>, String, String);

    const NOUNS: (&'static str, &'static str) = ("audit event", "audit events");
    const COLUMNS: &'static [Column<Self>] = COLUMNS;
    const TABLE: &'static [Fit] = &[
        fit("time", 8, 0),
        fit("tenant", 8, 0),
        fit("vendor", 6, 2),
        fit("source", 7, 1),
        fit("actor.name", 10, 0),
        fit("action", 12, 0),
        fit("desc", 20, 0),
        fit("targets", 12, 4),
        fit("host.hostname", 10, 3),
        fit("result", 7, 5),
    ];
    const PIPE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "time",
        "source",
        "actor.name",
        "action",
        "desc",
        "targets",
        "host.hostname",
        "result",
    ];
    const WIDE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "time",
        "source",
        "type",
        "action",
        "desc",
        "actor.name",
        "actor.email",
        "src_ip",
        "targets",
        "host.hostname",
        "host.uid",
        "result",
        "reason",
        "severity",
        "case_uid",
    ];

    fn sort_key(&self) -> Self::Key {
        (Reverse(self.time), self.tenant.to_string(), self.uid.clone())
    }
}

const COLUMNS: &[Column<AuditEvent>] = columns! { AuditEvent;
    "tenant" Plain, |a| text(a.tenant.as_str());
    "vendor" Plain, |a| text(a.vendor.as_str());
    "uid" Plain, |a| text(&a.uid);
    "tenant_uid" Plain, |a| maybe(a.tenant_uid.as_ref());
    "source" Plain, |a| text(a.source.as_str());
    "type" Plain, |a| maybe(a.kind.as_ref());
    "action" Plain, |a| maybe(a.action.as_ref());
    "desc" Plain, |a| maybe(a.desc.as_ref());
    "time" Plain, |a| time(a.time);
    "created_time" Plain, |a| time(a.created_time);
    "actor.name" Plain, |a| list(a.actor.iter().map(account));
    "actor.email" Plain, |a| maybe(a.actor.as_ref().and_then(|u| u.email.as_ref()));
    "src_ip" Plain, |a| ip(a.src_ip);
    "targets" Plain, |a| words(&a.targets);
    "host.uid" Plain, |a| maybe(a.host.as_ref().and_then(|h| h.uid.as_ref()));
    "host.hostname" Plain, |a| maybe(a.host.as_ref().and_then(|h| h.hostname.as_ref()));
    "host.domain" Plain, |a| maybe(a.host.as_ref().and_then(|h| h.domain.as_ref()));
    "result" Plain, |a| text(a.result.as_str());
    "reason" Plain, |a| maybe(a.reason.as_ref());
    "severity" Severity, |a| text(a.severity.as_str());
    "session_uid" Plain, |a| maybe(a.session_uid.as_ref());
    "case_uid" Plain, |a| maybe(a.case_uid.as_ref());
};
