//! A change of containment as Device Config State Change (5019).

use edr_core::{ContainmentChange, ContainmentState};
use serde_json::Value;

use crate::build::Object;
use crate::frame::{Class, DISCOVERY, Source, head, metadata};
use crate::inventory::{labels, nameless, observables, rest, value};
use crate::{Writer, device, frame};

pub(crate) fn event(change: &ContainmentChange, writer: &Writer) -> Object {
    let class =
        Class { uid: 5019, name: "Device Config State Change", category: DISCOVERY, activity: (1, "Log") };
    let host = &change.host;
    let mut source = Source::of(&host.vendor, urn(change), host.tenant_uid.as_deref());
    source.labels = labels(host);
    let mut event = head(&class, writer, &host.raw);
    event
        .put("time", change.time.timestamp_millis())
        .id("severity", "severity", (1, "Informational"))
        .put("message", format!("containment: {} to {}", change.before, host.containment_state))
        .object("metadata", metadata(source))
        .object("device", device::device(host).unwrap_or_else(nameless))
        .list("prev_security_states", states(&change.before))
        .list("security_states", states(&host.containment_state))
        .list("observables", observables(host, "device"))
        .object("unmapped", unmapped(change));
    event
}

/// One host may change more than once.
fn urn(change: &ContainmentChange) -> String {
    format!("{}/containment/{}", change.host.urn(), change.time.timestamp_millis())
}

/// A host that waits for its release is still cut off. The standard has no word for a host that is not.
fn states(state: &ContainmentState) -> Vec<Value> {
    const QUARANTINE: (u64, &str) = (3, "In network quarantine");
    let one = |word: (u64, &str)| {
        let mut object = Object::new();
        object.id("state", "state", word);
        Value::from(object)
    };
    match state {
        ContainmentState::Contained => vec![one(QUARANTINE)],
        ContainmentState::LiftPending => vec![one(QUARANTINE), one((99, state.as_str()))],
        ContainmentState::Normal => Vec::new(),
        ContainmentState::Unknown => vec![one((0, "Unknown"))],
        other => vec![one((99, other.as_str()))],
    }
}

fn unmapped(change: &ContainmentChange) -> Object {
    let mut edr = rest(&change.host);
    edr.put("tenant", change.host.tenant.as_str())
        .put("vendor", change.host.vendor.as_str())
        .put("prev_containment_state", change.before.as_str())
        .put("containment_state", change.host.containment_state.as_str())
        .some("cloud", change.host.cloud.as_ref().map(value));
    frame::unmapped(edr)
}
