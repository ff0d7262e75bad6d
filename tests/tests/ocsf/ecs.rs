//! Every document has fields of ECS 9 alone, each of its type: of the simulated estate, and of any model.

use std::collections::BTreeSet;
use std::net::IpAddr;

use edr::{Config, Estate, Options, Selection};
use edr_core::{AlertQuery, EdrProviderExt as _, HostQuery};
use edr_ocsf::ecs::{self, Document, FIELDS, Field, FieldType};
use edr_sim::Sim;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{model, now, size};

/// What is wrong with a document; `of` says which of its noun's fields a field is.
fn faults(document: &Document, of: fn(&Field) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, value) in document.fields() {
        match FIELDS.iter().find(|field| field.name == name) {
            None => faults.push(format!("{name} is not in the list")),
            Some(field) if !of(field) => faults.push(format!("{name} is not of this noun")),
            Some(field) if !fits(field.kind, value) => {
                faults.push(format!("{name} is no {:?}: {value}", field.kind));
            }
            Some(_) => {}
        }
    }
    let required = ["@timestamp", "ecs.version", "event.kind", "event.category", "event.type", "edr.urn"];
    faults.extend(required.iter().filter(|r| document.field(r).is_none()).map(|r| format!("{r} is missing")));
    faults.extend(odd_names(document));
    faults
}

fn fits(kind: FieldType, value: &Value) -> bool {
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let ip = |value: &Value| value.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok());
    let all = |fits: fn(&Value) -> bool| {
        value.as_array().is_some_and(|items| {
            let distinct: BTreeSet<String> = items.iter().map(Value::to_string).collect();
            !items.is_empty() && items.iter().all(fits) && distinct.len() == items.len()
        })
    };
    match kind {
        FieldType::Boolean => value.is_boolean(),
        FieldType::Date => value
            .as_str()
            .is_some_and(|text| text.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(text).is_ok()),
        FieldType::Float => value.is_f64(),
        FieldType::Ip => ip(value),
        FieldType::Ips => all(ip),
        FieldType::Keyword | FieldType::Text => text(value),
        FieldType::Keywords => all(text),
        FieldType::Long => value.is_i64() || value.is_u64(),
    }
}

/// Values that the schema fixes.
fn odd_names(document: &Document) -> Vec<String> {
    let fixed: &[(&str, &[&str])] = &[
        ("event.kind", &["alert", "asset"]),
        ("event.category", &["file", "host", "intrusion_detection", "network", "process", "registry"]),
        ("event.type", &["allowed", "denied", "info"]),
        ("event.outcome", &["failure", "success"]),
        ("host.os.type", &["android", "ios", "linux", "macos", "unix", "windows"]),
        ("threat.indicator.type", &["artifact", "domain-name", "file", "ipv4-addr", "ipv6-addr", "url"]),
    ];
    let words = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let strange = fixed.iter().filter(|(name, allowed)| {
        let words = document.field(name).map(words).unwrap_or_default();
        words.iter().any(|word| !word.as_str().is_some_and(|word| allowed.contains(&word)))
    });
    let mut odd: Vec<String> =
        strange.map(|(name, _)| format!("{name}: {:?}", document.field(name))).collect();
    let name = document.field("host.name").and_then(Value::as_str).unwrap_or_default();
    if name != name.to_lowercase() {
        odd.push(format!("host.name is not in lower case: {name}"));
    }
    odd
}

fn of_hosts(field: &Field) -> bool {
    field.of_hosts
}

fn of_alerts(field: &Field) -> bool {
    field.of_alerts
}

#[tokio::test]
async fn documents_of_the_simulated_estate() {
    let (each, any) = (size("EDR_OCSF_HOSTS") / 2, size("EDR_OCSF_ALERTS") / 2);
    for generation in [3, 5] {
        let sim = Sim::builder()
            .falcon_hosts(each)
            .cortex_hosts(each)
            .alerts(any)
            .cortex_generation(generation)
            .enforce_limits(false);
        let sim = sim.start().await.unwrap();
        let config = Config::from_toml(&sim.config_toml()).unwrap();
        let estate = Estate::connect(&config, &Selection::all(), &Options::default()).unwrap();
        for member in estate.members() {
            let provider = member.provider.as_ref().unwrap();
            let hosts = provider.collect_hosts(&HostQuery::new()).await.unwrap().items;
            let alerts = provider.collect_alerts(&AlertQuery::new()).await.unwrap().items;
            for host in &hosts {
                assert_eq!(faults(&ecs::host(host, now()), of_hosts), Vec::<String>::new(), "{host:?}");
            }
            for alert in &alerts {
                assert_eq!(faults(&ecs::alert(alert, now()), of_alerts), Vec::<String>::new(), "{alert:?}");
            }
            assert_eq!((hosts.len() as u64, alerts.len() as u64), (each, any));
        }
    }
}

