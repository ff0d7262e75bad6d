//! Making a plan: the hosts are read again, with all that decides about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{Because, ConnectionState, EdrProvider, Host, ResponseAction, TenantId};
use futures_util::stream::{self, StreamExt as _};

use super::decide::{decide, once_a_machine};
use super::error::Result;
use super::groups::has_nameless;
use super::host::{HostKey, HostRef, key};
use super::plan::{Decision, Plan, PlannedHost, lease_fits, uuid};
use super::resolve::{Found, Resolved, Unread, is_stale, twins};
use super::responder::Responder;

/// What a plan is to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Draft {
    /// What is asked for.
    pub action: ResponseAction,
    /// Why.
    pub because: Because,
    /// For how long; only a containment can be leased.
    pub lease: Option<TimeDelta>,
    /// Act on hosts that their vendor has not seen for long, too.
    pub stale_too: bool,
    pub(super) releases: Option<String>,
}

impl Draft {
    /// A plan for this action.
    #[must_use]
    pub fn new(action: ResponseAction) -> Self {
        Self { action, because: Because::new(), lease: None, stale_too: false, releases: None }
    }

    /// Contain.
    #[must_use]
    pub fn contain() -> Self {
        Self::new(ResponseAction::Contain)
    }

    /// Release.
    #[must_use]
    pub fn release() -> Self {
        Self::new(ResponseAction::Release)
    }

    /// For this reason.
    #[must_use]
    pub fn because(mut self, because: Because) -> Self {
        self.because = because;
        self
    }

    /// For so long: then the hosts are released again.
    #[must_use]
    pub fn lease(mut self, lease: TimeDelta) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Act on hosts that their vendor has not seen for long, too.
    #[must_use]
    pub fn stale_too(mut self) -> Self {
        self.stale_too = true;
        self
    }

    fn check(&self) -> Result<()> {
        self.action.check()?;
        self.lease.map_or(Ok(()), |lease| lease_fits(&self.action, lease))
    }
}

/// What the tenants say of these hosts now.
pub(super) struct Fresh {
    pub(super) hosts: BTreeMap<HostKey, Host>,
    pub(super) failed: BTreeMap<TenantId, edr_core::Error>,
    /// Hosts that came and cannot be read.
    unreadable: BTreeMap<HostKey, String>,
    /// Hosts of which nobody knows whether they are protected.
    pub(super) undecided: BTreeMap<HostKey, String>,
    pub(super) as_of: DateTime<Utc>,
}

impl Fresh {
    /// True when the host may be there, and cannot be read.
    pub(super) fn is_hidden(&self, key: &HostKey) -> bool {
        !self.hosts.contains_key(key)
            && (self.failed.contains_key(&key.tenant) || self.unreadable.contains_key(key))
    }

    /// Why a host of a tenant that answered is not among the hosts.
    pub(super) fn why_absent(&self, key: &HostKey) -> String {
        match self.unreadable.get(key) {
            Some(reason) => format!("it cannot be read: {reason}"),
            None => "the tenant does not have it any more".to_owned(),
        }
    }
}

/// How many tenants are asked at the same time.
pub(super) const SIDE_BY_SIDE: usize = 16;

