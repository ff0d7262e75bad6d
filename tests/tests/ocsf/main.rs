//! Every event is one of OCSF 1.8.0: of the simulated estate, of the recorded samples, and of any model.

#![recursion_limit = "256"]
#![expect(clippy::expect_used, reason = "what fails here fails the test")]

mod ecs;
mod model;
mod nouns;
mod whole;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use edr::{Config, Estate, Options, Selection};
use edr_core::clock::{Clock as _, SystemClock};
use edr_core::{
    AlertQuery, ApplicationQuery, CaseQuery, ContainmentChange, EdrProvider, EdrProviderExt as _, HostQuery,
    Ioc, IocAction, IocQuery, IocType, Listed, Query, Raw, Severity, VulnerabilityQuery,
};
use edr_ocsf::{Event, Version, Writer};
use edr_sim::Sim;
use edr_tests::ocsf::{Schemas, record, unseen};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Writers of both versions.
fn writers() -> [Writer; 2] {
    let writer = Writer::new(SystemClock.now());
    [writer, writer.version(Version::V1_3_0)]
}

/// How many hosts and alerts the estate has, half of them of each vendor; all of it in the nightly run.
fn size(name: &str) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(500)
}

/// What is wrong with an event of either version. Both are handed on to the validator of the published package.
fn faults(schemas: &Schemas, what: &str, event: Event) -> (Value, Vec<String>) {
    let event = event.into_value();
    record(what, &event);
    let faults = if event["metadata"]["version"] == "1.8.0" {
        schemas.faults(&event)
    } else {
        unseen(&event, "1.3.0")
    };
    (event, faults)
}

fn check(schemas: &Schemas, what: &str, events: impl IntoIterator<Item = Event>) -> usize {
    let mut count = 0;
    for event in events {
        let (event, faults) = faults(schemas, what, event);
        assert!(faults.is_empty(), "{what}: {faults:#?}\n{event:#}");
        count += 1;
    }
    count
}

/// Everything of a noun; nothing where the vendor does not have it.
async fn all<Q>(provider: &dyn EdrProvider, query: &Q) -> Vec<Q::Item>
where
    Q: Query,
    Q::Item: Listed<Query = Q>,
{
    match provider.collect(query).await {
        Err(error) if error.is_unsupported() => Vec::new(),
        all => all.expect("the listing is read").items,
    }
}

fn indicator(kind: IocType, value: &str) -> Ioc {
    let mut ioc = Ioc::of(kind, value, IocAction::Detect);
    ioc.severity = Severity::High;
    ioc
}

/// Checks every noun of a tenant, in both versions, and counts the items by noun.
async fn tenant(schemas: &Schemas, provider: &dyn EdrProvider) -> BTreeMap<&'static str, u64> {
    let pushed = [indicator(IocType::Ipv4, "10.0.0.5"), indicator(IocType::Domain, "evil.example")];
    provider.push_iocs(&pushed).await.expect("they are taken");
    let hosts = all(provider, &HostQuery::new()).await;
    let alerts = all(provider, &AlertQuery::new()).await;
    let cases = all(provider, &CaseQuery::new()).await;
    let found = all(provider, &VulnerabilityQuery::new()).await;
    let applications = all(provider, &ApplicationQuery::new()).await;
    let iocs = all(provider, &IocQuery::new()).await;
    let mut counts = BTreeMap::new();
    for w in writers() {
        let what = provider.tenant().as_str();
        let mut count = |noun, events: &mut dyn Iterator<Item = Event>| {
            counts.insert(noun, check(schemas, &format!("{what}-{noun}"), events) as u64);
        };
        let change =
            |host: &edr_core::Host| ContainmentChange::between(&edr_core::Host::default(), host, now());
        count("hosts", &mut hosts.iter().map(|h| w.host(h)));
        count("alerts", &mut alerts.iter().map(|a| w.alert(a)));
        count("cases", &mut cases.iter().map(|c| w.case(c)));
        count("vulnerabilities", &mut found.iter().map(|v| w.vulnerability(v)));
        count("applications", &mut applications.iter().map(|a| w.application(a)));
        count("containment", &mut hosts.iter().filter_map(change).map(|c| w.containment(&c)));
        // Not in 1.3.0; so the count of 1.8.0 is kept.
        let iocs: Vec<Event> = iocs.iter().filter_map(|i| w.ioc(i).ok()).collect();
        if !iocs.is_empty() {
            count("iocs", &mut iocs.into_iter());
        }
    }
    counts
}

