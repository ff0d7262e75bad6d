//! Assets.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, Reply};
use crate::api::discover::{
    self, Account, Application, ApplicationFacet, AssetHost, AssetKind, HostFacet, Login,
};
use crate::api::{FacetParams, ListParams};

impl Identified for Account {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for Application {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for AssetHost {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for Login {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl FalconClient {
    /// A page of whole machines, with and without a sensor.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent without a filter; as the vendor answers.
    pub async fn asset_hosts(&self, params: &FacetParams<HostFacet>) -> Result<Reply<AssetHost>> {
        self.filtered(discover::combined_hosts(params)).await
    }

    /// A page of whole applications. All pages:
    ///
    /// ```no_run
    /// use falcon::api::FacetParams;
    /// use falcon::api::discover::{self, Application, ApplicationFacet};
    /// use futures_util::TryStreamExt as _;
    /// # async fn example(acme: falcon::Falcon) -> edr_core::Result<()> {
    /// let params = FacetParams::filtered("name:'Chrome'", [ApplicationFacet::HostInfo]);
    /// let mut pages = acme.client().pages::<Application>(discover::combined_applications(&params), None);
    /// while let Some(page) = pages.try_next().await? {
    ///     println!("{} of {:?}", page.resources.len(), page.pagination().count());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent without a filter; as the vendor answers.
    pub async fn applications(&self, params: &FacetParams<ApplicationFacet>) -> Result<Reply<Application>> {
        self.filtered(discover::combined_applications(params)).await
    }

    /// A page of ids of a kind of asset. Offset and limit together reach 10,000 at most.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn asset_ids<K: AssetKind>(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(discover::query::<K>(params)).await
    }

    /// Assets of a kind by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn assets_by_id<K: AssetKind, S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<K>> {
        self.find(ids, Room::url(discover::MAX_IDS), |ids| discover::entities::<K, _>(ids)).await
    }
}
