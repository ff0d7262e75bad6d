//! The parts of the measurement, in the order of the page.

use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::race::{Contender, Series};
use crate::sizes::Sizes;
use crate::stage::ShelfServer;

pub mod cortex;
pub mod falcon;
pub mod micro;
pub mod process;
pub mod tenants;

/// The delays before every answer, in milliseconds.
pub const LATENCIES: [u64; 4] = [0, 20, 100, 300];

/// The floor.
const UNREAD: &str = "the same bytes, unread";
/// The floor of whoever decodes whole bodies.
const GATHERED: &str = "the same bytes, unread, page by page";
/// The library.
const EDR: &str = "**edr**";

/// What the parts share.
#[derive(Debug)]
pub struct Bench {
    /// How much is measured.
    pub sizes: Sizes,
    /// The shelf.
    pub shelf: ShelfServer,
    /// The released command line, where it is built.
    pub edr: Option<PathBuf>,
    /// This program with mimalloc, where it is built.
    pub mimalloc: Option<PathBuf>,
    /// Where the peers are.
    pub peers: Peers,
    /// A folder for configurations.
    pub folder: tempfile::TempDir,
}

/// The peers, where they are installed; `benches/run` says where in the environment.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// The Python of the virtual environment (`EDR_PEERS_PYTHON`).
    pub python: Option<PathBuf>,
    /// The folder of the Rust peers' programs (`EDR_PEERS_RUST`).
    pub rust: Option<PathBuf>,
}

impl Peers {
    /// As the environment has them.
    #[must_use]
    pub fn of_environment() -> Self {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
        Self { python: path("EDR_PEERS_PYTHON"), rust: path("EDR_PEERS_RUST") }
    }
}

impl Bench {
    /// Another mode of this program as a contender.
    fn own(name: &str, arguments: &[&str]) -> Outcome<Contender> {
        Ok(Contender::new(name, std::env::current_exe()?, arguments).promised())
    }

    /// A configuration of so many tenants of each vendor.
    fn config(&self, falcon: u64, cortex: u64) -> Outcome<String> {
        let path = self.folder.path().join(format!("{falcon}-{cortex}.toml"));
        std::fs::write(&path, self.shelf.config(falcon, cortex))?;
        Ok(path.display().to_string())
    }

    /// The library with the system's allocator.
    fn library(&self, falcon: u64, cortex: u64) -> Outcome<Contender> {
        Self::own(EDR, &["list", &self.config(falcon, cortex)?])
    }

    /// The same bytes unread: dropped as they arrive, or page by page.
    fn unread(&self, name: &str, falcon: u64, cortex: u64, hosts: u64) -> Outcome<Contender> {
        let mode = if name == GATHERED { "gathered" } else { "unread" };
        let numbers = [falcon, cortex, hosts].map(|n| n.to_string());
        Self::own(name, &[mode, &self.shelf.address, &numbers[0], &numbers[1], &numbers[2]])
    }

    /// A peer in Rust.
    fn rust(&self, name: &str, program: &str, way: &str) -> Option<Contender> {
        let program = self.peers.rust.as_ref()?.join(program);
        let base = format!("http://{}", self.shelf.address);
        Some(Contender::new(name, program, &[way, &base, "id", "secret"]))
    }

    /// A peer in Python.
    fn python(&self, name: &str, way: &str) -> Option<Contender> {
        let python = self.peers.python.as_ref()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/python/list.py");
        let base = format!("http://{}", self.shelf.address);
        Some(Contender::new(name, python, &[&script.display().to_string(), way, &base]))
    }
}

/// The series of this name.
fn named<'a>(series: &'a [Series], name: &str) -> Option<&'a Series> {
    series.iter().find(|s| s.name == name)
}
