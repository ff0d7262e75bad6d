//! What can be done about a host or an alert, and what became of it.
//!
//! A request that the vendor takes is a [`Receipt`], never a success: it is [`Standing::Done`] only when
//! the vendor says so. One call of [`crate::EdrProvider::respond`] is one call to the vendor, and is never sent twice on a
//! guess: whoever calls it can write down the intention before and the receipts after.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    AlertStatus, ConnectionState, ContainmentState, Error, ErrorKind, Feature, Host, Result, User, Verdict,
};

/// One response action on hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
#[non_exhaustive]
pub enum ResponseAction {
    /// Cuts the host off the network, but for the vendor's cloud.
    Contain,
    /// Fetches a file from the host to the vendor's cloud.
    FetchFile {
        /// The path on the host.
        path: String,
    },
    /// Ends a process.
    KillProcess {
        /// Which one.
        process: ProcessRef,
    },
    /// Moves a file into quarantine.
    QuarantineFile {
        /// The path on the host.
        path: String,
        /// The digest that the file must have, where the vendor asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    /// Lifts containment.
    Release,
    /// Runs a script that is stored at the vendor.
    RunScript {
        /// Its name or the vendor's id.
        script: String,
        /// Its parameters, by name; a vendor that knows only an order takes them in this one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<(String, String)>,
    },
    /// Scans the host on demand.
    Scan {
        /// The paths to look at; all of it when empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Vec<String>,
    },
    /// Adds tags.
    Tag {
        /// The tags, as a person writes them.
        tags: Vec<String>,
    },
    /// Removes tags.
    Untag {
        /// The tags, as a person writes them.
        tags: Vec<String>,
    },
}

impl ResponseAction {
    /// The feature that a tenant must have for it.
    #[must_use]
    pub fn feature(&self) -> Feature {
        match self {
            Self::Contain => Feature::HostContain,
            Self::FetchFile { .. } => Feature::FileFetch,
            Self::KillProcess { .. } => Feature::ProcessKill,
            Self::QuarantineFile { .. } => Feature::FileQuarantine,
            Self::Release => Feature::HostRelease,
            Self::RunScript { .. } => Feature::ScriptRun,
            Self::Scan { .. } => Feature::HostScan,
            Self::Tag { .. } => Feature::HostTag,
            Self::Untag { .. } => Feature::HostUntag,
        }
    }

    /// The verb as a stable word, as in `contain`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Contain => "contain",
            Self::FetchFile { .. } => "fetch_file",
            Self::KillProcess { .. } => "kill_process",
            Self::QuarantineFile { .. } => "quarantine_file",
            Self::Release => "release",
            Self::RunScript { .. } => "run_script",
            Self::Scan { .. } => "scan",
            Self::Tag { .. } => "tag",
            Self::Untag { .. } => "untag",
        }
    }

    /// Refuses what says nothing: no tag, a blank path, a digest that is none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`], naming what is wrong.
    pub fn check(&self) -> Result<()> {
        let wrong = match self {
            Self::Contain | Self::Release => None,
            Self::FetchFile { path } => is_blank(path).then_some("no path is given"),
            Self::KillProcess { process: ProcessRef::Uid(uid) } => {
                is_blank(uid).then_some("no process is given")
            }
            Self::KillProcess { process: ProcessRef::Pid(pid) } => {
                (*pid == 0).then_some("process id 0 is no process")
            }
            Self::QuarantineFile { path, .. } if is_blank(path) => Some("no path is given"),
            Self::QuarantineFile { sha256, .. } => {
                sha256.as_deref().is_some_and(|d| !is_sha256(d)).then_some("the digest is no SHA-256")
            }
            Self::RunScript { script, .. } => is_blank(script).then_some("no script is given"),
            Self::Scan { paths } => paths.iter().any(|p| is_blank(p)).then_some("a path is blank"),
            Self::Tag { tags } | Self::Untag { tags } if tags.is_empty() => Some("no tag is given"),
            Self::Tag { tags } | Self::Untag { tags } => {
                tags.iter().any(|t| is_blank(t)).then_some("a tag is blank")
            }
        };
        refuse(wrong, self.verb())
    }

    /// Where containment, release, tagging or untagging stands, as the host itself shows it; `None` for what a
    /// host does not show. A host that shows neither the wanted state nor the way there is
    /// [`Standing::Unknown`]: vendors may show a change late, and somebody else may have taken it back.
    #[must_use]
    pub fn standing_of(&self, host: &Host) -> Option<Standing> {
        let (done, pending) = match self {
            Self::Contain => (ContainmentState::Contained, ContainmentState::ContainmentPending),
            Self::Release => (ContainmentState::Normal, ContainmentState::LiftPending),
            Self::Tag { tags } => return Some(tagged(tags.iter().all(|t| has_tag(host, t)))),
            Self::Untag { tags } => return Some(tagged(!tags.iter().any(|t| has_tag(host, t)))),
            _ => return None,
        };
        Some(match &host.containment_state {
            state if *state == done => Standing::Done,
            state if *state == pending && is_away(host) => Standing::PendingOffline,
            state if *state == pending => Standing::Pending,
            other => Standing::Unknown { word: other.to_string() },
        })
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn is_sha256(digest: &str) -> bool {
    digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit())
}

