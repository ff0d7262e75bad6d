//! What there is to say about one agent.

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{AgentHealth, ConnectionState, ContainmentState, Host};

use super::{Agent, Finding};

impl Agent {
    /// What matters of a host here.
    pub(super) fn of(host: &Host) -> Self {
        Self {
            tenant: host.tenant.clone(),
            vendor: host.vendor.clone(),
            uid: host.uid.clone(),
            hostname: host.hostname.clone(),
            is_current: true,
            platform: host.os.platform.clone(),
            version: host.agent.version.clone(),
            behind: None,
            health: host.agent.health.clone(),
            connection_state: host.connection_state.clone(),
            containment_state: host.containment_state.clone(),
            first_seen: host.installed.or(host.first_seen),
            last_seen: host.last_seen,
            findings: Vec::new(),
        }
    }

    /// Looks at it. Of an agent that was removed or replaced nothing more is said.
    pub(super) fn judge(&mut self, now: DateTime<Utc>, stale_after: TimeDelta) {
        self.findings.clear();
        if self.is_current && self.connection_state == ConnectionState::Uninstalled {
            self.findings.push(Finding::Uninstalled);
        }
        if !self.is_present() {
            return;
        }
        let stale = self.last_seen.is_none_or(|seen| now - seen > stale_after);
        let behind = self.behind.unwrap_or(0);
        let said = [
            (stale, Finding::Stale),
            (self.is_never_seen(now), Finding::NeverSeen),
            (self.health == AgentHealth::Unprotected, Finding::Unprotected),
            (self.health == AgentHealth::Degraded, Finding::Degraded),
            (behind >= 2, Finding::BehindN1),
            (behind >= 3, Finding::BehindN2),
            (self.containment_state == ContainmentState::Contained, Finding::Contained),
            (self.is_pending(), Finding::ContainmentPending),
        ];
        self.findings.extend(said.into_iter().filter(|(is, _)| *is).map(|(_, finding)| finding));
    }

    fn is_pending(&self) -> bool {
        matches!(self.containment_state, ContainmentState::ContainmentPending | ContainmentState::LiftPending)
    }

    /// Seen in the hour of its installation, a day ago or more, and never again.
    fn is_never_seen(&self, now: DateTime<Utc>) -> bool {
        let Some(last) = self.last_seen else { return true };
        let began = |first: DateTime<Utc>| last - first <= TimeDelta::hours(1);
        self.first_seen.is_some_and(began) && now - last > TimeDelta::days(1)
    }
}
