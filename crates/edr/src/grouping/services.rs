//! Which of a vendor's keys stand for a program that starts many things, and so for no activity.
//!
//! Cortex XDR gives a process the id of its causality chain. Where the alert names the process that the chain begins with,
//! its name tells. Issues of XDR 5 give the id alone, and then it shows in what the chain has started.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::GroupingConfig;
use super::block::NEIGHBOURS;
use super::tools::is_starter;
use super::trace::{Run, Trace};

/// How far a line of processes is followed upwards.
const GENERATIONS: usize = 16;

/// The runs of one command that one vendor reports, or that one of its keys goes with.
pub(super) struct Runs {
    pub(super) numbers: BTreeSet<u32>,
    first: i64,
    last: i64,
}

impl Runs {
    pub(super) fn at(time: i64) -> Self {
        Self { numbers: BTreeSet::new(), first: time, last: time }
    }

    pub(super) fn take(&mut self, pid: Option<u32>, time: i64) {
        self.numbers.extend(pid);
        (self.first, self.last) = (self.first.min(time), self.last.max(time));
    }

    pub(super) fn span(&self) -> i64 {
        self.last.saturating_sub(self.first)
    }
}

/// The vendor's keys under which one command ran twice, or that two processes share of which each is known to have been
/// started by a program that starts everything.
pub(super) fn services<'a>(traces: &[&'a Trace], config: &GroupingConfig) -> HashSet<&'a str> {
    let mut keyed: BTreeMap<&'a str, Vec<&'a Trace>> = BTreeMap::new();
    for trace in traces {
        trace.keys.iter().for_each(|key| keyed.entry(key).or_default().push(trace));
    }
    keyed.retain(|_, members| members.len() > 1);
    if keyed.is_empty() {
        return HashSet::new();
    }
    let trees = Trees::of(traces, config);
    let is_service = |members: &[&Trace]| repeats(members, config) || trees.several(members);
    keyed.into_iter().filter(|(_, members)| is_service(members)).map(|(key, _)| key).collect()
}

/// True when one command ran twice. Where no number tells two runs apart, they are two when they are further apart than one
/// activity reaches.
fn repeats(members: &[&Trace], config: &GroupingConfig) -> bool {
    let mut all: BTreeMap<(&str, &str), Runs> = BTreeMap::new();
    for (trace, run) in members.iter().flat_map(|trace| trace.own.iter().map(move |run| (trace, run))) {
        if let Some(args) = &run.args {
            let runs = all.entry((&run.name, args)).or_insert_with(|| Runs::at(trace.at));
            runs.take(run.pid, trace.at);
        }
    }
    let twice =
        |runs: &Runs| runs.numbers.len() > 1 || (runs.numbers.is_empty() && runs.span() > config.reach());
    all.values().any(twice)
}

/// What all alerts of a machine, of either vendor, tell of who started whom.
struct Trees<'a> {
    /// Where a process stands in the line of an alert, with something above it.
    places: HashMap<(u32, &'a str), Vec<(&'a Trace, usize)>>,
    reach: i64,
    skew: i64,
}

impl<'a> Trees<'a> {
    fn of(traces: &[&'a Trace], config: &GroupingConfig) -> Self {
        let mut places: HashMap<(u32, &str), Vec<(&Trace, usize)>> = HashMap::new();
        for trace in traces {
            for (at, run) in trace.line.iter().enumerate().take(trace.line.len().saturating_sub(1)) {
                if let Some(pid) = run.pid {
                    places.entry((pid, &run.name)).or_default().push((trace, at));
                }
            }
        }
        Self { places, reach: config.reach(), skew: config.skew.num_milliseconds() }
    }

    /// True when two of the processes that were started by a program that starts everything are different ones.
    fn several(&self, members: &[&'a Trace]) -> bool {
        let mut tops = members.iter().filter_map(|trace| self.top(trace));
        let Some(first) = tops.next() else { return false };
        tops.any(|top| !top.is(first, Some(self.skew)))
    }

    /// The process above all others of an alert, right below a program that starts everything, if it is known.
    fn top(&self, trace: &'a Trace) -> Option<&'a Run> {
        let mut top = None;
        let mut line = trace.line.as_slice();
        for _ in 0..GENERATIONS {
            for run in line {
                if is_starter(&run.name) {
                    return top;
                }
                top = Some(run);
            }
            line = self.above(trace, top?)?;
        }
        None
    }

    /// What another alert of about that time tells of the processes above one.
    fn above(&self, trace: &Trace, run: &Run) -> Option<&'a [Run]> {
        let places = self.places.get(&(run.pid?, run.name.as_str()))?;
        let near = |other: &Trace| trace.at.abs_diff(other.at) <= self.reach.unsigned_abs();
        let mut known = places.iter().take(NEIGHBOURS).filter(|(other, _)| near(other));
        let (other, at) = known.find(|(other, at)| other.line[*at].is(run, Some(self.skew)))?;
        other.line.get(at + 1..)
    }
}
