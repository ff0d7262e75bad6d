//! Orders to endpoints: scan, delete, terminate, upgrade, quarantine, files; and what one asks of them.
//!
//! Facts: cortex-xdr-api section 4.3.

use std::io::Write as _;

use serde_json::{Value, json};

use super::Call;
use super::desk::{self, accepted, missing, note, order, task, text};
use super::endpoints::selected;
use super::envelope::{Answer, Refusal, Reply};
use super::paging::Window;
use super::words;
use crate::blob::Blob;
use crate::estate::TenantEstate;
use crate::estate::hash::{hex32, mix_str, mix2};

/// `POST endpoints/scan`.
pub(super) fn scan(call: &Call<'_>) -> Answer {
    accepted(&order(call, "scan", selected(call)?, Value::Null)?)
}

/// `POST endpoints/abort_scan`: takes back the scans that are not over.
pub(super) fn abort_scan(call: &Call<'_>) -> Answer {
    let (hosts, now) = (selected(call)?, call.estate().clock().now_ms());
    desk::change_tasks(call, |task| {
        if task.kind == "scan"
            && task.aborted.is_none()
            && task.hosts.iter().any(|index| hosts.contains(index))
        {
            task.aborted = Some(now);
        }
    });
    accepted(&order(call, "abort_scan", hosts, Value::Null)?)
}

/// `scan_status` of an endpoint: that of its last scan.
pub(super) fn scan_status(estate: &TenantEstate, index: u64) -> &'static str {
    let scans = desk::tasks(estate);
    let last = scans.iter().rev().find(|task| task.kind == "scan" && task.hosts.contains(&index));
    match last.map(|task| task.state(estate, index)) {
        None => "SCAN_STATUS_NONE",
        Some("COMPLETED_SUCCESSFULLY") => "SCAN_STATUS_SUCCESS",
        Some("ABORTED") => "SCAN_STATUS_ABORTED",
        Some("IN_PROGRESS") => "SCAN_STATUS_IN_PROGRESS",
        Some(_) => "SCAN_STATUS_PENDING",
    }
}

/// `POST endpoints/delete`: takes endpoints off the console's list; the rows stay (facts 4.3).
pub(super) fn delete(call: &Call<'_>) -> Answer {
    let (hosts, _turn) = (selected(call)?, call.turn());
    let mut gone: Vec<u64> = desk::load(call.estate(), "deleted");
    for index in hosts {
        note(
            call,
            &call.estate().host_id(index),
            json!({"deleted": gone.contains(&index)}),
            json!({"deleted": true}),
        );
        gone.push(index);
    }
    desk::save(call.estate(), "deleted", &gone);
    Reply::of(&true)
}

fn host(call: &Call<'_>, key: &str) -> Result<u64, Refusal> {
    let id = text(call, key)?;
    let absent = || Refusal::business("No endpoint was found for the given id", json!(id));
    call.estate().host_index(id).ok_or_else(absent)
}

/// `POST endpoints/get_policy`.
pub(super) fn policy(call: &Call<'_>) -> Answer {
    let platform = call.estate().fields(host(call, "endpoint_id")?).platform();
    Reply::of(&json!({"policy_name": format!("{} Default", words::platform(platform))}))
}

/// `POST endpoints/terminate_process`.
pub(super) fn terminate_process(call: &Call<'_>) -> Answer {
    let instance = json!({"instance_id": text(call, "instance_id")?});
    accepted(&order(call, "terminate", vec![host(call, "agent_id")?], instance)?)
}

/// `POST endpoints/terminate_causality`.
pub(super) fn terminate_causality(call: &Call<'_>) -> Answer {
    let chain = json!({"causality_id": text(call, "causality_id")?});
    accepted(&order(call, "terminate", vec![host(call, "agent_id")?], chain)?)
}

/// `POST endpoints/upgrade`.
pub(super) fn upgrade(call: &Call<'_>) -> Answer {
    let versions = call.data.get("target_versions").ok_or_else(|| missing("target_versions"))?;
    if versions.as_object().is_none_or(serde_json::Map::is_empty) {
        return Err(Refusal::invalid("target_versions must name a version"));
    }
    let ids = desk::texts(call, "endpoint_ids")?;
    let hosts: Option<Vec<u64>> = ids.iter().map(|id| call.estate().host_index(id)).collect();
    accepted(&order(call, "upgrade", hosts.unwrap_or_default(), versions.clone())?)
}

fn hash(call: &Call<'_>) -> Result<String, Refusal> {
    let hash = text(call, "file_hash")?;
    if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(hash.to_lowercase());
    }
    Err(Refusal::invalid(format!("file_hash must be a SHA-256, got {hash}")))
}

/// `POST endpoints/quarantine`.
pub(super) fn quarantine(call: &Call<'_>) -> Answer {
    let file = json!({"path": text(call, "file_path")?, "hash": hash(call)?});
    accepted(&order(call, "quarantine", selected(call)?, file)?)
}

/// `POST endpoints/restore`: on one endpoint, or everywhere.
pub(super) fn restore(call: &Call<'_>) -> Answer {
    let (hash, estate) = (hash(call)?, call.estate());
    let only = call.data.get("endpoint_id").map(|_| host(call, "endpoint_id")).transpose()?;
    let mut hosts: Vec<u64> = desk::tasks(estate)
        .iter()
        .filter(|task| task.kind == "quarantine" && task.detail["hash"] == hash.as_str())
        .flat_map(|task| task.hosts.clone())
        .filter(|index| only.is_none_or(|only| only == *index))
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    accepted(&order(call, "restore", hosts, json!({"hash": hash}))?)
}

