//! What the vendors have noted of what was done.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Sim, edr, identities};

const SMALL: &[&str] = &["--falcon-hosts", "120", "--cortex-hosts", "80", "--alerts", "60"];

fn texts<'a>(records: &'a [Value], field: &str) -> Vec<&'a str> {
    records.iter().map(|r| r[field].as_str().unwrap_or_default()).collect()
}

#[test]
fn what_was_done_stands_in_the_audit_of_its_vendor() {
    let sim = Sim::serve(SMALL, "[]");
    let list =
        |words: &[&str]| sim.edr(&[&["audit", "events", "-o", "jsonl"], words].concat()).ends(0).records();
    assert!(list(&["--source", "console", "-t", "cortex-1"]).is_empty());
    let update = ["cases", "update", "3", "-t", "cortex-1", "--status", "new", "--yes", "--max-hosts", "1"];
    sim.edr(&update).ends(0);
    let token = ["api", "POST", "/installation-tokens/entities/tokens/v1", "-t", "falcon-1"];
    sim.edr(&[&token[..], &["--body", r#"{"label":"x"}"#]].concat()).ends(0);
    let done = list(&["--source", "console,install_token"]);
    identities(&done);
    assert_eq!(texts(&done, "vendor").into_iter().collect::<BTreeSet<_>>(), ["cortex", "falcon"].into());
    let acts: BTreeSet<&str> = texts(&done, "action").into_iter().collect();
    assert_eq!(acts, ["token_create", "v1/incidents/update_incident"].into());
    assert!(list(&["--source", "console", "--until", "24h"]).is_empty());
    assert_eq!(list(&["--source", "console", "--since", "24h"]).len(), 1);
    assert!(list(&["--source", "console", "--filter", "result = failure"]).is_empty());
}

#[test]
fn agents_report_newest_first() {
    let sim = Sim::serve(SMALL, "[]");
    let words = ["audit", "events", "-t", "cortex-1", "--source", "agent", "-o", "jsonl"];
    let reports = sim.edr(&words).ends(0).records();
    assert_eq!(reports.len(), 160);
    assert!(
        texts(&reports, "time").iter().rev().is_sorted_by_key(|t| &t[..19]),
        "{:?}",
        texts(&reports, "time")
    );
    assert!(reports.iter().all(|r| r["host"]["uid"].is_string() && r["raw"].is_null()));
    let limited = sim.edr(&[&words[..], &["--limit", "3", "--raw"]].concat()).ends(0).records();
    assert_eq!(texts(&limited, "uid"), texts(&reports[..3], "uid"));
    assert!(limited[0]["raw"].is_object());
    // One call told the time; the other record was not asked for.
    assert_eq!(sim.requests("v1/audits/management_logs"), 0);
}

#[test]
fn the_journal_is_another_thing() {
    edr(&["audit", "list", "--demo", "-t", "falcon-1"]).ends(2);
    let table = edr(&["audit", "events", "--demo", "-o", "table", "--limit", "2"]).ends(0);
    assert!(table.out.starts_with("TIME"), "{}", table.out);
}
