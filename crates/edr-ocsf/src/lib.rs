//! Hosts and alerts as events of the [Open Cybersecurity Schema Framework](https://schema.ocsf.io/1.8.0), version 1.8.0.
//!
//! A pure projection of the model: nothing is asked, nothing is guessed, the same item gives the same event.
//!
//! | item | class |
//! | --- | --- |
//! | [`Host`] | Device Inventory Info (5001), activity Collect |
//! | [`Alert`] | Detection Finding (2004), activity Create, Update or Close |
//!
//! What the standard has no attribute for stands under `unmapped.edr` in the model's names: containment and connection
//! state above all, which OCSF's `device` does not know. Enums outside the standard's tables are `99` with the vendor's own word.
//! Times are milliseconds since 1970. The vendor's JSON is in `raw_data` when [`Writer::with_raw`] asks for it.
//!
//! The same items as documents of the Elastic Common Schema: [`ecs`].
//!
//! ```
//! use chrono::DateTime;
//! use edr_core::Host;
//! use edr_ocsf::Writer;
//!
//! let mut host = Host::new("falcon", "acme", "0f3a", "{}");
//! host.hostname = "ANN-NB01".into();
//! let event = Writer::new(DateTime::UNIX_EPOCH).host(&host);
//! assert_eq!(event.class_uid(), 5001);
//! assert_eq!(event.as_map()["device"]["hostname"], "ANN-NB01");
//! ```

mod build;
mod device;
pub mod ecs;
mod evidence;
mod finding;
mod inventory;
mod words;

use chrono::{DateTime, Utc};
use edr_core::{Alert, Host, Raw, Vendor};
use serde::Serialize;
use serde_json::{Map, Value};

use build::Object;

/// The version of the schema that events are written in.
pub const VERSION: &str = "1.8.0";

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Event(Map<String, Value>);

impl Event {
    /// The class, such as 2004.
    #[must_use]
    pub fn class_uid(&self) -> u64 {
        self.0.get("class_uid").and_then(Value::as_u64).unwrap_or_default()
    }

    /// When it happened, in milliseconds since 1970.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.0.get("time").and_then(Value::as_i64).unwrap_or_default()
    }

    /// The attributes.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The event as a JSON value.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// Writes events.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    now: DateTime<Utc>,
    raw: bool,
}

impl Writer {
    /// A writer whose inventory was collected at this time.
    #[must_use]
    pub fn new(collected: DateTime<Utc>) -> Self {
        Self { now: collected, raw: false }
    }

    /// Puts the vendor's JSON into `raw_data`.
    #[must_use]
    pub fn with_raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// The event of a host: Device Inventory Info (5001).
    #[must_use]
    pub fn host(&self, host: &Host) -> Event {
        inventory::event(host, self)
    }

    /// The event of an alert: Detection Finding (2004).
    #[must_use]
    pub fn alert(&self, alert: &Alert) -> Event {
        finding::event(alert, self)
    }
}

/// A class with its activity.
struct Class {
    uid: u64,
    name: &'static str,
    category: (u64, &'static str),
    activity: (u64, &'static str),
}

/// What every event begins with.
fn head(class: &Class, writer: &Writer, raw: &Raw) -> Object {
    let mut event = Object::new();
    event
        .id("activity", "activity_name", class.activity)
        .put("category_uid", class.category.0)
        .put("category_name", class.category.1)
        .put("class_uid", class.uid)
        .put("class_name", class.name)
        .put("type_uid", class.uid * 100 + class.activity.0)
        .put("type_name", format!("{}: {}", class.name, class.activity.1));
    if writer.raw {
        event.some("raw_data", raw.as_str().filter(|text| !text.is_empty()));
    }
    event
}

/// Where an event comes from.
struct Source<'a> {
    vendor: &'a Vendor,
    urn: String,
    tenant_uid: Option<&'a str>,
    feature: Option<&'a str>,
    labels: Vec<String>,
    profiles: Vec<&'static str>,
}

/// A product and who makes it.
fn product(vendor: &Vendor) -> (&str, &str) {
    match vendor.as_str() {
        "falcon" => ("Falcon", "CrowdStrike"),
        "cortex" => ("Cortex XDR", "Palo Alto Networks"),
        other => (other, other),
    }
}

fn metadata(source: Source<'_>) -> Object {
    let (product, maker) = product(source.vendor);
    let mut feature = Object::new();
    feature.some("name", source.feature);
    let mut described = Object::new();
    described.put("name", product).put("vendor_name", maker).object("feature", feature);
    let mut metadata = Object::new();
    metadata
        .put("version", VERSION)
        .put("uid", source.urn)
        .object("product", described)
        .some("tenant_uid", source.tenant_uid)
        .list("labels", source.labels)
        .list("profiles", source.profiles);
    metadata
}
