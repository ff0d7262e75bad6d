//! What works for a tenant, probe by probe.

use chrono::TimeDelta;
use cortex_xdr::{Generation, KeyType};
use edr_core::{Diagnosis, EdrProviderExt as _, ErrorKind, ProbeState};
use edr_http::{TransportError, TransportErrorKind};
use serde_json::{Value, json};

use crate::common::{Answer, KEY, Seen, alert, alerts, builder, dated, error, hosts, missing, now, ok};

const NAMES: [&str; 10] = [
    "address",
    "connection",
    "clock",
    "key",
    "generation",
    "endpoints",
    "alerts",
    "health",
    "expiry",
    "rate",
];

fn issues() -> Answer {
    ok(&json!({"reply": {"TOTAL_COUNT": 3, "FILTER_COUNT": 3, "DATA": [
        {"id": 1, "name": "x", "severity": "SEV_040_HIGH", "_insert_time": 1_767_000_000_000_u64}]}}))
}

fn keys(expiration: &Value) -> Answer {
    ok(
        &json!({"reply": {"DATA": [{"id": 3, "expiration": 1}, {"id": 7, "roles": ["Viewer"], "expiration": expiration}]}}),
    )
}

fn in_days(days: i64) -> Value {
    (now() + TimeDelta::days(days)).timestamp_millis().into()
}

/// A tenant of generation 5 in which all is well.
fn well(seen: &Seen) -> Answer {
    let answer = match seen.path.rsplit('/').next().unwrap() {
        "" => missing(),
        "get_endpoint" => hosts(0..1, 4711),
        "search" => issues(),
        "healthcheck" => ok(&json!({"status": "available"})),
        "get_api_keys" => keys(&in_days(90)),
        _ => missing(),
    };
    dated(answer, now())
}

/// The same of generation 3.
fn well_of_three(seen: &Seen) -> Answer {
    match seen.path.rsplit('/').next().unwrap() {
        "search" | "get_api_keys" => missing(),
        "get_alerts_multi_events" => alerts(&[alert(1, 1_767_000_000_000)], 9_999),
        _ => well(seen),
    }
}

async fn found(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Diagnosis {
    let (builder, _) = builder(handler);
    builder.requests_per_second(10.0).build().unwrap().diagnose().await
}

fn ended(found: &Diagnosis, state: ProbeState) -> Vec<&str> {
    found.probes.iter().filter(|p| p.state == state).map(|p| p.name.as_ref()).collect()
}

fn value<'a>(found: &'a Diagnosis, name: &str) -> &'a str {
    found.probe(name).unwrap().value.as_deref().unwrap_or_default()
}

fn hint<'a>(found: &'a Diagnosis, name: &str) -> &'a str {
    found.probe(name).unwrap().hint().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn all_is_well_on_both_generations() {
    let five = found(well).await;
    assert_eq!(ended(&five, ProbeState::Passed), NAMES, "{five:?}");
    assert_eq!(value(&five, "key"), "accepted, used as advanced");
    assert_eq!(value(&five, "generation"), "5 (issues), found by itself");
    assert_eq!(
        (value(&five, "endpoints"), value(&five, "alerts")),
        ("can be read; 4711 in all", "can be read; 3 in all")
    );
    assert_eq!(
        value(&five, "expiry"),
        format!("{}, in 90 days", (now() + TimeDelta::days(90)).format("%Y-%m-%d"))
    );
    assert_eq!(value(&five, "rate"), "up to 10 requests a second, kept here");
    assert_eq!(five.probe("alerts").unwrap().needs.as_deref(), Some("the role Viewer"));

    let three = found(well_of_three).await;
    assert_eq!(ended(&three, ProbeState::Skipped), ["expiry"]);
    assert!(three.works() && value(&three, "generation").starts_with("3 (alerts)"), "{three:?}");
    assert_eq!(value(&three, "alerts"), "can be read");
    assert!(value(&three, "expiry").contains("generation 3 has no call"), "{three:?}");
}

#[tokio::test(start_paused = true)]
async fn the_way_is_looked_at_without_the_key() {
    let (builder, log) = builder(well);
    builder.build().unwrap().diagnose().await;
    let first = &log.all()[0];
    assert_eq!(
        (first.path.as_str(), first.header("authorization"), first.header("x-xdr-auth-id")),
        ("/", "", "")
    );
    assert!(log.len() <= 7, "{:?}", log.paths());
}

/// Whether a request uses the key as a Standard one.
fn is_standard(seen: &Seen) -> bool {
    seen.header("authorization") == KEY
}

