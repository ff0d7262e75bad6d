//! The vendor's own JSON, kept.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The payload of one item exactly as the vendor sent it: opaque bytes, cheap to clone. It may share
/// the buffer of the page that it arrived in; [`Raw::detach`] copies it out.
///
/// Serialises as the JSON that it holds (with `serde_json` only); what is not UTF-8 in it is written as
/// U+FFFD.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Raw(Bytes);

impl Raw {
    /// Keeps these bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// True when nothing was kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, when it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text; what is not UTF-8 in it is U+FFFD.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// A copy that shares no page buffer, for items that are kept long.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// Reads the payload as a type of the caller's.
    ///
    /// # Errors
    /// When the payload does not fit the type.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.0)
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.0.len())
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        // A field that no decoder looks at may hold bytes that are no text; the item is written all the same.
        let text = self.to_text();
        let flat = one_line(&text);
        match serde_json::from_str::<&RawValue>(&flat) {
            Ok(value) => value.serialize(s),
            Err(_) => s.serialize_str(&text),
        }
    }
}

/// A vendor may print its JSON over several lines; a record of ours is one line. A line break inside a
/// JSON string is always escaped, so every one that is found stands between tokens.
fn one_line(text: &str) -> Cow<'_, str> {
    let broken = text.contains(['\n', '\r']);
    if broken { Cow::Owned(text.replace(['\n', '\r'], " ")) } else { Cow::Borrowed(text) }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = Box::<RawValue>::deserialize(d).map_err(D::Error::custom)?;
        Ok(Self(Bytes::from(String::from(Box::<str>::from(value)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_of_many_lines_is_one_record() {
        let raw = Raw::new("{\n  \"a\": \"x\\ny\"\r\n}");
        assert_eq!(serde_json::to_string(&raw).unwrap(), "{   \"a\": \"x\\ny\"  }");
    }

    #[test]
    fn bytes_that_are_no_text_do_not_lose_the_record() {
        let json = |bytes: &'static [u8]| serde_json::to_string(&Raw::new(bytes)).unwrap();
        assert_eq!(json(b"{\"a\":\"x\xff\"}"), "{\"a\":\"x\u{fffd}\"}");
        assert_eq!(json(b"no JSON \xff"), "\"no JSON \u{fffd}\"");
    }
}
