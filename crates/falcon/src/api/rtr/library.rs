//! What can be brought to hosts: files to put onto them, scripts of the tenant's own, and those of the vendor.

use bytes::Bytes;
use edr_http::{Body, FileSource, Multipart, RequestPlan};

use super::{ADMIN, LISTING, UNCAPPED, Version};
use crate::api::{Endpoint, ListParams, Verb};
use crate::time::Timestamp;
use crate::wire::wire;
use crate::words::words;

const PUT_1: &str = "/real-time-response/entities/put-files/v1";
const PUT_2: &str = "/real-time-response/entities/put-files/v2";
const SCRIPT_1: &str = "/real-time-response/entities/scripts/v1";
const SCRIPT_2: &str = "/real-time-response/entities/scripts/v2";
const IDS: &[&str] = &["ids"];

/// Ids of put-files.
pub static PUT_FILE_IDS: Endpoint =
    Endpoint::read("RTR-ListPut-Files", Verb::Get, "/real-time-response/queries/put-files/v1", ADMIN)
        .pages(UNCAPPED, 100)
        .query(LISTING);
/// Put-files by id, as the first version tells of them.
pub static PUT_FILES_V1: Endpoint =
    Endpoint::read("RTR-GetPut-Files", Verb::Get, PUT_1, ADMIN).ids(MAX_LIBRARY_IDS as u32).query(IDS);
/// Put-files by id.
pub static PUT_FILES_V2: Endpoint =
    Endpoint::read("RTR-GetPut-FilesV2", Verb::Get, PUT_2, ADMIN).ids(MAX_LIBRARY_IDS as u32).query(IDS);
/// Makes a put-file; the first version answers without it.
pub static CREATE_PUT_FILE_V1: Endpoint = Endpoint::write("RTR-CreatePut-Files", Verb::Post, PUT_1, ADMIN);
/// Makes a put-file.
pub static CREATE_PUT_FILE_V2: Endpoint = Endpoint::write("RTR-CreatePut-FilesV2", Verb::Post, PUT_2, ADMIN);
/// Deletes a put-file.
pub static DELETE_PUT_FILE: Endpoint =
    Endpoint::write("RTR-DeletePut-Files", Verb::Delete, PUT_1, ADMIN).query(IDS);
/// The bytes of a put-file.
pub static PUT_FILE_CONTENTS: Endpoint = Endpoint::read(
    "RTR-GetPutFileContents",
    Verb::Get,
    "/real-time-response/entities/put-file-contents/v1",
    ADMIN,
)
.query(&["id"]);
/// Ids of scripts.
pub static SCRIPT_IDS: Endpoint =
    Endpoint::read("RTR-ListScripts", Verb::Get, "/real-time-response/queries/scripts/v1", ADMIN)
        .pages(UNCAPPED, 100)
        .query(LISTING);
/// Scripts by id, as the first version tells of them.
pub static SCRIPTS_V1: Endpoint =
    Endpoint::read("RTR-GetScripts", Verb::Get, SCRIPT_1, ADMIN).ids(MAX_LIBRARY_IDS as u32).query(IDS);
/// Scripts by id.
pub static SCRIPTS_V2: Endpoint =
    Endpoint::read("RTR-GetScriptsV2", Verb::Get, SCRIPT_2, ADMIN).ids(MAX_LIBRARY_IDS as u32).query(IDS);
/// Makes a script; the first version answers without it.
pub static CREATE_SCRIPT_V1: Endpoint = Endpoint::write("RTR-CreateScripts", Verb::Post, SCRIPT_1, ADMIN);
/// Makes a script.
pub static CREATE_SCRIPT_V2: Endpoint = Endpoint::write("RTR-CreateScriptsV2", Verb::Post, SCRIPT_2, ADMIN);
/// Changes a script; the first version answers without it. The same change twice is one.
pub static UPDATE_SCRIPT_V1: Endpoint =
    Endpoint::repeatable("RTR-UpdateScripts", Verb::Patch, SCRIPT_1, ADMIN);
/// Changes a script; the same change twice is one.
pub static UPDATE_SCRIPT_V2: Endpoint =
    Endpoint::repeatable("RTR-UpdateScriptsV2", Verb::Patch, SCRIPT_2, ADMIN);
/// Deletes a script.
pub static DELETE_SCRIPT: Endpoint =
    Endpoint::write("RTR-DeleteScripts", Verb::Delete, SCRIPT_1, ADMIN).query(IDS);
/// Ids of the vendor's scripts.
pub static FALCON_SCRIPT_IDS: Endpoint = Endpoint::read(
    "RTR-ListFalconScripts",
    Verb::Get,
    "/real-time-response/queries/falcon-scripts/v1",
    ADMIN,
)
.pages(UNCAPPED, 100)
.query(LISTING);
/// The vendor's scripts by id.
pub static FALCON_SCRIPTS: Endpoint = Endpoint::read(
    "RTR-GetFalconScripts",
    Verb::Get,
    "/real-time-response/entities/falcon-scripts/v1",
    ADMIN,
)
.ids(MAX_LIBRARY_IDS as u32)
.query(IDS);

