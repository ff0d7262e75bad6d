//! `docs/MAPPING.md` is complete: every field of the model has its rows, and every row names a field.

#![expect(clippy::unwrap_used, reason = "these are tests: what fails here fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use edr_tests::graph::root;
use edr_tests::mapping::{Model, tables};

/// Each section, with the structures that it tells of.
const SECTIONS: &[(&str, &[&str])] = &[
    ("Host", &["Host"]),
    ("Alert", &["Alert"]),
    ("Case", &["Case"]),
    ("Indicator", &["Ioc"]),
    ("Vulnerability", &["Vulnerability"]),
    ("Application", &["Application"]),
    ("Group of hosts", &["HostGroup"]),
    ("What a host was", &["HostHistory", "Risk"]),
];

fn model() -> Model {
    let folder = root().join("crates/edr-core/src/model");
    let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    Model::read(&files.iter().map(|file| fs::read_to_string(file).unwrap()).collect::<Vec<_>>())
}

/// What is wrong with a page.
fn faults(page: &str) -> Vec<String> {
    let model = model();
    let mut faults = Vec::new();
    for (heading, structures) in SECTIONS {
        let tables = tables(page, heading);
        let heads: Vec<&str> =
            tables.iter().map(|(head, _)| head.split(' ').next().unwrap_or_default()).collect();
        if heads != ["Falcon", "OCSF"] {
            faults.push(format!("{heading}: tables of {heads:?}"));
        }
        for (head, rows) in &tables {
            let told: BTreeSet<&str> =
                rows.iter().map(|r| r.split('.').next().unwrap_or_default().trim_end_matches("[]")).collect();
            for field in structures.iter().flat_map(|of| model.fields(of)) {
                if !told.contains(field.as_str()) {
                    faults.push(format!("{heading}, {head}: no row for {field}"));
                }
            }
            let strangers = rows.iter().filter(|row| !structures.iter().any(|of| model.has(of, row)));
            faults.extend(strangers.map(|row| format!("{heading}, {head}: no field is called {row}")));
        }
    }
    faults
}

#[test]
fn every_field_has_its_rows_and_every_row_its_field() {
    let page = fs::read_to_string(root().join("docs/MAPPING.md")).unwrap();
    let faults = faults(&page);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_missing_or_misnamed_is_found() {
    let page = fs::read_to_string(root().join("docs/MAPPING.md")).unwrap();
    assert!(model().fields("Host").len() > 40 && model().has("Alert", "evidences[].process.hashes.sha256"));
    let without = page.replace("| `serial_number` |", "| `serial` |");
    let found = faults(&without);
    for fault in ["no row for serial_number", "no field is called serial"] {
        assert!(found.iter().filter(|f| f.ends_with(fault)).count() == 2, "{fault}: {found:?}");
    }
}
