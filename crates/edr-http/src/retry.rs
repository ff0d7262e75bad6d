//! When to try again: three small pieces with their state passed in.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use tokio::time::Instant;

/// How often and how long an operation is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// The first backoff; it doubles each time.
    pub base: Duration,
    /// The longest backoff.
    pub cap: Duration,
    /// The longest wait that a server may ask for; beyond it the operation fails at once.
    pub max_server_delay: Duration,
    /// Time for one attempt up to the head of the answer.
    pub attempt_timeout: Duration,
    /// Time without a byte of the body.
    pub read_timeout: Duration,
    /// Time for the whole operation, waits included, up to the head of the answer.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(20),
            max_server_delay: Duration::from_secs(90),
            attempt_timeout: Duration::from_secs(60),
            read_timeout: Duration::from_secs(30),
            deadline: Duration::from_secs(180),
        }
    }
}

impl RetryPolicy {
    /// A policy that never tries twice.
    #[must_use]
    pub fn never() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// The wait before the attempt after this one (counted from 1): exponential, with full jitter in
    /// the upper half. `jitter` is in 0..1.
    #[must_use]
    pub fn backoff(&self, attempt: u32, jitter: f64) -> Duration {
        let doubled =
            self.base.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.cap).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

/// Limits retries to a fraction of the calls, so that a broken vendor is not hammered by every task
/// at once. A retry costs more than a success gives back.
#[derive(Debug)]
pub struct RetryBudget {
    tokens: Mutex<f64>,
}

impl RetryBudget {
    const FULL: f64 = 100.0;
    const COST: f64 = 1.0;
    const REFUND: f64 = 0.2;

    /// A full budget: 100 retries, and one more for every five successes.
    #[must_use]
    pub fn new() -> Self {
        Self { tokens: Mutex::new(Self::FULL) }
    }

    /// Takes the price of a retry; false when there is none left.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = *tokens >= Self::COST;
        if enough {
            *tokens -= Self::COST;
        }
        enough
    }

    /// Gives back for a success.
    pub fn deposit(&self) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens + Self::REFUND).min(Self::FULL);
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}

/// No time that is waited for is longer: thirty years.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);

/// The moment at which a time is up; a time without an end, as [`Duration::MAX`], is up in thirty years.
#[must_use]
pub fn from_now(time: Duration) -> Instant {
    Instant::now() + time.min(LONGEST)
}

/// A header in which a server asks for a wait, and what its number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerDelay {
    /// An epoch in seconds, or milliseconds where the number is too large for seconds (Falcon).
    Epoch(&'static str),
    /// Seconds, or an HTTP date (RFC 9110).
    Standard(&'static str),
}

/// The wait that the server asks for, by the first of these headers that can be read. `now` is passed
/// in; a time in the past is no wait.
#[must_use]
pub fn server_delay(headers: &HeaderMap, forms: &[ServerDelay], now: DateTime<Utc>) -> Option<Duration> {
    forms.iter().find_map(|form| match form {
        // The server's own clock says how far off its epoch is; ours may be minutes wrong.
        ServerDelay::Epoch(name) => {
            epoch_delay(headers.get(*name)?.to_str().ok()?.trim(), server_now(headers, now))
        }
        ServerDelay::Standard(name) => standard_delay(headers.get(*name)?.to_str().ok()?.trim(), now),
    })
}

fn server_now(headers: &HeaderMap, now: DateTime<Utc>) -> DateTime<Utc> {
    let date = headers.get(http::header::DATE).and_then(|d| d.to_str().ok());
    date.and_then(|d| httpdate::parse_http_date(d).ok()).map_or(now, DateTime::<Utc>::from)
}

fn epoch_delay(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let number: i64 = text.parse().ok()?;
    let millis = if number > 100_000_000_000 { number } else { number.checked_mul(1000)? };
    Some(Duration::from_millis(u64::try_from(millis.checked_sub(now.timestamp_millis())?).unwrap_or(0)))
}

fn standard_delay(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = DateTime::<Utc>::from(httpdate::parse_http_date(text).ok()?);
    Some((at - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[tokio::test]
    async fn a_time_without_an_end_does_not_panic() {
        assert!(from_now(Duration::MAX) > Instant::now() + Duration::from_secs(86_400));
        assert!(from_now(Duration::ZERO) <= Instant::now());
    }

    fn now() -> DateTime<Utc> {
        Utc.timestamp_opt(1_700_000_000, 0).unwrap()
    }

    fn delay(name: &'static str, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let forms = [ServerDelay::Epoch("x-ratelimit-retryafter"), ServerDelay::Standard("retry-after")];
        server_delay(&headers, &forms, now())
    }

    #[test]
    fn every_form_of_delay_is_read() {
        for (name, value, millis) in [
            ("x-ratelimit-retryafter", "1700000030", Some(30_000)),
            ("x-ratelimit-retryafter", "1700000030500", Some(30_500)),
            ("x-ratelimit-retryafter", "1600000000", Some(0)),
            ("x-ratelimit-retryafter", "soon", None),
            ("x-ratelimit-retryafter", "9223372036854775807", Some(9_223_370_336_854_775_807)),
            ("retry-after", "7", Some(7_000)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after", "-3", None),
            ("retry-after", "NaN", None),
            ("retry-after", "Tue, 14 Nov 2023 22:13:50 GMT", Some(30_000)),
            ("retry-after", "Tue, 14 Nov 2023 22:13:10 GMT", Some(0)),
        ] {
            assert_eq!(delay(name, value), millis.map(Duration::from_millis), "{name}: {value}");
        }
    }

    #[test]
    fn an_epoch_is_read_by_the_servers_clock() {
        let mut headers = HeaderMap::new();
        headers.insert("date", "Tue, 14 Nov 2023 22:23:20 GMT".parse().unwrap());
        headers.insert("x-ratelimit-retryafter", "1700000630".parse().unwrap());
        let delay = server_delay(&headers, &[ServerDelay::Epoch("x-ratelimit-retryafter")], now());
        assert_eq!(delay, Some(Duration::from_secs(30)));
    }

    #[test]
    fn backoff_doubles_up_to_the_cap() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.backoff(1, 1.0), Duration::from_millis(500));
        assert_eq!(policy.backoff(1, 0.0), Duration::from_millis(250));
        assert_eq!(policy.backoff(3, 1.0), Duration::from_secs(2));
        assert_eq!(policy.backoff(60, 1.0), policy.cap);
    }

    #[test]
    fn a_budget_runs_dry_and_recovers() {
        let budget = RetryBudget::new();
        assert_eq!((0..200).filter(|_| budget.withdraw()).count(), 100);
        (0..5).for_each(|_| budget.deposit());
        assert!(budget.withdraw() && !budget.withdraw());
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_without_panic(value in "[ -~]*") {
            delay("retry-after", &value);
            delay("x-ratelimit-retryafter", &value);
        }

        #[test]
        fn backoff_stays_in_bounds(attempt: u32, jitter: f64) {
            proptest::prop_assume!(jitter.is_finite());
            let policy = RetryPolicy::default();
            let wait = policy.backoff(attempt, jitter);
            proptest::prop_assert!(wait <= policy.cap && wait >= policy.base / 2);
        }
    }
}
