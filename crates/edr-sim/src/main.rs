//! The simulator on its own: `edr-sim` is `edr sim serve`.

use std::process::ExitCode;

use clap::Parser;
use edr_sim::{ServeArgs, serve};

/// A simulator of CrowdStrike Falcon and Palo Alto Networks Cortex XDR on loopback
///
/// Prints one line of JSON when it is ready: the address of the control plane and, for each tenant, its address and
/// credentials. A page at the control address shows the estate, the last requests and the faults in force. It stops on
/// SIGINT and SIGTERM.
#[derive(Debug, Parser)]
#[command(name = "edr-sim", version)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "a program says on stderr why it failed")]
async fn main() -> ExitCode {
    match serve(Cli::parse().serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("edr-sim: {error}");
            ExitCode::FAILURE
        }
    }
}
