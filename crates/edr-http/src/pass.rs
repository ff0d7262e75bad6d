//! An answer as it came, whatever it is: for the ways to what has no method of its own.

use std::fmt;

use bytes::{Bytes, BytesMut};
use edr_core::{Error, Result};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::{HeaderMap, StatusCode, header};
use tracing::Instrument as _;

use crate::attempt::{Attempts, Next};
use crate::client::{Reply, broken, retry};
use crate::gunzip::MARK;
use crate::{HttpClient, RequestPlan, Verdict};

/// An answer up to this size is read whole before it is given out: it can be asked for again when it
/// breaks off, and an error inside of it can be told from a success.
const WHOLE: usize = 256 << 10;

/// An answer as it came. `Debug` shows neither values of headers nor the body.
pub struct Passed {
    /// The status, 2xx.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as it arrives. It has no time limit as a whole, only between two pieces.
    pub body: BoxStream<'static, Result<Bytes>>,
}

/// Why a request did not succeed, and what the vendor answered, if it did.
#[derive(Debug)]
pub struct Refusal {
    /// What went wrong, as the vendor's dialect judges.
    pub error: Error,
    /// The last answer: one of another status than 2xx, or a success with an error inside.
    pub answer: Option<Refused>,
}

/// An answer that is no success. `Debug` shows its size alone.
#[derive(Clone)]
pub struct Refused {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, up to 256 KiB of it.
    pub body: Bytes,
}

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passed").field("status", &self.status).finish_non_exhaustive()
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = format_args!("{} bytes", self.body.len());
        f.debug_struct("Refused").field("status", &self.status).field("body", &body).finish_non_exhaustive()
    }
}

/// The beginning of a body: all of it, or as much as shows that it is long.
enum Start {
    Whole(Bytes),
    Long(Bytes),
}

impl HttpClient {
    /// Sends a request, with authorisation, pace and retries as ever, and gives the answer as it came:
    /// a success of any length while it arrives, and a refusal with its body.
    ///
    /// # Errors
    /// As the dialect judges, after all retries.
    pub async fn pass(&self, plan: &RequestPlan) -> Result<Passed, Box<Refusal>> {
        let mut attempts = self.attempts(plan);
        attempts.verbatim = true;
        let span = attempts.request.clone();
        self.passed(plan, &mut attempts).instrument(span).await
    }

    async fn passed(&self, plan: &RequestPlan, attempts: &mut Attempts) -> Result<Passed, Box<Refusal>> {
        loop {
            let opened = self.open(plan, attempts).await;
            let mut reply =
                opened.map_err(|error| Box::new(Refusal { error, answer: attempts.refused.take() }))?;
            let verdict = match self.start(plan, &mut reply, attempts).await {
                Ok(Start::Long(start)) => return Ok(self.long(plan, start, reply)),
                Ok(Start::Whole(body)) => match self.judged(plan, &reply, &body, attempts).await {
                    None => return Ok(whole(body, reply)),
                    Some(verdict) => verdict,
                },
                Err(verdict) => verdict,
            };
            if let Next::Fail(error) = self.next(plan, attempts, verdict).await {
                let error = self.dress(plan, attempts, error);
                return Err(Box::new(Refusal { error, answer: attempts.refused.take() }));
            }
        }
    }

    async fn start(
        &self,
        plan: &RequestPlan,
        reply: &mut Reply,
        attempts: &Attempts,
    ) -> Result<Start, Verdict> {
        let mut start = BytesMut::new();
        while let Some(piece) = self.piece(&mut reply.body, attempts.remaining()).await {
            let piece = piece.map_err(|e| retry(broken(plan, e)))?;
            reply.measured.add(&piece);
            start.extend_from_slice(&piece);
            if start.len() > WHOLE {
                return Ok(Start::Long(start.freeze()));
            }
        }
        Ok(Start::Whole(start.freeze()))
    }

    /// Looks for an error inside a success that speaks JSON, or that a proxy has put in its place.
    async fn judged(
        &self,
        plan: &RequestPlan,
        reply: &Reply,
        body: &Bytes,
        attempts: &mut Attempts,
    ) -> Option<Verdict> {
        // An archive is none, whatever its headers say.
        if !is_speech(&reply.headers) || body.starts_with(&MARK) {
            return None;
        }
        let seen = self.failure(plan, reply.status, &reply.headers, body);
        let verdict = self.dialect().judge_success(&seen)?;
        let verdict = self.settle(verdict, reply.generation, &seen, attempts).await;
        let (status, headers, body) = (reply.status, reply.headers.clone(), body.clone());
        attempts.refused = Some(Refused { status, headers, body });
        Some(verdict)
    }

    /// A body that is too long to be read first. It is on its way to the reader, so it is not asked for again.
    fn long(&self, plan: &RequestPlan, start: Bytes, reply: Reply) -> Passed {
        let Reply { status, headers, body, measured, .. } = reply;
        let (client, plan) = (self.clone(), plan.clone());
        let rest = stream::unfold(Some((body, measured)), move |state| {
            let (client, plan) = (client.clone(), plan.clone());
            async move {
                let (mut body, mut measured) = state?;
                match client.piece(&mut body, client.policy().read_timeout).await? {
                    Ok(piece) => {
                        measured.add(&piece);
                        Some((Ok(piece), Some((body, measured))))
                    }
                    Err(error) => {
                        let error = broken(&plan, error).with_tenant(client.tenant(), client.vendor());
                        Some((Err(error), None))
                    }
                }
            }
        });
        Passed { status, headers, body: stream::once(async { Ok(start) }).chain(rest).boxed() }
    }
}

