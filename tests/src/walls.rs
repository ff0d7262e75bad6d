//! Who may depend on whom. Each wall is a function from the package graph to what is wrong with it.

use crate::graph::{Declared, Graph, Kind};

/// The only workspace crates that each crate may name, for run time and for tests.
const ALLOWED: &[(&str, &[&str])] = &[
    ("cortex-xdr", &["edr-core", "edr-http"]),
    ("edr", &["cortex-xdr", "edr-core", "edr-http", "falcon"]),
    ("edr-cli", &["edr", "edr-core", "edr-export", "edr-ocsf", "edr-sim"]),
    ("edr-core", &[]),
    ("edr-export", &["edr-core", "edr-ocsf"]),
    ("edr-http", &["edr-core"]),
    ("edr-ocsf", &["edr-core"]),
    ("edr-sim", &[]),
    ("edr-testkit", &["edr-core"]),
    ("falcon", &["edr-core", "edr-http"]),
];

/// Members that nobody ships, and that may use everything.
const OUTSIDE: &[&str] = &["edr-benches", "edr-examples", "edr-fuzz", "edr-tests"];

/// What users get.
const SHIPPED: &[&str] =
    &["cortex-xdr", "edr", "edr-cli", "edr-core", "edr-export", "edr-http", "edr-ocsf", "falcon"];

/// What has no place in what users get.
const FOR_TESTS: &[&str] = &[
    "edr-sim",
    "edr-testkit",
    "httpmock",
    "insta",
    "mockall",
    "mockito",
    "proptest",
    "quickcheck",
    "rstest",
    "tempfile",
    "wiremock",
];

/// What the contract must not pull in.
const NOT_IN_THE_CONTRACT: &[&str] = &["axum", "hyper", "reqwest", "rustls", "tokio"];

/// The one exception: the command line embeds the simulator, by a feature.
const EMBEDDED: (&str, &str) = ("edr-cli", "edr-sim");

/// Every wall, and what is wrong with each.
#[must_use]
pub fn breaches(graph: &Graph) -> Vec<String> {
    [
        members(graph),
        layers(graph),
        reqwest(graph),
        shipped(graph),
        contract(graph),
        openssl(graph),
        embedded(graph),
    ]
    .concat()
}

/// Every member has a place in the table.
fn members(graph: &Graph) -> Vec<String> {
    let placed = |name: &str| OUTSIDE.contains(&name) || ALLOWED.iter().any(|(n, _)| *n == name);
    let strangers = graph.members().iter().filter(|m| !placed(m));
    strangers.map(|m| format!("{m} has no place among the walls: say what it may depend on")).collect()
}

/// A crate names only the workspace crates that its layer may know.
fn layers(graph: &Graph) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, allowed) in ALLOWED {
        let named = graph.declared(name).filter(|d| graph.members().contains(&d.name));
        let bad = named.filter(|d| !allowed.contains(&d.name.as_str()));
        wrong.extend(bad.map(|d| format!("{name} must not depend on {} ({:?})", d.name, d.kind)));
    }
    wrong
}

/// Only the plumbing talks HTTP; the simulator's tests may.
fn reqwest(graph: &Graph) -> Vec<String> {
    let fits = |name: &str, d: &Declared| match d.kind {
        Kind::Normal => name == "edr-http",
        Kind::Dev => matches!(name, "edr-http" | "edr-sim"),
        Kind::Build => false,
    };
    let named = graph.members().iter().flat_map(|m| graph.declared(m).map(move |d| (m, d)));
    let bad = named.filter(|(m, d)| d.name == "reqwest" && !fits(m, d));
    bad.map(|(m, d)| format!("{m} names reqwest ({:?})", d.kind)).collect()
}

/// No mock server and no test crate reaches a user, but for the embedded simulator.
fn shipped(graph: &Graph) -> Vec<String> {
    let closures = SHIPPED.iter().chain(&["edr-sim"]).map(|name| (name, graph.closure(name, &[EMBEDDED])));
    let bad = closures.flat_map(|(name, closure)| {
        let found = closure.into_iter().filter(|c| FOR_TESTS.contains(&c.as_str()));
        found.map(move |c| format!("{name} needs {c} at run time")).collect::<Vec<_>>()
    });
    bad.collect()
}

/// The contract has no HTTP and no runtime.
fn contract(graph: &Graph) -> Vec<String> {
    let closure = graph.closure("edr-core", &[]);
    let bad = closure.into_iter().filter(|c| NOT_IN_THE_CONTRACT.contains(&c.as_str()));
    bad.map(|c| format!("edr-core needs {c}")).collect()
}

/// TLS is rustls.
fn openssl(graph: &Graph) -> Vec<String> {
    let with = |m: &&String| graph.closure(m, &[]).iter().any(|c| c == "openssl-sys" || c == "native-tls");
    graph.members().iter().filter(with).map(|m| format!("{m} needs OpenSSL")).collect()
}

/// The simulator is in the command line by the default feature `sim`, and by that alone.
fn embedded(graph: &Graph) -> Vec<String> {
    let (cli, sim) = EMBEDDED;
    let Some(declared) = graph.declared(cli).find(|d| d.name == sim && d.kind == Kind::Normal) else {
        return Vec::new();
    };
    let features = graph.features(cli);
    let opens = |on: &Vec<String>| on.iter().any(|f| f == "dep:edr-sim" || f.starts_with("edr-sim/"));
    let openers: Vec<&String> = features.iter().filter(|(_, on)| opens(on)).map(|(name, _)| name).collect();
    let default = features.get("default").is_some_and(|on| on.iter().any(|f| f == "sim"));
    let mut wrong = Vec::new();
    if !declared.optional {
        wrong.push(format!("{cli} has {sim} without a feature that turns it off"));
    }
    if openers != ["sim"] {
        wrong.push(format!("{cli} turns {sim} on by {openers:?} and not by sim alone"));
    }
    if !default {
        wrong.push(format!("{cli} does not have sim among its default features"));
    }
    wrong
}
