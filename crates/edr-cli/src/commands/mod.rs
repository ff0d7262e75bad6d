//! One file a command.

mod alerts;
mod api;
mod audit;
mod cases;
mod census;
mod completions;
mod doctor;
mod export;
mod get;
mod groups;
mod hosts;
mod iocs;
mod man;
mod merge;
mod pairs;
mod report;
mod respond;
#[cfg(feature = "sim")]
mod sim;
mod tenants;

use std::time::Duration;

use edr::core::User;

use crate::args::{Cli, Command, Globals, Reach};
use crate::context::Context;
use crate::errors::Failure;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::listing::FIRST;
use crate::report::Report;

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> Result<Exit, Failure> {
    let Cli { globals, command } = cli;
    let context = |globals: Globals| {
        let interrupt = Interrupt::listen();
        if let Some(timeout) = globals.timeout {
            let json = globals.format(false).is_json();
            interrupt.expire(timeout, move || Report::new(json, false).failure(&expired(timeout)));
        }
        Context::new(globals, interrupt)
    };
    if globals.wants_html() && !matches!(command, Command::Report(_)) {
        return Err(Failure::usage("-o html is for reports"));
    }
    match command {
        Command::Api(call) => api::run(context(globals), *call).await,
        Command::Doctor => doctor::run(context(globals)).await,
        Command::Hosts(command) => hosts::run(context(globals), command).await,
        Command::Alerts(command) => alerts::run(context(globals), command).await,
        Command::Cases(command) => cases::run(context(globals), command).await,
        Command::Iocs(command) => iocs::run(context(globals), command).await,
        Command::Export(command) => export::run(context(globals), command).await,
        Command::Report(command) => report::run(context(globals), command).await,
        Command::Respond(command) => respond::run(context(globals), command).await,
        Command::Audit(command) => audit::run(context(globals), command).await,
        Command::Tenants(command) => tenants::run(context(globals), command).await,
        command => local(&globals, command).await,
    }
}

/// How many rows a table of gathered things has.
fn most(context: &Context, reach: Reach) -> usize {
    let limit = reach.limit.or_else(|| (context.is_short() && !reach.all).then_some(FIRST));
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Ids as they are meant, each once.
fn uids(words: &[String]) -> Result<Vec<String>, Failure> {
    let mut uids: Vec<String> = Vec::new();
    for word in words.iter().map(|word| word.trim()) {
        if word.is_empty() {
            return Err(Failure::usage("an empty id selects nothing"));
        }
        if !uids.iter().any(|uid| uid == word) {
            uids.push(word.to_owned());
        }
    }
    Ok(uids)
}

/// A user of the console: an e-mail address, or the name of an account.
fn user(who: &str) -> User {
    let who = who.trim();
    let email = who.contains('@').then(|| who.to_owned());
    let name = email.is_none().then(|| who.to_owned());
    User { email, name, ..User::default() }
}

fn expired(timeout: Duration) -> Failure {
    let message = format!("the {timeout:.0?} for the whole command ran out; the output ends where it was");
    let error = edr::Error::new(edr::ErrorKind::Timeout, message);
    Failure::Estate(error.with_hint("raise --timeout; or see what holds standard input or output"))
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
        Command::Alerts(_)
        | Command::Api(_)
        | Command::Audit(_)
        | Command::Cases(_)
        | Command::Doctor
        | Command::Export(_)
        | Command::Hosts(_)
        | Command::Iocs(_)
        | Command::Report(_)
        | Command::Respond(_)
        | Command::Tenants(_) => Ok(Exit::Complete),
    }
}
