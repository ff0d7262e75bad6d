//! `edr completions SHELL`.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::errors::Failure;
use crate::exit::Exit;

/// Prints the script. It is made in memory first: a pipe that closes is no failure.
pub(super) fn run(shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "edr", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Exit::Complete)
}
