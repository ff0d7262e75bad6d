//! The hosts of both vendors, from an embedded simulator or from a configuration of your own.
//!
//! ```console
//! cargo run -p edr-examples --bin list-hosts
//! cargo run -p edr-examples --bin list-hosts -- ~/.config/edr/config.toml
//! ```

use edr::{Estate, EstateEvent, HostQuery, Options, Selection};
use edr_examples::Source;
use futures_util::StreamExt as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let source = Source::from_arguments().await?;
    let estate = Estate::connect(source.config(), &Selection::all(), &Options::default())?;
    let mut hosts = estate.hosts(HostQuery::new());
    while let Some(event) = hosts.next().await {
        match event {
            EstateEvent::Items(hosts) => {
                for host in hosts {
                    println!(
                        "{}\t{}\t{}\t{}",
                        host.vendor, host.tenant, host.hostname, host.containment_state
                    );
                }
            }
            EstateEvent::Done(tenant) => {
                eprintln!("{}: {} hosts, {}", tenant.tenant, tenant.items, tenant.outcome.summary());
            }
            EstateEvent::Rejected(item) => {
                eprintln!("{}: an item cannot be read: {}", item.tenant, item.reason)
            }
            EstateEvent::Warning(warning) => eprintln!("{}: {}", warning.tenant, warning.message),
        }
    }
    Ok(())
}
