//! The catalogue of Cortex operations: method, path and keys of the body, for each generation.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::errata::Finding;
use crate::openapi::fits;
use crate::recorder::Exchange;

/// The operations of both generations.
#[derive(Debug)]
pub struct Catalogue(Vec<Value>);

/// The keys that a body may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Any: the operation takes a body as a whole.
    Any,
    /// These.
    Named(BTreeSet<String>),
}

impl Catalogue {
    /// Reads the file.
    #[must_use]
    pub fn read(file: Value) -> Self {
        let Value::Array(entries) = file else { panic!("the catalogue is a list") };
        Self(entries)
    }

    /// What the body of an operation may have; none if a generation has no such operation.
    #[must_use]
    pub fn keys(&self, generation: u8, method: &str, path: &str) -> Option<Keys> {
        let plain = |path: &str| path.trim_end_matches('/').to_owned();
        let is = |e: &&Value| {
            let says = |key: &str| e[key].as_str().unwrap_or_default().to_owned();
            e["version"] == generation
                && says("http_method").eq_ignore_ascii_case(method)
                && [says("path"), says("wire_path")].iter().any(|p| fits(&plain(p), &plain(path)))
        };
        let found: Vec<&Value> = self.0.iter().filter(is).collect();
        let arguments = || found.iter().filter_map(|e| e["arguments"].as_object()).flat_map(|a| a.keys());
        if found.is_empty() {
            None
        } else if arguments().any(|a| a.starts_with("payload:")) {
            Some(Keys::Any)
        } else {
            Some(Keys::Named(
                arguments().filter_map(|a| a.strip_prefix("body:")).map(str::to_owned).collect(),
            ))
        }
    }

    /// What a request has that the catalogue does not.
    #[must_use]
    pub fn request(&self, generation: u8, exchange: &Exchange) -> BTreeSet<Finding> {
        let operation = format!("{} {}", exchange.method, exchange.path);
        let Some(keys) = self.keys(generation, &exchange.method, &exchange.path) else {
            return [missing(&operation)].into();
        };
        let body: Value = serde_json::from_slice(&exchange.body).unwrap_or(Value::Null);
        let Keys::Named(known) = keys else { return BTreeSet::new() };
        let data = body["request_data"].as_object();
        let unknown = data.into_iter().flat_map(|d| d.keys()).filter(|k| !known.contains(*k));
        let finding = |key: &String| Finding {
            side: "request",
            operation: operation.clone(),
            at: format!("/body/request_data/{key}"),
            keyword: "additionalProperties".to_owned(),
            message: "the catalogue has no such key".to_owned(),
        };
        unknown.map(finding).collect()
    }
}

/// An operation that the catalogue does not have.
#[must_use]
pub fn missing(operation: &str) -> Finding {
    let message = "the catalogue has no such operation".to_owned();
    Finding {
        side: "operation",
        operation: operation.to_owned(),
        at: String::new(),
        keyword: String::new(),
        message,
    }
}
