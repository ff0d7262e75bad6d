//! Contains hosts and tags them. Falcon accepts an order first; it takes effect when the sensor hears of it.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-contain
//! ```

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::hosts::{HostAction, HostsParams, TagAction};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (sim, acme) = simulated(Sim::builder().falcon_hosts(40)).await?;
    let client = acme.client();
    let mut ids = client.host_ids(&HostsParams { limit: Some(3), ..HostsParams::default() }).await?.resources;
    ids.push("0".repeat(32));

    let ordered = client.order_hosts(&HostAction::Contain, &ids).await?;
    println!("{} accepted", ordered.done.len());
    for refusal in &ordered.refused {
        println!("{}: {}", refusal.id, refusal.error.message.as_deref().unwrap_or("refused"));
    }
    client.tag_hosts(&TagAction::Add, &ids[..3], &["under-investigation"]).await?;

    for wait in [0, 30] {
        sim.advance(std::time::Duration::from_secs(wait));
        for host in client.hosts_by_id(&ids[..3]).await?.found {
            println!(
                "after {wait} s\t{}\t{}",
                host.hostname.unwrap_or_default(),
                host.status.map(|s| s.to_string()).unwrap_or_default()
            );
        }
    }
    Ok(())
}