fn whole(body: Bytes, reply: Reply) -> Passed {
    let body = stream::iter((!body.is_empty()).then_some(Ok(body))).boxed();
    Passed { status: reply.status, headers: reply.headers, body }
}

/// JSON, HTML, or nothing said: what an error of the vendor or of a proxy looks like.
fn is_speech(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()) else { return true };
    kind.contains("json") || kind.contains("html")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use edr_core::ErrorKind;
    use futures_util::TryStreamExt as _;
    use http::Method;

    use super::*;
    use crate::{Dialect, Failure, MemoryTransport, Operation};

    static READ: Operation = Operation::read("Test", "none");
    static WRITE: Operation = Operation::write("Test", "none");

    #[derive(Debug)]
    struct Plain;

    impl Dialect for Plain {
        fn judge(&self, failure: &Failure<'_>) -> Verdict {
            let error = Error::new(ErrorKind::Vendor, format!("status {}", failure.status.as_u16()));
            Verdict::Retry { error, delay: None, unprocessed: false }
        }

        fn judge_success(&self, reply: &Failure<'_>) -> Option<Verdict> {
            let bad = reply.body.starts_with(b"{\"errors\"");
            bad.then(|| Verdict::Fail(Error::new(ErrorKind::InvalidRequest, "inside")))
        }
    }

    /// A client whose vendor answers with these statuses in turn, and with this body.
    fn client(statuses: &'static [u16], body: &str) -> (HttpClient, Arc<AtomicU32>) {
        let (count, body) = (Arc::new(AtomicU32::new(0)), body.to_owned());
        let asked = count.clone();
        let transport = MemoryTransport::new(move |_| {
            let at = asked.fetch_add(1, Ordering::Relaxed) as usize;
            let (status, body) = (statuses[at.min(statuses.len() - 1)], body.clone());
            async move { MemoryTransport::json(status, &body) }
        });
        let base = url::Url::parse("https://api.example.com").unwrap();
        let builder =
            HttpClient::builder("t".into(), "v".into(), base, Arc::new(transport), Arc::new(Plain)).unwrap();
        (builder.build(), count)
    }

    async fn pass(
        statuses: &'static [u16],
        body: &str,
        operation: &'static Operation,
    ) -> (Result<(u16, usize), (String, Option<(u16, usize)>)>, u32) {
        let (client, count) = client(statuses, body);
        let answer = match client.pass(&RequestPlan::new(operation, Method::POST, "/x")).await {
            Ok(passed) => {
                let bytes: Vec<Bytes> = passed.body.try_collect().await.unwrap();
                Ok((passed.status.as_u16(), bytes.iter().map(Bytes::len).sum()))
            }
            Err(refusal) => {
                let seen = refusal.answer.map(|a| (a.status.as_u16(), a.body.len()));
                Err((refusal.error.message().to_owned(), seen))
            }
        };
        (answer, count.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_comes_as_it_is_and_a_refusal_with_its_body() {
        assert_eq!(pass(&[200], "{}", &READ).await, (Ok((200, 2)), 1));
        assert_eq!(pass(&[503, 200], "{}", &READ).await, (Ok((200, 2)), 2));
        let long = "x".repeat(WHOLE * 3);
        assert_eq!(pass(&[200], &long, &READ).await, (Ok((200, long.len())), 1));
        let refused = (Err(("status 503".to_owned(), Some((503, 2)))), 1);
        assert_eq!(pass(&[503, 200], "{}", &WRITE).await, refused, "a write is not repeated");
        let inside = (Err(("inside".to_owned(), Some((200, 13)))), 1);
        assert_eq!(pass(&[200], "{\"errors\":[]}", &WRITE).await, inside);
    }

    #[tokio::test(start_paused = true)]
    async fn an_archive_stays_packed() {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"{\"errors\":[]}").unwrap();
        let packed = Bytes::from(encoder.finish().unwrap());
        let sent = packed.clone();
        let transport = MemoryTransport::new(move |_| {
            let sent = sent.clone();
            async move { MemoryTransport::pieces(200, vec![Ok(sent)]) }
        });
        let base = url::Url::parse("https://api.example.com").unwrap();
        let builder = HttpClient::builder("t".into(), "v".into(), base, Arc::new(transport), Arc::new(Plain));
        let passed = builder.unwrap().build().pass(&RequestPlan::get(&READ, "/x")).await.unwrap();
        let bytes: Vec<Bytes> = passed.body.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), packed);
    }

    #[test]
    fn only_what_could_be_an_error_is_looked_into() {
        let said = |kind: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            kind.map(|kind| headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind)));
            is_speech(&headers)
        };
        assert!([None, Some("application/json; charset=utf-8"), Some("text/html")].into_iter().all(said));
        assert!(!said(Some("application/octet-stream")));
    }
}
