//! A session with one host, kept awake, and commands that are followed to their end.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use edr_core::{Error, Result};
use edr_http::{Download, Downloaded, from_now};
use tokio::time::{Instant, timeout_at};

use super::{FalconClient, PULSE, Pauses, missing};
use crate::api::rtr::{
    self, Command, EXECUTE_READ, INIT, Level, Piece, SessionFile, SessionHead, Version, Wait,
};

/// An answer that is longer than this is not gathered.
const MOST_OUTPUT: usize = 64 << 20;

/// How a session is begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// A word about who begins it, for the audit.
    pub origin: String,
    /// With a host that is away the session waits for it, and so do its commands.
    pub queue_offline: bool,
    /// How long the call may take.
    pub wait: Wait,
}

/// The receipt of a command. With it an answer can be asked for later, also by another program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Ticket {
    /// The vendor's id of the request.
    pub cloud_request_id: String,
    /// The level at which it was run: the answer stands there.
    pub level: Level,
}

impl Ticket {
    /// The receipt of a command that was run before.
    #[must_use]
    pub fn new(level: Level, cloud_request_id: &str) -> Self {
        Self { cloud_request_id: cloud_request_id.to_owned(), level }
    }
}

/// What a command has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// The vendor's id of the request, under which a fetched file is found ([`Session::fetched`]).
    pub cloud_request_id: String,
    /// On standard output.
    pub stdout: String,
    /// On standard error.
    pub stderr: String,
    /// How many pieces it came in.
    pub pieces: u32,
}

impl Output {
    fn add(&mut self, piece: &Piece) {
        self.stdout.push_str(piece.stdout.as_deref().unwrap_or_default());
        self.stderr.push_str(piece.stderr.as_deref().unwrap_or_default());
        self.pieces += 1;
    }
}

/// What became of a command.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Ran {
    /// The host has carried it out.
    Done(Output),
    /// The host is away, and the command waits for it.
    Queued(Ticket),
    /// It was taken, and the end was not seen: the time ran out, or the answer could not be read on.
    Running {
        /// To go on with.
        ticket: Ticket,
        /// What it said so far.
        so_far: Output,
        /// Why the answer could not be read on; `None` when the time ran out.
        because: Option<Error>,
    },
    /// Whether the command was taken is open: the answer was lost. It was not sent again, and must not be before the
    /// host or the session's log was looked at.
    Unknown(Error),
}

impl Ran {
    /// The answer, if the command is done.
    #[must_use]
    pub fn output(&self) -> Option<&Output> {
        match self {
            Self::Done(output) => Some(output),
            _ => None,
        }
    }
}

/// A session with a host. It is over after ten minutes without a word ([`rtr::IDLE`]): commands keep it awake, also
/// while they run, and [`Session::keep_alive`] does for as long as other work lasts.
///
/// ```no_run
/// use std::time::Duration;
/// use falcon::api::rtr::{Command, Level};
/// use falcon::{Ran, SessionOptions};
/// # async fn example(acme: falcon::Falcon, device: &str) -> edr_core::Result<()> {
/// let session = acme.client().rtr_session(device, &SessionOptions::default()).await?;
/// match session.run(Level::ReadOnly, &Command::ls(r"C:\Users"), Duration::from_secs(60)).await? {
///     Ran::Done(output) => println!("{}", output.stdout),
///     other => println!("not done: {other:?}"),
/// }
/// session.close().await
/// # }
/// ```
pub struct Session {
    client: FalconClient,
    head: SessionHead,
    id: String,
    device_id: String,
    origin: String,
    used: Mutex<Instant>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("device_id", &self.device_id)
            .finish_non_exhaustive()
    }
}

