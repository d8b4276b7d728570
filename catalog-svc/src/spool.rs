//! Uploads on their way in: streamed to the local disk, never held in memory, gone afterwards.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use madang_kit::{Code, Error, Result};
use tempfile::TempPath;
use tokio::{fs::File, io::AsyncWriteExt};

/// The folder for uploads and the limit on one.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    folder: Arc<PathBuf>,
    limit: u64,
}

/// One file being written. It is removed when dropped.
pub(crate) struct SpoolFile {
    path: TempPath,
    file: File,
}

/// How much of the limit of one upload is left.
pub(crate) struct Allowance {
    left: u64,
    limit: u64,
}

impl Spool {
    /// Opens the folder and removes what a crash left in it.
    pub(crate) async fn open(folder: PathBuf, limit: u64) -> Result<Self> {
        if let Err(error) = tokio::fs::remove_dir_all(&folder).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Error::internal(error));
        }
        tokio::fs::create_dir_all(&folder).await.map_err(Error::internal)?;
        Ok(Self { folder: Arc::new(folder), limit })
    }

    /// The allowance of one upload.
    pub(crate) fn allowance(&self) -> Allowance {
        Allowance { left: self.limit, limit: self.limit }
    }

    /// Begins a file.
    pub(crate) fn create(&self) -> Result<SpoolFile> {
        let (file, path) = tempfile::NamedTempFile::new_in(self.folder.as_path()).map_err(Error::internal)?.into_parts();
        Ok(SpoolFile { path, file: File::from_std(file) })
    }
}

impl SpoolFile {
    /// Appends bytes as long as the allowance lasts.
    pub(crate) async fn write(&mut self, bytes: &Bytes, allowance: &mut Allowance) -> Result<()> {
        let size = bytes.len() as u64;
        allowance.left = allowance.left.checked_sub(size).ok_or_else(|| allowance.exceeded())?;
        self.file.write_all(bytes).await.map_err(Error::internal)
    }

    /// Ends the file; it lives as long as the returned path.
    pub(crate) async fn finish(mut self) -> Result<TempPath> {
        self.file.flush().await.map_err(Error::internal)?;
        Ok(self.path)
    }
}

impl Allowance {
    fn exceeded(&self) -> Error {
        Error::new(Code::TooLarge, format!("an upload may have at most {} bytes", self.limit))
    }
}
