//! A file on the local disk in the making; its sums are taken on the way.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::digest::{Context as Sha, SHA256};
use madang_kit::{Code, Error, Result, hex};
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

/// Where files are made, and how many bytes of them there may be.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    pub(crate) folder: PathBuf,
    most: u64,
    taken: Arc<AtomicU64>,
}

impl Scratch {
    /// A place for so many bytes in all.
    pub(crate) fn new(folder: &Path, most: u64) -> Self {
        Self { folder: folder.to_owned(), most, taken: Arc::default() }
    }

    /// Bytes for which there is room.
    pub(crate) fn room(&self) -> u64 {
        self.most.saturating_sub(self.taken.load(Ordering::Relaxed))
    }

    /// Takes room for some bytes; what was taken is never given back.
    ///
    /// # Errors
    /// [`Code::TooLarge`] if there is not so much.
    pub(crate) fn charge(&self, bytes: u64) -> Result<()> {
        if self.taken.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= self.most {
            return Ok(());
        }
        Err(self.full())
    }

    /// That there is no room.
    pub(crate) fn full(&self) -> Error {
        Error::new(Code::TooLarge, format!("the files of the flow have more than {} bytes together, which is the limit", self.most))
    }
}

/// A file that is being written.
pub(crate) struct Sink {
    file: BufWriter<File>,
    path: TempPath,
    sums: Sums,
    scratch: Scratch,
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
    pub(crate) fn new(scratch: &Scratch) -> Result<Self> {
        let (file, path) = NamedTempFile::new_in(&scratch.folder).map_err(Error::internal)?.into_parts();
        Ok(Self { file: BufWriter::with_capacity(BUFFER, file), path, sums: Sums::default(), scratch: scratch.clone() })
    }

    pub(crate) fn put(&mut self, piece: &[u8]) -> Result<()> {
        self.scratch.charge(piece.len() as u64)?;
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
