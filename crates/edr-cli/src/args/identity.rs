//! Verbs about which hosts are one machine.

use clap::Args;

use super::select::Reach;

/// `hosts link` and `hosts unlink`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Pairing {
    /// Two hosts, each by its URN, id or name
    #[arg(required = true, num_args = 2, value_names = ["HOST", "HOST"])]
    pub(crate) hosts: Vec<String>,
    /// Take back what was said of the two, so that it is found out again
    #[arg(long)]
    pub(crate) forget: bool,
}

/// `hosts explain`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Explain {
    /// A host by its URN, id or name; hosts with the same name are all explained
    #[arg(value_name = "HOST")]
    pub(crate) host: String,
}

/// `hosts review`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Review {
    #[command(flatten)]
    pub(crate) reach: Reach,
}

pub(super) const LINK: &str = "\
Examples:
  edr hosts link ANN-NB01 edr:cortex:globex:host:4f1d
  edr hosts unlink edr:falcon:acme:host:9c2a edr:cortex:globex:host:4f1d
  edr hosts link --forget edr:falcon:acme:host:9c2a edr:cortex:globex:host:4f1d

What is said holds over every later run of `hosts list --merge`, `alerts list --group` and `report
coverage`; it is kept in links.json in the state folder, and no vendor is told. A name that several
hosts have is refused: `edr hosts review` shows URNs. Exit code 5 when a host is not found, 6 when the
two belong to different customers ([customers] in the configuration), or when not all hosts could be
read and one is not named by its URN. --forget takes back what was said of a host that is gone, too.";

pub(super) const EXPLAIN: &str = "\
Examples:
  edr hosts explain ANN-NB01
  edr hosts explain ANN-NB01 -o json | jq '.[].evidence'

One row for each other host that has something in common with it:
  same       one machine, by what they have in common    linked    one machine, by hand
  vetoed     what cannot differ differs                  unlinked  two machines, by hand
  refused    both agents live at the same time, or       candidate near, and not near enough
             another pair of the two machines is unlinked
Exit code 5 when the host is not found.";

pub(super) const REVIEW: &str = "\
Examples:
  edr hosts review
  edr hosts review -o jsonl | jq -r '.hosts[].urn'

Pairs that are nearly one machine, or that would be if two agents of one vendor did not live at the
same time; the best first. `edr hosts link` and `unlink` settle them.";
