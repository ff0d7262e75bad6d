//! The Falcon Query Language, as a typed builder that cannot be broken out of.
//!
//! A value is quoted, its backslashes escaped first and then its quotes; control characters, which
//! FQL cannot carry, are refused; and `*`, which FQL takes for a wildcard, is refused by the exact
//! forms. Alternatives always stand in parentheses, because FQL leaves open what binds stronger.
//!
//! ```
//! use falcon::fql::{Fql, field};
//! let filter = Fql::all([
//!     field("platform_name")?.eq("Windows")?,
//!     Fql::any([field("hostname")?.eq("O'Neil")?, field("status")?.eq("contained")?]),
//! ]);
//! assert_eq!(filter.to_string(), r"platform_name:'Windows'+(hostname:'O\'Neil',status:'contained')");
//! # Ok::<(), falcon::fql::FqlError>(())
//! ```

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

/// How many properties one statement may name.
pub const MAX_PROPERTIES: usize = 20;

/// Why an expression cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FqlError {
    /// The value holds a line break or another control character.
    #[error("a value of FQL cannot hold control characters: {0:?}")]
    Control(String),
    /// A list without values would match everything or nothing, depending on the service.
    #[error("a list of FQL needs a value")]
    Empty,
    /// The name is no property.
    #[error("'{0}' is not a property of FQL: lower-case letters, digits, '_', '-' and dots")]
    Property(String),
    /// The value holds a `*`, which an exact comparison would take for a wildcard.
    #[error("'{0}' holds a '*', which FQL takes for a wildcard: use `matches` for a pattern")]
    Wildcard(String),
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fql {
    text: String,
    terms: usize,
    alternatives: bool,
}

/// A property, ready to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property(String);

/// A property by name, such as `hostname` or `device.hostname`.
///
/// # Errors
/// [`FqlError::Property`] when the name is none.
pub fn field(name: &str) -> Result<Property, FqlError> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(inner);
    if fits { Ok(Property(name.to_owned())) } else { Err(FqlError::Property(name.to_owned())) }
}

impl Property {
    /// The value is this one. Whether case matters depends on the service and the property.
    ///
    /// # Errors
    /// When the value cannot be written.
    pub fn eq(&self, value: &str) -> Result<Fql, FqlError> {
        Ok(self.term("", &exact(value)?))
    }

    /// The value is another one. Whether an absent value passes depends on the service.
    ///
    /// # Errors
    /// When the value cannot be written.
    pub fn ne(&self, value: &str) -> Result<Fql, FqlError> {
        Ok(self.term("!", &exact(value)?))
    }

    /// The value is one of these.
    ///
    /// # Errors
    /// When a value cannot be written, or there is none.
    pub fn any_of<S: AsRef<str>>(&self, values: impl IntoIterator<Item = S>) -> Result<Fql, FqlError> {
        let values = values.into_iter().map(|v| exact(v.as_ref())).collect::<Result<Vec<_>, _>>()?;
        match values.as_slice() {
            [] => Err(FqlError::Empty),
            [one] => Ok(self.term("", one)),
            _ => Ok(self.term("", &format!("[{}]", values.join(",")))),
        }
    }

    /// The value fits a pattern, in which `*` stands for any run of characters. Services differ in
    /// where they accept a `*`.
    ///
    /// # Errors
    /// When the pattern cannot be written.
    pub fn matches(&self, pattern: &str) -> Result<Fql, FqlError> {
        Ok(self.term("*", &quoted(pattern)?))
    }

    /// The value holds these words (a text match without regard to case).
    ///
    /// # Errors
    /// When the words cannot be written.
    pub fn holds(&self, words: &str) -> Result<Fql, FqlError> {
        Ok(self.term("~", &quoted(words)?))
    }

    /// The value is true, or false.
    #[must_use]
    pub fn is(&self, value: bool) -> Fql {
        self.term("", if value { "true" } else { "false" })
    }

    /// There is no value.
    #[must_use]
    pub fn is_null(&self) -> Fql {
        self.term("", "null")
    }

    /// There is a value.
    #[must_use]
    pub fn is_set(&self) -> Fql {
        self.term("!", "null")
    }

    /// The number is at least this.
    #[must_use]
    pub fn at_least(&self, number: i64) -> Fql {
        self.term(">=", &number.to_string())
    }

    /// The number is below this.
    #[must_use]
    pub fn below(&self, number: i64) -> Fql {
        self.term("<", &number.to_string())
    }

    /// At or after the second in which `time` lies.
    #[must_use]
    pub fn since(&self, time: DateTime<Utc>) -> Fql {
        self.term(">=", &format!("'{}'", stamp(time)))
    }

    /// At or before the end of the second in which `time` lies.
    #[must_use]
    pub fn until(&self, time: DateTime<Utc>) -> Fql {
        let whole = time.timestamp_subsec_nanos() == 0;
        let up = if whole { Some(time) } else { time.checked_add_signed(chrono::TimeDelta::seconds(1)) };
        self.term("<=", &format!("'{}'", stamp(up.unwrap_or(time))))
    }

    fn term(&self, op: &str, value: &str) -> Fql {
        Fql { text: format!("{}:{op}{value}", self.0), terms: 1, alternatives: false }
    }
}

