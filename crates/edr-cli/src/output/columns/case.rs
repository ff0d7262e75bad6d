//! The columns of a case.

use std::borrow::Cow;
use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use edr::Case;

use super::alert::technique;
use super::host::account;
use super::{Column, Fit, Record, Value, borrowed, columns, fit, flag, list, maybe, text, time, words};
use crate::output::standard::{self, Standard};

impl Record for Case {
    type Key = (Reverse<Option<DateTime<Utc>>>, String, String);

    const NOUNS: (&'static str, &'static str) = ("case", "cases");
    const STANDARD: Standard<Self> = standard::CASE;
    const COLUMNS: &'static [Column<Self>] = COLUMNS;
    const TABLE: &'static [Fit] = &[
        fit("severity", 8, 0),
        fit("created_time", 8, 0),
        fit("tenant", 8, 0),
        fit("vendor", 6, 2),
        fit("uid", 6, 0),
        fit("status", 11, 1),
        fit("title", 21, 0),
        fit("hosts", 12, 3),
        fit("alert_count", 6, 4),
        fit("assignee.name", 10, 5),
    ];
    const PIPE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "severity",
        "created_time",
        "status",
        "title",
        "hosts",
        "alert_count",
        "assignee.name",
    ];
    const WIDE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "severity",
        "created_time",
        "modified_time",
        "status",
        "verdict",
        "assignee.name",
        "title",
        "hosts",
        "users",
        "alert_count",
        "attacks",
        "labels",
    ];

    fn sort_key(&self) -> Self::Key {
        (Reverse(self.created_time), self.tenant.to_string(), self.uid.clone())
    }
}

const COLUMNS: &[Column<Case>] = columns! { Case;
    "tenant" Plain, |c| text(c.tenant.as_str());
    "vendor" Plain, |c| text(c.vendor.as_str());
    "uid" Plain, |c| text(&c.uid);
    "uid_alt" Plain, |c| maybe(c.uid_alt.as_ref());
    "tenant_uid" Plain, |c| maybe(c.tenant_uid.as_ref());
    "title" Plain, |c| text(&c.title);
    "desc" Plain, |c| maybe(c.desc.as_ref());
    "created_time" Plain, |c| time(c.created_time);
    "modified_time" Plain, |c| time(c.modified_time);
    "first_seen" Plain, |c| time(c.first_seen);
    "last_seen" Plain, |c| time(c.last_seen);
    "resolved_time" Plain, |c| time(c.resolved_time);
    "severity" Severity, |c| text(c.severity.as_str());
    "score" Plain, |c| c.score.map_or(Value::Empty, Value::Number);
    "status" Status, |c| text(c.status.as_str());
    "verdict" Plain, |c| text(c.verdict.as_str());
    "assignee.name" Plain, |c| maybe(c.assignee.as_ref().and_then(|u| u.name.as_ref()));
    "assignee.email" Plain, |c| maybe(c.assignee.as_ref().and_then(|u| u.email.as_ref()));
    "alert_count" Plain, |c| c.alert_count.map_or(Value::Empty, |n| Value::Number(n.into()));
    "alert_uids" Plain, |c| words(&c.alert_uids);
    "hosts" Plain, |c| list(c.hosts.iter().map(|h| borrowed(h.hostname.as_ref().or(h.uid.as_ref()))));
    "users" Plain, |c| list(c.users.iter().map(account));
    "attacks" Plain, |c| list(c.attacks.iter().map(technique));
    "labels" Plain, |c| words(&c.labels);
    "comments" Plain, |c| list(c.comments.iter().map(|x| Some(Cow::Borrowed(x.text.as_str()))));
    "is_starred" Plain, |c| flag(c.is_starred);
    "console_url" Plain, |c| maybe(c.console_url.as_ref());
};
