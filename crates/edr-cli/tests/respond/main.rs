//! The command line of response, as a program, against the simulator.

#![cfg(feature = "sim")]

mod bench;
mod contain;
mod crash;
mod guards;
mod plans;
