//! What runs which agent, and what runs none.
//!
//! A [`Survey`] takes the hosts of all tenants, finds the machines among them ([`crate::identity`]), compares them
//! with a [`Denominator`] (the list of what should be there, such as a CMDB or a directory writes it), and makes a
//! [`Coverage`] of it: figures for the whole, for each tenant and each platform, and every machine with what there is
//! to say about it. What could not be read is part of the report: [`Coverage::is_partial`].
//!
//! ```
//! use chrono::{TimeZone as _, Utc};
//! use edr::Host;
//! use edr::coverage::{Check, Denominator, Finding, Settings, Survey};
//!
//! let now = Utc.with_ymd_and_hms(2026, 3, 1, 0, 0, 0).unwrap();
//! let mut host = Host::new("falcon", "acme", "f1", "{}");
//! host.hostname = "ANN-NB01".into();
//! host.last_seen = Some(now);
//! let mut survey = Survey::new(Settings::default());
//! survey.take(&[host]);
//!
//! let denominator = Denominator::from_csv("cmdb.csv", b"hostname\nann-nb01\nbob-nb02\n").unwrap();
//! let coverage = survey.finish(Some(&denominator), now);
//! assert_eq!((coverage.totals.covered, coverage.totals.expected), (1, 2));
//! assert_eq!(coverage.totals.count(Finding::Missing), 1);
//! assert!(!"coverage>=98%".parse::<Check>().unwrap().of(&coverage).unwrap().is_met);
//! ```

mod agent;
mod check;
mod denominator;
mod finding;
mod html;
mod matching;
mod release;
mod report;
mod survey;
#[cfg(test)]
mod tests;

pub use check::{Check, Checked};
pub use denominator::{BadRow, Denominator};
pub use finding::Finding;
pub use html::html;
pub use release::Releases;
pub use report::{
    Agent, Coverage, DenominatorReport, Figures, Machine, Slice, Source, SourceState, State, Versions,
};
pub use survey::{Settings, Survey};
