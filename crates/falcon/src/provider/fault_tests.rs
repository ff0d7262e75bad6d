//! Answers that are not what they seem: empty ones, errors beside items, listings that shift.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edr_core::{Collected, Drift, EdrProviderExt as _, Outcome, RetryStatus, Sort, VulnerabilityQuery};

use super::*;
use crate::testing::{Answer, alert, composite_id, device, device_id, falcon, ids_of, json, no_route, page};

const SCROLL: &str = "/devices/queries/devices-scroll/v1";
const ONLINE: &str = "/devices/entities/online-state/v1";
const HOSTS: &str = "/devices/combined/devices/v1";
const DEVICES: &str = "/devices/entities/devices/v2";
const ALERTS: &str = "/alerts/combined/alerts/v1";
const ALERT_IDS: &str = "/alerts/queries/alerts/v2";
const ALERT_ENTITIES: &str = "/alerts/entities/alerts/v2";

const HALF: &str = r#"[{"code":500,"message":"a part failed"}]"#;
const GONE: &str = r#"[{"code":404,"message":"index gone"}]"#;

fn with_errors(resources: &str, errors: &str) -> Answer {
    let body =
        format!(r#"{{"meta":{{"pagination":{{"total":1}}}},"resources":[{resources}],"errors":{errors}}}"#);
    json(200, &body)
}

fn quoted(id: &str) -> String {
    format!("\"{id}\"")
}

fn is_partial<T>(all: &Collected<T>) -> bool {
    matches!(all.outcome, Outcome::Partial { .. })
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_no_listing_proves_no_empty_one() {
    for body in [
        "{}",
        r#"{"ok":true}"#,
        r#"{"data":[]}"#,
        r#"{"meta":{},"resources":"x"}"#,
        r#"{"meta":{},"resources":{"a":{}}}"#,
        r#"{"meta":{"pagination":{"total":4}}}"#,
        r#"{"resources":[]}"#,
    ] {
        for old in [false, true] {
            let (falcon, _) = falcon(move |sent| match sent.path.as_str() {
                HOSTS | ALERTS if old => no_route(),
                _ => json(200, body),
            });
            let hosts = falcon.collect_hosts(&HostQuery::new()).await.unwrap_err();
            let alerts = falcon.collect_alerts(&AlertQuery::new()).await.unwrap_err();
            assert_eq!((hosts.kind(), alerts.kind()), (ErrorKind::Decode, ErrorKind::Decode), "{body}");
            assert!(falcon.check().await.is_err(), "{body}");
        }
    }
    for body in [
        r#"{"meta":{},"resources":null}"#,
        r#"{"meta":{"pagination":{"total":0}},"resources":[]}"#,
        r#"{"meta":{"pagination":{"total":0}}}"#,
    ] {
        let (falcon, _) = falcon(move |_| json(200, body));
        assert!(falcon.collect_hosts(&HostQuery::new()).await.unwrap().outcome.is_complete(), "{body}");
        assert!(falcon.collect_alerts(&AlertQuery::new()).await.unwrap().outcome.is_complete(), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entity_reply_without_entities_is_no_answer() {
    let (falcon, _) = falcon(|sent| match sent.path.as_str() {
        SCROLL => page(&[quoted(&device_id(1))], r#"{"total":1,"offset":"o"}"#),
        ALERT_IDS => page(&[quoted(&composite_id(1))], r#"{"total":1}"#),
        DEVICES | ALERT_ENTITIES => json(200, r#"{"meta":{}}"#),
        _ => no_route(),
    });
    for error in [
        falcon.host(&device_id(1)).await.unwrap_err(),
        falcon.hosts(&HostQuery::new(), None).await.unwrap_err(),
        falcon.alerts(&AlertQuery::new(), None).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    }
}

/// A cloud of ids and entities with two of each, of which the first is there. `answer` is what comes
/// after it.
fn two_and_one(errors: &'static str) -> Falcon {
    let (falcon, _) = falcon(move |sent| match sent.path.as_str() {
        SCROLL => page(&[quoted(&device_id(1)), quoted(&device_id(2))], r#"{"total":2,"offset":"o"}"#),
        ALERT_IDS => page(&[quoted(&composite_id(1)), quoted(&composite_id(2))], r#"{"total":2}"#),
        DEVICES => with_errors(&device(1), errors),
        ALERT_ENTITIES => with_errors(&alert(1), errors),
        _ => no_route(),
    });
    falcon
}

#[tokio::test(start_paused = true)]
async fn what_was_listed_and_did_not_come_is_named() {
    let falcon = two_and_one("[]");
    let hosts = falcon.collect_hosts(&HostQuery::new()).await.unwrap();
    let alerts = falcon.collect_alerts(&AlertQuery::new()).await.unwrap();
    assert_eq!((hosts.items.len(), alerts.items.len()), (1, 1));
    assert!(is_partial(&hosts) && is_partial(&alerts), "{:?} {:?}", hosts.outcome, alerts.outcome);
    for (rejected, id) in [(hosts.rejected, device_id(2)), (alerts.rejected, composite_id(2))] {
        assert_eq!(rejected.len(), 1);
        assert_eq!(rejected[0].uid, Some(id));
        assert_eq!(rejected[0].reason, "listed, but not returned by id");
        assert!(rejected[0].raw.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn errors_beside_entities_cost_no_entity_and_are_told() {
    for errors in [HALF, GONE] {
        let falcon = two_and_one(errors);
        let hosts = falcon.collect_hosts(&HostQuery::new()).await.unwrap();
        let alerts = falcon.collect_alerts(&AlertQuery::new()).await.unwrap();
        assert_eq!((hosts.items.len(), alerts.items.len()), (1, 1), "{errors}");
        for rejected in [&hosts.rejected, &alerts.rejected] {
            assert_eq!(rejected.iter().filter(|r| r.uid.is_none()).count(), 1, "{rejected:?}");
            assert_eq!(rejected.len(), 2);
        }
        assert!(hosts.warnings.iter().any(|w| w.message.contains("may be missing")), "{:?}", hosts.warnings);
    }
    let id = device_id(2);
    let about = format!(r#"[{{"code":500,"message":"a part failed","id":"{id}"}}]"#);
    let hosts = two_and_one(about.leak()).collect_hosts(&HostQuery::new()).await.unwrap();
    assert_eq!(hosts.rejected.len(), 1, "{:?}", hosts.rejected);
    assert_eq!(hosts.rejected[0].reason, "listed, but not returned by id: 500: a part failed");
}

#[tokio::test(start_paused = true)]
async fn errors_beside_a_listing_cost_no_item_and_are_told() {
    for errors in [HALF, GONE] {
        let (falcon, log) = falcon(move |sent| match sent.path.as_str() {
            HOSTS => with_errors(&device(1), errors),
            _ => with_errors(&alert(1), errors),
        });
        let hosts = falcon.collect_hosts(&HostQuery::new()).await.unwrap();
        let alerts = falcon.collect_alerts(&AlertQuery::new()).await.unwrap();
        assert_eq!((hosts.items.len(), alerts.items.len()), (1, 1), "{errors}");
        assert!(is_partial(&hosts) && is_partial(&alerts));
        assert_eq!((hosts.rejected.len(), hosts.warnings.len()), (1, 1));
        assert_eq!((log.to(HOSTS).len(), log.to(ALERTS).len()), (1, 1), "not asked for again");
    }
}

#[tokio::test(start_paused = true)]
async fn errors_in_place_of_items_are_the_error() {
    for (errors, kind, retry, asked) in [
        (HALF, ErrorKind::Vendor, RetryStatus::Persistent, 5),
        (GONE, ErrorKind::NotFound, RetryStatus::Permanent, 1),
    ] {
        let (falcon, log) = falcon(move |_| with_errors("", errors));
        let hosts = falcon.collect_hosts(&HostQuery::new()).await.unwrap_err();
        let alerts = falcon.collect_alerts(&AlertQuery::new()).await.unwrap_err();
        for error in [hosts, alerts] {
            assert_eq!((error.kind(), error.retry_status()), (kind, retry), "{error}");
            assert!(error.operation().is_some() && error.tenant().is_some());
        }
        assert_eq!(log.to(HOSTS).len(), asked, "it is asked again where that may help");
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_404_of_http_means_that_all_entities_are_gone() {
    for (status, is_error) in [(200, true), (404, false)] {
        let (falcon, _) = falcon(move |sent| match sent.path.as_str() {
            ALERT_IDS => page(&[quoted(&composite_id(1))], r#"{"total":1}"#),
            ALERT_ENTITIES => json(status, &format!(r#"{{"meta":{{}},"resources":[],"errors":{GONE}}}"#)),
            _ => no_route(),
        });
        match falcon.alerts(&AlertQuery::new(), None).await {
            Err(error) => assert!(is_error && error.is_not_found(), "{error}"),
            Ok(page) => assert_eq!((is_error, page.rejected.len()), (false, 1)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_host_is_not_gone_because_a_part_failed() {
    let (falcon, _) = falcon(|sent| match sent.path.as_str() {
        DEVICES => with_errors(&device(9), HALF),
        _ => with_errors(r#"{"id":"x","state":"online"}"#, HALF),
    });
    let error = falcon.host(&device_id(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Vendor, "{error}");
    let error = falcon.client().online_state(&[device_id(1)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Vendor, "{error}");
}

/// A cloud of ids and entities with 12,000 alerts, which are read in two slices. `strike` changes what stands in
/// the second one, by the offset. The first one may have no count.
fn sliced(counted: bool, strike: impl Fn(u64, &mut Vec<u64>) + Send + Sync + 'static) -> Falcon {
    let (falcon, _) = falcon(move |sent| match sent.path.as_str() {
        ALERT_IDS => {
            let number = |key: &str| sent.get(key).unwrap().parse::<u64>().unwrap();
            let (limit, offset) = (number("limit"), number("offset"));
            let sliced = sent.get("filter").is_some();
            let mut numbers: Vec<u64> = (0..12_000).rev().collect();
            if sliced {
                numbers.drain(..9_000);
                strike(offset, &mut numbers);
            }
            let total = numbers.len();
            let told = if counted || sliced { format!(r#"{{"total":{total}}}"#) } else { "{}".to_owned() };
            let ids: Vec<String> = numbers
                .into_iter()
                .skip(usize::try_from(offset).unwrap())
                .take(usize::try_from(limit).unwrap())
                .map(|n| quoted(&composite_id(n)))
                .collect();
            page(&ids, &told)
        }
        ALERT_ENTITIES => {
            let number = |id: &String| id.rsplit(':').next()?.split('-').next()?.parse().ok();
            page(&ids_of(sent).iter().filter_map(number).map(alert).collect::<Vec<_>>(), "{}")
        }
        _ => no_route(),
    });
    falcon
}

#[tokio::test(start_paused = true)]
async fn a_slice_that_shrinks_is_read_again() {
    // The second page of the listing's second slice sees one row less, once: one of those that were read already has
    // gone, and the others move up by one.
    let shrunk = Arc::new(AtomicU64::new(0));
    let flag = shrunk.clone();
    let falcon = sliced(true, move |offset, numbers| {
        if offset > 0 && flag.fetch_add(1, Ordering::SeqCst) == 0 {
            numbers.remove(0);
        }
    });
    let all = falcon.collect_alerts(&AlertQuery::new()).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete()), (12_000, true), "{:?}", all.outcome);
    assert!(all.warnings.iter().any(|w| w.message.contains("shifted")), "{:?}", all.warnings);
    assert!(shrunk.load(Ordering::SeqCst) > 1);
}

#[tokio::test(start_paused = true)]
async fn a_slice_without_the_row_at_its_edge_is_no_end() {
    for counted in [true, false] {
        let struck = AtomicU64::new(0);
        let falcon = sliced(counted, move |offset, numbers| {
            if offset == 0 && struck.fetch_add(1, Ordering::SeqCst) == 0 {
                numbers.clear();
            }
        });
        let all = falcon.collect_alerts(&AlertQuery::new()).await.unwrap();
        assert_eq!((all.items.len(), all.outcome.is_complete()), (12_000, true), "{:?}", all.outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn ids_that_were_counted_and_do_not_come_are_missed() {
    // The vendor may have capped the count, and tells none with the empty page.
    let (falcon, _) = falcon(|sent| match sent.path.as_str() {
        ALERT_IDS if sent.get("offset") == Some("1") => page(&[], "{}"),
        ALERT_IDS => page(&[quoted(&composite_id(1))], r#"{"total":10000}"#),
        ALERT_ENTITIES => page(&[alert(1)], "{}"),
        _ => no_route(),
    });
    let all = falcon.collect_alerts(&AlertQuery::new()).await.unwrap();
    assert!(is_partial(&all), "{:?}", all.outcome);
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_that_counts_nothing_is_no_end() {
    // The second is what the vendor may have capped, so it is not known to be the count.
    for (total, missing) in [(12_345, Some(12_344)), (10_000, None)] {
        for stumbles in [1, u64::MAX] {
            let asked = AtomicU64::new(0);
            let (falcon, log) = falcon(move |sent| {
                let after = sent.json()["after"].as_str().is_some();
                match asked.fetch_add(u64::from(after), Ordering::SeqCst) {
                    _ if !after => page(&[alert(0)], &format!(r#"{{"total":{total},"after":"k"}}"#)),
                    n if n < stumbles => page(&[], r#"{"total":0}"#),
                    _ => page(&(1..total).map(alert).collect::<Vec<_>>(), &format!(r#"{{"total":{total}}}"#)),
                }
            });
            let all = falcon.collect_alerts(&AlertQuery::new()).await.unwrap();
            match &all.outcome {
                Outcome::Complete => assert_eq!((all.items.len() as u64, stumbles), (total, 1)),
                Outcome::Partial { gaps, .. } => {
                    assert_eq!((all.items.len(), gaps[0].missing, stumbles), (1, missing, u64::MAX));
                    assert_eq!(log.to(ALERTS).len(), 6, "two pages in each of three passes");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

const FINDINGS: &str = "/spotlight/combined/vulnerabilities/v1";

fn finding(number: u64) -> String {
    format!(r#"{{"id":"{}_{number:032x}","aid":"{}"}}"#, device_id(1), device_id(1))
}

#[tokio::test(start_paused = true)]
async fn findings_end_with_their_key_and_not_with_their_count() {
    // The first changes meanwhile, and is met again at the end of the order. A page in between is empty.
    let (falcon, log) = falcon(|sent| match sent.get("after") {
        None => page(&[finding(1), finding(2)], r#"{"total":3,"after":"k1"}"#),
        Some("k1") => page(&[finding(1)], r#"{"total":3,"after":"k2"}"#),
        Some("k2") => page(&[], r#"{"total":3,"after":"k3"}"#),
        _ => page(&[finding(3)], r#"{"total":3,"after":""}"#),
    });
    let all = falcon.collect(&VulnerabilityQuery::new()).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete()), (3, true), "{:?}", all.outcome);
    assert_eq!(log.to(FINDINGS).len(), 4, "{:?}", all.warnings);
}

#[tokio::test(start_paused = true)]
async fn pages_stand_still_only_in_an_order_by_a_time_that_does() {
    let (falcon, _) = falcon(|_| page(&[alert(1)], r#"{"total":2,"after":"k"}"#));
    for (field, drift) in [
        ("created_time", Drift::None),
        ("time", Drift::None),
        ("modified_time", Drift::Unknown),
        ("severity", Drift::Unknown),
    ] {
        let by = Sort { field: Noun::Alert.field(field).unwrap(), descending: true };
        let page = falcon.alerts(&AlertQuery::new().sort_by(by), None).await.unwrap();
        assert_eq!(page.drift, drift, "{field}");
    }
    assert_eq!(falcon.alerts(&AlertQuery::new(), None).await.unwrap().drift, Drift::None);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_key_is_seen_at_once() {
    let (falcon, log) = falcon(|sent| match sent.path.as_str() {
        HOSTS => page(&[device(1)], r#"{"total":3,"next":"same"}"#),
        ONLINE => no_route(),
        FINDINGS => page(&[finding(1)], r#"{"total":3,"after":"same"}"#),
        _ => page(&[alert(1)], r#"{"total":3,"after":"same"}"#),
    });
    let hosts = falcon.collect_hosts(&HostQuery::new()).await.unwrap();
    let alerts = falcon.collect_alerts(&AlertQuery::new()).await.unwrap();
    let findings = falcon.collect(&VulnerabilityQuery::new()).await.unwrap();
    for summary in [hosts.outcome.summary(), alerts.outcome.summary(), findings.outcome.summary()] {
        assert!(summary.contains("repeated a page key"), "{summary}");
    }
    for path in [HOSTS, ALERTS, FINDINGS] {
        assert_eq!(log.to(path).len(), 6, "two pages in each of three passes");
    }
}
