//! The indicator entity to an indicator. Sources: reference, normalisation 2.4.

use edr_core::{Expiration, Group, Ioc, IocAction, IocType, Platform, Provenance, Severity};

use super::{Context, Notes, text, texts, verbatim};
use crate::VENDOR;
use crate::api::iocs::{Ioc as Wire, IocAction as Deed, IocPlatform};

/// An indicator of a listing; nothing when it has no id.
pub(super) fn map(mut wire: Wire, context: &Context) -> Option<Ioc> {
    let mut ioc = Ioc::new("", "", "", "");
    ioc.tenant = context.tenant.clone();
    ioc.vendor = VENDOR;
    ioc.uid = text(wire.id.take())?;
    let mut notes = Notes::new(context.now);
    if let Some(kind) = &wire.kind {
        ioc.kind = IocType::from(kind.as_str());
        notes.origin("type", Some(kind.as_str()), Provenance::Converted);
    }
    ioc.value = wire.value.take().unwrap_or_default();
    action(&mut ioc, &wire, &mut notes);
    if let Some(severity) = &wire.severity {
        ioc.severity = Severity::from(severity.as_str());
        notes.origin("severity", Some(severity.as_str()), Provenance::Converted);
    }
    expiration(&mut ioc, &wire, &mut notes);
    ioc.platforms = wire.platforms.iter().map(platform).collect();
    ioc.is_global = wire.applied_globally;
    ioc.groups =
        texts(wire.host_groups).into_iter().map(|uid| Group { uid: Some(uid), name: None }).collect();
    ioc.is_expired = wire.expired;
    ioc.tags = texts(wire.tags);
    ioc.desc = text(wire.description);
    ioc.source = verbatim(wire.source);
    ioc.file_name = wire.metadata.and_then(|m| text(m.filename));
    ioc.created_time = notes.time("created_on", wire.created_on.as_deref());
    ioc.modified_time = notes.time("modified_on", wire.modified_on.as_deref());
    (ioc.created_by, ioc.modified_by) = (text(wire.created_by), text(wire.modified_by));
    (ioc.origins, ioc.anomalies) = (notes.origins, notes.anomalies);
    Some(ioc)
}

/// Where it applies to phones alone, what is done there counts: the other says nothing.
fn action(ioc: &mut Ioc, wire: &Wire, notes: &mut Notes) {
    let mobile = |p: &IocPlatform| matches!(p, IocPlatform::Android | IocPlatform::Ios);
    let only_mobile = !wire.platforms.is_empty() && wire.platforms.iter().all(mobile);
    let Some(word) = (if only_mobile { &wire.mobile_action } else { &wire.action }) else { return };
    ioc.action = match word {
        Deed::Allow => IocAction::Allow,
        Deed::Detect => IocAction::Detect,
        Deed::NoAction => IocAction::Monitor,
        Deed::Prevent | Deed::PreventNoUi => IocAction::Block,
        other => IocAction::Other(other.as_str().to_owned()),
    };
    notes.origin("action", Some(word.as_str()), Provenance::Converted);
}

/// An end may lie ahead, so that it is not held against the present time; the year 1 and none are never.
fn expiration(ioc: &mut Ioc, wire: &Wire, notes: &mut Notes) {
    let Some(told) = wire.expiration.as_ref().filter(|t| !t.trim().is_empty() && !t.starts_with("0001-"))
    else {
        ioc.expiration = Expiration::Never;
        notes.origin("expiration", None, Provenance::Default);
        return;
    };
    match told.utc() {
        Some(at) => ioc.expiration = Expiration::At(at),
        None => notes.anomaly("expiration", told.as_str(), "not a time"),
    }
}

fn platform(platform: &IocPlatform) -> Platform {
    match platform {
        IocPlatform::Mac => Platform::Macos,
        other => Platform::from(other.as_str()),
    }
}
