//! What may be logged.

use std::fmt;

use http::HeaderMap;
use url::Url;

/// Headers whose values say nothing secret. Everything else is logged as its name alone.
const SAFE: &[&str] = &[
    "accept",
    "accept-encoding",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
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

impl fmt::Debug for RedactedHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            let open = SAFE.contains(&name.as_str()) && !value.is_sensitive();
            (name.as_str(), if open { value.to_str().unwrap_or("[binary]") } else { "[redacted]" })
        });
        f.debug_map().entries(shown).finish()
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
}
