//! One run of an export.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::manifest::{Ending, Manifest, Outcome, TenantPart};
use crate::parts::Parts;
use crate::spool::{Merge, Spool};
use crate::store::{Commit, Recovered, Stage, Store};
use crate::{Error, Request, Result, Row};

/// How many rows pass before the caller is asked whether to go on.
const BREATH: u64 = 256;

/// Takes rows, and puts files into their place at the end. One that is dropped before has written nothing.
#[derive(Debug)]
pub struct Export {
    store: Store,
    recovered: Recovered,
    stage: Stage,
    request: Request,
    batch: String,
    began: DateTime<Utc>,
    spool: Spool,
    tenants: Vec<String>,
    numbers: HashMap<String, u32>,
    rows: u64,
}

impl Export {
    /// Begins to write into a folder. What killed runs have left there is completed or cleared away first.
    ///
    /// # Errors
    /// When another export writes into the folder ([`Error::is_busy`]), or the folder cannot be written into.
    pub fn begin(folder: &Path, request: Request, now: DateTime<Utc>) -> Result<Self> {
        let (store, recovered) = Store::open(folder)?;
        let batch = request.batch();
        let stage = store.stage(&batch)?;
        let spool = Spool::new(stage.runs());
        let (tenants, numbers) = (Vec::new(), HashMap::new());
        Ok(Self { store, recovered, stage, request, batch, began: now, spool, tenants, numbers, rows: 0 })
    }

    /// What killed runs had left.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Rows that were taken.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes a row, in any order.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn push(&mut self, row: Row) -> Result<()> {
        let tenant = self.number(&row.tenant);
        self.rows += 1;
        self.spool.push(tenant, &row)
    }

    fn number(&mut self, tenant: &str) -> u32 {
        if let Some(number) = self.numbers.get(tenant) {
            return *number;
        }
        // There are fewer tenants than that.
        let number = u32::try_from(self.tenants.len()).unwrap_or(u32::MAX);
        self.tenants.push(tenant.to_owned());
        self.numbers.insert(tenant.to_owned(), number);
        number
    }

    /// Writes the files, puts them into their place and says what there is. Files of an earlier run of the same request are
    /// replaced, but for those of a tenant that was read to its end then and is not now, or of which nothing is read now.
    ///
    /// # Errors
    /// When the disk does not take it, or `go_on` says no ([`Error::is_stopped`]). Nothing is in its place then, or the next
    /// export into the folder completes it.
    pub fn finish(
        self,
        ended: Vec<Ending>,
        now: DateTime<Utc>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Manifest> {
        let Self { store, stage, request, batch, began, spool, tenants, .. } = self;
        let mut parts = Parts::new(&stage.files(), &request, &batch, &tenants);
        write(spool.merge()?, &mut parts, go_on)?;
        let mut manifest = Manifest::new(&request, (began, now), ended);
        manifest.duplicates = parts.duplicates;
        let earlier = store.manifest(&batch)?;
        if let Some(earlier) = &earlier {
            keep(earlier, &mut manifest, &mut parts)?;
        }
        let commit = decided(manifest, earlier.as_ref(), parts);
        store.commit(stage, &commit)?;
        Ok(commit.manifest)
    }
}

/// Where everything goes, and what makes room for it.
fn decided(mut manifest: Manifest, earlier: Option<&Manifest>, parts: Parts<'_>) -> Commit {
    let moves = parts.files.iter().map(|(staged, file)| (staged.clone(), file.path.clone())).collect();
    manifest.files.extend(parts.files.into_iter().map(|(_, file)| file));
    manifest.sum();
    let stays: HashSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    let had = earlier.into_iter().flat_map(|earlier| &earlier.files).map(|file| &file.path);
    let removes = had.filter(|path| !stays.contains(path.as_str())).cloned().collect();
    Commit { moves, removes, manifest }
}

fn write(mut rows: Merge, parts: &mut Parts<'_>, go_on: &dyn Fn() -> bool) -> Result<()> {
    let mut count = 0;
    while let Some(entry) = rows.next()? {
        if count % BREATH == 0 && !go_on() {
            return Err(Error::stopped());
        }
        count += 1;
        parts.take(entry)?;
    }
    parts.close()
}

/// A tenant of which this run has read less than an earlier one keeps what it had.
fn keep(earlier: &Manifest, manifest: &mut Manifest, parts: &mut Parts<'_>) -> Result<()> {
    for had in &earlier.tenants {
        if !has_more(had, manifest.tenant(&had.tenant)) {
            continue;
        }
        parts.forget(&had.tenant)?;
        manifest.files.extend(earlier.files_of(&had.tenant).cloned());
        let (kept, kept_outcome) = (Some(had.kept.unwrap_or(earlier.ended)), Some(had.held()));
        match manifest.tenants.iter_mut().find(|part| part.tenant == had.tenant) {
            Some(part) => (part.kept, part.kept_outcome) = (kept, kept_outcome),
            None => manifest.tenants.push(TenantPart { kept, kept_outcome, ..had.clone() }),
        }
    }
    Ok(())
}

/// Whether the files that there are have more of a tenant than this run: all of it, or something where it has nothing.
fn has_more(had: &TenantPart, now: Option<&TenantPart>) -> bool {
    match now.map_or(Outcome::Failed, |part| part.outcome) {
        Outcome::Complete => false,
        Outcome::Partial => had.held() == Outcome::Complete,
        Outcome::Failed => had.held() == Outcome::Complete || had.records > 0,
    }
}

#[cfg(test)]
mod tests;
