//! The command line: names, flags and what they take. Scripts depend on every word here.

pub(crate) mod act;
mod api;
pub(crate) mod change;
mod export;
mod global;
mod identity;
mod iocs;
mod report;
mod respond;
mod select;
pub(crate) mod severity;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use act::{Act, Guards, Planning, Targets, Why};
pub(crate) use api::ApiCall;
pub(crate) use export::{ExportAlerts, ExportCommand, ExportHosts, FileKind, Into, Words};
pub(crate) use global::{ColorEnv, Globals};
pub(crate) use identity::{Explain, Pairing, Review};
pub(crate) use iocs::{FeedArgs, IocBlock, IocDiff, IocGuards, IocHashes, IocPrune, IocPush, IocsCommand};
pub(crate) use report::{CoverageArgs, ReportCommand};
pub(crate) use respond::{Apply, AuditCommand, RespondCommand};
pub(crate) use select::{AlertList, AuditList, CaseList, CaseUpdate, HostList, IocList, Reach, Terms};

/// Hosts and alerts of CrowdStrike Falcon and Palo Alto Cortex XDR, as one estate.
#[derive(Debug, Parser)]
#[command(name = "edr", version, arg_required_else_help = true, max_term_width = 100, after_help = EXAMPLES)]
#[command(propagate_version = false, subcommand_required = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  edr hosts list --demo
  edr alerts list --severity high+ --since 24h
  edr hosts list -t acme --platform windows --last-seen 7d -o csv > hosts.csv
  edr alerts list -o jsonl | jq -r .title
  edr doctor

Exit codes: 0 complete, 1 failed, 2 usage, 3 partial, 4 authentication or permission, 5 not found,
6 refused by a safety rule, 7 --wait ended first, 8 rate limited, 9 declined, 10 a check is not met
or `iocs diff` found a difference, 130 interrupted";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read hosts, and act on them
    #[command(subcommand, arg_required_else_help = true)]
    Hosts(HostsCommand),
    /// Read alerts, and work on them
    #[command(subcommand, arg_required_else_help = true)]
    Alerts(AlertsCommand),
    /// Read cases and work on them
    #[command(subcommand, arg_required_else_help = true)]
    Cases(CasesCommand),
    /// Read the indicators of compromise that the tenants manage, and push feeds of them
    #[command(subcommand, arg_required_else_help = true)]
    Iocs(IocsCommand),
    /// Reports over all tenants
    #[command(subcommand, arg_required_else_help = true)]
    Report(ReportCommand),
    /// Write hosts and alerts into files, by class, tenant and day
    #[command(subcommand, arg_required_else_help = true)]
    Export(ExportCommand),
    /// Plans of response, and what became of them
    #[command(subcommand, arg_required_else_help = true)]
    Respond(RespondCommand),
    /// The journal of everything that was changed, and the vendors' own audits
    #[command(subcommand, arg_required_else_help = true)]
    Audit(AuditCommand),
    /// See and test the tenants of the configuration
    #[command(subcommand, arg_required_else_help = true)]
    Tenants(TenantsCommand),
    /// Send any request to one tenant, and print the answer as it comes
    #[command(after_help = api::EXAMPLES)]
    Api(Box<ApiCall>),
    /// Find out what works for each tenant and what does not, and what to do about it
    #[command(after_help = DOCTOR)]
    Doctor,
    /// Run the simulator of both vendors
    #[cfg(feature = "sim")]
    #[command(subcommand, arg_required_else_help = true)]
    Sim(SimCommand),
    /// Print the completion script of a shell
    #[command(after_help = "Example:\n  edr completions bash > /etc/bash_completion.d/edr")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages into a folder, one a command
    #[command(after_help = "Example:\n  edr man /usr/local/share/man/man1")]
    Man {
        /// The folder; it is made when it is not there
        dir: PathBuf,
    },
}

const DOCTOR: &str = "\
Examples:
  edr doctor
  edr doctor -t acme --timeout 30s
  edr doctor -o jsonl | jq -c 'select(.state == \"failed\")'

Every probe is harmless: nothing is changed, and no listing is read beyond its first row.
Whether hosts and alerts can be read is looked at; the scopes and roles of everything else are
not tried, and stand in docs/TROUBLESHOOTING.md.
Exit code 0 when nothing failed; a warning is no failure. 4 when every tenant fails for its
credentials or permissions; 3 when some tenants work, or failures differ; else 1.";

/// Hosts.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum HostsCommand {
    /// List hosts
    #[command(after_help = HOSTS_LIST)]
    List(HostList),
    /// Show hosts by name or id, from all selected tenants
    #[command(after_help = "\
Examples:
  edr hosts get WIN-0042
  edr hosts get 0f3a5c7e9b1d4f6a8c0e2b4d6f8a1c3e -o json --raw

