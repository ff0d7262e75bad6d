//! Filters in the model's own field names: parsed, printed, and evaluated on items.
//!
//! The semantics here are the reference. A provider may let its vendor do the work only where the
//! vendor keeps everything that would pass here; what the vendor lets through is checked again.
//!
//! * `=` on text is exact and case-sensitive; on enums it ignores case.
//! * `~` ignores case: with `*` it is a pattern over the whole value, without it a part of the value.
//! * A field with several values passes when one of them does.
//! * `!=` is the negation of `=`: an absent value passes.
//! * `>`, `>=`, `<`, `<=` compare times, numbers and severities; an absent value does not pass.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{Alert, Host, Severity};

/// What is listed and filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Noun {
    /// Alerts.
    Alert,
    /// Hosts.
    Host,
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alert => "alert",
            Self::Host => "host",
        })
    }
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// Equal.
    #[serde(rename = "=")]
    Eq,
    /// At least.
    #[serde(rename = ">=")]
    Ge,
    /// More.
    #[serde(rename = ">")]
    Gt,
    /// At most.
    #[serde(rename = "<=")]
    Le,
    /// Like: a part, or a pattern with `*`.
    #[serde(rename = "~")]
    Like,
    /// Less.
    #[serde(rename = "<")]
    Lt,
    /// Not equal.
    #[serde(rename = "!=")]
    Ne,
}

impl Op {
    /// The sign.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ge => ">=",
            Self::Gt => ">",
            Self::Le => "<=",
            Self::Like => "~",
            Self::Lt => "<",
            Self::Ne => "!=",
        }
    }

    fn compares(self) -> bool {
        matches!(self, Self::Ge | Self::Gt | Self::Le | Self::Lt)
    }
}

/// How a field's values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// `true` or `false`.
    Bool,
    /// One of the model's words.
    Enum(&'static [&'static str]),
    /// A number.
    Number,
    /// A severity: a word with an order.
    Severity,
    /// Text; addresses are text in their canonical form.
    Text,
    /// A time.
    Time,
}

/// A field that can be filtered on.
pub struct Field {
    /// The model's name, with dots for nesting.
    pub name: &'static str,
    /// How its values are compared.
    pub kind: FieldKind,
    get: Getter,
}

