//! Commands of Real Time Response as response actions: a process is ended, a file is fetched, a stored script is run.
//!
//! One order is one command to a batch of sessions. To begin the sessions may be repeated and harms nobody; the command
//! is sent once. The receipt of each host names its session and its command, so that any process can ask what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use edr_core::{
    Answer, Error, ErrorKind, ProcessRef, Progress, Receipt, ResponseAction, Result, SavedFile, Standing,
    Target,
};
use edr_http::Download;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Falcon, deeds, discreet, scans};
use crate::api::ListParams;
use crate::api::rtr::{
    self, Command, HostResult, Level, LibraryFile, Piece, QueuedCommand, SessionFile, Version, Wait,
};
use crate::client::{Batch, BatchOptions, BatchRun, PerId};
use crate::dialect::clean;
use crate::fql::field;

/// The most hosts of one order: what each has done is then asked for one by one.
pub(super) const MAX_HOSTS: u32 = 100;
/// All commands here need this level, and their answers stand there.
const LEVEL: Level = Level::ActiveResponder;
/// So many hosts are asked at the same time what they have done.
const AT_ONCE: usize = 8;
/// So many pieces of a command's answer are read at one look: no answer of a service may hold a look up for ever.
const MOST_PIECES: u32 = 100;
/// So many characters are kept of what a command says on standard error.
const MOST_STDERR: usize = 1_024;

/// A command on one host, as [`Receipt::handle`] names it: `session/command`.
///
/// ```
/// let handle = falcon::CommandHandle::read("5e55/c0de").unwrap();
/// assert_eq!((handle.session_id.as_str(), handle.cloud_request_id.as_str()), ("5e55", "c0de"));
/// assert_eq!(handle.to_string(), "5e55/c0de");
/// assert_eq!(falcon::CommandHandle::read("5ca0"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CommandHandle {
    /// The session; a file that was fetched is listed and downloaded under it.
    pub session_id: String,
    /// The command; its answer, and the file that it fetched, are known by it.
    pub cloud_request_id: String,
}

impl CommandHandle {
    /// Reads a handle; `None` when it is that of another action.
    #[must_use]
    pub fn read(handle: &str) -> Option<Self> {
        let (session, command) = handle.split_once('/')?;
        let good = !session.is_empty() && !command.is_empty() && !command.contains('/');
        good.then(|| Self { session_id: session.to_owned(), cloud_request_id: command.to_owned() })
    }

    /// In a batch the id of the request goes by the name of a task.
    fn of(row: &HostResult) -> Option<Self> {
        Self::read(&format!("{}/{}", row.session_id.as_deref()?, row.task_id.as_deref()?))
    }
}

impl fmt::Display for CommandHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.session_id, self.cloud_request_id)
    }
}

/// Whether Falcon can be told the order, whatever the host.
pub(super) fn fit(action: &ResponseAction) -> Result<()> {
    match action {
        ResponseAction::KillProcess { process: ProcessRef::Pid(_) } => Ok(()),
        ResponseAction::KillProcess { .. } => Err(no_such_id()),
        ResponseAction::Scan { paths } if paths.is_empty() => Err(scans::no_word_for_all()),
        _ => Ok(()),
    }
}

fn no_such_id() -> Error {
    Error::unsupported("Falcon ends a process by its process id, and by no other id")
        .with_hint("the evidence of an alert has it as the process's pid")
}

impl Falcon {
    /// One command for all the hosts.
    pub(super) async fn command(&self, action: &ResponseAction, ids: &[String]) -> Result<Vec<Receipt>> {
        let command = self.written(action).await?;
        let options = BatchOptions { queue_offline: keeps(action), wait: Wait::default() };
        let batch = self.client().rtr_batch(ids, &options).await.map_err(|e| self.unsent(e))?;
        if batch.hosts().is_empty() {
            return Ok(self.ordered(ids, &batch, &BatchRun::default()));
        }
        let run = batch.run(LEVEL, &command).await.map_err(|e| discreet::error(action, e))?;
        let receipts = self.ordered(ids, &batch, &run).into_iter();
        Ok(receipts.map(|receipt| discreet::receipt(action, receipt)).collect())
    }

    /// The command of an action; whether it can be written is known before anything is sent for it.
    async fn written(&self, action: &ResponseAction) -> Result<Command> {
        let command = match action {
            ResponseAction::FetchFile { path } => Command::get(path),
            ResponseAction::KillProcess { process: ProcessRef::Pid(pid) } => Command::kill(u64::from(*pid)),
            ResponseAction::KillProcess { .. } => {
                return Err(self.named(no_such_id(), rtr::BATCH_ACTIVE.name));
            }
            ResponseAction::RunScript { script, args } => {
                let line = arguments(args).map_err(|why| self.wrong(why))?;
                let command = |name: &str| Command::cloud_script(name, line.as_deref());
                // The name is not known yet; what is given with it is.
                command("x").line().map_err(|why| self.client().unwritten(&why))?;
                command(&self.script(script).await?)
            }
            other => return Err(edr_core::EdrProvider::lacking(self, other.feature())),
        };
        command.line().map_err(|why| self.client().unwritten(&why))?;
        Ok(command)
    }

