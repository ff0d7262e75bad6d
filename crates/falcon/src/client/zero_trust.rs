//! Zero Trust Assessment.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, Reply};
use crate::api::AfterParams;
use crate::api::zero_trust::{self, Assessment, Audit, Score};

impl Identified for Assessment {
    fn uid(&self) -> Option<&str> {
        self.aid.as_deref()
    }
}

impl FalconClient {
    /// How well devices are set up, in any number of devices. One that was not assessed is missing.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn assessments_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<Assessment>> {
        self.find(ids, Room::url(zero_trust::MAX_IDS), zero_trust::entities).await
    }

    /// A page of scores.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn scores(&self, params: &AfterParams) -> Result<Reply<Score>> {
        self.listing(zero_trust::by_score(params)).await
    }

    /// The averages of the account.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn score_audit(&self) -> Result<Reply<Audit>> {
        self.entities(zero_trust::audit()).await
    }
}
