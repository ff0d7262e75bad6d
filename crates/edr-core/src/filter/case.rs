//! The fields of a case.

use super::FieldKind::{self, Bool, Number, Text, Time};
use super::fields::words::VERDICTS;
use super::fields::{each, fields};
use crate::Case;

const STATUSES: FieldKind =
    FieldKind::Enum(&["new", "in_progress", "on_hold", "reopened", "resolved", "closed", "unknown"]);

fields! { CASE_FIELDS, case_fields, Case, Case, "The fields of a case that can be filtered on.";
    "alert_count" Number, |c, out| each(&c.alert_count, Some, out);
    "alert_uids" Text, |c, out| each(&c.alert_uids, Some, out);
    "assignee.email" Text, |c, out| each(&c.assignee, |u| u.email.as_ref(), out);
    "assignee.name" Text, |c, out| each(&c.assignee, |u| u.name.as_ref(), out);
    "attacks" Text, |c, out| for attack in &c.attacks {
        for part in [&attack.tactic, &attack.technique, &attack.sub_technique].into_iter().flatten() {
            each(&part.uid, Some, out);
            each(&part.name, Some, out);
        }
    };
    "created_time" Time, |c, out| each(&c.created_time, Some, out);
    "desc" Text, |c, out| each(&c.desc, Some, out);
    "first_seen" Time, |c, out| each(&c.first_seen, Some, out);
    "hosts" Text, |c, out| {
        each(&c.hosts, |h| h.uid.as_ref(), out);
        each(&c.hosts, |h| h.hostname.as_ref(), out);
    };
    "is_starred" Bool, |c, out| each(&c.is_starred, Some, out);
    "labels" Text, |c, out| each(&c.labels, Some, out);
    "last_seen" Time, |c, out| each(&c.last_seen, Some, out);
    "modified_time" Time, |c, out| each(&c.modified_time, Some, out);
    "resolved_time" Time, |c, out| each(&c.resolved_time, Some, out);
    "score" Number, |c, out| each(&c.score, Some, out);
    "severity" FieldKind::Severity, |c, out| out(c.severity.as_str().into());
    "status" STATUSES, |c, out| out(c.status.as_str().into());
    "title" Text, |c, out| if !c.title.is_empty() { out(c.title.as_str().into()) };
    "uid" Text, |c, out| out(c.uid.as_str().into());
    "uid_alt" Text, |c, out| each(&c.uid_alt, Some, out);
    "users" Text, |c, out| each(&c.users, |u| u.name.as_ref(), out);
    "verdict" VERDICTS, |c, out| out(c.verdict.as_str().into());
}
