//! The fields of an indicator.

use super::FieldKind::{self, Bool, Text, Time};
use super::fields::words::PLATFORMS;
use super::fields::{each, fields};
use crate::Ioc;

const TYPES: FieldKind = FieldKind::Enum(&[
    "all_subdomains",
    "domain",
    "file_name",
    "file_path",
    "hash",
    "ip",
    "ipv4",
    "ipv6",
    "md5",
    "sha1",
    "sha256",
    "unknown",
    "url",
]);
const ACTIONS: FieldKind = FieldKind::Enum(&["allow", "block", "detect", "monitor", "unknown"]);

fields! { IOC_FIELDS, ioc_fields, Ioc, Ioc, "The fields of an indicator that can be filtered on.";
    "action" ACTIONS, |i, out| out(i.action.as_str().into());
    "created_by" Text, |i, out| each(&i.created_by, Some, out);
    "created_time" Time, |i, out| each(&i.created_time, Some, out);
    "desc" Text, |i, out| each(&i.desc, Some, out);
    "expiration" Time, |i, out| each(i.expiration.time(), Some, out);
    "file_name" Text, |i, out| each(&i.file_name, Some, out);
    "groups" Text, |i, out| {
        each(&i.groups, |g| g.uid.as_ref(), out);
        each(&i.groups, |g| g.name.as_ref(), out);
    };
    "is_enabled" Bool, |i, out| each(&i.is_enabled, Some, out);
    "is_expired" Bool, |i, out| each(&i.is_expired, Some, out);
    "is_global" Bool, |i, out| each(&i.is_global, Some, out);
    "modified_by" Text, |i, out| each(&i.modified_by, Some, out);
    "modified_time" Time, |i, out| each(&i.modified_time, Some, out);
    "platforms" PLATFORMS, |i, out| each(&i.platforms, |p| Some(p.as_str()), out);
    "reliability" Text, |i, out| each(&i.reliability, Some, out);
    "reputation" Text, |i, out| each(&i.reputation, Some, out);
    "severity" FieldKind::Severity, |i, out| out(i.severity.as_str().into());
    "source" Text, |i, out| each(&i.source, Some, out);
    "tags" Text, |i, out| each(&i.tags, Some, out);
    "type" TYPES, |i, out| out(i.kind.as_str().into());
    "uid" Text, |i, out| out(i.uid.as_str().into());
    "value" Text, |i, out| out(i.value.as_str().into());
}
