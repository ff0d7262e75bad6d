//! Over a real socket: what the requests look like on the wire.
#![expect(clippy::unwrap_used, reason = "a test may end here")]

use std::time::Duration;

use edr_core::{AlertQuery, EdrProvider, EdrProviderExt as _, HostQuery, Platform};
use edr_http::RetryPolicy;
use falcon::Falcon;
use mockito::{Matcher, Mock, Server, ServerGuard};

const TOKEN: &str = r#"{"token_type":"bearer","expires_in":1799,"access_token":"canary-token"}"#;

async fn token(server: &mut ServerGuard) -> Mock {
    server
        .mock("POST", "/oauth2/token")
        .match_header("content-type", "application/x-www-form-urlencoded")
        .match_header("authorization", Matcher::Missing)
        .match_body("client_id=the-id&client_secret=p%40ss+word&member_cid=0123456789abcdef0123456789abcdef")
        .with_status(201)
        .with_header("content-type", "application/json")
        .with_body(TOKEN)
        .expect(1)
        .create_async()
        .await
}

fn falcon(server: &ServerGuard) -> Falcon {
    let mut policy = RetryPolicy::never();
    policy.attempt_timeout = Duration::from_secs(5);
    Falcon::builder("acme", "the-id", "p@ss word".into())
        .base_url(server.url().parse().unwrap())
        .member_cid("0123456789ABCDEF0123456789ABCDEF-1A")
        .policy(policy)
        .build()
        .unwrap()
}

#[tokio::test]
async fn token_and_filter_reach_the_server_encoded_once() {
    let mut server = Server::new_async().await;
    let token = token(&mut server).await;
    let hosts = server
        .mock("GET", "/devices/combined/devices/v1")
        .match_header("authorization", "Bearer canary-token")
        .match_header("user-agent", Matcher::Regex("^edr/".into()))
        .match_query(
            "filter=%28platform_name%3A%27Windows%27%2Cplatform_id%3A%270%27%29%2Bhostname%3A%27O%5C%27Neil+%26+Co%27\
             &sort=device_id.asc&limit=10000",
        )
        .with_header("content-type", "text/plain")
        .with_body(r#"{"meta":{"pagination":{"total":0,"offset":0}},"resources":[],"errors":null}"#)
        .expect(1)
        .create_async()
        .await;
    let query = HostQuery::new().platform(Platform::Windows).hostname("O'Neil & Co");
    let found = falcon(&server).collect_hosts(&query).await.unwrap();
    assert!(found.items.is_empty() && found.outcome.is_complete());
    token.assert_async().await;
    hosts.assert_async().await;
}

#[tokio::test]
async fn alerts_are_asked_for_in_a_json_body() {
    let mut server = Server::new_async().await;
    let token = token(&mut server).await;
    let alerts = server
        .mock("POST", "/alerts/combined/alerts/v1")
        .match_header("content-type", "application/json")
        .match_body(Matcher::JsonString(r#"{"sort":"created_timestamp|desc","limit":2}"#.into()))
        .with_body(r#"{"meta":{"pagination":{"total":1}},"resources":[{"composite_id":"c:ind:a:1"}]}"#)
        .create_async()
        .await;
    let page = falcon(&server).alerts(&AlertQuery::new().page_size(2), None).await.unwrap();
    assert_eq!((page.items.len(), page.next().is_none()), (1, true));
    alerts.assert_async().await;
    token.assert_async().await;
}

#[tokio::test]
async fn a_missing_scope_is_named_in_the_consoles_words() {
    let mut server = Server::new_async().await;
    token(&mut server).await;
    let refusal = r#"{"meta":{"powered_by":"crowdstrike-api-gateway","trace_id":"t-7"},"errors":[{"code":403,"message":"access denied, scope not permitted"}]}"#;
    server.mock("POST", Matcher::Any).with_status(403).with_body(refusal).create_async().await;
    token(&mut server).await;
    let error = falcon(&server).alerts(&AlertQuery::new(), None).await.unwrap_err();
    assert!(error.is_permission());
    let text = error.to_string();
    assert!(text.contains("add the scope \"Alerts: read\"") && text.contains("trace t-7"), "{text}");
    assert!(!text.contains("canary") && !text.contains("p@ss"), "{text}");
}
