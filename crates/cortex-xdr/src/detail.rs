//! What Cortex XDR says when it refuses: eight shapes of one thing, read into one.

use std::any::Any;
use std::borrow::Cow;

use edr_core::VendorDetail;
use http::StatusCode;
use serde_json::{Map, Value};

/// The longest text that is taken over from an error body.
const LONGEST: usize = 400;

/// What the vendor said: status, code, message, and the part of `err_extra` that a person can read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CortexDetail {
    /// The HTTP status.
    pub status: Option<u16>,
    /// `err_code` or `errorCode`, a number or a word.
    pub code: Option<String>,
    /// `err_msg`, trimmed.
    pub message: Option<String>,
    /// `err_extra`, in words.
    pub extra: Option<String>,
}

impl CortexDetail {
    /// Reads an error body of any of the documented and observed shapes. HTML and other text that is
    /// no JSON is left out: it is a gateway's and may hold anything.
    #[must_use]
    pub fn read(status: StatusCode, body: &[u8]) -> Self {
        let mut detail = Self { status: Some(status.as_u16()), ..Self::default() };
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            detail.take(&value, 0);
        }
        detail
    }

    /// The error inside a successful answer, which stands at the root or as the reply, and nowhere
    /// deeper: results of actions have codes of their own.
    pub(crate) fn within(status: StatusCode, body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        let reply = match value.get("reply") {
            Some(Value::Array(one)) if one.len() == 1 => one.first(),
            other => other,
        };
        let told = |value: &Value| value.get("err_code").or_else(|| value.get("errorCode")).and_then(scalar);
        let code = [Some(&value), reply].into_iter().flatten().find_map(told)?;
        (!matches!(code.as_str(), "0" | "200")).then(|| Self::read(status, body))
    }

    /// The message and the extra in one line.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match (&self.message, &self.extra) {
            (Some(message), Some(extra)) if !message.contains(extra.as_str()) => {
                Some(format!("{message}: {extra}"))
            }
            (Some(one), _) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        }
    }

    /// True when one of these stands in the message or the extra, in any case.
    pub(crate) fn says(&self, words: &[&str]) -> bool {
        let text = self.text().unwrap_or_default().to_lowercase();
        words.iter().any(|word| text.contains(word))
    }

    fn take(&mut self, value: &Value, depth: u8) {
        match value {
            Value::Object(object) if depth < 4 => self.take_object(object, depth),
            Value::Array(items) if depth < 4 => {
                items.first().into_iter().for_each(|item| self.take(item, depth + 1));
            }
            Value::String(text) if depth > 0 => fill(&mut self.message, clean(text)),
            _ => {}
        }
    }

    fn take_object(&mut self, object: &Map<String, Value>, depth: u8) {
        let word = |key: &str| object.get(key).and_then(scalar);
        fill(&mut self.code, word("err_code").or_else(|| word("errorCode")));
        fill(&mut self.message, word("err_msg").map(|text| unwrapped(&text)).or_else(|| word("message")));
        fill(&mut self.extra, object.get("err_extra").and_then(|extra| words(extra, 0)));
        fill(&mut self.extra, object.get("details").and_then(|details| words(details, 0)));
        for inner in ["reply", "metadata", "data", "error"] {
            if let Some(value) = object.get(inner) {
                self.take(value, depth + 1);
            }
        }
    }
}

fn fill(slot: &mut Option<String>, value: Option<String>) {
    if slot.is_none() {
        *slot = value;
    }
}

