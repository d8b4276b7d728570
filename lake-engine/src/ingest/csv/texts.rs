//! Delimited text whose columns are said by somebody else (dataflow.md 4.2). The first line is a header if it names all of them, or
//! nothing but them; else it is a row, and cells stand in the order of the columns.

use std::path::Path;

use madang_lake::{Limits, Result};

use super::records::Records;
use crate::ingest::{Emit, encoding, texts::Texts};

/// Reads all rows: by name under a header, else by place. Missing cells are absent, others are dropped, empty lines are no rows.
pub(crate) fn texts(path: &Path, columns: &[String], limits: Limits, scratch: &Path, emit: Emit<'_>) -> Result<()> {
    let mut records = Records::new(encoding::open(path, scratch)?, b',', limits.columns, limits.record_bytes());
    let mut texts = Texts::new(columns, &limits, emit);
    let mut places: Option<Vec<Option<usize>>> = None;
    while records.advance()? {
        let record = records.current();
        if record.is_blank() {
            continue;
        }
        if places.is_none() {
            let first = record.cells().map(|cell| cell.map(std::borrow::Cow::into_owned)).collect::<Result<Vec<_>>>()?;
            if is_header(&first, columns) {
                places = Some(first.iter().map(|name| columns.iter().position(|column| column == name)).collect());
                continue;
            }
            places = Some((0..columns.len()).map(Some).collect());
        }
        for (cell, place) in record.values().zip(places.iter().flatten()) {
            if let Some(place) = place {
                texts.push(*place, cell?.as_deref())?;
            }
        }
        if !texts.end_row(record.bytes())? {
            return Ok(());
        }
    }
    texts.flush().map(drop)
}

fn is_header(first: &[String], columns: &[String]) -> bool {
    let names_all = columns.iter().all(|column| first.contains(column));
    names_all || first.iter().all(|name| columns.contains(name))
}
