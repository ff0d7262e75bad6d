//! Scripts: three that everybody has, runs of them, and what they give.
//!
//! Facts: cortex-xdr-api section 6.3. A run completes when the sensor checks in, as every order does.

use serde_json::{Value, json};

use super::Call;
use super::desk::{self, missing, order, task, text};
use super::endpoints::selected;
use super::envelope::{Answer, Refusal, Reply};
use super::orders::link;

/// Name, uid, what it does, whether it is dangerous, the one value it takes.
const SCRIPTS: [(&str, &str, &str, bool, &str); 3] = [
    (
        "list_directories",
        "a6f7683c8e217d85bd3c398f0d3fb6bf",
        "List all directories under path",
        false,
        "path",
    ),
    (
        "process_kill_name",
        "fd0a544a99a9421222b4f57a11839481",
        "Kill all processes with a CPU usage",
        true,
        "process_name",
    ),
    (
        "execute_commands",
        "0e0bd9db4f5c2f8f0f3a2b3e5a4f0f11",
        "Execute list of shell commands",
        true,
        "commands_list",
    ),
];

fn entry(at: usize) -> Value {
    let (name, uid, description, high_risk, _) = SCRIPTS[at];
    json!({
        "script_id": at + 1, "name": name, "description": description, "modification_date": 1_585_074_627_259_u64,
        "created_by": "Palo Alto Networks", "is_high_risk": high_risk, "windows_supported": true, "linux_supported": true,
        "macos_supported": at != 1, "script_uid": uid,
    })
}

/// `POST scripts/get_scripts`.
pub(super) fn list(call: &Call<'_>) -> Answer {
    let empty = Vec::new();
    let filters = call.data.get("filters").and_then(Value::as_array).unwrap_or(&empty);
    let holds = |script: &Value| {
        filters.iter().all(|filter| {
            let field = filter["field"].as_str().unwrap_or_default();
            filter["value"].as_array().is_none_or(|values| values.contains(&script[field]))
        })
    };
    let found: Vec<Value> = (0..SCRIPTS.len()).map(entry).filter(holds).collect();
    Reply::of(&json!({"total_count": SCRIPTS.len(), "result_count": found.len(), "scripts": found}))
}

fn known(call: &Call<'_>) -> Result<usize, Refusal> {
    let uid = text(call, "script_uid")?;
    let absent = || Refusal::business("No script was found for the given script_uid", json!(uid));
    SCRIPTS.iter().position(|script| script.1 == uid).ok_or_else(absent)
}

/// `POST scripts/get_script_metadata`.
pub(super) fn metadata(call: &Call<'_>) -> Answer {
    let at = known(call)?;
    let mut script = entry(at);
    script["entry_point"] = json!("run");
    script["script_input"] = json!([{"name": SCRIPTS[at].4, "type": "string", "friendly_name": null}]);
    script["script_output_type"] = json!("auto_detect");
    script["script_output_dictionary_definitions"] = Value::Null;
    Reply::of(&script)
}

/// `POST scripts/get_script_code`.
pub(super) fn code(call: &Call<'_>) -> Answer {
    let (name, .., value) = SCRIPTS[known(call)?];
    Reply::of(&format!("def run({value}):\n    return '{name} ' + {value}\n"))
}

/// `POST scripts/run_script`.
pub(super) fn run(call: &Call<'_>) -> Answer {
    let (name, .., value) = SCRIPTS[known(call)?];
    let values = call.data.get("parameters_values").and_then(Value::as_object);
    let given = values.and_then(|values| values.get(value)).cloned();
    let given = given.ok_or_else(|| Refusal::invalid(format!("parameters_values must have {value}")))?;
    let detail = json!({"name": name, "parameters": [{"name": value, "value": given}]});
    desk::accepted(&order(call, "script", selected(call)?, detail)?)
}

/// `POST scripts/run_snippet_code_script`: its answer has no status.
pub(super) fn snippet(call: &Call<'_>) -> Answer {
    text(call, "snippet_code")?;
    let task = order(call, "script", selected(call)?, json!({"name": "snippet script", "parameters": []}))?;
    Reply::of(&json!({"action_id": task.id, "endpoints_count": task.hosts.len()}))
}

/// `POST scripts/get_script_execution_status`.
pub(super) fn status(call: &Call<'_>) -> Answer {
    let (found, estate) = (task(call, "action_id", Some("script"))?, call.estate());
    let states: Vec<&str> = found.hosts.iter().map(|index| found.state(estate, *index)).collect();
    let count = |word: &str| states.iter().filter(|state| **state == word).count();
    let general = match (count("PENDING"), count("IN_PROGRESS")) {
        (0, 0) => "COMPLETED_SUCCESSFULLY",
        (pending, 0) if pending == states.len() => "PENDING",
        _ => "IN_PROGRESS",
    };
    Reply::of(&json!({
        "general_status": general, "error_message": "", "endpoints_timeout": 0, "endpoints_failed": 0,
        "endpoints_canceled": 0, "endpoints_pending_abort": 0, "endpoints_aborted": 0, "endpoints_expired": 0,
        "endpoints_pending": count("PENDING"), "endpoints_in_progress": count("IN_PROGRESS"),
        "endpoints_completed_successfully": count("COMPLETED_SUCCESSFULLY"),
    }))
}

/// `POST scripts/get_script_execution_results`.
pub(super) fn results(call: &Call<'_>) -> Answer {
    let (found, estate) = (task(call, "action_id", Some("script"))?, call.estate());
    let result = |index: &u64| {
        let (machine, done) = (estate.machine(*index), found.is_done(estate, *index));
        json!({
            "endpoint_name": machine.hostname, "endpoint_ip_address": [machine.ip], "endpoint_id": machine.id,
            "endpoint_status": if estate.online(*index) { "STATUS_010_CONNECTED" } else { "STATUS_020_DISCONNECTED" },
            "domain": machine.domain, "execution_status": found.state(estate, *index),
            "standard_output": done.then(|| format!("{} on {}\n", found.detail["name"].as_str().unwrap_or_default(), machine.hostname)),
            "retrieved_files": u8::from(done && brings_files(&found)), "failed_files": 0, "retention_date": null,
            "_return_value": done.then_some(["done"]),
        })
    };
    let date = crate::clock::from_ms(found.since).format("%Y-%m-%d %H:%M:%S").to_string();
    Reply::of(&json!({
        "script_name": found.detail["name"], "script_description": null, "script_parameters": found.detail["parameters"],
        "date_created": date, "scope": format!("{} endpoints", found.hosts.len()), "error_message": "",
        "results": found.hosts.iter().map(result).collect::<Vec<_>>(),
    }))
}

/// Whether a run brings files: the script with commands does.
pub(super) fn brings_files(task: &desk::Task) -> bool {
    task.kind == "script" && task.detail["name"] == SCRIPTS[2].0
}

/// `POST scripts/get_script_execution_results_files`: most scripts bring none.
pub(super) fn files(call: &Call<'_>) -> Answer {
    let (found, estate) = (task(call, "action_id", Some("script"))?, call.estate());
    let id = call.data.get("endpoint_id").and_then(Value::as_str).ok_or_else(|| missing("endpoint_id"))?;
    let index = estate.host_index(id).filter(|index| brings_files(&found) && found.is_done(estate, *index));
    Reply::of(&json!({"DATA": index.map(|index| link(call, found.id, index))}))
}
