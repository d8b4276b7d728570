//! An object as a local file: where it lies, or a copy that vanishes with its handle. What ends with `.gz` is unpacked.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use madang_lake::{Error, Limits, Object, Objects, Result};
use tempfile::NamedTempFile;
use tokio::{io::AsyncWriteExt, task::spawn_blocking};

use crate::storage;

const PIECE: usize = 256 << 10;

/// A file to read.
pub(super) enum Source {
    /// The object itself.
    There(PathBuf, u64),
    /// A copy.
    Copy(NamedTempFile),
}

impl Source {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::There(path, _) => path,
            Self::Copy(file) => file.path(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        let bytes = match self {
            Self::There(_, bytes) => Some(*bytes),
            Self::Copy(file) => file.as_file().metadata().ok().map(|found| found.len()),
        };
        bytes == Some(0)
    }
}

/// Opens an object that is still the one that was listed.
pub(super) async fn open(objects: &dyn Objects, object: &Object, scratch: &Path, limits: &Limits) -> Result<Source> {
    let there = objects.head(&object.bucket, &object.key).await?;
    if there.tag != object.tag {
        return Err(Error::invalid("it was changed while the run read"));
    }
    let packed = object.key.rsplit('.').next().is_some_and(|end| end.eq_ignore_ascii_case("gz"));
    match objects.local(&object.bucket, &object.key).await? {
        Some(path) if !packed => Ok(Source::There(path, there.bytes)),
        Some(path) => unpack(File::open(path).map_err(storage)?, scratch, limits).await,
        None => {
            let copy = copy(objects, object, scratch, limits).await?;
            if packed { unpack(copy.reopen().map_err(storage)?, scratch, limits).await } else { Ok(Source::Copy(copy)) }
        }
    }
}

async fn copy(objects: &dyn Objects, object: &Object, scratch: &Path, limits: &Limits) -> Result<NamedTempFile> {
    let file = NamedTempFile::new_in(scratch).map_err(storage)?;
    let mut sink = tokio::fs::File::from_std(file.reopen().map_err(storage)?);
    let (_, mut pieces) = objects.get(&object.bucket, &object.key).await?;
    let mut left = limits.decoded_bytes;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        left = left.checked_sub(piece.len() as u64).ok_or_else(|| too_large(limits))?;
        sink.write_all(&piece).await.map_err(storage)?;
    }
    sink.flush().await.map_err(storage)?;
    Ok(file)
}

async fn unpack(packed: File, scratch: &Path, limits: &Limits) -> Result<Source> {
    let (scratch, limits) = (scratch.to_owned(), *limits);
    let unpacking = spawn_blocking(move || {
        let mut file = NamedTempFile::new_in(scratch).map_err(storage)?;
        let mut from = MultiGzDecoder::new(packed);
        let mut piece = vec![0; PIECE];
        let mut left = limits.decoded_bytes;
        loop {
            let read = from.read(&mut piece).map_err(|error| Error::invalid(format!("it is no gzip file: {error}")))?;
            if read == 0 {
                return Ok(Source::Copy(file));
            }
            left = left.checked_sub(read as u64).ok_or_else(|| too_large(&limits))?;
            file.write_all(piece.get(..read).unwrap_or_default()).map_err(storage)?;
        }
    });
    unpacking.await.map_err(storage)?
}

fn too_large(limits: &Limits) -> Error {
    Error::LimitExceeded(format!("it has more than {} bytes, which is the limit", limits.decoded_bytes))
}
