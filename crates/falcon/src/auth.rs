//! The bearer token: minted at the token endpoint, shared by every clone, renewed early.
//!
//! The token endpoint is asked through a client of its own, without credentials in the headers, that
//! shares transport, base URL and notices with the main one: proxies, certificates and a region that
//! was found hold for both.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use edr_core::{Error, ErrorKind, Result, RetryStatus};
use edr_http::{Authenticator, Failure, HttpClient, RequestPlan, Token, TokenCache};
use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::api::oauth2;
use crate::wire::Lenient;

/// How long before its expiry a token is renewed.
const MARGIN: Duration = Duration::from_secs(300);
/// The lifetime of a token whose answer does not state one. One that is stated and below a second is a
/// failure of the vendor.
const UNSTATED: Duration = Duration::from_secs(600);

/// OAuth2 client credentials of one API client, for one customer.
pub(crate) struct OAuth2 {
    endpoint: HttpClient,
    client_id: String,
    client_secret: SecretString,
    member_cid: Option<String>,
    cache: TokenCache,
    /// Where the present token was minted: it is good in no other cloud.
    minted_at: Mutex<Option<Url>>,
    /// In 0..1, so that many processes do not renew at the same moment.
    jitter: f64,
}

impl OAuth2 {
    pub(crate) fn new(
        endpoint: HttpClient,
        client_id: String,
        client_secret: SecretString,
        member_cid: Option<String>,
    ) -> Self {
        let jitter = f64::from(RandomState::new().hash_one(&client_id) as u32) / f64::from(u32::MAX);
        let (cache, minted_at) = (TokenCache::new(), Mutex::default());
        Self { endpoint, client_id, client_secret, member_cid, cache, minted_at, jitter }
    }

    async fn mint(&self) -> Result<(SecretString, Duration)> {
        let plan = oauth2::token(&self.client_id, &self.client_secret, self.member_cid.as_deref());
        let reply = self.endpoint.fetch(&plan).await?;
        let granted = granted(&reply.body);
        *self.place() = Some(self.endpoint.base());
        granted.map_err(|e| {
            let error = e.with_operation(oauth2::TOKEN.name);
            error.with_tenant(self.endpoint.tenant(), self.endpoint.vendor())
        })
    }

    /// The token, minted anew where the tenant has moved.
    pub(crate) async fn token(&self) -> Result<Arc<Token>> {
        let get = || self.cache.get(|life| margin(life, self.jitter), || self.mint());
        let token = get().await.map_err(outlived)?;
        if !self.is_elsewhere() {
            return Ok(token);
        }
        self.cache.invalidate(token.generation);
        get().await.map_err(outlived)
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Option<Url>> {
        self.minted_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when the tenant has moved since the token was minted.
    fn is_elsewhere(&self) -> bool {
        self.place().as_ref().is_some_and(|url| *url != self.endpoint.base())
    }
}

impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2").field("member_cid", &self.member_cid).finish_non_exhaustive()
    }
}

/// The margin for a lifetime: 300 s with up to a tenth of jitter, at most a sixth of the lifetime.
fn margin(lifetime: Duration, jitter: f64) -> Duration {
    MARGIN.min(lifetime / 6).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 10.0)
}

/// What the endpoint grants. No `Debug`: it holds the token.
#[derive(serde::Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<Lenient<Option<f64>>>,
}

fn granted(body: &[u8]) -> Result<(SecretString, Duration)> {
    // The parser's error could quote the token, so it is not kept.
    let bad = || Error::new(ErrorKind::Decode, "the token endpoint's answer holds no token");
    let granted: Granted = serde_json::from_slice(body).map_err(|_| bad())?;
    let usable =
        !granted.access_token.is_empty() && granted.access_token.bytes().all(|b| b.is_ascii_graphic());
    if !usable {
        return Err(bad());
    }
    let stated = granted.expires_in.and_then(|e| e.0);
    // To use such a token would be to mint one for every request.
    if stated.is_some_and(|s| s < 1.0) {
        return Err(Error::new(ErrorKind::Decode, "the token endpoint's answer holds an expired token"));
    }
    let lifetime = stated.and_then(|s| Duration::try_from_secs_f64(s.min(86_400.0)).ok()).unwrap_or(UNSTATED);
    Ok((SecretString::from(granted.access_token), lifetime))
}

#[async_trait]
impl Authenticator for OAuth2 {
    /// Before the URL is made, because the mint may find the tenant in another cloud.
    async fn prepare(&self, _: &RequestPlan) -> Result<()> {
        self.token().await.map(drop)
    }

    async fn authorize(&self, _: &RequestPlan, headers: &mut HeaderMap) -> Result<u64> {
        let token = self.token().await?;
        let text = format!("Bearer {}", token.secret.expose_secret());
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| Error::new(ErrorKind::Decode, "the token cannot be put into a header"))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
        Ok(token.generation)
    }

    async fn rejected(&self, generation: u64, _: &Failure<'_>) -> bool {
        self.cache.invalidate(generation);
        true
    }
}

/// The mint has its own retries; the caller's retries would multiply them.
fn outlived(error: Error) -> Error {
    if error.retry_status() == RetryStatus::Temporary {
        error.with_retry(RetryStatus::Persistent)
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_bounded_by_the_lifetime() {
        assert_eq!(margin(Duration::from_secs(3600), 0.0), MARGIN);
        assert_eq!(margin(Duration::from_secs(60), 0.0), Duration::from_secs(10));
        assert_eq!(margin(Duration::from_secs(3600), 1.0), Duration::from_secs(270));
    }

    #[test]
    fn only_a_usable_token_is_taken_and_none_is_printed() {
        let read = |body: &str| granted(body.as_bytes());
        let (token, life) =
            read(r#"{"expires_in":"1799","token_type":"bearer","access_token":"canary"}"#).unwrap();
        assert_eq!((token.expose_secret(), life.as_secs()), ("canary", 1799));
        assert_eq!(read(r#"{"access_token":"canary"}"#).unwrap().1, UNSTATED);
        for bad in [
            "",
            "<html>",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":"canary\n"}"#,
            r#"{"access_token":"canary"#,
            r#"{"access_token":"canary","expires_in":0}"#,
            r#"{"access_token":"canary","expires_in":"-5"}"#,
        ] {
            let error = read(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{bad}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{bad}");
        }
    }
}