    /// A session that may have begun is no deed: that its answer was lost leaves nothing in doubt.
    fn unsent(&self, error: Error) -> Error {
        if !error.is_outcome_unknown() {
            return error;
        }
        let clear = Error::new(error.kind(), "no session began, and the command was not sent")
            .with_retry(error.retry_status())
            .with_attempts(error.attempts())
            .with_source(error);
        self.named(clear, rtr::BATCH_INIT.name)
    }

    fn wrong(&self, why: String) -> Error {
        self.named(Error::new(ErrorKind::InvalidRequest, why), rtr::BATCH_ACTIVE.name)
    }

    /// The name of the script that is meant: by its whole name, or by its id.
    async fn script(&self, wanted: &str) -> Result<String> {
        let ids = match is_script_id(wanted) {
            true => vec![wanted.to_owned()],
            false => {
                let filter = field("name").and_then(|name| name.eq(wanted));
                let filter = filter.map_err(|why| self.wrong(format!("no script has that name: {why}")))?;
                self.client().script_ids(&ListParams::filtered(filter.to_string())).await?.resources
            }
        };
        let found = self.client().scripts_by_id(Version::V2, &ids).await?.found;
        let is_it = |s: &LibraryFile| [&s.name, &s.id].iter().any(|t| t.as_deref() == Some(wanted));
        let mut names: Vec<String> = found.into_iter().filter(is_it).filter_map(|s| s.name).collect();
        let error = match names.len() {
            1 => return Ok(names.remove(0)),
            0 => Error::new(ErrorKind::NotFound, format!("there is no script {wanted:?}")),
            many => Error::new(ErrorKind::InvalidRequest, format!("{many} scripts are called {wanted:?}")),
        };
        Err(self.named(error, rtr::SCRIPT_IDS.name))
    }

    /// A receipt for each host, in the order asked. A host without a session was not sent the command.
    fn ordered(&self, ids: &[String], batch: &Batch, run: &BatchRun) -> Vec<Receipt> {
        let of = |id: &String| {
            if let Some(row) = row(run, id) {
                let handle = CommandHandle::of(row).map(|handle| handle.to_string());
                return Receipt::new(id.as_str(), Answer::Accepted).with_handle(handle);
            }
            let unopened = || self.unopened(batch.opened(), id);
            let answer = self.declined(run, id).or_else(unopened);
            Receipt::new(id.as_str(), answer.unwrap_or_else(|| self.untaken(run)))
        };
        ids.iter().map(of).collect()
    }

    /// What the answer to the command says against it, whether a session with the host was known of or not.
    fn declined(&self, run: &BatchRun, id: &str) -> Option<Answer> {
        let refusal = run.refused.iter().find(|r| r.id.eq_ignore_ascii_case(id))?;
        Some(self.answered(refusal, rtr::BATCH_ACTIVE.name))
    }

    /// The refusal of a host with which no session is known to have begun. The command names the others, so that it was
    /// not sent to this one even if its session began late.
    fn unopened(&self, opened: &PerId<HostResult>, id: &str) -> Option<Answer> {
        if row(opened, id).is_some() {
            return None;
        }
        let said = opened.refused.iter().find(|r| r.id.eq_ignore_ascii_case(id));
        let silent =
            || Error::new(ErrorKind::Vendor, "no session began with it; the answer does not say why");
        let error = said.map_or_else(silent, |refusal| deeds::refused(&refusal.error));
        Some(Answer::Refused(self.named(error, rtr::BATCH_INIT.name)))
    }

    /// A host with a session of which the answer says nothing: nobody knows.
    fn untaken(&self, run: &BatchRun) -> Answer {
        let silent =
            || Error::new(ErrorKind::Vendor, "the answer does not mention it").with_outcome_unknown();
        let error = run.failure.clone().unwrap_or_else(silent);
        Answer::Unknown(self.named(error, rtr::BATCH_ACTIVE.name))
    }

