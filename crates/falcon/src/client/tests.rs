use edr_core::{Error, ErrorKind};
use futures_util::StreamExt as _;
use http::Method;
use serde_json::json;

use super::*;
use crate::api::alerts::{self, AlertEntity, AlertStatus, AlertStep, AlertsParams};
use crate::api::hosts::{self, Device, HostAction, HostsParams, TagAction};
use crate::api::{AggregateKind, AggregateSpec, ListParams, Paging};
use crate::testing::{
    Answer as Sent200, Sent, alert, device, device_id, falcon, ids_of, json as answer, page,
};

fn ok(body: &serde_json::Value) -> Sent200 {
    answer(200, &body.to_string())
}

fn ids(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(device_id).collect()
}

fn quoted(ids: &[String]) -> Vec<String> {
    ids.iter().map(|id| format!("\"{id}\"")).collect()
}

/// A service of `total` ids by offset, with `most` on a page whatever is asked for.
fn counted(sent: &Sent, total: u64, most: u64) -> Sent200 {
    let number = |key: &str, default| sent.get(key).map_or(default, |v| v.parse().unwrap());
    let (offset, limit) = (number("offset", 0), number("limit", 100));
    let rows = ids(offset..total.min(offset + limit.min(most)).max(offset));
    page(&quoted(&rows), &format!(r#"{{"offset":{offset},"limit":{limit},"total":{total}}}"#))
}

async fn walked<T: Send + 'static>(pages: Pages<T>) -> (Vec<Reply<T>>, Option<Error>) {
    let (mut good, mut bad) = (Vec::new(), None);
    // More pages than any test has would be a walk without an end.
    for page in pages.take(60).collect::<Vec<_>>().await {
        match page {
            Ok(page) => good.push(page),
            Err(error) => assert!(bad.replace(error).is_none(), "nothing follows an error"),
        }
    }
    (good, bad)
}

fn rows<T: Clone>(pages: &[Reply<T>]) -> Vec<T> {
    pages.iter().flat_map(|p| p.resources.clone()).collect()
}

#[tokio::test]
async fn offsets_are_counted_and_short_pages_do_not_end_a_listing() {
    let (acme, log) = falcon(|sent| counted(sent, 23, 10));
    let plan = hosts::query(&ListParams { limit: Some(15), ..ListParams::default() });
    let (pages, error) = walked::<String>(acme.client().pages(plan, None)).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows(&pages), ids(0..23));
    let offsets: Vec<_> =
        log.to(hosts::QUERY.path).iter().map(|s| s.get("offset").map(str::to_owned)).collect();
    assert_eq!(offsets, [None, Some("10".to_owned()), Some("20".to_owned())]);
    // A walk can be taken up where another has left it.
    let from = pages[0].next.clone().unwrap();
    let (pages, _) =
        walked::<String>(acme.client().pages(hosts::query(&ListParams::default()), Some(from))).await;
    assert_eq!(rows(&pages), ids(10..23));
}

#[tokio::test]
async fn a_listing_that_is_longer_than_the_cap_says_so_behind_its_last_page() {
    let (acme, log) = falcon(|sent| counted(sent, 12_000, 5_000));
    let (pages, error) =
        walked::<String>(acme.client().pages(hosts::query(&ListParams::default()), None)).await;
    assert_eq!(rows(&pages), ids(0..9_999), "all that the endpoint gives out");
    let error = error.unwrap();
    let cap = std::error::Error::source(&error).and_then(|e| e.downcast_ref::<ListingCap>()).unwrap();
    assert_eq!((cap.cap, cap.total), (10_000, 12_000));
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidRequest, Some("QueryDevicesByFilter")));
    assert!(log.to(hosts::QUERY.path).iter().all(|s| {
        let number = |key: &str| s.get(key).map_or(0, |v| v.parse::<u64>().unwrap());
        number("offset") + number("limit") < 10_000
    }));
}

