//! Protected groups by name, where a vendor tells of a host's groups their ids alone: the tenant's groups are read, and
//! the hosts get the names. A name that no tenant knows would protect nobody, so it is an error.

use std::collections::BTreeSet;
use std::sync::Arc;

use edr_core::{
    EdrProvider, EdrProviderExt as _, Error as VendorError, ErrorKind, Feature, HostGroup, HostGroupQuery,
    TenantId, Vendor,
};
use futures_util::stream::{self, StreamExt as _};

use super::error::Result;
use super::make::{Fresh, SIDE_BY_SIDE};
use super::responder::Responder;

impl Responder {
    /// Gives the groups of these hosts their names, as far as a rule asks for names. A tenant whose groups cannot be read
    /// counts as unread: who is protected there is not known.
    ///
    /// # Errors
    /// When a rule names a group that no tenant of its vendor has.
    pub(super) async fn name_groups(&self, fresh: &mut Fresh) -> Result<()> {
        let tenants: BTreeSet<&TenantId> = fresh.hosts.keys().map(|key| &key.tenant).collect();
        let asked: Vec<_> = tenants.into_iter().filter_map(|tenant| self.to_be_named(tenant)).collect();
        let reads = asked.into_iter().map(|provider| async move {
            let read = groups(provider.as_ref()).await;
            (provider.tenant().clone(), provider.vendor().clone(), read)
        });
        let reads: Vec<_> = stream::iter(reads).buffer_unordered(SIDE_BY_SIDE).collect().await;
        let mut known = Vec::new();
        for (tenant, vendor, read) in reads {
            match read {
                Ok(groups) => {
                    name(fresh, &tenant, &groups);
                    known.push((vendor, groups));
                }
                Err(error) => drop(fresh.failed.insert(tenant, error)),
            }
        }
        self.all_known(&known)
    }

    /// The tenant's provider, if its groups are to be read.
    fn to_be_named(&self, tenant: &TenantId) -> Option<Arc<dyn EdrProvider>> {
        let provider = self.provider(tenant).ok()?;
        let is_asked = !self.safety().protected.group_names(provider.vendor()).is_empty();
        (is_asked && provider.capabilities().has(Feature::GroupList)).then_some(provider)
    }

    fn all_known(&self, known: &[(Vendor, Vec<HostGroup>)]) -> Result<()> {
        let protected = &self.safety().protected;
        for (vendor, _) in known {
            let groups = || known.iter().filter(|(v, _)| v == vendor).flat_map(|(_, groups)| groups);
            let lost = |entry: &&str| !groups().any(|group| protected.is_group(vendor, entry, group));
            if let Some(entry) = protected.group_names(vendor).into_iter().find(lost) {
                let message = format!(
                    "[safety] the protected group {entry:?} is not there: no {vendor} tenant that is asked has it"
                );
                return Err(VendorError::new(ErrorKind::Configuration, message)
                    .with_hint(
                        "correct the name; a group of one vendor alone is written with it, as in cortex:NAME",
                    )
                    .into());
            }
        }
        Ok(())
    }
}

async fn groups(provider: &dyn EdrProvider) -> edr_core::Result<Vec<HostGroup>> {
    let collected = provider.collect(&HostGroupQuery::new()).await?;
    if collected.outcome.is_complete() {
        return Ok(collected.items);
    }
    let message = format!(
        "who is protected is not known: the groups were not read to their end: {}",
        collected.outcome.summary()
    );
    Err(VendorError::new(ErrorKind::Vendor, message).with_tenant(provider.tenant(), provider.vendor()))
}

fn name(fresh: &mut Fresh, tenant: &TenantId, groups: &[HostGroup]) {
    let hosts = fresh.hosts.values_mut().filter(|host| host.tenant == *tenant);
    for group in hosts.flat_map(|host| &mut host.groups).filter(|group| group.name.is_none()) {
        let is_it = |g: &&HostGroup| group.uid.as_deref().is_some_and(|uid| uid.eq_ignore_ascii_case(&g.uid));
        group.name = groups.iter().find(is_it).map(|g| g.name.clone());
    }
}
