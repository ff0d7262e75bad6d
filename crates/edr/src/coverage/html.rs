//! The report as one page that needs nothing else: no script, no font, no picture from elsewhere.
//!
//! Every value goes through [`esc`]. Every figure names its place in the JSON (`data-figure`), so that both can be
//! held against each other.

use std::fmt::Write as _;

use super::report::percent;
use super::{Checked, Coverage, Figures, Finding, Machine, Slice, SourceState, State, Versions};

/// The most machines and rows that the page lists; the rest is counted, and in the other formats.
const LISTED: usize = 1_000;

const STYLE: &str = include_str!("page.css");

/// The page. It may be opened from a disk, mailed and printed.
#[must_use]
pub fn html(coverage: &Coverage) -> String {
    let mut page = String::with_capacity(64 * 1024);
    page.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
    );
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n<title>Coverage</title>\n");
    let _ = writeln!(page, "<style>\n{STYLE}</style>\n</head>\n<body>\n<main>");
    head(&mut page, coverage);
    summary(&mut page, coverage);
    checked(&mut page, &coverage.checks);
    findings(&mut page, coverage);
    slices(&mut page, "Tenants", "tenants", &coverage.tenants);
    slices(&mut page, "Platforms", "platforms", &coverage.platforms);
    versions(&mut page, &coverage.versions);
    denominator(&mut page, coverage);
    sources(&mut page, coverage);
    machines(&mut page, coverage);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Text that is text, whatever it holds. Controls and marks that turn the direction of writing are replaced.
fn esc(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push('\u{FFFD}'),
            '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' => {
                safe.push('\u{FFFD}');
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A figure with its place in the JSON.
fn figure(path: &str, number: u64) -> String {
    format!("<span data-figure=\"{}\">{}</span>", esc(path), grouped(number))
}

/// A bar of parts, each with its class. It has no text: the figures stand beside it.
fn bar(parts: &[(&str, u64)], whole: u64) -> String {
    let mut svg = String::from(
        "<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect class=\"rest\" width=\"1000\" height=\"10\"/>",
    );
    let mut from = 0.0;
    for (class, part) in parts {
        let width = if whole == 0 { 0.0 } else { *part as f64 * 1000.0 / whole as f64 };
        let _ = write!(svg, "<rect class=\"{class}\" x=\"{from:.2}\" width=\"{width:.2}\" height=\"10\"/>");
        from += width;
    }
    svg.push_str("</svg>");
    svg
}

fn head(page: &mut String, coverage: &Coverage) {
    let made = coverage.generated.format("%Y-%m-%d %H:%M UTC");
    let days = coverage.stale_after as f64 / 86_400.0;
    let _ = writeln!(
        page,
        "<header><h1>Coverage</h1><p>{made} · {} tenants · stale after {days} days</p></header>",
        coverage.sources.len()
    );
    if coverage.is_partial {
        page.push_str(
            "<p class=\"alarm\" role=\"alert\"><strong>Partial.</strong> Not every tenant was read to its end, so \
             these figures are not the whole: see Sources.</p>\n",
        );
    }
}

fn summary(page: &mut String, coverage: &Coverage) {
    let totals = &coverage.totals;
    let (covered, expected) =
        (figure("totals/covered", totals.covered), figure("totals/expected", totals.expected));
    let of = match &coverage.denominator {
        Some(list) => format!("machines of <bdi>{}</bdi>", esc(&list.name)),
        None => "machines that a vendor knows".to_owned(),
    };
    page.push_str("<section class=\"summary\">\n");
    page.push_str(&donut(totals));
    let _ = writeln!(
        page,
        "<div><p class=\"lead\">{covered} of {expected} {of} have an agent that works: seen lately, and protecting.</p>\n<dl class=\"cards\">"
    );
    for (name, path, number) in [
        ("machines", "totals/machines", totals.machines),
        ("agents", "totals/agents", totals.agents),
        ("to review", "review", coverage.review),
    ] {
        let _ = writeln!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", figure(path, number));
    }
    for (vendors, number) in &totals.by_vendors {
        let path = format!("totals/by_vendors/{vendors}");
        let _ = writeln!(page, "<div><dt>{}</dt><dd>{}</dd></div>", esc(vendors), figure(&path, *number));
    }
    page.push_str("</dl></div>\n</section>\n");
}

/// A ring of which the covered part is drawn.
fn donut(totals: &Figures) -> String {
    let part = totals.coverage.unwrap_or(0.0) * 100.0;
    let text = percent(totals.covered, totals.expected);
    format!(
        "<svg class=\"donut\" viewBox=\"0 0 120 120\" role=\"img\" aria-label=\"coverage {text}\">\
         <circle class=\"ring rest\" cx=\"60\" cy=\"60\" r=\"50\"/>\
         <circle class=\"ring good\" cx=\"60\" cy=\"60\" r=\"50\" pathLength=\"100\" \
         stroke-dasharray=\"{part:.3} 100\" transform=\"rotate(-90 60 60)\"/>\
         <text x=\"60\" y=\"67\" text-anchor=\"middle\">{text}</text></svg>\n"
    )
}

fn checked(page: &mut String, checks: &[Checked]) {
    if checks.is_empty() {
        return;
    }
    open(page, "Checks", &[("Check", ""), ("Found", "number"), ("Result", "")]);
    for check in checks {
        let actual = check.actual.map_or("–".to_owned(), |n| format!("{}", (n * 100.0).floor() / 100.0));
        let (class, word) = if check.is_met { ("good", "met") } else { ("bad", "not met") };
        let _ = writeln!(
            page,
            "<tr><td><code>{}</code></td><td class=\"number\">{actual}</td><td class=\"{class}\">{word}</td></tr>",
            esc(&check.check)
        );
    }
    close(page);
}

/// The colour of a finding.
fn tone(finding: Finding) -> &'static str {
    match finding {
        Finding::Missing | Finding::Unprotected => "bad",
        Finding::DoubledVendors | Finding::Contained | Finding::ContainmentPending => "note",
        _ => "warn",
    }
}

fn findings(page: &mut String, coverage: &Coverage) {
    let totals = &coverage.totals;
    open(page, "Findings", &[("Finding", ""), ("Machines", "number"), ("Share", "chart")]);
    let known = |f: &&Finding| **f != Finding::Unlisted || coverage.denominator.is_some();
    for finding in Finding::ALL.iter().filter(known) {
        let number = totals.count(*finding);
        let path = format!("totals/findings/{finding}");
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"chart\">{}</td></tr>",
            finding.title(),
            figure(&path, number),
            bar(&[(tone(*finding), number)], totals.machines)
        );
    }
    close(page);
}

