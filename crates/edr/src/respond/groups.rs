//! Protected groups by name, where a vendor tells of a host's groups their ids alone: the tenant's groups are read, and
//! the hosts get the names. A name that no tenant knows would protect nobody, so it is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edr_core::{
    EdrProvider, EdrProviderExt as _, Error as VendorError, ErrorKind, Feature, Host, HostGroup,
    HostGroupQuery, TenantId, Vendor,
};
use futures_util::stream::{self, StreamExt as _};

use super::error::Result;
use super::host::key;
use super::make::{Fresh, SIDE_BY_SIDE};
use super::responder::Responder;

/// What is known of the groups of all chosen tenants.
#[derive(Default)]
struct Known {
    groups: Vec<(Vendor, Vec<HostGroup>)>,
    /// Tenants that were asked, or need not be.
    looked_at: BTreeSet<TenantId>,
    /// Vendors of which a tenant's groups could not be read: a name may be there.
    doubtful: Vec<Vendor>,
}

impl Responder {
    /// Gives the groups of these hosts their names, as far as a rule asks for names. A tenant whose groups cannot be read
    /// counts as unread: who is protected there is not known. It keeps nobody else back.
    ///
    /// # Errors
    /// When a rule names a group that no chosen tenant of its vendor has, and all of them were read.
    pub(super) async fn name_groups(&self, fresh: &mut Fresh) -> Result<()> {
        let tenants: BTreeSet<TenantId> = fresh.hosts.keys().map(|key| key.tenant.clone()).collect();
        let asked: Vec<_> = tenants.iter().filter_map(|tenant| self.to_be_named(tenant)).collect();
        let mut known = Known::default();
        for (provider, read) in read_all(asked).await {
            match known.take(provider.as_ref(), read) {
                Ok(groups) => name(fresh, provider.tenant(), groups),
                Err(error) => drop(fresh.failed.insert(provider.tenant().clone(), error)),
            }
            name_rest(fresh, provider.as_ref()).await;
        }
        self.all_known(known, fresh).await
    }

    /// The tenant's provider, if its groups are to be read.
    fn to_be_named(&self, tenant: &TenantId) -> Option<Arc<dyn EdrProvider>> {
        let provider = self.provider(tenant).ok()?;
        let is_asked = !self.safety().protected.group_names(provider.vendor()).is_empty();
        (is_asked && provider.capabilities().has(Feature::GroupList)).then_some(provider)
    }

    /// A name that the tenants of these hosts do not have may be that of a group in another tenant: only then those are
    /// asked, too.
    async fn all_known(&self, mut known: Known, fresh: &Fresh) -> Result<()> {
        let vendors: Vec<Vendor> = known.groups.iter().map(|(vendor, _)| vendor.clone()).collect();
        for vendor in vendors {
            if self.lost(&known, &vendor).is_some() {
                self.look_further(&mut known, &vendor, fresh).await;
            }
            if let Some(entry) = self.lost(&known, &vendor) {
                return Err(no_such_group(entry, &vendor).into());
            }
        }
        Ok(())
    }

    /// A group that a rule names and that no tenant of the vendor has.
    fn lost<'s>(&'s self, known: &Known, vendor: &Vendor) -> Option<&'s str> {
        if known.doubtful.contains(vendor) {
            return None;
        }
        let protected = &self.safety().protected;
        let groups = || known.groups.iter().filter(|(v, _)| v == vendor).flat_map(|(_, groups)| groups);
        let lost = |entry: &&str| !groups().any(|group| protected.is_group(vendor, entry, group));
        protected.group_names(vendor).into_iter().find(lost)
    }

    /// Looks at the groups of the vendor's other chosen tenants.
    async fn look_further(&self, known: &mut Known, vendor: &Vendor, fresh: &Fresh) {
        let mut asked = Vec::new();
        let others = self.estate().members().iter().filter(|m| m.vendor == *vendor);
        for member in others.filter(|m| !known.looked_at.contains(&m.tenant)) {
            match &member.provider {
                Ok(_) if !fresh.failed.contains_key(&member.tenant) => {
                    asked.extend(self.to_be_named(&member.tenant));
                }
                _ => known.doubtful.push(vendor.clone()),
            }
        }
        if known.doubtful.contains(vendor) {
            return;
        }
        for (provider, read) in read_all(asked).await {
            // It has no host here: that it cannot be read leaves nobody out.
            let _ = known.take(provider.as_ref(), read);
        }
    }
}

