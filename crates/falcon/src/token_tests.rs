//! The life of a token, and of a region.

use std::time::Duration;

use edr_core::{EdrProvider as _, EdrProviderExt as _, ErrorKind, HostQuery};
use tokio::time::advance;

use crate::testing::{Answer, Sent, TOKEN, builder, device, falcon, granted, json, page, with_header};
use crate::{Cloud, Falcon};

const HOSTS: &str = "/devices/combined/devices/v1";
const EXPIRED: &str = r#"{"meta":{"powered_by":"crowdstrike-api-gateway","trace_id":"t-1"},"errors":[{"code":401,"message":"access denied, invalid bearer token"}]}"#;

fn one_host() -> Answer {
    page(&[device(1)], r#"{"total":1,"next":""}"#)
}

async fn read(falcon: &Falcon) -> usize {
    falcon.collect_hosts(&HostQuery::new()).await.unwrap().items.len()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_minted_once_and_renewed_before_it_expires() {
    let (falcon, log) = falcon(|_| one_host());
    for _ in 0..3 {
        assert_eq!(read(&falcon).await, 1);
    }
    assert_eq!(log.to(TOKEN).len(), 1);
    assert_eq!(log.to(TOKEN)[0].body, "client_id=client-id&client_secret=canary-secret");
    assert!(log.to(TOKEN)[0].authorization.is_none());
    assert_eq!(log.to(HOSTS)[0].authorization.as_deref(), Some("Bearer canary-token-1"));
    advance(Duration::from_secs(1480)).await;
    read(&falcon).await;
    assert_eq!(log.to(TOKEN).len(), 1, "too early");
    advance(Duration::from_secs(60)).await;
    read(&falcon).await;
    assert_eq!(log.to(TOKEN).len(), 2, "259 s of life are left");
    assert_eq!(log.to(HOSTS).last().unwrap().authorization.as_deref(), Some("Bearer canary-token-2"));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tasks_share_one_mint() {
    let (falcon, log) = builder(|sent, mints| match sent.path.as_str() {
        TOKEN => granted(mints),
        _ => one_host(),
    });
    let falcon = falcon.requests_per_minute(0).build().unwrap();
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let falcon = falcon.clone();
            tokio::spawn(async move { read(&falcon).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1);
    }
    assert_eq!(log.to(TOKEN).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_401_in_the_middle_of_a_walk_is_one_free_retry() {
    let (falcon, log) = falcon(|sent| match (sent.get("offset"), sent.authorization.as_deref()) {
        (None, _) => page(&[device(1)], r#"{"total":2,"next":"k"}"#),
        (_, Some("Bearer canary-token-1")) => json(401, EXPIRED),
        _ => page(&[device(2)], r#"{"total":2,"next":""}"#),
    });
    assert_eq!(read(&falcon).await, 2);
    assert_eq!((log.to(TOKEN).len(), log.to(HOSTS).len()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_401_for_ever_ends_after_one_more_try() {
    let (falcon, log) = falcon(|_| json(401, EXPIRED));
    let error = falcon.hosts(&HostQuery::new(), None).await.unwrap_err();
    assert!(error.is_authentication());
    assert_eq!((log.to(TOKEN).len(), log.to(HOSTS).len()), (2, 2));
    assert_eq!(error.trace_id().as_deref(), Some("t-1"));
    assert!(error.hint().unwrap().contains("IP allow-list"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_child_tenant_has_a_token_of_its_own() {
    let (builder, log) = builder(|sent, mints| match sent.path.as_str() {
        TOKEN => granted(mints),
        _ => one_host(),
    });
    let falcon = builder.member_cid(&"AB".repeat(16)).build().unwrap();
    read(&falcon).await;
    assert!(log.to(TOKEN)[0].body.ends_with(&format!("&member_cid={}", "ab".repeat(16))));
}

/// A tenant in us-2: every other host sends it there.
fn elsewhere(sent: &Sent, mints: usize, location: &str) -> Answer {
    if sent.host != "api.us-2.crowdstrike.com" {
        return with_header(with_header(json(308, ""), "location", location), "x-ratelimit-limit", "15");
    }
    if sent.path == TOKEN { granted(mints) } else { one_host() }
}

#[tokio::test(start_paused = true)]
async fn discovery_follows_the_region_once_and_says_so() {
    let (builder, log) =
        builder(|sent, mints| elsewhere(sent, mints, "https://api.us-2.crowdstrike.com/oauth2/token"));
    let falcon = builder.cloud(Cloud::Autodiscover).build().unwrap();
    let found = falcon.collect_hosts(&HostQuery::new()).await.unwrap();
    assert_eq!(found.items.len(), 1);
    assert!(found.warnings.iter().any(|w| w.message.contains("us-2")), "{:?}", found.warnings);
    assert_eq!(falcon.cloud(), Some(Cloud::Us2));
    let sent: Vec<_> = log.all().into_iter().map(|s| (s.host, s.path)).collect();
    let us2 = "api.us-2.crowdstrike.com".to_owned();
    let expected = [("api.crowdstrike.com".to_owned(), TOKEN.to_owned()), (us2.clone(), TOKEN.to_owned())];
    assert_eq!(sent[..2], expected);
    assert_eq!(sent[2..], [(us2, HOSTS.to_owned())]);
    let before = log.all().len();
    read(&falcon).await;
    assert_eq!(log.all().len(), before + 1, "the region is remembered");
}

#[tokio::test(start_paused = true)]
async fn a_region_answer_to_a_data_call_moves_the_token_as_well() {
    let (builder, log) = builder(|sent, mints| match (sent.host.as_str(), sent.path.as_str()) {
        ("api.crowdstrike.com", TOKEN) => granted(mints),
        _ => elsewhere(sent, mints, "https://api.us-2.crowdstrike.com/devices/combined/devices/v1?limit=1"),
    });
    let falcon = builder.cloud(Cloud::Autodiscover).build().unwrap();
    assert_eq!(read(&falcon).await, 1);
    let last = log.all().pop().unwrap();
    assert_eq!(
        (last.host.as_str(), last.authorization.as_deref()),
        ("api.us-2.crowdstrike.com", Some("Bearer canary-token-2"))
    );
    assert_eq!(log.to(TOKEN)[1].host, "api.us-2.crowdstrike.com");
}

#[tokio::test(start_paused = true)]
async fn a_fixed_cloud_names_the_right_one() {
    let (builder, log) =
        builder(|sent, mints| elsewhere(sent, mints, "https://api.us-2.crowdstrike.com/oauth2/token"));
    let error = builder.cloud(Cloud::Eu1).build().unwrap().check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(
        error.to_string().contains("the tenant lives in us-2")
            && error.to_string().contains("cloud = \"us-2\""),
        "{error}"
    );
    assert_eq!(log.all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_secret_goes_to_no_other_place() {
    for location in [
        "https://api.evil.example/x.crowdstrike.com/",
        "https://api.us-2.crowdstrike.com.evil.example/oauth2/token",
        "http://api.us-2.crowdstrike.com/oauth2/token",
        "https://api.us-2.crowdstrike.com:8443/oauth2/token",
        "https://user:pw@api.us-2.crowdstrike.com/oauth2/token",
        "https://api.us-2.crowdstrike.com@evil.example/",
        "https://evil.example#api.us-2.crowdstrike.com",
        "//api.us-2.crowdstrike.com/oauth2/token",
        "/oauth2/token",
        "",
    ] {
        let (builder, log) = builder(move |sent, mints| elsewhere(sent, mints, location));
        let falcon = builder.cloud(Cloud::Autodiscover).build().unwrap();
        let error = falcon.check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{location}");
        assert!(error.to_string().contains("not followed"), "{error}");
        assert_eq!(log.all().len(), 1, "{location}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_base_url_of_ones_own_is_never_left() {
    let (builder, _) = builder(|_, _| {
        with_header(json(308, ""), "location", "https://api.us-2.crowdstrike.com/oauth2/token")
    });
    let base = url::Url::parse("https://proxy.example/gw").unwrap();
    let falcon = builder.cloud(Cloud::Autodiscover).base_url(base).build().unwrap();
    let error = falcon.check().await.unwrap_err();
    assert!(error.to_string().contains("us-2"), "{error}");
    assert_eq!(falcon.cloud(), None);
}

#[tokio::test(start_paused = true)]
async fn a_refused_mint_says_why() {
    for (status, message, member, kind, says) in [
        (
            400,
            "Failed to generate access token for clientID=canary-id.",
            false,
            ErrorKind::Authentication,
            "us-gov-2 cannot be discovered",
        ),
        (400, "", false, ErrorKind::Authentication, "cannot be discovered"),
        (401, "access denied", false, ErrorKind::Authentication, "check client id and secret"),
        (
            403,
            "Failed to issue access token - Not Authorized",
            false,
            ErrorKind::Authentication,
            "check client id and secret",
        ),
        (
            403,
            "Failed to issue access token - Not Authorized",
            true,
            ErrorKind::Authentication,
            "a parent's own CID is refused",
        ),
        (403, "access denied, authorization failed", false, ErrorKind::Permission, "IP allow-list"),
    ] {
        let body = format!(
            r#"{{"meta":{{"powered_by":"csam"}},"errors":[{{"code":{status},"message":"{message}"}}]}}"#
        );
        let body = if message.is_empty() { String::new() } else { body };
        let (builder, log) = builder(move |_, _| json(status, &body));
        let builder = builder.cloud(Cloud::Autodiscover);
        let builder = if member { builder.member_cid(&"a".repeat(32)) } else { builder };
        let error = builder.build().unwrap().check().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary-secret"));
        assert!(!error.to_string().contains("canary"), "{error}");
        assert_eq!((error.operation(), log.all().len()), (Some("oauth2AccessToken"), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_prints_a_secret() {
    let (builder, _) = builder(|sent, mints| match sent.path.as_str() {
        TOKEN => granted(mints),
        _ => json(500, r#"{"errors":[{"code":500,"message":"no"}]}"#),
    });
    assert!(!format!("{builder:?}").contains("canary"));
    let falcon = builder.build().unwrap();
    let error = falcon.check().await.unwrap_err();
    let text = format!("{falcon:?} {:?} {error} {error:?}", falcon.client());
    assert!(!text.contains("canary"), "{text}");
}
