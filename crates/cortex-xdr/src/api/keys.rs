//! The tenant's API keys, of XDR 5: when they end.

use edr_http::{Operation, RequestPlan};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};

use super::page::{MAX_WINDOW, request_data};
use super::system::VIEWER;
use crate::Stamp;
use crate::wire;

/// The role behind the list of keys.
pub(crate) const KEY_ADMIN: &str = "a role that may view API keys";

static GET_API_KEYS: Operation = Operation::read("api_keys/get_api_keys", KEY_ADMIN);

/// A request that is signed as the other type of key would be, to tell which type a refused key has.
pub(crate) static OTHER_KEY_TYPE: Operation =
    Operation::read("endpoints/get_endpoint as the other type", VIEWER);

/// A key of the tenant, without the key itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct KeyRecord {
    /// Its number.
    #[serde(deserialize_with = "wire::de_text")]
    pub id: Option<String>,
    /// The names of its roles.
    #[serde(deserialize_with = "wire::de_texts")]
    pub roles: Vec<String>,
    /// When it was made.
    pub creation_time: Stamp,
    /// When it ends; empty for a key without an end.
    pub expiration: Stamp,
}

/// The first keys of the tenant.
#[must_use]
pub fn api_keys() -> RequestPlan {
    let window = json!({"search_from": 0, "search_to": MAX_WINDOW});
    RequestPlan::post_json(&GET_API_KEYS, "/public_api/v1/api_keys/get_api_keys", request_data(&window))
}

/// The keys of an answer: `DATA`, with or without `reply` around it.
pub(crate) fn read_keys(body: &[u8]) -> Result<Vec<KeyRecord>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(rename = "DATA", deserialize_with = "records")]
        data: Vec<KeyRecord>,
    }
    let mut value: Value = serde_json::from_slice(body)?;
    let inner = value.get_mut("reply").map(Value::take).unwrap_or(value);
    Answer::deserialize(inner).map(|answer| answer.data)
}

/// A key that cannot be read is left out: only our own is looked for.
fn records<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<KeyRecord>, D::Error> {
    match Value::deserialize(d)? {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => Ok(items.into_iter().filter_map(|i| KeyRecord::deserialize(i).ok()).collect()),
        _ => Err(D::Error::custom("DATA is no list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_with_and_without_the_envelope() {
        let data = r#"{"DATA":[{"id":7,"roles":["Viewer"],"creation_time":1700000000000,"expiration":1800000000000},
            {"id":"8","expiration":null},{"id":9,"expiration":0},"rubbish"]}"#;
        for body in [data.to_owned(), format!("{{\"reply\":{data}}}")] {
            let keys = read_keys(body.as_bytes()).unwrap();
            let ids: Vec<_> = keys.iter().filter_map(|k| k.id.as_deref()).collect();
            assert_eq!(ids, ["7", "8", "9"]);
            assert_eq!(keys[0].expiration.time.unwrap().timestamp(), 1_800_000_000);
            assert_eq!((&keys[1].expiration, &keys[2].expiration), (&Stamp::default(), &Stamp::default()));
        }
        assert_eq!(read_keys(br#"{"reply":{"DATA":null}}"#).unwrap(), []);
        for other in ["{}", r#"{"reply":true}"#, r#"{"DATA":7}"#, "<html>"] {
            assert!(read_keys(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn the_window_is_asked_for() {
        let expected = r#"{"request_data":{"search_from":0,"search_to":100}}"#;
        assert_eq!(api_keys().body, edr_http::Body::Bytes("application/json", expected.into()));
    }
}
