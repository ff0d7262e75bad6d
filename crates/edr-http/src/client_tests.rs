use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::testing::{Plain, READ, WRITE, client_of};
use crate::{Budget, ItemEvent, MemoryTransport, Operation};

const PATHS: &[&[&str]] = &[&["resources"]];

/// A client that is given these answers in turn, the last for ever, and a count of the requests.
fn client(answers: Vec<(u16, &'static str)>) -> (HttpClient, Arc<AtomicU32>) {
    client_with(move |n| {
        let (status, body) = answers[(n as usize).min(answers.len() - 1)];
        MemoryTransport::json(status, body)
    })
}

type Answer = Result<http::Response<BodyStream>, TransportError>;

fn client_with(answer: impl Fn(u32) -> Answer + Send + Sync + 'static) -> (HttpClient, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let counter = count.clone();
    let transport = MemoryTransport::new(move |_| {
        let answer = answer(counter.fetch_add(1, Ordering::SeqCst));
        async move { answer }
    });
    (client_of(transport), count)
}

fn read() -> RequestPlan {
    RequestPlan::get(&READ, "/thing")
}

#[tokio::test(start_paused = true)]
async fn a_read_outlives_passing_failures() {
    let (client, count) = client(vec![(503, ""), (429, ""), (200, "{\"err\":1}"), (200, "{}")]);
    assert_eq!(client.fetch(&read()).await.unwrap().body, "{}");
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn retries_end_and_say_so() {
    let (client, count) = client(vec![(500, "")]);
    let error = client.fetch(&read()).await.unwrap_err();
    assert_eq!(count.load(Ordering::SeqCst), 5);
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Vendor, 5));
    assert_eq!(error.retry_status(), RetryStatus::Persistent);
    assert!(
        error.to_string().starts_with("acme (v): ReadThing: the vendor failed [HTTP 500] (after 5 attempts)"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_is_repeated_only_when_it_was_certainly_not_done() {
    let write = RequestPlan::post_json(&WRITE, "/thing", "{}");
    let (client1, count) = client(vec![(500, ""), (200, "{}")]);
    let error = client1.fetch(&write).await.unwrap_err();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(error.hint().unwrap().contains("look whether it was done"));
    for kind in [TransportErrorKind::Interrupted, TransportErrorKind::Timeout] {
        let (client, count) = client_with(move |_| Err(TransportError::new(kind)));
        assert!(client.fetch(&write).await.is_err());
        assert_eq!(count.load(Ordering::SeqCst), 1, "{kind:?}");
    }
    let (client2, count) = client(vec![(429, ""), (401, ""), (200, "{}")]);
    assert!(client2.fetch(&write).await.is_ok());
    assert_eq!(count.load(Ordering::SeqCst), 3);
    let (client3, count) = client_with(|n| match n {
        0 => Err(TransportError::new(TransportErrorKind::Connect)),
        _ => MemoryTransport::json(200, "{}"),
    });
    assert!(client3.fetch(&write).await.is_ok());
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

static REPEATABLE: Operation = Operation::repeatable("TagThing", "Things: write");

/// The answer to each request, by its number.
type Each = fn(u32) -> Answer;

/// What one scripted answer leaves behind: requests, and whether the outcome is unknown.
async fn outcome(operation: &'static Operation, answer: Each) -> (u32, bool) {
    let (client, count) = client_with(answer);
    let error = client.fetch(&RequestPlan::post_json(operation, "/thing", "{}")).await.unwrap_err();
    (count.load(Ordering::SeqCst), error.is_outcome_unknown())
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_write_leaves_its_outcome_unknown() {
    let lost: [(&str, Each); 7] = [
        ("timeout", |_| Err(TransportError::new(TransportErrorKind::Timeout))),
        ("interrupted", |_| Err(TransportError::new(TransportErrorKind::Interrupted))),
        ("500", |_| MemoryTransport::json(500, "")),
        ("504", |_| MemoryTransport::json(504, "<html>")),
        ("an error inside a success", |_| MemoryTransport::json(200, "{\"err\":1}")),
        ("a body that breaks off", |_| {
            MemoryTransport::pieces(200, vec![Err(TransportError::new(TransportErrorKind::Body))])
        }),
        ("refused before, lost then", |n| match n {
            0 => MemoryTransport::json(429, ""),
            1 => Err(TransportError::new(TransportErrorKind::Connect)),
            _ => Err(TransportError::new(TransportErrorKind::Interrupted)),
        }),
    ];
    for (name, answer) in lost {
        let sent = if name.starts_with("refused") { 3 } else { 1 };
        assert_eq!(outcome(&WRITE, answer).await, (sent, true), "{name}");
        assert!(!outcome(&READ, answer).await.1, "{name}: a read changes nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_certainly_not_done_says_so() {
    let certain: [(&str, u32, Each); 6] = [
        ("connect", 5, |_| Err(TransportError::new(TransportErrorKind::Connect))),
        ("tls", 1, |_| Err(TransportError::new(TransportErrorKind::Tls))),
        ("401", 2, |_| MemoryTransport::json(401, "")),
        ("400", 1, |_| MemoryTransport::json(400, "")),
        ("404", 1, |_| MemoryTransport::json(404, "")),
        ("429", 5, |_| MemoryTransport::json(429, "")),
    ];
    for (name, sent, answer) in certain {
        assert_eq!(outcome(&WRITE, answer).await, (sent, false), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_that_outlasts_the_deadline_leaves_a_write_undone() {
    let (client, count) = client_with(|_| {
        let mut answer = MemoryTransport::json(429, "")?;
        answer.headers_mut().insert("retry-after", HeaderValue::from_static("100000"));
        Ok(answer)
    });
    let write = RequestPlan::post_json(&WRITE, "/thing", "{}");
    let error = client.fetch(&write).await.unwrap_err();
    assert!(!error.is_outcome_unknown() && count.load(Ordering::SeqCst) == 1, "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_may_be_repeated_is_still_in_doubt_when_it_was_lost_once() {
    let lost_then_refused: Each = |n| match n {
        0 => Err(TransportError::new(TransportErrorKind::Interrupted)),
        _ => MemoryTransport::json(400, ""),
    };
    assert_eq!(outcome(&REPEATABLE, lost_then_refused).await, (2, true));
    assert_eq!(outcome(&REPEATABLE, |_| MemoryTransport::json(400, "")).await, (1, false));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_read_item_by_item_is_sent_once_too() {
    for body in ["{\"resources\":[1,", "<html>"] {
        let (client, count) = client(vec![(200, body)]);
        let mut reader = client.items(RequestPlan::post_json(&WRITE, "/thing", "{}"), PATHS);
        let error = loop {
            if let Err(error) = reader.next().await.unwrap() {
                break error;
            }
        };
        assert!(error.is_outcome_unknown() && count.load(Ordering::SeqCst) == 1, "{body}: {error}");
    }
}

#[test]
fn what_a_success_says_is_doubted_unless_it_refuses() {
    let of = |operation: &Operation, kind| operation.doubt(Error::new(kind, "")).is_outcome_unknown();
    assert!(of(&WRITE, ErrorKind::Decode) && of(&REPEATABLE, ErrorKind::Vendor));
    assert!(!of(&WRITE, ErrorKind::InvalidRequest) && !of(&READ, ErrorKind::Decode));
}

#[tokio::test(start_paused = true)]
async fn a_401_is_retried_once_with_fresh_credentials_and_costs_no_retry() {
    let (client1, count) = client(vec![(401, ""), (200, "{}")]);
    assert!(client1.fetch(&read()).await.is_ok());
    assert_eq!(count.load(Ordering::SeqCst), 2);
    let (client2, count) = client(vec![(401, "")]);
    assert!(client2.fetch(&read()).await.unwrap_err().is_authentication());
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_relocation_is_taken_once() {
    let (client, count) = client(vec![(308, ""), (200, "{}")]);
    assert!(client.fetch(&read()).await.is_ok());
    assert_eq!((client.base().as_str(), count.load(Ordering::SeqCst)), ("https://there.example/", 2));
    assert_eq!(client.take_notices(), ["the tenant's region is at there.example"]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_tenant_waits_as_one() {
    let slow = |n| {
        let mut answer = MemoryTransport::json(if n == 0 { 429 } else { 200 }, "{}")?;
        answer.headers_mut().insert("retry-after", HeaderValue::from_static("30"));
        Ok(answer)
    };
    let (client, _) = client_with(slow);
    let start = Instant::now();
    let other = client.clone();
    let first = tokio::spawn(async move { client.fetch(&read()).await });
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_millis(1)).await;
    other.fetch(&read()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(30));
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_limit_fails_at_once() {
    let (client, count) = client_with(|_| {
        let mut answer = MemoryTransport::json(429, "")?;
        answer.headers_mut().insert("retry-after", HeaderValue::from_static("100000"));
        Ok(answer)
    });
    let error = client.fetch(&read()).await.unwrap_err();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(error.is_rate_limited() && error.retry_after().unwrap() >= Duration::from_secs(100_000));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_over_pace_and_attempts() {
    let base = Url::parse("https://api.example").unwrap();
    let transport = MemoryTransport::new(|_| async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        MemoryTransport::json(200, "{}")
    });
    let client = HttpClient::builder("acme".into(), "v".into(), base, Arc::new(transport), Arc::new(Plain))
        .unwrap()
        .pacer(&Arc::new(Pacer::new(Budget::per_second(1.0))))
        .build();
    let start = Instant::now();
    let error = client.fetch(&read()).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(start.elapsed() <= Duration::from_secs(181));
}

async fn drain(client: &HttpClient) -> Result<(Vec<String>, u32)> {
    let mut reader = client.items(read(), PATHS);
    let (mut items, mut restarts) = (Vec::new(), 0);
    while let Some(event) = reader.next().await {
        match event? {
            ItemEvent::Items(more) => {
                items.extend(more.iter().map(|b| String::from_utf8_lossy(b).into_owned()))
            }
            ItemEvent::Restarted => {
                restarts += 1;
                items.clear();
            }
            ItemEvent::End { skeleton, .. } => assert_eq!(skeleton, "{\"resources\":[]}"),
        }
    }
    Ok((items, restarts))
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_breaks_off_is_read_again() {
    let (client, count) = client_with(|n| match n {
        0 => MemoryTransport::pieces(
            200,
            vec![Ok("{\"resources\":[1,".into()), Err(TransportError::new(TransportErrorKind::Body))],
        ),
        1 => MemoryTransport::json(200, "{\"resources\":[1,2"),
        2 => MemoryTransport::json(200, "<html>"),
        _ => MemoryTransport::json(200, "{\"resources\":[1,2,3]}"),
    });
    let (items, restarts) = drain(&client).await.unwrap();
    assert_eq!(
        (items, restarts, count.load(Ordering::SeqCst)),
        (vec!["1".into(), "2".into(), "3".into()], 2, 4)
    );
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_stays_broken_is_an_error() {
    let (client, count) = client(vec![(200, "{\"resources\":[1,")]);
    let error = drain(&client).await.unwrap_err();
    assert_eq!((error.kind(), count.load(Ordering::SeqCst)), (ErrorKind::Decode, 5));
}

#[test]
fn only_https_or_this_machine() {
    let build = |url: &str| {
        let transport = MemoryTransport::new(|_| async { MemoryTransport::json(200, "{}") });
        let url = Url::parse(url).unwrap();
        HttpClient::builder("a".into(), "v".into(), url, Arc::new(transport), Arc::new(Plain)).is_ok()
    };
    assert!(build("https://api.example") && build("http://127.0.0.1:9"));
    assert!(
        !build("http://api.example") && !build("ftp://127.0.0.1") && !build("https://user:pw@api.example")
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_secret_is_printed() {
    let (client, _) = client(vec![(401, "")]);
    let error = client.fetch(&read()).await.unwrap_err();
    assert!(!format!("{client:?} {error:?} {error}").contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn regions_that_point_at_each_other_end_in_the_error() {
    let (client, count) = client(vec![(308, "")]);
    assert_eq!(client.fetch(&read()).await.unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_429_holds_the_others_even_when_its_own_call_gives_up() {
    let (client, count) = client_with(|_| {
        let mut answer = MemoryTransport::json(429, "")?;
        answer.headers_mut().insert("retry-after", HeaderValue::from_static("120"));
        Ok(answer)
    });
    assert!(client.fetch(&read()).await.is_err());
    let start = Instant::now();
    assert!(client.fetch(&read()).await.is_err());
    assert_eq!(count.load(Ordering::SeqCst), 2);
    assert!(start.elapsed() >= Duration::from_secs(89));
}

#[tokio::test(start_paused = true)]
async fn a_slow_drip_ends_at_the_deadline() {
    for status in [200, 500] {
        let (client, _) = client_with(move |_| {
            let drip = futures_util::stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_secs(10)).await;
                Some((Ok(Bytes::from_static(b" ")), ()))
            });
            let mut answer = http::Response::new(drip.boxed());
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok(answer)
        });
        let start = Instant::now();
        assert!(client.fetch(&read()).await.is_err());
        assert!(start.elapsed() <= Duration::from_secs(200), "{status}: {:?}", start.elapsed());
        assert!(drain(&client).await.is_err());
        assert!(start.elapsed() <= Duration::from_secs(2000), "{status}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_whose_call_is_dropped_goes_on_where_it_was() {
    let (client, count) = client_with(|_| {
        let slow = futures_util::stream::unfold(0, |n| async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            let pieces: [&'static [u8]; 3] = [b"{\"resources\":[1,", b"2,3", b"]}"];
            pieces.get(n).map(|p| (Ok(Bytes::from_static(p)), n + 1))
        });
        Ok(http::Response::new(slow.boxed()))
    });
    let mut reader = client.items(read(), PATHS);
    let mut items = 0;
    loop {
        match timeout(Duration::from_secs(1), reader.next()).await {
            Err(_) => {}
            Ok(Some(event)) => {
                if let ItemEvent::Items(more) = event.unwrap() {
                    items += more.len();
                }
            }
            Ok(None) => break,
        }
    }
    assert_eq!((items, count.load(Ordering::SeqCst)), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn an_address_of_another_tenant_gets_no_credentials() {
    let (client, count) = client(vec![(200, "{}")]);
    assert!(client.checked("https://there.example/x").unwrap_err().to_string().contains("acme"));
    let foreign = Url::parse("https://there.example").unwrap();
    let url = crate::HostRule::own().check(&foreign, "https://there.example/x").unwrap();
    let error = client.fetch(&RequestPlan::at(&READ, http::Method::GET, url)).await.unwrap_err();
    assert!(error.to_string().contains("another host than the tenant's (https://there.example)"), "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 0);
    let own = client.checked("https://api.example/elsewhere?token=x").unwrap();
    assert!(client.fetch(&RequestPlan::at(&READ, http::Method::GET, own)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_plan_may_bring_credentials_of_its_own() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let client = client_of(MemoryTransport::new(move |request: http::Request<Bytes>| {
        let value = &request.headers()[header::AUTHORIZATION];
        log.lock().unwrap().push((value.to_str().unwrap().to_owned(), value.is_sensitive()));
        async { MemoryTransport::json(401, "") }
    }));
    let plan = read().authorized_by(&"Token canary".into()).unwrap();
    assert!(!format!("{plan:?}").contains("canary"));
    assert!(client.fetch(&plan).await.unwrap_err().is_authentication());
    assert_eq!(*seen.lock().unwrap(), [("Token canary".to_owned(), true)]);
    assert!(read().authorized_by(&"a\nb".into()).is_err());
}
