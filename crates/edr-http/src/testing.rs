//! A vendor, credentials and a client for this crate's tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use edr_core::{Error, ErrorKind, PlainDetail, Result};
use http::{HeaderMap, HeaderValue, header};
use url::Url;

use crate::client::retry;
use crate::{
    Authenticator, Dialect, Failure, HttpClient, HttpTransport, Operation, RequestPlan, ServerDelay, Verdict,
    server_delay,
};

pub(crate) static READ: Operation = Operation::read("ReadThing", "Things: read");
pub(crate) static WRITE: Operation = Operation::write("ChangeThing", "Things: write");

#[derive(Debug)]
pub(crate) struct Plain;

impl Dialect for Plain {
    fn judge(&self, f: &Failure<'_>) -> Verdict {
        let detail = PlainDetail { status: Some(f.status.as_u16()), ..PlainDetail::default() };
        let error = |kind| Error::new(kind, "").with_detail(detail.clone());
        match f.status.as_u16() {
            401 => Verdict::Reauthenticate(error(ErrorKind::Authentication)),
            429 => Verdict::Retry {
                error: error(ErrorKind::RateLimited),
                delay: server_delay(f.headers, &[ServerDelay::Standard("retry-after")], f.now),
                unprocessed: true,
            },
            308 => Verdict::Relocate(
                Url::parse("https://there.example").unwrap(),
                error(ErrorKind::Configuration),
            ),
            500.. => Verdict::Retry { error: error(ErrorKind::Vendor), delay: None, unprocessed: false },
            _ => Verdict::Fail(error(ErrorKind::InvalidRequest)),
        }
    }

    fn judge_success(&self, reply: &Failure<'_>) -> Option<Verdict> {
        reply
            .body
            .starts_with(b"{\"err")
            .then(|| retry(Error::new(ErrorKind::Vendor, "an error inside a success")))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicU32);

#[async_trait]
impl Authenticator for Counting {
    async fn authorize(&self, _: &RequestPlan, headers: &mut HeaderMap) -> Result<u64> {
        let generation = self.0.load(Ordering::SeqCst);
        let mut value = HeaderValue::from_str(&format!("canary-{generation}")).unwrap();
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
        Ok(u64::from(generation))
    }

    async fn rejected(&self, _: u64, _: &Failure<'_>) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        true
    }
}

/// A tenant behind this transport.
pub(crate) fn client_of(transport: impl HttpTransport) -> HttpClient {
    let base = Url::parse("https://api.example").unwrap();
    HttpClient::builder("acme".into(), "v".into(), base, Arc::new(transport), Arc::new(Plain))
        .unwrap()
        .authenticator(Arc::new(Counting::default()))
        .jitter(|| 1.0)
        .build()
}
