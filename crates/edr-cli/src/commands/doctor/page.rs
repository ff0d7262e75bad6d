//! The page for a person: a block for each tenant, and under what is wrong what to do about it.

use std::io::{self, Write};

use edr::{Diagnosis, Error, Probe, ProbeState};

use super::Patient;
use crate::outcome::counted;
use crate::output::View;
use crate::output::style::{Palette, Tone};
use crate::output::text;

/// Lines longer than this are hard to read, however wide the screen is.
const WIDEST: usize = 100;
const INDENT: usize = 4;
/// Stands in place of a name before several that were skipped.
const SEVERAL: &str = "skipped";

/// Writes all blocks.
pub(super) fn write(view: &View, patients: &[Patient], out: &mut impl Write) -> io::Result<()> {
    let names = patients.iter().flat_map(|p| &p.found.probes).map(|p| text::width(&p.name));
    let column = names.max().unwrap_or(0).max(SEVERAL.len()) + 2;
    let page = Page { palette: view.palette, width: view.width.min(WIDEST), column };
    for (place, patient) in patients.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        page.block(patient, out)?;
    }
    Ok(())
}

struct Page {
    palette: Palette,
    width: usize,
    /// The width of the names, with a gap.
    column: usize,
}

impl Page {
    fn block(&self, patient: &Patient, out: &mut impl Write) -> io::Result<()> {
        let name = patient.member.as_ref().map_or_else(
            || "configuration".to_owned(),
            |member| text::plain(&format!("{} ({})", member.tenant, member.vendor)),
        );
        let (verdict, tone) =
            verdict(&patient.found, if patient.member.is_some() { "works" } else { "read" });
        let name = self.palette.paint(&name, Tone::Head);
        writeln!(out, "{name}: {}", self.palette.paint(&verdict, tone))?;
        together(&patient.found.probes).iter().try_for_each(|probe| self.probe(probe, out))
    }

    fn probe(&self, probe: &Probe, out: &mut impl Write) -> io::Result<()> {
        let (mark, tone) = mark(probe.state);
        let gap = " ".repeat(self.column.saturating_sub(text::width(&probe.name)));
        let margin = " ".repeat(INDENT + self.column);
        let mut lines = self.wrapped(&says(probe)).into_iter();
        let first = lines.next().unwrap_or_default();
        writeln!(
            out,
            "  {} {}{gap}{}",
            self.palette.paint(mark, tone),
            text::safe(&probe.name),
            self.palette.paint(&first, tone_of_text(probe.state))
        )?;
        for line in lines {
            writeln!(out, "{margin}{}", self.palette.paint(&line, tone_of_text(probe.state)))?;
        }
        let hint = probe.hint().map(|hint| self.wrapped(&format!("next: {hint}")));
        hint.into_iter().flatten().try_for_each(|line| writeln!(out, "{margin}{line}"))
    }

    fn wrapped(&self, words: &str) -> Vec<String> {
        wrap(&text::plain(words), self.width.saturating_sub(INDENT + self.column).max(20))
    }
}

/// Probes that were skipped one after the other for one reason become one line.
fn together(probes: &[Probe]) -> Vec<Probe> {
    let same =
        |a: &Probe, b: &Probe| a.state == ProbeState::Skipped && b.state == a.state && a.value == b.value;
    let joined = |run: &[Probe]| {
        let names: Vec<&str> = run.iter().map(|p| p.name.as_ref()).collect();
        let because = run[0].value.as_deref().unwrap_or_default();
        Probe::skipped(SEVERAL, format!("{}: {because}", names.join(", ")))
    };
    let one = |run: &[Probe]| if run.len() > 1 { joined(run) } else { run[0].clone() };
    probes.chunk_by(same).map(one).collect()
}

