//! Puts indicators there and blocks a file; what is refused is told one by one.
//!
//! ```console
//! cargo run -p edr-examples --bin cortex-indicators
//! ```

use cortex_xdr::Generation;
use cortex_xdr::api::hashes::HashList;
use cortex_xdr::api::indicators::{Expiration, Indicator, IndicatorSeverity, IndicatorType};
use edr_examples::cortex::simulated;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, client) = simulated(Generation::Xdr5).await?;
    let rows = [
        Indicator::new("evil.example", IndicatorType::DomainName, IndicatorSeverity::High)
            .expires(Expiration::Never)
            .comment("from the report of last week"),
        Indicator::new("evil.example", IndicatorType::Hash, IndicatorSeverity::High),
    ];
    for refused in client.insert_indicators(&rows).await?.refused {
        println!("refused: {}", refused.error.unwrap_or_default());
    }
    for rule in client.indicators(cortex_xdr::Filters::new()).collect().await?.items {
        println!("{}\t{:?}", rule.indicator.as_deref().unwrap_or_default(), rule.severity);
    }
    let blocked =
        client.change_hashes(HashList::Block, &["0".repeat(64)], Some("not on our machines")).await?;
    println!("blocked: {}", blocked.added.len());
    Ok(())
}
