//! One tenant of an estate: how it is made, and what is its own.

use std::sync::Arc;

use edr_core::{EdrProvider, Error, Listing, TenantId};

use crate::registry::Native;
use crate::{Member, TenantConfig};

impl Member {
    /// A tenant that is connected.
    pub(crate) fn connected(tenant: &TenantConfig, provider: Arc<dyn EdrProvider>, native: Native) -> Self {
        Self {
            provider: Ok(provider),
            native,
            ..Self::failed(tenant.name.clone(), tenant, Error::unsupported(""))
        }
    }

    /// A tenant that cannot be connected, called `name`.
    pub(crate) fn failed(name: TenantId, tenant: &TenantConfig, error: Error) -> Self {
        Self {
            tenant: name,
            vendor: tenant.vendor.word().into(),
            tags: tenant.tags.clone(),
            provider: Err(error),
            native: Native::Other,
            customer: tenant.vendor.customer(),
            elsewhere: Arc::default(),
        }
    }

    /// The customer id of a child of Flight Control.
    #[must_use]
    pub fn customer(&self) -> Option<&str> {
        self.customer.as_deref()
    }

    /// The tenant in Falcon's own types, if it is one of Falcon's.
    #[cfg(feature = "falcon")]
    #[must_use]
    pub fn falcon(&self) -> Option<&falcon::Falcon> {
        match &self.native {
            Native::Falcon(falcon) => Some(falcon),
            _ => None,
        }
    }

    /// The tenant in the own types of Cortex XDR, if it is one of Cortex.
    #[cfg(feature = "cortex")]
    #[must_use]
    pub fn cortex(&self) -> Option<&cortex_xdr::CortexXdr> {
        match &self.native {
            Native::Cortex(cortex) => Some(cortex),
            _ => None,
        }
    }

    /// False for what a parent shows of a child that is a member, too.
    pub(crate) fn owns<T: Listing>(&self, item: &T) -> bool {
        let owner = item.tenant_uid().filter(|uid| self.elsewhere.contains(*uid));
        owner.is_none_or(|uid| self.customer.as_deref() == Some(uid))
    }
}
