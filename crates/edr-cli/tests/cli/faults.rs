//! What goes wrong, and what is said about it.

use std::process::Stdio;

use serde_json::Value;

use crate::support::{Sim, command, identities, run};

/// The configuration with wrong secrets for these keys.
fn wrong(text: &str, keys: &[&str]) -> String {
    keys.iter()
        .fold(text.to_owned(), |text, key| text.replace(&format!("\n{key} = \""), &format!("\n{key} = \"x")))
}

#[test]
fn the_timeout_is_for_everything() {
    let sim = Sim::serve(&["--falcon-hosts", "5", "--cortex-hosts", "5"], "[]");
    let hanging = sim.changed(|text| {
        let line = text.lines().find(|l| l.starts_with("client_secret")).unwrap();
        text.replace(line, "client_secret = { command = ['sleep', '600'] }")
    });
    let started = tokio::time::Instant::now();
    let mut list = command(&["hosts", "list", "--timeout", "2s", "-o", "json", "--config"]);
    let stuck = run(list.arg(&hanging)).ends(3);
    assert!(started.elapsed().as_secs() < 6, "{:?}", started.elapsed());
    let objects = stuck.objects();
    let records: Vec<Value> = serde_json::from_str(&stuck.out).unwrap();
    assert_eq!(records.len(), 5, "the other tenant has its time: {}", stuck.err);
    let error = objects.iter().find(|o| o["tenant"] == "falcon-1" && o["type"] == "error").unwrap();
    assert_eq!(error["code"], "timeout", "{error}");
    assert!(error["message"].as_str().unwrap().contains("client_secret: sleep gave no answer"), "{error}");
    // A standard input that never ends, which nothing else watches.
    let mut waiting = sim.command(&["hosts", "list", "--from", "-", "--timeout", "1s"]);
    let mut child =
        waiting.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let input = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(input);
    assert_eq!(output.status.code(), Some(3));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("the 1s for the whole command ran out"), "{err}");
}

#[test]
fn wrong_secrets_are_4_and_one_of_two_is_3() {
    let sim = Sim::serve(&["--falcon-hosts", "30", "--cortex-hosts", "20"], "[]");
    let both = sim.changed(|t| wrong(t, &["client_secret", "api_key"]));
    let all = run(command(&["hosts", "list", "-o", "jsonl", "--config"]).arg(&both)).ends(4);
    assert_eq!(all.out, "");
    let objects = all.objects();
    assert_eq!(objects.iter().filter(|o| o["code"] == "authentication").count(), 2, "{}", all.err);
    assert_eq!(objects.last().unwrap()["outcome"], "failed");
    let prose = run(command(&["hosts", "list", "--config"]).arg(&both)).ends(4);
    assert!(prose.last().starts_with("failed: cortex-1 failed (authentication); falcon-1"), "{}", prose.err);
    assert!(prose.err.contains("; next: "), "{}", prose.err);
    run(command(&["tenants", "test", "--config"]).arg(&both)).ends(4);
    let one = sim.changed(|t| wrong(t, &["client_secret"]));
    let some = run(command(&["hosts", "list", "-o", "jsonl", "--config"]).arg(&one)).ends(3);
    assert_eq!(identities(&some.records()).len(), 20);
    assert_eq!(some.objects().last().unwrap()["outcome"], "partial");
    let prose = run(command(&["hosts", "list", "--config"]).arg(&one)).ends(3);
    assert_eq!(prose.last(), "partial: falcon-1 failed (authentication); cortex-1 complete, 20 hosts");
    let test = run(command(&["tenants", "test", "-o", "json", "--config"]).arg(&one)).ends(3);
    let rows: Vec<Value> = serde_json::from_str(&test.out).unwrap();
    assert!(rows.iter().any(|r| r["result"] == "failed" && r["hint"].is_string()), "{}", test.out);
}

#[test]
fn no_error_holds_a_secret() {
    let sim = Sim::serve(&["--falcon-hosts", "3", "--cortex-hosts", "2"], "[]");
    let both = sim.changed(|t| wrong(t, &["client_secret", "api_key"]));
    let text = std::fs::read_to_string(&both).unwrap();
    let secrets: Vec<&str> = text
        .lines()
        .filter(|l| l.starts_with("client_secret") || l.starts_with("api_key ="))
        .filter_map(|l| l.split('"').nth(1))
        .collect();
    assert_eq!(secrets.len(), 2, "{text}");
    for words in [["hosts", "list"], ["alerts", "list"], ["tenants", "test"]] {
        let run = run(command(&[words[0], words[1], "-vv", "--config"]).arg(&both)).ends(4);
        assert!(secrets.iter().all(|s| !run.out.contains(s) && !run.err.contains(s)), "{}", run.err);
    }
}

