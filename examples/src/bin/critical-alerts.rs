//! Critical alerts of the last day, as they arrive, with the process that caused each.
//!
//! ```console
//! cargo run -p edr-examples --bin critical-alerts
//! ```

use chrono::TimeDelta;
use edr::core::clock::{Clock as _, SystemClock};
use edr::{Alert, AlertQuery, Estate, EstateEvent, Options, Selection, Severity};
use edr_examples::Source;
use futures_util::StreamExt as _;

fn cause(alert: &Alert) -> &str {
    let process = alert.evidences.iter().find_map(|e| e.process.as_ref());
    process.and_then(|p| p.cmd_line.as_deref().or(p.name.as_deref())).unwrap_or("no process")
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let source = Source::from_arguments().await?;
    let estate = Estate::connect(source.config(), &Selection::all(), &Options::default())?;
    let yesterday = SystemClock.now() - TimeDelta::days(1);
    let mut alerts = estate.alerts(AlertQuery::new().severity_at_least(Severity::Critical).since(yesterday));
    while let Some(event) = alerts.next().await {
        match event {
            EstateEvent::Items(alerts) => {
                for alert in alerts {
                    let host = alert.device.as_ref().map_or("no host", |d| d.hostname.as_str());
                    println!("{}\t{host}\t{}\t{}", alert.tenant, alert.title, cause(&alert));
                }
            }
            EstateEvent::Done(tenant) => eprintln!("{}: {}", tenant.tenant, tenant.outcome.summary()),
            other => eprintln!("{other:?}"),
        }
    }
    Ok(())
}
