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

mod alert;
mod application;
mod audit;
mod case;
mod fields;
mod host;
mod host_group;
mod ioc;
mod vulnerability;

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::Severity;
pub use alert::alert_fields;
pub use application::application_fields;
pub use audit::audit_fields;
pub use case::case_fields;
pub use fields::{Field, Noun};
pub use host::host_fields;
pub use host_group::group_fields;
pub use ioc::ioc_fields;
pub use vulnerability::vulnerability_fields;

use fields::Value;

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
    #[error("{} cannot be filtered by '{field}'{}", .noun.plural(), suggestion(*.noun, .close))]
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
    pub(crate) fn rank(noun: Noun, op: Op, severity: &Severity) -> Self {
        let value = Operand::Rank(severity.rank(), severity.as_str().to_owned());
        Self { noun, field: own(noun, "severity"), op, values: vec![value] }
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
mod tests;
