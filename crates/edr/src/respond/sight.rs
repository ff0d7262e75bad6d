//! The hosts of a plan as they are right before anything is sent, held against what the plan saw.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use edr_core::{Host, ResponseAction};

use super::error::Result;
use super::host::HostKey;
use super::make::{Draft, Fresh, hidden_agent};
use super::plan::{Decision, Plan, PlannedHost};
use super::record::Moved;
use super::resolve::is_stale;
use super::responder::Responder;

/// The hosts now, and what would happen to each.
pub(super) struct Sight {
    pub(super) fresh: Fresh,
    decisions: BTreeMap<HostKey, Decision>,
    /// The age at which a host that was not stale becomes so; none where that does not matter.
    stale_after: Option<TimeDelta>,
}

impl Responder {
    /// Reads the wanted hosts and all others of the plan: one of those may be an agent of the same machine, and may
    /// have become protected. From a release nobody is protected.
    pub(super) async fn sight(&self, plan: &Plan, wanted: &[&PlannedHost]) -> Result<Sight> {
        let is_release = plan.action == ResponseAction::Release;
        let of_plan = plan.hosts.iter().filter(|_| !is_release && !wanted.is_empty());
        let keys: BTreeSet<HostKey> = wanted.iter().copied().chain(of_plan).map(|p| p.host.key()).collect();
        let mut fresh = self.fresh(keys).await;
        if !is_release {
            self.name_groups(&mut fresh).await?;
        }
        let draft = Draft::new(plan.action.clone()).stale_too();
        let seen: Vec<Host> = fresh.hosts.values().cloned().collect();
        let mut planned: Vec<PlannedHost> = seen.iter().map(|h| self.planned(h, &fresh, &draft)).collect();
        if !is_release {
            stay_protected(&mut planned, plan);
            self.spread_protection(&mut planned, &seen);
            leave_with_hidden(&mut planned, plan, &fresh);
        }
        let decisions = planned.into_iter().map(|p| (p.host.key(), p.decision)).collect();
        let stale_after = self.safety().stale_after.filter(|_| !is_release);
        Ok(Sight { fresh, decisions, stale_after })
    }
}

/// Who was protected when it was planned, and cannot be read now, is protected still.
fn stay_protected(now: &mut [PlannedHost], plan: &Plan) {
    for host in now.iter_mut().filter(|p| matches!(p.decision, Decision::Unread { .. })) {
        let then = plan.hosts.iter().find(|p| p.host.key() == host.host.key()).map(|p| &p.decision);
        if let Some(protected @ Decision::Protected { .. }) = then {
            host.decision = protected.clone();
        }
    }
}

/// The plan knows the other agents of a machine that cannot be looked at now: they may have become protected.
fn leave_with_hidden(now: &mut [PlannedHost], plan: &Plan, fresh: &Fresh) {
    for other in plan.hosts.iter().filter(|p| fresh.is_hidden(&p.host.key())) {
        let Decision::OtherAgent { by } = &other.decision else { continue };
        if let Some(host) = now.iter_mut().find(|p| p.host.key() == *by && p.decision.is_sent()) {
            host.decision = hidden_agent(&other.host);
        }
    }
}

impl Sight {
    /// What is different from what the plan saw. A host that came or went offline has not moved.
    pub(super) fn moved(&self, planned: &PlannedHost) -> Option<Moved> {
        if self.fresh.failed.contains_key(&planned.host.tenant) {
            return None;
        }
        let key = planned.host.key();
        let now = match (self.fresh.hosts.get(&key), self.decisions.get(&key)) {
            (Some(host), _) if host.hostname != planned.host.hostname => {
                format!("it is called {} now", host.hostname)
            }
            (Some(_), Some(decision)) if !decision.is_sent() => decision.to_string(),
            (Some(host), Some(_)) if self.became_stale(planned, host) => Decision::Stale.to_string(),
            (Some(_), Some(_)) => return None,
            _ => self.fresh.why_absent(&key),
        };
        Some(Moved { host: planned.host.clone(), planned: planned.decision.clone(), now })
    }

    /// A host that was stale when it was planned was meant so.
    fn became_stale(&self, planned: &PlannedHost, host: &Host) -> bool {
        let was = self
            .stale_after
            .is_some_and(|after| planned.host.last_seen.is_some_and(|seen| seen < planned.as_of - after));
        !was && is_stale(host, self.stale_after, self.fresh.as_of)
    }
}
