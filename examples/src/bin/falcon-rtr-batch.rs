//! Real Time Response with many hosts: one command, and a word about each.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-rtr-batch
//! ```

use std::time::Duration;

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::BatchOptions;
use falcon::api::hosts::HostsParams;
use falcon::api::rtr::{BaseCommand, Command, Level};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, acme) = simulated(Sim::builder().falcon_hosts(30)).await?;
    let client = acme.client();
    let ids = client.host_ids(&HostsParams::default()).await?.resources;

    let batch = client.rtr_batch(&ids, &BatchOptions::default()).await?;
    println!("{} of {} hosts are there", batch.hosts().len(), ids.len());
    for refused in &batch.opened().refused {
        println!("{}\t{}", refused.id, refused.error.message.as_deref().unwrap_or_default());
    }
    let ran = batch.run(Level::ReadOnly, &Command::new(BaseCommand::Ps)).await?;
    for (id, row) in &ran.done {
        println!("{id}\t{} lines", row.stdout.as_deref().unwrap_or_default().lines().count());
    }
    println!(
        "{} refused, {} said nothing, {} are open",
        ran.refused.len(),
        ran.unanswered.len(),
        ran.open.len()
    );

    let fetch = batch.get("/etc/hosts").await?;
    let files = batch.fetched(&fetch, Duration::from_secs(60)).await?;
    println!("{} files have come, {} are missing", files.found.len(), files.missing.len());
    Ok(())
}
