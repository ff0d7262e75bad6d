//! Swagger's schemas as JSON Schema, for a validator that is not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// What is held against a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// An answer of the service: `required` is the specification's wish, and real answers break it.
    Reply,
    /// What a client sends: `required` and lengths hold.
    Request,
}

impl Side {
    /// Its name in `errata.toml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Request => "request",
        }
    }
}

/// One thing that a schema does not allow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where, with `*` for the number in a list.
    pub at: String,
    /// The keyword of the schema that says no.
    pub keyword: String,
    /// The validator's own words.
    pub message: String,
}

/// The models of a specification, and the validators that were made of them.
#[derive(Debug)]
pub struct Models {
    definitions: Map<String, Value>,
    made: Mutex<BTreeMap<(Side, String), Arc<Validator>>>,
}

impl Models {
    /// Models by name, as Swagger has them.
    #[must_use]
    pub fn new(definitions: Map<String, Value>) -> Self {
        Self { definitions, made: Mutex::default() }
    }

    /// What a schema does not allow in a value.
    #[must_use]
    pub fn faults(&self, schema: &Value, side: Side, value: &Value) -> BTreeSet<Fault> {
        self.validator(schema, side).iter_errors(value).flat_map(|error| faults(&error)).collect()
    }

    fn validator(&self, schema: &Value, side: Side) -> Arc<Validator> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(self.make(schema, side));
        Arc::clone(made.entry((side, schema.to_string())).or_insert_with(make))
    }

    fn make(&self, schema: &Value, side: Side) -> Validator {
        let mut root = convert(schema, side);
        let mut definitions = Map::new();
        self.gather(schema, side, &mut definitions);
        root["definitions"] = Value::Object(definitions);
        let options = jsonschema::options().with_draft(Draft::Draft7).should_validate_formats(true);
        options.build(&root).unwrap_or_else(|e| panic!("{schema} is no schema: {e}"))
    }

    /// The definitions that a schema reaches, converted.
    fn gather(&self, schema: &Value, side: Side, into: &mut Map<String, Value>) {
        for name in references(schema) {
            if !into.contains_key(&name) {
                let model =
                    self.definitions.get(&name).unwrap_or_else(|| panic!("no model is called {name}"));
                into.insert(name, convert(model, side));
                self.gather(model, side, into);
            }
        }
    }
}

fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/definitions/"));
            own.map(str::to_owned).into_iter().chain(map.values().flat_map(references)).collect()
        }
        Value::Array(list) => list.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Swagger 2 → JSON Schema, keyword by keyword: what Swagger adds (`x-…`, texts) is dropped or translated. A model that
/// names its properties has no others, unless it says so.
fn convert(schema: &Value, side: Side) -> Value {
    let Some(map) = schema.as_object() else { return schema.clone() };
    let mut out = Map::new();
    for (key, value) in map {
        let (key, value) = match key.as_str() {
            "$ref" => ("$ref", value.clone()),
            "items" | "additionalProperties" => (key.as_str(), convert(value, side)),
            "properties" => ("properties", all(value, side)),
            "enum" | "format" | "maximum" | "minimum" | "type" => (key.as_str(), value.clone()),
            "maxLength" | "minLength" | "pattern" | "required" if side == Side::Request => {
                (key.as_str(), value.clone())
            }
            "x-max-length" if side == Side::Request => ("maxLength", value.clone()),
            "x-maximum" => ("maximum", value.clone()),
            "x-min-length" if side == Side::Request => ("minLength", value.clone()),
            "x-minimum" => ("minimum", value.clone()),
            _ => continue,
        };
        out.insert(key.to_owned(), value);
    }
    if out.contains_key("properties") && !out.contains_key("additionalProperties") {
        out.insert("additionalProperties".to_owned(), json!(false));
    }
    if map.get("format") == Some(&json!("int32")) {
        out.entry("minimum").or_insert(json!(i32::MIN));
        out.entry("maximum").or_insert(json!(i32::MAX));
    }
    if map.get("x-nullable") == Some(&json!(true)) {
        // Not `anyOf`, whose error would not name what is wrong within.
        return json!({"if": {"type": "null"}, "else": out});
    }
    Value::Object(out)
}

fn all(properties: &Value, side: Side) -> Value {
    let each = |map: &Map<String, Value>| map.iter().map(|(k, v)| (k.clone(), convert(v, side))).collect();
    properties.as_object().map(each).map_or(json!({}), Value::Object)
}

/// An error of the validator; one for each property that should not be there.
fn faults(error: &jsonschema::ValidationError<'_>) -> Vec<Fault> {
    let path = error.instance_path().to_string();
    let fault = |at: String| Fault {
        at: generic(&at),
        keyword: error.kind().keyword().to_owned(),
        message: error.masked().to_string(),
    };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|name| fault(format!("{path}/{name}"))).collect()
        }
        ValidationErrorKind::Required { property } => {
            vec![fault(format!("{path}/{}", property.as_str().unwrap_or_default()))]
        }
        _ => vec![fault(path)],
    }
}

/// A path without the numbers of list items.
fn generic(path: &str) -> String {
    let part =
        |p: &str| if !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()) { "*" } else { p }.to_owned();
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}
