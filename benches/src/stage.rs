//! The processes of the measurement: the shelf, the simulator, and one process for each run of a contender.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::{Outcome, machine, now};

/// How often a process is looked at whose memory is measured from outside.
const LOOK: Duration = Duration::from_millis(5);

/// What one run took.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Run {
    /// How many hosts came.
    pub items: u64,
    /// How long it took, without the start of the process.
    pub ms: f64,
    /// The most memory that the process had, in KiB.
    pub peak_kib: u64,
    /// How many requests the server had.
    #[serde(default)]
    pub requests: u64,
    /// How many bytes of bodies it sent.
    #[serde(default)]
    pub bytes: u64,
    /// How many requests it refused with 429.
    #[serde(default)]
    pub refused: u64,
}

/// A command that sees no proxy.
#[must_use]
pub fn command(program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    let proxies = std::env::vars_os().map(|(name, _)| name);
    proxies.filter(|n| n.to_string_lossy().to_lowercase().ends_with("_proxy")).for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// Runs a contender, which prints its [`Run`] as its last line.
///
/// # Errors
/// When it fails, or prints something else.
pub fn run(program: &Path, arguments: &[String]) -> Outcome<Run> {
    let output = command(program).args(arguments).stderr(Stdio::piped()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} {arguments:?}: {}: {why}", program.display(), output.status).into());
    }
    Ok(serde_json::from_str(text.lines().last().unwrap_or_default())?)
}

/// Runs a command whose output nobody reads, and looks at its memory from outside.
///
/// # Errors
/// When it fails.
pub fn watch(command: &mut Command) -> Outcome<Run> {
    let began = now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut run = Run::default();
    let status = loop {
        run.peak_kib = machine::peak_kib_of(child.id()).unwrap_or_default().max(run.peak_kib);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    run.ms = began.elapsed().as_secs_f64() * 1e3;
    if status.success() { Ok(run) } else { Err(format!("{command:?}: {status}").into()) }
}

/// One request to a control plane on loopback.
fn ask(address: &str, path: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end")?;
    if head.starts_with("HTTP/1.1 200") { Ok(body.to_owned()) } else { Err(format!("{path}: {head}").into()) }
}

/// The shelf, served by a process that ends with this one.
#[derive(Debug)]
pub struct ShelfServer {
    child: Child,
    /// Where it listens, without the scheme.
    pub address: String,
}

impl ShelfServer {
    /// Starts it with so many hosts of each vendor.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(falcon: u64, cortex: u64) -> Outcome<Self> {
        let mut command = command(std::env::current_exe()?);
        let command = command.args(["serve", &falcon.to_string(), &cortex.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let line = first_line(&mut child)?;
        let address = line.trim().strip_prefix("http://").ok_or("the shelf did not start")?.to_owned();
        Ok(Self { child, address })
    }

    /// The delay before every answer.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn latency(&self, ms: u64) -> Outcome<()> {
        ask(&self.address, &format!("/shelf/latency/{ms}")).map(drop)
    }

    /// How many hosts each tenant shows at most.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn show(&self, hosts: u64) -> Outcome<()> {
        ask(&self.address, &format!("/shelf/show/{hosts}")).map(drop)
    }

    /// Requests and bytes since the last time.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn counted(&self) -> Outcome<(u64, u64)> {
        let answer = ask(&self.address, "/shelf/counted")?;
        let (requests, bytes) = answer.trim().split_once(' ').ok_or("counts are expected")?;
        Ok((requests.parse()?, bytes.parse()?))
    }

    /// A configuration of tenants that live here; nothing but the vendors' hosts bounds their pace.
    #[must_use]
    pub fn config(&self, falcon: u64, cortex: u64) -> String {
        let base = format!("base_url = \"http://{}\"", self.address);
        let falcons = (0..falcon).map(|n| {
            format!("[tenants.falcon-{n}]\nvendor = \"falcon\"\n{base}\nclient_id = \"id-{n}\"\nclient_secret = \"secret\"\n")
        });
        let cortexes = (0..cortex).map(|n| {
            let keys = "api_key = \"key\"\nkey_type = \"advanced\"\ngeneration = 3\nrequests_per_second = 0";
            format!("[tenants.cortex-{n}]\nvendor = \"cortex\"\n{base}\napi_key_id = \"{n}\"\n{keys}\n")
        });
        falcons.chain(cortexes).collect()
    }
}

impl Drop for ShelfServer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// `edr sim serve`, and the configuration that it wrote.
#[derive(Debug)]
pub struct SimServer {
    child: Child,
    control: String,
    /// The configuration.
    pub config: PathBuf,
    _folder: tempfile::TempDir,
}

impl SimServer {
    /// Starts the simulator of this `edr` with these flags.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(edr: &Path, flags: &[&str]) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("sim.toml");
        let mut command = command(edr);
        command.args(["sim", "serve", "--alerts", "0", "--write-config"]).arg(&config).args(flags);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let ready: Value = serde_json::from_str(&first_line(&mut child)?)?;
        let control = ready["control"].as_str().and_then(|url| url.strip_prefix("http://"));
        let control = control.ok_or("the simulator told no control address")?.to_owned();
        Ok(Self { child, control, config, _folder: folder })
    }

    /// How many requests there were, and how many of the last ones were refused with 429.
    ///
    /// # Errors
    /// When the simulator is gone.
    pub fn counted(&self) -> Outcome<(u64, u64)> {
        let report: Value = serde_json::from_str(&ask(&self.control, "/sim/requests")?)?;
        let last = report["last"].as_array().ok_or("requests are expected")?;
        let refused = last.iter().filter(|request| request["status"] == 429).count();
        Ok((report["total"].as_u64().unwrap_or_default(), refused as u64))
    }
}

impl Drop for SimServer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn first_line(child: &mut Child) -> Outcome<String> {
    let mut line = String::new();
    let stdout = child.stdout.as_mut().ok_or("no standard output")?;
    BufReader::new(stdout).read_line(&mut line)?;
    if line.is_empty() { Err(format!("it did not start: {}", child.wait()?).into()) } else { Ok(line) }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
