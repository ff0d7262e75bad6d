//! Runs a query in XQL and prints its rows.
//!
//! ```console
//! cargo run -p edr-examples --bin cortex-query
//! ```

use chrono::TimeDelta;
use cortex_xdr::api::xql::XqlQuery;
use cortex_xdr::{Generation, Patience};
use edr_examples::cortex::simulated;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, client) = simulated(Generation::Xdr3).await?;
    let query = XqlQuery::new("dataset = xdr_data | fields agent_hostname, agent_ip | limit 5")
        .last(TimeDelta::hours(1));
    let results = client.query(&query, &Patience::default()).await?;
    for row in &results.rows {
        println!(
            "{}\t{}",
            row.text("agent_hostname").unwrap_or_default(),
            row.text("agent_ip").unwrap_or_default()
        );
    }
    println!("{} units are left today", results.remaining_quota.unwrap_or_default());
    Ok(())
}
