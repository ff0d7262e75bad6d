//! A token shared by every clone: minted once, renewed early, dropped only by generation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use edr_core::{Error, ErrorKind, Result};
use secrecy::SecretString;
use tokio::time::Instant;

/// A bearer token.
#[derive(Clone, Debug)]
pub struct Token {
    /// The secret itself.
    pub secret: SecretString,
    /// Which mint it came from; a 401 invalidates this generation alone.
    pub generation: u64,
    expires: Instant,
    renew: Instant,
}

impl Token {
    /// How long it still lives.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.expires.saturating_duration_since(Instant::now())
    }
}

/// One token at a time, one mint at a time.
///
/// * However many tasks ask at once, one mints and the others wait for its result; a failure is theirs, too.
/// * From some time before the expiry on, one task renews while the others go on with the old token; if
///   renewal fails, the old token is kept for as long as it lives.
/// * [`TokenCache::invalidate`] drops a token only if it is still the one that was refused.
#[derive(Debug, Default)]
pub struct TokenCache {
    slot: Mutex<Slot>,
    minting: tokio::sync::Mutex<()>,
    mints: AtomicU64,
}

#[derive(Debug, Default)]
struct Slot {
    token: Option<Arc<Token>>,
    failure: Option<(u64, Error, Instant)>,
    next_renewal: Option<Instant>,
}

/// Sets the rest after a renewal that was dropped before it ended.
struct RestOnDrop<'a>(&'a TokenCache);

impl Drop for RestOnDrop<'_> {
    fn drop(&mut self) {
        self.0.rest();
    }
}

fn too_slow() -> Error {
    Error::new(ErrorKind::Timeout, "the renewal of the token took too long")
}

/// No vendor's token lives longer; it keeps arithmetic on times in range.
const LONGEST_LIFE: Duration = Duration::from_secs(86_400);

/// How long a failed renewal rests before the next one, and how long one may take.
const RENEWAL_REST: Duration = Duration::from_secs(10);

/// How long credentials that were refused rest. Tried for every request, a wrong secret would use up what all
/// tenants may ask of the token endpoint.
const REFUSED_REST: Duration = Duration::from_secs(30);