/// The most files or scripts by id in one call; the URL is the limit, and no other is published.
pub const MAX_LIBRARY_IDS: usize = 100;

/// A page of ids of put-files.
#[must_use]
pub fn put_file_ids(params: &ListParams) -> RequestPlan {
    params.plan(&PUT_FILE_IDS)
}

/// Put-files by id, at most [`MAX_LIBRARY_IDS`].
#[must_use]
pub fn put_files<S: AsRef<str>>(version: Version, ids: &[S]) -> RequestPlan {
    version.of(&PUT_FILES_V1, &PUT_FILES_V2).by_query("ids", ids)
}

/// The bytes of a file that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// They are in memory.
    Bytes(Bytes),
    /// They are read while they are sent.
    File(FileSource),
}

/// A put-file to be made. It cannot be changed afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewPutFile {
    /// A comment for the audit.
    pub comments_for_audit_log: Option<String>,
    /// What is in it.
    pub content: Content,
    /// What it is for; the service demands it.
    pub description: String,
    /// Its name, under which `put` finds it.
    pub name: String,
}

impl NewPutFile {
    /// A file with a name.
    #[must_use]
    pub fn new(name: &str, description: &str, content: Content) -> Self {
        let (description, name) = (description.to_owned(), name.to_owned());
        Self { comments_for_audit_log: None, content, description, name }
    }
}

fn with_content(form: Multipart, name: &str, content: &Content) -> Multipart {
    const KIND: &str = "application/octet-stream";
    match content {
        Content::Bytes(bytes) => form.bytes("file", name, KIND, bytes.clone()),
        Content::File(file) => form.file("file", name, KIND, file.clone()),
    }
}

fn filled(endpoint: &'static Endpoint, form: Multipart) -> RequestPlan {
    let mut plan = endpoint.plan();
    plan.body = Body::Multipart(form);
    plan
}

/// Makes a put-file.
#[must_use]
pub fn create_put_file(version: Version, file: &NewPutFile) -> RequestPlan {
    let form = Multipart::new()
        .text("name", &file.name)
        .text("description", &file.description)
        .maybe("comments_for_audit_log", file.comments_for_audit_log.as_deref());
    filled(
        version.of(&CREATE_PUT_FILE_V1, &CREATE_PUT_FILE_V2),
        with_content(form, &file.name, &file.content),
    )
}

/// Deletes a put-file.
#[must_use]
pub fn delete_put_file(id: &str) -> RequestPlan {
    DELETE_PUT_FILE.plan().query("ids", id)
}

/// The bytes of a put-file.
#[must_use]
pub fn put_file_contents(id: &str) -> RequestPlan {
    PUT_FILE_CONTENTS.plan().query("id", id)
}

/// A page of ids of scripts.
#[must_use]
pub fn script_ids(params: &ListParams) -> RequestPlan {
    params.plan(&SCRIPT_IDS)
}

/// Scripts by id, at most [`MAX_LIBRARY_IDS`].
#[must_use]
pub fn scripts<S: AsRef<str>>(version: Version, ids: &[S]) -> RequestPlan {
    version.of(&SCRIPTS_V1, &SCRIPTS_V2).by_query("ids", ids)
}

words! {
    /// Who may run a script.
    pub enum Permission {
        /// Whoever is in its groups.
        Group = "group",
        /// Administrators.
        None = "none",
        /// Whoever made it.
        Private = "private",
        /// Everyone who may run scripts.
        Public = "public",
    }
}

words! {
    /// The system of a script.
    pub enum ScriptPlatform {
        Linux = "linux",
        Mac = "mac",
        Windows = "windows",
    }
}

/// A script to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewScript {
    /// A comment for the audit.
    pub comments_for_audit_log: Option<String>,
    /// Its text.
    pub content: Content,
    /// What it is for; the service demands it.
    pub description: String,
    /// Its name, under which `runscript -CloudFile` finds it.
    pub name: String,
    /// Who may run it.
    pub permission: Permission,
    /// Where it runs; Windows when nothing is said.
    pub platforms: Vec<ScriptPlatform>,
}

impl NewScript {
    /// A script for administrators.
    #[must_use]
    pub fn new(name: &str, description: &str, content: Content) -> Self {
        let (description, name) = (description.to_owned(), name.to_owned());
        let (permission, platforms) = (Permission::None, Vec::new());
        Self { comments_for_audit_log: None, content, description, name, permission, platforms }
    }
}

