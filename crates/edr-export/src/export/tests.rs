use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use chrono::TimeDelta;
use edr_core::Alert;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::disk::cut;
use crate::{FileFormat, Format, Noun, Projection};

mod folder;
mod keeping;

fn noon() -> DateTime<Utc> {
    "2026-01-08T12:00:00Z".parse().unwrap()
}

fn request() -> Request {
    Request::new(Noun::Alerts, Format::Native, FileFormat::Jsonl, noon())
}

/// Rows of a tenant, `every` seconds apart, the newest first.
fn fill(export: &mut Export, tenant: &str, count: usize, every: i64) {
    let projection = Projection::new(Format::Native, noon());
    for at in 0..count {
        let mut alert = Alert::new("falcon", tenant, &format!("a{at}"), "{\"secret\":1}");
        alert.time = Some(noon() - TimeDelta::seconds(every * at as i64));
        export.push(projection.alert(alert).unwrap()).unwrap();
    }
}

fn run(folder: &Path, counts: &[(&str, usize)], ended: Vec<Ending>) -> Manifest {
    attempt(folder, counts, ended).unwrap()
}

fn attempt(folder: &Path, counts: &[(&str, usize)], ended: Vec<Ending>) -> Result<Manifest> {
    let mut export = Export::begin(folder, request(), noon())?;
    counts.iter().for_each(|(tenant, count)| fill(&mut export, tenant, *count, 3600));
    export.finish(ended, noon(), &|| true)
}

fn whole(tenants: &[&str]) -> Vec<Ending> {
    tenants.iter().map(|tenant| Ending::complete(*tenant, "falcon")).collect()
}

/// Every file that is in its place, by its path below the folder.
fn placed(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left: Vec<PathBuf> = vec![folder.join("ext")];
    while let Some(path) = left.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => left.extend(entries.map(|e| e.unwrap().path())),
            Err(_) if path.is_file() => {
                found.insert(path.strip_prefix(folder).unwrap().to_string_lossy().into_owned());
            }
            Err(_) => {}
        }
    }
    found
}

fn named(manifest: &Manifest) -> BTreeSet<String> {
    manifest.files.iter().map(|file| file.path.clone()).collect()
}

fn hidden(folder: &Path) -> usize {
    fs::read_dir(folder.join(".edr-export")).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count()
}

#[test]
fn rows_are_sorted_within_tenant_and_day() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = run(folder.path(), &[("acme", 30), ("globex", 3)], whole(&["acme", "globex"]));
    assert_eq!((manifest.records, manifest.outcome), (33, Outcome::Complete));
    assert_eq!(placed(folder.path()), named(&manifest));
    let days: Vec<(&str, &str, u64)> =
        manifest.files.iter().map(|f| (f.tenant.as_str(), f.day.as_str(), f.records)).collect();
    assert_eq!(days, [("acme", "20260107", 17), ("acme", "20260108", 13), ("globex", "20260108", 3)]);
    for file in &manifest.files {
        let text = fs::read_to_string(folder.path().join(&file.path)).unwrap();
        assert!(!text.contains("secret"), "the vendor's own JSON was not asked for");
        let times: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["time"].as_str().unwrap().to_owned())
            .collect();
        assert!(times.is_sorted());
        assert_eq!((times.len() as u64, text.len() as u64), (file.records, file.bytes));
    }
    assert_eq!(hidden(folder.path()), 0);
}

#[test]
fn the_same_request_again_replaces_itself() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[("acme", 100)], whole(&["acme"]));
    let manifest = run(folder.path(), &[("acme", 30)], whole(&["acme"]));
    assert_eq!(placed(folder.path()), named(&manifest));
    assert_eq!(manifest.records, 30);
    let mut other = request();
    other.query.push("severity >= high".to_owned());
    let mut export = Export::begin(folder.path(), other, noon()).unwrap();
    fill(&mut export, "acme", 5, 1);
    let second = export.finish(whole(&["acme"]), noon(), &|| true).unwrap();
    let both = named(&manifest).union(&named(&second)).cloned().collect();
    assert_eq!(placed(folder.path()), both, "another request is another batch");
}

