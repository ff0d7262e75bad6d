//! How hosts are compared.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use edr_core::TenantId;

/// How hosts are compared. The defaults are those that the precision and recall in `docs/IDENTITY.md` were measured with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IdentityConfig {
    /// Points at which a pair is one machine.
    pub merge_at: i32,
    /// Points at which a pair is shown to a person.
    pub review_at: i32,
    /// Two hosts seen further apart than this say nothing by having had the same address.
    pub address_window: TimeDelta,
    /// Two agents of one vendor and tenant may overlap by this much and still follow each other: vendors
    /// keep a removed agent for a while.
    pub handover: TimeDelta,
    /// The customer of a tenant. A tenant that is not here is its own customer, or several: a parent of Falcon's Flight
    /// Control shows the hosts of its children, and each of them is a customer ([`edr_core::Host::tenant_uid`]).
    pub customers: BTreeMap<TenantId, String>,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            merge_at: 30,
            review_at: 18,
            address_window: TimeDelta::days(3),
            handover: TimeDelta::hours(1),
            customers: BTreeMap::new(),
        }
    }
}

impl IdentityConfig {
    /// The defaults: every tenant its own customer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that these tenants are one customer, whose machines may carry agents of all of them.
    #[must_use]
    pub fn one_customer<'a>(mut self, name: &str, tenants: impl IntoIterator<Item = &'a str>) -> Self {
        self.customers.extend(tenants.into_iter().map(|t| (TenantId::new(t), name.to_owned())));
        self
    }

    /// The customer of what a tenant shows. A tenant's own name never meets the name of a customer.
    pub(super) fn customer(&self, tenant: &TenantId, owner: Option<&str>) -> String {
        match (self.customers.get(tenant), owner) {
            (Some(name), _) => format!("customer {name}"),
            (None, Some(owner)) => format!("tenant {tenant} {owner}"),
            (None, None) => format!("tenant {tenant}"),
        }
    }
}
