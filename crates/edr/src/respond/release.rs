//! Giving hosts back: by operation, in waves, and when a lease is due.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use edr_core::{Because, Host};
use serde::Serialize;

use super::confirm::Waiting;
use super::error::{Error, Result};
use super::guard::Consent;
use super::holdings::Holdings;
use super::host::{HostKey, HostRef};
use super::make::Draft;
use super::operation::{Operation, Outcome};
use super::plan::{Plan, PlannedHost};
use super::record::{Event, Told};
use super::resolve::{Resolved, Unread};
use super::responder::Responder;
use super::tale::{operation, operations};

/// A lease whose time is over while hosts are still contained.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Overdue {
    /// The operation.
    pub operation: String,
    /// When it was due.
    pub due: DateTime<Utc>,
    /// The hosts that nobody has released yet, that may be contained, or whose release is under way for over an hour.
    pub hosts: Vec<HostRef>,
    /// What the last attempt met, where there was one.
    pub error: Option<String>,
}

/// What became of one lease that was due.
#[derive(Debug)]
#[non_exhaustive]
pub struct LeaseRun {
    /// The operation whose lease it is.
    pub operation: String,
    /// The release, as far as it came.
    pub released: Result<Option<Operation>>,
    /// Hosts that another operation still wants contained, and which are its own now.
    pub handed: Vec<HostKey>,
}

impl Responder {
    /// A plan that releases what this operation contained, and nothing that was contained before or by somebody else;
    /// at most `wave` hosts of it. Apply it as any plan; the next wave is the next such plan. Hosts that a wave could not
    /// release come last in the next; those of a wave that was interrupted are not among them.
    ///
    /// # Errors
    /// When the journal cannot be used, or knows no such operation.
    pub async fn plan_release_of(&self, id: &str, wave: Option<usize>, because: Because) -> Result<Plan> {
        let mut held = self.held_by(id)?;
        let tries = tries(&self.operations()?, id);
        held.sort_by_key(|key| tries.get(key).copied());
        let keys: Vec<HostKey> = held.into_iter().take(wave.unwrap_or(usize::MAX)).collect();
        let mut draft = Draft::release().because(because);
        draft.releases = Some(id.to_owned());
        self.plan(&self.back(&self.operation(id)?, &keys).await, &draft).await
    }

    /// The hosts that this operation holds contained, as the journal tells it.
    ///
    /// # Errors
    /// As [`Self::operation`].
    pub fn held_by(&self, id: &str) -> Result<Vec<HostKey>> {
        let held = self.journal().look(|records| {
            let holdings = Holdings::of(records);
            operation(records, id).map(|_| holdings.of_operation(id))
        })?;
        held.ok_or_else(|| Error::UnknownOperation(id.to_owned()))
    }

    async fn back(&self, operation: &Operation, keys: &[HostKey]) -> Resolved {
        let fresh = self.fresh(keys.iter().cloned()).await;
        let host = |key: &HostKey| {
            // A host that is gone or cannot be read is planned as such, by its name in the operation.
            fresh.hosts.get(key).cloned().or_else(|| operation.host(key).map(|h| placeholder(&h.host)))
        };
        let unread = |(tenant, error): (&edr_core::TenantId, &edr_core::Error)| Unread {
            tenant: tenant.clone(),
            reason: error.to_string(),
        };
        Resolved {
            findings: Vec::new(),
            hosts: keys.iter().filter_map(host).collect(),
            unread: fresh.failed.iter().map(unread).collect(),
            as_of: fresh.as_of,
        }
    }

    /// Leases whose time is over while hosts are still contained.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn overdue(&self) -> Result<Vec<Overdue>> {
        let now = self.clock().now();
        self.journal().look(|records| {
            let holdings = Holdings::of(records);
            let all = operations(records);
            all.iter().filter_map(|op| overdue(op, &all, &holdings, now)).collect()
        })
    }

    /// Releases what is due. Any process may call it; one does it, and another that calls it meanwhile is told so. What
    /// fails stays due.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process is at it, or when the journal cannot be used. What became of each lease is in
    /// the list.
    pub async fn run_due(&self) -> Result<Vec<LeaseRun>> {
        self.guard().writable()?;
        let _lock = self.state().lock_leases(self.actor())?;
        self.look_at_due().await?;
        let mut runs = Vec::new();
        for due in self.overdue()? {
            let (handed, released) = match self.hand_over(&due) {
                Ok(handed) => (handed, self.release_lease(&due.operation).await),
                Err(error) => (Vec::new(), Err(error)),
            };
            runs.push(LeaseRun { operation: due.operation, released, handed });
        }
        Ok(runs)
    }

    /// Learns what became of the hosts whose lease is over: of those in doubt, and of releases that are under way.
    async fn look_at_due(&self) -> Result<()> {
        let now = self.clock().now();
        for due in self.operations()?.into_iter().filter(|op| op.is_due(now)) {
            if due.hosts.iter().any(|h| h.in_doubt.is_some()) {
                self.settle_due(&due).await?;
            }
            for release in self.journal().look(|records| Holdings::of(records).releases_of(&due.id))? {
                self.confirm(&release, &Waiting::at_most(Duration::ZERO)).await?;
            }
        }
        Ok(())
    }

    /// What stays in doubt stays overdue, and so do the hosts of a plan that is in use or cannot be read.
    async fn settle_due(&self, due: &Operation) -> Result<()> {
        let Ok(_lock) = self.state().lock_plan(&due.id, self.actor()) else { return Ok(()) };
        match self.kept_plan(due) {
            Ok(plan) => self.settle_all(&plan, due).await,
            Err(_) => Ok(()),
        }
    }

    /// What another operation wants contained for longer is not released, but is that one's from now on.
    fn hand_over(&self, due: &Overdue) -> Result<Vec<HostKey>> {
        let now = self.clock().now();
        let heirs = self.journal().look(|records| {
            let holdings = Holdings::of(records);
            let wants = |key: &HostKey| holdings.heir(key, &due.operation, now).map(|to| (key.clone(), to));
            due.hosts.iter().filter_map(|host| wants(&host.key())).collect::<Vec<_>>()
        })?;
        let mut by_heir: BTreeMap<String, Vec<HostKey>> = BTreeMap::new();
        heirs.into_iter().for_each(|(key, to)| by_heir.entry(to).or_default().push(key));
        let mut handed = Vec::new();
        for (to, hosts) in by_heir {
            handed.extend(hosts.clone());
            self.journal().append(Event::Handed { plan: due.operation.clone(), to, hosts })?;
        }
        Ok(handed)
    }

    /// First what an earlier attempt left half done, then what is left.
    async fn release_lease(&self, id: &str) -> Result<Option<Operation>> {
        let consent = Consent { lease: true, ..Consent::default() };
        let mut last = None;
        for unfinished in self.operations()?.into_iter().filter(|op| is_unfinished_release(op, id)) {
            let plan = self.kept_plan(&unfinished)?;
            last = Some(self.apply(&plan, &consent).await?);
        }
        if self.held_by(id)?.is_empty() {
            return Ok(last);
        }
        let because = Because::new().reason(format!("the lease of {id} is over"));
        let plan = self.plan_release_of(id, None, because).await?;
        let before = self.operations()?.into_iter().rfind(|op| op.releases.as_deref() == Some(id));
        if let Some(before) = before.filter(|before| says_the_same(&plan, before)) {
            return Ok(last.or(Some(before)));
        }
        self.apply(&plan, &consent).await.map(Some)
    }
}

