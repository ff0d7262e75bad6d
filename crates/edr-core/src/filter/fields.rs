//! The fields that items can be filtered by: one table a noun, in a file of its own.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{FieldKind, Filter};
use crate::{Alert, Application, AuditEvent, Case, Host, HostGroup, Ioc, Vulnerability};

macro_rules! nouns {
    ($($(#[$doc:meta])* $name:ident $word:literal $words:literal $table:path, $passes:ident $says:literal;)+) => {
        /// What is listed and filtered.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Noun {
            $($(#[$doc])* $name,)+
        }

        impl Noun {
            /// Every noun.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// One of it, as a word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// Several of it, as a word.
            #[must_use]
            pub fn plural(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)+
                }
            }

            /// The fields of this noun that can be filtered on.
            #[must_use]
            pub fn fields(self) -> &'static [Field] {
                match self {
                    $(Self::$name => $table,)+
                }
            }
        }

        pub(super) enum Getter {
            $($name(Get<$name>),)+
        }

        impl Filter {
            $(
                #[doc = $says]
                #[must_use]
                pub fn $passes(&self, item: &$name) -> bool {
                    match &self.field.get {
                        Getter::$name(get) => self.passes(|out| get(item, out)),
                        _ => false,
                    }
                }
            )+
        }
    };
}

nouns! {
    /// Alerts.
    Alert "alert" "alerts" super::alert::ALERT_FIELDS, passes_alert "True when the alert passes.";
    /// Applications on hosts.
    Application "application" "applications" super::application::APPLICATION_FIELDS, passes_application "True when the application passes.";
    /// Entries of the vendor's own audit.
    AuditEvent "audit_event" "audit events" super::audit::AUDIT_FIELDS, passes_audit_event "True when the audit event passes.";
    /// Cases and incidents.
    Case "case" "cases" super::case::CASE_FIELDS, passes_case "True when the case passes.";
    /// Groups of hosts.
    HostGroup "group" "groups" super::host_group::GROUP_FIELDS, passes_group "True when the group passes.";
    /// Hosts.
    Host "host" "hosts" super::host::HOST_FIELDS, passes_host "True when the host passes.";
    /// Indicators of compromise that the tenant manages.
    Ioc "ioc" "iocs" super::ioc::IOC_FIELDS, passes_ioc "True when the indicator passes.";
    /// Vulnerabilities of hosts.
    Vulnerability "vulnerability" "vulnerabilities" super::vulnerability::VULNERABILITY_FIELDS, passes_vulnerability "True when the vulnerability passes.";
}

impl Noun {
    /// The field of this name.
    #[must_use]
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|f| f.name == name)
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A field that can be filtered on.
pub struct Field {
    /// The model's name, with dots for nesting.
    pub name: &'static str,
    /// How its values are compared.
    pub kind: FieldKind,
    pub(super) get: Getter,
}

/// Gives out each value of a field.
pub(super) type Get<T> = fn(&T, &mut dyn FnMut(Value<'_>));

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.kind == other.kind
    }
}

impl Eq for Field {}

/// A value of a field.
pub(super) enum Value<'a> {
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    Time(DateTime<Utc>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<&std::net::IpAddr> for Value<'_> {
    fn from(ip: &std::net::IpAddr) -> Self {
        Self::Text(Cow::Owned(ip.to_string()))
    }
}

impl From<&DateTime<Utc>> for Value<'_> {
    fn from(time: &DateTime<Utc>) -> Self {
        Self::Time(*time)
    }
}

impl From<&bool> for Value<'_> {
    fn from(value: &bool) -> Self {
        Self::Bool(*value)
    }
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl From<&$number> for Value<'_> {
            fn from(value: &$number) -> Self {
                Self::Number(f64::from(*value))
            }
        }
    )+};
}

numbers!(f64, u8, u32);
macro_rules! fields {
    ($table:ident, $find:ident, $item:ident, $getter:ident, $doc:literal; $($name:literal $kind:expr, |$i:ident, $out:ident| $body:expr;)+) => {
        pub(super) static $table: &[$crate::filter::fields::Field] = &[$(
            $crate::filter::fields::Field { name: $name, kind: $kind, get: $crate::filter::fields::Getter::$getter(|$i: &$item, $out: &mut dyn FnMut($crate::filter::fields::Value<'_>)| $body) },
        )+];

        #[doc = $doc]
        #[must_use]
        pub fn $find() -> &'static [$crate::filter::fields::Field] {
            $table
        }
    };
}
pub(super) use fields;

/// Gives out each value that is there.
pub(super) fn each<'a, T, V: Into<Value<'a>>>(
    items: impl IntoIterator<Item = T>,
    map: impl Fn(T) -> Option<V>,
    out: &mut dyn FnMut(Value<'_>),
) {
    items.into_iter().filter_map(map).for_each(|v| out(v.into()));
}

/// Tables of words that several nouns share.
pub(super) mod words {
    use super::FieldKind;

    pub(in crate::filter) const PLATFORMS: FieldKind =
        FieldKind::Enum(&["windows", "linux", "macos", "android", "ios", "ipados", "unknown"]);
    pub(in crate::filter) const VERDICTS: FieldKind = FieldKind::Enum(&[
        "true_positive",
        "false_positive",
        "benign",
        "disregard",
        "duplicate",
        "suspicious",
        "test",
        "unknown",
    ]);
}
