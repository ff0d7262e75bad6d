//! One Falcon tenant for the examples of the native client.

use edr_sim::{Access, Sim, SimBuilder};
use falcon::Falcon;

/// A simulated tenant and a client of it. For a real one: `Falcon::from_env("acme")?.build()?`.
///
/// # Errors
/// When the simulator cannot listen on loopback.
pub async fn simulated(sim: SimBuilder) -> anyhow::Result<(Sim, Falcon)> {
    let sim = sim.cortex_tenants(0).start().await?;
    let tenant = sim.tenants()[0].clone();
    let Access::Falcon { client_id, client_secret, .. } = tenant.access else {
        anyhow::bail!("not a Falcon tenant")
    };
    let acme = Falcon::builder("acme", &client_id, client_secret.into())
        .base_url(tenant.base_url.parse()?)
        .build()?;
    Ok((sim, acme))
}
