//! `edr doctor`: what works, what does not, and what it says to do.

use std::path::Path;

use serde_json::Value;

use crate::support::{Run, Sim, command, edr, run, write_private};

fn serve(words: &[&str], faults: &str) -> Sim {
    let small = ["--falcon-hosts", "6", "--cortex-hosts", "4", "--alerts", "5"];
    Sim::serve(&[&small, words].concat(), faults)
}

fn doctor(config: &Path, words: &[&str]) -> Run {
    run(command(&["doctor", "-o", "jsonl", "--config"]).arg(config).args(words))
}

/// The record of a probe.
#[track_caller]
fn probe(run: &Run, tenant: &str, name: &str) -> Value {
    let found = run.records().into_iter().find(|r| r["tenant"] == tenant && r["probe"] == name);
    found.unwrap_or_else(|| panic!("{tenant} has no {name}: {}", run.out))
}

/// `tenant probe` of what ended so.
fn ended(run: &Run, state: &str) -> Vec<String> {
    let name =
        |r: &Value| format!("{} {}", r["tenant"].as_str().unwrap_or("-"), r["probe"].as_str().unwrap());
    run.records().iter().filter(|r| r["state"] == state).map(name).collect()
}

fn hint(run: &Run, tenant: &str, name: &str) -> String {
    probe(run, tenant, name)["hint"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_demo_is_well_in_every_format() {
    let run = edr(&["doctor", "--demo", "-o", "jsonl"]).ends(0);
    assert!(ended(&run, "failed").is_empty() && ended(&run, "warned").is_empty(), "{}", run.out);
    let keys = ["tenant", "vendor", "probe", "state", "value", "needs", "code", "error", "hint"];
    for record in run.records() {
        assert!(keys.iter().all(|key| record.get(key).is_some()), "{record}");
    }
    assert_eq!(run.objects().last().unwrap()["outcome"], "complete");
    assert_eq!(probe(&run, "falcon-1", "hosts")["needs"], "Hosts: read");
    let json = edr(&["doctor", "--demo", "-o", "json", "--vendor", "cortex"]).ends(0);
    let rows: Vec<Value> = serde_json::from_str(&json.out).unwrap();
    assert!(rows.iter().all(|r| r["vendor"] == "cortex" || r["vendor"].is_null()));
    let csv = edr(&["doctor", "--demo", "-t", "falcon-1", "-o", "csv"]).ends(0);
    assert!(csv.out.starts_with("tenant,vendor,probe,state,value,needs,code,error,hint\n"), "{}", csv.out);
    assert!(edr(&["doctor", "--demo", "-o", "yaml"]).ends(0).out.contains("probe: address"));
    edr(&["doctor", "--demo", "--columns", "nothing"]).ends(2);
}

#[test]
fn the_page_fits_80_columns() {
    let page = run(command(&["doctor", "--demo", "-o", "table"]).env("COLUMNS", "80")).ends(0);
    assert!(page.out.lines().all(|l| l.chars().count() <= 80), "{}", page.out);
    assert!(
        page.out.contains("\ncortex-1 (cortex): works\n") && page.out.contains("  ✓ token "),
        "{}",
        page.out
    );
    assert_eq!(page.last(), "complete: 2 tenants, 17 probes passed");
}

#[test]
fn a_refused_secret_and_a_key_of_the_other_type() {
    let sim = serve(&[], "[]");
    let changed = sim.changed(|t| {
        t.replace("\nclient_secret = \"", "\nclient_secret = \"x").replace("\"advanced\"", "\"standard\"")
    });
    let run = doctor(&changed, &[]).ends(4);
    assert_eq!(ended(&run, "failed"), ["cortex-1 key", "falcon-1 token"]);
    assert!(
        hint(&run, "cortex-1", "key").contains("works as advanced: set key_type = \"advanced\""),
        "{}",
        run.out
    );
    assert!(hint(&run, "falcon-1", "token").contains("check client id and secret"), "{}", run.out);
    assert_eq!(probe(&run, "falcon-1", "hosts")["value"], "there is no token");
    assert_eq!(run.objects().iter().filter(|o| o["code"] == "authentication").count(), 2, "{}", run.err);
    let wrong = sim.changed(|t| t.replace("\napi_key = \"", "\napi_key = \"x"));
    let run = doctor(&wrong, &["-t", "cortex-1"]).ends(4);
    assert!(hint(&run, "cortex-1", "key").contains("refused as standard, too"), "{}", run.out);
    doctor(&wrong, &[]).ends(3);
}

#[test]
fn no_secret_is_shown() {
    let sim = serve(&[], "[]");
    let text = std::fs::read_to_string(sim.config()).unwrap();
    let secrets: Vec<&str> = text
        .lines()
        .filter(|l| l.starts_with("client_secret") || l.starts_with("api_key ="))
        .filter_map(|l| l.split('"').nth(1))
        .collect();
    let other = sim.changed(|t| t.replace("\"advanced\"", "\"standard\""));
    for (config, code) in [(sim.config(), 0), (other, 3)] {
        for format in ["table", "json"] {
            let run = run(command(&["doctor", "-vv", "-o", format, "--config"]).arg(&config)).ends(code);
            assert!(secrets.iter().all(|s| !run.out.contains(s) && !run.err.contains(s)), "{}", run.err);
        }
    }
}

#[test]
fn a_missing_scope_or_role_is_4_and_named() {
    let rules = r#"[{"operation": "PostCombinedAlertsV1", "always": true, "fault": "403-scope"},
        {"operation": "v1/endpoints/get_endpoint", "always": true, "fault": "403-scope"}]"#;
    let run = doctor(&serve(&[], rules).config(), &[]).ends(4);
    assert_eq!(ended(&run, "failed"), ["cortex-1 endpoints", "falcon-1 alerts"]);
    let alerts = probe(&run, "falcon-1", "alerts");
    assert_eq!((&alerts["needs"], &alerts["code"]), (&"Alerts: read".into(), &"permission".into()));
    assert!(hint(&run, "falcon-1", "alerts").contains("add the scope \"Alerts: read\""), "{}", run.out);
    assert!(hint(&run, "cortex-1", "endpoints").contains("the role Viewer"), "{}", run.out);
    assert_eq!(probe(&run, "cortex-1", "key")["state"], "passed");
    let unlicensed =
        r#"[{"operation": "v1/endpoints/get_endpoint", "always": true, "fault": "402-licence"}]"#;
    let run = doctor(&serve(&[], unlicensed).config(), &["--vendor", "cortex"]).ends(1);
    assert_eq!(probe(&run, "cortex-1", "endpoints")["code"], "licence");
}

#[test]
fn a_clock_that_is_off_is_a_warning() {
    for seconds in [600, -600] {
        let rule = format!(
            r#"[{{"operation": "*", "always": true, "fault": {{"kind": "skew", "seconds": {seconds}}}}}]"#
        );
        let run = doctor(&serve(&[], &rule).config(), &[]).ends(0);
        let clocks: Vec<String> =
            ended(&run, "warned").into_iter().filter(|p| p.ends_with(" clock")).collect();
        assert_eq!(clocks, ["cortex-1 clock", "falcon-1 clock"], "{}", run.out);
        let side = if seconds > 0 { "10 min behind" } else { "10 min ahead of" };
        assert!(probe(&run, "cortex-1", "clock")["value"].as_str().unwrap().contains(side), "{}", run.out);
        assert!(hint(&run, "cortex-1", "clock").contains("refused beyond 5 minutes"), "{}", run.out);
    }
}

#[test]
fn an_address_that_nobody_answers_or_knows_is_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let text = "[tenants.dead]\nvendor = 'falcon'\nbase_url = 'http://127.0.0.1:9'\nclient_id = 'x'\nclient_secret = 'y'\n\
        [tenants.lost]\nvendor = 'cortex'\nbase_url = 'https://api-nobody.invalid'\napi_key_id = 1\napi_key = 'y'\n\
        [tenants.mute]\nvendor = 'falcon'\nclient_id = 'x'\nclient_secret = { env = 'NOT_SET' }\n";
    write_private(&path, text);
    let run = doctor(&path, &[]).ends(1);
    assert_eq!(ended(&run, "failed"), ["dead connection", "lost address", "mute configuration"]);
    let dead = probe(&run, "dead", "connection");
    assert!(dead["error"].as_str().unwrap().contains("127.0.0.1 port 9"), "{dead}");
    assert_eq!(probe(&run, "dead", "token")["value"], "there is no connection");
    assert!(hint(&run, "lost", "address").contains("typing error"), "{}", run.out);
    assert!(probe(&run, "mute", "configuration")["error"].as_str().unwrap().contains("NOT_SET"));
    assert!(hint(&run, "mute", "configuration").contains("set and export NOT_SET"), "{}", run.out);
    let page = self::run(command(&["doctor", "-o", "table", "-t", "dead", "--config"]).arg(&path)).ends(1);
    assert!(page.out.contains("- skipped        clock, token, region, alerts, hosts, rate:"), "{}", page.out);
    assert!(!page.err.contains("error:"), "the page has it already: {}", page.err);
}

