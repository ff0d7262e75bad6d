//! The scopes of an API client: the console's words, and the identifiers behind them.

use std::fmt;

use edr_http::Operation;

/// The console's words and the identifier, which stands in requests for API clients and in the vendor's specification.
const IDENTIFIERS: &[(&str, &str)] = &[
    ("Alerts", "alerts"),
    ("Assets", "discover"),
    ("Event streams", "streaming"),
    ("Flight Control", "mssp"),
    ("Host groups", "host-group"),
    ("Hosts", "devices"),
    ("IOA Exclusions", "self-service-ioa-exclusions"),
    ("IOC Management", "ioc"),
    ("Installation tokens", "installation-tokens"),
    ("Installation tokens settings", "installation-tokens-settings"),
    ("ML Exclusions", "ml-exclusions"),
    ("On-demand scans (ODS)", "ods"),
    ("Prevention policies", "prevention-policies"),
    ("Quarantined Files", "quarantine"),
    ("Real time response", "real-time-response"),
    ("Real time response (admin)", "real-time-response-admin"),
    ("Real time response audit", "real-time-response-audit"),
    ("Response policies", "response-policies"),
    ("Sensor Download", "sensor-installers"),
    ("Sensor Visibility Exclusions", "sensor-visibility-exclusions"),
    ("Sensor update policies", "sensor-update-policies"),
    ("User management", "usermgmt"),
    ("Vulnerabilities", "spotlight-vulnerabilities"),
    ("Zero Trust Assessment", "zero-trust-assessment"),
];

/// The least set of scopes for these operations, in the words of the console, sorted.
///
/// ```
/// use falcon::api::{hosts, required_scopes};
/// assert_eq!(required_scopes(&[&hosts::COMBINED, &hosts::ENTITIES]), ["Hosts: read"]);
/// ```
#[must_use]
pub fn required_scopes(operations: &[&Operation]) -> Vec<&'static str> {
    let mut scopes: Vec<&str> = operations.iter().map(|o| o.scope).filter(|s| !s.is_empty()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// The identifier of a scope, where one is known: the newest scopes have none that is public.
///
/// ```
/// let id = falcon::scope_identifier("Hosts: write").map(|id| id.to_string());
/// assert_eq!(id.as_deref(), Some("devices:write"));
/// ```
#[must_use]
pub fn scope_identifier(scope: &str) -> Option<ScopeIdentifier<'_>> {
    let (words, right) = scope.split_once(": ")?;
    let (_, name) = IDENTIFIERS.iter().find(|(known, _)| *known == words)?;
    Some(ScopeIdentifier { name, right })
}

/// A scope by its identifier: `devices:read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopeIdentifier<'s> {
    /// What it is for: `devices`.
    pub name: &'static str,
    /// `read` or `write`.
    pub right: &'s str,
}

impl fmt::Display for ScopeIdentifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_its_identifier_but_the_newest() {
        let all: Vec<&Operation> = super::super::ENDPOINTS.iter().map(|e| &e.operation).collect();
        let scopes = required_scopes(&all);
        let nameless: Vec<&str> = scopes.iter().filter(|s| scope_identifier(s).is_none()).copied().collect();
        assert_eq!(nameless, ["Cases: read", "Cases: write", "Sensor Usage: read"]);
        for (words, _) in IDENTIFIERS {
            let used =
                scopes.iter().any(|s| s.strip_prefix(words).is_some_and(|rest| rest.starts_with(": ")));
            assert!(used, "{words}");
        }
        assert_eq!(scope_identifier("Hosts"), None);
    }
}
