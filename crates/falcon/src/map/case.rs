//! The case entity to a case. Sources: reference, normalisation 2.3.

use edr_core::model::read;
use edr_core::{Case, CaseHost, CaseStatus, Provenance, Severity, User, Verdict};

use super::{Context, Notes, alert, text, texts, verbatim};
use crate::VENDOR;
use crate::api::cases::{Case as Wire, CaseAccount, CaseStatus as Word, CaseUser, EvidenceRecords};

/// A case of a listing; nothing when it has no id.
pub(super) fn map(mut wire: Wire, context: &Context) -> Option<Case> {
    let mut case = Case::new("", "", "", "");
    case.tenant = context.tenant.clone();
    case.vendor = VENDOR;
    case.uid = text(wire.id.take())?;
    case.uid_alt = text(wire.reference_id.take());
    case.tenant_uid = text(wire.cid.take());
    let mut notes = Notes::new(context.now);
    case.title = verbatim(wire.name.take()).unwrap_or_default();
    case.desc = text(wire.description.take());
    case.created_time = notes.time("created_timestamp", wire.created_timestamp.as_deref());
    case.modified_time = notes.time("updated_timestamp", wire.updated_timestamp.as_deref());
    case.first_seen = notes.time("start_timestamp", wire.start_timestamp.as_deref());
    case.last_seen = notes.time("end_timestamp", wire.end_timestamp.as_deref());
    severity(&mut case, &wire, &mut notes);
    status(&mut case, &wire, &mut notes);
    case.assignee = wire.assigned_to.take().and_then(assignee);
    case.labels = texts(std::mem::take(&mut wire.tags));
    verdict(&mut case, &mut notes);
    let alerts = wire.evidence.take().and_then(|e| e.alerts).unwrap_or_default();
    case.alert_uids = ids(alerts);
    case.alert_count = u32::try_from(case.alert_uids.len()).ok();
    let found = wire.analysis_results.take().unwrap_or_default();
    let host = |h: crate::api::cases::CaseHost| CaseHost { uid: text(h.aid), hostname: text(h.hostname) };
    let hosts = found.hosts.unwrap_or_default().records.into_iter().map(host);
    case.hosts = hosts.filter(|h| *h != CaseHost::default()).collect();
    case.users = found.users.unwrap_or_default().records.into_iter().filter_map(account).collect();
    (case.origins, case.anomalies) = (notes.origins, notes.anomalies);
    Some(case)
}

fn ids(records: EvidenceRecords) -> Vec<String> {
    records.records.into_iter().filter_map(|record| text(record.id)).collect()
}

/// By the number, in the buckets of alerts: the level beside it is a coarser word for it.
fn severity(case: &mut Case, wire: &Wire, notes: &mut Notes) {
    let number = wire.severity.and_then(|n| u32::try_from(n).ok());
    if let Some(bucket) = number.and_then(|n| alert::bucket(f64::from(n))) {
        case.severity = bucket;
        notes.origin("severity", number.map(|n| n.to_string()).as_deref(), Provenance::Derived);
    } else if let Some(level) = wire.severity_info.as_ref().and_then(|s| s.level.as_deref()) {
        case.severity = Severity::from(level);
        notes.origin("severity", Some(level), Provenance::Converted);
    }
}

fn status(case: &mut Case, wire: &Wire, notes: &mut Notes) {
    let Some(word) = &wire.status else { return };
    case.status = match word {
        Word::Closed => CaseStatus::Closed,
        Word::InProgress => CaseStatus::InProgress,
        Word::New => CaseStatus::New,
        Word::Reopened => CaseStatus::Reopened,
        other => CaseStatus::Other(other.as_str().to_owned()),
    };
    notes.origin("status", Some(word.as_str()), Provenance::Converted);
}

/// A case has none of its own: people put it into the tags that are the verdicts of alerts.
fn verdict(case: &mut Case, notes: &mut Notes) {
    let words = [
        ("true_positive", Verdict::TruePositive),
        ("false_positive", Verdict::FalsePositive),
        ("ignored", Verdict::Disregard),
    ];
    let told = |label: &&String| words.iter().any(|(word, _)| label.eq_ignore_ascii_case(word));
    let mut tags = case.labels.iter().filter(told);
    let (Some(tag), None) = (tags.next(), tags.next()) else { return };
    notes.origin("verdict", Some(tag), Provenance::Derived);
    let found = words.into_iter().find(|(word, _)| tag.eq_ignore_ascii_case(word));
    case.verdict = found.map(|(_, verdict)| verdict).unwrap_or_default();
}

fn assignee(wire: CaseUser) -> Option<User> {
    let (email, uid) = (text(wire.email), text(wire.uuid));
    let mut user = read::user(text(wire.full_name).or_else(|| email.clone())?.as_str(), uid.as_deref())?;
    user.email = email.or(user.email);
    Some(user)
}

fn account(wire: CaseAccount) -> Option<User> {
    let name = text(wire.username).or_else(|| text(wire.user_full_name)).unwrap_or_default();
    let uid = text(wire.sid).or_else(|| text(wire.user_id));
    let mut user = read::user(&name, uid.as_deref())?;
    user.email = wire.email_addresses.into_iter().find_map(|mail| text(Some(mail))).or(user.email);
    Some(user)
}
