//! An answer written to disk as it arrives: whole and proven under its name, or not there.

mod part;
mod range;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use edr_core::{Error, ErrorKind, Result};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;

use self::part::Part;
use self::range::{Brings, strong_tag};
use crate::attempt::{Attempts, Next, Reading};
use crate::client::{Reply, broken, retry};
use crate::retry::from_now;
use crate::{HttpClient, RequestPlan, Verdict};

/// A SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digest([u8; 32]);

impl Digest {
    fn parse(hex: &str) -> Option<Self> {
        let (mut bytes, hex) = ([0; 32], hex.trim());
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        hex.bytes().all(|b| b.is_ascii_hexdigit()).then_some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

type Watcher = Arc<dyn Fn(u64, Option<u64>) + Send + Sync>;

/// Where a download goes, and what is known of it.
///
/// It grows in `NAME.part` beside the target, readable by its owner alone. What a broken connection or a run that was
/// killed left there is kept, and only the rest is asked for, when the hash of the whole is known or when the vendor
/// tells versions apart (a strong `ETag`); otherwise it begins anew. A part that others may write to is begun anew, and one that is
/// a link, no plain file, or somebody else's is refused. A file that is there already is replaced in one
/// step, at the end. Memory does not grow with the size.
#[derive(Clone)]
pub struct Download {
    target: PathBuf,
    sha256: Option<Digest>,
    size: Option<u64>,
    watcher: Option<Watcher>,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("target", &self.target)
            .field("sha256", &self.sha256.map(|s| s.to_string()))
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Download {
    /// A download to this file.
    #[must_use]
    pub fn to(target: impl Into<PathBuf>) -> Self {
        Self { target: target.into(), sha256: None, size: None, watcher: None }
    }

    /// The SHA-256 that it must have, in hex. A target that has it already is not asked for again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] for what is no SHA-256.
    pub fn sha256(self, hex: &str) -> Result<Self> {
        let digest = Digest::parse(hex)
            .ok_or_else(|| Error::new(ErrorKind::InvalidRequest, format!("'{hex}' is no SHA-256")))?;
        Ok(Self { sha256: Some(digest), ..self })
    }

    /// The size that it must have.
    #[must_use]
    pub fn size(self, bytes: u64) -> Self {
        Self { size: Some(bytes), ..self }
    }

    /// Is told how many bytes are there, and of how many, whenever some were written.
    #[must_use]
    pub fn watch(self, watcher: impl Fn(u64, Option<u64>) + Send + Sync + 'static) -> Self {
        Self { watcher: Some(Arc::new(watcher)), ..self }
    }
}

/// What was downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// How many bytes were there before, of an earlier run.
    pub kept: u64,
}

impl HttpClient {
    /// Sends a request and writes the answer to a file, with authorisation, pace and retries as ever. A connection
    /// that breaks is made again, and the rest is asked for. What is not whole, or has not the hash that it should
    /// have, never gets the file's name.
    ///
    /// # Errors
    /// As the dialect judges, after all retries; [`ErrorKind::Decode`] for another hash or size than expected;
    /// [`ErrorKind::Configuration`] when the file cannot be written; [`ErrorKind::Conflict`] when another run writes it.
    pub async fn download_to(&self, plan: &RequestPlan, to: &Download) -> Result<Downloaded> {
        let attempts = self.attempts(plan).reading(Reading::Part);
        let span = attempts.request.clone();
        let dressed =
            |e: Error| e.with_operation(plan.operation.name).with_tenant(self.tenant(), self.vendor());
        async {
            if let Some(there) = there_already(to).await {
                return Ok(there);
            }
            let part = self.part(plan, to).await?;
            Run {
                client: self,
                plan,
                to,
                kept: part.length(),
                part,
                attempts,
                total: to.size,
                resumed: false,
            }
            .run()
            .await
        }
        .instrument(span)
        .await
        .map_err(dressed)
    }

    async fn part(&self, plan: &RequestPlan, to: &Download) -> Result<Part> {
        let url = plan.build(&self.base(), self.user_agent())?.uri().to_string();
        let resource = Sha256::new().chain_update(plan.method.as_str()).chain_update(&url).finalize();
        let resource = Digest(resource.into()).to_string();
        if to.target.is_dir() || to.target.file_name().is_none() {
            return Err(unwritable(&to.target, &io::Error::other("it is a folder"), ""));
        }
        Part::open(to.target.clone(), resource, to.sha256.is_some()).await.map_err(|e| match e.kind() {
            io::ErrorKind::PermissionDenied if e.get_ref().is_some() => {
                unwritable(&to.target, &e, "look at what lies there and remove it, or choose another folder")
            }
            io::ErrorKind::WouldBlock => {
                let message = format!("another run is writing {}", to.target.display());
                Error::new(ErrorKind::Conflict, message).with_hint("wait until it has ended")
            }
            _ => unwritable(&to.target, &e, "name a file in a folder that is there and can be written"),
        })
    }
}

/// The target, when it is what it should be.
async fn there_already(to: &Download) -> Option<Downloaded> {
    let (path, wanted) = (to.target.clone(), to.sha256?);
    let bytes = tokio::fs::metadata(&path).await.ok().filter(std::fs::Metadata::is_file)?.len();
    let read = tokio::task::spawn_blocking(move || {
        let mut hash = Sha256::new();
        io::copy(&mut std::fs::File::open(path)?, &mut Hashing(&mut hash))?;
        Ok::<_, io::Error>(Digest(hash.finalize().into()))
    });
    let found = read.await.ok()?.ok()?;
    let sha256 = found.to_string();
    (found == wanted).then(|| Downloaded { path: to.target.clone(), bytes, sha256, kept: bytes })
}

struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unwritable(path: &Path, error: &io::Error, hint: &'static str) -> Error {
    let wrong =
        Error::new(ErrorKind::Configuration, format!("{} cannot be written: {error}", path.display()));
    if hint.is_empty() { wrong } else { wrong.with_hint(hint) }
}

/// So many bytes are gathered before they are written.
const STEP: usize = 256 << 10;

/// So many bytes of new ground make earlier failures forgotten.
const GROUND: u64 = 256 << 10;

/// One download under way.
struct Run<'a> {
    client: &'a HttpClient,
    plan: &'a RequestPlan,
    to: &'a Download,
    part: Part,
    attempts: Attempts,
    /// How many bytes the whole has, once it is known.
    total: Option<u64>,
    kept: u64,
    /// What is there is of more than one answer.
    resumed: bool,
}

impl Run<'_> {
    async fn run(mut self) -> Result<Downloaded> {
        self.resumed = self.kept > 0;
        loop {
            let before = self.part.length();
            let verdict = match self.pass().await {
                Ok(()) => match self.settle().await? {
                    Some(done) => return Ok(done),
                    None => continue,
                },
                Err(verdict) => verdict,
            };
            if self.part.length() >= before + GROUND {
                self.attempts.renew();
            }
            self.attempts.deadline = from_now(self.client.policy().deadline);
            if let Next::Fail(error) = self.client.next(self.plan, &mut self.attempts, verdict).await {
                return Err(self.told(error));
            }
        }
    }

