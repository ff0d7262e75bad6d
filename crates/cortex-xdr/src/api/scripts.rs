//! Scripts: which there are, running one, and what came of it.

use chrono::{DateTime, Utc};
use edr_core::Result;
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use super::actions::{ActionId, ActionState};
use super::responses::{Endpoints, MAX_ENDPOINTS, order};
use super::system::{RESPONDER, VIEWER};
use super::{ApiCall, refused};
use crate::filter::{Filters, filters};
use crate::record::{Lenient, Record, field, record};
use crate::wire::{self, Stamp};

/// Scripts.
pub static LIST: Operation = Operation::read("scripts/get_scripts", VIEWER);
/// A script with what it takes and gives.
pub static METADATA: Operation = Operation::read("scripts/get_script_metadata", VIEWER);
/// The text of a script.
pub static CODE: Operation = Operation::read("scripts/get_script_code", VIEWER);
/// Runs a script.
pub static RUN: Operation = Operation::write("scripts/run_script", RESPONDER);
/// Runs a piece of code.
pub static SNIPPET: Operation = Operation::write("scripts/run_snippet_code_script", RESPONDER);
/// How far a run is.
pub static STATUS: Operation = Operation::read("scripts/get_script_execution_status", VIEWER);
/// What came of a run.
pub static RESULTS: Operation = Operation::read("scripts/get_script_execution_results", VIEWER);
/// Where the files of a run lie.
pub static FILES: Operation = Operation::read("scripts/get_script_execution_results_files", VIEWER);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::both(&LIST),
        ApiCall::both(&METADATA),
        ApiCall::both(&CODE),
        ApiCall::both(&RUN).limit("1,000 endpoints"),
        ApiCall::both(&SNIPPET).limit("1,000 endpoints"),
        ApiCall::both(&STATUS),
        ApiCall::both(&RESULTS),
        ApiCall::both(&FILES).limit("1 endpoint"),
    ]
}

filters! {
    /// Which scripts.
    pub struct ScriptFilters {
        /// With these names.
        names: in "name" of String,
        /// With these descriptions.
        descriptions: in "description" of String,
        /// By these authors.
        authors: in "created_by" of String,
        /// These.
        uids: in "script_uid" of String,
        /// That run on Windows.
        windows: in "windows_supported" of bool,
        /// That run on Linux.
        linux: in "linux_supported" of bool,
        /// That run on macOS.
        macos: in "macos_supported" of bool,
        /// That are dangerous.
        high_risk: in "is_high_risk" of bool,
        /// Changed from this time on.
        modified_from: gte "modification_date" of DateTime<Utc>,
        /// Changed up to this time.
        modified_to: lte "modification_date" of DateTime<Utc>,
    }
}

record! {
    /// A script.
    pub struct Script {
        /// Its number.
        pub script_id: Option<String> = "script_id",
        /// Its id, by which it is run.
        pub script_uid: Option<String> = "script_uid",
        /// Its name.
        pub name: Option<String> = "name",
        /// What it does.
        pub description: Option<String> = "description",
        /// When it was changed.
        pub modification_date: Stamp = "modification_date",
        /// Who wrote it.
        pub created_by: Option<String> = "created_by",
        /// It is dangerous.
        pub is_high_risk: Option<bool> = "is_high_risk",
        /// It runs on Windows.
        pub windows_supported: Option<bool> = "windows_supported",
        /// It runs on Linux.
        pub linux_supported: Option<bool> = "linux_supported",
        /// It runs on macOS.
        pub macos_supported: Option<bool> = "macos_supported",
    }
}

record! {
    /// A value that a script takes or gives.
    pub struct ScriptValue {
        /// Its name.
        pub name: Option<String> = "name",
        /// Its name for people.
        pub friendly_name: Option<String> = "friendly_name",
        /// `string`, `number`, …
        pub kind: Option<String> = "type",
    }
}

/// A script with what it takes and gives.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ScriptMetadata {
    /// The script.
    pub script: Script,
    /// The function that is called.
    pub entry_point: Option<String>,
    /// What it takes.
    pub inputs: Vec<ScriptValue>,
    /// `dictionary`, `string`, …
    pub output_type: Option<String>,
    /// What it gives.
    pub outputs: Vec<ScriptValue>,
}

