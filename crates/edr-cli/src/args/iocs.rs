//! Verbs on indicators: which feed, in whose name, how much at most, and why.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use edr::core::{IocAction, Severity};
use edr::iocs::Owner;

use super::IocList;
use super::select::words;

/// Indicators.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum IocsCommand {
    /// List indicators; Cortex XDR lists its rules on XDR 5 alone
    #[command(after_help = "\
Examples:
  edr iocs list --type domain,ipv4 --action detect
  edr iocs list --filter 'expiration < 2027-01-01' -o csv")]
    List(IocList),
    /// Show what a push of a feed would change; exit code 10 when there is a difference
    #[command(after_help = "\
Examples:
  edr iocs diff feed.csv
  edr iocs diff bundle.json -t acme -o jsonl | jq -c 'select(.step != \"leave\")'

What is in the tenant with the owner's mark and not in the feed is to be removed: `prune` does that.")]
    Diff(IocDiff),
    /// Push a feed: CSV, JSON, JSON Lines, or a STIX 2.1 bundle
    #[command(after_help = PUSH)]
    Push(Box<IocPush>),
    /// Take away what carries the owner's mark and is over, or is not in a feed any more
    #[command(after_help = "\
Examples:
  edr iocs prune --expired --mine --all-tenants -n
  edr iocs prune --not-in feed.csv --mine -t acme --owner misp --yes --max-iocs 100

What somebody else put there is never touched.")]
    Prune(IocPrune),
    /// Block files by their SHA-256, or their MD5 where the vendor takes one
    #[command(after_help = BLOCK)]
    Block(IocBlock),
    /// Take files off the blocks that `edr iocs block` made
    #[command(after_help = "\
Example:
  edr iocs unblock 0f3a… --all-tenants --yes --confirm 2

Only blocks with the owner's mark are taken away; one that somebody else made is listed as refused.")]
    Unblock(IocHashes),
}

const PUSH: &str = "\
Examples:
  edr iocs push feed.csv --all-tenants -n
  edr iocs push feed.csv -t acme -t globex --action block --owner misp --yes --max-iocs 500
  curl -s https://feeds.example/c2.json | edr iocs push - -t acme --yes --max-iocs 5000

A row that cannot be taken is listed with its line, and the rest proceeds. What a vendor cannot
express is listed as not_expressible, for that vendor alone. `added` and `changed` mean that it was
read back; `accepted` that the vendor took it and lets nobody read it.
Exit codes: 0 all of it, 3 part of it, 6 refused by a rule, 9 declined.";

const BLOCK: &str = "\
Example:
  edr iocs block 0f3a… --all-tenants --reason 'ransomware' --ticket INC-7 --yes --confirm 2

Falcon gets an indicator with the action prevent; Cortex XDR gets the file on its blocklist, which
takes SHA-256 alone and can be read by nobody: such a block is `accepted`.
Exit codes: 0 all of it, 3 part of it, 6 refused by a rule, 9 declined.";

/// In whose name.
#[derive(Clone, Debug, Args)]
pub(crate) struct Ownership {
    /// Whose indicators these are: the mark edr:NAME
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = owner)]
    pub(crate) owner: Owner,
}

fn owner(text: &str) -> Result<Owner, String> {
    Owner::new(text).ok_or_else(|| "at most 32 small letters, digits, '.', '_' and '-'".to_owned())
}

/// How a feed is read.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Feed")]
pub(crate) struct FeedArgs {
    /// This action for every row, whatever it says [rows that say nothing: detect]
    #[arg(long, value_parser = words(["detect", "block", "allow", "monitor"].into_iter()), ignore_case = true)]
    pub(crate) action: Option<String>,
    /// This severity for every row, whatever it says
    #[arg(long, value_parser = words(Severity::KNOWN.iter().map(Severity::as_str)), ignore_case = true)]
    pub(crate) severity: Option<String>,
    /// When rows end that do not say it: never, a time, a date, or a span such as 90d, which ends with its day
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<String>,
    /// Take private addresses, names that everybody needs, and digests of nothing, too
    #[arg(long)]
    pub(crate) force: bool,
    /// Change indicators without the owner's mark, too, and give them the mark
    #[arg(long)]
    pub(crate) adopt: bool,
}

impl FeedArgs {
    /// The action for every row.
    pub(crate) fn action(&self) -> Option<IocAction> {
        self.action.as_deref().map(IocAction::from)
    }
}

/// Who agrees, to how much, and why.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Safety")]
pub(crate) struct IocGuards {
    /// Print what would be done, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Agree in advance
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Never ask
    #[arg(long)]
    pub(crate) no_input: bool,
    /// Change at most this many indicators, over all tenants [default: 1000]; without a terminal --yes needs this or --confirm
    #[arg(long, value_name = "N")]
    pub(crate) max_iocs: Option<usize>,
    /// Act only if exactly this many indicators would change
    #[arg(long, value_name = "N")]
    pub(crate) confirm: Option<usize>,
    /// Why; it goes into the journal
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// The ticket that it belongs to
    #[arg(long, value_name = "ID")]
    pub(crate) ticket: Option<String>,
}

/// `iocs diff`.
#[derive(Clone, Debug, Args)]
pub(crate) struct IocDiff {
    /// The feed (`-`: standard input)
    pub(crate) feed: PathBuf,
    #[command(flatten)]
    pub(crate) reading: FeedArgs,
    #[command(flatten)]
    pub(crate) ownership: Ownership,
}

/// `iocs push`.
#[derive(Clone, Debug, Args)]
pub(crate) struct IocPush {
    /// The feed (`-`: standard input)
    pub(crate) feed: PathBuf,
    #[command(flatten)]
    pub(crate) reading: FeedArgs,
    #[command(flatten)]
    pub(crate) ownership: Ownership,
    #[command(flatten)]
    pub(crate) guards: IocGuards,
}

/// `iocs prune`.
#[derive(Clone, Debug, Args)]
pub(crate) struct IocPrune {
    /// What is over
    #[arg(long, required_unless_present = "not_in")]
    pub(crate) expired: bool,
    /// What is not in this feed
    #[arg(long, value_name = "FEED")]
    pub(crate) not_in: Option<PathBuf>,
    /// Only what carries the owner's mark; there is no other way
    #[arg(long, required = true)]
    pub(crate) mine: bool,
    #[command(flatten)]
    pub(crate) ownership: Ownership,
    #[command(flatten)]
    pub(crate) guards: IocGuards,
}

/// `iocs block`.
#[derive(Clone, Debug, Args)]
pub(crate) struct IocBlock {
    /// When the block ends; Cortex XDR keeps no end, and `edr iocs prune --expired` keeps it
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<String>,
    #[command(flatten)]
    pub(crate) hashes: IocHashes,
}

/// `iocs unblock`, and what `iocs block` has in common with it.
#[derive(Clone, Debug, Args)]
pub(crate) struct IocHashes {
    /// The SHA-256 or MD5 of each file
    #[arg(required = true, value_name = "HASH")]
    pub(crate) hashes: Vec<String>,
    #[command(flatten)]
    pub(crate) ownership: Ownership,
    #[command(flatten)]
    pub(crate) guards: IocGuards,
}
