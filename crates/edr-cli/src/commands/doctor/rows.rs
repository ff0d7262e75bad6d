//! One record a probe.

use edr::{Probe, TenantId, Vendor};
use serde::Serialize;

use super::Patient;
use crate::output::Record;
use crate::output::columns::{Column, Fit, Value, columns, fit, maybe, text};

/// A probe, and whose it is.
#[derive(Debug, Serialize)]
pub(super) struct ProbeRow {
    /// Absent for a probe of the configuration.
    tenant: Option<TenantId>,
    vendor: Option<Vendor>,
    probe: String,
    /// `passed`, `warned`, `failed` or `skipped`.
    state: &'static str,
    /// What was seen, or why nothing was looked at.
    value: Option<String>,
    /// The scope or role that it takes.
    needs: Option<String>,
    /// The kind of the error.
    code: Option<&'static str>,
    /// The cause.
    error: Option<String>,
    /// What to do.
    hint: Option<String>,
    /// Probes stay in the order in which they were made.
    #[serde(skip)]
    place: usize,
}

impl ProbeRow {
    /// The rows of a tenant, or of the configuration.
    pub(super) fn of(patient: &Patient) -> impl Iterator<Item = Self> + '_ {
        patient.found.probes.iter().map(|probe| Self::row(patient, probe))
    }

    fn row(patient: &Patient, probe: &Probe) -> Self {
        let member = patient.member.as_ref();
        let error = probe.error.as_ref();
        Self {
            tenant: member.map(|m| m.tenant.clone()),
            vendor: member.map(|m| m.vendor.clone()),
            probe: probe.name.clone().into_owned(),
            state: probe.state.as_str(),
            value: probe.value.clone(),
            needs: probe.needs.as_deref().map(str::to_owned),
            code: error.map(|e| e.kind().as_str()),
            error: error.map(crate::errors::message),
            hint: probe.hint().map(str::to_owned),
            place: 0,
        }
    }

    /// The row at its place.
    pub(super) fn at(self, place: usize) -> Self {
        Self { place, ..self }
    }
}

impl Record for ProbeRow {
    type Key = usize;

    const NOUNS: (&'static str, &'static str) = ("probe", "probes");
    const COLUMNS: &'static [Column<Self>] = columns! { ProbeRow;
        "tenant" Plain, |p| p.tenant.as_ref().map_or(Value::Empty, |t| text(t.as_str()));
        "vendor" Plain, |p| p.vendor.as_ref().map_or(Value::Empty, |v| text(v.as_str()));
        "probe" Plain, |p| text(&p.probe);
        "state" Plain, |p| text(p.state);
        "value" Plain, |p| maybe(p.value.as_ref());
        "needs" Plain, |p| maybe(p.needs.as_ref());
        "code" Plain, |p| p.code.map_or(Value::Empty, text);
        "error" Plain, |p| maybe(p.error.as_ref());
        "hint" Plain, |p| maybe(p.hint.as_ref());
    };
    const TABLE: &'static [Fit] = &[
        fit("tenant", 12, 0),
        fit("vendor", 6, 3),
        fit("probe", 10, 0),
        fit("state", 7, 0),
        fit("value", 20, 1),
        fit("error", 20, 1),
        fit("hint", 20, 2),
    ];
    const PIPE: &'static [&'static str] =
        &["tenant", "vendor", "probe", "state", "value", "needs", "code", "error", "hint"];
    const WIDE: &'static [&'static str] = Self::PIPE;

    fn sort_key(&self) -> Self::Key {
        self.place
    }
}
