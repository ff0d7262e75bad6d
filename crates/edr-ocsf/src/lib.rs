//! The model as events of the [Open Cybersecurity Schema Framework](https://schema.ocsf.io/1.8.0), version 1.8.0 or 1.3.0.
//!
//! A pure projection of the model: nothing is asked, nothing is guessed, the same item gives the same event.
//!
//! | item | class |
//! | --- | --- |
//! | [`Host`] | Device Inventory Info (5001), activity Collect |
//! | [`Alert`] | Detection Finding (2004), activity Create, Update or Close |
//! | [`Case`] | Incident Finding (2005), activity Create, Update or Close |
//! | [`Vulnerability`] | Vulnerability Finding (2002), activity Create, Update or Close |
//! | [`Application`] | Software Inventory Info (5020), activity Collect |
//! | [`Ioc`] | OSINT Inventory Info (5021), activity Collect; not in 1.3.0 |
//! | [`ContainmentChange`] | Device Config State Change (5019), activity Log |
//! | [`Deed`] | Remediation Activity (7001), File (7002), Process (7003) or Network Remediation Activity (7004) |
//!
//! What the standard has no attribute for stands under `unmapped.edr` in the model's names: containment and connection
//! state above all, which OCSF's `device` does not know. Enums outside the standard's tables are `99` with the vendor's own word.
//! Times are milliseconds since 1970. The vendor's JSON is in `raw_data` when [`Writer::with_raw`] asks for it.
//!
//! An event of 1.3.0 says in [`Event::losses`] which attributes of 1.8.0 it has no place for.
//!
//! Hosts and alerts as documents of the Elastic Common Schema: [`ecs`].
//!
//! ```
//! use chrono::DateTime;
//! use edr_core::{Host, Ioc};
//! use edr_ocsf::{Version, Writer};
//!
//! let mut host = Host::new("falcon", "acme", "0f3a", "{}");
//! host.hostname = "ANN-NB01".into();
//! host.model = Some("XPS".into());
//! let writer = Writer::new(DateTime::UNIX_EPOCH);
//! let event = writer.host(&host);
//! assert_eq!(event.class_uid(), 5001);
//! assert_eq!(event.as_map()["device"]["hostname"], "ANN-NB01");
//! assert!(event.losses().is_empty());
//!
//! let older = writer.version(Version::V1_3_0);
//! assert_eq!(older.host(&host).losses()[0].path, "device.model");
//! assert!(older.ioc(&Ioc::new("falcon", "acme", "1", "{}")).is_err());
//! ```

mod build;
mod device;
pub mod ecs;
mod evidence;
mod finding;
mod frame;
mod incident;
mod inventory;
mod older;
mod osint;
mod remediation;
mod software;
mod state;
mod version;
mod vulnerability;
mod words;

use chrono::{DateTime, Utc};
use edr_core::{Alert, Application, Case, ContainmentChange, Deed, Host, Ioc, Vulnerability};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use build::Object;
pub use version::{Loss, Unsupported, Version};

/// The version of the schema that events are written in unless another is asked for.
pub const VERSION: &str = "1.8.0";

/// One event. Serialises as its attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    map: Map<String, Value>,
    losses: Vec<Loss>,
}

impl Event {
    /// The class, such as 2004.
    #[must_use]
    pub fn class_uid(&self) -> u64 {
        self.map.get("class_uid").and_then(Value::as_u64).unwrap_or_default()
    }

    /// When it happened, in milliseconds since 1970.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.map.get("time").and_then(Value::as_i64).unwrap_or_default()
    }

    /// The attributes.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.map
    }

    /// What its version has no place for, by path; nothing in 1.8.0.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// The event as a JSON value.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(self.map)
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.map.serialize(s)
    }
}

/// Writes events.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    now: DateTime<Utc>,
    raw: bool,
    version: Version,
}

impl Writer {
    /// A writer of 1.8.0 whose inventory was collected at this time.
    #[must_use]
    pub fn new(collected: DateTime<Utc>) -> Self {
        Self { now: collected, raw: false, version: Version::default() }
    }

    /// In this version of the schema.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Puts the vendor's JSON into `raw_data`.
    #[must_use]
    pub fn with_raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// The event of a host: Device Inventory Info (5001).
    #[must_use]
    pub fn host(&self, host: &Host) -> Event {
        self.finish(inventory::event(host, self))
    }

    /// The event of an alert: Detection Finding (2004).
    #[must_use]
    pub fn alert(&self, alert: &Alert) -> Event {
        self.finish(finding::event(alert, self))
    }

    /// The event of a case: Incident Finding (2005).
    #[must_use]
    pub fn case(&self, case: &Case) -> Event {
        self.finish(incident::event(case, self))
    }

    /// The event of a vulnerability on a host: Vulnerability Finding (2002).
    #[must_use]
    pub fn vulnerability(&self, vulnerability: &Vulnerability) -> Event {
        self.finish(vulnerability::event(vulnerability, self))
    }

    /// The event of an application on a host: Software Inventory Info (5020).
    #[must_use]
    pub fn application(&self, application: &Application) -> Event {
        self.finish(software::event(application, self))
    }

    /// The event of an indicator that a tenant manages: OSINT Inventory Info (5021).
    ///
    /// # Errors
    /// [`Unsupported`] in 1.3.0, which does not have the class.
    pub fn ioc(&self, ioc: &Ioc) -> Result<Event, Unsupported> {
        match self.version {
            Version::V1_3_0 => {
                Err(Unsupported { class_uid: osint::CLASS.0, class: osint::CLASS.1, version: self.version })
            }
            Version::V1_8_0 => Ok(self.finish(osint::event(ioc, self))),
        }
    }

    /// The event of a change of containment: Device Config State Change (5019).
    #[must_use]
    pub fn containment(&self, change: &ContainmentChange) -> Event {
        self.finish(state::event(change, self))
    }

    /// The event of what we did to a host: Remediation Activity (7001 to 7004).
    #[must_use]
    pub fn deed(&self, deed: &Deed) -> Event {
        self.finish(remediation::event(deed, self))
    }

    fn finish(&self, event: Object) -> Event {
        let mut map = event.into_map();
        let losses = match self.version {
            Version::V1_3_0 => older::take_back(&mut map),
            Version::V1_8_0 => Vec::new(),
        };
        Event { map, losses }
    }
}
