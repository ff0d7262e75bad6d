//! A token store that can be left aside for a while: a diagnosis shows that the credentials are good now, which
//! a token of an earlier run does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use edr_core::Result;
use edr_http::{StoredToken, TokenKey, TokenLock, TokenStore};
use secrecy::SecretString;

/// The store that was given, and whether what it holds is left aside.
#[derive(Debug)]
pub(crate) struct Shelved {
    store: Arc<dyn TokenStore>,
    aside: AtomicBool,
}

impl Shelved {
    pub(crate) fn new(store: Arc<dyn TokenStore>) -> Arc<Self> {
        Arc::new(Self { store, aside: AtomicBool::new(false) })
    }

    /// Until this is dropped nothing is taken from the store; what is minted is kept in it as ever.
    pub(crate) fn aside(&self) -> Aside<'_> {
        self.aside.store(true, Ordering::Release);
        Aside(self)
    }
}

/// Takes the store up again when it is dropped.
#[must_use]
pub(crate) struct Aside<'a>(&'a Shelved);

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        self.0.aside.store(false, Ordering::Release);
    }
}

#[async_trait]
impl TokenStore for Shelved {
    async fn load(&self, key: &TokenKey) -> Option<StoredToken> {
        if self.aside.load(Ordering::Acquire) {
            return None;
        }
        self.store.load(key).await
    }

    async fn save(&self, key: &TokenKey, token: &StoredToken) -> Result<()> {
        self.store.save(key, token).await
    }

    async fn forget(&self, key: &TokenKey, token: &SecretString) -> Result<()> {
        self.store.forget(key, token).await
    }

    async fn lock(&self, key: &TokenKey, limit: Duration) -> Option<TokenLock> {
        self.store.lock(key, limit).await
    }
}
