//! The alert entity to an alert.

use edr_core::model::read;
use edr_core::{Alert, AlertStatus, Analytic, Comment, Host, Provenance, Severity, User, UserKind, Verdict};
use url::Url;

use super::{Context, Notes, attack, disposition, evidence, host, said_word, text, texts, verbatim};
use crate::VENDOR;
use crate::api::alerts::{AlertEntity, AlertProduct, AlertStatus as Work};
use crate::api::hosts::HostPlatform;

/// An alert of a listing; nothing when it has no id.
pub(super) fn map(mut wire: AlertEntity, context: &Context) -> Option<Alert> {
    let mut alert = Alert::new("", "", "", "");
    alert.tenant = context.tenant.clone();
    alert.vendor = VENDOR;
    alert.uid = text(wire.composite_id.take())?;
    alert.uid_alt = text(wire.id.take());
    alert.tenant_uid = text(wire.cid.take());
    let mut notes = Notes::new(context.now);
    words(&mut alert, &mut wire);
    times(&mut alert, &wire, &mut notes);
    severity(&mut alert, &wire, &mut notes);
    status(&mut alert, &wire, &mut notes);
    disposition::set(&mut alert, &wire, &mut notes);
    alert.assignee = assignee(&mut wire);
    alert.analytic = analytic(&wire, &mut notes);
    attacks(&mut alert, &mut wire, &mut notes);
    alert.device = device(&mut wire, context, &mut notes).map(Box::new);
    alert.users = user(&mut wire).into_iter().collect();
    alert.evidences = evidence::read(&mut wire, alert.users.first(), &mut notes);
    alert.iocs = evidence::iocs(&mut wire);
    groups(&mut alert, &mut wire);
    comments(&mut alert, &mut wire, &mut notes);
    (alert.origins, alert.anomalies) = (notes.origins, notes.anomalies);
    Some(alert)
}

fn words(alert: &mut Alert, wire: &mut AlertEntity) {
    alert.title = text(wire.display_name.take()).or_else(|| text(wire.name.clone())).unwrap_or_default();
    alert.desc = text(wire.description.take());
    alert.product_feature = said_word(wire.product.as_ref());
    alert.source_vendors = texts(std::mem::take(&mut wire.source_vendors));
    alert.labels = texts(wire.tags.clone());
    alert.is_suppressed = wire.show_in_ui.map(|shown| !shown);
    alert.console_url = wire.falcon_host_link.as_deref().and_then(console_url);
}

/// The link without `_cid`, which is a key to the tenant and nobody else's business.
fn console_url(link: &str) -> Option<String> {
    let mut url = Url::parse(link.trim()).ok().filter(|u| u.scheme() == "https")?;
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(k, _)| k != "_cid")
        .map(|(k, v)| (k.into_owned(), v.into_owned()))
        .collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    Some(url.into())
}

fn times(alert: &mut Alert, wire: &AlertEntity, notes: &mut Notes) {
    alert.time = notes.time("timestamp", wire.timestamp.as_deref());
    alert.created_time = notes.time("created_timestamp", wire.created_timestamp.as_deref());
    alert.modified_time = notes.time("updated_timestamp", wire.updated_timestamp.as_deref());
    alert.first_seen = notes
        .time("start_time", wire.start_time.as_deref())
        .or_else(|| notes.time("context_timestamp", wire.context_timestamp.as_deref()));
    alert.last_seen = notes.time("end_time", wire.end_time.as_deref());
    if let (Some(first), Some(last)) = (alert.first_seen, alert.last_seen)
        && last < first
    {
        notes.anomaly("end_time", wire.end_time.as_deref().unwrap_or_default(), "before the start");
        alert.last_seen = None;
    }
}

/// The name counts; the number where there is no name. Where both are there and differ, it is told.
fn severity(alert: &mut Alert, wire: &AlertEntity, notes: &mut Notes) {
    let number = wire.severity;
    let bucket = number.and_then(bucket);
    let name = wire.severity_name.as_ref().map(|w| w.as_str().trim()).filter(|n| !n.is_empty());
    let shown = number.map(|n| n.to_string());
    if number.is_some() && bucket.is_none() {
        notes.anomaly("severity", shown.as_deref().unwrap_or_default(), "not between 0 and 100");
    }
    let Some(name) = name else {
        let provenance = if bucket.is_some() { Provenance::Derived } else { Provenance::Default };
        notes.origin("severity", shown.as_deref(), provenance);
        alert.severity = bucket.unwrap_or_default();
        return;
    };
    alert.severity = match name.to_ascii_lowercase().as_str() {
        "info" => Severity::Informational,
        "none" => Severity::Unknown,
        _ => Severity::from(name),
    };
    notes.origin("severity", Some(name), Provenance::Converted);
    if bucket.is_some_and(|b| b != alert.severity) {
        notes.anomaly("severity", shown.as_deref().unwrap_or_default(), "differs from severity_name");
    }
}

