use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeZone as _;
use edr_core::ProbeState;
use edr_core::clock::ManualClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{BodyStream, Dialect, Failure, HttpTransport, MemoryTransport, ReqwestTransport, Verdict};

#[derive(Debug)]
struct Plain;

impl Dialect for Plain {
    fn judge(&self, _: &Failure<'_>) -> Verdict {
        Verdict::Fail(Error::new(ErrorKind::Vendor, ""))
    }
}

/// A transport with a name service of its own.
#[derive(Clone, Debug)]
struct Named {
    inner: MemoryTransport,
    resolution: Resolution,
}

#[async_trait]
impl HttpTransport for Named {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<BodyStream>, TransportError> {
        self.inner.send(request).await
    }

    async fn resolve(&self, _: &Url) -> Resolution {
        self.resolution.clone()
    }
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 4, 12, 0, 0).unwrap()
}

fn client(base: &str, transport: Arc<dyn HttpTransport>) -> HttpClient {
    let base = Url::parse(base).unwrap();
    HttpClient::builder("acme".into(), "v".into(), base, transport, Arc::new(Plain))
        .unwrap()
        .clock(Arc::new(ManualClock::at(now())))
        .build()
}

/// A client whose host is found and answers 404 with this difference of clocks.
fn dated(seconds: Option<i64>) -> HttpClient {
    let transport = MemoryTransport::new(move |_| async move {
        let mut response = MemoryTransport::json(404, "{}")?;
        if let Some(seconds) = seconds {
            let date = (now() + TimeDelta::seconds(seconds)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            response.headers_mut().insert("date", date.parse().unwrap());
        }
        Ok(response)
    });
    let resolution = Resolution::Addresses(vec![[192, 0, 2, 7].into(), [192, 0, 2, 8].into()]);
    client("https://api.example.com", Arc::new(Named { inner: transport, resolution }))
}

fn late(_: Skew) -> Cow<'static, str> {
    "set the clock".into()
}

