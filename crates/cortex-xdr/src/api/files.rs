//! Files: fetched from endpoints, put into quarantine, and taken out of it.

use std::collections::BTreeMap;

use edr_core::Result;
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use super::actions::ActionId;
use super::responses::{Endpoints, MAX_ENDPOINTS, order, with_incident};
use super::system::{RESPONDER, VIEWER};
use super::{ApiCall, refused};
use crate::record::{Record, record};
use crate::wire;

/// Fetches files.
pub static RETRIEVE: Operation = Operation::write("endpoints/file_retrieval", RESPONDER);
/// Where the fetched files lie.
pub static DETAILS: Operation = Operation::read("actions/file_retrieval_details", VIEWER);
/// The fetched files of one endpoint.
pub static DOWNLOAD: Operation = Operation::read("download", VIEWER);
/// Puts a file into quarantine.
pub static QUARANTINE: Operation = Operation::write("endpoints/quarantine", RESPONDER);
/// Whether files are in quarantine.
pub static QUARANTINE_STATUS: Operation = Operation::read("quarantine/status", VIEWER);
/// Takes a file out of quarantine.
pub static RESTORE: Operation = Operation::write("endpoints/restore", RESPONDER);

/// The most files that one order fetches.
pub const MAX_FILES: usize = 20;
/// The most endpoints from which one order fetches.
pub const MAX_SOURCES: usize = 10;

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::both(&RETRIEVE).limit("20 files, 10 endpoints"),
        ApiCall::both(&DETAILS),
        ApiCall::both(&DOWNLOAD).at("/public_api/v1/download/{token}").seen_in_clients(),
        ApiCall::both(&QUARANTINE).limit("1,000 endpoints"),
        ApiCall::both(&QUARANTINE_STATUS),
        ApiCall::both(&RESTORE),
    ]
}

/// The paths to fetch, by platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePaths(BTreeMap<&'static str, Vec<String>>);

impl FilePaths {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A path on Windows.
    #[must_use]
    pub fn windows(self, path: impl Into<String>) -> Self {
        self.with("windows", path.into())
    }

    /// A path on Linux.
    #[must_use]
    pub fn linux(self, path: impl Into<String>) -> Self {
        self.with("linux", path.into())
    }

    /// A path on macOS.
    #[must_use]
    pub fn macos(self, path: impl Into<String>) -> Self {
        self.with("macos", path.into())
    }

    fn with(mut self, platform: &'static str, path: String) -> Self {
        self.0.entry(platform).or_default().push(path);
        self
    }
}

/// Fetches files: at most twenty, from at most ten endpoints.
///
/// # Errors
/// For none, for more, and for other conditions than ids.
pub fn retrieve_files(
    endpoints: &Endpoints,
    paths: &FilePaths,
    incident: Option<&str>,
) -> Result<RequestPlan> {
    let count: usize = paths.0.values().map(Vec::len).sum();
    if count == 0 || count > MAX_FILES || paths.0.values().flatten().any(|path| path.trim().is_empty()) {
        return Err(refused(
            &RETRIEVE,
            format!("{count} paths are given: from 1 to {MAX_FILES} can be, and none empty"),
        ));
    }
    let mut data = order(endpoints.named(&RETRIEVE, MAX_SOURCES)?, incident);
    data.insert("files".to_owned(), json!(paths.0));
    Ok(super::post(&RETRIEVE, &Value::Object(data)))
}

/// Where the fetched files lie.
#[must_use]
pub fn retrieval_details(id: &ActionId) -> RequestPlan {
    super::post(&DETAILS, &json!({"group_action_id": id.json()}))
}

/// Where the fetched files lie, by endpoint; absent where they are not there yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retrieval {
    /// The addresses. They hold tokens, so they are no text for a log.
    pub links: BTreeMap<String, Option<String>>,
}

impl Record for Retrieval {
    fn from_object(object: &Map<String, Value>) -> Self {
        let data = object.get("data").and_then(Value::as_object);
        let link = |(id, value): (&String, &Value)| (id.clone(), wire::text(value));
        Self { links: data.into_iter().flatten().map(link).collect() }
    }
}

/// A file on an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOnEndpoint {
    /// The endpoint.
    pub endpoint_id: String,
    /// The path.
    pub path: String,
    /// The SHA-256, in hex.
    pub sha256: String,
}

