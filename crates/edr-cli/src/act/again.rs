//! Runs that were interrupted: what became of their hosts is learnt first, and what is the same work is finished first. Nobody
//! who names one host takes up what was meant for others.

use std::collections::BTreeSet;

use edr::core::TenantId;
use edr::respond::{Decision, Found, HostKey, HostOutcome, Operation, Outcome, Plan, Resolved};

use super::agree::{Agreement, consent_of};
use super::{Failure, Run};

/// What this run did before its own plan.
#[derive(Default)]
pub(super) struct Before {
    /// What was taken up.
    pub(super) operations: Vec<Operation>,
    /// Hosts were read back or asked for: the plan is not fresh any more.
    pub(super) looked: bool,
    /// The number that was given to confirm was held against all that this run acts on.
    pub(super) confirmed: bool,
    /// The hosts that were left of what was taken up.
    pub(super) asked: BTreeSet<HostKey>,
}

/// What the line names.
struct Named {
    hosts: BTreeSet<HostKey>,
    /// Tenants that could not be read to their end.
    unread: BTreeSet<TenantId>,
    /// How many more hosts it may mean there.
    unproven: usize,
}

/// An operation that is taken up, and the hosts that are left of it.
struct Open {
    plan: Plan,
    hosts: BTreeSet<HostKey>,
}

impl Run<'_> {
    /// A run that died left hosts half done: they are read back before anything else is asked of them.
    pub(super) async fn take_up(&self, plan: &Plan, found: Option<&Resolved>) -> Result<Before, Failure> {
        let named = Named::of(plan, found);
        let wanted = &named.hosts;
        let same_verb = |op: &Operation| op.action.verb() == plan.action.verb();
        let (mut before, mut same, mut others) = (Before::default(), Vec::new(), Vec::new());
        for operation in self.responder.operations()?.into_iter().filter(same_verb) {
            let half = half_done(&operation);
            if half.is_disjoint(wanted) {
                continue;
            }
            let old = Plan::load(&self.responder.plan_path(&operation.id)?)?;
            if old.action != plan.action {
                continue;
            }
            self.context.report.progress(|| format!("reading back {}", operation.id));
            let now = self.responder.read_back(&operation.id).await?;
            before.looked = true;
            let hosts = left(&now);
            // Of an operation that asks for nobody any more only the rows are shown.
            let strangers = named.strangers(if hosts.is_empty() { &half } else { &hosts });
            match self.why_not(&now, &old, plan, strangers) {
                None if hosts.is_empty() => before.operations.push(now),
                None => same.push(Open { plan: old, hosts }),
                Some(why) => {
                    self.left_open(&now, &hosts, &why);
                    others.push(now);
                }
            }
        }
        self.agree_to_all(plan, &same, &mut before)?;
        for open in same {
            let message = format!("the operation {} was interrupted, and is finished first", open.plan.id);
            self.context.report.warn("taken_up", None, &message);
            let agreement = Agreement {
                without_moved: true,
                confirmed: before.confirmed,
                at_least: Some(open.plan.count()),
                ..Agreement::default()
            };
            before.operations.push(self.send(&open.plan, agreement).await?);
        }
        let doubtful =
            |h: &&HostOutcome| wanted.contains(&h.host.key()) && matches!(h.outcome, Outcome::Unknown { .. });
        if let Some(host) = before.operations.iter().chain(&others).flat_map(|op| &op.hosts).find(doubtful) {
            let message = format!(
                "nobody can say whether {} was asked for; look at it, then write a plan with -n --plan-out and apply that",
                host.host
            );
            return Err(Failure::Other(message));
        }
        Ok(before)
    }

    /// Why an operation is not the work that is asked for now.
    fn why_not(&self, now: &Operation, old: &Plan, plan: &Plan, strangers: usize) -> Option<String> {
        match () {
            () if strangers > 0 => {
                Some(format!("{strangers} of its hosts are not among those that are named"))
            }
            () if old.lease_seconds != plan.lease_seconds => Some("its lease is another".to_owned()),
            () if now.lease_until.is_some_and(|due| due <= self.context.now()) => {
                Some("its lease is over".to_owned())
            }
            () => None,
        }
    }

    fn left_open(&self, now: &Operation, left: &BTreeSet<HostKey>, why: &str) {
        if now.ended.is_some() || left.is_empty() {
            return;
        }
        let id = &now.id;
        let message = format!(
            "the operation {id} stays interrupted: {why}; edr respond apply {id} --without-moved finishes it"
        );
        self.context.report.warn("left_open", None, &message);
    }

    /// Whoever agrees to so many hosts agrees to so many in all, however many operations they are of.
    fn agree_to_all(&self, plan: &Plan, same: &[Open], before: &mut Before) -> Result<(), Failure> {
        before.asked = same.iter().flat_map(|open| &open.hosts).cloned().collect();
        if same.is_empty() {
            return Ok(());
        }
        let total = before.with(plan);
        before.confirmed = self.guards.confirm == Some(total);
        self.agree_to(total, same.len() > 1)
    }

    /// The same once more, when the plan was made anew.
    pub(super) fn agree_with(&self, plan: &Plan, before: &Before) -> Result<(), Failure> {
        if before.asked.is_empty() { Ok(()) } else { self.agree_to(before.with(plan), false) }
    }

    fn agree_to(&self, hosts: usize, confirm: bool) -> Result<(), Failure> {
        let mut consent = consent_of(self.guards);
        consent.confirm = consent.confirm.filter(|_| confirm);
        if !consent.yes && self.is_interactive() {
            consent.typed = Some(hosts);
        }
        Ok(self.responder.guard().check_hosts(hosts, &consent)?)
    }
}

