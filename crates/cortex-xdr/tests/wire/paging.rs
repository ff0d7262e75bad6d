//! Listings: windows, gaps between them, caps, and what cannot be decoded.

use crate::common::{Seen, alert, alerts, builder, error, host, hosts, missing, now, ok, tenant};
use cortex_xdr::{AlertsPath, Generation, Order, PageRequest};
use edr_core::{
    AlertQuery, Cursor, EdrProvider as _, EdrProviderExt as _, ErrorKind, Filter, HostQuery, Noun, Outcome,
    Platform, Query as _, Sort, TenantId,
};
use edr_http::MemoryTransport;
use serde_json::{Value, json};

fn served(seen: &Seen, total: u64) -> crate::common::Answer {
    let (from, to) = seen.window();
    hosts(from.min(total)..to.min(total), total)
}

#[tokio::test(start_paused = true)]
async fn hosts_come_in_windows_of_a_hundred_oldest_first() {
    let (cortex, log) = tenant(|seen| served(seen, 250));
    let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete()), (250, true));
    let windows: Vec<_> = log.all().iter().map(Seen::window).collect();
    // Each begins with the item that the one before ended with, by which a shift is noticed.
    assert_eq!(windows, [(0, 100), (99, 199), (198, 298)]);
    assert_eq!(log.all()[0].data["sort"], json!({"field": "first_seen", "keyword": "ASC"}));
    assert_eq!(log.all()[0].data.get("filters"), None);
}

