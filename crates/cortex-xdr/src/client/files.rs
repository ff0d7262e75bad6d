//! Files and scripts: from endpoints and on them.

use std::collections::BTreeMap;

use edr_core::Result;
use edr_http::{Download, Downloaded, RequestPlan};
use http::Method;
use serde_json::{Map, Value};

use super::CortexClient;
use crate::api::actions::{self, ActionId, ActionStarted, Patience};
use crate::api::files::{self, FileOnEndpoint, FilePaths, QuarantineStatus, RestoreOn, Retrieval};
use crate::api::reply;
use crate::api::responses::Endpoints;
use crate::api::scripts::{self, RunOptions, Script, ScriptMetadata, ScriptResults, ScriptStatus};
use crate::filter::Filters;

impl CortexClient {
    /// Fetches files from endpoints: at most twenty from at most ten.
    ///
    /// # Errors
    /// For none or more, and as the vendor answers.
    pub async fn retrieve_files(
        &self,
        endpoints: &Endpoints,
        paths: &FilePaths,
        incident: Option<&str>,
    ) -> Result<ActionStarted> {
        self.reply(self.planned(files::retrieve_files(endpoints, paths, incident))?, actions::started).await
    }

    /// Where the fetched files lie, by endpoint; absent where they are not there yet.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn retrieval(&self, id: &ActionId) -> Result<Retrieval> {
        self.reply(files::retrieval_details(id), reply::object).await
    }

    /// Downloads what a reply points to, as it arrives: the ZIP of an endpoint's or a script's files, or a package.
    /// Only the tenant's own host is asked, since the request carries the credentials. A connection that breaks is
    /// made again, and the rest alone asked for where the service tells versions apart.
    ///
    /// ```no_run
    /// # use cortex_xdr::{CortexClient, Download};
    /// # async fn run(cortex: &CortexClient, link: &str) -> edr_core::Result<()> {
    /// let done = cortex.download(link, &Download::to("files.zip")).await?;
    /// println!("{}: {} bytes", done.path.display(), done.bytes);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] when the link points elsewhere, and as the vendor answers. Without
    /// success there is no file of that name.
    pub async fn download(&self, link: &str, to: &Download) -> Result<Downloaded> {
        let url = self.http().checked(link).map_err(|e| self.dressed(e, files::DOWNLOAD.name))?;
        let plan = RequestPlan::at(&files::DOWNLOAD, Method::POST, url);
        self.http().download_to(&plan, to).await
    }

    /// Puts a file into quarantine. That it is accepted does not mean that it was found.
    ///
    /// # Errors
    /// For what is no SHA-256, more than 1,000 endpoints, and as the vendor answers.
    pub async fn quarantine(
        &self,
        endpoints: &Endpoints,
        path: &str,
        sha256: &str,
        incident: Option<&str>,
    ) -> Result<ActionStarted> {
        self.reply(self.planned(files::quarantine(endpoints, path, sha256, incident))?, actions::started)
            .await
    }

    /// Whether files are in quarantine.
    ///
    /// # Errors
    /// For none, and as the vendor answers.
    pub async fn quarantine_status(&self, files: &[FileOnEndpoint]) -> Result<Vec<QuarantineStatus>> {
        let plan = self.planned(files::quarantine_status(files))?;
        self.reply(plan, |body| reply::list(body, &["data", "files"])).await
    }

    /// Takes a file out of quarantine. Old tenants answer without an action.
    ///
    /// # Errors
    /// For what is no SHA-256, and as the vendor answers.
    pub async fn restore(
        &self,
        sha256: &str,
        on: RestoreOn<'_>,
        incident: Option<&str>,
    ) -> Result<ActionStarted> {
        self.reply(self.planned(files::restore(sha256, on, incident))?, actions::started).await
    }

    /// Scripts; the call knows no windows.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn scripts(&self, filters: impl Into<Filters>) -> Result<Vec<Script>> {
        self.reply(scripts::scripts(filters), |body| reply::list(body, &["scripts"])).await
    }

    /// A script with what it takes and gives.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn script_metadata(&self, uid: &str) -> Result<ScriptMetadata> {
        self.reply(self.planned(scripts::script_metadata(uid))?, reply::object).await
    }

    /// The text of a script.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn script_code(&self, uid: &str) -> Result<String> {
        let read = |body: &[u8]| match reply::inner(body)? {
            // To the letter: a script lives by its blanks.
            Value::String(code) => Ok(code),
            _ => Err(reply::strange("no text as its reply")),
        };
        self.reply(self.planned(scripts::script_code(uid))?, read).await
    }

    /// Runs a script on endpoints.
    ///
    /// # Errors
    /// For more than 1,000 endpoints, and as the vendor answers.
    pub async fn run_script(
        &self,
        uid: &str,
        values: &Map<String, Value>,
        endpoints: &Endpoints,
        options: RunOptions<'_>,
    ) -> Result<ActionStarted> {
        self.reply(self.planned(scripts::run_script(uid, values, endpoints, options))?, actions::started)
            .await
    }

    /// Runs a piece of Python on endpoints.
    ///
    /// # Errors
    /// As [`Self::run_script`].
    pub async fn run_snippet(
        &self,
        code: &str,
        endpoints: &Endpoints,
        options: RunOptions<'_>,
    ) -> Result<ActionStarted> {
        self.reply(self.planned(scripts::run_snippet(code, endpoints, options))?, actions::started).await
    }

    /// How far a run is.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn script_status(&self, id: &ActionId) -> Result<ScriptStatus> {
        self.reply(scripts::script_status(id), reply::object).await
    }

    /// Asks for a run until it has ended everywhere, or the time is up.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn wait_for_script(&self, id: &ActionId, patience: &Patience) -> Result<ScriptStatus> {
        self.poll(patience, || self.script_status(id), ScriptStatus::is_over).await
    }

    /// What came of a run.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn script_results(&self, id: &ActionId) -> Result<ScriptResults> {
        self.reply(scripts::script_results(id), reply::object).await
    }

    /// Where the files lie that a run brought from one endpoint; `None` where there are none. The link is
    /// good for some minutes.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn script_files(&self, id: &ActionId, endpoint_id: &str) -> Result<Option<String>> {
        let plan = self.planned(scripts::script_files(id, endpoint_id))?;
        let link = |body: &[u8]| {
            let reply = reply::inner(body)?;
            Ok(reply
                .get("DATA")
                .unwrap_or(&reply)
                .as_str()
                .filter(|link| !link.is_empty())
                .map(str::to_owned))
        };
        self.reply(plan, link).await
    }

    /// Downloads the files that a run brought from one endpoint; `None` where there are none.
    ///
    /// # Errors
    /// As [`Self::download`].
    pub async fn download_script_files(
        &self,
        id: &ActionId,
        endpoint_id: &str,
        to: &Download,
    ) -> Result<Option<Downloaded>> {
        match self.script_files(id, endpoint_id).await? {
            Some(link) => self.download(&link, to).await.map(Some),
            None => Ok(None),
        }
    }

    /// Asks for fetched files until every endpoint has brought them, or the time is up.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn wait_for_files(
        &self,
        id: &ActionId,
        patience: &Patience,
    ) -> Result<BTreeMap<String, Option<String>>> {
        let ready = |found: &Retrieval| !found.links.is_empty() && found.links.values().all(Option::is_some);
        Ok(self.poll(patience, || self.retrieval(id), ready).await?.links)
    }
}