    /// Where a command stands on each host.
    pub(super) async fn follow_command(
        &self,
        action: &ResponseAction,
        targets: &[Target],
    ) -> Result<Vec<Progress>> {
        let handle = |t: &Target| t.handle.as_deref().and_then(CommandHandle::read);
        let handles: Vec<Option<CommandHandle>> = targets.iter().map(handle).collect();
        let queue = self.queue(&handles).await?;
        let looks: Vec<_> = handles.into_iter().map(|handle| self.stands(action, handle, &queue)).collect();
        let mut standings: Vec<Standing> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        // What is not kept for a host does not wait for it either: that it is away now says nothing of the command.
        let under_way = |s: &Standing| keeps(action) && matches!(s, Standing::Pending | Standing::Running);
        let waiting = targets.iter().zip(&standings).filter(|(_, s)| under_way(s));
        let away = self.away(&waiting.map(|(target, _)| target.uid.clone()).collect::<Vec<_>>()).await?;
        for (target, standing) in targets.iter().zip(&mut standings) {
            if under_way(standing) && away.contains(&target.uid.to_ascii_lowercase()) {
                *standing = Standing::PendingOffline;
            }
        }
        let now = self.context().now;
        Ok(targets.iter().zip(standings).map(|(t, s)| Progress::new(t.uid.as_str(), s, now)).collect())
    }

    /// The commands that wait or have waited for a host that was away, by their ids.
    async fn queue(&self, handles: &[Option<CommandHandle>]) -> Result<BTreeMap<String, QueuedCommand>> {
        let sessions: BTreeSet<&str> = handles.iter().flatten().map(|h| h.session_id.as_str()).collect();
        let found = self.client().rtr_queued_by_id(&Vec::from_iter(sessions)).await?.found;
        let commands = found.into_iter().flat_map(|session| session.commands);
        Ok(commands.filter_map(|c| Some((c.cloud_request_id.clone()?, c))).collect())
    }

    async fn stands(
        &self,
        action: &ResponseAction,
        handle: Option<CommandHandle>,
        queue: &BTreeMap<String, QueuedCommand>,
    ) -> Result<Standing> {
        let Some(handle) = handle else { return Ok(unknown("the command has no id")) };
        let queued = queue.get(&handle.cloud_request_id);
        // What the command says itself goes before what is said of its waiting.
        match self.said(&handle).await? {
            Some(said) if said.complete => match action {
                ResponseAction::FetchFile { .. } if !said.wrong => self.arrived(&handle).await,
                action => Ok(said.end(action, &handle)),
            },
            said => Ok(queued.and_then(waits).unwrap_or_else(|| match said {
                Some(_) => Standing::Running,
                None => unknown("no such command"),
            })),
        }
    }

    /// What a command has said so far; `None` when there is none. One that says more than is looked at is not known to
    /// be complete.
    async fn said(&self, handle: &CommandHandle) -> Result<Option<Said>> {
        let mut said = Said::default();
        for sequence in 0..MOST_PIECES {
            let piece = match self.client().rtr_status(LEVEL, &handle.cloud_request_id, sequence).await {
                Err(error) if error.is_not_found() => return Ok(None),
                reply => reply?.resources.into_iter().next().unwrap_or_default(),
            };
            if !said.take(&piece) {
                break;
            }
        }
        Ok(Some(said))
    }

    /// How far the file has come that a command has fetched.
    async fn arrived(&self, handle: &CommandHandle) -> Result<Standing> {
        match self.file_of(handle).await {
            Err(error) if error.is_not_found() => Ok(unknown("the session is no longer known")),
            file => Ok(file?.map_or_else(|| unknown("the file is not listed yet"), |file| upload(&file))),
        }
    }

    /// The file that a command has fetched, as it is listed.
    async fn file_of(&self, handle: &CommandHandle) -> Result<Option<SessionFile>> {
        let files = self.client().rtr_files(Version::V2, &handle.session_id).await?.resources;
        let id = handle.cloud_request_id.as_str();
        Ok(files.into_iter().find(|f| f.cloud_request_id.as_deref() == Some(id)))
    }

    /// Saves what a command has fetched. The service knows the SHA-256 of the file inside of the archive alone.
    pub(super) async fn fetched_file(&self, target: &Target, to: &Path) -> Result<SavedFile> {
        let absent = |why: &str| {
            let error = Error::new(ErrorKind::NotFound, why.to_owned());
            self.named(error, rtr::FILES_V2.name)
        };
        let handle = target.handle.as_deref().and_then(CommandHandle::read);
        let handle = handle.ok_or_else(|| absent("the order has no id under which its file is kept"))?;
        let file = self.file_of(&handle).await?.ok_or_else(|| absent("no file has come"))?;
        let come = upload(&file) == Standing::Done;
        let sha256 = file.sha256.filter(|_| come).ok_or_else(|| absent("the file has not come yet"))?;
        let archive = Download::to(SavedFile::place(to, "7z"));
        let done = self.client().rtr_download_file(&handle.session_id, &sha256, None, archive).await?;
        let saved = SavedFile::new(done.path, done.bytes, done.sha256);
        Ok(saved.content(Some(sha256)).password(rtr::ARCHIVE_PASSWORD))
    }
}

