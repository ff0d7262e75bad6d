//! Filters that the vendor evaluates: the model's, in FQL.
//!
//! A filter is passed on only where the vendor then keeps everything that passes here; each item is
//! checked again when it arrives. Not passed on, although FQL has the property:
//!
//! * `!=` and `~`: whether FQL's negation keeps absent values, and whether its wildcards heed case,
//!   is not documented.
//! * `containment_state` and `tags` of hosts: the vendor's index lags behind the entity, so a host that
//!   was contained a moment ago would be missing.
//! * `ip`: a host's connection address counts here, and is no property there.
//! * Texts that are trimmed or chosen from several fields when they are mapped.
//! * Values with `*`, which FQL takes for a wildcard, or with control characters.

use chrono::DateTime;
use edr_core::{Filter, Noun, Op, Severity};

use crate::fql::{Fql, FqlError, MAX_PROPERTIES, field};

/// A longer filter is evaluated here: URLs have limits.
const MAX_LENGTH: usize = 4_000;

const EQ: &[Op] = &[Op::Eq];
const RANGE: &[Op] = &[Op::Gt, Op::Ge, Op::Lt, Op::Le];

/// Noun, field and operators that the vendor evaluates.
pub(super) const SERVED: &[(Noun, &str, &[Op])] = &[
    (Noun::Host, "agent.version", EQ),
    (Noun::Host, "cloud.account", EQ),
    (Noun::Host, "cloud.instance_uid", EQ),
    (Noun::Host, "domain", EQ),
    (Noun::Host, "external_ip", EQ),
    (Noun::Host, "first_seen", RANGE),
    (Noun::Host, "groups", EQ),
    (Noun::Host, "hostname", EQ),
    (Noun::Host, "last_seen", RANGE),
    (Noun::Host, "modified", RANGE),
    (Noun::Host, "os.type", EQ),
    (Noun::Host, "uid", EQ),
    (Noun::Alert, "created_time", RANGE),
    (Noun::Alert, "device.hostname", EQ),
    (Noun::Alert, "device.uid", EQ),
    (Noun::Alert, "is_suppressed", EQ),
    (Noun::Alert, "modified_time", RANGE),
    (Noun::Alert, "product_feature", EQ),
    (Noun::Alert, "severity", &[Op::Eq, Op::Ge, Op::Gt]),
    (Noun::Alert, "status", EQ),
    (Noun::Alert, "time", RANGE),
    (Noun::Alert, "uid", EQ),
    (Noun::Case, "created_time", RANGE),
    (Noun::Case, "modified_time", RANGE),
    (Noun::Case, "status", EQ),
    (Noun::Case, "uid", EQ),
    (Noun::Application, "first_seen", RANGE),
    (Noun::Application, "host.domain", EQ),
    (Noun::Application, "host.hostname", EQ),
    (Noun::Application, "host.uid", EQ),
    (Noun::Application, "installed", RANGE),
    (Noun::Application, "last_used", RANGE),
    (Noun::Application, "modified_time", RANGE),
    (Noun::Application, "name", EQ),
    (Noun::Application, "publisher", EQ),
    (Noun::Application, "version", EQ),
    (Noun::HostGroup, "created_by", EQ),
    (Noun::HostGroup, "created_time", RANGE),
    (Noun::HostGroup, "modified_by", EQ),
    (Noun::HostGroup, "modified_time", RANGE),
    (Noun::HostGroup, "name", EQ),
    (Noun::HostGroup, "uid", EQ),
    (Noun::Ioc, "created_time", RANGE),
    (Noun::Ioc, "is_global", EQ),
    (Noun::Ioc, "modified_time", RANGE),
    (Noun::Ioc, "source", EQ),
    (Noun::Ioc, "type", EQ),
    (Noun::Ioc, "value", EQ),
    (Noun::Vulnerability, "created_time", RANGE),
    (Noun::Vulnerability, "cve", EQ),
    (Noun::Vulnerability, "host.uid", EQ),
    (Noun::Vulnerability, "is_known_exploited", EQ),
    (Noun::Vulnerability, "modified_time", RANGE),
    (Noun::Vulnerability, "priority", &[Op::Eq, Op::Ge, Op::Gt]),
    (Noun::Vulnerability, "severity", &[Op::Eq, Op::Ge, Op::Gt]),
    (Noun::Vulnerability, "status", EQ),
];

