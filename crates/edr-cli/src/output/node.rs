//! JSON with its order kept: for records of which a part is shown, or whose times change zone.

use std::fmt;

use chrono::DateTime;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Number;

use super::time::Zone;

/// A JSON value whose objects keep their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Bool(bool),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    Null,
    Number(Number),
    Text(String),
}

/// The model's fields that hold times.
const TIMES: &[&str] = &[
    "as_of",
    "began",
    "boot_time",
    "contained_time",
    "created_time",
    "ended",
    "first_seen",
    "installed",
    "last_login",
    "last_seen",
    "lease_until",
    "modified",
    "modified_time",
    "terminated_time",
    "time",
];

impl Node {
    /// The record as a node.
    pub(crate) fn of<T: Serialize>(record: &T) -> serde_json::Result<Self> {
        serde_json::from_slice(&serde_json::to_vec(record)?)
    }

    /// Only the named fields, in the record's order.
    pub(crate) fn project(self, names: &[&str]) -> Self {
        self.keep("", names)
    }

    fn keep(self, path: &str, names: &[&str]) -> Self {
        let Self::Map(entries) = self else { return self };
        let kept = entries.into_iter().filter_map(|(key, value)| {
            let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if names.contains(&full.as_str()) {
                return Some((key, value));
            }
            let inside =
                names.iter().any(|n| n.strip_prefix(full.as_str()).is_some_and(|t| t.starts_with('.')));
            inside.then(|| (key, value.keep(&full, names)))
        });
        Self::Map(kept.collect())
    }

    /// The model's times in another zone; the vendor's own JSON is left alone.
    pub(crate) fn in_zone(self, zone: Zone) -> Self {
        match self {
            Self::List(items) => Self::List(items.into_iter().map(|n| n.in_zone(zone)).collect()),
            Self::Map(entries) => Self::Map(entries.into_iter().map(|(k, v)| moved(k, v, zone)).collect()),
            other => other,
        }
    }
}

fn moved(key: String, value: Node, zone: Zone) -> (String, Node) {
    let value = match value {
        Node::Text(text) if TIMES.contains(&key.as_str()) => Node::Text(retimed(text, zone)),
        raw if key == "raw" => raw,
        other => other.in_zone(zone),
    };
    (key, value)
}

fn retimed(text: String, zone: Zone) -> String {
    match DateTime::parse_from_rfc3339(&text) {
        Ok(time) => zone.format(time.to_utc()),
        Err(_) => text,
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::List(items) => items.serialize(serializer),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(k, v)| map.serialize_entry(k, v))?;
                map.end()
            }
            Self::Null => serializer.serialize_unit(),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        Number::from_f64(value).map(Node::Number).ok_or_else(|| E::custom("not a finite number"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }
    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry().map_err(A::Error::custom)? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        serde_json::from_str(text).unwrap()
    }

    fn text(node: &Node) -> String {
        serde_json::to_string(node).unwrap()
    }

    const RECORD: &str = r#"{"tenant":"t","os":{"type":"linux","name":"x"},"last_seen":"2026-01-08T12:00:00Z","n":1.5,"raw":{"time":"2026-01-08T12:00:00Z"}}"#;

    #[test]
    fn order_survives() {
        assert_eq!(text(&node(RECORD)), RECORD);
    }

    #[test]
    fn a_part_keeps_its_shape() {
        let part = node(RECORD).project(&["os.type", "n", "tenant"]);
        assert_eq!(text(&part), r#"{"tenant":"t","os":{"type":"linux"},"n":1.5}"#);
        assert_eq!(text(&node(RECORD).project(&["os"])), r#"{"os":{"type":"linux","name":"x"}}"#);
    }

    #[test]
    fn times_move_and_the_vendors_stay() {
        let moved = text(&node(RECORD).in_zone("+02:00".parse().unwrap()));
        assert!(moved.contains(r#""last_seen":"2026-01-08T14:00:00+02:00""#), "{moved}");
        assert!(moved.contains(r#""raw":{"time":"2026-01-08T12:00:00Z"}"#), "{moved}");
    }
}
