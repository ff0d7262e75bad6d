//! Counts alerts by severity, then closes the informational ones as false positives.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-triage
//! ```

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::alerts::{self, AlertEntity, AlertStatus, AlertStep, AlertsParams};
use falcon::api::{AggregateKind, AggregateSpec};
use falcon::fql::{Fql, field};
use futures_util::TryStreamExt as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, acme) = simulated(Sim::builder().falcon_hosts(40).alerts(300)).await?;
    let client = acme.client();
    let by_severity = AggregateSpec::new("severity", AggregateKind::Terms, "severity_name");
    for bucket in client.alert_counts(&[by_severity]).await?.resources.into_iter().flat_map(|a| a.buckets) {
        println!("{}\t{}", bucket.label.unwrap_or_default(), bucket.count.unwrap_or_default());
    }

    let quiet = Fql::all([field("status")?.eq("new")?, field("severity")?.below(20)]);
    let params = AlertsParams { filter: quiet.to_string(), ..AlertsParams::default() };
    let pages: Vec<_> = client.pages::<AlertEntity>(alerts::combined(&params), None).try_collect().await?;
    let ids: Vec<String> =
        pages.into_iter().flat_map(|p| p.resources).filter_map(|a| a.composite_id).collect();
    if !ids.is_empty() {
        let steps = [
            AlertStep::SetStatus(AlertStatus::Closed),
            AlertStep::AddTag("false_positive".to_owned()),
            AlertStep::AppendComment("noise".to_owned()),
        ];
        let done = client.update_alerts(&ids, &steps).await?;
        println!("{} of {} taken", done.done.len(), ids.len());
    }
    Ok(())
}
