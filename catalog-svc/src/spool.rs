//! Uploads on their way in: streamed to the local disk, never held in memory, gone afterwards. What came as gzip is unpacked there.

use std::{
    io::{BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use madang_kit::{Code, Error, Result};
use tempfile::{NamedTempFile, TempPath};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
    task::spawn_blocking,
};

/// What gzip begins with.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Bytes that tell what a file is.
const START_BYTES: u64 = 64;
const PIECE: usize = 256 << 10;

/// The folder for uploads and the limits on one.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    folder: Arc<PathBuf>,
    limit: u64,
    unpacked_limit: u64,
}

/// One file being written. It is removed when dropped.
pub(crate) struct SpoolFile {
    folder: Arc<PathBuf>,
    path: TempPath,
    file: File,
}

/// How much of the limit of one upload is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    left: u64,
    limit: u64,
    /// What is counted, for the refusal.
    what: &'static str,
}

impl Spool {
    /// Opens the folder and removes what a crash left in it.
    pub(crate) async fn open(folder: PathBuf, limit: u64, unpacked_limit: u64) -> Result<Self> {
        if let Err(error) = tokio::fs::remove_dir_all(&folder).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Error::internal(error));
        }
        tokio::fs::create_dir_all(&folder).await.map_err(Error::internal)?;
        Ok(Self { folder: Arc::new(folder), limit, unpacked_limit })
    }

    /// The allowance of one upload.
    pub(crate) fn allowance(&self) -> Allowance {
        Allowance { left: self.limit, limit: self.limit, what: "an upload" }
    }

    /// The allowance of what one upload unpacks to.
    pub(crate) fn unpacked(&self) -> Allowance {
        Allowance { left: self.unpacked_limit, limit: self.unpacked_limit, what: "an unpacked upload" }
    }

    /// A place for a file that somebody else writes.
    pub(crate) fn place(&self) -> Result<TempPath> {
        Ok(NamedTempFile::new_in(self.folder.as_path()).map_err(Error::internal)?.into_temp_path())
    }

    /// Begins a file.
    pub(crate) fn create(&self) -> Result<SpoolFile> {
        let (file, path) = NamedTempFile::new_in(self.folder.as_path()).map_err(Error::internal)?.into_parts();
        Ok(SpoolFile { folder: self.folder.clone(), path, file: File::from_std(file) })
    }
}

impl SpoolFile {
    /// Appends bytes as long as the allowance lasts.
    pub(crate) async fn write(&mut self, bytes: &Bytes, allowance: &mut Allowance) -> Result<()> {
        allowance.take(bytes.len() as u64)?;
        self.file.write_all(bytes).await.map_err(Error::internal)
    }

    /// Ends the file as it came.
    pub(crate) async fn keep(mut self) -> Result<TempPath> {
        self.file.flush().await.map_err(Error::internal)?;
        Ok(self.path)
    }

    /// Ends the file and unpacks it if it is gzip; it lives as long as the returned path.
    pub(crate) async fn finish(mut self, unpacked: &mut Allowance) -> Result<TempPath> {
        self.file.flush().await.map_err(Error::internal)?;
        if !start(&self.path).await?.starts_with(&GZIP_MAGIC) {
            return Ok(self.path);
        }
        let (folder, packed, mut allowance) = (self.folder, self.path, *unpacked);
        let (path, left) = spawn_blocking(move || gunzip(&folder, &packed, &mut allowance).map(|path| (path, allowance)))
            .await
            .map_err(Error::internal)??;
        *unpacked = left;
        Ok(path)
    }
}

/// The first bytes of a file.
pub(crate) async fn start(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).await.map_err(Error::internal)?;
    file.take(START_BYTES).read_to_end(&mut bytes).await.map_err(Error::internal)?;
    Ok(bytes)
}

fn gunzip(folder: &Path, packed: &Path, allowance: &mut Allowance) -> Result<TempPath> {
    let packed = std::fs::File::open(packed).map_err(Error::internal)?;
    let mut unpacking = MultiGzDecoder::new(BufReader::with_capacity(PIECE, packed));
    let (mut file, path) = NamedTempFile::new_in(folder).map_err(Error::internal)?.into_parts();
    let mut piece = vec![0; PIECE];
    loop {
        let read = unpacking.read(&mut piece).map_err(|_| Error::invalid("file", "gzip", "the file is damaged gzip"))?;
        if read == 0 {
            return Ok(path);
        }
        allowance.take(read as u64)?;
        file.write_all(piece.get(..read).unwrap_or_default()).map_err(Error::internal)?;
    }
}

impl Allowance {
    fn take(&mut self, bytes: u64) -> Result<()> {
        let most = || Error::new(Code::TooLarge, format!("{} may have at most {} bytes", self.what, self.limit));
        self.left = self.left.checked_sub(bytes).ok_or_else(most)?;
        Ok(())
    }
}
