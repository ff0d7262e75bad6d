//! On-demand scans as they are now: what each host has done of a scan follows from the virtual clock.

use serde_json::{Value, json};

use super::guard::Context;
use super::render_host::{platform, stamp};
use super::things::texts;
use crate::estate::hash::{below, hex_words, hex32, mix_str, mix2};

/// The part of a scan that one host does.
pub(super) struct Part {
    pub(super) status: &'static str,
    root: u64,
    index: u64,
    started: Option<i64>,
    completed: Option<i64>,
    severity: u64,
    counts: [u64; 3],
}

/// When a host begins, and when it would be done.
fn span(c: Context<'_>, root: u64, begun: i64) -> (i64, i64) {
    let start = begun + c.tenant.estate.sensor_delay_ms() + below(mix2(root, 1), 5_000) as i64;
    (start, start + 30_000 + below(mix2(root, 2), 90_000) as i64)
}

/// What a host has done until now. One that is offline waits.
fn part(c: Context<'_>, scan: &Value, index: u64) -> Part {
    let (estate, now) = (&c.tenant.estate, c.state.clock.now_ms());
    let root = mix_str(estate.tag() ^ index, scan["id"].as_str().unwrap_or_default());
    let (start, end) = span(c, root, scan["begun_ms"].as_i64().unwrap_or_default());
    let stop = scan["canceled_ms"].as_i64();
    let until = stop.map_or(now, |stop| stop.min(now));
    let online = estate.online(index);
    let (status, started, completed) = match () {
        () if online && until >= end => ("completed", Some(start), Some(end)),
        () if stop.is_some() => ("canceled", Some(start).filter(|s| online && *s <= until), stop),
        () if online && until >= start => ("running", Some(start), None),
        () => ("pending", None, None),
    };
    let done = started.map_or(0, |s| (completed.unwrap_or(now) - s).max(0) as u64);
    let whole = (end - start).max(1) as u64;
    let scanned = (20_000 + below(mix2(root, 3), 60_000)) * done.min(whole) / whole;
    let malicious = u64::from(status == "completed" && root.is_multiple_of(4));
    let quarantined = if scan["quarantine"] == true { malicious } else { 0 };
    let severity = 70 * malicious;
    Part { status, root, index, started, completed, severity, counts: [scanned, malicious, quarantined] }
}

impl Part {
    fn id(&self) -> String {
        hex32(mix2(self.root, 7))
    }

    fn file_count(&self) -> Value {
        count(self.counts)
    }
}

fn count([scanned, malicious, quarantined]: [u64; 3]) -> Value {
    json!({"malicious": malicious, "quarantined": quarantined, "scanned": scanned, "skipped": scanned / 50,
        "traversed": scanned + scanned / 50})
}

pub(super) fn parts(c: Context<'_>, scan: &Value) -> Vec<Part> {
    let hosts = texts(&scan["targets"]);
    hosts.iter().filter_map(|id| c.tenant.estate.host_index(id)).map(|index| part(c, scan, index)).collect()
}

/// The state of a scan out of those of its hosts; hosts that are offline do not hold it up.
pub(super) fn status(parts: &[Part], canceled: bool) -> &'static str {
    let any = |word: &str| parts.iter().any(|p| p.status == word);
    match () {
        () if any("canceled") || canceled => "canceled",
        () if any("running") => "running",
        () if any("completed") => "completed",
        () => "pending",
    }
}

