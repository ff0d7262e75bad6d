//! Lenient reading: the vendor sends a number or its text, a value or a list of it, null for an empty
//! list, and times in five forms. Nothing here fails; what cannot be read is absent. How is in
//! [`crate::loose`]; of the long lists of an alert only what is asked for is looked at.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use edr_core::model::time;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::loose::Loose;

/// A time as it was sent, and what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stamp {
    /// The time, when it can be read.
    pub time: Option<DateTime<Utc>>,
    /// The vendor's text or number; absent for null, an empty text and 0.
    pub text: Option<String>,
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Loose::deserialize(d).map(|value| Self::of(&value))
    }
}

impl Stamp {
    /// Reads a number, a text, or the first of a list.
    pub(crate) fn read(value: &Value) -> Self {
        Self::of(&value.into())
    }

    fn of(value: &Loose<'_>) -> Self {
        match value.reading(LATEST) {
            time::Reading::None => Self::default(),
            other => Self { time: other.at(), text: value.scalar().map(Cow::into_owned) },
        }
    }
}

/// The end of what counts as plausible where the present time is not known.
const LATEST: DateTime<Utc> = match DateTime::from_timestamp(253_402_000_000, 0) {
    Some(year_9999) => year_9999,
    None => DateTime::UNIX_EPOCH,
};

/// A time in any of the forms.
pub(crate) fn reading(value: &Value, now: DateTime<Utc>) -> time::Reading {
    match value {
        Value::Array(items) => {
            items.iter().find(|item| !item.is_null()).map_or(time::Reading::None, |item| reading(item, now))
        }
        other => Loose::from(other).reading(now),
    }
}

/// Any scalar as text, as it is; of a list the first that says something.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().find_map(scalar),
        other => Loose::from(other).scalar().map(Cow::into_owned),
    }
}

/// Text that says something: trimmed, without `N/A` and its like.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().find_map(text),
        other => Loose::from(other).text(),
    }
}

/// Each text of a list, split at commas; a lone scalar is a list of one.
pub(crate) fn words(value: &Value) -> Vec<String> {
    Loose::from(value).words()
}

/// Each text of a list, as it is; a lone text is split at commas.
pub(crate) fn list(value: &Value) -> Vec<String> {
    Loose::from(value).list()
}

/// True or false, also as `YES` and `no`, and of a list the first.
pub(crate) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Array(items) => items.iter().find_map(flag),
        other => Loose::from(other).flag(),
    }
}

/// A whole number, also as text.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    Loose::from(value).whole()
}

/// For serde: [`Loose::text`].
pub(crate) fn de_text<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Loose::deserialize(d).map(|value| value.text())
}

/// For serde: [`Loose::texts`].
pub(crate) fn de_texts<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    Loose::deserialize(d).map(|value| value.texts())
}

/// For serde: [`Loose::list`].
pub(crate) fn de_list<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    Loose::deserialize(d).map(|value| value.list())
}

/// For serde: [`Loose::words`].
pub(crate) fn de_words<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    Loose::deserialize(d).map(|value| value.words())
}

/// The id of an item that cannot be read as JSON or as what it should be: the first text or number
/// behind one of these keys.
pub(crate) fn readable_id(bytes: &[u8], keys: &[&str]) -> Option<String> {
    let found = serde_json::from_slice::<Value>(bytes).ok().and_then(|value| {
        keys.iter().find_map(|key| value.get(*key).filter(|v| !v.is_array()).and_then(text))
    });
    found.or_else(|| {
        let damaged = String::from_utf8_lossy(bytes);
        keys.iter().find_map(|key| behind(&damaged, key))
    })
}

/// The value behind `"key":` in JSON that is damaged elsewhere.
fn behind(json: &str, key: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{key}\""))?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    let id: String = match value.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?.0.to_owned(),
        None => value.chars().take_while(char::is_ascii_digit).collect(),
    };
    (!id.is_empty() && id.len() <= 128 && !id.contains('\\')).then_some(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stamp_keeps_what_it_cannot_read() {
        let stamp = Stamp::read(&json!(1_603_279_967_500_i64));
        assert_eq!(stamp.time.unwrap().timestamp_millis(), 1_603_279_967_500);
        let odd = Stamp::read(&json!("soon"));
        assert_eq!((odd.time, odd.text.as_deref()), (None, Some("soon")));
        assert_eq!(Stamp::read(&json!(0)), Stamp::default());
    }

    #[test]
    fn an_id_is_found_in_what_cannot_be_decoded() {
        for (json, id) in [
            (r#"{"endpoint_id":"abc","ip":7"#, Some("abc")),
            (r#"{"x":1,"endpoint_id" : 17, "#, Some("17")),
            (r#"{"endpoint_id":{"broken":1}}"#, None),
            (r#"{"endpoint_id":["a"]}"#, None),
            ("rubbish", None),
        ] {
            assert_eq!(readable_id(json.as_bytes(), &["endpoint_id"]).as_deref(), id, "{json}");
        }
    }
}
