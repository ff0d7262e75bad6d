//! Which alerts are worth comparing, and what is so common that it says nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::GroupingConfig;
use super::services::{Runs, services};
use super::tools::is_starter;
use super::trace::{Run, Trace};

/// How many of the alerts after it an alert is compared with for the sake of one key.
pub(super) const NEIGHBOURS: usize = 64;

/// From so many runs of one command on, reported by one vendor over more than the window, it is a routine.
const ROUTINE: usize = 4;

/// What alerts are found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Command(&'a str, &'a str),
    Digest(&'a str),
    File(&'a str),
    Lookup(&'a str),
    Remote(&'a str),
    /// The number and program of a process.
    Run(u32, &'a str),
    Uid(&'a str),
    Vendor(&'a str),
}

/// The alerts of one machine.
pub(super) struct Place<'a> {
    traces: Vec<&'a Trace>,
    worthless: &'a HashSet<&'a str>,
    routines: HashSet<(&'a str, &'a str)>,
    services: HashSet<&'a str>,
}

impl<'a> Place<'a> {
    pub(super) fn new(
        traces: Vec<&'a Trace>,
        worthless: &'a HashSet<&'a str>,
        config: &GroupingConfig,
    ) -> Self {
        let (routines, services) = (routines(&traces, config), services(&traces, config));
        Self { traces, worthless, routines, services }
    }

    /// True when a digest belongs to a tool.
    pub(super) fn is_worthless(&self, digest: &str) -> bool {
        self.worthless.contains(digest)
    }

    /// True when an alert is about one run of many of a command.
    pub(super) fn is_routine(&self, trace: &Trace) -> bool {
        trace.commands().any(|command| self.routines.contains(&command))
    }

    /// True when a vendor's key stands for a program that starts one command again and again.
    pub(super) fn is_service(&self, key: &str) -> bool {
        self.services.contains(key)
    }

    /// The pairs that have a key in common at about the same time, by their places in `traces`.
    pub(super) fn pairs(&self, config: &GroupingConfig) -> BTreeSet<(usize, usize)> {
        let mut blocks: BTreeMap<Key<'a>, Vec<usize>> = BTreeMap::new();
        for (at, trace) in self.traces.iter().enumerate() {
            for key in keys(trace) {
                blocks.entry(key).or_default().push(at);
            }
        }
        let mut pairs = BTreeSet::new();
        for (key, members) in &blocks {
            self.near(members, |trace| Some(trace.at), config, &mut pairs);
            if matches!(key, Key::Run(..) | Key::Uid(_)) {
                self.near(members, |trace| trace.stored, config, &mut pairs);
            }
        }
        pairs
    }

    fn near(
        &self,
        members: &[usize],
        time: impl Fn(&Trace) -> Option<i64>,
        config: &GroupingConfig,
        pairs: &mut BTreeSet<(usize, usize)>,
    ) {
        let mut timed: Vec<(i64, usize)> =
            members.iter().filter_map(|at| Some((time(self.traces[*at])?, *at))).collect();
        timed.sort_unstable();
        timed.dedup();
        for (i, (from, a)) in timed.iter().enumerate() {
            let next = timed[i + 1..].iter().take(NEIGHBOURS);
            let near = next.take_while(|(to, _)| to.saturating_sub(*from) <= config.reach());
            pairs.extend(near.map(|(_, b)| (*a.min(b), *a.max(b))));
        }
    }

    pub(super) fn traces(&self) -> &[&'a Trace] {
        &self.traces
    }
}

fn keys(trace: &Trace) -> BTreeSet<Key<'_>> {
    let mut keys: BTreeSet<Key<'_>> = trace.commands().map(|(name, args)| Key::Command(name, args)).collect();
    keys.extend(trace.digests.iter().map(|d| Key::Digest(d)));
    keys.extend(trace.files.iter().map(|f| Key::File(f)));
    keys.extend(trace.lookups.iter().map(|l| Key::Lookup(l)));
    keys.extend(trace.remotes.iter().map(|r| Key::Remote(r)));
    keys.extend(trace.keys.iter().map(|k| Key::Vendor(k)));
    for run in trace.own.iter().chain(&trace.above).filter(|run| !is_starter(&run.name)) {
        keys.extend(run.pid.map(|pid| Key::Run(pid, &run.name)));
        keys.extend(run.uid.as_deref().map(Key::Uid));
    }
    keys
}

/// The digests that belong to tools, by anybody's word.
pub(super) fn worthless<'a>(traces: &[&'a Trace]) -> HashSet<&'a str> {
    traces.iter().flat_map(|trace| &trace.worthless).map(String::as_str).collect()
}

/// The commands that come again and again.
fn routines<'a>(traces: &[&'a Trace], config: &GroupingConfig) -> HashSet<(&'a str, &'a str)> {
    let mut all: BTreeMap<(&str, (&'a str, &'a str)), Runs> = BTreeMap::new();
    for trace in traces {
        for Run { pid, name, args, .. } in &trace.own {
            if let (Some(pid), Some(args)) = (pid, args) {
                let runs = all.entry((trace.face.vendor.as_str(), (name, args)));
                runs.or_insert_with(|| Runs::at(trace.at)).take(Some(*pid), trace.at);
            }
        }
    }
    let again = |runs: &Runs| runs.numbers.len() >= ROUTINE && runs.span() > config.reach();
    all.into_iter().filter(|(_, runs)| again(runs)).map(|((_, command), _)| command).collect()
}
