//! Verbs that change something: on which hosts, what must hold, and why.

use std::path::PathBuf;

use chrono::TimeDelta;
use clap::Args;
use edr::core::{Because, ConnectionState, ContainmentState, Platform};

use super::select::{Terms, words};

/// Which hosts a verb is about. Nothing selected never means everything.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Targets {
    #[command(flatten)]
    pub(crate) terms: Terms,
    /// The host of this alert (repeatable)
    #[arg(long, help_heading = "Selection", value_name = "UID")]
    pub(crate) alert: Vec<String>,
    /// Every host of this platform
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_parser = words(Platform::KNOWN.iter().map(Platform::as_str)), ignore_case = true)]
    pub(crate) platform: Vec<String>,
    /// Every host in this connection state
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_parser = words(ConnectionState::KNOWN.iter().map(ConnectionState::as_str)), ignore_case = true)]
    pub(crate) status: Vec<String>,
    /// Every host in this containment state
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_parser = words(ContainmentState::KNOWN.iter().map(ContainmentState::as_str)), ignore_case = true)]
    pub(crate) containment: Vec<String>,
    /// Hosts that their vendor has not seen for long, too
    #[arg(long, help_heading = "Selection")]
    pub(crate) stale_too: bool,
    /// Shapes the output of a read, and never selects.
    #[arg(long, hide = true)]
    pub(crate) all: bool,
    /// Shapes the output of a read, and never selects.
    #[arg(long, hide = true, value_name = "N")]
    pub(crate) limit: Option<String>,
}

/// Looking before acting, and why.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Plan")]
pub(crate) struct Why {
    /// Print what would happen, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Why; it goes into the journal, and to the vendor where it takes one
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// The ticket that it belongs to
    #[arg(long, value_name = "ID")]
    pub(crate) ticket: Option<String>,
}

impl Why {
    /// As the journal and the vendors get it.
    pub(crate) fn because(&self) -> Because {
        let mut because = Because::new();
        because.reason.clone_from(&self.reason);
        because.ticket.clone_from(&self.ticket);
        because
    }
}

/// A plan for hosts.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Plan")]
pub(crate) struct Planning {
    #[command(flatten)]
    pub(crate) why: Why,
    /// With --dry-run: write the plan to this file, for review, signatures and `edr respond apply`
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    pub(crate) plan_out: Option<PathBuf>,
}

/// Who agrees, and to how much.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Safety")]
pub(crate) struct Guards {
    /// Agree in advance; without a terminal it needs --max-hosts
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Never ask
    #[arg(long)]
    pub(crate) no_input: bool,
    /// Act on at most this many [default: 25]
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) max_hosts: Option<usize>,
    /// Act only if the plan acts on exactly this many
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) confirm: Option<usize>,
    /// Refuse the whole run when something would be left out
    #[arg(long)]
    pub(crate) strict: bool,
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "this is no number".to_owned())
}

/// A verb on hosts.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Act {
    #[command(flatten)]
    pub(crate) targets: Targets,
    #[command(flatten)]
    pub(crate) planning: Planning,
    #[command(flatten)]
    pub(crate) guards: Guards,
    /// Wait until the vendor says what became of each host (--timeout, else 10 minutes)
    #[arg(long)]
    pub(crate) wait: bool,
}

/// `hosts contain`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Contain {
    #[command(flatten)]
    pub(crate) act: Act,
    /// Release the hosts again after this time (30m, 4h, 2d), by `edr respond run`
    #[arg(long = "for", value_name = "DURATION", value_parser = lease, help_heading = "Plan")]
    pub(crate) lease: Option<TimeDelta>,
}

fn lease(text: &str) -> Result<TimeDelta, String> {
    edr::respond::parse_span(text).ok_or_else(|| "write a time such as 30m, 4h or 2d".to_owned())
}

/// `hosts release`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Release {
    #[command(flatten)]
    pub(crate) act: Act,
    /// What this operation contained, and nothing else
    #[arg(long, value_name = "ID", help_heading = "Selection")]
    pub(crate) operation: Option<String>,
    /// With --operation: at most this many of its hosts; run it again for the next
    #[arg(long, value_name = "N", requires = "operation", value_parser = count, help_heading = "Selection")]
    pub(crate) wave: Option<usize>,
}

/// `hosts tag` and `hosts untag`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Tagging {
    /// The tag (repeatable)
    #[arg(long, value_name = "TAG", required = true)]
    pub(crate) tag: Vec<String>,
    #[command(flatten)]
    pub(crate) act: Act,
}

/// `hosts scan`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Scan {
    /// Only this path, where the vendor can (repeatable)
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Vec<String>,
    #[command(flatten)]
    pub(crate) act: Act,
}

/// `hosts kill-process`.
#[derive(Clone, Debug, Args)]
pub(crate) struct KillProcess {
    /// The process by its number on the host
    #[arg(long, value_name = "PID", required_unless_present = "process", conflicts_with = "process")]
    pub(crate) pid: Option<u32>,
    /// The process by the vendor's own id
    #[arg(long, value_name = "UID")]
    pub(crate) process: Option<String>,
    #[command(flatten)]
    pub(crate) act: Act,
}

/// `hosts quarantine-file`.
#[derive(Clone, Debug, Args)]
pub(crate) struct QuarantineFile {
    /// The file on the host
    #[arg(long, value_name = "PATH")]
    pub(crate) path: String,
    /// The digest that it must have
    #[arg(long, value_name = "SHA256")]
    pub(crate) sha256: Option<String>,
    #[command(flatten)]
    pub(crate) act: Act,
}

/// `hosts fetch-file`.
#[derive(Clone, Debug, Args)]
pub(crate) struct FetchFile {
    /// The file on the host
    #[arg(long, value_name = "PATH")]
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) act: Act,
}

/// `hosts run-script`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunScript {
    /// The script that the vendor keeps, by name or id
    #[arg(long, value_name = "NAME|ID")]
    pub(crate) script: String,
    /// A parameter (repeatable); its value is not kept in the journal
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) arg: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) act: Act,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(n, _)| !n.is_empty()).ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) const CONTAIN: &str = "\
Examples:
  edr hosts contain -t acme --host WIN-0042 --reason 'beacon seen' --ticket INC-7
  edr hosts contain --all-tenants --from hosts.csv -n
  edr hosts contain --all-tenants --from hosts.csv --yes --max-hosts 300 --wait --timeout 15m
  edr hosts contain -t acme --host WIN-0042 --for 4h

Ambiguous, unknown, protected and stale hosts are left out and listed, and the exit code is 3; with
--strict one of them refuses the whole run (6). A list is one host a line, or CSV with a header.
Exit codes: 0 all of it, 3 part of it, 6 refused by a rule, 7 --wait ended first, 9 declined.";

pub(super) const RELEASE: &str = "\
Examples:
  edr hosts release -t acme --host WIN-0042
  edr hosts release --all-tenants --operation 019a8b… --wave 10 --yes --max-hosts 10

--operation gives back what that run contained: nothing that was contained before, or by somebody else.";
