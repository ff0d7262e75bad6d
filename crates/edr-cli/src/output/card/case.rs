//! The page of a case: what, who works on it, where, and what is in it.

use edr::{AuditEvent, Case, Ioc};

use super::{Card, Page};
use crate::output::style::Look;

impl Card for Case {
    fn card(&self, page: &mut Page<'_>) {
        let glance = [(Look::Severity, self.severity.as_str()), (Look::Status, self.status.as_str())];
        page.head(&self.title, &glance);
        page.columns(self, FACTS);
        page.line("about", self.desc.as_deref().filter(|d| *d != self.title).unwrap_or_default());
        if !self.attacks.is_empty() {
            page.section("ATT&CK");
            self.attacks.iter().for_each(|attack| page.free(&super::alert::chain(attack)));
        }
        super::alert::comments(&self.comments, page);
    }
}

const FACTS: &[(&str, &str)] = &[
    ("tenant", "tenant"),
    ("vendor", "vendor"),
    ("uid", "id"),
    ("uid_alt", "reference"),
    ("created_time", "created"),
    ("modified_time", "changed"),
    ("first_seen", "first activity"),
    ("last_seen", "last activity"),
    ("resolved_time", "resolved"),
    ("verdict", "verdict"),
    ("score", "score"),
    ("assignee.name", "assigned to"),
    ("hosts", "hosts"),
    ("users", "users"),
    ("alert_count", "alerts"),
    ("alert_uids", "alert ids"),
    ("labels", "labels"),
    ("console_url", "console"),
];

impl Card for AuditEvent {
    fn card(&self, page: &mut Page<'_>) {
        let title = self.desc.as_deref().or(self.action.as_deref()).unwrap_or(&self.uid);
        page.head(title, &[(Look::Severity, self.severity.as_str())]);
        page.columns(self, ACT);
    }
}

const ACT: &[(&str, &str)] = &[
    ("tenant", "tenant"),
    ("vendor", "vendor"),
    ("uid", "id"),
    ("source", "from"),
    ("type", "type"),
    ("action", "action"),
    ("time", "time"),
    ("actor.name", "by"),
    ("src_ip", "address"),
    ("targets", "on"),
    ("host.hostname", "host"),
    ("result", "result"),
    ("reason", "reason"),
    ("session_uid", "session"),
    ("case_uid", "case"),
];

impl Card for Ioc {
    fn card(&self, page: &mut Page<'_>) {
        page.head(&self.value, &[(Look::Severity, self.severity.as_str())]);
        page.columns(self, INDICATOR);
    }
}

const INDICATOR: &[(&str, &str)] = &[
    ("tenant", "tenant"),
    ("vendor", "vendor"),
    ("uid", "id"),
    ("type", "type"),
    ("action", "action"),
    ("expiration", "ends"),
    ("platforms", "platforms"),
    ("groups", "groups"),
    ("is_enabled", "switched on"),
    ("is_expired", "ended"),
    ("tags", "tags"),
    ("desc", "about"),
    ("source", "source"),
    ("created_time", "created"),
    ("modified_time", "changed"),
    ("modified_by", "changed by"),
];
