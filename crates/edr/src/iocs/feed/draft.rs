//! One row of a feed, before anybody has looked at it: fields by any of their names, as text.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use edr_core::{Expiration, Ioc, IocAction, IocType, Platform, Severity};

use super::super::mark::{is_mark, unmarked};
use super::{MAX_ROWS, Reading, value};
use crate::respond::parse_span;

/// A field of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Action,
    Desc,
    Expiration,
    File,
    Global,
    Groups,
    Kind,
    Platforms,
    Severity,
    Source,
    Tags,
    Value,
}

/// What a field is called, in feeds that people have.
pub(super) fn name(header: &str) -> Option<Name> {
    let plain: String =
        header.trim().to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    Some(match plain.as_str() {
        "action" => Name::Action,
        "comment" | "comments" | "desc" | "description" | "note" | "notes" => Name::Desc,
        "expiration" | "expirationdate" | "expirationtime" | "expire" | "expires" | "expiry"
        | "validuntil" => Name::Expiration,
        "filename" => Name::File,
        "isglobal" | "appliedglobally" => Name::Global,
        "groups" | "hostgroups" => Name::Groups,
        "indicatortype" | "ioctype" | "kind" | "type" => Name::Kind,
        "os" | "platform" | "platforms" => Name::Platforms,
        "severity" | "sev" => Name::Severity,
        "provider" | "source" => Name::Source,
        "label" | "labels" | "tag" | "tags" => Name::Tags,
        "indicator" | "indicatorvalue" | "ioc" | "observable" | "value" => Name::Value,
        _ => return None,
    })
}

/// A row as text.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// The line that it begins on.
    pub(super) line: u64,
    pub(super) kind: String,
    pub(super) value: String,
    pub(super) action: String,
    pub(super) severity: String,
    pub(super) expiration: String,
    pub(super) desc: String,
    pub(super) source: String,
    pub(super) file_name: String,
    pub(super) tags: Vec<String>,
    pub(super) platforms: Vec<String>,
    /// It is for some hosts alone.
    pub(super) narrow: bool,
    /// Values beside the first.
    pub(super) more: Vec<String>,
    /// Fields that it says twice, and not the same.
    pub(super) twice: Vec<&'static str>,
}

/// What became of a row.
#[derive(Debug)]
pub(super) enum Polished {
    /// The indicator, and what was mended about it.
    Good(Box<Ioc>, Option<String>),
    /// Its time is over.
    Over(String),
}

impl Draft {
    /// Sets a field.
    pub(super) fn set(&mut self, name: Name, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        match name {
            Name::Action => self.once("action", text, |draft| &mut draft.action),
            Name::Desc => self.describe(text),
            Name::Expiration => self.once("expiration", text, |draft| &mut draft.expiration),
            Name::File => self.once("file_name", text, |draft| &mut draft.file_name),
            Name::Global => self.narrow |= text.eq_ignore_ascii_case("false"),
            Name::Groups => self.narrow = true,
            Name::Kind => self.once("type", text, |draft| &mut draft.kind),
            Name::Platforms => self.platforms.extend(words(text)),
            Name::Severity => self.once("severity", text, |draft| &mut draft.severity),
            Name::Source => self.once("source", text, |draft| &mut draft.source),
            Name::Tags => self.tags.extend(words(text)),
            Name::Value if self.value.is_empty() || self.value == text => text.clone_into(&mut self.value),
            Name::Value => self.more.push(text.to_owned()),
        }
    }

    fn once(&mut self, name: &'static str, text: &str, field: fn(&mut Self) -> &mut String) {
        let field = field(self);
        if field.is_empty() {
            text.clone_into(field);
        } else if !field.eq_ignore_ascii_case(text) {
            self.twice.push(name);
        }
    }

    /// Feeds have a comment beside a description, and neither is lost.
    fn describe(&mut self, text: &str) {
        if self.desc.is_empty() {
            text.clone_into(&mut self.desc);
        } else if self.desc != text {
            self.desc = format!("{}; {text}", self.desc);
        }
    }

    /// One row for each of its values.
    pub(super) fn spread(mut self) -> impl Iterator<Item = Self> {
        let mut more = std::mem::take(&mut self.more);
        // One too many is enough to refuse the feed.
        more.truncate(MAX_ROWS);
        let first = self.clone();
        std::iter::once(first).chain(more.into_iter().map(move |value| Self { value, ..self.clone() }))
    }

