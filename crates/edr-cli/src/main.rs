//! `edr`: CrowdStrike Falcon and Palo Alto Networks Cortex XDR as one estate.

mod act;
mod args;
mod commands;
mod context;
#[cfg(feature = "sim")]
mod demo;
mod errors;
mod exit;
mod interrupt;
mod listing;
mod logging;
mod outcome;
mod output;
mod report;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;

use args::Cli;
use errors::Failure;
use exit::Exit;
use report::Report;

fn main() -> ExitCode {
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error).into(),
    };
    cli.globals.debug |= asks_debug(std::env::var("EDR_DEBUG").ok().as_deref());
    let json = cli.globals.format(false).is_json();
    let timed = cli.globals.timeout.is_some();
    logging::start(cli.globals.verbose, cli.globals.debug, json);
    let exit = run(cli).unwrap_or_else(|failure| {
        if !failure.is_broken_pipe() {
            Report::new(json, false).failure(&failure);
        }
        failure.exit(timed)
    });
    exit.into()
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Other(format!("the program cannot start: {e}")))?;
    let exit = runtime.block_on(commands::run(cli));
    // Requests that are still under way are not waited for.
    runtime.shutdown_background();
    exit
}

/// Help and version are no mistake; a mistake is told in the form that was asked for.
fn refuse(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Complete;
    }
    if asks_json(std::env::args()) {
        let text = error.to_string();
        let cause = text.split("\n\n").next().unwrap_or_default();
        let cause = cause.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
        let failure = Failure::Usage(cause, Some("see --help".to_owned()));
        Report::new(true, false).failure(&failure);
    } else {
        let _ = error.print();
    }
    Exit::Usage
}

/// `EDR_DEBUG=1`; nothing, `0` and `false` mean no.
fn asks_debug(value: Option<&str>) -> bool {
    value
        .is_some_and(|v| !matches!(v.trim().to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off"))
}

/// Whether `-o json` or `-o jsonl` stands on a command line that cannot be read.
fn asks_json(words: impl Iterator<Item = String>) -> bool {
    let words: Vec<String> = words.collect();
    let is_json = |w: &str| matches!(w, "ecs" | "json" | "jsonl" | "ocsf");
    let joined = |w: &str| ["--output=", "-o=", "-o"].iter().any(|p| w.strip_prefix(p).is_some_and(is_json));
    let apart = |pair: &[String]| matches!(pair[0].as_str(), "-o" | "--output") && is_json(&pair[1]);
    words.iter().any(|w| joined(w)) || words.windows(2).any(apart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_may_ask_for_the_wire_log() {
        assert!(["1", "true", "yes"].into_iter().all(|v| asks_debug(Some(v))));
        assert!([None, Some(""), Some("0"), Some("False")].into_iter().all(|v| !asks_debug(v)));
    }

    #[test]
    fn a_broken_line_may_still_ask_for_json() {
        let asks = |line: &str| asks_json(line.split(' ').map(str::to_owned));
        assert!(asks("edr hosts list -o json --limit 0"));
        assert!(asks("edr hosts list -ojsonl --limit 0"));
        assert!(asks("edr hosts list --output=json --bad"));
        assert!(!asks("edr hosts list -o csv json"));
    }
}
