//! Applying a plan: at most once for each host, resumable at every point, each tenant for itself.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use edr_core::{Host, ResponseAction, TenantId};
use futures_util::stream::{self, StreamExt as _};

use super::approve::ApprovalKey;
use super::decide::is_done;
use super::error::{Error, Refusal, Result};
use super::guard::{Consent, Guard, Rule};
use super::host::HostKey;
use super::make::SIDE_BY_SIDE;
use super::operation::{HostOutcome, Operation};
use super::plan::{Plan, PlannedHost};
use super::record::{Event, JournalHost, Moved, Readback, Record, Told, without_values};
use super::responder::Responder;
use super::send::TenantRun;
use super::sight::Sight;
use super::tale::operation;

impl Responder {
    /// Applies a plan, or takes it up again where it was interrupted.
    ///
    /// The plan must be as it was made, the rules and the consent must allow it, and the hosts must be as the plan saw
    /// them. Then each request is written to the journal before it is sent, and its answer after. A host of which nobody can
    /// say whether it was asked for is read back first. Dropping the future is as good as a crash: the next call goes on.
    ///
    /// What single hosts and tenants answered is in the operation that is returned; it may be open
    /// ([`Operation::is_open`]). Nothing in it is "done" because a vendor took the request: see [`Self::confirm`].
    ///
    /// # Errors
    /// [`Error::Refused`] with the rule, [`Error::Busy`] when another process applies this plan, or a journal that cannot
    /// be written. Nothing was sent then, unless the journal failed on the way.
    pub async fn apply(&self, plan: &Plan, consent: &Consent) -> Result<Operation> {
        let applied = self.try_apply(plan, consent).await;
        if let Err(Error::Refused(refusal)) = &applied {
            let (rule, message) = (refusal.rule.as_str().to_owned(), refusal.message.clone());
            self.journal().append(Event::Refused { plan: plan.id.clone(), rule, message })?;
        }
        applied
    }

    async fn try_apply(&self, plan: &Plan, consent: &Consent) -> Result<Operation> {
        plan.check_digest()?;
        self.guard().check(plan, consent)?;
        let _lock = self.state().lock_plan(&plan.id, self.actor())?;
        let before = self.journal().look(|records| operation(records, &plan.id))?;
        match &before {
            Some(before) if before.digest != plan.digest => {
                let message = "another plan with this id was applied; this one was changed after it was made";
                return Err(Error::refused(Rule::PlanEdited, message));
            }
            Some(before) => self.settle_all(plan, before).await?,
            None => self.guard().age(plan, self.clock().now())?,
        }
        if before.is_some() && self.nothing_left(plan)? {
            return self.operation(&plan.id);
        }
        let sends = self.ready(plan, before.is_some(), consent).await?;
        self.run(plan, &sends).await?;
        self.journal().append(Event::Ended { plan: plan.id.clone() })?;
        self.operation(&plan.id)
    }

    /// True when the operation asks for no host any more. A run that was interrupted has come to its end then.
    ///
    /// # Errors
    /// [`Rule::Lease`] when hosts are left of a containment whose lease is over: nobody would give them back in time.
    fn nothing_left(&self, plan: &Plan) -> Result<bool> {
        let (left, now) = (self.wanted(plan, true)?.len(), self.operation(&plan.id)?);
        let is_over = now.is_due(self.clock().now());
        if (left == 0 || is_over) && now.ended.is_none() {
            self.journal().append(Event::Ended { plan: plan.id.clone() })?;
        }
        if left > 0 && is_over {
            let message = format!("the lease is over, and {left} hosts are left; make a new plan");
            return Err(Error::refused(Rule::Lease, message));
        }
        Ok(left == 0)
    }

    /// Reads back the hosts of an operation of which nobody can say whether they were asked for. Nothing is asked for. An
    /// interrupted operation that asks for no host any more comes to its end.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process applies its plan, or when the journal or the plan that is kept cannot be used.
    pub async fn read_back(&self, id: &str) -> Result<Operation> {
        let plan = self.kept_plan(&self.operation(id)?)?;
        let _lock = self.state().lock_plan(id, self.actor())?;
        self.settle_all(&plan, &self.operation(id)?).await?;
        let now = self.operation(id)?;
        if now.ended.is_none() && (!now.is_open() || now.is_due(self.clock().now())) {
            self.journal().append(Event::Ended { plan: id.to_owned() })?;
        }
        self.operation(id)
    }

