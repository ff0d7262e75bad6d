//! The floor of every listing: the same pages fetched by the HTTP client that is below the library, and dropped unread.

use bytes::Bytes;
use edr_http::{HttpTransport as _, ReqwestTransport, TransportOptions};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Request;

use crate::{Outcome, machine, now};

/// The largest page of Falcon's combined endpoint.
const DEVICES: u64 = 10_000;
/// The largest window of Cortex XDR.
const ENDPOINTS: u64 = 100;
/// How many tenants are read at once: more would not be faster where nothing waits.
const AT_ONCE: usize = 32;

/// What becomes of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// It is dropped as it arrives.
    Dropped,
    /// It is gathered, as a client does that decodes whole bodies, and dropped then.
    Gathered,
}

/// Reads tenants of both vendors with so many hosts each, the pages of each one after the other.
///
/// # Errors
/// When an answer does not come, or is no success.
pub async fn unread(page: Page, address: &str, falcon: u64, cortex: u64, hosts: u64) -> Outcome<()> {
    let began = now();
    let base = format!("http://{address}");
    let client = Client { transport: ReqwestTransport::new(&TransportOptions::default())?, base, page };
    let tenants = (0..falcon + cortex).map(|n| client.tenant(n < falcon, hosts));
    let bytes: Vec<u64> = stream::iter(tenants).buffer_unordered(AT_ONCE).try_collect().await?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    let items = if bytes.iter().sum::<u64>() > 0 { (falcon + cortex) * hosts } else { 0 };
    println!("{{\"items\":{items},\"ms\":{ms:.3},\"peak_kib\":{}}}", machine::peak_kib());
    Ok(())
}

struct Client {
    transport: ReqwestTransport,
    base: String,
    page: Page,
}

impl Client {
    async fn tenant(&self, is_falcon: bool, hosts: u64) -> Outcome<u64> {
        if is_falcon { self.devices(hosts).await } else { self.endpoints(hosts).await }
    }

    async fn devices(&self, hosts: u64) -> Outcome<u64> {
        let form = "client_id=id&client_secret=secret".to_owned();
        let mut bytes = self.answer("/oauth2/token", form).await?;
        for from in (0..hosts).step_by(DEVICES as usize) {
            let path = format!("/devices/combined/devices/v1?limit={DEVICES}&offset={from}");
            bytes += self.answer(&path, String::new()).await?;
        }
        Ok(bytes)
    }

    async fn endpoints(&self, hosts: u64) -> Outcome<u64> {
        let mut bytes = 0;
        for from in (0..hosts).step_by(ENDPOINTS as usize) {
            let to = from + ENDPOINTS;
            let body = format!("{{\"request_data\":{{\"search_from\":{from},\"search_to\":{to}}}}}");
            bytes += self.answer("/public_api/v1/endpoints/get_endpoint", body).await?;
        }
        Ok(bytes)
    }

    /// Sends a request, and counts the bytes of the answer.
    async fn answer(&self, path: &str, body: String) -> Outcome<u64> {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let answer = self.transport.send(request.body(Bytes::from(body))?).await?;
        if !answer.status().is_success() {
            return Err(format!("{path}: {}", answer.status()).into());
        }
        let mut body = answer.into_body();
        if self.page == Page::Gathered {
            let pieces: Vec<Bytes> = body.try_collect().await?;
            return Ok(std::hint::black_box(pieces.concat()).len() as u64);
        }
        let mut bytes = 0;
        while let Some(piece) = body.next().await {
            bytes += piece?.len() as u64;
        }
        Ok(bytes)
    }
}