/// Gives out each value of a field.
type Get<T> = fn(&T, &mut dyn FnMut(Value<'_>));

enum Getter {
    Alert(Get<Alert>),
    Host(Get<Host>),
}

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

enum Value<'a> {
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

impl From<&u8> for Value<'_> {
    fn from(value: &u8) -> Self {
        Self::Number(f64::from(*value))
    }
}

macro_rules! fields {
    ($table:ident, $find:ident, $item:ident, $getter:ident, $doc:literal; $($name:literal $kind:expr, |$i:ident, $out:ident| $body:expr;)+) => {
        static $table: &[Field] = &[$(
            Field { name: $name, kind: $kind, get: Getter::$getter(|$i: &$item, $out: &mut dyn FnMut(Value<'_>)| $body) },
        )+];

        #[doc = $doc]
        #[must_use]
        pub fn $find() -> &'static [Field] {
            $table
        }
    };
}

const PLATFORMS: FieldKind =
    FieldKind::Enum(&["windows", "linux", "macos", "android", "ios", "ipados", "unknown"]);
const HOST_TYPES: FieldKind = FieldKind::Enum(&["desktop", "laptop", "mobile", "server", "unknown"]);
const CONNECTIONS: FieldKind = FieldKind::Enum(&["online", "offline", "lost", "uninstalled", "unknown"]);
const CONTAINMENTS: FieldKind =
    FieldKind::Enum(&["normal", "containment_pending", "contained", "lift_pending", "unknown"]);
const HEALTHS: FieldKind = FieldKind::Enum(&["ok", "degraded", "unprotected", "unknown"]);
const STATUSES: FieldKind =
    FieldKind::Enum(&["new", "in_progress", "reopened", "resolved", "suppressed", "unknown"]);
const VERDICTS: FieldKind = FieldKind::Enum(&[
    "true_positive",
    "false_positive",
    "benign",
    "disregard",
    "duplicate",
    "suspicious",
    "test",
    "unknown",
]);
const ACTIONS: FieldKind = FieldKind::Enum(&["allowed", "denied", "modified", "observed", "unknown"]);
const DISPOSITIONS: FieldKind = FieldKind::Enum(&[
    "allowed",
    "blocked",
    "challenge",
    "custom_action",
    "detected",
    "dropped",
    "isolated",
    "quarantined",
    "reset",
    "uncorrected",
    "unknown",
]);
use FieldKind::{Bool, Number, Text, Time};

fn each<'a, T, V: Into<Value<'a>>>(
    items: impl IntoIterator<Item = T>,
    map: impl Fn(T) -> Option<V>,
    out: &mut dyn FnMut(Value<'_>),
) {
    items.into_iter().filter_map(map).for_each(|v| out(v.into()));
}

fields! { HOST_FIELDS, host_fields, Host, Host, "The fields of a host that can be filtered on.";
    "agent.content_version" Text, |h, out| each(&h.agent.content_version, Some, out);
    "agent.health" HEALTHS, |h, out| out(h.agent.health.as_str().into());
    "agent.version" Text, |h, out| each(&h.agent.version, Some, out);
    "bios_version" Text, |h, out| each(&h.bios_version, Some, out);
    "boot_time" Time, |h, out| each(&h.boot_time, Some, out);
    "chassis" Text, |h, out| each(&h.chassis, Some, out);
    "cloud.account" Text, |h, out| each(&h.cloud, |c| c.account.as_ref(), out);
    "cloud.instance_uid" Text, |h, out| each(&h.cloud, |c| c.instance_uid.as_ref(), out);
    "cloud.provider" Text, |h, out| each(&h.cloud, |c| c.provider.as_ref(), out);
    "cloud.region" Text, |h, out| each(&h.cloud, |c| c.region.as_ref(), out);
    "cloud.zone" Text, |h, out| each(&h.cloud, |c| c.zone.as_ref(), out);
    "connection_state" CONNECTIONS, |h, out| out(h.connection_state.as_str().into());
    "contained_time" Time, |h, out| each(&h.contained_time, Some, out);
    "containment_state" CONTAINMENTS, |h, out| out(h.containment_state.as_str().into());
    "criticality" Text, |h, out| each(&h.criticality, Some, out);
    "default_gateway" Text, |h, out| each(&h.default_gateway, Some, out);
    "domain" Text, |h, out| each(&h.domain, Some, out);
    "external_ip" Text, |h, out| each(&h.external_ip, Some, out);
    "first_seen" Time, |h, out| each(&h.first_seen, Some, out);
    "groups" Text, |h, out| {
        each(&h.groups, |g| g.uid.as_ref(), out);
        each(&h.groups, |g| g.name.as_ref(), out);
    };
    "hostname" Text, |h, out| if !h.hostname.is_empty() { out(h.hostname.as_str().into()) };
    "installed" Time, |h, out| each(&h.installed, Some, out);
    "ip" Text, |h, out| {
        each(&h.ip, Some, out);
        each(&h.network_interfaces, |n| n.ip.as_ref(), out);
    };
    "is_hidden" Bool, |h, out| each(&h.is_hidden, Some, out);
    "is_vdi" Bool, |h, out| each(&h.is_vdi, Some, out);
    "k8s.cluster" Text, |h, out| each(&h.k8s, |k| k.cluster.as_ref(), out);
    "k8s.namespace" Text, |h, out| each(&h.k8s, |k| k.namespace.as_ref(), out);
    "k8s.pod" Text, |h, out| each(&h.k8s, |k| k.pod.as_ref(), out);
    "last_login" Time, |h, out| each(&h.last_login, Some, out);
    "last_seen" Time, |h, out| each(&h.last_seen, Some, out);
    "last_user.domain" Text, |h, out| each(&h.last_user, |u| u.domain.as_ref(), out);
    "last_user.name" Text, |h, out| each(&h.last_user, |u| u.name.as_ref(), out);
    "mac" Text, |h, out| each(&h.network_interfaces, |n| n.mac.as_ref(), out);
    "manufacturer" Text, |h, out| each(&h.manufacturer, Some, out);
    "model" Text, |h, out| each(&h.model, Some, out);
    "modified" Time, |h, out| each(&h.modified, Some, out);
    "name" Text, |h, out| each(&h.name, Some, out);
    "os.build" Text, |h, out| each(&h.os.build, Some, out);
    "os.kernel" Text, |h, out| each(&h.os.kernel, Some, out);
    "os.name" Text, |h, out| each(&h.os.name, Some, out);
    "os.type" PLATFORMS, |h, out| out(h.os.platform.as_str().into());
    "os.version" Text, |h, out| each(&h.os.version, Some, out);
    "ou" Text, |h, out| each(&h.ou, Some, out);
    "owner_email" Text, |h, out| each(&h.owner_email, Some, out);
    "policies" Text, |h, out| {
        each(&h.policies, |p| p.uid.as_ref(), out);
        each(&h.policies, |p| p.name.as_ref(), out);
    };
    "roles" Text, |h, out| each(&h.roles, Some, out);
    "serial_number" Text, |h, out| each(&h.serial_number, Some, out);
    "site" Text, |h, out| each(&h.site, Some, out);
    "smbios_uuid" Text, |h, out| each(&h.smbios_uuid, Some, out);
    "tags" Text, |h, out| each(&h.tags, |t| Some(&t.value), out);
    "type" HOST_TYPES, |h, out| out(h.kind.as_str().into());
    "uid" Text, |h, out| out(h.uid.as_str().into());
    "users" Text, |h, out| each(&h.users, |u| u.name.as_ref(), out);
}

fields! { ALERT_FIELDS, alert_fields, Alert, Alert, "The fields of an alert that can be filtered on.";
    "action" ACTIONS, |a, out| out(a.action.as_str().into());
    "analytic.name" Text, |a, out| each(&a.analytic, |x| x.name.as_ref(), out);
    "analytic.uid" Text, |a, out| each(&a.analytic, |x| x.uid.as_ref(), out);
    "assignee.email" Text, |a, out| each(&a.assignee, |u| u.email.as_ref(), out);
    "assignee.name" Text, |a, out| each(&a.assignee, |u| u.name.as_ref(), out);
    "attacks" Text, |a, out| for attack in &a.attacks {
        for part in [&attack.tactic, &attack.technique, &attack.sub_technique].into_iter().flatten() {
            each(&part.uid, Some, out);
            each(&part.name, Some, out);
        }
    };
    "case_uids" Text, |a, out| each(&a.case_uids, Some, out);
    "confidence_score" Number, |a, out| each(&a.confidence_score, Some, out);
    "created_time" Time, |a, out| each(&a.created_time, Some, out);
    "desc" Text, |a, out| each(&a.desc, Some, out);
    "device.domain" Text, |a, out| each(&a.device, |d| d.domain.as_ref(), out);
    "device.hostname" Text, |a, out| each(&a.device, |d| (!d.hostname.is_empty()).then_some(&d.hostname), out);
    "device.ip" Text, |a, out| each(&a.device, |d| d.ip.as_ref(), out);
    "device.os.type" PLATFORMS, |a, out| each(&a.device, |d| Some(d.os.platform.as_str()), out);
    "device.uid" Text, |a, out| each(&a.device, |d| (!d.uid.is_empty()).then_some(&d.uid), out);
    "disposition" DISPOSITIONS, |a, out| out(a.disposition.as_str().into());
    "first_seen" Time, |a, out| each(&a.first_seen, Some, out);
    "group_keys" Text, |a, out| each(&a.group_keys, Some, out);
    "iocs" Text, |a, out| each(&a.iocs, |i| Some(&i.value), out);
    "is_suppressed" Bool, |a, out| each(&a.is_suppressed, Some, out);
    "labels" Text, |a, out| each(&a.labels, Some, out);
    "last_seen" Time, |a, out| each(&a.last_seen, Some, out);
    "modified_time" Time, |a, out| each(&a.modified_time, Some, out);
    "prevented" Bool, |a, out| each(&a.prevented, Some, out);
    "product_feature" Text, |a, out| each(&a.product_feature, Some, out);
    "severity" FieldKind::Severity, |a, out| out(a.severity.as_str().into());
    "sha256" Text, |a, out| for evidence in &a.evidences {
        each(&evidence.process, |p| p.hashes.sha256.as_ref(), out);
        each(&evidence.file, |f| f.hashes.sha256.as_ref(), out);
    };
    "source_vendors" Text, |a, out| each(&a.source_vendors, Some, out);
    "status" STATUSES, |a, out| out(a.status.as_str().into());
    "time" Time, |a, out| each(&a.time, Some, out);
    "title" Text, |a, out| out(a.title.as_str().into());
    "types" Text, |a, out| each(&a.types, Some, out);
    "uid" Text, |a, out| out(a.uid.as_str().into());
    "uid_alt" Text, |a, out| each(&a.uid_alt, Some, out);
    "users" Text, |a, out| each(&a.users, |u| u.name.as_ref(), out);
    "verdict" VERDICTS, |a, out| out(a.verdict.as_str().into());
    "would_prevent" Bool, |a, out| each(&a.would_prevent, Some, out);
}

impl Noun {
    /// The fields of this noun that can be filtered on.
    #[must_use]
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Alert => ALERT_FIELDS,
            Self::Host => HOST_FIELDS,
        }
    }

    /// The field of this name.
    #[must_use]
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|f| f.name == name)
    }
}

