//! How a run ended: counts that are never mixed, what was left out, and what to do next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edr::TenantId;
use edr::core::ResponseAction;
use edr::respond::{BlastRadius, Counts, DEFAULT_MAX_HOSTS, HostKey, Operation, Plan, Responder, Told};
use serde::Serialize;

use super::rows::DeedRow;
use crate::context::Context;
use crate::exit::Exit;
use crate::outcome::counted;
use crate::output::Record as _;

const HOSTS: (&str, &str) = ("host", "hosts");

/// How a run ended.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// What was applied, the oldest first.
    pub(super) operations: Vec<Operation>,
    /// What was planned.
    pub(super) plan: Option<Plan>,
    /// Nothing was to be changed.
    pub(super) dry_run: bool,
    /// Where the plan was written.
    pub(super) plan_file: Option<PathBuf>,
    /// The vendors were waited for.
    pub(super) waited: bool,
    /// Not for long enough.
    pub(super) timed_out: bool,
    /// Ctrl-C.
    pub(super) interrupted: bool,
    /// Tenants that could not be asked any more.
    pub(super) unread: Vec<(TenantId, Told)>,
}

/// The end for a program.
#[derive(Serialize)]
struct EndObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    outcome: &'static str,
    action: &'static str,
    dry_run: bool,
    operation: Option<&'a str>,
    operations: Vec<&'a str>,
    acts_on: usize,
    counts: Counts,
    left_out: &'a BTreeMap<&'static str, usize>,
    blast_radius: Option<BlastRadius>,
    timed_out: bool,
    interrupted: bool,
    journal: Option<PathBuf>,
    plan_file: Option<&'a PathBuf>,
    next: Option<String>,
    message: String,
}

impl Ending {
    /// Nothing more is known.
    pub(crate) fn of(operations: Vec<Operation>, plan: Option<Plan>) -> Self {
        Self { operations, plan, ..Self::default() }
    }

    /// A record for each host, and for each name that stands for none.
    pub(super) fn rows(&self) -> Vec<DeedRow> {
        let action = self.action().verb();
        let mut rows: BTreeMap<HostKey, DeedRow> = BTreeMap::new();
        for planned in self.plan.iter().flat_map(|p| &p.hosts) {
            rows.insert(planned.host.key(), DeedRow::planned(planned, action));
        }
        for operation in &self.operations {
            for host in &operation.hosts {
                let key = host.host.key();
                // What a run before this one did, and this one finds done, was done by that one.
                let ours = |row: &DeedRow| matches!(row.outcome, Some("done" | "accepted"));
                if host.outcome.as_str() == "already" && rows.get(&key).is_some_and(ours) {
                    continue;
                }
                let row = match rows.remove(&key) {
                    Some(row) => row.told(operation, host),
                    None => DeedRow::bare(operation, host),
                };
                rows.insert(key, row);
            }
        }
        let mut rows: Vec<DeedRow> = rows.into_values().collect();
        let unresolved = self.plan.iter().flat_map(|p| &p.unresolved);
        rows.extend(unresolved.map(|finding| DeedRow::unresolved(finding, action)));
        rows.sort_by_key(|row| row.sort_key());
        rows
    }

    fn action(&self) -> &ResponseAction {
        let of_plan = self.plan.as_ref().map(|p| &p.action);
        of_plan.or(self.operations.last().map(|op| &op.action)).unwrap_or(&ResponseAction::Contain)
    }

    fn counts(&self, rows: &[DeedRow]) -> Counts {
        let mut counts = Counts::default();
        for word in rows.iter().filter_map(|row| row.outcome) {
            let count = match word {
                "accepted" => &mut counts.accepted,
                "already" => &mut counts.already,
                "done" => &mut counts.done,
                "failed" | "refused" => &mut counts.failed,
                "offline" => &mut counts.offline,
                "pending" => &mut counts.pending,
                "not_sent" | "waiting" => &mut counts.not_sent,
                "unknown" => &mut counts.unknown,
                _ => &mut counts.left_out,
            };
            *count += 1;
        }
        counts
    }

