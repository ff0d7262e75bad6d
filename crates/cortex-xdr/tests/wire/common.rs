//! A tenant in memory: a handler answers, and everything that was sent is kept.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use cortex_xdr::{CortexXdr, CortexXdrBuilder, Generation};
use edr_core::clock::ManualClock;
use edr_http::{BodyStream, MemoryTransport, TransportError};
use http::{HeaderMap, Request, Response};
use secrecy::SecretString;
use serde_json::{Value, json};

/// A secret that must not be seen anywhere.
pub(crate) const KEY: &str = "canary-api-key";

/// One request as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// `request_data`, or null.
    pub(crate) data: Value,
    pub(crate) body: Bytes,
}

impl Seen {
    fn of(request: &Request<Bytes>) -> Self {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        Self {
            path: request.uri().path().to_owned(),
            headers: request.headers().clone(),
            data: body["request_data"].clone(),
            body: request.body().clone(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub(crate) fn window(&self) -> (u64, u64) {
        (self.data["search_from"].as_u64().unwrap(), self.data["search_to"].as_u64().unwrap())
    }

    pub(crate) fn is(&self, end: &str) -> bool {
        self.path.ends_with(end)
    }
}

pub(crate) type Answer = Result<Response<BodyStream>, TransportError>;

/// Everything that was sent.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.all().iter().map(|seen| seen.path.rsplit("public_api/").next().unwrap().to_owned()).collect()
    }
}

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_300_000, 0).unwrap()
}

/// A tenant whose API answers with the handler. Generation 3, unpaced, with a clock that stands still.
pub(crate) fn builder(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> (CortexXdrBuilder, Log) {
    let log = Log::default();
    let kept = log.clone();
    let transport = MemoryTransport::new(move |request| {
        let seen = Seen::of(&request);
        kept.0.lock().unwrap().push(seen.clone());
        let answer = handler(&seen);
        async move { answer }
    });
    let builder = CortexXdr::builder("acme", "7", SecretString::from(KEY))
        .fqdn("acme.xdr.eu.paloaltonetworks.com".parse().unwrap())
        .requests_per_second(0.0)
        .clock(Arc::new(ManualClock::at(now())))
        .transport(Arc::new(transport));
    (builder, log)
}

pub(crate) fn tenant(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> (CortexXdr, Log) {
    let (builder, log) = builder(handler);
    (builder.generation(Generation::Xdr3).build().unwrap(), log)
}

pub(crate) fn ok(body: &Value) -> Answer {
    MemoryTransport::json(200, &body.to_string())
}

pub(crate) fn error(status: u16, message: &str) -> Answer {
    let body = json!({"reply": {"err_code": status, "err_msg": message, "err_extra": null}});
    MemoryTransport::json(status, &body.to_string())
}

pub(crate) fn missing() -> Answer {
    error(404, "Not Found")
}

pub(crate) fn dated(answer: Answer, at: DateTime<Utc>) -> Answer {
    let mut response = answer?;
    let date = at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    response.headers_mut().insert("date", date.parse().unwrap());
    Ok(response)
}

pub(crate) fn host(number: u64) -> Value {
    json!({"endpoint_id": format!("{number:032x}"), "endpoint_name": format!("host-{number}"), "os_type": "AGENT_OS_LINUX",
        "first_seen": 1_700_000_000_000_u64 + number, "endpoint_status": "CONNECTED"})
}

pub(crate) fn hosts(numbers: impl Iterator<Item = u64>, total: impl Into<Value>) -> Answer {
    let endpoints: Vec<Value> = numbers.map(host).collect();
    ok(
        &json!({"reply": {"total_count": total.into(), "result_count": endpoints.len(), "endpoints": endpoints}}),
    )
}

pub(crate) fn alert(number: u64, stored: i64) -> Value {
    json!({"alert_id": number.to_string(), "name": "x", "severity": "high", "local_insert_ts": stored,
        "detection_timestamp": stored - 1_000, "events": [{"event_type": "Process Execution"}]})
}

pub(crate) fn alerts(items: &[Value], total: impl Into<Value>) -> Answer {
    ok(&json!({"reply": {"total_count": total.into(), "result_count": items.len(), "alerts": items}}))
}
