//! What became of each indicator, and how the run ended.

use std::collections::BTreeMap;

use edr::iocs::{Done, Item, Remark, RemarkKind, Step, TenantDiff};
use edr::{Error, TenantId, Vendor};
use serde::Serialize;

use crate::context::Context;
use crate::errors::message;
use crate::exit::Exit;
use crate::outcome::counted;
use crate::output::Record;
use crate::output::columns::{Column, Fit, Value, columns, fit, maybe, text};

/// One indicator of one tenant.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    tenant: TenantId,
    vendor: Vendor,
    /// The vendor's own id, where it is known.
    uid: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    value: String,
    action: String,
    severity: String,
    expiration: String,
    /// `add`, `change`, `leave`, `foreign`, `remove` or `not_expressible`.
    step: &'static str,
    /// The fields in which it differs.
    fields: Vec<&'static str>,
    /// What became of it; absent in a dry run and in a diff.
    outcome: Option<&'static str>,
    /// What the vendor does not keep of it.
    lost: Vec<String>,
    /// The vendor cannot be asked whether it is there: this is what the journal remembers.
    remembered: bool,
    /// The line of the feed.
    line: Option<u64>,
    /// The id under which the vendor's support finds the request.
    trace_id: Option<String>,
    /// Why.
    error: Option<String>,
    /// Something that was wanted is not so.
    #[serde(skip)]
    is_short: bool,
}

impl Record for Row {
    type Key = (String, u64, String);

    const NOUNS: (&'static str, &'static str) = ("indicator", "indicators");
    const COLUMNS: &'static [Column<Self>] = columns! { Row;
        "tenant" Plain, |r| text(r.tenant.as_str());
        "vendor" Plain, |r| text(r.vendor.as_str());
        "uid" Plain, |r| maybe(r.uid.as_ref());
        "type" Plain, |r| text(&r.kind);
        "value" Plain, |r| text(&r.value);
        "action" Plain, |r| text(&r.action);
        "severity" Plain, |r| text(&r.severity);
        "expiration" Plain, |r| text(&r.expiration);
        "step" Plain, |r| text(r.step);
        "fields" Plain, |r| Value::Text(r.fields.join(",").into());
        "outcome" Plain, |r| r.outcome.map_or(Value::Empty, text);
        "lost" Plain, |r| Value::Text(r.lost.join(",").into());
        "line" Plain, |r| r.line.map_or(Value::Empty, |line| Value::Text(line.to_string().into()));
        "trace_id" Plain, |r| maybe(r.trace_id.as_ref());
        "error" Plain, |r| maybe(r.error.as_ref());
    };
    const TABLE: &'static [Fit] = &[
        fit("tenant", 8, 0),
        fit("type", 6, 2),
        fit("value", 20, 0),
        fit("action", 6, 3),
        fit("step", 6, 0),
        fit("fields", 8, 4),
        fit("outcome", 15, 0),
        fit("error", 20, 1),
    ];
    const PIPE: &'static [&'static str] =
        &["tenant", "vendor", "uid", "type", "value", "action", "step", "outcome", "line", "error"];
    const WIDE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "type",
        "value",
        "action",
        "severity",
        "expiration",
        "step",
        "fields",
        "outcome",
        "lost",
        "line",
        "trace_id",
        "error",
    ];

    fn sort_key(&self) -> Self::Key {
        (self.tenant.to_string(), self.line.unwrap_or(u64::MAX), self.value.clone())
    }
}

impl Row {
    fn of(tenant: &TenantId, vendor: &Vendor, item: &Item) -> Self {
        let (fields, error) = match &item.step {
            Step::Change { fields } | Step::Foreign { fields } => {
                (fields.clone(), item.doubt.map(str::to_owned))
            }
            Step::NotExpressible { reason } => (Vec::new(), Some(reason.clone())),
            Step::Remove { reason } => (Vec::new(), Some((*reason).to_owned())),
            _ => (Vec::new(), None),
        };
        Self {
            tenant: tenant.clone(),
            vendor: vendor.clone(),
            uid: [Some(&item.ioc.uid), item.there.as_ref().map(|there| &there.uid)]
                .into_iter()
                .flatten()
                .find(|uid| !uid.is_empty())
                .cloned(),
            kind: item.ioc.kind.to_string(),
            value: item.ioc.value.clone(),
            action: item.ioc.action.to_string(),
            severity: item.ioc.severity.to_string(),
            expiration: item.ioc.expiration.to_string(),
            step: item.step.as_str(),
            fields,
            outcome: None,
            lost: item.lost.clone(),
            remembered: item.remembered,
            line: item.line,
            trace_id: None,
            error,
            is_short: matches!(item.step, Step::Foreign { .. } | Step::NotExpressible { .. }),
        }
    }

