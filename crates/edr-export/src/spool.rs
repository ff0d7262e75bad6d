//! Rows in order without holding them: sorted runs on disk, merged at the end.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use snap::read::FrameDecoder;
use snap::write::FrameEncoder;

use crate::error::At as _;
use crate::pace::Pace;
use crate::{Result, Row};

/// What is held in memory before it is sorted and written.
const HELD: usize = 24 << 20;
/// How many runs are merged at once. A run that is read costs about 150 KiB.
const FAN_IN: usize = 64;

/// One row, with its tenant as a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) tenant: u32,
    pub(crate) time: i64,
    pub(crate) uid: Vec<u8>,
    pub(crate) json: Vec<u8>,
}

impl Entry {
    fn key(&self) -> (u32, i64, &[u8]) {
        (self.tenant, self.time, &self.uid)
    }

    /// The same row once more.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

/// Where a row lies in the memory that is held.
#[derive(Clone, Copy, Debug)]
struct Slot {
    tenant: u32,
    time: i64,
    at: usize,
    uid: usize,
    json: usize,
}

/// Takes rows in any order.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    held: Vec<u8>,
    slots: Vec<Slot>,
    /// Runs by how often they were merged.
    levels: Vec<Vec<PathBuf>>,
    made: usize,
    most: usize,
}

impl Spool {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, held: Vec::new(), slots: Vec::new(), levels: Vec::new(), made: 0, most: HELD }
    }

    pub(crate) fn push(&mut self, tenant: u32, row: &Row) -> Result<()> {
        let (uid, json) = (row.uid.len(), row.json.len());
        self.slots.push(Slot { tenant, time: row.time, at: self.held.len(), uid, json });
        self.held.extend_from_slice(row.uid.as_bytes());
        self.held.extend_from_slice(&row.json);
        if self.held.len() + self.slots.len() * size_of::<Slot>() >= self.most {
            self.flush()?;
        }
        Ok(())
    }

    /// All rows, by tenant, time and id.
    pub(crate) fn merge(mut self, pace: &mut Pace<'_>) -> Result<Merge> {
        self.flush()?;
        // The memory is needed elsewhere from here on.
        (self.held, self.slots) = (Vec::new(), Vec::new());
        let mut runs: Vec<PathBuf> = std::mem::take(&mut self.levels).into_iter().flatten().collect();
        while runs.len() > FAN_IN {
            let rest = runs.split_off(FAN_IN);
            let merged = self.join(&runs, pace)?;
            runs = rest;
            runs.push(merged);
        }
        Merge::open(&runs)
    }

    fn flush(&mut self) -> Result<()> {
        if self.slots.is_empty() {
            return Ok(());
        }
        let held = &self.held;
        let uid = |slot: &Slot| &held[slot.at..slot.at + slot.uid];
        self.slots.sort_unstable_by(|a, b| (a.tenant, a.time, uid(a)).cmp(&(b.tenant, b.time, uid(b))));
        let path = self.folder.join(format!("run-{:06}", self.made));
        let mut run = RunWriter::create(&path)?;
        for slot in &self.slots {
            let json = &held[slot.at + slot.uid..slot.at + slot.uid + slot.json];
            run.put(slot.tenant, slot.time, uid(slot), json).at(&path)?;
        }
        run.close().at(&path)?;
        self.made += 1;
        self.held.clear();
        self.slots.clear();
        self.keep(path, 0)
    }

    /// Keeps a run; as many of a level as are merged at once become one of the next.
    fn keep(&mut self, run: PathBuf, level: usize) -> Result<()> {
        if self.levels.len() <= level {
            self.levels.push(Vec::new());
        }
        self.levels[level].push(run);
        if self.levels[level].len() < FAN_IN {
            return Ok(());
        }
        let runs = std::mem::take(&mut self.levels[level]);
        // Rows arrive still, and whoever gives them can stop.
        let merged = self.join(&runs, &mut Pace::new(&|| true))?;
        self.keep(merged, level + 1)
    }

    fn join(&mut self, runs: &[PathBuf], pace: &mut Pace<'_>) -> Result<PathBuf> {
        let path = self.folder.join(format!("run-{:06}", self.made));
        self.made += 1;
        let mut all = Merge::open(runs)?;
        let mut run = RunWriter::create(&path)?;
        while let Some(entry) = all.next()? {
            pace.step()?;
            run.put(entry.tenant, entry.time, &entry.uid, &entry.json).at(&path)?;
        }
        run.close().at(&path)?;
        for done in runs {
            std::fs::remove_file(done).at(done)?;
        }
        Ok(path)
    }
}

struct RunWriter(FrameEncoder<BufWriter<File>>);

impl RunWriter {
    fn create(path: &Path) -> Result<Self> {
        Ok(Self(FrameEncoder::new(BufWriter::new(File::create(path).at(path)?))))
    }

