//! The command line of response, as a program, against the simulator.

#![cfg(feature = "sim")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod again;
mod alerts;
mod bench;
mod contain;
mod crash;
mod guards;
mod iocs;
mod orders;
mod plans;
