//! A simulated estate, and the program that acts on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use edr_sim::{EstateFile, Sim};
use serde_json::Value;

/// A simulator, and a home for configuration and state.
pub(crate) struct Bench {
    pub(crate) sim: Sim,
    pub(crate) home: tempfile::TempDir,
}

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// One host of an estate file.
pub(crate) struct Given {
    pub(crate) name: String,
    pub(crate) serial: String,
    pub(crate) more: &'static str,
}

/// A tenant of an estate file, whose machines are in no other tenant.
pub(crate) fn tenant(vendor: &str, hosts: &[Given]) -> String {
    let block = usize::from(vendor == "cortex");
    let mut text = format!("[[tenant]]\nvendor = \"{vendor}\"\nhosts = {}\nalerts = 0\n", hosts.len());
    for (at, host) in hosts.iter().enumerate() {
        let (high, low) = (at / 200, at % 200 + 1);
        let _ = write!(
            text,
            "[[tenant.host]]\nid = \"{:032x}\"\nhostname = \"{}\"\nserial = \"{}\"\nmac = \"02:00:00:{block:02x}:{high:02x}:{low:02x}\"\n\
             ip = \"10.{}.{high}.{low}\"\ndomain = \"corp.example\"\nlast_seen = \"1h\"\n{}\n",
            (block + 1) * 1_000_000 + at,
            host.name,
            host.serial,
            block + 1,
            host.more,
        );
    }
    text
}

pub(crate) fn given(name: impl Into<String>, more: &'static str) -> Given {
    let name = name.into();
    Given { serial: format!("S-{name}"), name, more }
}

pub(crate) const ONLINE: &str =
    "platform = \"windows\"\nform = \"server\"\nonline = true\ncontainment = \"normal\"";

impl Bench {
    pub(crate) async fn new(estate: &str) -> Self {
        Self::with(estate, Duration::ZERO).await
    }

    /// Every answer comes so much later.
    pub(crate) async fn with(estate: &str, latency: Duration) -> Self {
        Self::start(estate, latency, Duration::from_millis(500)).await
    }

    /// Sensors take so long.
    pub(crate) async fn slow(estate: &str, delay: Duration) -> Self {
        Self::start(estate, Duration::ZERO, delay).await
    }

    async fn start(estate: &str, latency: Duration, delay: Duration) -> Self {
        let file = EstateFile::from_toml(estate).unwrap();
        let sim = Sim::builder()
            .estate(file)
            .sensor_delay(delay)
            .search_lag(Duration::ZERO)
            .latency(latency)
            .enforce_limits(false);
        let bench = Self { sim: sim.start().await.unwrap(), home: tempfile::tempdir().unwrap() };
        bench.safety("");
        bench
    }

    /// Writes the configuration, with these rules.
    pub(crate) fn safety(&self, rules: &str) {
        let text = format!("{}\n[safety]\n{rules}\n", self.sim.config_toml());
        self.write("config.toml", &text);
    }

    /// Writes the configuration, in which a tenant is missing.
    pub(crate) fn without(&self, tenant: &str) {
        let text = self.sim.config_toml();
        let named = format!("tenants.{tenant}]");
        let tables: Vec<&str> = text.split("\n[").filter(|table| !table.starts_with(&named)).collect();
        assert!(tables.len() + 1 == text.split("\n[").count(), "{tenant} is not there");
        self.write("config.toml", &tables.join("\n["));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        command(self.home.path(), words)
    }

    /// Runs the program to its end; it has no terminal.
    pub(crate) async fn run(&self, words: &[&str]) -> Ran {
        let mut command = self.command(words);
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        Ran::of(&ran)
    }

    /// As [`Self::run`], where no file can have more than so many blocks.
    pub(crate) async fn limited(&self, blocks: u32, words: &[&str]) -> Ran {
        let mut command = Command::new("sh");
        let shell = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        command.args(["-c", &shell, env!("CARGO_BIN_EXE_edr")]);
        surrounded(&mut command, self.home.path(), words);
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        Ran::of(&ran)
    }

    /// How often each host was made to be contained: tenant and id.
    pub(crate) fn contained(&self) -> BTreeMap<(String, String), usize> {
        self.orders(&["PerformActionV2", "v1/endpoints/isolate"])
    }

    fn orders(&self, operations: &[&str]) -> BTreeMap<(String, String), usize> {
        let mut times = BTreeMap::new();
        let log = self.sim.log();
        for entry in log.iter().filter(|e| operations.iter().any(|o| e.operation.contains(o))) {
            *times.entry((entry.tenant.clone(), entry.target.clone())).or_default() += 1;
        }
        times
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path("state/edr/journal.jsonl")
    }
}

fn command(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edr"));
    surrounded(&mut command, home, words);
    command
}

fn surrounded(command: &mut Command, home: &Path, words: &[&str]) {
    command.args(words).env_clear().stdin(Stdio::null());
    command.env("HOME", home).env("USER", "ann").env("XDG_STATE_HOME", home.join("state"));
    command.env("EDR_CONFIG", home.join("config.toml")).env("TMPDIR", home);
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The records of `-o json`.
    pub(crate) fn records(&self) -> Vec<Value> {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The last line on standard error of `-o json`.
    pub(crate) fn outcome(&self) -> Value {
        let line = self.err.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Refused by this rule.
    #[track_caller]
    pub(crate) fn is_refused(&self, rule: &str) {
        assert_eq!(self.code, Some(6), "{self:?}");
        assert!(self.err.contains(&format!("refused by {rule}:")), "{rule}: {}", self.err);
    }

    /// The same, told to a program.
    #[track_caller]
    pub(crate) fn is_refused_in_json(&self, rule: &str) {
        assert_eq!(self.code, Some(6), "{self:?}");
        assert!(self.err.contains(&format!("refused by {rule}")), "{rule}: {}", self.err);
    }

    #[track_caller]
    pub(crate) fn is_usage(&self, says: &str) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(self.err.contains(says), "{says}: {}", self.err);
    }
}
