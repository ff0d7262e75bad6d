//! One record for each host of a run, and one for each operation.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use edr::core::ConnectionState;
use edr::respond::{Counts, Finding, Found, HostOutcome, HostRef, Operation, Outcome, PlannedHost};
use edr::{ContainmentState, Platform, TenantId, Vendor};
use serde::Serialize;

use crate::output::Record;
use crate::output::columns::{Column, Fit, Value, columns, fit, list, maybe, text, time, words};

/// One host, what was decided, and what became of it; or a name that stands for no single host.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct DeedRow {
    pub(super) tenant: Option<TenantId>,
    pub(super) vendor: Option<Vendor>,
    pub(super) uid: Option<String>,
    pub(super) hostname: Option<String>,
    pub(super) action: &'static str,
    pub(super) decision: Option<&'static str>,
    pub(super) outcome: Option<&'static str>,
    pub(super) reason: Option<String>,
    pub(super) trace_id: Option<String>,
    pub(super) handle: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) as_of: Option<DateTime<Utc>>,
    pub(super) platform: Option<Platform>,
    pub(super) roles: Vec<String>,
    pub(super) connection_state: Option<ConnectionState>,
    pub(super) containment_state: Option<ContainmentState>,
    pub(super) selector: Option<String>,
    pub(super) candidates: Vec<HostRef>,
}

impl DeedRow {
    fn of_host(host: &HostRef, action: &'static str) -> Self {
        Self {
            tenant: Some(host.tenant.clone()),
            vendor: Some(host.vendor.clone()),
            uid: Some(host.uid.clone()),
            hostname: Some(host.hostname.clone()),
            action,
            ..Self::default()
        }
    }

    /// As it is planned.
    pub(super) fn planned(planned: &PlannedHost, action: &'static str) -> Self {
        let text = planned.decision.to_string();
        let reason = text.split_once(": ").map(|(_, reason)| reason.to_owned());
        Self {
            decision: Some(planned.decision.as_str()),
            reason,
            as_of: Some(planned.as_of),
            platform: Some(planned.platform.clone()),
            roles: planned.roles.clone(),
            connection_state: Some(planned.connection.clone()),
            containment_state: Some(planned.containment.clone()),
            ..Self::of_host(&planned.host, action)
        }
    }

    /// As it became.
    pub(super) fn told(mut self, operation: &Operation, host: &HostOutcome) -> Self {
        let reason = match &host.outcome {
            Outcome::Failed { reason }
            | Outcome::NotSent { reason }
            | Outcome::Refused { reason }
            | Outcome::Unknown { reason } => Some(reason.clone()),
            Outcome::Moved { now } => Some(now.clone()),
            _ => None,
        };
        if let Outcome::LeftOut { decision } = &host.outcome {
            self.decision = self.decision.or(Some(decision.as_str()));
        }
        self.outcome = Some(host.outcome.as_str());
        self.reason = reason.or(self.reason);
        self.trace_id.clone_from(&host.trace_id);
        self.handle.clone_from(&host.handle);
        self.operation = Some(operation.id.clone());
        self.as_of = Some(host.as_of);
        self
    }

    /// A host of an operation whose plan is not there.
    pub(super) fn bare(operation: &Operation, host: &HostOutcome) -> Self {
        Self::of_host(&host.host, operation.action.verb()).told(operation, host)
    }

    /// A name that stands for no single host.
    pub(super) fn unresolved(finding: &Finding, action: &'static str) -> Self {
        let row = |decision, reason: Option<String>, candidates: &[HostRef]| Self {
            action,
            decision: Some(decision),
            reason,
            selector: Some(finding.selector.clone()),
            candidates: candidates.to_vec(),
            ..Self::default()
        };
        match &finding.found {
            Found::Ambiguous { hosts } => {
                let names: Vec<String> = hosts.iter().map(|h| format!("{} {}", h.tenant, h.uid)).collect();
                row("ambiguous", Some(names.join(", ")), hosts)
            }
            Found::Unproven { tenants } => {
                let names: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
                row("unproven", Some(format!("not read to its end: {}", names.join(", "))), &[])
            }
            _ => row("unknown", Some("no tenant has it".to_owned()), &[]),
        }
    }
}

impl Record for DeedRow {
    type Key = (bool, String, String, String);

