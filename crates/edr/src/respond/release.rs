//! Giving hosts back: by operation, in waves, and when a lease is due.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use edr_core::{Because, Host, ResponseAction};
use serde::Serialize;

use super::error::{Error, Result};
use super::guard::Consent;
use super::host::{HostKey, HostRef};
use super::make::Draft;
use super::operation::{Operation, Outcome};
use super::plan::Plan;
use super::record::{Event, Record, Told};
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
    /// The hosts that nobody has released yet.
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
    /// at most `wave` hosts of it. Apply it as any plan; the next wave is the next such plan.
    ///
    /// # Errors
    /// When the journal cannot be used, or knows no such operation.
    pub async fn plan_release_of(&self, id: &str, wave: Option<usize>, because: Because) -> Result<Plan> {
        let held = self.held_by(id)?;
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
        let mut runs = Vec::new();
        for due in self.overdue()? {
            let handed = self.hand_over(&due)?;
            let released = self.release_lease(&due.operation).await;
            runs.push(LeaseRun { operation: due.operation, released, handed });
        }
        Ok(runs)
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
            let plan = Plan::load(&self.state().plan(&unfinished.id))?;
            last = Some(self.apply(&plan, &consent).await?);
        }
        if self.held_by(id)?.is_empty() {
            return Ok(last);
        }
        let because = Because::new().reason(format!("the lease of {id} is over"));
        let plan = self.plan_release_of(id, None, because).await?;
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
    let held: BTreeSet<HostKey> = holdings.of_operation(&op.id).into_iter().collect();
    if held.is_empty() {
        return None;
    }
    let hosts = op.hosts.iter().map(|h| &h.host).filter(|h| held.contains(&h.key())).cloned().collect();
    let last = all.iter().rev().find(|r| r.releases.as_deref() == Some(&op.id));
    Some(Overdue { operation: op.id.clone(), due, hosts, error: last.and_then(|r| trouble(r, &held)) })
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

/// An operation, and until when it wants a host contained; for good when there is no time.
type Wish = (String, Option<DateTime<Utc>>);

/// Which operation holds which host contained, as the journal tells it.
#[derive(Debug, Default)]
struct Holdings {
    /// Who contained it.
    holder: BTreeMap<HostKey, String>,
    /// Who found it contained, and wanted it so.
    also: BTreeMap<HostKey, Vec<Wish>>,
}

impl Holdings {
    /// Operations count in the order in which they began, each with what is known of its hosts by now.
    fn of(records: &[Record]) -> Self {
        let all: BTreeMap<String, Operation> =
            operations(records).into_iter().map(|op| (op.id.clone(), op)).collect();
        let mut holdings = Self::default();
        for record in records {
            match &record.event {
                Event::Began { plan, .. } => drop(all.get(plan).map(|op| holdings.take(op))),
                Event::Handed { to, hosts, .. } => holdings.hand(to, hosts),
                _ => {}
            }
        }
        holdings
    }

    fn take(&mut self, op: &Operation) {
        for host in &op.hosts {
            let (key, has) = (host.host.key(), host.outcome.is_success() || host.outcome.is_under_way());
            match op.action {
                ResponseAction::Contain if has && host.ours => drop(self.holder.insert(key, op.id.clone())),
                ResponseAction::Contain if has => {
                    self.also.entry(key).or_default().push((op.id.clone(), op.lease_until));
                }
                ResponseAction::Release if has => {
                    self.holder.remove(&key);
                    self.also.remove(&key);
                }
                _ => {}
            }
        }
    }

    fn hand(&mut self, to: &str, hosts: &[HostKey]) {
        for key in hosts.iter().filter(|key| self.holder.contains_key(key)).cloned().collect::<Vec<_>>() {
            if let Some(also) = self.also.get_mut(&key) {
                also.retain(|(id, _)| id != to);
            }
            self.holder.insert(key, to.to_owned());
        }
    }

    fn of_operation(&self, id: &str) -> Vec<HostKey> {
        self.holder.iter().filter(|(_, holder)| *holder == id).map(|(key, _)| key.clone()).collect()
    }

    /// Another operation that wants the host contained beyond now: one without a lease before one with.
    fn heir(&self, key: &HostKey, than: &str, now: DateTime<Utc>) -> Option<String> {
        let also = self.also.get(key)?;
        let mut heirs: Vec<_> =
            also.iter().filter(|(id, until)| id != than && until.is_none_or(|until| until > now)).collect();
        heirs.sort_by_key(|(_, until)| (until.is_some(), std::cmp::Reverse(*until)));
        heirs.first().map(|(id, _)| id.clone())
    }
}
