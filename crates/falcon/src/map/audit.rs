//! Entries of Falcon's audits to audit events.

use edr_core::model::read;
use edr_core::{AuditEvent, AuditSource, HostRef, Provenance, User};

use super::{Context, Notes, application, text, verbatim};
use crate::VENDOR;
use crate::api::install_tokens::TokenEvent;
use crate::api::rtr::SessionRecord;

fn begun(context: &Context, uid: Option<String>, source: AuditSource) -> Option<AuditEvent> {
    let mut event = AuditEvent::new("", "", "", "");
    event.tenant = context.tenant.clone();
    event.vendor = VENDOR;
    event.uid = text(uid)?;
    event.source = source;
    Some(event)
}

/// What was done to an installation token; nothing when it has no id.
pub(super) fn token_event(wire: TokenEvent, context: &Context) -> Option<AuditEvent> {
    let mut notes = Notes::new(context.now);
    let mut event = begun(context, wire.id, AuditSource::InstallToken)?;
    event.time = notes.time("timestamp", wire.timestamp.as_deref());
    event.actor = actor(wire.actor, None);
    event.action = text(wire.action);
    event.desc = verbatim(wire.description);
    event.targets = text(wire.token_id).into_iter().collect();
    (event.origins, event.anomalies) = (notes.origins, notes.anomalies);
    Some(event)
}

/// A session of Real Time Response; nothing when it has no id. The description is the commands, which is what was done.
pub(super) fn remote_session(wire: SessionRecord, context: &Context) -> Option<AuditEvent> {
    let mut notes = Notes::new(context.now);
    let mut event = begun(context, wire.id, AuditSource::RemoteSession)?;
    event.session_uid = Some(event.uid.clone());
    event.tenant_uid = text(wire.cid);
    event.time = notes.time("created_at", wire.created_at.as_deref());
    event.actor = actor(wire.user_id, wire.user_uuid);
    let commands: Vec<String> =
        wire.logs.into_iter().filter_map(|log| text(log.command_string.or(log.base_command))).collect();
    if !commands.is_empty() {
        event.desc = Some(commands.join("; "));
        notes.origin("desc", None, Provenance::Derived);
    }
    let mut host = HostRef::default();
    host.uid = text(wire.device_id);
    host.hostname = verbatim(wire.hostname);
    host.platform = application::platform(wire.platform_name);
    event.host = (host != HostRef::default()).then_some(host);
    (event.origins, event.anomalies) = (notes.origins, notes.anomalies);
    Some(event)
}

/// A person by mail or name, or the id of an API client.
fn actor(name: Option<String>, uid: Option<String>) -> Option<User> {
    let name = text(name)?;
    let mut user = read::user(&name, None)?;
    if name.contains('@') {
        user.email = Some(name);
    }
    user.uid = user.uid.or_else(|| text(uid));
    Some(user)
}