#[tokio::test]
async fn a_listing_that_breaks_off_is_no_end() {
    let (acme, _) = falcon(|sent| match sent.get("offset") {
        None => counted(sent, 30, 10),
        Some(_) => page(&[], r#"{"total":30}"#),
    });
    let (_, error) = walked::<String>(acme.client().pages(hosts::query(&ListParams::default()), None)).await;
    assert_eq!(error.unwrap().message(), "the listing broke off: 10 of 30 rows came");
}

#[tokio::test]
async fn a_key_that_is_missing_is_no_end() {
    let (acme, _) =
        falcon(|sent| match (sent.method.as_str(), sent.get("offset"), sent.json()["after"].as_str()) {
            ("GET", None, _) => page(&[device(1), device(2)], r#"{"total":5,"next":"k"}"#),
            ("GET", ..) => page(&[device(3)], r#"{"total":5,"next":""}"#),
            (_, _, None) => page(&[alert(1)], r#"{"total":3,"after":"k"}"#),
            _ => page(&[alert(2)], r#"{"total":3}"#),
        });
    let plan = hosts::combined(&HostsParams::default());
    let (pages, error) = walked::<Device>(acme.client().pages(plan.clone(), None)).await;
    assert_eq!((rows(&pages).len(), pages[1].next.clone()), (3, None));
    let error = error.unwrap();
    assert_eq!(error.message(), "the listing broke off: 3 of 5 rows came");
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Vendor, Some("CombinedDevicesByFilter")));
    let (_, error) = walked::<Device>(acme.client().pages(plan, pages[0].next.clone())).await;
    assert!(error.is_none(), "nobody knows what came before a key: {error:?}");
    let plan = alerts::combined(&AlertsParams::default());
    let (pages, error) = walked::<AlertEntity>(acme.client().pages(plan, None)).await;
    assert_eq!(rows(&pages).len(), 2);
    assert_eq!(error.unwrap().message(), "the listing broke off: 2 of 3 rows came");
}

#[tokio::test]
async fn a_scroll_ends_by_its_count_though_a_key_comes_with_the_last_page() {
    let (acme, log) = falcon(|sent| {
        let from = if sent.get("offset").is_some() { 2 } else { 0 };
        page(&quoted(&ids(from..from + 2)), r#"{"total":4,"offset":"same"}"#)
    });
    let plan = hosts::scroll(&HostsParams::default());
    let (pages, error) = walked::<String>(acme.client().pages(plan, None)).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows(&pages), ids(0..4));
    assert_eq!(log.to(hosts::SCROLL.path).len(), 2);
    assert_eq!(log.to(hosts::SCROLL.path)[0].get("limit"), Some("10000"));
}

#[tokio::test]
async fn a_key_that_comes_twice_is_an_error() {
    let (acme, _) = falcon(|_| page(&[device(1)], r#"{"total":9,"next":"same"}"#));
    let plan = hosts::combined(&HostsParams::default());
    let (pages, error) = walked::<Device>(acme.client().pages(plan, None)).await;
    assert_eq!(pages.len(), 2);
    assert_eq!(error.unwrap().message(), "a page key came twice: the listing goes in a circle");
}

#[tokio::test]
async fn pages_without_rows_have_an_end() {
    let number = std::sync::atomic::AtomicU32::new(0);
    let (acme, log) = falcon(move |_| {
        let next = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        page(&[], &format!(r#"{{"total":9,"next":"n{next}"}}"#))
    });
    let plan = hosts::combined(&HostsParams::default());
    let (_, error) = walked::<Device>(acme.client().pages(plan, None)).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::Vendor);
    assert_eq!(log.to(hosts::COMBINED.path).len(), 4);
}

#[tokio::test]
async fn after_goes_into_the_body_beside_what_stands_there() {
    let (acme, log) = falcon(|sent| match sent.json()["after"].as_str() {
        None => page(&[alert(1)], r#"{"total":2,"after":"k\"1"}"#),
        Some(_) => page(&[alert(2)], r#"{"total":2,"after":""}"#),
    });
    let params =
        AlertsParams { filter: "status:'new'".to_owned(), limit: Some(1), ..AlertsParams::default() };
    let (pages, error) = walked::<AlertEntity>(acme.client().pages(alerts::combined(&params), None)).await;
    assert!(error.is_none());
    assert_eq!(rows(&pages).len(), 2);
    assert_eq!(
        log.to(alerts::COMBINED.path)[1].json(),
        json!({"filter": "status:'new'", "limit": 1, "after": "k\"1"})
    );
}

#[tokio::test]
async fn a_refused_page_ends_the_walk_with_its_error() {
    let (acme, _) = falcon(|sent| match sent.get("offset") {
        None => counted(sent, 30, 10),
        Some(_) => answer(
            404,
            r#"{"meta":{},"errors":[{"code":404,"message":"Search context expired, 'after' key no longer valid"}]}"#,
        ),
    });
    let (pages, error) =
        walked::<String>(acme.client().pages(hosts::query(&ListParams::default()), None)).await;
    assert_eq!(pages.len(), 1);
    assert!(error.unwrap().is_cursor_expired());
}

#[tokio::test]
async fn ids_are_asked_for_in_pieces_and_come_in_order() {
    let (acme, log) = falcon(|sent| {
        let mut asked = ids_of(sent);
        asked.reverse();
        let known: Vec<String> = asked.iter().filter(|id| **id != device_id(7)).cloned().collect();
        let rows: Vec<_> = known.iter().map(|id| json!({"device_id": id.to_uppercase()})).collect();
        let errors: Vec<_> = asked
            .iter()
            .filter(|id| !known.contains(id))
            .map(|id| json!({"code": 404, "message": "device not found", "id": id}))
            .collect();
        ok(&json!({"meta": {}, "resources": rows, "errors": errors}))
    });
    let mut asked = ids(0..5_003);
    asked.push(device_id(3));
    let found = acme.client().hosts_by_id(&asked).await.unwrap();
    assert_eq!(found.missing, [device_id(7)]);
    assert!(found.errors.is_empty());
    let order: Vec<String> =
        found.found.iter().map(|d| d.device_id.clone().unwrap().to_lowercase()).collect();
    assert_eq!(order, ids(0..5_003).into_iter().filter(|id| *id != device_id(7)).collect::<Vec<_>>());
    assert_eq!(log.to(hosts::ENTITIES.path).iter().map(|s| ids_of(s).len()).collect::<Vec<_>>(), [5_000, 3]);
}

#[tokio::test]
async fn that_nothing_is_there_is_no_error() {
    let (acme, _) = falcon(|_| {
        answer(
            404,
            r#"{"meta":{"powered_by":"device-api"},"errors":[{"code":404,"message":"none"}],"resources":[]}"#,
        )
    });
    let found = acme.client().hosts_by_id(&ids(1..3)).await.unwrap();
    assert_eq!((found.found.len(), found.missing), (0, ids(1..3)));
}

#[tokio::test]
async fn an_order_is_accepted_or_refused_host_by_host() {
    let (acme, log) = falcon(|sent| {
        let asked = ids_of(sent);
        if asked.len() == 1 {
            return answer(
                409,
                &json!({"meta": {}, "resources": [], "errors": [
                {"code": 409, "message": "already contained", "id": asked[0]}]})
                .to_string(),
            );
        }
        let rows: Vec<_> = asked[1..].iter().map(|id| json!({"id": id, "path": "/devices"})).collect();
        answer(
            202,
            &json!({"meta": {}, "resources": rows, "errors": [
            {"code": 404, "message": "Device not found", "id": asked[0]}]})
            .to_string(),
        )
    });
    let done = acme.client().order_hosts(&HostAction::Contain, &ids(0..101)).await.unwrap();
    assert_eq!(done.done.len(), 99);
    let refused: Vec<_> =
        done.refused.iter().map(|r| (r.id.clone(), r.error.code.clone().unwrap())).collect();
    assert_eq!(refused, [(device_id(0), "404".to_owned()), (device_id(100), "409".to_owned())]);
    assert!(!done.is_whole());
    assert_eq!(log.to(hosts::ACTIONS.path)[0].get("action_name"), Some("contain"));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_is_not_repeated_and_leaves_nothing_unsaid() {
    let (acme, log) = falcon(|sent| {
        let asked = ids_of(sent);
        if asked.contains(&device_id(100)) {
            return answer(500, r#"{"meta":{},"errors":[{"code":500,"message":"internal error"}]}"#);
        }
        let rows: Vec<_> = asked.iter().map(|id| json!({"id": id})).collect();
        answer(202, &json!({"meta": {}, "resources": rows}).to_string())
    });
    let done = acme.client().order_hosts(&HostAction::Hide, &ids(0..250)).await.unwrap();
    assert_eq!((done.done.len(), done.open.len(), done.unsent.len()), (100, 100, 50));
    assert_eq!(done.failure.unwrap().kind(), ErrorKind::Vendor);
    assert_eq!(log.to(hosts::ACTIONS.path).len(), 2);
    let error = acme.client().order_hosts(&HostAction::Hide, &ids(100..103)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Vendor);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_told_of_one_id_repeats_no_write() {
    let ids = ["c:ind:a:1", "c:ind:a:2", "c:ind:a:3"];
    let comment = [AlertStep::AppendComment("seen".to_owned())];
    let one = r#"{"code":429,"message":"slow down","id":"c:ind:a:2"}"#;
    for body in [
        format!(r#"{{"meta":{{}},"errors":[{one}]}}"#),
        format!(r#"{{"meta":{{}},"resources":[],"errors":[{one}]}}"#),
    ] {
        let (acme, log) = falcon(move |_| answer(200, &body));
        let done = acme.client().update_alerts(&ids, &comment).await.unwrap();
        assert_eq!(log.to(alerts::UPDATE.path).len(), 1, "the comments of the others may be there");
        assert_eq!((done.refused.len(), done.unanswered.len()), (1, 2));
        assert_eq!(
            (done.refused[0].id.as_str(), done.refused[0].error.code.as_deref()),
            (ids[1], Some("429"))
        );
    }
    let (acme, log) = falcon(|_| {
        answer(
            200,
            r#"{"meta":{"writes":{"resources_affected":2}},"errors":[{"code":429,"message":"slow"}]}"#,
        )
    });
    let error = acme.client().update_alerts(&ids, &comment).await.unwrap_err();
    assert!(error.is_rate_limited() && error.is_outcome_unknown(), "{error:?}");
    assert_eq!(log.to(alerts::UPDATE.path).len(), 1);
    // What stood before everything is asked again, and so is a read.
    let asked = std::sync::atomic::AtomicU32::new(0);
    let (acme, log) = falcon(move |sent| {
        match (asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed), sent.method.as_str()) {
            (0, _) => answer(200, r#"{"meta":{},"errors":[{"code":429,"message":"slow"}]}"#),
            (_, "PATCH") => answer(200, r#"{"meta":{"writes":{"resources_affected":3}}}"#),
            (2, _) => {
                answer(200, r#"{"resources":null,"errors":[{"code":429,"message":"m","id":"c:ind:a:2"}]}"#)
            }
            _ => page(&[alert(1)], "{}"),
        }
    });
    assert!(acme.client().update_alerts(&ids, &comment).await.unwrap().is_whole());
    assert_eq!(log.to(alerts::UPDATE.path).len(), 2);
    acme.client().alerts_by_id(&ids).await.unwrap();
    assert_eq!(log.to(alerts::ENTITIES.path).len(), 2);
}

#[tokio::test]
async fn tags_are_answered_device_by_device() {
    let (acme, log) = falcon(|sent| {
        let asked = sent.json()["device_ids"].clone();
        answer(
            202,
            &json!({"meta": {}, "resources": [
            {"device_id": asked[0], "updated": true, "code": 202},
            {"device_id": asked[1], "updated": false, "code": 404, "error": "Device not found"}]})
            .to_string(),
        )
    });
    let done = acme
        .client()
        .tag_hosts(&TagAction::Add, &ids(1..4), &["gold", "FalconGroupingTags/silver"])
        .await
        .unwrap();
    assert_eq!(done.done.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [device_id(1)]);
    assert_eq!(done.refused[0].error.message.as_deref(), Some("Device not found"));
    assert_eq!(done.unanswered, [device_id(3)]);
    let sent = &log.to(hosts::TAGS.path)[0];
    assert_eq!(sent.method, "PATCH");
    assert_eq!(sent.json()["tags"], json!(["FalconGroupingTags/gold", "FalconGroupingTags/silver"]));
    assert_eq!(sent.json()["action"], json!("add"));
}

#[tokio::test]
async fn alerts_are_worked_on_with_texts_for_values() {
    let (acme, log) = falcon(|_| answer(200, r#"{"meta":{"writes":{"resources_affected":2}}}"#));
    let steps = [
        AlertStep::SetStatus(AlertStatus::InProgress),
        AlertStep::ShowInUi(false),
        AlertStep::AddTag("true_positive".to_owned()),
        AlertStep::Unassign,
    ];
    let done = acme.client().update_alerts(&["c:ind:a:1", "c:ind:a:2"], &steps).await.unwrap();
    assert!(done.is_whole());
    assert_eq!(done.done.len(), 2);
    let sent = &log.to(alerts::UPDATE.path)[0];
    assert_eq!((sent.method.as_str(), sent.get("include_hidden")), ("PATCH", Some("true")));
    assert_eq!(
        sent.json(),
        json!({"composite_ids": ["c:ind:a:1", "c:ind:a:2"], "action_parameters": [
            {"name": "update_status", "value": "in_progress"}, {"name": "show_in_ui", "value": "false"},
            {"name": "add_tag", "value": "true_positive"}, {"name": "unassign", "value": ""}]})
    );
    assert!(acme.client().update_alerts(&["c:ind:a:1"], &[]).await.is_err());
}

#[tokio::test]
async fn counts_are_asked_for_as_a_list() {
    let (acme, log) = falcon(|_| {
        ok(&json!({"meta": {}, "resources": [{"name": "by", "buckets": [
            {"label": "High", "count": 3}, {"label": 7, "count": 1, "sub_aggregates": [{"name": "x"}]}]}]}))
    });
    let mut by_day = AggregateSpec::new("by", AggregateKind::Terms, "severity_name");
    by_day.size = Some(5);
    let reply = acme.client().alert_counts(&[by_day]).await.unwrap();
    assert_eq!(reply.resources[0].buckets[0].count, Some(3));
    assert_eq!(reply.resources[0].buckets[1].label.as_deref(), Some("7"));
    assert_eq!(
        log.to(alerts::AGGREGATES.path)[0].json(),
        json!([{"field": "severity_name", "name": "by", "size": 5, "type": "terms"}])
    );
    let bad = AggregateSpec::new("when", AggregateKind::DateHistogram, "timestamp");
    assert_eq!(acme.client().alert_counts(&[bad]).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[tokio::test(start_paused = true)]
async fn anything_can_be_sent_and_only_reads_are_sent_again() {
    let (acme, log) = falcon(|sent| match (sent.method.as_str(), sent.path.as_str()) {
        ("GET", "/new/queries/things/v1") => counted(sent, 5, 2),
        _ => answer(503, r#"{"meta":{},"errors":[{"code":503,"message":"later"}]}"#),
    });
    let pages = acme.client().list(
        "/new/queries/things/v1",
        &[("filter", "a:'b'+c:'d'")],
        Some(Paging::Offset { cap: None }),
        None,
    );
    let (pages, error) = walked(pages).await;
    assert!(error.is_none(), "{error:?}");
    let texts: Vec<_> = rows(&pages).iter().map(|raw| raw.as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, quoted(&ids(0..5)));
    assert_eq!(log.to("/new/queries/things/v1")[0].get("filter"), Some("a:'b'+c:'d'"));

    let client = acme.client();
    client.send(Method::POST, "/new/entities/things/v1", &[], Some("{}".into())).await.unwrap_err();
    assert_eq!(log.to("/new/entities/things/v1").len(), 1);
    let answer = client.send(Method::GET, "/new/queries/things/v1", &[("limit", "1")], None).await.unwrap();
    assert!(answer.body.as_str().unwrap().contains("\"total\":5"));
    client.send(Method::GET, "/gone", &[], None).await.unwrap_err();
    assert!(log.to("/gone").len() > 1, "a read is tried again");
    // A path that is known is sent as what it is.
    let error = client.send(Method::POST, hosts::ACTIONS.path, &[], None).await.unwrap_err();
    assert_eq!(error.operation(), Some("PerformActionV2"));
}
