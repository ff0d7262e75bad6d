//! Sorted rows into files: one tenant and day a folder, and not too large a file.

use std::path::{Path, PathBuf};

use chrono::DateTime;

use crate::error::At as _;
use crate::output::Output;
use crate::spool::Entry;
use crate::{Request, Result, WrittenFile, layout};

/// A file is not continued beyond this.
const LARGEST: u64 = 256 << 20;

/// Writes files one after another.
pub(crate) struct Parts<'a> {
    folder: PathBuf,
    request: &'a Request,
    batch: &'a str,
    tenants: &'a [String],
    open: Option<Part>,
    last: Entry,
    /// Staged files and what they are.
    pub(crate) files: Vec<(String, WrittenFile)>,
    pub(crate) duplicates: u64,
    largest: u64,
}

/// The file that is being written.
struct Part {
    output: Output,
    staged: PathBuf,
    tenant: u32,
    day: String,
    /// Which of its tenant and day it is.
    number: u32,
    records: u64,
    first: i64,
    last: i64,
}

impl<'a> Parts<'a> {
    pub(crate) fn new(folder: &Path, request: &'a Request, batch: &'a str, tenants: &'a [String]) -> Self {
        let (open, files) = (None, Vec::new());
        let (last, folder) = (Entry::default(), folder.to_owned());
        Self { folder, request, batch, tenants, open, last, files, duplicates: 0, largest: LARGEST }
    }

    pub(crate) fn take(&mut self, entry: Entry) -> Result<()> {
        if self.open.is_some() && entry.repeats(&self.last) {
            self.duplicates += 1;
            return Ok(());
        }
        let day = layout::day(entry.time);
        let number = match &self.open {
            Some(part) if (part.tenant, &part.day) != (entry.tenant, &day) => Some(0),
            Some(part) if part.output.bytes() >= self.largest => Some(part.number + 1),
            Some(_) => None,
            None => Some(0),
        };
        if let Some(number) = number {
            self.close()?;
            self.open(&entry, day, number)?;
        }
        if let Some(part) = &mut self.open {
            part.output.row(&entry.json)?;
            part.records += 1;
            part.last = entry.time;
        }
        self.last = entry;
        Ok(())
    }

    fn open(&mut self, entry: &Entry, day: String, number: u32) -> Result<()> {
        let name = format!("{:06}.{}", self.files.len(), self.request.file_format.extension());
        let staged = self.folder.join(name);
        let output = Output::create(&staged, self.request)?;
        let (first, last) = (entry.time, entry.time);
        let part = Part { output, staged, tenant: entry.tenant, day, number, records: 0, first, last };
        self.open = Some(part);
        Ok(())
    }

    /// Finishes the file that is being written.
    pub(crate) fn close(&mut self) -> Result<()> {
        let Some(part) = self.open.take() else { return Ok(()) };
        let sealed = part.output.seal()?;
        let tenant = &self.tenants[part.tenant as usize];
        let folder = layout::partition(self.request, tenant, &part.day);
        let ending = self.request.file_format.extension();
        let time = |ms: i64| DateTime::from_timestamp_millis(ms).unwrap_or_default();
        // With its content in its name, a file never takes the place of another one, so that a manifest stays true.
        let name = format!("{}-{:05}-{:.12}.{ending}", self.batch, part.number, sealed.sha256);
        let file = WrittenFile {
            path: format!("{folder}/{name}"),
            tenant: tenant.clone(),
            day: part.day,
            records: part.records,
            bytes: sealed.bytes,
            sha256: sealed.sha256,
            first: time(part.first),
            last: time(part.last),
        };
        let name = part.staged.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.files.push((format!("files/{name}"), file));
        Ok(())
    }

    /// How many rows of a tenant there are.
    pub(crate) fn rows_of(&self, tenant: &str) -> u64 {
        self.files.iter().filter(|(_, file)| file.tenant == tenant).map(|(_, file)| file.records).sum()
    }

    /// Takes the files of a tenant away again.
    pub(crate) fn forget(&mut self, tenant: &str) -> Result<()> {
        let (gone, kept) =
            std::mem::take(&mut self.files).into_iter().partition(|(_, file)| file.tenant == tenant);
        self.files = kept;
        let gone: Vec<(String, WrittenFile)> = gone;
        for (staged, _) in gone {
            let name = staged.trim_start_matches("files/");
            let path = self.folder.join(name);
            std::fs::remove_file(&path).at(&path)?;
        }
        Ok(())
    }

    /// Files are not continued beyond this size.
    #[cfg(test)]
    pub(crate) fn largest(&mut self, bytes: u64) {
        self.largest = bytes;
    }
}