pub(super) fn bucket(number: f64) -> Option<Severity> {
    match number {
        n if !(0.0..=100.0).contains(&n) => None,
        n if n < 1.0 => Some(Severity::Unknown),
        n if n < 20.0 => Some(Severity::Informational),
        n if n < 40.0 => Some(Severity::Low),
        n if n < 60.0 => Some(Severity::Medium),
        n if n < 80.0 => Some(Severity::High),
        _ => Some(Severity::Critical),
    }
}

fn status(alert: &mut Alert, wire: &AlertEntity, notes: &mut Notes) {
    let word = wire.status.as_ref().map(|w| w.as_str().trim()).filter(|w| !w.is_empty());
    let plain = word.map(|w| w.to_ascii_lowercase().replace(' ', "_"));
    // The decision stood in the status once.
    let legacy = plain.as_deref().and_then(verdict);
    alert.status = match plain.as_deref() {
        None => AlertStatus::Unknown,
        Some("new") => AlertStatus::New,
        Some("in_progress") => AlertStatus::InProgress,
        Some("reopened") => AlertStatus::Reopened,
        Some("closed") => AlertStatus::Resolved,
        Some(_) if legacy.is_some() => AlertStatus::Resolved,
        Some(_) => AlertStatus::Other(word.unwrap_or_default().to_owned()),
    };
    // A decision that somebody took outranks the rule that hides the alert.
    let hidden = wire.show_in_ui == Some(false) && alert.status != AlertStatus::Resolved;
    if word.is_some() || !hidden {
        let provenance = if word.is_some() { Provenance::Converted } else { Provenance::Default };
        notes.origin("status", word, provenance);
    }
    if hidden {
        alert.status = AlertStatus::Suppressed;
        notes.origin("status", Some("show_in_ui"), Provenance::Derived);
    }
    decision(alert, wire, legacy, notes);
    alert.confidence_score = confidence(wire.confidence, notes);
}

