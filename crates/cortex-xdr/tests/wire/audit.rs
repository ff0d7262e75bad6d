//! Audits and findings through the contract, against a tenant in memory: two records in one listing, counts that end early,
//! pages by token.

use std::collections::BTreeSet;

use cortex_xdr::{CortexXdr, Generation};
use edr_core::{
    AuditEvent, AuditQuery, AuditSource, EdrProvider as _, EdrProviderExt as _, ErrorKind, Feature, Noun,
    Sort, VulnerabilityQuery,
};
use serde_json::{Value, json};

use crate::common::{Answer, Log, Seen, builder, error, missing, ok, tenant};
use crate::paging::{MIDDLE, once};

const START: i64 = 1_767_000_000_000;

fn log(number: i64) -> Value {
    json!({"AUDIT_ID": number, "AUDIT_INSERT_TIME": START + number, "AUDIT_OWNER_EMAIL": "ann@corp.example"})
}

/// Two reports a millisecond, neither at its beginning.
fn reported(number: i64) -> f64 {
    (START + number / 2) as f64 + if number % 2 == 0 { 0.25 } else { 0.75 }
}

fn report(number: i64) -> Value {
    json!({"TIMESTAMP": reported(number), "ENDPOINTID": "0f3a", "TYPE": "Policy", "DESCRIPTION": format!("report {number}")})
}

/// A window of so many rows, as the service keeps them: bounds are exact, and the count is cut off.
fn window(seen: &Seen, count: i64, row: fn(i64) -> Value, time: fn(i64) -> f64) -> Answer {
    let filters = seen.data["filters"].as_array().cloned().unwrap_or_default();
    let bounds = filters.iter().filter(|f| f["field"] == "timestamp");
    let bounds: Vec<(bool, f64)> =
        bounds.map(|f| (f["operator"] == "gte", f["value"].as_f64().unwrap())).collect();
    let holds =
        |at: f64| bounds.iter().all(|(least, bound)| if *least { at >= *bound } else { at <= *bound });
    let mut rows: Vec<i64> = (0..count).filter(|n| holds(time(*n))).collect();
    if seen.data["sort"]["keyword"] == "desc" {
        rows.reverse();
    }
    let (from, to) = seen.window();
    let end = usize::try_from(to).unwrap().min(rows.len());
    let page: Vec<Value> =
        rows[usize::try_from(from).unwrap().min(end)..end].iter().map(|n| row(*n)).collect();
    ok(&json!({"reply": {"total_count": rows.len().min(9_999), "result_count": page.len(), "data": page}}))
}

fn audits(seen: &Seen, logs: i64, reports: i64) -> Answer {
    match seen.is("management_logs") {
        true => window(seen, logs, log, |number| (START + number) as f64),
        false => window(seen, reports, report, reported),
    }
}

fn by_time(descending: bool) -> Sort {
    Sort { field: Noun::AuditEvent.field("time").unwrap(), descending }
}

fn sources(events: &[AuditEvent]) -> Vec<AuditSource> {
    let mut all: Vec<AuditSource> = events.iter().map(|e| e.source.clone()).collect();
    all.dedup();
    all
}

#[tokio::test(start_paused = true)]
async fn both_records_are_one_listing_each_newest_first() {
    let (cortex, sent) = tenant(|seen| audits(seen, 130, 150));
    let all = cortex.collect(&AuditQuery::new()).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete()), (280, true), "{:?}", all.warnings);
    assert_eq!(sources(&all.items), [AuditSource::Console, AuditSource::Agent]);
    for record in all.items.chunk_by(|a, b| a.source == b.source) {
        assert!(record.windows(2).all(|w| w[0].time >= w[1].time));
    }
    assert_eq!(sent.paths().iter().filter(|p| p.ends_with("agents_reports")).count(), 2);
    let page = cortex.audit_events(&AuditQuery::new(), None).await.unwrap();
    assert_eq!(page.end.total, None, "the count of one record is not that of both");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_not_wanted_is_not_asked() {
    let (cortex, sent) = tenant(|seen| audits(seen, 3, 5));
    let console = AuditQuery::new().source(AuditSource::Console);
    let page = cortex.audit_events(&console, None).await.unwrap();
    assert_eq!((page.items.len(), page.end.total, page.end.next.is_some()), (3, Some(3), false));
    assert_eq!(sent.paths(), ["v1/audits/management_logs"]);
    let oldest = cortex.collect(&console.clone().sort_by(by_time(false))).await.unwrap();
    assert!(oldest.items.windows(2).all(|w| w[0].time <= w[1].time));
    let none = cortex.collect(&AuditQuery::new().source(AuditSource::RemoteSession)).await.unwrap();
    assert!(none.items.is_empty() && none.outcome.is_complete());
    let refused = cortex.collect(&AuditQuery::new().sort_by(by_time(true))).await.unwrap_err();
    assert!(refused.is_unsupported() && refused.hint().is_some(), "{refused}");
    assert_eq!(sent.len(), 2);
    assert!(cortex.audit_event("7").await.unwrap_err().is_unsupported());
}

