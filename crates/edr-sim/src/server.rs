//! Listeners: HTTP/1.1 on loopback, one task a connection.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::gate::CloseConnection;

/// A listener at work.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<()>,
}

/// Binds an address and serves `app` on it, over TLS when there is an acceptor, until `stop` changes.
pub(crate) async fn listen(
    address: SocketAddr,
    app: Router,
    tls: Option<TlsAcceptor>,
    stop: watch::Receiver<bool>,
) -> io::Result<Listening> {
    let listener = bind(address)?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(accept(listener, app, tls, stop));
    Ok(Listening { address, task })
}

/// How many clients may knock at once: an estate of hundreds of tenants begins with all of them, and one that finds no room
/// is let in a second later.
const BACKLOG: u32 = 4096;

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Elsewhere it would let another program listen here, too.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(
    listener: TcpListener,
    app: Router,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(connection(stream, app.clone(), tls.clone(), stop.clone()));
                }
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    app: Router,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    tokio::select! {
        () = talk(stream, app, tls) => {}
        _ = stop.changed() => {}
    }
}

/// A client that goes away, one that does not trust us, a fault that closes: none is news.
async fn talk(stream: TcpStream, app: Router, tls: Option<TlsAcceptor>) {
    match tls {
        None => speak(stream, app).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                speak(stream, app).await;
            }
        }
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin, app: Router) {
    let service = service_fn(move |request: hyper::Request<Incoming>| respond(app.clone(), request));
    // `X-Cs-Region`, as HTTP/1.1 clients get it from both vendors: falconpy looks headers up by that spelling.
    let _ = hyper::server::conn::http1::Builder::new()
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Runs the router. An error makes hyper close the connection without an answer: the fault `reset`.
async fn respond(app: Router, request: hyper::Request<Incoming>) -> Result<Response, io::Error> {
    let answer: Result<Response, Infallible> = app.oneshot(request.map(Body::new)).await;
    let Ok(response) = answer;
    if response.extensions().get::<CloseConnection>().is_some() {
        return Err(io::Error::other("fault reset"));
    }
    Ok(response)
}
