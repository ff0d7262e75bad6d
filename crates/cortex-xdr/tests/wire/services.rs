//! The services of the native client: the forms of their answers, and what is sent.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use crate::common::{Seen, alert, error, missing, ok, tenant};
use chrono::DateTime;
use cortex_xdr::api::admin::RiskKind;
use cortex_xdr::api::alert_work::{AlertUpdate, Comparison, SearchFilter};
use cortex_xdr::api::audits::{AuditResult, ManagementFilters};
use cortex_xdr::api::cases::{CaseFilters, CaseProgress, CaseReason};
use cortex_xdr::api::distributions::{NewPackage, PackageForm, PackagePlatform};
use cortex_xdr::api::files::{FileOnEndpoint, FilePaths, RestoreOn};
use cortex_xdr::api::hashes::HashList;
use cortex_xdr::api::incidents::{IncidentFilters, IncidentStatus, IncidentUpdate};
use cortex_xdr::api::indicators::{Indicator, IndicatorSeverity, IndicatorType};
use cortex_xdr::api::scripts::{RunOptions, ScriptFilters};
use cortex_xdr::api::xql::XqlQuery;
use cortex_xdr::{
    ActionState, CaseChange, CaseQuery, CortexXdr, Download, Endpoints, Filters, Generation, PageRequest,
    Patience,
};
use edr_core::{ErrorKind, Severity};
use edr_http::{MemoryTransport, TransportError, TransportErrorKind};
use serde_json::{Value, json};

fn one() -> Endpoints {
    Endpoints::ids(["a"]).unwrap()
}

fn five(
    handler: impl Fn(&Seen) -> crate::common::Answer + Send + Sync + 'static,
) -> (CortexXdr, crate::common::Log) {
    let (builder, log) = crate::common::builder(handler);
    (builder.generation(Generation::Xdr5).build().unwrap(), log)
}

fn incident(number: u64) -> Value {
    json!({"incident_id": number.to_string(), "status": "resolved_false_positive", "severity": "high", "alert_count": "3",
        "creation_time": 1_700_000_000_000_u64 + number, "hosts": null, "manual_severity": null, "starred": "true"})
}

fn case(number: u64) -> Value {
    json!({"case_id": number, "status_progress": "Resolved", "resolve_reason": "Resolved - False Positive",
        "severity": "high", "issue_count": 3, "creation_time": 1_700_000_000_000_u64 + number, "starred": true})
}

#[tokio::test(start_paused = true)]
async fn incidents_and_cases_are_one_noun() {
    let (three, log3) = tenant(|seen| match seen.is("get_incidents") {
        true => ok(&json!({"reply": {"total_count": 2, "incidents": [incident(1), incident(2)]}})),
        false => ok(&json!({"reply": true})),
    });
    let (five, log5) = five(|seen| match seen.is("case/search") {
        true => ok(&json!({"reply": {"TOTAL_COUNT": 9, "FILTER_COUNT": 2, "DATA": [case(1), case(2)]}})),
        false if seen.is("entries/insert") => ok(&json!({})),
        false => MemoryTransport::json(204, ""),
    });
    let mut seen = Vec::new();
    for cortex in [&three, &five] {
        let client = cortex.client();
        let all = client.all_cases(&CaseQuery::default()).await.unwrap().collect().await.unwrap();
        assert_eq!(all.cases.len(), 2);
        let one = client.one_case("2").await.unwrap();
        assert_eq!(
            (one.severity.clone(), one.alerts, one.starred),
            (Some(Severity::High), Some(3), Some(true))
        );
        seen.push((one.progress.clone(), one.reason.clone(), one.created));
        let change = CaseChange::Resolve { reason: CaseReason::Duplicate, comment: Some("as 1".into()) };
        client.change_case("2", &change).await.unwrap();
        client.comment_case("2", "called the owner").await.unwrap();
        assert_eq!(client.one_case("9").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].0, Some(CaseProgress::Resolved));
    let (sent3, sent5) = (log3.all(), log5.all());
    assert_eq!(sent3[1].data["filters"][0]["value"], json!(["2"]));
    assert_eq!(sent5[1].data["filters"][0]["value"], json!([2]));
    assert_eq!(
        sent3[2].data["update_data"],
        json!({"status": "resolved_duplicate", "resolve_comment": "as 1"})
    );
    assert_eq!(sent5[2].path, "/public_api/v1/case/update/2");
    assert_eq!(
        sent3[3].data["update_data"]["comment"],
        json!({"comment_action": "add", "value": "called the owner"})
    );
    assert_eq!(
        serde_json::from_slice::<Value>(&sent5[3].body).unwrap(),
        json!({"id": "2", "data": "called the owner"})
    );
}

