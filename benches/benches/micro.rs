//! The parts of a listing, one by one: cutting a page, mapping, signing, filters, events.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use cortex_xdr::{CortexXdr, Generation, signature};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use edr_core::{EdrProvider, EdrProviderExt as _, Host, HostQuery};
use edr_http::Cutter;
use edr_ocsf::Writer;
use edr_tests::shelf::{Shelf, ShelfTransport};
use falcon::{Falcon, fql, map};
use secrecy::SecretString;
use tokio::runtime::Runtime;

/// Hosts of either vendor.
const HOSTS: u64 = 1_000;
/// Where Falcon's items are.
const RESOURCES: &[&[&str]] = &[&["resources"]];
/// What arrives at once.
const PIECE: usize = 16 << 10;

struct World {
    runtime: Runtime,
    shelf: Arc<Shelf>,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let shelf = Arc::new(runtime.block_on(Shelf::record(HOSTS, HOSTS)));
        Self { runtime, shelf }
    }

    fn transport(&self) -> Arc<ShelfTransport> {
        Arc::new(ShelfTransport { shelf: self.shelf.clone(), watch: Arc::new(|| ()) })
    }

    fn falcon(&self) -> Falcon {
        let acme = Falcon::builder("acme", "id", "secret".to_owned().into()).transport(self.transport());
        acme.build().expect("a tenant")
    }

    fn cortex(&self) -> CortexXdr {
        let acme = CortexXdr::builder("acme", "1", "key".to_owned().into()).transport(self.transport());
        let acme = acme.fqdn("acme.xdr.eu.paloaltonetworks.com".parse().expect("a name"));
        acme.generation(Generation::Xdr3).requests_per_second(0.0).build().expect("a tenant")
    }

    fn hosts(&self, provider: &dyn EdrProvider) -> Vec<Host> {
        let found = self.runtime.block_on(provider.collect_hosts(&HostQuery::new()));
        found.expect("hosts").items
    }
}

/// Cutting a page into items as it arrives.
fn decode(c: &mut Criterion, hosts: &[Host]) {
    let items: Vec<&str> = hosts.iter().filter_map(|host| host.raw.as_str()).collect();
    let page = Bytes::from(format!("{{\"meta\":{{}},\"resources\":[{}],\"errors\":[]}}", items.join(",")));
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(HOSTS));
    group.bench_function("a Falcon device out of its page", |b| {
        b.iter(|| {
            let mut cutter = Cutter::new(RESOURCES);
            let mut rest = page.clone();
            let mut count = 0;
            while !rest.is_empty() {
                count += cutter.feed(&rest.split_to(PIECE.min(rest.len()))).expect("JSON").len();
            }
            count
        });
    });
    group.finish();
}

fn mapping(c: &mut Criterion, hosts: &[Host]) {
    let context = map::Context { tenant: "acme".into(), now: DateTime::UNIX_EPOCH };
    let items: Vec<Bytes> = hosts.iter().map(|host| Bytes::copy_from_slice(host.raw.as_bytes())).collect();
    let mut group = c.benchmark_group("map");
    group.throughput(Throughput::Elements(HOSTS));
    group.bench_function("a Falcon device", |b| {
        b.iter(|| items.iter().filter(|item| map::host(black_box(item), &context).is_ok()).count());
    });
    group.finish();
}

/// A listing without a network: requests, signatures, cutting, mapping and the walk.
fn listing(c: &mut Criterion, world: &World) {
    let (falcon, cortex) = (world.falcon(), world.cortex());
    let providers: [(&str, &dyn EdrProvider); 2] =
        [("a Falcon host", &falcon), ("a Cortex XDR host", &cortex)];
    let mut group = c.benchmark_group("list in memory");
    group.throughput(Throughput::Elements(HOSTS));
    for (name, provider) in providers {
        group.bench_function(name, |b| b.iter(|| world.hosts(provider).len()));
    }
    group.finish();
}

fn sign(c: &mut Criterion) {
    let key = SecretString::from("k".repeat(128));
    let nonce = "n".repeat(64);
    let mut group = c.benchmark_group("sign");
    group.bench_function("an Advanced request", |b| {
        b.iter(|| signature(black_box(&key), &nonce, 1_763_769_600_000));
    });
    group.finish();
}

fn filters(c: &mut Criterion) {
    let build = || -> Result<fql::Fql, fql::FqlError> {
        let property = |name: &str| fql::field(black_box(name));
        Ok(fql::Fql::all([
            property("platform_name")?.eq("Windows")?,
            property("hostname")?.matches("web*")?,
            property("status")?.any_of(["normal", "containment_pending"])?,
            property("last_seen")?.since(DateTime::UNIX_EPOCH),
        ]))
    };
    let mut group = c.benchmark_group("FQL");
    group.bench_function("four conditions", |b| b.iter(|| build().expect("FQL")));
    group.finish();
}

fn events(c: &mut Criterion, hosts: &[Host]) {
    let writer = Writer::new(DateTime::UNIX_EPOCH);
    let mut group = c.benchmark_group("OCSF");
    group.throughput(Throughput::Elements(HOSTS));
    group.bench_function("the event of a Falcon host", |b| {
        b.iter(|| hosts.iter().map(|host| writer.host(black_box(host)).class_uid()).sum::<u64>());
    });
    group.finish();
}

fn all(c: &mut Criterion) {
    let world = World::new();
    let hosts = world.hosts(&world.falcon());
    decode(c, &hosts);
    mapping(c, &hosts);
    listing(c, &world);
    sign(c);
    filters(c);
    events(c, &hosts);
}

criterion_group!(benches, all);
criterion_main!(benches);
