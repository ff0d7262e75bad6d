//! What has no method: any path, with the client's token, pace and retries.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-any-path
//! ```

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::Paging;
use futures_util::TryStreamExt as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, acme) = simulated(Sim::builder().falcon_hosts(40)).await?;
    let client = acme.client();
    let path = "/sensors/queries/installers/v3";
    let answer = client.send("GET".parse()?, path, &[("limit", "1")], None).await?;
    println!("{}\t{}", answer.status, answer.body.as_str().unwrap_or_default());

    let style = Some(Paging::Offset { cap: None });
    let pages = client.list(path, &[("limit", "4"), ("sort", "version|asc")], style, None);
    for page in pages.try_collect::<Vec<_>>().await? {
        println!("{} items, next {:?}", page.resources.len(), page.next);
    }
    Ok(())
}
