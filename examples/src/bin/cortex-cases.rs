//! Incidents of XDR 3 and cases of XDR 5 as one noun: listed, closed and commented on.
//!
//! ```console
//! cargo run -p edr-examples --bin cortex-cases
//! ```

use cortex_xdr::api::cases::CaseReason;
use cortex_xdr::{CaseChange, CaseQuery, Generation};
use edr_examples::cortex::simulated;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    for generation in [Generation::Xdr3, Generation::Xdr5] {
        let (_sim, client) = simulated(generation).await?;
        let mut listing = client.all_cases(&CaseQuery::default()).await?;
        while let Some(batch) = listing.next().await {
            for case in batch?.cases {
                let progress = case.progress.map_or_else(String::new, |progress| progress.to_string());
                println!("{generation:?}\t{}\t{progress}\t{}", case.id, case.description.unwrap_or_default());
            }
        }
        client.comment_case("3", "the owner was called").await?;
        let reason = CaseReason::FalsePositive;
        client.change_case("3", &CaseChange::Resolve { reason, comment: Some("a scanner".into()) }).await?;
        println!("{generation:?}\t3 is now {:?}", client.one_case("3").await?.reason);
    }
    Ok(())
}
