//! Signing, anew for every attempt; and learning how far this machine's clock is off.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use edr_core::Result;
use edr_core::clock::Clock;
use edr_http::{Authenticator, Failure, Operation, RequestPlan};
use http::HeaderMap;
use secrecy::SecretString;

use crate::{KeyType, api, sign};

/// A difference up to this is no reason for a 401; the vendor tolerates some minutes.
const TOLERANCE: TimeDelta = TimeDelta::seconds(30);

type Nonce = Arc<dyn Fn() -> String + Send + Sync>;

/// The credentials of one tenant. Debug shows neither key nor id.
pub(crate) struct Signer {
    id: String,
    key: SecretString,
    key_type: KeyType,
    clock: Arc<dyn Clock>,
    nonce: Nonce,
    skew: Mutex<Skew>,
}

/// What has been learned about the clock. The generation counts how often.
#[derive(Default)]
struct Skew {
    offset: TimeDelta,
    generation: u64,
    notices: Vec<String>,
}

impl Signer {
    pub(crate) fn new(id: &str, key: SecretString, key_type: KeyType, clock: Arc<dyn Clock>) -> Self {
        let nonce: Nonce = Arc::new(sign::nonce);
        Self { id: id.to_owned(), key, key_type, clock, nonce, skew: Mutex::default() }
    }

    #[cfg(test)]
    pub(crate) fn with_nonce(mut self, nonce: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.nonce = Arc::new(nonce);
        self
    }

    /// The type of the key.
    pub(crate) fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The key's id, a number.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// How the key is used for this operation.
    fn used_as(&self, operation: &Operation) -> KeyType {
        if std::ptr::eq(operation, &api::OTHER_KEY_TYPE) { self.key_type.other() } else { self.key_type }
    }

    /// The present time, as far as it is known: this machine's clock with what was learned about it.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now() + self.offset()
    }

    /// How far this machine's clock is behind the vendor's; zero until a refusal has shown it.
    pub(crate) fn offset(&self) -> TimeDelta {
        self.skew().offset
    }

    /// Takes what was learned since the last call, in words for the user.
    pub(crate) fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.skew().notices)
    }

    fn skew(&self) -> std::sync::MutexGuard<'_, Skew> {
        self.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns the vendor's time from a refusal of this generation; true when the clock explains it.
    fn learn(&self, generation: u64, headers: &HeaderMap) -> bool {
        let mut skew = self.skew();
        if generation < skew.generation {
            // Another request has learned it in the meantime.
            return true;
        }
        let Some(offset) = date(headers).map(|date| date - self.clock.now()) else { return false };
        if (offset - skew.offset).abs() <= TOLERANCE {
            return false;
        }
        skew.offset = offset;
        skew.generation += 1;
        skew.notices.push(notice(offset));
        true
    }
}

/// The vendor's own time.
pub(crate) fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let text = headers.get(http::header::DATE)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.with_timezone(&Utc))
}

/// A skew in words: `3 s`, `10 min`.
pub(crate) fn span(offset: TimeDelta) -> String {
    let seconds = offset.num_seconds().abs();
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", (seconds + 30) / 60) }
}

fn notice(offset: TimeDelta) -> String {
    let (side, span) = (if offset < TimeDelta::zero() { "ahead of" } else { "behind" }, span(offset));
    format!(
        "this machine's clock is {span} {side} Cortex XDR's, which refused a signature for it; \
         requests are signed with the vendor's time, set the clock"
    )
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key_type", &self.key_type).finish_non_exhaustive()
    }
}

#[async_trait]
impl Authenticator for Signer {
    async fn authorize(&self, plan: &RequestPlan, headers: &mut HeaderMap) -> Result<u64> {
        let generation = self.skew().generation;
        match self.used_as(plan.operation) {
            KeyType::Standard => sign::standard(headers, &self.id, &self.key)?,
            KeyType::Advanced => {
                let timestamp = self.now().timestamp_millis();
                sign::advanced(headers, &self.id, &self.key, &(self.nonce)(), timestamp)?;
            }
        }
        Ok(generation)
    }

    /// One more attempt is worth making in any case: with the vendor's time when the clock was the
    /// reason, and with a fresh signature when it was a refusal that passes, as in the middle of a walk. It
    /// is made once for an operation, so that a key which is wrong ends soon, and never as the other type of
    /// key.
    async fn rejected(&self, generation: u64, failure: &Failure<'_>) -> bool {
        if self.used_as(failure.operation) == KeyType::Advanced {
            self.learn(generation, failure.headers);
        }
        !std::ptr::eq(failure.operation, &api::OTHER_KEY_TYPE)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use edr_core::clock::ManualClock;
    use http::HeaderValue;

    use super::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 3, 4, 12, 0, 0).unwrap()
    }

    fn signer(key_type: KeyType) -> Signer {
        let clock = Arc::new(ManualClock::at(now()));
        Signer::new("7", SecretString::from("canary-key"), key_type, clock).with_nonce(|| "n".repeat(64))
    }

    fn dated(at: DateTime<Utc>) -> HeaderMap {
        let date = at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        HeaderMap::from_iter([(http::header::DATE, HeaderValue::from_str(&date).unwrap())])
    }

    #[test]
    fn a_skew_is_learned_once_and_told() {
        for minutes in [10, -10] {
            let signer = signer(KeyType::Advanced);
            let theirs = dated(now() + TimeDelta::minutes(minutes));
            assert!(signer.learn(0, &theirs));
            assert_eq!(signer.now(), now() + TimeDelta::minutes(minutes));
            assert!(!signer.learn(1, &theirs), "refused again with the right time: not the clock");
            assert!(signer.learn(0, &theirs), "a request that was signed before may try again");
            let notices = signer.take_notices();
            assert_eq!(notices.len(), 1);
            let side = if minutes > 0 { "10 min behind" } else { "10 min ahead" };
            assert!(notices[0].contains(side), "{notices:?}");
        }
    }

    #[test]
    fn a_small_or_unknown_difference_is_not_the_reason() {
        let signer = signer(KeyType::Advanced);
        assert!(!signer.learn(0, &dated(now() + TimeDelta::seconds(30))));
        assert!(!signer.learn(0, &HeaderMap::new()));
        assert!(
            !signer.learn(0, &HeaderMap::from_iter([(http::header::DATE, HeaderValue::from_static("soon"))]))
        );
        assert!(signer.take_notices().is_empty());
    }

    #[test]
    fn debug_tells_no_secret() {
        let text = format!("{:?}", signer(KeyType::Standard));
        assert_eq!(text, "Signer { key_type: Standard, .. }");
    }
}
