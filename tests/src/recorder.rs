//! The real transport with a memory: every request, and its answer.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use edr_http::{BodyStream, HttpTransport, ReqwestTransport, TransportError, TransportOptions};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{Request, Response};
use serde_json::Value;

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, as sent.
    pub query: String,
    /// The body.
    pub body: Bytes,
    /// The status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub reply: Bytes,
}

impl Exchange {
    /// The answer as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.reply).unwrap_or_else(|e| panic!("{} {}: {e}", self.method, self.path))
    }
}

/// Where the streams of events are: their answers have no end.
const ENDLESS: &str = "/sensors/entities/datafeed/v1/";

/// A transport that remembers. Answers are read whole before they are handed on, except those without an end, of which
/// no body is remembered.
pub struct Recorder {
    real: ReqwestTransport,
    seen: Mutex<Vec<Exchange>>,
}

impl Default for Recorder {
    fn default() -> Self {
        let real = ReqwestTransport::new(&TransportOptions::default()).expect("nothing is configured");
        Self { real, seen: Mutex::default() }
    }
}

impl Recorder {
    /// What was seen since it was last asked.
    #[must_use]
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl HttpTransport for Recorder {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<BodyStream>, TransportError> {
        let (method, uri, body) = (request.method().clone(), request.uri().clone(), request.body().clone());
        let (head, answer) = self.real.send(request).await?.into_parts();
        let endless = uri.path().starts_with(ENDLESS) && head.status.is_success();
        let (reply, answer) = if endless { (Bytes::new(), answer) } else { whole(answer).await? };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(Exchange {
            method: method.to_string(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            body,
            status: head.status.as_u16(),
            reply,
        });
        Ok(Response::from_parts(head, answer))
    }
}

/// An answer read to its end, and once more as it arrived.
async fn whole(answer: BodyStream) -> Result<(Bytes, BodyStream), TransportError> {
    let pieces: Vec<Bytes> = answer.try_collect().await?;
    let reply = Bytes::from(pieces.concat());
    Ok((reply.clone(), stream::iter([Ok(reply)]).boxed()))
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}
