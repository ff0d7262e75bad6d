//! The columns of an indicator.

use std::borrow::Cow;

use edr::Ioc;

use super::{Column, Fit, Record, Value, borrowed, columns, fit, flag, list, maybe, text, time, words};
use crate::output::standard::{self, Standard};

impl Record for Ioc {
    type Key = (String, String, String);

    const NOUNS: (&'static str, &'static str) = ("indicator", "indicators");
    const STANDARD: Standard<Self> = standard::IOC;
    const COLUMNS: &'static [Column<Self>] = COLUMNS;
    const TABLE: &'static [Fit] = &[
        fit("tenant", 8, 0),
        fit("vendor", 6, 2),
        fit("type", 6, 0),
        fit("value", 20, 0),
        fit("action", 7, 0),
        fit("severity", 8, 1),
        fit("expiration", 10, 3),
        fit("platforms", 10, 5),
        fit("source", 8, 4),
    ];
    const PIPE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "type",
        "value",
        "action",
        "severity",
        "expiration",
        "platforms",
        "source",
    ];
    const WIDE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "type",
        "value",
        "action",
        "severity",
        "expiration",
        "platforms",
        "is_global",
        "groups",
        "is_enabled",
        "is_expired",
        "tags",
        "desc",
        "source",
        "modified_time",
        "modified_by",
    ];

    fn sort_key(&self) -> Self::Key {
        (self.tenant.to_string(), self.key(), self.uid.clone())
    }
}

const COLUMNS: &[Column<Ioc>] = columns! { Ioc;
    "tenant" Plain, |i| text(i.tenant.as_str());
    "vendor" Plain, |i| text(i.vendor.as_str());
    "uid" Plain, |i| text(&i.uid);
    "tenant_uid" Plain, |i| maybe(i.tenant_uid.as_ref());
    "type" Plain, |i| text(i.kind.as_str());
    "value" Plain, |i| text(&i.value);
    "action" Plain, |i| text(i.action.as_str());
    "severity" Severity, |i| text(i.severity.as_str());
    "expiration" Plain, |i| i.expiration.time().map_or_else(|| Value::Text(Cow::Owned(i.expiration.to_string())), |at| Value::Time(*at));
    "platforms" Plain, |i| list(i.platforms.iter().map(|p| Some(Cow::Borrowed(p.as_str()))));
    "is_global" Plain, |i| flag(i.is_global);
    "groups" Plain, |i| list(i.groups.iter().map(|g| borrowed(g.name.as_ref().or(g.uid.as_ref()))));
    "is_enabled" Plain, |i| flag(i.is_enabled);
    "is_expired" Plain, |i| flag(i.is_expired);
    "tags" Plain, |i| words(&i.tags);
    "desc" Plain, |i| maybe(i.desc.as_ref());
    "source" Plain, |i| maybe(i.source.as_ref());
    "file_name" Plain, |i| maybe(i.file_name.as_ref());
    "reputation" Plain, |i| maybe(i.reputation.as_ref());
    "reliability" Plain, |i| maybe(i.reliability.as_ref());
    "created_time" Plain, |i| time(i.created_time);
    "created_by" Plain, |i| maybe(i.created_by.as_ref());
    "modified_time" Plain, |i| time(i.modified_time);
    "modified_by" Plain, |i| maybe(i.modified_by.as_ref());
};
