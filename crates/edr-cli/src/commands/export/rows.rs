//! What is printed about an export: one row a tenant.

use std::borrow::Cow;

use edr_export::{Manifest, Outcome, TenantPart};
use serde::Serialize;

use crate::output::Record;
use crate::output::columns::{Column, Fit, Value, columns, fit, maybe, text};

/// A tenant's part of an export.
#[derive(Debug, Serialize)]
pub(super) struct PartRow {
    tenant: String,
    vendor: String,
    outcome: &'static str,
    records: u64,
    files: usize,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The files are of an earlier run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    kept: bool,
    batch: String,
    /// The manifest, below the folder of the export.
    manifest: String,
}

impl PartRow {
    /// The row of a tenant.
    pub(super) fn of(part: &TenantPart, manifest: &Manifest) -> Self {
        let files = || manifest.files.iter().filter(|file| file.tenant == part.tenant);
        Self {
            tenant: part.tenant.clone(),
            vendor: part.vendor.clone(),
            outcome: match part.outcome {
                Outcome::Complete => "complete",
                Outcome::Failed => "failed",
                Outcome::Partial => "partial",
            },
            records: part.records,
            files: files().count(),
            bytes: files().map(|file| file.bytes).sum(),
            reason: part.reason.clone(),
            kept: part.kept.is_some(),
            batch: manifest.batch.clone(),
            manifest: manifest.path(),
        }
    }
}

fn number(count: u64) -> Value<'static> {
    Value::Text(Cow::Owned(count.to_string()))
}

impl Record for PartRow {
    type Key = String;

    const NOUNS: (&'static str, &'static str) = ("tenant", "tenants");
    const COLUMNS: &'static [Column<Self>] = columns! { PartRow;
        "tenant" Plain, |p| text(&p.tenant);
        "vendor" Plain, |p| text(&p.vendor);
        "outcome" Plain, |p| text(p.outcome);
        "records" Plain, |p| number(p.records);
        "files" Plain, |p| number(p.files as u64);
        "bytes" Plain, |p| number(p.bytes);
        "reason" Plain, |p| maybe(p.reason.as_ref());
        "kept" Plain, |p| Value::Bool(p.kept);
        "batch" Plain, |p| text(&p.batch);
        "manifest" Plain, |p| text(&p.manifest);
    };
    const TABLE: &'static [Fit] = &[
        fit("tenant", 12, 0),
        fit("vendor", 6, 2),
        fit("outcome", 8, 0),
        fit("records", 7, 0),
        fit("files", 5, 1),
        fit("bytes", 8, 1),
        fit("reason", 12, 0),
    ];
    const PIPE: &'static [&'static str] =
        &["tenant", "vendor", "outcome", "records", "files", "bytes", "reason"];
    const WIDE: &'static [&'static str] =
        &["tenant", "vendor", "outcome", "records", "files", "bytes", "reason", "kept", "batch", "manifest"];

    fn sort_key(&self) -> Self::Key {
        self.tenant.clone()
    }
}
