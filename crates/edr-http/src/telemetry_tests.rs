//! What is counted and what is logged of a call, and what it costs when nobody listens.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use edr_core::{Error, ErrorKind, Noun};
use http::{HeaderMap, HeaderValue, header};
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use url::Url;

use super::*;
use crate::{
    Authenticator, Budget, Dialect, Failure, HttpClient, ItemEvent, MemoryTransport, Operation, Pacer,
    RequestPlan, Verdict,
};

static READ: Operation = Operation::read("ReadThing", "Things: read");
static SLOW: Operation = Operation::read("SlowThing", "Things: read").with_quota(2, Duration::from_secs(60));

#[derive(Debug)]
struct Plain;

impl Dialect for Plain {
    fn judge(&self, f: &Failure<'_>) -> Verdict {
        let retry = |kind, delay| Verdict::Retry { error: Error::new(kind, ""), delay, unprocessed: true };
        match f.status.as_u16() {
            401 => Verdict::Reauthenticate(Error::new(ErrorKind::Authentication, "")),
            429 => retry(ErrorKind::RateLimited, Some(Duration::from_secs(3))),
            500.. => retry(ErrorKind::Vendor, None),
            _ => Verdict::Fail(Error::new(ErrorKind::InvalidRequest, "")),
        }
    }

    fn trace_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        headers.get("x-trace")?.to_str().ok()
    }
}

#[derive(Debug)]
struct Bearer;

#[async_trait]
impl Authenticator for Bearer {
    async fn prepare(&self, _: &RequestPlan) -> edr_core::Result<()> {
        tokio::time::sleep(Duration::from_millis(40)).await;
        Ok(())
    }

    async fn authorize(&self, _: &RequestPlan, headers: &mut HeaderMap) -> edr_core::Result<u64> {
        let mut value = HeaderValue::from_static("Bearer canary-token");
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
        Ok(1)
    }

    async fn rejected(&self, _: u64, _: &Failure<'_>) -> bool {
        true
    }
}

/// A client that is given these answers in turn, the last for ever.
fn client(answers: &'static [(u16, &'static str)]) -> HttpClient {
    let count = AtomicU32::new(0);
    let transport = MemoryTransport::new(move |_| {
        let n = count.fetch_add(1, Ordering::SeqCst) as usize;
        let (status, body) = answers[n.min(answers.len() - 1)];
        let mut answer = MemoryTransport::json(status, body);
        if let Ok(answer) = &mut answer {
            answer.headers_mut().insert("x-trace", HeaderValue::from_static("trace-7"));
        }
        async move { answer }
    });
    let base = Url::parse("https://api.example").unwrap();
    HttpClient::builder("acme".into(), "v".into(), base, Arc::new(transport), Arc::new(Plain))
        .unwrap()
        .authenticator(Arc::new(Bearer))
        .pacer(&Arc::new(Pacer::new(Budget::per_second(1000.0))))
        .jitter(|| 1.0)
        .build()
}

fn plan(operation: &'static Operation) -> RequestPlan {
    RequestPlan::post_json(operation, "/thing", r#"{"filter":"a","api_key":"canary-key"}"#)
}

/// Runs on a paused clock, in this thread, for recorders and subscribers are of a thread.
fn run<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(work)
}

/// Keeps what is counted: `name{label=value,…}` and the sum.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

struct Millis(Arc<AtomicU64>);

impl HistogramFn for Millis {
    fn record(&self, value: f64) {
        self.0.fetch_add((value * 1000.0).round() as u64, Ordering::SeqCst);
    }
}

impl Book {
    fn line(&self, key: &Key) -> Arc<AtomicU64> {
        let mut labels: Vec<String> = key.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
        labels.sort();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    fn read(&self) -> BTreeMap<String, u64> {
        let book = self.0.lock().unwrap();
        book.iter().map(|(name, value)| (name.clone(), value.load(Ordering::SeqCst))).collect()
    }
}

impl Recorder for Book {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, text: SharedString) {
        assert!(!text.is_empty(), "{}", key.as_str());
        self.line(&Key::from_name(format!("described {}", key.as_str())));
    }
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe_counter(key, unit, text);
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.line(key))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Millis(self.line(key))))
    }
}

fn counted(work: impl Future<Output = ()>) -> BTreeMap<String, u64> {
    let book = Book::default();
    metrics::with_local_recorder(&book, || run(work));
    book.read()
}

