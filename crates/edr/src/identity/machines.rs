//! The machines that were found, and why.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use edr_core::{TenantId, Vendor};
use serde::{Deserialize, Serialize};

use super::score::Comparison;
use super::{Pair, pair};

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Machine {
    /// The URN of the host that was seen first. Every other host's URN leads here, too: [`Machines::of`].
    pub uid: String,
    /// The name of the host that was seen last.
    pub hostname: String,
    /// Its hosts, the one that was seen first before the others.
    pub members: Vec<Member>,
}

/// An agent on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// The host's URN.
    pub urn: String,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its vendor.
    pub vendor: Vendor,
    /// The latest of its vendor and tenant on this machine; the others were there before it.
    pub is_current: bool,
}

/// Why a pair with enough points is no machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "rule")]
#[non_exhaustive]
pub enum Refusal {
    /// Two agents of one vendor and tenant lived at the same time.
    BothAlive {
        /// The agents.
        agents: (String, String),
    },
    /// Somebody has unlinked two hosts.
    Unlinked {
        /// The hosts.
        agents: (String, String),
    },
    /// Two hosts differ in what cannot differ.
    Veto {
        /// The hosts.
        agents: (String, String),
        /// In what.
        reason: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BothAlive { agents: (a, b) } => write!(f, "{a} and {b} lived at the same time"),
            Self::Unlinked { agents: (a, b) } => write!(f, "somebody has unlinked {a} and {b}"),
            Self::Veto { agents: (a, b), reason } => write!(f, "{a} and {b}: {reason}"),
        }
    }
}

/// A pair that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Candidate {
    /// The hosts by their URNs.
    pub hosts: (String, String),
    /// What they have in common.
    pub comparison: Comparison,
    /// Why they were not linked, where the points were enough.
    pub refusal: Option<Refusal>,
}

/// Figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Hosts that were looked at.
    pub hosts: usize,
    /// Pairs that have something in common.
    pub compared: usize,
    /// Pairs that were refused because two agents lived at the same time.
    pub refused: usize,
    /// Pairs that were refused by a veto.
    pub vetoed: usize,
    /// Keys that name no machine, with the number of hosts that carry them.
    pub bad_keys: Vec<(String, usize)>,
}

/// All machines of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machines {
    machines: Vec<Machine>,
    places: HashMap<String, usize>,
    review: Vec<Candidate>,
    found: BTreeMap<Pair, Comparison>,
    linked: BTreeSet<Pair>,
    refused: BTreeMap<Pair, Refusal>,
    run: Run,
}

impl Machines {
    pub(super) fn new(
        machines: Vec<Machine>,
        review: Vec<Candidate>,
        found: BTreeMap<Pair, Comparison>,
        linked: BTreeSet<Pair>,
        refused: BTreeMap<Pair, Refusal>,
        run: Run,
    ) -> Self {
        let all = machines.iter().enumerate();
        let places = all.flat_map(|(at, m)| m.members.iter().map(move |h| (h.urn.clone(), at))).collect();
        Self { machines, places, review, found, linked, refused, run }
    }

    /// How many machines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }

    /// The machines, in a steady order.
    pub fn iter(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter()
    }

    /// The machine that a host is on, by the host's URN. An older name of a machine is the URN of one of its hosts,
    /// so it leads here as well.
    #[must_use]
    pub fn of(&self, urn: &str) -> Option<&Machine> {
        self.places.get(urn).and_then(|at| self.machines.get(*at))
    }

    /// What two hosts have in common; nothing when that is too little to be looked at.
    #[must_use]
    pub fn explain(&self, a: &str, b: &str) -> Option<&Comparison> {
        self.found.get(&pair(a, b))
    }

    /// Every pair that has enough in common to be looked at, by the URNs of its hosts.
    pub fn compared(&self) -> impl Iterator<Item = (&(String, String), &Comparison)> {
        self.found.iter()
    }

    /// Why a pair was not joined although nothing was missing but that.
    #[must_use]
    pub fn refusal(&self, a: &str, b: &str) -> Option<&Refusal> {
        self.refused.get(&pair(a, b))
    }

    /// True when a person has linked the two.
    #[must_use]
    pub fn is_linked_by_hand(&self, a: &str, b: &str) -> bool {
        self.linked.contains(&pair(a, b))
    }

    /// The pairs that a person should look at, best first.
    #[must_use]
    pub fn review(&self) -> &[Candidate] {
        &self.review
    }

    /// Figures of the run.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }
}
