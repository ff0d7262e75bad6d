//! Whole answers: `{"reply": …}`, the bare JSON that some calls and old tenants send, or nothing at all.

use edr_core::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::record::{self, Record};
use crate::wire;

/// What stands in the envelope; the answer itself where there is none; null for an empty body.
///
/// # Errors
/// When it is no JSON.
pub(crate) fn inner(body: &[u8]) -> Result<Value> {
    if body.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    let value: Value = serde_json::from_slice(body).map_err(|e| strange("no JSON").with_source(e))?;
    Ok(match value {
        Value::Object(mut object) if object.contains_key("reply") => {
            object.remove("reply").unwrap_or_default()
        }
        other => other,
    })
}

/// A reply that is an object, also in a list of its own.
///
/// # Errors
/// When it is none.
pub(crate) fn object<T: Record>(body: &[u8]) -> Result<T> {
    record::read(&inner(body)?).ok_or_else(|| strange("no object as its reply"))
}

/// A reply that is a list, or an object with the list behind one of these names. Null and nothing are
/// an empty list.
///
/// # Errors
/// When there is no list.
pub(crate) fn list<T: Record>(body: &[u8], names: &[&str]) -> Result<Vec<T>> {
    let found = items(inner(body)?, names)?;
    Ok(found.iter().filter_map(record::read).collect())
}

/// The items of a list; a list of lists is taken apart.
///
/// # Errors
/// When there is no list.
pub(crate) fn items(reply: Value, names: &[&str]) -> Result<Vec<Value>> {
    match reply {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => Ok(items
            .into_iter()
            .flat_map(|item| match item {
                Value::Array(inner) => inner,
                other => vec![other],
            })
            .collect()),
        Value::Object(mut object) => match names.iter().find_map(|name| object.remove(*name)) {
            Some(found) => items(found, &[]),
            None => Err(strange("no list where it should be")),
        },
        _ => Err(strange("no list as its reply")),
    }
}

/// A reply that says no more than that it was done: `true` in the envelope or bare, an object, a number
/// of things, or nothing (204).
///
/// # Errors
/// When the answer is `false`.
pub(crate) fn done(body: &[u8]) -> Result<()> {
    let reply = inner(body)?;
    let refused = || {
        Error::new(ErrorKind::Vendor, "the service answered that it was not done")
            .with_hint("look at the state of the thing in the console: the answer gives no reason")
    };
    let word = reply.get("success").unwrap_or(&reply);
    match wire::flag(word) {
        Some(false) if !word.is_number() => Err(refused()),
        _ => Ok(()),
    }
}

/// A reply that is a text, or an object with the text behind one of these names.
///
/// # Errors
/// When it is none.
pub(crate) fn text(body: &[u8], names: &[&str]) -> Result<String> {
    let reply = inner(body)?;
    let found = names.iter().find_map(|name| reply.get(*name)).unwrap_or(&reply);
    wire::text(found).ok_or_else(|| strange("no text as its reply"))
}

/// An answer of another form.
pub(crate) fn strange(what: &str) -> Error {
    Error::new(ErrorKind::Decode, format!("the answer has {what}"))
        .with_hint("a proxy or gateway may be answering in the vendor's place")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_in_every_form() {
        for yes in [
            "true",
            r#"{"reply":true}"#,
            "",
            r#"{"reply":{"action_id":5}}"#,
            r#"{"reply":0}"#,
            r#"{"reply":{"success":true}}"#,
        ] {
            assert!(done(yes.as_bytes()).is_ok(), "{yes}");
        }
        for no in ["false", r#"{"reply":false}"#, r#"{"reply":{"success":"false"}}"#] {
            assert_eq!(done(no.as_bytes()).unwrap_err().kind(), ErrorKind::Vendor, "{no}");
        }
        assert_eq!(done(b"<html>").unwrap_err().kind(), ErrorKind::Decode);
    }

    #[test]
    fn lists_in_every_form() {
        let count =
            |body: &str| items(inner(body.as_bytes()).unwrap(), &["DATA", "data"]).map(|items| items.len());
        for (body, expected) in [
            (r#"{"reply":[1,2]}"#, 2),
            (r#"{"reply":[[1],[2,3]]}"#, 3),
            (r#"{"reply":{"DATA":[1]}}"#, 1),
            (r#"{"reply":{"data":null}}"#, 0),
            ("[1]", 1),
            (r#"{"reply":null}"#, 0),
        ] {
            assert_eq!(count(body).unwrap(), expected, "{body}");
        }
        assert!(count(r#"{"reply":{"other":[]}}"#).is_err() && count(r#"{"reply":7}"#).is_err());
    }

    #[test]
    fn texts() {
        for body in [r#"{"reply":"q1"}"#, r#"{"reply":{"query_id":"q1"}}"#, "\"q1\""] {
            assert_eq!(text(body.as_bytes(), &["query_id", "queryId"]).unwrap(), "q1");
        }
        assert!(text(br#"{"reply":{}}"#, &["query_id"]).is_err());
    }
}
