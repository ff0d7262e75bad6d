//! How far a reader has come, to be kept between runs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use edr_core::TenantId;
use serde::{Deserialize, Serialize};

/// The last event of a partition that was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its offset.
    pub offset: u64,
    /// The newest time of the events up to it: it shows whether offsets begin anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<DateTime<Utc>>,
}

/// How far each partition of a tenant's event stream was read. Offsets mean the same under every name of a reader, and
/// nothing in another tenant.
///
/// It serialises, so that the next run can go on where this one ended:
///
/// ```
/// use falcon::events::Checkpoint;
/// let kept = r#"{"tenant":"acme","partitions":{"0":{"offset":29294636}}}"#;
/// let checkpoint: Checkpoint = serde_json::from_str(kept).unwrap();
/// assert_eq!(checkpoint.partitions[&0].offset, 29_294_636);
/// assert_eq!(serde_json::to_string(&checkpoint).unwrap(), kept);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The tenant.
    pub tenant: TenantId,
    /// The last event of each partition, by its number.
    pub partitions: BTreeMap<u32, Position>,
}

impl Checkpoint {
    /// The checkpoint of a reader that has read nothing.
    #[must_use]
    pub fn empty(tenant: TenantId) -> Self {
        Self { tenant, partitions: BTreeMap::new() }
    }
}
