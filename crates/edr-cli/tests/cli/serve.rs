//! The simulator that the program serves, read by the program.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Sim, identities};

#[test]
fn every_host_of_every_tenant_once() {
    let sim = Sim::serve(&["--falcon-hosts", "2500", "--cortex-hosts", "700", "--falcon-tenants", "2"], "[]");
    assert_eq!(sim.ready["tenants"].as_array().unwrap().len(), 3);
    let run = sim.edr(&["hosts", "list", "--all-tenants", "-o", "jsonl"]).ends(0);
    assert_eq!(identities(&run.records()).len(), 5700);
    let outcome = run.objects().pop().unwrap();
    assert_eq!((&outcome["items"], &outcome["total"]), (&Value::from(5700), &Value::from(5700)));
    let limited = sim.edr(&["hosts", "list", "-o", "jsonl", "--limit", "1500"]).ends(0);
    assert_eq!(identities(&limited.records()).len(), 1500);
}

#[test]
fn a_limit_hides_no_tenant_that_cannot_be_read() {
    let rules = r#"[{"operation": "v1/endpoints/get_endpoint", "nth": 1, "fault": {"kind": "429-seconds", "retry_after": 2}},
                    {"operation": "v1/endpoints/get_endpoint", "nth": [2, 3, 4, 5], "fault": "401"}]"#;
    let sim = Sim::serve(&["--falcon-hosts", "2500", "--cortex-hosts", "10"], rules);
    let run = sim.edr(&["hosts", "list", "-o", "jsonl", "--limit", "1200"]).ends(3);
    assert_eq!(identities(&run.records()).len(), 1200);
    let outcome = run.objects().pop().unwrap();
    let ended = |tenant: &str| {
        let all = outcome["tenants"].as_array().unwrap();
        all.iter().find(|t| t["tenant"] == tenant).unwrap()["outcome"].clone()
    };
    assert_eq!((&outcome["outcome"], &outcome["more"]), (&"partial".into(), &true.into()), "{outcome}");
    assert_eq!((ended("falcon-1"), ended("cortex-1")), ("complete".into(), "failed".into()), "{outcome}");
}

#[test]
fn names_come_from_a_file_and_from_standard_input() {
    let sim = Sim::serve(&["--falcon-hosts", "300", "--cortex-hosts", "100"], "[]");
    let all = sim.edr(&["hosts", "list", "-o", "jsonl"]).ends(0).records();
    let names: Vec<String> = all.iter().step_by(5).map(|h| h["uid"].as_str().unwrap().to_owned()).collect();
    let file = sim.folder.path().join("names.txt");
    std::fs::write(&file, names.join("\n")).unwrap();
    let found = sim.edr(&["hosts", "list", "--from", file.to_str().unwrap(), "-o", "jsonl"]).ends(0);
    assert_eq!(identities(&found.records()).len(), names.len());
    let mut child = sim.command(&["hosts", "list", "--from", "-", "-o", "jsonl"]);
    let mut child =
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{}\nnobody\n", names[0]).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "one of two is not there");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
    assert!(String::from_utf8(output.stderr).unwrap().contains("no hosts match 'nobody'"));
}

#[test]
fn connection_is_asked_where_it_is_wanted() {
    let sim = Sim::serve(&["--falcon-hosts", "150", "--cortex-tenants", "0"], "[]");
    let states = |words: &[&str]| {
        let mut all = vec!["hosts", "list", "-o", "jsonl"];
        all.extend_from_slice(words);
        let records = sim.edr(&all).ends(0).records();
        records.iter().any(|h| h["connection_state"] != "unknown")
    };
    assert!(!states(&[]));
    assert!(states(&["--online"]));
    assert!(states(&["--limit", "50"]));
    assert!(states(&["--columns", "connection_state"]));
}

