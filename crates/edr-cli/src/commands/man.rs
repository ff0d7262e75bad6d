//! `edr man DIR`.

use std::path::Path;

use clap::CommandFactory as _;

use crate::args::Cli;
use crate::errors::Failure;
use crate::exit::Exit;

/// Writes a page for each command.
pub(super) fn run(dir: &Path) -> Result<Exit, Failure> {
    let write = || {
        std::fs::create_dir_all(dir)?;
        clap_mangen::generate_to(Cli::command(), dir)
    };
    write().map_err(|e| Failure::Other(format!("{} cannot be written: {e}", dir.display())))?;
    Ok(Exit::Complete)
}
