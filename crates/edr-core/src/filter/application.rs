//! The fields of an application.

use super::FieldKind::{Bool, Text, Time};
use super::fields::words::PLATFORMS;
use super::fields::{each, fields};
use crate::Application;

fields! { APPLICATION_FIELDS, application_fields, Application, Application, "The fields of an application that can be filtered on.";
    "architectures" Text, |a, out| each(&a.architectures, Some, out);
    "browser" Text, |a, out| each(&a.browser, Some, out);
    "category" Text, |a, out| each(&a.category, Some, out);
    "file_hash" Text, |a, out| each(&a.file_hash, Some, out);
    "file_name" Text, |a, out| each(&a.file_name, Some, out);
    "first_seen" Time, |a, out| each(&a.first_seen, Some, out);
    "host.domain" Text, |a, out| each(&a.host.domain, Some, out);
    "host.hostname" Text, |a, out| each(&a.host.hostname, Some, out);
    "host.os.type" PLATFORMS, |a, out| out(a.host.platform.as_str().into());
    "host.uid" Text, |a, out| each(&a.host.uid, Some, out);
    "installed" Time, |a, out| each(&a.installed, Some, out);
    "is_suspicious" Bool, |a, out| each(&a.is_suspicious, Some, out);
    "last_used" Time, |a, out| each(&a.last_used, Some, out);
    "last_user.name" Text, |a, out| each(a.last_user.iter().filter_map(|u| u.name.as_ref()), Some, out);
    "modified_time" Time, |a, out| each(&a.modified_time, Some, out);
    "name" Text, |a, out| out(a.name.as_str().into());
    "paths" Text, |a, out| each(&a.paths, Some, out);
    "publisher" Text, |a, out| each(&a.publisher, Some, out);
    "type" Text, |a, out| each(&a.kind, Some, out);
    "uid" Text, |a, out| out(a.uid.as_str().into());
    "version" Text, |a, out| each(&a.version, Some, out);
}
