//! The client against a tenant in memory, and once over a real socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod assets;
mod audit;
mod common;
mod credentials;
mod deeds;
mod diagnose;
mod iocs;
mod native;
mod paging;
mod raw;
mod services;
