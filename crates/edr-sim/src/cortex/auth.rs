//! The two kinds of API key.
//!
//! Facts: cortex-xdr-api section 2. Both send `x-xdr-auth-id` and `Authorization`. A Standard key is sent as it is, and
//! further nonce headers do no harm; an Advanced key signs each request with the lower-case hex SHA-256 of
//! key, nonce and timestamp. The window for stale and future timestamps is 5 minutes on the real clock. Every failure
//! is one and the same 401: a skewed clock looks like a wrong key.

use std::collections::HashMap;

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use super::envelope::Refusal;
use crate::estate::hash::hex_of;

/// How far the timestamp of a request may be from the service's clock, in milliseconds (facts 2, "Clock").
pub(super) const TOLERANCE_MS: i64 = 5 * 60_000;

/// The API key of a tenant.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    /// The id that goes with it, a decimal number.
    pub(super) id: &'a str,
    /// The key itself.
    pub(super) secret: &'a str,
    /// An Advanced key, which signs; a Standard key is sent.
    pub(super) advanced: bool,
}

/// What identifies a signed request, for the check against replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The nonce.
    pub(super) nonce: String,
    /// The timestamp in epoch milliseconds.
    pub(super) at: i64,
}

/// The signature of a request: SHA-256 over the three texts without a separator.
pub(super) fn signature(secret: &str, nonce: &str, timestamp: &str) -> String {
    let mut hash = Sha256::new();
    for part in [secret, nonce, timestamp] {
        hash.update(part.as_bytes());
    }
    hex_of(&hash.finalize())
}

/// Checks the headers against the key, with `now` the clock of the service. A signed request yields its stamp.
pub(super) fn check(headers: &HeaderMap, key: Key<'_>, now: i64) -> Result<Option<Stamp>, Refusal> {
    let (Some(id), Some(authorization)) =
        (text(headers, "x-xdr-auth-id"), text(headers, header::AUTHORIZATION.as_str()))
    else {
        return Err(Refusal::no_credentials());
    };
    if id != key.id {
        return Err(Refusal::unauthorized());
    }
    if key.advanced {
        check_signature(headers, key, authorization, now).map(Some)
    } else {
        check_plain(key, authorization)
    }
}

fn check_plain(key: Key<'_>, authorization: &str) -> Result<Option<Stamp>, Refusal> {
    if authorization == key.secret { Ok(None) } else { Err(Refusal::unauthorized()) }
}

