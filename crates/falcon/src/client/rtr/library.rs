//! Put-files and scripts.

use edr_core::Result;
use edr_http::{Download, Downloaded};

use super::FalconClient;
use crate::api::rtr::{self, FalconScript, LibraryFile, NewPutFile, NewScript, ScriptChange, Version};
use crate::api::{Expect, ListParams};
use crate::client::by_id::Room;
use crate::client::{ById, Identified, Reply};

impl Identified for LibraryFile {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for FalconScript {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl FalconClient {
    /// A page of ids of put-files.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn put_file_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(rtr::put_file_ids(params)).await
    }

    /// Put-files by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn put_files_by_id<S: AsRef<str>>(
        &self,
        version: Version,
        ids: &[S],
    ) -> Result<ById<LibraryFile>> {
        self.find(ids, Room::url(rtr::MAX_LIBRARY_IDS), |ids| rtr::put_files(version, ids)).await
    }

    /// Makes a put-file, under whose name `put` finds it. The first version answers without it.
    ///
    /// # Errors
    /// As the vendor answers; a name that is taken is a conflict.
    pub async fn create_put_file(&self, version: Version, file: &NewPutFile) -> Result<Reply<LibraryFile>> {
        self.typed(rtr::create_put_file(version, file), Expect::Any).await.map(|(reply, _)| reply)
    }

    /// Deletes a put-file.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn delete_put_file(&self, id: &str) -> Result<()> {
        self.done(rtr::delete_put_file(id)).await
    }

    /// Writes the bytes of a put-file to disk.
    ///
    /// # Errors
    /// As the vendor answers, and when the file cannot be written.
    pub async fn download_put_file(&self, id: &str, to: Download) -> Result<Downloaded> {
        self.http.download_to(&rtr::put_file_contents(id), &to).await
    }

    /// A page of ids of scripts.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn script_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(rtr::script_ids(params)).await
    }

    /// Scripts by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn scripts_by_id<S: AsRef<str>>(
        &self,
        version: Version,
        ids: &[S],
    ) -> Result<ById<LibraryFile>> {
        self.find(ids, Room::url(rtr::MAX_LIBRARY_IDS), |ids| rtr::scripts(version, ids)).await
    }

    /// Makes a script, under whose name `runscript -CloudFile` finds it. The first version answers without it.
    ///
    /// # Errors
    /// As the vendor answers; a name that is taken is a conflict.
    pub async fn create_script(&self, version: Version, script: &NewScript) -> Result<Reply<LibraryFile>> {
        self.typed(rtr::create_script(version, script), Expect::Any).await.map(|(reply, _)| reply)
    }

    /// Changes a script. The first version answers without it.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn update_script(&self, version: Version, change: &ScriptChange) -> Result<Reply<LibraryFile>> {
        self.typed(rtr::update_script(version, change), Expect::Any).await.map(|(reply, _)| reply)
    }

    /// Deletes a script.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn delete_script(&self, id: &str) -> Result<()> {
        self.done(rtr::delete_script(id)).await
    }

    /// A page of ids of the vendor's scripts.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn falcon_script_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(rtr::falcon_script_ids(params)).await
    }

    /// The vendor's scripts by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn falcon_scripts_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<FalconScript>> {
        self.find(ids, Room::url(rtr::MAX_LIBRARY_IDS), rtr::falcon_scripts).await
    }
}
