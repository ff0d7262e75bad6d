use std::sync::Arc;

use edr_core::{EdrProviderExt as _, ErrorKind, ProbeState};
use edr_http::{MemoryTransport, TransportError, TransportErrorKind};

use super::*;
use crate::testing::{
    Answer, Log, Sent, TOKEN, alert, builder, device, granted, json, no_route, page, with_header,
};
use crate::{FalconBuilder, api::hosts};

const HOSTS: &str = "/devices/combined/devices/v1";
const SCROLL: &str = "/devices/queries/devices-scroll/v1";
const ALERTS: &str = "/alerts/combined/alerts/v1";
const NAMES: [&str; 8] = ["address", "connection", "clock", "token", "region", "alerts", "hosts", "rate"];

fn limited(answer: Answer, left: &str) -> Answer {
    with_header(with_header(answer, "x-ratelimit-limit", "6000"), "x-ratelimit-remaining", left)
}

/// A tenant in which all is well.
fn well(sent: &Sent) -> Answer {
    match sent.path.as_str() {
        "/" => with_header(no_route(), "date", "Sat, 10 Jan 2026 12:00:00 GMT"),
        TOKEN => granted(1),
        HOSTS => limited(page(&[device(1)], r#"{"total":4711,"next":"n"}"#), "5990"),
        ALERTS => limited(page(&[alert(1)], r#"{"total":12,"after":"x"}"#), "5991"),
        _ => no_route(),
    }
}

fn tenant(answer: impl Fn(&Sent) -> Answer + Send + Sync + 'static) -> (FalconBuilder, Log) {
    builder(move |sent, _| answer(sent))
}

async fn found(answer: impl Fn(&Sent) -> Answer + Send + Sync + 'static) -> Diagnosis {
    tenant(answer).0.build().unwrap().diagnose().await
}

fn value<'a>(found: &'a Diagnosis, name: &str) -> &'a str {
    found.probe(name).unwrap_or_else(|| panic!("{name}")).value.as_deref().unwrap_or_default()
}

fn states(found: &Diagnosis) -> Vec<(&str, ProbeState)> {
    found.probes.iter().map(|p| (p.name.as_ref(), p.state)).collect()
}

/// The names of the probes that ended so.
fn ended(found: &Diagnosis, state: ProbeState) -> Vec<&str> {
    found.probes.iter().filter(|p| p.state == state).map(|p| p.name.as_ref()).collect()
}

fn scope_refused() -> Answer {
    json(403, r#"{"errors":[{"code":403,"message":"access denied, scope not permitted"}]}"#)
}

#[tokio::test(start_paused = true)]
async fn all_is_well() {
    let (builder, log) = tenant(well);
    let found = builder.build().unwrap().diagnose().await;
    assert_eq!(states(&found), NAMES.map(|name| (name, ProbeState::Passed)), "{found:?}");
    assert_eq!(value(&found, "token"), "issued, lives 30 min");
    assert_eq!(value(&found, "region"), "us-1, as configured");
    assert_eq!(value(&found, "hosts"), "can be read; 4711 in all");
    assert_eq!(value(&found, "rate"), "5990 of 6000 requests a minute are left");
    assert_eq!(found.probe("hosts").unwrap().needs.as_deref(), Some("Hosts: read"));
    let paths: Vec<String> = log.all().into_iter().map(|s| s.path).collect();
    assert_eq!(paths, ["/", TOKEN, ALERTS, HOSTS], "one harmless request each");
    assert_eq!(log.to("/")[0].authorization, None);
}

#[tokio::test(start_paused = true)]
async fn a_missing_scope_is_named_and_the_rest_is_looked_at() {
    let found = found(|sent| if sent.path == ALERTS { scope_refused() } else { well(sent) }).await;
    assert_eq!(ended(&found, ProbeState::Failed), ["alerts"]);
    let alerts = found.probe("alerts").unwrap();
    assert!(alerts.error.as_ref().unwrap().is_permission());
    assert_eq!(alerts.needs.as_deref(), Some("Alerts: read"));
    assert!(alerts.hint().unwrap().contains("add the scope \"Alerts: read\""), "{alerts:?}");
    assert_eq!(found.failures().next().unwrap().tenant().map(|t| t.as_str()), Some("acme"));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_skips_what_needs_a_token() {
    let refusals = [
        (
            400,
            "Failed to generate access token for clientID=canary-id",
            ErrorKind::Authentication,
            "client id and secret",
        ),
        (403, "access denied, authorization failed", ErrorKind::Permission, "IP allow-list"),
    ];
    for (status, message, kind, hint) in refusals {
        let body = format!(r#"{{"errors":[{{"code":{status},"message":"{message}"}}]}}"#);
        let found =
            found(move |sent| if sent.path == TOKEN { json(status, &body) } else { well(sent) }).await;
        assert_eq!(ended(&found, ProbeState::Failed), ["token"]);
        assert_eq!(ended(&found, ProbeState::Skipped), ["region", "alerts", "hosts", "rate"]);
        let token = found.probe("token").unwrap();
        assert_eq!(token.error.as_ref().unwrap().kind(), kind);
        assert!(token.hint().unwrap().contains(hint), "{token:?}");
        assert!(!format!("{found:?}").contains("canary"), "{found:?}");
        assert_eq!(value(&found, "hosts"), "there is no token");
    }
}

fn moved() -> Answer {
    with_header(json(308, ""), "location", "https://api.us-2.crowdstrike.com/oauth2/token")
}

#[tokio::test(start_paused = true)]
async fn another_region_is_said_or_found() {
    let elsewhere = |sent: &Sent| if sent.host == "api.crowdstrike.com" { moved() } else { well(sent) };
    let fixed = found(elsewhere).await;
    assert_eq!(ended(&fixed, ProbeState::Failed), ["region"]);
    assert!(fixed.probe("region").unwrap().hint().unwrap().contains("cloud = \"us-2\""), "{fixed:?}");
    assert_eq!(fixed.probe("token").unwrap().state, ProbeState::Skipped);
    let (builder, _) = tenant(elsewhere);
    let found = builder.cloud(Cloud::Autodiscover).build().unwrap().diagnose().await;
    assert!(found.works(), "{found:?}");
    assert_eq!(value(&found, "region"), "us-2, found by itself");
    assert!(found.probe("notice").is_none());
}

#[tokio::test(start_paused = true)]
async fn no_connection_skips_everything_after_it() {
    let (builder, log) = tenant(|_| Err(TransportError::new(TransportErrorKind::Connect)));
    let found = builder.build().unwrap().diagnose().await;
    assert_eq!(ended(&found, ProbeState::Failed), ["connection"]);
    assert_eq!(ended(&found, ProbeState::Skipped), ["clock", "token", "region", "alerts", "hosts", "rate"]);
    assert_eq!(log.all().len(), 1, "it is not tried again");
}

#[tokio::test(start_paused = true)]
async fn a_cloud_without_the_combined_endpoints_is_asked_for_ids() {
    let found = found(|sent| match sent.path.as_str() {
        HOSTS | ALERTS => no_route(),
        SCROLL => limited(page(&[format!("\"{}\"", crate::testing::device_id(1))], r#"{"total":9}"#), "5000"),
        "/alerts/queries/alerts/v2" => page(&[], r#"{"total":0}"#),
        _ => well(sent),
    })
    .await;
    assert!(found.works(), "{found:?}");
    assert_eq!(
        (value(&found, "hosts"), value(&found, "alerts")),
        ("can be read; 9 in all", "can be read; 0 in all")
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_proves_nothing_is_a_failure() {
    for body in ["{}", "<html>", r#"{"meta":{},"resources":[],"errors":[{"code":500,"message":"x"}]}"#] {
        let found = found(move |sent| if sent.path == HOSTS { json(200, body) } else { well(sent) }).await;
        assert_eq!(ended(&found, ProbeState::Failed), ["hosts"], "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_others_use_up_is_told() {
    let with_left = |left: &'static str, share: f64| {
        let (builder, _) = tenant(move |sent| match sent.path.as_str() {
            HOSTS => limited(page(&[], r#"{"total":0}"#), left),
            _ => well(sent),
        });
        let falcon = builder.rate_share(share).build().unwrap();
        async move { falcon.diagnose().await.probe("rate").unwrap().clone() }
    };
    assert_eq!(with_left("601", 1.0).await.state, ProbeState::Passed);
    let low = with_left("600", 1.0).await;
    assert_eq!(low.state, ProbeState::Warned);
    assert!(low.hint().unwrap().contains("slows down"));
    let shared = with_left("3100", 0.5).await;
    assert_eq!(shared.state, ProbeState::Passed);
    assert!(
        shared.value.unwrap().contains("3100 of 6000 requests a minute are left; rate_share leaves 3000")
    );
    assert_eq!(with_left("2999", 0.5).await.state, ProbeState::Warned);
    let silent = found(|sent| match sent.path.as_str() {
        HOSTS | ALERTS => page(&[], r#"{"total":0}"#),
        _ => well(sent),
    })
    .await;
    assert_eq!(
        (silent.probe("rate").unwrap().state, value(&silent, "rate")),
        (ProbeState::Skipped, "the answers tell no limit")
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_is_a_warning() {
    let found = found(|sent| match sent.path.as_str() {
        "/" => with_header(no_route(), "date", "Sat, 10 Jan 2026 12:10:00 GMT"),
        _ => well(sent),
    })
    .await;
    assert_eq!(ended(&found, ProbeState::Warned), ["clock"]);
    assert!(found.works());
    assert!(value(&found, "clock").contains("10 min behind"), "{found:?}");
}

/// What has been found is kept when the time runs out.
#[tokio::test(start_paused = true)]
async fn what_was_found_before_the_end_is_kept() {
    let transport = MemoryTransport::new(|request| async move {
        if request.uri().path() != "/" {
            std::future::pending::<()>().await;
        }
        no_route()
    });
    let falcon =
        Falcon::builder("acme", "id", "canary".into()).transport(Arc::new(transport)).build().unwrap();
    let mut found = Diagnosis::new();
    let limit = std::time::Duration::from_secs(3);
    assert!(
        tokio::time::timeout(limit, super::super::EdrProvider::diagnose_into(&falcon, &mut found))
            .await
            .is_err()
    );
    assert_eq!(found.probes.len(), 3);
}

#[test]
fn scopes_without_a_probe_have_names_of_their_own() {
    assert_eq!(scope_name(hosts::PROBE.scope), "hosts");
    assert_eq!(scope_name("Hosts: write"), "hosts_write");
    assert_eq!(scope_name("IOC Management: read"), "ioc_management");
}

/// Also what is said before the first scope, and what is said though the rest is skipped.
#[tokio::test(start_paused = true)]
async fn what_the_vendor_says_besides_is_a_warning() {
    for (scopes, failed) in [(true, &[][..]), (false, &["token"][..])] {
        let (builder, _) = tenant(move |sent| match sent.path.as_str() {
            TOKEN if !scopes => json(401, "{}"),
            _ => well(sent),
        });
        let falcon = builder.build().unwrap();
        falcon.client().http().notice("tokens are not shared with other runs: no room");
        let found = falcon.diagnose().await;
        assert_eq!(ended(&found, ProbeState::Failed), failed, "{found:?}");
        let notice = found.probe("notice").unwrap();
        assert_eq!(
            (notice.state, value(&found, "notice")),
            (ProbeState::Warned, "tokens are not shared with other runs: no room")
        );
        assert!(notice.hint().is_some());
    }
}