impl Record for ScriptMetadata {
    fn from_object(object: &Map<String, Value>) -> Self {
        Self {
            script: Script::from_object(object),
            entry_point: field(object, &["entry_point"]),
            inputs: field(object, &["script_input"]),
            output_type: field(object, &["script_output_type"]),
            outputs: field(object, &["script_output_dictionary_definitions"]),
        }
    }
}

record! {
    /// How far a run is. One word for all, and how many endpoints are in each state.
    pub struct ScriptStatus {
        /// The word for all.
        pub general: Option<ActionState> = "general_status",
        /// Why it failed.
        pub error_message: Option<String> = "error_message",
        /// They have not asked for it yet.
        pub pending: Option<u64> = "endpoints_pending",
        /// It runs there.
        pub in_progress: Option<u64> = "endpoints_in_progress",
        /// It is done there.
        pub completed: Option<u64> = "endpoints_completed_successfully",
        /// It failed there.
        pub failed: Option<u64> = "endpoints_failed",
        /// It took too long there.
        pub timeout: Option<u64> = "endpoints_timeout",
        /// It was taken back there.
        pub aborted: Option<u64> = "endpoints_aborted",
        /// It is being taken back there.
        pub pending_abort: Option<u64> = "endpoints_pending_abort",
        /// It was taken back there before it began.
        pub canceled: Option<u64> = "endpoints_canceled",
        /// They were away for too long.
        pub expired: Option<u64> = "endpoints_expired",
    }
}

impl ScriptStatus {
    /// True when nothing further will happen on any endpoint. An answer that says nothing is no end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let open = [self.pending, self.in_progress, self.pending_abort];
        let waiting = open.iter().any(|count| count.is_some_and(|count| count > 0));
        self.general.as_ref().is_some_and(ActionState::is_over) && !waiting
    }
}

/// What a script gave back: a text, a number, a list, or values by name. Scripts are free in this.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReturnValue(Value);

impl ReturnValue {
    /// The JSON.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// The text of it, where it is one value.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        wire::scalar(&self.0)
    }
}

impl Lenient for Option<ReturnValue> {
    fn lenient(value: &Value) -> Self {
        Some(ReturnValue(value.clone()))
    }
}

/// What came of a run on one endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ScriptResult {
    /// The endpoint.
    pub endpoint_id: Option<String>,
    /// Its name.
    pub endpoint_name: Option<String>,
    /// Its addresses.
    pub endpoint_ip_address: Vec<String>,
    /// `CONNECTED`, …
    pub endpoint_status: Option<String>,
    /// Its domain.
    pub domain: Option<String>,
    /// How far it is there.
    pub execution_status: Option<ActionState>,
    /// What it printed, to the letter.
    pub standard_output: Option<String>,
    /// How many files it brought.
    pub retrieved_files: Option<u64>,
    /// How many it could not bring.
    pub failed_files: Option<u64>,
    /// How long the files are kept.
    pub retention_date: Stamp,
    /// What the entry point returned.
    pub return_value: Option<ReturnValue>,
    /// What it gave by other names, such as `command_output`.
    pub outputs: Map<String, Value>,
}

/// The keys of a result that are no output of the script.
const KNOWN: &[&str] = &[
    "endpoint_id",
    "endpoint_name",
    "endpoint_ip_address",
    "endpoint_status",
    "domain",
    "execution_status",
    "standard_output",
    "retrieved_files",
    "failed_files",
    "retention_date",
    "_return_value",
];