fn confidence(number: Option<f64>, notes: &mut Notes) -> Option<u8> {
    let number = number.filter(|n| *n != 0.0)?;
    if !(1.0..=100.0).contains(&number) {
        notes.anomaly("confidence", &number.to_string(), "not between 1 and 100");
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
    Some(number as u8)
}

/// The decision: stated, set by a tag (which is how the console sets it), or in an old status.
fn decision(alert: &mut Alert, wire: &AlertEntity, legacy: Option<Verdict>, notes: &mut Notes) {
    let stated = wire.resolution.as_ref().map(|w| w.as_str().trim()).filter(|r| !r.is_empty());
    let tagged = wire.tags.iter().find_map(|t| Some((t.as_str(), verdict(t)?)));
    let (found, word, provenance) = match (stated, tagged, legacy) {
        (Some(word), _, _) => (
            verdict(word).unwrap_or_else(|| Verdict::Other(word.to_owned())),
            Some(word),
            Provenance::Converted,
        ),
        (None, Some((tag, found)), _) => (found, Some(tag), Provenance::Derived),
        (None, None, Some(found)) => (found, wire.status.as_ref().map(Work::as_str), Provenance::Converted),
        (None, None, None) => return,
    };
    alert.verdict = found;
    notes.origin("verdict", word, provenance);
}

fn verdict(word: &str) -> Option<Verdict> {
    match word.trim().to_ascii_lowercase().as_str() {
        "true_positive" => Some(Verdict::TruePositive),
        "false_positive" => Some(Verdict::FalsePositive),
        "ignored" => Some(Verdict::Disregard),
        _ => None,
    }
}

fn assignee(wire: &mut AlertEntity) -> Option<User> {
    let uuid = text(wire.assigned_to_uuid.take());
    let uid = text(wire.assigned_to_uid.take());
    let name = text(wire.assigned_to_name.take());
    if uuid.is_none() && uid.is_none() && name.is_none() {
        return None;
    }
    // A uuid of zeroes is CrowdStrike's own team.
    let team = uuid.as_deref().is_some_and(|u| u.bytes().all(|b| matches!(b, b'0' | b'-')));
    let email = uid.clone().filter(|u| u.contains('@'));
    let kind = if team { UserKind::Service } else { UserKind::User };
    Some(User { name: name.or_else(|| uid.clone()), domain: None, uid: uuid.or(uid), email, kind })
}

fn analytic(wire: &AlertEntity, notes: &mut Notes) -> Option<Analytic> {
    let (uid, name) = (text(wire.pattern_id.clone()), text(wire.name.clone()));
    let learning = wire.tactic_id.as_deref() == Some("CSTA0004")
        || wire.mitre_attack.iter().any(|m| m.tactic_id.as_deref() == Some("CSTA0004"));
    let indicator = wire.ioc_value.as_deref().is_some_and(|v| !v.trim().is_empty());
    let endpoint = wire.product == Some(AlertProduct::Epp);
    let kind = match (learning, indicator, endpoint) {
        (true, _, _) => Some("learning"),
        (_, true, _) => Some("indicator"),
        (_, _, true) => Some("behavioral"),
        _ => None,
    };
    if kind.is_some() {
        notes.origin("analytic.type", None, Provenance::Derived);
    }
    let analytic = Analytic { kind: kind.map(str::to_owned), uid, name };
    (analytic.uid.is_some() || analytic.name.is_some()).then_some(analytic)
}

fn attacks(alert: &mut Alert, wire: &mut AlertEntity, notes: &mut Notes) {
    let (attacks, framework) = attack::read(wire, notes);
    alert.attacks = attacks;
    let own = [wire.objective.take(), wire.scenario.take(), wire.kind.take()];
    for word in own.into_iter().filter_map(text).chain(framework) {
        if !alert.types.contains(&word) {
            alert.types.push(word);
        }
    }
}

/// The host as the alert describes it: a device, or, in an identity alert, the endpoint that the
/// access came from; or the agent's id alone.
fn device(wire: &mut AlertEntity, context: &Context, notes: &mut Notes) -> Option<Host> {
    let agent = text(wire.agent_id.take());
    if let Some(mut device) = wire.device.take() {
        if device.device_id.as_deref().is_none_or(|id| id.trim().is_empty()) {
            device.device_id = agent.clone();
        }
        let mut own = Notes::new(context.now);
        if let Some(mut found) = host::part((*device).into(), context, &mut own) {
            notes.anomalies.append(&mut own.anomalies);
            found.origins = own.origins;
            return Some(found);
        }
    }
    let identity = wire.product == Some(AlertProduct::Idp);
    let sensor = text(wire.source_endpoint_sensor_id.take()).filter(|_| identity);
    let name = verbatim(wire.source_endpoint_host_name.take()).filter(|_| identity);
    let ip = if identity {
        notes.ip("source_endpoint_address_ip4", wire.source_endpoint_address_ip4.as_deref())
    } else {
        None
    };
    let uid = agent.or(sensor);
    if uid.is_none() && name.is_none() && ip.is_none() {
        return None;
    }
    let mut found = Host::new("", "", "", "");
    (found.tenant, found.vendor) = (context.tenant.clone(), VENDOR);
    found.raw = edr_core::Raw::default();
    found.uid = uid.unwrap_or_default();
    found.hostname = name.unwrap_or_default();
    found.ip = ip;
    let mut own = Notes::new(context.now);
    found.os.platform = host::platform(wire.platform.as_ref().map(HostPlatform::as_str), None, &mut own);
    found.origins = own.origins;
    Some(found)
}

/// Whom it is about: the account of the process, or the account of an identity alert.
fn user(wire: &mut AlertEntity) -> Option<User> {
    let name = text(wire.user_name.take()).or_else(|| text(wire.source_account_name.take()));
    let sid = text(wire.user_id.take()).or_else(|| text(wire.source_account_object_sid.take()));
    let principal = text(wire.user_principal.take()).or_else(|| text(wire.source_account_upn.take()));
    let domain = text(wire.logon_domain.take()).or_else(|| text(wire.source_account_domain.take()));
    // Put together, so that a system account is recognised by its domain.
    let whole = match (&name, &domain) {
        (Some(name), Some(domain)) if !name.contains(['\\', '@']) => Some(format!("{domain}\\{name}")),
        _ => name.or_else(|| principal.clone()),
    };
    let mut user = read::user(whole.as_deref().unwrap_or_default(), sid.as_deref())?;
    user.domain = user.domain.or(domain);
    user.email = principal.filter(|p| p.contains('@')).or(user.email);
    Some(user)
}

fn groups(alert: &mut Alert, wire: &mut AlertEntity) {
    let incident = wire.incident.take().and_then(|i| text(i.id));
    alert.case_uids = texts(std::mem::take(&mut wire.linked_case_ids));
    alert.case_uids.extend(incident.clone());
    let keys = [text(wire.aggregate_id.take()), text(wire.control_graph_id.take()), incident];
    alert.group_keys = keys.into_iter().flatten().collect();
    let cases = alert.case_uids.iter().filter(|c| !alert.group_keys.contains(c)).cloned().collect::<Vec<_>>();
    alert.group_keys.extend(cases);
}

fn comments(alert: &mut Alert, wire: &mut AlertEntity, notes: &mut Notes) {
    for comment in std::mem::take(&mut wire.comments) {
        let time = notes.time("comments.timestamp", comment.timestamp.as_deref());
        let author = text(comment.falcon_user_id);
        alert.comments.extend(text(comment.value).map(|text| Comment { text, author, time }));
    }
    let single = text(wire.comment.take()).filter(|t| !alert.comments.iter().any(|c| c.text == *t));
    alert.comments.extend(single.map(|text| Comment { text, author: None, time: None }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_the_table() {
        for (number, severity) in [
            (0.0, Some(Severity::Unknown)),
            (1.0, Some(Severity::Informational)),
            (19.0, Some(Severity::Informational)),
            (20.0, Some(Severity::Low)),
            (50.0, Some(Severity::Medium)),
            (79.0, Some(Severity::High)),
            (80.0, Some(Severity::Critical)),
            (100.0, Some(Severity::Critical)),
            (101.0, None),
            (-1.0, None),
            (f64::NAN, None),
        ] {
            assert_eq!(bucket(number), severity, "{number}");
        }
    }

    #[test]
    fn a_hidden_alert_is_suppressed_unless_it_is_decided() {
        let hidden = ("show_in_ui", Provenance::Derived);
        let told = |word| (word, Provenance::Converted);
        for (word, shown, status, expected) in [
            ("new", "false", AlertStatus::Suppressed, vec![told("new"), hidden.clone()]),
            ("escalated", "false", AlertStatus::Suppressed, vec![told("escalated"), hidden.clone()]),
            ("", "false", AlertStatus::Suppressed, vec![hidden]),
            ("closed", "false", AlertStatus::Resolved, vec![told("closed")]),
            ("ignored", "false", AlertStatus::Resolved, vec![told("ignored")]),
            ("new", "true", AlertStatus::New, vec![told("new")]),
            ("new", "null", AlertStatus::New, vec![told("new")]),
        ] {
            let json = format!(r#"{{"composite_id":"c","status":"{word}","show_in_ui":{shown}}}"#);
            let now = chrono::TimeZone::timestamp_opt(&chrono::Utc, 1_768_046_400, 0).unwrap();
            let alert =
                super::super::alert(&json.clone().into(), &Context { tenant: "t".into(), now }).unwrap();
            assert_eq!(alert.status, status, "{json}");
            let origins = alert.origins.iter().filter(|o| o.field == "status");
            let origins: Vec<_> = origins
                .map(|o| (o.vendor_value.as_deref().unwrap_or_default(), o.provenance.clone()))
                .collect();
            assert_eq!(origins, expected, "{json}");
        }
    }

    #[test]
    fn a_link_loses_the_key_to_the_tenant() {
        for (link, url) in [
            (
                "https://falcon.us-2.crowdstrike.com/x/c:ind:a?_cid=canary",
                Some("https://falcon.us-2.crowdstrike.com/x/c:ind:a"),
            ),
            ("https://f.example/x?_cid=canary&a=1", Some("https://f.example/x?a=1")),
            ("javascript:alert(1)", None),
            ("", None),
        ] {
            assert_eq!(console_url(link).as_deref(), url, "{link}");
        }
    }
}
