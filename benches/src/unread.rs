//! The floor of every listing: the same pages fetched by a bare HTTP client, and dropped unread.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{Outcome, machine, now};

/// The largest page of Falcon's combined endpoint.
const DEVICES: u64 = 10_000;
/// The largest window of Cortex XDR.
const ENDPOINTS: u64 = 100;
/// How many tenants are read at once; as many as the library reads.
const AT_ONCE: usize = 32;

/// Reads tenants of both vendors with so many hosts each, one page after the other, each tenant over a connection of its own.
///
/// # Errors
/// When an answer does not come, or is no success.
pub async fn unread(address: &str, falcon: u64, cortex: u64, hosts: u64) -> Outcome<()> {
    let began = now();
    let tenants = (0..falcon + cortex).map(|n| tenant(address, n < falcon, hosts));
    let bytes: Vec<u64> = stream::iter(tenants).buffer_unordered(AT_ONCE).try_collect().await?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    let items = if bytes.iter().sum::<u64>() > 0 { (falcon + cortex) * hosts } else { 0 };
    println!("{{\"items\":{items},\"ms\":{ms:.3},\"peak_kib\":{}}}", machine::peak_kib());
    Ok(())
}

async fn tenant(address: &str, is_falcon: bool, hosts: u64) -> Outcome<u64> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (mut client, connection) = handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    if !is_falcon {
        let mut bytes = 0;
        for from in (0..hosts).step_by(ENDPOINTS as usize) {
            let body =
                format!("{{\"request_data\":{{\"search_from\":{from},\"search_to\":{}}}}}", from + ENDPOINTS);
            bytes += drop_answer(&mut client, "/public_api/v1/endpoints/get_endpoint", body).await?;
        }
        return Ok(bytes);
    }
    let mut bytes =
        drop_answer(&mut client, "/oauth2/token", "client_id=id&client_secret=secret".to_owned()).await?;
    for from in (0..hosts).step_by(DEVICES as usize) {
        let path = format!("/devices/combined/devices/v1?limit={DEVICES}&offset={from}");
        bytes += drop_answer(&mut client, &path, String::new()).await?;
    }
    Ok(bytes)
}

/// Sends a request, and counts the bytes of the answer.
async fn drop_answer(client: &mut SendRequest<Full<Bytes>>, path: &str, body: String) -> Outcome<u64> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request = Request::builder().method(method).uri(path).header(header::HOST, "shelf");
    client.ready().await?;
    let answer = client.send_request(request.body(Full::from(body))?).await?;
    if !answer.status().is_success() {
        return Err(format!("{path}: {}", answer.status()).into());
    }
    let (mut body, mut bytes) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(bytes)
}
