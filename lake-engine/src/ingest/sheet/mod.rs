//! Spreadsheets as delimited text: one line for each row of a sheet, so that line numbers are row numbers.
//!
//! Workbooks come from strangers. Both formats are ZIP archives of XML; they are read as streams, with limits on what an entry
//! unpacks to, on one piece of XML, on texts that are kept, and on what is written. Nothing is laid out as a grid in memory.

mod archive;
mod ods;
mod rows;
mod style;
mod xlsx;
mod xml;

pub(super) use self::{ods::ods, xlsx::xlsx};
use madang_lake::{Error, Sheet};

/// Rows of a sheet: what spreadsheet programs have.
const ROWS_MAX: u64 = 1 << 20;

fn damaged(what: &str) -> Error {
    Error::invalid(format!("the spreadsheet is damaged: {what}"))
}

fn absent(wanted: &Sheet) -> Error {
    Error::invalid(match wanted {
        Sheet::First => "the workbook has no visible sheet".to_owned(),
        Sheet::Number(number) => format!("the workbook has no sheet {number}"),
        Sheet::Named(name) => format!("the workbook has no sheet '{name}'"),
    })
}
