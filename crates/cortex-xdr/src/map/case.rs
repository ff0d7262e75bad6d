//! A case from an incident of XDR 3 or a case of XDR 5. Sources: reference, normalisation 2.3.

use edr_core::model::read;
use edr_core::{AlertStatus, Case, CaseHost, CaseStatus, Comment, Noun, Raw, Rejected, User, Verdict};

use super::{Context, Notes, attack};
use crate::api::cases::{self, CaseRecord};
use crate::api::incidents::{self, Incident};
use crate::words;

/// Decodes and maps an incident.
///
/// # Errors
/// The item as a [`Rejected`] when it cannot be decoded.
pub(crate) fn incident(context: &Context, raw: Raw) -> Result<Case, Box<Rejected>> {
    match incidents::SHEET.decode(raw.as_bytes()) {
        Ok(incident) => Ok(of_incident(context, incident, raw)),
        Err(reason) => Err(Box::new(context.rejected(Noun::Case, &raw, &["incident_id"], reason))),
    }
}

/// Decodes and maps a case.
///
/// # Errors
/// The item as a [`Rejected`] when it cannot be decoded.
pub(crate) fn case(context: &Context, raw: Raw) -> Result<Case, Box<Rejected>> {
    match cases::SHEET.decode(raw.as_bytes()) {
        Ok(case) => Ok(of_case(context, case, raw)),
        Err(reason) => Err(Box::new(context.rejected(Noun::Case, &raw, &["case_id", "id"], reason))),
    }
}

fn begun(context: &Context, uid: Option<String>, raw: Raw) -> Case {
    let mut case = Case::default();
    case.tenant = context.tenant.clone();
    case.vendor = context.vendor.clone();
    case.tenant_uid = context.tenant_uid.clone();
    case.uid = uid.unwrap_or_default();
    case.raw = raw;
    case
}

fn of_incident(context: &Context, wire: Incident, raw: Raw) -> Case {
    let mut notes = Notes::new(context.now);
    let mut case = begun(context, wire.incident_id, raw);
    case.desc = wire.manual_description.or(wire.description);
    case.title = wire.incident_name.or_else(|| case.desc.clone()).unwrap_or_default();
    case.created_time = notes.stamp("creation_time", &wire.creation_time);
    case.modified_time = notes.stamp("modification_time", &wire.modification_time);
    case.first_seen = notes.stamp("detection_time", &wire.detection_time);
    case.resolved_time = notes.stamp("resolved_timestamp", &wire.resolved_timestamp);
    let severities = [&wire.manual_severity, &wire.severity].map(|s| s.as_ref().map(|s| s.as_str()));
    severity(&mut case, severities, &mut notes);
    case.score = wire.manual_score.or(wire.aggregated_score).or(wire.predicted_score);
    let word = wire.status.as_ref().map(|s| s.as_str().to_owned());
    standing(&mut case, word.as_deref(), None, &mut notes);
    case.assignee = assignee(wire.assigned_user_mail, wire.assigned_user_pretty_name);
    case.alert_count = wire.alert_count.and_then(|count| u32::try_from(count).ok());
    case.hosts = wire.hosts.iter().filter_map(|text| host(text)).collect();
    case.users = wire.users.iter().filter_map(|name| read::user(name, None)).collect();
    case.attacks = attack::of_lists(&wire.tactics, &wire.techniques);
    case.labels = wire.tags;
    case.comments = wire.comments.into_iter().filter_map(|c| comment(c, &mut notes)).collect();
    case.comments.extend(wire.resolve_comment.map(|text| Comment { text, ..Comment::default() }));
    case.is_starred = wire.starred;
    case.console_url = wire.xdr_url;
    (case.origins, case.anomalies) = notes.into_parts();
    case
}

fn of_case(context: &Context, wire: CaseRecord, raw: Raw) -> Case {
    let mut notes = Notes::new(context.now);
    let mut case = begun(context, wire.case_id, raw);
    case.desc = wire.description;
    case.title = wire.case_name.or_else(|| case.desc.clone()).unwrap_or_default();
    case.created_time = notes.stamp("creation_time", &wire.creation_time);
    case.modified_time = notes.stamp("modification_time", &wire.modification_time);
    case.resolved_time = notes.stamp("resolved_timestamp", &wire.resolved_timestamp);
    let severities = [&wire.user_severity, &wire.severity].map(|s| s.as_ref().map(|s| s.as_str()));
    severity(&mut case, severities, &mut notes);
    let word = wire.status_progress.as_ref().map(|s| s.as_str().to_owned());
    let reason = wire.resolve_reason.as_ref().map(|r| r.as_str().to_owned());
    standing(&mut case, word.as_deref(), reason.as_deref(), &mut notes);
    case.assignee = assignee(wire.assigned_user_mail, wire.assigned_user_pretty_name);
    case.alert_count = wire.issue_count.and_then(|count| u32::try_from(count).ok());
    case.alert_uids = wire.issue_ids;
    case.hosts = wire.hosts.iter().filter_map(|text| host(text)).collect();
    case.users = wire.users.iter().filter_map(|name| read::user(name, None)).collect();
    case.labels = wire.tags;
    case.comments =
        wire.resolve_comment.map(|text| Comment { text, ..Comment::default() }).into_iter().collect();
    case.is_starred = wire.starred;
    case.console_url = wire.xdr_url;
    (case.origins, case.anomalies) = notes.into_parts();
    case
}

/// What a person set comes before what was computed.
fn severity(case: &mut Case, words: [Option<&str>; 2], notes: &mut Notes) {
    if let Some(word) = words.into_iter().flatten().next() {
        case.severity = words::severity(word);
        notes.converted("severity", word);
    }
}

/// The state, and the verdict that stands in it or beside it.
fn standing(case: &mut Case, word: Option<&str>, reason: Option<&str>, notes: &mut Notes) {
    let Some(word) = word else { return };
    let (status, within) = words::status(word);
    case.status = match status {
        AlertStatus::InProgress => CaseStatus::InProgress,
        AlertStatus::New => CaseStatus::New,
        AlertStatus::Reopened => CaseStatus::Reopened,
        AlertStatus::Resolved => CaseStatus::Resolved,
        other => CaseStatus::Other(other.as_str().to_owned()),
    };
    notes.converted("status", word);
    let decided =
        within.or_else(|| reason.map(words::verdict)).filter(|_| case.status == CaseStatus::Resolved);
    if let Some(verdict) = decided {
        notes.converted("verdict", reason.unwrap_or(word));
        case.verdict = verdict;
    } else {
        case.verdict = Verdict::Unknown;
    }
}

fn assignee(mail: Option<String>, name: Option<String>) -> Option<User> {
    let mut user = read::user(name.as_deref().or(mail.as_deref())?, None)?;
    user.email = mail.filter(|mail| mail.contains('@')).or(user.email);
    Some(user)
}

/// `name:id`, or a name; the id may be the word `null`.
fn host(text: &str) -> Option<CaseHost> {
    let (name, uid) = text.rsplit_once(':').map_or((text, None), |(name, id)| (name, Some(id)));
    let host = CaseHost { uid: uid.and_then(read::text), hostname: read::text(name) };
    (host != CaseHost::default()).then_some(host)
}

fn comment(wire: incidents::Comment, notes: &mut Notes) -> Option<Comment> {
    let time = notes.stamp("created_time", &wire.created_time);
    Some(Comment { text: wire.value?, author: wire.created_by, time })
}
