//! What may be logged.

use std::fmt;

use http::HeaderMap;
use serde_json::Value;
use url::Url;

/// Headers whose values say nothing secret. Everything else is logged as its name alone.
const SAFE: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-ranges",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "range",
    "retry-after",
    "server",
    "user-agent",
    "x-api-deprecation",
    "x-cs-region",
    "x-cs-traceid",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-retryafter",
];

/// Headers for a log: values by allow-list, never one that is marked sensitive.
#[derive(Clone, Copy)]
pub struct RedactedHeaders<'a>(pub &'a HeaderMap);

impl<'a> RedactedHeaders<'a> {
    /// Names, and values that may be shown.
    pub fn pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().map(|(name, value)| {
            let open = SAFE.contains(&name.as_str()) && !value.is_sensitive();
            (name.as_str(), if open { value.to_str().unwrap_or("[binary]") } else { "[redacted]" })
        })
    }
}

impl fmt::Debug for RedactedHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.pairs()).finish()
    }
}

/// Query keys whose values may be logged: paging, sorting and filters, which hold no credentials.
const SAFE_QUERY: &[&str] = &["action_name", "fields", "filter", "include_hidden", "limit", "sort"];

/// A URL for a log or an error: without user, password and fragment, query values by allow-list.
#[must_use]
pub fn safe_url(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return "[not a URL]".to_owned() };
    if url.cannot_be_a_base() {
        return "[not an http address]".to_owned();
    }
    let mut safe = url.clone();
    // Neither can fail for a URL with a host; without one there is nothing to hide.
    let _ = safe.set_username("");
    let _ = safe.set_password(None);
    safe.set_fragment(None);
    if url.query().is_some() {
        safe.query_pairs_mut().clear().extend_pairs(url.query_pairs().map(|(key, value)| {
            let open = SAFE_QUERY.contains(&key.as_ref());
            (key.into_owned(), if open { value.into_owned() } else { "[redacted]".to_owned() })
        }));
    }
    safe.into()
}

/// As much of a body as is logged.
const SHOWN: usize = 2 << 10;

/// A longer body is not looked at: what cannot be read whole cannot be redacted by its keys.
const READ: usize = 1 << 20;

/// Words in a key whose value is not shown.
const SECRET_KEYS: &[&str] = &[
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "nonce",
    // What a script is given.
    "parametersvalues",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "session",
    "signature",
    "token",
];

/// Words behind which a text is not shown: messages repeat what was sent.
const SECRET_WORDS: &[&str] =
    &["access_token", "bearer ", "client_id", "client_secret", "clientid=", "commandline=", "password"];

/// A body for a log: of JSON the values of keys that sound like secrets are left out, of anything else
/// the long words. `secrets` are texts that are known to be secret. At most 2 KiB are shown.
pub(crate) fn safe_body(body: &[u8], secrets: &[String]) -> String {
    if body.is_empty() || body.len() > READ {
        return format!("[{} bytes]", body.len());
    }
    let shown = match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            redact(&mut value);
            value.to_string()
        }
        Err(_) => without_long_words(&String::from_utf8_lossy(body)),
    };
    let shown = secrets.iter().fold(shown, |text, secret| text.replace(secret.as_str(), "[redacted]"));
    cut(shown, body.len())
}

fn redact(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(fields) => {
            for (key, value) in fields {
                if is_secret_key(key) { *value = "[redacted]".into() } else { redact(value) }
            }
        }
        Value::String(text) => cut_behind_secret_words(text),
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}

/// The texts of a JSON body that are behind such keys.
pub(crate) fn secret_texts(body: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    if body.len() <= READ
        && let Ok(value) = serde_json::from_slice(body)
    {
        collect(value, false, &mut texts);
    }
    texts
}

fn collect(value: Value, is_secret: bool, texts: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.into_iter().for_each(|item| collect(item, is_secret, texts)),
        Value::Object(fields) => {
            fields
                .into_iter()
                .for_each(|(key, value)| collect(value, is_secret || is_secret_key(&key), texts));
        }
        Value::String(text) if is_secret => texts.push(text),
        _ => {}
    }
}

fn is_secret_key(key: &str) -> bool {
    let plain: String =
        key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_KEYS.iter().any(|word| plain.contains(word))
}

fn cut_behind_secret_words(text: &mut String) {
    let small = text.to_ascii_lowercase();
    if let Some(at) = SECRET_WORDS.iter().filter_map(|word| small.find(word).map(|at| at + word.len())).min()
    {
        text.truncate(at);
        text.push_str("[redacted]");
    }
}

/// Prose is kept; what is as long as a key or a token is not.
fn without_long_words(text: &str) -> String {
    const LONGEST: usize = 19;
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut_behind_secret_words(&mut text);
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/=_-.~%".contains(c);
    let mut shown = String::new();
    for piece in text.split_inclusive(|c| !is_part(c)) {
        let word = piece.trim_end_matches(|c| !is_part(c));
        if word.len() > LONGEST {
            shown.push('…');
            shown.push_str(&piece[word.len()..]);
        } else {
            shown.push_str(piece);
        }
    }
    shown
}

fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > SHOWN {
        let end = (0..=SHOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(&format!("… [{bytes} bytes]"));
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn headers_are_shown_by_allow_list() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("canary-1"));
        headers.insert("x-xdr-auth-id", HeaderValue::from_static("canary-2"));
        headers.insert("set-cookie", HeaderValue::from_static("canary-3"));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let text = format!("{:?}", RedactedHeaders(&headers));
        assert!(!text.contains("canary") && text.contains("application/json"), "{text}");
    }

    #[test]
    fn urls_lose_their_secrets() {
        let text = safe_url("https://user:canary@host.example/p?filter=a&token=canary&appId=x#canary");
        assert!(!text.contains("canary") && text.contains("filter=a") && text.contains("/p?"), "{text}");
        assert!(!safe_url("client:canary@api.example").contains("canary"));
    }

    #[test]
    fn bodies_lose_their_secrets() {
        let shown = |body: &str| safe_body(body.as_bytes(), &["canary-known".to_owned()]);
        let json = shown(
            r#"{"a":[{"api_key":"canary","clientSecret":{"x":"canary"},"Access-Token":"canary"}],
                "message":"Failed for clientID=canary.","note":"say canary-known!","filter":"hostname:'x'"}"#,
        );
        assert!(!json.contains("canary"), "{json}");
        assert!(json.contains("Failed for clientID=[redacted]") && json.contains("hostname:'x'"), "{json}");
        let html = shown(
            "<p>Bad gateway</p> seen: canaryCanaryCanary0123 canary-known Authorization: Bearer canary",
        );
        assert!(!html.to_lowercase().contains("canary"), "{html}");
        assert!(html.contains("<p>Bad gateway</p>"), "{html}");
    }

    #[test]
    fn a_body_is_cut() {
        assert_eq!(safe_body(b"", &[]), "[0 bytes]");
        assert_eq!(safe_body(&vec![b'x'; READ + 1], &[]), format!("[{} bytes]", READ + 1));
        let long = safe_body("é, ".repeat(5000).as_bytes(), &[]);
        assert!(long.len() < SHOWN + 40 && long.ends_with("… [20000 bytes]"), "{}", &long[SHOWN - 20..]);
    }
}
