//! Indicators, desired against actual: a [`Feed`] is read, held against what each tenant has, and pushed.
//!
//! What is pushed carries the mark of its [`Owner`], so that nobody takes away what somebody else put there. A
//! vendor's list that cannot be read back is told from the journal: what this state folder remembers to have pushed.
//! Nothing is sent before it is written down, and a request whose answer was lost is read back, never repeated on a guess.
//!
//! ```
//! use std::sync::Arc;
//!
//! use edr::Estate;
//! use edr::core::InMemory;
//! use edr::core::clock::{Clock, SystemClock};
//! use edr::core::Because;
//! use edr::iocs::{Feed, Indicators, IocConsent, Owner, Reading};
//! use edr::respond::Responder;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # let folder = tempfile::tempdir()?;
//! # runtime.block_on(async {
//! let acme = InMemory::builder("acme").build();
//! let responder = Responder::builder(Estate::of([Arc::new(acme) as _]), folder.path()).open()?;
//! let feed = Feed::read(b"evil.example\nevil.example.net\n", &Reading::new(SystemClock.now()))?;
//!
//! let indicators = Indicators::new(&responder, Owner::new("soc").expect("a name"));
//! let plan = indicators.diff(&feed).await?;
//! assert_eq!(plan[0].changes(), 2);
//! let pushed = indicators.apply(&plan, &IocConsent::exactly(2), &Because::new()).await?;
//! assert!(pushed.iter().all(|done| done.result.as_str() == "added"));
//! assert_eq!(indicators.diff(&feed).await?[0].changes(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod compare;
mod consent;
mod diff;
mod feed;
mod mark;
mod memory;
mod outcome;
mod readback;
#[cfg(test)]
mod tests;

pub use consent::{DEFAULT_MAX_IOCS, IocConsent};
pub use diff::{Indicators, Item, Step, TenantDiff};
pub use feed::{Entry, Fault, Feed, MAX_FEED, MAX_ROWS, Reading, Remark, RemarkKind};
pub use mark::Owner;
pub use outcome::{Done, IocResult};