/// The part of the filters on hosts that the vendor evaluates.
pub(super) fn hosts(filters: &[Filter]) -> Fql {
    compile(filters, host)
}

/// The part of the filters on alerts that the vendor evaluates.
pub(super) fn alerts(filters: &[Filter]) -> Fql {
    compile(filters, alert)
}

/// The part of the filters on cases that the vendor evaluates.
pub(super) fn cases(filters: &[Filter]) -> Fql {
    compile(filters, case)
}

/// The part of the filters on indicators that the vendor evaluates.
pub(super) fn iocs(filters: &[Filter]) -> Fql {
    compile(filters, ioc)
}

/// The part of the filters on groups that the vendor evaluates.
pub(super) fn groups(filters: &[Filter]) -> Fql {
    compile(filters, group)
}

/// The part of the filters on applications that the vendor evaluates. It wants a filter in any case, and no
/// customer id is `none`.
pub(super) fn applications(filters: &[Filter]) -> Fql {
    with(compile(filters, application), || field("cid")?.ne("none"))
}

/// The part of the filters on vulnerabilities that the vendor evaluates. It wants a filter in any case, and every
/// vulnerability was found at some time.
pub(super) fn vulnerabilities(filters: &[Filter]) -> Fql {
    with(compile(filters, vulnerability), || Ok(field("created_timestamp")?.since(DateTime::UNIX_EPOCH)))
}

/// The part of the filters on audit events that sessions of Real Time Response are asked with. It is not among
/// [`SERVED`]: the other record of the audit is asked without filters.
pub(super) fn sessions(filters: &[Filter]) -> Fql {
    let is_time = |filter: &&Filter| filter.field().name == "time" && RANGE.contains(&filter.op());
    let parts = filters.iter().filter(is_time).filter_map(|filter| range("created_at", filter).ok()?);
    Fql::all(parts.take(MAX_PROPERTIES).collect::<Vec<_>>())
}

/// A filter that lets everything through, where there is none.
fn with(fql: Fql, all: impl FnOnce() -> Result<Fql, FqlError>) -> Fql {
    if fql.is_empty() { all().unwrap_or(fql) } else { fql }
}

fn compile(filters: &[Filter], one: fn(&Filter) -> Result<Option<Fql>, FqlError>) -> Fql {
    let (mut parts, mut terms, mut length) = (Vec::new(), 0, 0);
    for filter in filters.iter().filter(|f| is_served(f)) {
        // What cannot be written in FQL is evaluated here.
        let Ok(Some(fql)) = one(filter) else { continue };
        let fits = terms + fql.terms() <= MAX_PROPERTIES && length + fql.as_str().len() <= MAX_LENGTH;
        if fits && !parts.contains(&fql) {
            terms += fql.terms();
            length += fql.as_str().len();
            parts.push(fql);
        }
    }
    Fql::all(parts)
}

fn is_served(filter: &Filter) -> bool {
    SERVED.iter().any(|(noun, name, ops)| {
        *noun == filter.noun() && *name == filter.field().name && ops.contains(&filter.op())
    })
}

fn host(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    match filter.field().name {
        "agent.version" => same("agent_version", filter),
        "cloud.account" => same("service_provider_account_id", filter),
        "cloud.instance_uid" => same("instance_id", filter),
        "domain" => same("machine_domain", filter),
        "external_ip" => address("external_ip", filter),
        "first_seen" => range("first_seen", filter),
        "groups" => same("groups", filter),
        "hostname" => same("hostname", filter),
        "last_seen" => range("last_seen", filter),
        "modified" => range("modified_timestamp", filter),
        "os.type" => platform(filter),
        "uid" => same("device_id", filter),
        _ => Ok(None),
    }
}

fn alert(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    match filter.field().name {
        "created_time" => range("created_timestamp", filter),
        "device.hostname" => device("device.hostname", None, filter),
        "device.uid" => device("device.device_id", Some("agent_id"), filter),
        "is_suppressed" => suppressed(filter),
        "modified_time" => range("updated_timestamp", filter),
        "product_feature" => same("product", filter),
        "severity" => severity(filter),
        "status" => status(filter),
        "time" => range("timestamp", filter),
        "uid" => same("composite_id", filter),
        _ => Ok(None),
    }
}

