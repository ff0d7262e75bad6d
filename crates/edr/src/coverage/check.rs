//! Conditions that a pipeline holds a report to.

use std::cmp::Ordering;
use std::str::FromStr;

use edr_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Coverage, Figures, Finding};
use crate::config::wrong;

/// A condition, such as `coverage>=98%` or `stale<=10`.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    text: String,
    metric: Metric,
    op: Op,
    wanted: f64,
    is_share: bool,
}

/// How a condition came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Checked {
    /// The condition as it was written.
    pub check: String,
    /// What was found: a number, or per cent where the condition has `%`; nothing where there is nothing to measure.
    pub actual: Option<f64>,
    /// Whether it holds.
    pub is_met: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Agents,
    Coverage,
    Finding(Finding),
    Machines,
    Review,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
    Ne,
}

/// Longer signs first, so that none is taken for its beginning.
const OPS: &[(&str, Op)] = &[
    (">=", Op::Ge),
    ("<=", Op::Le),
    ("!=", Op::Ne),
    ("==", Op::Eq),
    (">", Op::Gt),
    ("<", Op::Lt),
    ("=", Op::Eq),
];

impl FromStr for Check {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let at = text.find(['>', '<', '!', '=']).unwrap_or(text.len());
        let (name, rest) = text.split_at(at);
        let sign = OPS.iter().find(|(sign, _)| rest.starts_with(sign));
        let (sign, op) = sign.ok_or_else(|| odd(text, "write FIELD OP VALUE with one of >= <= > < = !="))?;
        let metric = metric(name.trim()).ok_or_else(|| odd(text, &known()))?;
        let value = rest[sign.len()..].trim();
        let (number, is_share) = value.strip_suffix('%').map_or((value, false), |v| (v.trim(), true));
        let wanted = number.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        let wanted = wanted.ok_or_else(|| odd(text, "the value is a number, or one with %"))?;
        match (metric, is_share) {
            (Metric::Coverage, false) => Err(odd(text, "coverage is a share: write it with %, such as 98%")),
            (Metric::Coverage | Metric::Finding(_), true) | (_, false) => {
                Ok(Self { text: text.to_owned(), metric, op: *op, wanted, is_share })
            }
            _ => Err(odd(text, "this is a number: write it without %")),
        }
    }
}

fn odd(text: &str, why: &str) -> Error {
    wrong(format!("'{text}' is no check: {why}"))
}

fn known() -> String {
    let findings: Vec<&str> = Finding::ALL.iter().map(|f| f.as_str()).collect();
    format!("the fields are coverage, machines, agents, review, {}", findings.join(", "))
}

fn metric(name: &str) -> Option<Metric> {
    match name {
        "agents" => Some(Metric::Agents),
        "coverage" => Some(Metric::Coverage),
        "machines" => Some(Metric::Machines),
        "review" => Some(Metric::Review),
        word => Finding::ALL.iter().find(|f| f.as_str() == word).map(|f| Metric::Finding(*f)),
    }
}

impl Check {
    /// The condition as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it says nothing without a denominator.
    #[must_use]
    pub fn needs_denominator(&self) -> bool {
        matches!(self.metric, Metric::Finding(finding) if finding.needs_denominator())
    }

    /// Holds a report to it. Where there is nothing to measure, it does not hold.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::Configuration`] when it needs a denominator and the report has none.
    pub fn of(&self, coverage: &Coverage) -> Result<Checked> {
        if self.needs_denominator() && coverage.denominator.is_none() {
            return Err(odd(&self.text, "without a denominator it says nothing"));
        }
        let (part, whole) = self.measure(&coverage.totals, coverage.review);
        let is_met = (!self.is_share || whole > 0) && self.holds(part as f64, whole as f64);
        let actual = match self.is_share {
            true => (whole > 0).then(|| part as f64 * 100.0 / whole as f64),
            false => Some(part as f64),
        };
        Ok(Checked { check: self.text.clone(), actual, is_met })
    }

    fn measure(&self, totals: &Figures, review: u64) -> (u64, u64) {
        match self.metric {
            Metric::Agents => (totals.agents, 0),
            Metric::Coverage => (totals.covered, totals.expected),
            Metric::Finding(finding) => (totals.count(finding), totals.machines),
            Metric::Machines => (totals.machines, 0),
            Metric::Review => (review, 0),
        }
    }

    /// Multiplied instead of divided, and with room for the last digit, so that a share that is met exactly is met.
    fn holds(&self, part: f64, whole: f64) -> bool {
        let (actual, wanted) = match self.is_share {
            true => (part * 100.0, self.wanted * whole),
            false => (part, self.wanted),
        };
        let is_same = (actual - wanted).abs() <= 1e-9 * wanted.max(1.0);
        let order = if is_same { Ordering::Equal } else { actual.total_cmp(&wanted) };
        match self.op {
            Op::Eq => order.is_eq(),
            Op::Ge => order.is_ge(),
            Op::Gt => order.is_gt(),
            Op::Le => order.is_le(),
            Op::Lt => order.is_lt(),
            Op::Ne => order.is_ne(),
        }
    }
}
