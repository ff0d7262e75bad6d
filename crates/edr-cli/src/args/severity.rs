//! `--severity high,critical` and `--severity high+`.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use edr::core::FilterError;
use edr::{Filter, Noun, Op, Severity};

/// A severity, or it and everything above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeverityChoice {
    /// The severity.
    pub(crate) severity: Severity,
    /// And everything above.
    pub(crate) above: bool,
}

impl FromStr for SeverityChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, above) = text.strip_suffix('+').map_or((text, false), |word| (word, true));
        // Tables say `info` for want of room.
        let word = if word.eq_ignore_ascii_case("info") { "informational" } else { word };
        match Severity::from(word) {
            Severity::Other(_) => Err(format!("use one of {}, each with or without +", known())),
            severity => Ok(Self { severity, above }),
        }
    }
}

fn known() -> String {
    let words: Vec<&str> = Severity::KNOWN.iter().map(Severity::as_str).collect();
    words.join(", ")
}

/// The words of all choices together, least first, each once.
pub(crate) fn words(choices: &[SeverityChoice]) -> Vec<&'static str> {
    let chosen =
        |s: &Severity| choices.iter().any(|c| c.severity == *s || (c.above && s.rank() > c.severity.rank()));
    Severity::KNOWN.iter().filter(|s| chosen(s)).map(Severity::as_str).collect()
}

/// One `high+` is a comparison; everything else is a set of words.
pub(crate) fn filter(
    noun: Noun,
    choices: &[SeverityChoice],
    now: DateTime<Utc>,
) -> Result<Option<Filter>, FilterError> {
    let filter = |op, words: &[&str]| Filter::new(noun, "severity", op, words, now).map(Some);
    match choices {
        [] => Ok(None),
        [one] if one.above => filter(Op::Ge, &[one.severity.as_str()]),
        several => filter(Op::Eq, &words(several)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<&'static str> {
        let choices: Vec<SeverityChoice> = text.split(',').map(|t| t.parse().unwrap()).collect();
        words(&choices)
    }

    #[test]
    fn choices_are_read() {
        assert_eq!(read("high+"), ["high", "critical"]);
        assert_eq!(read("critical,low"), ["low", "critical"]);
        assert_eq!(read("info"), ["informational"]);
        assert_eq!(read("HIGH+,low"), ["low", "high", "critical"]);
        assert!("hgih".parse::<SeverityChoice>().unwrap_err().contains("medium"));
        assert!("".parse::<SeverityChoice>().is_err());
    }
}