#[test]
fn a_tenant_that_is_not_read_to_its_end_keeps_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[("acme", 10), ("globex", 10)], whole(&["acme", "globex"]));
    let short = Ending::short("globex", "falcon", Outcome::Partial, "the vendor went away");
    let ended = vec![Ending::complete("acme", "falcon"), short];
    let manifest = run(folder.path(), &[("acme", 12), ("globex", 2)], ended.clone());
    let part = |name: &str| manifest.tenant(name).unwrap();
    assert_eq!((part("acme").records, part("acme").kept), (12, None));
    assert_eq!((part("globex").records, part("globex").kept), (10, Some(noon())));
    assert_eq!((part("globex").outcome, manifest.outcome), (Outcome::Partial, Outcome::Partial));
    assert_eq!(placed(folder.path()), named(&manifest));
    let again = run(folder.path(), &[("acme", 12), ("globex", 3)], ended);
    assert_eq!(again.tenant("globex").unwrap().records, 10, "what is kept is kept on");
    let fresh = tempfile::tempdir().unwrap();
    let ended = vec![Ending::short("globex", "falcon", Outcome::Partial, "the vendor went away")];
    let manifest = run(fresh.path(), &[("globex", 2)], ended);
    assert_eq!((manifest.records, manifest.tenants[0].kept), (2, None), "something is better than nothing");
}

#[test]
fn a_run_that_is_dropped_or_stopped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut export = Export::begin(folder.path(), request(), noon()).unwrap();
    fill(&mut export, "acme", 10, 1);
    drop(export);
    let mut export = Export::begin(folder.path(), request(), noon()).unwrap();
    fill(&mut export, "acme", 10, 1);
    assert!(export.finish(whole(&["acme"]), noon(), &|| false).unwrap_err().is_stopped());
    assert!(placed(folder.path()).is_empty());
    assert_eq!((hidden(folder.path()), folder.path().join("manifest").exists()), (0, false));
}

#[test]
fn what_was_not_written_is_cleared_away() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join(".edr-export/alerts-native-dead/files");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("000000.jsonl"), "{\"half").unwrap();
    let export = Export::begin(folder.path(), request(), noon()).unwrap();
    assert_eq!(export.recovered().discarded, ["alerts-native-dead"]);
    assert!(!left.exists());
}

/// A run that was killed after each of its renames: the next one completes it.
#[test]
fn what_was_decided_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let source = tempfile::tempdir().unwrap();
    let manifest = run(source.path(), &[("acme", 60)], whole(&["acme"]));
    assert!(manifest.files.len() > 2);
    for done in 0..=manifest.files.len() {
        let stage = folder.path().join(".edr-export").join(&manifest.batch);
        fs::create_dir_all(stage.join("files")).unwrap();
        let mut moves = Vec::new();
        for (at, file) in manifest.files.iter().enumerate() {
            let staged = format!("files/{at:06}.jsonl");
            let to = if at < done { folder.path().join(&file.path) } else { stage.join(&staged) };
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(source.path().join(&file.path), to).unwrap();
            moves.push((staged, file.path.clone()));
        }
        let commit = Commit { moves, removes: Vec::new(), manifest: manifest.clone() };
        fs::write(stage.join("commit.json"), serde_json::to_vec(&commit).unwrap()).unwrap();
        let export = Export::begin(folder.path(), request(), noon()).unwrap();
        assert_eq!(export.recovered().completed, std::slice::from_ref(&manifest.batch), "{done}");
        drop(export);
        assert_eq!(placed(folder.path()), named(&manifest), "{done}");
        assert!(folder.path().join(manifest.path()).is_file());
        for made in ["ext", "manifest"] {
            fs::remove_dir_all(folder.path().join(made)).unwrap();
        }
    }
}

/// Leaves a run of 60 rows that was cut off once it was decided, and what its manifest says.
fn decided_and_cut_off(folder: &Path) -> (PathBuf, Manifest) {
    let stage = folder.join(".edr-export").join(request().batch());
    cut::after(0);
    while !stage.join("commit.json").is_file() {
        let steps = cut::never().len() + 1;
        let _ = fs::remove_dir_all(&stage);
        cut::after(steps);
        attempt(folder, &[("acme", 60)], whole(&["acme"])).unwrap_err();
    }
    cut::never();
    let commit: Commit = serde_json::from_slice(&fs::read(stage.join("commit.json")).unwrap()).unwrap();
    (stage, commit.manifest)
}

/// A power failure may lose a file that was not yet on disk: that is not the same as one that was moved before.
#[test]
fn what_was_decided_and_is_lost_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, manifest) = decided_and_cut_off(folder.path());
    let staged = stage.join("files/000001.jsonl");
    let text = fs::read(&staged).unwrap();
    fs::remove_file(&staged).unwrap();
    let begin = || Export::begin(folder.path(), request(), noon());
    let error = begin().unwrap_err().to_string();
    assert!(error.contains("is lost") && error.contains(stage.to_str().unwrap()), "{error}");
    let place = folder.path().join(&manifest.files[1].path);
    fs::write(&place, &text[1..]).unwrap();
    assert!(begin().unwrap_err().to_string().contains("is lost"), "half of it is there");
    assert!(!folder.path().join(manifest.path()).exists(), "nothing claims that it is there");
    fs::write(&place, &text).unwrap();
    assert_eq!(begin().unwrap().recovered().completed, std::slice::from_ref(&manifest.batch));
    assert_eq!(true_manifest(folder.path()), manifest);
}

