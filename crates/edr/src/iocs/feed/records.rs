//! A feed as JSON: records of indicators, in an array, one a line, or by themselves.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::draft::{Draft, name};
use super::{Fault, Feed, MAX_ROWS};

/// Reads the records of a JSON document, or of one document a line.
pub(super) fn read(text: &str, feed: &mut Feed) -> Result<Vec<Draft>, Fault> {
    let mut drafts = Vec::new();
    let mut lines = Lines::of(text);
    if text.trim_start().starts_with('[') {
        let rows = serde_json::from_str::<Rows<'_>>(text);
        for item in rows.map_err(|e| Fault::new(format!("this is no JSON: {e}")))?.within()? {
            one(item.get(), lines.line(item.get()), &mut drafts, feed);
            feed.has_room(&drafts)?;
        }
        return Ok(drafts);
    }
    if serde_json::from_str::<&RawValue>(text).is_ok() {
        one(text, lines.line(text.trim_start()), &mut drafts, feed);
        return feed.has_room(&drafts).map(|()| drafts);
    }
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        one(line, at as u64 + 1, &mut drafts, feed);
        feed.has_room(&drafts)?;
    }
    Ok(drafts)
}

/// The lines on which the parts of a text begin, asked for in their order: each byte is looked at once.
pub(super) struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: u64,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    pub(super) fn line(&mut self, part: &str) -> u64 {
        let at = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let passed = self.text.as_bytes().get(self.at..at).unwrap_or_default();
        self.line += passed.iter().filter(|b| **b == b'\n').count() as u64;
        self.at = self.at.max(at.min(self.text.len()));
        self.line
    }
}

/// The items of an array, and no more of them than a feed may have.
#[derive(Default)]
pub(super) struct Rows<'a> {
    items: Vec<&'a RawValue>,
    is_cut: bool,
}

impl<'a> Rows<'a> {
    /// The items.
    ///
    /// # Errors
    /// When there are more.
    pub(super) fn within(self) -> Result<Vec<&'a RawValue>, Fault> {
        if self.is_cut { Err(Fault::crowded()) } else { Ok(self.items) }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Rows<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Rows<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rows<'de>, A::Error> {
                let mut rows = Rows::default();
                while rows.items.len() < MAX_ROWS {
                    match seq.next_element()? {
                        Some(item) => rows.items.push(item),
                        None => return Ok(rows),
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    rows.is_cut = true;
                }
                Ok(rows)
            }
        }
        d.deserialize_seq(Items)
    }
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
