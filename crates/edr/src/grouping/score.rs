//! What two alerts have in common, in points.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::GroupingConfig;
use super::block::Place;
use super::tools::{is_starter, is_tool};
use super::trace::{Run, Trace};

/// What speaks for or against two alerts being about one activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sign {
    /// The same program with the same arguments.
    CommandLine,
    /// The same file, by its digest.
    Digest,
    /// The same file, by its path.
    FilePath,
    /// The same name was looked up.
    Lookup,
    /// One is the other, taken in by the second vendor.
    Original,
    /// The vendor itself gives them keys of two activities.
    OtherKey,
    /// Different programs, or different runs, stand right above them.
    OtherParent,
    /// The same program, and yet another run of it.
    OtherRun,
    /// The same program stands right above both.
    ParentImage,
    /// The process that one is about stands above the other's.
    ParentProcess,
    /// The same remote address and port.
    Remote,
    /// The same process.
    SameProcess,
    /// The same process stands above both.
    SharedAncestor,
    /// The same technique, or one is a sub-technique of the other's.
    Technique,
    /// The same account.
    User,
    /// The vendor itself says that they belong together.
    VendorKey,
}

impl Sign {
    /// The points for it. The weights are set by hand, after the measurements in `docs/GROUPING.md`.
    #[must_use]
    pub fn points(self) -> i32 {
        match self {
            Self::CommandLine => 40,
            Self::Digest | Self::SharedAncestor => 50,
            Self::FilePath | Self::Lookup | Self::Remote => 20,
            Self::Original => 100,
            Self::OtherKey => -10,
            Self::OtherParent => -20,
            Self::OtherRun => -60,
            Self::ParentImage | Self::Technique | Self::User => 10,
            Self::ParentProcess | Self::SameProcess | Self::VendorKey => 60,
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::CommandLine => "same command line",
            Self::Digest => "same file",
            Self::FilePath => "same path of a file",
            Self::Lookup => "same name looked up",
            Self::Original => "the same alert",
            Self::OtherKey => "two activities in the vendor's words",
            Self::OtherParent => "another process above",
            Self::OtherRun => "another run of the program",
            Self::ParentImage => "same program above",
            Self::ParentProcess => "one process above the other",
            Self::Remote => "same remote end",
            Self::SameProcess => "same process",
            Self::SharedAncestor => "same process above both",
            Self::Technique => "same technique",
            Self::User => "same account",
            Self::VendorKey => "same activity in the vendor's words",
        }
    }
}

/// One sign, with the value that it was seen in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reason {
    /// The sign.
    pub sign: Sign,
    /// The value, such as the command line.
    pub value: String,
    /// The points for it.
    pub points: i32,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+} {}: {}", self.points, self.sign.says(), self.value)
    }
}

/// Two alerts, compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// The alerts by their URNs, the smaller one first.
    pub alerts: (String, String),
    /// The points together.
    pub points: i32,
    /// What they are for.
    pub reasons: Vec<Reason>,
}

impl Link {
    fn add(&mut self, sign: Sign, value: impl Into<String>) {
        self.points += sign.points();
        self.reasons.push(Reason { sign, value: value.into(), points: sign.points() });
    }

    fn has(&self, signs: &[Sign]) -> bool {
        self.reasons.iter().any(|reason| signs.contains(&reason.sign))
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        write!(f, "{} points ({})", self.points, reasons.join("; "))
    }
}

/// Compares two alerts of one machine; nothing where they are too far apart.
pub(super) fn compare(a: &Trace, b: &Trace, place: &Place<'_>, config: &GroupingConfig) -> Option<Link> {
    let (one, other) = (a.face.urn.clone(), b.face.urn.clone());
    let alerts = if one <= other { (one, other) } else { (other, one) };
    let mut link = Link { alerts, ..Link::default() };
    original(a, b, &mut link);
    let near = a.at.abs_diff(b.at) <= config.reach().unsigned_abs();
    let late = || a.stored.zip(b.stored).is_some_and(|(x, y)| x.abs_diff(y) <= config.reach().unsigned_abs());
    if near {
        processes(a, b, config, &mut link);
    } else if late() {
        // One of the clocks is wrong, so that only the very same process counts.
        same_process(a, b, None, &mut link);
    }
    let routine = place.is_routine(a) || place.is_routine(b);
    if near && !routine {
        ties(a, b, place, &mut link);
        things(a, b, place, &mut link);
        weak(a, b, &mut link);
        others(a, b, config, &mut link);
    }
    (link.points > 0).then_some(link)
}

/// One vendor takes in the other's alerts, and repeats their ids.
fn original(a: &Trace, b: &Trace, link: &mut Link) {
    if a.face.vendor != b.face.vendor
        && let Some(id) = a.ids.intersection(&b.ids).next()
    {
        link.add(Sign::Original, id);
    }
}

/// What needs no other sign: the processes themselves.
fn processes(a: &Trace, b: &Trace, config: &GroupingConfig, link: &mut Link) {
    let skew = Some(config.skew.num_milliseconds());
    if same_process(a, b, skew, link) {
        return;
    }
    let above = shared(&a.own, &b.above, skew).or_else(|| shared(&a.above, &b.own, skew));
    if let Some(run) = above {
        link.add(Sign::ParentProcess, run.text());
    }
}

fn same_process(a: &Trace, b: &Trace, skew: Option<i64>, link: &mut Link) -> bool {
    let same = shared(&a.own, &b.own, skew);
    if let Some(run) = same {
        link.add(Sign::SameProcess, run.text());
    }
    same.is_some()
}

