//! The entries of a ZIP archive, each as a stream of bounded length.
//!
//! Read by ourselves, because the well-known library changes features that the query engine is built with; what is needed is little:
//! a directory, and deflate.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Error as IoError, Read, Seek, SeekFrom},
    path::Path,
};

use flate2::read::DeflateDecoder;
use madang_lake::{Error, Result};

use super::damaged;
use crate::storage;

/// The end of the directory is within so many bytes of the end of the file.
const END_WITHIN: u64 = 22 + 65_535;
/// Bytes of the directory.
const DIRECTORY_BYTES: u32 = 4 << 20;
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// An archive.
pub(super) struct Archive {
    file: File,
    entries: HashMap<String, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    method: u16,
    packed: u64,
    at: u64,
}

impl Archive {
    /// Reads the directory.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(storage)?;
        let length = file.metadata().map_err(storage)?.len();
        let from = length.saturating_sub(END_WITHIN);
        let tail = bytes_at(&mut file, from, length - from)?;
        let end = tail.windows(END.len()).rposition(|window| window == END);
        let end = end.ok_or_else(|| Error::invalid("the file is no XLSX and no ODS: it is no ZIP archive (old XLS files are not read)"))?;
        let end = tail.get(end..).unwrap_or_default();
        let (size, start) = (u32_at(end, 12)?, u32_at(end, 16)?);
        if size > DIRECTORY_BYTES || u64::from(start) + u64::from(size) > length {
            return Err(damaged("its directory does not lie in it, or is too large"));
        }
        let directory = bytes_at(&mut file, start.into(), size.into())?;
        Ok(Self { file, entries: entries(&directory)? })
    }

    /// The bytes of an entry, unpacked; more than `limit` of them are an error.
    pub(super) fn entry(&self, name: &str, limit: u64) -> Result<Option<Box<dyn Read>>> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        let mut file = self.file.try_clone().map_err(storage)?;
        let local = bytes_at(&mut file, entry.at, 30)?;
        if !local.starts_with(LOCAL) {
            return Err(damaged("an entry is not where its directory says"));
        }
        let data = entry.at + 30 + u64::from(u16_at(&local, 26)?) + u64::from(u16_at(&local, 28)?);
        file.seek(SeekFrom::Start(data)).map_err(storage)?;
        let packed = BufReader::new(file.take(entry.packed));
        let unpacked: Box<dyn Read> = match entry.method {
            STORED => Box::new(packed),
            DEFLATED => Box::new(DeflateDecoder::new(packed)),
            _ => return Err(damaged("an entry is packed in an unknown way, or encrypted")),
        };
        Ok(Some(Box::new(Bounded { inner: unpacked, left: limit })))
    }
}

fn entries(mut directory: &[u8]) -> Result<HashMap<String, Entry>> {
    let mut entries = HashMap::new();
    while directory.starts_with(ENTRY) {
        let (name, extra, comment) = (u16_at(directory, 28)?, u16_at(directory, 30)?, u16_at(directory, 32)?);
        let name_end = 46 + usize::from(name);
        let text = directory.get(46..name_end).ok_or_else(|| damaged("its directory is cut off"))?;
        let entry = Entry { method: u16_at(directory, 10)?, packed: u32_at(directory, 20)?.into(), at: u32_at(directory, 42)?.into() };
        entries.insert(String::from_utf8_lossy(text).into_owned(), entry);
        directory = directory.get(name_end + usize::from(extra) + usize::from(comment)..).unwrap_or_default();
    }
    Ok(entries)
}

fn bytes_at(file: &mut File, at: u64, length: u64) -> Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at)).map_err(storage)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(storage)?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    let two = bytes.get(at..at + 2).and_then(|two| two.try_into().ok());
    two.map(u16::from_le_bytes).ok_or_else(|| damaged("it is cut off"))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map(u32::from_le_bytes).ok_or_else(|| damaged("it is cut off"))
}

/// A stream that ends in an error behind a limit.
struct Bounded {
    inner: Box<dyn Read>,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| IoError::other("a part of it unpacks to more than the limit"))?;
        Ok(read)
    }
}
