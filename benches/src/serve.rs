//! The server of the measurement: a shelf of rendered hosts on loopback, in a process of its own.
//!
//! Besides the vendors' paths it has `/shelf/latency/MS`, `/shelf/show/HOSTS` and `/shelf/counted`, by which the
//! measurement steers it and reads how many requests and bytes there were.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use edr_tests::shelf::{Answer, Shelf};
use futures_util::stream;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;

use crate::Outcome;

/// How many clients may knock at once. With the 128 that are usual, some of 200 tenants that begin together would find no
/// room, and wait for a connection that another one has done with: a round trip that no vendor makes them wait.
const BACKLOG: u32 = 4096;

type Body = BoxBody<Bytes, Infallible>;

#[derive(Debug)]
struct Server {
    shelf: Shelf,
    /// The delay before each answer, in milliseconds.
    latency: AtomicU64,
}

/// Serves as many hosts of each vendor until the standard input ends. The address is its first line.
///
/// # Errors
/// When nothing can be listened at.
pub async fn serve(falcon: u64, cortex: u64) -> Outcome<()> {
    let shelf = Shelf::record(falcon, cortex).await;
    let server = Arc::new(Server { shelf, latency: AtomicU64::new(0) });
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let listener = socket.listen(BACKLOG)?;
    println!("http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    std::thread::spawn(end_with_stdin);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let server = server.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(server.clone(), request));
            // A client that goes away is no fault of the server's.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

/// The measurement is over, or has died.
fn end_with_stdin() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if let Some(order) = head.uri.path().strip_prefix("/shelf/") {
        return Ok(respond(server.steer(order)));
    }
    let answer = server.shelf.answer(&Request::from_parts(head, body));
    let latency = server.latency.load(Ordering::Relaxed);
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    Ok(respond(answer))
}

impl Server {
    fn steer(&self, order: &str) -> Answer {
        let body = match order.split_once('/') {
            Some(("latency", ms)) => {
                self.latency.store(ms.parse().unwrap_or_default(), Ordering::Relaxed);
                String::new()
            }
            Some(("show", hosts)) => {
                self.shelf.show(hosts.parse().unwrap_or(usize::MAX));
                String::new()
            }
            _ => {
                let (requests, bytes) = self.shelf.counted();
                format!("{requests} {bytes}")
            }
        };
        Answer { status: 200, pieces: vec![Bytes::from(body)] }
    }
}

fn respond(answer: Answer) -> Response<Body> {
    let length = answer.length();
    let frames =
        answer.pieces.into_iter().filter(|piece| !piece.is_empty()).map(|piece| Ok(Frame::data(piece)));
    let mut response = Response::new(StreamBody::new(stream::iter(frames)).boxed());
    *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, header::HeaderValue::from(length));
    response
}
