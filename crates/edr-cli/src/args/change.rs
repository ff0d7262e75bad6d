//! Verbs that change alerts.

use clap::Args;
use edr::core::{AlertStatus, Verdict};

use super::act::{Guards, Why};
use super::select::{Terms, words};
use super::severity::SeverityChoice;

/// Which alerts, what must hold, and why.
#[derive(Clone, Debug, Args)]
pub(crate) struct Change {
    /// The alerts, by the vendor's own ids
    #[arg(value_name = "ID")]
    pub(crate) uids: Vec<String>,
    #[command(flatten)]
    pub(crate) terms: Terms,
    /// Every alert of these severities: high+ means high and above
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_name = "SEVERITY[+]")]
    pub(crate) severity: Vec<SeverityChoice>,
    /// Every alert that stands here
    #[arg(long, help_heading = "Selection", value_delimiter = ',', value_parser = words(AlertStatus::KNOWN.iter().map(AlertStatus::as_str)), ignore_case = true)]
    pub(crate) status: Vec<String>,
    /// Every alert stored since: an age (24h, 7d), a date or RFC 3339
    #[arg(long, help_heading = "Selection", value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Every alert stored before
    #[arg(long, help_heading = "Selection", value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Shapes the output of a read, and never selects.
    #[arg(long, hide = true)]
    pub(crate) all: bool,
    /// Shapes the output of a read, and never selects.
    #[arg(long, hide = true, value_name = "N")]
    pub(crate) limit: Option<String>,
    /// Where the vendor has no word for it, take its nearest
    #[arg(long)]
    pub(crate) nearest: bool,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) guards: Guards,
}

/// `alerts assign`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Assign {
    /// To whom: an e-mail address or the account's name; `nobody` takes it from everybody
    #[arg(long, value_name = "USER")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `alerts comment`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Comment {
    /// What to say
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: String,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `alerts close`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Close {
    /// What it was
    #[arg(long, value_parser = words(Verdict::KNOWN.iter().map(Verdict::as_str)), ignore_case = true)]
    pub(crate) verdict: Option<String>,
    /// What to say about it
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// `alerts tag`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Labels {
    /// A tag to put on (repeatable)
    #[arg(long, value_name = "TAG", required_unless_present = "remove")]
    pub(crate) add: Vec<String>,
    /// A tag to take off (repeatable)
    #[arg(long, value_name = "TAG")]
    pub(crate) remove: Vec<String>,
    #[command(flatten)]
    pub(crate) change: Change,
}

pub(super) const CLOSE: &str = "\
Examples:
  edr alerts close 4711 -t globex --verdict false_positive --comment 'known installer'
  edr alerts close -t acme --filter 'title ~ drill' --verdict test --nearest --yes --max-hosts 50

A verdict that the vendor cannot express is refused for its alerts before anything is sent;
--nearest takes the vendor's nearest word. --max-hosts and --confirm count alerts here.
Exit codes: 0 all of it, 3 part of it, 5 not found, 6 refused by a rule, 9 declined.";
