//! What must not stand in the sources. Each gate is a function from files to what is wrong with them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::graph::root;

/// More lines than these are more than one thing.
const MAX_LINES: usize = 900;

/// A file of the repository, by its path from the root.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path, with `/`.
    pub path: String,
    /// The content.
    pub text: String,
}

impl Source {
    /// A file.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| e == extension)
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(n, line)| (n + 1, line))
    }
}

/// Every gate, and what is wrong with each.
#[must_use]
pub fn faults(sources: &[Source], places: &[String]) -> Vec<String> {
    [reqwest(sources), long(sources), unfinished(sources), machine(sources, places)].concat()
}

/// Only the plumbing names reqwest, and the simulator's tests.
fn reqwest(sources: &[Source]) -> Vec<String> {
    let word = concat!("reqwest", "::");
    let may =
        |s: &Source| s.path.starts_with("crates/edr-http/") || s.path.starts_with("crates/edr-sim/tests/");
    let named = sources.iter().filter(|s| s.is("rs") && !may(s)).flat_map(|s| at(s, word));
    named.map(|place| format!("{place} names reqwest outside of the plumbing")).collect()
}

fn at(source: &Source, word: &str) -> Vec<String> {
    let hits = source.lines().filter(|(_, line)| line.contains(word));
    hits.map(|(n, _)| format!("{}:{n}", source.path)).collect()
}

/// No source is too long to be read.
fn long(sources: &[Source]) -> Vec<String> {
    let read = sources.iter().filter(|s| s.is("rs")).map(|s| (s, s.text.lines().count()));
    let bad = read.filter(|(_, lines)| *lines > MAX_LINES);
    bad.map(|(s, lines)| format!("{} has {lines} lines, and {MAX_LINES} is the most", s.path)).collect()
}

/// Nothing is left for later, and no test is turned off.
fn unfinished(sources: &[Source]) -> Vec<String> {
    let words = [
        concat!("to", "do!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
    ];
    let code = |s: &&Source| s.is("rs") || s.is("toml") || s.path.starts_with(".ci/");
    let places = |word: &'static str| {
        let found = sources.iter().filter(code).flat_map(move |s| at(s, word));
        found.map(move |place| format!("{place} holds '{word}'"))
    };
    words.into_iter().flat_map(places).collect()
}

/// Nothing names the machine that it was written on.
fn machine(sources: &[Source], places: &[String]) -> Vec<String> {
    let named = places.iter().flat_map(|p| sources.iter().flat_map(move |s| at(s, p)));
    let named: BTreeSet<String> = named.collect();
    named.into_iter().map(|place| format!("{place} names a folder of this machine")).collect()
}

/// The folders of this machine that a file could name by mistake.
#[must_use]
pub fn places() -> Vec<String> {
    let common = ["/", "/home", "/mnt", "/opt", "/root", "/srv", "/tmp", "/usr", "/var", "/var/tmp"];
    let parent = root().parent().map(Path::to_path_buf);
    let parent = parent.filter(|p| !common.iter().any(|c| Path::new(c) == p));
    let homes = ["CARGO_HOME", "RUSTUP_HOME"].map(|name| std::env::var_os(name).map(PathBuf::from));
    let folders = homes.into_iter().flatten().chain([root()]).chain(parent);
    folders.filter(|p| p.is_absolute()).map(|p| format!("{}/", p.display())).collect()
}

/// The repository's text files: those that git knows or would take up, or, without git, all but
/// what cargo builds.
#[must_use]
pub fn of_this_repository() -> Vec<Source> {
    let read = |path: String| fs::read_to_string(root().join(&path)).ok().map(|text| Source { path, text });
    known_to_git().unwrap_or_else(|| below(&root())).into_iter().filter_map(read).collect()
}

fn known_to_git() -> Option<Vec<String>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let run = Command::new("git").args(list).current_dir(root()).output().ok()?;
    let text = String::from_utf8(run.stdout).ok()?;
    let files: Vec<String> = text.split('\0').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    (run.status.success() && !files.is_empty()).then_some(files)
}

fn below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let skipped = matches!(entry.file_name().to_str(), Some("target" | ".git"));
        if path.is_dir() && !skipped {
            files.extend(below(&path));
        } else if path.is_file() {
            let relative = path.strip_prefix(root()).unwrap_or(&path);
            files.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
    files
}