/// Puts a file into quarantine. That it was accepted does not mean that it was found.
///
/// # Errors
/// For an empty path, for what is no SHA-256, for more than 1,000 endpoints, and for other conditions than ids.
pub fn quarantine(
    endpoints: &Endpoints,
    path: &str,
    sha256: &str,
    incident: Option<&str>,
) -> Result<RequestPlan> {
    if path.trim().is_empty() {
        return Err(refused(&QUARANTINE, "the path is empty"));
    }
    let mut data = order(endpoints.named(&QUARANTINE, MAX_ENDPOINTS)?, incident);
    data.insert("file_path".to_owned(), json!(path));
    data.insert("file_hash".to_owned(), json!(hash(&QUARANTINE, sha256)?));
    Ok(super::post(&QUARANTINE, &Value::Object(data)))
}

/// Whether files are in quarantine.
///
/// # Errors
/// For none.
pub fn quarantine_status(files: &[FileOnEndpoint]) -> Result<RequestPlan> {
    if files.is_empty() {
        return Err(refused(&QUARANTINE_STATUS, "no file is named"));
    }
    let entry = |f: &FileOnEndpoint| json!({"endpoint_id": f.endpoint_id, "file_path": f.path, "file_hash": f.sha256});
    let files: Vec<Value> = files.iter().map(entry).collect();
    Ok(super::post(&QUARANTINE_STATUS, &json!({"files": files})))
}

record! {
    /// Whether a file is in quarantine.
    pub struct QuarantineStatus {
        /// The endpoint.
        pub endpoint_id: Option<String> = "endpoint_id",
        /// The path.
        pub file_path: Option<String> = "file_path",
        /// The SHA-256.
        pub file_hash: Option<String> = "file_hash",
        /// It is.
        pub quarantined: Option<bool> = "status",
    }
}

/// Where a file is taken out of quarantine. There is no silent "everywhere".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreOn<'a> {
    /// On this endpoint.
    Endpoint(&'a str),
    /// Wherever it is.
    Everywhere,
}

/// Takes a file out of quarantine.
///
/// # Errors
/// For what is no SHA-256, and for an empty id.
pub fn restore(sha256: &str, on: RestoreOn<'_>, incident: Option<&str>) -> Result<RequestPlan> {
    let mut data = Map::new();
    data.insert("file_hash".to_owned(), json!(hash(&RESTORE, sha256)?));
    if let RestoreOn::Endpoint(id) = on {
        data.insert("endpoint_id".to_owned(), json!(super::segment(&RESTORE, id)?));
    }
    with_incident(&mut data, incident);
    Ok(super::post(&RESTORE, &Value::Object(data)))
}

fn hash(operation: &'static Operation, sha256: &str) -> Result<String> {
    let hash = sha256.trim().to_ascii_lowercase();
    let good = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then_some(hash).ok_or_else(|| refused(operation, "the hash is no SHA-256"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_hold_before_the_wire() {
        let (one, paths) = (Endpoints::ids(["a"]).unwrap(), FilePaths::new().windows("C:\\Übung\\a.exe"));
        let plan = retrieve_files(&one, &paths, None).unwrap();
        let edr_http::Body::Bytes(_, body) = plan.body else { panic!("a body") };
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("Übung"), "in UTF-8, not as \\u escapes: {text}");
        assert!(retrieve_files(&one, &FilePaths::new(), None).is_err());
        let many = (0..21).fold(FilePaths::new(), |paths, n| paths.linux(format!("/{n}")));
        assert!(retrieve_files(&one, &many, None).is_err());
        let eleven = Endpoints::ids((0..11).map(|n| n.to_string())).unwrap();
        assert!(retrieve_files(&eleven, &paths, None).is_err());
        assert!(
            quarantine(&one, "/a", "abc", None).is_err()
                && quarantine(&one, " ", &"a".repeat(64), None).is_err()
        );
        assert!(quarantine_status(&[]).is_err());
        assert!(restore(&"a".repeat(64), RestoreOn::Endpoint(""), None).is_err());
        assert!(restore(&"A".repeat(64), RestoreOn::Everywhere, None).is_ok());
    }
}
