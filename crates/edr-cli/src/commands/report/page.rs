//! The figures of a report, for a terminal of 80 columns.

use edr::coverage::{Coverage, Figures, Finding, Slice, SourceState};

use crate::outcome::grouped;
use crate::output::View;
use crate::output::style::Tone;
use crate::output::text;

const GAP: &str = "  ";
/// The least room that names have, and the most.
const NAMES: (usize, usize) = (12, 40);

/// The figures.
pub(super) fn text(coverage: &Coverage, view: &View) -> String {
    let mut out = head(coverage, view);
    grid(&mut out, view, 1, &["MACHINES", "COUNT", "SHARE"], &findings(coverage));
    let vendors = coverage.totals.by_vendors.iter();
    let vendors = vendors.map(|(vendors, count)| vec![vendors.clone(), grouped(*count)]);
    grid(&mut out, view, 1, &["AGENTS OF", "MACHINES"], &vendors.collect::<Vec<_>>());
    grid(&mut out, view, 2, &heads(&["TENANT", "VENDOR", "MACHINES"]), &slices(&coverage.tenants, false));
    let listed = coverage.denominator.is_some();
    let platform = if listed { &["PLATFORM", "MACHINES", "EXPECTED"][..] } else { &["PLATFORM", "MACHINES"] };
    grid(&mut out, view, 1, &heads(platform), &slices(&coverage.platforms, listed));
    grid(
        &mut out,
        view,
        3,
        &["AGENT", "OS", "NEWEST", "N", "N-1", "N-2", "OLDER", "UNKNOWN"],
        &versions(coverage),
    );
    let checks = coverage.checks.iter().map(|check| {
        let word = if check.is_met { "met" } else { "not met" };
        vec![check.check.clone(), word.to_owned(), check.actual.map_or("-".to_owned(), number)]
    });
    grid(&mut out, view, 2, &["CHECK", "RESULT", "FOUND"], &checks.collect::<Vec<_>>());
    out
}

/// At most two decimals, rounded down.
pub(super) fn number(value: f64) -> String {
    format!("{}", (value * 100.0).floor() / 100.0)
}

fn head(coverage: &Coverage, view: &View) -> String {
    let totals = &coverage.totals;
    let (covered, expected) = (grouped(totals.covered), grouped(totals.expected));
    let whose = match &coverage.denominator {
        Some(list) => format!("machines of {}", list.name),
        None => "machines that a vendor knows".to_owned(),
    };
    let title = view.palette.paint("coverage", Tone::Head).into_owned();
    let line = format!("  {}  {covered} of {expected} {whose}", totals.percent());
    let line = text::plain(&line);
    let room = view.width.max(40) - "coverage".len();
    let mut out = format!("{title}{}\n", text::fit(&line, room));
    if coverage.is_partial {
        let broken = coverage.sources.iter().filter(|s| s.state != SourceState::Complete);
        let names: Vec<&str> = broken.map(|s| s.tenant.as_str()).collect();
        let line = text::plain(&format!("partial: not read to the end: {}", names.join(", ")));
        out.push_str(&view.palette.paint(&text::fit(&line, view.width.max(40)), Tone::Bad));
        out.push('\n');
    }
    if let Some(list) = &coverage.denominator {
        let line = format!(
            "{} rows, {} machines; {} repeated, {} fit several machines, {} bad",
            grouped(list.rows),
            grouped(list.machines),
            grouped(list.repeated),
            grouped(list.ambiguous),
            grouped(list.bad_rows.len() as u64)
        );
        out.push_str(&text::fit(&line, view.width.max(40)));
        out.push('\n');
    }
    out
}

fn findings(coverage: &Coverage) -> Vec<Vec<String>> {
    let totals = &coverage.totals;
    let mut rows = vec![
        vec!["machines".to_owned(), grouped(totals.machines), String::new()],
        vec!["agents".to_owned(), grouped(totals.agents), String::new()],
        vec!["pairs to review".to_owned(), grouped(coverage.review), String::new()],
    ];
    let known = |f: &&Finding| **f != Finding::Unlisted || coverage.denominator.is_some();
    rows.extend(Finding::ALL.iter().filter(known).map(|finding| {
        let count = totals.count(*finding);
        vec![finding.title().to_owned(), grouped(count), share(count, totals.machines)]
    }));
    rows
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", part as f64 * 100.0 / whole as f64) }
}

fn heads(first: &[&'static str]) -> Vec<&'static str> {
    [first, &["COVERED", "SHARE", "STALE", "DEGRADED", "N-1", "N-2"]].concat()
}

fn slices(slices: &[Slice], expected: bool) -> Vec<Vec<String>> {
    let row = |slice: &Slice| {
        let figures: &Figures = &slice.figures;
        let count = |finding| grouped(figures.count(finding));
        let mut row = vec![slice.name.clone()];
        row.extend(slice.vendor.iter().map(ToString::to_string));
        row.push(grouped(figures.machines));
        row.extend(expected.then(|| grouped(figures.expected)));
        row.extend([grouped(figures.covered), figures.percent()]);
        row.extend([count(Finding::Stale), count(Finding::Degraded)]);
        row.extend([count(Finding::BehindN1), count(Finding::BehindN2)]);
        row
    };
    slices.iter().map(row).collect()
}

fn versions(coverage: &Coverage) -> Vec<Vec<String>> {
    let row = |line: &edr::coverage::Versions| {
        let mut row = vec![
            line.vendor.to_string(),
            line.platform.to_string(),
            line.newest.clone().unwrap_or_else(|| "-".to_owned()),
        ];
        row.extend([line.current, line.n1, line.n2, line.older, line.unknown].map(grouped));
        row
    };
    coverage.versions.iter().map(row).collect()
}

/// A table after an empty line: the first `left` columns are words, the others numbers. The first column gives way.
fn grid(out: &mut String, view: &View, left: usize, heads: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| text::plain(cell)).collect()).collect();
    let widest = |at: usize| rows.iter().map(|row| text::width(&row[at])).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..heads.len()).map(|at| widest(at).max(heads[at].len())).collect();
    let others: usize = widths[1..].iter().map(|width| width + GAP.len()).sum();
    widths[0] = widths[0].min(view.width.saturating_sub(others).clamp(NAMES.0, NAMES.1));
    out.push('\n');
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let head = line(&heads, &widths, left);
    out.push_str(&view.palette.paint(&head, Tone::Head));
    out.push('\n');
    for row in &rows {
        out.push_str(&line(row, &widths, left));
        out.push('\n');
    }
}

fn line(cells: &[String], widths: &[usize], left: usize) -> String {
    let cell = |(at, (cell, width)): (usize, (&String, &usize))| {
        let shown = text::fit(cell, *width);
        let space = " ".repeat(width.saturating_sub(text::width(&shown)));
        if at < left { format!("{shown}{space}") } else { format!("{space}{shown}") }
    };
    let cells: Vec<String> = cells.iter().zip(widths).enumerate().map(cell).collect();
    cells.join(GAP).trim_end().to_owned()
}
