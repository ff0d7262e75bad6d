//! The measured part of `docs/PERFORMANCE.md`: verdicts and tables.

use std::fmt::Write as _;
use std::path::Path;

use crate::Outcome;
use crate::race::Series;

/// The lines of the page between which everything is measured.
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// A promise, what was found, and whether it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The promise.
    pub promise: String,
    /// What was found.
    pub found: String,
    /// Whether it holds; `None` where it could not be measured.
    pub holds: Option<bool>,
    /// Whether a strict run fails on it: where it does not hold, unless that is known and no worse than it was.
    pub fails: bool,
}

impl Verdict {
    /// A figure that may be at most this.
    #[must_use]
    pub fn at_most(promise: &str, found: f64, most: f64, unit: &str) -> Self {
        Self::of(promise, found, unit, found <= most)
    }

    /// A figure that should be at most this and is known not to be: a strict run fails where it is above the other.
    #[must_use]
    pub fn known_up_to(promise: &str, found: f64, aim: f64, known: f64, unit: &str) -> Self {
        Self { fails: found.is_nan() || found > known, ..Self::of(promise, found, unit, found <= aim) }
    }

    /// A figure that must be at least this.
    #[must_use]
    pub fn at_least(promise: &str, found: f64, least: f64, unit: &str) -> Self {
        Self::of(promise, found, unit, found >= least)
    }

    fn of(promise: &str, found: f64, unit: &str, holds: bool) -> Self {
        let digits = if found.abs() >= 100.0 { 0 } else { 2 };
        Self {
            promise: promise.to_owned(),
            found: format!("{found:.digits$} {unit}").trim().to_owned(),
            holds: Some(holds),
            fails: !holds,
        }
    }

    /// What could not be measured, and why.
    #[must_use]
    pub fn missing(promise: &str, why: &str) -> Self {
        Self { promise: promise.to_owned(), found: why.to_owned(), holds: None, fails: false }
    }

    fn word(&self) -> &'static str {
        match self.holds {
            Some(true) => "holds",
            Some(false) => "**does not hold**",
            None => "not measured",
        }
    }
}

/// A part of the page.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its Markdown, with a heading.
    pub text: String,
    /// Its promises.
    pub verdicts: Vec<Verdict>,
}

/// A table of series; the first one is what the others are compared with.
#[must_use]
pub fn table(caption: &str, series: &[Series]) -> String {
    let mut text = format!(
        "{caption}\n\n| | median | from – to | runs | × the first | peak memory | requests |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for one in series {
        let (from, to) = one.spread();
        let times = series.first().map_or(f64::NAN, |first| first.faster_than(one));
        let _ = writeln!(
            text,
            "| {} | {:.0} ms | {from:.0} – {to:.0} ms | {} | {times:.2} | {:.1} MiB | {} |",
            one.name,
            one.median(),
            one.runs.len(),
            one.peak_kib() as f64 / 1024.0,
            one.requests()
        );
    }
    text.push('\n');
    text
}

/// Everything that was measured.
#[must_use]
pub fn render(head: &str, sections: &[Section]) -> String {
    let mut text = format!(
        "{head}\n\n## What is promised, and whether it holds\n\n| promise | found | |\n| --- | --- | --- |\n"
    );
    let mut verdicts: Vec<&Verdict> = sections.iter().flat_map(|section| &section.verdicts).collect();
    // Each begins with its number; those of one number stay as they were found.
    verdicts.sort_by_key(|verdict| verdict.promise.split('.').next().and_then(|n| n.parse::<u32>().ok()));
    for verdict in verdicts {
        let _ = writeln!(text, "| {} | {} | {} |", verdict.promise, verdict.found, verdict.word());
    }
    for section in sections.iter().filter(|section| !section.text.is_empty()) {
        let _ = write!(text, "\n{}\n", section.text.trim());
    }
    text.trim_end().to_owned() + "\n"
}

/// Puts what was measured in place of what stands on the page.
///
/// # Errors
/// When the page cannot be read or written, or has lost its marks.
pub fn write(page: &Path, measured: &str) -> Outcome<()> {
    let text = std::fs::read_to_string(page)?;
    std::fs::write(page, replaced(&text, measured)?)?;
    Ok(())
}

fn replaced(page: &str, measured: &str) -> Outcome<String> {
    let (head, rest) = page.split_once(BEGIN).ok_or("the page has no place for what is measured")?;
    let (_, tail) = rest.split_once(END).ok_or("the place for what is measured has no end")?;
    Ok(format!("{head}{BEGIN}\n\n{}\n\n{END}{tail}", measured.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Run;

    #[test]
    fn what_is_measured_takes_the_place_of_what_was() {
        let page = format!("# A\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replaced(&page, "new\n").unwrap();
        assert_eq!(new, format!("# A\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(replaced(&new, "new").unwrap(), new);
        assert!(replaced("# A\n", "new").is_err() && replaced(BEGIN, "new").is_err());
    }

    #[test]
    fn a_promise_holds_up_to_its_bound() {
        assert_eq!(Verdict::at_most("a", 2.0, 2.0, "×").holds, Some(true));
        assert_eq!(Verdict::at_most("a", 2.01, 2.0, "×").holds, Some(false));
        assert_eq!(Verdict::at_least("a", 2.49, 2.5, "×").holds, Some(false));
        assert_eq!(Verdict::at_most("a", f64::NAN, 2.0, "×").holds, Some(false));
        let known = |found| Verdict::known_up_to("a", found, 2.0, 4.0, "×");
        assert_eq!([1.9, 3.9, 4.1, f64::NAN].map(|found| known(found).fails), [false, false, true, true]);
        assert_eq!((known(1.9).holds, known(3.9).holds), (Some(true), Some(false)));
        assert!(Verdict::at_most("a", 2.01, 2.0, "×").fails && !Verdict::missing("a", "").fails);
        let section = Section {
            text: "## T\n".into(),
            verdicts: vec![Verdict::at_least("b", 123.4, 10.0, "ms"), Verdict::missing("c", "no peer")],
        };
        let text = render("On a machine.", &[section]);
        assert!(
            text.contains("| b | 123 ms | holds |") && text.contains("| c | no peer | not measured |"),
            "{text}"
        );
        assert!(text.ends_with("\n## T\n"), "{text}");
    }

    #[test]
    fn promises_stand_in_the_order_of_their_numbers() {
        let told = |promises: &[&str]| Section {
            text: String::new(),
            verdicts: promises.iter().map(|promise| Verdict::missing(promise, "")).collect(),
        };
        let text = render("", &[told(&["1. b", "1. … a", "4. c"]), told(&["3. d", "5. e"])]);
        let places = ["1. b", "1. … a", "3. d", "4. c", "5. e"].map(|promise| text.find(promise).unwrap());
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn a_table_compares_with_its_first_row() {
        let series = |name: &str, ms: f64| {
            let run = Run { items: 1, ms, peak_kib: 2048, requests: 3, bytes: 0, refused: 0 };
            Series::of(name, vec![run])
        };
        let text = table("At 0 ms:", &[series("unread", 100.0), series("edr", 150.0)]);
        assert!(text.contains("| edr | 150 ms | 150 – 150 ms | 1 | 1.50 | 2.0 MiB | 3 |"), "{text}");
    }
}