/// Whether a host that is away gets the command when it is back. A process id does not keep: by then it may be that of
/// another process.
fn keeps(action: &ResponseAction) -> bool {
    !matches!(action, ResponseAction::KillProcess { .. })
}

fn row<'r>(run: &'r PerId<HostResult>, id: &str) -> Option<&'r HostResult> {
    run.done.iter().find(|(done, _)| done.eq_ignore_ascii_case(id)).map(|(_, row)| row)
}

fn unknown(word: &str) -> Standing {
    Standing::Unknown { word: word.to_owned() }
}

fn is(command: &QueuedCommand, word: &str) -> bool {
    command.status.as_deref().is_some_and(|status| status.to_ascii_uppercase().starts_with(word))
}

/// What the queue says of a command that is not complete.
fn waits(command: &QueuedCommand) -> Option<Standing> {
    match command {
        c if c.deleted_at.is_some() || is(c, "CANCEL") => Some(Standing::Cancelled),
        c if is(c, "EXPIRED") => Some(Standing::Expired),
        c if is(c, "PENDING") => Some(Standing::Pending),
        _ => None,
    }
}

/// How far a file is.
fn upload(file: &SessionFile) -> Standing {
    let wrong = file.error_message.as_deref().map(clean).filter(|text| !text.is_empty());
    match wrong {
        Some(reason) => Standing::Failed { reason: reason.into_owned() },
        None if file.complete == Some(true) => Standing::Done,
        None => Standing::Running,
    }
}

/// What a command has said.
#[derive(Default)]
struct Said {
    complete: bool,
    /// Something came on standard output.
    spoke: bool,
    /// Something came on standard error.
    wrong: bool,
    /// How much came there, in bytes.
    bytes: usize,
    /// The beginning of it.
    stderr: String,
}

impl Said {
    /// Takes a piece; false when no other is there yet.
    fn take(&mut self, piece: &Piece) -> bool {
        let [out, err] = [&piece.stdout, &piece.stderr].map(|text| text.as_deref().unwrap_or_default());
        self.complete = piece.complete == Some(true);
        self.spoke |= !out.trim().is_empty();
        self.wrong |= !err.trim().is_empty();
        self.bytes += err.len();
        let room = MOST_STDERR.saturating_sub(self.stderr.chars().count());
        let words = if self.stderr.is_empty() { err.trim_start() } else { err };
        self.stderr.extend(words.chars().take(room));
        !(self.complete || out.is_empty() && err.is_empty())
    }

    /// The end of a command. The vendor knows no exit code: words on standard error are the only sign that it went
    /// wrong, and a script that also said something on standard output has done a part at least. What a script says is
    /// not repeated: the values of its parameters may stand in it.
    fn end(self, action: &ResponseAction, handle: &CommandHandle) -> Standing {
        let (bytes, command) = (self.bytes, &handle.cloud_request_id);
        let written = || {
            format!(
                "it wrote {bytes} bytes on standard error; read the command {command} in the vendor's console"
            )
        };
        match action {
            _ if !self.wrong => Standing::Done,
            ResponseAction::RunScript { .. } if self.spoke => Standing::Partial { reason: written() },
            ResponseAction::RunScript { .. } => Standing::Failed { reason: written() },
            _ => Standing::Failed { reason: clean(self.stderr.trim()).into_owned() },
        }
    }
}

/// `<digest>_<customer id>`.
fn is_script_id(text: &str) -> bool {
    let hex = |part: &str| part.len() >= 32 && part.bytes().all(|b| b.is_ascii_hexdigit());
    text.split_once('_').is_some_and(|(digest, cid)| hex(digest) && hex(cid))
}

/// The values in their order, each as one word: bare, or in single quotes, between which every shell that runs scripts
/// takes all signs for themselves.
fn arguments(args: &[(String, String)]) -> Result<Option<String>, String> {
    let word = |(name, value): &(String, String)| {
        if value.chars().any(|c| ends_quotes(c) || c.is_control()) {
            return Err(format!("the value of {name:?} has a single quote or a control character"));
        }
        Ok(if is_bare(value) { value.clone() } else { format!("'{value}'") })
    };
    let words = args.iter().map(word).collect::<Result<Vec<_>, _>>()?;
    Ok((!words.is_empty()).then(|| words.join(" ")))
}

/// Whether a sign ends a text in single quotes. PowerShell takes the typographic ones for the plain one.
fn ends_quotes(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}'..='\u{201b}')
}

/// Whether no shell makes more of a value than a word. To PowerShell a comma makes a list and an at sign unfolds one,
/// a leading dash is the name of a parameter, and a leading `=` is a command's path to zsh.
fn is_bare(value: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphanumeric() || "/._".contains(c);
    value.starts_with(begins) && value.chars().all(|c| begins(c) || ":-+=".contains(c))
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