    /// One answer, read to its end.
    async fn pass(&mut self) -> Result<(), Verdict> {
        if self.part.length() > 0 && !self.goes_on() {
            self.begin(None).await?;
        }
        let asked = self.part.length();
        if asked > 0 && self.to.size == Some(asked) && self.to.sha256.is_some() {
            return Ok(());
        }
        let plan = self.ranged(asked);
        let mut reply = self.client.open(&plan, &mut self.attempts).await.map_err(Verdict::Fail)?;
        if let Some(coding) = packed(&reply.headers) {
            return self.unwelcome(asked, &coding).await;
        }
        let mut first = self.judged(&mut reply).await?;
        match Brings::of(reply.status, &reply.headers) {
            Brings::Rest(from, total) if asked > 0 && from == asked && self.is_same(&reply.headers) => {
                self.expect(total)?;
                self.resumed = true;
            }
            // That there is no more is believed with a length, or where the hash will prove it.
            Brings::Nothing(total)
                if asked > 0
                    && (total.or(self.total) == Some(asked)
                        || (total.or(self.total).is_none() && self.to.sha256.is_some())) =>
            {
                self.expect(Some(asked))?;
                return Ok(());
            }
            Brings::Whole(total) => {
                self.expect(total)?;
                let tag = strong_tag(&reply.headers).map(str::to_owned);
                self.begin(tag).await?;
            }
            _ => {
                // What is there cannot be gone on with: the next attempt asks for the whole.
                self.begin(None).await?;
                return Err(retry(wrong("the answer is not the part that was asked for")));
            }
        }
        self.receive(&mut reply, &mut first).await
    }

