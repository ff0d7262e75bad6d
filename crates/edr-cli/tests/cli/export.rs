//! Exports: as many rows as the listing has, whole files alone, and nothing twice however it was cut off.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Run, Sim, command, edr, run};

/// The files that are in their place, by their path below the folder.
fn placed(folder: &Path) -> BTreeSet<String> {
    let (mut found, mut left) = (BTreeSet::new(), vec![folder.join("ext")]);
    while let Some(path) = left.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => left.extend(entries.map(|e| e.unwrap().path())),
            Err(_) if path.is_file() => {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
            Err(_) => {}
        }
    }
    found
}

/// The manifests of a folder.
fn manifests(folder: &Path) -> Vec<Value> {
    let Ok(entries) = fs::read_dir(folder.join("manifest")) else { return Vec::new() };
    entries.map(|e| serde_json::from_slice(&fs::read(e.unwrap().path()).unwrap()).unwrap()).collect()
}

/// The rows of every file in its place; each file must be whole.
fn rows(folder: &Path) -> Vec<Value> {
    let read = |path: &String| fs::read_to_string(folder.join(path)).unwrap();
    let texts: Vec<String> = placed(folder).iter().map(read).collect();
    assert!(texts.iter().all(|text| text.ends_with('\n')), "a file is not whole");
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn export(words: &[&str], to: &Path) -> Run {
    let mut export = command(&["export"]);
    run(export.args(words).arg("--to").arg(to))
}

#[test]
fn a_listing_has_events_of_both_standards() {
    for (noun, class) in [("hosts", 5001), ("alerts", 2004)] {
        let plain = edr(&[noun, "list", "--demo", "-o", "jsonl"]).ends(0).records();
        let events = edr(&[noun, "list", "--demo", "-o", "ocsf"]).ends(0);
        assert_eq!(events.objects().pop().unwrap()["outcome"], "complete");
        let events = events.records();
        assert_eq!(events.len(), plain.len());
        assert!(events.iter().all(|e| e["class_uid"] == class && e["metadata"]["version"] == "1.8.0"));
        let tenants = |all: &[Value], at: &str| -> BTreeSet<String> {
            all.iter().map(|r| r.pointer(at).unwrap().as_str().unwrap().to_owned()).collect()
        };
        let names = BTreeSet::from(["cortex-1".to_owned(), "falcon-1".to_owned()]);
        assert_eq!(tenants(&events, "/unmapped/edr/tenant"), names);
        let documents = edr(&[noun, "list", "--demo", "-o", "ecs", "--limit", "20"]).ends(0).records();
        assert_eq!(documents.len(), 20);
        assert_eq!(tenants(&documents, "/organization/name"), names);
        assert!(documents.iter().all(|d| d["ecs"]["version"] == "9.0.0" && d["event"]["original"].is_null()));
    }
    let raw = edr(&["hosts", "list", "--demo", "-o", "ocsf", "--raw", "--limit", "4"]).ends(0).records();
    assert!(raw.iter().all(|e| serde_json::from_str::<Value>(e["raw_data"].as_str().unwrap()).is_ok()));
}

#[test]
fn a_listing_without_a_form_says_which_there_are() {
    for words in [vec!["tenants", "list"], vec!["hosts", "list", "--merge"], vec!["report", "coverage"]] {
        let run = edr(&[&words[..], &["--demo", "-o", "ecs"]].concat()).ends(2);
        let error = run.objects().pop().unwrap();
        let says = |key: &str| error[key].as_str().unwrap().to_owned();
        assert!(says("message").contains("have no form in ecs"), "{error}");
        assert!(says("hint").contains("jsonl"), "{error}");
    }
}

#[test]
fn every_format_has_every_row_and_a_manifest_that_adds_up() {
    for noun in ["hosts", "alerts"] {
        let count = edr(&[noun, "list", "--demo", "-o", "jsonl"]).ends(0).records().len() as u64;
        for format in ["ocsf", "ecs", "native"] {
            let folder = tempfile::tempdir().unwrap();
            let run = export(&[noun, "--demo", "--format", format, "-o", "jsonl"], folder.path()).ends(0);
            let parts = run.records();
            assert_eq!(parts.len(), 2, "{}", run.out);
            assert_eq!(parts.iter().map(|p| p["records"].as_u64().unwrap()).sum::<u64>(), count);
            assert_eq!(rows(folder.path()).len() as u64, count);
            let manifest = manifests(folder.path()).pop().unwrap();
            assert_eq!((&manifest["outcome"], &manifest["records"]), (&"complete".into(), &count.into()));
            check_files(folder.path(), &manifest);
        }
    }
}

/// Every file is where and what the manifest says.
fn check_files(folder: &Path, manifest: &Value) {
    let files = manifest["files"].as_array().unwrap();
    let paths: BTreeSet<String> = files.iter().map(|f| f["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(paths, placed(folder));
    for file in files {
        let path = file["path"].as_str().unwrap();
        let (tenant, day) = (file["tenant"].as_str().unwrap(), file["day"].as_str().unwrap());
        assert!(
            path.contains(&format!("/region=local/accountId=external_{tenant}/eventDay={day}/")),
            "{path}"
        );
        let text = fs::read_to_string(folder.join(path)).unwrap();
        assert_eq!(file["bytes"].as_u64().unwrap(), text.len() as u64);
        assert_eq!(file["records"].as_u64().unwrap(), text.lines().count() as u64);
        assert!(file["first"].as_str().unwrap() <= file["last"].as_str().unwrap());
        let sum = std::process::Command::new("sha256sum").arg(folder.join(path)).output().unwrap();
        let sum = String::from_utf8(sum.stdout).unwrap();
        assert!(sum.starts_with(file["sha256"].as_str().unwrap()), "{path}: {sum}");
    }
}

#[test]
fn the_same_command_again_replaces_and_another_one_adds() {
    let folder = tempfile::tempdir().unwrap();
    let all = ["alerts", "--demo", "--format", "native"];
    export(&all, folder.path()).ends(0);
    let count = rows(folder.path()).len();
    export(&all, folder.path()).ends(0);
    assert_eq!(rows(folder.path()).len(), count);
    let high = [&all[..], &["--severity", "high+"]].concat();
    export(&high, folder.path()).ends(0);
    assert!(rows(folder.path()).len() > count);
    assert_eq!(manifests(folder.path()).len(), 2);
}

#[test]
fn rows_that_were_asked_for_more_are_a_batch_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = ["hosts", "--demo", "--format", "native"];
    export(&hosts, folder.path()).ends(0);
    export(&[&hosts[..], &["--online"]].concat(), folder.path()).ends(0);
    let queries: BTreeSet<String> =
        manifests(folder.path()).iter().map(|m| m["request"]["query"].to_string()).collect();
    let expected = ["[\"with connection_state\"]", "[]"].map(str::to_owned);
    assert_eq!(queries, BTreeSet::from(expected));
}

#[test]
fn a_demo_is_not_mixed_with_what_is_real() {
    let sim = Sim::serve(&["--falcon-hosts", "3", "--cortex-hosts", "2"], "[]");
    let folder = tempfile::tempdir().unwrap();
    let words = ["hosts", "--format", "native"];
    export(&[&words[..], &["--demo"]].concat(), folder.path()).ends(0);
    let before = placed(folder.path());
    let mut real = sim.command(&["export"]);
    let refused = run(real.args(words).arg("--to").arg(folder.path())).ends(1);
    assert!(refused.err.contains("has exports of a demo"), "{}", refused.err);
    assert_eq!(placed(folder.path()), before);
}

#[test]
fn what_is_missing_is_told_and_does_not_replace_what_was_whole() {
    let sim = Sim::serve(&["--falcon-hosts", "30", "--cortex-hosts", "20"], "[]");
    let folder = tempfile::tempdir().unwrap();
    let words = ["export", "hosts", "--format", "ocsf", "-o", "jsonl", "--to"];
    run(sim.command(&words).arg(folder.path())).ends(0);
    let broken = sim.changed(|text| text.replace("\nclient_secret = \"", "\nclient_secret = \"x"));
    let short = |to: &Path| run(command(&words).arg(to).arg("--config").arg(&broken)).ends(3);
    let again = short(folder.path());
    let parts = again.records();
    let part = |name: &str| parts.iter().find(|p| p["tenant"] == name).unwrap();
    assert_eq!((&part("falcon-1")["outcome"], &part("falcon-1")["kept"]), (&"failed".into(), &true.into()));
    assert_eq!(
        (part("falcon-1")["records"].as_u64(), part("cortex-1")["records"].as_u64()),
        (Some(30), Some(20))
    );
    assert_eq!(rows(folder.path()).len(), 50);
    let fresh = tempfile::tempdir().unwrap();
    short(fresh.path());
    let manifest = manifests(fresh.path()).pop().unwrap();
    assert_eq!((&manifest["outcome"], &manifest["records"]), (&"partial".into(), &20.into()));
    let failed = &manifest["tenants"][1];
    assert_eq!((&failed["tenant"], &failed["reason"]), (&"falcon-1".into(), &"authentication".into()));
}

#[test]
fn a_folder_takes_one_export_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let sim = Sim::serve(&["--falcon-hosts", "10", "--cortex-hosts", "0", "--latency", "3s"], "[]");
    let words = ["export", "hosts", "--format", "native", "--to"];
    let mut slow = sim.command(&words);
    let slow = slow.arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !folder.path().join(".edr-export/lock").exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(50));
    let second = export(&["hosts", "--demo", "--format", "native"], folder.path()).ends(1);
    assert!(second.err.contains("another export is writing"), "{}", second.err);
    // Whoever stops the first one has nothing, and nothing is left.
    let stop = std::process::Command::new("kill").args(["-INT", &slow.id().to_string()]).status().unwrap();
    assert!(stop.success());
    let stopped = slow.wait_with_output().unwrap();
    let said = String::from_utf8(stopped.stderr).unwrap();
    assert_eq!(stopped.status.code(), Some(130), "{said}");
    assert!(said.contains("nothing was written"), "{said}");
    assert_eq!(fs::read_dir(folder.path().join(".edr-export")).unwrap().count(), 1);
    export(&["hosts", "--demo", "--format", "native"], folder.path()).ends(0);
}