fn check_signature(
    headers: &HeaderMap,
    key: Key<'_>,
    authorization: &str,
    now: i64,
) -> Result<Stamp, Refusal> {
    let nonce =
        text(headers, "x-xdr-nonce").filter(|nonce| !nonce.is_empty()).ok_or_else(Refusal::unauthorized)?;
    let timestamp = text(headers, "x-xdr-timestamp").ok_or_else(Refusal::unauthorized)?;
    let at: i64 = timestamp.parse().map_err(|_| Refusal::unauthorized())?;
    if now.abs_diff(at) > TOLERANCE_MS.unsigned_abs()
        || authorization != signature(key.secret, nonce, timestamp)
    {
        return Err(Refusal::unauthorized());
    }
    Ok(Stamp { nonce: nonce.to_owned(), at })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The nonces of the window, for strict mode: the documents say that nonce and timestamp are there against replay.
#[derive(Debug, Default)]
pub(super) struct Nonces(HashMap<String, i64>);

impl Nonces {
    /// Refuses a nonce that was used within the window.
    pub(super) fn admit(&mut self, stamp: Stamp) -> Result<(), Refusal> {
        self.forget(stamp.at);
        match self.0.insert(stamp.nonce, stamp.at) {
            None => Ok(()),
            Some(_) => Err(Refusal::unauthorized()),
        }
    }

    /// Drops what the timestamp check refuses anyway.
    fn forget(&mut self, at: i64) {
        const FULL: usize = 4096;
        if self.0.len() >= FULL {
            self.0.retain(|_, seen| *seen + 4 * TOLERANCE_MS > at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const KEY: &str = "testApiKey";
    const NONCE: &str = "b5834c137a825cc6c80111f237e1c5f8dedeef5df9dcd4c7f1dc73f180c89b47";
    const AT: i64 = 1_584_983_036_945;
    const SIGNATURE: &str = "8eb5e56a1656a35c9d187762d945339455b5382e11d779c458a63c652e1e79e9";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn signed(id: &str, signature: &str, at: &str) -> HeaderMap {
        headers(&[
            ("x-xdr-auth-id", id),
            ("authorization", signature),
            ("x-xdr-nonce", NONCE),
            ("x-xdr-timestamp", at),
        ])
    }

    fn advanced() -> Key<'static> {
        Key { id: "7", secret: KEY, advanced: true }
    }

    fn standard() -> Key<'static> {
        Key { advanced: false, ..advanced() }
    }

    #[test]
    fn the_published_vector() {
        assert_eq!(signature(KEY, NONCE, "1584983036945"), SIGNATURE);
        let stamp = check(&signed("7", SIGNATURE, "1584983036945"), advanced(), AT).unwrap();
        assert_eq!(stamp, Some(Stamp { nonce: NONCE.to_owned(), at: AT }));
    }

    #[test]
    fn the_window_is_five_minutes_on_both_sides() {
        for (drift, accepted) in [(0, true), (299_999, true), (300_000, true), (300_001, false)] {
            for now in [AT + drift, AT - drift] {
                let result = check(&signed("7", SIGNATURE, "1584983036945"), advanced(), now);
                assert_eq!(result.is_ok(), accepted, "{drift}");
            }
        }
    }

    #[test]
    fn one_refusal_for_every_cause() {
        let upper = SIGNATURE.to_ascii_uppercase();
        for headers in [
            signed("8", SIGNATURE, "1584983036945"),
            signed("7", KEY, "1584983036945"),
            signed("7", &upper, "1584983036945"),
            signed("7", SIGNATURE, "1584983036946"),
            signed("7", SIGNATURE, "soon"),
            headers(&[("x-xdr-auth-id", "7"), ("authorization", SIGNATURE)]),
            headers(&[
                ("x-xdr-auth-id", "7"),
                ("authorization", SIGNATURE),
                ("x-xdr-nonce", ""),
                ("x-xdr-timestamp", "1584983036945"),
            ]),
        ] {
            assert_eq!(check(&headers, advanced(), AT), Err(Refusal::unauthorized()));
        }
    }

    #[test]
    fn a_standard_key_goes_as_it_is() {
        assert_eq!(
            check(&headers(&[("x-xdr-auth-id", "7"), ("authorization", KEY)]), standard(), AT),
            Ok(None)
        );
        assert_eq!(check(&signed("7", KEY, "0"), standard(), AT), Ok(None));
        assert_eq!(
            check(&signed("7", SIGNATURE, "1584983036945"), standard(), AT),
            Err(Refusal::unauthorized())
        );
        assert_eq!(
            check(
                &headers(&[("x-xdr-auth-id", "7"), ("authorization", "Bearer testApiKey")]),
                standard(),
                AT
            ),
            Err(Refusal::unauthorized())
        );
    }

    #[test]
    fn no_credentials_have_their_own_text() {
        assert_eq!(check(&HeaderMap::new(), standard(), AT), Err(Refusal::no_credentials()));
        assert_eq!(
            check(&headers(&[("x-xdr-auth-id", "7")]), advanced(), AT),
            Err(Refusal::no_credentials())
        );
        assert_eq!(
            check(&headers(&[("authorization", KEY)]), advanced(), AT),
            Err(Refusal::no_credentials())
        );
    }

    #[test]
    fn a_nonce_is_good_once() {
        let mut nonces = Nonces::default();
        let stamp = Stamp { nonce: NONCE.to_owned(), at: AT };
        assert_eq!(nonces.admit(stamp.clone()), Ok(()));
        assert_eq!(nonces.admit(stamp), Err(Refusal::unauthorized()));
        for n in 0..10_000 {
            nonces.admit(Stamp { nonce: n.to_string(), at: AT + n * 1000 }).unwrap();
        }
        assert!(nonces.0.len() < 8_000);
    }
}
