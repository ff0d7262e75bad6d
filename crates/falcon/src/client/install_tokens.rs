//! Installation tokens.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, PerId, Reply};
use crate::api::install_tokens::{
    self, InstallToken, NewToken, TokenChange, TokenEvent, TokenSettings, TokenSettingsChange,
};
use crate::api::{Accepted, ListParams};

impl Identified for InstallToken {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for TokenEvent {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl FalconClient {
    /// A page of ids of installation tokens.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn install_token_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(install_tokens::query(params)).await
    }

    /// Installation tokens by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn install_tokens_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<InstallToken>> {
        let plan = |ids: &[String]| install_tokens::ENTITIES.by_query("ids", ids);
        self.find(ids, Room::url(install_tokens::MAX_IDS), plan).await
    }

    /// Makes an installation token.
    ///
    /// # Errors
    /// As the vendor answers; with as many valid tokens as the settings allow it is a conflict.
    pub async fn create_install_token(&self, new: &NewToken) -> Result<Reply<InstallToken>> {
        self.entities(install_tokens::create(new)).await
    }

    /// Changes an installation token, or revokes it.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn update_install_token(&self, id: &str, change: &TokenChange) -> Result<Reply<InstallToken>> {
        self.entities(install_tokens::update(id, change)).await
    }

    /// Deletes installation tokens, in any number, one in a call.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn delete_install_tokens<S: AsRef<str>>(&self, ids: &[S]) -> Result<PerId<Accepted>> {
        let plan = |ids: &[String]| install_tokens::DELETE.by_query("ids", ids);
        self.change(ids, Room::url(1), Some(Accepted::default()), plan).await
    }

    /// A page of ids of what was done to installation tokens.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn install_token_event_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(install_tokens::query_events(params)).await
    }

    /// What was done to installation tokens, by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn install_token_events_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<TokenEvent>> {
        let plan = |ids: &[String]| install_tokens::EVENTS.by_query("ids", ids);
        self.find(ids, Room::url(install_tokens::MAX_IDS), plan).await
    }

    /// Whether sensors must show an installation token.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn install_token_settings(&self) -> Result<Reply<TokenSettings>> {
        self.entities(install_tokens::READ_SETTINGS.plan()).await
    }

    /// Changes whether sensors must show an installation token.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn update_install_token_settings(
        &self,
        change: &TokenSettingsChange,
    ) -> Result<Reply<TokenSettings>> {
        self.entities(install_tokens::update_settings(change)).await
    }
}