#[test]
fn a_call_is_counted_with_its_retries_throttles_and_waits() {
    let book = counted(async {
        let client = client(&[(503, "no"), (429, ""), (401, ""), (200, "{}")]);
        client.fetch(&plan(&READ)).await.unwrap();
    });
    let of = |name: &str, labels: &str| {
        book.get(&format!("{name}{{{labels}tenant=acme,vendor=v}}")).copied().unwrap_or_default()
    };
    for status in ["503", "429", "401", "200"] {
        assert_eq!(of(REQUESTS, &format!("operation=ReadThing,status={status},")), 1, "{book:#?}");
    }
    for reason in ["vendor", "rate_limited", "authentication"] {
        assert_eq!(of(RETRIES, &format!("operation=ReadThing,reason={reason},")), 1, "{book:#?}");
    }
    assert_eq!(of(THROTTLES, "operation=ReadThing,"), 1);
    assert_eq!(of(BODY_BYTES, "operation=ReadThing,"), 4, "{book:#?}");
    assert_eq!((of(WAIT, "cause=token,"), of(WAIT, "cause=backoff,")), (160, 500), "{book:#?}");
    // The vendor's 3 s and the backoff on top, less the 40 ms of the token that fall into them.
    assert_eq!(of(WAIT, "cause=cooldown,"), 3960, "{book:#?}");
}

