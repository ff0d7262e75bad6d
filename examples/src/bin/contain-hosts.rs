//! Hosts of both vendors contained by a plan, confirmed, and released again when the lease is due.
//!
//! ```console
//! cargo run -p edr-examples --bin contain-hosts
//! ```
//!
//! It runs on two tenants in memory, so that it needs neither credentials nor a network.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use edr::Estate;
use edr::core::clock::{Clock, ManualClock, SystemClock};
use edr::core::{Because, ConnectionState, ContainmentState, Host, InMemory};
use edr::respond::{Consent, Draft, Responder, Waiting, read_list};

fn tenant(name: &str, hosts: &[&str]) -> InMemory {
    let host = |hostname: &&str| {
        let mut host = Host::new("memory", name, &format!("{name}-{hostname}"), "{}");
        host.hostname = (*hostname).to_owned();
        host.connection_state = ConnectionState::Online;
        host.containment_state = ContainmentState::Normal;
        host
    };
    hosts.iter().fold(InMemory::builder(name).settles_after(2), |b, h| b.host(host(h))).build()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (acme, globex) = (tenant("acme", &["web-1", "web-2", "dc-1"]), tenant("globex", &["db-1", "web-2"]));
    acme.edit_hosts(|hosts| hosts[2].roles = vec!["domain_controller".into()]);
    globex.set_online("globex-db-1", false);
    let folder = std::env::temp_dir().join(format!("edr-contain-hosts-{}", std::process::id()));
    let clock = ManualClock::at(SystemClock.now());
    let responder = Responder::builder(Estate::of([Arc::new(acme) as _, Arc::new(globex) as _]), &folder)
        .actor("ann@soc")
        .clock(Arc::new(clock.clone()))
        .open()?;

    // web-2 is two machines: nobody but a person can choose, and the rest goes on without it.
    let list = read_list("hostname\nweb-1\nweb-2\ndc-1\ndb-1\nweb-9\n")?;
    let resolved = responder.resolve(&list).await?;
    let because = Because::new().reason("beacon seen").ticket("INC-7");
    let draft = Draft::contain().because(because).lease(TimeDelta::hours(4));
    let plan = responder.plan(&resolved, &draft).await?;
    for host in &plan.hosts {
        println!("{}\t{}", host.host, host.decision);
    }
    for finding in &plan.unresolved {
        println!("{}\t{:?}", finding.selector, finding.found);
    }

    let operation = responder.apply(&plan, &Consent::yes(25).confirm(2)).await?;
    println!("asked for: {:?}", operation.counts());
    let confirmed = responder.confirm(&plan.id, &Waiting::at_most(Duration::from_secs(60))).await?;
    println!("the vendors say: {:?}", confirmed.operation.counts());

    clock.advance(TimeDelta::hours(5));
    println!("overdue: {}", responder.overdue()?.len());
    for run in responder.run_due().await? {
        println!("released: {:?}", run.released?.map(|release| release.counts()));
    }
    println!("the journal: {:?}", responder.journal().verify()?);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
