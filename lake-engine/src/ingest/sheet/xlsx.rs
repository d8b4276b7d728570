//! Office Open XML: one sheet of a workbook.

use std::{fs::File, path::Path};

use madang_lake::{Error, Limits, Result, Sheet};
use tokio_util::sync::CancellationToken;

use super::{
    ROWS_MAX, absent,
    archive::Archive,
    damaged,
    rows::Rows,
    style::{self, Style},
    xml::{Attributes, Piece, Xml},
};

/// Bytes of the parts that are read before the sheet: what sheets there are, and their styles.
const SMALL_PART: u64 = 16 << 20;
/// Bytes of the shared texts, unpacked; they stay in memory.
const TEXTS_BYTES: u64 = 128 << 20;
/// Their number.
const TEXTS_MAX: usize = 4 << 20;
const STYLES_MAX: usize = 100_000;
/// What is kept of a cell's text while it is read; the limit of a cell is lower, so that a longer one is refused.
const CELL_BYTES: usize = 32 << 20;

/// Writes a sheet as delimited text.
pub(in crate::ingest) fn xlsx(path: &Path, sheet: &Sheet, limits: Limits, scratch: &Path, cancelled: &CancellationToken) -> Result<File> {
    let archive = Archive::open(path)?;
    let (sheet, from_1904) = find(&archive, sheet)?;
    let book = Book { texts: texts(&archive)?, styles: styles(&archive)?, from_1904 };
    let part = archive.entry(&sheet, limits.decoded_bytes)?.ok_or_else(|| damaged("its sheet is not there"))?;
    let mut rows = Rows::new(limits, scratch, cancelled)?;
    book.read(Xml::new(part), &mut rows)?;
    rows.finish()
}

/// What all sheets share.
struct Book {
    texts: Vec<Box<str>>,
    styles: Vec<Style>,
    from_1904: bool,
}

/// A cell on its way.
#[derive(Default)]
struct Cell {
    column: usize,
    kind: String,
    style: Style,
    text: String,
    /// Inside the element that holds the value.
    in_value: bool,
    /// Inside what is spoken beside it.
    in_reading: bool,
}

impl Book {
    fn read(&self, mut xml: Xml, rows: &mut Rows<'_>) -> Result<()> {
        let mut cell = None;
        let mut next_column = 0;
        loop {
            match xml.next()? {
                Piece::End => return Ok(()),
                Piece::Open { name, attributes, is_empty } => match (name.as_str(), &mut cell) {
                    ("row", _) => {
                        next_column = 0;
                        let number = attributes.number("r").unwrap_or_default();
                        if number > ROWS_MAX {
                            return Err(Error::LimitExceeded(format!("the sheet has more than {ROWS_MAX} rows, which is the limit")));
                        }
                        rows.skip_to(number.saturating_sub(1))?;
                        if is_empty {
                            rows.end(1)?;
                        }
                    }
                    ("c", _) => {
                        let new = self.begin(&attributes, next_column);
                        next_column = new.column + 1;
                        cell = (!is_empty).then_some(new);
                    }
                    ("v" | "t", Some(cell)) => cell.in_value = !is_empty,
                    ("rPh", Some(cell)) => cell.in_reading = !is_empty,
                    _ => {}
                },
                Piece::Text(text) => {
                    if let Some(cell) = cell.as_mut().filter(|cell| cell.in_value && !cell.in_reading && cell.text.len() <= CELL_BYTES) {
                        cell.text.push_str(&text);
                    }
                }
                Piece::Close(name) => match (name.as_str(), &mut cell) {
                    ("row", _) => rows.end(1)?,
                    ("c", _) => {
                        if let Some(cell) = cell.take() {
                            rows.set(cell.column, self.value(&cell)?)?;
                        }
                    }
                    ("v" | "t", Some(cell)) => cell.in_value = false,
                    ("rPh", Some(cell)) => cell.in_reading = false,
                    ("sheetData", _) => return Ok(()),
                    _ => {}
                },
            }
        }
    }

    fn begin(&self, attributes: &Attributes, next_column: usize) -> Cell {
        let style = attributes.number("s").and_then(|at| self.styles.get(usize::try_from(at).ok()?)).copied().unwrap_or_default();
        Cell {
            column: attributes.get("r").and_then(column_of).unwrap_or(next_column),
            kind: attributes.get("t").unwrap_or_default().to_owned(),
            style,
            ..Cell::default()
        }
    }

    /// A cell as text. An error such as `#N/A` is an empty cell.
    fn value(&self, cell: &Cell) -> Result<String> {
        Ok(match cell.kind.as_str() {
            "s" => {
                let text = cell.text.trim().parse::<usize>().ok().and_then(|at| self.texts.get(at));
                text.ok_or_else(|| damaged("a cell names a text that is not there"))?.to_string()
            }
            "b" => if cell.text.trim() == "1" { "true" } else { "false" }.to_owned(),
            "e" => String::new(),
            "str" | "inlineStr" | "d" => cell.text.clone(),
            _ => match cell.text.trim().parse::<f64>() {
                Ok(number) => style::shown(number, cell.style, self.from_1904),
                Err(_) => cell.text.clone(),
            },
        })
    }
}

