//! The fields of a group of hosts.

use super::FieldKind::{self, Number, Text, Time};
use super::fields::{each, fields};
use crate::HostGroup;

const KINDS: FieldKind = FieldKind::Enum(&["dynamic", "static", "unknown"]);

fields! { GROUP_FIELDS, group_fields, HostGroup, HostGroup, "The fields of a group of hosts that can be filtered on.";
    "created_by" Text, |g, out| each(&g.created_by, Some, out);
    "created_time" Time, |g, out| each(&g.created_time, Some, out);
    "desc" Text, |g, out| each(&g.desc, Some, out);
    "host_count" Number, |g, out| each(&g.host_count, Some, out);
    "modified_by" Text, |g, out| each(&g.modified_by, Some, out);
    "modified_time" Time, |g, out| each(&g.modified_time, Some, out);
    "name" Text, |g, out| out(g.name.as_str().into());
    "rule" Text, |g, out| each(&g.rule, Some, out);
    "type" KINDS, |g, out| out(g.kind.as_str().into());
    "uid" Text, |g, out| out(g.uid.as_str().into());
}
