//! Cases of both vendors, and the work on them; indicators.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Sim, edr, identities};

const YES: [&str; 3] = ["--yes", "--max-hosts", "5"];
const SMALL: &[&str] = &["--falcon-hosts", "120", "--cortex-hosts", "80", "--alerts", "60"];

#[test]
fn cases_of_both_vendors_are_listed_newest_first() {
    let run = edr(&["cases", "list", "--demo", "-o", "jsonl", "--limit", "40"]).ends(0);
    let cases = run.records();
    identities(&cases);
    let vendors: BTreeSet<&str> = cases.iter().map(|c| c["vendor"].as_str().unwrap()).collect();
    assert_eq!(vendors, BTreeSet::from(["cortex", "falcon"]));
    let times: Vec<&str> = cases.iter().map(|c| c["created_time"].as_str().unwrap()).collect();
    assert!(times.iter().rev().is_sorted_by_key(|t| &t[..19]), "{times:?}");
    let table = edr(&["cases", "list", "--demo", "-o", "table", "--severity", "high+"]).ends(0);
    assert!(table.out.starts_with("SEVERITY") && !table.out.contains("medium"), "{}", table.out);
}

#[test]
fn a_case_is_changed_where_it_is_named_and_nowhere_else() {
    let sim = Sim::serve(SMALL, "[]");
    let one = |words: &[&str]| sim.edr(words).ends(0).records().remove(0);
    let before = one(&["cases", "get", "3", "-t", "cortex-1", "-o", "jsonl"]);
    let change =
        ["cases", "update", "3", "-t", "cortex-1", "--status", "resolved", "--verdict", "false_positive"];
    let planned = one(&[&change[..], &["-n", "-o", "jsonl"]].concat());
    assert_eq!((&planned["decision"], &planned["title"]), (&Value::from("act"), &before["title"]));
    assert!(planned["outcome"].is_null());
    assert_eq!(one(&["cases", "get", "3", "-t", "cortex-1", "-o", "jsonl"])["status"], before["status"]);
    let refused = sim.edr(&change).ends(6);
    assert!(refused.err.contains("consent"), "{}", refused.err);
    assert_eq!(one(&[&change[..], &YES, &["-o", "jsonl"]].concat())["outcome"], "accepted");
    let after = one(&["cases", "get", "3", "-t", "cortex-1", "-o", "jsonl"]);
    assert_eq!((&after["status"], &after["verdict"]), (&"resolved".into(), &"false_positive".into()));
    assert_eq!(sim.requests("v1/incidents/update_incident"), 1);
}

#[test]
fn a_case_of_falcon_is_given_to_somebody_by_mail() {
    let sim = Sim::serve(SMALL, "[]");
    let cases = sim.edr(&["cases", "list", "-t", "falcon-1", "-o", "jsonl"]).ends(0).records();
    let uid = cases[0]["uid"].as_str().unwrap();
    let who = cases.iter().find_map(|c| c["assignee"]["email"].as_str()).expect("somebody has a case");
    let words = ["cases", "update", uid, "-t", "falcon-1", "--assignee", who, "--severity", "low"];
    sim.edr(&[&words[..], &YES].concat()).ends(0);
    let after = sim.edr(&["cases", "get", uid, "-o", "jsonl"]).ends(0).records().remove(0);
    assert_eq!((&after["assignee"]["email"], &after["severity"]), (&who.into(), &"low".into()));
}

#[test]
fn what_cannot_be_said_is_refused_before_anything_is_sent() {
    let sim = Sim::serve(SMALL, "[]");
    let change = |words: &[&str]| sim.edr(&[&["cases", "update"], words, &YES].concat());
    change(&["3", "--status", "new"]).ends(2);
    change(&["3", "--all-tenants", "--status", "new"]).ends(2);
    change(&["3", "-t", "cortex-1"]).ends(2);
    change(&["3", "-t", "cortex-1", "--verdict", "benign"]).ends(3);
    let lossy = change(&["3", "-t", "cortex-1", "--status", "resolved", "--verdict", "benign"]).ends(3);
    assert!(lossy.out.contains("the nearest is resolved_other"), "{}", lossy.out);
    let uid =
        sim.edr(&["cases", "list", "-t", "falcon-1", "-o", "jsonl"]).ends(0).records()[0]["uid"].clone();
    let unsaid = change(&[uid.as_str().unwrap(), "-t", "falcon-1", "--comment", "x"]).ends(3);
    assert!(unsaid.out.contains("unsupported"), "{}", unsaid.out);
    change(&["no-such-case", "-t", "falcon-1", "--status", "new"]).ends(5);
    assert_eq!(sim.requests("v1/incidents/update_incident"), 0);
    assert_eq!(sim.requests("entities.cases.patch.v2"), 0);
    let nearest = &["3", "-t", "cortex-1", "--status", "resolved", "--verdict", "benign", "--nearest"];
    let nearest = change(nearest).ends(0);
    assert!(nearest.err.contains("is sent for it"), "{}", nearest.err);
    let mixed = change(&["3", "999999", "-t", "cortex-1", "--status", "new", "-o", "jsonl"]).ends(3);
    let words: Vec<(Value, Value)> =
        mixed.records().iter().map(|r| (r["decision"].clone(), r["outcome"].clone())).collect();
    assert_eq!(words, [("act".into(), "accepted".into()), ("unknown".into(), Value::Null)]);
}

#[test]
fn indicators_are_listed_where_the_vendor_lists_them() {
    let five = Sim::serve(&[SMALL, &["--cortex-generation", "5"]].concat(), "[]");
    let none = five.edr(&["iocs", "list", "-o", "jsonl"]).ends(0);
    assert!(none.records().is_empty(), "{}", none.out);
    let three = Sim::serve(SMALL, "[]");
    let partial = three.edr(&["iocs", "list", "--type", "sha256", "-o", "jsonl"]).ends(3);
    assert!(partial.err.contains("Cortex XDR 3 has no call that lists indicators"), "{}", partial.err);
}
