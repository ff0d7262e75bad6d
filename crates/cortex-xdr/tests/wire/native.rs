//! The native client, service by service: what is sent, and what the forms of the answers mean.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use crate::common::{Seen, error, ok, tenant};
use chrono::{DateTime, Utc};
use cortex_xdr::api::device_control::{DeviceType, ViolationFilters};
use cortex_xdr::api::endpoints::{EndpointFilters, EndpointStatus};
use cortex_xdr::{ActionState, Endpoints, Filters, Patience, Terminate};
use edr_core::ErrorKind;
use edr_http::MemoryTransport;
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn an_order_is_given_and_waited_for() {
    let asked = AtomicU64::new(0);
    let (cortex, log) = tenant(move |seen| {
        if seen.is("endpoints/isolate") {
            return ok(&json!({"reply": {"action_id": "673", "status": "1", "endpoints_count": "2"}}));
        }
        let word = match asked.fetch_add(1, SeqCst) {
            0 => return ok(&json!({"reply": {"data": {}}})),
            1 => "PENDING",
            2 => "IN_PROGRESS",
            _ => "COMPLETED_SUCCESSFULLY",
        };
        ok(&json!({"reply": {"data": {"a": word, "b": "CANCELLED"}}}))
    });
    let client = cortex.client();
    let started = client.isolate(&Endpoints::ids(["a", "b"]).unwrap(), Some("12")).await.unwrap();
    assert_eq!(started.endpoints_count, Some(2));
    let id = started.action_id.unwrap();
    let status = client.wait_for_action(&id, &Patience::default()).await.unwrap();
    assert_eq!((status.is_over(), status.is_done()), (true, false));
    assert_eq!(
        (&status.endpoints["a"], &status.endpoints["b"]),
        (&ActionState::CompletedSuccessfully, &ActionState::Canceled)
    );
    assert_eq!(log.len(), 5);
    assert_eq!(log.all()[1].data, json!({"group_action_id": 673}));
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_last_answer_when_the_time_is_up() {
    let (cortex, log) = tenant(|_| ok(&json!({"reply": {"data": {}}})));
    let begun = tokio::time::Instant::now();
    let patience = Patience::default().for_at_most(Duration::from_secs(60));
    let status = cortex.client().wait_for_action(&7.into(), &patience).await.unwrap();
    assert!(!status.is_over() && begun.elapsed() <= Duration::from_secs(60));
    assert!((5..=8).contains(&log.len()), "{}", log.len());
}

#[tokio::test(start_paused = true)]
async fn an_order_is_not_repeated_and_says_what_became_of_it() {
    let (cortex, log) = tenant(|_| error(502, "Bad Gateway"));
    let one = Endpoints::ids(["a"]).unwrap();
    assert!(cortex.client().isolate(&one, None).await.is_err());
    assert_eq!(log.len(), 1, "nobody knows whether it was done");
    // A tag is not given twice.
    assert!(cortex.client().assign_tag(&one, "t").await.is_err());
    assert!(log.len() > 2);
    let (cortex, _) = tenant(|_| error(500, "An isolation is already pending"));
    assert_eq!(cortex.client().isolate(&one, None).await.unwrap_err().kind(), ErrorKind::Conflict);
    let (cortex, _) = tenant(|_| error(500, "No endpoint was found for creating the requested action"));
    assert_eq!(cortex.client().scan(&one, None).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn orders_that_are_answered_by_a_word() {
    let words = ["true", r#"{"reply":true}"#, r#"{"reply":{"action_id":1}}"#];
    for word in words {
        let (cortex, log) = tenant(move |_| MemoryTransport::json(200, word));
        let (client, one) = (cortex.client(), Endpoints::ids(["a"]).unwrap());
        client.delete_endpoints(&one).await.unwrap();
        client.set_alias(&one, "").await.unwrap();
        client.assign_tag(&one, " kiosk ").await.unwrap();
        client.remove_tag(&one, "kiosk").await.unwrap();
        client.create_tag("kiosk").await.unwrap();
        client.delete_tags(&["kiosk"], "gone").await.unwrap();
        client.terminate("a", &Terminate::Causality("c".into()), None).await.unwrap();
        let tag = &log.all()[2];
        assert_eq!(
            (tag.path.as_str(), &tag.data["tag"]),
            ("/public_api/v1/tags/agents/assign", &json!("kiosk"))
        );
    }
    let (cortex, log) = tenant(|_| ok(&json!({"reply": false})));
    let refused = cortex.client().set_alias(&Endpoints::ids(["a"]).unwrap(), "x").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Vendor);
    assert!(cortex.client().assign_tag(&Endpoints::ids(["a"]).unwrap(), " ").await.is_err());
    assert_eq!(log.len(), 1, "an empty tag is not sent");
}

#[tokio::test(start_paused = true)]
async fn the_policy_has_a_name() {
    for reply in [json!({"reply": {"policy_name": "Servers"}}), json!({"reply": "Servers"})] {
        let (cortex, _) = tenant(move |_| ok(&reply));
        assert_eq!(cortex.client().policy("a").await.unwrap(), "Servers");
    }
}

fn violation(number: u64) -> Value {
    json!({"violation_id": number, "hostname": "h", "ip": "10.0.0.1", "type": "cd-rom", "vendor_id": "0x0781",
        "timestamp": 1_700_000_000_000_u64 + number, "serial": null})
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_read_to_its_end_and_can_be_resumed() {
    let (cortex, log) = tenant(|seen| {
        let (from, to) = seen.window();
        let items: Vec<Value> = (from.min(230)..to.min(230)).map(violation).collect();
        ok(&json!({"reply": {"total_count": 230, "result_count": items.len(), "violations": items}}))
    });
    let filters = ViolationFilters::new().types([DeviceType::CdRom]).unwrap();
    let mut listing = cortex.client().violations(filters.clone());
    let first = listing.next().await.unwrap().unwrap();
    assert_eq!((first.items.len(), first.total), (100, Some(230)));
    assert_eq!(first.items[0].device_type, Some(DeviceType::CdRom));
    let position: cortex_xdr::Position =
        serde_json::from_str(&serde_json::to_string(listing.position()).unwrap()).unwrap();
    let rest = cortex.client().violations(filters).resume(position).collect().await.unwrap();
    assert_eq!(rest.items.len(), 130);
    let windows: Vec<_> = log.all().iter().map(Seen::window).collect();
    assert_eq!(windows, [(0, 100), (99, 199), (198, 298)]);
    assert_eq!(log.all()[0].data["sort"], json!({"field": "timestamp", "keyword": "asc"}));
    assert_eq!(log.all()[0].data["filters"][0]["value"], json!(["cd-rom"]));
}

#[tokio::test(start_paused = true)]
async fn beyond_the_count_a_listing_goes_on_by_time() {
    const ALL: u64 = 12_345;
    let (cortex, _) = tenant(|seen| {
        let since = seen.data["filters"][0]["value"].as_u64().map_or(0, |at| at - 1_700_000_000_000);
        let (from, to) = seen.window();
        assert!(to <= 10_100, "nobody reads beyond the cap");
        let items: Vec<Value> = (since + from..(since + to).min(ALL)).map(violation).collect();
        ok(&json!({"reply": {"total_count": (ALL - since).min(9_999), "violations": items}}))
    });
    let all = cortex.client().violations(Filters::new()).collect().await.unwrap();
    assert_eq!(all.items.len() as u64, ALL);
}

#[tokio::test(start_paused = true)]
async fn a_listing_cannot_loop_and_does_not_believe_the_count() {
    // The vendor ignores the window.
    let (cortex, log) = tenant(|_| {
        let items: Vec<Value> = (0..100).map(violation).collect();
        ok(&json!({"reply": {"total_count": 5_000, "violations": items}}))
    });
    let mut listing = cortex.client().violations(Filters::new());
    assert_eq!(listing.next().await.unwrap().unwrap().items.len(), 100);
    assert!(listing.next().await.unwrap().is_err());
    assert!(listing.next().await.is_none() && log.len() < 110);
    // It counts more than it has.
    let (cortex, log) = tenant(|seen| {
        let (from, to) = seen.window();
        let items: Vec<Value> = (from.min(50)..to.min(50)).map(violation).collect();
        ok(&json!({"reply": {"total_count": 5_000, "violations": items}}))
    });
    let error = cortex.client().violations(Filters::new()).collect().await.unwrap_err();
    assert!(error.to_string().contains("counts more"), "{error}");
    assert!(log.len() < 6);
    // It counts less than it has.
    let (cortex, _) = tenant(|seen| {
        let (from, to) = seen.window();
        let items: Vec<Value> = (from.min(150)..to.min(150)).map(violation).collect();
        ok(&json!({"reply": {"total_count": 1, "violations": items}}))
    });
    assert_eq!(cortex.client().violations(Filters::new()).collect().await.unwrap().items.len(), 150);
    // A shift is noticed.
    let first = AtomicU64::new(0);
    let (cortex, _) = tenant(move |seen| {
        let gone = u64::from(first.fetch_add(1, SeqCst) > 0);
        let (from, to) = seen.window();
        let items: Vec<Value> = ((from + gone).min(150)..(to + gone).min(150)).map(violation).collect();
        ok(&json!({"reply": {"total_count": 150 - gone, "violations": items}}))
    });
    let mut listing = cortex.client().violations(Filters::new());
    while let Some(batch) = listing.next().await {
        batch.unwrap();
    }
    assert!(listing.shifted());
}

#[tokio::test(start_paused = true)]
async fn a_window_that_comes_empty_is_told() {
    let hole = |seen: &Seen| {
        let (from, to) = seen.window();
        let items: Vec<Value> = (from.min(250)..to.min(250)).map(violation).collect();
        let items = if from == 99 { Vec::new() } else { items };
        ok(&json!({"reply": {"total_count": 250, "violations": items}}))
    };
    let (cortex, log) = tenant(hole);
    let mut listing = cortex.client().violations(Filters::new());
    let mut items = 0;
    while let Some(batch) = listing.next().await {
        items += batch.unwrap().items.len();
    }
    assert_eq!((items, listing.shifted(), log.len()), (151, true, 3));
    let all = cortex.client().violations(Filters::new()).collect().await.unwrap();
    assert_eq!((all.items.len(), all.shifted), (151, true));
    let (whole, _) = tenant(|seen| {
        let (from, to) = seen.window();
        let items: Vec<Value> = (from.min(250)..to.min(250)).map(violation).collect();
        ok(&json!({"reply": {"total_count": 250, "violations": items}}))
    });
    assert!(!whole.client().violations(Filters::new()).collect().await.unwrap().shifted);
}

#[tokio::test(start_paused = true)]
async fn what_has_arrived_comes_before_the_error_behind_it() {
    // Nothing has a time, so the listing cannot go on beyond the cap.
    let (cortex, _) = tenant(|seen| {
        let (from, to) = seen.window();
        let items: Vec<Value> = (from..to).map(|n| json!({"violation_id": n})).collect();
        ok(&json!({"reply": {"total_count": 9_999, "violations": items}}))
    });
    let mut listing = cortex.client().violations(Filters::new());
    let (mut items, mut last) = (0, 0);
    let error = loop {
        match listing.next().await.unwrap() {
            Ok(batch) => (items, last) = (items + batch.items.len() as u64, listing_end(&batch)),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!((items, error.operation().is_some()), (last + 1, true));
    let position = serde_json::to_value(listing.position()).unwrap();
    assert_eq!(position["from"], items, "all of what was read was given out");
    assert!(listing.next().await.is_none());
}

fn listing_end(batch: &cortex_xdr::Batch<cortex_xdr::api::device_control::Violation>) -> u64 {
    batch.items.last().unwrap().value.violation_id.as_deref().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_listed_with_typed_filters() {
    let (cortex, log) = tenant(|seen| {
        let (from, to) = seen.window();
        crate::common::hosts(from.min(120)..to.min(120), 120)
    });
    let at: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let filters = EndpointFilters::new().statuses([EndpointStatus::Connected]).unwrap().last_seen_from(at);
    let all = cortex.client().endpoint_listing(filters).collect().await.unwrap();
    assert_eq!(all.items.len(), 120);
    let sent = &log.all()[0].data;
    assert_eq!(
        sent["filters"][0],
        json!({"field": "endpoint_status", "operator": "in", "value": ["connected"]})
    );
    assert_eq!(
        sent["filters"][1],
        json!({"field": "last_seen", "operator": "gte", "value": at.timestamp_millis()})
    );
    assert_eq!(sent["sort"]["keyword"], "ASC");
    assert!(EndpointFilters::new().ids(Vec::<String>::new()).is_err());
}

#[tokio::test(start_paused = true)]
async fn what_has_no_method_is_sent_raw() {
    let (cortex, log) = tenant(|seen| match seen.is("healthcheck") {
        true => ok(&json!({"status": "available"})),
        false if seen.is("get_risk_score") => {
            ok(&json!({"reply": {"score": 3, "reasons": [{"date created": "x"}]}}))
        }
        false if seen.is("empty") => MemoryTransport::json(204, ""),
        false => error(503, "later"),
    });
    let client = cortex.client();
    assert_eq!(client.send("get_risk_score", &json!({"id": "a"})).await.unwrap()["reply"]["score"], 3);
    assert_eq!(log.all()[0].data, json!({"id": "a"}));
    assert_eq!(client.send("healthcheck", &Value::Null).await.unwrap()["status"], "available");
    assert_eq!(client.send_body("/public_api/v1/empty", &json!({"x": 1})).await.unwrap(), Value::Null);
    let before = log.len();
    assert!(client.send("something/new", &json!({})).await.is_err());
    assert_eq!(log.len(), before + 1, "what is not known is not repeated");
    assert!(client.send("get_risk_score?x", &json!({})).await.is_err());
    assert!(client.send("https://evil.example", &json!({})).await.is_err());
}