const ALERTS: usize = 600;

/// Starts an export and kills it; true when that came before its end.
fn kill(sim: &Sim, folder: &Path, after: Duration) -> bool {
    let mut export = sim.command(&["export", "alerts", "--format", "ocsf", "--to"]);
    let mut child = export.arg(folder).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Half of the kills come while files are written and put into their place.
    let hidden = folder.join(".edr-export");
    if after.as_micros().is_multiple_of(2) {
        let staged = || fs::read_dir(&hidden).into_iter().flatten().flatten().map(|e| e.path().join("files"));
        let begun =
            || staged().any(|files: PathBuf| fs::read_dir(files).is_ok_and(|mut e| e.next().is_some()));
        while child.try_wait().unwrap().is_none() && !begun() {
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(after / 16);
    } else {
        std::thread::sleep(after);
    }
    let ended = child.try_wait().unwrap().is_some();
    child.kill().unwrap();
    child.wait().unwrap();
    !ended
}

#[test]
fn an_export_that_is_killed_anywhere_is_finished_by_a_rerun() {
    let alerts = ALERTS.to_string();
    let sim = Sim::serve(&["--falcon-hosts", "50", "--cortex-hosts", "50", "--alerts", &alerts], "[]");
    let points = std::env::var("EDR_KILL_POINTS").ok().map_or(6, |n| n.parse().unwrap());
    let mut hits = 0;
    for at in 0..points {
        let folder = tempfile::tempdir().unwrap();
        let micros = RandomState::new().hash_one(at) % 800_000;
        hits += usize::from(kill(&sim, folder.path(), Duration::from_micros(micros)));
        // Whatever is in its place is whole.
        let before = rows(folder.path()).len();
        assert!(before <= 2 * ALERTS);
        let words = ["export", "alerts", "--format", "ocsf", "--to"];
        run(sim.command(&words).arg(folder.path())).ends(0);
        let all = rows(folder.path());
        let ids: HashSet<&str> = all.iter().map(|r| r["metadata"]["uid"].as_str().unwrap()).collect();
        assert_eq!((all.len(), ids.len()), (2 * ALERTS, 2 * ALERTS), "killed after {micros} µs");
        check_files(folder.path(), &manifests(folder.path()).pop().unwrap());
        let left = fs::read_dir(folder.path().join(".edr-export")).unwrap();
        let left: BTreeMap<String, bool> = left
            .map(|e| e.unwrap())
            .map(|e| (e.file_name().to_str().unwrap().to_owned(), e.path().is_dir()))
            .collect();
        assert_eq!(left, BTreeMap::from([("lock".to_owned(), false)]));
    }
    println!("{hits} of {points} exports were killed on their way");
    assert!(hits * 3 >= points, "too few of the kills hit an export: {hits} of {points}");
}
