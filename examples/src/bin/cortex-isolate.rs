//! Isolates an endpoint, waits until it is, and lets it go again.
//!
//! ```console
//! cargo run -p edr-examples --bin cortex-isolate
//! ```

use cortex_xdr::{Endpoints, Generation, Patience};
use edr_examples::cortex::{connected, simulated};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, client) = simulated(Generation::Xdr3).await?;
    let one = Endpoints::ids([connected(&client).await?])?;
    for isolate in [true, false] {
        let started = match isolate {
            true => client.isolate(&one, None).await?,
            false => client.unisolate(&one, None).await?,
        };
        // The receipt says that it was accepted, and no more.
        let action = started.action_id.ok_or_else(|| anyhow::anyhow!("the order has no number"))?;
        let status = client.wait_for_action(&action, &Patience::default()).await?;
        for (endpoint, state) in &status.endpoints {
            println!("{} {endpoint}: {state}", if isolate { "isolate" } else { "release" });
        }
    }
    Ok(())
}
