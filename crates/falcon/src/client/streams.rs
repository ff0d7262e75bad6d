//! Event streams: which there are, and keeping them alive.

use edr_core::Result;

use super::{FalconClient, Reply};
use crate::api::Expect;
use crate::api::streams::{self, AppId, AvailableStream};

impl FalconClient {
    /// The streams that a reader of this name may have, one for each partition. None are found, without an error,
    /// while somebody reads under the name. [`FalconClient::events`] does all this by itself.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn event_streams(&self, app: &AppId) -> Result<Reply<AvailableStream>> {
        self.typed(streams::discover(app), Expect::Any).await.map(|(reply, _)| reply)
    }

    /// Keeps the session of a partition alive for another interval.
    ///
    /// # Errors
    /// As the vendor answers; [`edr_core::ErrorKind::NotFound`] when there is no session any more.
    pub async fn renew_event_stream(&self, app: &AppId, partition: u32) -> Result<()> {
        self.fetch::<serde::de::IgnoredAny>(streams::refresh(app, partition)).await.map(drop)
    }
}
