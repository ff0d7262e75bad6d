//! Every event is one of OCSF 1.8.0: of the simulated estate, of the recorded samples, and of any model.

#![recursion_limit = "256"]
#![expect(clippy::expect_used, reason = "what fails here fails the test")]

mod ecs;
mod model;

use chrono::{DateTime, Utc};
use edr::{Config, Estate, Options, Selection};
use edr_core::clock::{Clock as _, SystemClock};
use edr_core::{AlertQuery, EdrProviderExt as _, HostQuery, Raw};
use edr_ocsf::{Event, Writer};
use edr_sim::Sim;
use edr_tests::ocsf::Schemas;
use proptest::prelude::*;
use serde_json::Value;

fn writer() -> Writer {
    Writer::new(SystemClock.now())
}

/// How many items of each noun and tenant the estate has; all of it in the nightly run.
fn size() -> u64 {
    std::env::var("EDR_OCSF_ITEMS").ok().and_then(|n| n.parse().ok()).unwrap_or(250)
}

fn check(schemas: &Schemas, what: &str, events: impl Iterator<Item = Event>) -> usize {
    let mut count = 0;
    for event in events {
        let event = event.into_value();
        let faults = schemas.faults(&event);
        assert!(faults.is_empty(), "{what}: {faults:#?}\n{event:#}");
        count += 1;
    }
    count
}

#[tokio::test]
async fn events_of_the_simulated_estate() {
    let Some(schemas) = Schemas::load() else { return };
    let n = size();
    for generation in [3, 5] {
        let sim = Sim::builder()
            .falcon_hosts(n)
            .cortex_hosts(n)
            .alerts(n)
            .cortex_generation(generation)
            .enforce_limits(false);
        let sim = sim.start().await.unwrap();
        let config = Config::from_toml(&sim.config_toml()).unwrap();
        let estate = Estate::connect(&config, &Selection::all(), &Options::default()).unwrap();
        for member in estate.members() {
            let provider = member.provider.as_ref().unwrap();
            let hosts = provider.collect_hosts(&HostQuery::new()).await.unwrap().items;
            let alerts = provider.collect_alerts(&AlertQuery::new()).await.unwrap().items;
            let tenant = provider.tenant().as_str();
            let hosts = check(&schemas, tenant, hosts.iter().map(|h| writer().host(h)));
            let alerts = check(&schemas, tenant, alerts.iter().map(|a| writer().alert(a)));
            assert_eq!((hosts as u64, alerts as u64), (n, n), "{tenant}");
        }
    }
}

/// Every object in a JSON value.
fn objects<'a>(value: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
    match value {
        Value::Object(map) => {
            visit(value);
            map.values().for_each(|v| objects(v, visit));
        }
        Value::Array(items) => items.iter().for_each(|v| objects(v, visit)),
        _ => {}
    }
}

#[test]
fn events_of_the_recorded_samples() {
    let (Some(schemas), Some(folder)) = (Schemas::load(), edr_tests::replay::samples()) else { return };
    let secret = || secrecy::SecretString::from("a-secret");
    let falcon = falcon::map::Context { tenant: "recorded".into(), now: now() };
    let cortex = edr::cortex_xdr::CortexXdr::builder("recorded", "1", secret())
        .fqdn("recorded.xdr.eu.paloaltonetworks.com".parse().unwrap())
        .build()
        .unwrap();
    let mut counts = [0; 4];
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let Some(file) =
            std::fs::read_to_string(&path).ok().and_then(|t| serde_json::from_str::<Value>(&t).ok())
        else {
            continue;
        };
        let what = path.display().to_string();
        objects(&file, &mut |object| {
            let raw = || bytes::Bytes::from(object.to_string());
            let has = |key: &str| object.get(key).is_some_and(|v| !v.is_null());
            let event = if has("device_id") && has("cid") && has("agent_version") {
                (0, falcon::map::host(&raw(), &falcon).ok().map(|h| writer().host(&h)))
            } else if has("composite_id") {
                (1, falcon::map::alert(&raw(), &falcon).ok().map(|a| writer().alert(&a)))
            } else if has("endpoint_id") && has("endpoint_name") && !has("alert_id") {
                (2, cortex.read_host(Raw::new(raw())).ok().map(|h| writer().host(&h)))
            } else if has("alert_id") {
                (3, cortex.read_alert(Raw::new(raw())).ok().map(|a| writer().alert(&a)))
            } else {
                return;
            };
            counts[event.0] += check(&schemas, &what, event.1.into_iter());
        });
    }
    assert!(counts.iter().all(|n| *n > 0), "hosts and alerts of both vendors: {counts:?}");
    println!("{counts:?}");
}

proptest! {
    #[test]
    fn events_of_any_model(host in model::host(), alert in model::alert()) {
        static SCHEMAS: std::sync::LazyLock<Option<Schemas>> = std::sync::LazyLock::new(Schemas::load);
        let Some(schemas) = &*SCHEMAS else { return Ok(()) };
        for event in [writer().host(&host), writer().with_raw().alert(&alert)] {
            let event = event.into_value();
            let faults = schemas.faults(&event);
            prop_assert!(faults.is_empty(), "{faults:#?}\n{event:#}");
        }
    }
}

/// Faults that a checker must see, so that none of the above passes for want of eyes.
#[test]
fn mutants_are_caught() {
    let Some(schemas) = Schemas::load() else { return };
    let host = model::full_host();
    let alert = model::full_alert();
    let good = [writer().host(&host).into_value(), writer().alert(&alert).into_value()];
    let mutants: &[(usize, &str, &str, Value)] = &[
        (0, "", "time", (now().timestamp()).into()),
        (0, "", "type_uid", 500_101.into()),
        (0, "", "stranger", 1.into()),
        (0, "/metadata", "version", "1.3.0".into()),
        (0, "/device", "type_id", 42.into()),
        (0, "/device", "hostname", "ELSEWHERE".into()),
        (0, "/device", "first_seen_time", 1_700_000_000.into()),
        (0, "", "device", Value::Null),
        (1, "", "severity_id", 7.into()),
        (1, "", "finding_info", serde_json::json!({})),
        (1, "/metadata", "profiles", serde_json::json!([])),
        (1, "/evidences/0/process", "pid", "12".into()),
        (1, "/finding_info", "created_time", "2026-01-01".into()),
    ];
    for (which, at, key, value) in mutants {
        let mut event = good[*which].clone();
        assert!(schemas.faults(&event).is_empty(), "{:#?}", schemas.faults(&event));
        let place = if at.is_empty() { Some(&mut event) } else { event.pointer_mut(at) };
        place.unwrap()[*key] = value.clone();
        assert!(!schemas.faults(&event).is_empty(), "{at}/{key} = {value} goes unseen");
    }
}

fn now() -> DateTime<Utc> {
    SystemClock.now()
}
