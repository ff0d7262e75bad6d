//! The hosts with the lowest Zero Trust scores, and what they lack.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-posture
//! ```

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::AfterParams;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, acme) = simulated(Sim::builder().falcon_hosts(120)).await?;
    let client = acme.client();
    let lowest = AfterParams {
        sort: Some("score|asc".to_owned()),
        limit: Some(10),
        ..AfterParams::filtered("score:<50")
    };
    let scores = client.scores(&lowest).await?.resources;
    let ids: Vec<String> = scores.into_iter().filter_map(|s| s.aid).collect();
    for host in client.assessments_by_id(&ids).await?.found {
        let score = host.assessment.and_then(|a| a.overall).unwrap_or_default();
        let lacks: Vec<String> = host
            .assessment_items
            .into_iter()
            .flat_map(|i| i.os_signals.into_iter().chain(i.sensor_signals))
            .filter(|s| s.meets_criteria.as_deref() == Some("no"))
            .filter_map(|s| s.signal_name)
            .collect();
        println!("{score}\t{}\t{}", host.aid.unwrap_or_default(), lacks.join(", "));
    }
    Ok(())
}
