//! The rules of `[safety]`, ready for use.

use std::path::Path;

use chrono::TimeDelta;
use edr_core::{Error, ErrorKind};

use super::approve::ApprovalKey;
use super::protect::Protection;
use crate::SafetyConfig;

/// The rules that every run keeps.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Safety {
    /// Two people or more must sign a plan: how many. A change of indicators cannot be signed, and is refused; a change
    /// of alerts or cases needs no signature.
    pub approvals: usize,
    /// Whose signatures count.
    pub keys: Vec<ApprovalKey>,
    /// The ceiling on hosts in one run, or on alerts or cases in a change of them, which nothing passes.
    pub max_hosts: Option<usize>,
    /// The ceiling on indicators in one run, which nothing passes.
    pub max_iocs: Option<usize>,
    /// The most hosts within an hour, over all runs of all processes that share the journal. Releases do not count, and
    /// neither do changes of alerts, cases and indicators.
    pub per_hour: Option<usize>,
    /// The most hosts of one tenant within an hour, likewise.
    pub per_tenant: Option<usize>,
    /// How old a plan may be when it is applied for the first time.
    pub plan_age: TimeDelta,
    /// Hosts that are never acted on. A release is no such act.
    pub protected: Protection,
    /// Nothing is changed by a [`super::Responder`], whoever asks. Requests that are sent as they are ([`crate::raw`]) and
    /// the vendors' own clients know no rules.
    pub read_only: bool,
    /// A host that its vendor has not seen for so long is stale.
    pub stale_after: Option<TimeDelta>,
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            approvals: 0,
            keys: Vec::new(),
            max_hosts: None,
            max_iocs: None,
            per_hour: None,
            per_tenant: None,
            plan_age: TimeDelta::hours(24),
            protected: Protection::default(),
            read_only: false,
            stale_after: Some(TimeDelta::days(30)),
        }
    }
}

impl Safety {
    /// The rules of a configuration; `file` is where it was read from.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when a rule cannot be understood, or cannot be kept: a rule is never left out in silence.
    pub fn of(config: &SafetyConfig, file: Option<&Path>) -> edr_core::Result<Self> {
        let default = Self::default();
        let count = |n: Option<u32>| n.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let time = |key, text: &Option<String>| text.as_deref().map(|text| span(key, text)).transpose();
        let safety = Self {
            approvals: usize::from(config.approvals.required),
            keys: keys(config)?,
            max_hosts: count(config.max_hosts),
            max_iocs: count(config.max_iocs),
            per_hour: count(config.per_hour),
            per_tenant: count(config.per_tenant),
            plan_age: time("plan_age", &config.plan_age)?.unwrap_or(default.plan_age),
            protected: Protection::of(&config.protected, file.and_then(Path::parent))?,
            read_only: config.read_only,
            stale_after: time("stale_after", &config.stale_after)?.or(default.stale_after),
        };
        if safety.approvals > safety.keys.len() {
            return Err(wrong(format!(
                "approvals asks for {} signatures, and {} keys are configured",
                safety.approvals,
                safety.keys.len()
            )));
        }
        Ok(safety)
    }
}

fn keys(config: &SafetyConfig) -> edr_core::Result<Vec<ApprovalKey>> {
    let mut keys: Vec<ApprovalKey> = Vec::new();
    for (name, text) in &config.approvals.keys {
        let key =
            ApprovalKey::parse(name, text).map_err(|why| wrong(format!("approvals.keys.{name}: {why}")))?;
        if let Some(same) = keys.iter().find(|k| k.is_same_key(&key)) {
            return Err(wrong(format!(
                "approvals.keys: {name} and {} are one and the same key",
                same.name()
            )));
        }
        keys.push(key);
    }
    Ok(keys)
}

/// `30m`, `4h`, `30d`.
fn span(key: &str, text: &str) -> edr_core::Result<TimeDelta> {
    parse_span(text).ok_or_else(|| wrong(format!("{key} must be a time such as \"30m\", \"4h\" or \"30d\"")))
}

/// A time such as `30m`, `4h` or `30d`, as leases are written.
///
/// ```
/// assert_eq!(edr::respond::parse_span("4h"), Some(chrono::TimeDelta::hours(4)));
/// assert_eq!(edr::respond::parse_span("4"), None);
/// ```
#[must_use]
pub fn parse_span(text: &str) -> Option<TimeDelta> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: i64 = digits.parse().ok().filter(|n| *n > 0)?;
    match unit {
        "s" => TimeDelta::try_seconds(number),
        "m" => TimeDelta::try_minutes(number),
        "h" => TimeDelta::try_hours(number),
        "d" => TimeDelta::try_days(number).filter(|d| *d <= TimeDelta::days(36_500)),
        _ => None,
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Configuration, format!("[safety] {message}"))
}