/// Why a filter was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// There is no operator in the text.
    #[error("'{0}' is not a filter: write FIELD OP VALUE with OP one of = != ~ > >= < <=")]
    NoOperator(String),
    /// The field does not take this operator.
    #[error("{field} does not take '{op}': it takes {takes}")]
    Operator {
        /// The field.
        field: &'static str,
        /// The operator.
        op: &'static str,
        /// What it takes.
        takes: &'static str,
    },
    /// There is no such field.
    #[error("{noun}s cannot be filtered by '{field}'{}", suggestion(*.noun, .close))]
    UnknownField {
        /// The noun.
        noun: Noun,
        /// The field that was asked for.
        field: String,
        /// The nearest names.
        close: Vec<&'static str>,
    },
    /// The value does not fit the field.
    #[error("'{value}' is not {expected} for {field}")]
    Value {
        /// The field.
        field: &'static str,
        /// The value.
        value: String,
        /// What would fit.
        expected: String,
    },
}

fn suggestion(noun: Noun, close: &[&'static str]) -> String {
    if !close.is_empty() {
        return format!("; did you mean {}?", close.join(" or "));
    }
    let names: Vec<&str> = noun.fields().iter().map(|f| f.name).collect();
    format!("; they can be filtered by {}", names.join(", "))
}

/// One condition on one field. All values are alternatives.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    noun: Noun,
    field: &'static Field,
    op: Op,
    values: Vec<Operand>,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Bool(bool),
    Number(f64),
    Rank(u8, String),
    Text(String),
    Time(DateTime<Utc>),
}

