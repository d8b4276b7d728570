//! A workbook as a stream: rows go in, bytes of the file come out, and nothing is kept of what has gone (ECMA-376, the few parts that a
//! plain table needs). Texts are texts: no cell is a formula, whatever it begins with.
//!
//! By hand, because libraries keep sheets in memory or bring other features into the engine's dependencies.

mod zip;

use std::fmt::Write as _;

use madang_kit::{Error, Result};

use self::zip::Zip;

/// Columns of a sheet.
pub(crate) const COLUMNS: usize = 16_384;
/// Rows of a sheet; more go into another one.
const ROWS: u32 = 1_048_576;
/// Bytes of a sheet's XML; more go into another one.
const SHEET_BYTES: u64 = 3 << 30;
/// Characters of a cell.
const CELL_CHARS: usize = 32_767;

const WORKSHEET: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>"#;
const WORKSHEET_END: &str = "</sheetData></worksheet>";
/// The second format is that of texts that a spreadsheet would take for a formula, were they typed in.
const STYLES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1"/></cellXfs></styleSheet>"#;
const PACKAGE: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;

/// A cell.
pub(crate) enum Cell {
    /// A text; an empty one is no cell.
    Text(String),
    /// A number, as it is written.
    Number(String),
}

/// A workbook on its way out.
pub(crate) struct Workbook {
    zip: Zip,
    header: Vec<String>,
    /// Letters of each column.
    letters: Vec<String>,
    sheets: u32,
    /// Rows of the sheet.
    rows: u32,
    /// Bytes of the sheet.
    bytes: u64,
}

impl Workbook {
    /// Begins with a first row, which every sheet of it repeats.
    pub(crate) fn new(header: Vec<String>) -> Result<Self> {
        let letters = (0..header.len()).map(letters).collect();
        let mut book = Self { zip: Zip::default(), header, letters, sheets: 0, rows: 0, bytes: 0 };
        book.begin_sheet()?;
        Ok(book)
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: &[Cell]) -> Result<()> {
        if self.rows >= ROWS || self.bytes >= SHEET_BYTES {
            self.end_sheet()?;
            self.begin_sheet()?;
        }
        self.rows += 1;
        let mut text = format!("<row r=\"{}\">", self.rows);
        for (letters, cell) in self.letters.iter().zip(cells) {
            put(&mut text, letters, self.rows, cell);
        }
        text.push_str("</row>");
        self.write(&text)
    }

    /// What has become of it since it was asked last.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.zip.take()
    }

    /// Ends the file; gives the rest of it.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        self.end_sheet()?;
        let sheets = 1..=self.sheets;
        let numbered = |shape: &dyn Fn(u32) -> String| sheets.clone().map(shape).collect::<String>();
        let listed = numbered(&|n| format!(r#"<sheet name="responses{}" sheetId="{n}" r:id="rId{n}"/>"#, ending(n)));
        let related = numbered(&|n| {
            format!(
                r#"<Relationship Id="rId{n}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet{n}.xml"/>"#
            )
        });
        let typed = numbered(&|n| {
            format!(
                r#"<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>"#
            )
        });
        let head = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;
        let styles = self.sheets + 1;
        let parts = [
            ("xl/styles.xml", STYLES.to_owned()),
            (
                "xl/workbook.xml",
                format!(
                    r#"{head}<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{listed}</sheets></workbook>"#
                ),
            ),
            (
                "xl/_rels/workbook.xml.rels",
                format!(
                    r#"{head}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{related}<Relationship Id="rId{styles}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#
                ),
            ),
            ("_rels/.rels", PACKAGE.to_owned()),
            (
                "[Content_Types].xml",
                format!(
                    r#"{head}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>{typed}</Types>"#
                ),
            ),
        ];
        for (name, text) in parts {
            self.zip.begin(name)?;
            self.zip.write(text.as_bytes())?;
            self.zip.end()?;
        }
        self.zip.finish()
    }

    fn begin_sheet(&mut self) -> Result<()> {
        self.sheets += 1;
        (self.rows, self.bytes) = (0, 0);
        self.zip.begin(&format!("xl/worksheets/sheet{}.xml", self.sheets))?;
        self.write(WORKSHEET)?;
        let header: Vec<_> = self.header.iter().cloned().map(Cell::Text).collect();
        self.row(&header)
    }

    fn end_sheet(&mut self) -> Result<()> {
        self.write(WORKSHEET_END)?;
        self.zip.end()
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.bytes += text.len() as u64;
        self.zip.write(text.as_bytes())
    }
}

fn ending(number: u32) -> String {
    if number == 1 { String::new() } else { format!(" {number}") }
}

fn put(text: &mut String, letters: &str, row: u32, cell: &Cell) {
    let _ = match cell {
        Cell::Text(value) if value.is_empty() => Ok(()),
        Cell::Number(value) => write!(text, r#"<c r="{letters}{row}"><v>{value}</v></c>"#),
        Cell::Text(value) => {
            let style = if value.starts_with(['=', '+', '-', '@', '\t', '\r']) { r#" s="1""# } else { "" };
            write!(text, r#"<c r="{letters}{row}"{style} t="inlineStr"><is><t xml:space="preserve">{}</t></is></c>"#, escaped(value))
        }
    }; // writing to a text never fails
}

/// A text as XML, as long as a cell may be. What XML can't hold, and what would be read as that, is written as `_x0001_`.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (at, letter) in value.char_indices().take(CELL_CHARS) {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '\n' | '\t' => text.push(letter),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(text, "_x{:04X}_", u32::from(letter));
            }
            '_' if is_mark(&value.as_bytes()[at..]) => text.push_str("_x005F_"),
            letter => text.push(letter),
        }
    }
    text
}

/// `_x0001_` and the like.
fn is_mark(bytes: &[u8]) -> bool {
    matches!(bytes, [b'_', b'x', a, b, c, d, b'_', ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit))
}

/// `A`, …, `Z`, `AA`, …
fn letters(mut column: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'A' + u8::try_from(column % 26).unwrap_or_default()));
        if column < 26 {
            break;
        }
        column = column / 26 - 1;
    }
    letters.iter().rev().collect()
}

/// A file that would be larger than the format allows without extensions.
fn too_large() -> Error {
    Error::internal("a spreadsheet of more than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        assert_eq!([0, 25, 26, 701, 702, 16_383].map(letters), ["A", "Z", "AA", "ZZ", "AAA", "XFD"]);
    }

    #[test]
    fn texts_fit_into_xml() {
        assert_eq!(escaped("a<b>&\u{1}_x0041_\r"), "a&lt;b&gt;&amp;_x0001__x005F_x0041__x000D_");
        assert_eq!(escaped(&"가".repeat(40_000)).chars().count(), CELL_CHARS);
    }
}
