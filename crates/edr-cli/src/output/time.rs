//! Times: RFC 3339 in the zone that was asked for, and ages for a person.

use chrono::{DateTime, FixedOffset, Local, SecondsFormat, TimeDelta, Utc};

/// The zone in which times are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Zone {
    /// A fixed offset.
    Fixed(FixedOffset),
    /// This machine's zone, or that of `TZ`.
    Local,
    /// UTC.
    #[default]
    Utc,
}

impl Zone {
    /// RFC 3339; UTC ends in `Z`.
    pub(crate) fn format(self, time: DateTime<Utc>) -> String {
        match self {
            Self::Fixed(offset) => time.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::AutoSi, false),
            Self::Local => time.with_timezone(&Local).to_rfc3339_opts(SecondsFormat::AutoSi, false),
            Self::Utc => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        }
    }

    /// As [`Self::format`], to the second: for a person.
    pub(crate) fn short(self, time: DateTime<Utc>) -> String {
        let form = "%Y-%m-%d %H:%M:%S";
        match self {
            Self::Fixed(offset) => time.with_timezone(&offset).format(&format!("{form} %:z")).to_string(),
            Self::Local => time.with_timezone(&Local).format(&format!("{form} %:z")).to_string(),
            Self::Utc => time.format(&format!("{form}Z")).to_string(),
        }
    }
}

impl std::str::FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "utc" | "z" => Ok(Self::Utc),
            "local" => Ok(Self::Local),
            _ => text.parse().map(Self::Fixed).map_err(|_| no_zone(text)),
        }
    }
}

fn no_zone(text: &str) -> String {
    let named = text.contains('/').then(|| format!("; for a named zone: TZ={text} edr … --tz local"));
    format!("use utc, local or an offset such as +02:00{}", named.unwrap_or_default())
}

/// `3m ago`; a date when it is more than 60 days away.
pub(crate) fn ago(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let age = now - time;
    if age.abs() > TimeDelta::days(60) {
        return time.format("%Y-%m-%d").to_string();
    }
    match (age < TimeDelta::zero(), span(age.abs())) {
        (_, None) => "now".to_owned(),
        (true, Some(span)) => format!("in {span}"),
        (false, Some(span)) => format!("{span} ago"),
    }
}

fn span(age: TimeDelta) -> Option<String> {
    let units =
        [(age.num_days(), 'd'), (age.num_hours(), 'h'), (age.num_minutes(), 'm'), (age.num_seconds(), 's')];
    units.into_iter().find(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}"))
}

/// A length of time: `90s`, `5m`, `1h30m`, `500ms`.
pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || "write a time such as 30s, 5m or 1h30m".to_owned();
    let (mut rest, mut total) = (text.trim(), 0_u64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let part = number.parse::<u64>().ok().zip(millis(unit)).and_then(|(n, ms)| n.checked_mul(ms));
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = tail;
    }
    let year = 366 * 86_400_000;
    if (1..=year).contains(&total) { Ok(std::time::Duration::from_millis(total)) } else { Err(wrong()) }
}

fn millis(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 1, 8, 12, 0, 0).unwrap()
    }

    #[test]
    fn zones_are_read_and_written() {
        let utc: Zone = "UTC".parse().unwrap();
        assert_eq!(utc.format(now()), "2026-01-08T12:00:00Z");
        let offset: Zone = "+02:00".parse().unwrap();
        assert_eq!(offset.format(now()), "2026-01-08T14:00:00+02:00");
        assert_eq!(offset.short(now()), "2026-01-08 14:00:00 +02:00");
        assert_eq!("local".parse(), Ok(Zone::Local));
        assert!("Europe/Berlin".parse::<Zone>().unwrap_err().contains("TZ=Europe/Berlin"));
        assert!("soon".parse::<Zone>().is_err());
    }

    #[test]
    fn ages_read_well() {
        for (seconds, says) in [
            (0, "now"),
            (12, "12s ago"),
            (180, "3m ago"),
            (7200, "2h ago"),
            (86_400 * 5, "5d ago"),
            (-90, "in 1m"),
            (86_400 * 100, "2025-09-30"),
        ] {
            assert_eq!(ago(now() - TimeDelta::seconds(seconds), now()), says);
        }
    }

    #[test]
    fn durations_are_read() {
        let ms = |text| duration(text).map(|d| d.as_millis());
        assert_eq!(ms("90s"), Ok(90_000));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("250ms"), Ok(250));
        for bad in ["", "0s", "5", "m", "5x", "-5s", "1y", "99999999999999999999s", "400d", "ü"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
