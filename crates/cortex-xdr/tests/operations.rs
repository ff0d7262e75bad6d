//! The table of operations: true to the vendor's catalogue, and printed in docs/CORTEX-XDR.md.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cortex_xdr::api::{ApiCall, Generations, operations};
use serde::Deserialize;

#[derive(Deserialize)]
struct Entry {
    version: u8,
    path: String,
    http_method: String,
}

/// Path without its last slash and method → the generations that have it.
fn catalogue() -> Option<BTreeMap<(String, String), BTreeSet<u8>>> {
    let folder = PathBuf::from(std::env::var_os("EDR_SPECS_DIR")?);
    let text = std::fs::read_to_string(folder.join("cortex-operation-catalog.json")).unwrap();
    let entries: Vec<Entry> = serde_json::from_str(&text).unwrap();
    let mut known: BTreeMap<_, BTreeSet<u8>> = BTreeMap::new();
    for entry in entries {
        known
            .entry((plain(&entry.path), entry.http_method.to_uppercase()))
            .or_default()
            .insert(entry.version);
    }
    Some(known)
}

fn plain(path: &str) -> String {
    path.trim_end_matches('/').to_owned()
}

fn numbers(generations: Generations) -> BTreeSet<u8> {
    match generations {
        Generations::Three => [3].into(),
        Generations::Five => [5].into(),
        _ => [3, 5].into(),
    }
}

#[test]
fn the_table_agrees_with_the_catalogue() {
    let Some(known) = catalogue() else {
        eprintln!("skipped: EDR_SPECS_DIR is not set");
        return;
    };
    for call in operations() {
        let found = known.get(&(plain(&call.path), call.method.to_string()));
        assert_eq!(found.is_some(), call.documented, "{} {}", call.method, call.path);
        if let Some(found) = found {
            assert_eq!(*found, numbers(call.generations), "{}", call.path);
        }
    }
}

#[test]
fn every_operation_stands_there_once() {
    let all = operations();
    let paths: BTreeSet<String> = all.iter().map(|call| plain(&call.path)).collect();
    let names: BTreeSet<&str> = all.iter().map(|call| call.operation.name).collect();
    assert_eq!((paths.len(), names.len()), (all.len(), all.len()));
    for call in &all {
        assert!(call.operation.scope.starts_with("the role "), "{}", call.path);
        assert!(call.path.contains(call.operation.name) || call.path.contains("/v2/"), "{}", call.path);
        assert_eq!(call.page.is_some(), call.key.is_some(), "{}", call.path);
    }
}

fn row(call: &ApiCall) -> String {
    let quota = call
        .quota
        .map_or(String::new(), |(requests, window)| format!("{requests} in {} s", window.as_secs()));
    let effect = if call.operation.idempotent { "" } else { "once" };
    let role = call.operation.scope.trim_start_matches("the role ");
    let source = if call.documented { "" } else { "clients" };
    let page = call.page.map_or(String::new(), |page| page.to_string());
    format!(
        "| {} `{}` | {} | {role} | {page} | {} | {} | {quota} | {effect} | {source} |",
        call.method,
        call.path,
        call.generations,
        call.key.unwrap_or_default(),
        call.limit.unwrap_or_default(),
    )
}

const BEGIN: &str = "<!-- operations: begin -->\n";
const END: &str = "<!-- operations: end -->\n";

/// `EDR_BLESS=1` writes the table into the page.
#[test]
fn the_page_prints_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CORTEX-XDR.md");
    let head = "| operation | generation | role | window | key | limit | quota | sent | known from |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    let rows: Vec<String> = operations().iter().map(row).collect();
    let table = format!("{head}{}\n", rows.join("\n"));
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("EDR_BLESS").is_some() {
        std::fs::write(&page, &expected).unwrap();
    } else {
        assert_eq!(text, expected, "set EDR_BLESS=1 to write the page anew");
    }
}
