//! A static host group: make it, put hosts into it, and see who is in it.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-groups
//! ```

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::ListParams;
use falcon::api::host_groups::{GroupType, MemberAction, NewHostGroup};
use falcon::api::hosts::HostsParams;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (sim, acme) = simulated(Sim::builder().falcon_hosts(40)).await?;
    let client = acme.client();
    let made = client.create_host_groups(&[NewHostGroup::new("First ring", GroupType::StaticById)]).await?;
    let group = made.resources.first().and_then(|g| g.id.clone()).unwrap_or_default();

    let hosts = client.host_ids(&HostsParams { limit: Some(5), ..HostsParams::default() }).await?;
    let done = client.change_host_group(&MemberAction::Add, &group, &hosts.resources).await?;
    println!("{} taken, {} refused", done.done.len(), done.refused.len());

    // The search index lags behind a change.
    sim.advance(std::time::Duration::from_secs(60));
    for host in client.host_group_members(&group, &ListParams::default()).await?.resources {
        println!("{}\t{}", host.device_id.unwrap_or_default(), host.hostname.unwrap_or_default());
    }
    Ok(())
}