    /// What is not acted on, and why.
    fn left_out(&self, rows: &[DeedRow]) -> BTreeMap<&'static str, usize> {
        let mut all = BTreeMap::new();
        for row in rows {
            let is_out = match row.outcome {
                None => !matches!(row.decision, Some("act" | "offline" | "already_done" | "pending")),
                Some(outcome) => matches!(outcome, "left_out" | "moved"),
            };
            let word = if row.outcome == Some("moved") { Some("moved") } else { row.decision };
            if let Some(word) = word.filter(|_| is_out) {
                *all.entry(word).or_default() += 1;
            }
        }
        all
    }

    /// Another agent of the machine is as good; everything else that is left out is not what was asked for.
    fn hinders(left_out: &BTreeMap<&'static str, usize>) -> bool {
        left_out.keys().any(|word| *word != "other_agent")
    }

    fn word(&self) -> &'static str {
        let rows = self.rows();
        let (counts, left_out) = (self.counts(&rows), self.left_out(&rows));
        let bad = counts.failed + counts.unknown + counts.not_sent;
        let good = counts.accepted + counts.already + counts.done + counts.offline + counts.pending;
        let unread = self.plan.as_ref().is_some_and(|p| !p.unread.is_empty());
        let unproven = self.waited && counts.done + counts.already < good;
        match () {
            () if self.dry_run && rows.iter().all(|r| r.tenant.is_none()) && !rows.is_empty() => "failed",
            () if self.dry_run => {
                if unread || Self::hinders(&left_out) {
                    "partial"
                } else {
                    "complete"
                }
            }
            () if good == 0 && (bad > 0 || Self::hinders(&left_out) || unread) => "failed",
            () if bad > 0 || unread || unproven || self.interrupted || Self::hinders(&left_out) => "partial",
            () => "complete",
        }
    }

    /// The exit code.
    pub(super) fn exit(&self, timed: bool) -> Exit {
        match self.word() {
            _ if self.interrupted => Exit::Interrupted,
            _ if self.timed_out => Exit::TimedOut,
            "complete" => Exit::Complete,
            "partial" => Exit::Partial,
            _ => self.failure(timed),
        }
    }

    /// Nothing was reached: the one cause, if there is one.
    fn failure(&self, timed: bool) -> Exit {
        let rows = self.rows();
        let stopped = self.operations.iter().flat_map(|op| &op.stopped);
        let codes = stopped.map(|s| Exit::of_kind(s.error.kind, timed));
        let one = codes.reduce(|a, b| if a == b { a } else { Exit::Partial });
        match one {
            Some(code) => code,
            None if rows.iter().all(|r| r.decision == Some("unknown")) => Exit::NotFound,
            None if rows.iter().any(|r| matches!(r.outcome, Some("failed" | "refused"))) => Exit::Failed,
            None if self.plan.as_ref().is_some_and(|p| p.hosts.is_empty() && !p.unread.is_empty()) => {
                Exit::Failed
            }
            None => Exit::Partial,
        }
    }

    /// Says it on standard error; the last line is the outcome.
    pub(super) fn tell(&self, context: &Context, responder: &Responder) {
        let report = &context.report;
        for unread in self.plan.iter().flat_map(|p| &p.unread) {
            report.warn("unread", Some(&unread.tenant), &format!("not read to its end: {}", unread.reason));
        }
        for stopped in self.operations.iter().flat_map(|op| &op.stopped) {
            report.warn("stopped", Some(&stopped.tenant), &stopped.error.message);
        }
        for (tenant, told) in &self.unread {
            report.warn("unread", Some(tenant), &format!("cannot be asked any more: {}", told.message));
        }
        let rows = self.rows();
        let (counts, left_out) = (self.counts(&rows), self.left_out(&rows));
        let journal = (!self.operations.is_empty()).then(|| responder.journal().path());
        let next = self.next(&counts);
        let plan = self.plan.as_ref().filter(|_| self.dry_run);
        let mut lines = plan.map(radius).unwrap_or_default();
        lines.extend(self.plan_file.iter().map(|path| format!("plan: {}", path.display())));
        lines.extend(self.operations.iter().map(|op| format!("operation: {}", op.id)));
        lines.extend(self.operations.iter().filter_map(lease));
        lines.extend(journal.iter().map(|path| format!("journal: {}", path.display())));
        lines.extend(next.iter().map(|next| format!("next: {next}")));
        let message = format!("{}: {}", self.word(), self.summary(&counts, &left_out));
        lines.push(message.clone());
        let object = EndObject {
            kind: "outcome",
            outcome: self.word(),
            action: self.action().verb(),
            dry_run: self.dry_run,
            operation: self.operations.last().map(|op| op.id.as_str()),
            operations: self.operations.iter().map(|op| op.id.as_str()).collect(),
            acts_on: self.plan.as_ref().map_or(0, Plan::count),
            counts,
            left_out: &left_out,
            blast_radius: plan.map(Plan::blast_radius),
            timed_out: self.timed_out,
            interrupted: self.interrupted,
            journal,
            plan_file: self.plan_file.as_ref(),
            next,
            message,
        };
        report.told(&lines, &object);
    }

    /// The three counts stand apart, and first.
    fn summary(&self, counts: &Counts, left_out: &BTreeMap<&'static str, usize>) -> String {
        let done = past(self.action());
        let mut parts = Vec::new();
        if self.interrupted {
            parts.push("interrupted".to_owned());
        }
        match &self.plan {
            Some(plan) if self.dry_run => {
                parts.push(format!(
                    "nothing was changed; it would {} {}",
                    plan.action.verb().replace('_', " "),
                    counted(plan.count() as u64, HOSTS)
                ));
            }
            _ => parts.push(format!(
                "{} {done}, {} pending because offline, {} failed",
                counts.done, counts.offline, counts.failed
            )),
        }
        let further = [
            (counts.accepted, "accepted and not confirmed yet".to_owned()),
            (counts.pending, "on their way".to_owned()),
            (counts.already, format!("{done} already")),
            (counts.not_sent, "not asked for".to_owned()),
            (counts.unknown, "of which nobody can say".to_owned()),
        ];
        let further: Vec<String> =
            further.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if !further.is_empty() {
            parts.push(further.join(", "));
        }
        if !left_out.is_empty() {
            let words: Vec<String> =
                left_out.iter().map(|(word, n)| format!("{n} {}", word.replace('_', " "))).collect();
            parts.push(format!("left out: {}", words.join(", ")));
        }
        parts.join("; ")
    }

    /// What a person would run next.
    fn next(&self, counts: &Counts) -> Option<String> {
        if let (true, Some(plan)) = (self.dry_run, &self.plan) {
            return next_of(plan, self.plan_file.as_deref());
        }
        let last = self.operations.last()?;
        let open = self.operations.iter().find(|op| op.is_open() || op.ended.is_none());
        if let Some(open) = open {
            return Some(format!("edr respond apply {}", open.id));
        }
        if counts.accepted + counts.pending + counts.offline > 0 {
            return Some(format!("edr respond status {}", last.id));
        }
        let contained = last.action == ResponseAction::Contain && counts.done > 0;
        contained.then(|| format!("edr hosts release --all-tenants --operation {}", last.id))
    }
}