fn refuse(wrong: Option<&'static str>, operation: &'static str) -> Result<()> {
    let error = |wrong| Error::new(ErrorKind::InvalidRequest, wrong).with_operation(operation);
    wrong.map_or(Ok(()), |wrong| Err(error(wrong)))
}

fn is_away(host: &Host) -> bool {
    use ConnectionState::{Lost, Offline, Uninstalled};
    matches!(host.connection_state, Lost | Offline | Uninstalled)
}

/// A tag is written with or without its kind: `web`, or `FalconGroupingTags/web`.
fn has_tag(host: &Host, tag: &str) -> bool {
    let is_it = |source: Option<&str>, value: &str| {
        value == tag
            || source.is_some_and(|s| tag.strip_prefix(s).and_then(|t| t.strip_prefix('/')) == Some(value))
    };
    host.tags.iter().any(|t| is_it(t.source.as_deref(), &t.value))
}

fn tagged(done: bool) -> Standing {
    if done { Standing::Done } else { Standing::Unknown { word: "not shown yet".to_owned() } }
}

/// A process on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProcessRef {
    /// The operating system's process id. It may belong to another process by the time that it is used.
    Pid(u32),
    /// The vendor's id of this one run of the process (Cortex XDR: the instance id).
    Uid(String),
}

/// Why something is done; vendors that keep a comment get it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Because {
    /// The reason, in a person's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The vendor's case or incident that it belongs to (Cortex XDR shows the action there).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_uid: Option<String>,
}

impl Because {
    /// Without a reason.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For this reason.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// With this ticket.
    #[must_use]
    pub fn ticket(mut self, ticket: impl Into<String>) -> Self {
        self.ticket = Some(ticket.into());
        self
    }

    /// As part of this case.
    #[must_use]
    pub fn case(mut self, uid: impl Into<String>) -> Self {
        self.case_uid = Some(uid.into());
        self
    }
}

/// What the vendor answered for one target. Accepted is not effective.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Receipt {
    /// The target: the vendor's own id of the host or alert.
    pub uid: String,
    /// What it answered.
    pub answer: Answer,
    /// The vendor's id of the action, by which [`crate::EdrProvider::progress`] follows it.
    pub handle: Option<String>,
    /// The id under which the vendor's support finds the request.
    pub trace_id: Option<String>,
    /// With [`Answer::Already`]: an order went out, and the vendor answered that one. False where a look showed before that
    /// none was needed. Between an order that something on the way handed on twice and somebody else who was first, the
    /// answer makes no difference.
    pub ordered: bool,
}

impl Receipt {
    /// An answer for a target.
    #[must_use]
    pub fn new(uid: impl Into<String>, answer: Answer) -> Self {
        Self { uid: uid.into(), answer, handle: None, trace_id: None, ordered: false }
    }

    /// With the vendor's id of the action.
    #[must_use]
    pub fn with_handle(mut self, handle: Option<String>) -> Self {
        self.handle = handle;
        self
    }

    /// With the vendor's id of the request.
    #[must_use]
    pub fn with_trace(mut self, trace_id: Option<String>) -> Self {
        self.trace_id = trace_id;
        self
    }

    /// What the vendor answered to an order that went out.
    #[must_use]
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }
}

