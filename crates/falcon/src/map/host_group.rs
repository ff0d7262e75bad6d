//! The host group to a group of hosts.

use edr_core::{GroupKind, HostGroup, Provenance};

use super::{Context, Notes, text, verbatim};
use crate::VENDOR;
use crate::api::host_groups::{GroupType, HostGroup as Wire};

/// A group of a listing; nothing when it has no id.
pub(super) fn map(wire: Wire, context: &Context) -> Option<HostGroup> {
    let mut group = HostGroup::new("", "", "", "");
    group.tenant = context.tenant.clone();
    group.vendor = VENDOR;
    group.uid = text(wire.id)?;
    let mut notes = Notes::new(context.now);
    group.name = verbatim(wire.name).unwrap_or_default();
    group.desc = text(wire.description);
    if let Some(word) = &wire.group_type {
        group.kind = match word {
            GroupType::Dynamic => GroupKind::Dynamic,
            GroupType::Static | GroupType::StaticById => GroupKind::Static,
            other => GroupKind::Other(other.as_str().to_owned()),
        };
        notes.origin("type", Some(word.as_str()), Provenance::Converted);
    }
    group.rule = text(wire.assignment_rule);
    group.created_by = text(wire.created_by);
    group.created_time = notes.time("created_timestamp", wire.created_timestamp.as_deref());
    group.modified_by = text(wire.modified_by);
    group.modified_time = notes.time("modified_timestamp", wire.modified_timestamp.as_deref());
    (group.origins, group.anomalies) = (notes.origins, notes.anomalies);
    Some(group)
}
