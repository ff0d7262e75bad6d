//! The application of Discover to an application. Sources: reference, normalisation 2.7.

use edr_core::model::read;
use edr_core::{Application, HostRef, Platform};

use super::{Context, Notes, text, texts, verbatim};
use crate::VENDOR;
use crate::api::discover::{Application as Wire, ApplicationHost};

/// An application of a listing; nothing when it has no id.
pub(super) fn map(wire: Wire, context: &Context) -> Option<Application> {
    let mut application = Application::new("", "", "", "");
    application.tenant = context.tenant.clone();
    application.vendor = VENDOR;
    application.uid = text(wire.id)?;
    application.tenant_uid = text(wire.cid);
    let mut notes = Notes::new(context.now);
    application.name = verbatim(wire.name).unwrap_or_default();
    application.publisher = verbatim(wire.vendor);
    application.version = verbatim(wire.version);
    application.category = text(wire.category);
    application.kind = text(wire.software_type);
    application.browser = wire.browser_extension.and_then(|e| text(e.browser_name));
    application.architectures = texts(wire.architectures);
    application.paths = texts(wire.installation_paths);
    application.file_name = text(wire.last_used_file_name);
    application.file_hash = text(wire.last_used_file_hash).map(|hash| hash.to_ascii_lowercase());
    application.is_suspicious = wire.is_suspicious;
    application.host = wire.host.map(host).unwrap_or_default();
    let (name, sid) = (text(wire.last_used_user_name), text(wire.last_used_user_sid));
    application.last_user = read::user(name.as_deref().unwrap_or_default(), sid.as_deref());
    application.last_used = notes.time("last_used_timestamp", wire.last_used_timestamp.as_deref());
    application.installed = notes.time("installation_timestamp", wire.installation_timestamp.as_deref());
    application.first_seen = notes.time("first_seen_timestamp", wire.first_seen_timestamp.as_deref());
    application.modified_time = notes.time("last_updated_timestamp", wire.last_updated_timestamp.as_deref());
    (application.origins, application.anomalies) = (notes.origins, notes.anomalies);
    Some(application)
}

fn host(wire: ApplicationHost) -> HostRef {
    let mut host = HostRef::default();
    host.uid = text(wire.aid);
    host.hostname = verbatim(wire.hostname);
    host.domain = verbatim(wire.machine_domain);
    host.platform = platform(wire.platform_name);
    host.os = text(wire.os_version);
    host
}

/// The platform by its name.
pub(super) fn platform(name: Option<String>) -> Platform {
    match text(name) {
        None => Platform::Unknown,
        Some(name) if name.eq_ignore_ascii_case("mac") => Platform::Macos,
        Some(name) => Platform::from(name.as_str()),
    }
}
