//! Shared by the tests that cross crates.

#![expect(clippy::expect_used, clippy::panic, reason = "these are tests: what fails here fails the test")]

pub mod attacks;
pub mod catalogue;
pub mod chaos;
pub mod crowd;
pub mod deeds;
pub mod dice;
pub mod errata;
pub mod fleet;
pub mod graph;
pub mod mapping;
pub mod matrix;
pub mod ocsf;
pub mod openapi;
pub mod recorder;
pub mod reliability;
pub mod replay;
pub mod schema;
pub mod shelf;
pub mod sim;
pub mod source;
mod truth;
pub mod walls;
pub mod wire;
pub mod write_matrix;
