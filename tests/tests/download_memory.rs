//! A download takes the same memory whatever its size: measured by the peak of the whole process, the simulator that
//! makes the bytes included. `EDR_DOWNLOAD_MIB` sets the size.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

use cortex_xdr::api::endpoints::{EndpointFilters, EndpointStatus};
use cortex_xdr::api::files::FilePaths;
use cortex_xdr::{CortexXdr, Endpoints, KeyType};
use edr_core::clock::{Clock as _, SystemClock};
use edr_sim::{Access, Sim, TenantInfo};
use falcon::api::ListParams;
use falcon::{Download, Falcon};

/// What a download may add to the peak.
const BOUND_KIB: u64 = 24 << 10;

/// More than the bound, so that a download which is held whole fails.
const DEFAULT_MIB: u64 = 48;

fn tenant<'a>(sim: &'a Sim, vendor: &str) -> &'a TenantInfo {
    sim.tenants().iter().find(|t| t.vendor.as_str() == vendor).unwrap()
}

/// Lowers the mark of the peak to the present, where the system lets us; gives what is used now.
#[cfg(target_os = "linux")]
fn begin() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak()
}

/// The largest part of memory that the process has had, in KiB.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn installer(sim: &Sim, to: &Download) -> u64 {
    let tenant = tenant(sim, "falcon");
    let Access::Falcon { client_id, client_secret, .. } = &tenant.access else { panic!("not Falcon") };
    let base = tenant.base_url.parse().unwrap();
    let acme =
        Falcon::builder("acme", client_id, client_secret.clone().into()).base_url(base).build().unwrap();
    let found = acme.client().installers(&ListParams::default()).await.unwrap().resources.remove(0);
    acme.client().download_installer(&found.sha256.unwrap(), to.clone()).await.unwrap().bytes
}

async fn files(sim: &Sim, to: &Download) -> u64 {
    let tenant = tenant(sim, "cortex");
    let Access::Cortex { api_key_id, api_key, .. } = &tenant.access else { panic!("not Cortex") };
    let acme = CortexXdr::builder("acme", api_key_id, api_key.clone().into())
        .base_url(tenant.base_url.parse().unwrap())
        .key_type(KeyType::Advanced)
        .build()
        .unwrap();
    let client = acme.client();
    let filters = EndpointFilters::new().statuses([EndpointStatus::Connected]).unwrap();
    let online = client.endpoint_listing(filters).collect().await.unwrap();
    let one = Endpoints::ids([online.items[0].endpoint_id.clone().unwrap()]).unwrap();
    let order = client.retrieve_files(&one, &FilePaths::new().linux("/x"), None).await.unwrap();
    sim.advance(std::time::Duration::from_secs(60));
    let links = client.retrieval(&order.action_id.unwrap()).await.unwrap().links;
    client.download(links.values().flatten().next().unwrap(), to).await.unwrap().bytes
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_download_takes_the_same_memory_whatever_its_size() {
    let mib = std::env::var("EDR_DOWNLOAD_MIB").ok().and_then(|n| n.parse().ok()).unwrap_or(DEFAULT_MIB);
    let folder = tempfile::tempdir().unwrap();
    for (what, is_falcon) in [("an installer of Falcon", true), ("files of Cortex", false)] {
        // A small one first, so that what is set up once does not count.
        let mut used = 0;
        for size in [1 << 20, mib << 20] {
            let sim = Sim::builder().falcon_hosts(20).cortex_hosts(20).alerts(0).download_bytes(size);
            let sim = sim.epoch(SystemClock.now()).start().await.unwrap();
            let to = Download::to(folder.path().join("file"));
            let before = begin();
            let bytes = if is_falcon { installer(&sim, &to).await } else { files(&sim, &to).await };
            assert!(bytes >= size);
            used = peak() - before;
        }
        eprintln!("{what} of {mib} MiB: {used} KiB more at the peak, of {BOUND_KIB}");
        assert!(used <= BOUND_KIB, "{what}: {used} KiB");
    }
}
