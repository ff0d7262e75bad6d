//! `edr export`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use edr::core::{AlertStatus, ConnectionState, ContainmentState, Platform};

use super::select::words;
use super::severity::SeverityChoice;

/// What is exported.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum ExportCommand {
    /// Write hosts into files
    #[command(after_help = HOSTS)]
    Hosts(Box<ExportHosts>),
    /// Write alerts into files
    #[command(after_help = ALERTS)]
    Alerts(Box<ExportAlerts>),
}

const HOSTS: &str = "\
Examples:
  edr export hosts --format ocsf --to lake --file-format parquet --region eu-central-1
  edr export hosts --format native --to out --platform windows --online

A host's row is of the day on which it was read; in ECS, of the day on which it changed last.
The same command again on the same day replaces what it has written. docs/EXPORT.md has all of it.";

const ALERTS: &str = "\
Examples:
  edr export alerts --format ocsf --to lake --since 2026-01-07 --until 2026-01-08 --file-format parquet
  edr export alerts --format ecs --to out --severity high+ --file-format jsonl.gz

The same command again replaces what it has written; --since and --until with dates cut time into pieces
that never overlap. Exit code 3 when a tenant was not read to its end: the manifest says which.
docs/EXPORT.md has all of it.";

/// Where to, and as what.
#[derive(Clone, Debug, Args)]
pub(crate) struct Into {
    /// In whose words
    #[arg(long, help_heading = "Files", value_enum, value_name = "FORMAT")]
    pub(crate) format: Words,
    /// The folder; it is made when it is not there
    #[arg(long, help_heading = "Files", value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// In what kind of file
    #[arg(long, help_heading = "Files", value_enum, value_name = "KIND", default_value_t = FileKind::Jsonl)]
    pub(crate) file_format: FileKind,
    /// The region in the paths: the one of the data lake
    #[arg(long, help_heading = "Files", value_name = "REGION", default_value = "local")]
    pub(crate) region: String,
    /// Keep the vendor's own JSON (raw, raw_data or event.original)
    #[arg(long, help_heading = "Files")]
    pub(crate) raw: bool,
}

/// In whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Words {
    /// Open Cybersecurity Schema Framework 1.8.0
    Ocsf,
    /// Elastic Common Schema 9
    Ecs,
    /// The records of -o jsonl
    Native,
}

/// In what kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileKind {
    /// One JSON object a line
    Jsonl,
    /// The same, compressed with gzip
    #[value(name = "jsonl.gz")]
    JsonlGzip,
    /// Apache Parquet, compressed with Snappy
    #[cfg(feature = "parquet")]
    Parquet,
}

/// `export hosts`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportHosts {
    #[command(flatten)]
    pub(crate) into: Into,
    /// Only what passes FIELD OP VALUE (repeatable: all must hold)
    #[arg(long, help_heading = "Selection", value_name = "EXPR")]
    pub(crate) filter: Vec<String>,
    /// Only this platform
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_parser = words(Platform::KNOWN.iter().map(Platform::as_str)), ignore_case = true)]
    pub(crate) platform: Vec<String>,
    /// Only this connection state
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_parser = words(ConnectionState::KNOWN.iter().map(ConnectionState::as_str)), ignore_case = true)]
    pub(crate) status: Vec<String>,
    /// Only this containment state
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_parser = words(ContainmentState::KNOWN.iter().map(ContainmentState::as_str)), ignore_case = true)]
    pub(crate) containment: Vec<String>,
    /// Only hosts seen since: an age (7d, 24h), a date or RFC 3339
    #[arg(long, help_heading = "Selection", value_name = "TIME")]
    pub(crate) last_seen: Option<String>,
    /// Ask whether each host is online, where that costs calls of its own
    #[arg(long, help_heading = "Selection")]
    pub(crate) online: bool,
}

/// `export alerts`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportAlerts {
    #[command(flatten)]
    pub(crate) into: Into,
    /// Only what passes FIELD OP VALUE (repeatable: all must hold)
    #[arg(long, help_heading = "Selection", value_name = "EXPR")]
    pub(crate) filter: Vec<String>,
    /// Only these severities: high+ means high and above
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_name = "SEVERITY[+]")]
    pub(crate) severity: Vec<SeverityChoice>,
    /// Only alerts that stand here
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_parser = words(AlertStatus::KNOWN.iter().map(AlertStatus::as_str)), ignore_case = true)]
    pub(crate) status: Vec<String>,
    /// Only alerts stored since: an age (24h, 7d), a date or RFC 3339
    #[arg(long, help_heading = "Selection", value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only alerts stored before
    #[arg(long, help_heading = "Selection", value_name = "TIME")]
    pub(crate) until: Option<String>,
}
