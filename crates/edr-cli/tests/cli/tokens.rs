//! Tokens between runs: shared, kept private, given back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::support::{Sim, command, run, write_private};

const TOKEN: &str = "oauth2AccessToken";
const REVOKE: &str = "oauth2RevokeToken";
const FEW: [&str; 4] = ["--falcon-hosts", "3", "--cortex-hosts", "2"];

/// The token files, without locks.
fn kept(sim: &Sim) -> Vec<fs::DirEntry> {
    let entries = fs::read_dir(sim.state().join("edr/tokens")).into_iter().flatten();
    entries.map(Result::unwrap).filter(|e| e.path().extension().is_some_and(|e| e == "json")).collect()
}

#[test]
fn runs_at_the_same_time_and_one_after_the_other_mint_once() {
    let sim = Sim::serve(&FEW, "[]");
    let spawn = || sim.command(&["hosts", "list"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let runs: Vec<_> = (0..6).map(|_| spawn().unwrap()).collect();
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    sim.edr(&["alerts", "list"]).ends(0);
    sim.edr(&["tenants", "test"]).ends(0);
    assert_eq!(sim.requests(TOKEN), 1);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let kept = kept(&sim);
    assert_eq!((kept.len(), mode(&kept[0].path())), (1, 0o600));
    assert_eq!(mode(&sim.state().join("edr/tokens")), 0o700);
}

#[test]
fn a_wrong_secret_is_wrong_although_a_token_lives() {
    let sim = Sim::serve(&FEW, "[]");
    sim.edr(&["hosts", "list"]).ends(0);
    let wrong = sim.changed(|t| t.replace("client_secret = \"", "client_secret = \"x"));
    let mut test = command(&["-t", "falcon-1", "tenants", "test", "--config"]);
    run(test.arg(wrong).env("XDG_STATE_HOME", sim.state())).ends(4);
}

#[test]
fn a_file_that_is_damaged_or_open_is_replaced() {
    let sim = Sim::serve(&FEW, "[]");
    sim.edr(&["hosts", "list"]).ends(0);
    let path = kept(&sim)[0].path();
    let good = fs::read_to_string(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    sim.edr(&["hosts", "list"]).ends(0);
    assert_eq!(sim.requests(TOKEN), 2, "a file that others can read is not believed");
    write_private(&path, &good[..good.len() / 2]);
    sim.edr(&["hosts", "list"]).ends(0);
    assert_eq!((sim.requests(TOKEN), kept(&sim).len()), (3, 1));
    sim.edr(&["hosts", "list"]).ends(0);
    assert_eq!(sim.requests(TOKEN), 3);
}

#[test]
fn a_tenant_may_keep_its_token_to_itself() {
    let sim = Sim::serve(&FEW, "[]");
    let own = sim.changed(|t| t.replace("vendor = \"falcon\"", "vendor = \"falcon\"\nshare_token = false"));
    for _ in 0..2 {
        run(command(&["hosts", "list", "--config"]).arg(&own).env("XDG_STATE_HOME", sim.state())).ends(0);
    }
    assert_eq!((sim.requests(TOKEN), sim.state().exists()), (2, false));
}

#[test]
fn a_token_is_given_back_before_the_last_line() {
    let sim = Sim::serve(&FEW, "[]");
    let revoking = sim.changed(|t| t.replace("vendor = \"falcon\"", "vendor = \"falcon\"\nrevoke = true"));
    let edr = |words: &[&str]| {
        run(command(words).arg("--config").arg(&revoking).env("XDG_STATE_HOME", sim.state())).ends(0)
    };
    let listed = edr(&["hosts", "list"]);
    assert!(listed.last().starts_with("complete: "), "{}", listed.err);
    edr(&["hosts", "get", listed.out.lines().nth(1).unwrap().split('\t').nth(2).unwrap()]);
    edr(&["tenants", "test"]);
    edr(&["doctor"]);
    assert_eq!((sim.requests(TOKEN), sim.requests(REVOKE)), (4, 4));
    assert!(!sim.state().exists());
}

#[test]
fn a_revocation_that_fails_or_hangs_is_a_warning() {
    for fault in ["403-scope", "stall-headers"] {
        let rule = format!(r#"[{{"operation": "{REVOKE}", "always": true, "fault": "{fault}"}}]"#);
        let sim = Sim::serve(&FEW, &rule);
        let revoking =
            sim.changed(|t| t.replace("vendor = \"falcon\"", "vendor = \"falcon\"\nrevoke = true"));
        let begun = std::time::Duration::from_secs(20);
        let (sender, done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let words = ["hosts", "list", "-o", "jsonl", "--config"];
            let _ = sender.send(run(command(&words).arg(revoking)));
        });
        let run = done.recv_timeout(begun).unwrap().ends(0);
        let objects = run.objects();
        let warning = objects.iter().find(|o| o["code"] == "close");
        assert!(warning.is_some_and(|w| w["type"] == "warning"), "{fault}: {}", run.err);
        assert_eq!(objects.last().unwrap()["outcome"], "complete");
    }
}

/// The time is over and the token cannot be given back: what was found is printed, and the outcome told.
#[test]
fn a_revocation_that_hangs_when_the_time_is_over_loses_nothing() {
    let stalled = |operation: &str| {
        format!(
            r#"{{"operation": "{operation}", "always": true, "fault": {{"kind": "stall-headers", "delay_ms": 20000}}}}"#
        )
    };
    let sim = Sim::serve(&FEW, &format!("[{},{}]", stalled(REVOKE), stalled("v1/endpoints/get_endpoint")));
    let revoking = sim.changed(|t| t.replace("vendor = \"falcon\"", "vendor = \"falcon\"\nrevoke = true"));
    let commands: [(&[&str], usize); 3] =
        [(&["tenants", "test"], 2), (&["hosts", "list"], 3), (&["doctor"], 8)];
    for (words, least) in commands {
        let shown = ["-o", "jsonl", "--timeout", "2s", "--config"];
        let run = run(command(&[words, &shown].concat()).arg(&revoking)).ends(3);
        assert!(run.records().len() >= least, "{words:?}: {}", run.out);
        let objects = run.objects();
        assert!(objects.iter().any(|o| o["code"] == "close"), "{words:?}: {}", run.err);
        assert_eq!(objects.last().unwrap()["type"], "outcome", "{words:?}: {}", run.err);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_a_warning() {
    let sim = Sim::serve(&FEW, "[]");
    let file = sim.folder.path().join("file");
    fs::write(&file, "").unwrap();
    let run = run(sim.command(&["hosts", "list", "-o", "jsonl"]).env("XDG_STATE_HOME", &file)).ends(0);
    let warnings: Vec<_> = run.objects().into_iter().filter(|o| o["code"] == "token_store").collect();
    assert_eq!(warnings.len(), 1, "{}", run.err);
}

#[test]
fn the_demo_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    run(command(&["hosts", "list", "--demo"]).env("XDG_STATE_HOME", &state)).ends(0);
    assert!(!state.exists());
}