impl Filter {
    /// Reads `FIELD OP VALUE`. A value may stand in single or double quotes; a time is RFC 3339, a
    /// date, or an age such as `24h` or `7d` before `now`.
    ///
    /// # Errors
    /// When the field is unknown, the operator does not fit it, or the value does not.
    pub fn parse(noun: Noun, text: &str, now: DateTime<Utc>) -> Result<Self, FilterError> {
        let (name, op, value) = split(text).ok_or_else(|| FilterError::NoOperator(text.to_owned()))?;
        Self::new(noun, name, op, &[unquote(value)], now)
    }

    /// A filter of parts; the values are alternatives.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn new(
        noun: Noun,
        name: &str,
        op: Op,
        values: &[&str],
        now: DateTime<Utc>,
    ) -> Result<Self, FilterError> {
        let field = noun.field(name).ok_or_else(|| unknown_field(noun, name))?;
        check_op(field, op)?;
        let values = values.iter().map(|v| operand(field, v, now)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { noun, field, op, values })
    }

    /// `field = word`, for fields of this crate's own.
    pub(crate) fn word(noun: Noun, name: &'static str, word: &str) -> Self {
        Self { noun, field: own(noun, name), op: Op::Eq, values: vec![Operand::Text(word.to_owned())] }
    }

    /// `field op time`, for fields of this crate's own.
    pub(crate) fn time(noun: Noun, name: &'static str, op: Op, time: DateTime<Utc>) -> Self {
        Self { noun, field: own(noun, name), op, values: vec![Operand::Time(time)] }
    }

    /// `severity op severity`.
    pub(crate) fn rank(op: Op, severity: &Severity) -> Self {
        let value = Operand::Rank(severity.rank(), severity.as_str().to_owned());
        Self { noun: Noun::Alert, field: own(Noun::Alert, "severity"), op, values: vec![value] }
    }

    /// The noun.
    #[must_use]
    pub fn noun(&self) -> Noun {
        self.noun
    }

    /// The field.
    #[must_use]
    pub fn field(&self) -> &'static Field {
        self.field
    }

    /// The operator.
    #[must_use]
    pub fn op(&self) -> Op {
        self.op
    }

    /// The alternatives as text, times in RFC 3339.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.values.iter().map(ToString::to_string).collect()
    }

    /// The first alternative as a time.
    #[must_use]
    pub fn as_time(&self) -> Option<DateTime<Utc>> {
        match self.values.first() {
            Some(Operand::Time(time)) => Some(*time),
            _ => None,
        }
    }

    /// The severities that pass, least first.
    #[must_use]
    pub fn severities(&self) -> Vec<Severity> {
        let holds = |s: &&Severity| self.passes_value(&Value::Text(Cow::Borrowed(s.as_str())));
        let passing = |s: &&Severity| holds(s) != (self.op == Op::Ne);
        Severity::KNOWN.iter().filter(passing).cloned().collect()
    }

    /// True when the host passes.
    #[must_use]
    pub fn passes_host(&self, host: &Host) -> bool {
        match &self.field.get {
            Getter::Host(get) => self.passes(|out| get(host, out)),
            Getter::Alert(_) => false,
        }
    }

    /// True when the alert passes.
    #[must_use]
    pub fn passes_alert(&self, alert: &Alert) -> bool {
        match &self.field.get {
            Getter::Alert(get) => self.passes(|out| get(alert, out)),
            Getter::Host(_) => false,
        }
    }

    fn passes(&self, get: impl Fn(&mut dyn FnMut(Value<'_>))) -> bool {
        let mut hit = false;
        get(&mut |value| hit = hit || self.passes_value(&value));
        hit != (self.op == Op::Ne)
    }

    fn passes_value(&self, value: &Value<'_>) -> bool {
        self.values.iter().any(|operand| holds(self.field.kind, self.op, value, operand))
    }
}

/// `hostname ~ name`, for a search that ignores case.
pub(crate) fn name_like(name: &str) -> Filter {
    let values = vec![Operand::Text(name.to_owned())];
    Filter { noun: Noun::Host, field: own(Noun::Host, "hostname"), op: Op::Like, values }
}

fn own(noun: Noun, name: &'static str) -> &'static Field {
    // The names are this crate's own constants; a test walks every constructor.
    noun.field(name).unwrap_or(&noun.fields()[0])
}

/// `!=` is evaluated as `=` here and negated over all values of the field.
fn holds(kind: FieldKind, op: Op, value: &Value<'_>, operand: &Operand) -> bool {
    match (value, operand) {
        (Value::Text(v), Operand::Rank(rank, _)) => ordered(op, &Severity::from(v.as_ref()).rank(), rank),
        (Value::Text(v), Operand::Text(o)) if op == Op::Like => like(v, o),
        (Value::Text(v), Operand::Text(o)) if matches!(kind, FieldKind::Enum(_)) => v.eq_ignore_ascii_case(o),
        (Value::Text(v), Operand::Text(o)) => v == o,
        (Value::Time(v), Operand::Time(o)) => ordered(op, v, o),
        (Value::Number(v), Operand::Number(o)) => ordered(op, v, o),
        (Value::Bool(v), Operand::Bool(o)) => v == o,
        _ => false,
    }
}

fn ordered<T: PartialOrd>(op: Op, left: &T, right: &T) -> bool {
    match op {
        Op::Eq | Op::Ne | Op::Like => left == right,
        Op::Ge => left >= right,
        Op::Gt => left > right,
        Op::Le => left <= right,
        Op::Lt => left < right,
    }
}

/// Case-insensitive; `*` stands for any run of characters, otherwise a part of the value is enough.
fn like(value: &str, pattern: &str) -> bool {
    let (value, pattern) = (value.to_lowercase(), pattern.to_lowercase());
    if !pattern.contains('*') {
        return value.contains(&pattern);
    }
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = value.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn split(text: &str) -> Option<(&str, Op, &str)> {
    let at = text.find(['=', '!', '~', '<', '>'])?;
    let (name, rest) = text.split_at(at);
    let signs = [Op::Ge, Op::Le, Op::Ne, Op::Eq, Op::Like, Op::Gt, Op::Lt];
    let op = signs.into_iter().find(|op| rest.starts_with(op.sign()))?;
    let (name, value) = (name.trim(), rest[op.sign().len()..].trim());
    // `==` and `=~` are mistakes; a value that begins with a sign is put in quotes.
    let doubled = value.starts_with(['=', '!', '~', '<', '>']);
    (!name.is_empty() && !doubled).then_some((name, op, value))
}

fn unquote(value: &str) -> &str {
    let inner = |q: char| value.strip_prefix(q).and_then(|v| v.strip_suffix(q));
    inner('\'').or_else(|| inner('"')).unwrap_or(value)
}

fn check_op(field: &'static Field, op: Op) -> Result<(), FilterError> {
    let (fits, takes) = match field.kind {
        FieldKind::Text => (!op.compares(), "= != ~"),
        FieldKind::Enum(_) | FieldKind::Bool => (matches!(op, Op::Eq | Op::Ne), "= !="),
        FieldKind::Time => (op.compares(), "> >= < <="),
        FieldKind::Number | FieldKind::Severity => (op != Op::Like, "= != > >= < <="),
    };
    if fits { Ok(()) } else { Err(FilterError::Operator { field: field.name, op: op.sign(), takes }) }
}

fn operand(field: &'static Field, value: &str, now: DateTime<Utc>) -> Result<Operand, FilterError> {
    let bad = |expected: String| FilterError::Value { field: field.name, value: value.to_owned(), expected };
    match field.kind {
        FieldKind::Text => {
            canonical(field.name, value).map(Operand::Text).ok_or_else(|| bad("a value".into()))
        }
        FieldKind::Bool => value.parse().map(Operand::Bool).map_err(|_| bad("true or false".into())),
        FieldKind::Number => {
            let number = value.parse().ok().filter(|n: &f64| n.is_finite());
            number.map(Operand::Number).ok_or_else(|| bad("a number".into()))
        }
        FieldKind::Time => {
            let expected = "a time (RFC 3339, a date, or an age such as 24h or 7d)";
            time(value, now).map(Operand::Time).ok_or_else(|| bad(expected.into()))
        }
        FieldKind::Severity => match Severity::from(value) {
            Severity::Other(_) => {
                Err(bad("one of unknown, informational, low, medium, high, critical".into()))
            }
            known => Ok(Operand::Rank(known.rank(), known.as_str().to_owned())),
        },
        FieldKind::Enum(words) => words
            .iter()
            .find(|w| w.eq_ignore_ascii_case(value))
            .map(|w| Operand::Text((*w).to_owned()))
            .ok_or_else(|| bad(format!("one of {}", words.join(", ")))),
    }
}

/// Addresses and MACs are compared in one form; a pattern stays as it is.
fn canonical(field: &str, value: &str) -> Option<String> {
    if value.is_empty() {
        return None;
    }
    let own = match field {
        "default_gateway" | "device.ip" | "external_ip" | "ip" => {
            crate::model::read::ip(value).map(|ip| ip.to_string())
        }
        "mac" => crate::model::read::mac(value),
        _ => None,
    };
    Some(own.unwrap_or_else(|| value.to_owned()))
}

/// A point in time: RFC 3339, a date (midnight UTC), or an age before `now`.
fn time(value: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(value) {
        return Some(time.with_timezone(&Utc));
    }
    if let Ok(date) = value.parse::<chrono::NaiveDate>() {
        return date.and_hms_opt(0, 0, 0).map(|t| t.and_utc());
    }
    age(value).and_then(|age| now.checked_sub_signed(age))
}

fn age(value: &str) -> Option<TimeDelta> {
    let unit = value.chars().last()?;
    let number: i64 = value[..value.len() - unit.len_utf8()].parse().ok().filter(|n| *n >= 0)?;
    match unit {
        's' => TimeDelta::try_seconds(number),
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        'w' => TimeDelta::try_weeks(number),
        _ => None,
    }
}

fn unknown_field(noun: Noun, name: &str) -> FilterError {
    let lower = name.to_lowercase();
    let tail = |f: &&'static str| f.rsplit('.').next().is_some_and(|t| t == lower);
    let near = |f: &&'static str| f.contains(&lower) || lower.contains(*f);
    let names = || noun.fields().iter().map(|f| f.name);
    // The last part of a name is what people remember of it.
    let exact: Vec<&'static str> = names().filter(tail).collect();
    let mut close = if exact.is_empty() { names().filter(near).collect() } else { exact };
    close.truncate(4);
    FilterError::UnknownField { noun, field: name.to_owned(), close }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Rank(_, word) => f.write_str(word),
            Self::Text(text) => f.write_str(text),
            Self::Time(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.field.name, self.op.sign(), self.texts().join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlertQuery, ConnectionState, ContainmentState, HostQuery, Platform};
    use chrono::TimeZone;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 1, 8, 0, 0, 0).unwrap()
    }

    fn host() -> Host {
        let mut host = Host::new("v", "t", "u1", "{}");
        host.hostname = "WIN-Build-01".into();
        host.os.platform = Platform::Windows;
        host.os.build = Some("19045".into());
        host.policies = vec![crate::Policy { name: Some("Servers".into()), ..crate::Policy::default() }];
        host.ip = "10.0.0.5".parse().ok();
        host.tags = vec![
            crate::Tag { source: None, value: "gold".into() },
            crate::Tag { source: None, value: "dmz".into() },
        ];
        host.last_seen = Some(now() - TimeDelta::days(3));
        host
    }

    fn passes(text: &str) -> bool {
        Filter::parse(Noun::Host, text, now()).unwrap().passes_host(&host())
    }

    #[test]
    fn operators_do_what_the_module_says() {
        for (text, expected) in [
            ("hostname = WIN-Build-01", true),
            ("hostname = win-build-01", false),
            ("hostname ~ build", true),
            ("hostname ~ 'WIN*01'", true),
            ("hostname ~ *build", false),
            ("hostname~*o*b*0*", false),
            ("hostname ~ w*b*0*", true),
            ("hostname != x", true),
            ("os.type = WINDOWS", true),
            ("os.type != windows", false),
            ("tags = dmz", true),
            ("tags != dmz", false),
            ("tags != silver", true),
            ("os.build = 19045", true),
            ("policies ~ server*", true),
            ("contained_time > 1d", false),
            ("domain = corp", false),
            ("domain != corp", true),
            ("ip = ::ffff:10.0.0.5", true),
            ("last_seen >= 7d", true),
            ("last_seen > 24h", false),
            ("last_seen < 2026-01-06", true),
            ("last_seen<=2026-01-05T00:00:00Z", true),
            ("boot_time > 1d", false),
        ] {
            assert_eq!(passes(text), expected, "{text}");
        }
    }

    #[test]
    fn wrong_filters_say_what_is_wrong() {
        for (text, says) in [
            ("hostname", "is not a filter"),
            ("= x", "is not a filter"),
            ("hostname == web", "is not a filter"),
            ("hostname =~ web", "is not a filter"),
            ("hostname = ''", "'' is not a value for hostname"),
            (
                "platform = windows",
                "hosts cannot be filtered by 'platform'; they can be filtered by agent.content_version",
            ),
            ("version = 1", "did you mean agent.version or os.version?"),
            ("os.type = beos", "one of windows, linux"),
            ("os.type > windows", "does not take '>'"),
            ("last_seen = 2026-01-01", "it takes > >= < <="),
            ("last_seen > yesterday", "is not a time"),
            ("last_seen > 99999999999999999999d", "is not a time"),
            ("is_hidden = maybe", "true or false"),
        ] {
            let error = Filter::parse(Noun::Host, text, now()).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn severities_have_an_order() {
        let mut alert = Alert::new("v", "t", "1", "{}");
        alert.severity = Severity::High;
        let parse = |text| Filter::parse(Noun::Alert, text, now()).unwrap();
        assert!(parse("severity >= high").passes_alert(&alert));
        assert!(!parse("severity > high").passes_alert(&alert));
        assert_eq!(parse("severity >= high").severities(), [Severity::High, Severity::Critical]);
        assert_eq!(parse("severity != high").severities().len(), 5);
        assert!(!parse("severity != high").passes_alert(&alert));
    }

    #[test]
    fn the_shorthands_name_real_fields() {
        let hosts = HostQuery::new()
            .platform(Platform::Linux)
            .connection(ConnectionState::Online)
            .containment(ContainmentState::Normal)
            .hostname("a")
            .seen_since(now());
        let names: Vec<_> = hosts.filters.iter().map(|f| f.field().name).collect();
        assert_eq!(names, ["os.type", "connection_state", "containment_state", "hostname", "last_seen"]);
        let alerts = AlertQuery::new().severity_at_least(Severity::Low).since(now()).until(now());
        let names: Vec<_> = alerts.filters.iter().map(|f| f.field().name).collect();
        assert_eq!(names, ["severity", "created_time", "created_time"]);
    }

    #[test]
    fn names_are_sorted_and_unique() {
        for noun in [Noun::Host, Noun::Alert] {
            assert!(noun.fields().windows(2).all(|w| w[0].name < w[1].name), "{noun}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in "\\PC*") {
            let _ = Filter::parse(Noun::Host, &text, now());
            let _ = Filter::parse(Noun::Alert, &format!("created_time > {text}"), now());
        }

        #[test]
        fn a_pattern_with_stars_matches_what_it_was_cut_from(parts in proptest::collection::vec("[a-z]{0,4}", 1..5)) {
            proptest::prop_assert!(like(&parts.join("xyz"), &parts.join("*")));
        }
    }
}