/// `AB12` is in column 27, counted from 0.
fn column_of(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic);
    let mut number = 0_usize;
    for letter in letters.take(4) {
        number = number * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1;
    }
    number.checked_sub(1)
}

/// The path of a sheet, and whether days count from 1904.
fn find(archive: &Archive, wanted: &Sheet) -> Result<(String, bool)> {
    let part = archive.entry("xl/workbook.xml", SMALL_PART)?.ok_or_else(|| Error::invalid("the file is no XLSX: it has no workbook"))?;
    let (mut xml, mut found, mut from_1904, mut number) = (Xml::new(part), None, false, 0);
    loop {
        match xml.next()? {
            Piece::End => break,
            Piece::Open { name, attributes, .. } if name == "workbookPr" => {
                from_1904 = matches!(attributes.get("date1904"), Some("1" | "true"));
            }
            Piece::Open { name, attributes, .. } if name == "sheet" && found.is_none() => {
                number += 1;
                let is_it = match wanted {
                    Sheet::First => !matches!(attributes.get("state"), Some("hidden" | "veryHidden")),
                    Sheet::Number(place) => *place == number,
                    Sheet::Named(name) => attributes.get("name") == Some(name),
                };
                found = attributes.get("id").filter(|_| is_it).map(str::to_owned);
            }
            _ => {}
        }
    }
    let found = found.ok_or_else(|| absent(wanted))?;
    let part = archive.entry("xl/_rels/workbook.xml.rels", SMALL_PART)?.ok_or_else(|| damaged("it does not say where its sheets are"))?;
    let mut xml = Xml::new(part);
    loop {
        match xml.next()? {
            Piece::End => return Err(damaged("it does not say where its sheet is")),
            Piece::Open { name, attributes, .. } if name == "Relationship" && attributes.get("Id") == Some(&found) => {
                let target = attributes.get("Target").unwrap_or_default();
                let path = target.strip_prefix('/').map_or_else(|| format!("xl/{target}"), str::to_owned);
                return Ok((path, from_1904));
            }
            _ => {}
        }
    }
}

/// The texts that cells share.
fn texts(archive: &Archive) -> Result<Vec<Box<str>>> {
    let Some(part) = archive.entry("xl/sharedStrings.xml", TEXTS_BYTES)? else { return Ok(Vec::new()) };
    let (mut xml, mut texts) = (Xml::new(part), Vec::new());
    let (mut text, mut in_text, mut in_reading) = (String::new(), false, false);
    loop {
        match xml.next()? {
            Piece::End => return Ok(texts),
            Piece::Open { name, is_empty, .. } => match name.as_str() {
                "t" => in_text = !is_empty,
                "rPh" => in_reading = !is_empty,
                "si" if is_empty => texts.push(Box::default()),
                _ => {}
            },
            Piece::Text(more) if in_text && !in_reading => text.push_str(&more),
            Piece::Text(_) => {}
            Piece::Close(name) => match name.as_str() {
                "t" => in_text = false,
                "rPh" => in_reading = false,
                "si" => texts.push(std::mem::take(&mut text).into_boxed_str()),
                _ => {}
            },
        }
        if texts.len() > TEXTS_MAX {
            return Err(Error::LimitExceeded(format!("the workbook has more than {TEXTS_MAX} texts, which is the limit")));
        }
    }
}

/// How numbers are read under each style of a cell.
fn styles(archive: &Archive) -> Result<Vec<Style>> {
    let Some(part) = archive.entry("xl/styles.xml", SMALL_PART)? else { return Ok(Vec::new()) };
    let (mut xml, mut styles, mut formats) = (Xml::new(part), Vec::new(), Vec::new());
    let mut in_cells = false;
    loop {
        match xml.next()? {
            Piece::End => return Ok(styles),
            Piece::Close(name) if name == "cellXfs" => in_cells = false,
            Piece::Open { name, attributes, .. } => match name.as_str() {
                "numFmt" if formats.len() < STYLES_MAX => {
                    let code = attributes.get("formatCode").unwrap_or_default();
                    formats.push((attributes.number("numFmtId").unwrap_or_default(), style::of_format(code)));
                }
                "cellXfs" => in_cells = true,
                "xf" if in_cells && styles.len() < STYLES_MAX => {
                    let id = attributes.number("numFmtId").unwrap_or_default();
                    let own = formats.iter().find(|(known, _)| *known == id).map(|(_, style)| *style);
                    styles.push(own.unwrap_or_else(|| style::built_in(id)));
                }
                _ => {}
            },
            _ => {}
        }
    }
}
