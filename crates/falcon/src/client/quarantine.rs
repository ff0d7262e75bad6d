//! Quarantined files.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, PerId, Reply};
use crate::api::quarantine::{self, FilesParams, QuarantineAction, QuarantinedFile};
use crate::api::{Accepted, Aggregate, AggregateSpec, Expect};

impl Identified for QuarantinedFile {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl FalconClient {
    /// A page of ids of quarantined files.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn quarantined_file_ids(&self, params: &FilesParams) -> Result<Reply<String>> {
        self.listing(quarantine::query(params)).await
    }

    /// Quarantined files by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn quarantined_files_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<QuarantinedFile>> {
        self.find(ids, Room::body(quarantine::MAX_IDS), quarantine::entities).await
    }

    /// A count of quarantined files.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent when the question lacks what its kind
    /// needs; as the vendor answers.
    pub async fn quarantined_file_counts(&self, spec: &AggregateSpec) -> Result<Reply<Aggregate>> {
        self.counts(quarantine::aggregate(spec), std::slice::from_ref(spec)).await
    }

    /// How many files each action would change, of those that a filter (`*` for all) lets through.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn quarantine_action_counts(&self, filter: &str) -> Result<Reply<Aggregate>> {
        self.entities(quarantine::action_counts(filter)).await
    }

    /// Gives an order about quarantined files, in any number. An order that is taken is pending until the sensor
    /// has carried it out: look at [`QuarantinedFile::state`]. The vendor answers for a call as a whole, so an id
    /// that it has taken without a word counts as taken.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn order_quarantined_files<S: AsRef<str>>(
        &self,
        action: &QuarantineAction,
        ids: &[S],
        comment: &str,
    ) -> Result<PerId<Accepted>> {
        let plan = |ids: &[String]| quarantine::update(action, ids, comment);
        self.change(ids, Room::body(quarantine::MAX_IDS), Some(Accepted::default()), plan).await
    }

    /// Gives an order about every quarantined file that a filter lets through.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent when the filter is empty or `*`; as the
    /// vendor answers.
    pub async fn order_quarantined_files_where(
        &self,
        action: &QuarantineAction,
        filter: &str,
        comment: &str,
    ) -> Result<()> {
        let plan = quarantine::update_where(action, filter, comment);
        if matches!(filter.trim(), "" | "*") {
            let hint =
                "name all of them by a filter of your own, such as date_created:>'2000-01-01T00:00:00Z'";
            return Err(self.refuse(&plan, "this filter would be all quarantined files", hint));
        }
        self.typed::<Accepted>(plan, Expect::Any).await.map(drop)
    }
}
