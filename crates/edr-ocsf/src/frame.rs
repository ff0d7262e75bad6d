//! What every event begins with.

use edr_core::{Raw, Vendor};

use crate::Writer;
use crate::build::Object;
use crate::version::Version;

/// A class with its activity.
pub(crate) struct Class<'a> {
    pub(crate) uid: u64,
    pub(crate) name: &'static str,
    pub(crate) category: (u64, &'static str),
    pub(crate) activity: (u64, &'a str),
}

pub(crate) const FINDINGS: (u64, &str) = (2, "Findings");
pub(crate) const DISCOVERY: (u64, &str) = (5, "Discovery");
pub(crate) const REMEDIATION: (u64, &str) = (7, "Remediation");

/// The activity of an inventory.
pub(crate) const COLLECT: (u64, &str) = (2, "Collect");

pub(crate) fn head(class: &Class<'_>, writer: &Writer, raw: &Raw) -> Object {
    let mut event = Object::new();
    event
        .id("activity", "activity_name", class.activity)
        .put("category_uid", class.category.0)
        .put("category_name", class.category.1)
        .put("class_uid", class.uid)
        .put("class_name", class.name)
        .put("type_uid", class.uid * 100 + class.activity.0)
        .put("type_name", format!("{}: {}", class.name, kind(class.activity)));
    if writer.raw {
        event.text("raw_data", &raw.to_text());
    }
    event
}

/// The type has the standard's word for an activity outside its table.
fn kind((id, says): (u64, &str)) -> &str {
    if id == 99 { "Other" } else { says }
}

/// Where an event comes from.
pub(crate) struct Source<'a> {
    pub(crate) vendor: &'a Vendor,
    pub(crate) urn: String,
    pub(crate) tenant_uid: Option<&'a str>,
    pub(crate) feature: Option<&'a str>,
    pub(crate) labels: Vec<String>,
    pub(crate) profiles: Vec<&'static str>,
}

impl<'a> Source<'a> {
    /// A source without feature, labels or profiles.
    pub(crate) fn of(vendor: &'a Vendor, urn: String, tenant_uid: Option<&'a str>) -> Self {
        Self { vendor, urn, tenant_uid, feature: None, labels: Vec::new(), profiles: Vec::new() }
    }
}

/// A product and who makes it.
pub(crate) fn product(vendor: &Vendor) -> (&str, &str) {
    match vendor.as_str() {
        "falcon" => ("Falcon", "CrowdStrike"),
        "cortex" => ("Cortex XDR", "Palo Alto Networks"),
        other => (other, other),
    }
}

pub(crate) fn metadata(source: Source<'_>) -> Object {
    let (product, maker) = product(source.vendor);
    let mut feature = Object::new();
    feature.some("name", source.feature);
    let mut described = Object::new();
    described.put("name", product).put("vendor_name", maker).object("feature", feature);
    let mut metadata = Object::new();
    metadata
        .put("version", Version::V1_8_0.as_str())
        .put("uid", source.urn)
        .object("product", described)
        .some("tenant_uid", source.tenant_uid)
        .list("labels", source.labels)
        .list("profiles", source.profiles);
    metadata
}

/// What the standard has no attribute for stands here, in the model's names.
pub(crate) fn unmapped(edr: Object) -> Object {
    let mut unmapped = Object::new();
    unmapped.object("edr", edr);
    unmapped
}
