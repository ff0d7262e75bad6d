//! A machine of a report as a row.

use std::borrow::Cow;

use edr::coverage::Machine;

use crate::output::Record;
use crate::output::columns::{Column, Fit, Value, columns, fit, list, text, time};

impl Record for Machine {
    type Key = (String, String);

    const NOUNS: (&'static str, &'static str) = ("machine", "machines");
    const COLUMNS: &'static [Column<Self>] = columns! { Machine;
        "uid" Plain, |m| text(&m.uid);
        "hostname" Plain, |m| text(&m.hostname);
        "platform" Plain, |m| text(m.platform.as_str());
        "state" Plain, |m| text(m.state.as_str());
        "findings" Plain, |m| list(m.findings.iter().map(|f| Some(Cow::Borrowed(f.as_str()))));
        "tenants" Plain, |m| list(m.present().map(|a| Some(Cow::Borrowed(a.tenant.as_str()))));
        "vendors" Plain, |m| list(m.present().map(|a| Some(Cow::Owned(a.vendor.to_string()))));
        "agents" Plain, |m| list(m.present().map(|a| {
            Some(Cow::Owned(format!("{} {}", a.vendor, a.version.as_deref().unwrap_or("?"))))
        }));
        "last_seen" Plain, |m| time(m.last_seen());
        "lines" Plain, |m| list(m.lines.iter().map(|line| Some(Cow::Owned(line.to_string()))));
    };
    const TABLE: &'static [Fit] = &[
        fit("hostname", 16, 0),
        fit("platform", 7, 2),
        fit("state", 11, 0),
        fit("findings", 20, 0),
        fit("agents", 16, 3),
        fit("last_seen", 8, 1),
    ];
    const PIPE: &'static [&'static str] =
        &["uid", "hostname", "platform", "state", "findings", "tenants", "vendors", "agents", "last_seen"];
    const WIDE: &'static [&'static str] = &[
        "uid",
        "hostname",
        "platform",
        "state",
        "findings",
        "tenants",
        "vendors",
        "agents",
        "last_seen",
        "lines",
    ];

    fn sort_key(&self) -> Self::Key {
        (self.hostname.to_lowercase(), self.uid.clone())
    }
}
