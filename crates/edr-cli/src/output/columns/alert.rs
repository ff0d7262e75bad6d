//! The columns of an alert.

use std::borrow::Cow;
use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use edr::Alert;
use edr::core::{Attack, Evidence, Host};

use super::host::account;
use super::{
    Column, Fit, Record, Standard, Value, borrowed, columns, fit, flag, ip, list, maybe, text, time, words,
};
use crate::output::standard;

impl Record for Alert {
    type Key = (Reverse<Option<DateTime<Utc>>>, String, String);

    const NOUNS: (&'static str, &'static str) = ("alert", "alerts");
    const COLUMNS: &'static [Column<Self>] = COLUMNS;
    const TABLE: &'static [Fit] = &[
        fit("severity", 8, 0),
        fit("created_time", 8, 0),
        fit("tenant", 8, 0),
        fit("vendor", 6, 2),
        fit("device.hostname", 14, 0),
        fit("status", 11, 1),
        fit("title", 21, 0),
        fit("attacks", 9, 3),
        fit("users", 10, 4),
        fit("uid", 36, 5),
    ];
    const PIPE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "severity",
        "created_time",
        "device.hostname",
        "status",
        "title",
        "attacks",
        "users",
    ];
    const WIDE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "severity",
        "created_time",
        "time",
        "device.hostname",
        "device.ip",
        "device.os.type",
        "users",
        "status",
        "verdict",
        "action",
        "disposition",
        "assignee.name",
        "title",
        "attacks",
        "product_feature",
        "case_uids",
        "labels",
    ];

    const STANDARD: Standard<Self> = standard::ALERT;

    fn sort_key(&self) -> Self::Key {
        (Reverse(self.created_time.or(self.time)), self.tenant.to_string(), self.uid.clone())
    }
}

const COLUMNS: &[Column<Alert>] = columns! { Alert;
    "tenant" Plain, |a| text(a.tenant.as_str());
    "vendor" Plain, |a| text(a.vendor.as_str());
    "uid" Plain, |a| text(&a.uid);
    "uid_alt" Plain, |a| maybe(a.uid_alt.as_ref());
    "tenant_uid" Plain, |a| maybe(a.tenant_uid.as_ref());
    "time" Plain, |a| time(a.time);
    "created_time" Plain, |a| time(a.created_time);
    "modified_time" Plain, |a| time(a.modified_time);
    "first_seen" Plain, |a| time(a.first_seen);
    "last_seen" Plain, |a| time(a.last_seen);
    "title" Plain, |a| text(&a.title);
    "desc" Plain, |a| maybe(a.desc.as_ref());
    "severity" Severity, |a| text(a.severity.as_str());
    "confidence_score" Plain, |a| a.confidence_score.map_or(Value::Empty, |n| Value::Number(n.into()));
    "status" Status, |a| text(a.status.as_str());
    "verdict" Plain, |a| text(a.verdict.as_str());
    "is_suppressed" Plain, |a| flag(a.is_suppressed);
    "action" Plain, |a| text(a.action.as_str());
    "disposition" Plain, |a| text(a.disposition.as_str());
    "prevented" Plain, |a| flag(a.prevented);
    "would_prevent" Plain, |a| flag(a.would_prevent);
    "assignee.name" Plain, |a| maybe(a.assignee.as_ref().and_then(|u| u.name.as_ref()));
    "assignee.email" Plain, |a| maybe(a.assignee.as_ref().and_then(|u| u.email.as_ref()));
    "product_feature" Plain, |a| maybe(a.product_feature.as_ref());
    "source_vendors" Plain, |a| words(&a.source_vendors);
    "analytic.type" Plain, |a| maybe(a.analytic.as_ref().and_then(|x| x.kind.as_ref()));
    "analytic.uid" Plain, |a| maybe(a.analytic.as_ref().and_then(|x| x.uid.as_ref()));
    "analytic.name" Plain, |a| maybe(a.analytic.as_ref().and_then(|x| x.name.as_ref()));
    "types" Plain, |a| words(&a.types);
    "attacks" Plain, |a| list(a.attacks.iter().map(technique));
    "device.uid" Plain, |a| device(a).map_or(Value::Empty, |d| text(&d.uid));
    "device.hostname" Plain, |a| device(a).map_or(Value::Empty, |d| text(&d.hostname));
    "device.domain" Plain, |a| maybe(device(a).and_then(|d| d.domain.as_ref()));
    "device.ip" Plain, |a| ip(device(a).and_then(|d| d.ip));
    "device.os.type" Plain, |a| device(a).map_or(Value::Empty, |d| text(d.os.platform.as_str()));
    "device.os.name" Plain, |a| maybe(device(a).and_then(|d| d.os.name.as_ref()));
    "users" Plain, |a| list(a.users.iter().map(account));
    "evidences" Plain, |a| list(a.evidences.iter().map(evidence));
    "iocs" Plain, |a| list(a.iocs.iter().map(|i| Some(Cow::Borrowed(i.value.as_str()))));
    "group_keys" Plain, |a| words(&a.group_keys);
    "case_uids" Plain, |a| words(&a.case_uids);
    "labels" Plain, |a| words(&a.labels);
    "comments" Plain, |a| list(a.comments.iter().map(|c| Some(Cow::Borrowed(c.text.as_str()))));
    "console_url" Plain, |a| maybe(a.console_url.as_ref());
};

fn device(alert: &Alert) -> Option<&Host> {
    alert.device.as_deref()
}

/// The most exact id: sub-technique, technique, tactic; a name where there is no id.
pub(super) fn technique(attack: &Attack) -> Option<Cow<'_, str>> {
    let parts = [&attack.sub_technique, &attack.technique, &attack.tactic];
    let id =
        |part: &'_ &Option<edr::core::AttackRef>| part.as_ref().and_then(|p| p.uid.is_some().then_some(()));
    let best = parts.iter().find(|p| id(p).is_some()).or_else(|| parts.iter().find(|p| p.is_some()))?;
    best.as_ref().and_then(|part| borrowed(part.uid.as_ref().or(part.name.as_ref())))
}

/// What names the evidence best: process, file, name that was looked up, remote address.
fn evidence(evidence: &Evidence) -> Option<Cow<'_, str>> {
    let process = evidence.process.as_ref().and_then(|p| p.cmd_line.as_ref().or(p.name.as_ref()));
    let file = evidence.file.as_ref().and_then(|f| f.path.as_ref().or(f.name.as_ref()));
    let dns = evidence.dns.as_ref().map(|d| &d.query);
    let key = evidence.registry.as_ref().and_then(|r| r.key.as_ref());
    let remote = evidence.network.as_ref().and_then(|n| n.remote.as_ref());
    let address = || remote.and_then(|r| r.ip).map(|ip| Cow::Owned(ip.to_string()));
    borrowed(process.or(file).or(dns).or(key)).or_else(address)
}
