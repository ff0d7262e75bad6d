//! Runs that were interrupted: what became of their hosts is learnt first, and what is the same work is finished first. Nobody
//! who names one host takes up what was meant for others.

use std::collections::BTreeSet;

use edr::respond::{HostKey, HostOutcome, Operation, Outcome, Plan};

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
    asked: BTreeSet<HostKey>,
}

/// An operation that is taken up, and the hosts that are left of it.
struct Open {
    plan: Plan,
    hosts: BTreeSet<HostKey>,
}

impl Run<'_> {
    /// A run that died left hosts half done: they are read back before anything else is asked of them.
    pub(super) async fn take_up(&self, plan: &Plan) -> Result<Before, Failure> {
        let wanted: BTreeSet<HostKey> = plan.hosts.iter().map(|h| h.host.key()).collect();
        let half_done = |op: &Operation| {
            op.action.verb() == plan.action.verb()
                && op.hosts.iter().any(|h| wanted.contains(&h.host.key()) && is_half_done(op, &h.outcome))
        };
        let (mut before, mut same, mut others) = (Before::default(), Vec::new(), Vec::new());
        for operation in self.responder.operations()?.into_iter().filter(half_done) {
            let old = Plan::load(&self.responder.plan_path(&operation.id)?)?;
            if old.action != plan.action {
                continue;
            }
            self.context.report.progress(|| format!("reading back {}", operation.id));
            let now = self.responder.read_back(&operation.id).await?;
            before.looked = true;
            let hosts = left(&now);
            match self.why_not(&now, &old, plan, &wanted) {
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
    fn why_not(
        &self,
        now: &Operation,
        old: &Plan,
        plan: &Plan,
        wanted: &BTreeSet<HostKey>,
    ) -> Option<String> {
        // Of an operation that asks for nobody any more only the rows are shown.
        let left = match left(now) {
            left if left.is_empty() => now.hosts.iter().map(|h| h.host.key()).collect(),
            left => left,
        };
        let strange = left.difference(wanted).count();
        match () {
            () if strange > 0 => Some(format!("{strange} of its hosts are not among those that are named")),
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
        let message =
            format!("the operation {id} stays interrupted: {why}; edr respond apply {id} finishes it");
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
    /// How many hosts this run acts on in all.
    fn with(&self, plan: &Plan) -> usize {
        let sends: BTreeSet<HostKey> = plan.sends().map(|h| h.host.key()).collect();
        self.asked.union(&sends).count()
    }
}

/// The hosts that taking the operation up again may ask for.
fn left(operation: &Operation) -> BTreeSet<HostKey> {
    let is_left = |h: &&HostOutcome| h.outcome.is_open() || matches!(h.outcome, Outcome::Moved { .. });
    operation.hosts.iter().filter(is_left).map(|h| h.host.key()).collect()
}

/// Something of the host may be under way that nobody has written down the end of.
fn is_half_done(operation: &Operation, outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown { .. }) || (operation.ended.is_none() && outcome.is_open())
}