#[tokio::test(start_paused = true)]
async fn an_incident_comes_with_everything() {
    let extra = json!({"incident": incident(7), "alerts": {"total_count": 1, "data": [alert(5, 9)]},
        "network_artifacts": {"total_count": 1, "data": [{"type": "IP", "network_remote_ip": "1.2.3.4", "network_remote_port": "443"}]},
        "file_artifacts": {"total_count": 0, "data": null}});
    let (cortex, log) = tenant(move |seen| match seen.is("get_incident_extra_data") {
        true => ok(&json!({"reply": extra})),
        false => ok(&json!({"reply": [extra]})),
    });
    let client = cortex.client();
    let one = client.incident_extra("7", Some(10)).await.unwrap();
    assert_eq!(one.incident.status, Some(IncidentStatus::ResolvedFalsePositive));
    assert_eq!(
        (one.alerts[0].text("alert_id"), one.network_artifacts[0].remote_port),
        (Some("5".into()), Some(443))
    );
    assert!(one.is_cut_off(), "three alerts are counted");
    assert!(cortex.read_alert(one.alerts[0].raw.clone()).is_ok());
    assert_eq!(log.all()[0].data, json!({"incident_id": "7", "alerts_limit": 10}));
    assert_eq!(client.incidents_extra(&PageRequest::window(0, 10)).await.unwrap().len(), 1);
    let filters = IncidentFilters::new().status(IncidentStatus::New).starred(true);
    let page = PageRequest::window(0, 5).filters(filters.into());
    assert!(client.incident_page(&page).await.is_err(), "a list where an object should be is no page");
    assert!(client.update_incident("7", &IncidentUpdate::new()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_a_case() {
    let (cortex, log) = five(|seen| match seen.is("case/artifacts/7/") {
        true => ok(&json!([{"type": "HASH", "value": "abc"}])),
        false => ok(&json!({"reply": [{"id": 1, "contents": "text", "created": 1_700_000_000_000_u64}]})),
    });
    let client = cortex.client();
    assert_eq!(client.case_artifacts("7").await.unwrap()[0].value.as_deref(), Some("abc"));
    assert!(client.case_entries("7").await.unwrap()[0].created.time.is_some());
    assert_eq!(log.all()[0].body.len(), 0, "a GET");
    assert!(CaseFilters::new().progress([CaseProgress::New]).unwrap().ids(Vec::<u64>::new()).is_err());
}

#[tokio::test(start_paused = true)]
async fn work_on_alerts() {
    let (cortex, log) = tenant(|seen| match seen.path.rsplit('/').next().unwrap() {
        "get_alerts_by_filter_data" => ok(
            &json!({"reply": {"TOTAL_COUNT": 1, "FILTER_COUNT": 1, "DATA": [{"alert_fields": {"internal_id": 5, "alert_name": "n"}}]}}),
        ),
        "get_original_alerts" => {
            ok(&json!({"reply": {"alerts": [{"internal_id": 5, "original_alert_json": "{\"raw\":1}"}]}}))
        }
        "update_alerts" => ok(&json!({"reply": {"alerts_ids": ["5"]}})),
        _ => ok(&json!({"reply": true})),
    });
    let client = cortex.client();
    let filter = SearchFilter::new("alert_name", Comparison::Contains, "n");
    let found = client.alerts_by_filter_data(&[filter], 0, 500).await.unwrap();
    assert_eq!((found.items[0].text("alert_id").as_deref(), found.total), (Some("5"), Some(1)));
    let asked = &log.all()[0].data["filter_data"];
    assert_eq!(
        asked["filter"]["AND"][0],
        json!({"SEARCH_FIELD": "alert_name", "SEARCH_TYPE": "CONTAINS", "SEARCH_VALUE": "n"})
    );
    assert_eq!(asked["paging"], json!({"from": 0, "to": 100}));
    assert_eq!(client.original_alerts(&[5]).await.unwrap()[0].raw.as_bytes(), b"{\"raw\":1}");
    let ids = vec!["5".to_owned()];
    assert_eq!(client.update_alerts(&ids, &AlertUpdate::new().comment("c")).await.unwrap(), ids);
    client.insert_cef_alerts(&["CEF:0|a|b|1|2|c|5|x=1".to_owned()]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn hashes_and_indicators() {
    let (cortex, log) = tenant(|seen| match seen.path.contains("indicators") {
        true => ok(
            &json!({"reply": {"success": true, "validation_errors": [{"indicator": "x", "error": "mismatch"}]}}),
        ),
        false if seen.is("remove") => MemoryTransport::json(200, "true"),
        false => ok(&json!({"reply": {"added_hashes": ["a"], "excluded_hashes": ["b"]}})),
    });
    let client = cortex.client();
    let hash = vec!["0".repeat(64)];
    assert_eq!(client.change_hashes(HashList::Block, &hash, None).await.unwrap().excluded, ["b"]);
    assert!(client.change_hashes(HashList::Unblock, &hash, None).await.unwrap().added.is_empty());
    let rows = [Indicator::new("x", IndicatorType::Hash, IndicatorSeverity::High)];
    assert_eq!(client.insert_indicators(&rows).await.unwrap().refused.len(), 1);
    assert_eq!(client.insert_indicators_csv(&rows).await.unwrap().refused.len(), 1);
    let csv: Value = serde_json::from_slice(&log.all()[3].body).unwrap();
    assert!(csv["request_data"].as_str().unwrap().starts_with("indicator,type"));
    // A hash that stands on a list already: the vendor says it as 500.
    let (cortex, log) =
        tenant(|_| error(500, "All hashes have already been added to the allow or block list"));
    let refused = cortex.client().change_hashes(HashList::Allow, &hash, None).await.unwrap_err();
    assert_eq!((refused.kind(), log.len()), (ErrorKind::Conflict, 1));
    // Rules of XDR 5, in both forms of their list.
    for reply in [
        json!({"objects_count": 1, "objects": [{"rule_id": 3, "severity": "SEV_040_HIGH"}]}),
        json!([{"RULE_ID": 3, "RULE_SEVERITY": "SEV_040_HIGH"}]),
    ] {
        let (cortex, log) = five(move |_| ok(&json!({"reply": reply})));
        let rules = cortex.client().indicators(Filters::new()).collect().await.unwrap();
        assert_eq!((rules.items.len(), rules.items[0].severity.clone()), (1, Some(IndicatorSeverity::High)));
        assert_eq!(log.all()[0].data["extended_view"], true);
    }
}

#[tokio::test(start_paused = true)]
async fn scripts_from_the_list_to_the_result() {
    let asked = AtomicU64::new(0);
    let (cortex, log) = tenant(move |seen| match seen.path.rsplit('/').next().unwrap() {
        "get_scripts" => ok(
            &json!({"reply": {"total_count": 1, "scripts": [{"script_id": 1, "script_uid": "u", "is_high_risk": "false", "modification_date": 1_585_074_627_259_u64}]}}),
        ),
        "get_script_metadata" => ok(
            &json!({"reply": {"script_uid": "u", "entry_point": "run", "script_input": [{"name": "path", "type": "string"}]}}),
        ),
        "get_script_code" => ok(&json!({"reply": "  import os\n"})),
        "get_script_execution_status" => match asked.fetch_add(1, SeqCst) {
            0 => ok(&json!({"reply": {"general_status": "PENDING", "endpoints_pending": 1}})),
            _ => {
                ok(&json!({"reply": {"general_status": "COMPLETED_SUCCESSFULLY", "endpoints_pending": "0"}}))
            }
        },
        "get_script_execution_results" => {
            ok(&json!({"reply": {"script_name": "s", "date_created": "2020-03-29 13:21:59",
            "results": [{"endpoint_id": "a", "execution_status": "COMPLETED_SUCCESSFULLY", "standard_output": " x \n", "_return_value": [1], "command_output": ["y"]}]}}))
        }
        "get_script_execution_results_files" => ok(&json!({"reply": {"DATA": null}})),
        _ => ok(&json!({"reply": {"action_id": 434, "endpoints_count": 21}})),
    });
    let client = cortex.client();
    let scripts = client.scripts(ScriptFilters::new().windows([true]).unwrap()).await.unwrap();
    assert_eq!((scripts[0].is_high_risk, scripts[0].script_id.as_deref()), (Some(false), Some("1")));
    assert_eq!(client.script_metadata("u").await.unwrap().inputs[0].name.as_deref(), Some("path"));
    assert_eq!(client.script_code("u").await.unwrap(), "  import os\n");
    let values = json!({"path": "/srv"}).as_object().unwrap().clone();
    client.run_script("u", &values, &one(), RunOptions::default()).await.unwrap();
    let started = client.run_snippet("print(1)", &one(), RunOptions::default()).await.unwrap();
    assert_eq!((started.status, started.endpoints_count), (None, Some(21)));
    let id = started.action_id.unwrap();
    assert!(client.wait_for_script(&id, &Patience::default()).await.unwrap().is_over());
    let results = client.script_results(&id).await.unwrap();
    assert_eq!(results.date_created.time.unwrap().timestamp(), 1_585_488_119);
    let result = &results.results[0];
    assert_eq!(
        (result.standard_output.as_deref(), result.execution_status.clone()),
        (Some(" x \n"), Some(ActionState::CompletedSuccessfully))
    );
    assert_eq!((result.return_value.as_ref().unwrap().json(), result.outputs.len()), (&json!([1]), 1));
    assert_eq!(client.script_files(&id, "a").await.unwrap(), None);
    assert!(!String::from_utf8_lossy(&log.all()[3].body).contains("incident_id"), "null is never sent");
}

#[tokio::test(start_paused = true)]
async fn files_are_fetched_from_the_tenants_host_alone() {
    const LINK: &str = "https://api-acme.xdr.eu.paloaltonetworks.com/public_api/v1/download/token";
    let asked = AtomicU64::new(0);
    let (cortex, log) = tenant(move |seen| match seen.path.rsplit('/').next().unwrap() {
        "file_retrieval" => ok(&json!({"reply": {"action_id": "9"}})),
        "file_retrieval_details" if asked.fetch_add(1, SeqCst) == 0 => {
            ok(&json!({"reply": {"data": {"a": ""}}}))
        }
        "file_retrieval_details" => ok(&json!({"reply": {"data": {"a": LINK}}})),
        "token" => MemoryTransport::json(200, "PK\u{3}\u{4} not JSON"),
        "status" => {
            ok(&json!({"reply": [{"endpoint_id": "a", "file_path": "/x", "file_hash": "h", "status": true}]}))
        }
        _ => ok(&json!({"reply": true})),
    });
    let client = cortex.client();
    let started = client.retrieve_files(&one(), &FilePaths::new().linux("/x"), None).await.unwrap();
    let links = client.wait_for_files(&started.action_id.unwrap(), &Patience::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let to = Download::to(folder.path().join("a.zip"));
    client.download(links["a"].as_deref().unwrap(), &to).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("a.zip")).unwrap(), b"PK\x03\x04 not JSON");
    let before = log.len();
    for foreign in [
        "https://evil.example/public_api/v1/download/token",
        "http://api-acme.xdr.eu.paloaltonetworks.com/public_api/v1/download/token",
        "https://api-acme.xdr.eu.paloaltonetworks.com:8443/x",
        "https://u:p@api-acme.xdr.eu.paloaltonetworks.com/x",
        "https://api-acme.xdr.eu.paloaltonetworks.com.evil.example/x",
        "/relative",
    ] {
        let refused = client.download(foreign, &to).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidRequest, "{foreign}");
        assert!(!refused.to_string().contains("token"));
    }
    assert_eq!(log.len(), before, "nothing was sent");
    let hash = "0".repeat(64);
    assert!(client.quarantine(&one(), "/x", &hash, None).await.is_ok());
    assert!(client.restore(&hash, RestoreOn::Endpoint("a"), None).await.unwrap().action_id.is_none());
    let file = FileOnEndpoint { endpoint_id: "a".into(), path: "/x".into(), sha256: hash };
    assert_eq!(client.quarantine_status(&[file]).await.unwrap()[0].quarantined, Some(true));
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn bytes(body: Vec<u8>) -> crate::common::Answer {
    MemoryTransport::pieces(200, vec![Ok(body.into())])
}

#[tokio::test(start_paused = true)]
async fn a_query_is_waited_for_and_read_as_a_stream() {
    let lines = b"{\"a\":1}\n{\"a\":2}\n".to_vec();
    for body in [lines.clone(), packed(&lines), packed(&packed(&lines))] {
        let asked = AtomicU64::new(0);
        let (cortex, _) = tenant(move |seen| match seen.path.rsplit('/').next().unwrap() {
            "start_xql_query" => ok(&json!({"reply": "q_inv"})),
            "get_query_results" if asked.fetch_add(1, SeqCst) < 2 => {
                ok(&json!({"reply": {"status": "PENDING"}}))
            }
            "get_query_results" => ok(
                &json!({"reply": {"status": "SUCCESS", "number_of_results": 2, "results": {"stream_id": "s"}}}),
            ),
            _ => bytes(body.clone()),
        });
        let done = cortex.client().query(&XqlQuery::new("dataset = x"), &Patience::default()).await.unwrap();
        assert_eq!((done.rows.len(), done.rows[1].text("a").as_deref()), (2, Some("2")));
    }
}

/// A tenant whose streams are these answers in turn, the last for ever; every query gives so many rows.
fn streams(count: u32, answers: Vec<fn() -> crate::common::Answer>) -> (CortexXdr, crate::common::Log) {
    let asked = AtomicU64::new(0);
    tenant(move |seen| match seen.path.rsplit('/').next().unwrap() {
        "start_xql_query" => ok(&json!({"reply": "q_inv"})),
        "get_query_results" => ok(
            &json!({"reply": {"status": "SUCCESS", "number_of_results": count, "results": {"stream_id": "s"}}}),
        ),
        _ => answers[(asked.fetch_add(1, SeqCst) as usize).min(answers.len() - 1)](),
    })
}

fn broken() -> crate::common::Answer {
    let lost = TransportError::new(TransportErrorKind::Body);
    MemoryTransport::pieces(200, vec![Ok("{\"a\":1}\n{\"a\"".into()), Err(lost)])
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_is_read_again_from_its_beginning() {
    let failed = || ok(&json!({"reply": {"err_code": 500, "err_msg": "Internal server error"}}));
    let (cortex, log) = streams(2, vec![broken, failed, || bytes(b"{\"a\":1}\n{\"a\":2}\n".to_vec())]);
    let run = cortex.client().start_query(&XqlQuery::new("x")).await.unwrap();
    assert_eq!(run.wait(&Patience::default()).await.unwrap().rows.len(), 2);
    assert_eq!(log.len(), 5);
    let (cortex, _) = streams(2, vec![broken]);
    let lost = cortex.client().query(&XqlQuery::new("x"), &Patience::default()).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Network);
}

#[tokio::test(start_paused = true)]
async fn rows_come_one_by_one_and_what_is_missing_is_told() {
    let (cortex, _) = streams(4, vec![|| bytes(b"{\"a\":1}\n{broken\n\n{\"a\":2}".to_vec())]);
    let run = cortex.client().start_query(&XqlQuery::new("x")).await.unwrap();
    let mut rows = run.rows(&Patience::default()).await.unwrap();
    let mut told = Vec::new();
    while let Some(row) = rows.next().await {
        told.push(row.map(|row| row.text("a").unwrap()).map_err(|e| e.message().to_owned()));
    }
    let said = |text: &str| Err(text.to_owned());
    assert_eq!(told[0], Ok("1".to_owned()));
    assert!(told[1].as_ref().unwrap_err().contains("row 2"), "{told:?}");
    assert_eq!(told[2..], [Ok("2".to_owned()), said("2 of 4 rows came")]);
    let (cortex, _) = streams(2, vec![broken]);
    let run = cortex.client().start_query(&XqlQuery::new("x")).await.unwrap();
    let mut rows = run.rows(&Patience::default()).await.unwrap();
    assert!(rows.next().await.unwrap().is_ok());
    assert_eq!(rows.next().await.unwrap().unwrap_err().kind(), ErrorKind::Network);
    assert!(rows.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failure_ends_the_wait_and_missing_rows_are_told() {
    let (cortex, log) = tenant(|seen| match seen.is("start_xql_query") {
        true => ok(&json!({"reply": "q"})),
        false => ok(&json!({"reply": {"status": "FAIL", "error_details": "no such dataset"}})),
    });
    let failed = cortex.client().query(&XqlQuery::new("x"), &Patience::default()).await.unwrap_err();
    assert!(failed.to_string().contains("no such dataset"), "{failed}");
    assert_eq!(log.len(), 2);
    let (cortex, _) = tenant(|seen| match seen.is("start_xql_query") {
        true => ok(&json!({"reply": "q"})),
        false => ok(
            &json!({"reply": {"status": "SUCCESS", "number_of_results": 5, "results": {"data": [{"a": 1}]}}}),
        ),
    });
    let short = cortex.client().query(&XqlQuery::new("x"), &Patience::default()).await.unwrap_err();
    assert_eq!(short.kind(), ErrorKind::Decode);
    let (cortex, _) = tenant(|seen| match seen.is("start_xql_query") {
        true => ok(&json!({"reply": "q"})),
        false => ok(&json!({"reply": {"status": "PENDING"}})),
    });
    let patience = Patience::default().for_at_most(Duration::from_secs(20));
    let late = cortex.client().query(&XqlQuery::new("x"), &patience).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Timeout);
    let (cortex, log) = tenant(|_| {
        error(500, "{\"line\":1,\"column\":19,\"message\":\"no viable alternative at input '|alter2'\"}")
    });
    assert!(cortex.client().start_query(&XqlQuery::new("x")).await.is_err());
    assert_eq!(log.len(), 1, "a query is not begun twice");
}

#[tokio::test(start_paused = true)]
async fn four_queries_run_at_once_and_no_more() {
    let (running, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (r, m) = (running.clone(), most.clone());
    let (cortex, _) = tenant(move |seen| match seen.is("start_xql_query") {
        true => {
            m.fetch_max(r.fetch_add(1, SeqCst) + 1, SeqCst);
            ok(&json!({"reply": "q"}))
        }
        false => {
            r.fetch_sub(1, SeqCst);
            ok(&json!({"reply": {"status": "SUCCESS", "number_of_results": 0, "results": {"data": []}}}))
        }
    });
    let runs = (0..10).map(|_| {
        let client = cortex.client().clone();
        async move {
            let run = client.start_query(&XqlQuery::new("x")).await.unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
            run.wait(&Patience::default()).await.unwrap()
        }
    });
    futures_util::future::join_all(runs).await;
    assert_eq!((most.load(SeqCst), running.load(SeqCst)), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn audits_packages_and_the_tenant() {
    let (cortex, log) = five(|seen| match seen.path.rsplit('/').next().unwrap() {
        "management_logs" => ok(
            &json!({"reply": {"total_count": 1, "data": [{"AUDIT_ID": 1, "AUDIT_RESULT": "SUCCESS", "AUDIT_INSERT_TIME": 1_700_000_000_000_u64}]}}),
        ),
        "agents_reports" => ok(
            &json!({"reply": {"result_count": 1, "data": [{"TIMESTAMP": 1_575_795_968_414.463_1, "TRAPSVERSION": "7.0", "CATEGORY": "status"}]}}),
        ),
        "get_versions" => ok(&json!({"reply": {"windows": ["8.4.0"], "linux": null, "macos": "8.3.0"}})),
        "create" => ok(&json!({"reply": {"distribution_id": "d1"}})),
        "get_status" => ok(&json!({"reply": {"status": "Completed"}})),
        "get_dist_url" => ok(&json!({"reply": {"distribution_url": "https://x/y"}})),
        "get_users" => ok(&json!({"reply": [{"user_email": "a@b", "groups": null}]})),
        "get_roles" => ok(&json!({"reply": [[{"pretty_name": "Viewer"}], [{"pretty_name": "Admin"}]]})),
        "get_api_keys" => ok(
            &json!({"reply": {"DATA": [{"id": 1, "roles": ["Viewer"], "expiration": crate::common::now().timestamp_millis() + 86_400_000}, {"id": 2, "expiration": null}]}}),
        ),
        "get_tenant_info" => ok(
            &json!({"reply": {"pro_tb_expiration": "May 17th 2022 07:51:59", "purchased_pro_tb": {"tb": 5}, "purchased_prevent": 0, "prevent_expiration": 0, "installed_prevent": 438}}),
        ),
        "get_quota" => ok(
            &json!({"reply": {"license_quota": 5, "additional_purchased_quota": "0.0", "used_quota": 1.5}}),
        ),
        "validate" => MemoryTransport::json(200, "\"true\""),
        "get_risk_score" => ok(
            &json!({"reply": {"type": "user", "id": "a", "score": "7", "reasons": [{"date created": "2021-05-18 09:59:28", "points": 3}]}}),
        ),
        _ => ok(&json!({"reply": true})),
    });
    let client = cortex.client();
    let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let filters = ManagementFilters::new().results([AuditResult::Success]).unwrap().from(at);
    assert_eq!(
        client.management_logs(filters).collect().await.unwrap().items[0].result,
        Some(AuditResult::Success)
    );
    assert_eq!(log.all()[0].data["filters"][1]["operator"], "gte");
    let reports = client.agent_reports(&PageRequest::window(0, 10)).await.unwrap();
    assert_eq!(
        (reports.items[0].at.time.unwrap().timestamp(), reports.items[0].version.as_deref()),
        (1_575_795_968, Some("7.0"))
    );
    let versions = client.agent_versions().await.unwrap();
    assert_eq!((versions.windows.len(), versions.linux.len(), versions.macos.len()), (1, 0, 1));
    let package = NewPackage::Standalone { platform: PackagePlatform::Linux, version: Some("8.4.0".into()) };
    assert_eq!(client.create_distribution("p", &package, None).await.unwrap(), "d1");
    assert_eq!(client.distribution_status("d1").await.unwrap(), "Completed");
    assert_eq!(client.distribution_url("d1", &PackageForm::Rpm).await.unwrap(), "https://x/y");
    assert_eq!(client.users().await.unwrap()[0].email.as_deref(), Some("a@b"));
    assert_eq!(client.roles(&["Viewer"]).await.unwrap().len(), 2);
    client.set_user_role(&["a@b"], None).await.unwrap();
    let ending = client.keys_that_end().await.unwrap();
    assert_eq!((ending.len(), ending[0].id.as_deref()), (1, Some("1")));
    let info = client.tenant_info().await.unwrap();
    assert_eq!(
        (info.purchased["pro_tb"].number, info.purchased["pro_tb"].unit.as_deref()),
        (5.0, Some("tb"))
    );
    assert_eq!((info.expirations.len(), info.used["prevent"].number), (1, 438.0));
    assert_eq!(client.xql_quota().await.unwrap().left(), Some(3.5));
    assert!(client.validate_key().await.unwrap());
    let risk = client.risk_score("a").await.unwrap();
    assert_eq!((risk.kind, risk.score), (Some(RiskKind::User), Some(7.0)));
    assert!(risk.reasons[0].created.time.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_a_generation_does_not_have_is_said_so() {
    let (cortex, _) = tenant(|_| missing());
    let absent = cortex.client().incident_extra("7", None).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::Configuration);
    assert_eq!(absent.tenant().unwrap().as_str(), "acme");
}
