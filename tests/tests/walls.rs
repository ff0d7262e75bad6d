//! The walls of the workspace stand, and each gate can fail.

use edr_tests::graph::{Graph, cargo, root};
use edr_tests::source::{Source, faults, of_this_repository, places};
use edr_tests::walls::breaches;
use serde_json::{Value, json};

#[test]
fn the_workspace_keeps_its_walls() {
    assert_eq!(breaches(&Graph::of_this_workspace()), Vec::<String>::new());
}

#[test]
fn the_sources_keep_their_rules() {
    let sources = of_this_repository();
    assert!(sources.iter().any(|s| s.path == "tests/tests/walls.rs"), "the sources were not found");
    assert_eq!(faults(&sources, &places()), Vec::<String>::new());
}

#[test]
fn without_its_feature_the_command_line_has_no_simulator() {
    let tree = |more: &[&str]| {
        let plain = ["tree", "--offline", "--locked", "-p", "edr-cli", "-e", "normal", "--prefix", "none"];
        cargo(&[&plain, more].concat())
    };
    let has_sim = |tree: &str| tree.lines().any(|l| l.starts_with("edr-sim "));
    assert!(has_sim(&tree(&[])), "the default build embeds the simulator");
    assert!(!has_sim(&tree(&["--no-default-features"])), "the simulator cannot be turned off");
}

#[test]
fn no_platform_needs_openssl() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in ["openssl-sys", "native-tls"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name} is in Cargo.lock");
    }
}

/// A dependency: its name, and its kind as cargo writes it.
type Dep = (&'static str, Option<&'static str>);

/// A package with what it depends on.
type Package<'a> = (&'static str, &'a [Dep]);

