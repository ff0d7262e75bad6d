//! Real Time Response with one host: look around, fetch a file, and leave a command for a host that is away.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-rtr-session
//! ```

use std::time::Duration;

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::hosts::HostsParams;
use falcon::api::rtr::{ARCHIVE_PASSWORD, BaseCommand, Command, Level};
use falcon::{Download, Ran, SessionOptions};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (sim, acme) = simulated(Sim::builder().falcon_hosts(40)).await?;
    let client = acme.client();
    let windows = HostsParams { filter: "platform_name:'Windows'".to_owned(), ..HostsParams::default() };
    let ids = client.host_ids(&windows).await?.resources;
    let states = client.online_state(&ids).await?;
    let is = |state: &str| states.iter().find(|s| s.state.as_ref().is_some_and(|s| s.as_str() == state));
    let here = is("online").and_then(|s| s.id.clone()).unwrap_or_default();
    let away = is("offline").and_then(|s| s.id.clone()).unwrap_or_default();

    let session = client.rtr_session(&here, &SessionOptions::default()).await?;
    // Quoted here, and sent once: an answer that is lost is `Ran::Unknown`.
    match session.run(Level::ReadOnly, &Command::ls(r"C:\Program Files"), MINUTE).await? {
        Ran::Done(output) => println!("{} lines in {} pieces", output.stdout.lines().count(), output.pieces),
        other => println!("{other:?}"),
    }
    let get = Command::get(r"C:\Users\Public\notes to self.txt");
    let ran = session.run(Level::ActiveResponder, &get, MINUTE).await?;
    let request = ran.output().map(|o| o.cloud_request_id.as_str()).unwrap_or_default();
    if let Some(file) = session.fetched(request, MINUTE).await? {
        let target = std::env::temp_dir().join("falcon-rtr-session.7z");
        let written = session.download(&file, Download::to(&target)).await?;
        println!("{} bytes in {}, password {ARCHIVE_PASSWORD}", written.bytes, written.path.display());
        std::fs::remove_file(target)?;
    }
    session.close().await?;

    let options = SessionOptions { queue_offline: true, ..SessionOptions::default() };
    let waiting = client.rtr_session(&away, &options).await?;
    if let Ran::Queued(ticket) = waiting.run(Level::ReadOnly, &Command::new(BaseCommand::Ps), MINUTE).await? {
        println!("waits as {}", ticket.cloud_request_id);
        sim.set_online("falcon-1", &away, true)?;
        let ran = waiting.follow(&ticket, MINUTE).await;
        println!("{}", ran.output().map(|o| o.stdout.as_str()).unwrap_or_default());
    }
    Ok(())
}
