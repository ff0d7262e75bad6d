//! The engine against the same bytes fetched unread. A cache stands before the simulator, in a process of its own,
//! so that the time is the client's.
//!
//! `cargo bench -p edr-benches --bench engine -- [falcon|cortex|crowd]... [--runs N] [--latency MS]`

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use edr::{Config, Estate, EstateEvent, HostQuery, Options, Selection};
use edr_benches::Times;
use edr_http::{HttpTransport as _, ReqwestTransport, TransportOptions};
use edr_sim::Sim;
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

type Cache = Arc<Mutex<HashMap<Vec<u8>, Bytes>>>;

async fn serve(falcons: u64, hosts: u64, cortexes: u64, endpoints: u64, latency: Duration) {
    let sim = Sim::builder().falcon_tenants(falcons).cortex_tenants(cortexes).alerts(0).falcon_hosts(hosts);
    let sim = sim.cortex_hosts(endpoints).enforce_limits(false).start().await.expect("the simulator");
    let mut text = sim.config_toml();
    for tenant in sim.tenants() {
        let upstream = tenant.base_url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = format!("http://{}", listener.local_addr().expect("an address"));
        text = text.replace(&format!("\"{}\"", tenant.base_url), &format!("\"{own}\""));
        tokio::spawn(accept(listener, upstream, latency));
    }
    print!("{text}\n\0\n");
    use std::io::Write as _;
    std::io::stdout().flush().expect("stdout");
    std::future::pending::<()>().await;
}

async fn accept(listener: TcpListener, upstream: String, latency: Duration) {
    let cache = Cache::default();
    loop {
        let Ok((socket, _)) = listener.accept().await else { return };
        let _ = socket.set_nodelay(true);
        tokio::spawn(answer(socket, upstream.clone(), cache.clone(), latency));
    }
}