fn is_unfinished_release(op: &Operation, of: &str) -> bool {
    let in_doubt = op.hosts.iter().any(|h| h.in_doubt.is_some());
    op.releases.as_deref() == Some(of) && (op.ended.is_none() || in_doubt)
}

fn placeholder(host: &HostRef) -> Host {
    let mut gone = Host::new(host.vendor.as_str(), host.tenant.as_str(), &host.uid, "");
    gone.hostname.clone_from(&host.hostname);
    gone
}

fn overdue(op: &Operation, all: &[Operation], holdings: &Holdings, now: DateTime<Utc>) -> Option<Overdue> {
    let due = op.lease_until.filter(|due| *due <= now)?;
    let left = holdings.unsettled(&op.id, now);
    if left.is_empty() {
        return None;
    }
    let hosts = op.hosts.iter().map(|h| &h.host).filter(|h| left.contains(&h.key())).cloned().collect();
    let last = all.iter().rev().find(|r| r.releases.as_deref() == Some(&op.id));
    let error =
        last.and_then(|r| trouble(r, &left)).or_else(|| doubt(op)).or_else(|| slowness(all, op, &left));
    Some(Overdue { operation: op.id.clone(), due, hosts, error })
}

/// A host of which nobody can say whether the operation contained it.
fn doubt(op: &Operation) -> Option<String> {
    let doubted = op.hosts.iter().find(|h| h.in_doubt.is_some())?;
    match &doubted.outcome {
        Outcome::Unknown { reason } => Some(format!("{} may be contained: {reason}", doubted.host)),
        _ => None,
    }
}

/// A host whose release was taken and does not come to its end.
fn slowness(all: &[Operation], of: &Operation, left: &BTreeSet<HostKey>) -> Option<String> {
    let releases = all.iter().rev().filter(|r| r.releases.as_deref() == Some(&of.id));
    let slow = |h: &&super::operation::HostOutcome| left.contains(&h.host.key()) && h.outcome.is_under_way();
    let host = releases.flat_map(|r| &r.hosts).find(slow)?;
    Some(format!("{}: its release was asked for at {}, and is not done", host.host, host.deed.1))
}

/// The number of the last release of this operation that named the host. An interrupted one is not over: its turn is next.
fn tries(all: &[Operation], of: &str) -> BTreeMap<HostKey, usize> {
    let over = |r: &Operation| r.releases.as_deref() == Some(of) && r.ended.is_some();
    let releases = all.iter().enumerate().filter(|(_, r)| over(r));
    releases.flat_map(|(at, r)| r.hosts.iter().map(move |h| (h.host.key(), at))).collect()
}

/// True when the plan would do nothing, and the release before it says so already.
fn says_the_same(plan: &Plan, before: &Operation) -> bool {
    let told = |p: &PlannedHost| {
        before.host(&p.host.key()).is_some_and(
            |h| matches!(&h.outcome, Outcome::LeftOut { decision } if decision.as_str() == p.decision.as_str()),
        )
    };
    plan.count() == 0 && plan.hosts.iter().all(told)
}

/// What the release met at the first host that is still held.
fn trouble(release: &Operation, held: &BTreeSet<HostKey>) -> Option<String> {
    let stopped = release.stopped.first().map(|s: &super::operation::StoppedTenant| s.error.clone());
    let of_host =
        release.hosts.iter().filter(|h| held.contains(&h.host.key())).find_map(|h| match &h.outcome {
            Outcome::Failed { reason }
            | Outcome::NotSent { reason }
            | Outcome::Refused { reason }
            | Outcome::Unknown { reason } => Some(format!("{}: {reason}", h.host)),
            Outcome::LeftOut { decision } => Some(format!("{}: {decision}", h.host)),
            Outcome::Moved { now } => Some(format!("{}: {now}", h.host)),
            _ => None,
        });
    of_host.or_else(|| stopped.map(|told: Told| told.message))
}
