//! `edr sim serve`.

use crate::args::SimCommand;
use crate::errors::Failure;
use crate::exit::Exit;

/// Serves until SIGINT or SIGTERM.
pub(super) async fn run(command: SimCommand) -> Result<Exit, Failure> {
    let SimCommand::Serve(args) = command;
    match edr_sim::serve(*args).await {
        Ok(()) => Ok(Exit::Complete),
        Err(error) => Err(Failure::Other(error.to_string())),
    }
}
