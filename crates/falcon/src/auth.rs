//! The bearer token: minted at the token endpoint, shared by every clone, renewed early.
//!
//! The token endpoint is asked through a client of its own, without credentials in the headers, that
//! shares transport, base URL and notices with the main one: proxies, certificates and a region that
//! was found hold for both.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use edr_core::{Error, ErrorKind, Result, RetryStatus};
use edr_http::{
    Authenticator, Failure, HttpClient, RequestPlan, StoredToken, Token, TokenCache, TokenKey, TokenStore,
};
use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::api::oauth2;
use crate::config::{Cloud, cloud_url};
use crate::wire::Lenient;

/// How long before its expiry a token is renewed.
const MARGIN: Duration = Duration::from_secs(300);
/// The lifetime of a token whose answer does not state one. One that is stated and below a second is a
/// failure of the vendor.
const UNSTATED: Duration = Duration::from_secs(600);
/// How long another process may take to mint; after that we mint, too. Shorter than a renewal may take.
const OTHERS_TURN: Duration = Duration::from_secs(5);
/// The life that a shared token must have left to be worth taking.
const WORTH_TAKING: TimeDelta = TimeDelta::seconds(60);

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
    shared: Option<Shared>,
    revoke: bool,
}

/// What is known of the tokens that processes share.
struct Shared {
    store: Arc<dyn TokenStore>,
    key: TokenKey,
    /// The region may be found, so a shared token may tell it.
    discovers: bool,
    /// The token that was taken last: one that is to be replaced is not taken again.
    held: Mutex<Option<SecretString>>,
    /// The user has been told that nothing can be shared.
    told: AtomicBool,
}

impl OAuth2 {
    pub(crate) fn new(
        endpoint: HttpClient,
        client_id: String,
        client_secret: SecretString,
        member_cid: Option<String>,
    ) -> Self {
        let jitter = f64::from(RandomState::new().hash_one(&client_id) as u32) / f64::from(u32::MAX);
        Self {
            endpoint,
            client_id,
            client_secret,
            member_cid,
            cache: TokenCache::new(),
            minted_at: Mutex::default(),
            jitter,
            shared: None,
            revoke: false,
        }
    }

    /// Shares tokens with other processes. The key is that of the address where the tenant begins, so
    /// that a process which has yet to find the region finds the token.
    pub(crate) fn sharing(mut self, store: Option<Arc<dyn TokenStore>>, discovers: bool) -> Self {
        let member = self.member_cid.as_deref();
        let key = TokenKey::new(&self.endpoint.base(), &self.client_id, &self.client_secret, member);
        let told = AtomicBool::new(false);
        self.shared = store.map(|store| Shared { store, key, discovers, held: Mutex::default(), told });
        self
    }

    /// Revokes the token when the tenant is closed. Such a token is nobody else's.
    pub(crate) fn revoking(mut self, revoke: bool) -> Self {
        self.revoke = revoke;
        if revoke {
            self.shared = None;
        }
        self
    }

    /// Gives the token back, if that is asked for and there is one.
    pub(crate) async fn close(&self) -> Result<()> {
        if !self.revoke {
            return Ok(());
        }
        let Some(token) = self.cache.take() else { return Ok(()) };
        let plan = oauth2::revoke(&self.client_id, &self.client_secret, &token.secret)?;
        self.endpoint.fetch(&plan).await.map(drop)
    }

    /// A token that another process has minted, or one from the vendor. Of many processes one asks.
    async fn mint(&self) -> Result<(SecretString, Duration)> {
        let Some(shared) = &self.shared else { return self.fresh().await };
        if let Some(token) = self.take(shared).await {
            return Ok(token);
        }
        let _turn = shared.store.lock(&shared.key, OTHERS_TURN).await;
        if let Some(token) = self.take(shared).await {
            return Ok(token);
        }
        let (secret, lifetime) = self.fresh().await?;
        shared.hold(&secret);
        self.keep(shared, &secret, lifetime).await;
        Ok((secret, lifetime))
    }

