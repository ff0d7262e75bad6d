//! The conformance suite: what every [`edr_core::EdrProvider`] promises, as public async functions.
//!
//! For people who write a provider. Implement [`World`] for your back end (or use [`Still`], when it
//! cannot be disturbed), and run the suite:
//!
//! ```
//! use edr_testkit::{MemoryWorld, run_all};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), edr_testkit::Failure> {
//! let report = run_all(&MemoryWorld::new()).await;
//! println!("{report}");
//! report.into_result()
//! # }
//! ```
//!
//! A single promise is a function of its own, for a test of its own:
//!
//! ```
//! use edr_core::Host;
//! use edr_testkit::{MemoryWorld, Ran, conformance::paging};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), edr_testkit::Failure> {
//! let ran = paging::resumes_from_text::<Host>(&MemoryWorld::new()).await?;
//! assert_eq!(ran, Ran::Passed);
//! # Ok(())
//! # }
//! ```
//!
//! The suite reads [`edr_core::Capabilities`]: what a provider does not offer is skipped, with the
//! reason in the report, except that a missing feature must be refused before anything is sent.
//! [`fixture`] holds items of each noun that are hard to get right.

#[macro_use]
mod macros;

pub mod conformance;
pub mod fixture;
mod gather;
mod item;
mod report;
mod sample;
mod suite;
mod world;

pub use fixture::MemoryWorld;
pub use item::Item;
pub use report::{CaseReport, CaseResult, Failure, Ran, Report, Verdict};
pub use suite::{Case, case, cases, run_all, run_some};
pub use world::{Disturbance, Still, World};
