//! The two macros behind the typed replies: records whose every field is read leniently, and open
//! lists of words. The vendor sends a number or its text, a value or a list of it, null for an empty
//! list and JSON inside a text; what cannot be read is absent, and never costs the item.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::wire::{self, Stamp};

/// A value that is read from whatever the vendor sends in its place.
pub(crate) trait Lenient: Default {
    fn lenient(value: &Value) -> Self;
}

/// A struct that is read from an object.
pub(crate) trait Record: Default {
    fn from_object(object: &Map<String, Value>) -> Self;
}

/// The first of these keys that says something.
pub(crate) fn field<T: Lenient>(object: &Map<String, Value>, keys: &[&str]) -> T {
    let told = keys.iter().find_map(|key| object.get(*key).filter(|value| !value.is_null()));
    told.map(T::lenient).unwrap_or_default()
}

impl Lenient for Option<String> {
    fn lenient(value: &Value) -> Self {
        wire::text(value)
    }
}

impl Lenient for Vec<String> {
    fn lenient(value: &Value) -> Self {
        wire::list(value)
    }
}

impl Lenient for Option<u64> {
    fn lenient(value: &Value) -> Self {
        wire::whole(value)
    }
}

impl Lenient for Option<f64> {
    fn lenient(value: &Value) -> Self {
        value.as_f64().or_else(|| wire::scalar(value)?.trim().parse().ok())
    }
}

impl Lenient for Option<bool> {
    fn lenient(value: &Value) -> Self {
        wire::flag(value)
    }
}

impl Lenient for Stamp {
    fn lenient(value: &Value) -> Self {
        Self::read(value)
    }
}

impl Lenient for BTreeMap<String, f64> {
    fn lenient(value: &Value) -> Self {
        let entry = |(key, value): (&String, &Value)| Some((key.clone(), Option::<f64>::lenient(value)?));
        value.as_object().map(|object| object.iter().filter_map(entry).collect()).unwrap_or_default()
    }
}

impl Lenient for BTreeMap<String, String> {
    fn lenient(value: &Value) -> Self {
        let entry = |(key, value): (&String, &Value)| Some((key.clone(), wire::text(value)?));
        value.as_object().map(|object| object.iter().filter_map(entry).collect()).unwrap_or_default()
    }
}

/// A list of objects, also a lone one, and also as JSON in a text.
impl<T: Record> Lenient for Vec<T> {
    fn lenient(value: &Value) -> Self {
        match value {
            Value::Array(items) => items.iter().filter_map(read).collect(),
            other => read(other).into_iter().collect(),
        }
    }
}

impl<T: Record> Lenient for Option<T> {
    fn lenient(value: &Value) -> Self {
        read(value)
    }
}

/// An object, also as the only one of a list, and also as JSON in a text.
pub(crate) fn read<T: Record>(value: &Value) -> Option<T> {
    match value {
        Value::Object(object) => Some(T::from_object(object)),
        Value::Array(one) if one.len() == 1 => read(&one[0]),
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            read(&serde_json::from_str(text).ok()?)
        }
        _ => None,
    }
}

/// A struct of public fields, each with the keys under which it may stand.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$doc:meta])* pub $field:ident : $kind:ty = $($key:literal)|+ ,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name { $($(#[$doc])* pub $field: $kind,)* }

        impl $crate::record::Record for $name {
            fn from_object(object: &serde_json::Map<String, serde_json::Value>) -> Self {
                Self { $($field: $crate::record::field(object, &[$($key),+]),)* }
            }
        }
    };
}

/// An open list of words: each with the one that is sent and further ones that are understood. Case,
/// blanks and dashes are not looked at, and a word that is not known is kept.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $word:literal $(| $more:literal)* ,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// A word that is not known here.
            Other(String),
        }

        impl $name {
            /// The vendor's word.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }

            /// Reads a word.
            #[must_use]
            pub fn read(word: &str) -> Self {
                const KNOWN: &[&[&str]] = &[$(&[$word $(, $more)*],)*];
                let at = KNOWN.iter().position(|words| words.iter().any(|w| $crate::record::alike(w, word)));
                let each = [$(Self::$variant,)*];
                at.and_then(|at| each.into_iter().nth(at)).unwrap_or_else(|| Self::Other(word.to_owned()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl From<&$name> for serde_json::Value {
            fn from(word: &$name) -> Self {
                Self::String(word.as_str().to_owned())
            }
        }

        impl From<$name> for serde_json::Value {
            fn from(word: $name) -> Self {
                Self::from(&word)
            }
        }

        impl $crate::record::Lenient for Option<$name> {
            fn lenient(value: &serde_json::Value) -> Self {
                $crate::wire::text(value).map(|word| $name::read(&word))
            }
        }
    };
}

pub(crate) use {record, words};

/// The same word, whatever its case and what joins its parts.
pub(crate) fn alike(known: &str, word: &str) -> bool {
    let plain = |byte: u8| if matches!(byte, b' ' | b'-') { b'_' } else { byte.to_ascii_lowercase() };
    let word = word.trim();
    known.len() == word.len() && known.bytes().zip(word.bytes()).all(|(a, b)| plain(a) == plain(b))
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro writes public structs")]
mod tests {
    use serde_json::json;

    use super::*;

    record! {
        /// A thing.
        pub struct Part {
            /// Its name.
            pub name: Option<String> = "name",
        }
    }

    record! {
        /// A thing.
        pub struct Thing {
            /// Its id.
            pub id: Option<String> = "id" | "thing_id",
            /// A count.
            pub count: Option<u64> = "count",
            /// A share.
            pub share: Option<f64> = "share",
            /// Parts.
            pub parts: Vec<Part> = "parts",
            /// Words.
            pub words: Vec<String> = "words",
            /// When.
            pub at: Stamp = "at",
            /// A state.
            pub state: Option<State> = "state",
        }
    }

    words! {
        /// States.
        pub enum State {
            /// On its way.
            Pending = "PENDING" | "SCAN_PENDING",
            /// Over.
            Done = "IN ORDER",
        }
    }

    #[test]
    fn every_form_of_a_value_is_read() {
        for value in [
            json!({"id": 7, "count": "3", "share": "0.5", "parts": "[{\"name\":\"a\"}]", "words": "x,y", "at": 1_603_279_967_500_i64, "state": "scan_pending"}),
            json!({"thing_id": "7", "count": 3, "share": 0.5, "parts": {"name": "a"}, "words": ["x", "y"], "at": "1603279967500", "state": ["PENDING"]}),
        ] {
            let thing: Thing = read(&value).unwrap();
            assert_eq!((thing.id.as_deref(), thing.count, thing.share), (Some("7"), Some(3), Some(0.5)));
            assert_eq!((thing.parts.len(), thing.words.len()), (1, 2));
            assert_eq!((thing.at.time.is_some(), thing.state), (true, Some(State::Pending)));
        }
        let empty: Thing = read(&json!({"id": null, "parts": null, "words": null, "at": 0})).unwrap();
        assert_eq!(empty, Thing::default());
    }

    #[test]
    fn words_are_open() {
        assert_eq!(State::read(" in-order "), State::Done);
        assert_eq!(State::read("FRESH"), State::Other("FRESH".into()));
        assert_eq!((State::read("FRESH").to_string(), State::Done.as_str()), ("FRESH".into(), "IN ORDER"));
        assert_eq!(Value::from(State::Pending), json!("PENDING"));
    }
}
