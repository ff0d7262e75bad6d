//! Reading what Falcon sends, leniently.
//!
//! The published models mark fields as required that live replies lack, and the same field comes as
//! text from one tenant and as a number, a list or `null` from another. A field that is not what it
//! should be is therefore absent, never a lost item; only an item that is no JSON object, or damaged
//! JSON, is an error. The raw payload always keeps what was sent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::time::Timestamp;

/// An object of the API, read key by key; unknown keys are passed over.
pub(crate) trait Object<'de>: Default + Sized {
    fn read<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error>;
}

/// A field that can be read from anything.
pub(crate) trait Field<'de>: Default + Sized {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error>;
}

/// Lets serde read a [`Field`].
pub(crate) struct Lenient<T>(pub(crate) T);

impl<'de, T: Field<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        T::read(d).map(Self)
    }
}

/// A key of an object, borrowed where the JSON has no escapes.
pub(crate) struct Key<'de>(Cow<'de, str>);

impl Key<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(v.to_owned())))
            }
        }
        d.deserialize_str(V)
    }
}

/// A value without parts; text is borrowed where the JSON has no escapes.
enum Scalar<'de> {
    Bool(bool),
    Float(f64),
    Int(i64),
    Text(Cow<'de, str>),
    Uint(u64),
}

impl<'de> Scalar<'de> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Option<Self>, D::Error> {
        d.deserialize_any(ScalarVisitor)
    }

    fn into_text(self) -> Cow<'de, str> {
        match self {
            Self::Bool(v) => v.to_string().into(),
            Self::Float(v) => v.to_string().into(),
            Self::Int(v) => v.to_string().into(),
            Self::Text(v) => v,
            Self::Uint(v) => v.to_string().into(),
        }
    }

    fn number(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "only sizes and scores are read as numbers")]
        let number = match self {
            Self::Bool(_) => return None,
            Self::Float(v) => *v,
            Self::Int(v) => *v as f64,
            Self::Text(v) => v.trim().parse().ok()?,
            Self::Uint(v) => *v as f64,
        };
        number.is_finite().then_some(number)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Option<Scalar<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Bool(v)))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Float(v)))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Int(v)))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Uint(v)))
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Text(Cow::Borrowed(v))))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Text(Cow::Owned(v.to_owned()))))
    }
    fn visit_string<E>(self, v: String) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Text(Cow::Owned(v))))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    /// A field that flips between a value and a list of values: the first one stands for it.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let first = seq.next_element::<First<'de>>()?.and_then(|v| v.0);
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        skip(map).map(|()| None)
    }
}

fn skip<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// The first value of a list.
struct First<'de>(Option<Scalar<'de>>);

impl<'de> Deserialize<'de> for First<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Scalar::read(d).map(Self)
    }
}

/// Text, borrowed where that can be.
pub(crate) fn text<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    Ok(Scalar::read(d)?.map(Scalar::into_text))
}

impl<'de> Field<'de> for Option<String> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(text(d)?.map(Cow::into_owned))
    }
}

impl<'de> Field<'de> for Option<bool> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match Scalar::read(d)? {
            Some(Scalar::Bool(v)) => Some(v),
            Some(Scalar::Text(v)) => v.trim().to_ascii_lowercase().parse().ok(),
            _ => None,
        })
    }
}

impl<'de> Field<'de> for Option<f64> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Scalar::read(d)?.and_then(|v| v.number()))
    }
}

impl<'de> Field<'de> for Option<i64> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match Scalar::read(d)? {
            Some(Scalar::Int(v)) => Some(v),
            Some(Scalar::Uint(v)) => i64::try_from(v).ok(),
            Some(Scalar::Text(v)) => v.trim().parse().ok(),
            #[expect(clippy::cast_possible_truncation, reason = "a count without a fraction")]
            Some(Scalar::Float(v)) if v.fract() == 0.0 && v.abs() < 9e15 => Some(v as i64),
            _ => None,
        })
    }
}

impl<'de> Field<'de> for Option<Timestamp> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = text(d)?.filter(|t| !t.trim().is_empty());
        Ok(text.map(|t| Timestamp::new(t.into_owned())))
    }
}

/// A text that opens something: `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Secret(pub SecretString);

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl<'de> Field<'de> for Option<Secret> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(<Option<String> as Field>::read(d)?.map(|text| Secret(SecretString::from(text))))
    }
}

