//! One machine, seen by two vendors.
//!
//! An agent is a [`Host`]; a machine that carries agents of both vendors is two hosts, a machine whose agent
//! was installed anew is two as well. [`Identity`] finds the hosts that are one machine.
//!
//! * **Scored keys.** Cloud instance, serial number, MAC, name with domain, addresses: each says something,
//!   none says everything. A pair is linked at [`IdentityConfig::merge_at`] points; pairs below it, down to
//!   [`IdentityConfig::review_at`], are listed for a person.
//! * **Vetoes.** Another instance, another serial number, another operating system: never the same machine.
//! * **Bad keys.** A key that two agents of one vendor and tenant carry at the same time (a VPN adapter, a dock,
//!   a golden image) names no machine and is not used in this run.
//! * **One agent at a time.** Two agents of one vendor and tenant that were alive at the same time are never one
//!   machine, whatever their keys say.
//! * **Customers.** Hosts are compared only within a customer; a tenant is its own customer, and each child that a
//!   parent of Flight Control shows is one, unless [`IdentityConfig::customers`] says otherwise.
//!
//! The result depends on the hosts alone: not on their order, nor on how they were cut into batches.
//!
//! ```
//! use edr::Host;
//! use edr::identity::{Identity, IdentityConfig};
//!
//! let mut falcon = Host::new("falcon", "acme", "f1", "{}");
//! let mut cortex = Host::new("cortex", "acme-xdr", "c1", "{}");
//! for host in [&mut falcon, &mut cortex] {
//!     host.hostname = "ANN-NB01".into();
//!     host.domain = Some("corp.example".into());
//! }
//! let config = IdentityConfig::new().one_customer("acme", ["acme", "acme-xdr"]);
//! let mut identity = Identity::new(config);
//! identity.upsert([&falcon, &cortex]);
//! let machines = identity.resolve();
//! assert_eq!(machines.len(), 1);
//! assert_eq!(machines.explain(&falcon.urn(), &cortex.urn()).unwrap().points, 35);
//! ```

mod cluster;
mod config;
mod index;
pub(crate) mod keys;
mod links;
mod machines;
mod score;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use edr_core::{Host, TenantId};

pub use config::IdentityConfig;
pub use links::Links;
pub use machines::{Candidate, Machine, Machines, Member, Refusal, Run};
pub use score::{Comparison, Evidence, Sign};

use keys::Record;

/// A pair of hosts by their URNs, the smaller one first.
type Pair = (String, String);

fn pair(a: &str, b: &str) -> Pair {
    if a <= b { (a.to_owned(), b.to_owned()) } else { (b.to_owned(), a.to_owned()) }
}

/// Finds the hosts that are one machine.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    config: IdentityConfig,
    records: BTreeMap<String, Record>,
    linked: BTreeSet<Pair>,
    unlinked: BTreeSet<Pair>,
}

impl Identity {
    /// Nothing known yet.
    #[must_use]
    pub fn new(config: IdentityConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Adds hosts, or replaces them by what is known now.
    pub fn upsert<'a>(&mut self, hosts: impl IntoIterator<Item = &'a Host>) {
        for host in hosts {
            let record = Record::of(host, &self.config);
            self.records.insert(record.urn.clone(), record);
        }
    }

    /// Forgets a host by its URN. What was linked by hand stays known, should it come back.
    pub fn remove(&mut self, urn: &str) {
        self.records.remove(urn);
    }

    /// Says that two hosts are one machine. It holds over every run until it is taken back, and outweighs scores,
    /// vetoes and overlapping agents, but never the border between two customers.
    pub fn link(&mut self, a: &str, b: &str) {
        self.unlinked.remove(&pair(a, b));
        self.linked.insert(pair(a, b));
    }

    /// Says that two hosts are not one machine. It holds over every run until it is taken back.
    pub fn unlink(&mut self, a: &str, b: &str) {
        self.linked.remove(&pair(a, b));
        self.unlinked.insert(pair(a, b));
    }

    /// Takes back what was said about a pair by hand.
    pub fn forget(&mut self, a: &str, b: &str) {
        self.linked.remove(&pair(a, b));
        self.unlinked.remove(&pair(a, b));
    }

    /// What was said by hand: linked pairs, and unlinked ones.
    pub fn overrides(
        &self,
    ) -> (impl Iterator<Item = &(String, String)>, impl Iterator<Item = &(String, String)>) {
        (self.linked.iter(), self.unlinked.iter())
    }

    /// What a host is known by.
    pub(crate) fn record(&self, urn: &str) -> Option<&Record> {
        self.records.get(urn)
    }

    /// True when two hosts, by their URNs, are known and belong to one customer, so that they may be one machine.
    #[must_use]
    pub fn is_one_customer(&self, a: &str, b: &str) -> bool {
        let customer = |urn| self.records.get(urn).map(|record| record.customer.as_str());
        customer(a).is_some() && customer(a) == customer(b)
    }

    /// The customer of what a tenant shows, by the vendor's id of whose it is.
    pub(crate) fn customer(&self, tenant: &TenantId, owner: Option<&str>) -> String {
        self.config.customer(tenant, owner)
    }

    /// The hosts by customer, tenant and name, in lower case; nothing under a name that several have.
    pub(crate) fn by_name(&self) -> HashMap<(&str, &TenantId, String), Option<&str>> {
        let mut names = HashMap::new();
        for record in self.records.values().filter(|r| !r.hostname.is_empty()) {
            let name = (record.customer.as_str(), &record.tenant, record.hostname.to_lowercase());
            names.entry(name).and_modify(|urn| *urn = None).or_insert(Some(record.urn.as_str()));
        }
        names
    }

    /// The machines.
    #[must_use]
    pub fn resolve(&self) -> Machines {
        // In the order of the URNs, whatever the order of arrival.
        let records: Vec<&Record> = self.records.values().collect();
        let index = index::Index::build(&records);
        let pairs = index.scored(&records, &self.config);
        cluster::cluster(&records, index, pairs, self)
    }
}