impl FalconClient {
    /// Begins a session with a host, or takes up the one that there is.
    ///
    /// # Errors
    /// Not found when the host is away and nothing is to be queued; as the vendor answers.
    pub async fn rtr_session(&self, device_id: &str, options: &SessionOptions) -> Result<Session> {
        let reply = self.rtr_init(device_id, &options.origin, options.queue_offline, options.wait).await?;
        let head = reply.resources.into_iter().next().unwrap_or_default();
        let id = head.session_id.clone().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| missing(self, INIT.name, "the answer names no session"))?;
        let (device_id, origin, used) =
            (device_id.to_owned(), options.origin.clone(), Mutex::new(Instant::now()));
        Ok(Session { client: self.clone(), head, id, device_id, origin, used })
    }

    /// Follows a command to its end, or to the deadline. Errors on the way stand in [`Ran::Running`], beside the
    /// ticket with which it goes on.
    pub async fn rtr_follow(&self, ticket: &Ticket, deadline: Duration) -> Ran {
        Follow::of(self, None, ticket.clone(), from_now(deadline)).run().await
    }
}

impl Session {
    /// The vendor's id of the session.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The host.
    #[must_use]
    pub fn device_id(&self) -> &str {
        &self.device_id
    }

    /// What the service said when the session began.
    #[must_use]
    pub fn head(&self) -> &SessionHead {
        &self.head
    }

    /// True when the host was away when the session began.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.head.offline_queued == Some(true)
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// True when it is time for a word.
    fn is_drowsy(&self) -> bool {
        !self.is_queued() && self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= PULSE
    }

    /// Keeps the session awake for another ten minutes.
    ///
    /// # Errors
    /// Not found when it is over; as the vendor answers.
    pub async fn refresh(&self) -> Result<()> {
        self.client.rtr_refresh(&self.device_id, &self.origin).await?;
        self.touch();
        Ok(())
    }

    async fn stay_awake(&self) -> Result<()> {
        if self.is_drowsy() { self.refresh().await } else { Ok(()) }
    }

    /// Does other work, and keeps the session awake meanwhile.
    ///
    /// # Errors
    /// Not found when the session is over, however often it was kept awake; the work is dropped then.
    pub async fn keep_alive<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        keep_alive(work, || self.refresh()).await
    }

    /// Runs a command at a level and follows it to its end. It is sent once, whatever happens to the answer.
    ///
    /// # Errors
    /// Only when the command was certainly not taken: [`edr_core::ErrorKind::InvalidRequest`] before anything is
    /// sent for one that cannot be written or that needs a higher level; not found when the session is over; as the
    /// vendor answers. What is open is [`Ran::Unknown`].
    pub async fn run(&self, level: Level, command: &Command, deadline: Duration) -> Result<Ran> {
        let until = from_now(deadline);
        let (ticket, queued) = match self.execute(level, command).await {
            Ok(taken) => taken,
            Err(error) if error.is_outcome_unknown() => return Ok(Ran::Unknown(error)),
            Err(error) => return Err(error),
        };
        if queued {
            return Ok(Ran::Queued(ticket));
        }
        Ok(Follow::of(&self.client, Some(self), ticket, until).run().await)
    }

    /// The receipt of a command, and whether it waits for the host.
    async fn execute(&self, level: Level, command: &Command) -> Result<(Ticket, bool)> {
        self.stay_awake().await?;
        let reply = self.client.rtr_execute(level, &self.id, &self.device_id, command, false).await;
        let reply = reply.map_err(|e| {
            if e.kind() == edr_core::ErrorKind::Decode { e.with_outcome_unknown() } else { e }
        })?;
        self.touch();
        let taken = reply.resources.into_iter().next().unwrap_or_default();
        let id = taken.cloud_request_id.filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| {
            missing(&self.client, EXECUTE_READ.name, "the answer names no request").with_outcome_unknown()
        })?;
        Ok((Ticket::new(level, &id), taken.queued_command_offline == Some(true)))
    }

    /// Follows a command that was run before.
    pub async fn follow(&self, ticket: &Ticket, deadline: Duration) -> Ran {
        Follow::of(&self.client, Some(self), ticket.clone(), from_now(deadline)).run().await
    }

    /// The files that the session has fetched.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn files(&self) -> Result<Vec<SessionFile>> {
        Ok(self.client.rtr_files(Version::V2, &self.id).await?.resources)
    }

    /// The file that a `get` has fetched, once it is whole in the cloud; `None` when the deadline came first.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn fetched(&self, cloud_request_id: &str, deadline: Duration) -> Result<Option<SessionFile>> {
        let mut pauses = Pauses::until(from_now(deadline));
        loop {
            let mine = |f: &SessionFile| f.cloud_request_id.as_deref() == Some(cloud_request_id);
            let file = self.files().await?.into_iter().find(|f| mine(f) && f.complete == Some(true));
            if file.is_some() || !pauses.pause().await {
                return Ok(file);
            }
            self.stay_awake().await?;
        }
    }

    /// Writes a fetched file to disk ([`FalconClient::rtr_download_file`]).
    ///
    /// # Errors
    /// As the vendor answers, and when the file cannot be written.
    pub async fn download(&self, file: &SessionFile, to: Download) -> Result<Downloaded> {
        let sha256 = file.sha256.as_deref().unwrap_or_default();
        self.client.rtr_download_file(&self.id, sha256, None, to).await
    }

    /// Ends the session.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn close(self) -> Result<()> {
        self.client.rtr_delete_session(&self.id).await
    }
}

