//! What must hold of a Parquet file before the library may read it.

use std::{fs::File, os::unix::fs::FileExt};

use madang_lake::{Error, Limits, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::thrift::{Broken, Kind, Reader};
use crate::storage;

const MAGIC: &[u8; 4] = b"PAR1";
const ENCRYPTED_MAGIC: &[u8; 4] = b"PARE";
/// Magic and length behind the footer.
const TAIL: u64 = 8;
const FOOTER_BYTES: u64 = 32 << 20;
const ROW_GROUPS: usize = 32_767;
/// Bytes of a page's header: read at first, and at most. Old writers keep the smallest and the greatest cell in it.
const FIRST_HEADER: u64 = 4 << 10;
const HEADER_BYTES: u64 = 1 << 20;
const PAGE_BYTES: u64 = 128 << 20;

/// Looks at the footer: its size, the number of row groups, and that no column is nested.
pub(super) fn check_footer(file: &File, limits: &Limits) -> Result<()> {
    let size = file.metadata().map_err(storage)?.len();
    if size < TAIL + MAGIC.len() as u64 {
        return Err(Error::invalid("the file is no Parquet file: it is too short"));
    }
    let (start, tail) = (read(file, 0, 4)?, read(file, size - TAIL, TAIL)?);
    if tail.ends_with(ENCRYPTED_MAGIC) {
        return Err(Error::invalid("the Parquet file is encrypted"));
    }
    let (Some(length), true) = (tail.first_chunk::<4>(), start == MAGIC && tail.ends_with(MAGIC)) else {
        return Err(Error::invalid("the file is no Parquet file: it must begin and end with PAR1"));
    };
    let length = u64::from(u32::from_le_bytes(*length));
    let Some(from) = (size - TAIL).checked_sub(length) else { return Err(malformed()) };
    if length > FOOTER_BYTES {
        return Err(Error::LimitExceeded(format!("the Parquet file's footer is larger than {FOOTER_BYTES} bytes, which is the limit")));
    }
    check_file_metadata(&read(file, from, length)?, limits)
}

fn check_file_metadata(bytes: &[u8], limits: &Limits) -> Result<()> {
    let mut reader = Reader::new(bytes);
    let mut last = 0;
    while let Some((number, kind)) = reader.field(&mut last).map_err(broken)? {
        match (number, kind) {
            (2, Kind::LIST) => check_schema(&mut reader, limits)?,
            (4, Kind::LIST) => check_row_groups(&mut reader)?,
            _ => reader.skip(kind).map_err(broken)?,
        }
    }
    Ok(())
}

/// The elements of a schema: the root, then the columns, none of which has children or repeats.
fn check_schema(reader: &mut Reader<'_>, limits: &Limits) -> Result<()> {
    let (count, _) = reader.list().map_err(broken)?;
    if count > limits.columns + 1 {
        return Err(Error::LimitExceeded(format!("the file has more than {} columns, which is the limit", limits.columns)));
    }
    for at in 0..count {
        let (mut last, mut name, mut nested) = (0, String::new(), false);
        while let Some((number, kind)) = reader.field(&mut last).map_err(broken)? {
            match number {
                3 => nested |= reader.integer().map_err(broken)? == 2, // repeated
                4 => name = String::from_utf8_lossy(reader.binary().map_err(broken)?).into_owned(),
                5 => nested |= reader.integer().map_err(broken)? > 0, // it has children
                _ => reader.skip(kind).map_err(broken)?,
            }
        }
        if nested && at > 0 {
            return Err(Error::invalid(format!("column '{name}' is nested, which a table can't hold")));
        }
    }
    Ok(())
}

fn check_row_groups(reader: &mut Reader<'_>) -> Result<()> {
    let (count, kind) = reader.list().map_err(broken)?;
    if count > ROW_GROUPS {
        return Err(Error::LimitExceeded(format!("the file has more than {ROW_GROUPS} row groups, which is the limit")));
    }
    (0..count).try_for_each(|_| reader.skip(kind)).map_err(broken)
}

/// Looks at the header of every page: together, the pages that are decoded at the same time must fit into memory.
pub(super) fn check_pages(file: &File, metadata: &ParquetMetaData, limits: &Limits) -> Result<()> {
    let size = file.metadata().map_err(storage)?.len();
    for group in metadata.row_groups() {
        let mut memory = 0;
        for column in group.columns() {
            memory += check_chunk(file, size, column)?;
            if memory > limits.memory_bytes as u64 / 2 {
                let most = limits.memory_bytes / 2;
                return Err(Error::LimitExceeded(format!(
                    "the pages of a row group need more than {most} bytes of memory, which is the limit"
                )));
            }
        }
    }
    Ok(())
}

/// What decoding one column of a row group takes at most: its dictionary and its largest page.
fn check_chunk(file: &File, size: u64, column: &ColumnChunkMetaData) -> Result<u64> {
    let first = column.dictionary_page_offset().filter(|offset| *offset > 0).unwrap_or_else(|| column.data_page_offset());
    let place = (u64::try_from(first), u64::try_from(column.compressed_size()));
    let (Ok(mut at), Ok(length)) = place else { return Err(malformed()) };
    let Some(end) = at.checked_add(length).filter(|end| *end <= size) else { return Err(malformed()) };
    let (mut dictionary, mut largest) = (0, 0);
    while at < end {
        let page = page(file, at, end)?;
        if page.unpacked > PAGE_BYTES {
            return Err(Error::LimitExceeded(format!("a page is larger than {PAGE_BYTES} bytes, which is the limit")));
        }
        if page.is_dictionary {
            dictionary += page.unpacked;
        } else {
            largest = page.unpacked.max(largest);
        }
        at = page.end;
    }
    Ok(dictionary + largest)
}

/// What a page's header says.
struct Page {
    is_dictionary: bool,
    /// Bytes once it is decompressed.
    unpacked: u64,
    /// Where the next page begins.
    end: u64,
}

fn page(file: &File, at: u64, end: u64) -> Result<Page> {
    let left = end - at;
    let bytes = read(file, at, left.min(FIRST_HEADER))?;
    let header = match header(&bytes) {
        Err(Broken::Short) if left > FIRST_HEADER => header(&read(file, at, left.min(HEADER_BYTES))?),
        other => other,
    };
    let (length, kind, unpacked, packed) = header.map_err(broken)?;
    let (Ok(unpacked), Ok(packed)) = (u64::try_from(unpacked), u64::try_from(packed)) else { return Err(malformed()) };
    let next = at.checked_add(length as u64 + packed).filter(|next| *next <= end).ok_or_else(malformed)?;
    Ok(Page { is_dictionary: kind == DICTIONARY, unpacked, end: next })
}

/// A page's type that says it holds the dictionary.
const DICTIONARY: i64 = 2;

/// The header's length, and the page's type, size and size in the file.
fn header(bytes: &[u8]) -> std::result::Result<(usize, i64, i64, i64), Broken> {
    let mut reader = Reader::new(bytes);
    let (mut last, mut found) = (0, [-1_i64; 3]);
    while let Some((number, kind)) = reader.field(&mut last)? {
        match usize::try_from(number - 1).ok().and_then(|at| found.get_mut(at)) {
            Some(value) => *value = reader.integer()?,
            None => reader.skip(kind)?,
        }
    }
    let [kind, unpacked, packed] = found;
    Ok((reader.position(), kind, unpacked, packed))
}

fn read(file: &File, at: u64, length: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(storage)?];
    file.read_exact_at(&mut bytes, at).map_err(storage)?;
    Ok(bytes)
}

fn broken(_: Broken) -> Error {
    malformed()
}

fn malformed() -> Error {
    Error::invalid("the file is no valid Parquet file")
}