fn case(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    match filter.field().name {
        "created_time" => range("created_timestamp", filter),
        "modified_time" => range("updated_timestamp", filter),
        "status" if filter.texts().iter().all(|t| CASE_STATUSES.contains(&t.as_str())) => {
            same("status", filter)
        }
        "uid" => same("id", filter),
        _ => Ok(None),
    }
}

/// The statuses of cases that the vendor writes as the model does.
const CASE_STATUSES: &[&str] = &["closed", "in_progress", "new", "reopened"];

fn ioc(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    match filter.field().name {
        "created_time" => range("created_on", filter),
        "is_global" => yes_or_no("applied_globally", filter),
        "modified_time" => range("modified_on", filter),
        "source" => same("source", filter),
        "type" => same("type", filter),
        "value" => same("value", filter),
        _ => Ok(None),
    }
}

fn group(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    match filter.field().name {
        "created_by" => same("created_by", filter),
        "created_time" => range("created_timestamp", filter),
        "modified_by" => same("modified_by", filter),
        "modified_time" => range("modified_timestamp", filter),
        "name" => same("name", filter),
        "uid" => same("id", filter),
        _ => Ok(None),
    }
}

fn application(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    match filter.field().name {
        "first_seen" => range("first_seen_timestamp", filter),
        "host.domain" => same("host.machine_domain", filter),
        "host.hostname" => same("host.hostname", filter),
        "host.uid" => same("host.aid", filter),
        "installed" => range("installation_timestamp", filter),
        "last_used" => range("last_used_timestamp", filter),
        "modified_time" => range("last_updated_timestamp", filter),
        "name" => same("name", filter),
        "publisher" => same("vendor", filter),
        "version" => same("version", filter),
        _ => Ok(None),
    }
}

/// The vendor refuses every `*`, and one in a value is no wildcard to us.
fn vulnerability(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    match filter.field().name {
        _ if filter.texts().iter().any(|t| t.contains('*')) => Ok(None),
        "created_time" => range("created_timestamp", filter),
        "cve" => same("cve.id", filter),
        "host.uid" => same("aid", filter),
        "is_known_exploited" => yes_or_no("cve.is_cisa_kev", filter),
        "modified_time" => range("updated_timestamp", filter),
        "priority" => rating("cve.exprt_rating", filter),
        "severity" => rating("cve.severity", filter),
        "status" => standing(filter),
        _ => Ok(None),
    }
}

fn rating(property: &str, filter: &Filter) -> Result<Option<Fql>, FqlError> {
    let passing = filter.severities();
    if passing.is_empty() || passing.contains(&Severity::Unknown) {
        return Ok(None);
    }
    let word = |severity: &Severity| match severity {
        Severity::Informational => "NONE".to_owned(),
        other => other.as_str().to_uppercase(),
    };
    field(property)?.any_of(passing.iter().map(word)).map(Some)
}

fn standing(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    let mut words = Vec::new();
    for word in filter.texts() {
        words.push(match word.as_str() {
            "closed" => "closed",
            "expired" => "expired",
            "open" => "open",
            "reopened" => "reopen",
            _ => return Ok(None),
        });
    }
    field("status")?.any_of(words).map(Some)
}

fn yes_or_no(property: &str, filter: &Filter) -> Result<Option<Fql>, FqlError> {
    let values = filter.texts();
    let [value] = values.as_slice() else { return Ok(None) };
    Ok(Some(field(property)?.is(value == "true")))
}

fn same(property: &str, filter: &Filter) -> Result<Option<Fql>, FqlError> {
    field(property)?.any_of(filter.texts()).map(Some)
}

/// Addresses of version 4 have one spelling.
fn address(property: &str, filter: &Filter) -> Result<Option<Fql>, FqlError> {
    let plain = filter.texts().iter().all(|t| t.parse::<std::net::Ipv4Addr>().is_ok());
    if plain { same(property, filter) } else { Ok(None) }
}

/// A range, rounded outwards to whole seconds.
fn range(property: &str, filter: &Filter) -> Result<Option<Fql>, FqlError> {
    let (Some(time), 1) = (filter.as_time(), filter.texts().len()) else { return Ok(None) };
    let property = field(property)?;
    Ok(match filter.op() {
        Op::Gt | Op::Ge => Some(property.since(time)),
        Op::Lt | Op::Le => Some(property.until(time)),
        _ => None,
    })
}