#[test]
fn items_rejects_mints_quotas_and_lost_answers_are_counted() {
    let book = counted(async {
        let client = client(&[(200, r#"{"resources":[{"a":1},{"a":2}]}"#)]);
        let mut reader = client.items(plan(&READ), &[&["resources"]]);
        while let Some(event) = reader.next().await {
            assert!(matches!(event.unwrap(), ItemEvent::Items(_) | ItemEvent::End { .. }));
        }
        drop(reader);
        client.count_rejected(Noun::Host, 3);
        client.count_rejected(Noun::Host, 0);
        client.count_mint(&Ok(()));
        client.count_mint::<()>(&Err(Error::new(ErrorKind::Timeout, "")));
        for _ in 0..3 {
            client.fetch(&plan(&SLOW)).await.unwrap();
        }
    });
    let labels = "tenant=acme,vendor=v}";
    assert_eq!(book[&format!("{ITEMS}{{operation=ReadThing,{labels}")], 2);
    assert_eq!(book[&format!("{BODY_BYTES}{{operation=ReadThing,{labels}")], 31);
    assert_eq!(book[&format!("{REJECTED}{{noun=host,{labels}")], 3);
    assert_eq!(book[&format!("{MINTS}{{outcome=minted,{labels}")], 1);
    assert_eq!(book[&format!("{MINTS}{{outcome=timeout,{labels}")], 1);
    assert!(book[&format!("{WAIT}{{cause=pace,{labels}")] > 60_000, "two a minute: {book:#?}");
}

#[test]
fn every_metric_is_described() {
    let book = Book::default();
    metrics::with_local_recorder(&book, describe);
    let described = book.read();
    for name in [REQUESTS, RETRIES, THROTTLES, WAIT, ITEMS, REJECTED, MINTS, BODY_BYTES] {
        assert!(described.contains_key(&format!("described {name}{{}}")), "{name}");
    }
}

/// Writes spans and events down, one line for each, fields as `key=value`.
#[derive(Clone, Default)]
struct Ear {
    lines: Arc<Mutex<Vec<String>>>,
    names: Arc<Mutex<Vec<&'static str>>>,
    deaf: bool,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Ear {
    fn note(&self, begin: String, record: impl FnOnce(&mut Line)) {
        let mut line = Line(begin);
        record(&mut line);
        self.lines.lock().unwrap().push(line.0);
    }

    fn heard(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        !self.deaf || *metadata.level() < Level::DEBUG
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut names = self.names.lock().unwrap();
        names.push(span.metadata().name());
        self.note(format!("open {}", span.metadata().name()), |line| span.record(line));
        Id::from_u64(names.len() as u64)
    }
    fn record(&self, id: &Id, values: &Record<'_>) {
        let name = self.names.lock().unwrap()[id.into_u64() as usize - 1];
        self.note(format!("note {name}"), |line| values.record(line));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        self.note(format!("{} {}", metadata.level(), metadata.target()), |line| event.record(line));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn spans_and_the_wire_log_tell_the_story_and_no_secret() {
    let ear = Ear::default();
    tracing::subscriber::with_default(ear.clone(), || {
        run(async {
            let refusal = r#"{"errors":[{"message":"what of canary-token?","token":"canary"}]}"#;
            let answers: &'static [(u16, &str)] = Box::leak(Box::new([(503, refusal), (200, "{}")]));
            client(answers).fetch(&plan(&READ)).await.unwrap();
        });
    });
    let heard = ear.heard();
    for told in [
        "open edr.request tenant=acme vendor=v operation=\"ReadThing\"",
        "open edr.attempt attempt=1",
        "note edr.attempt wait_ms=40",
        "note edr.attempt status=503",
        "note edr.attempt trace_id=\"trace-7\"",
        "note edr.attempt bytes=65",
        "open edr.attempt attempt=2",
        "note edr.attempt wait_ms=540",
        "note edr.attempt bytes=2",
        "note edr.request attempts=2",
        "TRACE edr_http::wire message=request method=POST url=\"https://api.example/thing\" attempt=1",
        r#"{\"api_key\":\"[redacted]\",\"filter\":\"a\"}"#,
        "\"authorization\": \"[redacted]\"",
        "status=503 elapsed_ms=0",
        "what of [redacted]?",
    ] {
        assert!(heard.contains(told), "{told}\n{heard}");
    }
    assert!(!heard.contains("canary"), "{heard}");
    assert_eq!(heard.matches("open edr.request").count(), 1, "one for the operation as a whole");
}

#[test]
fn a_page_that_is_asked_for_ahead_is_one_operation() {
    let ear = Ear::default();
    tracing::subscriber::with_default(ear.clone(), || {
        run(async {
            let items = client(&[(200, r#"{"items":[1]}"#)]).items(plan(&READ), &[&["items"]]);
            let mut page = items.ahead().decoded(None, |_| ());
            while page.next().await.is_some() {}
        });
    });
    assert_eq!(ear.heard().matches("open edr.request").count(), 1, "{}", ear.heard());
}

#[test]
fn a_form_is_never_logged() {
    let ear = Ear::default();
    tracing::subscriber::with_default(ear.clone(), || {
        run(async {
            let client = client(&[(400, "<p>bad: canary-secret, canary+a</p>")]);
            let fields = [("client_secret", "canary-secret"), ("other", "canary+a")];
            client.fetch(&RequestPlan::post_form(&READ, "/oauth2/token", &fields)).await.unwrap_err();
        });
    });
    let heard = ear.heard();
    assert!(heard.contains("bytes of application/x-www-form-urlencoded"), "{heard}");
    assert!(heard.contains("<p>bad: [redacted], [redacted]</p>") && !heard.contains("canary"), "{heard}");
}

#[test]
fn what_a_script_is_given_is_not_logged() {
    let given = [
        (
            r#"{"script_uid":"s","parameters_values":{"who":"canary value"}}"#,
            r#"{"err_msg":"no user canary value"}"#,
        ),
        (
            r#"{"command_string":"runscript -CloudFile=s -CommandLine=```'canary value'```"}"#,
            r#"{"message":"no: runscript -CommandLine=```'canary value'```"}"#,
        ),
    ];
    for (sent, answer) in given {
        let ear = Ear::default();
        tracing::subscriber::with_default(ear.clone(), || {
            run(async {
                let plan = RequestPlan::post_json(&READ, "/run", sent);
                client(Box::leak(Box::new([(400, answer)]))).fetch(&plan).await.unwrap_err();
            });
        });
        let heard = ear.heard();
        assert!(heard.contains("the error's body") && heard.matches("[redacted]").count() >= 2, "{heard}");
        assert!(!heard.contains("canary value"), "{heard}");
    }
}

#[test]
fn nothing_is_said_or_prepared_for_the_deaf() {
    let ear = Ear { deaf: true, ..Ear::default() };
    tracing::subscriber::with_default(ear.clone(), || {
        run(async { drop(client(&[(200, "{}")]).fetch(&plan(&READ)).await.unwrap()) });
    });
    assert_eq!(ear.heard(), "");
}

#[test]
fn counting_for_nobody_costs_next_to_nothing() {
    let client = client(&[(200, "{}")]);
    let meter = client.meter();
    let count = 20_000_u32;
    #[expect(clippy::disallowed_methods, reason = "it is measured")]
    let begun = std::time::Instant::now();
    for _ in 0..count {
        meter.request("ReadThing", "200");
    }
    let each = begun.elapsed() / count;
    println!("{each:?} for a count without a recorder");
    assert!(each < Duration::from_micros(50), "{each:?}");
}
