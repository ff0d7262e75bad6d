use std::time::Duration;

use bytes::Bytes;
use edr_core::ErrorKind;
use futures_util::TryStreamExt as _;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::{Instant, sleep, timeout};

use crate::testing::{READ, client_of};
use crate::{HttpClient, MemoryTransport, RequestPlan};

/// A tenant that sends a line every so often, for ever.
fn endless(pause: Duration) -> HttpClient {
    client_of(MemoryTransport::new(move |_| async move {
        let body = stream::unfold(0_u32, move |n| async move {
            sleep(pause).await;
            Some((Ok(Bytes::from(format!("{{\"n\":{n}}}\r\n{{\"half\":"))), n + 1))
        });
        let mut answer = http::Response::new(body.boxed());
        answer.headers_mut().insert("x-cs-traceid", "t".parse().unwrap());
        Ok(answer)
    }))
}

#[tokio::test(start_paused = true)]
async fn a_stream_lives_as_long_as_it_is_not_quiet() {
    let begun = Instant::now();
    let reply = endless(Duration::from_secs(20)).stream(RequestPlan::get(&READ, "/feed")).await.unwrap();
    assert_eq!((reply.status().as_u16(), reply.headers()["x-cs-traceid"].to_str().unwrap()), (200, "t"));
    let mut lines = reply.lines(100);
    for n in 0..100 {
        let line = lines.next().await.unwrap().unwrap();
        let prefix = if n == 0 { "" } else { "{\"half\":" };
        assert_eq!(line, format!("{prefix}{{\"n\":{n}}}"));
    }
    assert!(begun.elapsed() > Duration::from_secs(1900), "longer than any deadline");
    let reply = endless(Duration::from_secs(40)).stream(RequestPlan::get(&READ, "/feed")).await.unwrap();
    let mut reply = reply.idle_timeout(Duration::from_secs(35));
    let error = reply.next().await.unwrap().unwrap_err();
    assert!(
        error.is_timeout() && error.is_retryable() && error.to_string().contains("acme (v): ReadThing"),
        "{error}"
    );
    assert!(reply.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_whose_call_is_dropped_loses_nothing() {
    let reply = endless(Duration::from_secs(20)).stream(RequestPlan::get(&READ, "/feed")).await.unwrap();
    let (mut lines, mut seen) = (reply.lines(100), 0);
    while seen < 5 {
        if let Ok(line) = timeout(Duration::from_secs(3), lines.next()).await {
            assert!(line.unwrap().unwrap().ends_with(format!("{{\"n\":{seen}}}").as_bytes()));
            seen += 1;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_without_end_is_an_error_and_the_head_is_tried_again() {
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let client = client_of(MemoryTransport::new(move |_| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { MemoryTransport::json(if n < 2 { 503 } else { 200 }, &format!("a\n\n{}", "x".repeat(50))) }
    }));
    let plan = RequestPlan::get(&READ, "/feed");
    let mut lines = client.stream(plan.clone()).await.unwrap().lines(20);
    let error = lines.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(lines.next().await.is_none());
    let lines = client.stream(plan.clone()).await.unwrap().lines(50).into_stream();
    let lines: Vec<Bytes> = lines.try_collect().await.unwrap();
    assert_eq!(lines, ["a".to_owned(), String::new(), "x".repeat(50)]);
    let whole: Vec<Bytes> = client.stream(plan).await.unwrap().into_stream().try_collect().await.unwrap();
    assert_eq!(whole.concat().len(), 53);
}

#[tokio::test(start_paused = true)]
async fn packed_bodies_stay_packed_until_they_are_to_be_unpacked() {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(b"one\ntwo\n").unwrap();
    let packed = Bytes::from(packed.finish().unwrap());
    let body = packed.clone();
    let client = client_of(MemoryTransport::new(move |_| {
        let body = body.clone();
        async move { MemoryTransport::pieces(200, vec![Ok(body)]) }
    }));
    let plan = RequestPlan::get(&READ, "/feed");
    assert_eq!(client.stream(plan.clone()).await.unwrap().next().await.unwrap().unwrap(), packed);
    let lines = client.stream(plan).await.unwrap().unpacked().lines(10).into_stream();
    assert_eq!(lines.try_collect::<Vec<Bytes>>().await.unwrap(), ["one", "two"]);
}
