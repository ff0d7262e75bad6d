//! How each tenant ended, and what that makes of the whole command.

use std::collections::BTreeMap;

use edr::{Error, Gap, Outcome, TenantId, TenantOutcome, Vendor};
use serde::Serialize;

use crate::exit::Exit;

/// How every tenant ended.
#[derive(Debug)]
pub(crate) struct Tally {
    noun: (&'static str, &'static str),
    tenants: BTreeMap<TenantId, Ended>,
    /// `--timeout` was given.
    timed: bool,
    /// Records that were printed.
    pub(crate) shown: u64,
    /// There are more than were asked for.
    pub(crate) more: bool,
    /// The user stopped it.
    pub(crate) interrupted: bool,
    /// Names and ids that were asked for and not found.
    pub(crate) missing: Vec<String>,
    /// Names and ids that nothing was listed for, where that does not mean that they do not exist.
    pub(crate) unmatched: Vec<String>,
}

#[derive(Debug)]
struct Ended {
    vendor: Vendor,
    items: u64,
    duplicates: u64,
    /// Items that were left out because they cannot be decoded.
    rejected: u64,
    /// `None`: not at its end, because nothing more was asked for.
    outcome: Option<Outcome>,
}

/// How the reading of a tenant ended.
#[derive(Debug)]
pub(crate) struct TenantEnding<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) vendor: &'a Vendor,
    /// How far it was read, in a word.
    pub(crate) word: &'static str,
    /// What is missing.
    pub(crate) reason: String,
    /// Nothing is missing but items that could not be decoded.
    pub(crate) read_to_end: bool,
    /// How many these are.
    pub(crate) rejected: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Complete,
    Failed,
    Partial,
}

impl Word {
    fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Partial => "partial",
        }
    }
}

impl Tally {
    /// Nothing has ended.
    pub(crate) fn new(noun: (&'static str, &'static str), timed: bool) -> Self {
        let tenants = BTreeMap::new();
        let (missing, unmatched) = (Vec::new(), Vec::new());
        Self { noun, tenants, timed, shown: 0, more: false, interrupted: false, missing, unmatched }
    }

    /// A tenant takes part.
    pub(crate) fn expect(&mut self, tenant: &TenantId, vendor: &Vendor) {
        let ended = || Ended { vendor: vendor.clone(), items: 0, duplicates: 0, rejected: 0, outcome: None };
        self.tenants.entry(tenant.clone()).or_insert_with(ended);
    }

    /// A tenant's listing has ended.
    pub(crate) fn end(&mut self, done: TenantOutcome) {
        self.settle(&done.tenant, &done.vendor, done.outcome);
        if let Some(ended) = self.tenants.get_mut(&done.tenant) {
            ended.duplicates += done.duplicates;
        }
    }

    /// A tenant has ended; of several endings the worse one counts.
    pub(crate) fn settle(&mut self, tenant: &TenantId, vendor: &Vendor, outcome: Outcome) {
        self.expect(tenant, vendor);
        let Some(ended) = self.tenants.get_mut(tenant) else { return };
        if ended.outcome.as_ref().is_none_or(|had| badness(&outcome) > badness(had)) {
            ended.outcome = Some(outcome);
        }
    }

    /// What is missing in a listing that this one rests on is missing here, too.
    pub(crate) fn rest_on(&mut self, other: &Self) {
        for (tenant, ended) in
            other.tenants.iter().filter(|(_, ended)| other.word_of(ended) != Word::Complete)
        {
            let gap = Gap { reason: format!("{}: {}", other.noun.1, reason(ended)), missing: None };
            match self.tenants.get_mut(tenant).and_then(|own| own.outcome.as_mut()) {
                Some(Outcome::Partial { gaps, .. }) => gaps.push(gap),
                _ => self.settle(tenant, &ended.vendor, Outcome::Partial { gaps: vec![gap], error: None }),
            }
        }
    }

    /// A tenant gave out items.
    pub(crate) fn count(&mut self, tenant: &TenantId, items: u64) {
        if let Some(ended) = self.tenants.get_mut(tenant) {
            ended.items += items;
        }
    }

    /// An item of a tenant was left out.
    pub(crate) fn reject(&mut self, tenant: &TenantId) {
        if let Some(ended) = self.tenants.get_mut(tenant) {
            ended.rejected += 1;
        }
    }

    /// Items of all tenants.
    pub(crate) fn items(&self) -> u64 {
        self.tenants.values().map(|t| t.items).sum()
    }

