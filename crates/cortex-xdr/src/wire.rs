//! Lenient reading: the vendor sends a number or its text, a value or a list of it, null for an empty
//! list, and times in five forms. Nothing here fails; what cannot be read is absent.

use chrono::{DateTime, Utc};
use edr_core::model::{read, time};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

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
        Value::deserialize(d).map(|value| Self::read(&value))
    }
}

impl Stamp {
    /// Reads a number, a text, or the first of a list.
    pub(crate) fn read(value: &Value) -> Self {
        match reading(value, LATEST) {
            time::Reading::None => Self::default(),
            other => Self { time: other.at(), text: scalar(value) },
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
        Value::Number(number) => match number.as_i64() {
            Some(whole) => time::from_whole(whole, now),
            None => number.as_f64().map_or(time::Reading::Absurd, |n| time::from_number(n, now)),
        },
        Value::String(text) => time::from_text(text, now),
        Value::Array(items) => {
            items.iter().find(|v| !v.is_null()).map_or(time::Reading::None, |v| reading(v, now))
        }
        _ => time::Reading::None,
    }
}

/// Any scalar as text, as it is; of a list the first that says something.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(items) => items.iter().find_map(scalar),
        Value::Null | Value::Object(_) => None,
    }
}

/// Text that says something: trimmed, without `N/A` and its like.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().find_map(text),
        other => read::text(&scalar(other)?),
    }
}

/// Each text of a list; a lone scalar is a list of one.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(text).collect(),
        other => text(other).into_iter().collect(),
    }
}

/// As [`texts`], with texts split at commas.
pub(crate) fn words(value: &Value) -> Vec<String> {
    texts(value).iter().flat_map(|t| t.split(',')).filter_map(read::text).collect()
}

/// Each text of a list, as it is; a lone text is split at commas.
pub(crate) fn list(value: &Value) -> Vec<String> {
    if value.is_array() { texts(value) } else { words(value) }
}

/// True or false, also as `YES` and `no`, and of a list the first.
pub(crate) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Array(items) => items.iter().find_map(flag),
        other => match scalar(other)?.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        },
    }
}

/// A whole number, also as text.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        other => scalar(other)?.trim().parse().ok(),
    }
}

/// For serde: [`text`].
pub(crate) fn de_text<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Value::deserialize(d).map(|value| text(&value))
}

/// For serde: [`texts`].
pub(crate) fn de_texts<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    Value::deserialize(d).map(|value| texts(&value))
}

/// For serde: [`list`].
pub(crate) fn de_list<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    Value::deserialize(d).map(|value| list(&value))
}

/// For serde: [`words`].
pub(crate) fn de_words<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    Value::deserialize(d).map(|value| words(&value))
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
    fn one_value_in_many_forms() {
        for value in [json!("7"), json!(7), json!(["7"]), json!([null, 7])] {
            assert_eq!(text(&value).as_deref(), Some("7"), "{value}");
        }
        for none in [json!(null), json!(""), json!("N/A"), json!([]), json!([null]), json!({"a": 1})] {
            assert_eq!(text(&none), None, "{none}");
        }
        assert_eq!(texts(&json!("a,b")), ["a,b"]);
        assert_eq!(words(&json!("a, b,")), ["a", "b"]);
        assert_eq!(words(&json!(["a,b", "c"])), ["a", "b", "c"]);
        for yes in [json!(true), json!("YES"), json!("Yes"), json!(1), json!(["YES"])] {
            assert_eq!(flag(&yes), Some(true), "{yes}");
        }
        let split = |v: Value| list(&v).join("|");
        assert_eq!((split(json!(["a,b", "c"])), split(json!("a,b"))), ("a,b|c".to_owned(), "a|b".to_owned()));
        assert_eq!((flag(&json!("NO")), flag(&json!("perhaps"))), (Some(false), None));
        assert_eq!((whole(&json!("673")), whole(&json!(5)), whole(&json!(-1))), (Some(673), Some(5), None));
    }

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
