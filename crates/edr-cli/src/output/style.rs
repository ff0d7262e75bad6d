//! Colour, and the words and signs that carry the same meaning without it.

use std::borrow::Cow;

/// What a cell says beyond its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Very bad.
    Alarm,
    /// Bad.
    Bad,
    /// Less important.
    Faint,
    /// Good.
    Good,
    /// A heading.
    Head,
    /// Nothing.
    #[default]
    Plain,
    /// Worth a look.
    Watch,
}

/// Whether tones become colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Palette(pub(crate) bool);

impl Palette {
    /// The text in its tone.
    pub(crate) fn paint<'a>(self, text: &'a str, tone: Tone) -> Cow<'a, str> {
        let code = match tone {
            Tone::Alarm => "1;31",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Head => "1",
            Tone::Plain => return Cow::Borrowed(text),
            Tone::Watch => "33",
        };
        if !self.0 || text.trim().is_empty() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(format!("\u{1b}[{code}m{text}\u{1b}[0m"))
    }
}

/// How the words of a column are shown to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Connection states.
    Connection,
    /// Containment states.
    Containment,
    /// Health of the agent.
    Health,
    /// As they are.
    Plain,
    /// Severities.
    Severity,
    /// Where an alert stands.
    Status,
}

impl Look {
    /// The word with its sign, and its tone.
    pub(crate) fn dress(self, word: &str) -> (String, Tone) {
        match self {
            Self::Connection => connection(word),
            Self::Containment => containment(word),
            Self::Health => (word.to_owned(), health(word)),
            Self::Plain => (word.to_owned(), Tone::Plain),
            Self::Severity if word == "informational" => ("info".to_owned(), severity(word)),
            Self::Severity => (word.to_owned(), severity(word)),
            Self::Status => (word.to_owned(), status(word)),
        }
    }
}

fn connection(word: &str) -> (String, Tone) {
    match word {
        "online" => ("● online".to_owned(), Tone::Good),
        "offline" => ("○ offline".to_owned(), Tone::Faint),
        "lost" => ("✗ lost".to_owned(), Tone::Watch),
        "uninstalled" => ("✗ uninstalled".to_owned(), Tone::Watch),
        other => (format!("? {other}"), Tone::Faint),
    }
}

fn containment(word: &str) -> (String, Tone) {
    match word {
        "contained" => ("■ contained".to_owned(), Tone::Alarm),
        "containment_pending" => ("◐ pending".to_owned(), Tone::Watch),
        "lift_pending" => ("◑ lifting".to_owned(), Tone::Watch),
        "normal" => ("· normal".to_owned(), Tone::Faint),
        other => (format!("? {other}"), Tone::Faint),
    }
}

fn health(word: &str) -> Tone {
    match word {
        "ok" => Tone::Good,
        "degraded" => Tone::Watch,
        "unprotected" => Tone::Bad,
        _ => Tone::Faint,
    }
}

fn severity(word: &str) -> Tone {
    match word {
        "critical" => Tone::Alarm,
        "high" => Tone::Bad,
        "medium" => Tone::Watch,
        "low" => Tone::Plain,
        _ => Tone::Faint,
    }
}

fn status(word: &str) -> Tone {
    match word {
        "new" | "reopened" => Tone::Head,
        "resolved" | "suppressed" => Tone::Faint,
        _ => Tone::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_never_alone() {
        for (look, word) in
            [(Look::Connection, "online"), (Look::Containment, "contained"), (Look::Severity, "critical")]
        {
            let (text, tone) = look.dress(word);
            assert!(text.contains(word));
            assert_ne!(tone, Tone::Plain);
        }
    }

    #[test]
    fn painting_is_optional() {
        assert_eq!(Palette(false).paint("x", Tone::Alarm), "x");
        assert_eq!(Palette(true).paint("x", Tone::Alarm), "\u{1b}[1;31mx\u{1b}[0m");
        assert_eq!(Palette(true).paint("  ", Tone::Alarm), "  ");
    }
}
