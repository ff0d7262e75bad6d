//! Installers of the sensor, and sensors in use.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, Reply};
use crate::api::ListParams;
use crate::api::sensors::{self, Installer, Span, Usage, UsageParams};

impl Identified for Installer {
    fn uid(&self) -> Option<&str> {
        self.sha256.as_deref()
    }
}

impl FalconClient {
    /// A page of whole installers.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn installers(&self, params: &ListParams) -> Result<Reply<Installer>> {
        self.listing(sensors::combined(params)).await
    }

    /// A page of ids of installers.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn installer_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(sensors::query(params)).await
    }

    /// Installers by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn installers_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<Installer>> {
        self.find(ids, Room::url(sensors::MAX_IDS), sensors::entities).await
    }

    /// The customer id with its checksum, as a sensor is installed with it.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn ccid(&self) -> Result<Reply<String>> {
        self.entities(sensors::ccid()).await
    }

    /// Sensors in use.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn sensor_usage(&self, span: Span, params: &UsageParams) -> Result<Reply<Usage>> {
        self.entities(sensors::usage(span, params)).await
    }
}