fn ties(a: &Trace, b: &Trace, place: &Place<'_>, link: &mut Link) {
    let tie = |key: &&String| !place.is_service(key) && (!two_runs(a, b) || a.names(key) || b.names(key));
    if let Some(key) = a.keys.intersection(&b.keys).find(tie) {
        link.add(Sign::VendorKey, key);
    }
    if !link.has(&[Sign::SameProcess, Sign::ParentProcess])
        && let Some(run) = shared(&a.above, &b.above, None)
    {
        link.add(Sign::SharedAncestor, run.text());
    }
}

/// True when the alerts lead up to two runs of one program: whatever started it, under an id that nobody names, may as well
/// start everything.
fn two_runs(a: &Trace, b: &Trace) -> bool {
    let tops = a.line.last().zip(b.line.last());
    tops.is_some_and(|(one, two)| one.name == two.name && one.is_other_number(two))
}

fn shared<'r>(a: &'r [Run], b: &[Run], skew: Option<i64>) -> Option<&'r Run> {
    a.iter().find(|run| !is_starter(&run.name) && b.iter().any(|other| run.is(other, skew)))
}

impl Run {
    /// True when both are one run: by the vendor's id, else by its number and program, and nothing that says otherwise.
    pub(super) fn is(&self, other: &Self, skew: Option<i64>) -> bool {
        if self.uid.is_some() && self.uid == other.uid {
            return true;
        }
        let fits = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
        let begun = match (self.started, other.started, skew) {
            (Some(x), Some(y), Some(skew)) => x.abs_diff(y) <= skew.unsigned_abs(),
            _ => true,
        };
        let told = self.pid.is_some() && self.pid == other.pid && !self.name.is_empty();
        told && self.name == other.name && fits(&self.args, &other.args) && begun
    }

    fn is_other_number(&self, other: &Self) -> bool {
        matches!((self.pid, other.pid), (Some(x), Some(y)) if x != y)
    }

    fn text(&self) -> String {
        match self.pid {
            Some(pid) => format!("{} {pid}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Files, commands and ends of connections.
fn things(a: &Trace, b: &Trace, place: &Place<'_>, link: &mut Link) {
    if let Some(digest) = a.digests.intersection(&b.digests).find(|d| !place.is_worthless(d)) {
        link.add(Sign::Digest, digest);
    }
    let theirs: BTreeSet<(&str, &str)> = b.commands().collect();
    if let Some((program, args)) = a.commands().find(|command| theirs.contains(command)) {
        link.add(Sign::CommandLine, format!("{program} {args}"));
    }
    for (sign, ours, theirs) in [
        (Sign::FilePath, &a.files, &b.files),
        (Sign::Remote, &a.remotes, &b.remotes),
        (Sign::Lookup, &a.lookups, &b.lookups),
    ] {
        if let Some(value) = ours.intersection(theirs).next() {
            link.add(sign, value);
        }
    }
}

/// What many alerts of a machine have in common: it only adds to the rest.
fn weak(a: &Trace, b: &Trace, link: &mut Link) {
    for (sign, ours, theirs) in
        [(Sign::Technique, &a.techniques, &b.techniques), (Sign::User, &a.users, &b.users)]
    {
        if let Some(value) = ours.intersection(theirs).next() {
            link.add(sign, value);
        }
    }
    let parent =
        |trace: &Trace| trace.above.first().map(|run| run.name.clone()).filter(|name| !is_tool(name));
    if let Some(name) = parent(a).filter(|name| parent(b).as_ref() == Some(name)) {
        link.add(Sign::ParentImage, name);
    }
}

/// Where no number tells two runs apart, the time does, for a tool: it does what it is told, and ends.
fn is_run_anew(a: &Trace, b: &Trace, one: &Run, two: &Run, config: &GroupingConfig) -> bool {
    let numbered = one.pid.is_some() && two.pid.is_some();
    let apart = i64::try_from(a.at.abs_diff(b.at)).unwrap_or(i64::MAX);
    !numbered && is_tool(&one.name) && apart > config.skew.num_milliseconds()
}

/// The same program under two numbers ran twice, and what two programs started are two things, unless something ties
/// them together.
fn others(a: &Trace, b: &Trace, config: &GroupingConfig, link: &mut Link) {
    let tied =
        [Sign::Original, Sign::ParentProcess, Sign::SameProcess, Sign::SharedAncestor, Sign::VendorKey];
    if link.has(&tied) {
        return;
    }
    if let (Some(one), Some(two)) = (a.own.first(), b.own.first())
        && one.name == two.name
        && (one.is_other_number(two) || is_run_anew(a, b, one, two, config))
    {
        link.add(Sign::OtherRun, format!("{}, {}", one.text(), two.text()));
    }
    if let (Some(one), Some(two)) = (a.parent(), b.parent())
        && (one.name != two.name || one.is_other_number(two))
    {
        link.add(Sign::OtherParent, format!("{}, {}", one.text(), two.text()));
    }
    let side = |trace: &Trace| (trace.face.vendor.clone(), trace.face.tenant.clone());
    if let (Some(one), Some(two)) = (a.keys.first(), b.keys.first())
        && side(a) == side(b)
        && a.keys.is_disjoint(&b.keys)
    {
        link.add(Sign::OtherKey, format!("{one}, {two}"));
    }
}
