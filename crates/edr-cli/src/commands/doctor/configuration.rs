//! Where the tenants come from, and what is odd about it.

use std::path::Path;

use edr::{Diagnosis, Estate, Probe};

use super::Patient;
use crate::context::{Context, Session};
use crate::errors::Failure;
use crate::outcome::counted;

/// What can be said of the configuration itself.
pub(super) fn look(context: &Context, session: &Session, estate: &Estate) -> Result<Diagnosis, Failure> {
    let mut found = Diagnosis::new();
    found.add(Probe::passed("source", source(context, session)));
    let all = session.config.tenants.len();
    let chosen = context.selected(session)?.len();
    let tenants = counted(all as u64, ("tenant", "tenants"));
    let part = if chosen < all { format!(", {chosen} of them selected") } else { String::new() };
    found.add(Probe::passed("tenants", format!("{tenants}{part}")));
    let members = estate.members().iter();
    let children =
        members.filter(|m| m.customer().is_some() && session.config.named(m.tenant.as_str()).is_none());
    match children.count() as u64 {
        0 => {}
        count => found.add(Probe::passed("children", counted(count, ("child found", "children found")))),
    }
    Ok(found)
}

fn source(context: &Context, session: &Session) -> String {
    if context.is_demo() {
        return "a simulated estate, nothing in it is real".to_owned();
    }
    match &session.config.path {
        Some(path) => {
            let whole = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            format!("{}{}", whole.display(), mode(path))
        }
        None => "the environment; there is no configuration file".to_owned(),
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path)
        .map(|m| format!(", mode {:o}", m.permissions().mode() & 0o777))
        .unwrap_or_default()
}

#[cfg(not(unix))]
fn mode(_: &Path) -> String {
    String::new()
}

/// Puts each warning of the file where it belongs: to its tenant, or to the configuration.
pub(super) fn add_warnings(patient: &mut Patient, warnings: &[String]) {
    let ours = |warning: &String| match (&patient.member, warning.split_once(": ")) {
        (Some(member), Some((name, rest))) if name == member.tenant.as_str() => Some(rest.to_owned()),
        (None, _) if is_general(warning) => Some(warning.clone()),
        _ => None,
    };
    let probes: Vec<Probe> = warnings.iter().filter_map(ours).map(|w| probe(&w)).collect();
    let at = if patient.member.is_some() { 0 } else { patient.found.probes.len() };
    patient.found.probes.splice(at..at, probes);
}

/// Warnings about a tenant begin with its name; that about the file with its path.
fn is_general(warning: &str) -> bool {
    warning.split_once(": ").is_none_or(|(name, _)| name.contains(['/', ' ']))
}

/// `what; what to do`.
fn probe(warning: &str) -> Probe {
    let (value, hint) = warning.split_once("; ").unwrap_or((warning, "see docs/CONFIGURATION.md"));
    Probe::warned("configuration", value, hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_goes_where_it_belongs() {
        let warnings = ["/x: y/c.toml can be read by others (mode 644); chmod 600 it".to_owned()];
        let mut patient = Patient { member: None, found: Diagnosis::new() };
        add_warnings(&mut patient, &warnings);
        let probe = &patient.found.probes[0];
        assert_eq!(probe.hint(), Some("chmod 600 it"));
        assert!(probe.value.as_deref().is_some_and(|v| v.ends_with("(mode 644)")), "{probe:?}");
        let mut patient = Patient { member: None, found: Diagnosis::new() };
        add_warnings(&mut patient, &["acme: api_key stands in the file; better { env = … }".to_owned()]);
        assert!(patient.found.probes.is_empty());
    }
}