/// Does work, and something else every few minutes.
pub(super) async fn keep_alive<T, F>(work: impl Future<Output = T>, pulse: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<()>>,
{
    let mut work = std::pin::pin!(work);
    loop {
        if let Ok(done) = timeout_at(Instant::now() + PULSE, &mut work).await {
            return Ok(done);
        }
        // The work goes on while the word is sent.
        let mut word = std::pin::pin!(pulse());
        let done = std::future::poll_fn(|context| {
            use std::task::Poll::{Pending, Ready};
            match (work.as_mut().poll(context), word.as_mut().poll(context)) {
                (Ready(done), _) => Ready(Ok(Some(done))),
                (Pending, Ready(said)) => Ready(said.map(|()| None)),
                (Pending, Pending) => Pending,
            }
        });
        if let Some(done) = done.await? {
            return Ok(done);
        }
    }
}

/// A command that is followed.
struct Follow<'a> {
    client: &'a FalconClient,
    session: Option<&'a Session>,
    ticket: Ticket,
    until: Instant,
    output: Output,
}

impl<'a> Follow<'a> {
    fn of(client: &'a FalconClient, session: Option<&'a Session>, ticket: Ticket, until: Instant) -> Self {
        let output = Output { cloud_request_id: ticket.cloud_request_id.clone(), ..Output::default() };
        Self { client, session, ticket, until, output }
    }

    async fn run(mut self) -> Ran {
        match timeout_at(self.until, self.read()).await {
            Ok(Ok(true)) => Ran::Done(self.output),
            Ok(Ok(false)) | Err(_) => self.running(None),
            Ok(Err(error)) => self.running(Some(error)),
        }
    }

    fn running(self, because: Option<Error>) -> Ran {
        Ran::Running { ticket: self.ticket, so_far: self.output, because }
    }

    /// Reads piece after piece; true at the last. A piece that says nothing and is not the last has not come yet.
    async fn read(&mut self) -> Result<bool> {
        let mut pauses = Pauses::until(self.until);
        loop {
            let piece = self.piece().await?;
            let complete = piece.complete == Some(true);
            let says =
                [&piece.stdout, &piece.stderr].iter().any(|t| t.as_deref().is_some_and(|t| !t.is_empty()));
            if complete || says {
                self.output.add(&piece);
                pauses.again();
            }
            if complete {
                return Ok(true);
            }
            if self.output.stdout.len() + self.output.stderr.len() > MOST_OUTPUT {
                return Err(missing(
                    self.client,
                    rtr::STATUS_READ.name,
                    "the command says more than is gathered",
                ));
            }
            if !says && !pauses.pause().await {
                return Ok(false);
            }
            if let Some(session) = self.session {
                session.stay_awake().await?;
            }
        }
    }

    async fn piece(&self) -> Result<Piece> {
        let Ticket { cloud_request_id, level } = &self.ticket;
        let reply = self.client.rtr_status(*level, cloud_request_id, self.output.pieces).await?;
        Ok(reply.resources.into_iter().next().unwrap_or_default())
    }
}
