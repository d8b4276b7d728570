//! Delimited text with a header row.

pub(super) mod lenient;
mod records;
mod rows;
mod sniff;
mod texts;

use std::path::Path;

use madang_lake::{Error, Input, Inspection, Limits, Result, Schema};
use tokio_util::sync::CancellationToken;

use self::rows::Rows;
pub(super) use self::{sniff::delimiter, texts::texts};
use super::{
    Emit,
    builder::Table,
    encoding,
    kind::{self, Seen},
};

/// Reads a file to its end.
pub(super) fn inspect(input: &Input, limits: Limits, scratch: &Path, cancelled: &CancellationToken) -> Result<Inspection> {
    let mut rows = open(input, limits, scratch)?;
    let mut columns = vec![Seen::default(); rows.header.len()];
    while let Some(row) = rows.next()? {
        for (column, cell) in columns.iter_mut().zip(row.cells()) {
            column.look(&cell?);
        }
        if rows.count.is_multiple_of(kind::LOOK_UP_ROWS) {
            kind::check_cancelled(cancelled)?;
        }
    }
    let count = rows.count;
    Ok(kind::inspection(rows.header.into_iter().zip(columns), count))
}

/// Converts all rows and gives the number of columns.
pub(super) fn convert(input: &Input, schema: &Schema, limits: Limits, scratch: &Path, emit: Emit<'_>) -> Result<usize> {
    let mut rows = open(input, limits, scratch)?;
    let mut table = Table::for_header(&rows.header, schema)?;
    let mut number = 0;
    while let Some(row) = rows.next()? {
        number += 1;
        for (builder, cell) in table.builders.iter_mut().zip(row.cells()) {
            let text = cell?;
            builder.push(&text).map_err(|reason| builder.bad_row(number, reason))?;
        }
        if table.end_row(row.bytes()) && !emit(table.batch()?) {
            break;
        }
    }
    if table.has_rows() {
        emit(table.batch()?);
    }
    Ok(rows.header.len())
}

/// Opens a file at its first data row.
fn open(input: &Input, limits: Limits, scratch: &Path) -> Result<Rows> {
    let mut text = encoding::open(&input.path, scratch)?;
    let delimiter = match input.delimiter {
        Some(b'"' | b'\r' | b'\n' | 0) => return Err(Error::invalid("a quote or a line end can't be the delimiter")),
        Some(byte) if !byte.is_ascii() => return Err(Error::invalid("the delimiter must be one ASCII character")),
        Some(byte) => byte,
        None => sniff::delimiter(&mut text)?,
    };
    Rows::open(text, delimiter, limits)
}
