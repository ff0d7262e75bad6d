//! A simulator of CrowdStrike Falcon and Palo Alto Networks Cortex XDR on loopback.
//!
//! Both vendors answer as their public facts say: tokens and signatures, filters, cursors, limits and errors. The
//! estate is generated from a seed, by index; a million hosts cost nothing until they are read. A clock, faults and
//! a control plane are in the hands of the test.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let sim = edr_sim::Sim::builder().falcon_hosts(100).cortex_hosts(50).start().await?;
//! let falcon = &sim.tenants()[0];
//! assert_eq!(falcon.name, "falcon-1");
//! assert!(falcon.base_url.starts_with("http://127.0.0.1:"));
//! sim.advance(std::time::Duration::from_secs(1800)); // every token is stale now
//! sim.shutdown().await;
//! # Ok::<(), edr_sim::SimError>(())
//! # }).unwrap();
//! ```

mod args;
mod blob;
mod builder;
pub mod clock;
mod config;
mod control;
pub mod cortex;
pub mod estate;
mod estate_file;
pub mod falcon;
pub mod faults;
mod files;
mod gate;
pub mod limits;
pub mod log;
mod mishap;
mod origin;
mod page;
pub mod region;
mod server;
mod sim;
pub mod state;
mod tls;

pub use args::{OnOff, ServeArgs, serve};
pub use builder::SimBuilder;
pub use estate_file::EstateFile;
pub use faults::{Fault, FaultKind, FaultRule, Nth};
pub use sim::{Access, Sim, SimError, TenantInfo};
pub use state::KeyType;