    /// Reads back what an interrupted run left in doubt.
    pub(super) async fn settle_all(&self, plan: &Plan, before: &Operation) -> Result<()> {
        let doubtful = before.hosts.iter().filter(|h| h.in_doubt.is_some());
        let tenants: BTreeSet<TenantId> = doubtful.map(|h| h.host.tenant.clone()).collect();
        for tenant in tenants {
            match self.provider(&tenant) {
                Ok(provider) => TenantRun::new(self, plan, provider).settle().await?,
                // They stay in doubt, and nobody asks for them.
                Err(_) => continue,
            }
        }
        Ok(())
    }

    /// Looks at the hosts that are to be asked for, and writes down that it begins.
    async fn ready(&self, plan: &Plan, again: bool, consent: &Consent) -> Result<Vec<HostKey>> {
        let wanted = self.wanted(plan, again)?;
        let now = self.sight(plan, &wanted).await?;
        let wanted = self.settle_late(plan, wanted, &now)?;
        let moved: Vec<Moved> = wanted.iter().filter_map(|p| now.moved(p)).collect();
        if !moved.is_empty() && !consent.without_moved && !consent.lease {
            return Err(estate_moved(&moved).into());
        }
        let gone: BTreeSet<HostKey> = moved.iter().map(|m| m.host.key()).collect();
        let sends: Vec<HostKey> =
            wanted.iter().map(|p| p.host.key()).filter(|key| !gone.contains(key)).collect();
        plan.save(&self.state().plan(&plan.id)?)?;
        self.begin(plan, again, consent, &sends)?;
        if !moved.is_empty() {
            self.journal().append(Event::Moved { plan: plan.id.clone(), hosts: moved })?;
        }
        let tenants: BTreeSet<&TenantId> = wanted.iter().map(|p| &p.host.tenant).collect();
        for (tenant, error) in now.fresh.failed.iter().filter(|(tenant, _)| tenants.contains(tenant)) {
            let (plan, tenant, error) = (plan.id.clone(), tenant.clone(), Told::from(error));
            self.journal().append(Event::Stopped { plan, tenant, error })?;
        }
        Ok(sends.into_iter().filter(|key| !now.fresh.failed.contains_key(&key.tenant)).collect())
    }

