//! The built program, end to end: against its own demo and against the simulator it serves.
#![cfg(feature = "sim")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod api;
mod audit;
mod cases;
mod children;
mod demo;
mod doctor;
mod export;
mod faults;
mod machines;
mod network;
mod pipes;
mod report;
mod serve;
mod support;
mod surface;
mod tokens;