/// The findings that a slice shows.
const COLUMNS: &[(Finding, &str)] = &[
    (Finding::Missing, "No agent"),
    (Finding::Stale, "Stale"),
    (Finding::Degraded, "Degraded"),
    (Finding::Unprotected, "Unprotected"),
    (Finding::BehindN1, "Behind N-1"),
    (Finding::BehindN2, "Behind N-2"),
    (Finding::Contained, "Contained"),
];

fn slices(page: &mut String, title: &str, path: &str, slices: &[Slice]) {
    let mut heads =
        vec![("Name", ""), ("Machines", "number more"), ("Covered", "number"), ("", "number"), ("", "chart")];
    heads.extend(COLUMNS.iter().map(|(_, head)| (*head, "number more")));
    open(page, title, &heads);
    for (at, slice) in slices.iter().enumerate() {
        let figures = &slice.figures;
        let vendor = slice.vendor.as_ref().map(|v| format!(" <small>{}</small>", esc(&v.to_string())));
        let at = format!("{path}/{at}/figures");
        let _ = write!(
            page,
            "<tr><th scope=\"row\"><bdi>{}</bdi>{}</th><td class=\"number more\">{}</td>\
             <td class=\"number\">{} of {}</td><td class=\"number\">{}</td><td class=\"chart\">{}</td>",
            esc(&slice.name),
            vendor.unwrap_or_default(),
            figure(&format!("{at}/machines"), figures.machines),
            figure(&format!("{at}/covered"), figures.covered),
            figure(&format!("{at}/expected"), figures.expected),
            figures.percent(),
            bar(&[("good", figures.covered)], figures.expected),
        );
        for (finding, _) in COLUMNS {
            let number = figure(&format!("{at}/findings/{finding}"), figures.count(*finding));
            let _ = write!(page, "<td class=\"number more\">{number}</td>");
        }
        page.push_str("</tr>\n");
    }
    close(page);
}

fn versions(page: &mut String, versions: &[Versions]) {
    let heads = [
        ("Agent", ""),
        ("Newest", ""),
        ("N", "number"),
        ("N-1", "number"),
        ("N-2", "number"),
        ("Older", "number"),
        ("Unknown", "number more"),
        ("", "chart"),
    ];
    open(page, "Agent releases", &heads);
    for (at, line) in versions.iter().enumerate() {
        let parts = [("good", line.current), ("note", line.n1), ("warn", line.n2), ("bad", line.older)];
        let whole = parts.iter().map(|(_, n)| n).sum::<u64>() + line.unknown;
        let cell = |field: &str, number| figure(&format!("versions/{at}/{field}"), number);
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{} <small>{}</small></th><td>{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number more\">{}</td><td class=\"chart\">{}</td></tr>",
            esc(&line.vendor.to_string()),
            esc(line.platform.as_str()),
            esc(line.newest.as_deref().unwrap_or("–")),
            cell("current", line.current),
            cell("n1", line.n1),
            cell("n2", line.n2),
            cell("older", line.older),
            cell("unknown", line.unknown),
            bar(&parts, whole),
        );
    }
    close(page);
}

