//! Folders that cannot take a batch, and what is found in them that no run of ours has written.

use std::cell::Cell;

use super::*;

/// Whatever went wrong with an export, the next one is not held up by it.
fn is_clean(folder: &Path) -> bool {
    hidden(folder) == 0 && !folder.join("manifest").join(format!("{}.json", request().batch())).exists()
}

#[test]
fn a_name_that_is_too_long_for_the_disk_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let name = "Küche ".repeat(60);
    let request = Request { region: "Ä".repeat(200), ..request() };
    let mut export = Export::begin(folder.path(), request, noon()).unwrap();
    fill(&mut export, &name, 3, 1);
    let manifest = export.finish(whole(&[&name]), noon(), &|| true).unwrap();
    assert_eq!((manifest.records, &manifest.files[0].tenant), (3, &name));
    assert_eq!(placed(folder.path()), named(&manifest));
}

#[test]
fn what_stands_in_the_way_is_found_before_anything_is_decided() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["ext", "manifest"] {
        fs::write(folder.join(name), "no folder").unwrap();
        attempt(folder, &[("acme", 3)], whole(&["acme"])).unwrap_err();
        fs::remove_file(folder.join(name)).unwrap();
        assert!(is_clean(folder), "{name}");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let manifest = run(elsewhere.path(), &[("acme", 3)], whole(&["acme"]));
    fs::create_dir_all(folder.join(&manifest.files[0].path)).unwrap();
    let error = attempt(folder, &[("acme", 3)], whole(&["acme"])).unwrap_err();
    assert!(error.to_string().contains("is a folder"), "{error}");
    assert!(is_clean(folder));
    fs::remove_dir_all(folder.join("ext")).unwrap();
    assert_eq!(run(folder, &[("acme", 3)], whole(&["acme"])).records, 3);
}

/// A folder on another disk than temporary files, where this machine has one.
#[cfg(target_os = "linux")]
fn other_disk(than: &Path) -> Option<tempfile::TempDir> {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir_in("/dev/shm").ok()?;
    let disk = |path: &Path| fs::metadata(path).unwrap().dev();
    let other = (disk(folder.path()) != disk(than)).then_some(folder);
    if other.is_none() {
        eprintln!("/dev/shm is no other disk here: what is decided is not tried");
    }
    other
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_on_another_disk_is_refused_before_anything_is_read_or_decided() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    symlink("/proc", folder.join("ext")).unwrap();
    let error = Export::begin(folder, request(), noon()).unwrap_err();
    assert!(error.to_string().contains("another disk"), "{error}");
    fs::remove_file(folder.join("ext")).unwrap();
    let Some(other) = other_disk(folder) else { return };
    let mut export = Export::begin(folder, request(), noon()).unwrap();
    fill(&mut export, "acme", 3, 1);
    fs::create_dir(folder.join("ext")).unwrap();
    symlink(other.path(), folder.join("ext/edr-native-alerts")).unwrap();
    let error = export.finish(whole(&["acme"]), noon(), &|| true).unwrap_err();
    assert!(error.to_string().contains("another disk"), "{error}");
    assert!(is_clean(folder));
    fs::remove_dir_all(folder.join("ext")).unwrap();
    assert_eq!(run(folder, &[("acme", 3)], whole(&["acme"])).records, 3);
}

#[test]
fn what_lies_where_the_manifest_is_written_is_no_hindrance_or_found_before_anything_is_decided() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let beside = folder.join(format!("manifest/{}.json.tmp", request().batch()));
    fs::create_dir_all(&beside).unwrap();
    attempt(folder, &[("acme", 3)], whole(&["acme"])).unwrap_err();
    assert!(is_clean(folder));
    fs::remove_dir(&beside).unwrap();
    fs::write(&beside, "left").unwrap();
    assert_eq!(run(folder, &[("acme", 3)], whole(&["acme"])).records, 3);
    assert!(!beside.exists());
}

#[test]
fn a_manifest_that_names_what_is_no_file_of_an_export_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = run(folder.path(), &[("acme", 3)], whole(&["acme"]));
    let path = folder.path().join(manifest.path());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("ext/edr-native-alerts", "../edr-native-alerts")).unwrap();
    let error = Export::begin(folder.path(), request(), noon()).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()) && error.contains("no path of an export"), "{error}");
    fs::remove_file(&path).unwrap();
    assert_eq!(run(folder.path(), &[("acme", 3)], whole(&["acme"])).records, 3);
}

#[test]
fn a_commit_that_is_of_another_batch_is_not_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, manifest) = decided_and_cut_off(folder.path());
    let text = fs::read_to_string(stage.join("commit.json")).unwrap();
    for other in ["../../outside", "alerts-native-0"] {
        let batch = |name: &str| format!("\"batch\": \"{name}\"");
        let changed = text.replace(&batch(&manifest.batch), &batch(other));
        assert_ne!(changed, text);
        fs::write(stage.join("commit.json"), changed).unwrap();
        let error = Export::begin(folder.path(), request(), noon()).unwrap_err().to_string();
        assert!(error.contains(other) && error.contains(stage.to_str().unwrap()), "{error}");
        assert!(placed(folder.path()).is_empty());
    }
    fs::write(stage.join("commit.json"), text).unwrap();
    Export::begin(folder.path(), request(), noon()).unwrap();
    assert_eq!(true_manifest(folder.path()), manifest);
}

/// Once files are being put into their place there is no way back: the caller is asked before, and then not any more.
#[test]
fn the_caller_is_asked_once_more_before_the_files_are_put_into_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Cell::new(0);
    let go_on = |most: u32| {
        asked.set(asked.get() + 1);
        asked.get() <= most
    };
    let write = || {
        asked.set(0);
        let mut export = Export::begin(folder.path(), request(), noon()).unwrap();
        fill(&mut export, "acme", 3, 1);
        export.write(whole(&["acme"]), noon(), &|| go_on(1)).unwrap()
    };
    assert!(write().place(&|| go_on(1)).unwrap_err().is_stopped());
    assert!(placed(folder.path()).is_empty() && is_clean(folder.path()));
    let written = write();
    assert!(placed(folder.path()).is_empty());
    assert_eq!((written.place(&|| go_on(2)).unwrap().records, asked.get()), (3, 2));
}
