//! Authorising a request, anew for each attempt.

use std::fmt;

use async_trait::async_trait;
use edr_core::Result;
use http::HeaderMap;

use crate::{Failure, RequestPlan};

/// Puts credentials into the headers of one attempt.
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// Gets whatever takes a request of its own, such as a token. Called before the request waits for its
    /// turn, so that a slow answer does not let turns pile up.
    ///
    /// # Errors
    /// When no credentials can be had.
    async fn prepare(&self, plan: &RequestPlan) -> Result<()> {
        let _ = plan;
        Ok(())
    }

    /// Adds the headers, each marked sensitive, and returns the generation of the credentials used.
    ///
    /// # Errors
    /// When no credentials can be had.
    async fn authorize(&self, plan: &RequestPlan, headers: &mut HeaderMap) -> Result<u64>;

    /// Says that the vendor refused this generation with a 401. True when another attempt with fresh
    /// credentials is worth making; it is made once and does not count as a retry.
    async fn rejected(&self, generation: u64, failure: &Failure<'_>) -> bool {
        let _ = (generation, failure);
        false
    }
}

/// No credentials, for the calls that obtain them.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAuth;

#[async_trait]
impl Authenticator for NoAuth {
    async fn authorize(&self, _: &RequestPlan, _: &mut HeaderMap) -> Result<u64> {
        Ok(0)
    }
}
