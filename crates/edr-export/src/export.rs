//! One run of an export.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::manifest::{Ending, Manifest, Outcome, TenantPart, WrittenFile};
use crate::pace::{Pace, ask};
use crate::parts::Parts;
use crate::spool::{Merge, Spool};
use crate::store::{Commit, Recovered, Stage, Store};
use crate::{Request, Result, Row};

/// Takes rows, and puts files into their place at the end. One that is dropped before has written nothing.
#[derive(Debug)]
pub struct Export {
    // Before the store, whose lock is held until the stage is cleared away.
    stage: Stage,
    store: Store,
    recovered: Recovered,
    request: Request,
    batch: String,
    earlier: Option<Manifest>,
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
    /// When another export writes into the folder ([`Error::is_busy`](crate::Error::is_busy)), or the folder cannot be written
    /// into, or has exports of a demo and this is none, or the other way round.
    pub fn begin(folder: &Path, request: Request, now: DateTime<Utc>) -> Result<Self> {
        let (store, recovered) = Store::open(folder)?;
        store.takes(request.demo)?;
        let batch = request.batch();
        let earlier = store.manifest(&batch)?;
        let stage = store.stage(&batch)?;
        let spool = Spool::new(stage.runs());
        let (tenants, numbers) = (Vec::new(), HashMap::new());
        let (began, rows) = (now, 0);
        Ok(Self { stage, store, recovered, request, batch, earlier, began, spool, tenants, numbers, rows })
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

    /// Writes the files, puts them into their place and says what there is: [`Self::write`] and [`Written::place`].
    ///
    /// # Errors
    /// As those two.
    pub fn finish(
        self,
        ended: Vec<Ending>,
        now: DateTime<Utc>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Manifest> {
        self.write(ended, now, go_on)?.place(go_on)
    }

    /// Writes the files. Those of an earlier run of the same request are to be replaced, but for those of a tenant of which
    /// this run has read less: not to its end, and fewer rows, or any number where the earlier one came to the end.
    ///
    /// # Errors
    /// When the disk does not take it or does not say what it still has of an earlier run, or `go_on` says no
    /// ([`Error::is_stopped`](crate::Error::is_stopped)). Nothing is in its place then.
    pub fn write(self, ended: Vec<Ending>, now: DateTime<Utc>, go_on: &dyn Fn() -> bool) -> Result<Written> {
        let Self { store, stage, request, batch, earlier, began, spool, tenants, .. } = self;
        let mut pace = Pace::new(go_on);
        let mut parts = Parts::new(&stage.files(), &request, &batch, &tenants);
        write(spool.merge(&mut pace)?, &mut parts, &mut pace)?;
        let rejected: HashMap<String, u64> =
            ended.iter().map(|one| (one.tenant.clone(), one.rejected)).collect();
        let mut manifest = Manifest::new(&request, (began, now), ended);
        manifest.duplicates = parts.duplicates;
        if let Some(earlier) = &earlier {
            keep(&store, (earlier, &mut manifest), &mut parts, &rejected)?;
        }
        let commit = decided(manifest, earlier.as_ref(), parts);
        Ok(Written { stage, store, commit })
    }
}

/// Files that are written and on disk, and not yet in their place. They are cleared away when this is dropped.
#[derive(Debug)]
pub struct Written {
    // Before the store, as in `Export`.
    stage: Stage,
    store: Store,
    commit: Commit,
}

impl Written {
    /// Puts the files into their place and says what there is. The caller is asked once more before, and not after: a program
    /// that can be stopped holds that off meanwhile.
    ///
    /// # Errors
    /// When `go_on` says no ([`Error::is_stopped`](crate::Error::is_stopped)) or something stands in the way; nothing is in its
    /// place then. When the disk fails later than that, the next export into the folder completes it.
    pub fn place(self, go_on: &dyn Fn() -> bool) -> Result<Manifest> {
        let Self { store, stage, commit } = self;
        ask(go_on)?;
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

fn write(mut rows: Merge, parts: &mut Parts<'_>, pace: &mut Pace<'_>) -> Result<()> {
    while let Some(entry) = rows.next()? {
        pace.step()?;
        parts.take(entry)?;
    }
    parts.close()
}

/// A tenant of which this run has read less than an earlier one keeps what it had.
fn keep(
    store: &Store,
    (earlier, manifest): (&Manifest, &mut Manifest),
    parts: &mut Parts<'_>,
    rejected: &HashMap<String, u64>,
) -> Result<()> {
    for had in &earlier.tenants {
        let held = Held::of(store, earlier, had)?;
        let rejected = rejected.get(&had.tenant).copied().unwrap_or_default();
        if !held.is_more(manifest.tenant(&had.tenant), parts.rows_of(&had.tenant), rejected) {
            continue;
        }
        parts.forget(&had.tenant)?;
        manifest.files.extend(held.files.into_iter().cloned());
        let read_to_end = held.read_to_end;
        let (kept, kept_outcome) = (Some(had.kept.unwrap_or(earlier.ended)), Some(held.outcome));
        match manifest.tenants.iter_mut().find(|part| part.tenant == had.tenant) {
            Some(part) => {
                (part.kept, part.kept_outcome, part.read_to_end) = (kept, kept_outcome, read_to_end)
            }
            None => manifest.tenants.push(TenantPart {
                kept,
                kept_outcome,
                read_to_end,
                not_asked: true,
                ..had.clone()
            }),
        }
    }
    Ok(())
}

/// What there still is of a tenant from an earlier run.
struct Held<'a> {
    files: Vec<&'a WrittenFile>,
    /// How far it was read for them.
    outcome: Outcome,
    read_to_end: bool,
}

impl<'a> Held<'a> {
    /// Files that somebody has taken away or changed since do not count.
    fn of(store: &Store, earlier: &'a Manifest, had: &'a TenantPart) -> Result<Self> {
        let (mut files, mut all) = (Vec::new(), true);
        for file in earlier.files_of(&had.tenant) {
            match store.has(file)? {
                true => files.push(file),
                false => all = false,
            }
        }
        Ok(match all {
            true => Self { files, outcome: had.held(), read_to_end: had.read_to_end },
            false => Self { files, outcome: Outcome::Partial, read_to_end: false },
        })
    }

    /// Whether it is more than this run has: all of it where this one has not come to the end, or more rows. A run that could
    /// not decode most of what it read to the end counts as one that did not come there, unless it has as many rows. Where
    /// there is no row there is nothing to keep.
    fn is_more(&self, now: Option<&TenantPart>, rows: u64, rejected: u64) -> bool {
        let whole = self.outcome == Outcome::Complete || self.read_to_end;
        let had: u64 = self.files.iter().map(|file| file.records).sum();
        let is_most = rows > 0 && (rejected <= rows || rows >= had);
        match now {
            Some(part) if part.outcome == Outcome::Complete => false,
            Some(part) if part.read_to_end && is_most => false,
            _ => (whole && had > 0) || had > rows,
        }
    }
}

#[cfg(test)]
mod tests;
