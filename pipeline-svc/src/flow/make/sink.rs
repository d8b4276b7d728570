//! A file on the local disk in the making; its sums are taken on the way.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use aws_lc_rs::digest::{Context as Sha, SHA256};
use madang_kit::{Error, Result, hex};
use md5::{Digest, Md5};
use tempfile::{NamedTempFile, TempPath};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 256 << 10;

/// The sums of some bytes.
#[derive(Clone)]
pub(crate) struct Sums {
    bytes: u64,
    md5: Md5,
    sha256: Sha,
}

impl Default for Sums {
    fn default() -> Self {
        Self { bytes: 0, md5: Md5::new(), sha256: Sha::new(&SHA256) }
    }
}

impl Sums {
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.md5.update(piece);
        self.sha256.update(piece);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// MD5 and SHA-256 in hexadecimal digits.
    pub(crate) fn finish(self) -> (String, String) {
        (hex(&self.md5.finalize()), hex(self.sha256.finish().as_ref()))
    }
}

/// A file that is being written.
pub(crate) struct Sink {
    file: BufWriter<File>,
    path: TempPath,
    sums: Sums,
}

/// A file that is whole.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) path: TempPath,
    pub(crate) bytes: u64,
    /// In hexadecimal digits.
    pub(crate) md5: String,
    pub(crate) sha256: String,
}

impl Sink {
    pub(crate) fn new(scratch: &Path) -> Result<Self> {
        let (file, path) = NamedTempFile::new_in(scratch).map_err(Error::internal)?.into_parts();
        Ok(Self { file: BufWriter::with_capacity(BUFFER, file), path, sums: Sums::default() })
    }

    pub(crate) fn put(&mut self, piece: &[u8]) -> Result<()> {
        self.sums.add(piece);
        self.file.write_all(piece).map_err(Error::internal)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.sums.bytes()
    }

    pub(crate) fn finish(mut self) -> Result<Made> {
        self.file.flush().map_err(Error::internal)?;
        let bytes = self.sums.bytes();
        let (md5, sha256) = self.sums.finish();
        Ok(Made { path: self.path, bytes, md5, sha256 })
    }
}

impl Made {
    /// A file that somebody else wrote.
    pub(crate) fn of(path: TempPath) -> Result<Self> {
        let mut sums = Sums::default();
        let (mut file, mut piece) = (File::open(&path).map_err(Error::internal)?, vec![0; BUFFER]);
        loop {
            let read = std::io::Read::read(&mut file, &mut piece).map_err(Error::internal)?;
            if read == 0 {
                break;
            }
            sums.add(piece.get(..read).unwrap_or_default());
        }
        let bytes = sums.bytes();
        let (md5, sha256) = sums.finish();
        Ok(Self { path, bytes, md5, sha256 })
    }
}
