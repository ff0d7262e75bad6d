//! What the command line accepts, refuses, and says about itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::{command, edr, run};

#[test]
fn a_wrong_command_line_is_2_and_says_what_is_right() {
    for (words, says) in [
        (vec!["hosts", "list", "--platform", "beos"], "windows"),
        (vec!["hosts", "list", "--filter", "hostnam ~ x"], "did you mean hostname"),
        (vec!["hosts", "list", "--filter", "hostname"], "FIELD OP VALUE"),
        (vec!["hosts", "list", "--last-seen", "soon"], "24h"),
        (vec!["alerts", "list", "--since", "2026-13-01"], "RFC 3339"),
        (vec!["hosts", "list", "--columns", "hostnam"], "hostname"),
        (vec!["hosts", "list", "--limit", "0"], "--limit"),
        (vec!["hosts", "list", "--raw"], "-o json"),
        (vec!["hosts", "list", "--raw", "-o", "csv"], "-o json"),
        (vec!["hosts", "list", "--from", "/nonexistent/names"], "cannot be read"),
        (vec!["hosts", "list", "--config", "/nonexistent/x.toml"], "/nonexistent/x.toml"),
        (vec!["hosts", "list", "--demo", "-t", "nobody"], "there are: cortex-1, falcon-1"),
        (vec!["hosts", "list", "--demo", "-t", "Falcon-1"], "names are exact"),
        (vec!["hosts", "list", "--demo", "--tenant-tag", "none"], "no tenant matches"),
        (vec!["hosts", "list", "--demo", "--config", "x"], "cannot be used with"),
        (vec!["hosts", "get", ""], "empty"),
        (vec!["sim", "serve", "--demo"], "--demo means nothing"),
        (vec!["completions", "bash", "--children-of", "a"], "--children-of means nothing"),
        (vec!["hosts", "list", "--demo", "-o", "html"], "for reports"),
        (vec!["hosts", "list", "--merge", "--host", "a"], "cannot be used with"),
        (vec!["report", "coverage", "--demo", "--check", "cover>=98%"], "the fields are coverage"),
        (vec!["report", "coverage", "--demo", "--check", "coverage>=0.98"], "with %"),
        (vec!["report", "coverage", "--demo", "--check", "missing=0"], "--denominator"),
        (vec!["report", "coverage", "--demo", "--newest", "falcon=new"], "falcon=7.30"),
        (vec!["report", "coverage", "--demo", "--denominator", "/nonexistent/x.csv"], "cannot be read"),
        (vec!["report", "coverage", "--demo", "--columns", "uid", "-o", "json"], "is for rows"),
        (vec!["hosts", "contain"], "names its tenants"),
    ] {
        let run = edr(&words).ends(2);
        assert!(run.err.contains(says), "{words:?}: {}", run.err);
        assert_eq!(run.out, "", "{words:?}");
    }
}

#[test]
fn mistakes_are_objects_where_json_is_asked_for() {
    for words in [
        vec!["hosts", "list", "-o", "json", "--limit", "0"],
        vec!["hosts", "list", "-o", "jsonl", "--filter", "x"],
        vec!["hosts", "list", "--output=json", "--demo", "-t", "nobody"],
        vec!["hosts", "list", "-ojson", "--config", "/nonexistent/x.toml"],
    ] {
        let objects = edr(&words).ends(2).objects();
        let error = objects.last().unwrap();
        assert_eq!((&error["type"], &error["code"]), (&"error".into(), &"usage".into()), "{words:?}");
        for key in
            ["tenant", "vendor", "operation", "vendor_code", "trace_id", "retryable", "message", "hint"]
        {
            assert!(error.get(key).is_some(), "{words:?}: {key}");
        }
    }
}

#[test]
fn no_configuration_says_what_to_do() {
    let run = edr(&["hosts", "list"]).ends(1);
    assert!(run.err.contains("no tenant is configured") && run.err.contains("--demo"), "{}", run.err);
}

#[test]
fn a_broken_configuration_is_1_and_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    for (text, says) in [
        ("[tenants.a]\nvendor = 'sentinel'\n", "vendor 'sentinel' is not known"),
        ("[tenants.a\n", "line 1"),
        ("[tenants.a]\nvendor = 'falcon'\nclient_id = 'x'\n", "client_secret is missing"),
        (
            "[tenants.a]\nvendor = 'falcon'\ncloud = 'mars-1'\nclient_id = 'x'\nclient_secret = 'canary'\n",
            "mars-1",
        ),
        ("[tenants.a]\nvendor = 'falcon'\nclient_id = 'x'\nclient_secret = { env = 'NOT_SET' }\n", "NOT_SET"),
        (
            "[tenants.a]\nvendor = 'cortex'\nfqdn = 'not a host'\napi_key_id = 1\napi_key = 'canary'\n",
            "paloaltonetworks.com",
        ),
    ] {
        crate::support::write_private(&path, text);
        let run = run(command(&["hosts", "list"]).env("EDR_CONFIG", &path)).ends(1);
        assert!(run.err.contains(says), "{text}: {}", run.err);
        assert!(!run.err.contains("canary"), "{}", run.err);
    }
}

#[test]
fn completions_and_manual_are_made() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(edr(&["completions", shell]).ends(0).out.contains("tenant-tag"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    edr(&["man", pages.to_str().unwrap()]).ends(0);
    for page in ["edr.1", "edr-api.1", "edr-hosts-list.1", "edr-sim-serve.1", "edr-tenants-import.1"] {
        assert!(pages.join(page).exists(), "{page}");
    }
    edr(&["man", "/dev/null/x"]).ends(1);
}

#[test]
fn help_and_version_are_no_mistake() {
    assert!(edr(&["--version"]).ends(0).out.starts_with("edr "));
    assert!(edr(&["hosts", "list", "--help"]).ends(0).out.contains("Examples:"));
    edr(&[]).ends(2);
}

/// All sources below a folder, as one text.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(
            |path| if path.is_dir() { sources(&path) } else { fs::read_to_string(&path).unwrap_or_default() },
        )
        .collect()
}

#[test]
fn every_code_of_a_warning_is_on_the_page() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = sources(&crate_folder.join("src"));
    let after = [".warn(", ".note("].into_iter().flat_map(|call| source.split(call).skip(1));
    let codes: BTreeSet<&str> =
        after.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()).collect();
    assert!(codes.contains("gap") && codes.contains("manifest"), "{codes:?}");
    let page = fs::read_to_string(crate_folder.join("../../docs/OUTPUT.md")).unwrap();
    let listed = page.split("Warning codes").nth(1).unwrap().split("The **last line**").next().unwrap();
    let absent: Vec<&&str> = codes.iter().filter(|code| !listed.contains(&format!("`{code}`"))).collect();
    assert!(absent.is_empty(), "docs/OUTPUT.md does not list {absent:?}");
}