/// By name, or by number for a host without a name.
fn platform(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    let (name, id) = (field("platform_name")?, field("platform_id")?);
    let mut parts = Vec::new();
    for word in filter.texts() {
        let (names, number): (&[&str], _) = match word.as_str() {
            "windows" => (&["Windows"], Some("0")),
            "macos" => (&["Mac", "macOS"], Some("1")),
            "linux" => (&["Linux"], Some("3")),
            "android" => (&["Android"], None),
            "ios" => (&["iOS"], None),
            "ipados" => (&["iPadOS"], None),
            _ => return Ok(None),
        };
        parts.push(name.any_of(names)?);
        parts.extend(number.map(|n| id.eq(n)).transpose()?);
    }
    Ok(Some(Fql::any(parts)))
}

/// Identity alerts name their host in fields that FQL lacks, so all of them are kept.
fn device(property: &str, other: Option<&str>, filter: &Filter) -> Result<Option<Fql>, FqlError> {
    let mut parts: Vec<Fql> = same(property, filter)?.into_iter().collect();
    if let Some(other) = other {
        parts.extend(same(other, filter)?);
    }
    parts.push(field("product")?.eq("idp")?);
    Ok(Some(Fql::any(parts)))
}

fn suppressed(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    let values = filter.texts();
    let [value] = values.as_slice() else { return Ok(None) };
    Ok(Some(field("show_in_ui")?.is(value == "false")))
}

/// By name, or by the number's bucket, since the name counts where both are there.
fn severity(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    let passing = filter.severities();
    if passing.is_empty() || passing.contains(&Severity::Unknown) {
        return Ok(None);
    }
    let names: Vec<String> = passing.iter().flat_map(spellings).collect();
    let number = field("severity")?;
    let mut parts = vec![field("severity_name")?.any_of(&names)?];
    for severity in &passing {
        let Some((from, to)) = bucket(severity) else { return Ok(None) };
        // Neighbours make one range: only the lowest of a run and the highest are bounds.
        let joins =
            |other: Option<i64>| passing.iter().any(|s| bucket(s).is_some_and(|b| other == Some(b.0)));
        let begins = !passing.iter().any(|s| bucket(s).is_some_and(|b| b.1 == Some(from)));
        if begins {
            let mut end = to;
            while joins(end) {
                end = passing.iter().filter_map(bucket).find(|b| end == Some(b.0)).and_then(|b| b.1);
            }
            parts.push(Fql::all([number.at_least(from)].into_iter().chain(end.map(|e| number.below(e)))));
        }
    }
    Ok(Some(Fql::any(parts)))
}

/// The numbers of a severity: from, and below.
fn bucket(severity: &Severity) -> Option<(i64, Option<i64>)> {
    match severity {
        Severity::Informational => Some((1, Some(20))),
        Severity::Low => Some((20, Some(40))),
        Severity::Medium => Some((40, Some(60))),
        Severity::High => Some((60, Some(80))),
        Severity::Critical => Some((80, None)),
        _ => None,
    }
}

/// A name in the cases that occur.
fn spellings(severity: &Severity) -> Vec<String> {
    let cases = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        [format!("{}{rest}", first.to_uppercase()), word.to_owned(), word.to_uppercase()]
    };
    let mut all = cases(severity.as_str()).to_vec();
    if *severity == Severity::Informational {
        all.extend(cases("info"));
    }
    all
}

/// In every spelling that the mapping takes and that occurs, because FQL may heed case.
fn status(filter: &Filter) -> Result<Option<Fql>, FqlError> {
    let mut words = Vec::new();
    for word in filter.texts() {
        words.extend_from_slice(match word.as_str() {
            "new" => &["new", "New"][..],
            "in_progress" => &["in_progress", "In Progress", "in progress"],
            "reopened" => &["reopened", "Reopened"],
            // The last three are how older alerts say that they were decided.
            "resolved" => &["closed", "Closed", "true_positive", "false_positive", "ignored"],
            _ => return Ok(None),
        });
    }
    field("status")?.any_of(words).map(Some)
}

#[cfg(test)]
#[path = "filters_tests.rs"]
mod tests;