/// A scan as version 1 shows it, or with `short` as version 2: there the hosts are ids.
pub(super) fn scan_row(c: Context<'_>, scan: &Value, short: bool) -> Value {
    let parts = parts(c, scan);
    let n = |word: &str| parts.iter().filter(|p| p.status == word).count();
    let status = status(&parts, scan["canceled_ms"].is_i64());
    let sum = |at: usize| parts.iter().map(|p| p.counts[at]).sum::<u64>();
    let mut row = scan.clone();
    let metadata = parts.iter().map(|p| if short { p.id().into() } else { metadata(c, scan, p) });
    row["metadata"] = metadata.collect();
    row["status"] = status.into();
    row["filecount"] = count([sum(0), sum(1), sum(2)]);
    row["severity"] = parts.iter().map(|p| p.severity).max().unwrap_or_default().into();
    row["affected_hosts_count"] = parts.iter().filter(|p| p.counts[1] > 0).count().into();
    row["targeted_host_count"] = parts.len().into();
    row["completed_host_count"] = n("completed").into();
    row["started_host_count"] = (n("running") + n("completed")).into();
    row["not_started_host_count"] = n("pending").into();
    row["missing_host_count"] = n("pending").into();
    row["incomplete_host_count"] = n("canceled").into();
    if let Some(first) = parts.iter().filter_map(|p| p.started).min() {
        row["scan_started_on"] = stamp(first).into();
    }
    if ["completed", "canceled"].contains(&status) {
        let last = parts.iter().filter_map(|p| p.completed).max();
        row["scan_completed_on"] = last.map(stamp).into();
    }
    row["last_updated"] = stamp(last_updated(c, &parts)).into();
    if let Some(row) = row.as_object_mut() {
        ["begun_ms", "canceled_ms", "targets"].iter().for_each(|key| drop(row.remove(*key)));
        row.retain(|_, value| !value.is_null());
    }
    row
}

fn last_updated(c: Context<'_>, parts: &[Part]) -> i64 {
    let now = c.state.clock.now_ms();
    parts.iter().map(|p| p.completed.unwrap_or(now)).max().unwrap_or(now)
}

fn metadata(c: Context<'_>, scan: &Value, p: &Part) -> Value {
    let mut row = host_row(c, scan, p);
    row["scan_host_metadata_id"] = row["id"].take();
    row["host_name"] = c.tenant.estate.fields(p.index).hostname().into();
    if let Some(row) = row.as_object_mut() {
        ["id", "cid", "platform_name", "profile_id", "scan_id"].iter().for_each(|key| drop(row.remove(*key)));
    }
    row
}

/// What one host has done of a scan.
pub(super) fn host_row(c: Context<'_>, scan: &Value, p: &Part) -> Value {
    let host = c.tenant.estate.fields(p.index);
    let mut row = json!({"id": p.id(), "cid": c.falcon.cid, "scan_id": scan["id"], "profile_id": scan["profile_id"],
        "host_id": host.id(), "host_scan_id": hex32(mix2(p.root, 8)), "platform_name": platform(host.platform()).1,
        "status": p.status, "severity": p.severity, "filecount": p.file_count(),
        "last_updated": stamp(p.completed.unwrap_or_else(|| c.state.clock.now_ms()))});
    for (key, at) in [("started_on", p.started), ("completed_on", p.completed)] {
        if let Some(at) = at {
            row[key] = stamp(at).into();
        }
    }
    row
}

/// The malicious file that a host has found.
pub(super) fn file_row(c: Context<'_>, scan: &Value, p: &Part) -> Option<Value> {
    let completed = p.completed.filter(|_| p.counts[1] > 0)?;
    let folder = texts(&scan["file_paths"]).into_iter().next().unwrap_or_default();
    let name = format!("{}.bin", &hex32(mix2(p.root, 9))[..8]);
    let mark = if folder.contains('\\') { '\\' } else { '/' };
    Some(json!({"id": hex32(mix2(p.root, 10)), "cid": c.falcon.cid, "scan_id": scan["id"],
        "host_id": c.tenant.estate.host_id(p.index), "host_scan_id": hex32(mix2(p.root, 8)), "filename": name,
        "filepath": format!("{}{mark}{name}", folder.trim_end_matches(['*', '/', '\\'])), "hash": hex_words(mix2(p.root, 11), 4),
        "pattern_id": 10_120, "severity": p.severity, "quarantined": p.counts[2] > 0, "last_updated": stamp(completed)}))
}