#[tokio::test(start_paused = true)]
async fn a_key_of_the_other_type_is_told_apart() {
    for ours in [KeyType::Advanced, KeyType::Standard] {
        let (builder, log) = builder(move |seen| match seen.path.as_str() {
            "/" => well(seen),
            _ if is_standard(seen) == (ours == KeyType::Standard) => {
                error(401, "Public API request unauthorized")
            }
            _ => well(seen),
        });
        let found = builder.key_type(ours).build().unwrap().diagnose().await;
        assert_eq!(ended(&found, ProbeState::Failed), ["key"]);
        let other = if ours == KeyType::Advanced { "standard" } else { "advanced" };
        assert_eq!(
            hint(&found, "key"),
            format!("the key works as {other}: set key_type = \"{other}\" for this tenant")
        );
        assert_eq!(
            ended(&found, ProbeState::Skipped),
            ["generation", "endpoints", "alerts", "health", "expiry"]
        );
        assert_eq!(log.len(), 4, "the way, the configured type once more after its refusal, the other once");
        assert!(!format!("{found:?}").contains(KEY));
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_names_the_causes_in_order() {
    let refuse = |seen: &Seen| if seen.path == "/" { well(seen) } else { error(401, "no") };
    let found = found(refuse).await;
    let says = hint(&found, "key");
    let at = |words: &str| says.find(words).unwrap_or_else(|| panic!("{words}: {says}"));
    assert!(
        at("refused as standard, too") < at("the id is the number") && at("the id is") < at("expired"),
        "{says}"
    );
    assert!(at("expired") < at("copied whole"), "{says}");
    assert!(found.failures().all(|e| e.kind() == ErrorKind::Authentication && e.tenant().is_some()));
}

#[tokio::test(start_paused = true)]
async fn an_advanced_key_is_not_sent_to_strangers() {
    let (builder, log) = builder(|seen| if seen.path == "/" { well(seen) } else { error(401, "no") });
    let gateway = builder.base_url("https://gateway.example.com".parse().unwrap()).build().unwrap();
    let found = gateway.diagnose().await;
    assert!(hint(&found, "key").contains("standard was not tried"), "{found:?}");
    assert!(log.all().iter().all(|seen| !is_standard(seen)));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_is_a_warning_and_the_rest_works() {
    for minutes in [10, -10] {
        let theirs = now() + TimeDelta::minutes(minutes);
        let found = found(move |seen| {
            let stamp = seen.header("x-xdr-timestamp").parse::<i64>().ok();
            let off = stamp.is_some_and(|stamp| (stamp - theirs.timestamp_millis()).abs() > 300_000);
            dated(if off { error(401, "unauthorized") } else { well(seen) }, theirs)
        })
        .await;
        assert_eq!(ended(&found, ProbeState::Warned), ["clock"], "{found:?}");
        assert!(found.works() && value(&found, "clock").contains("10 min"), "{found:?}");
        assert!(hint(&found, "clock").contains("refused beyond 5 minutes"));
        assert!(found.probe("notice").is_none(), "it is told once");
    }
    let (builder, _) = builder(|seen| dated(well(seen), now() + TimeDelta::minutes(10)));
    let standard = builder.key_type(KeyType::Standard).build().unwrap().diagnose().await;
    assert!(hint(&standard, "clock").contains("--since"), "{standard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_role_or_licence_is_named_and_the_rest_is_looked_at() {
    for (status, kind) in [(403, ErrorKind::Permission), (402, ErrorKind::Licence)] {
        let found = found(
            move |seen| {
                if seen.path.ends_with("get_endpoint") { error(status, "no") } else { well(seen) }
            },
        )
        .await;
        assert_eq!(ended(&found, ProbeState::Failed), ["endpoints"], "{found:?}");
        assert_eq!(found.failures().next().unwrap().kind(), kind);
        assert!(value(&found, "key").starts_with("accepted"), "a key without rights is a good key");
    }
    let none = found(|seen| if seen.path == "/" { well(seen) } else { error(403, "no") }).await;
    assert_eq!(ended(&none, ProbeState::Failed), ["generation", "endpoints"], "{none:?}");
    assert_eq!(ended(&none, ProbeState::Skipped), ["alerts", "health", "expiry"]);
    assert!(hint(&none, "endpoints").contains("the role Viewer"), "{none:?}");
}

#[tokio::test(start_paused = true)]
async fn a_generation_that_is_configured_wrong_is_told() {
    let (builder, _) = builder(well);
    let five = builder.generation(Generation::Xdr3).build().unwrap().diagnose().await;
    assert_eq!(ended(&five, ProbeState::Warned), ["generation", "rate"]);
    assert_eq!(ended(&five, ProbeState::Failed), ["alerts"], "generation 5 serves no alerts here");
    assert!(hint(&five, "generation").contains("set generation = 5"), "{five:?}");
    let (right, _) = self::builder(well_of_three);
    let three = right.generation(Generation::Xdr3).build().unwrap().diagnose().await;
    assert_eq!(value(&three, "generation"), "3 (alerts), as configured");
}

#[tokio::test(start_paused = true)]
async fn an_address_without_a_tenant_is_told() {
    let found = found(|_| missing()).await;
    assert_eq!(ended(&found, ProbeState::Failed), ["key"]);
    assert!(hint(&found, "key").contains("Copy API URL"), "{found:?}");
    let dead = self::found(|_| Err(TransportError::new(TransportErrorKind::Connect))).await;
    assert_eq!(ended(&dead, ProbeState::Failed), ["connection"]);
    assert_eq!(value(&dead, "key"), "there is no connection");
    assert_eq!(ended(&dead, ProbeState::Passed), ["address", "rate"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_ends_soon_is_a_warning() {
    for (expiration, state, says) in [
        (in_days(8), ProbeState::Passed, "in 8 days"),
        (in_days(7), ProbeState::Warned, "in 7 days"),
        (in_days(1), ProbeState::Warned, "in 24 h"),
        ((now() + TimeDelta::minutes(9)).timestamp_millis().into(), ProbeState::Warned, "in 9 min"),
        (Value::Null, ProbeState::Passed, "has no end"),
        ("soon".into(), ProbeState::Skipped, "cannot be read: soon"),
    ] {
        let found = found(
            move |seen| {
                if seen.path.ends_with("get_api_keys") { keys(&expiration) } else { well(seen) }
            },
        )
        .await;
        let probe = found.probe("expiry").unwrap();
        assert_eq!(probe.state, state, "{probe:?}");
        assert!(value(&found, "expiry").contains(says), "{probe:?}");
        assert_eq!(probe.hint().is_some_and(|h| h.contains("make a new key")), state == ProbeState::Warned);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_key_may_not_ask_is_skipped_with_the_reason() {
    for (status, says) in [(403, "role does not have"), (402, "role does not have"), (404, "does not serve")]
    {
        let found = found(move |seen| match seen.path.rsplit('/').next().unwrap() {
            "get_api_keys" | "healthcheck" => error(status, "no"),
            _ => well(seen),
        })
        .await;
        assert_eq!(ended(&found, ProbeState::Skipped), ["health", "expiry"]);
        assert!(value(&found, "expiry").contains(says), "{found:?}");
    }
    let others = found(|seen| {
        if seen.path.ends_with("get_api_keys") { ok(&json!({"DATA": [{"id": 3}]})) } else { well(seen) }
    })
    .await;
    assert!(value(&others, "expiry").contains("not among"), "{others:?}");
    let ill = found(|seen| match seen.path.rsplit('/').next().unwrap() {
        "healthcheck" => ok(&json!({"status": "maintenance"})),
        "get_api_keys" => error(503, "busy"),
        _ => well(seen),
    })
    .await;
    assert_eq!(ended(&ill, ProbeState::Warned), ["health", "expiry"]);
    assert_eq!((value(&ill, "health"), value(&ill, "expiry")), ("maintenance", "not told: vendor"));
}

#[tokio::test(start_paused = true)]
async fn a_pace_above_the_vendors_is_a_warning() {
    for (rate, share, state, says) in [
        (10.0, 0.5, ProbeState::Passed, "up to 5 requests"),
        (10.0, 1.0 / 3.0, ProbeState::Passed, "up to 3.3 requests"),
        (40.0, 1.0, ProbeState::Warned, "up to 40 requests"),
        (0.0, 1.0, ProbeState::Warned, "not paced"),
    ] {
        let (builder, _) = builder(well);
        let found = builder.requests_per_second(rate).rate_share(share).build().unwrap().diagnose().await;
        assert_eq!(found.probe("rate").unwrap().state, state);
        assert!(value(&found, "rate").contains(says), "{found:?}");
    }
}

/// What was learned of the alerts is a warning; what was learned of the clock stands in its probe.
#[tokio::test(start_paused = true)]
async fn what_is_learned_besides_is_a_warning() {
    let found =
        found(
            |seen| if seen.is("v2/alerts/get_alerts_multi_events") { missing() } else { well_of_three(seen) },
        );
    let found = found.await;
    assert_eq!(ended(&found, ProbeState::Warned), ["notice"], "{found:?}");
    assert!(value(&found, "notice").contains("does not serve"), "{found:?}");
    assert!(!hint(&found, "notice").is_empty());
}