/// One message: its head and its body.
async fn message(socket: &mut TcpStream, kept: &mut Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut buffer = vec![0; 256 << 10];
    let end = loop {
        if let Some(at) = kept.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        match socket.read(&mut buffer).await {
            Ok(n) if n > 0 => kept.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&kept[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap_or("0");
    let length: usize = length.trim().parse().ok()?;
    while kept.len() < end + length {
        match socket.read(&mut buffer).await {
            Ok(n) if n > 0 => kept.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
    let body = kept[end..end + length].to_vec();
    let head = kept[..end].to_vec();
    kept.drain(..end + length);
    Some((head, body))
}

async fn answer(mut socket: TcpStream, upstream: String, cache: Cache, latency: Duration) {
    let mut kept = Vec::new();
    while let Some((head, body)) = message(&mut socket, &mut kept).await {
        let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
        let key = [line, &body].concat();
        let known = cache.lock().expect("no panic").get(&key).cloned();
        let reply = match known {
            Some(reply) => reply,
            None => {
                let mut up = TcpStream::connect(&upstream).await.expect("the simulator");
                up.write_all(&[&head[..], &body].concat()).await.expect("sent");
                let (head, body) = message(&mut up, &mut Vec::new()).await.expect("answered");
                let reply = Bytes::from([head, body].concat());
                cache.lock().expect("no panic").insert(key, reply.clone());
                reply
            }
        };
        tokio::time::sleep(latency).await;
        if socket.write_all(&reply).await.is_err() {
            return;
        }
    }
}

/// User and system time of this process in milliseconds.
fn cpu() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks = |i: usize| fields[i].parse::<u64>().expect("ticks") * 10;
    (ticks(11), ticks(12))
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

async fn listed(estate: &Estate, want: u64) -> u64 {
    let mut events = estate.hosts(HostQuery::new());
    let (mut items, mut bytes) = (0, 0);
    while let Some(event) = events.next().await {
        match event {
            EstateEvent::Items(more) => {
                items += more.len() as u64;
                bytes += more.iter().map(|h| h.raw.as_bytes().len() as u64).sum::<u64>();
            }
            EstateEvent::Done(end) => assert!(end.outcome.is_complete(), "{}", end.outcome.summary()),
            _ => {}
        }
    }
    assert_eq!(items, want);
    bytes
}

/// The same bytes, unread.
async fn unread(transport: &ReqwestTransport, base: &str, calls: &[(String, Option<String>)]) -> u64 {
    let mut total = 0;
    for (path, body) in calls {
        let request = match body {
            None => http::Request::get(format!("{base}{path}")).body(Bytes::new()),
            Some(body) => http::Request::post(format!("{base}{path}")).body(Bytes::from(body.clone())),
        };
        let mut reply = transport.send(request.expect("a request")).await.expect("sent").into_body();
        while let Some(piece) = reply.next().await {
            total += piece.expect("a piece").len() as u64;
        }
    }
    total
}

struct Server {
    child: std::process::Child,
    config: Config,
    text: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(args: [u64; 5]) -> Self {
        let me = std::env::current_exe().expect("a path");
        let mut child = Command::new(me)
            .arg("serve")
            .args(args.map(|n| n.to_string()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server");
        let mut text = String::new();
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.expect("text");
            if line == "\0" {
                break;
            }
            text.push_str(&line);
            text.push('\n');
        }
        Self { child, config: Config::from_toml(&text).expect("a configuration"), text }
    }

    fn estate(&self) -> Estate {
        let estate = Estate::connect(&self.config, &Selection::all(), &Options::default()).expect("connects");
        for m in estate.members() {
            m.provider.as_ref().expect("a provider");
        }
        estate
    }

    fn base(&self) -> &str {
        self.text.split("base_url = \"").nth(1).and_then(|t| t.split('"').next()).expect("a base")
    }
}

async fn falcon_calls(server: &Server, size: u32) -> Vec<(String, Option<String>)> {
    let mut calls: Vec<(String, Option<String>)> = Vec::new();
    let table: HashMap<&str, &str> = server.text.lines().filter_map(|l| l.split_once(" = ")).collect();
    let form = format!(
        "client_id={}&client_secret={}",
        table["client_id"].trim_matches('"'),
        table["client_secret"].trim_matches('"')
    );
    let transport = ReqwestTransport::new(&TransportOptions::default()).expect("transport");
    let text = |request: http::Request<Bytes>| {
        let transport = transport.clone();
        async move {
            let mut reply = transport.send(request).await.expect("sent").into_body();
            let mut all = Vec::new();
            while let Some(piece) = reply.next().await {
                all.extend_from_slice(&piece.expect("a piece"));
            }
            String::from_utf8(all).expect("text")
        }
    };
    let base = server.base();
    let request = http::Request::post(format!("{base}/oauth2/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form.clone()))
        .expect("a request");
    let token = text(request).await;
    let token: serde_json::Value = serde_json::from_str(&token).expect("json");
    let token = token["access_token"].as_str().expect("a token").to_owned();
    calls.push(("/oauth2/token".to_owned(), Some(form)));
    let mut next = String::new();
    loop {
        let offset =
            if next.is_empty() { String::new() } else { format!("offset={}&", next.replace('=', "%3D")) };
        let path = format!("/devices/combined/devices/v1?{offset}sort=device_id.asc&limit={size}");
        let request = http::Request::get(format!("{base}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::new())
            .expect("a request");
        let page = text(request).await;
        let page: serde_json::Value = serde_json::from_str(&page).expect("json");
        assert!(page["resources"].is_array(), "{page}");
        calls.push((path, None));
        match page["meta"]["pagination"]["next"].as_str() {
            Some(key) if !key.is_empty() => key.clone_into(&mut next),
            _ => return calls,
        }
    }
}

fn report(name: &str, wall: &Times, cpu: &Times) {
    println!("{name:34} {wall}; cpu {}", cpu.median().as_millis());
}

async fn measure<F: AsyncFn() -> u64>(name: &str, runs: usize, work: F) -> Times {
    let (mut wall, mut own) = (Times::default(), Times::default());
    work().await;
    let mut bytes = 0;
    for _ in 0..runs {
        let (began, before) = (Instant::now(), cpu());
        bytes = work().await;
        wall.add(began.elapsed());
        let after = cpu();
        own.add(Duration::from_millis(after.0 - before.0 + after.1 - before.1));
    }
    report(name, &wall, &own);
    println!("{:34} {bytes} bytes", "");
    wall
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if args.first().is_some_and(|a| a == "serve") {
        let n: Vec<u64> = args[1..].iter().map(|a| a.parse().expect("a number")).collect();
        runtime.block_on(serve(n[0], n[1], n[2], n[3], Duration::from_millis(n[4])));
        return;
    }
    let option = |name: &str| {
        args.iter().position(|a| a == name).map(|i| args[i + 1].parse::<u64>().expect("a number"))
    };
    let runs = option("--runs").unwrap_or(5) as usize;
    let latency = option("--latency").unwrap_or(0);
    let wants = |name: &str| args.iter().any(|a| a == name);
    runtime.block_on(async {
        if wants("falcon") {
            let hosts = option("--hosts").unwrap_or(50_000);
            let server = Server::start([1, hosts, 0, 0, latency]);
            let base = server.base().to_owned();
            let calls = falcon_calls(&server, 10_000).await;
            let transport = ReqwestTransport::new(&TransportOptions::default()).expect("transport");
            let plain = measure(
                "falcon unread, pages of 10000",
                option("--plain").map_or(runs, |n| n as usize),
                async || unread(&transport, &base, &calls).await,
            )
            .await;
            let ours =
                measure("falcon through the stream", runs, async || listed(&server.estate(), hosts).await)
                    .await;
            println!("ratio {:.2}, peak {} MiB", plain.ratio(&ours), peak_kib() >> 10);
        }
        if wants("cortex") {
            let hosts = option("--hosts").unwrap_or(20_000);
            let server = Server::start([0, 0, 1, hosts, latency]);
            measure("cortex through the stream", runs, async || listed(&server.estate(), hosts).await).await;
            println!("peak {} MiB", peak_kib() >> 10);
        }
        if wants("crowd") {
            let server = Server::start([200, 250, 0, 0, latency]);
            measure("200 falcons of 250", runs, async || listed(&server.estate(), 50_000).await).await;
            println!("peak {} MiB", peak_kib() >> 10);
        }
        if wants("cortex-crowd") {
            let server = Server::start([0, 0, 200, 250, latency]);
            measure("200 cortexes of 250", runs, async || listed(&server.estate(), 50_000).await).await;
            println!("peak {} MiB", peak_kib() >> 10);
        }
    });
}
