//! Coverage, and hosts as machines, on the simulator: some of its machines carry both vendors' agents.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{Sim, command, edr, run};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn the_figures_are_those_of_the_hosts() {
    let report = edr(&["report", "coverage", "--demo", "-o", "json"]).ends(0);
    report.objects();
    let report = json(&report.out);
    let hosts = edr(&["hosts", "list", "--demo", "-o", "jsonl"]).ends(0).records();
    let read: u64 = report["sources"].as_array().unwrap().iter().map(|s| s["hosts"].as_u64().unwrap()).sum();
    assert_eq!(read, hosts.len() as u64);
    let machines = report["machines"].as_array().unwrap();
    assert_eq!(report["totals"]["machines"], machines.len());
    let agents = |machine: &Value| machine["agents"].as_array().unwrap().clone();
    let all: Vec<Value> = machines.iter().flat_map(agents).collect();
    assert_eq!(all.len(), hosts.len(), "every host is an agent of one machine");
    let contained = hosts.iter().filter(|h| h["containment_state"] == "contained").count();
    let told = all.iter().filter(|a| a["findings"].to_string().contains("\"contained\"")).count();
    assert!(told > 0 && told <= contained);
    for (path, word) in [("covered", "covered"), ("machines", "")] {
        let count = machines.iter().filter(|m| word.is_empty() || m["state"] == word).count();
        assert_eq!(report["totals"][path], count, "{path}");
    }
    assert_eq!(
        (&report["is_partial"], report["totals"]["expected"].as_u64()),
        (&false.into(), Some(machines.len() as u64))
    );
    assert!(report["totals"]["by_vendors"]["cortex+falcon"].as_u64().unwrap() > 0, "some carry both");
}

#[test]
fn every_format_tells_the_same() {
    let count = |format: &str| {
        let run = edr(&["report", "coverage", "--demo", "-o", format]).ends(0);
        run.out.lines().count()
    };
    let whole = json(&edr(&["report", "coverage", "--demo", "-o", "json"]).ends(0).out);
    let machines = whole["machines"].as_array().unwrap().len();
    assert_eq!((count("jsonl"), count("csv")), (machines, machines + 1));
    let piped = edr(&["report", "coverage", "--demo"]).ends(0);
    assert!(piped.out.starts_with("uid\thostname\tplatform\tstate\tfindings\t"), "{}", piped.out);
    let yaml = edr(&["report", "coverage", "--demo", "-o", "yaml"]).ends(0);
    let yaml: serde_yaml_ng::Value = serde_yaml_ng::from_str(&yaml.out).unwrap();
    assert_eq!(yaml["machines"].as_sequence().unwrap().len(), machines);
}

#[test]
fn the_table_fits_80_columns() {
    let table = run(command(&["report", "coverage", "--demo", "-o", "table"]).env("COLUMNS", "80")).ends(0);
    assert!(table.out.starts_with("coverage  "), "{}", table.out);
    for line in table.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for word in ["falcon-1", "cortex-1", "windows", "agents of two vendors", "NEWEST", "PLATFORM"] {
        assert!(table.out.contains(word), "{word}: {}", table.out);
    }
    let wide = edr(&["report", "coverage", "--demo", "-o", "wide"]).ends(0);
    assert!(wide.out.contains("FINDINGS") && wide.out.lines().count() > table.out.lines().count() + 100);
}

#[test]
fn a_list_of_what_should_be_there_finds_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cmdb.csv");
    let hosts = edr(&["hosts", "list", "--demo", "-o", "jsonl", "--vendor", "falcon"]).ends(0).records();
    let mut csv = "Owner;Computer Name;Serial-No\n".to_owned();
    for host in &hosts[..50] {
        writeln!(csv, "x;{};", host["hostname"].as_str().unwrap().to_uppercase()).unwrap();
    }
    csv.push_str("y;LOST-LAPTOP-1;\ny;LOST-LAPTOP-2;\nbroken\n");
    std::fs::write(&path, csv).unwrap();
    let list = path.to_str().unwrap();
    let words = ["report", "coverage", "--demo", "-o", "json", "--denominator", list];
    let checked = edr(&[&words[..], &["--check", "missing<=1", "--check", "coverage>=1%"]].concat()).ends(10);
    let told = checked.objects();
    assert!(told.iter().any(|o| o["code"] == "check" && o["message"].to_string().contains("missing<=1")));
    assert!(told.iter().any(|o| o["code"] == "denominator" && o["message"].to_string().contains("line 54")));
    assert_eq!(told.last().unwrap()["outcome"], "complete");
    let report = json(&checked.out);
    assert_eq!(report["denominator"]["rows"], 53);
    assert_eq!(report["totals"]["expected"], report["denominator"]["machines"]);
    let absent: BTreeSet<&str> = report["machines"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| m["uid"].as_str().unwrap().starts_with("row:"))
        .map(|m| m["hostname"].as_str().unwrap())
        .collect();
    assert_eq!(absent, BTreeSet::from(["LOST-LAPTOP-1", "LOST-LAPTOP-2"]));
    assert!(report["totals"]["findings"]["unlisted"].as_u64().unwrap() > 0);
    edr(&[&words[..], &["--check", "missing>=2", "--stale", "365d"]].concat()).ends(0);
    let words = ["report", "coverage", "--demo", "-o", "table", "--denominator", list];
    let table = run(command(&words).env("COLUMNS", "80")).ends(0);
    assert!(
        table.out.contains(" EXPECTED ") && table.out.lines().all(|l| l.chars().count() <= 80),
        "{}",
        table.out
    );
}