#[tokio::test(start_paused = true)]
async fn an_empty_or_short_window_before_the_total_is_passed_over() {
    for (at, left) in [(99, 0), (99, 30), (0, 0)] {
        let first = std::sync::atomic::AtomicBool::new(true);
        let (cortex, _) = tenant(move |seen| {
            let (from, to) = seen.window();
            if from == at && first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                return hosts(from..from + left, 250);
            }
            hosts(from.min(250)..to.min(250), 250)
        });
        let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
        assert_eq!(
            (all.items.len(), all.outcome.is_complete()),
            (250, true),
            "{at} {left}: {:?}",
            all.warnings
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_leaves_while_another_joins_hides_nobody() {
    // After the first window host 5 is gone and host 250 is new: the count stays what it was.
    let asked = std::sync::atomic::AtomicU64::new(0);
    let (cortex, log) = tenant(move |seen| {
        let later = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0;
        let all: Vec<u64> = (0..250).filter(|n| !later || *n != 5).chain(later.then_some(250)).collect();
        let (from, to) = seen.window();
        let list: Vec<_> =
            all.iter().skip(from as usize).take((to - from) as usize).map(|n| host(*n)).collect();
        ok(&json!({"reply": {"total_count": all.len(), "endpoints": list}}))
    });
    let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
    assert!(all.outcome.is_complete(), "{}", all.outcome.summary());
    assert_eq!((all.items.len(), log.len() > 3), (251, true));
}

#[tokio::test(start_paused = true)]
async fn a_shift_that_one_window_alone_saw_loses_nobody() {
    // Windows are asked for ahead, so the last may be answered while the listing stood elsewhere than for the one before.
    // A host that has joined in front of the last window takes nobody out of it: there is no need to read again.
    for (struck, shift, requests) in [(99, 1, 6), (198, 1, 3), (99, -3, 6), (198, -3, 6)] {
        let still = std::sync::atomic::AtomicBool::new(true);
        let (cortex, log) = tenant(move |seen| {
            let (from, to) = seen.window();
            let moves = from == struck && still.swap(false, std::sync::atomic::Ordering::SeqCst);
            let by: i64 = if moves { shift } else { 0 };
            let at = |place: u64| place.saturating_add_signed(-by).min(250);
            hosts(at(from)..at(to), 250_u64.saturating_add_signed(by))
        });
        let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
        let uids: std::collections::BTreeSet<_> = all.items.iter().map(|host| host.uid.as_str()).collect();
        assert_eq!(
            (uids.len(), all.items.len(), all.outcome.is_complete(), log.len()),
            (250, 250, true, requests),
            "{struck} {shift}: {:?}",
            all.warnings
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_total_is_never_a_loop_bound() {
    // The vendor counts 100 and holds 130: the full window leads on.
    let (cortex, _) = tenant(|seen| {
        let (from, to) = seen.window();
        hosts(from.min(130)..to.min(130), 100)
    });
    let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete()), (130, true));
    // Without a total a short window ends the listing.
    let (cortex, log) = tenant(|seen| {
        let (from, to) = seen.window();
        hosts(from.min(120)..to.min(120), Value::Null)
    });
    let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
    assert_eq!((all.items.len(), log.len()), (120, 2));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_arrive_is_told() {
    let (cortex, _) = tenant(|seen| {
        let (from, to) = seen.window();
        hosts(from.min(90)..to.min(90), 150)
    });
    let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
    let Outcome::Partial { gaps, .. } = &all.outcome else { panic!("{}", all.outcome.summary()) };
    assert_eq!((all.items.len(), gaps[0].missing), (90, Some(60)));
}

#[tokio::test(start_paused = true)]
async fn a_null_list_is_an_empty_page_and_another_form_is_none() {
    let (cortex, _) =
        tenant(|_| ok(&json!({"reply": {"total_count": 0, "result_count": 0, "endpoints": null}})));
    let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
    assert!(all.items.is_empty() && all.outcome.is_complete());
    for strange in
        ["true", "{}", r#"{"reply":true}"#, r#"{"reply":{"total_count":5}}"#, "<html>hello</html>", ""]
    {
        let (cortex, _) = tenant(move |_| MemoryTransport::json(200, strange));
        let error = cortex.hosts(&HostQuery::new(), None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{strange}: {error}");
        assert_eq!(error.tenant().unwrap().as_str(), "acme");
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_cannot_be_decoded_costs_itself() {
    let (cortex, _) = tenant(|_| {
        let list =
            json!([host(1), {"endpoint_id": {"broken": 2}}, {"agent_id": "x3", "host_name": "light"}, 7]);
        ok(&json!({"reply": {"total_count": 4, "endpoints": list}}))
    });
    let page = cortex.hosts(&HostQuery::new(), None).await.unwrap();
    assert_eq!((page.items.len(), page.rejected.len()), (2, 2));
    assert!(
        page.rejected
            .iter()
            .all(|r| r.noun == Noun::Host && r.tenant.as_str() == "acme" && !r.raw.is_empty())
    );
    assert_eq!(page.items[1].uid, "x3");
}

#[tokio::test(start_paused = true)]
async fn filters_are_pushed_and_checked_again() {
    let (cortex, log) = tenant(|_| {
        let mut windows = host(2);
        windows["os_type"] = json!("AGENT_OS_WINDOWS");
        ok(&json!({"reply": {"total_count": 2, "endpoints": [host(1), windows]}}))
    });
    let name = Filter::parse(Noun::Host, "hostname ~ host", now()).unwrap();
    let query = HostQuery::new().platform(Platform::Linux).filter(name);
    let page = cortex.hosts(&query, None).await.unwrap();
    assert_eq!((page.items.len(), page.filtered_out.len()), (1, 1));
    assert_eq!(
        log.all()[0].data["filters"],
        json!([{"field": "platform", "operator": "in", "value": ["linux"]}])
    );
}

#[tokio::test(start_paused = true)]
async fn an_order_that_the_vendor_lacks_is_refused_before_the_wire() {
    let (cortex, log) = tenant(|_| missing());
    let sort = |noun: Noun, name| Some(Sort { field: noun.field(name).unwrap(), descending: true });
    let mut hosts = HostQuery::new();
    hosts.sort = sort(Noun::Host, "hostname");
    assert!(cortex.hosts(&hosts, None).await.unwrap_err().is_unsupported());
    let mut alerts = AlertQuery::new();
    alerts.sort = sort(Noun::Alert, "title");
    let error = cortex.alerts(&alerts, None).await.unwrap_err();
    assert!(error.is_unsupported() && error.tenant().is_some() && error.operation().is_some(), "{error}");
    assert_eq!(log.len(), 0);
    for (noun, fields) in &cortex.capabilities().sorts {
        assert!(fields.iter().all(|field| noun.field(field).is_some()), "{noun} {fields:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_another_tenant_is_refused() {
    let (cortex, log) = tenant(|_| missing());
    let query = HostQuery::new();
    let foreign =
        Cursor::seal(&TenantId::new("globex"), Noun::Host, query.fingerprint(), &json!({"from": 5})).unwrap();
    let error = cortex.hosts(&query, Some(&foreign)).await.unwrap_err();
    assert_eq!((error.kind(), log.len()), (ErrorKind::InvalidRequest, 0));
    let query = AlertQuery::new();
    let error = cortex.alerts(&query, Some(&foreign)).await.unwrap_err();
    assert_eq!((error.kind(), log.len()), (ErrorKind::InvalidRequest, 0));
}

#[tokio::test(start_paused = true)]
async fn one_host_is_the_one_that_was_asked_for() {
    let (cortex, log) = tenant(|_| hosts(0..3, 3));
    let uid = format!("{:032x}", 1);
    assert_eq!(cortex.host(&uid).await.unwrap().hostname, "host-1");
    let filters = &log.all()[0].data["filters"];
    assert_eq!(filters, &json!([{"field": "endpoint_id_list", "operator": "in", "value": [uid]}]));
    for absent in ["ffff", "*", "' or 1", ""] {
        let error = cortex.host(absent).await.unwrap_err();
        assert!(error.is_not_found() && error.operation().is_some(), "{absent}: {error}");
    }
    assert_eq!(log.len(), 4, "an empty id is not sent");
}

/// A tenant with so many alerts, several of which share a time, that filters, sorts and caps as the vendor does.
fn many(seen: &Seen, count: u64, per_tick: u64, fields: (&str, &str)) -> crate::common::Answer {
    let (from, to) = seen.window();
    assert!(from + 100 <= 20_000, "the offset stays bounded");
    let stored = |n: u64| 1_767_000_000_000 + i64::try_from(n / per_tick).unwrap();
    let most = seen.data["filters"].as_array().and_then(|filters| {
        filters
            .iter()
            .find(|f| f["field"] == fields.1 && f["operator"] == "lte")
            .and_then(|f| f["value"].as_i64())
    });
    let matching: Vec<u64> =
        (0..count).rev().filter(|n| most.is_none_or(|most| stored(*n) <= most)).collect();
    let end = usize::try_from(to).unwrap().min(matching.len());
    let window = &matching[usize::try_from(from).unwrap().min(end)..end];
    let items: Vec<Value> = window
        .iter()
        .map(|n| {
            let mut item = alert(*n, stored(*n));
            item[fields.0] = json!(stored(*n));
            item
        })
        .collect();
    alerts(&items, (matching.len() as u64).min(9_999))
}

#[tokio::test(start_paused = true)]
async fn beyond_the_cap_nothing_is_lost() {
    for per_tick in [1, 300] {
        let (cortex, log) =
            tenant(move |seen| many(seen, 10_500, per_tick, ("local_insert_ts", "server_creation_time")));
        let all = cortex.collect_alerts(&AlertQuery::new()).await.unwrap();
        assert_eq!(
            (all.items.len(), all.outcome.is_complete()),
            (10_500, true),
            "{per_tick}: {:?}",
            all.warnings
        );
        let ordered = all.items.windows(2).all(|w| w[0].created_time >= w[1].created_time);
        assert!(ordered, "newest first, over the border");
        assert!(log.all().iter().all(|seen| seen.window().0 < 9_900), "no offset beyond the cap");
    }
    let (cortex, _) = tenant(|seen| many(seen, 500, 1, ("local_insert_ts", "server_creation_time")));
    let page = cortex.alerts(&AlertQuery::new(), None).await.unwrap();
    assert_eq!(page.end.total, Some(500), "below the cap the count is exact");
}

#[tokio::test(start_paused = true)]
async fn more_alerts_of_one_instant_than_the_cap_are_read_by_offset() {
    let (cortex, log) =
        tenant(|seen| many(seen, 12_000, 12_000, ("local_insert_ts", "server_creation_time")));
    let all = cortex.collect_alerts(&AlertQuery::new()).await.unwrap();
    // All of them arrive, but where the vendor stops counting nothing proves that they are all.
    assert_eq!((all.items.len(), all.outcome.is_complete()), (12_000, false), "{:?}", all.warnings);
    assert!(all.outcome.summary().contains("there may be more"), "{}", all.outcome.summary());
    assert!(log.all().iter().any(|seen| seen.window().0 >= 9_900));
}

#[tokio::test(start_paused = true)]
async fn an_empty_window_beyond_the_count_is_noticed() {
    let asked = std::sync::atomic::AtomicU64::new(0);
    let (cortex, _) = tenant(move |seen| {
        if asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 40 {
            return alerts(&[], 9_999);
        }
        many(seen, 12_000, 1, ("local_insert_ts", "server_creation_time"))
    });
    let all = cortex.collect_alerts(&AlertQuery::new()).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete()), (12_000, true), "{:?}", all.warnings);
}

/// True once, for the first request of the kind.
pub(crate) fn once(strikes: fn(&Seen) -> bool) -> impl Fn(&Seen) -> bool {
    let still = std::sync::atomic::AtomicBool::new(true);
    move |seen| strikes(seen) && still.swap(false, std::sync::atomic::Ordering::SeqCst)
}

/// Windows in the middle of a listing: below the cap, the first behind an edge, and a later one there.
pub(crate) const MIDDLE: [fn(&Seen) -> bool; 3] = [
    |seen| !is_behind_an_edge(seen) && seen.window().0 > 500,
    |seen| is_behind_an_edge(seen) && seen.window().0 == 0,
    |seen| is_behind_an_edge(seen) && seen.window().0 > 0,
];

fn is_behind_an_edge(seen: &Seen) -> bool {
    seen.data["filters"].as_array().is_some_and(|filters| filters.iter().any(|f| f["operator"] == "lte"))
}

#[tokio::test(start_paused = true)]
async fn an_empty_window_that_counts_nothing_is_no_end() {
    for strikes in MIDDLE {
        let struck = once(strikes);
        let (cortex, _) = tenant(move |seen| match struck(seen) {
            true => alerts(&[], 0),
            false => many(seen, 10_500, 1, ("local_insert_ts", "server_creation_time")),
        });
        let all = cortex.collect_alerts(&AlertQuery::new()).await.unwrap();
        assert_eq!((all.items.len(), all.outcome.is_complete()), (10_500, true), "{:?}", all.warnings);
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_window_where_no_total_is_told_is_no_end() {
    // Once; always; and where the hosts have really gone.
    for (last, left, complete, requests) in [(1, 250, true, 5), (9, 250, false, 6), (9, 0, true, 3)] {
        let asked = std::sync::atomic::AtomicU64::new(0);
        let (cortex, log) = tenant(move |seen| {
            let number = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let (from, to) = seen.window();
            let total = if number == 0 || left > 0 { 250 } else { 0 };
            let total = if from > 0 && number <= last { 0 } else { total };
            hosts(from.min(total)..to.min(total), Value::Null)
        });
        let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
        let items = if last == 1 { 250 } else { 100 };
        let found = (all.items.len(), all.outcome.is_complete(), log.len());
        assert_eq!(found, (items, complete, requests), "{:?}", all.warnings);
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_be_cut_does_not_end_in_silence() {
    let (cortex, _) = tenant(|seen| {
        let (from, to) = seen.window();
        let items: Vec<Value> =
            (from.min(10_000)..to.min(10_000)).map(|n| alert(n, 1_767_000_000_000)).collect();
        alerts(&items, 9_999)
    });
    let mut query = AlertQuery::new();
    query.sort = Some(Sort { field: Noun::Alert.field("severity").unwrap(), descending: true });
    let all = cortex.collect_alerts(&query).await.unwrap();
    assert!(all.outcome.summary().contains("there may be more"), "{}", all.outcome.summary());
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_ignores_the_order_is_caught_at_the_cap() {
    let (cortex, _) = tenant(|seen| {
        let (from, to) = seen.window();
        let items: Vec<Value> = (from..to)
            .map(|n| alert(n, 1_767_000_000_000 + i64::try_from(n * 7919 % 10_000).unwrap()))
            .collect();
        alerts(&items, 9_999)
    });
    let all = cortex.collect_alerts(&AlertQuery::new()).await.unwrap();
    assert!(all.outcome.summary().contains("did not keep the order"), "{}", all.outcome.summary());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_refuses_the_order_is_read_in_another_and_says_so() {
    for (status, message) in [(500, "Got an invalid sort field"), (400, "bad"), (500, "boom")] {
        let (cortex, log) = tenant(move |seen| {
            if seen.data["sort"]["field"] == "server_creation_time" {
                return error(status, message);
            }
            many(seen, 10_200, 1, ("detection_timestamp", "creation_time"))
        });
        let all = cortex.collect_alerts(&AlertQuery::new()).await.unwrap();
        assert_eq!((all.items.len(), all.outcome.is_complete()), (10_200, true), "{message}");
        assert!(all.warnings.iter().any(|w| w.message.contains("time of storage")), "{message}");
        let refused = log.all().iter().filter(|s| s.data["sort"]["field"] == "server_creation_time").count();
        assert!(refused <= 5, "it is remembered: {refused}");
    }
    // An order that somebody asked for is not replaced.
    let (cortex, _) = tenant(|_| error(400, "bad"));
    let mut query = AlertQuery::new();
    query.sort = Some(Sort { field: Noun::Alert.field("created_time").unwrap(), descending: false });
    assert_eq!(cortex.alerts(&query, None).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[tokio::test(start_paused = true)]
async fn a_path_that_is_missing_leads_to_the_next_one() {
    for (served, path) in [("v1/alerts/get_alerts_multi_events", 1), ("v1/alerts/get_alerts", 2)] {
        let (cortex, log) =
            tenant(
                move |seen| {
                    if seen.is(served) { alerts(&[alert(5, 1_767_000_000_000)], 1) } else { missing() }
                },
            );
        let all = cortex.collect_alerts(&AlertQuery::new()).await.unwrap();
        assert_eq!(
            (all.items.len(), all.outcome.is_complete(), all.warnings.len()),
            (1, true, 1),
            "{:?}",
            all.warnings
        );
        assert_eq!(cortex.alert("5").await.unwrap().uid, "5");
        assert!(cortex.alert("6").await.unwrap_err().is_not_found());
        assert_eq!(log.len(), path + 3, "what is missing is asked for once");
        assert_eq!(
            log.all().last().unwrap().data["filters"],
            json!([{"field": "alert_id_list", "operator": "in", "value": [6]}])
        );
    }
    let (cortex, _) = tenant(|_| missing());
    let error = cortex.alerts(&AlertQuery::new(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("FQDN"), "{error}");
    assert!(
        !cortex.host("0f").await.unwrap_err().is_not_found(),
        "a wrong address proves nothing about a host"
    );
}

#[tokio::test(start_paused = true)]
async fn issues_stand_in_for_alerts_on_the_newer_generation() {
    let (builder, log) = builder(|seen| {
        let item = json!({"id": 9, "name": "i", "severity": "CRITICAL", "_insert_time": 1_767_000_000_000_i64, "status.progress": "New"});
        let (from, _) = seen.window();
        let list = if from == 0 { json!([item]) } else { json!([]) };
        ok(&json!({"reply": {"TOTAL_COUNT": 40, "FILTER_COUNT": 1, "DATA": list}}))
    });
    let cortex = builder.generation(Generation::Xdr5).build().unwrap();
    let severe = Filter::parse(Noun::Alert, "severity >= high", now()).unwrap();
    let all = cortex.collect_alerts(&AlertQuery::new().filter(severe)).await.unwrap();
    assert_eq!((all.items.len(), all.outcome.is_complete()), (1, true), "{}", all.outcome.summary());
    let data = &log.all()[0].data;
    assert_eq!(
        data["filters"],
        json!([{"field": "severity", "operator": "in", "value": ["HIGH", "CRITICAL"]}])
    );
    assert_eq!(data["sort"], json!({"field": "_insert_time", "keyword": "desc"}));
    assert_eq!(cortex.alert("9").await.unwrap().title, "i");
    assert!(log.paths().iter().all(|path| path == "v1/issue/search"));
}

#[tokio::test(start_paused = true)]
async fn the_native_client_reads_pages_in_the_vendors_types() {
    let (cortex, log) = tenant(|seen| match seen.path.rsplit('/').next().unwrap() {
        "get_endpoints" => {
            ok(&json!({"reply": [{"agent_id": "a", "agent_status": "LOST", "ip": ["10.0.0.1"]}, 5]}))
        }
        "get_endpoint" => hosts(0..2, 2),
        "healthcheck" => ok(&json!({"status": "available"})),
        _ => alerts(&[alert(3, 1_767_000_000_000), json!("odd")], "1"),
    });
    let client = cortex.client();
    let page = PageRequest::window(0, 50).order(Order::descending("last_seen"));
    let endpoints = client.endpoints(&page).await.unwrap();
    assert_eq!((endpoints.items.len(), endpoints.total), (2, Some(2)));
    assert_eq!(endpoints.items[0].endpoint_name.as_deref(), Some("host-0"));
    let agents = client.endpoint_list().await.unwrap();
    assert_eq!((agents.items.len(), agents.undecodable.len()), (1, 1));
    assert_eq!(&log.all()[1].body[..], b"{}");
    assert_eq!(cortex.read_host(agents.items[0].raw.clone()).unwrap().uid, "a");
    let alerts = client.alerts(AlertsPath::V1Events, &page).await.unwrap();
    assert_eq!((alerts.items.len(), alerts.undecodable.len(), alerts.total), (1, 1, Some(1)));
    assert_eq!(cortex.read_alert(alerts.items[0].raw.clone()).unwrap().uid, "3");
    assert_eq!(client.healthcheck().await.unwrap(), "available");
}
