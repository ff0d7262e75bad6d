//! The targets, one file each.

pub mod addresses;
pub mod body;
pub mod config;
pub mod cortex_alerts;
pub mod cortex_endpoints;
pub mod cortex_errors;
pub mod delay;
pub mod download;
pub mod falcon_alerts;
pub mod falcon_errors;
pub mod falcon_events;
pub mod falcon_hosts;
pub mod fql;
pub mod ioc_feed;
pub mod query;

/// The first byte, which chooses what a target does, and the rest. A line break after it is for people.
#[must_use]
pub fn choice(data: &[u8]) -> (u8, &[u8]) {
    let Some((first, rest)) = data.split_first() else { return (b' ', data) };
    (*first, rest.strip_prefix(b"\n").unwrap_or(rest))
}
