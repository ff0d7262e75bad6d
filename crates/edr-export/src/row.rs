//! One item as one row.

use chrono::{DateTime, Utc};
use edr_core::{Alert, Host, Raw};
use edr_ocsf::{Writer, ecs};
use serde::Serialize;

use crate::{Error, Format, Result};

/// One item in the words of its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub(crate) tenant: String,
    pub(crate) uid: String,
    pub(crate) time: i64,
    pub(crate) json: Vec<u8>,
}

impl Row {
    /// When it happened, in milliseconds since 1970.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.time
    }

    /// The JSON of it.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }
}

/// Makes rows of items.
#[derive(Clone, Copy, Debug)]
pub struct Projection {
    format: Format,
    collected: DateTime<Utc>,
    raw: bool,
}

impl Projection {
    /// Rows of items that are read at this time.
    #[must_use]
    pub fn new(format: Format, collected: DateTime<Utc>) -> Self {
        Self { format, collected, raw: false }
    }

    /// Keeps the vendor's own JSON: `raw`, `raw_data` or `event.original`.
    #[must_use]
    pub fn with_raw(mut self, raw: bool) -> Self {
        self.raw = raw;
        self
    }

    /// A host as a row. Its time is that of the inventory, but for ECS, where it is that of the last change.
    ///
    /// # Errors
    /// When the vendor's own JSON is kept and is none.
    pub fn host(&self, mut host: Host) -> Result<Row> {
        if !self.raw {
            host.raw = Raw::default();
        }
        let (time, json) = match self.format {
            Format::Ecs => {
                let document = ecs::host(&host, self.collected).with_original(&host.raw);
                (document.time(), text(&document)?)
            }
            Format::Native => (self.collected.timestamp_millis(), text(&host)?),
            Format::Ocsf => {
                let event = self.writer().host(&host);
                (event.time(), text(&event)?)
            }
        };
        Ok(Row { tenant: host.tenant.as_str().to_owned(), uid: host.uid, time, json })
    }

    /// An alert as a row. Its time is when it happened.
    ///
    /// # Errors
    /// As [`Self::host`].
    pub fn alert(&self, mut alert: Alert) -> Result<Row> {
        if let Some(device) = &mut alert.device {
            device.raw = Raw::default();
        }
        if !self.raw {
            alert.raw = Raw::default();
        }
        let (time, json) = match self.format {
            Format::Ecs => {
                let document = ecs::alert(&alert, self.collected).with_original(&alert.raw);
                (document.time(), text(&document)?)
            }
            Format::Native => {
                let time = alert.time.or(alert.created_time).unwrap_or(self.collected);
                (time.timestamp_millis(), text(&alert)?)
            }
            Format::Ocsf => {
                let event = self.writer().alert(&alert);
                (event.time(), text(&event)?)
            }
        };
        Ok(Row { tenant: alert.tenant.as_str().to_owned(), uid: alert.uid, time, json })
    }

    fn writer(&self) -> Writer {
        let writer = Writer::new(self.collected);
        if self.raw { writer.with_raw() } else { writer }
    }
}

fn text(item: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(item).map_err(|error| Error::because("an item cannot be written as JSON", error))
}