    fn put(&mut self, tenant: u32, time: i64, uid: &[u8], json: &[u8]) -> io::Result<()> {
        self.0.write_all(&tenant.to_le_bytes())?;
        self.0.write_all(&time.to_le_bytes())?;
        for part in [uid, json] {
            self.0.write_all(&(part.len() as u64).to_le_bytes())?;
        }
        self.0.write_all(uid)?;
        self.0.write_all(json)
    }

    fn close(self) -> io::Result<()> {
        self.0.into_inner().map_err(|error| io::Error::other(error.to_string()))?.flush()
    }
}

struct RunReader {
    path: PathBuf,
    from: FrameDecoder<BufReader<File>>,
}

impl RunReader {
    fn open(path: &Path) -> Result<Self> {
        let from = FrameDecoder::new(BufReader::new(File::open(path).at(path)?));
        Ok(Self { path: path.to_owned(), from })
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        self.read().at(&self.path)
    }

    fn read(&mut self) -> io::Result<Option<Entry>> {
        let mut head = [0; 4];
        if self.from.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        self.from.read_exact(&mut head[1..])?;
        let mut numbers = [[0; 8]; 3];
        for number in &mut numbers {
            self.from.read_exact(number)?;
        }
        let [time, uid, json] = numbers;
        let mut entry =
            Entry { tenant: u32::from_le_bytes(head), time: i64::from_le_bytes(time), ..Entry::default() };
        for (length, into) in [(uid, &mut entry.uid), (json, &mut entry.json)] {
            let length = usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?;
            into.resize(length, 0);
            self.from.read_exact(into)?;
        }
        Ok(Some(entry))
    }
}

/// The rows of several runs in one order.
pub(crate) struct Merge {
    runs: Vec<RunReader>,
    heads: BinaryHeap<Reverse<Head>>,
}

impl Merge {
    fn open(paths: &[PathBuf]) -> Result<Self> {
        let runs = paths.iter().map(|path| RunReader::open(path)).collect::<Result<Vec<_>>>()?;
        let mut merge = Self { runs, heads: BinaryHeap::new() };
        for run in 0..merge.runs.len() {
            merge.refill(run)?;
        }
        Ok(merge)
    }

    fn refill(&mut self, run: usize) -> Result<()> {
        if let Some(entry) = self.runs[run].next()? {
            self.heads.push(Reverse(Head { entry, run }));
        }
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        let Some(Reverse(Head { entry, run })) = self.heads.pop() else { return Ok(None) };
        self.refill(run)?;
        Ok(Some(entry))
    }
}

/// The first row of a run that is not yet taken.
struct Head {
    entry: Entry,
    run: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.entry.key().cmp(&other.entry.key()).then(self.run.cmp(&other.run))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(rows: &[(u32, i64, String)], most: usize) -> Vec<(u32, i64, String)> {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path().to_owned());
        spool.most = most;
        for (tenant, time, uid) in rows {
            let json = format!("{{\"uid\":\"{uid}\"}}").into_bytes();
            let row = Row { tenant: String::new(), uid: uid.clone(), time: *time, json };
            spool.push(*tenant, &row).unwrap();
        }
        let mut merge = spool.merge(&mut Pace::new(&|| true)).unwrap();
        let mut found = Vec::new();
        while let Some(entry) = merge.next().unwrap() {
            let uid = String::from_utf8(entry.uid).unwrap();
            assert_eq!(entry.json, format!("{{\"uid\":\"{uid}\"}}").into_bytes());
            found.push((entry.tenant, entry.time, uid));
        }
        found
    }

    proptest! {
        #[test]
        fn every_row_comes_out_once_and_in_order(
            mut rows in prop::collection::vec((0..3u32, -5..5i64, "[a-z]{0,3}"), 0..300),
            most in 1..4000usize,
        ) {
            let found = sorted(&rows, most);
            rows.sort();
            prop_assert_eq!(found, rows);
        }
    }

    #[test]
    fn more_runs_than_are_merged_at_once_are_merged_in_steps() {
        // A run a row: three levels, and more than a merge takes at the end.
        let count = i64::try_from(FAN_IN * (FAN_IN + 2) + 70).unwrap();
        let rows: Vec<(u32, i64, String)> = (0..count).rev().map(|i| (0, i, i.to_string())).collect();
        let found = sorted(&rows, 1);
        assert!(found.iter().enumerate().all(|(at, row)| row.1 == at as i64));
        assert_eq!(found.len(), rows.len());
    }

    #[test]
    fn a_merge_in_steps_can_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path().to_owned());
        spool.most = 1;
        // Two merged runs and as many beside them as are not merged yet: one more than a merge takes at the end.
        for time in 0..i64::try_from(FAN_IN * 3 - 1).unwrap() {
            let row = Row { tenant: String::new(), uid: time.to_string(), time, json: b"{}".to_vec() };
            spool.push(0, &row).unwrap();
        }
        let stopped = spool.merge(&mut Pace::new(&|| false));
        assert!(stopped.is_err_and(|error| error.is_stopped()));
    }
}
