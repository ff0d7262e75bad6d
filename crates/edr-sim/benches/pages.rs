//! How many pages of 100 hosts a second one core serves: `cargo bench -p edr-sim`.
//!
//! The simulator runs on a runtime with one worker thread. Two clients on threads of their own keep it busy, each with a
//! keep-alive connection on loopback. Every page is another one: a walk by cursor, or a window that moves. Pages a second
//! of the wall clock depend on what else the machine does; so the worker's own CPU time is told as well.

#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edr_sim::clock::instant;
use edr_sim::{Access, Sim, TenantInfo};
use sha2::{Digest, Sha256};

const HOSTS: u64 = 100_000;
const TIME: Duration = Duration::from_secs(5);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A connection that is kept.
struct Client {
    stream: TcpStream,
    kept: Vec<u8>,
}

impl Client {
    fn connect(tenant: &TenantInfo) -> Outcome<Self> {
        let address = tenant.base_url.trim_start_matches("http://");
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, kept: Vec::new() })
    }

    /// Sends a request; the body of a reply that is no success is an error.
    fn call(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Outcome<Vec<u8>> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: sim\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        self.stream.write_all(request.as_bytes())?;
        let (head, reply) = self.reply()?;
        if !head.starts_with("HTTP/1.1 20") {
            return Err(format!("{head}\n{}", String::from_utf8_lossy(&reply)).into());
        }
        Ok(reply)
    }

    fn more(&mut self) -> Outcome<()> {
        let mut chunk = [0; 64 << 10];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            n => {
                self.kept.extend_from_slice(&chunk[..n]);
                Ok(())
            }
        }
    }

    fn reply(&mut self) -> Outcome<(String, Vec<u8>)> {
        let end = loop {
            match self.kept.windows(4).position(|w| w == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.more()?,
            }
        };
        let head = String::from_utf8_lossy(&self.kept[..end]).to_lowercase().replace("http/", "HTTP/");
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
        let length: usize = length.ok_or("a reply without a length")?.trim().parse()?;
        while self.kept.len() < end + length {
            self.more()?;
        }
        let body = self.kept[end..end + length].to_vec();
        self.kept.drain(..end + length);
        Ok((head, body))
    }
}

/// The text of a key in a reply.
fn text(body: &[u8], key: &str) -> Outcome<String> {
    let value: serde_json::Value = serde_json::from_slice(body)?;
    let found = value.pointer(key).and_then(|v| v.as_str()).ok_or_else(|| format!("no {key}"))?;
    Ok(found.to_owned())
}

/// What comes between two marks, without parsing the page.
fn between<'a>(body: &'a [u8], from: &str, to: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(body).ok()?;
    text.split_once(from)?.1.split_once(to).map(|(inside, _)| inside)
}

fn falcon(tenant: &TenantInfo) -> Outcome<(u64, u64)> {
    let Access::Falcon { client_id, client_secret, .. } = &tenant.access else {
        return Err("no Falcon".into());
    };
    let mut client = Client::connect(tenant)?;
    let form = format!("client_id={client_id}&client_secret={client_secret}");
    let kind = "content-type: application/x-www-form-urlencoded\r\n";
    let token = text(&client.call("POST", "/oauth2/token", kind, &form)?, "/access_token")?;
    let auth = format!("authorization: Bearer {token}\r\n");
    let mut offset = String::new();
    measure(|| {
        let path = format!("/devices/combined/devices/v1?limit=100&offset={}", offset.replace('+', "%2B"));
        let body = client.call("GET", &path, &auth, "")?;
        offset = between(&body[..body.len().min(4096)], "\"next\":\"", "\"").unwrap_or_default().to_owned();
        Ok(body.len())
    })
}

fn cortex(tenant: &TenantInfo) -> Outcome<(u64, u64)> {
    let Access::Cortex { api_key_id, api_key, .. } = &tenant.access else { return Err("no Cortex".into()) };
    let mut client = Client::connect(tenant)?;
    let mut from = 0;
    let clock = edr_sim::clock::Clock::new(None);
    measure(|| {
        let (nonce, at) = (format!("{from:064}"), clock.real_ms());
        let digest = Sha256::digest(format!("{api_key}{nonce}{at}"));
        let signature: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        let headers = format!(
            "content-type: application/json\r\nx-xdr-auth-id: {api_key_id}\r\nauthorization: {signature}\r\nx-xdr-nonce: {nonce}\r\nx-xdr-timestamp: {at}\r\n"
        );
        let body = format!("{{\"request_data\":{{\"search_from\":{from},\"search_to\":{}}}}}", from + 100);
        from = (from + 100) % HOSTS;
        Ok(client.call("POST", "/public_api/v1/endpoints/get_endpoint", &headers, &body)?.len())
    })
}

/// Pages and bytes of a run, after a page to warm up.
fn measure(mut page: impl FnMut() -> Outcome<usize>) -> Outcome<(u64, u64)> {
    page()?;
    let began = instant();
    let (mut pages, mut bytes) = (0, 0);
    while began.elapsed() < TIME {
        bytes += page()? as u64;
        pages += 1;
    }
    Ok((pages, bytes))
}

/// The CPU time of a thread of this process in seconds, where the system tells it.
fn cpu(thread: Option<u64>) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{}/schedstat", thread?)).ok()?;
    Some(stat.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// The number of the worker, which says it when it starts.
static WORKER: AtomicU64 = AtomicU64::new(0);

fn say_number() {
    let own = std::fs::read_link("/proc/thread-self").ok();
    let number = own.and_then(|path| path.file_name()?.to_str()?.parse().ok());
    WORKER.store(number.unwrap_or_default(), Ordering::SeqCst);
}

fn tell(name: &str, target: f64, run: impl Fn() -> Result<(u64, u64), String> + Sync) -> Outcome<()> {
    let worker = Some(WORKER.load(Ordering::SeqCst)).filter(|number| *number > 0);
    let (began, used) = (instant(), cpu(worker));
    let both = std::thread::scope(|scope| {
        let clients = [scope.spawn(&run), scope.spawn(&run)];
        clients.map(|client| client.join().unwrap_or_else(|_| Err("a client broke".to_owned())))
    });
    let (seconds, used) =
        (began.elapsed().as_secs_f64(), cpu(worker).zip(used).map(|(now, then)| now - then));
    let [one, other] = both;
    let ((p1, b1), (p2, b2)) = (one?, other?);
    let (pages, bytes) = ((p1 + p2) as f64, (b1 + b2) as f64);
    let size = bytes / pages / 1024.0;
    println!("{name}: {:.0} pages/s of 100 hosts by the wall clock, {size:.0} KiB each", pages / seconds);
    if let Some(used) = used {
        let rate = pages / used;
        let verdict = if rate >= target { "met" } else { "MISSED" };
        let share = 100.0 * used / seconds;
        println!(
            "{name}: {rate:.0} pages a CPU second of the worker (busy {share:.0} %); target {target}: {verdict}"
        );
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).on_thread_start(say_number).enable_all().build()?;
    let builder = Sim::builder().falcon_hosts(HOSTS).cortex_hosts(HOSTS).enforce_limits(false);
    let sim = runtime.block_on(async { tokio::spawn(builder.start()).await })??;
    let [of_falcon, of_cortex] = sim.tenants() else { return Err("two tenants are expected".into()) };
    tell("falcon", 500.0, || falcon(of_falcon).map_err(|e| e.to_string()))?;
    tell("cortex", 2_000.0, || cortex(of_cortex).map_err(|e| e.to_string()))
}
