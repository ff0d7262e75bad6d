//! Both clients over a transport in memory that answers by a [`Script`], in a time that nobody waits for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use cortex_xdr::{CortexXdr, CortexXdrBuilder};
use edr_core::clock::ManualClock;
use edr_http::{BodyStream, MemoryTransport, TransportError};
use falcon::{Cloud, Falcon, FalconBuilder};
use url::Url;

use crate::script::Script;

/// The name of the tenant that is asked.
pub const TENANT: &str = "fuzzed";

/// A secret and a token that must not come out anywhere.
pub const SECRETS: [&str; 2] = ["c4n4ry-Secret-1b7f", "c4n4ry-Token-93ae"];

/// More requests than these mean that an operation does not end. A walk gives up a circle after some
/// thousand known items, and each page may take several attempts.
const MOST: usize = 50_000;

/// Runs to the end. Time stands still but for waits, which pass at once.
///
/// # Panics
/// When there can be no runtime.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(work)
}

/// The present time of every target.
#[must_use]
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default()
}

/// True when the input itself holds a secret, so that finding one proves nothing.
#[must_use]
pub fn gives_away(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data).to_ascii_lowercase();
    SECRETS.iter().any(|secret| text.contains(&secret.to_ascii_lowercase()))
}

/// Where requests went.
#[derive(Clone, Debug, Default)]
pub struct Visited(Arc<Mutex<Vec<Url>>>);

impl Visited {
    /// The addresses, in order.
    #[must_use]
    pub fn urls(&self) -> Vec<Url> {
        self.0.lock().map(|urls| urls.clone()).unwrap_or_default()
    }
}

/// A transport that answers by the script, a request for a token apart if `grants`.
fn transport(script: Script, grants: bool, visited: Visited) -> Arc<MemoryTransport> {
    let (script, counter) = (Arc::new(script), Arc::new(AtomicUsize::new(0)));
    Arc::new(MemoryTransport::new(move |request: http::Request<bytes::Bytes>| {
        let url = Url::parse(&request.uri().to_string()).expect("requests have absolute addresses");
        let is_token = grants && url.path() == "/oauth2/token";
        if let Ok(mut urls) = visited.0.lock()
            && urls.len() < 100
        {
            urls.push(url);
        }
        let (script, counter) = (script.clone(), counter.clone());
        async move { if is_token { grant() } else { next(&script, &counter).await } }
    }))
}

fn grant() -> Result<http::Response<BodyStream>, TransportError> {
    let body = format!(r#"{{"token_type":"bearer","access_token":"{}","expires_in":1799}}"#, SECRETS[1]);
    MemoryTransport::json(201, &body)
}

async fn next(script: &Script, counter: &AtomicUsize) -> Result<http::Response<BodyStream>, TransportError> {
    let number = counter.fetch_add(1, Ordering::Relaxed);
    assert!(number < MOST, "after {MOST} requests the operation has not ended");
    tokio::time::sleep(script.wait(number)).await;
    script.answer(number)
}

/// A Falcon tenant that gets its token, and is answered by the script for everything else.
#[must_use]
pub fn falcon(script: &[u8]) -> Falcon {
    let builder = falcon_builder(script, true).0.cloud(Cloud::Us1);
    builder.build().expect("the settings are good")
}

/// A Falcon tenant that is discovered; tokens come from the script, too, unless they are granted.
#[must_use]
pub fn falcon_builder(script: &[u8], grants: bool) -> (FalconBuilder, Visited) {
    let visited = Visited::default();
    let builder = Falcon::builder(TENANT, "client", SECRETS[0].into())
        .requests_per_minute(0)
        .clock(Arc::new(ManualClock::at(now())))
        .transport(transport(Script::read(script), grants, visited.clone()));
    (builder, visited)
}

/// A Cortex tenant that is answered by the script.
pub fn cortex(script: &[u8]) -> CortexXdrBuilder {
    CortexXdr::builder(TENANT, "7", SECRETS[0].into())
        .fqdn("fuzzed.xdr.eu.paloaltonetworks.com".parse().expect("a name"))
        .requests_per_second(0.0)
        .clock(Arc::new(ManualClock::at(now())))
        .transport(transport(Script::read(script), false, Visited::default()))
}
