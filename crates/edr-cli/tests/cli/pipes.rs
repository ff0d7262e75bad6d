//! Readers that go away, and users who have had enough.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Sim, command, edr, identities};

fn piped(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let sim = Sim::serve(&["--falcon-hosts", "3000", "--cortex-hosts", "500"], "[]");
    for format in ["jsonl", "json", "csv", "yaml", "table"] {
        let mut child = piped(&mut sim.command(&["hosts", "list", "-o", format]));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}: {err}");
        assert!(!err.contains("error") && !err.contains("panicked"), "{format}: {err}");
    }
    let mut child = piped(&mut command(&["completions", "zsh"]));
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// What a command has found is not undone by a reader that does not want to see it.
#[test]
fn a_closed_pipe_hides_no_failure() {
    let sim = Sim::serve(&["--falcon-hosts", "30", "--cortex-hosts", "20"], "[]");
    let broken = sim.changed(|text| text.replace("\nclient_secret = \"", "\nclient_secret = \"x"));
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    for words in [
        &["export", "hosts", "--format", "native", "--to", to][..],
        &["tenants", "test"],
        &["hosts", "get", "no-such-host"],
        &["hosts", "list", "--merge"],
        &["alerts", "list", "--group"],
        &["report", "coverage"],
        &["doctor"],
    ] {
        let mut child = piped(command(words).args(["-o", "jsonl", "--config"]).arg(&broken));
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{words:?}: {err}");
        let last: Value = serde_json::from_str(err.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["type"], &last["outcome"]),
            (&"outcome".into(), &"partial".into()),
            "{words:?}: {err}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path().join("manifest")).unwrap().count(), 1);
}

/// Starts a slow listing, waits for its first records, and interrupts it.
fn interrupted(signal: &str) -> (i32, String, String) {
    let slow = r#"[{"operation": "v1/endpoints/get_endpoint", "nth": [6,7,8,9], "fault": {"kind": "stall-headers", "delay_ms": 20000}}]"#;
    let sim = Sim::serve(&["--falcon-tenants", "0", "--cortex-hosts", "2000"], slow);
    let mut child = piped(&mut sim.command(&["hosts", "list", "-o", "json"]));
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut out = String::new();
    reader.read_line(&mut out).unwrap();
    reader.read_line(&mut out).unwrap();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    reader.read_to_string(&mut out).unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code().unwrap_or(-1), out, err)
}

#[test]
fn an_interrupted_listing_is_130_and_whole() {
    for signal in ["-INT", "-TERM"] {
        let (code, out, err) = interrupted(signal);
        assert_eq!(code, 130, "{signal}: {err}");
        let records: Vec<Value> = serde_json::from_str(&out).unwrap();
        assert!(!identities(&records).is_empty());
        let outcome: Value = serde_json::from_str(err.lines().last().unwrap()).unwrap();
        assert_eq!(outcome["outcome"], "partial", "{err}");
        assert_eq!(outcome["interrupted"], true, "{err}");
        assert!(outcome["message"].as_str().unwrap().contains("interrupted after"), "{err}");
    }
}

/// How many requests the simulator has seen.
fn seen(sim: &Sim) -> u64 {
    let control = sim.ready["control"].as_str().unwrap().trim_start_matches("http://");
    let mut stream = TcpStream::connect(control).unwrap();
    stream.write_all(b"GET /sim/requests HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let report: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {text}"));
    report["total"].as_u64().unwrap()
}

#[test]
fn after_an_interruption_the_file_is_whole_and_no_request_follows() {
    let slow = r#"[{"operation": "v1/endpoints/get_endpoint", "always": true, "fault": {"kind": "stall-headers", "delay_ms": 100}}]"#;
    let sim = Sim::serve(&["--falcon-tenants", "0", "--cortex-hosts", "5000"], slow);
    for signal in ["-INT", "-TERM"] {
        let path = sim.folder.path().join("hosts.json");
        let file = std::fs::File::create(&path).unwrap();
        let mut list = sim.command(&["hosts", "list", "-o", "json"]);
        let mut child = list.stdout(file).stderr(Stdio::piped()).spawn().unwrap();
        let before = seen(&sim);
        while seen(&sim) < before + 4 {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        let after = seen(&sim);
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(seen(&sim), after, "{signal}: requests went on");
        let text = std::fs::read_to_string(&path).unwrap();
        let records: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert!(!records.is_empty() && records.len() < 5000, "{signal}: {}", records.len());
    }
}

#[test]
fn an_interrupted_test_has_an_outcome() {
    let slow =
        r#"[{"operation": "*", "always": true, "fault": {"kind": "stall-headers", "delay_ms": 20000}}]"#;
    let sim = Sim::serve(&["--falcon-tenants", "0"], slow);
    let child = piped(&mut sim.command(&["tenants", "test"]));
    std::thread::sleep(Duration::from_millis(700));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(err.lines().last().unwrap().starts_with("partial: interrupted after 0 tests passed"), "{err}");
}

#[test]
fn the_simulator_stops_on_a_signal() {
    let mut child = piped(&mut command(&["sim", "serve"]));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(serde_json::from_str::<Value>(&line).unwrap()["control"].is_string());
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let _ = edr(&["--version"]).ends(0);
}