    /// How many there are, where everything was read.
    pub(crate) fn total(&self) -> Option<u64> {
        let whole = self.tenants.values().all(|t| matches!(t.outcome, Some(Outcome::Complete)));
        whole.then(|| self.items())
    }

    /// The failures of tenants, in order.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &Error> {
        self.tenants.values().filter_map(|t| t.outcome.as_ref()?.error())
    }

    /// What is missing without an error.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = (&TenantId, &str)> {
        self.tenants.iter().flat_map(|(tenant, ended)| match &ended.outcome {
            Some(Outcome::Partial { gaps, error: None }) => {
                gaps.iter().map(|g| (tenant, g.reason.as_str())).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        })
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        if self.interrupted {
            return Exit::Interrupted;
        }
        let failed = self.errors().map(|e| Exit::of(e, self.timed));
        match self.word() {
            Word::Complete => Exit::Complete,
            Word::Failed if self.errors().next().is_none() => Exit::NotFound,
            Word::Failed => {
                failed.reduce(|a, b| if a == b { a } else { Exit::Partial }).unwrap_or(Exit::Failed)
            }
            Word::Partial => Exit::Partial,
        }
    }

    fn word(&self) -> Word {
        let mut words = self.tenants.values().map(|t| self.word_of(t));
        let first = words.next().unwrap_or(Word::Complete);
        let whole = if words.all(|w| w == first) { first } else { Word::Partial };
        match whole {
            Word::Complete if !self.missing.is_empty() && self.shown == 0 => Word::Failed,
            Word::Complete if !self.missing.is_empty() => Word::Partial,
            whole => whole,
        }
    }

    fn word_of(&self, ended: &Ended) -> Word {
        match &ended.outcome {
            Some(Outcome::Failed { .. }) => Word::Failed,
            Some(Outcome::Partial { .. }) => Word::Partial,
            None if self.interrupted => Word::Partial,
            _ if ended.rejected > 0 => Word::Partial,
            Some(Outcome::Complete) | None => Word::Complete,
        }
    }

    /// The line for a person.
    pub(crate) fn line(&self) -> String {
        let word = self.word();
        let parts = [self.interruption(), self.not_found()].into_iter().flatten();
        let parts: Vec<String> = match word {
            Word::Complete => vec![self.summary()],
            _ => parts.chain(self.troubled()).chain(self.untroubled()).collect(),
        };
        format!("{}: {}{}", word.as_str(), parts.join("; "), self.without_match())
    }

    fn summary(&self) -> String {
        let tenants = counted(self.tenants.len() as u64, ("tenant", "tenants"));
        let shown = counted(self.shown, self.noun);
        match self.total() {
            Some(total) if self.more => {
                format!("{tenants}, {} of {}", grouped(self.shown), counted(total, self.noun))
            }
            None if self.more => {
                format!(
                    "{tenants}, {} of more than {}",
                    grouped(self.shown),
                    counted(self.items(), self.noun)
                )
            }
            _ => format!("{tenants}, {shown}"),
        }
    }

    fn interruption(&self) -> Option<String> {
        self.interrupted.then(|| format!("interrupted after {}", counted(self.items(), self.noun)))
    }

    fn not_found(&self) -> Option<String> {
        let count = counted(self.missing.len() as u64, self.noun);
        (!self.missing.is_empty()).then(|| format!("{count} not found: {}", quoted(&self.missing)))
    }

    fn without_match(&self) -> String {
        match self.unmatched.as_slice() {
            [] => String::new(),
            names => format!("; nothing for {}", quoted(names)),
        }
    }

    fn troubled(&self) -> impl Iterator<Item = String> {
        self.tenants.iter().filter_map(|(tenant, ended)| {
            let items = counted(ended.items, self.noun);
            match self.word_of(ended) {
                Word::Complete => None,
                Word::Failed => Some(format!("{tenant} failed ({})", reason(ended))),
                Word::Partial => Some(format!("{tenant} partial, {items} ({})", reason(ended))),
            }
        })
    }

    /// A few by name, many by number.
    fn untroubled(&self) -> Vec<String> {
        let good: Vec<(&TenantId, &Ended)> =
            self.tenants.iter().filter(|(_, e)| self.word_of(e) == Word::Complete).collect();
        if good.len() > 4 {
            let items = good.iter().map(|(_, e)| e.items).sum();
            return vec![format!("{} tenants complete, {}", good.len(), counted(items, self.noun))];
        }
        let items = |e: &Ended| match &e.outcome {
            None => format!("not read to its end after {}", counted(e.items, self.noun)),
            Some(_) => format!("complete, {}", counted(e.items, self.noun)),
        };
        good.iter().map(|(t, e)| format!("{t} {}", items(e))).collect()
    }

    /// How the reading of each tenant ended.
    pub(crate) fn endings(&self) -> Vec<TenantEnding<'_>> {
        let ending = |(tenant, ended)| {
            let ended: &Ended = ended;
            let read_to_end = matches!(ended.outcome, Some(Outcome::Complete));
            let (word, reason) = (self.word_of(ended).as_str(), reason(ended));
            let (vendor, rejected) = (&ended.vendor, ended.rejected);
            TenantEnding { tenant, vendor, word, reason, read_to_end, rejected }
        };
        self.tenants.iter().map(ending).collect()
    }

    /// The object for a program.
    pub(crate) fn object(&self) -> OutcomeObject<'_> {
        let tenants = self.tenants.iter().map(|(tenant, ended)| TenantObject {
            tenant,
            vendor: &ended.vendor,
            outcome: self.word_of(ended).as_str(),
            items: ended.items,
            duplicates: ended.duplicates,
            reason: (self.word_of(ended) != Word::Complete).then(|| reason(ended)),
        });
        OutcomeObject {
            kind: "outcome",
            outcome: self.word().as_str(),
            items: self.shown,
            more: self.more,
            total: self.total(),
            interrupted: self.interrupted,
            not_found: self.missing.len(),
            missing: &self.missing,
            unmatched: &self.unmatched,
            tenants: tenants.collect(),
            message: self.line(),
        }
    }
}

