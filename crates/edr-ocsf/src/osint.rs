//! An indicator that a tenant manages as OSINT Inventory Info (5021).

use edr_core::{Expiration, Ioc};

use crate::build::Object;
use crate::frame::{COLLECT, Class, DISCOVERY, Source, head, metadata};
use crate::inventory::{observe, value};
use crate::{Writer, frame, words};

/// The class that 1.3.0 does not have.
pub(crate) const CLASS: (u64, &str) = (5021, "OSINT Inventory Info");

pub(crate) fn event(ioc: &Ioc, writer: &Writer) -> Object {
    let class = Class { uid: CLASS.0, name: CLASS.1, category: DISCOVERY, activity: COLLECT };
    let mut source = Source::of(&ioc.vendor, ioc.urn(), ioc.tenant_uid.as_deref());
    source.labels.clone_from(&ioc.tags);
    let seen = words::indicator(ioc.kind.as_str()).filter(|_| !ioc.value.is_empty());
    let mut event = head(&class, writer, &ioc.raw);
    event
        .put("time", writer.now.timestamp_millis())
        .id("severity", "severity", (1, "Informational"))
        .object("metadata", metadata(source))
        .list("osint", [indicator(ioc)])
        .list("observables", seen.map(|kind| observe(kind, "osint.value", &ioc.value)))
        .object("unmapped", unmapped(ioc));
    event
}

fn indicator(ioc: &Ioc) -> Object {
    let mut creator = Object::new();
    creator.some("name", ioc.created_by.as_deref());
    let mut object = Object::new();
    object
        .put("value", ioc.value.as_str())
        .id("type", "type", words::osint(&ioc.kind))
        .text("uid", &ioc.uid)
        .put("vendor_name", ioc.source.as_deref().unwrap_or(ioc.vendor.as_str()))
        .some("desc", ioc.desc.as_deref())
        .object("creator", creator)
        .time("created_time", ioc.created_time)
        .time("modified_time", ioc.modified_time)
        .time("expiration_time", ioc.expiration.time().copied())
        .list("labels", ioc.tags.iter().map(String::as_str));
    if !ioc.severity.is_unknown() {
        object.id("severity", "severity", words::severity(&ioc.severity));
    }
    if let Some(letter) = ioc.reliability.as_deref() {
        object.id("confidence", "confidence", words::confidence(letter));
    }
    object
}

fn unmapped(ioc: &Ioc) -> Object {
    let mut edr = Object::new();
    edr.put("tenant", ioc.tenant.as_str())
        .put("vendor", ioc.vendor.as_str())
        .put("type", ioc.kind.as_str())
        .put("action", ioc.action.as_str())
        .some("expiration", end(ioc.expiration))
        .list("platforms", ioc.platforms.iter().map(edr_core::Platform::as_str))
        .some("is_global", ioc.is_global)
        .list("groups", ioc.groups.iter().map(value))
        .some("is_enabled", ioc.is_enabled)
        .some("is_expired", ioc.is_expired)
        .some("source", ioc.source.as_deref())
        .some("file_name", ioc.file_name.as_deref())
        .some("reputation", ioc.reputation.as_deref())
        .some("reliability", ioc.reliability.as_deref())
        .some("modified_by", ioc.modified_by.as_deref())
        .list("origins", ioc.origins.iter().map(value))
        .list("anomalies", ioc.anomalies.iter().map(value));
    frame::unmapped(edr)
}

/// An end that is no time; a time has its attribute.
fn end(expiration: Expiration) -> Option<String> {
    expiration.time().is_none().then(|| expiration.to_string())
}