    const NOUNS: (&'static str, &'static str) = ("host", "hosts");
    const COLUMNS: &'static [Column<Self>] = columns! { DeedRow;
        "tenant" Plain, |d| d.tenant.as_ref().map_or(Value::Empty, |t| text(t.as_str()));
        "vendor" Plain, |d| d.vendor.as_ref().map_or(Value::Empty, |v| text(v.as_str()));
        "uid" Plain, |d| maybe(d.uid.as_ref());
        "hostname" Plain, |d| maybe(d.hostname.as_ref().or(d.selector.as_ref()));
        "action" Plain, |d| text(d.action);
        "decision" Plain, |d| text(d.decision.unwrap_or_default());
        "outcome" Plain, |d| text(d.outcome.unwrap_or_default());
        "reason" Plain, |d| maybe(d.reason.as_ref());
        "trace_id" Plain, |d| maybe(d.trace_id.as_ref());
        "handle" Plain, |d| maybe(d.handle.as_ref());
        "operation" Plain, |d| maybe(d.operation.as_ref());
        "as_of" Plain, |d| time(d.as_of);
        "platform" Plain, |d| d.platform.as_ref().map_or(Value::Empty, |p| text(p.as_str()));
        "roles" Plain, |d| words(&d.roles);
        "connection_state" Connection, |d| d.connection_state.as_ref().map_or(Value::Empty, |c| text(c.as_str()));
        "containment_state" Containment, |d| d.containment_state.as_ref().map_or(Value::Empty, |c| text(c.as_str()));
        "selector" Plain, |d| maybe(d.selector.as_ref());
        "candidates" Plain, |d| list(d.candidates.iter().map(|c| Some(Cow::Owned(c.to_string()))));
    };
    const TABLE: &'static [Fit] = &[
        fit("tenant", 10, 0),
        fit("hostname", 14, 0),
        fit("platform", 7, 4),
        fit("roles", 8, 5),
        fit("decision", 9, 0),
        fit("outcome", 8, 0),
        fit("reason", 24, 1),
        fit("trace_id", 12, 3),
    ];
    const PIPE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "hostname",
        "action",
        "decision",
        "outcome",
        "reason",
        "trace_id",
        "operation",
    ];
    const WIDE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "hostname",
        "platform",
        "roles",
        "connection_state",
        "containment_state",
        "action",
        "decision",
        "outcome",
        "reason",
        "trace_id",
        "handle",
        "operation",
        "as_of",
    ];

    fn sort_key(&self) -> Self::Key {
        let word = |value: &Option<String>| value.clone().unwrap_or_default();
        let tenant = self.tenant.as_ref().map(|t| t.as_str().to_owned());
        let name = word(&self.hostname) + &word(&self.selector);
        (tenant.is_none(), tenant.unwrap_or_default(), name, word(&self.uid))
    }
}

/// One operation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OperationRow {
    operation: String,
    action: &'static str,
    state: &'static str,
    by: String,
    began: DateTime<Utc>,
    ended: Option<DateTime<Utc>>,
    lease_until: Option<DateTime<Utc>>,
    releases: Option<String>,
    reason: Option<String>,
    ticket: Option<String>,
    hosts: usize,
    counts: Counts,
    tenants: Vec<TenantId>,
}

impl OperationRow {
    /// An operation, and whether its lease is overdue.
    pub(crate) fn of(operation: &Operation, overdue: bool) -> Self {
        let mut tenants: Vec<TenantId> = operation.hosts.iter().map(|h| h.host.tenant.clone()).collect();
        tenants.dedup();
        let half = |h: &HostOutcome| h.outcome.is_open();
        let under_way = |h: &HostOutcome| h.outcome.is_under_way();
        let state = match operation.ended {
            _ if overdue => "overdue",
            None => "interrupted",
            Some(_) if operation.hosts.iter().any(half) => "open",
            Some(_) if operation.hosts.iter().any(under_way) => "under_way",
            Some(_) => "finished",
        };
        Self {
            operation: operation.id.clone(),
            action: operation.action.verb(),
            state,
            by: operation.by.clone(),
            began: operation.began,
            ended: operation.ended,
            lease_until: operation.lease_until,
            releases: operation.releases.clone(),
            reason: operation.because.reason.clone(),
            ticket: operation.because.ticket.clone(),
            hosts: operation.hosts.len(),
            counts: operation.counts(),
            tenants,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 hosts")]
fn number(n: usize) -> Value<'static> {
    Value::Number(n as f64)
}

impl Record for OperationRow {
    type Key = (std::cmp::Reverse<DateTime<Utc>>, String);

    const NOUNS: (&'static str, &'static str) = ("operation", "operations");
    const COLUMNS: &'static [Column<Self>] = columns! { OperationRow;
        "operation" Plain, |o| text(&o.operation);
        "action" Plain, |o| text(o.action);
        "state" Plain, |o| text(o.state);
        "by" Plain, |o| text(&o.by);
        "began" Plain, |o| time(Some(o.began));
        "ended" Plain, |o| time(o.ended);
        "lease_until" Plain, |o| time(o.lease_until);
        "releases" Plain, |o| maybe(o.releases.as_ref());
        "reason" Plain, |o| maybe(o.reason.as_ref());
        "ticket" Plain, |o| maybe(o.ticket.as_ref());
        "hosts" Plain, |o| number(o.hosts);
        "done" Plain, |o| number(o.counts.done);
        "already" Plain, |o| number(o.counts.already);
        "offline" Plain, |o| number(o.counts.offline);
        "failed" Plain, |o| number(o.counts.failed);
        "tenants" Plain, |o| list(o.tenants.iter().map(|t| Some(Cow::Borrowed(t.as_str()))));
    };
    const TABLE: &'static [Fit] = &[
        fit("operation", 36, 0),
        fit("action", 7, 0),
        fit("state", 8, 0),
        fit("began", 8, 2),
        fit("hosts", 5, 1),
        fit("done", 4, 0),
        fit("offline", 4, 0),
        fit("failed", 4, 0),
        fit("by", 8, 4),
        fit("reason", 12, 3),
        fit("lease_until", 12, 5),
    ];
    const PIPE: &'static [&'static str] = &[
        "operation",
        "action",
        "state",
        "began",
        "ended",
        "hosts",
        "done",
        "already",
        "offline",
        "failed",
        "by",
        "reason",
        "ticket",
        "lease_until",
    ];
    const WIDE: &'static [&'static str] = &[
        "operation",
        "action",
        "state",
        "began",
        "ended",
        "hosts",
        "done",
        "already",
        "offline",
        "failed",
        "by",
        "reason",
        "ticket",
        "lease_until",
        "releases",
        "tenants",
    ];

    fn sort_key(&self) -> Self::Key {
        (std::cmp::Reverse(self.began), self.operation.clone())
    }
}
