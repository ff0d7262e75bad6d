//! `--debug`: the wire log, one block a request and a response, on standard error. What it is made of
//! is redacted where it arises, in `edr-http`; nothing else is listened to.

use std::fmt;
use std::io::{self, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Id, Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::output::text;

/// The target of the wire log.
pub(crate) const TARGET: &str = "edr_http::wire";

/// What the spans around an event say of it, in this order.
const SPAN: [&str; 3] = ["tenant", "vendor", "operation"];
/// What stands in the first line of a block; everything else has a line of its own.
const HEAD: [&str; 7] = ["message", "tenant", "vendor", "operation", "attempt", "status", "method"];

/// The layer that prints.
pub(crate) struct Wire {
    json: bool,
}

impl Wire {
    /// In objects or in prose.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }
}

/// The wire log, and the spans that say whose it is.
pub(crate) fn filter() -> FilterFn {
    filter_fn(|meta| meta.target() == TARGET || (meta.is_span() && meta.target().starts_with("edr_http")))
}

/// The fields of a span, kept with it.
struct Named(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Wire {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields(Map::new());
        attributes.record(&mut fields);
        span.extensions_mut().insert(Named(fields.0));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields(Map::new());
        event.record(&mut own);
        let mut fields = Map::new();
        for span in context.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            let Some(Named(named)) = extensions.get::<Named>() else { continue };
            for key in SPAN {
                if let Some(value) = named.get(key).filter(|_| !fields.contains_key(key)) {
                    fields.insert(key.to_owned(), value.clone());
                }
            }
        }
        fields.extend(own.0);
        let text = if self.json { object(fields) } else { block(&fields) };
        // A standard error that is gone cannot be complained about.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// One JSON object a line.
fn object(mut fields: Map<String, Value>) -> String {
    let mut object = Map::new();
    object.insert("type".to_owned(), "debug".into());
    for key in SPAN {
        object.insert(key.to_owned(), fields.remove(key).unwrap_or_default());
    }
    object.extend(fields);
    format!("{}\n", Value::Object(object))
}

/// `> falcon-1 falcon QueryDevices attempt 1: GET https://…`, and a line for each further field.
fn block(fields: &Map<String, Value>) -> String {
    let word = |key: &str| fields.get(key).map(shown).unwrap_or_default();
    let sign = match word("message").as_str() {
        "request" => ">".to_owned(),
        "response" => "<".to_owned(),
        other => format!("* {other}"),
    };
    let whose: Vec<String> = SPAN.iter().map(|key| word(key)).filter(|w| !w.is_empty()).collect();
    let attempt = fields.get("attempt").map(|n| format!(" attempt {}", shown(n))).unwrap_or_default();
    let status = fields.get("status").map(|n| format!(" {}", shown(n))).unwrap_or_default();
    let head =
        format!("debug: {sign} {}{attempt}:{status} {} {}", whose.join(" "), word("method"), word("url"));
    let rest = fields.iter().filter(|(key, _)| !HEAD.contains(&key.as_str()) && *key != "url");
    let lines = rest.map(|(key, value)| format!("    {key}: {}\n", text::plain(&shown(value))));
    format!("{}\n{}", text::plain(head.trim_end()), lines.collect::<String>())
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        // A map of plain texts is printed as JSON, and read as such.
        let value = Some(&text).filter(|t| t.starts_with('{')).and_then(|t| serde_json::from_str(t).ok());
        self.put(field, value.unwrap_or_else(|| text.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Map<String, Value> {
        let value = serde_json::json!({
            "tenant": "acme", "vendor": "falcon", "operation": "QueryDevices", "message": "response",
            "attempt": 2, "status": 200, "method": "GET", "url": "https://api.example/devices",
            "headers": {"content-type": "application/json"}, "body": "{\"a\":\u{1b}1}\n",
        });
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_block_is_readable_and_plain() {
        insta::assert_snapshot!(block(&fields()), @r#"
        debug: < acme falcon QueryDevices attempt 2: 200 GET https://api.example/devices
            body: {"a":␛1}␊
            headers: {"content-type":"application/json"}
        "#);
    }

    #[test]
    fn an_object_has_its_type_and_whose_it_is() {
        let object: Value = serde_json::from_str(&object(fields())).unwrap();
        assert_eq!((&object["type"], &object["tenant"]), (&"debug".into(), &"acme".into()));
        assert_eq!(object["headers"]["content-type"], "application/json");
        let bare: Value = serde_json::from_str(&super::object(Map::new())).unwrap();
        assert_eq!(bare["operation"], Value::Null);
    }
}
