//! An audit event from an act in the console or a report of an agent.

use edr_core::model::read;
use edr_core::{AuditEvent, AuditResult as Ended, AuditSource, HostRef, Noun, Raw, Rejected, User};
use sha2::{Digest as _, Sha256};

use super::{Context, Notes, domain};
use crate::api::audits::{self, AgentReport, AuditResult, ManagementLog};
use crate::words;

/// Decodes and maps an act in the console.
///
/// # Errors
/// The item as a [`Rejected`] when it cannot be decoded.
pub(crate) fn management_log(context: &Context, raw: Raw) -> Result<AuditEvent, Box<Rejected>> {
    match audits::MANAGEMENT_SHEET.decode(raw.as_bytes()) {
        Ok(log) => Ok(of_console(context, log, raw)),
        Err(reason) => Err(Box::new(context.rejected(Noun::AuditEvent, &raw, &["AUDIT_ID"], reason))),
    }
}

/// Decodes and maps a report of an agent.
///
/// # Errors
/// The item as a [`Rejected`] when it cannot be decoded, or says nothing.
pub(crate) fn agent_report(context: &Context, raw: Raw) -> Result<AuditEvent, Box<Rejected>> {
    let told = audits::report(raw.as_bytes()).and_then(|report| match report {
        nothing if nothing == AgentReport::default() => Err("it says nothing".to_owned()),
        report => Ok(report),
    });
    match told {
        Ok(report) => Ok(of_agent(context, report, raw)),
        Err(reason) => Err(Box::new(context.rejected(Noun::AuditEvent, &raw, &[], reason))),
    }
}

fn begun(context: &Context, uid: String, source: AuditSource, raw: Raw) -> AuditEvent {
    let mut event = AuditEvent::default();
    event.tenant = context.tenant.clone();
    event.vendor = context.vendor.clone();
    event.tenant_uid = context.tenant_uid.clone();
    (event.uid, event.source, event.raw) = (uid, source, raw);
    event
}

fn of_console(context: &Context, wire: ManagementLog, raw: Raw) -> AuditEvent {
    let mut notes = Notes::new(context.now);
    let mut event = begun(context, wire.id.unwrap_or_default(), AuditSource::Console, raw);
    event.time = notes.stamp("AUDIT_INSERT_TIME", &wire.at);
    event.actor = actor(wire.owner, wire.email);
    (event.kind, event.action) = (wire.entity, wire.subtype);
    (event.desc, event.reason) = (wire.description, wire.reason);
    event.src_ip = wire.source_ip.as_deref().and_then(|ip| notes.ip("AUDIT_SOURCE_IP", ip));
    event.targets = wire.assets;
    event.host = wire.hostname.and_then(|name| named(None, Some(name), None));
    (event.session_uid, event.case_uid) = (wire.session, wire.case_id);
    outcome(&mut event, wire.result.as_ref(), wire.severity.as_deref(), &mut notes);
    (event.origins, event.anomalies) = notes.into_parts();
    event
}

fn of_agent(context: &Context, wire: AgentReport, raw: Raw) -> AuditEvent {
    let mut notes = Notes::new(context.now);
    let uid = digest(&wire);
    notes.derived("uid", "a digest of the report");
    let mut event = begun(context, uid, AuditSource::Agent, raw);
    event.time = notes.stamp("TIMESTAMP", &wire.at);
    event.created_time = notes.stamp("RECEIVEDTIME", &wire.received);
    (event.kind, event.action) = (wire.kind, wire.subtype);
    (event.desc, event.reason) = (wire.description, wire.reason);
    event.host = named(wire.endpoint_id, wire.endpoint_name, domain(wire.domain));
    outcome(&mut event, wire.result.as_ref(), wire.severity.as_deref(), &mut notes);
    (event.origins, event.anomalies) = notes.into_parts();
    event
}

/// What tells two reports apart, since they have no id: 32 hex digits of the SHA-256 of these fields, a line each.
fn digest(wire: &AgentReport) -> String {
    let category = wire.category.as_ref().map(|word| word.as_str());
    let result = wire.result.as_ref().map(|word| word.as_str());
    let told = [
        wire.endpoint_id.as_deref(),
        wire.endpoint_name.as_deref(),
        wire.at.text.as_deref(),
        wire.received.text.as_deref(),
        category,
        wire.kind.as_deref(),
        wire.subtype.as_deref(),
        result,
        wire.reason.as_deref(),
        wire.description.as_deref(),
    ];
    let text = told.map(Option::unwrap_or_default).join("\n");
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn actor(name: Option<String>, mail: Option<String>) -> Option<User> {
    let mut user = read::user(name.as_deref().or(mail.as_deref())?, None)?;
    user.email = mail.filter(|mail| mail.contains('@')).or(user.email);
    Some(user)
}

fn named(uid: Option<String>, hostname: Option<String>, domain: Option<String>) -> Option<HostRef> {
    let mut host = HostRef::default();
    (host.uid, host.hostname, host.domain) = (uid, hostname, domain);
    (host != HostRef::default()).then_some(host)
}

/// How it ended, and how much it matters.
fn outcome(event: &mut AuditEvent, result: Option<&AuditResult>, severity: Option<&str>, notes: &mut Notes) {
    if let Some(word) = result {
        event.result = match word {
            AuditResult::Fail => Ended::Failure,
            AuditResult::Success => Ended::Success,
            other => Ended::Other(other.as_str().to_owned()),
        };
        notes.converted("result", word.as_str());
    }
    if let Some(word) = severity {
        event.severity = words::severity(word);
        notes.converted("severity", word);
    }
}