    async fn fresh(&self) -> Result<(SecretString, Duration)> {
        let minted = self.ask().await;
        self.endpoint.count_mint(&minted);
        minted
    }

    async fn ask(&self) -> Result<(SecretString, Duration)> {
        let plan = oauth2::token(&self.client_id, &self.client_secret, self.member_cid.as_deref());
        let reply = self.endpoint.fetch(&plan).await?;
        let granted = granted(&reply.body);
        *self.place() = Some(self.endpoint.base());
        granted.map_err(|e| {
            let error = e.with_operation(oauth2::TOKEN.name);
            error.with_tenant(self.endpoint.tenant(), self.endpoint.vendor())
        })
    }

    /// The token that is shared, if it is good here and worth taking.
    async fn take(&self, shared: &Shared) -> Option<(SecretString, Duration)> {
        let found = shared.store.load(&shared.key).await?;
        let left = found.expires_at - self.endpoint.clock().now();
        if left < WORTH_TAKING || shared.holds(&found.secret) || !is_usable(found.secret.expose_secret()) {
            return None;
        }
        let leads_on = || shared.discovers && is_cloud(&found.base) && self.endpoint.begin_at(&found.base);
        let good_here = found.base == self.endpoint.base() || leads_on();
        if !good_here {
            return None;
        }
        *self.place() = Some(found.base);
        shared.hold(&found.secret);
        Some((found.secret, left.to_std().ok()?))
    }

    async fn keep(&self, shared: &Shared, secret: &SecretString, lifetime: Duration) {
        let Ok(life) = TimeDelta::from_std(lifetime) else { return };
        let expires_at = self.endpoint.clock().now() + life;
        let token = StoredToken { secret: secret.clone(), expires_at, base: self.endpoint.base() };
        let kept = shared.store.save(&shared.key, &token).await;
        self.tell(shared, kept);
    }

    /// Tells once that sharing does not work: it is a convenience, and no reason to fail.
    fn tell(&self, shared: &Shared, result: Result<()>) {
        if let Err(error) = result
            && !shared.told.swap(true, Ordering::Relaxed)
        {
            self.endpoint.notice(format!("tokens are not shared with other runs: {}", error.message()));
        }
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

impl Shared {
    fn held(&self) -> std::sync::MutexGuard<'_, Option<SecretString>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, secret: &SecretString) {
        *self.held() = Some(secret.clone());
    }

    fn holds(&self, secret: &SecretString) -> bool {
        self.held().as_ref().is_some_and(|held| held.expose_secret() == secret.expose_secret())
    }
}

/// True for the address of a cloud, exactly: nothing else is begun at because a file says so.
fn is_cloud(base: &Url) -> bool {
    let cloud = base.host_str().and_then(Cloud::of_api_host);
    cloud.is_some_and(|cloud| cloud_url(cloud).is_ok_and(|url| url == *base))
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

/// True for an answer of the token endpoint that holds something like a token; anything else was put
/// in its place, or broke off, and may be whole next time.
pub(crate) fn holds_a_token(body: &[u8]) -> bool {
    serde_json::from_slice::<Granted>(body).is_ok_and(|granted| is_usable(&granted.access_token))
}

fn is_usable(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic())
}

fn granted(body: &[u8]) -> Result<(SecretString, Duration)> {
    // The parser's error could quote the token, so it is not kept.
    let bad = || Error::new(ErrorKind::Decode, "the token endpoint's answer holds no token");
    let granted: Granted = serde_json::from_slice(body).map_err(|_| bad())?;
    if !is_usable(&granted.access_token) {
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
        let dropped = self.cache.invalidate(generation);
        if let (Some(token), Some(shared)) = (dropped, &self.shared) {
            let forgotten = shared.store.forget(&shared.key, &token.secret).await;
            self.tell(shared, forgotten);
        }
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
