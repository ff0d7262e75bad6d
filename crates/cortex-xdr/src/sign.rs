//! What a request is authorised with. Pure: key, nonce and time are passed in.
//!
//! Both kinds of key send `x-xdr-auth-id` and `Authorization`, without `Bearer`. A Standard key is sent
//! as it is. An Advanced key stays here: the header holds the lower-case hex SHA-256 of key, nonce and
//! timestamp, which are sent beside it. Neither body nor path is signed.

use edr_core::{Error, ErrorKind, Result};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rand::RngExt as _;
use rand::distr::Alphanumeric;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// The id of the key, decimal.
pub(crate) const AUTH_ID: HeaderName = HeaderName::from_static("x-xdr-auth-id");
/// 64 characters that are used once.
pub(crate) const NONCE: HeaderName = HeaderName::from_static("x-xdr-nonce");
/// Epoch milliseconds.
pub(crate) const TIMESTAMP: HeaderName = HeaderName::from_static("x-xdr-timestamp");

/// The length of a nonce.
const NONCE_LENGTH: usize = 64;

/// 64 characters of `[A-Za-z0-9]` from the thread's cryptographic generator, which the operating
/// system seeds.
pub(crate) fn nonce() -> String {
    rand::rng().sample_iter(Alphanumeric).take(NONCE_LENGTH).map(char::from).collect()
}

/// The signature of an Advanced key: lower-case hex SHA-256 of key, nonce and timestamp, without
/// separators.
///
/// ```
/// use secrecy::SecretString;
/// let key = SecretString::from("testApiKey");
/// let nonce = "b5834c137a825cc6c80111f237e1c5f8dedeef5df9dcd4c7f1dc73f180c89b47";
/// assert_eq!(
///     cortex_xdr::signature(&key, nonce, 1_584_983_036_945),
///     "8eb5e56a1656a35c9d187762d945339455b5382e11d779c458a63c652e1e79e9"
/// );
/// ```
#[must_use]
pub fn signature(key: &SecretString, nonce: &str, timestamp_ms: i64) -> String {
    let mut hasher = Sha256::new();
    hasher.update(key.expose_secret());
    hasher.update(nonce);
    hasher.update(timestamp_ms.to_string());
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Adds the headers of a Standard key.
pub(crate) fn standard(headers: &mut HeaderMap, id: &str, key: &SecretString) -> Result<()> {
    headers.insert(AUTH_ID, sensitive(id)?);
    headers.insert(AUTHORIZATION, sensitive(key.expose_secret())?);
    Ok(())
}

/// Adds the headers of an Advanced key.
pub(crate) fn advanced(
    headers: &mut HeaderMap,
    id: &str,
    key: &SecretString,
    nonce: &str,
    timestamp_ms: i64,
) -> Result<()> {
    headers.insert(AUTH_ID, sensitive(id)?);
    headers.insert(AUTHORIZATION, sensitive(&signature(key, nonce, timestamp_ms))?);
    headers.insert(NONCE, sensitive(nonce)?);
    headers.insert(TIMESTAMP, sensitive(&timestamp_ms.to_string())?);
    Ok(())
}

fn sensitive(value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Error::new(ErrorKind::Configuration, "the API key or its id holds characters that no header takes")
            .with_hint("copy the key once more, without line breaks")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const PUBLISHED: &str = "8eb5e56a1656a35c9d187762d945339455b5382e11d779c458a63c652e1e79e9";
    const PUBLISHED_NONCE: &str = "b5834c137a825cc6c80111f237e1c5f8dedeef5df9dcd4c7f1dc73f180c89b47";

    #[test]
    fn the_published_vector_holds() {
        let key = SecretString::from("testApiKey");
        assert_eq!(signature(&key, PUBLISHED_NONCE, 1_584_983_036_945), PUBLISHED);
        let mut headers = HeaderMap::new();
        advanced(&mut headers, "7", &key, PUBLISHED_NONCE, 1_584_983_036_945).unwrap();
        assert_eq!(headers[AUTHORIZATION], PUBLISHED);
        assert_eq!(headers[AUTH_ID], "7");
        assert_eq!(headers[NONCE], PUBLISHED_NONCE);
        assert_eq!(headers[TIMESTAMP], "1584983036945");
        assert!(headers.values().all(HeaderValue::is_sensitive));
    }

    #[test]
    fn a_nonce_is_64_characters_of_the_alphabet_and_never_twice() {
        let nonces: HashSet<String> = (0..2_000).map(|_| nonce()).collect();
        assert_eq!(nonces.len(), 2_000);
        assert!(nonces.iter().all(|n| n.len() == 64 && n.bytes().all(|b| b.is_ascii_alphanumeric())));
        let letters: HashSet<u8> = nonces.iter().flat_map(|n| n.bytes()).collect();
        assert_eq!(letters.len(), 62, "the whole alphabet is used");
    }

    #[test]
    fn a_standard_key_is_sent_as_it_is() {
        let mut headers = HeaderMap::new();
        standard(&mut headers, "12", &SecretString::from("plain")).unwrap();
        assert_eq!((headers.len(), headers[AUTHORIZATION].to_str().unwrap()), (2, "plain"));
        assert!(!format!("{headers:?}").contains("plain"));
        let error = standard(&mut headers, "12", &SecretString::from("canary\nx")).unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
