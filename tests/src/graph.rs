//! The workspace's packages and what they depend on, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// When a dependency is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// By a build script.
    Build,
    /// By tests and examples.
    Dev,
    /// At run time.
    Normal,
}

/// Packages and their resolved dependencies.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    names: BTreeMap<String, String>,
    members: BTreeSet<String>,
    edges: BTreeMap<String, Vec<(Kind, String)>>,
    declared: BTreeMap<String, Vec<Declared>>,
    features: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// A dependency as the manifest has it, whether a feature turns it on or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The package's name.
    pub name: String,
    /// When it is used.
    pub kind: Kind,
    /// A feature turns it on.
    pub optional: bool,
}

fn kind(value: &Value) -> Kind {
    match value.as_str() {
        Some("dev") => Kind::Dev,
        Some("build") => Kind::Build,
        _ => Kind::Normal,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl Graph {
    /// Reads the JSON of `cargo metadata --format-version 1`.
    #[must_use]
    pub fn read(metadata: &Value) -> Self {
        let mut graph = Self::default();
        for package in list(&metadata["packages"]) {
            let (id, name) = (text(&package["id"]), text(&package["name"]));
            let declared = list(&package["dependencies"]).map(|d| Declared {
                name: text(&d["name"]),
                kind: kind(&d["kind"]),
                optional: d["optional"].as_bool().unwrap_or_default(),
            });
            graph.declared.insert(name.clone(), declared.collect());
            let features = package["features"].as_object().into_iter().flatten();
            let features = features.map(|(f, on)| (f.clone(), list(on).map(text).collect()));
            graph.features.insert(name.clone(), features.collect());
            graph.names.insert(id, name);
        }
        graph.members = list(&metadata["workspace_members"])
            .filter_map(|id| graph.names.get(&text(id)).cloned())
            .collect();
        for node in list(&metadata["resolve"]["nodes"]) {
            let edges = list(&node["deps"]).flat_map(|dep| {
                let to = text(&dep["pkg"]);
                list(&dep["dep_kinds"]).map(move |k| (kind(&k["kind"]), to.clone())).collect::<Vec<_>>()
            });
            graph.edges.insert(text(&node["id"]), edges.collect());
        }
        graph
    }

    /// Asks cargo about this workspace, without the network and for this platform.
    #[must_use]
    pub fn of_this_workspace() -> Self {
        let arguments =
            ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", &platform()];
        let json = cargo(&arguments);
        Self::read(&serde_json::from_str(&json).expect("cargo metadata is JSON"))
    }

    /// The workspace's packages.
    #[must_use]
    pub fn members(&self) -> &BTreeSet<String> {
        &self.members
    }

    /// What a package's manifest names, optional dependencies included.
    pub fn declared(&self, name: &str) -> impl Iterator<Item = &Declared> {
        self.declared.get(name).into_iter().flatten()
    }

    /// A package's features and what they turn on.
    #[must_use]
    pub fn features(&self, name: &str) -> BTreeMap<String, Vec<String>> {
        self.features.get(name).cloned().unwrap_or_default()
    }

    /// Everything that a package needs at run time, without itself; `cut` edges are not followed.
    #[must_use]
    pub fn closure(&self, name: &str, cut: &[(&str, &str)]) -> BTreeSet<String> {
        let mut todo: Vec<&str> =
            self.names.iter().filter(|(_, n)| *n == name).map(|(id, _)| id.as_str()).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = todo.pop() {
            let from = self.names.get(id).map_or("", String::as_str);
            for (kind, to) in self.edges.get(id).into_iter().flatten() {
                let target = self.names.get(to).map_or("", String::as_str);
                let followed = *kind == Kind::Normal && !cut.contains(&(from, target));
                if followed && seen.insert(to.as_str()) {
                    todo.push(to);
                }
            }
        }
        seen.into_iter().filter_map(|id| self.names.get(id).cloned()).collect()
    }
}

/// The workspace's root.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Runs cargo at the workspace's root and gives its output.
#[must_use]
pub fn cargo(arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(run.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("cargo writes UTF-8")
}

fn platform() -> String {
    let rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-vV").output();
    let about = String::from_utf8(rustc.expect("rustc runs").stdout).expect("rustc writes UTF-8");
    about.lines().find_map(|l| l.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}