impl Before {
    /// How many hosts this run acts on in all. A machine of which another agent was asked counts once.
    fn with(&self, plan: &Plan) -> usize {
        let sends: BTreeSet<HostKey> = plan.sends().map(|h| h.host.key()).collect();
        let by_another = |key: &HostKey| {
            plan.hosts
                .iter()
                .filter(|h| h.host.key() == *key)
                .any(|h| matches!(&h.decision, Decision::OtherAgent { by } if sends.contains(by)))
        };
        let more = self.asked.difference(&sends).filter(|key| !by_another(key));
        sends.len() + more.count()
    }
}

impl Named {
    fn of(plan: &Plan, found: Option<&Resolved>) -> Self {
        let findings = || found.iter().flat_map(|found| &found.findings);
        let unproven = findings().filter(|f| matches!(f.found, Found::Unproven { .. })).count();
        let by_filter = findings().any(|f| matches!(f.found, Found::Many { .. }));
        Self {
            hosts: plan.hosts.iter().map(|h| h.host.key()).collect(),
            unread: plan.unread.iter().map(|u| u.tenant.clone()).collect(),
            unproven: if by_filter { usize::MAX } else { unproven },
        }
    }

    /// How many of these hosts cannot be meant. A name that was not found may be that of a host of an unread tenant.
    fn strangers(&self, left: &BTreeSet<HostKey>) -> usize {
        let others = left.difference(&self.hosts);
        let (hidden, strange): (Vec<_>, Vec<_>) = others.partition(|key| self.unread.contains(&key.tenant));
        strange.len() + hidden.len().saturating_sub(self.unproven)
    }
}

/// The hosts that taking the operation up again may ask for.
fn left(operation: &Operation) -> BTreeSet<HostKey> {
    let is_left = |h: &&HostOutcome| h.outcome.is_open() || matches!(h.outcome, Outcome::Moved { .. });
    operation.hosts.iter().filter(is_left).map(|h| h.host.key()).collect()
}

/// The hosts of which something may be under way that nobody has written down the end of.
fn half_done(operation: &Operation) -> BTreeSet<HostKey> {
    let open = |outcome: &Outcome| operation.ended.is_none() && outcome.is_open();
    let is_half_done = |h: &&HostOutcome| matches!(h.outcome, Outcome::Unknown { .. }) || open(&h.outcome);
    operation.hosts.iter().filter(is_half_done).map(|h| h.host.key()).collect()
}
