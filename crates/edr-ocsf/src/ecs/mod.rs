//! Hosts and alerts as documents of the [Elastic Common Schema](https://www.elastic.co/guide/en/ecs/current/), version 9.
//!
//! | item | `event.kind` | `event.category` |
//! | --- | --- | --- |
//! | [`Host`] | `asset` | `host` |
//! | [`Alert`] | `alert` | `intrusion_detection`, and what its evidence is about |
//!
//! Every field that can appear is in [`FIELDS`], with its type. What the schema has no field for, and what it would be a loss
//! to leave out, stands under `edr`, as the schema wants it for fields of one's own. A field that the schema has once holds the
//! first of several; `related.*` holds them all.
//!
//! ```
//! use chrono::DateTime;
//! use edr_core::Host;
//! use edr_ocsf::ecs;
//!
//! let mut host = Host::new("falcon", "acme", "0f3a", "{}");
//! host.hostname = "ANN-NB01".into();
//! let document = ecs::host(&host, DateTime::UNIX_EPOCH);
//! assert_eq!(document.field("host.name").unwrap(), "ann-nb01");
//! assert_eq!(document.into_value()["host"]["hostname"], "ANN-NB01");
//! ```

mod alert;
mod evidence;
mod fields;
mod host;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use edr_core::{Alert, Hashes, Host, Raw, User, Vendor};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

pub use fields::{FIELDS, Field, FieldType};

/// The version of the schema that documents are written in.
pub const VERSION: &str = "9.0.0";

/// The document of a host that was read at this time.
#[must_use]
pub fn host(host: &Host, collected: DateTime<Utc>) -> Document {
    host::document(host, collected)
}

/// The document of an alert; the time stands in where the alert has none of its own.
#[must_use]
pub fn alert(alert: &Alert, collected: DateTime<Utc>) -> Document {
    alert::document(alert, collected)
}

/// One document: fields by their whole names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    fields: BTreeMap<String, Value>,
    time: i64,
}

impl Document {
    /// The fields by their whole names, such as `host.os.type`.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A field by its whole name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// `@timestamp`, in milliseconds since 1970.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.time
    }

    /// Keeps the vendor's own JSON as `event.original`, where there is one.
    #[must_use]
    pub fn with_original(mut self, raw: &Raw) -> Self {
        self.text("event.original", Some(&raw.to_text()));
        self
    }

    /// The document as objects within objects.
    #[must_use]
    pub fn into_value(self) -> Value {
        let mut root = Map::new();
        for (name, value) in self.fields {
            place(&mut root, &name, value);
        }
        Value::Object(root)
    }

    fn put(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    fn some(&mut self, name: &str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.put(name, value);
        }
        self
    }

    fn text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        self.some(name, value.filter(|text| !text.is_empty()))
    }

    fn date(&mut self, name: &str, time: Option<DateTime<Utc>>) -> &mut Self {
        self.some(name, time.map(date))
    }

    /// Values without empty ones and without repeats, in the order in which they came.
    fn list<T: Into<String>>(&mut self, name: &str, values: impl IntoIterator<Item = T>) -> &mut Self {
        let mut distinct: Vec<Value> = match self.fields.remove(name) {
            Some(Value::Array(had)) => had,
            _ => Vec::new(),
        };
        for value in values.into_iter().map(Into::into).filter(|v: &String| !v.is_empty()) {
            let value = Value::String(value);
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        self.some(name, (!distinct.is_empty()).then_some(distinct))
    }

    fn at(&mut self, time: DateTime<Utc>) -> &mut Self {
        self.time = time.timestamp_millis();
        self.put("@timestamp", date(time))
    }

    fn hashes(&mut self, at: &str, hashes: &Hashes) -> &mut Self {
        let all = [("md5", &hashes.md5), ("sha1", &hashes.sha1), ("sha256", &hashes.sha256)];
        for (kind, digest) in all {
            self.text(&format!("{at}.{kind}"), digest.as_deref());
            self.list("related.hash", digest.iter().map(String::as_str));
        }
        self
    }

    fn user(&mut self, at: &str, user: &User) -> &mut Self {
        let name = user.name.as_deref().or(user.email.as_deref());
        self.text(&format!("{at}.name"), name)
            .text(&format!("{at}.id"), user.uid.as_deref())
            .text(&format!("{at}.domain"), user.domain.as_deref())
            .text(&format!("{at}.email"), user.email.as_deref())
            .list("related.user", user.names())
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.clone().into_value().serialize(serializer)
    }
}

/// Puts a value at `a.b.c` as `{"a":{"b":{"c":…}}}`.
fn place(object: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            object.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                place(inner, rest, value);
            }
        }
    }
}

fn date(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Whose product it is: what every document says of its source.
fn source(document: &mut Document, vendor: &Vendor, noun: &str, tenant: &str, tenant_uid: Option<&str>) {
    let (product, maker) = crate::frame::product(vendor);
    document
        .put("ecs.version", VERSION)
        .put("event.module", vendor.as_str())
        .put("event.dataset", format!("{vendor}.{noun}"))
        .put("observer.product", product)
        .put("observer.vendor", maker)
        .put("observer.type", "edr")
        .text("organization.id", tenant_uid)
        .text("organization.name", Some(tenant));
}

#[cfg(test)]
mod tests;
