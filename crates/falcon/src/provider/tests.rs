use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use edr_core::{EdrProviderExt as _, Filter, Outcome, Platform, Query as _, Sort};
use edr_http::{MemoryTransport, TransportError, TransportErrorKind};
use futures_util::StreamExt as _;

use super::*;
use crate::testing::{
    Answer, Sent, alert, composite_id, device, device_id, falcon, ids_of, json, no_route, page, with_header,
};

const HOSTS: &str = "/devices/combined/devices/v1";
const SCROLL: &str = "/devices/queries/devices-scroll/v1";
const DEVICES: &str = "/devices/entities/devices/v2";
const ONLINE: &str = "/devices/entities/online-state/v1";
const ALERTS: &str = "/alerts/combined/alerts/v1";
const ALERT_IDS: &str = "/alerts/queries/alerts/v2";
const ALERT_ENTITIES: &str = "/alerts/entities/alerts/v2";

fn numbers(range: std::ops::Range<u64>, item: fn(u64) -> String) -> Vec<String> {
    range.map(item).collect()
}

/// Whole devices in pages of the limit asked for, by a `next` that is the place.
fn listing(sent: &Sent, total: u64) -> Answer {
    let limit: u64 = sent.get("limit").unwrap().parse().unwrap();
    let from: u64 = sent.get("offset").map_or(0, |o| o.trim_start_matches('n').parse().unwrap());
    let to = (from + limit).min(total);
    let next = if to < total { format!("n{to}") } else { String::new() };
    page(&numbers(from..to, device), &format!(r#"{{"total":{total},"next":"{next}","offset":0}}"#))
}

fn filter(noun: Noun, text: &str, falcon: &Falcon) -> Filter {
    Filter::parse(noun, text, falcon.context().now).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_walk_reads_every_page() {
    let (falcon, log) = falcon(|sent| listing(sent, 25));
    let all = falcon.collect_hosts(&HostQuery::new().page_size(10)).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete(), all.warnings.len()), (25, true, 0));
    let sent = log.to(HOSTS);
    assert_eq!(sent.len(), 3);
    assert_eq!(
        (sent[0].get("sort"), sent[0].get("limit"), sent[0].get("offset")),
        (Some("device_id.asc"), Some("10"), None)
    );
    assert_eq!((sent[2].get("offset"), sent[2].get("filter")), (Some("n20"), None));
    assert_eq!(all.items[7].tenant_uid, Some("c".repeat(32)));
    assert_eq!(all.items[7].raw.as_str().unwrap(), device(7));
}

#[tokio::test(start_paused = true)]
async fn filters_sort_and_selection_are_sent_and_every_item_is_checked() {
    let (falcon, log) = falcon(|sent| listing(sent, 4));
    let query = HostQuery::new().hostname("PC-2").platform(Platform::Unknown).fields(["hostname"]);
    let sorted =
        query.clone().sort_by(Sort { field: Noun::Host.field("last_seen").unwrap(), descending: true });
    let found = falcon.hosts(&sorted, None).await.unwrap();
    assert_eq!((found.items.len(), found.filtered_out.len(), found.end.total), (1, 3, Some(4)));
    let sent = &log.to(HOSTS)[0];
    assert_eq!((sent.get("filter"), sent.get("sort")), (Some("hostname:'PC-2'"), Some("last_seen.desc")));
    let fields = sent.get("fields").unwrap();
    assert!(fields.starts_with("device_id,cid,") && fields.contains("platform_name"), "{fields}");
}

#[tokio::test(start_paused = true)]
async fn another_order_is_refused_before_the_wire() {
    let (falcon, log) = falcon(|_| json(200, "{}"));
    let by = |noun: Noun, name| Sort { field: noun.field(name).unwrap(), descending: false };
    let hosts = falcon.hosts(&HostQuery::new().sort_by(by(Noun::Host, "domain")), None).await.unwrap_err();
    let alerts = falcon.alerts(&AlertQuery::new().sort_by(by(Noun::Alert, "title")), None).await.unwrap_err();
    for error in [hosts, alerts] {
        assert!(error.is_unsupported() && error.tenant().is_some(), "{error}");
    }
    assert!(log.all().is_empty());
    for noun in [Noun::Host, Noun::Alert] {
        assert!(falcon.capabilities().sorts[&noun].iter().all(|name| noun.field(name).is_some()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_given_out_while_it_arrives() {
    let (falcon, _) = falcon(|_| {
        let (one, two) = (device(1), device(2));
        let pieces = [
            format!(r#"{{"resources":[{one},"#),
            format!("{two}],"),
            r#""meta":{"pagination":{"total":2}}}"#.into(),
        ];
        MemoryTransport::pieces(200, pieces.into_iter().map(|p| Ok(Bytes::from(p))).collect())
    });
    let query = HostQuery::new();
    let parts: Vec<_> = falcon.host_parts(&query, None).map(Result::unwrap).collect().await;
    let shape: Vec<_> = parts.iter().map(|p| (p.items.len(), p.end.is_some())).collect();
    assert_eq!(shape, [(1, false), (1, false), (0, true)]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_breaks_off_is_read_again() {
    let count = AtomicU64::new(0);
    let (falcon, _) = falcon(move |_| {
        let body = format!(r#"{{"resources":[{},{}"#, device(1), device(2));
        let broken = vec![Ok(Bytes::from(body)), Err(TransportError::new(TransportErrorKind::Body))];
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            return MemoryTransport::pieces(200, broken);
        }
        page(&[device(1), device(2)], r#"{"total":2}"#)
    });
    let found = falcon.hosts(&HostQuery::new(), None).await.unwrap();
    assert_eq!(found.items.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bad_item_costs_itself_alone() {
    let bad = [
        r#"{"device_id":{"unexpected":[1,2]},"hostname":false}"#,
        "17",
        "null",
        r#"{"device_id":"x1","hostname":}"#,
    ];
    let (falcon, _) = falcon(move |_| {
        let mut items: Vec<String> = bad.iter().map(|b| (*b).to_owned()).collect();
        items.insert(1, device(1));
        page(&items, r#"{"total":5,"next":""}"#)
    });
    let all = falcon.collect_hosts(&HostQuery::new()).await.unwrap();
    assert_eq!((all.items.len(), all.rejected.len()), (1, 4));
    assert!(matches!(all.outcome, Outcome::Partial { .. }));
    let last = all.rejected.iter().find(|r| r.uid.as_deref() == Some("x1")).unwrap();
    assert!(last.reason.contains("cannot be read") && !last.raw.is_empty(), "{}", last.reason);
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_in_the_middle_does_not_end_the_listing() {
    let (falcon, log) = falcon(|sent| match sent.get("offset") {
        None => page(&numbers(0..2, device), r#"{"total":3,"next":"a"}"#),
        Some("a") => page(&[], r#"{"total":3,"next":"b"}"#),
        _ => page(&numbers(2..3, device), r#"{"total":3,"next":"c"}"#),
    });
    let (first, _) = (falcon.collect_hosts(&HostQuery::new()).await.unwrap(), ());
    assert_eq!((first.items.len(), first.outcome.is_complete()), (3, true));
    assert!(log.to(HOSTS).len() >= 3);
}

#[tokio::test(start_paused = true)]
async fn an_expired_key_begins_the_listing_again() {
    let count = AtomicU64::new(0);
    let (falcon, _) = falcon(move |sent| match sent.get("offset") {
        Some(_) if count.fetch_add(1, Ordering::SeqCst) == 0 => {
            json(400, r#"{"errors":[{"code":400,"message":"Invalid offset supplied: it has expired"}]}"#)
        }
        _ => listing(sent, 15),
    });
    let all = falcon.collect_hosts(&HostQuery::new().page_size(10)).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete()), (15, true));
}

/// A cloud without the combined endpoint: the scroll's key never changes, and entities come in
/// another order. `gone` is listed and not there any more.
fn old_cloud(sent: &Sent, total: u64, gone: u64, asked: &AtomicU64) -> Answer {
    match sent.path.as_str() {
        SCROLL => {
            let limit: u64 = sent.get("limit").unwrap().parse().unwrap();
            let from = if sent.get("offset").is_some() {
                asked.fetch_add(limit, Ordering::SeqCst) + limit
            } else {
                asked.store(0, Ordering::SeqCst);
                0
            };
            let ids =
                numbers(from.min(total)..(from + limit).min(total), |n| format!("\"{}\"", device_id(n)));
            page(
                &ids,
                &format!(
                    r#"{{"total":{total},"offset":"always the same","expires_at":1684860388051871405}}"#
                ),
            )
        }
        DEVICES => {
            let mut wanted = ids_of(sent);
            wanted.reverse();
            let found: Vec<String> = wanted
                .iter()
                .map(|id| u64::from_str_radix(id, 16).unwrap())
                .filter(|n| *n != gone)
                .map(device)
                .collect();
            json(
                200,
                &format!(
                    r#"{{"meta":{{}},"resources":[{}],"errors":[{{"code":404,"message":"gone","id":"x"}}]}}"#,
                    found.join(",")
                ),
            )
        }
        _ => no_route(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_cloud_without_the_combined_endpoint_is_read_by_scroll() {
    let asked = AtomicU64::new(0);
    let (falcon, log) = falcon(move |sent| old_cloud(sent, 25, 999, &asked));
    let all = falcon.collect_hosts(&HostQuery::new().page_size(10)).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete()), (25, true));
    let uids: Vec<_> = all.items.iter().map(|h| h.uid.clone()).collect();
    assert_eq!(uids, numbers(0..25, device_id), "in the order of the ids");
    assert_eq!(all.warnings.len(), 1, "{:?}", all.warnings);
    assert!(all.warnings[0].message.contains("no combined endpoint"));
    assert_eq!((log.to(HOSTS).len(), log.to(SCROLL).len()), (1, 3));
    let again = falcon.collect_hosts(&HostQuery::new().page_size(10)).await.unwrap();
    assert_eq!((again.items.len(), again.warnings.len(), log.to(HOSTS).len()), (25, 0, 1), "remembered");
}

#[tokio::test(start_paused = true)]
async fn what_vanishes_between_ids_and_entities_is_told() {
    let asked = AtomicU64::new(0);
    let (falcon, log) = falcon(move |sent| old_cloud(sent, 1_200, 7, &asked));
    let all = falcon.collect_hosts(&HostQuery::new()).await.unwrap();
    assert_eq!(all.items.len(), 1_199);
    let gone: Vec<_> = all.rejected.iter().map(|r| (r.uid.clone().unwrap(), r.reason.as_str())).collect();
    assert_eq!(gone, [(device_id(7), "listed, but not returned by id")]);
    assert!(matches!(all.outcome, Outcome::Partial { .. }), "{:?}", all.outcome);
    assert_eq!(log.to(DEVICES).iter().map(|s| ids_of(s).len()).collect::<Vec<_>>(), [500, 500, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_the_combined_endpoint_is_stale_where_there_is_none() {
    let served = Arc::new(AtomicU64::new(0));
    let count = served.clone();
    let (falcon, _) = falcon(move |sent| match count.fetch_add(1, Ordering::SeqCst) {
        0 => listing(sent, 25),
        _ => no_route(),
    });
    let query = HostQuery::new().page_size(10);
    let first = falcon.hosts(&query, None).await.unwrap();
    let error = falcon.hosts(&query, first.next()).await.unwrap_err();
    assert!(error.is_cursor_expired(), "{error}");
}

fn online(sent: &Sent) -> Answer {
    let states: Vec<String> = sent
        .query
        .iter()
        .map(|(_, id)| {
            let number = u64::from_str_radix(id, 16).unwrap();
            let state = ["online", "offline", "unknown"][number as usize % 3];
            format!(r#"{{"id":"{id}","cid":"c","state":"{state}"}}"#)
        })
        .collect();
    page(&states, "{}")
}

#[tokio::test(start_paused = true)]
async fn the_connection_state_is_asked_for_a_hundred_at_a_time() {
    let (falcon, log) = falcon(|sent| if sent.path == ONLINE { online(sent) } else { listing(sent, 950) });
    let plain = falcon.hosts(&HostQuery::new(), None).await.unwrap();
    assert!(log.to(ONLINE).is_empty());
    let origin = plain.items[0].origins.iter().find(|o| o.field == "connection_state").unwrap();
    assert_eq!(
        (plain.items[0].connection_state.is_unknown(), origin.provenance.clone()),
        (true, Provenance::Default)
    );
    let known = falcon.hosts(&HostQuery::new().with_connection(), None).await.unwrap();
    assert_eq!(known.items.len(), 950);
    assert_eq!(known.items[3].connection_state, ConnectionState::Online);
    assert_eq!(known.items[4].connection_state, ConnectionState::Offline);
    let asked: Vec<usize> = log.to(ONLINE).iter().map(|s| s.query.len()).collect();
    assert_eq!((asked.len(), asked.iter().sum::<usize>(), asked.iter().max()), (10, 950, Some(&100)));
}

#[tokio::test(start_paused = true)]
async fn only_hosts_that_other_filters_keep_are_asked_for() {
    let (falcon, log) = falcon(|sent| if sent.path == ONLINE { online(sent) } else { listing(sent, 50) });
    let query = HostQuery::new().hostname("PC-3").connection(ConnectionState::Online);
    let found = falcon.hosts(&query, None).await.unwrap();
    assert_eq!((found.items.len(), found.filtered_out.len(), log.to(ONLINE)[0].query.len()), (1, 49, 1));
    assert!(query.matches(&found.items[0]));
}

#[tokio::test(start_paused = true)]
async fn a_failing_connection_call_costs_the_page_only_where_a_filter_needs_it() {
    let (falcon, _) = falcon(|sent| match sent.path.as_str() {
        ONLINE => json(403, r#"{"errors":[{"code":403,"message":"access denied, scope not permitted"}]}"#),
        _ => listing(sent, 3),
    });
    let found = falcon.hosts(&HostQuery::new().with_connection(), None).await.unwrap();
    assert_eq!((found.items.len(), found.warnings.len()), (3, 1));
    assert!(found.items[0].connection_state.is_unknown());
    let error = falcon.hosts(&HostQuery::new().connection(ConnectionState::Online), None).await.unwrap_err();
    assert!(error.is_permission(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_state_is_left_out_is_missing_where_a_filter_would_drop_it() {
    let (falcon, _) = falcon(|sent| match sent.path.as_str() {
        ONLINE => page(&[format!(r#"{{"id":"{:032x}","cid":"c","state":"online"}}"#, 1)], "{}"),
        _ => listing(sent, 3),
    });
    let online = falcon.hosts(&HostQuery::new().connection(ConnectionState::Online), None).await.unwrap();
    assert_eq!((online.items.len(), online.rejected.len()), (1, 2));
    assert!(online.rejected[0].reason.contains("connection state"), "{:?}", online.rejected[0]);
    let unknown = falcon.hosts(&HostQuery::new().connection(ConnectionState::Unknown), None).await.unwrap();
    assert_eq!((unknown.items.len(), unknown.rejected.len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn one_host_is_read_with_its_connection_state() {
    let (falcon, log) = falcon(|sent| match sent.path.as_str() {
        ONLINE => online(sent),
        _ if ids_of(sent)[0] == device_id(3) => page(&[device(3)], "{}"),
        _ => json(200, r#"{"meta":{},"resources":[],"errors":[{"code":404,"message":"no","id":"x"}]}"#),
    });
    let host = falcon.host(&device_id(3)).await.unwrap();
    assert_eq!((host.hostname.as_str(), host.connection_state), ("PC-3", ConnectionState::Online));
    let error = falcon.host(&device_id(4)).await.unwrap_err();
    assert!(error.is_not_found() && error.operation().is_some() && error.tenant().is_some(), "{error}");
    let before = log.all().len();
    for bad in ["", " ", "*", "../x", "0'", &device_id(3)[1..]] {
        assert_eq!(falcon.host(bad).await.unwrap_err().kind(), ErrorKind::InvalidRequest, "{bad}");
    }
    assert_eq!(log.all().len(), before);
}

/// Whole alerts, newest first, by an `after` that is the place.
fn alert_listing(sent: &Sent, total: u64) -> Answer {
    let body: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
    let limit = body["limit"].as_u64().unwrap();
    let from = body.get("after").map_or(0, |a| a.as_str().unwrap().parse().unwrap());
    let to = (from + limit).min(total);
    let items: Vec<String> = (from..to).map(|n| alert(total - 1 - n)).collect();
    let after = if to < total { format!(r#","after":"{to}""#) } else { String::new() };
    page(&items, &format!(r#"{{"total":{total},"limit":{limit}{after}}}"#))
}

#[tokio::test(start_paused = true)]
async fn alerts_are_walked_by_after_newest_first() {
    let (falcon, log) = falcon(|sent| alert_listing(sent, 25));
    let all = falcon.collect_alerts(&AlertQuery::new().page_size(10)).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete()), (25, true));
    assert!(all.items.windows(2).all(|w| w[0].created_time > w[1].created_time));
    let sent = log.to(ALERTS);
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0].body, r#"{"sort":"created_timestamp|desc","limit":10}"#);
    assert!(sent[1].body.ends_with(r#""after":"10"}"#), "{}", sent[1].body);
}

#[tokio::test(start_paused = true)]
async fn one_alert_is_read_by_its_composite_id() {
    let (falcon, log) = falcon(|sent| match ids_of(sent)[0] == composite_id(1) {
        true => page(&[alert(1)], "{}"),
        false => json(200, r#"{"meta":{},"resources":[]}"#),
    });
    assert_eq!(falcon.alert(&composite_id(1)).await.unwrap().uid, composite_id(1));
    assert_eq!(log.to(ALERT_ENTITIES)[0].get("include_hidden"), Some("true"));
    assert!(falcon.alert(&composite_id(2)).await.unwrap_err().is_not_found());
    assert_eq!(falcon.alert("a'b").await.unwrap_err().kind(), ErrorKind::InvalidRequest);
}

/// A cloud without the combined endpoint: ids by offset up to 10,000, entities in another order.
fn old_alerts(sent: &Sent, total: u64) -> Answer {
    match sent.path.as_str() {
        ALERT_IDS => {
            let number = |key: &str| sent.get(key).unwrap().parse::<u64>().unwrap();
            let (limit, offset) = (number("limit"), number("offset"));
            assert!(limit + offset < 10_000, "offset {offset} and limit {limit}");
            let bound =
                sent.get("filter").and_then(|f| f.split_once("created_timestamp:<='")).map(|(_, t)| {
                    chrono::DateTime::parse_from_rfc3339(t.trim_end_matches('\'')).unwrap().timestamp()
                        - 1_767_225_600
                });
            // An alert of second n exists 5 ns after it, so the second of the bound is left out.
            let visible = bound.map_or(total, |b| total.min(u64::try_from(b).unwrap()));
            let to = (offset + limit).min(visible);
            let ids =
                (offset..to).map(|n| format!("\"{}\"", composite_id(visible - 1 - n))).collect::<Vec<_>>();
            page(&ids, &format!(r#"{{"offset":{offset},"limit":{limit},"total":{visible}}}"#))
        }
        ALERT_ENTITIES => {
            let mut wanted = ids_of(sent);
            assert!(wanted.len() <= 1000);
            wanted.sort();
            let number =
                |id: &String| id.rsplit(':').next().unwrap().split('-').next().unwrap().parse().unwrap();
            page(&wanted.iter().map(|id| alert(number(id))).collect::<Vec<_>>(), "{}")
        }
        _ => no_route(),
    }
}

#[tokio::test(start_paused = true)]
async fn alerts_beyond_ten_thousand_are_read_in_slices_of_time() {
    let (falcon, log) = falcon(|sent| old_alerts(sent, 23_456));
    let all = falcon.collect_alerts(&AlertQuery::new()).await.unwrap();
    assert!(all.outcome.is_complete(), "{:?}", all.outcome);
    assert_eq!(all.items.len(), 23_456);
    assert!(all.items.windows(2).all(|w| w[0].created_time > w[1].created_time), "in the order of the ids");
    assert_eq!(all.warnings.len(), 1);
    assert_eq!(log.to(ALERTS).len(), 1);
    assert_eq!(log.to(ALERT_IDS)[0].get("include_hidden"), Some("true"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sliced_is_partial_and_says_so() {
    let (falcon, _) = falcon(|sent| old_alerts(sent, 12_000));
    let by = Sort { field: Noun::Alert.field("severity").unwrap(), descending: true };
    let all = falcon.collect_alerts(&AlertQuery::new().sort_by(by)).await.unwrap();
    assert_eq!(all.items.len(), 9_999);
    let summary = all.outcome.summary();
    assert!(
        matches!(all.outcome, Outcome::Partial { .. }) && summary.contains("2001 items are missing"),
        "{summary}"
    );
    assert!(summary.contains("10,000"), "{summary}");
}

#[tokio::test(start_paused = true)]
async fn an_announced_retirement_is_told_once() {
    let (falcon, _) = falcon(|sent| with_header(listing(sent, 25), "x-api-deprecation", "gone by 2027"));
    let all = falcon.collect_hosts(&HostQuery::new().page_size(10)).await.unwrap();
    assert_eq!(all.warnings.len(), 1);
    assert!(all.warnings[0].message.contains("gone by 2027"), "{:?}", all.warnings);
}

fn no_alerts() -> Answer {
    page(&[], r#"{"total":0}"#)
}

#[tokio::test(start_paused = true)]
async fn a_check_tells_cloud_customer_and_size() {
    let (falcon, log) = falcon(|sent| if sent.path == ALERTS { no_alerts() } else { listing(sent, 12) });
    let check = falcon.check().await.unwrap();
    assert_eq!(check.tenant_uid, Some("c".repeat(32)));
    let found: Vec<_> = check.findings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(found[0], ("cloud", "us-1 (api.crowdstrike.com)"));
    assert!(found.contains(&("hosts", "12")), "{found:?}");
    assert_eq!(log.to(HOSTS)[0].get("limit"), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_check_of_an_old_cloud_tells_the_same() {
    let asked = AtomicU64::new(0);
    let (falcon, log) =
        falcon(move |sent| if sent.path == ALERTS { no_alerts() } else { old_cloud(sent, 7, 999, &asked) });
    for _ in 0..2 {
        assert_eq!(falcon.check().await.unwrap().tenant_uid, Some("c".repeat(32)));
    }
    assert_eq!(log.to(HOSTS).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_serves_its_own_query_alone() {
    let (falcon, _) = falcon(|sent| listing(sent, 25));
    let query = HostQuery::new().page_size(10);
    let first = falcon.hosts(&query, None).await.unwrap();
    let kept = Cursor::from(first.next().unwrap().to_string());
    assert_eq!(falcon.hosts(&query, Some(&kept)).await.unwrap().items[0].uid, device_id(10));
    let other = query.clone().filter(filter(Noun::Host, "hostname != x", &falcon));
    for error in [
        falcon.hosts(&other, Some(&kept)).await.unwrap_err(),
        falcon.alerts(&AlertQuery::new(), Some(&kept)).await.unwrap_err(),
        falcon.hosts(&query, Some(&Cursor::from("rubbish".to_owned()))).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert_eq!(error.tenant().map(TenantId::as_str), Some("acme"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_falcons_is_an_error_and_no_empty_listing() {
    for body in ["", "[]", "true", "<html>", r#"{"resources":[{"#] {
        let (falcon, _) = falcon(move |_| json(200, body));
        let error = falcon.hosts(&HostQuery::new(), None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_native_client_speaks_falcons_types() {
    let (falcon, log) = falcon(|sent| match sent.path.as_str() {
        ONLINE => online(sent),
        DEVICES => page(&[device(1)], "{}"),
        ALERTS => page(&[alert(1), "17".to_owned()], r#"{"total":2,"after":"k"}"#),
        ALERT_IDS => page(&[format!("\"{}\"", composite_id(1))], r#"{"total":1}"#),
        ALERT_ENTITIES => page(&[alert(1)], "{}"),
        SCROLL => page(&[format!("\"{}\"", device_id(1))], r#"{"total":1,"offset":"o"}"#),
        _ => listing(sent, 5),
    });
    let client = falcon.client();
    let params = api::hosts::HostsParams { limit: Some(2), ..Default::default() };
    let hosts = client.hosts(&params).await.unwrap();
    assert_eq!((hosts.resources.len(), hosts.pagination().next.as_deref()), (2, Some("n2")));
    assert_eq!(client.host_ids(&params).await.unwrap().resources, [device_id(1)]);
    assert_eq!(client.hosts_by_id(&[device_id(1)]).await.unwrap().found.len(), 1);
    let ids: Vec<String> = (0..250).map(device_id).collect();
    assert_eq!(client.online_state(&ids).await.unwrap().len(), 250);
    assert_eq!(log.to(ONLINE).len(), 3);
    let alerts = client.alerts(&Default::default()).await.unwrap();
    assert_eq!((alerts.resources.len(), alerts.undecoded.len()), (1, 1));
    assert_eq!(client.alert_ids(&Default::default()).await.unwrap().resources, [composite_id(1)]);
    assert_eq!(client.alerts_by_id(&[composite_id(1)]).await.unwrap().found.len(), 1);
    let far = api::alerts::AlertsParams { offset: 9_950, ..Default::default() };
    assert_eq!(client.alert_ids(&far).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn a_page_without_an_end_is_no_page() {
    let part = |end| Ok(Part::<Host> { end, ..Part::default() });
    let some = futures_util::stream::iter([part(None)]).boxed();
    assert_eq!(gather(some).await.unwrap_err().kind(), ErrorKind::Decode);
    let whole = futures_util::stream::iter([part(None), part(Some(edr_core::PageEnd::default()))]).boxed();
    assert!(gather(whole).await.is_ok());
}
