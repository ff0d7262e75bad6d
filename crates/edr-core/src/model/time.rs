//! The nine forms of time that vendors send, read into UTC.
//!
//! Seen in the field: RFC 3339 with 0 to 9 fractional digits; epoch seconds, milliseconds,
//! microseconds or nanoseconds as a number, a float or a string; `YYYY-MM-DD HH:MM:SS` with and
//! without ` UTC`; month names with an ordinal (`May 18th 2023 08:51:59`); and, for "none", an
//! empty string, null, 0, −1 and Go's zero time.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};

/// What a vendor's time turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A time.
    At(DateTime<Utc>),
    /// One of the ways to say "none".
    None,
    /// Not a time, or one that cannot be true (before 2000, or more than a day ahead of `now`).
    Absurd,
}

impl Reading {
    /// The time, if there is one.
    #[must_use]
    pub fn at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::At(time) => Some(time),
            Self::None | Self::Absurd => None,
        }
    }
}

/// Reads a time from text in any of the forms. `now` bounds what can be true.
#[must_use]
pub fn from_text(text: &str, now: DateTime<Utc>) -> Reading {
    let text = text.trim();
    if text.is_empty() || text.starts_with("0001-01-01T00:00:00") {
        return Reading::None;
    }
    // A date, as nearly every text is, and no number.
    if text.as_bytes().get(4) == Some(&b'-')
        && let Some(time) = rfc3339(text)
    {
        return plausible(time, now);
    }
    if let Ok(number) = text.parse::<i64>() {
        return from_whole(number, now);
    }
    if let Ok(number) = text.parse::<f64>() {
        return from_number(number, now);
    }
    match parse(text) {
        Some(time) => plausible(time, now),
        None => Reading::Absurd,
    }
}

/// Reads a whole epoch number: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds,
/// else nanoseconds; 0 and −1 mean none. Rounded down to milliseconds.
#[must_use]
pub fn from_whole(number: i64, now: DateTime<Utc>) -> Reading {
    let millis = match number {
        0 | -1 => return Reading::None,
        n if n < 100_000_000_000 => n.checked_mul(1_000),
        n if n < 100_000_000_000_000 => Some(n),
        n if n < 100_000_000_000_000_000 => Some(n.div_euclid(1_000)),
        n => Some(n.div_euclid(1_000_000)),
    };
    millis.map_or(Reading::Absurd, |millis| at(millis, now))
}

/// As [`from_whole`], of a number with a fraction. Microseconds and nanoseconds have more digits than a
/// float keeps: a whole number is better read as one.
#[must_use]
pub fn from_number(number: f64, now: DateTime<Utc>) -> Reading {
    if number == 0.0 || number == -1.0 {
        return Reading::None;
    }
    let millis = match number {
        n if n < 1e11 => n * 1e3,
        n if n < 1e14 => n,
        n if n < 1e17 => n / 1e3,
        n => n / 1e6,
    };
    #[expect(clippy::cast_possible_truncation, reason = "floats saturate, and the range is checked next")]
    let whole = millis.floor() as i64;
    at(whole, now)
}

fn at(millis: i64, now: DateTime<Utc>) -> Reading {
    Utc.timestamp_millis_opt(millis).single().map_or(Reading::Absurd, |time| plausible(time, now))
}

fn plausible(time: DateTime<Utc>, now: DateTime<Utc>) -> Reading {
    const Y2000: i64 = 946_684_800;
    let credible = time.timestamp() >= Y2000 && time <= now + TimeDelta::days(1);
    if credible { Reading::At(time) } else { Reading::Absurd }
}

fn rfc3339(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
}

fn parse(text: &str) -> Option<DateTime<Utc>> {
    if let Some(time) = rfc3339(text) {
        return Some(time);
    }
    let bare = text.trim_end_matches("UTC").trim_end();
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(bare, form).ok())
        .or_else(|| NaiveDateTime::parse_from_str(&without_ordinal(bare), "%b %d %Y %H:%M:%S").ok())
        .map(|naive| naive.and_utc())
}

/// `May 18th 2023` → `May 18 2023`.
fn without_ordinal(text: &str) -> String {
    let word = |w: &str| {
        let digits = w.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let day = !digits.is_empty() && digits.len() < w.len() && digits.bytes().all(|b| b.is_ascii_digit());
        if day { digits.to_owned() } else { w.to_owned() }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap()
    }

    fn says(text: &str) -> String {
        match from_text(text, now()) {
            Reading::At(t) => t.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_form_is_read() {
        for (text, expected) in [
            ("2025-01-29T22:59:18Z", "2025-01-29T22:59:18Z"),
            ("2025-06-16T18:44:01.1Z", "2025-06-16T18:44:01.100Z"),
            ("2025-06-16T18:47:56.231503572Z", "2025-06-16T18:47:56.231503572Z"),
            ("2025-06-16T20:47:56+02:00", "2025-06-16T18:47:56Z"),
            ("1699034413", "2023-11-03T18:00:13Z"),
            ("1603279967500", "2020-10-21T11:32:47.500Z"),
            ("1575795968414.4631", "2019-12-08T09:06:08.414Z"),
            ("1603279967500123", "2020-10-21T11:32:47.500Z"),
            ("1603279967500123456", "2020-10-21T11:32:47.500Z"),
            // As a float these would be a millisecond later.
            ("1603279967999999999", "2020-10-21T11:32:47.999Z"),
            ("1603279967500000000", "2020-10-21T11:32:47.500Z"),
            ("1603279967.5", "2020-10-21T11:32:47.500Z"),
            ("2021-03-04 05:06:07", "2021-03-04T05:06:07Z"),
            ("2021-03-04 05:06:07.250 UTC", "2021-03-04T05:06:07.250Z"),
            ("May 18th 2023 08:51:59", "2023-05-18T08:51:59Z"),
        ] {
            assert_eq!(says(text), expected, "{text}");
        }
    }

    #[test]
    fn none_and_absurd_are_told_apart() {
        for text in ["", "  ", "0", "-1", "0001-01-01T00:00:00Z"] {
            assert_eq!(says(text), "None", "{text:?}");
        }
        for text in [
            "2610-01-05T13:11:22.705Z",
            "1999-12-31T23:59:59Z",
            "soon",
            "-5",
            "1e300",
            "NaN",
            "-9223372036854775808",
            "9223372036854775808",
        ] {
            assert_eq!(says(text), "Absurd", "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC*") {
            let _ = from_text(&text, now());
        }

        #[test]
        fn any_number_is_read_without_panic(number: f64) {
            let _ = from_number(number, now());
        }

        #[test]
        fn any_whole_number_is_read_without_panic(number: i64) {
            let _ = from_whole(number, now());
        }
    }
}
