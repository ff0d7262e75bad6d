//! The fields of an audit event.

use super::FieldKind::{self, Text, Time};
use super::fields::{each, fields};
use crate::AuditEvent;

const SOURCES: FieldKind =
    FieldKind::Enum(&["agent", "console", "install_token", "remote_session", "unknown"]);
const RESULTS: FieldKind = FieldKind::Enum(&["failure", "success", "unknown"]);

fields! { AUDIT_FIELDS, audit_fields, AuditEvent, AuditEvent, "The fields of an audit event that can be filtered on.";
    "action" Text, |a, out| each(&a.action, Some, out);
    "actor.email" Text, |a, out| each(a.actor.iter().filter_map(|u| u.email.as_ref()), Some, out);
    "actor.name" Text, |a, out| each(a.actor.iter().filter_map(|u| u.name.as_ref()), Some, out);
    "case_uid" Text, |a, out| each(&a.case_uid, Some, out);
    "created_time" Time, |a, out| each(&a.created_time, Some, out);
    "desc" Text, |a, out| each(&a.desc, Some, out);
    "host.domain" Text, |a, out| each(a.host.iter().filter_map(|h| h.domain.as_ref()), Some, out);
    "host.hostname" Text, |a, out| each(a.host.iter().filter_map(|h| h.hostname.as_ref()), Some, out);
    "host.uid" Text, |a, out| each(a.host.iter().filter_map(|h| h.uid.as_ref()), Some, out);
    "reason" Text, |a, out| each(&a.reason, Some, out);
    "result" RESULTS, |a, out| out(a.result.as_str().into());
    "session_uid" Text, |a, out| each(&a.session_uid, Some, out);
    "severity" FieldKind::Severity, |a, out| out(a.severity.as_str().into());
    "source" SOURCES, |a, out| out(a.source.as_str().into());
    "src_ip" Text, |a, out| each(&a.src_ip, Some, out);
    "targets" Text, |a, out| each(&a.targets, Some, out);
    "time" Time, |a, out| each(&a.time, Some, out);
    "type" Text, |a, out| each(&a.kind, Some, out);
    "uid" Text, |a, out| out(a.uid.as_str().into());
}