impl Record for ScriptResult {
    fn from_object(object: &Map<String, Value>) -> Self {
        let dynamic = object.iter().filter(|(key, _)| !KNOWN.contains(&key.as_str()));
        Self {
            endpoint_id: field(object, &["endpoint_id"]),
            endpoint_name: field(object, &["endpoint_name"]),
            endpoint_ip_address: field(object, &["endpoint_ip_address"]),
            endpoint_status: field(object, &["endpoint_status"]),
            domain: field(object, &["domain"]),
            execution_status: field(object, &["execution_status"]),
            standard_output: object.get("standard_output").and_then(wire::scalar),
            retrieved_files: field(object, &["retrieved_files"]),
            failed_files: field(object, &["failed_files"]),
            retention_date: field(object, &["retention_date"]),
            return_value: field(object, &["_return_value"]),
            outputs: dynamic.map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }
}

record! {
    /// What came of a run.
    pub struct ScriptResults {
        /// The script.
        pub script_name: Option<String> = "script_name",
        /// What it does.
        pub script_description: Option<String> = "script_description",
        /// What it was given.
        pub script_parameters: Vec<Parameter> = "script_parameters",
        /// When it was begun; a text in UTC.
        pub date_created: Stamp = "date_created",
        /// On what, in words.
        pub scope: Option<String> = "scope",
        /// Why it failed.
        pub error_message: Option<String> = "error_message",
        /// By endpoint.
        pub results: Vec<ScriptResult> = "results",
    }
}

record! {
    /// A value that a script was given.
    pub struct Parameter {
        /// Its name.
        pub name: Option<String> = "name",
        /// It.
        pub value: Option<String> = "value",
    }
}

/// Scripts; the call knows no windows.
#[must_use]
pub fn scripts(filters: impl Into<Filters>) -> RequestPlan {
    let filters = filters.into();
    let data = if filters.is_empty() { json!({}) } else { json!({"filters": filters}) };
    super::post(&LIST, &data)
}

/// A script with what it takes and gives.
///
/// # Errors
/// For an empty id.
pub fn script_metadata(uid: &str) -> Result<RequestPlan> {
    Ok(super::post(&METADATA, &json!({"script_uid": super::segment(&METADATA, uid)?})))
}

/// The text of a script.
///
/// # Errors
/// For an empty id.
pub fn script_code(uid: &str) -> Result<RequestPlan> {
    Ok(super::post(&CODE, &json!({"script_uid": super::segment(&CODE, uid)?})))
}

/// How a run is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunOptions<'a> {
    /// The seconds that it may take; 600 when nothing is said.
    pub timeout: Option<u32>,
    /// The incident in whose timeline it is noted.
    pub incident: Option<&'a str>,
}

fn run(
    operation: &'static Operation,
    endpoints: &Endpoints,
    options: RunOptions<'_>,
) -> Result<Map<String, Value>> {
    let mut data = order(endpoints.at_most(operation, MAX_ENDPOINTS)?, options.incident);
    if let Some(timeout) = options.timeout {
        data.insert("timeout".to_owned(), json!(timeout));
    }
    Ok(data)
}

/// Runs a script with these values.
///
/// # Errors
/// For an empty id, and for more than 1,000 endpoints.
pub fn run_script(
    uid: &str,
    values: &Map<String, Value>,
    endpoints: &Endpoints,
    options: RunOptions<'_>,
) -> Result<RequestPlan> {
    let mut data = run(&RUN, endpoints, options)?;
    data.insert("script_uid".to_owned(), json!(super::segment(&RUN, uid)?));
    data.insert("parameters_values".to_owned(), json!(values));
    Ok(super::post(&RUN, &Value::Object(data)))
}

/// Runs a piece of Python.
///
/// # Errors
/// For no code, and for more than 1,000 endpoints.
pub fn run_snippet(code: &str, endpoints: &Endpoints, options: RunOptions<'_>) -> Result<RequestPlan> {
    if code.trim().is_empty() {
        return Err(refused(&SNIPPET, "there is no code to run"));
    }
    let mut data = run(&SNIPPET, endpoints, options)?;
    data.insert("snippet_code".to_owned(), json!(code));
    Ok(super::post(&SNIPPET, &Value::Object(data)))
}

/// How far a run is.
#[must_use]
pub fn script_status(id: &ActionId) -> RequestPlan {
    super::post(&STATUS, &json!({"action_id": id.json()}))
}

/// What came of a run.
#[must_use]
pub fn script_results(id: &ActionId) -> RequestPlan {
    super::post(&RESULTS, &json!({"action_id": id.json()}))
}

/// Where the files lie that a run brought from one endpoint.
///
/// # Errors
/// For an empty id.
pub fn script_files(id: &ActionId, endpoint_id: &str) -> Result<RequestPlan> {
    let endpoint = super::segment(&FILES, endpoint_id)?;
    Ok(super::post(&FILES, &json!({"action_id": id.json(), "endpoint_id": endpoint})))
}