/// `err_msg` of a query may be a JSON text of its own, with the words under `message`.
fn unwrapped(text: &str) -> String {
    let inner = serde_json::from_str::<Map<String, Value>>(text).ok();
    inner.and_then(|object| object.get("message").and_then(scalar)).unwrap_or_else(|| text.to_owned())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => clean(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn clean(text: &str) -> Option<String> {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    (!text.is_empty() && text != "null").then(|| text[..end].to_owned())
}

/// What a person can read of a nested complaint: `body.name: Field required`.
fn words(value: &Value, depth: u8) -> Option<String> {
    match value {
        Value::Array(items) if depth < 4 => joined(items.iter().filter_map(|item| words(item, depth + 1))),
        Value::Object(object) if depth < 4 => complaint(object, depth),
        other => scalar(other),
    }
}

fn complaint(object: &Map<String, Value>, depth: u8) -> Option<String> {
    let said = ["msg", "message", "parse_err"].iter().find_map(|key| words(object.get(*key)?, depth + 1));
    let Some(said) = said else {
        let named = |(key, value): (&String, &Value)| Some(format!("{key}: {}", words(value, depth + 1)?));
        return joined(object.iter().filter_map(named));
    };
    let place = match object.get("loc") {
        Some(Value::Array(path)) => Some(path.iter().filter_map(scalar).collect::<Vec<_>>().join(".")),
        _ => object.get("field").and_then(scalar),
    };
    Some(place.map_or_else(|| said.clone(), |place| format!("{place}: {said}")))
}

fn joined(parts: impl Iterator<Item = String>) -> Option<String> {
    clean(&parts.take(5).collect::<Vec<_>>().join("; "))
}

impl VendorDetail for CortexDetail {
    fn code(&self) -> Option<Cow<'_, str>> {
        self.code.as_deref().map(Cow::Borrowed)
    }
    fn message(&self) -> Option<Cow<'_, str>> {
        self.text().map(Cow::Owned)
    }
    fn trace_id(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn status(&self) -> Option<u16> {
        self.status
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (Option<String>, Option<String>) {
        let detail = CortexDetail::read(StatusCode::BAD_REQUEST, body.as_bytes());
        (detail.code.clone(), detail.text())
    }

    #[test]
    fn every_shape_is_read() {
        for (body, code, text) in [
            (r#"{"reply":{"err_code":400,"err_msg":"Bad","err_extra":null}}"#, "400", "Bad"),
            (
                r#"{"reply":{"err_code":401,"err_msg":"\tNo entry. ","err_extra":"KEY"}}"#,
                "401",
                "No entry.: KEY",
            ),
            (r#"{"err_code":"403","err_msg":"Closed","err_extra":"role"}"#, "403", "Closed: role"),
            (
                r#"{"reply":{"err_code":400,"err_msg":"Validation","err_extra":[{"type":"missing","loc":["body","name"],"msg":"required","input":null}]}}"#,
                "400",
                "Validation: body.name: required",
            ),
            (
                r#"{"err_msg":"Wrong","metadata":{"err_code":400,"err_extra":[{"field":"name","message":"too long"}]}}"#,
                "400",
                "Wrong: name: too long",
            ),
            (r#"{"data":{"err_msg":"Odd","metadata":{"err_code":7}}}"#, "7", "Odd"),
            (
                r#"{"errorCode":"E1","message":"Bad input","details":{"policy.x":{"message":"'x' is required"}}}"#,
                "E1",
                "Bad input: policy.x: 'x' is required",
            ),
            (r#"{"reply":[{"err_code":500,"err_msg":"In a list"}]}"#, "500", "In a list"),
            (
                r#"{"reply":{"err_code":500,"err_msg":"{\"line\":1,\"message\":\"no alternative\"}","err_extra":{"parse_err":"at '|'"}}}"#,
                "500",
                "no alternative: at '|'",
            ),
        ] {
            assert_eq!(read(body), (Some(code.to_owned()), Some(text.to_owned())), "{body}");
        }
        assert_eq!(read(r#"{"error":"plain"}"#), (None, Some("plain".to_owned())));
        assert_eq!(read(r#"{"error":{"message":"inside"}}"#), (None, Some("inside".to_owned())));
        for silent in
            ["", "<html><body>canary</body></html>", "null", "true", "[]", "{}", "{\"reply\":", "\"x\""]
        {
            assert_eq!(read(silent), (None, None), "{silent}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_read_without_panic(body: Vec<u8>, text in "\\PC{0,40}") {
            let _ = CortexDetail::read(StatusCode::OK, &body);
            let json = serde_json::json!({"reply": {"err_msg": text, "err_extra": [[text], {"loc": [1, text]}]}});
            let _ = CortexDetail::read(StatusCode::OK, json.to_string().as_bytes()).text();
        }
    }
}
