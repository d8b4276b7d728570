//! The lines of delimited text that a sheet becomes.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use madang_lake::{Error, Limits, Result};
use tokio_util::sync::CancellationToken;

use super::ROWS_MAX;
use crate::{ingest::kind, storage};

/// Lines in the making.
pub(super) struct Rows<'a> {
    file: BufWriter<File>,
    limits: Limits,
    cancelled: &'a CancellationToken,
    /// The row at hand.
    cells: Vec<String>,
    /// Bytes of its cells.
    row_bytes: usize,
    /// Lines written.
    count: u64,
    bytes: u64,
    /// Fields of the first line that is not empty; shorter ones are filled up.
    width: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(limits: Limits, scratch: &Path, cancelled: &'a CancellationToken) -> Result<Self> {
        let file = tempfile::tempfile_in(scratch).map_err(storage)?;
        Ok(Self { file: BufWriter::new(file), limits, cancelled, cells: Vec::new(), row_bytes: 0, count: 0, bytes: 0, width: 0 })
    }

    /// Sets a cell of the row at hand.
    pub(super) fn set(&mut self, column: usize, text: String) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        if column >= self.limits.columns {
            return Err(Error::LimitExceeded(format!("the sheet has more than {} columns, which is the limit", self.limits.columns)));
        }
        self.row_bytes += text.len();
        if text.len() > self.limits.cell_bytes || self.row_bytes > self.limits.record_bytes() {
            let most = self.limits.cell_bytes;
            return Err(Error::LimitExceeded(format!("row {}: a cell has at most {most} bytes, and a row few such cells", self.count + 1)));
        }
        if column >= self.cells.len() {
            self.cells.resize(column + 1, String::new());
        }
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = text;
        }
        Ok(())
    }

    /// Writes empty lines until so many lines are there.
    pub(super) fn skip_to(&mut self, count: u64) -> Result<()> {
        while self.count < count {
            self.line("\n")?;
        }
        Ok(())
    }

    /// Ends the row at hand; it stands there so many times.
    pub(super) fn end(&mut self, times: u64) -> Result<()> {
        let mut cells = std::mem::take(&mut self.cells);
        self.row_bytes = 0;
        if self.width == 0 {
            self.width = cells.len();
        }
        if !cells.is_empty() && cells.len() < self.width {
            cells.resize(self.width, String::new());
        }
        let fields: Vec<String> = cells.iter().map(|cell| field(cell)).collect();
        let line = fields.join(",") + "\n";
        (0..times.min(ROWS_MAX + 1)).try_for_each(|_| self.line(&line))
    }

    /// Whether the row at hand has no cell.
    pub(super) fn is_blank(&self) -> bool {
        self.cells.is_empty()
    }

    /// Lines written.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn line(&mut self, line: &str) -> Result<()> {
        self.count += 1;
        self.bytes += line.len() as u64;
        if self.count > ROWS_MAX {
            return Err(Error::LimitExceeded(format!("the sheet has more than {ROWS_MAX} rows, which is the limit")));
        }
        if self.bytes > self.limits.decoded_bytes {
            let most = self.limits.decoded_bytes;
            return Err(Error::LimitExceeded(format!("the sheet has more than {most} bytes when it is unpacked, which is the limit")));
        }
        if self.count.is_multiple_of(kind::LOOK_UP_ROWS) {
            kind::check_cancelled(self.cancelled)?;
        }
        self.file.write_all(line.as_bytes()).map_err(storage)
    }

    /// The text.
    pub(super) fn finish(self) -> Result<File> {
        if self.width == 0 {
            return Err(Error::invalid("the first sheet is empty"));
        }
        self.file.into_inner().map_err(|error| storage(error.into_error()))
    }
}

fn field(text: &str) -> String {
    let text = text.replace('\0', "");
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
