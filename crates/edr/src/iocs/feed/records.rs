//! A feed as JSON: records of indicators, in an array, one a line, or by themselves.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::draft::{Draft, name};
use super::{Fault, Feed};

/// Reads the records of a JSON document, or of one document a line.
pub(super) fn read(text: &str, feed: &mut Feed) -> Result<Vec<Draft>, Fault> {
    let mut drafts = Vec::new();
    if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) {
        for item in items {
            one(item.get(), line_of(text, item.get()), &mut drafts, feed);
        }
        return Ok(drafts);
    }
    if text.trim_start().starts_with('[') {
        let error = serde_json::from_str::<Vec<&RawValue>>(text).err();
        return Err(error
            .map_or_else(|| Fault::new("this is no JSON"), |e| Fault::new(format!("this is no JSON: {e}"))));
    }
    if serde_json::from_str::<&RawValue>(text).is_ok() {
        one(text, line_of(text, text.trim_start()), &mut drafts, feed);
        return Ok(drafts);
    }
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        one(line, at as u64 + 1, &mut drafts, feed);
    }
    Ok(drafts)
}

/// The line on which a part of the text begins.
pub(super) fn line_of(text: &str, part: &str) -> u64 {
    let at = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
    text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1
}

fn one(text: &str, line: u64, drafts: &mut Vec<Draft>, feed: &mut Feed) {
    if let Ok(record) = serde_json::from_str::<Pairs>(text) {
        return match draft(&record, line) {
            Ok(draft) => drafts.extend(draft.spread()),
            Err(why) => feed.refuse(line, "", why),
        };
    }
    match serde_json::from_str::<Value>(text) {
        // A plain list of values.
        Ok(Value::String(value)) => drafts.push(Draft { line, value, ..Draft::default() }),
        Ok(_) => feed.refuse(line, "", "this is no record of an indicator"),
        Err(e) => feed.refuse(line, "", format!("this is no JSON: {e}")),
    }
}

/// The fields of a record as they are written: a map would keep the last of two that have one name.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        d.deserialize_map(Fields)
    }
}

fn draft(record: &Pairs, line: u64) -> Result<Draft, String> {
    let mut draft = Draft { line, ..Draft::default() };
    for (key, value) in &record.0 {
        let Some(name) = name(key) else { continue };
        for text in texts(value).ok_or_else(|| format!("{key} is neither text nor a list of texts"))? {
            draft.set(name, &text);
        }
    }
    Ok(draft)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::String(text) => Some(vec![text.clone()]),
        Value::Bool(_) | Value::Number(_) => Some(vec![value.to_string()]),
        // A group is an object; that there is one is all that counts.
        Value::Object(_) => Some(vec!["an object".to_owned()]),
        Value::Array(items) => {
            let parts = items.iter().map(|item| texts(item).filter(|_| !item.is_array()));
            parts.collect::<Option<Vec<_>>>().map(|parts| parts.concat())
        }
    }
}