#[test]
fn a_tenant_that_fails_makes_the_report_partial() {
    let faults = r#"[{"operation": "*", "tenant": "cortex-1", "always": true, "fault": "403-scope"}]"#;
    let sim = Sim::serve(&["--falcon-hosts", "40", "--cortex-hosts", "40"], faults);
    let run = sim.edr(&["report", "coverage", "-o", "json", "--check", "coverage>=100%"]).ends(3);
    let report = json(&run.out);
    assert_eq!(report["is_partial"], true);
    let states: Vec<&str> =
        report["sources"].as_array().unwrap().iter().map(|s| s["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "complete"]);
    let table = sim.edr(&["report", "coverage", "-o", "table"]).ends(3);
    assert!(table.out.contains("partial: not read to the end: cortex-1"), "{}", table.out);
    let page = sim.edr(&["report", "coverage", "-o", "html"]).ends(3);
    assert!(page.out.contains("<strong>Partial.</strong>"));
}

#[test]
fn the_page_needs_nothing_else_and_its_ending_names_the_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coverage.html");
    let saved = edr(&["report", "coverage", "--demo", "--out", path.to_str().unwrap()]).ends(0);
    assert_eq!(saved.out, "");
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for word in ["http:", "https:", "src=", "href=", "<script", "url(", "@import"] {
        assert!(!page.contains(word), "{word}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let nowhere = folder.path().join("none/x.json");
    let failed = edr(&["report", "coverage", "--demo", "--out", nowhere.to_str().unwrap()]).ends(1);
    assert!(failed.err.contains("cannot be written"), "{}", failed.err);
}

#[test]
fn machines_with_both_agents_are_one_row() {
    let sim = Sim::serve(&["--falcon-hosts", "60", "--cortex-hosts", "60"], "[]");
    let apart = sim.edr(&["hosts", "list", "--merge", "-o", "jsonl"]).ends(0);
    let vendors = |machine: &Value| machine["vendors"].as_array().unwrap().len();
    assert!(apart.records().iter().all(|m| vendors(m) == 1), "a tenant is its own customer");
    assert!(apart.objects().iter().any(|o| o["code"] == "customers"), "{}", apart.err);

    let config = sim.changed(|text| format!("{text}\n[customers]\nacme = [\"falcon-1\", \"cortex-1\"]\n"));
    let list = |words: &[&str]| {
        let mut all = vec!["--config", config.to_str().unwrap(), "hosts", "list", "--merge"];
        all.extend_from_slice(words);
        run(command(&all).env("XDG_STATE_HOME", sim.state()))
    };
    let merged = list(&["-o", "jsonl"]).ends(0).records();
    let hosts: usize = merged.iter().map(|m| m["hosts"].as_array().unwrap().len()).sum();
    let both: Vec<&Value> = merged.iter().filter(|m| vendors(m) == 2).collect();
    assert!(both.len() >= 4 && hosts == 120, "{} {hosts}", both.len());
    for machine in &both {
        let tenants: Vec<&str> =
            machine["tenants"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(tenants, ["cortex-1", "falcon-1"]);
    }
    let rows = list(&["-o", "csv", "--columns", "hostname,containment,vendors"]).ends(0);
    let row = rows.out.lines().find(|l| l.contains("cortex; falcon")).unwrap();
    assert!(row.contains("cortex: ") && row.contains("falcon: "), "each vendor by itself: {row}");
    let table = list(&["-o", "table", "--limit", "5"]).ends(0);
    assert!(table.out.starts_with("HOSTNAME") && table.out.lines().count() == 6, "{}", table.out);
    assert!(table.err.contains("showing 5 of "), "{}", table.err);

    // What a person has said outweighs what was found.
    let pair: Vec<String> = both[0]["hosts"].as_array().unwrap().iter().map(urn).collect();
    let links = serde_json::json!({"linked": [], "unlinked": [[pair[0], pair[1]]]});
    std::fs::create_dir_all(sim.state().join("edr")).unwrap();
    std::fs::write(sim.state().join("edr/links.json"), links.to_string()).unwrap();
    let again = list(&["-o", "jsonl"]).ends(0).records();
    assert_eq!(again.len(), merged.len() + 1);
    std::fs::write(sim.state().join("edr/links.json"), "{").unwrap();
    assert!(list(&["-o", "jsonl"]).ends(1).err.contains("links.json cannot be read"));
}

fn urn(host: &Value) -> String {
    let text = |key: &str| host[key].as_str().unwrap();
    format!("edr:{}:{}:host:{}", text("vendor"), text("tenant"), text("uid"))
}
