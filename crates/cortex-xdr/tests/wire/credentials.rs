//! Keys, signatures, the clock, the generation, and what is never shown.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::common::{KEY, alert, alerts, builder, dated, error, hosts, missing, now, ok, tenant};
use chrono::{TimeDelta, Utc};
use cortex_xdr::{CortexDetail, CortexXdr, Generation, KeyType, signature};
use edr_core::clock::SystemClock;
use edr_core::{AlertQuery, EdrProvider as _, EdrProviderExt as _, ErrorKind, HostQuery};
use edr_http::{MemoryTransport, Pacer, TransportError, TransportErrorKind};
use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::json;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn every_attempt_is_signed_anew() {
    let count = AtomicU32::new(0);
    let (cortex, log) = tenant(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => MemoryTransport::json(503, ""),
        1 => error(429, "Too many requests"),
        2 => error(500, "Internal server error").map(|mut r| {
            *r.status_mut() = http::StatusCode::OK;
            r
        }),
        _ => hosts(0..1, 1),
    });
    cortex.hosts(&HostQuery::new(), None).await.unwrap();
    let seen = log.all();
    let nonces: HashSet<&str> = seen.iter().map(|s| s.header("x-xdr-nonce")).collect();
    assert_eq!((seen.len(), nonces.len()), (4, 4));
    for request in &seen {
        let (nonce, stamp) = (request.header("x-xdr-nonce"), request.header("x-xdr-timestamp"));
        assert!(nonce.len() == 64 && nonce.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(stamp, now().timestamp_millis().to_string());
        let expected = signature(&SecretString::from(KEY), nonce, now().timestamp_millis());
        assert_eq!(request.header("authorization"), expected);
        assert_eq!(request.header("x-xdr-auth-id"), "7");
        assert!(!request.headers.values().any(|v| v.to_str().unwrap().contains(KEY)), "the key stays here");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_is_corrected_once_and_told() {
    for minutes in [10, -10] {
        let theirs = now() + TimeDelta::minutes(minutes);
        let (cortex, log) = tenant(move |seen| {
            let stamp: i64 = seen.header("x-xdr-timestamp").parse().unwrap();
            let off = (stamp - theirs.timestamp_millis()).abs() > 300_000;
            dated(if off { error(401, "Public API request unauthorized") } else { hosts(0..1, 1) }, theirs)
        });
        let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
        assert_eq!((all.items.len(), log.len()), (1, 2), "one refusal, one free attempt");
        assert!(all.warnings[0].message.contains("10 min"), "{:?}", all.warnings);
        assert_eq!(cortex.client().clock_offset(), TimeDelta::minutes(minutes));
        let again = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
        assert_eq!((log.len(), again.warnings.len()), (3, 0), "it is known now");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_not_blamed_on_the_clock() {
    for skew in [0, 20, 600] {
        let (cortex, log) =
            tenant(move |_| dated(error(401, "\tUnauthorized access."), now() + TimeDelta::seconds(skew)));
        let refused = cortex.hosts(&HostQuery::new(), None).await.unwrap_err();
        assert!(refused.is_authentication());
        let line = refused.to_string();
        assert!(line.contains("used as advanced") && !line.contains("clock"), "{line}");
        assert_eq!(log.len(), 2, "{skew}: one more attempt, and no more");
        let detail = refused.detail().unwrap().as_any().downcast_ref::<CortexDetail>().unwrap();
        assert_eq!(detail.message.as_deref(), Some("Unauthorized access."));
    }
    let (builder, log) = builder(|_| dated(error(401, "no"), now() + TimeDelta::minutes(10)));
    let standard = builder.key_type(KeyType::Standard).generation(Generation::Xdr3).build().unwrap();
    let line = standard.hosts(&HostQuery::new(), None).await.unwrap_err().to_string();
    assert!(line.contains("used as standard"), "{line}");
    assert_eq!((log.len(), standard.client().clock_offset()), (2, TimeDelta::zero()), "it signs no time");
}

#[tokio::test(start_paused = true)]
async fn a_401_that_passes_in_the_middle_of_a_walk_costs_one_more_request() {
    for key_type in [KeyType::Advanced, KeyType::Standard] {
        let count = AtomicU32::new(0);
        let (builder, log) = builder(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => hosts(0..100, 150),
            1 => error(401, "Public API request unauthorized"),
            _ => hosts(99..150, 150),
        });
        let cortex = builder.key_type(key_type).build().unwrap();
        let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
        assert_eq!((all.items.len(), all.outcome.is_complete(), log.len()), (150, true, 3), "{key_type}");
        let (refused, again) = (&log.all()[1], &log.all()[2]);
        let fresh =
            key_type == KeyType::Standard || refused.header("x-xdr-nonce") != again.header("x-xdr-nonce");
        assert!(fresh, "it is signed anew");
    }
}

#[tokio::test(start_paused = true)]
async fn two_keys_of_one_tenant_share_its_rate_by_turns() {
    let pacer = Arc::new(Pacer::new(None));
    let keyed = |rate: f64, share: f64| {
        let (builder, log) = builder(|_| hosts(0..1, 1));
        let builder = builder.requests_per_second(rate).rate_share(share).pacer(pacer.clone());
        (builder.generation(Generation::Xdr3).build().unwrap(), log)
    };
    let ((busy, log), (other, other_log)) = (keyed(10.0, 1.0), keyed(10.0, 0.5));
    for _ in 0..1000 {
        let busy = busy.clone();
        tokio::spawn(async move { busy.hosts(&HostQuery::new(), None).await });
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!((90..=105).contains(&log.len()), "half of 10 a second, for 20 s: {}", log.len());
    let begun = Instant::now();
    other.hosts(&HostQuery::new(), None).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_millis(430), "two turns of 0.2 s: {:?}", begun.elapsed());
    assert_eq!(other_log.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_generation_is_probed_once_however_many_ask() {
    let probes = Arc::new(AtomicU32::new(0));
    let counter = probes.clone();
    let (builder, _) = builder(move |seen| {
        if seen.is("issue/search") {
            counter.fetch_add(1, Ordering::SeqCst);
            return missing();
        }
        alerts(&[alert(1, 1_767_000_000_000)], 1)
    });
    let cortex = builder.build().unwrap();
    assert_eq!(cortex.client().known_generation(), None);
    let query = AlertQuery::new();
    for page in join_all((0..50).map(|_| cortex.alerts(&query, None))).await {
        assert_eq!(page.unwrap().items.len(), 1);
    }
    assert_eq!(probes.load(Ordering::SeqCst), 1);
    assert_eq!(cortex.client().known_generation(), Some(Generation::Xdr3));
}

#[tokio::test(start_paused = true)]
async fn the_generation_is_what_answers() {
    let issues = json!({"reply": {"TOTAL_COUNT": 0, "FILTER_COUNT": 0, "DATA": []}});
    let (five, log) = builder(move |_| ok(&issues));
    let five = five.build().unwrap();
    assert_eq!(five.client().generation().await.unwrap(), Generation::Xdr5);
    assert!(five.capabilities().server_filters.iter().any(|f| f.field == "status"));
    five.alerts(&AlertQuery::new(), None).await.unwrap();
    assert_eq!(log.paths(), ["v1/issue/search", "v1/issue/search"]);

    // A gateway that forbids what is not there: alerts that answer show generation 3.
    let (three, _) = builder(|seen| if seen.is("issue/search") { error(403, "no") } else { alerts(&[], 0) });
    assert_eq!(three.build().unwrap().client().generation().await.unwrap(), Generation::Xdr3);

    let (neither, _) = builder(|_| error(403, "no"));
    let refused = neither.build().unwrap().alerts(&AlertQuery::new(), None).await.unwrap_err();
    assert!(refused.is_permission() && refused.to_string().contains("the role Viewer"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_is_made_again() {
    let (builder, _) = builder(|_| error(401, "no"));
    let cortex = builder.build().unwrap();
    assert!(cortex.client().generation().await.unwrap_err().is_authentication());
    assert_eq!(cortex.client().known_generation(), None);
}

#[tokio::test(start_paused = true)]
async fn a_check_tells_what_works() {
    let (builder, _) = builder(|seen| match seen.path.rsplit('/').next().unwrap() {
        "get_endpoint" => dated(hosts(0..1, 4_711), now() + TimeDelta::seconds(3)),
        "search" => ok(&json!({"reply": {"TOTAL_COUNT": 0, "FILTER_COUNT": 0, "DATA": []}})),
        _ => missing(),
    });
    let check = builder.build().unwrap().check().await.unwrap();
    assert_eq!(check.tenant_uid.as_deref(), Some("acme.xdr.eu.paloaltonetworks.com"));
    let found = |what: &str| check.findings.iter().find(|(w, _)| w == what).map_or("", |(_, v)| v.as_str());
    assert_eq!(found("host"), "api-acme.xdr.eu.paloaltonetworks.com");
    assert_eq!((found("key type"), found("endpoints"), found("clock skew")), ("advanced", "4711", "3 s"));
    assert_eq!((found("generation"), found("alerts")), ("5", "readable"));
    assert_eq!(found("health"), "not told (configuration)");
    assert!(!format!("{check:?}").contains("canary"));

    let (denied, _) = tenant(|_| error(403, "no"));
    let refused = denied.check().await.unwrap_err();
    assert!(refused.is_permission() && refused.tenant().is_some(), "{refused}");

    // Endpoints can be read, and alerts cannot.
    let (half, _) = tenant(|seen| if seen.is("get_endpoint") { hosts(0..1, 1) } else { error(403, "no") });
    assert!(half.check().await.unwrap_err().is_permission());
}

#[tokio::test(start_paused = true)]
async fn a_check_tells_the_type_of_a_key_and_its_end() {
    for (configured, works) in
        [(KeyType::Standard, KeyType::Advanced), (KeyType::Advanced, KeyType::Standard)]
    {
        let (builder, _) = builder(move |seen| {
            let advanced = seen.headers.contains_key("x-xdr-nonce");
            if advanced == (works == KeyType::Advanced) { hosts(0..1, 1) } else { error(401, "no") }
        });
        let cortex = builder.key_type(configured).generation(Generation::Xdr3).build().unwrap();
        let refused = cortex.check().await.unwrap_err();
        assert!(refused.is_authentication() && refused.tenant().is_some(), "{refused}");
        let hint = refused.hint().unwrap();
        assert!(hint.contains(&format!("set key_type = \"{works}\"")), "{hint}");
        assert!(refused.detail().is_some() && !format!("{refused} {refused:?}").contains(KEY));
    }
    let (builder, log) = builder(|_| error(401, "no"));
    let refused = builder.generation(Generation::Xdr3).build().unwrap().check().await.unwrap_err();
    assert!(refused.hint().unwrap().contains("security level"), "{refused}");
    assert!(log.len() <= 4, "a wrong key ends soon: {}", log.len());
}

#[tokio::test(start_paused = true)]
async fn a_check_warns_of_a_key_that_ends_soon() {
    for (days, warns) in [(7, true), (8, false)] {
        let end = (now() + TimeDelta::days(days)).timestamp_millis();
        let (builder, _) = builder(move |seen| match seen.path.rsplit('/').next().unwrap() {
            "get_endpoint" => hosts(0..1, 1),
            "search" => ok(&json!({"reply": {"TOTAL_COUNT": 0, "FILTER_COUNT": 0, "DATA": []}})),
            "get_api_keys" => ok(&json!({"reply": {"DATA": [{"id": 7, "expiration": end}]}})),
            _ => missing(),
        });
        let check = builder.build().unwrap().check().await.unwrap();
        let said = check.findings.iter().find(|(what, _)| what == "key").map(|(_, value)| value.as_str());
        assert_eq!(said.is_some_and(|s| s.contains("in 7 days: make a new key")), warns, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_in_an_error() {
    let faults: Vec<fn() -> crate::common::Answer> = vec![
        || error(401, "no"),
        || error(403, "no"),
        || error(500, "broken"),
        || error(429, "slow down"),
        || MemoryTransport::json(502, "<html><title>gateway</title></html>"),
        || MemoryTransport::json(200, "garbage"),
        || MemoryTransport::json(307, ""),
        || Err(TransportError::new(TransportErrorKind::Connect)),
        || Err(TransportError::new(TransportErrorKind::Tls)),
    ];
    for fault in faults {
        for key_type in [KeyType::Advanced, KeyType::Standard] {
            let (builder, log) = builder(move |_| fault());
            let cortex = builder.key_type(key_type).generation(Generation::Xdr3).build().unwrap();
            let one = cortex.hosts(&HostQuery::new(), None).await.unwrap_err();
            let two = cortex.alert("1").await.unwrap_err();
            let three = cortex.check().await.unwrap_err();
            let shown =
                format!("{one} {one:?} {two} {two:?} {three} {three:?} {cortex:?} {:?}", cortex.client());
            assert!(!shown.contains(KEY), "{shown}");
            for seen in log.all() {
                let (signed, nonce) = (seen.header("authorization"), seen.header("x-xdr-nonce"));
                assert!(!shown.contains(signed) && (nonce.is_empty() || !shown.contains(nonce)), "{shown}");
            }
        }
    }
}

/// Over a real socket: the headers of both types of key, as a server sees them.
#[tokio::test]
async fn the_headers_of_both_types_on_the_wire() {
    for key_type in [KeyType::Advanced, KeyType::Standard] {
        let mut server = mockito::Server::new_async().await;
        let advanced = key_type == KeyType::Advanced;
        let signature = |value: &str| mockito::Matcher::Regex(value.to_owned());
        let authorization =
            if advanced { signature("^[0-9a-f]{64}$") } else { signature("^canary-api-key$") };
        let nonce = if advanced { signature("^[A-Za-z0-9]{64}$") } else { mockito::Matcher::Missing };
        let stamp = if advanced { signature("^[0-9]{13}$") } else { mockito::Matcher::Missing };
        let body = json!({"request_data": {"search_from": 0, "search_to": 100, "sort": {"field": "first_seen", "keyword": "ASC"}}});
        let mock = server
            .mock("POST", "/gateway/public_api/v1/endpoints/get_endpoint")
            .match_header("authorization", authorization)
            .match_header("x-xdr-auth-id", "7")
            .match_header("x-xdr-nonce", nonce)
            .match_header("x-xdr-timestamp", stamp)
            .match_header("content-type", "application/json")
            .match_body(mockito::Matcher::Json(body))
            .with_body(
                json!({"reply": {"total_count": 1, "endpoints": [crate::common::host(1)]}}).to_string(),
            )
            .create_async()
            .await;
        let base = format!("{}/gateway", server.url()).parse().unwrap();
        let cortex = CortexXdr::builder("acme", "7", SecretString::from(KEY))
            .base_url(base)
            .key_type(key_type)
            .generation(Generation::Xdr3)
            .clock(SystemClock::shared())
            .build()
            .unwrap();
        let all = cortex.collect_hosts(&HostQuery::new()).await.unwrap();
        assert_eq!(all.items.len(), 1);
        mock.assert_async().await;
    }
}

/// The lifetime of a signature follows the clock that was given.
#[tokio::test(start_paused = true)]
async fn the_clock_is_injected() {
    let (cortex, log) = tenant(|_| hosts(0..1, 1));
    cortex.hosts(&HostQuery::new(), None).await.unwrap();
    let stamp: i64 = log.all()[0].header("x-xdr-timestamp").parse().unwrap();
    assert_eq!(chrono::DateTime::<Utc>::from_timestamp_millis(stamp), Some(now()));
    assert_eq!(cortex.host("x").await.unwrap_err().kind(), ErrorKind::NotFound);
}