impl Fql {
    /// All of these hold. Nothing at all lets everything through.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::join(parts, "+", false)
    }

    /// One of these holds.
    #[must_use]
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::join(parts, ",", true)
    }

    /// An expression of the caller's own, as it is. Nothing in it is checked or escaped: values of
    /// others do not belong here.
    #[must_use]
    pub fn raw(text: &str) -> Self {
        Self { text: text.to_owned(), terms: 1, alternatives: true }
    }

    /// How many properties it names.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.terms
    }

    /// True when it lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn join(parts: impl IntoIterator<Item = Self>, sign: &str, alternatives: bool) -> Self {
        let mut parts: Vec<Self> = parts.into_iter().filter(|p| !p.is_empty()).collect();
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let terms = parts.iter().map(|p| p.terms).sum();
        let many = parts.len() > 1;
        let inner = |p: &Self| {
            if p.alternatives || (alternatives && p.terms > 1) { format!("({p})") } else { p.text.clone() }
        };
        let text = parts.iter().map(inner).collect::<Vec<_>>().join(sign);
        Self { text, terms, alternatives: alternatives && many }
    }
}

impl fmt::Display for Fql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn exact(value: &str) -> Result<String, FqlError> {
    if value.contains('*') {
        return Err(FqlError::Wildcard(value.to_owned()));
    }
    quoted(value)
}

fn quoted(value: &str) -> Result<String, FqlError> {
    if value.chars().any(char::is_control) {
        return Err(FqlError::Control(value.to_owned()));
    }
    Ok(format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'")))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_is_written() {
        let name = field("device.hostname").unwrap();
        for (fql, text) in [
            (name.eq("a"), "device.hostname:'a'"),
            (name.ne("a"), "device.hostname:!'a'"),
            (name.any_of(["a", "b"]), "device.hostname:['a','b']"),
            (name.any_of(["a"]), "device.hostname:'a'"),
            (name.matches("PC*"), "device.hostname:*'PC*'"),
            (name.holds("pc"), "device.hostname:~'pc'"),
            (name.eq(r"C:\x'y"), r"device.hostname:'C:\\x\'y'"),
            (Ok(name.is(true)), "device.hostname:true"),
            (Ok(name.is_null()), "device.hostname:null"),
            (Ok(name.is_set()), "device.hostname:!null"),
            (Ok(name.at_least(60)), "device.hostname:>=60"),
            (Ok(name.below(80)), "device.hostname:<80"),
        ] {
            assert_eq!(fql.unwrap().to_string(), text);
        }
    }

    #[test]
    fn times_are_rounded_outwards() {
        let seen = field("last_seen").unwrap();
        let time = Utc.timestamp_opt(1_700_000_000, 500).unwrap();
        assert_eq!(seen.since(time).to_string(), "last_seen:>='2023-11-14T22:13:20Z'");
        assert_eq!(seen.until(time).to_string(), "last_seen:<='2023-11-14T22:13:21Z'");
        assert!(seen.until(DateTime::<Utc>::MAX_UTC).to_string().starts_with("last_seen:<='"));
    }

    #[test]
    fn alternatives_stand_in_parentheses() {
        let term = |v: &str| field("a").unwrap().eq(v).unwrap();
        let either = Fql::any([term("1"), Fql::all([term("2"), term("3")])]);
        assert_eq!(either.to_string(), "a:'1',(a:'2'+a:'3')");
        let both = Fql::all([either, term("4"), Fql::all([])]);
        assert_eq!(both.to_string(), "(a:'1',(a:'2'+a:'3'))+a:'4'");
        assert_eq!(both.terms(), 4);
        assert_eq!(Fql::all([Fql::any([term("1"), term("2")])]).to_string(), "a:'1',a:'2'");
        assert!(Fql::all([]).is_empty());
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let name = field("hostname").unwrap();
        assert!(matches!(name.eq("a\nb"), Err(FqlError::Control(_))));
        assert!(matches!(name.eq("a*"), Err(FqlError::Wildcard(_))));
        assert!(matches!(name.any_of::<&str>([]), Err(FqlError::Empty)));
        for bad in ["", "Host", "a b", "a:'x'", "1a", "a+b", "ä"] {
            assert!(field(bad).is_err(), "{bad}");
        }
    }

    /// Reads one quoted value the way a parser does; what follows it is returned, too.
    fn unquote(text: &str) -> Option<(String, &str)> {
        let mut out = String::new();
        let mut chars = text.strip_prefix('\'')?.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => out.push(chars.next()?.1),
                '\'' => return Some((out, &text[at + 2..])),
                c => out.push(c),
            }
        }
        None
    }

    proptest! {
        #[test]
        fn no_value_gets_out_of_its_quotes(value in "\\PC*") {
            let fql = field("hostname").unwrap().eq(&value);
            if value.contains('*') || value.chars().any(char::is_control) {
                prop_assert!(fql.is_err());
            } else {
                let text = fql.unwrap().to_string();
                let (read, rest) = unquote(text.strip_prefix("hostname:").unwrap()).unwrap();
                prop_assert_eq!(read, value);
                prop_assert_eq!(rest, "");
            }
        }

        #[test]
        fn lists_keep_their_values_apart(values in proptest::collection::vec("[^*\\x00-\\x1f\\x7f-\\x9f]{0,8}", 2..5)) {
            let text = field("tags").unwrap().any_of(&values).unwrap().to_string();
            let mut rest = text.strip_prefix("tags:[").unwrap();
            let mut read = Vec::new();
            while let Some((value, more)) = unquote(rest) {
                read.push(value);
                rest = more.strip_prefix(',').unwrap_or(more);
            }
            prop_assert_eq!(read, values);
            prop_assert_eq!(rest, "]");
        }

        #[test]
        fn any_text_is_judged_without_panic(name in "\\PC*", value in any::<String>()) {
            let _ = field(&name).map(|f| f.eq(&value));
        }
    }
}
