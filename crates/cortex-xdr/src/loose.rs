//! A value of the vendor's before it is known what it should be: a number or its text, a value or a list of it, null for
//! an empty list. Text is borrowed from the JSON where that has no escapes; nothing else is kept of an object than that
//! it was one.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use edr_core::model::{read, time};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

/// A value, read leniently.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Loose<'a> {
    Bool(bool),
    List(Vec<Loose<'a>>),
    Null,
    Number(Number),
    Object,
    Text(Cow<'a, str>),
}

impl Loose<'_> {
    /// A time in any of the forms.
    pub(crate) fn reading(&self, now: DateTime<Utc>) -> time::Reading {
        match self {
            Self::Number(number) => match number.as_i64() {
                Some(whole) => time::from_whole(whole, now),
                None => number.as_f64().map_or(time::Reading::Absurd, |n| time::from_number(n, now)),
            },
            Self::Text(text) => time::from_text(text, now),
            Self::List(items) => {
                let told = items.iter().find(|item| **item != Loose::Null);
                told.map_or(time::Reading::None, |item| item.reading(now))
            }
            Self::Bool(_) | Self::Null | Self::Object => time::Reading::None,
        }
    }

    /// Any scalar as text, as it is; of a list the first that says something.
    pub(crate) fn scalar(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(number.to_string().into()),
            Self::Bool(true) => Some("true".into()),
            Self::Bool(false) => Some("false".into()),
            Self::List(items) => items.iter().find_map(Self::scalar),
            Self::Null | Self::Object => None,
        }
    }

    /// Text that says something: trimmed, without `N/A` and its like.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::List(items) => items.iter().find_map(Self::text),
            other => read::text(&other.scalar()?),
        }
    }

    /// Each text of a list; a lone scalar is a list of one.
    pub(crate) fn texts(&self) -> Vec<String> {
        match self {
            Self::List(items) => items.iter().filter_map(Self::text).collect(),
            other => other.text().into_iter().collect(),
        }
    }

    /// As [`Self::texts`], with texts split at commas.
    pub(crate) fn words(&self) -> Vec<String> {
        self.texts().into_iter().flat_map(split).collect()
    }

    /// Each text of a list, as it is; a lone text is split at commas.
    pub(crate) fn list(&self) -> Vec<String> {
        if matches!(self, Self::List(_)) { self.texts() } else { self.words() }
    }

    /// True or false, also as `YES` and `no`, and of a list the first.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            Self::List(items) => items.iter().find_map(Self::flag),
            other => match other.scalar()?.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Some(true),
                "false" | "no" | "0" => Some(false),
                _ => None,
            },
        }
    }

    /// A whole number, also as text.
    pub(crate) fn whole(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            other => other.scalar()?.trim().parse().ok(),
        }
    }
}

/// The words of a text with commas; nearly every text is one word, which is kept as it is.
fn split(text: String) -> Vec<String> {
    if text.contains(',') { text.split(',').filter_map(read::text).collect() } else { vec![text] }
}

impl<'a> From<&'a Value> for Loose<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(_) => Self::Object,
        }
    }
}

impl<'de> Deserialize<'de> for Loose<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Loose::Bool(v))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(v).map_or(Loose::Null, Loose::Number))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Loose::Number(v.into()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Loose::Number(v.into()))
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Borrowed(v)))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Owned(v.to_owned())))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Loose::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Object)
    }
}

/// Lists under keys, in the order of the keys, or a list alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Keyed<'a> {
    Alone(Loose<'a>),
    Kinds(Vec<(Cow<'a, str>, Loose<'a>)>),
}

impl<'de> Deserialize<'de> for Keyed<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(KeyedVisitor)
    }
}

struct KeyedVisitor;