/// The outcome as one JSON object.
#[derive(Debug, Serialize)]
pub(crate) struct OutcomeObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    outcome: &'static str,
    items: u64,
    more: bool,
    total: Option<u64>,
    interrupted: bool,
    not_found: usize,
    missing: &'a [String],
    unmatched: &'a [String],
    tenants: Vec<TenantObject<'a>>,
    message: String,
}

#[derive(Debug, Serialize)]
struct TenantObject<'a> {
    tenant: &'a TenantId,
    vendor: &'a Vendor,
    outcome: &'static str,
    items: u64,
    duplicates: u64,
    reason: Option<String>,
}

fn badness(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Complete => 0,
        Outcome::Partial { .. } => 1,
        Outcome::Failed { .. } => 2,
    }
}

/// The cause in a few words; the whole of it stands in a line of its own.
fn reason(ended: &Ended) -> String {
    match &ended.outcome {
        Some(Outcome::Failed { error } | Outcome::Partial { error: Some(error), .. }) => {
            error.kind().as_str().replace('_', " ")
        }
        Some(Outcome::Partial { gaps, .. }) => {
            gaps.iter().map(|g| g.reason.as_str()).collect::<Vec<_>>().join("; ")
        }
        _ if ended.rejected > 0 => {
            format!("{} could not be decoded", counted(ended.rejected, ("item", "items")))
        }
        Some(Outcome::Complete) => String::new(),
        None => "stopped".to_owned(),
    }
}

/// A few by name, the rest by number.
fn quoted(names: &[String]) -> String {
    const NAMED: usize = 5;
    let mut parts: Vec<String> = names.iter().take(NAMED).map(|n| format!("'{n}'")).collect();
    if names.len() > NAMED {
        parts.push(format!("{} more", grouped((names.len() - NAMED) as u64)));
    }
    parts.join(", ")
}

/// `1 host`, `8,213 hosts`.
pub(crate) fn counted(count: u64, (one, several): (&str, &str)) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { several })
}

/// Digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use edr::ErrorKind;

    use super::*;

    fn tally(outcomes: &[(&str, Outcome, u64)]) -> Tally {
        let mut tally = Tally::new(("host", "hosts"), false);
        for (tenant, outcome, items) in outcomes {
            tally.expect(&(*tenant).into(), &"falcon".into());
            tally.count(&(*tenant).into(), *items);
            tally.shown += items;
            tally.settle(&(*tenant).into(), &"falcon".into(), outcome.clone());
        }
        tally
    }

    fn failed(kind: ErrorKind) -> Outcome {
        Outcome::Failed { error: Error::new(kind, "x") }
    }

    #[test]
    fn outcomes_have_their_lines_and_codes() {
        use ErrorKind::{Authentication, Network, Permission};
        let gap = Outcome::Partial {
            gaps: vec![Gap { reason: "3 items missing".into(), missing: Some(3) }],
            error: None,
        };
        for (outcomes, line, code) in [
            (
                vec![("a", Outcome::Complete, 50_000), ("b", Outcome::Complete, 20_000)],
                "complete: 2 tenants, 70,000 hosts",
                0,
            ),
            (
                vec![("a", failed(Permission), 0), ("b", failed(Authentication), 0)],
                "failed: a failed (permission); b failed (authentication)",
                4,
            ),
            (
                vec![("a", failed(Network), 0), ("b", failed(Authentication), 0)],
                "failed: a failed (network); b failed (authentication)",
                3,
            ),
            (
                vec![("a", failed(Network), 0), ("b", Outcome::Complete, 1)],
                "partial: a failed (network); b complete, 1 host",
                3,
            ),
            (vec![("a", gap, 7)], "partial: a partial, 7 hosts (3 items missing)", 3),
        ] {
            let tally = tally(&outcomes);
            assert_eq!((tally.line().as_str(), tally.exit().code()), (line, code));
        }
    }

    #[test]
    fn what_was_read_to_its_end_is_told_from_what_was_not() {
        let gap = Outcome::Partial { gaps: Vec::new(), error: Some(Error::new(ErrorKind::Network, "x")) };
        let outcomes = [("a", Outcome::Complete, 7), ("b", gap, 7), ("c", failed(ErrorKind::Network), 0)];
        let mut tally = tally(&outcomes);
        ["a", "b"].iter().for_each(|tenant| tally.reject(&(*tenant).into()));
        tally.reject(&"a".into());
        let told = |one: TenantEnding<'_>| (one.word, one.read_to_end, one.rejected);
        let found: Vec<_> = tally.endings().into_iter().map(told).collect();
        assert_eq!(found, [("partial", true, 2), ("partial", false, 1), ("failed", false, 0)]);
    }

    #[test]
    fn what_is_missing_in_the_listing_below_is_missing_here() {
        let gap = || Outcome::Partial {
            gaps: vec![Gap { reason: "3 items missing".into(), missing: Some(3) }],
            error: None,
        };
        let hosts = tally(&[
            ("a", failed(ErrorKind::Permission), 0),
            ("b", gap(), 7),
            ("c", gap(), 7),
            ("d", Outcome::Complete, 7),
        ]);
        let mut alerts = tally(&[
            ("a", Outcome::Complete, 2),
            ("b", gap(), 2),
            ("c", failed(ErrorKind::Network), 0),
            ("d", Outcome::Complete, 2),
        ]);
        alerts.rest_on(&hosts);
        assert_eq!(
            (alerts.line().as_str(), alerts.exit().code()),
            (
                "partial: a partial, 2 hosts (hosts: permission); b partial, 2 hosts (3 items missing; hosts: 3 items \
                 missing); c failed (network); d complete, 2 hosts",
                3
            )
        );
    }

    #[test]
    fn an_interruption_and_a_missing_thing_are_told() {
        let mut stopped = tally(&[("a", Outcome::Complete, 7)]);
        stopped.expect(&"b".into(), &"cortex".into());
        stopped.interrupted = true;
        assert_eq!(
            stopped.line(),
            "partial: interrupted after 7 hosts; b partial, 0 hosts (stopped); a complete, 7 hosts"
        );
        assert_eq!(stopped.exit().code(), 130);
        let mut absent = tally(&[("a", Outcome::Complete, 0)]);
        absent.missing = vec!["x".into()];
        assert_eq!(
            (absent.line().as_str(), absent.exit().code()),
            ("failed: 1 host not found: 'x'; a complete, 0 hosts", 5)
        );
        absent.shown = 3;
        absent.missing = (0..7).map(|i| i.to_string()).collect();
        assert_eq!(absent.exit().code(), 3);
        assert!(absent.line().contains("7 hosts not found: '0', '1', '2', '3', '4', 2 more;"));
        let mut quiet = tally(&[("a", Outcome::Complete, 0)]);
        quiet.unmatched = vec!["x".into()];
        assert_eq!(
            (quiet.line().as_str(), quiet.exit().code()),
            ("complete: 1 tenant, 0 hosts; nothing for 'x'", 0)
        );
    }

    #[test]
    fn many_good_tenants_are_counted() {
        let mut all: Vec<(String, Outcome, u64)> =
            (0..9).map(|i| (format!("t{i}"), Outcome::Complete, 5)).collect();
        all[3].1 = failed(ErrorKind::Network);
        let refs: Vec<(&str, Outcome, u64)> =
            all.iter().map(|(t, o, n)| (t.as_str(), o.clone(), *n)).collect();
        assert_eq!(tally(&refs).line(), "partial: t3 failed (network); 8 tenants complete, 40 hosts");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 8213, 1_000_000].map(grouped), ["0", "999", "1,000", "8,213", "1,000,000"]);
    }
}
