//! The committed inputs go through their targets on the stable toolchain.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use edr_fuzz::TARGETS;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a folder, in order; none when there is no folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    found.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Runs every input of a target and names the one at which it fails.
fn replay(kind: &str, target: &str, run: fn(&[u8])) -> usize {
    let inputs = files(&folder(kind).join(target));
    for input in &inputs {
        let data = fs::read(input).unwrap();
        let outcome = std::panic::catch_unwind(|| run(&data));
        assert!(outcome.is_ok(), "{target} fails on {}", input.display());
    }
    inputs.len()
}

#[test]
fn every_input_passes() {
    for (name, run) in TARGETS {
        assert!(replay("corpus", name, *run) > 0, "{name} has no corpus");
        replay("regressions", name, *run);
    }
}

#[test]
fn every_folder_and_binary_belongs_to_a_target() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stems = |kind: &str| -> BTreeSet<String> {
        files(&folder(kind)).iter().map(|f| f.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(stems("corpus"), names);
    assert_eq!(stems("fuzz_targets"), names);
    assert!(stems("regressions").is_subset(&names), "{:?}", stems("regressions"));
}

/// A committed corpus is read by people and by every test run.
#[test]
fn a_corpus_stays_small() {
    for (name, _) in TARGETS {
        let size: u64 = files(&folder("corpus").join(name)).iter().map(|f| f.metadata().unwrap().len()).sum();
        assert!(size <= 24 << 10, "the corpus of {name} has {size} bytes");
    }
}
