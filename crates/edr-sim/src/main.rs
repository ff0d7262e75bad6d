//! The simulator on its own: `edr-sim` is `edr sim serve`.

use std::process::ExitCode;

use clap::Parser;
use edr_sim::{ServeArgs, serve};

/// A simulator of CrowdStrike Falcon and Palo Alto Networks Cortex XDR on loopback.
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