impl Known {
    /// What a tenant answered.
    fn take(
        &mut self,
        provider: &dyn EdrProvider,
        read: edr_core::Result<Vec<HostGroup>>,
    ) -> edr_core::Result<&[HostGroup]> {
        self.looked_at.insert(provider.tenant().clone());
        let groups = read.inspect_err(|_| self.doubtful.push(provider.vendor().clone()))?;
        self.groups.push((provider.vendor().clone(), groups));
        Ok(self.groups.last().map_or(&[], |(_, groups)| groups))
    }
}

fn no_such_group(entry: &str, vendor: &Vendor) -> VendorError {
    let message =
        format!("[safety] the protected group {entry:?} is not there: no chosen {vendor} tenant has it");
    VendorError::new(ErrorKind::Configuration, message)
        .with_hint("correct the name; a group of one vendor alone is written with it, as in cortex:NAME")
}

type Read = (Arc<dyn EdrProvider>, edr_core::Result<Vec<HostGroup>>);

async fn read_all(asked: Vec<Arc<dyn EdrProvider>>) -> Vec<Read> {
    let reads = asked.into_iter().map(|provider| async move {
        let read = groups(provider.as_ref()).await;
        (provider, read)
    });
    stream::iter(reads).buffer_unordered(SIDE_BY_SIDE).collect().await
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

/// True when the host is in a group whose name is not known.
pub(super) fn has_nameless(host: &Host) -> bool {
    host.groups.iter().any(|group| group.name.is_none() && group.uid.is_some())
}

fn name(fresh: &mut Fresh, tenant: &TenantId, groups: &[HostGroup]) {
    let hosts = fresh.hosts.values_mut().filter(|host| host.tenant == *tenant);
    for group in hosts.flat_map(|host| &mut host.groups).filter(|group| group.name.is_none()) {
        let is_it = |g: &&HostGroup| group.uid.as_deref().is_some_and(|uid| uid.eq_ignore_ascii_case(&g.uid));
        group.name = groups.iter().find(is_it).map(|g| g.name.clone());
    }
}

/// Asks for the groups that the list did not bring, each by its id. One that is not there any more is no group; of any
/// other that cannot be read nobody knows whom it protects.
async fn name_rest(fresh: &mut Fresh, provider: &dyn EdrProvider) {
    let tenant = provider.tenant();
    if fresh.failed.contains_key(tenant) {
        return;
    }
    let nameless = fresh.hosts.values().filter(|h| h.tenant == *tenant).flat_map(|h| &h.groups);
    let uids: BTreeSet<String> =
        nameless.filter(|g| g.name.is_none()).filter_map(|g| g.uid.clone()).collect();
    let reads = uids.into_iter().map(|uid| async move {
        let read = provider.group(&uid).await;
        (uid, read)
    });
    let reads: Vec<_> = stream::iter(reads).buffer_unordered(SIDE_BY_SIDE).collect().await;
    let (mut found, mut hidden) = (Vec::new(), BTreeMap::new());
    for (uid, read) in reads {
        match read {
            Ok(mut group) => {
                group.uid = uid;
                found.push(group);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => drop(hidden.insert(uid, error.to_string())),
        }
    }
    name(fresh, tenant, &found);
    hide(fresh, tenant, &hidden);
}

/// Leaves out the hosts in groups that could not be read.
fn hide(fresh: &mut Fresh, tenant: &TenantId, hidden: &BTreeMap<String, String>) {
    for host in fresh.hosts.values().filter(|host| host.tenant == *tenant) {
        let unread = |uid: &String| hidden.get(uid).map(|reason| (uid.clone(), reason));
        if let Some((uid, reason)) = host.groups.iter().filter_map(|g| g.uid.as_ref()).find_map(unread) {
            let reason = format!("its group {uid} cannot be read, which may be protected: {reason}");
            fresh.undecided.insert(key(host), reason);
        }
    }
}