impl<'de> Visitor<'de> for KeyedVisitor {
    type Value = Keyed<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        LooseVisitor.expecting(f)
    }
    fn visit_bool<E: Error>(self, v: bool) -> Result<Self::Value, E> {
        LooseVisitor.visit_bool(v).map(Keyed::Alone)
    }
    fn visit_f64<E: Error>(self, v: f64) -> Result<Self::Value, E> {
        LooseVisitor.visit_f64(v).map(Keyed::Alone)
    }
    fn visit_i64<E: Error>(self, v: i64) -> Result<Self::Value, E> {
        LooseVisitor.visit_i64(v).map(Keyed::Alone)
    }
    fn visit_u64<E: Error>(self, v: u64) -> Result<Self::Value, E> {
        LooseVisitor.visit_u64(v).map(Keyed::Alone)
    }
    fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<Self::Value, E> {
        LooseVisitor.visit_borrowed_str(v).map(Keyed::Alone)
    }
    fn visit_str<E: Error>(self, v: &str) -> Result<Self::Value, E> {
        LooseVisitor.visit_str(v).map(Keyed::Alone)
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        LooseVisitor.visit_unit().map(Keyed::Alone)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        LooseVisitor.visit_seq(seq).map(Keyed::Alone)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kinds = Vec::new();
        while let Some((key, list)) = map.next_entry::<Loose<'de>, _>()? {
            // In JSON it always is.
            if let Loose::Text(key) = key {
                kinds.push((key, list));
            }
        }
        // Of a key that is there twice the last holds, as in any map.
        kinds.reverse();
        kinds.sort_by(|(a, _), (b, _)| a.cmp(b));
        kinds.dedup_by(|(a, _), (b, _)| a == b);
        Ok(Keyed::Kinds(kinds))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn one_value_in_many_forms() {
        for value in [json!("7"), json!(7), json!(["7"]), json!([null, 7]), json!(" 7 ")] {
            assert_eq!(Loose::from(&value).text().as_deref(), Some("7"), "{value}");
        }
        for none in [json!(null), json!(""), json!("N/A"), json!([]), json!([null]), json!({"a": 1})] {
            assert_eq!(Loose::from(&none).text(), None, "{none}");
        }
        assert_eq!(Loose::from(&json!("a,b")).texts(), ["a,b"]);
        assert_eq!(Loose::from(&json!("a, b,")).words(), ["a", "b"]);
        assert_eq!(Loose::from(&json!(["a,b", "c"])).words(), ["a", "b", "c"]);
        for yes in [json!(true), json!("YES"), json!("Yes"), json!(1), json!(["YES"])] {
            assert_eq!(Loose::from(&yes).flag(), Some(true), "{yes}");
        }
        let split = |v: Value| Loose::from(&v).list().join("|");
        assert_eq!((split(json!(["a,b", "c"])), split(json!("a,b"))), ("a,b|c".to_owned(), "a|b".to_owned()));
        assert_eq!(
            (Loose::from(&json!("NO")).flag(), Loose::from(&json!("perhaps")).flag()),
            (Some(false), None)
        );
        let whole = |v: Value| Loose::from(&v).whole();
        assert_eq!((whole(json!("673")), whole(json!(5)), whole(json!(-1))), (Some(673), Some(5), None));
    }

    #[test]
    fn keys_are_in_their_order_and_the_last_of_a_name_holds() {
        let kinds = |json: &str| match serde_json::from_str::<Keyed<'_>>(json).unwrap() {
            Keyed::Kinds(kinds) => kinds.iter().map(|(k, v)| format!("{k}={}", v.list().join(","))).collect(),
            Keyed::Alone(list) => list.list(),
        };
        assert_eq!(kinds(r#"{"b":["1"],"a":"2,3","b":["4",5],"1":null}"#), ["1=", "a=2,3", "b=4,5"]);
        assert_eq!(kinds(r#"{"\u0061":["x"],"a":["y"]}"#), ["a=y"]);
        assert_eq!(kinds(r#"["a","b"]"#), ["a", "b"]);
        for (alone, words) in
            [("\"a,b\"", "a|b"), ("7", "7"), ("-7", "-7"), ("7.5", "7.5"), ("true", "true"), ("null", "")]
        {
            assert_eq!(kinds(alone).join("|"), words);
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "\\PC*".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::hash_map("[a-z\\\\\"]{0,5}", inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_from_json_is_what_a_whole_value_says(value in value()) {
            let json = value.to_string();
            // A float may come back as its neighbour, so the text decides what the value is.
            let whole: Value = serde_json::from_str(&json).unwrap();
            let read: Loose<'_> = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(read, Loose::from(&whole));
        }
    }
}