A name that several hosts have shows all of them. Exit code 5 when nothing is found.")]
    Get(Get),
    /// Say that two hosts are one machine
    #[command(after_help = identity::LINK)]
    Link(Pairing),
    /// Say that two hosts are not one machine
    #[command(after_help = identity::LINK)]
    Unlink(Pairing),
    /// Show why a host is, or is not, one machine with others
    #[command(after_help = identity::EXPLAIN)]
    Explain(Explain),
    /// List pairs of hosts that are nearly one machine, for a person to settle
    #[command(after_help = identity::REVIEW)]
    Review(Review),
    /// Cut hosts off the network, all but their agents
    #[command(after_help = act::CONTAIN)]
    Contain(Box<act::Contain>),
    /// Let contained hosts back onto the network
    #[command(after_help = act::RELEASE)]
    Release(Box<act::Release>),
    /// Put tags on hosts
    Tag(Box<act::Tagging>),
    /// Take tags off hosts
    Untag(Box<act::Tagging>),
    /// Scan hosts for malware
    Scan(Box<act::Scan>),
    /// End a process on hosts
    KillProcess(Box<act::KillProcess>),
    /// Move a file of hosts into the vendor's quarantine
    QuarantineFile(Box<act::QuarantineFile>),
    /// Ask for a file of hosts
    FetchFile(Box<act::FetchFile>),
    /// Run a script on hosts that the vendor keeps
    RunScript(Box<act::RunScript>),
}

const HOSTS_LIST: &str = "\
Examples:
  edr hosts list --platform windows,macos --status offline --last-seen 30d
  edr hosts list --filter 'hostname ~ web*' --filter 'agent.health != ok'
  edr hosts list --merge
  edr hosts list --from names.txt --columns tenant,hostname,last_seen -o csv

A filter is FIELD OP VALUE with OP one of = != ~ > >= < <=, and FIELD a name of the model.
Values given several times or with commas are alternatives; different flags must all hold.";

/// Alerts.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum AlertsCommand {
    /// List alerts, newest first
    #[command(after_help = ALERTS_LIST)]
    List(AlertList),
    /// Show alerts by id, from all selected tenants
    #[command(after_help = "\
Example:
  edr alerts get 4711 -t globex

The page has the tree of processes, ATT&CK techniques and evidence. Exit code 5 when nothing is found.")]
    Get(Get),
    /// Assign alerts to somebody
    Assign(Box<change::Assign>),
    /// Comment on alerts
    Comment(Box<change::Comment>),
    /// Close alerts, with a verdict
    #[command(after_help = change::CLOSE)]
    Close(Box<change::Close>),
    /// Put tags on alerts, or take them off
    Tag(Box<change::Labels>),
}

const ALERTS_LIST: &str = "\
Examples:
  edr alerts list --severity high+ --status new --since 24h
  edr alerts list --host WIN-0042 --all
  edr alerts list --group --since 24h
  edr alerts list --filter 'title ~ powershell' -o jsonl

A filter is FIELD OP VALUE with OP one of = != ~ > >= < <=, and FIELD a name of the model.
Values given several times or with commas are alternatives; different flags must all hold.";

/// Cases.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum CasesCommand {
    /// List cases (Cortex XDR 3: incidents), newest first
    #[command(after_help = CASES_LIST)]
    List(CaseList),
    /// Show cases by id, from all selected tenants
    #[command(after_help = "Example:\n  edr cases get 4711 -t globex\n\nExit code 5 when nothing is found.")]
    Get(Get),
    /// Change cases of one tenant, named one by one
    #[command(after_help = CASES_UPDATE)]
    Update(Box<CaseUpdate>),
}

const CASES_LIST: &str = "\
Examples:
  edr cases list --severity high+ --status new --since 7d
  edr cases list --filter 'hosts = WIN-0042' -o jsonl

A filter is FIELD OP VALUE with OP one of = != ~ > >= < <=, and FIELD a name of the model.
Values given several times or with commas are alternatives; different flags must all hold.";

const CASES_UPDATE: &str = "\
Examples:
  edr cases update 4711 -t globex --status in_progress --assignee ann@globex.example
  edr cases update 4711 4712 -t globex --status resolved --verdict test -y --max-hosts 2

What a vendor cannot express is refused before anything is sent, and what it can express only
nearly, too, unless --nearest. `accepted` means that the vendor took the request. --max-hosts and
--confirm count cases here.
Exit codes: 0 all of it, 3 part of it, 5 not found, 6 refused by a rule, 9 declined.";

/// What `get` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// What to show, exact
    #[arg(required = true, value_name = "NAME|ID")]
    pub(crate) terms: Vec<String>,
    /// Add the vendor's own JSON to each record (json, jsonl, yaml, ocsf, ecs)
    #[arg(long)]
    pub(crate) raw: bool,
}

/// The tenants.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum TenantsCommand {
    /// List the tenants of the configuration; nothing is sent
    List,
    /// Write the children of Flight Control parents into the configuration
    #[command(after_help = IMPORT)]
    Import {
        /// Print what would be added, and write nothing
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
    /// Test address, credentials and permissions of each tenant
    #[command(after_help = "Exit code 4 when every failure is one of credentials or permissions.")]
    Test,
}

const IMPORT: &str = "\
Examples:
  edr tenants import --children-of acme --dry-run
  edr tenants import --children-of acme

Without --children-of: of every tenant with `children = true`. Each child becomes a table
[tenants.\"acme/NAME\"] with its member_cid; everything else is its parent's. What is in the
configuration stays as it is, and a child that is there is not added again.";

/// The simulator.
#[cfg(feature = "sim")]
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum SimCommand {
    /// Serve both vendors on loopback until interrupted
    #[command(after_help = "\
Example:
  edr sim serve --falcon-hosts 5000 --cortex-hosts 2000 --write-config sim.toml &
  edr --config sim.toml hosts list

One JSON line on standard output says when everything is ready, and where.")]
    Serve(Box<edr_sim::ServeArgs>),
}

#[cfg(test)]
mod tests;
