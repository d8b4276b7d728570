//! Data rows under a header: every one as wide as the header, each cell within its limit.

use std::{borrow::Cow, fs::File};

use super::records::{Record, Records};
use madang_lake::{Error, Limits, Result, Schema};

/// The rows of a file, read from the first one on.
pub(super) struct Rows {
    /// Column names in file order.
    pub(super) header: Vec<String>,
    records: Records<File>,
    cell_bytes: usize,
    /// Rows passed so far; the number of the current one.
    pub(super) count: u64,
}

impl Rows {
    /// Reads and checks the header.
    pub(super) fn open(text: File, delimiter: u8, limits: Limits) -> Result<Self> {
        let mut records = Records::new(text, delimiter, limits.columns, limits.record_bytes());
        if !records.advance()? {
            return Err(Error::invalid("the file is empty"));
        }
        let header = records.current().cells().map(|cell| cell.map(Cow::into_owned)).collect::<Result<Vec<_>>>()?;
        Schema::check_names(header.iter().map(String::as_str))?;
        Ok(Self { header, records, cell_bytes: limits.cell_bytes, count: 0 })
    }

    /// The next row, `None` behind the last.
    ///
    /// Empty lines at the end are no rows; elsewhere an empty line is a row of one empty cell.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>> {
        if !self.records.advance()? || (self.records.current().is_blank() && self.records.rest_is_blank()?) {
            return Ok(None);
        }
        self.count += 1;
        let record = self.records.current();
        if record.len() != self.header.len() {
            return Err(self.ragged(&record));
        }
        if record.bytes() > self.cell_bytes {
            self.check_cells(&record)?;
        }
        Ok(Some(record))
    }

    fn ragged(&self, record: &Record<'_>) -> Error {
        let (found, wanted) = (record.len(), self.header.len());
        let reason = if record.is_blank() {
            format!("an empty line, the header has {wanted} fields")
        } else {
            format!("{found} fields, the header has {wanted}")
        };
        Error::BadRow { row: self.count, column: None, reason }
    }

    fn check_cells(&self, record: &Record<'_>) -> Result<()> {
        for (cell, name) in record.cells().zip(&self.header) {
            if cell?.len() > self.cell_bytes {
                let (row, most) = (self.count, self.cell_bytes);
                return Err(Error::LimitExceeded(format!(
                    "row {row}: the cell in column '{name}' is larger than {most} bytes, which is the limit"
                )));
            }
        }
        Ok(())
    }
}
