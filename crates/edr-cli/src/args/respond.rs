//! `edr respond` and `edr audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::act::Guards;
use super::select::AuditList;

/// Plans and operations.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum RespondCommand {
    /// Apply a plan, or take up an operation that was interrupted
    #[command(after_help = APPLY)]
    Apply(Apply),
    /// Approve a plan with your key; the signature is kept beside it, in PLANFILE.sig
    #[command(after_help = "\
Example:
  openssl genpkey -algorithm ed25519 -out ann.pem
  edr respond sign plan.json --key ann.pem")]
    Sign {
        /// The plan
        #[arg(value_name = "PLANFILE")]
        plan: PathBuf,
        /// The ed25519 private key, in PKCS #8
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Show what became of each host of an operation; the vendors are asked again
    Status {
        /// The operation
        operation: String,
        /// Wait until the vendor says what became of each host (--timeout, else 10 minutes)
        #[arg(long)]
        wait: bool,
        /// Save the files that it has fetched in this folder, as the vendor packs them
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// List operations, the newest first
    List,
    /// Release the leases that are due, and say which are overdue
    Run,
}

const APPLY: &str = "\
Examples:
  edr hosts contain -t acme --from hosts.csv -n --plan-out plan.json
  edr respond sign plan.json --key ann.pem
  edr respond apply plan.json --yes --max-hosts 40 --confirm 38 --wait

A plan names its tenants: -t means nothing here. A plan that was edited, is too old, or whose hosts
are not as it saw them is refused (6). An operation's id goes on where it was interrupted.";

/// `respond apply`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Apply {
    /// The plan's file, or the id of an operation
    #[arg(value_name = "PLANFILE|OPERATION")]
    pub(crate) plan: String,
    /// Signatures from this file, beside those in PLANFILE.sig (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Vec<PathBuf>,
    /// Leave out hosts that are not as the plan saw them, and go on with the others
    #[arg(long)]
    pub(crate) without_moved: bool,
    #[command(flatten)]
    pub(crate) guards: Guards,
    /// Wait until the vendor says what became of each host (--timeout, else 10 minutes)
    #[arg(long)]
    pub(crate) wait: bool,
}

/// The journal, and what the vendors have noted.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum AuditCommand {
    /// List the vendors' own audits: who did what in the console and by the API, what agents report
    #[command(after_help = "\
Cortex XDR: the console's audit, then the reports of agents. CrowdStrike Falcon: installation tokens, then
sessions of Real Time Response; what is done in its console comes by the event stream alone. Each of them
is newest first, and they follow each other: with --limit, name one by --source.

Examples:
  edr audit events --since 24h
  edr audit events --source console --filter 'result = failure'
  edr audit events -t acme --source agent --since 7d -o csv > reports.csv")]
    Events(AuditList),
    /// List the journal's records, the oldest first
    List {
        /// Only this operation
        #[arg(long, value_name = "ID")]
        operation: Option<String>,
    },
    /// Prove that no record was changed, removed or added
    #[command(after_help = "\
Exit code 1 when the journal does not prove itself; the first such line is named. Keep the hash that is
printed elsewhere, such as in the ticket: it proves the journal against somebody who can write its files.")]
    Verify,
}
