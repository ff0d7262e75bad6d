//! Exclusions.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, PerId, Reply};
use crate::api::ListParams;
use crate::api::exclusions::{self, ExclusionKind, IoaExclusion, PathExclusion};

impl Identified for IoaExclusion {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for PathExclusion {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl FalconClient {
    /// A page of ids of exclusions of a kind.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn exclusion_ids<K: ExclusionKind>(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(exclusions::query::<K>(params)).await
    }

    /// Exclusions of a kind by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn exclusions_by_id<K: ExclusionKind, S: AsRef<str>>(
        &self,
        ids: &[S],
    ) -> Result<ById<K::Exclusion>> {
        self.find(ids, Room::url(exclusions::MAX_IDS), |ids| exclusions::entities::<K, _>(ids)).await
    }

    /// Makes an exclusion.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn create_exclusion<K: ExclusionKind>(&self, body: &K::Body) -> Result<Reply<K::Exclusion>> {
        self.entities(exclusions::create::<K>(body)).await
    }

    /// Changes an exclusion.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn update_exclusion<K: ExclusionKind>(
        &self,
        id: &str,
        body: &K::Body,
    ) -> Result<Reply<K::Exclusion>> {
        self.entities(exclusions::update::<K>(id, body)).await
    }

    /// Deletes exclusions of a kind, in any number.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn delete_exclusions<K: ExclusionKind, S: AsRef<str>>(
        &self,
        ids: &[S],
        comment: Option<&str>,
    ) -> Result<PerId<String>> {
        let plan = |ids: &[String]| exclusions::delete::<K, _>(ids, comment);
        self.change(ids, Room::url(exclusions::MAX_IDS), None, plan).await
    }
}
