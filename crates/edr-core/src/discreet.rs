//! The values of a script's parameters may be secret: they stand in no error, whatever a vendor repeats of them.

use std::error::Error as _;

use crate::{Error, ResponseAction};

/// What stands in the place of the vendor's words.
const LEFT_OUT: &str = "the service's words may repeat what the script was given, and are left out";

/// So much of a value tells it, should the vendor cut it off.
const BEGINNING: usize = 4;

impl ResponseAction {
    /// Why this order went wrong, as it may be told and written down: without the vendor's words, where they repeat a value
    /// that a script is given, or one of these names (in small letters) of what holds such values.
    #[must_use]
    pub fn discreet_order(&self, error: Error, names: &[&str]) -> Error {
        let Self::RunScript { args, .. } = self else { return error };
        let repeats = |words: &str| {
            let words = words.to_lowercase();
            names.iter().any(|name| words.contains(name))
                || args.iter().any(|(_, value)| is_repeated(value, &words))
        };
        let said = said(&error);
        if said.is_empty() || !(repeats(&said) || repeats(error.message())) {
            return error;
        }
        let own = if repeats(error.message()) { "" } else { error.message() };
        let message = noted(own);
        error.without_vendor_words(message)
    }

    /// Why it could not be learnt what came of this order. Whoever asks may not know any more what a script was given: none
    /// of the vendor's words about one stay.
    #[must_use]
    pub fn discreet_outcome(&self, error: Error) -> Error {
        if !matches!(self, Self::RunScript { .. }) {
            return error;
        }
        let spoke = error.detail().is_some_and(|detail| detail.message().is_some());
        let message = if spoke { noted(error.message()) } else { error.message().to_owned() };
        error.without_vendor_words(message)
    }
}

fn noted(own: &str) -> String {
    if own.is_empty() { LEFT_OUT.to_owned() } else { format!("{own}; {LEFT_OUT}") }
}

/// Everything that the vendor says, with what is behind the error.
fn said(error: &Error) -> String {
    let mut text = error.detail().map(|detail| format!("{detail:?}")).unwrap_or_default();
    text.extend(error.detail().and_then(|detail| detail.message()).as_deref());
    let mut behind = error.source();
    while let Some(cause) = behind {
        text.push_str(&cause.to_string());
        behind = cause.source();
    }
    text
}

/// Looks for the longest run of letters and digits: it stays as it is, however the rest is quoted and escaped. A value
/// without one is taken to be repeated.
fn is_repeated(value: &str, words: &str) -> bool {
    let value = value.to_lowercase();
    let runs = value.split(|c: char| !c.is_ascii_alphanumeric());
    let run = runs.max_by_key(|run| run.len()).unwrap_or_default();
    !value.is_empty() && words.contains(run.get(..BEGINNING).unwrap_or(run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, PlainDetail, RetryStatus};

    fn script(value: &str) -> ResponseAction {
        let args = vec![("password".to_owned(), value.to_owned()), ("empty".to_owned(), String::new())];
        ResponseAction::RunScript { script: "reset".to_owned(), args }
    }

    fn error(words: &str) -> Error {
        let detail = PlainDetail {
            code: Some("E7".to_owned()),
            message: Some(words.to_owned()),
            trace_id: Some("t-1".to_owned()),
            status: Some(400),
        };
        Error::new(ErrorKind::InvalidRequest, "it is refused")
            .with_detail(detail)
            .with_source(std::io::Error::other(words.to_owned()))
            .with_retry(RetryStatus::Temporary)
            .with_hint("look at it")
            .with_outcome_unknown()
    }

    #[test]
    fn a_value_is_repeated_in_no_form() {
        for (value, words) in [
            ("hunter 2", "bad value 'hunter 2'"),
            ("hunter 2", "HUNTER%202"),
            ("hunter 2", "bad value 'hunt…"),
            ("p@ss\"word", "bad value p%40ss\\\"word"),
            ("x", "bad value x"),
        ] {
            let told = script(value).discreet_order(error(words), &[]);
            let text = format!("{told} {told:?}");
            assert!(!text.contains("bad value") && text.contains("left out"), "{text}");
            assert!(text.contains("it is refused; "), "our own words stay: {text}");
            assert!(told.is_retryable() && told.is_outcome_unknown() && told.hint() == Some("look at it"));
            assert_eq!(told.to_string().matches("[HTTP 400, code E7, trace t-1]").count(), 1, "{told}");
        }
        for (value, words) in
            [("\u{e4}\u{f6}", "bad value \\u00e4\\u00f6"), ("#!", "bad value %23!"), ("refuse", "refused")]
        {
            let text = format!("{:?}", script(value).discreet_order(error(words), &[]));
            assert!(
                !text.contains("bad value") && !text.contains("refused") && text.contains("E7"),
                "{text}"
            );
        }
        let plain = script("hunter 2").discreet_order(error("no endpoint was found"), &["line"]);
        assert!(plain.to_string().contains("no endpoint was found") && plain.source().is_some(), "{plain}");
        let named = script("hunter 2").discreet_order(error("in the Line"), &["line"]);
        assert!(!format!("{named:?}").contains("Line"), "{named:?}");
        let other = ResponseAction::Contain.discreet_order(error("hunter"), &["hunter"]);
        assert!(other.to_string().contains("hunter"), "{other}");
    }

    #[test]
    fn whoever_does_not_know_the_values_keeps_no_words() {
        for value in ["hunter 2", "[left out]", ""] {
            let told = script(value).discreet_outcome(error("bad value 'hunter 2'"));
            assert!(!format!("{told:?}").contains("hunter"), "{told:?}");
            assert!(
                told.to_string().contains("it is refused; ") && told.to_string().contains("code E7"),
                "{told}"
            );
        }
        let silent = Error::new(ErrorKind::Network, "no answer");
        assert_eq!(script("").discreet_outcome(silent).message(), "no answer");
        let scan = ResponseAction::Scan { paths: Vec::new() };
        assert!(scan.discreet_outcome(error("disk full")).to_string().contains("disk full"));
    }
}
