//! Acting on hosts, safely: resolve → plan → guard → apply → confirm → journal → release.
//!
//! The stages are methods of [`Responder`]. A [`Plan`] says host by host what would happen, before anything does; it is a
//! file that can be reviewed, signed and applied later. The [`Guard`] holds it against the rules of [`Safety`]; a refusal
//! names its [`Rule`]. Applying it writes each request to the [`Journal`] before it is sent, asks for each host at most
//! once, and can be taken up again wherever it was interrupted. A request that the vendor took is no success:
//! [`Responder::confirm`] asks until the vendor says what became of it. [`Operation`] and [`Outcome`] tell it, from the
//! journal, at any time and to any process.
//!
//! ```
//! use std::sync::Arc;
//!
//! use edr::Estate;
//! use edr::core::{Because, Host, InMemory};
//! use edr::respond::{Consent, Draft, Responder, Selector};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # let folder = tempfile::tempdir()?;
//! # runtime.block_on(async {
//! let mut host = Host::new("memory", "acme", "0f3a", "{}");
//! host.hostname = "web-1".into();
//! host.containment_state = edr::ContainmentState::Normal;
//! let acme = InMemory::builder("acme").host(host).build();
//!
//! let responder = Responder::builder(Estate::of([Arc::new(acme) as _]), folder.path()).actor("ann@soc").open()?;
//! let resolved = responder.resolve(&[Selector::host("web-1")]).await?;
//! let draft = Draft::contain().because(Because::new().reason("beacon seen").ticket("INC-7"));
//! let plan = responder.plan(&resolved, &draft).await?;
//! assert_eq!(plan.count(), 1);
//!
//! // Nobody agreed yet: nothing runs.
//! assert!(responder.apply(&plan, &Consent::default()).await.is_err());
//! let operation = responder.apply(&plan, &Consent::typed(1)).await?;
//! assert_eq!(operation.counts().accepted, 1);
//! assert!(responder.journal().verify()?.fault.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod approve;
mod canon;
mod chain;
mod changes;
mod confirm;
mod decide;
mod deeds;
mod error;
mod files;
mod groups;
mod guard;
mod holdings;
mod host;
mod journal;
mod make;
mod operation;
mod plan;
mod protect;
mod record;
mod release;
mod resolve;
mod responder;
mod safety;
mod search;
mod selector;
mod send;
mod sight;
pub(crate) mod state;
mod tale;
#[cfg(test)]
mod tests;

pub(crate) use canon::hex;

pub use approve::{ApprovalKey, Signature, SigningKey, add_signature, read_signatures, signature_path};
pub use chain::Fault;
pub use changes::{Change, ChangePlan, ItemOutcome, PlannedItem};
pub use confirm::{Confirmed, Waiting};
pub use error::{Error, Refusal, Result};
pub use files::Fetched;
pub use guard::{Consent, DEFAULT_MAX_HOSTS, Guard, Rule};
pub use host::{HostKey, HostRef};
pub use journal::{Audit, Head, Journal};
pub use make::Draft;
pub use operation::{Counts, HostOutcome, Operation, Outcome, StoppedTenant};
pub use plan::{BlastRadius, Decision, Plan, PlannedHost};
pub use protect::Protection;
pub use record::{
    AnswerWord, Event, IocDeed, JournalAnswer, JournalHost, JournalIoc, Moved, Readback, Record, Seen, Told,
};
pub use release::{LeaseRun, Overdue};
pub use resolve::{Finding, Found, Resolved, Unread};
pub use responder::{Dice, Responder, ResponderBuilder};
pub use safety::{Safety, parse_span};
pub use selector::{By, Selector, read_list};