    /// The indicator of the row.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn polish(&self, reading: &Reading) -> Result<Polished, String> {
        if let Some(name) = self.twice.first() {
            return Err(format!("it says its {name} twice, and not the same"));
        }
        let meant = value::refang(&self.value)?;
        let (kind, value) = value::exact(self.kind(&meant)?, &meant)?;
        if let Some(why) = value::harmless(&kind, &value).filter(|_| !reading.force) {
            return Err(format!("{why}; --force pushes it all the same"));
        }
        if self.narrow {
            return Err("it is for some hosts alone, and a feed cannot say for which".to_owned());
        }
        let mut ioc = Ioc::of(kind, value, self.action(reading)?);
        ioc.severity = self.severity(reading)?;
        ioc.expiration = self.expiration(reading)?;
        if let Some(end) = ioc.expiration.time().filter(|end| **end <= reading.now) {
            return Ok(Polished::Over(format!("its time was over on {}", end.format("%Y-%m-%d %H:%M UTC"))));
        }
        ioc.platforms = self.platforms()?;
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        (ioc.source, ioc.file_name) = (text(&self.source), text(&self.file_name));
        // Whose an indicator is, is not for a feed to say.
        ioc.desc = text(&unmarked(&self.desc).to_owned());
        ioc.tags = self.tags.iter().filter(|tag| !is_mark(tag)).cloned().collect();
        ioc.tags.sort_unstable();
        ioc.tags.dedup();
        let mended = (ioc.value != self.value).then(|| format!("read as {}", ioc.value));
        Ok(Polished::Good(Box::new(ioc), mended))
    }

    fn kind(&self, meant: &str) -> Result<IocType, String> {
        if self.kind.is_empty() || self.kind.eq_ignore_ascii_case("unknown") {
            let said = if meant.is_empty() {
                "there is no value"
            } else {
                "this looks like no indicator; give its type"
            };
            return value::guess(meant).ok_or_else(|| said.to_owned());
        }
        value::kind(&self.kind).ok_or_else(|| format!("there is no type {:?}", self.kind))
    }

    fn action(&self, reading: &Reading) -> Result<IocAction, String> {
        if let Some(action) = &reading.action {
            return Ok(action.clone());
        }
        Ok(match self.action.to_ascii_lowercase().as_str() {
            "" | "alert" | "detect" | "unknown" => IocAction::Detect,
            "allow" => IocAction::Allow,
            "block" | "prevent" => IocAction::Block,
            "audit" | "monitor" | "no_action" => IocAction::Monitor,
            other => return Err(format!("there is no action {other:?}")),
        })
    }

    fn severity(&self, reading: &Reading) -> Result<Severity, String> {
        if let Some(severity) = &reading.severity {
            return Ok(severity.clone());
        }
        match self.severity.to_ascii_lowercase().as_str() {
            "" => Ok(Severity::Unknown),
            "info" => Ok(Severity::Informational),
            word => match Severity::from(word) {
                Severity::Other(other) => Err(format!("there is no severity {other:?}")),
                known => Ok(known),
            },
        }
    }

    fn expiration(&self, reading: &Reading) -> Result<Expiration, String> {
        let text = self.expiration.as_str();
        match text {
            "" | "vendor_default" => Ok(reading.expires.unwrap_or_default()),
            text if text.eq_ignore_ascii_case("never") || text == "-1" => Ok(Expiration::Never),
            text => expiration(text, reading.now).ok_or_else(|| format!("{text:?} is no time")),
        }
    }

    fn platforms(&self) -> Result<Vec<Platform>, String> {
        let platform = |word: &String| match word.to_ascii_lowercase().as_str() {
            "mac" | "osx" => Ok(Platform::Macos),
            word => match Platform::from(word) {
                Platform::Other(other) => Err(format!("there is no platform {other:?}")),
                known => Ok(known),
            },
        };
        self.platforms.iter().map(platform).collect()
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split([';', ',', '|']).map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned)
}

/// A time, a date, seconds or milliseconds since 1970, or a span from now. A span ends with its day, so that a feed that
/// is pushed twice within a day wants the same twice.
pub(crate) fn expiration(text: &str, now: DateTime<Utc>) -> Option<Expiration> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("never") {
        return Some(Expiration::Never);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(Expiration::At(time.with_timezone(&Utc)));
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some(Expiration::At(date.and_time(NaiveTime::MIN).and_utc()));
    }
    if let Ok(number) = text.parse::<i64>() {
        let time = match text.len() {
            10 => DateTime::from_timestamp(number, 0),
            13 => DateTime::from_timestamp_millis(number),
            _ => None,
        };
        return time.map(Expiration::At);
    }
    let end = now.checked_add_signed(span(text)?)?;
    let day = end.date_naive().checked_add_days(Days::new(1))?;
    Some(Expiration::At(day.and_time(NaiveTime::MIN).and_utc()))
}

fn span(text: &str) -> Option<TimeDelta> {
    match text.strip_suffix('w') {
        Some(weeks) => TimeDelta::try_weeks(weeks.parse().ok().filter(|n| (1..5_000).contains(n))?),
        None => parse_span(text),
    }
}
