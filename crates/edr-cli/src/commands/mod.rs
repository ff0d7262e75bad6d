//! One file a command.

mod alerts;
mod completions;
mod doctor;
mod get;
mod hosts;
mod man;
#[cfg(feature = "sim")]
mod sim;
mod tenants;

use crate::args::{Cli, Command, Globals};
use crate::context::Context;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::interrupt::Interrupt;

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> Result<Exit, Failure> {
    let Cli { globals, command } = cli;
    let context = |globals| Context::new(globals, Interrupt::listen());
    match command {
        Command::Doctor => doctor::run(context(globals)).await,
        Command::Hosts(command) => hosts::run(context(globals), command).await,
        Command::Alerts(command) => alerts::run(context(globals), command).await,
        Command::Tenants(command) => tenants::run(context(globals), command).await,
        command => local(&globals, command).await,
    }
}

/// Commands that read no tenant.
async fn local(globals: &Globals, command: Command) -> Result<Exit, Failure> {
    if let Some(flag) = globals.misplaced() {
        return Err(Failure::usage(format!("{flag} means nothing to this command")));
    }
    match command {
        #[cfg(feature = "sim")]
        Command::Sim(command) => sim::run(command).await,
        Command::Completions { shell } => completions::run(shell),
        Command::Man { dir } => man::run(&dir),
        Command::Alerts(_) | Command::Doctor | Command::Hosts(_) | Command::Tenants(_) => Ok(Exit::Complete),
    }
}
