//! Exchanges held against a Swagger 2 specification: the operation, its parameters, its bodies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::errata::Finding;
use crate::recorder::Exchange;
use crate::schema::{Models, Side};

/// The model of errors that the gateway answers where an operation declares no status of that number.
const GATEWAY: &str = "#/definitions/msa.ReplyMetaOnly";

/// A file of the specifications, if the environment names their folder; says aloud when it does not.
#[must_use]
#[expect(clippy::print_stderr, reason = "a test that skips must say so")]
pub fn file(name: &str) -> Option<Value> {
    let Some(folder) = std::env::var_os("EDR_SPECS_DIR").map(PathBuf::from) else {
        eprintln!("SKIPPED: EDR_SPECS_DIR is not set, so nothing is held against {name}");
        return None;
    };
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}")))
}

/// A specification.
#[derive(Debug)]
pub struct Spec {
    paths: Map<String, Value>,
    models: Models,
}

impl Spec {
    /// Reads a Swagger 2 document.
    #[must_use]
    pub fn read(mut document: Value) -> Self {
        assert_eq!(document["swagger"], "2.0", "another version of Swagger");
        let mut take = |key: &str| match document[key].take() {
            Value::Object(map) => map,
            other => panic!("{key} is {other}"),
        };
        Self { paths: take("paths"), models: Models::new(take("definitions")) }
    }

    /// The operation of a method and a path.
    #[must_use]
    pub fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let found =
            self.paths.get(path).or_else(|| self.paths.iter().find(|(t, _)| fits(t, path)).map(|(_, o)| o));
        found?.get(method.to_lowercase())
    }

    /// What the answer of an exchange has that the specification does not allow.
    #[must_use]
    pub fn reply(&self, exchange: &Exchange) -> BTreeSet<Finding> {
        let Some(operation) = self.operation(&exchange.method, &exchange.path) else {
            return unknown(exchange).into();
        };
        let name = operation["operationId"].as_str().unwrap_or_default();
        let declared = &operation["responses"][exchange.status.to_string()];
        if exchange.status < 300 && is_no_json(operation, exchange) {
            return BTreeSet::new();
        }
        let schema = match declared.get("schema") {
            Some(schema) => schema.clone(),
            None if declared.is_null() && exchange.status >= 400 => json!({ "$ref": GATEWAY }),
            None => {
                let keyword = "status".to_owned();
                let at = format!("/{}", exchange.status);
                let message = "no such answer is declared".to_owned();
                return [Finding { side: "reply", operation: name.to_owned(), at, keyword, message }].into();
            }
        };
        let place = if exchange.status < 400 { "" } else { "error:" };
        self.hold(name, &schema, Side::Reply, place, &exchange.json())
    }

    /// What the request of an exchange has that the specification does not allow.
    #[must_use]
    pub fn request(&self, exchange: &Exchange) -> BTreeSet<Finding> {
        let Some(operation) = self.operation(&exchange.method, &exchange.path) else {
            return unknown(exchange).into();
        };
        let name = operation["operationId"].as_str().unwrap_or_default();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let of = |place: &str| parameters.iter().filter(|p| p["in"] == place).collect::<Vec<_>>();
        let mut found = self.pairs(name, "/query", &of("query"), &exchange.query);
        let body = String::from_utf8_lossy(&exchange.body);
        let form = of("form").into_iter().chain(of("file")).collect::<Vec<_>>();
        let sent = match (of("body").first(), form) {
            (Some(parameter), _) => {
                // Where nothing is sent, a required body is missed as null.
                let value = serde_json::from_str(&body).unwrap_or(Value::Null);
                let optional = parameter["required"] != true && body.is_empty();
                if optional {
                    BTreeSet::new()
                } else {
                    self.hold(name, &parameter["schema"], Side::Request, "/body", &value)
                }
            }
            (None, form) if body.starts_with("--") => self.fields(name, "/form", &form, parts(&body)),
            (None, form) => self.pairs(name, "/form", &form, &body),
        };
        found.extend(sent);
        found
    }

    /// Pairs of a query or a form against the parameters of that place.
    fn pairs(&self, name: &str, place: &str, parameters: &[&Value], text: &str) -> BTreeSet<Finding> {
        self.fields(name, place, parameters, form_urlencoded::parse(text.as_bytes()).into_owned())
    }

    /// Names and values against the parameters of that place.
    fn fields(
        &self,
        name: &str,
        place: &str,
        parameters: &[&Value],
        fields: impl IntoIterator<Item = (String, String)>,
    ) -> BTreeSet<Finding> {
        let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in fields {
            sent.entry(key).or_default().push(value);
        }
        let known = |key: &str| parameters.iter().find(|p| p["name"] == key);
        let value = sent.iter().map(|(key, values)| (key.clone(), typed(known(key), values))).collect();
        let required: Vec<&Value> =
            parameters.iter().filter(|p| p["required"] == true).map(|p| &p["name"]).collect();
        let properties: Map<String, Value> = parameters
            .iter()
            .map(|p| (p["name"].as_str().unwrap_or_default().to_owned(), schema(p)))
            .collect();
        let schema = json!({"type": "object", "properties": properties, "required": required});
        self.hold(name, &schema, Side::Request, place, &Value::Object(value))
    }

    fn hold(&self, name: &str, schema: &Value, side: Side, place: &str, value: &Value) -> BTreeSet<Finding> {
        let faults = self.models.faults(schema, side, value);
        let finding = |f: crate::schema::Fault| Finding {
            side: side.name(),
            operation: name.to_owned(),
            at: format!("{place}{}", f.at),
            keyword: f.keyword,
            message: f.message,
        };
        faults.into_iter().map(finding).collect()
    }
}

