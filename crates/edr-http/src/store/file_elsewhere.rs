//! Systems without file modes: tokens are not written to disk there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use edr_core::clock::Clock;
use edr_core::{Error, Result};
use secrecy::SecretString;

use super::{StoredToken, TokenKey, TokenLock, TokenStore};

/// Tokens in a folder; there is none on this system.
#[derive(Debug)]
pub struct FileTokenStore(());

impl FileTokenStore {
    /// Never opens a folder here.
    ///
    /// # Errors
    /// Always.
    pub fn open(_: impl Into<PathBuf>, _: Arc<dyn Clock>) -> Result<Self> {
        Err(Error::unsupported("this system has no file modes, so tokens are not shared between processes"))
    }
}

#[async_trait]
impl TokenStore for FileTokenStore {
    async fn load(&self, _: &TokenKey) -> Option<StoredToken> {
        None
    }

    async fn save(&self, _: &TokenKey, _: &StoredToken) -> Result<()> {
        Ok(())
    }

    async fn forget(&self, _: &TokenKey, _: &SecretString) -> Result<()> {
        Ok(())
    }

    async fn lock(&self, _: &TokenKey, _: Duration) -> Option<TokenLock> {
        None
    }
}
