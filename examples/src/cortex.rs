//! A simulated tenant of Cortex XDR with its native client.

use std::time::Duration;

use cortex_xdr::{CortexClient, CortexXdr, Generation};
use edr_sim::{Access, Sim};

/// Starts one of this generation. Keep the simulator for as long as the client is used.
///
/// # Errors
/// When the simulator cannot listen on loopback.
pub async fn simulated(generation: Generation) -> anyhow::Result<(Sim, CortexClient)> {
    let builder =
        Sim::builder().falcon_tenants(0).cortex_hosts(60).alerts(40).sensor_delay(Duration::from_secs(1));
    let sim = builder.cortex_generation(generation.number()).start().await?;
    let tenant = &sim.tenants()[0];
    let Access::Cortex { api_key_id, api_key, .. } = &tenant.access else {
        anyhow::bail!("not a Cortex tenant")
    };
    // For a real tenant give `.fqdn("acme.xdr.eu.paloaltonetworks.com".parse()?)` in place of the base URL.
    let cortex = CortexXdr::builder("acme", api_key_id, api_key.clone().into())
        .base_url(tenant.base_url.parse()?)
        .generation(generation)
        .build()?;
    let client = cortex.client().clone();
    Ok((sim, client))
}

/// The id of an endpoint that is connected.
///
/// # Errors
/// When there is none.
pub async fn connected(client: &CortexClient) -> anyhow::Result<String> {
    use cortex_xdr::api::endpoints::{EndpointFilters, EndpointStatus};
    let filters = EndpointFilters::new().statuses([EndpointStatus::Connected])?;
    let found = client.endpoint_listing(filters).collect().await?;
    let first = found.items.first().and_then(|item| item.endpoint_id.clone());
    first.ok_or_else(|| anyhow::anyhow!("no endpoint is connected"))
}