impl TokenCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The token, minted when there is none that lives. `mint` returns the secret and its lifetime;
    /// `margin` is how long before the expiry renewal begins.
    ///
    /// # Errors
    /// The error of the mint, when there is no token that still lives.
    pub async fn get<F, Fut>(&self, margin: impl Fn(Duration) -> Duration, mint: F) -> Result<Arc<Token>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<(SecretString, Duration)>>,
    {
        let asked = self.mints.load(Ordering::SeqCst);
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let living = self.living();
        let turn = match &living {
            // Somebody renews already: the old token will do.
            Some(token) => match self.minting.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(token.clone()),
            },
            None => self.minting.lock().await,
        };
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        if let Some(error) =
            self.failure_since(asked).or_else(|| living.is_none().then(|| self.refused_lately())?)
        {
            return self.living().ok_or(error);
        }
        // While the old token lives, a renewal that hangs must not hold the caller for long, and one
        // that is dropped half-way counts as failed.
        let rest = RestOnDrop(self);
        let minted = match &living {
            None => mint().await,
            Some(_) => tokio::time::timeout(RENEWAL_REST, mint()).await.unwrap_or_else(|_| Err(too_slow())),
        };
        std::mem::forget(rest);
        let result = self.store(minted, margin);
        drop(turn);
        result
    }

    /// Drops the token of this generation, and returns it; a newer one stays.
    pub fn invalidate(&self, generation: u64) -> Option<Arc<Token>> {
        self.slot().token.take_if(|token| token.generation == generation)
    }

    /// Takes the token out, if there is one that lives.
    #[must_use]
    pub fn take(&self) -> Option<Arc<Token>> {
        let now = Instant::now();
        self.slot().token.take().filter(|token| token.expires > now)
    }

    /// How many mints have ended, well or not.
    #[must_use]
    pub fn mints(&self) -> u64 {
        self.mints.load(Ordering::SeqCst)
    }

    fn rest(&self) {
        self.slot().next_renewal = Some(Instant::now() + RENEWAL_REST);
    }

    fn store(
        &self,
        minted: Result<(SecretString, Duration)>,
        margin: impl Fn(Duration) -> Duration,
    ) -> Result<Arc<Token>> {
        let generation = self.mints.fetch_add(1, Ordering::SeqCst) + 1;
        let now = Instant::now();
        let mut slot = self.slot();
        match minted {
            Ok((secret, lifetime)) => {
                let lifetime = lifetime.min(LONGEST_LIFE);
                let renew = now + lifetime.saturating_sub(margin(lifetime).min(lifetime));
                let token = Arc::new(Token { secret, generation, expires: now + lifetime, renew });
                *slot = Slot { token: Some(token.clone()), failure: None, next_renewal: None };
                Ok(token)
            }
            Err(error) => {
                slot.failure = Some((generation, error.clone(), now));
                slot.next_renewal = Some(now + RENEWAL_REST);
                slot.token.clone().filter(|t| t.expires > now).ok_or(error)
            }
        }
    }

    /// A token that needs no renewal, or whose renewal has just failed.
    fn fresh(&self) -> Option<Arc<Token>> {
        let now = Instant::now();
        let slot = self.slot();
        let resting = slot.next_renewal.is_some_and(|t| t > now);
        slot.token.clone().filter(|t| t.renew > now || (resting && t.expires > now))
    }

    fn living(&self) -> Option<Arc<Token>> {
        let now = Instant::now();
        self.slot().token.clone().filter(|t| t.expires > now)
    }

    fn failure_since(&self, asked: u64) -> Option<Error> {
        let slot = self.slot();
        slot.failure.as_ref().filter(|(generation, ..)| *generation > asked).map(|(_, e, _)| e.clone())
    }

    /// The credentials were refused a moment ago, and would be again.
    fn refused_lately(&self) -> Option<Error> {
        let now = Instant::now();
        let slot = self.slot();
        let (_, error, at) = slot.failure.as_ref()?;
        let lately = error.kind() == ErrorKind::Authentication && now < *at + REFUSED_REST;
        lately.then(|| error.clone())
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const LIFE: Duration = Duration::from_secs(1799);

    fn margin(_: Duration) -> Duration {
        Duration::from_secs(300)
    }

    async fn good(cache: &TokenCache, name: &str) -> Result<Arc<Token>> {
        let secret = SecretString::from(name.to_owned());
        cache.get(margin, || async { Ok((secret, LIFE)) }).await
    }

    async fn bad(cache: &TokenCache) -> Result<Arc<Token>> {
        let mint = || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Err(Error::new(ErrorKind::Authentication, "no"))
        };
        cache.get(margin, mint).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_tasks_mint_once() {
        let cache = Arc::new(TokenCache::new());
        let tasks: Vec<_> = (0..1000)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move {
                    let mint = || async {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        Ok((SecretString::from("t"), LIFE))
                    };
                    cache.get(margin, mint).await.unwrap().generation
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 1);
        }
        assert_eq!(cache.mints(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_mint_is_shared_by_those_who_waited() {
        let cache = Arc::new(TokenCache::new());
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let cache = cache.clone();
                tokio::spawn(async move { bad(&cache).await.unwrap_err().kind() })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), ErrorKind::Authentication);
        }
        assert_eq!(cache.mints(), 1);
        assert_eq!(bad(&cache).await.unwrap_err().kind(), ErrorKind::Authentication);
        assert_eq!(cache.mints(), 1, "refused credentials rest");
        tokio::time::advance(REFUSED_REST).await;
        assert_eq!(bad(&cache).await.unwrap_err().kind(), ErrorKind::Authentication);
        assert_eq!(cache.mints(), 2, "who asks later tries again");
    }

    #[tokio::test(start_paused = true)]
    async fn renewal_is_early_and_the_old_token_outlives_a_failed_one() {
        let cache = TokenCache::new();
        assert_eq!(good(&cache, "a").await.unwrap().generation, 1);
        tokio::time::advance(Duration::from_secs(1400)).await;
        assert_eq!(good(&cache, "x").await.unwrap().generation, 1, "not yet");
        tokio::time::advance(Duration::from_secs(120)).await;
        assert_eq!(bad(&cache).await.unwrap().secret.expose_secret(), "a", "kept while it lives");
        assert_eq!(bad(&cache).await.unwrap().generation, 1);
        assert_eq!(cache.mints(), 2, "a failed renewal rests");
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(good(&cache, "b").await.unwrap().secret.expose_secret(), "b");
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_refused_generation_is_dropped() {
        let cache = TokenCache::new();
        let first = good(&cache, "a").await.unwrap();
        assert_eq!(cache.invalidate(first.generation).unwrap().secret.expose_secret(), "a");
        let second = good(&cache, "b").await.unwrap();
        assert!(cache.invalidate(first.generation).is_none());
        assert_eq!(good(&cache, "c").await.unwrap().generation, second.generation);
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_token_is_never_given_out() {
        let cache = TokenCache::new();
        good(&cache, "a").await.unwrap();
        tokio::time::advance(Duration::from_secs(1800)).await;
        assert!(bad(&cache).await.is_err());
        assert!(cache.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_can_be_taken_out() {
        let cache = TokenCache::new();
        good(&cache, "a").await.unwrap();
        assert_eq!(cache.take().unwrap().secret.expose_secret(), "a");
        assert!(cache.take().is_none());
        assert_eq!(good(&cache, "b").await.unwrap().secret.expose_secret(), "b");
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_hangs_or_is_dropped_costs_nobody_a_call() {
        let cache = TokenCache::new();
        good(&cache, "a").await.unwrap();
        tokio::time::advance(Duration::from_secs(1510)).await;
        let start = Instant::now();
        let hanging = || async { std::future::pending().await };
        assert_eq!(cache.get(margin, hanging).await.unwrap().secret.expose_secret(), "a");
        assert!(start.elapsed() <= Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(11)).await;
        let dropped = tokio::time::timeout(Duration::from_secs(1), cache.get(margin, hanging)).await;
        assert!(dropped.is_err());
        assert_eq!(cache.get(margin, hanging).await.unwrap().secret.expose_secret(), "a", "it rests");
    }

    #[tokio::test(start_paused = true)]
    async fn an_absurd_lifetime_is_no_overflow() {
        let mint = || async { Ok((SecretString::from("t"), Duration::MAX)) };
        assert!(TokenCache::new().get(margin, mint).await.is_ok());
    }

    #[test]
    fn a_token_hides_its_secret() {
        let token = Token {
            secret: SecretString::from("canary"),
            generation: 1,
            expires: Instant::now(),
            renew: Instant::now(),
        };
        assert!(!format!("{token:?}").contains("canary"));
    }
}
