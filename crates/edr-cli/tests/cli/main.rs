//! The built program, end to end: against its own demo and against the simulator it serves.
#![cfg(feature = "sim")]

mod demo;
mod faults;
mod pipes;
mod serve;
mod support;
mod surface;