/// The manifest is there: whoever took the files since has had them.
#[test]
fn what_was_in_its_place_and_was_taken_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, manifest) = decided_and_cut_off(folder.path());
    fs::create_dir_all(folder.path().join("manifest")).unwrap();
    fs::write(folder.path().join(manifest.path()), serde_json::to_vec(&manifest).unwrap()).unwrap();
    fs::remove_dir_all(stage.join("files")).unwrap();
    let export = Export::begin(folder.path(), request(), noon()).unwrap();
    assert_eq!(export.recovered().completed, [manifest.batch]);
}

#[test]
fn a_batch_is_on_disk_before_it_is_decided() {
    let folder = tempfile::tempdir().unwrap();
    cut::after(usize::MAX);
    let manifest = run(folder.path(), &[("acme", 1)], whole(&["acme"]));
    let steps = cut::never();
    let hidden = folder.path().join(".edr-export");
    let stage = hidden.join(manifest.batch);
    let at = |step: String| steps.iter().position(|done| *done == step).unwrap();
    let decided = at(format!("rename {}", stage.join("commit.json").display()));
    for folder in [&stage.join("files"), &hidden, &folder.path().to_owned()] {
        assert!(at(format!("sync {}", folder.display())) < decided, "{steps:#?}");
    }
}

/// The manifest that is in its place. What it says of its files is true.
fn true_manifest(folder: &Path) -> Manifest {
    let text = fs::read(folder.join(format!("manifest/{}.json", request().batch()))).unwrap();
    let manifest: Manifest = serde_json::from_slice(&text).unwrap();
    for file in &manifest.files {
        let text = fs::read(folder.join(&file.path)).unwrap();
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        let said = (file.records, file.bytes, &file.sha256);
        assert_eq!((lines as u64, text.len() as u64, &digest), said, "{}", file.path);
    }
    manifest
}

/// A rerun that was killed before each of its steps on disk.
#[test]
fn a_batch_that_replaces_itself_is_the_old_or_the_new_one_wherever_it_is_cut_off() {
    let (mut steps, mut replaced) = (0, 0);
    loop {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let old = run(folder, &[("acme", 30), ("globex", 5)], whole(&["acme", "globex"]));
        cut::after(steps);
        let done = attempt(folder, &[("acme", 40), ("globex", 5)], whole(&["acme", "globex"]));
        let trace = cut::never();
        let found = true_manifest(folder);
        assert!(found == old || found.records == 45, "{trace:#?}");
        let stage = folder.join(".edr-export").join(&old.batch);
        let decided = done.is_ok() || found != old || stage.join("commit.json").is_file();
        let left = hidden(folder);
        let recovered = Export::begin(folder, request(), noon()).unwrap().recovered().clone();
        // What is told is the truth: a batch that is in its place was not cleared away.
        let told = (recovered.completed.len(), recovered.discarded.len());
        assert_eq!(told, if decided { (left, 0) } else { (0, left) }, "{trace:#?}");
        let settled = true_manifest(folder);
        assert_eq!(settled.records, if decided { 45 } else { 35 }, "{trace:#?}");
        assert_eq!((placed(folder), hidden(folder)), (named(&settled), 0), "{trace:#?}");
        replaced += usize::from(decided);
        if done.is_ok() {
            break;
        }
        steps += 1;
    }
    assert!(steps > 15 && replaced > 12, "{replaced} of {steps}");
}

#[test]
fn a_large_part_is_continued_in_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let request = request();
    let tenants = ["acme".to_owned()];
    let mut parts = Parts::new(folder.path(), &request, "b", &tenants);
    parts.largest(100);
    for time in 0..9 {
        let entry = crate::spool::Entry { time, json: vec![b'1'; 60], ..crate::spool::Entry::default() };
        parts.take(entry.clone()).unwrap();
        parts.take(entry).unwrap();
    }
    parts.close().unwrap();
    let counts: Vec<(String, u64)> = parts.files.iter().map(|(_, f)| (f.path.clone(), f.records)).collect();
    assert_eq!((counts.len(), parts.duplicates), (5, 9));
    assert!(counts[4].0.contains("/b-00004-"), "{counts:?}");
    assert_eq!(counts.iter().map(|(_, n)| n).sum::<u64>(), 9);
}
