//! An alert: `event.kind` is `alert`.

use chrono::{DateTime, Utc};
use edr_core::{Action, Alert, AttackRef, Disposition, Indicator, Severity, User};

use super::{Document, evidence, host, source};

/// The name that Elastic gives to CrowdStrike's own tactics and techniques.
const FALCON_FRAMEWORK: &str = "CrowdStrike Falcon Detections Framework";

/// Fields of which one says that the framework is ATT&CK.
const MITRE_IDS: &[&str] = &["threat.tactic.id", "threat.technique.id", "threat.technique.subtechnique.id"];

pub(super) fn document(alert: &Alert, collected: DateTime<Utc>) -> Document {
    let mut document = Document::default();
    source(&mut document, &alert.vendor, "alert", alert.tenant.as_str(), alert.tenant_uid.as_deref());
    document
        .at(alert.time.or(alert.created_time).unwrap_or(collected))
        .put("event.kind", "alert")
        .text("event.id", Some(&alert.uid))
        .put("edr.urn", alert.urn())
        .text("message", Some(&alert.title))
        .text("event.reason", alert.desc.as_deref())
        .text("event.provider", alert.product_feature.as_deref())
        .text("event.url", alert.console_url.as_deref())
        .some("event.severity", severity(&alert.severity))
        .date("event.created", alert.created_time)
        .date("event.start", alert.first_seen)
        .date("event.end", alert.last_seen)
        .text("observer.vendor", alert.source_vendors.first().map(String::as_str))
        .list("tags", alert.labels.iter().map(String::as_str));
    done(&mut document, alert);
    rule(&mut document, alert);
    threat(&mut document, alert);
    if let Some(device) = alert.device.as_deref() {
        host::describe(&mut document, device);
    }
    // The first of several is the one; all of them are in `related.user`.
    for user in alert.users.iter().rev() {
        only(&mut document, user);
    }
    evidence::put(&mut document, &alert.evidences);
    worked(&mut document, alert);
    document
}

/// An account in place of the one that stands there.
fn only(document: &mut Document, user: &User) {
    document.fields.retain(|name, _| !name.starts_with("user."));
    document.user("user", user);
}

/// What stands for a severity in most of Elastic's packages. There is none for unknown and for strangers.
fn severity(severity: &Severity) -> Option<u64> {
    match severity {
        Severity::Informational | Severity::Low => Some(21),
        Severity::Medium => Some(47),
        Severity::High => Some(73),
        Severity::Critical => Some(99),
        _ => None,
    }
}

/// What the product did.
fn done(document: &mut Document, alert: &Alert) {
    let mut categories = vec!["intrusion_detection"];
    categories.extend(evidence::categories(&alert.evidences));
    let kind = match alert.action {
        Action::Denied => "denied",
        Action::Allowed => "allowed",
        _ => "info",
    };
    let known = |word: &str| (word != "unknown").then(|| word.to_owned());
    let action = known(alert.disposition.as_str()).or_else(|| known(alert.action.as_str()));
    document.list("event.category", categories).list("event.type", [kind]);
    document.some("event.action", action).some("event.outcome", outcome(&alert.disposition));
}

/// Whether the product succeeded in what it did; where it only looked on, there is nothing to succeed in.
fn outcome(disposition: &Disposition) -> Option<&'static str> {
    match disposition {
        Disposition::Blocked
        | Disposition::Dropped
        | Disposition::Isolated
        | Disposition::Quarantined
        | Disposition::Reset => Some("success"),
        Disposition::Uncorrected => Some("failure"),
        _ => None,
    }
}

fn rule(document: &mut Document, alert: &Alert) {
    let analytic = alert.analytic.as_ref();
    let name = analytic.and_then(|a| a.name.as_deref()).or(Some(&alert.title));
    document
        .text("rule.id", analytic.and_then(|a| a.uid.as_deref()))
        .text("rule.name", name)
        .text("rule.category", analytic.and_then(|a| a.kind.as_deref()));
}

