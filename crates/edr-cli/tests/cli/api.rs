//! `edr api`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Run, Sim, edr, run};

const SMALL: [&str; 4] = ["--falcon-hosts", "7", "--cortex-hosts", "5"];
const HOSTS: &str = "/devices/queries/devices/v1";

fn api(sim: &Sim, words: &[&str]) -> Run {
    sim.edr(&[&["api"], words].concat())
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}", run.out))
}

/// The endpoints of an answer, without when they were last seen, which moves on while the test runs.
fn endpoints(answer: &Value) -> Vec<Value> {
    let mut found = answer["reply"]["endpoints"].as_array().unwrap().clone();
    for endpoint in &mut found {
        endpoint.as_object_mut().unwrap().remove("last_seen").unwrap();
    }
    found
}

#[test]
fn an_answer_comes_as_it_is() {
    let sim = Sim::serve(&SMALL, "[]");
    let falcon = api(&sim, &["GET", HOSTS, "-t", "falcon-1", "--query", "limit=3"]).ends(0);
    assert_eq!(json(&falcon)["resources"].as_array().unwrap().len(), 3, "{}", falcon.out);
    assert_eq!(falcon.err.lines().filter(|l| !l.starts_with("warning")).count(), 0, "{}", falcon.err);
    let inside = api(&sim, &["get", &format!("{HOSTS}?limit=2"), "-t", "falcon-1"]).ends(0);
    assert_eq!(json(&inside)["resources"].as_array().unwrap().len(), 2);
    let window = r#"{"request_data": {"search_from": 1, "search_to": 3}}"#;
    let cortex = api(&sim, &["POST", "endpoints/get_endpoint", "-t", "cortex-1", "--body", window]).ends(0);
    assert_eq!(json(&cortex)["reply"]["result_count"], 2, "{}", cortex.out);
    let file = sim.folder.path().join("body.json");
    std::fs::write(&file, window).unwrap();
    let from_file = format!("@{}", file.display());
    let whole = "/public_api/v1/endpoints/get_endpoint/";
    let same = api(&sim, &["POST", whole, "-t", "cortex-1", "--body", &from_file]).ends(0);
    assert_eq!(endpoints(&json(&same)), endpoints(&json(&cortex)));
    let mut piped = sim.command(&["api", "POST", whole, "-t", "cortex-1", "--body", "-"]);
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(window.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let piped: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(endpoints(&piped), endpoints(&json(&cortex)));
    let demo = edr(&["api", "GET", HOSTS, "--demo", "--vendor", "falcon"]).ends(0);
    assert_eq!(json(&demo)["meta"]["pagination"]["total"], 120, "one tenant is left: none has to be named");
}

#[test]
fn status_and_headers_come_before_the_body() {
    let sim = Sim::serve(&SMALL, "[]");
    let run = api(&sim, &["GET", HOSTS, "-t", "falcon-1", "-i"]).ends(0);
    let (head, body) = run.out.split_once("\n\n").unwrap();
    assert!(head.starts_with("HTTP 200 OK\n") && head.contains("content-type: application/json"), "{head}");
    assert!(serde_json::from_str::<Value>(body).is_ok(), "{body}");
    let refused = api(&sim, &["GET", "/nothing/here/v1", "-t", "falcon-1", "--include"]).ends(1);
    assert!(refused.out.starts_with("HTTP 404 Not Found\n"), "{}", refused.out);
}

#[test]
fn a_refusal_is_printed_and_told() {
    let sim = Sim::serve(
        &SMALL,
        r#"[{"operation": "QueryDevicesByFilter", "always": true, "fault": "403-scope"}]"#,
    );
    let denied = api(&sim, &["GET", HOSTS, "-t", "falcon-1", "-o", "json"]).ends(4);
    assert_eq!(json(&denied)["errors"][0]["code"], 403, "{}", denied.out);
    let error = denied.objects().pop().unwrap();
    assert_eq!((&error["code"], &error["tenant"]), (&"permission".into(), &"falcon-1".into()), "{error}");
    assert!(
        error["trace_id"].is_string() && error["hint"].as_str().unwrap().contains("Hosts: read"),
        "{error}"
    );
    let absent = ["GET", "/devices/entities/devices/v2", "-t", "falcon-1", "--query", "ids=zz"];
    let absent = api(&sim, &absent).ends(0);
    assert!(
        !json(&absent)["errors"].as_array().unwrap().is_empty(),
        "a success is not looked into: {}",
        absent.out
    );
    let bad = api(&sim, &["POST", "endpoints/get_endpoint", "-t", "cortex-1", "--body", "{}"]).ends(1);
    assert!(json(&bad)["reply"]["err_code"].is_number() && bad.err.contains("\nerror: "), "{}", bad.out);
}

#[test]
fn all_pages_are_joined() {
    let sim = Sim::serve(&["--falcon-hosts", "12", "--cortex-hosts", "230", "--alerts", "40"], "[]");
    let ids = |path: &str, limit: &str| {
        let run = api(&sim, &["GET", path, "-t", "falcon-1", "--query", limit, "--paginate"]).ends(0);
        let ids = json(&run).as_array().unwrap().clone();
        let distinct: std::collections::HashSet<String> = ids.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), ids.len(), "{path}");
        assert!(run.last().starts_with("complete: "), "{}", run.err);
        ids.len()
    };
    assert_eq!(ids(HOSTS, "limit=5"), 12);
    assert_eq!(ids("/devices/queries/devices-scroll/v1", "limit=5"), 12);
    assert_eq!(ids("/devices/combined/devices/v1", "limit=5"), 12);
    assert_eq!(ids("/alerts/queries/alerts/v2", "limit=7"), 40);
    assert_eq!(ids(HOSTS, "filter=hostname:'nobody'"), 0);
    let listing = ["POST", "endpoints/get_endpoint", "-t", "cortex-1", "--paginate", "-o", "jsonl"];
    let lines = api(&sim, &listing).ends(0).records();
    assert_eq!(lines.len(), 230);
    assert!(lines.iter().all(|l| l["endpoint_id"].is_string()));
    let from =
        [&listing[..], &["--body", r#"{"request_data": {"search_from": 200, "search_to": 210}}"#]].concat();
    assert_eq!(api(&sim, &from).ends(0).records().len(), 30);
    let bare = api(&sim, &["POST", "endpoints/get_endpoints", "-t", "cortex-1", "--paginate"]).ends(0);
    assert_eq!(json(&bare).as_array().unwrap().len(), 230, "an answer that is a list is one page");
    let none = api(&sim, &["GET", "healthcheck", "-t", "cortex-1", "--paginate"]);
    assert_ne!(none.code, 0, "what is no listing has no pages: {}", none.out);
}

#[test]
fn a_listing_that_breaks_off_is_partial() {
    let rule = r#"[{"operation": "QueryDevicesByFilter", "nth": 2, "fault": "403-scope"}]"#;
    let sim = Sim::serve(&SMALL, rule);
    let run = api(&sim, &["GET", HOSTS, "-t", "falcon-1", "--query", "limit=5", "--paginate"]).ends(3);
    assert_eq!(json(&run).as_array().unwrap().len(), 5, "{}", run.out);
    assert!(run.last().starts_with("partial: falcon-1 partial, 5 items"), "{}", run.err);
}

#[test]
fn a_get_is_repeated_and_another_method_when_the_person_says_so() {
    let rule = |operation: &str| format!(r#"[{{"operation": "{operation}", "nth": 1, "fault": "503"}}]"#);
    let sim = Sim::serve(&SMALL, &rule("QueryDevicesByFilter"));
    api(&sim, &["GET", HOSTS, "-t", "falcon-1"]).ends(0);
    assert_eq!(sim.requests("QueryDevicesByFilter"), 2);
    let group = r#"{"resources": [{"name": "x", "group_type": "static"}]}"#;
    let call = ["POST", "/devices/entities/host-groups/v1", "-t", "falcon-1", "--body", group];
    let sim = Sim::serve(&SMALL, &rule("createHostGroups"));
    let once = api(&sim, &call).ends(1);
    assert!(once.err.contains("look whether it was done"), "{}", once.err);
    assert_eq!(sim.requests("createHostGroups"), 1);
    let sim = Sim::serve(&SMALL, &rule("createHostGroups"));
    api(&sim, &[&call[..], &["--repeatable"]].concat()).ends(0);
    assert_eq!(sim.requests("createHostGroups"), 2);
}

#[test]
fn a_request_goes_to_one_tenant_and_nowhere_else() {
    let sim = Sim::serve(&SMALL, "[]");
    for (words, says) in [
        (vec!["GET", HOSTS], "one tenant"),
        (vec!["GET", HOSTS, "--all-tenants"], "one tenant"),
        (vec!["GET", HOSTS, "-t", "falcon-1", "-t", "cortex-1"], "one tenant"),
        (vec!["POST", HOSTS, "--vendor", "falcon"], "exactly one -t"),
        (vec!["DELETE", HOSTS, "--all-tenants"], "exactly one -t"),
        (vec!["PATCH", HOSTS, "-t", "falcon-1", "-t", "cortex-1"], "exactly one -t"),
        (vec!["GET", "https://127.0.0.1/x", "-t", "falcon-1"], "no path of the API"),
        (vec!["GET", "//127.0.0.1/x", "-t", "falcon-1"], "no path of the API"),
        (vec!["GET", "/devices/../x", "-t", "falcon-1"], "no path of the API"),
        (vec!["GET", "/devices/%2e%2e/x", "-t", "falcon-1"], "no path of the API"),
        (vec!["FETCH", HOSTS, "-t", "falcon-1"], "no method"),
        (vec!["GET", HOSTS, "-t", "falcon-1", "--query", "limit"], "KEY=VALUE"),
        (vec!["GET", HOSTS, "-t", "falcon-1", "-o", "csv"], "-o json"),
        (vec!["GET", HOSTS, "-t", "falcon-1", "--columns", "x"], "-o json"),
        (vec!["GET", HOSTS, "-t", "falcon-1", "-i", "--paginate"], "cannot be used with"),
        (vec!["POST", HOSTS, "-t", "falcon-1", "--body", "{"], "no JSON"),
        (vec!["POST", HOSTS, "-t", "falcon-1", "--body", "@/nonexistent/x"], "cannot be read"),
    ] {
        let run = api(&sim, &words).ends(2);
        assert!(run.err.contains(says), "{words:?}: {}", run.err);
        assert_eq!(run.out, "", "{words:?}");
    }
    assert_eq!(
        sim.requests("oauth2AccessToken") + sim.requests("QueryDevicesByFilter"),
        0,
        "nothing was sent"
    );
}

#[test]
fn nothing_secret_is_logged() {
    let sim = Sim::serve(&SMALL, "[]");
    let body = r#"{"request_data": {"password": "canary-in-the-body"}}"#;
    let token = "token=canary-in-the-query";
    let falcon = api(&sim, &["GET", HOSTS, "-t", "falcon-1", "-i", "--debug", "--query", token]);
    let cortex =
        api(&sim, &["POST", "endpoints/get_endpoint", "-t", "cortex-1", "--debug", "-i", "--body", body]);
    let tenants = sim.ready["tenants"].as_array().unwrap();
    let keys = ["client_secret", "api_key"];
    let secrets: Vec<&str> =
        tenants.iter().flat_map(|t| keys.iter().filter_map(|k| t[*k].as_str())).collect();
    assert_eq!(secrets.len(), 2);
    for run in [falcon, cortex] {
        assert!(run.err.contains("debug: > "), "{}", run.err);
        for secret in secrets.iter().copied().chain(["canary"]) {
            assert!(
                !run.err.contains(secret) && !run.out.contains(secret),
                "{secret}: {}{}",
                run.out,
                run.err
            );
        }
        assert!(!run.err.contains("Bearer ey"), "{}", run.err);
    }
}

#[test]
fn a_child_can_be_asked_and_time_ends_it() {
    let stall = r#"[{"operation": "QueryDevicesByFilter", "tenant": "cortex-1", "always": true, "fault": "503"},
        {"operation": "v1/endpoints/get_endpoint", "always": true, "fault": {"kind": "stall-headers", "delay_ms": 60000}}]"#;
    let sim = Sim::serve(&["--children", "2", "--falcon-hosts", "4", "--cortex-hosts", "2"], stall);
    let child = sim.ready["tenants"].as_array().unwrap().iter().find_map(|t| {
        let name = t["name"].as_str().unwrap();
        name.contains('/').then(|| name.to_owned())
    });
    let child = child.unwrap();
    let config = sim.changed(|text| {
        let tables: Vec<&str> = text.split("\n[").filter(|t| !t.starts_with("tenants.\"falcon-1/")).collect();
        tables.join("\n[").replace("[tenants.falcon-1]\n", "[tenants.falcon-1]\nchildren = true\n")
    });
    let with = |words: &[&str]| {
        run(crate::support::command(&["api"])
            .env("XDG_STATE_HOME", sim.state())
            .arg("--config")
            .arg(&config)
            .args(words))
    };
    let answer = with(&["GET", HOSTS, "-t", &child]).ends(0);
    assert_eq!(json(&answer)["resources"].as_array().unwrap().len(), 4);
    let lists = sim.requests("queryChildren");
    let many = with(&["GET", HOSTS, "--vendor", "falcon"]).ends(2);
    assert!(many.err.contains("one tenant"), "{}", many.err);
    assert_eq!(sim.requests("queryChildren"), lists, "an answer for nobody costs no request");
    let late = with(&["POST", "endpoints/get_endpoint", "-t", "cortex-1", "--timeout", "1s"]).ends(3);
    assert!(late.err.contains("ran out"), "{}", late.err);
}