#[tokio::test]
async fn events_of_the_simulated_estate() {
    let Some(schemas) = Schemas::load() else { return };
    let (hosts, alerts) = (size("EDR_OCSF_HOSTS") / 2, size("EDR_OCSF_ALERTS") / 2);
    for generation in [3, 5] {
        let sim = Sim::builder()
            .falcon_hosts(hosts)
            .cortex_hosts(hosts)
            .alerts(alerts)
            .cortex_generation(generation)
            .enforce_limits(false);
        let sim = sim.start().await.unwrap();
        let config = Config::from_toml(&sim.config_toml()).unwrap();
        let estate = Estate::connect(&config, &Selection::all(), &Options::default()).unwrap();
        for member in estate.members() {
            let provider = member.provider.as_ref().unwrap();
            let counts = tenant(&schemas, &**provider).await;
            println!("{} of generation {generation}: {counts:?}", provider.tenant());
            assert_eq!((counts["hosts"], counts["alerts"]), (hosts, alerts), "{}", provider.tenant());
            assert!(counts["cases"] > 0 && counts["containment"] > 0, "{counts:?}");
            if provider.tenant().as_str().starts_with("falcon") {
                assert!(counts["vulnerabilities"] > 0 && counts["applications"] > 0, "{counts:?}");
                assert_eq!(counts["iocs"], 2, "{counts:?}");
            }
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
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let Some(file) =
            std::fs::read_to_string(&path).ok().and_then(|t| serde_json::from_str::<Value>(&t).ok())
        else {
            continue;
        };
        let what = format!("recorded-{}", path.file_stem().unwrap().display());
        objects(&file, &mut |object| {
            let raw = || bytes::Bytes::from(object.to_string());
            let has = |key: &str| object.get(key).is_some_and(|v| !v.is_null());
            for w in writers() {
                let (noun, event) = if has("device_id") && has("cid") && has("agent_version") {
                    ("Falcon host", falcon::map::host(&raw(), &falcon).ok().map(|h| w.host(&h)))
                } else if has("composite_id") {
                    ("Falcon alert", falcon::map::alert(&raw(), &falcon).ok().map(|a| w.alert(&a)))
                } else if has("aid") && has("cve") {
                    let found = falcon::map::vulnerability(&raw(), &falcon).ok();
                    ("Falcon vulnerability", found.map(|v| w.vulnerability(&v)))
                } else if has("applied_globally") && has("value") && has("id") {
                    ("Falcon ioc", falcon::map::ioc(&raw(), &falcon).ok().and_then(|i| w.ioc(&i).ok()))
                } else if has("endpoint_id") && has("endpoint_name") && !has("alert_id") {
                    ("Cortex host", cortex.read_host(Raw::new(raw())).ok().map(|h| w.host(&h)))
                } else if has("alert_id") {
                    ("Cortex alert", cortex.read_alert(Raw::new(raw())).ok().map(|a| w.alert(&a)))
                } else {
                    return;
                };
                *counts.entry(noun).or_default() += check(&schemas, &what, event);
            }
        });
    }
    println!("{counts:?}");
    assert!(counts.len() == 6 && counts.values().all(|n| *n > 0), "each noun is there: {counts:?}");
}

#[test]
fn events_of_every_deed() {
    let Some(schemas) = Schemas::load() else { return };
    let deeds = nouns::deeds();
    for w in writers() {
        assert_eq!(check(&schemas, "deeds", deeds.iter().map(|d| w.deed(d))), deeds.len());
    }
    let classes: std::collections::BTreeSet<u64> =
        deeds.iter().map(|d| writers()[0].deed(d).class_uid()).collect();
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), [7001, 7002, 7003, 7004]);
    let told =
        serde_json::to_string(&deeds.iter().map(|d| writers()[0].deed(d)).collect::<Vec<_>>()).unwrap();
    assert!(told.contains("token") && !told.contains("hunter2"), "a parameter's value is in an event");
}

proptest! {
    #[test]
    fn events_of_any_model(
        host in model::host(), alert in model::alert(), case in nouns::case(), ioc in nouns::ioc(),
        found in nouns::vulnerability(), application in nouns::application(), change in nouns::change(),
        deed in nouns::deed(),
    ) {
        static SCHEMAS: std::sync::LazyLock<Option<Schemas>> = std::sync::LazyLock::new(Schemas::load);
        let Some(schemas) = &*SCHEMAS else { return Ok(()) };
        for w in writers() {
            let mut events = vec![
                w.host(&host), w.with_raw().alert(&alert), w.case(&case), w.vulnerability(&found),
                w.application(&application), w.containment(&change), w.deed(&deed),
            ];
            events.extend(w.ioc(&ioc));
            for event in events {
                let (event, faults) = faults(schemas, "models", event);
                prop_assert!(faults.is_empty(), "{faults:#?}\n{event:#}");
            }
        }
    }
}

