//! One file while it is written: hashed as it goes, on disk when it is done.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use crate::error::At as _;
use crate::{Error, FileFormat, Request, Result};

/// A file that knows its size and its hash.
#[derive(Debug)]
pub(crate) struct Hashed {
    file: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
}

/// What a whole file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl Hashed {
    fn create(path: &Path) -> Result<Self> {
        let file = BufWriter::with_capacity(256 << 10, File::create(path).at(path)?);
        Ok(Self { file, digest: Sha256::new(), bytes: 0 })
    }

    /// Everything is on disk.
    pub(crate) fn seal(self) -> io::Result<Sealed> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let sha256 = self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Sealed { bytes: self.bytes, sha256 })
    }
}

impl Write for Hashed {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let written = self.file.write(part)?;
        self.digest.update(&part[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file of rows.
pub(crate) enum Output {
    Gzip(GzEncoder<Hashed>),
    Lines(Hashed),
    #[cfg(feature = "parquet")]
    Parquet(Box<crate::parquet::Sheet>),
}

impl Output {
    pub(crate) fn create(path: &Path, request: &Request) -> Result<Self> {
        let file = Hashed::create(path)?;
        Ok(match request.file_format {
            FileFormat::Jsonl => Self::Lines(file),
            FileFormat::JsonlGzip => Self::Gzip(GzEncoder::new(file, Compression::default())),
            #[cfg(feature = "parquet")]
            FileFormat::Parquet => Self::Parquet(Box::new(crate::parquet::Sheet::new(file, request)?)),
        })
    }

    pub(crate) fn row(&mut self, json: &[u8]) -> Result<()> {
        let written = match self {
            Self::Gzip(to) => line(to, json),
            Self::Lines(to) => line(to, json),
            #[cfg(feature = "parquet")]
            Self::Parquet(sheet) => return sheet.row(json),
        };
        written.map_err(|error| Error::because("a row cannot be written", error))
    }

    /// Bytes that are in the file so far.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Gzip(to) => to.get_ref().bytes,
            Self::Lines(to) => to.bytes,
            #[cfg(feature = "parquet")]
            Self::Parquet(sheet) => sheet.bytes(),
        }
    }

    pub(crate) fn seal(self) -> Result<Sealed> {
        let sealed = match self {
            Self::Gzip(to) => to.finish().and_then(Hashed::seal),
            Self::Lines(to) => to.seal(),
            #[cfg(feature = "parquet")]
            Self::Parquet(sheet) => return sheet.seal(),
        };
        sealed.map_err(|error| Error::because("a file cannot be finished", error))
    }
}

fn line(to: &mut impl Write, json: &[u8]) -> io::Result<()> {
    to.write_all(json)?;
    to.write_all(b"\n")
}
