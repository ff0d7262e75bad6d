//! Follow the events of a tenant as they happen, lose the connection, and go on in the next run where this one ended.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-follow-events
//! ```

use std::time::Duration;

use edr_examples::falcon::simulated;
use edr_sim::{FaultKind, FaultRule, Sim};
use falcon::events::{
    AppId, Checkpoint, EventBody, EventItem, EventStream, EventsParams, Start, StreamEvent, StreamStatus,
};
use futures_util::TryStreamExt as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (sim, acme) = simulated(Sim::builder().falcon_hosts(40).alerts(20)).await?;
    let params = || AppId::new("example").map(EventsParams::new);
    let mut events = acme.client().events(params()?);

    // The third line of this stream breaks off in its middle, and comes again.
    sim.inject(vec![FaultRule::nth("ReadEventStream", 3, FaultKind::BreakOff)])?;
    until_connected(&mut events).await?;
    sim.add_alerts("falcon-1", 3, Duration::ZERO)?;
    follow(&mut events, 4).await?;

    // What was read is kept, here as a text; the stream ends.
    let kept = serde_json::to_string(&events.checkpoint())?;
    println!("kept\t{kept}");
    drop(events);

    // Meanwhile something happens. The next run has it all.
    sim.add_alerts("falcon-1", 2, Duration::from_secs(3_600))?;
    let mut params = params()?;
    params.start = Start::After(serde_json::from_str::<Checkpoint>(&kept)?);
    let mut events = acme.client().events(params);
    follow(&mut events, 4).await?;
    println!("{} events came twice", events.repeated());
    Ok(())
}

async fn until_connected(events: &mut EventStream) -> anyhow::Result<()> {
    while let Some(item) = events.try_next().await? {
        if let EventItem::Status(StreamStatus::Connected { .. }) = item {
            break;
        }
    }
    Ok(())
}

/// Prints so many events, and whatever else comes in between.
async fn follow(events: &mut EventStream, mut count: u32) -> anyhow::Result<()> {
    while count > 0 {
        match events.try_next().await? {
            Some(EventItem::Event(event)) => {
                println!("{}\t{}\t{}", event.offset, event.event_type, about(&event));
                count -= 1;
            }
            Some(EventItem::Gap(gap)) => println!("gap\t{gap}"),
            Some(EventItem::Rejected(line)) => println!("rejected\t{:?}\t{}", line.offset, line.reason),
            Some(EventItem::Status(StreamStatus::Interrupted { error, pause, .. })) => {
                println!("again in {pause:?}\t{error}");
            }
            Some(_) => {}
            None => break,
        }
    }
    Ok(())
}

fn about(event: &StreamEvent) -> String {
    let severity = event.severity().map(|s| format!("{s:?}")).unwrap_or_default();
    match &event.body {
        EventBody::Detection(d) => {
            format!("{severity} {} on {}", d.title().unwrap_or_default(), d.host().unwrap_or_default())
        }
        EventBody::IdentityDetection(d) => format!("{severity} {}", d.name.as_deref().unwrap_or_default()),
        EventBody::Audit(a) => {
            format!(
                "{} by {}",
                a.operation.as_deref().unwrap_or_default(),
                a.user_id.as_deref().unwrap_or_default()
            )
        }
        _ => event.raw.as_str().unwrap_or_default().to_owned(),
    }
}