/// `POST quarantine/status`: the last order that is done decides.
pub(super) fn quarantine_status(call: &Call<'_>) -> Answer {
    let files = call.data.get("files").and_then(Value::as_array).ok_or_else(|| missing("files"))?;
    let (estate, all) = (call.estate(), desk::tasks(call.estate()));
    let status = |file: &Value| {
        let index = file["endpoint_id"].as_str().and_then(|id| estate.host_index(id));
        let done = |task: &&desk::Task| {
            let about = task.detail["hash"] == file["file_hash"];
            let file_order = matches!(task.kind.as_str(), "quarantine" | "restore");
            file_order && about && index.is_some_and(|i| task.hosts.contains(&i) && task.is_done(estate, i))
        };
        let quarantined = all.iter().rev().find(done).is_some_and(|task| task.kind == "quarantine");
        json!({"endpoint_id": file["endpoint_id"], "file_path": file["file_path"], "file_hash": file["file_hash"], "status": quarantined})
    };
    Reply::of(&files.iter().map(status).collect::<Vec<_>>())
}

/// `POST endpoints/file_retrieval`: at most 20 files of at most 10 endpoints.
pub(super) fn file_retrieval(call: &Call<'_>) -> Answer {
    let files = call.data.get("files").and_then(Value::as_object).ok_or_else(|| missing("files"))?;
    let count: usize = files.values().filter_map(Value::as_array).map(Vec::len).sum();
    if !(1..=20).contains(&count) {
        return Err(Refusal::invalid(format!("files must name from 1 to 20 files, got {count}")));
    }
    let hosts = selected(call)?;
    if hosts.len() > 10 {
        return Err(Refusal::invalid(format!("The maximum number of endpoints is 10, got {}", hosts.len())));
    }
    accepted(&order(call, "file_retrieval", hosts, json!(files))?)
}

fn token(id: u64, index: u64) -> String {
    hex32(mix2(id ^ 0xF11E, index))
}

/// `POST actions/file_retrieval_details`: the address is empty until the endpoint has brought its files.
pub(super) fn file_retrieval_details(call: &Call<'_>) -> Answer {
    let (found, estate) = (task(call, "group_action_id", Some("file_retrieval"))?, call.estate());
    let entry = |index: &u64| {
        let ready = found.is_done(estate, *index);
        (estate.host_id(*index), json!(if ready { link(call, found.id, *index) } else { String::new() }))
    };
    let data: serde_json::Map<String, Value> = found.hosts.iter().map(entry).collect();
    Reply::of(&json!({"data": data}))
}

/// Where files of a run lie: what a script brought, or an order fetched.
pub(super) fn link(call: &Call<'_>, id: u64, index: u64) -> String {
    format!("http://{}/public_api/v1/download/{}", call.host, token(id, index))
}

/// `POST download/{token}`: the files of an order or of a script as a ZIP, or a package.
pub(super) fn download(call: &Call<'_>) -> Answer {
    let (wanted, estate) = (call.last_segment(), call.estate());
    let (size, ranges) = (call.sim().options.download_bytes, call.sim().options.download_ranges);
    let content = Blob::new(size, mix_str(0xF11E, wanted));
    for found in desk::tasks(estate).iter().filter(|task| brings_files(task)) {
        for index in found.hosts.iter().filter(|index| found.is_done(estate, **index)) {
            if token(found.id, *index) == wanted {
                let archive = content.zipped(&format!("{}.txt", estate.host_id(*index)));
                return Ok(Reply::whole(archive.answer(call.headers, ranges)));
            }
        }
    }
    if super::office::is_package(call, wanted) {
        return Ok(Reply::whole(content.answer(call.headers, ranges)));
    }
    Err(Refusal::not_found(call.path))
}

fn brings_files(task: &desk::Task) -> bool {
    task.kind == "file_retrieval" || super::scripts::brings_files(task)
}

/// `POST device_control/get_violations`: one for each twentieth host. Filters are not evaluated beyond ids.
pub(super) fn violations(call: &Call<'_>) -> Answer {
    let (estate, window) = (call.estate(), Window::parse(&call.data)?);
    let wanted = match call.data.get("filters") {
        Some(filters) if filters.to_string().contains("endpoint_id_list") => Some(selected_ids(filters)),
        _ => None,
    };
    let violation = |index: u64| {
        let machine = estate.machine(index);
        json!({
            "violation_id": index + 1, "endpoint_id": machine.id, "hostname": machine.hostname, "ip": machine.ip,
            "username": "user", "timestamp": estate.clock().start_ms() - 3_600_000 * i64::try_from(index).unwrap_or(0),
            "type": "disk drive", "vendor_id": "0x0781", "vendor": "SanDisk", "product_id": "0x5567",
            "product": "Cruzer Blade", "serial": hex32(mix2(estate.tag(), index)), "os_type": "AGENT_OS_WINDOWS",
        })
    };
    let mut all: Vec<Value> = (0..estate.host_count()).step_by(20).map(violation).collect();
    all.retain(|v| wanted.as_ref().is_none_or(|ids| ids.iter().any(|id| v["endpoint_id"] == id.as_str())));
    all.sort_by_key(|v| v["timestamp"].as_i64());
    let page = window.slice(&all);
    Reply::of(&json!({"total_count": all.len(), "result_count": page.len(), "violations": page}))
}

fn selected_ids(filters: &Value) -> Vec<String> {
    let named = filters.as_array().into_iter().flatten().filter(|f| f["field"] == "endpoint_id_list");
    let ids = named.filter_map(|f| f["value"].as_array()).flatten();
    ids.filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

/// A layer of gzip.
pub(super) fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let written = encoder.write_all(body);
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}
