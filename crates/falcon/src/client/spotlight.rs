//! Vulnerabilities.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, Reply};
use crate::api::spotlight::{self, EvaluationLogic, Remediation, Vulnerability, VulnerabilityFacet};
use crate::api::{AfterParams, FacetParams};

impl Identified for EvaluationLogic {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for Remediation {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for Vulnerability {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl FalconClient {
    /// A page of whole vulnerabilities. A walk by [`Self::pages`] asks for the facets on every page.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent without a filter; as the vendor answers.
    pub async fn vulnerabilities(
        &self,
        params: &FacetParams<VulnerabilityFacet>,
    ) -> Result<Reply<Vulnerability>> {
        self.filtered(spotlight::combined(params)).await
    }

    /// A page of ids of vulnerabilities.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent without a filter; as the vendor answers.
    pub async fn vulnerability_ids(&self, params: &AfterParams) -> Result<Reply<String>> {
        self.filtered(spotlight::query(params)).await
    }

    /// Vulnerabilities by id, in any number, with all their parts.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn vulnerabilities_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<Vulnerability>> {
        self.find(ids, Room::url(spotlight::MAX_IDS), spotlight::entities).await
    }

    /// Remediations by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn remediations_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<Remediation>> {
        self.find(ids, Room::url(spotlight::MAX_IDS), spotlight::remediations).await
    }

    /// A page of whole evaluation logic.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent without a filter; as the vendor answers.
    pub async fn evaluation_logic(&self, params: &AfterParams) -> Result<Reply<EvaluationLogic>> {
        self.filtered(spotlight::combined_logic(params)).await
    }

    /// A page of ids of evaluation logic.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent without a filter; as the vendor answers.
    pub async fn evaluation_logic_ids(&self, params: &AfterParams) -> Result<Reply<String>> {
        self.filtered(spotlight::query_logic(params)).await
    }

    /// Evaluation logic by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn evaluation_logic_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<EvaluationLogic>> {
        self.find(ids, Room::url(spotlight::MAX_IDS), spotlight::logic).await
    }
}
