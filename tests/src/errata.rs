//! Where the vendor's own service and its specification differ: `errata.toml`, each entry with its reason.

use std::collections::BTreeSet;

use serde::Deserialize;

/// One difference that is known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erratum {
    /// `falcon` or `cortex`.
    pub vendor: String,
    /// `reply`, `request`, or `operation` for one that the specification does not have.
    pub side: String,
    /// The operation, or `*`.
    pub operation: String,
    /// Where, as in a finding; `~` at its end stands for whatever follows.
    #[serde(default)]
    pub at: String,
    /// The keyword that says no.
    #[serde(default)]
    pub keyword: String,
    /// Why the difference is right.
    pub reason: String,
}

impl Erratum {
    fn covers(&self, finding: &Finding) -> bool {
        let ends = |at: &str| self.at.strip_suffix('~').is_some_and(|start| at.starts_with(start));
        self.side == finding.side
            && (self.operation == "*" || self.operation == finding.operation)
            && (self.at == finding.at || ends(&finding.at))
            && self.keyword == finding.keyword
    }
}

/// A difference that was met.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// As [`Erratum::side`].
    pub side: &'static str,
    /// The operation.
    pub operation: String,
    /// Where.
    pub at: String,
    /// The keyword that says no, or what is wrong in a word.
    pub keyword: String,
    /// More about it.
    pub message: String,
}

#[derive(Deserialize)]
struct File {
    erratum: Vec<Erratum>,
}

/// The known differences of one vendor.
#[must_use]
pub fn read(text: &str, vendor: &str) -> Vec<Erratum> {
    let file: File = toml::from_str(text).unwrap_or_else(|e| panic!("errata.toml: {e}"));
    for erratum in &file.erratum {
        assert!(erratum.reason.len() > 20, "an erratum says why: {erratum:?}");
        assert!(["cortex", "falcon"].contains(&erratum.vendor.as_str()), "no such vendor: {erratum:?}");
    }
    file.erratum.into_iter().filter(|e| e.vendor == vendor).collect()
}

/// What is not in order: findings that no erratum covers, and errata that no finding needs.
#[must_use]
pub fn reckon(errata: &[Erratum], findings: &BTreeSet<Finding>) -> Vec<String> {
    let known = |f: &&Finding| !errata.iter().any(|e| e.covers(f));
    let new = findings.iter().filter(known).map(|f| {
        let Finding { side, operation, at, keyword, message } = f;
        format!("{side} of {operation} at {at}: {keyword}: {message}")
    });
    let stale = errata.iter().filter(|e| !findings.iter().any(|f| e.covers(f)));
    new.chain(stale.map(|e| format!("this erratum does not occur any more: {e:?}"))).collect()
}