/// The vendor's answer for one target.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// The vendor took the request.
    Accepted,
    /// Nothing had to be done: it is in that state, or on its way there.
    Already,
    /// The vendor refused this target; nothing was done to it.
    Refused(Error),
    /// Nobody can say whether it was done: the answer was lost, or it does not mention the target.
    Unknown(Error),
}

/// Where an action stands for one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "standing")]
#[non_exhaustive]
pub enum Standing {
    /// Somebody gave it up.
    Cancelled,
    /// The vendor says that it is done.
    Done,
    /// The vendor gave up waiting for the host.
    Expired,
    /// It did not work.
    Failed {
        /// What the vendor says.
        reason: String,
    },
    /// A part of it was done.
    Partial {
        /// What the vendor says.
        reason: String,
    },
    /// Taken, and waiting for the host, which is online as far as is known.
    Pending,
    /// Taken, and waiting for a host that is offline.
    PendingOffline,
    /// The host is at it.
    Running,
    /// The vendor says something outside the tables, or nothing at all.
    Unknown {
        /// The vendor's own word.
        word: String,
    },
}

impl Standing {
    /// True when it will not change by waiting.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Cancelled | Self::Done | Self::Expired | Self::Failed { .. } | Self::Partial { .. }
        )
    }
}

/// Where an action stands for one target, when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// The target.
    pub uid: String,
    /// Where it stands.
    pub standing: Standing,
    /// When the vendor was asked.
    pub as_of: DateTime<Utc>,
}

impl Progress {
    /// A standing at a time.
    #[must_use]
    pub fn new(uid: impl Into<String>, standing: Standing, as_of: DateTime<Utc>) -> Self {
        Self { uid: uid.into(), standing, as_of }
    }
}

/// A target that is followed: its id, and the vendor's id of the action when there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The vendor's own id of the host or alert.
    pub uid: String,
    /// From [`Receipt::handle`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}

impl Target {
    /// A target without a handle.
    #[must_use]
    pub fn new(uid: impl Into<String>) -> Self {
        Self { uid: uid.into(), handle: None }
    }
}

impl From<&Receipt> for Target {
    fn from(receipt: &Receipt) -> Self {
        Self { uid: receipt.uid.clone(), handle: receipt.handle.clone() }
    }
}

/// Hosts that were asked for by id: those that are there, in the order asked, and the ids of the others.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FoundHosts {
    /// The hosts.
    pub hosts: Vec<Host>,
    /// The ids that this tenant does not have.
    pub missing: Vec<String>,
    /// Those that may be there and cannot be read.
    pub unreadable: Vec<UnreadableHost>,
}

impl FoundHosts {
    /// Hosts and missing ids.
    #[must_use]
    pub fn new(hosts: Vec<Host>, missing: Vec<String>) -> Self {
        Self { hosts, missing, unreadable: Vec::new() }
    }

    /// With what came and cannot be read: each as the id of its host, where that much can be read, and what is wrong.
    /// Behind a row without an id each of the missing may stand, so that none of them is said to be missing any more.
    #[must_use]
    pub fn with_unreadable(mut self, rows: impl IntoIterator<Item = (Option<String>, String)>) -> Self {
        for (uid, reason) in rows {
            let is_it = |asked: &String| uid.as_ref().is_none_or(|uid| asked.eq_ignore_ascii_case(uid));
            let (hit, rest) = std::mem::take(&mut self.missing).into_iter().partition(is_it);
            self.missing = rest;
            let unreadable = |uid| UnreadableHost { uid, reason: reason.clone() };
            self.unreadable.extend(Vec::<String>::into_iter(hit).map(unreadable));
        }
        self
    }

    /// Why this host cannot be read, if it cannot.
    #[must_use]
    pub fn why_unreadable(&self, uid: &str) -> Option<&str> {
        let found = self.unreadable.iter().find(|h| h.uid.eq_ignore_ascii_case(uid));
        found.map(|h| h.reason.as_str())
    }
}

/// A host that was asked for and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableHost {
    /// Its id, as it was asked for.
    pub uid: String,
    /// What is wrong.
    pub reason: String,
}

impl UnreadableHost {
    /// A host and what is wrong.
    #[must_use]
    pub fn new(uid: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { uid: uid.into(), reason: reason.into() }
    }
}

