//! Delimited text whose bad lines are set aside.

use std::{borrow::Cow, fs::File};

use madang_lake::{Error, Limits, Result, Schema};
use tokio_util::sync::CancellationToken;

use super::{
    records::{Record, Records},
    sniff,
};
use crate::ingest::{
    Emit,
    builder::Table,
    kind,
    lenient::{
        bad::{Bad, BadList, Outcome},
        hand_on,
        header::names,
        tally::Tally,
        text::{MARK, Text},
    },
};

/// Under which delimiter a file is read.
pub(in crate::ingest) fn delimiter(text: &Text, said: Option<u8>) -> Result<u8> {
    match said {
        Some(byte) => Ok(byte),
        None => sniff::delimiter(&mut text.reader()?),
    }
}

/// Reads a file to its end: the columns' names and what their cells are.
pub(in crate::ingest) fn survey(text: &Text, delimiter: u8, limits: Limits, cancelled: &CancellationToken) -> Result<Vec<(String, Tally)>> {
    let mut lines = Lines::open(text, delimiter, limits)?;
    let mut tallies = vec![Tally::default(); lines.header.len()];
    let mut count: u64 = 0;
    while let Some((_, line)) = lines.next()? {
        if let Line::Row(row) = line {
            for (tally, cell) in tallies.iter_mut().zip(row.cells()) {
                tally.look(cell?.trim());
            }
        }
        count += 1;
        if count.is_multiple_of(kind::LOOK_UP_ROWS) {
            kind::check_cancelled(cancelled)?;
        }
    }
    Ok(names(&lines.header).into_iter().zip(tallies).collect())
}

/// Converts all rows that fit.
pub(in crate::ingest) fn convert(
    text: &Text,
    delimiter: u8,
    schema: &Schema,
    limits: Limits,
    mut bad: BadList,
    emit: Emit<'_>,
) -> Result<Outcome> {
    let mut lines = Lines::open(text, delimiter, limits)?;
    let mut table = Table::for_header(&names(&lines.header), schema)?;
    let mut good = 0;
    while let Some((line, found)) = lines.next()? {
        let row = match found {
            Line::Row(row) => row,
            Line::Bad { reason, row } => {
                bad.add(&Bad { line, column: None, reason: &reason, row: &row, misfit: false })?;
                continue;
            }
        };
        match fill(&mut table, &row)? {
            None => good += 1,
            Some((column, reason)) => {
                bad.add(&Bad { line, column: Some(&column), reason: &reason, row: row.raw(), misfit: true })?;
                table.drop_row();
            }
        }
        if table.end_row(row.bytes()) && !hand_on(&mut table, emit)? {
            break;
        }
    }
    hand_on(&mut table, emit)?;
    bad.finish(good)
}

/// Adds a row, or says which column it does not fit and why.
fn fill(table: &mut Table, row: &Record<'_>) -> Result<Option<(String, String)>> {
    for (builder, cell) in table.builders.iter_mut().zip(row.cells()) {
        let text = cell?;
        let pushed = builder.push(if builder.is_text() { &text } else { text.trim() });
        if let Err(reason) = pushed {
            return Ok(Some((builder.name().to_owned(), reason)));
        }
    }
    Ok(None)
}

/// The lines under a header.
struct Lines {
    /// As it is written.
    header: Vec<String>,
    records: Records<File>,
    cell_bytes: usize,
    /// Whether the file has places that are no text.
    marked: bool,
}

enum Line<'a> {
    Row(Record<'a>),
    Bad { reason: String, row: Vec<u8> },
}

impl Lines {
    /// Goes behind the header, which is the first line that is not empty.
    fn open(text: &Text, delimiter: u8, limits: Limits) -> Result<Self> {
        let mut records = Records::new(text.reader()?, delimiter, limits.columns, limits.record_bytes());
        loop {
            if !records.advance()? {
                return Err(Error::invalid("the file is empty"));
            }
            if !records.current().is_blank_from(0) {
                break;
            }
        }
        let header = records.current().cells().map(|cell| cell.map(Cow::into_owned)).collect::<Result<Vec<_>>>()?;
        Ok(Self { header, records, cell_bytes: limits.cell_bytes, marked: text.marks > 0 })
    }

    /// The next line that is not empty, with its number.
    fn next(&mut self) -> Result<Option<(u64, Line<'_>)>> {
        loop {
            match self.records.advance() {
                Ok(false) => return Ok(None),
                Ok(true) if self.records.current().is_blank_from(0) => {}
                Ok(true) => break,
                Err(Error::BadRow { reason, .. } | Error::LimitExceeded(reason)) => {
                    let line = self.records.next_line();
                    let row = self.records.skip_line()?;
                    return Ok(Some((line, Line::Bad { reason, row })));
                }
                Err(other) => return Err(other),
            }
        }
        let (line, row) = (self.records.line(), self.records.current());
        let found = match self.problem(&row)? {
            Some(reason) => Line::Bad { reason, row: row.raw().to_vec() },
            None => Line::Row(row),
        };
        Ok(Some((line, found)))
    }

    /// What is wrong with a line, whatever the columns hold. Blank fields behind the last column are nothing.
    fn problem(&self, row: &Record<'_>) -> Result<Option<String>> {
        let (found, wanted) = (row.len(), self.header.len());
        if found < wanted || !row.is_blank_from(wanted) {
            return Ok(Some(format!("{found} fields, the header has {wanted}")));
        }
        if self.marked && std::str::from_utf8(row.raw()).is_ok_and(|text| text.contains(MARK)) {
            return Ok(Some("a byte that is no text".to_owned()));
        }
        if row.bytes() > self.cell_bytes {
            for cell in row.cells() {
                if cell?.len() > self.cell_bytes {
                    return Ok(Some(format!("a cell is larger than {} bytes, which is the limit", self.cell_bytes)));
                }
            }
        }
        Ok(None)
    }
}
