//! Runs a script on an endpoint and prints what it gave.
//!
//! ```console
//! cargo run -p edr-examples --bin cortex-script
//! ```

use cortex_xdr::api::scripts::{RunOptions, ScriptFilters};
use cortex_xdr::{Endpoints, Generation, Patience};
use edr_examples::cortex::{connected, simulated};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, client) = simulated(Generation::Xdr5).await?;
    let found = client.scripts(ScriptFilters::new().names(["list_directories"])?).await?;
    let uid = found.first().and_then(|script| script.script_uid.as_deref());
    let uid = uid.ok_or_else(|| anyhow::anyhow!("there is no such script"))?;
    let values = [("path".to_owned(), serde_json::json!("/var/log"))].into_iter().collect();
    let one = Endpoints::ids([connected(&client).await?])?;
    let started = client.run_script(uid, &values, &one, RunOptions::default()).await?;
    let run = started.action_id.ok_or_else(|| anyhow::anyhow!("the run has no number"))?;
    client.wait_for_script(&run, &Patience::default()).await?;
    for result in client.script_results(&run).await?.results {
        let name = result.endpoint_name.unwrap_or_default();
        println!("{name}: {:?}\n{}", result.execution_status, result.standard_output.unwrap_or_default());
    }
    Ok(())
}
