//! The versions of the programs that are installed, and on how many machines each is.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-applications
//! ```

use std::collections::BTreeMap;

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::FacetParams;
use falcon::api::discover::{self, Application, ApplicationFacet};
use futures_util::TryStreamExt as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, acme) = simulated(Sim::builder().falcon_hosts(150)).await?;
    // The service wants a filter; this one lets everything through that was ever seen.
    let all =
        FacetParams::filtered("first_seen_timestamp:>'2000-01-01T00:00:00Z'", [ApplicationFacet::HostInfo]);
    let mut pages = acme.client().pages::<Application>(discover::combined_applications(&all), None);
    let mut versions: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    while let Some(page) = pages.try_next().await? {
        for app in page.resources {
            let name = (app.name.unwrap_or_default(), app.version.unwrap_or_default());
            versions.entry(name).or_default().extend(app.host.and_then(|h| h.hostname));
        }
    }
    for ((name, version), hosts) in versions {
        println!("{:>4}  {name} {version}\tsuch as {}", hosts.len(), hosts[0]);
    }
    Ok(())
}
