//! Many hosts at once: batches of up to ten thousand, and a word about each host.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use edr_core::{Error, ErrorKind, Result};
use edr_http::{Download, Downloaded, RequestPlan, from_now};

use super::session::keep_alive;
use super::{FalconClient, Pauses, missing};
use crate::FalconDetail;
use crate::api::ApiError;
use crate::api::rtr::{
    self, BATCH_GET, BATCH_INIT, BatchFiles, BatchReply, Command, HostResult, Level, MAX_HOSTS, SessionFile,
    Wait,
};
use crate::client::by_id::{Room, distinct};
use crate::client::{ById, Identified, PerId, Refusal};

impl Identified for HostResult {
    fn uid(&self) -> Option<&str> {
        self.aid.as_deref()
    }

    /// A host that said something beside its error has done something, and one whose command has an id may be at it: their
    /// rows are kept.
    fn refusal(&self) -> Option<ApiError> {
        let silent = !says(&self.stdout) && !says(&self.stderr);
        self.errors.first().filter(|_| silent && !self.is_begun()).cloned()
    }

    fn is_begun(&self) -> bool {
        says(&self.task_id)
    }
}

fn says(text: &Option<String>) -> bool {
    text.as_deref().is_some_and(|t| !t.is_empty())
}

/// How a batch is begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchOptions {
    /// Sessions with hosts that are away wait for them, and so do their commands.
    pub queue_offline: bool,
    /// How long each call may take.
    pub wait: Wait,
}

/// What became of a command on a batch.
pub type BatchRun = PerId<HostResult>;

/// Up to ten thousand hosts under one of the vendor's ids.
#[derive(Clone, Debug)]
struct Part {
    id: String,
    hosts: Vec<String>,
    /// The vendor may count further hosts to it: one whose session began too late to be told of, one that left and may
    /// not have. A call to nobody by name would reach them, too.
    others: bool,
}

/// Sessions with many hosts, in batches of up to [`MAX_HOSTS`]. Each is over after ten minutes without a word, like a
/// session: [`Batch::refresh`] and [`Batch::keep_alive`] keep them awake.
pub struct Batch {
    client: FalconClient,
    parts: Vec<Part>,
    opened: PerId<HostResult>,
    /// Commands wait for hosts that are away, also for those that have gone since.
    queue: bool,
    wait: Wait,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("ids", &self.ids())
            .field("hosts", &self.hosts().len())
            .finish_non_exhaustive()
    }
}

/// Files that were asked for from the hosts of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchFetch {
    /// What each host said.
    pub hosts: BatchRun,
    /// The vendor's ids of the requests.
    pub request_ids: Vec<String>,
}

fn by_host(reply: BatchReply) -> HashMap<String, HostResult> {
    reply.hosts().into_iter().map(|(aid, row)| (aid.to_ascii_lowercase(), row)).collect()
}

/// The rows of sessions. One that did not begin is no command that is under way, whatever id the row has.
fn sessions(reply: BatchReply) -> HashMap<String, HostResult> {
    let mut rows = by_host(reply);
    for row in rows.values_mut() {
        if row.errors.first().is_some_and(|error| error.class() != Some(408)) {
            row.task_id = None;
        }
    }
    rows
}

/// Sorts what a command has brought. A row is also heeded where its host was not meant: it says what was done there.
fn take_run(out: &mut BatchRun, mut meant: Vec<String>, reply: BatchReply) {
    let errors = reply.errors.clone();
    let rows = by_host(reply);
    let known: HashSet<String> = meant.iter().map(|id| id.to_ascii_lowercase()).collect();
    let mut beside: Vec<String> = rows.keys().filter(|id| !known.contains(*id)).cloned().collect();
    beside.sort();
    meant.extend(beside);
    out.take(&meant, rows, errors, None);
}

/// The errors of a call that was refused for all of its hosts.
fn said(error: &Error) -> ApiError {
    let detail = error.detail().and_then(|d| d.as_any().downcast_ref::<FalconDetail>());
    detail.and_then(|d| d.errors.first().cloned()).unwrap_or_default()
}

impl FalconClient {
    /// Begins sessions with hosts, in any number. What became of each stands in [`Batch::opened`].
    ///
    /// # Errors
    /// As the vendor answers the first call; that none of its hosts can be reached is no error, but what is said
    /// of each.
    pub async fn rtr_batch<S: AsRef<str>>(&self, hosts: &[S], options: &BatchOptions) -> Result<Batch> {
        let (client, wait) = (self.clone(), options.wait);
        let (opened, queue) = (PerId::default(), options.queue_offline);
        let mut batch = Batch { client, parts: Vec::new(), opened, queue, wait };
        let mut pieces = Room::body(MAX_HOSTS).split(&distinct(hosts)).into_iter();
        while let Some(piece) = pieces.next() {
            match batch.open(&piece).await {
                Ok(()) => {}
                Err(error) if error.is_not_found() => {
                    let refusal = |id| Refusal { id, error: said(&error) };
                    batch.opened.refused.extend(piece.into_iter().map(refusal));
                }
                Err(error) if batch.parts.is_empty() => return Err(error),
                Err(error) => {
                    batch.opened.failure = Some(error);
                    batch.opened.open = piece;
                    batch.opened.unsent = pieces.by_ref().flatten().collect();
                }
            }
        }
        Ok(batch)
    }