    /// Takes out the hosts that looked untouched when they were read back shortly after they were asked for, and are as they
    /// were wanted now: what was sent came late, and is not what somebody else did.
    fn settle_late<'p>(
        &self,
        plan: &Plan,
        wanted: Vec<&'p PlannedHost>,
        now: &Sight,
    ) -> Result<Vec<&'p PlannedHost>> {
        let before = self.journal().look(|records| operation(records, &plan.id))?;
        let may_be = |h: &HostOutcome| h.may_show_late(now.fresh.as_of);
        let doubted = |key: &HostKey| before.as_ref().and_then(|op| op.host(key)).is_some_and(may_be);
        let is_late = |p: &&PlannedHost| {
            let (key, host) = (p.host.key(), now.fresh.hosts.get(&p.host.key()));
            doubted(&key) && host.is_some_and(|host| self.is_there(&plan.action, host))
        };
        let (late, wanted): (Vec<_>, Vec<_>) = wanted.into_iter().partition(is_late);
        let mut tenants: BTreeMap<TenantId, Vec<Readback>> = BTreeMap::new();
        for host in late.iter().filter_map(|p| now.fresh.hosts.get(&p.host.key())) {
            let (uid, seen) = (host.uid.clone(), host.containment_state.to_string());
            tenants.entry(host.tenant.clone()).or_default().push(Readback { uid, done: Some(true), seen });
        }
        for (tenant, hosts) in tenants {
            self.journal().append(Event::Settled { plan: plan.id.clone(), tenant, hosts })?;
        }
        Ok(wanted)
    }

    fn is_there(&self, action: &ResponseAction, host: &Host) -> bool {
        let shown = self.provider(&host.tenant).map(|provider| provider.as_shown(action));
        shown.is_ok_and(|action| is_done(&action, host) == Some(true))
    }

    /// The hosts that the plan acts on and that nothing final is known of.
    fn wanted<'p>(&self, plan: &'p Plan, again: bool) -> Result<Vec<&'p PlannedHost>> {
        if !again {
            return Ok(plan.sends().collect());
        }
        let now = self.operation(&plan.id)?;
        let open = |h: &HostOutcome| {
            let moved = matches!(h.outcome, super::Outcome::Moved { .. });
            h.in_doubt.is_none() && (h.outcome.is_open() || moved)
        };
        Ok(plan.sends().filter(|p| now.host(&p.host.key()).is_some_and(open)).collect())
    }

    /// Writes down what is going to be asked for, if the caps over all runs bear it: nobody else can write in between.
    fn begin(&self, plan: &Plan, again: bool, consent: &Consent, sends: &[HostKey]) -> Result<()> {
        let (now, guard) = (self.clock().now(), self.guard());
        self.journal().append_if(|records| {
            hold_caps(guard, plan, records, sends, now)?;
            if again {
                return Ok(Event::Resumed { plan: plan.id.clone(), sends: sends.to_vec() });
            }
            let host = |p: &PlannedHost| JournalHost { host: p.host.clone(), decision: p.decision.clone() };
            Ok(Event::Began {
                plan: plan.id.clone(),
                digest: plan.digest.clone(),
                action: without_values(&plan.action),
                because: plan.because.clone(),
                hosts: plan.hosts.iter().map(host).collect(),
                unresolved: plan.unresolved.iter().map(|f| f.selector.clone()).collect(),
                sends: sends.to_vec(),
                lease_until: plan.lease().map(|lease| now + lease),
                releases: plan.releases.clone(),
                approved_by: guard.signers(plan, consent).into_iter().map(ApprovalKey::to_base64).collect(),
            })
        })?;
        Ok(())
    }

    /// The tenants side by side, each for itself.
    async fn run(&self, plan: &Plan, sends: &[HostKey]) -> Result<()> {
        let tenants: BTreeSet<TenantId> = sends.iter().map(|key| key.tenant.clone()).collect();
        let all = &sends.iter().cloned().collect::<BTreeSet<HostKey>>();
        let runs = tenants.into_iter().map(|tenant| async move {
            match self.provider(&tenant) {
                Ok(provider) => TenantRun::new(self, plan, provider).run(all).await,
                Err(error) => {
                    let (plan, error) = (plan.id.clone(), Told::from(&error));
                    self.journal().append(Event::Stopped { plan, tenant, error }).map(drop)
                }
            }
        });
        let ends: Vec<Result<()>> = stream::iter(runs).buffer_unordered(SIDE_BY_SIDE).collect().await;
        ends.into_iter().collect()
    }
}

fn hold_caps(
    guard: Guard<'_>,
    plan: &Plan,
    records: &[Record],
    sends: &[HostKey],
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    // A record from the future counts: a clock that was set back lifts no cap.
    let recent = records.iter().filter(|r| r.time > now - chrono::TimeDelta::hours(1));
    let releases: BTreeSet<&str> = records.iter().filter_map(released).collect();
    let hosts = recent.filter_map(|r| match &r.event {
        Event::Began { plan, sends, .. } | Event::Resumed { plan, sends } => {
            Some(sends).filter(|_| !releases.contains(plan.as_str()))
        }
        _ => None,
    });
    guard.caps(&plan.action, hosts.flatten(), sends)
}

/// The operation, if it is a release.
fn released(record: &Record) -> Option<&str> {
    match &record.event {
        Event::Began { plan, action: ResponseAction::Release, .. } => Some(plan),
        _ => None,
    }
}

fn estate_moved(moved: &[Moved]) -> Refusal {
    let told: Vec<String> = moved.iter().take(3).map(|m| format!("{}: {}", m.host, m.now)).collect();
    let more = if moved.len() > 3 { format!(", and {} more", moved.len() - 3) } else { String::new() };
    let message = format!("{} hosts are not as the plan saw them: {}{more}", moved.len(), told.join(", "));
    Refusal::new(Rule::Moved, message).about(moved.iter().map(|m| m.host.clone()).collect())
}
