//! An application on one host as Software Inventory Info (5020).

use edr_core::Application;
use serde_json::Value;

use crate::build::Object;
use crate::frame::{COLLECT, Class, DISCOVERY, Source, head, metadata};
use crate::inventory::{nameless, observe, value};
use crate::{Writer, device, evidence, frame};

pub(crate) fn event(application: &Application, writer: &Writer) -> Object {
    let class = Class { uid: 5020, name: "Software Inventory Info", category: DISCOVERY, activity: COLLECT };
    let source = Source::of(&application.vendor, application.urn(), application.tenant_uid.as_deref());
    let host = application.host.hostname.as_deref().filter(|h| !h.is_empty());
    let mut event = head(&class, writer, &application.raw);
    event
        .put("time", writer.now.timestamp_millis())
        .id("severity", "severity", (1, "Informational"))
        .text("message", &application.name)
        .object("metadata", metadata(source))
        .object("device", device::named_host(&application.host).unwrap_or_else(nameless))
        .object("product", product(application))
        .some("sbom", bill(application))
        .list("observables", host.map(|name| observe((1, "Hostname"), "device.hostname", name)))
        .object("unmapped", unmapped(application));
    event
}

/// A product needs a name or an id; the id is always there in what a vendor sends.
fn product(application: &Application) -> Object {
    let mut product = Object::new();
    product
        .put("uid", application.uid.as_str())
        .text("name", &application.name)
        .some("vendor_name", application.publisher.as_deref())
        .some("version", application.version.as_deref())
        .some("path", application.paths.first().map(String::as_str));
    product
}

/// The package, where its name and version are known. What it is made of nobody says.
fn bill(application: &Application) -> Option<Value> {
    let mut package = Object::new();
    package
        .put("name", Some(application.name.as_str()).filter(|n| !n.is_empty())?)
        .put("version", application.version.as_deref()?)
        .some("vendor_name", application.publisher.as_deref())
        .some("architecture", Some(application.architectures.join(", ")).filter(|a| !a.is_empty()))
        .some("hash", application.file_hash.as_deref().and_then(evidence::fingerprint));
    let mut bill = Object::new();
    bill.object("package", package).put("software_components", Vec::<Value>::new());
    bill.filled()
}

fn unmapped(application: &Application) -> Object {
    let mut edr = Object::new();
    edr.put("tenant", application.tenant.as_str())
        .put("vendor", application.vendor.as_str())
        .some("category", application.category.as_deref())
        .some("type", application.kind.as_deref())
        .some("browser", application.browser.as_deref())
        .some("file_name", application.file_name.as_deref())
        .some("file_hash", application.file_hash.as_deref())
        .some("is_suspicious", application.is_suspicious)
        .some("last_user", application.last_user.as_ref().map(value))
        .time("last_used", application.last_used)
        .time("installed", application.installed)
        .time("first_seen", application.first_seen)
        .time("modified_time", application.modified_time)
        .list("architectures", application.architectures.iter().map(String::as_str))
        .list("paths", application.paths.iter().map(String::as_str))
        .list("origins", application.origins.iter().map(value))
        .list("anomalies", application.anomalies.iter().map(value));
    frame::unmapped(edr)
}
