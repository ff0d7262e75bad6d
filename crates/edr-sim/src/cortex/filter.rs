//! The filter triples `{"field", "operator", "value"}`, joined by AND only, and the sort.
//!
//! Facts: cortex-xdr-api sections 3 (operators; `in` takes an array even for one value, the others a scalar; operator
//! names in any case), 4.1, 5.2 and 5.5 (which fields). An unknown field or operator and a value of the wrong type
//! are refused with 500, and `err_extra` names what is allowed. An enum value in the wrong case is no error: it matches
//! nothing, which is how clients that sent the enums of replies failed silently.

use serde_json::Value;

use super::envelope::Refusal;

/// An operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// The text contains the value.
    Contains,
    /// Equal.
    Eq,
    /// Greater or equal.
    Gte,
    /// One of.
    In,
    /// Less or equal.
    Lte,
    /// Not equal.
    Neq,
    /// None of.
    Nin,
}

impl Op {
    const NAMES: [(&'static str, Self); 7] = [
        ("contains", Self::Contains),
        ("eq", Self::Eq),
        ("gte", Self::Gte),
        ("in", Self::In),
        ("lte", Self::Lte),
        ("neq", Self::Neq),
        ("nin", Self::Nin),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, op)| *op)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, op)| *op == self).map_or("", |(name, _)| name)
    }

    fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::Nin)
    }
}

/// The type of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true` or `false`.
    Bool,
    /// An integer: an id, or a time in epoch milliseconds.
    Int,
    /// A string.
    Text,
}

/// A field that an API filters by.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name in requests.
    pub(super) name: &'static str,
    /// The operators it takes.
    pub(super) ops: &'static [Op],
    /// The type of its values.
    pub(super) kind: Kind,
}

/// A row of a table of fields.
pub(super) const fn field(name: &'static str, ops: &'static [Op], kind: Kind) -> Field {
    Field { name, ops, kind }
}

/// The values of a clause.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Operand {
    Bool(bool),
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

/// One condition, checked against its table.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    /// The field's name.
    pub(super) field: &'static str,
    op: Op,
    operand: Operand,
}

impl Clause {
    /// Whether a text satisfies the condition.
    pub(super) fn text(&self, actual: &str) -> bool {
        let Operand::Texts(wanted) = &self.operand else { return false };
        match self.op {
            Op::Contains => wanted.iter().any(|value| actual.contains(value.as_str())),
            Op::Neq | Op::Nin => wanted.iter().all(|value| value != actual),
            _ => wanted.iter().any(|value| value == actual),
        }
    }

    /// Whether one of several texts satisfies the condition.
    pub(super) fn any_text<T: AsRef<str>>(&self, actual: impl IntoIterator<Item = T>) -> bool {
        actual.into_iter().any(|text| self.text(text.as_ref()))
    }

    /// Whether a number satisfies the condition.
    pub(super) fn int(&self, actual: i64) -> bool {
        let Operand::Ints(wanted) = &self.operand else { return false };
        match self.op {
            Op::Gte => wanted.iter().all(|value| actual >= *value),
            Op::Lte => wanted.iter().all(|value| actual <= *value),
            Op::Neq | Op::Nin => !wanted.contains(&actual),
            _ => wanted.contains(&actual),
        }
    }

    /// Whether a number with a fraction satisfies the condition.
    pub(super) fn float(&self, actual: f64) -> bool {
        // A whole number bounds the fraction from its own side.
        let whole = if self.op == Op::Lte { actual.ceil() } else { actual.floor() };
        self.int(whole as i64)
    }

    /// Whether a truth value satisfies the condition.
    pub(super) fn bool(&self, actual: bool) -> bool {
        self.operand == Operand::Bool(actual)
    }

    /// The numbers, if the condition is "one of these".
    pub(super) fn listed_ints(&self) -> Option<&[i64]> {
        match (&self.operand, self.op) {
            (Operand::Ints(ints), Op::In | Op::Eq) => Some(ints),
            _ => None,
        }
    }

    /// The texts, if the condition is "one of these": what a lookup by id needs.
    pub(super) fn listed(&self) -> Option<&[String]> {
        match (&self.operand, self.op) {
            (Operand::Texts(texts), Op::In | Op::Eq) => Some(texts),
            _ => None,
        }
    }
}

/// Reads `filters` of a `request_data`; absent and null mean no condition.
pub(super) fn parse(data: &Value, table: &'static [Field]) -> Result<Vec<Clause>, Refusal> {
    match data.get("filters") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(triples)) => triples.iter().map(|triple| clause(triple, table)).collect(),
        Some(other) => Err(Refusal::invalid(format!("filters must be an array, got {other}"))),
    }
}

