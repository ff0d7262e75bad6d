use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use http::header;
use url::Url;

use super::*;
use crate::testing::{Plain, READ, WRITE, client_of};
use crate::{Body, HttpClient, MemoryTransport, RequestPlan, ReqwestTransport, TransportOptions};

async fn whole(form: &Multipart) -> Vec<u8> {
    form.pieces().await.unwrap().try_collect::<Vec<Bytes>>().await.unwrap().concat()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_form_is_as_long_as_it_says() {
    let folder = folder();
    let path = folder.path().join("a");
    std::fs::write(&path, vec![7; 3 * STEP + 5]).unwrap();
    let file = FileSource::new(&path).await.unwrap();
    let form = Multipart::new().text("name", "x").file("file", "a\"\r\nb", "application/octet-stream", file);
    let bytes = whole(&form).await;
    assert_eq!(bytes.len() as u64, form.length());
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with(&format!(
        "--{}\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n",
        form.boundary
    )));
    assert!(text.contains(
        "name=\"file\"; filename=\"a%22%0D%0Ab\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    ));
    assert!(text.ends_with(&format!("\r\n--{}--\r\n", form.boundary)));
    assert_ne!(Multipart::new().boundary, Multipart::new().boundary);
}

#[tokio::test]
async fn a_form_hides_what_it_holds() {
    let form = Multipart::new().text("password", "canary");
    let plan = RequestPlan::post_multipart(&WRITE, "/x", form);
    assert!(!format!("{plan:?} {:?}", plan.body).contains("canary"));
    assert!(format!("{plan:?}").contains("6 bytes"), "{plan:?}");
}

#[tokio::test]
async fn every_attempt_sends_the_whole_form() {
    let folder = folder();
    let path = folder.path().join("a");
    std::fs::write(&path, "content").unwrap();
    let form = Multipart::new().file("file", "a", "text/plain", FileSource::new(&path).await.unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let client = client_of(MemoryTransport::new(move |request: http::Request<Bytes>| {
        let length = request.headers().get(header::CONTENT_LENGTH).map(|v| v.to_str().unwrap().to_owned());
        log.lock().unwrap().push((length, request.body().clone()));
        let status = [429, 401, 200][(log.lock().unwrap().len() - 1).min(2)];
        async move { MemoryTransport::json(status, "{}") }
    }));
    client.fetch(&RequestPlan::post_multipart(&WRITE, "/x", form.clone())).await.unwrap();
    let sent = seen.lock().unwrap().clone();
    let expected = (Some(form.length().to_string()), Bytes::from(whole(&form).await));
    assert_eq!(sent, vec![expected; 3]);
}

#[tokio::test]
async fn a_file_that_changes_is_not_sent() {
    let folder = folder();
    let path = folder.path().join("a");
    std::fs::write(&path, "content").unwrap();
    let file = FileSource::new(&path).await.unwrap();
    let mut plan = RequestPlan::get(&WRITE, "/x");
    plan.body = Body::File("text/plain", file);
    std::fs::write(&path, "contents").unwrap();
    let client = client_of(MemoryTransport::new(|_| async { panic!("nothing is sent") }));
    let error = client.fetch(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("has changed since"), "{error}");
    assert!(FileSource::new(folder.path()).await.unwrap_err().to_string().contains("no plain file"));
    assert!(FileSource::new(folder.path().join("b")).await.is_err());
}

/// A transport that takes a piece every so often.
#[derive(Debug)]
struct Slow(Duration);

#[async_trait::async_trait]
impl crate::HttpTransport for Slow {
    async fn send(
        &self,
        _: http::Request<Bytes>,
    ) -> Result<http::Response<crate::BodyStream>, crate::TransportError> {
        MemoryTransport::json(200, "{}")
    }

    async fn send_stream(
        &self,
        request: http::Request<SendStream>,
    ) -> Result<http::Response<crate::BodyStream>, crate::TransportError> {
        let mut body = request.into_body();
        while let Some(piece) = body.next().await {
            piece.unwrap();
            tokio::time::sleep(self.0).await;
        }
        MemoryTransport::json(200, "{}")
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_upload_has_the_time_that_it_takes_and_a_dead_one_has_not() {
    let folder = folder();
    let path = folder.path().join("a");
    std::fs::write(&path, vec![0; 20 * STEP]).unwrap();
    let mut plan = RequestPlan::get(&READ, "/x");
    plan.body = Body::File("application/octet-stream", FileSource::new(&path).await.unwrap());
    for (pause, good) in [(50, true), (100_000, false)] {
        let base = Url::parse("https://api.example").unwrap();
        let slow = Arc::new(Slow(Duration::from_secs(pause)));
        let client =
            HttpClient::builder("acme".into(), "v".into(), base, slow, Arc::new(Plain)).unwrap().build();
        let begun = tokio::time::Instant::now();
        assert_eq!(client.fetch(&plan).await.is_ok(), good, "{pause}");
        assert!(begun.elapsed() >= Duration::from_secs(if good { 1000 } else { 60 }));
        assert!(begun.elapsed() <= Duration::from_secs(1200), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_real_connection_announces_the_length() {
    let folder = folder();
    let path = folder.path().join("a");
    std::fs::write(&path, vec![b'x'; 5 * STEP + 1]).unwrap();
    let form = Multipart::new().file("f", "a", "text/plain", FileSource::new(&path).await.unwrap());
    let mut server = mockito::Server::new_async().await;
    let asked = server
        .mock("POST", "/x")
        .match_header("content-length", form.length().to_string().as_str())
        .match_header("content-type", form.kind().as_str())
        .match_body(mockito::Matcher::Regex("x{1000}".to_owned()))
        .with_body("{}")
        .create_async()
        .await;
    let transport = Arc::new(ReqwestTransport::new(&TransportOptions::default()).unwrap());
    let base = Url::parse(&server.url()).unwrap();
    let client =
        HttpClient::builder("acme".into(), "v".into(), base, transport, Arc::new(Plain)).unwrap().build();
    client.fetch(&RequestPlan::post_multipart(&WRITE, "/x", form)).await.unwrap();
    asked.assert_async().await;
}
