//! Checks a filter against a service's properties, and evaluates it.

use chrono::{DateTime, NaiveDate};

use super::FqlError;
use super::parse::{Expr, Literal, Op, Term, parse};

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, compared without regard to case.
    Text,
    /// Text, compared exactly (tags, groups, ids).
    Exact,
    /// Text on which a wildcard makes the service break.
    Brittle,
    /// A time.
    Time,
    /// A number.
    Number,
    /// A boolean.
    Bool,
    /// An address; takes a CIDR block.
    Ip,
}

/// A value of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Val {
    /// Text.
    Text(String),
    /// A number.
    Num(f64),
    /// A boolean.
    Bool(bool),
    /// A time in milliseconds.
    Time(i64),
}

impl From<&str> for Val {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Something that a filter is evaluated on: its values by property, none for null.
pub(crate) trait Record {
    /// The values of a property of the dialect's table.
    fn values(&self, property: &'static str) -> Vec<Val>;
}

/// What a service's filters can do.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The properties.
    pub(crate) properties: &'static [(&'static str, Kind)],
    /// Ranges only on times, no `!~`, and `'*x*'` without the operator finds nothing (hosts).
    pub(crate) strict: bool,
}

impl Dialect {
    /// A property by name.
    pub(crate) fn property(&self, name: &str) -> Option<(&'static str, Kind)> {
        self.properties.iter().find(|(known, _)| *known == name).copied()
    }
}

#[derive(Debug)]
enum Test {
    Null,
    Text(String),
    Exact(String),
    Glob(String, bool),
    Words(Vec<String>),
    Order(Op, f64),
    Bool(bool),
    Block(u32, u32),
    Never,
}

#[derive(Debug)]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Term { property: &'static str, negate: bool, any: Vec<Test> },
}

/// A filter, checked.
#[derive(Debug)]
pub(crate) struct Filter {
    root: Option<Node>,
}

impl Filter {
    /// Reads and checks a filter; an empty one lets everything through.
    pub(crate) fn compile(text: &str, dialect: &Dialect, now_ms: i64) -> Result<Self, FqlError> {
        if text.trim().is_empty() {
            return Ok(Self { root: None });
        }
        let expr = parse(text)?;
        if count(&expr) > 20 {
            return Err(FqlError::TooMany);
        }
        let checker = Checker { dialect, now_ms };
        Ok(Self { root: Some(checker.node(&expr)?) })
    }

    /// Whether it lets everything through.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Whether a record passes.
    pub(crate) fn matches(&self, record: &impl Record) -> bool {
        self.root.as_ref().is_none_or(|node| holds(node, record))
    }
}

fn count(expr: &Expr) -> usize {
    match expr {
        Expr::Term(_) => 1,
        Expr::And(parts) | Expr::Or(parts) => parts.iter().map(count).sum(),
    }
}

struct Checker<'a> {
    dialect: &'a Dialect,
    now_ms: i64,
}

impl Checker<'_> {
    fn node(&self, expr: &Expr) -> Result<Node, FqlError> {
        let all = |parts: &[Expr]| parts.iter().map(|p| self.node(p)).collect::<Result<Vec<_>, _>>();
        match expr {
            Expr::And(parts) => Ok(Node::And(all(parts)?)),
            Expr::Or(parts) => Ok(Node::Or(all(parts)?)),
            Expr::Term(term) => self.term(term),
        }
    }

    fn term(&self, term: &Term) -> Result<Node, FqlError> {
        let (property, kind) = self
            .dialect
            .property(&term.property)
            .ok_or_else(|| FqlError::UnknownProperty(term.property.clone()))?;
        let (negate, op) = match term.op {
            Op::Ne => (true, Op::Eq),
            Op::NotGlob => (true, Op::Glob),
            Op::NotWords if self.dialect.strict => return Err(FqlError::BadValue(term.property.clone())),
            Op::NotWords => (true, Op::Words),
            other => (false, other),
        };
        let any = term.values.iter().map(|v| self.test(term, kind, op, v)).collect::<Result<_, _>>()?;
        Ok(Node::Term { property, negate, any })
    }

    fn test(&self, term: &Term, kind: Kind, op: Op, value: &Literal) -> Result<Test, FqlError> {
        let bad = || FqlError::BadValue(term.property.clone());
        let text = match value {
            Literal::Null if op == Op::Eq => return Ok(Test::Null),
            Literal::Null => return Err(bad()),
            Literal::Quoted(text) | Literal::Bare(text) => text.as_str(),
        };
        if matches!(op, Op::Gt | Op::Ge | Op::Lt | Op::Le) {
            return Ok(Test::Order(op, self.ordinal(kind, text).ok_or_else(bad)?));
        }
        if op == Op::Words {
            return Ok(Test::Words(words(text)));
        }
        match kind {
            Kind::Time | Kind::Number => Ok(Test::Order(Op::Eq, self.ordinal(kind, text).ok_or_else(bad)?)),
            Kind::Bool => text.parse().map(Test::Bool).map_err(|_| bad()),
            Kind::Ip if text.contains('/') => block(text).ok_or_else(bad),
            _ => self.text(term, kind, op, text),
        }
    }

    fn text(&self, term: &Term, kind: Kind, op: Op, text: &str) -> Result<Test, FqlError> {
        let exact = kind == Kind::Exact;
        let wild = text.contains('*');
        if wild && kind == Kind::Brittle {
            return Err(FqlError::Breaks(term.property.clone()));
        }
        let inside = text.len() > 1 && text.starts_with('*') && text.ends_with('*');
        Ok(match op {
            Op::Glob => Test::Glob(text.to_owned(), exact),
            _ if wild && inside && self.dialect.strict => Test::Never,
            _ if wild => Test::Glob(text.to_owned(), exact),
            _ if exact => Test::Exact(text.to_owned()),
            _ => Test::Text(text.to_lowercase()),
        })
    }

    fn ordinal(&self, kind: Kind, text: &str) -> Option<f64> {
        match kind {
            Kind::Time => time(text, self.now_ms).map(|ms| ms as f64),
            Kind::Number if !self.dialect.strict => text.parse().ok(),
            _ => None,
        }
    }
}

