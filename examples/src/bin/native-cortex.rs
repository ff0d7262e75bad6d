//! Cortex XDR alone, in its own words: a page of endpoints with the vendor's filters.
//!
//! ```console
//! cargo run -p edr-examples --bin native-cortex
//! ```

use cortex_xdr::{CortexXdr, Filters, Generation, KeyType, Order, PageRequest};
use edr_sim::{Access, Sim};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // A simulated tenant; for a real one give `.fqdn("acme.xdr.eu.paloaltonetworks.com".parse()?)`.
    let sim = Sim::builder().falcon_tenants(0).cortex_hosts(250).start().await?;
    let tenant = &sim.tenants()[0];
    let Access::Cortex { api_key_id, api_key, .. } = &tenant.access else {
        anyhow::bail!("not a Cortex tenant")
    };
    let acme = CortexXdr::builder("acme", api_key_id, api_key.clone().into())
        .base_url(tenant.base_url.parse()?)
        .key_type(KeyType::Advanced)
        .generation(Generation::Xdr3)
        .build()?;

    let filters = Filters::new().one_of("platform", ["windows"])?.one_of("endpoint_status", ["connected"])?;
    let page = PageRequest::window(0, 10).filters(filters).order(Order::descending("last_seen"));
    let batch = acme.client().endpoints(&page).await?;
    println!("{} of {} endpoints", batch.items.len(), batch.total.unwrap_or_default());
    for endpoint in batch.items.iter().map(|item| &item.value) {
        let name = endpoint.endpoint_name.as_deref().unwrap_or("-");
        println!(
            "{name}\t{}\t{}",
            endpoint.operating_system.as_deref().unwrap_or("-"),
            endpoint.ip.join(" ")
        );
    }
    Ok(())
}