#[test]
fn tenants_are_listed_without_secrets_and_tested() {
    let sim = Sim::serve(&[], "[]");
    let secrets: Vec<String> = sim.ready["tenants"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|t| {
            ["client_secret", "api_key"]
                .iter()
                .filter_map(|k| t[*k].as_str())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(secrets.len(), 2);
    for words in [["tenants", "list"], ["tenants", "test"]] {
        for format in ["table", "json", "yaml", "csv"] {
            let run = sim.edr(&[words[0], words[1], "-o", format, "-v"]).ends(0);
            assert!(secrets.iter().all(|s| !run.out.contains(s) && !run.err.contains(s)));
        }
    }
    let rows: Vec<Value> =
        serde_json::from_str(&sim.edr(&["tenants", "test", "-o", "json"]).ends(0).out).unwrap();
    assert!(rows.iter().all(|r| r["result"] == "ok" && r["findings"].is_array()), "{rows:?}");
    let listed = sim.edr(&["tenants", "list", "--vendor", "cortex"]).ends(0);
    assert!(listed.out.contains("cortex-1") && !listed.out.contains("falcon-1"), "{}", listed.out);
}

#[test]
fn secrets_are_not_in_the_wire_log() {
    let sim = Sim::serve(&["--falcon-hosts", "5", "--cortex-hosts", "5"], "[]");
    let tenants = sim.ready["tenants"].as_array().unwrap();
    let secrets: Vec<&str> = ["client_secret", "api_key"]
        .iter()
        .flat_map(|k| tenants.iter().filter_map(|t| t[*k].as_str()))
        .collect();
    for words in [["tenants", "test"], ["hosts", "list"], ["alerts", "list"]] {
        let run = sim.edr(&[words[0], words[1], "--debug", "-vv", "-o", "json"]).ends(0);
        assert!(run.err.contains("\"type\":\"debug\""), "{}", run.err);
        assert!(secrets.iter().all(|s| !run.err.contains(s)), "{}", run.err);
    }
}

#[test]
fn a_broken_address_shows_in_the_list_of_tenants() {
    let sim = Sim::serve(&[], "[]");
    let path = sim.changed(|text| {
        let broken = "[tenants.evil]\nvendor = 'cortex'\nfqdn = 'x.paloaltonetworks.com.evil.example'\n\
                      api_key_id = 1\napi_key = 'k'\n[tenants.mars]\nvendor = 'falcon'\ncloud = 'mars-1'\n\
                      client_id = 'i'\nclient_secret = 's'\n";
        format!("{broken}{text}")
    });
    let list = |words: &[&str]| {
        crate::support::run(
            crate::support::command(words).args(["tenants", "list", "-o", "json", "--config"]).arg(&path),
        )
    };
    let all = list(&[]).ends(3);
    let rows: Vec<Value> = serde_json::from_str(&all.out).unwrap();
    let problems: Vec<&str> = rows.iter().filter_map(|r| r["problem"].as_str()).collect();
    assert_eq!((rows.len(), problems.len()), (4, 2), "{rows:?}");
    assert!(problems[0].contains("base_url for a gateway") && problems[1].contains("mars-1"), "{problems:?}");
    assert_eq!(all.objects().iter().filter(|o| o["type"] == "error").count(), 2);
    let alone = list(&["-t", "mars"]).ends(1);
    assert!(!alone.err.contains("configuration: configuration"), "{}", alone.err);
    let connected =
        crate::support::run(crate::support::command(&["hosts", "list", "-t", "mars", "--config"]).arg(&path));
    let line = connected.ends(1).err;
    assert!(
        line.contains("connect: configuration: 'mars-1' is not") && line.contains("use one of"),
        "{line}"
    );
}

#[test]
fn a_plain_secret_warns_and_an_open_file_warns() {
    use std::os::unix::fs::PermissionsExt as _;
    let sim = Sim::serve(&[], "[]");
    let open = sim.changed(str::to_owned);
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = crate::support::command(&["tenants", "list", "-t", "falcon-1", "--config"]);
    let run = crate::support::run(command.arg(&open)).ends(0);
    assert!(
        run.err.contains("can be read by others") && run.err.contains("falcon-1: client_secret"),
        "{}",
        run.err
    );
    assert!(!run.err.contains("cortex-1"), "only what is selected: {}", run.err);
}
