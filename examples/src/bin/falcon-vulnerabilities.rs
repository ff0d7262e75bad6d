//! What is exploited in the wild and open here: machine, program, and what mends it.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-vulnerabilities
//! ```

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::FacetParams;
use falcon::api::spotlight::{self, Vulnerability, VulnerabilityFacet};
use falcon::fql::{Fql, field};
use futures_util::TryStreamExt as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, acme) = simulated(Sim::builder().falcon_hosts(150)).await?;
    let client = acme.client();
    let filter = Fql::all([field("status")?.eq("open")?, field("cve.is_cisa_kev")?.is(true)]);
    let facets = [VulnerabilityFacet::Cve, VulnerabilityFacet::HostInfo, VulnerabilityFacet::Remediation];
    let params = FacetParams::filtered(filter.to_string(), facets);
    // A walk that rests for two minutes between pages is over; `is_cursor_expired` tells.
    let mut pages = client.pages::<Vulnerability>(spotlight::combined(&params), None);
    while let Some(page) = pages.try_next().await? {
        for found in page.resources {
            let (cve, host) = (found.cve.unwrap_or_default(), found.host_info.unwrap_or_default());
            let mends = found.remediation.unwrap_or_default().entities;
            println!(
                "{}\t{:.1}\t{}\t{}",
                cve.id.unwrap_or_default(),
                cve.base_score.unwrap_or_default(),
                host.hostname.unwrap_or_default(),
                mends.into_iter().filter_map(|m| m.action).collect::<Vec<_>>().join("; "),
            );
        }
    }
    Ok(())
}