fn states(reach: &Reach) -> [ProbeState; 3] {
    reach.probes(late).map(|p| p.state)
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_any_status_proves_the_way_and_tells_the_time() {
    use ProbeState::{Passed, Skipped, Warned};
    for (seconds, state, says) in [
        (Some(0), Passed, "right within 1 s"),
        (Some(-20), Passed, "20 s ahead of the vendor's"),
        (Some(59), Passed, "60 s behind the vendor's"),
        (Some(600), Warned, "10 min behind the vendor's"),
        (Some(-600), Warned, "10 min ahead of the vendor's"),
        (Some(86_400 * 30), Warned, "30 days behind"),
        (None, Skipped, "tells no time"),
    ] {
        let reach = dated(seconds).reach().await;
        let [address, connection, clock] = reach.probes(late);
        assert_eq!(address.value.as_deref(), Some("api.example.com is 192.0.2.7, 192.0.2.8"));
        assert_eq!(connection.state, Passed);
        assert!(connection.value.unwrap().starts_with("TLS, answers in "));
        assert_eq!(clock.state, state, "{seconds:?}");
        assert!(clock.value.as_deref().unwrap().contains(says), "{:?}", clock.value);
        assert_eq!(clock.hint().is_some(), state == Warned);
        assert!(reach.obstacle().is_none());
    }
}

#[test]
fn a_slow_answer_makes_the_time_uncertain() {
    let mut headers = HeaderMap::new();
    headers.insert("date", "Wed, 04 Mar 2026 12:01:05 GMT".parse().unwrap());
    let skew = skew(&headers, now(), Duration::from_secs(10)).unwrap();
    assert_eq!((skew.offset.num_milliseconds(), skew.margin.num_milliseconds()), (60_500, 5_500));
    assert!(!skew.exceeds(RIGHT) && skew.exceeds(TimeDelta::seconds(50)));
}

#[tokio::test(start_paused = true)]
async fn the_request_has_no_credentials_and_is_sent_once() {
    let seen: Arc<Mutex<Vec<http::Request<Bytes>>>> = Arc::default();
    let log = seen.clone();
    let transport = MemoryTransport::new(move |request| {
        log.lock().unwrap().push(request);
        async { Err(TransportError::new(TransportErrorKind::Connect)) }
    });
    let reach = client("http://localhost:1/gateway/", Arc::new(transport)).reach().await;
    assert_eq!(states(&reach), [ProbeState::Passed, ProbeState::Failed, ProbeState::Skipped]);
    let sent = seen.lock().unwrap();
    assert_eq!((sent.len(), sent[0].uri().to_string()), (1, "http://localhost:1/gateway/".to_owned()));
    assert!(!sent[0].headers().contains_key("authorization") && sent[0].body().is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_failure_says_where_to_look() {
    for (kind, expected, says, is_configured) in [
        (TransportErrorKind::Connect, ErrorKind::Network, "firewall", false),
        (TransportErrorKind::Interrupted, ErrorKind::Network, "firewall", true),
        (TransportErrorKind::Timeout, ErrorKind::Timeout, "drops", false),
        (TransportErrorKind::Tls, ErrorKind::Tls, "certificate", true),
    ] {
        let transport = MemoryTransport::new(move |_| async move { Err(TransportError::new(kind)) });
        let resolution = Resolution::Proxy { name: "proxy.example:3128".to_owned(), is_configured };
        let transport = Named { inner: transport, resolution };
        let reach = client("https://api.example.com", Arc::new(transport)).reach().await;
        let [address, connection, clock] = reach.probes(late);
        let error = connection.error.as_ref().unwrap();
        assert_eq!(error.kind(), expected);
        let hint = connection.hint().unwrap();
        assert!(hint.contains(says), "{hint}");
        assert_eq!(
            (hint.contains("HTTPS_PROXY"), hint.contains("`proxy` in the configuration")),
            (!is_configured, is_configured)
        );
        let begins = "api.example.com port 443 by the proxy proxy.example:3128: ";
        assert!(error.message().starts_with(begins), "{error}");
        assert!(address.value.unwrap().contains("looked up by the proxy proxy.example:3128"));
        assert_eq!(clock.value.as_deref(), Some("there is no connection"));
        assert_eq!(reach.obstacle(), Some("there is no connection"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_given_up() {
    let transport = MemoryTransport::new(|_| std::future::pending());
    let began = Instant::now();
    let reach = client("https://api.example.com", Arc::new(transport)).reach().await;
    assert_eq!(reach.answer.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(began.elapsed(), ANSWER);
}

#[tokio::test(start_paused = true)]
async fn a_host_without_an_address_is_not_connected_to() {
    let transport = MemoryTransport::new(|_| async { panic!("nothing may be sent") });
    let resolution = Resolution::Failed(nameless("api.example.com", "no such host"));
    let reach =
        client("https://api.example.com", Arc::new(Named { inner: transport, resolution })).reach().await;
    assert_eq!(states(&reach), [ProbeState::Failed, ProbeState::Skipped, ProbeState::Skipped]);
    assert_eq!(reach.obstacle(), Some("the host has no address"));
}

#[tokio::test]
async fn the_real_client_looks_names_up() {
    let url = |text: &str| Url::parse(text).unwrap();
    let transport = ReqwestTransport::new(&crate::TransportOptions::default()).unwrap();
    let found = transport.resolve(&url("http://localhost:80")).await;
    assert!(matches!(&found, Resolution::Addresses(a) if a.iter().all(IpAddr::is_loopback)), "{found:?}");
    let literal = transport.resolve(&url("http://127.0.0.1:80")).await;
    assert!(matches!(&literal, Resolution::Addresses(a) if a.len() == 1), "{literal:?}");
}

/// Over a real socket: one request, and a refused connection with its cause.
#[tokio::test]
async fn over_a_real_socket() {
    let mut server = mockito::Server::new_async().await;
    let mock = server.mock("GET", "/").with_status(403).expect(1).create_async().await;
    let transport = Arc::new(ReqwestTransport::new(&crate::TransportOptions::default()).unwrap());
    let reach = client(&server.url(), transport.clone()).reach().await;
    mock.assert_async().await;
    let answered = reach.answer.as_ref().unwrap().as_ref().unwrap();
    assert_eq!(answered.status, 403);
    assert!(reach.probes(late)[1].value.as_deref().unwrap().starts_with("plain http on this machine"));
    let (plain, transport_of_tls) = (server.url().replace("http://", "https://"), transport.clone());
    let [_, connection, _] = client(&plain, transport_of_tls).reach().await.probes(late);
    assert_eq!(connection.error.as_ref().unwrap().kind(), ErrorKind::Tls);
    assert!(connection.hint().unwrap().contains("does not speak TLS"), "{connection:?}");
    let reach = client("http://127.0.0.1:9", transport).reach().await;
    let [_, connection, _] = reach.probes(late);
    let error = connection.error.unwrap();
    assert!(error.message().contains("127.0.0.1 port 9: no connection: "), "{error}");
    assert!(error.message().to_lowercase().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_configured_proxy_looks_the_name_up_and_its_password_is_not_told() {
    let proxy = crate::ProxyChoice::Url("http://user:canary@proxy.example:3128".into());
    let options = crate::TransportOptions { proxy, ..Default::default() };
    let transport = crate::ReqwestTransport::new(&options).unwrap();
    let found = transport.resolve(&"https://api.example".parse().unwrap()).await;
    assert!(
        matches!(&found, Resolution::Proxy { name, is_configured: true } if name == "proxy.example:3128"),
        "{found:?}"
    );
    let local = transport.resolve(&"http://127.0.0.1:80".parse().unwrap()).await;
    assert!(matches!(local, Resolution::Addresses(_)), "{local:?}");
}

/// The transport knows the cause; the stage alone would send the reader to the firewall.
#[tokio::test]
async fn a_cause_that_is_known_has_the_hint_of_its_own() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let proxy = crate::ProxyChoice::Url(proxy.into());
    let options = crate::TransportOptions { proxy, ..Default::default() };
    let transport = Arc::new(ReqwestTransport::new(&options).unwrap());
    let [_, connection, _] = client("https://api.example", transport).reach().await.probes(late);
    let hint = connection.hint().unwrap();
    assert!(hint.contains("proxy_password under [network]"), "{connection:?}");
    assert!(hint.ends_with("; `proxy` in the configuration puts the proxy there"), "{hint}");
}