impl Responder {
    /// What would happen to these hosts. Nothing is changed; the hosts are read again, so that the plan is as fresh as it
    /// says.
    ///
    /// # Errors
    /// When the draft makes no sense, or a protected group is not there. A tenant that cannot be read is no error: its hosts are planned as unread.
    pub async fn plan(&self, resolved: &Resolved, draft: &Draft) -> Result<Plan> {
        draft.check()?;
        let mut fresh = self.fresh(resolved.hosts.iter().map(key)).await;
        if draft.action != ResponseAction::Release {
            self.name_groups(&mut fresh).await?;
        }
        let now = fresh.as_of;
        let seen: Vec<Host> =
            resolved.hosts.iter().map(|h| fresh.hosts.get(&key(h)).unwrap_or(h)).cloned().collect();
        let planned = |host: &Host| self.planned(host, &fresh, draft);
        let mut hosts: Vec<PlannedHost> = seen.iter().map(planned).collect();
        if draft.action != ResponseAction::Release {
            self.spread_protection(&mut hosts, &seen);
        }
        if once_a_machine(&draft.action) {
            choose_agents(&mut hosts, &seen, |host| self.fits(&draft.action, host));
        }
        let open = |f: &&super::resolve::Finding| {
            matches!(f.found, Found::Ambiguous { .. } | Found::Unknown | Found::Unproven { .. })
        };
        Plan {
            edr_plan: 0,
            id: uuid(now, self.dice()),
            created: now,
            by: self.actor().to_owned(),
            tool: self.tool().to_owned(),
            action: draft.action.clone(),
            because: draft.because.clone(),
            lease_seconds: draft.lease.map(|lease| lease.num_seconds()),
            releases: draft.releases.clone(),
            hosts,
            unresolved: resolved.findings.iter().filter(open).cloned().collect(),
            unread: unread(resolved, &fresh),
            digest: String::new(),
        }
        .seal()
    }

    /// Reads hosts back, tenant by tenant, in as few calls as the vendors allow.
    pub(super) async fn fresh(&self, keys: impl IntoIterator<Item = HostKey>) -> Fresh {
        let mut tenants: BTreeMap<TenantId, Vec<String>> = BTreeMap::new();
        keys.into_iter().for_each(|key| tenants.entry(key.tenant).or_default().push(key.uid));
        let reads = tenants.into_iter().map(|(tenant, uids)| async move {
            let read = match self.provider(&tenant) {
                Ok(provider) => provider.hosts_by_uid(&uids).await,
                Err(error) => Err(error),
            };
            (tenant, read)
        });
        let reads: Vec<_> = stream::iter(reads).buffer_unordered(SIDE_BY_SIDE).collect().await;
        let as_of = self.clock().now();
        let (hosts, failed, unreadable) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut fresh = Fresh { hosts, failed, unreadable, undecided: BTreeMap::new(), as_of };
        for (tenant, read) in reads {
            match read {
                Ok(found) => {
                    fresh.hosts.extend(found.hosts.into_iter().map(|h| (key(&h), h)));
                    let odd = found.unreadable.into_iter().map(|h| (HostKey::new(&tenant, &h.uid), h.reason));
                    fresh.unreadable.extend(odd);
                }
                Err(error) => drop(fresh.failed.insert(tenant, error)),
            }
        }
        fresh
    }

    pub(super) fn planned(&self, host: &Host, fresh: &Fresh, draft: &Draft) -> PlannedHost {
        let stale = !draft.stale_too
            && draft.action != ResponseAction::Release
            && is_stale(host, self.safety().stale_after, fresh.as_of);
        let decision = match (fresh.failed.get(&host.tenant), fresh.hosts.contains_key(&key(host))) {
            (Some(error), _) => Decision::Unread { reason: error.to_string() },
            (None, false) => Decision::Unread { reason: fresh.why_absent(&key(host)) },
            (None, true) => match (self.decide(&draft.action, host), fresh.undecided.get(&key(host))) {
                (sent, _) if sent.is_sent() && stale => Decision::Stale,
                (sent, Some(reason)) if sent.is_sent() => Decision::Unread { reason: reason.clone() },
                (decision, _) => decision,
            },
        };
        PlannedHost {
            host: HostRef::from(host),
            platform: host.os.platform.clone(),
            roles: host.roles.clone(),
            containment: host.containment_state.clone(),
            connection: host.connection_state.clone(),
            as_of: fresh.as_of,
            decision,
        }
    }

    /// Whether the host's vendor can be told this order.
    fn fits(&self, action: &ResponseAction, host: &PlannedHost) -> bool {
        self.provider(&host.host.tenant).is_ok_and(|provider| provider.order_fit(action).is_ok())
    }