fn threat(document: &mut Document, alert: &Alert) {
    let uids = |part: fn(&edr_core::Attack) -> Option<&AttackRef>| {
        alert.attacks.iter().filter_map(part).filter_map(|a| a.uid.as_deref()).collect::<Vec<_>>()
    };
    let names = |part: fn(&edr_core::Attack) -> Option<&AttackRef>| {
        alert.attacks.iter().filter_map(part).filter_map(|a| a.name.as_deref()).collect::<Vec<_>>()
    };
    document
        .list("threat.tactic.id", uids(|a| a.tactic.as_ref()))
        .list("threat.tactic.name", names(|a| a.tactic.as_ref()))
        .list("threat.technique.id", uids(|a| a.technique.as_ref()))
        .list("threat.technique.name", names(|a| a.technique.as_ref()))
        .list("threat.technique.subtechnique.id", uids(|a| a.sub_technique.as_ref()))
        .list("threat.technique.subtechnique.name", names(|a| a.sub_technique.as_ref()));
    // A name alone may be of any framework.
    if MITRE_IDS.iter().any(|name| document.field(name).is_some()) {
        document.put("threat.framework", "MITRE ATT&CK");
    } else {
        own_framework(document, &alert.types);
    }
    if let Some(first) = alert.iocs.first() {
        indicator(document, first);
    }
    alert.iocs.iter().for_each(|ioc| relate(document, ioc));
    document.list("edr.iocs", alert.iocs.iter().map(|i| format!("{}:{}", i.kind, i.value)));
}

/// Ids that begin with `CST` belong to CrowdStrike's own framework: `CSTA` are tactics, the others techniques. The model
/// has them among its types.
fn own_framework(document: &mut Document, types: &[String]) {
    let own = types.iter().map(String::as_str).filter(|t| is_own_id(t));
    let (tactics, techniques): (Vec<&str>, Vec<&str>) = own.partition(|id| id.starts_with("CSTA"));
    if tactics.is_empty() && techniques.is_empty() {
        return;
    }
    document
        .put("threat.framework", FALCON_FRAMEWORK)
        .list("threat.tactic.id", tactics)
        .list("threat.technique.id", techniques);
}

fn is_own_id(word: &str) -> bool {
    let digits = word.strip_prefix("CSTA").or_else(|| word.strip_prefix("CST"));
    digits.is_some_and(|d| d.len() == 4 && d.bytes().all(|b| b.is_ascii_digit()))
}

fn indicator(document: &mut Document, ioc: &Indicator) {
    let at = "threat.indicator";
    document
        .text(&format!("{at}.name"), Some(&ioc.value))
        .text(&format!("{at}.provider"), ioc.source.as_deref())
        .text(&format!("{at}.description"), ioc.desc.as_deref());
    let (kind, field) = match ioc.kind.as_str() {
        "md5" => ("file", Some("file.hash.md5")),
        "sha1" => ("file", Some("file.hash.sha1")),
        "sha256" => ("file", Some("file.hash.sha256")),
        "ipv4" => ("ipv4-addr", Some("ip")),
        "ipv6" => ("ipv6-addr", Some("ip")),
        "domain" => ("domain-name", Some("url.domain")),
        "url" => ("url", Some("url.full")),
        _ => ("artifact", None),
    };
    document.put(&format!("{at}.type"), kind);
    let fits = field != Some("ip") || ioc.value.parse::<std::net::IpAddr>().is_ok();
    if let Some(field) = field.filter(|_| fits) {
        document.text(&format!("{at}.{field}"), Some(&ioc.value));
    }
}

fn relate(document: &mut Document, ioc: &Indicator) {
    let field = match ioc.kind.as_str() {
        "md5" | "sha1" | "sha256" => "related.hash",
        "ipv4" | "ipv6" if ioc.value.parse::<std::net::IpAddr>().is_ok() => "related.ip",
        "domain" => "related.hosts",
        _ => return,
    };
    document.list(field, [ioc.value.as_str()]);
}

/// What people made of it, which the schema has no fields for.
fn worked(document: &mut Document, alert: &Alert) {
    document
        .put("edr.severity", alert.severity.as_str())
        .put("edr.status", alert.status.as_str())
        .put("edr.verdict", alert.verdict.as_str())
        .some("edr.confidence_score", alert.confidence_score)
        .some("edr.is_suppressed", alert.is_suppressed)
        .some("edr.prevented", alert.prevented)
        .some("edr.would_prevent", alert.would_prevent)
        .text("edr.assignee", alert.assignee.as_ref().and_then(|a| a.names().next()))
        .text("edr.uid_alt", alert.uid_alt.as_deref())
        .date("edr.modified_time", alert.modified_time)
        .list("edr.types", alert.types.iter().map(String::as_str))
        .list("edr.group_keys", alert.group_keys.iter().map(String::as_str))
        .list("edr.case_uids", alert.case_uids.iter().map(String::as_str))
        .list("edr.source_vendors", alert.source_vendors.iter().map(String::as_str))
        .put("edr.evidence_count", alert.evidences.len());
}
