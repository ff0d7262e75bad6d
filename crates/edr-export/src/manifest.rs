//! What was written, and what is missing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Request;

/// The form of the manifest itself.
const FORM: u32 = 1;

/// How far something was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything.
    Complete,
    /// Nothing.
    Failed,
    /// Some of it.
    Partial,
}

/// How the reading of a tenant ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ending {
    /// The tenant.
    pub tenant: String,
    /// Its vendor.
    pub vendor: String,
    /// How far it was read.
    pub outcome: Outcome,
    /// What is missing and why.
    pub reason: Option<String>,
    /// The reading came to its end, though single items are missing.
    pub read_to_end: bool,
    /// How many items could not be decoded.
    pub rejected: u64,
}

impl Ending {
    /// Everything was read.
    #[must_use]
    pub fn complete(tenant: impl Into<String>, vendor: impl Into<String>) -> Self {
        let (tenant, vendor) = (tenant.into(), vendor.into());
        Self { tenant, vendor, outcome: Outcome::Complete, reason: None, read_to_end: true, rejected: 0 }
    }

    /// Something is missing.
    #[must_use]
    pub fn short(
        tenant: impl Into<String>,
        vendor: impl Into<String>,
        outcome: Outcome,
        reason: impl Into<String>,
    ) -> Self {
        let reason = Some(reason.into());
        Self {
            tenant: tenant.into(),
            vendor: vendor.into(),
            outcome,
            reason,
            read_to_end: false,
            rejected: 0,
        }
    }

    /// The reading came to its end: what is missing are so many items that could not be decoded.
    #[must_use]
    pub fn read_to_end(mut self, rejected: u64) -> Self {
        (self.read_to_end, self.rejected) = (true, rejected);
        self
    }
}

/// A tenant in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TenantPart {
    /// The tenant.
    pub tenant: String,
    /// Its vendor.
    pub vendor: String,
    /// How far this run has read it.
    pub outcome: Outcome,
    /// Rows in its files.
    pub records: u64,
    /// What is missing and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its files are of an earlier run, which ended then and had read more: this run has not replaced them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<DateTime<Utc>>,
    /// How far that earlier run had read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_outcome: Option<Outcome>,
    /// The reading that its files are of came to its end, though single items could not be decoded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_to_end: bool,
    /// This run was not asked for it: all that is said of it is of an earlier one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_asked: bool,
}

impl TenantPart {
    fn of(ending: Ending) -> Self {
        let Ending { tenant, vendor, outcome, reason, read_to_end, .. } = ending;
        Self {
            tenant,
            vendor,
            outcome,
            records: 0,
            reason,
            kept: None,
            kept_outcome: None,
            // Of what is complete there is nothing more to say.
            read_to_end: read_to_end && outcome == Outcome::Partial,
            not_asked: false,
        }
    }

    /// How far the tenant was read for the files that there are.
    pub(crate) fn held(&self) -> Outcome {
        match self.kept {
            // Older manifests do not say it: they kept what was whole alone.
            Some(_) => self.kept_outcome.unwrap_or(Outcome::Complete),
            None => self.outcome,
        }
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WrittenFile {
    /// Its path below the folder of the export, with `/`.
    pub path: String,
    /// The tenant of its rows.
    pub tenant: String,
    /// The UTC day of its rows, as `20260108`.
    pub day: String,
    /// Its rows.
    pub records: u64,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// The time of its first row.
    pub first: DateTime<Utc>,
    /// The time of its last row.
    pub last: DateTime<Utc>,
}

/// What one batch has written. Files that no manifest names do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The form of the manifest: 1.
    pub manifest: u32,
    /// The name of the batch.
    pub batch: String,
    /// What was asked for.
    pub request: Request,
    /// The version of the format's schema.
    pub schema: String,
    /// When the run began.
    pub began: DateTime<Utc>,
    /// When everything was written.
    pub ended: DateTime<Utc>,
    /// Complete when every tenant is that was asked for.
    pub outcome: Outcome,
    /// Rows of all files.
    pub records: u64,
    /// Rows that came twice and were written once.
    pub duplicates: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// The tenants.
    pub tenants: Vec<TenantPart>,
    /// The files.
    pub files: Vec<WrittenFile>,
}

impl Manifest {
    /// Of a run that began and ended then, without files so far.
    pub(crate) fn new(
        request: &Request,
        (began, ended): (DateTime<Utc>, DateTime<Utc>),
        tenants: Vec<Ending>,
    ) -> Self {
        Self {
            manifest: FORM,
            batch: request.batch(),
            request: request.clone(),
            schema: request.format.version().to_owned(),
            began,
            ended,
            outcome: Outcome::Complete,
            records: 0,
            duplicates: 0,
            bytes: 0,
            tenants: tenants.into_iter().map(TenantPart::of).collect(),
            files: Vec::new(),
        }
    }

    /// Where it lies, below the folder of the export.
    #[must_use]
    pub fn path(&self) -> String {
        path(&self.batch)
    }

    pub(crate) fn tenant(&self, name: &str) -> Option<&TenantPart> {
        self.tenants.iter().find(|part| part.tenant == name)
    }

    pub(crate) fn files_of<'a>(&'a self, tenant: &'a str) -> impl Iterator<Item = &'a WrittenFile> {
        self.files.iter().filter(move |file| file.tenant == tenant)
    }

    /// Puts files and tenants in order, and adds up.
    pub(crate) fn sum(&mut self) {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.tenants.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        let mut rows = BTreeMap::<&str, u64>::new();
        for file in &self.files {
            *rows.entry(&file.tenant).or_default() += file.records;
        }
        for part in &mut self.tenants {
            part.records = rows.get(part.tenant.as_str()).copied().unwrap_or_default();
        }
        self.records = self.files.iter().map(|file| file.records).sum();
        self.bytes = self.files.iter().map(|file| file.bytes).sum();
        let asked = self.tenants.iter().filter(|part| !part.not_asked);
        self.outcome = together(asked.map(|part| part.outcome));
    }
}

pub(crate) fn path(batch: &str) -> String {
    format!("manifest/{batch}.json")
}

fn together(mut outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let first = outcomes.next().unwrap_or(Outcome::Complete);
    if outcomes.all(|outcome| outcome == first) { first } else { Outcome::Partial }
}