/// A time as FQL writes it: RFC 3339, a date, or relative to now.
fn time(text: &str, now_ms: i64) -> Option<i64> {
    if let Some(rest) = text.strip_prefix("now") {
        return relative(rest).map(|offset| now_ms + offset);
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return date.and_hms_opt(0, 0, 0).map(|at| at.and_utc().timestamp_millis());
    }
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis())
}

fn relative(rest: &str) -> Option<i64> {
    if rest.is_empty() {
        return Some(0);
    }
    let (sign, rest) =
        rest.strip_prefix('-').map_or_else(|| rest.strip_prefix('+').map(|r| (1, r)), |r| Some((-1, r)))?;
    let unit = rest.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let number: i64 = rest.strip_suffix(unit)?.parse().ok()?;
    number.checked_mul(sign * seconds * 1_000)
}

fn block(text: &str) -> Option<Test> {
    let (address, bits) = text.split_once('/')?;
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let bits: u32 = bits.parse().ok().filter(|b| *b <= 32)?;
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    Some(Test::Block(u32::from(address) & mask, mask))
}

fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

fn holds(node: &Node, record: &impl Record) -> bool {
    match node {
        Node::And(parts) => parts.iter().all(|p| holds(p, record)),
        Node::Or(parts) => parts.iter().any(|p| holds(p, record)),
        Node::Term { property, negate, any } => {
            let values = record.values(property);
            any.iter().any(|test| passes(test, &values)) != *negate
        }
    }
}

fn passes(test: &Test, values: &[Val]) -> bool {
    match test {
        Test::Null => values.is_empty(),
        // An empty text is equal to no value.
        Test::Text(text) | Test::Exact(text) if text.is_empty() && values.is_empty() => true,
        test => values.iter().any(|value| one(test, value)),
    }
}

fn one(test: &Test, value: &Val) -> bool {
    match (test, value) {
        (Test::Text(want), Val::Text(have)) => have.len() == want.len() && have.to_lowercase() == *want,
        (Test::Exact(want), Val::Text(have)) => have == want,
        (Test::Glob(glob, true), Val::Text(have)) => glob_match(glob, have),
        (Test::Glob(glob, false), Val::Text(have)) => glob_match(&glob.to_lowercase(), &have.to_lowercase()),
        (Test::Words(want), Val::Text(have)) => {
            let have = words(have);
            want.iter().all(|w| have.contains(w))
        }
        (Test::Bool(want), Val::Bool(have)) => want == have,
        (Test::Order(op, want), Val::Num(have)) => ordered(*op, *have, *want),
        (Test::Order(op, want), Val::Time(have)) => ordered(*op, *have as f64, *want),
        (Test::Block(net, mask), Val::Text(have)) => {
            have.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| u32::from(ip) & mask == *net)
        }
        _ => false,
    }
}

fn ordered(op: Op, have: f64, want: f64) -> bool {
    match op {
        Op::Gt => have > want,
        Op::Ge => have >= want,
        Op::Lt => have < want,
        Op::Le => have <= want,
        _ => (have - want).abs() < f64::EPSILON,
    }
}

/// Whether `text` is what `glob` describes, `*` standing for anything.
pub(super) fn glob_match(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let (Some(first), last) = (parts.next(), glob.rsplit('*').next().unwrap_or_default()) else {
        return false;
    };
    if !glob.contains('*') {
        return glob == text;
    }
    if text.len() < first.len() + last.len() || !text.starts_with(first) || !text.ends_with(last) {
        return false;
    }
    // The bare star asks for a value, and an empty text is none.
    if glob == "*" {
        return !text.is_empty();
    }
    let mut rest = &text[first.len()..text.len() - last.len()];
    let middle: Vec<&str> = parts.collect();
    for part in middle.iter().take(middle.len().saturating_sub(1)) {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
