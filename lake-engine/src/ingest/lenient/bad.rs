//! The list of bad rows: a CSV file of bounded size.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use madang_lake::{BadRows, Error, Result};

use crate::storage;

/// Rows in the list; all others are only counted.
const LISTED: u64 = 100_000;
/// Bytes of a bad row that the list shows.
const SHOWN: usize = 1_000;

/// A list in the making.
pub(in crate::ingest) struct BadList {
    file: BufWriter<File>,
    rows: BadRows,
    first: Option<(u64, String)>,
}

/// What a conversion came to.
pub(crate) struct Outcome {
    pub(crate) bad: BadRows,
    /// The first bad row: its line and what is wrong with it.
    first: Option<(u64, String)>,
    pub(crate) good: u64,
}

impl Outcome {
    /// Refuses a file of which more rows are bad than good.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.first {
            Some((line, reason)) if self.bad.count > self.good => {
                let (bad, all) = (self.bad.count, self.bad.count + self.good);
                Err(Error::invalid(format!("{bad} of {all} rows are bad; the first one in line {line}: {reason}")))
            }
            _ => Ok(()),
        }
    }
}

/// What is wrong with a row.
pub(in crate::ingest) struct Bad<'a> {
    /// Where it begins; of JSON, the number of the object.
    pub(in crate::ingest) line: u64,
    /// The column that it does not fit, if one is at fault.
    pub(in crate::ingest) column: Option<&'a str>,
    pub(in crate::ingest) reason: &'a str,
    /// The row as it stands in the file.
    pub(in crate::ingest) row: &'a [u8],
    /// A wider column would hold it.
    pub(in crate::ingest) misfit: bool,
}

impl BadList {
    pub(in crate::ingest) fn new(path: &Path) -> Result<Self> {
        let mut file = BufWriter::new(File::create(path).map_err(storage)?);
        file.write_all(b"line,column,reason,row\n").map_err(storage)?;
        Ok(Self { file, rows: BadRows::default(), first: None })
    }

    /// Adds a row.
    pub(in crate::ingest) fn add(&mut self, bad: &Bad<'_>) -> Result<()> {
        self.rows.count += 1;
        self.rows.misfits += u64::from(bad.misfit);
        if self.first.is_none() {
            self.first = Some((bad.line, bad.reason.to_owned()));
        }
        if self.rows.listed == LISTED {
            return Ok(());
        }
        self.rows.listed += 1;
        let cut = bad.row.get(..SHOWN).unwrap_or(bad.row);
        let text = String::from_utf8_lossy(cut).replace(super::text::MARK, "\u{FFFD}");
        let (column, reason, row) =
            (quoted(bad.column.unwrap_or_default()), quoted(bad.reason), quoted(text.trim_end_matches(['\r', '\n'])));
        writeln!(self.file, "{},{column},{reason},{row}", bad.line).map_err(storage)
    }

    /// Ends the list.
    pub(in crate::ingest) fn finish(mut self, good: u64) -> Result<Outcome> {
        self.file.flush().map_err(storage)?;
        Ok(Outcome { bad: self.rows, first: self.first, good })
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