fn with_platforms(form: Multipart, platforms: &[ScriptPlatform]) -> Multipart {
    platforms.iter().fold(form, |form, platform| form.text("platform", platform.as_str()))
}

/// Makes a script.
#[must_use]
pub fn create_script(version: Version, script: &NewScript) -> RequestPlan {
    let form = Multipart::new()
        .text("name", &script.name)
        .text("description", &script.description)
        .text("permission_type", script.permission.as_str())
        .maybe("comments_for_audit_log", script.comments_for_audit_log.as_deref());
    let form = with_platforms(form, &script.platforms);
    filled(
        version.of(&CREATE_SCRIPT_V1, &CREATE_SCRIPT_V2),
        with_content(form, &script.name, &script.content),
    )
}

/// A change of a script; what is absent stays as it is, but for the text, which the service demands each time
/// ([`LibraryFile::content`] has it). A description and a comment cannot be taken away again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptChange {
    /// The script.
    pub id: String,
    /// Its text from now on.
    pub content: Content,
    /// A comment for the audit.
    pub comments_for_audit_log: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Another name.
    pub name: Option<String>,
    /// Who may run it from now on.
    pub permission: Option<Permission>,
    /// Where it runs from now on; as before when none is named.
    pub platforms: Vec<ScriptPlatform>,
}

impl ScriptChange {
    /// A script with a text.
    #[must_use]
    pub fn new(id: &str, content: Content) -> Self {
        let (comments_for_audit_log, description, name, permission) = (None, None, None, None);
        let (id, platforms) = (id.to_owned(), Vec::new());
        Self { id, content, comments_for_audit_log, description, name, permission, platforms }
    }
}

/// Changes a script.
#[must_use]
pub fn update_script(version: Version, change: &ScriptChange) -> RequestPlan {
    let form = Multipart::new()
        .text("id", &change.id)
        .maybe("comments_for_audit_log", change.comments_for_audit_log.as_deref())
        .maybe("description", change.description.as_deref())
        .maybe("name", change.name.as_deref())
        .maybe("permission_type", change.permission.as_ref().map(Permission::as_str));
    let form = with_platforms(form, &change.platforms);
    let form = with_content(form, change.name.as_deref().unwrap_or("script"), &change.content);
    filled(version.of(&UPDATE_SCRIPT_V1, &UPDATE_SCRIPT_V2), form)
}

/// Deletes a script.
#[must_use]
pub fn delete_script(id: &str) -> RequestPlan {
    DELETE_SCRIPT.plan().query("ids", id)
}

/// A page of ids of the vendor's scripts.
#[must_use]
pub fn falcon_script_ids(params: &ListParams) -> RequestPlan {
    params.plan(&FALCON_SCRIPT_IDS)
}

/// The vendor's scripts by id, at most [`MAX_LIBRARY_IDS`].
#[must_use]
pub fn falcon_scripts<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    FALCON_SCRIPTS.by_query("ids", ids)
}

wire! {
    /// A put-file or a script, `empowerapi.RemoteCommandPutFileV2`; of the first version the parts that it has.
    pub struct LibraryFile {
        comments_for_audit_log: Option<String>,
        content: Option<String>,
        created_by: Option<String>,
        created_by_uuid: Option<String>,
        created_timestamp: Option<Timestamp>,
        description: Option<String>,
        file_type: Option<String>,
        id: Option<String>,
        modified_by: Option<String>,
        modified_by_uuid: Option<String>,
        modified_timestamp: Option<Timestamp>,
        name: Option<String>,
        permission_type: Option<Permission>,
        platform: Vec<ScriptPlatform>,
        run_attempt_count: Option<i64>,
        run_success_count: Option<i64>,
        sha256: Option<String>,
        share_with_workflow: Option<bool>,
        size: Option<i64>,
        workflow_activity_id: Option<String>,
        workflow_input_schema: Option<String>,
        workflow_is_disruptive: Option<bool>,
        workflow_output_schema: Option<String>,
        write_access: Option<bool>,
    }
}

wire! {
    /// A script of the vendor's, `empowerapi.FalconScript`.
    pub struct FalconScript {
        access_roles: Vec<String>,
        categories: Vec<String>,
        content: Option<String>,
        created_by: Option<String>,
        created_timestamp: Option<Timestamp>,
        description: Option<String>,
        id: Option<String>,
        is_disruptive: Option<bool>,
        modified_by: Option<String>,
        modified_timestamp: Option<Timestamp>,
        modifies_system: Option<bool>,
        name: Option<String>,
        platform: Option<String>,
        required_skus: Vec<String>,
        revision: Option<i64>,
        sha256: Option<String>,
        size: Option<i64>,
        use_case: Option<String>,
        workflow_enabled: Option<bool>,
        workflow_input_schema: Option<String>,
        workflow_output_schema: Option<String>,
        workflow_tags: Vec<String>,
    }
}
