//! Flight Control: the children of a parent, and the hosts of each through a token of its own.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-children
//! ```

use edr_examples::falcon::simulated;
use edr_sim::{Access, Sim};
use falcon::Falcon;
use falcon::api::ListParams;
use falcon::api::flight_control::query_children;
use falcon::api::hosts::HostsParams;
use futures_util::TryStreamExt as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (sim, parent) = simulated(Sim::builder().falcon_hosts(25).children(3)).await?;
    let client = parent.client();
    let pages: Vec<_> =
        client.pages::<String>(query_children(&ListParams::default()), None).try_collect().await?;
    let cids: Vec<String> = pages.into_iter().flat_map(|page| page.resources).collect();
    let Access::Falcon { client_id, client_secret, .. } = &sim.tenants()[0].access else {
        anyhow::bail!("not a Falcon tenant")
    };
    for child in client.children_by_id(&cids).await?.found {
        let (cid, name) = (child.child_cid.unwrap_or_default(), child.name.unwrap_or_default());
        let tenant = Falcon::builder(&cid, client_id, client_secret.clone().into())
            .member_cid(&cid)
            .base_url(sim.tenants()[0].base_url.parse()?)
            .build()?;
        let one = HostsParams { limit: Some(1), ..HostsParams::default() };
        let hosts = tenant.client().hosts(&one).await?.pagination().count().unwrap_or_default();
        println!("{cid}\t{name}\t{hosts} hosts");
    }
    Ok(())
}
