//! Hosts and alerts into a folder of files, whole or not at all.
//!
//! An [`Export`] takes rows in any order, sorts them on disk by tenant and time, and writes them as JSON Lines or Parquet
//! (feature `parquet`), one class, tenant and day a folder, as Amazon Security Lake wants it of a custom source. Memory does not
//! grow with the number of rows. Nothing is in its place before everything is written, and what a killed run has left is
//! completed or cleared away by the next one, so that no row is there twice. A [`Manifest`] says what was written and what is
//! missing.
//!
//! ```
//! use chrono::DateTime;
//! use edr_core::Host;
//! use edr_export::{Ending, Export, FileFormat, Format, Noun, Projection, Request};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let now = DateTime::UNIX_EPOCH;
//! let request = Request::new(Noun::Hosts, Format::Ocsf, FileFormat::Jsonl, now);
//! let mut export = Export::begin(folder, request, now)?;
//! let projection = Projection::new(Format::Ocsf, now);
//! export.push(projection.host(Host::new("falcon", "acme", "0f3a", "{}"))?)?;
//! let manifest = export.finish(vec![Ending::complete("acme", "falcon")], now, &|| true)?;
//! assert_eq!((manifest.records, manifest.files.len()), (1, 1));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "parquet")]
mod columns;
mod disk;
mod error;
mod export;
#[cfg(feature = "parquet")]
mod flat;
mod layout;
mod manifest;
mod output;
mod pace;
#[cfg(feature = "parquet")]
mod parquet;
mod parts;
mod ready;
mod request;
mod row;
mod spool;
mod store;

pub use error::{Error, Result};
pub use export::{Export, Written};
pub use manifest::{Ending, Manifest, Outcome, TenantPart, WrittenFile};
pub use request::{FileFormat, Format, Noun, Request};
pub use row::{Projection, Row};
pub use store::Recovered;
