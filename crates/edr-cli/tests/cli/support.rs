//! Running the program.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// How a run ended, and what it said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// The records of `-o jsonl`.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.out.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
    }

    /// The objects on standard error; every line must be one.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let objects: Vec<Value> = self
            .err
            .lines()
            .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
            .collect();
        for object in &objects {
            let kind = object["type"].as_str().unwrap();
            assert!(["debug", "error", "warning", "outcome"].contains(&kind), "{object}");
        }
        objects
    }

    /// The last line of standard error.
    pub(crate) fn last(&self) -> &str {
        self.err.lines().last().unwrap_or_default()
    }

    /// Asserts the code, with the beginning of what was said.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        let out: String = self.out.chars().take(400).collect();
        assert_eq!(self.code, code, "\n{out}\n{}", self.err);
        self
    }
}

/// The program in an empty environment.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edr"));
    command.env_clear().env("HOME", "nowhere").env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs the program.
pub(crate) fn edr(words: &[&str]) -> Run {
    run(&mut command(words))
}

/// Runs a command of the program to its end.
pub(crate) fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The identities of records; each must be new.
pub(crate) fn identities(records: &[Value]) -> HashSet<(String, String)> {
    let mut seen = HashSet::new();
    for record in records {
        let text = |key: &str| record[key].as_str().unwrap().to_owned();
        assert!(["falcon", "cortex"].contains(&text("vendor").as_str()));
        assert!(seen.insert((text("tenant"), text("uid"))), "twice: {record}");
    }
    seen
}

/// A simulator that the program serves. It is stopped when it is dropped.
pub(crate) struct Sim {
    child: Child,
    pub(crate) ready: Value,
    pub(crate) folder: TempDir,
}

impl Sim {
    /// Serves without limits; `faults` is a JSON array.
    pub(crate) fn serve(words: &[&str], faults: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (config, rules) = (folder.path().join("sim.toml"), folder.path().join("faults.json"));
        std::fs::write(&rules, faults).unwrap();
        let mut serve = command(&["sim", "serve", "--enforce-limits", "off"]);
        serve.arg("--write-config").arg(&config).arg("--faults").arg(&rules).args(words);
        let mut child = serve.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap(), folder }
    }

    /// The configuration that it wrote.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("sim.toml")
    }

    /// Where the program keeps what it remembers.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// How many requests for an operation it has had.
    pub(crate) fn requests(&self, operation: &str) -> u64 {
        let control = self.ready["control"].as_str().unwrap().trim_start_matches("http://");
        let mut stream = TcpStream::connect(control).unwrap();
        write!(stream, "GET /sim/requests HTTP/1.0\r\nHost: {control}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let requests: Value = serde_json::from_str(body).unwrap();
        let tenants = requests["counters"].as_object().unwrap().values();
        tenants.filter_map(|operations| operations[operation].as_u64()).sum()
    }

    /// A command of the program with its configuration.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = command(&[]);
        command.env("XDG_STATE_HOME", self.state());
        command.arg("--config").arg(self.config()).args(words);
        command
    }

    /// Runs the program with its configuration.
    pub(crate) fn edr(&self, words: &[&str]) -> Run {
        run(&mut self.command(words))
    }

    /// A changed copy of its configuration.
    pub(crate) fn changed(&self, change: impl Fn(&str) -> String) -> PathBuf {
        let path = self.folder.path().join("changed.toml");
        write_private(&path, &change(&std::fs::read_to_string(self.config()).unwrap()));
        path
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