    /// An answer that is packed, although it was asked for as it is. The places of a part count in the packed bytes, so that
    /// nothing can be joined to what is there; the whole is asked for once more, and a whole that is packed is an error.
    async fn unwelcome(&mut self, asked: u64, coding: &str) -> Result<(), Verdict> {
        let message = format!("the answer is packed ({coding}), and was asked for as it is");
        if asked == 0 {
            let error = Error::new(ErrorKind::Decode, message);
            return Err(Verdict::Fail(
                error.with_hint("a proxy or gateway packs what it should pass on; go round it"),
            ));
        }
        self.begin(None).await?;
        Err(retry(wrong(message)))
    }

    /// Whether the rest may be asked for: something proves in the end that all is of one version.
    fn goes_on(&self) -> bool {
        self.to.sha256.is_some() || self.part.tag().is_some()
    }

    /// The request for what is missing.
    fn ranged(&self, from: u64) -> RequestPlan {
        let mut plan = self.plan.clone();
        let headers = &mut plan.headers;
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        // A packed answer would have other bytes, and other places in them.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if from == 0 {
            return plan;
        }
        if let Ok(range) = HeaderValue::from_str(&format!("bytes={from}-")) {
            headers.insert(header::RANGE, range);
        }
        if let Some(tag) = self.part.tag().and_then(|tag| HeaderValue::from_str(tag).ok()) {
            headers.insert(header::IF_RANGE, tag);
        }
        plan
    }

    /// Looks into an answer that may be an error in the dress of a success: JSON, or the page of a gateway. Returns
    /// what was read for that.
    async fn judged(&mut self, reply: &mut Reply) -> Result<BytesMut, Verdict> {
        const ENOUGH: usize = 256 << 10;
        let mut first = BytesMut::new();
        let kind = reply.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_ascii_lowercase();
        if reply.status != StatusCode::OK || !(kind.contains("json") || kind.contains("text/html")) {
            return Ok(first);
        }
        while first.len() < ENOUGH {
            match self.piece(reply).await? {
                Some(piece) => first.extend_from_slice(&piece),
                None => break,
            }
        }
        if kind.contains("html") {
            return Err(retry(wrong("the answer is a web page, and not the file that was asked for")));
        }
        let seen = self.client.failure(self.plan, reply.status, &reply.headers, &first);
        match self.client.dialect().judge_success(&seen) {
            None => Ok(first),
            Some(verdict) => Err(self.client.settle(verdict, reply.generation, &seen, &self.attempts).await),
        }
    }

    fn is_same(&self, headers: &HeaderMap) -> bool {
        match (self.part.tag(), strong_tag(headers)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (ours, _) => ours.is_some() || self.to.sha256.is_some(),
        }
    }

    /// Takes note of the size that the answer tells.
    fn expect(&mut self, total: Option<u64>) -> Result<(), Verdict> {
        if let (Some(wanted), Some(total)) = (self.to.size, total)
            && wanted != total
        {
            let message = format!("the vendor offers {total} bytes, and {wanted} are expected");
            return Err(Verdict::Fail(wrong(message)));
        }
        self.total = self.to.size.or(total);
        Ok(())
    }

    async fn begin(&mut self, tag: Option<String>) -> Result<(), Verdict> {
        let begun = self.part.restart(tag).await;
        (self.kept, self.resumed) = (0, false);
        begun.map_err(|e| self.unwritten(&e))
    }

    async fn receive(&mut self, reply: &mut Reply, gathered: &mut BytesMut) -> Result<(), Verdict> {
        let ended = loop {
            match self.piece(reply).await {
                Ok(Some(piece)) => gathered.extend_from_slice(&piece),
                Ok(None) => break Ok(()),
                Err(verdict) => break Err(verdict),
            }
            if gathered.len() >= STEP {
                self.write(gathered.split().freeze()).await?;
            }
        };
        // What came before a connection broke is worth keeping.
        self.write(gathered.split().freeze()).await?;
        ended?;
        match self.total {
            Some(total) if self.part.length() < total => Err(retry(self.short(total))),
            _ => Ok(()),
        }
    }

    async fn piece(&self, reply: &mut Reply) -> Result<Option<Bytes>, Verdict> {
        let limit = self.client.policy().read_timeout;
        let piece = self.client.piece_within(&mut reply.body, limit).await;
        let piece = piece.transpose().map_err(|e| retry(broken(self.plan, e)))?;
        piece.iter().for_each(|piece| reply.measured.add(piece));
        Ok(piece)
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Verdict> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = self.part.length() + bytes.len() as u64;
        if let Some(total) = self.total.filter(|total| length > *total) {
            let message = format!("more than {total} bytes arrive, and {total} are expected");
            self.begin(None).await?;
            return Err(retry(wrong(message)));
        }
        self.part.write(bytes).await.map_err(|e| self.unwritten(&e))?;
        if let Some(watcher) = &self.to.watcher {
            watcher(self.part.length(), self.total);
        }
        Ok(())
    }

    /// Proves what is there and gives it its name; `None` when it is to be asked for anew.
    async fn settle(&mut self) -> Result<Option<Downloaded>> {
        let (bytes, found) = (self.part.length(), self.part.digest().map_err(|e| self.unwritten_error(&e))?);
        if let Some(wanted) = self.to.sha256.filter(|wanted| *wanted != found) {
            return self.unproven(wanted, found).await;
        }
        if let Err(error) = self.part.commit().await {
            return Err(self.unwritten_error(&error));
        }
        let path = self.to.target.clone();
        Ok(Some(Downloaded { path, bytes, sha256: found.to_string(), kept: self.kept }))
    }

    /// Bytes of two answers may be of two versions, so the whole is asked for once more; bytes of one are wrong.
    async fn unproven(&mut self, wanted: Digest, found: Digest) -> Result<Option<Downloaded>> {
        if self.resumed {
            return match self.begin(None).await {
                Ok(()) => Ok(None),
                Err(_) => Err(wrong("what is there is of another version, and cannot be thrown away")),
            };
        }
        self.part.discard().await.map_err(|e| self.unwritten_error(&e))?;
        Err(Error::new(ErrorKind::Decode, format!("what arrived has the SHA-256 {found}, and not {wanted}"))
            .with_hint(
                "nothing of it was kept; ask the vendor for the hash again, and look whether a proxy changes downloads",
            ))
    }

    fn short(&self, total: u64) -> Error {
        let message = format!("the answer ended after {} of {total} bytes", self.part.length());
        Error::new(ErrorKind::Network, message).with_operation(self.plan.operation.name)
    }

    fn unwritten(&self, error: &io::Error) -> Verdict {
        Verdict::Fail(self.unwritten_error(error))
    }

    fn unwritten_error(&self, error: &io::Error) -> Error {
        unwritable(self.part.path(), error, "make room or name another file, and run it again")
    }

    /// The error of a download that stopped, with what is there and what to do.
    fn told(&self, error: Error) -> Error {
        let error = self.client.dress(self.plan, &self.attempts, error);
        let there = self.part.length();
        if there == 0 || !matches!(error.kind(), ErrorKind::Network | ErrorKind::Timeout) {
            return error;
        }
        let of = self.total.map(|total| format!(" of {total}")).unwrap_or_default();
        let then = if self.goes_on() { "goes on from there" } else { "begins anew" };
        let path = self.part.path().display();
        error.with_hint(format!("{there}{of} bytes are in {path}: run it again, and it {then}"))
    }
}

/// How the answer is packed, if it is.
fn packed(headers: &HeaderMap) -> Option<String> {
    let codings: Vec<String> = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .collect();
    (!codings.is_empty()).then(|| codings.join(", "))
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Decode, message)
        .with_hint("if it stays, a proxy or gateway may be answering in the vendor's place")
}

#[cfg(test)]
#[path = "../download_tests.rs"]
mod tests;