fn clause(triple: &Value, table: &'static [Field]) -> Result<Clause, Refusal> {
    let part = |key: &str| {
        triple.get(key).ok_or_else(|| {
            Refusal::invalid(format!("a filter must have field, operator and value: {key} is missing"))
        })
    };
    let field = known_field(text_of(part("field")?, "field")?, table)?;
    let op = known_op(text_of(part("operator")?, "operator")?, field)?;
    Ok(Clause { field: field.name, op, operand: operand(part("value")?, field, op)? })
}

fn text_of<'a>(value: &'a Value, key: &str) -> Result<&'a str, Refusal> {
    value.as_str().ok_or_else(|| Refusal::invalid(format!("{key} of a filter must be a string, got {value}")))
}

fn known_field(name: &str, table: &'static [Field]) -> Result<&'static Field, Refusal> {
    table.iter().find(|field| field.name == name).ok_or_else(|| {
        let allowed: Vec<&str> = table.iter().map(|field| field.name).collect();
        Refusal::invalid(format!(
            "Got an invalid filter field: {name}. Allowed fields: {}",
            allowed.join(", ")
        ))
    })
}

fn known_op(name: &str, field: &Field) -> Result<Op, Refusal> {
    Op::parse(name).filter(|op| field.ops.contains(op)).ok_or_else(|| {
        let allowed: Vec<&str> = field.ops.iter().map(|op| op.name()).collect();
        Refusal::invalid(format!(
            "Got an invalid operator {name} for the filter field {}. Allowed operators: {}",
            field.name,
            allowed.join(", ")
        ))
    })
}

fn operand(value: &Value, field: &Field, op: Op) -> Result<Operand, Refusal> {
    let wrong = || {
        Refusal::invalid(format!(
            "The value of filter field {} with operator {} must be {}, got {value}",
            field.name,
            op.name(),
            expected(field.kind, op)
        ))
    };
    let items: Vec<&Value> = match value {
        Value::Array(items) if op.takes_list() && !items.is_empty() => items.iter().collect(),
        Value::Array(_) => return Err(wrong()),
        _ if op.takes_list() => return Err(wrong()),
        scalar => vec![scalar],
    };
    typed(&items, field.kind).ok_or_else(wrong)
}

fn typed(items: &[&Value], kind: Kind) -> Option<Operand> {
    match kind {
        Kind::Bool => items.first()?.as_bool().map(Operand::Bool),
        Kind::Int => items.iter().map(|item| item.as_i64()).collect::<Option<_>>().map(Operand::Ints),
        Kind::Text => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .map(Operand::Texts),
    }
}

fn expected(kind: Kind, op: Op) -> &'static str {
    match (kind, op.takes_list()) {
        (Kind::Bool, _) => "a boolean",
        (Kind::Int, false) => "an integer",
        (Kind::Int, true) => "a non-empty array of integers",
        (Kind::Text, false) => "a string",
        (Kind::Text, true) => "a non-empty array of strings",
    }
}

/// The order of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sort {
    /// The field.
    pub(super) field: &'static str,
    /// Largest first.
    pub(super) descending: bool,
}

impl Sort {
    /// Reads `sort` of a `request_data`: `{"field", "keyword"}`, the keyword in either case (facts 3).
    pub(super) fn parse(
        data: &Value,
        fields: &'static [&'static str],
        default: Self,
    ) -> Result<Self, Refusal> {
        match data.get("sort") {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Object(sort)) if sort.is_empty() => Ok(default),
            Some(sort) => {
                let field = sort_field(sort, fields, default.field)?;
                Ok(Self { field, descending: descending(sort)? })
            }
        }
    }
}

fn sort_field(
    sort: &Value,
    fields: &'static [&'static str],
    default: &'static str,
) -> Result<&'static str, Refusal> {
    let Some(name) = sort.get("field") else { return Ok(default) };
    let found = fields.iter().find(|field| name.as_str() == Some(**field)).copied();
    found.ok_or_else(|| {
        Refusal::invalid(format!("Got an invalid sort field: {name}. Allowed fields: {}", fields.join(", ")))
    })
}

fn descending(sort: &Value) -> Result<bool, Refusal> {
    match sort
        .get("keyword")
        .map(|keyword| keyword.as_str().unwrap_or_default().to_ascii_lowercase())
        .as_deref()
    {
        None | Some("desc") => Ok(true),
        Some("asc") => Ok(false),
        Some(_) => Err(Refusal::invalid("Got an invalid sort keyword. Allowed keywords: asc, desc")),
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
