//! OpenDocument: one sheet of a spreadsheet.

use std::{fs::File, path::Path};

use madang_lake::{Error, Limits, Result, Sheet as Wanted};
use tokio_util::sync::CancellationToken;

use super::{
    ROWS_MAX, absent,
    archive::Archive,
    rows::Rows,
    style::{self, Style},
    xml::{Attributes, Piece, Xml},
};

/// Writes a sheet as delimited text.
pub(in crate::ingest) fn ods(path: &Path, wanted: &Wanted, limits: Limits, scratch: &Path, cancelled: &CancellationToken) -> Result<File> {
    let archive = Archive::open(path)?;
    let part = archive.entry("content.xml", limits.decoded_bytes)?;
    let part = part.ok_or_else(|| Error::invalid("the file is no ODS: it has no content"))?;
    let mut rows = Rows::new(limits, scratch, cancelled)?;
    let wanted = wanted.clone();
    Sheet { wanted, columns: limits.columns, cell_bytes: limits.cell_bytes, ..Sheet::default() }.read(Xml::new(part), &mut rows)?;
    rows.finish()
}

/// The sheet at hand.
#[derive(Default)]
struct Sheet {
    wanted: Wanted,
    /// Tables that began so far.
    tables: usize,
    /// Cells of a row at most.
    columns: usize,
    /// Bytes of a cell at most.
    cell_bytes: usize,
    in_table: bool,
    /// How often the row at hand stands there.
    row_times: u64,
    /// Where the next cell is.
    column: u64,
    cell: Option<Cell>,
    /// Elements that are open inside a note, whose text is none of the cell's.
    in_note: u64,
    /// Inside a paragraph of a cell.
    in_text: bool,
    /// Rows without cells that were not written yet: those behind the last row are none.
    blank_rows: u64,
}

#[derive(Default)]
struct Cell {
    times: u64,
    /// What its type says that it is; for texts its paragraphs say so.
    value: Option<String>,
    text: String,
    paragraphs: u64,
}

impl Sheet {
    fn read(&mut self, mut xml: Xml, rows: &mut Rows<'_>) -> Result<()> {
        loop {
            match xml.next()? {
                Piece::End => return if self.in_table { Ok(()) } else { Err(absent(&self.wanted)) },
                Piece::Open { name, attributes, is_empty } => self.open(&name, &attributes, is_empty, rows)?,
                Piece::Close(name) => {
                    if name == "table" && self.in_table && self.in_note == 0 {
                        return Ok(());
                    }
                    self.close(&name, rows)?;
                }
                Piece::Text(text) if self.in_text && self.in_note == 0 => self.append(&text),
                Piece::Text(_) => {}
            }
        }
    }

    fn open(&mut self, name: &str, attributes: &Attributes, is_empty: bool, rows: &mut Rows<'_>) -> Result<()> {
        if self.in_note > 0 || (name == "annotation" && !is_empty) {
            self.in_note += u64::from(!is_empty);
            return Ok(());
        }
        match name {
            "table" => {
                self.tables += 1;
                self.in_table = match &self.wanted {
                    Wanted::First => true,
                    Wanted::Number(number) => *number == self.tables,
                    Wanted::Named(name) => attributes.get("name") == Some(name),
                };
            }
            "table-row" if self.in_table => {
                self.row_times = attributes.number("number-rows-repeated").unwrap_or(1);
                self.column = 0;
                if is_empty {
                    self.end_row(rows)?;
                }
            }
            "table-cell" | "covered-table-cell" if self.in_table => {
                let times = attributes.number("number-columns-repeated").unwrap_or(1);
                self.cell = Some(Cell { times, value: typed(attributes), ..Cell::default() });
                if is_empty {
                    self.end_cell(rows)?;
                }
            }
            "p" => {
                if let Some(cell) = &mut self.cell {
                    cell.paragraphs += 1;
                    if cell.paragraphs > 1 {
                        cell.text.push('\n');
                    }
                    self.in_text = !is_empty;
                }
            }
            "s" if self.in_text => {
                let blanks = attributes.number("c").unwrap_or(1).min(self.columns as u64);
                (0..blanks).for_each(|_| self.append(" "));
            }
            "tab" if self.in_text => self.append("\t"),
            "line-break" if self.in_text => self.append("\n"),
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str, rows: &mut Rows<'_>) -> Result<()> {
        if self.in_note > 0 {
            self.in_note -= 1;
            return Ok(());
        }
        match name {
            "p" => self.in_text = false,
            "table-cell" | "covered-table-cell" => self.end_cell(rows)?,
            "table-row" if self.in_table => self.end_row(rows)?,
            _ => {}
        }
        Ok(())
    }

    /// Adds to the text of the cell at hand; what is far beyond its limit is left out, and the row refused for it.
    fn append(&mut self, text: &str) {
        if let Some(cell) = self.cell.as_mut().filter(|cell| cell.text.len() <= self.cell_bytes) {
            cell.text.push_str(text);
        }
    }

    /// Empty cells only take their places; a full one that is repeated must fit into the row.
    fn end_cell(&mut self, rows: &mut Rows<'_>) -> Result<()> {
        let Some(cell) = self.cell.take() else { return Ok(()) };
        let text = cell.value.unwrap_or(cell.text);
        let first = self.column;
        self.column = self.column.saturating_add(cell.times);
        if text.is_empty() {
            return Ok(());
        }
        for column in first..self.column.min(first.saturating_add(self.columns as u64 + 1)) {
            rows.set(usize::try_from(column).unwrap_or(usize::MAX), text.clone())?;
        }
        Ok(())
    }

    fn end_row(&mut self, rows: &mut Rows<'_>) -> Result<()> {
        if rows.is_blank() {
            self.blank_rows = self.blank_rows.saturating_add(self.row_times);
            return Ok(());
        }
        rows.skip_to(rows.count().saturating_add(self.blank_rows).min(ROWS_MAX + 1))?;
        self.blank_rows = 0;
        rows.end(self.row_times)
    }
}

/// The value of a cell that is no text.
fn typed(attributes: &Attributes) -> Option<String> {
    match attributes.get("value-type")? {
        "float" | "percentage" | "currency" => {
            let value = attributes.get("value")?;
            Some(value.parse::<f64>().map_or_else(|_| value.to_owned(), |number| style::shown(number, Style::Number, false)))
        }
        "date" => attributes.get("date-value").map(str::to_owned),
        "time" => attributes.get("time-value").map(clock),
        "boolean" => attributes.get("boolean-value").map(str::to_owned),
        "string" => attributes.get("string-value").map(str::to_owned),
        _ => None,
    }
}

/// `PT06H30M00S` as `06:30:00`; any other duration as it is.
fn clock(text: &str) -> String {
    let parts: Vec<&str> = text.trim_start_matches("PT").split(['H', 'M', 'S', '.', ',']).collect();
    match parts.as_slice() {
        [hours, minutes, seconds, ..] if [hours, minutes, seconds].iter().all(|part| part.len() == 2) => {
            format!("{hours}:{minutes}:{seconds}")
        }
        _ => text.to_owned(),
    }
}
