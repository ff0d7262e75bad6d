//! One alert of XDR 3 in its five shapes: it is the same alert, field by field, wherever two shapes carry the field.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

use std::collections::{BTreeMap, BTreeSet};

use cortex_xdr::{AlertsPath, CortexXdr, Filters, Generation, KeyType, PageRequest};
use edr_core::clock::{Clock as _, SystemClock};
use edr_core::{Alert, Raw};
use edr_sim::{Access, Sim};
use serde_json::Value;

/// Shape → alert id → alert.
type Shapes = BTreeMap<&'static str, BTreeMap<String, Alert>>;

async fn tenant() -> (Sim, CortexXdr) {
    let builder = Sim::builder().falcon_tenants(0).cortex_hosts(200).alerts(320).cortex_generation(3);
    let sim = builder.enforce_limits(false).epoch(SystemClock.now()).start().await.unwrap();
    let tenant = &sim.tenants()[0];
    let Access::Cortex { api_key_id, api_key, .. } = &tenant.access else { panic!("not a Cortex tenant") };
    let cortex = CortexXdr::builder("cortex-1", api_key_id, api_key.clone().into())
        .base_url(tenant.base_url.parse().unwrap())
        .key_type(KeyType::Advanced)
        .generation(Generation::Xdr3)
        .requests_per_second(0.0)
        .build()
        .unwrap();
    (sim, cortex)
}

async fn shapes(cortex: &CortexXdr) -> Shapes {
    let client = cortex.client();
    let mut raw: BTreeMap<&'static str, Vec<Raw>> = BTreeMap::new();
    for from in (0..320).step_by(100) {
        let page = PageRequest::window(from, 100);
        for (name, path) in
            [("arrays", AlertsPath::V2Events), ("events", AlertsPath::V1Events), ("flat", AlertsPath::V1Flat)]
        {
            let batch = client.alerts(path, &page).await.unwrap();
            raw.entry(name).or_default().extend(batch.items.into_iter().map(|item| item.raw));
        }
        let batch = client.alerts_by_filter_data(&[], from, 100).await.unwrap();
        raw.entry("filter data").or_default().extend(batch.items.into_iter().map(|item| item.raw));
    }
    for incident in client.incidents(Filters::new()).collect().await.unwrap().items {
        let extra = client.incident_extra(incident.incident_id.as_deref().unwrap(), None).await.unwrap();
        raw.entry("incident").or_default().extend(extra.alerts.into_iter().map(|item| item.raw));
    }
    let read = |raw: Vec<Raw>| {
        raw.into_iter()
            .map(|raw| cortex.read_alert(raw).unwrap())
            .map(|alert| (alert.uid.clone(), alert))
            .collect()
    };
    raw.into_iter().map(|(name, raw)| (name, read(raw))).collect()
}

/// True when a value says something.
fn told(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty() && text != "unknown",
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => fields.values().any(told),
        _ => true,
    }
}

/// The places at which two values tell different things; what one of them does not tell is no difference. Of lists of
/// evidence the flat shapes carry the first event's part: what the shorter one has must be in the longer one.
fn differences(place: &str, a: &Value, b: &Value, out: &mut Vec<String>) {
    match (a, b) {
        _ if !told(a) || !told(b) || a == b => {}
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                differences(&format!("{place}.{key}"), value, b.get(key).unwrap_or(&Value::Null), out);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
            for item in short {
                let fits = |other: &Value| {
                    let mut inner = Vec::new();
                    differences(place, item, other, &mut inner);
                    inner.is_empty()
                };
                if !long.iter().any(fits) {
                    out.push(format!("{place}[]: {item} is not in {}", Value::Array(long.clone())));
                }
            }
        }
        _ => out.push(format!("{place}: {a} and {b}")),
    }
}

/// An alert without what is the shape's and not the alert's: the vendor's JSON and words. With several events, the
/// span that they cover, too: some shapes carry the first one only.
fn plain(alert: &Alert, single: bool) -> Value {
    let mut value = serde_json::to_value(alert).unwrap();
    let fields = value.as_object_mut().unwrap();
    let span: &[&str] = if single { &[] } else { &["first_seen", "last_seen"] };
    for own in ["raw", "origins"].iter().chain(span) {
        fields.remove(*own);
    }
    value
}

/// How many events an alert has, by the shape that lists them.
fn events(alert: &Alert) -> usize {
    let raw: Value = serde_json::from_slice(alert.raw.as_bytes()).unwrap();
    raw["events"].as_array().map_or(1, Vec::len)
}

#[tokio::test]
async fn five_shapes_of_an_alert_are_one_alert() {
    let (_sim, cortex) = tenant().await;
    let shapes = shapes(&cortex).await;
    assert_eq!(
        shapes.keys().copied().collect::<Vec<_>>(),
        ["arrays", "events", "filter data", "flat", "incident"]
    );
    let (mut kinds, mut fields, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (id, first) in &shapes["arrays"] {
        kinds.insert(first.title.clone());
        let single = events(&shapes["events"][id]) == 1;
        let expected = plain(first, single);
        fields.extend(
            expected.as_object().unwrap().iter().filter(|(_, v)| told(v)).map(|(key, _)| key.clone()),
        );
        let one = |name: &str| shapes[name].get(id).unwrap_or_else(|| panic!("{name} lacks {id}"));
        let seen: Vec<(&str, Value)> = shapes.keys().map(|name| (*name, plain(one(name), single))).collect();
        for (at, (name, value)) in seen.iter().enumerate() {
            for (other, second) in &seen[at + 1..] {
                let mut found = Vec::new();
                differences("", value, second, &mut found);
                wrong.extend(found.into_iter().map(|what| format!("{name}, {other} {id} {what}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(kinds.len() >= 10, "{} kinds of alert", kinds.len());
    assert!(fields.len() >= 15, "{fields:?}");
    assert!(shapes.values().all(|alerts| alerts.len() == 320));
}

#[test]
fn a_difference_is_found() {
    let mut out = Vec::new();
    let (a, b) =
        (serde_json::json!({"x": 1, "l": [{"p": 1}]}), serde_json::json!({"x": 2, "l": [{"p": 3}], "y": 1}));
    differences("", &a, &b, &mut out);
    assert_eq!(out.len(), 2, "{out:?}");
}
