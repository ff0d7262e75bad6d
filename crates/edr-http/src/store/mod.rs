//! Tokens that outlive one process: shared by all that run with the same credentials.

#[cfg(unix)]
mod file;
#[cfg(not(unix))]
#[path = "file_elsewhere.rs"]
mod file;

use std::any::Any;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use edr_core::Result;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;

pub use file::FileTokenStore;

/// Under what a token is kept: a digest of the address, the credentials and the customer, from which
/// none of them can be read. The secret is a part of it, so that a token never vouches for a secret
/// that is wrong or that was changed.
///
/// ```
/// use edr_http::TokenKey;
/// let url = url::Url::parse("https://api.example").unwrap();
/// let key = TokenKey::new(&url, "client id", &"secret".into(), None);
/// assert_eq!(key.name().len(), 64);
/// assert_ne!(key, TokenKey::new(&url, "client id", &"secret".into(), Some("a child")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenKey(String);

impl TokenKey {
    /// The key of the credentials at an address.
    #[must_use]
    pub fn new(base: &Url, client_id: &str, client_secret: &SecretString, member: Option<&str>) -> Self {
        let secret = client_secret.expose_secret();
        let parts = [base.as_str(), client_id, secret, member.unwrap_or_default()];
        // The lengths keep neighbours apart: "a", "bc" is not "ab", "c".
        let digest = parts.iter().fold(Sha256::new(), |digest, part| {
            digest.chain_update((part.len() as u64).to_le_bytes()).chain_update(part)
        });
        Self(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// 64 hex digits.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// A token with what must be known to use it in another process. Exhaustive, for who writes a store.
#[derive(Clone, Debug)]
pub struct StoredToken {
    /// The token.
    pub secret: SecretString,
    /// When it expires, by the wall clock.
    pub expires_at: DateTime<Utc>,
    /// The address that it was minted at: it is good at no other.
    pub base: Url,
}

/// The right to mint: other processes wait until it is dropped.
pub struct TokenLock(#[expect(dead_code, reason = "dropping it is its use")] Box<dyn Any + Send + Sync>);

impl TokenLock {
    /// A lock that is released when `guard` is dropped.
    #[must_use]
    pub fn holding(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for TokenLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenLock")
    }
}

/// Where tokens are shared between processes.
///
/// A store is a convenience: whatever goes wrong with it, the caller mints a token of its own.
#[async_trait]
pub trait TokenStore: fmt::Debug + Send + Sync + 'static {
    /// The token that is kept under the key, if it can be trusted and has not expired.
    async fn load(&self, key: &TokenKey) -> Option<StoredToken>;

    /// Keeps a token in place of what was kept before.
    ///
    /// # Errors
    /// When it cannot be kept; the message is for the user.
    async fn save(&self, key: &TokenKey, token: &StoredToken) -> Result<()>;

    /// Forgets this very token, which was refused. One that another process has kept in the meantime
    /// stays.
    ///
    /// # Errors
    /// When it cannot be forgotten; the message is for the user.
    async fn forget(&self, key: &TokenKey, token: &SecretString) -> Result<()>;

    /// Waits for the right to mint, so that of many processes one mints and the others load. `None`
    /// after `limit`, or when there can be no lock: then one mints without it.
    async fn lock(&self, key: &TokenKey, limit: Duration) -> Option<TokenLock>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_apart_and_tell_nothing() {
        let url = |text: &str| Url::parse(text).unwrap();
        let (one, two) = (url("https://api.example"), url("https://api.us-2.example"));
        let key = |url, id, secret: &str, member| TokenKey::new(url, id, &secret.into(), member);
        let keys = [
            key(&one, "canary-id", "canary-secret", None),
            key(&two, "canary-id", "canary-secret", None),
            key(&one, "canary-id", "canary-secret", Some("child")),
            key(&one, "canary-id", "canary-secretc", Some("hild")),
            key(&one, "canary-id", "canary-other", None),
        ];
        for (n, key) in keys.iter().enumerate() {
            assert!(
                key.name().bytes().all(|b| b.is_ascii_hexdigit()) && !format!("{key:?}").contains("canary")
            );
            assert!(keys[n + 1..].iter().all(|other| other != key));
        }
    }

    #[test]
    fn a_stored_token_hides_its_secret() {
        let (secret, base) = (SecretString::from("canary"), Url::parse("https://api.example").unwrap());
        let token = StoredToken { secret, expires_at: DateTime::UNIX_EPOCH, base };
        assert!(!format!("{token:?}").contains("canary"));
    }
}
