//! What is selected, and how much of it is shown.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use edr::core::{
    AlertStatus, AuditSource, CaseStatus, ConnectionState, ContainmentState, IocAction, IocType, Platform,
    Severity, Verdict,
};

use super::act::{Guards, Why};
use super::severity::SeverityChoice;

/// Which things by name.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct Terms {
    /// Only this host, by name, id or address (repeatable)
    #[arg(long, value_name = "NAME|ID", value_delimiter = ',')]
    pub(crate) host: Vec<String>,
    /// Only the hosts in this file (`-`: standard input): names, ids, addresses, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<String>,
    /// Only what passes FIELD OP VALUE (repeatable: all must hold)
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Vec<String>,
}

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Reach {
    /// At most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Everything; a table on a terminal shows the first 100 otherwise
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
    /// Add the vendor's own JSON to each record (json, jsonl, yaml, ocsf, ecs)
    #[arg(long)]
    pub(crate) raw: bool,
}

/// `hosts list`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct HostList {
    #[command(flatten)]
    pub(crate) terms: Terms,
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
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Ask whether each host is online, where that costs calls of its own and is not done by itself
    #[arg(long, help_heading = "Output")]
    pub(crate) online: bool,
    /// One row a machine, with all its agents
    #[arg(long, help_heading = "Output", conflicts_with_all = ["host", "from"])]
    pub(crate) merge: bool,
}

/// `alerts list`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AlertList {
    #[command(flatten)]
    pub(crate) terms: Terms,
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
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// One row a group: the alerts of both vendors about one activity on one machine
    #[arg(long, help_heading = "Output", conflicts_with_all = ["host", "from"])]
    pub(crate) group: bool,
}

/// `audit events`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AuditList {
    /// Only what passes FIELD OP VALUE (repeatable: all must hold)
    #[arg(long, help_heading = "Selection", value_name = "EXPR")]
    pub(crate) filter: Vec<String>,
    /// Only these of the vendors' records
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_parser = words(AuditSource::KNOWN.iter().map(AuditSource::as_str)), ignore_case = true)]
    pub(crate) source: Vec<String>,
    /// Only what happened since: an age (24h, 7d), a date or RFC 3339
    #[arg(long, help_heading = "Selection", value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only what happened before
    #[arg(long, help_heading = "Selection", value_name = "TIME")]
    pub(crate) until: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// `cases list`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CaseList {
    /// Only what passes FIELD OP VALUE (repeatable: all must hold)
    #[arg(long, help_heading = "Selection", value_name = "EXPR")]
    pub(crate) filter: Vec<String>,
    /// Only these severities: high+ means high and above
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_name = "SEVERITY[+]")]
    pub(crate) severity: Vec<SeverityChoice>,
    /// Only cases that stand here
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_parser = words(CaseStatus::KNOWN.iter().map(CaseStatus::as_str)), ignore_case = true)]
    pub(crate) status: Vec<String>,
    /// Only cases made since: an age (24h, 7d), a date or RFC 3339
    #[arg(long, help_heading = "Selection", value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only cases made before
    #[arg(long, help_heading = "Selection", value_name = "TIME")]
    pub(crate) until: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// `cases update`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct CaseUpdate {
    /// The cases, by their exact ids
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Set the status
    #[arg(long, help_heading = "Change", value_parser = words(CaseStatus::KNOWN.iter().filter(|s| !s.is_unknown()).map(CaseStatus::as_str)), ignore_case = true)]
    pub(crate) status: Option<String>,
    /// Set the verdict; some vendors know one only for a case that is resolved
    #[arg(long, help_heading = "Change", value_parser = words(Verdict::KNOWN.iter().filter(|v| !v.is_unknown()).map(Verdict::as_str)), ignore_case = true)]
    pub(crate) verdict: Option<String>,
    /// Set the severity
    #[arg(long, help_heading = "Change", value_parser = words(Severity::KNOWN.iter().filter(|s| !s.is_unknown()).map(Severity::as_str)), ignore_case = true)]
    pub(crate) severity: Option<String>,
    /// Give it to this user of the console, by e-mail address
    #[arg(long, help_heading = "Change", value_name = "USER")]
    pub(crate) assignee: Option<String>,
    /// Take it from whoever has it
    #[arg(long, help_heading = "Change", conflicts_with = "assignee")]
    pub(crate) unassign: bool,
    /// Add a comment
    #[arg(long, help_heading = "Change", value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    /// Send the nearest that the vendor can express, where it cannot express it exactly
    #[arg(long, help_heading = "Change")]
    pub(crate) nearest: bool,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) guards: Guards,
}

/// `iocs list`.
#[derive(Clone, Debug, Args)]
pub(crate) struct IocList {
    /// Only what passes FIELD OP VALUE (repeatable: all must hold)
    #[arg(long, help_heading = "Selection", value_name = "EXPR")]
    pub(crate) filter: Vec<String>,
    /// Only these types
    #[arg(long = "type", help_heading = "Selection", value_delimiter = ',', value_parser = words(IocType::KNOWN.iter().map(IocType::as_str)), ignore_case = true)]
    pub(crate) kind: Vec<String>,
    /// Only this action
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_parser = words(IocAction::KNOWN.iter().map(IocAction::as_str)), ignore_case = true)]
    pub(crate) action: Vec<String>,
    /// Only exactly this value (repeatable)
    #[arg(long, help_heading = "Selection", value_name = "VALUE")]
    pub(crate) value: Vec<String>,
    /// Only these severities: high+ means high and above
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_name = "SEVERITY[+]")]
    pub(crate) severity: Vec<SeverityChoice>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// The model's words as the values of a flag.
pub(super) fn words(
    known: impl Iterator<Item = &'static str>,
) -> impl clap::builder::TypedValueParser<Value = String> {
    PossibleValuesParser::new(known.collect::<Vec<_>>()).map(|word| word.to_ascii_lowercase())
}
