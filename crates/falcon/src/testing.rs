//! A Falcon in memory for this crate's tests: answers by a closure, requests on record.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::{TimeZone as _, Utc};
use edr_core::clock::ManualClock;
use edr_http::{BodyStream, MemoryTransport, TransportError};
use http::Request;

use crate::{Cloud, Falcon, FalconBuilder};

pub(crate) type Answer = Result<http::Response<BodyStream>, TransportError>;

/// One request that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) host: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) authorization: Option<String>,
}

impl Sent {
    fn of(request: &Request<Bytes>) -> Self {
        let url = url::Url::parse(&request.uri().to_string()).unwrap();
        Self {
            host: url.host_str().unwrap().to_owned(),
            method: request.method().to_string(),
            path: url.path().to_owned(),
            query: url.query_pairs().into_owned().collect(),
            body: String::from_utf8_lossy(request.body()).into_owned(),
            authorization: request.headers().get("authorization").map(|v| v.to_str().unwrap().to_owned()),
        }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The values of a key that repeats.
    pub(crate) fn every(&self, key: &str) -> Vec<&str> {
        self.query.iter().filter(|(k, _)| k == key).map(|(_, v)| v.as_str()).collect()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Sent>>>);

impl Log {
    pub(crate) fn all(&self) -> Vec<Sent> {
        self.0.lock().unwrap().clone()
    }

    /// The requests to one path.
    pub(crate) fn to(&self, path: &str) -> Vec<Sent> {
        self.all().into_iter().filter(|s| s.path == path).collect()
    }
}

pub(crate) const TOKEN: &str = "/oauth2/token";

/// A tenant whose requests are answered by the closure, tokens (`token-1`, `token-2`, …) apart.
pub(crate) fn falcon(answer: impl Fn(&Sent) -> Answer + Send + Sync + 'static) -> (Falcon, Log) {
    let (builder, log) = builder(move |sent, mints| match sent.path.as_str() {
        TOKEN => granted(mints),
        _ => answer(sent),
    });
    (builder.build().unwrap(), log)
}

/// A builder whose requests are all answered by the closure, which is told how many tokens were asked for.
pub(crate) fn builder(
    answer: impl Fn(&Sent, usize) -> Answer + Send + Sync + 'static,
) -> (FalconBuilder, Log) {
    let log = Log::default();
    (builder_on(log.clone(), answer), log)
}

fn builder_on(record: Log, answer: impl Fn(&Sent, usize) -> Answer + Send + Sync + 'static) -> FalconBuilder {
    let transport = MemoryTransport::new(move |request| {
        let sent = Sent::of(&request);
        record.0.lock().unwrap().push(sent.clone());
        let answer = answer(&sent, record.to(TOKEN).len());
        async move {
            tokio::task::yield_now().await;
            answer
        }
    });
    let now = Utc.with_ymd_and_hms(2026, 1, 10, 12, 0, 0).unwrap();
    Falcon::builder("acme", "client-id", "canary-secret".into())
        .cloud(Cloud::Us1)
        .transport(Arc::new(transport))
        .clock(Arc::new(ManualClock::at(now)))
}

/// A second builder beside the first, as another process would have it: the same answers and record.
pub(crate) fn twins(
    answer: impl Fn(&Sent, usize) -> Answer + Clone + Send + Sync + 'static,
) -> (FalconBuilder, FalconBuilder, Log) {
    let log = Log::default();
    let (one, two) = (builder_on(log.clone(), answer.clone()), builder_on(log.clone(), answer));
    (one, two, log)
}

pub(crate) fn granted(number: usize) -> Answer {
    let body =
        format!(r#"{{"token_type":"bearer","access_token":"canary-token-{number}","expires_in":1799}}"#);
    MemoryTransport::json(201, &body)
}

pub(crate) fn json(status: u16, body: &str) -> Answer {
    MemoryTransport::json(status, body)
}

pub(crate) fn with_header(answer: Answer, name: &'static str, value: &str) -> Answer {
    let mut answer = answer?;
    answer.headers_mut().insert(name, value.parse().unwrap());
    Ok(answer)
}

/// What the gateway says to a path that it does not know.
pub(crate) fn no_route() -> Answer {
    json(
        404,
        r#"{"meta":{"powered_by":"crowdstrike-api-gateway","trace_id":"t"},"errors":[{"code":404,"message":"404: Page Not Found"}]}"#,
    )
}

/// A page of resources.
pub(crate) fn page(resources: &[String], pagination: &str) -> Answer {
    json(
        200,
        &format!(
            r#"{{"meta":{{"pagination":{pagination}}},"errors":[],"resources":[{}]}}"#,
            resources.join(",")
        ),
    )
}

pub(crate) fn device_id(number: u64) -> String {
    format!("{number:032x}")
}

pub(crate) fn device(number: u64) -> String {
    format!(r#"{{"device_id":"{}","cid":"{}","hostname":"PC-{number}"}}"#, device_id(number), "c".repeat(32))
}

pub(crate) fn composite_id(number: u64) -> String {
    format!("{}:ind:{}:{number}-1-1", "c".repeat(32), device_id(number))
}

/// An alert of the second of its number on 1 January 2026.
pub(crate) fn alert(number: u64) -> String {
    let at = Utc.timestamp_opt(1_767_225_600 + i64::try_from(number).unwrap(), 5).unwrap();
    format!(r#"{{"composite_id":"{}","created_timestamp":"{}"}}"#, composite_id(number), at.to_rfc3339())
}

/// The ids in a body such as `{"ids":[…]}`.
pub(crate) fn ids_of(sent: &Sent) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
    let list = body.get("ids").or(body.get("composite_ids")).unwrap().as_array().unwrap();
    list.iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}
