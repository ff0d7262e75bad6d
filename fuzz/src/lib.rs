//! What the fuzzer runs: one function for each decoder and parser, from bytes to nothing.
//!
//! A target panics when a promise is broken; what comes in is anything at all. The same functions run
//! on the stable toolchain over the committed inputs (`tests/replay.rs`), so that nothing here needs the
//! fuzzer to be checked.

#![expect(clippy::expect_used, clippy::panic, reason = "a target shows what it found by a panic")]

pub mod listing;
pub mod script;
pub mod targets;
pub mod wire;

/// A target: its name, which is that of its folders of inputs, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("addresses", targets::addresses::run),
    ("body", targets::body::run),
    ("config", targets::config::run),
    ("cortex_alerts", targets::cortex_alerts::run),
    ("cortex_endpoints", targets::cortex_endpoints::run),
    ("cortex_errors", targets::cortex_errors::run),
    ("delay", targets::delay::run),
    ("download", targets::download::run),
    ("falcon_alerts", targets::falcon_alerts::run),
    ("falcon_errors", targets::falcon_errors::run),
    ("falcon_events", targets::falcon_events::run),
    ("falcon_hosts", targets::falcon_hosts::run),
    ("fql", targets::fql::run),
    ("ioc_feed", targets::ioc_feed::run),
    ("query", targets::query::run),
];
