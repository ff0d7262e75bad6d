//! Objects that hold only what is known.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// An object under construction. What is absent or empty is left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn put(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn some(&mut self, key: &str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.put(key, value);
        }
        self
    }

    /// Text, unless it is empty.
    pub(crate) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.some(key, (!value.is_empty()).then_some(value))
    }

    /// A time in milliseconds since 1970.
    pub(crate) fn time(&mut self, key: &str, time: Option<DateTime<Utc>>) -> &mut Self {
        self.some(key, time.map(|t| t.timestamp_millis()))
    }

    pub(crate) fn list<T: Into<Value>>(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        self.some(key, (!values.is_empty()).then_some(values))
    }

    pub(crate) fn object(&mut self, key: &str, value: Object) -> &mut Self {
        self.some(key, value.filled())
    }

    /// An enum: its number under `KEY_id`, its caption under `caption`.
    pub(crate) fn id(&mut self, key: &str, caption: &str, (id, says): (u64, &str)) -> &mut Self {
        self.put(&format!("{key}_id"), id).put(caption, says)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object, unless nothing is in it.
    pub(crate) fn filled(self) -> Option<Value> {
        (!self.is_empty()).then(|| self.into())
    }

    pub(crate) fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}