/// When the hosts are given back, and by what.
fn lease(operation: &Operation) -> Option<String> {
    let until = operation.lease_until?;
    Some(format!("lease: until {}, then `edr respond run` releases them", until.format("%Y-%m-%dT%H:%M:%SZ")))
}

/// How a plan that was only shown is carried out.
fn next_of(plan: &Plan, file: Option<&Path>) -> Option<String> {
    let many = plan.count() > DEFAULT_MAX_HOSTS;
    let raise = if many { format!(" with --max-hosts {}", plan.count()) } else { String::new() };
    let next = match file {
        Some(file) => format!("edr respond apply {}", file.display()),
        None => "the same without --dry-run".to_owned(),
    };
    (plan.count() > 0).then_some(next + &raise)
}

/// What a plan would do, and to which sort of hosts.
pub(super) fn radius(plan: &Plan) -> Vec<String> {
    let radius = plan.blast_radius();
    let side = |map: &BTreeMap<String, usize>| {
        let parts: Vec<String> = map.iter().map(|(word, n)| format!("{word} {n}")).collect();
        parts.join(", ")
    };
    let mut lines =
        vec![format!("{} of {}", plan.action.verb().replace('_', " "), counted(plan.count() as u64, HOSTS))];
    for (name, map) in [
        ("tenants", &radius.tenants),
        ("platforms", &radius.platforms),
        ("roles", &radius.roles),
        ("decisions", &radius.decisions),
    ] {
        if !map.is_empty() {
            lines.push(format!("  {name}: {}", side(map)));
        }
    }
    let unresolved = plan.unresolved.len() as u64;
    if unresolved > 0 {
        lines.push(format!("  {} for no single host", counted(unresolved, ("name stands", "names stand"))));
    }
    lines
}

fn past(action: &ResponseAction) -> &'static str {
    match action {
        ResponseAction::Contain => "contained",
        ResponseAction::FetchFile { .. } => "fetched",
        ResponseAction::KillProcess { .. } => "killed",
        ResponseAction::QuarantineFile { .. } => "quarantined",
        ResponseAction::Release => "released",
        ResponseAction::Scan { .. } => "scanned",
        ResponseAction::Tag { .. } => "tagged",
        ResponseAction::Untag { .. } => "untagged",
        _ => "done",
    }
}