/// What stands behind the name. The state is a word, too: marks and colours get lost on the way into a ticket.
fn says(probe: &Probe) -> String {
    let value = probe.value.as_deref().unwrap_or_default();
    let needs = probe.needs.as_deref().map(|n| format!(" (needs {n})")).unwrap_or_default();
    match probe.state {
        ProbeState::Failed => {
            let cause = probe.error.as_ref().map(cause).unwrap_or_default();
            format!("failed: {cause}{needs}")
        }
        ProbeState::Skipped if probe.name == SEVERAL => value.to_owned(),
        ProbeState::Skipped => format!("skipped: {value}"),
        ProbeState::Warned => format!("warning: {value}"),
        _ => value.to_owned(),
    }
}

/// The cause, with the id that the vendor's support asks for.
fn cause(error: &Error) -> String {
    let message = crate::errors::message(error);
    match error.trace_id().filter(|id| !id.is_empty()) {
        Some(id) => format!("{message}, trace {id}"),
        None => message,
    }
}

fn verdict(found: &Diagnosis, good: &str) -> (String, Tone) {
    let (failed, warned) = (found.count(ProbeState::Failed), found.count(ProbeState::Warned));
    let warnings = (warned > 0).then(|| counted(warned as u64, ("warning", "warnings")));
    let words = match failed {
        0 => good.to_owned(),
        _ => format!("{failed} failed"),
    };
    let tone = match (failed, warned) {
        (0, 0) => Tone::Good,
        (0, _) => Tone::Watch,
        _ => Tone::Bad,
    };
    (std::iter::once(words).chain(warnings).collect::<Vec<_>>().join(", "), tone)
}

fn mark(state: ProbeState) -> (&'static str, Tone) {
    match state {
        ProbeState::Failed => ("✗", Tone::Bad),
        ProbeState::Passed => ("✓", Tone::Good),
        ProbeState::Warned => ("!", Tone::Watch),
        _ => ("-", Tone::Faint),
    }
}

fn tone_of_text(state: ProbeState) -> Tone {
    match state {
        ProbeState::Failed => Tone::Bad,
        ProbeState::Passed => Tone::Plain,
        ProbeState::Warned => Tone::Watch,
        _ => Tone::Faint,
    }
}

/// Lines of at most `room` columns, broken at blanks; a word that is longer stands alone.
fn wrap(words: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text::width(line) + 1 + text::width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use edr::ErrorKind;
    use edr::core::PlainDetail;

    use super::*;

    fn found() -> Diagnosis {
        let detail = PlainDetail {
            message: Some("access denied, scope not permitted".into()),
            trace_id: Some("8f1c\u{1b}[31m".into()),
            status: Some(403),
            ..PlainDetail::default()
        };
        let error = Error::new(ErrorKind::Permission, "the API client lacks a scope")
            .with_detail(detail)
            .with_hint("add the scope \"Alerts: read\" to the API client (Support and resources > API clients and keys)");
        let mut found = Diagnosis::new();
        found.add(Probe::passed("address", "api.crowdstrike.com is 192.0.2.7"));
        found.add(Probe::warned("clock", "this machine's clock is 10 min behind the vendor's", "set it"));
        found.add(Probe::failed("alerts", error).needing("Alerts: read"));
        found.add(Probe::skipped("rate", "no answer told it"));
        found.skip(&["one", "two"], "there is no connection");
        found
    }

    fn page(width: usize) -> String {
        let view = View { width, ..crate::output::fixture::view(crate::output::Format::Table) };
        let mut out = Vec::new();
        write(&view, &[Patient { member: None, found: found() }], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_fits_80_columns_and_says_what_to_do() {
        let page = page(80);
        assert!(page.lines().all(|l| text::width(l) <= 80), "{page}");
        insta::assert_snapshot!(page);
    }

    #[test]
    fn a_vendor_cannot_colour_the_page() {
        assert!(!page(40).contains('\u{1b}'));
    }

    #[test]
    fn long_words_stand_alone() {
        assert_eq!(wrap("a bb cccccccc d", 4), ["a bb", "cccccccc", "d"]);
        assert_eq!(wrap("", 4), Vec::<String>::new());
    }
}
