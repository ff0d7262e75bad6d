//! Cursors: opaque to clients, and short-lived where the facts say so (falcon-api 2.1).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::estate::hash::mix_str;

/// For how long a scroll lives, in virtual milliseconds.
pub(crate) const LIFE_MS: i64 = 120_000;

/// Where a page of hosts begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostCursor {
    /// The tenant.
    pub(crate) t: usize,
    /// The list it walks, by number.
    pub(crate) l: u64,
    /// The position.
    pub(crate) p: u64,
    /// When it expires, in virtual milliseconds.
    pub(crate) e: i64,
    /// The filter, as it was compiled.
    pub(crate) f: String,
    /// When the filter was compiled: relative times stay what they were.
    pub(crate) n: i64,
    /// The order.
    pub(crate) s: String,
}

/// Where a page of alerts begins: after a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AlertCursor {
    pub(crate) version: String,
    pub(crate) total_hits: u64,
    pub(crate) total_relation: String,
    pub(crate) cluster_id: String,
    /// The sort key and the id of the last item.
    pub(crate) after: (String, u64),
    pub(crate) total_fetched: u64,
    pub(crate) sort: String,
}

const MARK: u64 = 0xC0_0C1E;

/// A cursor as text: base64 of JSON, with a sum so that a made-up one is known.
pub(crate) fn encode(cursor: &impl Serialize) -> String {
    let text = serde_json::to_string(cursor).unwrap_or_default();
    BASE64_STANDARD.encode(format!("{:016x}{text}", mix_str(MARK, &text)))
}

/// A text as cursor; `None` for one that was never given out.
pub(crate) fn decode<C: for<'a> Deserialize<'a>>(text: &str) -> Option<C> {
    let text = String::from_utf8(BASE64_STANDARD.decode(text).ok()?).ok()?;
    let (sum, json) = text.split_at_checked(16)?;
    (sum == format!("{:016x}", mix_str(MARK, json))).then(|| serde_json::from_str(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_a_forged_one_does_not() {
        let cursor = HostCursor { t: 1, l: 2, p: 3, e: 4, f: "a:'ü'".into(), n: 5, s: "x.asc".into() };
        let text = encode(&cursor);
        assert_eq!(decode(&text), Some(cursor));
        assert_eq!(decode::<HostCursor>(&text[..text.len() - 4]), None);
        assert_eq!(decode::<HostCursor>("nonsense"), None);
        assert_eq!(decode::<HostCursor>(&BASE64_STANDARD.encode("{}")), None);
    }
}