    fn done(done: &Done) -> Self {
        let row = Self::of(&done.tenant, &done.vendor, &done.item);
        let error = done.error.as_ref().map(message).or_else(|| row.error.clone());
        let (uid, trace_id) = (done.uid.clone(), done.trace_id.clone());
        Self {
            uid,
            outcome: Some(done.result.as_str()),
            trace_id,
            error,
            is_short: !done.result.is_settled(),
            ..row
        }
    }
}

/// The rows of a plan.
pub(super) fn planned(plan: &[TenantDiff]) -> Vec<Row> {
    plan.iter().flat_map(|t| t.items.iter().map(|item| Row::of(&t.tenant, &t.vendor, item))).collect()
}

/// The rows of what was done.
pub(super) fn done(all: &[Done]) -> Vec<Row> {
    all.iter().map(Row::done).collect()
}

/// How a run on indicators ended.
pub(super) struct Ending<'a> {
    pub(super) rows: &'a [Row],
    pub(super) remarks: &'a [Remark],
    pub(super) failed: Vec<&'a Error>,
    pub(super) tenants: usize,
    /// Rows say what would be done.
    pub(super) dry_run: bool,
    pub(super) journal: String,
}

#[derive(Serialize)]
struct EndObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    outcome: &'static str,
    dry_run: bool,
    tenants: usize,
    counts: &'a BTreeMap<&'static str, u64>,
    rows_refused: usize,
    rows_not_expressible: usize,
    journal: &'a str,
    message: &'a str,
}

impl Ending<'_> {
    fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for row in self.rows {
            *counts.entry(row.outcome.unwrap_or(row.step)).or_default() += 1;
        }
        counts
    }

    fn rows_of(&self, kind: RemarkKind) -> usize {
        self.remarks.iter().filter(|remark| remark.kind == kind).count()
    }

    /// Something that was wanted is not so.
    fn is_partial(&self) -> bool {
        let rows = self.rows_of(RemarkKind::Refused) + self.rows_of(RemarkKind::NotExpressible);
        !self.failed.is_empty() || rows > 0 || self.rows.iter().any(|row| row.is_short)
    }

    fn exit(&self, context: &Context) -> Exit {
        let timed = context.globals.timeout.is_some();
        match self.failed.as_slice() {
            [first, rest @ ..] if self.failed.len() == self.tenants => {
                let code = Exit::of(first, timed);
                if rest.iter().all(|e| Exit::of(e, timed) == code) { code } else { Exit::Partial }
            }
            _ if self.is_partial() => Exit::Partial,
            _ => Exit::Complete,
        }
    }

    /// What there was, in a few words: `3 added, 1 row refused`.
    fn said(&self) -> String {
        let mut said: Vec<String> = self.counts().iter().map(|(word, n)| format!("{n} {word}")).collect();
        if said.is_empty() {
            said.push("nothing to do".to_owned());
        }
        for (count, nouns) in [
            (self.rows_of(RemarkKind::Refused), ("row refused", "rows refused")),
            (self.rows_of(RemarkKind::NotExpressible), ("row not expressible", "rows not expressible")),
            (self.failed.len(), ("tenant failed", "tenants failed")),
        ] {
            said.extend((count > 0).then(|| counted(count as u64, nouns)));
        }
        said.join(", ")
    }

    /// Tells how it ended, as the last line.
    pub(super) fn tell(&self, context: &Context) -> Exit {
        self.failed.iter().for_each(|error| context.report.tenant_error(error));
        let exit = self.exit(context);
        let outcome = match exit {
            Exit::Complete => "complete",
            Exit::Partial => "partial",
            _ => "failed",
        };
        let dry = if self.dry_run { "nothing was changed: " } else { "" };
        let message = format!("{outcome}: {dry}{}", self.said());
        let object = EndObject {
            kind: "outcome",
            outcome,
            dry_run: self.dry_run,
            tenants: self.tenants,
            counts: &self.counts(),
            rows_refused: self.rows_of(RemarkKind::Refused),
            rows_not_expressible: self.rows_of(RemarkKind::NotExpressible),
            journal: &self.journal,
            message: &message,
        };
        context.report.told(std::slice::from_ref(&message), &object);
        exit
    }
}