#[test]
fn a_key_that_ends_soon_is_a_warning() {
    let sim = serve(&["--cortex-generation", "5", "--key-expires", "5d"], "[]");
    let run = doctor(&sim.config(), &["-t", "cortex-1"]).ends(0);
    let expiry = probe(&run, "cortex-1", "expiry");
    assert_eq!(expiry["state"], "warned", "{expiry}");
    assert!(expiry["value"].as_str().unwrap().ends_with("in 4 days"), "{expiry}");
    assert!(hint(&run, "cortex-1", "expiry").contains("make a new key"), "{}", run.out);
    let sim = serve(&["--cortex-generation", "5", "--key-expires", "1ms"], "[]");
    let run = doctor(&sim.config(), &["-t", "cortex-1"]).ends(4);
    assert!(hint(&run, "cortex-1", "key").contains("expired"), "{}", run.out);
}

#[test]
fn the_file_is_looked_at() {
    use std::os::unix::fs::PermissionsExt as _;
    let sim = serve(&[], "[]");
    std::fs::set_permissions(sim.config(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let run = doctor(&sim.config(), &["-t", "falcon-1"]).ends(0);
    assert_eq!(
        ended(&run, "warned"),
        ["- configuration", "falcon-1 configuration"],
        "of the selected tenant alone"
    );
    assert!(run.out.contains("mode 644") && run.out.contains("chmod 600 it"), "{}", run.out);
    assert!(run.out.contains("2 tenants, 1 of them selected"), "{}", run.out);
    assert!(run.objects().iter().all(|o| o["type"] != "warning"), "they are records: {}", run.err);
}

#[test]
fn what_was_found_within_the_time_is_kept() {
    let stall = r#"[{"operation": "v1/endpoints/get_endpoint", "always": true, "fault": {"kind": "stall-headers", "delay_ms": 20000}}]"#;
    let sim = serve(&[], stall);
    let run = doctor(&sim.config(), &["--timeout", "2s"]).ends(3);
    assert_eq!(ended(&run, "failed"), ["cortex-1 time"]);
    assert_eq!(probe(&run, "cortex-1", "connection")["state"], "passed");
    assert_eq!(probe(&run, "falcon-1", "hosts")["state"], "passed");
    assert!(hint(&run, "cortex-1", "time").contains("--timeout"), "{}", run.out);
}

#[test]
fn an_interrupt_keeps_what_was_found() {
    let stall = r#"[{"operation": "oauth2AccessToken", "always": true, "fault": {"kind": "stall-headers", "delay_ms": 20000}}]"#;
    let sim = serve(&[], stall);
    let child = sim
        .command(&["doctor", "-o", "jsonl"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let run = Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
    .ends(130);
    assert_eq!(probe(&run, "cortex-1", "key")["state"], "passed");
    assert_eq!(probe(&run, "falcon-1", "connection")["state"], "passed", "of the one that hangs, too");
    assert_eq!(probe(&run, "falcon-1", "time")["state"], "skipped");
    let outcome = run.objects().pop().unwrap();
    assert_eq!(outcome["interrupted"], true);
    let tenants = outcome["tenants"].as_array().unwrap();
    let of = |name: &str| tenants.iter().find(|t| t["tenant"] == name).unwrap()["outcome"].clone();
    assert_eq!((of("cortex-1"), of("falcon-1")), ("complete".into(), "partial".into()));
}