/// One event of each class, with everything in it.
fn full() -> Vec<Event> {
    let [w, _] = writers();
    let mut all = vec![
        w.host(&model::full_host()),
        w.alert(&model::full_alert()),
        w.case(&nouns::full_case()),
        w.vulnerability(&nouns::full_vulnerability()),
        w.application(&nouns::full_application()),
        w.containment(&nouns::full_change()),
        w.ioc(&nouns::full_ioc()).expect("1.8.0 has indicators"),
    ];
    all.extend(nouns::deeds().iter().map(|deed| w.deed(deed)));
    all
}

/// The raw JSON is there when it is asked for, and only then.
#[test]
fn the_vendors_json_is_there_on_request() {
    let [w, _] = writers();
    let case = nouns::full_case();
    assert_eq!(w.with_raw().case(&case).as_map()["raw_data"], "{\"id\":1}");
    assert!(w.case(&case).as_map().get("raw_data").is_none());
}

/// Faults that a checker must see, so that none of the above passes for want of eyes.
#[test]
fn mutants_are_caught() {
    let Some(schemas) = Schemas::load() else { return };
    let good: Vec<Value> = full().into_iter().map(Event::into_value).collect();
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
        (2, "", "finding_info_list", Value::Null),
        (2, "", "assignee", Value::Null),
        (3, "/vulnerabilities/0", "advisory", json!({"uid": "a"})),
        (3, "", "stranger", 1.into()),
        (4, "", "device", Value::Null),
        (4, "/sbom/package", "version", 8.into()),
        (5, "/security_states/0", "state_id", 98.into()),
        (6, "/osint/0", "type_id", 77.into()),
        (7, "", "command_uid", Value::Null),
        (7, "", "connection_info", json!({})),
    ];
    for (which, at, key, value) in mutants {
        let mut event = good[*which].clone();
        assert!(schemas.faults(&event).is_empty(), "{:#?}", schemas.faults(&event));
        let place = if at.is_empty() { Some(&mut event) } else { event.pointer_mut(at) };
        place.unwrap()[*key] = value.clone();
        assert!(!schemas.faults(&event).is_empty(), "{at}/{key} = {value} goes unseen");
    }
}

/// Each of our own checks sees its fault, and says so, where a schema may be blind.
#[test]
fn each_check_of_our_own_can_fail() {
    let good: Vec<Value> = full().into_iter().map(Event::into_value).collect();
    let cases: &[(usize, &str, Value, &str)] = &[
        (0, "/time", 1_767_323_045.into(), "no time in milliseconds"),
        (3, "/vulnerabilities/0/first_seen_time", 1_767_323_045.into(), "no time in milliseconds"),
        (2, "/type_uid", 200_599.into(), "type_uid"),
        (2, "/type_name", "Incident Finding: Odd".into(), "type_name"),
        (0, "/observables/0/name", "device.nowhere".into(), "device.nowhere is not there"),
        (3, "/observables/1/value", "CVE-1999-1".into(), "vulnerabilities.cve.uid is not there"),
        (6, "/observables/0/name", "osint.uid".into(), "osint.uid is not there"),
        (1, "/metadata/profiles", json!(["cloud", "incident", "security_control"]), "profile host"),
        (1, "/metadata/profiles", json!(["cloud", "host", "security_control"]), "profile incident"),
        (1, "/metadata/profiles", json!(["cloud", "host", "incident"]), "profile security_control"),
        (0, "/metadata/profiles", json!([]), "profile cloud"),
        (2, "/metadata/profiles", json!([]), "profile incident"),
        (7, "/metadata/profiles", json!([]), "profile host"),
        (0, "/metadata/version", "1.3.0".into(), "version"),
    ];
    for (which, at, value, says) in cases {
        let mut event = good[*which].clone();
        assert_eq!(unseen(&event, "1.8.0"), Vec::<String>::new());
        *event.pointer_mut(at).unwrap_or_else(|| panic!("{at}")) = value.clone();
        let faults = unseen(&event, "1.8.0");
        assert!(faults.iter().any(|f| f.contains(says)), "{at} = {value}: {faults:?}");
    }
}

fn now() -> DateTime<Utc> {
    SystemClock.now()
}
