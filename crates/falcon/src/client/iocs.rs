//! Indicators of compromise.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, PerId, Reply};
use crate::api::iocs::{self, ActionInfo, DeviceCount, Ioc, IocBody, IocChange, IocOptions, IocType, NewIoc};
use crate::api::{AfterParams, Endpoint, Expect, ListParams};

impl Identified for Ioc {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for ActionInfo {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl FalconClient {
    /// A page of whole indicators.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn iocs(&self, params: &AfterParams) -> Result<Reply<Ioc>> {
        self.listing(iocs::combined(params)).await
    }

    /// A page of ids of indicators.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn ioc_ids(&self, params: &AfterParams) -> Result<Reply<String>> {
        self.listing(iocs::query(params)).await
    }

    /// Indicators by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn iocs_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<Ioc>> {
        self.find(ids, Room::url(iocs::MAX_IDS), iocs::entities).await
    }

    /// Makes indicators, at most [`iocs::MAX_CREATE`]: all, or none. One that is there already (the same
    /// type and value) makes the call fail unless warnings are ignored.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent when there are too many, or none; as
    /// the vendor answers.
    pub async fn create_iocs(&self, new: &[NewIoc], options: &IocOptions) -> Result<Reply<Ioc>> {
        let plan = iocs::create(new, options);
        if new.is_empty() || new.len() > iocs::MAX_CREATE {
            let hint = "a call makes all of its indicators or none, so it is not split: give 1 to 2,000";
            return Err(self.refuse(&plan, "too many indicators for one call, or none", hint));
        }
        self.entities(plan).await
    }

    /// Changes indicators by id.
    ///
    /// # Errors
    /// As the vendor answers; what it refused beside what it changed is in [`Reply::errors`].
    pub async fn update_iocs(&self, changes: &[IocChange], options: &IocOptions) -> Result<Reply<Ioc>> {
        self.entities(iocs::update(changes, options)).await
    }

    /// Changes every indicator that a filter lets through in the same way.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent when the filter is empty; as the
    /// vendor answers.
    pub async fn update_iocs_where(
        &self,
        filter: &str,
        body: &IocBody,
        options: &IocOptions,
    ) -> Result<Reply<Ioc>> {
        let plan = iocs::update_where(filter, body, options);
        self.not_all(filter, &plan)?;
        self.entities(plan).await
    }

    /// Deletes indicators by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn delete_iocs<S: AsRef<str>>(
        &self,
        ids: &[S],
        comment: Option<&str>,
    ) -> Result<PerId<String>> {
        self.change(ids, Room::url(iocs::MAX_IDS), None, |ids| iocs::delete(ids, comment)).await
    }

    /// Deletes every indicator that a filter lets through; the reply has their ids.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent when the filter is empty; as the
    /// vendor answers.
    pub async fn delete_iocs_where(&self, filter: &str, comment: Option<&str>) -> Result<Reply<String>> {
        let plan = iocs::delete_where(filter, comment);
        self.not_all(filter, &plan)?;
        self.typed(plan, Expect::Entities).await.map(|(reply, _)| reply)
    }

    fn not_all(&self, filter: &str, plan: &edr_http::RequestPlan) -> Result<()> {
        if !filter.trim().is_empty() {
            return Ok(());
        }
        let hint = "name all of them by a filter of your own, such as created_on:>'2000-01-01T00:00:00Z'";
        Err(self.refuse(plan, "an empty filter would be all indicators", hint))
    }

    /// On how many devices an indicator was seen.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn ioc_device_count(&self, kind: &IocType, value: &str) -> Result<Reply<DeviceCount>> {
        self.entities(iocs::device_count(kind, value)).await
    }

    /// A page of the ids of devices on which an indicator was seen.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn ioc_devices(&self, kind: &IocType, value: &str, page: &ListParams) -> Result<Reply<String>> {
        self.listing(iocs::devices(kind, value, page)).await
    }

    /// A page of the ids of processes of a device in which an indicator was seen.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn ioc_processes(
        &self,
        kind: &IocType,
        value: &str,
        device: &str,
        page: &ListParams,
    ) -> Result<Reply<String>> {
        self.listing(iocs::processes(kind, value, device, page)).await
    }

    /// The words of one of the lists [`iocs::ACTIONS`], [`iocs::TYPES`], [`iocs::PLATFORMS`] and
    /// [`iocs::SEVERITIES`].
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn ioc_words(&self, list: &'static Endpoint) -> Result<Reply<String>> {
        self.listing(ListParams::default().plan(list)).await
    }

    /// What actions can be used for.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn ioc_actions<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<ActionInfo>> {
        self.find(ids, Room::url(100), iocs::action_entities).await
    }
}
