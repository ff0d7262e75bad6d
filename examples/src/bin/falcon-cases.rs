//! A case out of the grave alerts of one host: made, taken over, and closed.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-cases
//! ```

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::alerts::AlertsParams;
use falcon::api::cases::{CaseChange, CaseFields, CaseStatus, NewCase};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, acme) = simulated(Sim::builder().falcon_hosts(60).alerts(80)).await?;
    let client = acme.client();
    let grave =
        AlertsParams { limit: Some(1), filter: "severity:>=70".to_owned(), ..AlertsParams::default() };
    let Some(worst) = client.alerts(&grave).await?.resources.into_iter().next() else {
        anyhow::bail!("nothing grave happened")
    };
    let (alert, aid) = (worst.composite_id.unwrap_or_default(), worst.agent_id.unwrap_or_default());
    let siblings = AlertsParams { filter: format!("agent_id:'{aid}'"), ..AlertsParams::default() };
    let alerts = client.alert_ids(&siblings).await?.resources;

    let new = NewCase::new("One host, several alerts", 80).alerts([alert]);
    let case = client.create_case(&new).await?.resources.remove(0);
    let id = case.id.unwrap_or_default();
    let case = client.add_case_alerts(&id, &alerts).await?.resources.remove(0);
    let hosts = case.analysis_results.and_then(|a| a.hosts).map(|h| h.records).unwrap_or_default();
    for host in hosts {
        println!("{} ({})", host.hostname.unwrap_or_default(), host.aid.unwrap_or_default());
    }

    // The version makes the change fail when somebody else was faster.
    let fields = CaseFields { status: Some(CaseStatus::Closed), ..CaseFields::default() };
    let change = CaseChange { expected_version: case.version, fields, id };
    let closed = client.update_case(&change).await?.resources.remove(0);
    println!("{} is {}", closed.reference_id.unwrap_or_default(), closed.status.unwrap_or(CaseStatus::New));
    Ok(())
}
