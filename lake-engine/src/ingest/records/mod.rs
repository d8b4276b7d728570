//! Files as rows of text in which nothing was converted ([`madang_lake::Reader`]).

mod dialect;

use std::{fs::File, path::Path};

use futures::stream::BoxStream;
use madang_lake::{Error, Limits, RecordFormat, RecordOptions, Records, Result};
use tokio_util::sync::CancellationToken;

use super::{csv, encoding, json, sheet, spawned};
use crate::storage;

const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;

/// Takes some rows and says whether more are wanted.
pub(super) type Give<'a> = &'a mut dyn FnMut(Records) -> bool;

/// The rows of a file, read by a thread of their own.
pub(crate) fn read(path: &Path, options: &RecordOptions, limits: Limits, scratch: &Path) -> BoxStream<'static, Result<Records>> {
    let (path, options, scratch) = (path.to_owned(), options.clone(), scratch.to_owned());
    spawned(move |give| read_all(&path, &options, limits, &scratch, give))
}

fn read_all(path: &Path, options: &RecordOptions, limits: Limits, scratch: &Path, give: Give<'_>) -> Result<()> {
    let unstopped = CancellationToken::new();
    match options.format {
        RecordFormat::Json => json::records(text(path, options, scratch)?, &options.keys, limits, give),
        RecordFormat::Xlsx => plain(sheet::xlsx(path, &options.sheet, limits, scratch, &unstopped)?, limits, give),
        RecordFormat::Ods => plain(sheet::ods(path, &options.sheet, limits, scratch, &unstopped)?, limits, give),
        RecordFormat::Delimited => {
            let mut file = text(path, options, scratch)?;
            let delimiter = match options.delimiter {
                Some(said) => said,
                None => csv::delimiter(&mut file)?,
            };
            let dialect = dialect::Dialect { delimiter, quote: options.quote.unwrap_or(b'"'), escape: options.escape };
            dialect::read(file, dialect, limits, give)
        }
    }
}

fn text(path: &Path, options: &RecordOptions, scratch: &Path) -> Result<File> {
    match &options.encoding {
        Some(label) => encoding::open_as(path, label, scratch),
        None => encoding::open(path, scratch),
    }
}

/// The lines that a sheet was written as.
fn plain(mut file: File, limits: Limits, give: Give<'_>) -> Result<()> {
    std::io::Seek::rewind(&mut file).map_err(storage)?;
    dialect::read(file, dialect::Dialect { delimiter: b',', quote: b'"', escape: None }, limits, give)
}

/// Rows on their way out.
pub(super) struct Batch<'a> {
    rows: Records,
    number: u64,
    /// Bytes of all rows so far.
    total: u64,
    limits: Limits,
    give: Give<'a>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(limits: Limits, give: Give<'a>) -> Self {
        Self { rows: Records::default(), number: 0, total: 0, limits, give }
    }

    /// Adds a row; false if nobody wants more.
    pub(super) fn row<'c>(&mut self, cells: impl Iterator<Item = Option<&'c str>> + Clone) -> Result<bool> {
        self.number += 1;
        let number = self.number;
        let mut bytes = 0;
        for (at, cell) in cells.clone().enumerate() {
            let length = cell.map_or(0, str::len);
            if at >= self.limits.columns {
                return Err(Error::LimitExceeded(format!(
                    "row {number} has more than {} columns, which is the limit",
                    self.limits.columns
                )));
            }
            if length > self.limits.cell_bytes {
                let most = self.limits.cell_bytes;
                return Err(Error::LimitExceeded(format!("row {number} has a cell of more than {most} bytes, which is the limit")));
            }
            bytes += length;
        }
        self.total += bytes as u64;
        if self.total > self.limits.decoded_bytes {
            let most = self.limits.decoded_bytes;
            return Err(Error::LimitExceeded(format!("the file has more than {most} bytes of text, which is the limit")));
        }
        self.rows.push(number, cells);
        if self.rows.len() < BATCH_ROWS && self.rows.bytes() < BATCH_BYTES {
            return Ok(true);
        }
        Ok(self.flush())
    }

    pub(super) fn flush(&mut self) -> bool {
        self.rows.is_empty() || (self.give)(std::mem::take(&mut self.rows))
    }
}