proptest! {
    #[test]
    fn documents_of_any_model(host in model::host(), alert in model::alert()) {
        prop_assert_eq!(faults(&ecs::host(&host, now()).with_original(&host.raw), of_hosts), Vec::<String>::new());
        prop_assert_eq!(faults(&ecs::alert(&alert, now()).with_original(&alert.raw), of_alerts), Vec::<String>::new());
    }
}

/// Whatever has everything has nearly every field, so that the list holds no field that nothing can have.
#[test]
fn every_field_of_the_list_can_be_there() {
    let mut alert = model::full_alert();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut host = model::full_host();
    let iocs = std::mem::take(&mut alert.iocs);
    let mut sub = iocs.clone();
    for kind in ["md5", "sha1", "ipv6", "ipv4"] {
        let mut one = iocs[0].clone();
        (one.kind, one.value) =
            (kind.to_owned(), if kind.starts_with("ip") { "192.0.2.1".into() } else { "ab".repeat(20) });
        sub.push(one);
    }
    for ioc in sub {
        alert.iocs = vec![ioc];
        let document = ecs::alert(&alert, now()).with_original(&alert.raw);
        assert_eq!(faults(&document, of_alerts), Vec::<String>::new());
        seen.extend(document.fields().map(|(name, _)| name.to_owned()));
    }
    for evidence in &mut alert.evidences {
        if let Some(network) = &mut evidence.network {
            (network.protocol, network.direction) = (Some("http".to_owned()), Some("inbound".to_owned()));
        }
        if let Some(process) = &mut evidence.process {
            process.parent = Some(Box::new(process.clone()));
        }
    }
    seen.extend(ecs::alert(&alert, now()).fields().map(|(name, _)| name.to_owned()));
    for worse in [true, false] {
        if let Some(risk) = &mut host.risk {
            risk.higher_is_worse = worse;
        }
        let document = ecs::host(&host, now()).with_original(&host.raw);
        assert_eq!(faults(&document, of_hosts), Vec::<String>::new());
        seen.extend(document.fields().map(|(name, _)| name.to_owned()));
    }
    let unseen: Vec<&str> = FIELDS.iter().map(|f| f.name).filter(|name| !seen.contains(*name)).collect();
    assert_eq!(unseen, Vec::<&str>::new());
}

/// Types that a checker must tell apart, so that none of the above passes for want of eyes.
#[test]
fn values_of_another_type_are_seen() {
    for (kind, good, bad) in [
        (FieldType::Boolean, json!(true), json!("true")),
        (FieldType::Date, json!("2026-01-08T12:00:00.000Z"), json!(1_767_873_600)),
        (FieldType::Date, json!("2026-01-08T12:00:00Z"), json!("2026-01-08T12:00:00+02:00")),
        (FieldType::Float, json!(1.5), json!("1.5")),
        (FieldType::Ip, json!("10.0.0.1"), json!("10.0.0.1:80")),
        (FieldType::Ips, json!(["::1"]), json!("::1")),
        (FieldType::Keyword, json!("a"), json!("")),
        (FieldType::Keywords, json!(["a", "b"]), json!(["a", "a"])),
        (FieldType::Long, json!(4), json!(4.5)),
    ] {
        assert!(fits(kind, &good) && !fits(kind, &bad), "{kind:?}");
    }
}

/// The page lists every field that there is, and no other.
#[test]
fn the_page_lists_the_fields() {
    let page = std::fs::read_to_string(edr_tests::graph::root().join("docs/ECS.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: BTreeSet<(&str, bool, bool)> = rows
        .filter(|(_, rest)| rest.matches('|').count() == 4)
        .map(|(name, rest)| {
            let nouns = rest.split('|').nth(2).unwrap_or_default();
            (name, nouns.contains("hosts"), nouns.contains("alerts"))
        })
        .collect();
    let fields: BTreeSet<(&str, bool, bool)> =
        FIELDS.iter().map(|field| (field.name, field.of_hosts, field.of_alerts)).collect();
    assert_eq!(listed, fields);
}
