//! The fields of an alert.

use super::FieldKind::{self, Bool, Number, Text, Time};
use super::fields::words::{PLATFORMS, VERDICTS};
use super::fields::{each, fields};
use crate::Alert;

const STATUSES: FieldKind =
    FieldKind::Enum(&["new", "in_progress", "reopened", "resolved", "suppressed", "unknown"]);
const ACTIONS: FieldKind = FieldKind::Enum(&["allowed", "denied", "modified", "observed", "unknown"]);
const DISPOSITIONS: FieldKind = FieldKind::Enum(&[
    "allowed",
    "blocked",
    "challenge",
    "custom_action",
    "detected",
    "dropped",
    "isolated",
    "quarantined",
    "reset",
    "uncorrected",
    "unknown",
]);

fields! { ALERT_FIELDS, alert_fields, Alert, Alert, "The fields of an alert that can be filtered on.";
    "action" ACTIONS, |a, out| out(a.action.as_str().into());
    "analytic.name" Text, |a, out| each(&a.analytic, |x| x.name.as_ref(), out);
    "analytic.uid" Text, |a, out| each(&a.analytic, |x| x.uid.as_ref(), out);
    "assignee.email" Text, |a, out| each(&a.assignee, |u| u.email.as_ref(), out);
    "assignee.name" Text, |a, out| each(&a.assignee, |u| u.name.as_ref(), out);
    "attacks" Text, |a, out| for attack in &a.attacks {
        for part in [&attack.tactic, &attack.technique, &attack.sub_technique].into_iter().flatten() {
            each(&part.uid, Some, out);
            each(&part.name, Some, out);
        }
    };
    "case_uids" Text, |a, out| each(&a.case_uids, Some, out);
    "confidence_score" Number, |a, out| each(&a.confidence_score, Some, out);
    "created_time" Time, |a, out| each(&a.created_time, Some, out);
    "desc" Text, |a, out| each(&a.desc, Some, out);
    "device.domain" Text, |a, out| each(&a.device, |d| d.domain.as_ref(), out);
    "device.hostname" Text, |a, out| each(&a.device, |d| (!d.hostname.is_empty()).then_some(&d.hostname), out);
    "device.ip" Text, |a, out| each(&a.device, |d| d.ip.as_ref(), out);
    "device.os.type" PLATFORMS, |a, out| each(&a.device, |d| Some(d.os.platform.as_str()), out);
    "device.uid" Text, |a, out| each(&a.device, |d| (!d.uid.is_empty()).then_some(&d.uid), out);
    "disposition" DISPOSITIONS, |a, out| out(a.disposition.as_str().into());
    "first_seen" Time, |a, out| each(&a.first_seen, Some, out);
    "group_keys" Text, |a, out| each(&a.group_keys, Some, out);
    "iocs" Text, |a, out| each(&a.iocs, |i| Some(&i.value), out);
    "is_suppressed" Bool, |a, out| each(&a.is_suppressed, Some, out);
    "labels" Text, |a, out| each(&a.labels, Some, out);
    "last_seen" Time, |a, out| each(&a.last_seen, Some, out);
    "modified_time" Time, |a, out| each(&a.modified_time, Some, out);
    "prevented" Bool, |a, out| each(&a.prevented, Some, out);
    "product_feature" Text, |a, out| each(&a.product_feature, Some, out);
    "severity" FieldKind::Severity, |a, out| out(a.severity.as_str().into());
    "sha256" Text, |a, out| for evidence in &a.evidences {
        each(&evidence.process, |p| p.hashes.sha256.as_ref(), out);
        each(&evidence.file, |f| f.hashes.sha256.as_ref(), out);
    };
    "source_vendors" Text, |a, out| each(&a.source_vendors, Some, out);
    "status" STATUSES, |a, out| out(a.status.as_str().into());
    "time" Time, |a, out| each(&a.time, Some, out);
    "title" Text, |a, out| out(a.title.as_str().into());
    "types" Text, |a, out| each(&a.types, Some, out);
    "uid" Text, |a, out| out(a.uid.as_str().into());
    "uid_alt" Text, |a, out| each(&a.uid_alt, Some, out);
    "users" Text, |a, out| each(&a.users, |u| u.name.as_ref(), out);
    "verdict" VERDICTS, |a, out| out(a.verdict.as_str().into());
    "would_prevent" Bool, |a, out| each(&a.would_prevent, Some, out);
}