    /// What would happen to this host, as it is seen now.
    pub(super) fn decide(&self, action: &ResponseAction, host: &Host) -> Decision {
        let provider: edr_core::Result<Arc<dyn EdrProvider>> = self.provider(&host.tenant);
        match provider {
            Ok(provider) => {
                let action = &provider.as_shown(action);
                decide(action, host, provider.capabilities(), &self.safety().protected)
            }
            Err(error) => Decision::Unread { reason: error.to_string() },
        }
    }

    /// A machine whose other agent is protected is protected: it is the same machine by another name.
    pub(super) fn spread_protection(&self, hosts: &mut [PlannedHost], seen: &[Host]) {
        let said_of = |twin: &Host| {
            let planned = hosts.iter().find(|p| p.host.key() == key(twin))?;
            self.said_of_others(planned, twin)
        };
        let said = |host: &Host| {
            let all = twins(host, seen).into_iter().filter_map(said_of);
            all.max_by_key(|decision| matches!(decision, Decision::Protected { .. }))
        };
        let said: Vec<Option<Decision>> = seen.iter().map(said).collect();
        for (planned, said) in hosts.iter_mut().zip(said) {
            if let (true, Some(decision)) = (planned.decision.is_sent(), said) {
                planned.decision = decision;
            }
        }
    }

    /// What an agent says of the others on its machine. One that cannot be read now says what it said when it was seen
    /// last; where that is not known whole, nobody may act by another.
    fn said_of_others(&self, planned: &PlannedHost, seen: &Host) -> Option<Decision> {
        let protected = &self.safety().protected;
        let rule = match &planned.decision {
            Decision::Protected { rule } => Some(rule.clone()),
            Decision::Unread { .. } => protected.rule_for(seen),
            _ => return None,
        };
        match rule {
            Some(rule) => {
                Some(Decision::Protected { rule: format!("{rule}, by another agent of the machine") })
            }
            None if protected.group_names(&seen.vendor).is_empty() || !has_nameless(seen) => None,
            None => Some(hidden_agent(&planned.host)),
        }
    }
}

/// Whoever has another agent that cannot be read may be protected.
pub(super) fn hidden_agent(agent: &HostRef) -> Decision {
    Decision::Unread { reason: format!("another agent of the machine cannot be read: {agent}") }
}

fn unread(resolved: &Resolved, fresh: &Fresh) -> Vec<Unread> {
    let failed = fresh
        .failed
        .iter()
        .map(|(tenant, error)| Unread { tenant: tenant.clone(), reason: error.to_string() });
    let mut all = resolved.unread.clone();
    for unread in failed {
        if !all.iter().any(|u| u.tenant == unread.tenant) {
            all.push(unread);
        }
    }
    all.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    all
}

/// Of several agents of one machine one acts: one that has done so already, else one whose vendor can be told the order, else
/// one that is online, else the one that was seen last.
fn choose_agents(hosts: &mut [PlannedHost], seen: &[Host], fits: impl Fn(&PlannedHost) -> bool) {
    let busy = |p: &PlannedHost| matches!(p.decision, Decision::AlreadyDone | Decision::Pending);
    for at in 0..seen.len() {
        let Some(planned) = hosts.get(at).filter(|p| p.decision.is_sent()) else { continue };
        let others: Vec<HostKey> = twins(&seen[at], seen).into_iter().map(key).collect();
        let rank = |p: &PlannedHost| {
            let online = p.connection == ConnectionState::Online;
            (busy(p), fits(p), online, p.host.last_seen, std::cmp::Reverse(p.host.key()))
        };
        let able = |p: &&PlannedHost| others.contains(&p.host.key()) && (busy(p) || p.decision.is_sent());
        let best = hosts.iter().filter(able).max_by_key(|p| rank(p));
        if let Some(by) = best.filter(|best| rank(best) > rank(planned)).map(|p| p.host.key()) {
            hosts[at].decision = Decision::OtherAgent { by };
        }
    }
}
