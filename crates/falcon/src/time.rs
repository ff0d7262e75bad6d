//! Times as Falcon sends them: RFC 3339 with seconds to nanoseconds, days, or numbers since 1970.

use std::fmt;
use std::ops::Deref;

use chrono::{DateTime, NaiveDate, Utc};

/// A time, with the text that was sent, so that one that cannot be read is not lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Timestamp(String);

impl Timestamp {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The time; `None` when the text is none. A day is its midnight. Numbers are seconds, milliseconds, microseconds or
    /// nanoseconds, by their size.
    #[must_use]
    pub fn utc(&self) -> Option<DateTime<Utc>> {
        let text = self.0.trim();
        match text.parse::<i64>() {
            Ok(number) => of_number(number),
            Err(_) => DateTime::parse_from_rfc3339(text).ok().map(|t| t.to_utc()).or_else(|| of_day(text)),
        }
    }

    /// The text as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn of_day(text: &str) -> Option<DateTime<Utc>> {
    Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc())
}

fn of_number(number: i64) -> Option<DateTime<Utc>> {
    const SECONDS: u64 = 100_000_000_000;
    const MILLIS: u64 = SECONDS * 1_000;
    const MICROS: u64 = MILLIS * 1_000;
    match number.unsigned_abs() {
        n if n < SECONDS => DateTime::from_timestamp(number, 0),
        n if n < MILLIS => DateTime::from_timestamp_millis(number),
        n if n < MICROS => DateTime::from_timestamp_micros(number),
        _ => Some(DateTime::from_timestamp_nanos(number)),
    }
}

impl Deref for Timestamp {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let read = |text: &str| Timestamp::new(text.to_owned()).utc().map(|t| t.timestamp_millis());
        for (text, millis) in [
            ("2025-01-29T22:59:18Z", Some(1_738_191_558_000)),
            ("2025-01-29T22:59:18.123456789Z", Some(1_738_191_558_123)),
            ("2025-01-29T23:59:18+01:00", Some(1_738_191_558_000)),
            ("1738191558", Some(1_738_191_558_000)),
            ("1738191558123", Some(1_738_191_558_123)),
            ("1738191558123456", Some(1_738_191_558_123)),
            ("1738191558123456789", Some(1_738_191_558_123)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000)),
            ("2025-01-29", Some(1_738_108_800_000)),
            ("2025-02-30", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(read(text), millis, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, number: i64) {
            let _ = Timestamp::new(text).utc();
            let _ = Timestamp::new(number.to_string()).utc();
        }
    }
}