#[test]
fn a_missing_role_is_4() {
    let rule = r#"[{"operation": "*", "tenant": "cortex-1", "always": true, "fault": "403-scope"}]"#;
    let sim = Sim::serve(&["--falcon-hosts", "30", "--cortex-hosts", "20"], rule);
    let run = sim.edr(&["-t", "cortex-1", "hosts", "list", "-o", "json"]).ends(4);
    assert_eq!(run.out, "[]\n");
    assert!(
        run.objects().iter().any(|o| o["code"] == "permission" && o["tenant"] == "cortex-1"),
        "{}",
        run.err
    );
    sim.edr(&["hosts", "list"]).ends(3);
    let get = sim.edr(&["hosts", "get", "nobody"]).ends(3);
    assert!(get.err.contains("in the tenants that answered"), "{}", get.err);
}

#[test]
fn an_item_that_cannot_be_read_is_told() {
    let rule = r#"[{"operation": "v1/endpoints/get_endpoint", "nth": 1, "fault": "bad-item"}]"#;
    let sim = Sim::serve(&["--falcon-hosts", "30", "--cortex-hosts", "20"], rule);
    let run = sim.edr(&["hosts", "list", "-o", "jsonl"]).ends(3);
    assert_eq!(identities(&run.records()).len(), 49);
    let objects = run.objects();
    assert!(objects.iter().any(|o| o["type"] == "warning" && o["code"] == "rejected"), "{}", run.err);
    let outcome = objects.last().unwrap();
    assert_eq!((&outcome["outcome"], &outcome["items"]), (&Value::from("partial"), &Value::from(49)));
}

#[test]
fn a_deadline_keeps_what_came_and_is_3() {
    let slow = r#"[{"operation": "v1/endpoints/get_endpoint", "nth": [4,5,6,7,8,9], "fault": {"kind": "stall-headers", "delay_ms": 20000}}]"#;
    let sim = Sim::serve(&["--falcon-hosts", "10", "--cortex-hosts", "1000"], slow);
    let run = sim.edr(&["hosts", "list", "-o", "json", "--timeout", "3s"]).ends(3);
    let records: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    let count = identities(&records).len();
    assert!((10..1010).contains(&count), "{count}");
    assert_eq!(run.objects().last().unwrap()["outcome"], "partial");
    assert!(run.err.contains("--timeout"), "{}", run.err);
}

#[test]
fn an_address_that_nobody_answers_is_1() {
    let sim = Sim::serve(&["--cortex-tenants", "0"], "[]");
    let dead = sim.changed(|t| {
        let lines = t
            .lines()
            .map(|l| if l.starts_with("base_url") { "base_url = \"http://127.0.0.1:9\"" } else { l });
        lines.collect::<Vec<_>>().join("\n")
    });
    let run = run(command(&["hosts", "list", "--timeout", "60s", "--config"]).arg(&dead)).ends(1);
    assert!(run.last().starts_with("failed: falcon-1 failed ("), "{}", run.err);
}

#[test]
fn a_limit_hides_no_record_that_was_left_out() {
    let bad = r#"[{"operation": "v1/endpoints/get_endpoint", "always": true, "fault": "bad-item"},
        {"operation": "PostCombinedAlertsV1", "always": true, "fault": "bad-item"}]"#;
    let sim = Sim::serve(&["--falcon-hosts", "50", "--cortex-hosts", "50", "--alerts", "50"], bad);
    for words in [["hosts", "cortex-1"], ["alerts", "falcon-1"]] {
        let list = [words[0], "list", "-t", words[1], "--limit", "5", "-o", "jsonl", "-q"];
        let cut = sim.edr(&list).ends(3);
        assert_eq!(cut.records().len(), 5, "{}", cut.err);
        let outcome = cut.objects().pop().unwrap();
        assert_eq!(outcome["outcome"], "partial", "{outcome}");
        assert!(
            outcome["tenants"][0]["reason"].as_str().unwrap().contains("could not be decoded"),
            "{outcome}"
        );
    }
}

#[test]
fn a_limit_hides_no_state_that_was_not_told() {
    let refused = r#"[{"operation": "GetOnlineState.V1", "always": true, "fault": "403-scope"}]"#;
    let sim = Sim::serve(&["--falcon-hosts", "50", "--cortex-tenants", "0"], refused);
    for more in [&["--limit", "3"][..], &["--limit", "20", "--online"], &["--online"]] {
        let words: Vec<&str> = ["hosts", "list", "-o", "csv"].iter().chain(more).copied().collect();
        let list = sim.edr(&words).ends(0);
        assert!(list.err.contains("connection state"), "{more:?}: {}", list.err);
    }
}