impl<'de> Field<'de> for Vec<String> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Vec<String>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Vec<String>, E> {
                Ok(Vec::new())
            }
            fn visit_f64<E>(self, v: f64) -> Result<Vec<String>, E> {
                Ok(vec![v.to_string()])
            }
            fn visit_i64<E>(self, v: i64) -> Result<Vec<String>, E> {
                Ok(vec![v.to_string()])
            }
            fn visit_u64<E>(self, v: u64) -> Result<Vec<String>, E> {
                Ok(vec![v.to_string()])
            }
            fn visit_str<E>(self, v: &str) -> Result<Vec<String>, E> {
                Ok(if v.is_empty() { Vec::new() } else { vec![v.to_owned()] })
            }
            fn visit_unit<E>(self) -> Result<Vec<String>, E> {
                Ok(Vec::new())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
                let mut out = Vec::new();
                while let Some(item) = seq.next_element::<Lenient<Option<String>>>()? {
                    out.extend(item.0);
                }
                Ok(out)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<String>, A::Error> {
                skip(map).map(|()| Vec::new())
            }
        }
        d.deserialize_any(V)
    }
}

/// Reads an object, or nothing where something else stands.
struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Object<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Option<T>, E> {
        Ok(None)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Option<T>, E> {
        Ok(None)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Option<T>, E> {
        Ok(None)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Option<T>, E> {
        Ok(None)
    }
    fn visit_str<E>(self, _: &str) -> Result<Option<T>, E> {
        Ok(None)
    }
    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<T>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::read(map).map(Some)
    }
}

impl<'de, T: Object<'de>> Field<'de> for Option<T> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ObjectVisitor(PhantomData))
    }
}

impl<'de, T: Object<'de>> Object<'de> for Box<T> {
    fn read<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::read(map).map(Self::new)
    }
}

/// Several objects: a list, or one that stands alone. What is no object is passed over.
impl<'de, T: Object<'de>> Field<'de> for Vec<T> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V<T>(PhantomData<T>);
        impl<'de, T: Object<'de>> Visitor<'de> for V<T> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of objects")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Vec<T>, E> {
                Ok(Vec::new())
            }
            fn visit_f64<E>(self, _: f64) -> Result<Vec<T>, E> {
                Ok(Vec::new())
            }
            fn visit_i64<E>(self, _: i64) -> Result<Vec<T>, E> {
                Ok(Vec::new())
            }
            fn visit_u64<E>(self, _: u64) -> Result<Vec<T>, E> {
                Ok(Vec::new())
            }
            fn visit_str<E>(self, _: &str) -> Result<Vec<T>, E> {
                Ok(Vec::new())
            }
            fn visit_unit<E>(self) -> Result<Vec<T>, E> {
                Ok(Vec::new())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
                let mut out = Vec::new();
                while let Some(item) = seq.next_element::<Lenient<Option<T>>>()? {
                    out.extend(item.0);
                }
                Ok(out)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
                Ok(vec![T::read(map)?])
            }
        }
        d.deserialize_any(V(PhantomData))
    }
}

/// Entries of an object whose keys are data, in the order of arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries<T>(pub Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Object<'de>> Object<'de> for Entries<T> {
    fn read<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut out = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if let Some(value) = map.next_value::<Lenient<Option<T>>>()?.0 {
                out.push((key, value));
            }
        }
        Ok(Self(out))
    }
}

impl<'de, T: Object<'de>> Field<'de> for Entries<T> {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(<Option<Self> as Field>::read(d)?.unwrap_or_default())
    }
}

/// Lists of texts under keys that are data, in the order of arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lists(pub Vec<(String, Vec<String>)>);

impl<'de> Object<'de> for Lists {
    fn read<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut out = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            out.push((key, map.next_value::<Lenient<Vec<String>>>()?.0));
        }
        Ok(Self(out))
    }
}

impl<'de> Field<'de> for Lists {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(<Option<Self> as Field>::read(d)?.unwrap_or_default())
    }
}

/// Reads a whole object; what is no object is an error.
pub(crate) fn object<'de, T: Object<'de>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    struct V<T>(PhantomData<T>);
    impl<'de, T: Object<'de>> Visitor<'de> for V<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::read(map)
        }
    }
    d.deserialize_map(V(PhantomData))
}

