//! Cases.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, Reply};
use crate::api::Expect;
use crate::api::cases::{self, Case, CaseChange, CasesParams, NewCase};

impl Identified for Case {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl FalconClient {
    /// A page of ids of cases.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn case_ids(&self, params: &CasesParams) -> Result<Reply<String>> {
        self.listing(cases::query(params)).await
    }

    /// Cases by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn cases_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<Case>> {
        self.find(ids, Room::body(cases::MAX_IDS), cases::entities).await
    }

    /// Makes a case.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn create_case(&self, new: &NewCase) -> Result<Reply<Case>> {
        self.entities(cases::create(new)).await
    }

    /// Changes a case. With [`CaseChange::expected_version`] it is refused when somebody else was faster.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn update_case(&self, change: &CaseChange) -> Result<Reply<Case>> {
        self.entities(cases::update(change)).await
    }

    /// Adds tags to a case.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn tag_case<S: AsRef<str>>(&self, id: &str, tags: &[S]) -> Result<Reply<Case>> {
        self.entities(cases::add_tags(id, tags)).await
    }

    /// Takes tags of a case away.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn untag_case<S: AsRef<str>>(&self, id: &str, tags: &[S]) -> Result<Reply<Case>> {
        self.entities(cases::delete_tags(id, tags)).await
    }

    /// Adds alerts to a case, by composite id.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn add_case_alerts<S: AsRef<str>>(&self, id: &str, alerts: &[S]) -> Result<Reply<Case>> {
        self.entities(cases::add_alerts(id, alerts)).await
    }

    /// Adds events to a case.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn add_case_events<S: AsRef<str>>(&self, id: &str, events: &[S]) -> Result<Reply<Case>> {
        self.entities(cases::add_events(id, events)).await
    }

    /// Puts the case `source` into `destination`. The answer has no resources.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn merge_cases(&self, source: &str, destination: &str) -> Result<()> {
        self.typed::<Case>(cases::merge(source, destination), Expect::Any).await.map(drop)
    }
}