fn denominator(page: &mut String, coverage: &Coverage) {
    let Some(list) = &coverage.denominator else { return };
    let cell = |field: &str, number| figure(&format!("denominator/{field}"), number);
    let _ = writeln!(
        page,
        "<section><h2>Denominator</h2><p><bdi>{}</bdi>: {} rows, {} machines, {} rows that repeat a machine, {} that \
         fit several.</p></section>",
        esc(&list.name),
        cell("rows", list.rows),
        cell("machines", list.machines),
        cell("repeated", list.repeated),
        cell("ambiguous", list.ambiguous),
    );
    if list.bad_rows.is_empty() {
        return;
    }
    open(page, "Rows that could not be used", &[("Line", "number"), ("Reason", ""), ("Rest used", "")]);
    for bad in list.bad_rows.iter().take(LISTED) {
        let used = if bad.is_used { "yes" } else { "no" };
        let _ = writeln!(
            page,
            "<tr><td class=\"number\">{}</td><td>{}</td><td>{used}</td></tr>",
            bad.line,
            esc(&bad.reason)
        );
    }
    close(page);
    rest(page, list.bad_rows.len());
}

fn sources(page: &mut String, coverage: &Coverage) {
    let heads =
        [("Tenant", ""), ("Result", ""), ("Hosts", "number"), ("Rejected", "number"), ("Missing", "")];
    open(page, "Sources", &heads);
    for (at, source) in coverage.sources.iter().enumerate() {
        let class = if source.state == SourceState::Complete { "good" } else { "bad" };
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\"><bdi>{}</bdi> <small>{}</small></th><td class=\"{class}\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"text\">{}</td></tr>",
            esc(source.tenant.as_str()),
            esc(&source.vendor.to_string()),
            source.state.as_str(),
            figure(&format!("sources/{at}/hosts"), source.hosts),
            figure(&format!("sources/{at}/rejected"), source.rejected),
            esc(&source.reasons.join("; ")),
        );
    }
    close(page);
}

/// Machines that want something, the worst first.
fn machines(page: &mut String, coverage: &Coverage) {
    let wanting = |m: &&Machine| m.state != State::Covered || !m.findings.is_empty();
    let mut wanting: Vec<&Machine> = coverage.machines.iter().filter(wanting).collect();
    wanting.sort_by_key(|m| m.state);
    let heads = [("Name", ""), ("Platform", "more"), ("Findings", ""), ("Agents", "more"), ("Last seen", "")];
    open(page, "Machines", &heads);
    wanting.iter().take(LISTED).for_each(|machine| row(page, machine));
    close(page);
    rest(page, wanting.len());
}

fn row(page: &mut String, machine: &Machine) {
    let findings: Vec<&str> = machine.findings.iter().map(|f| f.title()).collect();
    let agent = |a: &super::Agent| format!("{} {}", a.tenant, a.version.as_deref().unwrap_or("–"));
    let agents: Vec<String> = machine.present().map(agent).collect();
    let seen = machine.last_seen().map(|t| t.format("%Y-%m-%d").to_string());
    let class = match machine.state {
        State::Covered => "warn",
        State::Missing | State::NotWorking => "bad",
    };
    let _ = writeln!(
        page,
        "<tr><th scope=\"row\"><bdi>{}</bdi></th><td class=\"more\">{}</td><td class=\"text {class}\">{}</td>\
         <td class=\"more text\">{}</td><td class=\"date\">{}</td></tr>",
        esc(&machine.hostname),
        esc(machine.platform.as_str()),
        esc(&findings.join(", ")),
        esc(&agents.join(", ")),
        seen.as_deref().unwrap_or("–"),
    );
}

/// Nothing is cut in silence.
fn rest(page: &mut String, all: usize) {
    if all > LISTED {
        let (shown, all) = (grouped(LISTED as u64), grouped(all as u64));
        let _ = writeln!(page, "<p class=\"note\">The first {shown} of {all}; the JSON has all.</p>");
    }
}

fn open(page: &mut String, title: &str, heads: &[(&str, &str)]) {
    let _ = write!(page, "<section><h2>{title}</h2><div class=\"scroll\"><table><thead><tr>");
    for (head, class) in heads {
        let _ = write!(page, "<th scope=\"col\" class=\"{class}\">{head}</th>");
    }
    page.push_str("</tr></thead><tbody>\n");
}

fn close(page: &mut String) {
    page.push_str("</tbody></table></div></section>\n");
}
