//! Installers of the sensor, and sensors in use.

use edr_core::{Error, Result};
use edr_http::{Download, Downloaded};

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

    /// Downloads an installer to a file, by its SHA-256, which is its id and which its bytes must have. An installer
    /// has a hundred MiB or more: it goes to disk as it arrives, and a download that broke off, in this run or an
    /// earlier one, is resumed where Falcon serves parts and begun anew where it does not.
    ///
    /// ```no_run
    /// # use falcon::{Download, FalconClient};
    /// # async fn run(falcon: &FalconClient, sha256: &str) -> edr_core::Result<()> {
    /// let done = falcon.download_installer(sha256, Download::to("falcon-sensor.deb")).await?;
    /// println!("{}: {} bytes", done.path.display(), done.bytes);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] for what is no SHA-256, [`edr_core::ErrorKind::Decode`] for other
    /// bytes, and as the vendor answers. Without success there is no file of that name.
    pub async fn download_installer(&self, sha256: &str, to: Download) -> Result<Downloaded> {
        let plan = sensors::download(sha256.trim());
        let named = |e: Error| {
            e.with_operation(plan.operation.name).with_tenant(self.http.tenant(), self.http.vendor())
        };
        let to = to.sha256(sha256).map_err(named)?;
        self.http.download_to(&plan, &to).await
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
