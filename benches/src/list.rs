//! The library as a contender: every host of every tenant of a configuration, as its users read them.

use std::path::Path;

use edr::{Config, Estate, EstateEvent, HostQuery, Options, Selection};
use futures_util::StreamExt as _;

use crate::{Outcome, machine, now};

/// Reads the stream to its end, normalised and with the vendor's JSON, and keeps nothing.
///
/// # Errors
/// When a tenant does not end complete.
pub async fn list(config: &Path) -> Outcome<()> {
    let config = std::fs::read_to_string(config)?;
    let began = now();
    let estate = Estate::connect(&Config::from_toml(&config)?, &Selection::all(), &Options::default())?;
    let mut hosts = estate.hosts(HostQuery::new());
    let (mut items, mut raw) = (0, 0);
    while let Some(event) = hosts.next().await {
        match event {
            EstateEvent::Items(found) => {
                items += found.len();
                raw += found.iter().map(|host| host.raw.as_bytes().len()).sum::<usize>();
            }
            EstateEvent::Done(tenant) if tenant.outcome.is_complete() => {}
            EstateEvent::Done(tenant) => {
                return Err(format!("{}: {}", tenant.tenant, tenant.outcome.summary()).into());
            }
            EstateEvent::Rejected(rejected) => return Err(format!("{rejected:?}").into()),
            EstateEvent::Warning(_) => {}
        }
    }
    let ms = began.elapsed().as_secs_f64() * 1e3;
    println!("{{\"items\":{items},\"ms\":{ms:.3},\"peak_kib\":{},\"raw\":{raw}}}", machine::peak_kib());
    Ok(())
}
