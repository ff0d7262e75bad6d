//! A scan of some hosts, watched until it is done, and what it has found.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-scan
//! ```

use std::time::Duration;

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::ListParams;
use falcon::api::hosts::HostsParams;
use falcon::api::ods::{CpuPriority, NewScan, ScanStatus};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (sim, acme) = simulated(Sim::builder().falcon_hosts(60)).await?;
    let client = acme.client();
    let windows = HostsParams { filter: "platform_name:'Windows'".to_owned(), ..HostsParams::default() };
    let hosts = client.host_ids(&windows).await?.resources;

    let mut new = NewScan::of_hosts(r"C:\Users\**", hosts.into_iter().take(15));
    new.settings.cpu_priority = Some(CpuPriority::Low);
    new.settings.quarantine = Some(true);
    let started = client.start_scan(&new).await?.resources.remove(0);
    let id = started.id.unwrap_or_default();
    loop {
        let Some(scan) = client.scans_by_id(&[&id]).await?.found.into_iter().next() else {
            anyhow::bail!("the scan is gone")
        };
        let status = scan.status.unwrap_or(ScanStatus::Pending);
        let scanned = scan.filecount.and_then(|f| f.scanned).unwrap_or_default();
        println!("{status}: {scanned} files, {} hosts done", scan.completed_host_count.unwrap_or_default());
        if !matches!(status, ScanStatus::Pending | ScanStatus::Running) {
            break;
        }
        // Against a real tenant this is a pause; here the simulator's time is moved.
        sim.advance(Duration::from_secs(30));
    }
    let found = ListParams::filtered(format!("scan_id:'{id}'"));
    let files = client.malicious_file_ids(&found).await?.resources;
    for file in client.malicious_files_by_id(&files).await?.found {
        println!("{}\t{}", file.host_id.unwrap_or_default(), file.filepath.unwrap_or_default());
    }
    Ok(())
}
