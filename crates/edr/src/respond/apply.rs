//! Applying a plan: at most once for each host, resumable at every point, each tenant for itself.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use edr_core::TenantId;
use futures_util::stream::{self, StreamExt as _};

use super::error::{Error, Refusal, Result};
use super::guard::{Consent, Guard, Rule};
use super::host::HostKey;
use super::make::{Fresh, SIDE_BY_SIDE};
use super::operation::{HostOutcome, Operation};
use super::plan::{Plan, PlannedHost};
use super::record::{Event, JournalHost, Moved, Record, Told, without_values};
use super::responder::Responder;
use super::send::TenantRun;
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
        let Some(sends) = self.ready(plan, before.is_some(), consent).await? else {
            return self.operation(&plan.id);
        };
        self.run(plan, &sends).await?;
        self.journal().append(Event::Ended { plan: plan.id.clone() })?;
        self.operation(&plan.id)
    }

    /// Reads back what an interrupted run left in doubt.
    async fn settle_all(&self, plan: &Plan, before: &Operation) -> Result<()> {
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

    /// Looks at the hosts that are to be asked for, and writes down that it begins. `None` when nothing is left to do.
    async fn ready(&self, plan: &Plan, again: bool, consent: &Consent) -> Result<Option<Vec<HostKey>>> {
        let wanted = self.wanted(plan, again)?;
        if again && wanted.is_empty() {
            return Ok(None);
        }
        let fresh = self.fresh(wanted.iter().map(|p| p.host.key())).await;
        let moved: Vec<Moved> = wanted.iter().filter_map(|p| self.moved(plan, p, &fresh)).collect();
        if !moved.is_empty() && !consent.without_moved && !consent.lease {
            return Err(estate_moved(&moved).into());
        }
        let gone: BTreeSet<HostKey> = moved.iter().map(|m| m.host.key()).collect();
        let sends: Vec<HostKey> =
            wanted.iter().map(|p| p.host.key()).filter(|key| !gone.contains(key)).collect();
        plan.save(&self.state().plan(&plan.id))?;
        self.begin(plan, again, consent, &sends)?;
        if !moved.is_empty() {
            self.journal().append(Event::Moved { plan: plan.id.clone(), hosts: moved })?;
        }
        for (tenant, error) in &fresh.failed {
            let (plan, tenant, error) = (plan.id.clone(), tenant.clone(), Told::from(error));
            self.journal().append(Event::Stopped { plan, tenant, error })?;
        }
        Ok(Some(sends.into_iter().filter(|key| !fresh.failed.contains_key(&key.tenant)).collect()))
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

    /// What is different from what the plan saw. A host that came or went offline has not moved.
    fn moved(&self, plan: &Plan, planned: &PlannedHost, fresh: &Fresh) -> Option<Moved> {
        if fresh.failed.contains_key(&planned.host.tenant) {
            return None;
        }
        let now = match fresh.hosts.get(&planned.host.key()) {
            None => "the tenant does not have it any more".to_owned(),
            Some(host) if host.hostname != planned.host.hostname => {
                format!("it is called {} now", host.hostname)
            }
            Some(host) => match self.decide(&plan.action, host) {
                decision if decision.is_sent() => return None,
                decision => decision.to_string(),
            },
        };
        Some(Moved { host: planned.host.clone(), planned: planned.decision.clone(), now })
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
                approved_by: consent.signatures.iter().map(|s| s.key.clone()).collect(),
            })
        })?;
        Ok(())
    }

    /// The tenants side by side, each for itself.
    async fn run(&self, plan: &Plan, sends: &[HostKey]) -> Result<()> {
        let tenants: BTreeSet<TenantId> = sends.iter().map(|key| key.tenant.clone()).collect();
        let runs = tenants.into_iter().map(|tenant| async move {
            match self.provider(&tenant) {
                Ok(provider) => TenantRun::new(self, plan, provider).run().await,
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
        Event::Began { plan, action: edr_core::ResponseAction::Release, .. } => Some(plan),
        _ => None,
    }
}

fn estate_moved(moved: &[Moved]) -> Refusal {
    let told: Vec<String> = moved.iter().take(3).map(|m| format!("{}: {}", m.host, m.now)).collect();
    let more = if moved.len() > 3 { format!(", and {} more", moved.len() - 3) } else { String::new() };
    let message = format!("{} hosts are not as the plan saw them: {}{more}", moved.len(), told.join(", "));
    Refusal::new(Rule::Moved, message).about(moved.iter().map(|m| m.host.clone()).collect())
}