    /// A call of a batch whose reply has a row for each host.
    pub(super) async fn rtr_batch_call(&self, plan: &RequestPlan) -> Result<BatchReply> {
        self.shaped(plan).await
    }
}

impl Batch {
    async fn open(&mut self, hosts: &[String]) -> Result<()> {
        let plan = rtr::batch_init(hosts, self.queue, None, self.wait);
        let reply = self.client.rtr_batch_call(&plan).await?;
        let id = reply.batch_id.clone().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| missing(&self.client, BATCH_INIT.name, "the answer names no batch"))?;
        let errors = reply.errors.clone();
        let before = self.opened.done.len();
        self.opened.take(hosts, sessions(reply), errors, None);
        let members: Vec<String> = self.opened.done[before..].iter().map(|(id, _)| id.clone()).collect();
        let others = members.len() < hosts.len();
        self.parts.push(Part { id, hosts: members, others });
        Ok(())
    }

    /// What became of each host when the batch began.
    #[must_use]
    pub fn opened(&self) -> &PerId<HostResult> {
        &self.opened
    }

    /// The vendor's ids: one for each [`MAX_HOSTS`] hosts.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        self.parts.iter().map(|part| part.id.as_str()).collect()
    }

    /// The hosts that are in it, in the order given.
    #[must_use]
    pub fn hosts(&self) -> Vec<&str> {
        self.parts.iter().flat_map(|part| &part.hosts).map(String::as_str).collect()
    }

    /// Keeps the batch awake for another ten minutes, but for the hosts that leave it. Those whose session is over are
    /// among the refused.
    ///
    /// # Errors
    /// As the vendor answers the first call.
    pub async fn refresh<S: AsRef<str>>(&mut self, remove: &[S]) -> Result<PerId<HostResult>> {
        let gone: HashSet<String> = remove.iter().map(|id| id.as_ref().to_ascii_lowercase()).collect();
        for part in &mut self.parts {
            let before = part.hosts.len();
            part.hosts.retain(|id| !gone.contains(&id.to_ascii_lowercase()));
            part.others |= part.hosts.len() < before;
        }
        let remove: Vec<&str> = remove.iter().map(AsRef::as_ref).collect();
        self.pulse(&remove).await
    }

    async fn pulse(&self, remove: &[&str]) -> Result<PerId<HostResult>> {
        let mut out = PerId::default();
        for (n, part) in self.parts.iter().enumerate() {
            let plan = rtr::batch_refresh(&part.id, remove, self.wait);
            match self.client.rtr_batch_call(&plan).await {
                Ok(reply) => {
                    let errors = reply.errors.clone();
                    out.take(&part.hosts, sessions(reply), errors, None);
                }
                Err(error) if n == 0 => return Err(error),
                Err(error) => {
                    out.failure = Some(error);
                    out.open.extend(part.hosts.iter().cloned());
                }
            }
        }
        Ok(out)
    }

    /// Does other work, and keeps the batch awake meanwhile.
    ///
    /// # Errors
    /// As the vendor answers; the work is dropped then.
    pub async fn keep_alive<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        keep_alive(work, || async { self.pulse(&[]).await.map(drop) }).await
    }

    /// Runs a command at a level on all hosts of the batch. It is sent once to each part: where the answer is lost, the
    /// part's hosts are `open`, and those behind it `unsent`. A host that was not done in time has a row that is not
    /// complete, or an error.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] before anything is sent for a command that cannot be written, or that needs a
    /// higher level; as the vendor answers the first call, when nothing was done.
    pub async fn run(&self, level: Level, command: &Command) -> Result<BatchRun> {
        self.run_on(level, command, &self.hosts()).await
    }

    /// As [`Self::run`], on some of its hosts. Those that are not in the batch are `unsent`.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_on<S: AsRef<str>>(
        &self,
        level: Level,
        command: &Command,
        hosts: &[S],
    ) -> Result<BatchRun> {
        let plan = |part: &Part, only: &[String]| {
            let plan = rtr::batch_execute(level, &part.id, command, only, self.queue, self.wait);
            let plan = plan.map_err(|why| self.client.unwritten(&why))?;
            self.client.allowed(&plan, level, command).map(|()| plan)
        };
        self.each(hosts, plan).await.map(|(run, _)| run)
    }

    /// Takes a file from every host of the batch. [`Self::fetched`] tells which have come.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn get(&self, file_path: &str) -> Result<BatchFetch> {
        let plan = |part: &Part, only: &[String]| Ok(rtr::batch_get(&part.id, file_path, only, self.wait));
        let (hosts, ids) = self.each(&self.hosts(), plan).await?;
        if ids.is_empty() && hosts.open.is_empty() && !hosts.done.is_empty() {
            let error = missing(&self.client, BATCH_GET.name, "the answer names no request");
            return Err(error.with_outcome_unknown());
        }
        Ok(BatchFetch { hosts, request_ids: ids })
    }

    /// The hosts that are meant, part by part, and those that are in none.
    fn targets<S: AsRef<str>>(&self, hosts: &[S]) -> (Vec<(&Part, Vec<String>)>, Vec<String>) {
        let mut wanted = distinct(hosts);
        let asked: HashSet<String> = wanted.iter().map(|id| id.to_ascii_lowercase()).collect();
        let fits = |id: &&String| asked.contains(&id.to_ascii_lowercase());
        let of = |part: &Part| part.hosts.iter().filter(fits).cloned().collect::<Vec<_>>();
        let parts: Vec<_> =
            self.parts.iter().map(|p| (p, of(p))).filter(|(_, ids)| !ids.is_empty()).collect();
        let known: HashSet<String> =
            parts.iter().flat_map(|(_, ids)| ids).map(|id| id.to_ascii_lowercase()).collect();
        wanted.retain(|id| !known.contains(&id.to_ascii_lowercase()));
        (parts, wanted)
    }

    /// Sends a plan to each part, one after the other; the first answer that is lost ends it.
    async fn each<S: AsRef<str>>(
        &self,
        hosts: &[S],
        plan: impl Fn(&Part, &[String]) -> Result<RequestPlan>,
    ) -> Result<(BatchRun, Vec<String>)> {
        let (targets, strangers) = self.targets(hosts);
        let (mut out, mut ids) = (PerId::default(), Vec::new());
        for (part, only) in targets {
            if out.failure.is_some() {
                out.unsent.extend(only);
                continue;
            }
            // Nobody is named when all are meant that the vendor may count to it.
            let all = !part.others && only.len() == part.hosts.len();
            let named = if all { &[][..] } else { &only[..] };
            match self.client.rtr_batch_call(&plan(part, named)?).await {
                Ok(reply) => {
                    ids.extend(reply.batch_get_cmd_req_id.clone().filter(|id| !id.is_empty()));
                    take_run(&mut out, only, reply);
                }
                Err(error) => self.lost(&mut out, error, only)?,
            }
        }
        let told = |id: &String| out.done.iter().any(|(done, _)| done.eq_ignore_ascii_case(id));
        let strangers: Vec<String> = strangers.into_iter().filter(|id| !told(id)).collect();
        out.unsent.extend(strangers);
        Ok((out, ids))
    }

    /// A call that failed: whether it was done may be open.
    fn lost(&self, out: &mut BatchRun, error: Error, hosts: Vec<String>) -> Result<()> {
        let first = out.done.is_empty() && out.refused.is_empty() && out.unanswered.is_empty();
        if error.is_outcome_unknown() {
            out.open = hosts;
        } else if first {
            return Err(error);
        } else {
            out.unsent.extend(hosts);
        }
        out.failure = Some(error);
        Ok(())
    }

    /// The files that have come, host by host in the order of the batch, as soon as all have or the deadline is there.
    /// The others are missing.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn fetched(
        &self,
        fetch: &BatchFetch,
        deadline: Duration,
    ) -> Result<ById<(String, SessionFile)>> {
        let mut pauses = Pauses::until(from_now(deadline));
        let wanted: Vec<&String> = fetch.hosts.done.iter().map(|(id, _)| id).collect();
        let mut come: HashMap<String, SessionFile> = HashMap::new();
        let mut errors;
        loop {
            errors = Vec::new();
            for id in &fetch.request_ids {
                let files: BatchFiles = self.client.shaped(&rtr::batch_get_status(id, self.wait)).await?;
                errors.extend(files.errors);
                come.extend(
                    files.resources.0.into_iter().map(|(aid, file)| (aid.to_ascii_lowercase(), file)),
                );
            }
            if wanted.iter().all(|id| come.contains_key(&id.to_ascii_lowercase())) || !pauses.pause().await {
                break;
            }
        }
        let mut out = ById { found: Vec::new(), missing: Vec::new(), errors, undecoded: Vec::new() };
        for id in wanted {
            match come.remove(&id.to_ascii_lowercase()) {
                Some(file) => out.found.push((id.clone(), file)),
                None => out.missing.push(id.clone()),
            }
        }
        Ok(out)
    }

    /// Writes a fetched file to disk ([`FalconClient::rtr_download_file`]).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when the file names no session; as the vendor answers, and when the file cannot
    /// be written.
    pub async fn download(&self, file: &SessionFile, to: Download) -> Result<Downloaded> {
        let (Some(session), Some(sha256)) = (file.session_id.as_deref(), file.sha256.as_deref()) else {
            return Err(Error::new(ErrorKind::InvalidRequest, "the file names no session or has no SHA-256"));
        };
        self.client.rtr_download_file(session, sha256, None, to).await
    }
}