/// A file that was fetched from a host and saved, packed as the vendor packs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SavedFile {
    /// Where it is saved.
    pub path: PathBuf,
    /// The size of the archive.
    pub bytes: u64,
    /// The SHA-256 of the archive, in hex, as it was computed while it was written.
    pub sha256: String,
    /// The SHA-256 of the file inside, in hex, as the vendor tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_sha256: Option<String>,
    /// The password that everybody knows, under which the vendor packs what may be malware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl SavedFile {
    /// A file with the SHA-256 of what is on the disk.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, bytes: u64, sha256: impl Into<String>) -> Self {
        Self { path: path.into(), bytes, sha256: sha256.into(), content_sha256: None, password: None }
    }

    /// Where an archive with this ending goes, for implementors of [`crate::EdrProvider::save_file`].
    #[must_use]
    pub fn place(to: &Path, ending: &str) -> PathBuf {
        let mut name = OsString::from(to);
        name.push(".");
        name.push(ending);
        name.into()
    }

    /// With the SHA-256 of the file inside.
    #[must_use]
    pub fn content(mut self, sha256: Option<String>) -> Self {
        self.content_sha256 = sha256;
        self
    }

    /// With the archive's password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }
}

/// What is to change about alerts; what is `None` or empty stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AlertChange {
    /// The status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<AlertStatus>,
    /// The verdict; a vendor may know it only for a resolved alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Assignee>,
    /// A comment to add.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Labels to add.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_labels: Vec<String>,
    /// Labels to remove.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_labels: Vec<String>,
    /// Take the nearest that the vendor can express, where it cannot express it exactly.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nearest: bool,
}

impl AlertChange {
    /// No change; add to it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// To this status.
    #[must_use]
    pub fn status(mut self, status: AlertStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// With this verdict.
    #[must_use]
    pub fn verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = Some(verdict);
        self
    }

    /// To this person, or to nobody.
    #[must_use]
    pub fn assignee(mut self, assignee: Assignee) -> Self {
        self.assignee = Some(assignee);
        self
    }

    /// With this comment.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// With this label added.
    #[must_use]
    pub fn add_label(mut self, label: impl Into<String>) -> Self {
        self.add_labels.push(label.into());
        self
    }

    /// With this label removed.
    #[must_use]
    pub fn remove_label(mut self, label: impl Into<String>) -> Self {
        self.remove_labels.push(label.into());
        self
    }

    /// Takes the nearest that the vendor can express.
    #[must_use]
    pub fn nearest(mut self) -> Self {
        self.nearest = true;
        self
    }

    /// True when nothing is to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        Self { nearest: false, ..self.clone() } == Self::default()
    }

    /// Refuses what says nothing, and what contradicts itself.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`], naming what is wrong.
    pub fn check(&self) -> Result<()> {
        let labels = || self.add_labels.iter().chain(&self.remove_labels);
        let wrong = if self.is_empty() {
            Some("nothing is to change")
        } else if self.comment.as_deref().is_some_and(is_blank) {
            Some("the comment is blank")
        } else if labels().any(|l| is_blank(l)) {
            Some("a label is blank")
        } else if self.add_labels.iter().any(|l| self.remove_labels.contains(l)) {
            Some("a label is both added and removed")
        } else if matches!(&self.assignee, Some(Assignee::User(user)) if user.names().next().is_none()) {
            Some("nobody is named to assign it to")
        } else {
            None
        };
        refuse(wrong, Feature::AlertUpdate.as_str())
    }

    /// Refuses what a vendor can express only nearly, unless [`Self::nearest`] allows it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with what was wanted and what would be sent.
    pub fn admit(&self, fit: &Fit) -> Result<()> {
        match fit {
            Fit::Lossy { wanted, sent } if !self.nearest => {
                Err(Error::unsupported(format!("{wanted} cannot be expressed here; the nearest is {sent}"))
                    .with_hint("ask for the nearest, or for something that the vendor has"))
            }
            _ => Ok(()),
        }
    }
}

/// Who works on an alert or a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Assignee {
    /// Nobody.
    Nobody,
    /// This account: its e-mail address, the vendor's id, or its name, as the vendor wants it.
    User(User),
}

/// How well a vendor can express a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fit")]
#[non_exhaustive]
pub enum Fit {
    /// As it was asked for; reading it back gives the same.
    Exact,
    /// Only nearly.
    Lossy {
        /// What was asked for.
        wanted: String,
        /// What the vendor would be told.
        sent: String,
    },
}