/// The key of a field: its name, unless another is given.
macro_rules! wire_key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}
pub(crate) use wire_key;

/// Makes a struct of lenient fields under the vendor's own names. One with a lifetime may borrow from what it is read
/// from.
macro_rules! wire {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($fields:tt)+ }) => {
        $crate::wire::wire! { @ ['de] [] $(#[$meta])* $vis struct $name { $($fields)+ } }
    };
    ($(#[$meta:meta])* $vis:vis struct $name:ident<$de:lifetime> { $($fields:tt)+ }) => {
        $crate::wire::wire! { @ [$de] [<$de>] $(#[$meta])* $vis struct $name { $($fields)+ } }
    };
    (@ [$de:lifetime] [$($own:tt)*] $(#[$meta:meta])* $vis:vis struct $name:ident {
        $($field:ident $(($key:literal))? : $ty:ty,)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        $vis struct $name $($own)* {
            $(
                #[doc = concat!("`", $crate::wire::wire_key!($field $($key)?), "` as Falcon sends it.")]
                pub $field: $ty,
            )+
        }

        impl<$de> $crate::wire::Object<$de> for $name $($own)* {
            fn read<A: serde::de::MapAccess<$de>>(mut map: A) -> Result<Self, A::Error> {
                let mut out = Self::default();
                while let Some(key) = map.next_key::<$crate::wire::Key<$de>>()? {
                    match key.as_str() {
                        $(
                            $crate::wire::wire_key!($field $($key)?) => {
                                out.$field = map.next_value::<$crate::wire::Lenient<$ty>>()?.0;
                            }
                        )+
                        _ => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(out)
            }
        }

        impl<$de> serde::Deserialize<$de> for $name $($own)* {
            fn deserialize<D: serde::Deserializer<$de>>(d: D) -> Result<Self, D::Error> {
                $crate::wire::object(d)
            }
        }
    };
}
pub(crate) use wire;

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro makes public types")]
mod tests {
    wire! {
        /// Inner.
        pub struct Inner { a: Option<String>, }
    }
    wire! {
        /// Outer.
        pub struct Outer {
            kind("type"): Option<String>,
            text: Option<String>,
            list: Vec<String>,
            flag: Option<bool>,
            size: Option<f64>,
            inner: Option<Inner>,
            inners: Vec<Inner>,
            map: super::Entries<Inner>,
        }
    }

    fn read(json: &str) -> Outer {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_should_be_there_is_read() {
        let outer = read(
            r#"{"type":"x","text":"a\"b","list":["a",1,null,{"x":1},[2]],"flag":true,"size":1.29e-7,
                "inner":{"a":"1","z":[{}]},"inners":[{"a":"1"},7,{"a":"2"}],"map":{"k-1":{"a":"9"},"k2":null}}"#,
        );
        assert_eq!(outer.kind.as_deref(), Some("x"));
        assert_eq!(outer.text.as_deref(), Some("a\"b"));
        assert_eq!(outer.list, ["a", "1", "2"]);
        assert_eq!((outer.flag, outer.size), (Some(true), Some(1.29e-7)));
        assert_eq!(outer.inner.unwrap().a.as_deref(), Some("1"));
        assert_eq!(outer.inners.len(), 2);
        assert_eq!(outer.map.0[0].0, "k-1");
    }

    #[test]
    fn other_shapes_are_taken_or_absent_and_never_an_error() {
        let outer = read(
            r#"{"text":12345678901234567890,"list":"one","flag":"TRUE","size":"8.5","inners":{"a":"1"}}"#,
        );
        assert_eq!(outer.text.as_deref(), Some("12345678901234567890"));
        assert_eq!((outer.list, outer.flag, outer.size), (vec!["one".to_owned()], Some(true), Some(8.5)));
        assert_eq!(outer.inners.len(), 1);
        let odd = ["null", "true", "[]", "{}", "-1", "1.5", "\"\"", "[{\"a\":[1]}]", "[[[]]]"];
        for value in odd {
            for field in ["type", "text", "list", "flag", "size", "inner", "inners", "map"] {
                read(&format!("{{\"{field}\":{value}}}"));
            }
        }
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for json in ["17", "null", "[]", "\"x\"", "{\"text\":}", "{"] {
            assert!(serde_json::from_str::<Outer>(json).is_err(), "{json}");
        }
    }
}
