//! Hosts.

use edr_core::Result;
use edr_http::RequestPlan;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::by_id::Room;
use super::{ById, FalconClient, Identified, PerId, Reply};
use crate::api::hosts::{
    self, Device, HistoryParams, HostAction, HostsParams, LoginHistory, NetworkHistory, OnlineState,
    TagAction, TagResult,
};
use crate::api::{Accepted, ApiError, Expect, ListParams};

impl Identified for Device {
    fn uid(&self) -> Option<&str> {
        self.device_id.as_deref()
    }
}

impl Identified for LoginHistory {
    fn uid(&self) -> Option<&str> {
        self.device_id.as_deref()
    }
}

impl Identified for NetworkHistory {
    fn uid(&self) -> Option<&str> {
        self.device_id.as_deref()
    }
}

impl Identified for Accepted {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for TagResult {
    fn uid(&self) -> Option<&str> {
        self.device_id.as_deref()
    }

    fn refusal(&self) -> Option<ApiError> {
        let failed = self.updated == Some(false) || self.error.as_deref().is_some_and(|e| !e.is_empty());
        failed.then(|| ApiError {
            code: self.code.map(|c| c.to_string()),
            id: self.device_id.clone(),
            message: self.error.clone(),
        })
    }
}

impl FalconClient {
    /// A page of whole devices.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn hosts(&self, params: &HostsParams) -> Result<Reply<Device>> {
        self.listing(hosts::combined(params)).await
    }

    /// A page of whole devices that are hidden in the console.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn hidden_hosts(&self, params: &HostsParams) -> Result<Reply<Device>> {
        self.listing(hosts::combined_hidden(params)).await
    }

    /// A page of device ids by scroll.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn host_ids(&self, params: &HostsParams) -> Result<Reply<String>> {
        self.listing(hosts::scroll(params)).await
    }

    /// A page of device ids by offset, from the first [`hosts::OFFSET_CAP`] alone.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn host_ids_by_offset(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(hosts::query(params)).await
    }

    /// A page of ids of hidden devices by offset.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn hidden_host_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(hosts::query_hidden(params)).await
    }

    /// Devices by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn hosts_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<Device>> {
        self.find(ids, Room::body(hosts::MAX_IDS), hosts::entities).await
    }

    /// Whether devices are connected, in any number: asked for in pieces of 100, up to eight at once.
    ///
    /// # Errors
    /// As the vendor answers; an error beside some of the states is one, too.
    pub async fn online_state<S: AsRef<str> + Sync>(&self, ids: &[S]) -> Result<Vec<OnlineState>> {
        let plans: Vec<RequestPlan> = ids.chunks(hosts::MAX_ONLINE_IDS).map(hosts::online_state).collect();
        let states = |plan| async {
            let (reply, failure) = self.typed::<OnlineState>(plan, Expect::Entities).await?;
            failure.map_or(Ok(reply.resources), Err)
        };
        let replies: Vec<Vec<OnlineState>> =
            stream::iter(plans).map(states).buffer_unordered(8).try_collect().await?;
        Ok(replies.into_iter().flatten().collect())
    }

    /// Who has logged in on devices, in any number of devices.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn login_history<S: AsRef<str>>(
        &self,
        ids: &[S],
        params: &HistoryParams,
    ) -> Result<ById<LoginHistory>> {
        self.find(ids, Room::body(10), |ids| hosts::login_history(ids, params)).await
    }

    /// Which addresses devices have had, in any number of devices.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn network_history<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<NetworkHistory>> {
        self.find(ids, Room::body(500), hosts::network_history).await
    }

    /// Orders something of devices, in any number, 100 in a call. What is done is accepted, and not yet
    /// effective: a contained device says so in its `status` later, `containment_pending` until then.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn order_hosts<S: AsRef<str>>(
        &self,
        action: &HostAction,
        ids: &[S],
    ) -> Result<PerId<Accepted>> {
        self.change(ids, Room::body(100), None, |ids| hosts::perform(action, ids, &[])).await
    }

    /// Adds tags to devices or takes them away, in any number of devices. A tag without
    /// [`hosts::TAG_PREFIX`] gets it. The search index lags behind.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn tag_hosts<S: AsRef<str>>(
        &self,
        action: &TagAction,
        ids: &[S],
        tags: &[&str],
    ) -> Result<PerId<TagResult>> {
        self.change(ids, Room::body(hosts::MAX_IDS), None, |ids| hosts::tags(action, ids, tags)).await
    }
}
