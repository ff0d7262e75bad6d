//! Falcon alone, in its own words: a page of devices by FQL, and what the reply says about itself.
//!
//! ```console
//! cargo run -p edr-examples --bin native-falcon
//! ```

use edr_sim::{Access, Sim};
use falcon::Falcon;
use falcon::api::hosts::HostsParams;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // A simulated tenant; for a real one give `.cloud(Cloud::Us2)` in place of `.base_url(…)`.
    let sim = Sim::builder().cortex_tenants(0).falcon_hosts(250).start().await?;
    let tenant = &sim.tenants()[0];
    let Access::Falcon { client_id, client_secret, .. } = &tenant.access else {
        anyhow::bail!("not a Falcon tenant")
    };
    let acme = Falcon::builder("acme", client_id, client_secret.clone().into())
        .base_url(tenant.base_url.parse()?)
        .build()?;

    let servers = HostsParams {
        filter: "platform_name:'Windows'+product_type_desc:'Server'".to_owned(),
        sort: Some("last_seen.desc".to_owned()),
        limit: Some(10),
        ..HostsParams::default()
    };
    let reply = acme.client().hosts(&servers).await?;
    println!("{} of {} devices", reply.resources.len(), reply.pagination().total.unwrap_or_default());
    for device in &reply.resources {
        let name = device.hostname.as_deref().unwrap_or("-");
        println!(
            "{name}\t{}\t{}",
            device.os_version.as_deref().unwrap_or("-"),
            device.last_seen.as_deref().unwrap_or("-")
        );
    }
    Ok(())
}