#[tokio::test(start_paused = true)]
async fn reports_beyond_the_count_all_arrive() {
    for descending in [true, false] {
        let (cortex, sent) = tenant(|seen| audits(seen, 0, 12_000));
        let query = AuditQuery::new().source(AuditSource::Agent).sort_by(by_time(descending));
        let all = cortex.collect(&query).await.unwrap();
        let texts: BTreeSet<_> = all.items.iter().filter_map(|e| e.desc.clone()).collect();
        let end = (all.items.len(), texts.len(), all.outcome.is_complete());
        assert_eq!(end, (12_000, 12_000, true), "{descending}: {:?}", all.warnings);
        assert!(sent.all().iter().all(|seen| seen.window().0 < 9_900), "no offset beyond the cap");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_window_that_counts_nothing_is_no_end() {
    for strikes in MIDDLE {
        let struck = once(strikes);
        let (cortex, _) = tenant(move |seen| match struck(seen) {
            true => ok(&json!({"reply": {"total_count": 0, "result_count": 0, "data": []}})),
            false => audits(seen, 10_500, 0),
        });
        let all = cortex.collect(&AuditQuery::new().source(AuditSource::Console)).await.unwrap();
        assert_eq!((all.items.len(), all.outcome.is_complete()), (10_500, true), "{:?}", all.warnings);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_the_second_record_is_told() {
    let (cortex, _) =
        tenant(|seen| if seen.is("agents_reports") { error(403, "no") } else { audits(seen, 3, 0) });
    let all = cortex.collect(&AuditQuery::new()).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete()), (3, false));
    assert!(all.outcome.error().unwrap().is_permission());
}

fn five(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> (CortexXdr, Log) {
    let (builder, log) = builder(handler);
    (builder.generation(Generation::Xdr5).build().unwrap(), log)
}

fn finding(number: usize) -> Value {
    json!({"platform_id": format!("f{number}"), "cve_id": "CVE-2025-1", "cvss_severity": "HIGH", "asset_name": "win-7"})
}

#[tokio::test(start_paused = true)]
async fn findings_are_vulnerabilities_page_by_page() {
    let (cortex, sent) = five(|seen| {
        let (rows, next) = match seen.data["next_page_token"].as_str() {
            None => (vec![finding(1)], json!("b")),
            _ => (vec![finding(2), json!({"cve_id": "CVE-2025-2"})], Value::Null),
        };
        ok(&json!({"reply": {"data": rows, "filter_count": 3, "next_page_token": next}}))
    });
    let query = VulnerabilityQuery::new().cve("CVE-2025-1");
    let all = cortex.collect(&query).await.unwrap();
    assert_eq!((all.items.len(), all.rejected.len(), all.outcome.is_complete()), (2, 1, false));
    assert_eq!(all.items[0].host.hostname.as_deref(), Some("win-7"));
    let first = &sent.all()[0];
    assert_eq!((&first.data["page_size"], first.path.contains("public_api")), (&json!(10_000), false));
    assert_eq!(first.data["filter"]["AND"][0]["SEARCH_FIELD"], "CVE_ID");
    let (circle, _) =
        five(|_| ok(&json!({"reply": {"data": [finding(1)], "filter_count": 9, "next_page_token": "b"}})));
    assert!(!circle.collect(&VulnerabilityQuery::new()).await.unwrap().outcome.is_complete());
}

#[tokio::test(start_paused = true)]
async fn one_finding_is_read_by_its_id() {
    let (cortex, _) = five(|seen| match seen.path.rsplit('/').next() {
        Some("f1") => ok(&json!({"reply": {"data": [finding(1)]}})),
        Some("f2") => ok(&json!({"reply": {"data": []}})),
        _ => missing(),
    });
    assert_eq!(cortex.vulnerability("f1").await.unwrap().uid, "f1");
    for id in ["f2", "f3"] {
        assert!(cortex.vulnerability(id).await.unwrap_err().is_not_found(), "{id}");
    }
    let odd = cortex.vulnerability("../x").await.unwrap_err();
    assert_eq!((odd.kind(), odd.tenant().is_some()), (ErrorKind::InvalidRequest, true));
}

#[tokio::test(start_paused = true)]
async fn xdr_3_says_why_it_has_no_vulnerabilities() {
    let (cortex, sent) = tenant(|_| error(500, "not asked"));
    assert!(!cortex.capabilities().has(Feature::VulnerabilityList));
    let error = cortex.vulnerabilities(&VulnerabilityQuery::new(), None).await.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("XDR 3"), "{error}");
    assert!(cortex.vulnerability("f1").await.unwrap_err().is_unsupported());
    assert_eq!(sent.len(), 0);
}
