//! Alerts.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, PerId, Reply};
use crate::api::alerts::{self, AlertEntity, AlertStep, AlertsParams};
use crate::api::{Accepted, Aggregate, AggregateSpec};

impl Identified for AlertEntity {
    fn uid(&self) -> Option<&str> {
        self.composite_id.as_deref()
    }
}

impl FalconClient {
    /// A page of whole alerts.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn alerts(&self, params: &AlertsParams) -> Result<Reply<AlertEntity>> {
        self.listing(alerts::combined(params)).await
    }

    /// A page of composite ids. Offset and limit together stay below 10,000.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent when they do not; as the vendor
    /// answers.
    pub async fn alert_ids(&self, params: &AlertsParams) -> Result<Reply<String>> {
        let plan = alerts::query(params);
        if params.offset.saturating_add(params.limit.unwrap_or(100)) >= alerts::OFFSET_CAP {
            let hint = "narrow created_timestamp and begin again at offset 0";
            return Err(self.refuse(&plan, "offset and limit together reach 10,000", hint));
        }
        self.listing(plan).await
    }

    /// Alerts by composite id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn alerts_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<AlertEntity>> {
        self.find(ids, Room::body(alerts::MAX_IDS), alerts::entities).await
    }

    /// Counts of alerts. The answers come in no order: know them by their names.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent when a question lacks what its kind
    /// needs; as the vendor answers.
    pub async fn alert_counts(&self, specs: &[AggregateSpec]) -> Result<Reply<Aggregate>> {
        self.counts(alerts::aggregates(specs), specs).await
    }

    /// Works on alerts, in any number, 1,000 in a call. The vendor answers for a call as a whole, so an id
    /// that it has taken without a word counts as taken; what is read right afterwards may be the old
    /// state.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] when there is no step; as the vendor answers the first
    /// call. What comes after that stands in the result.
    pub async fn update_alerts<S: AsRef<str>>(
        &self,
        ids: &[S],
        steps: &[AlertStep],
    ) -> Result<PerId<Accepted>> {
        if steps.is_empty() {
            let plan = alerts::update(ids, steps);
            return Err(self.refuse(&plan, "there is nothing to do to the alerts", "give a step"));
        }
        let silent = Some(Accepted::default());
        self.change(ids, Room::body(alerts::MAX_IDS), silent, |ids| alerts::update(ids, steps)).await
    }
}