/// Whether an answer is none of JSON: without a body where none is due, or a file.
fn is_no_json(operation: &Value, exchange: &Exchange) -> bool {
    let kinds = operation["produces"].as_array().cloned().unwrap_or_default();
    let file = kinds.iter().any(|kind| kind != "application/json")
        && serde_json::from_slice::<Value>(&exchange.reply).is_err();
    let declared = !operation["responses"][exchange.status.to_string()].is_null();
    file || (exchange.status == 204 && exchange.reply.is_empty() && declared)
}

/// The fields of a form with files; the text of a file stands for it.
fn parts(body: &str) -> Vec<(String, String)> {
    let mark = body.lines().next().unwrap_or_default();
    let part = |part: &str| {
        let (head, value) = part.split_once("\r\n\r\n")?;
        let (_, rest) = head.split_once("; name=\"")?;
        Some((rest.split_once('"')?.0.to_owned(), value.strip_suffix("\r\n")?.to_owned()))
    };
    body.split(mark).filter_map(part).collect()
}

/// Whether a path is one of a template, whose `{…}` stands for any part.
#[must_use]
pub fn fits(template: &str, path: &str) -> bool {
    let (a, b): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    a.len() == b.len() && a.iter().zip(&b).all(|(t, p)| t == p || (t.starts_with('{') && !p.is_empty()))
}

fn unknown(exchange: &Exchange) -> [Finding; 1] {
    let operation = format!("{} {}", exchange.method, exchange.path);
    let message = "the specification has no such operation".to_owned();
    [Finding { side: "operation", operation, at: String::new(), keyword: String::new(), message }]
}

/// A parameter's schema: Swagger writes it flat. Bounds that stand only in its description (`[1-5000]`) count.
fn schema(parameter: &Value) -> Value {
    let keys = ["enum", "format", "items", "maxLength", "maximum", "minLength", "minimum", "pattern", "type"];
    let flat = keys.iter().filter_map(|k| Some(((*k).to_owned(), parameter.get(k)?.clone())));
    let mut schema: Map<String, Value> = flat.collect();
    if let (Some(items), Some(words)) = (parameter.get("items"), parameter.get("enum")) {
        // The words of a list are those of its items.
        let mut items = items.clone();
        items["enum"] = words.clone();
        schema.remove("enum");
        schema.insert("items".to_owned(), items);
    }
    let text = parameter["description"].as_str().unwrap_or_default();
    let bounds = text.split_once('[').and_then(|(_, rest)| rest.split_once(']')?.0.split_once('-'));
    if let (Some((low, high)), "integer") = (bounds, parameter["type"].as_str().unwrap_or_default()) {
        for (key, bound) in [("minimum", low), ("maximum", high)] {
            let number = bound.trim().parse::<i64>().map(|n| json!(n));
            number.map(|n| schema.entry(key).or_insert(n)).ok();
        }
    }
    Value::Object(schema)
}

/// The text of a parameter as the value that it stands for; what cannot be read stays text, and fails its type.
fn typed(parameter: Option<&&Value>, values: &[String]) -> Value {
    let kind = |schema: &Value| schema["type"].as_str().unwrap_or("string").to_owned();
    let one = |kind: &str, text: &str| {
        let read = || serde_json::from_str::<Value>(text).unwrap_or_else(|_| json!(text));
        if kind == "string" { json!(text) } else { read() }
    };
    match (parameter, values) {
        (Some(p), _) if kind(p) == "array" => values.iter().map(|v| one(&kind(&p["items"]), v)).collect(),
        (Some(p), [value]) => one(&kind(p), value),
        (None, [value]) => json!(value),
        // Sent twice, and no list.
        _ => json!(values),
    }
}
