//! Delimited text in any dialect, read as Python's `csv` reads it, which those who write such options have in mind: a quote inside a
//! field is text, text behind a closing quote belongs to the field.

use std::{fs::File, io::Read};

use madang_lake::{Error, Limits, Result};

use super::{Batch, Give};
use crate::storage;

const PIECE: usize = 256 << 10;

/// The bytes that mean something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) escape: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the first byte of a row.
    Row,
    /// At the first byte of another field.
    Field,
    Plain,
    Quoted,
    /// Behind a quote that ends the field unless another one follows.
    Closed,
    /// Behind an escape, in a field that is quoted or not.
    Escaped(bool),
    /// Behind a carriage return that ended a row.
    Return,
}

/// Reads all rows. An empty line is a row without cells.
pub(super) fn read(mut file: File, dialect: Dialect, limits: Limits, give: Give<'_>) -> Result<()> {
    let mut lines = Lines { dialect, state: State::Row, text: Vec::new(), ends: Vec::new(), batch: Batch::new(limits, give) };
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece).map_err(storage)?;
        if read == 0 {
            break;
        }
        for byte in piece.get(..read).unwrap_or_default() {
            if !lines.take(*byte)? {
                return Ok(());
            }
        }
        if lines.text.len() > limits.record_bytes() {
            let (row, most) = (lines.batch.number + 1, limits.record_bytes());
            return Err(Error::LimitExceeded(format!("row {row} has more than {most} bytes, which is the limit")));
        }
    }
    if !matches!(lines.state, State::Row | State::Return) {
        lines.end_field();
        lines.end_row()?;
    }
    lines.batch.flush();
    Ok(())
}

struct Lines<'a> {
    dialect: Dialect,
    state: State,
    /// The cells of the row at hand, one after the other.
    text: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    batch: Batch<'a>,
}

impl Lines<'_> {
    /// Takes a byte; false if nobody wants more rows.
    fn take(&mut self, byte: u8) -> Result<bool> {
        match self.state {
            State::Return if byte == b'\n' => self.state = State::Row,
            State::Row | State::Return if byte == b'\n' || byte == b'\r' => return self.line_end(byte),
            State::Row | State::Return | State::Field if byte == self.dialect.quote => self.state = State::Quoted,
            State::Quoted if byte == self.dialect.quote => self.state = State::Closed,
            State::Quoted if Some(byte) == self.dialect.escape => self.state = State::Escaped(true),
            State::Quoted => self.text.push(byte),
            State::Escaped(quoted) => {
                self.text.push(byte);
                self.state = if quoted { State::Quoted } else { State::Plain };
            }
            State::Closed if byte == self.dialect.quote => {
                self.text.push(byte);
                self.state = State::Quoted;
            }
            _ if byte == self.dialect.delimiter => {
                self.end_field();
                self.state = State::Field;
            }
            _ if byte == b'\n' || byte == b'\r' => {
                self.end_field();
                return self.line_end(byte);
            }
            _ if Some(byte) == self.dialect.escape => self.state = State::Escaped(false),
            _ => {
                self.text.push(byte);
                self.state = State::Plain;
            }
        }
        Ok(true)
    }

    fn end_field(&mut self) {
        self.ends.push(self.text.len());
    }

    fn line_end(&mut self, byte: u8) -> Result<bool> {
        self.state = if byte == b'\r' { State::Return } else { State::Row };
        self.end_row()
    }

    fn end_row(&mut self) -> Result<bool> {
        // The whole file was checked, so this can fail only if somebody changed it meanwhile.
        let text = std::str::from_utf8(&self.text).map_err(storage)?;
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let go_on = self.batch.row(starts.zip(&self.ends).map(|(start, end)| text.get(start..*end)))?;
        self.text.clear();
        self.ends.clear();
        Ok(go_on)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn rows(text: &str, dialect: Dialect) -> Vec<Vec<String>> {
        let mut file = tempfile::tempfile().expect("file");
        file.write_all(text.as_bytes()).expect("written");
        file.rewind().expect("rewound");
        let mut found = Vec::new();
        read(file, dialect, Limits::STEP, &mut |records| {
            found.extend(records.iter().map(|row| row.cells().map(|cell| cell.expect("a cell").to_owned()).collect()));
            true
        })
        .expect("read");
        found
    }

    #[test]
    fn a_dialect_is_read_as_python_reads_it() {
        let plain = Dialect { delimiter: b',', quote: b'"', escape: None };
        let cases: [(&str, Dialect, &[&[&str]]); 7] = [
            ("a,b\r\n1,2\r\n", plain, &[&["a", "b"], &["1", "2"]]),
            ("a,\"b\"\"c\nd\"\n\n,", plain, &[&["a", "b\"c\nd"], &[], &["", ""]]),
            ("a\"b,\"c\"d\r1", plain, &[&["a\"b", "cd"], &["1"]]),
            ("가;나\n", Dialect { delimiter: b';', ..plain }, &[&["가", "나"]]),
            ("'a,b','it''s'\n", Dialect { quote: b'\'', ..plain }, &[&["a,b", "it's"]]),
            ("a\\,b,\"c\\\"d\"\n", Dialect { escape: Some(b'\\'), ..plain }, &[&["a,b", "c\"d"]]),
            ("\"\"\n", plain, &[&[""]]),
        ];
        for (text, dialect, wanted) in cases {
            assert_eq!(rows(text, dialect), wanted, "{text:?}");
        }
    }
}