/// A made-up workspace, with all dependencies resolved.
fn made_up(packages: &[Package<'_>], features: &Value) -> Graph {
    let member = |name: &str| packages.iter().any(|(n, _)| *n == name);
    let outside: Vec<&'static str> =
        packages.iter().flat_map(|(_, deps)| deps.iter().map(|d| d.0)).filter(|d| !member(d)).collect();
    let package = |name: &str, deps: &[Dep]| {
        let optional = |d: &str| name == "edr-cli" && d == "edr-sim" && features["optional"] != json!(false);
        let dependencies: Vec<Value> =
            deps.iter().map(|(d, kind)| json!({"name": d, "kind": kind, "optional": optional(d)})).collect();
        json!({"id": name, "name": name, "dependencies": dependencies, "features": features[name]})
    };
    let node = |name: &str, deps: &[Dep]| {
        let deps: Vec<Value> =
            deps.iter().map(|(d, kind)| json!({"pkg": d, "dep_kinds": [{"kind": kind}]})).collect();
        json!({"id": name, "deps": deps})
    };
    let mut all = packages.to_vec();
    all.extend(outside.iter().map(|name| (*name, [].as_slice())));
    Graph::read(&json!({
        "packages": all.iter().map(|(n, d)| package(n, d)).collect::<Vec<_>>(),
        "workspace_members": packages.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
        "resolve": {"nodes": all.iter().map(|(n, d)| node(n, d)).collect::<Vec<_>>()},
    }))
}

fn sim_features() -> Value {
    json!({"edr-cli": {"default": ["sim"], "sim": ["dep:edr-sim"]}})
}

/// The breaches when one package has one more dependency.
fn with(package: &'static str, dependency: &'static str, kind: Option<&'static str>) -> Vec<String> {
    let sound: &[Package<'_>] = &[
        ("cortex-xdr", &[("edr-core", None), ("edr-http", None)]),
        ("edr", &[("edr-core", None), ("falcon", None), ("cortex-xdr", None)]),
        ("edr-cli", &[("edr", None), ("edr-sim", None)]),
        ("edr-core", &[("serde", None), ("proptest", Some("dev"))]),
        ("edr-http", &[("edr-core", None), ("reqwest", None), ("mockito", Some("dev"))]),
        ("edr-sim", &[("axum", None), ("reqwest", Some("dev"))]),
        ("edr-testkit", &[("edr-core", None)]),
        ("falcon", &[("edr-core", None), ("edr-http", None)]),
    ];
    let mut packages: Vec<(&str, Vec<Dep>)> =
        sound.iter().map(|(name, deps)| (*name, deps.to_vec())).collect();
    match packages.iter_mut().find(|p| p.0 == package) {
        Some(found) => found.1.push((dependency, kind)),
        None if !package.is_empty() => packages.push((package, vec![(dependency, kind)])),
        None => {}
    }
    let packages: Vec<_> = packages.iter().map(|(name, deps)| (*name, deps.as_slice())).collect();
    breaches(&made_up(&packages, &sim_features()))
}

#[test]
fn a_sound_workspace_has_no_breach() {
    assert_eq!(with("", "", None), Vec::<String>::new());
}

#[test]
fn each_wall_can_fall() {
    for (package, dependency, kind, says) in [
        ("edr-core", "edr-http", None, "edr-core must not depend on edr-http"),
        ("edr-core", "edr-testkit", Some("dev"), "edr-core must not depend on edr-testkit (Dev)"),
        ("edr-core", "tokio", None, "edr-core needs tokio"),
        ("edr-core", "hyper", None, "edr-core needs hyper"),
        ("edr-http", "falcon", None, "edr-http must not depend on falcon"),
        ("falcon", "cortex-xdr", None, "falcon must not depend on cortex-xdr"),
        ("falcon", "reqwest", None, "falcon names reqwest (Normal)"),
        ("falcon", "reqwest", Some("dev"), "falcon names reqwest (Dev)"),
        ("edr-sim", "reqwest", None, "edr-sim names reqwest (Normal)"),
        ("cortex-xdr", "falcon", Some("dev"), "cortex-xdr must not depend on falcon (Dev)"),
        ("edr", "edr-sim", None, "edr must not depend on edr-sim"),
        ("edr", "edr-sim", None, "edr needs edr-sim at run time"),
        ("edr-cli", "falcon", None, "edr-cli must not depend on falcon"),
        ("edr-cli", "tempfile", None, "edr-cli needs tempfile at run time"),
        ("edr-sim", "edr-core", Some("dev"), "edr-sim must not depend on edr-core (Dev)"),
        ("edr-sim", "wiremock", None, "edr-sim needs wiremock at run time"),
        ("edr-testkit", "edr-http", None, "edr-testkit must not depend on edr-http"),
        ("edr-http", "mockito", None, "falcon needs mockito at run time"),
        ("edr-http", "openssl-sys", None, "edr-cli needs OpenSSL"),
        ("edr-stranger", "serde", None, "edr-stranger has no place"),
    ] {
        let found = with(package, dependency, kind);
        assert!(found.iter().any(|b| b.contains(says)), "{says}: {found:?}");
    }
}

#[test]
fn the_embedded_simulator_stays_behind_its_feature() {
    let cli: &[Package<'_>] = &[("edr-cli", &[("edr-sim", None)]), ("edr-sim", &[])];
    for (features, says) in [
        (json!({"edr-cli": {"default": [], "sim": ["dep:edr-sim"]}}), "default features"),
        (json!({"edr-cli": {"default": ["sim"], "sim": [], "demo": ["dep:edr-sim"]}}), "[\"demo\"]"),
        (
            json!({"edr-cli": {"default": ["sim"], "sim": ["dep:edr-sim"]}, "optional": false}),
            "without a feature",
        ),
    ] {
        let found = breaches(&made_up(cli, &features));
        assert!(found.iter().any(|b| b.contains(says)), "{says}: {found:?}");
    }
}

#[test]
fn each_rule_for_the_sources_can_fail() {
    let long = "//\n".repeat(901);
    let home = ["/builds/somebody/".to_owned()];
    for (path, text, says) in [
        ("crates/falcon/src/a.rs", concat!("use reqwest", "::Client;"), "a.rs:1 names reqwest"),
        ("crates/edr-sim/src/a.rs", concat!("\nreqwest", "::get"), "a.rs:2 names reqwest"),
        ("crates/edr/src/a.rs", long.as_str(), "has 901 lines"),
        ("crates/edr/src/a.rs", concat!("to", "do!()"), "a.rs:1 holds"),
        ("crates/edr/src/a.rs", concat!("// TO", "DO"), "a.rs:1 holds"),
        ("crates/edr/Cargo.toml", concat!("# FIX", "ME"), "Cargo.toml:1 holds"),
        (".ci/run", concat!("# FIX", "ME"), ".ci/run:1 holds"),
        ("crates/edr/tests/a.rs", concat!("#[ig", "nore]"), "a.rs:1 holds"),
        ("docs/A.md", "see /builds/somebody/notes", "docs/A.md:1 names a folder"),
    ] {
        let found = faults(&[Source::new(path, text)], &home);
        assert!(found.iter().any(|f| f.contains(says)), "{path}: {found:?}");
    }
    let fine = [
        Source::new("crates/edr-http/src/a.rs", concat!("use reqwest", "::Client;")),
        Source::new("crates/edr-sim/tests/a.rs", concat!("use reqwest", "::Client;")),
        Source::new("docs/A.md", &long),
    ];
    assert_eq!(faults(&fine, &home), Vec::<String>::new());
}
