//! The headers in which a server asks for a wait.
//!
//! The first line is the present time in seconds; each line after it is a header.

use std::time::Duration;

use chrono::DateTime;
use edr_http::{ServerDelay, server_delay};
use http::{HeaderMap, HeaderName, HeaderValue};

const EPOCH: ServerDelay = ServerDelay::Epoch("x-ratelimit-retryafter");
const STANDARD: ServerDelay = ServerDelay::Standard("retry-after");

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|b| *b == b'\n');
    let first = lines.next().and_then(|l| str::from_utf8(l).ok()).and_then(|l| l.trim().parse().ok());
    let now = first.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or_default();
    let headers: HeaderMap = lines.filter_map(header).collect();
    for forms in [&[EPOCH, STANDARD][..], &[STANDARD, EPOCH], &[ServerDelay::Epoch("retry-after")]] {
        // A wait is added to a moment and to a backoff, neither of which may overflow.
        let delay = server_delay(&headers, forms, now).unwrap_or_default();
        assert!(delay.checked_add(Duration::from_secs(60)).is_some(), "a wait without bounds: {delay:?}");
    }
    let value = headers.get("retry-after").and_then(|v| v.to_str().ok());
    if let Some(seconds) = value.and_then(|v| v.parse::<u32>().ok()) {
        let delay = server_delay(&headers, &[STANDARD], now);
        assert_eq!(delay, Some(Duration::from_secs(seconds.into())));
    }
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let at = line.iter().position(|b| *b == b':')?;
    let value = HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?;
    Some((HeaderName::from_bytes(&line[..at]).ok()?, value))
}
